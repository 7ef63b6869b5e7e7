//! A slow link: a relay on loopback from which each byte comes out later, each way, or at most so
//! many a second.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Pieces read at once, in bytes.
const PIECE: usize = 256 * 1024;
/// Pieces under way in one direction: what a long link holds.
const PIECES: usize = 256;
/// Pieces read at once where the link is narrow, and how many it holds: little, as a USB cable.
const NARROW_PIECE: usize = 16 * 1024;
const NARROW_PIECES: usize = 4;
/// What a narrow link may catch up when this relay was not woken in time.
const LATENESS: Duration = Duration::from_millis(4);

/// What a link is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nothing between.
    Loopback,
    /// So long each way.
    Delayed(Duration),
    /// So many bytes a second each way.
    Capped(u64),
}

impl Link {
    /// Reads `loopback`, `5ms` or `40MB`.
    pub(crate) fn parse(text: &str) -> Self {
        let number = |unit| {
            let number = text.strip_suffix(unit)?;
            Some(
                number
                    .parse::<u64>()
                    .expect("a whole number before the unit"),
            )
        };
        match (text, number("ms"), number("MB")) {
            ("loopback", ..) => Self::Loopback,
            (_, Some(milliseconds), _) => Self::Delayed(Duration::from_millis(milliseconds)),
            (_, _, Some(megabytes)) => Self::Capped(megabytes * 1_000_000),
            _ => panic!("'{text}' is no link: loopback, 5ms and 40MB are"),
        }
    }
}

/// A relay that runs until the program ends.
pub(crate) struct Relay {
    port: u16,
}

impl Relay {
    /// Starts to relay a port of 127.0.0.1 over a link.
    pub(crate) fn start(target: u16, link: Link) -> Self {
        if link == Link::Loopback {
            return Self { port: target };
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else {
                    continue;
                };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    to.set_nodelay(true).unwrap();
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    pump(from, to, link);
                }
            }
        });
        Self { port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// Gives each piece the time at which it comes out.
struct Schedule {
    link: Link,
    free_at: Instant,
}

impl Schedule {
    fn due(&mut self, bytes: usize) -> Instant {
        let now = Instant::now();
        match self.link {
            Link::Loopback => now,
            Link::Delayed(delay) => now + delay,
            Link::Capped(rate) => {
                let takes = Duration::from_secs_f64(bytes as f64 / rate as f64);
                self.free_at = self.free_at.max(now - LATENESS) + takes;
                self.free_at
            }
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, link: Link) {
    let (piece_bytes, pieces) = match link {
        Link::Capped(_) => (NARROW_PIECE, NARROW_PIECES),
        Link::Loopback | Link::Delayed(_) => (PIECE, PIECES),
    };
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(pieces);
    let mut schedule = Schedule {
        link,
        free_at: Instant::now(),
    };
    thread::spawn(move || {
        loop {
            let mut piece = vec![0; piece_bytes];
            match from.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(read) => piece.truncate(read),
            }
            if sender.send((schedule.due(piece.len()), piece)).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, piece) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
