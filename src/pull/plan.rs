//! Plans a pull: compares the listed items with the catalogue. Pure, except for the names that it
//! allocates.
//!
//! Entries come one at a time and are not kept; items are kept in few bytes each.

mod settled;

use std::cmp::Ordering;

use super::enumerate::Enumeration;
use super::items::{FoundItem, Items, Number, PriorAttempt};
use crate::adb::RemotePath;
use crate::digest::Sha256;
use crate::folder::{Entry, EntryId, NewEntry, Proof, ReasonCode, Record, State};
use crate::item::{Item, Volume};
use crate::media::choice::in_data;
use crate::media::kind::{MediaKind, Precious};
use crate::names::{LocalPath, Names};
pub(crate) use settled::SettledEntries;

/// Stands for a card that is not in the phone now, only so that its entries' names stay taken.
const GONE: &str = "gone";

/// The largest plausible storage of a phone with its cards, in bytes (8 TiB).
pub(crate) const LARGEST_STORAGE: u64 = 8 << 40;

/// An item that is in the rescue folder but not proven yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnprovenItem {
    pub number: Number,
    /// The SHA-256 of the bytes in the rescue folder.
    pub sha256: Sha256,
}

/// An item that gets a new catalogue entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct New {
    pub number: Number,
    /// See [`Entry::version`].
    pub version: u32,
}

/// The plan of a run.
#[derive(Default)]
pub(crate) struct Plan {
    /// The items found, and those of entries that were not listed this time.
    pub items: Items,
    /// The items that get new entries, in the order of their paths.
    pub new: Vec<New>,
    /// The changes to existing entries.
    pub records: Vec<Record>,
    /// The items with existing entries that have to be pulled.
    pub tasks: Vec<Number>,
    /// The items that are neither in the rescue folder nor in this listing: they are gone, or were not selected this
    /// time.
    pub unseen: Vec<Number>,
    /// The items that only have to be verified: they have no proof, or a weaker one than the phone can give.
    pub unproven: Vec<UnprovenItem>,
    /// The items whose files are no longer in their places. Whatever is there now is something else.
    pub vacant: Vec<Number>,
    /// The number of items that are in the rescue folder and proven.
    pub done_items: u64,
    pub done_bytes: u64,
    /// The names in use, needed when a file turns out to need another name.
    pub names: Names,
}

/// Compares the listing with the catalogue's entries, which must be given in the order of their paths and versions.
pub(crate) struct Planner<'a, P> {
    plan: Plan,
    volumes: &'a [Volume],
    best_proof: Proof,
    /// Checks whether an entry's file, with its bytes, is in the rescue folder.
    is_in_place: P,
    /// The listed items in the order of their paths; the first `decided` of them are done.
    order: Vec<Number>,
    decided: usize,
    /// The previous entry, because a later version of it may follow.
    last: Option<Entry>,
}

impl<'a, P: Fn(&Entry) -> bool> Planner<'a, P> {
    /// Creates a planner for a listing, before any entry is given.
    ///
    /// `best_proof` is the strongest proof that the phone can give now.
    pub(crate) fn new(enumeration: &'a mut Enumeration, best_proof: Proof, is_in_place: P) -> Self {
        let items = std::mem::take(&mut enumeration.items);
        let order = items.in_order();
        let mut names = Names::new();
        names.reserve(order.len());
        Self {
            plan: Plan {
                items,
                new: Vec::with_capacity(order.len()),
                names,
                ..Plan::default()
            },
            order,
            volumes: &enumeration.volumes,
            best_proof,
            is_in_place,
            decided: 0,
            last: None,
        }
    }

    /// Adds the next entry.
    pub(crate) fn take(&mut self, entry: Entry) {
        let (prefix, components) = place(&entry.item.path, self.volumes);
        let names = &mut self.plan.names;
        names.remember(&prefix, components.iter().copied(), &entry.local);
        match self.last.replace(entry) {
            // The latest version counts.
            Some(last)
                if self
                    .last
                    .as_ref()
                    .is_some_and(|it| it.item.path == last.item.path) => {}
            Some(last) => self.settle(last),
            None => {}
        }
    }

    /// Returns the plan. `companions` are the places of files kept beside damaged ones; no other file gets those
    /// places.
    pub(crate) fn finish(mut self, companions: &[LocalPath]) -> Plan {
        if let Some(last) = self.last.take() {
            self.settle(last);
        }
        while let Some(number) = self.next_found() {
            self.add_new(number, 1);
        }
        companions
            .iter()
            .for_each(|local| self.plan.names.occupy(local));
        // Only now is it known which names are taken.
        let Plan {
            items, new, names, ..
        } = &mut self.plan;
        for New { number, .. } in &*new {
            let Some(found) = items.found(*number) else {
                continue;
            };
            let (prefix, components) = place(&found.item.path, self.volumes);
            let local = names.allocate(&prefix, components.iter().copied());
            items.set_local(*number, &local);
        }
        self.plan
    }

