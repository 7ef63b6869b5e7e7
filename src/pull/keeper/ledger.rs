//! What the keeper collects before it goes to the disk together: files, their proofs, records and what is told of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::task::{Pulled, Task};
use super::{GROUP_AGE, GROUP_BYTES};
use crate::adb::RemotePath;
use crate::event::Event;
use crate::folder::{Companion, EntryId, Finished, Proof, Reason, Record};

/// The files of the next commit.
#[derive(Debug)]
pub(super) struct CommitGroup {
    pub(super) files: Vec<(Arc<Task>, Finished)>,
    /// The sum of their sizes.
    pub(super) bytes: u64,
    max_files: usize,
    /// How long the first file waits.
    pub(super) age: Duration,
}

impl CommitGroup {
    pub(super) fn of(max_files: usize) -> Self {
        Self {
            files: Vec::new(),
            bytes: 0,
            max_files,
            age: GROUP_AGE.0,
        }
    }

    pub(super) fn add(&mut self, task: Arc<Task>, finished: Finished) {
        self.bytes += finished.size;
        self.files.push((task, finished));
    }

    pub(super) fn position(&self, id: EntryId) -> Option<usize> {
        self.files.iter().position(|(task, _)| task.id == id)
    }

    pub(super) fn remove(&mut self, id: EntryId) -> Option<Finished> {
        let (_, finished) = self.files.swap_remove(self.position(id)?);
        self.bytes -= finished.size;
        Some(finished)
    }

    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= self.max_files || self.bytes >= GROUP_BYTES
    }

    pub(super) fn take(&mut self) -> Vec<(Arc<Task>, Finished)> {
        self.bytes = 0;
        std::mem::take(&mut self.files)
    }
}

/// Which files are proven, and which are not.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    /// Proofs that came before their file's commit.
    pub(super) early: HashMap<EntryId, (Pulled, Proof)>,
    /// What is here without its proof.
    pub(super) missing: HashMap<EntryId, RemotePath>,
    /// Files that may be a mixture of two: no name until their proof is here.
    pub(super) held: HashMap<EntryId, (Arc<Task>, Finished)>,
    /// Files that this disk did not take: what the phone says of them later is of nothing.
    pub(super) refused: HashSet<EntryId>,
}

/// What is recorded, and told once the records are on the disk.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) records: Vec<Record>,
    pub(super) told: Vec<Event>,
    /// Items that were not pulled.
    pub(super) failed: Vec<(RemotePath, Reason)>,
    /// Items of which only a part or a wrong copy is kept.
    pub(super) damaged: Vec<(RemotePath, Reason)>,
    /// The number of files that bear another date than on the phone.
    pub(super) without_date: u64,
}

impl Ledger {
    pub(super) fn failed(&mut self, id: EntryId, path: RemotePath, reason: Reason) {
        self.failed.push((path.clone(), reason.clone()));
        self.records.push(Record::Failed {
            id,
            reason: reason.clone(),
        });
        self.told.push(Event::Failed { path, reason });
    }

    /// Records what is kept of a damaged item; the first file is the one to be told.
    pub(super) fn damaged(
        &mut self,
        id: EntryId,
        path: RemotePath,
        kept: Vec<Companion>,
        missing_bytes: u64,
        reason: Reason,
    ) {
        self.damaged.push((path.clone(), reason.clone()));
        if let Some(first) = kept.first() {
            self.told.push(Event::Damaged {
                path,
                local: first.local.clone(),
                missing_bytes,
                reason: reason.clone(),
            });
        }
        self.records.push(Record::Damaged { id, reason, kept });
    }
}
