//! The route straight to a phone's daemon over TCP, with no adb server between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::error::PhoneError;

/// Where adbd listens after `adb tcpip` when nothing else is said.
pub const DEFAULT_PORT: u16 = 5555;
/// How long a phone may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to `HOST:PORT` or `HOST`.
pub(super) async fn connect(address: &str) -> Result<TcpStream, PhoneError> {
    let unreachable = |source: io::Error| PhoneError::Unreachable {
        address: address.to_owned(),
        source: Arc::new(source),
    };
    let full = with_port(address)?;
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&full)).await;
    let socket = connected
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(unreachable)?;
    socket.set_nodelay(true).map_err(unreachable)?;
    Ok(socket)
}

/// `HOST:PORT` of what may lack the port.
fn with_port(address: &str) -> Result<String, PhoneError> {
    let bad = |why| PhoneError::BadAddress {
        address: address.to_owned(),
        why,
    };
    let (host, port) = match address.rsplit_once(':') {
        // An IPv6 address has colons of its own; with a port it stands in brackets.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    if host.is_empty() {
        return Err(bad("the host is missing"));
    }
    match port.map(str::parse::<u16>) {
        Some(Ok(port)) => Ok(format!("{host}:{port}")),
        Some(Err(_)) => Err(bad("the port is no number up to 65535")),
        None if host.contains(':') && !host.starts_with('[') => {
            Ok(format!("[{host}]:{DEFAULT_PORT}"))
        }
        None => Ok(format!("{host}:{DEFAULT_PORT}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_added_where_it_lacks_and_nonsense_is_refused() {
        for (given, full) in [
            ("phone", "phone:5555"),
            ("192.168.1.7:37000", "192.168.1.7:37000"),
            ("[::1]:7", "[::1]:7"),
            ("fe80::1", "[fe80::1]:5555"),
        ] {
            assert_eq!(with_port(given).unwrap(), full);
        }
        for given in ["", ":", ":5555", "phone:", "phone:x", "phone:99999"] {
            assert!(with_port(given).is_err(), "{given}");
        }
    }
}
