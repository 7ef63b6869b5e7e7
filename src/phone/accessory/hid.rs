//! HID report descriptors, which tell a phone what is attached, and HID reports, which tell it what happens. No I/O.
//!
//! Sources: USB HID 1.11 (report descriptors), HID Usage Tables 1.5 (pages 01, 07, 0C, 0D).

/// An input device that this program presents to the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum InputDevice {
    /// A keyboard that reports up to six keys at once.
    Keyboard,
    /// A pen on the display. It reports absolute places, so it needs neither a visible pointer nor a drag from a known
    /// position.
    Touch,
    /// A mouse with three buttons and a wheel.
    Mouse,
    /// Home, Back, Recents, volume and power keys; up to two at once.
    Consumer,
    /// System keys that wake the phone or put it to sleep. Each does nothing if the phone is in that state already.
    System,
}

/// The longest report, in bytes.
const LONGEST: usize = 8;

impl InputDevice {
    #[cfg(test)]
    const ALL: [Self; 5] = [
        Self::Keyboard,
        Self::Touch,
        Self::Mouse,
        Self::Consumer,
        Self::System,
    ];

    /// Returns the id under which the device is registered in accessory mode.
    pub(crate) fn id(self) -> u16 {
        match self {
            Self::Keyboard => 1,
            Self::Touch => 2,
            Self::Mouse => 3,
            Self::Consumer => 4,
            Self::System => 5,
        }
    }

    /// Returns the device's name for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keyboard => "keyboard",
            Self::Touch => "touch pointer",
            Self::Mouse => "mouse",
            Self::Consumer => "set of Home, Back and volume keys",
            Self::System => "wake key",
        }
    }

    /// Returns the length of the device's reports in bytes.
    pub(crate) fn report_bytes(self) -> usize {
        match self {
            Self::Keyboard => 8,
            Self::Touch => 5,
            Self::Mouse | Self::Consumer => 4,
            Self::System => 1,
        }
    }

    /// Returns the device's HID report descriptor.
    pub(crate) fn descriptor(self) -> &'static [u8] {
        match self {
            Self::Keyboard => KEYBOARD,
            Self::Touch => TOUCH,
            Self::Mouse => MOUSE,
            Self::Consumer => CONSUMER,
            Self::System => SYSTEM,
        }
    }

    /// Returns the report in which nothing is pressed.
    pub(crate) fn released(self) -> HidReport {
        HidReport {
            device: self,
            bytes: [0; LONGEST],
        }
    }
}

#[rustfmt::skip]
const KEYBOARD: &[u8] = &[
    0x05, 0x01, 0x09, 0x06, 0xa1, 0x01,             // Generic Desktop, Keyboard, application
    0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7,             //   Keyboard page, Left Control to Right Meta
    0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x08, //   8 bits
    0x81, 0x02,                                     //   input, variable
    0x75, 0x08, 0x95, 0x01, 0x81, 0x01,             //   a byte of nothing
    0x19, 0x00, 0x29, 0x65, 0x15, 0x00, 0x25, 0x65, //   none to Application (the menu key)
    0x75, 0x08, 0x95, 0x06, 0x81, 0x00,             //   6 bytes, input, array
    0xc0,
];

// A pen and no touch screen: Linux makes a direct pointer of a pen by itself, but of a touch screen
// only with hid-multitouch, which older phones lack.
#[rustfmt::skip]
const TOUCH: &[u8] = &[
    0x05, 0x0d, 0x09, 0x02, 0xa1, 0x01,             // Digitizer, Pen, application
    0x09, 0x20, 0xa1, 0x00,                         //   Stylus, physical
    0x09, 0x42, 0x09, 0x32,                         //     Tip Switch, In Range
    0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x02, //     2 bits
    0x81, 0x02, 0x75, 0x06, 0x95, 0x01, 0x81, 0x03, //     and 6 of nothing
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31,             //     Generic Desktop, X, Y
    0x15, 0x00, 0x26, 0xff, 0x7f,                   //     0 to 32767
    0x75, 0x10, 0x95, 0x02, 0x81, 0x02,             //     16 bits each
    0xc0, 0xc0,
];

#[rustfmt::skip]
const MOUSE: &[u8] = &[
    0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0x09, 0x01, 0xa1, 0x00, // Mouse, Pointer
    0x05, 0x09, 0x19, 0x01, 0x29, 0x03,             //     Buttons 1 to 3
    0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x03, 0x81, 0x02,
    0x75, 0x05, 0x95, 0x01, 0x81, 0x01,             //     5 bits of nothing
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x09, 0x38, //     X, Y, Wheel
    0x15, 0x81, 0x25, 0x7f, 0x75, 0x08, 0x95, 0x03, //     -127 to 127
    0x81, 0x06,                                     //     relative
    0xc0, 0xc0,
];

