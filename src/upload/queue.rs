//! Works the queue off: survey, put, settle; several files at once, each as often as it takes.
//!
//! What is recorded, and when, is what makes a kill harmless: *sending* before the first byte of a
//! group leaves, *sent* soon after the service acknowledged. What was acknowledged but not yet
//! recorded is found again by the next survey.
//!
//! A service that makes items of bytes in a step of its own ([`Remote::makes_items`]) gives a
//! pledge for them, which is recorded at once; pledged uploads are made items in batches, one batch
//! at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::batch::{Batch, Batches, Item, Made};
use super::copy::{Copies, Prepared, Wish};
use super::gate::Gate;
use super::limit::Limit;
use super::problem::{Advice, Problem};
use super::source::{Place, SMALL_BYTES, Source};
use super::{Acknowledged, Presence, Put, Remote, Settled, name_of};
use crate::digest::{Sha256, Xxh128};
use crate::event::{Event, Events, SentCopy};
use crate::folder::reader::Found;
use crate::folder::upload::{Pledge, Upload, UploadId, UploadReason, UploadRecord, UploadState};
use crate::folder::{Catalogue, CatalogueError, DataReader};
use crate::names::LocalPath;
use crate::pull::halt::Halt;

mod items;

use items::Items;

/// Uploads that are looked at ahead of those being sent.
pub(super) const AHEAD: usize = 64;
/// Receipts are recorded when there are so many,
const GROUP: usize = 64;
/// or when the first of them has waited so long.
const GROUP_TIME: Duration = Duration::from_millis(500);
/// Files whose presence is asked for at once, at the end.
const SETTLE_AT_ONCE: usize = 10_000;
/// What sending may take of memory, in units of 64 KiB: 64 MiB.
const MEMORY_UNITS: usize = 1024;
const UNIT_BYTES: u64 = 64 * 1024;
/// The first pause after a failure; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A service that was too busy for so many files in a row, made no sense or refused them, is left
/// alone.
const GIVEN_UP: u32 = 16;

/// How to work.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files sent at once.
    pub parallel: usize,
    /// How often a file is tried.
    pub tries: u32,
    /// How long to wait for a connection; `None` for ever.
    pub patience: Option<Duration>,
    /// At most so many bytes a second.
    pub limit: Option<u64>,
    /// Which files are sent as copies.
    pub copies: Wish,
}

/// What became of the files of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Files sent.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Files of which a copy was sent.
    pub copies: u64,
    /// Files that were sent as they are, though a copy was wished for.
    pub as_they_are: u64,
    /// Files that were there already.
    pub already_there: u64,
    /// Files that got another name because theirs was taken.
    pub renamed: u64,
    /// Files that the service does not take.
    pub skipped: u64,
    /// Files that failed.
    pub failed: u64,
}

/// Why a run ended before everything was tried.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The person stopped it, or a deadline did.
    #[error("stopped")]
    Stopped,
    /// Nothing would have worked any more.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// One run over a remote.
pub struct Run<'a> {
    catalogue: &'a mut Catalogue,
    shared: Arc<Shared>,
    options: Options,
    tally: Tally,
    receipts: Vec<UploadRecord>,
    oldest_receipt: Option<Instant>,
    sent: Vec<UploadId>,
    /// Those of them that an earlier run sent.
    sent_before: HashSet<UploadId>,
    waiting: VecDeque<UploadId>,
    items: Items,
    /// What steps want to have recorded at once.
    notes: mpsc::UnboundedReceiver<UploadRecord>,
}

struct Shared {
    remote: Remote,
    reader: DataReader,
    events: Events,
    limit: Arc<Limit>,
    gate: Gate,
    slots: Semaphore,
    surveys: Semaphore,
    memory: Semaphore,
    tries: u32,
    /// Files that the service was too busy for, or answered nonsense, since it last took something.
    given_up: AtomicU32,
    /// Whether it took a file in this run.
    has_taken: AtomicBool,
    /// Files that it has not allowed since.
    forbidden: AtomicU32,
    copies: Copies,
    /// What XXH3 made of bytes that have this SHA-256, not recorded yet.
    learnt: Mutex<Vec<(Sha256, Xxh128)>>,
}

