//! Names of incomplete files on a remote that can rename files.
//!
//! A name is used once: it ends in random digits. Another attempt never writes under it, two files with the same
//! bytes do not meet, and nobody can plant something where a file will be written.
//!
//! ```text
//! .MMMMMMMM-SSSSSSSS-RRRRRRRRRRRRRRRR.rescue-part
//! ```
//!
//! `M` marks the rescue folder that the file comes from, so that a listing recognises what an earlier run left. `S`
//! is the beginning of the file's SHA-256. Neither proves anything: a left part is resumed only if its bytes are
//! those of the file. `R` is random.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::folder_of;
use super::owner::Owner;
use super::source::Source;
use crate::digest::Sha256;
use crate::folder::upload::SMALL_BYTES;

/// What such a name ends with.
pub(super) const PART: &str = ".rescue-part";
/// The digits of the mark, and of the SHA-256.
const DIGITS: usize = 8;
const RANDOM_DIGITS: usize = 16;

/// The names of partial files on one remote: those that this run uses and those that earlier runs left.
#[derive(Debug)]
pub(crate) struct PartNames {
    state: Mutex<KnownParts>,
}

#[derive(Debug)]
struct KnownParts {
    mark: String,
    /// The files that this run is writing, by folder and name.
    in_use: BTreeSet<(String, String)>,
    /// The files that earlier runs, or earlier attempts of this run, left, by folder.
    left: HashMap<String, BTreeSet<String>>,
}

