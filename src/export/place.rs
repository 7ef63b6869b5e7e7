//! Where an archive goes, and the steps that make it safe: look first, write beside, rename last.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{ExportError, Share};
use crate::folder::disk::{self, Renaming};
use crate::folder::{DiskError, Folder};
use crate::names::spell;

/// An archive's place.
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
    parent: PathBuf,
    base: String,
    /// `.zip`, `.zip.age`.
    ending: OsString,
}

impl Place {
    /// An archive at `path`.
    pub fn new(path: &Path) -> Result<Self, ExportError> {
        let no_name = || ExportError::NoName {
            path: path.to_owned(),
        };
        let mut stem = path.file_stem().ok_or_else(no_name)?;
        let mut ending = dotted(path.extension());
        if ending == ".age" && Path::new(stem).extension().is_some() {
            let inner = dotted(Path::new(stem).extension());
            stem = Path::new(stem).file_stem().ok_or_else(no_name)?;
            ending = [inner, ending].into_iter().collect();
        }
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let parent = match fs::canonicalize(parent) {
            Ok(parent) => parent,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let path = parent.to_owned();
                return Err(ExportError::NoParent { path });
            }
            Err(error) => return Err(DiskError::new("look at", parent, error).into()),
        };
        let name = path.file_name().unwrap_or_default();
        Ok(Self {
            path: parent.join(name),
            parent,
            base: spell(stem.as_encoded_bytes()),
            ending,
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

    /// One of several archives: `NAME-1-of-3.zip`; the place itself when it is the only one.
    pub(super) fn of_share(&self, share: Share) -> Self {
        if share.of < 2 {
            return self.clone();
        }
        let suffix = format!("-{}-of-{}", share.number, share.of);
        let whole = self.path.file_name().unwrap_or_default().as_bytes();
        let stem = whole.strip_suffix(self.ending.as_bytes()).unwrap_or(whole);
        let mut name = OsStr::from_bytes(stem).to_owned();
        name.push(&suffix);
        name.push(&self.ending);
        Self {
            path: self.parent.join(name),
            parent: self.parent.clone(),
            base: spell(format!("{}{suffix}", self.base).as_bytes()),
            ending: self.ending.clone(),
        }
    }

    /// The name that the file of small pictures bears for a moment.
    pub(super) fn thumbs(&self) -> PathBuf {
        let mut path = self.part().into_os_string();
        path.push(".pictures");
        path.into()
    }

    /// Finds out whether the disk has room for so many bytes.
    pub(super) fn room_for(&self, needed_bytes: u64) -> Result<(), ExportError> {
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
    pub(super) fn name(&self, part: &Path, replace: bool) -> Result<(), ExportError> {
        if replace {
            disk::rename_over(part, &self.path)?;
        } else if disk::rename_new(part, &self.path)? == Renaming::TargetExists {
            return Err(ExportError::Exists {
                path: self.path.clone(),
            });
        }
        Ok(disk::sync_folder(&self.parent)?)
    }
}

/// An extension with its dot, as it stands in a name.
fn dotted(extension: Option<&OsStr>) -> OsString {
    let mut dotted = OsString::new();
    if let Some(extension) = extension {
        dotted.push(".");
        dotted.push(extension);
    }
    dotted
}
