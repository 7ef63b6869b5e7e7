//! Reads the contents of a rescue folder, and checks them on the disk, while the phone lists its files;
//! then compares the two.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::stopped;
use crate::adb::RemotePath;
use crate::error::Error;
use crate::folder::earlier::Recovered;
use crate::folder::{
    CatalogueError, Count, Entry, Folder, FolderError, PresenceLookup, State, Summary, bag,
};
use crate::halt::Halt;
use crate::names::LocalPath;
use crate::pull::Method;
use crate::pull::enumerate::Enumeration;
use crate::pull::items::Items;
use crate::pull::plan::{Plan, Planner, SettledEntries};

/// How long a look at the files counts. A listing may take much longer, with a phone that goes away
/// and comes back in it; the files are looked at again then.
const FRESH: Duration = Duration::from_secs(5);

/// What a run does on this disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changes {
    /// It pulls.
    Folder,
    /// It only says what it would do.
    Nothing,
}

/// The listing of the phone, compared with the rescue folder.
pub(super) struct ComparedFolder {
    /// `None` if it does not exist yet and must not be created.
    pub(super) folder: Option<Folder>,
    pub(super) found: Enumeration,
    pub(super) plan: Plan,
    /// The files of an earlier manifest that are on record again.
    pub(super) recovered: Recovered,
}

/// What a rescue folder holds; of each file some bytes only.
pub(super) struct KnownFolder {
    /// `None` if it does not exist yet and must not be created.
    folder: Option<Folder>,
    /// Places of files kept beside damaged ones.
    companions: Vec<LocalPath>,
    /// What a bag of it says.
    inventory: bag::Inventory,
    /// How many entries and bytes are in which state.
    summary: Summary,
    /// Whose files stood in their places, with their sizes, at `looked`.
    settled: SettledEntries,
    looked: Instant,
    entries: u64,
}

impl KnownFolder {
    /// Nothing, as in a folder to be made.
    fn nothing() -> Self {
        Self {
            folder: None,
            companions: Vec::new(),
            inventory: bag::Inventory::default(),
            summary: Summary::default(),
            settled: SettledEntries::default(),
            looked: Instant::now(),
            entries: 0,
        }
    }

    /// Reads the catalogue and looks at the files; blocks. The looking ends early when the run is
    /// to stop.
    pub(super) fn of(folder: Folder, halt: &Halt) -> Result<Self, Error> {
        let mut known = Self::read(&folder, |looked| {
            !halt.is_set() && looked.elapsed() <= FRESH
        })?;
        known.folder = Some(folder);
        Ok(known)
    }

    /// As [`KnownFolder::of`], with files taken for missing once `looks_on` says no.
    fn read(folder: &Folder, looks_on: impl Fn(Instant) -> bool) -> Result<Self, Error> {
        let mut known = Self::nothing();
        let presence = PresenceLookup::of(folder.root());
        folder.catalogue().for_each(|entry| {
            known.inventory.add_entry(&entry);
            known.summary.add(entry.state, Count::of(entry.item.size));
            known.entries += 1;
            known.settled.add(&entry, || {
                looks_on(known.looked) && presence.is_in_place(&entry.local, entry.item.size)
            });
            Ok::<_, CatalogueError>(())
        })?;
        folder.catalogue().for_each_companion(|companion| {
            known.inventory.add_companion(&companion);
            known.companions.push(companion.local);
            Ok::<_, CatalogueError>(())
        })?;
        Ok(known)
    }

    /// The same of a folder that may not exist, for a dry run.
    pub(super) fn of_existing(path: &Path, halt: &Halt) -> Result<Self, Error> {
        match Folder::open_after_asking(path) {
            Ok(folder) => Self::of(folder, halt),
            Err(FolderError::Missing { .. }) => Ok(Self::nothing()),
            Err(error) => Err(error.into()),
        }
    }

    /// The folder, when nothing else is asked.
    pub(super) fn into_folder(self) -> Option<Folder> {
        self.folder
    }

    /// Whether the catalogue has any entry.
    pub(super) fn holds_something(&self) -> bool {
        self.entries > 0
    }

