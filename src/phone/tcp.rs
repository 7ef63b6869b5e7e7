//! The direct route to a phone's daemon over TCP, without an adb server.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::error::PhoneError;

/// The port where adbd listens after `adb tcpip` by default.
pub(crate) const DEFAULT_PORT: u16 = 5555;
/// The name of this computer.
pub(super) const LOCALHOST: &str = "localhost";
/// How long one address of a host may be silent before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);
/// How long a phone may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to `HOST:PORT` or `HOST`.
pub(crate) async fn connect(address: &str) -> Result<TcpStream, PhoneError> {
    let unreachable = |source: io::Error| PhoneError::Unreachable {
        address: address.to_owned(),
        source: Arc::new(source),
    };
    let full = with_port(address, Some(DEFAULT_PORT))?;
    // With the host's name, which a system may look for a long time.
    let connecting = async {
        let found = look_up(&full).await?;
        first_that_answers(&found).await.map_err(unreachable)
    };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    let socket = connected.unwrap_or_else(|_| Err(unreachable(io::ErrorKind::TimedOut.into())))?;
    socket.set_nodelay(true).map_err(unreachable)?;
    Ok(socket)
}

/// Connects to the first of a host's addresses that answers. The addresses are tried in turn: each once the one before
/// has failed or was silent for [`HEAD_START`]. Half of a name's addresses often lead nowhere (`localhost` as `::1`, an
/// IPv6 address in a network without IPv6).
pub(super) async fn first_that_answers(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut rest = addresses.iter().copied();
    let mut trying = JoinSet::new();
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    loop {
        if let Some(address) = rest.next() {
            trying.spawn(TcpStream::connect(address));
        }
        let more = rest.len() > 0;
        tokio::select! {
            tried = trying.join_next() => match tried {
                Some(Ok(Ok(socket))) => return Ok(socket),
                // A machine that refuses says more than a network that is not there.
                Some(Ok(Err(error))) if failure.kind() != io::ErrorKind::ConnectionRefused => {
                    failure = error;
                }
                Some(Ok(Err(_)) | Err(_)) => {}
                None => return Err(failure),
            },
            () = tokio::time::sleep(HEAD_START), if more => {}
        }
    }
}

/// Connects to a host, written without brackets, at the first of its addresses that answers. Has no timeout of its own.
pub(crate) async fn connect_to(host: &str, port: u16) -> io::Result<TcpStream> {
    first_that_answers(&addresses_of(host, port).await?).await
}

/// Resolves `HOST:PORT`; an IPv6 address is written in brackets.
pub(super) async fn look_up(full: &str) -> Result<Vec<SocketAddr>, PhoneError> {
    let (host, port) = full.rsplit_once(':').unwrap_or((full, ""));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port_number(port).ok_or_else(|| PhoneError::BadAddress {
        address: full.to_owned(),
        why: NO_PORT,
    })?;
    let found = addresses_of(host, port).await;
    found.map_err(|source| PhoneError::UnknownHost {
        host: host.to_owned(),
        source: Arc::new(source),
    })
}

/// Resolves a host. This computer's own name yields both loopback addresses, regardless of its hosts file.
async fn addresses_of(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let is_here = host == LOCALHOST;
    let mut found: Vec<_> = match tokio::net::lookup_host((host, port)).await {
        Ok(found) => found.collect(),
        Err(_) if is_here => Vec::new(),
        Err(error) => return Err(error),
    };
    if is_here {
        for address in [
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
        ] {
            if !found.contains(&address) {
                found.push(address);
            }
        }
    }
    match found.is_empty() {
        true => Err(io::ErrorKind::NotFound.into()),
        false => Ok(found),
    }
}

