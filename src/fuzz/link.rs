//! One end of a connection, with a peer and a user that may do anything.
//!
//! The bytes are a script: messages of the peer, raw bytes, and wishes of this end's user. The output of this end is
//! checked against a small model of each stream, and must not depend on how the peer's bytes are cut.

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};

use super::choice;
use crate::adb::auth::{PrivateKey, TOKEN_BYTES, Token};
use crate::adb::connection::{
    Connection, ConnectionError, ConnectionEvent, DeviceConfig, HostConfig, Introduction,
    RECEIVE_WINDOW, StreamId,
};
use crate::adb::features::{Feature, Features};
use crate::adb::wire::{
    AdbCommand, ChecksumMode, Decoder, MAX_PAYLOAD, Message, VERSION_MIN, VERSION_SKIPS_CHECKSUM,
};

const TOKEN: Token = [7; TOKEN_BYTES];
/// What an end says at most in answer to one message, but for data that waited: a public key.
const MAX_REPLY: usize = 1024;

const COMMANDS: [AdbCommand; 7] = [
    AdbCommand::Cnxn,
    AdbCommand::Auth,
    AdbCommand::Open,
    AdbCommand::Okay,
    AdbCommand::Clse,
    AdbCommand::Wrte,
    AdbCommand::Stls,
];

/// How the peer's bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArrivalMode {
    Whole,
    /// Headers byte by byte, and what is long in halves.
    InPieces,
}

/// The computer's end. It has no keys: under a fuzzer a signature takes as long as a thousand
/// scripts.
pub(super) fn host(data: &[u8]) {
    same_however_it_arrives(data, |mode| {
        Connection::host(HostConfig {
            introduction: Introduction::OfferKey,
            keys: Vec::new(),
            name: "me@pc".to_owned(),
            features: features(mode),
        })
    });
}

/// The phone's end.
pub(super) fn device(data: &[u8]) {
    same_however_it_arrives(data, |mode| {
        Connection::device(DeviceConfig {
            refused: Vec::new(),
            state: "device".to_owned(),
            properties: Vec::new(),
            features: features(mode),
            max_payload: if mode & 8 != 0 { MAX_PAYLOAD } else { 0 },
            auth: (mode & 2 != 0).then(|| (TOKEN, vec![key().public()])),
        })
    });
}

fn features(mode: u8) -> Features {
    if mode & 1 != 0 {
        Features::all()
    } else {
        Features::all().without(Feature::DelayedAck)
    }
}

fn key() -> PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    let read = || PrivateKey::from_pem(include_str!("../../fixtures/adbkey")).unwrap();
    KEY.get_or_init(read).clone()
}

fn signature() -> Bytes {
    static SIGNATURE: OnceLock<Bytes> = OnceLock::new();
    let sign = || key().sign(&TOKEN).unwrap().into();
    SIGNATURE.get_or_init(sign).clone()
}

fn same_however_it_arrives(mut script: &[u8], make: impl Fn(u8) -> Connection) {
    let mode = choice(&mut script);
    let [whole, pieces] = [ArrivalMode::Whole, ArrivalMode::InPieces].map(|arrival| {
        let mut end = LinkEnd::new(make(mode), arrival);
        if mode & 4 != 0 {
            end.hear(&encode(&hello(mode)));
        }
        end.play(script);
        (
            end.events,
            end.said,
            end.error.map(|error| error.to_string()),
        )
    });
    assert_eq!(whole, pieces);
}

/// The hello that a run may start with, so that it gets somewhere.
fn hello(mode: u8) -> Message {
    let versions = [VERSION_SKIPS_CHECKSUM, VERSION_MIN];
    let sizes = [MAX_PAYLOAD, 4096, 0, u32::MAX];
    Message {
        command: AdbCommand::Cnxn,
        arg0: versions[usize::from(mode >> 4) % versions.len()],
        arg1: sizes[usize::from(mode >> 5) % sizes.len()],
        payload: format!("device::a=b;features={}", features(mode)).into(),
    }
}

