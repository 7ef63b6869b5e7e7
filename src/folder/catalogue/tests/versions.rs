//! Other files, newer catalogues and those of every version before.

use super::*;

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
    tamper(&path, "PRAGMA user_version = 9");
    let error = Catalogue::open(&path, Access::ReadWrite).unwrap_err();
    assert!(
        matches!(
            error,
            CatalogueError::NewerVersion {
                found: 9,
                known: 8,
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
fn catalogues_of_every_version_are_opened() {
    for version in 1..=schema::KNOWN_VERSION {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rescue.db");
        schema::create_version(&mut Connection::open(&path).unwrap(), &phone(), version).unwrap();
        let old = Catalogue::open(&path, Access::ReadOnly).unwrap();
        assert_eq!(old.identity().unwrap(), phone());
        assert_eq!(old.companions(EntryId(1)).unwrap(), []);
        assert_eq!(old.job().unwrap(), JobLabel::default());
        drop(old);
        let mut catalogue = Catalogue::create_or_open(&path, &phone()).unwrap();
        planned(&mut catalogue, &["a"]);
        let label = JobLabel::new("Ada", "front glass\njob 7").unwrap();
        catalogue.set_job(&label).unwrap();
        drop(catalogue);
        // What was upgraded is word for word what is made today.
        let upgraded = Catalogue::open(&path, Access::ReadOnly).unwrap();
        assert_eq!(upgraded.job().unwrap(), label);
    }
}
