//! What a server may do to us.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::dav::{Dav, Fault, TRIED};
use super::desk::{Desk, Ended, FIRST, photo};
use crate::support::wait::wait_for;

const TOP: &str = "Google-Pixel-7-LAB1";

fn desk_with(dav: &Dav, photos: usize) -> Desk {
    let desk = Desk::new();
    desk.run(&["remote", "add", "dav", "webdav", &dav.url(), "--no-test"])
        .expect(0);
    desk.rescue_photos(photos);
    desk
}

#[track_caller]
fn everything_arrived(desk: &Desk, dav: &Dav) {
    let there = dav.files();
    let expected = desk.tree("rescued/data");
    assert_eq!(there.len(), expected.len(), "{:?}", there.keys());
    for (path, bytes) in &expected {
        assert!(there[&format!("{TOP}/{path}")] == *bytes, "{path}");
    }
}

#[test]
fn good_server_gets_each_photo_with_one_request_and_its_name_with_another() {
    let dav = Dav::start(|_, _, _| None);
    let desk = desk_with(&dav, 200);
    desk.run(&["remote", "test", "dav"]).expect(0);
    let (before, moved) = (dav.requests("PUT"), dav.requests("MOVE"));
    desk.upload("dav", &[]).expect(0);
    everything_arrived(&desk, &dav);
    // Two tiny files more, and two moves: what the server does is tried once.
    assert_eq!(dav.requests("PUT") - before, 202);
    assert_eq!(dav.requests("MOVE") - moved, 202);
    assert!(
        dav.requests("PROPFIND") < 10,
        "{}",
        dav.requests("PROPFIND")
    );
    desk.upload("dav", &["--check"]).expect(0);
}

#[test]
fn storm_of_errors_passes() {
    // A third of the requests of any kind fail, as servers behind a proxy do; not every third one,
    // or a file that takes three would never come through.
    let nth = AtomicUsize::new(0);
    let dav = Dav::start(move |_, _, _| {
        let statuses = [429, 500, 502, 503, 504];
        let nth = nth.fetch_add(1, Ordering::Relaxed);
        // Knuth's multiplicative hash.
        let mixed = (nth as u32).wrapping_mul(2_654_435_761) >> 16;
        mixed
            .is_multiple_of(3)
            .then(|| Fault::Answer(statuses[nth % statuses.len()], None))
    });
    let desk = desk_with(&dav, 20);
    desk.upload("dav", &["--tries", "30", "--parallel", "4"])
        .expect(0);
    everything_arrived(&desk, &dav);
}

