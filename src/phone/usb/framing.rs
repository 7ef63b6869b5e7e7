//! Decides where a transfer begins and ends. No I/O.

use std::collections::VecDeque;

use bytes::{Buf as _, BytesMut};

use crate::adb::wire::{HEADER_BYTES, MAX_PAYLOAD};

/// Commands with which a phone begins a conversation.
const FIRST: [[u8; 4]; 3] = [*b"CNXN", *b"AUTH", *b"STLS"];
/// Where the payload's length stands in a header.
const LENGTH_AT: usize = 12;
/// Where the command with all bits turned stands in a header.
const MAGIC_AT: usize = 20;

/// Turns transfers from the phone into the bytes of messages.
#[derive(Debug)]
pub(super) struct Incoming {
    packet: usize,
    /// Bytes of a payload that are to come.
    left: usize,
    /// Whether the payload that comes is of a message that is passed on.
    is_wanted: bool,
    /// Whether the phone has begun this conversation. What it sends before is left over from
    /// another program's.
    has_begun: bool,
    /// Whether a header announced more than ADB allows: nothing behind it can be told apart.
    is_broken: bool,
}

impl Incoming {
    pub(super) fn new(packet: usize) -> Self {
        Self {
            packet: packet.max(1),
            left: 0,
            is_wanted: false,
            has_begun: false,
            is_broken: false,
        }
    }

    /// Returns the size in bytes to request for the next transfer when `asked` bytes are already requested: up to
    /// `chunk` of the payload, otherwise the packets of the header after it. Returns `None` if nothing more should be
    /// requested. The size is always a whole number of packets.
    pub(super) fn next_transfer(&self, asked: usize, chunk: usize) -> Option<usize> {
        let payload = self.left.next_multiple_of(self.packet);
        if self.is_broken {
            return None;
        }
        // One packet, but for the smallest ones.
        let header = HEADER_BYTES.next_multiple_of(self.packet);
        let chunk = (chunk / self.packet).max(1) * self.packet;
        match payload.checked_sub(asked) {
            Some(missing @ 1..) => Some(missing.min(chunk)),
            _ if asked < payload + header => Some(header),
            _ => None,
        }
    }

    /// Handles the bytes of one transfer and passes those that belong to this conversation to `out`.
    pub(super) fn take(&mut self, mut bytes: &[u8], out: &mut impl FnMut(&[u8])) {
        while !bytes.is_empty() && !self.is_broken {
            if self.left > 0 {
                let (payload, rest) = bytes.split_at(self.left.min(bytes.len()));
                if self.is_wanted {
                    out(payload);
                }
                self.left -= payload.len();
                bytes = rest;
                continue;
            }
            let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
                return self.drop_stray(bytes);
            };
            let Some((command, length)) = read(header) else {
                return self.drop_stray(bytes);
            };
            self.has_begun |= FIRST.contains(&command);
            self.is_wanted = self.has_begun;
            self.left = length as usize;
            self.is_broken = length > MAX_PAYLOAD;
            if self.is_wanted {
                out(header);
            }
            bytes = rest;
        }
    }

    fn drop_stray(&self, bytes: &[u8]) {
        tracing::debug!(bytes = bytes.len(), "a stray USB transfer is dropped");
    }
}

/// Parses the command and the payload's length of a header; returns `None` if it is invalid.
fn read(header: &[u8; HEADER_BYTES]) -> Option<([u8; 4], u32)> {
    let command: [u8; 4] = *header.first_chunk()?;
    let magic = header.get(MAGIC_AT..)?;
    let turned = command.map(|byte| !byte);
    let mut length = header.get(LENGTH_AT..)?;
    (magic == turned).then(|| (command, length.get_u32_le()))
}

/// Turns the bytes of messages into transfers to the phone.
#[derive(Debug)]
pub(super) struct Outgoing {
    packet: usize,
    waiting: BytesMut,
    /// The length of the payload that is to go as one transfer.
    payload: Option<usize>,
    transfers: VecDeque<Vec<u8>>,
}

impl Outgoing {
    pub(super) fn new(packet: usize) -> Self {
        Self {
            packet: packet.max(1),
            waiting: BytesMut::new(),
            payload: None,
            transfers: VecDeque::new(),
        }
    }

