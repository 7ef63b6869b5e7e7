//! Where an archive goes, and the steps that make it safe: look first, write beside, rename last.

use std::fs;
use std::path::{Path, PathBuf};

use super::plan::Plan;
use super::{ExportError, Renaming};
use crate::folder::disk;
use crate::folder::{DiskError, Folder};
use crate::names::spell;

/// What a file costs in the archive besides its bytes and three times its name: headers, fields,
/// and its line in the manifest.
const ENTRY_BYTES: u64 = 300;
/// What the bag's own files cost besides.
const BAG_BYTES: u64 = 64 * 1024;

/// An archive's place.
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
    parent: PathBuf,
    base: String,
}

impl Place {
    /// An archive at `path`.
    pub fn new(path: &Path) -> Result<Self, ExportError> {
        let stem = path.file_stem().ok_or_else(|| ExportError::NoName {
            path: path.to_owned(),
        })?;
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let parent = fs::canonicalize(parent).map_err(|e| DiskError::new("look at", parent, e))?;
        let name = path.file_name().unwrap_or_default();
        Ok(Self {
            path: parent.join(name),
            parent,
            base: spell(stem.as_encoded_bytes()),
        })
    }

    /// Where the archive is when it is done.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The one folder in it.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where it is before.
    pub(super) fn part(&self) -> PathBuf {
        let mut part = self.path.clone().into_os_string();
        part.push(".part");
        part.into()
    }

    /// Looks whether the archive may go there.
    pub(super) fn look(&self, folder: &Folder, replace: bool) -> Result<(), ExportError> {
        if self.parent.starts_with(folder.root()) {
            return Err(ExportError::Inside {
                path: self.path.clone(),
            });
        }
        match fs::symlink_metadata(&self.path) {
            // A folder cannot be replaced by a file, and a link is not what the person means.
            Ok(found) if !replace || !found.is_file() => Err(ExportError::Exists {
                path: self.path.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Finds out whether the disk has room for all of it.
    pub(super) fn room_for(&self, plan: &Plan) -> Result<(), ExportError> {
        let names = plan.pieces.iter().map(|piece| {
            let name = self.base.len() + piece.local.as_str().len();
            3 * name as u64 + ENTRY_BYTES
        });
        let needed_bytes = plan.bytes() + names.sum::<u64>() + BAG_BYTES;
        let free_bytes = fs4::available_space(&self.parent)
            .map_err(|e| DiskError::new("measure the free space of", &self.parent, e))?;
        match needed_bytes <= free_bytes {
            true => Ok(()),
            false => Err(ExportError::NoRoom {
                path: self.parent.clone(),
                needed_bytes,
                free_bytes,
            }),
        }
    }

    /// Gives the finished archive its name.
    pub(super) fn name(&self, replace: bool) -> Result<(), ExportError> {
        let part = self.part();
        if replace {
            disk::rename_over(&part, &self.path)?;
        } else if disk::rename_new(&part, &self.path)? == Renaming::TargetExists {
            disk::remove_file(&part)?;
            return Err(ExportError::Exists {
                path: self.path.clone(),
            });
        }
        Ok(disk::sync_folder(&self.parent)?)
    }
}
