//! Links, other names, other disks and other kinds of files inside a rescue folder.

use super::*;

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