/// Returns the address as `HOST:PORT`, adding `default` if the port is missing.
pub(crate) fn with_port(address: &str, default: Option<u16>) -> Result<String, PhoneError> {
    let bad = |why| PhoneError::BadAddress {
        address: address.to_owned(),
        why,
    };
    let typed = address.trim();
    let (host, port) = match typed.rsplit_once(':') {
        // An IPv6 address has colons of its own; with a port it stands in brackets.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (typed, None),
    };
    let port = match (port, default) {
        (Some(text), _) => port_number(text).ok_or_else(|| bad(NO_PORT))?,
        (None, Some(port)) => port,
        (None, None) => return Err(bad("the port is missing: HOST:PORT is expected")),
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
    // In whatever script: of other digits the system makes ASCII's.
    let is_numeric = |text: &str| text.chars().all(|c| c.is_numeric() || c == '.');
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

const NO_PORT: &str = "the port is not a number from 1 to 65535";

/// Parses a port of plain digits; `parse` alone would accept a plus sign.
pub(super) fn port_number(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn address_that_leads_nowhere_does_not_hide_the_next_one() {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let open = listener.await.unwrap();
        let here = open.local_addr().unwrap();
        let port = here.port();
        // Nobody is at ::1 of that port, nor at the second address; the third is somebody.
        let nowhere = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        let refused = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), port));
        let socket = first_that_answers(&[nowhere, refused, here]).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), here);
        let error = first_that_answers(&[refused, nowhere]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(first_that_answers(&[]).await.is_err());
    }

    #[tokio::test]
    async fn address_that_is_silent_does_not_hide_the_next_one() {
        // A listener whose queue is full takes no connection and refuses none.
        let full = tokio::net::TcpSocket::new_v4().unwrap();
        full.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let full = full.listen(1).unwrap();
        let silent = full.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(Ok(socket)) =
            tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(silent)).await
        {
            queued.push(socket);
        }
        let open = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let open = open.await.unwrap();
        let here = open.local_addr().unwrap();
        let addresses = [silent, here];
        let connecting = first_that_answers(&addresses);
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        assert_eq!(connected.unwrap().unwrap().peer_addr().unwrap(), here);
    }

    #[tokio::test]
    async fn addresses_in_each_form_are_looked_up() {
        for (full, host) in [
            ("127.0.0.1:7", "127.0.0.1"),
            ("[::1]:7", "::1"),
            ("[fe80::1%1]:7", "fe80::1%1"),
        ] {
            let found = look_up(full).await.unwrap();
            assert_eq!((found.len(), found[0].port()), (1, 7), "{full}");
            assert_eq!(found, addresses_of(host, 7).await.unwrap());
        }
        let here = look_up("localhost:7").await.unwrap();
        assert!(here.contains(&"127.0.0.1:7".parse().unwrap()), "{here:?}");
        assert!(here.contains(&"[::1]:7".parse().unwrap()), "{here:?}");
    }

    #[test]
    fn port_is_added_where_it_lacks_and_nonsense_is_refused() {
        for (given, full) in [
            ("phone", "phone:5555"),
            (" 192.168.1.7:37000\n", "192.168.1.7:37000"),
            ("192.168.1.7:37000", "192.168.1.7:37000"),
            ("[::1]:7", "[::1]:7"),
            ("fe80::1", "[fe80::1]:5555"),
            ("fe80::1%eth0", "[fe80::1%eth0]:5555"),
            ("[fe80::1]", "[fe80::1]:5555"),
            ("my_phone.fritz.box", "my_phone.fritz.box:5555"),
            ("t\u{fc}r.example:1", "t\u{fc}r.example:1"),
        ] {
            assert_eq!(with_port(given, Some(DEFAULT_PORT)).unwrap(), full);
        }
        for given in [
            "",
            ":",
            ":5555",
            "phone:",
            "phone:x",
            "phone:99999",
            "phone:0",
            "phone:+5555",
            "phone: 5555",
            "192.168.1.7 :5555",
            "192.168.1.7:\u{665}\u{665}",
            "\u{ff11}92.168.1.7:5555",
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
            assert!(with_port(given, Some(DEFAULT_PORT)).is_err(), "{given}");
        }
        for given in ["phone", "192.168.1.7", "fe80::1", "[fe80::1]"] {
            let error = with_port(given, None).unwrap_err().to_string();
            assert!(error.contains("port is missing"), "{error}");
        }
    }
}
