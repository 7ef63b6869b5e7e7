//! Keeps copies that the phone contradicts, copies with gaps, and notes about them, beside the places of
//! their items.

use std::collections::HashSet;

use super::super::task::{Pulled, Task};
use super::{Thread, replan};
use crate::digest::Sha256;
use crate::event::Event;
use crate::folder::{
    Catalogue, CatalogueError, CommitOutcome, Companion, DiskError, EntryId, Finished, Gaps,
    PartialFile, PresenceLookup, Reason, Record, ToCommit,
};
use crate::names::LocalPath;

/// How the name of a note about a copy with gaps ends.
const NOTE: &str = ".txt";

/// What is known of the files that are kept beside their items' places.
#[derive(Debug)]
pub(super) struct KeptBeside {
    /// Items of which something is kept.
    pub(super) items: HashSet<EntryId>,
    /// Items of which an earlier run kept something.
    kept_before: HashSet<EntryId>,
    /// Items that an earlier run pulled, whose bytes are still those of then.
    pub(super) from_before: HashSet<EntryId>,
    /// Kept files with bytes that an earlier run pulled.
    of_earlier_runs: HashSet<LocalPath>,
    /// Files to be removed once the records are on the disk.
    pub(super) outdated: Vec<(EntryId, LocalPath)>,
}

impl KeptBeside {
    pub(super) fn of(catalogue: &Catalogue) -> Result<Self, CatalogueError> {
        let items = catalogue.with_companions()?;
        Ok(Self {
            kept_before: items.clone(),
            items,
            from_before: HashSet::new(),
            of_earlier_runs: HashSet::new(),
            // A run that was cut short may have left some.
            outdated: catalogue.outdated_companions()?,
        })
    }
}

/// Whether an item whose bytes are wrong is pulled again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tries {
    /// It is.
    Left,
    /// It was tried often enough.
    Used,
}

impl Thread {
    /// Spares copies beside items that are proven already.
    pub(super) fn spare_copies_beside_proven(&mut self) -> Result<(), CatalogueError> {
        let outdated: HashSet<_> = self.beside.outdated.iter().map(|(id, _)| *id).collect();
        for id in outdated {
            let entry = self.folder.catalogue().entry(id)?;
            if let Some(sha256) = entry.and_then(|entry| entry.sha256) {
                self.spare_copies_of_earlier_runs(id, sha256);
            }
        }
        Ok(())
    }

    /// Keeps received bytes beside the item's place, so that nothing wrong has the real name, and nothing is deleted
    /// that may turn out to be the best copy. They are removed once the item is here and verified.
    pub(super) fn set_aside(
        &mut self,
        task: &Task,
        pulled: Pulled,
        reason: Reason,
        attempts: Tries,
    ) {
        self.release(task.id);
        let aside = match self.group.remove(task.id) {
            Some(finished) => {
                self.flush();
                match self.commit_beside(&task.local, ".damaged", finished) {
                    Ok(kept) => kept.local,
                    Err(error) if error.concerns_the_whole_disk() => {
                        return self.stop_for(error);
                    }
                    Err(error) if attempts == Tries::Used => {
                        return self.refused_by_disk(task, &error);
                    }
                    // It comes again, and that is what counts then.
                    Err(error) => {
                        tracing::warn!(%error, "what came is wrong, and is not kept");
                        return;
                    }
                }
            }
            None => match self.rename_beside(task) {
                Ok(aside) => aside,
                Err(error) => return self.stop_for(error),
            },
        };
        if self.broken {
            return;
        }
        self.proofs.missing.remove(&task.id);
        if self.beside.from_before.remove(&task.id) {
            self.beside.of_earlier_runs.insert(aside.clone());
        }
        let new = Companion {
            local: aside.clone(),
            size: pulled.size,
            sha256: pulled.sha256,
            missing_bytes: None,
        };
        let mut old = self.companions(task.id);
        // Where it just got its place, what was there before is gone.
        old.retain(|old| old.local != new.local);
        let KeptCopies { whole, salvaged } = self.copies(&old);
        // The first may be the one that was right before the phone began to fail.
        let mut kept: Vec<Companion> = whole.into_iter().take(1).collect();
        if !kept.iter().any(|kept| kept.sha256 == new.sha256) {
            kept.push(new.clone());
        }
        kept.extend(salvaged);
        self.beside.items.insert(task.id);
        match attempts {
            Tries::Left => self.ledger.records.push(Record::Damaged {
                id: task.id,
                reason,
                kept: kept.clone(),
            }),
            Tries::Used => self
                .ledger
                .damaged(task.id, pulled.path, kept.clone(), 0, reason),
        }
        self.flush();
        self.discard_all_but(task.id, &kept, old.iter().chain([&new]));
    }

