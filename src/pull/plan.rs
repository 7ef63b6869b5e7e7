//! What to do: the items found against what the catalogue holds already. Pure, but for the names
//! that it allocates.

use std::cmp::Reverse;

use super::enumerate::{Enumeration, Found};
use super::kind::{MediaKind, Precious, original_name};
use super::selection::is_trash_folder;
use crate::adb::RemotePath;
use crate::folder::{Entry, EntryId, NewEntry, Proof, ReasonCode, Record, State};
use crate::item::{Item, Volume};
use crate::names::{LocalPath, Names};

/// The folder below `data/` for what was in a recycle bin.
const TRASH: &str = "trash";
/// Stands for a card that is not in the phone now, only so that its entries' names stay taken.
const GONE: &str = "gone";

/// More than any phone with its cards holds, in bytes.
pub(crate) const LARGEST_STORAGE: u64 = 8 << 40;

/// An item that is to be pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its entry.
    pub id: EntryId,
    /// The item.
    pub item: Item,
    /// Its place below `data/`.
    pub local: LocalPath,
    /// How precious it is.
    pub precious: Precious,
    /// Whether it was refused before, so that it goes last.
    pub was_refused: bool,
    /// Whether what is held of it from before is of the same file.
    pub may_resume: bool,
    /// Failed tries in this run.
    pub attempts: u32,
}

impl Task {
    /// Its place in the order of a run: most precious first, newest first; what was refused before
    /// comes last.
    pub(super) fn rank(&self) -> (bool, Precious, Reverse<i64>) {
        (self.was_refused, self.precious, Reverse(self.item.mtime))
    }
}

/// An item that is here but not proven yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnprovenEntry {
    /// Its entry.
    pub entry: Entry,
    /// How precious it is.
    pub precious: Precious,
}

/// What to do.
#[derive(Default)]
pub struct Plan {
    /// Entries to be made; their ids follow in the order of `new_precious`.
    pub new: Vec<NewEntry>,
    new_precious: Vec<Precious>,
    /// Changes to entries that are there.
    pub records: Vec<Record>,
    /// What to pull of the entries that are there.
    pub tasks: Vec<Task>,
    /// What is not here, and was not listed now: it is gone, or nobody asked for it this time.
    pub unseen: Vec<Task>,
    /// What to verify only: without a proof, or with a weaker one than the phone can give.
    pub unproven: Vec<UnprovenEntry>,
    /// Places of files that were here; where something stands there, it is something else now.
    pub vacant: Vec<LocalPath>,
    /// Items that are here and proven.
    pub done_items: u64,
    /// Their bytes.
    pub done_bytes: u64,
    /// The names taken, for those that turn out to need another.
    pub names: Names,
}

/// Compares what was found with the catalogue's entries, in whatever order they come.
/// `is_in_place` looks whether an entry's file, with its bytes, stands in the folder.
///
/// `companions` are the places of files kept beside damaged ones, which nobody else gets;
/// `best_proof` is the strongest that the phone can give now.
pub fn plan(
    enumeration: &mut Enumeration,
    entries: Vec<Entry>,
    companions: &[LocalPath],
    best_proof: Proof,
    is_in_place: impl Fn(&Entry) -> bool,
) -> Plan {
    let mut entries = entries;
    // Entries are made in the order of their paths, run by run: a stable sort finds those runs.
    entries.sort_by(|a, b| a.path.cmp(&b.path).then(a.version.cmp(&b.version)));
    enumeration
        .items
        .sort_unstable_by(|a, b| a.item.path.cmp(&b.item.path));
    enumeration
        .items
        .dedup_by(|a, b| a.item.path == b.item.path);
    if let Some(nothing) = nothing_to_do(&enumeration.items, &entries, best_proof, &is_in_place) {
        enumeration.items.clear();
        return nothing;
    }
    let mut names = Names::new();
    let volumes = &enumeration.volumes;
    for entry in &entries {
        let (prefix, components) = place(&entry.path, volumes);
        names.remember(&prefix, components.iter().copied(), &entry.local);
    }
    let mut known = entries.into_iter().peekable();
    // The latest version of the first path that is left.
    let mut next_known = move |wanted: &dyn Fn(&Entry) -> bool| {
        let mut entry = known.next_if(wanted)?;
        while let Some(later) = known.next_if(|later| later.path == entry.path) {
            entry = later;
        }
        Some(entry)
    };
    companions.iter().for_each(|local| names.occupy(local));
    let mut plan = Plan::default();
    for Found { item, kind, volume } in std::mem::take(&mut enumeration.items) {
        let precious = judge(&item, kind, volumes.get(volume as usize));
        while let Some(entry) = next_known(&|known| known.path < item.path) {
            plan.add_unseen(entry, &is_in_place);
        }
        match next_known(&|known| known.path == item.path) {
            None => plan.add_new(item, 1, precious, volumes, &mut names),
            Some(entry) => {
                let is_in_place = |entry: &Entry| is_in_place(entry);
                plan.add_known(
                    item,
                    entry,
                    precious,
                    volumes,
                    &mut names,
                    best_proof,
                    is_in_place,
                );
            }
        }
    }
    while let Some(entry) = next_known(&|_| true) {
        plan.add_unseen(entry, &is_in_place);
    }
    plan.names = names;
    plan
}

