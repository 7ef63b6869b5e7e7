//! Decides early whether there is anything to do: most runs after the first find every file here already.
//!
//! In: the catalogue's entries while the phone is being listed, then the listing. Out: the plan of a run that does
//! nothing, or none. Keeps 24 bytes of each file.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::Plan;
use crate::adb::RemotePath;
use crate::folder::{Entry, Proof, State};
use crate::pull::items::Items;

/// Marks a size that is all of a size; no file has as many bytes.
const EXACT: u64 = 1 << 63;

/// The entries whose files are in their places and proven. A fast path for runs with nothing to do.
#[derive(Debug, Default)]
pub(crate) struct SettledEntries {
    files: Vec<SettledFile>,
    /// The highest versions of a path, superseded and other, where there is more than one.
    versions: HashMap<u64, (u32, u32)>,
    /// Paths are known by a keyed hash of 64 bits. Where two meet by chance, the longer way is taken.
    hashes: RandomState,
    weakest: Option<Proof>,
    /// Whether there is anything that is not settled.
    has_others: bool,
}

#[derive(Debug, Clone, Copy)]
struct SettledFile {
    path: u64,
    mtime: i64,
    size: u64,
}

impl SettledEntries {
    /// Adds an entry; entries may come in any order. `is_in_place` checks whether the entry's file is in the rescue
    /// folder, and is called only if that matters.
    pub(crate) fn add(&mut self, entry: &Entry, is_in_place: impl FnOnce() -> bool) {
        let path = self.hash(&entry.item.path);
        if entry.version > 1 || entry.state == State::Superseded {
            let (superseded, others) = self.versions.entry(path).or_default();
            let highest = match entry.state {
                State::Superseded => superseded,
                _ => others,
            };
            *highest = (*highest).max(entry.version);
        }
        match entry.state {
            // Its newest version has an entry of its own.
            State::Superseded => {}
            State::Verified(proof) if !self.has_others && is_in_place() => {
                self.weakest = self.weakest.max(Some(proof));
                self.files.push(SettledFile {
                    path,
                    mtime: entry.item.mtime,
                    size: entry.item.size | if entry.item.size_is_exact { EXACT } else { 0 },
                });
            }
            _ => self.has_others = true,
        }
        if self.has_others {
            // Nobody will ask.
            self.files = Vec::new();
        }
    }

    /// Returns the plan of a run that finds every item already proven and in its place, as most runs after the first
    /// do. It needs neither names nor an order. Returns `None` if any item is in another state.
    pub(crate) fn nothing_to_do(mut self, found: &Items, best_proof: Proof) -> Option<Plan> {
        if self.has_others || self.weakest > Some(best_proof) {
            return None;
        }
        self.files.sort_unstable_by_key(|file| file.path);
        let twice = |pair: &[SettledFile]| matches!(pair, [a, b] if a.path == b.path);
        if self.files.windows(2).any(twice) {
            return None;
        }
        for (path, (superseded, other)) in &self.versions {
            let has_other = self.position(*path).is_some();
            if !has_other || superseded >= &(*other).max(1) {
                return None;
            }
        }
        let mut plan = Plan::default();
        let mut is_met = vec![false; self.files.len()];
        let mut path = Vec::new();
        for number in found.numbers() {
            found.path_into(number, &mut path);
            let at = self.position(self.hashes.hash_one(path.as_slice()))?;
            let file = self.files.get(at)?;
            let (size, size_is_exact, mtime) = found.size_and_time(number)?;
            let known = (file.size & !EXACT, file.size & EXACT != 0);
            let same = match size_is_exact && known.1 {
                true => size == known.0,
                false => size as u32 == known.0 as u32,
            };
            // A phone that lists something twice is worth a closer look.
            let is_met = is_met.get_mut(at)?;
            if !same || mtime != file.mtime || std::mem::replace(is_met, true) {
                return None;
            }
            plan.done_items += 1;
            plan.done_bytes += known.0;
        }
        Some(plan)
    }

    fn hash(&self, path: &RemotePath) -> u64 {
        self.hashes.hash_one(path.as_bytes())
    }

    fn position(&self, path: u64) -> Option<usize> {
        let found = self.files.binary_search_by_key(&path, |file| file.path);
        found.ok()
    }
}
