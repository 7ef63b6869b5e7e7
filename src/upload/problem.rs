//! The failures of a remote, and what each means for the file and for the run.

mod answer;
mod failure;

use std::time::Duration;

pub(super) use self::answer::{code_of, retry_after};
use crate::folder::upload::UploadReason;

/// The most of a service's own words that is kept, in characters.
const MAX_WORDS: usize = 300;

/// A problem with a remote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// No connection could be made, or the connection broke.
    #[error("no connection to {host}: {words}")]
    Unreachable { host: String, words: String },
    /// The service asks to come back later, or has trouble of its own.
    #[error("the service is busy ({words}){}", asked_to_wait(*.after))]
    Busy {
        /// The time to wait, if the service says.
        after: Option<Duration>,
        words: String,
    },
    /// The service failed while handling this request. It may fail for this file each time.
    #[error("the service reports an error of its own ({words})")]
    Failing { words: String },
    /// The service rejects the credentials, or the permissions that they give.
    #[error("the service refuses access ({words})")]
    Denied { words: String },
    /// The service refuses this request, but may allow others.
    #[error("the service does not allow it ({words})")]
    Forbidden { words: String },
    /// The service redirects to another address, which the user has not chosen for the photos.
    #[error("the service redirects to {to} ({words})")]
    Moved {
        /// The redirect's scheme, host and port.
        to: String,
        words: String,
    },
    /// The bucket is in a different region from the one in the settings.
    #[error("the bucket is in the region {region} ({words})")]
    OtherRegion {
        region: String,
        /// The service's message.
        words: String,
    },
    /// The user has to sign in again.
    #[error("{words}")]
    SignedOut {
        words: String,
        /// What the user can check if it happens repeatedly; may be empty.
        check: String,
    },
    /// This computer's clock differs too much from the service's for signed requests.
    #[error("this computer's clock and the service's differ too much ({words})")]
    ClockSkew { words: String },
    /// The connection cannot be secured: the service's certificate is not trusted.
    #[error("the connection to {host} cannot be trusted: {words}")]
    Untrusted { host: String, words: String },
    /// This computer has no root certificates.
    #[error("the connection to {host} cannot be trusted: this computer has no CA certificates")]
    NoCertificates { host: String },
    /// An SSH server presents a different key from the known one.
    #[error("{host} is not the known server: its host key differs ({words})")]
    HostKey { host: String, words: String },
    /// No key of an SSH server is known, so that nobody can say who answers.
    #[error("the host key of {host} is not confirmed yet ({words})")]
    HostKeyUnknown { host: String, words: String },
    /// A folder on this computer takes no files.
    #[error("no file can be created there ({words})")]
    NoWriting { words: String },
    /// A file has the place of the remote's folder.
    #[error("{path} is a file, and a folder has to be there")]
    InTheWay { path: String },
    /// A file has the place of a folder below the remote. Files elsewhere can be sent.
    #[error("{path} is a file, and a folder has to be there: move it away")]
    FolderBlocked { path: String },
    /// An SSH server accepts the sign-in but offers no SFTP.
    #[error("{words}")]
    NoSftp {
        /// What the server does instead.
        words: String,
    },
    /// A WebDAV server answers, but has no folder at the remote's address.
    #[error("there is no WebDAV folder at the remote's address ({words})")]
    NoWebDav { words: String },
    /// The bucket does not exist.
    #[error("the bucket does not exist ({words})")]
    NoBucket {
        /// The service's message.
        words: String,
    },
    /// The service has no storage space left.
    #[error("there is no room left ({words})")]
    Full { words: String },
    /// The service's daily quota is used up.
    #[error("the service's daily quota is used up until {}", in_local_time(*.until))]
    Quota {
        /// When the next quota starts, in seconds since 1970.
        until: i64,
    },
    /// The service does not accept files of this size.
    #[error("over this service's limit ({words})")]
    TooLarge {
        /// The service's message, or the limit.
        words: String,
    },
    /// The service does not accept the file's name.
    #[error("the service does not take the name ({words})")]
    NameRefused { words: String },
    /// The service refuses this file permanently.
    #[error("{words}")]
    Refused {
        /// The kind of refusal.
        reason: UploadReason,
        /// The reason in words.
        words: String,
    },
    /// The requested file or folder does not exist.
    #[error("not there: {what}")]
    NotFound { what: String },
    /// Something else already has the name.
    #[error("{path} already exists with other content")]
    Taken { path: String },
    /// The file in the rescue folder has changed since it was verified.
    #[error("the file changed since it was verified: {what}")]
    SourceChanged {
        /// What differs.
        what: String,
    },
    /// The file in the rescue folder no longer exists.
    #[error("the file is gone from the rescue folder")]
    SourceGone,
    /// The file in the rescue folder cannot be read.
    #[error("the file cannot be read: {words}")]
    SourceUnreadable { words: String },
    /// This computer lacks file handles or memory. No file is at fault.
    #[error("this computer has too few resources for the upload: {words}")]
    Shortage { words: String },
    /// The settings of the remote are invalid.
    #[error("the remote's settings are invalid: {words}")]
    Settings { words: String },
    /// The service answered in an unexpected way.
    #[error("{words}")]
    Other {
        words: String,
        /// Whether a repetition may succeed.
        passing: bool,
    },
}

