//! Group commit: finished files are synced together, renamed together, and their folders synced.
//!
//! What goes in: [`Finished`] files and the paths that they shall have. What comes out: one
//! [`Outcome`] per file. When [`Committer::commit`] returns, every file reported as in place is on
//! the disk under its name and survives a power cut; the caller records it *afterwards*. When the
//! power goes in between, the file is found in place by the next run's commit and replaced.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::system::is_at;
use super::disk::{self, DATA, DiskError, Renaming};
use super::partial::{Finished, hash_rest};
use crate::names::LocalPath;

/// The most files that one group should have: each is held open until its commit, and many
/// systems let a process open 1,024 files unless it asks for more.
pub const MAX_GROUP: usize = 256;

/// From this many files on, one sync of the whole filesystem is cheaper than one per file.
const SYNC_ALL_FROM: usize = 8;

/// A finished file and the path that it shall have.
#[derive(Debug)]
pub struct ToCommit {
    /// The file.
    pub finished: Finished,
    /// Its path below `data/`.
    pub local: LocalPath,
}

/// What became of one file.
#[derive(Debug)]
pub enum Outcome {
    /// It is on the disk under its name.
    InPlace,
    /// A file with the same bytes was there, left by a run that was cut short; this one took its
    /// place, for of the other's bytes nobody knows whether they are on the disk.
    Replaced,
    /// Something else bears the name. The file waits in `.partial/`: allocate another name and
    /// commit it again.
    TargetExists(Finished),
    /// This file cannot be put there; others can. It waits in `.partial/`.
    Failed(Finished, DiskError),
}

impl Outcome {
    /// Whether the file is on the disk under its name.
    pub fn is_in_place(&self) -> bool {
        matches!(self, Self::InPlace | Self::Replaced)
    }
}

/// Puts finished files into the rescue folder; may work on another thread than the catalogue.
#[derive(Debug)]
pub struct Committer {
    root: PathBuf,
    /// Open since before the first write, so that the sync of the filesystem reports every failed
    /// write since then, also one that another program's sync has already been told of.
    root_folder: File,
    /// Folders whose names are known to be on the disk. One that was found and not made by this
    /// run may have been made by a run that was killed before its sync.
    durable: HashSet<PathBuf>,
    _lock: Option<Arc<File>>,
}

impl Committer {
    /// For the rescue folder at `root`; to be made before any file of the run is written.
    pub(super) fn new(root: &Path, lock: Option<Arc<File>>) -> Result<Self, DiskError> {
        let root_folder = File::open(root).map_err(|e| DiskError::new("open", root, e))?;
        Ok(Self {
            root: root.to_owned(),
            root_folder,
            durable: HashSet::new(),
            _lock: lock,
        })
    }

    /// Puts a group of files in place, in the group's order; the outcomes are in the same order.
    ///
    /// An error concerns the whole group (a full disk, a failed sync): none of its files may be
    /// recorded, all of them can be fetched or committed again.
    pub fn commit(&mut self, group: Vec<ToCommit>) -> Result<Vec<Outcome>, DiskError> {
        self.sync_files(
            group
                .iter()
                .map(|file| (&file.finished.file, file.finished.path.as_path())),
        )?;
        let mut touched = Touched::default();
        let mut outcomes = Vec::with_capacity(group.len());
        for ToCommit { finished, local } in group {
            outcomes.push(match self.put(&finished, &local, &mut touched) {
                Ok(Put::InPlace) => Outcome::InPlace,
                Ok(Put::Replaced) => Outcome::Replaced,
                Ok(Put::TargetExists) => Outcome::TargetExists(finished),
                Err(error) if error.concerns_the_whole_disk() => return Err(error),
                Err(error) => Outcome::Failed(finished, error),
            });
        }
        self.sync_folders(touched)?;
        Ok(outcomes)
    }

    /// Gives a file in `data/` another path there, durably; false when something bears that path.
    ///
    /// For a file that turned out to be damaged.
    pub fn rename(&mut self, from: &LocalPath, to: &LocalPath) -> Result<bool, DiskError> {
        let mut touched = Touched::default();
        self.create_folders(to, &mut touched)?;
        disk::refuse_symlinks(&self.root, from)?;
        let from_path = disk::data_path(&self.root, from);
        let renaming = disk::rename_new(&from_path, &disk::data_path(&self.root, to))?;
        touched.holding(&from_path);
        self.sync_folders(touched)?;
        Ok(renaming == Renaming::Renamed)
    }

