mod disk;
mod hostile;

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
fn runs_are_noted() {
    let (_folder, mut catalogue) = fresh();
    assert_eq!(catalogue.last_run().unwrap(), None);
    let first = catalogue.begin_run(100, "rescue/0.1.0").unwrap();
    catalogue
        .end_run(first, 200, RunOutcome::SomeFailed)
        .unwrap();
    let run = catalogue.last_run().unwrap().unwrap();
    assert_eq!(
        (run.started, run.ended, run.outcome),
        (100, Some(200), Some(RunOutcome::SomeFailed))
    );
    assert_eq!(run.tool, "rescue/0.1.0");
    catalogue.begin_run(300, "rescue/0.2.0").unwrap();
    let run = catalogue.last_run().unwrap().unwrap();
    assert_eq!((run.started, run.ended, run.outcome), (300, None, None));
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

#[test]
fn other_files_are_not_taken_for_a_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    fs::write(
        &text,
        "some text, longer than the header of a database. ".repeat(100),
    )
    .unwrap();
    let foreign = folder.path().join("foreign");
    tamper(&foreign, "CREATE TABLE entry (id)");
    let marked = folder.path().join("marked");
    tamper(
        &marked,
        "PRAGMA application_id = 0x72736375; CREATE TABLE entry (id)",
    );
    for path in [&text, &foreign, &marked] {
        let before = fs::read(path).unwrap();
        for result in [
            Catalogue::open(path, Access::ReadOnly),
            Catalogue::open(path, Access::ReadWrite),
            Catalogue::create_or_open(path, &phone()),
        ] {
            assert!(
                matches!(result, Err(CatalogueError::NotACatalogue { .. })),
                "{result:?}"
            );
        }
        assert_eq!(fs::read(path).unwrap(), before, "nothing was changed");
    }
    let missing = Catalogue::open(&folder.path().join("missing"), Access::ReadWrite);
    assert!(matches!(
        missing,
        Err(CatalogueError::Sqlite {
            action: CatalogueAction::Open,
            ..
        })
    ));
}

