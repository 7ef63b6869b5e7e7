//! The one thread that changes the rescue folder: commits groups of finished files, records what
//! became of every item, and tells of it only then.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::halt::Halt;
use super::plan::Task;
use crate::digest::Sha256;
use crate::error::Error;
use crate::event::{Event, Events};
use crate::folder::commit::MAX_GROUP;
use crate::folder::{
    Committer, Companion, DiskError, EntryId, Finished, Folder, Gaps, Outcome, PartialFile, Proof,
    Reason, ReasonCode, Record, ToCommit, missing_bytes_of_note,
};
use crate::item::Item;
use crate::names::{LocalPath, Names};

/// Messages under way; each may hold an open file.
const QUEUE: usize = 256;
/// Files in a group, where the system lets this process open as many and more.
const LARGE_GROUP: usize = 1024;
/// Open files to ask the system for: a large group, the queue, and room for all else.
const OPEN_FILES: u64 = 2048;
/// A group is committed when its files hold so much, in bytes.
const GROUP_BYTES: u64 = 256 * 1024 * 1024;
/// A group is committed when its first file has waited so long.
const GROUP_AGE: Duration = Duration::from_secs(1);
/// How long to wait before trying again to hand over a message.
const FULL_PAUSE: Duration = Duration::from_millis(2);

/// What the keeper is told.
#[derive(Debug)]
pub(super) enum Message {
    /// A file is whole and hashed, and stands in `.partial/`.
    Finished(Arc<Task>, Finished),
    /// The phone says the same about a finished file.
    Proven(EntryId, Pulled, Proof),
    /// What came is wrong: it goes, and is pulled again as this task says.
    Wrong(Arc<Task>),
    /// What came is wrong, and there is no further try: it is kept under another name.
    Damaged(Arc<Task>, Pulled, Reason),
    /// What could be read around bad places is whole, and stands in `.partial/`.
    Salvaged(Arc<Task>, Finished, Gaps, Reason),
    /// Nothing came.
    Failed(EntryId, crate::adb::RemotePath, Reason),
    /// An item changed on the phone before it was pulled.
    Replan(Arc<Task>),
    /// Everything told up to now is to be on the disk before this is answered.
    Barrier(oneshot::Sender<()>),
}

/// An item that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pulled {
    /// Its path on the phone.
    pub path: crate::adb::RemotePath,
    /// Its place below `data/`.
    pub local: LocalPath,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes as they arrived.
    pub sha256: Sha256,
}

/// The way to the keeper; cheap to clone. The keeper ends when all clones are gone.
#[derive(Debug, Clone)]
pub(super) struct Keeper(SyncSender<Message>);

impl Keeper {
    /// Starts the thread.
    pub(super) fn start(
        folder: Folder,
        names: Names,
        events: Events,
        halt: Halt,
    ) -> Result<(Self, JoinHandle<Folder>), DiskError> {
        let (sender, receiver) = mpsc::sync_channel(QUEUE);
        let committer = folder.committer()?;
        let mut thread = Thread {
            folder,
            committer,
            names,
            events,
            halt,
            group: Vec::new(),
            group_bytes: 0,
            proofs: HashMap::new(),
            records: Vec::new(),
            told: Vec::new(),
            moved: HashMap::new(),
            broken: false,
            max_group: max_group(),
        };
        let handle = std::thread::spawn(move || {
            thread.run(&receiver);
            thread.folder
        });
        Ok((Self(sender), handle))
    }

    /// Tells the keeper from a thread of its own; waits while it is behind.
    pub(super) fn tell_blocking(&self, message: Message) {
        // The keeper ends only after all its tellers.
        let _ = self.0.send(message);
    }

