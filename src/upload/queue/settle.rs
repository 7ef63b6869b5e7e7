//! The last part of a run: checks whether everything is really there, and in its albums.

use super::retry::NotUploaded;
use super::{Ended, UploadRun};
use crate::folder::upload::{UploadId, UploadState};
use crate::halt::Halt;

/// Files whose presence is asked for at once.
const SETTLE_AT_ONCE: usize = 10_000;

impl UploadRun<'_> {
    /// Verifies that the files acknowledged in this run and in earlier ones are there. A missing file from an earlier
    /// run is sent again, because it was there once.
    pub(super) async fn settle(&mut self, halt: &Halt) -> Result<(), Ended> {
        let mut by_path = Vec::new();
        for id in self.receipts.take_sent() {
            let upload = self.receipts.catalogue().upload(id)?;
            by_path.extend(upload.map(|upload| (upload.path, id)));
        }
        // The files of a folder together: it is listed once.
        by_path.sort();
        for group in by_path.chunks(SETTLE_AT_ONCE) {
            let mut uploads = Vec::with_capacity(group.len());
            for (_, id) in group {
                uploads.extend(self.receipts.catalogue().upload(*id)?);
            }
            let ask = || self.shared.remote.settle(&uploads);
            let settled = tokio::select! {
                () = halt.stopped() => return Err(Ended::Stopped),
                settled = self.shared.retries.run(ask) => settled.map_err(NotUploaded::into_problem)?,
            };
            for (upload, settled) in uploads.iter().zip(settled) {
                if self.receipts.settled(upload, settled) {
                    self.shared.remote.forget(&upload.path);
                    self.waiting.push_back(upload.id);
                }
            }
            self.receipts.record()?;
        }
        Ok(())
    }

    /// Puts all present files into their albums, including those that were there before: an earlier run may have been
    /// killed before this step.
    pub(super) async fn arrange(&self, ids: &[UploadId], halt: &Halt) -> Result<(), Ended> {
        let mut there = Vec::new();
        for id in ids {
            let upload = self.receipts.catalogue().upload(*id)?;
            there.extend(upload.filter(|upload| upload.state == UploadState::There));
        }
        if there.is_empty() {
            return Ok(());
        }
        let arrange = || self.shared.remote.arrange(&there);
        tokio::select! {
            () = halt.stopped() => Err(Ended::Stopped),
            arranged = self.shared.retries.run(arrange) => {
                arranged.map_err(|outcome| outcome.into_problem().into())
            }
        }
    }
}
