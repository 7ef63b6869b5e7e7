//! The differences between systems in handling files. Each function says what happens where a call is missing.
//!
//! Linux, Android and Apple's systems are told apart where only some of them have a call. `not(unix)` is Windows,
//! whose calls come from std and the crate winapi-util.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

#[cfg(unix)]
use rustix::io::Errno;

mod filesystem;
pub(crate) mod held;

pub(crate) use filesystem::has_quick_locks;
pub(super) use filesystem::{is_fat, sync_filesystem, write_out};

/// Opens a file, but none behind a symbolic link, and waits for nobody at a fifo's other end.
#[cfg(unix)]
pub(super) fn open_unlinked(options: &OpenOptions, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Without NONBLOCK, a fifo left in the folder would be waited for for ever.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.clone().custom_flags(flags.bits() as i32).open(path)
}

/// Windows has no fifos in folders. A link is looked for before: one made in the moment between is followed,
/// and making a link to a file takes an administrator there. (Anybody makes junctions, which are folders:
/// `held`.) It is not opened as a link, for the files of OneDrive would then give no bytes.
#[cfg(not(unix))]
pub(super) fn open_unlinked(options: &OpenOptions, path: &Path) -> io::Result<File> {
    match path.is_symlink() {
        true => Err(io::Error::other("a symbolic link")),
        false => options.open(path),
    }
}

/// Whether [`open_unlinked`] failed because of a symbolic link.
pub(super) fn met_a_link(error: &io::Error, path: &Path) -> bool {
    #[cfg(unix)]
    let (_, met) = (
        path,
        error.raw_os_error() == Some(Errno::LOOP.raw_os_error()),
    );
    #[cfg(not(unix))]
    let met = error.raw_os_error().is_none() && path.is_symlink();
    met
}

/// Whether a failure tells of a name that the disk does not take; APFS and some shares refuse
/// characters that they do not know.
pub(super) fn refuses_name(error: &io::Error) -> bool {
    #[cfg(unix)]
    let refuses = error.raw_os_error() == Some(Errno::ILSEQ.raw_os_error());
    // There `InvalidFilename` says it all.
    #[cfg(not(unix))]
    let (_, refuses) = (error, false);
    refuses
}

/// Whether this user may not read a file that is there.
#[cfg(unix)]
pub(crate) fn is_unreadable(path: &Path) -> bool {
    // Nothing is opened: to close a database gives up the locks that this program has on it.
    rustix::fs::access(path, rustix::fs::Access::READ_OK)
        .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// Windows keeps no locks by program that closing a file would give up.
#[cfg(not(unix))]
pub(crate) fn is_unreadable(path: &Path) -> bool {
    File::open(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// Whether this user may make no file in a folder that is there, or nobody may.
#[cfg(unix)]
pub(crate) fn is_unwritable(folder: &Path) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let rights = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(folder, rights)
        .is_err_and(|error| [PermissionDenied, ReadOnlyFilesystem].contains(&error.kind()))
}

/// There only making a file would tell.
#[cfg(not(unix))]
pub(crate) fn is_unwritable(_: &Path) -> bool {
    false
}

/// Whether another program has a file open and does not let it be opened, renamed or removed meanwhile, which only
/// Windows does.
#[cfg(unix)]
pub(crate) fn is_in_use(_: &io::Error) -> bool {
    false
}

/// ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION.
#[cfg(not(unix))]
pub(crate) fn is_in_use(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(32 | 33))
}

/// Gives a file another name, in place of the one that bears it.
#[cfg(unix)]
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// As often as it takes: virus scanners and indexers open what is new for a moment, and so do those who read what
/// is replaced; meanwhile the system refuses.
#[cfg(not(unix))]
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    use std::time::Duration;
    // Two seconds in all, in which even a file that is read again and again has its pauses.
    let pauses = (0..5)
        .map(|doubled| 1 << doubled)
        .chain(std::iter::repeat_n(32, 60));
    for pause in pauses {
        match fs::rename(from, to) {
            Err(error)
                if (is_in_use(&error) || error.kind() == io::ErrorKind::PermissionDenied)
                    && !to.is_dir() =>
            {
                std::thread::sleep(Duration::from_millis(pause));
            }
            renamed => return renamed,
        }
    }
    fs::rename(from, to)
}

