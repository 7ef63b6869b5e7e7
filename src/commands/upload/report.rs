//! What is reported of an upload, and of a remote's receipts.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::cli::UploadArgs;
use crate::commands::Done;
use crate::commands::summary::PhoneCoverage;
use crate::error::Error;
use crate::folder::upload::{RemoteId, UploadCount, UploadReason, UploadState};
use crate::folder::{Catalogue, CatalogueError, Folder, share_a_disk};
use crate::ui::{Ui, Went, bytes, count, plain, rate, seconds, typed, typed_word};
use crate::upload::choose::ChosenFiles;
use crate::upload::kinds::KindSettings;
use crate::upload::queue::Tally;

/// The command that sends a folder to a remote, in the middle of a sentence.
pub(in crate::commands) fn sending(folder: &Path, remote: &str) -> String {
    let (folder, remote) = (typed(folder), typed_word(remote));
    format!("`rescue upload {folder} --to {remote}`")
}

/// The same for an archive, which goes only where it is named.
pub(super) fn sending_archive(folder: &Path, remote: &str, archive: &str) -> String {
    let (folder, remote) = (typed(folder), typed_word(remote));
    let archive = typed(archive.as_ref());
    format!("`rescue upload {folder} --to {remote} --archive {archive}`")
}

/// Failures told on the terminal in a report; `rescue status` counts all.
pub(super) const TOLD_FAILURES: usize = 20;

#[derive(Serialize)]
struct UploadReport<'a> {
    r#type: &'static str,
    remote: &'a str,
    folder: String,
    #[serde(flatten)]
    tally: Tally,
    seconds: f64,
    counts: &'a [UploadCount],
    /// Items of the phone that are not there; `None` where only archives were sent.
    not_there: Option<u64>,
    /// Files that were wanted and left out: not verified, or damaged on the phone.
    left_out: u64,
    /// Whether everything was looked at; else `counts` are those of earlier receipts.
    finished: bool,
}

/// What an upload did.
pub(super) struct UploadRunDone {
    pub(super) remote: RemoteId,
    pub(super) tally: Tally,
    pub(super) elapsed: Duration,
    /// Files that earlier runs sent.
    pub(super) sent_before: u64,
    /// Files that were wanted and left out.
    pub(super) left_out: u64,
    pub(super) finished: bool,
}

/// Remarks on wanted files that are not sent, or not to where this command would put them.
pub(super) fn remark_left_out(args: &UploadArgs, chosen: &ChosenFiles, ui: &Ui) {
    let is_arranged = args.by_date || args.into.is_some();
    if chosen.unverified > 0 {
        ui.remark(&format!(
            "{} not verified and left out; --include-unverified sends them too",
            count(chosen.unverified, "file")
        ));
    }
    if chosen.damaged > 0 {
        ui.remark(&format!(
            "{} damaged on the phone and left out: `rescue status` names them",
            count(chosen.damaged, "file")
        ));
    }
    if chosen.elsewhere > 0 && is_arranged {
        let (stay, them) = match chosen.elsewhere {
            1 => ("stays", "it"),
            _ => ("stay", "them"),
        };
        ui.remark(&format!(
            "{} {stay} where an earlier upload put {them}: --into and --by-date arrange new files only, or all of them on another remote",
            count(chosen.elsewhere, "file")
        ));
    }
}

/// Reports what a run did, and where the remote stands now.
pub(super) fn report_run(
    args: &UploadArgs,
    folder: &Folder,
    run: &UploadRunDone,
    ui: &Ui,
) -> Result<Done, Error> {
    let catalogue = folder.catalogue();
    let counts = catalogue.upload_counts(run.remote)?;
    let not_there = catalogue.not_on(run.remote)?;
    let report = UploadReport {
        r#type: "upload_summary",
        remote: &args.to,
        folder: args.folder.display().to_string(),
        tally: run.tally,
        seconds: run.elapsed.as_secs_f64(),
        counts: &counts,
        not_there,
        left_out: run.left_out,
        finished: run.finished,
    };
    let last_run = catalogue.last_run()?;
    let coverage = PhoneCoverage::of(last_run.as_ref(), &catalogue.survey()?);
    let mut lines = report_lines(run);
    let standing = RemoteStanding {
        name: &args.to,
        folder: &args.folder,
        counts: &counts,
        not_there,
        coverage,
        archives: &waiting_archives(catalogue, run.remote)?,
        known: KnownBy::Looking,
    };
    match run.finished {
        true => lines.extend(standing.lines()),
        // The files sent earlier were not looked at again.
        false => lines.push(receipts_line(&args.to, &counts)),
    }
    let failures = run.tally.failed + run.tally.skipped + run.left_out;
    let (went, done) = match !run.finished || failures == 0 {
        true => (Went::Well, Done::All),
        false => (Went::Badly, Done::SomeFailed),
    };
    ui.report(&report, &lines, went);
    Ok(done)
}