    /// Renames a file that is in its place.
    fn rename_beside(&mut self, task: &Task) -> Result<LocalPath, DiskError> {
        // Its entry must not say that it is here once it is not: first recorded, then renamed.
        self.ledger.records.push(replan(task));
        self.flush();
        let local = self.place_of(task);
        loop {
            let aside = self.names.allocate_beside(&local, ".damaged");
            // Where somebody put a file there, the allocator gives the next name.
            if self.committer.rename(&local, &aside)? {
                return Ok(aside);
            }
        }
    }

    fn discard_all_but<'a>(
        &mut self,
        id: EntryId,
        kept: &[Companion],
        files: impl Iterator<Item = &'a Companion>,
    ) {
        let is_kept = |file: &Companion| kept.iter().any(|kept| kept.local == file.local);
        let files = files.filter(|file| !is_kept(file));
        self.discard(files.map(|file| (id, file.local.clone())).collect());
    }

    /// Removes files that are recorded as kept, and then their records.
    pub(super) fn discard(&mut self, files: Vec<(EntryId, LocalPath)>) {
        if self.broken || files.is_empty() {
            return;
        }
        let mut records = Vec::with_capacity(files.len());
        for (id, local) in files {
            let removed = match self.beside.of_earlier_runs.remove(&local) {
                // The phone has something else now; what it had is not ours to delete.
                true => self.move_out(&local),
                false => self.committer.remove(&local),
            };
            match removed {
                Ok(()) => records.push(Record::Discarded { id, local }),
                Err(error) => tracing::warn!(%error, "an older damaged copy stays"),
            }
        }
        if let Err(error) = self.folder.catalogue_mut().record(&records) {
            self.stop(error.into());
        }
    }

    /// Keeps complete copies of an item that earlier runs made and whose bytes differ from the proven ones. One of them
    /// may date from before the file changed on the phone, and the run that knew has ended.
    pub(super) fn spare_copies_of_earlier_runs(&mut self, id: EntryId, proven: Sha256) {
        if !self.beside.kept_before.remove(&id) {
            return;
        }
        let KeptCopies { whole, .. } = self.copies(&self.companions(id));
        let others = whole.into_iter().filter(|copy| copy.sha256 != proven);
        self.beside
            .of_earlier_runs
            .extend(others.map(|copy| copy.local));
    }

    fn move_out(&self, local: &LocalPath) -> Result<(), DiskError> {
        let path = std::path::Path::new(local.as_str());
        if let Some(to) = self.folder.set_aside(path)? {
            self.supervisor.events.emit(Event::SetAside {
                local: local.clone(),
                to: to.display().to_string(),
                why: "the phone has something else now",
            });
        }
        Ok(())
    }

    /// Keeps salvaged bytes beside the item's place, with a note about the gaps. A copy from an earlier run stays if it
    /// has more bytes, is of another version of the file, has no gaps, or nobody knows how many it has.
    pub(super) fn keep_salvaged(
        &mut self,
        task: &Task,
        finished: Finished,
        gaps: &Gaps,
        reason: Reason,
    ) {
        self.flush();
        let old = self.companions(task.id);
        let KeptCopies { whole, salvaged } = self.copies(&old);
        let of_this_file = salvaged.first().is_some_and(|it| it.size == finished.size);
        let missing_then = missing_bytes_of(&salvaged).filter(|_| of_this_file);
        let (missing_bytes, mut kept) = match missing_then {
            Some(missing) if missing <= gaps.bytes() => {
                drop(finished);
                let _ = PartialFile::discard(self.folder.root(), task.id);
                (missing, salvaged)
            }
            _ => match self.put_beside(task, finished, gaps) {
                Ok(mut kept) => {
                    if missing_then.is_none() {
                        kept.extend(salvaged);
                    }
                    (gaps.bytes(), kept)
                }
                Err(error) if error.concerns_the_whole_disk() => return self.stop_for(error),
                Err(error) => return self.refused_by_disk(task, &error),
            },
        };
        kept.extend(whole);
        if kept.is_empty() {
            return;
        }
        let path = task.item.path.clone();
        self.ledger
            .damaged(task.id, path, kept.clone(), missing_bytes, reason);
        self.flush();
        self.discard_all_but(task.id, &kept, old.iter());
    }

    pub(super) fn companions(&self, id: EntryId) -> Vec<Companion> {
        let kept = self.folder.catalogue().companions(id);
        kept.unwrap_or_default()
    }

    /// Returns which of these files are still where they were put.
    fn copies(&self, kept: &[Companion]) -> KeptCopies {
        let presence = PresenceLookup::of(self.folder.root());
        let is_here = |file: &&Companion| presence.is_in_place(&file.local, file.size);
        let is_note = |file: &Companion| file.local.as_str().ends_with(NOTE);
        let (notes, copies): (Vec<_>, Vec<_>) =
            kept.iter().filter(is_here).cloned().partition(is_note);
        let mut found = KeptCopies::default();
        for copy in copies {
            // A note's name begins with that of the copy that it is about.
            let is_about_it =
                |note: &&Companion| note.local.as_str().starts_with(copy.local.as_str());
            match notes.iter().find(is_about_it) {
                Some(note) => found.salvaged.extend([copy.clone(), note.clone()]),
                None => found.whole.push(copy),
            }
        }
        found
    }

    fn put_beside(
        &mut self,
        task: &Task,
        finished: Finished,
        gaps: &Gaps,
    ) -> Result<Vec<Companion>, DiskError> {
        let size = finished.size;
        let mut damaged = self.commit_beside(&task.local, ".damaged", finished)?;
        damaged.missing_bytes = Some(gaps.bytes());
        let mut note = PartialFile::create(self.folder.root(), task.id)?;
        note.write(gaps.note(&task.item.path.to_string(), size).as_bytes())?;
        let note = note.finish(task.item.mtime)?;
        let note = self.commit_beside(&damaged.local.clone(), NOTE, note)?;
        Ok(vec![damaged, note])
    }

    fn commit_beside(
        &mut self,
        local: &LocalPath,
        ending: &str,
        mut finished: Finished,
    ) -> Result<Companion, DiskError> {
        loop {
            let local = self.names.allocate_beside(local, ending);
            let (size, sha256) = (finished.size, finished.sha256);
            let file = ToCommit {
                finished,
                local: local.clone(),
            };
            match self.committer.commit(vec![file])?.pop() {
                // Somebody put a file there; the allocator gives the next name.
                Some(CommitOutcome::TargetExists(back)) => finished = back,
                Some(CommitOutcome::Failed(_, error)) => return Err(error),
                _ => {
                    return Ok(Companion {
                        local,
                        size,
                        sha256,
                        missing_bytes: None,
                    });
                }
            }
        }
    }
}

/// How many bytes are missing in the first of these that has gaps.
pub(super) fn missing_bytes_of(kept: &[Companion]) -> Option<u64> {
    kept.iter().find_map(|file| file.missing_bytes)
}

/// What is kept of an item beside its place.
#[derive(Debug, Default)]
struct KeptCopies {
    /// KeptCopies all bytes of which came, and which the phone contradicts; the oldest first.
    whole: Vec<Companion>,
    /// A copy with gaps, and its note.
    salvaged: Vec<Companion>,
}
