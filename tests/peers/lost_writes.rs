//! A disk that lost what was written to it: the system's memory still has the bytes and counts them
//! as written, as Linux does after a write that failed. Nothing may be proven from that memory.
//!
//! Nothing has to fail here for it: a block is changed below the filesystem, which does not know.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::bag;
use crate::cable::Cable;
use crate::desk::{Desk, command, output_of, wait_for};
use crate::phone::{Daemon, Phone};
use crate::tree::{self, Tree};

/// Fast enough to be done in seconds, slow enough to be stopped in the middle.
const SPEED: u64 = 30_000_000;
const VIDEO: &str = "DCIM/Camera/VID.mp4";
const VIDEO_BYTES: u64 = 24_000_000;
const BLOCK: usize = 4096;

/// A filesystem in a file; unmounted with its owner.
struct Disk {
    at: PathBuf,
    image: PathBuf,
}

impl Disk {
    fn new(desk: &Desk, kind: &str) -> Self {
        let (at, image) = (desk.path("disk"), desk.path("disk.img"));
        fs::create_dir(&at).unwrap();
        // Large enough to get blocks of 4 KiB.
        File::create(&image).unwrap().set_len(600 << 20).unwrap();
        // With inodes of the size that ext3 had, there are no dates after 2038.
        let mut make = command(format!("mkfs.{kind}"));
        if kind == "ext3" {
            make.args(["-I", "128"]);
        }
        output_of(make.arg("-q").arg(&image));
        let disk = Self { at, image };
        disk.mount();
        disk
    }

    /// One whose own structures have their room already, so that only what is new fails.
    fn in_memory(desk: &Desk, memory: &Memory) -> Self {
        let (at, image) = (desk.path("disk"), memory.0.join("disk.img"));
        fs::create_dir(&at).unwrap();
        output_of(command("fallocate").args(["-l", "80M"]).arg(&image));
        let mut make = command("mkfs.ext4");
        make.args(["-q", "-b", "4096", "-E", "nodiscard"]);
        output_of(make.arg(&image));
        let disk = Self { at, image };
        disk.mount();
        output_of(command("fstrim").arg(&disk.at));
        disk
    }

    fn mount(&self) {
        let mut mount = command("mount");
        output_of(mount.args(["-o", "loop"]).arg(&self.image).arg(&self.at));
    }

    /// Attaches it again: nothing of it is in memory then.
    fn attach_again(&self) {
        output_of(command("umount").arg(&self.at));
        self.mount();
    }

    /// Has the disk lose one block of a file, behind the back of the filesystem.
    fn lose_block(&self, file: &Path, offset: u64) {
        output_of(command("sync").arg("-f").arg(&self.at));
        let mut lost = [0; BLOCK];
        // That also brings it into memory.
        let read = |path: &Path, bytes: &mut [u8], at| {
            File::open(path).and_then(|file| file.read_exact_at(bytes, at))
        };
        read(file, &mut lost, offset).unwrap();
        let blocks = fs::metadata(&self.image).unwrap().len() / BLOCK as u64;
        let (mut found, mut at) = ([0; BLOCK], 0);
        for block in 0..blocks {
            read(&self.image, &mut found, block * BLOCK as u64).unwrap();
            if found == lost {
                at = block * BLOCK as u64;
            }
        }
        assert_ne!(at, 0, "{} is not on the disk", file.display());
        let image = File::options().write(true).open(&self.image).unwrap();
        image.write_all_at(&[0; BLOCK], at).unwrap();
        // As after a write that failed: who asks memory gets what was written.
        read(file, &mut found, offset).unwrap();
        assert!(found == lost, "the filesystem noticed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = command("umount").arg(&self.at).output();
    }
}

/// Where the image of a disk lies: without room, the disk fails to write what is new to it.
struct Memory(PathBuf);

impl Memory {
    fn new(desk: &Desk) -> Self {
        let at = desk.path("memory");
        fs::create_dir(&at).unwrap();
        let mut mount = command("mount");
        output_of(
            mount
                .args(["-t", "tmpfs", "-o", "size=96m", "tmpfs"])
                .arg(&at),
        );
        Self(at)
    }

