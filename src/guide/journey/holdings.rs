//! The end of a guided run: what is on this computer, and how sure it is that nothing is lost.

use std::path::PathBuf;

use crate::folder::{Summary, SurveyKind, Surveyed};

/// What a rescue folder holds after a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// The rescue folder.
    pub(crate) folder: PathBuf,
    /// How many files are how far.
    pub(crate) summary: Summary,
    /// Where the listing looked, and what it left.
    pub(crate) survey: Vec<Surveyed>,
    /// Whether the last run came to its end and could read all that it looked for.
    pub(crate) is_whole: bool,
    /// Whether the person chose to leave something on the phone.
    pub(crate) is_choice: bool,
}

/// How sure it is that nothing is lost with the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// Everything that was looked for is here and proven, and nothing is unknown.
    Everything,
    /// The same, of all that Android lets a computer read.
    Readable,
    /// The same, of what the person chose.
    Chosen,
    /// The phone holds nothing of the kind.
    Empty,
    /// Something is missing, not proven or unknown.
    Partly,
}

impl Holdings {
    /// Says how sure it is. Whatever is in doubt counts as missing.
    pub(crate) fn verdict(&self) -> Completeness {
        let Summary {
            planned,
            pulled,
            verified,
            verified_by_size,
            damaged,
            failed,
            ..
        } = self.summary;
        let doubtful = [planned, pulled, verified_by_size, damaged, failed];
        let is_proven = doubtful.iter().all(|count| count.files == 0);
        if !self.is_whole || !is_proven || self.has(SurveyKind::Unreadable) {
            return Completeness::Partly;
        }
        let is_unknown = self.survey.iter().any(|one| one.kind.is_unknown());
        match (self.is_choice || self.has(SurveyKind::Choice), is_unknown) {
            (true, _) => Completeness::Chosen,
            (false, true) => Completeness::Readable,
            (false, false) if verified.files == 0 => Completeness::Empty,
            (false, false) => Completeness::Everything,
        }
    }

    fn has(&self, kind: SurveyKind) -> bool {
        self.survey.iter().any(|one| one.kind == kind)
    }

    /// Things that the listing met of a kind, and their bytes.
    pub(crate) fn sum(&self, kind: SurveyKind) -> (u64, u64) {
        let of = self.survey.iter().filter(|one| one.kind == kind);
        of.fold((0_u64, 0_u64), |(items, size), one| {
            (
                items.saturating_add(one.items),
                size.saturating_add(one.bytes),
            )
        })
    }
}
