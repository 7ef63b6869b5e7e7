//! A file on its way to a computer, through either service, with its faults.

use bytes::{Bytes, BytesMut};

use super::fault::Fault;
use super::tree::Content;

pub(super) struct Sending {
    content: Content,
    fault: Option<Fault>,
    offset: u64,
    end: u64,
}

impl Sending {
    /// Sends `length` bytes at most, from `offset` on.
    pub(super) fn new(content: Content, fault: Option<Fault>, offset: u64, length: u64) -> Self {
        let size = match &fault {
            Some(Fault::SendMore(more)) => content.size() + more,
            Some(Fault::SendLess(less)) => content.size().saturating_sub(*less),
            _ => content.size(),
        };
        let end = size.min(offset.saturating_add(length));
        Self {
            content,
            fault,
            offset,
            end,
        }
    }

    /// The next piece; `None` at the end, and where the fault strikes.
    pub(super) fn next_piece(&mut self, most: usize) -> Option<Bytes> {
        let stop = self.stops_at().map_or(self.end, |at| at.min(self.end));
        let room = stop.saturating_sub(self.offset).min(most as u64);
        if room == 0 {
            return None;
        }
        let mut piece = BytesMut::from(self.content.read(self.offset, room as usize));
        piece.resize(room as usize, b'?');
        if let Some(Fault::FlipBit(at)) = self.fault
            && let Some(byte) = at
                .checked_sub(self.offset)
                .and_then(|at| piece.get_mut(at as usize))
        {
            *byte ^= 1;
        }
        self.offset += room;
        Some(piece.freeze())
    }

    /// What goes wrong now that no piece comes any more.
    pub(super) fn into_fault(self) -> Option<Fault> {
        let struck = self.stops_at().is_some_and(|at| self.offset >= at);
        self.fault.filter(|_| struck)
    }

    fn stops_at(&self) -> Option<u64> {
        match self.fault.as_ref()? {
            Fault::Stall(at)
            | Fault::Cut(at)
            | Fault::Restart(at, _)
            | Fault::HangStorage(at)
            | Fault::EndStream(at)
            | Fault::ReadError(at) => Some(*at),
            Fault::BadBlocks(bad) => {
                let ahead = bad.iter().filter(|(_, end)| self.offset < *end);
                ahead.map(|(start, _)| self.offset.max(*start)).min()
            }
            Fault::Nonsense(_) => Some(0),
            _ => None,
        }
    }
}
