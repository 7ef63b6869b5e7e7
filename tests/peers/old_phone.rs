//! A daemon as of Android 6: sync v1 with its 32-bit sizes, no shell_v2, 4 KiB at a time, checksums.

use crate::adb::AdbVersion;
use crate::desk::Desk;
use crate::phone::{Age, Daemon};
use crate::pull::{assert_complete, fill};
use crate::tree::{self, Tree};

fn old() -> Daemon {
    Daemon {
        age: Age::Android6,
        ..Daemon::default()
    }
}

#[test]
fn android_6_gives_everything() {
    let desk = Desk::new();
    let phone = desk.phone(old());
    let mut unwanted = fill(&phone, 200);
    let refused = Tree::below(phone.internal()).file("DCIM/Camera/refused.jpg", 10_000);
    tree::allow(&refused, 0o000);
    unwanted.push(refused);
    let folder = desk.path("rescued");
    let arguments = [
        "pull",
        "--tcp",
        &phone.address(),
        "-o",
        folder.to_str().unwrap(),
    ];
    let finished = desk
        .rescue(&arguments)
        .noted_as("200 photos of 50 KB, Android 6, direct");
    finished.expect_code(3).expect_said("refused.jpg");
    assert_complete(&phone, &folder, &unwanted);
    desk.rescue(&["verify", folder.to_str().unwrap()])
        .expect_code(0);
}

#[test]
fn android_6_through_a_server_gives_everything() {
    for version in [AdbVersion::Debian, AdbVersion::Google] {
        let desk = Desk::new();
        let phone = desk.phone(old());
        let mut server = desk.adb_server(version);
        server.connect(&phone);
        let unwanted = fill(&phone, 50);
        let folder = desk.path("rescued");
        desk.rescue(&["pull", "-o", folder.to_str().unwrap()])
            .expect_code(0);
        assert_complete(&phone, &folder, &unwanted);
    }
}

#[test]
fn file_whose_size_does_not_fit_32_bits_arrives_whole() {
    let desk = Desk::new();
    let phone = desk.phone(old());
    let video =
        Tree::below(phone.internal()).sparse_file("DCIM/Camera/VID.mp4", (4 << 30) + 12_345);
    let folder = desk.path("rescued");
    let arguments = [
        "pull",
        "--tcp",
        &phone.address(),
        "-o",
        folder.to_str().unwrap(),
    ];
    let finished = desk
        .rescue(&arguments)
        .noted_as("one file of 4 GiB, Android 6, direct");
    let finished = finished.expect_code(0);
    tree::assert_identical(&video, &folder.join("data/internal/DCIM/Camera/VID.mp4"));
    drop(finished);
}
