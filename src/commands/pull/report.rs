//! What a pull says at its end.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::super::Done;
use super::super::summary::summary_lines;
use super::Request;
use crate::adb::RemotePath;
use crate::event::{Event, Events};
use crate::folder::{Reason, Summary};
use crate::pull::enumerate::Enumeration;
use crate::pull::plan::Plan;
use crate::pull::session::Outcome;
use crate::ui::{Ui, bytes, count, plain, rate, seconds, typed};

/// Failures told on the terminal; `rescue status` lists all.
const TOLD_FAILURES: usize = 20;

pub(super) fn tell_dry_run(plan: Plan, found: &Enumeration, events: &Events, ui: &Ui) -> Done {
    #[derive(Serialize)]
    struct WouldPull {
        r#type: &'static str,
        items: u64,
        bytes: u64,
        not_readable: u64,
    }
    let refused = found.refused.len() as u64;
    let (items, size) = plan.wanted();
    let ids: Vec<_> = (0..plan.new.len() as i64)
        .map(crate::folder::EntryId)
        .collect();
    for task in plan.into_tasks(&ids) {
        let (path, size) = (task.item.path, task.item.size);
        ui.listing(&plain(&path.to_string()));
        events.emit(Event::WouldPull { path, size });
    }
    let mut line = format!("{} would be pulled, {}", count(items, "file"), bytes(size));
    if refused > 0 {
        line += &format!(
            "; {} cannot be read, or listed to the end",
            count(refused, "place")
        );
    }
    ui.result(
        &WouldPull {
            r#type: "dry_run",
            items,
            bytes: size,
            not_readable: refused,
        },
        &[line],
    );
    match refused {
        0 => Done::All,
        _ => Done::SomeFailed,
    }
}

#[derive(Serialize)]
struct Report<'a> {
    r#type: &'static str,
    folder: String,
    seconds: f64,
    verification: &'static str,
    #[serde(flatten)]
    summary: &'a Summary,
    not_here: Vec<Missing<'a>>,
    not_proven: Vec<Missing<'a>>,
}

#[derive(Serialize)]
struct Missing<'a> {
    path: &'a RemotePath,
    #[serde(flatten)]
    reason: &'a Reason,
}

#[expect(
    clippy::too_many_arguments,
    reason = "a report is made of everything that happened"
)]
pub(super) fn report(
    ui: &Ui,
    path: &Path,
    summary: &Summary,
    outcome: &Outcome,
    found: &Enumeration,
    request: &Request,
    took: Duration,
    wanted_bytes: u64,
) {
    let missing = |(path, reason)| Missing { path, reason };
    let not_here: Vec<_> = (outcome
        .failed
        .iter()
        .chain(&outcome.damaged)
        .chain(&found.refused))
    .map(|(path, reason)| missing((path, reason)))
    .collect();
    let not_proven: Vec<_> = outcome
        .unproven
        .iter()
        .map(|(path, reason)| missing((path, reason)))
        .collect();
    let mut lines = vec![String::new()];
    lines.extend(summary_lines(summary));
    if found.not_files > 0 {
        lines.push(format!(
            "{} and devices were left out",
            count(found.not_files, "link")
        ));
    }
    if found.private_folders > 0 {
        lines.push(format!(
            "{} that Android lets nobody read were left out",
            count(found.private_folders, "folder")
        ));
    }
    for item in not_here.iter().chain(&not_proven).take(TOLD_FAILURES) {
        let (path, why) = (plain(&item.path.to_string()), plain(&item.reason.message));
        lines.push(format!("    {path}: {why}"));
    }
    let told = not_here.len() + not_proven.len();
    if told > TOLD_FAILURES {
        lines.push(format!(
            "    and {} more: `rescue status` lists them",
            told - TOLD_FAILURES
        ));
    }
    let shown = plain(&path.display().to_string());
    lines.push(match outcome.stopped {
        Some(_) => format!("In {shown}, stopped after {}", seconds(took)),
        None => format!(
            "In {shown}, after {} ({})",
            seconds(took),
            rate(wanted_bytes, took)
        ),
    });
    lines.push(match outcome.stopped {
        Some(_) => "Next: run the same command again; it goes on where it was".to_owned(),
        None => format!(
            "Next: look into {}, and check it any time with `rescue verify {}`",
            plain(&path.join("data").display().to_string()),
            typed(path)
        ),
    });
    let unproven = [
        summary.planned,
        summary.pulled,
        summary.failed,
        summary.damaged,
        summary.verified_by_size,
    ];
    let is_complete = outcome.stopped.is_none()
        && not_here.is_empty()
        && unproven.iter().all(|state| state.files == 0);
    let verification = match (request.no_verify, is_complete) {
        (true, _) => "off",
        (false, true) => "complete",
        (false, false) => "partial",
    };
    let report = Report {
        r#type: "summary",
        folder: path.display().to_string(),
        seconds: took.as_secs_f64(),
        verification,
        summary,
        not_here,
        not_proven,
    };
    ui.result(&report, &lines);
}
