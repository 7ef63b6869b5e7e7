//! The facts in the catalogue about each file of the phone: its state, its reason, its counts.

use std::fmt;

use crate::digest::Sha256;
use crate::item::Item;
use crate::names::LocalPath;

/// An entry's number in its catalogue; also the name of its file under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct EntryId(pub i64);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A file of the phone, as the catalogue knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// The file on the phone; its size is as listed, or as pulled once it is.
    pub item: Item,
    /// 1 for the first file seen under this path, one more each time the phone's file changed
    /// after it was pulled.
    pub version: u32,
    /// Its path below `data/`, also before it is there.
    pub local: LocalPath,
    /// How far it is.
    pub state: State,
    /// The SHA-256 of the file below `data/`; when it is not there any more, of what was there, so
    /// that it is known again when it comes back.
    pub sha256: Option<Sha256>,
    /// Why it is not, when something went wrong.
    pub reason: Option<Reason>,
    /// How often it was tried.
    pub attempts: u32,
}

/// An entry to be, for a file that a listing showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// The file on the phone, as listed.
    pub item: Item,
    /// See [`Entry::version`].
    pub version: u32,
    /// Its path below `data/`.
    pub local: LocalPath,
}

/// How far an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// To be pulled.
    Planned,
    /// On the disk under its name, and hashed as it arrived.
    Pulled,
    /// Pulled, and the phone says the same about it.
    Verified(Proof),
    /// Not all of it could be read; what could is kept beside its place.
    Damaged,
    /// Nothing of it is here.
    Failed,
    /// Pulled, but the phone's file changed later; this older version is kept.
    Superseded,
}

/// What the phone said that makes a file verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Its SHA-256 is the same.
    Sha256,
    /// Its SHA-1 is the same.
    Sha1,
    /// Its MD5 is the same.
    Md5,
    /// Only its size is; the phone has no program that hashes.
    Size,
}

impl Proof {
    /// All proofs, the strongest first.
    pub const ALL: [Self; 4] = [Self::Sha256, Self::Sha1, Self::Md5, Self::Size];

    /// The text in the catalogue; must never change.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha1 => "sha1",
            Self::Md5 => "md5",
            Self::Size => "size",
        }
    }
}

/// Why a file is not here.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Reason {
    /// What kind of reason.
    pub code: ReasonCode,
    /// The phone's or the system's own words; untrusted.
    pub message: String,
}

impl Reason {
    /// A reason in words.
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// What kind of reason kept a file from being here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The phone does not let its shell read the file.
    PermissionDenied,
    /// The phone listed the file, but it is gone.
    Vanished,
    /// The storage that the file is on is gone: a card taken out, or a phone that locked itself.
    StorageGone,
    /// The file changed while it was read.
    ChangedWhileRead,
    /// The phone's storage fails to give the bytes.
    PhoneIo,
    /// The phone refused the file for another reason.
    Refused,
    /// The phone went away.
    PhoneGone,
    /// It was listed as a file, and is something else.
    NotAFile,
    /// This computer's disk failed.
    LocalDisk,
    /// This computer's filesystem does not take the name or the size.
    NameRefused,
    /// This computer's disk has no room for the file.
    NoRoom,
    /// The phone's hash differs from the hash of the received bytes.
    HashMismatch,
    /// Anything else.
    Other,
}

impl ReasonCode {
    /// All codes.
    pub const ALL: [Self; 13] = [
        Self::PermissionDenied,
        Self::Vanished,
        Self::StorageGone,
        Self::ChangedWhileRead,
        Self::PhoneIo,
        Self::Refused,
        Self::PhoneGone,
        Self::NotAFile,
        Self::LocalDisk,
        Self::NameRefused,
        Self::NoRoom,
        Self::HashMismatch,
        Self::Other,
    ];

    /// The text in the catalogue and in JSON; must never change.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PermissionDenied => "permission_denied",
            Self::Vanished => "vanished",
            Self::StorageGone => "storage_gone",
            Self::ChangedWhileRead => "changed_while_read",
            Self::PhoneIo => "phone_io",
            Self::Refused => "refused",
            Self::PhoneGone => "phone_gone",
            Self::NotAFile => "not_a_file",
            Self::LocalDisk => "local_disk",
            Self::NameRefused => "name_refused",
            Self::NoRoom => "no_room",
            Self::HashMismatch => "hash_mismatch",
            Self::Other => "other",
        }
    }

    /// Whether it is likely to be the same the next time.
    pub(crate) fn is_lasting(self) -> bool {
        !matches!(
            self,
            Self::PhoneGone
                | Self::StorageGone
                | Self::LocalDisk
                | Self::NoRoom
                | Self::HashMismatch
                | Self::ChangedWhileRead
        )
    }
}

