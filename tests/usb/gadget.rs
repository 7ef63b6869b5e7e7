//! A device made of functions, as a phone is: each an interface, requests on the control endpoint,
//! or both.
//!
//! # To add a function (accessory mode, a keyboard, MTP)
//!
//! 1. Implement [`Function`]. [`Function::interface`] says what the descriptors show; `None` for
//!    one that only answers requests. [`Function::control`] hears every request that is not a
//!    standard one, a vendor's such as accessory mode's 51 to 57 too; the first function that
//!    answers `Some` has it, and where none does the endpoint stalls. `output` and `input` hear
//!    the transfers of its own endpoints; what has bytes for the computer keeps a [`Packets`](super::packets::Packets)
//!    for each endpoint, which also does the faults at exact bytes.
//! 2. Push it into [`Device::functions`], and plug that in: [`Port::plug`](super::vhci::Port).
//! 3. A phone that comes back as another one (accessory mode's request 53) is a
//!    [`Bus::unplug`](super::vhci::Bus) and another `plug`. `phone.rs` shows the loop.
//! 4. Give it a word in `main.rs`, and a scene in `tests/usb/scenes/` that starts it.

use super::packets::{Direction, Faults, Harm};
use super::vhci::{Answer, Bus, Gadget, Refusal, Setup, Speed, Transfer};

/// One endpoint beside the control endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Bulk, in the direction said.
    Bulk(Direction),
    /// Interrupt, to the computer, of so many bytes.
    Interrupt(u16),
}

/// What the descriptors say of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Class, subclass, protocol.
    pub(crate) class: (u8, u8, u8),
    /// Its name; phones name MTP's "MTP".
    pub(crate) name: &'static str,
    /// Its endpoints, in the order of their addresses.
    pub(crate) endpoints: Vec<Endpoint>,
}

/// One thing that a device does. Endpoints are told by their place in [`Interface::endpoints`].
pub(crate) trait Function: Send {
    /// Its interface; `None` when it only answers requests on the control endpoint.
    fn interface(&self) -> Option<Interface>;
    /// The computer chose the configuration: from now on transfers may come.
    fn configured(&mut self, _bus: &Bus) {}
    /// A request that is no standard one; `None` leaves it to the next function.
    fn control(&mut self, _bus: &Bus, _setup: Setup, _data: &[u8]) -> Option<Answer> {
        None
    }
    /// A transfer from the computer.
    fn output(&mut self, _bus: &Bus, _endpoint: usize, _data: &[u8]) -> Answer {
        Answer::Refused(Refusal::Stall)
    }
    /// A transfer to the computer, which has room for so many bytes.
    fn input(&mut self, _bus: &Bus, _endpoint: usize, _asked: Transfer, _room: usize) -> Answer {
        Answer::Later
    }
    /// The computer cleared an endpoint's halt.
    fn cleared(&mut self, _endpoint: usize) {}
    /// The computer gave up on a transfer that was answered [`Answer::Later`].
    fn cancelled(&mut self, _transfer: Transfer) {}
}

/// Who a device is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) vendor: u16,
    pub(crate) product: u16,
    pub(crate) manufacturer: String,
    pub(crate) model: String,
    /// `None` for a device that tells none.
    pub(crate) serial: Option<String>,
}

/// A device.
pub(crate) struct Device {
    pub(crate) identity: Identity,
    pub(crate) speed: Speed,
    pub(crate) functions: Vec<Box<dyn Function>>,
    /// What goes wrong on the way from the computer; `Packets` does the other.
    pub(crate) faults: Faults,
    /// Configurations before the one with the functions, each with one interface of this class
    /// and nothing behind it.
    pub(crate) other_configurations: Vec<(u8, u8, u8)>,
    pub(crate) received: u64,
    pub(crate) hangs: bool,
    /// Endpoints from the computer that are halted.
    pub(crate) halted: Vec<u8>,
}

