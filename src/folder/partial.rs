//! A file under way: `.partial/<entry>`, hashed while it is written.
//!
//! What goes in: the file's bytes in order. What comes out: a [`Finished`] file whose size and
//! SHA-256 are those of the bytes given, for [`Committer::commit`](super::Committer::commit).
//! Nothing here waits for the disk.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::EntryId;
use super::disk::{self, DiskError, PARTIAL};
use crate::digest::{Hasher, Sha256};

/// From this many zeros in a row on, nothing is written: the file gets a hole.
const HOLE_BYTES: u64 = 64 * 1024;

/// A file under way.
pub struct PartialFile {
    entry: EntryId,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    /// The bytes taken so far, those of `zeros` included.
    size: u64,
    /// Zeros at the end that are not in the file yet, neither as bytes nor as a hole.
    zeros: u64,
}

/// A complete file that still stands in `.partial/` and is not synced.
///
/// Holds the file open, so that a write that fails late is reported to the sync; keep groups of
/// them below [`MAX_GROUP`](super::commit::MAX_GROUP).
#[derive(Debug)]
pub struct Finished {
    /// Whose file it is.
    pub entry: EntryId,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes as they arrived.
    pub sha256: Sha256,
    /// The modification time asked for, in seconds since 1970.
    pub mtime: i64,
    /// Whether the file bears that time; some filesystems cannot.
    pub mtime_is_set: bool,
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl PartialFile {
    /// Begins an entry's file anew; what was there is gone.
    pub fn create(root: &Path, entry: EntryId) -> Result<Self, DiskError> {
        let path = partial_path(root, entry)?;
        let file = disk::create_file(&path)?;
        Ok(Self {
            entry,
            path,
            file,
            hasher: Hasher::default(),
            size: 0,
            zeros: 0,
        })
    }

    /// Goes on with an entry's file, of which this many bytes are held; `None` when there is none.
    ///
    /// The bytes are read to hash them. After a power cut they need not be the bytes that were
    /// written: only the phone's own hash of the whole file proves them.
    pub fn resume(root: &Path, entry: EntryId) -> Result<Option<(Self, u64)>, DiskError> {
        let path = partial_path(root, entry)?;
        let Some(mut file) = disk::reopen_file(&path)? else {
            return Ok(None);
        };
        let found = file
            .metadata()
            .map_err(|e| DiskError::new("look at", &path, e))?;
        if !found.is_file() {
            let source = io::Error::from(io::ErrorKind::InvalidData);
            return Err(DiskError::Io {
                action: "go on with",
                path,
                source,
            });
        }
        let (hasher, size) = hash_rest(&mut file, &path, |_| {})?;
        Ok(Some((
            Self {
                entry,
                path,
                file,
                hasher,
                size,
                zeros: 0,
            },
            size,
        )))
    }

    /// Drops what is held of an entry's file; that there is nothing is fine too.
    pub fn discard(root: &Path, entry: EntryId) -> Result<(), DiskError> {
        disk::remove_file(&partial_path(root, entry)?)
    }

    /// The bytes taken so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes.
    ///
    /// A full disk is [`DiskError::Full`], the 4 GiB limit of FAT32 [`DiskError::FileTooLarge`].
    /// After an error the file holds a prefix of what was given; only resume it or drop it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        if bytes.iter().all(|byte| *byte == 0) {
            self.zeros += bytes.len() as u64;
        } else {
            self.write_zeros()?;
            disk::write(&mut self.file, &self.path, bytes)?;
        }
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Ends the file and gives it its modification time, in seconds since 1970.
    pub fn finish(mut self, mtime: i64) -> Result<Finished, DiskError> {
        self.write_zeros()?;
        let mtime_is_set =
            system_time(mtime).is_some_and(|time| self.file.set_modified(time).is_ok());
        Ok(Finished {
            entry: self.entry,
            size: self.size,
            sha256: self.hasher.finish(),
            mtime,
            mtime_is_set,
            path: self.path,
            file: self.file,
        })
    }

    /// Puts the outstanding zeros into the file: few as bytes, many as a hole, which takes no
    /// space where the filesystem has holes.
    fn write_zeros(&mut self) -> Result<(), DiskError> {
        let zeros = std::mem::take(&mut self.zeros);
        if zeros >= HOLE_BYTES {
            disk::set_len(&self.file, &self.path, self.size)?;
            self.file
                .seek(SeekFrom::Start(self.size))
                .map_err(|e| DiskError::new("write", &self.path, e))?;
        } else if zeros > 0 {
            static FEW: [u8; HOLE_BYTES as usize] = [0; HOLE_BYTES as usize];
            let bytes = FEW.get(..zeros as usize).unwrap_or_default();
            disk::write(&mut self.file, &self.path, bytes)?;
        }
        Ok(())
    }
}

/// Hashes a file from its position to its end, telling how many bytes each step took.
pub(super) fn hash_rest(
    file: &mut File,
    path: &Path,
    mut on_bytes: impl FnMut(u64),
) -> Result<(Hasher, u64), DiskError> {
    let mut hasher = Hasher::default();
    let mut size = 0;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let held = match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher, size)),
            Ok(held) => held,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(DiskError::new("read", path, error)),
        };
        hasher.update(buffer.get(..held).unwrap_or_default());
        size += held as u64;
        on_bytes(held as u64);
    }
}

fn partial_path(root: &Path, entry: EntryId) -> Result<PathBuf, DiskError> {
    let folder = root.join(PARTIAL);
    if folder.is_symlink() {
        return Err(DiskError::Symlink { path: folder });
    }
    Ok(folder.join(entry.to_string()))
}

/// `None` for times that the system cannot express.
pub(super) fn system_time(seconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    }
}
