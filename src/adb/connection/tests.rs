//! Two ends joined in one thread, and single ends that hear what a test makes up.

mod any;
mod closing;
mod flow;
mod handshake;
mod hostile;

use std::sync::OnceLock;

use rsa::rand_core::OsRng;

use super::handshake::{AUTH_PUBLIC_KEY, AUTH_SIGNATURE, AUTH_TOKEN, MAX_STATE_CHARS};
use super::streams::{MAX_STREAMS, MAX_UNCONSUMED, MAX_UNCONSUMED_MESSAGES};
use super::*;
use crate::adb::auth::TOKEN_BYTES;
use crate::adb::auth::tests::ADB_KEY;
use crate::adb::features::Feature;
use crate::adb::wire::VERSION_SKIPS_CHECKSUM;

const TOKEN: Token = [7; TOKEN_BYTES];

/// The key of the computer.
pub(super) fn key() -> PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| PrivateKey::from_pem(ADB_KEY).unwrap())
        .clone()
}

/// A key that no phone knows.
fn other_key() -> PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| PrivateKey::generate(&mut OsRng).unwrap())
        .clone()
}

/// Whether streams are acknowledged by bytes or by message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acks {
    ByBytes,
    ByMessage,
}

impl Acks {
    const BOTH: [Self; 2] = [Self::ByBytes, Self::ByMessage];

    fn features(self) -> Features {
        match self {
            Self::ByBytes => Features::all(),
            Self::ByMessage => Features::all().without(Feature::DelayedAck),
        }
    }

    /// The payload of an `OKAY` that lets the peer send `bytes`.
    fn okay(self, bytes: i32) -> Bytes {
        match self {
            Self::ByBytes => Bytes::copy_from_slice(&bytes.to_le_bytes()),
            Self::ByMessage => Bytes::new(),
        }
    }
}

fn host_config(features: Features) -> HostConfig {
    HostConfig {
        introduction: Introduction::OfferKey,
        keys: vec![key()],
        name: "me@pc".to_owned(),
        features,
    }
}

fn device_config(features: Features) -> DeviceConfig {
    DeviceConfig {
        refused: Vec::new(),
        state: "device".to_owned(),
        properties: vec![("ro.product.model".to_owned(), "Pixel 7a".to_owned())],
        features,
        max_payload: MAX_PAYLOAD,
        auth: None,
    }
}

fn message(command: AdbCommand, arg0: u32, arg1: u32, payload: impl Into<Bytes>) -> Message {
    Message {
        command,
        arg0,
        arg1,
        payload: payload.into(),
    }
}

/// A peer's hello.
fn hello(version: u32, max_payload: u32, banner: &str) -> Message {
    message(AdbCommand::Cnxn, version, max_payload, banner.to_owned())
}

/// The hello of a phone with these features and the largest payload.
fn phone_hello(features: Features) -> Message {
    let banner = format!("device::features={features}");
    hello(VERSION_SKIPS_CHECKSUM, MAX_PAYLOAD, &banner)
}

fn encode(message: &Message, checksum: ChecksumMode) -> BytesMut {
    let mut bytes = BytesMut::from(message.header(checksum).as_slice());
    bytes.extend_from_slice(&message.payload);
    bytes
}

/// `length` bytes, each with another neighbourhood.
fn pattern(length: usize) -> Bytes {
    (0..length as u32)
        .map(|at| (at ^ at >> 8 ^ at >> 16) as u8)
        .collect()
}

/// One end, with what it said taken apart.
struct End {
    connection: Connection,
    tap: Decoder,
    tapped: BytesMut,
}

