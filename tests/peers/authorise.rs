//! "Allow USB debugging?": RSA keys, shared with adb.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::adb::AdbVersion;
use crate::desk::{Desk, output_of};
use crate::phone::{Access, Age, Daemon, Phone, Tap};
use crate::tree::{Tree, assert_same_files, files_below};

on_both_daemons!(
    unknown_key_that_nobody_allows_exits_11,
    tap_on_always_lets_the_pull_go_on_and_is_remembered_and_adb_shares_the_key,
    tap_on_allow_counts_for_this_connection,
    phone_allowed_for_adb_lets_rescue_in,
    key_named_on_the_command_line_or_by_adb_vendor_keys_is_offered,
);

fn phone_with_photos(desk: &Desk, age: Age, access: Access) -> Phone {
    let phone = desk.phone(Daemon::with_access(age, access));
    Tree::below(phone.internal()).photos("DCIM/Camera", 20, 10_000);
    phone
}

#[track_caller]
fn assert_photos_are_here(desk: &Desk, phone: &Phone) {
    let here = files_below(&desk.path("rescued/data/internal/DCIM/Camera"));
    assert_same_files(&files_below(&phone.internal().join("DCIM/Camera")), &here);
}

/// A key that adb makes.
fn key_by_adb(desk: &Desk, version: AdbVersion, path: PathBuf) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    output_of(desk.command(version.program()).arg("keygen").arg(&path));
    path
}

/// The public half, which adb puts beside a key.
fn public_half(key: &Path) -> PathBuf {
    let mut path = key.as_os_str().to_owned();
    path.push(".pub");
    PathBuf::from(path)
}

fn unknown_key_that_nobody_allows_exits_11(age: Age) {
    let desk = Desk::new();
    let phone = phone_with_photos(&desk, age, Access::Asks);
    let to = desk.path("rescued");
    let arguments = [
        "pull",
        "--wait",
        "2",
        "--tcp",
        &phone.address(),
        "-o",
        to.to_str().unwrap(),
    ];
    let finished = desk.rescue(&arguments).expect_code(11).expect_said("Allow");
    assert!(phone.asks(), "the phone never saw the key: {finished}");
    let waited = finished.duration;
    assert!(
        (Duration::from_secs(2)..Duration::from_secs(20)).contains(&waited),
        "{finished}"
    );
}

fn tap_on_always_lets_the_pull_go_on_and_is_remembered_and_adb_shares_the_key(age: Age) {
    let desk = Desk::new();
    let phone = phone_with_photos(&desk, age, Access::Asks);
    let to = desk.path("rescued");
    let (address, to) = (phone.address(), to.to_str().unwrap());
    let running = desk.rescue_started(&["pull", "--wait", "60", "--tcp", &address, "-o", to]);
    phone.tap(Tap::Always);
    running.finish().expect_code(0);
    assert_photos_are_here(&desk, &phone);

    desk.rescue(&["pull", "--wait", "5", "--tcp", &address, "-o", to])
        .expect_code(0);
    assert!(!phone.asks(), "{}", phone.log());

    for version in [AdbVersion::Debian, AdbVersion::Google] {
        let mut server = desk.adb_server(version);
        server.connect(&phone);
        assert_eq!(server.adb(&["shell", "echo", "let in"]).trim(), "let in");
    }
}

fn tap_on_allow_counts_for_this_connection(age: Age) {
    let desk = Desk::new();
    let phone = phone_with_photos(&desk, age, Access::Asks);
    let to = desk.path("rescued");
    let (address, to) = (phone.address(), to.to_str().unwrap());
    let running = desk.rescue_started(&["pull", "--wait", "60", "--tcp", &address, "-o", to]);
    phone.tap(Tap::Allow);
    running.finish().expect_code(0);
    assert_photos_are_here(&desk, &phone);
}

fn phone_allowed_for_adb_lets_rescue_in(age: Age) {
    for version in [AdbVersion::Debian, AdbVersion::Google] {
        let desk = Desk::new();
        let key = key_by_adb(&desk, version, desk.home().join(".android/adbkey"));
        let before = (
            fs::read(&key).unwrap(),
            fs::read(public_half(&key)).unwrap(),
        );
        let phone = phone_with_photos(&desk, age, Access::Knows(public_half(&key)));
        let to = desk.path("rescued");
        let arguments = [
            "pull",
            "--wait",
            "5",
            "--tcp",
            &phone.address(),
            "-o",
            to.to_str().unwrap(),
        ];
        desk.rescue(&arguments).expect_code(0);
        assert_photos_are_here(&desk, &phone);
        assert_eq!(
            before,
            (
                fs::read(&key).unwrap(),
                fs::read(public_half(&key)).unwrap()
            )
        );
    }
}

fn key_named_on_the_command_line_or_by_adb_vendor_keys_is_offered(age: Age) {
    let desk = Desk::new();
    let key = key_by_adb(&desk, AdbVersion::Debian, desk.path("keys/other.adb_key"));
    let phone = phone_with_photos(&desk, age, Access::Knows(public_half(&key)));
    let (address, to) = (phone.address(), desk.path("rescued"));
    let arguments = [
        "pull",
        "--wait",
        "5",
        "--tcp",
        &address,
        "-o",
        to.to_str().unwrap(),
    ];
    desk.rescue(&[&arguments[..], &["--key", key.to_str().unwrap()]].concat())
        .expect_code(0);
    assert_photos_are_here(&desk, &phone);

    for vendor in [desk.path("keys"), key] {
        let mut command = desk.rescue_command(&arguments);
        command.env("ADB_VENDOR_KEYS", vendor);
        crate::rescue::Running::start(command)
            .finish()
            .expect_code(0);
    }
    desk.rescue(&[
        "pull",
        "--wait",
        "1",
        "--tcp",
        &address,
        "-o",
        to.to_str().unwrap(),
    ])
    .expect_code(11);
}

#[test]
fn key_that_rescue_made_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    let phone = phone_with_photos(&desk, Age::Android10, Access::Asks);
    let to = desk.path("rescued");
    let arguments = [
        "pull",
        "--wait",
        "1",
        "--tcp",
        &phone.address(),
        "-o",
        to.to_str().unwrap(),
    ];
    desk.rescue(&arguments).expect_code(11);
    let mode = fs::metadata(desk.home().join(".android/adbkey"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
