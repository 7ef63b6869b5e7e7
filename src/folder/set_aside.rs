//! Moves what does not belong into `data/` out of it: altered files, and files of somebody else.
//!
//! Nothing is deleted or replaced: below `set-aside/` each keeps its path, with a number when the
//! path is taken. The bag is whole again once the next pull has brought what is missing then.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::Folder;
use super::disk::{self, DATA, DiskError, Renaming};
use crate::names::LocalPath;

/// The folder for it, in the rescue folder.
pub const SET_ASIDE: &str = "set-aside";

impl Folder {
    /// Moves what stands at a path below `data/`, or in the place of one of its folders, to
    /// `set-aside/`, durably; returns where it lies now, from the rescue folder, or `None` when
    /// nothing stands there.
    ///
    /// Follows no symbolic link: it is the link that is moved.
    pub fn set_aside(&self, below_data: &Path) -> Result<Option<PathBuf>, DiskError> {
        let Some((path, relative)) = self.first_that_stands(below_data)? else {
            return Ok(None);
        };
        let mut folder = self.root.join(SET_ASIDE);
        disk::create_folder(&folder)?;
        let mut made = vec![self.root.clone()];
        for name in relative.parent().into_iter().flat_map(Path::components) {
            made.push(folder.clone());
            folder.push(name);
            disk::create_folder(&folder)?;
        }
        let name = relative.file_name().unwrap_or_default();
        let mut target = folder.join(name);
        let mut number = 2_u32;
        while disk::rename_new(&path, &target)? == Renaming::TargetExists {
            let mut numbered = name.to_owned();
            numbered.push(format!(" ({number})"));
            target = folder.join(numbered);
            number = number.saturating_add(1);
        }
        disk::sync_folder(&folder)?;
        for folder in made.iter().rev() {
            disk::sync_folder(folder)?;
        }
        if let Some(parent) = path.parent() {
            disk::sync_folder(parent)?;
        }
        Ok(Some(
            target
                .strip_prefix(&self.root)
                .unwrap_or(&target)
                .to_owned(),
        ))
    }

    /// Whether the folder of this file lists its name in this very spelling: a disk that takes
    /// `A` for `a`, or one way of writing an accent for another, finds more than it lists.
    pub fn spells_it_so(&self, local: &LocalPath) -> bool {
        let path = self.data_path(local);
        let listing = path.parent().map(fs::read_dir);
        let Some(Ok(mut listing)) = listing else {
            return false;
        };
        listing.any(|found| found.is_ok_and(|found| found.file_name() == local.name()))
    }

    /// The first on the way to a path below `data/` that is no folder, or the path itself.
    fn first_that_stands(
        &self,
        below_data: &Path,
    ) -> Result<Option<(PathBuf, PathBuf)>, DiskError> {
        let mut path = self.root.join(DATA);
        let mut relative = PathBuf::new();
        for component in below_data.components() {
            let Component::Normal(name) = component else {
                return Ok(None);
            };
            path.push(name);
            relative.push(name);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() && relative != below_data => {}
                Ok(_) => return Ok(Some((path, relative))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(DiskError::new("look at", &path, error)),
            }
        }
        Ok(None)
    }
}
