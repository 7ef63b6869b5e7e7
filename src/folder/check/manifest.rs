//! The lines of a manifest (RFC 8493, 2.1.3), which anybody may have written.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use crate::digest::Sha256;
use crate::folder::disk::{self, DiskError};
use crate::names::MAX_LOCAL_BYTES;

/// Longer lines hold no path of ours.
const MAX_LINE_BYTES: usize = 64 + 2 + "data/".len() + MAX_LOCAL_BYTES + 2;

/// A line of a manifest.
pub(super) enum Line {
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

impl Line {
    /// Its number, from 1.
    pub(super) fn number(&self) -> u64 {
        match self {
            Self::Listed { number, .. } | Self::Bad { number } => *number,
        }
    }
}

/// The manifest's lines; none when there is no such regular file.
pub(super) fn lines(
    root: &Path,
    name: &str,
) -> Result<impl Iterator<Item = Result<Line, DiskError>> + use<>, DiskError> {
    let path = root.join(name);
    let is_file = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
    let file = if is_file {
        disk::open_file(&path)?
    } else {
        None
    };
    Ok(Lines {
        reader: file.map(BufReader::new),
        path,
        number: 0,
    })
}

struct Lines {
    /// `None` at the end.
    reader: Option<BufReader<File>>,
    path: PathBuf,
    number: u64,
}

impl Iterator for Lines {
    type Item = Result<Line, DiskError>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        let mut line = Vec::new();
        if let Err(error) = reader
            .take(MAX_LINE_BYTES as u64)
            .read_until(b'\n', &mut line)
        {
            self.reader = None;
            return Some(Err(DiskError::new("read", &self.path, error)));
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

fn parsed(line: &[u8], number: u64) -> Line {
    let listed = || {
        let text = std::str::from_utf8(line)
            .ok()?
            .trim_end_matches(['\n', '\r']);
        let (digits, rest) = text.split_once([' ', '\t'])?;
        let rest = rest.trim_start_matches([' ', '\t']);
        let path = rest.strip_prefix('*').unwrap_or(rest).to_owned();
        Some(Line::Listed {
            sha256: digits.parse().ok()?,
            path,
            number,
        })
    };
    listed().unwrap_or(Line::Bad { number })
}