enum Step {
    Surveyed(Box<Upload>, Result<Presence, Outcome>),
    Put(Box<Upload>, Result<(Delivery, As), Outcome>),
    Created(Batch, Result<Vec<Made>, Outcome>),
}

/// How a file came to be there.
enum Delivery {
    Sent(Acknowledged),
    Found(Acknowledged),
    /// Its bytes, which have this SHA-256, have arrived; it is no item yet.
    Pledged(String, Sha256),
    /// The same since an earlier run, which recorded it.
    Held(String),
    /// Its name was taken while it was on its way.
    Moved,
}

/// As what a file was sent.
enum As {
    Itself,
    /// Though a copy was wished for; why.
    ItselfOnly(String),
    Copy(SentCopy),
}

/// Why a file did not get there.
enum Outcome {
    Skipped(UploadReason, Problem),
    Failed(UploadReason, Problem),
    Stop(Problem),
}

impl Outcome {
    fn into_problem(self) -> Problem {
        let (Self::Skipped(_, problem) | Self::Failed(_, problem) | Self::Stop(problem)) = self;
        problem
    }
}

impl<'a> Run<'a> {
    /// A run of a remote over a folder's files.
    pub fn new(
        catalogue: &'a mut Catalogue,
        reader: DataReader,
        remote: Remote,
        options: Options,
        events: Events,
    ) -> Self {
        let parallel = options.parallel.max(1);
        let surveys = remote.surveys_at_once(parallel);
        let (note, notes) = mpsc::unbounded_channel();
        remote.note_to(note);
        let shared = Arc::new(Shared {
            remote,
            reader,
            limit: Arc::new(Limit::new(options.limit)),
            gate: Gate::new(options.patience, events.clone()),
            events,
            slots: Semaphore::new(parallel),
            surveys: Semaphore::new(surveys),
            memory: Semaphore::new(MEMORY_UNITS),
            tries: options.tries.max(1),
            given_up: AtomicU32::new(0),
            has_taken: AtomicBool::new(false),
            forbidden: AtomicU32::new(0),
            copies: Copies::new(options.copies),
            learnt: Mutex::default(),
        });
        Self {
            catalogue,
            shared,
            options,
            tally: Tally::default(),
            receipts: Vec::new(),
            oldest_receipt: None,
            sent: Vec::new(),
            sent_before: HashSet::new(),
            waiting: VecDeque::new(),
            items: Items::default(),
            notes,
        }
    }

    /// Sends these uploads, in this order. What is done is recorded however it ends.
    pub async fn send(mut self, ids: Vec<UploadId>, halt: &Halt) -> (Tally, Result<(), Ended>) {
        let arranged = match self.shared.remote.arranges() {
            true => ids.clone(),
            false => Vec::new(),
        };
        self.waiting = ids.into();
        let mut ended = self.work(halt).await;
        while let Ok(note) = self.notes.try_recv() {
            self.receipts.push(note);
        }
        if let Err(error) = self.record() {
            ended = ended.and(Err(error.into()));
        }
        if ended.is_ok() {
            ended = self.settle(halt).await;
        }
        if ended.is_ok() {
            ended = self.arrange(&arranged, halt).await;
        }
        (self.tally, ended)
    }

