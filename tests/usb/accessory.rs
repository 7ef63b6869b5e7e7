//! Accessory mode 2 of a phone, as far as it is a keyboard's: requests 51 and 54 to 57. What comes is
//! given to Linux's HID parser, and what that says to the [`Screen`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::gadget::{Function, Interface};
use super::linux_input::HidDevice;
use super::screen::Screen;
use super::vhci::{Answer, Bus, Refusal, Setup};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Trouble {
    /// It does not know accessory mode.
    Stalls,
    /// It knows its first version only.
    Version1,
    /// It answers more and other than was asked.
    Babbles,
    /// It never answers.
    Hangs,
    /// It takes keyboards only.
    KeyboardOnly,
    /// It says that it speaks no version at all.
    Version0,
    /// It says that it speaks the highest version that the answer has room for.
    Version65535,
    /// It takes no device at all.
    NoDevices,
    /// It leaves the bus at the tenth report, once.
    LeavesOnce,
    /// It leaves the bus at the third digit that is typed, once.
    LeavesInPin,
}

/// What the phone has seen of accessory mode; survives a replug.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) reports: usize,
    digits: usize,
    pub(crate) left: bool,
}

pub(crate) struct Accessory {
    screen: Arc<Mutex<Screen>>,
    seen: Arc<Mutex<Seen>>,
    trouble: Option<Trouble>,
    devices: BTreeMap<u16, Attached>,
}

struct Attached {
    length: usize,
    descriptor: Vec<u8>,
    hid: Option<HidDevice>,
    last: Vec<u8>,
}

impl Accessory {
    pub(crate) fn new(
        screen: Arc<Mutex<Screen>>,
        seen: Arc<Mutex<Seen>>,
        trouble: Option<Trouble>,
    ) -> Self {
        Self {
            screen,
            seen,
            trouble,
            devices: BTreeMap::new(),
        }
    }

    fn request(&mut self, bus: &Bus, setup: Setup, data: &[u8]) -> Option<()> {
        let id = setup.value;
        match setup.request {
            54 => {
                if self.trouble == Some(Trouble::NoDevices) {
                    return None;
                }
                let is_keyboard = self.devices.is_empty();
                if self.trouble == Some(Trouble::KeyboardOnly) && !is_keyboard {
                    return None;
                }
                let attached = Attached {
                    length: usize::from(setup.index),
                    descriptor: Vec::new(),
                    hid: None,
                    last: Vec::new(),
                };
                println!("registered {id}");
                self.devices.insert(id, attached);
            }
            55 => {
                let gone = self.devices.remove(&id)?;
                let held = gone.last.first_chunk::<1>().is_some() && is_pressed(id, &gone.last);
                println!("unregistered {id} held={held}");
            }
            56 => {
                let own = self.devices.get_mut(&id)?;
                if usize::from(setup.index) != own.descriptor.len() {
                    return None;
                }
                own.descriptor.extend(data);
                if own.descriptor.len() > own.length {
                    return None;
                }
                if own.descriptor.len() == own.length {
                    let screen = Arc::clone(&self.screen);
                    let name = format!("accessory {id} {}", std::process::id());
                    let made = HidDevice::new(&name, &own.descriptor, move |happened| {
                        screen.lock().unwrap().happened(happened);
                    });
                    own.hid = Some(made.inspect_err(|error| eprintln!("{error}")).ok()?);
                }
            }
            57 => {
                let own = self.devices.get_mut(&id)?;
                own.hid.as_mut()?.report(data).ok()?;
                own.last = data.to_vec();
                let mut seen = self.seen.lock().unwrap();
                seen.reports += 1;
                println!("report {id} pressed={}", is_pressed(id, data));
                // The row above the letters, in HID's usages.
                let is_digit = id == 1 && matches!(data, [_, _, 0x1e..=0x27, ..]);
                seen.digits += usize::from(is_digit);
                let leaves = match self.trouble {
                    Some(Trouble::LeavesOnce) => seen.reports == 10,
                    Some(Trouble::LeavesInPin) => seen.digits == 3,
                    _ => false,
                };
                if leaves && !seen.left {
                    seen.left = true;
                    bus.unplug();
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// Whether something is pressed; where the pen or the mouse is does not count.
fn is_pressed(id: u16, report: &[u8]) -> bool {
    let counted = if matches!(id, 2 | 3) { 1 } else { report.len() };
    report[..counted.min(report.len())]
        .iter()
        .any(|byte| *byte != 0)
}

impl Function for Accessory {
    fn interface(&self) -> Option<Interface> {
        None
    }

    fn control(&mut self, bus: &Bus, setup: Setup, data: &[u8]) -> Option<Answer> {
        let stall = Some(Answer::Refused(Refusal::Stall));
        match (setup.kind, setup.request) {
            (0xc0, 51) => {
                println!("asked for accessory mode");
                match self.trouble {
                    Some(Trouble::Stalls) => stall,
                    Some(Trouble::Version0) => Some(Answer::Done(vec![0, 0])),
                    Some(Trouble::Version1) => Some(Answer::Done(vec![1, 0])),
                    Some(Trouble::Version65535) => Some(Answer::Done(vec![0xff, 0xff])),
                    Some(Trouble::Babbles) => Some(Answer::Refused(Refusal::Babble)),
                    Some(Trouble::Hangs) => Some(Answer::Later),
                    _ => Some(Answer::Done(vec![2, 0])),
                }
            }
            (0x40, 54..=57) => match self.request(bus, setup, data) {
                Some(()) => Some(Answer::Done(Vec::new())),
                None => stall,
            },
            _ => None,
        }
    }
}

impl Drop for Accessory {
    fn drop(&mut self) {
        for (id, own) in &self.devices {
            println!("lost {id} held={}", is_pressed(*id, &own.last));
        }
    }
}
