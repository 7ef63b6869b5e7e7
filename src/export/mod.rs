//! Makes an archive of a rescue folder that anyone can open, check and look at without `rescue`.
//!
//! In: an open rescue folder and a [`Wish`]. Out: a zip that holds a BagIt bag, and an [`Outcome`] that names every
//! file that is not in it.
//!
//! ```text
//! plan: which files -> prepare: read and hash ahead -> archive: write -> sync -> check: read back -> rename
//! ```
//!
//! Until the last step the archive is called `NAME.zip.part`: whatever stops the program, no unfinished archive looks
//! finished. A file goes in only if its bytes hash to the value in the catalogue. Nothing here prints, changes the
//! phone's files, or follows a symbolic link out of the folder.

mod age;
pub mod album;
mod archive;
mod bag;
mod check;
pub mod dates;
mod directory;
pub(crate) mod look;
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
pub use plan::{LeftOut, Piece, Pieces, Plan, Why, Wish, plan};

use crate::folder::{CatalogueError, DiskError};

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// Nobody can read the files.
    #[error(transparent)]
    NoThread(#[from] crate::threads::NoThread),
    /// The zip format does not allow what was to be written.
    #[error("cannot write {}", path.display())]
    Zip {
        /// The archive.
        path: PathBuf,
        /// What the `zip` crate said.
        source: zip::result::ZipError,
    },
    /// What was read back is not what was written.
    #[error("{} does not read back as it was written: {what}", path.display())]
    ReadBack {
        /// The archive under way; it is removed.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The program that encrypts did not do it.
    #[error("{program} did not do its work: {said}")]
    Age {
        /// Which program.
        program: &'static str,
        /// What it said, or the system.
        said: String,
    },
    /// Something bears the name already.
    #[error("there is something at {} already", path.display())]
    Exists {
        /// The archive to be.
        path: PathBuf,
    },
    /// Another export writes there.
    #[error("another rescue is making {}", path.display())]
    Busy {
        /// The archive to be.
        path: PathBuf,
    },
    /// The archive would lie in the folder that it is made of.
    #[error("{} lies in the rescue folder itself", path.display())]
    Inside {
        /// The archive to be.
        path: PathBuf,
    },
    /// No file can bear the name.
    #[error("an archive cannot be named {}", path.display())]
    NoName {
        /// The archive to be.
        path: PathBuf,
    },
    /// The disk has too little room.
    #[error("the archive needs {needed_bytes} bytes, and {} has {free_bytes} free", path.display())]
    NoRoom {
        /// Where the archive was to be.
        path: PathBuf,
        /// How many bytes it needs.
        needed_bytes: u64,
        /// How many there are.
        free_bytes: u64,
    },
    /// Something is missing, and nothing may be (`--strict`).
    #[error("missing from the archive: {count} of the files, the first of them {first}")]
    Incomplete {
        /// How many.
        count: usize,
        /// One of them.
        first: String,
    },
    /// There is no folder to put the archive into.
    #[error("there is no folder {}", path.display())]
    NoParent {
        /// The folder that is not there.
        path: PathBuf,
    },
    /// Nothing is to be exported.
    #[error("no file of the rescue folder is to go into the archive")]
    Nothing,
    /// Of what is to be exported, nothing can be.
    #[error(
        "none of the files can go into the archive: {count} left out, the first of them {first}"
    )]
    AllLeftOut {
        /// How many.
        count: usize,
        /// One of them.
        first: String,
    },
    /// The person stopped it.
    #[error("stopped")]
    Stopped,
}

impl ExportError {
    fn writing(path: &Path, error: zip::result::ZipError) -> Self {
        match error {
            zip::result::ZipError::Io(error) => DiskError::new("write", path, error).into(),
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
                DiskError::new("read back", path, error).into()
            }
            error => Self::wrong(path, error.to_string()),
        }
    }

    fn age(program: &'static str, said: String) -> Self {
        Self::Age { program, said }
    }

    fn wrong(path: &Path, what: String) -> Self {
        Self::ReadBack {
            path: path.to_owned(),
            what,
        }
    }
}

/// How an archive is to be made.
pub struct Request<'a> {
    /// Where.
    pub place: &'a Place,
    /// Whether what is in its place may be replaced.
    pub replace: bool,
    /// Whether to stop when anything is missing.
    pub strict: bool,
    /// Whether to lay the files out by month, each only once.
    pub by_date: bool,
    /// Whether to bring the album of the rescue folder up to date too.
    pub album_in_folder: bool,
    /// The most bytes of one archive; several are made when it does not suffice.
    pub split: Option<u64>,
    /// How its files are kept from other eyes.
    pub protection: Protection,
    /// The time now.
    pub now: DateTime<Local>,
    /// Asked now and then: whether to stop.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
}

impl Request<'_> {
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

    /// The error when no file goes in.
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

/// An archive that is on the disk, checked, under its name.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Packed {
    /// Where it is; in JSON, what is not UTF-8 of it is replaced.
    #[serde(serialize_with = "as_text")]
    pub path: PathBuf,
    /// Its size in bytes.
    pub archive_bytes: u64,
    /// The rescued files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long it took to write it.
    pub write_seconds: Seconds,
    /// How long it took then until all of it was on the disk.
    pub sync_seconds: Seconds,
    /// How long it took to read it back.
    pub check_seconds: Seconds,
}

fn as_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// A duration, in JSON a number of seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seconds(pub Duration);

impl serde::Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}

/// What became of an export.
#[derive(Debug)]
pub struct Outcome {
    /// The archives.
    pub packed: Vec<Packed>,
    /// What is not in them.
    pub left_out: Vec<LeftOut>,
    /// How many files of the folder are not in them because no pull put them there.
    pub strangers: usize,
}

/// Which of how many archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    /// From 1.
    number: usize,
    of: usize,
}

#[cfg(test)]
mod tests;
