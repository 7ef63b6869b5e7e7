//! The route through a running adb server: one socket per stream.
//!
//! Never starts a server: it would take the USB device away from other programs, and platform-tools may not even be
//! installed.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::error::PhoneError;
use super::seen::SeenPhone;
use super::stream::{ByteStream, acknowledge_quickly};
use super::tcp;
use crate::adb::features::Features;
use crate::adb::server::{self, Device, Status};

/// The port where adb servers listen by default.
pub(crate) const DEFAULT_PORT: u16 = 5037;
/// How long an adb server may take to answer: it answers at once, or is stuck.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an adb server may take to connect to a wireless phone: a machine that is switched off sends no answer at
/// all.
pub(crate) const WIRELESS_TIMEOUT: Duration = Duration::from_secs(60);

/// The address of an adb server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    name: String,
    addresses: Arc<[SocketAddr]>,
}

impl std::fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl ServerAddress {
    /// Reads the address from the environment as adb does: `ADB_SERVER_SOCKET` (`tcp:PORT`, `tcp:HOST:PORT`), otherwise
    /// `ANDROID_ADB_SERVER_ADDRESS` and `ANDROID_ADB_SERVER_PORT`. The default is port 5037 on this computer.
    pub(crate) async fn from_environment() -> Result<Self, PhoneError> {
        const SOCKET_VARIABLE: &str = "ADB_SERVER_SOCKET";
        const ADDRESS_VARIABLE: &str = "ANDROID_ADB_SERVER_ADDRESS";
        const PORT_VARIABLE: &str = "ANDROID_ADB_SERVER_PORT";
        // What is no text is not as good as unset: it is named.
        let variable = |name| {
            let value = std::env::var_os(name)?;
            Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
        };
        let bad = |name, value: &str, wanted| PhoneError::BadVariable {
            name,
            value: value.to_owned(),
            wanted,
        };
        if let Some(socket) = variable(SOCKET_VARIABLE) {
            let bad = |_| bad(SOCKET_VARIABLE, &socket, "tcp:PORT or tcp:HOST:PORT");
            let rest = socket.strip_prefix("tcp:").ok_or(()).map_err(bad)?;
            let (host, port) = match rest.rsplit_once(':') {
                Some((host, port)) => (Some(host), port),
                None => (None, rest),
            };
            return Self::of(host, port).await.map_err(|error| match error {
                PhoneError::BadAddress { .. } => bad(()),
                error => error,
            });
        }
        let (host, port) = (variable(ADDRESS_VARIABLE), variable(PORT_VARIABLE));
        if let Some(port) = port
            .as_deref()
            .filter(|port| tcp::port_number(port).is_none())
        {
            return Err(bad(PORT_VARIABLE, port, "a port from 1 to 65535"));
        }
        let port = port.unwrap_or_else(|| DEFAULT_PORT.to_string());
        let of = Self::of(host.as_deref(), &port).await;
        of.map_err(|error| match (error, &host) {
            (PhoneError::BadAddress { .. }, Some(host)) => bad(ADDRESS_VARIABLE, host, "a host"),
            (error, _) => error,
        })
    }

    /// The address at a host, or of this computer's own server, which listens at either loopback.
    async fn of(host: Option<&str>, port: &str) -> Result<Self, PhoneError> {
        let name = |host: &str| match host.parse::<Ipv6Addr>() {
            Ok(_) => format!("[{host}]:{port}"),
            Err(_) => format!("{host}:{port}"),
        };
        let at = name(host.map_or(tcp::LOCALHOST, str::trim));
        let bad = |_| PhoneError::BadAddress {
            address: at.clone(),
            why: "an adb server's HOST:PORT is expected",
        };
        let full = tcp::with_port(&at, None).map_err(bad)?;
        let addresses = tcp::look_up(&full).await.map_err(bad)?;
        Ok(Self {
            name: full,
            addresses: addresses.into(),
        })
    }

