//! The rescue folder: the result of `rescue pull`.
//!
//! ```text
//! <folder>/bagit.txt bag-info.txt manifest-sha256.txt tagmanifest-sha256.txt    the bag's own files
//! <folder>/data/internal/DCIM/Camera/IMG_0001.jpg      the phone's files, by volume
//! <folder>/rescue.db                                   the catalogue
//! <folder>/.partial/                                   unfinished files
//! <folder>/set-aside/                                  files that do not belong into data/
//! <folder>/.rescue.lock                                held by the one rescue that works on it
//! <folder>/.rescue.gives-way                           exists while that rescue lets others have it
//! ```
//!
//! In: bytes as they arrive ([`PartialFile`]), finished files ([`Committer`]), facts about them ([`Catalogue`]). Out:
//! a BagIt bag ([`bag`]) that can be read and checked without `rescue`. `check` checks it with `rescue`.
//!
//! The order that survives a pulled plug: sync the bytes, rename, sync the folder, then record. The caller keeps this
//! order: [`Committer::commit`] returns before [`Catalogue::record`] is called. Everything here is synchronous,
//! prints nothing, and follows no symbolic link out of the folder.

pub mod bag;
pub(crate) mod catalogue;
pub(crate) mod check;
pub(crate) mod commit;
mod contents;
pub(crate) mod disk;
pub(crate) mod earlier;
mod entry;
mod gaps;
mod giving_way;
pub mod job;
pub(crate) mod manifest;
pub(crate) mod partial;
mod patchwork;
pub(crate) mod reader;
pub(crate) mod set_aside;
mod strangers;
mod survey;
pub mod upload;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use catalogue::{Access, Catalogue, CatalogueAction, CatalogueError};
pub use commit::{CommitOutcome, Committer, ToCommit};
pub use disk::{DiskAction, DiskError};
pub use entry::{
    Companion, Count, Entry, EntryId, NewEntry, Payload, Proof, Reason, ReasonCode, Record, Run,
    RunId, RunOutcome, State, Summary,
};
pub use gaps::Gaps;
pub use giving_way::GivesWay;
pub use job::{JobLabel, LabelTooLong};
pub use partial::{Finished, PartialFile};
pub use patchwork::Patchwork;
pub use reader::{DataReader, PresenceLookup};
pub use survey::{SurveyKind, Surveyed};

use crate::item::PhoneIdentity;
use crate::names::LocalPath;
use contents::PathContents;
pub(crate) use disk::is_shortage;
use disk::system::{Identity, are_on_one_disk, has_other_names, identity_of};
pub(crate) use disk::system::{lies_in, share_a_disk, whole_path};
use disk::{DATA, PARTIAL};

pub(crate) const CATALOGUE: &str = "rescue.db";
const LOCK: &str = ".rescue.lock";

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It, or what it would lie in, is something else.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// The path that is not a folder.
        path: PathBuf,
    },
    /// It holds something else.
    #[error("not a rescue folder: {}", path.display())]
    NotARescueFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing is there.
    #[error("there is no rescue folder at {}", path.display())]
    Missing {
        /// Where none is.
        path: PathBuf,
    },
    /// Its catalogue is lost, or was never finished; its files are there.
    #[error("the rescue folder {} has no catalogue", path.display())]
    NoCatalogue {
        /// The folder.
        path: PathBuf,
        /// Whether its manifest is there.
        has_manifest: bool,
    },
    /// It is a symbolic link to a path where nothing is.
    #[error("the symbolic link {} leads nowhere", path.display())]
    DanglingLink {
        /// The link.
        path: PathBuf,
    },
    /// It belongs to another phone.
    #[error("the rescue folder belongs to {}", whose(expected, got, why))]
    OtherPhone {
        /// The serial number of the folder's phone.
        expected: String,
        /// The serial number of the phone at hand.
        got: String,
        /// The difference.
        why: String,
    },
    /// Another `rescue` works on it.
    #[error("another rescue works on {}", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// Whose a folder is, when it is not this phone's.
fn whose(expected: &str, got: &str, why: &str) -> String {
    match expected == got {
        true => format!("another phone, which calls itself {expected:?}, too: {why}"),
        false => format!("the phone {expected:?}, not to {got:?}"),
    }
}

/// An open rescue folder, locked for as long as this lives.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    catalogue: Catalogue,
    access: Access,
    /// Which folder it is.
    identity: Option<Identity>,
    /// Held for its lock; last, so that the catalogue is closed before. `None` on media that
    /// cannot be written, where nobody else can write either.
    lock: Option<Arc<File>>,
}

/// What becomes of a folder that holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyFolder {
    /// It is removed as well.
    Goes,
    /// It was there before.
    Stays,
}

