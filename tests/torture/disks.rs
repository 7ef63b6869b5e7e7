//! A disk that is full at any moment: from the beginning, or because something else fills it. Then
//! room is made, and a plain run has to complete.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::desk::{command, output_of};
use crate::report::Try;
use crate::rng::Rng;
use crate::scene::{Scene, expect_bag, expect_code, note_end};
use crate::tree::noise;

/// Room for everything, in bytes.
const ENOUGH: u64 = 64_000_000;

/// A small disk; unmounted with its owner.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf, bytes: u64) -> Self {
        fs::create_dir_all(&at).unwrap();
        let mut mount = command("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]);
        output_of(mount.arg(&at));
        Self(at)
    }

    /// Another kind of disk: a real filesystem in a file.
    fn mount_ext4(at: PathBuf, image: &Path, bytes: u64) -> Self {
        fs::create_dir_all(&at).unwrap();
        File::create(image).unwrap().set_len(bytes).unwrap();
        output_of(command("mkfs.ext4").args(["-q", "-m", "0"]).arg(image));
        output_of(command("mount").args(["-o", "loop"]).arg(image).arg(&at));
        Self(at)
    }

    /// Fills it up to so many bytes.
    fn fill(&self, leave: u64) {
        let mut free = fs4::available_space(&self.0).unwrap_or_default();
        let mut ballast = File::create(self.0.join("ballast")).unwrap();
        while free > leave {
            let piece = noise(free, (free - leave).min(1 << 20) as usize);
            if std::io::Write::write_all(&mut ballast, &piece).is_err() {
                return;
            }
            free = fs4::available_space(&self.0).unwrap_or_default();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = command("umount").arg(&self.0).output();
    }
}

pub(crate) fn worker() -> Box<dyn FnMut(u64) -> Try> {
    let scene = Scene::new();
    let address = scene.phone.address();
    Box::new(move |seed| {
        let (mut rng, mut tried) = (Rng::new(seed), Try::default());
        let at = scene.desk.path("disk");
        let image = scene.desk.path("disk.img");
        let is_ext4 = rng.percent(50);
        let is_small = !is_ext4 && rng.percent(50);
        let disk = match (is_ext4, is_small) {
            (true, _) => Disk::mount_ext4(at, &image, 2 * ENOUGH),
            (false, true) => Disk::mount(at, rng.any_magnitude_below(scene.bytes).max(4096)),
            (false, false) => Disk::mount(at, ENOUGH),
        };
        let folder = disk.0.join("rescued");
        let to = folder.to_str().unwrap().to_owned();
        let pull = ["pull", "--tcp", &address, "-o", &to];
        let running = scene.desk.rescue_started(&pull);
        if !is_small {
            std::thread::sleep(Duration::from_millis(rng.below(700)));
            disk.fill(rng.any_magnitude_below(1_000_000));
        }
        let finished = running.finish();
        note_end(&finished, &mut tried);
        match finished.code() {
            // It was done before the disk was full.
            Some(0) if !is_small => {}
            // Seen beforehand, or met on the way.
            Some(1)
                if ["not one of them fits", "full"]
                    .iter()
                    .any(|word| finished.stderr.contains(word)) => {}
            // The most precious files fitted.
            Some(3) if finished.stdout.contains("this disk has no room for its") => {}
            _ => tried.other.push(format!("a full disk: {finished}")),
        }
        scene.compare(&folder, false, &mut tried);
        if is_small {
            let more = format!("remount,size={ENOUGH}");
            output_of(command("mount").args(["-o", &more]).arg(&disk.0));
        } else {
            fs::remove_file(disk.0.join("ballast")).unwrap();
        }
        expect_code(&scene.run(&pull, &mut tried), 0, &mut tried);
        scene.compare(&folder, true, &mut tried);
        expect_bag(&folder, &mut tried);
        drop(disk);
        let _ = fs::remove_file(&image);
        tried
    })
}
