//! Answers without an end, to every reader of what somebody else sends: each is read up to a bound.
//!
//! The program runs under a limit of memory that no such answer fits into. A reader of foreign bytes that is
//! new belongs into one of these tables.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;

use super::desk::{Desk, Ended, photo};

/// What the program may allocate, in KiB: an upload takes some 60,000.
const MEMORY_KIB: u32 = 400_000;

/// What is answered: a status and the beginning of a body that goes on for ever, or all of one.
#[derive(Clone)]
enum Answer {
    Endless(u16, &'static str),
    Whole(u16, String),
}

type Decide = dyn Fn(&str, &str) -> Answer + Send + Sync;

/// Serves on a port of its own for as long as the test runs.
fn start(decide: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let decide: Arc<Decide> = Arc::new(decide);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let decide = Arc::clone(&decide);
            std::thread::spawn(move || serve(&stream, &*decide));
        }
    });
    url
}

fn serve(mut stream: &TcpStream, decide: &Decide) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    let head = |status: u16| format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    match decide(&method, &path) {
        Answer::Whole(status, body) => {
            let length = body.len();
            let head = head(status);
            write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").ok()
        }
        Answer::Endless(status, begin) => {
            write!(stream, "{}\r\n{begin}", head(status)).ok()?;
            for_ever(stream, "x".repeat(64 * 1024).as_bytes())
        }
    }
}

fn for_ever(mut stream: &TcpStream, bytes: &[u8]) -> Option<()> {
    loop {
        stream.write_all(bytes).ok()?;
    }
}

/// Runs the program with a limit of memory.
fn limited(desk: &Desk, arguments: &[&str]) -> Ended {
    let plain = desk.command(arguments);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -d {MEMORY_KIB}; exec \"$0\" \"$@\"")])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear()
        .env("HOME", desk.path("home"))
        .env("RESCUE_REMOTE_SECRET", "UExBTlRFRA==")
        .env("RUST_BACKTRACE", "0")
        .current_dir(desk.dir.path());
    Ended::of(command.output().unwrap())
}

#[track_caller]
fn fails_in_words(ended: &Ended, what: &str) {
    assert!([1, 2, 3].contains(&ended.code), "{what}: {}", ended.all);
    assert!(!ended.all.contains("panicked"), "{what}: {}", ended.all);
    assert!(ended.all.contains("error"), "{what}: {}", ended.all);
}

const STATUSES: [u16; 15] = [
    200, 201, 203, 206, 207, 400, 401, 403, 404, 405, 409, 412, 416, 500, 503,
];

#[test]
fn endless_answers_of_every_status_fill_no_memory() {
    let desk = Desk::new();
    let account = desk.path("account.json");
    for status in STATUSES {
        let url = start(move |_, _| Answer::Endless(status, "<x>"));
        let kinds: [&[&str]; 5] = [
            &["webdav", &url, "--user", "ada"],
            &["s3", "bucket", "--endpoint", &url, "--access-key-id", "ID"],
            &["b2", "bucket", "--endpoint", &url, "--key-id", "ID"],
            &["azure", "bucket", "--endpoint", &url, "--account", "ada"],
            &["immich", &url],
        ];
        for kind in kinds {
            let add = [&["remote", "add", "there"], kind].concat();
            let ended = limited(&desk, &add);
            fails_in_words(&ended, &format!("{status} {kind:?}"));
            assert!(ended.all.contains("Nothing was saved"), "{}", ended.all);
        }
        // Those that a person signs in to: the token first, then with one.
        let with_token = start(move |_, path| match path {
            "/token" => Answer::Whole(
                200,
                r#"{"access_token":"t","token_type":"bearer","expires_in":3600}"#.to_owned(),
            ),
            _ => Answer::Endless(status, "{"),
        });
        for base in [&url, &with_token] {
            let secret = r#"{"client_secret":"s","refresh_token":"r"}"#;
            let mut settings = String::new();
            let kinds = ["google-photos", "google-drive", "dropbox", "onedrive"];
            for kind in kinds {
                settings += &format!(
                    "[remotes.{kind}]\nkind = \"{kind}\"\nclient_id = \"ID\"\naddress = \"{base}\"\n\
                     secret = '{secret}'\n[remotes.{kind}.endpoints]\n\
                     authorize = \"{base}/authorize\"\ntoken = \"{base}/token\"\n"
                );
            }
            let folder = desk.path("home/.config/rescue");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("remotes.toml"), settings).unwrap();
            for kind in kinds {
                let ended = limited(&desk, &["remote", "test", kind]);
                fails_in_words(&ended, &format!("{status} {kind}"));
            }
            fs::remove_file(folder.join("remotes.toml")).unwrap();
        }
        assert!(!account.exists());
    }
}