    async fn work(&mut self, halt: &Halt) -> Result<(), Ended> {
        let mut ready: VecDeque<Upload> = VecDeque::new();
        let mut tasks = JoinSet::new();
        let (mut surveying, mut sending) = (0_usize, 0_usize);
        loop {
            while surveying + ready.len() < AHEAD
                && let Some(id) = self.waiting.pop_front()
            {
                let Some(upload) = self.catalogue.upload(id)? else {
                    continue;
                };
                match upload.state {
                    UploadState::There => continue,
                    UploadState::Sent => {
                        self.sent_before.insert(id);
                        self.sent.push(id);
                        continue;
                    }
                    _ => {}
                }
                if self.shared.remote.makes_items() && !self.needs_bytes(&upload)? {
                    continue;
                }
                surveying += 1;
                tasks.spawn(survey(Arc::clone(&self.shared), upload));
            }
            let no_more = surveying + ready.len() + sending == 0;
            if let Some(batch) = self.items.next(no_more) {
                tasks.spawn(create(Arc::clone(&self.shared), batch));
            }
            // Claims are recorded together: a sync to disk for each file would cost more than a
            // small file itself.
            let enough = ready.len() >= AHEAD / 2 || surveying == 0 || sending == 0;
            if enough && !ready.is_empty() && sending < self.options.parallel * 2 {
                let group: Vec<Upload> = ready.drain(..).collect();
                let claims = group.iter().map(|upload| UploadRecord::Sending {
                    id: upload.id,
                    path: Some(upload.path.clone()),
                });
                self.receipts.extend(claims);
                self.record()?;
                for upload in group {
                    // Smaller ones are proven as a whole.
                    let known = match upload.size > SMALL_BYTES {
                        true => self.catalogue.quick_hash(upload.sha256)?,
                        false => None,
                    };
                    sending += 1;
                    tasks.spawn(put(Arc::clone(&self.shared), upload, known));
                }
            }
            if self
                .oldest_receipt
                .is_some_and(|oldest| oldest.elapsed() >= GROUP_TIME)
                || self.receipts.len() >= GROUP
            {
                self.record()?;
            }
            let deadline = self.oldest_receipt.map(|oldest| oldest + GROUP_TIME);
            let next = tokio::select! {
                biased;
                () = halt.stopped() => return Err(Ended::Stopped),
                Some(note) = self.notes.recv() => {
                    self.receipts.push(note);
                    self.record()?;
                    continue;
                }
                next = tasks.join_next() => next,
                () = until(deadline) => continue,
            };
            let step = match next {
                None if self.waiting.is_empty() => return Ok(()),
                None => continue,
                Some(Ok(step)) => step,
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            };
            match step {
                Step::Surveyed(upload, presence) => {
                    surveying -= 1;
                    match self.surveyed((*upload).clone(), presence)? {
                        Some(upload) => ready.push_back(upload),
                        None => self.release(&upload),
                    }
                }
                Step::Put(upload, delivered) => {
                    sending -= 1;
                    let delivered = delivered.map(|(delivery, sent_as)| {
                        self.sent_as(&upload, sent_as);
                        delivery
                    });
                    if matches!(delivered, Ok(Delivery::Moved)) {
                        surveying += 1;
                        tasks.spawn(survey(Arc::clone(&self.shared), *upload));
                        continue;
                    }
                    let waits = matches!(delivered, Ok(Delivery::Pledged(..) | Delivery::Held(_)));
                    self.delivered(&upload, delivered)?;
                    if !waits {
                        self.release(&upload);
                    }
                }
                Step::Created(batch, made) => self.created(batch, made)?,
            }
        }
    }

    /// What a survey means; the upload, when it is to be sent.
    fn surveyed(
        &mut self,
        mut upload: Upload,
        presence: Result<Presence, Outcome>,
    ) -> Result<Option<Upload>, Ended> {
        match presence {
            Ok(Presence::Absent) => Ok(Some(upload)),
            Ok(Presence::Taken { free }) => {
                self.tally.renamed += 1;
                self.shared.events.emit(Event::UploadRenamed {
                    source: upload.source.clone(),
                    path: free.clone(),
                });
                upload.path = free;
                Ok(Some(upload))
            }
            Ok(Presence::Same(acknowledged)) => {
                self.found(&upload, acknowledged);
                Ok(None)
            }
            Ok(Presence::Elsewhere { path, acknowledged }) => {
                upload.path = path;
                self.found(&upload, acknowledged);
                Ok(None)
            }
            Ok(Presence::Refused(reason, message)) => {
                self.skipped(&upload, reason, message);
                Ok(None)
            }
            Err(outcome) => {
                self.ended(&upload, outcome)?;
                Ok(None)
            }
        }
    }

