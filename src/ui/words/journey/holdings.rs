//! The end of a guided run in words: what is safe and how sure, what is not, and when to wipe the phone.

use serde::Serialize;

use super::super::super::text::{bytes, count};
use super::super::{APART, WIPE, look_first};
use super::shown;
use crate::folder::{Summary, SurveyKind};
use crate::guide::journey::{Completeness, Holdings};

/// The words about the end, for a list or a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HoldingsWords {
    /// Whether nothing asked for is missing or in doubt.
    is_safe: bool,
    verdict: String,
    doubts: Vec<String>,
    rest: Vec<String>,
}

impl HoldingsWords {
    /// The same as lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![String::new(), self.verdict.clone()];
        lines.extend(self.doubts.iter().map(|doubt| format!("  - {doubt}")));
        lines.extend(self.rest.iter().cloned());
        lines
    }
}

pub(super) fn words(holdings: &Holdings) -> HoldingsWords {
    let proven = "Each file's checksum is the same as the phone's own.";
    let verdict = match holdings.verdict() {
        Completeness::Everything => {
            format!("Safe: everything asked for on the phone is here. {proven}")
        }
        Completeness::Readable => {
            format!("Safe: everything that Android lets a computer read is here. {proven}")
        }
        Completeness::Chosen => format!(
            "Safe: everything that you chose is here. {proven} The rest is only on the phone."
        ),
        Completeness::Empty => {
            "The phone holds no photos, videos, sound or documents: nothing was copied.".to_owned()
        }
        Completeness::Partly => "Not everything is safe yet:".to_owned(),
    };
    let place = format!(
        "It is in {}; the pictures are in its folder \"data\".",
        shown(&holdings.folder)
    );
    let wipe = match holdings.verdict() {
        Completeness::Partly => {
            format!(
                "{WIPE} before the rest is here, too, or you are sure that you can do without it."
            )
        }
        _ => look_first(),
    };
    HoldingsWords {
        is_safe: holdings.verdict() != Completeness::Partly,
        verdict,
        doubts: doubts(holdings),
        rest: vec![place, APART.to_owned(), wipe],
    }
}

/// What keeps the rescue from being everything.
fn doubts(holdings: &Holdings) -> Vec<String> {
    let Summary {
        planned,
        pulled,
        verified,
        verified_by_size,
        damaged,
        failed,
        ..
    } = holdings.summary;
    let mut doubts = Vec::new();
    if holdings.verdict() == Completeness::Partly {
        let proven = verified.files.saturating_sub(verified_by_size.files);
        doubts.push(format!("{}: here and proven", count(proven, "file")));
    }
    for (state, words) in [
        (verified_by_size, "here, compared by size only"),
        (pulled, "here, not compared with the phone yet"),
        (damaged, "damaged on the phone; only parts are here"),
        (failed, "not here; the list above says why"),
        (planned, "not here yet"),
    ] {
        if state.files > 0 {
            doubts.push(format!("{}: {words}", count(state.files, "file")));
        }
    }
    let (unreadable, _) = holdings.sum(SurveyKind::Unreadable);
    if unreadable > 0 {
        doubts.push(format!("{}: could not be read", count(unreadable, "place")));
    }
    let (private, _) = holdings.sum(SurveyKind::Private);
    if private > 0 {
        let whose = if private == 1 {
            "its app"
        } else {
            "their apps"
        };
        doubts.push(format!(
            "{}: not looked at, because Android keeps it for {whose}",
            count(private, "folder")
        ));
    }
    let (users, _) = holdings.sum(SurveyKind::OtherUser);
    if users > 0 {
        doubts.push(format!(
            "{} on the phone: not looked at",
            count(users, "other user")
        ));
    }
    let (left, left_bytes) = holdings.sum(SurveyKind::Choice);
    if left > 0 {
        let left = format!("{}, {}", count(left, "file"), bytes(left_bytes));
        doubts.push(format!("{left}: left on the phone by your choice"));
    }
    let is_explained = [verified_by_size, pulled, damaged, failed, planned]
        .iter()
        .any(|state| state.files > 0);
    if !holdings.is_whole && !is_explained && unreadable == 0 {
        doubts.push("the last run did not come to its end".to_owned());
    }
    doubts
}
