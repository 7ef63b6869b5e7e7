//! One thread per stream, which hashes arriving bytes and writes them to `.partial/`.
//!
//! In: the pieces of one file after another. Out: finished files for the keeper and the verifier. The thread waits
//! for the keeper, and through the thread the stream waits for the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::keeper::{Keeper, ToKeeper, failed_within};
use super::task::{Pulled, Task};
use super::unproven::{Method, News, ToVerify, Unproven, WORTH_HASHING_AHEAD};
use crate::folder::{DiskError, PartialFile, Reason, ReasonCode};
use crate::halt::Halt;
use crate::phone::hash::HashAlgorithm;
use crate::threads::{self, NoThread, OnPanic};

/// Messages under way to one writer; a message holds up to [`super::transfer::WHOLE_BYTES`].
const QUEUE: usize = 48;
/// Messages that a writer takes at once at most: waking it for each costs more than a small file.
const TAKEN: usize = 16;

/// A message to a writer. Files follow one another: a small one is a single message; others are `Begin` or `Resume`,
/// any number of `Piece`, and then `End`, `Suspend` or `Abort`.
#[derive(Debug)]
pub(super) enum ToWriter {
    /// A small file with all its bytes.
    Whole(Arc<Task>, Vec<Bytes>),
    /// A file begins.
    Begin(Arc<Task>),
    /// A file continues after the bytes already held; the answer is their number.
    Resume(Arc<Task>, oneshot::Sender<u64>),
    /// The next bytes.
    Piece(Bytes),
    /// The file is complete.
    End,
    /// The rest of the file does not arrive now; what is held is kept for the next attempt.
    Suspend,
    /// The file is discarded.
    Abort,
}

/// Starts a writer if a thread is available. The writer ends when its sender is dropped.
pub(super) fn start(
    root: PathBuf,
    keeper: Keeper,
    verifier: mpsc::UnboundedSender<News>,
    unproven: Arc<Unproven>,
    halt: Halt,
    method: Method,
) -> Result<RunningWriter, NoThread> {
    let (sender, mut receiver) = mpsc::channel(QUEUE);
    let mut writer = Writer {
        root,
        keeper,
        verifier,
        unproven,
        halt,
        current: None,
        holds_resumed: method == Method::Hash(HashAlgorithm::Sha256),
    };
    let stopping = writer.halt.clone();
    let (is_ending, ended) = oneshot::channel();
    let thread = threads::spawn(move || {
        // Dropped last, whatever ends the thread.
        let _is_ending = is_ending;
        let _ending = OnPanic(|| stopping.stop(failed_within()));
        let mut messages = Vec::with_capacity(TAKEN);
        while receiver.blocking_recv_many(&mut messages, TAKEN) > 0 {
            for message in messages.drain(..) {
                writer.handle(message);
            }
        }
    })?;
    Ok(RunningWriter {
        sender,
        thread,
        ended,
    })
}

/// A running writer.
pub(super) struct RunningWriter {
    pub(super) sender: mpsc::Sender<ToWriter>,
    pub(super) thread: JoinHandle<()>,
    /// Completes when the writer ends.
    pub(super) ended: oneshot::Receiver<()>,
}

struct Writer {
    root: PathBuf,
    keeper: Keeper,
    verifier: mpsc::UnboundedSender<News>,
    unproven: Arc<Unproven>,
    halt: Halt,
    current: Option<Current>,
    /// Whether a file received over two connections waits for its proof before it gets its name. That is possible only
    /// with SHA-256, which is compared without the file; other proofs need the file in its place.
    holds_resumed: bool,
}

/// The file under way.
struct Current {
    task: Arc<Task>,
    partial: PartialFile,
    /// Whether its beginning came over an earlier connection.
    is_resumed: bool,
}

impl Writer {
    fn handle(&mut self, message: ToWriter) {
        match message {
            ToWriter::Whole(task, pieces) => {
                self.begin(task);
                pieces.iter().for_each(|piece| self.write(piece));
                self.end();
            }
            ToWriter::Begin(task) => {
                if task.item.size >= WORTH_HASHING_AHEAD {
                    let _ = self.verifier.send(News::Begun(Arc::clone(&task)));
                }
                self.begin(task);
            }
            ToWriter::Resume(task, reply) => {
                let held = self.resume(task);
                let _ = reply.send(held);
            }
            ToWriter::Piece(piece) => self.write(&piece),
            ToWriter::End => self.end(),
            ToWriter::Suspend => self.current = None,
            ToWriter::Abort => {
                if let Some(Current { task, partial, .. }) = self.current.take() {
                    drop(partial);
                    let _ = PartialFile::discard(&self.root, task.id);
                }
            }
        }
    }

    fn begin(&mut self, task: Arc<Task>) {
        match PartialFile::create(&self.root, task.id) {
            Ok(partial) => {
                self.current = Some(Current {
                    task,
                    partial,
                    is_resumed: false,
                });
            }
            Err(error) => self.failed(&task, error),
        }
    }

    fn resume(&mut self, task: Arc<Task>) -> u64 {
        match PartialFile::resume(&self.root, task.id) {
            Ok(Some((partial, held))) => {
                self.current = Some(Current {
                    task,
                    partial,
                    is_resumed: held > 0,
                });
                held
            }
            Ok(None) => {
                self.begin(task);
                0
            }
            Err(error) => {
                self.failed(&task, error);
                0
            }
        }
    }

    fn write(&mut self, piece: &[u8]) {
        let Some(Current { task, partial, .. }) = &mut self.current else {
            return;
        };
        if let Err(error) = partial.write(piece) {
            let task = Arc::clone(task);
            self.current = None;
            self.failed(&task, error);
        }
    }

    fn end(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        let Current {
            task,
            partial,
            is_resumed,
        } = current;
        match partial.finish(task.item.mtime) {
            Ok(finished) => {
                let pulled = Pulled {
                    path: task.item.path.clone(),
                    local: task.local.clone(),
                    size: finished.size,
                    sha256: finished.sha256,
                };
                let is_held = is_resumed && self.holds_resumed;
                let message = match is_held {
                    true => ToKeeper::Resumed(Arc::clone(&task), finished),
                    false => ToKeeper::Finished(Arc::clone(&task), finished),
                };
                self.keeper.tell_blocking(message);
                let file = ToVerify::new(task, pulled);
                // Before it is sent: the verifier may have lost its phone already.
                self.unproven.add(&file);
                let _ = self.verifier.send(News::Here(file));
            }
            Err(error) => self.failed(&task, error),
        }
    }

    fn failed(&self, task: &Task, error: DiskError) {
        self.keeper.note(&error);
        if error.concerns_the_whole_disk() {
            self.halt.stop(error.into());
            return;
        }
        let code = match error {
            DiskError::FileTooLarge { .. } | DiskError::NameRefused { .. } => {
                ReasonCode::NameRefused
            }
            _ => ReasonCode::LocalDisk,
        };
        let _ = PartialFile::discard(&self.root, task.id);
        let reason = Reason {
            code,
            message: error.to_string(),
        };
        self.keeper
            .tell_blocking(ToKeeper::Failed(task.id, task.item.path.clone(), reason));
    }
}
