//! `rescue upload FOLDER --to REMOTE --check`: compares the remote with the receipts, and reports how it
//! compared.

use std::collections::HashSet;

use serde::Serialize;

use super::cut_short;
use super::files::{archives, is_choice, refuse_empty_choice, uploads};
use super::report::TOLD_FAILURES;
use crate::cli::UploadArgs;
use crate::commands::{Context, Done};
use crate::error::{Error, Kind};
use crate::folder::upload::{NewUpload, RemoteId, Upload, UploadReason, UploadRecord, UploadState};
use crate::folder::{Access, CatalogueError, Folder};
use crate::halt::Halt;
use crate::ui::{Ui, Went, bytes, count, plain, typed};
use crate::upload::choose::RemotePaths;
use crate::upload::queue::{Options, check as queue};
use crate::upload::rules::Rules;
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
    let (mut sent, archives) = receipts(folder, id)?;
    let rules = remote.rules().clone();
    let missing = match args.archive.is_empty() {
        true => NotSent::of(args, folder, (&rules, id), &mut sent, archives, halt).await?,
        false => NotSent::of_archives(args, folder, id, &mut sent, halt).await?,
    };
    let settled = queue::check(
        remote,
        folder.data_reader(),
        (&work.options, context.ui.events()),
        &sent,
        (work.depth, halt),
    );
    let settled = settled
        .await
        .map_err(|ended| cut_short(ended, args, halt))?;
    let findings = Findings::of(&sent, settled, context.ui);
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
            args.to
        ))
    })
}

/// The uploads that have a receipt, and the archives that were queued and have none.
fn receipts(folder: &Folder, id: RemoteId) -> Result<(Vec<Upload>, Vec<Upload>), CatalogueError> {
    let (mut sent, mut archives) = (Vec::new(), Vec::new());
    folder.catalogue().for_each_upload(id, |upload| {
        match upload.state {
            UploadState::Sent | UploadState::There => sent.push(upload),
            // The service takes no such file.
            UploadState::Skipped => {}
            UploadState::Waiting | UploadState::Sending | UploadState::Failed => {
                if upload.entry.is_none() {
                    archives.push(upload);
                }
            }
        }
        Ok::<_, CatalogueError>(())
    })?;
    Ok((sent, archives))
}

/// What the comparison showed of the uploads with a receipt.
struct Findings {
    there: u64,
    wrong: u64,
    compared: Compared,
    /// What the catalogue is to know of it.
    records: Vec<UploadRecord>,
}

impl Findings {
    /// Lists the wrong uploads as well.
    fn of(sent: &[Upload], settled: Vec<Settled>, ui: &Ui) -> Self {
        let mut findings = Self {
            there: 0,
            wrong: 0,
            compared: Compared::default(),
            records: Vec::new(),
        };
        for (upload, settled) in sent.iter().zip(settled) {
            match settled {
                Settled::There {
                    checksum,
                    path,
                    proven,
                } => {
                    findings.there += 1;
                    findings.compared.note(proven);
                    let id = upload.id;
                    let records = &mut findings.records;
                    records.push(UploadRecord::There { id, checksum });
                    records.extend(path.map(|path| UploadRecord::Respelt { id, path }));
                }
                Settled::Wrong(reason, message) => {
                    findings.wrong += 1;
                    if findings.wrong <= TOLD_FAILURES as u64 {
                        list_wrong(upload, reason, &message, ui);
                    }
                    findings.records.push(UploadRecord::Waiting {
                        id: upload.id,
                        why: Some((reason, message)),
                    });
                }
            }
        }
        findings
    }
}

fn list_wrong(upload: &Upload, reason: UploadReason, message: &str, ui: &Ui) {
    let found = WrongUpload {
        r#type: "finding",
        source: &upload.source,
        path: &upload.path,
        reason,
        message,
    };
    let line = format!("{}: {}", plain(&upload.path), plain(message));
    ui.result(&found, &[line]);
}