    /// Tells the keeper from a task; waits while it is behind.
    pub(super) async fn tell(&self, mut message: Message) {
        while let Err(TrySendError::Full(back)) = self.0.try_send(message) {
            message = back;
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }

    /// Returns when everything told up to now is on the disk.
    pub(super) async fn barrier(&self) {
        let (reply, done) = oneshot::channel();
        self.tell(Message::Barrier(reply)).await;
        let _ = done.await;
    }
}

struct Thread {
    folder: Folder,
    committer: Committer,
    names: Names,
    events: Events,
    halt: Halt,
    group: Vec<(Arc<Task>, Finished)>,
    group_bytes: u64,
    /// Proofs that came before their file's commit.
    proofs: HashMap<EntryId, (Pulled, Proof)>,
    records: Vec<Record>,
    /// Told once the records are on the disk.
    told: Vec<Event>,
    /// Files that could not have the place that was planned.
    moved: HashMap<EntryId, LocalPath>,
    /// A disk or catalogue that failed once is not written to again in this run.
    broken: bool,
    /// Files in a group at most.
    max_group: usize,
}

impl Thread {
    fn run(&mut self, receiver: &mpsc::Receiver<Message>) {
        let mut deadline = None;
        loop {
            let waiting = deadline.map_or(Duration::from_secs(3600), |at: Instant| {
                at.saturating_duration_since(Instant::now())
            });
            match receiver.recv_timeout(waiting) {
                Ok(Message::Barrier(reply)) => {
                    self.flush();
                    let _ = reply.send(());
                }
                Ok(message) => self.handle(message),
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            }
            if self.group.len() >= self.max_group || self.group_bytes >= GROUP_BYTES {
                self.flush();
            }
            let idle = self.group.is_empty() && self.records.is_empty();
            deadline = if idle {
                None
            } else {
                deadline.or_else(|| Some(Instant::now() + GROUP_AGE))
            };
            if deadline.is_some_and(|at| at <= Instant::now()) {
                self.flush();
                deadline = None;
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Finished(task, finished) => {
                self.group_bytes += finished.size;
                self.group.push((task, finished));
            }
            Message::Proven(id, pulled, proof) => {
                if self.is_in_group(id) {
                    self.proofs.insert(id, (pulled, proof));
                } else {
                    self.record_proof(id, pulled, proof);
                }
            }
            Message::Wrong(task) => self.drop_wrong(&task),
            Message::Damaged(task, pulled, reason) => self.set_aside(&task, pulled, reason),
            Message::Salvaged(task, finished, gaps, reason) => {
                self.keep_salvaged(&task, finished, &gaps, reason);
            }
            Message::Failed(id, path, reason) => {
                // What an earlier run salvaged of it is still there.
                let kept = self.folder.catalogue().companions(id).unwrap_or_default();
                let because = reason.clone();
                self.records.push(match kept.is_empty() {
                    true => Record::Failed {
                        id,
                        reason: because,
                    },
                    false => Record::Damaged {
                        id,
                        reason: because,
                        kept,
                    },
                });
                self.told.push(Event::Failed { path, reason });
            }
            Message::Replan(task) => self.records.push(replan(&task)),
            Message::Barrier(reply) => {
                let _ = reply.send(());
            }
        }
    }

    fn is_in_group(&self, id: EntryId) -> bool {
        self.group.iter().any(|(task, _)| task.id == id)
    }

    fn record_proof(&mut self, id: EntryId, pulled: Pulled, proof: Proof) {
        self.records.push(Record::Verified { id, proof });
        self.told.push(Event::Verified {
            path: pulled.path,
            proof,
            size: pulled.size,
        });
    }

    /// Commits the group, records everything, and tells of it.
    fn flush(&mut self) {
        if self.broken {
            self.group.clear();
            self.records.clear();
            return;
        }
        if let Err(error) = self.commit() {
            return self.stop(error.into());
        }
        let records = std::mem::take(&mut self.records);
        if !records.is_empty()
            && let Err(error) = self.folder.catalogue_mut().record(&records)
        {
            return self.stop(error.into());
        }
        for event in self.told.drain(..) {
            self.events.emit(event);
        }
    }

    fn stop(&mut self, error: Error) {
        self.group.clear();
        self.records.clear();
        self.told.clear();
        self.broken = true;
        self.halt.stop(error);
    }

    fn commit(&mut self) -> Result<(), DiskError> {
        let mut waiting = std::mem::take(&mut self.group);
        self.group_bytes = 0;
        // A second turn for those whose name is taken by something else.
        for _ in 0..3 {
            if waiting.is_empty() {
                return Ok(());
            }
            let mut tasks = Vec::with_capacity(waiting.len());
            let mut files = Vec::with_capacity(waiting.len());
            for (task, finished) in waiting.drain(..) {
                let local = self.moved.get(&task.id).unwrap_or(&task.local).clone();
                tasks.push((task, local.clone(), finished.sha256, finished.size));
                files.push(ToCommit { finished, local });
            }
            let outcomes = self.committer.commit(files)?;
            for ((task, local, sha256, size), outcome) in tasks.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::InPlace | Outcome::Adopted => self.pulled(&task, local, sha256, size),
                    Outcome::TargetExists(finished) => {
                        let other = self.other_name(&local);
                        self.moved.insert(task.id, other);
                        waiting.push((task, finished));
                    }
                    Outcome::Failed(finished, error) => {
                        drop(finished);
                        self.refused_by_disk(&task, &error);
                    }
                }
            }
        }
        for (task, _) in waiting {
            let message = "every name that was tried is taken".to_owned();
            self.fail(
                &task,
                Reason {
                    code: ReasonCode::NameRefused,
                    message,
                },
            );
        }
        Ok(())
    }