    /// Adds the next bytes of the messages, which may be cut anywhere.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        loop {
            let length = self.payload.unwrap_or(HEADER_BYTES);
            if self.waiting.len() < length {
                return;
            }
            let transfer = self.waiting.split_to(length);
            if self.payload.take().is_some() {
                let is_whole_packets = length.is_multiple_of(self.packet);
                self.transfers.push_back(transfer.to_vec());
                // Else the phone would wait for more.
                self.transfers
                    .extend(is_whole_packets.then_some(Vec::new()));
            } else {
                let mut length = transfer.get(LENGTH_AT..).unwrap_or_default();
                let length = length.try_get_u32_le().unwrap_or(0) as usize;
                self.payload = (length > 0).then_some(length);
                self.transfers.push_back(transfer.to_vec());
            }
        }
    }

    /// Returns the next transfer, or `None` if there is none.
    pub(super) fn next_transfer(&mut self) -> Option<Vec<u8>> {
        self.transfers.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::adb::wire::{AdbCommand, ChecksumMode, Message};

    fn message(command: AdbCommand, payload: Vec<u8>) -> Message {
        Message {
            command,
            arg0: 1,
            arg1: 2,
            payload: Bytes::from(payload),
        }
    }

    /// What a phone puts on the wire for a message: a header and a payload, as transfers of its
    /// own, which fill the transfers asked for and end them where a packet is not full.
    fn arrive(incoming: &mut Incoming, packet: usize, message: &Message) -> BytesMut {
        let mut out = BytesMut::new();
        let header = message.header(ChecksumMode::Skipped);
        for mut bytes in [header.as_slice(), &message.payload] {
            let mut asked = VecDeque::new();
            while !bytes.is_empty() {
                while let Some(next) = incoming.next_transfer(asked.iter().sum(), 1024) {
                    assert_eq!(next % packet, 0);
                    asked.push_back(next);
                }
                let room = asked.pop_front().unwrap();
                let (came, rest) = bytes.split_at(room.min(bytes.len()));
                incoming.take(came, &mut |bytes| out.extend_from_slice(bytes));
                bytes = rest;
            }
        }
        out
    }

    #[test]
    fn messages_of_every_size_arrive_whole() {
        // Bulk endpoints of USB have these, and those of a broken phone any.
        for packet in [8, 16, 32, 64, 512, 1024, 7, 500] {
            let mut incoming = Incoming::new(packet);
            for size in [0, 1, 23, 24, 511, 512, 513, 1024, 4096, 70_000] {
                let message = message(AdbCommand::Cnxn, vec![7; size]);
                let out = arrive(&mut incoming, packet, &message);
                let header = message.header(ChecksumMode::Skipped);
                assert_eq!(out, [header.as_slice(), &message.payload].concat());
            }
        }
    }

    #[test]
    fn nothing_is_asked_for_behind_a_payload_but_the_next_header() {
        let mut incoming = Incoming::new(512);
        assert_eq!(incoming.next_transfer(0, 1024), Some(512));
        assert_eq!(incoming.next_transfer(512, 1024), None);
        let header = message(AdbCommand::Cnxn, vec![0; 1024]).header(ChecksumMode::Skipped);
        incoming.take(&header, &mut |_| {});
        assert_eq!(incoming.next_transfer(0, 4096), Some(1024));
        assert_eq!(incoming.next_transfer(1024, 4096), Some(512));
        assert_eq!(incoming.next_transfer(1536, 4096), None);
    }

    #[test]
    fn what_another_program_left_behind_is_dropped() {
        let mut incoming = Incoming::new(512);
        // The end of a payload, a message of before, and its payload.
        incoming.take(&[7; 100], &mut |_| panic!("it is passed on"));
        incoming.take(&[9; 10], &mut |_| panic!("it is passed on"));
        let stale = message(AdbCommand::Wrte, vec![1; 600]);
        assert!(arrive(&mut incoming, 512, &stale).is_empty());
        let hello = message(AdbCommand::Cnxn, vec![2; 5]);
        assert_eq!(arrive(&mut incoming, 512, &hello).len(), 29);
        // From then on it belongs to this conversation.
        assert_eq!(arrive(&mut incoming, 512, &stale).len(), 624);
    }

    #[test]
    fn announcing_too_much_ends_the_reading() {
        let mut incoming = Incoming::new(512);
        let mut header = message(AdbCommand::Cnxn, Vec::new()).header(ChecksumMode::Skipped);
        header[12..16].copy_from_slice(&(MAX_PAYLOAD + 1).to_le_bytes());
        let mut out = BytesMut::new();
        incoming.take(&header, &mut |bytes| out.extend_from_slice(bytes));
        assert_eq!(out.len(), HEADER_BYTES);
        assert_eq!(incoming.next_transfer(0, 1024), None);
    }

    #[test]
    fn messages_go_out_as_header_and_payload_whole_packets_with_an_empty_one_behind() {
        for size in [0, 5, 512, 513, 1024] {
            let message = message(AdbCommand::Wrte, vec![3; size]);
            let bytes = [
                message.header(ChecksumMode::Skipped).as_slice(),
                &message.payload,
            ]
            .concat();
            for cut in [1, 7, 24, 10_000] {
                let mut outgoing = Outgoing::new(512);
                bytes.chunks(cut).for_each(|piece| outgoing.take(piece));
                let sizes: Vec<_> = std::iter::from_fn(|| outgoing.next_transfer())
                    .map(|transfer| transfer.len())
                    .collect();
                let expected = match size {
                    0 => vec![24],
                    512 | 1024 => vec![24, size, 0],
                    _ => vec![24, size],
                };
                assert_eq!(sizes, expected, "{size} cut at {cut}");
            }
        }
    }
}
