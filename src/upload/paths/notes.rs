//! Notes that say who sends files to a folder, for services that overwrite files without asking.
//!
//! ```text
//! write our note -> list the folder -> another's note? then only names that hold the content's hash
//! ```
//!
//! Each writer writes its note before it lists: of two that start at the same time, at least one sees the other.
//! Names with the hash of the content never meet other content. A note is removed at the end; a note of a killed run
//! belongs to the next run of the same folder, and to nobody after a month.

use super::{Paths, joined, lock};
use crate::digest::Sha256;
use crate::names::{UploadPath, split_extension};
use crate::upload::problem::Problem;

/// How long a note is believed, in days.
const LIFE: i64 = 30;
const ENDING: &str = ".rescue-note";
const TEXT: &str = "rescue is sending files to this folder; it removes this note when it is done\n";
/// How much of a hash stands in the name of a file, in digits.
const HASH_DIGITS: usize = 16;

/// The name of a note: `.MARK.DAY.rescue-note`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoteName {
    mark: String,
    /// The day of the note, in days since 1970.
    day: i64,
}

impl NoteName {
    pub(super) fn of(name: &str) -> Option<Self> {
        let rest = name.strip_prefix('.')?.strip_suffix(ENDING)?;
        let (mark, day) = rest.split_once('.')?;
        Some(Self {
            mark: mark.to_owned(),
            day: day.parse().ok()?,
        })
    }

    fn name(&self) -> String {
        format!(".{}.{}{ENDING}", self.mark, self.day)
    }
}

impl Paths {
    fn our_note(&self) -> NoteName {
        NoteName {
            mark: self.owner.mark(),
            day: self.day,
        }
    }

    /// Returns whether this run has placed a note in a folder.
    pub(super) fn has_noted(&self, folder: &str) -> bool {
        let note = self.our_note().name();
        let notes = lock(&self.notes);
        notes.get(folder).is_some_and(|names| names.contains(&note))
    }

    /// Places a note in a folder: it tells other senders that this one sends files there. Senders that list the folder
    /// from then on see the note.
    pub(super) async fn note(&self, folder: &str) -> Result<(), Problem> {
        // Of many files of a folder the first one writes it: a server that is told the same thing three
        // times at once may end with a note that it says is not there.
        let _one_at_a_time = self.noting.lock().await;
        if self.has_noted(folder) {
            return Ok(());
        }
        let note = self.our_note();
        let path = self.spelt(&joined(folder, &note.name())).await?;
        self.store.note(&path, TEXT).await?;
        // What was listed before may lack what others sent until now.
        self.listings.forget(folder);
        self.add_note(folder, &note);
        Ok(())
    }

    /// Returns whether a note in a folder belongs to somebody else and is recent. A note of this sender is scheduled
    /// for removal, because a killed run may have left it.
    pub(super) fn is_of_others(&self, folder: &str, note: &NoteName) -> bool {
        if note.mark == self.owner.mark() {
            self.add_note(folder, note);
            return false;
        }
        self.day.saturating_sub(note.day) <= LIFE
    }

    /// Removes this sender's notes, once everything has been sent.
    pub(super) async fn remove_notes(&self) {
        let notes = std::mem::take(&mut *lock(&self.notes));
        for (folder, names) in notes {
            for name in names {
                // One that stays makes longer names for others, for a while.
                let _ = match self.spelt(&joined(&folder, &name)).await {
                    Ok(path) => self.store.remove(&path).await,
                    Err(problem) => Err(problem),
                };
            }
        }
    }

    fn add_note(&self, folder: &str, note: &NoteName) {
        let mut notes = lock(&self.notes);
        let names = notes.entry(folder.to_owned()).or_default();
        names.insert(note.name());
    }
}

/// Adds a part of the hash to the name: `a/IMG_1.jpg` becomes `a/IMG_1 (0123456789abcdef).jpg`.
pub(super) fn with_hash(path: &UploadPath, sha256: &Sha256) -> UploadPath {
    let mut digits = sha256.to_string();
    digits.truncate(HASH_DIGITS);
    path.marked(&digits)
}

/// Returns whether a path was made by [`with_hash`].
pub(super) fn has_hash(path: &str, sha256: &Sha256) -> bool {
    let mut digits = sha256.to_string();
    digits.truncate(HASH_DIGITS);
    let name = path.rsplit('/').next().unwrap_or_default();
    split_extension(name).0.ends_with(&format!(" ({digits})"))
}

pub(super) fn today() -> i64 {
    chrono::Utc::now().timestamp() / (24 * 60 * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_known_by_their_names() {
        let note = NoteName {
            mark: "0123".to_owned(),
            day: 20_000,
        };
        assert_eq!(note.name(), ".0123.20000.rescue-note");
        assert_eq!(NoteName::of(&note.name()), Some(note));
        for other in ["", ".rescue-note", "a.1.rescue-note", ".a.x.rescue-note"] {
            assert_eq!(NoteName::of(other), None, "{other}");
        }
    }

    #[test]
    fn names_with_a_hash_are_of_one_content() {
        let (one, two) = (Sha256::of(b"1"), Sha256::of(b"2"));
        let path = with_hash(&UploadPath::new("a/IMG_1.jpg").unwrap(), &one);
        assert_eq!(path.as_str(), "a/IMG_1 (6b86b273ff34fce1).jpg");
        assert!(has_hash(&path, &one) && !has_hash(&path, &two));
        assert!(!has_hash("a/IMG_1.jpg", &one));
    }
}
