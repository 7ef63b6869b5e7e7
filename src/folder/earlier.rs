//! Keeps what an earlier manifest says when the catalogue is lost.
//!
//! In: the manifest that stands in a folder without a catalogue. Out: entries for its files that are still in `data/`
//! and that no listing of the phone names any more. Without them, the next manifest would lack these files, and nobody
//! could tell them from files of somebody else.
//!
//! The manifest is untrusted: a file counts only if its own bytes give the SHA-256 of its line, and each file is read
//! once, however many lines name it.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::bag::BagError;
use super::disk::system::held::{Bearer, OpenFor};
use super::disk::{self, DATA, DiskAction, DiskError, Renaming, Within};
use super::manifest::{self, MANIFEST, ManifestLine};
use super::partial::hash_rest;
use super::reader::FoundSize;
use super::set_aside::SET_ASIDE;
use super::{CatalogueError, EntryId, Folder, NewEntry, PresenceLookup, Record, State};
use crate::adb::RemotePath;
use crate::digest::Sha256;
use crate::item::{Item, Volume};
use crate::names::LocalPath;

/// No folder loses its catalogue more often.
const MAX_KEPT: u32 = 100;
/// Entries that are recorded in one transaction.
const GROUP: usize = 512;

/// What the files of an earlier manifest became.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// The paths on the phone, as far as they can be told, of files that the phone no longer lists.
    pub(crate) gone: Vec<RemotePath>,
    /// The number of older versions of files that are different on the phone now.
    pub(crate) older: u64,
}

impl Recovered {
    /// Adds what was found later.
    pub(crate) fn add(&mut self, later: Self) {
        self.gone.extend(later.gone);
        self.older += later.older;
    }

    /// Whether nothing was recorded.
    pub(crate) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.older == 0
    }
}

