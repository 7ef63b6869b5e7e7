//! Asks the phone what its files are now: still there, changed, or gone, alone or with their whole storage.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::enumerate::storage_of;
use super::super::items::{Items, Number};
use super::super::keeper::ToKeeper;
use super::super::task::Task;
use super::super::verify::{stat, stats};
use super::Session;
use crate::adb::RemotePath;
use crate::adb::sync::{FileType, Stat};
use crate::folder::{Reason, ReasonCode};
use crate::item::Item;
use crate::phone::Phone;

/// Items that the phone is asked about before their answers are looked at.
const UNSEEN_AT_ONCE: usize = 8192;

/// Whether the storage at each root is available.
type Storages = HashMap<RemotePath, bool>;

impl Session {
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

    /// Asks the phone for the current state of the postponed items, so that they are compared with that.
    pub(super) async fn refresh(
        &mut self,
        phone: &Phone,
        postponed: Vec<Arc<Task>>,
    ) -> Vec<Arc<Task>> {
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
}

/// Returns whether an answer says that the file no longer exists.
fn is_gone(stat: &Stat) -> bool {
    let is_file = FileType::of_mode(stat.mode) == FileType::Regular;
    stat.error == 2 || stat.error == 0 && !is_file
}
