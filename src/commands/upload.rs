//! `rescue upload FOLDER --to REMOTE`: choose, queue, send, settle, report.

mod check;
mod dry_run;
mod files;
mod ready;
mod report;
mod watch;

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use self::check::{RemoteComparison, check};
use self::dry_run::dry_run;
use self::files::chosen_files;
use self::ready::ready_remote;
pub(super) use self::report::{
    KnownBy, RemoteStanding, THERE, same_disk_line, sum, waiting_archives,
};
use self::report::{UploadRunDone, remark_left_out, report_run};
use super::choice::check_days;
use super::{Context, Done, arguments, stopped};
use crate::cli::{CheckHow, UploadArgs};
use crate::error::{Error, Kind};
use crate::event::Event;
use crate::folder::upload::{RemoteId, UploadCount, UploadId, UploadState};
use crate::folder::{Access, CatalogueError, Folder, lies_in, whole_path};
use crate::guide::remote::{RemoteUse, of_problem};
use crate::halt::Halt;
use crate::names::UploadPath;
use crate::ui::{typed, typed_word};
use crate::upload::choose::ChosenFiles;
use crate::upload::kinds::folder::outside_of_rescue_folders;
use crate::upload::problem::Problem;
use crate::upload::queue::{Ended, Options, Tally, UploadRun};
use crate::upload::settings::{RemoteSettings, Settings};
use crate::upload::{Depth, Masked};

pub(super) async fn run(args: &UploadArgs, context: Context<'_>) -> Result<Done, Error> {
    check_days(&args.choice.days)?;
    match args.watch {
        true => watch::watch(args, context).await,
        false => once(args, context).await,
    }
}

/// Sends a folder that was pulled into just now.
pub(super) async fn after_pull(
    folder: &Path,
    to: &str,
    context: Context<'_>,
) -> Result<Done, Error> {
    once(&plain_arguments(folder, to)?, context).await
}

/// Sends a folder to a remote that stands in no settings.
pub(super) async fn to_remote(
    folder: &Path,
    (name, settings): (&str, &RemoteSettings),
    context: Context<'_>,
) -> Result<Done, Error> {
    let args = plain_arguments(folder, name)?;
    let (done, _) = send_to(&args, Folder::open(folder)?, settings, context).await?;
    Ok(done)
}

/// The same as a person who gives nothing but folder and remote.
fn plain_arguments(folder: &Path, to: &str) -> Result<UploadArgs, Error> {
    arguments([
        "upload".as_ref(),
        folder.as_os_str(),
        "--to".as_ref(),
        to.as_ref(),
    ])
}

async fn once(args: &UploadArgs, context: Context<'_>) -> Result<Done, Error> {
    let folder = Folder::open_after_asking(&args.folder)?;
    let root = folder.root().to_owned();
    let settings = Settings::load()?.with_secret(&args.to)?;
    let (done, _) = send_to(args, folder, &settings, context).await?;
    if args.check.is_none()
        && !args.dry_run
        && let Some(line) = same_disk_line(&root, &settings.kind)
    {
        context.ui.remark(&line);
    }
    Ok(done)
}

/// Sends once, by the settings as they are now.
async fn send(
    args: &UploadArgs,
    folder: Folder,
    context: Context<'_>,
) -> Result<(Done, Tally), Error> {
    let settings = Settings::load()?.with_secret(&args.to)?;
    send_to(args, folder, &settings, context).await
}

async fn send_to(
    args: &UploadArgs,
    mut folder: Folder,
    settings: &RemoteSettings,
    context: Context<'_>,
) -> Result<(Done, Tally), Error> {
    refuse_folder_of_no_use(args, &folder, settings)?;
    let (remote, options) = ready_remote(args, &folder, settings)?;
    let target = settings.kind.target();
    let known = folder.catalogue().known_remote(&args.to, &target)?;
    if let (Some(path), Some(id), false) = (settings.kind.folder(), known, args.dry_run) {
        look_for_disk(&folder, id, args, path)?;
    }
    if let Some(how) = args.check {
        let work = RemoteComparison {
            args,
            depth: match how {
                CheckHow::Content => Depth::Content,
                CheckHow::Quick => Depth::Listing,
            },
            target: &target,
            options,
        };
        let checked = check(work, &mut folder, remote, context).await;
        return checked.map(|done| (done, Tally::default()));
    }
    let chosen = chosen_files(args, &folder, known, remote.rules(), context.halt).await?;
    remark_left_out(args, &chosen, context.ui);
    if args.dry_run {
        let done = dry_run(args, &chosen, &folder, known, context.ui)?;
        return Ok((done, Tally::default()));
    }
    let queued = QueuedUploads::of(&chosen, &mut folder, (&args.to, &target))?;
    send_queued(args, &mut folder, queued, (remote, options), context).await
}

