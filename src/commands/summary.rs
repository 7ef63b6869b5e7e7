//! A rescue folder's counts in words, the same in every command.

use crate::folder::{ReasonCode, Run, Summary, SurveyKind, Surveyed};
use crate::guide;
use crate::pull::enumerate::OTHER_ENDINGS;
use crate::ui::{bytes, count, plain, were};

/// Endings named in one line.
const NAMED_ENDINGS: usize = 8;
/// Places named by themselves.
const NAMED_PLACES: usize = 20;

/// One line for each state that has files.
pub(super) fn summary_lines(summary: &Summary) -> Vec<String> {
    let states = [
        (
            summary.verified_by_sha256,
            "verified: the phone's own SHA-256 is the same",
        ),
        (
            summary.verified_by_sha1,
            "verified: the phone's own SHA-1 is the same (it has no SHA-256)",
        ),
        (
            summary.verified_by_md5,
            "verified: the phone's own MD5 is the same (it has no SHA)",
        ),
        (
            summary.verified_by_size,
            "verified by size only (the phone cannot hash)",
        ),
        (summary.pulled, "pulled, but not verified"),
        (summary.superseded, "older versions, kept"),
        (
            summary.damaged,
            "damaged: kept beside their place as *.damaged",
        ),
        (summary.failed, "failed: not here"),
        (summary.planned, "not pulled yet"),
    ];
    let told = states.iter().filter(|(state, _)| state.files > 0);
    told.map(|(state, words)| {
        format!(
            "{:>13} {:>9}  {words}",
            count(state.files, "file"),
            bytes(state.bytes)
        )
    })
    .collect()
}

