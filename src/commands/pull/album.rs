//! The album of a pull: files are examined as they arrive, and the page is written at the end. The page is for people
//! and proves nothing: if it cannot be written, the pull says so in one line and does not fail.

use crate::event::Events;
use crate::export::album::{self, Beside, ReceivedFiles};
use crate::folder::Folder;
use crate::pull::plan::Plan;
use crate::ui::plain;

/// What became of the album.
#[derive(Debug, PartialEq)]
pub(super) enum AlbumOutcome {
    /// The album shows the files of this pull.
    Current,
    /// The album shows an earlier state, or there is none.
    Failed(String),
}

impl AlbumOutcome {
    /// Returns the message for an album that failed.
    pub(super) fn line(&self) -> Option<String> {
        match self {
            Self::Current => None,
            Self::Failed(why) => Some(format!(
                "The page with the pictures (index.html) was not written: {}. The files are not affected",
                plain(why)
            )),
        }
    }
}

/// Starts examining files as they arrive, if the plan has any. The small pictures may use half of the space that the
/// files leave.
pub(super) fn begin(folder: &Folder, plan: &Plan) -> Option<Beside> {
    let (items, bytes) = plan.wanted();
    if items == 0 {
        return None;
    }
    let free = folder.free_bytes().unwrap_or(0);
    Beside::start(folder, free.saturating_sub(bytes) / 2).ok()
}

/// The events that the pull emits, heard by the album too.
pub(super) fn heard(beside: Option<&Beside>, events: &Events) -> Events {
    match beside {
        Some(beside) => beside.hear(events),
        None => events.clone(),
    }
}

/// Writes the album, unless it is there and nothing changed.
pub(super) fn end(folder: &Folder, looked: ReceivedFiles, is_as_before: bool) -> AlbumOutcome {
    if is_as_before && album::is_current(folder.root()) {
        return AlbumOutcome::Current;
    }
    match album::write_to_folder(folder, looked) {
        Ok(()) => AlbumOutcome::Current,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            AlbumOutcome::Failed(format!("{error}{}", cause.unwrap_or_default()))
        }
    }
}
