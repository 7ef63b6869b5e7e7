//! The customer and the note of a case: as typed on the page, and as the rescue folder has them.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Notify;

use crate::folder::JobLabel;

/// Whose phone it is.
#[derive(Debug, Default, Serialize)]
pub(super) struct CaseLabel {
    #[serde(flatten)]
    text: JobLabel,
    /// Whether the folder has it, and the report shows it.
    is_written: bool,
    /// Whether the text was typed here, and not read from the folder.
    #[serde(skip)]
    is_typed: bool,
    /// Whether nobody tried to write it yet.
    #[serde(skip)]
    is_new: bool,
    #[serde(skip)]
    typed: Arc<Notify>,
}

impl CaseLabel {
    /// Takes what somebody typed.
    pub(super) fn take(&mut self, text: JobLabel) {
        self.text = text;
        (self.is_typed, self.is_new, self.is_written) = (true, true, false);
        self.typed.notify_one();
    }

    /// The folder has this one, which is shown unless another one was typed.
    pub(super) fn read(&mut self, text: JobLabel) {
        if !self.is_typed {
            self.text = text.clone();
        }
        self.is_written = self.text == text;
    }

    /// What was typed, for the pull that begins: the folder has it then.
    pub(super) fn for_pull(&mut self) -> Option<JobLabel> {
        self.is_new = false;
        self.is_typed.then(|| self.text.clone())
    }

    /// What was typed and nobody tried to write yet; once.
    pub(super) fn take_new(&mut self) -> Option<JobLabel> {
        std::mem::take(&mut self.is_new).then(|| self.text.clone())
    }

    /// What was typed and the folder does not have.
    pub(super) fn unwritten(&self) -> Option<JobLabel> {
        (self.is_typed && !self.is_written).then(|| self.text.clone())
    }

    /// Tells when one is typed.
    pub(super) fn typed(&self) -> Arc<Notify> {
        Arc::clone(&self.typed)
    }

    /// Empties it, for another phone. Whoever waits for a label to be typed still hears of the next one.
    pub(super) fn forget(&mut self) {
        *self = Self {
            typed: Arc::clone(&self.typed),
            ..Self::default()
        };
    }
}
