//! Kind `immich`, against a stand-in.

pub(crate) mod form;
pub(crate) mod server;

use std::collections::BTreeMap;
use std::fs;

use sha1::Digest as _;

use crate::desk::{Desk, Ended, FIRST, photo};
use crate::support::wait::wait_for;
use server::{Fault, Immich, KEY};

const NEW: (u64, u64, u64) = (3, 2, 2);
const OLD: (u64, u64, u64) = (2, 7, 5);

fn add(desk: &Desk, url: &str, key: &str) -> Ended {
    let mut command = desk.command(&["remote", "add", "photos", "immich", url, "--no-test"]);
    command.env("RESCUE_REMOTE_SECRET", key);
    Ended::of(command.output().unwrap())
}

fn desk_with(immich: &Immich, photos: usize) -> Desk {
    let desk = Desk::new();
    add(&desk, &immich.url(), KEY).expect(0);
    desk.rescue_photos(photos);
    desk
}

fn sha1_of(bytes: &[u8]) -> String {
    let digest = sha1::Sha1::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Names and hashes of the rescue folder and of the server are the same.
#[track_caller]
fn everything_is_there(desk: &Desk, immich: &Immich) {
    let name_of = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let here: BTreeMap<_, _> = desk
        .tree("rescued/data")
        .into_iter()
        .map(|(path, bytes)| (sha1_of(&bytes), name_of(&path)))
        .collect();
    let there: BTreeMap<_, _> = immich
        .assets()
        .into_iter()
        .map(|(sha1, asset)| (sha1, asset.name))
        .collect();
    assert_eq!(there, here);
    immich.was_spoken_to_rightly();
}

#[test]
fn files_arrive_once_and_are_asked_for_together() {
    for version in [NEW, OLD] {
        let immich = Immich::start(version, |_, _, _| None);
        let desk = desk_with(&immich, 200);
        let tested = desk.run(&["remote", "test", "photos"]).expect(0);
        let (major, minor, patch) = version;
        let words = format!("Immich {major}.{minor}.{patch} answers");
        assert!(tested.all.contains(&words), "{}", tested.all);
        let asked_before = immich.requests("POST", "/api/assets/bulk-upload-check");
        let ended = desk.upload("photos", &[]).expect(0);
        assert_eq!(ended.line("upload_summary")["sent"], 200);
        everything_is_there(&desk, &immich);
        assert_eq!(immich.requests("POST", "/api/assets"), 200);
        let asked = immich.requests("POST", "/api/assets/bulk-upload-check") - asked_before;
        assert!(asked < 120, "{asked} requests to ask for 200 files");
        immich.state_of(|assets| {
            for asset in assets.values() {
                assert_eq!(asset.device.is_some(), version == OLD);
                assert!(
                    asset.created.starts_with("2024-01-01T"),
                    "{}",
                    asset.created
                );
                assert!(asset.created.ends_with("+00:00"), "{}", asset.created);
            }
        });
        // Nothing is sent again; the receipts are in the catalogue.
        let again = desk.upload("photos", &[]).expect(0);
        assert_eq!(again.line("upload_summary")["sent"], 0);
        assert_eq!(immich.requests("POST", "/api/assets"), 200);
        let checked = desk.upload("photos", &["--check"]).expect(0);
        assert_eq!(checked.line("upload_checked")["there"], 200);
    }
}

#[test]
fn what_is_there_already_is_not_sent_also_without_a_catalogue() {
    let immich = Immich::start(NEW, |_, _, _| None);
    let desk = desk_with(&immich, 5);
    desk.upload("photos", &[]).expect(0);
    fs::remove_dir_all(desk.path("rescued")).unwrap();
    desk.rescue_photos(6);
    let ended = desk.upload("photos", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 1);
    assert_eq!(ended.line("upload_summary")["already_there"], 5);
    everything_is_there(&desk, &immich);
}

#[test]
fn dates_are_those_of_the_photo_with_an_offset() {
    let immich = Immich::start(NEW, |_, _, _| None);
    let desk = Desk::new();
    add(&desk, &immich.url(), KEY).expect(0);
    let clip = include_bytes!("../../../fixtures/clip.mp4").to_vec();
    desk.rescue(&[
        ("internal/DCIM/a.mp4".to_owned(), clip.clone()),
        (
            "internal/DCIM/IMG_20200203_040506.jpg".to_owned(),
            photo(1, 100),
        ),
    ]);
    let mut command = desk.command(&["upload", "rescued", "--to", "photos"]);
    command.env("TZ", "America/New_York");
    Ended::of(command.output().unwrap()).expect(0);
    let assets = immich.assets();
    // 15:30 UTC in the video's header.
    assert_eq!(
        assets[&sha1_of(&clip)].created,
        "2024-08-18T11:30:00.000-04:00"
    );
    let photo = &assets[&sha1_of(&photo(1, 100))];
    assert_eq!(photo.created, "2020-02-03T04:05:06.000-05:00");
    immich.was_spoken_to_rightly();
}

#[test]
fn albums_are_made_once_and_filled_also_with_what_was_there() {
    let immich = Immich::start(NEW, |_, _, _| None);
    let desk = Desk::new();
    add(&desk, &immich.url(), KEY).expect(0);
    let files: Vec<_> = [
        "DCIM/Camera/a.jpg",
        "DCIM/Camera/b.jpg",
        "Pictures/Trip/c.jpg",
    ]
    .into_iter()
    .enumerate()
    .map(|(nth, name)| (format!("internal/{name}"), photo(nth, 900)))
    .collect();
    desk.rescue(&files);
    desk.upload("photos", &[]).expect(0);
    assert!(immich.albums().is_empty());
    for _ in 0..2 {
        desk.upload("photos", &["--album-per-folder"]).expect(0);
        desk.upload("photos", &["--album", "Old phone"]).expect(0);
    }
    let albums = immich.albums();
    let sizes: Vec<_> = albums
        .iter()
        .map(|(name, ids)| (name.as_str(), ids.len()))
        .collect();
    assert_eq!(sizes, [("Camera", 2), ("Old phone", 3), ("Trip", 1)]);
    assert_eq!(immich.requests("POST", "/api/assets"), 3);
    immich.was_spoken_to_rightly();
}

#[test]
fn kinds_without_albums_say_so() {
    let desk = Desk::new();
    fs::create_dir(desk.path("disk")).unwrap();
    desk.run(&["remote", "add", "disk", "folder", "disk"])
        .expect(0);
    desk.rescue_photos(1);
    let ended = desk.upload("disk", &["--album", "x"]).expect(2);
    assert!(ended.all.contains("no albums"), "{}", ended.all);
}

#[test]
fn wrong_keys_and_other_servers_are_told_apart() {
    let immich = Immich::start(NEW, |_, _, _| None);
    let desk = Desk::new();
    add(&desk, &immich.url(), "not-the-key").expect(0);
    let ended = desk.run(&["remote", "test", "photos", "--json"]).expect(1);
    assert_eq!(ended.line("error")["kind"], "remote_denied");
    assert!(!ended.all.contains("not-the-key"), "{}", ended.all);

    let other = crate::dav::Dav::start(|_, _, _| None);
    let desk = Desk::new();
    add(&desk, &other.url(), KEY).expect(0);
    let ended = desk.run(&["remote", "test", "photos", "--json"]).expect(1);
    assert!(
        ended.all.contains("no Immich server answers"),
        "{}",
        ended.all
    );
}

#[test]
fn key_does_not_go_along_to_another_host() {
    let elsewhere = Immich::start(NEW, |_, _, _| None);
    let location = format!(
        "HTTP/1.1 307 X\r\nLocation: {}/api/server/version\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(location.as_bytes());
        }
    });
    let desk = Desk::new();
    add(&desk, &url, KEY).expect(0);
    let ended = desk.run(&["remote", "test", "photos"]).expect(1);
    assert!(ended.all.contains("redirects elsewhere"), "{}", ended.all);
    assert_eq!(elsewhere.requests("GET", "/api/server/version"), 0);
}