/// Copies the manifest of a folder without a catalogue to `set-aside/`, durably: the next manifest takes its place
/// before each of its files is on record again.
pub(super) fn keep_manifest(root: &Path) -> Result<(), DiskError> {
    let within = Within::root(root)?;
    if !matches!(within.bearer(MANIFEST)?, Some(Bearer::File(_))) {
        return Ok(());
    }
    let Some(mut source) = within.open(MANIFEST, OpenFor::Reading)? else {
        return Ok(());
    };
    let source_path = within.at(MANIFEST);
    let sha256 = hash_rest(&mut source, &source_path, |_| {})?.0.finish();
    let kept = within.made(SET_ASIDE)?;
    for number in 1..=MAX_KEPT {
        let name = kept_name(number);
        match kept.bearer(&name)? {
            None => {
                copy(root, &kept, &name)?;
                return within.sync();
            }
            Some(Bearer::File(_)) => {
                let Some(mut same) = kept.open(&name, OpenFor::Reading)? else {
                    continue;
                };
                if hash_rest(&mut same, &kept.at(&name), |_| {})?.0.finish() == sha256 {
                    return Ok(());
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn copy(root: &Path, kept: &Within, name: &str) -> Result<(), DiskError> {
    let from = Within::root(root)?;
    let Some(source) = from.open(MANIFEST, OpenFor::Reading)? else {
        return Ok(());
    };
    let (mut file, path) = disk::create_partial(root, MANIFEST)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut source = io::BufReader::new(source);
    loop {
        let read = source
            .read(&mut buffer)
            .map_err(|e| DiskError::new(DiskAction::Read, &from.at(MANIFEST), e))?;
        if read == 0 {
            break;
        }
        disk::write(&mut file, &path, buffer.get(..read).unwrap_or_default())?;
    }
    disk::sync_file(&file, &path)?;
    drop(file);
    let partial = Within::partial(root)?;
    match partial.rename_new(MANIFEST, kept, name)? {
        Renaming::Renamed => kept.sync(),
        // Somebody else put a file there meanwhile: the next name is looked at when it is opened again.
        Renaming::TargetExists => Ok(()),
    }
}

fn kept_name(number: u32) -> String {
    match number {
        1 => MANIFEST.to_owned(),
        number => format!("{MANIFEST} ({number})"),
    }
}

/// The earlier manifests that are kept, by their paths from the folder.
fn kept_manifests(root: &Path) -> impl Iterator<Item = PathBuf> {
    let names = (1..=MAX_KEPT).map(|number| Path::new(SET_ASIDE).join(kept_name(number)));
    names.take_while(move |name| {
        std::fs::symlink_metadata(root.join(name)).is_ok_and(|it| it.is_file())
    })
}

/// Calls `f` with each file that a kept manifest lists.
pub(super) fn each_kept_line<E: From<DiskError>>(
    root: &Path,
    mut f: impl FnMut(LocalPath, Sha256) -> Result<(), E>,
) -> Result<(), E> {
    for name in kept_manifests(root) {
        let Some(name) = name.to_str() else {
            continue;
        };
        for line in manifest::lines(root, name)? {
            if let ManifestLine::Listed { sha256, path, .. } = line?
                && let Some(local) = manifest::payload_path(&path)
            {
                f(local, sha256)?;
            }
        }
    }
    Ok(())
}

impl Folder {
    /// Whether an earlier manifest is kept.
    pub(crate) fn has_earlier_manifest(&self) -> bool {
        kept_manifests(self.root()).next().is_some()
    }

    /// Records the files of an earlier manifest that are in `data/` with its SHA-256, and that no entry has. They count
    /// as pulled and not verified. `volumes` are those of the phone now; a file that comes from a path on it is left out
    /// where `is_to_come` says so of the path and the size.
    ///
    /// To be called before a pull is planned, so that no other file gets their places, and before the manifest is
    /// written.
    pub(crate) fn recover(
        &mut self,
        volumes: &[Volume],
        is_to_come: &dyn Fn(&RemotePath, u64) -> bool,
    ) -> Result<Recovered, BagError> {
        let root = self.root().to_owned();
        let mut recovery = Recovery {
            presence: PresenceLookup::of(&root),
            companions: HashSet::new(),
            tried: HashSet::new(),
            hashes: RandomState::new(),
            volumes,
            is_to_come,
            paths: HashSet::new(),
            new: Vec::new(),
            recovered: Recovered::default(),
            folder: self,
        };
        let Recovery {
            folder, companions, ..
        } = &mut recovery;
        folder.catalogue().for_each_companion(|companion| {
            companions.insert(companion.local);
            Ok::<_, CatalogueError>(())
        })?;
        each_kept_line(&root, |local, sha256| recovery.take(local, sha256))?;
        recovery.record()?;
        Ok(recovery.recovered)
    }
}

struct Recovery<'a> {
    folder: &'a mut Folder,
    presence: PresenceLookup,
    companions: HashSet<LocalPath>,
    /// The files that were looked at, as hashes.
    tried: HashSet<u64>,
    hashes: RandomState,
    volumes: &'a [Volume],
    is_to_come: &'a dyn Fn(&RemotePath, u64) -> bool,
    /// The phone's paths of the files to be recorded next.
    paths: HashSet<RemotePath>,
    new: Vec<(NewEntry, Sha256)>,
    recovered: Recovered,
}

impl Recovery<'_> {
    fn take(&mut self, local: LocalPath, sha256: Sha256) -> Result<(), BagError> {
        if self.companions.contains(&local) || !self.tried.insert(self.hashes.hash_one(&local)) {
            return Ok(());
        }
        let entry = self.folder.catalogue().entry_at(&local)?;
        if let Some(entry) = entry {
            // The phone lists a file that could not be read this time; what came earlier is here.
            let is_missing = matches!(entry.state, State::Failed | State::Damaged);
            if is_missing
                && self
                    .stands(&local, Some(entry.item.size), sha256)?
                    .is_some()
            {
                self.folder.catalogue_mut().record(&[Record::Pulled {
                    id: entry.id,
                    sha256,
                    size: entry.item.size,
                    local: None,
                }])?;
            }
            return Ok(());
        }
        if let Some(path) = on_the_phone(&local, self.volumes)
            && let Ok(FoundSize::File(size)) = self.folder.data_reader().size(&local)
            && (self.is_to_come)(&path, size)
        {
            return Ok(());
        }
        let Some(size) = self.stands(&local, None, sha256)? else {
            return Ok(());
        };
        let Some((path, version)) = self.path_of(&local)? else {
            return Ok(());
        };
        let mtime = self.modified(&local);
        self.paths.insert(path.clone());
        let item = Item {
            path,
            size,
            size_is_exact: true,
            mtime,
        };
        let entry = NewEntry {
            item,
            version,
            local,
        };
        self.new.push((entry, sha256));
        match self.new.len() < GROUP {
            true => Ok(()),
            false => self.record(),
        }
    }

    /// Returns the size of the file if it stands there with these bytes.
    fn stands(
        &self,
        local: &LocalPath,
        size: Option<u64>,
        sha256: Sha256,
    ) -> Result<Option<u64>, BagError> {
        let found = || match self.folder.data_reader().size(local)? {
            FoundSize::File(bytes) if size.is_none_or(|size| size == bytes) => {
                let has_bytes = self.presence.has_bytes(local, bytes, sha256)?;
                Ok(has_bytes.then_some(bytes))
            }
            _ => Ok(None),
        };
        match found() {
            Err(error @ DiskError::Io { .. }) if error.concerns_the_whole_disk() => {
                Err(error.into())
            }
            // The earlier manifest is kept, and the next run tries again.
            Err(_) => Ok(None),
            Ok(found) => Ok(found),
        }
    }

    /// Returns the path on the phone that leads to this place, and the version of an entry for it: 0 where the phone
    /// has another file there now.
    fn path_of(&self, local: &LocalPath) -> Result<Option<(RemotePath, u32)>, BagError> {
        let latest = |path: &RemotePath| self.folder.catalogue().latest(path);
        if let Some(path) = on_the_phone(local, self.volumes)
            && !self.paths.contains(&path)
        {
            match latest(&path)? {
                None => return Ok(Some((path, 1))),
                Some(entry) if entry.version == 1 => return Ok(Some((path, 0))),
                Some(_) => {}
            }
        }
        let path = RemotePath::new(format!("/{DATA}/{local}").as_bytes()).ok();
        let is_free = |path: &RemotePath| {
            Ok::<_, CatalogueError>(!self.paths.contains(path) && latest(path)?.is_none())
        };
        let is_free = path.as_ref().map(is_free).transpose()? == Some(true);
        Ok(path.filter(|_| is_free).map(|path| (path, 1)))
    }

    /// The file's date on this disk, which a pull sets to the phone's.
    fn modified(&self, local: &LocalPath) -> i64 {
        let found = std::fs::symlink_metadata(self.folder.data_path(local)).ok();
        let modified = found.and_then(|found| found.modified().ok());
        let seconds = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        seconds.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or_default())
    }

    fn record(&mut self) -> Result<(), BagError> {
        self.paths.clear();
        let new = std::mem::take(&mut self.new);
        let catalogue = self.folder.catalogue_mut();
        let ids = catalogue.insert_planned(new.iter().map(|(entry, _)| entry.clone()))?;
        let mut records = Vec::with_capacity(new.len());
        for ((entry, sha256), id) in new.into_iter().zip(ids) {
            records.push(pulled(id, &entry, sha256));
            match entry.version {
                0 => {
                    records.push(Record::Supersede { id });
                    self.recovered.older += 1;
                }
                _ => self.recovered.gone.push(entry.item.path),
            }
        }
        Ok(catalogue.record(&records)?)
    }
}

fn pulled(id: EntryId, entry: &NewEntry, sha256: Sha256) -> Record {
    Record::Pulled {
        id,
        sha256,
        size: entry.item.size,
        local: None,
    }
}

/// Returns where a file of `data/` came from; `None` of a recycle bin, which has files under other names.
fn on_the_phone(local: &LocalPath, volumes: &[Volume]) -> Option<RemotePath> {
    let mut names = local.components();
    let label = names.next()?;
    let root = match volumes.iter().find(|volume| volume.label == label) {
        Some(volume) => volume.root.clone(),
        // A card that is not in the phone now.
        None => {
            let id = label.strip_prefix("sd-")?;
            RemotePath::new(format!("/storage/{id}").as_bytes()).ok()?
        }
    };
    names.try_fold(root, |path, name| path.join(name.as_bytes()).ok())
}
