//! What is on the phone in each workload: bytes that do not compress, times a minute apart.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Modification times begin here, in seconds since 1970, and lie in the past for every program.
const FIRST_TIME: u64 = 1_600_000_000;

/// Writes a phone's camera folder: no two files alike, none that compresses.
pub(crate) struct Camera {
    folder: PathBuf,
    state: u64,
    files: u64,
}

impl Camera {
    /// In the phone's internal storage.
    pub(crate) fn of(internal: &Path) -> Self {
        Self {
            folder: internal.join("DCIM/Camera"),
            state: 1,
            files: 0,
        }
    }

    /// Takes photos.
    pub(crate) fn photos(&mut self, count: u64, bytes: u64) -> &mut Self {
        for _ in 0..count {
            self.file("IMG", "jpg", bytes);
        }
        self
    }

    /// Takes videos.
    pub(crate) fn videos(&mut self, count: u64, bytes: u64) -> &mut Self {
        for _ in 0..count {
            self.file("VID", "mp4", bytes);
        }
        self
    }

    fn file(&mut self, prefix: &str, ending: &str, bytes: u64) {
        let path = self
            .folder
            .join(format!("{prefix}_{:05}.{ending}", self.files));
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
        let mut left = bytes;
        while left > 0 {
            // Knuth's linear congruential generator: enough that nothing compresses it.
            self.state = self
                .state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let word = (self.state ^ (self.state >> 29)).to_le_bytes();
            let taken = left.min(word.len() as u64);
            file.write_all(&word[..taken as usize]).unwrap();
            left -= taken;
        }
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(FIRST_TIME + 60 * self.files);
        file.into_inner().unwrap().set_modified(time).unwrap();
        self.files += 1;
    }
}

/// The bytes of a folder's files together.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let sizes = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => bytes_below(&entry.path()),
        false => entry.metadata().unwrap().len(),
    });
    sizes.sum()
}
