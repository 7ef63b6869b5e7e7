//! Reports the result of a pull.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::super::Done;
use super::super::summary::{Steps, looked_at_everything, summary_lines, survey_lines};
use super::PullOrder;
use super::album::AlbumOutcome;
use crate::adb::RemotePath;
use crate::event::{Event, Events};
use crate::export::album::PAGE;
use crate::folder::{CatalogueError, Folder, Reason, ReasonCode, Summary, SurveyKind, Surveyed};
use crate::pull::enumerate::Enumeration;
use crate::pull::plan::Plan;
use crate::pull::session::PullOutcome;
use crate::ui::{Lead, Ui, Went, bytes, count, plain, rate, seconds, typed, were};

/// Failures told on the terminal; `rescue status` lists all.
const TOLD_FAILURES: usize = 20;

pub(super) fn tell_dry_run(
    plan: &Plan,
    found: &Enumeration,
    request: &PullOrder,
    events: &Events,
    ui: &Ui,
) -> Done {
    #[derive(Serialize)]
    struct WouldPull<'a> {
        r#type: &'static str,
        items: u64,
        bytes: u64,
        not_readable: u64,
        surveyed: &'a [Surveyed],
        looked_at_everything: bool,
    }
    let refused = found.refused.len() as u64;
    let (items, size) = plan.wanted();
    for number in plan.in_order() {
        let Some(item) = plan.items.item(number) else {
            continue;
        };
        ui.listing(&plain(&item.path.to_string()));
        events.emit(Event::WouldPull {
            path: item.path,
            size: item.size,
        });
    }
    let mut line = format!("{} would be pulled, {}", count(items, "file"), bytes(size));
    if refused > 0 {
        line += &format!("; {} could not be read completely", count(refused, "place"));
    }
    let surveyed = found.survey();
    let mut lines = vec![line];
    lines.extend(survey_lines(&surveyed));
    lines.extend(empty_phone_line(request, found));
    ui.result(
        &WouldPull {
            r#type: "dry_run",
            items,
            bytes: size,
            not_readable: refused,
            surveyed: &surveyed,
            looked_at_everything: looked_at_everything(&surveyed),
        },
        &lines,
    );
    match refused {
        0 => Done::All,
        _ => Done::SomeFailed,
    }
}

/// What is said of a phone with nothing on it.
fn empty_phone_line(request: &PullOrder, found: &Enumeration) -> Option<String> {
    let is_empty = found.files_wanted == 0 && found.refused.is_empty();
    (is_empty && request.selection.takes_all()).then(|| match found.files_seen {
        0 => "The phone is empty: it holds no files where rescue looks".to_owned(),
        files => format!(
            "The phone holds no photos, videos, sound or documents: {} looked at",
            were(files, "file")
        ),
    })
}

/// What is known to be missing: listed still, but no news.
#[derive(Debug, Default)]
pub(super) struct KnownMissing(HashMap<RemotePath, ReasonCode>);

impl KnownMissing {
    /// What the folder knows; with `accept`, what failed in this run is known from now on, unless it
    /// may be otherwise the next time.
    pub(super) fn settle(
        folder: &mut Folder,
        outcome: &PullOutcome,
        found: &Enumeration,
        accept: bool,
    ) -> Result<Self, CatalogueError> {
        let mut known = folder.catalogue().accepted()?;
        if !known.is_empty() && outcome.stopped.is_none() {
            folder.catalogue_mut().forget_accepted_that_are_here()?;
        }
        if accept && outcome.stopped.is_none() {
            let new: Vec<_> = missing(outcome, found)
                .filter(|(_, reason)| reason.code.is_lasting())
                .map(|(path, reason)| (path.clone(), reason.code))
                .collect();
            folder.catalogue_mut().accept(&new)?;
            known.extend(new);
        }
        Ok(Self(known))
    }

    fn has(&self, path: &RemotePath, reason: &Reason) -> bool {
        self.0.get(path) == Some(&reason.code)
    }

    /// Whether something is missing that was not known to be.
    pub(super) fn has_news(&self, outcome: &PullOutcome, found: &Enumeration) -> bool {
        missing(outcome, found).any(|(path, reason)| !self.has(path, reason))
    }
}

