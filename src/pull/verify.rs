//! The phone's own hashes against those of the bytes that came: beside the transfer, many files a
//! call, on the phone's CPU.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha1::Digest as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::enumerate::reason_of_errno;
use super::halt::Halt;
use super::keeper::{Keeper, Message, Pulled};
use super::plan::Task;
use super::transfer::Setback;
use crate::adb::features::Feature;
use crate::adb::sync::{Answer, FileType, Operation, Stat};
use crate::folder::{EntryId, Proof, Reason, ReasonCode};
use crate::item::Item;
use crate::phone::hash::{Algorithm, Hashes};
use crate::phone::{Phone, PhoneError};

/// Files in one call at most.
const FILES_PER_CALL: usize = 128;
/// Bytes to be hashed in one call at most, unless one file has more.
const BYTES_PER_CALL: u64 = 64 * 1024 * 1024;
/// Failed calls, the last of them for it alone, after which a file is given up when one more fails:
/// a loose cable can strike three times while the same file is hashed.
const SUSPECT_AFTER: u32 = 3;
/// Calls that fail one after the other before nothing is proven any more in this run.
const MAX_FAILED_CALLS: u32 = 8;

/// Calls without a hash of a file after which the phone cannot hash it.
const MAX_UNANSWERED: u32 = 2;
/// Calls at once: phones have several cores, and one call waits for storage while another hashes.
const CALLS_AT_ONCE: usize = 2;

/// Pauses after a hash program that did not work, before it is tried again.
const METHOD_PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::ZERO,
];

/// Questions about files ahead of the answers.
const STATS_AHEAD: usize = 256;

/// A file that is here and wants its proof.
#[derive(Debug, Clone)]
pub(super) struct ToVerify {
    pub(super) task: Arc<Task>,
    pub(super) pulled: Pulled,
    /// Calls in which the phone was asked for its hash and went away or fell silent.
    pub(super) failed_calls: u32,
    /// Calls that ended without a hash of it.
    pub(super) unanswered: u32,
}

impl ToVerify {
    pub(super) fn new(task: Arc<Task>, pulled: Pulled) -> Self {
        Self {
            task,
            pulled,
            failed_calls: 0,
            unanswered: 0,
        }
    }
}

/// What the phone can prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// It has a program for this hash.
    Hash(Algorithm),
    /// It has none: only sizes can be compared.
    SizeOnly,
    /// Nobody wants a proof (`--no-verify`).
    Off,
}

impl Method {
    /// The strongest proof that it can give.
    pub fn best_proof(self) -> Proof {
        match self {
            Self::Hash(algorithm) => proof_of(algorithm),
            Self::SizeOnly | Self::Off => Proof::Size,
        }
    }
}

