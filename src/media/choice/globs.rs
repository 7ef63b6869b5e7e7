//! Glob patterns for files: the case does not count, and each pattern means the same in every command.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::folders::in_data;
use crate::adb::RemotePath;
use crate::error::{Error, Kind};
use crate::names::LocalPath;

/// Glob patterns: the case does not count, `*` does not cross a `/`, `**` does.
#[derive(Debug, Clone, Default)]
pub struct Globs(GlobSet);

/// Where a file lies besides its path on the phone.
#[derive(Debug, Clone, Copy)]
pub enum Spot<'a> {
    /// On a volume with this root, whose folder below `data/` has this name.
    Volume(&'a RemotePath, &'a str),
    /// In the rescue folder.
    Pulled(&'a LocalPath),
}

impl Globs {
    /// Patterns as a person writes them.
    pub fn new(patterns: &[String]) -> Result<Self, Error> {
        globs(patterns).map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them matches a file, by any of its whole paths: the one on the phone
    /// (`/storage/emulated/0/DCIM/a.jpg`), the one below its storage (`DCIM/a.jpg`), and the one in the
    /// rescue folder (`internal/DCIM/a.jpg`). So a pattern means the same in every command.
    pub fn matches(&self, path: &RemotePath, spot: Spot<'_>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        if self.0.is_match(&*String::from_utf8_lossy(path.as_bytes())) {
            return true;
        }
        let of_phone;
        let root = match spot {
            Spot::Volume(root, _) => root,
            Spot::Pulled(_) => {
                of_phone = volume_of(path);
                &of_phone
            }
        };
        let below: Option<Vec<&[u8]>> = path.below(root).map(Iterator::collect);
        let joined =
            |components: &[&[u8]]| String::from_utf8_lossy(&components.join(&b'/')).into_owned();
        if below
            .as_ref()
            .is_some_and(|below| self.0.is_match(joined(below)))
        {
            return true;
        }
        match (spot, below) {
            (Spot::Pulled(local), _) => self.0.is_match(local.as_str()),
            (Spot::Volume(_, label), Some(below)) => {
                let (folder, below) = in_data(label, below);
                self.0.is_match(format!("{folder}/{}", joined(&below)))
            }
            (Spot::Volume(..), None) => false,
        }
    }
}

/// Where the phone had mounted what a file lies on.
fn volume_of(path: &RemotePath) -> RemotePath {
    let bytes = path.as_bytes();
    let depth = match bytes.starts_with(b"/storage/emulated/") {
        true => 4,
        false if bytes.starts_with(b"/storage/") => 3,
        false => 1,
    };
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let end = ends.map(|(at, _)| at).nth(depth - 1).filter(|at| *at > 0);
    let root = end.and_then(|end| bytes.get(..end)).unwrap_or(b"/");
    RemotePath::new(root).unwrap_or_else(|_| path.clone())
}

fn globs(patterns: &[String]) -> Result<GlobSet, Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .case_insensitive(true)
            .build();
        let glob = glob.map_err(|error| {
            Error::new(Kind::Usage, format!("'{pattern}' is not a valid pattern"))
                .caused_by(error)
                .with_hint("patterns look like 'DCIM/**/*.jpg'")
        })?;
        set.add(glob);
    }
    set.build().map_err(|error| {
        Error::new(Kind::Usage, "the patterns cannot be used together").caused_by(error)
    })
}
