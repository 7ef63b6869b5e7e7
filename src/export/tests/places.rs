//! Where an archive may go, and what an export that ends early leaves there.

use super::*;

#[test]
fn places_that_are_taken_or_make_no_sense_are_refused() {
    let (room, mut folder) = fresh();
    rescue(&mut folder, &[("internal/1.jpg", b"one")]);
    let x = place(&room, "x.zip");
    fs::write(x.path(), b"somebody's").unwrap();
    let refused = export(&folder, &x, &Wish::default());
    assert!(
        matches!(refused, Err(ExportError::Exists { .. })),
        "{refused:?}"
    );
    assert_eq!(fs::read(x.path()).unwrap(), b"somebody's");
    let forced = ExportRequest {
        earlier: EarlierArchive::IsReplaced,
        ..request(&x)
    };
    // What an interrupted run left is no obstacle.
    fs::write(x.part(), vec![7; 100_000]).unwrap();
    pack(&folder, planned(&folder), &forced, &silent()).unwrap();
    assert!(unpacked(x.path()).contains_key("x/data/internal/1.jpg"));

    #[cfg(unix)]
    symlink(room.path().join("rescue/data"), room.path().join("way in")).unwrap();
    let insides = ["rescue/x.zip", "rescue/data/x.zip", "way in/x.zip"];
    for inside in insides.into_iter().take(if cfg!(unix) { 3 } else { 2 }) {
        let refused = export(&folder, &place(&room, inside), &Wish::default());
        assert!(
            matches!(refused, Err(ExportError::Inside { .. })),
            "{inside}: {refused:?}"
        );
    }
    // A browser calls what it downloads so.
    let downloading = room.path().join("y.zip.part");
    fs::write(&downloading, b"somebody's").unwrap();
    export(&folder, &place(&room, "y.zip"), &Wish::default()).unwrap();
    assert_eq!(fs::read(&downloading).unwrap(), b"somebody's");
    let y = place(&room, "z.zip");
    fs::create_dir(y.part()).unwrap();
    let refused = export(&folder, &y, &Wish::default());
    assert!(
        matches!(&refused, Err(ExportError::NotAFile { path }) if *path == y.part()),
        "{refused:?}"
    );
    let below_a_file = Place::new(&downloading.join("x.zip"));
    assert!(
        matches!(below_a_file, Err(ExportError::ParentNotAFolder { .. })),
        "{below_a_file:?}"
    );

    fs::create_dir(room.path().join("dir.zip")).unwrap();
    let taken = place(&room, "dir.zip");
    let forced = ExportRequest {
        earlier: EarlierArchive::IsReplaced,
        ..request(&taken)
    };
    let refused = pack(&folder, planned(&folder), &forced, &silent());
    assert!(
        matches!(refused, Err(ExportError::NotAFile { .. })),
        "{refused:?}"
    );
    assert!(Place::new(Path::new("/")).is_err());
    assert!(Place::new(&room.path().join("no such folder/x.zip")).is_err());
}

#[test]
fn the_folder_in_an_archive_is_a_plain_name_whatever_the_archive_is_called() {
    let room = crate::folder::tests::temporary();
    for name in [
        "...zip",
        "..zip",
        ".zip",
        "a\\..\\b.zip",
        "CON.zip",
        "a\nb.zip",
        "-rf.zip",
    ] {
        let place = place(&room, name);
        assert!(local(place.base()).components().count() == 1, "{name}");
    }
    for (name, base, second) in [
        ("a.b.zip", "a.b", "a.b-2-of-3.zip"),
        ("a.b.zip.age", "a.b", "a.b-2-of-3.zip.age"),
        ("a.age", "a", "a-2-of-3.age"),
        ("a", "a", "a-2-of-3"),
    ] {
        let place = place(&room, name);
        assert_eq!(place.base(), base);
        let share = place.of_share(Share { number: 2, of: 3 });
        assert_eq!(share.path().file_name().unwrap(), second);
        assert_eq!(share.base(), format!("{base}-2-of-3"));
        let share = place.of_share(Share {
            number: 2,
            of: 1000,
        });
        assert_eq!(share.base(), format!("{base}-0002-of-1000"));
    }
}

#[test]
fn a_stop_leaves_nothing() {
    let (room, mut folder) = fresh();
    rescue(
        &mut folder,
        &[("internal/1.jpg", b"one"), ("internal/2.mp4", &large(3))],
    );
    let place = place(&room, "x.zip");
    // After each number of questions, until the export is done before it is stopped.
    for asked in 0.. {
        let left = std::sync::atomic::AtomicI32::new(asked);
        let is_stopped = || left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) <= 0;
        let request = ExportRequest {
            is_stopped: &is_stopped,
            album_in_folder: true,
            ..request(&place)
        };
        match pack(&folder, planned(&folder), &request, &silent()) {
            Err(ExportError::Stopped) => {
                assert_eq!(names_in(&room), ["rescue"], "{asked}");
                assert!(!folder.root().join("index.html").exists(), "{asked}");
            }
            done => {
                done.unwrap();
                assert!(folder.root().join("index.html").exists());
                assert!(asked > 10);
                break;
            }
        }
    }
}

#[test]
fn two_exports_to_one_place_do_not_meet() {
    let (room, mut folder) = fresh();
    rescue(&mut folder, &[("internal/1.jpg", b"one")]);
    let place = place(&room, "x.zip");
    let other = place.begin().unwrap();
    std::io::Write::write_all(&mut &other, b"of another one").unwrap();
    let refused = export(&folder, &place, &Wish::default());
    assert!(
        matches!(refused, Err(ExportError::Busy { .. })),
        "{refused:?}"
    );
    // The other one goes on with its own file.
    assert_eq!(fs::read(place.part()).unwrap(), b"of another one");
    drop(other);
    export(&folder, &place, &Wish::default()).unwrap();
    assert_eq!(names_in(&room), ["rescue", "x.zip"]);
}

// Only there is a file that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_is_named() {
    let (_room, mut folder) = fresh();
    rescue(&mut folder, &[("internal/1.jpg", &large(1)[..400_000])]);
    let piece = &planned(&folder).pieces.get(0).unwrap().unwrap();
    let bytes = fs::read(folder.data_path(&piece.local)).unwrap();
    // A device that is always full.
    let path = Path::new("/dev/full");
    let full = fs::File::options().write(true).open(path).unwrap();
    let mut archive = Archive::create(full, path, "x", &Protection::None, 0).unwrap();
    let refused = archive.add_whole(piece, &piece.local, &bytes);
    let Err(ExportError::Disk(DiskError::Full { path: named, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(named, path);
}
