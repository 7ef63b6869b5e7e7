//! One ADB connection, either end: handshake, authorisation and many streams at once.
//!
//! In: bytes from the peer ([`Connection::receive`]) and wishes (open, write, consumed, close).
//! Out: [`ConnectionEvent`]s and bytes for the peer. The caller's loop is always the same: hand over what
//! was read, take every event, write all output. Source: AOSP `adb/protocol.txt`,
//! `adb/docs/dev/delayed_ack.md`, `adb/adb.cpp`.

use std::collections::{HashMap, VecDeque};

use bytes::{Buf as _, Bytes, BytesMut};

use super::auth::{KeyError, PrivateKey, PublicKey, TOKEN_BYTES, Token};
use super::features::{Feature, Features};
use super::wire::{
    AdbCommand, ChecksumMode, Decoder, MAX_PAYLOAD, MIN_PAYLOAD, Message, VERSION_SKIPS_CHECKSUM,
    WireError,
};

const AUTH_TOKEN: u32 = 1;
const AUTH_SIGNATURE: u32 = 2;
const AUTH_PUBLIC_KEY: u32 = 3;

/// The most bytes that a stream holds for its reader before the peer has to wait. A larger window takes more memory and
/// is no faster in the long run (figures in docs/benchmarks.md).
pub const RECEIVE_WINDOW: u32 = 4 * 1024 * 1024;
/// The most bytes that an honest peer can send before it waits: adb sends a whole message while any of the window is
/// left (AOSP `adb/socket.h`, `available_send_bytes`).
const MAX_UNCONSUMED: u32 = RECEIVE_WINDOW + MAX_PAYLOAD;
/// The most messages that may wait for their reader on one stream: very small messages take more memory than their
/// bytes.
const MAX_UNCONSUMED_MESSAGES: u32 = 128 * 1024;
/// Messages up to this length share a buffer on their way out.
const SMALL_OUTPUT: usize = 4096;
/// Data up to this length in bytes is copied, because a slice of it would keep the transport's whole read buffer in
/// memory.
const SMALL_DATA: usize = 16 * 1024;
/// The longest peer state kept, in characters. Real ones (`sideload`, `bootloader`) are shorter, and the state is shown
/// to the user.
const MAX_STATE_CHARS: usize = 64;
/// The most streams that a peer may open to this end; an honest peer opens far fewer.
const MAX_STREAMS: usize = 1024;

/// A stream of one connection, identified by this end's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(u32);

impl StreamId {
    /// Returns the number that identifies the stream on the wire.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// What a peer reports about itself in its `CNXN` message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// The peer's state: `device`, `recovery`, `sideload`, `host`...
    pub state: String,
    /// The peer's properties, such as `ro.product.model`, in the order sent.
    pub properties: Vec<(String, String)>,
    /// The features that both ends support.
    pub features: Features,
}

