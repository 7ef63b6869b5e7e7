//! One ADB connection, either end: handshake, authorisation and many streams at once.
//!
//! In: bytes from the peer ([`Connection::receive`]) and wishes (open, write, consumed, close).
//! Out: [`ConnectionEvent`]s and bytes for the peer. The caller's loop is always the same: hand over what
//! was read, take every event, write all output. Source: AOSP `adb/protocol.txt`,
//! `adb/docs/dev/delayed_ack.md`, `adb/adb.cpp`.

mod handshake;
mod streams;

use std::collections::{HashMap, VecDeque};

use bytes::{Bytes, BytesMut};

pub use self::handshake::Banner;
use self::streams::Stream;
use super::auth::{KeyError, PrivateKey, PublicKey, Token};
use super::features::Features;
use super::wire::{
    AdbCommand, ChecksumMode, Decoder, MAX_PAYLOAD, MIN_PAYLOAD, Message, WireError,
};

/// The most bytes that a stream holds for its reader before the peer has to wait. A larger window takes more memory and
/// is no faster in the long run (figures in docs/benchmarks.md).
pub const RECEIVE_WINDOW: u32 = 4 * 1024 * 1024;
/// Messages up to this length share a buffer on their way out.
const SMALL_OUTPUT: usize = 4096;

/// A stream of one connection, identified by this end's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(u32);

impl StreamId {
    /// Returns the number that identifies the stream on the wire.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// An event on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// The handshake is complete; streams can be opened.
    Connected(Banner),
    /// The phone knows none of the computer's keys and is asking its user to allow the computer. It stays silent until
    /// the user answers.
    AwaitingApproval,
    /// The phone knows none of the computer's keys, and [`Introduction::SignaturesOnly`] kept it from asking its user.
    NotKnown,
    /// Device end: an unknown computer offers its public key; [`Connection::approve`] accepts it.
    KeyOffered(PublicKey),
    /// A stream opened with [`Connection::open`] is ready to use.
    Opened(StreamId),
    /// The peer opened a stream to a service; the bytes are the service's name without the NUL byte.
    Incoming(StreamId, Bytes),
    /// Data arrived on a stream. Call [`Connection::consumed`] once the reader has taken it.
    Data(StreamId, Bytes),
    /// All written data has been sent to the peer; more can be written.
    Drained(StreamId),
    /// The peer closed the stream, or refused to open it.
    Closed(StreamId),
}

/// A peer's action, or a failure, that ends the connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The bytes received are not an ADB message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A signature could not be made.
    #[error("the key cannot sign the phone's token")]
    Key(#[from] KeyError),
    /// The phone wants TLS (wireless debugging), which this route does not speak.
    #[error("the phone wants TLS, as wireless debugging does")]
    TlsWanted,
    /// A message arrived that is invalid in the current state.
    #[error("unexpected {command:?} message from the peer: {why}")]
    Unexpected {
        /// The message's command.
        command: AdbCommand,
        /// Why it is invalid.
        why: &'static str,
    },
    /// The peer sent more data than it may before an acknowledgement.
    #[error("the peer sends more than it was allowed to")]
    Flood,
}

/// What a computer does when the phone knows none of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Introduction {
    /// Offers its public key, so that the phone asks its user to allow the computer. The question can remain on the
    /// phone's screen after the connection has ended.
    #[default]
    OfferKey,
    /// Tries its signatures and stops there; nothing appears on the phone.
    SignaturesOnly,
}

/// The settings of the computer's end of a connection.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// The keys to try, in this order. The public half of the first is offered if the phone knows none of them.
    pub keys: Vec<PrivateKey>,
    /// The comment sent with the public key, which the phone may show: `user@computer`.
    pub name: String,
    /// What to do when the phone knows none of the keys.
    pub introduction: Introduction,
    /// The features to offer.
    pub features: Features,
}

/// The settings of the phone's end of a connection.
#[derive(Debug, Clone)]
pub struct DeviceConfig {
    /// The phone's state: `device`, `recovery`...
    pub state: String,
    /// The phone's properties; `features` is added to them.
    pub properties: Vec<(String, String)>,
    /// The features to offer.
    pub features: Features,
    /// The largest payload to announce, in bytes; clamped to [`MIN_PAYLOAD`] and [`MAX_PAYLOAD`].
    pub max_payload: u32,
    /// Prefixes of the service names that the phone refuses to open.
    pub refused: Vec<String>,
    /// The token to have signed, and the keys whose signatures are accepted. With `None`, any computer is let in.
    pub auth: Option<(Token, Vec<PublicKey>)>,
}

