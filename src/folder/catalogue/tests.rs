use std::collections::HashSet;

use proptest::prelude::*;
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
fn nothing_is_left_beside_a_closed_catalogue() {
    let (folder, mut catalogue) = fresh();
    planned(&mut catalogue, &["a"]);
    assert!(folder.path().join("rescue.db-journal").exists());
    drop(catalogue);
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert_eq!(names, ["rescue.db"]);
}

/// Cut off and written anew, it may show what stood on the disk before, and undo what is committed.
#[test]
fn journal_of_what_is_committed_cannot_come_back() {
    let (folder, mut catalogue) = fresh();
    let journal = || fs::read(folder.path().join("rescue.db-journal")).unwrap();
    let mut longest = 0;
    for name in ["a", "b", "c"] {
        planned(&mut catalogue, &[name]);
        let left = journal();
        assert!(left.len() > 4096 && left.len() >= longest, "it was cut off");
        assert!(left.starts_with(&[0; 28]), "{:?}", &left[..28]);
        longest = left.len();
    }
}

#[test]
fn a_journal_that_a_kill_left_is_rolled_back() {
    let (folder, mut catalogue) = fresh();
    planned(&mut catalogue, &["a"]);
    drop(catalogue);
    let path = folder.path().join("rescue.db");
    let crashed = tempfile::tempdir().unwrap();
    {
        let mut db = Connection::open(&path).unwrap();
        db.pragma_update(None, "cache_spill", 1).unwrap();
        db.pragma_update(None, "cache_size", 1).unwrap();
        let transaction = db.transaction().unwrap();
        for n in 0..2000 {
            let local = format!("internal/many {n}");
            transaction
                .execute(
                    "INSERT INTO entry (path, version, local, size, size_is_exact, mtime, state, attempts) \
                     VALUES (?, 1, ?, 0, 1, 0, 'planned', 0)",
                    params![local.as_bytes(), local],
                )
                .unwrap();
        }
        for name in ["rescue.db", "rescue.db-journal"] {
            fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
        }
    }
    let copy = crashed.path().join("rescue.db");
    assert!(
        fs::metadata(&copy).unwrap().len() > 100_000,
        "half of it is in the file"
    );
    let catalogue = Catalogue::open(&copy, Access::ReadWrite).unwrap();
    assert_eq!(all(&catalogue).unwrap().len(), 1);
    catalogue.check_structure().unwrap();
}

#[test]
fn a_creation_that_was_cut_short_is_made_up_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rescue.db");
    fs::write(&path, b"").unwrap();
    let opened = Catalogue::open(&path, Access::ReadWrite);
    assert!(matches!(opened, Err(CatalogueError::NotACatalogue { .. })));
    let catalogue = Catalogue::create_or_open(&path, &phone()).unwrap();
    assert_eq!(catalogue.identity().unwrap(), phone());
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
    drop(db);
    let holds_all = |catalogue: &Catalogue| {
        let entry = catalogue.entry(EntryId(7)).unwrap().unwrap();
        assert_eq!(entry.state, State::Verified(Proof::Sha256));
        assert_eq!(entry.sha256, Some(sha256));
        let remote = catalogue.known_remote("nas", "/nas").unwrap().unwrap();
        assert_eq!(catalogue.not_on(remote).unwrap(), Some(0));
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
fn catalogue_that_cannot_be_written_says_so_and_is_read() {
    let (folder, catalogue) = fresh();
    drop(catalogue);
    let path = folder.path().join("rescue.db");
    let mut catalogue = Catalogue::open(&path, Access::ReadOnly).unwrap();
    let written = catalogue.begin_run(0, "rescue");
    assert!(
        matches!(written, Err(CatalogueError::NotWritable { .. })),
        "{written:?}"
    );
    drop(catalogue);
    // From before there were uploads.
    tamper(
        &path,
        "DROP TABLE phone_mark; DROP TABLE survey; DROP TABLE accepted; DROP TABLE pledge; DROP TABLE upload; DROP TABLE remote; \
         PRAGMA user_version = 1",
    );
    let old = Catalogue::open(&path, Access::ReadOnly).unwrap();
    assert_eq!(old.known_remote("nas", "/nas").unwrap(), None);
    assert!(old.known_remotes().unwrap().is_empty());
    assert!(old.survey().unwrap().is_empty() && old.accepted().unwrap().is_empty());
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

#[cfg(unix)]
#[test]
fn catalogue_that_another_user_keeps_to_itself_is_told_apart() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, catalogue) = fresh();
    drop(catalogue);
    let path = folder.path().join("rescue.db");
    let allow = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    // Whoever runs this may read everything.
    let is_root = || fs::File::open(&path).is_ok();
    allow(&path, 0);
    let opened = Catalogue::open(&path, Access::ReadOnly);
    match is_root() {
        true => assert!(opened.is_ok(), "{opened:?}"),
        false => assert!(
            matches!(opened, Err(CatalogueError::Forbidden { .. })),
            "{opened:?}"
        ),
    }
    allow(&path, 0o600);
    // Reading it makes files beside it.
    tamper(&path, "PRAGMA journal_mode = WAL");
    allow(folder.path(), 0o500);
    let is_writable = fs::write(folder.path().join("probe"), "").is_ok();
    let opened = Catalogue::open(&path, Access::ReadOnly);
    allow(folder.path(), 0o700);
    match is_writable {
        true => assert!(opened.is_ok(), "{opened:?}"),
        false => assert!(
            matches!(opened, Err(CatalogueError::NotWritable { .. })),
            "{opened:?}"
        ),
    }
}

