//! Makes an archive of a rescue folder that anyone can open, check and look at without `rescue`.
//!
//! In: an open rescue folder and a [`Wish`]. Out: a zip that holds a BagIt bag, and an [`ExportOutcome`] that names
//! every file that is not in it.
//!
//! ```text
//! plan: which files -> prepare: read and hash ahead -> archive: write -> sync -> check: read back -> rename
//! ```
//!
//! Until the last step the archive is called `NAME.zip.rescue-part`: whatever stops the program, no unfinished archive looks
//! finished. A file goes in only if its bytes hash to the value in the catalogue. Nothing here prints, changes the
//! phone's files, or follows a symbolic link out of the folder.

mod age;
pub mod album;
mod archive;
mod bag;
mod check;
mod directory;
mod pack;
mod pieces;
mod place;
mod plan;
mod prepare;
mod report;
mod rows;
mod sink;
mod spill;
mod split;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Local};

pub use archive::Protection;
pub use pack::pack;
pub use place::Place;
pub use plan::{ExportPlan, LeftOut, Piece, Pieces, Why, Wish, plan};

use crate::folder::{CatalogueError, DiskAction, DiskError};

/// The reason why an export produced no archive.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Writing to or reading from the disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Reading the catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// No thread could be started to read the files.
    #[error(transparent)]
    NoThread(#[from] crate::threads::NoThread),
    /// The zip format does not allow what was to be written.
    #[error("cannot write {}", path.display())]
    Zip {
        /// The archive.
        path: PathBuf,
        /// The `zip` crate's error.
        source: zip::result::ZipError,
    },
    /// The bytes read back differ from those written.
    #[error("{} does not read back as it was written: {what}", path.display())]
    ReadBack {
        /// The archive being written, which is removed.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The archive cannot be encrypted to a recipient.
    #[error("{recipient:?} is not a recipient of age")]
    NoRecipient {
        /// The text that was given.
        recipient: String,
    },
    /// A file with the archive's name already exists.
    #[error("there is something at {} already", path.display())]
    Exists {
        /// The path for the archive.
        path: PathBuf,
    },
    /// What has the archive's name cannot be replaced: a folder, a link, a device.
    #[error("{} exists and is not a file that can be replaced", path.display())]
    NotAFile {
        /// The path for the archive.
        path: PathBuf,
    },
    /// Another export is writing to the same path.
    #[error("another rescue is making {}", path.display())]
    Busy {
        /// The path for the archive.
        path: PathBuf,
    },
    /// The archive would be inside the rescue folder that it is made from.
    #[error("{} lies in the rescue folder itself", path.display())]
    Inside {
        /// The path for the archive.
        path: PathBuf,
    },
    /// The path cannot be a file's name.
    #[error("an archive cannot be named {}", path.display())]
    NoName {
        /// The path for the archive.
        path: PathBuf,
    },
    /// The disk has too little free space.
    #[error("the archive needs at least {needed_bytes} bytes, and {} has {free_bytes} free", path.display())]
    NoRoom {
        /// The path for the archive.
        path: PathBuf,
        /// The number of bytes needed.
        needed_bytes: u64,
        /// The number of bytes free.
        free_bytes: u64,
    },
    /// Files are missing, and `--strict` does not allow that.
    #[error("missing from the archive: {count} of the files, the first of them {first}")]
    Incomplete {
        /// The number of missing files.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// The folder for the archive does not exist.
    #[error("there is no folder {}", path.display())]
    NoParent {
        /// The missing folder.
        path: PathBuf,
    },
    /// What the archive would be in is not a folder.
    #[error("{} is not a folder", path.display())]
    ParentNotAFolder {
        /// The path that is not a folder.
        path: PathBuf,
    },
    /// No files were selected for the export.
    #[error("the rescue folder has no file for the archive")]
    Nothing,
    /// None of the selected files can be exported.
    #[error(
        "none of the files can go into the archive: {count} left out, the first of them {first}"
    )]
    AllLeftOut {
        /// The number of files left out.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// The user stopped the export.
    #[error("stopped")]
    Stopped,
}

impl ExportError {
    fn writing(path: &Path, error: zip::result::ZipError) -> Self {
        match error {
            zip::result::ZipError::Io(error) => {
                DiskError::new(DiskAction::Write, path, error).into()
            }
            source => Self::Zip {
                path: path.to_owned(),
                source,
            },
        }
    }

    fn reading(path: &Path, error: zip::result::ZipError) -> Self {
        match error {
            zip::result::ZipError::Io(error)
                if error.kind() != std::io::ErrorKind::InvalidData
                    && error.kind() != std::io::ErrorKind::UnexpectedEof
                    && error.kind() != std::io::ErrorKind::Other =>
            {
                DiskError::new(DiskAction::ReadBack, path, error).into()
            }
            error => Self::wrong(path, error.to_string()),
        }
    }

    fn wrong(path: &Path, what: String) -> Self {
        Self::ReadBack {
            path: path.to_owned(),
            what,
        }
    }
}

/// What becomes of an archive that has the new one's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlierArchive {
    /// It stays, and the export fails.
    Stays,
    /// It is replaced.
    IsReplaced,
}