/// Refuses a folder that cannot keep receipts, and one that would be sent into itself.
fn refuse_folder_of_no_use(
    args: &UploadArgs,
    folder: &Folder,
    settings: &RemoteSettings,
) -> Result<(), Error> {
    if folder.access() == Access::ReadOnly && args.check.is_none() && !args.dry_run {
        let shown = args.folder.display();
        let message = format!("{shown} cannot be written, but receipts have to be kept in it");
        return Err(Error::new(Kind::Folder, message)
            .with_hint("copy the folder to a disk that can be written, and upload the copy"));
    }
    let Some(path) = settings.kind.folder() else {
        return Ok(());
    };
    if lies_in(path, folder.root()) {
        let message = format!(
            "the remote {} leads into the rescue folder itself: {}",
            args.to,
            path.display()
        );
        return Err(Error::new(Kind::Usage, message)
            .with_hint("take a folder elsewhere, best on another disk: `rescue remote add`"));
    }
    outside_of_rescue_folders(&whole_path(path).unwrap_or(path.to_owned()))
}

/// A disk that is not plugged in leaves an empty folder in its place, on this computer's own disk:
/// nothing is to be sent there, nothing to be called complete, and no receipt to be forgotten.
fn look_for_disk(
    folder: &Folder,
    id: RemoteId,
    args: &UploadArgs,
    path: &Path,
) -> Result<(), Error> {
    let is_empty = std::fs::read_dir(path).is_ok_and(|mut there| there.next().is_none());
    let sent = |count: &UploadCount| {
        matches!(count.state, UploadState::Sent | UploadState::There) && count.files > 0
    };
    if !is_empty || !folder.catalogue().upload_counts(id)?.iter().any(sent) {
        return Ok(());
    }
    let message = format!(
        "{} is empty, and something was sent to {} before: is its disk plugged in?",
        path.display(),
        args.to
    );
    Err(Error::new(Kind::NoConnection, message).with_hint(
        "plug it in and run the same command again; if it was emptied on purpose, `rescue remote add` the same folder under another name: everything is sent to that",
    ))
}

/// The uploads of one run, as the catalogue has them now.
struct QueuedUploads {
    remote: RemoteId,
    ids: Vec<UploadId>,
    items: u64,
    bytes: u64,
    /// Those that have a receipt already.
    done_items: u64,
    left_out: u64,
    /// The paths of every upload to this remote, chosen for this run or not.
    reserved: Vec<UploadPath>,
}

impl QueuedUploads {
    /// Puts the chosen files into the catalogue's queue for a remote.
    fn of(
        chosen: &ChosenFiles,
        folder: &mut Folder,
        (name, target): (&str, &str),
    ) -> Result<Self, Error> {
        let now = chrono::Utc::now().timestamp();
        let catalogue = folder.catalogue_mut();
        let remote = catalogue.remote(name, target)?;
        let mut queued = Self {
            remote,
            ids: catalogue.queue_uploads(remote, &chosen.uploads, now)?,
            items: 0,
            bytes: 0,
            done_items: 0,
            left_out: chosen.unverified + chosen.damaged,
            reserved: Vec::new(),
        };
        let wanted: HashSet<_> = queued.ids.iter().copied().collect();
        catalogue.for_each_upload(remote, |upload| {
            if wanted.contains(&upload.id) {
                match upload.state {
                    UploadState::Sent | UploadState::There => queued.done_items += 1,
                    _ => {
                        queued.items += 1;
                        queued.bytes += upload.size;
                    }
                }
            }
            queued.reserved.push(upload.path);
            Ok::<_, CatalogueError>(())
        })?;
        Ok(queued)
    }
}

/// Sends the queue, and reports how that went.
async fn send_queued(
    args: &UploadArgs,
    folder: &mut Folder,
    queued: QueuedUploads,
    (remote, options): (Masked, Options),
    context: Context<'_>,
) -> Result<(Done, Tally), Error> {
    remote.reserve(queued.reserved);
    let events = context.ui.events();
    events.emit(Event::UploadPlanned {
        remote: args.to.clone(),
        items: queued.items,
        bytes: queued.bytes,
        done_items: queued.done_items,
    });
    let started = Instant::now();
    let reader = folder.data_reader();
    let run = UploadRun::new(folder.catalogue_mut(), reader, remote, options, events);
    let (tally, ended) = run.send(queued.ids, context.halt).await;
    let run = UploadRunDone {
        remote: queued.remote,
        tally,
        elapsed: started.elapsed(),
        sent_before: queued.done_items.saturating_sub(tally.sent_again),
        left_out: queued.left_out,
        finished: ended.is_ok(),
    };
    let done = report_run(args, folder, &run, context.ui)?;
    match ended {
        Ok(()) => Ok((done, tally)),
        Err(ended) => Err(cut_short(ended, args, context.halt)),
    }
}

/// The error of a run that ended early.
fn cut_short(ended: Ended, args: &UploadArgs, halt: &Halt) -> Error {
    match ended {
        Ended::Stopped => stopped(halt),
        Ended::Problem(problem) => refused(&problem, args),
        Ended::Catalogue(error) => error.into(),
    }
}

/// The error that a problem with the remote ends an upload with.
fn refused(problem: &Problem, args: &UploadArgs) -> Error {
    let name = typed_word(&args.to);
    let waiting = format!("rescue upload {} --to {name} --wait", typed(&args.folder));
    let task = RemoteUse::Sending {
        name: &name,
        waiting: &waiting,
    };
    of_problem(problem, task)
}
