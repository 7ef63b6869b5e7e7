//! What a fuzzer runs: every reader of foreign bytes, with what must hold whatever they are.
//!
//! In: any bytes at all; the first few choose how the rest is read. Out: nothing, or a panic,
//! which is a bug. `tests/fuzz/` runs these for as long as one likes, and the tests below run
//! them over its corpus and over made-up bytes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a fuzzer hears of a bug"
)]

mod folder;
mod link;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};

use crate::adb::auth::{PUBLIC_KEY_BYTES, PublicKey, TOKEN_BYTES};
use crate::adb::path::{MAX_PATH_BYTES, RemotePath};
use crate::adb::sync::{Answer, Client, Operation, Request, RequestDecoder, SyncError};
use crate::adb::wire::{Checksum, Decoder, MAX_PAYLOAD, Message, WireError};
use crate::adb::{server, shell};
use crate::phone::Properties;
use crate::phone::hash::{self, Algorithm};

/// What a fuzzer runs over and over.
pub type Body = fn(&[u8]);

/// Every body, by the name of its target and of the folder of its corpus.
pub const BODIES: [(&str, Body); 11] = [
    ("wire", wire),
    ("sync_client", sync_client),
    ("sync_device", sync_device),
    ("shell", shell),
    ("server", server),
    ("connection_host", connection_host),
    ("connection_device", connection_device),
    ("public_key", public_key),
    ("hashes", hashes),
    ("properties", properties),
    ("rescue_folder", rescue_folder),
];

/// A way of cutting bytes into pieces, as transports do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut<'a> {
    /// All at once.
    Whole,
    /// One by one.
    Bytes,
    /// Pieces of one more than these lengths, over and over.
    Lengths(&'a [u8]),
}

impl Cut<'_> {
    /// The pieces of `bytes`; none of them is empty.
    pub(crate) fn pieces(self, mut bytes: &[u8]) -> Vec<Bytes> {
        let mut lengths = match self {
            Self::Whole => [].iter(),
            Self::Bytes => [0].iter(),
            Self::Lengths(lengths) => lengths.iter(),
        }
        .cycle();
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let length = lengths
                .next()
                .map_or(usize::MAX, |less| usize::from(*less) + 1);
            let (piece, rest) = bytes.split_at(length.min(bytes.len()));
            pieces.push(Bytes::copy_from_slice(piece));
            bytes = rest;
        }
        pieces
    }
}

/// Runs `read` over the bytes whole, one by one and in pieces that they choose themselves, and
/// returns what came out, which has to be the same each time.
fn same_in_any_pieces<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    read: impl Fn(Vec<Bytes>) -> T,
) -> T {
    let whole = read(Cut::Whole.pieces(bytes));
    let lengths = &bytes[..bytes.len().min(8)];
    for cut in [Cut::Bytes, Cut::Lengths(lengths)] {
        assert_eq!(read(cut.pieces(bytes)), whole, "{cut:?}");
    }
    whole
}

/// Takes the first byte, which chooses something; 0 when there is none.
fn choice(data: &mut &[u8]) -> u8 {
    let Some((first, rest)) = data.split_first() else {
        return 0;
    };
    *data = rest;
    *first
}

/// Bytes from a transport, as messages.
pub fn wire(mut data: &[u8]) {
    let checksum = match choice(&mut data) % 3 {
        0 => None,
        1 => Some(Checksum::Sent),
        _ => Some(Checksum::Skipped),
    };
    let (read, _error) = same_in_any_pieces(data, |pieces| messages(checksum, pieces));
    for message in read {
        for checksum in [Checksum::Sent, Checksum::Skipped] {
            assert_eq!(decoded(&message, checksum), message);
        }
    }
}

/// The messages in these pieces, and the error that ended them. `checksum` says what is known of
/// the peer.
pub(crate) fn messages(
    checksum: Option<Checksum>,
    pieces: Vec<Bytes>,
) -> (Vec<Message>, Option<WireError>) {
    let mut decoder = Decoder::new();
    if let Some(checksum) = checksum {
        decoder.set_checksum(checksum);
    }
    let mut input = BytesMut::new();
    let mut messages = Vec::new();
    for piece in pieces {
        input.extend_from_slice(&piece);
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
        let missing = decoder.missing_bytes(input.len());
        assert!(missing > 0 && missing <= MAX_PAYLOAD as usize, "{missing}");
    }
    (messages, None)
}

fn decoded(message: &Message, checksum: Checksum) -> Message {
    let mut bytes = BytesMut::from(message.header(checksum).as_slice());
    bytes.extend_from_slice(&message.payload);
    let mut decoder = Decoder::new();
    decoder.set_checksum(checksum);
    let message = decoder.decode(&mut bytes).unwrap().unwrap();
    assert!(bytes.is_empty());
    message
}

