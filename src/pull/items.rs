//! Stores items in few bytes each. A phone may hold a million files, and all of them have to be known at once, to
//! order them and to compare them with the catalogue.
//!
//! In: items from a listing or the catalogue. Out: the same, one at a time. An item takes 48 bytes and its name; the
//! path of its folder is stored once for all items in it.

mod chunked;

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use self::chunked::Chunked;
use super::task::{Resumable, Task};
use crate::adb::RemotePath;
use crate::folder::EntryId;
use crate::item::Item;
use crate::media::kind::{MediaKind, Precious};
use crate::names::LocalPath;

/// The number of an item, assigned in the order of arrival.
pub(crate) type Number = u32;

/// A wanted item and the place where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundItem {
    /// The item.
    pub item: Item,
    /// The item's kind, judged by its name or its first bytes.
    pub kind: MediaKind,
    /// The index of the item's volume in [`super::enumerate::Enumeration::volumes`].
    pub volume: u32,
}

/// What earlier runs did with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PriorAttempt {
    /// Nothing yet; or they hold a part, which is of the same file and can be continued.
    MayResume,
    /// They hold a part, which may be of another version of the file.
    StartsOver,
    /// The phone refused the item; a held part is of the same file.
    RefusedMayResume,
    /// The phone refused the item; a held part may be of another version of the file.
    Refused,
}

/// A compact list of items, with their places on this disk once those are known.
#[derive(Debug, Default)]
pub(crate) struct Items {
    records: Chunked<ItemRecord>,
    /// The names of all, one behind the other; a listing is refused long before these are 4 GiB.
    text: Chunked<u8>,
    folders: Vec<(RemotePath, u32)>,
    known_folders: HashMap<(RemotePath, u32), u32>,
    local_folders: Vec<Box<str>>,
    known_local_folders: HashMap<Box<str>, u32>,
}

