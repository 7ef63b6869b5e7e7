//! What is on USB, as the kernel tells it without anything being opened: for phones that offer no
//! ADB, so that there is nothing to open.
//!
//! In: a folder laid out as Linux's `/sys/bus/usb/devices`. Out: [`UsbPhone`]s.

use std::fs;
use std::path::Path;

/// Where Linux lists USB devices.
pub const SYSFS: &str = "/sys/bus/usb/devices";
/// More than any file of a device's descriptors' text, in bytes.
const MAX_TEXT: usize = 256;

/// Makers whose devices are phones unless they say otherwise.
const PHONE_MAKERS: [u16; 22] = [
    0x18d1, 0x04e8, 0x2717, 0x12d1, 0x2a70, 0x22d9, 0x22b8, 0x0fce, 0x1004, 0x0bb4, 0x19d2, 0x0e8d,
    0x05c6, 0x2d95, 0x2ae5, 0x2e04, 0x1bbb, 0x2a45, 0x0421, 0x339b, 0x29a9, 0x1ebf,
];
/// Qualcomm's emergency download mode.
const EMERGENCY: (u16, u16) = (0x05c6, 0x9008);

/// A phone on USB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbPhone {
    /// Its serial number; its place on the bus where it tells none.
    pub name: String,
    /// Its model.
    pub model: Option<String>,
    /// What it offers.
    pub offer: Offer,
}

/// What a phone offers over USB, the most useful first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Offer {
    /// USB debugging.
    Adb,
    /// The bootloader's protocol.
    Fastboot,
    /// The chip's emergency mode.
    Emergency,
    /// Files, pictures or a network, but no debugging.
    FilesOrNetwork,
    /// Nothing.
    Nothing,
}

/// The phones below a folder like [`SYSFS`], sorted by name; none where there is no such folder.
pub fn phones_in(folder: &Path) -> Vec<UsbPhone> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut phones: Vec<_> = entries
        .flatten()
        // An interface is named `1-2:1.0`, a root hub `usb1`.
        .filter(|entry| !entry.file_name().to_string_lossy().contains(':'))
        .filter_map(|entry| phone_at(&entry.path()))
        .collect();
    phones.sort_by(|one, other| one.name.cmp(&other.name));
    phones
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

/// An interface's class, subclass and protocol, and its name.
type Interface = ((u8, u8, u8), String);

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

/// `None` for what is no phone.
pub(in crate::phone) fn offer_of(id: (u16, u16), interfaces: &[Interface]) -> Option<Offer> {
    let offers = |wanted| interfaces.iter().any(|(class, _)| *class == wanted);
    if offers((0xff, 0x42, 0x01)) {
        return Some(Offer::Adb);
    }
    if offers((0xff, 0x42, 0x03)) {
        return Some(Offer::Fastboot);
    }
    if id == EMERGENCY {
        return Some(Offer::Emergency);
    }
    if interfaces.iter().any(|(_, name)| name == "MTP") {
        return Some(Offer::FilesOrNetwork);
    }
    if !PHONE_MAKERS.contains(&id.0) {
        return None;
    }
    // PTP and MTP, network (RNDIS, CDC): a camera of another maker offers PTP as well.
    let is_data = |class: u8| matches!(class, 0x02 | 0x06 | 0x0a | 0xe0);
    // The makers sell keyboards, headsets, printers, disks and webcams, too.
    let is_other = |class: u8| matches!(class, 0x01 | 0x03 | 0x07 | 0x08 | 0x09 | 0x0b | 0x0e);
    if interfaces.iter().any(|((class, ..), _)| is_data(*class)) {
        return Some(Offer::FilesOrNetwork);
    }
    let is_phone = !interfaces.iter().any(|((class, ..), _)| is_other(*class));
    is_phone.then_some(Offer::Nothing)
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
        let found = phones_in(bus.path());
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
