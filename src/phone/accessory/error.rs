//! Why a phone cannot be driven over USB.

/// The reason why the phone cannot be driven over USB.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessoryError {
    /// No device on USB looks like a phone.
    #[error("nothing on USB looks like a phone")]
    NoPhone,
    /// The requested phone is not on USB.
    #[error(
        "no phone on USB has the serial number {serial}; attached: {}",
        list(present)
    )]
    NoSuchPhone {
        /// The requested serial number.
        serial: String,
        /// The serial numbers of the attached phones.
        present: Vec<String>,
    },
    /// Several phones are attached and none was chosen.
    #[error("several phones are on USB: {}", list(present))]
    SeveralPhones {
        /// The serial numbers of the attached phones.
        present: Vec<String>,
    },
    /// The current user has no permission to open the USB device.
    #[error("this user may not open the phone {serial} on USB")]
    NoPermission {
        /// The phone's serial number.
        serial: String,
    },
    /// The phone does not support accessory mode.
    #[error("the phone {serial} refuses accessory mode, which a keyboard over the cable needs")]
    Refused {
        /// The phone's serial number.
        serial: String,
    },
    /// The phone supports a version of accessory mode without input devices.
    #[error(
        "the phone {serial} speaks version {version} of accessory mode, which has no keyboard (2 is needed)"
    )]
    TooOld {
        /// The phone's serial number.
        serial: String,
        /// The phone's version of accessory mode.
        version: u16,
    },
    /// The phone refused to register an input device.
    #[error("the phone {serial} accepts no {device} over its cable")]
    DeviceRefused {
        /// The phone's serial number.
        serial: String,
        /// The refused device's name.
        device: &'static str,
    },
    /// The phone left the bus, or came back as a different device.
    #[error("the phone {serial} left the USB bus")]
    Gone {
        /// The phone's serial number.
        serial: String,
    },
    /// Another `rescue` process drives the phone. Two PINs typed at the same time would mix into a wrong one.
    #[error("another `rescue` sends keys to the phone {serial} now")]
    Driven {
        /// The phone's serial number.
        serial: String,
    },
    /// The phone does not answer.
    #[error("the phone {serial} does not answer requests for accessory mode")]
    Silent {
        /// The phone's serial number.
        serial: String,
    },
    /// The system's USB support failed.
    #[error("USB cannot be used: {message}")]
    Usb {
        /// The system's error message.
        message: String,
    },
    /// This operating system offers no way to send the requests (Windows).
    #[error(
        "on this system a program cannot send keys to a phone: Windows gives requests to a device only through a driver of its interfaces"
    )]
    Platform,
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        _ => names.join(", "),
    }
}
