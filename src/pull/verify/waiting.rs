//! Files that wait for their proof, and the decision when they are enough for one call.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::super::unproven::ToVerify;
use crate::phone::Phone;

/// Files in one call at most.
const FILES_PER_CALL: usize = 256;
/// Bytes to be hashed in one call at most, unless one file has more.
const BYTES_PER_CALL: u64 = 64 * 1024 * 1024;
/// How long a file waits for others while more come: to start a program costs a phone as much as to
/// hash a hundred small files.
const CALL_AGE: Duration = Duration::from_millis(300);

/// The files that wait for a call, in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct VerifyQueue {
    files: VecDeque<ToVerify>,
    bytes: u64,
    /// Since when the first of them has been waiting.
    since: Option<Instant>,
    /// Whether a call was made before for one of them.
    has_been_asked: bool,
}

impl VerifyQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn push(&mut self, file: ToVerify) {
        self.since.get_or_insert_with(Instant::now);
        self.bytes = self.bytes.saturating_add(file.pulled.size);
        self.has_been_asked |= file.failed_calls > 0 || file.unanswered > 0;
        self.files.push_back(file);
    }

    /// Returns whether a call should be made while more files are arriving.
    pub(super) fn is_due(&self) -> bool {
        self.has_been_asked
            || self.files.len() >= FILES_PER_CALL
            || self.bytes >= BYTES_PER_CALL
            || self.since.is_some_and(|since| since.elapsed() >= CALL_AGE)
    }

    /// Waits until the first file has waited long enough.
    pub(super) async fn due(&self) {
        match self.since {
            Some(since) => tokio::time::sleep_until(since + CALL_AGE).await,
            None => std::future::pending().await,
        }
    }

    /// Returns the files of the next call, whose command line may have `max_command_bytes` bytes.
    pub(super) fn next_batch(&mut self, max_command_bytes: usize) -> Vec<ToVerify> {
        let mut batch: Vec<ToVerify> = Vec::new();
        let (mut bytes, mut command) = (0_u64, 16);
        let suspects = |file: &ToVerify| file.failed_calls > 0;
        while let Some(file) = self.files.front() {
            // A file over which a call failed is not asked for together with others that are sound.
            // Nor alone at once: most calls fail with the cable and not over a file.
            let most = match file.failed_calls {
                0 => FILES_PER_CALL,
                1 => FILES_PER_CALL / 8,
                2 => FILES_PER_CALL / 64,
                _ => 1,
            };
            if batch
                .first()
                .is_some_and(|first| suspects(first) != suspects(file))
            {
                break;
            }
            bytes = bytes.saturating_add(file.pulled.size);
            command += Phone::hash_command_bytes(&file.pulled.path);
            let full = batch.len() >= most || bytes > BYTES_PER_CALL || command > max_command_bytes;
            if full && !batch.is_empty() {
                break;
            }
            batch.extend(self.files.pop_front());
        }
        let taken: u64 = batch.iter().map(|file| file.pulled.size).sum();
        self.bytes = self.bytes.saturating_sub(taken);
        self.since = (!self.files.is_empty()).then(Instant::now);
        self.has_been_asked &= !self.files.is_empty();
        batch
    }
}
