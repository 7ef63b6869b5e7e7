//! What a phone holds in words: how much of what, how long it takes, and whether it fits.

use serde::Serialize;

use super::super::super::text::{bytes, count, plain};
use super::{shown, sized};
use crate::guide::journey::{Amount, PhoneContents};

/// What a cable of USB 2 carries, in bytes a second: the estimate before anything is measured.
const ASSUMED_RATE: u64 = 30_000_000;
/// Folders that are named by themselves.
const NAMED_GROUPS: usize = 8;

/// The words about what a phone holds, for a list or a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ContentsWords {
    before: Vec<String>,
    heading: Option<String>,
    kinds: Vec<SizedRow>,
    groups: Vec<SizedRow>,
    after: Vec<String>,
}

/// Some files and their size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct SizedRow {
    files: String,
    size: String,
    /// Where they are; empty for those of a kind.
    of: String,
}

impl SizedRow {
    fn new(files: String, size: u64, of: &str) -> Self {
        Self {
            files,
            size: bytes(size),
            of: plain(of),
        }
    }

    fn line(&self) -> String {
        let Self { files, size, of } = self;
        format!("{files:>18} {size:>9}  {of}").trim_end().to_owned()
    }
}

impl ContentsWords {
    /// The same as lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.before.clone();
        lines.extend(self.heading.clone());
        lines.extend(self.kinds.iter().map(SizedRow::line));
        lines.extend((!self.groups.is_empty()).then(|| "By folder:".to_owned()));
        lines.extend(self.groups.iter().map(SizedRow::line));
        lines.extend(self.after.iter().cloned());
        lines
    }
}

pub(super) fn words(contents: &PhoneContents) -> ContentsWords {
    let PhoneContents {
        folder,
        photos,
        videos,
        others,
        groups,
        here,
        free_bytes,
        unreadable,
    } = contents;
    let all = contents.all();
    let mut words = ContentsWords::default();
    if here.files > 0 {
        words.before.push(format!(
            "Here already: {}, in {}. The rescue continues there.",
            sized(*here),
            shown(folder)
        ));
    }
    if *unreadable > 0 {
        let places = count(*unreadable, "place");
        words.before.push(format!(
            "{places} of the phone cannot be read; the end says which, and why."
        ));
    }
    if all.files == 0 {
        words.after.push(match here.files {
            0 => "The phone holds no photos, videos, sound or documents.".to_owned(),
            _ => "Nothing is new on the phone.".to_owned(),
        });
        return words;
    }
    let heading = match here.files {
        0 => "On the phone:",
        _ => "Still only on the phone:",
    };
    words.heading = Some(heading.to_owned());
    let kinds = [("photo", photos), ("video", videos), ("other file", others)];
    let kinds = kinds.iter().filter(|(_, amount)| amount.files > 0);
    words.kinds = kinds
        .map(|(noun, amount)| SizedRow::new(count(amount.files, noun), amount.bytes, ""))
        .collect();
    let named = groups.get(..NAMED_GROUPS).unwrap_or(groups);
    // One folder alone is what stands above.
    let named = if groups.len() > 1 { named } else { &[] };
    words.groups.extend(named.iter().map(|group| {
        let files = count(group.amount.files, "file");
        SizedRow::new(files, group.amount.bytes, &group.name)
    }));
    let rest = groups.get(NAMED_GROUPS..).unwrap_or_default().iter();
    let rest = rest.fold(Amount::default(), |sum, group| sum.and(group.amount));
    if rest.files > 0 {
        let files = count(rest.files, "file");
        let rest = SizedRow::new(files, rest.bytes, "in other folders");
        words.groups.push(rest);
    }
    words.after.push(format!(
        "All of it takes {} at {}/s, a usual rate over a cable.",
        minutes(all.bytes),
        bytes(ASSUMED_RATE)
    ));
    if here.files == 0 {
        words.after.push(format!("It goes into {}.", shown(folder)));
    }
    if let Some(free) = free_bytes {
        let fits = match *free >= all.bytes {
            true => "It fits.",
            false => {
                "Not all of it fits: the most precious files come first, or choose another disk."
            }
        };
        let free = bytes(*free);
        words
            .after
            .push(format!("Free on this disk: {free}. {fits}"));
    }
    words
}

/// How long so many bytes take at the assumed rate.
fn minutes(size: u64) -> String {
    match size / ASSUMED_RATE {
        0..60 => "less than a minute".to_owned(),
        seconds @ 60..5400 => format!("about {}", count(seconds.div_ceil(60), "minute")),
        seconds => format!("about {}", count(seconds.div_ceil(3600), "hour")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_rounded_up_to_what_a_person_says() {
        assert_eq!(minutes(0), "less than a minute");
        assert_eq!(minutes(ASSUMED_RATE * 61), "about 2 minutes");
        assert_eq!(minutes(ASSUMED_RATE * 7200), "about 2 hours");
    }
}