impl Folder {
    /// Opens this phone's rescue folder, or makes one where there is nothing or an empty folder.
    pub fn create_or_open(path: &Path, phone: &PhoneIdentity) -> Result<Self, FolderError> {
        let contents = PathContents::of(path)?;
        match contents {
            PathContents::Other => {
                return Err(something_else(path));
            }
            PathContents::Nowhere => {
                return Err(FolderError::DanglingLink {
                    path: path.to_owned(),
                });
            }
            PathContents::Missing => {
                fs::create_dir_all(path)
                    .map_err(|e| DiskError::naming(DiskAction::Create, path, e))?;
            }
            // A lost catalogue is started again: what stands in its place is compared with
            // what the phone sends, and kept either way.
            PathContents::Empty | PathContents::Rescue | PathContents::Uncatalogued => {}
        }
        // From here on by its absolute path: the caller may change directory.
        let root = whole_path(path).map_err(|e| DiskError::new(DiskAction::Open, path, e))?;
        let lock = lock(&root, disk::open_lock(&root.join(LOCK))?)?;
        for name in [DATA, PARTIAL] {
            disk::create_folder(&root.join(name))?;
        }
        let (data, partial) = (root.join(DATA), root.join(PARTIAL));
        if !are_on_one_disk(&data, &partial) {
            return Err(DiskError::OtherDisk { path: data }.into());
        }
        if contents::has_unwritten_catalogue(&root) {
            // SQLite makes a catalogue of nothing, and of zeros nothing.
            disk::remove_file(&catalogue_path(&root)?.0)?;
        }
        let (place, is_shared) = catalogue_path(&root)?;
        if is_shared {
            return Err(CatalogueError::Shared { path: place }.into());
        }
        if let PathContents::Uncatalogued = contents {
            earlier::keep_manifest(&root)?;
        }
        let mut catalogue = Catalogue::create_or_open(&place, phone)?;
        let known = catalogue.identity()?;
        let tell = [&known.serial, &phone.serial];
        if known.serial != phone.serial && tell.iter().all(|serial| !serial.is_empty()) {
            return Err(FolderError::OtherPhone {
                expected: known.serial,
                got: phone.serial.clone(),
                why: "its serial number is another".to_owned(),
            });
        }
        if known != *phone {
            catalogue.update_identity(phone)?;
        }
        disk::sync_folder(&root)?;
        if let (PathContents::Missing, Some(parent)) = (contents, root.parent()) {
            disk::sync_folder(parent)?;
        }
        let identity = identity_of(&root);
        Ok(Self {
            root,
            catalogue,
            access: Access::ReadWrite,
            identity,
            lock: Some(lock),
        })
    }

    /// Takes out of a folder that holds nothing yet what [`Folder::create_or_open`] made. What somebody else put there stays.
    pub fn remove_empty(self, itself: EmptyFolder) {
        let Self {
            root,
            catalogue,
            lock,
            ..
        } = self;
        drop(catalogue);
        let _ = fs::remove_file(root.join(CATALOGUE));
        let _ = fs::remove_file(root.join(LOCK));
        for name in [DATA, PARTIAL] {
            let _ = fs::remove_dir(root.join(name));
        }
        if itself == EmptyFolder::Goes {
            let _ = fs::remove_dir(&root);
        }
        drop(lock);
    }

