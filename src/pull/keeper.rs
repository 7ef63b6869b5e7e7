//! The one thread that changes the rescue folder: commits groups of finished files, records the outcome
//! of every item, and only then reports it.

mod beside;
mod commit;
mod ledger;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::beside::{KeptBeside, Tries, missing_bytes_of};
use self::ledger::{CommitGroup, Ledger, Proofs};
use super::task::{Pulled, Task};
use crate::adb::RemotePath;
use crate::error::{Error, Kind};
use crate::event::{Event, Supervisor};
use crate::folder::{
    Committer, DiskError, EntryId, Finished, Folder, Gaps, PartialFile, Proof, Reason, Record,
};
use crate::item::Item;
use crate::names::{LocalPath, Names};
use crate::threads::{self, OnPanic};

/// Messages under way; each may hold an open file. As many as a group, so that the streams go on
/// while the group before is on its way to the disk.
const QUEUE: usize = 1024;
/// Files in a group, where the system lets this process open as many and more.
const LARGE_GROUP: usize = 1024;
/// Open files to ask the system for: a large group, the queue, and room for all else.
#[cfg(unix)]
const OPEN_FILES: u64 = 3072;
/// A group is committed when its files hold so much, in bytes.
const GROUP_BYTES: u64 = 256 * 1024 * 1024;
/// A group is committed when its first file has waited so long, at the least and at the most:
/// between the two, a few times as long as the last commit took. On a fast disk little is at risk
/// and little is left for the end; a slow disk is not asked for more syncs than it can do.
const GROUP_AGE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How many times as long as a commit takes the next group is collected.
const AGE_PER_COMMIT: u32 = 4;
/// How long to wait before trying again to hand over a message.
const FULL_PAUSE: Duration = Duration::from_millis(2);

/// A message to the keeper.
#[derive(Debug)]
pub(super) enum ToKeeper {
    /// A file is complete and hashed, and is in `.partial/`.
    Finished(Arc<Task>, Finished),
    /// Like `Finished`, but the file's beginning arrived over an earlier connection, when the phone's file may have
    /// been a different one. The file gets its name only together with its proof; without one it stays in `.partial/`,
    /// for this run or the next.
    Resumed(Arc<Task>, Finished),
    /// A finished file cannot be proven in this run. It arrived completely and is kept.
    Unprovable(EntryId),
    /// The phone confirmed a finished file.
    Proven(EntryId, Pulled, Proof),
    /// The received bytes differ from those that the phone reports. They are kept under another name until a better
    /// copy arrives; the item is pulled again with this task.
    Wrong(Arc<Task>, Pulled, Reason),
    /// These items were pulled by an earlier run and wait for their proof.
    Unproven(Vec<(EntryId, RemotePath)>),
    /// The received bytes are wrong and no attempt is left. They are kept under another name.
    Damaged(Arc<Task>, Pulled, Reason),
    /// Everything readable around bad places was read, and is in `.partial/`.
    Salvaged(Arc<Task>, Finished, Gaps, Reason),
    /// Nothing was received.
    Failed(EntryId, RemotePath, Reason),
    /// An item changed on the phone before it was pulled.
    Replan(Arc<Task>),
    /// Answered once everything reported so far is on the disk.
    Barrier(oneshot::Sender<()>),
}

/// The sender of messages to the keeper. Clones are cheap. The keeper ends when all clones are dropped.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    messages: SyncSender<ToKeeper>,
    /// The places of files that could not have their planned place.
    moved: Arc<Mutex<HashMap<EntryId, LocalPath>>>,
    /// Whether the disk may have lost bytes of unfinished files.
    has_lost_bytes: Arc<AtomicBool>,
}

/// The keeper's results at its end.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) folder: Folder,
    /// The items that were not pulled, with the reason.
    pub(super) failed: Vec<(RemotePath, Reason)>,
    /// The items of which only a part or a wrong copy is kept, with the reason.
    pub(super) damaged: Vec<(RemotePath, Reason)>,
    /// The items that were pulled but not proven.
    pub(super) unproven: Vec<RemotePath>,
    /// The number of files whose date could not be set to the phone's.
    pub(super) without_date: u64,
}

