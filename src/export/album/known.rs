//! What an earlier album saw of the files, read back from its list, which anybody may have changed: what is wrong
//! in it is not known, and looked at again.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Read as _};

use chrono::NaiveDateTime;

use super::MAX_FILES;
use super::list::{AlbumHead, AlbumLine, BEGIN, NOT_LOOKED_AT, SeenFile, TIME, VERSION};
use super::parts::ENTRIES;
use crate::digest::Sha256;

/// The most bytes of a list that are read; one of ours has some 15 MB.
const MAX_LIST_BYTES: u64 = 1 << 30;
/// The most bytes of a line; the first holds all folders.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// The files of an earlier album, found by a hash of their paths and bytes. Takes about 40 bytes of memory per file.
#[derive(Debug, Default)]
pub(super) struct EarlierFiles {
    seen: HashMap<u64, SeenFile>,
    hashes: RandomState,
}

impl EarlierFiles {
    /// Reads a list. An unreadable list counts as empty.
    pub(super) fn read(list: File) -> Self {
        let mut known = Self::default();
        let mut lines = BufReader::with_capacity(256 * 1024, list.take(MAX_LIST_BYTES));
        let mut line = String::new();
        let mut folders = Vec::new();
        while known.seen.len() < MAX_FILES {
            line.clear();
            match (&mut lines).take(MAX_LINE_BYTES).read_line(&mut line) {
                Ok(0) | Err(_) => return known,
                Ok(_) => {}
            }
            if let Some(head) = line.strip_prefix(BEGIN) {
                let head = head.trim_end().strip_suffix(",[").unwrap_or_default();
                match serde_json::from_str::<AlbumHead>(head) {
                    Ok(head) if head.version == VERSION => folders = head.folders,
                    _ => return known,
                }
            } else if let Ok(line) =
                serde_json::from_str::<AlbumLine<'_>>(line.trim_end().trim_end_matches(','))
            {
                known.add(&folders, &line);
            }
        }
        known
    }

    fn add(&mut self, folders: &[String], line: &AlbumLine<'_>) {
        let AlbumLine(folder, name, _, taken, _, turn, seconds, part, place, sha256) = line;
        let Some(folder) = folders.get(*folder as usize) else {
            return;
        };
        if *part <= NOT_LOOKED_AT || usize::from(*place) >= ENTRIES {
            return;
        }
        let seen = SeenFile {
            taken: NaiveDateTime::parse_from_str(taken, TIME).ok(),
            turn: *turn,
            seconds: *seconds,
            place: u32::try_from(*part).ok().map(|part| (part, *place)),
            is_looked_at: true,
        };
        let key = self
            .hashes
            .hash_one((folder.as_str(), name.as_ref(), sha256.as_ref()));
        self.seen.insert(key, seen);
    }

    /// Returns what is known about a file with these bytes.
    pub(super) fn of(&self, folder: &str, name: &str, sha256: &Sha256) -> Option<SeenFile> {
        if self.seen.is_empty() {
            return None;
        }
        let key = (folder, name, sha256.to_string());
        let key = self.hashes.hash_one((key.0, key.1, key.2.as_str()));
        self.seen.get(&key).copied()
    }
}
