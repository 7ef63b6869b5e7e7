//! `rescue export` against programs that nobody here wrote: what `unzip`, 7-Zip and Python's
//! `zipfile` list and unpack, what the BagIt validator accepts, what Chromium shows.
//!
//! `bash tests/archive/install` installs them; without it every test fails and says so.
//!
//! ```text
//! cargo test --release --test archive
//! RESCUE_TEST_LONG=1 cargo test --release --test archive album_of_many
//! ```
//!
//! The second shows an album of 50,000 files instead of 20,000. Figures go to `target/archive/figures.txt`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]

mod peers;
mod rescued;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use peers::{Room, rescue};
use rescued::{Bytes, File, noise, picture, with_exif};

/// Names that break programs, as `rescue pull` leaves them on disk.
fn odd_files() -> Vec<File> {
    let names = [
        "internal/DCIM/Camera/IMG_20240818_093001.jpg",
        "internal/DCIM/Camera/été 🏖.jpg",
        "internal/DCIM/Camera/e\u{301}te\u{301} (2).jpg",
        "internal/DCIM/Camera/ leading.jpg",
        "internal/DCIM/Camera/-rf.jpg",
        "internal/DCIM/Camera/100％.jpg",
        "internal/DCIM/Camera/quo'te.jpg",
        "internal/DCIM/Camera/[a].jpg",
        "internal/Documents/$(reboot) `reboot` ;&.txt",
        "sd-1A2B-3C4D/日本/写真.heic",
    ];
    let files = names.iter().enumerate();
    files
        .map(|(n, name)| File::new(*name, noise(n * 10_001, n as u64)))
        .collect()
}