/// What is not here after a run, and why.
fn missing<'a>(
    outcome: &'a PullOutcome,
    found: &'a Enumeration,
) -> impl Iterator<Item = &'a (RemotePath, Reason)> {
    let items = outcome.failed.iter().chain(&outcome.damaged);
    items.chain(&found.refused)
}

#[derive(Serialize)]
struct PullSummary<'a> {
    r#type: &'static str,
    folder: String,
    seconds: f64,
    verification: &'static str,
    #[serde(flatten)]
    summary: &'a Summary,
    not_here: Vec<MissingItem<'a>>,
    not_proven: Vec<MissingItem<'a>>,
    surveyed: &'a [Surveyed],
    looked_at_everything: bool,
    /// Files of this run that bear another date than on the phone.
    dates_not_kept: u64,
    /// The page that shows the pictures, where it was written.
    album: Option<String>,
}

#[derive(Serialize)]
struct MissingItem<'a> {
    path: &'a RemotePath,
    #[serde(flatten)]
    reason: &'a Reason,
    /// Whether it was known to be missing before this run, or is from now on.
    known: bool,
}

impl<'a> MissingItem<'a> {
    fn of((path, reason): &'a (RemotePath, Reason), known: &KnownMissing) -> Self {
        let known = known.has(path, reason);
        Self {
            path,
            reason,
            known,
        }
    }
}

/// What is reported of a pull.
pub(super) struct PullReport<'a> {
    pub(super) path: &'a Path,
    pub(super) summary: &'a Summary,
    /// None where no page could be written at all.
    pub(super) album: Option<&'a AlbumOutcome>,
    pub(super) outcome: &'a PullOutcome,
    pub(super) found: &'a Enumeration,
    pub(super) known: &'a KnownMissing,
    pub(super) request: &'a PullOrder,
    pub(super) took: Duration,
    /// How long the phone was gone meanwhile.
    pub(super) waited: Duration,
    pub(super) wanted_bytes: u64,
}

impl PullReport<'_> {
    pub(super) fn tell(self, ui: &Ui) {
        let of = |one| MissingItem::of(one, self.known);
        let not_here: Vec<_> = missing(self.outcome, self.found).map(of).collect();
        let not_proven: Vec<_> = self.outcome.unproven.iter().map(of).collect();
        let surveyed = self.found.survey();
        let has_ended = self.outcome.stopped.is_none();
        let is_complete = has_ended && not_here.is_empty() && self.is_proven();
        let mut lines = self.lines(not_here.iter().chain(&not_proven), &surveyed, ui.lead());
        if !ui.is_quiet() {
            // Apart from the lines of the run.
            lines.insert(0, String::new());
            lines.extend(self.next_step().and_then(|step| ui.next_step(&step)));
        }
        let is_current = matches!(self.album, Some(AlbumOutcome::Current));
        let report = PullSummary {
            r#type: "summary",
            folder: self.path.display().to_string(),
            seconds: self.took.as_secs_f64(),
            verification: match (self.request.no_verify, is_complete) {
                (true, _) => "off",
                (false, true) => "complete",
                (false, false) => "partial",
            },
            summary: self.summary,
            not_here,
            not_proven,
            surveyed: &surveyed,
            looked_at_everything: has_ended && looked_at_everything(&surveyed),
            dates_not_kept: self.outcome.without_date,
            album: is_current.then(|| self.path.join(PAGE).display().to_string()),
        };
        // A stopped run ends with an error of its own.
        let went = match is_complete || !has_ended {
            true => Went::Well,
            false => Went::Badly,
        };
        ui.report(&report, &lines, went);
    }

    /// Whether each file of the folder was compared with the phone by its content.
    fn is_proven(&self) -> bool {
        let unproven = [
            self.summary.planned,
            self.summary.pulled,
            self.summary.failed,
            self.summary.damaged,
            self.summary.verified_by_size,
        ];
        unproven.iter().all(|state| state.files == 0)
    }

    fn lines<'m>(
        &self,
        missing: impl Iterator<Item = &'m MissingItem<'m>> + Clone,
        surveyed: &[Surveyed],
        lead: Lead,
    ) -> Vec<String> {
        let outcome = self.outcome;
        let mut lines = summary_lines(self.summary);
        // What could not be read is listed below, with the files.
        let but_unreadable: Vec<_> = surveyed
            .iter()
            .filter(|one| one.kind != SurveyKind::Unreadable)
            .cloned()
            .collect();
        // The guide's own end says what was not looked at, and where the files are.
        if lead == Lead::Person {
            lines.extend(survey_lines(&but_unreadable));
        }
        lines.extend(empty_phone_line(self.request, self.found));
        if outcome.without_date > 0 {
            lines.push(format!(
                "{} with a different date than on the phone, because this disk cannot store it; the catalogue has the right date",
                count(outcome.without_date, "file")
            ));
        }
        // A run that was stopped has no word for each file that was under way.
        let has_own_reason = |item: &&MissingItem<'_>| {
            outcome.stopped.is_none() || item.reason.code != ReasonCode::PhoneGone
        };
        lines.extend(missing_lines(missing.filter(has_own_reason)));
        lines.extend(self.album.and_then(AlbumOutcome::line));
        let place = match (lead, &outcome.stopped) {
            (Lead::Guide, None) => "Done after".to_owned(),
            _ => format!("In {}, after", plain(&self.path.display().to_string())),
        };
        let took = match outcome.stopped {
            Some(_) => seconds(self.took),
            None => pace(self.took, self.waited, self.wanted_bytes),
        };
        lines.push(format!("{place} {took}"));
        lines
    }

    /// The next step, which for a stopped run is in the error that ends it.
    fn next_step(&self) -> Option<String> {
        let path = self.path;
        let next = match self.album {
            _ if self.outcome.stopped.is_some() => return None,
            Some(AlbumOutcome::Current) => {
                format!("see the pictures with `rescue open {}`", typed(path))
            }
            _ => format!(
                "look into {}",
                plain(&path.join("data").display().to_string())
            ),
        };
        Some(format!(
            "{next}, and check the files any time with `rescue verify {}`",
            typed(path)
        ))
    }
}

