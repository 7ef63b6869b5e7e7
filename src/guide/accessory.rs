//! Advice for phones that accept no keys over the cable.

use super::{CHOOSE_BY_SERIAL, wrap};
use crate::error::{Error, Kind};
use crate::hint::Clause::{self, ByCommand, Said};
use crate::hint::Hint;
use crate::phone::accessory::AccessoryError;

/// What a command leaves to its user.
const AND_RUN: Clause = ByCommand(" and run the same command");

impl From<AccessoryError> for Error {
    fn from(error: AccessoryError) -> Self {
        let (kind, hint): (Kind, Hint) = match &error {
            AccessoryError::NoPhone | AccessoryError::NoSuchPhone { .. } => (
                Kind::NoPhone,
                "plug the phone itself into this computer with a cable that carries data; `rescue doctor` shows what is there".into(),
            ),
            AccessoryError::SeveralPhones { .. } => {
                (Kind::SeveralPhones, [CHOOSE_BY_SERIAL].into())
            }
            AccessoryError::NoPermission { .. } => (
                Kind::NoUsbPermission,
                "run `rescue doctor --install-udev-rules`, then unplug the phone and plug it in again; or run this command as root".into(),
            ),
            AccessoryError::Refused { .. }
            | AccessoryError::TooOld { .. }
            | AccessoryError::DeviceRefused { .. } => (
                Kind::Refused,
                "use a USB keyboard or mouse on an adapter (OTG) instead; some phones take keys over the cable only while they are unlocked or set to 'File transfer'".into(),
            ),
            AccessoryError::Gone { .. } => (
                Kind::PhoneGone,
                [Said("plug the phone in again"), AND_RUN].into(),
            ),
            AccessoryError::Driven { .. } => (
                Kind::PhoneNotReady,
                [Said("end the other one, or wait until it is done"), ByCommand(", and run the same command")].into(),
            ),
            AccessoryError::Silent { .. } => (
                Kind::PhoneGone,
                [Said("unplug the phone, plug it in again"), AND_RUN].into(),
            ),
            AccessoryError::Usb { .. } => (
                Kind::PhoneNotReady,
                "try another port, without a hub, and run again with -v".into(),
            ),
            AccessoryError::Platform => (
                Kind::PhoneNotReady,
                "use a computer with Linux or macOS (a live system from a USB stick will do), or a USB keyboard on an adapter (OTG)".into(),
            ),
        };
        wrap(kind, &error, hint)
    }
}
