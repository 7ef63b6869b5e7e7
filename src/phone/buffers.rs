//! Read buffers that are reused as soon as nobody holds a piece of them. Fresh memory costs one page fault per page,
//! which together takes longer than the copy out of the kernel.

use std::collections::VecDeque;

use bytes::BytesMut;

/// The length of a buffer, unless a single message needs more, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;
/// Less room than this and the next buffer is taken, in bytes.
const MIN_ROOM: usize = 64 * 1024;
/// Buffers that wait for their last reader at most; more are given back to the system then.
const MAX_SPENT: usize = 24;

/// The read buffers of one connection, reused once nothing refers to their bytes any more.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Full buffers, oldest first: the oldest is the first to become free.
    spent: VecDeque<BytesMut>,
}

impl Buffers {
    /// Makes room for at least `missing` more bytes at the end of `input`.
    pub(super) fn make_room(&mut self, input: &mut BytesMut, missing: usize) {
        let room = input.capacity() - input.len();
        if room >= missing.max(MIN_ROOM) {
            return;
        }
        let mut next = self.next(input.len() + missing.max(BUFFER_BYTES));
        next.extend_from_slice(input);
        let mut spent = std::mem::replace(input, next);
        spent.clear();
        if self.spent.len() == MAX_SPENT {
            self.spent.pop_front();
        }
        self.spent.push_back(spent);
    }

    fn next(&mut self, bytes: usize) -> BytesMut {
        let free = self
            .spent
            .iter_mut()
            .position(|spent| spent.try_reclaim(bytes));
        free.and_then(|at| self.spent.remove(at))
            .unwrap_or_else(|| BytesMut::with_capacity(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_only_when_no_piece_of_it_is_held() {
        let (mut buffers, mut input) = (Buffers::default(), BytesMut::new());
        let mut fill = |input: &mut BytesMut, byte: u8| {
            buffers.make_room(input, 0);
            let at = input.as_ptr();
            input.resize(input.capacity(), byte);
            (at, input.split().freeze())
        };
        let (first, held) = fill(&mut input, 1);
        let (second, dropped) = fill(&mut input, 2);
        drop(dropped);
        let (third, _) = fill(&mut input, 3);
        assert_ne!(third, first);
        let (fourth, _) = fill(&mut input, 4);
        assert_eq!(fourth, second);
        assert!(held.iter().all(|byte| *byte == 1));
        drop(held);
        let (fifth, _) = fill(&mut input, 5);
        assert_eq!(fifth, first);
    }

    #[test]
    fn what_is_read_already_moves_to_the_buffer_with_room_for_the_rest() {
        let (mut buffers, mut input) = (Buffers::default(), BytesMut::new());
        buffers.make_room(&mut input, 0);
        assert!(input.capacity() >= BUFFER_BYTES);
        input.extend_from_slice(b"begin");
        buffers.make_room(&mut input, 1024 * 1024);
        assert_eq!(&*input, b"begin");
        assert!(input.capacity() >= 1024 * 1024 + 5);
    }
}
