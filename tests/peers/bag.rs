//! What is left behind needs no `rescue` to check it; and `rescue verify`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::adb::AdbVersion;
use crate::desk::{Desk, command, peers};
use crate::phone::{Age, Daemon, Phone};
use crate::pull::fill;
use crate::tree::{self, Tree};

on_both_daemons!(verify_against_the_phone_agrees_with_it,);

/// Demands that the BagIt validator and `sha256sum` accept a rescue folder.
#[track_caller]
pub(crate) fn assert_valid(folder: &Path) {
    let mut bagit = command(peers().join("venv/bin/python"));
    let output = bagit
        .args(["-m", "bagit", "--validate"])
        .arg(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "bagit: {output:?}");

    let manifest = fs::read_to_string(folder.join("manifest-sha256.txt")).unwrap();
    let files = tree::identities(&folder.join("data")).len();
    assert_eq!(
        manifest.lines().count(),
        files,
        "lines of the manifest, files in data/"
    );
    for manifest in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
        let path = folder.join(manifest);
        // sha256sum takes a list without lines for a mistake.
        if fs::metadata(&path).unwrap().len() == 0 {
            continue;
        }
        let mut sha256sum = command("sha256sum");
        let output = sha256sum.args(["--check", "--strict", "--quiet"]).arg(path);
        let output = output.current_dir(folder).output().unwrap();
        assert!(
            output.status.success(),
            "sha256sum --check {manifest}: {output:?}"
        );
    }
}

fn rescued(desk: &Desk) -> (Phone, PathBuf) {
    let phone = desk.phone(Daemon::open());
    fill(&phone, 30);
    let folder = desk.path("rescued");
    let arguments = [
        "pull",
        "--tcp",
        &phone.address(),
        "-o",
        folder.to_str().unwrap(),
    ];
    desk.rescue(&arguments).expect_code(0);
    (phone, folder)
}

#[test]
fn folder_with_odd_names_is_a_valid_bag_and_verifies() {
    let desk = Desk::new();
    let (_phone, folder) = rescued(&desk);
    assert_valid(&folder);
    let to = folder.to_str().unwrap();
    desk.rescue(&["verify", to]).expect_code(0);
    desk.rescue(&["status", to]).expect_code(0);
    for command in ["verify", "status"] {
        let finished = desk.rescue(&["--json", command, to]).expect_code(0);
        assert!(!finished.events().is_empty(), "{finished}");
    }
    assert_valid(&folder);
}

#[test]
fn folder_with_a_failed_item_is_a_valid_bag() {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    fill(&phone, 30);
    let refused = Tree::below(phone.internal()).file("DCIM/Camera/refused.jpg", 10_000);
    tree::allow(&refused, 0o000);
    let folder = desk.path("rescued");
    let to = folder.to_str().unwrap();
    desk.rescue(&["pull", "--tcp", &phone.address(), "-o", to])
        .expect_code(3);
    assert_valid(&folder);
    desk.rescue(&["status", to]).expect_said("refused.jpg");
}

#[test]
fn one_flipped_bit_is_found_and_the_file_named() {
    let desk = Desk::new();
    let (_phone, folder) = rescued(&desk);
    tree::flip_one_bit(&folder.join("data/internal/DCIM/Camera/IMG_00017.jpg"));
    let finished = desk.rescue(&["verify", folder.to_str().unwrap()]);
    let finished = finished.expect_said("IMG_00017.jpg");
    assert!(matches!(finished.code(), Some(1 | 3)), "{finished}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(!said.contains("IMG_00016.jpg"), "{finished}");
}

#[test]
fn missing_file_is_found_and_named_and_pulled_again() {
    let desk = Desk::new();
    let (phone, folder) = rescued(&desk);
    let gone = folder.join("data/internal/DCIM/Camera/IMG_00005.jpg");
    fs::remove_file(&gone).unwrap();
    let to = folder.to_str().unwrap();
    let finished = desk.rescue(&["verify", to]).expect_said("IMG_00005.jpg");
    assert!(matches!(finished.code(), Some(1 | 3)), "{finished}");
    desk.rescue(&["pull", "--tcp", &phone.address(), "-o", to])
        .expect_code(0);
    tree::assert_identical(&phone.internal().join("DCIM/Camera/IMG_00005.jpg"), &gone);
    assert_valid(&folder);
}

fn verify_against_the_phone_agrees_with_it(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let mut server = desk.adb_server(AdbVersion::Debian);
    server.connect(&phone);
    fill(&phone, 30);
    let folder = desk.path("rescued");
    let to = folder.to_str().unwrap();
    desk.rescue(&["pull", "-o", to]).expect_code(0);
    desk.rescue(&["verify", to, "--phone"]).expect_code(0);
    tree::flip_one_bit(&phone.internal().join("DCIM/Camera/IMG_00021.jpg"));
    let finished = desk
        .rescue(&["verify", to, "--phone"])
        .expect_said("IMG_00021.jpg");
    assert!(matches!(finished.code(), Some(1 | 3)), "{finished}");
}
