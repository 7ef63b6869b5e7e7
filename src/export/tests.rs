mod choice;
mod places;
mod reports;
mod shapes;

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

/// The archive's files below `data/`.
fn payload(path: &Path) -> Vec<String> {
    let held = unpacked(path).into_keys();
    held.filter_map(|name| Some(name.split_once("/data/")?.1.to_owned()))
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