    /// Notes what went instead of a file. Before it counts as sent, or its bytes as arrived.
    fn sent_as(&mut self, upload: &Upload, sent_as: As) {
        let source = upload.source.clone();
        match sent_as {
            As::Itself => {}
            As::ItselfOnly(message) => {
                tracing::info!("{source:?} went as it is: {message}");
                self.tally.as_they_are += 1;
                let events = &self.shared.events;
                events.emit(Event::UploadedAsItIs { source, message });
            }
            As::Copy(copy) => {
                let SentCopy { what, sha256, size } = &copy;
                self.receipt(UploadRecord::Instead {
                    id: upload.id,
                    what: format!("a copy went, {what}: {size} bytes, SHA-256 {sha256}"),
                });
                self.tally.copies += 1;
                let events = &self.shared.events;
                events.emit(Event::CopyUploaded { source, copy });
            }
        }
    }

    fn delivered(
        &mut self,
        upload: &Upload,
        delivered: Result<Delivery, Outcome>,
    ) -> Result<(), Ended> {
        match delivered {
            Ok(Delivery::Sent(acknowledged)) => {
                self.tally.sent += 1;
                self.tally.sent_bytes += upload.size;
                self.shared.events.emit(Event::Uploaded {
                    source: upload.source.clone(),
                    path: upload.path.clone(),
                    size: upload.size,
                });
                self.receipt(UploadRecord::Sent {
                    id: upload.id,
                    there: acknowledged.there,
                    checksum: acknowledged.checksum,
                });
                self.sent.push(upload.id);
            }
            Ok(Delivery::Found(acknowledged)) => self.found(upload, acknowledged),
            Ok(Delivery::Pledged(token, sha256)) => self.pledged(upload, token, sha256)?,
            Ok(Delivery::Held(token)) => self.wait_for_batch(upload.clone(), token, 0),
            Ok(Delivery::Moved) => {}
            Err(outcome) => self.ended(upload, outcome)?,
        }
        Ok(())
    }

    fn found(&mut self, upload: &Upload, acknowledged: Acknowledged) {
        self.tally.already_there += 1;
        self.shared.events.emit(Event::AlreadyThere {
            source: upload.source.clone(),
            path: upload.path.clone(),
            size: upload.size,
        });
        self.shared
            .events
            .emit(Event::Received { bytes: upload.size });
        let checksum = acknowledged.checksum.clone();
        self.receipt(UploadRecord::Sending {
            id: upload.id,
            path: Some(upload.path.clone()),
        });
        self.receipt(UploadRecord::Sent {
            id: upload.id,
            there: acknowledged.there,
            checksum: acknowledged.checksum,
        });
        // Its content was compared just now.
        self.receipt(UploadRecord::There {
            id: upload.id,
            checksum,
        });
    }

    fn ended(&mut self, upload: &Upload, outcome: Outcome) -> Result<(), Ended> {
        match outcome {
            Outcome::Skipped(reason, problem) => {
                self.skipped(upload, reason, problem.to_string());
                Ok(())
            }
            Outcome::Failed(reason, problem) => {
                self.failed(upload, reason, problem.to_string());
                Ok(())
            }
            Outcome::Stop(problem) => Err(problem.into()),
        }
    }

    fn skipped(&mut self, upload: &Upload, reason: UploadReason, message: String) {
        self.tally.skipped += 1;
        self.shared.events.emit(Event::UploadSkipped {
            source: upload.source.clone(),
            reason,
            message: message.clone(),
        });
        self.receipt(UploadRecord::Skipped {
            id: upload.id,
            reason,
            message,
        });
    }