fn report(
    work: &RemoteComparison<'_>,
    access: Access,
    findings: Findings,
    missing: &NotSent,
    ui: &Ui,
) -> Done {
    let args = work.args;
    let Findings {
        there,
        wrong,
        compared,
        records: _,
    } = findings;
    let mut lines = vec![format!(
        "{} are there as recorded{}",
        count(there, "file"),
        compared.in_words(work.depth)
    )];
    if wrong > 0 {
        lines.push(format!(
            "{} not: `rescue upload {} --to {}` sends {} again",
            count(wrong, "file"),
            typed(&args.folder),
            typed(args.to.as_ref()),
            if wrong == 1 { "it" } else { "them" }
        ));
    }
    lines.extend(missing.in_words(args));
    if access == Access::ReadOnly {
        let shown = plain(&args.folder.display().to_string());
        lines.push(format!(
            "{shown} cannot be written, so this result is not recorded in it"
        ));
    }
    let report = CheckReport {
        r#type: "upload_checked",
        remote: &args.to,
        there,
        wrong,
        not_sent: missing.not_sent,
        left_out: missing.left_out,
        compared,
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

/// What is wanted, and was not sent.
struct NotSent {
    not_sent: u64,
    not_sent_bytes: u64,
    left_out: u64,
    /// Where the archives are that were not sent, or are not there any more.
    archives: Vec<String>,
}

impl NotSent {
    /// Of the archives that the person named; nothing else is compared then.
    async fn of_archives(
        args: &UploadArgs,
        folder: &Folder,
        id: RemoteId,
        sent: &mut Vec<Upload>,
        halt: &Halt,
    ) -> Result<Self, Error> {
        let places = RemotePaths::on(folder.catalogue(), Some(id))?;
        let wanted = archives(&args.archive, args, places, halt).await?.uploads;
        sent.retain(|it| {
            let is_it = |new: &NewUpload| new.source == it.source && new.sha256 == it.sha256;
            wanted.iter().any(is_it)
        });
        let is_sent = |new: &NewUpload| sent.iter().any(|it| it.source == new.source);
        let archives: Vec<_> = wanted
            .into_iter()
            .filter(|new| !is_sent(new))
            .map(|new| new.source)
            .collect();
        Ok(Self {
            not_sent: archives.len() as u64,
            not_sent_bytes: 0,
            left_out: 0,
            archives,
        })
    }

    /// The same choice as for sending, without what has a receipt; takes out of those sent what was
    /// not chosen.
    async fn of(
        args: &UploadArgs,
        folder: &Folder,
        (rules, id): (&Rules, RemoteId),
        sent: &mut Vec<Upload>,
        archives: Vec<Upload>,
        halt: &Halt,
    ) -> Result<Self, Error> {
        let archives: Vec<_> = match is_choice(args) {
            true => Vec::new(),
            false => archives.into_iter().map(|it| it.source).collect(),
        };
        let mut missing = Self {
            not_sent: archives.len() as u64,
            not_sent_bytes: 0,
            left_out: 0,
            archives,
        };
        let catalogue = folder.catalogue();
        // Where only archives were sent, the photos were never meant to go.
        let Some(not_on) = catalogue.not_on(id)? else {
            return Ok(missing);
        };
        let chosen = uploads(args, folder, Some(id), rules, halt).await?;
        refuse_empty_choice(args, folder, &chosen)?;
        if is_choice(args) {
            let wanted = chosen.uploads.iter().map(|it| it.source.as_str());
            let wanted: HashSet<_> = wanted.collect();
            sent.retain(|it| wanted.contains(it.source.as_str()));
        }
        let there: HashSet<_> = sent
            .iter()
            .map(|it| (it.source.as_str(), it.sha256))
            .collect();
        for upload in &chosen.uploads {
            if !there.contains(&(upload.source.as_str(), upload.sha256)) {
                missing.not_sent += 1;
                missing.not_sent_bytes += upload.size;
            }
        }
        missing.left_out = chosen.unverified + chosen.damaged;
        if !is_choice(args) {
            // What the phone did not give, or was not asked for yet.
            missing.left_out = missing
                .left_out
                .max(not_on.saturating_sub(missing.not_sent));
        }
        Ok(missing)
    }

    fn in_words(&self, args: &UploadArgs) -> Vec<String> {
        let mut lines = Vec::new();
        let files = self.not_sent - self.archives.len() as u64;
        if files > 0 {
            lines.push(format!(
                "not there: {}, {}, never sent, or lost or altered there; `rescue upload` sends them",
                count(files, "other file"),
                bytes(self.not_sent_bytes)
            ));
        }
        for archive in self.archives.iter().take(TOLD_FAILURES) {
            lines.push(format!(
                "not there: {}, never sent, or lost or altered there; `rescue upload {} --to {} --archive {}` sends it",
                plain(archive),
                typed(&args.folder),
                args.to,
                typed(archive.as_ref())
            ));
        }
        if self.left_out > 0 {
            lines.push(format!(
                "not there: {} of the phone, not rescued, not verified or damaged; `rescue status` tells more",
                count(self.left_out, "file")
            ));
        }
        lines
    }
}
