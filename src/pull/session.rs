//! Runs a pull: rounds of concurrent transfer and verification, until every wanted item is here or has a
//! reason, over any number of connections.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::enumerate::{has_internal_storage, storage_of};
use super::items::{Items, Number};
use super::keeper::{Keeper, Kept, ToKeeper};
use super::plan::UnprovenItem;
use super::queue::{Queue, STREAMS, Work};
use super::reconnect::Reconnect;
use super::salvage::{self, Salvaged};
use super::task::{Pulled, Resumable, Setback, Task, TryCost};
use super::transfer::Worker;
use super::unproven::{Method, News, ToVerify, Unproven};
use super::verify::{Verifier, stat, stats};
use super::writer;
use crate::adb::RemotePath;
use crate::adb::sync::{FileType, Stat};
use crate::digest::Sha256;
use crate::error::Error;
use crate::event::{Event, Supervisor};
use crate::folder::{DataReader, Finished, Folder, PartialFile, Patchwork, Reason, ReasonCode};
use crate::item::Item;
use crate::names::Names;
use crate::phone::{Phone, PhoneError};

/// Tries for an item in one run.
const MAX_ATTEMPTS: u32 = 3;
/// A part of a file that is worth going on with, in bytes.
const WORTH_RESUMING: u64 = 1024 * 1024;
/// Items of earlier runs that are verified in one round: all are held in memory.
const UNPROVEN_AT_ONCE: usize = 8192;
/// Items that the phone is asked about before their answers are looked at.
const UNSEEN_AT_ONCE: usize = 8192;

/// The result of a run.
#[derive(Debug, Default)]
pub(crate) struct PullOutcome {
    /// The items that were not pulled, with the reason.
    pub failed: Vec<(RemotePath, Reason)>,
    /// The items that are readable only in part, or whose received bytes differ from the phone's.
    pub damaged: Vec<(RemotePath, Reason)>,
    /// The items that were pulled but can no longer be proven by the phone.
    pub unproven: Vec<(RemotePath, Reason)>,
    /// The number of files whose date could not be set to the phone's, because the disk does not store it.
    pub without_date: u64,
    /// The error that ended the run early.
    pub stopped: Option<Error>,
}

/// How many files the phone sends at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtOnce {
    /// One: what the phone dies of is known.
    One,
    Several,
}

/// One run of a pull into a rescue folder.
#[derive(Debug)]
pub(crate) struct Session {
    keeper: Keeper,
    thread: JoinHandle<Kept>,
    root: PathBuf,
    data: DataReader,
    method: Method,
    supervisor: Supervisor,
    unproven: Arc<Unproven>,
    /// The items whose storage on the phone could not be read to the end, with the reason.
    to_salvage: Vec<(Arc<Task>, Reason)>,
    outcome: PullOutcome,
}

/// Whether the storage at each root is available.
type Storages = HashMap<RemotePath, bool>;

/// The result of one round.
struct Round {
    setbacks: Vec<Setback>,
    leftover: Work,
    lost: Option<PhoneError>,
}

impl Session {
    /// Starts a run; [`Session::finish`] returns the folder.
    pub(crate) fn start(
        folder: Folder,
        names: Names,
        method: Method,
        supervisor: Supervisor,
    ) -> Result<Self, Error> {
        let (root, data) = (folder.root().to_owned(), folder.data_reader());
        let (keeper, thread) = Keeper::start(folder, names, supervisor.clone())?;
        let (unproven, outcome) = (Arc::default(), PullOutcome::default());
        Ok(Self {
            keeper,
            thread,
            root,
            data,
            method,
            supervisor,
            unproven,
            to_salvage: Vec::new(),
            outcome,
        })
    }

