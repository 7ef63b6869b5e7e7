//! An unfinished file: `.partial/<entry>`, hashed while it is written.
//!
//! In: the file's bytes in order. Out: a [`Finished`] file with the size and SHA-256 of those bytes, for
//! [`Committer::commit`](super::Committer::commit). Nothing here waits for the disk.

use std::fs::{self, File, FileTimes};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::EntryId;
use super::disk::system::held::OpenFor;
use super::disk::{self, DiskAction, DiskError, Within};
use crate::digest::{Hasher, Sha256};

/// From this many zeros in a row on, nothing is written: the file gets a hole.
const HOLE_BYTES: u64 = 64 * 1024;

/// How much of a large file is written before the disk begins with it, in bytes.
const WRITE_BEHIND: u64 = 32 * 1024 * 1024;

/// A file under way.
pub struct PartialFile {
    entry: EntryId,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    /// Returns the number of bytes written so far, zeros included.
    size: u64,
    /// Zeros at the end that are not in the file yet, neither as bytes nor as a hole.
    zeros: u64,
    /// The bytes at the beginning that the disk was told to write.
    begun: u64,
}

/// A complete file that still stands in `.partial/` and is not synced.
///
/// Holds the file open, so that a write that fails late is reported to the sync: commit them before
/// there are too many for the process.
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
    /// Begins an entry's file again and discards the old one.
    pub fn create(root: &Path, entry: EntryId) -> Result<Self, DiskError> {
        let (file, path) = disk::create_partial(root, &entry.to_string())?;
        Ok(Self {
            entry,
            path,
            file,
            hasher: Hasher::default(),
            size: 0,
            zeros: 0,
            begun: 0,
        })
    }

    /// Goes on with an entry's file, of which this many bytes are held; `None` when there is none,
    /// or when it is to be begun again.
    ///
    /// The bytes are read to hash them, and from the disk: memory may hold what a disk that failed
    /// for a moment never got, which no later sync would tell of. After a power cut they need not
    /// be the bytes that were written: only the phone's own hash of the whole file proves them.
    pub fn resume(root: &Path, entry: EntryId) -> Result<Option<(Self, u64)>, DiskError> {
        let (folder, name) = (Within::partial(root)?, entry.to_string());
        let path = folder.at(&name);
        let Some(mut file) = folder.open(&name, OpenFor::Writing)? else {
            return Ok(None);
        };
        let found = file
            .metadata()
            .map_err(|e| DiskError::new(DiskAction::LookAt, &path, e))?;
        if disk::system::has_other_names(&path, &found) {
            // It is another file, too, which is not ours to write to.
            return Ok(None);
        }
        let (mut hasher, mut size) = (Hasher::default(), 0);
        let read = disk::sync_file(&file, &path).and_then(|()| {
            let take = |bytes: &[u8]| {
                hasher.update(bytes);
                size += bytes.len() as u64;
            };
            disk::read_back(&file, &path, take)
        });
        if let Err(error) = read {
            tracing::warn!(%error, "a file under way is begun again");
            return Ok(None);
        }
        file.seek(SeekFrom::Start(size))
            .map_err(|e| DiskError::new(DiskAction::Read, &path, e))?;
        Ok(Some((
            Self {
                entry,
                path,
                file,
                hasher,
                size,
                zeros: 0,
                begun: size,
            },
            size,
        )))
    }

    /// Drops what is held of an entry's file; that there is nothing is fine too.
    pub fn discard(root: &Path, entry: EntryId) -> Result<(), DiskError> {
        Within::partial(root)?.remove(entry.to_string())
    }

    /// Drops all files under way, as far as the disk still does so: it may have lost bytes of any.
    pub(crate) fn discard_all(root: &Path) {
        let Ok(folder) = Within::partial(root) else {
            return;
        };
        for found in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            if let Err(error) = folder.remove(found.file_name()) {
                tracing::warn!(%error, "a file under way stays");
            }
        }
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
        if is_all_zeros(bytes) {
            self.zeros += bytes.len() as u64;
        } else {
            self.write_zeros()?;
            disk::write(&mut self.file, &self.path, bytes)?;
        }
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        if self.size - self.begun >= WRITE_BEHIND {
            // Else all of a long video would be left for the sync at its end.
            disk::begin_writing(&self.file, self.begun, self.size);
            self.begun = self.size;
        }
        Ok(())
    }

    /// Ends the file and gives it its modification time, in seconds since 1970.
    pub fn finish(mut self, mtime: i64) -> Result<Finished, DiskError> {
        self.write_zeros()?;
        let mtime_is_set = set_mtime(&self.file, mtime);
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
                .map_err(|e| DiskError::new(DiskAction::Write, &self.path, e))?;
        } else if zeros > 0 {
            static FEW: [u8; HOLE_BYTES as usize] = [0; HOLE_BYTES as usize];
            let bytes = FEW.get(..zeros as usize).unwrap_or_default();
            disk::write(&mut self.file, &self.path, bytes)?;
        }
        Ok(())
    }
}

