mod disk;
mod hostile;
mod runs;
mod versions;

use std::collections::HashSet;

use tempfile::TempDir;

use super::*;
use crate::adb::RemotePath;
use crate::digest::Sha256;
use crate::folder::entry::{Companion, Count, Entry, Proof, Reason, ReasonCode, State, Summary};
use crate::folder::survey::{SurveyKind, Surveyed};
use crate::folder::upload::{NewUpload, Pledge, UploadRecord};
use crate::item::Item;
use crate::names::{LocalPath, UploadPath};

fn phone() -> PhoneIdentity {
    PhoneIdentity {
        serial: "0123456789ABCDEF".to_owned(),
        model: "Pixel 7".to_owned(),
        manufacturer: "Google".to_owned(),
        android_version: "14".to_owned(),
    }
}

fn fresh() -> (TempDir, Catalogue) {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::create_or_open(&folder.path().join("rescue.db"), &phone()).unwrap();
    (folder, catalogue)
}

fn local(text: &str) -> LocalPath {
    LocalPath::new(text).unwrap()
}

fn new_entry(name: &str) -> NewEntry {
    NewEntry {
        item: Item {
            path: RemotePath::new(format!("/sd/{name}").as_bytes()).unwrap(),
            size: 1000,
            size_is_exact: true,
            mtime: 1_700_000_000,
        },
        version: 1,
        local: local(&format!("internal/{name}")),
    }
}

fn planned(catalogue: &mut Catalogue, names: &[&str]) -> Vec<EntryId> {
    catalogue
        .insert_planned(names.iter().map(|name| new_entry(name)))
        .unwrap()
}

fn pulled(id: EntryId, bytes: &[u8]) -> Record {
    Record::Pulled {
        id,
        sha256: Sha256::of(bytes),
        size: bytes.len() as u64,
        local: None,
    }
}

fn reason(code: ReasonCode) -> Reason {
    Reason {
        code,
        message: "as the phone said".to_owned(),
    }
}

fn all(catalogue: &Catalogue) -> Result<Vec<Entry>, CatalogueError> {
    let mut entries = Vec::new();
    catalogue.for_each_by_path(|entry| {
        entries.push(entry);
        Ok::<_, CatalogueError>(())
    })?;
    Ok(entries)
}

fn payload(catalogue: &Catalogue) -> Vec<String> {
    let mut found = Vec::new();
    catalogue
        .for_each_payload(|file| {
            found.push(file.local.to_string());
            Ok::<_, CatalogueError>(())
        })
        .unwrap();
    found
}

