//! Acts as keyboard, pen and mouse over the phone's own cable (Android Open Accessory 2, HID), for phones with dead
//! touch. USB debugging may be off, and an adb server may hold the phone: the requests go to endpoint 0, and no
//! interface is claimed.
//!
//! In: a phone's name and [`Action`]s. Out: the phone has received them. Only devices that look like phones are
//! asked, and only the chosen one gets input. Nothing stays pressed: dropping an [`Accessory`] releases every key and
//! removes its devices.
//!
//! Source: <https://source.android.com/docs/core/interaction/accessories/aoa2>.

pub(crate) mod action;
pub(crate) mod hid;
pub(crate) mod script;
pub(crate) mod secret;
pub(crate) mod strokes;

use std::fs::File;
use std::time::Duration;

use nusb::{DeviceInfo, ErrorKind};
use tokio::time::Instant;

use self::action::Action;
use self::control::{receive, send, send_now};
use self::hid::{HidReport, InputDevice};
use super::usb::devices::{Offer, offer_of};
use super::usb::name_of;

/// What version a phone speaks that takes a keyboard.
const HID_VERSION: u16 = 2;
/// Requests of accessory mode.
const GET_PROTOCOL: u8 = 51;
const REGISTER_HID: u8 = 54;
const UNREGISTER_HID: u8 = 55;
const SET_HID_DESCRIPTOR: u8 = 56;
const SEND_HID_EVENT: u8 = 57;

/// How long a phone may take over one request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The same while tidying up, where nobody may be there any more.
const LAST_TIMEOUT: Duration = Duration::from_millis(300);
/// From a new device to Android listening to it.
const LISTENING: Duration = Duration::from_millis(1000);
/// What Linux says where it knows no USB at all (`ENOENT`).
const NO_SUCH_FILE: u32 = 2;
/// How often to look for a phone that went away.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

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

/// A phone on USB that may support accessory mode. No request has been sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The phone's serial number, or its place on the bus if it has none.
    pub name: String,
    /// The phone's model, if USB reports it.
    pub model: Option<String>,
}

/// Returns the phones on USB that may support accessory mode, sorted by name. Sends no request to any of them.
pub(crate) async fn candidates() -> Result<Vec<Candidate>, AccessoryError> {
    let found = found().await?.into_iter().map(|device| Candidate {
        name: name_of(&device),
        model: device.product_string().map(str::to_owned),
    });
    Ok(found.collect())
}

/// Returns the devices that look like phones; leaves out hubs, webcams, printers, disks and the like.
async fn found() -> Result<Vec<DeviceInfo>, AccessoryError> {
    let listed = match nusb::list_devices().await {
        Ok(listed) => listed,
        // A machine without USB has no phone on it.
        Err(error) if error.os_error() == Some(NO_SUCH_FILE) => return Ok(Vec::new()),
        Err(error) => {
            let message = error.to_string();
            return Err(AccessoryError::Usb { message });
        }
    };
    let mut found: Vec<_> = listed.filter(looks_like_a_phone).collect();
    found.sort_by_key(name_of);
    Ok(found)
}

