//! Reads Linux's list of USB devices: a folder for each device, with one file per value of its descriptors.

use std::fs;
use std::path::Path;

use super::{Interface, UsbPhone, offer_of};

/// Where Linux lists USB devices.
const SYSFS: &str = "/sys/bus/usb/devices";
/// More than any file of a device's descriptors' text, in bytes.
const MAX_TEXT: usize = 256;

/// Returns the phones that Linux lists.
pub(super) fn phones() -> Vec<UsbPhone> {
    phones_in(Path::new(SYSFS))
}

/// The phones below a folder like [`SYSFS`]; none where there is no such folder.
fn phones_in(folder: &Path) -> Vec<UsbPhone> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        // An interface is named `1-2:1.0`, a root hub `usb1`.
        .filter(|entry| !entry.file_name().to_string_lossy().contains(':'))
        .filter_map(|entry| phone_at(&entry.path()))
        .collect()
}

fn phone_at(device: &Path) -> Option<UsbPhone> {
    let id = (
        hex(device, "idVendor")? as u16,
        hex(device, "idProduct")? as u16,
    );
    if hex(device, "bDeviceClass") == Some(0x09) {
        return None;
    }
    let place = device.file_name()?.to_string_lossy().into_owned();
    let offer = offer_of(id, &interfaces(device, &place))?;
    Some(UsbPhone {
        name: text(device, "serial").unwrap_or_else(|| format!("usb:{place}")),
        model: text(device, "product"),
        offer,
    })
}

fn interfaces(device: &Path, place: &str) -> Vec<Interface> {
    let prefix = format!("{place}:");
    let Ok(entries) = fs::read_dir(device) else {
        return Vec::new();
    };
    let read = |path: &Path| {
        let byte = |name| hex(path, name).map(|value| value as u8);
        let class = (
            byte("bInterfaceClass")?,
            byte("bInterfaceSubClass")?,
            byte("bInterfaceProtocol")?,
        );
        Some((class, text(path, "interface").unwrap_or_default()))
    };
    let own = entries.flatten();
    let own = own.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    own.filter_map(|entry| read(&entry.path())).collect()
}

fn hex(folder: &Path, name: &str) -> Option<u32> {
    u32::from_str_radix(&text(folder, name)?, 16).ok()
}

fn text(folder: &Path, name: &str) -> Option<String> {
    let bytes = fs::read(folder.join(name)).ok()?;
    let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(MAX_TEXT))?)
        .trim()
        .to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::usb::devices::Offer;

    /// Adds a device to a made-up bus; interfaces as `ff4201` or `ffff00MTP`.
    fn plug(bus: &Path, place: &str, id: &str, serial: &str, interfaces: &[&str]) {
        let device = bus.join(place);
        fs::create_dir(&device).unwrap();
        let (vendor, product) = id.split_once(':').unwrap();
        fs::write(device.join("idVendor"), format!("{vendor}\n")).unwrap();
        fs::write(device.join("idProduct"), format!("{product}\n")).unwrap();
        fs::write(device.join("bDeviceClass"), "00\n").unwrap();
        fs::write(device.join("serial"), format!("{serial}\n")).unwrap();
        for (number, interface) in interfaces.iter().enumerate() {
            let folder = device.join(format!("{place}:1.{number}"));
            fs::create_dir(&folder).unwrap();
            let parts = [
                ("bInterfaceClass", 0..2),
                ("bInterfaceSubClass", 2..4),
                ("bInterfaceProtocol", 4..6),
                ("interface", 6..interface.len()),
            ];
            for (name, range) in parts {
                fs::write(folder.join(name), &interface[range]).unwrap();
            }
        }
    }

    #[test]
    fn phones_are_told_by_what_they_offer_and_other_devices_are_left_out() {
        let bus = tempfile::tempdir().unwrap();
        plug(
            bus.path(),
            "1-1",
            "18d1:4ee7",
            "ADB",
            &["ffff00MTP", "ff4201"],
        );
        plug(bus.path(), "1-2", "18d1:4ee0", "BOOT", &["ff4203"]);
        plug(bus.path(), "1-3", "04e8:6860", "FILES", &["060101"]);
        plug(bus.path(), "1-4", "abcd:0001", "MTP", &["ffff00MTP"]);
        plug(
            bus.path(),
            "1-5",
            "22b8:2e81",
            "TETHER",
            &["e00103", "0a0000"],
        );
        plug(bus.path(), "1-6", "2717:ff08", "CHARGE", &[]);
        plug(bus.path(), "1-7", "05c6:9008", "EDL", &["ffffff"]);
        // A webcam, a Samsung printer, a Samsung disk, a camera, somebody's `ff` interface, a hub.
        plug(bus.path(), "2-1", "046d:0825", "x1", &["0e0100", "010100"]);
        plug(bus.path(), "2-2", "04e8:3321", "x2", &["070102"]);
        plug(bus.path(), "2-3", "04e8:61b6", "x3", &["080650"]);
        plug(bus.path(), "2-4", "04a9:3218", "x4", &["060101"]);
        plug(bus.path(), "2-5", "0403:6001", "x5", &["ffffff"]);
        plug(bus.path(), "2-6", "18d1:5022", "x6", &["090000"]);
        let mut found = phones_in(bus.path());
        found.sort_by(|one, other| one.name.cmp(&other.name));
        let found: Vec<_> = found
            .iter()
            .map(|phone| (phone.name.as_str(), phone.offer))
            .collect();
        assert_eq!(
            found,
            [
                ("ADB", Offer::Adb),
                ("BOOT", Offer::Fastboot),
                ("CHARGE", Offer::Nothing),
                ("EDL", Offer::Emergency),
                ("FILES", Offer::FilesOrNetwork),
                ("MTP", Offer::FilesOrNetwork),
                ("TETHER", Offer::FilesOrNetwork),
            ]
        );
        assert_eq!(phones_in(&bus.path().join("missing")), []);
    }
}
