//! `rescue upload FOLDER --to REMOTE --check`: compares the remote with the receipts, and reports how it
//! compared.

mod not_sent;

use serde::Serialize;

use self::not_sent::NotSent;
use super::cut_short;
use super::report::{TOLD_FAILURES, sending, sending_archive};
use crate::cli::UploadArgs;
use crate::commands::{Context, Done};
use crate::error::{Error, Kind};
use crate::folder::reader::FoundSize;
use crate::folder::upload::{RemoteId, Upload, UploadReason, UploadRecord, UploadState};
use crate::folder::{Access, CatalogueError, DataReader, Folder};
use crate::names::LocalPath;
use crate::ui::{Ui, Went, count, plain, typed, typed_word};
use crate::upload::queue::{Options, check as queue};
use crate::upload::{Depth, Masked, Proven, Settled};

/// What is to be compared, and how.
pub(super) struct RemoteComparison<'a> {
    pub(super) args: &'a UploadArgs,
    pub(super) depth: Depth,
    pub(super) target: &'a str,
    pub(super) options: Options,
}

#[derive(Serialize)]
struct CheckReport<'a> {
    r#type: &'static str,
    remote: &'a str,
    there: u64,
    wrong: u64,
    /// Verified files that are wanted, and have no receipt.
    not_sent: u64,
    /// Files that were wanted and left out: not rescued, not verified, or damaged on the phone.
    left_out: u64,
    #[serde(flatten)]
    compared: Compared,
}

/// By what files were seen to be there.
#[derive(Debug, Default, Serialize)]
struct Compared {
    read_back: u64,
    by_checksum: u64,
    by_size: u64,
    by_name: u64,
}

#[derive(Serialize)]
struct WrongUpload<'a> {
    r#type: &'static str,
    source: &'a str,
    path: &'a str,
    reason: UploadReason,
    message: &'a str,
}

/// Compares the remote with the receipts; what is wrong is queued again.
pub(super) async fn check(
    work: RemoteComparison<'_>,
    folder: &mut Folder,
    remote: Masked,
    context: Context<'_>,
) -> Result<Done, Error> {
    let (args, halt) = (work.args, context.halt);
    let id = remote_with_receipts(&work, folder)?;
    let mut recorded = RecordedUploads::of(folder, id)?;
    let rules = remote.rules().clone();
    let missing = match args.archive.is_empty() {
        true => NotSent::of(args, folder, (&rules, id), &mut recorded, halt).await?,
        false => NotSent::of_archives(args, folder, id, &mut recorded, halt).await?,
    };
    let settled = queue::check(
        remote,
        folder.data_reader(),
        (&work.options, context.ui.events()),
        &recorded.sent,
        (work.depth, halt),
    );
    let settled = settled
        .await
        .map_err(|ended| cut_short(ended, args, halt))?;
    let mut findings = Findings::new(args, folder.data_reader());
    findings.add_earlier(&recorded.lost, context.ui);
    findings.add(&recorded.sent, settled, context.ui);
    if folder.access() == Access::ReadWrite {
        let now = chrono::Utc::now().timestamp();
        folder
            .catalogue_mut()
            .record_uploads(&findings.records, now)?;
    }
    Ok(report(
        &work,
        folder.access(),
        findings,
        &missing,
        context.ui,
    ))
}

/// The remote, to which something of this folder was sent.
fn remote_with_receipts(work: &RemoteComparison<'_>, folder: &Folder) -> Result<RemoteId, Error> {
    let args = work.args;
    let known = folder.catalogue().known_remote(&args.to, work.target)?;
    known.ok_or_else(|| {
        let message = format!("nothing of this folder was sent to {}", args.to);
        Error::new(Kind::SomeItemsFailed, message).with_hint(format!(
            "send it: rescue upload {} --to {}",
            typed(&args.folder),
            typed_word(&args.to)
        ))
    })
}

/// What the catalogue has of a remote.
#[derive(Default)]
struct RecordedUploads {
    /// The uploads that have a receipt,
    sent: Vec<Upload>,
    /// those that were sent once, and were found to be lost or altered there,
    lost: Vec<Upload>,
    /// the other archives that were queued,
    archives: Vec<Upload>,
    /// and the other files that could not be sent, because they are altered or gone here.
    altered: Vec<Upload>,
}

