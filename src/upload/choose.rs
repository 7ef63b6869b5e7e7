//! Chooses the files of a rescue folder for a remote, their order, and their paths.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::queue::Ended;
use super::rules::Rules;
use super::source::blocking;
use crate::folder::reader::FoundOnDisk;
use crate::folder::upload::{NewUpload, RemoteId};
use crate::folder::{Catalogue, CatalogueError, DataReader, Entry, State};
use crate::halt::Halt;
use crate::item::Item;
use crate::media::choice::{Selection, Spot, Verdict, Walk};
use crate::media::kind::{MediaKind, Precious, original_name};
use crate::media::look::{Undated, taken_of_each};
use crate::media::taken::{Days, Taken, is_in_month_folder, month_folder};
use crate::names::{UploadPath, folded};

/// The arrangement of the files below the remote's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The same folders as on the phone, inside a folder with this name: `NAME/internal/DCIM/Camera/IMG_1.jpg`.
    AsOnPhone(String),
    /// Folders by the month in which a file was taken: `2024/2024-05/IMG_1.jpg`.
    ByDate,
}

impl Layout {
    /// Returns whether a path on the remote is one of this arrangement.
    fn has(&self, path: &str) -> bool {
        match self {
            Self::AsOnPhone(top) => path
                .strip_prefix(top.as_str())
                .is_some_and(|below| below.starts_with('/')),
            Self::ByDate => is_in_month_folder(path),
        }
    }
}

/// The user's selection of files to upload.
#[derive(Debug)]
pub(crate) struct Choice {
    /// The selected files.
    pub selection: Selection,
    /// Only files taken on these days.
    pub days: Days,
    /// Whether to include files that the phone did not confirm.
    pub unverified: bool,
    pub layout: Layout,
}

/// The selected files, and how many were left out.
#[derive(Debug, Default)]
pub(crate) struct ChosenFiles {
    /// The uploads, most valuable first.
    pub uploads: Vec<NewUpload>,
    /// The number of files left out because the phone did not confirm them.
    pub unverified: u64,
    /// The number of files left out because the phone could not read them completely.
    pub damaged: u64,
    /// The number of files that an earlier upload put, or queued, elsewhere than this layout would.
    pub elsewhere: u64,
}

/// The paths on a remote, and the files that they belong to.
#[derive(Debug, Default)]
pub(crate) struct RemotePaths {
    taken: HashSet<String>,
    known: HashMap<String, UploadPath>,
}

impl RemotePaths {
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
    /// Chooses uploads from a catalogue. Files that are already queued keep their paths. Looks into the files if their
    /// dates decide.
    pub(crate) async fn uploads(
        &self,
        (catalogue, reader): (&Catalogue, DataReader),
        remote: Option<RemoteId>,
        rules: &Rules,
        halt: &Halt,
    ) -> Result<ChosenFiles, Ended> {
        let mut places = RemotePaths::on(catalogue, remote)?;
        let mut chosen = ChosenFiles::default();
        let mut entries = Vec::new();
        catalogue.for_each_by_path(|entry| {
            match entry.state {
                State::Verified(_) => {}
                State::Pulled if self.unverified => {}
                State::Pulled if self.wants_left_out(&entry) => {
                    chosen.unverified += 1;
                    return Ok(());
                }
                State::Damaged if self.wants_left_out(&entry) => {
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
        entries.sort_by_cached_key(|entry| (precious(entry), Reverse(entry.item.mtime)));
        let (entries, taken) = self.dates(entries, &places, reader, halt).await?;
        for (entry, taken) in entries.into_iter().zip(taken) {
            let Some(sha256) = entry.sha256 else { continue };
            if !self.days.want(taken) {
                continue;
            }
            let source = entry.local.as_str().to_owned();
            let is_known = places.known.contains_key(&source);
            let path = places.of(&source, || rules.spell(&self.path_of(&entry, taken)));
            chosen.elsewhere += u64::from(is_known && !self.layout.has(&path));
            chosen.uploads.push(NewUpload {
                entry: Some(entry.id),
                source,
                path,
                size: entry.item.size,
                sha256,
            });
        }
        Ok(chosen)
    }

    /// When the files were taken; `None` for those whose date decides nothing.
    async fn dates(
        &self,
        entries: Vec<Entry>,
        places: &RemotePaths,
        reader: DataReader,
        halt: &Halt,
    ) -> Result<(Vec<Entry>, Vec<Option<Taken>>), Ended> {
        let decides = |entry: &Entry| {
            !self.days.are_all()
                || self.layout == Layout::ByDate && !places.known.contains_key(entry.local.as_str())
        };
        let decides: Vec<bool> = entries.iter().map(decides).collect();
        let halt = halt.clone();
        blocking(move || {
            let open = |number: usize| {
                if halt.is_set() {
                    return Err(Ended::Stopped);
                }
                let entry = entries.get(number);
                let is_asked = decides.get(number).copied().unwrap_or_default();
                Ok(entry.filter(|_| is_asked).map(|entry| Undated {
                    name: entry.local.name().to_owned(),
                    mtime: entry.item.mtime,
                    file: match reader.open(&entry.local) {
                        Ok(FoundOnDisk::File(file)) => Some(file),
                        _ => None,
                    },
                }))
            };
            let taken = taken_of_each(entries.len(), open)?;
            Ok((entries, taken))
        })
        .await
    }

    /// Whether a file is wanted that is left out: it may be damaged, so that it is not looked into.
    fn wants_left_out(&self, entry: &Entry) -> bool {
        let taken = || Taken::of_name_or_mtime(entry.local.name(), entry.item.mtime);
        self.wants(entry) && (self.days.are_all() || self.days.want(taken()))
    }

    /// Whether a file is wanted, whenever it was taken.
    fn wants(&self, entry: &Entry) -> bool {
        let item = Item {
            path: entry.item.path.clone(),
            size: entry.item.size,
            size_is_exact: true,
            mtime: entry.item.mtime,
        };
        let kind = kind_of(entry);
        let spot = Spot::Pulled(&entry.local);
        self.selection.judge(&item, kind, spot, Walk::Everything) == Verdict::Wanted
    }

    fn path_of(&self, entry: &Entry, taken: Option<Taken>) -> String {
        match &self.layout {
            Layout::AsOnPhone(top) => format!("{top}/{}", entry.local),
            Layout::ByDate => format!("{}/{}", month_folder(taken), entry.local.name()),
        }
    }
}

fn kind_of(entry: &Entry) -> MediaKind {
    let name = entry.item.path.name();
    MediaKind::of_name(original_name(name).unwrap_or(name))
}

fn precious(entry: &Entry) -> Precious {
    let kind = kind_of(entry);
    // Below the volume's folder.
    let folders = entry.local.components().skip(1).map(str::as_bytes);
    Precious::of(kind, folders)
}