    /// Pulls items in this order and verifies them, together with unproven items of earlier runs. Continues over new
    /// connections if the phone goes away. Ends early only if the run is stopped or the phone does not come back.
    pub(crate) async fn pull(
        &mut self,
        phone: Phone,
        items: Arc<Items>,
        order: Vec<Number>,
        unproven: Vec<UnprovenItem>,
        reconnect: &Reconnect,
    ) {
        let mut phone = Arc::new(phone);
        let mut tasks = Work::planned(Arc::clone(&items), order);
        let mut from_before = unproven.chunks(UNPROVEN_AT_ONCE);
        let mut to_verify = Vec::new();
        let mut postponed: Vec<Arc<Task>> = Vec::new();
        let (mut streams, mut vain, mut most_held) = (AtOnce::Several, 0, 0);
        // With nothing but postponed items a round does nothing, and they become its tasks.
        let mut failed_calls = 0;
        while !self.supervisor.halt.is_set()
            && (!tasks.is_empty()
                || !to_verify.is_empty()
                || !postponed.is_empty()
                || from_before.len() > 0)
        {
            if to_verify.is_empty()
                && let Some(some) = from_before.next()
            {
                to_verify = self.take_from_before(&items, some).await;
            }
            let wanted = tasks.len() + to_verify.len();
            let mut round = self.round(&phone, tasks, to_verify, streams).await;
            if reconnect.needs_internal_storage {
                self.look_for_storage(&phone, &mut round).await;
            }
            let settled = round
                .setbacks
                .iter()
                .filter(|setback| setback.cost == TryCost::One)
                .count();
            // Put off without being counted, which can only happen once to each in this phase.
            let costs_nothing = |setback: &Setback| setback.cost == TryCost::Nothing;
            let newly_put_off =
                streams == AtOnce::Several && round.setbacks.iter().any(costs_nothing);
            self.settle(round.setbacks, &mut postponed).await;
            // Their number is limited, whatever the phone does.
            let hashing_failed = self.unproven.failed_calls() != failed_calls;
            failed_calls = self.unproven.failed_calls();
            tasks = round.leftover;
            to_verify = self.unproven.take();
            if let Some(lost) = round.lost {
                // The most so far, not what it was before: a file that starts over is no progress.
                let held = held_bytes(&self.root);
                let left = tasks.len() + to_verify.len() + postponed.len();
                let progress = wanted + settled > left || held > most_held;
                vain = if progress || newly_put_off || hashing_failed {
                    0
                } else {
                    vain + 1
                };
                most_held = held.max(most_held);
                if self.supervisor.halt.is_set() {
                    break;
                }
                match reconnect.wait(&phone, lost, vain, &self.supervisor).await {
                    Ok(found) => phone = Arc::new(found),
                    Err(error) => {
                        self.outcome.stopped = Some(error);
                        break;
                    }
                }
            } else if tasks.is_empty() {
                // A round that the phone survived leaves nothing undecided; what it does is not
                // tried for ever.
                let undecided = std::mem::take(&mut to_verify);
                self.outcome
                    .unproven
                    .extend(undecided.into_iter().map(|file| {
                        let words = "the phone did not answer for this file";
                        (file.pulled.path, Reason::new(ReasonCode::Other, words))
                    }));
                if from_before.len() == 0 {
                    streams = AtOnce::One;
                    let postponed = std::mem::take(&mut postponed);
                    tasks = Work::returned(self.refresh(&phone, postponed).await);
                }
            }
        }
        for task in postponed {
            let reason = Reason::new(ReasonCode::PhoneGone, "the run ended first");
            self.outcome.failed.push((task.item.path.clone(), reason));
        }
        self.salvage(phone, reconnect).await;
    }

    /// Prepares unproven items of an earlier run for verification.
    async fn take_from_before(&self, items: &Items, some: &[UnprovenItem]) -> Vec<ToVerify> {
        let some: Vec<_> = some
            .iter()
            .filter_map(|it| Some(as_to_verify(items.task(it.number)?, it.sha256)))
            .collect();
        let waiting = some.iter().map(|it| (it.task.id, it.pulled.path.clone()));
        let waiting = ToKeeper::Unproven(waiting.collect());
        self.keeper.tell(waiting).await;
        some
    }

