//! A rescue folder is made, or what stands in its place is left alone.

use super::*;

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