/// What a problem means for the file and for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Wait for the connection; no file is at fault.
    WaitForConnection,
    /// Try again. All requests wait until this time has passed.
    Later(Option<Duration>),
    /// Try again after a pause for all requests. This file may fail each time.
    LaterOrNever,
    /// Wait until this time, in seconds since 1970; until then, every request fails.
    Until(i64),
    /// Wait until the destination exists, if the user wants that; no file is at fault.
    WaitIfWished,
    /// Try this file again.
    Again,
    /// Choose another name for the file.
    Rename,
    /// Skip this file, which the service refuses permanently.
    Skip(UploadReason),
    /// This file fails; others may succeed.
    Fail(UploadReason),
    /// Stop the run, because no file can succeed.
    Stop,
}

impl Problem {
    /// Returns what the problem means for the file and for the run.
    pub(crate) fn advice(&self) -> Advice {
        use Advice as A;
        match self {
            Self::Unreachable { .. } => A::WaitForConnection,
            Self::Busy { after, .. } => A::Later(*after),
            Self::Failing { .. } => A::LaterOrNever,
            Self::Quota { until } => A::Until(*until),
            Self::NoBucket { .. } => A::WaitIfWished,
            Self::Denied { .. }
            | Self::Forbidden { .. }
            | Self::Moved { .. }
            | Self::OtherRegion { .. }
            | Self::SignedOut { .. }
            | Self::ClockSkew { .. }
            | Self::Untrusted { .. }
            | Self::NoCertificates { .. }
            | Self::HostKey { .. }
            | Self::HostKeyUnknown { .. }
            | Self::NoWriting { .. }
            | Self::InTheWay { .. }
            | Self::NoSftp { .. }
            | Self::NoWebDav { .. }
            | Self::Full { .. }
            | Self::Shortage { .. }
            | Self::Settings { .. } => A::Stop,
            Self::TooLarge { .. } => A::Skip(UploadReason::TooLarge),
            Self::NameRefused { .. } => A::Skip(UploadReason::NameRefused),
            Self::Refused { reason, .. } => A::Skip(*reason),
            Self::Taken { .. } => A::Rename,
            Self::NotFound { .. } => A::Fail(UploadReason::Refused),
            Self::SourceChanged { .. } => A::Fail(UploadReason::SourceChanged),
            Self::SourceGone => A::Fail(UploadReason::SourceGone),
            Self::SourceUnreadable { .. } => A::Fail(UploadReason::SourceUnreadable),
            Self::FolderBlocked { .. } => A::Fail(UploadReason::Other),
            Self::Other { passing: true, .. } => A::Again,
            Self::Other { passing: false, .. } => A::Fail(UploadReason::Refused),
        }
    }

    /// Returns the same problem, with its texts passed through `say`.
    pub(super) fn said(mut self, say: impl Fn(&str) -> String) -> Self {
        match &mut self {
            Self::Unreachable { words, .. }
            | Self::Busy { words, .. }
            | Self::Failing { words }
            | Self::Denied { words }
            | Self::Forbidden { words }
            | Self::ClockSkew { words }
            | Self::Untrusted { words, .. }
            | Self::HostKey { words, .. }
            | Self::HostKeyUnknown { words, .. }
            | Self::NoWriting { words }
            | Self::NoSftp { words }
            | Self::NoWebDav { words }
            | Self::NoBucket { words }
            | Self::Full { words }
            | Self::TooLarge { words }
            | Self::NameRefused { words }
            | Self::Refused { words, .. }
            | Self::NotFound { what: words }
            | Self::Settings { words }
            | Self::SignedOut { words, .. }
            | Self::Other { words, .. } => *words = say(words),
            Self::Moved { to: also, words }
            | Self::OtherRegion {
                region: also,
                words,
            } => (*also, *words) = (say(also), say(words)),
            Self::Quota { .. }
            | Self::NoCertificates { .. }
            | Self::Taken { .. }
            | Self::InTheWay { .. }
            | Self::FolderBlocked { .. }
            | Self::SourceChanged { .. }
            | Self::SourceGone
            | Self::SourceUnreadable { .. }
            | Self::Shortage { .. } => {}
        }
        self
    }

    /// Returns the problem for a folder whose listing is endless or implausibly long.
    pub(super) fn too_many_entries() -> Self {
        Self::Settings {
            words:
                "the folder there holds too many files to be listed; `rescue upload --into` takes another one"
                    .to_owned(),
        }
    }

    /// Returns a problem that will not pass by itself.
    pub(crate) fn other(words: impl Into<String>) -> Self {
        Self::Other {
            words: brief(&words.into()),
            passing: false,
        }
    }
}

/// What a service said about when to come back, as the end of a sentence.
fn asked_to_wait(after: Option<Duration>) -> String {
    match after.map(|after| after.as_secs()) {
        None | Some(0..60) => String::new(),
        Some(seconds @ 60..7200) => format!(" for the next {} minutes", seconds.div_ceil(60)),
        Some(seconds) => format!(" for the next {} hours", seconds.div_ceil(3600)),
    }
}

/// A time as the person's clock shows it.
fn in_local_time(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0).map_or_else(
        || "later".to_owned(),
        |time| {
            time.with_timezone(&chrono::Local)
                .format("%Y-%m-%d %H:%M")
                .to_string()
        },
    )
}

/// Returns the beginning of a text, on one line.
pub(super) fn brief(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.chars().take(MAX_WORDS).collect()
}