impl Items {
    /// Returns the number of items.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether there are no items.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns all item numbers, in order.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = Number> + use<> {
        0..self.records.len() as Number
    }

    /// Adds an item and returns its number.
    pub(crate) fn push(&mut self, found: FoundItem) -> Number {
        let FoundItem { item, kind, volume } = found;
        let number = self.records.len() as Number;
        // Only the root lies in no folder, and it is no file.
        let Some(parent) = item.path.parent() else {
            return number;
        };
        let folder = self.folder(parent, volume);
        let name = self.add_text(item.path.name());
        self.records.push(ItemRecord {
            size: item.size,
            mtime: item.mtime,
            id: EntryId(0),
            folder,
            local_folder: 0,
            name: name.start,
            local_name: 0,
            name_bytes: name.bytes,
            local_name_bytes: 0,
            kind,
            precious: Precious::Rest,
            size_is_exact: item.size_is_exact,
            progress: PriorAttempt::MayResume,
        });
        number
    }

    /// Removes the items from number `length` on. None of them may have a place yet.
    pub(super) fn truncate(&mut self, length: usize) {
        if let Some(first) = self.records.get(length) {
            self.text.truncate(first.name as usize);
        }
        self.records.truncate(length);
    }

    /// Removes duplicates among the items from number `start` on.
    pub(super) fn drop_twins_from(&mut self, start: usize) {
        let kept = self.ordered(start as Number..self.records.len() as Number);
        let kept: Vec<_> = kept
            .into_iter()
            .filter_map(|number| self.record(number).copied())
            .collect();
        self.records.truncate(start);
        kept.into_iter().for_each(|it| self.records.push(it));
    }

    /// Returns the item numbers in the order of their paths, each path once.
    pub(crate) fn in_order(&self) -> Vec<Number> {
        self.ordered(0..self.records.len() as Number)
    }

    fn ordered(&self, numbers: std::ops::Range<Number>) -> Vec<Number> {
        let mut order: Vec<_> = numbers.collect();
        // Folders come one after the other, most of them in order: a stable sort finds those runs.
        order.sort_by(|a, b| self.compare(*a, *b));
        order.dedup_by(|a, b| self.compare(*a, *b) == Ordering::Equal);
        order
    }

    fn compare(&self, a: Number, b: Number) -> Ordering {
        let (Some(a), Some(b)) = (self.record(a), self.record(b)) else {
            return Ordering::Equal;
        };
        match a.folder == b.folder {
            true => self.text(a.name()).cmp(self.text(b.name())),
            false => self.path_bytes(a).cmp(self.path_bytes(b)),
        }
    }

    fn path_bytes(&self, record: &ItemRecord) -> impl Iterator<Item = u8> {
        let folder = self.folders.get(record.folder as usize);
        let folder = folder.map_or(&b""[..], |(path, _)| path.as_bytes());
        // The root ends with its own slash.
        let folder = folder.strip_suffix(b"/").unwrap_or(folder);
        let name = self.text(record.name());
        folder.iter().chain(b"/").chain(name).copied()
    }

    /// Writes an item's path into a buffer.
    pub(crate) fn path_into(&self, number: Number, buffer: &mut Vec<u8>) {
        buffer.clear();
        if let Some(record) = self.record(number) {
            buffer.extend(self.path_bytes(record));
        }
    }

    /// Returns an item together with the place where it was found.
    pub(crate) fn found(&self, number: Number) -> Option<FoundItem> {
        let record = self.record(number)?;
        let (_, volume) = self.folders.get(record.folder as usize)?;
        Some(FoundItem {
            item: self.item_of(record)?,
            kind: record.kind,
            volume: *volume,
        })
    }

    /// Returns an item.
    pub(crate) fn item(&self, number: Number) -> Option<Item> {
        self.item_of(self.record(number)?)
    }

    fn item_of(&self, record: &ItemRecord) -> Option<Item> {
        let (folder, _) = self.folders.get(record.folder as usize)?;
        Some(Item {
            path: folder.join(self.text(record.name())).ok()?,
            size: record.size,
            size_is_exact: record.size_is_exact,
            mtime: record.mtime,
        })
    }

    /// Returns an item's size in bytes, whether that size is exact, and its modification time.
    pub(crate) fn size_and_time(&self, number: Number) -> Option<(u64, bool, i64)> {
        let record = self.record(number)?;
        Some((record.size, record.size_is_exact, record.mtime))
    }

    pub(crate) fn size(&self, number: Number) -> u64 {
        self.record(number).map_or(0, |record| record.size)
    }

    /// Returns an item's place below `data/`, once it is known.
    pub(crate) fn local(&self, number: Number) -> Option<LocalPath> {
        let record = self.record(number)?;
        let name = std::str::from_utf8(self.text(record.local_name())).ok()?;
        let folder = self.local_folders.get(record.local_folder as usize)?;
        (!name.is_empty()).then(|| match &**folder {
            "" => LocalPath::joined(&[name]),
            folder => LocalPath::joined(&[folder, name]),
        })
    }

    /// Returns the task of pulling an item, once its place is known.
    pub(crate) fn task(&self, number: Number) -> Option<Task> {
        let (record, local) = (self.record(number)?, self.local(number)?);
        Some(Task {
            id: record.id,
            item: self.item_of(record)?,
            local,
            precious: record.precious,
            was_refused: record.progress.was_refused(),
            may_resume: record.progress.may_resume(),
            attempts: 0,
        })
    }

    /// Returns the facts that decide whether a held part of the item can be continued.
    pub(super) fn resumable(&self, number: Number) -> Option<Resumable> {
        let record = self.record(number)?;
        Some(Resumable {
            id: record.id,
            size: record.size,
            may_resume: record.progress.may_resume(),
        })
    }

    /// See [`Task::rank`].
    pub(super) fn rank(&self, number: Number) -> Option<(bool, Precious, Reverse<i64>)> {
        let record = self.record(number)?;
        let was_refused = record.progress.was_refused();
        Some((was_refused, record.precious, Reverse(record.mtime)))
    }

    pub(super) fn set_precious(&mut self, number: Number, precious: Precious) {
        if let Some(record) = self.records.get_mut(number as usize) {
            record.precious = precious;
        }
    }

    pub(super) fn set_id(&mut self, number: Number, id: EntryId) {
        if let Some(record) = self.records.get_mut(number as usize) {
            record.id = id;
        }
    }

    pub(super) fn set_progress(&mut self, number: Number, progress: PriorAttempt) {
        if let Some(record) = self.records.get_mut(number as usize) {
            record.progress = progress;
        }
    }

    /// Gives an item the size of another version of it.
    pub(super) fn set_size(&mut self, number: Number, version: &Item) {
        if let Some(record) = self.records.get_mut(number as usize) {
            (record.size, record.size_is_exact) = (version.size, version.size_is_exact);
        }
    }

    /// Sets an item's place below `data/`.
    pub(super) fn set_local(&mut self, number: Number, local: &LocalPath) {
        let Some(name) = self.record(number).map(ItemRecord::name) else {
            return;
        };
        let parent = local.as_str().rsplit_once('/').map_or("", |(it, _)| it);
        let local_folder = match self.known_local_folders.get(parent) {
            Some(folder) => *folder,
            None => {
                let folder = self.local_folders.len() as u32;
                self.local_folders.push(parent.into());
                self.known_local_folders.insert(parent.into(), folder);
                folder
            }
        };
        let local_name = match local.name().as_bytes() == self.text(name) {
            true => name,
            false => self.add_text(local.name().as_bytes()),
        };
        if let Some(record) = self.records.get_mut(number as usize) {
            record.local_folder = local_folder;
            (record.local_name, record.local_name_bytes) = (local_name.start, local_name.bytes);
        }
    }

    fn folder(&mut self, path: RemotePath, volume: u32) -> u32 {
        // A folder's files come one after the other.
        let last = self.records.last().map(|record| record.folder);
        let is_last = |folder: &u32| {
            let last = self.folders.get(*folder as usize);
            last.is_some_and(|(known, of)| *of == volume && *known == path)
        };
        if let Some(last) = last.filter(is_last) {
            return last;
        }
        let next = self.folders.len() as u32;
        let folders = &mut self.folders;
        let known = self.known_folders.entry((path, volume));
        *known.or_insert_with_key(|key| {
            folders.push(key.clone());
            next
        })
    }

    fn add_text(&mut self, bytes: &[u8]) -> Span {
        let start = self.text.push_all(bytes) as u32;
        // No path is longer than some thousand bytes.
        let bytes = bytes.len() as u16;
        Span { start, bytes }
    }

    fn text(&self, span: Span) -> &[u8] {
        self.text.some(span.start as usize, span.bytes.into())
    }

    fn record(&self, number: Number) -> Option<&ItemRecord> {
        self.records.get(number as usize)
    }
}

