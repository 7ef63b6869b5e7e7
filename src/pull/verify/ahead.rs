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
use crate::phone::hash::{Algorithm, Hashes};
use crate::phone::{Phone, PhoneError};

/// Files that have begun to come, remembered at most: more than there are streams.
const MAX_BEGUN: usize = 16;

/// What is known of a file that is here.
pub(super) enum Answered {
    /// The phone's hash.
    Hash(ToVerify, Vec<u8>),
    /// It was not hashed: a call is to be made for it.
    Nothing(ToVerify),
    /// The file is hashed now, or is not here yet.
    Later,
}

#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Files that come and are not hashed yet.
    begun: VecDeque<Arc<Task>>,
    /// The file that is hashed now.
    hashing: Option<EntryId>,
    /// Its only call.
    call: JoinSet<Result<Hashes, PhoneError>>,
    /// That file, once it is here.
    here: Option<ToVerify>,
    /// Hashes of files that are not here yet.
    known: HashMap<EntryId, Vec<u8>>,
}

impl Ahead {
    /// A large file begins to come.
    pub(super) fn begin(&mut self, task: Arc<Task>) {
        if self.begun.len() == MAX_BEGUN {
            self.begun.pop_front();
        }
        self.begun.push_back(task);
    }

    /// Calls under way.
    pub(super) fn calls(&self) -> usize {
        self.call.len()
    }

    /// Whether a file that is here waits for its call.
    pub(super) fn is_awaited(&self) -> bool {
        self.here.is_some()
    }

    /// Has the phone hash the next file, unless it hashes one.
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
            phone.hash(Algorithm::Sha256, &[path], bytes).await
        });
    }

    /// A file is here.
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

    /// Waits for the call that is under way.
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
