//! Uploads whose bytes have arrived and which wait to be made items of a library, in batches.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::folder::upload::Upload;

/// Items in a batch.
const FULL: usize = 50;
/// A batch is not held back longer than this to be filled: tokens end after a day.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);

/// Uploads that are made items together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The title of the album that they are put into.
    pub(super) album: Option<String>,
    /// At most fifty.
    pub(super) items: Vec<Item>,
}

/// An upload whose bytes have arrived.
#[derive(Debug)]
pub(crate) struct Item {
    pub(super) upload: Upload,
    /// What the service gave for its bytes.
    pub(super) token: String,
    /// How often it was tried to make an item of it.
    pub(super) tries: u32,
}

/// What became of an item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// It is there, under this id.
    There(String),
    /// Its bytes have to be sent again: the service knows the token no more.
    TokenEnded(String),
    /// It may work a moment later.
    Again(String),
    /// The service does not take it.
    Refused(String),
    /// The service has no room left.
    NoRoom(String),
}

/// Batches that are being filled, one for each album.
#[derive(Debug, Default)]
pub(super) struct Batches {
    filling: Vec<Filling>,
}

#[derive(Debug)]
struct Filling {
    album: Option<String>,
    items: VecDeque<Item>,
    since: Instant,
}

impl Batches {
    pub(super) fn push(&mut self, album: Option<String>, item: Item) {
        match self.filling.iter_mut().find(|it| it.album == album) {
            Some(filling) => filling.items.push_back(item),
            None => self.filling.push(Filling {
                album,
                items: VecDeque::from([item]),
                since: Instant::now(),
            }),
        }
    }

    /// A batch that is full, or has waited for long; any, when nothing more is to come.
    pub(super) fn take(&mut self, is_last: bool) -> Option<Batch> {
        let at = self.filling.iter().position(|filling| {
            is_last || filling.items.len() >= FULL || filling.since.elapsed() >= LONGEST_WAIT
        })?;
        let filling = self.filling.get_mut(at)?;
        let count = filling.items.len().min(FULL);
        let items = filling.items.drain(..count).collect();
        let album = filling.album.clone();
        filling.since = Instant::now();
        if filling.items.is_empty() {
            self.filling.swap_remove(at);
        }
        Some(Batch { album, items })
    }
}

impl Batch {
    /// Two halves, when a service refuses the whole and does not say because of which item.
    pub(super) fn halves(mut self) -> (Self, Self) {
        let items = self.items.split_off(self.items.len() / 2);
        let album = self.album.clone();
        (self, Self { album, items })
    }
}