impl Keeper {
    /// Starts the keeper's thread.
    pub(super) fn start(
        folder: Folder,
        names: Names,
        supervisor: Supervisor,
    ) -> Result<(Self, JoinHandle<Kept>), Error> {
        let (max_files, queue) = limits();
        let (sender, receiver) = mpsc::sync_channel(queue);
        let committer = folder.committer()?;
        let moved = Arc::<Mutex<HashMap<_, _>>>::default();
        let has_lost_bytes = Arc::<AtomicBool>::default();
        let mut thread = Thread {
            group: CommitGroup::of(max_files),
            proofs: Proofs::default(),
            beside: KeptBeside::of(folder.catalogue())?,
            ledger: Ledger::default(),
            folder,
            committer,
            names,
            supervisor,
            moved: Arc::clone(&moved),
            has_lost_bytes: Arc::clone(&has_lost_bytes),
            broken: false,
        };
        thread.spare_copies_beside_proven()?;
        let stopping = thread.supervisor.halt.clone();
        let handle = threads::spawn(move || {
            let _ending = OnPanic(|| stopping.stop(failed_within()));
            thread.run(&receiver);
            // All that write there have ended.
            if thread.has_lost_bytes.load(Ordering::Relaxed) {
                PartialFile::discard_all(thread.folder.root());
            }
            Kept {
                folder: thread.folder,
                failed: thread.ledger.failed,
                damaged: thread.ledger.damaged,
                unproven: thread.proofs.missing.into_values().collect(),
                without_date: thread.ledger.without_date,
            }
        })?;
        let keeper = Self {
            messages: sender,
            moved,
            has_lost_bytes,
        };
        Ok((keeper, handle))
    }

    /// Returns a file's place if it differs from the planned one. Valid only directly after a barrier.
    pub(super) fn moved_to(&self, id: EntryId) -> Option<LocalPath> {
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.get(&id).cloned()
    }

    /// Records a disk error. If bytes may have been lost, unfinished files are not continued.
    pub(super) fn note(&self, error: &DiskError) {
        if error.may_have_lost_bytes() {
            self.has_lost_bytes.store(true, Ordering::Relaxed);
        }
    }

    /// Sends a message from a thread; blocks while the keeper is behind.
    pub(super) fn tell_blocking(&self, message: ToKeeper) {
        // The keeper ends only after all its tellers.
        let _ = self.messages.send(message);
    }

    /// Sends a message from a task; waits while the keeper is behind.
    pub(super) async fn tell(&self, mut message: ToKeeper) {
        while let Err(TrySendError::Full(back)) = self.messages.try_send(message) {
            message = back;
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }

    /// Waits until everything reported so far is on the disk.
    pub(super) async fn barrier(&self) {
        let (reply, done) = oneshot::channel();
        self.tell(ToKeeper::Barrier(reply)).await;
        let _ = done.await;
    }
}

struct Thread {
    folder: Folder,
    committer: Committer,
    names: Names,
    supervisor: Supervisor,
    group: CommitGroup,
    proofs: Proofs,
    beside: KeptBeside,
    ledger: Ledger,
    /// Files that could not have the place that was planned.
    moved: Arc<Mutex<HashMap<EntryId, LocalPath>>>,
    /// Whether the disk may have lost bytes of files under way.
    has_lost_bytes: Arc<AtomicBool>,
    /// A disk or catalogue that failed once is not written to again in this run.
    broken: bool,
}

impl Thread {
    fn run(&mut self, receiver: &mpsc::Receiver<ToKeeper>) {
        let mut deadline = None;
        loop {
            let waiting = deadline.map_or(Duration::from_secs(3600), |at: Instant| {
                at.saturating_duration_since(Instant::now())
            });
            match receiver.recv_timeout(waiting) {
                Ok(ToKeeper::Barrier(reply)) => {
                    self.flush();
                    let _ = reply.send(());
                }
                Ok(message) => self.handle(message),
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            }
            if self.group.is_full() {
                self.flush();
            }
            let idle = self.group.files.is_empty() && self.ledger.records.is_empty();
            deadline = if idle {
                None
            } else {
                deadline.or_else(|| Some(Instant::now() + self.group.age))
            };
            if deadline.is_some_and(|at| at <= Instant::now()) {
                self.flush();
                deadline = None;
            }
        }
    }

    fn handle(&mut self, message: ToKeeper) {
        match message {
            ToKeeper::Finished(task, finished) => self.group.add(task, finished),
            ToKeeper::Resumed(task, finished) => {
                self.proofs.held.insert(task.id, (task, finished));
            }
            ToKeeper::Unprovable(id) => self.release(id),
            ToKeeper::Unproven(items) => {
                for (id, path) in items {
                    self.beside.from_before.insert(id);
                    self.proofs.missing.insert(id, path);
                }
            }
            ToKeeper::Proven(id, ..) if self.proofs.refused.contains(&id) => {}
            ToKeeper::Wrong(task, ..) | ToKeeper::Damaged(task, ..)
                if self.proofs.refused.contains(&task.id) => {}
            ToKeeper::Proven(id, pulled, proof) => {
                self.release(id);
                if self.group.position(id).is_some() {
                    self.proofs.early.insert(id, (pulled, proof));
                } else {
                    self.record_proof(id, pulled, proof);
                }
            }
            ToKeeper::Wrong(task, pulled, reason) => {
                self.set_aside(&task, pulled, reason, Tries::Left);
            }
            ToKeeper::Damaged(task, pulled, reason) => {
                self.set_aside(&task, pulled, reason, Tries::Used);
            }
            ToKeeper::Salvaged(task, finished, gaps, reason) => {
                self.keep_salvaged(&task, finished, &gaps, reason);
            }
            ToKeeper::Failed(id, path, reason) => {
                // What an earlier run salvaged of it is still there.
                let kept = self.companions(id);
                if kept.is_empty() {
                    self.ledger.failed(id, path, reason);
                } else {
                    let missing_bytes = missing_bytes_of(&kept).unwrap_or(0);
                    self.ledger.damaged(id, path, kept, missing_bytes, reason);
                }
            }
            ToKeeper::Replan(task) => self.ledger.records.push(replan(&task)),
            ToKeeper::Barrier(reply) => {
                let _ = reply.send(());
            }
        }
    }