#[test]
fn ten_files_with_odd_names_are_the_same_for_everybody() {
    let room = Room::new();
    rescued::make(&room.path("folder"), odd_files());
    rescue(&room, &["export", "folder", "-o", "a photo album.zip"]).expect(0);
    let archive = room.path("a photo album.zip");
    let names = room.names_for_everybody(&archive);
    assert!(names.len() > 15, "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("a photo album/")));
    for unpacked in room.unpacked_by_everybody(&archive) {
        let bag = unpacked.join("a photo album");
        peers::assert_same_trees(&room.path("folder/data"), &bag.join("data"));
        peers::assert_valid_bag(&bag);
    }
    // The rescue folder itself is as it was, and still a bag.
    peers::assert_valid_bag(&room.path("folder"));
}

#[test]
fn modification_times_are_kept() {
    let room = Room::new();
    let mut files = odd_files();
    // A clock that was never set, and the last second that everybody reads alike.
    for (name, mtime) in [
        ("internal/unset.jpg", 0),
        ("internal/late.jpg", 0x7FFF_FFFF),
    ] {
        let mut file = File::new(name, noise(9, 9));
        file.mtime = mtime;
        files.push(file);
    }
    rescued::make(&room.path("folder"), files);
    rescue(&room, &["export", "folder"]).expect(0);
    let archive = room.path("folder.zip");
    for unpacked in room.unpacked_by_everybody(&archive) {
        let times = |data: &Path| {
            let mut times: Vec<_> = peers::files_below(data)
                .into_iter()
                .map(|path| {
                    (
                        fs::metadata(data.join(&path)).unwrap().modified().unwrap(),
                        path,
                    )
                })
                .collect();
            times.sort();
            times
        };
        // Python's zipfile does not set times.
        if !unpacked.ends_with("by-python") {
            let data = unpacked.join("folder/data");
            assert_eq!(
                times(&room.path("folder/data")),
                times(&data),
                "{unpacked:?}"
            );
        }
    }
}

#[test]
fn seventy_thousand_files_take_little_memory_and_are_the_same_for_everybody() {
    let room = Room::new();
    let small = picture(64, 48, 1);
    let files = (0..70_000_u64).map(|n| {
        let name = format!("internal/DCIM/{:03}/IMG_{n:06}.jpg", n / 1000);
        let photo = match n % 10 {
            0 => with_exif(&small, rescued::FIRST_TIME + n as i64 * 600, &small),
            _ => noise(600, n),
        };
        File::new(name, photo)
    });
    rescued::make(&room.path("folder"), files);
    let finished = rescue(&room, &["--json", "export", "folder"]).expect(0);
    let megabytes = finished.peak_bytes / 1_000_000;
    peers::note(&format!(
        "{megabytes:7} MB  the most memory that an export of 70,000 files takes"
    ));
    peers::note(&format!(
        "{:7.2} s   an export of 70,000 files of 600 bytes",
        finished.seconds
    ));
    assert!(megabytes < 100, "{megabytes} MB");
    let archive = room.path("folder.zip");
    let names = room.names_for_everybody(&archive);
    assert!(names.len() > 70_000);
    for unpacked in room.unpacked_by_everybody(&archive) {
        peers::assert_same_trees(&room.path("folder/data"), &unpacked.join("folder/data"));
    }
    peers::assert_valid_bag(&room.path("by-unzip/folder"));
}

#[test]
fn a_file_above_four_gib_is_the_same_for_everybody() {
    // More than 32 bits can say.
    const SIZE: u64 = (4 << 30) + (1 << 20);
    let room = Room::new();
    let mut files = odd_files();
    files.push(File {
        local: "internal/DCIM/Camera/VID_20240818_093001.mp4".to_owned(),
        bytes: Bytes::Zeros(SIZE),
        mtime: rescued::FIRST_TIME,
    });
    rescued::make(&room.path("folder"), files);
    rescue(&room, &["export", "folder"]).expect(0);
    let archive = room.path("folder.zip");
    let names = room.names_for_everybody(&archive);
    let name = names
        .iter()
        .find(|name| name.ends_with("VID_20240818_093001.mp4"))
        .unwrap();
    let manifest = fs::read_to_string(room.path("folder/manifest-sha256.txt")).unwrap();
    let line = manifest
        .lines()
        .find(|line| line.ends_with(".mp4"))
        .unwrap();
    for (by, hash) in room.hash_by_everybody(&archive, name) {
        assert_eq!(line.split(' ').next().unwrap(), hash, "{by}");
    }
    // FAT32, mail and clouds take no file of that size, and the part says so.
    let finished = rescue(
        &room,
        &["export", "folder", "--split", "4G", "-o", "parts.zip"],
    )
    .expect(3);
    assert!(
        finished.stderr.contains("VID_20240818_093001.mp4"),
        "{}",
        finished.stderr
    );
    let parts = room.path("parts.zip");
    room.names_for_everybody(&parts);
    peers::run(peers::command("unzip").arg("-tqq").arg(parts));
}

#[test]
fn parts_are_bags_that_hold_everything_together() {
    let room = Room::new();
    let files = (0..60).map(|n| File::new(format!("internal/DCIM/{n}.jpg"), noise(300_000, n)));
    rescued::make(&room.path("folder"), files);
    rescue(
        &room,
        &["export", "folder", "--split", "5M", "-o", "parts.zip"],
    )
    .expect(0);
    let mut parts: Vec<_> = fs::read_dir(room.path("."))
        .unwrap()
        .map(|found| found.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "zip"))
        .collect();
    parts.sort();
    assert!(parts.len() > 3, "{parts:?}");
    let together = room.path("together");
    for part in &parts {
        assert!(fs::metadata(part).unwrap().len() < 5_000_000);
        room.names_for_everybody(part);
        room.unpack_by_unzip(part, &room.path("parts"));
        let bag = room.path("parts").join(part.file_stem().unwrap());
        peers::assert_valid_bag(&bag);
        let mut copy = peers::command("cp");
        peers::run(
            copy.arg("-r")
                .arg(bag.join("data"))
                .arg(&together)
                .arg("-T"),
        );
    }
    peers::assert_same_trees(&room.path("folder/data"), &together);
}

