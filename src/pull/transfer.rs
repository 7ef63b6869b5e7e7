//! Transfers files from the phone over a few sync streams, each with many requests ahead of the answers.
//!
//! A daemon that refuses a file closes the stream, and the requests behind it are lost: they are sent again on a new
//! stream. A large file delays only its own stream.

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::{Notify, mpsc, oneshot};

use super::enumerate::{has_internal_storage, is_on_internal_storage};
use super::items::{Items, Number};
use super::reasons::reason_of_fail;
use super::task::{Resumable, Setback, Task, TryCost};
use super::window::{FILE_OVERHEAD, MOST_BYTES, Pace};
use super::writer::ToWriter;
use crate::adb::shell::Output;
use crate::adb::sync::{Operation, SyncAnswer};
use crate::event::{Event, Supervisor};
use crate::folder::{EntryId, Reason, ReasonCode};
use crate::phone::sync::SyncStream;
use crate::phone::{Phone, PhoneError};

/// The number of parallel streams.
pub(super) const STREAMS: usize = 4;
/// A file of up to this size in bytes is passed to its writer in one message.
pub(super) const WHOLE_BYTES: u64 = 256 * 1024;
/// Pieces up to this size together are kept as one, in bytes.
const SCRAP_BYTES: usize = 4096;
/// Sizes modulo this are all that sync v1 tells.
const V1_MODULUS: u64 = 1 << 32;

/// The work shared by the streams, in the order of the plan. Each stream takes as much from its head as the speed of
/// the link allows, so that files arrive in nearly that order.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<WaitingWork>,
    /// Notified when a stream that has to wait should check again.
    changed: Notify,
}

#[derive(Debug)]
struct WaitingWork {
    work: Work,
    /// The files of which a part is held and will be continued.
    begun: HashSet<EntryId>,
    pace: Pace,
    /// Whether a stream found that the phone is gone.
    is_lost: bool,
}

/// The work of one round: planned items that nobody has started, in a compact form, and tasks returned by the streams
/// or by earlier rounds.
#[derive(Debug, Default)]
pub(super) struct Work {
    items: Arc<Items>,
    /// The planned items, in the order of the plan.
    planned: VecDeque<Number>,
    /// The returned tasks, in the same order.
    returned: VecDeque<Arc<Task>>,
}

impl Work {
    /// Creates the work from planned items, in their order.
    pub(super) fn planned(items: Arc<Items>, order: Vec<Number>) -> Self {
        Self {
            items,
            planned: order.into(),
            returned: VecDeque::new(),
        }
    }

