//! How a run ended: what the catalogue says of it, and the exit code.

use std::path::Path;

use super::super::Done;
use super::report::KnownMissing;
use crate::error::{Error, Kind};
use crate::folder::{Folder, RunOutcome};
use crate::guide;
use crate::hint::Clause::{ByCommand, Said};
use crate::pull::enumerate::Enumeration;
use crate::pull::session::PullOutcome;

pub(super) struct RunEnd {
    pub(super) outcome: RunOutcome,
    pub(super) done: Done,
}

impl RunEnd {
    pub(super) fn of(outcome: &PullOutcome, found: &Enumeration, missing: &KnownMissing) -> Self {
        let clean = outcome.failed.is_empty()
            && outcome.damaged.is_empty()
            && outcome.unproven.is_empty()
            && found.refused.is_empty();
        // What is known to be missing is missing still, but no news.
        let is_news = !outcome.unproven.is_empty() || missing.has_news(outcome, found);
        let (ended, done) = match (&outcome.stopped, clean) {
            (Some(error), _) if error.kind == Kind::Interrupted => {
                (RunOutcome::Interrupted, Done::SomeFailed)
            }
            (Some(_), _) => (RunOutcome::Failed, Done::SomeFailed),
            (None, true) => (RunOutcome::Done, Done::All),
            (None, false) if !is_news => (RunOutcome::SomeFailed, Done::All),
            (None, false) => (RunOutcome::SomeFailed, Done::SomeFailed),
        };
        Self {
            outcome: ended,
            done,
        }
    }
}

/// Whether the folder's disk is gone or full, so that no page can be put there.
pub(super) fn is_out_of_reach(outcome: &PullOutcome) -> bool {
    let stopped = outcome.stopped.as_ref();
    stopped.is_some_and(|error| matches!(error.kind, Kind::Disk | Kind::DiskFull | Kind::Folder))
}

/// A run that an unplugged disk ended.
pub(super) fn disk_gone(path: &Path, why: &str) -> Error {
    let message = format!("the disk that holds {} is gone", path.display());
    Error::new(Kind::Disk, message)
        .caused_by(why.to_owned())
        .with_hint([
            Said("attach it again"),
            ByCommand(" and run the same command: it resumes where it stopped"),
        ])
}

pub(super) fn check_catalogue(folder: &Folder) -> Result<(), Error> {
    if folder.has_catalogue() {
        return Ok(());
    }
    let message = format!(
        "somebody removed the catalogue of {} while it was written",
        folder.root().display()
    );
    Err(Error::new(Kind::Disk, message).with_hint(guide::CATALOGUE_GONE))
}
