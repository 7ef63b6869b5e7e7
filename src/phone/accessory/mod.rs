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
mod candidates;
mod control;
mod error;
pub(crate) mod hid;
pub(crate) mod script;
pub(crate) mod secret;
pub(crate) mod strokes;

use std::fs::File;
use std::time::Duration;

use nusb::{DeviceInfo, ErrorKind};
use tokio::time::Instant;

use self::action::Action;
pub(crate) use self::candidates::candidates;
use self::candidates::{choose, found};
use self::control::{UsbFailure, receive, send, send_now};
pub(crate) use self::error::AccessoryError;
use self::hid::{HidReport, InputDevice};
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
/// How often to look for a phone that went away.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

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
        let chosen = choose(&found, name)?;
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
