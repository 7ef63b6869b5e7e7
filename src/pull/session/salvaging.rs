//! Salvages the items whose storage on the phone is damaged, over any number of connections.

use std::sync::Arc;

use super::super::keeper::ToKeeper;
use super::super::queue::Work;
use super::super::reconnect::Reconnect;
use super::super::salvage::{SalvageFailure, Salvaged, salvage};
use super::super::task::{Pulled, Task};
use super::super::unproven::ToVerify;
use super::Session;
use super::round::AtOnce;
use crate::folder::{Finished, PartialFile, Patchwork, Reason, ReasonCode};
use crate::phone::Phone;

impl Session {
    /// Reads the readable parts of items whose storage on the phone is damaged.
    pub(super) async fn salvage(&mut self, mut phone: Arc<Phone>, reconnect: &Reconnect) {
        let mut vain = 0;
        let mut whole = Vec::new();
        for (task, reason) in std::mem::take(&mut self.to_salvage) {
            if self.supervisor.halt.is_set()
                || self.outcome.stopped.is_some()
                || !task.item.size_is_exact
            {
                self.fail(&task, reason).await;
                continue;
            }
            match self.salvage_one(&phone, &task).await {
                Ok(Salvaged { finished, gaps }) if gaps.bytes() == 0 => {
                    whole.push(self.keep_whole(task, finished).await);
                }
                Ok(Salvaged { finished, gaps }) => {
                    let message = ToKeeper::Salvaged(task, finished, gaps, reason);
                    self.keeper.tell(message).await;
                }
                Err(error) => {
                    let _ = PartialFile::discard(&self.root, task.id);
                    self.fail(&task, reason).await;
                    match error {
                        SalvageFailure::Lost(lost) => {
                            vain += 1;
                            match reconnect.wait(&phone, lost, vain, &self.supervisor).await {
                                Ok(found) => phone = Arc::new(found),
                                Err(error) => self.outcome.stopped = Some(error),
                            }
                        }
                        SalvageFailure::Disk(error) if error.concerns_the_whole_disk() => {
                            self.keeper.note(&error);
                            self.supervisor.halt.stop(error.into());
                        }
                        SalvageFailure::Disk(_) | SalvageFailure::Nothing => {}
                    }
                }
            }
        }
        if whole.is_empty() {
            return;
        }
        let round = self
            .round(&phone, Work::default(), whole, AtOnce::One)
            .await;
        // None of them has a try left: what is not proven is settled for good.
        self.settle(round.setbacks, &mut Vec::new()).await;
        for file in self.unproven.take() {
            let reason = Reason::new(ReasonCode::PhoneGone, "the run ended first");
            self.outcome.unproven.push((file.pulled.path, reason));
        }
    }

    /// Keeps an item that could be read completely after all; it still has to be verified.
    async fn keep_whole(&self, task: Arc<Task>, finished: Finished) -> ToVerify {
        let pulled = Pulled {
            path: task.item.path.clone(),
            local: task.local.clone(),
            size: finished.size,
            sha256: finished.sha256,
        };
        let message = ToKeeper::Finished(Arc::clone(&task), finished);
        self.keeper.tell(message).await;
        ToVerify::new(task, pulled)
    }

    async fn salvage_one(&self, phone: &Phone, task: &Task) -> Result<Salvaged, SalvageFailure> {
        let file = Patchwork::create(&self.root, task.id)?;
        salvage(phone, &task.item, file, &self.supervisor).await
    }
}
