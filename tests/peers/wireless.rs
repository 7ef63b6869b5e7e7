//! Wireless debugging through an adb server: AOSP's pairing server and its daemon over TLS.

use crate::adb::{AdbServer, AdbVersion};
use crate::desk::{Desk, wait_for};
use crate::phone::{Access, Age, Daemon, Phone};
use crate::pull::{assert_complete, fill};

const CODE: &str = "592781";

fn wireless(desk: &Desk) -> (Phone, AdbServer<'_>) {
    let phone = desk.phone(Daemon::with_access(Age::Android14, Access::Paired));
    (phone, desk.adb_server(AdbVersion::Google))
}

/// adb's own race fails now and then also three times in a row.
fn connect(desk: &Desk, phone: &Phone) {
    wait_for("a connection that adb keeps", || {
        let ended = desk.rescue(&["connect", &phone.address()]);
        match ended.code() {
            Some(0) => true,
            _ => {
                ended.expect_said("pair a new phone first").expect_code(10);
                false
            }
        }
    });
}

#[test]
fn phone_is_paired_connected_and_pulled() {
    let desk = Desk::new();
    let (phone, _server) = wireless(&desk);
    let unwanted = fill(&phone, 200);
    desk.rescue(&["connect", &phone.address()])
        .expect_said("pair a new phone first")
        .expect_code(10);

    let dialog = phone.pair(CODE);
    desk.rescue(&["connect", &dialog.address(), "--pair", "592 781"])
        .expect_said("Next: `rescue connect`")
        .expect_code(0);
    dialog.done();
    connect(&desk, &phone);
    let folder = desk.path("rescued");
    let to = folder.to_str().unwrap();
    desk.rescue(&["pull", "-o", to])
        .noted_as("200 photos of 50 KB, over TLS")
        .expect_code(0);
    assert_complete(&phone, &folder, &unwanted);
    desk.rescue(&["doctor"])
        .expect_said("through the adb server, Android 14")
        .expect_code(0);

    // No server, no TLS.
    desk.rescue(&["pull", "--tcp", &phone.address(), "-o", to])
        .expect_said("port for wireless debugging, which is encrypted")
        .expect_said("rescue connect HOST:PORT --pair CODE")
        .expect_code(1);
}

#[test]
fn wrong_code_is_named_and_the_right_one_works_then() {
    let desk = Desk::new();
    let (phone, _server) = wireless(&desk);
    let dialog = phone.pair(CODE);
    let address = dialog.address();
    desk.rescue(&["connect", &address, "--pair", "592782"])
        .expect_said("the code is wrong")
        .expect_code(10);
    drop(dialog);
    desk.rescue(&["connect", &address, "--pair", CODE])
        .expect_said("nothing listens at that port")
        .expect_code(10);
    let dialog = phone.pair(CODE);
    desk.rescue(&["connect", &dialog.address(), "--pair", CODE])
        .expect_code(0);
    dialog.done();
    connect(&desk, &phone);
}

#[test]
fn server_too_old_to_pair_is_named() {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::with_access(Age::Android14, Access::Paired));
    let _server = desk.adb_server(AdbVersion::Debian);
    let dialog = phone.pair(CODE);
    desk.rescue(&["connect", &dialog.address(), "--pair", CODE])
        .expect_said("too old to pair")
        .expect_code(10);
}
