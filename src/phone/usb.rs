//! The route over the cable: the phone's ADB interface on USB, opened by this program itself.
//!
//! In: a serial number. Out: a transport that carries ADB messages. Only interfaces whose descriptors name ADB are
//! opened. On the wire a message is a transfer of 24 bytes and one with the payload. A computer ends a payload of
//! whole packets with an empty packet and a phone does not, so behind a payload's last packet only the next header
//! may be requested.

// Elsewhere the system tells no descriptors of a device that is not open.
#[cfg(target_os = "linux")]
mod configuration;
pub(crate) mod devices;
mod framing;
mod transport;

use std::sync::Arc;

use nusb::{DeviceInfo, ErrorKind, Interface, InterfaceInfo};

use super::error::PhoneError;
use super::seen::{RouteName, SeenPhone};
use crate::adb::server::DeviceState;
pub(super) use transport::UsbTransport;

/// Class, subclass and protocol of ADB's interface (AOSP, `adb.h`).
const ADB: (u8, u8, u8) = (0xff, 0x42, 0x01);

/// Lists every phone on USB that offers ADB, and whether this user can open it. Sends no request to a phone, so nothing
/// appears on its screen.
pub(super) async fn phones() -> Vec<SeenPhone> {
    let mut phones = Vec::new();
    for (device, place) in devices().await {
        let state = match probe(&device, place).await {
            Ok(_) => DeviceState::Attached,
            Err(PhoneError::NotReady { state, .. }) => state,
            // It went away just now.
            Err(_) => continue,
        };
        phones.push(SeenPhone {
            serial: name_of(&device),
            state,
            model: device.product_string().map(str::to_owned),
            route: RouteName::Usb,
            place: Some(place_of(&device)),
            transport: None,
        });
    }
    phones
}

/// Opens the phone with this name or at this place.
pub(super) async fn open(name: &str) -> Result<UsbTransport, PhoneError> {
    let gone = || PhoneError::NoSuchPhone {
        serial: name.to_owned(),
        present: Vec::new(),
    };
    let mut devices = devices().await.into_iter();
    let (device, place) = devices
        .find(|(device, _)| name_of(device) == name || place_of(device) == name)
        .ok_or_else(gone)?;
    let interface = claim(&device, place).await?;
    let transport = UsbTransport::of(&interface).await;
    transport.ok_or_else(|| PhoneError::NotReady {
        serial: name.to_owned(),
        state: DeviceState::Other("without bulk endpoints".to_owned()),
    })
}

/// The position of a device's ADB interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AdbInterface {
    /// The configuration to select first; `None` if it is already in use.
    configuration: Option<u8>,
    interface: u8,
}

/// Devices with an ADB interface, and its place.
async fn devices() -> Vec<(DeviceInfo, AdbInterface)> {
    let listed = match nusb::list_devices().await {
        Ok(listed) => listed,
        Err(error) => {
            // A machine without USB is no failure.
            tracing::debug!(%error, "cannot list USB devices");
            return Vec::new();
        }
    };
    let with_adb = listed.filter_map(|device| {
        let in_use = device.interfaces().find(|found| is_adb(found));
        let place = match in_use {
            Some(interface) => AdbInterface {
                configuration: None,
                interface: interface.interface_number(),
            },
            None => in_other_configuration(&device)?,
        };
        Some((device, place))
    });
    with_adb.collect()
}

/// ADB in a configuration that is not in use, as the kernel has it from the descriptors; nothing is
/// asked of the device.
#[cfg(target_os = "linux")]
fn in_other_configuration(device: &DeviceInfo) -> Option<AdbInterface> {
    let descriptors = std::fs::read(device.sysfs_path().join("descriptors")).ok()?;
    configuration::with_adb(&descriptors)
}

/// Elsewhere nusb shows a configuration that is not in use only of a device that was opened, and
/// one that may be no phone is not opened.
#[cfg(not(target_os = "linux"))]
fn in_other_configuration(_device: &DeviceInfo) -> Option<AdbInterface> {
    None
}

fn is_adb(interface: &InterfaceInfo) -> bool {
    (
        interface.class(),
        interface.subclass(),
        interface.protocol(),
    ) == ADB
}

/// Returns the serial number; a phone without one is named by its place, as in `usb:1-2.3`.
pub(super) fn name_of(device: &DeviceInfo) -> String {
    match device.serial_number() {
        Some(serial) if !serial.is_empty() => serial.to_owned(),
        _ => place_of(device),
    }
}

