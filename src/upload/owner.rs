//! Marks temporary names on a remote as those of this computer's user and of one rescue folder.
//!
//! Two people may send to the same place at the same time. A part of a file, or a note, has a name that the other one
//! never uses, and that the next run recognises.

use std::path::Path;

use crate::digest::{Hasher, Sha256};
use crate::home;

/// How much of a hash stands in a name, in digits.
const DIGITS: usize = 24;
/// The file beside the settings that tells this user from all others.
const FILE: &str = "owner";
const MAX_FILE_BYTES: u64 = 100;

/// The sender of files: a user of this computer, with a rescue folder. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct Owner(Sha256);

impl Owner {
    /// Returns the sender for a rescue folder. Without a home folder it is different in each run, so leftovers of a
    /// killed run are not recognised, which is harmless.
    pub(crate) fn of(folder: Option<&Path>) -> Self {
        let user = known().unwrap_or_else(|| random_name().into_bytes());
        let folder = folder.map(|folder| {
            let whole = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
            whole.into_os_string().into_encoded_bytes()
        });
        Self(hash(&[&user, &folder.unwrap_or_default()]))
    }

    /// Returns the mark that distinguishes this sender in file names.
    pub(crate) fn mark(&self) -> String {
        shortened(hash(&[&self.0.0, b"mark"]))
    }

    /// Returns a name that only this sender uses, and only for this purpose.
    pub(crate) fn name_for(&self, what: &[&[u8]]) -> String {
        let mut all = vec![self.0.0.as_slice()];
        all.extend(what);
        shortened(hash(&all))
    }
}

/// Returns the content of the file that identifies the user; creates it the first time.
fn known() -> Option<Vec<u8>> {
    let file = home::config()?.join(FILE);
    let read = || home::read(&file, MAX_FILE_BYTES).ok();
    if let Some(text) = read().filter(|text| !text.is_empty()) {
        return Some(text.into_bytes());
    }
    home::create_private_folder(file.parent()?).ok()?;
    // Of two that make it at once, one wins.
    home::write_new(&file, random_name().as_bytes(), 0o600).ok()?;
    read()
        .filter(|text| !text.is_empty())
        .map(String::into_bytes)
}

/// Returns a random name that nobody else uses.
pub(crate) fn random_name() -> String {
    let mut bytes = [0; 32];
    if getrandom::fill(&mut bytes).is_err() {
        // Better than nothing: time and process tell most runs apart.
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since.unwrap_or_default().as_nanos().to_le_bytes();
        let process = std::process::id().to_le_bytes();
        return shortened(hash(&[&nanos, &process]));
    }
    shortened(hash(&[&bytes]))
}

/// Each with its length, so that no two lists are the same bytes.
fn hash(parts: &[&[u8]]) -> Sha256 {
    let mut hasher = Hasher::default();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finish()
}

fn shortened(hash: Sha256) -> String {
    let mut digits = hash.to_string();
    digits.truncate(DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_an_owners_own_and_the_same_again() {
        let owner = |user: u8| Owner(Sha256::of(&[user]));
        let name = owner(1).name_for(&[b"a", b"b"]);
        assert_eq!(name, owner(1).name_for(&[b"a", b"b"]));
        assert_eq!(name.len(), DIGITS);
        for other in [
            owner(2).name_for(&[b"a", b"b"]),
            owner(1).name_for(&[b"ab"]),
            owner(1).name_for(&[b"a", b"c"]),
            owner(1).mark(),
            random_name(),
        ] {
            assert_ne!(name, other);
        }
        assert_ne!(owner(1).mark(), owner(2).mark());
        assert_ne!(random_name(), random_name());
    }
}
