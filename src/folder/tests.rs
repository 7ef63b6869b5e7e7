// A test that makes a link, a pipe or a mode is only for Unix: Windows lets administrators make links, and Wine
// nobody.
#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;
use crate::adb::RemotePath;
use crate::item::Item;

/// A temporary folder; in memory where the system has such, for syncs to cost nothing.
pub(crate) fn temporary() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub(crate) fn phone() -> PhoneIdentity {
    PhoneIdentity {
        serial: "0123456789ABCDEF".to_owned(),
        model: "Pixel 7".to_owned(),
        manufacturer: "Google".to_owned(),
        android_version: "14".to_owned(),
    }
}

/// A new rescue folder.
pub(crate) fn fresh() -> (TempDir, Folder) {
    let place = temporary();
    let folder = Folder::create_or_open(&place.path().join("rescue"), &phone()).unwrap();
    (place, folder)
}

pub(crate) fn local(text: &str) -> LocalPath {
    LocalPath::new(text).unwrap()
}

/// Plans a file of the phone that shall have this local path.
pub(crate) fn plan(folder: &mut Folder, local_path: &str) -> EntryId {
    let entry = NewEntry {
        item: Item {
            path: RemotePath::new(format!("/storage/{local_path}").as_bytes()).unwrap(),
            size: 0,
            size_is_exact: true,
            mtime: 1_700_000_000,
        },
        version: 1,
        local: local(local_path),
    };
    folder.catalogue_mut().insert_planned([entry]).unwrap()[0]
}

pub(crate) fn finished(root: &Path, entry: EntryId, bytes: &[u8]) -> Finished {
    let mut file = PartialFile::create(root, entry).unwrap();
    bytes
        .chunks(65_528)
        .for_each(|chunk| file.write(chunk).unwrap());
    file.finish(1_700_000_000).unwrap()
}

/// Pulls files, given by local path and bytes, as one group.
pub(crate) fn pull(folder: &mut Folder, files: &[(&str, &[u8])]) -> Vec<EntryId> {
    let mut committer = folder.committer().unwrap();
    let ids: Vec<_> = files.iter().map(|(path, _)| plan(folder, path)).collect();
    let mut records = Vec::new();
    let mut group = Vec::new();
    for (id, (path, bytes)) in ids.iter().zip(files) {
        let finished = finished(folder.root(), *id, bytes);
        records.push(Record::Pulled {
            id: *id,
            sha256: finished.sha256,
            size: finished.size,
            local: None,
        });
        group.push(ToCommit {
            finished,
            local: local(path),
        });
    }
    assert!(
        committer
            .commit(group)
            .unwrap()
            .iter()
            .all(CommitOutcome::is_in_place)
    );
    folder.catalogue_mut().record(&records).unwrap();
    ids
}

/// When a file was changed, in seconds since 1970.
pub(crate) fn modified(path: &Path) -> i64 {
    use std::time::SystemTime;
    let time = fs::metadata(path).unwrap().modified().unwrap();
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_secs() as i64,
        Err(before) => 0_i64
            .checked_sub_unsigned(before.duration().as_secs())
            .unwrap(),
    }
}

