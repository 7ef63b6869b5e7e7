//! Immich's own command line program against the stand-in that `tests/upload` uses, and then ours:
//! that both end the same is what the stand-in's strictness is worth.

#[path = "../upload/immich/form.rs"]
mod form;
#[path = "../upload/immich/server.rs"]
pub(crate) mod server;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::desk::{Desk, Ended, photo};
use server::{Immich, KEY};

const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/remotes");

/// Runs Immich's program; what it said comes back.
fn immich(desk: &Desk, server: &Immich, folder: &Path, album: &str) -> String {
    let mut command = Command::new(format!("{INSTALLED}/venv/bin/node"));
    command
        .arg(format!(
            "{INSTALLED}/immich-cli/node_modules/@immich/cli/bin/immich"
        ))
        .args(["--config-directory", desk.path("immich").to_str().unwrap()])
        .args(["--url", &server.url(), "--key", KEY])
        .args(["upload", "--recursive", "--album-name", album])
        .arg(folder)
        .env_clear()
        .env("HOME", desk.path("home"))
        .env("TZ", "UTC");
    let output = command.output();
    let output =
        output.unwrap_or_else(|e| panic!("{command:?}: {e}; run tests/remotes/install first"));
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    said
}

pub(crate) fn add(desk: &Desk, server: &Immich) {
    let mut command = desk.command(&["remote", "add", "photos", "immich", &server.url()]);
    command.env("RESCUE_REMOTE_SECRET", KEY);
    Ended::of(command.output().unwrap()).expect(0);
}

/// What makes an asset: name, size and hash, and the date that the file has on the disk.
fn assets(server: &Immich) -> BTreeMap<String, (String, u64, String)> {
    let assets = server.assets().into_iter();
    assets
        .map(|(sha1, asset)| {
            let modified = chrono::DateTime::parse_from_rfc3339(&asset.modified).unwrap();
            let modified = modified.to_utc().format("%Y-%m-%dT%H:%M:%S").to_string();
            (sha1, (asset.name, asset.size, modified))
        })
        .collect()
}

#[test]
fn its_own_program_and_ours_leave_the_same_behind() {
    let desk = Desk::new();
    let mut files: Vec<_> = (0..30)
        .map(|nth| {
            let name = format!("internal/DCIM/Camera/IMG_{nth:04}.jpg");
            (name, photo(nth, 10_000 + nth * 7_777))
        })
        .collect();
    for (nth, name) in ["été 2024 + #1.jpg", "a b (2).png", "日本.heic", "x.mp4"]
        .into_iter()
        .enumerate()
    {
        files.push((
            format!("internal/Pictures/{name}"),
            photo(100 + nth, 4_000_000),
        ));
    }
    desk.rescue(&files);
    let data = desk.path("rescued/data");

    let theirs = Immich::start((3, 2, 2), |_, _, _| None);
    let said = immich(&desk, &theirs, &data, "Old phone");
    assert!(said.contains("34 new files"), "{said}");
    theirs.was_spoken_to_rightly();

    let ours = Immich::start((3, 2, 2), |_, _, _| None);
    add(&desk, &ours);
    let ended = desk.upload("photos", &["--album", "Old phone"]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 34);
    ours.was_spoken_to_rightly();

    assert_eq!(assets(&ours), assets(&theirs));
    assert_eq!(ours.albums(), theirs.albums());
    assert_eq!(ours.albums()["Old phone"].len(), 34);

    // Each finds what the other one has sent.
    let said = immich(&desk, &ours, &data, "Old phone");
    assert!(said.contains("34 duplicates"), "{said}");
    let second = Desk::new();
    add(&second, &theirs);
    second.rescue(&files);
    let ended = second.upload("photos", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["already_there"], 34);
    for server in [&ours, &theirs] {
        assert_eq!(server.requests("POST", "/api/assets"), 34);
        server.was_spoken_to_rightly();
    }
}
