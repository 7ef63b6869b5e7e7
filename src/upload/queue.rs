//! Works through the queue: survey, put, settle; several files at once, each with retries.
//!
//! ```text
//! the queue -> steps (survey, put, create), each retried as retry decides -> receipts -> settle
//! ```
//!
//! The records make a kill harmless: *sending* is recorded before the first byte of a group leaves, *sent* soon after
//! the service acknowledged. A file that was acknowledged but not yet recorded is found again by the next survey.
//!
//! A service that creates items in a separate step ([`makes_items`](super::Remote::makes_items)) returns a pledge for the
//! bytes, which is recorded at once. Pledged uploads become items in batches, one batch at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::batch::BatchSupply;
use super::problem::Problem;
use super::{Masked, Presence};
use crate::event::Events;
use crate::folder::upload::{Upload, UploadId, UploadReason, UploadRecord, UploadState};
use crate::folder::{Catalogue, CatalogueError, DataReader};
use crate::halt::Halt;
use crate::media::copy::CopyOptions;

pub(crate) mod check;
mod items;
mod receipts;
mod retry;
mod settle;
mod steps;

use items::PendingItems;
use receipts::Receipts;
pub(crate) use receipts::Tally;
use retry::NotUploaded;
use steps::{CompletedStep, Delivery, Shared};

/// How many uploads are surveyed ahead of those being sent.
pub(super) const AHEAD: usize = 64;

/// How often another name is looked for because one turned out to be taken: others may send to the
/// same folder, but a service that always says so is not worth more.
const MAX_MOVES: u32 = 16;

/// The settings of an upload run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The number of files sent in parallel.
    pub parallel: usize,
    /// The number of attempts for each file.
    pub tries: u32,
    /// How long to wait for a connection; `None` for no limit.
    pub patience: Option<Duration>,
    /// The largest transfer rate in bytes per second.
    pub limit: Option<u64>,
    /// Which files are sent as modified copies.
    pub copies: CopyOptions,
    /// Whether to check files from earlier runs again, if that is cheap.
    pub looks_again: bool,
}

/// The reason why a run ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// The user or a deadline stopped the run.
    #[error("stopped")]
    Stopped,
    /// No further file could succeed.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// One upload run to a remote.
pub(crate) struct UploadRun<'a> {
    shared: Arc<Shared>,
    options: Options,
    receipts: Receipts<'a>,
    waiting: VecDeque<UploadId>,
    items: PendingItems,
    /// Whether files with a receipt are checked again.
    looks_again: bool,
    /// How often each upload's name turned out to be taken while the file was sent.
    moves: HashMap<UploadId, u32>,
    /// The facts that steps want recorded immediately.
    notes: mpsc::UnboundedReceiver<UploadRecord>,
}

/// The work in progress.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<CompletedStep>,
    surveying: usize,
    /// The surveyed uploads, ready to be sent.
    ready: VecDeque<Upload>,
    sending: usize,
}

impl<'a> UploadRun<'a> {
    /// Creates a run that uploads a folder's files to a remote.
    pub(crate) fn new(
        catalogue: &'a mut Catalogue,
        reader: DataReader,
        remote: Masked,
        options: Options,
        events: Events,
    ) -> Self {
        let (note, notes) = mpsc::unbounded_channel();
        remote.note_to(note);
        // Without it, what earlier runs left stays there.
        if let Ok(mark) = catalogue.mark() {
            remote.come_from(mark);
        }
        let looks_again = options.looks_again && remote.looks_cheaply();
        let shared = Shared::new(reader, remote, &options, events.clone());
        Self {
            shared: Arc::new(shared),
            options,
            receipts: Receipts::new(catalogue, events),
            waiting: VecDeque::new(),
            items: PendingItems::default(),
            looks_again,
            moves: HashMap::new(),
            notes,
        }
    }

    /// Sends these uploads in this order. Finished ones are recorded, however the run ends.
    pub(crate) async fn send(
        mut self,
        ids: Vec<UploadId>,
        halt: &Halt,
    ) -> (Tally, Result<(), Ended>) {
        let arranged = match self.shared.remote.arranges() {
            true => ids.clone(),
            false => Vec::new(),
        };
        self.waiting = ids.into();
        let mut ended = self.work(halt).await;
        while let Ok(note) = self.notes.try_recv() {
            self.receipts.push(note);
        }
        if let Err(error) = self.receipts.record() {
            ended = ended.and(Err(error.into()));
        }
        if ended.is_ok() {
            ended = self.settle(halt).await;
        }
        if ended.is_ok() && !self.waiting.is_empty() {
            ended = self.send_again(halt).await;
        }
        if ended.is_ok() {
            self.shared.remote.leave().await;
            ended = self.arrange(&arranged, halt).await;
        }
        (self.receipts.tally(), ended)
    }

    /// Sends files again that turned out to be missing.
    async fn send_again(&mut self, halt: &Halt) -> Result<(), Ended> {
        let worked = self.work(halt).await;
        self.receipts.record()?;
        worked?;
        self.settle(halt).await
    }

    async fn work(&mut self, halt: &Halt) -> Result<(), Ended> {
        let mut under_way = UnderWay::default();
        loop {
            self.begin_surveys(&mut under_way)?;
            if let Some(batch) = self.items.next(under_way.supply()) {
                let create = steps::create(Arc::clone(&self.shared), batch);
                under_way.tasks.spawn(create);
            }
            self.begin_puts(&mut under_way)?;
            if self.receipts.are_due() {
                self.receipts.record()?;
            }
            let deadline = self.receipts.deadline();
            let next = tokio::select! {
                biased;
                () = halt.stopped() => return Err(Ended::Stopped),
                Some(note) = self.notes.recv() => {
                    self.receipts.push(note);
                    self.receipts.record()?;
                    continue;
                }
                next = under_way.tasks.join_next() => next,
                () = until(deadline) => continue,
            };
            match next {
                None if self.waiting.is_empty() => return Ok(()),
                None => {}
                Some(Ok(step)) => self.done(step, &mut under_way)?,
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            }
        }
    }

