//! Finds the phones on USB that may take keys. No request is sent to any of them.

use nusb::DeviceInfo;

use super::super::usb::devices::{Offer, offer_of};
use super::super::usb::name_of;
use super::error::AccessoryError;

/// What Linux says where it knows no USB at all (`ENOENT`).
const NO_SUCH_FILE: u32 = 2;

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
pub(super) async fn found() -> Result<Vec<DeviceInfo>, AccessoryError> {
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

/// Returns the device with this name, or the only one if `name` is `None`.
pub(super) fn choose<'a>(
    found: &'a [DeviceInfo],
    name: Option<&str>,
) -> Result<&'a DeviceInfo, AccessoryError> {
    let present = || found.iter().map(name_of).collect();
    match (name, found) {
        (Some(name), _) => {
            let mut named = found.iter().filter(|device| name_of(device) == name);
            match (named.next(), named.next()) {
                (Some(only), None) => Ok(only),
                // A PIN is typed on no phone that only calls itself like another.
                (Some(_), Some(_)) => Err(AccessoryError::SeveralPhones { present: present() }),
                (None, _) => Err(AccessoryError::NoSuchPhone {
                    serial: name.to_owned(),
                    present: present(),
                }),
            }
        }
        (None, []) => Err(AccessoryError::NoPhone),
        (None, [only]) => Ok(only),
        (None, _) => Err(AccessoryError::SeveralPhones { present: present() }),
    }
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
