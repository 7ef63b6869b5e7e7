//! Files that are here without their proof, and what can prove them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::task::{Pulled, Task};
use crate::folder::{EntryId, Proof};
use crate::phone::hash::Algorithm;

/// A file of so many bytes is hashed on the phone while it comes: a smaller one is hashed in no
/// time afterwards.
pub(super) const WORTH_HASHING_AHEAD: u64 = 16 * 1024 * 1024;

/// What the verifier hears of files.
#[derive(Debug)]
pub(super) enum News {
    /// A large file begins to come.
    Begun(Arc<Task>),
    /// A file is here.
    Here(ToVerify),
}

/// A file that is here and wants its proof.
#[derive(Debug, Clone)]
pub(super) struct ToVerify {
    pub(super) task: Arc<Task>,
    pub(super) pulled: Pulled,
    /// Calls in which the phone was asked for its hash and went away or fell silent.
    pub(super) failed_calls: u32,
    /// Calls that ended without a hash of it.
    pub(super) unanswered: u32,
}

impl ToVerify {
    pub(super) fn new(task: Arc<Task>, pulled: Pulled) -> Self {
        Self {
            task,
            pulled,
            failed_calls: 0,
            unanswered: 0,
        }
    }
}

/// What the phone can prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// It has a program for this hash.
    Hash(Algorithm),
    /// It has none: only sizes can be compared.
    SizeOnly,
    /// Nobody wants a proof (`--no-verify`).
    Off,
}

impl Method {
    /// The strongest proof that it can give.
    pub fn best_proof(self) -> Proof {
        match self {
            Self::Hash(algorithm) => proof_of(algorithm),
            Self::SizeOnly | Self::Off => Proof::Size,
        }
    }
}

/// How a call for hashes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Answered,
    Failed,
}

/// Files that are here and not proven yet: what a lost phone leaves to do.
#[derive(Debug, Default)]
pub(super) struct Unproven {
    files: Mutex<HashMap<EntryId, ToVerify>>,
    failed_calls: AtomicU32,
    /// Whether the phone may have gone away over a file that it hashed while it came.
    ahead_failed: AtomicBool,
}

impl Unproven {
    /// Takes them all; those that the phone went away over come last.
    pub(super) fn take(&self) -> Vec<ToVerify> {
        let mut files: Vec<_> = self.lock().drain().map(|(_, file)| file).collect();
        files.sort_by_key(|file| (file.failed_calls, file.task.id));
        files
    }

    /// Notes how a call for hashes ended.
    pub(super) fn note_call(&self, call: Call) {
        match call {
            Call::Answered => self.failed_calls.store(0, Ordering::Relaxed),
            Call::Failed => drop(self.failed_calls.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Calls that failed one after the other.
    pub(super) fn failed_calls(&self) -> u32 {
        self.failed_calls.load(Ordering::Relaxed)
    }

    /// Whether the phone may be given a file to hash that is still coming: one that went away over
    /// such a file would do so again each time, and the file never come.
    pub(super) fn may_hash_ahead(&self) -> bool {
        self.failed_calls() == 0 && !self.ahead_failed.load(Ordering::Relaxed)
    }

    pub(super) fn note_failure_ahead(&self) {
        self.ahead_failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn add(&self, file: &ToVerify) {
        self.lock().insert(file.task.id, file.clone());
    }

    pub(super) fn settle(&self, id: EntryId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<EntryId, ToVerify>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn proof_of(algorithm: Algorithm) -> Proof {
    match algorithm {
        Algorithm::Sha256 => Proof::Sha256,
        Algorithm::Sha1 => Proof::Sha1,
        Algorithm::Md5 => Proof::Md5,
    }
}
