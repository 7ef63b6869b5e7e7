use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
#[cfg(unix)]
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::archive::{Archive, Held};
use super::*;
use crate::digest::Sha256;
use crate::event::Events;
use crate::folder::tests::{fresh, local, plan as plan_entry, pull};
use crate::folder::{Companion, Folder, Proof, Reason, ReasonCode, Record};
use crate::media::taken::Days;

/// Pulls files that the phone confirms.
pub(super) fn rescue(folder: &mut Folder, files: &[(&str, &[u8])]) {
    let verified: Vec<_> = pull(folder, files)
        .into_iter()
        .map(|id| Record::Verified {
            id,
            proof: Proof::Sha256,
        })
        .collect();
    folder.catalogue_mut().record(&verified).unwrap();
}

pub(super) fn silent() -> Events {
    Events::to(|_| {})
}

/// A request for `NAME.zip` beside the folder.
pub(super) fn place(room: &TempDir, name: &str) -> Place {
    Place::new(&room.path().join(name)).unwrap()
}

pub(super) fn request(place: &Place) -> ExportRequest<'_> {
    ExportRequest {
        place,
        earlier: EarlierArchive::Stays,
        strict: false,
        by_date: false,
        album_in_folder: false,
        split: None,
        protection: Protection::None,
        now: Local::now(),
        is_stopped: &|| false,
    }
}

/// All that is to go into an archive beside the folder.
pub(super) fn planned(folder: &Folder) -> ExportPlan {
    let place = Place::new(&folder.root().with_extension("zip")).unwrap();
    plan(folder, &Wish::default(), &place).unwrap()
}

fn export(folder: &Folder, place: &Place, wish: &Wish) -> Result<ExportOutcome, ExportError> {
    pack(
        folder,
        plan(folder, wish, place)?,
        &request(place),
        &silent(),
    )
}