fn names(path: &Path) -> Vec<String> {
    let listing = fs::read_dir(path).unwrap();
    let mut names: Vec<_> = listing
        .map(|found| found.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_folder_is_made_where_nothing_is_and_opened_again() {
    let place = temporary();
    let path = place.path().join("some/where/rescue");
    let folder = Folder::create_or_open(&path, &phone()).unwrap();
    assert_eq!(
        names(&path),
        [
            ".partial",
            ".rescue.lock",
            "data",
            "rescue.db",
            "rescue.db-journal"
        ]
    );
    assert!(folder.root().is_absolute());
    assert!(folder.free_bytes().unwrap() > 0);
    assert_eq!(folder.access(), Access::ReadWrite);
    let photo = local("internal/DCIM/a.jpg");
    assert!(
        folder
            .data_path(&photo)
            .ends_with("rescue/data/internal/DCIM/a.jpg")
    );
    drop(folder);
    assert_eq!(
        names(&path),
        [".partial", ".rescue.lock", "data", "rescue.db"]
    );
    fs::remove_dir(path.join(".partial")).unwrap();
    Folder::create_or_open(&path, &phone()).unwrap();
    assert_eq!(
        Folder::open(&path).unwrap().catalogue().identity().unwrap(),
        phone()
    );
    assert!(path.join(".partial").is_dir());
}

#[test]
fn an_empty_disk_with_what_systems_leave_there_is_empty() {
    let place = temporary();
    for name in ["lost+found", "System Volume Information", ".Trash-1000"] {
        fs::create_dir(place.path().join(name)).unwrap();
    }
    fs::write(place.path().join(".DS_Store"), "x").unwrap();
    Folder::create_or_open(place.path(), &phone()).unwrap();
}

/// Of what the making of a folder writes, a power cut leaves any part.
#[test]
fn a_making_that_was_cut_short_is_made_up_for() {
    let journal = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    let torn = [&journal[..], &[0; 504]].concat();
    let mut pieces: Vec<(&str, Option<&[u8]>)> = vec![("data", None), (".partial", None)];
    pieces.extend([".rescue.lock", ".rescue.gives-way"].map(|name| (name, Some(&b""[..]))));
    let catalogues: [Option<&[u8]>; 3] = [None, Some(b""), Some(&[0; 4096])];
    let journals: [Option<&[u8]>; 4] = [None, Some(b""), Some(&[0; 512]), Some(&torn)];
    let place = temporary();
    let mut tries = 0;
    for which in 0..1 << pieces.len() {
        for (catalogue, journal) in catalogues
            .iter()
            .flat_map(|one| journals.map(|two| (one, two)))
        {
            tries += 1;
            let path = place.path().join(tries.to_string());
            fs::create_dir(&path).unwrap();
            let some = pieces.iter().enumerate();
            let some = some.filter(|(at, _)| which & (1 << at) != 0);
            let files = [("rescue.db", *catalogue), ("rescue.db-journal", journal)];
            let files = files.iter().filter(|(_, bytes)| bytes.is_some());
            for (name, bytes) in some.map(|(_, piece)| piece).chain(files) {
                match bytes {
                    Some(bytes) => fs::write(path.join(name), bytes).unwrap(),
                    None => fs::create_dir(path.join(name)).unwrap(),
                }
            }
            let before = names(&path);
            drop(
                Folder::create_or_open(&path, &phone()).unwrap_or_else(|error| {
                    panic!("{before:?}: {error:?}");
                }),
            );
            Folder::open(&path).unwrap();
            fs::remove_dir_all(&path).unwrap();
        }
    }
}

#[test]
fn what_only_looks_like_a_making_is_left_alone() {
    let place = temporary();
    for (name, bytes) in [
        ("rescue.db-journal", "dear diary"),
        ("rescue.db", "a database of somebody"),
        ("rescue.db-wal", ""),
        ("data/letter.txt", "dear"),
        (".partial/7", "a part"),
    ] {
        for beside in [None, Some("rescue.db"), Some("rescue.db-journal")] {
            let path = place.path().join("folder");
            fs::create_dir_all(path.join("data")).unwrap();
            fs::create_dir_all(path.join(".partial")).unwrap();
            fs::write(path.join("photo.jpg"), "precious").unwrap();
            if let Some(beside) = beside {
                fs::write(path.join(beside), "").unwrap();
            }
            fs::write(path.join(name), bytes).unwrap();
            let is_refused = Folder::create_or_open(&path, &phone()).is_err();
            assert!(is_refused, "{name} beside {beside:?}");
            assert_eq!(fs::read_to_string(path.join(name)).unwrap(), bytes);
            assert_eq!(
                fs::read_to_string(path.join("photo.jpg")).unwrap(),
                "precious"
            );
            fs::remove_dir_all(&path).unwrap();
        }
    }
    let path = place.path().join("journal");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("rescue.db-journal"), "dear diary").unwrap();
    let made = Folder::create_or_open(&path, &phone());
    assert!(matches!(made, Err(FolderError::NotARescueFolder { .. })));
}

#[test]
fn folders_with_other_things_in_them_are_left_alone() {
    let place = temporary();
    let path = place.path();
    let refused = |path: &Path| {
        let before = names(path);
        let made = Folder::create_or_open(path, &phone());
        assert!(
            matches!(made, Err(FolderError::NotARescueFolder { .. })),
            "{made:?}"
        );
        let opened = Folder::open(path);
        assert!(
            matches!(opened, Err(FolderError::NotARescueFolder { .. })),
            "{opened:?}"
        );
        assert_eq!(names(path), before);
    };
    let photos = path.join("photos");
    fs::create_dir(&photos).unwrap();
    fs::write(photos.join("IMG_1.jpg"), "x").unwrap();
    refused(&photos);

    let data = path.join("data-with-files");
    fs::create_dir_all(data.join("data/internal")).unwrap();
    refused(&data);

    let file = path.join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below/it")] {
        let made = Folder::create_or_open(&path, &phone());
        assert!(
            matches!(&made, Err(FolderError::NotAFolder { path }) if *path == file),
            "{made:?}"
        );
    }
    // Of such a name Wine says that it is not found.
    if cfg!(unix) {
        let made = Folder::create_or_open(&path.join("x".repeat(300)), &phone());
        assert!(
            matches!(made, Err(FolderError::Disk(DiskError::NameRefused { .. }))),
            "{made:?}"
        );
    }
    let missing = Folder::open(&path.join("missing"));
    assert!(
        matches!(missing, Err(FolderError::Missing { .. })),
        "{missing:?}"
    );
    let empty = path.join("empty");
    fs::create_dir(&empty).unwrap();
    let opened = Folder::open(&empty);
    assert!(
        matches!(opened, Err(FolderError::Missing { .. })),
        "{opened:?}"
    );
}

