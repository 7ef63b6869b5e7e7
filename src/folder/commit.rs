//! Group commit: syncs finished files together, renames them together, and syncs their folders.
//!
//! In: [`Finished`] files and the paths that they are to get. Out: one [`CommitOutcome`] per file. When
//! [`Committer::commit`] returns, every file reported as in place is on the disk under its name and survives a power
//! cut; the caller records it *afterwards*. If the power fails in between, the commit of the next run finds the file
//! in place and replaces it.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::disk::system::Identity;
use super::disk::system::held::{Bearer, OpenFor};
use super::disk::{self, DATA, DiskAction, DiskError, Renaming, Within};
use super::partial::{Finished, hash_rest};
use crate::names::LocalPath;

/// From this many files on, one sync of the whole filesystem is cheaper than one per file.
const SYNC_ALL_FROM: usize = 8;

/// A finished file and the path that it is to get.
#[derive(Debug)]
pub struct ToCommit {
    /// The file.
    pub finished: Finished,
    /// Its path below `data/`.
    pub local: LocalPath,
}

/// What became of one file.
#[derive(Debug)]
pub enum CommitOutcome {
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

impl CommitOutcome {
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
    /// The folder of unfinished files, held open so that it is not looked up for each file.
    partial: Within,
    /// Folders whose names are known to be on the disk. One that was found and not made by this
    /// run may have been made by a run that was killed before its sync.
    durable: HashSet<PathBuf>,
    _lock: Option<Arc<File>>,
}

impl Committer {
    /// For the rescue folder at `root`; to be made before any file of the run is written.
    pub(super) fn new(root: &Path, lock: Option<Arc<File>>) -> Result<Self, DiskError> {
        let root_folder = disk::system::open_folder(root)
            .map_err(|e| DiskError::new(DiskAction::Open, root, e))?;
        Ok(Self {
            root: root.to_owned(),
            root_folder,
            partial: Within::partial(root)?,
            durable: HashSet::new(),
            _lock: lock,
        })
    }

