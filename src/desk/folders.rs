//! The folders of this computer, for the page's chooser.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::folder::share_a_disk;
use crate::home;
use crate::ui::plain;

/// Folders that are listed of one.
const MOST_NAMES: usize = 500;
/// Where systems show disks that are plugged in.
const MOUNTS: [&str; 4] = ["/media", "/run/media", "/mnt", "/Volumes"];

/// A folder, and those in it.
#[derive(Debug, Serialize)]
pub(super) struct ListedFolder {
    path: String,
    /// The folder that it is in.
    above: Option<String>,
    folders: Vec<ChooserFolder>,
    /// Good places to begin at.
    places: Vec<ChooserFolder>,
    /// Why it cannot be listed.
    problem: Option<String>,
}

/// A folder, and what it is called.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct ChooserFolder {
    name: String,
    path: String,
}

impl ChooserFolder {
    /// `None` where the path is not text: the page could not send it back.
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Some(Self {
            name: plain(name.to_str()?),
            path: path.to_str()?.to_owned(),
        })
    }
}

/// Lists a folder. Where none is named, a disk that is plugged in, for a second copy is asked about; else the home
/// folder.
pub(super) fn list(path: &str) -> ListedFolder {
    let (home, disks) = (home::folder(), disks());
    let path = match path {
        "" => {
            let here = std::env::current_dir().ok();
            let is_other =
                |disk: &&PathBuf| here.as_ref().is_some_and(|it| !share_a_disk(it, disk));
            let places = disks.iter().find(is_other).or(home.as_ref());
            places.cloned().or(here)
        }
        path => Some(PathBuf::from(path)),
    };
    let path = path.unwrap_or_default();
    let path = std::path::absolute(&path).unwrap_or(path);
    let (mut folders, problem) = match folders_in(&path) {
        Ok(folders) => (folders, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    folders.sort();
    folders.truncate(MOST_NAMES);
    let shown = |path: &Path| path.to_str().map(str::to_owned);
    let mut places: Vec<PathBuf> = Vec::from_iter(home);
    places.extend(std::env::current_dir());
    places.extend(disks);
    places.dedup();
    ListedFolder {
        above: path.parent().and_then(shown),
        path: path.display().to_string(),
        folders,
        places: places
            .iter()
            .filter_map(|it| ChooserFolder::of(it))
            .collect(),
        problem,
    }
}

/// The folders in a folder, but for hidden ones.
fn folders_in(path: &Path) -> std::io::Result<Vec<ChooserFolder>> {
    let found = std::fs::read_dir(path)?.filter_map(Result::ok);
    let folders = found.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default();
        !name.as_encoded_bytes().starts_with(b".") && path.is_dir()
    });
    Ok(folders
        .filter_map(|path| ChooserFolder::of(&path))
        .collect())
}

/// Disks that are plugged in.
fn disks() -> Vec<PathBuf> {
    if cfg!(windows) {
        let letters =
            (b'A'..=b'Z').map(|letter| PathBuf::from(format!("{}:\\", char::from(letter))));
        return letters.filter(|path| path.is_dir()).collect();
    }
    let below = |path: &Path| {
        let found = std::fs::read_dir(path).into_iter().flatten();
        let paths = found.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        paths.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let user = std::env::var_os("USER").unwrap_or_default();
    let mounts = MOUNTS.iter().map(Path::new);
    let disks = mounts.flat_map(|mount| match mount.join(&user) {
        // `/media/ada/DISK`.
        own if !user.is_empty() && own.is_dir() => below(&own),
        _ => below(mount),
    });
    let mut disks: Vec<_> = disks.take(MOST_NAMES).collect();
    disks.sort();
    disks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_listed_and_files_and_hidden_ones_are_not() {
        let place = tempfile::tempdir().unwrap();
        for name in ["b", "a", ".hidden"] {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        std::fs::write(place.path().join("file"), b"").unwrap();
        let listed = list(place.path().to_str().unwrap());
        let names: Vec<_> = listed.folders.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(
            listed.above.as_deref(),
            place.path().parent().and_then(Path::to_str)
        );
        assert_eq!(listed.problem, None);
        let missing = list(place.path().join("none").to_str().unwrap());
        assert!(missing.problem.is_some());
    }
}
