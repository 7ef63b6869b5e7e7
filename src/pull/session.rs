//! Runs a pull: rounds of concurrent transfer and verification, until every wanted item is here or has a
//! reason, over any number of connections.

mod headway;
mod presence;
mod round;
mod salvaging;

use std::collections::HashSet;
use std::mem::take;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use self::headway::Headway;
use self::round::AtOnce;
use super::items::{Items, Number};
use super::keeper::{Keeper, Kept, ToKeeper};
use super::plan::UnprovenItem;
use super::queue::Work;
use super::reconnect::Reconnect;
use super::task::{Pulled, Setback, Task, TryCost};
use super::unproven::{Method, ToVerify, Unproven};
use crate::adb::RemotePath;
use crate::digest::Sha256;
use crate::error::Error;
use crate::event::{Event, Supervisor};
use crate::folder::{DataReader, Folder, Reason, ReasonCode};
use crate::names::Names;
use crate::phone::Phone;

/// Tries for an item in one run.
const MAX_ATTEMPTS: u32 = 3;
/// Items of earlier runs that are verified in one round: all are held in memory.
const UNPROVEN_AT_ONCE: usize = 8192;

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

/// The work that is open between two rounds.
struct OpenWork {
    tasks: Work,
    to_verify: Vec<ToVerify>,
    /// The items that failed, and are tried again at the end.
    postponed: Vec<Arc<Task>>,
}

impl OpenWork {
    fn len(&self) -> usize {
        self.tasks.len() + self.to_verify.len() + self.postponed.len()
    }
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
        let mut from_before = unproven.chunks(UNPROVEN_AT_ONCE);
        let mut open = OpenWork {
            tasks: Work::planned(Arc::clone(&items), order),
            to_verify: Vec::new(),
            postponed: Vec::new(),
        };
        let (mut at_once, mut headway) = (AtOnce::Several, Headway::default());
        // With nothing but postponed items a round does nothing, and they become its tasks.
        while !self.supervisor.halt.is_set() && (open.len() > 0 || from_before.len() > 0) {
            if open.to_verify.is_empty()
                && let Some(some) = from_before.next()
            {
                open.to_verify = self.take_from_before(&items, some).await;
            }
            let (tasks, to_verify) = (take(&mut open.tasks), take(&mut open.to_verify));
            let wanted = tasks.len() + to_verify.len();
            let mut round = self.round(&phone, tasks, to_verify, at_once).await;
            if reconnect.needs_internal_storage {
                self.look_for_storage(&phone, &mut round).await;
            }
            headway.note(&round, at_once, self.unproven.failed_calls());
            self.settle(round.setbacks, &mut open.postponed).await;
            open.tasks = round.leftover;
            open.to_verify = self.unproven.take();
            if let Some(lost) = round.lost {
                let vain = headway.lose(wanted, open.len(), held_bytes(&self.root));
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
            } else if open.tasks.is_empty() {
                self.leave_undecided(take(&mut open.to_verify));
                if from_before.len() == 0 {
                    at_once = AtOnce::One;
                    let postponed = take(&mut open.postponed);
                    open.tasks = Work::returned(self.refresh(&phone, postponed).await);
                }
            }
        }
        for task in open.postponed {
            let reason = Reason::new(ReasonCode::PhoneGone, "the run ended first");
            self.outcome.failed.push((task.item.path.clone(), reason));
        }
        self.salvage(phone, reconnect).await;
    }

    /// Leaves files unproven. A round that the phone survived leaves nothing undecided; what it does is not tried for
    /// ever.
    fn leave_undecided(&mut self, files: Vec<ToVerify>) {
        let words = "the phone did not answer for this file";
        let left = files
            .into_iter()
            .map(|file| (file.pulled.path, Reason::new(ReasonCode::Other, words)));
        self.outcome.unproven.extend(left);
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
