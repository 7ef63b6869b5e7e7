//! `rescue remote edit`: what is given replaces what was there, the rest stays, and a remote that does not work then
//! stays what it was.

use std::fs;

use crate::clouds::desk_with;
use crate::desk::{Desk, Ended};
use crate::dropbox::Dropbox;
use crate::immich::server::{Immich, KEY};
use crate::library::{CLIENT_ID, CLIENT_SECRET, Library, settle_in};
use crate::photos::sign_in;
use crate::stand::Stand;

/// The settings file as it is.
fn settings(desk: &Desk) -> String {
    fs::read_to_string(desk.path("home/.config/rescue/remotes.toml")).unwrap()
}

fn edit(desk: &Desk, name: &str, changes: &[&str]) -> Ended {
    let edit = [&["--json", "remote", "edit", name], changes].concat();
    desk.run(&edit)
}

#[test]
fn another_place_counts_as_one_that_has_nothing_yet() {
    let desk = Desk::new();
    for disk in ["first", "second"] {
        fs::create_dir(desk.path(disk)).unwrap();
    }
    desk.run(&["remote", "add", "disk", "folder", "first"])
        .expect(0);
    desk.rescue_photos(2);
    desk.upload("disk", &[]).expect(0);
    let ended = edit(&desk, "disk", &["second"]).expect(0);
    let line = ended.line("remote_edited");
    let place = |name: &str| desk.path(name).display().to_string();
    assert_eq!(line["target"], place("second"));
    assert_eq!(line["earlier_target"], place("first"));
    assert_eq!(line["tested"], true);
    let sent = |ended: &Ended| ended.line("upload_summary")["sent"].as_u64();
    assert_eq!(sent(&desk.upload("disk", &[]).expect(0)), Some(2));
    assert_eq!(desk.tree("first"), desk.tree("second"));
    // The receipts of the first one are still there, and its kind may be typed.
    let told = desk.run(&["remote", "edit", "disk", "folder", "first"]);
    let told = told.expect(0).all;
    assert!(
        told.contains("count as not sent to the new place"),
        "{told}"
    );
    assert_eq!(sent(&desk.upload("disk", &[]).expect(0)), Some(0));
    // The same again changes nothing.
    let before = settings(&desk);
    let ended = edit(&desk, "disk", &["first"]).expect(0);
    assert!(ended.line("remote_edited").get("earlier_target").is_none());
    assert_eq!(settings(&desk), before);
}

#[test]
fn what_cannot_be_changed_is_named_and_nothing_changes() {
    let desk = Desk::new();
    fs::create_dir(desk.path("disk")).unwrap();
    desk.run(&["remote", "add", "disk", "folder", "disk"])
        .expect(0);
    let s3 = ["s3", "photos", "--access-key-id", "ID", "--no-test"];
    fs::write(desk.path("key"), "hunter2").unwrap();
    let add = [
        &["remote", "add", "cloud"],
        &s3[..],
        &["--secret-file", "key"],
    ];
    desk.run(&add.concat()).expect(0);
    let before = settings(&desk);
    for (name, changes, message, hint) in [
        (
            "nas",
            &["--path", "x"][..],
            "no remote 'nas'",
            "cloud, disk",
        ),
        ("nas", &[], "no remote 'nas'", "cloud, disk"),
        (
            "disk",
            &["webdav", "https://cloud.example"],
            "of the kind folder, which cannot become webdav",
            "rescue remote remove disk",
        ),
        ("disk", &["nowhere"], "no folder nowhere", "make it first"),
        (
            "cloud",
            &["--region", "us west"],
            "not a valid region",
            "as in",
        ),
        (
            "cloud",
            &["--access-key-id", ""],
            "not a valid access key ID",
            "",
        ),
        ("cloud", &["--own-keys"], "--own-keys", ""),
        (
            "cloud",
            &["--endpoint", "http://127.0.0.1:1"],
            "",
            "--no-test",
        ),
        ("cloud", &[], "nothing to change is given", "--secret-file"),
    ] {
        let ended = edit(&desk, name, changes);
        assert_ne!(ended.code, 0, "{changes:?}: {}", ended.all);
        for part in [message, hint] {
            assert!(ended.all.contains(part), "{changes:?}: {}", ended.all);
        }
        assert_eq!(settings(&desk), before, "{changes:?}");
    }
    // Untried, the same is saved; an empty text removes what need not be there.
    let endpoint = ["--endpoint", "http://127.0.0.1:1", "--no-test"];
    let ended = edit(&desk, "cloud", &endpoint).expect(0);
    assert_eq!(ended.line("remote_edited")["tested"], false);
    assert_ne!(settings(&desk), before);
    edit(&desk, "cloud", &["--endpoint=", "--no-test"]).expect(0);
    assert_eq!(settings(&desk), before);
}

