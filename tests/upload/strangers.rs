//! Servers of another kind than the remote's, and one that says nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::desk::Desk;
use super::secrets::be_impatient_with;

/// Answers the beginning of each request with these bytes; returns the port.
fn answering(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 64 * 1024];
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    if answer.is_empty() {
                        continue;
                    }
                    if stream.write_all(answer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    port
}

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 15\r\n\r\n<html>Hi</html>";

#[test]
fn web_site_is_not_taken_for_a_webdav_server() {
    let desk = Desk::new();
    let url = format!("http://127.0.0.1:{}/photos", answering(PAGE));
    let said = desk.run(&["remote", "add", "site", "webdav", &url]);
    let said = said.expect(1).all;
    assert!(said.contains("there is no WebDAV folder"), "{said}");
    assert!(said.contains("with a web page"), "{said}");
    assert!(said.contains("check the address"), "{said}");
    assert!(!said.contains("-v "), "{said}");
}

#[test]
fn server_of_another_protocol_is_named_with_its_port() {
    let desk = Desk::new();
    let port = answering(b"SSH-2.0-OpenSSH_9.2p1\r\n");
    let url = format!("http://127.0.0.1:{port}/");
    let said = desk.run(&["remote", "add", "ssh", "webdav", &url]);
    let said = said.expect(1).all;
    let words = format!("127.0.0.1:{port}: something answers there, but not as a web server");
    assert!(said.contains(&words), "{said}");
    // Short lines may stand before the greeting of an SSH server.
    let page = "x".repeat(600);
    let page = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: 600\r\n\r\n{page}");
    let port = answering(page.leak().as_bytes());
    let server = format!("ada@127.0.0.1:{port}");
    let add = ["remote", "add", "web", "sftp", &server];
    let said = desk.run(&add).expect(1).all;
    let words = format!("127.0.0.1:{port}: something answers there, but not as an SSH server");
    assert!(said.contains(&words), "{said}");
    assert!(said.contains("Nothing was saved"), "{said}");
}

#[test]
fn silent_server_is_given_up_and_named() {
    let desk = Desk::new();
    let url = format!("http://127.0.0.1:{}/photos", answering(b""));
    desk.run(&["remote", "add", "silent", "webdav", &url, "--no-test"])
        .expect(0);
    be_impatient_with(&desk, "silent", 1);
    let said = desk.run(&["remote", "test", "silent"]).expect(1).all;
    assert!(
        said.contains(&format!("Waiting for an answer from {url}")),
        "{said}"
    );
    assert!(
        said.contains(&format!("no connection to {url}: no answer within")),
        "{said}"
    );
}

#[test]
fn secret_that_is_none_is_refused_with_its_file() {
    let desk = Desk::new();
    std::fs::write(desk.path("binary"), b"pass\0word").unwrap();
    std::fs::write(desk.path("long"), "x".repeat(70_000)).unwrap();
    for (file, why) in [
        ("/dev/zero", "longer than any password or key"),
        ("long", "longer than any password or key"),
        ("binary", "contains control characters"),
    ] {
        let add = [
            "remote",
            "add",
            "dav",
            "webdav",
            "http://127.0.0.1:1/",
            "--user",
            "ada",
            "--no-test",
            "--secret-file",
            file,
        ];
        let said = desk.run(&add).expect(2).all;
        let words = format!("cannot read the secret from {file}");
        assert!(said.contains(&words) && said.contains(why), "{said}");
    }
}

#[test]
fn settings_that_hold_no_remotes_name_what_they_hold() {
    let desk = Desk::new();
    let settings = desk.path("home/.config/rescue/remotes.toml");
    std::fs::create_dir_all(settings.parent().unwrap()).unwrap();
    std::fs::write(
        &settings,
        "[remote.nas]\nkind = \"folder\"\npath = \"/nas\"\n",
    )
    .unwrap();
    let said = desk.run(&["remote", "list"]).expect(0).all;
    assert!(said.contains("\"remote\" is not known"), "{said}");
    assert!(said.contains("[remotes.NAME]"), "{said}");
    assert!(!said.contains("There are no remotes yet"), "{said}");
    std::fs::remove_file(&settings).unwrap();
    std::os::unix::fs::symlink("elsewhere.toml", &settings).unwrap();
    let said = desk.run(&["remote", "list"]).expect(2).all;
    assert!(
        said.contains("is a link to a file that is missing"),
        "{said}"
    );
}
