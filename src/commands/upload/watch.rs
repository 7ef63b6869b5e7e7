//! `rescue upload --watch`: sends the files of each new pull until it is stopped. Other commands that
//! need the folder go first.

use std::path::Path;
use std::time::{Duration, Instant};

use super::super::Context;
use super::send;
use crate::cli::UploadArgs;
use crate::commands::Done;
use crate::error::{Error, Kind};
use crate::folder::{Folder, FolderError, GivesWay};

/// How often the folder is looked at; one look asks the disk for one date.
const EVERY: Duration = Duration::from_secs(2);
/// How often it is looked at whether somebody asks for the folder.
const ASKED_EVERY: Duration = Duration::from_millis(100);
/// After how long what failed is tried again; twice as long each time that something fails again.
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(60 * 60);

/// Ends by Ctrl-C, or when the service needs the person.
pub(super) async fn watch(args: &UploadArgs, context: Context<'_>) -> Result<Done, Error> {
    let mut args = args.clone();
    // Nobody sits beside it.
    args.pace.wait = true;
    context
        .ui
        .remark("Watching: the files of each new pull are sent; Ctrl-C stops");
    let mut known = None;
    let mut again: Option<Instant> = None;
    let mut retry = FIRST_RETRY;
    let mut is_first = true;
    loop {
        let changed = Folder::changed(&args.folder);
        let is_due = changed != known || again.is_some_and(|again| again <= Instant::now());
        // The folder's lock is held while somebody pulls: what came is sent afterwards.
        if changed.is_some()
            && is_due
            && let Some(folder) = free(&args.folder)?
        {
            let ended = match unless_asked(&args, folder, context).await {
                // In the middle of a file, which is sent another time.
                Err(error) if error.kind == Kind::Interrupted && context.halt.is_set() => {
                    return Ok(Done::All);
                }
                ended => ended?,
            };
            is_first = false;
            (known, again) = match ended {
                RoundEnd::All => {
                    retry = FIRST_RETRY;
                    (Folder::changed(&args.folder), None)
                }
                RoundEnd::SomeFailed => {
                    let due = Instant::now() + retry;
                    retry = (retry * 2).min(LONGEST_RETRY);
                    (Folder::changed(&args.folder), Some(due))
                }
                RoundEnd::GaveWay => (None, again),
            };
        } else if is_first && changed.is_none() {
            context
                .ui
                .remark("Nothing is here yet: waiting for the first pull into this folder");
            is_first = false;
        }
        tokio::select! {
            // Between two uploads nothing is interrupted.
            () = context.halt.stopped() => return Ok(Done::All),
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

enum RoundEnd {
    /// What the service takes is there.
    All,
    /// Something has to be tried again.
    SomeFailed,
    /// Somebody asked for the folder. What was under way is sent another time.
    GaveWay,
}

/// Sends what there is, until somebody asks for the folder.
async fn unless_asked(
    args: &UploadArgs,
    folder: Folder,
    context: Context<'_>,
) -> Result<RoundEnd, Error> {
    let gives_way = folder.gives_way();
    let own = context.halt.child();
    let sending = send(
        args,
        folder,
        Context {
            halt: &own,
            ..context
        },
    );
    tokio::pin!(sending);
    let sent = tokio::select! {
        sent = &mut sending => sent,
        () = asked(gives_way.as_ref()) => {
            own.stop(Error::new(Kind::Interrupted, "another rescue wants the folder"));
            let sent = sending.await;
            if sent.is_err() && own.is_set() && !context.halt.is_set() {
                context.ui.remark("Another rescue wants the folder: it goes first");
                return Ok(RoundEnd::GaveWay);
            }
            sent
        }
    };
    match sent {
        Ok((_, tally)) if tally.failed == 0 => Ok(RoundEnd::All),
        Ok(_) => Ok(RoundEnd::SomeFailed),
        // A service in trouble, or without room: it may be otherwise later.
        Err(error) if error.kind.is_worth_retrying() => {
            context
                .ui
                .remark(&format!("{}: trying again later", error.message));
            Ok(RoundEnd::SomeFailed)
        }
        Err(error) => Err(error),
    }
}

/// Returns when somebody asks for the folder.
async fn asked(gives_way: Option<&GivesWay>) {
    let Some(gives_way) = gives_way else {
        return std::future::pending().await;
    };
    while !gives_way.is_asked() {
        tokio::time::sleep(ASKED_EVERY).await;
    }
}

/// The folder, when nobody else works on it.
fn free(folder: &Path) -> Result<Option<Folder>, Error> {
    match Folder::open(folder) {
        Ok(folder) => Ok(Some(folder)),
        Err(FolderError::Busy { .. } | FolderError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