/// Removes a file so that its name is free at once, also when it is open.
#[cfg(unix)]
pub(crate) fn vacate(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// By renaming it first: an open file that is removed keeps its name on FAT, exFAT and older systems until it is
/// closed.
#[cfg(not(unix))]
pub(crate) fn vacate(path: &Path) -> io::Result<()> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let gone = path.with_file_name(format!(".{}-{number}.gone", std::process::id()));
    rename(path, &gone)?;
    fs::remove_file(gone)
}

/// What files that this program makes are opened with: on Windows no other program may open them to write.
pub(crate) fn sole_writer(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    return options;
    #[cfg(not(unix))]
    {
        const SHARE_READ_AND_DELETE: u32 = 5;
        std::os::windows::fs::OpenOptionsExt::share_mode(options, SHARE_READ_AND_DELETE)
    }
}

/// Keeps other runs of this program from a file that was opened with [`sole_writer`], for as long as it is open.
#[cfg(unix)]
pub(crate) fn lock_written(file: &File) -> Result<(), TryLockError> {
    file.try_lock()
}

/// That opening it has done. A lock would keep everybody from reading it, this program too.
#[cfg(not(unix))]
pub(crate) fn lock_written(_: &File) -> Result<(), TryLockError> {
    Ok(())
}

/// Whether the system gives no more open files, to this program or to all.
pub(crate) fn is_short_of_files(error: &io::Error) -> bool {
    #[cfg(unix)]
    let short = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    // ERROR_TOO_MANY_OPEN_FILES.
    #[cfg(not(unix))]
    let short = [4];
    error
        .raw_os_error()
        .is_some_and(|code| short.contains(&code))
}

/// Writes all of the bytes at a place in a file. Where the file's own position is afterwards differs.
#[cfg(unix)]
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(not(unix))]
pub(crate) fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = match std::os::windows::fs::FileExt::seek_write(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            written => written?,
        };
        bytes = bytes.get(written..).unwrap_or_default();
        offset += written as u64;
    }
    Ok(())
}

/// Fills a buffer from a place in a file. Where the file's own position is afterwards differs.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(not(unix))]
pub(crate) fn read_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let read = match read_some_at(file, buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        buffer = buffer.get_mut(read..).unwrap_or_default();
        offset += read as u64;
    }
    Ok(())
}

/// Reads some bytes from a place in a file; none at its end. Where the file's own position is afterwards
/// differs.
#[cfg(unix)]
pub(super) fn read_some_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(not(unix))]
pub(super) fn read_some_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// While this lives, reads of a file do not pass by the memory in which the system keeps files. Only whole
/// blocks can be read so.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) struct PastMemory<'a>(&'a File, rustix::fs::OFlags);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl<'a> PastMemory<'a> {
    /// `None` where the filesystem is not known to give what a disk of this computer holds.
    pub(super) fn begin(file: &'a File, _path: &Path) -> Option<Self> {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
        filesystem::reads_from_disk(file).then_some(())?;
        let before = fcntl_getfl(file).ok()?;
        fcntl_setfl(file, before | OFlags::DIRECT).ok()?;
        Some(Self(file, before))
    }

    /// What to read from.
    pub(super) fn file(&self) -> &File {
        self.0
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Drop for PastMemory<'_> {
    fn drop(&mut self) {
        let _ = rustix::fs::fcntl_setfl(self.0, self.1);
    }
}

/// Windows wants the file opened once more for it: FILE_FLAG_NO_BUFFERING.
#[cfg(windows)]
pub(super) struct PastMemory(File);

#[cfg(windows)]
impl PastMemory {
    /// `None` where the file lies on a share, or no longer at the path.
    pub(super) fn begin(file: &File, path: &Path) -> Option<Self> {
        const NO_BUFFERING: u32 = 0x2000_0000;
        has_quick_locks(path.parent()?).then_some(())?;
        let mut options = OpenOptions::new();
        std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, NO_BUFFERING);
        let again = options.read(true).open(path).ok()?;
        let is_it = held::identity_of(&again).ok()? == held::identity_of(file).ok()?;
        is_it.then_some(Self(again))
    }

    /// What to read from.
    pub(super) fn file(&self) -> &File {
        &self.0
    }
}

/// Apple's systems give what memory holds all the same.
#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
pub(super) enum PastMemory {}

#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
impl PastMemory {
    pub(super) fn begin(_file: &File, _path: &Path) -> Option<Self> {
        None
    }

    pub(super) fn file(&self) -> &File {
        match *self {}
    }
}

