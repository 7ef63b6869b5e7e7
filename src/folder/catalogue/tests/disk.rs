//! The catalogue as a file among others: journals, media that cannot be written, other programs that read it.

use super::*;

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
    fs::remove_file(&path).unwrap();
    schema::create_version(&mut Connection::open(&path).unwrap(), &phone(), 1).unwrap();
    let old = Catalogue::open(&path, Access::ReadOnly).unwrap();
    assert_eq!(old.known_remote("nas", "/nas").unwrap(), None);
    assert!(old.known_remotes().unwrap().is_empty());
    assert!(old.survey().unwrap().is_empty() && old.accepted().unwrap().is_empty());
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
