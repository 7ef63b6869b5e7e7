//! Devices that mean harm, or are broken: descriptors that lie, names made to spoil a terminal, bytes
//! without end, and a device that comes and goes.

use std::io::Write as _;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::gadget::{Device, Endpoint, Function, Identity, Interface};
use super::packets::Direction;
use super::vhci::{Answer, Bus, Gadget, Port, Setup, Speed, Transfer};

/// A device that means harm.
#[derive(Debug, Args)]
pub(crate) struct HostileArgs {
    /// What it does
    kind: Kind,
    /// Its serial number
    #[arg(long, default_value = "HOSTILE")]
    serial: String,
    /// Decides what is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Its names are as long as USB lets them be, and made of a terminal's commands.
    Names,
    /// ADB without any endpoint.
    NoEndpoints,
    /// ADB with interrupt endpoints only.
    NoBulk,
    /// ADB that only talks.
    OnlyInput,
    /// ADB whose packets hold nothing.
    NoPackets,
    /// ADB whose packets are of a size that no speed has.
    OddPackets,
    /// Its configuration announces more than there is.
    LongConfiguration,
    /// Bytes of its configuration are others, as the seed decides.
    Noise,
    /// It answers each transfer at once with bytes that mean nothing.
    Flood,
    /// It announces a payload larger than ADB allows, and sends without end.
    Huge,
    /// It leaves as soon as it is spoken to, and comes back.
    Flapping,
}

pub(crate) fn run(args: &HostileArgs) -> std::io::Result<()> {
    loop {
        let device = Hostile {
            kind: args.kind,
            seed: args.seed,
            device: device(args),
        };
        let port = Port::plug(device, Speed::High)?;
        println!("plugged in");
        std::io::stdout().flush()?;
        port.wait();
        println!("unplugged");
        if args.kind != Kind::Flapping {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(150));
    }
}

fn device(args: &HostileArgs) -> Device {
    // 126 units are as many as a string descriptor holds.
    let long = |text: &str| text.chars().cycle().take(126).collect::<String>();
    let (manufacturer, model) = match args.kind {
        Kind::Names => (
            long("\r\n\u{1b}[2J"),
            long("\u{1b}]0;title\u{7}\u{202e}\u{9b}31m\n"),
        ),
        _ => ("Somebody".to_owned(), "Thing".to_owned()),
    };
    let identity = Identity {
        vendor: 0x18d1,
        product: 0x4ee7,
        manufacturer,
        model,
        serial: Some(args.serial.clone()),
    };
    Device::new(identity, Speed::High, vec![Box::new(Adb(args.kind))])
}

/// What calls itself ADB.
struct Adb(Kind);

impl Function for Adb {
    fn interface(&self) -> Option<Interface> {
        let (input, output) = (
            Endpoint::Bulk(Direction::Input),
            Endpoint::Bulk(Direction::Output),
        );
        Some(Interface {
            class: (0xff, 0x42, 0x01),
            name: "ADB Interface",
            endpoints: match self.0 {
                Kind::NoEndpoints => Vec::new(),
                Kind::NoBulk => vec![Endpoint::Interrupt(64), Endpoint::Interrupt(64)],
                Kind::OnlyInput => vec![input],
                _ => vec![input, output],
            },
        })
    }

    fn output(&mut self, bus: &Bus, _endpoint: usize, _data: &[u8]) -> Answer {
        if self.0 == Kind::Flapping {
            bus.unplug();
        }
        Answer::Done(Vec::new())
    }

    fn input(&mut self, _bus: &Bus, _endpoint: usize, _asked: Transfer, room: usize) -> Answer {
        match self.0 {
            Kind::Flood => Answer::Done(vec![0xa5; room]),
            Kind::Huge => {
                let command = u32::from_le_bytes(*b"CNXN");
                let words = [command, 0x0100_0001, 1 << 20, u32::MAX, 0, !command];
                let header = words.iter().flat_map(|word| word.to_le_bytes());
                Answer::Done(header.cycle().take(room).collect())
            }
            _ => Answer::Later,
        }
    }
}

/// Has all endpoints of a configuration take packets of so many bytes.
fn set_packets(configuration: &mut [u8], size: u16) {
    let mut at = 0;
    while let Some([length, kind]) = configuration.get(at..at + 2) {
        let (length, is_endpoint) = (usize::from(*length), *kind == 5);
        if is_endpoint {
            configuration[at + 4..at + 6].copy_from_slice(&size.to_le_bytes());
        }
        at += length;
    }
}

/// A device, and somebody who changes its descriptors on their way.
struct Hostile {
    kind: Kind,
    seed: u64,
    device: Device,
}

impl Gadget for Hostile {
    fn control(&mut self, bus: &Bus, setup: Setup, data: &[u8]) -> Answer {
        let asked = usize::from(setup.length);
        let is_configuration = (setup.kind, setup.request, setup.value) == (0x80, 6, 0x0200);
        let whole = Setup {
            length: u16::MAX,
            ..setup
        };
        match self
            .device
            .control(bus, if is_configuration { whole } else { setup }, data)
        {
            Answer::Done(mut bytes) if is_configuration => {
                match self.kind {
                    Kind::LongConfiguration => bytes[2..4].copy_from_slice(&[0xff, 0x7f]),
                    Kind::NoPackets => set_packets(&mut bytes, 0),
                    Kind::OddPackets => set_packets(&mut bytes, 100),
                    Kind::Noise => self.spoil(&mut bytes),
                    _ => {}
                }
                bytes.truncate(asked);
                Answer::Done(bytes)
            }
            answer => answer,
        }
    }

    fn output(&mut self, bus: &Bus, endpoint: u8, data: &[u8]) -> Answer {
        self.device.output(bus, endpoint, data)
    }

    fn input(&mut self, bus: &Bus, endpoint: u8, transfer: Transfer, room: usize) -> Answer {
        self.device.input(bus, endpoint, transfer, room)
    }

    fn cancelled(&mut self, transfer: Transfer) {
        self.device.cancelled(transfer);
    }
}

impl Hostile {
    /// The same each time, as the kernel asks more than once. The first nine bytes, without which it
    /// takes no device at all, and the interface's class stay.
    fn spoil(&self, bytes: &mut [u8]) {
        let mut state = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as usize
        };
        for _ in 0..1 + random() % 4 {
            let at = 9 + random() % (bytes.len() - 9);
            if !(14..17).contains(&at) {
                bytes[at] = random() as u8;
            }
        }
    }
}
