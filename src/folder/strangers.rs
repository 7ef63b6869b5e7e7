//! Finds files below `data/` that are not in the catalogue. Opens none of them and follows no link.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use super::disk::DATA;
use super::{CatalogueError, Folder};
use crate::names::LocalPath;

/// Local paths by their keyed hash, 8 bytes each. A chance meeting of two could only hide that one of
/// them is not known; at a million files, its odds are one in thirty million.
#[derive(Default)]
pub(super) struct PathHashes(Vec<u64>);

impl PathHashes {
    pub(super) fn add(&mut self, hash: u64) {
        self.0.push(hash);
    }

    /// To be called when all are added.
    pub(super) fn sorted(mut self) -> Self {
        self.0.sort_unstable();
        self
    }

    pub(super) fn has(&self, hash: u64) -> bool {
        self.0.binary_search(&hash).is_ok()
    }
}

/// Calls `f` with everything below `data/` but folders: its path from `data/`, and the same as a
/// local path where it is one. Folders that cannot be read are passed over: their files are missed
/// by those who look for them.
pub(super) fn each_file(root: &Path, f: &mut dyn FnMut(&Path, Option<LocalPath>)) {
    let data = root.join(DATA);
    let walk = walkdir::WalkDir::new(&data)
        .follow_links(false)
        .follow_root_links(false)
        .min_depth(1);
    for found in walk.into_iter().flatten() {
        if !found.file_type().is_dir() {
            let below = found.path().strip_prefix(&data).unwrap_or(found.path());
            f(below, LocalPath::of_found(below));
        }
    }
}

impl Folder {
    /// What lies below `data/` and was not put there by a pull, from `data/`, in the order of the
    /// names. Memory grows by some 10 bytes per file of the catalogue.
    pub fn strangers(&self) -> Result<Vec<PathBuf>, CatalogueError> {
        let hashes = RandomState::new();
        let mut known = PathHashes::default();
        let catalogue = self.catalogue();
        catalogue.for_each(|entry| {
            known.add(hashes.hash_one(&entry.local));
            Ok::<_, CatalogueError>(())
        })?;
        // What is kept of damaged files, which are no entries.
        catalogue.for_each_companion(|file| {
            known.add(hashes.hash_one(&file.local));
            Ok::<_, CatalogueError>(())
        })?;
        let known = known.sorted();
        let mut strangers = Vec::new();
        each_file(self.root(), &mut |below, local| {
            if !local.is_some_and(|local| known.has(hashes.hash_one(&local))) {
                strangers.push(below.to_owned());
            }
        });
        strangers.sort();
        Ok(strangers)
    }
}
