//! The route through an adb server that runs already: a socket for every stream.
//!
//! Never starts a server: that would take the USB device from under other programs, and
//! platform-tools may not even be installed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::error::PhoneError;
use super::stream::ByteStream;
use crate::adb::features::Features;
use crate::adb::server::{self, Device, Status};

/// Where adb servers listen when nothing else is said.
pub const DEFAULT_PORT: u16 = 5037;
/// How long an adb server may take to answer: it answers at once, or is stuck.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of an adb server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerAddress(pub SocketAddr);

impl ServerAddress {
    /// The address that the environment names, as adb reads it: `ADB_SERVER_SOCKET`
    /// (`tcp:PORT`, `tcp:HOST:PORT`), else `ANDROID_ADB_SERVER_ADDRESS` and
    /// `ANDROID_ADB_SERVER_PORT`, else 127.0.0.1:5037.
    pub async fn from_environment() -> Result<Self, PhoneError> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let text = match variable("ADB_SERVER_SOCKET") {
            Some(socket) => {
                let bad = |why| PhoneError::BadAddress {
                    address: socket.clone(),
                    why,
                };
                let rest = socket.strip_prefix("tcp:");
                let rest = rest
                    .ok_or_else(|| bad("ADB_SERVER_SOCKET has to be tcp:PORT or tcp:HOST:PORT"))?;
                if rest.contains(':') {
                    rest.to_owned()
                } else {
                    format!("localhost:{rest}")
                }
            }
            None => {
                let host = variable("ANDROID_ADB_SERVER_ADDRESS");
                let host = host.unwrap_or_else(|| Ipv4Addr::LOCALHOST.to_string());
                let port = variable("ANDROID_ADB_SERVER_PORT");
                format!(
                    "{host}:{}",
                    port.unwrap_or_else(|| DEFAULT_PORT.to_string())
                )
            }
        };
        let found = tokio::net::lookup_host(&text)
            .await
            .map(|mut found| found.next());
        match found {
            Ok(Some(address)) => Ok(Self(address)),
            _ => Err(PhoneError::BadAddress {
                address: text,
                why: "an adb server's HOST:PORT is expected",
            }),
        }
    }

    /// The phones that the server sees, in whatever state; `None` when no server runs.
    pub async fn devices(self) -> Result<Option<Vec<Device>>, PhoneError> {
        let mut conversation = match self.ask("host:devices-l").await {
            Ok(conversation) => conversation,
            Err(PhoneError::Unreachable { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(server::parse_devices(&conversation.text().await?)))
    }

    /// What the phone and the server both can do.
    pub(super) async fn features(self, serial: &str) -> Result<Features, PhoneError> {
        let asked = self.ask(&format!("host-serial:{serial}:features")).await;
        let mut conversation = asked.map_err(|error| match error {
            // Between the server's list and this, the phone went away.
            PhoneError::ServerRefused { message, .. } if !message.contains("unknown") => {
                let serial = serial.to_owned();
                PhoneError::Gone { serial, message }
            }
            other => other,
        })?;
        Ok(Features::parse(conversation.text().await?.trim()))
    }

    /// Lets the server make contact with a phone anew, which asks its owner anew.
    pub async fn reconnect(self, serial: &str) -> Result<(), PhoneError> {
        let mut conversation = self.ask(&format!("host-serial:{serial}:reconnect")).await?;
        conversation.text().await.map(drop)
    }

    /// Opens a stream to a service of a phone.
    pub(super) async fn open(
        self,
        serial: &str,
        service: &[u8],
    ) -> Result<Option<ByteStream>, PhoneError> {
        let transport = format!("host:transport:{serial}");
        let mut conversation = self.ask(&transport).await.map_err(|error| match error {
            PhoneError::ServerRefused { message, .. } => PhoneError::Gone {
                serial: serial.to_owned(),
                message,
            },
            other => other,
        })?;
        match conversation.request(service).await {
            Ok(()) => Ok(Some(ByteStream::of_socket(
                conversation.socket,
                conversation.input,
            ))),
            Err(PhoneError::ServerRefused { message, .. }) => {
                tracing::debug!(message, "service refused");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn ask(self, request: &str) -> Result<Conversation, PhoneError> {
        let connected = tokio::time::timeout(ANSWER_TIMEOUT, TcpStream::connect(self.0)).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let socket = connected.map_err(|source| self.unreachable(source))?;
        let _ = socket.set_nodelay(true);
        let mut conversation = Conversation {
            address: self,
            socket,
            input: BytesMut::new(),
        };
        conversation.request(request.as_bytes()).await?;
        Ok(conversation)
    }

    fn unreachable(self, source: io::Error) -> PhoneError {
        PhoneError::Unreachable {
            address: self.0.to_string(),
            source: Arc::new(source),
        }
    }
}

/// A socket to the server and what it sent.
struct Conversation {
    address: ServerAddress,
    socket: TcpStream,
    input: BytesMut,
}

impl Conversation {
    async fn request(&mut self, request: &[u8]) -> Result<(), PhoneError> {
        let refused = |message| PhoneError::ServerRefused {
            request: String::from_utf8_lossy(request).into_owned(),
            message,
        };
        let bytes = server::request(request)
            .ok_or_else(|| refused("the request is too long".to_owned()))?;
        self.socket
            .write_all(&bytes)
            .await
            .map_err(|source| self.address.unreachable(source))?;
        match self.read_until(server::parse_status).await? {
            Status::Okay => Ok(()),
            Status::Fail(message) => Err(refused(message)),
        }
    }

    async fn text(&mut self) -> Result<String, PhoneError> {
        self.read_until(server::parse_text).await
    }

    async fn read_until<T>(
        &mut self,
        parse: impl Fn(&mut BytesMut) -> Result<Option<T>, server::NotAServer>,
    ) -> Result<T, PhoneError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            let not_a_server = |source| PhoneError::NotAServer {
                address: self.address.0,
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

/// Asks the kernel to acknowledge at once: an adb server writes small pieces with Nagle's
/// algorithm on, and would wait 40 ms for each delayed acknowledgement. The kernel forgets the
/// wish, so it is renewed after each read.
pub(super) fn acknowledge_quickly(socket: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_quickack(socket, true);
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}
