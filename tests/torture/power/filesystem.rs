//! The filesystems that stand on our disks: made, mounted, repaired and unmounted by their own
//! programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::device::{Blank, Blocks, Computer, MAX_WRITE, Shelf, is_mounted};
use crate::desk::{command, output_of, wait_for};
use crate::rescue::Running;

/// A kind of filesystem.
pub(crate) struct Kind {
    /// What makes one in a file.
    make: &'static [&'static str],
    /// What mounts it: the kernel with these options, or a program.
    mount: Mount,
    /// What repairs one that cannot be mounted.
    repair: &'static [&'static str],
    /// Whether it has no journal, so that its owner is told to have it repaired after a cut.
    always: bool,
    bytes: u64,
    /// What a disk under it writes all or nothing.
    sector: usize,
}

enum Mount {
    Kernel(&'static str, &'static str),
    Program(&'static [&'static str]),
}

const MIB: u64 = 1 << 20;

const EXT4: &[&str] = &[
    "mkfs.ext4",
    "-q",
    "-F",
    "-m0",
    "-Enodiscard,lazy_itable_init=0,lazy_journal_init=0",
];

pub(crate) const EXT4_ORDERED: Kind = Kind {
    make: EXT4,
    mount: Mount::Kernel("ext4", "data=ordered"),
    repair: &["e2fsck", "-fy"],
    always: false,
    bytes: 64 * MIB,
    sector: 512,
};

pub(crate) const EXT4_WRITEBACK: Kind = Kind {
    mount: Mount::Kernel("ext4", "data=writeback"),
    ..EXT4_ORDERED
};

pub(crate) const XFS: Kind = Kind {
    make: &["mkfs.xfs", "-q", "-f", "-K"],
    mount: Mount::Kernel("xfs", "nouuid"),
    // Not with `-L`, which throws away what only the log holds: then nobody can keep a promise.
    repair: &["xfs_repair"],
    always: false,
    // The smallest that it makes.
    bytes: 300 * MIB,
    // It does not recover a block of a folder of which only the first sector was written: by that it
    // takes the block for newer than its log.
    sector: 4096,
};

pub(crate) const BTRFS: Kind = Kind {
    make: &["mkfs.btrfs", "-q", "-f", "-K", "-dsingle", "-msingle"],
    mount: Mount::Kernel("btrfs", "rw"),
    repair: &["btrfs", "rescue", "super-recover", "-y"],
    always: false,
    bytes: 256 * MIB,
    // It takes for granted that its superblock of 4 KiB is written all or not at all.
    sector: 4096,
};

pub(crate) const EXFAT: Kind = Kind {
    make: &["mkfs.exfat"],
    // In the foreground, so that it ends with the test.
    mount: Mount::Program(&["mount.exfat-fuse", "-d"]),
    repair: &["fsck.exfat", "-y"],
    always: true,
    bytes: 64 * MIB,
    // Neither its driver nor what repairs it copes with a folder of which half an entry is there.
    sector: 4096,
};

impl Kind {
    /// A disk with an empty filesystem.
    pub(crate) fn blank(&self, shelf: &Shelf) -> Blank {
        let mut blank = Blank {
            bytes: self.bytes,
            sector: self.sector,
            blocks: Blocks::default(),
        };
        let computer = shelf.put(vec![blank.clone()]);
        let mut make = ready(self.make);
        output_of(make.arg(shelf.file(&computer, 0)));
        blank.blocks = computer.blocks(0);
        blank
    }

    /// Mounts a disk; one that cannot be mounted is repaired first, as its owner would.
    pub(crate) fn mount(
        &'static self,
        shelf: &Shelf,
        computer: &Computer,
        disk: usize,
        at: &Path,
    ) -> Result<Mounted, String> {
        let file = shelf.file(computer, disk);
        std::fs::create_dir_all(at).unwrap();
        if self.always {
            let _ = ready(self.repair).arg(&file).output().unwrap();
        }
        match self.try_to_mount(&file, at) {
            Ok(mounted) => Ok(mounted),
            Err(first) => {
                let repair = ready(self.repair).arg(&file).output().unwrap();
                let mut mounted = self
                    .try_to_mount(&file, at)
                    .map_err(|again| format!("{first}\n{repair:?}\n{again}"))?;
                mounted.repaired = true;
                Ok(mounted)
            }
        }
    }

    fn try_to_mount(&self, file: &Path, at: &Path) -> Result<Mounted, String> {
        let mut running = None;
        match &self.mount {
            Mount::Kernel(name, options) => {
                if *name == "btrfs" {
                    // Else an image that was mounted before counts as the newer half of this one.
                    let _ = ready(&["btrfs", "device", "scan", "--forget"]).output();
                }
                let mut mount = command("mount");
                mount.args(["-t", name, "-o", &format!("loop,{options}")]);
                let output = mount.arg(file).arg(at).output().unwrap();
                if !output.status.success() {
                    return Err(format!("{mount:?}: {output:?}"));
                }
                // A write that arrives here in pieces, of which the second fails, is a success for
                // the loop device: it must not be larger than what arrives at once.
                let mut source = ready(&["findmnt", "--noheadings", "--output", "SOURCE"]);
                let source = output_of(source.arg("--mountpoint").arg(at));
                let source = String::from_utf8_lossy(&source);
                let device = source.trim().trim_start_matches("/dev/");
                let limit = format!("/sys/block/{device}/queue/max_sectors_kb");
                std::fs::write(&limit, (MAX_WRITE / 1024).to_string())
                    .unwrap_or_else(|e| panic!("{limit}: {e}"));
            }
            Mount::Program(words) => {
                let looped = ready(&["losetup", "--find", "--show"]).arg(file).output();
                let looped = looped.unwrap();
                if !looped.status.success() {
                    return Err(format!("losetup: {looped:?}"));
                }
                let device = String::from_utf8_lossy(&looped.stdout)
                    .trim_end()
                    .to_owned();
                let mut mount = ready(words);
                mount.arg(&device).arg(at);
                let mut started = Running::start(mount);
                wait_for("a filesystem is mounted, or its program has ended", || {
                    is_mounted(at) || !started.is_running()
                });
                // In use, it goes with its user.
                output_of(ready(&["losetup", "--detach"]).arg(&device));
                if !started.is_running() {
                    return Err(format!("{}", started.finish()));
                }
                running = Some(started);
            }
        }
        Ok(Mounted {
            at: at.to_owned(),
            program: running,
            repaired: false,
        })
    }
}

fn ready(words: &[&str]) -> Command {
    let mut command = command(words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    command
}

/// A mounted disk; unmounted with its owner.
pub(crate) struct Mounted {
    pub(crate) at: PathBuf,
    program: Option<Running>,
    /// Whether it had to be repaired first.
    pub(crate) repaired: bool,
}

impl Mounted {
    /// Whether the kernel has given it up for writing.
    pub(crate) fn is_readonly(&self) -> bool {
        let probe = self.at.join(".probe");
        match std::fs::write(&probe, b"") {
            Ok(()) => std::fs::remove_file(&probe).is_err(),
            Err(_) => true,
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = command("umount").arg(&self.at).output();
        if !std::thread::panicking() {
            let unmounted = unmounted.unwrap();
            assert!(unmounted.status.success(), "{unmounted:?}");
        }
        if let Some(program) = self.program.take() {
            // It ends by itself, once it has written everything.
            program.finish();
        }
    }
}
