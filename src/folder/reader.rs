//! Reads files of `data/` from any thread, without the catalogue.

use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::disk::system::TO_SYNC;
use super::disk::system::held::{Bearer, OpenFor};
use super::disk::{self, DiskError, Within};
use crate::digest::{Hasher, Sha256};
use crate::names::LocalPath;

/// Opens files of a rescue folder; cheap to clone.
#[derive(Debug, Clone)]
pub struct DataReader {
    root: PathBuf,
}

/// What stands at a place below `data/`.
#[derive(Debug)]
pub enum FoundOnDisk {
    /// A regular file, open.
    File(File),
    /// Nothing.
    Nothing,
    /// Something else, or a symbolic link there or on the way there.
    Other,
}

/// The same, not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundSize {
    /// A regular file, and its size in bytes.
    File(u64),
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
    pub fn open(&self, local: &LocalPath) -> Result<FoundOnDisk, DiskError> {
        let folder = match Within::holding(&self.root, local) {
            Ok(Some(folder)) => folder,
            Ok(None) => return Ok(FoundOnDisk::Nothing),
            Err(DiskError::Symlink { .. } | DiskError::NotAFolder { .. }) => {
                return Ok(FoundOnDisk::Other);
            }
            Err(error) => return Err(error),
        };
        match folder.open(local.name(), OpenFor::Reading) {
            Ok(Some(file)) => Ok(FoundOnDisk::File(file)),
            Ok(None) => Ok(FoundOnDisk::Nothing),
            Err(DiskError::Symlink { .. } | DiskError::NotAFile { .. }) => Ok(FoundOnDisk::Other),
            Err(error) => Err(error),
        }
    }

    /// The size of the regular file that stands at a place.
    pub fn size(&self, local: &LocalPath) -> Result<FoundSize, DiskError> {
        let bearer = match Within::holding(&self.root, local) {
            Ok(Some(folder)) => folder.bearer(local.name())?,
            Ok(None) => None,
            Err(DiskError::Symlink { .. } | DiskError::NotAFolder { .. }) => {
                return Ok(FoundSize::Other);
            }
            Err(error) => return Err(error),
        };
        Ok(match bearer {
            Some(Bearer::File(size)) => FoundSize::File(size),
            Some(_) => FoundSize::Other,
            None => FoundSize::Nothing,
        })
    }
}

/// Opens whatever stands in a rescue folder, also beside `data/`.
#[derive(Debug)]
pub(crate) struct FolderReader<'a> {
    root: &'a Path,
}

impl<'a> FolderReader<'a> {
    /// Of the rescue folder at `root`.
    pub(crate) fn at(root: &'a Path) -> Self {
        Self { root }
    }

    /// Opens the regular file that these names lead to, one after another from the folder; `None` when nothing is
    /// there. Follows no symbolic link. Each has to be a name, not a path.
    pub(crate) fn open(&self, names: &[&str]) -> Result<Option<File>, DiskError> {
        let Some((name, above)) = names.split_last() else {
            return Ok(None);
        };
        let mut folder = Within::root(self.root)?;
        for name in above {
            match folder.below(name)? {
                Some(next) => folder = next,
                None => return Ok(None),
            }
        }
        folder.open(name, OpenFor::Reading)
    }
}

/// Looks whether files still stand in their places, without reading them.
#[derive(Debug)]
pub struct PresenceLookup {
    root: PathBuf,
    /// The folder looked into last, below `data/`: files are asked for folder by folder.
    last: RefCell<Option<(Box<str>, FolderWay)>>,
}

/// The way to a folder below `data/`.
#[derive(Debug)]
enum FolderWay {
    /// Free of symbolic links.
    Open(Within),
    /// Its path leads over a symbolic link, or over something that is not a folder.
    Blocked,
}