#[test]
fn secret_stays_until_another_one_works() {
    let immich = Immich::start((3, 2, 2), |_, _, _| None);
    let desk = Desk::new();
    fs::write(desk.path("key"), KEY).unwrap();
    let add = ["remote", "add", "photos", "immich", &immich.url()];
    let file = ["--secret-file", "key"];
    desk.run(&[&add[..], &file].concat()).expect(0);
    let before = settings(&desk);
    fs::write(desk.path("other"), "PLANTED-wrong-key").unwrap();
    let wrong = ["--secret-file", "other"];
    let refused = edit(&desk, "photos", &wrong).expect(1);
    assert!(
        refused.all.contains("Nothing was changed"),
        "{}",
        refused.all
    );
    assert!(!refused.all.contains("PLANTED"), "{}", refused.all);
    assert_eq!(settings(&desk), before);
    // The environment is for a new remote: another one's secret may be in it.
    let mut command = desk.command(&["remote", "edit", "photos", "--ca-file="]);
    command.env("RESCUE_REMOTE_SECRET", "PLANTED-wrong-key");
    Ended::of(command.output().unwrap()).expect(0);
    let untried = [&wrong[..], &["--no-test"]].concat();
    let ended = edit(&desk, "photos", &untried).expect(0);
    assert_eq!(ended.line("remote_edited")["secret_in"], "file");
    desk.run(&["remote", "test", "photos"]).expect(1);
    edit(&desk, "photos", &file).expect(0);
    assert_eq!(settings(&desk), before);
}

#[test]
fn folder_of_a_cloud_changes_and_its_sign_in_stays() {
    let stand = Stand::start(Dropbox::default(), |_, _| None);
    let desk = desk_with("dropbox", &stand);
    desk.rescue_photos(2);
    let before = settings(&desk);
    let ended = edit(&desk, "there", &["--path", "Other"]).expect(0);
    assert_eq!(ended.count("sign_in"), 0);
    let read = |text: &str| text.parse::<toml::Table>().unwrap();
    let expected = before.replace("\"Photos\"", "\"Other\"");
    assert_eq!(read(&settings(&desk)), read(&expected));
    desk.upload("there", &[]).expect(0);
    let there = stand.files();
    assert_eq!(there.len(), 2);
    assert!(
        there.keys().all(|path| path.starts_with("Other/")),
        "{:?}",
        there.keys()
    );
    stand.nothing_wrong();
}

#[test]
fn another_client_id_is_signed_in_with_and_the_latest_sign_in_is_kept() {
    let library = Library::start(|_| None);
    let desk = Desk::new();
    settle_in(&desk, &library, false);
    let file = desk.path("home/.config/rescue/remotes.toml");
    let old = settings(&desk).replace(CLIENT_ID, "9-old.apps.googleusercontent.com");
    fs::write(&file, old).unwrap();
    fs::write(desk.path("secret"), CLIENT_SECRET).unwrap();
    // Each sign-in is good for once, and gives the next one.
    library.state().rotates = true;
    let changes = ["--client-id", CLIENT_ID, "--secret-file", "secret"];
    let edit = [&["remote", "edit", "photos", "--json"], &changes[..]].concat();
    let ended = sign_in(desk.start(&edit));
    assert_eq!(ended.line("remote_edited")["name"], "photos");
    for _ in 0..2 {
        desk.run(&["remote", "test", "photos"]).expect(0);
    }
    library.no_complaints();
}
