//! A file under way that comes in pieces, in any order, with parts that never come.
//!
//! What goes in: pieces and their places. What comes out: a [`Finished`] file of a given size, in
//! which what did not come is zeros.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::disk::{self, DiskError};
use super::{EntryId, Finished, PartialFile};

/// A file of which parts come.
#[derive(Debug)]
pub struct Patchwork {
    root: PathBuf,
    entry: EntryId,
    path: PathBuf,
    file: File,
}

impl Patchwork {
    /// Begins an entry's file anew; what was there is gone.
    pub fn create(root: &Path, entry: EntryId) -> Result<Self, DiskError> {
        let path = disk::partial_path(root, &entry.to_string())?;
        let file = disk::create_regular_file(&path)?;
        Ok(Self {
            root: root.to_owned(),
            entry,
            path,
            file,
        })
    }

    /// Takes bytes whose place begins `offset` bytes behind the file's beginning.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.file
            .seek(SeekFrom::Start(offset))
            .map_err(|e| DiskError::new("write", &self.path, e))?;
        disk::write(&mut self.file, &self.path, bytes)
    }

    /// Ends the file at `size` bytes and gives it its modification time, in seconds since 1970.
    /// Reads all of it to hash it.
    pub fn finish(self, size: u64, mtime: i64) -> Result<Finished, DiskError> {
        disk::set_len(&self.file, &self.path, size)?;
        drop(self.file);
        match PartialFile::resume(&self.root, self.entry)? {
            Some((partial, _)) => partial.finish(mtime),
            // Somebody removed it meanwhile.
            None => PartialFile::create(&self.root, self.entry)?.finish(mtime),
        }
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
}