/// What a run did; what it did not do is left out.
fn report_lines(run: &UploadRunDone) -> Vec<String> {
    let (tally, elapsed) = (&run.tally, run.elapsed);
    let others = [
        (tally.already_there, "there already"),
        (run.sent_before, "sent before"),
        (tally.failed, "failed"),
        (tally.skipped, "skipped"),
    ];
    let nothing_was_due = run.finished && tally.failed + tally.skipped == 0;
    let sent = match tally.sent {
        0 if nothing_was_due => "Nothing to send".to_owned(),
        0 => "No file sent".to_owned(),
        sent => format!(
            "{} sent, {} in {} ({})",
            count(sent, "file"),
            bytes(tally.sent_bytes),
            seconds(elapsed),
            rate(tally.sent_bytes, elapsed)
        ),
    };
    let others = others.iter().filter(|(files, _)| *files > 0);
    let others = others.map(|(files, words)| format!("{} {words}", count(*files, "file")));
    let mut lines = vec![
        std::iter::once(sent)
            .chain(others)
            .collect::<Vec<_>>()
            .join("; "),
    ];
    if tally.sent_again > 0 {
        let files = count(tally.sent_again, "file");
        lines.push(format!(
            "{files} sent before, missing or changed there, and due again"
        ));
    }
    if tally.copies > 0 {
        let copies = count(tally.copies, "file");
        lines.push(format!(
            "{copies} sent as a copy with a date, or as a smaller one"
        ));
    }
    if tally.as_they_are > 0 {
        let files = count(tally.as_they_are, "file");
        lines.push(format!(
            "{files} sent unchanged, although a copy was asked for; -v says why"
        ));
    }
    lines
}

/// How it is known what a remote has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum KnownBy {
    /// It was looked at just now.
    Looking,
    /// By the receipts of earlier uploads.
    Receipts,
}

/// Where a remote stands.
pub(in crate::commands) struct RemoteStanding<'a> {
    pub(in crate::commands) name: &'a str,
    /// The rescue folder.
    pub(in crate::commands) folder: &'a Path,
    pub(in crate::commands) counts: &'a [UploadCount],
    pub(in crate::commands) not_there: Option<u64>,
    pub(in crate::commands) coverage: PhoneCoverage,
    /// See [`waiting_archives`].
    pub(in crate::commands) archives: &'a [String],
    pub(in crate::commands) known: KnownBy,
}

