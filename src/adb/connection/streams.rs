//! The streams of a connection: opened and closed by either end, and no faster than their readers.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

use super::{
    Connection, ConnectionError, ConnectionEvent, RECEIVE_WINDOW, Role, SMALL_OUTPUT, StreamId,
};
use crate::adb::wire::{AdbCommand, MAX_PAYLOAD, Message};

/// The most bytes that an honest peer can send before it waits: adb sends a whole message while any of the window is
/// left (AOSP `adb/socket.h`, `available_send_bytes`).
pub(super) const MAX_UNCONSUMED: u32 = RECEIVE_WINDOW + MAX_PAYLOAD;
/// The most messages that may wait for their reader on one stream: very small messages take more memory than their
/// bytes.
pub(super) const MAX_UNCONSUMED_MESSAGES: u32 = 128 * 1024;
/// Data up to this length in bytes is copied, because a slice of it would keep the transport's whole read buffer in
/// memory.
pub(super) const SMALL_DATA: usize = 16 * 1024;
/// The most streams that a peer may open to this end; an honest peer opens far fewer.
pub(super) const MAX_STREAMS: usize = 1024;

#[derive(Debug)]
pub(super) struct Stream {
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

impl Connection {
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

    pub(super) fn handle_open(&mut self, message: &Message) -> Result<(), ConnectionError> {
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

    pub(super) fn handle_okay(&mut self, message: &Message) -> Result<(), ConnectionError> {
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

    pub(super) fn handle_write(&mut self, message: Message) -> Result<(), ConnectionError> {
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

    pub(super) fn handle_close(&mut self, message: &Message) {
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
