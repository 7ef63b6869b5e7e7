//! What kind of filesystem a folder lies on, and what can be asked of that one alone.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Whether a folder lies on a disk of this computer, whose locks cost nothing and hold: those of shares may
/// take long, fail, or be known to one computer alone.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn has_quick_locks(folder: &Path) -> bool {
    // FUSE is not to be told from a share.
    const LOCAL: [Magic; 5] = [
        magic::TMPFS,
        magic::OVERLAY,
        magic::ZFS,
        magic::NTFS3,
        magic::BCACHEFS,
    ];
    rustix::fs::statfs(folder).is_ok_and(|found| is_local_disk_or(&found, &LOCAL))
}

/// On Windows a path tells: that of a share has no letter when it is whole. Elsewhere nobody tells: locks are
/// taken once.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn has_quick_locks(folder: &Path) -> bool {
    use std::path::{Component, Prefix};
    let whole = fs::canonicalize(folder).unwrap_or_default();
    matches!(whole.components().next(),
        Some(Component::Prefix(prefix)) if matches!(prefix.kind(), Prefix::VerbatimDisk(_)))
}

/// Whether an unbuffered read of a file gives what a disk of this computer holds. What lies in memory, in another
/// program (FUSE) or on another computer accepts the flag too, and answers as it likes.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn reads_from_disk(file: &File) -> bool {
    const OF_DISKS: [Magic; 4] = [magic::NTFS3, magic::HFS_PLUS, magic::JFS, magic::BCACHEFS];
    rustix::fs::fstatfs(file).is_ok_and(|found| is_local_disk_or(&found, &OF_DISKS))
}

/// Starts `syncfs` on the filesystem of `folder`: `began` is told before, and the result is `true` after
/// it; `false`, and nothing told, where the filesystem is not known to do so and to report failures.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(in crate::folder::disk) fn sync_filesystem(
    folder: &File,
    began: impl FnOnce(),
) -> io::Result<bool> {
    static TELLS_FAILURES: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|it| tells_failures(&it))
    });
    let Ok(filesystem) = rustix::fs::fstatfs(folder) else {
        return Ok(false);
    };
    // FUSE, NFS and SMB do not pass syncfs on.
    if !*TELLS_FAILURES || !is_local_disk_or(&filesystem, &[magic::TMPFS]) {
        return Ok(false);
    }
    began();
    rustix::fs::syncfs(folder)?;
    Ok(true)
}

/// Other systems have no such call: each file is synced by itself.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(in crate::folder::disk) fn sync_filesystem(
    _folder: &File,
    _began: impl FnOnce(),
) -> io::Result<bool> {
    Ok(false)
}

/// Has a filesystem write everything out.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(in crate::folder::disk) fn write_out(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

/// Others read from memory all the same, and say so.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(in crate::folder::disk) fn write_out(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether a folder lies on FAT (12, 16 or 32; exFAT takes large files). Through FUSE it is not to
/// be told.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(in crate::folder::disk) fn is_fat(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|found| is_kind(&found, magic::FAT))
}

/// Elsewhere it shows when the file gets too large.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(in crate::folder::disk) fn is_fat(_folder: &Path) -> bool {
    false
}

/// Whether [`sync_filesystem`] reports failed writes on this Linux: it does since 5.8.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn tells_failures(release: &str) -> bool {
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(5), Some(8))
}

/// By what number `statfs` knows a kind of filesystem.
#[cfg(any(target_os = "linux", target_os = "android"))]
type Magic = u32;

/// From linux/magic.h, and the filesystems' own headers.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod magic {
    use super::Magic;

    /// ext2, ext3 and ext4.
    pub(super) const EXT: Magic = 0xEF53;
    pub(super) const XFS: Magic = 0x5846_5342;
    pub(super) const BTRFS: Magic = 0x9123_683E;
    pub(super) const F2FS: Magic = 0xF2F5_2010;
    /// vfat and msdos.
    pub(super) const FAT: Magic = 0x4D44;
    pub(super) const EXFAT: Magic = 0x2011_BAB0;
    pub(super) const NTFS3: Magic = 0x7366_746E;
    pub(super) const HFS_PLUS: Magic = 0x482B;
    pub(super) const JFS: Magic = 0x3153_464A;
    pub(super) const BCACHEFS: Magic = 0xCA45_1A4E;
    pub(super) const TMPFS: Magic = 0x0102_1994;
    pub(super) const OVERLAY: Magic = 0x794C_7630;
    pub(super) const ZFS: Magic = 0x2FC1_2FC1;
}

/// Whether a filesystem is one of those that are on this computer's disks and that each call here can be
/// trusted with, or one of these others.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_local_disk_or(found: &rustix::fs::StatFs, others: &[Magic]) -> bool {
    use magic::{BTRFS, EXFAT, EXT, F2FS, FAT, XFS};
    let mut kinds = [EXT, XFS, BTRFS, F2FS, FAT, EXFAT].iter().chain(others);
    kinds.any(|kind| is_kind(found, *kind))
}

/// The field's type differs from system to system.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_kind(found: &rustix::fs::StatFs, kind: Magic) -> bool {
    i128::from(found.f_type) == i128::from(kind)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::tells_failures;

    #[test]
    fn only_kernels_that_tell_of_failed_writes_are_trusted() {
        for release in ["5.8.0", "5.10.0-28-amd64", "6.1.0", "6.18.44-fc\n", "10.0"] {
            assert!(tells_failures(release), "{release}");
        }
        for release in ["5.4.0-150-generic", "4.19.0", "5.7.19", "", "unknown"] {
            assert!(!tells_failures(release), "{release}");
        }
    }
}