/// How long a run took and how fast it was: the rate is that of the time in which the phone was there.
fn pace(took: Duration, waited: Duration, bytes: u64) -> String {
    let rate = (bytes > 0).then(|| rate(bytes, took.saturating_sub(waited)));
    let away = (waited.as_secs() > 0).then(|| {
        let away = seconds(waited);
        format!("without the {away} in which the phone was gone")
    });
    let notes: Vec<_> = rate.into_iter().chain(away).collect();
    match notes.is_empty() {
        true => seconds(took),
        false => format!("{} ({})", seconds(took), notes.join(", ")),
    }
}

/// Each file and folder that is not here or not proven, once; and what to do, once for each reason.
fn missing_lines<'a>(missing: impl Iterator<Item = &'a MissingItem<'a>> + Clone) -> Vec<String> {
    let mut lines = Vec::new();
    for item in missing.clone().take(TOLD_FAILURES) {
        let (path, why) = (plain(&item.path.to_string()), plain(&item.reason.message));
        let known = if item.known { "; known" } else { "" };
        lines.push(format!("    {path}: {why}{known}"));
    }
    let (mut told, mut known) = (0, 0);
    let mut steps = Steps::default();
    for item in missing {
        told += 1;
        known += u64::from(item.known);
        if !item.known {
            steps.add(item.reason.code);
        }
    }
    if told > TOLD_FAILURES {
        lines.push(format!(
            "    and {} more: `rescue status` lists them",
            told - TOLD_FAILURES
        ));
    }
    if known > 0 {
        lines.push(format!(
            "{} of them already known to be missing",
            match known {
                1 => "1 is".to_owned(),
                known => format!("{known} are"),
            }
        ));
    }
    lines.extend(steps.lines());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_leaves_the_time_out_in_which_the_phone_was_gone() {
        let seconds = Duration::from_secs;
        assert_eq!(pace(seconds(20), seconds(0), 40_000_000), "20 s (2.0 MB/s)");
        assert_eq!(
            pace(seconds(120), seconds(100), 40_000_000),
            "2 min 0 s (2.0 MB/s, without the 1 min 40 s in which the phone was gone)"
        );
    }
}