/// A change to an entry, to be recorded with others in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The file is on the disk under its name. What was kept of it while it was damaged stays
    /// until it is proven.
    Pulled {
        /// Which entry.
        id: EntryId,
        /// The SHA-256 of the bytes.
        sha256: Sha256,
        /// Their number.
        size: u64,
        /// Where they are, when it is not where they were planned to be.
        local: Option<LocalPath>,
    },
    /// The phone says the same about a pulled file. What was kept of it while it was damaged may
    /// go now: see [`Record::Discarded`].
    Verified {
        /// Which entry.
        id: EntryId,
        /// What it said.
        proof: Proof,
    },
    /// The file is not available, and nothing of it is below `data/`.
    Failed {
        /// Which entry.
        id: EntryId,
        /// Why.
        reason: Reason,
    },
    /// Only parts of the file are readable.
    Damaged {
        /// Which entry.
        id: EntryId,
        /// Why.
        reason: Reason,
        /// What is kept below `data/`: the bytes that could be read, and a note about the others.
        /// What is on record from before stays there until it is discarded.
        kept: Vec<Companion>,
    },
    /// Something that was kept of a damaged file has been removed. Recorded after the removal: a
    /// file that is there and on no record could never be told from somebody else's.
    Discarded {
        /// Which entry.
        id: EntryId,
        /// What it was.
        local: LocalPath,
    },
    /// The file is to be pulled again: it changed before it was here, or wrong bytes arrived.
    Replan {
        /// Which entry.
        id: EntryId,
        /// Its size in bytes, as listed now.
        size: u64,
        /// See [`Item::size_is_exact`].
        size_is_exact: bool,
        /// Its modification time, as listed now.
        mtime: i64,
    },
    /// The phone's file changed after it was pulled. Record it after the new version was planned:
    /// a power cut in between must not lose the change.
    Supersede {
        /// Which entry.
        id: EntryId,
    },
}

impl Record {
    /// Which entry it concerns.
    pub fn id(&self) -> EntryId {
        match self {
            Self::Pulled { id, .. }
            | Self::Verified { id, .. }
            | Self::Failed { id, .. }
            | Self::Damaged { id, .. }
            | Self::Discarded { id, .. }
            | Self::Replan { id, .. }
            | Self::Supersede { id } => *id,
        }
    }
}

/// A file below `data/` that belongs to a damaged entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// Where it is.
    pub local: LocalPath,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256,
    /// How many of its bytes could not be read and are zeros; `None` of a whole copy, of a note, and where an older
    /// version of this program kept it.
    pub missing_bytes: Option<u64>,
}

/// A file below `data/`, as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Where it is.
    pub local: LocalPath,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256,
}

/// How many files and how many bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// Files.
    pub files: u64,
    /// Bytes; of files that are not here, as listed.
    pub bytes: u64,
}

impl Count {
    /// Counts one file of this size.
    pub fn of(bytes: u64) -> Self {
        Self { files: 1, bytes }
    }
}

/// How many entries are how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// To be pulled.
    pub planned: Count,
    /// Pulled, not verified.
    pub pulled: Count,
    /// Verified by any proof.
    pub verified: Count,
    /// Those of the verified that the phone's SHA-256 proves.
    pub verified_by_sha256: Count,
    /// Those of the verified that only the phone's SHA-1 proves.
    pub verified_by_sha1: Count,
    /// Those of the verified that only the phone's MD5 proves.
    pub verified_by_md5: Count,
    /// Those of the verified that only their size proves.
    pub verified_by_size: Count,
    /// Not wholly readable.
    pub damaged: Count,
    /// Not here.
    pub failed: Count,
    /// Older versions that are kept.
    pub superseded: Count,
}

impl Summary {
    /// Adds entries of one state.
    pub fn add(&mut self, state: State, count: Count) {
        let sums = match state {
            State::Planned => [Some(&mut self.planned), None],
            State::Pulled => [Some(&mut self.pulled), None],
            State::Verified(proof) => {
                let by_proof = match proof {
                    Proof::Sha256 => &mut self.verified_by_sha256,
                    Proof::Sha1 => &mut self.verified_by_sha1,
                    Proof::Md5 => &mut self.verified_by_md5,
                    Proof::Size => &mut self.verified_by_size,
                };
                [Some(&mut self.verified), Some(by_proof)]
            }
            State::Damaged => [Some(&mut self.damaged), None],
            State::Failed => [Some(&mut self.failed), None],
            State::Superseded => [Some(&mut self.superseded), None],
        };
        for sum in sums.into_iter().flatten() {
            sum.files = sum.files.saturating_add(count.files);
            sum.bytes = sum.bytes.saturating_add(count.bytes);
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Everything wanted is here.
    Done,
    /// Everything was tried; some items failed.
    SomeFailed,
    /// The person stopped it.
    Interrupted,
    /// It failed.
    Failed,
}

impl RunOutcome {
    /// All outcomes.
    pub const ALL: [Self; 4] = [
        Self::Done,
        Self::SomeFailed,
        Self::Interrupted,
        Self::Failed,
    ];

    /// The text in the catalogue; must never change.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::SomeFailed => "some_failed",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// A run's number in its catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId(pub(super) i64);

/// A run of `rescue pull`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Run {
    /// When it began, in seconds since 1970.
    pub started: i64,
    /// When it ended; `None` while it runs, and after a kill.
    pub ended: Option<i64>,
    /// Which version of `rescue` it was.
    pub tool: String,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
}

impl Run {
    /// Whether it came to its end and could read all that it was to look for: folders that the phone
    /// refused have no entries.
    pub fn is_whole(&self) -> bool {
        self.outcome == Some(RunOutcome::Done)
    }
}