#[test]
fn a_newer_catalogue_is_named_as_such() {
    let (folder, catalogue) = fresh();
    drop(catalogue);
    let path = folder.path().join("rescue.db");
    tamper(&path, "PRAGMA user_version = 8");
    let error = Catalogue::open(&path, Access::ReadWrite).unwrap_err();
    assert!(
        matches!(
            error,
            CatalogueError::NewerVersion {
                found: 8,
                known: 7,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn older_catalogue_loses_its_quick_hashes_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rescue.db");
    let mut db = Connection::open(&path).unwrap();
    schema::create_version(&mut db, &phone(), 6).unwrap();
    let sha256 = Sha256::of(b"abc");
    // As a pull and an upload of that version left it.
    db.execute(
        "INSERT INTO entry (id, path, version, local, size, size_is_exact, mtime, state, proof, sha256, attempts) \
         VALUES (7, CAST('/storage/emulated/0/a.mp4' AS BLOB), 1, 'internal/a.mp4', 3, 1, 0, 'verified', 'sha256', ?, 1)",
        [sha256.0],
    )
    .unwrap();
    db.execute_batch("INSERT INTO remote (id, name, target) VALUES (1, 'nas', '/nas')")
        .unwrap();
    db.execute(
        "INSERT INTO upload (remote, entry, source, path, size, sha256, state, attempts, changed) \
         VALUES (1, 7, 'internal/a.mp4', 'x/a.mp4', 3, ?, 'sent', 1, 0)",
        [sha256.0],
    )
    .unwrap();
    let quick_hash = "INSERT INTO quick_hash (sha256, xxh128) VALUES (?, zeroblob(16))";
    db.execute(quick_hash, [sha256.0]).unwrap();
    let kept =
        "INSERT INTO companion (local, entry, size, sha256) VALUES ('internal/b.damaged', 7, 3, ?)";
    db.execute(kept, [sha256.0]).unwrap();
    drop(db);
    let holds_all = |catalogue: &Catalogue| {
        let entry = catalogue.entry(EntryId(7)).unwrap().unwrap();
        assert_eq!(entry.state, State::Verified(Proof::Sha256));
        assert_eq!(entry.sha256, Some(sha256));
        let remote = catalogue.known_remote("nas", "/nas").unwrap().unwrap();
        assert_eq!(catalogue.not_on(remote).unwrap(), Some(0));
        // Nobody knows how much of it is missing: a note for people said so.
        let kept = catalogue.companions(EntryId(7)).unwrap();
        assert!(kept.iter().map(|file| file.missing_bytes).eq([None]));
    };
    // On media that cannot be written it stays as it is.
    holds_all(&Catalogue::open(&path, Access::ReadOnly).unwrap());
    holds_all(&Catalogue::open(&path, Access::ReadWrite).unwrap());
    let db = Connection::open(&path).unwrap();
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'quick_hash'";
    let tables: i64 = db.query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 0);
}

#[test]
fn only_the_bytes_that_are_here_count_as_sent() {
    let (folder, mut catalogue) = fresh();
    let ids = planned(&mut catalogue, &["a", "b", "never pulled"]);
    let pulls = [pulled(ids[0], b"a"), pulled(ids[1], b"b")];
    catalogue.record(&pulls).unwrap();
    let remote = catalogue.remote("nas", "/nas").unwrap();
    assert_eq!(catalogue.not_on(remote).unwrap(), Some(3));
    let upload = |entry: Option<EntryId>, name: &str| NewUpload {
        entry,
        source: name.to_owned(),
        path: UploadPath::new(name).unwrap(),
        size: 1,
        sha256: Sha256::of(name.as_bytes()),
    };
    let send = |catalogue: &mut Catalogue, upload: NewUpload| {
        let queued = catalogue.queue_uploads(remote, &[upload], 0).unwrap();
        let sent = UploadRecord::Sent {
            id: queued[0],
            there: None,
            checksum: None,
        };
        catalogue.record_uploads(&[sent], 0).unwrap();
    };
    // Of archives alone nobody can tell what is in them.
    send(&mut catalogue, upload(None, "all.zip"));
    assert_eq!(catalogue.not_on(remote).unwrap(), None);
    send(&mut catalogue, upload(Some(ids[0]), "a"));
    send(&mut catalogue, upload(Some(ids[1]), "b"));
    assert_eq!(catalogue.not_on(remote).unwrap(), Some(1));
    let other = catalogue.remote("other", "/other").unwrap();
    assert_eq!(catalogue.not_on(other).unwrap(), Some(3));
    // The same item, pulled again with other bytes.
    catalogue.record(&[pulled(ids[1], b"edited")]).unwrap();
    assert_eq!(catalogue.not_on(remote).unwrap(), Some(2));
    drop(folder);
}

#[test]
fn run_that_was_cut_short_ends_when_its_manifest_is_written() {
    let (_folder, mut catalogue) = fresh();
    let outcome = |catalogue: &Catalogue| {
        let run = catalogue.last_run().unwrap().unwrap();
        (run.ended, run.outcome)
    };
    catalogue.end_cut_short(1).unwrap();
    let run = catalogue.begin_run(10, "rescue").unwrap();
    catalogue.end_run(run, 20, RunOutcome::Done).unwrap();
    catalogue.end_cut_short(30).unwrap();
    assert_eq!(outcome(&catalogue), (Some(20), Some(RunOutcome::Done)));
    catalogue.begin_run(40, "rescue").unwrap();
    catalogue.end_cut_short(50).unwrap();
    assert_eq!(
        outcome(&catalogue),
        (Some(50), Some(RunOutcome::Interrupted))
    );
}

#[test]
fn survey_is_of_the_last_run_and_what_was_accepted_stays() {
    let (folder, mut catalogue) = fresh();
    let row = |kind, place: &[u8], reason: Option<Reason>| Surveyed {
        kind,
        place: place.into(),
        items: 3,
        bytes: 1 << 40,
        reason,
    };
    let refused = Reason::new(ReasonCode::PermissionDenied, "no");
    let first = [
        row(SurveyKind::Unreadable, b"/storage/\xff", Some(refused)),
        row(SurveyKind::Ending, b"apk", None),
    ];
    catalogue.set_survey(&first).unwrap();
    assert_eq!(catalogue.survey().unwrap(), first);
    catalogue.set_survey(&first[1..]).unwrap();
    assert_eq!(catalogue.survey().unwrap(), first[1..]);

    let path = |name: &str| RemotePath::new(format!("/sdcard/{name}").as_bytes()).unwrap();
    let denied = ReasonCode::PermissionDenied;
    let ids = planned(&mut catalogue, &["a"]);
    let here = catalogue.entry(ids[0]).unwrap().unwrap().item.path;
    catalogue
        .accept(&[(path("x"), denied), (here.clone(), denied)])
        .unwrap();
    catalogue
        .accept(&[(path("x"), ReasonCode::PhoneIo)])
        .unwrap();
    let accepted = catalogue.accepted().unwrap();
    assert_eq!(accepted.len(), 2);
    assert_eq!(accepted[&path("x")], ReasonCode::PhoneIo);
    // What could be had after all is news again when it cannot any more.
    catalogue.record(&[pulled(ids[0], b"a")]).unwrap();
    catalogue.forget_accepted_that_are_here().unwrap();
    assert_eq!(catalogue.accepted().unwrap().len(), 1);
    drop(catalogue);

    let file = folder.path().join("rescue.db");
    for change in [
        "survey SET kind = 'whatever'",
        "survey SET items = -1",
        "survey SET reason = 'because'",
        "accepted SET reason = 'because'",
        "accepted SET path = x'61'",
    ] {
        let before = fs::read(&file).unwrap();
        tamper(&file, &format!("UPDATE {change}"));
        let catalogue = Catalogue::open(&file, Access::ReadOnly).unwrap();
        let read = catalogue.survey().and(catalogue.accepted().map(drop));
        assert!(
            matches!(read, Err(CatalogueError::Corrupt { .. })),
            "{change}: {read:?}"
        );
        drop(catalogue);
        fs::write(&file, before).unwrap();
    }
}

#[test]
fn catalogues_of_every_version_are_opened() {
    for version in 1..=schema::KNOWN_VERSION {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rescue.db");
        schema::create_version(&mut Connection::open(&path).unwrap(), &phone(), version).unwrap();
        let old = Catalogue::open(&path, Access::ReadOnly).unwrap();
        assert_eq!(old.identity().unwrap(), phone());
        assert_eq!(old.companions(EntryId(1)).unwrap(), []);
        drop(old);
        let mut catalogue = Catalogue::create_or_open(&path, &phone()).unwrap();
        planned(&mut catalogue, &["a"]);
        drop(catalogue);
        // What was upgraded is word for word what is made today.
        Catalogue::open(&path, Access::ReadOnly).unwrap();
    }
}