    /// Begins to survey what waits, as far ahead as makes sense.
    fn begin_surveys(&mut self, under_way: &mut UnderWay) -> Result<(), Ended> {
        while under_way.surveying + under_way.ready.len() < AHEAD
            && let Some(id) = self.waiting.pop_front()
        {
            let Some(upload) = self.receipts.catalogue().upload(id)? else {
                continue;
            };
            match upload.state {
                UploadState::There if !self.looks_again => continue,
                UploadState::There | UploadState::Sent => {
                    self.receipts.sent_before(id);
                    continue;
                }
                _ => {}
            }
            if self.shared.remote.makes_items() && !self.needs_bytes(&upload)? {
                continue;
            }
            self.begin_survey(upload, under_way);
        }
        Ok(())
    }

    fn begin_survey(&self, upload: Upload, under_way: &mut UnderWay) {
        under_way.surveying += 1;
        let survey = steps::survey(Arc::clone(&self.shared), upload);
        under_way.tasks.spawn(survey);
    }

    /// Claims and begins to send what is ready. Claims are recorded together: a sync to disk for
    /// each file would cost more than a small file itself.
    fn begin_puts(&mut self, under_way: &mut UnderWay) -> Result<(), Ended> {
        let is_enough = under_way.ready.len() >= AHEAD / 2
            || under_way.surveying == 0
            || under_way.sending == 0;
        let has_room = under_way.sending < self.options.parallel * 2;
        if under_way.ready.is_empty() || !is_enough || !has_room {
            return Ok(());
        }
        for upload in &under_way.ready {
            self.receipts.push(UploadRecord::Sending {
                id: upload.id,
                path: Some(upload.path.clone()),
            });
        }
        self.receipts.record()?;
        for upload in under_way.ready.drain(..) {
            under_way.sending += 1;
            let put = steps::put(Arc::clone(&self.shared), upload);
            under_way.tasks.spawn(put);
        }
        Ok(())
    }

    /// What a step that has ended leads to.
    fn done(&mut self, step: CompletedStep, under_way: &mut UnderWay) -> Result<(), Ended> {
        match step {
            CompletedStep::Surveyed(mut upload, presence) => {
                under_way.surveying -= 1;
                match self.surveyed(&mut upload, presence)? {
                    true => under_way.ready.push_back(*upload),
                    false => self.release(&upload),
                }
            }
            CompletedStep::Put(upload, delivered) => {
                under_way.sending -= 1;
                let delivered = delivered.map(|(delivery, sent_as)| {
                    self.receipts.sent_as(&upload, sent_as);
                    delivery
                });
                if matches!(delivered, Ok(Delivery::Moved)) {
                    let moves = self.moves.entry(upload.id).or_default();
                    *moves += 1;
                    if *moves < MAX_MOVES {
                        self.begin_survey(*upload, under_way);
                        return Ok(());
                    }
                    let words = "the service says that every name is taken";
                    let reason = UploadReason::NameRefused;
                    self.receipts.failed(&upload, reason, words.to_owned());
                    self.release(&upload);
                    return Ok(());
                }
                let waits = matches!(delivered, Ok(Delivery::Pledged(..) | Delivery::Held(_)));
                self.delivered(&upload, delivered)?;
                if !waits {
                    self.release(&upload);
                }
            }
            CompletedStep::Created(batch, made) => self.created(batch, made)?,
        }
        Ok(())
    }

    /// Whether an upload is to be sent after its survey, under the path that it has then.
    fn surveyed(
        &mut self,
        upload: &mut Upload,
        presence: Result<Presence, NotUploaded>,
    ) -> Result<bool, Ended> {
        match presence {
            Ok(Presence::Absent) => return Ok(true),
            Ok(Presence::Taken { free }) => {
                self.receipts.renamed(upload, free.to_string());
                upload.path = free;
                return Ok(true);
            }
            Ok(Presence::Same(acknowledged)) => self.receipts.found(upload, acknowledged),
            Ok(Presence::Elsewhere { path, acknowledged }) => {
                upload.path = path;
                self.receipts.found(upload, acknowledged);
            }
            Ok(Presence::Refused(reason, message)) => {
                self.receipts.skipped(upload, reason, message);
            }
            Err(outcome) => self.receipts.ended(upload, outcome)?,
        }
        Ok(false)
    }

    fn delivered(
        &mut self,
        upload: &Upload,
        delivered: Result<Delivery, NotUploaded>,
    ) -> Result<(), Ended> {
        match delivered {
            Ok(Delivery::Sent(acknowledged)) => self.receipts.sent(upload, acknowledged),
            Ok(Delivery::Found(acknowledged)) => self.receipts.found(upload, acknowledged),
            Ok(Delivery::Pledged(token, sha256)) => self.pledged(upload, token, sha256)?,
            Ok(Delivery::Held(token)) => self.wait_for_batch(upload.clone(), token, 0),
            Ok(Delivery::Moved) => {}
            Err(outcome) => self.receipts.ended(upload, outcome)?,
        }
        Ok(())
    }
}

impl UnderWay {
    fn supply(&self) -> BatchSupply {
        match self.surveying + self.ready.len() + self.sending {
            0 => BatchSupply::Ended,
            _ => BatchSupply::Continues,
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
