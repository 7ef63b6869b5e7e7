//! What `rescue upload --check` finds to be wanted, and never sent.

use std::collections::HashSet;

use super::super::files::{archives, is_choice, refuse_empty_choice, uploads};
use super::super::report::{TOLD_FAILURES, sending, sending_archive};
use super::{RecordedUploads, fetching, them};
use crate::cli::UploadArgs;
use crate::digest::Sha256;
use crate::error::Error;
use crate::folder::Folder;
use crate::folder::upload::{NewUpload, RemoteId, Upload};
use crate::halt::Halt;
use crate::ui::{bytes, count, plain};
use crate::upload::choose::RemotePaths;
use crate::upload::rules::Rules;

/// What is wanted, and was not sent.
pub(super) struct NotSent {
    pub(super) not_sent: u64,
    not_sent_bytes: u64,
    /// Those of the files not sent that could not be sent, because they are altered or gone here.
    altered: u64,
    pub(super) left_out: u64,
    /// Where the archives are that were not sent, or are not there any more.
    archives: Vec<String>,
}

impl NotSent {
    /// Of the archives that the person named; nothing else is compared then.
    pub(super) async fn of_archives(
        args: &UploadArgs,
        folder: &Folder,
        id: RemoteId,
        recorded: &mut RecordedUploads,
        halt: &Halt,
    ) -> Result<Self, Error> {
        let places = RemotePaths::on(folder.catalogue(), Some(id))?;
        let wanted = archives(&args.archive, args, places, halt).await?.uploads;
        recorded.retain(|it| {
            let is_it = |new: &NewUpload| new.source == it.source && new.sha256 == it.sha256;
            wanted.iter().any(is_it)
        });
        let is_sent = |new: &NewUpload| recorded.compared().any(|it| it.source == new.source);
        let archives: Vec<_> = wanted
            .into_iter()
            .filter(|new| !is_sent(new))
            .map(|new| new.source)
            .collect();
        Ok(Self {
            not_sent: archives.len() as u64,
            not_sent_bytes: 0,
            altered: 0,
            left_out: 0,
            archives,
        })
    }

    /// The same choice as for sending, without what has a receipt; takes out of those sent what was
    /// not chosen.
    pub(super) async fn of(
        args: &UploadArgs,
        folder: &Folder,
        (rules, id): (&Rules, RemoteId),
        recorded: &mut RecordedUploads,
        halt: &Halt,
    ) -> Result<Self, Error> {
        let archives: Vec<_> = match is_choice(args) {
            true => Vec::new(),
            false => recorded
                .archives
                .iter()
                .map(|it| it.source.clone())
                .collect(),
        };
        let mut missing = Self {
            not_sent: archives.len() as u64,
            not_sent_bytes: 0,
            altered: 0,
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
            recorded.retain(|it| wanted.contains(it.source.as_str()));
        }
        fn bytes_of(it: &Upload) -> (&str, Sha256) {
            (&it.source, it.sha256)
        }
        let compared: HashSet<_> = recorded.compared().map(bytes_of).collect();
        let altered: HashSet<_> = recorded.altered.iter().map(bytes_of).collect();
        for upload in &chosen.uploads {
            let bytes = (upload.source.as_str(), upload.sha256);
            if !compared.contains(&bytes) {
                missing.not_sent += 1;
                missing.altered += u64::from(altered.contains(&bytes));
                missing.not_sent_bytes += upload.size;
            }
        }
        missing.left_out = chosen.unverified + chosen.damaged;
        if !is_choice(args) {
            // What the phone did not give, or was not asked for yet.
            let lost = recorded.lost.iter().filter(|it| it.entry.is_some());
            let told = missing.not_sent + lost.count() as u64;
            missing.left_out = missing.left_out.max(not_on.saturating_sub(told));
        }
        Ok(missing)
    }

    pub(super) fn in_words(&self, args: &UploadArgs, file: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let files = self.not_sent - self.archives.len() as u64;
        if files > 0 {
            lines.push(format!(
                "not there: {}, {}, not sent yet; {} sends {}",
                count(files, file),
                bytes(self.not_sent_bytes),
                sending(&args.folder, &args.to),
                them(files)
            ));
        }
        if self.altered > 0 {
            lines.push(format!(
                "not sent: {} of them, altered or gone in the rescue folder; {}",
                self.altered,
                fetching(args, self.altered)
            ));
        }
        for archive in self.archives.iter().take(TOLD_FAILURES) {
            lines.push(format!(
                "not there: {}, not sent yet; {} sends it",
                plain(archive),
                sending_archive(&args.folder, &args.to, archive)
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