    fn pulled(&mut self, task: &Task, local: LocalPath, sha256: Sha256, size: u64) {
        if task.was_refused {
            self.remove_companions(task.id);
        }
        let planned = local == task.local;
        let record = Record::Pulled {
            id: task.id,
            sha256,
            size,
            local: (!planned).then(|| local.clone()),
        };
        self.records.push(record);
        self.told.push(Event::Pulled {
            path: task.item.path.clone(),
            local,
            size,
        });
        if let Some((pulled, proof)) = self.proofs.remove(&task.id) {
            self.record_proof(task.id, pulled, proof);
        }
    }

    /// What was kept while the item was damaged goes, now that all of it is here.
    fn remove_companions(&mut self, id: EntryId) {
        for companion in self.folder.catalogue().companions(id).unwrap_or_default() {
            if let Err(error) = self.committer.remove(&companion.local) {
                tracing::warn!(%error, "a damaged copy stays");
            }
        }
    }

    fn refused_by_disk(&mut self, task: &Task, error: &DiskError) {
        let code = match error {
            DiskError::NameRefused { .. } | DiskError::FileTooLarge { .. } => {
                ReasonCode::NameRefused
            }
            _ => ReasonCode::LocalDisk,
        };
        self.fail(
            task,
            Reason {
                code,
                message: error.to_string(),
            },
        );
    }

    fn fail(&mut self, task: &Task, reason: Reason) {
        self.proofs.remove(&task.id);
        let _ = PartialFile::discard(self.folder.root(), task.id);
        self.records.push(Record::Failed {
            id: task.id,
            reason: reason.clone(),
        });
        self.told.push(Event::Failed {
            path: task.item.path.clone(),
            reason,
        });
    }

    fn other_name(&mut self, local: &LocalPath) -> LocalPath {
        self.names.occupy(local);
        self.names.allocate_beside(local, "")
    }

    fn drop_wrong(&mut self, task: &Task) {
        if let Some(at) = self
            .group
            .iter()
            .position(|(grouped, _)| grouped.id == task.id)
        {
            drop(self.group.swap_remove(at));
            let _ = PartialFile::discard(self.folder.root(), task.id);
            return;
        }
        // Its entry must not say that it is here once it is gone: first recorded, then removed.
        self.records.push(replan(task));
        self.flush();
        let local = self.moved.get(&task.id).unwrap_or(&task.local).clone();
        if let Err(error) = self.committer.remove(&local) {
            self.stop(error.into());
        }
    }

    /// Keeps what came beside its place, so that nothing wrong bears the real name.
    fn set_aside(&mut self, task: &Task, pulled: Pulled, reason: Reason) {
        // Its entry must not say that it is here once it is not: first recorded, then renamed.
        self.flush();
        self.records.push(replan(task));
        self.flush();
        let local = self.moved.get(&task.id).unwrap_or(&pulled.local).clone();
        let aside = loop {
            let aside = self.names.allocate_beside(&local, ".damaged");
            match self.committer.rename(&local, &aside) {
                Ok(true) => break aside,
                // Somebody put a file there; the allocator gives the next name.
                Ok(false) => {}
                Err(error) => return self.stop(error.into()),
            }
        };
        let kept = vec![Companion {
            local: aside.clone(),
            size: pulled.size,
            sha256: pulled.sha256,
        }];
        self.records.push(Record::Damaged {
            id: task.id,
            reason: reason.clone(),
            kept,
        });
        self.told.push(Event::Damaged {
            path: pulled.path,
            local: aside,
            missing_bytes: 0,
            reason,
        });
    }

