//! The part of a run that turns pledged uploads into items.

use std::collections::{HashMap, VecDeque};

use super::retry::NotUploaded;
use super::steps::Delivery;
use super::{Ended, UploadRun};
use crate::digest::Sha256;
use crate::event::Event;
use crate::folder::upload::{Pledge, Upload, UploadId, UploadReason, UploadRecord, UploadState};
use crate::upload::Acknowledged;
use crate::upload::batch::{Batch, BatchSupply, Batches, Creation, PledgedUpload};
use crate::upload::problem::Problem;

/// How long a token is relied on, in seconds: it ends after a day, and a batch takes its time.
const TOKEN_SECONDS: i64 = 23 * 60 * 60;
/// How long a session is asked for, in seconds.
const SESSION_SECONDS: i64 = 6 * 24 * 60 * 60;
/// How often the bytes of a file are sent because the service knows its token no more.
const MAX_RENEWALS: u32 = 3;

/// The uploads whose bytes are stored and that are about to become items.
#[derive(Debug, Default)]
pub(super) struct PendingItems {
    batches: Batches,
    /// The batches that were split in two.
    halves: VecDeque<Batch>,
    /// Whether a batch is being created.
    is_creating: bool,
    /// The files that wait for one with the same bytes and album, by those bytes and that album.
    twins: HashMap<Bytes, Vec<UploadId>>,
    /// The service's ids of the files that became items in this run.
    done: HashMap<Bytes, String>,
    renewals: HashMap<UploadId, u32>,
}

type Bytes = (Sha256, Option<String>);

impl PendingItems {
    /// Returns the next batch, unless one is already being created.
    pub(super) fn next(&mut self, supply: BatchSupply) -> Option<Batch> {
        if self.is_creating {
            return None;
        }
        let batch = self.halves.pop_front();
        let batch = batch.or_else(|| self.batches.take(supply))?;
        self.is_creating = true;
        Some(batch)
    }
}

