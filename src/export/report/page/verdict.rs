//! What the whole comes to: the first thing that a report says.

use std::io::{self, Write};

use super::super::escaped;
use super::words::{are, count, number, were};
use super::{Lies, Page};
use crate::folder::{SurveyKind, Surveyed};

/// What the whole comes to.
#[derive(Debug, PartialEq)]
pub(super) struct Conclusion {
    pub(super) is_good: bool,
    pub(super) headline: String,
    pub(super) more: String,
}

pub(super) fn verdict(page: &Page<'_>) -> Conclusion {
    let (here, lost, unproven) = (
        page.tally.files(),
        page.missing.len() as u64,
        page.tally.unproven(),
    );
    let place = match page.lies {
        Lies::InArchive => "in this archive",
        Lies::InFolder => "in this folder",
    };
    let unknown = page.surveyed.iter().filter(|one| one.kind.is_unknown());
    let unknown: u64 = unknown.count() as u64;
    let care = |headline: String, more: String| Conclusion {
        is_good: false,
        headline,
        more,
    };
    let all_proven = match unproven {
        0 => format!("{} {place}, and each is proven", are(here, "file")),
        _ => format!("{} {place}", are(here, "file")),
    };
    if page.not_pulled > 0 {
        return care(
            "The rescue is not finished".to_owned(),
            format!(
                "{} still only on the phone. Do not erase it: connect it and run rescue pull again. {all_proven}.",
                are(page.not_pulled, "file")
            ),
        );
    }
    if lost > 0 {
        let what = match lost {
            1 => "One file is missing".to_owned(),
            lost => format!("{} are missing", number(lost)),
        };
        return care(
            format!("{what}; {} {place}", are(here, "file")),
            "The list below says which, and why. Read it before you erase or give away the phone."
                .to_owned(),
        );
    }
    if unproven > 0 {
        return care(
            format!("{} {place}; {} not proven", are(here, "file"), are(unproven, "file")),
            "The phone did not give a checksum to compare these with. Open some of them before you erase the phone."
                .to_owned(),
        );
    }
    if page.not_chosen > 0 {
        return Conclusion {
            is_good: true,
            headline: all_proven,
            more: format!(
                "This archive holds a choice. {} not chosen and stay in the rescue folder.",
                were(page.not_chosen, "file")
            ),
        };
    }
    if unknown > 0 {
        // As the guide calls it: what Android keeps for its apps is closed on every phone.
        let unreadable = |one: &Surveyed| one.kind == SurveyKind::Unreadable;
        return Conclusion {
            is_good: !page.surveyed.iter().any(unreadable),
            headline: format!("Everything that could be read is here: {all_proven}"),
            more: format!(
                "{} of the phone could not be searched; see “Where rescue looked”. Only you can say whether anything is there.",
                count(unknown, "place")
            ),
        };
    }
    Conclusion {
        is_good: true,
        headline: format!("Nothing is missing: {all_proven}"),
        more: "Each file was compared with the checksum that the phone itself computed.".to_owned(),
    }
}

impl Conclusion {
    pub(super) fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let (class, mark) = match self.is_good {
            true => ("verdict", "✓"),
            false => ("verdict care", "!"),
        };
        writeln!(
            to,
            "<div class=\"{class}\"><span class=\"mark\" aria-hidden=\"true\">{mark}</span><div><strong>{}</strong>\
             <p>{}</p></div></div>",
            escaped(&self.headline),
            escaped(&self.more)
        )
    }
}
