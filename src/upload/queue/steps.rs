//! The steps for one file or batch, side by side with others: survey, put, create.
//!
//! In: an upload from the catalogue, and what the steps of a run share. Out: a [`CompletedStep`], which the run records.
//! No step accesses the catalogue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;

use super::Options;
use super::retry::{NotUploaded, Retries};
use crate::digest::Sha256;
use crate::event::{Events, SentCopy};
use crate::folder::DataReader;
use crate::folder::reader::FoundOnDisk;
use crate::folder::upload::Upload;
use crate::names::LocalPath;
use crate::upload::batch::{Batch, Creation};
use crate::upload::copy::{Copies, PreparedCopy};
use crate::upload::gate::Gate;
use crate::upload::limit::Limit;
use crate::upload::problem::{Advice, Problem};
use crate::upload::source::{Origin, Source};
use crate::upload::{Acknowledged, Masked, Presence, Put, name_of};

/// What sending may take of memory, in units of 64 KiB: 64 MiB.
const MEMORY_UNITS: usize = 1024;
const UNIT_BYTES: u64 = 64 * 1024;

/// The state shared by the steps of a run.
pub(super) struct Shared {
    pub(super) remote: Masked,
    pub(super) events: Events,
    pub(super) retries: Retries,
    reader: DataReader,
    limit: Arc<Limit>,
    slots: Semaphore,
    surveys: Semaphore,
    memory: Semaphore,
    copies: Copies,
}

impl Shared {
    pub(super) fn new(
        reader: DataReader,
        remote: Masked,
        options: &Options,
        events: Events,
    ) -> Self {
        let parallel = options.parallel.max(1);
        let surveys = remote.surveys_at_once(parallel);
        let gate = Gate::new(options.patience, events.clone());
        Self {
            remote,
            events,
            retries: Retries::new(gate, options.tries),
            reader,
            limit: Arc::new(Limit::new(options.limit)),
            slots: Semaphore::new(parallel),
            surveys: Semaphore::new(surveys),
            memory: Semaphore::new(MEMORY_UNITS),
            copies: Copies::new(options.copies),
        }
    }

    /// Returns the same state for checking only.
    pub(super) fn for_looking(self) -> Self {
        Self {
            retries: self.retries.for_looking(),
            ..self
        }
    }

    pub(super) fn source(&self, upload: &Upload) -> Result<Source, Problem> {
        let place = match upload.entry {
            Some(_) => match LocalPath::new(&upload.source) {
                Ok(local) => Origin::Data(self.reader.clone(), local),
                Err(error) => {
                    return Err(Problem::SourceUnreadable {
                        words: error.to_string(),
                    });
                }
            },
            None => Origin::File(upload.source.clone().into()),
        };
        let verified = (upload.size, upload.sha256);
        Ok(Source::new(
            place,
            verified,
            mtime_of(&self.reader, upload),
            Arc::clone(&self.limit),
            self.events.clone(),
        ))
    }
}

