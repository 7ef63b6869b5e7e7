//! The place of an archive, and the steps that make writing safe: look first, write beside, rename last.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::{EarlierArchive, ExportError, Share};
use crate::folder::disk::system::{is_at, is_in_use, lies_in, lock_written, whole_path};
use crate::folder::disk::{self, Renaming};
use crate::folder::{DiskAction, DiskError, Folder};
use crate::names::spell;

/// The ending of an archive's name while it is written.
const PART: &str = ".rescue-part";

/// The place of an archive: its final and temporary paths.
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
    parent: PathBuf,
    base: String,
    /// The file name without its ending.
    stem: OsString,
    /// The ending of the file name: `.zip` or `.zip.age`.
    ending: OsString,
}

impl Place {
    /// Creates the place of an archive with this final path. Fails if the path has no file name or its folder does not
    /// exist.
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
        let parent = match whole_path(parent) {
            Ok(parent) => parent,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let path = parent.to_owned();
                return Err(ExportError::NoParent { path });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                let path = parent.to_owned();
                return Err(ExportError::ParentNotAFolder { path });
            }
            Err(error) => return Err(DiskError::new(DiskAction::LookAt, parent, error).into()),
        };
        if !parent.is_dir() {
            return Err(ExportError::ParentNotAFolder { path: parent });
        }
        let name = path.file_name().unwrap_or_default();
        Ok(Self {
            path: parent.join(name),
            parent,
            base: spell(stem.as_encoded_bytes()),
            stem: stem.to_owned(),
            ending,
        })
    }

    /// Returns the archive's final path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the name of the one top-level folder inside the archive.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns the archive's temporary path, which it has while it is written. Nobody else gives a file that ending, so
    /// one with it may be replaced; `.part` alone is the browsers' own.
    pub(super) fn part(&self) -> PathBuf {
        let mut part = self.path.clone().into_os_string();
        part.push(PART);
        part.into()
    }

    /// Creates the temporary file, replacing one that an interrupted export left. The file stays locked while it is
    /// open, so that two exports at once do not write, verify or rename each other's bytes.
    pub(super) fn begin(&self) -> Result<File, ExportError> {
        let part = self.part();
        let left = match fs::symlink_metadata(&part) {
            Ok(found) if found.is_file() => {
                disk::reopen_file(&part).map_err(|e| self.unless_busy(e))?
            }
            // Not left by an export.
            Ok(_) => return Err(ExportError::NotAFile { path: part }),
            Err(_) => None,
        };
        if let Some(left) = &left {
            self.lock(left)?;
            // Between the look and the lock, another one may have put its own there.
            if !is_at(left, &part) {
                return Err(self.busy());
            }
        }
        let file = disk::create_file(&part).map_err(|e| self.unless_busy(e))?;
        self.lock(&file)?;
        Ok(file)
    }

    /// Returns the size of the temporary file that an interrupted export left.
    pub(super) fn left_bytes(&self) -> u64 {
        let left = fs::symlink_metadata(self.part()).ok();
        left.filter(fs::Metadata::is_file)
            .map_or(0, |left| left.len())
    }

    /// What it means that a file of another export, perhaps, cannot be opened.
    fn unless_busy(&self, error: DiskError) -> ExportError {
        match &error {
            DiskError::Io { source, .. } if is_in_use(source) => self.busy(),
            _ => error.into(),
        }
    }

    fn lock(&self, file: &File) -> Result<(), ExportError> {
        match lock_written(file) {
            Err(TryLockError::WouldBlock) => Err(self.busy()),
            // Some shares know no locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        }
    }

    fn busy(&self) -> ExportError {
        ExportError::Busy {
            path: self.path.clone(),
        }
    }

    /// Checks that the archive is not inside the rescue folder itself.
    pub(super) fn is_outside(&self, folder: &Folder) -> Result<(), ExportError> {
        match lies_in(&self.parent, folder.root()) {
            true => Err(ExportError::Inside {
                path: self.path.clone(),
            }),
            false => Ok(()),
        }
    }

    /// Checks that the archive may be written to this place.
    pub(super) fn look(&self, folder: &Folder, earlier: EarlierArchive) -> Result<(), ExportError> {
        self.is_outside(folder)?;
        match fs::symlink_metadata(&self.path) {
            // A folder cannot be replaced by a file, and a link is not what the person means.
            Ok(found) if !found.is_file() => Err(ExportError::NotAFile {
                path: self.path.clone(),
            }),
            Ok(_) if earlier == EarlierArchive::Stays => Err(ExportError::Exists {
                path: self.path.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Returns the place of one of several archives, `NAME-1-of-3.zip`; if there is only one, the place itself.
    pub(super) fn of_share(&self, share: Share) -> Self {
        if share.of < 2 {
            return self.clone();
        }
        // As wide as the last, so that every program lists them in their order.
        let width = share.of.to_string().len();
        let suffix = format!("-{:0width$}-of-{}", share.number, share.of);
        let mut stem = self.stem.clone();
        stem.push(&suffix);
        let mut name = stem.clone();
        name.push(&self.ending);
        Self {
            path: self.parent.join(name),
            parent: self.parent.clone(),
            stem,
            base: spell(format!("{}{suffix}", self.base).as_bytes()),
            ending: self.ending.clone(),
        }
    }

    /// Returns the folder that contains the archive.
    pub(super) fn parent(&self) -> &Path {
        &self.parent
    }

    /// Checks that the disk has this many bytes free.
    pub(super) fn room_for(&self, needed_bytes: u64) -> Result<(), ExportError> {
        let free_bytes = fs4::available_space(&self.parent)
            .map_err(|e| DiskError::new(DiskAction::MeasureSpace, &self.parent, e))?;
        match needed_bytes <= free_bytes {
            true => Ok(()),
            false => Err(ExportError::NoRoom {
                path: self.parent.clone(),
                needed_bytes,
                free_bytes,
            }),
        }
    }

    /// Checks, before anything is written, that the disk can hold a file of this many bytes.
    pub(super) fn takes_file_of(&self, bytes: u64) -> Result<(), ExportError> {
        match bytes > disk::largest_file_bytes(&self.parent) {
            true => Err(DiskError::FileTooLarge {
                path: self.path.clone(),
            }
            .into()),
            false => Ok(()),
        }
    }

    /// Gives the finished archive its final name.
    pub(super) fn name(&self, part: &Path, earlier: EarlierArchive) -> Result<(), ExportError> {
        match earlier {
            EarlierArchive::IsReplaced => disk::rename_over(part, &self.path)?,
            EarlierArchive::Stays => {
                if disk::rename_new(part, &self.path)? == Renaming::TargetExists {
                    return Err(ExportError::Exists {
                        path: self.path.clone(),
                    });
                }
            }
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
