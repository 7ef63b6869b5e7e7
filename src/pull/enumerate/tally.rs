//! Counts the files that a listing skips, so that they are reported and not taken for rescued.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;

use crate::adb::RemotePath;
use crate::folder::{Count, Reason, SurveyKind, Surveyed};
use crate::item::Item;
use crate::media::choice::{Filter, Left};
use crate::media::kind::{ending, original_name};
use crate::media::taken::last_day;

/// The longest ending that is counted by itself, in bytes.
const MAX_ENDING: usize = 12;
/// Endings counted by themselves; a hostile phone can make any number.
const MAX_ENDINGS: usize = 1000;
/// Endings kept in the catalogue.
const KEPT_ENDINGS: usize = 100;
/// The placeholder for extensions that are not counted separately.
pub(crate) const OTHER_ENDINGS: &[u8] = b"*";

/// Counts for one folder, or for everything listed completely.
#[derive(Debug, Default)]
pub(super) struct ListingTally {
    /// The number of files, wanted or not.
    pub(super) files: u64,
    /// The number of links, devices and pipes.
    pub(super) not_files: u64,
    /// The number of folders with caches and thumbnails.
    pub(super) caches: u64,
    choice: Count,
    endings: HashMap<Box<[u8]>, Count>,
    pub(super) near: NearMisses,
}

/// Counts of items that almost matched, to explain a selection that matches nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct NearMisses {
    /// Files of a kind that was not selected.
    pub of_other_kinds: u64,
    /// Files changed before the selected time.
    pub too_old: u64,
    /// The day of the newest of those.
    pub newest: Option<NaiveDate>,
    /// Files that match no `--include` pattern.
    pub not_included: u64,
    /// Those of them that a pattern would match at any depth.
    pub deeper: u64,
    /// The first of those.
    pub example: Option<RemotePath>,
    /// Files that match an `--exclude` pattern.
    pub excluded: u64,
    /// Files outside the known folders that are not photos, videos or sound.
    pub no_media: u64,
}

impl ListingTally {
    /// Counts a file that is left on the phone.
    pub(super) fn leave(&mut self, item: &Item, why: Left) {
        match why {
            Left::NoMedia => {
                let name = item.path.name();
                let name = original_name(name).unwrap_or(name);
                let ending = shown_ending(name);
                let is_new = !self.endings.contains_key(&ending);
                let ending = match is_new && self.endings.len() >= MAX_ENDINGS {
                    true => Box::from(OTHER_ENDINGS),
                    false => ending,
                };
                add(self.endings.entry(ending).or_default(), item.size);
                self.near.no_media += 1;
            }
            Left::Choice(filter) => {
                add(&mut self.choice, item.size);
                let near = &mut self.near;
                match filter {
                    Filter::Kind => near.of_other_kinds += 1,
                    Filter::Since => {
                        near.too_old += 1;
                        let name = String::from_utf8_lossy(item.path.name());
                        near.newest = near.newest.max(last_day(&name, item.mtime));
                    }
                    Filter::Include => near.not_included += 1,
                    Filter::Exclude => near.excluded += 1,
                }
            }
        }
    }

    /// Counts a file that is left although the pattern matches what lies deeper.
    pub(super) fn note_deeper(&mut self, item: &Item) {
        self.near.deeper += 1;
        let example = &mut self.near.example;
        example.get_or_insert_with(|| item.path.clone());
    }

    /// Adds the counts of a folder and resets them there.
    pub(super) fn take_over(&mut self, folder: &mut Self) {
        let Self {
            files,
            not_files,
            caches,
            choice,
            endings,
            near,
        } = std::mem::take(folder);
        self.files += files;
        self.not_files += not_files;
        self.caches += caches;
        sum(&mut self.choice, choice);
        for (ending, count) in endings {
            let is_new = !self.endings.contains_key(&ending);
            let ending = match is_new && self.endings.len() >= MAX_ENDINGS {
                true => Box::from(OTHER_ENDINGS),
                false => ending,
            };
            sum(self.endings.entry(ending).or_default(), count);
        }
        let own = &mut self.near;
        own.of_other_kinds += near.of_other_kinds;
        own.too_old += near.too_old;
        own.newest = own.newest.max(near.newest);
        own.not_included += near.not_included;
        own.deeper += near.deeper;
        if own.example.is_none() {
            own.example = near.example;
        }
        own.excluded += near.excluded;
        own.no_media += near.no_media;
    }