/// Changes a closed catalogue behind its back.
fn tamper(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn what_was_planned_comes_back_in_order_after_reopening() {
    let (folder, mut catalogue) = fresh();
    let mut entries: Vec<_> = ["b", "a/z", "a"].map(new_entry).into();
    entries[0].item.path = RemotePath::new(b"/sd/\xff\xfe").unwrap();
    entries[1].item.mtime = -5;
    entries[2].item.size_is_exact = false;
    let ids = catalogue.insert_planned(entries.clone()).unwrap();
    drop(catalogue);

    let path = folder.path().join("rescue.db");
    let catalogue = Catalogue::open(&path, Access::ReadOnly).unwrap();
    assert_eq!(catalogue.identity().unwrap(), phone());
    let found = all(&catalogue).unwrap();
    assert_eq!(
        found.iter().map(|e| e.id).collect::<Vec<_>>(),
        [ids[2], ids[1], ids[0]]
    );
    for (entry, new) in found.iter().rev().zip(&entries) {
        assert_eq!(entry.item.path, new.item.path);
        assert_eq!(entry.local, new.local);
        assert_eq!(
            (entry.item.size, entry.item.size_is_exact, entry.item.mtime),
            (1000, new.item.size_is_exact, new.item.mtime)
        );
        assert_eq!(
            (entry.state, entry.version, entry.attempts),
            (State::Planned, 1, 0)
        );
        assert_eq!((&entry.sha256, &entry.reason), (&None, &None));
        assert_eq!(catalogue.entry(entry.id).unwrap().as_ref(), Some(entry));
        assert_eq!(
            catalogue.latest(&entry.item.path).unwrap().as_ref(),
            Some(entry)
        );
    }
    assert_eq!(catalogue.entry(EntryId(99)).unwrap(), None);
}

#[test]
fn records_move_an_entry_from_state_to_state() {
    let (_folder, mut catalogue) = fresh();
    let id = planned(&mut catalogue, &["a.jpg"])[0];
    let mut after = |record: Record| {
        catalogue.record(&[record]).unwrap();
        catalogue.entry(id).unwrap().unwrap()
    };
    let entry = after(Record::Failed {
        id,
        reason: reason(ReasonCode::PhoneIo),
    });
    assert_eq!((entry.state, entry.attempts), (State::Failed, 1));
    assert_eq!(entry.reason, Some(reason(ReasonCode::PhoneIo)));

    let moved = Some(local("internal/a (2).jpg"));
    let sha256 = Sha256::of(b"abc");
    let entry = after(Record::Pulled {
        id,
        sha256,
        size: 3,
        local: moved.clone(),
    });
    assert_eq!(
        (entry.state, entry.attempts, entry.item.size),
        (State::Pulled, 2, 3)
    );
    assert_eq!(
        (Some(entry.local), entry.sha256, entry.reason),
        (moved.clone(), Some(sha256), None)
    );

    let entry = after(Record::Verified {
        id,
        proof: Proof::Sha1,
    });
    assert_eq!(
        (entry.state, entry.sha256),
        (State::Verified(Proof::Sha1), Some(sha256))
    );

    let entry = after(Record::Supersede { id });
    assert_eq!(
        (entry.state, entry.sha256),
        (State::Superseded, Some(sha256))
    );

    let entry = after(Record::Replan {
        id,
        size: 7,
        size_is_exact: false,
        mtime: 8,
    });
    assert_eq!(
        (entry.state, entry.attempts, entry.sha256),
        (State::Planned, 0, None)
    );
    assert_eq!(
        (entry.item.size, entry.item.size_is_exact, entry.item.mtime),
        (7, false, 8)
    );
    assert_eq!(Some(entry.local), moved);
}

#[test]
fn what_is_kept_of_a_damaged_file_is_payload_until_all_of_it_is_here_and_proven() {
    let (_folder, mut catalogue) = fresh();
    let ids = planned(&mut catalogue, &["a", "b", "c"]);
    let companion = |name: &str| Companion {
        local: local(name),
        size: 2,
        sha256: Sha256::of(b"hi"),
        missing_bytes: name.ends_with("damaged").then_some(1),
    };
    let kept = vec![
        companion("internal/b.damaged"),
        companion("internal/a.note"),
    ];
    let damaged = Record::Damaged {
        id: ids[1],
        reason: reason(ReasonCode::PhoneIo),
        kept: kept.clone(),
    };
    catalogue
        .record(&[pulled(ids[2], b"c"), damaged.clone(), pulled(ids[0], b"a")])
        .unwrap();
    assert_eq!(
        payload(&catalogue),
        [
            "internal/a",
            "internal/a.note",
            "internal/b.damaged",
            "internal/c"
        ]
    );
    assert_eq!(
        catalogue.companions(ids[1]).unwrap(),
        [kept[1].clone(), kept[0].clone()]
    );
    assert_eq!(catalogue.companions(ids[0]).unwrap(), []);

    // Damaged again: what has the same place is the newer one.
    catalogue.record(&[damaged]).unwrap();
    assert_eq!(catalogue.companions(ids[1]).unwrap().len(), 2);
    let mut failed = Vec::new();
    catalogue
        .for_each_failed(|entry| {
            failed.push((entry.id, entry.attempts));
            Ok::<_, CatalogueError>(())
        })
        .unwrap();
    assert_eq!(failed, [(ids[1], 2)]);

    // Until it is proven, what was kept may be the best there is.
    catalogue.record(&[pulled(ids[1], b"b")]).unwrap();
    assert_eq!(catalogue.companions(ids[1]).unwrap().len(), 2);
    let proof = Proof::Sha256;
    let verified = Record::Verified { id: ids[1], proof };
    catalogue.record(&[verified]).unwrap();
    // It is on record until it is removed: nobody could tell whose it is otherwise.
    let outdated = catalogue.outdated_companions().unwrap();
    let expected = ["internal/a.note", "internal/b.damaged"].map(|name| (ids[1], local(name)));
    assert_eq!(outdated, expected);
    let discarded = outdated
        .into_iter()
        .map(|(id, local)| Record::Discarded { id, local });
    catalogue.record(&discarded.collect::<Vec<_>>()).unwrap();
    assert_eq!(
        payload(&catalogue),
        ["internal/a", "internal/b", "internal/c"]
    );
}

#[test]
fn a_group_with_one_impossible_record_changes_nothing() {
    let (_folder, mut catalogue) = fresh();
    let ids = planned(&mut catalogue, &["a", "b"]);
    for impossible in [
        Record::Verified {
            id: ids[1],
            proof: Proof::Sha256,
        },
        Record::Supersede { id: ids[1] },
        pulled(EntryId(77), b""),
        Record::Failed {
            id: EntryId(-1),
            reason: reason(ReasonCode::Other),
        },
    ] {
        let id = impossible.id();
        let result = catalogue.record(&[pulled(ids[0], b"a"), impossible]);
        assert!(matches!(result, Err(CatalogueError::NoSuchEntry { id: found }) if found == id));
        assert!(
            all(&catalogue)
                .unwrap()
                .iter()
                .all(|entry| entry.state == State::Planned)
        );
    }
}

#[test]
fn a_path_planned_twice_is_refused_with_its_whole_group() {
    let (_folder, mut catalogue) = fresh();
    planned(&mut catalogue, &["a"]);
    let same_path = NewEntry {
        local: local("internal/other"),
        ..new_entry("a")
    };
    let same_local = NewEntry {
        version: 2,
        ..new_entry("a")
    };
    for twice in [same_path, same_local] {
        let result = catalogue.insert_planned([new_entry("new"), twice]);
        assert!(
            matches!(result, Err(CatalogueError::AlreadyThere { .. })),
            "{result:?}"
        );
        assert_eq!(all(&catalogue).unwrap().len(), 1);
    }
    let next = NewEntry {
        version: 2,
        local: local("internal/a (2)"),
        ..new_entry("a")
    };
    let path = next.item.path.clone();
    let ids = catalogue.insert_planned([next]).unwrap();
    assert_eq!(
        catalogue.latest(&path).unwrap().map(|entry| entry.id),
        Some(ids[0])
    );
}

#[test]
fn the_summary_counts_every_state() {
    let (_folder, mut catalogue) = fresh();
    assert_eq!(catalogue.summary().unwrap(), Summary::default());
    let ids = planned(&mut catalogue, &["a", "b", "c", "d", "e", "f", "g"]);
    let mut records: Vec<_> = ids[1..5].iter().map(|id| pulled(*id, b"12345")).collect();
    records.extend([
        Record::Verified {
            id: ids[2],
            proof: Proof::Sha256,
        },
        Record::Verified {
            id: ids[3],
            proof: Proof::Size,
        },
        Record::Supersede { id: ids[4] },
        Record::Failed {
            id: ids[5],
            reason: reason(ReasonCode::Vanished),
        },
        Record::Damaged {
            id: ids[6],
            reason: reason(ReasonCode::PhoneIo),
            kept: Vec::new(),
        },
    ]);
    catalogue.record(&records).unwrap();
    let count = |files, bytes| Count { files, bytes };
    let expected = Summary {
        planned: count(1, 1000),
        pulled: count(1, 5),
        verified: count(2, 10),
        verified_by_sha256: count(1, 5),
        verified_by_sha1: count(0, 0),
        verified_by_md5: count(0, 0),
        verified_by_size: count(1, 5),
        damaged: count(1, 1000),
        failed: count(1, 1000),
        superseded: count(1, 5),
    };
    assert_eq!(catalogue.summary().unwrap(), expected);
}

#[test]
fn sizes_that_no_file_has_break_nothing() {
    let (_folder, mut catalogue) = fresh();
    let huge = ["a", "b", "c"].map(|name| {
        let mut entry = new_entry(name);
        entry.item.size = u64::MAX;
        entry
    });
    catalogue.insert_planned(huge).unwrap();
    assert_eq!(all(&catalogue).unwrap()[0].item.size, i64::MAX as u64);
    assert_eq!(catalogue.summary().unwrap().planned.files, 3);
}

#[test]
fn texts_in_the_catalogue_are_those_of_json_and_differ() {
    let as_json = |value: &dyn erased::Json| value.json();
    let mut seen = HashSet::new();
    for code in ReasonCode::ALL {
        assert_eq!(as_json(&code), format!("\"{}\"", code.as_str()));
        assert!(seen.insert(code.as_str()));
    }
    for proof in Proof::ALL {
        assert_eq!(as_json(&proof), format!("\"{}\"", proof.as_str()));
    }
    for outcome in RunOutcome::ALL {
        assert_eq!(as_json(&outcome), format!("\"{}\"", outcome.as_str()));
    }
}

mod erased {
    pub(super) trait Json {
        fn json(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).unwrap()
        }
    }
}