#[test]
fn another_phones_folder_is_refused_and_says_whose() {
    let (_place, folder) = fresh();
    let path = folder.root().to_owned();
    drop(folder);
    let other = PhoneIdentity {
        serial: "OTHER".to_owned(),
        ..phone()
    };
    match Folder::create_or_open(&path, &other).unwrap_err() {
        FolderError::OtherPhone { expected, got, .. } => {
            assert_eq!((expected, got), (phone().serial, "OTHER".to_owned()));
        }
        error => panic!("{error}"),
    }
    assert_eq!(
        Folder::open(&path).unwrap().catalogue().identity().unwrap(),
        phone()
    );
}

#[test]
fn the_same_phone_after_an_update_is_the_same_phone() {
    let (_place, folder) = fresh();
    let path = folder.root().to_owned();
    drop(folder);
    let updated = PhoneIdentity {
        android_version: "15".to_owned(),
        ..phone()
    };
    drop(Folder::create_or_open(&path, &updated).unwrap());
    assert_eq!(
        Folder::open(&path).unwrap().catalogue().identity().unwrap(),
        updated
    );
}

#[test]
fn a_second_rescue_is_told_that_the_folder_is_busy() {
    let (_place, folder) = fresh();
    let path = folder.root().to_owned();
    for second in [Folder::create_or_open(&path, &phone()), Folder::open(&path)] {
        assert!(
            matches!(&second, Err(FolderError::Busy { path: busy }) if *busy == path),
            "{second:?}"
        );
    }
    let committer = folder.committer().unwrap();
    drop(folder);
    assert!(matches!(Folder::open(&path), Err(FolderError::Busy { .. })));
    drop(committer);
    Folder::open(&path).unwrap();
}

#[test]
fn who_comes_while_another_looks_in_waits_and_gets_it() {
    let (_place, folder) = fresh();
    let path = folder.root().to_owned();
    let looking = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(folder);
    });
    Folder::open_after_asking(&path).unwrap();
    looking.join().unwrap();
}

#[test]
fn who_comes_while_another_works_is_sent_away_in_the_end() {
    let (_place, folder) = fresh();
    let refused = Folder::open_after_asking(folder.root());
    assert!(matches!(refused, Err(FolderError::Busy { .. })));
}

#[cfg(unix)]
#[test]
fn symbolic_links_in_the_folders_own_places_are_refused() {
    let place = temporary();
    let elsewhere = place.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("file"), "precious").unwrap();
    for (name, target) in [
        ("data", ""),
        (".partial", ""),
        (".rescue.lock", "file"),
        ("rescue.db", "file"),
    ] {
        let path = place.path().join(format!("rescue-{name}"));
        drop(Folder::create_or_open(&path, &phone()).unwrap());
        let link = path.join(name);
        let _ = fs::remove_file(&link);
        let _ = fs::remove_dir(&link);
        symlink(elsewhere.join(target), &link).unwrap();
        let opened = Folder::create_or_open(&path, &phone());
        assert!(
            matches!(&opened, Err(FolderError::Disk(DiskError::Symlink { path })) if *path == link),
            "{name}: {opened:?}"
        );
    }
    assert_eq!(fs::read(elsewhere.join("file")).unwrap(), b"precious");
    assert_eq!(names(&elsewhere), ["file"]);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_beside_the_catalogue_is_named_and_not_waited_for() {
    let (_place, folder) = fresh();
    let path = folder.root().to_owned();
    drop(folder);
    for ending in ["journal", "wal", "shm"] {
        let beside = path.join(format!("rescue.db-{ending}"));
        let mode = rustix::fs::Mode::RWXU;
        let (cwd, kind) = (rustix::fs::CWD, rustix::fs::FileType::Fifo);
        rustix::fs::mknodat(cwd, &beside, kind, mode, 0).unwrap();
        for opened in [Folder::open(&path), Folder::create_or_open(&path, &phone())] {
            assert!(
                matches!(&opened, Err(FolderError::Disk(DiskError::NotAFile { path })) if *path == beside),
                "{opened:?}"
            );
        }
        fs::remove_file(&beside).unwrap();
    }
    Folder::open(&path).unwrap();
}