#[derive(Debug)]
enum Role {
    Host { config: HostConfig, next_key: usize },
    Device { config: DeviceConfig },
}

/// One end of an ADB connection.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    decoder: Decoder,
    checksum: ChecksumMode,
    peer_max_payload: u32,
    connected: bool,
    /// Device end: the computer's banner, until the computer is let in.
    hello: Option<Banner>,
    delayed_ack: bool,
    streams: HashMap<u32, Stream>,
    next_id: u32,
    events: VecDeque<ConnectionEvent>,
    output: VecDeque<Bytes>,
    small_output: BytesMut,
}

impl Connection {
    /// Creates the computer's end and queues its `CNXN` message.
    pub fn host(config: HostConfig) -> Self {
        let banner = format!("host::features={}", config.features);
        let mut connection = Self::new(Role::Host {
            config,
            next_key: 0,
        });
        connection.send_hello(MAX_PAYLOAD, &banner);
        connection
    }

    /// Creates the phone's end, which waits for the computer's `CNXN` message.
    pub fn device(mut config: DeviceConfig) -> Self {
        config.max_payload = config.max_payload.clamp(MIN_PAYLOAD, MAX_PAYLOAD);
        Self::new(Role::Device { config })
    }

    fn new(role: Role) -> Self {
        Self {
            role,
            decoder: Decoder::new(),
            // Sent until the peer is known to skip them, as adb does.
            checksum: ChecksumMode::Sent,
            peer_max_payload: MIN_PAYLOAD,
            connected: false,
            hello: None,
            delayed_ack: false,
            streams: HashMap::new(),
            next_id: 1,
            events: VecDeque::new(),
            output: VecDeque::new(),
            small_output: BytesMut::new(),
        }
    }

    /// Handles all complete messages at the front of `input` and removes them from it. After an error the connection
    /// can no longer be used.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<(), ConnectionError> {
        while let Some(message) = self.decoder.decode(input)? {
            self.handle(message)?;
        }
        Ok(())
    }

    /// Returns how many more bytes than the `held` ones are needed to complete the next header or message.
    pub fn missing_bytes(&self, held: usize) -> usize {
        self.decoder.missing_bytes(held)
    }

    /// Returns the next event, or `None` if there is none.
    pub fn poll_event(&mut self) -> Option<ConnectionEvent> {
        self.events.pop_front()
    }

    /// Returns the next bytes to send to the peer, or `None` if there are none.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.output
            .pop_front()
            .or_else(|| (!self.small_output.is_empty()).then(|| self.small_output.split().freeze()))
    }

    /// Device end: accepts an offered key and completes the handshake.
    pub fn approve(&mut self) {
        self.accept_host();
    }

    fn handle(&mut self, message: Message) -> Result<(), ConnectionError> {
        let unexpected = |why| {
            Err(ConnectionError::Unexpected {
                command: message.command,
                why,
            })
        };
        match message.command {
            AdbCommand::Cnxn if self.connected => unexpected("the connection is up already"),
            AdbCommand::Cnxn => self.handle_hello(&message),
            AdbCommand::Stls => Err(ConnectionError::TlsWanted),
            AdbCommand::Auth if self.connected => unexpected("the connection is up already"),
            AdbCommand::Auth => self.handle_auth(&message),
            _ if !self.connected => unexpected("the connection is not up yet"),
            AdbCommand::Open => self.handle_open(&message),
            AdbCommand::Okay => self.handle_okay(&message),
            AdbCommand::Wrte => self.handle_write(message),
            AdbCommand::Clse => {
                self.handle_close(&message);
                Ok(())
            }
        }
    }

    fn send(&mut self, message: Message) {
        self.small_output
            .extend_from_slice(&message.header(self.checksum));
        if message.payload.len() <= SMALL_OUTPUT {
            self.small_output.extend_from_slice(&message.payload);
        } else {
            self.output.push_back(self.small_output.split().freeze());
            self.output.push_back(message.payload);
        }
    }
}

#[cfg(test)]
mod tests;
