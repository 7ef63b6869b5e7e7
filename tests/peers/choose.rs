//! Several phones on one adb server.

use std::path::Path;

use crate::adb::AdbVersion;
use crate::bag;
use crate::desk::Desk;
use crate::phone::{Age, Daemon};
use crate::tree::{Tree, allow, assert_same_files, files_below};

#[test]
fn two_phones_need_a_choice_and_each_can_be_chosen() {
    let desk = Desk::new();
    let (one, two) = (
        desk.phone(Daemon::open()),
        desk.phone(Daemon::of(Age::Android14)),
    );
    let mut server = desk.adb_server(AdbVersion::Debian);
    for phone in [&one, &two] {
        server.connect(phone);
        Tree::below(phone.internal()).photos("DCIM/Camera", 20, 10_000);
    }
    let to = desk.path("rescued");
    let undecided = desk.rescue(&["pull", "--wait", "1", "-o", to.to_str().unwrap()]);
    let undecided = undecided
        .expect_said(&one.address())
        .expect_said(&two.address());
    undecided.expect_said("-s").expect_code(2);
    assert!(!to.join("data").exists());

    for phone in [&one, &two] {
        let folder = desk.path(&format!("rescued-{}", phone.port()));
        let arguments = [
            "pull",
            "-s",
            &phone.address(),
            "-o",
            folder.to_str().unwrap(),
        ];
        desk.rescue(&arguments).expect_code(0);
        let (camera, here) = ("DCIM/Camera", "data/internal/DCIM/Camera");
        let on_phone = files_below(&phone.internal().join(camera));
        assert_same_files(&on_phone, &files_below(&folder.join(here)));
    }
}

#[test]
fn serial_that_is_not_there_exits_10_and_names_those_that_are() {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    let mut server = desk.adb_server(AdbVersion::Google);
    server.connect(&phone);
    let to = desk.path("rescued");
    let arguments = [
        "pull",
        "-s",
        "NOSUCHPHONE",
        "--wait",
        "1",
        "-o",
        to.to_str().unwrap(),
    ];
    desk.rescue(&arguments)
        .expect_code(10)
        .expect_said("NOSUCHPHONE")
        .expect_said(&phone.address());
}

#[test]
fn second_phone_is_kept_out_of_the_first_ones_folder() {
    let desk = Desk::new();
    let phones = [
        desk.phone(Daemon::open()),
        desk.phone(Daemon::of(Age::Android14)),
    ];
    for phone in &phones {
        phone.set_serial(&format!("PHONE{}", phone.port()));
        Tree::below(phone.internal()).photos("DCIM/Camera", 5, 10_000);
    }
    let folder = desk.path("rescued");
    let to = folder.to_str().unwrap();
    desk.rescue(&["pull", "--tcp", &phones[0].address(), "-o", to])
        .expect_code(0);
    let before = files_below(&folder.join("data"));
    desk.rescue(&["pull", "--tcp", &phones[1].address(), "-o", to])
        .expect_code(1);
    assert_same_files(&before, &files_below(&folder.join("data")));
}

#[test]
fn all_phones_at_once_get_a_folder_each() {
    let desk = Desk::new();
    let phones = [
        desk.phone(Daemon::open()),
        desk.phone(Daemon::of(Age::Android14)),
    ];
    let mut server = desk.adb_server(AdbVersion::Debian);
    for phone in &phones {
        phone.set_serial(&format!("PHONE{}", phone.port()));
        server.connect(phone);
        Tree::below(phone.internal()).photos("DCIM/Camera", 20, 10_000);
    }
    let refused = Tree::below(phones[1].internal()).file("DCIM/Camera/refused.jpg", 10_000);
    let to = desk.path("rescued");
    let pull = ["--json", "pull", "--all-phones", "-o", to.to_str().unwrap()];
    allow(&refused, 0o000);
    let finished = desk.rescue(&pull).expect_code(3);
    let events = finished.events();
    let summaries: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "summary")
        .collect();
    assert_eq!(summaries.len(), 2, "{finished}");
    for phone in &phones {
        let mut own = summaries.iter();
        let own = own.find(|summary| summary["phone"] == phone.address().as_str());
        let folder = Path::new(own.unwrap()["folder"].as_str().unwrap());
        assert_eq!(folder.parent(), Some(to.as_path()));
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(name.contains(&format!("PHONE{}", phone.port())), "{name}");
        let mut on_phone = files_below(&phone.internal().join("DCIM/Camera"));
        on_phone.remove(Path::new("refused.jpg"));
        let here = folder.join("data/internal/DCIM/Camera");
        assert_same_files(&on_phone, &files_below(&here));
        bag::assert_valid(folder);
    }
    allow(&refused, 0o644);
    desk.rescue(&pull).expect_code(0);
}