    /// Creates the work from returned tasks, in any order.
    pub(super) fn returned(tasks: Vec<Arc<Task>>) -> Self {
        Self {
            returned: tasks.into(),
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.planned.len() + self.returned.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a returned task, in any order.
    pub(super) fn push(&mut self, task: Arc<Task>) {
        self.returned.push_back(task);
    }

    fn resumable(&self) -> impl Iterator<Item = Resumable> {
        let planned = self.planned.iter();
        let planned = planned.filter_map(|number| self.items.resumable(*number));
        let returned = self.returned.iter().map(|task| Resumable {
            id: task.id,
            size: task.item.size,
            may_resume: task.may_resume,
        });
        planned.chain(returned)
    }

    /// Puts a task back where it was.
    fn give_back(&mut self, task: Arc<Task>) {
        let rank = task.rank();
        let later = self.returned.iter().position(|it| it.rank() >= rank);
        self.returned
            .insert(later.unwrap_or(self.returned.len()), task);
    }

    /// What comes next.
    fn front(&mut self) -> Option<&Arc<Task>> {
        while let Some(next) = self.planned.front() {
            let first = self.returned.front().map(|task| task.rank());
            if first.is_some_and(|first| self.items.rank(*next).is_some_and(|it| it >= first)) {
                break;
            }
            let task = self.items.task(*next);
            self.planned.pop_front();
            if let Some(task) = task {
                self.returned.push_front(Arc::new(task));
                break;
            }
        }
        self.returned.front()
    }

    fn pop_front(&mut self) -> Option<Arc<Task>> {
        self.front()?;
        self.returned.pop_front()
    }
}

/// What a stream may ask for.
enum Assignment {
    /// These files, which may be none.
    Files(Vec<Arc<Task>>),
    /// The rest of this one.
    Rest(Arc<Task>),
}

impl Queue {
    /// Creates a queue. `is_begun` checks whether a part of a file is held.
    pub(super) fn new(mut work: Work, is_begun: impl Fn(&Resumable) -> bool) -> Self {
        work.returned.make_contiguous().sort_by_key(|it| it.rank());
        let begun = work.resumable().filter(is_begun).map(|it| it.id);
        let waiting = WaitingWork {
            begun: begun.collect(),
            work,
            pace: Pace::new(Instant::now()),
            is_lost: false,
        };
        Self {
            waiting: Mutex::new(waiting),
            changed: Notify::new(),
        }
    }

    /// Removes and returns all work that no stream has taken.
    pub(super) fn drain(&self) -> Work {
        std::mem::take(&mut self.lock().work)
    }

    /// Waits until a stream without work may take some; returns `false` if none is left for it.
    async fn is_wanted(&self, stream: usize) -> bool {
        loop {
            let changed = pin!(self.changed.notified());
            let silence = {
                let waiting = self.lock();
                if waiting.work.is_empty() {
                    return false;
                }
                if stream < waiting.pace.streams(Instant::now()) {
                    return true;
                }
                if waiting.is_lost {
                    return false;
                }
                waiting.pace.silence()
            };
            let _ = tokio::time::timeout(silence, changed).await;
        }
    }

    /// The next work for a stream that waits for `ahead` bytes in `files` files.
    fn take(&self, stream: usize, files: usize, ahead: u64) -> Assignment {
        let mut waiting = self.lock();
        let WaitingWork {
            work, begun, pace, ..
        } = &mut *waiting;
        let streams = pace.streams(Instant::now());
        let mut taken = Vec::new();
        if stream >= streams {
            return Assignment::Files(taken);
        }
        let mut room = pace.room(streams.min(STREAMS), files, ahead);
        while room > 0
            && let Some(next) = work.front()
        {
            let is_idle = files == 0 && taken.is_empty();
            let is_begun = begun.contains(&next.id);
            // What cannot share a stream waits for one that is idle, and nothing overtakes it.
            if !is_idle && (is_begun || next.item.size > MOST_BYTES) {
                break;
            }
            let Some(next) = work.pop_front() else { break };
            if is_begun {
                begun.remove(&next.id);
                return Assignment::Rest(next);
            }
            room = room.saturating_sub(next.item.size.saturating_add(FILE_OVERHEAD));
            taken.push(next);
        }
        if work.is_empty() {
            self.changed.notify_waiters();
        }
        Assignment::Files(taken)
    }

    /// Puts tasks back where they were.
    fn give_back(&self, tasks: impl Iterator<Item = Arc<Task>>) {
        let mut waiting = self.lock();
        for task in tasks {
            waiting.work.give_back(task);
        }
        drop(waiting);
        self.changed.notify_waiters();
    }

    /// Notes that bytes came.
    fn arrive(&self, bytes: u64) {
        let now = Instant::now();
        let mut waiting = self.lock();
        let before = waiting.pace.streams(now);
        waiting.pace.arrive(now, bytes);
        if waiting.pace.streams(now) > before {
            drop(waiting);
            self.changed.notify_waiters();
        }
    }

    /// Notes how long the phone took to answer something small.
    fn answered_in(&self, took: Duration) {
        self.lock().pace.answered_in(took);
    }

    /// Notes that the phone is gone: streams that wait for their turn need not.
    fn lose(&self) {
        self.lock().is_lost = true;
        self.changed.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WaitingWork> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a stream asked for and has not got to its end, in order.
#[derive(Default)]
struct RequestedFiles {
    tasks: VecDeque<Arc<Task>>,
    bytes: u64,
}

impl RequestedFiles {
    fn push(&mut self, task: Arc<Task>) {
        self.bytes = self.bytes.saturating_add(weight(&task));
        self.tasks.push_back(task);
    }

    fn pop(&mut self) {
        if let Some(task) = self.tasks.pop_front() {
            self.bytes = self.bytes.saturating_sub(weight(&task));
        }
    }

    /// Bytes that have not come, when so many came of the first file.
    fn ahead(&self, received: u64) -> u64 {
        self.bytes.saturating_sub(received)
    }
}

fn weight(task: &Task) -> u64 {
    task.item.size.saturating_add(FILE_OVERHEAD)
}

/// The worker for one stream.
pub(super) struct Worker {
    pub(super) phone: Arc<Phone>,
    pub(super) queue: Arc<Queue>,
    pub(super) writer: mpsc::Sender<ToWriter>,
    pub(super) setbacks: mpsc::UnboundedSender<Setback>,
    pub(super) supervisor: Supervisor,
    /// The number of the stream. On a slow link only the first streams get work.
    pub(super) index: usize,
    /// Whether to request only one file at a time, as for files that failed before.
    pub(super) alone: bool,
}

/// The file that is arriving.
struct Arrival {
    /// Bytes up to now.
    received: u64,
    /// The pieces of a small file, until it is whole.
    pieces: Vec<Bytes>,
    /// Whether its pieces go to the writer one by one.
    begun: bool,
}

impl Arrival {
    /// Keeps a piece of a small file. Scraps are joined: a piece costs more memory than a scrap
    /// has bytes, and a phone can send any number of them.
    fn keep(&mut self, bytes: Bytes) {
        match self
            .pieces
            .pop_if(|last| last.len() + bytes.len() <= SCRAP_BYTES)
        {
            Some(last) => match last.try_into_mut() {
                Ok(mut last) => {
                    last.extend_from_slice(&bytes);
                    self.pieces.push(last.freeze());
                }
                Err(last) => {
                    let mut joined = BytesMut::with_capacity(SCRAP_BYTES);
                    joined.extend_from_slice(&last);
                    joined.extend_from_slice(&bytes);
                    self.pieces.push(joined.freeze());
                }
            },
            None => self.pieces.push(bytes),
        }
    }

    /// Hands over what arrived; nothing has arrived of the next file.
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new())
    }

    fn new() -> Self {
        Self {
            received: 0,
            pieces: Vec::new(),
            begun: false,
        }
    }
}

/// How work on one stream ended.
enum StreamEnd {
    /// There is no more to do, or the run was stopped.
    Done,
    /// The stream is of no more use; go on with a new one.
    Renew,
    /// Of this file a part is held: its rest comes another way.
    Rest(Arc<Task>),
}

/// How the reading of a file's rest ended.
enum Rest {
    /// The phone says that this is all, or the run was stopped.
    Ended,
    /// It broke off. Phones too old to tell an end from this always seem to break off.
    BrokenOff(Reason),
}

impl Worker {
    /// Works until the queue is empty, the run is stopped, or the phone is gone.
    pub(super) async fn run(mut self) -> Result<(), PhoneError> {
        let ended = self.work_on_streams().await;
        if ended.is_err() {
            self.queue.lose();
        }
        ended
    }

    async fn work_on_streams(&mut self) -> Result<(), PhoneError> {
        while !self.supervisor.halt.is_set() {
            let mut under_way = RequestedFiles::default();
            let mut arrival = Arrival::new();
            let ended = self.work(&mut under_way, &mut arrival).await;
            self.leave(under_way.tasks, arrival, ended.as_ref().err())
                .await;
            match ended? {
                StreamEnd::Done => return Ok(()),
                StreamEnd::Renew => {}
                StreamEnd::Rest(task) => self.receive_rest(task).await?,
            }
        }
        Ok(())
    }

    /// Works on one sync stream. Unfinished requests stay in `under_way`.
    async fn work(
        &mut self,
        under_way: &mut RequestedFiles,
        arrival: &mut Arrival,
    ) -> Result<StreamEnd, PhoneError> {
        let mut sync: Option<SyncStream> = None;
        // Whether any request on this stream was answered to its end.
        let mut answered = false;
        loop {
            if under_way.tasks.is_empty() {
                let is_wanted = tokio::select! {
                    () = self.supervisor.halt.stopped() => false,
                    is_wanted = self.queue.is_wanted(self.index) => is_wanted,
                };
                if !is_wanted {
                    return Ok(StreamEnd::Done);
                }
            }
            if let Some(task) = self.ask_ahead(under_way, arrival, &mut sync).await? {
                return Ok(StreamEnd::Rest(task));
            }
            let (Some(task), Some(stream)) = (under_way.tasks.front().cloned(), &mut sync) else {
                // Another stream was faster.
                continue;
            };
            stream.flush().await?;
            let answer = tokio::select! {
                () = self.supervisor.halt.stopped() => return Ok(StreamEnd::Done),
                answer = stream.next() => answer,
            };
            match answer {
                Ok(Some(SyncAnswer::Data(bytes))) => {
                    if !self.data(&task, arrival, bytes).await {
                        under_way.pop();
                        *arrival = Arrival::new();
                        return Ok(StreamEnd::Renew);
                    }
                }
                Ok(Some(SyncAnswer::ReceiveEnd)) => {
                    answered = true;
                    self.queue.arrive(FILE_OVERHEAD);
                    under_way.pop();
                    self.complete(task, arrival.take()).await;
                }
                Ok(Some(SyncAnswer::Fail(message))) => {
                    answered = true;
                    under_way.pop();
                    self.give_up(task, arrival.take(), reason_of_fail(&message))
                        .await;
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    // After a refusal the daemon closes the stream, and the next file is not to
                    // blame; in the middle of a file, or before any answer, it is, unless the
                    // phone itself is gone.
                    if arrival.received > 0 || !answered {
                        drop(self.phone.sync().await?);
                        under_way.pop();
                        self.give_up(task, arrival.take(), ended()).await;
                    }
                    return Ok(StreamEnd::Renew);
                }
                Err(PhoneError::Idle { after, .. }) => {
                    // A connection that died without a word is not this file's fault, nor is a
                    // storage that answers nothing any more: it would cost as much with each file.
                    drop(self.phone.sync().await?);
                    if is_on_internal_storage(&task.item.path) {
                        has_internal_storage(&self.phone).await?;
                    }
                    under_way.pop();
                    self.put_off(task, arrival.take(), silent(after)).await;
                    return Ok(StreamEnd::Renew);
                }
                Err(PhoneError::Sync(error)) => {
                    // Which file it belongs to is not sure, but this one does not come.
                    drop(self.phone.sync().await?);
                    under_way.pop();
                    self.give_up(task, arrival.take(), nonsense(&error)).await;
                    return Ok(StreamEnd::Renew);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Requests as many files as allowed. Returns a file of which only the rest is needed, which is read in another
    /// way.
    async fn ask_ahead(
        &self,
        under_way: &mut RequestedFiles,
        arrival: &Arrival,
        sync: &mut Option<SyncStream>,
    ) -> Result<Option<Arc<Task>>, PhoneError> {
        let files = under_way.tasks.len();
        if self.alone && files > 0 {
            return Ok(None);
        }
        let ahead = under_way.ahead(arrival.received);
        let mut tasks = match self.queue.take(self.index, files, ahead) {
            Assignment::Files(tasks) => tasks,
            Assignment::Rest(task) => return Ok(Some(task)),
        };
        if self.alone && tasks.len() > 1 {
            self.queue.give_back(tasks.drain(1..));
        }
        if tasks.is_empty() {
            return Ok(None);
        }
        let stream = match sync {
            Some(stream) => stream,
            None => {
                let asked = Instant::now();
                match self.phone.sync().await {
                    Ok(stream) => {
                        self.queue.answered_in(asked.elapsed());
                        sync.insert(stream)
                    }
                    Err(error) => {
                        self.queue.give_back(tasks.into_iter());
                        return Err(error);
                    }
                }
            }
        };
        for task in tasks {
            stream.request(Operation::Receive1, &task.item.path);
            under_way.push(task);
        }
        Ok(None)
    }

    /// Handles a piece of a file; returns `false` if the file is not what was listed.
    async fn data(&self, task: &Arc<Task>, arrival: &mut Arrival, bytes: Bytes) -> bool {
        if bytes.is_empty() {
            return true;
        }
        if arrival.received == 0 {
            self.supervisor.events.emit(Event::Pulling {
                path: task.item.path.clone(),
                size: task.item.size,
            });
        }
        arrival.received += bytes.len() as u64;
        self.queue.arrive(bytes.len() as u64);
        self.supervisor.events.emit(Event::Received {
            bytes: bytes.len() as u64,
        });
        if task.item.size_is_exact && arrival.received > task.item.size {
            // It grew, or the phone lies; either way it would be read without end.
            let arrived = arrival.take();
            self.give_up(Arc::clone(task), arrived, changed()).await;
            return false;
        }
        if !arrival.begun && arrival.received <= WHOLE_BYTES {
            arrival.keep(bytes);
            return true;
        }
        if !arrival.begun {
            arrival.begun = true;
            self.tell(ToWriter::Begin(Arc::clone(task))).await;
            for piece in arrival.pieces.drain(..) {
                self.tell(ToWriter::Piece(piece)).await;
            }
        }
        self.tell(ToWriter::Piece(bytes)).await;
        true
    }

    async fn complete(&self, task: Arc<Task>, arrival: Arrival) {
        let whole = match task.item.size_is_exact {
            true => arrival.received == task.item.size,
            false => arrival.received % V1_MODULUS == task.item.size,
        };
        if !whole {
            self.give_up(task, arrival, changed()).await;
        } else if arrival.begun {
            self.tell(ToWriter::End).await;
        } else {
            self.tell(ToWriter::Whole(task, arrival.pieces)).await;
        }
    }

    async fn give_up(&self, task: Arc<Task>, arrival: Arrival, reason: Reason) {
        if arrival.begun {
            self.tell(ToWriter::Abort).await;
        }
        if arrival.received > 0 {
            self.supervisor.events.emit(Event::Discarded {
                bytes: arrival.received,
            });
        }
        self.set_back(task, reason, TryCost::One);
    }

    /// Does the same as [`Worker::give_up`], but keeps what arrived of a large file.
    async fn put_off(&self, task: Arc<Task>, arrival: Arrival, reason: Reason) {
        if arrival.begun {
            self.tell(ToWriter::Suspend).await;
        }
        if arrival.received > 0 {
            self.supervisor.events.emit(Event::Discarded {
                bytes: arrival.received,
            });
        }
        self.set_back(task, reason, TryCost::One);
    }

    fn set_back(&self, task: Arc<Task>, reason: Reason, cost: TryCost) {
        tracing::debug!(path = ?task.item.path, ?reason, "set back");
        let _ = self.setbacks.send(Setback {
            task,
            reason,
            pulled: None,
            cost,
        });
    }

    /// Leaves a stream: puts its requests back and keeps what arrived of a large file. If the phone went away in the
    /// middle of a file, that file goes last from now on, because reading it may be what makes the phone fail.
    async fn leave(
        &self,
        under_way: VecDeque<Arc<Task>>,
        arrival: Arrival,
        lost: Option<&PhoneError>,
    ) {
        let mut under_way = under_way.into_iter();
        if arrival.begun {
            self.tell(ToWriter::Suspend).await;
        }
        if arrival.received > 0 {
            self.supervisor.events.emit(Event::Discarded {
                bytes: arrival.received,
            });
        }
        // Also when nothing of it came: asking for it may be what the phone dies of. Alone there
        // is no doubt; beside others it only waits until they are here.
        let cost = match !arrival.begun && (self.alone || arrival.received > 0) {
            true => TryCost::One,
            false => TryCost::Nothing,
        };
        match (lost, under_way.next()) {
            (Some(lost), Some(task)) => {
                self.set_back(task, gone(lost), cost);
            }
            (_, task) => self.queue.give_back(task.into_iter()),
        }
        self.queue.give_back(under_way);
    }

    /// Continues a file of which a part is held: `dd` in the phone's shell can start in the middle, which the sync
    /// service cannot. The hash of the whole file proves the result.
    async fn receive_rest(&mut self, task: Arc<Task>) -> Result<(), PhoneError> {
        let (reply, held) = oneshot::channel();
        self.tell(ToWriter::Resume(Arc::clone(&task), reply)).await;
        let held = held.await.unwrap_or(0);
        self.supervisor.events.emit(Event::Pulling {
            path: task.item.path.clone(),
            size: task.item.size,
        });
        self.supervisor.events.emit(Event::Received { bytes: held });
        let mut received = held;
        let mut ended = self.read_rest(&task, &mut received).await;
        let whole = match task.item.size_is_exact {
            true => received == task.item.size,
            false => received % V1_MODULUS == task.item.size,
        };
        if matches!(ended, Ok(Rest::BrokenOff(_))) && !whole && !self.supervisor.halt.is_set() {
            // A cable pulled looks no different through an adb server, or through a network.
            ended = self.phone.sync().await.and(ended);
        }
        match ended {
            _ if self.supervisor.halt.is_set() => {
                self.tell(ToWriter::Suspend).await;
                self.queue.give_back(std::iter::once(task));
                Ok(())
            }
            Ok(_) if whole => {
                self.tell(ToWriter::End).await;
                Ok(())
            }
            Ok(Rest::BrokenOff(reason)) if received > held => {
                self.tell(ToWriter::Suspend).await;
                self.supervisor
                    .events
                    .emit(Event::Discarded { bytes: received });
                self.set_back(task, reason, TryCost::One);
                Ok(())
            }
            Ok(rest) => {
                // Not the file that was begun, or it cannot be read so: it starts over.
                self.tell(ToWriter::Abort).await;
                self.supervisor
                    .events
                    .emit(Event::Discarded { bytes: received });
                let reason = match rest {
                    Rest::Ended => changed(),
                    Rest::BrokenOff(reason) => reason,
                };
                self.set_back(task, reason, TryCost::One);
                Ok(())
            }
            Err(error) => {
                self.tell(ToWriter::Suspend).await;
                self.supervisor
                    .events
                    .emit(Event::Discarded { bytes: received });
                let cost = match received == held {
                    true => TryCost::One,
                    false => TryCost::Nothing,
                };
                self.set_back(task, gone(&error), cost);
                Err(error)
            }
        }
    }

    async fn read_rest(&self, task: &Task, received: &mut u64) -> Result<Rest, PhoneError> {
        let (mut running, mut skip) = self.phone.read_from(&task.item.path, *received).await?;
        loop {
            let piece = tokio::select! {
                () = self.supervisor.halt.stopped() => return Ok(Rest::Ended),
                piece = running.next(self.phone.idle()) => piece,
            };
            let mut bytes = match piece {
                Ok(Some(Output::Stdout(bytes))) => bytes,
                Ok(Some(Output::Stderr(_))) => continue,
                Ok(Some(Output::Exit(_))) => return Ok(Rest::Ended),
                Ok(None) => return Ok(Rest::BrokenOff(ended())),
                Err(PhoneError::Idle { after, .. }) => return Ok(Rest::BrokenOff(silent(after))),
                Err(PhoneError::Shell(error)) => return Ok(Rest::BrokenOff(nonsense(&error))),
                Err(error) => return Err(error),
            };
            let skipped = skip.min(bytes.len());
            skip -= skipped;
            let bytes = bytes.split_off(skipped);
            *received += bytes.len() as u64;
            if task.item.size_is_exact && *received > task.item.size {
                return Ok(Rest::Ended);
            }
            if !bytes.is_empty() {
                self.queue.arrive(bytes.len() as u64);
                self.supervisor.events.emit(Event::Received {
                    bytes: bytes.len() as u64,
                });
                self.tell(ToWriter::Piece(bytes)).await;
            }
        }
    }

    async fn tell(&self, message: ToWriter) {
        // The writer lives as long as this sender.
        let _ = self.writer.send(message).await;
    }
}

fn gone(error: &PhoneError) -> Reason {
    Reason::new(ReasonCode::PhoneGone, error.to_string())
}

fn ended() -> Reason {
    Reason::new(
        ReasonCode::PhoneIo,
        "the phone ended the stream in the middle of the file",
    )
}

fn silent(after: Duration) -> Reason {
    Reason::new(
        ReasonCode::PhoneIo,
        format!("nothing came for {} seconds", after.as_secs()),
    )
}

fn nonsense(error: &dyn std::error::Error) -> Reason {
    Reason::new(ReasonCode::PhoneIo, error.to_string())
}

fn changed() -> Reason {
    Reason::new(
        ReasonCode::ChangedWhileRead,
        "its size differs from the listed one",
    )
}
