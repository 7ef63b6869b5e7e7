//! The error of a command: a kind that answers *retry? exit code? which guide page?*, a message, the
//! causes, and one next step.

use std::error::Error as StdError;
use std::fmt;

use crate::hint::Hint;

/// What kind of failure ended a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The command line is invalid.
    Usage,
    /// No phone is attached, or not the one asked for.
    NoPhone,
    /// Several phones are attached and none was chosen.
    SeveralPhones,
    /// The phone has not allowed this computer.
    Unauthorized,
    /// The phone is seen on USB, but this user may not open it.
    NoUsbPermission,
    /// The phone was not unlocked since it started: its storage is encrypted.
    Locked,
    /// The phone is in a state that has no files to give (offline, recovery, sideload...).
    PhoneNotReady,
    /// The phone went away, or stopped answering.
    PhoneGone,
    /// The phone answered what the protocol does not allow.
    PhoneTalksNonsense,
    /// The phone refused the whole request.
    Refused,
    /// The adb server is not running or answered an error.
    AdbServer,
    /// The key file cannot be read or written.
    Key,
    /// The folder is no rescue folder, is another phone's, or was written by a newer version.
    Folder,
    /// Another `rescue` works on the folder.
    FolderBusy,
    /// The disk is full.
    DiskFull,
    /// The disk refused something else.
    Disk,
    /// The computer's system refused what the program cannot do without.
    System,
    /// A fault of this program.
    Bug,
    /// A remote cannot be reached.
    NoConnection,
    /// A remote does not accept who we are, or cannot be trusted.
    RemoteDenied,
    /// A remote has no room left.
    RemoteFull,
    /// A remote refused something else.
    Remote,
    /// Nothing on the phone is what was asked for.
    NothingMatches,
    /// The work was done, but some items failed; they are listed.
    SomeItemsFailed,
    /// The person pressed Ctrl-C; everything so far is safe.
    Interrupted,
}

impl Kind {
    /// The process's exit code; a documented contract.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::SomeItemsFailed => 3,
            Self::Usage | Self::SeveralPhones => 2,
            Self::NoPhone => 10,
            Self::Unauthorized => 11,
            Self::NoUsbPermission => 12,
            Self::Locked => 13,
            Self::Interrupted => 130,
            Self::NothingMatches
            | Self::PhoneNotReady
            | Self::PhoneGone
            | Self::PhoneTalksNonsense
            | Self::Refused
            | Self::AdbServer
            | Self::Key
            | Self::Folder
            | Self::FolderBusy
            | Self::DiskFull
            | Self::NoConnection
            | Self::RemoteDenied
            | Self::RemoteFull
            | Self::Remote
            | Self::Disk
            | Self::System
            | Self::Bug => 1,
        }
    }

    /// Whether the same command can succeed later although the person changes nothing on this computer: the phone, a
    /// connection or a service may be otherwise by then.
    pub(crate) fn is_worth_retrying(self) -> bool {
        match self {
            Self::NoPhone
            | Self::Unauthorized
            | Self::Locked
            | Self::PhoneNotReady
            | Self::PhoneGone
            | Self::NoConnection
            | Self::Remote
            | Self::RemoteFull
            | Self::AdbServer => true,
            Self::Usage
            | Self::NothingMatches
            | Self::SeveralPhones
            | Self::NoUsbPermission
            | Self::PhoneTalksNonsense
            | Self::Refused
            | Self::Key
            | Self::Folder
            | Self::FolderBusy
            | Self::DiskFull
            | Self::Disk
            | Self::System
            | Self::Bug
            | Self::RemoteDenied
            | Self::SomeItemsFailed
            | Self::Interrupted => false,
        }
    }
}

/// A failure as a command reports it: `error: what`, `caused by: ...`, `hint: one action`.
#[derive(Debug)]
pub struct Error {
    /// What kind of failure it is.
    pub kind: Kind,
    /// What happened, naming the thing.
    pub message: String,
    /// One thing that the person can do next.
    pub hint: Option<Hint>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure without a cause below it.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// The end that the person asked for.
    pub(crate) fn stopped() -> Self {
        Self::new(Kind::Interrupted, "stopped; everything done so far is safe")
    }

    /// Adds the one next step, in place of any earlier one.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The causes from the nearest to the root, as text.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}