#[derive(Debug, Clone, Copy)]
struct ItemRecord {
    size: u64,
    mtime: i64,
    id: EntryId,
    folder: u32,
    local_folder: u32,
    name: u32,
    local_name: u32,
    name_bytes: u16,
    /// None until the item has a place. Most have the name that they have on the phone.
    local_name_bytes: u16,
    kind: MediaKind,
    precious: Precious,
    size_is_exact: bool,
    progress: PriorAttempt,
}

/// A place in the text.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    bytes: u16,
}

impl ItemRecord {
    fn name(&self) -> Span {
        Span {
            start: self.name,
            bytes: self.name_bytes,
        }
    }

    fn local_name(&self) -> Span {
        Span {
            start: self.local_name,
            bytes: self.local_name_bytes,
        }
    }
}

impl PriorAttempt {
    fn was_refused(self) -> bool {
        matches!(self, Self::RefusedMayResume | Self::Refused)
    }

    fn may_resume(self) -> bool {
        matches!(self, Self::MayResume | Self::RefusedMayResume)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, size: u64) -> FoundItem {
        FoundItem {
            item: Item {
                path: RemotePath::new(path.as_bytes()).unwrap(),
                size,
                size_is_exact: true,
                mtime: -5,
            },
            kind: MediaKind::Photo,
            volume: 3,
        }
    }

