//! Ports of 127.0.0.1 that nobody else takes.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Below the range from which Linux takes the ports of outgoing connections, and above the ports
/// 5555 to 5585, where every adb server looks for emulators.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A port on which nothing listens.
pub(crate) fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin at different places, far from each other also
    // where their numbers are neighbours (Fibonacci hashing).
    let spread = std::process::id().wrapping_mul(0x9E37_79B9) >> 16;
    let begin = (spread % u32::from(COUNT)) as u16;
    loop {
        let offset = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = FIRST + offset;
        if is_free(port) {
            return port;
        }
    }
}

/// Whether nothing listens on a port. Asked without listening there: what another thread starts at
/// the same moment holds a copy of the socket until it is the program that it shall be, and who
/// connected to that would take it for a phone that is ready.
fn is_free(port: u16) -> bool {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
    let (internet, stream) = (AddressFamily::INET, SocketType::STREAM);
    let probe = socket_with(internet, stream, SocketFlags::CLOEXEC, None).unwrap();
    sockopt::set_socket_reuseaddr(&probe, true).unwrap();
    bind(&probe, &SocketAddr::from(([127, 0, 0, 1], port))).is_ok()
}

/// Waits until something listens; false when `is_alive` says that nothing ever will.
pub(crate) fn listens(port: u16, mut is_alive: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_alive() && Instant::now() < deadline {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