impl Banner {
    fn parse(text: &[u8], ours: Features) -> Self {
        let text = String::from_utf8_lossy(text);
        let text = text.trim_end_matches('\0');
        let (state, rest) = text.split_once("::").unwrap_or((text, ""));
        let properties: Vec<(String, String)> = rest
            .split(';')
            .filter_map(|property| property.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let features = properties.iter().find(|(name, _)| name == "features");
        let theirs = features.map_or(Features::default(), |(_, names)| Features::parse(names));
        Self {
            state: state.chars().take(MAX_STATE_CHARS).collect(),
            features: theirs.common(ours),
            properties,
        }
    }

    /// Returns the value of a property, or `None` if the peer did not send it.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
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

#[derive(Debug)]
struct Stream {
    remote: Option<u32>,
    /// Without delayed_ack: 1 when the peer may be sent a message, else 0. With it: bytes.
    send_credit: i64,
    send_queue: VecDeque<Bytes>,
    /// Delivered, not consumed yet, in bytes.
    unconsumed: u32,
    /// The same in messages.
    unconsumed_messages: u32,
    /// Without delayed_ack: whether an `OKAY` is held back. With it: bytes not acknowledged.
    owed: u32,
    closing: bool,
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

    /// Returns the length in bytes of the longest service name that [`Connection::open`] accepts.
    pub fn max_service_bytes(&self) -> usize {
        self.peer_max_payload as usize - 1
    }

    /// Opens a stream to a service of the peer. [`ConnectionEvent::Opened`] or [`ConnectionEvent::Closed`] follows. A
    /// name longer than [`Connection::max_service_bytes`] is refused without asking the peer.
    pub fn open(&mut self, service: &[u8]) -> StreamId {
        let id = self.add_stream(None, 0);
        if service.len() > self.max_service_bytes() {
            // adbd would give up the whole connection.
            self.streams.remove(&id);
            self.events.push_back(ConnectionEvent::Closed(StreamId(id)));
            return StreamId(id);
        }
        let mut payload = BytesMut::with_capacity(service.len() + 1);
        payload.extend_from_slice(service);
        payload.extend_from_slice(&[0]);
        let window = if self.delayed_ack { RECEIVE_WINDOW } else { 0 };
        self.send(Message {
            command: AdbCommand::Open,
            arg0: id,
            arg1: window,
            payload: payload.freeze(),
        });
        StreamId(id)
    }

    /// Queues data for a stream; it is sent as fast as the peer accepts it. Data for a stream that is closed or unknown
    /// is dropped.
    pub fn write(&mut self, id: StreamId, data: Bytes) {
        let stream = self.streams.get_mut(&id.0);
        if let Some(stream) = stream.filter(|stream| !stream.closing && !data.is_empty()) {
            stream.send_queue.push_back(data);
            self.flush_stream(id.0);
        }
    }

    /// Returns how many written bytes have not been sent yet.
    pub fn queued_bytes(&self, id: StreamId) -> usize {
        self.streams
            .get(&id.0)
            .map_or(0, |stream| stream.send_queue.iter().map(Bytes::len).sum())
    }

    /// Reports that a stream's reader took `bytes` bytes, which lets the peer send more.
    pub fn consumed(&mut self, id: StreamId, bytes: usize) {
        let Some(stream) = self.streams.get_mut(&id.0) else {
            return;
        };
        // Not more than came, so that nothing can count past its end.
        let bytes = bytes.min(stream.unconsumed as usize) as u32;
        stream.unconsumed -= bytes;
        stream.unconsumed_messages = match stream.unconsumed {
            0 => 0,
            _ => stream.unconsumed_messages.saturating_sub(1),
        };
        let may_go_on = if self.delayed_ack {
            stream.owed += bytes;
            // Few acknowledgements are enough while the peer has half a window left.
            stream.owed >= RECEIVE_WINDOW / 8 || stream.unconsumed == 0
        } else {
            stream.unconsumed <= RECEIVE_WINDOW
        };
        if let Some(remote) = stream.remote.filter(|_| may_go_on && stream.owed > 0) {
            let acked = std::mem::take(&mut stream.owed);
            self.send_okay(id.0, remote, acked);
        }
    }

    /// Closes a stream once all written data has been sent. No more events are reported for it.
    pub fn close(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id.0) else {
            return;
        };
        stream.closing = true;
        let unread = stream.unconsumed as usize;
        self.finish_close_when_drained(id.0);
        // A peer that cannot get rid of its answers may never take what still has to leave.
        self.consumed(id, unread);
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

    fn handle_hello(&mut self, message: &Message) -> Result<(), ConnectionError> {
        self.peer_max_payload = message.arg1.clamp(MIN_PAYLOAD, MAX_PAYLOAD);
        self.checksum = if message.arg0 >= VERSION_SKIPS_CHECKSUM {
            ChecksumMode::Skipped
        } else {
            ChecksumMode::Sent
        };
        self.decoder.set_checksum(self.checksum);
        let ours = match &self.role {
            Role::Host { config, .. } => config.features,
            Role::Device { config } => {
                self.peer_max_payload = self.peer_max_payload.min(config.max_payload);
                config.features
            }
        };
        let banner = Banner::parse(&message.payload, ours);
        self.delayed_ack = banner.features.has(Feature::DelayedAck);
        match &self.role {
            Role::Host { .. } => {
                self.connected = true;
                self.events.push_back(ConnectionEvent::Connected(banner));
            }
            Role::Device { config } => {
                let token = config
                    .auth
                    .as_ref()
                    .map(|(token, _)| Bytes::copy_from_slice(token));
                self.hello = Some(banner);
                match token {
                    Some(token) => self.send_auth(AUTH_TOKEN, token),
                    None => self.accept_host(),
                }
            }
        }
        Ok(())
    }

    fn handle_auth(&mut self, message: &Message) -> Result<(), ConnectionError> {
        let unexpected = |why| ConnectionError::Unexpected {
            command: AdbCommand::Auth,
            why,
        };
        match &mut self.role {
            Role::Host { config, next_key } => {
                let token: Token = <[u8; TOKEN_BYTES]>::try_from(&*message.payload)
                    .ok()
                    .filter(|_| message.arg0 == AUTH_TOKEN)
                    .ok_or_else(|| unexpected("no token of 20 bytes"))?;
                if let Some(key) = config.keys.get(*next_key) {
                    *next_key += 1;
                    let signature = key.sign(&token)?;
                    self.send_auth(AUTH_SIGNATURE, signature.into());
                } else if config.introduction == Introduction::SignaturesOnly {
                    self.events.push_back(ConnectionEvent::NotKnown);
                } else if *next_key == config.keys.len() {
                    *next_key += 1;
                    if let Some(key) = config.keys.first() {
                        let line = key.public().to_line(&config.name) + "\0";
                        self.send_auth(AUTH_PUBLIC_KEY, line.into());
                    }
                    self.events.push_back(ConnectionEvent::AwaitingApproval);
                }
                // A further token after the public key only says that nobody has tapped yet.
            }
            Role::Device { config } => {
                let (token, known) = config
                    .auth
                    .as_ref()
                    .ok_or_else(|| unexpected("nobody asked"))?;
                match message.arg0 {
                    AUTH_SIGNATURE => {
                        if known
                            .iter()
                            .any(|key| key.verifies(token, &message.payload))
                        {
                            self.accept_host();
                        } else {
                            let token = Bytes::copy_from_slice(token);
                            self.send_auth(AUTH_TOKEN, token);
                        }
                    }
                    AUTH_PUBLIC_KEY => {
                        let key = PublicKey::from_line(&message.payload)?;
                        self.events.push_back(ConnectionEvent::KeyOffered(key));
                    }
                    _ => return Err(unexpected("neither signature nor public key")),
                }
            }
        }
        Ok(())
    }

    /// Device end: the computer is known; answers its hello.
    fn accept_host(&mut self) {
        let Role::Device { config } = &self.role else {
            return;
        };
        let Some(hello) = self.hello.take() else {
            return;
        };
        let mut banner = format!("{}::", config.state);
        for (name, value) in &config.properties {
            banner.push_str(&format!("{name}={value};"));
        }
        banner.push_str(&format!("features={}", config.features));
        self.connected = true;
        self.send_hello(config.max_payload, &banner);
        self.events.push_back(ConnectionEvent::Connected(hello));
    }

    fn handle_open(&mut self, message: &Message) -> Result<(), ConnectionError> {
        if message.arg0 == 0 {
            return Err(ConnectionError::Unexpected {
                command: AdbCommand::Open,
                why: "stream 0",
            });
        }
        let window = if self.delayed_ack {
            i64::from(message.arg1)
        } else {
            1
        };
        let unknown = |prefix: &String| message.payload.starts_with(prefix.as_bytes());
        let is_unknown = match &self.role {
            // A phone has no business on this computer.
            Role::Host { .. } => true,
            Role::Device { config } => config.refused.iter().any(unknown),
        };
        let refused = is_unknown
            || self.streams.len() >= MAX_STREAMS
            // As adbd does it.
            || self.delayed_ack != (message.arg1 != 0);
        if refused {
            self.send(Message::bare(AdbCommand::Clse, 0, message.arg0));
            return Ok(());
        }
        let id = self.add_stream(Some(message.arg0), window);
        self.send_okay(id, message.arg0, RECEIVE_WINDOW);
        let end = message
            .payload
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(message.payload.len());
        self.events.push_back(ConnectionEvent::Incoming(
            StreamId(id),
            message.payload.slice(..end),
        ));
        Ok(())
    }

    fn handle_okay(&mut self, message: &Message) -> Result<(), ConnectionError> {
        let unexpected = |why| ConnectionError::Unexpected {
            command: AdbCommand::Okay,
            why,
        };
        let Some(stream) = self.streams.get_mut(&message.arg1) else {
            return Ok(());
        };
        let credit = if self.delayed_ack {
            let bytes = <[u8; 4]>::try_from(&*message.payload);
            let acked = bytes.map_err(|_| unexpected("no count of bytes"))?;
            stream
                .send_credit
                .saturating_add(i64::from(i32::from_le_bytes(acked)))
        } else {
            1
        };
        match stream.remote {
            Some(remote) if remote != message.arg0 => {
                return Err(unexpected("from another stream"));
            }
            Some(_) => stream.send_credit = credit,
            None if message.arg0 == 0 => return Err(unexpected("stream 0")),
            None => {
                stream.remote = Some(message.arg0);
                stream.send_credit = credit;
                if !stream.closing {
                    self.events
                        .push_back(ConnectionEvent::Opened(StreamId(message.arg1)));
                }
            }
        }
        self.flush_stream(message.arg1);
        self.finish_close_when_drained(message.arg1);
        Ok(())
    }

    fn handle_write(&mut self, message: Message) -> Result<(), ConnectionError> {
        // Messages for a stream that we closed may still be on their way.
        let Some(stream) = self.streams.get_mut(&message.arg1) else {
            return Ok(());
        };
        let Some(remote) = stream.remote.filter(|remote| *remote == message.arg0) else {
            return Err(ConnectionError::Unexpected {
                command: AdbCommand::Wrte,
                why: "for a stream that is not open",
            });
        };
        stream.unconsumed = stream
            .unconsumed
            .saturating_add(message.payload.len() as u32);
        stream.unconsumed_messages += u32::from(!message.payload.is_empty());
        if stream.unconsumed > MAX_UNCONSUMED
            || stream.unconsumed_messages > MAX_UNCONSUMED_MESSAGES
        {
            return Err(ConnectionError::Flood);
        }
        let closing = stream.closing;
        let id = StreamId(message.arg1);
        if !self.delayed_ack {
            // At once, so that the peer reads on while the data is handled here.
            if stream.unconsumed <= RECEIVE_WINDOW {
                self.send_okay(message.arg1, remote, 0);
            } else {
                stream.owed = 1;
            }
        }
        if closing {
            self.consumed(id, message.payload.len());
        } else if !message.payload.is_empty() {
            let data = if message.payload.len() <= SMALL_DATA {
                Bytes::copy_from_slice(&message.payload)
            } else {
                message.payload
            };
            self.events.push_back(ConnectionEvent::Data(id, data));
        }
        Ok(())
    }

    fn handle_close(&mut self, message: &Message) {
        let known = self.streams.get(&message.arg1).is_some_and(|stream| {
            message.arg0 == 0 || stream.remote.is_none_or(|remote| remote == message.arg0)
        });
        if known
            && let Some(stream) = self.streams.remove(&message.arg1)
            && !stream.closing
        {
            self.events
                .push_back(ConnectionEvent::Closed(StreamId(message.arg1)));
        }
    }

    fn add_stream(&mut self, remote: Option<u32>, send_credit: i64) -> u32 {
        while self.next_id == 0 || self.streams.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let stream = Stream {
            remote,
            send_credit,
            send_queue: VecDeque::new(),
            unconsumed: 0,
            unconsumed_messages: 0,
            owed: 0,
            closing: false,
        };
        self.streams.insert(id, stream);
        id
    }

    fn flush_stream(&mut self, id: u32) {
        let max = self.peer_max_payload as usize;
        loop {
            let Some(stream) = self.streams.get_mut(&id) else {
                return;
            };
            let Some(remote) = stream.remote.filter(|_| stream.send_credit > 0) else {
                return;
            };
            let Some(payload) = next_payload(&mut stream.send_queue, max) else {
                return;
            };
            stream.send_credit -= if self.delayed_ack {
                payload.len() as i64
            } else {
                1
            };
            let drained = stream.send_queue.is_empty() && !stream.closing;
            self.send(Message {
                command: AdbCommand::Wrte,
                arg0: id,
                arg1: remote,
                payload,
            });
            if drained {
                self.events
                    .push_back(ConnectionEvent::Drained(StreamId(id)));
            }
        }
    }

    /// A stream that the peer has not answered yet stays known, so that it can be closed there.
    fn finish_close_when_drained(&mut self, id: u32) {
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        if let Some(remote) = stream
            .remote
            .filter(|_| stream.closing && stream.send_queue.is_empty())
        {
            self.streams.remove(&id);
            self.send(Message::bare(AdbCommand::Clse, id, remote));
        }
    }

    fn send_okay(&mut self, id: u32, remote: u32, acked: u32) {
        let mut message = Message::bare(AdbCommand::Okay, id, remote);
        if self.delayed_ack {
            message.payload = Bytes::copy_from_slice(&acked.to_le_bytes());
        }
        self.send(message);
    }

    fn send_hello(&mut self, max_payload: u32, banner: &str) {
        let payload = Bytes::copy_from_slice(banner.as_bytes());
        self.send(Message {
            command: AdbCommand::Cnxn,
            arg0: VERSION_SKIPS_CHECKSUM,
            arg1: max_payload,
            payload,
        });
    }

    fn send_auth(&mut self, kind: u32, payload: Bytes) {
        self.send(Message {
            command: AdbCommand::Auth,
            arg0: kind,
            arg1: 0,
            payload,
        });
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

/// Takes up to `max` bytes off the queue: a slice of a large piece, or small pieces joined.
fn next_payload(queue: &mut VecDeque<Bytes>, max: usize) -> Option<Bytes> {
    let first = queue.front_mut()?;
    if first.len() > max {
        return Some(first.split_to(max));
    }
    let first = queue.pop_front()?;
    if first.len() > SMALL_OUTPUT || queue.is_empty() {
        return Some(first);
    }
    let mut joined = BytesMut::from(first);
    while let Some(next) = queue
        .front_mut()
        .filter(|next| joined.len() + next.len() <= max)
    {
        joined.extend_from_slice(next.chunk());
        queue.pop_front();
    }
    Some(joined.freeze())
}

#[cfg(test)]
mod tests;
