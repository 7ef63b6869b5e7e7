//! The walk through a phone's folders, over as many streams and connections as it takes.

mod empty;
mod failing;
mod roots;

use std::collections::VecDeque;
use std::sync::Arc;

use self::failing::Savepoint;
use super::super::items::FoundItem;
use super::super::reasons::{reason_of_errno, reason_of_fail};
use super::ask::list_operation;
use super::first_bytes;
use super::tally::{Closed, ListingTally};
use super::volumes::{VolumeKind, Volumes};
use super::{Enumeration, Roots};
use crate::adb::RemotePath;
use crate::adb::features::Feature;
use crate::adb::sync::{FileType, Stat, SyncAnswer};
use crate::event::{Event, Events};
use crate::folder::{Reason, ReasonCode, SurveyKind, Surveyed};
use crate::item::Item;
use crate::media::choice::{Filter, Left, Selection, Spot, Verdict, Walk};
use crate::media::kind::{MediaKind, ending, original_name};
use crate::phone::{Phone, PhoneError};

/// Requests under way at once: enough to hide a slow link's latency.
const LISTS_AHEAD: usize = 64;
/// More entries than any phone holds: a listing without end stops here.
const MAX_ENTRIES: u64 = 2_000_000;
/// More entries than any one folder holds: a folder that lists without end is given up here.
const MAX_FOLDER_ENTRIES: u64 = MAX_ENTRIES / 2;
/// More than the paths of so many files take, in bytes: each is held several times.
const MAX_PATH_BYTES_IN_ALL: usize = 256 * 1024 * 1024;
/// Refusals kept in words; a hostile phone can make any number.
const MAX_REFUSALS: usize = 10_000;
/// How often to tell how far the listing is, in entries.
const TELL_EVERY: u64 = 500;
/// Files whose names do not tell what they are, kept to be looked into.
const MAX_UNDECIDED: usize = 4 * first_bytes::MAX_FILES;

/// A folder that still has to be listed.
#[derive(Debug, Clone)]
struct PendingFolder {
    path: RemotePath,
    volume: usize,
    /// The index of the root from which the walk reached the folder.
    root: usize,
    walk: Walk,
    /// The identity of the folder and of the folders above it.
    place: Option<Arc<Ancestry>>,
    /// How often the phone stopped answering while it listed this folder.
    failures: u32,
}

/// The identity of a folder and of those above it, used to detect loops.
#[derive(Debug)]
struct Ancestry {
    device: u64,
    inode: u64,
    above: Option<Arc<Ancestry>>,
}

impl Ancestry {
    /// Returns whether `stat` describes this folder or one above it.
    fn is_within(&self, stat: &Stat) -> bool {
        let mut next = Some(self);
        while let Some(place) = next {
            if (place.device, place.inode) == (stat.device, stat.inode) {
                return true;
            }
            next = place.above.as_deref();
        }
        false
    }
}

#[derive(Debug)]
pub(super) struct Walker<'a> {
    selection: &'a Selection,
    found: Enumeration,
    /// The kinds and identities of the volumes in `found`, in the same order.
    standings: Vec<(VolumeKind, Option<(u64, u64)>)>,
    /// Whether the user named a folder of apps.
    asks_for_private: bool,
    /// The counts of the current folder, which are not yet part of `tally`.
    folder_tally: ListingTally,
    tally: ListingTally,
    /// The roots of the walk, and the number of files seen below each.
    roots: Vec<(RemotePath, u64)>,
    closed: Closed,
    /// Files that are wanted only if their first bytes show that, and how their folders are walked.
    undecided: Vec<(FoundItem, Walk)>,
    waiting: VecDeque<PendingFolder>,
    /// Folders whose listing was completely empty, without even `.`.
    suspicious: Vec<PendingFolder>,
    entries: u64,
    path_bytes: usize,
    settled_folders: u64,
    /// The number of consecutive folders during which the phone fell silent.
    silences: u32,
}

/// How the work on one stream ended.
enum ListingEnd {
    /// No folder is left to list.
    Done,
    /// The phone closed the stream after a refusal, as most phones do. No folder is at fault.
    Refused,
    /// The first requested folder made the phone stop answering.
    Broken(PhoneError),
    /// The listing of the first requested folder is endless.
    Endless,
}

