//! Every change to the rescue folder's files, one function each. Only the catalogue's own file is written elsewhere,
//! by SQLite.
//!
//! In: paths below the rescue folder. Out: success, or a [`DiskError`] that names the file and the cause. Because all
//! changes pass through here, the tests of power cuts record them here (`observed`).

mod error;
mod read_back;
pub(crate) mod system;
mod within;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::names::LocalPath;
pub(crate) use error::is_shortage;
pub use error::{DiskAction, DiskError};
pub(crate) use read_back::{ReadFrom, read_back};
use system::open_unlinked;
pub(crate) use within::Within;

/// Where `data/` lies in a rescue folder.
pub(crate) const DATA: &str = "data";

/// Where files under way lie in a rescue folder.
pub(crate) const PARTIAL: &str = ".partial";

/// The file's place on disk; says nothing about symbolic links on the way there.
pub(crate) fn data_path(root: &Path, local: &LocalPath) -> PathBuf {
    let mut path = root.join(DATA);
    path.extend(local.components());
    path
}

/// Creates a file under way, with its path.
pub(crate) fn create_partial(root: &Path, name: &str) -> Result<(File, PathBuf), DiskError> {
    let folder = Within::partial(root)?;
    Ok((folder.create(name)?, folder.at(name)))
}

/// Creates a file, or empties an existing one; never through a symbolic link, nor into a file that bears
/// another name elsewhere too. A device, which somebody named on purpose, is written to.
pub(crate) fn create_file(path: &Path) -> Result<File, DiskError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    let mut opened = open_unlinked(system::sole_writer(&mut options), path);
    // Looked at only then: nearly always nothing bears the name.
    if opened
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
    {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_file() => {
                system::vacate(path).map_err(|e| DiskError::new(DiskAction::Remove, path, e))?;
            }
            Ok(found) if found.is_symlink() => {
                return Err(DiskError::Symlink {
                    path: path.to_owned(),
                });
            }
            Ok(_) => drop(options.create_new(false)),
            Err(_) => {}
        }
        opened = open_unlinked(&options, path);
    }
    let file = opened.map_err(|e| opening(DiskAction::Create, path, e))?;
    observed(|| Change::Created(path.to_owned()));
    Ok(file)
}

/// Opens the file that is locked, created when there is none; never through a symbolic link.
pub(crate) fn open_lock(path: &Path) -> Result<File, DiskError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    open_unlinked(&options, path).map_err(|e| opening(DiskAction::Create, path, e))
}

/// Opens a file to read it; `None` when there is none. Never through a symbolic link.
pub(crate) fn open_file(path: &Path) -> Result<Option<File>, DiskError> {
    open_existing(OpenOptions::new().read(true), path)
}

/// Opens a file to continue writing it; `None` if it does not exist. Never through a symbolic link.
pub(crate) fn reopen_file(path: &Path) -> Result<Option<File>, DiskError> {
    let mut options = OpenOptions::new();
    open_existing(system::sole_writer(options.read(true).write(true)), path)
}

fn open_existing(options: &OpenOptions, path: &Path) -> Result<Option<File>, DiskError> {
    match open_unlinked(options, path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(opening(DiskAction::Open, path, error)),
    }
}

fn opening(action: DiskAction, path: &Path, error: io::Error) -> DiskError {
    if system::met_a_link(&error, path) {
        return DiskError::Symlink {
            path: path.to_owned(),
        };
    }
    DiskError::naming(action, path, error)
}

/// Writes at a file's position.
pub(crate) fn write(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    use std::io::Write as _;
    file.write_all(bytes)
        .map_err(|e| DiskError::new(DiskAction::Write, path, e))?;
    observed(|| Change::Written(path.to_owned()));
    Ok(())
}

/// Cuts or extends a file; what is added is a hole that reads as zeros.
pub(crate) fn set_len(file: &File, path: &Path, bytes: u64) -> Result<(), DiskError> {
    file.set_len(bytes)
        .map_err(|e| DiskError::new(DiskAction::Write, path, e))?;
    observed(|| Change::Written(path.to_owned()));
    Ok(())
}

/// Has the disk begin with what was written between two places of a file, and does not wait; what
/// fails is told to the sync.
pub(crate) fn begin_writing(file: &File, from: u64, to: u64) {
    system::begin_writing(file, from, to);
}

/// Waits until a file's bytes and length are on the disk.
pub(crate) fn sync_file(file: &File, path: &Path) -> Result<(), DiskError> {
    file.sync_all()
        .map_err(|e| DiskError::new(DiskAction::Sync, path, e))?;
    observed(|| Change::Synced(path.to_owned()));
    Ok(())
}

/// Waits until a folder's names are on the disk.
pub(crate) fn sync_folder(path: &Path) -> Result<(), DiskError> {
    match system::sync_folder(path) {
        // Some shares and FUSE filesystems cannot sync folders; there is nothing better to do.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) => {}
        other => other.map_err(|e| DiskError::new(DiskAction::Sync, path, e))?,
    }
    observed(|| Change::FolderSynced(path.to_owned()));
    Ok(())
}

/// Waits until everything that was written to the filesystem of `folder` is on its way to the
/// disk, in one call; false when this filesystem is not known to do so and to report failures.
///
/// The disk's own cache may still hold some of it (vfat and exfat do not flush it here): the sync
/// of one file afterwards flushes it for all. Failures since `folder` was opened are reported.
pub(crate) fn sync_filesystem(folder: &File, path: &Path) -> Result<bool, DiskError> {
    let began = || observed(|| Change::FilesystemSyncing(path.to_owned()));
    let is_done = system::sync_filesystem(folder, began)
        .map_err(|error| DiskError::new(DiskAction::Sync, path, error))?;
    if is_done {
        observed(|| Change::FilesystemSynced(path.to_owned()));
    }
    Ok(is_done)
}

