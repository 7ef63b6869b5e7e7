//! ADB among a device's descriptors, in whichever configuration; no I/O.
//!
//! Source: USB 2.0, section 9.6: each descriptor begins with its length and its kind.

use super::{ADB, AdbInterface};

/// The kind of a configuration's descriptor.
const CONFIGURATION: u8 = 2;
/// The kind of an interface's descriptor.
const INTERFACE: u8 = 4;

/// Returns the first configuration with an ADB interface. The input is all of a device's descriptors, one after the
/// other. Also returns `None` if the input is invalid.
pub(super) fn with_adb(mut descriptors: &[u8]) -> Option<AdbInterface> {
    let mut configuration = None;
    while let [length, kind, ..] = *descriptors {
        let length = usize::from(length).max(2);
        let (descriptor, rest) = descriptors.split_at_checked(length)?;
        match (kind, descriptor) {
            (CONFIGURATION, [_, _, _, _, _, value, ..]) => configuration = Some(*value),
            (INTERFACE, [_, _, number, _, _, class, subclass, protocol, ..])
                if (*class, *subclass, *protocol) == ADB =>
            {
                return Some(AdbInterface {
                    configuration,
                    interface: *number,
                });
            }
            _ => {}
        }
        descriptors = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: [u8; 18] = [
        18, 1, 0, 2, 0, 0, 0, 64, 0xd1, 0x18, 0xe7, 0x4e, 0, 0, 1, 2, 3, 2,
    ];

    fn configuration(value: u8, class: (u8, u8, u8)) -> Vec<u8> {
        let interface = [9, 4, 3, 0, 0, class.0, class.1, class.2, 0];
        [&[9, 2, 18, 0, 1, value, 0, 0x80, 50][..], &interface].concat()
    }

    #[test]
    fn adb_is_found_in_a_later_configuration() {
        let other = configuration(1, (6, 1, 1));
        let all = [&DEVICE[..], &other, &configuration(2, ADB)].concat();
        let place = with_adb(&all).unwrap();
        assert_eq!((place.configuration, place.interface), (Some(2), 3));
        assert_eq!(with_adb(&[&DEVICE[..], &other].concat()), None);
    }

    #[test]
    fn descriptors_cut_anywhere_and_nonsense_are_none() {
        let all = [&DEVICE[..], &configuration(1, ADB)].concat();
        for end in 0..all.len() {
            assert_eq!(with_adb(&all[..end]), None, "{end}");
        }
        assert_eq!(with_adb(&[0; 64]), None);
        assert_eq!(with_adb(&[255; 64]), None);
    }
}