    /// Removes a file from `data/`, durably; that there is none is fine too.
    ///
    /// For a file that is proven wrong, and for what was kept of a damaged one once all of it came.
    pub fn remove(&self, local: &LocalPath) -> Result<(), DiskError> {
        disk::refuse_symlinks(&self.root, local)?;
        let path = disk::data_path(&self.root, local);
        disk::remove_file(&path)?;
        match path.parent() {
            Some(parent) if parent.exists() => disk::sync_folder(parent),
            _ => Ok(()),
        }
    }

    fn put(
        &self,
        finished: &Finished,
        local: &LocalPath,
        touched: &mut Touched,
    ) -> Result<Put, DiskError> {
        self.create_folders(local, touched)?;
        let target = disk::data_path(&self.root, local);
        if !is_at(&finished.file, &finished.path) {
            // Its name is all that can be renamed: what bears it now has not that hash.
            return Err(DiskError::Displaced {
                path: finished.path.clone(),
            });
        }
        match disk::rename_new(&finished.path, &target)? {
            Renaming::Renamed => {
                touched.holding(&target);
                Ok(Put::InPlace)
            }
            Renaming::TargetExists if has_bytes_of(finished, &target) => {
                disk::rename_over(&finished.path, &target)?;
                touched.holding(&target);
                Ok(Put::Replaced)
            }
            Renaming::TargetExists => Ok(Put::TargetExists),
        }
    }

    /// Creates the folders that `local` needs.
    fn create_folders(&self, local: &LocalPath, touched: &mut Touched) -> Result<(), DiskError> {
        let mut folder = self.root.join(DATA);
        if touched.is_known(local) {
            return Ok(());
        }
        disk::refuse_symlinks(&self.root, local)?;
        let mut names = local.components();
        names.next_back();
        for name in names {
            let parent = folder.clone();
            folder.push(name);
            disk::create_folder(&folder)?;
            if !self.durable.contains(&folder) {
                touched.folders.insert(parent);
                touched.to_be_durable.push(folder.clone());
            }
        }
        touched.known.insert(local.parent());
        Ok(())
    }

    fn sync_files<'a>(
        &self,
        files: impl ExactSizeIterator<Item = (&'a File, &'a Path)>,
    ) -> Result<(), DiskError> {
        let rest = if files.len() >= SYNC_ALL_FROM
            && disk::sync_filesystem(&self.root_folder, &self.root)?
        {
            // One sync flushes the disk's own cache for all of them.
            files.len() - 1
        } else {
            0
        };
        for (file, path) in files.skip(rest) {
            disk::sync_file(file, path)?;
        }
        Ok(())
    }

    fn sync_folders(&mut self, touched: Touched) -> Result<(), DiskError> {
        let rest = if touched.folders.len() >= SYNC_ALL_FROM
            && disk::sync_filesystem(&self.root_folder, &self.root)?
        {
            touched.folders.len() - 1
        } else {
            0
        };
        touched
            .folders
            .iter()
            .skip(rest)
            .try_for_each(|folder| disk::sync_folder(folder))?;
        self.durable.extend(touched.to_be_durable);
        Ok(())
    }
}

/// Whether nothing is lost when a file is replaced by this one. What cannot be read is not.
fn has_bytes_of(finished: &Finished, target: &Path) -> bool {
    let is_as_large = |found: &fs::Metadata| found.is_file() && found.len() == finished.size;
    if !fs::symlink_metadata(target).is_ok_and(|found| is_as_large(&found)) {
        return false;
    }
    let Ok(Some(mut file)) = disk::open_file(target) else {
        return false;
    };
    // From memory as well: what only memory holds is replaced by what the disk has.
    hash_rest(&mut file, target, |_| {}).is_ok_and(|(hasher, _)| hasher.finish() == finished.sha256)
}

enum Put {
    InPlace,
    Replaced,
    TargetExists,
}

/// The folders that a group changed.
#[derive(Default)]
struct Touched {
    folders: BTreeSet<PathBuf>,
    to_be_durable: Vec<PathBuf>,
    /// The parents, as local paths, that were created or found during this group.
    known: HashSet<Option<LocalPath>>,
}

impl Touched {
    fn holding(&mut self, file: &Path) {
        if let Some(parent) = file.parent() {
            self.folders.insert(parent.to_owned());
        }
    }

    fn is_known(&self, local: &LocalPath) -> bool {
        self.known.contains(&local.parent())
    }
}

#[cfg(test)]
mod tests;
