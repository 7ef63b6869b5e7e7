//! Names the bag's own files (RFC 8493), and parses the lines of its manifests, which are untrusted.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::disk::{self, DATA, DiskAction, DiskError};
use super::partial::hash_rest;
use crate::digest::Sha256;
use crate::names::{LocalPath, MAX_LOCAL_BYTES};

/// The bag declaration.
pub(crate) const BAGIT_TXT: &str = "bagit.txt";
/// What `bagit.txt` holds (RFC 8493, 2.1.1).
pub(crate) const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
/// Facts about the bag.
pub(crate) const BAG_INFO_TXT: &str = "bag-info.txt";
/// The payload's hashes.
pub(crate) const MANIFEST: &str = "manifest-sha256.txt";
/// The hashes of the other three.
pub(crate) const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";

/// Longer lines hold no path of ours.
const MAX_LINE_BYTES: usize = 64 + 2 + "data/".len() + MAX_LOCAL_BYTES + 2;

/// A line of a manifest.
pub(super) enum ManifestLine {
    /// A file with its hash.
    Listed {
        /// Its SHA-256.
        sha256: Sha256,
        /// Its path from the bag's root, not checked.
        path: String,
        /// The line's number, from 1.
        number: u64,
    },
    /// Something else.
    Bad {
        /// The line's number, from 1.
        number: u64,
    },
}

impl ManifestLine {
    /// Its number, from 1.
    pub(super) fn number(&self) -> u64 {
        match self {
            Self::Listed { number, .. } | Self::Bad { number } => *number,
        }
    }
}

/// Returns the manifest's lines; none if it is not a regular file.
pub(super) fn lines(
    root: &Path,
    name: &str,
) -> Result<impl Iterator<Item = Result<ManifestLine, DiskError>> + use<>, DiskError> {
    let path = root.join(name);
    let is_file = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
    let file = if is_file {
        disk::open_file(&path)?
    } else {
        None
    };
    Ok(ManifestLines {
        reader: file.map(BufReader::new),
        path,
        number: 0,
    })
}

struct ManifestLines {
    /// `None` at the end.
    reader: Option<BufReader<File>>,
    path: PathBuf,
    number: u64,
}

impl Iterator for ManifestLines {
    type Item = Result<ManifestLine, DiskError>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        let mut line = Vec::new();
        if let Err(error) = reader
            .take(MAX_LINE_BYTES as u64)
            .read_until(b'\n', &mut line)
        {
            self.reader = None;
            return Some(Err(DiskError::new(DiskAction::Read, &self.path, error)));
        }
        if line.is_empty() {
            self.reader = None;
            return None;
        }
        self.number += 1;
        if line.len() == MAX_LINE_BYTES && !line.ends_with(b"\n") {
            // Where the next line begins is not worth finding out.
            self.reader = None;
        }
        Some(Ok(parsed(&line, self.number)))
    }
}

fn parsed(line: &[u8], number: u64) -> ManifestLine {
    let listed = || {
        let text = std::str::from_utf8(line)
            .ok()?
            .trim_end_matches(['\n', '\r']);
        let (digits, rest) = text.split_once([' ', '\t'])?;
        let rest = rest.trim_start_matches([' ', '\t']);
        let path = rest.strip_prefix('*').unwrap_or(rest).to_owned();
        Some(ManifestLine::Listed {
            sha256: digits.parse().ok()?,
            path,
            number,
        })
    };
    listed().unwrap_or(ManifestLine::Bad { number })
}

/// Whether the bag's own files are all there and as they were written together: the tag manifest,
/// which is written last, lists the other three, and each has the hash that it says.
pub(super) fn bag_is_whole(root: &Path) -> Result<bool, DiskError> {
    let mut missing = vec![BAGIT_TXT, BAG_INFO_TXT, MANIFEST];
    for line in lines(root, TAG_MANIFEST)? {
        let ManifestLine::Listed { sha256, path, .. } = line? else {
            return Ok(false);
        };
        let Some(at) = missing.iter().position(|name| *name == path) else {
            return Ok(false);
        };
        let path = root.join(missing.swap_remove(at));
        // Read from memory too, where a run that ended well put it with its sync.
        let Some(mut file) = disk::open_file(&path)? else {
            return Ok(false);
        };
        if hash_rest(&mut file, &path, |_| {})?.0.finish() != sha256 {
            return Ok(false);
        }
    }
    Ok(missing.is_empty())
}

/// Calls `f` with what each of the manifest's lines says; false at one that says nothing of a file
/// below `data/`.
pub(super) fn each_payload_line(
    root: &Path,
    mut f: impl FnMut(Sha256, &str),
) -> Result<bool, DiskError> {
    for line in lines(root, MANIFEST)? {
        let ManifestLine::Listed { sha256, path, .. } = line? else {
            return Ok(false);
        };
        let Some(local) = below_data(&path) else {
            return Ok(false);
        };
        f(sha256, local);
    }
    Ok(true)
}

/// The local path of a manifest's `data/...`.
pub(super) fn payload_path(path: &str) -> Option<LocalPath> {
    LocalPath::new(below_data(path)?).ok()
}

fn below_data(path: &str) -> Option<&str> {
    path.strip_prefix(DATA)?.strip_prefix('/')
}