    /// Leaves room for so many bytes more.
    fn leave(&self, bytes: u64) {
        let mut ballast = File::create(self.0.join("ballast")).unwrap();
        while ballast.write_all(&[0; BLOCK]).is_ok() {}
        let full = ballast.metadata().unwrap().len();
        ballast.set_len(full - bytes).unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = command("umount").arg("--lazy").arg(&self.0).output();
    }
}

fn video(phone: &Phone) -> PathBuf {
    Tree::below(phone.internal()).file(VIDEO, VIDEO_BYTES as usize)
}

/// The part of the video that a killed run left.
fn begun(desk: &Desk, phone: &Phone, folder: &Path) -> PathBuf {
    let cable = Cable::new(phone.port(), SPEED);
    let (address, to) = (cable.address(), folder.to_str().unwrap());
    let mut running = desk.rescue_started(&["pull", "--tcp", &address, "-o", to]);
    let held = || {
        let mut parts = fs::read_dir(folder.join(".partial")).ok()?;
        let part = parts.next()?.ok()?.path();
        (fs::metadata(&part).ok()?.len() > VIDEO_BYTES / 2).then_some(part)
    };
    wait_for("half of the video", || held().is_some());
    assert!(running.is_running());
    let part = held().unwrap();
    running.signal("KILL");
    running.finish();
    part
}

#[track_caller]
fn assert_all_is_true(disk: &Disk, folder: &Path, video: &Path) {
    disk.attach_again();
    tree::assert_identical(video, &folder.join("data/internal").join(VIDEO));
    bag::assert_valid(folder);
}

#[test]
fn file_that_was_begun_is_gone_on_with_as_the_disk_has_it() {
    for kind in ["ext4", "xfs", "btrfs"] {
        let desk = Desk::new();
        let phone = desk.phone(Daemon::open());
        let video = video(&phone);
        let disk = Disk::new(&desk, kind);
        let folder = disk.at.join("rescued");
        let part = begun(&desk, &phone, &folder);
        disk.lose_block(&part, 5_000 * 1024 / BLOCK as u64 * BLOCK as u64);
        let to = folder.to_str().unwrap();
        let pull = ["pull", "--tcp", &phone.address(), "-o", to];
        desk.rescue(&pull).expect_code(0);
        assert_all_is_true(&disk, &folder, &video);
    }
}

#[test]
fn disk_that_fails_for_a_moment_ends_the_run_and_nothing_under_way_is_gone_on_with() {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    let mut tree = Tree::below(phone.internal());
    tree.photos("DCIM/Camera", 20, 50_000);
    let video = tree.file(VIDEO, VIDEO_BYTES as usize);
    let memory = Memory::new(&desk);
    let disk = Disk::in_memory(&desk, &memory);
    let folder = disk.at.join("rescued");
    let to = folder.to_str().unwrap();
    let pull = ["pull", "--tcp", &phone.address(), "-o", to];
    // With the folder made before: else blocks of the filesystem's own are new as well, and where it loses one
    // of those it takes no more changes at all.
    desk.rescue(&[&pull[..], &["--photos"]].concat())
        .expect_code(0);
    output_of(command("sync").arg("-f").arg(&disk.at));
    memory.leave(VIDEO_BYTES / 2);
    desk.rescue(&pull).expect_code(1);
    let under_way = fs::read_dir(folder.join(".partial")).unwrap();
    let names: Vec<_> = under_way.map(|found| found.unwrap().file_name()).collect();
    let is_of_an_item = |name: &std::ffi::OsString| name.to_str().unwrap().parse::<u32>().is_ok();
    assert!(!names.iter().any(is_of_an_item), "{names:?}");
    memory.make_room();
    // Its journal may have failed as well.
    disk.attach_again();
    desk.rescue(&pull).expect_code(0);
    assert_all_is_true(&disk, &folder, &video);
}

#[test]
fn what_waits_for_its_proof_is_proven_as_the_disk_has_it() {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    let video = video(&phone);
    let disk = Disk::new(&desk, "ext4");
    let folder = disk.at.join("rescued");
    let to = folder.to_str().unwrap();
    let pull = ["pull", "--tcp", &phone.address(), "-o", to, "--no-verify"];
    desk.rescue(&pull).expect_code(0);
    disk.lose_block(&folder.join("data/internal").join(VIDEO), 0);
    desk.rescue(&pull[..5]).expect_code(0);
    assert_all_is_true(&disk, &folder, &video);
}

#[test]
fn what_is_found_in_its_place_is_not_taken_over_from_memory() {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    let video = video(&phone);
    let disk = Disk::new(&desk, "ext4");
    let folder = disk.at.join("rescued");
    let to = folder.to_str().unwrap();
    let pull = ["pull", "--tcp", &phone.address(), "-o", to];
    desk.rescue(&pull).expect_code(0);
    disk.lose_block(&folder.join("data/internal").join(VIDEO), 0);
    fs::remove_file(folder.join("rescue.db")).unwrap();
    desk.rescue(&pull).expect_code(0);
    assert_all_is_true(&disk, &folder, &video);
}

#[test]
fn verify_tells_of_the_disk_or_that_it_may_have_been_memory() {
    for kind in ["ext4", "xfs"] {
        let desk = Desk::new();
        let phone = desk.phone(Daemon::open());
        video(&phone);
        let disk = Disk::new(&desk, kind);
        let folder = disk.at.join("rescued");
        let to = folder.to_str().unwrap();
        let pull = ["pull", "--tcp", &phone.address(), "-o", to];
        desk.rescue(&pull).expect_code(0);
        let verify = ["verify", to, "--json"];
        let verified = desk.rescue(&verify).expect_code(0);
        verified.expect_said("\"perhaps_from_memory\":0");
        disk.lose_block(&folder.join("data/internal").join(VIDEO), 0);
        let verified = desk.rescue(&verify).expect_code(1);
        verified.expect_said("wrong_hash");
    }
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    video(&phone);
    let disk = desk.path("memory");
    fs::create_dir(&disk).unwrap();
    output_of(command("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&disk));
    let folder = disk.join("rescued");
    let to = folder.to_str().unwrap();
    let pulled = desk.rescue(&["pull", "--tcp", &phone.address(), "-o", to]);
    let verified = desk.rescue(&["verify", to, "--json"]);
    let in_words = desk.rescue(&["verify", to]);
    output_of(command("umount").arg("--lazy").arg(&disk));
    pulled.expect_code(0);
    verified
        .expect_code(0)
        .expect_said("\"perhaps_from_memory\":1");
    in_words
        .expect_code(0)
        .expect_said("may have been read from this computer's memory");
}

#[test]
fn dates_that_a_disk_does_not_keep_are_told_once() {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    let mut tree = Tree::below(phone.internal());
    for name in ["DCIM/Camera/1.jpg", "DCIM/Camera/2.jpg"] {
        let photo = tree.file(name, 1000);
        let in_2040 = std::time::UNIX_EPOCH + std::time::Duration::from_secs(2_208_988_800);
        let photo = File::options().append(true).open(photo).unwrap();
        photo.set_modified(in_2040).unwrap();
    }
    tree.file("DCIM/Camera/3.jpg", 1000);
    let disk = Disk::new(&desk, "ext3");
    let folder = disk.at.join("rescued");
    let to = folder.to_str().unwrap();
    let pull = ["pull", "--tcp", &phone.address(), "-o", to];
    let pulled = desk.rescue(&pull).expect_code(0);
    pulled.expect_said("2 files with a different date than on the phone");
    let again = desk
        .rescue(&[&pull[..], &["--json"]].concat())
        .expect_code(0);
    again.expect_said("\"dates_not_kept\":0");
}
