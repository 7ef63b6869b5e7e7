//! Moves altered files, and files of somebody else, out of `data/`.
//!
//! Nothing is deleted or replaced: below `set-aside/` each file keeps its path, with a number if the path is taken.
//! The bag is complete again after the next pull has fetched the missing files.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::Folder;
use super::disk::system::held::Bearer;
use super::disk::{DATA, DiskError, Renaming, Within};
use crate::names::LocalPath;

/// The folder for it, in the rescue folder.
pub(crate) const SET_ASIDE: &str = "set-aside";

impl Folder {
    /// Moves what stands at a path below `data/`, or in the place of one of its folders, to
    /// `set-aside/`, durably; returns where it lies now, from the rescue folder, or `None` when
    /// nothing stands there.
    ///
    /// Follows no symbolic link: it is the link that is moved.
    pub fn set_aside(&self, below_data: &Path) -> Result<Option<PathBuf>, DiskError> {
        let Some((source, relative)) = self.first_that_stands(below_data)? else {
            return Ok(None);
        };
        let mut made = vec![Within::root(&self.root)?];
        let parents = relative.parent().into_iter().flatten();
        for name in std::iter::once(OsStr::new(SET_ASIDE)).chain(parents) {
            if let Some(next) = made.last().map(|above| above.made(name)).transpose()? {
                made.push(next);
            }
        }
        let Some(folder) = made.last() else {
            return Ok(None);
        };
        let name = relative.file_name().unwrap_or_default();
        let mut target = name.to_owned();
        let mut number = 2_u32;
        while source.rename_new(name, folder, &target)? == Renaming::TargetExists {
            target = name.to_owned();
            target.push(format!(" ({number})"));
            number = number.saturating_add(1);
        }
        for folder in made.iter().rev() {
            folder.sync()?;
        }
        source.sync()?;
        let target = folder.at(target);
        let below = target.strip_prefix(&self.root).map(Path::to_owned);
        Ok(Some(below.unwrap_or(target)))
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

    /// The first on the way to a path below `data/` that is no folder, or what bears the path itself: the folder
    /// that holds it, and its path below `data/`.
    fn first_that_stands(&self, below_data: &Path) -> Result<Option<(Within, PathBuf)>, DiskError> {
        let mut folder = Within::root(&self.root)?.existing(DATA)?;
        let mut relative = PathBuf::new();
        for component in below_data.components() {
            let Component::Normal(name) = component else {
                return Ok(None);
            };
            relative.push(name);
            match folder.bearer(name)? {
                Some(Bearer::Folder) if relative != below_data => {
                    folder = folder.existing(name)?;
                }
                Some(_) => return Ok(Some((folder, relative))),
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}