impl Default for PartNames {
    /// Creates a state that recognises no partial files of earlier runs.
    fn default() -> Self {
        let state = KnownParts {
            mark: random(DIGITS),
            in_use: BTreeSet::new(),
            left: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

impl PartNames {
    /// Recognises partial files that earlier runs left from the same rescue folder.
    pub(crate) fn come_from(&self, rescue_folder: Sha256) {
        self.state().mark = digits(&rescue_folder);
    }

    /// Returns a new name and marks it as in use.
    pub(crate) fn fresh(&self, folder: &str, sha256: &Sha256) -> String {
        let mut state = self.state();
        let name = format!(
            ".{}-{}-{}{PART}",
            state.mark,
            digits(sha256),
            random(RANDOM_DIGITS)
        );
        state.in_use.insert((folder.to_owned(), name.clone()));
        name
    }

    /// Returns the name of a partial file left in a folder, if there is one, and marks it as in use.
    pub(crate) fn left_of(&self, folder: &str, sha256: &Sha256) -> Option<String> {
        let mut state = self.state();
        let begin = format!(".{}-{}-", state.mark, digits(sha256));
        let left = state.left.get_mut(folder)?;
        let name = left.iter().find(|name| name.starts_with(&begin))?.clone();
        left.remove(&name);
        state.in_use.insert((folder.to_owned(), name.clone()));
        Some(name)
    }

    /// Marks a name as free because its file no longer exists.
    pub(crate) fn done(&self, folder: &str, name: &str) {
        let key = (folder.to_owned(), name.to_owned());
        self.state().in_use.remove(&key);
    }

    /// Marks a name as free and its file as resumable.
    pub(crate) fn leave(&self, folder: &str, name: &str) {
        let key = (folder.to_owned(), name.to_owned());
        let mut state = self.state();
        state.in_use.remove(&key);
        let left = state.left.entry(folder.to_owned()).or_default();
        left.insert(name.to_owned());
    }

    /// Records a name found in the listing of a folder. Returns `true` if the file should be removed: a small file is
    /// sent again faster than its partial copy is examined.
    pub(crate) fn seen(&self, folder: &str, name: &str, size: Option<u64>) -> bool {
        let Some(size) = size.filter(|_| is_part(name)) else {
            return false;
        };
        let mut state = self.state();
        let key = (folder.to_owned(), name.to_owned());
        let is_ours = name.get(1..=DIGITS) == Some(&state.mark);
        if !is_ours || state.in_use.contains(&key) {
            return false;
        }
        if size > SMALL_BYTES {
            state.left.entry(key.0).or_default().insert(key.1);
            return false;
        }
        if let Some(left) = state.left.get_mut(folder) {
            left.remove(name);
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, KnownParts> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the path under which a file is written until it is complete.
pub(crate) fn part_of(owner: &Owner, path: &str, source: &Source) -> String {
    let folder = folder_of(path);
    // Not of the file's own name there: that may turn out to be taken.
    let name = owner.name_for(&[folder.as_bytes(), &source.origin(), &source.sha256.0]);
    match folder {
        "" => format!(".{name}{PART}"),
        folder => format!("{folder}/.{name}{PART}"),
    }
}

/// Returns whether a name is that of a partial file, from any rescue folder.
fn is_part(name: &str) -> bool {
    let parts = name
        .strip_prefix('.')
        .and_then(|name| name.strip_suffix(PART));
    let lengths = [DIGITS, DIGITS, RANDOM_DIGITS];
    parts.is_some_and(|parts| {
        parts.split('-').map(str::len).eq(lengths)
            && parts
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
    })
}

fn digits(sha256: &Sha256) -> String {
    let mut digits = sha256.to_string();
    digits.truncate(DIGITS);
    digits
}

fn random(digits: usize) -> String {
    let mut bytes = [0; RANDOM_DIGITS / 2];
    if getrandom::fill(&mut bytes).is_err() {
        // Without it a name can be guessed; it is still created only where nothing bears it.
        use std::hash::{BuildHasher as _, RandomState};
        bytes = RandomState::new().hash_one(digits).to_le_bytes();
    }
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_used_once_and_known_again_by_the_same_rescue_folder() {
        let (video, folder) = (Sha256::of(b"video"), Sha256::of(b"folder"));
        let names = PartNames::default();
        names.come_from(folder);
        let (one, two) = (names.fresh("a", &video), names.fresh("a", &video));
        assert_ne!(one, two);
        assert!(is_part(&one) && one.len() < 64, "{one}");
        let large = Some(SMALL_BYTES + 1);
        // What is in use is nobody's leaving.
        assert!(!names.seen("a", &one, Some(1)));
        assert!(!names.seen("a", &one, large));
        assert_eq!(names.left_of("a", &video), None);

        let next_run = PartNames::default();
        next_run.come_from(folder);
        assert!(!next_run.seen("a", &one, large));
        assert!(!next_run.seen("a", &two, large));
        assert_eq!(next_run.left_of("b", &video), None);
        assert_eq!(next_run.left_of("a", &Sha256::of(b"other")), None);
        let mut found = [1, 2].map(|_| next_run.left_of("a", &video).unwrap());
        found.sort();
        let mut made = [one.clone(), two];
        made.sort();
        assert_eq!(found, made);
        assert_eq!(next_run.left_of("a", &video), None);
        next_run.leave("a", &one);
        assert_eq!(next_run.left_of("a", &video), Some(one.clone()));
        next_run.done("a", &one);
        assert!(next_run.seen("a", &one, Some(5)), "small: it is removed");

        let other = PartNames::default();
        other.come_from(Sha256::of(b"another folder"));
        assert!(!other.seen("a", &one, Some(5)));
        assert!(!other.seen("a", &one, large));
        assert_eq!(other.left_of("a", &video), None);
    }

    #[test]
    fn only_such_names_are_taken_for_parts() {
        for name in [
            ".rescue-part",
            "0123abcd-0123abcd-0123456789abcdef.rescue-part",
            ".0123abcd-0123abcd-0123456789abcdef.jpg",
            ".0123abcd-0123abcd-0123456789abcdeg.rescue-part",
            ".0123abcd0123abcd-0123456789abcdef.rescue-part",
            ".0123abcd-0123abcd-0123456789abcdef-.rescue-part",
            ".ä123abcd-0123abcd-0123456789abcdef.rescue-part",
        ] {
            assert!(!is_part(name), "{name}");
        }
    }
}