    /// Puts a group of files in place, in the group's order; the outcomes are in the same order.
    ///
    /// An error concerns the whole group (a full disk, a failed sync): none of its files may be
    /// recorded, all of them can be fetched or committed again.
    pub fn commit(&mut self, group: Vec<ToCommit>) -> Result<Vec<CommitOutcome>, DiskError> {
        self.sync_files(
            group
                .iter()
                .map(|file| (&file.finished.file, file.finished.path.as_path())),
        )?;
        let mut touched = Touched::default();
        let mut outcomes = Vec::with_capacity(group.len());
        for ToCommit { finished, local } in group {
            outcomes.push(match self.put(&finished, &local, &mut touched) {
                Ok(Placement::InPlace) => CommitOutcome::InPlace,
                Ok(Placement::Replaced) => CommitOutcome::Replaced,
                Ok(Placement::TargetExists) => CommitOutcome::TargetExists(finished),
                Err(error) if error.concerns_the_whole_disk() => return Err(error),
                Err(error) => CommitOutcome::Failed(finished, error),
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
        let Some(source) = Within::holding(&self.root, from)? else {
            let path = disk::data_path(&self.root, from);
            return Err(DiskError::new(
                DiskAction::Open,
                &path,
                ErrorKind::NotFound.into(),
            ));
        };
        touched.changed(&source)?;
        let target = self.folder_of(to, &mut touched)?;
        let renaming = source.rename_new(from.name(), &target, to.name())?;
        touched.changed(&target)?;
        self.sync_folders(touched)?;
        Ok(renaming == Renaming::Renamed)
    }

    /// Removes a file from `data/`, durably; a missing file is not an error.
    ///
    /// For a file that is proven wrong, and for what was kept of a damaged one once all of it came.
    pub fn remove(&self, local: &LocalPath) -> Result<(), DiskError> {
        let Some(folder) = Within::holding(&self.root, local)? else {
            return Ok(());
        };
        folder.remove(local.name())?;
        folder.sync()
    }

    fn put(
        &self,
        finished: &Finished,
        local: &LocalPath,
        touched: &mut Touched,
    ) -> Result<Placement, DiskError> {
        let (partial, name) = (&self.partial, finished.entry.to_string());
        let folder = self.folder_of(local, touched)?;
        if !partial.bears(&name, &finished.file) {
            // Its name is all that can be renamed: what bears it now has not that hash.
            return Err(DiskError::Displaced {
                path: finished.path.clone(),
            });
        }
        let put = match partial.rename_new(&name, &folder, local.name())? {
            Renaming::Renamed => Placement::InPlace,
            Renaming::TargetExists if has_bytes_of(finished, &folder, local) => {
                partial.rename_over(&name, &folder, local.name())?;
                Placement::Replaced
            }
            Renaming::TargetExists => return Ok(Placement::TargetExists),
        };
        touched.changed(&folder)?;
        Ok(put)
    }

    /// The folder that `local` needs, made with those above it where they are missing.
    fn folder_of(&self, local: &LocalPath, touched: &mut Touched) -> Result<Rc<Within>, DiskError> {
        if let Some((parent, folder)) = &touched.last
            && *parent == local.parent()
        {
            return Ok(Rc::clone(folder));
        }
        let mut folder = Within::root(&self.root)?.existing(DATA)?;
        let mut names = local.components();
        names.next_back();
        for name in names {
            let next = folder.made(name)?;
            if !self.durable.contains(next.path()) {
                touched.changed(&folder)?;
                touched.to_be_durable.push(next.path().to_owned());
            }
            folder = next;
        }
        let folder = Rc::new(folder);
        touched.last = Some((local.parent(), Rc::clone(&folder)));
        Ok(folder)
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
        let count = touched.folders.len();
        let rest =
            match count >= SYNC_ALL_FROM && disk::sync_filesystem(&self.root_folder, &self.root)? {
                true => count - 1,
                false => 0,
            };
        for (at, (path, identity)) in touched.folders.iter().enumerate() {
            // Somebody may have put another folder there, to which none of the files went.
            let folder = self.again(path)?;
            if folder.identity()? != *identity {
                return Err(DiskError::Displaced { path: path.clone() });
            }
            if at >= rest {
                folder.sync()?;
            }
        }
        self.durable.extend(touched.to_be_durable);
        Ok(())
    }

    /// The folder that a path below the rescue folder leads to now.
    fn again(&self, path: &Path) -> Result<Within, DiskError> {
        let mut folder = Within::root(&self.root)?;
        for name in path.strip_prefix(&self.root).into_iter().flatten() {
            folder = folder.existing(name)?;
        }
        Ok(folder)
    }
}

/// Whether nothing is lost when a file is replaced by this one. What cannot be read is not.
fn has_bytes_of(finished: &Finished, folder: &Within, local: &LocalPath) -> bool {
    let bearer = folder.bearer(local.name());
    if !matches!(bearer, Ok(Some(Bearer::File(size))) if size == finished.size) {
        return false;
    }
    let Ok(Some(mut file)) = folder.open(local.name(), OpenFor::Reading) else {
        return false;
    };
    // From memory as well: what only memory holds is replaced by what the disk has.
    let hashed = hash_rest(&mut file, &folder.at(local.name()), |_| {});
    hashed.is_ok_and(|(hasher, _)| hasher.finish() == finished.sha256)
}

enum Placement {
    InPlace,
    Replaced,
    TargetExists,
}

/// The folders that a group changed.
#[derive(Default)]
struct Touched {
    folders: BTreeMap<PathBuf, Identity>,
    to_be_durable: Vec<PathBuf>,
    /// The one that was found last, and the local path of which: files come folder by folder.
    last: Option<(Option<LocalPath>, Rc<Within>)>,
}

impl Touched {
    fn changed(&mut self, folder: &Within) -> Result<(), DiskError> {
        let identity = folder.identity()?;
        let path = folder.path().to_owned();
        match self.folders.get(&path) {
            Some(before) if *before != identity => Err(DiskError::Displaced { path }),
            _ => {
                self.folders.insert(path, identity);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