/// The plan of a run that finds all of it here, proven and in its place, as most runs after the
/// first do: those need no names. `None` as soon as anything else is met. Both are in order of
/// their paths.
fn nothing_to_do(
    found: &[Found],
    entries: &[Entry],
    best_proof: Proof,
    is_in_place: impl Fn(&Entry) -> bool,
) -> Option<Plan> {
    let mut plan = Plan::default();
    let mut found = found.iter().map(|found| &found.item).peekable();
    for versions in entries.chunk_by(|a, b| a.path == b.path) {
        let entry = versions.last()?;
        let item = found.next_if(|item| item.path <= entry.path);
        let is_settled = match (item, entry.state) {
            (Some(item), State::Verified(proof)) => {
                is_same(item, entry) && item.path == entry.path && proof <= best_proof
            }
            (Some(_), _) => false,
            (None, State::Verified(proof)) => proof <= best_proof,
            (None, _) => false,
        };
        if !is_settled || !is_in_place(entry) {
            return None;
        }
        if item.is_some() {
            plan.done_items += 1;
            plan.done_bytes += entry.size;
        }
    }
    found.next().is_none().then_some(plan)
}

impl Plan {
    /// Turns the entries just made into tasks and puts all tasks in order: most precious first,
    /// newest first; what was refused before comes last.
    pub fn into_tasks(self, new_ids: &[EntryId]) -> Vec<Task> {
        let mut tasks = self.tasks;
        tasks.reserve(new_ids.len());
        for ((id, new), precious) in new_ids.iter().zip(self.new).zip(self.new_precious) {
            let item = Item {
                path: new.path,
                size: new.size,
                size_is_exact: new.size_is_exact,
                mtime: new.mtime,
            };
            let local = new.local;
            tasks.push(Task {
                id: *id,
                item,
                local,
                precious,
                was_refused: false,
                may_resume: true,
                attempts: 0,
            });
        }
        tasks.sort_by_cached_key(Task::rank);
        tasks
    }

    /// Whether all is here and nothing is to be recorded.
    pub fn changes_nothing(&self) -> bool {
        self.new.is_empty()
            && self.records.is_empty()
            && self.tasks.is_empty()
            && self.unseen.is_empty()
            && self.unproven.is_empty()
            && self.vacant.is_empty()
    }

    /// How many items are to be pulled, and their bytes.
    pub fn wanted(&self) -> (u64, u64) {
        self.sizes()
            .fold((0, 0), |(items, bytes): (u64, u64), (_, size)| {
                (items + 1, bytes.saturating_add(size))
            })
    }

    /// The bytes that they need on this disk, which takes files up to a size. One that no phone has
    /// room for is a lie of its listing, and shall not keep the others from being pulled.
    pub fn needed_bytes(&self, largest_file: u64) -> u64 {
        let sizes = self.sizes().map(|(_, size)| size);
        sizes
            .filter(|size| *size <= LARGEST_STORAGE.min(largest_file))
            .fold(0, u64::saturating_add)
    }

    /// The smallest of them.
    pub fn smallest(&self) -> Option<u64> {
        self.sizes().map(|(_, size)| size).min()
    }

    fn sizes(&self) -> impl Iterator<Item = (&RemotePath, u64)> {
        let new = self.new.iter().map(|new| (&new.path, new.size));
        let known = self.tasks.iter();
        new.chain(known.map(|task| (&task.item.path, task.item.size)))
    }

