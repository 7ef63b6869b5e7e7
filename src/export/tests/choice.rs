//! What goes into an archive, and what is named as left out.

use super::*;

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
