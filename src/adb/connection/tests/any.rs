//! Whatever two honest ends do, and however their bytes are cut, nothing is lost or stuck.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Few, so that one of them comes to the end of its window.
const STREAMS: usize = 3;
/// The largest write, in bytes.
const MAX_WRITE: usize = 3 * MAX_PAYLOAD as usize;

/// What an end, or the line between them, does next.
#[derive(Debug, Clone)]
enum Act {
    Open,
    Write {
        stream: usize,
        bytes: usize,
    },
    Read {
        stream: usize,
        bytes: usize,
    },
    Close {
        stream: usize,
    },
    /// Bytes travel towards an end.
    Carry {
        bytes: usize,
    },
}

fn acts() -> impl Strategy<Value = Vec<(bool, Act)>> {
    let stream = 0..STREAMS;
    let small = 1..3000_usize;
    let large = 1..MAX_WRITE;
    let size = prop_oneof![small, large];
    let act = prop_oneof![
        2 => Just(Act::Open),
        6 => (stream.clone(), size.clone()).prop_map(|(stream, bytes)| Act::Write { stream, bytes }),
        6 => (stream.clone(), size.clone()).prop_map(|(stream, bytes)| Act::Read { stream, bytes }),
        1 => stream.prop_map(|stream| Act::Close { stream }),
        8 => size.prop_map(|bytes| Act::Carry { bytes }),
    ];
    prop::collection::vec((any::<bool>(), act), 1..120)
}

/// The bytes that one end writes to its stream `number`, from `at` on.
fn content(number: usize, upwards: bool, at: usize, length: usize) -> Bytes {
    const PERIOD: usize = 1_000_003;
    static LONG: OnceLock<Bytes> = OnceLock::new();
    let long = LONG.get_or_init(|| {
        let period = pattern(PERIOD);
        let whole = period.iter().copied().cycle();
        whole.take(PERIOD + MAX_WRITE).collect()
    });
    let start = (at + number * 1009 + usize::from(upwards) * 31) % PERIOD;
    long.slice(start..start + length)
}

/// One end's side of a stream.
#[derive(Debug, Default)]
struct Half {
    id: Option<StreamId>,
    written: usize,
    /// Told and checked, in bytes.
    came: usize,
    unread: usize,
    closed: bool,
    peer_closed: bool,
}

struct Side {
    end: End,
    is_host: bool,
    /// What travels towards it, and what arrived and is no whole message yet.
    line: BytesMut,
    input: BytesMut,
    numbers: HashMap<StreamId, usize>,
    streams: Vec<Half>,
}

impl Side {
    fn new(connection: Connection, is_host: bool) -> Self {
        Self {
            end: End::new(connection),
            is_host,
            line: BytesMut::new(),
            input: BytesMut::new(),
            numbers: HashMap::new(),
            streams: Vec::new(),
        }
    }

    fn half(&mut self, number: usize) -> &mut Half {
        if self.streams.len() <= number {
            self.streams.resize_with(number + 1, Half::default);
        }
        &mut self.streams[number]
    }

    fn name(&mut self, number: usize, id: StreamId) {
        assert_eq!(self.numbers.insert(id, number), None);
        assert_eq!(self.half(number).id.replace(id), None);
    }

    fn carry(&mut self, bytes: usize) {
        let bytes = bytes.min(self.line.len());
        self.input.extend_from_slice(&self.line.split_to(bytes));
        self.end.connection.receive(&mut self.input).unwrap();
        for event in self.end.events() {
            self.take(event);
        }
    }

    fn take(&mut self, event: ConnectionEvent) {
        let upwards = !self.is_host;
        match event {
            ConnectionEvent::Incoming(id, service) => {
                let number = std::str::from_utf8(&service).unwrap().parse().unwrap();
                self.name(number, id);
            }
            ConnectionEvent::Data(id, data) => {
                let number = self.numbers[&id];
                let half = self.half(number);
                assert!(!half.closed && !half.peer_closed, "{number}");
                assert!(data == content(number, upwards, half.came, data.len()));
                half.came += data.len();
                half.unread += data.len();
                assert!(half.unread <= MAX_UNCONSUMED as usize);
            }
            ConnectionEvent::Closed(id) => {
                let number = self.numbers[&id];
                let half = self.half(number);
                assert!(!half.closed && !half.peer_closed, "{number}");
                half.peer_closed = true;
            }
            ConnectionEvent::Opened(id) | ConnectionEvent::Drained(id) => {
                assert!(self.numbers.contains_key(&id))
            }
            event => panic!("{event:?}"),
        }
    }

    fn act(&mut self, act: &Act) {
        let upwards = self.is_host;
        match *act {
            Act::Open if self.is_host => {
                let number = self.streams.len();
                let id = self.end.connection.open(number.to_string().as_bytes());
                self.name(number, id);
            }
            Act::Write { stream, bytes } => {
                let half = self.half(stream);
                if let Some(id) = half.id.filter(|_| !half.closed && !half.peer_closed) {
                    let data = content(stream, upwards, half.written, bytes);
                    half.written += bytes;
                    self.end.connection.write(id, data);
                }
            }
            Act::Read { stream, bytes } => {
                let half = self.half(stream);
                let bytes = bytes.min(half.unread);
                half.unread -= bytes;
                if let Some(id) = half.id {
                    self.end.connection.consumed(id, bytes);
                }
            }
            Act::Close { stream } => {
                let half = self.half(stream);
                if let Some(id) = half.id.filter(|_| !half.peer_closed) {
                    half.closed = true;
                    self.end.connection.close(id);
                }
            }
            Act::Carry { bytes } => self.carry(bytes),
            Act::Open => {}
        }
    }

