//! The route straight to a phone's daemon over TCP, with no adb server between.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
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
    // With the host's name, which a system may look for a long time.
    let connecting = async {
        let found = look_up(&full).await?;
        TcpStream::connect(found.as_slice())
            .await
            .map_err(unreachable)
    };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    let socket = connected.unwrap_or_else(|_| Err(unreachable(io::ErrorKind::TimedOut.into())))?;
    socket.set_nodelay(true).map_err(unreachable)?;
    Ok(socket)
}

/// The addresses of `HOST:PORT`.
async fn look_up(full: &str) -> Result<Vec<SocketAddr>, PhoneError> {
    let unknown = |source: io::Error| PhoneError::UnknownHost {
        host: full
            .rsplit_once(':')
            .map_or(full, |(host, _)| host)
            .to_owned(),
        source: Arc::new(source),
    };
    let found: Vec<_> = tokio::net::lookup_host(full)
        .await
        .map_err(unknown)?
        .collect();
    match found.is_empty() {
        true => Err(unknown(io::ErrorKind::NotFound.into())),
        false => Ok(found),
    }
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
    let port = match port.map(str::parse::<u16>) {
        Some(Ok(0) | Err(_)) => return Err(bad("the port is no number from 1 to 65535")),
        Some(Ok(port)) => port,
        None => DEFAULT_PORT,
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let bare = bare.unwrap_or(host);
    if bare.is_empty() {
        return Err(bad("the host is missing"));
    }
    if bare.contains(':') || bare.len() < host.len() {
        // Behind a percent sign stands which network a link-local one is on.
        let number = bare.split('%').next().unwrap_or_default();
        return match number.parse::<Ipv6Addr>() {
            Ok(_) => Ok(format!("[{bare}]:{port}")),
            Err(_) => Err(bad("its host is neither a name nor an IP address")),
        };
    }
    let is_numeric = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    // The system would take the numbers of half an address for one, and a port alone as well.
    if is_numeric(bare) && bare.parse::<Ipv4Addr>().is_err() {
        return Err(bad("its host is neither a name nor an IP address"));
    }
    let fits = |char: char| char.is_alphanumeric() || matches!(char, '.' | '-' | '_');
    if !bare.chars().all(fits) {
        return Err(bad(
            "a host's name has letters, digits, dots and hyphens only",
        ));
    }
    Ok(format!("{bare}:{port}"))
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
            ("fe80::1%eth0", "[fe80::1%eth0]:5555"),
            ("[fe80::1]", "[fe80::1]:5555"),
            ("my_phone.fritz.box", "my_phone.fritz.box:5555"),
            ("t\u{fc}r.example:1", "t\u{fc}r.example:1"),
        ] {
            assert_eq!(with_port(given).unwrap(), full);
        }
        for given in [
            "",
            ":",
            ":5555",
            "phone:",
            "phone:x",
            "phone:99999",
            "phone:0",
            "5555",
            "5555:5555",
            "192.168.1",
            "192.168.1.700:5555",
            "[]:5555",
            "[phone]:5555",
            "a:b:c",
            "http://phone:5555",
            "phone/x",
            "a b",
            "phone\u{1b}[31m",
            "[::1",
            "::1]:7",
        ] {
            assert!(with_port(given).is_err(), "{given}");
        }
    }
}
