//! Files that are here without their proof, and what can prove them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::task::{Pulled, Task};
use crate::folder::{EntryId, Proof};
use crate::phone::hash::HashAlgorithm;

/// The size in bytes from which a file is hashed on the phone while it is being received. A smaller one is hashed
/// quickly afterwards.
pub(super) const WORTH_HASHING_AHEAD: u64 = 16 * 1024 * 1024;

/// News about files for the verifier.
#[derive(Debug)]
pub(super) enum News {
    /// A large file has started to arrive.
    Begun(Arc<Task>),
    /// A file has arrived completely.
    Here(ToVerify),
}

/// A file that has arrived and has to be verified.
#[derive(Debug, Clone)]
pub(super) struct ToVerify {
    pub(super) task: Arc<Task>,
    pub(super) pulled: Pulled,
    /// The number of calls for its hash in which the phone went away or fell silent.
    pub(super) failed_calls: u32,
    /// The number of calls that ended without its hash.
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

/// The way in which the phone can prove files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// It has a program for this hash.
    Hash(HashAlgorithm),
    /// It has no hash program: only sizes can be compared.
    SizeOnly,
    /// Verification is switched off (`--no-verify`).
    Off,
}

impl Method {
    /// Returns the strongest proof that this way can give.
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

/// The files that have arrived but are not proven yet: the work that remains if the phone is lost.
#[derive(Debug, Default)]
pub(super) struct Unproven {
    files: Mutex<HashMap<EntryId, ToVerify>>,
    failed_calls: AtomicU32,
    /// Whether the phone may have gone away because it hashed a file while sending it.
    ahead_failed: AtomicBool,
}

impl Unproven {
    /// Removes and returns all files; those during whose hashing the phone went away come last.
    pub(super) fn take(&self) -> Vec<ToVerify> {
        let mut files: Vec<_> = self.lock().drain().map(|(_, file)| file).collect();
        files.sort_by_key(|file| (file.failed_calls, file.task.id));
        files
    }

    /// Records how a call for hashes ended.
    pub(super) fn note_call(&self, call: Call) {
        match call {
            Call::Answered => self.failed_calls.store(0, Ordering::Relaxed),
            Call::Failed => drop(self.failed_calls.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Returns the number of consecutive failed calls.
    pub(super) fn failed_calls(&self) -> u32 {
        self.failed_calls.load(Ordering::Relaxed)
    }

    /// Returns whether the phone may hash a file that is still arriving. A phone that went away because of that would
    /// do so each time, and the file would never arrive.
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

pub(super) fn proof_of(algorithm: HashAlgorithm) -> Proof {
    match algorithm {
        HashAlgorithm::Sha256 => Proof::Sha256,
        HashAlgorithm::Sha1 => Proof::Sha1,
        HashAlgorithm::Md5 => Proof::Md5,
    }
}
