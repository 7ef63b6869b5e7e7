//! A phone on the bus: plugged in, yanked, and plugged in again, until the process is ended.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rescue::virtual_phone::fault::Hello;
use rescue::virtual_phone::tree::Tree;
use rescue::virtual_phone::{Trust, VirtualPhone};

use super::adb::Adb;
use super::gadget::{Device, Endpoint, Function, Identity, Interface};
use super::packets::{Direction, Fault, Faults};
use super::vhci::{Port, Speed};

/// A phone.
#[derive(Debug, Args)]
pub(crate) struct PhoneArgs {
    /// Its serial number; empty for a phone that tells none
    #[arg(long, default_value = "VHCI000001")]
    serial: String,
    /// Its model
    #[arg(long, default_value = "Pixel 7a")]
    model: String,
    /// On USB 3
    #[arg(long = "super")]
    is_super: bool,
    /// Its daemon answers here
    #[arg(long, conflicts_with = "kind")]
    daemon: Option<SocketAddr>,
    /// Without a daemon: which virtual phone it is
    #[arg(long = "virtual", default_value = "open")]
    kind: Kind,
    /// What goes wrong, as yank-in=100000; may be given several times, each strikes once
    #[arg(long = "fault")]
    faults: Vec<Fault>,
    /// Plug it in again so many milliseconds after it went
    #[arg(long)]
    replug: Option<u64>,
    /// It offers files (MTP) beside ADB
    #[arg(long)]
    with_mtp: bool,
    /// It offers ADB in its second configuration only
    #[arg(long)]
    second_configuration: bool,
}

/// A virtual phone, by what it is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// It has some photos and lets everybody in.
    Open,
    /// It knows no key, and nobody taps "Allow".
    Unauthorized,
    /// It knows no key, and somebody taps "Allow" after two seconds.
    Approving,
    /// It takes the connection and says nothing.
    Silent,
    /// It was not unlocked since it started.
    Locked,
    /// It asks who the computer is, and then says nothing.
    Authorizing,
    /// It is in recovery.
    Recovery,
    /// It waits for an update to be sent.
    Sideload,
    /// It is in a state of which nobody has heard.
    Strange,
}

/// Runs the phone; comes back when it was unplugged and is not to be plugged in again.
pub(crate) fn run(args: &PhoneArgs) -> std::io::Result<()> {
    let daemon = match args.daemon {
        Some(daemon) => daemon,
        None => serve(args.kind)?,
    };
    let faults = Faults::new(args.faults.clone());
    loop {
        let device = device(args, daemon, &faults);
        let speed = device.speed;
        let port = Port::plug(device, speed)?;
        println!("plugged in");
        std::io::stdout().flush()?;
        port.wait();
        println!("unplugged");
        let Some(pause) = args.replug else {
            return Ok(());
        };
        std::thread::sleep(Duration::from_millis(pause));
    }
}

fn device(args: &PhoneArgs, daemon: SocketAddr, faults: &Faults) -> Device {
    let speed = if args.is_super {
        Speed::Super
    } else {
        Speed::High
    };
    let identity = Identity {
        vendor: 0x18d1,
        product: 0x4ee7,
        manufacturer: "Google".to_owned(),
        model: args.model.clone(),
        serial: Some(args.serial.clone()).filter(|serial| !serial.is_empty()),
    };
    let mut functions: Vec<Box<dyn Function>> = Vec::new();
    if args.with_mtp {
        functions.push(Box::new(Mtp));
    }
    functions.push(Box::new(Adb::new(daemon, speed, faults.clone())));
    let mut device = Device::new(identity, speed, functions);
    device.faults = faults.clone();
    if args.second_configuration {
        device.other_configurations.push((0xff, 0xff, 0xff));
    }
    device
}

/// Files, as far as nobody asks for them.
pub(crate) struct Mtp;

impl Function for Mtp {
    fn interface(&self) -> Option<Interface> {
        Some(Interface {
            class: (0xff, 0xff, 0x00),
            name: "MTP",
            endpoints: vec![
                Endpoint::Bulk(Direction::Input),
                Endpoint::Bulk(Direction::Output),
                Endpoint::Interrupt(28),
            ],
        })
    }
}

/// An AUTH message with a token to be signed.
fn question() -> Vec<u8> {
    let token = [7_u8; 20];
    let sum = token.iter().map(|byte| u32::from(*byte)).sum();
    let command = u32::from_le_bytes(*b"AUTH");
    let words = [command, 1, 0, token.len() as u32, sum, !command];
    let header = words.iter().flat_map(|word| word.to_le_bytes());
    header.chain(token).collect()
}

/// Serves a virtual phone for as long as the process lives.
fn serve(kind: Kind) -> std::io::Result<SocketAddr> {
    let mut phone = VirtualPhone::new("VIRTUAL01");
    phone
        .tree
        .add_many("/storage/emulated/0/DCIM/Camera", 30, 20_000);
    let unknown = |approves_after| Trust::Known {
        keys: Vec::new(),
        approves_after,
    };
    match kind {
        Kind::Open => {}
        Kind::Unauthorized => phone.trust = unknown(None),
        Kind::Approving => phone.trust = unknown(Some(Duration::from_secs(2))),
        Kind::Silent => phone.faults.set_hello(Hello::Silence, u32::MAX),
        Kind::Locked => {
            phone = VirtualPhone::new("LOCKED01");
            phone.set_property("sys.user.0.ce_available", "");
            phone.tree = Tree::default();
        }
        Kind::Authorizing => {
            let question = Hello::Nonsense(question().into());
            phone.faults.set_hello(question, u32::MAX);
        }
        Kind::Recovery => phone.state = "recovery".to_owned(),
        Kind::Sideload => phone.state = "sideload".to_owned(),
        Kind::Strange => phone.state = "hibernating".to_owned(),
    }
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let serving = phone.serve().await.unwrap();
            tell.send(serving.address()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().map_err(std::io::Error::other)
}
