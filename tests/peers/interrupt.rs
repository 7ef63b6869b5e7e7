//! A phone that dies, a cable that is pulled out, a `rescue` that is killed.

use std::path::Path;

use crate::bag;
use crate::cable::Cable;
use crate::desk::{Desk, command, output_of, wait_for};
use crate::phone::{Age, Daemon, Phone};
use crate::tree::{self, Tree, files_below};

on_both_daemons!(
    phone_killed_in_the_middle_fails_and_the_next_run_completes,
    phone_that_comes_back_in_time_lets_the_same_run_complete,
    cable_pulled_out_within_a_large_file_costs_only_what_was_on_its_way,
    cable_that_drops_out_again_and_again_only_costs_time,
    rescue_killed_in_the_middle_leaves_nothing_false_and_the_next_run_completes,
    control_c_exits_130_leaves_a_valid_folder_and_the_next_run_completes,
);

/// 60 MB in photos and a video of 60 MB.
fn fill(phone: &Phone) {
    let mut tree = Tree::below(phone.internal());
    tree.photos("DCIM/Camera", 300, 200_000);
    tree.file("DCIM/Camera/VID.mp4", 60_000_000);
}

const FILLED: u64 = 120_000_000;
/// Fast enough to be done in seconds, slow enough to be stopped in the middle.
const SPEED: u64 = 30_000_000;

#[track_caller]
fn assert_everything_is_here(phone: &Phone, folder: &Path) {
    let on_phone = files_below(&phone.internal().join("DCIM/Camera"));
    tree::assert_same_files(
        &on_phone,
        &files_below(&folder.join("data/internal/DCIM/Camera")),
    );
    bag::assert_valid(folder);
}

/// Demands that what stands in `data/` now is true, and returns it.
#[track_caller]
fn assert_nothing_is_false(phone: &Phone, folder: &Path) -> usize {
    let on_phone = files_below(&phone.internal());
    let here = match folder.join("data/internal").exists() {
        true => files_below(&folder.join("data/internal")),
        false => tree::Files::new(),
    };
    for (path, facts) in &here {
        assert_eq!(Some(facts), on_phone.get(path), "{path:?}");
    }
    here.len()
}

fn phone_killed_in_the_middle_fails_and_the_next_run_completes(age: Age) {
    let desk = Desk::new();
    let mut phone = desk.phone(Daemon::of(age));
    fill(&phone);
    let cable = Cable::new(phone.port(), SPEED);
    let folder = desk.path("rescued");
    let (address, to) = (cable.address(), folder.to_str().unwrap());
    let running = desk.rescue_started(&["pull", "--wait", "1", "--tcp", &address, "-o", to]);
    cable.wait_for_bytes(FILLED / 2);
    phone.kill();
    let finished = running.finish();
    assert!(matches!(finished.code(), Some(1 | 3 | 10)), "{finished}");
    assert_nothing_is_false(&phone, &folder);
    bag::assert_valid(&folder);
    let before = tree::identities(&folder.join("data"));

    phone.restart();
    desk.rescue(&["pull", "--tcp", &address, "-o", to])
        .expect_code(0);
    assert_everything_is_here(&phone, &folder);
    let after = tree::identities(&folder.join("data"));
    assert!(
        before
            .iter()
            .all(|(path, identity)| after.get(path) == Some(identity))
    );
    // What was there once was not asked for again, but for what was on its way.
    assert!(
        cable.received() < FILLED * 3 / 2,
        "{} bytes",
        cable.received()
    );
}

fn phone_that_comes_back_in_time_lets_the_same_run_complete(age: Age) {
    let desk = Desk::new();
    let mut phone = desk.phone(Daemon::of(age));
    fill(&phone);
    let cable = Cable::new(phone.port(), SPEED);
    let folder = desk.path("rescued");
    let (address, to) = (cable.address(), folder.to_str().unwrap());
    let mut running = desk.rescue_started(&["pull", "--wait", "60", "--tcp", &address, "-o", to]);
    cable.wait_for_bytes(FILLED / 3);
    phone.kill();
    assert!(running.is_running());
    phone.restart();
    running.finish().expect_code(0);
    assert_everything_is_here(&phone, &folder);
}