    fn failed(&mut self, upload: &Upload, reason: UploadReason, message: String) {
        self.tally.failed += 1;
        self.shared.events.emit(Event::UploadFailed {
            source: upload.source.clone(),
            reason,
            message: message.clone(),
        });
        self.receipt(UploadRecord::Failed {
            id: upload.id,
            reason,
            message,
        });
    }

    fn receipt(&mut self, record: UploadRecord) {
        self.oldest_receipt.get_or_insert_with(Instant::now);
        self.receipts.push(record);
    }

    fn record(&mut self) -> Result<(), CatalogueError> {
        self.oldest_receipt = None;
        let learnt = std::mem::take(&mut *self.shared.learnt());
        let learnt = learnt.into_iter();
        self.receipts
            .extend(learnt.map(|(sha256, xxh128)| UploadRecord::QuickHash { sha256, xxh128 }));
        self.catalogue
            .record_uploads(&self.receipts, chrono::Utc::now().timestamp())?;
        self.receipts.clear();
        Ok(())
    }

    /// Asks whether what was acknowledged is there, in its full size.
    async fn settle(&mut self, halt: &Halt) -> Result<(), Ended> {
        let sent = std::mem::take(&mut self.sent);
        for group in sent.chunks(SETTLE_AT_ONCE) {
            let mut uploads = Vec::with_capacity(group.len());
            for id in group {
                uploads.extend(self.catalogue.upload(*id)?);
            }
            uploads.sort_by(|a, b| a.path.cmp(&b.path));
            let shared = Arc::clone(&self.shared);
            let settled = tokio::select! {
                () = halt.stopped() => return Err(Ended::Stopped),
                settled = ask_settled(&shared, &uploads) => settled?,
            };
            for (upload, settled) in uploads.iter().zip(settled) {
                match settled {
                    Settled::There(checksum) => self.receipt(UploadRecord::There {
                        id: upload.id,
                        checksum,
                    }),
                    Settled::Wrong(reason, message) => {
                        if !self.sent_before.contains(&upload.id) {
                            self.tally.sent = self.tally.sent.saturating_sub(1);
                            self.tally.sent_bytes =
                                self.tally.sent_bytes.saturating_sub(upload.size);
                        }
                        self.failed(upload, reason, message);
                    }
                }
            }
            self.record()?;
        }
        Ok(())
    }
}

impl Run<'_> {
    /// Puts all that is there into its albums, also what was there before: a run that was killed
    /// may not have come to this.
    async fn arrange(&self, ids: &[UploadId], halt: &Halt) -> Result<(), Ended> {
        let mut there = Vec::new();
        for id in ids {
            let upload = self.catalogue.upload(*id)?;
            there.extend(upload.filter(|upload| upload.state == UploadState::There));
        }
        let mut tries = Tries::new(&self.shared);
        while !there.is_empty() {
            tries.pass().await;
            let arranged = tokio::select! {
                () = halt.stopped() => return Err(Ended::Stopped),
                arranged = self.shared.remote.arrange(&there) => arranged,
            };
            match arranged {
                Ok(()) => break,
                Err(problem) => tries.failed(problem).await.map_err(Outcome::into_problem)?,
            }
        }
        Ok(())
    }
}

impl Shared {
    fn learnt(&self) -> std::sync::MutexGuard<'_, Vec<(Sha256, Xxh128)>> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn source(&self, upload: &Upload) -> Result<Source, Problem> {
        let place = match upload.entry {
            Some(_) => match LocalPath::new(&upload.source) {
                Ok(local) => Place::Data(self.reader.clone(), local),
                Err(error) => {
                    return Err(Problem::SourceUnreadable {
                        words: error.to_string(),
                    });
                }
            },
            None => Place::File(upload.source.clone().into()),
        };
        let proven = (upload.size, upload.sha256);
        Ok(Source::new(
            place,
            proven,
            mtime_of(&self.reader, upload),
            Arc::clone(&self.limit),
            self.events.clone(),
        ))
    }
}

