//! The album's files in a rescue folder: their names, and how each is put there as a whole.

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::super::ExportError;
use super::super::rows::{TagFiles, WriteTag};
use super::parts::{self, ALBUM};
use crate::folder::disk::system::held::Bearer;
use crate::folder::disk::{self, Within};
use crate::folder::{DiskAction, DiskError};

/// Returns the number of a list, from its path.
pub(super) fn list_number(path: &str) -> Option<u32> {
    let name = path.strip_prefix(ALBUM)?.strip_prefix("/list-")?;
    name.strip_suffix(".js")?.parse().ok()
}

/// Returns the names of the files in the album's folder.
pub(super) fn names(root: &Path) -> impl Iterator<Item = String> {
    let listing = fs::read_dir(root.join(ALBUM)).into_iter().flatten();
    listing.filter_map(|found| found.ok()?.file_name().into_string().ok())
}

pub(super) fn list_numbers(root: &Path) -> impl Iterator<Item = u32> {
    names(root).filter_map(|name| list_number(&format!("{ALBUM}/{name}")))
}

/// Returns the number for the next part.
pub(super) fn next_part(root: &Path) -> u32 {
    let last = names(root).filter_map(|name| parts::number(&name)).max();
    last.map_or(0, |last| last.saturating_add(1))
}

/// When a file's bytes have to be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syncing {
    /// Before the next file.
    Now,
    /// Whenever the system writes them.
    Later,
}

/// Writes the album's files into a rescue folder, each one atomically.
pub(super) struct InFolder {
    root: PathBuf,
}

/// The name under which a file of the album is written.
const UNDER_WAY: &str = "album";

impl InFolder {
    pub(super) fn open(root: &Path) -> Result<Self, DiskError> {
        Within::root(root)?.made(ALBUM)?;
        let root = root.to_owned();
        Ok(Self { root })
    }

    /// Writes a file and moves it into place. If requested, the file and its name are synced to disk.
    pub(super) fn put(
        &mut self,
        path: &str,
        syncing: Syncing,
        write: WriteTag<'_>,
    ) -> Result<(), ExportError> {
        let put = self.try_to_put(path, syncing, write);
        if put.is_err() {
            // Where the disk is full, what was written of it is in the way.
            let _ = Within::partial(&self.root).and_then(|partial| partial.remove(UNDER_WAY));
        }
        put
    }

    fn try_to_put(
        &mut self,
        path: &str,
        syncing: Syncing,
        write: WriteTag<'_>,
    ) -> Result<(), ExportError> {
        let (file, place) = disk::create_partial(&self.root, UNDER_WAY)?;
        let mut file = BufWriter::with_capacity(256 * 1024, file);
        write(&mut file)?;
        let file = file.into_inner();
        let file = file.map_err(|e| DiskError::new(DiskAction::Write, &place, e.into_error()))?;
        if syncing == Syncing::Now {
            disk::sync_file(&file, &place)?;
        }
        drop(file);
        let (partial, mut folder) = (Within::partial(&self.root)?, Within::root(&self.root)?);
        let mut names = path.split('/');
        let target = names.next_back().unwrap_or_default();
        for name in names {
            folder = folder.existing(name)?;
        }
        if matches!(folder.bearer(target)?, Some(Bearer::Folder)) {
            let error = std::io::ErrorKind::IsADirectory.into();
            return Err(DiskError::new(DiskAction::Replace, &folder.at(target), error).into());
        }
        partial.rename_over(UNDER_WAY, &folder, target)?;
        if syncing == Syncing::Now {
            folder.sync()?;
        }
        Ok(())
    }
}

impl TagFiles for InFolder {
    fn add_tag(&mut self, path: &str, write: WriteTag<'_>) -> Result<(), ExportError> {
        self.put(path, Syncing::Later, write)
    }
}