/// Returns the file's modification time, which the pull took over from the phone.
fn mtime_of(reader: &DataReader, upload: &Upload) -> Option<i64> {
    let modified = match upload.entry {
        Some(_) => {
            let local = LocalPath::new(&upload.source).ok()?;
            let FoundOnDisk::File(file) = reader.open(&local).ok()? else {
                return None;
            };
            file.metadata().ok()?.modified().ok()?
        }
        None => std::fs::metadata(&upload.source).ok()?.modified().ok()?,
    };
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// A completed step.
pub(super) enum CompletedStep {
    Surveyed(Box<Upload>, Result<Presence, NotUploaded>),
    Put(Box<Upload>, Result<(Delivery, As), NotUploaded>),
    Created(Batch, Result<Vec<Creation>, NotUploaded>),
}

/// How a file was delivered.
pub(super) enum Delivery {
    Sent(Acknowledged),
    Found(Acknowledged),
    /// Its bytes, which have this SHA-256, are stored; no item exists yet.
    Pledged(String, Sha256),
    /// Its bytes have been stored since an earlier run, which recorded that.
    Held(String),
    /// It was not delivered: its name was taken in the meantime.
    Moved,
}

/// The form in which a file was sent.
pub(super) enum As {
    Itself,
    /// Unchanged, although a copy was wanted; with the reason.
    ItselfOnly(String),
    Copy(SentCopy),
}

/// Asks the remote what it already has.
pub(super) async fn survey(shared: Arc<Shared>, upload: Upload) -> CompletedStep {
    // Never closed.
    let _slot = shared.surveys.acquire().await;
    let attempt = || async {
        let asked = match shared.source(&upload) {
            Ok(source) => shared.remote.survey(&upload, &source).await,
            Err(problem) => Err(problem),
        };
        if asked.is_err() {
            shared.remote.forget(&upload.path);
        }
        asked
    };
    let presence = shared.retries.run(attempt).await;
    CompletedStep::Surveyed(Box::new(upload), presence)
}

/// Sends a file.
pub(super) async fn put(shared: Arc<Shared>, upload: Upload) -> CompletedStep {
    // Never closed.
    let _slot = shared.slots.acquire().await;
    let units = shared.remote.memory(upload.size).div_ceil(UNIT_BYTES);
    let units = units.clamp(1, MEMORY_UNITS as u64) as u32;
    let _memory = shared.memory.acquire_many(units).await;
    let look_first = AtomicBool::new(false);
    let attempt = || async {
        let looks = look_first.load(Ordering::Relaxed);
        let delivered = deliver(&shared, &upload, looks).await;
        match &delivered {
            Ok(_) => shared.retries.taken(),
            // A refusal is an answer: nothing was taken. After anything else nobody knows.
            Err(Problem::Busy { .. } | Problem::Failing { .. } | Problem::Quota { .. }) => {}
            Err(_) => look_first.store(true, Ordering::Relaxed),
        }
        delivered
    };
    let delivered = shared.retries.run(attempt).await;
    CompletedStep::Put(Box::new(upload), delivered)
}

async fn deliver(
    shared: &Shared,
    upload: &Upload,
    look_first: bool,
) -> Result<(Delivery, As), Problem> {
    let source = shared.source(upload)?;
    if look_first && !shared.remote.makes_items() {
        shared.remote.forget(&upload.path);
        match shared.remote.survey(upload, &source).await? {
            Presence::Absent => {}
            Presence::Same(acknowledged) => {
                return Ok((Delivery::Found(acknowledged), As::Itself));
            }
            Presence::Taken { .. } | Presence::Elsewhere { .. } => {
                return Ok((Delivery::Moved, As::Itself));
            }
            Presence::Refused(reason, words) => return Err(Problem::Refused { reason, words }),
        }
    }
    let name = name_of(&upload.source);
    let (sent, sent_as) = match shared.copies.copy_for_upload(&source, name).await? {
        PreparedCopy::Original(None) => (source, As::Itself),
        PreparedCopy::Original(Some(why)) => (source, As::ItselfOnly(why)),
        PreparedCopy::Copy(copy, what) => {
            let told = SentCopy {
                what,
                size: copy.size,
                sha256: copy.sha256,
            };
            (copy, As::Copy(told))
        }
    };
    let put = shared.remote.put(upload, &sent).await;
    match put {
        Ok(Put::Done(acknowledged)) => Ok((Delivery::Sent(acknowledged), sent_as)),
        Ok(Put::Pledged(token)) => Ok((Delivery::Pledged(token, sent.sha256), sent_as)),
        Ok(Put::Held(token)) => Ok((Delivery::Held(token), sent_as)),
        Err(problem) => {
            sent.withdraw();
            if problem.advice() != Advice::Rename {
                return Err(problem);
            }
            shared.remote.forget(&upload.path);
            Ok((Delivery::Moved, As::Itself))
        }
    }
}

/// Creates the items of a batch.
pub(super) async fn create(shared: Arc<Shared>, batch: Batch) -> CompletedStep {
    let attempt = || shared.remote.create(&batch);
    let made = shared.retries.run(attempt).await;
    CompletedStep::Created(batch, made)
}
