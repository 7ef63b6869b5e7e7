//! Reading files of `data/` from any thread, without the catalogue.

use std::cell::RefCell;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::disk::{self, DiskError};
use super::partial::hash_rest;
use crate::digest::Sha256;
use crate::names::LocalPath;

/// Opens files of a rescue folder; cheap to clone.
#[derive(Debug, Clone)]
pub struct DataReader {
    root: PathBuf,
}

/// What stands at a place below `data/`.
#[derive(Debug)]
pub enum Found {
    /// A regular file, open.
    File(File),
    /// Nothing.
    Nothing,
    /// Something else, or a symbolic link there or on the way there.
    Other,
}

impl DataReader {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The file's place on disk.
    pub fn path(&self, local: &LocalPath) -> PathBuf {
        disk::data_path(&self.root, local)
    }

    /// Opens a file to read it; follows no symbolic link out of the folder.
    pub fn open(&self, local: &LocalPath) -> Result<Found, DiskError> {
        match disk::refuse_symlinks(&self.root, local) {
            Ok(()) => {}
            Err(DiskError::Symlink { .. } | DiskError::NotAFolder { .. }) => {
                return Ok(Found::Other);
            }
            Err(error) => return Err(error),
        }
        let path = self.path(local);
        match disk::open_file(&path) {
            Ok(Some(file)) => {
                let found = file
                    .metadata()
                    .map_err(|e| DiskError::new("look at", &path, e))?;
                Ok(match found.is_file() {
                    true => Found::File(file),
                    false => Found::Other,
                })
            }
            Ok(None) => Ok(Found::Nothing),
            Err(DiskError::Symlink { .. }) => Ok(Found::Other),
            Err(error) => Err(error),
        }
    }

    /// The size of the regular file that stands at a place; `None` when there is none such.
    pub fn size(&self, local: &LocalPath) -> Option<u64> {
        if disk::refuse_symlinks(&self.root, local).is_err() {
            return None;
        }
        let found = std::fs::symlink_metadata(self.path(local)).ok()?;
        found.is_file().then_some(found.len())
    }
}

/// Looks whether files still stand in their places, without reading them.
#[derive(Debug)]
pub struct Presence {
    root: PathBuf,
    /// The folder looked at last, and whether the way to it is free of symbolic links: files are
    /// asked for folder by folder.
    parent: RefCell<Option<(Option<LocalPath>, bool)>>,
}

impl Presence {
    /// Of the files of the rescue folder at `root`, which need not exist.
    pub fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            parent: RefCell::new(None),
        }
    }

    /// Whether a regular file of so many bytes with this SHA-256 stands there; reads all of it.
    pub fn has_bytes(
        &self,
        local: &LocalPath,
        size: u64,
        sha256: Sha256,
    ) -> Result<bool, DiskError> {
        if !self.look(local, size)? {
            return Ok(false);
        }
        let path = disk::data_path(&self.root, local);
        let Some(mut file) = disk::open_file(&path)? else {
            return Ok(false);
        };
        let (hasher, _) = hash_rest(&mut file, &path, |_| {})?;
        Ok(hasher.finish() == sha256)
    }

    /// Whether a regular file of so many bytes stands there. That the disk does not say is an
    /// error: the file may well be there.
    pub fn look(&self, local: &LocalPath, size: u64) -> Result<bool, DiskError> {
        let parent = local.parent();
        let mut known = self.parent.borrow_mut();
        let is_free = match known.as_ref() {
            Some((known, is_free)) if *known == parent => *is_free,
            _ => {
                let is_free = match disk::refuse_symlinks(&self.root, local) {
                    Ok(()) => true,
                    Err(DiskError::Symlink { .. } | DiskError::NotAFolder { .. }) => false,
                    Err(error) => return Err(error),
                };
                *known = Some((parent, is_free));
                is_free
            }
        };
        let path = disk::data_path(&self.root, local);
        match std::fs::symlink_metadata(&path) {
            Ok(found) => Ok(is_free && found.is_file() && found.len() == size),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(_) if !is_free => Ok(false),
            Err(error) => Err(DiskError::new("look at", &path, error)),
        }
    }

    /// As [`Presence::look`], for those who only tell what they see.
    pub fn is_in_place(&self, local: &LocalPath, size: u64) -> bool {
        self.look(local, size).unwrap_or(false)
    }
}