    /// Keeps what was salvaged beside its place, with a note about what is missing; but what an
    /// earlier run kept stays when that was more.
    fn keep_salvaged(&mut self, task: &Task, finished: Finished, gaps: &Gaps, reason: Reason) {
        self.flush();
        let old = self.folder.catalogue().companions(task.id);
        let old = old.unwrap_or_default();
        let (missing_bytes, kept) = match self.missing_bytes_of(&old) {
            Some(missing) if missing < gaps.bytes() => {
                drop(finished);
                let _ = PartialFile::discard(self.folder.root(), task.id);
                (missing, old.clone())
            }
            _ => match self.put_beside(task, finished, gaps) {
                Ok(kept) => (gaps.bytes(), kept),
                Err(error) if error.concerns_the_whole_disk() => return self.stop(error.into()),
                Err(error) => return self.refused_by_disk(task, &error),
            },
        };
        let Some(local) = kept.first().map(|kept| kept.local.clone()) else {
            return;
        };
        let (id, path) = (task.id, task.item.path.clone());
        self.records.push(Record::Damaged {
            id,
            reason: reason.clone(),
            kept: kept.clone(),
        });
        self.told.push(Event::Damaged {
            path,
            local,
            missing_bytes,
            reason,
        });
        self.flush();
        for companion in old.iter().filter(|old| !kept.contains(old)) {
            if let Err(error) = self.committer.remove(&companion.local) {
                tracing::warn!(%error, "an older damaged copy stays");
            }
        }
    }

    /// What the note among these files says is missing.
    fn missing_bytes_of(&self, kept: &[Companion]) -> Option<u64> {
        let note = kept
            .iter()
            .find(|file| file.local.as_str().ends_with(".txt"))?;
        let text = std::fs::read_to_string(self.folder.data_path(&note.local)).ok()?;
        missing_bytes_of_note(&text)
    }

    fn put_beside(
        &mut self,
        task: &Task,
        finished: Finished,
        gaps: &Gaps,
    ) -> Result<Vec<Companion>, DiskError> {
        let size = finished.size;
        let damaged = self.commit_beside(&task.local, ".damaged", finished)?;
        let mut note = PartialFile::create(self.folder.root(), task.id)?;
        note.write(gaps.note(&task.item.path.to_string(), size).as_bytes())?;
        let note = note.finish(task.item.mtime)?;
        let note = self.commit_beside(&damaged.local.clone(), ".txt", note)?;
        Ok(vec![damaged, note])
    }

    fn commit_beside(
        &mut self,
        local: &LocalPath,
        ending: &str,
        mut finished: Finished,
    ) -> Result<Companion, DiskError> {
        loop {
            let local = self.names.allocate_beside(local, ending);
            let (size, sha256) = (finished.size, finished.sha256);
            let file = ToCommit {
                finished,
                local: local.clone(),
            };
            match self.committer.commit(vec![file])?.pop() {
                // Somebody put a file there; the allocator gives the next name.
                Some(Outcome::TargetExists(back)) => finished = back,
                Some(Outcome::Failed(_, error)) => return Err(error),
                _ => {
                    return Ok(Companion {
                        local,
                        size,
                        sha256,
                    });
                }
            }
        }
    }
}

/// How many files a group may hold open; asks the system for more than it gives by itself.
fn max_group() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|open| open < OPEN_FILES) {
            limit.current = Some(
                limit
                    .maximum
                    .map_or(OPEN_FILES, |most| most.min(OPEN_FILES)),
            );
            let _ = setrlimit(Resource::Nofile, limit);
        }
        if getrlimit(Resource::Nofile)
            .current
            .is_none_or(|open| open >= OPEN_FILES)
        {
            return LARGE_GROUP;
        }
    }
    MAX_GROUP / 2
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