    /// Gives a file that was held back its name.
    fn release(&mut self, id: EntryId) {
        if let Some((task, finished)) = self.proofs.held.remove(&id) {
            self.group.add(task, finished);
        }
    }

    fn record_proof(&mut self, id: EntryId, pulled: Pulled, proof: Proof) {
        self.proofs.missing.remove(&id);
        if self.beside.items.remove(&id) {
            // What was kept while the item was damaged goes, now that it is here and true.
            self.spare_copies_of_earlier_runs(id, pulled.sha256);
            let kept = self.companions(id).into_iter();
            self.beside
                .outdated
                .extend(kept.map(|kept| (id, kept.local)));
        }
        self.ledger.records.push(Record::Verified { id, proof });
        self.ledger.told.push(Event::Verified {
            path: pulled.path,
            proof,
            size: pulled.size,
        });
    }

    /// Commits the group, records everything, and then emits the events.
    fn flush(&mut self) {
        if self.broken {
            self.group.take();
            self.ledger.records.clear();
            return;
        }
        let (began, files) = (Instant::now(), self.group.files.len());
        if files > 0 {
            // When the last of these is said, only the disk is waited for.
            tracing::debug!(files, bytes = self.group.bytes, "a group goes to the disk");
        }
        if let Err(error) = self.commit() {
            return self.stop_for(error);
        }
        let records = std::mem::take(&mut self.ledger.records);
        if !records.is_empty()
            && let Err(error) = self.folder.catalogue_mut().record(&records)
        {
            return self.stop(error.into());
        }
        if files > 0 {
            let took = began.elapsed();
            tracing::debug!(files, ?took, "a group is on the disk");
            self.group.age = (took * AGE_PER_COMMIT).clamp(GROUP_AGE.0, GROUP_AGE.1);
        }
        for event in self.ledger.told.drain(..) {
            self.supervisor.events.emit(event);
        }
        let outdated = std::mem::take(&mut self.beside.outdated);
        self.discard(outdated);
    }

    /// Stops because of a disk error.
    fn stop_for(&mut self, error: DiskError) {
        if error.may_have_lost_bytes() {
            self.has_lost_bytes.store(true, Ordering::Relaxed);
        }
        self.stop(error.into());
    }

    fn stop(&mut self, error: Error) {
        self.group.take();
        self.ledger.records.clear();
        self.ledger.told.clear();
        self.broken = true;
        self.supervisor.halt.stop(error);
    }
}

/// Returns the error that stops the others after one thread has failed. The failure itself is reported where the thread
/// is joined.
pub(super) fn failed_within() -> Error {
    Error::new(Kind::Bug, "a part of this program failed")
}

/// Returns how many open files a group and the queue before it may hold. Asks the system to raise its limit.
fn limits() -> (usize, usize) {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        /// Many systems let a process open 1,024 files unless it asks for more.
        const MAX_GROUP: usize = 256;
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|open| open < OPEN_FILES) {
            limit.current = Some(
                limit
                    .maximum
                    .map_or(OPEN_FILES, |most| most.min(OPEN_FILES)),
            );
            let _ = setrlimit(Resource::Nofile, limit);
        }
        let open = getrlimit(Resource::Nofile).current.unwrap_or(OPEN_FILES);
        if open >= OPEN_FILES {
            return (LARGE_GROUP, QUEUE);
        }
        // A quarter each, and the rest for everything else.
        let quarter = usize::try_from(open / 4).unwrap_or(QUEUE).max(1);
        (quarter.min(MAX_GROUP), quarter.min(QUEUE))
    }
    // Windows sets no such limit to what std opens.
    #[cfg(not(unix))]
    (LARGE_GROUP, QUEUE)
}

fn replan(task: &Task) -> Record {
    let Item {
        size,
        size_is_exact,
        mtime,
        ..
    } = task.item;
    Record::Replan {
        id: task.id,
        size,
        size_is_exact,
        mtime,
    }
}
