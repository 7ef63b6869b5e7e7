//! No secret in anything that a person, a log or another program sees.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::dav::{Dav, Fault};
use super::desk::{Desk, Ended};

const PASSWORD: &str = "PLANTED-pass-5f2a";
/// The same as HTTP's basic authentication spells it: `ada:PLANTED-pass-5f2a`.
const ENCODED: &str = "YWRhOlBMQU5URUQtcGFzcy01ZjJh";

fn add(desk: &Desk, arguments: &[&str]) -> Ended {
    let mut command = desk.command(arguments);
    command.env("RESCUE_REMOTE_SECRET", PASSWORD);
    Ended::of(command.output().unwrap())
}

#[test]
fn planted_secrets_appear_nowhere() {
    let broken = Dav::start(|method, _, before| match method {
        "PUT" if before % 2 == 0 => Some(Fault::Answer(500, None)),
        _ => None,
    });
    let refusing = Dav::start(|_, _, _| Some(Fault::Answer(403, None)));
    let desk = Desk::new();
    desk.rescue_photos(3);
    let mut said = String::new();
    let gone = "http://127.0.0.1:1/dav";
    for (name, url) in [
        ("broken", broken.url()),
        ("refusing", refusing.url()),
        ("gone", gone.to_owned()),
    ] {
        let added = add(
            &desk,
            &[
                "remote", "add", name, "webdav", &url, "--user", "ada", "-vv",
            ],
        );
        said += &added.expect(0).all;
    }
    let s3 = [
        "remote",
        "add",
        "bucket",
        "s3",
        "bucket",
        "--endpoint",
        &refusing.url(),
        "--access-key-id",
        "ID",
    ];
    said += &add(&desk, &s3).expect(0).all;
    for name in ["broken", "refusing", "gone", "bucket"] {
        said += &desk.run(&["remote", "test", name, "-vv"]).all;
        said += &desk.run(&["remote", "test", name, "-vv", "--json"]).all;
    }
    for name in ["broken", "refusing", "bucket"] {
        said += &desk.upload(name, &["-vv"]).all;
        said += &desk.run(&["upload", "rescued", "--to", name, "-vv"]).all;
    }
    said += &desk.run(&["remote", "list", "-vv"]).all;
    said += &desk.run(&["status", "rescued", "--json"]).all;
    // A password where none belongs.
    let url = format!("https://ada:{PASSWORD}@cloud.example/dav");
    said += &desk
        .run(&["remote", "add", "y", "webdav", &url])
        .expect(2)
        .all;
    // A settings file that makes no sense, around a secret.
    let settings = desk.path("home/.config/rescue/remotes.toml");
    let mode = fs::metadata(&settings).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::write(&settings, format!("[remotes.a]\nsecret = {PASSWORD}\n")).unwrap();
    said += &desk.run(&["remote", "list", "-vv"]).expect(2).all;
    assert!(said.len() > 1000);
    for secret in [PASSWORD, ENCODED] {
        assert!(!said.contains(secret), "{said}");
    }
    // Nor in the rescue folder, which may be copied anywhere.
    let catalogue = fs::read(desk.path("rescued/rescue.db")).unwrap();
    let holds = |secret: &str| {
        let mut windows = catalogue.windows(secret.len());
        windows.any(|window| window == secret.as_bytes())
    };
    assert!(!holds(PASSWORD) && !holds(ENCODED));
}

#[test]
fn missing_secret_without_a_terminal_is_an_error_that_names_the_ways() {
    let desk = Desk::new();
    let ended = desk.run(&[
        "remote",
        "add",
        "x",
        "webdav",
        "http://127.0.0.1:1/",
        "--user",
        "ada",
    ]);
    let ended = ended.expect(2);
    assert!(ended.all.contains("--secret-file"), "{}", ended.all);
    assert!(ended.all.contains("RESCUE_REMOTE_SECRET"), "{}", ended.all);
    fs::write(desk.path("secret"), format!("{PASSWORD}\n")).unwrap();
    let file = [
        "remote",
        "add",
        "x",
        "webdav",
        "http://127.0.0.1:1/",
        "--user",
        "ada",
        "--secret-file",
        "secret",
    ];
    desk.run(&file).expect(0);
    let settings = fs::read_to_string(desk.path("home/.config/rescue/remotes.toml")).unwrap();
    assert!(settings.contains(PASSWORD));
}