    /// Records items as failed that are not requested because this disk cannot hold them.
    pub(crate) async fn refuse(&mut self, tasks: Vec<(Task, Reason)>) {
        for (task, reason) in tasks {
            self.fail(&task, reason).await;
        }
    }

    /// Asks the phone about items of earlier runs that are neither in the rescue folder nor in this listing, and
    /// records those that are gone. The others were not selected this time and are left for later.
    pub(crate) async fn settle_unseen(
        &mut self,
        phone: &Phone,
        items: &Items,
        unseen: Vec<Number>,
    ) {
        let mut storages = Storages::default();
        for some in unseen.chunks(UNSEEN_AT_ONCE) {
            let some: Vec<_> = some.iter().filter_map(|it| items.task(*it)).collect();
            let known = self.stats_unless_stopped(phone, &some).await;
            // The phone went away: the next run asks again.
            if known.len() < some.len() {
                return;
            }
            for (task, stat) in some.iter().zip(known) {
                if is_gone(&stat) {
                    let Some(reason) = self.why_gone(phone, task, &mut storages).await else {
                        return;
                    };
                    self.fail(task, reason).await;
                }
            }
        }
    }

    /// Returns the phone's current facts about the items of tasks; empty if the run is stopped or the phone does not
    /// answer.
    async fn stats_unless_stopped(
        &self,
        phone: &Phone,
        tasks: &[impl std::borrow::Borrow<Task>],
    ) -> Vec<Stat> {
        let items: Vec<_> = tasks.iter().map(|task| &task.borrow().item).collect();
        tokio::select! {
            () = self.supervisor.halt.stopped() => Vec::new(),
            known = stats(phone, &items) => known.unwrap_or_default(),
        }
    }

    /// Distinguishes a file that is gone from a whole storage that is gone; returns `None` if the phone does not
    /// answer.
    async fn why_gone(
        &self,
        phone: &Phone,
        task: &Task,
        storages: &mut Storages,
    ) -> Option<Reason> {
        let vanished = Reason::new(ReasonCode::Vanished, "it is gone from the phone");
        let Some(root) = storage_of(&task.item.path) else {
            return Some(vanished);
        };
        let is_there = match storages.get(&root) {
            Some(is_there) => *is_there,
            None => {
                let item = Item {
                    path: root.clone(),
                    ..task.item.clone()
                };
                let stat = tokio::select! {
                    () = self.supervisor.halt.stopped() => None,
                    stat = stat(phone, &item) => stat.ok().flatten(),
                };
                // The link that internal storage is on some phones counts as there.
                let is_there = stat.map(|stat| stat.error == 0 && stat.mode != 0)?;
                storages.insert(root.clone(), is_there);
                is_there
            }
        };
        if is_there {
            return Some(vanished);
        }
        let words = format!("its storage {root} is gone: is the card out, or the phone locked?");
        Some(Reason::new(ReasonCode::StorageGone, words))
    }

