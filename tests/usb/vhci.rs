//! A USB device that is a program: the kernel's vhci-hcd takes any connected socket as a port and
//! speaks USB/IP over it. No hardware, no usbip tools, no network.
//!
//! In: a [`Gadget`]. Out: a [`Port`] with the gadget plugged in; dropping it, or
//! [`Bus::unplug`], pulls the cable. The protocol is in the kernel's `Documentation/usb/usbip_protocol.rst`.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

const CONTROLLER: &str = "/sys/devices/platform/vhci_hcd.0";
/// The words of each USB/IP header, in bytes.
const HEADER: usize = 48;
const SUBMIT: u32 = 1;
const UNLINK: u32 = 2;
const SUBMITTED: u32 = 3;
const UNLINKED: u32 = 4;
const ECONNRESET: i32 = -104;

/// A request on the control endpoint, as USB 2.0 section 9.3 lays it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setup {
    /// bmRequestType: 0xC0 and 0x40 are a vendor's, in and out.
    pub(crate) kind: u8,
    pub(crate) request: u8,
    pub(crate) value: u16,
    pub(crate) index: u16,
    pub(crate) length: u16,
}

/// How a transfer ends that does not carry what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The endpoint halts (EPIPE).
    Stall,
    /// More came than was asked for (EOVERFLOW).
    Babble,
}

impl Refusal {
    fn status(self) -> i32 {
        match self {
            Self::Stall => -32,
            Self::Babble => -75,
        }
    }
}

/// What a gadget does with a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Towards the computer: these bytes. From the computer: all taken, the bytes do not matter.
    Done(Vec<u8>),
    /// It ends without.
    Refused(Refusal),
    /// It stays open until [`Bus::complete`], or until the computer gives up.
    Later,
}

/// Names a transfer that was answered [`Answer::Later`].
pub(crate) type Transfer = u32;

/// What is plugged in. Its methods are called one after the other, from one thread.
pub(crate) trait Gadget: Send + 'static {
    /// A request on the control endpoint, with what the computer sends in it.
    fn control(&mut self, bus: &Bus, setup: Setup, data: &[u8]) -> Answer;
    /// A transfer from the computer.
    fn output(&mut self, bus: &Bus, endpoint: u8, data: &[u8]) -> Answer;
    /// A transfer to the computer, which has room for `room` bytes.
    fn input(&mut self, bus: &Bus, endpoint: u8, transfer: Transfer, room: usize) -> Answer;
    /// The computer gave up on a transfer.
    fn cancelled(&mut self, transfer: Transfer);
}

/// How fast the bus is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speed {
    /// USB 2, packets of 512 bytes.
    High,
    /// USB 3, packets of 1024 bytes.
    Super,
}

impl Speed {
    /// A bulk packet, in bytes.
    pub(crate) fn packet(self) -> usize {
        match self {
            Self::High => 512,
            Self::Super => 1024,
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::High => 3,
            Self::Super => 5,
        }
    }

    fn hub(self) -> &'static str {
        match self {
            Self::High => "hs",
            Self::Super => "ss",
        }
    }
}

#[derive(Debug)]
struct Open {
    is_input: bool,
    bytes: usize,
}

/// The gadget's end of the cable; cheap to clone, from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Bus(Arc<Wire>);

#[derive(Debug)]
struct Wire {
    socket: UnixStream,
    open: Mutex<HashMap<Transfer, Open>>,
}

impl Bus {
    /// Ends a transfer that was answered [`Answer::Later`]; nothing when it has ended meanwhile.
    pub(crate) fn complete(&self, transfer: Transfer, outcome: Result<&[u8], Refusal>) {
        let Some(open) = self.0.open.lock().unwrap().remove(&transfer) else {
            return;
        };
        let (status, data) = match outcome {
            Ok(data) => (0, data),
            Err(refusal) => (refusal.status(), &[][..]),
        };
        let count = match (status, open.is_input) {
            (0, true) => data.len().min(open.bytes),
            (0, false) => open.bytes,
            _ => 0,
        };
        let mut out = header(SUBMITTED, transfer, status, count as u32);
        if open.is_input {
            out.extend_from_slice(&data[..count]);
        }
        // The cable may be out already; then reading tells.
        let _ = (&self.0.socket).write_all(&out);
    }

