//! Has the phone hash large files while they arrive, so that almost nothing is left to wait for behind the last one.
//!
//! The phone reads the same bytes at the same time as the transfer, so its storage reads them once, and the link
//! carries nothing for it. Done only if no finished file waits for its proof.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::task::Task;
use super::super::unproven::{ToVerify, Unproven};
use crate::folder::EntryId;
use crate::phone::hash::{HashAlgorithm, Hashes};
use crate::phone::{Phone, PhoneError};

/// Files that have begun to come, remembered at most: more than there are streams.
const MAX_BEGUN: usize = 16;

/// What is known about a file that has arrived.
pub(super) enum Answered {
    /// The phone's hash of the file.
    Hash(ToVerify, Vec<u8>),
    /// The file was not hashed ahead, so a call has to be made for it.
    Nothing(ToVerify),
    /// The file is being hashed, or has not arrived yet.
    Later,
}

#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The files that are arriving and are not hashed yet.
    begun: VecDeque<Arc<Task>>,
    /// The file that is being hashed.
    hashing: Option<EntryId>,
    /// The call that hashes it; there is at most one.
    call: JoinSet<Result<Hashes, PhoneError>>,
    /// That file, once it has arrived.
    here: Option<ToVerify>,
    /// The hashes of files that have not arrived yet.
    known: HashMap<EntryId, Vec<u8>>,
}

impl Ahead {
    /// Reports that a large file has started to arrive.
    pub(super) fn begin(&mut self, task: Arc<Task>) {
        if self.begun.len() == MAX_BEGUN {
            self.begun.pop_front();
        }
        self.begun.push_back(task);
    }

    /// Returns the number of calls in progress.
    pub(super) fn calls(&self) -> usize {
        self.call.len()
    }

    /// Returns whether a file that has arrived is waiting for its call.
    pub(super) fn is_awaited(&self) -> bool {
        self.here.is_some()
    }

    /// Makes the phone hash the next file, unless it is already hashing one.
    pub(super) fn start(&mut self, phone: &Arc<Phone>) {
        if self.hashing.is_some() {
            return;
        }
        let Some(task) = self.begun.pop_front() else {
            return;
        };
        self.hashing = Some(task.id);
        let phone = Arc::clone(phone);
        self.call.spawn(async move {
            let (path, bytes) = (&task.item.path, task.item.size);
            phone.hash(HashAlgorithm::Sha256, &[path], bytes).await
        });
    }

    /// Reports that a file has arrived.
    pub(super) fn arrive(&mut self, file: ToVerify) -> Answered {
        let id = file.task.id;
        self.begun.retain(|task| task.id != id);
        if self.hashing == Some(id) {
            self.here = Some(file);
            return Answered::Later;
        }
        match self.known.remove(&id) {
            Some(hash) => Answered::Hash(file, hash),
            None => Answered::Nothing(file),
        }
    }

    /// Waits for the call in progress.
    pub(super) async fn next(&mut self, unproven: &Unproven) -> Answered {
        let answer = match self.call.join_next().await {
            Some(Ok(answer)) => answer,
            Some(Err(failed)) if failed.is_panic() => {
                std::panic::resume_unwind(failed.into_panic())
            }
            Some(Err(_)) | None => return Answered::Later,
        };
        let hash = match answer {
            Ok(Hashes::Of(hashes)) => hashes.into_iter().next().flatten(),
            Ok(Hashes::NoProgram) => None,
            Err(error) => {
                tracing::debug!(%error, "no hash of a file that is coming");
                unproven.note_failure_ahead();
                None
            }
        };
        let id = self.hashing.take();
        match (self.here.take(), id, hash) {
            (Some(file), _, Some(hash)) => Answered::Hash(file, hash),
            (Some(file), _, None) => Answered::Nothing(file),
            (None, Some(id), Some(hash)) => {
                self.known.insert(id, hash);
                Answered::Later
            }
            (None, ..) => Answered::Later,
        }
    }
}
