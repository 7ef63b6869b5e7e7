//! Lists the devices on USB as the system reports them, without opening any: for phones that offer no
//! ADB.

#[cfg(not(target_os = "linux"))]
mod anywhere;
#[cfg(target_os = "linux")]
mod sysfs;

#[cfg(not(target_os = "linux"))]
use anywhere as listed;
// A folder, so that tests lay out a bus of any phones.
#[cfg(target_os = "linux")]
use sysfs as listed;

/// USB vendors whose devices are treated as phones unless they report otherwise.
const PHONE_MAKERS: [u16; 22] = [
    0x18d1, 0x04e8, 0x2717, 0x12d1, 0x2a70, 0x22d9, 0x22b8, 0x0fce, 0x1004, 0x0bb4, 0x19d2, 0x0e8d,
    0x05c6, 0x2d95, 0x2ae5, 0x2e04, 0x1bbb, 0x2a45, 0x0421, 0x339b, 0x29a9, 0x1ebf,
];
/// Qualcomm's emergency download mode.
const EMERGENCY: (u16, u16) = (0x05c6, 0x9008);

/// A phone on USB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsbPhone {
    /// The phone's serial number, or its place on the bus if it has none.
    pub name: String,
    /// The phone's model, if USB reports it.
    pub model: Option<String>,
    /// What the phone offers over USB.
    pub offer: Offer,
}

/// What a phone offers over USB, the most useful first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Offer {
    /// USB debugging.
    Adb,
    /// The bootloader's fastboot protocol.
    Fastboot,
    /// The chip's emergency download mode.
    Emergency,
    /// File transfer, pictures or a network, but no debugging.
    FilesOrNetwork,
    /// Nothing of use.
    Nothing,
}

/// Returns the phones on this computer's USB, sorted by name.
pub(crate) fn phones() -> Vec<UsbPhone> {
    let mut phones = listed::phones();
    phones.sort_by(|one, other| one.name.cmp(&other.name));
    phones
}

/// An interface's class, subclass and protocol, and its name.
type Interface = ((u8, u8, u8), String);

/// Returns what a device offers; `None` if it is not a phone.
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