/// Compares with zeros a piece at a time: byte by byte takes seconds for each GiB in a debug build.
fn is_all_zeros(bytes: &[u8]) -> bool {
    static ZEROS: [u8; 4096] = [0; 4096];
    let mut pieces = bytes.chunks(ZEROS.len());
    pieces.all(|piece| ZEROS.starts_with(piece))
}

/// Hashes a file from its position to its end, telling what each step took.
pub(crate) fn hash_rest(
    file: &mut File,
    path: &Path,
    mut on_bytes: impl FnMut(&[u8]),
) -> Result<(Hasher, u64), DiskError> {
    let mut hasher = Hasher::default();
    let mut size = 0;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let held = match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher, size)),
            Ok(held) => held,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(DiskError::new(DiskAction::Read, path, error)),
        };
        let bytes = buffer.get(..held).unwrap_or_default();
        hasher.update(bytes);
        size += held as u64;
        on_bytes(bytes);
    }
}

/// Gives a file its modification time, and looks: filesystems cut what does not fit without a word.
///
/// Both times are set, that of the last access to now: libfuse 2 drops one alone without a word.
pub(super) fn set_mtime(file: &File, seconds: i64) -> bool {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    let Some(time) = time else {
        return false;
    };
    // FAT counts in steps of two seconds.
    let is_near = |found: SystemTime| match found.duration_since(time) {
        Ok(later) => later < Duration::from_secs(2),
        Err(earlier) => earlier.duration() < Duration::from_secs(2),
    };
    let times = FileTimes::new().set_accessed(SystemTime::now());
    file.set_times(times.set_modified(time)).is_ok()
        && file
            .metadata()
            .and_then(|found| found.modified())
            .is_ok_and(is_near)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::folder::tests::{fresh, modified};

    const ENTRY: EntryId = EntryId(7);

    #[test]
    fn a_finished_file_has_the_bytes_hash_and_time_given() {
        let (_place, folder) = fresh();
        let mut file = PartialFile::create(folder.root(), ENTRY).unwrap();
        file.write(b"hello ").unwrap();
        file.write(b"").unwrap();
        file.write(b"world").unwrap();
        assert_eq!(file.size(), 11);
        let finished = file.finish(1_234_567_890).unwrap();
        assert_eq!((finished.size, finished.entry), (11, ENTRY));
        assert_eq!(finished.sha256, Sha256::of(b"hello world"));
        assert!(finished.mtime_is_set);
        assert_eq!(finished.path, folder.root().join(".partial/7"));
        assert_eq!(fs::read(&finished.path).unwrap(), b"hello world");
        assert_eq!(modified(&finished.path), 1_234_567_890);
    }

    #[test]
    fn times_that_a_phone_makes_up_are_kept_or_known_not_to_be() {
        let (_place, folder) = fresh();
        for mtime in [0, -1, -86_400, 4_102_444_800, i64::MAX, i64::MIN] {
            let finished = PartialFile::create(folder.root(), ENTRY)
                .unwrap()
                .finish(mtime)
                .unwrap();
            assert_eq!(finished.mtime, mtime);
            if finished.mtime_is_set {
                let found = modified(&finished.path);
                assert_eq!(
                    found, mtime,
                    "a time that could not be kept was said to be set"
                );
            }
        }
    }

    #[test]
    fn both_times_of_a_file_are_set() {
        let (place, _) = fresh();
        let path = place.path().join("file");
        let file = File::create(&path).unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        file.set_times(
            FileTimes::new()
                .set_accessed(long_ago)
                .set_modified(long_ago),
        )
        .unwrap();
        assert!(set_mtime(&file, 1_234_567_890));
        assert_eq!(modified(&path), 1_234_567_890);
        let found = file.metadata().unwrap();
        assert!(found.accessed().unwrap() > long_ago);
    }

    #[test]
    fn creating_anew_drops_what_was_held() {
        let (_place, folder) = fresh();
        PartialFile::create(folder.root(), ENTRY)
            .unwrap()
            .write(b"old and long")
            .unwrap();
        let mut file = PartialFile::create(folder.root(), ENTRY).unwrap();
        file.write(b"new").unwrap();
        assert_eq!(fs::read(file.finish(0).unwrap().path).unwrap(), b"new");
    }

    #[test]
    fn a_file_goes_on_where_it_stopped() {
        let (_place, folder) = fresh();
        assert!(PartialFile::resume(folder.root(), ENTRY).unwrap().is_none());
        let mut file = PartialFile::create(folder.root(), ENTRY).unwrap();
        file.write(b"first ").unwrap();
        drop(file);
        let (mut file, held) = PartialFile::resume(folder.root(), ENTRY).unwrap().unwrap();
        assert_eq!((held, file.size()), (6, 6));
        file.write(b"second").unwrap();
        let finished = file.finish(0).unwrap();
        assert_eq!(finished.sha256, Sha256::of(b"first second"));
        assert_eq!(fs::read(finished.path).unwrap(), b"first second");

        PartialFile::discard(folder.root(), ENTRY).unwrap();
        PartialFile::discard(folder.root(), ENTRY).unwrap();
        assert!(PartialFile::resume(folder.root(), ENTRY).unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_in_place_of_a_file_are_refused() {
        use std::os::unix::fs::symlink;
        let (place, folder) = fresh();
        let path = folder.root().join(".partial/7");
        let target = place.path().join("precious");
        fs::write(&target, "precious").unwrap();
        symlink(&target, &path).unwrap();
        for result in [
            PartialFile::create(folder.root(), ENTRY).map(|_| ()),
            PartialFile::resume(folder.root(), ENTRY).map(|_| ()),
        ] {
            assert!(matches!(result, Err(DiskError::Symlink { .. })));
        }
        assert_eq!(fs::read(&target).unwrap(), b"precious");

        fs::remove_file(&path).unwrap();
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for result in [
            PartialFile::create(folder.root(), ENTRY).map(|_| ()),
            PartialFile::resume(folder.root(), ENTRY).map(|_| ()),
        ] {
            assert!(matches!(result, Err(DiskError::NotAFile { .. })));
        }

        fs::remove_dir_all(folder.root().join(".partial")).unwrap();
        symlink(place.path(), folder.root().join(".partial")).unwrap();
        let result = PartialFile::create(folder.root(), ENTRY).map(|_| ());
        assert!(matches!(result, Err(DiskError::Symlink { .. })));
    }

    #[test]
    fn file_that_is_another_one_too_is_not_written_to() {
        let (place, folder) = fresh();
        let precious = place.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        fs::hard_link(&precious, folder.root().join(".partial/7")).unwrap();
        assert!(PartialFile::resume(folder.root(), ENTRY).unwrap().is_none());
        let mut file = PartialFile::create(folder.root(), ENTRY).unwrap();
        file.write(b"a photo").unwrap();
        file.finish(0).unwrap();
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
    }

    // Only there is a file that is always full.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_recognised() {
        let path = Path::new("/dev/full");
        let mut full = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        let error = disk::write(&mut full, path, b"x").unwrap_err();
        assert!(
            matches!(
                error,
                DiskError::Full {
                    action: DiskAction::Write,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn long_runs_of_zeros_take_no_space() {
        let (_place, folder) = fresh();
        let mut file = PartialFile::create(folder.root(), ENTRY).unwrap();
        let zeros = vec![0; 65_528];
        let mut hasher = Hasher::default();
        file.write(b"head").unwrap();
        hasher.update(b"head");
        for _ in 0..1000 {
            file.write(&zeros).unwrap();
            hasher.update(&zeros);
        }
        file.write(b"tail").unwrap();
        hasher.update(b"tail");
        for _ in 0..1000 {
            file.write(&zeros).unwrap();
            hasher.update(&zeros);
        }
        let finished = file.finish(0).unwrap();
        let found = fs::metadata(&finished.path).unwrap();
        assert_eq!((found.len(), finished.size), (131_056_008, 131_056_008));
        #[cfg(unix)]
        {
            let blocks = std::os::unix::fs::MetadataExt::blocks(&found);
            assert!(blocks * 512 < 1_000_000, "{blocks} blocks");
        }
        assert_eq!(finished.sha256, hasher.finish());
        let (_, size) = PartialFile::resume(folder.root(), ENTRY).unwrap().unwrap();
        assert_eq!(size, finished.size);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn whatever_is_written_and_resumed_is_what_is_read_and_hashed(
            pieces in prop::collection::vec(
                (prop_oneof![1_usize..5, 1000_usize..200_000], any::<bool>(), any::<bool>()), 0..8),
        ) {
            let (_place, folder) = fresh();
            let mut expected = Vec::new();
            let mut file = PartialFile::create(folder.root(), ENTRY).unwrap();
            for (bytes, is_zero, is_cut) in pieces {
                if is_cut {
                    drop(file);
                    let (resumed, held) = PartialFile::resume(folder.root(), ENTRY).unwrap().unwrap();
                    prop_assert!(held as usize <= expected.len());
                    expected.truncate(held as usize);
                    file = resumed;
                }
                let piece: Vec<u8> = (0..bytes).map(|n| if is_zero { 0 } else { n as u8 }).collect();
                file.write(&piece).unwrap();
                expected.extend(piece);
            }
            let finished = file.finish(0).unwrap();
            prop_assert_eq!(finished.size, expected.len() as u64);
            prop_assert_eq!(finished.sha256, Sha256::of(&expected));
            prop_assert!(fs::read(finished.path).unwrap() == expected);
        }
    }
}