#[test]
fn disk_unplugged_in_the_middle_is_named_and_nothing_is_written_in_its_place() {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    fill(&phone);
    let cable = Cable::new(phone.port(), SPEED);
    let disk = desk.path("disk");
    std::fs::create_dir(&disk).unwrap();
    output_of(command("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&disk));
    let folder = disk.join("rescued");
    let (address, to) = (cable.address(), folder.to_str().unwrap());
    let running = desk.rescue_started(&["pull", "--tcp", &address, "-o", to]);
    cable.wait_for_bytes(FILLED / 3);
    output_of(command("umount").arg("--lazy").arg(&disk));
    running
        .finish()
        .expect_code(1)
        .expect_said("the disk that holds");
    assert_eq!(std::fs::read_dir(&disk).unwrap().count(), 0);
}

fn cable_pulled_out_within_a_large_file_costs_only_what_was_on_its_way(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let size = 150_000_000;
    let video = Tree::below(phone.internal()).file("DCIM/Camera/VID.mp4", size as usize);
    let cable = Cable::new(phone.port(), 2 * SPEED);
    let folder = desk.path("rescued");
    let (address, to) = (cable.address(), folder.to_str().unwrap());
    let running = desk.rescue_started(&["pull", "--wait", "60", "--tcp", &address, "-o", to]);
    cable.wait_for_bytes(size * 2 / 3);
    cable.pull_out();
    cable.plug_in();
    running.finish().expect_code(0);
    tree::assert_identical(&video, &folder.join("data/internal/DCIM/Camera/VID.mp4"));
    bag::assert_valid(&folder);
    assert!(
        cable.received() < size * 5 / 4,
        "{} bytes for a file of {size}",
        cable.received()
    );
}

fn cable_that_drops_out_again_and_again_only_costs_time(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let (size, drops) = (150_000_000, 12);
    let video = Tree::below(phone.internal()).file("DCIM/Camera/VID.mp4", size as usize);
    let cable = Cable::new(phone.port(), 2 * SPEED);
    let folder = desk.path("rescued");
    let (address, to) = (cable.address(), folder.to_str().unwrap());
    let running = desk.rescue_started(&["pull", "--wait", "60", "--tcp", &address, "-o", to]);
    for drop in 1..=drops {
        cable.wait_for_bytes(drop * size / (drops + 1));
        cable.pull_out();
        cable.plug_in();
    }
    running.finish().expect_code(0);
    tree::assert_identical(&video, &folder.join("data/internal/DCIM/Camera/VID.mp4"));
    assert!(
        cable.received() < size * 2,
        "{} bytes for a file of {size}",
        cable.received()
    );
}

fn rescue_killed_in_the_middle_leaves_nothing_false_and_the_next_run_completes(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    fill(&phone);
    let cable = Cable::new(phone.port(), SPEED);
    let folder = desk.path("rescued");
    let (address, to) = (cable.address(), folder.to_str().unwrap());
    let running = desk.rescue_started(&["pull", "--tcp", &address, "-o", to]);
    cable.wait_for_bytes(FILLED / 2);
    running.signal("KILL");
    assert_eq!(running.finish().code(), None);
    let early = assert_nothing_is_false(&phone, &folder);
    assert!(early < 301, "it was done already");
    desk.rescue(&["pull", "--tcp", &address, "-o", to])
        .expect_code(0);
    assert_everything_is_here(&phone, &folder);
}

fn control_c_exits_130_leaves_a_valid_folder_and_the_next_run_completes(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    fill(&phone);
    let cable = Cable::new(phone.port(), SPEED);
    let folder = desk.path("rescued");
    let (address, to) = (cable.address(), folder.to_str().unwrap());
    let running = desk.rescue_started(&["pull", "--tcp", &address, "-o", to]);
    cable.wait_for_bytes(FILLED / 2);
    running.signal("INT");
    running.finish().expect_code(130);
    assert_nothing_is_false(&phone, &folder);
    bag::assert_valid(&folder);
    desk.rescue(&["pull", "--tcp", &address, "-o", to])
        .expect_code(0);
    assert_everything_is_here(&phone, &folder);
}

#[test]
fn second_rescue_on_the_same_folder_is_refused() {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    fill(&phone);
    // Longer than a folder is waited for.
    let cable = Cable::new(phone.port(), SPEED / 3);
    let folder = desk.path("rescued");
    let to = folder.to_str().unwrap();
    let running = desk.rescue_started(&["pull", "--tcp", &cable.address(), "-o", to]);
    wait_for("the first bytes", || cable.received() > 5_000_000);
    cable.hold();
    desk.rescue(&["pull", "--tcp", &phone.address(), "-o", to])
        .expect_code(1)
        .expect_said(to);
    cable.let_go();
    running.finish().expect_code(0);
    assert_everything_is_here(&phone, &folder);
}