impl End {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            tap: Decoder::new(),
            tapped: BytesMut::new(),
        }
    }

    /// A computer on whose line a phone has said hello; nothing of that is left to hear.
    fn connected_host(acks: Acks) -> Self {
        let mut end = Self::new(Connection::host(host_config(acks.features())));
        end.hear(phone_hello(acks.features())).unwrap();
        end.said();
        end.events();
        end
    }

    /// The same the other way round.
    fn connected_device(acks: Acks) -> Self {
        let mut end = Self::new(Connection::device(device_config(acks.features())));
        let banner = format!("host::features={}", acks.features());
        end.hear(hello(VERSION_SKIPS_CHECKSUM, MAX_PAYLOAD, &banner))
            .unwrap();
        end.said();
        end.events();
        end
    }

    fn hear(&mut self, message: Message) -> Result<(), ConnectionError> {
        let mut bytes = encode(&message, ChecksumMode::Skipped);
        self.connection.receive(&mut bytes)
    }

    fn output(&mut self) -> BytesMut {
        let mut bytes = BytesMut::new();
        while let Some(piece) = self.connection.poll_output() {
            assert!(!piece.is_empty(), "an empty piece of output");
            bytes.extend_from_slice(&piece);
        }
        self.tapped.extend_from_slice(&bytes);
        bytes
    }

    /// The messages that it said since the last call.
    fn said(&mut self) -> Vec<Message> {
        self.output();
        let tap = &mut self.tap;
        let tapped = &mut self.tapped;
        std::iter::from_fn(|| tap.decode(tapped).unwrap()).collect()
    }

    fn events(&mut self) -> Vec<ConnectionEvent> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    /// Opens a stream on the connected host, which the phone takes as its stream `remote`.
    fn opened(&mut self, acks: Acks, remote: u32, window: i32) -> StreamId {
        let id = self.connection.open(b"sync:");
        self.said();
        self.hear(message(AdbCommand::Okay, remote, id.0, acks.okay(window)))
            .unwrap();
        assert_eq!(self.events(), [ConnectionEvent::Opened(id)]);
        id
    }
}

/// A computer and a phone, joined.
struct Pair {
    host: End,
    device: End,
}

impl Pair {
    fn new(host: HostConfig, device: DeviceConfig) -> Self {
        let mut pair = Self {
            host: End::new(Connection::host(host)),
            device: End::new(Connection::device(device)),
        };
        pair.pump();
        pair
    }

    /// Both connected, with nothing of the handshake left to hear.
    fn connected(acks: Acks) -> Self {
        Self::connected_with(acks, MAX_PAYLOAD)
    }

    fn connected_with(acks: Acks, max_payload: u32) -> Self {
        let device = DeviceConfig {
            refused: Vec::new(),
            max_payload,
            ..device_config(Features::all())
        };
        let mut pair = Self::new(host_config(acks.features()), device);
        for end in [&mut pair.host, &mut pair.device] {
            end.said();
            assert!(matches!(end.events()[..], [ConnectionEvent::Connected(_)]));
        }
        pair
    }

    /// Carries bytes both ways until neither end has more to say.
    fn pump(&mut self) {
        loop {
            let (mut up, mut down) = (self.device.output(), self.host.output());
            if up.is_empty() && down.is_empty() {
                return;
            }
            self.device.connection.receive(&mut down).unwrap();
            self.host.connection.receive(&mut up).unwrap();
            assert!(up.is_empty() && down.is_empty());
        }
    }

    /// Opens a stream to a service: the computer's number for it, and the phone's.
    fn open(&mut self, service: &[u8]) -> (StreamId, StreamId) {
        let id = self.host.connection.open(service);
        self.pump();
        assert_eq!(self.host.events(), [ConnectionEvent::Opened(id)]);
        match &self.device.events()[..] {
            [ConnectionEvent::Incoming(theirs, name)] if name == service => (id, *theirs),
            events => panic!("{events:?}"),
        }
    }
}

/// The data among events, joined, for one stream.
fn data_of(events: &[ConnectionEvent], id: StreamId) -> BytesMut {
    let mut joined = BytesMut::new();
    for event in events {
        if let ConnectionEvent::Data(stream, bytes) = event
            && *stream == id
        {
            joined.extend_from_slice(bytes);
        }
    }
    joined
}
