use super::*;
use crate::folder::Proof;
use crate::media::kind::original_name;

fn path(text: &str) -> RemotePath {
    RemotePath::new(text.as_bytes()).unwrap()
}

fn found(below: &str, size: u64, mtime: i64) -> FoundItem {
    let path = path(&format!("/storage/emulated/0/{below}"));
    let name = path.name();
    let kind = MediaKind::of_name(original_name(name).unwrap_or(name));
    FoundItem {
        item: Item {
            path,
            size,
            size_is_exact: true,
            mtime,
        },
        kind,
        volume: 0,
    }
}

fn enumeration(items: Vec<FoundItem>) -> Enumeration {
    let root = path("/storage/emulated/0");
    let volumes = vec![Volume {
        root,
        label: "internal".into(),
    }];
    let mut found = Enumeration {
        volumes,
        ..Enumeration::default()
    };
    for item in items {
        found.items.push(item);
    }
    found
}

/// The plan as a run makes it; both ways to it where there is a short one.
fn plan(
    enumeration: &mut Enumeration,
    mut entries: Vec<Entry>,
    companions: &[LocalPath],
    best_proof: Proof,
    is_in_place: impl Fn(&Entry) -> bool,
) -> Plan {
    let mut settled = SettledEntries::default();
    for entry in &entries {
        settled.add(entry, || is_in_place(entry));
    }
    let nothing = settled.nothing_to_do(&enumeration.items, best_proof);
    entries.sort_by(|a, b| {
        a.item
            .path
            .cmp(&b.item.path)
            .then(a.version.cmp(&b.version))
    });
    let mut planner = Planner::new(enumeration, best_proof, is_in_place);
    entries.into_iter().for_each(|entry| planner.take(entry));
    let plan = planner.finish(companions);
    assert_eq!(nothing.is_some(), plan.changes_nothing());
    if let Some(nothing) = nothing {
        let done = |plan: &Plan| (plan.done_items, plan.done_bytes);
        assert_eq!(done(&nothing), done(&plan));
    }
    plan
}

fn local_of(plan: &Plan, number: Number) -> String {
    plan.items.local(number).unwrap().to_string()
}

fn entry(id: i64, below: &str, size: u64, mtime: i64, state: State) -> Entry {
    Entry {
        id: EntryId(id),
        item: Item {
            path: path(&format!("/storage/emulated/0/{below}")),
            size,
            size_is_exact: true,
            mtime,
        },
        version: 1,
        local: LocalPath::new(&format!("internal/{below}")).unwrap(),
        state,
        sha256: matches!(state, State::Verified(_)).then(|| Sha256::of(b"")),
        reason: None,
        attempts: 0,
    }
}

const VERIFIED: State = State::Verified(Proof::Sha256);

#[test]
fn most_precious_and_newest_come_first() {
    let items = vec![
        found("Music/a.mp3", 1, 9),
        found("DCIM/Camera/old.jpg", 1, 1),
        found("DCIM/Camera/new.jpg", 1, 5),
        found("DCIM/Camera/clip.mp4", 1, 9),
        found("Pictures/x.png", 1, 9),
    ];
    let mut plan = plan(
        &mut enumeration(items),
        Vec::new(),
        &[],
        Proof::Sha256,
        |_| true,
    );
    let ids: Vec<_> = (1..=plan.new.len() as i64).map(EntryId).collect();
    plan.set_ids(&ids);
    let order = plan.in_order();
    let order: Vec<_> = order.iter().map(|it| local_of(&plan, *it)).collect();
    assert_eq!(
        order,
        [
            "internal/DCIM/Camera/new.jpg",
            "internal/DCIM/Camera/old.jpg",
            "internal/DCIM/Camera/clip.mp4",
            "internal/Pictures/x.png",
            "internal/Music/a.mp3"
        ]
    );
}