    /// Reads the readable parts of items whose storage on the phone is damaged.
    async fn salvage(&mut self, mut phone: Arc<Phone>, reconnect: &Reconnect) {
        let mut vain = 0;
        let mut whole = Vec::new();
        for (task, reason) in std::mem::take(&mut self.to_salvage) {
            if self.supervisor.halt.is_set()
                || self.outcome.stopped.is_some()
                || !task.item.size_is_exact
            {
                self.fail(&task, reason).await;
                continue;
            }
            match self.salvage_one(&phone, &task).await {
                Ok(Salvaged { finished, gaps }) if gaps.bytes() == 0 => {
                    whole.push(self.keep_whole(task, finished).await);
                }
                Ok(Salvaged { finished, gaps }) => {
                    let message = ToKeeper::Salvaged(task, finished, gaps, reason);
                    self.keeper.tell(message).await;
                }
                Err(error) => {
                    let _ = PartialFile::discard(&self.root, task.id);
                    self.fail(&task, reason).await;
                    match error {
                        salvage::SalvageFailure::Lost(lost) => {
                            vain += 1;
                            match reconnect.wait(&phone, lost, vain, &self.supervisor).await {
                                Ok(found) => phone = Arc::new(found),
                                Err(error) => self.outcome.stopped = Some(error),
                            }
                        }
                        salvage::SalvageFailure::Disk(error) if error.concerns_the_whole_disk() => {
                            self.keeper.note(&error);
                            self.supervisor.halt.stop(error.into());
                        }
                        salvage::SalvageFailure::Disk(_) | salvage::SalvageFailure::Nothing => {}
                    }
                }
            }
        }
        if whole.is_empty() {
            return;
        }
        let round = self
            .round(&phone, Work::default(), whole, AtOnce::One)
            .await;
        // None of them has a try left: what is not proven is settled for good.
        self.settle(round.setbacks, &mut Vec::new()).await;
        for file in self.unproven.take() {
            let reason = Reason::new(ReasonCode::PhoneGone, "the run ended first");
            self.outcome.unproven.push((file.pulled.path, reason));
        }
    }

    /// Keeps an item that could be read completely after all; it still has to be verified.
    async fn keep_whole(&self, task: Arc<Task>, finished: Finished) -> ToVerify {
        let pulled = Pulled {
            path: task.item.path.clone(),
            local: task.local.clone(),
            size: finished.size,
            sha256: finished.sha256,
        };
        let message = ToKeeper::Finished(Arc::clone(&task), finished);
        self.keeper.tell(message).await;
        ToVerify::new(task, pulled)
    }

    async fn salvage_one(
        &self,
        phone: &Phone,
        task: &Task,
    ) -> Result<Salvaged, salvage::SalvageFailure> {
        let file = Patchwork::create(&self.root, task.id)?;
        salvage::salvage(phone, &task.item, file, &self.supervisor).await
    }

    /// Ends the run. When this returns, everything reported is on the disk.
    pub(crate) async fn finish(mut self) -> (Folder, PullOutcome) {
        self.keeper.barrier().await;
        drop(self.keeper);
        let kept = match self.thread.join() {
            Ok(kept) => kept,
            Err(panicked) => std::panic::resume_unwind(panicked),
        };
        let Kept { folder, .. } = kept;
        self.outcome.failed.extend(kept.failed);
        self.outcome.damaged.extend(kept.damaged);
        self.outcome.without_date = kept.without_date;
        if self.outcome.stopped.is_none() {
            self.outcome.stopped = self.supervisor.halt.take_reason();
        }
        if self.method != Method::Off && self.outcome.stopped.is_none() {
            let outcome = &mut self.outcome;
            let told: HashSet<_> = outcome
                .unproven
                .iter()
                .map(|(path, _)| path.clone())
                .collect();
            let untold = kept
                .unproven
                .into_iter()
                .filter(|path| !told.contains(path));
            let reason = Reason::new(ReasonCode::PhoneGone, "its hash never came");
            outcome
                .unproven
                .extend(untold.map(|path| (path, reason.clone())));
        }
        (folder, self.outcome)
    }

