//! Decides what exists where a rescue folder is wanted: nothing, a rescue folder (finished or half made), or
//! something else, which is left alone.

use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::disk::{DATA, DiskAction, DiskError, PARTIAL};
use super::giving_way::GIVES_WAY;
use super::{CATALOGUE, LOCK};

/// What systems put into the root of a disk by themselves; a disk with nothing else is empty.
const SYSTEM_FILES: [&str; 9] = [
    "lost+found",
    "System Volume Information",
    "$RECYCLE.BIN",
    ".Trashes",
    ".Spotlight-V100",
    ".fseventsd",
    ".DS_Store",
    "desktop.ini",
    "Thumbs.db",
];

/// How a journal of SQLite begins.
const JOURNAL_BEGINS: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// More than a catalogue or its journal has when it is made, in bytes.
const MAX_NEW_BYTES: u64 = 1024 * 1024;

/// What a path leads to.
#[derive(Clone, Copy)]
pub(super) enum PathContents {
    Missing,
    /// Nothing, or a rescue folder whose making was cut short: of what its making writes, a power
    /// cut leaves any part.
    Empty,
    Rescue,
    /// A rescue folder without its catalogue.
    Uncatalogued,
    /// A symbolic link to a path where nothing is.
    Nowhere,
    Other,
}

impl PathContents {
    pub(super) fn of(path: &Path) -> Result<Self, DiskError> {
        let listing = match fs::read_dir(path) {
            Ok(listing) => listing,
            // Windows has many words for it.
            Err(_) if path.ancestors().any(|it| it.is_file()) => return Ok(Self::Other),
            Err(error) => match error.kind() {
                ErrorKind::NotFound if !path.is_symlink() => return Ok(Self::Missing),
                ErrorKind::NotFound => return Ok(Self::Nowhere),
                ErrorKind::NotADirectory => return Ok(Self::Other),
                ErrorKind::InvalidFilename => {
                    return Err(DiskError::naming(DiskAction::Open, path, error));
                }
                _ => return Err(DiskError::new(DiskAction::Open, path, error)),
            },
        };
        if fs::symlink_metadata(path.join(CATALOGUE)).is_ok() && !has_unwritten_catalogue(path) {
            return Ok(Self::Rescue);
        }
        if path.join(LOCK).is_file() && path.join(DATA).is_dir() {
            return Ok(match is_empty_folder(&path.join(DATA)) {
                true => Self::Empty,
                false => Self::Uncatalogued,
            });
        }
        for found in listing {
            let found = found.map_err(|e| DiskError::new(DiskAction::List, path, e))?;
            if !is_of_a_making(&found.path(), &found.file_name().to_string_lossy()) {
                return Ok(Self::Other);
            }
        }
        Ok(Self::Empty)
    }
}

/// Whether the catalogue of a folder without any file got its name and not its bytes.
pub(super) fn has_unwritten_catalogue(folder: &Path) -> bool {
    let (catalogue, data) = (folder.join(CATALOGUE), folder.join(DATA));
    // Not opened when it may be in use: to close a database gives up the locks on it.
    let is_of_a_making = || !data.exists() || is_empty_folder(&data);
    fs::symlink_metadata(&catalogue).is_ok_and(|found| {
        found.is_file() && found.len() == 0 || is_of_a_making() && is_unwritten(&catalogue, &found)
    })
}

/// Whether the making of a rescue folder leaves this when it is cut short, or nobody put it there.
fn is_of_a_making(path: &Path, name: &str) -> bool {
    match name {
        LOCK | GIVES_WAY => true,
        // Looked at before.
        CATALOGUE => true,
        DATA | PARTIAL => is_empty_folder(path),
        _ if name.strip_prefix(CATALOGUE) == Some("-journal") => is_our_journal(path),
        _ => SYSTEM_FILES.contains(&name) || name.starts_with(".Trash-"),
    }
}

fn is_empty_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
        && fs::read_dir(path).is_ok_and(|mut listing| listing.next().is_none())
}

/// Whether a file got its name and not its bytes: it is empty, or has zeros only.
fn is_unwritten(path: &Path, found: &Metadata) -> bool {
    found.is_file()
        && found.len() <= MAX_NEW_BYTES
        && beginning(path, found.len()).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
}

/// Whether a file is a journal as SQLite makes them, as far as a power cut let it be written.
fn is_our_journal(path: &Path) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else {
        return false;
    };
    is_unwritten(path, &found)
        || found.is_file()
            && beginning(path, JOURNAL_BEGINS.len() as u64)
                .is_some_and(|bytes| bytes == JOURNAL_BEGINS || bytes.iter().all(|byte| *byte == 0))
}

fn beginning(path: &Path, bytes: u64) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let file = File::open(path).ok()?;
    file.take(bytes).read_to_end(&mut read).ok()?;
    Some(read)
}