#[test]
fn an_archive_with_a_passphrase_opens_in_seven_zip_with_it_alone() {
    let room = Room::new();
    rescued::make(&room.path("folder"), odd_files());
    fs::write(room.path("secret"), "correct horse\n").unwrap();
    let arguments = ["export", "folder", "--encrypt", "--passphrase-file"];
    rescue(&room, &[&arguments[..], &["secret"]].concat()).expect(0);
    let archive = room.path("folder.zip");
    let to = format!("-o{}", room.path("unpacked").display());
    let mut unpack = peers::command("7z");
    peers::run(
        unpack
            .args(["x", "-y", "-bd", "-pcorrect horse", &to])
            .arg(&archive),
    );
    let bag = room.path("unpacked/folder");
    peers::assert_same_trees(&room.path("folder/data"), &bag.join("data"));
    peers::assert_valid_bag(&bag);
    let mut listed = peers::command("7z");
    let listed = peers::text(listed.args(["l", "-slt"]).arg(&archive));
    assert_eq!(
        listed.matches("Encrypted = +").count(),
        listed.matches("AES-256").count()
    );
    assert_eq!(listed.matches("Encrypted = -").count(), 0, "{listed}");
    for wrong in ["-pcorrect hors", "-p"] {
        let mut test = peers::command("7z");
        let output = test
            .args(["t", "-bd", wrong])
            .arg(&archive)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{wrong}: {output:?}");
    }
    // As long as 7-Zip takes one, and beyond ASCII; one byte more is refused.
    let long = "é".repeat(49) + "!";
    fs::write(room.path("long"), format!("{long}\n")).unwrap();
    rescue(&room, &[&arguments[..], &["long", "--force"]].concat()).expect(0);
    let mut test = peers::command("7z");
    peers::run(test.args(["t", "-bd", &format!("-p{long}")]).arg(&archive));
    fs::write(room.path("longer"), format!("{long}!\n")).unwrap();
    let refused = rescue(&room, &[&arguments[..], &["longer", "--force"]].concat()).expect(2);
    assert!(refused.stderr.contains("7-Zip"), "{}", refused.stderr);
    // An empty one, none at all, and none that can be asked for.
    fs::write(room.path("empty"), "\nsecond line\n").unwrap();
    let refused = rescue(&room, &[&arguments[..], &["empty", "--force"]].concat()).expect(2);
    assert!(
        refused.stderr.contains("the passphrase is empty"),
        "{}",
        refused.stderr
    );
    rescue(
        &room,
        &[&arguments[..], &["nothing there", "--force"]].concat(),
    )
    .expect(2);
    rescue(&room, &[&arguments[..], &["-", "--force"]].concat()).expect(2);
    let refused = rescue(&room, &["export", "folder", "--encrypt", "--force"]).expect(2);
    assert!(
        refused.stderr.contains("--passphrase-file"),
        "{}",
        refused.stderr
    );
}

#[test]
fn an_archive_for_an_age_recipient_opens_with_age_alone() {
    let room = Room::new();
    let mut files = odd_files();
    files.push(File::new("internal/film.mp4", noise(20_000_000, 5)));
    rescued::make(&room.path("folder"), files);
    peers::run(peers::command("age-keygen").arg("-o").arg(room.path("key")));
    let key = fs::read_to_string(room.path("key")).unwrap();
    let recipient = key
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "))
        .unwrap();
    // No program is needed to make it.
    fs::create_dir(room.path("no-programs")).unwrap();
    let mut export = peers::command(env!("CARGO_BIN_EXE_rescue"));
    export.args(["export", "folder", "--age", recipient]);
    export.env("PATH", room.path("no-programs"));
    peers::run(export.current_dir(room.path(".")));
    let encrypted = fs::read(room.path("folder.zip.age")).unwrap();
    assert!(encrypted.starts_with(b"age-encryption.org/v1\n"));
    let photo = noise(64, 5);
    assert!(!encrypted.windows(64).any(|window| window == photo));
    let archive = room.path("opened.zip");
    let mut decrypt = peers::command("age");
    decrypt
        .args(["-d", "-i"])
        .arg(room.path("key"))
        .arg("-o")
        .arg(&archive);
    peers::run(decrypt.arg(room.path("folder.zip.age")));
    room.names_for_everybody(&archive);
    for unpacked in room.unpacked_by_everybody(&archive) {
        peers::assert_same_trees(&room.path("folder/data"), &unpacked.join("folder/data"));
        peers::assert_valid_bag(&unpacked.join("folder"));
    }
    let left = |name: &str| {
        fs::read_dir(room.path("."))
            .unwrap()
            .any(|it| it.unwrap().file_name() == *name)
    };
    let refused = rescue(
        &room,
        &["export", "folder", "--age", "nobody", "-o", "x.zip.age"],
    )
    .expect(2);
    assert!(refused.stderr.contains("nobody"), "{}", refused.stderr);
    assert!(!left("x.zip.age") && !left("x.zip.age.rescue-part"));
    // A name that says it is encrypted is not for what is not.
    let refused = rescue(&room, &["export", "folder", "-o", "y.zip.age"]).expect(2);
    assert!(refused.stderr.contains("--age"), "{}", refused.stderr);
    assert!(!left("y.zip.age"));
    // What changed is left out here too, though nothing that was written can be taken back.
    let film = room.path("folder/data/internal/film.mp4");
    fs::write(&film, noise(20_000_000, 6)).unwrap();
    let finished = rescue(&room, &["export", "folder", "--age", recipient, "--force"]).expect(3);
    assert!(finished.stderr.contains("film.mp4"), "{}", finished.stderr);
}