#[test]
fn what_immich_does_not_take_is_said_and_not_sent() {
    let immich = Immich::start(NEW, |_, _, _| None);
    let desk = Desk::new();
    add(&desk, &immich.url(), KEY).expect(0);
    desk.rescue(&[
        ("internal/Music/song.opus".to_owned(), photo(1, 500)),
        ("internal/DCIM/empty.jpg".to_owned(), Vec::new()),
        ("internal/DCIM/a.jpg".to_owned(), photo(2, 500)),
    ]);
    let ended = desk.upload("photos", &[]).expect(3);
    assert_eq!(ended.line("upload_summary")["sent"], 1);
    assert_eq!(ended.line("upload_summary")["skipped"], 2);
    assert!(
        ended.all.contains("Immich does not take .opus files"),
        "{}",
        ended.all
    );
    assert!(ended.all.contains("the file is empty"), "{}", ended.all);
    immich.was_spoken_to_rightly();
}

#[test]
fn limit_of_a_proxy_is_named_and_the_rest_goes_on() {
    let page = "<html><center><h1>413 Request Entity Too Large</h1></center></html>";
    let immich = Immich::start(NEW, move |method, path, nth| {
        let first = method == "POST" && path == "/api/assets" && nth == 0;
        first.then_some(Fault::AnswerAtOnce(413, page))
    });
    let desk = Desk::new();
    add(&desk, &immich.url(), KEY).expect(0);
    let files = [
        (
            "internal/DCIM/Camera/VID_1.mp4".to_owned(),
            photo(1, 30_000_000),
        ),
        ("internal/DCIM/Camera/b.mp4".to_owned(), photo(2, 500)),
    ];
    desk.rescue(&files);
    let ended = desk.upload("photos", &["--parallel", "1"]).expect(3);
    let skipped = ended.line("upload_skipped");
    assert_eq!(skipped["reason"], "too_large");
    let message = skipped["message"].as_str().unwrap();
    assert!(message.contains("Cloudflare takes 100 MB"), "{message}");
    assert_eq!(ended.line("upload_summary")["sent"], 1);
    // Through another address, the same remote takes it.
    desk.upload("photos", &[]).expect(0);
    everything_is_there(&desk, &immich);
}

