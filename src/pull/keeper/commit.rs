//! Commits the files of a group: gives each its name, or another one where something else has that.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use super::super::task::Task;
use super::Thread;
use crate::digest::Sha256;
use crate::event::Event;
use crate::folder::{
    CommitOutcome, DiskError, EntryId, Finished, PartialFile, Reason, ReasonCode, Record, ToCommit,
};
use crate::names::LocalPath;

impl Thread {
    /// Commits the group, and notes what became of each file.
    pub(super) fn commit(&mut self) -> Result<(), DiskError> {
        let mut waiting = self.group.take();
        // A second turn for those whose name is taken by something else.
        for _ in 0..3 {
            if waiting.is_empty() {
                return Ok(());
            }
            let mut tasks = Vec::with_capacity(waiting.len());
            let mut files = Vec::with_capacity(waiting.len());
            for (task, finished) in waiting.drain(..) {
                let local = self.place_of(&task);
                tasks.push((task, Received::of(&finished), local.clone()));
                files.push(ToCommit { finished, local });
            }
            let outcomes = self.committer.commit(files)?;
            for ((task, came, local), outcome) in tasks.into_iter().zip(outcomes) {
                match outcome {
                    CommitOutcome::InPlace | CommitOutcome::Replaced => {
                        self.pulled(&task, local, came)
                    }
                    CommitOutcome::TargetExists(finished) => {
                        if !self.clear_place(task.id, &local) {
                            let other = self.other_name(&local);
                            self.moved().insert(task.id, other);
                        }
                        waiting.push((task, finished));
                    }
                    CommitOutcome::Failed(finished, error) => {
                        drop(finished);
                        self.refused_by_disk(&task, &error);
                    }
                }
            }
        }
        for (task, _) in waiting {
            let message = "every name that was tried is taken".to_owned();
            self.fail(
                &task,
                Reason {
                    code: ReasonCode::NameRefused,
                    message,
                },
            );
        }
        Ok(())
    }

    fn pulled(&mut self, task: &Task, local: LocalPath, came: Received) {
        let Received {
            sha256,
            size,
            has_date,
        } = came;
        self.ledger.without_date += u64::from(!has_date);
        let planned = local == task.local;
        let record = Record::Pulled {
            id: task.id,
            sha256,
            size,
            local: (!planned).then(|| local.clone()),
        };
        self.ledger.records.push(record);
        let path = task.item.path.clone();
        self.proofs.missing.insert(task.id, path);
        self.ledger.told.push(Event::Pulled {
            path: task.item.path.clone(),
            local,
            size,
        });
        if let Some((pulled, proof)) = self.proofs.early.remove(&task.id) {
            self.record_proof(task.id, pulled, proof);
        }
    }

    pub(super) fn refused_by_disk(&mut self, task: &Task, error: &DiskError) {
        let code = match error {
            DiskError::NameRefused { .. } | DiskError::FileTooLarge { .. } => {
                ReasonCode::NameRefused
            }
            _ => ReasonCode::LocalDisk,
        };
        self.fail(
            task,
            Reason {
                code,
                message: error.to_string(),
            },
        );
    }

    fn fail(&mut self, task: &Task, reason: Reason) {
        self.proofs.early.remove(&task.id);
        self.proofs.refused.insert(task.id);
        let _ = PartialFile::discard(self.folder.root(), task.id);
        self.ledger.failed(task.id, task.item.path.clone(), reason);
    }

    /// Moves away an unrecorded file from the place planned for this item. A run that was killed, or somebody else, put
    /// it there. Returns false if the situation is not that clear.
    fn clear_place(&mut self, id: EntryId, local: &LocalPath) -> bool {
        let entry = self.folder.catalogue().entry_at(local);
        let is_ours = entry.is_ok_and(|entry| entry.is_some_and(|entry| entry.id == id));
        // On some disks another spelling of the name leads to another item's file.
        if !is_ours || !self.folder.spells_it_so(local) {
            return false;
        }
        let path = std::path::Path::new(local.as_str());
        match self.folder.set_aside(path) {
            Ok(Some(to)) => {
                self.supervisor.events.emit(Event::SetAside {
                    local: local.clone(),
                    to: to.display().to_string(),
                    why: "it was on no record",
                });
                true
            }
            Ok(None) => true,
            Err(error) => {
                tracing::warn!(%error, "a name stays taken");
                false
            }
        }
    }

    fn other_name(&mut self, local: &LocalPath) -> LocalPath {
        self.names.occupy(local);
        self.names.allocate_beside(local, "")
    }

    fn moved(&self) -> MutexGuard<'_, HashMap<EntryId, LocalPath>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the present or future place of a task's file.
    pub(super) fn place_of(&self, task: &Task) -> LocalPath {
        let moved = self.moved();
        moved.get(&task.id).unwrap_or(&task.local).clone()
    }
}

/// The facts that are recorded about received bytes.
struct Received {
    sha256: Sha256,
    size: u64,
    has_date: bool,
}

impl Received {
    fn of(finished: &Finished) -> Self {
        Self {
            sha256: finished.sha256,
            size: finished.size,
            has_date: finished.mtime_is_set,
        }
    }
}