impl Device {
    pub(crate) fn new(identity: Identity, speed: Speed, functions: Vec<Box<dyn Function>>) -> Self {
        Self {
            identity,
            speed,
            functions,
            faults: Faults::default(),
            other_configurations: Vec::new(),
            received: 0,
            hangs: false,
            halted: Vec::new(),
        }
    }

    fn strings(&self) -> Vec<String> {
        let identity = &self.identity;
        let serial = identity.serial.clone().unwrap_or_default();
        let mut strings = vec![
            identity.manufacturer.clone(),
            identity.model.clone(),
            serial,
        ];
        let interfaces = self.functions.iter().filter_map(|own| own.interface());
        strings.extend(interfaces.map(|interface| interface.name.to_owned()));
        strings
    }

    fn device_descriptor(&self) -> Vec<u8> {
        let (version, control) = match self.speed {
            Speed::High => (0x0200_u16, 64),
            Speed::Super => (0x0300, 9),
        };
        let mut out = vec![18, 1];
        out.extend(version.to_le_bytes());
        out.extend([0, 0, 0, control]);
        out.extend(self.identity.vendor.to_le_bytes());
        out.extend(self.identity.product.to_le_bytes());
        let serial = if self.identity.serial.is_some() { 3 } else { 0 };
        let configurations = self.other_configurations.len() as u8 + 1;
        out.extend([0x40, 4, 1, 2, serial, configurations]);
        out
    }

    fn configuration_descriptor(&self, index: usize) -> Option<Vec<u8>> {
        let interfaces: Vec<_> = match self.other_configurations.get(index) {
            Some(class) => vec![Interface {
                class: *class,
                name: "",
                endpoints: Vec::new(),
            }],
            None if index == self.other_configurations.len() => {
                let own = self.functions.iter().filter_map(|own| own.interface());
                own.collect()
            }
            None => return None,
        };
        let mut body = Vec::new();
        let mut address = 0;
        for (number, interface) in (0_u8..).zip(&interfaces) {
            let (class, subclass, protocol) = interface.class;
            let name = if interface.name.is_empty() {
                0
            } else {
                4 + number
            };
            let endpoints = interface.endpoints.len() as u8;
            body.extend([9, 4, number, 0, endpoints, class, subclass, protocol, name]);
            for endpoint in &interface.endpoints {
                address += 1;
                body.extend(self.endpoint_descriptor(*endpoint, address));
            }
        }
        let total = (9 + body.len()) as u16;
        let mut out = vec![9, 2];
        out.extend(total.to_le_bytes());
        // At super speed vhci counts power in units of 8 mA.
        let power = if self.speed == Speed::Super { 12 } else { 50 };
        out.extend([interfaces.len() as u8, index as u8 + 1, 0, 0x80, power]);
        out.extend(body);
        Some(out)
    }

    fn endpoint_descriptor(&self, endpoint: Endpoint, address: u8) -> Vec<u8> {
        let packet = self.speed.packet() as u16;
        let (address, kind, packet, interval) = match endpoint {
            Endpoint::Bulk(Direction::Input) => (address | 0x80, 2, packet, 0),
            Endpoint::Bulk(Direction::Output) => (address, 2, packet, 0),
            Endpoint::Interrupt(bytes) => (address | 0x80, 3, bytes, 4),
        };
        let [low, high] = packet.to_le_bytes();
        let mut out = vec![7, 5, address, kind, low, high, interval];
        if self.speed == Speed::Super {
            out.extend([6, 0x30, 0, 0, 0, 0]);
        }
        out
    }

    /// The function that has an endpoint address, and the endpoint's place in it.
    fn owner(&mut self, address: u8) -> Option<(&mut Box<dyn Function>, usize)> {
        let mut place = usize::from(address & 0x7f).checked_sub(1)?;
        for function in &mut self.functions {
            let own = function.interface().map_or(0, |own| own.endpoints.len());
            if place < own {
                return Some((function, place));
            }
            place -= own;
        }
        None
    }