    /// Opens a rescue folder of any phone; read-only when it cannot be written.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        match PathContents::of(path)? {
            PathContents::Rescue => {}
            PathContents::Missing | PathContents::Empty => {
                return Err(FolderError::Missing {
                    path: path.to_owned(),
                });
            }
            PathContents::Uncatalogued => {
                return Err(FolderError::NoCatalogue {
                    path: path.to_owned(),
                    has_manifest: path.join(manifest::MANIFEST).is_file(),
                });
            }
            PathContents::Other => {
                return Err(something_else(path));
            }
            PathContents::Nowhere => {
                return Err(FolderError::DanglingLink {
                    path: path.to_owned(),
                });
            }
        }
        let root = root_of(path)?;
        let (lock, access) = match disk::open_lock(&root.join(LOCK)) {
            Ok(file) => (Some(lock(&root, file)?), Access::ReadWrite),
            Err(DiskError::NotWritable { .. }) => (None, Access::ReadOnly),
            Err(error) => return Err(error.into()),
        };
        let (place, is_shared) = catalogue_path(&root)?;
        let access = match is_shared {
            true => Access::ReadOnly,
            false => access,
        };
        let catalogue = Catalogue::open(&place, access)?;
        let identity = identity_of(&root);
        Ok(Self {
            root,
            catalogue,
            access,
            identity,
            lock,
        })
    }

    /// Looks into a rescue folder that another `rescue` may be working on: reads only, and locks nothing.
    /// What it holds may change from one question to the next.
    pub fn look(path: &Path) -> Result<Self, FolderError> {
        if !matches!(PathContents::of(path)?, PathContents::Rescue) {
            return Err(FolderError::Missing {
                path: path.to_owned(),
            });
        }
        let root = root_of(path)?;
        let access = Access::ReadOnly;
        let (place, _) = catalogue_path(&root)?;
        let catalogue = Catalogue::open(&place, access)?;
        let identity = identity_of(&root);
        Ok(Self {
            root,
            catalogue,
            access,
            identity,
            lock: None,
        })
    }

    /// When the catalogue of a folder was last written, without opening it; `None` when there is
    /// none.
    pub fn changed(path: &Path) -> Option<std::time::SystemTime> {
        let found = fs::symlink_metadata(path.join(CATALOGUE)).ok()?;
        found.modified().ok().filter(|_| found.is_file())
    }

    /// Where it lies, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it can be changed.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Its catalogue.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Its catalogue, to be changed.
    pub fn catalogue_mut(&mut self) -> &mut Catalogue {
        &mut self.catalogue
    }

    /// What puts finished files into it. To be made before the first of them is written; see
    /// [`Committer`]. It may move to another thread, and keeps the folder locked too.
    pub fn committer(&self) -> Result<Committer, DiskError> {
        Committer::new(&self.root, self.lock.clone())
    }

    /// Where a file of `data/` lies. Says nothing about whether it is there, or what is.
    pub fn data_path(&self, local: &LocalPath) -> PathBuf {
        disk::data_path(&self.root, local)
    }

    /// What opens files of `data/`, in any thread.
    pub fn data_reader(&self) -> DataReader {
        DataReader::new(&self.root)
    }

    /// The largest file that its disk takes, in bytes, where that is known beforehand: FAT knows
    /// sizes of 32 bits. Other disks say so when they meet a file that is too large.
    pub fn largest_file_bytes(&self) -> u64 {
        disk::largest_file_bytes(&self.root)
    }

    /// Whether it still lies where it was opened: a disk that was unplugged leaves an empty folder,
    /// or nothing that answers.
    pub fn is_still_there(&self) -> bool {
        identity_of(&self.root).is_some_and(|now| Some(now) == self.identity)
    }

    /// Whether its catalogue still bears its name: one that somebody removes goes on to work while it
    /// is open, and is lost then.
    pub fn has_catalogue(&self) -> bool {
        fs::symlink_metadata(self.root.join(CATALOGUE))
            .is_ok_and(|found| found.is_file() && found.len() > 0)
    }

    /// The number of files and folders that this user can still make on its disk, where the disk tells: some count them
    /// beforehand, however many bytes are free.
    pub fn free_names(&self) -> Option<u64> {
        disk::system::free_names(&self.root)
    }

    /// The bytes that this user can still write to its disk.
    pub fn free_bytes(&self) -> Result<u64, DiskError> {
        fs4::available_space(&self.root)
            .map_err(|e| DiskError::new(DiskAction::MeasureSpace, &self.root, e))
    }
}

/// Explains why a path to something else is not a rescue folder.
fn something_else(path: &Path) -> FolderError {
    let not_a_folder = { path.ancestors() }.find(|path| path.exists() && !path.is_dir());
    match not_a_folder {
        Some(path) => FolderError::NotAFolder { path: path.into() },
        None => FolderError::NotARescueFolder { path: path.into() },
    }
}

/// The catalogue's place, where there is a file or nothing, and whether the file has other names
/// elsewhere: nothing is to be written into it then. So it is where SQLite puts what belongs to it,
/// which is cut off and removed: a pipe there would be waited for without end, and another's file be
/// emptied.
fn catalogue_path(root: &Path) -> Result<(PathBuf, bool), FolderError> {
    let path = root.join(CATALOGUE);
    for ending in ["-journal", "-wal", "-shm"] {
        let path = root.join(format!("{CATALOGUE}{ending}"));
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => return Err(DiskError::Symlink { path }.into()),
            Ok(found) if !found.is_file() => return Err(DiskError::NotAFile { path }.into()),
            Ok(found) if has_other_names(&path, &found) => {
                return Err(CatalogueError::Shared { path }.into());
            }
            _ => {}
        }
    }
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_symlink() => Err(DiskError::Symlink { path }.into()),
        Ok(found) if !found.is_file() => Err(CatalogueError::NotACatalogue { path }.into()),
        Ok(found) => {
            let is_shared = has_other_names(&path, &found);
            Ok((path, is_shared))
        }
        Err(_) => Ok((path, false)),
    }
}

/// Returns the absolute path of a rescue folder. Nothing else may stand in place of its `data/`: every file of it would
/// count as missing. Where nothing stands, the files are gone indeed.
fn root_of(path: &Path) -> Result<PathBuf, DiskError> {
    let root = whole_path(path).map_err(|e| DiskError::new(DiskAction::Open, path, e))?;
    let path = root.join(DATA);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_symlink() => Err(DiskError::Symlink { path }),
        Ok(found) if !found.is_dir() => Err(DiskError::NotAFolder { path }),
        Ok(_) | Err(_) => Ok(root),
    }
}

/// Locks a file of its own: a lock on the catalogue would clash with SQLite's, and closing it
/// would release those.
fn lock(root: &Path, file: File) -> Result<Arc<File>, FolderError> {
    match file.try_lock() {
        Ok(()) => Ok(Arc::new(file)),
        Err(TryLockError::WouldBlock) => Err(FolderError::Busy {
            path: root.to_owned(),
        }),
        Err(TryLockError::Error(source)) => {
            let path = root.join(LOCK);
            Err(DiskError::Io {
                action: DiskAction::Lock,
                path,
                source,
            }
            .into())
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