#[test]
fn retry_after_is_respected() {
    let dav = Dav::start(|method, _, before| {
        (method == "PUT" && before == TRIED).then_some(Fault::Answer(429, Some(2)))
    });
    let desk = desk_with(&dav, 1);
    let begin = Instant::now();
    desk.upload("dav", &[]).expect(0);
    assert!(
        begin.elapsed() >= Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    everything_arrived(&desk, &dav);
}

#[test]
fn connection_cut_midway_or_before_the_answer_loses_and_doubles_nothing() {
    let dav = Dav::start(|method, _, before| match (method, before) {
        ("PUT", 3) => Some(Fault::CutMidway),
        ("PUT", 5) => Some(Fault::CutBeforeTheAnswer),
        ("MOVE", 7) => Some(Fault::CutBeforeTheAnswer),
        _ => None,
    });
    let desk = desk_with(&dav, 8);
    desk.upload("dav", &["--parallel", "1"]).expect(0);
    everything_arrived(&desk, &dav);
    // Once more each that had no name yet; the one that had was found to be there.
    assert_eq!(dav.requests("PUT"), TRIED + 10);
}

#[test]
fn server_that_lies_about_success_is_found_out() {
    let dav = Dav::start(|method, _, before| {
        (method == "PUT" && before == TRIED + 1).then_some(Fault::Lie)
    });
    let desk = desk_with(&dav, 4);
    let ended = desk.upload("dav", &[]).expect(3);
    assert_eq!(ended.line("upload_failed")["reason"], "size_differs");
    assert_eq!(ended.line("upload_summary")["sent"], 3);
    let status = desk.run(&["status", "rescued"]).all;
    assert!(
        status.contains("1 failed: the service has only a part of it"),
        "{status}"
    );
}

#[test]
fn full_server_stops_the_run_and_the_rest_waits() {
    let dav = Dav::start(|method, _, before| {
        (method == "PUT" && before >= TRIED + 3).then_some(Fault::Answer(507, None))
    });
    let desk = desk_with(&dav, 10);
    let ended = desk.upload("dav", &["--parallel", "1"]).expect(1);
    assert_eq!(ended.line("error")["kind"], "remote_full");
    assert_eq!(dav.files().len(), 3);
    let status = desk.run(&["status", "rescued"]).all;
    assert!(
        status.contains("7 waiting") || status.contains("7 files waiting"),
        "{status}"
    );
}

#[test]
fn file_over_the_services_limit_is_skipped_and_said() {
    let dav = Dav::start(|method, _, before| {
        (method == "PUT" && before == TRIED).then_some(Fault::Answer(413, None))
    });
    let desk = desk_with(&dav, 3);
    let ended = desk.upload("dav", &[]).expect(3);
    assert_eq!(ended.line("upload_skipped")["reason"], "too_large");
    let status = desk.run(&["status", "rescued"]).all;
    assert!(
        status.contains("1 skipped: over this service's limit"),
        "{status}"
    );
}

#[test]
fn wrong_password_ends_at_once() {
    let dav = Dav::start(|_, _, _| Some(Fault::Answer(401, None)));
    let desk = desk_with(&dav, 50);
    let ended = desk.upload("dav", &[]).expect(1);
    assert_eq!(ended.line("error")["kind"], "remote_denied");
    assert!(dav.requests("PROPFIND") <= 8);
    assert_eq!(dav.requests("PUT"), 0);
}

#[test]
fn typing_error_in_the_address_is_told_as_such() {
    let dav = Dav::start(|_, path, _| path.starts_with("typo").then_some(Fault::Answer(404, None)));
    let desk = Desk::new();
    let address = format!("{}/typo", dav.url());
    let add = ["remote", "add", "dav", "webdav", &address];
    let said = desk.run(&add).expect(1).all;
    assert!(
        said.contains("no WebDAV folder at the remote's address (HTTP 404"),
        "{said}"
    );
    assert!(!said.contains("gone"), "{said}");
    desk.run(&[&add[..], &["--no-test"]].concat()).expect(0);
    desk.rescue_photos(3);
    let ended = desk.upload("dav", &[]).expect(1);
    let words = ended.line("error")["message"].as_str().unwrap();
    assert!(words.contains("no WebDAV folder"), "{words}");
}

/// A file that the server cannot read keeps nobody waiting: nothing is sent, and the others are compared.
#[test]
fn check_asks_a_server_that_fails_over_one_file_only_a_few_times() {
    let dav = Dav::start(|method, path, _| {
        (method == "GET" && path.ends_with("_000002.jpg")).then_some(Fault::Answer(500, None))
    });
    let desk = desk_with(&dav, 4);
    desk.upload("dav", &[]).expect(0);
    let before = dav.requests("GET");
    let checked = desk.upload("dav", &["--check"]).expect(3);
    assert_eq!(
        checked.line("upload_checked")["there"],
        3,
        "{}",
        checked.all
    );
    let words = checked.line("finding")["message"].as_str().unwrap();
    assert!(words.contains("an error of its own (HTTP 500"), "{words}");
    assert_eq!(dav.requests("GET") - before, 3 + 3);
}

#[test]
fn part_that_a_killed_run_left_is_replaced() {
    let dav = Dav::start(|method, _, before| {
        (method == "PUT" && before == TRIED + 1).then_some(Fault::Hang)
    });
    let desk = desk_with(&dav, 3);
    let mut child = desk.start(&["upload", "rescued", "--to", "dav", "--parallel", "1"]);
    wait_for("files arrive", || {
        dav.files().values().any(|bytes| bytes.len() == 10_000)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let sizes: Vec<_> = dav.files().into_values().map(|bytes| bytes.len()).collect();
    assert!(sizes.contains(&10_000), "{sizes:?}");
    let again = desk.upload("dav", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["renamed"], 0, "{}", again.all);
    everything_arrived(&desk, &dav);
    // The part was sent again, what was acknowledged was not.
    assert_eq!(dav.requests("PUT"), 2 * TRIED + 4);
}

#[test]
fn wait_goes_on_when_the_server_comes() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let desk = Desk::new();
    let url = format!("http://{address}/dav");
    desk.run(&["remote", "add", "dav", "webdav", &url, "--no-test"])
        .expect(0);
    desk.rescue_photos(3);
    let mut child = desk.start(&["upload", "rescued", "--to", "dav", "--json", "--wait"]);
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let waits = |line: std::io::Result<String>| {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        line["type"] == "waiting" && line["what"] == "connection"
    };
    assert!(said.any(waits), "it does not wait");
    let listener = TcpListener::bind(address).unwrap();
    let dav = Dav::serve(listener, |_, _, _| None);
    // Read to the end, for it to go on.
    let rest: Vec<_> = said.map(Result::unwrap).collect();
    Ended::of(child.wait_with_output().unwrap()).expect(0);
    assert!(
        rest.iter().any(|line| line.contains("upload_summary")),
        "{rest:?}"
    );
    everything_arrived(&desk, &dav);
}

/// A port of this address where nobody answers, and nobody refuses: its queue is full.
fn silent(address: SocketAddr) -> (SocketAddr, Vec<TcpStream>, TcpListener) {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let family = match address.is_ipv4() {
        true => AddressFamily::INET,
        false => AddressFamily::INET6,
    };
    let full = socket(family, SocketType::STREAM, None).unwrap();
    bind(&full, &address).unwrap();
    listen(&full, 1).unwrap();
    let full = TcpListener::from(full);
    let address = full.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(socket) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queued.push(socket);
    }
    (address, queued, full)
}

#[test]
fn ssh_server_at_the_second_address_of_its_name_is_found() {
    let first = ("localhost", 0).to_socket_addrs().unwrap().next().unwrap();
    let (first, _queued, _full) = silent(first);
    let second = match first.is_ipv4() {
        true => format!("[::1]:{}", first.port()),
        false => format!("127.0.0.1:{}", first.port()),
    };
    let second = TcpListener::bind(second).unwrap();
    let (tell, reached) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let accepted = second.accept();
        tell.send(()).unwrap();
        drop(accepted);
    });
    let desk = Desk::new();
    let address = format!("ada@localhost:{}", first.port());
    desk.run(&["remote", "add", "there", "sftp", &address]);
    reached.try_recv().unwrap();
}

#[test]
fn ctrl_c_stops_and_the_next_run_goes_on() {
    let dav = Dav::start(|_, _, _| None);
    let desk = desk_with(&dav, 40);
    let child = desk.start(&[
        "upload", "rescued", "--to", "dav", "--limit", "200K", "--json",
    ]);
    wait_for("files arrive", || dav.files().len() >= 5);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    Ended::of(child.wait_with_output().unwrap()).expect(130);
    desk.upload("dav", &[]).expect(0);
    everything_arrived(&desk, &dav);
}

#[test]
fn other_file_on_the_server_is_never_overwritten() {
    let dav = Dav::start(|_, _, _| None);
    let desk = desk_with(&dav, 2);
    let path = format!("{TOP}/{FIRST}");
    // As large, so that only its content tells.
    dav.put(&path, photo(77, 20_000));
    let ended = desk.upload("dav", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["renamed"], 1);
    let there = dav.files();
    assert!(there[&path] == photo(77, 20_000));
    assert!(there[&path.replace(".jpg", " (2).jpg")] == photo(1, 20_000));
}
