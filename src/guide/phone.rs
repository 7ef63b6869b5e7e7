//! Advice about the phone: its connection, this computer's keys, its display.

use super::{CHOOSE_BY_SERIAL, states, wrap};
use crate::adb::server::DeviceState;
use crate::error::{Error, Kind};
use crate::hint::Clause::{self, ByCommand, Made, Said, With};
use crate::hint::{Flag, Hint};
use crate::phone::PhoneError;
use crate::phone::display::DisplayError;
use crate::phone::error::LinkError;
use crate::phone::keys::KeysError;

impl From<PhoneError> for Error {
    fn from(error: PhoneError) -> Self {
        if let PhoneError::Lost(link) = &error
            && link.wants_tls()
        {
            // It did not go away, and is no stranger.
            return Self::new(Kind::PhoneTalksNonsense, states::wireless.meaning)
                .with_hint(states::wireless.next());
        }
        let kind = match &error {
            PhoneError::Lost(link) => match **link {
                LinkError::Protocol(_) => Kind::PhoneTalksNonsense,
                LinkError::Closed | LinkError::Io(_) | LinkError::NotReading => Kind::PhoneGone,
            },
            PhoneError::Gone { .. } | PhoneError::Idle { .. } => Kind::PhoneGone,
            PhoneError::StreamEnded { .. } => Kind::PhoneGone,
            PhoneError::ServiceRefused { .. } => Kind::Refused,
            PhoneError::Sync(_)
            | PhoneError::Shell(_)
            | PhoneError::TooMuchOutput { .. }
            | PhoneError::TooManyEntries { .. } => Kind::PhoneTalksNonsense,
            PhoneError::Unreachable { .. }
            | PhoneError::UnknownHost { .. }
            | PhoneError::NotAPhone { .. }
            | PhoneError::Silent { .. }
            | PhoneError::NoPhone
            | PhoneError::NoSuchPhone { .. } => Kind::NoPhone,
            PhoneError::NotAServer { .. } | PhoneError::ServerRefused { .. } => Kind::AdbServer,
            PhoneError::BadAddress { .. } | PhoneError::BadVariable { .. } => Kind::Usage,
            PhoneError::Unauthorized { .. } => Kind::Unauthorized,
            PhoneError::SeveralPhones { .. } | PhoneError::SameSerial { .. } => Kind::SeveralPhones,
            PhoneError::CannotOpen { .. } => Kind::PhoneNotReady,
            PhoneError::NotReady { state, .. } => match state {
                DeviceState::Unauthorized => Kind::Unauthorized,
                DeviceState::NoPermissions(_) => Kind::NoUsbPermission,
                _ => Kind::PhoneNotReady,
            },
            PhoneError::StorageGone => Kind::PhoneNotReady,
            PhoneError::Locked => Kind::Locked,
            PhoneError::Keys(_) => Kind::Key,
        };
        let wrapped = Self::new(kind, error.to_string()).with_hint(hint(&error));
        match std::error::Error::source(&error).map(ToString::to_string) {
            Some(cause) => wrapped.caused_by(cause),
            None => wrapped,
        }
    }
}

impl From<DisplayError> for Error {
    fn from(error: DisplayError) -> Self {
        let (kind, hint) = match &error {
            DisplayError::Phone(error) => return error.clone().into(),
            DisplayError::NoPicture { .. } => (
                Kind::Refused,
                "wake the phone and try again; a protected display gives no picture",
            ),
            DisplayError::NotTaken { .. } => (
                Kind::Refused,
                "on Xiaomi phones switch \"USB debugging (Security settings)\" on in the developer options",
            ),
            DisplayError::CannotType | DisplayError::TooLong => {
                (Kind::Usage, "type it in smaller or simpler pieces")
            }
        };
        wrap(kind, &error, hint)
    }
}

