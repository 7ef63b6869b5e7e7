//! A relay between the program and a server that counts what the program sends.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::gate::Gate;

/// The longest line of a request that is looked for, in bytes.
const LINE: usize = 4096;

#[derive(Default)]
struct Counts {
    bytes: u64,
    puts: BTreeMap<String, usize>,
}

pub(crate) struct Relay {
    pub(crate) port: u16,
    counts: Arc<Mutex<Counts>>,
}

impl Relay {
    /// Leads to a port of this computer.
    pub(crate) fn to(port: u16) -> Self {
        Self::with_gate(port, Gate::default())
    }

    /// The same with a gate that everything passes, in both directions.
    pub(crate) fn with_gate(port: u16, gate: Gate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            counts: Arc::default(),
        };
        let counts = Arc::clone(&relay.counts);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Where nobody listens, the connection ends as soon as it began.
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                }
                let (back_from, back_to) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                let counts = Arc::clone(&counts);
                let (gate, back_gate) = (gate.clone(), gate.clone());
                std::thread::spawn(move || {
                    pass(client, server, |bytes| {
                        gate.pass();
                        count(&counts, bytes)
                    });
                });
                std::thread::spawn(move || {
                    pass(back_from, back_to, |_| {
                        back_gate.pass();
                        0
                    });
                });
            }
        });
        relay
    }

    /// Bytes that the program sent.
    pub(crate) fn bytes(&self) -> u64 {
        self.counts.lock().unwrap().bytes
    }

    /// How often each path was put, where the connection can be read.
    pub(crate) fn puts(&self) -> BTreeMap<String, usize> {
        self.counts.lock().unwrap().puts.clone()
    }
}

/// `look` gets what came and what was kept of before, and says how much of the end to keep.
fn pass(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut((&[u8], usize)) -> usize) {
    let mut buffer = vec![0; LINE + 64 * 1024];
    let mut kept = 0;
    while let Ok(length) = from.read(&mut buffer[kept..]) {
        if length == 0 {
            break;
        }
        let end = kept + length;
        let keep = look((&buffer[..end], kept));
        if to.write_all(&buffer[kept..end]).is_err() {
            break;
        }
        kept = keep;
        buffer.copy_within(end - kept..end, 0);
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Counts the requests in what came; an unfinished line at the end is kept for the next time.
fn count(counts: &Mutex<Counts>, (bytes, kept): (&[u8], usize)) -> usize {
    let mut counts = counts.lock().unwrap();
    counts.bytes += (bytes.len() - kept) as u64;
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'P') {
        rest = &rest[at..];
        let is_whole = rest.len() >= b"PUT /".len();
        if !b"PUT /".starts_with(&rest[..rest.len().min(5)]) {
            rest = &rest[1..];
            continue;
        }
        let line = &rest[..rest.len().min(LINE - 1)];
        let Some(end) = line.iter().position(|byte| *byte == b'\r') else {
            match line.len() == LINE - 1 {
                // Nobody's request, but a photo's bytes.
                true => rest = &rest[1..],
                false => return rest.len(),
            }
            continue;
        };
        if is_whole && line[..end].ends_with(b" HTTP/1.1") {
            let path = String::from_utf8_lossy(&line[4..end - 9]).into_owned();
            let path = path.split('?').next().unwrap_or_default().to_owned();
            *counts.puts.entry(path).or_default() += 1;
        }
        rest = &rest[1..];
    }
    0
}
