//! Questions whose answers a pull can do without.

use std::time::Duration;

use crate::adb::RemotePath;
use crate::adb::features::Feature;
use crate::adb::sync::{Operation, Stat, SyncAnswer};
use crate::phone::{Phone, PhoneError};

/// Entries looked at to find volumes.
const MAX_ROOT_ENTRIES: usize = 100_000;
/// How long to wait for answers that a pull can do without.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns the entries of a folder; `None` if it is missing or refused.
pub(super) async fn list_folder(
    phone: &Phone,
    path: &RemotePath,
) -> Result<Option<Vec<(Stat, bytes::Bytes)>>, PhoneError> {
    let mut sync = phone.sync().await?;
    sync.request(list_operation(phone), path);
    sync.flush().await?;
    let mut entries = Vec::new();
    loop {
        match sync.next().await? {
            Some(SyncAnswer::Entry(stat, name)) if entries.len() < MAX_ROOT_ENTRIES => {
                entries.push((stat, name))
            }
            // A listing may have no end: dropping the stream stops it.
            Some(_) => return Ok((!entries.is_empty()).then_some(entries)),
            None => return Ok(None),
        }
    }
}

pub(super) fn list_operation(phone: &Phone) -> Operation {
    if phone.features().has(Feature::LsV2) {
        Operation::List2
    } else {
        Operation::List1
    }
}

/// Waits a short time for an answer that a pull can do without; returns `None` if it does not arrive.
pub(super) async fn patiently<T>(asking: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, asking).await.ok()
}

/// Reads an answer that a pull can do without: returns `None` if the phone gives none, and an error only if the phone
/// itself is gone.
pub(super) async fn unless_gone<T>(
    phone: &Phone,
    answer: Result<T, PhoneError>,
) -> Result<Option<T>, PhoneError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(
            PhoneError::Idle { .. }
            | PhoneError::Sync(_)
            | PhoneError::Shell(_)
            | PhoneError::StreamEnded { .. }
            | PhoneError::ServiceRefused { .. }
            | PhoneError::TooMuchOutput { .. },
        ) => {
            // Not the phone as a whole, when it still opens streams.
            drop(phone.sync().await?);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
