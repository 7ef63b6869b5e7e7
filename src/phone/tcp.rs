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
    let has_port = address.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
    });
    let full = if has_port {
        address.to_owned()
    } else {
        format!("{address}:{DEFAULT_PORT}")
    };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&full)).await;
    let socket = connected
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(unreachable)?;
    socket.set_nodelay(true).map_err(unreachable)?;
    Ok(socket)
}