    fn next_found(&mut self) -> Option<Number> {
        let number = self.order.get(self.decided).copied()?;
        self.decided += 1;
        Some(number)
    }

    /// Decides about an entry and the listed items before it.
    fn settle(&mut self, entry: Entry) {
        let mut path = Vec::new();
        while let Some(number) = self.order.get(self.decided).copied() {
            self.plan.items.path_into(number, &mut path);
            match (*path).cmp(entry.item.path.as_bytes()) {
                Ordering::Less => self.add_new(number, 1),
                Ordering::Equal => {
                    self.decided += 1;
                    return self.add_known(number, entry);
                }
                Ordering::Greater => break,
            }
            self.decided += 1;
        }
        self.add_unseen(entry);
    }

    /// Handles an entry that was not listed. If its file is back in the rescue folder, it is recorded again. Otherwise
    /// the phone is asked about it, unless it is known to be gone.
    fn add_unseen(&mut self, entry: Entry) {
        let is_known_gone = || {
            let reason = entry.reason.as_ref();
            reason.is_some_and(|reason| reason.code == ReasonCode::Vanished)
        };
        let is_in_place = || (self.is_in_place)(&entry);
        let is_wanted = match (entry.state, entry.sha256) {
            (State::Planned | State::Failed, Some(sha256)) if is_in_place() => {
                return self.plan.records.push(Record::Pulled {
                    id: entry.id,
                    sha256,
                    size: entry.item.size,
                    local: None,
                });
            }
            (State::Planned | State::Failed, _) => !is_known_gone(),
            (State::Pulled | State::Verified(_), _) => !is_in_place(),
            (State::Damaged | State::Superseded, _) => false,
        };
        if !is_wanted {
            return;
        }
        let items = &mut self.plan.items;
        let number = items.push(FoundItem {
            item: Item {
                path: entry.item.path,
                size: entry.item.size,
                size_is_exact: entry.item.size_is_exact,
                mtime: entry.item.mtime,
            },
            kind: MediaKind::Other,
            volume: 0,
        });
        items.set_id(number, entry.id);
        items.set_local(number, &entry.local);
        items.set_progress(number, PriorAttempt::Refused);
        self.plan.unseen.push(number);
    }

    fn add_new(&mut self, number: Number, version: u32) {
        self.judge(number);
        self.plan.new.push(New { number, version });
    }

    fn add_known(&mut self, number: Number, entry: Entry) {
        let Some(item) = self.plan.items.item(number) else {
            return;
        };
        let same = is_same(&item, &entry);
        let was_here = matches!(entry.state, State::Pulled | State::Verified(_));
        // What once was here and is back counts only as what it is recorded to be.
        let is_here = match entry.state {
            State::Pulled | State::Verified(_) => (self.is_in_place)(&entry),
            State::Planned | State::Damaged | State::Failed => same && (self.is_in_place)(&entry),
            State::Superseded => false,
        };
        match (entry.state, is_here, same) {
            (State::Superseded, ..) => self.add_new(number, entry.version + 1),
            (State::Verified(proof), true, true) if proof <= self.best_proof => {
                self.plan.done_items += 1;
                self.plan.done_bytes += entry.item.size;
            }
            (_, true, true) => {
                let Some(sha256) = entry.sha256 else {
                    return;
                };
                if !was_here {
                    self.plan.records.push(Record::Pulled {
                        id: entry.id,
                        sha256,
                        size: entry.item.size,
                        local: None,
                    });
                }
                self.known(number, &entry);
                // As it is here.
                let items = &mut self.plan.items;
                items.set_size(number, &entry.item);
                items.set_progress(number, PriorAttempt::StartsOver);
                self.plan.unproven.push(UnprovenItem { number, sha256 });
            }
            (_, true, false) => {
                // The older version was once safe, and stays.
                self.plan.records.push(Record::Supersede { id: entry.id });
                self.add_new(number, entry.version + 1);
            }
            (state, false, _) => {
                if !same || !matches!(state, State::Planned) {
                    let Item {
                        size,
                        size_is_exact,
                        mtime,
                        ..
                    } = item;
                    self.plan.records.push(Record::Replan {
                        id: entry.id,
                        size,
                        size_is_exact,
                        mtime,
                    });
                }
                self.known(number, &entry);
                let was_refused = matches!(state, State::Failed | State::Damaged);
                let progress = match (was_refused, same) {
                    (false, true) => PriorAttempt::MayResume,
                    (false, false) => PriorAttempt::StartsOver,
                    (true, true) => PriorAttempt::RefusedMayResume,
                    (true, false) => PriorAttempt::Refused,
                };
                self.plan.items.set_progress(number, progress);
                if was_here {
                    self.plan.vacant.push(number);
                }
                self.plan.tasks.push(number);
            }
        }
    }

