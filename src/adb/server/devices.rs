//! The phones that an adb server lists, and their states.
//!
//! Source: AOSP `adb/transport.cpp`.

/// A phone's state, as an adb server names it or as this program sees it on USB.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Ready to use.
    Device,
    /// The server is connecting to the phone.
    Connecting,
    /// The server is proving its identity to the phone.
    Authorizing,
    /// The phone has not allowed this computer.
    Unauthorized,
    /// The phone is known but does not answer.
    Offline,
    /// In recovery mode.
    Recovery,
    /// In sideload mode: waiting for an update to be sent.
    Sideload,
    /// In Android's rescue mode (unrelated to this program).
    Rescue,
    /// In the bootloader.
    Bootloader,
    /// The server has no permission to open the USB device; with the server's explanation.
    NoPermissions(String),
    /// Released by the server, so that another program can use the phone.
    Detached,
    /// The `host` state: the other end is a computer, not a phone.
    Host,
    /// Seen on USB by this program itself and free to be opened. No request has been sent to it yet.
    Attached,
    /// Seen on USB by this program itself, but held by another program; with that program's name.
    Busy(String),
    /// Seen on USB by this program itself, but without a driver that lets programs open it. Happens on Windows only;
    /// with the system's error message.
    NoDriver(String),
    /// A state that this program does not know, as the server wrote it.
    Other(String),
}

impl DeviceState {
    fn parse(word: &str) -> Self {
        match word {
            "device" => Self::Device,
            "connecting" => Self::Connecting,
            "authorizing" => Self::Authorizing,
            "unauthorized" => Self::Unauthorized,
            "offline" => Self::Offline,
            "recovery" => Self::Recovery,
            "sideload" => Self::Sideload,
            "rescue" => Self::Rescue,
            "bootloader" => Self::Bootloader,
            "detached" => Self::Detached,
            "host" => Self::Host,
            _ => Self::Other(word.to_owned()),
        }
    }

    /// Returns the state as a server would write it.
    pub fn name(&self) -> &str {
        match self {
            Self::Device => "device",
            Self::Connecting => "connecting",
            Self::Authorizing => "authorizing",
            Self::Unauthorized => "unauthorized",
            Self::Offline => "offline",
            Self::Recovery => "recovery",
            Self::Sideload => "sideload",
            Self::Rescue => "rescue",
            Self::Bootloader => "bootloader",
            Self::NoPermissions(_) => "no permissions",
            Self::Detached => "detached",
            Self::Host => "host",
            Self::Attached => "attached",
            Self::Busy(_) => "busy",
            Self::NoDriver(_) => "no driver",
            Self::Other(word) => word,
        }
    }
}

/// The beginning of the state of a phone that the server has no permission to open; the reason follows.
const NO_PERMISSIONS: &str = " no permissions";

/// One line of the server's long device list (`adb devices -l`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The phone's serial number or `host:port`, without surrounding blanks; empty if the server knows none.
    pub serial: String,
    /// The phone's state.
    pub state: DeviceState,
    /// The properties `usb`, `product`, `model`, `device` and `transport_id`, in the order sent.
    pub properties: Vec<(String, String)>,
}

