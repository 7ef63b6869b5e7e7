//! Phones that offer something else than debugging: what the kernel sees of them, with nothing
//! behind it.

use clap::ValueEnum;

use super::bystander::Inert;
use super::gadget::{Device, Function, Identity};
use super::vhci::{Port, Speed};

/// What the phone offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// Files, with the class of newer phones.
    Mtp,
    /// Files, told by the interface's name only.
    NamedMtp,
    /// Pictures.
    Ptp,
    /// A network.
    Network,
    /// Nothing: it only charges.
    Charging,
    /// The bootloader's protocol.
    Fastboot,
    /// The emergency mode of Qualcomm's chips.
    Emergency,
}

/// Plugs such a phone in until the process is ended.
pub(crate) fn run(shape: Shape, serial: &str) -> std::io::Result<()> {
    let port = Port::plug(device(shape, serial), Speed::High)?;
    println!("plugged in");
    port.wait();
    Ok(())
}

fn device(shape: Shape, serial: &str) -> Device {
    let (vendor, product, model) = match shape {
        Shape::Emergency => (0x05c6, 0x9008, "QUSB_BULK"),
        Shape::NamedMtp => (0xabcd, 0x0001, "Budget 5"),
        Shape::Fastboot => (0x18d1, 0x4ee0, "Android"),
        _ => (0x18d1, 0x4ee1, "Pixel 7a"),
    };
    let classes: &[((u8, u8, u8), &'static str)] = match shape {
        Shape::Mtp => &[((0x06, 0x01, 0x01), "MTP")],
        Shape::NamedMtp => &[((0xff, 0xff, 0x00), "MTP")],
        Shape::Ptp => &[((0x06, 0x01, 0x01), "PTP")],
        Shape::Network => &[((0xe0, 0x01, 0x03), "RNDIS"), ((0x0a, 0, 0), "")],
        Shape::Charging => &[],
        Shape::Fastboot => &[((0xff, 0x42, 0x03), "fastboot")],
        Shape::Emergency => &[((0xff, 0xff, 0xff), "")],
    };
    let function = |(class, name): &((u8, u8, u8), &'static str)| {
        let (class, name) = (*class, *name);
        Box::new(Inert { class, name }) as Box<dyn Function>
    };
    let identity = Identity {
        vendor,
        product,
        manufacturer: "Somebody".to_owned(),
        model: model.to_owned(),
        serial: Some(serial.to_owned()),
    };
    Device::new(
        identity,
        Speed::High,
        classes.iter().map(function).collect(),
    )
}
