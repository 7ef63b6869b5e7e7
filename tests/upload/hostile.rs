//! Servers that mean harm, or are set up badly: they get no photo that is not for them, and neither
//! memory nor time without end.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::dav::{Dav, Fault, TRIED};
use super::desk::{Desk, Ended};

/// A desk that has the server as the remote `dav`, and so many rescued photos.
pub(crate) fn desk_with(dav: &Dav, photos: usize) -> Desk {
    let desk = Desk::new();
    let mut command = desk.command(&[
        "remote",
        "add",
        "dav",
        "webdav",
        &dav.url(),
        "--user",
        "ada",
        "--no-test",
    ]);
    command.env("RESCUE_REMOTE_SECRET", "PLANTED-redirect-3d10");
    Ended::of(command.output().unwrap()).expect(0);
    desk.rescue_photos(photos);
    desk
}

/// A server that notes how many connections it gets, and what comes over them.
pub(crate) fn listener() -> (&'static str, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Faults are `Copy`, and so hold no `String`.
    let url: &'static str =
        format!("http://{}/stolen?key=x", listener.local_addr().unwrap()).leak();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heard);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = vec![0; 64 * 1024];
            let count = stream.read(&mut bytes).unwrap_or_default();
            noted.lock().unwrap().extend_from_slice(&bytes[..count]);
            let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer);
        }
    });
    (url, heard)
}

#[test]
fn no_photo_and_no_password_goes_where_a_server_sends_us_on_to() {
    for status in [301, 302, 303, 307, 308] {
        for method in ["PROPFIND", "PUT", "GET"] {
            let (url, heard) = listener();
            let dav = Dav::start(move |used, _, _| {
                (used == method).then_some(Fault::Redirect(status, url))
            });
            let desk = desk_with(&dav, 2);
            let ended = match method {
                "GET" => desk.run(&["remote", "test", "dav", "--json"]),
                _ => desk.upload("dav", &[]),
            };
            let ended = ended.expect(1);
            let error = ended.line("error");
            assert_eq!(error["kind"], "remote_denied", "{}", ended.all);
            let origin = url.split("/stolen").next().unwrap();
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(origin), "{message}");
            assert!(!ended.all.contains("stolen"), "{}", ended.all);
            assert!(heard.lock().unwrap().is_empty(), "{method} {status}");
            let status = desk.run(&["status", "rescued"]).all;
            assert!(!status.contains("Backup complete"), "{status}");
        }
    }
}

#[test]
fn pause_of_a_day_is_said_at_once_and_waited_for_only_when_told() {
    let dav = Dav::start(|method, _, before| {
        (method == "PUT" && before > TRIED).then_some(Fault::Answer(429, Some(4_000_000_000)))
    });
    let desk = desk_with(&dav, 3);
    let ended = desk.upload("dav", &["--parallel", "1"]).expect(1);
    let message = ended.line("error")["message"].as_str().unwrap();
    assert!(message.contains("for the next 24 hours"), "{message}");
    assert_eq!(dav.requests("PUT"), TRIED + 2);
    let status = desk.run(&["status", "rescued"]).all;
    assert!(status.contains("2 files waiting"), "{status}");
    // Who says so waits, and Ctrl-C ends that.
    let arguments = ["upload", "rescued", "--to", "dav", "--json", "--wait"];
    let mut child = desk.start(&arguments);
    let mut said = String::new();
    let mut lines = child.stdout.take().unwrap();
    let mut byte = [0];
    while !said.contains("\"waiting\"") {
        assert_eq!(lines.read(&mut byte).unwrap(), 1, "{said}");
        said.push(char::from(byte[0]));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    lines.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
}

#[test]
fn listing_that_does_not_end_is_given_up() {
    let dav = Dav::start(|method, _, _| (method == "PROPFIND").then_some(Fault::ListForEver));
    let desk = desk_with(&dav, 2);
    let ended = desk.upload("dav", &[]).expect(1);
    assert!(ended.all.contains("--into"), "{}", ended.all);
    assert_eq!(dav.requests("PUT"), 0);
}

#[test]
fn error_that_does_not_end_is_the_error_that_it_is() {
    for (method, used) in [("PROPFIND", "list"), ("PUT", "put")] {
        let dav =
            Dav::start(move |asked, _, _| (asked == method).then_some(Fault::FailForEver(507)));
        let desk = desk_with(&dav, 2);
        let ended = desk.upload("dav", &[]).expect(1);
        assert_eq!(
            ended.line("error")["kind"],
            "remote_full",
            "{used}: {}",
            ended.all
        );
    }
}

#[test]
fn name_that_the_server_forbids_fails_alone() {
    let dav = Dav::start(|method, _, before| {
        (method == "PUT" && before == TRIED + 3).then_some(Fault::Answer(403, None))
    });
    let desk = desk_with(&dav, 5);
    let ended = desk.upload("dav", &["--parallel", "1"]).expect(3);
    assert_eq!(ended.line("upload_failed")["reason"], "refused");
    assert_eq!(ended.line("upload_summary")["sent"], 4, "{}", ended.all);
    // One who may no longer write at all stops soon.
    let puts = AtomicUsize::new(0);
    let dav = Dav::start(move |method, _, _| {
        let is_over = method == "PUT" && puts.fetch_add(1, Ordering::Relaxed) >= TRIED + 2;
        is_over.then_some(Fault::Answer(403, None))
    });
    let desk = desk_with(&dav, 60);
    let ended = desk.upload("dav", &["--parallel", "1"]).expect(1);
    assert_eq!(ended.line("error")["kind"], "remote_denied");
    assert!(dav.requests("PUT") < 25, "{}", dav.requests("PUT"));
}

/// As golang.org/x/net/webdav does when something goes wrong in the middle.
#[test]
fn listing_that_is_broken_off_is_no_listing() {
    let dav = Dav::start(|method, path, before| {
        (method == "PROPFIND" && path.ends_with("Camera") && before < 3)
            .then_some(Fault::ListBrokenOff)
    });
    let desk = desk_with(&dav, 2);
    for nth in 1..=2 {
        let name = format!("Google-Pixel-7-LAB1/internal/DCIM/Camera/IMG_20240101_{nth:06}.jpg");
        dav.put(&name, super::desk::photo(nth, 20_000));
    }
    let ended = desk.upload("dav", &[]).expect(0);
    assert_eq!(
        ended.line("upload_summary")["already_there"],
        2,
        "{}",
        ended.all
    );
    assert_eq!(dav.files().len(), 2);
}
