//! A cable between `rescue` and a phone: as slow as wanted, counted, and it can be pulled out.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A relay on 127.0.0.1; dropped, it lets go of everything.
#[derive(Debug)]
pub(crate) struct Cable {
    port: u16,
    inside: Arc<Inside>,
}

#[derive(Debug)]
struct Inside {
    phone_port: u16,
    bytes_per_second: u64,
    /// Bytes that came from the phone.
    received: AtomicU64,
    /// At how many of them it stands still.
    holds_at: AtomicU64,
    is_out: AtomicBool,
    is_held: AtomicBool,
    is_gone: AtomicBool,
    ends: Mutex<Vec<TcpStream>>,
    /// One for each connection to come; with none left, connections are sound.
    cuts: Mutex<VecDeque<Cut>>,
}

/// Where a connection breaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// Whether the bytes from the phone are counted, or those to it.
    pub(crate) from_phone: bool,
    /// After how many of them it breaks.
    pub(crate) after_bytes: u64,
}

impl Cable {
    /// Lays a cable to the phone's port.
    pub(crate) fn new(phone_port: u16, bytes_per_second: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", crate::support::ports::free())).unwrap();
        let port = listener.local_addr().unwrap().port();
        let inside = Arc::new(Inside {
            phone_port,
            bytes_per_second,
            received: AtomicU64::new(0),
            holds_at: AtomicU64::new(u64::MAX),
            is_out: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            ends: Mutex::new(Vec::new()),
            cuts: Mutex::default(),
        });
        let shared = Arc::clone(&inside);
        thread::spawn(move || shared.accept(&listener));
        Self { port, inside }
    }

    /// Where `rescue` finds the phone.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many bytes came from the phone up to now.
    pub(crate) fn received(&self) -> u64 {
        self.inside.received.load(Ordering::SeqCst)
    }

    /// Waits until so many bytes came from the phone.
    pub(crate) fn wait_for_bytes(&self, bytes: u64) {
        crate::desk::wait_for("bytes on the cable", || self.received() >= bytes);
    }

    #[allow(dead_code, reason = "used by tests/torture")]
    /// Makes the next connections break, one at each of these places.
    pub(crate) fn cut_next(&self, cuts: Vec<Cut>) {
        *self.inside.cuts.lock().unwrap() = cuts.into();
    }

    /// Stops what comes from the phone, until [`Cable::let_go`].
    pub(crate) fn hold(&self) {
        self.inside.is_held.store(true, Ordering::SeqCst);
    }

    #[allow(dead_code, reason = "used by tests/peers")]
    /// Lets so many more bytes come from the phone, and then none.
    pub(crate) fn hold_after(&self, bytes: u64) {
        let at = self.received() + bytes;
        self.inside.holds_at.store(at, Ordering::SeqCst);
        self.inside.is_held.store(false, Ordering::SeqCst);
    }

    #[allow(dead_code, reason = "used by tests/peers")]
    /// Waits until it stands still.
    pub(crate) fn wait_until_held(&self) {
        let is_held = || self.inside.is_held.load(Ordering::SeqCst);
        crate::desk::wait_for("a cable that stands still", is_held);
    }

    /// Lets it come again.
    pub(crate) fn let_go(&self) {
        self.inside.holds_at.store(u64::MAX, Ordering::SeqCst);
        self.inside.is_held.store(false, Ordering::SeqCst);
    }

    /// Pulls it out: what is on its way is lost, and nobody can connect.
    pub(crate) fn pull_out(&self) {
        self.inside.is_out.store(true, Ordering::SeqCst);
        self.inside.disconnect();
    }

    /// Plugs it in again.
    pub(crate) fn plug_in(&self) {
        self.inside.is_out.store(false, Ordering::SeqCst);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.inside.is_gone.store(true, Ordering::SeqCst);
        self.inside.disconnect();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Inside {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for near in listener.incoming() {
            if self.is_gone.load(Ordering::SeqCst) {
                return;
            }
            let Ok(near) = near else { continue };
            let Ok(far) = TcpStream::connect(("127.0.0.1", self.phone_port)) else {
                continue;
            };
            let mut ends = self.ends.lock().unwrap();
            if self.is_out.load(Ordering::SeqCst) {
                continue;
            }
            for end in [&near, &far] {
                end.set_nodelay(true).unwrap();
                ends.push(end.try_clone().unwrap());
            }
            let (near_out, far_in) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let cut = self.cuts.lock().unwrap().pop_front();
            let most = |from_phone| {
                let cut = cut.filter(|cut| cut.from_phone == from_phone);
                cut.map_or(u64::MAX, |cut| cut.after_bytes)
            };
            let (most_down, most_up) = (most(true), most(false));
            let (down, up) = (Arc::clone(self), Arc::clone(self));
            thread::spawn(move || down.carry(far_in, near_out, Some(&down.received), most_down));
            thread::spawn(move || up.carry(near, far, None, most_up));
        }
    }

    fn carry(
        &self,
        mut from: TcpStream,
        mut to: TcpStream,
        counter: Option<&AtomicU64>,
        most: u64,
    ) {
        let mut buffer = vec![0; 64 * 1024];
        let (mut due, mut left) = (Instant::now(), most);
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let count = left.min(count as u64) as usize;
            left -= count as u64;
            if to.write_all(&buffer[..count]).is_err() || left == 0 {
                break;
            }
            if let Some(counter) = counter {
                while self.is_held.load(Ordering::SeqCst) && !self.is_gone.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(5));
                }
                let received = counter.fetch_add(count as u64, Ordering::SeqCst);
                if received + count as u64 >= self.holds_at.load(Ordering::SeqCst) {
                    self.is_held.store(true, Ordering::SeqCst);
                }
                // What was not used while nothing came is not made up for.
                let takes = count as f64 / self.bytes_per_second as f64;
                due = due.max(Instant::now()) + Duration::from_secs_f64(takes);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
        for end in [&from, &to] {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn disconnect(&self) {
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}
