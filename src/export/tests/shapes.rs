//! The forms of an archive: by date, in parts, with a passphrase.

use super::*;

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