/// The one next step for a failure.
pub fn hint(error: &PhoneError) -> Hint {
    match error {
        PhoneError::Lost(link) => match **link {
            LinkError::Protocol(_) if link.wants_tls() => states::wireless.next(),
            LinkError::Protocol(_) => states::no_adb.next(),
            LinkError::Closed | LinkError::Io(_) | LinkError::NotReading => {
                [Said(CONNECT_AGAIN), AND_RESUME].into()
            }
        },
        PhoneError::Gone { .. } | PhoneError::StreamEnded { .. } => {
            [Said(CONNECT_AGAIN), AND_RESUME].into()
        }
        PhoneError::Idle { .. } => [Said("unplug the phone, plug it in again"), AND_RESUME].into(),
        PhoneError::ServiceRefused { .. } => {
            "restart the phone's USB debugging in its developer options".into()
        }
        PhoneError::Sync(_) | PhoneError::Shell(_) | PhoneError::TooMuchOutput { .. } => {
            "run again with -v and report its output".into()
        }
        PhoneError::TooManyEntries { .. } => [With(
            Flag::Root,
            "a folder may list without end: name the folders to take with --root, as in /storage/emulated/0/DCIM",
        )]
        .into(),
        PhoneError::NotAPhone { .. } | PhoneError::Silent { .. } => states::no_adb.next(),
        PhoneError::Unreachable { .. } | PhoneError::UnknownHost { .. } => {
            states::of_address(error).unwrap_or(states::no_answer).next()
        }
        PhoneError::CannotOpen { .. } => states::offline.next(),
        PhoneError::NotAServer { .. } => "check ADB_SERVER_SOCKET and ANDROID_ADB_SERVER_PORT".into(),
        PhoneError::ServerRefused { .. } => {
            "restart the adb server: `adb kill-server`, then `adb start-server`".into()
        }
        PhoneError::BadVariable { name, .. } => format!(
            "correct {name}, or unset it: then this computer's own adb server at port 5037 is used"
        )
        .into(),
        PhoneError::BadAddress { .. } => "give HOST:PORT, as in 192.168.1.7:5555".into(),
        PhoneError::NoPhone => [
            Said("run `rescue doctor`; try another cable and another port"),
            With(Flag::Tcp, ", or name the phone with --tcp HOST:PORT"),
        ]
        .into(),
        PhoneError::NoSuchPhone { .. } => [
            Said("run `rescue devices` to see the phones that are there"),
            With(
                Flag::Serial,
                "; --serial or the environment variable ANDROID_SERIAL chose this one",
            ),
        ]
        .into(),
        PhoneError::SeveralPhones { .. } => [CHOOSE_BY_SERIAL].into(),
        PhoneError::SameSerial { places, .. } => match &**places {
            [] => [
                Said("attach one of them at a time, each with a folder of its own"),
                With(Flag::Output, " (-o)"),
            ]
            .into(),
            _ => [
                With(Flag::Serial, "choose one of these places with --serial; "),
                Said("each phone needs a folder of its own"),
                With(Flag::Output, " (-o)"),
            ]
            .into(),
        },
        PhoneError::NotReady {
            state: DeviceState::Busy(holder),
            ..
        } if !holder.is_empty() => [
            Made(format!("end {holder}, which has the phone open")),
            ByCommand(", and run the same command"),
        ]
        .into(),
        PhoneError::NotReady { state, .. } => states::of_device(state).next(),
        PhoneError::Unauthorized { .. } => states::unauthorized.next(),
        PhoneError::StorageGone => states::storage_missing.next(),
        PhoneError::Locked => states::locked_since_boot.next(),
        PhoneError::Keys(error) => keys_hint(error),
    }
}

/// The next step for a key of this computer.
fn keys_hint(error: &KeysError) -> Hint {
    match error {
        // Somebody named it: it is no key that a new one could take the place of.
        KeysError::File { path, .. } | KeysError::Content { path, .. }
            if path.file_name() != Some("adbkey".as_ref()) =>
        {
            "name a private key as adb writes it: a file adbkey, not adbkey.pub".into()
        }
        KeysError::NoHome { .. } => [
            Said("set HOME to your home folder"),
            With(Flag::Key, ", or name a key file with --key"),
        ]
        .into(),
        KeysError::File { .. } | KeysError::Content { .. } => states::of_keys(error).next(),
    }
}

/// What brings a phone back, on a cable or in a network.
const CONNECT_AGAIN: &str = "plug the phone in again, or bring it back into the network";
/// What a command leaves to its user: a pulled file is not pulled twice.
const AND_RESUME: Clause = ByCommand(" and run the same command: it resumes where it stopped");
