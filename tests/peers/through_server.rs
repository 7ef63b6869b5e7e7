//! Through an adb server, Debian's and Google's.

use crate::adb::AdbVersion;
use crate::desk::Desk;
use crate::phone::{Access, Age, Daemon};
use crate::pull::{assert_complete, fill};
use crate::tree::{self, Tree};

on_both_daemons!(
    debian_server_gives_two_thousand_photos,
    google_server_gives_two_thousand_photos,
    debian_server_gives_a_file_of_more_than_4_gib,
    google_server_gives_a_file_of_more_than_4_gib,
    connect_through_debian_server_makes_the_phone_usable,
    connect_through_google_server_makes_the_phone_usable,
    phone_that_does_not_know_the_server_exits_11_and_is_listed,
);

fn two_thousand_photos_arrive(age: Age, version: AdbVersion) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let mut server = desk.adb_server(version);
    server.connect(&phone);
    let mut unwanted = fill(&phone, 2_000);
    let refused = Tree::below(phone.internal()).file("DCIM/Camera/refused.jpg", 10_000);
    tree::allow(&refused, 0o000);
    unwanted.push(refused);
    let folder = desk.path("rescued");
    let to = folder.to_str().unwrap();
    let first = desk.rescue(&["--json", "pull", "-o", to]);
    let first = first.noted_as(&format!(
        "2,000 photos of 50 KB, through the adb server ({version:?}), {age:?}"
    ));
    first.expect_code(3).expect_said("refused.jpg");
    assert_complete(&phone, &folder, &unwanted);

    let before = tree::identities(&folder.join("data"));
    let again = desk
        .rescue(&["--json", "pull", "-s", &phone.address(), "-o", to])
        .expect_code(3);
    assert_eq!(again.count_of("pulled"), 0, "{again}");
    assert_eq!(before, tree::identities(&folder.join("data")));
}

fn debian_server_gives_two_thousand_photos(age: Age) {
    two_thousand_photos_arrive(age, AdbVersion::Debian);
}

fn google_server_gives_two_thousand_photos(age: Age) {
    two_thousand_photos_arrive(age, AdbVersion::Google);
}

fn file_of_more_than_4_gib_arrives(age: Age, version: AdbVersion) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let mut server = desk.adb_server(version);
    server.connect(&phone);
    let video =
        Tree::below(phone.internal()).sparse_file("DCIM/Camera/VID.mp4", (4 << 30) + 12_345);
    let folder = desk.path("rescued");
    let finished = desk
        .rescue(&["pull", "-o", folder.to_str().unwrap()])
        .expect_code(0);
    finished.noted_as(&format!(
        "one file of 4 GiB, through the adb server ({version:?}), {age:?}"
    ));
    tree::assert_identical(&video, &folder.join("data/internal/DCIM/Camera/VID.mp4"));
}

fn debian_server_gives_a_file_of_more_than_4_gib(age: Age) {
    file_of_more_than_4_gib_arrives(age, AdbVersion::Debian);
}

fn google_server_gives_a_file_of_more_than_4_gib(age: Age) {
    file_of_more_than_4_gib_arrives(age, AdbVersion::Google);
}

fn connect_makes_the_phone_usable(age: Age, version: AdbVersion) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let mut server = desk.adb_server(version);
    desk.rescue(&["connect", &phone.address()])
        .expect_code(0)
        .expect_said(&phone.address());
    assert_eq!(
        server
            .adb(&["-s", &phone.address(), "shell", "echo", "ok"])
            .trim(),
        "ok"
    );
    desk.rescue(&["devices"])
        .expect_code(0)
        .expect_said(&phone.address());
    let devices = desk.rescue(&["--json", "devices"]).expect_code(0);
    assert!(!devices.events().is_empty(), "{devices}");
}

fn connect_through_debian_server_makes_the_phone_usable(age: Age) {
    connect_makes_the_phone_usable(age, AdbVersion::Debian);
}

fn connect_through_google_server_makes_the_phone_usable(age: Age) {
    connect_makes_the_phone_usable(age, AdbVersion::Google);
}

#[test]
fn connect_to_nobody_fails_and_names_the_address() {
    let desk = Desk::new();
    let _server = desk.adb_server(AdbVersion::Debian);
    let address = format!("127.0.0.1:{}", crate::support::ports::free());
    let finished = desk.rescue(&["connect", &address]).expect_said(&address);
    assert!(matches!(finished.code(), Some(1 | 10)), "{finished}");
}

#[test]
fn server_without_phones_exits_10() {
    let desk = Desk::new();
    let _server = desk.adb_server(AdbVersion::Debian);
    let to = desk.path("rescued");
    desk.rescue(&["pull", "--wait", "1", "-o", to.to_str().unwrap()])
        .expect_code(10);
}

#[test]
fn no_server_and_no_address_exits_10() {
    let desk = Desk::new();
    let to = desk.path("rescued");
    desk.rescue(&["pull", "--wait", "1", "-o", to.to_str().unwrap()])
        .expect_code(10);
}

fn phone_that_does_not_know_the_server_exits_11_and_is_listed(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::with_access(age, Access::Asks));
    let mut server = desk.adb_server(AdbVersion::Debian);
    server.adb(&["connect", &phone.address()]);
    desk.rescue(&["devices"])
        .expect_said(&phone.address())
        .expect_said("unauthorized");
    let to = desk.path("rescued");
    desk.rescue(&["pull", "--wait", "1", "-o", to.to_str().unwrap()])
        .expect_code(11);
}
