//! Determines how far other bytes equal those of a file to be sent.

use super::place::{OpenSource, Origin, read_exactly};
use crate::upload::problem::Problem;

/// Compares a sequence of bytes with a file, from the file's beginning.
pub(in crate::upload) struct Comparison {
    file: OpenSource,
    left: u64,
    buffer: Vec<u8>,
    same: u64,
    /// Set once comparing has ended: the bytes differ, the file has ended, or it cannot be read.
    ended: Result<bool, Problem>,
}

impl Comparison {
    pub(super) fn with(place: &Origin, size: u64) -> Result<Self, Problem> {
        Ok(Self {
            file: place.open(size)?,
            left: size,
            buffer: Vec::new(),
            same: 0,
            ended: Ok(false),
        })
    }

    /// Compares the next bytes.
    pub(in crate::upload) fn next(&mut self, bytes: &[u8]) {
        if self.ended != Ok(false) {
            return;
        }
        let length = usize::try_from(self.left).unwrap_or(usize::MAX);
        let bytes = bytes.get(..length).unwrap_or(bytes);
        self.buffer.resize(bytes.len(), 0);
        if let Err(problem) = read_exactly(&mut self.file, &mut self.buffer) {
            self.ended = Err(problem);
            return;
        }
        let pairs = self.buffer.iter().zip(bytes);
        let same = match self.buffer == bytes {
            true => bytes.len(),
            false => pairs.take_while(|(ours, theirs)| ours == theirs).count(),
        };
        self.same += same as u64;
        self.left -= bytes.len() as u64;
        self.ended = Ok(same < bytes.len() || self.left == 0);
    }

    /// Returns how many bytes from the beginning were equal.
    pub(in crate::upload) fn same_bytes(self) -> Result<u64, Problem> {
        self.ended.map(|_| self.same)
    }
}
