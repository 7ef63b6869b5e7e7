//! Devices that are no phones and must be left alone: each tells on standard error every request
//! that reaches it, so that silence can be seen.

use clap::ValueEnum;

use super::gadget::{Endpoint, Function, Identity, Interface};
use super::packets::Direction;
use super::vhci::{Answer, Bus, Gadget, Port, Setup, Speed, Transfer};

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A webcam, which a question of the wrong kind can upset.
    Webcam,
    /// A printer, of a maker of phones.
    Printer,
    /// An interface of the vendor's own class.
    Vendor,
    /// The vendor's own class with ADB's subclass and another protocol.
    NearlyAdb,
}

/// Runs the device until the process is ended.
pub(crate) fn run(kind: Kind) -> std::io::Result<()> {
    let port = Port::plug(Witness(device(kind)), Speed::High)?;
    println!("plugged in");
    port.wait();
    Ok(())
}

fn device(kind: Kind) -> super::gadget::Device {
    let (vendor, product, model, class) = match kind {
        Kind::Webcam => (0x046d, 0x0825, "Webcam C270", (0x0e, 0x01, 0x00)),
        Kind::Printer => (0x04e8, 0x3321, "ML-2010", (0x07, 0x01, 0x02)),
        Kind::Vendor => (0x0403, 0x6001, "Serial adapter", (0xff, 0xff, 0xff)),
        Kind::NearlyAdb => (0x1234, 0x0001, "Programmer", (0xff, 0x42, 0x02)),
    };
    let identity = Identity {
        vendor,
        product,
        manufacturer: "Somebody".to_owned(),
        model: model.to_owned(),
        serial: Some(format!("BYSTANDER{kind:?}")),
    };
    super::gadget::Device::new(
        identity,
        Speed::High,
        vec![Box::new(Inert { class, name: "" })],
    )
}

/// An interface with nothing behind it.
pub(crate) struct Inert {
    pub(crate) class: (u8, u8, u8),
    pub(crate) name: &'static str,
}

impl Function for Inert {
    fn interface(&self) -> Option<Interface> {
        Some(Interface {
            class: self.class,
            name: self.name,
            endpoints: vec![
                Endpoint::Bulk(Direction::Input),
                Endpoint::Bulk(Direction::Output),
            ],
        })
    }
}

/// A device, and somebody who writes down what it is asked.
struct Witness(super::gadget::Device);

impl Gadget for Witness {
    fn control(&mut self, bus: &Bus, setup: Setup, data: &[u8]) -> Answer {
        eprintln!("asked: {setup:?}");
        self.0.control(bus, setup, data)
    }

    fn output(&mut self, bus: &Bus, endpoint: u8, data: &[u8]) -> Answer {
        eprintln!("sent {} bytes at {endpoint:#x}", data.len());
        self.0.output(bus, endpoint, data)
    }

    fn input(&mut self, bus: &Bus, endpoint: u8, transfer: Transfer, room: usize) -> Answer {
        eprintln!("read from at {endpoint:#x}");
        self.0.input(bus, endpoint, transfer, room)
    }

    fn cancelled(&mut self, transfer: Transfer) {
        self.0.cancelled(transfer);
    }
}
