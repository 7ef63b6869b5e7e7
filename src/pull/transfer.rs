//! Transfers files from the phone over a few sync streams, each with many requests ahead of the answers.
//!
//! A daemon that refuses a file closes the stream, and the requests behind it are lost: they are sent again on a new
//! stream. A large file delays only its own stream.

mod arrival;
mod rest;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;

use self::arrival::{Arrival, RequestedFiles, is_whole};
use super::enumerate::{has_internal_storage, is_on_internal_storage};
use super::queue::{Assignment, Queue};
use super::reasons::{broken_off, gone, nonsense, other_size, reason_of_fail, silent};
use super::task::{Setback, Task, TryCost};
use super::window::FILE_OVERHEAD;
use super::writer::ToWriter;
use crate::adb::sync::{Operation, SyncAnswer};
use crate::event::{Event, Supervisor};
use crate::folder::Reason;
use crate::phone::sync::SyncStream;
use crate::phone::{Phone, PhoneError};

/// A file of up to this size in bytes is passed to its writer in one message.
pub(super) const WHOLE_BYTES: u64 = 256 * 1024;

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

/// One sync stream, what was requested on it, and what arrived.
#[derive(Default)]
struct StreamWork {
    /// The stream, once there is something to request.
    sync: Option<SyncStream>,
    under_way: RequestedFiles,
    arrival: Arrival,
    /// Whether any request was answered to its end.
    answered: bool,
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
            let mut open = StreamWork::default();
            let ended = self.work(&mut open).await;
            let StreamWork {
                sync,
                under_way,
                arrival,
                ..
            } = open;
            // Closed before anything else is asked of the phone.
            drop(sync);
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

    /// Works on one sync stream. Unfinished requests stay under way.
    async fn work(&self, open: &mut StreamWork) -> Result<StreamEnd, PhoneError> {
        loop {
            if open.under_way.tasks.is_empty() {
                let is_wanted = tokio::select! {
                    () = self.supervisor.halt.stopped() => false,
                    is_wanted = self.queue.is_wanted(self.index) => is_wanted,
                };
                if !is_wanted {
                    return Ok(StreamEnd::Done);
                }
            }
            if let Some(task) = self.ask_ahead(open).await? {
                return Ok(StreamEnd::Rest(task));
            }
            let task = open.under_way.tasks.front().cloned();
            let (Some(task), Some(stream)) = (task, &mut open.sync) else {
                // Another stream was faster.
                continue;
            };
            stream.flush().await?;
            let answer = tokio::select! {
                () = self.supervisor.halt.stopped() => return Ok(StreamEnd::Done),
                answer = stream.next() => answer,
            };
            if let Some(end) = self.hear(open, task, answer).await? {
                return Ok(end);
            }
        }
    }

    /// Handles an answer about the first file under way. Returns the stream's end if it is of no more use.
    async fn hear(
        &self,
        open: &mut StreamWork,
        task: Arc<Task>,
        answer: Result<Option<SyncAnswer>, PhoneError>,
    ) -> Result<Option<StreamEnd>, PhoneError> {
        let StreamWork {
            under_way,
            arrival,
            answered,
            ..
        } = open;
        match answer {
            Ok(Some(SyncAnswer::Data(bytes))) => {
                if !self.data(&task, arrival, bytes).await {
                    under_way.pop();
                    *arrival = Arrival::default();
                    return Ok(Some(StreamEnd::Renew));
                }
            }
            Ok(Some(SyncAnswer::ReceiveEnd)) => {
                *answered = true;
                self.queue.arrive(FILE_OVERHEAD);
                under_way.pop();
                self.complete(task, arrival.take()).await;
            }
            Ok(Some(SyncAnswer::Fail(message))) => {
                *answered = true;
                under_way.pop();
                self.give_up(task, arrival.take(), reason_of_fail(&message))
                    .await;
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                // After a refusal the daemon closes the stream, and the next file is not to
                // blame; in the middle of a file, or before any answer, it is, unless the
                // phone itself is gone.
                if arrival.received > 0 || !*answered {
                    drop(self.phone.sync().await?);
                    under_way.pop();
                    self.give_up(task, arrival.take(), broken_off()).await;
                }
                return Ok(Some(StreamEnd::Renew));
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
                return Ok(Some(StreamEnd::Renew));
            }
            Err(PhoneError::Sync(error)) => {
                // Which file it belongs to is not sure, but this one does not come.
                drop(self.phone.sync().await?);
                under_way.pop();
                self.give_up(task, arrival.take(), nonsense(&error)).await;
                return Ok(Some(StreamEnd::Renew));
            }
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// Requests as many files as allowed. Returns a file of which only the rest is needed, which is read in another
    /// way.
    async fn ask_ahead(&self, open: &mut StreamWork) -> Result<Option<Arc<Task>>, PhoneError> {
        let StreamWork {
            sync,
            under_way,
            arrival,
            ..
        } = open;
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
            self.give_up(Arc::clone(task), arrived, other_size()).await;
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
        if !is_whole(&task.item, arrival.received) {
            self.give_up(task, arrival, other_size()).await;
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

    async fn tell(&self, message: ToWriter) {
        // The writer lives as long as this sender.
        let _ = self.writer.send(message).await;
    }
}
