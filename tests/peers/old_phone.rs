//! Daemons from before Android 7: sync v1 with its 32-bit sizes, no shell_v2, small payloads,
//! checksums.

use crate::adb::AdbVersion;
use crate::desk::Desk;
use crate::phone::{Age, Daemon};
use crate::pull::{assert_complete, fill};
use crate::tree::{self, Tree};

fn old(age: Age) -> Daemon {
    Daemon {
        age,
        ..Daemon::default()
    }
}

fn everything_arrives_directly(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(old(age));
    let mut unwanted = fill(&phone, 200);
    let refused = Tree::below(phone.internal()).file("DCIM/Camera/refused.jpg", 10_000);
    tree::allow(&refused, 0o000);
    unwanted.push(refused);
    let folder = desk.path("rescued");
    let to = folder.to_str().unwrap();
    let finished = desk.rescue(&["pull", "--tcp", &phone.address(), "-o", to]);
    let finished = finished.noted_as(&format!("200 photos of 50 KB, {age:?}, direct"));
    finished.expect_code(3).expect_said("refused.jpg");
    assert_complete(&phone, &folder, &unwanted);
    desk.rescue(&["verify", to]).expect_code(0);
}

#[test]
fn android_4_gives_everything() {
    everything_arrives_directly(Age::Android4);
}

#[test]
fn shell_of_android_4_is_a_terminal_and_its_only_one() {
    let desk = Desk::new();
    let phone = desk.phone(old(Age::Android4));
    let mut server = desk.adb_server(AdbVersion::Debian);
    server.connect(&phone);
    let shell = server.adb(&["-s", &phone.address(), "shell", "echo a; tty"]);
    assert!(shell.starts_with("a\r\n/dev/"), "{shell:?}");
    let exec = server.adb(&["-s", &phone.address(), "exec-out", "echo", "a"]);
    assert!(exec.contains("closed"), "{exec:?}");
}

#[test]
fn android_6_gives_everything() {
    everything_arrives_directly(Age::Android6);
}

fn everything_arrives_through_a_server(age: Age, version: AdbVersion) {
    let desk = Desk::new();
    let phone = desk.phone(old(age));
    let mut server = desk.adb_server(version);
    server.connect(&phone);
    let features = server.adb(&["-s", &phone.address(), "features"]);
    assert_eq!(features.trim(), "", "this phone is not old");
    let unwanted = fill(&phone, 50);
    let folder = desk.path("rescued");
    desk.rescue(&["pull", "-o", folder.to_str().unwrap()])
        .expect_code(0);
    assert_complete(&phone, &folder, &unwanted);
}

#[test]
fn android_4_through_debian_server_gives_everything() {
    everything_arrives_through_a_server(Age::Android4, AdbVersion::Debian);
}

#[test]
fn android_6_through_google_server_gives_everything() {
    everything_arrives_through_a_server(Age::Android6, AdbVersion::Google);
}

#[test]
fn file_whose_size_does_not_fit_32_bits_arrives_whole() {
    let desk = Desk::new();
    let phone = desk.phone(old(Age::Android6));
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
