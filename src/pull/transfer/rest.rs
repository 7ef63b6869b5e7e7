//! Continues files of which a part is held.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::reasons::{broken_off, gone, nonsense, other_size, silent};
use super::super::task::{Task, TryCost};
use super::super::writer::ToWriter;
use super::Worker;
use super::arrival::is_whole;
use crate::adb::shell::Output;
use crate::event::Event;
use crate::folder::Reason;
use crate::phone::PhoneError;

impl Worker {
    /// Continues a file of which a part is held: `dd` in the phone's shell can start in the middle, which the sync
    /// service cannot. The hash of the whole file proves the result.
    pub(super) async fn receive_rest(&mut self, task: Arc<Task>) -> Result<(), PhoneError> {
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
        let whole = is_whole(&task.item, received);
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
                    Rest::Ended => other_size(),
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
                Ok(None) => return Ok(Rest::BrokenOff(broken_off())),
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
}

/// How the reading of a file's rest ended.
enum Rest {
    /// The phone says that this is all, or the run was stopped.
    Ended,
    /// It broke off. Phones too old to tell an end from this always seem to break off.
    BrokenOff(Reason),
}
