//! Google Photos, as far as a stand-in can be it (`library`).

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, OnceLock};

use serde_json::json;

use super::desk::{Desk, Ended};
use super::library::{Fault, Library, Request, everything_is_there_once, jpeg, mp4, settle_in};
use super::pictures::{clip, plain_jpeg};
use crate::support::wait::wait_for;

pub(crate) fn photos(count: usize) -> Vec<(String, Vec<u8>)> {
    let name = |number| format!("internal/DCIM/Camera/IMG_20240101_{number:06}.jpg");
    (1..=count)
        .map(|number| (name(number), jpeg(number, 20_000)))
        .collect()
}

pub(crate) fn scene(
    count: usize,
    decide: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static,
) -> (Desk, Library) {
    let (desk, library) = (Desk::new(), Library::start(decide));
    settle_in(&desk, &library, true);
    desk.rescue(&photos(count));
    (desk, library)
}

#[test]
fn each_photo_takes_one_request_and_each_fifty_one_more() {
    let (desk, library) = scene(120, |_| None);
    let ended = desk.upload("photos", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 120);
    everything_is_there_once(&desk, &library);
    assert_eq!(library.requests("raw"), 120);
    assert_eq!(library.requests("batchCreate"), 3);
    assert_eq!(library.totals().0, 123);
    let names: BTreeSet<_> = library.items().into_iter().map(|item| item.name).collect();
    assert!(names.contains("IMG_20240101_000001.jpg"), "{names:?}");
    // Nothing is asked when nothing is to be done.
    let again = desk.upload("photos", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 0);
    assert_eq!(library.totals().0, 123);
    let checked = desk.upload("photos", &["--check"]).expect(0);
    assert_eq!(checked.line("upload_checked")["there"], 120);
    assert_eq!(library.requests("batchGet"), 3);
    let status = desk.run(&["status", "rescued"]).all;
    assert!(status.contains("photos: Backup complete"), "{status}");
    let tested = desk.run(&["remote", "test", "photos"]).expect(0);
    assert!(
        tested.all.contains("the sign-in is accepted"),
        "{}",
        tested.all
    );
}

#[test]
fn item_that_was_removed_there_is_found_out_and_sent_again() {
    let (desk, library) = scene(3, |request| match (request.kind, request.before) {
        ("batchGet", 0) => Some(Fault::Answer(503, None)),
        ("batchGet", 1) => Some(Fault::CutBeforeTheAnswer),
        _ => None,
    });
    desk.upload("photos", &[]).expect(0);
    let id = library.items()[1].id.clone();
    library.remove(&id);
    let checked = desk.upload("photos", &["--check"]).expect(3);
    assert_eq!(checked.line("finding")["reason"], "missing");
    let again = desk.upload("photos", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 1);
    everything_is_there_once(&desk, &library);
}

#[test]
fn lost_answers_double_nothing_and_cost_no_bytes() {
    let (desk, library) = scene(60, |request| match (request.kind, request.before) {
        // The first batch is made and nobody hears of it; so is the second one, once more.
        ("batchCreate", 0 | 2) => Some(Fault::CutBeforeTheAnswer),
        ("batchCreate", 1) => Some(Fault::Answer(503, None)),
        _ => None,
    });
    desk.upload("photos", &[]).expect(0);
    everything_is_there_once(&desk, &library);
    assert_eq!(library.requests("raw"), 60);
    assert_eq!(library.requests("batchCreate"), 5);
    assert_eq!(library.state().bytes, 60 * 20_000);
    desk.upload("photos", &["--check"]).expect(0);
}

#[test]
fn item_that_google_says_exists_is_there() {
    let (desk, library) = scene(3, |request| {
        (request.kind == "batchCreate" && request.before == 0).then_some(Fault::CutBeforeTheAnswer)
    });
    library.state().says_exists = true;
    // Without an id there is no receipt; that is said, and not passed over.
    let ended = desk.upload("photos", &["--tries", "2"]).expect(3);
    let failed = ended.line("upload_failed");
    assert!(
        failed["message"].as_str().unwrap().contains("no id"),
        "{failed}"
    );
    assert_eq!(library.items().len(), 3);
    library.state().says_exists = false;
    desk.upload("photos", &[]).expect(0);
    everything_is_there_once(&desk, &library);
    assert_eq!(library.requests("raw"), 3);
}

