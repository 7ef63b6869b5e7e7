//! Advice for phones that accept no keys over the cable.

use super::wrap;
use crate::error::{Error, Kind};
use crate::phone::accessory::AccessoryError;

impl From<AccessoryError> for Error {
    fn from(error: AccessoryError) -> Self {
        let (kind, hint) = match &error {
            AccessoryError::NoPhone | AccessoryError::NoSuchPhone { .. } => (
                Kind::NoPhone,
                "plug the phone itself into this computer with a cable that carries data; `rescue doctor` shows what is there",
            ),
            AccessoryError::SeveralPhones { .. } => {
                (Kind::SeveralPhones, "choose one with --serial")
            }
            AccessoryError::NoPermission { .. } => (
                Kind::NoUsbPermission,
                "run `rescue doctor --install-udev-rules`, then unplug the phone and plug it in again; or run this command as root",
            ),
            AccessoryError::Refused { .. }
            | AccessoryError::TooOld { .. }
            | AccessoryError::DeviceRefused { .. } => (
                Kind::Refused,
                "use a USB keyboard or mouse on an adapter (OTG) instead; some phones take keys over the cable only while they are unlocked or set to 'File transfer'",
            ),
            AccessoryError::Gone { .. } => (
                Kind::PhoneGone,
                "plug the phone in again and run the same command",
            ),
            AccessoryError::Driven { .. } => (
                Kind::PhoneNotReady,
                "end the other one, or wait until it is done, and run the same command",
            ),
            AccessoryError::Silent { .. } => (
                Kind::PhoneGone,
                "unplug the phone, plug it in again and run the same command",
            ),
            AccessoryError::Usb { .. } => (
                Kind::PhoneNotReady,
                "try another port, without a hub, and run again with -v",
            ),
            AccessoryError::Platform => (
                Kind::PhoneNotReady,
                "use a computer with Linux or macOS (a live system from a USB stick will do), or a USB keyboard on an adapter (OTG)",
            ),
        };
        wrap(kind, &error, hint)
    }
}
