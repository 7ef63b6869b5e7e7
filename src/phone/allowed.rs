//! Records which phones have allowed this computer, and when, to distinguish a phone that asks again from
//! a phone that never allowed it.
//!
//! In: a phone's name, as its route has it. Out: the seconds since 1970 of the last time. It is a
//! convenience: what cannot be read or written is passed over.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::home;

/// More than the notes ever have, in bytes.
const MAX_BYTES: u64 = 64 * 1024;
/// Phones remembered; the oldest are forgotten.
const MAX_PHONES: usize = 200;

/// Records that this phone has just allowed this computer.
pub(crate) fn note(name: &str) {
    let Some(path) = path() else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    if let Err(error) = note_in(&path, name, now) {
        tracing::debug!(%error, "it is not noted that a phone let this computer in");
    }
}

/// Returns when this phone last allowed this computer, in seconds since 1970.
pub(crate) fn last(name: &str) -> Option<u64> {
    last_in(&path()?, name)
}

/// Returns the path of the file `allowed` in this program's state folder.
fn path() -> Option<PathBuf> {
    Some(home::state()?.join("allowed"))
}

fn last_in(path: &Path, name: &str) -> Option<u64> {
    let known = read(path).ok()?;
    known
        .into_iter()
        .find_map(|(seconds, known)| (known == name).then_some(seconds))
}

/// Reads the records, newest first: each line is a time in seconds since 1970, a space, and the phone's name.
fn read(path: &Path) -> io::Result<Vec<(u64, String)>> {
    let text = home::read(path, MAX_BYTES)?;
    let line = |line: &str| {
        let (seconds, name) = line.split_once(' ')?;
        Some((seconds.parse().ok()?, name.to_owned()))
    };
    Ok(text.lines().filter_map(line).collect())
}

fn note_in(path: &Path, name: &str, now: u64) -> io::Result<()> {
    // The phone chose its name: one that would break the lines is not worth remembering.
    if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
        return Ok(());
    }
    let mut known = read(path).unwrap_or_default();
    known.retain(|(_, known)| known != name);
    known.insert(0, (now, name.to_owned()));
    known.truncate(MAX_PHONES);
    let lines: String = known
        .iter()
        .map(|(seconds, name)| format!("{seconds} {name}\n"))
        .collect();
    home::replace_private(path, lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn last_time_is_known_for_each_phone_and_nonsense_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rescue/allowed");
        assert_eq!(last_in(&path, "A"), None);
        note_in(&path, "A", 100).unwrap();
        note_in(&path, "B", 200).unwrap();
        note_in(&path, "A", 300).unwrap();
        note_in(&path, "C\n400 B", 400).unwrap();
        note_in(&path, "adb-X (2)._adb-tls-connect._tcp", 500).unwrap();
        assert_eq!(last_in(&path, "A"), Some(300));
        assert_eq!(last_in(&path, "B"), Some(200));
        assert_eq!(last_in(&path, "adb-X (2)._adb-tls-connect._tcp"), Some(500));
        fs::write(&path, "what\n\nx y\n7 D\n").unwrap();
        assert_eq!(last_in(&path, "D"), Some(7));
        assert_eq!(last_in(&path, "y"), None);
        for number in 0..300 {
            note_in(&path, &format!("P{number}"), number).unwrap();
        }
        assert_eq!(last_in(&path, "D"), None);
        assert_eq!(read(&path).unwrap().len(), MAX_PHONES);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
