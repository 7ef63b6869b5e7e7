//! An item on its way: what is to be pulled, what of it came, and what went wrong.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::adb::RemotePath;
use crate::digest::Sha256;
use crate::folder::{EntryId, Reason};
use crate::item::Item;
use crate::media::kind::Precious;
use crate::names::LocalPath;

/// An item that is to be pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// Its entry.
    pub id: EntryId,
    /// The item.
    pub item: Item,
    /// Its place below `data/`.
    pub local: LocalPath,
    /// How precious it is.
    pub precious: Precious,
    /// Whether it was refused before, so that it goes last.
    pub was_refused: bool,
    /// Whether what is held of it from before is of the same file.
    pub may_resume: bool,
    /// Failed tries in this run.
    pub attempts: u32,
}

impl Task {
    /// Its place in the order of a run: most precious first, newest first; what was refused before
    /// comes last.
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

/// An item that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pulled {
    /// Its path on the phone.
    pub path: RemotePath,
    /// Its place below `data/`.
    pub local: LocalPath,
    pub size: u64,
    /// The SHA-256 of its bytes as they arrived.
    pub sha256: Sha256,
}

/// A task that did not succeed, for now.
#[derive(Debug)]
pub(super) struct Setback {
    pub(super) task: Arc<Task>,
    pub(super) reason: Reason,
    /// What came of it, when all came but cannot be proven.
    pub(super) pulled: Option<Pulled>,
    /// Whether it counts against the item: not when it only got stuck further on than before.
    pub(super) counts: bool,
}