#[rustfmt::skip]
const CONSUMER: &[u8] = &[
    0x05, 0x0c, 0x09, 0x01, 0xa1, 0x01,             // Consumer, Consumer Control
    0x15, 0x00, 0x26, 0xff, 0x03, 0x19, 0x00, 0x2a, 0xff, 0x03,
    0x75, 0x10, 0x95, 0x02, 0x81, 0x00,             //   2 of 16 bits, array
    0xc0,
];

#[rustfmt::skip]
const SYSTEM: &[u8] = &[
    0x05, 0x01, 0x09, 0x80, 0xa1, 0x01,             // Generic Desktop, System Control
    0x19, 0x81, 0x29, 0x83, 0x15, 0x01, 0x25, 0x03, //   Power Down, Sleep, Wake Up as 1, 2, 3
    0x75, 0x08, 0x95, 0x01, 0x81, 0x00,
    0xc0,
];

/// A HID report: what is pressed on a device at one moment. Its `Debug` form hides the content, which may belong to a
/// PIN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HidReport {
    device: InputDevice,
    bytes: [u8; LONGEST],
}

impl std::fmt::Debug for HidReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Report({:?})", self.device)
    }
}

impl HidReport {
    /// Returns the report for one key with modifiers (the bits of usages E0 to E7 on HID page 07).
    pub(crate) fn key(modifiers: u8, usage: u8) -> Self {
        let bytes = [modifiers, 0, usage, 0, 0, 0, 0, 0];
        Self {
            device: InputDevice::Keyboard,
            bytes,
        }
    }

    /// Returns the report for the pen above or on a place.
    pub(crate) fn pen(point: Point, tip: Tip) -> Self {
        let flags = match tip {
            Tip::Down => 0b11,
            Tip::Near => 0b10,
        };
        let ([x0, x1], [y0, y1]) = (point.x.to_le_bytes(), point.y.to_le_bytes());
        Self {
            device: InputDevice::Touch,
            bytes: [flags, x0, x1, y0, y1, 0, 0, 0],
        }
    }

    /// Returns the report for mouse buttons (bits: left, right, middle) and movements.
    pub(crate) fn mouse(buttons: u8, x: i8, y: i8, wheel: i8) -> Self {
        let [x, y, wheel] = [x, y, wheel].map(i8::cast_unsigned);
        Self {
            device: InputDevice::Mouse,
            bytes: [buttons & 0b111, x, y, wheel, 0, 0, 0, 0],
        }
    }

    /// Returns the report for one or two buttons.
    pub(crate) fn buttons(one: Button, other: Option<Button>) -> Self {
        let [a, b] = one.usage().to_le_bytes();
        let [c, d] = other.map_or(0, Button::usage).to_le_bytes();
        Self {
            device: InputDevice::Consumer,
            bytes: [a, b, c, d, 0, 0, 0, 0],
        }
    }

    /// Returns the report that wakes the phone; a phone that is awake stays awake.
    pub(crate) fn wake() -> Self {
        Self::system(3)
    }

    /// Returns the report that puts the phone to sleep, which locks it; a sleeping phone stays asleep.
    pub(crate) fn sleep() -> Self {
        Self::system(2)
    }

    fn system(number: u8) -> Self {
        Self {
            device: InputDevice::System,
            bytes: [number, 0, 0, 0, 0, 0, 0, 0],
        }
    }

    /// Returns the device to which the report belongs.
    pub(crate) fn device(&self) -> InputDevice {
        self.device
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes
            .get(..self.device.report_bytes())
            .unwrap_or(&self.bytes)
    }
}

/// The position of the pen's tip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tip {
    /// Touching the display.
    Down,
    /// Above the display.
    Near,
}

/// A place on the display, measured from its upper left corner; [`Point::MAX`] is the full width or height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The distance from the left edge.
    pub x: u16,
    /// The distance from the upper edge.
    pub y: u16,
}

impl Point {
    /// The largest value of both axes.
    pub const MAX: u16 = 32767;

    /// Returns the place at these fractions of the width and the height, 0 to 1. Values outside that range are moved to
    /// the edge.
    pub fn at(x: f64, y: f64) -> Self {
        let whole = |part: f64| (part.clamp(0.0, 1.0) * f64::from(Self::MAX)).round() as u16;
        Self {
            x: whole(x),
            y: whole(y),
        }
    }