    /// Returns the groups of files left on the phone, the most frequent extensions first.
    pub(super) fn groups(&self) -> Vec<Surveyed> {
        let group = |kind, place: &[u8], count: Count| Surveyed {
            kind,
            place: place.into(),
            items: count.files,
            bytes: count.bytes,
            reason: None,
        };
        let counted = |files| Count { files, bytes: 0 };
        let mut endings: Vec<_> = self.endings.iter().collect();
        endings.sort_unstable_by(|(a, count_a), (b, count_b)| {
            let is_rest = |ending: &[u8]| ending == OTHER_ENDINGS;
            (is_rest(a), count_b.files, a).cmp(&(is_rest(b), count_a.files, b))
        });
        let mut groups: Vec<_> = endings
            .iter()
            .take(KEPT_ENDINGS)
            .map(|(ending, count)| group(SurveyKind::Ending, ending, **count))
            .collect();
        let mut rest = Count::default();
        for (_, count) in endings.iter().skip(KEPT_ENDINGS) {
            sum(&mut rest, **count);
        }
        groups.push(group(SurveyKind::Ending, OTHER_ENDINGS, rest));
        groups.push(group(SurveyKind::Choice, b"", self.choice));
        groups.push(group(SurveyKind::Caches, b"", counted(self.caches)));
        groups.push(group(SurveyKind::NotFiles, b"", counted(self.not_files)));
        groups.retain(|group| group.items > 0);
        groups
    }
}

/// Places that could not be listed or need not be.
#[derive(Debug, Default)]
pub(super) struct Closed {
    private: BTreeMap<RemotePath, u64>,
    others: Vec<(SurveyKind, RemotePath, Reason)>,
}

impl Closed {
    /// Adds a folder in `place` that Android hides from every shell.
    pub(super) fn add_private(&mut self, place: RemotePath) {
        *self.private.entry(place).or_default() += 1;
    }

    pub(super) fn add(&mut self, kind: SurveyKind, place: RemotePath, reason: Reason) {
        self.others.push((kind, place, reason));
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Surveyed> {
        let private = self.private.iter().map(|(place, folders)| Surveyed {
            kind: SurveyKind::Private,
            place: place.as_bytes().into(),
            items: *folders,
            bytes: 0,
            reason: None,
        });
        let others = self.others.iter().map(|(kind, place, reason)| Surveyed {
            kind: *kind,
            place: place.as_bytes().into(),
            items: 1,
            bytes: 0,
            reason: Some(reason.clone()),
        });
        private.chain(others)
    }
}

/// Returns the extension under which a file is counted: in lower case, empty if it has none.
fn shown_ending(name: &[u8]) -> Box<[u8]> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'~');
    match ending(name) {
        None | Some(b"") => Box::default(),
        Some(ending) if ending.len() <= MAX_ENDING && ending.iter().all(is_plain) => {
            ending.to_ascii_lowercase().into()
        }
        Some(_) => OTHER_ENDINGS.into(),
    }
}

fn add(count: &mut Count, size: u64) {
    sum(count, Count::of(size));
}

fn sum(count: &mut Count, more: Count) {
    count.files += more.files;
    count.bytes = count.bytes.saturating_add(more.bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &[u8]) -> Item {
        let folder = RemotePath::new(b"/storage/emulated/0").unwrap();
        Item {
            path: folder.join(name).unwrap(),
            size: 10,
            size_is_exact: true,
            mtime: 0,
        }
    }

    #[test]
    fn what_is_left_is_counted_by_ending_the_most_frequent_first() {
        let (mut all, mut folder) = (ListingTally::default(), ListingTally::default());
        for name in [
            &b"a.APK"[..],
            b"b.apk",
            b".trashed-1-c.apk",
            b"notes.db",
            b"README",
            b"odd.e\xff",
            b"long.0123456789abc",
        ] {
            folder.leave(&item(name), Left::NoMedia);
        }
        all.take_over(&mut folder);
        assert!(folder.groups().is_empty());
        let groups = all.groups();
        let told: Vec<_> = groups
            .iter()
            .map(|group| (&*group.place, group.items, group.bytes))
            .collect();
        let expected: [(&[u8], u64, u64); 4] =
            [(b"apk", 3, 30), (b"", 1, 10), (b"db", 1, 10), (b"*", 2, 20)];
        assert_eq!(told, expected);
    }

    #[test]
    fn any_number_of_endings_takes_bounded_room() {
        let mut all = ListingTally::default();
        for number in 0..5000 {
            let mut folder = ListingTally::default();
            let name = format!("x.{number}");
            folder.leave(&item(name.as_bytes()), Left::NoMedia);
            all.take_over(&mut folder);
        }
        let groups = all.groups();
        assert!(groups.len() <= KEPT_ENDINGS + 2);
        let files: u64 = groups.iter().map(|group| group.items).sum();
        assert_eq!(files, 5000);
    }
}