    /// Returns the phones that the server lists, in any state; `None` if no server runs.
    pub(crate) async fn devices(&self) -> Result<Option<Vec<Device>>, PhoneError> {
        let asked = match self.ask("host:devices-l").await {
            // A server from before there was the long list.
            Err(error) if is_unknown_service(&error) => self.ask("host:devices").await,
            asked => asked,
        };
        let mut conversation = match asked {
            Ok(conversation) => conversation,
            Err(PhoneError::Unreachable { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(server::parse_devices(&conversation.text().await?)))
    }

    /// Asks the server to connect to or pair with a wireless phone. Returns the server's message; only that text shows
    /// whether it worked.
    pub(crate) async fn request(&self, request: &str) -> Result<String, PhoneError> {
        let mut conversation = self.ask(request).await?;
        let text = conversation.text_within(WIRELESS_TIMEOUT).await?;
        Ok(text)
    }

    /// Returns the first of the server's IPv4 addresses.
    pub(crate) fn ipv4(&self) -> Option<SocketAddrV4> {
        self.addresses.iter().find_map(|address| match address {
            SocketAddr::V4(address) => Some(*address),
            SocketAddr::V6(_) => None,
        })
    }

    async fn ask(&self, request: &str) -> Result<Conversation, PhoneError> {
        let connecting = tcp::first_that_answers(&self.addresses);
        let connected = tokio::time::timeout(ANSWER_TIMEOUT, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let socket = connected.map_err(|source| self.unreachable(source))?;
        let _ = socket.set_nodelay(true);
        let mut conversation = Conversation {
            address: self.clone(),
            socket,
            input: BytesMut::new(),
            asked: String::new(),
        };
        conversation.request(request.as_bytes()).await?;
        Ok(conversation)
    }

    fn unreachable(&self, source: io::Error) -> PhoneError {
        PhoneError::Unreachable {
            address: self.name.clone(),
            source: Arc::new(source),
        }
    }
}

/// A phone reached through an adb server.
#[derive(Debug, Clone)]
pub(crate) struct ServedPhone {
    server: ServerAddress,
    /// The phone's name in messages.
    name: String,
    /// The part of a request that selects the phone. It is `transport-id:7` if the server numbers its phones, which
    /// works without a serial number and with blanks in it. Otherwise it is `serial:X`, with X as adb matches it.
    choice: String,
}

impl ServedPhone {
    /// Creates a handle for a phone that this server listed; `name` selects it among all phones.
    pub(crate) fn of(server: &ServerAddress, seen: &SeenPhone, name: &str) -> Self {
        let choice = match seen.transport {
            Some(id) => format!("transport-id:{id}"),
            None => format!("serial:{name}"),
        };
        Self {
            server: server.clone(),
            name: name.to_owned(),
            choice,
        }
    }

    /// Returns the name that selects the phone.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the features that the phone and the server both support.
    pub(super) async fn features(&self) -> Result<Features, PhoneError> {
        let request = format!("host-{}:features", self.choice);
        match self.server.ask(&request).await {
            Ok(mut conversation) => Ok(Features::parse(conversation.text().await?.trim())),
            // A server from before there were any.
            Err(error) if is_unknown_service(&error) => Ok(Features::default()),
            // Between the server's list and this, the phone went away.
            Err(PhoneError::ServerRefused { message, .. }) => Err(self.gone(message)),
            Err(other) => Err(other),
        }
    }

    /// Asks the server to reconnect to the phone, which makes the phone ask its user again.
    pub(crate) async fn reconnect(&self) -> Result<(), PhoneError> {
        let request = format!("host-{}:reconnect", self.choice);
        let mut conversation = self.server.ask(&request).await?;
        conversation.text().await.map(drop)
    }

    /// Opens a stream to a service of the phone; returns `None` if the phone refuses it.
    pub(super) async fn open(&self, service: &[u8]) -> Result<Option<ByteStream>, PhoneError> {
        let transport = match self.choice.strip_prefix("serial:") {
            Some(serial) => format!("host:transport:{serial}"),
            None => format!("host:{}", self.choice),
        };
        let mut conversation = match self.server.ask(&transport).await {
            Err(PhoneError::ServerRefused { message, .. }) => return Err(self.gone(message)),
            asked => asked?,
        };
        match conversation.request(service).await {
            Ok(()) => Ok(Some(ByteStream::of_socket(
                conversation.socket,
                conversation.input,
            ))),
            Err(PhoneError::ServerRefused { message, .. }) => {
                tracing::debug!(message, "service refused");
                match self.is_attached().await {
                    true => Ok(None),
                    false => Err(self.gone(message)),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Returns whether the server still has the phone. It answers a request for a service with the same "closed" when
    /// the phone refuses and when it is unplugged meanwhile.
    async fn is_attached(&self) -> bool {
        let request = format!("host-{}:get-state", self.choice);
        match self.server.ask(&request).await {
            Ok(mut conversation) => matches!(conversation.text().await.as_deref(), Ok("device")),
            Err(error) => is_unknown_service(&error),
        }
    }

    fn gone(&self, message: String) -> PhoneError {
        PhoneError::Gone {
            serial: self.name.clone(),
            source: Arc::new(std::io::Error::other(message)),
        }
    }
}

/// Returns whether the server is too old for the request: it answered "unknown host service".
fn is_unknown_service(error: &PhoneError) -> bool {
    matches!(error, PhoneError::ServerRefused { message, .. } if message.contains("unknown"))
}

/// A socket to the server and what it sent.
struct Conversation {
    address: ServerAddress,
    socket: TcpStream,
    input: BytesMut,
    /// The last request, for messages.
    asked: String,
}

impl Conversation {
    async fn request(&mut self, request: &[u8]) -> Result<(), PhoneError> {
        self.asked = String::from_utf8_lossy(request).into_owned();
        let bytes = server::request(request)
            .ok_or_else(|| self.refused("the request is too long".to_owned()))?;
        self.socket
            .write_all(&bytes)
            .await
            .map_err(|source| self.address.unreachable(source))?;
        match self
            .read_within(ANSWER_TIMEOUT, server::parse_status)
            .await?
        {
            Status::Okay => Ok(()),
            Status::Fail(message) => Err(self.refused(message)),
        }
    }

    fn refused(&self, message: String) -> PhoneError {
        let request = self.asked.clone();
        PhoneError::ServerRefused { request, message }
    }

    async fn text(&mut self) -> Result<String, PhoneError> {
        self.text_within(ANSWER_TIMEOUT).await
    }

    async fn text_within(&mut self, patience: Duration) -> Result<String, PhoneError> {
        let answer = self.read_within(patience, server::parse_answer).await?;
        answer.map_err(|message| self.refused(message))
    }

    async fn read_within<T>(
        &mut self,
        patience: Duration,
        parse: impl Fn(&mut BytesMut) -> Result<Option<T>, server::NotAServer>,
    ) -> Result<T, PhoneError> {
        let deadline = Instant::now() + patience;
        loop {
            let not_a_server = |source| PhoneError::NotAServer {
                address: self.address.name.clone(),
                source,
            };
            if let Some(value) = parse(&mut self.input).map_err(not_a_server)? {
                return Ok(value);
            }
            let read =
                tokio::time::timeout_at(deadline, self.socket.read_buf(&mut self.input)).await;
            let read = read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            acknowledge_quickly(&self.socket);
            match read {
                Ok(0) => {
                    return Err(self
                        .address
                        .unreachable(io::ErrorKind::UnexpectedEof.into()));
                }
                Ok(_) => {}
                Err(source) => return Err(self.address.unreachable(source)),
            }
        }
    }
}
