//! The function behind USB debugging: an ADB interface whose daemon answers at an address, a real
//! adbd as well as the library's virtual phone.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::gadget::{Endpoint, Function, Interface};
use super::packets::{Direction, Faults, Packets};
use super::vhci::{Answer, Bus, Refusal, Speed, Transfer};

const HEADER: usize = 24;
/// As much as ADB allows (AOSP, `MAX_PAYLOAD`), in bytes.
const MAX_PAYLOAD: usize = 1 << 20;

/// USB debugging. A computer that says hello again gets a new conversation with the daemon; what
/// was on its way to the computer then still comes first, as from a real phone.
pub(crate) struct Adb {
    daemon: SocketAddr,
    input: Arc<Mutex<Packets>>,
    conversation: Option<Conversation>,
    /// Bytes of a payload that are to come from the computer.
    left: usize,
}

struct Conversation {
    daemon: TcpStream,
    /// Whether this end has ended it.
    is_over: Arc<AtomicBool>,
}

impl Adb {
    pub(crate) fn new(daemon: SocketAddr, speed: Speed, faults: Faults) -> Self {
        Self {
            daemon,
            input: Arc::new(Mutex::new(Packets::new(speed.packet(), faults))),
            conversation: None,
            left: 0,
        }
    }

    fn begin(&mut self, bus: &Bus) -> std::io::Result<()> {
        self.hang_up();
        let daemon = TcpStream::connect(self.daemon)?;
        daemon.set_nodelay(true)?;
        let mut reader = daemon.try_clone()?;
        let is_over = Arc::new(AtomicBool::new(false));
        self.conversation = Some(Conversation {
            daemon,
            is_over: Arc::clone(&is_over),
        });
        let (input, bus) = (Arc::clone(&self.input), bus.clone());
        std::thread::spawn(move || {
            let failure = carry(&mut reader, &input, &bus);
            // A daemon that hangs up by itself is a phone that switches debugging off.
            if !is_over.load(Ordering::Acquire) {
                eprintln!("the phone's daemon ended: {failure}");
                bus.unplug();
            }
        });
        Ok(())
    }

    fn hang_up(&mut self) {
        if let Some(conversation) = self.conversation.take() {
            conversation.is_over.store(true, Ordering::Release);
            let _ = conversation.daemon.shutdown(Shutdown::Both);
        }
    }
}

/// Carries what the daemon says, a transfer for each header and for each payload.
fn carry(daemon: &mut TcpStream, input: &Mutex<Packets>, bus: &Bus) -> std::io::Error {
    let mut header = [0; HEADER];
    let mut payload = Vec::new();
    loop {
        if let Err(error) = daemon.read_exact(&mut header) {
            return error;
        }
        payload.resize(length_in(&header), 0);
        if let Err(error) = daemon.read_exact(&mut payload) {
            return error;
        }
        let mut input = input.lock().unwrap();
        input.send(bus, &header);
        input.send(bus, &payload);
    }
}

fn length_in(header: &[u8; HEADER]) -> usize {
    let length = u32::from_le_bytes(header[12..16].try_into().unwrap()) as usize;
    length.min(MAX_PAYLOAD)
}

impl Function for Adb {
    fn interface(&self) -> Option<Interface> {
        Some(Interface {
            class: (0xff, 0x42, 0x01),
            name: "ADB Interface",
            endpoints: vec![
                Endpoint::Bulk(Direction::Input),
                Endpoint::Bulk(Direction::Output),
            ],
        })
    }

    fn output(&mut self, bus: &Bus, _endpoint: usize, data: &[u8]) -> Answer {
        if self.left > 0 {
            self.left = self.left.saturating_sub(data.len());
        } else if let Some(header) = data.first_chunk::<HEADER>() {
            self.left = length_in(header).saturating_sub(data.len() - HEADER);
            if header.starts_with(b"CNXN")
                && let Err(error) = self.begin(bus)
            {
                eprintln!("the phone's daemon is not there: {error}");
                return Answer::Refused(Refusal::Stall);
            }
        }
        match &mut self.conversation {
            // A daemon that is gone is told by its reader.
            Some(conversation) => drop(conversation.daemon.write_all(data)),
            None => return Answer::Refused(Refusal::Stall),
        }
        Answer::Done(Vec::new())
    }

    fn input(&mut self, bus: &Bus, _endpoint: usize, asked: Transfer, room: usize) -> Answer {
        self.input.lock().unwrap().ask(bus, asked, room);
        Answer::Later
    }

    fn cleared(&mut self, endpoint: usize) {
        match endpoint {
            0 => self.input.lock().unwrap().cleared(),
            // The rest of the payload that stalled never comes.
            _ => self.left = 0,
        }
    }

    fn cancelled(&mut self, transfer: Transfer) {
        self.input.lock().unwrap().cancelled(transfer);
    }
}

impl Drop for Adb {
    fn drop(&mut self) {
        self.hang_up();
    }
}