#[test]
fn killed_at_any_moment_nothing_looks_finished_that_is_not() {
    let room = Room::new();
    let files = (0..300).map(|n| File::new(format!("internal/DCIM/{n}.jpg"), noise(200_000, n)));
    rescued::make(&room.path("folder"), files);
    let whole = rescue(&room, &["export", "folder"]).expect(0).seconds;
    let held = peers::text(
        peers::command("zipinfo")
            .arg("-1")
            .arg(room.path("folder.zip")),
    );
    let held = held.lines().count();
    let mut finished = 0;
    for round in 0..100_u64 {
        let archive = room.path("killed.zip");
        let _ = fs::remove_file(&archive);
        let mut running = peers::spawn(&room, &["export", "folder", "-o", "killed.zip"]);
        // Up to a little beyond the end.
        let moment = f64::from(noise(3, round + 1)[2]) / 255.0 * 1.3;
        std::thread::sleep(std::time::Duration::from_secs_f64(whole * moment));
        running.kill().unwrap();
        running.wait().unwrap();
        if archive.exists() {
            finished += 1;
            let mut test = peers::command("unzip");
            peers::run(test.arg("-tqq").arg(&archive));
            let names = peers::text(peers::command("zipinfo").arg("-1").arg(&archive));
            assert_eq!(names.lines().count(), held);
        }
        let mut others: Vec<_> = fs::read_dir(room.path("."))
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        others.retain(|name| {
            ![
                "folder",
                "folder.zip",
                "killed.zip",
                "killed.zip.rescue-part",
                "killed.zip.rescue-part.pictures",
            ]
            .iter()
            .any(|known| name == known)
        });
        assert!(others.is_empty(), "{others:?}");
    }
    peers::note(&format!(
        "{finished:7}     of 100 killed exports were done before, the others left only .rescue-part"
    ));
    assert!((1..100).contains(&finished), "{finished}");
    rescue(&room, &["export", "folder", "-o", "killed.zip", "--force"]).expect(0);
}

#[test]
fn an_album_of_many_photos_opens_at_once_for_everybody() {
    let count: u64 = match std::env::var_os("RESCUE_TEST_LONG") {
        Some(_) => 50_000,
        None => 20_000,
    };
    let room = Room::new();
    let kinds: Vec<(Vec<u8>, Vec<u8>)> = (0..40)
        .map(|n| (picture(320, 240, n), picture(160, 120, n)))
        .collect();
    let clip = include_bytes!("../../fixtures/clip.mp4");
    let files = (0..count).map(|n| {
        let (photo, thumb) = &kinds[(n % 40) as usize];
        // The last of them: months of one picture each.
        let apart = n * (72_000_000 / count) + n.saturating_sub(count - 10) * 5_000_000;
        let time = rescued::FIRST_TIME + apart as i64;
        let (name, bytes) = match n % 20 {
            // A video, a picture that no browser knows, one without a small picture, the others.
            0 => (format!("VID_{n:05}.mp4"), clip.to_vec()),
            1 => (format!("IMG_{n:05}.heic"), noise(2000, n)),
            2 => (format!("IMG_{n:05}.jpg"), photo.clone()),
            _ => (format!("IMG_{n:05}.jpg"), with_exif(photo, time, thumb)),
        };
        let mut file = File::new(format!("internal/DCIM/Camera/{name}"), bytes);
        file.mtime = time;
        file
    });
    rescued::make(&room.path("folder"), files);
    // One is gone from the folder: the album has to say so.
    fs::remove_file(room.path("folder/data/internal/DCIM/Camera/IMG_00777.jpg")).unwrap();
    rescue(&room, &["export", "folder"]).expect(3);
    room.unpack_by_unzip(&room.path("folder.zip"), &room.path("unpacked"));
    let seen = peers::look(&room.path("unpacked/folder"), "album");
    for (figure, words) in [
        (
            "first_picture_seconds",
            format!("until the first picture of {count} shows in Chromium"),
        ),
        (
            "slowest_jump_seconds",
            "for the slowest of 30 jumps through them".to_owned(),
        ),
        ("search_seconds", "for a search by name".to_owned()),
    ] {
        let seconds = seen[figure].as_f64().unwrap();
        peers::note(&format!("{seconds:7.2} s   {words}"));
    }
    assert_eq!(seen["title"], "Pictures from Google Pixel 7");
    let said = match count {
        50_000 => "47,499 pictures, 2,500 videos",
        _ => "18,999 pictures, 1,000 videos",
    };
    assert_eq!(seen["count"], said);
    assert_eq!(seen["console"], serde_json::json!([]), "{seen}");
    assert_eq!(seen["requests_elsewhere"], serde_json::json!([]), "{seen}");
    assert_eq!(seen["broken_pictures"], 0, "{seen}");
    // What is far from the screen takes no memory.
    assert!(seen["most_tiles_at_once"].as_u64().unwrap() < 300, "{seen}");
    assert!(seen["months_in_a_row"].as_u64().unwrap() > 1, "{seen}");
    assert_eq!(seen["years"].as_array().unwrap().len(), 4, "{seen}");
    assert_eq!(seen["year_marked"], "2026", "{seen}");
    assert_eq!(seen["unpack_hint_hidden"], true);
    assert_eq!(seen["found"], serde_json::json!([seen["sought"]]), "{seen}");
    assert!(
        seen["missing"][0]
            .as_str()
            .unwrap()
            .ends_with("IMG_00777.jpg"),
        "{seen}"
    );
    // The link leads to the file.
    let link = seen["link"]
        .as_str()
        .unwrap()
        .strip_prefix("file://")
        .unwrap();
    assert!(Path::new(link).is_file(), "{link}");
    assert_accessible(&seen);
}

