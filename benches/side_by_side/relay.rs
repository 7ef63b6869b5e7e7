//! A slow link: a relay on loopback from which each byte comes out later, each way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Pieces read at once, in bytes.
const PIECE: usize = 256 * 1024;
/// Pieces under way in one direction: what a long link holds.
const PIECES: usize = 256;

/// A relay that runs until the program ends.
pub(crate) struct Relay {
    port: u16,
}

impl Relay {
    /// Starts to relay a port of 127.0.0.1; bytes come out `delay` later, each way.
    pub(crate) fn start(target: u16, delay: Duration) -> Self {
        if delay.is_zero() {
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
                    pump(from, to, delay);
                }
            }
        });
        Self { port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(PIECES);
    thread::spawn(move || {
        loop {
            let mut piece = vec![0; PIECE];
            match from.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(read) => piece.truncate(read),
            }
            if sender.send((Instant::now() + delay, piece)).is_err() {
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
