//! Messages on the wire: a 24-byte little-endian header and a payload.
//!
//! In: bytes, in pieces of any size. Out: [`Message`]s whose payload is a slice of the bytes
//! read, not a copy. Source: AOSP `adb/protocol.txt`, `adb/adb.h`.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The length in bytes of a message's header.
pub const HEADER_BYTES: usize = 24;
/// The largest payload that either end may announce, in bytes (1 MiB).
pub const MAX_PAYLOAD: u32 = 1024 * 1024;
/// The largest payload in bytes that may be sent before the peer has announced its own limit in `CNXN`.
pub const MIN_PAYLOAD: u32 = 4096;
/// The protocol version from which checksums are neither sent nor checked.
pub const VERSION_SKIPS_CHECKSUM: u32 = 0x0100_0001;
/// The oldest protocol version; its messages carry checksums.
pub const VERSION_MIN: u32 = 0x0100_0000;

/// The command of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdbCommand {
    /// `CNXN`: announces version, largest payload and banner.
    Cnxn,
    /// `AUTH`: carries a token, a signature or a public key.
    Auth,
    /// `OPEN`: opens a stream to a service.
    Open,
    /// `OKAY`: a stream is open, or its last data was accepted.
    Okay,
    /// `CLSE`: a stream is closed, or was refused.
    Clse,
    /// `WRTE`: carries data for a stream.
    Wrte,
    /// `STLS`: the peer wants to continue in TLS.
    Stls,
}

impl AdbCommand {
    const ALL: [(Self, [u8; 4]); 7] = [
        (Self::Cnxn, *b"CNXN"),
        (Self::Auth, *b"AUTH"),
        (Self::Open, *b"OPEN"),
        (Self::Okay, *b"OKAY"),
        (Self::Clse, *b"CLSE"),
        (Self::Wrte, *b"WRTE"),
        (Self::Stls, *b"STLS"),
    ];

    fn word(self) -> u32 {
        let found = Self::ALL.iter().find(|(command, _)| *command == self);
        found.map_or(0, |(_, name)| u32::from_le_bytes(*name))
    }

    fn from_word(word: u32) -> Option<Self> {
        let found = Self::ALL
            .iter()
            .find(|(_, name)| u32::from_le_bytes(*name) == word);
        found.map(|(command, _)| *command)
    }
}

/// One ADB message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The message's command.
    pub command: AdbCommand,
    /// First argument; the sender's stream id in stream messages.
    pub arg0: u32,
    /// Second argument; the receiver's stream id in stream messages.
    pub arg1: u32,
    /// The payload, at most [`MAX_PAYLOAD`] bytes.
    pub payload: Bytes,
}

impl Message {
    /// Creates a message with an empty payload.
    pub fn bare(command: AdbCommand, arg0: u32, arg1: u32) -> Self {
        Self {
            command,
            arg0,
            arg1,
            payload: Bytes::new(),
        }
    }

    /// Returns the encoded header that precedes the payload on the wire.
    pub fn header(&self, checksum: ChecksumMode) -> [u8; HEADER_BYTES] {
        let sum = match checksum {
            ChecksumMode::Sent => byte_sum(&self.payload),
            ChecksumMode::Skipped => 0,
        };
        let word = self.command.word();
        let length = self.payload.len() as u32;
        let mut header = [0; HEADER_BYTES];
        let mut rest = header.as_mut_slice();
        for field in [word, self.arg0, self.arg1, length, sum, word ^ u32::MAX] {
            rest.put_u32_le(field);
        }
        header
    }
}

/// Whether headers carry a checksum: the sum of the payload's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumMode {
    /// The checksum is sent, and verified on arrival.
    Sent,
    /// The checksum field is zero and ignored.
    Skipped,
}

/// The error for bytes that are not an ADB message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The sixth word of the header (the magic) is not the complement of the first (the command).
    #[error("not an ADB message: command {command:08x} with magic {magic:08x}")]
    BadMagic {
        /// The first word.
        command: u32,
        /// The sixth word.
        magic: u32,
    },
    /// A well-formed header with an unknown command.
    #[error("unknown ADB command {command:08x}")]
    UnknownCommand {
        /// The first word.
        command: u32,
    },
    /// The header announces a larger payload than was agreed.
    #[error("an ADB message of {length} bytes announced, at most {limit} agreed")]
    TooLong {
        /// The length announced, in bytes.
        length: u32,
        /// The limit, in bytes.
        limit: u32,
    },
    /// The payload does not match its checksum.
    #[error("an ADB message was damaged on its way: checksum {got:08x}, expected {expected:08x}")]
    BadChecksum {
        /// The checksum in the header.
        expected: u32,
        /// The checksum of the received payload.
        got: u32,
    },
}