/// Has the disk begin with what was written between two places of a file. On Linux that is what `DONTNEED`
/// does first; what is not on the disk yet stays in memory all the same.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn begin_writing(file: &File, from: u64, to: u64) {
    if let Some(length) = std::num::NonZeroU64::new(to.saturating_sub(from)) {
        let _ = rustix::fs::fadvise(file, from, Some(length), rustix::fs::Advice::DontNeed);
    }
}

/// Others begin when they like, or at the sync.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn begin_writing(_file: &File, _from: u64, _to: u64) {}

/// Has what is read of a file next come from the disk, not from memory.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn forget_contents(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// Others have no such call: what is still in memory is read from there.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn forget_contents(_file: &File) {}

/// What a file has to be open for to be synced.
pub(crate) const TO_SYNC: held::OpenFor = match cfg!(windows) {
    true => held::OpenFor::Writing,
    false => held::OpenFor::Reading,
};

/// Opens a folder as a file: to be told of failed writes (Unix), or to keep it where it is (Windows).
#[cfg(unix)]
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// For as long as it is open, nobody can remove it, rename it, or put another in its place.
#[cfg(not(unix))]
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    held::open(path, held::BACKUP_SEMANTICS)
}

/// Waits until a folder's names are on the disk.
#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Windows syncs no folders. NTFS logs changes of names in order, and the sync of any file writes that log out:
/// the catalogue's, which comes after, does.
#[cfg(not(unix))]
pub(super) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// How many files and folders this user can still make there; `None` where the disk does not count them. Some shares
/// count them and have none free: there it shows when one is made.
#[cfg(unix)]
pub(crate) fn free_names(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    (found.f_files > 0 && found.f_favail > 0).then_some(found.f_favail)
}

#[cfg(not(unix))]
pub(crate) fn free_names(_folder: &Path) -> Option<u64> {
    None
}

/// Whether two folders lie on one disk, so that a file can be renamed from one to the other.
pub(crate) fn are_on_one_disk(one: &Path, other: &Path) -> bool {
    match (identity_of(one), identity_of(other)) {
        (Some((one, _)), Some((other, _))) => one == other,
        _ => true,
    }
}

/// What a file or folder is, whatever it is called: its device and inode, or volume and index.
pub(crate) type Identity = (u64, u64);

/// Which file or folder a path leads to.
pub(crate) fn identity_of(path: &Path) -> Option<Identity> {
    #[cfg(unix)]
    return fs::metadata(path).ok().map(|found| inode_of(&found));
    #[cfg(not(unix))]
    return held::look_at(path, held::BACKUP_SEMANTICS)
        .and_then(|it| held::identity_of(&it))
        .ok();
}

/// Whether two folders are on one disk, as far as the system reports it.
pub(crate) fn share_a_disk(one: &Path, other: &Path) -> bool {
    let disk_of = |path| identity_of(path).map(|(disk, _)| disk);
    disk_of(one).is_some_and(|disk| disk_of(other) == Some(disk))
}

/// Whether this open file is the one that bears the name.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    return match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => inode_of(&open) == inode_of(&named),
        _ => false,
    };
    #[cfg(not(unix))]
    held::is_at(file, path)
}

#[cfg(unix)]
fn inode_of(found: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (found.dev(), found.ino())
}

/// Whether a file has further names, so that writing to it would change another file.
pub(crate) fn has_other_names(path: &Path, found: &Metadata) -> bool {
    #[cfg(unix)]
    let (_, names) = (path, std::os::unix::fs::MetadataExt::nlink(found));
    #[cfg(not(unix))]
    let (_, names) = (found, held::names_of(path).unwrap_or(1));
    names > 1
}

/// The whole path of what is there, without links where the system writes such a path as people do: that of
/// Windows begins with `\\?\`, and shows a letter that stands for a share as the share.
pub(crate) fn whole_path(path: &Path) -> io::Result<PathBuf> {
    #[cfg(unix)]
    return fs::canonicalize(path);
    #[cfg(not(unix))]
    {
        fs::metadata(path)?;
        std::path::absolute(path)
    }
}

/// Whether what is at one path lies in the folder at another, or is it, whatever links lead there.
pub(crate) fn lies_in(path: &Path, folder: &Path) -> bool {
    match (fs::canonicalize(path), fs::canonicalize(folder)) {
        (Ok(path), Ok(folder)) => path.starts_with(folder),
        _ => path.starts_with(folder),
    }
}

/// Gives a file a name that nothing bears; `Unsupported` or `InvalidInput` where nobody can do so in one step.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

/// Elsewhere std replaces, always.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn rename_without_replacing(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
