//! An item on its way: what is to be pulled, what of it came, and what went wrong.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::adb::RemotePath;
use crate::digest::Sha256;
use crate::folder::{EntryId, Reason};
use crate::item::Item;
use crate::media::kind::Precious;
use crate::names::LocalPath;

/// The task of pulling an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// The item's catalogue entry.
    pub id: EntryId,
    /// The item.
    pub item: Item,
    /// The item's place below `data/`.
    pub local: LocalPath,
    /// How valuable the item is.
    pub precious: Precious,
    /// Whether the phone refused the item before, which puts it last.
    pub was_refused: bool,
    /// Whether a part held from before is of the same file and can be continued.
    pub may_resume: bool,
    /// The number of failed attempts in this run.
    pub attempts: u32,
}

impl Task {
    /// Returns the key by which tasks are ordered: the most valuable first, then the newest. Items refused before come
    /// last.
    pub(super) fn rank(&self) -> (bool, Precious, Reverse<i64>) {
        (self.was_refused, self.precious, Reverse(self.item.mtime))
    }
}

/// A file of which a part may be held.
pub(super) struct Resumable {
    pub(super) id: EntryId,
    pub(super) size: u64,
    pub(super) may_resume: bool,
}

/// An item whose bytes have been received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pulled {
    /// The item's path on the phone.
    pub path: RemotePath,
    /// The item's place below `data/`.
    pub local: LocalPath,
    pub size: u64,
    /// The SHA-256 of the bytes as received.
    pub sha256: Sha256,
}

/// A task that has not succeeded so far.
#[derive(Debug)]
pub(super) struct Setback {
    pub(super) task: Arc<Task>,
    pub(super) reason: Reason,
    /// The received bytes, if they are complete but cannot be proven.
    pub(super) pulled: Option<Pulled>,
    pub(super) cost: TryCost,
}

/// What a setback costs its item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TryCost {
    /// One of its tries: the phone may have gone over it.
    One,
    /// Nothing: it waits until the others are here.
    Nothing,
}