    async fn round(
        &self,
        phone: &Arc<Phone>,
        tasks: Work,
        to_verify: Vec<ToVerify>,
        streams: AtOnce,
    ) -> Round {
        let provable = matches!(self.method, Method::Hash(_));
        let queue = Arc::new(Queue::new(tasks, |task| {
            provable && is_begun(&self.root, task)
        }));
        let (setbacks, mut setback_receiver) = mpsc::unbounded_channel();
        let (verifier_sender, verifier_receiver) = mpsc::unbounded_channel();
        for file in to_verify {
            let _ = verifier_sender.send(News::Here(file));
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
        let verifying = tokio::spawn(verifier.run(verifier_receiver));
        let (most, alone) = match streams {
            AtOnce::One => (1, true),
            AtOnce::Several => (STREAMS, false),
        };
        let mut streams = JoinSet::new();
        let mut writers = Vec::new();
        for index in 0..most {
            let (root, keeper) = (self.root.clone(), self.keeper.clone());
            let (verifier, unproven) = (verifier_sender.clone(), Arc::clone(&self.unproven));
            let started = writer::start(
                root,
                keeper,
                verifier,
                unproven,
                self.supervisor.halt.clone(),
                self.method,
            );
            let (writer, thread) = match started {
                Ok(started) => (started.sender, (started.thread, started.ended)),
                // Fewer streams take longer, and no more.
                Err(_) if index > 0 => break,
                Err(error) => {
                    self.supervisor.halt.stop(error.into());
                    break;
                }
            };
            writers.push(thread);
            let worker = Worker {
                phone: Arc::clone(phone),
                queue: Arc::clone(&queue),
                writer,
                setbacks: setbacks.clone(),
                supervisor: self.supervisor.clone(),
                index,
                alone,
            };
            streams.spawn(worker.run());
        }
        drop((setbacks, verifier_sender));
        let mut lost = None;
        while let Some(ended) = streams.join_next().await {
            lost = lost.or(unpanicked(ended).err());
        }
        // The writers end once their senders are gone, and with them their last files.
        for (writer, ended) in writers {
            let _ = ended.await;
            if let Err(panicked) = writer.join() {
                std::panic::resume_unwind(panicked);
            }
        }
        lost = lost.or(unpanicked(verifying.await).err());
        self.keeper.barrier().await;
        let setbacks = std::iter::from_fn(|| setback_receiver.try_recv().ok()).collect();
        Round {
            setbacks,
            leftover: queue.drain(),
            lost,
        }
    }

    /// Checks whether files are missing because all of internal storage is gone. Then the phone is treated as lost: it
    /// is restarting, and none of the files may be recorded as missing.
    async fn look_for_storage(&self, phone: &Phone, round: &mut Round) {
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

    /// Decides for each setback whether the item is tried again at the end or has failed.
    ///
    /// When this returns, the received parts have left `.partial/`, because the next round writes there.
    async fn settle(&mut self, setbacks: Vec<Setback>, postponed: &mut Vec<Arc<Task>>) {
        let may_be_held = setbacks.iter().any(|setback| setback.pulled.is_some());
        for Setback {
            task,
            reason,
            pulled,
            cost,
        } in setbacks
        {
            let path = task.item.path.clone();
            let attempts = task.attempts + u32::from(cost == TryCost::One);
            let says_nothing = matches!(
                reason.code,
                ReasonCode::Vanished
                    | ReasonCode::StorageGone
                    | ReasonCode::PermissionDenied
                    | ReasonCode::PhoneGone
                    | ReasonCode::Refused
                    | ReasonCode::PhoneIo
            );
            match pulled {
                // All of it came; that the phone has it no more, or cannot read it any more, does not
                // make it wrong.
                Some(_) if says_nothing => {
                    self.keeper.tell(ToKeeper::Unprovable(task.id)).await;
                    self.outcome.unproven.push((path, reason));
                }
                Some(pulled) if attempts >= MAX_ATTEMPTS => {
                    let message = ToKeeper::Damaged(task, pulled, reason);
                    self.keeper.tell(message).await;
                }
                None if attempts >= MAX_ATTEMPTS && reason.code == ReasonCode::PhoneIo => {
                    self.to_salvage.push((task, reason));
                }
                None if attempts >= MAX_ATTEMPTS => self.fail(&task, reason).await,
                pulled => {
                    let was_refused = task.was_refused || pulled.is_some();
                    let may_resume = task.may_resume && pulled.is_none();
                    if let Some(pulled) = pulled {
                        let message = ToKeeper::Wrong(Arc::clone(&task), pulled, reason.clone());
                        self.keeper.tell(message).await;
                        self.supervisor.events.emit(Event::Discarded {
                            bytes: task.item.size,
                        });
                    }
                    self.supervisor
                        .events
                        .emit(Event::Postponed { path, reason });
                    postponed.push(Arc::new(Task {
                        attempts,
                        was_refused,
                        may_resume,
                        ..Task::clone(&task)
                    }));
                }
            }
        }
        if may_be_held {
            self.keeper.barrier().await;
        }
    }

    async fn fail(&mut self, task: &Task, reason: Reason) {
        let path = task.item.path.clone();
        let message = ToKeeper::Failed(task.id, path, reason);
        self.keeper.tell(message).await;
    }

    /// Asks the phone for the current state of the postponed items, so that they are compared with that.
    async fn refresh(&mut self, phone: &Phone, postponed: Vec<Arc<Task>>) -> Vec<Arc<Task>> {
        let mut tasks = Vec::with_capacity(postponed.len());
        let mut storages = Storages::default();
        // A phone that does not answer is met again by the next round, which deals with it.
        let known = self.stats_unless_stopped(phone, &postponed).await;
        let mut known = known.into_iter();
        for task in postponed {
            match known.next() {
                Some(stat) if is_gone(&stat) => {
                    match self.why_gone(phone, &task, &mut storages).await {
                        Some(reason) => self.fail(&task, reason).await,
                        None => {
                            known = Vec::new().into_iter();
                            tasks.push(task);
                        }
                    }
                }
                Some(now) if now.error == 0 => {
                    let size_is_exact = task.item.size_is_exact;
                    let item = Item {
                        path: task.item.path.clone(),
                        size: now.size,
                        size_is_exact,
                        mtime: now.mtime,
                    };
                    if item == task.item {
                        tasks.push(task);
                        continue;
                    }
                    let changed = Arc::new(Task {
                        item,
                        may_resume: false,
                        ..Task::clone(&task)
                    });
                    self.keeper
                        .tell(ToKeeper::Replan(Arc::clone(&changed)))
                        .await;
                    tasks.push(changed);
                }
                _ => tasks.push(task),
            }
        }
        tasks
    }
}

/// Returns whether an answer says that the file no longer exists.
fn is_gone(stat: &Stat) -> bool {
    let is_file = FileType::of_mode(stat.mode) == FileType::Regular;
    stat.error == 2 || stat.error == 0 && !is_file
}

fn as_to_verify(task: Task, sha256: Sha256) -> ToVerify {
    let pulled = Pulled {
        path: task.item.path.clone(),
        local: task.local.clone(),
        size: task.item.size,
        sha256,
    };
    ToVerify::new(Arc::new(task), pulled)
}

/// Returns whether enough of a file is held to continue with it.
fn is_begun(root: &Path, file: &Resumable) -> bool {
    let held = || std::fs::symlink_metadata(root.join(".partial").join(file.id.to_string()));
    file.may_resume
        && file.size >= WORTH_RESUMING
        && held().is_ok_and(|held| (WORTH_RESUMING..=file.size).contains(&held.len()))
}

/// Returns how many bytes of unfinished files are on the disk; they need not be sent again after a lost connection.
pub(crate) fn held_bytes(root: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(root.join(".partial")) else {
        return 0;
    };
    let sizes = entries.filter_map(|entry| entry.ok()?.metadata().ok());
    // What somebody else put there may claim any size.
    sizes
        .map(|metadata| metadata.len())
        .fold(0, u64::saturating_add)
}

/// Returns a task's result, and resumes its panic if it panicked.
fn unpanicked<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    match ended {
        Ok(outcome) => outcome,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
