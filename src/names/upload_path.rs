//! A path below a remote's root that cannot lead out of it, whoever wrote it.

use std::fmt;
use std::ops::Deref;

use super::spelling::{digest_mark, replacement, split_extension};

/// The longest [`UploadPath`], in bytes; no service takes a longer one.
const MAX_BYTES: usize = 4096;
/// The longest name in one, in bytes: the longest local name, and a number for a namesake.
const MAX_NAME_BYTES: usize = 300;

/// Where a file goes below a remote's root: names separated by `/`, as `phone/internal/IMG_1.jpg`.
///
/// Each is a single plain name: not empty, not `.` or `..`, without backslashes, control
/// characters or anything else that [`spell`](super::spell) replaces.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct UploadPath(Box<str>);

/// Why a text is not an [`UploadPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UploadPathError {
    /// Longer than 4,096 bytes, or a name longer than 300 bytes.
    #[error("the path or a part of it is too long")]
    TooLong,
    /// An empty, `.` or `..` name; also what an absolute path begins with.
    #[error("a part of the path is empty, '.' or '..'")]
    BadName,
    /// A character that no name of ours holds.
    #[error("the path holds the character {0:?}")]
    BadCharacter(char),
}

impl UploadPath {
    /// Checks a path from a catalogue, which is not trusted, or one that was just made.
    pub fn new(text: &str) -> Result<Self, UploadPathError> {
        if text.len() > MAX_BYTES {
            return Err(UploadPathError::TooLong);
        }
        for name in text.split('/') {
            if matches!(name, "" | "." | "..") {
                return Err(UploadPathError::BadName);
            }
            if name.len() > MAX_NAME_BYTES {
                return Err(UploadPathError::TooLong);
            }
            if let Some(bad) = name.chars().find(|c| replacement(*c).is_some()) {
                return Err(UploadPathError::BadCharacter(bad));
            }
        }
        Ok(Self(text.into()))
    }

    /// The path of a file whose names were spelt just now; a mark of it where it has become too long.
    pub(crate) fn of_spelt(text: &str) -> Self {
        let marked = || Self(format!("deep~{}", digest_mark(text.as_bytes())).into());
        Self::new(text).unwrap_or_else(|_| marked())
    }

    /// `a/IMG_1.jpg` with 2 becomes `a/IMG_1 (2).jpg`; a name that is too long then is cut.
    pub(crate) fn numbered(&self, number: u32) -> Self {
        self.marked(&number.to_string())
    }

    /// The same with any short mark in the parentheses.
    pub(crate) fn marked(&self, mark: &str) -> Self {
        let (folder, name) = match self.0.rsplit_once('/') {
            Some((folder, name)) => (format!("{folder}/"), name),
            None => (String::new(), &*self.0),
        };
        let (stem, extension) = split_extension(name);
        let ending = format!(" ({mark}){extension}");
        let room = MAX_NAME_BYTES
            .min(MAX_BYTES - folder.len())
            .saturating_sub(ending.len());
        let cut = (0..=stem.len().min(room))
            .rev()
            .find_map(|end| stem.get(..end));
        Self(format!("{folder}{}{ending}", cut.unwrap_or_default()).into())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for UploadPath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<UploadPath> for String {
    fn from(path: UploadPath) -> Self {
        path.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namesakes_get_a_number_before_the_ending() {
        let numbered = |path, number| UploadPath::new(path).unwrap().numbered(number).0;
        assert_eq!(&*numbered("a/IMG.jpg", 2), "a/IMG (2).jpg");
        assert_eq!(&*numbered("x", 3), "x (3)");
        assert_eq!(&*numbered("a.b/.nomedia", 2), "a.b/.nomedia (2)");
        let mut long = UploadPath::new(&format!("a/{}.jpg", "é".repeat(125))).unwrap();
        for number in 1..30 {
            long = long.numbered(u32::MAX - number);
            assert_eq!(UploadPath::new(&long), Ok(long.clone()));
        }
        assert!(long.ends_with(").jpg"), "{long}");
    }

    #[test]
    fn paths_that_leave_a_remote_are_refused() {
        use UploadPathError::*;
        for (text, error) in [
            ("", BadName),
            (".", BadName),
            ("..", BadName),
            ("../victim/x.jpg", BadName),
            ("a/../../x", BadName),
            ("/etc/passwd", BadName),
            ("a//b", BadName),
            ("a/", BadName),
            ("a/./b", BadName),
            ("a\\..\\b", BadCharacter('\\')),
            ("c:/x", BadCharacter(':')),
            ("a\0b", BadCharacter('\0')),
            ("a\u{1b}[2Jb", BadCharacter('\u{1b}')),
            ("a\u{202e}gpj.exe", BadCharacter('\u{202e}')),
            ("a\u{9b}2J", BadCharacter('\u{9b}')),
            (&"x".repeat(301), TooLong),
            (&"x/".repeat(3000), TooLong),
        ] {
            assert_eq!(UploadPath::new(text), Err(error), "{text:?}");
        }
        for text in [
            "x",
            "phone/internal/été (2).jpg",
            "2024/2024-05/IMG_1.jpg",
            "a/...x",
        ] {
            assert_eq!(UploadPath::new(text).unwrap().as_str(), text);
        }
    }
}