/// Every operation of the sync service.
pub(crate) const OPERATIONS: [Operation; 7] = [
    Operation::Stat1,
    Operation::Lstat2,
    Operation::Stat2,
    Operation::List1,
    Operation::List2,
    Operation::Receive1,
    Operation::Receive2,
];

/// A phone's answers to up to 15 sync requests, which the first bytes choose.
pub fn sync_client(mut data: &[u8]) {
    let count = choice(&mut data) % 16;
    let requests: Vec<_> = (0..count)
        .map(|_| OPERATIONS[usize::from(choice(&mut data)) % OPERATIONS.len()])
        .collect();
    let (answers, _error, outstanding) =
        same_in_any_pieces(data, |pieces| sync_answers(&requests, pieces));
    assert!(outstanding <= requests.len());
    let bytes = answers.iter().map(|answer| match answer {
        Answer::Entry(_, name) => {
            assert!(name.len() <= 1024);
            name.len()
        }
        Answer::Data(bytes) | Answer::Fail(bytes) => bytes.len(),
        Answer::Stat(_) | Answer::ListEnd | Answer::ReceiveEnd => 0,
    });
    assert!(bytes.sum::<usize>() <= data.len());
}

/// What a sync client makes of these pieces: answers with the data that belongs together joined,
/// the error that ended it, and how many requests have no answer.
pub(crate) fn sync_answers(
    requests: &[Operation],
    pieces: Vec<Bytes>,
) -> (Vec<Answer>, Option<SyncError>, usize) {
    let path = RemotePath::new(b"/sdcard").unwrap();
    let mut client = Client::default();
    let mut out = BytesMut::new();
    for operation in requests {
        client.request(*operation, &path, &mut out);
    }
    let mut answers: Vec<Answer> = Vec::new();
    for piece in pieces {
        client.feed(piece);
        loop {
            match client.poll() {
                Ok(Some(Answer::Data(bytes))) => {
                    assert!(!bytes.is_empty());
                    match answers.last_mut() {
                        Some(Answer::Data(joined)) => append(joined, &bytes),
                        _ => answers.push(Answer::Data(bytes)),
                    }
                }
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) => break,
                Err(error) => return (answers, Some(error), client.outstanding()),
            }
        }
    }
    (answers, None, client.outstanding())
}

fn append(joined: &mut Bytes, more: &[u8]) {
    let mut longer = BytesMut::from(std::mem::take(joined));
    longer.extend_from_slice(more);
    *joined = longer.freeze();
}

/// A computer's sync requests.
pub fn sync_device(data: &[u8]) {
    let (requests, _error) = same_in_any_pieces(data, sync_requests);
    for request in requests {
        let Request::Path(operation, path) = request else {
            continue;
        };
        assert!(path.len() <= MAX_PATH_BYTES);
        let Ok(path) = RemotePath::new(&path) else {
            continue;
        };
        assert_eq!(RemotePath::new(path.as_bytes()).as_ref(), Ok(&path));
        if let Some(folder) = path.parent() {
            assert_eq!(folder.join(path.name()).as_ref(), Ok(&path));
            assert!(path.below(&folder).unwrap().eq([path.name()]));
        }
        let mut out = BytesMut::new();
        Client::default().request(operation, &path, &mut out);
        let asked = Request::Path(operation, Bytes::copy_from_slice(path.as_bytes()));
        assert_eq!(sync_requests(vec![out.freeze()]), (vec![asked], None));
    }
}

/// What a phone makes of these pieces.
pub(crate) fn sync_requests(pieces: Vec<Bytes>) -> (Vec<Request>, Option<SyncError>) {
    let mut decoder = RequestDecoder::default();
    let mut requests = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.poll() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break,
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

/// A shell's packets.
pub fn shell(data: &[u8]) {
    let (outputs, _error) = same_in_any_pieces(data, shell_outputs);
    let bytes = outputs.iter().map(|output| match output {
        shell::Output::Stdout(bytes) | shell::Output::Stderr(bytes) => bytes.len(),
        shell::Output::Exit(_) => 1,
    });
    assert!(bytes.sum::<usize>() <= data.len());
}

/// What a shell's reader makes of these pieces, with the output that belongs together joined.
pub(crate) fn shell_outputs(pieces: Vec<Bytes>) -> (Vec<shell::Output>, Option<shell::ShellError>) {
    use shell::Output::{Stderr, Stdout};
    let mut decoder = shell::Decoder::default();
    let mut outputs = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match (decoder.poll(), outputs.last_mut()) {
                (Ok(Some(Stdout(more))), Some(Stdout(joined)))
                | (Ok(Some(Stderr(more))), Some(Stderr(joined))) => {
                    assert!(!more.is_empty());
                    append(joined, &more);
                }
                (Ok(Some(output)), _) => outputs.push(output),
                (Ok(None), _) => break,
                (Err(error), _) => return (outputs, Some(error)),
            }
        }
    }
    (outputs, None)
}