/// The file's own date, which the pull took over from the phone.
fn mtime_of(reader: &DataReader, upload: &Upload) -> Option<i64> {
    let modified = match upload.entry {
        Some(_) => {
            let local = LocalPath::new(&upload.source).ok()?;
            let Found::File(file) = reader.open(&local).ok()? else {
                return None;
            };
            file.metadata().ok()?.modified().ok()?
        }
        None => std::fs::metadata(&upload.source).ok()?.modified().ok()?,
    };
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

async fn survey(shared: Arc<Shared>, upload: Upload) -> Step {
    // Never closed.
    let _slot = shared.surveys.acquire().await;
    // A path that an earlier run began to write is ours, whatever became of it.
    let ours = matches!(upload.state, UploadState::Sending | UploadState::Failed);
    let mut tries = Tries::new(&shared);
    let presence = loop {
        tries.pass().await;
        let asked = match shared.source(&upload) {
            Ok(source) => shared.remote.survey(&upload, &source, ours).await,
            Err(problem) => Err(problem),
        };
        match asked {
            Ok(presence) => break Ok(tries.succeeded(presence)),
            Err(problem) => {
                shared.remote.forget(&upload.path);
                if let Err(outcome) = tries.failed(problem).await {
                    break Err(outcome);
                }
            }
        }
    };
    Step::Surveyed(Box::new(upload), presence)
}

async fn put(shared: Arc<Shared>, upload: Upload, known: Option<Xxh128>) -> Step {
    // Never closed.
    let _slot = shared.slots.acquire().await;
    let units = shared.remote.memory(upload.size).div_ceil(UNIT_BYTES);
    let units = units.clamp(1, MEMORY_UNITS as u64) as u32;
    let _memory = shared.memory.acquire_many(units).await;
    let mut tries = Tries::new(&shared);
    let mut look_first = false;
    let delivered = loop {
        tries.pass().await;
        match deliver(&shared, &upload, known, look_first).await {
            Ok(delivery) => {
                shared.has_taken.store(true, Ordering::Relaxed);
                shared.forbidden.store(0, Ordering::Relaxed);
                break Ok(tries.succeeded(delivery));
            }
            Err(problem) => {
                // A refusal is an answer: nothing was taken. After anything else nobody knows.
                look_first |= !matches!(problem, Problem::Busy { .. } | Problem::Quota { .. });
                if let Err(outcome) = tries.failed(problem).await {
                    break Err(outcome);
                }
            }
        }
    };
    Step::Put(Box::new(upload), delivered)
}

async fn deliver(
    shared: &Shared,
    upload: &Upload,
    known: Option<Xxh128>,
    look_first: bool,
) -> Result<(Delivery, As), Problem> {
    let source = shared.source(upload)?.known_as(known);
    if look_first && !shared.remote.makes_items() {
        shared.remote.forget(&upload.path);
        match shared.remote.survey(upload, &source, true).await? {
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
        Prepared::Original(None) => (source, As::Itself),
        Prepared::Original(Some(why)) => (source, As::ItselfOnly(why)),
        Prepared::Copy(copy, what) => {
            let told = SentCopy {
                what,
                size: copy.size,
                sha256: copy.sha256,
            };
            (copy, As::Copy(told))
        }
    };
    let put = shared.remote.put(upload, &sent).await;
    // Of a copy it is of no use: it is made anew each time. Nor of a small file, which is proven whole.
    let is_of_use = !matches!(sent_as, As::Copy(_)) && !sent.is_small();
    if let Some(xxh128) = sent.learnt().filter(|_| is_of_use) {
        shared.learnt().push((sent.sha256, xxh128));
    }
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

async fn create(shared: Arc<Shared>, batch: Batch) -> Step {
    let mut tries = Tries::new(&shared);
    let made = loop {
        tries.pass().await;
        match shared.remote.create(&batch).await {
            Ok(made) => break Ok(tries.succeeded(made)),
            Err(problem) => {
                if let Err(outcome) = tries.failed(problem).await {
                    break Err(outcome);
                }
            }
        }
    };
    Step::Created(batch, made)
}

/// Decides after each failure whether, and when, to try again.
struct Tries<'a> {
    shared: &'a Shared,
    failures: u32,
}

impl<'a> Tries<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            failures: 0,
        }
    }

    async fn pass(&self) {
        self.shared.gate.pass().await;
    }

    fn succeeded<T>(&self, done: T) -> T {
        self.shared.gate.reached();
        self.shared.given_up.store(0, Ordering::Relaxed);
        done
    }

    /// What it means that a file was tried often enough.
    fn gives_up(&self, reason: UploadReason, problem: Problem) -> Outcome {
        let row = self.shared.given_up.fetch_add(1, Ordering::Relaxed) + 1;
        match row >= GIVEN_UP {
            // It is not the files.
            true => Outcome::Stop(problem),
            false => Outcome::Failed(reason, problem),
        }
    }

    /// Returns when it is time to try again.
    async fn failed(&mut self, problem: Problem) -> Result<(), Outcome> {
        match problem.advice() {
            Advice::WaitForConnection => {
                self.shared.gate.unreachable(problem).map_err(Outcome::Stop)
            }
            Advice::Until(until) => self
                .shared
                .gate
                .out_of_quota(until, problem)
                .map_err(Outcome::Stop),
            Advice::Later(after) => {
                self.failures += 1;
                if self.failures >= self.shared.tries {
                    return Err(self.gives_up(UploadReason::Busy, problem));
                }
                let wait = after.unwrap_or_else(|| backoff(self.failures));
                self.shared.gate.pause(wait, problem).map_err(Outcome::Stop)
            }
            Advice::Again => {
                self.failures += 1;
                if self.failures >= self.shared.tries {
                    return Err(self.gives_up(UploadReason::Other, problem));
                }
                tokio::time::sleep(backoff(self.failures)).await;
                Ok(())
            }
            Advice::Stop if matches!(problem, Problem::Forbidden { .. }) => {
                // A server may have rules of its own about names, such as Apache's about `.ht...`.
                let row = self.shared.forbidden.fetch_add(1, Ordering::Relaxed) + 1;
                let is_about_the_file = self.shared.has_taken.load(Ordering::Relaxed);
                Err(match is_about_the_file && row < GIVEN_UP {
                    true => Outcome::Failed(UploadReason::Refused, problem),
                    false => Outcome::Stop(problem),
                })
            }
            _ => Err(judge(problem)),
        }
    }
}

async fn ask_settled(shared: &Shared, uploads: &[Upload]) -> Result<Vec<Settled>, Problem> {
    let mut tries = Tries::new(shared);
    loop {
        tries.pass().await;
        match shared.remote.settle(uploads).await {
            Ok(settled) => return Ok(tries.succeeded(settled)),
            Err(problem) => match tries.failed(problem).await {
                Ok(()) => {}
                Err(outcome) => return Err(outcome.into_problem()),
            },
        }
    }
}

fn judge(problem: Problem) -> Outcome {
    match problem.advice() {
        Advice::Skip(reason) => Outcome::Skipped(reason, problem),
        Advice::Fail(reason) => Outcome::Failed(reason, problem),
        Advice::Stop | Advice::WaitForConnection | Advice::Until(_) => Outcome::Stop(problem),
        Advice::Rename => Outcome::Failed(UploadReason::NameRefused, problem),
        Advice::Later(_) | Advice::Again => Outcome::Failed(UploadReason::Busy, problem),
    }
}

/// Twice as long each time, and not the same for all.
fn backoff(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    let longest = doubled.min(LONGEST_PAUSE);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    longest.mul_f64(0.75 + 0.25 * f64::from(nanos % 1000) / 1000.0)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
