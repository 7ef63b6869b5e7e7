//! A Google Photos that answers what no sane one does, a person who changes things in the middle,
//! and Ctrl-C at each step: nothing is there twice, nothing is said to be there that is not.

use std::fs;

use serde_json::{Value, json};

use crate::desk::Ended;
use crate::hostile::listener;
use crate::library::{Fault, everything_is_there_once, jpeg, mp4};
use crate::photos::scene;
use crate::support::wait::wait_for;

/// What is done to the list of results in an answer.
type Shape = fn(&mut Vec<Value>);

const CAMERA: &str = "internal/DCIM/Camera";

#[test]
fn neither_photo_nor_token_goes_where_google_sends_us_on_to() {
    for kind in ["token", "raw", "start", "upload", "batchCreate", "albums"] {
        for status in [302, 307, 308] {
            let (url, heard) = listener();
            let (desk, library) = scene(2, move |request| {
                (request.kind == kind).then_some(Fault::Redirect(status, url))
            });
            desk.rescue(&[(format!("{CAMERA}/VID_1.mp4"), mp4(9, 17_000_000))]);
            let options = ["--album", "Trip", "--parallel", "1"];
            let ended = desk.upload("photos", &options).expect(1);
            let error = ended.line("error");
            assert_eq!(error["kind"], "remote_denied", "{kind}: {}", ended.all);
            let origin = url.split("/stolen").next().unwrap();
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(origin), "{kind}: {message}");
            assert!(!ended.all.contains("stolen"), "{}", ended.all);
            assert!(heard.lock().unwrap().is_empty(), "{kind} {status}");
            assert!(library.items().is_empty(), "{kind} {status}");
        }
    }
}

#[test]
fn answer_for_other_items_than_were_asked_for_costs_a_request_and_no_item() {
    let shapes: [(Shape, usize); 8] = [
        (|results| results.reverse(), 1),
        (|results| drop(results.pop()), 2),
        (Vec::clear, 2),
        (|results| results.extend(results.clone()), 1),
        (
            |results| {
                let id = json!({ "id": "of somebody else" });
                results.insert(0, json!({ "uploadToken": "not ours", "mediaItem": id }));
            },
            1,
        ),
        // A success without its item, in three spellings.
        (
            |results| drop(results[1].as_object_mut().unwrap().remove("mediaItem")),
            2,
        ),
        (|results| results[1]["mediaItem"] = Value::Null, 2),
        (|results| results[1]["mediaItem"]["id"] = json!(""), 2),
    ];
    for (nth, (shape, requests)) in shapes.into_iter().enumerate() {
        let (desk, library) = scene(5, move |request| {
            (request.kind == "batchCreate" && request.before == 0).then_some(Fault::Reshape(shape))
        });
        let ended = desk.upload("photos", &[]).expect(0);
        assert_eq!(ended.line("upload_summary")["sent"], 5, "{nth}");
        everything_is_there_once(&desk, &library);
        assert_eq!(library.requests("raw"), 5, "{nth}");
        assert_eq!(library.requests("batchCreate"), requests, "{nth}");
        desk.upload("photos", &["--check"]).expect(0);
    }
}

#[test]
fn check_that_is_answered_unclearly_is_asked_again_and_sends_nothing_again() {
    let shapes: [Shape; 6] = [
        |results| results.reverse(),
        |results| drop(results.pop()),
        Vec::clear,
        |results| results.extend(results.clone()),
        |results| results[1] = json!({ "status": { "code": 13, "message": "Internal" } }),
        |results| results[1] = json!({}),
    ];
    for (nth, shape) in shapes.into_iter().enumerate() {
        let (desk, library) = scene(4, move |request| {
            (request.kind == "batchGet" && request.before == 0).then_some(Fault::Reshape(shape))
        });
        desk.upload("photos", &[]).expect(0);
        let checked = desk.upload("photos", &["--check"]).expect(0);
        assert_eq!(checked.line("upload_checked")["there"], 4, "{nth}");
        assert_eq!(library.requests("batchGet"), 2, "{nth}");
        desk.upload("photos", &[]).expect(0);
        assert_eq!(library.requests("raw"), 4, "{nth}");
    }
}

#[test]
fn service_that_answers_nonsense_to_everybody_is_left_alone() {
    for kind in ["token", "raw"] {
        let (desk, library) = scene(120, move |request| {
            let page = "<html>Please sign in to this network</html>".to_owned();
            (request.kind == kind).then_some(Fault::Say(200, page))
        });
        let options = ["--tries", "2", "--parallel", "4"];
        let ended = desk.upload("photos", &options).expect(1);
        let message = ended.line("error")["message"].as_str().unwrap();
        assert!(message.contains("Google Photos returned"), "{message}");
        assert!(!ended.all.contains("<html>"), "{}", ended.all);
        let asked = library.requests(kind);
        assert!(asked < 80, "{kind}: {asked} requests");
        assert!(library.items().is_empty());
    }
}

