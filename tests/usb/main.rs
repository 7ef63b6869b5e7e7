//! Devices for the USB bench: programs on the bus of its machine, which answer every transfer
//! themselves. `tests/usb/run` builds it and the scenes in `tests/usb/scenes/` start it; outside of
//! a machine with vhci-hcd it can do nothing.
//!
//! ```text
//! usb phone --daemon 127.0.0.1:5599 --fault yank-in=5000000 --replug 500
//! usb phone --virtual unauthorized
//! usb shape mtp --serial MTP0001
//! usb touch --layout samsung --pin FILE
//! usb bystander webcam
//! usb hostile flood
//! ```
//!
//! `gadget.rs` says how to add a function, such as accessory mode.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the scenes read what it says"
)]

mod accessory;
mod adb;
mod bystander;
mod gadget;
mod hostile;
mod linux_input;
mod packets;
mod phone;
mod screen;
mod shapes;
mod touch;
mod vhci;

use clap::Parser;

#[derive(Debug, Parser)]
enum Cli {
    /// A phone
    Phone(phone::PhoneArgs),
    /// A phone without debugging
    Shape {
        /// What it offers
        shape: shapes::Shape,
        /// Its serial number
        #[arg(long)]
        serial: String,
    },
    /// A phone whose touch screen is dead
    Touch(touch::TouchArgs),
    /// A device that must be left alone
    Bystander {
        /// Which
        kind: bystander::Kind,
    },
    /// A device that means harm
    Hostile(hostile::HostileArgs),
}

fn main() -> std::io::Result<()> {
    match Cli::parse() {
        Cli::Phone(args) => phone::run(&args),
        Cli::Shape { shape, serial } => shapes::run(shape, &serial),
        Cli::Touch(args) => touch::run(&args),
        Cli::Bystander { kind } => bystander::run(kind),
        Cli::Hostile(args) => hostile::run(&args),
    }
}