    /// Whether the folder's bag says what the catalogue does.
    pub(super) fn bag_is_current(&self) -> bool {
        let folder = self.folder.as_ref();
        folder.is_some_and(|folder| bag::is_current(folder, &self.inventory))
    }

    /// How many entries and bytes are in which state, as long as nothing is recorded.
    pub(super) fn summary(&self) -> Summary {
        self.summary
    }

    /// Compares what was found with what is here, in a thread of its own: what is here without its
    /// proof is read again, because a proof is of the bytes that arrived, and not of what became of
    /// them since.
    pub(super) async fn compare(
        self,
        path: &Path,
        mut found: Enumeration,
        method: Method,
        changes: Changes,
        halt: &Halt,
    ) -> Result<ComparedFolder, Error> {
        let (presence, halted) = (PresenceLookup::of(path), halt.clone());
        let best_proof = method.best_proof();
        let comparing = tokio::task::spawn_blocking(move || {
            let mut known = self;
            let Some(mut folder) = known.folder.take() else {
                let planner = Planner::new(&mut found, best_proof, |_: &Entry| false);
                let plan = planner.finish(&[]);
                return Ok(ComparedFolder {
                    folder: None,
                    found,
                    plan,
                    recovered: Recovered::default(),
                });
            };
            let recovered = match changes {
                Changes::Folder => recover(&mut folder, &found)?,
                Changes::Nothing => Recovered::default(),
            };
            if known.looked.elapsed() > FRESH || !recovered.is_empty() {
                known = Self::read(&folder, |_| !halted.is_set())?;
            }
            if let Some(nothing) = known.settled.nothing_to_do(&found.items, best_proof) {
                found.items = Items::default();
                return Ok(ComparedFolder {
                    folder: Some(folder),
                    found,
                    plan: nothing,
                    recovered,
                });
            }
            let failure = RefCell::new(None);
            let is_in_place = |entry: &Entry| {
                let is_settled = match entry.state {
                    State::Verified(proof) => proof <= best_proof,
                    State::Pulled => method == Method::Off,
                    _ => false,
                };
                let is_here = match (entry.sha256, is_settled || halted.is_set()) {
                    (Some(sha256), false) => {
                        presence.has_bytes(&entry.local, entry.item.size, sha256)
                    }
                    (_, true) => presence.look(&entry.local, entry.item.size),
                    (None, false) => Ok(false),
                };
                is_here.unwrap_or_else(|error| {
                    failure.borrow_mut().get_or_insert(error);
                    true
                })
            };
            let mut planner = Planner::new(&mut found, best_proof, is_in_place);
            folder.catalogue().for_each_by_path(|entry| {
                planner.take(entry);
                Ok::<_, CatalogueError>(())
            })?;
            let plan = planner.finish(&known.companions);
            match failure.into_inner() {
                // A disk that does not answer is no reason to take its files for lost.
                Some(error) => Err(error.into()),
                None => Ok(ComparedFolder {
                    folder: Some(folder),
                    found,
                    plan,
                    recovered,
                }),
            }
        });
        tokio::select! {
            () = halt.stopped() => Err(stopped(halt)),
            compared = comparing => match compared {
                Ok(compared) => compared,
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            },
        }
    }
}

/// Records the files of an earlier manifest that the phone does not have now as they are here. The others come again,
/// and are compared with those here.
fn recover(folder: &mut Folder, found: &Enumeration) -> Result<Recovered, Error> {
    if !folder.has_earlier_manifest() {
        return Ok(Recovered::default());
    }
    let mut listed = HashMap::new();
    for number in found.items.numbers() {
        if let Some(item) = found.items.item(number) {
            listed.insert(item.path, item.size);
        }
    }
    let is_to_come = |path: &RemotePath, size| listed.get(path) == Some(&size);
    let mut recovered = folder.recover(&found.volumes, &is_to_come)?;
    let all = recovered.gone.len();
    recovered.gone.retain(|path| !listed.contains_key(path));
    recovered.older += (all - recovered.gone.len()) as u64;
    Ok(recovered)
}