#[test]
fn consent_that_is_withdrawn_in_the_middle_ends_the_run_and_costs_no_bytes() {
    let (desk, library) = scene(40, |_| None);
    let child = desk.start(&[
        "upload",
        "rescued",
        "--to",
        "photos",
        "--json",
        "--limit",
        "200K",
        "--parallel",
        "2",
    ]);
    wait_for("nothing arrives", || library.requests("raw") >= 10);
    library.withdraw();
    let ended = Ended::of(child.wait_with_output().unwrap()).expect(1);
    let error = ended.line("error");
    assert_eq!(error["kind"], "remote_denied", "{}", ended.all);
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("rescue remote login"), "{hint}");
    // Asked once more for an access token, not once for each photo.
    assert!(library.requests("token") <= 3);
    let status = desk.run(&["status", "rescued"]).all;
    assert!(status.contains("40 files waiting"), "{status}");
    library.consent_again();
    desk.upload("photos", &[]).expect(0);
    everything_is_there_once(&desk, &library);
    assert_eq!(library.state().bytes, 40 * 20_000, "bytes were sent twice");
}

#[test]
fn albums_of_the_same_name_are_not_made_more() {
    let (desk, library) = scene(0, |_| None);
    let albums = [library.add_album("Camera"), library.add_album("Camera")];
    desk.rescue(&[
        (format!("{CAMERA}/a.jpg"), jpeg(1, 3000)),
        ("sdcard/DCIM/Camera/b.jpg".to_owned(), jpeg(2, 3000)),
    ]);
    desk.upload("photos", &["--album-per-folder"]).expect(0);
    desk.rescue(&[(format!("{CAMERA}/c.jpg"), jpeg(3, 3000))]);
    desk.upload("photos", &["--album", "Camera"]).expect(0);
    assert_eq!(library.albums().len(), 2);
    let items = library.items();
    assert_eq!(items.len(), 3);
    // All in the same one of the two.
    let album = &items[0].albums;
    assert!(albums.contains(&album[0]) && album.len() == 1, "{album:?}");
    assert!(items.iter().all(|item| item.albums == *album), "{items:?}");
    library.no_complaints();
}

#[test]
fn file_that_changed_between_runs_is_told_and_what_was_verified_is_what_is_there() {
    let (desk, library) = scene(4, |request| {
        (request.kind == "batchCreate" && request.before == 0).then_some(Fault::Answer(503, None))
    });
    // A run that got no further than the bytes.
    desk.upload("photos", &["--tries", "1"]).expect(3);
    assert!(library.items().is_empty());
    let verified = desk.tree("rescued/data");
    let place = |nth: u32| desk.path(&format!("rescued/data/{CAMERA}/IMG_20240101_{nth:06}.jpg"));
    fs::write(place(1), jpeg(77, 20_000)).unwrap();
    fs::write(place(2), b"").unwrap();
    // These two come after it, and one of them changes before anything of it was sent.
    let more = |nth: usize| (format!("{CAMERA}/new_{nth}.jpg"), jpeg(100 + nth, 9000));
    desk.rescue(&[more(1), more(2)]);
    fs::write(
        desk.path(&format!("rescued/data/{CAMERA}/new_1.jpg")),
        jpeg(78, 9000),
    )
    .unwrap();
    let ended = desk.upload("photos", &[]).expect(3);
    let failed = |line: &&Value| line["type"] == "upload_failed";
    let failed: Vec<_> = ended.lines.iter().filter(failed).collect();
    assert!(!failed.is_empty(), "{}", ended.all);
    for line in failed {
        assert_eq!(line["reason"], "source_changed", "{line}");
    }
    // Whatever is there has the bytes of a file that was verified.
    let mut known: Vec<Vec<u8>> = verified.into_values().collect();
    known.push(jpeg(102, 9000));
    let known: Vec<_> = known
        .iter()
        .map(|it| rescue::digest::Sha256::of(it))
        .collect();
    let items = library.items();
    assert!(items.len() >= 3, "{items:?}");
    assert!(items.iter().all(|item| known.contains(&item.sha256)));
    library.no_complaints();
}

#[test]
fn ctrl_c_at_each_step_ends_at_once_and_the_next_run_completes() {
    for kind in [
        "token",
        "raw",
        "start",
        "upload",
        "query",
        "albums",
        "createAlbum",
        "batchCreate",
        "batchGet",
    ] {
        let (desk, library) = scene(3, move |request| match (request.kind, request.before) {
            ("upload", 0) if kind == "query" => Some(Fault::CutMidway),
            (asked, 0) if asked == kind => Some(Fault::Stall),
            _ => None,
        });
        desk.rescue(&[(format!("{CAMERA}/VID_1.mp4"), mp4(9, 17_000_000))]);
        let mut arguments = vec!["upload", "rescued", "--to", "photos", "--json"];
        match kind {
            "batchGet" => {
                desk.upload("photos", &["--album", "Trip"]).expect(0);
                arguments.push("--check");
            }
            _ => arguments.extend(["--album", "Trip"]),
        }
        let child = desk.start(&arguments);
        wait_for(kind, || library.requests(kind) > 0);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        // The stand-in answers nothing: only the program itself can end this.
        let ended = Ended::of(child.wait_with_output().unwrap()).expect(130);
        assert_eq!(ended.line("error")["kind"], "interrupted", "{kind}");
        desk.upload("photos", &["--album", "Trip"]).expect(0);
        everything_is_there_once(&desk, &library);
        assert_eq!(library.albums().len(), 1, "{kind}");
        assert!(library.items().iter().all(|item| item.albums.len() == 1));
        desk.upload("photos", &["--check"]).expect(0);
    }
}
