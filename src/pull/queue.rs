//! The work of one round, shared by the streams.
//!
//! In: planned items and tasks from earlier rounds, and when bytes arrived. Out: what each stream requests next, in the
//! order of the plan; at the end, the work that nobody took.

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::items::{Items, Number};
use super::task::{Resumable, Task};
use super::window::{FILE_OVERHEAD, MOST_BYTES, Pace};
use crate::folder::EntryId;

/// The number of parallel streams.
pub(super) const STREAMS: usize = 4;

/// The work shared by the streams, in the order of the plan. Each stream takes as much from its head as the speed of
/// the link allows, so that files arrive in nearly that order.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<WaitingWork>,
    /// Notified when a stream that has to wait should check again.
    changed: Notify,
}

/// What a stream may ask for.
pub(super) enum Assignment {
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
    pub(super) async fn is_wanted(&self, stream: usize) -> bool {
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
    pub(super) fn take(&self, stream: usize, files: usize, ahead: u64) -> Assignment {
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
    pub(super) fn give_back(&self, tasks: impl Iterator<Item = Arc<Task>>) {
        let mut waiting = self.lock();
        for task in tasks {
            waiting.work.give_back(task);
        }
        drop(waiting);
        self.changed.notify_waiters();
    }

    /// Notes that bytes came.
    pub(super) fn arrive(&self, bytes: u64) {
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
    pub(super) fn answered_in(&self, took: Duration) {
        self.lock().pace.answered_in(took);
    }

    /// Notes that the phone is gone: streams that wait for their turn need not.
    pub(super) fn lose(&self) {
        self.lock().is_lost = true;
        self.changed.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WaitingWork> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