impl PresenceLookup {
    /// Of the files of the rescue folder at `root`, which need not exist.
    pub fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            last: RefCell::new(None),
        }
    }

    /// Whether a regular file of so many bytes with this SHA-256 stands there, on the disk: what
    /// only memory holds, as after a write that failed, is not there.
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
        let folder = Within::holding(&self.root, local)?;
        let open = |folder: Within| folder.open(local.name(), TO_SYNC);
        let Some(file) = folder.map_or(Ok(None), open)? else {
            return Ok(false);
        };
        if let Err(error) = disk::sync_file(&file, &path) {
            tracing::warn!(%error, "a file here is not to be trusted");
            return Ok(false);
        }
        let mut hasher = Hasher::default();
        disk::read_back(&file, &path, |bytes| hasher.update(bytes))?;
        Ok(hasher.finish() == sha256)
    }

    /// Whether a regular file of so many bytes stands there. That the disk does not say is an
    /// error: the file may well be there.
    pub fn look(&self, local: &LocalPath, size: u64) -> Result<bool, DiskError> {
        let (parent, name) = local
            .as_str()
            .rsplit_once('/')
            .unwrap_or(("", local.as_str()));
        let mut last = self.last.borrow_mut();
        if !matches!(&*last, Some((known, _)) if **known == *parent) {
            *last = self.way_to(local)?.map(|way| (parent.into(), way));
        }
        match &*last {
            // No such folder; it may be made before the next look.
            None | Some((_, FolderWay::Blocked)) => Ok(false),
            Some((_, FolderWay::Open(folder))) => {
                Ok(folder.bearer(name)? == Some(Bearer::File(size)))
            }
        }
    }

    /// The way to a file's folder; `None` when there is none such.
    fn way_to(&self, local: &LocalPath) -> Result<Option<FolderWay>, DiskError> {
        match Within::holding(&self.root, local) {
            Ok(folder) => Ok(folder.map(FolderWay::Open)),
            Err(DiskError::Symlink { .. } | DiskError::NotAFolder { .. }) => {
                Ok(Some(FolderWay::Blocked))
            }
            Err(error) => Err(error),
        }
    }

    /// As [`PresenceLookup::look`], for those who only tell what they see.
    pub fn is_in_place(&self, local: &LocalPath, size: u64) -> bool {
        self.look(local, size).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::folder::tests::{fresh, local, pull};

    #[test]
    fn only_a_regular_file_of_the_right_size_is_in_place() {
        let (_place, mut folder) = fresh();
        pull(&mut folder, &[("a/b/1.jpg", b"12345"), ("a/2.jpg", b"12")]);
        let data = folder.root().join("data");
        fs::create_dir(data.join("a/b/folder")).unwrap();
        let presence = PresenceLookup::of(folder.root());
        let looks = |path, size| presence.look(&local(path), size).unwrap();
        assert!(looks("a/b/1.jpg", 5));
        assert!(looks("a/2.jpg", 2));
        assert!(!looks("a/2.jpg", 3));
        assert!(!looks("a/b/3.jpg", 5));
        assert!(!looks("a/b/folder", 4096));
        // A file where a folder should be, and a folder that comes later.
        assert!(!looks("a/2.jpg/x", 2));
        assert!(!looks("later/1.jpg", 1));
        fs::create_dir(data.join("later")).unwrap();
        fs::write(data.join("later/1.jpg"), b"1").unwrap();
        assert!(looks("later/1.jpg", 1));
    }

    #[cfg(unix)]
    #[test]
    fn nothing_behind_a_symbolic_link_is_in_place() {
        use std::os::unix::fs::symlink;
        let (place, mut folder) = fresh();
        pull(&mut folder, &[("a/1.jpg", b"12345")]);
        let data = folder.root().join("data");
        fs::rename(data.join("a"), place.path().join("elsewhere")).unwrap();
        symlink(place.path().join("elsewhere"), data.join("a")).unwrap();
        symlink(data.join("a/1.jpg"), data.join("2.jpg")).unwrap();
        let presence = PresenceLookup::of(folder.root());
        for path in ["a/1.jpg", "a/none/1.jpg", "2.jpg"] {
            assert!(!presence.look(&local(path), 5).unwrap(), "{path}");
        }
        let reader = FolderReader::at(folder.root());
        for names in [&["data", "a", "1.jpg"][..], &["data", "2.jpg"], &["data"]] {
            assert!(reader.open(names).is_err(), "{names:?}");
        }
        assert!(reader.open(&["data", "none", "1.jpg"]).unwrap().is_none());
        assert!(reader.open(&["rescue.db", "x"]).is_err());
        assert!(reader.open(&[]).unwrap().is_none());
    }
}
