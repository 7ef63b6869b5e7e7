//! Counts the sent bytes of a file, and limits their rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::{Event, Events};
use crate::upload::limit::Limit;

/// Counts the bytes of one file; its clones count together.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    limit: Arc<Limit>,
    events: Events,
    told: Arc<AtomicU64>,
}

impl Meter {
    /// One that nothing has passed, under the limit of the run.
    pub(super) fn new(limit: Arc<Limit>, events: Events) -> Self {
        Self {
            limit,
            events,
            told: Arc::default(),
        }
    }

    /// Returns when so many bytes may be sent; they count as sent then.
    pub(super) async fn pass(&self, bytes: usize) {
        self.limit.take(bytes).await;
        self.tell(bytes as u64);
    }

    /// Tells that bytes count as sent.
    pub(super) fn tell(&self, bytes: u64) {
        self.told.fetch_add(bytes, Ordering::Relaxed);
        self.events.emit(Event::Received { bytes });
    }

    /// Takes back what was told.
    pub(super) fn withdraw(&self) {
        let bytes = self.told.swap(0, Ordering::Relaxed);
        if bytes > 0 {
            self.events.emit(Event::Discarded { bytes });
        }
    }
}