    /// Returns the place that lies the fraction `part` of the way to `other`.
    pub fn towards(self, other: Self, part: f64) -> Self {
        let between = |from: u16, to: u16| {
            (f64::from(from) + (f64::from(to) - f64::from(from)) * part).round() as u16
        };
        Self {
            x: between(self.x, other.x),
            y: between(self.y, other.y),
        }
    }
}

/// A button of [`InputDevice::Consumer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Button {
    /// Opens the home screen.
    Home,
    /// Goes back one step.
    Back,
    /// Opens the list of recent apps.
    Recents,
    /// Opens the search.
    Search,
    /// Volume up.
    VolumeUp,
    /// Volume down.
    VolumeDown,
    /// The power key: wakes the phone or puts it to sleep. Held, it may offer to switch the phone off.
    Power,
}

impl Button {
    /// All buttons, with their names in scripts.
    pub(crate) const NAMED: [(&'static str, Self); 7] = [
        ("Home", Self::Home),
        ("Back", Self::Back),
        ("Recents", Self::Recents),
        ("Search", Self::Search),
        ("VolumeUp", Self::VolumeUp),
        ("VolumeDown", Self::VolumeDown),
        ("Power", Self::Power),
    ];

    /// Its usage on page 0C.
    fn usage(self) -> u16 {
        match self {
            Self::Home => 0x223,
            Self::Back => 0x224,
            Self::Recents => 0x1a2,
            Self::Search => 0x221,
            Self::VolumeUp => 0xe9,
            Self::VolumeDown => 0xea,
            Self::Power => 0x30,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The input bits that a descriptor promises: sizes times counts of its Input items.
    fn input_bits(descriptor: &[u8]) -> usize {
        let (mut size, mut count, mut bits, mut at) = (0, 0, 0, 0);
        while at < descriptor.len() {
            let prefix = descriptor[at];
            let length = [0, 1, 2, 4][usize::from(prefix & 3)];
            let value = descriptor.get(at + 1).copied().unwrap_or_default();
            match prefix & 0xfc {
                0x74 => size = usize::from(value),
                0x94 => count = usize::from(value),
                0x80 => bits += size * count,
                _ => {}
            }
            at += 1 + length;
        }
        bits
    }

    #[test]
    fn reports_are_as_long_as_their_descriptors_say_and_collections_close() {
        for device in InputDevice::ALL {
            let bits = input_bits(device.descriptor());
            assert_eq!(bits, device.report_bytes() * 8, "{device:?}");
            assert_eq!(device.released().bytes(), vec![0; device.report_bytes()]);
        }
        let ids: std::collections::BTreeSet<_> =
            InputDevice::ALL.iter().map(|one| one.id()).collect();
        assert_eq!(ids.len(), InputDevice::ALL.len());
    }

    #[test]
    fn reports_hold_what_is_pressed() {
        assert_eq!(HidReport::key(2, 4).bytes(), [2, 0, 4, 0, 0, 0, 0, 0]);
        let point = Point {
            x: 0x1234,
            y: 0x5678,
        };
        assert_eq!(
            HidReport::pen(point, Tip::Down).bytes(),
            [3, 0x34, 0x12, 0x78, 0x56]
        );
        assert_eq!(HidReport::mouse(1, -1, 5, 0).bytes(), [1, 0xff, 5, 0]);
        assert_eq!(
            HidReport::buttons(Button::VolumeUp, Some(Button::VolumeDown)).bytes(),
            [0xe9, 0, 0xea, 0]
        );
        assert_eq!(
            HidReport::buttons(Button::Home, None).bytes(),
            [0x23, 2, 0, 0]
        );
        assert_eq!(HidReport::wake().bytes(), [3]);
    }

    #[test]
    fn places_stay_on_the_display() {
        assert_eq!(Point::at(-1.0, 2.0), Point { x: 0, y: 32767 });
        assert_eq!(Point::at(f64::NAN, 0.5), Point { x: 0, y: 16384 });
        let (a, b) = (Point::at(0.0, 1.0), Point::at(1.0, 0.0));
        assert_eq!(a.towards(b, 0.0), a);
        assert_eq!(a.towards(b, 1.0), b);
    }

    #[test]
    fn a_report_does_not_show_its_keys() {
        assert_eq!(format!("{:?}", HidReport::key(0, 0x1e)), "Report(Keyboard)");
    }
}
