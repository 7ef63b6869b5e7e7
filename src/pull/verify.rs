//! Compares the phone's own hashes with those of the received bytes, beside the transfer: many files a
//! call, on the phone's CPU.

mod ahead;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use sha1::Digest as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::ahead::{Ahead, Answered};
use self::waiting::VerifyQueue;
use super::keeper::{Keeper, ToKeeper};
use super::reasons::reason_of_errno;
use super::task::{Setback, TryCost};
use super::unproven::{Call, Method, News, ToVerify, Unproven, proof_of};
use crate::adb::features::Feature;
use crate::adb::sync::{FileType, Operation, Stat, SyncAnswer};
use crate::digest::Hasher;
use crate::folder::reader::FoundOnDisk;
use crate::folder::{DataReader, Proof, Reason, ReasonCode};
use crate::halt::Halt;
use crate::item::Item;
use crate::phone::hash::{HashAlgorithm, Hashes};
use crate::phone::{Phone, PhoneError};

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

/// Finds out what the phone can prove: the best hash program that gives a correct result for empty input.
///
/// A failed program is tried again, because a phone short of memory may have it nevertheless. A program that never
/// answers is not used: the photos matter more than their proof.
pub async fn method_of(phone: &Phone) -> Result<Method, PhoneError> {
    let Ok(nothing) = crate::adb::RemotePath::new(b"/dev/null") else {
        return Ok(Method::SizeOnly);
    };
    for algorithm in HashAlgorithm::ALL {
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

/// The calls in progress. Each returns the files that have to be asked for again.
type Calls = JoinSet<Result<Vec<ToVerify>, PhoneError>>;

pub(super) struct Verifier {
    pub(super) phone: Arc<Phone>,
    pub(super) method: Method,
    pub(super) data: DataReader,
    pub(super) keeper: Keeper,
    pub(super) setbacks: mpsc::UnboundedSender<Setback>,
    pub(super) unproven: Arc<Unproven>,
    pub(super) halt: Halt,
}

/// Why the phone's answer does not prove a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubtful {
    /// The phone reports another hash.
    OtherHash,
    /// The phone reports no hash.
    NoHash,
}

impl Verifier {
    /// Verifies files until no more can arrive. Files that a lost phone leaves unproven stay *pulled*, for the next
    /// run.
    pub(super) async fn run(
        self,
        mut news: mpsc::UnboundedReceiver<News>,
    ) -> Result<(), PhoneError> {
        let verifier = Arc::new(self);
        let mut waiting = VerifyQueue::default();
        let mut ahead = Ahead::default();
        let mut calls = Calls::new();
        let mut open = true;
        loop {
            let is_free = calls.len() + ahead.calls() < CALLS_AT_ONCE;
            let is_due = !open || !matches!(verifier.method, Method::Hash(_)) || waiting.is_due();
            if is_free && is_due && !waiting.is_empty() {
                let batch = waiting.next_batch(verifier.phone.max_command_bytes());
                calls.spawn(Arc::clone(&verifier).prove(batch));
                continue;
            }
            // Only a SHA-256 can be compared before the file is in its place.
            let may_hash_ahead = verifier.method == Method::Hash(HashAlgorithm::Sha256)
                && verifier.unproven.may_hash_ahead();
            if is_free && waiting.is_empty() && may_hash_ahead {
                ahead.start(&verifier.phone);
            }
            if !open && waiting.is_empty() && calls.is_empty() && !ahead.is_awaited() {
                if ahead.calls() > 0 {
                    // Its file did not come to its end.
                    verifier.unproven.note_failure_ahead();
                }
                return Ok(());
            }
            tokio::select! {
                // The phone may hash for minutes; nobody waits for that after Ctrl-C.
                () = verifier.halt.stopped() => {
                    calls.shutdown().await;
                    return Ok(());
                }
                first = news.recv(), if open => match first {
                    Some(first) => {
                        let more = std::iter::from_fn(|| news.try_recv().ok());
                        for news in std::iter::once(first).chain(more) {
                            match news {
                                News::Begun(task) => ahead.begin(task),
                                News::Here(file) => {
                                    verifier.unproven.add(&file);
                                    verifier.go_on(ahead.arrive(file), &mut waiting, &mut calls);
                                }
                            }
                        }
                    }
                    None => open = false,
                },
                ended = calls.join_next(), if !calls.is_empty() => match ended {
                    Some(Ok(outcome)) => outcome?.into_iter().for_each(|file| waiting.push(file)),
                    Some(Err(failed)) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
                    Some(Err(_)) | None => {}
                },
                answered = ahead.next(&verifier.unproven), if ahead.calls() > 0 => {
                    verifier.go_on(answered, &mut waiting, &mut calls);
                }
                () = waiting.due(), if is_free && !waiting.is_empty() => {}
            }
        }
    }

    /// Decides about the next step for a file from what is known about it.
    fn go_on(self: &Arc<Self>, answered: Answered, waiting: &mut VerifyQueue, calls: &mut Calls) {
        match answered {
            Answered::Hash(file, hash) => {
                calls.spawn(Arc::clone(self).compare(file, hash));
            }
            Answered::Nothing(file) => waiting.push(file),
            Answered::Later => {}
        }
    }

    /// Compares a file with the hash that the phone computed while the file was arriving. A different hash is not
    /// final, because the file may have changed before all of it arrived: the phone is asked again.
    async fn compare(
        self: Arc<Self>,
        file: ToVerify,
        hash: Vec<u8>,
    ) -> Result<Vec<ToVerify>, PhoneError> {
        if file.pulled.sha256.0.as_slice() != hash {
            return Ok(vec![file]);
        }
        self.proven(file, Proof::Sha256).await;
        Ok(Vec::new())
    }

    /// Asks for the hashes of some files; returns those that have to be asked for again.
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
            // An invalid answer proves nothing.
            Ok(Hashes::NoProgram)
            | Err(PhoneError::Shell(_) | PhoneError::TooMuchOutput { .. }) => {
                vec![None; batch.len()]
            }
            Err(error) if error.is_gone() => return self.after_failed_call(batch, error).await,
            Err(error) => return Err(error),
        };
        self.unproven.note_call(Call::Answered);
        if algorithm != HashAlgorithm::Sha256 {
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
                (Some(_), _) => self.doubt(file, Doubtful::OtherHash).await?,
                (None, _) => self.doubt(file, Doubtful::NoHash).await?,
            }
        }
        Ok(again)
    }

    /// Handles a call during which the phone went away or fell silent. Smaller calls find the file that causes it,
    /// which is given up; the others continue.
    async fn after_failed_call(
        &self,
        batch: Vec<ToVerify>,
        error: PhoneError,
    ) -> Result<Vec<ToVerify>, PhoneError> {
        self.unproven.note_call(Call::Failed);
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
            "the phone disappears or stops answering when it hashes this file",
        );
        let _ = self.setbacks.send(Setback {
            task: file.task,
            reason,
            pulled: Some(file.pulled),
            cost: TryCost::One,
        });
    }

    async fn proven(&self, file: ToVerify, proof: Proof) {
        let id = file.task.id;
        self.keeper
            .tell(ToKeeper::Proven(id, file.pulled, proof))
            .await;
        // Not before: what is told twice does no harm, what is never told is not proven.
        self.unproven.settle(id);
    }

    async fn own_digest(&self, algorithm: HashAlgorithm, file: &ToVerify) -> Option<Vec<u8>> {
        if algorithm == HashAlgorithm::Sha256 {
            return Some(file.pulled.sha256.0.to_vec());
        }
        // Behind a barrier, so that it is there; something else may have its planned name.
        let moved = self.keeper.moved_to(file.task.id);
        let local = moved.unwrap_or_else(|| file.pulled.local.clone());
        let (data, sha256) = (self.data.clone(), file.pulled.sha256);
        let digested = tokio::task::spawn_blocking(move || {
            let Ok(FoundOnDisk::File(file)) = data.open(&local) else {
                return None;
            };
            let mut came = HashedFile {
                file,
                hasher: Hasher::default(),
            };
            let digest = digest(algorithm, &mut came).ok()?;
            // What is proven is what is recorded.
            (came.hasher.finish() == sha256).then_some(digest)
        });
        digested
            .await
            .unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
    }

    /// Handles a file that the phone contradicts or does not confirm: asks what the file is now, and has it pulled
    /// again.
    async fn doubt(&self, file: ToVerify, doubtful: Doubtful) -> Result<(), PhoneError> {
        let item = &file.task.item;
        let reason = match stat(&self.phone, item).await? {
            Some(stat) if stat.error != 0 => reason_of_errno(stat.error),
            Some(stat) if FileType::of_mode(stat.mode) != FileType::Regular => {
                Reason::new(ReasonCode::Vanished, "it is gone from the phone")
            }
            Some(stat) if stat.mtime != item.mtime || stat.size as u32 != item.size as u32 => {
                Reason::new(ReasonCode::ChangedWhileRead, "it changed on the phone")
            }
            _ => match doubtful {
                Doubtful::OtherHash => Reason::new(
                    ReasonCode::HashMismatch,
                    "the phone's hash differs from that of the bytes it sent",
                ),
                // Nothing speaks against what came: it keeps its name, unproven.
                Doubtful::NoHash => Reason::new(
                    ReasonCode::Refused,
                    "the phone sent the file, but cannot hash it",
                ),
            },
        };
        self.unproven.settle(file.task.id);
        let _ = self.setbacks.send(Setback {
            task: file.task,
            reason,
            pulled: Some(file.pulled),
            cost: TryCost::One,
        });
        Ok(())
    }
}

