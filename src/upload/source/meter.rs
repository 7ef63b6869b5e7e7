//! Counts the sent bytes of a file, and limits their rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::{Event, Events};
use crate::upload::limit::Limit;

/// Counts the sent bytes of one file. All clones share the count.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    limit: Arc<Limit>,
    events: Events,
    told: Arc<AtomicU64>,
}

impl Meter {
    /// Creates a meter at zero, which observes the run's rate limit.
    pub(super) fn new(limit: Arc<Limit>, events: Events) -> Self {
        Self {
            limit,
            events,
            told: Arc::default(),
        }
    }

    /// Waits until this many bytes may be sent, and counts them as sent.
    pub(super) async fn pass(&self, bytes: usize) {
        self.limit.take(bytes).await;
        self.tell(bytes as u64);
    }

    /// Reports that bytes count as sent.
    pub(super) fn tell(&self, bytes: u64) {
        self.told.fetch_add(bytes, Ordering::Relaxed);
        self.events.emit(Event::Received { bytes });
    }

    /// Takes back the bytes reported so far.
    pub(super) fn withdraw(&self) {
        let bytes = self.told.swap(0, Ordering::Relaxed);
        if bytes > 0 {
            self.events.emit(Event::Discarded { bytes });
        }
    }
}