/// An adb server's answers: a status, a text behind it, and the text as a list of phones.
pub fn server(data: &[u8]) {
    let (status, text, left) = same_in_any_pieces(data, |pieces| server_answer(&pieces));
    let (Ok(status), Ok(text)) = (status, text) else {
        return;
    };
    // Three bytes of a replaced character for each that came.
    let limit = 3 * server::MAX_TEXT;
    if let Some(server::Status::Fail(why)) = &status {
        assert!(why.len() <= limit);
    }
    let Some(text) = text else { return };
    assert!(text.len() <= limit && left.len() <= data.len());
    let devices = server::parse_devices(&text);
    assert!(devices.len() <= text.lines().count());
    for device in &devices {
        let line = format!("{} {}", device.serial, device.state.name());
        assert!(device.properties.iter().all(|(name, value)| {
            text.contains(name.as_str()) && text.contains(value.as_str())
        }));
        assert_eq!(server::parse_devices(&line)[0].serial, device.serial);
    }
}

/// A status, the text behind it, and what is left. Why something is no answer depends on how much
/// of it is there, so that is not compared.
#[expect(clippy::type_complexity, reason = "used here only")]
pub(crate) fn server_answer(
    pieces: &[Bytes],
) -> (
    Result<Option<server::Status>, ()>,
    Result<Option<String>, ()>,
    BytesMut,
) {
    let mut input = BytesMut::new();
    let (mut status, mut text) = (Ok(None), Ok(None));
    for piece in pieces {
        input.extend_from_slice(piece);
        if let Ok(None) = status {
            status = server::parse_status(&mut input).map_err(|error| {
                assert!(!error.got.is_empty() && error.got.len() <= 16);
            });
        }
        if let (Ok(Some(server::Status::Okay)), Ok(None)) = (&status, &text) {
            text = server::parse_text(&mut input).map_err(|_error| ());
        }
    }
    (status, text, input)
}

/// A computer's end of a connection, against a phone and a user that do anything.
pub fn connection_host(data: &[u8]) {
    link::host(data);
}

/// A phone's end of a connection, against a computer and a user that do anything.
pub fn connection_device(data: &[u8]) {
    link::device(data);
}

/// A computer's public key, as it is or as the number in front of its comment.
pub fn public_key(data: &[u8]) {
    let _ = PublicKey::from_line(data);
    let mut android = data.to_vec();
    android.resize(PUBLIC_KEY_BYTES, 0);
    let Ok(key) = PublicKey::from_line(BASE64.encode(android).as_bytes()) else {
        return;
    };
    let line = key.to_line("me@pc");
    assert_eq!(PublicKey::from_line(line.as_bytes()).unwrap(), key);
    let signature = data.get(..256).unwrap_or(data);
    key.verifies(&[7; TOKEN_BYTES], signature);
}

/// The lines that a phone's hash program prints.
pub fn hashes(mut data: &[u8]) {
    let algorithm = Algorithm::ALL[usize::from(choice(&mut data)) % Algorithm::ALL.len()];
    let paths = [
        b"/a".as_slice(),
        b"/a b",
        b"/a\n00",
        b"/\xff\\",
        b"/a\r",
        b"/b",
    ]
    .map(|path| RemotePath::new(path).unwrap());
    let paths: Vec<_> = paths.iter().collect();
    let hashes = hash::parse(data, algorithm, &paths);
    assert_eq!(hashes.len(), paths.len());
    let mut printed = Vec::new();
    for (path, hash) in paths.iter().zip(&hashes) {
        let Some(hash) = hash else { continue };
        for byte in hash {
            printed.extend_from_slice(format!("{byte:02x}").as_bytes());
        }
        printed.extend_from_slice(b"  ");
        printed.extend_from_slice(path.as_bytes());
        printed.push(b'\n');
    }
    assert_eq!(hash::parse(&printed, algorithm, &paths), hashes);
}

/// A phone's properties, as `getprop` prints them.
pub fn properties(data: &[u8]) {
    let properties = Properties::parse(data);
    // Whatever the text, a name is found with the value of its last line.
    for line in String::from_utf8_lossy(data).lines() {
        let Some((name, _)) = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("]: ["))
        else {
            continue;
        };
        assert_ne!(properties.value(name), Some(""));
    }
}

/// A rescue folder that somebody else wrote: its catalogue, journal and manifest.
pub fn rescue_folder(data: &[u8]) {
    folder::check(data);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn made_up_bytes_pass(data in prop::collection::vec(any::<u8>(), 0..400)) {
            for (_, body) in BODIES {
                body(&data);
            }
        }

        #[test]
        fn made_up_scripts_pass(
            mode in any::<u8>(),
            steps in prop::collection::vec((0..8_u8, prop::collection::vec(0..9_u8, 2..9)), 0..40),
        ) {
            let mut script = vec![mode | 4];
            for (kind, values) in steps {
                script.push(kind);
                script.extend(values);
            }
            connection_host(&script);
            connection_device(&script);
        }
    }
}