// Windows keeps an open file where it is.
#[cfg(unix)]
#[test]
fn catalogue_that_is_moved_away_while_it_is_open_says_so() {
    let (folder, catalogue) = fresh();
    drop(catalogue);
    let path = folder.path().join("rescue.db");
    let mut catalogue = Catalogue::open(&path, Access::ReadWrite).unwrap();
    fs::rename(&path, folder.path().join("elsewhere.db")).unwrap();
    let written = catalogue.begin_run(0, "rescue");
    assert!(
        matches!(written, Err(CatalogueError::Moved { .. })),
        "{written:?}"
    );
}

/// Changes what a closed catalogue says that its tables are.
fn rewrite(path: &Path, name: &str, from: &str, to: &str) {
    let db = Connection::open(path).unwrap();
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)
        .unwrap();
    db.pragma_update(None, "writable_schema", true).unwrap();
    let changed = db
        .execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ?2, ?3) \
             WHERE name = ?1 AND sql LIKE '%' || ?2 || '%'",
            params![name, from, to],
        )
        .unwrap();
    assert_eq!(changed, 1, "{name}: {from}");
}

#[test]
fn tables_that_differ_from_ours_in_a_word_are_refused() {
    let open = |path: &Path, what: &str| {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let result = Catalogue::open(path, access);
            assert!(
                matches!(result, Err(CatalogueError::Corrupt { .. })),
                "{what}: {result:?}"
            );
        }
    };
    for sql in [
        "CREATE TRIGGER x AFTER UPDATE ON entry BEGIN DELETE FROM entry; END",
        "CREATE VIEW x AS SELECT 1",
        "CREATE TABLE x (id)",
        "CREATE INDEX x ON entry (abs(size))",
        "CREATE UNIQUE INDEX x ON run (outcome)",
        "CREATE TABLE x (id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE x",
        "DROP TABLE run; CREATE VIEW run AS SELECT 1",
        "DROP TABLE companion",
        "DROP INDEX upload_of_entry",
        "DROP INDEX upload_of_entry; CREATE INDEX upload_of_entry ON upload (entry COLLATE NOCASE)",
        "ALTER TABLE entry ADD COLUMN x TEXT GENERATED ALWAYS AS (printf('%.1000000c', 'x'))",
        "ALTER TABLE entry ADD COLUMN x TEXT DEFAULT 'x'",
        "ANALYZE",
        "PRAGMA user_version = 2",
    ] {
        let (folder, catalogue) = fresh();
        drop(catalogue);
        let path = folder.path().join("rescue.db");
        tamper(&path, sql);
        open(&path, sql);
    }
    for (table, from, to) in [
        (
            "entry",
            "message TEXT",
            "message TEXT AS (printf('%.90000000c', 'x'))",
        ),
        (
            "entry",
            "local TEXT NOT NULL",
            "local TEXT NOT NULL COLLATE NOCASE",
        ),
        (
            "entry",
            "size INTEGER NOT NULL",
            "size INTEGER NOT NULL CHECK (size > 0)",
        ),
        (
            "upload",
            "there TEXT",
            "there TEXT DEFAULT (hex(randomblob(90000000)))",
        ),
        ("run", "STRICT", ""),
        ("companion", "STRICT, WITHOUT ROWID", "STRICT"),
    ] {
        let (folder, catalogue) = fresh();
        drop(catalogue);
        let path = folder.path().join("rescue.db");
        rewrite(&path, table, from, to);
        open(&path, to);
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
        drop(old);
        let mut catalogue = Catalogue::create_or_open(&path, &phone()).unwrap();
        planned(&mut catalogue, &["a"]);
        drop(catalogue);
        // What was upgraded is word for word what is made today.
        Catalogue::open(&path, Access::ReadOnly).unwrap();
    }
}

