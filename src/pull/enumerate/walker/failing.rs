//! Folders that keep the phone from answering: what they listed is taken back, and they come again later or are given
//! up.

use super::super::tally::ListingTally;
use super::{MAX_FOLDER_ENTRIES, PendingFolder, Walker};
use crate::folder::{Reason, ReasonCode};
use crate::phone::PhoneError;

/// How often a folder may keep the phone from answering before it is given up.
const MAX_FAILURES: u32 = 3;
/// How often one folder after the other may keep the phone silent before it is the phone.
const MAX_SILENCES: u32 = 4;

/// The state of the walk before the current folder, to return to if its listing fails.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Savepoint {
    waiting: usize,
    items: usize,
    refused: usize,
    undecided: usize,
    pub(super) entries: u64,
    path_bytes: usize,
}

impl Walker<'_> {
    pub(super) fn mark(&self) -> Savepoint {
        Savepoint {
            waiting: self.waiting.len(),
            items: self.found.items.len(),
            refused: self.found.refused.len(),
            undecided: self.undecided.len(),
            entries: self.entries,
            path_bytes: self.path_bytes,
        }
    }

    /// Lists a folder again later, or gives it up, after the phone stopped answering while listing it. An error means
    /// that the phone itself is gone.
    pub(super) fn blame(
        &mut self,
        mut folder: PendingFolder,
        mark: &Savepoint,
        error: PhoneError,
    ) -> Result<(), PhoneError> {
        tracing::debug!(path = ?folder.path, %error, "a folder is not listed to its end");
        folder.failures += 1;
        if folder.failures >= MAX_FAILURES {
            self.count_folder(&folder);
            // What came of it is better than nothing.
            let words = format!("the phone stopped while it listed this folder: {error}");
            self.refuse(folder.path, Reason::new(ReasonCode::PhoneIo, words));
            self.settled_folders += 1;
            self.silences = 0;
        } else {
            self.found.items.truncate(mark.items);
            self.found.refused.truncate(mark.refused);
            self.undecided.truncate(mark.undecided);
            self.folder_tally = ListingTally::default();
            (self.entries, self.path_bytes) = (mark.entries, mark.path_bytes);
            self.waiting.truncate(mark.waiting);
            self.waiting.push_back(folder);
        }
        match error {
            // Each costs its time, and one folder after the other may be on storage that hangs.
            PhoneError::Idle { .. } => {
                self.silences += 1;
                match self.silences < MAX_SILENCES {
                    true => Ok(()),
                    false => Err(error),
                }
            }
            // Whether it is the phone shows when the next stream is opened.
            PhoneError::Sync(_) | PhoneError::StreamEnded { .. } => Ok(()),
            _ => Err(error),
        }
    }

    /// Keeps what an endless folder has listed, each entry once, because some phones start again in the middle.
    pub(super) fn give_up_endless(&mut self, folder: PendingFolder, mark: &Savepoint) {
        self.found.items.drop_twins_from(mark.items);
        let mut folders = self.waiting.split_off(mark.waiting);
        folders
            .make_contiguous()
            .sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let mut folders = Vec::from(folders);
        folders.dedup_by(|a, b| a.path == b.path);
        self.waiting.extend(folders);
        self.count_folder(&folder);
        let words =
            format!("it lists more than {MAX_FOLDER_ENTRIES} entries, and perhaps without end");
        self.refuse(folder.path, Reason::new(ReasonCode::Other, words));
        self.settled_folders += 1;
    }
}
