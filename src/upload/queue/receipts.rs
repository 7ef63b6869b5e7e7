//! The outcome of each file: counted, reported, and recorded in the catalogue in groups.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::retry::NotUploaded;
use super::steps::As;
use crate::event::{Event, Events, SentCopy};
use crate::folder::upload::{Upload, UploadId, UploadReason, UploadRecord, UploadState};
use crate::folder::{Catalogue, CatalogueError};
use crate::upload::problem::Problem;
use crate::upload::{Acknowledged, Settled};

/// Receipts are recorded when there are so many,
const GROUP: usize = 64;
/// or when the first of them has waited so long.
const GROUP_TIME: Duration = Duration::from_millis(500);

/// The results of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Tally {
    /// The number of files sent.
    pub sent: u64,
    pub sent_bytes: u64,
    /// The number of files sent as a copy.
    pub copies: u64,
    /// The number of files sent unchanged although a copy was wanted.
    pub as_they_are: u64,
    /// The number of files that were already there.
    pub already_there: u64,
    /// The number of files that got another name because theirs was taken.
    pub renamed: u64,
    /// The number of files that the service does not accept.
    pub skipped: u64,
    /// The number of files that failed.
    pub failed: u64,
    /// The number of files that had a receipt but were missing, and are sent again.
    pub sent_again: u64,
}

/// The receipts of one run, and its only access to the catalogue.
pub(super) struct Receipts<'a> {
    catalogue: &'a mut Catalogue,
    events: Events,
    tally: Tally,
    /// The records that are waiting to be written.
    records: Vec<UploadRecord>,
    /// When the oldest waiting record was added.
    oldest: Option<Instant>,
    /// The acknowledged uploads that have not been verified yet.
    sent: Vec<UploadId>,
    /// Those uploads among them that an earlier run sent, whether it verified them or not.
    sent_before: HashSet<UploadId>,
}

impl<'a> Receipts<'a> {
    pub(super) fn new(catalogue: &'a mut Catalogue, events: Events) -> Self {
        Self {
            catalogue,
            events,
            tally: Tally::default(),
            records: Vec::new(),
            oldest: None,
            sent: Vec::new(),
            sent_before: HashSet::new(),
        }
    }

    /// Returns the catalogue as recorded so far.
    pub(super) fn catalogue(&self) -> &Catalogue {
        self.catalogue
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Adds a record to the next group.
    pub(super) fn push(&mut self, record: UploadRecord) {
        self.oldest.get_or_insert_with(Instant::now);
        self.records.push(record);
    }

    /// Returns the latest time at which the next group has to be recorded.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.oldest.map(|oldest| oldest + GROUP_TIME)
    }

    /// Returns whether the next group has to be recorded now.
    pub(super) fn are_due(&self) -> bool {
        let is_late = self.deadline().is_some_and(|by| by <= Instant::now());
        is_late || self.records.len() >= GROUP
    }

    /// Records everything so far.
    pub(super) fn record(&mut self) -> Result<(), CatalogueError> {
        self.oldest = None;
        self.catalogue
            .record_uploads(&self.records, chrono::Utc::now().timestamp())?;
        self.records.clear();
        Ok(())
    }

    /// Records that a file gets another name because its own is taken.
    pub(super) fn renamed(&mut self, upload: &Upload, path: String) {
        self.tally.renamed += 1;
        let source = upload.source.clone();
        self.events.emit(Event::UploadRenamed { source, path });
    }

    /// Records what was sent in place of a file. Must be called before the file counts as sent, or its bytes as stored.
    pub(super) fn sent_as(&mut self, upload: &Upload, sent_as: As) {
        let source = upload.source.clone();
        match sent_as {
            As::Itself => {}
            As::ItselfOnly(message) => {
                tracing::info!("{source:?} went as it is: {message}");
                self.tally.as_they_are += 1;
                self.events.emit(Event::UploadedAsItIs { source, message });
            }
            As::Copy(copy) => {
                let SentCopy { what, sha256, size } = &copy;
                self.push(UploadRecord::Instead {
                    id: upload.id,
                    what: format!("a copy went, {what}: {size} bytes, SHA-256 {sha256}"),
                });
                self.tally.copies += 1;
                self.events.emit(Event::CopyUploaded { source, copy });
            }
        }
    }