    fn read_everything(&mut self) {
        for stream in 0..self.streams.len() {
            let bytes = usize::MAX;
            self.act(&Act::Read { stream, bytes });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_both_ends_do_all_arrives_and_nothing_is_stuck(
        acts in acts(),
        by_bytes in any::<bool>(),
        max_payload in prop_oneof![Just(MIN_PAYLOAD), Just(MAX_PAYLOAD)],
    ) {
        let acks = if by_bytes { Acks::ByBytes } else { Acks::ByMessage };
        let pair = Pair::connected_with(acks, max_payload);
        let mut host = Side::new(pair.host.connection, true);
        let mut device = Side::new(pair.device.connection, false);
        for (at_host, act) in &acts {
            let side = if *at_host { &mut host } else { &mut device };
            // The computer's numbers are taken in the order of opening.
            let fits = match act {
                Act::Open => host.streams.len() < STREAMS,
                Act::Write { stream, .. } | Act::Read { stream, .. } | Act::Close { stream } =>
                    *stream < side.streams.len(),
                Act::Carry { .. } => true,
            };
            if fits {
                let side = if *at_host { &mut host } else { &mut device };
                side.act(act);
            }
            device.line.extend_from_slice(&host.end.output());
            host.line.extend_from_slice(&device.end.output());
        }
        // Now both read all there is.
        loop {
            host.carry(usize::MAX);
            device.carry(usize::MAX);
            host.read_everything();
            device.read_everything();
            device.line.extend_from_slice(&host.end.output());
            host.line.extend_from_slice(&device.end.output());
            if host.line.is_empty() && device.line.is_empty() {
                break;
            }
        }
        for number in 0..host.streams.len() {
            let (ours, theirs) = (&host.streams[number], &device.streams[number]);
            for (from, to) in [(ours, theirs), (theirs, ours)] {
                if from.closed {
                    prop_assert!(to.closed || to.peer_closed, "{}: {:?}", number, to);
                }
                if !to.closed && !from.peer_closed {
                    prop_assert_eq!(from.written, to.came, "stream {}", number);
                }
            }
        }
        for side in [&host, &device] {
            let open = side.streams.iter().filter(|half| !half.closed && !half.peer_closed);
            prop_assert_eq!(side.end.connection.streams.len(), open.count());
        }
    }

    #[test]
    fn messages_mean_the_same_in_any_pieces(
        // Half of them make sense, so that some depth is reached.
        messages in prop::collection::vec(any_message(), 0..30),
        cuts in prop::collection::vec(1..200_usize, 1..20),
        by_bytes in any::<bool>(),
        as_host in any::<bool>(),
    ) {
        let acks = if by_bytes { Acks::ByBytes } else { Acks::ByMessage };
        let bytes: BytesMut = messages.iter()
            .flat_map(|message| encode(message, ChecksumMode::Skipped))
            .collect();
        let whole = outcome(acks, as_host, &[bytes.len().max(1)], &bytes);
        prop_assert_eq!(&outcome(acks, as_host, &[1], &bytes), &whole);
        prop_assert_eq!(&outcome(acks, as_host, &cuts, &bytes), &whole);
    }
}

fn any_message() -> impl Strategy<Value = Message> {
    let command = prop::sample::select(vec![
        AdbCommand::Okay,
        AdbCommand::Okay,
        AdbCommand::Wrte,
        AdbCommand::Wrte,
        AdbCommand::Open,
        AdbCommand::Clse,
        AdbCommand::Auth,
    ]);
    let number = prop_oneof![9 => 1..4_u32, 1 => any::<u32>()];
    let payload = prop_oneof![
        2 => Just(Bytes::from_static(&[0, 1, 0, 0])),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from),
    ];
    (command, number.clone(), number, payload)
        .prop_map(|(command, arg0, arg1, payload)| message(command, arg0, arg1, payload))
}

/// What an end with two open streams tells and says about these bytes, cut in turn as `cuts` say.
fn outcome(acks: Acks, as_host: bool, cuts: &[usize], bytes: &[u8]) -> String {
    let mut end = if as_host {
        let mut host = End::connected_host(acks);
        host.opened(acks, 1, 100);
        host.opened(acks, 2, 100);
        host
    } else {
        End::connected_device(acks)
    };
    let (mut events, mut said) = (Vec::new(), BytesMut::new());
    let mut input = BytesMut::new();
    let mut rest = bytes;
    let mut error = None;
    for cut in cuts.iter().cycle() {
        let (piece, behind) = rest.split_at((*cut).min(rest.len()));
        input.extend_from_slice(piece);
        rest = behind;
        error = end.connection.receive(&mut input).err();
        events.extend(end.events());
        said.extend_from_slice(&end.output());
        if rest.is_empty() || error.is_some() {
            break;
        }
    }
    format!("{events:?} {said:?} {error:?}")
}
