//! The errors between this computer and a phone.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::keys::KeysError;
use crate::adb::connection::ConnectionError;
use crate::adb::server::{DeviceState, NotAServer};
use crate::adb::shell::ShellError;
use crate::adb::sync::SyncError;

/// Why a link to a phone ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The other side closed the connection.
    #[error("the connection was closed by the other side")]
    Closed,
    /// The operating system reports an error on the connection.
    #[error("the connection broke")]
    Io(#[source] io::Error),
    /// The other side broke the protocol.
    #[error("the other side violates the ADB protocol")]
    Protocol(#[source] ConnectionError),
    /// The other side does not read what is sent to it.
    #[error("the other side does not read what is sent to it")]
    NotReading,
}

impl LinkError {
    /// Whether the other side is a phone that wants encryption.
    pub fn wants_tls(&self) -> bool {
        matches!(self, Self::Protocol(ConnectionError::TlsWanted))
    }
}

/// Set once, when the link ends.
pub(super) type LinkFailure = Arc<OnceLock<Arc<LinkError>>>;

/// What can go wrong between this computer and a phone.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PhoneError {
    /// The connection ended while it was used.
    #[error("the phone went away")]
    Lost(#[source] Arc<LinkError>),
    /// An adb server says that the phone is not there (any more).
    #[error("the phone {serial} is not there any more: {message}")]
    Gone {
        /// The phone's serial number.
        serial: String,
        /// The server's words.
        message: String,
    },
    /// Nothing came for too long.
    #[error("the phone stopped answering: nothing came for {} seconds while {doing}", after.as_secs())]
    Idle {
        /// What was going on.
        doing: &'static str,
        /// How long nothing came.
        after: Duration,
    },
    /// The phone refuses a service that every phone has.
    #[error("the phone refuses '{service}'")]
    ServiceRefused {
        /// The service's name.
        service: String,
    },
    /// The stream of a service ended in the middle.
    #[error("the phone ended '{service}' in the middle")]
    StreamEnded {
        /// The service's name.
        service: &'static str,
    },
    /// An invalid sync answer.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// An invalid shell answer.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// A command printed more than anything sensible would.
    #[error("the phone answered '{command}' with more than {limit} bytes")]
    TooMuchOutput {
        /// The command's first word.
        command: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The phone lists more files and folders than anything sensible holds.
    #[error("the phone lists more than {limit} files and folders")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// Nothing can be reached at an address.
    #[error("nothing answers at {address}")]
    Unreachable {
        /// The address.
        address: String,
        /// What the operating system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// The system does not open the phone's USB device, for none of the usual reasons.
    #[error("the USB device {serial} cannot be opened")]
    CannotOpen {
        /// The phone's serial number.
        serial: String,
        /// What the operating system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// The host of an address has a name that this computer cannot find.
    #[error("there is no host '{host}'")]
    UnknownHost {
        /// The host's name.
        host: String,
        /// What the operating system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// What answers is no adb server.
    #[error("there is no adb server at {address}")]
    NotAServer {
        /// The address.
        address: String,
        /// What came.
        #[source]
        source: NotAServer,
    },
    /// An address in an environment variable or option cannot be used.
    #[error("'{address}' is not an address: {why}")]
    BadAddress {
        /// The text.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The adb server refused a request.
    #[error("the adb server refused '{request}': {message}")]
    ServerRefused {
        /// The request.
        request: String,
        /// The server's words.
        message: String,
    },
    /// The phone did not allow this computer in time.
    #[error("the phone has not allowed this computer")]
    Unauthorized {
        /// The phone, as its route names it.
        name: String,
    },
    /// There is no phone.
    #[error("no phone found")]
    NoPhone,
    /// The phone that was asked for is not there.
    #[error("no phone has the serial number {serial}; attached: {}", list(present))]
    NoSuchPhone {
        /// The serial number asked for.
        serial: String,
        /// Those that are there.
        present: Vec<String>,
    },
    /// Several phones and no choice.
    #[error("several phones are attached: {}", list(present))]
    SeveralPhones {
        /// Their serial numbers.
        present: Vec<String>,
    },
    /// Two phones have the serial number that was asked for.
    #[error("more than one phone has the serial number {serial}{}", at(places))]
    SameSerial {
        /// The serial number.
        serial: String,
        /// Where they are, where that is known: each chooses one of them.
        places: Vec<String>,
    },
    /// The phone is in a state that gives no files.
    #[error("the phone {serial} is not ready: {}", state.name())]
    NotReady {
        /// Its serial number.
        serial: String,
        /// Its state.
        state: DeviceState,
    },
    /// The phone has not been unlocked since it started.
    #[error("the phone has not been unlocked since it started: its storage is still encrypted")]
    Locked,
    /// The phone answers, but its storage is not there any more: it is about to restart, or did.
    #[error("the phone's storage went away")]
    StorageGone,
    /// A key file is of no use.
    #[error(transparent)]
    Keys(#[from] Arc<KeysError>),
}

impl PhoneError {
    /// Whether the phone or the way to it is gone, so that waiting for it makes sense.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Lost(_)
            | Self::Gone { .. }
            | Self::Idle { .. }
            | Self::Unreachable { .. }
            | Self::UnknownHost { .. }
            | Self::CannotOpen { .. }
            | Self::StorageGone => true,
            // Through an adb server, a phone that goes away ends its streams and says nothing.
            Self::StreamEnded { .. } => true,
            Self::NotReady { state, .. } => {
                matches!(
                    state,
                    DeviceState::Offline | DeviceState::Connecting | DeviceState::Authorizing
                )
            }
            _ => false,
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn at(places: &[String]) -> String {
    match places {
        [] => String::new(),
        places => format!(": they are at {}", places.join(", ")),
    }
}
