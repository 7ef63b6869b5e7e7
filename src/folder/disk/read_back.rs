//! Reads bytes from the disk itself, not from the system's memory.
//!
//! After a failed write the system keeps the bytes in memory and marks them as written: a reader gets the right
//! bytes, and a later sync does nothing. So bytes that this process did not write itself prove nothing before they
//! are synced and read through here.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::system::{self, PastMemory};
use super::{DiskAction, DiskError};

/// Read at once, in bytes.
const PIECE_BYTES: usize = 1024 * 1024;

/// Where bytes were read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFrom {
    /// From the disk itself.
    Disk,
    /// Memory may have answered: the filesystem lies in memory, in another program or on another
    /// computer, or the system offers no way past its memory.
    PerhapsMemory,
}

/// Reads a whole regular file, whatever its position, and returns where the bytes came from.
///
/// Sync it first, where this system may still hold bytes that it has not written: a failed sync
/// says that the file is not what it seems. Where the position is afterwards differs.
pub(crate) fn read_back(
    file: &File,
    path: &Path,
    on_bytes: impl FnMut(&[u8]),
) -> Result<ReadFrom, DiskError> {
    read(file, path, on_bytes).map_err(|e| DiskError::new(DiskAction::Read, path, e))
}

fn read(file: &File, path: &Path, mut on_bytes: impl FnMut(&[u8])) -> io::Result<ReadFrom> {
    // Both: some files cannot be read past the memory, and pages in use cannot be dropped.
    system::forget_contents(file);
    let mut past_memory = PastMemory::begin(file, path);
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(PIECE_BYTES);
    let piece = length.clamp(1, PIECE_BYTES).next_multiple_of(ALIGNMENT);
    let mut room = vec![0; piece + ALIGNMENT];
    let start = room.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
    let buffer = room.get_mut(start..start + piece).unwrap_or_default();
    let (mut at, mut from) = (0, ReadFrom::Disk);
    loop {
        let read_from = past_memory.as_ref().map_or(file, PastMemory::file);
        let held = match system::read_some_at(read_from, buffer, at) {
            Ok(0) => return Ok(from),
            Ok(held) => held,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // Behind a piece that is no whole block, or on a disk with larger ones.
            Err(error) if error.kind() == ErrorKind::InvalidInput && past_memory.is_some() => {
                past_memory = None;
                continue;
            }
            Err(error) => return Err(error),
        };
        if past_memory.is_none() {
            from = ReadFrom::PerhapsMemory;
        }
        on_bytes(buffer.get(..held).unwrap_or_default());
        at += held as u64;
    }
}

/// What reads past the memory begin and end at, in the file and in the buffer: no common disk has
/// larger blocks.
const ALIGNMENT: usize = 4096;

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;

    fn bytes_of(size: usize) -> Vec<u8> {
        (0..size).map(|n| (n % 251) as u8).collect()
    }

    fn all_of(file: &File, path: &Path) -> (Vec<u8>, ReadFrom) {
        let mut found = Vec::new();
        let from = super::read(file, path, |bytes| found.extend_from_slice(bytes)).unwrap();
        (found, from)
    }

    #[test]
    fn files_of_every_length_are_read_whole_wherever_they_stand() {
        let place = tempfile::tempdir().unwrap();
        for size in [
            0,
            1,
            511,
            512,
            4095,
            4096,
            4097,
            PIECE_BYTES - 1,
            PIECE_BYTES,
            PIECE_BYTES + 1,
            3 * PIECE_BYTES + 5000,
        ] {
            let path = place.path().join(size.to_string());
            let mut file = File::create_new(&path).unwrap();
            file.write_all(&bytes_of(size)).unwrap();
            assert_eq!(all_of(&file, &path).0, bytes_of(size), "{size}");
            // Written to afterwards as before, at any place and length.
            file.seek(io::SeekFrom::Start(size as u64)).unwrap();
            file.write_all(b"more").unwrap();
            let longer = [&bytes_of(size)[..], b"more"].concat();
            assert_eq!(all_of(&file, &path).0, longer);
            // What bears the name now is another file.
            std::fs::rename(&path, place.path().join("elsewhere")).unwrap();
            std::fs::write(&path, b"other").unwrap();
            assert_eq!(all_of(&file, &path).0, longer);
        }
    }

    #[cfg(windows)]
    #[test]
    fn bytes_come_from_the_disk_itself() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        std::fs::write(&path, bytes_of(5000)).unwrap();
        let (found, from) = all_of(&File::open(&path).unwrap(), &path);
        assert_eq!((found, from), (bytes_of(5000), ReadFrom::Disk));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_filesystem_in_memory_is_not_taken_for_a_disk() {
        let Ok(place) = tempfile::tempdir_in("/dev/shm") else {
            return;
        };
        let path = place.path().join("file");
        std::fs::write(&path, bytes_of(5000)).unwrap();
        let (found, from) = all_of(&File::open(&path).unwrap(), &path);
        assert_eq!((found, from), (bytes_of(5000), ReadFrom::PerhapsMemory));
    }
}
