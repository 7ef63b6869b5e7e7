//! The sizes and names that a service accepts. Pure.
//!
//! Local paths already avoid the names that Windows, macOS and FAT refuse (see [`crate::names`]), which are most of
//! the names that services refuse; the rest is here.

use crate::names::{UploadPath, digest_mark, split_extension};

/// The limits that a service sets for files and names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The size of the largest file, in bytes.
    pub max_file_bytes: Option<u64>,
    /// The length of the longest path below the remote's root, in bytes of UTF-8.
    pub max_path_bytes: Option<usize>,
    /// Whether the service accepts only photos and videos.
    pub media_only: bool,
    /// Whether names must follow the rules of OneDrive and SharePoint.
    pub sharepoint: bool,
}

/// The longest path of most services, in bytes.
const USUAL_PATH_BYTES: usize = 1000;

impl Rules {
    /// Returns the rules of most services.
    pub(crate) fn usual() -> Self {
        Self {
            max_path_bytes: Some(USUAL_PATH_BYTES),
            ..Self::default()
        }
    }

    /// Returns the rules for a folder of a bucket. A key has 1,024 bytes, an object 5 TiB, at all of them.
    pub(crate) fn of_bucket(path: &str) -> Self {
        Self {
            max_file_bytes: Some(5 * 1024 * 1024 * 1024 * 1024),
            max_path_bytes: Some(1024 - path.len().min(512) - 2),
            ..Self::default()
        }
    }

    /// Returns a path in a form that the service accepts; usually the path itself.
    pub(crate) fn spell(&self, path: &str) -> UploadPath {
        let mut spelt = path.to_owned();
        if self.sharepoint {
            spelt = spelt
                .split('/')
                .map(sharepoint_name)
                .collect::<Vec<_>>()
                .join("/");
        }
        if let Some(limit) = self.max_path_bytes.filter(|limit| spelt.len() > *limit) {
            spelt = shortened_path(&spelt, limit);
        }
        UploadPath::of_spelt(&spelt)
    }
}

/// OneDrive refuses these names and beginnings.
fn sharepoint_name(name: &str) -> String {
    let folded = name.to_ascii_lowercase();
    let refused = matches!(folded.as_str(), ".lock" | "desktop.ini")
        || folded.starts_with("~$")
        || folded.contains("_vti_")
        || name.starts_with(' ');
    match refused {
        true => format!("_{}", folded_vti(name)),
        false => name.to_owned(),
    }
}

/// `_vti_` is refused anywhere in a name.
fn folded_vti(name: &str) -> String {
    let mut out = name.to_owned();
    while let Some(at) = out.to_ascii_lowercase().find("_vti_") {
        out.replace_range(at..at + 5, "-vti-");
    }
    out.trim_start().to_owned()
}

/// Shortens a path that is too long: keeps its first folder and its name, and replaces what lies between by a mark of
/// the whole path.
fn shortened_path(path: &str, limit: usize) -> String {
    let (first, rest) = path.split_once('/').unwrap_or(("", path));
    let name = rest.rsplit('/').next().unwrap_or_default();
    let folder = format!("{first}/deep~{}/", digest_mark(path.as_bytes()));
    let room = limit.saturating_sub(folder.len());
    let (stem, extension) = split_extension(name);
    let stem_room = room.saturating_sub(extension.len());
    let cut = (0..=stem.len().min(stem_room))
        .rev()
        .find_map(|end| stem.get(..end))
        .unwrap_or_default();
    format!("{folder}{cut}{extension}")
        .trim_start_matches('/')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_too_long_are_cut_and_stay_apart() {
        let rules = Rules {
            max_path_bytes: Some(60),
            ..Rules::default()
        };
        let (a, b) = ("x".repeat(50), "y".repeat(50));
        let first = rules.spell(&format!("internal/{a}/IMG_0001.jpg"));
        let second = rules.spell(&format!("internal/{b}/IMG_0001.jpg"));
        assert!(
            first.len() <= 60 && first.ends_with("/IMG_0001.jpg"),
            "{first}"
        );
        assert_ne!(first, second);
        assert_eq!(rules.spell("internal/a.jpg").as_str(), "internal/a.jpg");
    }

    #[test]
    fn names_that_sharepoint_refuses_are_spelt_otherwise() {
        let rules = Rules {
            sharepoint: true,
            ..Rules::default()
        };
        assert_eq!(rules.spell("a/~$x.doc").as_str(), "a/_~$x.doc");
        assert_eq!(
            rules.spell("_VTI_bin/Desktop.ini").as_str(),
            "_-vti-bin/_Desktop.ini"
        );
        assert_eq!(rules.spell("DCIM/IMG_1.jpg").as_str(), "DCIM/IMG_1.jpg");
    }
}