#[test]
fn nothing_is_written_into_a_file_that_has_another_name_elsewhere() {
    let (place, folder) = fresh();
    let path = folder.root().to_owned();
    drop(folder);
    let letters = place.path().join("letters.txt");
    fs::write(&letters, "precious").unwrap();
    for ending in ["journal", "wal", "shm"] {
        let beside = path.join(format!("rescue.db-{ending}"));
        fs::hard_link(&letters, &beside).unwrap();
        for opened in [Folder::open(&path), Folder::create_or_open(&path, &phone())] {
            let refused = opened.unwrap_err();
            assert!(
                matches!(&refused, FolderError::Catalogue(CatalogueError::Shared { path }) if *path == beside),
                "{refused:?}"
            );
        }
        fs::remove_file(&beside).unwrap();
    }
    assert_eq!(fs::read(&letters).unwrap(), b"precious");
    // As a backup that links what did not change: it is read.
    let backup = place.path().join("rescue.db");
    fs::hard_link(path.join("rescue.db"), &backup).unwrap();
    assert_eq!(Folder::open(&path).unwrap().access(), Access::ReadOnly);
    let refused = Folder::create_or_open(&path, &phone()).unwrap_err();
    assert!(
        matches!(
            refused,
            FolderError::Catalogue(CatalogueError::Shared { .. })
        ),
        "{refused:?}"
    );
}

#[cfg(unix)]
#[test]
fn folder_whose_files_would_lie_on_another_disk_is_refused_with_the_right_advice() {
    let place = tempfile::tempdir().unwrap();
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else {
        panic!("/dev/shm is needed: another filesystem that everybody may write to");
    };
    assert!(!disk::system::are_on_one_disk(place.path(), other.path()));
    let (from, to) = (place.path().join("1"), other.path().join("a.jpg"));
    fs::write(&from, "photo").unwrap();
    for refused in [
        disk::rename_new(&from, &to).map(drop),
        disk::rename_over(&from, &to),
    ] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, DiskError::OtherDisk { .. }),
            "{refused:?}"
        );
        assert!(refused.concerns_the_whole_disk());
        let hint = crate::error::Error::from(refused).hint.unwrap().to_string();
        assert!(
            hint.contains("mount it at the rescue folder itself"),
            "{hint}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_a_rescue_folder_is_fine() {
    let (place, folder) = fresh();
    let path = folder.root().to_owned();
    drop(folder);
    let link = place.path().join("link");
    symlink(&path, &link).unwrap();
    assert_eq!(
        Folder::create_or_open(&link, &phone()).unwrap().root(),
        path
    );
    let dangling = place.path().join("dangling");
    symlink(place.path().join("nowhere"), &dangling).unwrap();
    assert!(Folder::create_or_open(&dangling, &phone()).is_err());
}

#[cfg(unix)]
#[test]
fn a_place_that_cannot_be_written_is_named() {
    let place = temporary();
    let path = place.path().join("locked");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(path.join("probe"), "").is_ok() {
        // Whoever runs this may write everywhere; /proc refuses even them.
        let made = Folder::create_or_open(Path::new("/proc/rescue"), &phone());
        assert!(matches!(made, Err(FolderError::Disk(_))), "{made:?}");
        return;
    }
    let made = Folder::create_or_open(&path, &phone());
    assert!(
        matches!(made, Err(FolderError::Disk(DiskError::NotWritable { .. }))),
        "{made:?}"
    );
}

#[cfg(unix)]
#[test]
fn errors_of_the_disk_are_told_apart() {
    use rustix::io::Errno;
    let path = Path::new("/some/file");
    let error = |errno: Errno| DiskError::new(DiskAction::Write, path, errno.into());
    assert!(matches!(error(Errno::NOSPC), DiskError::Full { .. }));
    assert!(matches!(error(Errno::DQUOT), DiskError::Full { .. }));
    assert!(matches!(error(Errno::FBIG), DiskError::FileTooLarge { .. }));
    assert!(matches!(error(Errno::ROFS), DiskError::NotWritable { .. }));
    assert!(matches!(
        error(Errno::ACCESS),
        DiskError::NotWritable { .. }
    ));
    assert!(matches!(error(Errno::IO), DiskError::Io { .. }));
    let naming = |errno: Errno| DiskError::naming(DiskAction::Rename, path, errno.into());
    for errno in [Errno::INVAL, Errno::NAMETOOLONG, Errno::ILSEQ] {
        assert!(
            matches!(naming(errno), DiskError::NameRefused { .. }),
            "{errno:?}"
        );
    }
    assert!(matches!(naming(Errno::NOSPC), DiskError::Full { .. }));
}
