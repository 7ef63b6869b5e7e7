//! Asks Google Photos whether it still has the items.

use std::time::Duration;

use super::GooglePhotos;
use crate::folder::upload::{Upload, UploadReason};
use crate::upload::kinds::google_photos::api::{BATCH, ItemResult};
use crate::upload::problem::{Advice, Problem, brief};
use crate::upload::{Proven, Settled};

/// How long a check waits at most before it asks again for the same items.
const LONGEST_CHECK_WAIT: Duration = Duration::from_secs(30);

impl GooglePhotos {
    /// Asks for created items; the answers are in the same order.
    pub(super) async fn check(&self, sent: &[Upload]) -> Result<Vec<Settled>, Problem> {
        let mut settled = Vec::with_capacity(sent.len());
        for group in sent.chunks(BATCH) {
            let ids: Vec<&str> = group
                .iter()
                .filter_map(|upload| upload.there.as_deref())
                .collect();
            let mut results = match ids.is_empty() {
                true => Vec::new(),
                false => self.ask_for(&ids).await?,
            }
            .into_iter();
            for upload in group {
                if upload.there.is_none() {
                    settled.push(Settled::Wrong(
                        UploadReason::Missing,
                        "Google Photos gave no id for it".to_owned(),
                    ));
                    continue;
                }
                settled.extend(results.next());
            }
        }
        Ok(settled)
    }

    /// Asks for some items, and repeats the request after a temporary failure. Returns one answer for each, in the same
    /// order.
    async fn ask_for(&self, ids: &[&str]) -> Result<Vec<Settled>, Problem> {
        let mut wait = Duration::from_millis(500);
        loop {
            let results = self.api.batch_get(ids).await;
            let problem = match results.and_then(|results| all_checked(ids, results)) {
                Ok(settled) => return Ok(settled),
                Err(problem) => problem,
            };
            let after = match problem.advice() {
                Advice::WaitForConnection
                | Advice::Again
                | Advice::LaterOrNever
                | Advice::Later(None) => wait,
                Advice::Later(Some(after)) => after,
                _ => return Err(problem),
            };
            if wait > LONGEST_CHECK_WAIT {
                return Err(problem);
            }
            tokio::time::sleep(after.min(LONGEST_CHECK_WAIT)).await;
            wait *= 2;
        }
    }
}

fn all_checked(ids: &[&str], results: Vec<ItemResult>) -> Result<Vec<Settled>, Problem> {
    if results.len() != ids.len() {
        return Err(no_clear_answer(""));
    }
    let each = ids.iter().zip(results);
    each.map(|(id, result)| checked(id, result)).collect()
}

/// Returns what the answer for one item says. Only an explicit "not there" counts as missing, because a missing file is
/// sent again.
fn checked(id: &str, result: ItemResult) -> Result<Settled, Problem> {
    let ItemResult {
        status, media_item, ..
    } = result;
    match (status.code, media_item) {
        (0, Some(item)) if item.id == id => Ok(Settled::there_by(Proven::Name)),
        // An id that is none, is no more, or is not ours to see.
        (3 | 5 | 7, _) => Ok(Settled::Wrong(
            UploadReason::Missing,
            format!("Google Photos does not have it: {}", brief(&status.message)),
        )),
        _ => Err(no_clear_answer(&status.message)),
    }
}

fn no_clear_answer(message: &str) -> Problem {
    let said = match brief(message) {
        empty if empty.is_empty() => String::new(),
        message => format!(" ({message})"),
    };
    Problem::Other {
        words: format!("Google Photos did not say of each item whether it is there{said}"),
        passing: true,
    }
}