impl UploadRun<'_> {
    /// Returns whether an upload has to be prepared and sent. Otherwise it is already in progress or finished.
    pub(super) fn needs_bytes(&mut self, upload: &Upload) -> Result<bool, Ended> {
        if upload.state == UploadState::Skipped && upload.reason == Some(UploadReason::Refused) {
            // The same bytes are refused again; a request is better spent on others.
            let message = upload.message.clone().unwrap_or_default();
            self.receipts
                .skipped(upload, UploadReason::Refused, message);
            return Ok(false);
        }
        let bytes = self.bytes_of(upload);
        if let Some(twins) = self.items.twins.get_mut(&bytes) {
            twins.push(upload.id);
            return Ok(false);
        }
        let there = match (self.items.done.get(&bytes), &bytes.1) {
            (Some(there), _) => Some(there.clone()),
            (None, None) => self.receipts.catalogue().same_bytes_there(upload.id)?,
            // Into which albums earlier runs put it is not recorded.
            (None, Some(_)) => None,
        };
        if let Some(there) = there {
            self.receipts.found(
                upload,
                Acknowledged {
                    there: Some(there),
                    checksum: None,
                },
            );
            return Ok(false);
        }
        self.items.twins.insert(bytes, Vec::new());
        if let Some(known) = self.receipts.catalogue().pledge(upload.id)? {
            let age = chrono::Utc::now().timestamp() - known.given;
            let lasts = match known.pledge {
                Pledge::Token(_) => TOKEN_SECONDS,
                Pledge::Session(_) => SESSION_SECONDS,
            };
            // One of the future tells that the clock was changed, and nothing of its age.
            if (0..lasts).contains(&age) {
                // Whether it is good for what is to be sent is known when that is prepared.
                self.shared.remote.go_on(upload.id, known);
            }
        }
        Ok(true)
    }

    /// Records immediately that an upload's bytes, or those of a copy with this SHA-256, are stored, so that they are
    /// not sent again.
    pub(super) fn pledged(
        &mut self,
        upload: &Upload,
        token: String,
        sha256: Sha256,
    ) -> Result<(), Ended> {
        self.receipts.push(UploadRecord::Pledged {
            id: upload.id,
            sha256,
            pledge: Pledge::Token(token.clone()),
        });
        self.receipts.record()?;
        self.wait_for_batch(upload.clone(), token, 0);
        Ok(())
    }

    pub(super) fn wait_for_batch(&mut self, upload: Upload, token: String, tries: u32) {
        let album = self.shared.remote.album_of(&upload.source);
        let item = PledgedUpload {
            upload,
            token,
            tries,
        };
        self.items.batches.push(album, item);
    }

    /// Handles the result of creating a batch.
    pub(super) fn created(
        &mut self,
        batch: Batch,
        made: Result<Vec<Creation>, NotUploaded>,
    ) -> Result<(), Ended> {
        self.items.is_creating = false;
        let mut ended = Ok(());
        match made {
            Ok(made) => {
                let mut wait = None;
                for (item, made) in batch.items.into_iter().zip(made) {
                    ended = ended.and(self.made(item, made, &mut wait));
                }
                if let Some((tries, problem)) = wait {
                    self.shared.retries.pause(tries, problem)?;
                }
            }
            Err(NotUploaded::Stop(problem)) => ended = Err(problem.into()),
            Err(NotUploaded::Failed(UploadReason::Refused, problem)) if batch.items.len() > 1 => {
                tracing::debug!("a batch was refused as a whole: {problem}");
                let (first, second) = batch.halves();
                self.items.halves.extend([first, second]);
            }
            Err(NotUploaded::Failed(reason, problem) | NotUploaded::Skipped(reason, problem)) => {
                for item in batch.items {
                    self.receipts
                        .failed(&item.upload, reason, problem.to_string());
                    self.release(&item.upload);
                }
            }
        }
        self.receipts.record()?;
        ended
    }

    fn made(
        &mut self,
        item: PledgedUpload,
        made: Creation,
        wait: &mut Option<(u32, Problem)>,
    ) -> Result<(), Ended> {
        let PledgedUpload {
            upload,
            token,
            tries,
        } = item;
        match made {
            Creation::There(id) => {
                self.receipts
                    .push(UploadRecord::PledgeEnded { id: upload.id });
                self.items.done.insert(self.bytes_of(&upload), id.clone());
                let acknowledged = Acknowledged {
                    there: Some(id),
                    checksum: None,
                };
                self.delivered(&upload, Ok(Delivery::Sent(acknowledged)))?;
                self.release(&upload);
            }
            Creation::TokenEnded(words) => {
                let renewals = self.items.renewals.entry(upload.id).or_default();
                *renewals += 1;
                if *renewals > MAX_RENEWALS {
                    self.receipts.failed(&upload, UploadReason::Other, words);
                    self.release(&upload);
                } else {
                    self.receipts
                        .push(UploadRecord::PledgeEnded { id: upload.id });
                    let events = &self.shared.events;
                    events.emit(Event::Discarded { bytes: upload.size });
                    // Its turn comes again at once, and nobody else has its bytes then.
                    self.release(&upload);
                    self.waiting.push_front(upload.id);
                }
            }
            Creation::Again(words) => {
                let tries = tries + 1;
                if tries >= self.options.tries {
                    self.receipts.failed(&upload, UploadReason::Busy, words);
                    self.release(&upload);
                } else {
                    *wait = Some((tries, Problem::Busy { after: None, words }));
                    self.wait_for_batch(upload, token, tries);
                }
            }
            Creation::Refused(words) => {
                self.receipts
                    .push(UploadRecord::PledgeEnded { id: upload.id });
                self.receipts.skipped(&upload, UploadReason::Refused, words);
                self.release(&upload);
            }
            Creation::NoRoom(words) => return Err(Problem::Full { words }.into()),
        }
        Ok(())
    }

    /// Ends an upload and lets those with the same bytes continue.
    pub(super) fn release(&mut self, upload: &Upload) {
        let bytes = self.bytes_of(upload);
        if let Some(twins) = self.items.twins.remove(&bytes) {
            twins.into_iter().for_each(|id| self.waiting.push_front(id));
        }
    }

    fn bytes_of(&self, upload: &Upload) -> Bytes {
        (upload.sha256, self.shared.remote.album_of(&upload.source))
    }
}