impl RemoteStanding<'_> {
    /// The same in words. Complete is what was looked for on the phone, not what was sent.
    pub(in crate::commands) fn lines(&self) -> Vec<String> {
        let mut lines = self.failures();
        lines.push(self.sum(lines.is_empty()));
        for archive in self.archives.iter().take(TOLD_FAILURES) {
            lines.push(format!(
                "{}: {} is not sent yet: {} sends it",
                self.name,
                plain(archive),
                sending_archive(self.folder, self.name, archive)
            ));
        }
        lines
    }

    fn failures(&self) -> Vec<String> {
        let left_out = self.counts.iter().filter(|count| {
            matches!(count.state, UploadState::Skipped | UploadState::Failed) && count.files > 0
        });
        let line = |count: &UploadCount| {
            let state = match count.state {
                UploadState::Skipped => "skipped",
                _ => "failed",
            };
            let reason = count.reason.unwrap_or(UploadReason::Other);
            let step = match reason {
                UploadReason::SourceChanged | UploadReason::SourceGone => {
                    let folder = typed(self.folder);
                    format!("; `rescue pull -o {folder}` with the phone fetches it again")
                }
                _ => String::new(),
            };
            let (name, reason) = (self.name, reason_in_words(reason));
            format!("{name}: {} {state}: {reason}{step}", count.files)
        };
        left_out.map(line).collect()
    }

    fn sum(&self, is_all_taken: bool) -> String {
        let name = self.name;
        let (there, there_bytes) = sum(self.counts, &THERE);
        let (waiting, waiting_bytes) = sum(self.counts, &WAITING);
        let here = format!("{}, {}", count(there, "file"), bytes(there_bytes));
        let are_there = match (self.known, there) {
            (KnownBy::Receipts, _) => "on record as sent",
            (KnownBy::Looking, 1) => "is there",
            (KnownBy::Looking, _) => "are there",
        };
        let line = match (waiting, is_all_taken) {
            (0, true) => match (self.not_there, self.coverage) {
                (Some(0), PhoneCoverage::Everything) => {
                    format!("{name}: Backup complete ({here})")
                }
                (Some(0), PhoneCoverage::Readable) => format!(
                    "{name}: Backup complete, of all that Android lets rescue read ({here})"
                ),
                (Some(0), PhoneCoverage::Part) => {
                    format!("{name}: {here} {are_there}, all that the last run could read")
                }
                (Some(missing), _) => format!(
                    "{name}: {here} {are_there}; not there: {} of the phone, not chosen, not verified or not rescued",
                    count(missing, "other file")
                ),
                (None, _) => format!("{name}: {here} {are_there}"),
            },
            (0, false) => format!("{name}: {here} {are_there}"),
            _ => format!(
                "{name}: {here} {are_there}; {} waiting, {}",
                count(waiting, "file"),
                bytes(waiting_bytes)
            ),
        };
        match self.known {
            KnownBy::Receipts if there > 0 => {
                let (folder, remote) = (typed(self.folder), typed_word(name));
                format!(
                    "{line}, by its receipts; `rescue upload {folder} --to {remote} --check` compares them with what is there"
                )
            }
            _ => line,
        }
    }
}

/// The archives that were queued for a remote and are not there. They go only where they are named.
pub(in crate::commands) fn waiting_archives(
    catalogue: &Catalogue,
    remote: RemoteId,
) -> Result<Vec<String>, CatalogueError> {
    let mut archives = Vec::new();
    catalogue.for_each_upload(remote, |upload| {
        let is_waiting = matches!(
            upload.state,
            UploadState::Waiting | UploadState::Sending | UploadState::Failed
        );
        if upload.entry.is_none() && is_waiting {
            archives.push(upload.source);
        }
        Ok::<_, CatalogueError>(())
    })?;
    Ok(archives)
}

/// Says that a copy is lost with its original, where both are on one disk.
pub(in crate::commands) fn same_disk_line(folder: &Path, remote: &KindSettings) -> Option<String> {
    let path = remote.folder().filter(|path| share_a_disk(folder, path))?;
    Some(format!(
        "{} is on the same disk as the rescue folder: if that disk fails, both are lost",
        plain(&path.display().to_string())
    ))
}

/// What is known of a remote that could not be looked at to the end.
fn receipts_line(name: &str, counts: &[UploadCount]) -> String {
    let ((there, _), (waiting, _)) = (sum(counts, &THERE), sum(counts, &WAITING));
    format!(
        "{name}: not finished; {} on record as sent, {waiting} waiting",
        count(there, "file")
    )
}

/// What has a receipt...
pub(in crate::commands) const THERE: [UploadState; 2] = [UploadState::Sent, UploadState::There];
/// ...and what is still to be sent.
const WAITING: [UploadState; 2] = [UploadState::Waiting, UploadState::Sending];

/// Files and bytes in these states.
pub(in crate::commands) fn sum(counts: &[UploadCount], states: &[UploadState]) -> (u64, u64) {
    let these = counts.iter().filter(|count| states.contains(&count.state));
    these.fold((0, 0), |(files, bytes), count| {
        (files + count.files, bytes + count.bytes)
    })
}

fn reason_in_words(reason: UploadReason) -> &'static str {
    match reason {
        UploadReason::TooLarge => "over this service's limit",
        UploadReason::NameRefused => "the service does not take the name",
        UploadReason::TypeRefused => "the service does not take this type of file",
        UploadReason::Refused => "refused by the service",
        UploadReason::SourceChanged => "changed in the rescue folder since it was verified",
        UploadReason::SourceGone => "gone from the rescue folder",
        UploadReason::SourceUnreadable => "not readable in the rescue folder",
        UploadReason::SizeDiffers => "the service has only a part of it",
        UploadReason::Missing => "the service does not have it",
        UploadReason::Busy => "the service was busy for too long",
        UploadReason::Other => "something else went wrong",
    }
}