/// A message of the peer.
fn peer_message(script: &mut &[u8]) -> Message {
    let command = COMMANDS[usize::from(choice(script)) % COMMANDS.len()];
    let mut number = || match choice(script) {
        255 => u32::MAX,
        254 => VERSION_MIN,
        253 => VERSION_SKIPS_CHECKSUM,
        252 => RECEIVE_WINDOW,
        other => u32::from(other % 6),
    };
    let (arg0, arg1) = (number(), number());
    let mut take = |length: usize| {
        let (taken, rest) = script.split_at(length.min(script.len()));
        *script = rest;
        Bytes::copy_from_slice(taken)
    };
    let payload = match take(1).first().copied().unwrap_or(0) {
        kind @ (0 | 8..) => take(usize::from(kind) % 64),
        1 => Bytes::copy_from_slice(&TOKEN),
        2 => signature(),
        3 => (key().public().to_line("x") + "\0").into(),
        4 => hello(take(1).first().copied().unwrap_or(0)).payload,
        5 => take(4),
        6 => RECEIVE_WINDOW.to_le_bytes().to_vec().into(),
        7 => vec![9; MAX_PAYLOAD as usize - usize::from(take(1).is_empty())].into(),
    };
    Message {
        command,
        arg0,
        arg1,
        payload,
    }
}

fn encode(message: &Message) -> Bytes {
    // Summing up a megabyte for each message would take most of the time.
    let checksum = match message.payload.len() {
        0..4096 => ChecksumMode::Sent,
        _ => ChecksumMode::Skipped,
    };
    let mut bytes = BytesMut::from(message.header(checksum).as_slice());
    bytes.extend_from_slice(&message.payload);
    bytes.freeze()
}

/// What is known of one stream.
#[derive(Debug, Default)]
struct Model {
    /// Opened by the peer.
    incoming: bool,
    told_open: bool,
    told_closed: bool,
    given_up: bool,
    said_closed: bool,
    /// Told and not consumed yet, in bytes.
    unread: u64,
    /// Written by this end's user, in bytes.
    written: u64,
    /// Of that, what has left.
    said: TrafficCount,
    /// What the peer let this end say: so many messages, or until so many bytes are reached.
    allowed: TrafficCount,
    /// Data of the peer, and how much more it was allowed to send.
    heard: TrafficCount,
    acked: TrafficCount,
}

#[derive(Debug, Default)]
struct TrafficCount {
    messages: u64,
    bytes: u64,
}

impl TrafficCount {
    fn add(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }
}

struct LinkEnd {
    connection: Connection,
    arrival: ArrivalMode,
    input: BytesMut,
    error: Option<ConnectionError>,
    /// Takes apart what this end hears, and what it says.
    heard: (Decoder, BytesMut),
    tapped: (Decoder, BytesMut),
    /// The features agreed on, once it is connected.
    connected: Option<Features>,
    awaiting: bool,
    /// The windows of the streams that the peer wants open.
    asked: VecDeque<u32>,
    ids: Vec<StreamId>,
    streams: BTreeMap<u32, Model>,
    events: Vec<ConnectionEvent>,
    said: Vec<Message>,
}

impl LinkEnd {
    fn new(connection: Connection, arrival: ArrivalMode) -> Self {
        let mut heard = Decoder::new();
        heard.set_checksum(ChecksumMode::Skipped);
        Self {
            connection,
            arrival,
            input: BytesMut::new(),
            error: None,
            heard: (heard, BytesMut::new()),
            tapped: (Decoder::new(), BytesMut::new()),
            connected: None,
            awaiting: false,
            asked: VecDeque::new(),
            ids: Vec::new(),
            streams: BTreeMap::new(),
            events: Vec::new(),
            said: Vec::new(),
        }
    }