    /// Pulls the cable.
    pub(crate) fn unplug(&self) {
        let _ = self.0.socket.shutdown(Shutdown::Both);
    }
}

fn header(command: u32, transfer: Transfer, status: i32, count: u32) -> Vec<u8> {
    let words = [command, transfer, 0, 0, 0, status.cast_unsigned(), count];
    let mut out: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    out.resize(HEADER, 0);
    out
}

/// A gadget that is plugged in.
#[derive(Debug)]
pub(crate) struct Port {
    bus: Bus,
    thread: Option<JoinHandle<()>>,
}

impl Port {
    /// Plugs a gadget in. Needs root, and vhci-hcd in the kernel.
    pub(crate) fn plug(gadget: impl Gadget, speed: Speed) -> io::Result<Self> {
        let (ours, kernels) = UnixStream::pair()?;
        let port = free_port(speed)?;
        let place = format!(
            "{port} {} {} {}",
            kernels.as_raw_fd(),
            0x1_0000 + port,
            speed.number()
        );
        std::fs::write(format!("{CONTROLLER}/attach"), place)?;
        // The kernel holds a reference of its own.
        drop(kernels);
        let bus = Bus(Arc::new(Wire {
            socket: ours,
            open: Mutex::default(),
        }));
        let own = bus.clone();
        let thread = std::thread::spawn(move || {
            // It ends with the cable pulled, by whichever end.
            let _ = serve(&own, gadget);
        });
        Ok(Self {
            bus,
            thread: Some(thread),
        })
    }

    /// Waits until the cable is out.
    pub(crate) fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.bus.unplug();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Lines are `hub port sta spd dev sockfd local_busid`; 004 is a port with nothing in it.
fn free_port(speed: Speed) -> io::Result<u32> {
    let status = std::fs::read_to_string(format!("{CONTROLLER}/status"))?;
    let mut ports = status.lines().map(|line| line.split_whitespace());
    let free = ports.find_map(|mut words| {
        let (hub, port, state) = (words.next()?, words.next()?, words.next()?);
        (hub == speed.hub() && state == "004").then_some(port)
    });
    free.and_then(|port| port.parse().ok())
        .ok_or_else(|| io::Error::other("vhci-hcd has no free port"))
}

fn serve(bus: &Bus, mut gadget: impl Gadget) -> io::Result<()> {
    let mut socket = &bus.0.socket;
    let mut request = [0; HEADER];
    loop {
        socket.read_exact(&mut request)?;
        let word = |at: usize| u32::from_be_bytes(request[at..at + 4].try_into().unwrap());
        let transfer = word(4);
        match word(0) {
            UNLINK => {
                let victim = word(20);
                let was_open = bus.0.open.lock().unwrap().remove(&victim).is_some();
                if was_open {
                    gadget.cancelled(victim);
                }
                let status = if was_open { ECONNRESET } else { 0 };
                socket.write_all(&header(UNLINKED, transfer, status, 0))?;
            }
            SUBMIT => {
                let is_input = word(12) == 1;
                let endpoint = word(16) as u8;
                let bytes = word(24) as usize;
                let mut data = vec![0; if is_input { 0 } else { bytes }];
                socket.read_exact(&mut data)?;
                let open = Open { is_input, bytes };
                bus.0.open.lock().unwrap().insert(transfer, open);
                let answer = match (endpoint, is_input) {
                    (0, _) => gadget.control(bus, setup(&request), &data),
                    (_, true) => gadget.input(bus, endpoint | 0x80, transfer, bytes),
                    (_, false) => gadget.output(bus, endpoint, &data),
                };
                match answer {
                    Answer::Done(data) => bus.complete(transfer, Ok(&data)),
                    Answer::Refused(refusal) => bus.complete(transfer, Err(refusal)),
                    Answer::Later => {}
                }
            }
            other => return Err(io::Error::other(format!("USB/IP command {other}"))),
        }
    }
}

fn setup(request: &[u8; HEADER]) -> Setup {
    let word = |at: usize| u16::from_le_bytes([request[at], request[at + 1]]);
    Setup {
        kind: request[40],
        request: request[41],
        value: word(42),
        index: word(44),
        length: word(46),
    }
}