    /// Connects an item with its entry.
    fn known(&mut self, number: Number, entry: &Entry) {
        self.judge(number);
        self.plan.items.set_id(number, entry.id);
        self.plan.items.set_local(number, &entry.local);
    }

    fn judge(&mut self, number: Number) {
        if let Some(FoundItem { item, kind, volume }) = self.plan.items.found(number) {
            let precious = judge(&item, kind, self.volumes.get(volume as usize));
            self.plan.items.set_precious(number, precious);
        }
    }
}

impl Plan {
    /// Returns the entries to create.
    pub(crate) fn new_entries(&self) -> impl Iterator<Item = NewEntry> {
        self.new.iter().filter_map(|New { number, version }| {
            Some(NewEntry {
                item: self.items.item(*number)?,
                version: *version,
                local: self.items.local(*number)?,
            })
        })
    }

    /// Takes over the ids of the entries just created, which are in the same order.
    pub(crate) fn set_ids(&mut self, ids: &[EntryId]) {
        for (New { number, .. }, id) in self.new.iter().zip(ids) {
            self.items.set_id(*number, *id);
        }
    }

    /// Returns the items to pull, in order: the most valuable first, then the newest. Items refused before come last.
    pub(crate) fn in_order(&self) -> Vec<Number> {
        let new = self.new.iter().map(|new| new.number);
        let mut order: Vec<_> = self.tasks.iter().copied().chain(new).collect();
        order.sort_by_key(|number| self.items.rank(*number));
        order
    }

    /// Returns whether everything is in the rescue folder and nothing has to be recorded.
    pub(crate) fn changes_nothing(&self) -> bool {
        self.new.is_empty()
            && self.records.is_empty()
            && self.tasks.is_empty()
            && self.unseen.is_empty()
            && self.unproven.is_empty()
            && self.vacant.is_empty()
    }

    /// Returns how many items have to be pulled, and their total size in bytes.
    pub(crate) fn wanted(&self) -> (u64, u64) {
        self.sizes()
            .fold((0, 0), |(items, bytes): (u64, u64), size| {
                (items + 1, bytes.saturating_add(size))
            })
    }

    /// Returns how many bytes they need on this disk. Files larger than `largest_file`, which the disk cannot hold, do
    /// not count. Neither do files too large for any phone: such a size is a false listing, and must not prevent the
    /// others from being pulled.
    pub(crate) fn needed_bytes(&self, largest_file: u64) -> u64 {
        self.sizes()
            .filter(|size| *size <= LARGEST_STORAGE.min(largest_file))
            .fold(0, u64::saturating_add)
    }

    /// Returns the size in bytes of the smallest item to pull.
    pub(crate) fn smallest(&self) -> Option<u64> {
        self.sizes().min()
    }

    fn sizes(&self) -> impl Iterator<Item = u64> {
        let new = self.new.iter().map(|new| new.number);
        let wanted = new.chain(self.tasks.iter().copied());
        wanted.map(|number| self.items.size(number))
    }
}

/// Returns whether an item is unchanged from its entry.
pub(super) fn is_same(item: &Item, entry: &Entry) -> bool {
    let size = match item.size_is_exact && entry.item.size_is_exact {
        true => item.size == entry.item.size,
        false => item.size as u32 == entry.item.size as u32,
    };
    size && item.mtime == entry.item.mtime
}

fn judge(item: &Item, kind: MediaKind, volume: Option<&Volume>) -> Precious {
    let below = volume.and_then(|volume| item.path.below(&volume.root));
    match below {
        Some(components) => Precious::of(kind, components),
        None => Precious::of(kind, std::iter::empty()),
    }
}

/// Returns where an item belongs: its folder below `data/`, and the path components below that.
fn place<'a>(path: &'a RemotePath, volumes: &[Volume]) -> (String, Vec<&'a [u8]>) {
    let inside = volumes
        .iter()
        .filter_map(|volume| Some((volume, path.below(&volume.root)?)));
    // `/storage/x` lies below both `/storage/x` and `/`: the longer root is meant.
    let (label, components) = match inside.max_by_key(|(volume, _)| volume.root.as_bytes().len()) {
        Some((volume, components)) => (volume.label.as_str(), components.collect::<Vec<_>>()),
        None => (GONE, components_of(path)),
    };
    in_data(label, components)
}

fn components_of(path: &RemotePath) -> Vec<&[u8]> {
    path.as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
        .collect()
}

#[cfg(test)]
mod tests;
