//! A person's desk with a rescue folder made without a phone.

use std::collections::BTreeMap;
use std::path::Path;

pub(crate) use crate::support::desk::{Desk, Ended};
use crate::support::made::{self, File, noise};

/// A file of the rescue folder, below `data/`.
pub(crate) const FIRST: &str = "internal/DCIM/Camera/IMG_20240101_000001.jpg";

impl Desk {
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// Sends the rescue folder.
    pub(crate) fn upload(&self, remote: &str, more: &[&str]) -> Ended {
        let mut arguments = vec!["upload", "rescued", "--to", remote, "--json"];
        arguments.extend(more);
        self.run(&arguments)
    }

    /// A rescue folder `rescued` with these files, all verified.
    pub(crate) fn rescue(&self, files: &[(String, Vec<u8>)]) {
        make_folder(&self.folder(), files);
    }

    /// The same with small photos, the first of them [`FIRST`].
    pub(crate) fn rescue_photos(&self, count: usize) -> BTreeMap<String, Vec<u8>> {
        let files: Vec<_> = (1..=count)
            .map(|number| {
                let name = format!("internal/DCIM/Camera/IMG_20240101_{number:06}.jpg");
                (name, photo(number, 20_000))
            })
            .collect();
        self.rescue(&files);
        files.into_iter().collect()
    }
}

/// Bytes that differ for each number.
pub(crate) fn photo(number: usize, size: usize) -> Vec<u8> {
    noise(size, number as u64)
}

/// What `rescue pull` would leave behind.
pub(crate) fn make_folder(path: &Path, files: &[(String, Vec<u8>)]) {
    make_folder_of(path, files, |index| 1_700_000_000 + index as i64);
}

/// The same with modification times, by the number of each file.
pub(crate) fn make_folder_of(
    path: &Path,
    files: &[(String, Vec<u8>)],
    mtime: impl Fn(usize) -> i64,
) {
    let files = files
        .iter()
        .enumerate()
        .map(|(index, (local, bytes))| File {
            mtime: mtime(index),
            ..File::new(local, bytes.clone())
        });
    made::make(path, files);
}