    /// Answers the requests of USB 2.0 chapter 9; `None` for others.
    fn standard(&mut self, bus: &Bus, setup: Setup) -> Option<Answer> {
        let cut = |mut bytes: Vec<u8>| {
            bytes.truncate(usize::from(setup.length));
            Some(Answer::Done(bytes))
        };
        let [low, high] = setup.value.to_le_bytes();
        match (setup.kind, setup.request) {
            (0x80, 6) => match (high, low) {
                (1, _) => cut(self.device_descriptor()),
                (2, index) => match self.configuration_descriptor(usize::from(index)) {
                    Some(descriptor) => cut(descriptor),
                    None => Some(Answer::Refused(Refusal::Stall)),
                },
                (3, 0) => cut(vec![4, 3, 9, 4]),
                (3, number) => match self.strings().get(usize::from(number) - 1) {
                    Some(text) => {
                        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
                        let units: Vec<u8> = units.collect();
                        cut([&[units.len() as u8 + 2, 3][..], &units].concat())
                    }
                    None => Some(Answer::Refused(Refusal::Stall)),
                },
                // A binary object store: at super speed the kernel wants one.
                (15, _) if self.speed == Speed::Super => cut(vec![
                    5, 15, 22, 0, 2, 7, 16, 2, 2, 0, 0, 0, 10, 16, 3, 0, 14, 0, 1, 10, 255, 7,
                ]),
                _ => Some(Answer::Refused(Refusal::Stall)),
            },
            (0x80..=0x82, 0) => cut(vec![0, 0]),
            (0x80, 8) => cut(vec![1]),
            (0x81, 10) => cut(vec![0]),
            (0x00, 9) => {
                let is_chosen = usize::from(low) == self.other_configurations.len() + 1;
                if is_chosen {
                    let functions = self.functions.iter_mut();
                    functions.for_each(|function| function.configured(bus));
                }
                cut(Vec::new())
            }
            (0x02, 1) if setup.value == 0 => {
                let address = setup.index as u8;
                self.halted.retain(|halted| *halted != address);
                if let Some((function, place)) = self.owner(address) {
                    function.cleared(place);
                }
                cut(Vec::new())
            }
            // Features set and cleared, an interface's setting, the isochronous delay, SEL.
            (0x00..=0x02, 1 | 3 | 11) | (0x00, 48 | 49) => cut(Vec::new()),
            _ => None,
        }
    }
}

impl Gadget for Device {
    fn control(&mut self, bus: &Bus, setup: Setup, data: &[u8]) -> Answer {
        if let Some(answer) = self.standard(bus, setup) {
            return answer;
        }
        let mut functions = self.functions.iter_mut();
        let answer = functions.find_map(|function| function.control(bus, setup, data));
        answer.unwrap_or(Answer::Refused(Refusal::Stall))
    }

    fn output(&mut self, bus: &Bus, endpoint: u8, data: &[u8]) -> Answer {
        let struck = match self.hangs {
            true => Some((0, Harm::Hang)),
            false => self
                .faults
                .strike(Direction::Output, self.received, data.len()),
        };
        self.received += data.len() as u64;
        match struck {
            Some((_, Harm::Yank)) => {
                bus.unplug();
                return Answer::Later;
            }
            Some((_, Harm::Hang)) => {
                self.hangs = true;
                return Answer::Later;
            }
            Some((_, Harm::Stall)) => self.halted.push(endpoint),
            // The computer's packets are the computer's.
            Some((_, Harm::Short)) | None => {}
        }
        if self.halted.contains(&endpoint) {
            return Answer::Refused(Refusal::Stall);
        }
        match self.owner(endpoint) {
            Some((function, place)) => function.output(bus, place, data),
            None => Answer::Refused(Refusal::Stall),
        }
    }

    fn input(&mut self, bus: &Bus, endpoint: u8, transfer: Transfer, room: usize) -> Answer {
        match self.owner(endpoint) {
            Some((function, place)) => function.input(bus, place, transfer, room),
            None => Answer::Refused(Refusal::Stall),
        }
    }

    fn cancelled(&mut self, transfer: Transfer) {
        let functions = self.functions.iter_mut();
        functions.for_each(|function| function.cancelled(transfer));
    }
}
