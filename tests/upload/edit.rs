//! `rescue remote edit`: what is given replaces what was there, the rest stays, and a remote that does not work then
//! stays what it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

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
    // The environment gives a new one, too: the old one is not sent to another server then.
    for changes in [&["--ca-file="][..], &[]] {
        let mut command = desk.command(&["remote", "edit", "photos"]);
        command.env("RESCUE_REMOTE_SECRET", "PLANTED-wrong-key");
        Ended::of(command.args(changes).output().unwrap()).expect(1);
        assert_eq!(settings(&desk), before);
    }
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

/// A person takes minutes, and other runs change the settings meanwhile.
#[test]
fn what_changes_while_a_remote_is_tried_is_kept() {
    let desk = Desk::new();
    let file = desk.path("home/.config/rescue/remotes.toml");
    let meanwhile = desk.path("meanwhile");
    let immich = {
        let (file, meanwhile) = (file.clone(), meanwhile.clone());
        Immich::start((3, 2, 2), move |_, _, _| {
            let _ = fs::rename(&meanwhile, &file);
            None
        })
    };
    fs::write(desk.path("key"), KEY).unwrap();
    fs::create_dir(desk.path("disk")).unwrap();
    desk.run(&["remote", "add", "disk", "folder", "disk"])
        .expect(0);
    let url = immich.url();
    let add = |name: &str| {
        let add = ["remote", "add", name, "immich", &url];
        desk.run(&[&add[..], &["--secret-file", "key"]].concat())
    };
    let other = settings(&desk).replace("remotes.disk", "remotes.other");
    fs::write(&meanwhile, &other).unwrap();
    add("photos").expect(0);
    let both = settings(&desk);
    assert!(both.contains("remotes.other") && !both.contains("remotes.disk"));
    // Its name was taken.
    let taken = other.replace("remotes.other", "remotes.taken");
    fs::write(&meanwhile, &taken).unwrap();
    let refused = add("taken").expect(2);
    assert!(refused.all.contains("already exists"), "{}", refused.all);
    assert_eq!(settings(&desk), taken);
    // It became another one.
    fs::write(&file, &both).unwrap();
    let became = both.replace(&url, "https://other.example");
    fs::write(&meanwhile, &became).unwrap();
    let refused = edit(&desk, "photos", &["--secret-file", "key"]).expect(2);
    assert!(refused.all.contains("meanwhile"), "{}", refused.all);
    assert_eq!(settings(&desk), became);
}

#[test]
fn change_that_cannot_be_saved_leaves_the_keyring_as_it_was() {
    let desk = Desk::new();
    let program = desk.path("bin/secret-tool");
    fs::create_dir(desk.path("bin")).unwrap();
    let script = "#!/bin/sh\ncd \"${0%/*}\" || exit 1\ncase $1 in\nstore) cat >kept\n\
        [ -e breaks ] || exit 0\nmv ../home/.config/rescue/remotes.toml breaks\n\
        mkdir -p ../home/.config/rescue/remotes.toml/full ;;\n\
        lookup) cat kept ;;\nclear) rm -f kept ;;\nesac\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", desk.path("bin").display());
    let run = |arguments: &[&str], secret: &str| {
        let mut command = desk.command(arguments);
        command
            .args(["--no-test", "--json"])
            .env("PATH", &path)
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
            .env("RESCUE_REMOTE_SECRET", secret);
        Ended::of(command.output().unwrap())
    };
    let dav = ["webdav", "https://cloud.example/dav", "--user", "ada"];
    let added = run(
        &[&["remote", "add", "nas"], &dav[..]].concat(),
        "PLANTED-old",
    )
    .expect(0);
    assert_eq!(added.line("remote_added")["secret_in"], "keyring");
    let kept = || fs::read_to_string(desk.path("bin/kept")).unwrap();
    assert_eq!(kept(), "PLANTED-old");
    fs::write(desk.path("bin/breaks"), "").unwrap();
    let failed = run(&["remote", "edit", "nas"], "PLANTED-new");
    assert!(failed.all.contains("cannot write"), "{}", failed.all);
    assert_eq!(kept(), "PLANTED-old");
}

#[test]
fn folder_is_given_no_secret() {
    let desk = Desk::new();
    fs::create_dir(desk.path("disk")).unwrap();
    fs::write(desk.path("key"), "PLANTED").unwrap();
    let add = ["remote", "add", "disk", "folder", "disk"];
    let file = ["--secret-file", "key"];
    let refused = desk.run(&[&add[..], &file].concat()).expect(2);
    assert!(refused.all.contains("--secret-file"), "{}", refused.all);
    desk.run(&add).expect(0);
    let before = settings(&desk);
    let refused = edit(&desk, "disk", &file).expect(2);
    assert!(refused.all.contains("--secret-file"), "{}", refused.all);
    assert_eq!(settings(&desk), before);
}
