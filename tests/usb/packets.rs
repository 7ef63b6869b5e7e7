//! One bulk endpoint towards the computer, packet by packet, as a bus carries it: a transfer ends
//! when it is full, or with a packet that is shorter than the endpoint's.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use super::vhci::{Bus, Refusal, Transfer};

/// What goes wrong with an endpoint, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// The endpoint halts: transfers fail until the computer clears that.
    Stall,
    /// Nothing more comes, and nothing more is taken.
    Hang,
    /// The cable is pulled.
    Yank,
    /// A packet ends here, and with it the transfer; the rest follows in the next ones.
    Short,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the computer.
    Input,
    /// To the phone.
    Output,
}

/// What goes wrong at a byte, counted over a bulk endpoint since the phone was plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) harm: Harm,
    pub(crate) direction: Direction,
    /// So many bytes arrive before it.
    pub(crate) after: u64,
}

impl FromStr for Fault {
    type Err = String;

    /// `yank-in=N`, `stall-out=N` and so on.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is none of stall, hang, yank, short with -in=N or -out=N");
        let (name, after) = text.split_once('=').ok_or_else(wrong)?;
        let (harm, direction) = name.split_once('-').ok_or_else(wrong)?;
        Ok(Self {
            harm: match harm {
                "stall" => Harm::Stall,
                "hang" => Harm::Hang,
                "yank" => Harm::Yank,
                "short" => Harm::Short,
                _ => return Err(wrong()),
            },
            direction: match direction {
                "in" => Direction::Input,
                "out" => Direction::Output,
                _ => return Err(wrong()),
            },
            after: after.parse().map_err(|_| wrong())?,
        })
    }
}

/// The faults that are to come; each strikes once, also over several times of being plugged in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self(Arc::new(Mutex::new(faults)))
    }

    /// The first one that strikes while `count` bytes move behind the `done` ones: how many of
    /// them arrive, and what happens then. It is taken off the list.
    pub(crate) fn strike(
        &self,
        direction: Direction,
        done: u64,
        count: usize,
    ) -> Option<(usize, Harm)> {
        let mut faults = self.0.lock().unwrap();
        let end = done + count as u64;
        let strikes =
            |fault: &Fault| fault.direction == direction && (done..end).contains(&fault.after);
        let at = faults.iter().position(strikes)?;
        let fault = faults.remove(at);
        eprintln!("{:?} at byte {} {:?}", fault.harm, fault.after, direction);
        Some(((fault.after - done) as usize, fault.harm))
    }
}

struct Asked {
    transfer: Transfer,
    room: usize,
    came: Vec<u8>,
}

/// The endpoint: what the phone has to say, and where the computer wants it.
pub(crate) struct Packets {
    packet: usize,
    faults: Faults,
    waiting: VecDeque<Vec<u8>>,
    asked: VecDeque<Asked>,
    sent: u64,
    hangs: bool,
    is_halted: bool,
}

impl Packets {
    pub(crate) fn new(packet: usize, faults: Faults) -> Self {
        Self {
            packet,
            faults,
            waiting: VecDeque::new(),
            asked: VecDeque::new(),
            sent: 0,
            hangs: false,
            is_halted: false,
        }
    }

    /// Has the phone send these bytes in packets of their own; no empty one follows.
    pub(crate) fn send(&mut self, bus: &Bus, bytes: &[u8]) {
        let packets = bytes.chunks(self.packet).map(<[u8]>::to_vec);
        self.waiting.extend(packets);
        self.pump(bus);
    }

    /// The computer has room for what comes.
    pub(crate) fn ask(&mut self, bus: &Bus, transfer: Transfer, room: usize) {
        self.asked.push_back(Asked {
            transfer,
            room,
            came: Vec::new(),
        });
        self.pump(bus);
    }

    /// The computer cleared the endpoint's halt.
    pub(crate) fn cleared(&mut self) {
        self.is_halted = false;
    }

    pub(crate) fn cancelled(&mut self, transfer: Transfer) {
        self.asked.retain(|asked| asked.transfer != transfer);
    }

    fn pump(&mut self, bus: &Bus) {
        while !self.hangs && !self.asked.is_empty() {
            if self.is_halted {
                self.end(bus, Some(Refusal::Stall));
                continue;
            }
            let Some(mut packet) = self.waiting.pop_front() else {
                return;
            };
            let struck = self
                .faults
                .strike(Direction::Input, self.sent, packet.len());
            match struck {
                None => {}
                Some((_, Harm::Yank)) => return bus.unplug(),
                Some((_, Harm::Hang)) => {
                    self.hangs = true;
                    return;
                }
                Some((_, Harm::Stall)) => {
                    self.waiting.push_front(packet);
                    self.is_halted = true;
                    continue;
                }
                Some((at, Harm::Short)) => {
                    // Not at all is shorter still: an empty packet.
                    self.waiting.push_front(packet.split_off(at));
                }
            }
            let Some(asked) = self.asked.front_mut() else {
                return;
            };
            if asked.came.len() + packet.len() > asked.room {
                eprintln!("more was sent than there is room for");
                self.end(bus, Some(Refusal::Babble));
                continue;
            }
            self.sent += packet.len() as u64;
            asked.came.extend_from_slice(&packet);
            if packet.len() < self.packet || asked.came.len() == asked.room {
                self.end(bus, None);
            }
        }
    }

    fn end(&mut self, bus: &Bus, refusal: Option<Refusal>) {
        if let Some(asked) = self.asked.pop_front() {
            bus.complete(asked.transfer, refusal.map_or(Ok(&asked.came), Err));
        }
    }
}
