//! The received bytes of a stream that are not decoded yet.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

/// The received bytes of a stream, kept in the pieces in which they arrived. Bytes are copied only where a request
/// spans two pieces.
#[derive(Debug, Default)]
pub(super) struct Input {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl Input {
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.length += bytes.len();
            self.pieces.push_back(bytes);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// At most `count` bytes: as many as lie together.
    pub(super) fn take_up_to(&mut self, count: usize) -> Bytes {
        let Some(front) = self.pieces.front_mut() else {
            return Bytes::new();
        };
        let piece = front.split_to(front.len().min(count));
        if front.is_empty() {
            self.pieces.pop_front();
        }
        self.length -= piece.len();
        piece
    }

    /// Exactly `count` bytes, or `None` without taking any.
    pub(super) fn take(&mut self, count: usize) -> Option<Bytes> {
        if self.length < count {
            return None;
        }
        let first = self.take_up_to(count);
        if first.len() == count {
            return Some(first);
        }
        let mut joined = BytesMut::with_capacity(count);
        joined.extend_from_slice(&first);
        while joined.len() < count {
            let piece = self.take_up_to(count - joined.len());
            joined.extend_from_slice(&piece);
        }
        Some(joined.freeze())
    }

    /// Exactly `count` bytes without taking them, or `None`.
    pub(super) fn peek(&mut self, count: usize) -> Option<Bytes> {
        let bytes = self.take(count)?;
        self.length += count;
        // Put back in one piece: what straddled once is joined for good.
        self.pieces.push_front(bytes.clone());
        Some(bytes)
    }

    pub(super) fn peek_id(&mut self) -> Option<[u8; 4]> {
        self.peek(4).map(|bytes| {
            let mut id = [0; 4];
            (&*bytes).copy_to_slice(&mut id);
            id
        })
    }
}
