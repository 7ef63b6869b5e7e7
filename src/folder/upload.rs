//! The types for each file and remote in the catalogue: the queue and the receipts.

use crate::digest::Sha256;
use crate::folder::EntryId;
use crate::names::UploadPath;

/// Files up to this size, in bytes, are sent from memory, where their SHA-256 proves them all at once.
pub const SMALL_BYTES: u64 = 2 * 1024 * 1024;

/// A remote's number in a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RemoteId(pub(super) i64);

/// An upload's number in a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(pub(super) i64);

/// One file and one remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its number.
    pub id: UploadId,
    /// Which entry; `None` for an archive.
    pub entry: Option<EntryId>,
    /// The file: below `data/` for an entry, else an absolute path.
    pub source: String,
    /// Where it goes, below the remote's root.
    pub path: UploadPath,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256,
    /// How far it is.
    pub state: UploadState,
    /// The service's own id of it, or its ETag.
    pub there: Option<String>,
    /// The service's checksum of it, as `md5:...`.
    pub checksum: Option<String>,
    /// Why it is not there.
    pub reason: Option<UploadReason>,
    /// The same in words; may hold the service's own, which are untrusted. Of one that is there: what
    /// was sent instead of the file itself.
    pub message: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When its state last changed, in seconds since 1970.
    pub changed: i64,
}

/// An upload to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// See [`Upload::entry`].
    pub entry: Option<EntryId>,
    /// See [`Upload::source`].
    pub source: String,
    /// See [`Upload::path`].
    pub path: UploadPath,
    /// See [`Upload::size`].
    pub size: u64,
    /// See [`Upload::sha256`].
    pub sha256: Sha256,
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// To be sent.
    Waiting,
    /// Begun: what is at its path may be a part of it, or all.
    Sending,
    /// The service said that it has it.
    Sent,
    /// The service was asked afterwards, and has it in its full size.
    There,
    /// The service does not take such a file.
    Skipped,
    /// It could not be sent.
    Failed,
}

impl UploadState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Sending,
        Self::Sent,
        Self::There,
        Self::Skipped,
        Self::Failed,
    ];

    /// The text in the catalogue; must never change.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::There => "there",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// Why a file is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadReason {
    /// The service takes no file of this size.
    TooLarge,
    /// The service does not take the name, also not in another spelling.
    NameRefused,
    /// The service does not take this type of file.
    TypeRefused,
    /// The service refused the file otherwise.
    Refused,
    /// The file in the rescue folder is not what it was when it was verified.
    SourceChanged,
    /// The file in the rescue folder is gone.
    SourceGone,
    /// The file in the rescue folder cannot be read.
    SourceUnreadable,
    /// The service said that it has the file, but does not have all of it.
    SizeDiffers,
    /// The service has it no more.
    Missing,
    /// The service was busy or unreachable for too long.
    Busy,
    /// Anything else.
    Other,
}

impl UploadReason {
    /// All reasons.
    pub const ALL: [Self; 11] = [
        Self::TooLarge,
        Self::NameRefused,
        Self::TypeRefused,
        Self::Refused,
        Self::SourceChanged,
        Self::SourceGone,
        Self::SourceUnreadable,
        Self::SizeDiffers,
        Self::Missing,
        Self::Busy,
        Self::Other,
    ];

    /// The text in the catalogue and in JSON; must never change.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NameRefused => "name_refused",
            Self::TypeRefused => "type_refused",
            Self::Refused => "refused",
            Self::SourceChanged => "source_changed",
            Self::SourceGone => "source_gone",
            Self::SourceUnreadable => "source_unreadable",
            Self::SizeDiffers => "size_differs",
            Self::Missing => "missing",
            Self::Busy => "busy",
            Self::Other => "other",
        }
    }
}

/// A change to an upload, to be recorded with others in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadRecord {
    /// Its path is taken, and bytes may go there from now on.
    Sending {
        /// Which upload.
        id: UploadId,
        /// The path, when it is not the planned one.
        path: Option<UploadPath>,
    },
    /// The service gave something for its bytes.
    Pledged {
        /// Which upload.
        id: UploadId,
        /// The bytes that it was given for.
        sha256: Sha256,
        /// What.
        pledge: Pledge,
    },
    /// What the service gave is good no more.
    PledgeEnded {
        /// Which upload.
        id: UploadId,
    },
    /// A copy goes instead of the file itself. After [`UploadRecord::Sending`].
    Instead {
        /// Which upload.
        id: UploadId,
        /// What is different in it, and its hash.
        what: String,
    },
    /// The service said that it has it.
    Sent {
        /// Which upload.
        id: UploadId,
        /// See [`Upload::there`].
        there: Option<String>,
        /// See [`Upload::checksum`].
        checksum: Option<String>,
    },
    /// The service has it in its full size.
    There {
        /// Which upload.
        id: UploadId,
        /// See [`Upload::checksum`]; `None` leaves what is known.
        checksum: Option<String>,
    },
    /// The service spells its path otherwise.
    Respelt {
        /// Which upload.
        id: UploadId,
        /// As the service does.
        path: String,
    },
    /// It is to be sent again.
    Waiting {
        /// Which upload.
        id: UploadId,
        /// Why, when something went wrong.
        why: Option<(UploadReason, String)>,
    },
    /// The service does not take it.
    Skipped {
        /// Which upload.
        id: UploadId,
        /// Why.
        reason: UploadReason,
        /// In words.
        message: String,
    },
    /// It could not be sent.
    Failed {
        /// Which upload.
        id: UploadId,
        /// Why.
        reason: UploadReason,
        /// In words.
        message: String,
    },
}

/// What a service gave for bytes that it has, or is getting; it is good for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pledge {
    /// It has the bytes; this stands for them.
    Token(String),
    /// It is getting them; this is where they go, and where it tells how many it has.
    Session(String),
}

/// A pledge as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pledged {
    /// What was given.
    pub pledge: Pledge,
    /// The bytes that it was given for.
    pub sha256: Sha256,
    /// When, in seconds since 1970.
    pub given: i64,
}

/// How many files of a remote are in a state, for a reason.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct UploadCount {
    /// The state.
    pub state: UploadState,
    /// Why, for those that are not there.
    pub reason: Option<UploadReason>,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A remote that files of this folder were sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRemote {
    /// Its number.
    pub id: RemoteId,
    /// Its name.
    pub name: String,
    /// What it leads to, without secrets.
    pub target: String,
}