#[test]
fn what_is_here_and_proven_is_left_alone() {
    let items = vec![found("DCIM/a.jpg", 5, 1)];
    let plan = plan(
        &mut enumeration(items),
        vec![entry(1, "DCIM/a.jpg", 5, 1, VERIFIED)],
        &[],
        Proof::Sha256,
        |_| true,
    );
    assert_eq!(
        (plan.done_items, plan.done_bytes, plan.wanted()),
        (1, 5, (0, 0))
    );
}

#[test]
fn run_that_finds_all_here_changes_nothing_and_any_other_is_planned_whole() {
    let here = || {
        vec![
            entry(1, "DCIM/a.jpg", 5, 1, VERIFIED),
            entry(2, "DCIM/gone.jpg", 7, 1, VERIFIED),
            entry(3, "DCIM/z.jpg", 11, 1, VERIFIED),
        ]
    };
    let both = || vec![found("DCIM/z.jpg", 11, 1), found("DCIM/a.jpg", 5, 1)];
    let planned = |items, entries, lost: &str| {
        let is_in_place = |entry: &Entry| !entry.local.as_str().ends_with(lost);
        let mut items = enumeration(items);
        plan(&mut items, entries, &[], Proof::Sha256, is_in_place)
    };
    let nothing = planned(both(), here(), "none");
    assert!(nothing.changes_nothing());
    assert_eq!((nothing.done_items, nothing.done_bytes), (2, 16));

    let mut with_new = both();
    with_new.push(found("DCIM/zz.jpg", 1, 1));
    let changed = vec![found("DCIM/a.jpg", 5, 1), found("DCIM/z.jpg", 12, 1)];
    let mut weaker = here();
    weaker[2].state = State::Verified(Proof::Size);
    let mut failed = here();
    failed[1].state = State::Failed;
    for (plan, done) in [
        (planned(with_new, here(), "none"), 2),
        (planned(changed, here(), "none"), 1),
        (planned(both(), here(), "z.jpg"), 1),
        (planned(both(), here(), "gone.jpg"), 2),
        (planned(both(), weaker, "none"), 1),
        (planned(both(), failed, "gone.jpg"), 2),
    ] {
        assert!(!plan.changes_nothing());
        assert_eq!(plan.done_items, done);
    }
    // Names of what is here stay taken.
    let plan = planned(
        vec![found("DCIM/a.jpg", 5, 1), found("DCIM/z.jpg", 12, 1)],
        here(),
        "none",
    );
    assert_eq!(
        local_of(&plan, plan.new[0].number),
        "internal/DCIM/z (2).jpg"
    );
}

#[test]
fn what_is_here_unproven_is_only_verified() {
    let items = vec![found("DCIM/a.jpg", 5, 1)];
    let mut entries = vec![entry(1, "DCIM/a.jpg", 5, 1, State::Pulled)];
    entries[0].sha256 = Some(Sha256::of(b"12345"));
    let plan = plan(&mut enumeration(items), entries, &[], Proof::Sha256, |_| {
        true
    });
    assert_eq!((plan.unproven.len(), plan.wanted()), (1, (0, 0)));
}

#[test]
fn file_removed_from_the_folder_is_pulled_again_to_its_place() {
    let items = vec![found("DCIM/a.jpg", 5, 1)];
    let plan = plan(
        &mut enumeration(items),
        vec![entry(1, "DCIM/a.jpg", 5, 1, VERIFIED)],
        &[],
        Proof::Sha256,
        |_| false,
    );
    assert!(matches!(plan.records[..], [Record::Replan { .. }]));
    assert_eq!(local_of(&plan, plan.tasks[0]), "internal/DCIM/a.jpg");
}

#[test]
fn changed_file_becomes_a_new_version_beside_the_safe_one() {
    let items = vec![found("DCIM/a.jpg", 6, 2)];
    let plan = plan(
        &mut enumeration(items),
        vec![entry(1, "DCIM/a.jpg", 5, 1, VERIFIED)],
        &[],
        Proof::Sha256,
        |_| true,
    );
    assert_eq!(plan.records, [Record::Supersede { id: EntryId(1) }]);
    assert_eq!(
        (plan.new[0].version, local_of(&plan, plan.new[0].number)),
        (2, "internal/DCIM/a (2).jpg".to_owned())
    );
}