impl Device {
    /// Returns the value of a property, or `None` if the server did not send it.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Parses the answer to `host:devices-l`, one line per phone. Lines without a state are skipped.
///
/// adb writes a line as `"%-22s %s"` of the serial number and the state, then ` usb:`, ` product:`, ` model:` and `
/// device:` where it knows them, and ` transport_id:` last. Serial numbers may contain blanks and colons, and so may
/// product names. The state `no permissions` is followed by a reason and a link. Each line is therefore parsed from its
/// end.
pub fn parse_devices(text: &str) -> Vec<Device> {
    text.lines().filter_map(parse_device).collect()
}

fn parse_device(line: &str) -> Option<Device> {
    let mut head = line.trim_end();
    let mut properties = Vec::new();
    while let Some((rest, word)) = head.rsplit_once([' ', '\t'])
        && let Some(property) = property(word)
    {
        properties.push(property);
        head = rest.trim_end();
    }
    properties.reverse();
    let (serial, state) = match serial_and_state(head) {
        Some(found) => found,
        None => {
            // A product's name with blanks is in the way.
            let end = property_start(head).unwrap_or(head.len());
            let (front, mut words) = head.split_at_checked(end)?;
            let mut first = Vec::new();
            while let Some(rest) = words.strip_prefix(' ') {
                let (word, behind) = rest.split_at(property_start(rest).unwrap_or(rest.len()));
                first.extend(property(word));
                words = behind;
            }
            properties.splice(0..0, first);
            serial_and_state(front).or_else(|| unknown_state(front))?
        }
    };
    Some(Device {
        serial: serial_of(serial),
        state,
        properties,
    })
}

/// Splits the text before the properties at a known state: returns the part before the state, and the state.
fn serial_and_state(head: &str) -> Option<(&str, DeviceState)> {
    if let Some((serial, word)) = head.rsplit_once([' ', '\t'])
        && let state = DeviceState::parse(word)
        && !matches!(state, DeviceState::Other(_))
    {
        return Some((serial, state));
    }
    let (serial, reason) = head.split_at_checked(head.rfind(NO_PERMISSIONS)?)?;
    let reason = reason.trim_start().to_owned();
    Some((serial, DeviceState::NoPermissions(reason)))
}

/// Does the same as [`serial_and_state`] for an unknown state of one word.
fn unknown_state(head: &str) -> Option<(&str, DeviceState)> {
    let (serial, word) = head.trim_end().rsplit_once([' ', '\t'])?;
    Some((serial, DeviceState::Other(word.to_owned())))
}

/// A serial number without the blanks that fill its column; empty where adb knows none.
fn serial_of(column: &str) -> String {
    let serial = column.trim();
    let is_none = serial == "(no serial number)" || serial.bytes().all(|byte| byte == b'?');
    (if is_none { "" } else { serial }).to_owned()
}

/// A word such as `model:Pixel_7a`.
fn property(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once(':')?;
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    (!name.is_empty() && name.chars().all(is_name)).then(|| (name.to_owned(), value.to_owned()))
}

/// Where the first property starts whose name is known.
fn property_start(text: &str) -> Option<usize> {
    const NAMES: [&str; 4] = [" usb:", " product:", " model:", " device:"];
    NAMES.iter().filter_map(|name| text.find(name)).min()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn device_list_with_every_kind_of_line_is_read() {
        let list = "\
0123456789ABCDEF       device usb:1-2 product:lynx model:Pixel_7a device:lynx transport_id:1
emulator-5554          offline transport_id:2
192.168.1.7:5555       unauthorized transport_id:3
????????????           no permissions (user in plugdev group; are your udev rules wrong?); see [http://developer.android.com/tools/device.html] usb:1-4 transport_id:4
A1 no permissions
R3CN                   dreaming transport_id:9

broken";
        let devices = parse_devices(list);
        let states: Vec<_> = devices.iter().map(|device| device.state.clone()).collect();
        let reason = "no permissions (user in plugdev group; are your udev rules wrong?); \
                      see [http://developer.android.com/tools/device.html]";
        assert_eq!(
            states,
            [
                DeviceState::Device,
                DeviceState::Offline,
                DeviceState::Unauthorized,
                DeviceState::NoPermissions(reason.into()),
                DeviceState::NoPermissions("no permissions".into()),
                DeviceState::Other("dreaming".into()),
            ]
        );
        assert_eq!(devices[0].property("model"), Some("Pixel_7a"));
        assert_eq!(devices[3].property("usb"), Some("1-4"));
        assert_eq!(devices[3].serial, "");
        assert_eq!(devices[2].serial, "192.168.1.7:5555");
    }

    #[test]
    fn serials_with_blanks_and_missing_ones_are_read_as_adb_writes_them() {
        let list = "\
adb-2A061JEGR09553-3LY3CR (2)._adb-tls-connect._tcp device product:lynx model:Pixel_7a device:lynx transport_id:4
My Phone 7             device usb:1-2 product:lynx model:Pixel_7a device:lynx transport_id:5
(no serial number)     device usb:1-3 product:x model:X device:x transport_id:6
(no serial number)     offline usb:1-4 transport_id:7
                       device usb:1-5 transport_id:8
transport_id:1         device transport_id:9
device                 unauthorized usb:1-7 transport_id:10
A device               device usb:1-8 product:My own phone model:M device:d transport_id:11
B 1 no permissions (missing udev rules? user is in the plugdev group); see [http://developer.android.com/tools/device.html] usb:2-1 transport_id:12
C C                    dreaming usb:2-2 product:two words transport_id:13
fe80::1%eth0:5555      device product:p model:m device:d
device";
        let devices = parse_devices(list);
        let serials: Vec<_> = devices.iter().map(|device| &*device.serial).collect();
        assert_eq!(
            serials,
            [
                "adb-2A061JEGR09553-3LY3CR (2)._adb-tls-connect._tcp",
                "My Phone 7",
                "",
                "",
                "",
                "transport_id:1",
                "device",
                "A device",
                "B 1",
                "C C",
                "fe80::1%eth0:5555",
            ]
        );
        let states: Vec<_> = devices.iter().map(|device| device.state.name()).collect();
        assert_eq!(
            states,
            [
                "device",
                "device",
                "device",
                "offline",
                "device",
                "device",
                "unauthorized",
                "device",
                "no permissions",
                "dreaming",
                "device",
            ]
        );
        let mut ids = devices.iter().map(|device| device.property("transport_id"));
        let expected: Vec<_> = (4..14).map(|id: u32| Some(id.to_string())).collect();
        assert!(
            ids.clone()
                .take(10)
                .eq(expected.iter().map(Option::as_deref))
        );
        assert_eq!(ids.next_back(), Some(None));
        assert_eq!(devices[7].property("product"), Some("My own phone"));
        assert_eq!(devices[7].property("usb"), Some("1-8"));
    }

    #[test]
    fn states_are_written_as_they_are_read() {
        for word in [
            "device",
            "connecting",
            "authorizing",
            "unauthorized",
            "offline",
            "recovery",
            "sideload",
            "rescue",
            "bootloader",
            "detached",
            "host",
            "dreaming",
        ] {
            let devices = parse_devices(&format!("A1 {word} usb:1-2"));
            assert_eq!(devices[0].state.name(), word);
            assert_eq!(devices[0].property("usb"), Some("1-2"));
        }
    }

    fn any_line() -> impl Strategy<Value = (String, String, Vec<(String, String)>)> {
        let name = prop::sample::select(vec!["usb", "product", "model", "device", "transport_id"]);
        let property = (name.prop_map(str::to_owned), "[!-~]{1,12}");
        let properties = prop::collection::vec(property, 0..5);
        let serial = "[!-~]{1,9}( [!-~]{1,9}){0,3}".prop_filter("counts as missing", |serial| {
            serial.bytes().any(|byte| byte != b'?')
        });
        (serial, "[a-z]{1,12}", properties)
    }

    proptest! {
        #[test]
        fn device_list_is_read_as_it_was_written(lines in prop::collection::vec(any_line(), 0..6)) {
            let mut list = String::new();
            for (serial, state, properties) in &lines {
                list += &format!("{serial:<22} {state}");
                for (name, value) in properties {
                    list += &format!(" {name}:{value}");
                }
                list.push('\n');
            }
            let devices = parse_devices(&list);
            prop_assert_eq!(devices.len(), lines.len());
            for (device, (serial, state, properties)) in devices.into_iter().zip(lines) {
                prop_assert_eq!(device.serial, serial);
                prop_assert_eq!(device.state.name(), state);
                prop_assert_eq!(device.properties, properties);
            }
        }
    }
}