impl<'a> Walker<'a> {
    pub(super) fn new(
        roots: &Roots,
        selection: &'a Selection,
        found: Volumes,
        events: &Events,
    ) -> Self {
        let Volumes {
            roots: places,
            refused,
            ..
        } = found;
        let mut walker = Self {
            selection,
            found: Enumeration {
                refused,
                ..Enumeration::default()
            },
            standings: Vec::new(),
            asks_for_private: false,
            folder_tally: ListingTally::default(),
            tally: ListingTally::default(),
            roots: Vec::new(),
            closed: Closed::default(),
            undecided: Vec::new(),
            waiting: VecDeque::new(),
            suspicious: Vec::new(),
            entries: 0,
            path_bytes: 0,
            settled_folders: 0,
            silences: 0,
        };
        match roots {
            Roots::Volumes => walker.add_volumes(places, events),
            Roots::Named(folders) => walker.add_named_roots(places, folders),
        }
        walker
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn settled_folders(&self) -> u64 {
        self.settled_folders
    }

    pub(super) fn into_found(self) -> Enumeration {
        let closed: Vec<_> = self.closed.places().collect();
        let is_open = |root: &RemotePath| {
            let is_refused = |(path, _): &(RemotePath, Reason)| path == root;
            !closed.iter().any(|place| *place.place == *root.as_bytes())
                && !self.found.refused.iter().any(is_refused)
        };
        let looked_at = self.roots.iter();
        let looked_at = looked_at.filter(|(root, files)| *files > 0 || is_open(root));
        let mut surveyed: Vec<_> = looked_at
            .map(|(root, files)| Surveyed {
                kind: SurveyKind::LookedAt,
                place: root.as_bytes().into(),
                items: *files,
                bytes: 0,
                reason: None,
            })
            .collect();
        surveyed.extend(closed);
        surveyed.extend(self.tally.groups());
        Enumeration {
            surveyed,
            files_seen: self.tally.files,
            files_wanted: self.found.items.len() as u64,
            near: self.tally.near,
            ..self.found
        }
    }

    /// Walks until everything is listed or the phone is gone; in that case it can be called again.
    pub(super) async fn walk(&mut self, phone: &Phone, events: &Events) -> Result<(), PhoneError> {
        self.silences = 0;
        loop {
            if self.waiting.is_empty() {
                self.question_empty_folders(phone, events).await?;
                return Ok(());
            }
            let (mut under_way, mut mark) = (VecDeque::new(), Savepoint::default());
            let ended = self
                .walk_stream(phone, events, &mut under_way, &mut mark)
                .await;
            let blamed = match &ended {
                Ok(ListingEnd::Broken(_) | ListingEnd::Endless) => under_way.pop_front(),
                Ok(ListingEnd::Done | ListingEnd::Refused) | Err(_) => None,
            };
            let outcome = match (ended, blamed) {
                (Ok(ListingEnd::Broken(error)), Some(folder)) => self.blame(folder, &mark, error),
                (Ok(ListingEnd::Endless), Some(folder)) => {
                    self.give_up_endless(folder, &mark);
                    Ok(())
                }
                (Err(error), _) => Err(error),
                _ => Ok(()),
            };
            // What was asked for and not answered is asked for again.
            while let Some(folder) = under_way.pop_back() {
                self.waiting.push_front(folder);
            }
            outcome?;
        }
    }

    /// Lists folders over one stream. Unanswered folders stay in `under_way`. An error means that the stream could not
    /// be opened or that the phone lists without end.
    async fn walk_stream(
        &mut self,
        phone: &Phone,
        events: &Events,
        under_way: &mut VecDeque<PendingFolder>,
        mark: &mut Savepoint,
    ) -> Result<ListingEnd, PhoneError> {
        let mut sync = phone.sync().await?;
        let mut was_refused = false;
        loop {
            while under_way.len() < LISTS_AHEAD
                && let Some(folder) = self.waiting.pop_front()
            {
                sync.request(list_operation(phone), &folder.path);
                under_way.push_back(folder);
            }
            let Some(current) = under_way.front().cloned() else {
                return Ok(ListingEnd::Done);
            };
            *mark = self.mark();
            if let Err(error) = sync.flush().await {
                return Ok(ListingEnd::Broken(error));
            }
            let mut is_empty = true;
            loop {
                match sync.next().await {
                    Ok(Some(SyncAnswer::Entry(stat, name))) => {
                        (is_empty, was_refused) = (false, false);
                        if self.entries - mark.entries > MAX_FOLDER_ENTRIES {
                            return Ok(ListingEnd::Endless);
                        }
                        self.entry(phone, events, &current, &stat, &name)?;
                    }
                    Ok(Some(SyncAnswer::ListEnd)) => {
                        self.count_folder(&current);
                        self.suspicious
                            .extend(under_way.pop_front().filter(|_| is_empty));
                        self.settled_folders += 1;
                        (self.silences, was_refused) = (0, false);
                        break;
                    }
                    Ok(Some(SyncAnswer::Fail(message))) => {
                        if let Some(folder) = under_way.pop_front() {
                            self.refuse(folder.path, reason_of_fail(&message));
                        }
                        self.settled_folders += 1;
                        was_refused = true;
                        break;
                    }
                    Ok(None) if was_refused => return Ok(ListingEnd::Refused),
                    Ok(Some(_) | None) => {
                        let service = "sync:";
                        return Ok(ListingEnd::Broken(PhoneError::StreamEnded { service }));
                    }
                    Err(error) => return Ok(ListingEnd::Broken(error)),
                }
            }
        }
    }

    fn entry(
        &mut self,
        phone: &Phone,
        events: &Events,
        folder: &PendingFolder,
        stat: &Stat,
        name: &[u8],
    ) -> Result<(), PhoneError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES || self.path_bytes > MAX_PATH_BYTES_IN_ALL {
            let limit = self.entries.min(MAX_ENTRIES);
            return Err(PhoneError::TooManyEntries { limit });
        }
        if matches!(name, b"." | b"..") {
            return Ok(());
        }
        if self.entries.is_multiple_of(TELL_EVERY) {
            events.emit(Event::Listed {
                files: self.entries,
            });
        }
        let path = match folder.path.join(name) {
            Ok(path) => path,
            Err(error) => {
                let shown =
                    String::from_utf8_lossy(name.get(..name.len().min(64)).unwrap_or_default());
                let message = format!("the name '{shown}' cannot be used: {error}");
                self.refuse(
                    folder.path.clone(),
                    Reason::new(ReasonCode::NameRefused, message),
                );
                return Ok(());
            }
        };
        match FileType::of_mode(stat.mode) {
            FileType::Folder => self.enter(path, folder, stat),
            FileType::Regular => {
                let item = Item {
                    path,
                    size: stat.size,
                    size_is_exact: phone.features().has(Feature::LsV2),
                    mtime: stat.mtime,
                };
                self.file(item, folder);
            }
            // A v2 listing says what went wrong with one entry.
            FileType::Other if stat.error != 0 => {
                let root = self.found.volumes.get(folder.volume);
                let root = root.map(|volume| &volume.root);
                if root.is_some_and(|root| self.selection.may_want(&path, root, folder.walk)) {
                    self.refuse(path, reason_of_errno(stat.error));
                }
            }
            FileType::Link | FileType::Other => self.folder_tally.not_files += 1,
        }
        Ok(())
    }

