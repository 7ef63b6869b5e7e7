//! The events that steps emit while they work: the one stream behind the terminal and `--json`.
//!
//! Serialised, an event is one line of JSON with a `type`; the names and fields are a contract.
//! Paths of the phone are shown as text with replacement characters; the catalogue has the bytes.

use std::sync::Arc;

use serde::Serialize as _;

use crate::adb::RemotePath;
use crate::adb::server::DeviceState;
use crate::digest::Sha256;
use crate::export::Why;
use crate::folder::check::Finding;
use crate::folder::upload::UploadReason;
use crate::folder::{Proof, Reason};
use crate::halt::Halt;
use crate::names::LocalPath;
use crate::phone::connect::Waiting;

/// Something that happened.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Work waits for something outside.
    Waiting {
        /// What is waited for.
        what: Wait,
        /// For how long at most, in seconds.
        seconds: u64,
        /// What stands in the way, if more is known than what is waited for.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// A step of unlocking, allowing or a script begins.
    Step {
        /// What is done.
        what: String,
    },
    /// A phone is connected.
    Connected {
        /// Its serial number.
        serial: String,
        /// Maker and model, as in `Google Pixel 7`.
        model: String,
        /// Its Android version, as in `14`.
        android_version: String,
    },
    /// The phone went away in the middle; the run goes on when it is back.
    PhoneGone {
        /// What happened to the connection.
        message: String,
    },
    /// The phone that disappeared is back; the run resumes.
    PhoneBack {
        /// How long it was gone, in seconds.
        after_seconds: u64,
    },
    /// A volume of the phone is being listed.
    Listing {
        /// Its folder below `data/`.
        volume: String,
    },
    /// The number of files listed up to now.
    Listed {
        /// Files seen, wanted or not.
        files: u64,
    },
    /// A folder that the phone does not let its shell read.
    FolderRefused {
        /// The folder.
        path: RemotePath,
        /// Whether Android keeps it from every shell, so that nothing is wrong with this phone.
        expected: bool,
    },
    /// The plan of the pull is complete.
    Planned {
        /// The rescue folder.
        folder: String,
        /// Items to be pulled.
        items: u64,
        /// Their bytes.
        bytes: u64,
        /// Items that are here already and proven, from an earlier run.
        done_items: u64,
        /// Their bytes.
        done_bytes: u64,
        /// Items that are here already, and still to be proven.
        unproven_items: u64,
    },
    /// What stood in the place of a rescued file and was something else was moved away; the item
    /// is pulled again.
    SetAside {
        /// The place, below `data/`.
        local: LocalPath,
        /// Where it lies now, from the rescue folder.
        to: String,
        /// Why, as the end of a sentence.
        why: &'static str,
    },
    /// An item that would be pulled (`--dry-run`).
    WouldPull {
        /// Its path on the phone.
        path: RemotePath,
        /// Its size in bytes.
        size: u64,
    },
    /// An item's first bytes are coming.
    Pulling {
        /// Its path on the phone.
        path: RemotePath,
        /// Its size in bytes.
        size: u64,
    },
    /// Bytes of items arrived.
    Received {
        /// How many.
        bytes: u64,
    },
    /// Received bytes were discarded: their item starts over.
    Discarded {
        /// How many.
        bytes: u64,
    },
    /// An item is on the PC's disk, synced, under its name.
    Pulled {
        /// Its path on the phone.
        path: RemotePath,
        /// Its path below `data/`.
        local: LocalPath,
        /// Its size in bytes.
        size: u64,
    },
    /// The phone's own hash of an item matches.
    Verified {
        /// Its path on the phone.
        path: RemotePath,
        /// What proves it.
        proof: Proof,
        /// Its size in bytes.
        size: u64,
    },
    /// An item failed for now; it is tried again at the end.
    Postponed {
        /// Its path on the phone.
        path: RemotePath,
        /// Why.
        reason: Reason,
    },
    /// An item failed for good in this run.
    Failed {
        /// Its path on the phone.
        path: RemotePath,
        /// Why.
        reason: Reason,
    },
    /// Only parts of an item could be read; they are kept beside its place.
    Damaged {
        /// Its path on the phone.
        path: RemotePath,
        /// Where the bytes are, below `data/`.
        local: LocalPath,
        /// How many of its bytes could not be read; 0 when all came, but are not what the phone
        /// says it has.
        missing_bytes: u64,
        /// Why.
        reason: Reason,
    },
    /// The plan of an upload is complete.
    UploadPlanned {
        /// The remote's name.
        remote: String,
        /// Files to be sent.
        items: u64,
        /// Their bytes.
        bytes: u64,
        /// Files that are there already, by their receipts.
        done_items: u64,
    },
    /// A file that would be sent (`--dry-run`).
    WouldUpload {
        /// The file, below `data/`.
        source: String,
        /// Its path below the remote's root.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A remote acknowledged a file.
    Uploaded {
        /// The file, below `data/`.
        source: String,
        /// Its path below the remote's root.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A copy was sent instead of a file itself.
    CopyUploaded {
        /// The file, below `data/`.
        source: String,
        /// The copy.
        #[serde(flatten)]
        copy: SentCopy,
    },
    /// A file was sent unchanged, although a copy was asked for.
    UploadedAsItIs {
        /// The file, below `data/`.
        source: String,
        /// Why, in words.
        message: String,
    },
    /// A remote had the same file already; it was not sent.
    AlreadyThere {
        /// The file, below `data/`.
        source: String,
        /// Its path below the remote's root.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
    /// Another file has this one's name on the remote; it goes under another name.
    UploadRenamed {
        /// The file, below `data/`.
        source: String,
        /// Its path below the remote's root.
        path: String,
    },
    /// A remote does not take a file.
    UploadSkipped {
        /// The file, below `data/`.
        source: String,
        /// Why.
        reason: UploadReason,
        /// In words.
        message: String,
    },
    /// A file could not be sent.
    UploadFailed {
        /// The file, below `data/`.
        source: String,
        /// Why.
        reason: UploadReason,
        /// In words.
        message: String,
    },
    /// An archive, or one part of several, is about to be written.
    Exporting {
        /// Where.
        archive: String,
        /// Files that go into it.
        items: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Bytes went into the archive.
    Packing {
        /// How many.
        bytes: u64,
    },
    /// A file is in the archive.
    Packed {
        /// Its path below the rescue folder's `data/`.
        local: LocalPath,
        /// Its size in bytes.
        size: u64,
    },
    /// A file is not in the archive.
    LeftOut {
        /// Its path on the phone.
        path: RemotePath,
        /// Its path below the rescue folder's `data/`.
        local: LocalPath,
        /// Why.
        #[serde(flatten)]
        why: Why,
    },
    /// A file of the rescue folder that no pull put there is not in the archive.
    Stranger {
        /// Its path below the rescue folder's `data/`; what is not UTF-8 of it is replaced.
        path: String,
    },
    /// The files of a rescue folder or of an archive are about to be checked.
    Checking {
        /// How many.
        items: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Something in a rescue folder is not as it was recorded.
    Finding(Finding),
    /// Bytes of the rescue folder or of the archive were read.
    Checked {
        /// How many.
        bytes: u64,
    },
}

/// A copy that was made for an upload.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SentCopy {
    /// What is different in it.
    pub what: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    #[serde(serialize_with = "as_digits")]
    pub sha256: Sha256,
}

fn as_digits<S: serde::Serializer>(sha256: &Sha256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(sha256)
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Somebody has to tap "Allow" on the phone.
    Approval,
    /// The phone is not there, or not any more.
    Phone,
    /// The phone is there and says nothing: somebody has to plug it in again.
    Answer,
    /// The phone is in a state that passes by itself.
    State(DeviceState),
    /// The phone is back, and its storage is not: it was restarted.
    Storage,
    /// A remote cannot be reached.
    Connection,
    /// A remote's bucket is not there.
    Bucket,
    /// A remote wants to be left alone for a while.
    Service,
    /// What a remote allows in a day is used up.
    Quota,
    /// The phone at this address is not there, or not any more; for programs, the same as `Phone`.
    #[serde(untagged)]
    Address(#[serde(serialize_with = "as_phone")] String),
}

impl Wait {
    /// Whether a phone is waited for, and no remote.
    pub(crate) fn is_for_phone(&self) -> bool {
        match self {
            Self::Approval
            | Self::Phone
            | Self::Answer
            | Self::State(_)
            | Self::Storage
            | Self::Address(_) => true,
            Self::Connection | Self::Bucket | Self::Service | Self::Quota => false,
        }
    }
}

fn as_phone<S: serde::Serializer>(_: &String, serializer: S) -> Result<S::Ok, S::Error> {
    Wait::Phone.serialize(serializer)
}

impl From<&Waiting> for Wait {
    fn from(waiting: &Waiting) -> Self {
        match waiting {
            Waiting::Approval => Self::Approval,
            Waiting::Phone => Self::Phone,
            Waiting::Address(address) => Self::Address(address.clone()),
            Waiting::Answer => Self::Answer,
            Waiting::State(state) => Self::State(state.clone()),
        }
    }
}

/// The supervisor of a running step: it receives the step's events, and may stop the step. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Supervisor {
    /// Receives the events.
    pub(crate) events: Events,
    /// Stops the step.
    pub(crate) halt: Halt,
}

/// Where events go; cheap to clone.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    /// Sends events to a function, which may be called from any thread.
    pub fn to(receive: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receive))
    }

    /// Sends an event.
    pub fn emit(&self, event: Event) {
        (self.0)(event);
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events(..)")
    }
}