    /// Takes an entry that was not listed: what once was here and is back is known again, and what
    /// is not here is asked for, unless it is known to be gone.
    fn add_unseen(&mut self, entry: Entry, is_in_place: impl Fn(&Entry) -> bool) {
        let is_known_gone = || {
            let reason = entry.reason.as_ref();
            reason.is_some_and(|reason| reason.code == ReasonCode::Vanished)
        };
        let is_wanted = match (entry.state, entry.sha256) {
            (State::Planned | State::Failed, Some(sha256)) if is_in_place(&entry) => {
                return self.records.push(Record::Pulled {
                    id: entry.id,
                    sha256,
                    xxh128: None,
                    size: entry.size,
                    local: None,
                });
            }
            (State::Planned | State::Failed, _) => !is_known_gone(),
            (State::Pulled | State::Verified(_), _) => !is_in_place(&entry),
            (State::Damaged | State::Superseded, _) => false,
        };
        self.unseen.extend(is_wanted.then_some(Task {
            id: entry.id,
            item: Item {
                path: entry.path,
                size: entry.size,
                size_is_exact: entry.size_is_exact,
                mtime: entry.mtime,
            },
            local: entry.local,
            precious: Precious::Rest,
            was_refused: true,
            may_resume: false,
            attempts: 0,
        }));
    }

    fn add_new(
        &mut self,
        item: Item,
        version: u32,
        precious: Precious,
        volumes: &[Volume],
        names: &mut Names,
    ) {
        let (prefix, components) = place(&item.path, volumes);
        let local = names.allocate(&prefix, components.iter().copied());
        let Item {
            path,
            size,
            size_is_exact,
            mtime,
        } = item;
        self.new.push(NewEntry {
            path,
            version,
            local,
            size,
            size_is_exact,
            mtime,
        });
        self.new_precious.push(precious);
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of one item")]
    fn add_known(
        &mut self,
        item: Item,
        entry: Entry,
        precious: Precious,
        volumes: &[Volume],
        names: &mut Names,
        best_proof: Proof,
        is_in_place: impl Fn(&Entry) -> bool,
    ) {
        let same = is_same(&item, &entry);
        let was_here = matches!(entry.state, State::Pulled | State::Verified(_));
        // What once was here and is back counts only as what it is recorded to be.
        let is_here = match entry.state {
            State::Pulled | State::Verified(_) => is_in_place(&entry),
            State::Planned | State::Damaged | State::Failed => same && is_in_place(&entry),
            State::Superseded => false,
        };
        match (entry.state, is_here, same) {
            (State::Superseded, ..) => {
                self.add_new(item, entry.version + 1, precious, volumes, names)
            }
            (State::Verified(proof), true, true) if proof <= best_proof => {
                self.done_items += 1;
                self.done_bytes += entry.size;
            }
            (_, true, true) => {
                if let (false, Some(sha256)) = (was_here, entry.sha256) {
                    self.records.push(Record::Pulled {
                        id: entry.id,
                        sha256,
                        xxh128: None,
                        size: entry.size,
                        local: None,
                    });
                }
                self.unproven.push(UnprovenEntry { entry, precious });
            }
            (_, true, false) => {
                // The older version was once safe, and stays.
                self.records.push(Record::Supersede { id: entry.id });
                self.add_new(item, entry.version + 1, precious, volumes, names);
            }
            (state, false, _) => {
                if !same || !matches!(state, State::Planned) {
                    let Item {
                        size,
                        size_is_exact,
                        mtime,
                        ..
                    } = item;
                    self.records.push(Record::Replan {
                        id: entry.id,
                        size,
                        size_is_exact,
                        mtime,
                    });
                }
                let was_refused = matches!(state, State::Failed | State::Damaged);
                let (id, local) = (entry.id, entry.local);
                if was_here {
                    self.vacant.push(local.clone());
                }
                self.tasks.push(Task {
                    id,
                    item,
                    local,
                    precious,
                    was_refused,
                    may_resume: same,
                    attempts: 0,
                });
            }
        }
    }
}

/// Whether an item is still what its entry says.
pub(super) fn is_same(item: &Item, entry: &Entry) -> bool {
    let size = match item.size_is_exact && entry.size_is_exact {
        true => item.size == entry.size,
        false => item.size as u32 == entry.size as u32,
    };
    size && item.mtime == entry.mtime
}

fn judge(item: &Item, kind: MediaKind, volume: Option<&Volume>) -> Precious {
    let below = volume.and_then(|volume| item.path.below(&volume.root));
    match below {
        Some(components) => Precious::of(kind, components),
        None => Precious::of(kind, std::iter::empty()),
    }
}

/// Where an item belongs: the folder below `data/`, and the components below that.
fn place<'a>(path: &'a RemotePath, volumes: &[Volume]) -> (String, Vec<&'a [u8]>) {
    let inside = volumes
        .iter()
        .filter_map(|volume| Some((volume, path.below(&volume.root)?)));
    // `/storage/x` lies below both `/storage/x` and `/`: the longer root is meant.
    let (label, mut components) =
        match inside.max_by_key(|(volume, _)| volume.root.as_bytes().len()) {
            Some((volume, components)) => (volume.label.as_str(), components.collect::<Vec<_>>()),
            None => (GONE, components_of(path)),
        };
    let thrown_away = components.last().and_then(|name| original_name(name));
    if let (Some(original), Some(last)) = (thrown_away, components.last_mut()) {
        *last = original;
        return (format!("{TRASH}/{label}"), components);
    }
    if is_trash_folder(components.iter().copied()) {
        return (format!("{TRASH}/{label}"), components);
    }
    (label.to_owned(), components)
}

