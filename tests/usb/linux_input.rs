//! What a phone's kernel makes of HID: each device goes to this kernel's own HID parser (uhid), and
//! what the parser says comes back from evdev. So what the model of a phone sees is what Linux sees.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

/// Sizes of the kernel's `struct uhid_event` and of the fields of its create request.
const CREATE2: u32 = 11;
const DESTROY: u32 = 1;
const INPUT2: u32 = 12;

/// Something that happened, in the words of `linux/input-event-codes.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) kind: u16,
    pub(crate) code: u16,
    pub(crate) value: i32,
}

/// A HID device in this kernel; dropping it takes it away.
#[derive(Debug)]
pub(crate) struct HidDevice {
    uhid: File,
}

impl HidDevice {
    /// Makes one, and tells what happens on it.
    pub(crate) fn new(
        name: &str,
        descriptor: &[u8],
        tell: impl Fn(Happened) + Send + 'static,
    ) -> std::io::Result<Self> {
        let mut uhid = File::options().read(true).write(true).open("/dev/uhid")?;
        let mut event = CREATE2.to_ne_bytes().to_vec();
        let mut text = |text: &str, bytes: usize| {
            let mut field = text.as_bytes().to_vec();
            field.resize(bytes, 0);
            event.extend(field);
        };
        text(name, 128);
        text("", 64);
        text("", 64);
        event.extend((descriptor.len() as u16).to_ne_bytes());
        event.extend(3_u16.to_ne_bytes());
        for word in [0x18d1_u32, 0x2d00, 0, 0] {
            event.extend(word.to_ne_bytes());
        }
        event.extend(descriptor);
        event.resize(event.len() + 4096 - descriptor.len(), 0);
        uhid.write_all(&event)?;
        let mut evdev = open_named(name)?;
        std::thread::spawn(move || {
            let mut event = [0; 24];
            while evdev.read_exact(&mut event).is_ok() {
                let word = |at: usize| u16::from_ne_bytes(event[at..at + 2].try_into().unwrap());
                tell(Happened {
                    kind: word(16),
                    code: word(18),
                    value: i32::from_ne_bytes(event[20..24].try_into().unwrap()),
                });
            }
        });
        Ok(Self { uhid })
    }

    /// A report came.
    pub(crate) fn report(&mut self, report: &[u8]) -> std::io::Result<()> {
        let mut event = INPUT2.to_ne_bytes().to_vec();
        event.extend((report.len() as u16).to_ne_bytes());
        event.extend(report);
        self.uhid.write_all(&event)
    }
}

impl Drop for HidDevice {
    fn drop(&mut self) {
        let _ = self.uhid.write_all(&DESTROY.to_ne_bytes());
    }
}

fn open_named(name: &str) -> std::io::Result<File> {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        for entry in std::fs::read_dir("/sys/class/input")?.flatten() {
            let own = std::fs::read_to_string(entry.path().join("device/name"));
            let node = entry.file_name().to_string_lossy().into_owned();
            if node.starts_with("event") && own.is_ok_and(|own| own.trim() == name) {
                match File::open(format!("/dev/input/{node}")) {
                    // Its node comes a moment after its name.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    opened => return opened,
                }
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(std::io::Error::other(format!(
        "the kernel makes no input device of {name}"
    )))
}