    fn play(&mut self, mut script: &[u8]) {
        while !script.is_empty() && self.error.is_none() {
            match choice(&mut script) % 8 {
                0..=3 => self.hear(&encode(&peer_message(&mut script))),
                4 => {
                    let length = usize::from(choice(&mut script)).min(script.len());
                    let (raw, rest) = script.split_at(length);
                    script = rest;
                    self.hear(raw);
                }
                _ => self.wish(&mut script),
            }
        }
        for id in &self.ids {
            let stream = &self.streams[&id.number()];
            if !stream.told_closed && !stream.given_up {
                let queued = self.connection.queued_bytes(*id) as u64;
                assert_eq!(queued + stream.said.bytes, stream.written, "{id:?}");
            }
        }
    }

    /// Hears bytes of the peer.
    fn hear(&mut self, bytes: &[u8]) {
        let (decoder, input) = &mut self.heard;
        input.extend_from_slice(bytes);
        let messages: Vec<_> = std::iter::from_fn(|| decoder.decode(input).ok()?).collect();
        for message in &messages {
            self.note_heard(message);
        }
        let pieces: Vec<&[u8]> = match self.arrival {
            ArrivalMode::Whole => vec![bytes],
            ArrivalMode::InPieces => {
                let (start, long) = bytes.split_at(bytes.len().min(40));
                let (first, last) = long.split_at(long.len() / 2);
                start.chunks(1).chain([first, last]).collect()
            }
        };
        for piece in pieces {
            self.input.extend_from_slice(piece);
            if let Err(error) = self.connection.receive(&mut self.input) {
                self.error = Some(error);
                break;
            }
            let missing = self.connection.missing_bytes(self.input.len());
            assert!(missing > 0 && missing <= MAX_PAYLOAD as usize);
        }
        self.note(messages.len());
    }

    /// Does something that the user of this end may wish for at any time.
    fn wish(&mut self, script: &mut &[u8]) {
        let wish = choice(script) % 6;
        let size = usize::from(choice(script)).pow(2);
        let which = usize::from(choice(script));
        let id = self.ids.get(which % self.ids.len().max(1)).copied();
        match (wish, id) {
            (0, _) if self.connected.is_some() => {
                let id = self.connection.open(&vec![b'x'; size]);
                let known = self.streams.insert(id.number(), Model::default());
                assert!(known.is_none_or(|known| !known.told_open));
                self.ids.push(id);
            }
            (1 | 2, Some(id)) => {
                let stream = self.streams.entry(id.number()).or_default();
                if !stream.told_closed && !stream.given_up {
                    stream.written += size as u64;
                }
                self.connection.write(id, vec![7; size].into());
            }
            (3, Some(id)) => {
                let stream = self.streams.entry(id.number()).or_default();
                let bytes = 64 * size as u64;
                stream.unread = stream.unread.saturating_sub(bytes);
                self.connection.consumed(id, bytes as usize);
            }
            (4, Some(id)) => {
                self.streams.entry(id.number()).or_default().given_up = true;
                self.connection.close(id);
            }
            (5, _) => self.connection.approve(),
            _ => {}
        }
        self.note(0);
    }

    fn note_heard(&mut self, message: &Message) {
        let bytes = message.payload.len() as u64;
        match message.command {
            AdbCommand::Open => self.asked.push_back(message.arg1),
            AdbCommand::Okay => {
                let count = <[u8; 4]>::try_from(&*message.payload);
                let acked = count.map_or(0, |count| i32::from_le_bytes(count).max(0));
                let stream = self.streams.entry(message.arg1).or_default();
                stream.allowed.add(acked as u64);
            }
            AdbCommand::Wrte => {
                let stream = self.streams.entry(message.arg1).or_default();
                stream.heard.add(bytes);
            }
            _ => {}
        }
    }

    /// Checks what this end tells and says after it heard some messages.
    fn note(&mut self, messages: usize) {
        let events = self.events.len();
        while let Some(event) = self.connection.poll_event() {
            self.note_event(&event);
            self.events.push(event);
        }
        assert!(self.events.len() - events <= 2 * messages + 1);

        while let Some(bytes) = self.connection.poll_output() {
            assert!(!bytes.is_empty());
            self.tapped.1.extend_from_slice(&bytes);
        }
        let mut reply_bytes = 0;
        while let Some(message) = self.tapped.0.decode(&mut self.tapped.1).unwrap() {
            assert!(message.payload.len() <= self.connection.max_service_bytes() + 1);
            if !matches!(message.command, AdbCommand::Wrte | AdbCommand::Open) {
                reply_bytes += message.payload.len();
            }
            self.note_said(&message, messages);
            self.said.push(message);
        }
        assert!(self.tapped.1.is_empty());
        assert!(reply_bytes <= MAX_REPLY * (messages + 1));
    }