#[test]
fn failed_one_is_tried_again_last() {
    let items = vec![found("DCIM/a.jpg", 5, 9), found("Music/b.mp3", 1, 1)];
    let mut plan = plan(
        &mut enumeration(items),
        vec![entry(1, "DCIM/a.jpg", 5, 9, State::Failed)],
        &[],
        Proof::Sha256,
        |_| false,
    );
    plan.set_ids(&[EntryId(2)]);
    let order = plan.in_order();
    let ids: Vec<_> = order
        .iter()
        .map(|it| plan.items.task(*it).unwrap().id)
        .collect();
    assert_eq!(ids, [EntryId(2), EntryId(1)]);
}

#[test]
fn thrown_away_items_lie_in_the_trash_under_their_own_names() {
    let items = vec![
        found("DCIM/Camera/.trashed-1724000000-IMG_1.jpg", 1, 1),
        found("Android/.Trash/com.sec.android.gallery3d/x.jpg", 1, 1),
    ];
    let plan = plan(
        &mut enumeration(items),
        Vec::new(),
        &[],
        Proof::Sha256,
        |_| true,
    );
    let locals: Vec<_> = plan
        .new
        .iter()
        .map(|new| local_of(&plan, new.number))
        .collect();
    assert_eq!(
        locals,
        [
            "trash/internal/Android/.Trash/com.sec.android.gallery3d/x.jpg",
            "trash/internal/DCIM/Camera/IMG_1.jpg"
        ]
    );
}

#[test]
fn sizes_modulo_four_gib_count_as_the_same() {
    let mut small = found("DCIM/a.mp4", 1_073_741_947, 1);
    small.item.size_is_exact = false;
    let entries = vec![entry(1, "DCIM/a.mp4", 5_368_709_243, 1, VERIFIED)];
    let plan = plan(
        &mut enumeration(vec![small]),
        entries,
        &[],
        Proof::Sha256,
        |_| true,
    );
    assert_eq!(plan.done_items, 1);
}

#[test]
fn later_version_decides_also_where_nothing_is_to_do() {
    let version = |id, version, mtime, state| Entry {
        version,
        local: LocalPath::new(&format!("internal/DCIM/a ({version}).jpg")).unwrap(),
        ..entry(id, "DCIM/a.jpg", 5, mtime, state)
    };
    let planned = |entries| {
        let mut items = enumeration(vec![found("DCIM/a.jpg", 5, 2)]);
        plan(&mut items, entries, &[], Proof::Sha256, |_| true)
    };
    let superseded = || version(1, 1, 1, State::Superseded);
    let latest = planned(vec![superseded(), version(2, 2, 2, VERIFIED)]);
    assert!(latest.changes_nothing() && latest.done_items == 1);
    // In a catalogue that nobody's run made.
    for entries in [
        vec![superseded()],
        vec![
            version(1, 1, 2, VERIFIED),
            version(2, 2, 2, State::Superseded),
        ],
    ] {
        let plan = planned(entries);
        assert_eq!(plan.new.len(), 1);
    }
    // Both are of the phone's file of some time, the first of how it is now.
    let entries = vec![version(1, 1, 2, VERIFIED), version(2, 2, 1, VERIFIED)];
    assert_eq!(planned(entries).new[0].version, 3);
}

#[test]
fn listing_that_shows_a_file_twice_has_it_once() {
    let twice = || enumeration(vec![found("DCIM/a.jpg", 5, 1), found("DCIM/a.jpg", 5, 1)]);
    let entries = [entry(1, "DCIM/a.jpg", 5, 1, VERIFIED)];
    let mut settled = SettledEntries::default();
    settled.add(&entries[0], || true);
    assert!(
        settled
            .nothing_to_do(&twice().items, Proof::Sha256)
            .is_none()
    );
    let mut twice = twice();
    let mut planner = Planner::new(&mut twice, Proof::Sha256, |_: &Entry| true);
    planner.take(entries[0].clone());
    assert_eq!(planner.finish(&[]).done_items, 1);
}
