//! The one switch that stops a run: set once, visible to every task and thread.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::{Error, Kind};

/// Stops a run, for a reason; cheap to clone.
#[derive(Debug, Clone)]
pub struct Halt {
    set: watch::Sender<bool>,
    reason: Arc<Mutex<Option<Error>>>,
}

impl Halt {
    /// Nothing has stopped yet.
    pub fn new() -> Self {
        Self {
            set: watch::Sender::new(false),
            reason: Arc::default(),
        }
    }

    /// A switch of its own that is set when this one is, for the same reason; not the other way.
    pub fn child(&self) -> Self {
        let child = Self::new();
        let (parent, own) = (self.clone(), child.clone());
        tokio::spawn(async move {
            parent.stopped().await;
            let same = parent.lock().as_ref().map(|reason| {
                let mut same = Error::new(reason.kind, reason.message.clone());
                same.hint.clone_from(&reason.hint);
                same
            });
            own.stop(same.unwrap_or_else(|| Error::new(Kind::Interrupted, "stopped")));
        });
        child
    }

    /// Stops the run; the first reason counts.
    pub fn stop(&self, error: Error) {
        self.lock().get_or_insert(error);
        self.set.send_replace(true);
    }

    /// Whether the run was stopped.
    pub fn is_set(&self) -> bool {
        *self.set.borrow()
    }

    /// Returns when the run is stopped.
    pub async fn stopped(&self) {
        let mut watching = self.set.subscribe();
        // The sender lives as long as `self`.
        let _ = watching.wait_for(|set| *set).await;
    }

    /// Takes the reason; the run stays stopped.
    pub fn take_reason(&self) -> Option<Error> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Error>> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Halt {
    fn default() -> Self {
        Self::new()
    }
}