fn looks_like_a_phone(device: &DeviceInfo) -> bool {
    // A hub.
    if device.class() == 0x09 {
        return false;
    }
    let interfaces: Vec<_> = device
        .interfaces()
        .map(|interface| {
            let class = (
                interface.class(),
                interface.subclass(),
                interface.protocol(),
            );
            (
                class,
                interface.interface_string().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    match offer_of((device.vendor_id(), device.product_id()), &interfaces) {
        Some(Offer::Adb | Offer::FilesOrNetwork | Offer::Nothing) => true,
        // Neither takes keys.
        Some(Offer::Fastboot | Offer::Emergency) | None => false,
    }
}

/// The input devices that this program has attached to one phone.
pub(crate) struct Accessory {
    device: nusb::Device,
    name: String,
    /// A lock on the phone, held while it is driven.
    _hold: Option<File>,
    attached: Vec<InputDevice>,
}

impl std::fmt::Debug for Accessory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Accessory({:?}, {:?})", self.name, self.attached)
    }
}

impl Accessory {
    /// Opens the phone with this name, or the only phone if `name` is `None`, and checks that it supports input
    /// devices.
    pub(crate) async fn open(name: Option<&str>) -> Result<Self, AccessoryError> {
        let found = found().await?;
        let present = || found.iter().map(name_of).collect();
        let chosen = match (name, found.as_slice()) {
            (Some(name), _) => {
                let mut named = found.iter().filter(|device| name_of(device) == name);
                match (named.next(), named.next()) {
                    (Some(only), None) => only,
                    // A PIN is typed on no phone that only calls itself like another.
                    (Some(_), Some(_)) => {
                        return Err(AccessoryError::SeveralPhones { present: present() });
                    }
                    (None, _) => {
                        return Err(AccessoryError::NoSuchPhone {
                            serial: name.to_owned(),
                            present: present(),
                        });
                    }
                }
            }
            (None, []) => return Err(AccessoryError::NoPhone),
            (None, [only]) => only,
            (None, _) => return Err(AccessoryError::SeveralPhones { present: present() }),
        };
        let name = name_of(chosen);
        let device = chosen.open().await.map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => AccessoryError::NoPermission {
                serial: name.clone(),
            },
            ErrorKind::Disconnected | ErrorKind::NotFound => AccessoryError::Gone {
                serial: name.clone(),
            },
            _ => AccessoryError::Usb {
                message: error.to_string(),
            },
        })?;
        let hold = hold(chosen).map_err(|Driven| AccessoryError::Driven {
            serial: name.clone(),
        })?;
        let accessory = Self {
            device,
            name,
            _hold: hold,
            attached: Vec::new(),
        };
        accessory.ask_version().await?;
        Ok(accessory)
    }

    async fn ask_version(&self) -> Result<(), AccessoryError> {
        let serial = self.name.clone();
        let answer = match receive(&self.device, GET_PROTOCOL, 2, ANSWER_TIMEOUT).await {
            Ok(answer) => answer,
            Err(UsbFailure::Stall) => return Err(AccessoryError::Refused { serial }),
            Err(other) => return Err(self.failed(other)),
        };
        match answer.as_slice() {
            [low, high] => match u16::from_le_bytes([*low, *high]) {
                0 => Err(AccessoryError::Refused { serial }),
                version if version < HID_VERSION => Err(AccessoryError::TooOld { serial, version }),
                _ => Ok(()),
            },
            _ => Err(AccessoryError::Refused { serial }),
        }
    }

    /// Returns the phone's serial number, or its place on the bus if it has none.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Attaches the devices that are not attached yet and waits until the phone listens to them.
    pub(crate) async fn attach(&mut self, devices: &[InputDevice]) -> Result<(), AccessoryError> {
        let mut is_new = false;
        for device in devices {
            if self.attached.contains(device) {
                continue;
            }
            let (id, descriptor) = (device.id(), device.descriptor());
            let length = descriptor.len() as u16;
            let registered = self.send(REGISTER_HID, id, length, &[]).await;
            // From here on it may be there, whatever the answer is.
            self.attached.push(*device);
            let described = match registered {
                Ok(()) => self.send(SET_HID_DESCRIPTOR, id, 0, descriptor).await,
                refused => refused,
            };
            described.map_err(|failure| match failure {
                UsbFailure::Stall => AccessoryError::DeviceRefused {
                    serial: self.name.clone(),
                    device: device.name(),
                },
                other => self.failed(other),
            })?;
            is_new = true;
        }
        if is_new {
            tokio::time::sleep(LISTENING).await;
        }
        Ok(())
    }

    /// Performs the actions in order. If this future is dropped midway, a key may stay pressed until [`Self::release`]
    /// is called or the accessory is dropped.
    pub(crate) async fn play(&mut self, actions: &[Action]) -> Result<(), AccessoryError> {
        let mut devices: Vec<_> = actions.iter().filter_map(Action::device).collect();
        devices.sort_unstable();
        devices.dedup();
        self.attach(&devices).await?;
        for action in actions {
            for (report, pause) in action.reports() {
                if let Some(report) = report {
                    self.report(&report).await?;
                }
                tokio::time::sleep(pause).await;
            }
        }
        Ok(())
    }

    async fn report(&self, report: &HidReport) -> Result<(), AccessoryError> {
        let sent = self
            .send(SEND_HID_EVENT, report.device().id(), 0, report.bytes())
            .await;
        sent.map_err(|failure| match failure {
            // It has forgotten the device: it was away in between.
            UsbFailure::Stall => AccessoryError::Gone {
                serial: self.name.clone(),
            },
            other => self.failed(other),
        })
    }

    /// Releases every key.
    pub(crate) fn release(&self) {
        for device in &self.attached {
            let released = device.released();
            let _ = send_now(
                &self.device,
                (SEND_HID_EVENT, device.id(), 0),
                released.bytes(),
                LAST_TIMEOUT,
            );
        }
    }

    /// Waits up to `within` for the same phone after it has left the bus, and opens it again.
    pub(crate) async fn again(self, within: Duration) -> Result<Self, AccessoryError> {
        let name = self.name.clone();
        drop(self);
        let deadline = Instant::now() + within;
        loop {
            match Self::open(Some(&name)).await {
                Err(
                    AccessoryError::NoSuchPhone { .. }
                    | AccessoryError::Gone { .. }
                    // udev gives the rights a moment after the device is there.
                    | AccessoryError::NoPermission { .. },
                ) if Instant::now() < deadline => tokio::time::sleep(POLL_INTERVAL).await,
                done => return done,
            }
        }
    }

    async fn send(
        &self,
        request: u8,
        value: u16,
        index: u16,
        data: &[u8],
    ) -> Result<(), UsbFailure> {
        send(&self.device, (request, value, index), data, ANSWER_TIMEOUT).await
    }

    fn failed(&self, failure: UsbFailure) -> AccessoryError {
        let serial = self.name.clone();
        match failure {
            UsbFailure::Stall => AccessoryError::Refused { serial },
            UsbFailure::Gone => AccessoryError::Gone { serial },
            UsbFailure::Silent => AccessoryError::Silent { serial },
            UsbFailure::Other(message) => AccessoryError::Usb { message },
            UsbFailure::Platform => AccessoryError::Platform,
        }
    }
}