    /// Adds a file to the items, or counts it as left on the phone.
    fn file(&mut self, item: Item, folder: &PendingFolder) {
        let Some(volume) = self.found.volumes.get(folder.volume) else {
            return;
        };
        self.folder_tally.files += 1;
        let name = item.path.name();
        let kind = MediaKind::of_name(original_name(name).unwrap_or(name));
        let spot = Spot::Volume(&volume.root, &volume.label);
        let verdict = self.selection.judge(&item, kind, spot, folder.walk);
        let verdict = match verdict {
            Verdict::Undecided if self.undecided.len() >= MAX_UNDECIDED => {
                self.selection.left(kind, folder.walk)
            }
            verdict => verdict,
        };
        let bytes = item.path.as_bytes().len();
        let found = |item| FoundItem {
            item,
            kind,
            // There are no more than some dozens.
            volume: folder.volume as u32,
        };
        match verdict {
            Verdict::Wanted => {
                self.path_bytes += bytes;
                self.found.items.push(found(item));
            }
            Verdict::Undecided => {
                self.path_bytes += bytes;
                self.undecided.push((found(item), folder.walk));
            }
            Verdict::Left(why) => {
                // Only where nothing matches anybody asks what almost did.
                let is_near = why == Left::Choice(Filter::Include)
                    && self.found.items.is_empty()
                    && self.selection.matches_deeper(&item.path, spot);
                self.folder_tally.leave(&item, why);
                if is_near {
                    self.folder_tally.note_deeper(&item);
                }
            }
        }
    }

