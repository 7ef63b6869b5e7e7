//! A path below `data/` that is safe to use, whoever wrote it.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

use super::spelling::{MAX_NAME_BYTES, is_refused_by_windows, replacement};

/// The longest [`LocalPath`], in bytes; [`Names`](super::Names) makes none of more than some 1,000.
pub const MAX_LOCAL_BYTES: usize = 2048;

/// A path below `data/`: UTF-8, components separated by `/`, as in `internal/DCIM/IMG_1.jpg`.
///
/// Every component is a single plain name: not empty, not `.` or `..`, at most 255 bytes, without
/// backslashes, control characters or anything else that [`spell`](super::spell) replaces. So it
/// cannot leave `data/`, and it stands in a manifest as it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalPath(Box<str>);

/// Why a text is no [`LocalPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocalPathError {
    /// Longer than [`MAX_LOCAL_BYTES`], or a component longer than 255 bytes.
    #[error("the path or a part of it is too long")]
    TooLong,
    /// A component that is empty (also what an absolute path begins with), that Windows takes for a device, or
    /// that ends with a dot or a space, as `.` and `..` do.
    #[error("a part of the path is empty, a device's name, or ends with '.' or a space")]
    BadComponent,
    /// A character that no local name holds.
    #[error("the path holds the character {0:?}")]
    BadCharacter(char),
}

impl LocalPath {
    /// Checks a path that comes from a catalogue or a manifest, neither of which is trusted.
    pub fn new(text: &str) -> Result<Self, LocalPathError> {
        if text.len() > MAX_LOCAL_BYTES {
            return Err(LocalPathError::TooLong);
        }
        for component in text.split('/') {
            if component.is_empty() {
                return Err(LocalPathError::BadComponent);
            }
            if component.len() > MAX_NAME_BYTES {
                return Err(LocalPathError::TooLong);
            }
            // As no disk of Windows has it: there `a.` is `a`, and `nul` is no file.
            if is_refused_by_windows(component) {
                return Err(LocalPathError::BadComponent);
            }
            if let Some(bad) = component.chars().find(|c| replacement(*c).is_some()) {
                return Err(LocalPathError::BadCharacter(bad));
            }
        }
        Ok(Self(text.into()))
    }

    /// What a walk found below `data/`; `None` when it is no such path.
    pub(crate) fn of_found(below: &Path) -> Option<Self> {
        // By its names: between them stands what the system writes there.
        let names = below.components().map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        Self::new(&names.collect::<Option<Vec<_>>>()?.join("/")).ok()
    }

    /// A path of names that [`Names`](super::Names) chose.
    pub(crate) fn joined(names: &[&str]) -> Self {
        Self(names.join("/").into())
    }

    /// The path as text, relative to `data/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names from the volume's folder down to the file.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        self.0.split('/')
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder that holds this; `None` right below `data/`.
    pub fn parent(&self) -> Option<Self> {
        self.0
            .rsplit_once('/')
            .map(|(parent, _)| Self(parent.into()))
    }
}

/// A path below a folder as text, with `/` between its names on every system; what is not Unicode is replaced.
pub(crate) fn with_slashes(below: &Path) -> String {
    let names = below.iter().map(OsStr::to_string_lossy);
    names.collect::<Vec<_>>().join("/")
}

impl FromStr for LocalPath {
    type Err = LocalPathError;

    fn from_str(text: &str) -> Result<Self, LocalPathError> {
        Self::new(text)
    }
}

impl fmt::Display for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl serde::Serialize for LocalPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_walk_finds_has_one_local_path_on_every_system() {
        let found: std::path::PathBuf = ["internal", "DCIM", "1.jpg"].iter().collect();
        let local = LocalPath::of_found(&found).unwrap();
        assert_eq!(local.as_str(), "internal/DCIM/1.jpg");
        assert_eq!(with_slashes(&found), "internal/DCIM/1.jpg");
        assert_eq!(
            LocalPath::of_found(Path::new("..").join("a").as_path()),
            None
        );
    }

    #[test]
    fn local_paths_that_leave_data_are_refused() {
        use LocalPathError::*;
        for (text, error) in [
            ("", BadComponent),
            ("/etc/passwd", BadComponent),
            ("a//b", BadComponent),
            ("a/", BadComponent),
            ("a/../../b", BadComponent),
            ("./a", BadComponent),
            ("a/b./c", BadComponent),
            ("a ", BadComponent),
            ("a/nul.jpg", BadComponent),
            ("a\0b", BadCharacter('\0')),
            ("a\\..\\b", BadCharacter('\\')),
            ("c:x", BadCharacter(':')),
            ("a\nb", BadCharacter('\n')),
            ("a%0Ab", BadCharacter('%')),
            ("a\u{202E}b", BadCharacter('\u{202E}')),
            (&"x".repeat(256), TooLong),
            (&"x/".repeat(1100), TooLong),
        ] {
            assert_eq!(LocalPath::new(text), Err(error), "{text:?}");
        }
        assert!(LocalPath::new("internal/DCIM/été (2).jpg").is_ok());
    }
}