/// The port that a device is plugged into, as adb and the kernel name it.
fn place_of(device: &DeviceInfo) -> String {
    let ports: Vec<_> = device.port_chain().iter().map(u8::to_string).collect();
    format!("usb:{}-{}", device.bus_id(), ports.join("."))
}

/// Checks whether a phone can be opened. Does not change its configuration.
async fn probe(device: &DeviceInfo, place: AdbInterface) -> Result<(), PhoneError> {
    match place.configuration {
        None => claim(device, place).await.map(drop),
        Some(_) => device
            .open()
            .await
            .map(drop)
            .or_else(|error| refused(device, &error)),
    }
}

async fn claim(device: &DeviceInfo, place: AdbInterface) -> Result<Interface, PhoneError> {
    let claimed = async {
        let device = device.open().await?;
        if let Some(configuration) = place.configuration {
            device.set_configuration(configuration).await?;
        }
        device.claim_interface(place.interface).await
    };
    claimed.await.or_else(|error| refused(device, &error))
}

fn refused<T>(device: &DeviceInfo, error: &nusb::Error) -> Result<T, PhoneError> {
    let serial = name_of(device);
    let message = error.to_string();
    let kind = error.kind();
    if matches!(kind, ErrorKind::Disconnected | ErrorKind::NotFound) {
        let source = Arc::new(std::io::Error::other(message));
        return Err(PhoneError::Gone { serial, source });
    }
    match state_of(kind, error.os_error().filter(|_| cfg!(windows)), &message) {
        Some(DeviceState::Busy(_)) => {
            let state = DeviceState::Busy(holder(device).unwrap_or_default());
            Err(PhoneError::NotReady { serial, state })
        }
        Some(state) => Err(PhoneError::NotReady { serial, state }),
        None => {
            let source = Arc::new(std::io::Error::other(message));
            Err(PhoneError::CannotOpen { serial, source })
        }
    }
}

/// Returns the state of a phone that cannot be opened, from nusb's error. `code` is the Windows error code.
fn state_of(kind: ErrorKind, code: Option<u32>, words: &str) -> Option<DeviceState> {
    /// WinUSB lets one program in: ERROR_ACCESS_DENIED, and ERROR_SHARING_VIOLATION.
    const HELD: [u32; 2] = [5, 32];
    match kind {
        ErrorKind::PermissionDenied => Some(DeviceState::NoPermissions(words.to_owned())),
        ErrorKind::Busy => Some(DeviceState::Busy(String::new())),
        ErrorKind::Other if code.is_some_and(|code| HELD.contains(&code)) => {
            Some(DeviceState::Busy(String::new()))
        }
        // Another driver, or none, at the device or at its ADB interface.
        ErrorKind::Unsupported => Some(DeviceState::NoDriver(words.to_owned())),
        _ => None,
    }
}

/// Returns the path of the device file through which Linux gives programs access.
#[cfg(target_os = "linux")]
pub(super) fn node_of(device: &DeviceInfo) -> Option<String> {
    let bus = device.bus_id().parse::<u16>().ok()?;
    let address = device.device_address();
    Some(format!("/dev/bus/usb/{bus:03}/{address:03}"))
}

/// Returns the program that has the device open, as `adb (process 123)`, if that can be found out.
#[cfg(target_os = "linux")]
fn holder(device: &DeviceInfo) -> Option<String> {
    let node = node_of(device)?;
    let own = std::process::id().to_string();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let id = process.file_name().to_string_lossy().into_owned();
        if id == own || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // Those of other users cannot be looked into.
        let Ok(open) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let is_open = |file: std::fs::DirEntry| {
            std::fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == node.as_str())
        };
        if open.flatten().any(is_open) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {id})", name.trim()));
        }
    }
    None
}

/// Elsewhere only the system itself knows.
#[cfg(not(target_os = "linux"))]
fn holder(_device: &DeviceInfo) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_phone_from_being_opened_is_told_apart() {
        let state = |kind, code| state_of(kind, code, "words").map(|it| it.name().to_owned());
        for (kind, code, expected) in [
            (ErrorKind::PermissionDenied, None, Some("no permissions")),
            (ErrorKind::Busy, None, Some("busy")),
            // As nusb answers on Windows: adb.exe has it; another driver, or none.
            (ErrorKind::Other, Some(5), Some("busy")),
            (ErrorKind::Other, Some(32), Some("busy")),
            (ErrorKind::Unsupported, None, Some("no driver")),
            (ErrorKind::Other, Some(31), None),
            (ErrorKind::Other, None, None),
        ] {
            assert_eq!(state(kind, code).as_deref(), expected, "{kind:?} {code:?}");
        }
    }
}
