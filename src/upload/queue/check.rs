//! Compares a remote with the receipts. Sends nothing and records nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::retry::NotUploaded;
use super::steps::Shared;
use super::{Ended, Options};
use crate::event::Events;
use crate::folder::DataReader;
use crate::folder::upload::Upload;
use crate::halt::Halt;
use crate::upload::problem::Problem;
use crate::upload::{Depth, ListingVerdict, Masked, RemoteEntry, Settled};

/// Compares uploads that have a receipt with the remote; the results are in the same order. A problem with a single
/// file is returned as that file's result.
pub(crate) async fn check(
    remote: Masked,
    reader: DataReader,
    (options, events): (&Options, Events),
    sent: &[Upload],
    (depth, halt): (Depth, &Halt),
) -> Result<Vec<Settled>, Ended> {
    let shared = Arc::new(Shared::new(reader, remote, options, events).for_looking());
    let look = || shared.remote.look(sent, depth);
    let looked = tokio::select! {
        () = halt.stopped() => return Err(Ended::Stopped),
        looked = shared.retries.run(look) => looked.map_err(NotUploaded::into_problem)?,
    };
    let mut settled: Vec<Option<Settled>> = Vec::with_capacity(sent.len());
    let mut unsure = VecDeque::new();
    for (nth, looked) in looked.into_iter().enumerate() {
        settled.push(match looked {
            ListingVerdict::Settled(settled) => Some(settled),
            ListingVerdict::Unsure(found) => {
                unsure.push_back((nth, found));
                None
            }
        });
    }
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < options.parallel.max(1)
            && let Some((nth, found)) = unsure.pop_front()
        {
            let Some(upload) = sent.get(nth).cloned() else {
                continue;
            };
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { (nth, read_back(&shared, &upload, &found).await) });
        }
        let next = tokio::select! {
            () = halt.stopped() => return Err(Ended::Stopped),
            next = tasks.join_next() => next,
        };
        match next {
            None => break,
            Some(Ok((nth, read))) => {
                if let Some(place) = settled.get_mut(nth) {
                    *place = Some(read?);
                }
            }
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    Ok(settled.into_iter().flatten().collect())
}

async fn read_back(
    shared: &Shared,
    upload: &Upload,
    found: &RemoteEntry,
) -> Result<Settled, Problem> {
    // Without the file here, what is there is read and hashed.
    let source = shared.source(upload).ok();
    let read = || shared.remote.read_back(upload, source.as_ref(), found);
    match shared.retries.run(read).await {
        Ok(settled) => Ok(settled),
        Err(NotUploaded::Failed(reason, problem) | NotUploaded::Skipped(reason, problem)) => {
            Ok(Settled::Wrong(reason, problem.to_string()))
        }
        Err(NotUploaded::Stop(problem)) => Err(problem),
    }
}
