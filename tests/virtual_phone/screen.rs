//! `rescue screen`: pictures of the display, and a page that nobody else gets anything from.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout};

use bytes::Bytes;
use rescue::virtual_phone::{Serving, VirtualPhone};

use super::desk::{Desk, end, kill, until};
use super::page::http;

/// One red pixel.
pub(crate) const PICTURE: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\
    \0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0\0\x03\x01\x01\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82";

async fn phone_that_shows(screen: Option<&[u8]>) -> Serving {
    let mut phone = VirtualPhone::new("TEST0001");
    phone.screen = screen.map(Bytes::copy_from_slice);
    phone.serve().await.unwrap()
}

fn arguments<'a>(address: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [
        &["--json", "screen", "--idle-timeout", "2", "--tcp", address],
        more,
    ]
    .concat()
}

#[tokio::test]
async fn screenshot_is_what_the_display_shows() {
    let (desk, phone) = (Desk::new(), phone_that_shows(Some(PICTURE)).await);
    let address = phone.address().to_string();
    let taken = desk
        .run(&arguments(&address, &["-o", "now.png"]))
        .await
        .expect(0);
    assert_eq!(taken.line("screenshot")["file"], "now.png");
    assert_eq!(
        std::fs::read(desk.dir.path().join("now.png")).unwrap(),
        PICTURE
    );
    // What is there stays.
    let refused = desk
        .run(&arguments(&address, &["-o", "now.png"]))
        .await
        .expect(1);
    assert!(refused.message().contains("now.png"));
    // Without a name it gets one.
    let taken = desk.run(&arguments(&address, &[])).await.expect(0);
    let name = taken.line("screenshot")["file"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        name.starts_with("screen-TEST0001-") && name.ends_with(".png"),
        "{name}"
    );
    assert!(desk.dir.path().join(name).is_file());
}

#[tokio::test]
async fn warning_before_a_picture_is_passed_over() {
    let shown = [b"[Warning] Multiple displays were found\n", PICTURE].concat();
    let (desk, phone) = (Desk::new(), phone_that_shows(Some(&shown)).await);
    let address = phone.address().to_string();
    desk.run(&arguments(&address, &["-o", "now.png"]))
        .await
        .expect(0);
    assert_eq!(
        std::fs::read(desk.dir.path().join("now.png")).unwrap(),
        PICTURE
    );
}

#[tokio::test]
async fn no_picture_leaves_no_file_and_the_phones_words() {
    let half = &PICTURE[..40];
    for (screen, words) in [
        (None, "Status: -1"),
        (Some(half), "broke off"),
        (Some(b"\x1b[2Jx".as_slice()), "x"),
    ] {
        let (desk, phone) = (Desk::new(), phone_that_shows(screen).await);
        let address = phone.address().to_string();
        let refused = desk
            .run(&arguments(&address, &["-o", "now.png"]))
            .await
            .expect(1);
        assert!(refused.message().contains(words), "{}", refused.message());
        assert!(!refused.message().contains('\x1b'));
        assert!(!desk.dir.path().join("now.png").exists());
    }
}

/// `rescue screen --live` that runs; dropped, it ends.
struct Live {
    program: Child,
    _stdout: BufReader<ChildStdout>,
    host: String,
    token: String,
}

impl Live {
    fn start(desk: &Desk, phone: &Serving, more: &[&str]) -> Self {
        let address = phone.address().to_string();
        let arguments = [arguments(&address, &["--live"]), more.to_vec()].concat();
        let mut program = desk.command(&arguments).spawn().unwrap();
        let mut stdout = BufReader::new(program.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("\"serves\"") {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "it ended");
        }
        let serves: serde_json::Value = serde_json::from_str(&line).unwrap();
        let url = serves["url"]
            .as_str()
            .unwrap()
            .strip_prefix("http://")
            .unwrap();
        let (host, token) = url.strip_suffix('/').unwrap().split_once('/').unwrap();
        let (host, token) = (host.to_owned(), token.to_owned());
        Self {
            program,
            _stdout: stdout,
            host,
            token,
        }
    }

    /// The status and the body that come for a request; the headers are lines.
    fn ask(&self, method: &str, path: &str, headers: &[String], body: &str) -> (u16, Vec<u8>) {
        let got = http(&self.host, method, path, headers, body);
        (got.status, got.body)
    }

    fn host(&self) -> String {
        format!("Host: {}", self.host)
    }