#[derive(Debug, Clone, Copy)]
struct MessageHeader {
    command: AdbCommand,
    arg0: u32,
    arg1: u32,
    length: usize,
    sum: u32,
}

/// A decoder that cuts a stream of bytes into messages.
#[derive(Debug)]
pub struct Decoder {
    checksum: Option<ChecksumMode>,
    header: Option<MessageHeader>,
}

impl Decoder {
    /// Creates a decoder for a peer whose version is not known yet: it accepts a checksum that is correct or zero.
    pub fn new() -> Self {
        Self {
            checksum: None,
            header: None,
        }
    }

    /// Sets whether checksums are verified, once the peer's version is known.
    pub fn set_checksum(&mut self, checksum: ChecksumMode) {
        self.checksum = Some(checksum);
    }

    /// Removes the next message from the front of `input`; returns `None` until it is complete.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Message>, WireError> {
        let header = match self.header {
            Some(header) => header,
            None if input.len() < HEADER_BYTES => return Ok(None),
            None => {
                let header = parse_header(&mut input.split_to(HEADER_BYTES))?;
                *self.header.insert(header)
            }
        };
        if input.len() < header.length {
            return Ok(None);
        }
        self.header = None;
        let payload = input.split_to(header.length).freeze();
        let check = match self.checksum {
            Some(checksum) => checksum == ChecksumMode::Sent,
            None => header.sum != 0,
        };
        if check {
            let got = byte_sum(&payload);
            if got != header.sum {
                return Err(WireError::BadChecksum {
                    expected: header.sum,
                    got,
                });
            }
        }
        Ok(Some(Message {
            command: header.command,
            arg0: header.arg0,
            arg1: header.arg1,
            payload,
        }))
    }

    /// Returns how many bytes beyond the `held` ones complete the next header or message. Use it to reserve buffer
    /// space.
    pub fn missing_bytes(&self, held: usize) -> usize {
        self.header
            .map_or(HEADER_BYTES, |header| header.length)
            .saturating_sub(held)
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

fn parse_header(bytes: &mut BytesMut) -> Result<MessageHeader, WireError> {
    let [word, arg0, arg1, length, sum, magic] = [(); 6].map(|()| bytes.get_u32_le());
    if magic != word ^ u32::MAX {
        return Err(WireError::BadMagic {
            command: word,
            magic,
        });
    }
    let command = AdbCommand::from_word(word).ok_or(WireError::UnknownCommand { command: word })?;
    if length > MAX_PAYLOAD {
        return Err(WireError::TooLong {
            length,
            limit: MAX_PAYLOAD,
        });
    }
    Ok(MessageHeader {
        command,
        arg0,
        arg1,
        length: length as usize,
        sum,
    })
}

fn byte_sum(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |sum: u32, byte| sum.wrapping_add(u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::{Cut, messages};

    fn encode(message: &Message, checksum: ChecksumMode) -> BytesMut {
        let mut bytes = BytesMut::from(message.header(checksum).as_slice());
        bytes.extend_from_slice(&message.payload);
        bytes
    }

    fn write(payload: &'static [u8]) -> Message {
        Message {
            command: AdbCommand::Wrte,
            arg0: 1,
            arg1: 2,
            payload: Bytes::from_static(payload),
        }
    }

    #[test]
    fn header_is_laid_out_as_adb_does_it() {
        let header = write(b"abc").header(ChecksumMode::Sent);
        let words = *b"WRTE\x01\0\0\0\x02\0\0\0\x03\0\0\0\x26\x01\0\0\xa8\xad\xab\xba";
        assert_eq!(header, words);
    }

    #[test]
    fn damaged_payload_is_noticed() {
        let mut bytes = encode(&write(b"abc"), ChecksumMode::Sent);
        bytes[25] ^= 1;
        let error = Decoder::new().decode(&mut bytes).unwrap_err();
        assert!(matches!(error, WireError::BadChecksum { .. }));
    }

    #[test]
    fn zero_checksum_is_taken_until_the_peer_is_known_to_send_sums() {
        let message = write(b"abc");
        let mut decoder = Decoder::new();
        let mut bytes = encode(&message, ChecksumMode::Skipped);
        assert_eq!(decoder.decode(&mut bytes), Ok(Some(message.clone())));
        decoder.set_checksum(ChecksumMode::Sent);
        assert!(
            decoder
                .decode(&mut encode(&message, ChecksumMode::Skipped))
                .is_err()
        );
    }

    #[test]
    fn announced_length_is_bounded_before_anything_is_kept() {
        let mut bytes = encode(&write(b""), ChecksumMode::Skipped);
        bytes[12..16].copy_from_slice(&(MAX_PAYLOAD + 1).to_le_bytes());
        let error = Decoder::new().decode(&mut bytes).unwrap_err();
        assert_eq!(
            error,
            WireError::TooLong {
                length: MAX_PAYLOAD + 1,
                limit: MAX_PAYLOAD
            }
        );
    }

    #[test]
    fn what_is_no_message_is_named() {
        let mut bytes = BytesMut::from(b"HTTP/1.1 400 Bad Request\r\n".as_slice());
        assert!(matches!(
            Decoder::new().decode(&mut bytes),
            Err(WireError::BadMagic { .. })
        ));
        let mut unknown = BytesMut::new();
        for word in [7, 0, 0, 0, 0, 7 ^ u32::MAX] {
            unknown.put_u32_le(word);
        }
        let error = Decoder::new().decode(&mut unknown).unwrap_err();
        assert_eq!(error, WireError::UnknownCommand { command: 7 });
    }

    #[test]
    fn checksum_of_the_largest_payload_fits() {
        let message = Message {
            payload: vec![0xff; MAX_PAYLOAD as usize].into(),
            ..write(b"")
        };
        let sum = u32::from_le_bytes(
            message.header(ChecksumMode::Sent)[16..20]
                .try_into()
                .unwrap(),
        );
        assert_eq!(sum, 0xff * MAX_PAYLOAD);
    }

    #[test]
    fn payload_is_a_slice_of_what_was_read() {
        let mut bytes = encode(&write(b"photo"), ChecksumMode::Skipped);
        let start = bytes.as_ptr();
        let message = Decoder::new().decode(&mut bytes).unwrap().unwrap();
        assert_eq!(message.payload.as_ptr(), start.wrapping_add(HEADER_BYTES));
    }

    #[test]
    fn missing_bytes_are_those_up_to_the_next_step() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.missing_bytes(0), 24);
        assert_eq!(decoder.missing_bytes(20), 4);
        let mut bytes = encode(&write(b"photo"), ChecksumMode::Skipped);
        let payload = bytes.split_off(HEADER_BYTES);
        assert_eq!(decoder.decode(&mut bytes), Ok(None));
        assert_eq!(decoder.missing_bytes(0), 5);
        assert_eq!(decoder.missing_bytes(4), 1);
        bytes.unsplit(payload);
        assert!(decoder.decode(&mut bytes).unwrap().is_some());
        assert_eq!(decoder.missing_bytes(0), 24);
    }

    fn any_message() -> impl Strategy<Value = Message> {
        let commands = AdbCommand::ALL.map(|(command, _)| command);
        let command = prop::sample::select(commands.to_vec());
        let payload = prop::collection::vec(any::<u8>(), 0..600);
        let fields = (command, any::<u32>(), any::<u32>(), payload);
        fields.prop_map(|(command, arg0, arg1, payload)| Message {
            command,
            arg0,
            arg1,
            payload: payload.into(),
        })
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_whatever_the_pieces(
            sent in prop::collection::vec(any_message(), 0..12),
            lengths in prop::collection::vec(any::<u8>(), 1..9),
        ) {
            for checksum in [ChecksumMode::Sent, ChecksumMode::Skipped] {
                let bytes: BytesMut =
                    sent.iter().flat_map(|message| encode(message, checksum)).collect();
                for cut in [Cut::Whole, Cut::Bytes, Cut::Lengths(&lengths)] {
                    for known in [None, Some(checksum)] {
                        let read = messages(known, cut.pieces(&bytes));
                        prop_assert_eq!(&read, &(sent.clone(), None));
                    }
                }
            }
        }

        #[test]
        fn flipped_bit_in_a_summed_payload_is_noticed(
            message in any_message(),
            bit in any::<prop::sample::Index>(),
        ) {
            prop_assume!(!message.payload.is_empty());
            let mut bytes = encode(&message, ChecksumMode::Sent);
            let bit = bit.index(8 * message.payload.len());
            bytes[HEADER_BYTES + bit / 8] ^= 1 << (bit % 8);
            let (read, error) = messages(Some(ChecksumMode::Sent), vec![bytes.freeze()]);
            prop_assert!(read.is_empty());
            prop_assert!(matches!(error, Some(WireError::BadChecksum { .. })), "{:?}", error);
        }
    }
}