    /// Makes a folder's counts final; it will not be listed again.
    fn count_folder(&mut self, folder: &PendingFolder) {
        if let Some((_, files)) = self.roots.get_mut(folder.root) {
            *files += self.folder_tally.files;
        }
        self.tally.take_over(&mut self.folder_tally);
    }

    /// Reads the first bytes of files whose names do not show their kind, and decides about them; files without an
    /// extension come first.
    pub(super) async fn look_into_undecided(&mut self, phone: &Phone) -> Result<(), PhoneError> {
        let has_ending = |found: &FoundItem| {
            let name = found.item.path.name();
            ending(original_name(name).unwrap_or(name)).is_some()
        };
        self.undecided
            .sort_by_cached_key(|(found, _)| (has_ending(found), found.item.path.clone()));
        let (some, walks): (Vec<_>, Vec<_>) = self.undecided.iter().cloned().unzip();
        let asked = some.get(..some.len().min(first_bytes::MAX_FILES));
        let kinds = first_bytes::judge(phone, asked.unwrap_or_default()).await?;
        self.undecided.clear();
        let kinds = kinds.into_iter().chain(std::iter::repeat(MediaKind::Other));
        for ((found, walk), kind) in some.into_iter().zip(walks).zip(kinds) {
            let Some(volume) = self.found.volumes.get(found.volume as usize) else {
                continue;
            };
            let verdict = match kind {
                MediaKind::Other => self.selection.left(kind, walk),
                kind => {
                    let spot = Spot::Volume(&volume.root, &volume.label);
                    self.selection.judge(&found.item, kind, spot, walk)
                }
            };
            match verdict {
                Verdict::Wanted => {
                    self.found.items.push(FoundItem { kind, ..found });
                }
                Verdict::Left(why) => self.tally.leave(&found.item, why),
                Verdict::Undecided => {}
            }
        }
        Ok(())
    }

    /// Adds a folder found in another one to the walk.
    fn enter(&mut self, path: RemotePath, folder: &PendingFolder, stat: &Stat) {
        let Some(volume) = self.found.volumes.get(folder.volume) else {
            return;
        };
        let walk = match path.below(&volume.root) {
            Some(components) => self.selection.walk(components),
            None => Walk::Everything,
        };
        if walk == Walk::Skip {
            self.folder_tally.caches += 1;
            return;
        }
        // A card that is mounted inside internal storage is walked as a card.
        let identity = Some((stat.device, stat.inode)).filter(|(_, inode)| *inode != 0);
        let mut places = self.standings.iter();
        if identity.is_some() && places.any(|(_, place)| *place == identity) {
            return;
        }
        let above = folder.place.clone();
        // Storage that tells no identity tells 0.
        let is_known = stat.inode != 0;
        if is_known && above.as_ref().is_some_and(|above| above.is_within(stat)) {
            let words = "it is a folder above itself: the phone's storage is damaged there";
            return self.refuse(path, Reason::new(ReasonCode::Other, words));
        }
        let place = match is_known {
            true => Some(Arc::new(Ancestry {
                device: stat.device,
                inode: stat.inode,
                above,
            })),
            false => above,
        };
        self.path_bytes += path.as_bytes().len();
        self.waiting.push_back(PendingFolder {
            path,
            volume: folder.volume,
            root: folder.root,
            walk,
            place,
            failures: 0,
        });
    }

    fn refuse(&mut self, path: RemotePath, reason: Reason) {
        if self.found.refused.len() < MAX_REFUSALS {
            self.found.refused.push((path, reason));
        }
    }
}