    /// Records that the service acknowledged a file.
    pub(super) fn sent(&mut self, upload: &Upload, acknowledged: Acknowledged) {
        self.tally.sent += 1;
        self.tally.sent_bytes += upload.size;
        self.events.emit(Event::Uploaded {
            source: upload.source.clone(),
            path: upload.path.to_string(),
            size: upload.size,
        });
        self.push(UploadRecord::Sent {
            id: upload.id,
            there: acknowledged.there,
            checksum: acknowledged.checksum,
        });
        self.sent.push(upload.id);
    }

    /// Adds an upload from an earlier run to those that will be verified.
    pub(super) fn sent_before(&mut self, id: UploadId) {
        self.sent_before.insert(id);
        self.sent.push(id);
    }

    /// Returns, and clears, the uploads to verify.
    pub(super) fn take_sent(&mut self) -> Vec<UploadId> {
        std::mem::take(&mut self.sent)
    }

    /// Records the result of verifying an upload; returns whether it has to be sent again in this run.
    pub(super) fn settled(&mut self, upload: &Upload, settled: Settled) -> bool {
        match settled {
            Settled::There { checksum, path, .. } => {
                let id = upload.id;
                let is_news = checksum.is_some() && checksum != upload.checksum;
                if upload.state != UploadState::There || is_news {
                    self.push(UploadRecord::There { id, checksum });
                }
                if let Some(path) = path {
                    self.push(UploadRecord::Respelt { id, path });
                }
                false
            }
            // Somebody removed it, or wrote over it.
            Settled::Wrong(reason, message) if self.sent_before.remove(&upload.id) => {
                tracing::info!("{:?} is sent again: {message}", upload.source);
                self.tally.sent_again += 1;
                self.push(UploadRecord::Waiting {
                    id: upload.id,
                    why: Some((reason, message)),
                });
                true
            }
            Settled::Wrong(reason, message) => {
                self.tally.sent = self.tally.sent.saturating_sub(1);
                self.tally.sent_bytes = self.tally.sent_bytes.saturating_sub(upload.size);
                self.failed(upload, reason, message);
                false
            }
        }
    }

    /// Records that a file was already there.
    pub(super) fn found(&mut self, upload: &Upload, acknowledged: Acknowledged) {
        self.tally.already_there += 1;
        self.events.emit(Event::AlreadyThere {
            source: upload.source.clone(),
            path: upload.path.to_string(),
            size: upload.size,
        });
        self.events.emit(Event::Received { bytes: upload.size });
        let checksum = acknowledged.checksum.clone();
        self.push(UploadRecord::Sending {
            id: upload.id,
            path: Some(upload.path.clone()),
        });
        self.push(UploadRecord::Sent {
            id: upload.id,
            there: acknowledged.there,
            checksum: acknowledged.checksum,
        });
        // Its content was compared just now.
        self.push(UploadRecord::There {
            id: upload.id,
            checksum,
        });
    }

    /// Records that a file was not uploaded; returns the problem if no other file can succeed either.
    pub(super) fn ended(&mut self, upload: &Upload, outcome: NotUploaded) -> Result<(), Problem> {
        match outcome {
            NotUploaded::Skipped(reason, problem) => {
                self.skipped(upload, reason, problem.to_string());
                Ok(())
            }
            NotUploaded::Failed(reason, problem) => {
                self.failed(upload, reason, problem.to_string());
                Ok(())
            }
            NotUploaded::Stop(problem) => Err(problem),
        }
    }

    pub(super) fn skipped(&mut self, upload: &Upload, reason: UploadReason, message: String) {
        self.tally.skipped += 1;
        self.events.emit(Event::UploadSkipped {
            source: upload.source.clone(),
            reason,
            message: message.clone(),
        });
        self.push(UploadRecord::Skipped {
            id: upload.id,
            reason,
            message,
        });
    }

    pub(super) fn failed(&mut self, upload: &Upload, reason: UploadReason, message: String) {
        self.tally.failed += 1;
        self.events.emit(Event::UploadFailed {
            source: upload.source.clone(),
            reason,
            message: message.clone(),
        });
        self.push(UploadRecord::Failed {
            id: upload.id,
            reason,
            message,
        });
    }
}