#[test]
fn journal_that_leads_to_another_file_is_refused_and_the_file_stays() {
    let (folder, mut catalogue) = fresh();
    planned(&mut catalogue, &["a"]);
    drop(catalogue);
    let path = folder.path().join("rescue.db");
    // The bundled SQLite takes only names that end like those of such journals.
    let victim = folder.path().join("letters-mj0123459AB");
    fs::write(&victim, "not a list of journals").unwrap();
    // A journal that was cut off, as a power cut leaves it, of a transaction over two databases.
    let name = victim.to_str().unwrap().as_bytes();
    let mut journal = vec![0; 512];
    journal[..8].copy_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    for (at, number) in [(8, 0_u32), (12, 1), (16, 1), (20, 512), (24, 4096)] {
        journal[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    let sum: u32 = name.iter().map(|byte| u32::from(*byte)).sum();
    journal.extend(((1 << 30) / 4096 + 1_u32).to_be_bytes());
    journal.extend(name);
    journal.extend((name.len() as u32).to_be_bytes());
    journal.extend(sum.to_be_bytes());
    journal.extend([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    fs::write(folder.path().join("rescue.db-journal"), journal).unwrap();
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let result = Catalogue::open(&path, access);
        assert!(
            matches!(result, Err(CatalogueError::Corrupt { .. })),
            "{result:?}"
        );
    }
    assert!(victim.exists(), "SQLite removes what a journal names");
}

/// Has a page of a table lead to the same page many times, on several floors: few bytes, rows
/// without end.
#[test]
fn pages_that_lead_in_circles_end_soon() {
    let (folder, mut catalogue) = fresh();
    let names: Vec<_> = (0..4000).map(|n| format!("folder/IMG_{n}.jpg")).collect();
    let new = names.iter().map(|name| new_entry(name));
    catalogue.insert_planned(new).unwrap();
    drop(catalogue);
    let path = folder.path().join("rescue.db");
    let db = Connection::open(&path).unwrap();
    let root: u32 = db
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'entry'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(db);
    let root = root as usize;
    let mut bytes = fs::read(&path).unwrap();
    let page_size = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let at = |page: usize| (page - 1) * page_size;
    let child = |bytes: &[u8], cell: usize, page: usize| {
        let pointer = at(page) + 12 + 2 * cell;
        let cell = usize::from(u16::from_be_bytes([bytes[pointer], bytes[pointer + 1]]));
        at(page) + cell
    };
    assert_eq!(bytes[at(root)], 5, "an interior page");
    let leaf = bytes[child(&bytes, 0, root)..][..4].to_vec();
    let cells = usize::from(u16::from_be_bytes([
        bytes[at(root) + 3],
        bytes[at(root) + 4],
    ]));
    let floors: Vec<usize> = (0..8)
        .map(|n| {
            let place = child(&bytes, n + 1, root);
            u32::from_be_bytes(bytes[place..place + 4].try_into().unwrap()) as usize
        })
        .collect();
    let template = bytes[at(root)..at(root) + page_size].to_vec();
    let mut below = u32::from_be_bytes(leaf.try_into().unwrap());
    for page in floors.into_iter().chain([root]) {
        bytes[at(page)..at(page) + page_size].copy_from_slice(&template);
        for cell in 0..cells {
            let place = child(&bytes, cell, page);
            bytes[place..place + 4].copy_from_slice(&below.to_be_bytes());
        }
        let right = at(page) + 8;
        bytes[right..right + 4].copy_from_slice(&below.to_be_bytes());
        below = page as u32;
    }
    fs::write(&path, bytes).unwrap();
    let catalogue = Catalogue::open(&path, Access::ReadOnly).unwrap();
    let corrupt = |what: &str, result: Result<(), CatalogueError>| {
        assert!(
            matches!(result, Err(CatalogueError::Corrupt { .. })),
            "{what}: {result:?}"
        );
    };
    corrupt("summary", catalogue.summary().map(drop));
    corrupt("all", catalogue.for_each(|_| Ok(())));
    corrupt("failed", catalogue.for_each_failed(|_| Ok(())));
    corrupt("structure", catalogue.check_structure());
}

#[test]
fn values_that_make_no_sense_are_errors() {
    for change in [
        "local = '../../etc/passwd'",
        "local = '/etc/passwd'",
        "path = x'2f612f2e2e'",
        "path = x'61'",
        "sha256 = x'00'",
        "size = -1",
        "version = -1",
        "version = 5000000000",
        "size_is_exact = 9",
        "attempts = -1",
        "attempts = 9223372036854775807",
        "version = 4294967295",
        "size = -9223372036854775808",
        "reason = 'other', message = printf('%.70000c', 'x')",
        "reason = 'other', message = printf('%.2000000c', 'x')",
        "local = printf('%.3000c', 'x')",
        "path = zeroblob(2000)",
        "path = x''",
        "local = ''",
        "local = 'a/../b'",
        "local = 'a' || char(10) || 'b'",
        "local = 'a' || char(27) || '[2Jb'",
        "state = 'perfect'",
        "state = 'verified', proof = 'because'",
        "state = 'verified', proof = NULL",
        "state = 'verified', proof = 'sha256'",
        "state = 'pulled'",
        "state = 'superseded'",
        "reason = 'whatever'",
        "local = CAST(x'ff' AS TEXT)",
    ] {
        let (folder, mut catalogue) = fresh();
        planned(&mut catalogue, &["a"]);
        drop(catalogue);
        let path = folder.path().join("rescue.db");
        tamper(&path, &format!("UPDATE entry SET {change}"));
        let catalogue = Catalogue::open(&path, Access::ReadWrite).unwrap();
        let result = all(&catalogue);
        if change == "size_is_exact = 9" {
            assert!(result.unwrap()[0].item.size_is_exact);
        } else {
            assert!(
                matches!(result, Err(CatalogueError::Corrupt { .. })),
                "{change}: {result:?}"
            );
        }
    }
}

#[test]
fn values_of_other_tables_are_checked_when_they_are_read() {
    let cases = [
        "UPDATE phone SET serial = printf('%.70000c', 'x')",
        "DELETE FROM phone",
        "UPDATE run SET started = 9223372036854775807",
        "UPDATE run SET ended = -9223372036854775808",
        "UPDATE run SET outcome = 'perfect'",
        "UPDATE run SET tool = printf('%.5000c', 'x')",
        "UPDATE remote SET name = printf('%.5000c', 'x')",
        "UPDATE upload SET path = '../victim/x.jpg'",
        "UPDATE upload SET path = '/etc/cron.d/x'",
        "UPDATE upload SET path = '.'",
        "UPDATE upload SET path = ''",
        "UPDATE upload SET path = 'a/./b'",
        "UPDATE upload SET path = 'a' || char(0) || 'b'",
        "UPDATE upload SET path = 'a' || char(8238) || 'gpj.exe'",
        "UPDATE upload SET path = printf('%.5000c', 'x')",
        "UPDATE upload SET source = '../../../etc/shadow'",
        "UPDATE upload SET source = '/etc/shadow'",
        "UPDATE upload SET entry = NULL, source = ''",
        "UPDATE upload SET size = -1",
        "UPDATE upload SET attempts = 5000000000",
        "UPDATE upload SET changed = 9223372036854775807",
        "UPDATE upload SET state = 'perfect'",
        "UPDATE upload SET reason = 'perfect'",
        "UPDATE upload SET sha256 = x'00'",
        "UPDATE upload SET there = printf('%.70000c', 'x')",
        "UPDATE pledge SET given = -9223372036854775808",
        "UPDATE pledge SET token = printf('%.70000c', 'x')",
        "UPDATE companion SET local = '../x'",
        "UPDATE companion SET size = -1",
    ];
    for sql in cases {
        let (folder, mut catalogue) = fresh();
        let ids = planned(&mut catalogue, &["a"]);
        catalogue.record(&[pulled(ids[0], b"a")]).unwrap();
        catalogue.begin_run(1, "rescue").unwrap();
        let remote = catalogue.remote("nas", "/nas").unwrap();
        let upload = NewUpload {
            entry: Some(ids[0]),
            source: "internal/a".to_owned(),
            path: UploadPath::new("phone/a").unwrap(),
            size: 1,
            sha256: Sha256::of(b"a"),
        };
        let id = catalogue.queue_uploads(remote, &[upload], 0).unwrap()[0];
        let pledged = UploadRecord::Pledged {
            id,
            sha256: Sha256::of(b"a"),
            pledge: Pledge::Token("t".to_owned()),
        };
        catalogue.record_uploads(&[pledged], 0).unwrap();
        drop(catalogue);
        let path = folder.path().join("rescue.db");
        let companion = "INSERT INTO companion VALUES ('internal/b', 1, 1, zeroblob(32));";
        tamper(&path, &format!("{companion} {sql}"));
        let catalogue = Catalogue::open(&path, Access::ReadWrite).unwrap();
        let read = || {
            catalogue.identity()?;
            catalogue.runs()?;
            catalogue.known_remotes()?;
            catalogue.for_each_upload(remote, |_| Ok::<_, CatalogueError>(()))?;
            catalogue.upload_counts(remote)?;
            catalogue.pledge(id)?;
            catalogue.for_each_companion(|_| Ok::<_, CatalogueError>(()))
        };
        let result: Result<(), CatalogueError> = read();
        let Err(CatalogueError::Corrupt { path: named, what }) = result else {
            panic!("{sql}: {result:?}");
        };
        assert_eq!(named, path);
        // Which row it is.
        let names_row = what.contains(" 1: ") || what.contains("row 1: ");
        assert!(names_row || sql.starts_with("DELETE"), "{sql}: {what}");
    }
}

#[test]
fn others_read_between_transactions_and_are_told_of_one_that_lasts() {
    let (folder, mut catalogue) = fresh();
    planned(&mut catalogue, &["a"]);
    let path = folder.path().join("rescue.db");
    let second = Catalogue::open(&path, Access::ReadOnly).unwrap();
    assert_eq!(second.summary().unwrap().planned.files, 1);
    planned(&mut catalogue, &["b"]);
    assert_eq!(second.summary().unwrap().planned.files, 2);
    drop((second, catalogue));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let second = Catalogue::open(&path, Access::ReadOnly);
    assert!(
        matches!(second, Err(CatalogueError::Busy { .. })),
        "{second:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_damage_to_the_file_gives_errors_and_no_panic(
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let (folder, mut catalogue) = fresh();
        let names: Vec<_> = (0..50).map(|n| format!("folder/IMG_{n}.jpg")).collect();
        let ids = catalogue.insert_planned(names.iter().map(|name| new_entry(name))).unwrap();
        catalogue.record(&ids.iter().map(|id| pulled(*id, b"x")).collect::<Vec<_>>()).unwrap();
        drop(catalogue);
        let path = folder.path().join("rescue.db");
        let mut bytes = fs::read(&path).unwrap();
        for (index, value) in hits {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(mut catalogue) = Catalogue::open(&path, Access::ReadWrite) {
            let _ = all(&catalogue);
            let _ = catalogue.summary();
            let _ = catalogue.check_structure();
            let _ = catalogue.for_each_payload(|_| Ok::<_, CatalogueError>(()));
            let _ = catalogue.record(&[pulled(ids[0], b"y")]);
        }
    }
}