impl Drop for Accessory {
    fn drop(&mut self) {
        self.release();
        for device in self.attached.drain(..) {
            let request = (UNREGISTER_HID, device.id(), 0);
            let _ = send_now(&self.device, request, &[], LAST_TIMEOUT);
        }
    }
}

/// Another process holds the phone.
struct Driven;

/// Locks the phone against other `rescue` processes. The lock ends with the process, however that ends, and leaves no
/// file behind.
#[cfg(target_os = "linux")]
fn hold(device: &DeviceInfo) -> Result<Option<File>, Driven> {
    use rustix::fs::{FlockOperation, flock};
    let Some(file) = super::usb::node_of(device).and_then(|node| File::open(node).ok()) else {
        return Ok(None);
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Driven),
        Err(error) => {
            tracing::debug!(%error, "the phone cannot be held");
            Ok(None)
        }
    }
}

/// Elsewhere a device has no file that could be held.
#[cfg(not(target_os = "linux"))]
fn hold(_device: &DeviceInfo) -> Result<Option<File>, Driven> {
    Ok(None)
}

/// How a request ended that did not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    windows,
    expect(dead_code, reason = "without a way, nothing else fails")
)]
enum UsbFailure {
    Stall,
    Gone,
    Silent,
    Other(String),
    #[cfg_attr(not(windows), expect(dead_code, reason = "only where there is no way"))]
    Platform,
}

#[cfg(not(windows))]
mod control {
    use super::{Duration, UsbFailure};
    use nusb::MaybeFuture as _;
    use nusb::transfer::{ControlIn, ControlOut, ControlType, Recipient, TransferError};

    pub(super) async fn receive(
        device: &nusb::Device,
        request: u8,
        length: u16,
        timeout: Duration,
    ) -> Result<Vec<u8>, UsbFailure> {
        let asked = ControlIn {
            control_type: ControlType::Vendor,
            recipient: Recipient::Device,
            request,
            value: 0,
            index: 0,
            length,
        };
        device.control_in(asked, timeout).await.map_err(failure)
    }

    pub(super) async fn send(
        device: &nusb::Device,
        request: (u8, u16, u16),
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), UsbFailure> {
        let sent = device.control_out(out(request, data), timeout).await;
        sent.map_err(failure)
    }

    /// The same, without a runtime.
    pub(super) fn send_now(
        device: &nusb::Device,
        request: (u8, u16, u16),
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), UsbFailure> {
        let sent = device.control_out(out(request, data), timeout).wait();
        sent.map_err(failure)
    }

    fn out((request, value, index): (u8, u16, u16), data: &[u8]) -> ControlOut<'_> {
        ControlOut {
            control_type: ControlType::Vendor,
            recipient: Recipient::Device,
            request,
            value,
            index,
            data,
        }
    }

    fn failure(error: TransferError) -> UsbFailure {
        match error {
            TransferError::Stall => UsbFailure::Stall,
            TransferError::Disconnected => UsbFailure::Gone,
            TransferError::Cancelled => UsbFailure::Silent,
            other => UsbFailure::Other(other.to_string()),
        }
    }
}

/// WinUSB gives requests to a device only through an interface that it drives itself, and a
/// phone's interfaces are driven by others.
#[cfg(windows)]
mod control {
    use super::{Duration, UsbFailure};

    pub(super) async fn receive(
        _device: &nusb::Device,
        _request: u8,
        _length: u16,
        _timeout: Duration,
    ) -> Result<Vec<u8>, UsbFailure> {
        Err(UsbFailure::Platform)
    }

    pub(super) async fn send(
        _device: &nusb::Device,
        _request: (u8, u16, u16),
        _data: &[u8],
        _timeout: Duration,
    ) -> Result<(), UsbFailure> {
        Err(UsbFailure::Platform)
    }

    pub(super) fn send_now(
        _device: &nusb::Device,
        _request: (u8, u16, u16),
        _data: &[u8],
        _timeout: Duration,
    ) -> Result<(), UsbFailure> {
        Err(UsbFailure::Platform)
    }
}
