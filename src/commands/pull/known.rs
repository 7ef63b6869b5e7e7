//! What a rescue folder holds already: read, and looked at on the disk, while the phone lists;
//! then compared with what the phone has.

use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::stopped;
use crate::error::Error;
use crate::folder::{
    CatalogueError, Count, Entry, EntryId, Folder, FolderError, Presence, State, Summary, bag,
};
use crate::names::LocalPath;
use crate::pull::Method;
use crate::pull::enumerate::Enumeration;
use crate::pull::halt::Halt;
use crate::pull::plan::{Plan, plan};

/// How long a look at the files counts. A listing may take much longer, with a phone that goes away
/// and comes back in it; the files are looked at again then.
const FRESH: Duration = Duration::from_secs(5);

/// What a rescue folder holds.
pub(super) struct Known {
    entries: Vec<Entry>,
    /// Places of files kept beside damaged ones.
    companions: Vec<LocalPath>,
    /// What a bag of it says.
    inventory: bag::Inventory,
    /// How many entries and bytes are in which state.
    summary: Summary,
    /// Whose files stood in their places, with their sizes, at `looked`; in order.
    in_place: Vec<EntryId>,
    looked: Instant,
}

impl Known {
    /// Nothing, as in a folder to be made.
    pub(super) fn nothing() -> Self {
        Self {
            entries: Vec::new(),
            companions: Vec::new(),
            inventory: bag::Inventory::default(),
            summary: Summary::default(),
            in_place: Vec::new(),
            looked: Instant::now(),
        }
    }

    /// Reads the catalogue and looks at the files; blocks. The looking ends early when the run is
    /// to stop.
    pub(super) fn of(folder: &Folder, halt: &Halt) -> Result<Self, Error> {
        let mut known = Self::nothing();
        folder.catalogue().for_each(|entry| {
            known.inventory.add_entry(&entry);
            known.summary.add(entry.state, Count::of(entry.size));
            known.entries.push(entry);
            Ok::<_, CatalogueError>(())
        })?;
        folder.catalogue().for_each_companion(|companion| {
            known.inventory.add_companion(&companion);
            known.companions.push(companion.local);
            Ok::<_, CatalogueError>(())
        })?;
        known.looked = Instant::now();
        let presence = Presence::of(folder.root());
        let should_stand =
            |entry: &&Entry| matches!(entry.state, State::Verified(_) | State::Pulled);
        for entry in known.entries.iter().filter(should_stand) {
            if halt.is_set() || known.looked.elapsed() > FRESH {
                break;
            }
            if presence.is_in_place(&entry.local, entry.size) {
                known.in_place.push(entry.id);
            }
        }
        Ok(known)
    }

    /// The same of a folder that may not exist, for a dry run.
    pub(super) fn of_existing(path: &Path, halt: &Halt) -> Result<Self, Error> {
        match Folder::open_after_asking(path) {
            Ok(folder) => Self::of(&folder, halt),
            Err(FolderError::Missing { .. }) => Ok(Self::nothing()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the catalogue has any entry.
    pub(super) fn holds_something(&self) -> bool {
        !self.entries.is_empty()
    }

    /// What the catalogue has in the folder.
    pub(super) fn inventory(&self) -> &bag::Inventory {
        &self.inventory
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
        halt: &Halt,
    ) -> Result<(Enumeration, Plan), Error> {
        let (presence, halted) = (Presence::of(path), halt.clone());
        let best_proof = method.best_proof();
        let comparing = tokio::task::spawn_blocking(move || {
            let failure = RefCell::new(None);
            let is_fresh = self.looked.elapsed() <= FRESH;
            let plan = plan(
                &mut found,
                self.entries,
                &self.companions,
                best_proof,
                |entry: &Entry| {
                    let is_settled = match entry.state {
                        State::Verified(proof) => proof <= best_proof,
                        State::Pulled => method == Method::Off,
                        _ => false,
                    };
                    let is_here = match (entry.sha256, is_settled || halted.is_set()) {
                        (Some(sha256), false) => {
                            presence.has_bytes(&entry.local, entry.size, sha256)
                        }
                        (_, true) if is_fresh && self.in_place.binary_search(&entry.id).is_ok() => {
                            Ok(true)
                        }
                        (_, true) => presence.look(&entry.local, entry.size),
                        (None, false) => Ok(false),
                    };
                    is_here.unwrap_or_else(|error| {
                        failure.borrow_mut().get_or_insert(error);
                        true
                    })
                },
            );
            match failure.into_inner() {
                // A disk that does not answer is no reason to take its files for lost.
                Some(error) => Err(error),
                None => Ok((found, plan)),
            }
        });
        tokio::select! {
            () = halt.stopped() => Err(stopped(halt)),
            compared = comparing => match compared {
                Ok(compared) => Ok(compared?),
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            },
        }
    }
}