#[test]
fn endless_listings_and_files_fill_no_memory() {
    let desk = Desk::new();
    desk.rescue(&[("internal/DCIM/1.jpg".to_owned(), photo(1, 20_000))]);
    // A file of the right size is there, by the listing, and is read back to be compared.
    let entry = |path: &str| {
        format!(
            "<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>{path}1.jpg</D:href><D:propstat><D:prop>\
             <D:resourcetype/><D:getcontentlength>20000</D:getcontentlength>\
             <D:getlastmodified>Mon, 01 Jan 2024 00:00:00 GMT</D:getlastmodified></D:prop>\
             <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"
        )
    };
    for status in [200, 206, 201, 404, 412, 500] {
        let url = start(move |method, path| match method {
            "PROPFIND" => Answer::Whole(207, entry(path)),
            "GET" => Answer::Endless(status, ""),
            _ => Answer::Whole(201, String::new()),
        });
        let add = ["remote", "add", "dav", "webdav", &url, "--no-test"];
        limited(&desk, &add).expect(0);
        let upload = ["upload", "rescued", "--to", "dav", "--tries", "1", "--json"];
        let ended = limited(&desk, &upload);
        // It is another file, or nobody knows.
        assert!([0, 1, 3].contains(&ended.code), "{status}: {}", ended.all);
        let summary = ended.line("upload_summary");
        assert_eq!(summary["already_there"], 0, "{status}: {}", ended.all);
        limited(&desk, &["remote", "remove", "dav"]).expect(0);
    }
}

#[test]
fn endless_talk_of_an_ssh_server_fills_no_memory() {
    let desk = Desk::new();
    let beginnings: [(&str, &str); 3] = [
        ("", "x"),
        ("", "a line before the version\r\n"),
        ("SSH-2.0-x\r\n", "x"),
    ];
    for (begin, rest) in beginnings {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    stream.write_all(begin.as_bytes()).ok()?;
                    for_ever(&stream, rest.repeat(4096).as_bytes())
                });
            }
        });
        let address = format!("ada@127.0.0.1:{port}");
        let ended = limited(&desk, &["remote", "add", "there", "sftp", &address]);
        fails_in_words(&ended, rest);
    }
}

#[test]
fn endless_files_fill_no_memory() {
    let desk = Desk::new();
    let url = start(|_, _| Answer::Whole(500, String::new()));
    let dav = ["remote", "add", "x", "webdav", &url, "--no-test"];
    let sftp = ["remote", "add", "x", "sftp", "ada@127.0.0.1:1", "--no-test"];
    let photos = [
        "remote",
        "add",
        "x",
        "google-photos",
        "--client-file",
        "/dev/zero",
    ];
    for arguments in [
        &[&dav[..], &["--ca-file", "/dev/zero"]].concat()[..],
        &[&sftp[..], &["--key-file", "/dev/zero"]].concat()[..],
        &photos[..],
    ] {
        fails_in_words(&limited(&desk, arguments), &format!("{arguments:?}"));
    }
    let folder = desk.path("home/.config/rescue");
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("remotes.toml")).unwrap();
    fails_in_words(&limited(&desk, &["remote", "list"]), "remotes.toml");
}

#[test]
fn endless_answers_of_an_adb_server_fill_no_memory() {
    let desk = Desk::new();
    for begin in ["", "OKAY", "OKAYffff", "FAILffff"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    stream.write_all(begin.as_bytes()).ok()?;
                    for_ever(&stream, "f".repeat(64 * 1024).as_bytes())
                });
            }
        });
        let mut command = desk.command(&["devices"]);
        let program = command.get_program().to_owned();
        command = Command::new("sh");
        command
            .args([
                "-c",
                &format!("ulimit -d {MEMORY_KIB}; exec \"$0\" devices"),
            ])
            .arg(program)
            .env_clear()
            .env("HOME", desk.path("home"))
            .env("ANDROID_ADB_SERVER_PORT", port.to_string())
            .current_dir(desk.dir.path());
        let ended = Ended::of(command.output().unwrap());
        assert!(ended.code < 20 && ended.code >= 0, "{begin}: {}", ended.all);
    }
}