/// Returns the phone's current facts about an item.
pub(super) async fn stat(phone: &Phone, item: &Item) -> Result<Option<Stat>, PhoneError> {
    stats(phone, &[item])
        .await
        .map(|stats| stats.first().copied())
}

/// Returns the phone's current facts about items, in the same order. The list is shorter if the phone stops answering.
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
                Some(SyncAnswer::Stat(stat)) => stats.push(stat),
                _ => return Ok(stats),
            }
        }
    }
    Ok(stats)
}

fn digest(algorithm: HashAlgorithm, bytes: &mut dyn std::io::Read) -> std::io::Result<Vec<u8>> {
    match algorithm {
        HashAlgorithm::Sha256 => {
            let mut hasher = Hasher::default();
            read_all(bytes, |piece| hasher.update(piece))?;
            Ok(hasher.finish().0.to_vec())
        }
        HashAlgorithm::Sha1 => {
            let mut hasher = sha1::Sha1::new();
            read_all(bytes, |piece| hasher.update(piece))?;
            Ok(hasher.finalize().to_vec())
        }
        HashAlgorithm::Md5 => {
            let mut hasher = md5::Md5::new();
            read_all(bytes, |piece| hasher.update(piece))?;
            Ok(hasher.finalize().to_vec())
        }
    }
}

/// A file, hashed as it is recorded while another hash reads it.
struct HashedFile {
    file: std::fs::File,
    hasher: Hasher,
}

impl std::io::Read for HashedFile {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let held = self.file.read(buffer)?;
        self.hasher.update(buffer.get(..held).unwrap_or_default());
        Ok(held)
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
