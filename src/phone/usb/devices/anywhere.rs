//! Lists USB devices through the crate nusb, for systems that do not list them in a folder.

use nusb::{DeviceInfo, MaybeFuture as _};

use super::{Interface, UsbPhone, offer_of};
use crate::phone::usb::name_of;

/// The class of a hub.
const HUB: u8 = 0x09;

/// Returns the phones among the USB devices; empty if the devices cannot be listed.
pub(super) fn phones() -> Vec<UsbPhone> {
    match nusb::list_devices().wait() {
        Ok(listed) => listed.filter_map(|device| phone(&device)).collect(),
        Err(error) => {
            tracing::debug!(%error, "cannot list USB devices");
            Vec::new()
        }
    }
}

fn phone(device: &DeviceInfo) -> Option<UsbPhone> {
    if device.class() == HUB {
        return None;
    }
    let interfaces = device.interfaces().map(|interface| -> Interface {
        let class = (
            interface.class(),
            interface.subclass(),
            interface.protocol(),
        );
        let name = interface.interface_string().unwrap_or_default();
        (class, name.to_owned())
    });
    let id = (device.vendor_id(), device.product_id());
    Some(UsbPhone {
        name: name_of(device),
        model: device.product_string().map(str::to_owned),
        offer: offer_of(id, &interfaces.collect::<Vec<_>>())?,
    })
}