/// What an archive holds, by name.
pub(super) fn unpacked(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn whys(outcome: &ExportOutcome) -> Vec<(&str, &Why)> {
    let left_out = outcome.left_out.iter();
    left_out.map(|it| (it.local.as_str(), &it.why)).collect()
}

fn names_in(room: &TempDir) -> Vec<String> {
    let listing = fs::read_dir(room.path()).unwrap();
    let mut names: Vec<_> = listing
        .map(|found| found.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// More than is read as a whole.
fn large(seed: u8) -> Vec<u8> {
    let length = prepare::SMALL_BYTES as usize + 12_345;
    (0..length).map(|at| (at % 251) as u8 ^ seed).collect()
}

#[test]
fn no_archive_is_smaller_than_the_room_it_is_said_to_need() {
    let (room, mut folder) = fresh();
    let (photo, text) = (large(1), vec![b' '; 5_000_000]);
    let many: Vec<String> = (0..300).map(|at| format!("internal/{at}.jpg")).collect();
    let mut files: Vec<(&str, &[u8])> = many.iter().map(|it| (it.as_str(), &b"x"[..])).collect();
    files.extend([("internal/a.jpg", &photo[..]), ("internal/log.txt", &text)]);
    rescue(&mut folder, &files);
    let plan = planned(&folder);
    let least = split::least_bytes(&plan, 0..plan.pieces.len()).unwrap();
    assert!(least > photo.len() as u64, "{least}");
    // Without the album and the report it would be smaller still, but not below that.
    let place = place(&room, "all.zip");
    let outcome = pack(&folder, plan, &request(&place), &silent()).unwrap();
    let bytes = outcome.packed[0].bytes;
    assert!(least <= bytes, "{least} {bytes}");
    // Text alone needs next to nothing.
    let text = Wish::default()
        .with_globs(&["**/log.txt".to_owned()], &[])
        .unwrap();
    let plan = super::plan(&folder, &text, &place).unwrap();
    assert!(split::least_bytes(&plan, 0..1).unwrap() < 10_000);
}

#[test]
fn an_archive_is_a_bag_of_what_the_phone_confirmed() {
    let (room, mut folder) = fresh();
    let film = large(1);
    rescue(
        &mut folder,
        &[
            ("internal/DCIM/a.jpg", b"a photo"),
            ("internal/DCIM/été 🏖.jpg", b"another"),
            ("internal/empty.txt", b""),
            ("sd-1/film.mp4", &film),
        ],
    );
    pull(&mut folder, &[("internal/unconfirmed.jpg", b"?")]);
    let place = place(&room, "photos.zip");
    let outcome = export(&folder, &place, &Wish::default()).unwrap();
    assert_eq!(
        whys(&outcome),
        [("internal/unconfirmed.jpg", &Why::NotVerified)]
    );
    assert_eq!(outcome.packed[0].files, 4);
    assert_eq!(
        outcome.packed[0].archive_bytes,
        fs::metadata(place.path()).unwrap().len()
    );
    let held = unpacked(place.path());
    assert_eq!(held["photos/data/internal/DCIM/a.jpg"], b"a photo");
    assert_eq!(held["photos/data/internal/DCIM/été 🏖.jpg"], b"another");
    assert_eq!(held["photos/data/internal/empty.txt"], b"");
    assert!(held["photos/data/sd-1/film.mp4"] == film);
    let text = |name: &str| String::from_utf8(held[&format!("photos/{name}")].clone()).unwrap();
    assert_eq!(text("bagit.txt"), crate::folder::manifest::DECLARATION);
    let manifest = text("manifest-sha256.txt");
    let payload = held.keys().filter(|name| name.starts_with("photos/data/"));
    assert_eq!(manifest.lines().count(), payload.count());
    for line in manifest
        .lines()
        .chain(text("tagmanifest-sha256.txt").lines())
    {
        let (hash, path) = line.split_once("  ").unwrap();
        let bytes = &held[&format!("photos/{path}")];
        assert_eq!(Sha256::of(bytes).to_string(), hash, "{path}");
    }
    let octets = 7 + 7 + film.len();
    assert!(text("bag-info.txt").contains(&format!("Payload-Oxum: {octets}.4\n")));
    assert_eq!(names_in(&room), ["photos.zip", "rescue"]);
}

#[test]
fn what_the_phone_did_not_confirm_goes_in_when_asked_for() {
    let (room, mut folder) = fresh();
    pull(&mut folder, &[("internal/a.jpg", b"a")]);
    let damaged = plan_entry(&mut folder, "internal/b.jpg");
    let rest = local("internal/b.jpg.damaged");
    fs::write(folder.data_path(&rest), b"half").unwrap();
    let reason = Reason::new(ReasonCode::PhoneIo, "the card is broken");
    let record = Record::Damaged {
        id: damaged,
        reason: reason.clone(),
        kept: vec![Companion {
            local: rest,
            size: 4,
            sha256: Sha256::of(b"half"),
            missing_bytes: None,
        }],
    };
    folder.catalogue_mut().record(&[record]).unwrap();
    let place = place(&room, "x.zip");
    let nothing = export(&folder, &place, &Wish::default());
    assert!(
        matches!(nothing, Err(ExportError::AllLeftOut { .. })),
        "{nothing:?}"
    );
    let wish = Wish {
        include_unverified: true,
        ..Wish::default()
    };
    let outcome = export(&folder, &place, &wish).unwrap();
    assert_eq!(whys(&outcome), [("internal/b.jpg", &Why::Damaged(reason))]);
    let held = unpacked(place.path());
    assert_eq!(held["x/data/internal/b.jpg.damaged"], b"half");
    assert_eq!(held["x/data/internal/a.jpg"], b"a");
}

#[cfg(unix)]
#[test]
fn files_that_changed_are_named_and_left_out() {
    let (room, mut folder) = fresh();
    let (film, other) = (large(1), large(2));
    rescue(
        &mut folder,
        &[
            ("internal/1.jpg", b"photo one"),
            ("internal/2.mp4", &film),
            ("internal/3.jpg", b"photo three"),
            ("internal/4.mp4", &film),
            ("internal/5.jpg", b"photo five"),
            ("internal/6.jpg", b"photo six"),
            ("internal/7.jpg", b"photo seven"),
            ("internal/8.jpg", b"photo eight"),
            ("internal/deep/9.jpg", b"photo nine"),
        ],
    );
    let path = |name: &str| folder.data_path(&local(&format!("internal/{name}")));
    fs::write(path("1.jpg"), b"photo ONE").unwrap();
    fs::write(path("4.mp4"), &other).unwrap();
    fs::write(path("5.jpg"), b"longer than it was").unwrap();
    fs::remove_file(path("6.jpg")).unwrap();
    let secret = room.path().join("secret");
    fs::write(&secret, b"photo seven").unwrap();
    fs::remove_file(path("7.jpg")).unwrap();
    symlink(&secret, path("7.jpg")).unwrap();
    fs::remove_file(path("8.jpg")).unwrap();
    fs::create_dir(path("8.jpg")).unwrap();
    fs::rename(path("deep"), room.path().join("deep")).unwrap();
    symlink(room.path().join("deep"), path("deep")).unwrap();
    let place = place(&room, "x.zip");
    let outcome = export(&folder, &place, &Wish::default()).unwrap();
    let mut whys = whys(&outcome);
    whys.sort_by_key(|(local, _)| *local);
    assert_eq!(
        whys,
        [
            ("internal/1.jpg", &Why::Changed),
            ("internal/4.mp4", &Why::Changed),
            ("internal/5.jpg", &Why::Changed),
            ("internal/6.jpg", &Why::Missing),
            ("internal/7.jpg", &Why::NotAFile),
            ("internal/8.jpg", &Why::NotAFile),
            ("internal/deep/9.jpg", &Why::NotAFile),
        ]
    );
    let held = unpacked(place.path());
    let payload: Vec<_> = held.keys().filter(|name| name.contains("/data/")).collect();
    assert_eq!(payload, ["x/data/internal/2.mp4", "x/data/internal/3.jpg"]);
    assert!(held["x/data/internal/2.mp4"] == film);

    let strict = Place::new(&room.path().join("strict.zip")).unwrap();
    let request = ExportRequest {
        strict: true,
        ..request(&strict)
    };
    let refused = pack(&folder, planned(&folder), &request, &silent());
    assert!(
        matches!(refused, Err(ExportError::Incomplete { .. })),
        "{refused:?}"
    );
    assert!(
        !names_in(&room)
            .iter()
            .any(|name| name.starts_with("strict"))
    );
}

#[test]
fn a_change_found_on_the_way_ends_a_strict_export_without_a_trace() {
    let (room, mut folder) = fresh();
    rescue(
        &mut folder,
        &[("internal/1.jpg", b"one"), ("internal/2.jpg", b"two")],
    );
    fs::write(folder.data_path(&local("internal/2.jpg")), b"TWO").unwrap();
    let place = place(&room, "x.zip");
    let request = ExportRequest {
        strict: true,
        ..request(&place)
    };
    let refused = pack(&folder, planned(&folder), &request, &silent());
    assert!(
        matches!(refused, Err(ExportError::Incomplete { count: 1, .. })),
        "{refused:?}"
    );
    assert_eq!(names_in(&room), ["rescue"]);
}

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
    fs::create_dir(room.path().join("dir.zip")).unwrap();
    let taken = place(&room, "dir.zip");
    let forced = ExportRequest {
        earlier: EarlierArchive::IsReplaced,
        ..request(&taken)
    };
    let refused = pack(&folder, planned(&folder), &forced, &silent());
    assert!(
        matches!(refused, Err(ExportError::Exists { .. })),
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

#[test]
fn files_that_no_pull_put_there_are_named_and_left_out() {
    let (room, mut folder) = fresh();
    rescue(&mut folder, &[("internal/1.jpg", b"one")]);
    let secret = room.path().join("secret");
    fs::write(&secret, b"secret").unwrap();
    let data = folder.root().join("data");
    // Windows has no name with the one.
    let (name, on_page) = match cfg!(unix) {
        true => ("internal/notes <b>.txt", "notes &lt;b&gt;.txt"),
        false => ("internal/notes & b.txt", "notes &amp; b.txt"),
    };
    fs::write(data.join(name), b"somebody's").unwrap();
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there no link is made"))]
    let mut expected = vec![name];
    #[cfg(unix)]
    {
        symlink(&secret, data.join("link.jpg")).unwrap();
        symlink(room.path(), data.join("way out")).unwrap();
        expected.extend(["link.jpg", "way out"]);
    }
    let x = place(&room, "x.zip");
    let outcome = export(&folder, &x, &Wish::default()).unwrap();
    let strangers = expected.len();
    assert_eq!((outcome.strangers, outcome.left_out.len()), (strangers, 0));
    assert_eq!(payload(x.path()), ["internal/1.jpg"]);
    let held = unpacked(x.path());
    let report: serde_json::Value = serde_json::from_slice(&held["x/report.json"]).unwrap();
    let expected = serde_json::json!(expected);
    assert_eq!(report["not_of_the_rescue"], expected);
    let page = String::from_utf8(held["x/report.html"].clone()).unwrap();
    assert!(page.contains(on_page) && !page.contains("<b>"), "{page}");
    // Who asks for a part of it is not told of the rest.
    let wish = Wish::default()
        .with_globs(&["**/*.jpg".to_owned()], &[])
        .unwrap();
    let outcome = export(&folder, &place(&room, "y.zip"), &wish).unwrap();
    assert_eq!(outcome.strangers, 0);
}

#[test]
fn damage_on_the_way_to_the_disk_is_found_by_reading_back() {
    let (room, mut folder) = fresh();
    rescue(
        &mut folder,
        &[
            ("internal/1.jpg", b"one photo"),
            ("internal/2.txt", b"some text"),
        ],
    );
    let place = place(&room, "x.zip");
    let protection = Protection::None;
    let path = place.part();
    let part = place.begin().unwrap();
    let mut archive = Archive::create(part, &path, place.base(), &protection, 0).unwrap();
    let mut held = Vec::new();
    for piece in planned(&folder).pieces.iter(0..2).map(Result::unwrap) {
        let bytes = fs::read(folder.data_path(&piece.local)).unwrap();
        archive.add_whole(&piece, &piece.local, &bytes).unwrap();
        held.push(Held {
            path: format!("data/{}", piece.local),
            size: piece.size,
            sha256: piece.sha256,
        });
    }
    archive.finish().unwrap();
    let look = |held: &[Held]| {
        let each = held.iter().cloned().map(Ok);
        check::check(&path, "x", held.len(), each, &protection, &mut |_| Ok(()))
    };
    look(&held).unwrap();
    let good = fs::read(&path).unwrap();
    // Every single flipped bit matters: names, sizes, bytes, and the list at the end.
    let mut unnoticed = Vec::new();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&path, &bad).unwrap();
        if look(&held).is_ok() {
            unnoticed.push(at);
        }
    }
    // But for version numbers, times, attributes and reserved fields, which no reader compares.
    assert!(
        unnoticed.len() < good.len() / 3,
        "{} of {}",
        unnoticed.len(),
        good.len()
    );
    let photo = good
        .windows(9)
        .position(|bytes| bytes == b"one photo")
        .unwrap();
    assert!(!unnoticed.iter().any(|at| (photo..photo + 9).contains(at)));
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert!(look(&held).is_err());
    // A file that no list names, behind the last of those that it does.
    let list_at = good.len() - 6..good.len() - 2;
    let list = u32::from_le_bytes(good[list_at.clone()].try_into().unwrap());
    let mut hiding = good.clone();
    hiding[list_at].copy_from_slice(&(list + 9).to_le_bytes());
    hiding.splice(list as usize..list as usize, *b"one photo");
    fs::write(&path, &hiding).unwrap();
    assert_eq!(unpacked(&path).len(), 2);
    assert!(look(&held).is_err());
    fs::write(&path, &good).unwrap();
    let mut other = held.clone();
    other.swap(0, 1);
    assert!(look(&other).is_err() && look(&held[..1]).is_err() && look(&[]).is_err());
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

#[test]
fn hostile_names_in_the_catalogue_are_refused() {
    let (room, mut folder) = fresh();
    rescue(&mut folder, &[("internal/1.jpg", b"one")]);
    let path = folder.root().join("rescue.db");
    let root = folder.root().to_owned();
    drop(folder);
    for hostile in [
        "../../evil",
        "/etc/passwd",
        "internal/../../../x",
        "a\\..\\..\\x",
        "a\nb",
    ] {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute("UPDATE entry SET local = ?", [hostile]).unwrap();
        drop(db);
        let folder = Folder::open(&root).unwrap();
        let refused = export(&folder, &place(&room, "x.zip"), &Wish::default());
        assert!(
            matches!(refused, Err(ExportError::Catalogue(_))),
            "{hostile}: {refused:?}"
        );
    }
    assert_eq!(names_in(&room), ["rescue"]);
}

#[test]
fn wishes_narrow_what_goes_in() {
    let (room, mut folder) = fresh();
    rescue(
        &mut folder,
        &[
            ("internal/DCIM/a.jpg", b"a"),
            ("internal/DCIM/b.mp4", b"b"),
            ("internal/Documents/c.txt", b"c"),
        ],
    );
    let payload = |name: &str, wish: Wish| {
        let place = place(&room, name);
        export(&folder, &place, &wish).unwrap();
        let held = unpacked(place.path());
        let names = held.into_keys().filter_map(|name| {
            let (_, below) = name.split_once("/data/internal/")?;
            Some(below.to_owned())
        });
        names.collect::<Vec<_>>()
    };
    let kinds = |kinds: &[crate::media::kind::MediaKind]| Wish {
        kinds: kinds.to_vec(),
        ..Wish::default()
    };
    use crate::media::kind::MediaKind::{Photo, Video};
    assert_eq!(payload("1.zip", kinds(&[Photo])), ["DCIM/a.jpg"]);
    assert_eq!(
        payload("2.zip", kinds(&[Photo, Video])),
        ["DCIM/a.jpg", "DCIM/b.mp4"]
    );
    let globs = |include: &[&str], exclude: &[&str]| {
        let own = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        Wish::default()
            .with_globs(&own(include), &own(exclude))
            .unwrap()
    };
    assert_eq!(
        payload("3.zip", globs(&["dcim/**"], &["**/*.MP4"])),
        ["DCIM/a.jpg"]
    );
    assert_eq!(
        payload("4.zip", globs(&["/storage/internal/Doc*/**"], &[])),
        ["Documents/c.txt"]
    );
}

/// The archive's files below `data/`.
fn payload(path: &Path) -> Vec<String> {
    let held = unpacked(path).into_keys();
    held.filter_map(|name| Some(name.split_once("/data/")?.1.to_owned()))
        .collect()
}

#[test]
fn by_date_lays_out_months_and_packs_same_bytes_once() {
    let (room, mut folder) = fresh();
    let photo = crate::media::look::tests::with_exif(
        &crate::media::look::tests::jpeg(64, 48),
        "2023:12:31 23:59:59",
        1,
        &crate::media::look::tests::jpeg(16, 12),
    );
    rescue(
        &mut folder,
        &[
            ("internal/DCIM/IMG_20240818_080000.jpg", b"by name"),
            ("internal/DCIM/IMG_20240819_080000.jpg", b"twice"),
            ("internal/Pictures/IMG_20240818_080000.jpg", b"a namesake"),
            ("internal/Pictures/copy.jpg", b"twice"),
            ("internal/Pictures/exif.jpg", &photo),
            ("internal/notes.txt", b"modified in 2023"),
        ],
    );
    // The first of two equal files is broken: the other one has to go in.
    rescue(
        &mut folder,
        &[
            ("internal/A/broken.jpg", b"precious"),
            ("internal/B/whole.jpg", b"precious"),
        ],
    );
    fs::write(
        folder.data_path(&local("internal/A/broken.jpg")),
        b"PRECIOUS",
    )
    .unwrap();
    let place = place(&room, "x.zip");
    let request = ExportRequest {
        by_date: true,
        ..request(&place)
    };
    let plan = planned(&folder);
    let outcome = pack(&folder, plan, &request, &silent()).unwrap();
    assert_eq!(
        payload(place.path()),
        [
            "2023/2023-11/notes.txt",
            "2023/2023-11/whole.jpg",
            "2023/2023-12/exif.jpg",
            "2024/2024-08/IMG_20240818_080000 (2).jpg",
            "2024/2024-08/IMG_20240818_080000.jpg",
            "2024/2024-08/IMG_20240819_080000.jpg",
        ]
    );
    let same = Why::SameAs(local("2024/2024-08/IMG_20240819_080000.jpg"));
    let whys = whys(&outcome);
    assert_eq!(whys.len(), 2, "{whys:?}");
    assert!(
        whys.contains(&("internal/Pictures/copy.jpg", &same)),
        "{whys:?}"
    );
    assert!(
        whys.contains(&("internal/A/broken.jpg", &Why::Changed)),
        "{whys:?}"
    );
    assert!(!same.is_a_loss());
}

#[test]
fn days_narrow_what_goes_in_by_when_it_was_taken() {
    let (room, mut folder) = fresh();
    let photo = crate::media::look::tests::with_exif(
        &crate::media::look::tests::jpeg(64, 48),
        "2022:05:01 12:00:00",
        1,
        &crate::media::look::tests::jpeg(16, 12),
    );
    rescue(
        &mut folder,
        &[
            // EXIF counts before the name.
            ("internal/IMG_20240818_080000.jpg", &photo),
            ("internal/IMG_20220502_080000.jpg", b"by name"),
            ("internal/modified in 2023.jpg", b"by mtime"),
        ],
    );
    plan_entry(&mut folder, "internal/IMG_20220501_000000.jpg");
    plan_entry(&mut folder, "internal/IMG_20210501_000000.jpg");
    let day = |text: &str| Some(text.parse().unwrap());
    for (name, since, until, expected, missing) in [
        (
            "1.zip",
            day("2022-05-01"),
            day("2022-05-01"),
            &["internal/IMG_20240818_080000.jpg"][..],
            1,
        ),
        (
            "2.zip",
            day("2022-05-02"),
            None,
            &[
                "internal/IMG_20220502_080000.jpg",
                "internal/modified in 2023.jpg",
            ],
            0,
        ),
        (
            "3.zip",
            None,
            day("2022-12-31"),
            &[
                "internal/IMG_20220502_080000.jpg",
                "internal/IMG_20240818_080000.jpg",
            ],
            2,
        ),
    ] {
        let place = place(&room, name);
        let wish = Wish {
            days: Days { since, until },
            ..Wish::default()
        };
        let outcome = export(&folder, &place, &wish).unwrap();
        assert_eq!(payload(place.path()), expected, "{name}");
        assert_eq!(outcome.left_out.len(), missing, "{name}");
    }
}

#[test]
fn parts_are_bags_below_the_limit_that_hold_everything_together() {
    let (room, mut folder) = fresh();
    let photos: Vec<(String, Vec<u8>)> = (0..40)
        .map(|n| {
            (
                format!("internal/DCIM/{n:02}.jpg"),
                large(n)[..100_000].to_vec(),
            )
        })
        .collect();
    let huge = large(9);
    let mut files: Vec<(&str, &[u8])> = photos
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    files.push(("internal/huge.mp4", &huge));
    rescue(&mut folder, &files);
    let place = place(&room, "x.zip");
    let limit = 1_500_000;
    let request = ExportRequest {
        split: Some(limit),
        ..request(&place)
    };
    let plan = || planned(&folder);
    let outcome = pack(&folder, plan(), &request, &silent()).unwrap();
    assert_eq!(whys(&outcome), [("internal/huge.mp4", &Why::TooLarge)]);
    let of = outcome.packed.len();
    assert!((3..=6).contains(&of), "{of}");
    let mut together = Vec::new();
    for (number, packed) in (1..).zip(&outcome.packed) {
        let base = format!("x-{number}-of-{of}");
        assert_eq!(
            packed.path.file_stem().unwrap().to_str(),
            Some(base.as_str())
        );
        assert!(fs::metadata(&packed.path).unwrap().len() < limit);
        let held = unpacked(&packed.path);
        let text = |name: &str| String::from_utf8(held[&format!("{base}/{name}")].clone()).unwrap();
        assert!(text("bag-info.txt").contains(&format!("Bag-Count: {number} of {of}\n")));
        for line in text("manifest-sha256.txt").lines() {
            let (hash, path) = line.split_once("  ").unwrap();
            assert_eq!(
                Sha256::of(&held[&format!("{base}/{path}")]).to_string(),
                hash
            );
            together.push(path.to_owned());
        }
        assert!(text("report.json").contains("too_large"));
    }
    let expected: Vec<_> = photos
        .iter()
        .map(|(name, _)| format!("data/{name}"))
        .collect();
    assert_eq!(together, expected);
    assert_eq!(names_in(&room).len(), of + 1);
    // A part that is there already stops everything before it begins.
    let again = pack(&folder, plan(), &request, &silent());
    assert!(
        matches!(again, Err(ExportError::Exists { .. })),
        "{again:?}"
    );
}

#[test]
fn report_and_album_tell_of_everything() {
    let (room, mut folder) = fresh();
    let thumb = crate::media::look::tests::jpeg(16, 12);
    let photo = crate::media::look::tests::with_exif(
        &crate::media::look::tests::jpeg(640, 480),
        "2024:08:18 09:30:01",
        6,
        &thumb,
    );
    rescue(
        &mut folder,
        &[
            ("internal/DCIM/a.jpg", &photo),
            ("internal/DCIM/b.heic", b"no picture"),
            (
                "internal/DCIM/</script><b>.mp4"
                    .replace(['<', '>', '/'], "_")
                    .as_str(),
                b"no video",
            ),
        ],
    );
    pull(
        &mut folder,
        &[("internal/unconfirmed '&\u{1F3D6}.jpg", b"?")],
    );
    let place = place(&room, "x.zip");
    let outcome = export(&folder, &place, &Wish::default()).unwrap();
    let held = unpacked(place.path());
    let text = |name: &str| String::from_utf8(held[&format!("x/{name}")].clone()).unwrap();

    let report: serde_json::Value = serde_json::from_str(&text("report.json")).unwrap();
    assert_eq!(report["phone"]["serial"], "0123456789ABCDEF");
    assert_eq!(report["files"], 3);
    assert_eq!(report["here"].as_array().unwrap().len(), 3);
    let a = &report["here"][0];
    assert_eq!(a["path"], "internal/DCIM/a.jpg");
    assert_eq!(a["phone_path"], "/storage/internal/DCIM/a.jpg");
    assert_eq!(a["sha256"], Sha256::of(&photo).to_string());
    assert_eq!(a["taken"]["at"], "2024-08-18T09:30:01");
    assert_eq!(a["state"]["verified"], "sha256");
    assert_eq!(report["not_here"][0]["why"], "not_verified");
    let manifest = Sha256::of(&held["x/manifest-sha256.txt"]).to_string();
    assert_eq!(report["manifest_sha256"], manifest);
    let page = text("report.html");
    assert!(
        page.contains(&manifest) && page.contains("Pixel 7"),
        "{page}"
    );
    assert!(
        page.contains("unconfirmed &#39;&amp;\u{1F3D6}.jpg"),
        "{page}"
    );
    assert_eq!(outcome.left_out.len(), 1);

    let list = text("album/list-0.js");
    let (head, lines) = list
        .strip_prefix("albumList(")
        .and_then(|list| list.split_once(",[\n"))
        .unwrap();
    let head: serde_json::Value = serde_json::from_str(head).unwrap();
    assert_eq!(head["missingCount"], 1);
    assert_eq!(head["phone"], "Google Pixel 7");
    assert_eq!(head["report"], true);
    assert_eq!(head["folders"][0], "internal/DCIM/");
    let first = lines.lines().next().unwrap().trim_end_matches(',');
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    let sum = Sha256::of(&photo).to_string();
    let expected = serde_json::json!([
        0,
        "a.jpg",
        photo.len(),
        "20240818093001",
        0,
        6,
        0,
        0,
        0,
        sum
    ]);
    assert_eq!(first, expected);
    let part = text("album/p0.js");
    let part = part.strip_prefix("albumPart(0,").unwrap();
    let entries: serde_json::Value =
        serde_json::from_str(part.strip_suffix(");\n").unwrap()).unwrap();
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(entries[0][0].as_str().unwrap())
        .unwrap();
    assert_eq!((decoded, entries.as_array().unwrap().len()), (thumb, 1));
    assert!(text("index.html").contains("<script src=\"album/list-0.js\">"));
}

#[test]
fn a_passphrase_keeps_the_bytes_from_others() {
    let (room, mut folder) = fresh();
    rescue(
        &mut folder,
        &[
            ("internal/1.jpg", b"a secret photo"),
            ("internal/2.txt", b"a secret text"),
            ("internal/3.mp4", &large(4)),
            ("internal/empty.jpg", b""),
        ],
    );
    fs::write(
        folder.data_path(&local("internal/1.jpg")),
        b"another photo!",
    )
    .unwrap();
    let place = place(&room, "x.zip");
    let request = ExportRequest {
        protection: Protection::Passphrase("correct horse".to_owned().into()),
        ..request(&place)
    };
    let plan = planned(&folder);
    let outcome = pack(&folder, plan, &request, &silent()).unwrap();
    assert_eq!(whys(&outcome), [("internal/1.jpg", &Why::Changed)]);
    let bytes = fs::read(place.path()).unwrap();
    for secret in [&b"secret"[..], b"Pixel 7", &large(4)[..64]] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    let mut archive = zip::ZipArchive::new(fs::File::open(place.path()).unwrap()).unwrap();
    let read = |archive: &mut zip::ZipArchive<fs::File>, name: &str, passphrase: &str| {
        let mut bytes = Vec::new();
        let mut entry = archive.by_name_decrypt(name, passphrase.as_bytes())?;
        entry.read_to_end(&mut bytes)?;
        Ok::<_, zip::result::ZipError>(bytes)
    };
    let name = "x/data/internal/2.txt";
    assert_eq!(
        read(&mut archive, name, "correct horse").unwrap(),
        b"a secret text"
    );
    assert!(read(&mut archive, "x/data/internal/3.mp4", "correct horse").unwrap() == large(4));
    assert!(read(&mut archive, name, "correct hors").is_err());
    assert!(archive.by_name(name).is_err());
    for index in 0..archive.len() {
        assert!(archive.by_index_raw(index).unwrap().encrypted());
    }
}

#[test]
fn report_of_a_choice_counts_what_was_not_chosen() {
    let (room, mut folder) = fresh();
    rescue(
        &mut folder,
        &[("internal/DCIM/a.jpg", b"a"), ("internal/DCIM/b.jpg", b"b")],
    );
    pull(&mut folder, &[("internal/DCIM/c.jpg", b"c")]);
    let place = place(&room, "x.zip");
    let wish = Wish::default();
    let wish = wish.with_globs(&["**/a.jpg".to_owned()], &[]).unwrap();
    export(&folder, &place, &wish).unwrap();
    let held = unpacked(place.path());
    let text = |name: &str| String::from_utf8(held[&format!("x/{name}")].clone()).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text("report.json")).unwrap();
    assert_eq!(report["not_chosen"], 2);
    let page = text("report.html");
    assert!(
        page.contains("2 files were not chosen: this archive holds only a choice"),
        "{page}"
    );
}
