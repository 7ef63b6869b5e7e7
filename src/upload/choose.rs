//! Chooses the files of a rescue folder for a remote, their order, and their paths.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use chrono::{Datelike as _, Local, NaiveDate, TimeZone as _};

use super::rules::Rules;
use crate::folder::upload::{NewUpload, RemoteId};
use crate::folder::{Catalogue, CatalogueError, Entry, State};
use crate::item::Item;
use crate::media::choice::{Selection, Spot, Verdict, Walk};
use crate::media::kind::{MediaKind, Precious, original_name};
use crate::names::{UploadPath, folded};

/// The arrangement of the files below the remote's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The same folders as on the phone, inside a folder with this name: `NAME/internal/DCIM/Camera/IMG_1.jpg`.
    AsOnPhone(String),
    /// Folders by the day on which a file was taken: `2024/2024-05/IMG_1.jpg`.
    ByDate,
}

/// The user's selection of files to upload.
#[derive(Debug)]
pub(crate) struct Choice {
    /// The selected files.
    pub selection: Selection,
    /// Only items changed before this time, in seconds since 1970.
    pub until: Option<i64>,
    /// Whether to include files that the phone did not confirm.
    pub unverified: bool,
    pub layout: Layout,
}

/// The selected files, and how many were left out.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    /// The uploads, most valuable first.
    pub uploads: Vec<NewUpload>,
    /// The number of files left out because the phone did not confirm them.
    pub unverified: u64,
    /// The number of files left out because the phone could not read them completely.
    pub damaged: u64,
}

/// The paths on a remote, and the files that they belong to.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: HashSet<String>,
    known: HashMap<String, UploadPath>,
}

impl Places {
    /// Returns the paths of the uploads queued for a remote.
    pub(crate) fn on(
        catalogue: &Catalogue,
        remote: Option<RemoteId>,
    ) -> Result<Self, CatalogueError> {
        let mut places = Self::default();
        if let Some(remote) = remote {
            catalogue.for_each_upload(remote, |upload| {
                places.taken.insert(folded(&upload.path).into_owned());
                places.known.insert(upload.source, upload.path);
                Ok::<_, CatalogueError>(())
            })?;
        }
        Ok(places)
    }

    /// Returns the path of a file: the path it already has, otherwise the wanted one. If another file has that path, a
    /// number is added.
    pub(crate) fn of(&mut self, source: &str, wanted: impl FnOnce() -> UploadPath) -> UploadPath {
        if let Some(path) = self.known.remove(source) {
            return path;
        }
        let wanted = wanted();
        let mut path = wanted.clone();
        let mut number = 2;
        while !self.taken.insert(folded(&path).into_owned()) {
            path = wanted.numbered(number);
            number += 1;
        }
        path
    }
}

impl Choice {
    /// Chooses uploads from a catalogue. Files that are already queued keep their paths.
    pub(crate) fn uploads(
        &self,
        catalogue: &Catalogue,
        remote: Option<RemoteId>,
        rules: &Rules,
    ) -> Result<Chosen, CatalogueError> {
        let mut places = Places::on(catalogue, remote)?;
        let mut chosen = Chosen::default();
        let mut entries = Vec::new();
        catalogue.for_each_by_path(|entry| {
            match entry.state {
                State::Verified(_) => {}
                State::Pulled if self.unverified => {}
                State::Pulled if self.wants(&entry) => {
                    chosen.unverified += 1;
                    return Ok(());
                }
                State::Damaged if self.wants(&entry) => {
                    chosen.damaged += 1;
                    return Ok(());
                }
                _ => return Ok(()),
            }
            if self.wants(&entry) {
                entries.push(entry);
            }
            Ok::<_, CatalogueError>(())
        })?;
        entries.sort_by_cached_key(|entry| (precious(entry), Reverse(entry.mtime)));
        for entry in entries {
            let Some(sha256) = entry.sha256 else { continue };
            let source = entry.local.as_str().to_owned();
            let path = places.of(&source, || rules.spell(&self.path_of(&entry)));
            chosen.uploads.push(NewUpload {
                entry: Some(entry.id),
                source,
                path,
                size: entry.size,
                sha256,
                xxh128: None,
            });
        }
        Ok(chosen)
    }

    fn wants(&self, entry: &Entry) -> bool {
        let item = Item {
            path: entry.path.clone(),
            size: entry.size,
            size_is_exact: true,
            mtime: entry.mtime,
        };
        let kind = kind_of(entry);
        let judge = || {
            self.selection
                .judge(&item, kind, Spot::Pulled(&entry.local), Walk::Everything)
        };
        self.until.is_none_or(|until| entry.mtime < until) && judge() == Verdict::Wanted
    }

    fn path_of(&self, entry: &Entry) -> String {
        match &self.layout {
            Layout::AsOnPhone(top) => format!("{top}/{}", entry.local),
            Layout::ByDate => match day_of(entry) {
                Some(day) => format!(
                    "{:04}/{:04}-{:02}/{}",
                    day.year(),
                    day.year(),
                    day.month(),
                    entry.local.name()
                ),
                None => format!("without date/{}", entry.local.name()),
            },
        }
    }
}

fn kind_of(entry: &Entry) -> MediaKind {
    let name = entry.path.name();
    MediaKind::of_name(original_name(name).unwrap_or(name))
}

fn precious(entry: &Entry) -> Precious {
    let kind = kind_of(entry);
    // Below the volume's folder.
    let folders = entry.local.components().skip(1).map(str::as_bytes);
    Precious::of(kind, folders)
}

/// Returns the day on which a file was made: from its name (`IMG_20240517_123456.jpg`, `PXL_...`, `2024-05-17
/// 12.34.56.jpg`), otherwise from the phone's storage.
fn day_of(entry: &Entry) -> Option<NaiveDate> {
    if let Some(day) = day_in(entry.local.name()) {
        return Some(day);
    }
    let made = (entry.mtime > 0).then(|| Local.timestamp_opt(entry.mtime, 0).single())??;
    (made.year() <= 9999).then(|| made.date_naive())
}

fn day_in(name: &str) -> Option<NaiveDate> {
    let digits: Vec<&str> = name.split(|c: char| !c.is_ascii_digit()).collect();
    let day = |year: &str, month: &str, day: &str| {
        let year: i32 = year
            .parse()
            .ok()
            .filter(|year| (1990..2100).contains(year))?;
        NaiveDate::from_ymd_opt(year, month.parse().ok()?, day.parse().ok()?)
    };
    let whole = digits.iter().find_map(|run| match run.len() {
        // With the time behind it: 20240517, 20240517123456.
        8 | 14 | 17 => day(run.get(..4)?, run.get(4..6)?, run.get(6..8)?),
        _ => None,
    });
    whole.or_else(|| {
        digits.windows(3).find_map(|runs| match runs {
            [y, m, d] if y.len() == 4 && m.len() == 2 && d.len() == 2 => day(y, m, d),
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_from_names() {
        let day = |name| day_in(name).map(|day| day.to_string());
        for name in [
            "IMG_20240517_123456.jpg",
            "PXL_20240517_123456789.MP.jpg",
            "VID-20240517-WA0003.mp4",
            "Screenshot_2024-05-17-12-34-56.png",
            "20240517123456.jpg",
        ] {
            assert_eq!(day(name).as_deref(), Some("2024-05-17"), "{name}");
        }
        for name in ["IMG_0001.jpg", "99999999.jpg", "IMG_20241399_1.jpg", ""] {
            assert_eq!(day(name), None, "{name}");
        }
    }
}
