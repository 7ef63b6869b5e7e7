//! An unfinished file whose pieces come in any order, and not all of them.
//!
//! In: pieces and their positions. Out: a [`Finished`] file of a given size; missing parts are zeros.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::EntryId;
use super::disk::{self, DiskAction, DiskError};
use super::partial::{Finished, hash_rest, set_mtime};

/// A file of which parts come.
#[derive(Debug)]
pub struct Patchwork {
    entry: EntryId,
    path: PathBuf,
    file: File,
}

impl Patchwork {
    /// Begins an entry's file again and discards the old one.
    pub fn create(root: &Path, entry: EntryId) -> Result<Self, DiskError> {
        let (file, path) = disk::create_partial(root, &entry.to_string())?;
        Ok(Self { entry, path, file })
    }

    /// Takes bytes whose place begins `offset` bytes behind the file's beginning.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.file
            .seek(SeekFrom::Start(offset))
            .map_err(|e| DiskError::new(DiskAction::Write, &self.path, e))?;
        disk::write(&mut self.file, &self.path, bytes)
    }

    /// Ends the file at `size` bytes and gives it its modification time, in seconds since 1970.
    /// Reads all of it to hash it.
    pub fn finish(self, size: u64, mtime: i64) -> Result<Finished, DiskError> {
        let Self {
            entry,
            path,
            mut file,
        } = self;
        disk::set_len(&file, &path, size)?;
        // Not opened again: something else may have the name by now.
        file.seek(SeekFrom::Start(0))
            .map_err(|e| DiskError::new(DiskAction::Read, &path, e))?;
        let (hasher, size) = hash_rest(&mut file, &path, |_| {})?;
        Ok(Finished {
            entry,
            size,
            sha256: hasher.finish(),
            mtime,
            mtime_is_set: set_mtime(&file, mtime),
            path,
            file,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::folder::tests::fresh;

    #[test]
    fn what_does_not_come_is_zeros() {
        let (_place, folder) = fresh();
        let mut file = Patchwork::create(folder.root(), EntryId(7)).unwrap();
        file.write_at(6, b"end").unwrap();
        file.write_at(0, b"begin").unwrap();
        let finished = file.finish(12, 1_600_000_000).unwrap();
        assert_eq!(finished.size, 12);
        assert_eq!(finished.sha256, Sha256::of(b"begin\0end\0\0\0"));
    }

    #[test]
    fn what_came_is_what_is_hashed_whatever_becomes_of_the_name() {
        let (place, folder) = fresh();
        let under_way = folder.root().join(".partial/7");
        let mut file = Patchwork::create(folder.root(), EntryId(7)).unwrap();
        file.write_at(0, b"a photo").unwrap();
        std::fs::hard_link(&under_way, place.path().join("copy")).unwrap();
        let finished = file.finish(7, 0).unwrap();
        let right = (7, Sha256::of(b"a photo"));
        assert_eq!((finished.size, finished.sha256), right);

        let mut file = Patchwork::create(folder.root(), EntryId(7)).unwrap();
        file.write_at(0, b"a photo").unwrap();
        std::fs::remove_file(&under_way).unwrap();
        let finished = file.finish(7, 0).unwrap();
        assert_eq!((finished.size, finished.sha256), right);
        // On some disks of Windows a removed file keeps its name until it is closed.
        drop(finished);
        assert!(!under_way.exists());
    }
}