/// The keyboard leads everywhere, and axe-core finds nothing, wide and narrow, light and dark.
#[track_caller]
fn assert_accessible(seen: &serde_json::Value) {
    assert_eq!(seen["violations"], serde_json::json!([]), "{seen}");
    assert_eq!(
        seen["too_wide"],
        serde_json::json!([false, false, false, false]),
        "{seen}"
    );
    assert_eq!(seen["focus_in_viewer"], true);
    assert_eq!(seen["focused"], seen["focus_after"], "{seen}");
    assert!(seen["focused"][0].as_u64().unwrap() > 2, "{seen}");
    assert_eq!(seen["copied"], "Copied", "{seen}");
    // The report: its verdict, no markup of a phone, and two sheets of paper.
    let verdict = seen["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("One file is missing; "), "{seen}");
    assert_eq!(
        (&seen["report_markup"], &seen["report_sheets"]),
        (&0.into(), &2.into()),
        "{seen}"
    );
}

#[test]
fn nothing_that_a_phone_calls_itself_becomes_markup() {
    const HARM: &str = "<img src=x onerror='window.harm=1'><script>window.harm=2</script>";
    let room = Room::new();
    let (photo, thumb) = (picture(320, 240, 1), picture(160, 120, 1));
    let photo = with_exif(&photo, rescued::FIRST_TIME, &thumb);
    let files = (0..30).map(|n| {
        let name = match n {
            0 => "</b><b>&lt;b&gt;'onerror=harm()'.jpg".replace(['<', '>', '/'], "_"),
            1 => "javascript:window.harm=3.jpg".replace(':', "："),
            2 => "%3Cscript%3E #&amp;.jpg".replace('%', "％"),
            n => format!("{n}.jpg"),
        };
        let name = format!("internal/{name}");
        File::new(name, photo.clone())
    });
    let path = room.path("folder");
    rescued::make(&path, files);
    let folder = rescue::folder::Folder::open(&path).unwrap();
    let phone = rescue::item::PhoneIdentity {
        model: HARM.to_owned(),
        ..folder.catalogue().identity().unwrap()
    };
    drop(folder);
    // The same phone under another name.
    let mut folder = rescue::folder::Folder::create_or_open(&path, &phone).unwrap();
    let entry = rescue::folder::NewEntry {
        item: rescue::item::Item {
            path: rescue::adb::RemotePath::new(format!("/storage/{HARM}").as_bytes()).unwrap(),
            size: 1,
            size_is_exact: true,
            mtime: rescued::FIRST_TIME,
        },
        version: 1,
        local: rescue::names::LocalPath::new("internal/failed").unwrap(),
    };
    let id = folder.catalogue_mut().insert_planned([entry]).unwrap()[0];
    let reason = rescue::folder::Reason::new(rescue::folder::ReasonCode::Refused, HARM);
    let failed = rescue::folder::Record::Failed { id, reason };
    folder.catalogue_mut().record(&[failed]).unwrap();
    drop(folder);
    rescue(&room, &["export", "folder"]).expect(3);
    for place in ["folder", "unpacked/folder"] {
        if place != "folder" {
            room.unpack_by_unzip(&room.path("folder.zip"), &room.path("unpacked"));
        }
        let seen = peers::look(&room.path(place), "hostile");
        assert_eq!(seen["heading"], format!("Google {HARM}"), "{seen}");
        assert_eq!(seen["missing"][0], format!("/storage/{HARM}"), "{seen}");
        assert!(
            seen["missing"][1].as_str().unwrap().ends_with(HARM),
            "{seen}"
        );
        assert_eq!(
            (&seen["harm"], &seen["markup"]),
            (&"none".into(), &serde_json::json!([])),
            "{seen}"
        );
        assert_eq!(
            (&seen["broken_pictures"], &seen["console"]),
            (&0.into(), &serde_json::json!([])),
            "{seen}"
        );
        assert_accessible(&seen);
    }
}