    fn touch(&self, body: &str) -> (u16, String) {
        let headers = [self.host(), format!("Origin: http://{}", self.host)];
        let (status, words) = self.ask("POST", &format!("/{}/touch", self.token), &headers, body);
        (status, String::from_utf8(words).unwrap())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_page_shows_the_display_and_passes_touches_on() {
    let (desk, phone) = (Desk::new(), phone_that_shows(Some(PICTURE)).await);
    let live = Live::start(&desk, &phone, &[]);
    let (status, page) = live.ask("GET", &format!("/{}/", live.token), &[live.host()], "");
    assert!(status == 200 && page.starts_with(b"<!doctype html>"));
    let picture = live.ask(
        "GET",
        &format!("/{}/screen.png", live.token),
        &[live.host()],
        "",
    );
    assert_eq!(picture, (200, PICTURE.to_vec()));
    for touch in [
        r#"{"tap":{"x":10,"y":20}}"#,
        r#"{"swipe":{"x":1,"y":2,"to_x":3,"to_y":4,"milliseconds":300}}"#,
        r#"{"text":"pass w'ord"}"#,
        r#"{"key":"home"}"#,
    ] {
        assert_eq!(live.touch(touch), (200, "done".to_owned()), "{touch}");
    }
    let expected = [
        "tap 10 20",
        "swipe 1 2 3 4 300",
        "text pass%sw'ord",
        "keyevent KEYCODE_HOME",
    ];
    assert_eq!(phone.inputs(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_our_own_page_gets_nothing() {
    let (desk, phone) = (Desk::new(), phone_that_shows(Some(PICTURE)).await);
    let live = Live::start(&desk, &phone, &[]);
    let (token, host) = (&live.token, live.host());
    let wrong = "0".repeat(token.len());
    let own = format!("Origin: http://{}", live.host);
    let tap = r#"{"tap":{"x":1,"y":1}}"#;
    let port = live.host.rsplit(':').next().unwrap();
    for (method, path, headers) in [
        ("GET", "/".to_owned(), vec![host.clone()]),
        ("GET", "/screen.png".to_owned(), vec![host.clone()]),
        ("GET", format!("/{wrong}/screen.png"), vec![host.clone()]),
        (
            "GET",
            format!("/{}/screen.png", &token[1..]),
            vec![host.clone()],
        ),
        ("GET", format!("/{token}x/screen.png"), vec![host.clone()]),
        (
            "POST",
            format!("/{wrong}/touch"),
            vec![host.clone(), own.clone()],
        ),
        // A name that somebody made lead here.
        (
            "GET",
            format!("/{token}/screen.png"),
            vec![format!("Host: evil.example:{port}")],
        ),
        (
            "GET",
            format!("/{token}/screen.png"),
            vec!["Host: 127.0.0.1".to_owned()],
        ),
        (
            "GET",
            format!("/{token}/screen.png"),
            vec![host.clone(), "Origin: http://evil.example".to_owned()],
        ),
        // A page from elsewhere, and none at all.
        ("POST", format!("/{token}/touch"), vec![host.clone()]),
        (
            "POST",
            format!("/{token}/touch"),
            vec![host.clone(), "Origin: null".to_owned()],
        ),
        (
            "POST",
            format!("/{token}/touch"),
            vec![host.clone(), "Origin: http://evil.example".to_owned()],
        ),
        (
            "POST",
            format!("/{token}/touch"),
            vec![host.clone(), format!("Origin: https://{}", live.host)],
        ),
        (
            "POST",
            format!("/{token}/touch"),
            vec![
                host.clone(),
                own.clone(),
                "Origin: http://evil.example".to_owned(),
            ],
        ),
    ] {
        let (status, body) = live.ask(
            method,
            &path,
            &headers,
            if method == "POST" { tap } else { "" },
        );
        assert!(
            matches!(status, 400 | 403),
            "{method} {path} {headers:?}: {status}"
        );
        assert!(!body.windows(4).any(|bytes| bytes == b"\x89PNG"));
    }
    assert_eq!(phone.inputs(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn touches_that_make_no_sense_are_refused_and_not_repeated() {
    let (desk, phone) = (Desk::new(), phone_that_shows(Some(PICTURE)).await);
    let live = Live::start(&desk, &phone, &["-vv"]);
    for (touch, expected) in [
        ("", 400),
        ("{}", 400),
        (r#"{"tap":{"x":-1,"y":0}}"#, 400),
        (r#"{"tap":{"x":99999,"y":0}}"#, 400),
        (r#"{"key":"power"}"#, 400),
        (r#"{"shell":"reboot"}"#, 400),
        (r#"{"text":"secret-5309\u0007"}"#, 422),
        (r#"{"text":"Grüße-5309"}"#, 422),
    ] {
        let (status, words) = live.touch(touch);
        assert_eq!(status, expected, "{touch}: {words}");
        assert!(!words.contains("5309"));
    }
    assert_eq!(
        live.touch(&format!(r#"{{"text":"{}"}}"#, "x".repeat(20_000)))
            .0,
        400
    );
    assert_eq!(live.touch(r#"{"text":"5309"}"#).0, 200);
    assert_eq!(phone.inputs(), ["text 5309"]);
    // Not even with -vv is it told what was typed.
    kill(live.program.id(), "TERM");
    let mut live = std::mem::ManuallyDrop::new(live);
    let mut stderr = String::new();
    live.program
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(live.program.wait().unwrap().code(), Some(0));
    assert!(
        stderr.contains("input") && !stderr.contains("5309"),
        "{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn port_that_is_taken_is_named() {
    let (desk, phone) = (Desk::new(), phone_that_shows(Some(PICTURE)).await);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let address = phone.address().to_string();
    let arguments = arguments(&address, &["--live", "--port", &port]);
    let refused = end(desk.command(&arguments).spawn().unwrap())
        .await
        .expect(1);
    assert!(refused.message().contains(&port), "{}", refused.message());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_ask_for_nothing_keep_no_page_waiting() {
    let (desk, phone) = (Desk::new(), phone_that_shows(Some(PICTURE)).await);
    let live = Live::start(&desk, &phone, &[]);
    let connect = |_| TcpStream::connect(&live.host).unwrap();
    let idle: Vec<TcpStream> = (0..100).map(connect).collect();
    let (status, _) = live.ask("GET", &format!("/{}/", live.token), &[live.host()], "");
    assert_eq!(status, 200);
    // It was not their time that had run out: some of before are still there.
    let is_open = |mut socket: &TcpStream| {
        socket.set_nonblocking(true).unwrap();
        let read = socket.read(&mut [0]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let (open, closed): (Vec<_>, Vec<_>) = idle.iter().partition(|socket| is_open(socket));
    assert!((1..=16).contains(&open.len()), "{} open", open.len());
    assert!(closed.len() >= 84);
    assert!(is_open(&idle[90]), "they timed out first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_is_how_the_live_page_and_watching_end() {
    let (desk, phone) = (Desk::new(), phone_that_shows(Some(PICTURE)).await);
    let address = phone.address().to_string();
    let live = ["screen", "--live", "--tcp", &address];
    for arguments in [&live[..], &["devices", "--watch"]] {
        for signal in ["INT", "TERM"] {
            let mut command = desk.command(arguments);
            command.env("ANDROID_ADB_SERVER_PORT", "1");
            let mut child = command.spawn().unwrap();
            let id = child.id();
            match arguments.contains(&"--live") {
                true => {
                    let mut stdout = BufReader::new(child.stdout.take().unwrap());
                    let mut line = String::new();
                    stdout.read_line(&mut line).unwrap();
                    assert!(line.starts_with("http://"), "{line}");
                }
                // It listens before it looks.
                false => until("it listens", || hears(id, signal)).await,
            }
            kill(id, signal);
            let ended = end(child).await.expect(0);
            assert!(!ended.stderr.contains("stopped"), "{}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn ctrl_c_before_anything_was_done_is_no_error() {
    let desk = Desk::new();
    // What is there says nothing, and it waits.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let wait = ["--tcp", &address, "--wait", "100", "--idle-timeout", "100"];
    let arguments = [&["pull"], &wait[..]].concat();
    let doctor = [&["doctor"], &wait[..]].concat();
    for arguments in [&arguments[..], &doctor] {
        let child = desk.command(arguments).spawn().unwrap();
        let id = child.id();
        until("it listens", || hears(id, "INT")).await;
        kill(id, "INT");
        let ended = end(child).await;
        if arguments[0] == "pull" {
            assert_eq!(ended.code, 130, "{}", ended.stderr);
        }
        assert!(!ended.stderr.contains("error: stopped"), "{}", ended.stderr);
    }
}

/// Whether a process catches a signal by now.
fn hears(id: u32, signal: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap_or("0").trim(), 16).unwrap();
    let number = if signal == "INT" { 2 } else { 15 };
    caught & (1 << (number - 1)) != 0
}