/// The settings of an export.
pub struct ExportRequest<'a> {
    /// Where to write the archive.
    pub place: &'a Place,
    /// What becomes of an existing archive.
    pub earlier: EarlierArchive,
    /// Whether to fail if any file is missing.
    pub strict: bool,
    /// Whether to arrange the files by month and include each only once.
    pub by_date: bool,
    /// Whether to also update the album of the rescue folder.
    pub album_in_folder: bool,
    /// The largest size of one archive in bytes; if that is not enough, several are made.
    pub split: Option<u64>,
    /// How the files are protected from being read by others.
    pub protection: Protection,
    /// The current time.
    pub now: DateTime<Local>,
    /// Returns whether to stop; called from time to time.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
}

impl ExportRequest<'_> {
    fn refuse_losses(&self, left_out: &[LeftOut]) -> Result<(), ExportError> {
        let mut losses = left_out.iter().filter(|left_out| left_out.why.is_a_loss());
        match losses.next() {
            Some(first) if self.strict => Err(ExportError::Incomplete {
                count: 1 + losses.count(),
                first: format!("{} ({})", first.path, first.why.sentence()),
            }),
            _ => Ok(()),
        }
    }

    /// Returns the error for an export without any file.
    fn nothing(left_out: &[LeftOut]) -> ExportError {
        let mut losses = left_out.iter().filter(|left_out| left_out.why.is_a_loss());
        match losses.next() {
            Some(first) => ExportError::AllLeftOut {
                count: 1 + losses.count(),
                first: format!("{} ({})", first.path, first.why.sentence()),
            },
            None => ExportError::Nothing,
        }
    }

    fn go_on(&self) -> Result<(), ExportError> {
        match (self.is_stopped)() {
            true => Err(ExportError::Stopped),
            false => Ok(()),
        }
    }
}

/// A finished archive: written, verified, and under its final name.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Packed {
    /// The archive's path. In JSON, bytes that are not UTF-8 are replaced.
    #[serde(serialize_with = "as_text")]
    pub path: PathBuf,
    /// The archive's size in bytes.
    pub archive_bytes: u64,
    /// The number of rescued files in the archive.
    pub files: u64,
    /// The total size of these files in bytes.
    pub bytes: u64,
    /// The time taken to write the archive.
    pub write_seconds: Seconds,
    /// The time taken after that until all of it was on the disk.
    pub sync_seconds: Seconds,
    /// The time taken to read the archive back.
    pub check_seconds: Seconds,
}

fn as_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// A duration; in JSON, a number of seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seconds(pub Duration);

impl serde::Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}

/// The result of an export.
#[derive(Debug)]
pub struct ExportOutcome {
    /// The archives.
    pub packed: Vec<Packed>,
    /// The files that are in none of them.
    pub left_out: Vec<LeftOut>,
    /// The number of files in the rescue folder that no pull put there; they are not exported.
    pub strangers: usize,
}

/// One archive of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    /// The archive's number, counted from 1.
    number: usize,
    of: usize,
}

#[cfg(test)]
mod tests;