fn components_of(path: &RemotePath) -> Vec<&[u8]> {
    path.as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Proof;

    fn path(text: &str) -> RemotePath {
        RemotePath::new(text.as_bytes()).unwrap()
    }

    fn found(below: &str, size: u64, mtime: i64) -> Found {
        let path = path(&format!("/storage/emulated/0/{below}"));
        let name = path.name();
        let kind = MediaKind::of_name(original_name(name).unwrap_or(name));
        Found {
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

    fn enumeration(items: Vec<Found>) -> Enumeration {
        let root = path("/storage/emulated/0");
        let volumes = vec![Volume {
            root,
            label: "internal".into(),
        }];
        Enumeration {
            volumes,
            items,
            ..Enumeration::default()
        }
    }

    fn entry(id: i64, below: &str, size: u64, mtime: i64, state: State) -> Entry {
        Entry {
            id: EntryId(id),
            path: path(&format!("/storage/emulated/0/{below}")),
            version: 1,
            local: LocalPath::new(&format!("internal/{below}")).unwrap(),
            size,
            size_is_exact: true,
            mtime,
            state,
            sha256: None,
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
        let plan = plan(
            &mut enumeration(items),
            Vec::new(),
            &[],
            Proof::Sha256,
            |_| true,
        );
        let ids: Vec<_> = (1..=plan.new.len() as i64).map(EntryId).collect();
        let tasks = plan.into_tasks(&ids);
        let order: Vec<_> = tasks.iter().map(|task| task.local.as_str()).collect();
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
        assert_eq!(plan.new[0].local.as_str(), "internal/DCIM/z (2).jpg");
    }

    #[test]
    fn what_is_here_unproven_is_only_verified() {
        let items = vec![found("DCIM/a.jpg", 5, 1)];
        let entries = vec![entry(1, "DCIM/a.jpg", 5, 1, State::Pulled)];
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
        assert_eq!(plan.tasks[0].local.as_str(), "internal/DCIM/a.jpg");
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
            (plan.new[0].version, plan.new[0].local.as_str()),
            (2, "internal/DCIM/a (2).jpg")
        );
    }

    #[test]
    fn failed_one_is_tried_again_last() {
        let items = vec![found("DCIM/a.jpg", 5, 9), found("Music/b.mp3", 1, 1)];
        let plan = plan(
            &mut enumeration(items),
            vec![entry(1, "DCIM/a.jpg", 5, 9, State::Failed)],
            &[],
            Proof::Sha256,
            |_| false,
        );
        let tasks = plan.into_tasks(&[EntryId(2)]);
        assert_eq!([tasks[0].id, tasks[1].id], [EntryId(2), EntryId(1)]);
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
        let locals: Vec<_> = plan.new.iter().map(|new| new.local.as_str()).collect();
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
}