/// Has everything that was written to the filesystem of a folder go to the disk, before it is read
/// back from there. What fails on the way may go unsaid: the bytes read back tell.
pub(crate) fn write_out(folder: &Path) -> Result<(), DiskError> {
    system::write_out(folder).map_err(|e| DiskError::new(DiskAction::Sync, folder, e))
}

/// Returns the largest file size of the folder's disk in bytes, if its filesystem is known to have a limit.
pub(crate) fn largest_file_bytes(folder: &Path) -> u64 {
    match system::is_fat(folder) {
        true => u64::from(u32::MAX),
        false => u64::MAX,
    }
}

/// Makes sure that a folder exists in an existing one; never takes a symbolic link for a folder.
pub(crate) fn create_folder(path: &Path) -> Result<(), DiskError> {
    match fs::create_dir(path) {
        Ok(()) => {
            observed(|| Change::FolderCreated(path.to_owned()));
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            match fs::symlink_metadata(path) {
                Ok(found) if found.is_dir() => Ok(()),
                Ok(found) if found.is_symlink() => Err(DiskError::Symlink {
                    path: path.to_owned(),
                }),
                Ok(_) => Err(DiskError::NotAFolder {
                    path: path.to_owned(),
                }),
                Err(error) => Err(DiskError::new(DiskAction::LookAt, path, error)),
            }
        }
        Err(error) => Err(DiskError::naming(DiskAction::Create, path, error)),
    }
}

/// What [`rename_new`] found at the new name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Renaming {
    /// Nothing: the file has its new name.
    Renamed,
    /// Something: nothing was changed.
    TargetExists,
}

/// Gives a file its new name unless something bears it already.
pub(crate) fn rename_new(from: &Path, to: &Path) -> Result<Renaming, DiskError> {
    match system::rename_without_replacing(from, to) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Ok(Renaming::TargetExists);
        }
        // Linux knows the flag on nearly every local filesystem; NFS and some FUSE ones refuse it.
        // The folder's lock keeps other rescues away from between the look and the rename.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            match fs::symlink_metadata(to) {
                Ok(_) => return Ok(Renaming::TargetExists),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(DiskError::naming(DiskAction::LookAt, to, error)),
            }
            system::rename(from, to).map_err(|e| DiskError::naming(DiskAction::Rename, to, e))?;
        }
        Err(error) => return Err(DiskError::naming(DiskAction::Rename, to, error)),
    }
    observed(|| Change::Renamed(from.to_owned(), to.to_owned()));
    Ok(Renaming::Renamed)
}

/// Gives a file its new name in place of what bears it.
pub(crate) fn rename_over(from: &Path, to: &Path) -> Result<(), DiskError> {
    system::rename(from, to).map_err(|e| DiskError::naming(DiskAction::Rename, to, e))?;
    observed(|| Change::Renamed(from.to_owned(), to.to_owned()));
    Ok(())
}

/// Removes a file; a missing file is not an error.
pub(crate) fn remove_file(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Ok(()) => {
            observed(|| Change::Removed(path.to_owned()));
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(DiskError::new(DiskAction::Remove, path, error)),
    }
}

/// A change to the files, as the tests of a power cut hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A file was created, or emptied.
    Created(PathBuf),
    /// Bytes or the length of a file changed.
    Written(PathBuf),
    /// A file's bytes are on the disk.
    Synced(PathBuf),
    /// The filesystem of this folder begins to write everything.
    FilesystemSyncing(PathBuf),
    /// All files' bytes and all names of when it began are on the disk, as far as the filesystem
    /// keeps its word.
    FilesystemSynced(PathBuf),
    /// A folder was created.
    FolderCreated(PathBuf),
    /// A folder's names are on the disk.
    FolderSynced(PathBuf),
    /// A file has another name.
    Renamed(PathBuf, PathBuf),
    /// A file's name is gone.
    Removed(PathBuf),
}

#[cfg(test)]
impl Change {
    fn path(&self) -> &Path {
        match self {
            Self::Created(path)
            | Self::Written(path)
            | Self::Synced(path)
            | Self::FilesystemSyncing(path)
            | Self::FilesystemSynced(path)
            | Self::FolderCreated(path)
            | Self::FolderSynced(path)
            | Self::Renamed(path, _)
            | Self::Removed(path) => path,
        }
    }
}

/// What hears of changes, whichever thread makes them.
#[cfg(test)]
pub(crate) type Observer = Box<dyn FnMut(Change) + Send>;

#[cfg(test)]
static OBSERVERS: std::sync::Mutex<Vec<(PathBuf, Observer)>> = std::sync::Mutex::new(Vec::new());

/// Also after one of them panicked, on purpose.
#[cfg(test)]
fn observers() -> std::sync::MutexGuard<'static, Vec<(PathBuf, Observer)>> {
    let locked = OBSERVERS.lock();
    locked.unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Lets somebody hear of the changes below a folder.
#[cfg(test)]
pub(crate) fn observe(root: &Path, observer: Observer) {
    observers().push((root.to_owned(), observer));
}

/// Ends what [`observe`] began.
#[cfg(test)]
pub(crate) fn stop_observing(root: &Path) {
    observers().retain(|(of, _)| of != root);
}

#[cfg(test)]
fn observed(change: impl FnOnce() -> Change) {
    let change = change();
    let mut observers = observers();
    let mut hearing = observers.iter_mut();
    if let Some((_, hear)) = hearing.find(|(root, _)| change.path().starts_with(root)) {
        hear(change);
    }
}

#[cfg(not(test))]
fn observed(_change: impl FnOnce() -> Change) {}