    fn of(paths: &[&str]) -> Items {
        let mut items = Items::default();
        for (size, path) in paths.iter().enumerate() {
            items.push(found(path, size as u64));
        }
        items
    }

    fn paths(items: &Items, numbers: &[Number]) -> Vec<String> {
        let path = |number: &Number| items.item(*number).unwrap().path.to_string();
        numbers.iter().map(path).collect()
    }

    #[test]
    fn items_come_out_as_they_went_in() {
        let all = ["/a/b/1.jpg", "/x", "/a/2.jpg", "/a/b/\u{fc}.jpg"];
        let mut items = of(&all);
        for (number, path) in items.numbers().zip(all) {
            assert_eq!(items.found(number), Some(found(path, u64::from(number))));
            assert_eq!(items.task(number), None);
        }
        let local = |text: &str| LocalPath::new(text).unwrap();
        let places = [
            "internal/b/1.jpg",
            "x",
            "trash/2 (2).jpg",
            "internal/b/u.jpg",
        ];
        for (number, place) in items.numbers().zip(places) {
            items.set_local(number, &local(place));
            items.set_id(number, EntryId(i64::from(number) + 7));
        }
        for (number, place) in items.numbers().zip(places) {
            let task = items.task(number).unwrap();
            assert_eq!(task.local, local(place));
            assert_eq!(task.id, EntryId(i64::from(number) + 7));
            assert_eq!(Some(task.item), items.item(number));
        }
    }

    #[test]
    fn order_is_that_of_whole_paths() {
        // A dot is less than a slash: what lies in a folder stands between its neighbours.
        let items = of(&[
            "/a/b.jpg", "/a/b/x", "/a/c", "/", "/a/b/a", "/a/b.jpg", "/a0", "/A",
        ]);
        let order = paths(&items, &items.in_order());
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(order, sorted);
        assert_eq!(order.len(), 6);
    }

    #[test]
    fn what_is_taken_back_is_gone_and_twins_of_an_endless_folder_too() {
        let mut items = of(&["/a/1", "/a/2", "/b/1", "/b/2"]);
        items.truncate(2);
        assert_eq!(items.text.len(), 2);
        for path in ["/c/2", "/c/1", "/c/2", "/a/1"] {
            items.push(found(path, 9));
        }
        items.drop_twins_from(2);
        let left: Vec<_> = items.numbers().collect();
        assert_eq!(
            paths(&items, &left),
            ["/a/1", "/a/2", "/a/1", "/c/1", "/c/2"]
        );
    }

    /// A million items with names as cameras give them fit 70 MB.
    #[test]
    fn item_takes_few_bytes() {
        assert!(size_of::<ItemRecord>() <= 48, "{}", size_of::<ItemRecord>());
        let mut items = of(&[]);
        for number in 0..3000 {
            let path = format!("/storage/emulated/0/DCIM/Camera/IMG_{number:06}.jpg");
            let number = items.push(found(&path, 1));
            let place = format!("internal/DCIM/Camera/IMG_{number:06}.jpg");
            items.set_local(number, &LocalPath::new(&place).unwrap());
        }
        // Some bytes at the end of a chunk are not used.
        let text = 3000 * "IMG_000000.jpg".len();
        assert!((text..text + 1024).contains(&items.text.len()));
        assert_eq!((items.folders.len(), items.local_folders.len()), (1, 1));
    }
}