/// Asks the phone what it can prove: the best hash that is right about nothing at all.
///
/// A program that fails is asked again: a phone short of memory has it all the same. One that
/// never answers is done without: the photos are worth more than their proof.
pub async fn method_of(phone: &Phone) -> Result<Method, PhoneError> {
    let Ok(nothing) = crate::adb::RemotePath::new(b"/dev/null") else {
        return Ok(Method::SizeOnly);
    };
    for algorithm in Algorithm::ALL {
        let right = digest(algorithm, &mut std::io::empty()).ok();
        for pause in METHOD_PAUSES {
            let answer = phone.hash(algorithm, &[&nothing], 0).await;
            tracing::debug!(?algorithm, ?answer, "can the phone hash?");
            match answer {
                Ok(Hashes::NoProgram) => break,
                Ok(Hashes::Of(hashes)) if hashes.first() == Some(&right) => {
                    return Ok(Method::Hash(algorithm));
                }
                Ok(Hashes::Of(_))
                | Err(PhoneError::Shell(_) | PhoneError::TooMuchOutput { .. }) => {
                    tokio::time::sleep(pause).await;
                }
                Err(PhoneError::Idle { .. }) => {
                    // Not the phone, when it still opens streams: only this program.
                    phone.sync().await?;
                    return Ok(Method::SizeOnly);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(Method::SizeOnly)
}

pub(super) struct Verifier {
    pub(super) phone: Arc<Phone>,
    pub(super) method: Method,
    pub(super) data: PathBuf,
    pub(super) keeper: Keeper,
    pub(super) setbacks: mpsc::UnboundedSender<Setback>,
    pub(super) unproven: Arc<Unproven>,
    pub(super) halt: Halt,
}

/// Files that are here and not proven yet: what a lost phone leaves to do.
#[derive(Debug, Default)]
pub(super) struct Unproven {
    files: Mutex<HashMap<EntryId, ToVerify>>,
    failed_calls: AtomicU32,
}

impl Unproven {
    /// Takes them all; those that the phone went away over come last.
    pub(super) fn take(&self) -> Vec<ToVerify> {
        let mut files: Vec<_> = self.lock().drain().map(|(_, file)| file).collect();
        files.sort_by_key(|file| (file.failed_calls, file.task.id));
        files
    }

    /// Calls that failed one after the other.
    pub(super) fn failed_calls(&self) -> u32 {
        self.failed_calls.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, file: &ToVerify) {
        self.lock().insert(file.task.id, file.clone());
    }

    fn settle(&self, id: EntryId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<EntryId, ToVerify>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verifier {
    /// Verifies what comes until nothing more can come. What a lost phone leaves unproven stays
    /// *pulled*, for the next run.
    pub(super) async fn run(
        self,
        mut files: mpsc::UnboundedReceiver<ToVerify>,
    ) -> Result<(), PhoneError> {
        let verifier = Arc::new(self);
        let mut waiting = VecDeque::new();
        let mut calls: JoinSet<Result<Vec<ToVerify>, PhoneError>> = JoinSet::new();
        let mut open = true;
        loop {
            if calls.len() < CALLS_AT_ONCE && !waiting.is_empty() {
                let batch = verifier.next_batch(&mut waiting);
                calls.spawn(Arc::clone(&verifier).prove(batch));
                continue;
            }
            if !open && waiting.is_empty() && calls.is_empty() {
                return Ok(());
            }
            tokio::select! {
                // The phone may hash for minutes; nobody waits for that after Ctrl-C.
                () = verifier.halt.stopped() => {
                    calls.shutdown().await;
                    return Ok(());
                }
                file = files.recv(), if open => match file {
                    Some(file) => {
                        let more = std::iter::from_fn(|| files.try_recv().ok());
                        for file in std::iter::once(file).chain(more) {
                            verifier.unproven.add(&file);
                            waiting.push_back(file);
                        }
                    }
                    None => open = false,
                },
                ended = calls.join_next(), if !calls.is_empty() => match ended {
                    Some(Ok(outcome)) => waiting.extend(outcome?),
                    Some(Err(failed)) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
                    Some(Err(_)) | None => {}
                },
            }
        }
    }

    fn next_batch(&self, waiting: &mut VecDeque<ToVerify>) -> Vec<ToVerify> {
        let mut batch: Vec<ToVerify> = Vec::new();
        let (mut bytes, mut command) = (0_u64, 16);
        let suspects = |file: &ToVerify| file.failed_calls > 0;
        while let Some(file) = waiting.front() {
            // A file over which a call failed is not asked for together with others that are sound.
            let most = match file.failed_calls {
                0 => FILES_PER_CALL,
                1 => FILES_PER_CALL / 16,
                _ => 1,
            };
            if batch
                .first()
                .is_some_and(|first| suspects(first) != suspects(file))
            {
                break;
            }
            bytes = bytes.saturating_add(file.pulled.size);
            command += Phone::hash_command_bytes(&file.pulled.path);
            let full = batch.len() >= most
                || bytes > BYTES_PER_CALL
                || command > self.phone.max_command_bytes();
            if full && !batch.is_empty() {
                break;
            }
            batch.extend(waiting.pop_front());
        }
        batch
    }

    /// Asks for the hashes of some files; returns those that are to be asked for again.
    async fn prove(self: Arc<Self>, batch: Vec<ToVerify>) -> Result<Vec<ToVerify>, PhoneError> {
        let algorithm = match self.method {
            Method::Hash(algorithm) => algorithm,
            Method::SizeOnly => {
                for file in batch {
                    self.proven(file, Proof::Size).await;
                }
                return Ok(Vec::new());
            }
            Method::Off => {
                batch
                    .iter()
                    .for_each(|file| self.unproven.settle(file.task.id));
                return Ok(Vec::new());
            }
        };
        if self.unproven.failed_calls() >= MAX_FAILED_CALLS {
            batch.into_iter().for_each(|file| self.give_up(file));
            return Ok(Vec::new());
        }
        let paths: Vec<_> = batch.iter().map(|file| &file.pulled.path).collect();
        let total = batch.iter().map(|file| file.pulled.size).sum();
        let answer = self.phone.hash(algorithm, &paths, total).await;
        if let Err(error) = &answer {
            tracing::debug!(files = paths.len(), bytes = total, %error, "no hashes");
        }
        let hashes = match answer {
            Ok(Hashes::Of(hashes)) => hashes,
            // What makes no sense proves nothing.
            Ok(Hashes::NoProgram)
            | Err(PhoneError::Shell(_) | PhoneError::TooMuchOutput { .. }) => {
                vec![None; batch.len()]
            }
            Err(error) if error.is_gone() => return self.after_failed_call(batch, error).await,
            Err(error) => return Err(error),
        };
        self.unproven.failed_calls.store(0, Ordering::Relaxed);
        if algorithm != Algorithm::Sha256 {
            // Those hashes are made from the files on this disk: they have to be there first.
            self.keeper.barrier().await;
        }
        let mut again = Vec::new();
        for (file, theirs) in batch.into_iter().zip(hashes) {
            let ours = self.own_digest(algorithm, &file).await;
            match (theirs, ours) {
                (Some(theirs), Some(ours)) if theirs == ours => {
                    self.proven(file, proof_of(algorithm)).await;
                }
                // A call may fail for all its files together; alone, each has its own answer.
                (None, _) if file.unanswered < MAX_UNANSWERED => {
                    let unanswered = file.unanswered + 1;
                    again.push(ToVerify { unanswered, ..file });
                }
                (theirs, _) => self.doubt(file, theirs.is_some()).await?,
            }
        }
        Ok(again)
    }

    /// The phone went away or fell silent over these files. Smaller calls find the one that it
    /// cannot bear, which is given up; the others go on.
    async fn after_failed_call(
        &self,
        batch: Vec<ToVerify>,
        error: PhoneError,
    ) -> Result<Vec<ToVerify>, PhoneError> {
        self.unproven.failed_calls.fetch_add(1, Ordering::Relaxed);
        let alone = batch.len() == 1;
        let mut again = Vec::with_capacity(batch.len());
        for mut file in batch {
            if alone && file.failed_calls >= SUSPECT_AFTER {
                self.give_up(file);
                continue;
            }
            file.failed_calls += 1;
            self.unproven.add(&file);
            again.push(file);
        }
        match error {
            // Only this call is stuck, when the phone still opens streams.
            PhoneError::Idle { .. } => self.phone.sync().await.map(|_| again),
            _ => Err(error),
        }
    }

    fn give_up(&self, file: ToVerify) {
        self.unproven.settle(file.task.id);
        let reason = Reason::new(
            ReasonCode::PhoneGone,
            "the phone goes away or falls silent when it has to hash it",
        );
        let _ = self.setbacks.send(Setback {
            task: file.task,
            reason,
            pulled: Some(file.pulled),
            counts: true,
        });
    }

    async fn proven(&self, file: ToVerify, proof: Proof) {
        let id = file.task.id;
        self.keeper
            .tell(Message::Proven(id, file.pulled, proof))
            .await;
        // Not before: what is told twice does no harm, what is never told is not proven.
        self.unproven.settle(id);
    }

    async fn own_digest(&self, algorithm: Algorithm, file: &ToVerify) -> Option<Vec<u8>> {
        if algorithm == Algorithm::Sha256 {
            return Some(file.pulled.sha256.0.to_vec());
        }
        // Behind a barrier, so that it is there; something else may have its planned name.
        let moved = self.keeper.moved_to(file.task.id);
        let local = moved.as_ref().unwrap_or(&file.pulled.local);
        let path = self.data.join(local.as_str());
        let digested = tokio::task::spawn_blocking(move || {
            std::fs::File::open(path)
                .map_err(drop)
                .and_then(|mut file| digest(algorithm, &mut file).map_err(drop))
        });
        digested.await.ok()?.ok()
    }

    /// The phone says otherwise, or nothing: asks what the file is now, and has it pulled again.
    async fn doubt(&self, file: ToVerify, hashed: bool) -> Result<(), PhoneError> {
        let item = &file.task.item;
        let reason = match stat(&self.phone, item).await? {
            Some(stat) if stat.error != 0 => reason_of_errno(stat.error),
            Some(stat) if FileType::of_mode(stat.mode) != FileType::Regular => {
                Reason::new(ReasonCode::Vanished, "it is gone from the phone")
            }
            Some(stat) if stat.mtime != item.mtime || stat.size as u32 != item.size as u32 => {
                Reason::new(ReasonCode::ChangedWhileRead, "it changed on the phone")
            }
            _ if hashed => Reason::new(
                ReasonCode::HashMismatch,
                "the phone's hash is not that of the bytes it sent",
            ),
            // Nothing speaks against what came: it keeps its name, unproven.
            _ => Reason::new(
                ReasonCode::Refused,
                "the phone sent the file, but cannot hash it",
            ),
        };
        self.unproven.settle(file.task.id);
        let _ = self.setbacks.send(Setback {
            task: file.task,
            reason,
            pulled: Some(file.pulled),
            counts: true,
        });
        Ok(())
    }
}

/// What the phone says about an item now.
pub(super) async fn stat(phone: &Phone, item: &Item) -> Result<Option<Stat>, PhoneError> {
    stats(phone, &[item])
        .await
        .map(|stats| stats.first().copied())
}

/// What the phone says about items now, in their order; fewer answers when it stops answering.
pub(super) async fn stats(phone: &Phone, items: &[&Item]) -> Result<Vec<Stat>, PhoneError> {
    let modern = phone.features().has(Feature::StatV2);
    let operation = if modern {
        Operation::Lstat2
    } else {
        Operation::Stat1
    };
    let mut stats = Vec::with_capacity(items.len());
    if items.is_empty() {
        return Ok(stats);
    }
    let mut sync = phone.sync().await?;
    for some in items.chunks(STATS_AHEAD) {
        for item in some {
            sync.request(operation, &item.path);
        }
        sync.flush().await?;
        for _ in some {
            match sync.next().await? {
                Some(Answer::Stat(stat)) => stats.push(stat),
                _ => return Ok(stats),
            }
        }
    }
    Ok(stats)
}

fn proof_of(algorithm: Algorithm) -> Proof {
    match algorithm {
        Algorithm::Sha256 => Proof::Sha256,
        Algorithm::Sha1 => Proof::Sha1,
        Algorithm::Md5 => Proof::Md5,
    }
}

fn digest(algorithm: Algorithm, bytes: &mut dyn std::io::Read) -> std::io::Result<Vec<u8>> {
    match algorithm {
        Algorithm::Sha256 => {
            let mut hasher = crate::digest::Hasher::default();
            read_all(bytes, |piece| hasher.update(piece))?;
            Ok(hasher.finish().0.to_vec())
        }
        Algorithm::Sha1 => {
            let mut hasher = sha1::Sha1::new();
            read_all(bytes, |piece| hasher.update(piece))?;
            Ok(hasher.finalize().to_vec())
        }
        Algorithm::Md5 => {
            let mut hasher = md5::Md5::new();
            read_all(bytes, |piece| hasher.update(piece))?;
            Ok(hasher.finalize().to_vec())
        }
    }
}

fn read_all(bytes: &mut dyn std::io::Read, mut take: impl FnMut(&[u8])) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match bytes.read(&mut buffer)? {
            0 => return Ok(()),
            read => take(buffer.get(..read).unwrap_or_default()),
        }
    }
}