impl RecordedUploads {
    fn of(folder: &Folder, id: RemoteId) -> Result<Self, CatalogueError> {
        let mut recorded = Self::default();
        folder.catalogue().for_each_upload(id, |upload| {
            match (upload.state, upload.entry) {
                (UploadState::Sent | UploadState::There, _) => recorded.sent.push(upload),
                // The service takes no such file.
                (UploadState::Skipped, _) => {}
                (UploadState::Waiting, _) if upload.reason.is_some() => recorded.lost.push(upload),
                (UploadState::Waiting | UploadState::Sending | UploadState::Failed, None) => {
                    recorded.archives.push(upload);
                }
                (UploadState::Failed, Some(_)) if was_altered(&upload) => {
                    recorded.altered.push(upload);
                }
                (UploadState::Waiting | UploadState::Sending | UploadState::Failed, Some(_)) => {}
            }
            Ok::<_, CatalogueError>(())
        })?;
        Ok(recorded)
    }

    /// Leaves out what this check is not about.
    fn retain(&mut self, is_wanted: impl Fn(&Upload) -> bool) {
        self.sent.retain(&is_wanted);
        self.lost.retain(&is_wanted);
    }

    /// The uploads that are there as recorded, or will be listed one by one.
    fn compared(&self) -> impl Iterator<Item = &Upload> {
        self.sent.iter().chain(&self.lost)
    }
}

/// Whether a file was not sent for the sake of what stands in the rescue folder.
fn was_altered(upload: &Upload) -> bool {
    matches!(
        upload.reason,
        Some(UploadReason::SourceChanged | UploadReason::SourceGone)
    )
}

/// What the comparison showed of the uploads that were sent.
struct Findings<'a> {
    args: &'a UploadArgs,
    reader: DataReader,
    there: u64,
    /// How many receipts this comparison found wrong.
    newly_wrong: u64,
    /// The wrong files that the next upload sends,
    sendable: u64,
    /// those of which the rescue folder has no copy that could be sent,
    altered: u64,
    /// and the wrong archives.
    archives: Vec<String>,
    compared: Compared,
    /// What the catalogue is to know of it.
    records: Vec<UploadRecord>,
}

impl<'a> Findings<'a> {
    fn new(args: &'a UploadArgs, reader: DataReader) -> Self {
        Self {
            args,
            reader,
            there: 0,
            newly_wrong: 0,
            sendable: 0,
            altered: 0,
            archives: Vec::new(),
            compared: Compared::default(),
            records: Vec::new(),
        }
    }

    fn wrong(&self) -> u64 {
        self.sendable + self.altered + self.archives.len() as u64
    }

    /// Lists the uploads that an earlier comparison found wrong, and that were not sent again since.
    fn add_earlier(&mut self, lost: &[Upload], ui: &Ui) {
        for upload in lost {
            let reason = upload.reason.unwrap_or(UploadReason::Other);
            let message = upload.message.clone().unwrap_or_default();
            self.add_wrong(upload, reason, &message, ui);
        }
    }

    /// Lists the wrong uploads as well.
    fn add(&mut self, sent: &[Upload], settled: Vec<Settled>, ui: &Ui) {
        for (upload, settled) in sent.iter().zip(settled) {
            match settled {
                Settled::There {
                    checksum,
                    path,
                    proven,
                } => {
                    self.there += 1;
                    self.compared.note(proven);
                    let id = upload.id;
                    let records = &mut self.records;
                    records.push(UploadRecord::There { id, checksum });
                    records.extend(path.map(|path| UploadRecord::Respelt { id, path }));
                }
                Settled::Wrong(reason, message) => {
                    self.newly_wrong += 1;
                    self.add_wrong(upload, reason, &message, ui);
                    self.records.push(UploadRecord::Waiting {
                        id: upload.id,
                        why: Some((reason, message)),
                    });
                }
            }
        }
    }

    fn add_wrong(&mut self, upload: &Upload, reason: UploadReason, message: &str, ui: &Ui) {
        let found = WrongUpload {
            r#type: "finding",
            source: &upload.source,
            path: &upload.path,
            reason,
            message,
        };
        let line = format!("{}: {}", plain(&upload.path), plain(message));
        // JSON has all.
        let lines = match self.wrong() < TOLD_FAILURES as u64 {
            true => vec![line],
            false => Vec::new(),
        };
        ui.result(&found, &lines);
        match upload.entry {
            None => self.archives.push(upload.source.clone()),
            Some(_) if self.is_here(upload) => self.sendable += 1,
            Some(_) => self.altered += 1,
        }
    }