/// What to do about files that are missing, once for each kind of reason.
#[derive(Default)]
pub(super) struct Steps(Vec<(&'static str, u64)>);

impl Steps {
    pub(super) fn add(&mut self, code: ReasonCode) {
        let step = guide::next_for_items(code);
        match self.0.iter_mut().find(|(known, _)| Some(*known) == step) {
            Some((_, items)) => *items += 1,
            None => self.0.extend(step.map(|step| (step, 1))),
        }
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let line =
            |(step, items): &(&str, u64)| format!("For {}: {step}", count(*items, "missing file"));
        self.0.iter().map(line)
    }
}

/// What a rescue lacks, in a few words each; empty where everything is here and proven.
pub(super) fn lacking(summary: &Summary, is_whole: bool) -> Vec<String> {
    let states = [
        (summary.planned, "not pulled yet"),
        (summary.pulled, "not verified"),
        (summary.verified_by_size, "verified by size only"),
        (summary.damaged, "damaged"),
        (summary.failed, "failed"),
    ];
    let lacking = states.iter().filter(|(state, _)| state.files > 0);
    let lacking: Vec<_> = lacking
        .map(|(state, words)| format!("{} {words}", count(state.files, "file")))
        .collect();
    match lacking.is_empty() && !is_whole {
        true => vec!["the last run did not finish, or could not read every place".to_owned()],
        false => lacking,
    }
}

/// Where a listing looked, what it could not look at, and what it left.
pub(super) fn survey_lines(surveyed: &[Surveyed]) -> Vec<String> {
    let of = |kind| surveyed.iter().filter(move |one| one.kind == kind);
    let place = |one: &Surveyed| plain(&one.place_as_text());
    let mut lines = Vec::new();
    let looked_at: Vec<_> = of(SurveyKind::LookedAt)
        .map(|one| format!("{} ({})", place(one), count(one.items, "file")))
        .collect();
    lines.push(match looked_at.is_empty() {
        true => "Where on the phone the last pull looked is not recorded; the next one records it"
            .to_owned(),
        false => format!("Looked at {}", named(&looked_at)),
    });
    for one in of(SurveyKind::OtherUser).take(NAMED_PLACES) {
        lines.push(format!(
            "Not looked at: {} (another user's storage, which Android hides from this one): \
             switch the phone to that user and pull again with a folder of its own",
            place(one)
        ));
    }
    for one in of(SurveyKind::Private).take(NAMED_PLACES) {
        lines.push(format!(
            "Not looked at: {} in {}, which Android opens to the apps themselves only",
            count(one.items, "folder"),
            place(one)
        ));
    }
    let unreadable: Vec<_> = of(SurveyKind::Unreadable).collect();
    for one in unreadable.iter().take(NAMED_PLACES) {
        let why = one.reason.as_ref().map_or("", |reason| &reason.message);
        lines.push(format!("Not looked at: {} ({})", place(one), plain(why)));
    }
    if unreadable.len() > NAMED_PLACES {
        let more = (unreadable.len() - NAMED_PLACES) as u64;
        lines.push(format!("Not looked at: {} more", count(more, "place")));
    }
    let empty: Vec<_> = of(SurveyKind::NotMounted).map(place).collect();
    if !empty.is_empty() {
        lines.push(format!("No card or stick is in {}", named(&empty)));
    }
    lines.extend(endings_line(surveyed));
    for one in of(SurveyKind::Choice) {
        lines.push(format!(
            "{} skipped by your options ({})",
            were(one.items, "file"),
            bytes(one.bytes)
        ));
    }
    for one in of(SurveyKind::Caches) {
        lines.push(format!(
            "{} skipped, of thumbnails and caches: `--all` takes them",
            were(one.items, "folder")
        ));
    }
    for one in of(SurveyKind::NotFiles) {
        lines.push(format!(
            "{} skipped: links, devices or pipes",
            were(one.items, "special file")
        ));
    }
    lines
}

/// `412 other files (38 MB) were left: .apk 12, .db 9 ...: --all takes them`.
fn endings_line(surveyed: &[Surveyed]) -> Option<String> {
    let endings = || surveyed.iter().filter(|one| one.kind == SurveyKind::Ending);
    let files: u64 = endings().map(|one| one.items).sum();
    if files == 0 {
        return None;
    }
    let size = endings().map(|one| one.bytes).fold(0, u64::saturating_add);
    let mut named: Vec<_> = endings()
        .filter(|one| *one.place != *OTHER_ENDINGS)
        .take(NAMED_ENDINGS)
        .map(|one| match one.place.is_empty() {
            true => format!("without an ending {}", one.items),
            false => format!(".{} {}", plain(&one.place_as_text()), one.items),
        })
        .collect();
    let told: u64 = endings()
        .filter(|one| *one.place != *OTHER_ENDINGS)
        .take(NAMED_ENDINGS)
        .map(|one| one.items)
        .sum();
    if told < files {
        named.push(format!("others {}", files - told));
    }
    Some(format!(
        "{} ({}) were skipped: {}: `--all` takes them",
        count(files, "other file"),
        bytes(size),
        named.join(", ")
    ))
}

fn named(places: &[String]) -> String {
    let some = places
        .get(..places.len().min(NAMED_PLACES))
        .unwrap_or(places);
    let more = places.len() - some.len();
    match more {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

/// How much of the phone the last run could look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PhoneCoverage {
    Everything,
    /// All that Android lets this program read.
    Readable,
    /// A part: the run did not end, or could not read all of it.
    Part,
}

impl PhoneCoverage {
    pub(super) fn of(last_run: Option<&Run>, surveyed: &[Surveyed]) -> Self {
        match (
            last_run.is_some_and(Run::is_whole),
            looked_at_everything(surveyed),
        ) {
            (true, true) => Self::Everything,
            (true, false) => Self::Readable,
            (false, _) => Self::Part,
        }
    }
}

/// Whether a listing could look at everything that is there. Where none is recorded, as in folders of
/// earlier versions, nobody knows.
pub(super) fn looked_at_everything(surveyed: &[Surveyed]) -> bool {
    surveyed.iter().any(|one| one.kind == SurveyKind::LookedAt)
        && !surveyed.iter().any(|one| one.kind.is_unknown())
}
