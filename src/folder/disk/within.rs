//! A folder inside the rescue folder, reached name by name and held open, so that operations stay in it even if
//! somebody replaces a folder on the way with a symbolic link.
//!
//! In: the rescue folder's path, which its owner named, then names below it. Out: success, or a [`DiskError`] with
//! the path. Symbolic links are never followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::system::Identity;
use super::system::held::{Bearer, HeldFolder, OpenFor};
use super::{Change, DATA, DiskAction, DiskError, PARTIAL, Renaming, observed};
use crate::names::LocalPath;

/// A folder that is held, and the path by which it is shown.
#[derive(Debug)]
pub(crate) struct Within {
    held: HeldFolder,
    path: PathBuf,
}

impl Within {
    /// The rescue folder itself. Links on the way to it are its owner's own.
    pub(crate) fn root(path: &Path) -> Result<Self, DiskError> {
        let held = HeldFolder::open(path).map_err(|e| DiskError::new(DiskAction::Open, path, e))?;
        let path = path.to_owned();
        Ok(Self { held, path })
    }

    /// The folder of unfinished files.
    pub(crate) fn partial(root: &Path) -> Result<Self, DiskError> {
        Self::root(root)?.existing(PARTIAL)
    }

    /// The folder that holds a file of `data/`, or is to hold it; `None` when it is missing.
    pub(crate) fn holding(root: &Path, local: &LocalPath) -> Result<Option<Self>, DiskError> {
        let mut names = local.components();
        names.next_back();
        let mut folder = Self::root(root)?;
        for name in std::iter::once(DATA).chain(names) {
            match folder.below(name)? {
                Some(next) => folder = next,
                None => return Ok(None),
            }
        }
        Ok(Some(folder))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Which folder this is, whatever its path leads to by now.
    pub(crate) fn identity(&self) -> Result<Identity, DiskError> {
        let found = self.held.identity();
        found.map_err(|e| DiskError::new(DiskAction::LookAt, &self.path, e))
    }

    /// The path of a name in it, for messages.
    pub(crate) fn at(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path.join(name.as_ref())
    }

    /// A folder in it; `None` when nothing bears the name.
    pub(crate) fn below(&self, name: impl AsRef<OsStr>) -> Result<Option<Self>, DiskError> {
        let (name, path) = (name.as_ref(), self.at(&name));
        match self.held.below(name) {
            Ok(held) => Ok(Some(Self { held, path })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                Err(match self.held.bearer(name) {
                    Ok(Some(Bearer::Link)) => DiskError::Symlink { path },
                    _ => DiskError::NotAFolder { path },
                })
            }
            Err(error) => Err(DiskError::new(DiskAction::Open, &path, error)),
        }
    }

    /// As [`Within::below`]; that it is missing is an error.
    pub(crate) fn existing(&self, name: impl AsRef<OsStr>) -> Result<Self, DiskError> {
        let missing = || {
            DiskError::new(
                DiskAction::Open,
                &self.at(&name),
                ErrorKind::NotFound.into(),
            )
        };
        self.below(name.as_ref())?.ok_or_else(missing)
    }

    /// A folder in it, which is made when nothing bears the name.
    pub(crate) fn made(&self, name: impl AsRef<OsStr>) -> Result<Self, DiskError> {
        if let Some(folder) = self.below(&name)? {
            return Ok(folder);
        }
        let path = self.at(&name);
        let made = self.held.make(name.as_ref());
        if made.map_err(|e| DiskError::naming(DiskAction::Create, &path, e))? {
            observed(|| Change::FolderCreated(path));
        }
        self.existing(name)
    }

    /// Creates a file in place of a file that bears the name.
    ///
    /// Never writes into one that is there: it may bear another name elsewhere too. A pipe or a device would
    /// swallow the bytes: that is [`DiskError::NotAFile`].
    pub(crate) fn create(&self, name: impl AsRef<OsStr>) -> Result<File, DiskError> {
        let (name, path) = (name.as_ref(), self.at(&name));
        let mut created = self.held.create_new(name);
        // Looked at only then: nearly always nothing bears the name.
        if created
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
        {
            match self.held.bearer(name) {
                Ok(Some(Bearer::File(_))) => {
                    let removed = self.held.vacate(name);
                    removed.map_err(|e| DiskError::new(DiskAction::Remove, &path, e))?;
                }
                Ok(Some(Bearer::Link)) => return Err(DiskError::Symlink { path }),
                Ok(Some(Bearer::Folder | Bearer::Other)) => {
                    return Err(DiskError::NotAFile { path });
                }
                Ok(None) | Err(_) => {}
            }
            created = self.held.create_new(name);
        }
        let file = created.map_err(|e| DiskError::naming(DiskAction::Create, &path, e))?;
        observed(|| Change::Created(path));
        Ok(file)
    }

    /// Opens a file; `None` when nothing bears the name.
    pub(crate) fn open(
        &self,
        name: impl AsRef<OsStr>,
        open_for: OpenFor,
    ) -> Result<Option<File>, DiskError> {
        let (name, path) = (name.as_ref(), self.at(&name));
        match self.held.file(name, open_for) {
            Ok(file) => Ok(file),
            Err(error) => Err(match self.held.bearer(name) {
                Ok(Some(Bearer::Link)) => DiskError::Symlink { path },
                Ok(Some(Bearer::Folder | Bearer::Other)) => DiskError::NotAFile { path },
                _ => DiskError::naming(DiskAction::Open, &path, error),
            }),
        }
    }

    /// What bears a name in it, if anything does.
    pub(crate) fn bearer(&self, name: impl AsRef<OsStr>) -> Result<Option<Bearer>, DiskError> {
        let found = self.held.bearer(&name);
        found.map_err(|e| DiskError::new(DiskAction::LookAt, &self.at(&name), e))
    }

    /// Whether this open file is the one that bears the name.
    pub(crate) fn bears(&self, name: impl AsRef<OsStr>, file: &File) -> bool {
        self.held.bears(name, file)
    }

    /// Gives what bears a name here a name in another folder, unless something bears that already.
    pub(crate) fn rename_new(
        &self,
        from: impl AsRef<OsStr>,
        into: &Self,
        to: impl AsRef<OsStr>,
    ) -> Result<Renaming, DiskError> {
        let target = into.at(&to);
        match self.held.rename_new(&from, &into.held, &to) {
            Ok(()) => {
                observed(|| Change::Renamed(self.at(&from), target));
                Ok(Renaming::Renamed)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Renaming::TargetExists),
            Err(error) => Err(DiskError::naming(DiskAction::Rename, &target, error)),
        }
    }

    /// Gives what bears a name here a name in another folder, in place of the file that bears that.
    pub(crate) fn rename_over(
        &self,
        from: impl AsRef<OsStr>,
        into: &Self,
        to: impl AsRef<OsStr>,
    ) -> Result<(), DiskError> {
        let target = into.at(&to);
        let renamed = self.held.rename_over(&from, &into.held, &to);
        renamed.map_err(|e| DiskError::naming(DiskAction::Rename, &target, e))?;
        observed(|| Change::Renamed(self.at(&from), target));
        Ok(())
    }

    /// Removes a file; a missing file is not an error.
    pub(crate) fn remove(&self, name: impl AsRef<OsStr>) -> Result<(), DiskError> {
        let path = self.at(&name);
        match self.held.vacate(&name) {
            Ok(true) => observed(|| Change::Removed(path)),
            Ok(false) => {}
            Err(error) => return Err(DiskError::new(DiskAction::Remove, &path, error)),
        }
        Ok(())
    }

    /// Waits until its names are on the disk.
    pub(crate) fn sync(&self) -> Result<(), DiskError> {
        let synced = self.held.sync();
        synced.map_err(|e| DiskError::new(DiskAction::Sync, &self.path, e))?;
        observed(|| Change::FolderSynced(self.path.clone()));
        Ok(())
    }
}
