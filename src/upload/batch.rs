//! Uploads whose bytes have arrived and which wait to be made items of a library, in batches.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::folder::upload::Upload;

/// Items in a batch.
const FULL: usize = 50;
/// A batch is not held back longer than this to be filled: tokens end after a day.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);

/// Uploaded bytes that become items of the service in one request.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The title of the album for the items.
    pub(super) album: Option<String>,
    /// The items, at most fifty.
    pub(super) items: Vec<PledgedUpload>,
}

/// An upload whose bytes the service has received.
#[derive(Debug)]
pub(crate) struct PledgedUpload {
    pub(super) upload: Upload,
    /// The token that the service returned for the bytes.
    pub(super) token: String,
    /// How many attempts were made to create the item.
    pub(super) tries: u32,
}

/// The result of creating an item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    /// The item was created, with this id.
    There(String),
    /// The service no longer knows the token, so the bytes have to be sent again.
    TokenEnded(String),
    /// The attempt failed, but may succeed later.
    Again(String),
    /// The service refused the item.
    Refused(String),
    /// The service has no storage space left.
    NoRoom(String),
}

/// The batches being filled, one for each album.
#[derive(Debug, Default)]
pub(super) struct Batches {
    filling: Vec<Filling>,
}

#[derive(Debug)]
struct Filling {
    album: Option<String>,
    items: VecDeque<PledgedUpload>,
    since: Instant,
}

/// Whether more uploads can still join the batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchSupply {
    Continues,
    Ended,
}

impl Batches {
    pub(super) fn push(&mut self, album: Option<String>, item: PledgedUpload) {
        match self.filling.iter_mut().find(|it| it.album == album) {
            Some(filling) => filling.items.push_back(item),
            None => self.filling.push(Filling {
                album,
                items: VecDeque::from([item]),
                since: Instant::now(),
            }),
        }
    }

    /// Returns a batch that is full or has waited long enough; any batch if nothing can join it any more.
    pub(super) fn take(&mut self, supply: BatchSupply) -> Option<Batch> {
        let at = self.filling.iter().position(|filling| {
            let is_full = filling.items.len() >= FULL;
            is_full || supply == BatchSupply::Ended || filling.since.elapsed() >= LONGEST_WAIT
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
    /// Splits the batch into two halves. Used when a service refuses a batch without naming the item at fault.
    pub(super) fn halves(mut self) -> (Self, Self) {
        let items = self.items.split_off(self.items.len() / 2);
        let album = self.album.clone();
        (self, Self { album, items })
    }
}
