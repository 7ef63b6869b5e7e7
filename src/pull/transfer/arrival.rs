//! What one stream requested, and what of it arrived.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::super::task::Task;
use super::super::window::FILE_OVERHEAD;
use crate::item::Item;

/// Pieces up to this size together are kept as one, in bytes.
const SCRAP_BYTES: usize = 4096;
/// Sizes modulo this are all that sync v1 tells.
const V1_MODULUS: u64 = 1 << 32;

/// What a stream asked for and has not got to its end, in order.
#[derive(Default)]
pub(super) struct RequestedFiles {
    pub(super) tasks: VecDeque<Arc<Task>>,
    bytes: u64,
}

impl RequestedFiles {
    pub(super) fn push(&mut self, task: Arc<Task>) {
        self.bytes = self.bytes.saturating_add(weight(&task));
        self.tasks.push_back(task);
    }

    pub(super) fn pop(&mut self) {
        if let Some(task) = self.tasks.pop_front() {
            self.bytes = self.bytes.saturating_sub(weight(&task));
        }
    }

    /// Bytes that have not come, when so many came of the first file.
    pub(super) fn ahead(&self, received: u64) -> u64 {
        self.bytes.saturating_sub(received)
    }
}

fn weight(task: &Task) -> u64 {
    task.item.size.saturating_add(FILE_OVERHEAD)
}

/// The file that is arriving.
#[derive(Default)]
pub(super) struct Arrival {
    /// Bytes up to now.
    pub(super) received: u64,
    /// The pieces of a small file, until it is whole.
    pub(super) pieces: Vec<Bytes>,
    /// Whether its pieces go to the writer one by one.
    pub(super) begun: bool,
}

impl Arrival {
    /// Keeps a piece of a small file. Scraps are joined: a piece costs more memory than a scrap
    /// has bytes, and a phone can send any number of them.
    pub(super) fn keep(&mut self, bytes: Bytes) {
        match self
            .pieces
            .pop_if(|last| last.len() + bytes.len() <= SCRAP_BYTES)
        {
            Some(last) => match last.try_into_mut() {
                Ok(mut last) => {
                    last.extend_from_slice(&bytes);
                    self.pieces.push(last.freeze());
                }
                Err(last) => {
                    let mut joined = BytesMut::with_capacity(SCRAP_BYTES);
                    joined.extend_from_slice(&last);
                    joined.extend_from_slice(&bytes);
                    self.pieces.push(joined.freeze());
                }
            },
            None => self.pieces.push(bytes),
        }
    }

    /// Hands over what arrived; nothing has arrived of the next file.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

/// Returns whether so many bytes are all of an item.
pub(super) fn is_whole(item: &Item, received: u64) -> bool {
    match item.size_is_exact {
        true => received == item.size,
        false => received % V1_MODULUS == item.size,
    }
}
