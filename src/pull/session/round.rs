//! One round: the transfer and the verification of some items, at the same time, over one connection.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::super::enumerate::has_internal_storage;
use super::super::queue::{Queue, STREAMS, Work};
use super::super::task::{Resumable, Setback};
use super::super::transfer::Worker;
use super::super::unproven::{Method, News, ToVerify};
use super::super::verify::Verifier;
use super::super::writer::{self, RunningWriter};
use super::Session;
use crate::folder::ReasonCode;
use crate::phone::{Phone, PhoneError};

/// A part of a file that is worth going on with, in bytes.
const WORTH_RESUMING: u64 = 1024 * 1024;

/// How many files the phone sends at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtOnce {
    /// One: what the phone dies of is known.
    One,
    Several,
}

/// The result of one round.
pub(super) struct Round {
    pub(super) setbacks: Vec<Setback>,
    pub(super) leftover: Work,
    pub(super) lost: Option<PhoneError>,
}

impl Session {
    /// Transfers these tasks and verifies these files, and what arrives meanwhile.
    pub(super) async fn round(
        &self,
        phone: &Arc<Phone>,
        tasks: Work,
        to_verify: Vec<ToVerify>,
        at_once: AtOnce,
    ) -> Round {
        let provable = matches!(self.method, Method::Hash(_));
        let queue = Arc::new(Queue::new(tasks, |task| {
            provable && is_begun(&self.root, task)
        }));
        let (setbacks, mut setback_receiver) = mpsc::unbounded_channel();
        let (news, news_receiver) = mpsc::unbounded_channel();
        for file in to_verify {
            let _ = news.send(News::Here(file));
        }
        let verifier = Verifier {
            phone: Arc::clone(phone),
            method: self.method,
            data: self.data.clone(),
            keeper: self.keeper.clone(),
            setbacks: setbacks.clone(),
            unproven: Arc::clone(&self.unproven),
            halt: self.supervisor.halt.clone(),
        };
        let verifying = tokio::spawn(verifier.run(news_receiver));
        let streams = self.start_streams(phone, &queue, setbacks, news, at_once);
        let lost = streams.ended().await;
        let lost = lost.or(unpanicked(verifying.await).err());
        self.keeper.barrier().await;
        let setbacks = std::iter::from_fn(|| setback_receiver.try_recv().ok()).collect();
        Round {
            setbacks,
            leftover: queue.drain(),
            lost,
        }
    }

    /// Starts the streams, each with a worker and a writer.
    fn start_streams(
        &self,
        phone: &Arc<Phone>,
        queue: &Arc<Queue>,
        setbacks: mpsc::UnboundedSender<Setback>,
        news: mpsc::UnboundedSender<News>,
        at_once: AtOnce,
    ) -> RunningStreams {
        let (most, alone) = match at_once {
            AtOnce::One => (1, true),
            AtOnce::Several => (STREAMS, false),
        };
        let mut streams = RunningStreams::default();
        for index in 0..most {
            let started = writer::start(
                self.root.clone(),
                self.keeper.clone(),
                news.clone(),
                Arc::clone(&self.unproven),
                self.supervisor.halt.clone(),
                self.method,
            );
            let RunningWriter {
                sender,
                thread,
                ended,
            } = match started {
                Ok(started) => started,
                // Fewer streams take longer, and no more.
                Err(_) if index > 0 => break,
                Err(error) => {
                    self.supervisor.halt.stop(error.into());
                    break;
                }
            };
            streams.writers.push((thread, ended));
            let worker = Worker {
                phone: Arc::clone(phone),
                queue: Arc::clone(queue),
                writer: sender,
                setbacks: setbacks.clone(),
                supervisor: self.supervisor.clone(),
                index,
                alone,
            };
            streams.workers.spawn(worker.run());
        }
        streams
    }

    /// Checks whether files are missing because all of internal storage is gone. Then the phone is treated as lost: it
    /// is restarting, and none of the files may be recorded as missing.
    pub(super) async fn look_for_storage(&self, phone: &Phone, round: &mut Round) {
        let is_missing = |setback: &Setback| setback.reason.code == ReasonCode::Vanished;
        if !round.setbacks.iter().any(is_missing) {
            return;
        }
        if round.lost.is_none() {
            let has_storage = tokio::select! {
                () = self.supervisor.halt.stopped() => return,
                has_storage = has_internal_storage(phone) => has_storage,
            };
            match has_storage {
                Ok(true) => return,
                Ok(false) => round.lost = Some(PhoneError::StorageGone),
                Err(error) => round.lost = Some(error),
            }
        }
        let (missing, others) = std::mem::take(&mut round.setbacks)
            .into_iter()
            .partition(is_missing);
        round.setbacks = others;
        let missing: Vec<Setback> = missing;
        for Setback { task, pulled, .. } in missing {
            match pulled {
                Some(pulled) => self.unproven.add(&ToVerify::new(task, pulled)),
                None => round.leftover.push(task),
            }
        }
    }
}

/// The streams of a round.
#[derive(Default)]
struct RunningStreams {
    workers: JoinSet<Result<(), PhoneError>>,
    writers: Vec<(JoinHandle<()>, oneshot::Receiver<()>)>,
}

impl RunningStreams {
    /// Waits until all streams have ended. Returns why the phone was lost, if it was.
    async fn ended(mut self) -> Option<PhoneError> {
        let mut lost = None;
        while let Some(ended) = self.workers.join_next().await {
            lost = lost.or(unpanicked(ended).err());
        }
        // The writers end once their senders are gone, and with them their last files.
        for (writer, ended) in self.writers {
            let _ = ended.await;
            if let Err(panicked) = writer.join() {
                std::panic::resume_unwind(panicked);
            }
        }
        lost
    }
}

/// Returns whether enough of a file is held to continue with it.
fn is_begun(root: &Path, file: &Resumable) -> bool {
    let held = || std::fs::symlink_metadata(root.join(".partial").join(file.id.to_string()));
    file.may_resume
        && file.size >= WORTH_RESUMING
        && held().is_ok_and(|held| (WORTH_RESUMING..=file.size).contains(&held.len()))
}

/// Returns a task's result, and resumes its panic if it panicked.
fn unpanicked<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    match ended {
        Ok(outcome) => outcome,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