#[test]
fn large_video_goes_on_where_it_was_cut() {
    let (desk, library) = scene(0, |request| match (request.kind, request.before) {
        ("upload", 0) => Some(Fault::CutMidway),
        ("upload", 1) => Some(Fault::Answer(503, None)),
        _ => None,
    });
    let size = 40_000_000;
    desk.rescue(&[("internal/DCIM/Camera/VID_1.mp4".to_owned(), mp4(1, size))]);
    desk.upload("photos", &[]).expect(0);
    everything_is_there_once(&desk, &library);
    let count = |kind| library.requests(kind);
    assert_eq!((count("start"), count("query"), count("upload")), (1, 2, 3));
    assert_eq!(library.state().bytes, size as u64, "bytes were sent twice");
}

#[test]
fn lost_answer_of_a_large_video_is_fetched() {
    let (desk, library) = scene(0, |request| {
        (request.kind == "upload").then_some(Fault::CutBeforeTheAnswer)
    });
    desk.rescue(&[(
        "internal/DCIM/Camera/VID_1.mp4".to_owned(),
        mp4(1, 20_000_000),
    )]);
    desk.upload("photos", &[]).expect(0);
    everything_is_there_once(&desk, &library);
    assert_eq!(library.requests("upload"), 1);
}

#[test]
fn kill_costs_no_bytes_that_had_arrived() {
    let (desk, library) = scene(40, |_| None);
    let mut files = photos(40);
    files.push((
        "internal/DCIM/Camera/VID_1.mp4".to_owned(),
        mp4(7, 24_000_000),
    ));
    fs::remove_dir_all(desk.path("rescued")).unwrap();
    desk.rescue(&files);
    // Slow enough that the video is cut in its middle; it is the last to be sent.
    let mut child = desk.start(&[
        "upload",
        "rescued",
        "--to",
        "photos",
        "--limit",
        "8M",
        "--parallel",
        "2",
    ]);
    wait_for("the photos and a part of the video arrive", || {
        library.requests("raw") >= 40 && library.state().arriving > 4_000_000
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(library.requests("batchCreate"), 0);
    desk.upload("photos", &[]).expect(0);
    everything_is_there_once(&desk, &library);
    assert_eq!(library.requests("raw"), 40);
    assert_eq!(
        (library.requests("start"), library.requests("query")),
        (1, 1)
    );
    assert_eq!(library.requests("batchCreate"), 1);
}

#[test]
fn daily_quota_stops_the_run_and_the_next_day_goes_on() {
    let (desk, library) = scene(70, |_| None);
    library.state().quota = 30;
    let ended = desk.upload("photos", &["--parallel", "1"]).expect(1);
    let error = ended.line("error");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("daily quota is used up until 20"),
        "{message}"
    );
    assert!(
        error["hint"].as_str().unwrap().contains("--wait"),
        "{error}"
    );
    // Not one request more than needed to know.
    assert_eq!(library.totals().0, 31);
    let status = desk.run(&["status", "rescued"]).all;
    assert!(status.contains("70 files waiting"), "{status}");
    library.state().quota = 0;
    library.new_day();
    desk.upload("photos", &[]).expect(0);
    everything_is_there_once(&desk, &library);
    assert_eq!(library.requests("raw"), 71);
    assert_eq!(library.requests("batchCreate"), 2);
}

#[test]
fn wait_goes_on_by_itself_when_the_quota_begins_anew() {
    let (desk, library) = scene(20, |_| None);
    {
        let mut state = library.state();
        state.quota = 10;
        state.quota_after = Some(2);
    }
    let child = desk.start(&["upload", "rescued", "--to", "photos", "--json", "--wait"]);
    wait_for("requests arrive", || library.totals().0 >= 11);
    library.state().quota = 0;
    let ended = Ended::of(child.wait_with_output().unwrap()).expect(0);
    assert_eq!(ended.line("waiting")["what"], "quota");
    everything_is_there_once(&desk, &library);
}

#[test]
fn expired_tokens_of_both_kinds_are_renewed() {
    let (desk, library) = scene(30, |request| {
        (request.kind == "batchCreate" && request.before == 0).then_some(Fault::Answer(400, None))
    });
    library.state().uses = 12;
    // A run that got no further than the tokens.
    let child = desk.start(&["upload", "rescued", "--to", "photos", "--limit", "300K"]);
    wait_for("requests arrive", || library.requests("raw") >= 20);
    let mut child = child;
    child.kill().unwrap();
    child.wait().unwrap();
    library.expire_upload_tokens();
    desk.upload("photos", &[]).expect(0);
    let items = library.items();
    assert_eq!(items.len(), 30);
    assert!(
        library.requests("token") >= 4,
        "{}",
        library.requests("token")
    );
}

#[test]
fn sign_in_that_ended_is_said_and_made_anew() {
    let (desk, library) = scene(3, |_| None);
    library.withdraw();
    let ended = desk.upload("photos", &[]).expect(1);
    let error = ended.line("error");
    assert_eq!(error["kind"], "remote_denied");
    let hint = error["hint"].as_str().unwrap();
    for part in ["rescue remote login", "Testing", "7 days", "Publish app"] {
        assert!(hint.contains(part), "{hint}");
    }
    let output = desk.start(&["remote", "login", "photos", "--json"]);
    let ended = sign_in(output);
    assert_eq!(ended.line("remote_signed_in")["name"], "photos");
    desk.upload("photos", &[]).expect(0);
    everything_is_there_once(&desk, &library);
    library.no_complaints();
}

/// Does in place of a browser what the consent page and a person would do.
pub(crate) fn sign_in(mut child: std::process::Child) -> Ended {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
    assert_eq!(said["type"], "sign_in");
    let get = |address: &str| {
        let url = reqwest::Url::parse(address).unwrap();
        let place = (url.host_str().unwrap(), url.port().unwrap());
        let mut stream = std::net::TcpStream::connect(place).unwrap();
        let target = &address[address.find(&format!(":{}", place.1)).unwrap() + 1..];
        let target = &target[target.find('/').unwrap()..];
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut head = [0; 4096];
        let count = stream.read(&mut head).unwrap();
        String::from_utf8_lossy(&head[..count]).into_owned()
    };
    let page = get(said["link"].as_str().unwrap());
    let place = page
        .lines()
        .find_map(|line| line.strip_prefix("Location: "));
    let place = place.unwrap_or_else(|| panic!("{page}"));
    assert!(get(place).contains("close this page"));
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let mut ended = Ended::of(child.wait_with_output().unwrap());
    ended.lines.extend(
        rest.lines()
            .filter_map(|line| serde_json::from_str(line).ok()),
    );
    ended.all += &rest;
    ended.expect(0)
}

#[test]
fn albums_are_made_once_and_found_again() {
    let (desk, library) = scene(0, |request| {
        // The album is made and nobody hears of it.
        (request.kind == "createAlbum" && request.before == 0).then_some(Fault::CutBeforeTheAnswer)
    });
    let file = |name: &str, number| (format!("internal/{name}"), jpeg(number, 3000));
    desk.rescue(&[
        file("DCIM/Camera/a.jpg", 1),
        file("DCIM/Camera/b.jpg", 2),
        file("Pictures/Wood & 'Sea' \u{1F30A}/c.jpg", 3),
        // The same bytes in two folders: one item in two albums.
        file("Download/a.jpg", 1),
    ]);
    desk.upload("photos", &["--album-per-folder"]).expect(0);
    let titles: BTreeSet<_> = library.albums().into_values().collect();
    let expected = ["Camera", "Download", "Wood & 'Sea' \u{1F30A}"];
    assert_eq!(titles, expected.map(str::to_owned).into());
    assert_eq!(library.albums().len(), 3, "{:?}", library.albums());
    assert_eq!(library.items().len(), 3);
    let twice: Vec<_> = library
        .items()
        .into_iter()
        .filter(|item| item.albums.len() == 2)
        .collect();
    assert_eq!(twice.len(), 1);
    library.no_complaints();
    // In a new folder, the album is found.
    let other = Desk::new();
    settle_in(&other, &library, true);
    other.rescue(&[file("DCIM/Camera/d.jpg", 9)]);
    other.upload("photos", &["--album", " Camera "]).expect(0);
    assert_eq!(library.albums().len(), 3);
    // And made anew when the person removed it.
    library.remove_albums();
    let third = Desk::new();
    settle_in(&third, &library, true);
    third.rescue(&[file("DCIM/Camera/e.jpg", 10)]);
    third.upload("photos", &["--album", "Camera"]).expect(0);
    assert_eq!(library.albums().len(), 1);
    let ended = third.upload("photos", &["--album", "  "]).expect(2);
    assert!(ended.all.contains("needs a title"), "{}", ended.all);
}

#[test]
fn files_with_the_same_bytes_are_sent_once() {
    let (desk, library) = scene(0, |_| None);
    let file = |name: &str| (format!("internal/{name}"), jpeg(1, 30_000));
    desk.rescue(&[
        file("DCIM/a.jpg"),
        file("Download/a.jpg"),
        file("Pictures/b.jpg"),
    ]);
    let ended = desk.upload("photos", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 1);
    assert_eq!(ended.line("upload_summary")["already_there"], 2);
    assert_eq!((library.requests("raw"), library.items().len()), (1, 1));
    desk.upload("photos", &["--check"]).expect(0);
}

#[test]
fn what_is_not_taken_is_skipped_with_its_reason_and_sent_no_second_time() {
    let (desk, library) = scene(0, |_| None);
    let file = |name: &str, bytes: &[u8]| (format!("internal/DCIM/{name}"), bytes.to_vec());
    desk.rescue(&[
        file("good.jpg", &jpeg(1, 5000)),
        file("empty.jpg", b""),
        file("document.jpg", b"%PDF-1.7 and so on"),
        // Google alone can tell.
        file("nonsense.jpg", b"\x01\x02 no picture at all"),
        // No media at all: not even offered.
        file("notes.txt", b"hello"),
    ]);
    for _ in 0..2 {
        let ended = desk.upload("photos", &[]).expect(3);
        let summary = ended.line("upload_summary");
        assert_eq!(summary["skipped"], 3, "{}", ended.all);
        let message = |name: &str| {
            let of = |line: &&serde_json::Value| {
                line["type"] == "upload_skipped" && line["source"].as_str().unwrap().ends_with(name)
            };
            ended.lines.iter().find(of).unwrap()["message"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            message("empty.jpg"),
            "the file is empty; Google Photos takes no empty file"
        );
        assert!(message("document.jpg").contains("a PDF document"));
        assert_eq!(
            message("nonsense.jpg"),
            "refused by Google: NOT_IMAGE: There was an error while trying to create this media item. (code 3)"
        );
    }
    assert_eq!(library.requests("raw"), 2);
    assert_eq!(library.items().len(), 1);
    let status = desk.run(&["status", "rescued"]).all;
    assert!(
        status.contains("2 skipped: the service does not take this type of file"),
        "{status}"
    );
    assert!(
        status.contains("1 skipped: refused by the service"),
        "{status}"
    );
}

#[test]
fn options_of_other_kinds_are_refused() {
    let (desk, _library) = scene(1, |_| None);
    for more in [
        &["--by-date"][..],
        &["--into", "x"],
        &["--archive", "x.zip"],
    ] {
        desk.upload("photos", more).expect(2);
    }
    desk.run(&["remote", "add", "disk", "folder", "home"])
        .expect(0);
    for more in [
        &["--album", "x"][..],
        &["--album-per-folder"],
        &["--limits", "2018"],
    ] {
        desk.upload("disk", more).expect(2);
    }
    let ended = desk
        .run(&["remote", "add", "new", "google-photos"])
        .expect(2);
    for part in [
        "projectcreate",
        "Publish app",
        "7 days",
        "Desktop app",
        "--client-file",
    ] {
        assert!(ended.all.contains(part), "{}", ended.all);
    }
    desk.run(&["remote", "login", "disk"]).expect(2);
}

#[test]
fn hostile_answers_end_in_items_or_in_words_and_never_in_doubles() {
    let item = |token: &str| {
        format!(r#"{{"newMediaItemResults":[{{"uploadToken":{token},"mediaItem":{{"id":"x"}}}}]}}"#)
    };
    let huge = format!(r#"{{"newMediaItemResults":[{}]}}"#, " ".repeat(6_000_000));
    let deep = "[".repeat(200_000);
    let answers = [
        "",
        "[]",
        "null",
        "{}",
        "<html>",
        r#"{"newMediaItemResults":{}}"#,
        r#"{"newMediaItemResults":[7]}"#,
        r#"{"newMediaItemResults":[{"status":{"code":"3"}}]}"#,
        r#"{"newMediaItemResults":[{"status":{"code":99999999999999999999}}]}"#,
        &item("\"not ours\""),
        &item("7"),
        &huge,
        &deep,
    ]
    .map(str::to_owned);
    let tokens = [
        "",
        "a\nb",
        "a b",
        "\u{1b}[31m",
        &"x".repeat(20_000),
        "t\r\nX-Evil: 1\r\n",
    ]
    .map(str::to_owned);
    let (desk, library) = scene(12, move |request| match request.kind {
        "batchCreate" => answers.get(request.before).cloned().map(Fault::Instead),
        "raw" => tokens
            .get(request.before)
            .cloned()
            .map(|token| Fault::Say(200, token)),
        _ => None,
    });
    // Some cost a run, some a try; what could not be done is done by the next run.
    let mut runs = 0;
    while library.requests("batchCreate") < 14 {
        runs += 1;
        assert!(runs < 40, "{runs} runs");
        let ended = desk.upload("photos", &["--tries", "2"]);
        assert!(matches!(ended.code, 0 | 1 | 3), "{}", ended.all);
        assert!(
            !ended.all.contains('\u{1b}') && !ended.all.contains("PLANTED"),
            "{}",
            ended.all
        );
        if ended.code == 0 {
            break;
        }
    }
    desk.upload("photos", &[]).expect(0);
    everything_is_there_once(&desk, &library);
    desk.upload("photos", &["--check"]).expect(0);
}

#[test]
fn service_that_is_always_busy_is_left_alone() {
    let (desk, library) = scene(200, |request| {
        (request.kind == "raw").then_some(Fault::Answer(429, Some(0)))
    });
    let ended = desk.upload("photos", &["--tries", "3"]).expect(1);
    assert!(
        ended.line("error")["message"]
            .as_str()
            .unwrap()
            .contains("busy"),
        "{}",
        ended.all
    );
    assert!(library.requests("raw") < 100, "{}", library.requests("raw"));
}

#[test]
fn hostile_addresses_for_an_upload_are_not_used() {
    let (desk, library) = scene(0, |_| None);
    library.state().session_host = Some("http://127.0.0.1:1/v1/uploads?".to_owned());
    desk.rescue(&[("internal/DCIM/VID_1.mp4".to_owned(), mp4(1, 17_000_000))]);
    let ended = desk.upload("photos", &["--tries", "2"]).expect(3);
    let failed = ended.line("upload_failed");
    assert!(
        failed["message"]
            .as_str()
            .unwrap()
            .contains("no usable address"),
        "{failed}"
    );
    assert_eq!(library.requests("upload"), 0);
}

#[test]
fn planted_secrets_of_the_sign_in_appear_nowhere() {
    let (desk, library) = scene(5, |request| match request.nth % 3 {
        0 if request.kind != "token" => Some(Fault::Answer(503, None)),
        _ => None,
    });
    let mut said = desk
        .run(&["upload", "rescued", "--to", "photos", "-vv", "--tries", "9"])
        .all;
    library.withdraw();
    said += &desk.upload("photos", &["--check", "-vv"]).all;
    said += &desk.run(&["remote", "list", "-vv"]).all;
    said += &desk.run(&["remote", "test", "photos", "-vv", "--json"]).all;
    assert!(said.len() > 500);
    assert!(!said.contains("PLANTED"), "{said}");
    let catalogue = fs::read(desk.path("rescued/rescue.db")).unwrap();
    assert!(!catalogue.windows(7).any(|window| window == b"PLANTED"));
}

#[test]
fn upload_token_of_a_copy_stands_for_that_copy_alone() {
    // Each quality, after a run of each that got no further than the bytes.
    const ORIGINAL: &[&str] = &[];
    const SMALLER: &[&str] = &["--quality", "storage-saver"];
    for (first, second, raw) in [
        (ORIGINAL, ORIGINAL, 1),
        (SMALLER, SMALLER, 1),
        (SMALLER, ORIGINAL, 2),
        (ORIGINAL, SMALLER, 2),
    ] {
        let (desk, library) = scene(0, |request| {
            (request.kind == "batchCreate" && request.before == 0)
                .then_some(Fault::Answer(503, None))
        });
        let large = plain_jpeg(4200, 4000);
        let size = large.len() as u64;
        // With a date in its name, so that no quality sends the file itself.
        let name = "internal/DCIM/Camera/IMG_20240818_093001.jpg".to_owned();
        desk.rescue(&[(name, large)]);
        let run = |more: &[&str]| desk.upload("photos", &[more, &["--tries", "1"]].concat());
        run(first).expect(3);
        assert!(library.items().is_empty());
        let ended = run(second).expect(0);
        assert_eq!(ended.line("upload_summary")["copies"], 1, "{}", ended.all);
        assert_eq!(library.requests("raw"), raw, "{first:?} {second:?}");
        let item = &library.items()[0];
        assert_eq!(item.size < size, second == SMALLER, "{first:?} {second:?}");
        // The receipt names what is there.
        let status = desk.run(&["status", "rescued", "--json"]);
        assert_eq!(
            status.line("status")["remotes"][0]["counts"][0]["state"],
            "there"
        );
        let catalogue = rusqlite::Connection::open(desk.path("rescued/rescue.db")).unwrap();
        let said: String = catalogue
            .query_row("SELECT message FROM upload", [], |row| row.get(0))
            .unwrap();
        assert!(said.contains(&item.sha256.to_string()), "{said}");
    }
}

#[test]
fn item_made_of_a_copy_is_not_the_same_bytes_as_another_file() {
    let (desk, library) = scene(0, |_| None);
    let name = |folder: &str| format!("internal/{folder}/IMG_20240818_093001.jpg");
    desk.rescue(&[(name("DCIM"), plain_jpeg(4200, 4000))]);
    desk.upload("photos", &["--quality", "storage-saver"])
        .expect(0);
    desk.rescue(&[(name("Download"), plain_jpeg(4200, 4000))]);
    let ended = desk.upload("photos", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 1, "{}", ended.all);
    assert_eq!(library.items().len(), 2);
}

#[test]
fn address_of_a_session_is_in_no_output() {
    let address = Arc::new(OnceLock::<String>::new());
    let known = Arc::clone(&address);
    let (desk, library) = scene(0, move |request| match (request.kind, known.get()) {
        ("upload", None) => Some(Fault::Answer(403, None)),
        ("query", Some(address)) => {
            let message = format!("you may not send to {address} now");
            let error = json!({"code": 403, "status": "PERMISSION_DENIED", "message": message});
            Some(Fault::Say(403, json!({"error": error}).to_string()))
        }
        _ => None,
    });
    let name = "internal/DCIM/Camera/IMG_20240818_093001.jpg".to_owned();
    desk.rescue(&[(name, jpeg(5, 20_000_000))]);
    let first = desk.upload("photos", &["-vv", "--tries", "1"]);
    let catalogue = rusqlite::Connection::open(desk.path("rescued/rescue.db")).unwrap();
    let session: String = catalogue
        .query_row("SELECT session FROM pledge", [], |row| row.get(0))
        .unwrap();
    drop(catalogue);
    assert!(library.requests("upload") > 0 && session.contains("upload_id="));
    address.set(session.clone()).unwrap();
    let second = desk.upload("photos", &["-vv", "--tries", "1"]);
    assert!(
        second.all.contains("you may not send to (secret)"),
        "{}",
        second.all
    );
    let status = desk.run(&["status", "rescued", "--json"]);
    for ended in [first, second, status] {
        assert!(!ended.all.contains(&session), "{}", ended.all);
        assert!(!ended.all.contains("upload_id="), "{}", ended.all);
    }
}

#[test]
fn large_video_that_gets_a_date_goes_on_where_a_kill_left_it() {
    let (desk, library) = scene(0, |_| None);
    // Its header says nothing of a date; a copy with one is what is sent.
    let mut video = clip(false);
    let mut rest = jpeg(5, 20_000_000);
    rest[..8].copy_from_slice(b"\x01\x31\x2d\x00free");
    video.extend(rest);
    let name = "internal/DCIM/Camera/VID_20240818_093001.mp4".to_owned();
    desk.rescue(&[(name, video)]);
    let arguments = ["upload", "rescued", "--to", "photos", "--limit", "4M"];
    let mut child = desk.start(&arguments);
    wait_for("a part arrives", || library.state().arriving > 4_000_000);
    child.kill().unwrap();
    child.wait().unwrap();
    let ended = desk.upload("photos", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["copies"], 1, "{}", ended.all);
    let count = |kind| library.requests(kind);
    assert_eq!((count("start"), count("query")), (1, 1));
    library.no_complaints();
}