    /// Whether the rescue folder has a file of this size. Its bytes are compared when it is sent.
    fn is_here(&self, upload: &Upload) -> bool {
        let size = LocalPath::new(&upload.source).map(|local| self.reader.size(&local));
        matches!(size, Ok(Ok(FoundSize::File(size))) if size == upload.size)
    }

    fn in_words(&self, depth: Depth) -> Vec<String> {
        let args = self.args;
        let mut lines = Vec::new();
        if self.wrong() > TOLD_FAILURES as u64 {
            let more = self.wrong() - TOLD_FAILURES as u64;
            lines.push(format!("and {more} more; --json lists all of them"));
        }
        lines.push(format!(
            "{} {} there as recorded{}",
            count(self.there, "file"),
            if self.there == 1 { "is" } else { "are" },
            self.compared.in_words(depth)
        ));
        if self.there == 0 && self.newly_wrong > 1 {
            lines.push(format!(
                "None of the {} on record as sent is there: is {} still the right place, and the right account? The receipts are dropped",
                count(self.newly_wrong, "file"),
                plain(&args.to)
            ));
        }
        if self.sendable > 0 {
            lines.push(format!(
                "{} missing or altered there: {} sends {} again",
                count(self.sendable, "file"),
                sending(&args.folder, &args.to),
                them(self.sendable)
            ));
        }
        if self.altered > 0 {
            lines.push(format!(
                "{} missing or altered there, and altered or gone in the rescue folder: {}",
                count(self.altered, "file"),
                fetching(args, self.altered)
            ));
        }
        for archive in self.archives.iter().take(TOLD_FAILURES) {
            lines.push(format!(
                "{} is missing or altered there: {} sends it again",
                plain(archive),
                sending_archive(&args.folder, &args.to, archive)
            ));
        }
        lines
    }
}

fn them(files: u64) -> &'static str {
    if files == 1 { "it" } else { "them" }
}

/// What to do about files that are altered or gone in the rescue folder.
fn fetching(args: &UploadArgs, files: u64) -> String {
    format!(
        "`rescue pull -o {}` with the phone fetches {} again, then {} sends {}",
        typed(&args.folder),
        them(files),
        sending(&args.folder, &args.to),
        them(files)
    )
}

fn report(
    work: &RemoteComparison<'_>,
    access: Access,
    findings: Findings<'_>,
    missing: &NotSent,
    ui: &Ui,
) -> Done {
    let args = work.args;
    let wrong = findings.wrong();
    let mut lines = findings.in_words(work.depth);
    let files = match findings.there + wrong {
        0 => "file",
        _ => "other file",
    };
    lines.extend(missing.in_words(args, files));
    if access == Access::ReadOnly {
        let shown = plain(&args.folder.display().to_string());
        lines.push(format!(
            "{shown} cannot be written, so this result is not recorded in it"
        ));
    }
    let report = CheckReport {
        r#type: "upload_checked",
        remote: &args.to,
        there: findings.there,
        wrong,
        not_sent: missing.not_sent,
        left_out: missing.left_out,
        compared: findings.compared,
    };
    let lacking = wrong + missing.not_sent + missing.left_out;
    let (went, done) = match lacking {
        0 => (Went::Well, Done::All),
        _ => (Went::Badly, Done::SomeFailed),
    };
    ui.report(&report, &lines, went);
    done
}

impl Compared {
    fn note(&mut self, proven: Proven) {
        *match proven {
            Proven::Content => &mut self.read_back,
            Proven::Checksum => &mut self.by_checksum,
            Proven::Size => &mut self.by_size,
            Proven::Name => &mut self.by_name,
        } += 1;
    }

    /// The end of the sentence that says how many are there.
    fn in_words(&self, depth: Depth) -> String {
        let ways = [
            (self.read_back, "read back and compared by hash"),
            (self.by_checksum, "compared by the service's checksum"),
            (self.by_size, "compared by size only"),
            (
                self.by_name,
                "listed by the service, which reports no size or checksum",
            ),
        ];
        let ways = ways.iter().filter(|(files, _)| *files > 0);
        let mut words: Vec<_> = ways.map(|(files, how)| format!("{files} {how}")).collect();
        if depth == Depth::Listing && self.by_size > 0 {
            words.push("--check without \"=quick\" compares the content".to_owned());
        }
        match words.is_empty() {
            true => String::new(),
            false => format!(": {}", words.join("; ")),
        }
    }
}
