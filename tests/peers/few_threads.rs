//! A user who may have few threads: `rescue` does with what there is, or says so.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::desk::Desk;
use crate::phone::{Daemon, Phone};
use crate::rescue::{Finished, Running};
use crate::tree::Tree;

/// Nobody else's: what others run does not count.
const USER: &str = "48317";

fn with_threads(desk: &Desk, most: u32, words: &[&str]) -> Finished {
    let mut command = desk.command("prlimit");
    command
        .arg(format!("--nproc={most}:{most}"))
        .args([
            "setpriv",
            "--reuid",
            USER,
            "--regid",
            USER,
            "--clear-groups",
        ])
        .arg(env!("CARGO_BIN_EXE_rescue"))
        .args(words);
    Running::start(command).finish()
}

#[track_caller]
fn does_it_or_says_why(most: u32, ended: &Finished) -> bool {
    let is_done = ended.code() == Some(0);
    let says_why = ended.stderr.contains("no more threads");
    // An upload does what it can, and lists the rest.
    let ends_rightly = matches!(ended.code(), Some(1 | 3)) && says_why;
    assert!(is_done || ends_rightly, "{most}: {ended}");
    assert!(!ended.stderr.contains("panicked"), "{most}: {ended}");
    is_done
}

fn everything(phone: &Phone) {
    let mut tree = Tree::below(phone.internal());
    tree.photos("DCIM/Camera", 40, 30_000);
    tree.file("DCIM/Camera/VID.mp4", 5_000_000);
}

#[test]
fn commands_do_with_the_threads_there_are_or_say_that_there_are_none() {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    everything(&phone);
    // The user has to get there.
    let open = |path: &std::path::Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    };
    open(&desk.path(""));
    open(&desk.home());
    let mut done = 0;
    for most in 1..14 {
        let (folder, archive, there) = (
            desk.path(&format!("rescued-{most}")),
            desk.path(&format!("photos-{most}.zip")),
            desk.path(&format!("there-{most}")),
        );
        fs::create_dir(&there).unwrap();
        open(&there);
        let (to, zip) = (folder.to_str().unwrap(), archive.to_str().unwrap());
        let pull = ["pull", "--tcp", &phone.address(), "-o", to];
        let pulled = does_it_or_says_why(most, &with_threads(&desk, most, &pull));
        if !pulled {
            // What was begun is gone on with.
            with_threads(&desk, 100, &pull).expect_code(0);
        }
        let verified = with_threads(&desk, most, &["verify", to]);
        let exported = with_threads(&desk, most, &["export", to, "-o", zip]);
        let remote = format!("there-{most}");
        let add = ["remote", "add", &remote, "folder", there.to_str().unwrap()];
        with_threads(&desk, 100, &add).expect_code(0);
        let uploaded = with_threads(&desk, most, &["upload", to, "--to", &remote]);
        does_it_or_says_why(most, &uploaded);
        let here = [verified, exported].map(|ended| does_it_or_says_why(most, &ended));
        done += u32::from(pulled && here == [true; 2]);
    }
    assert!(done > 3, "{done} did all of it");
}