#[test]
fn connection_that_breaks_after_the_file_was_taken_sends_nothing_twice() {
    let immich = Immich::start(NEW, |method, path, nth| {
        let is_put = method == "POST" && path == "/api/assets";
        match nth {
            2 if is_put => Some(Fault::CutBeforeTheAnswer),
            4 if is_put => Some(Fault::CutMidway),
            6 if is_put => Some(Fault::Answer(502, "Bad Gateway")),
            8 if is_put => Some(Fault::Answer(500, "")),
            _ => None,
        }
    });
    let desk = desk_with(&immich, 20);
    desk.upload("photos", &[]).expect(0);
    everything_is_there(&desk, &immich);
    // One went twice because its first half was cut off; of the two that were refused likewise.
    assert_eq!(immich.requests("POST", "/api/assets"), 23);
}

#[test]
fn server_that_lies_is_found_out() {
    let immich = Immich::start(NEW, |method, path, nth| {
        (method == "POST" && path == "/api/assets" && nth == 1).then_some(Fault::Lie)
    });
    let desk = desk_with(&immich, 4);
    let ended = desk.upload("photos", &[]).expect(3);
    assert_eq!(ended.line("upload_failed")["reason"], "missing");
    assert_eq!(ended.line("upload_summary")["sent"], 3);
    desk.upload("photos", &[]).expect(0);
    everything_is_there(&desk, &immich);
}

#[test]
fn nonsense_of_a_server_is_an_error_and_no_receipt() {
    for answer in [
        "",
        "[]",
        r#"{"id":"../../x","status":"created"}"#,
        r#"{"id":"8a5f0a26-1b1c-4d0e-9a44-0a5d2a1c5b11","status":"replaced?"}"#,
        r#"{"id":7,"status":"created"}"#,
    ] {
        let immich = Immich::start(NEW, move |method, path, _| {
            (method == "POST" && path == "/api/assets").then_some(Fault::Answer(201, answer))
        });
        let desk = desk_with(&immich, 1);
        let ended = desk.upload("photos", &[]).expect(3);
        assert_eq!(ended.line("upload_failed")["reason"], "refused", "{answer}");
    }
    for answer in [
        "{}",
        r#"{"results":[]}"#,
        r#"{"results":[{"id":"x","action":"accept"}]}"#,
        r#"{"results":[{"id":"x","action":"reject","assetId":"a/b"}]}"#,
    ] {
        let immich = Immich::start(NEW, move |_, path, _| {
            path.ends_with("bulk-upload-check")
                .then_some(Fault::Answer(200, answer))
        });
        let desk = desk_with(&immich, 1);
        desk.upload("photos", &[]).expect(3);
        assert_eq!(immich.requests("POST", "/api/assets"), 0, "{answer}");
    }
}

#[test]
fn trash_of_the_server_is_no_safe_place() {
    let immich = Immich::start(NEW, |_, _, _| None);
    let desk = desk_with(&immich, 3);
    desk.upload("photos", &[]).expect(0);
    let bytes = &desk.tree("rescued/data")[FIRST];
    immich.trash(&sha1_of(bytes));
    let checked = desk.upload("photos", &["--check"]).expect(3);
    let message = checked.line("finding")["message"].as_str().unwrap();
    assert!(message.contains("server's trash"), "{message}");
    let again = desk.upload("photos", &[]).expect(3);
    assert!(again.all.contains("server's trash"), "{}", again.all);
    immich.forget(&sha1_of(bytes));
    desk.upload("photos", &[]).expect(0);
    everything_is_there(&desk, &immich);
}

#[test]
fn full_quota_stops_the_run() {
    let immich = Immich::start(NEW, |_, _, _| None);
    immich.set_quota(100_000);
    let desk = desk_with(&immich, 8);
    let ended = desk.upload("photos", &["--parallel", "1"]).expect(1);
    assert_eq!(ended.line("error")["kind"], "remote_full");
    assert_eq!(immich.assets().len(), 5);
    immich.set_quota(1_000_000);
    let again = desk.upload("photos", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 3);
}

#[test]
fn kills_lose_and_double_nothing() {
    let immich = Immich::start(NEW, |_, _, _| None);
    let desk = desk_with(&immich, 120);
    for round in 1..=5 {
        let mut child = desk.start(&[
            "upload", "rescued", "--to", "photos", "--limit", "400K", "--album", "Phone",
        ]);
        wait_for("files arrive", || immich.assets().len() >= round * 10);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    desk.upload("photos", &["--album", "Phone"]).expect(0);
    everything_is_there(&desk, &immich);
    assert_eq!(immich.albums()["Phone"].len(), 120);
    // Each kill may cut off what was on its way, and no more.
    let sent = immich.requests("POST", "/api/assets");
    assert!(sent <= 120 + 5 * 8, "{sent} sent for 120 files");
}
