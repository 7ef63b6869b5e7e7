//! The errors between this computer and a phone.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::keys::KeysError;
use crate::adb::connection::ConnectionError;
use crate::adb::server::{DeviceState, NotAServer};
use crate::adb::shell::ShellError;
use crate::adb::sync::SyncError;

/// The reason why a link to a phone ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The other side closed the connection.
    #[error("the connection was closed by the other side")]
    Closed,
    /// The operating system reported an error on the connection.
    #[error("the connection broke")]
    Io(#[source] io::Error),
    /// The other side violated the protocol.
    #[error("the other side violates the ADB protocol")]
    Protocol(#[source] ConnectionError),
    /// The other side does not read the data sent to it.
    #[error("the other side does not read what is sent to it")]
    NotReading,
}

impl LinkError {
    /// Returns whether the link ended because the phone requires TLS.
    pub fn wants_tls(&self) -> bool {
        matches!(self, Self::Protocol(ConnectionError::TlsWanted))
    }
}

/// Set once, when the link ends.
pub(super) type LinkFailure = Arc<OnceLock<Arc<LinkError>>>;

/// An error between this computer and a phone.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PhoneError {
    /// The connection ended while it was in use.
    #[error("the phone went away")]
    Lost(#[source] Arc<LinkError>),
    /// What accepts connections at an address closed one before it answered as a phone, or answered something else.
    #[error("no phone answered at {address}")]
    NotAPhone {
        /// The address.
        address: String,
        /// How the connection ended.
        #[source]
        source: Arc<LinkError>,
    },
    /// What accepts connections at an address sends nothing.
    #[error("no phone answered at {address}: nothing came for {} seconds", after.as_secs())]
    Silent {
        /// The address.
        address: String,
        /// The length of the silence.
        after: Duration,
    },
    /// An adb server or this computer's system reports that the phone is not there, or no longer there.
    #[error("the phone {serial} is not there any more")]
    Gone {
        /// The phone's serial number.
        serial: String,
        /// What they say.
        #[source]
        source: Arc<io::Error>,
    },
    /// The phone was silent for too long.
    #[error("the phone stopped answering: nothing came for {} seconds while {doing}", after.as_secs())]
    Idle {
        /// The operation that was waiting.
        doing: &'static str,
        /// The length of the silence.
        after: Duration,
    },
    /// The phone refuses a service that every phone offers.
    #[error("the phone refuses '{service}'")]
    ServiceRefused {
        /// The service's name.
        service: String,
    },
    /// The stream of a service ended too early.
    #[error("the phone ended '{service}' in the middle")]
    StreamEnded {
        /// The service's name.
        service: &'static str,
    },
    /// The phone sent an invalid sync answer.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The phone sent an invalid shell answer.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// A command printed more than its limit allows.
    #[error("the phone answered '{command}' with more than {limit} bytes")]
    TooMuchOutput {
        /// The command's first word.
        command: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The phone lists more files and folders than the limit allows.
    #[error("the phone lists more than {limit} files and folders")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// The address cannot be reached.
    #[error("nothing answers at {address}")]
    Unreachable {
        /// The address.
        address: String,
        /// The operating system's error.
        #[source]
        source: Arc<io::Error>,
    },
    /// The system refused to open the phone's USB device, for none of the reasons that have a state of their own.
    #[error("the USB device {serial} cannot be opened")]
    CannotOpen {
        /// The phone's serial number.
        serial: String,
        /// The operating system's error.
        #[source]
        source: Arc<io::Error>,
    },
    /// The host name of an address cannot be resolved.
    #[error("there is no host '{host}'")]
    UnknownHost {
        /// The host's name.
        host: String,
        /// The operating system's error.
        #[source]
        source: Arc<io::Error>,
    },
    /// Something other than an adb server answers at the address.
    #[error("there is no adb server at {address}")]
    NotAServer {
        /// The address.
        address: String,
        /// The unexpected answer.
        #[source]
        source: NotAServer,
    },
    /// An address in an environment variable or option is invalid.
    #[error("'{address}' is not an address: {why}")]
    BadAddress {
        /// The invalid address.
        address: String,
        /// Why it is invalid.
        why: &'static str,
    },
    /// An environment variable that names the adb server has a value that cannot be used.
    #[error("the environment variable {name} cannot be used: '{value}' is not {wanted}")]
    BadVariable {
        /// The variable's name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it has to be.
        wanted: &'static str,
    },
    /// The adb server refused a request.
    #[error("the adb server refused '{request}': {message}")]
    ServerRefused {
        /// The request.
        request: String,
        /// The server's message.
        message: String,
    },
    /// The phone did not allow this computer in time.
    #[error("the phone has not allowed this computer")]
    Unauthorized {
        /// The phone's name on its route.
        name: String,
    },
    /// No phone was found.
    #[error("no phone found")]
    NoPhone,
    /// The requested phone was not found.
    #[error("no phone has the serial number {serial}; attached: {}", list(present))]
    NoSuchPhone {
        /// The requested serial number.
        serial: String,
        /// The serial numbers of the phones found.
        present: Vec<String>,
    },
    /// Several phones were found and none was chosen.
    #[error("several phones are attached: {}", list(present))]
    SeveralPhones {
        /// The serial numbers of the phones found.
        present: Vec<String>,
    },
    /// Two phones share the requested serial number.
    #[error("more than one phone has the serial number {serial}{}", at(places))]
    SameSerial {
        /// The serial number.
        serial: String,
        /// The known places of these phones; each place identifies one of them.
        places: Vec<String>,
    },
    /// The phone is in a state in which it gives no access to files.
    #[error("the phone {serial} is not ready: {}", state.name())]
    NotReady {
        /// The phone's serial number.
        serial: String,
        /// The phone's state.
        state: DeviceState,
    },
    /// The phone has not been unlocked since it started.
    #[error("the phone has not been unlocked since it started: its storage is still encrypted")]
    Locked,
    /// The phone answers, but its storage is gone: it is about to restart or has just restarted.
    #[error("the phone's storage went away")]
    StorageGone,
    /// A key file cannot be used.
    #[error(transparent)]
    Keys(#[from] Arc<KeysError>),
}

impl PhoneError {
    /// Returns whether the phone or the connection to it is gone, so that waiting for it can help.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Lost(_)
            | Self::NotAPhone { .. }
            | Self::Silent { .. }
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