    fn note_event(&mut self, event: &ConnectionEvent) {
        let (ConnectionEvent::Opened(id)
        | ConnectionEvent::Incoming(id, _)
        | ConnectionEvent::Data(id, _)
        | ConnectionEvent::Drained(id)
        | ConnectionEvent::Closed(id)) = event
        else {
            match event {
                ConnectionEvent::Connected(banner) => {
                    let before = self.connected.replace(banner.features);
                    assert_eq!(before, None);
                }
                ConnectionEvent::AwaitingApproval => {
                    assert!(!std::mem::replace(&mut self.awaiting, true));
                }
                _ => {}
            }
            return;
        };
        if let ConnectionEvent::Incoming(..) = event {
            let stream = self.streams.entry(id.number()).or_default();
            assert!(!std::mem::replace(&mut stream.incoming, true));
            self.ids.push(*id);
        }
        let stream = self.streams.get_mut(&id.number()).unwrap();
        assert!(!stream.given_up && !stream.told_closed, "{event:?}");
        match event {
            ConnectionEvent::Opened(_) | ConnectionEvent::Incoming(..) => {
                assert!(!std::mem::replace(&mut stream.told_open, true));
            }
            ConnectionEvent::Data(_, data) => {
                assert!(stream.told_open && !data.is_empty());
                stream.unread += data.len() as u64;
                assert!(stream.unread <= u64::from(RECEIVE_WINDOW + MAX_PAYLOAD));
            }
            ConnectionEvent::Drained(_) => assert_eq!(self.connection.queued_bytes(*id), 0),
            _ => stream.told_closed = true,
        }
    }

    fn note_said(&mut self, message: &Message, messages: usize) {
        let Some(features) = self.connected else {
            let early = matches!(message.command, AdbCommand::Cnxn | AdbCommand::Auth);
            assert!(early, "{message:?}");
            return;
        };
        let by_bytes = features.has(Feature::DelayedAck);
        let bytes = message.payload.len() as u64;
        let refusal = message.command == AdbCommand::Clse && message.arg0 == 0;
        if refusal {
            self.asked.pop_front().unwrap();
            return;
        }
        if matches!(message.command, AdbCommand::Cnxn | AdbCommand::Auth) {
            return;
        }
        let stream = self.streams.get_mut(&message.arg0).unwrap();
        assert!(!stream.said_closed, "{message:?}");
        match message.command {
            AdbCommand::Wrte => {
                assert!(bytes > 0 && (messages > 1 || !stream.told_closed));
                let may = if by_bytes {
                    stream.said.bytes < stream.allowed.bytes
                } else {
                    stream.said.messages < stream.allowed.messages
                };
                assert!(may, "{stream:?}");
                stream.said.add(bytes);
                assert!(stream.said.bytes <= stream.written);
            }
            AdbCommand::Okay => {
                let count = <[u8; 4]>::try_from(&*message.payload);
                assert_eq!(count.is_ok(), by_bytes);
                stream.acked.add(count.map_or(0, u32::from_le_bytes).into());
                if stream.incoming && stream.acked.messages == 1 {
                    // Answers the peer's wish to open it, and starts the counting.
                    let window = self.asked.pop_front().unwrap();
                    stream.allowed.add(window.into());
                    stream.heard.add(RECEIVE_WINDOW.into());
                }
                let may = if by_bytes {
                    stream.acked.bytes <= stream.heard.bytes
                } else {
                    stream.acked.messages <= stream.heard.messages
                };
                assert!(may, "{stream:?}");
            }
            AdbCommand::Clse => {
                assert!(stream.given_up, "{message:?}");
                stream.said_closed = true;
            }
            _ => {}
        }
    }
}
