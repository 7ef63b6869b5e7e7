//! `rescue upload FOLDER --to REMOTE`: choose, queue, send, settle, report.

mod check;
mod watch;

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use self::check::{RemoteComparison, check};
use super::summary::looked_at_everything;
use super::unmatched::TriedChoice;
use super::{Context, Done, arguments, check_days, stopped};
use crate::cli::{CheckHow, LimitsOf, Quality, UploadArgs, UploadChoiceArgs};
use crate::digest::{Hasher, Sha256};
use crate::error::{Error, Kind};
use crate::event::Event;
use crate::folder::upload::{NewUpload, RemoteId, UploadCount, UploadReason, UploadState};
use crate::folder::{Access, CatalogueError, Folder, lies_in, whole_path};
use crate::guide::remote::{RemoteUse, of_problem};
use crate::halt::Halt;
use crate::item::PhoneIdentity;
use crate::media::choice::Selection;
use crate::media::copy::CopyOptions;
use crate::media::kind::MediaKind;
use crate::media::taken::Days;
use crate::names::{UploadPath, spell};
use crate::ui::{Ui, Went, bytes, count, plain, rate, seconds, typed, typed_word};
use crate::upload::albums::Albums;
use crate::upload::choose::{Choice, ChosenFiles, Layout, RemotePaths};
use crate::upload::connect::connect;
use crate::upload::problem::Problem;
use crate::upload::queue::{Ended, Options, Tally, UploadRun};
use crate::upload::rules::Rules;
use crate::upload::settings::{RemoteSettings, Settings};
use crate::upload::{Depth, Masked, Wishes};

/// How long a connection is waited for without `--wait`.
const PATIENCE: Duration = Duration::from_secs(120);
/// Failures told on the terminal in a report; `rescue status` counts all.
const TOLD_FAILURES: usize = 20;

#[derive(Serialize)]
struct UploadReport<'a> {
    r#type: &'static str,
    remote: &'a str,
    folder: String,
    #[serde(flatten)]
    tally: Tally,
    seconds: f64,
    counts: &'a [UploadCount],
    /// Items of the phone that are not there; `None` where only archives were sent.
    not_there: Option<u64>,
    /// Files that were wanted and left out: not verified, or damaged on the phone.
    left_out: u64,
    /// Whether everything was looked at; else `counts` are those of earlier receipts.
    finished: bool,
}

pub(super) async fn run(args: &UploadArgs, context: Context<'_>) -> Result<Done, Error> {
    check_days(args.choice.since, args.choice.until)?;
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
    let (done, _) = send(args, folder, context).await?;
    Ok(done)
}

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
    if folder.access() == Access::ReadOnly && args.check.is_none() && !args.dry_run {
        let shown = args.folder.display();
        let message = format!("{shown} cannot be written, but receipts have to be kept in it");
        return Err(Error::new(Kind::Folder, message)
            .with_hint("copy the folder to a disk that can be written, and upload the copy"));
    }
    if let Some(path) = settings.kind.folder()
        && lies_in(path, folder.root())
    {
        let message = format!(
            "the remote {} leads into the rescue folder itself: {}",
            args.to,
            path.display()
        );
        return Err(Error::new(Kind::Usage, message)
            .with_hint("take a folder elsewhere, best on another disk: `rescue remote add`"));
    }
    let target = settings.kind.target();
    let mut remote = connect(&args.to, settings).map_err(|problem| refused(&problem, args))?;
    remote.of_folder(folder.root());
    check_options(args, &mut remote)?;
    remote.set_albums(albums_of(args)).map_err(|problem| {
        Error::new(Kind::Usage, problem.to_string())
            .with_hint("leave out --album and --album-per-folder, or take another remote")
    })?;
    let copies = copies_of(args, &remote)?;
    let patience = settings
        .patience_seconds
        .map_or(PATIENCE, Duration::from_secs);
    let options = Options {
        parallel: usize::from(args.pace.parallel),
        tries: args.pace.tries,
        patience: (!args.pace.wait).then_some(patience),
        limit: args.pace.limit,
        copies,
        // That would ask again every few seconds.
        looks_again: !args.watch,
    };
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
    let known = folder.catalogue().known_remote(&args.to, &target)?;
    let chosen = match args.archive.as_slice() {
        [] => uploads(args, &folder, known, remote.rules(), context.halt).await?,
        files => {
            let places = RemotePaths::on(folder.catalogue(), known)?;
            archives(files, args, places, context.halt).await?
        }
    };
    refuse_empty_choice(args, &folder, &chosen)?;
    if chosen.unverified > 0 {
        context.ui.remark(&format!(
            "{} not verified and left out; --include-unverified sends them too",
            count(chosen.unverified, "file")
        ));
    }
    if chosen.damaged > 0 {
        context.ui.remark(&format!(
            "{} damaged on the phone and left out: `rescue status` names them",
            count(chosen.damaged, "file")
        ));
    }
    if args.dry_run {
        let done = dry_run(args, &chosen, &folder, known, context.ui)?;
        return Ok((done, Tally::default()));
    }
    if let (Some(path), Some(id)) = (settings.kind.folder(), known) {
        look_for_disk(&folder, id, args, path)?;
    }
    let now = chrono::Utc::now().timestamp();
    let id = folder.catalogue_mut().remote(&args.to, &target)?;
    let ids = folder
        .catalogue_mut()
        .queue_uploads(id, &chosen.uploads, now)?;
    let mut planned = (0, 0, 0);
    let mut reserved = Vec::new();
    let wanted: std::collections::HashSet<_> = ids.iter().copied().collect();
    folder.catalogue().for_each_upload(id, |upload| {
        if wanted.contains(&upload.id) {
            match upload.state {
                UploadState::Sent | UploadState::There => planned.2 += 1,
                _ => {
                    planned.0 += 1;
                    planned.1 += upload.size;
                }
            }
        }
        reserved.push(upload.path);
        Ok::<_, CatalogueError>(())
    })?;
    remote.reserve(reserved);
    let events = context.ui.events();
    events.emit(Event::UploadPlanned {
        remote: args.to.clone(),
        items: planned.0,
        bytes: planned.1,
        done_items: planned.2,
    });
    let started = Instant::now();
    let reader = folder.data_reader();
    let run = UploadRun::new(folder.catalogue_mut(), reader, remote, options, events);
    let (tally, ended) = run.send(ids, context.halt).await;
    let elapsed = started.elapsed();
    let counts = folder.catalogue().upload_counts(id)?;
    let not_there = folder.catalogue().not_on(id)?;
    let left_out = chosen.unverified + chosen.damaged;
    let report = UploadReport {
        r#type: "upload_summary",
        remote: &args.to,
        folder: args.folder.display().to_string(),
        tally,
        seconds: elapsed.as_secs_f64(),
        counts: &counts,
        not_there,
        left_out,
        finished: ended.is_ok(),
    };
    let last_run = folder.catalogue().last_run()?;
    let is_whole = last_run.is_some_and(|run| run.is_whole());
    let everything = looked_at_everything(&folder.catalogue().survey()?);
    let before = planned.2.saturating_sub(tally.sent_again);
    let mut lines = report_lines(&tally, before, elapsed, ended.is_ok());
    lines.extend(match ended {
        Ok(()) => remote_lines(&args.to, &counts, not_there, is_whole, everything),
        // The files sent earlier were not looked at again.
        Err(_) => vec![receipts_line(&args.to, &counts)],
    });
    let is_good = ended.is_err() || tally.failed + tally.skipped + left_out == 0;
    context.ui.report(&report, &lines, Went::well_if(is_good));
    match ended {
        Ok(()) if is_good => Ok((Done::All, tally)),
        Ok(()) => Ok((Done::SomeFailed, tally)),
        Err(Ended::Stopped) => Err(stopped(context.halt)),
        Err(Ended::Problem(problem)) => Err(refused(&problem, args)),
        Err(Ended::Catalogue(error)) => Err(error.into()),
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

/// Whether only some of the folder's files are wanted.
fn is_choice(args: &UploadArgs) -> bool {
    let all = UploadChoiceArgs {
        include_unverified: args.choice.include_unverified,
        ..UploadChoiceArgs::default()
    };
    args.choice != all
}

/// A choice that matches nothing was meant otherwise; who watches may wait for the first.
fn refuse_empty_choice(
    args: &UploadArgs,
    folder: &Folder,
    chosen: &ChosenFiles,
) -> Result<(), Error> {
    let found = chosen.uploads.len() as u64 + chosen.unverified + chosen.damaged;
    if found > 0 || args.watch || !args.archive.is_empty() {
        return Ok(());
    }
    let choice = TriedChoice {
        include: &args.choice.include,
        exclude: &args.choice.exclude,
        is_of_kinds: args.choice.photos || args.choice.videos,
        is_of_days: args.choice.since.is_some() || args.choice.until.is_some(),
    };
    choice.error(folder, &args.folder)?.map_or(Ok(()), Err)
}

/// A disk that is not plugged in leaves an empty folder in its place, on this computer's own disk:
/// nothing is to be sent there, and nothing to be called complete.
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
    Err(Error::new(Kind::NoConnection, message).with_hint(format!(
        "plug it in and run the same command again; if it was emptied on purpose, `rescue upload {} --to {} --check` records that, and everything is sent again",
        typed(&args.folder),
        typed_word(&args.to)
    )))
}

/// What a run did; `before` files were sent by earlier ones. What it did not do is left out.
fn report_lines(tally: &Tally, before: u64, elapsed: Duration, is_finished: bool) -> Vec<String> {
    let others = [
        (tally.already_there, "there already"),
        (before, "sent before"),
        (tally.failed, "failed"),
        (tally.skipped, "skipped"),
    ];
    let nothing_was_due = is_finished && tally.failed + tally.skipped == 0;
    let sent = match tally.sent {
        0 if nothing_was_due => "Nothing to send".to_owned(),
        0 => "No file sent".to_owned(),
        sent => format!(
            "{} sent, {} in {} ({})",
            count(sent, "file"),
            bytes(tally.sent_bytes),
            seconds(elapsed),
            rate(tally.sent_bytes, elapsed)
        ),
    };
    let others = others.iter().filter(|(files, _)| *files > 0);
    let others = others.map(|(files, words)| format!("{} {words}", count(*files, "file")));
    let mut lines = vec![
        std::iter::once(sent)
            .chain(others)
            .collect::<Vec<_>>()
            .join("; "),
    ];
    if tally.sent_again > 0 {
        let files = count(tally.sent_again, "file");
        lines.push(format!(
            "{files} with a receipt missing or changed there, and due again"
        ));
    }
    if tally.copies > 0 {
        let copies = count(tally.copies, "file");
        lines.push(format!(
            "{copies} sent as a copy with a date, or as a smaller one"
        ));
    }
    if tally.as_they_are > 0 {
        let files = count(tally.as_they_are, "file");
        lines.push(format!(
            "{files} sent unchanged, although a copy was asked for; -v says why"
        ));
    }
    lines
}

/// Where a remote stands, in words. Complete is what was looked for on the phone, not what was sent;
/// `is_whole` says whether all of that could be read.
pub(super) fn remote_lines(
    name: &str,
    counts: &[UploadCount],
    not_there: Option<u64>,
    is_whole: bool,
    looked_at_everything: bool,
) -> Vec<String> {
    let (there, there_bytes) = sum(counts, &THERE);
    let (waiting, waiting_bytes) = sum(counts, &WAITING);
    let mut lines = Vec::new();
    let left_out = counts.iter().filter(|count| {
        matches!(count.state, UploadState::Skipped | UploadState::Failed) && count.files > 0
    });
    for count in left_out {
        let state = match count.state {
            UploadState::Skipped => "skipped",
            _ => "failed",
        };
        let reason = count.reason.unwrap_or(UploadReason::Other);
        lines.push(format!(
            "{name}: {} {state}: {}",
            count.files,
            reason_in_words(reason)
        ));
    }
    let here = format!("{}, {}", count(there, "file"), bytes(there_bytes));
    let are = if there == 1 { "is" } else { "are" };
    lines.push(match (waiting, lines.is_empty()) {
        (0, true) => match not_there {
            Some(0) if is_whole && looked_at_everything => {
                format!("{name}: Backup complete ({here})")
            }
            Some(0) if is_whole => {
                format!("{name}: Backup complete, of all that Android lets rescue read ({here})")
            }
            Some(0) => format!("{name}: {here} {are} there, all that the last run could read"),
            Some(missing) => format!(
                "{name}: {here} {are} there; not there: {} of the phone, not chosen, not verified or not rescued",
                count(missing, "other file")
            ),
            None => format!("{name}: {here} {are} there"),
        },
        (0, false) => format!("{name}: {here} {are} there"),
        _ => format!(
            "{name}: {here} {are} there; {} waiting, {}",
            count(waiting, "file"),
            bytes(waiting_bytes)
        ),
    });
    lines
}

/// What is known of a remote that could not be looked at to the end.
fn receipts_line(name: &str, counts: &[UploadCount]) -> String {
    let ((there, _), (waiting, _)) = (sum(counts, &THERE), sum(counts, &WAITING));
    format!(
        "{name}: not finished; {} on record as sent, {waiting} waiting",
        count(there, "file")
    )
}

/// What has a receipt...
pub(super) const THERE: [UploadState; 2] = [UploadState::Sent, UploadState::There];
/// ...and what is still to be sent.
const WAITING: [UploadState; 2] = [UploadState::Waiting, UploadState::Sending];

/// Files and bytes in these states.
pub(super) fn sum(counts: &[UploadCount], states: &[UploadState]) -> (u64, u64) {
    let these = counts.iter().filter(|count| states.contains(&count.state));
    these.fold((0, 0), |(files, bytes), count| {
        (files + count.files, bytes + count.bytes)
    })
}

fn reason_in_words(reason: UploadReason) -> &'static str {
    match reason {
        UploadReason::TooLarge => "over this service's limit",
        UploadReason::NameRefused => "the service does not take the name",
        UploadReason::TypeRefused => "the service does not take this type of file",
        UploadReason::Refused => "refused by the service",
        UploadReason::SourceChanged => "changed in the rescue folder since it was verified",
        UploadReason::SourceGone => "gone from the rescue folder",
        UploadReason::SourceUnreadable => "not readable in the rescue folder",
        UploadReason::SizeDiffers => "the service has only a part of it",
        UploadReason::Missing => "the service does not have it",
        UploadReason::Busy => "the service was busy for too long",
        UploadReason::Other => "something else went wrong",
    }
}

fn albums_of(args: &UploadArgs) -> Albums {
    match (&args.album, args.album_per_folder) {
        (Some(name), _) => Albums::One(name.trim().to_owned()),
        (None, true) => Albums::PerFolder,
        (None, false) => Albums::None,
    }
}

/// Refuses options that do not fit the kind of remote.
fn check_options(args: &UploadArgs, remote: &mut Masked) -> Result<(), Error> {
    if args
        .album
        .as_ref()
        .is_some_and(|title| title.trim().is_empty())
    {
        return Err(Error::new(Kind::Usage, "an album needs a title")
            .with_hint("give one: --album 'Old phone'"));
    }
    remote.heed(&Wishes {
        folders: args.into.is_some() || args.by_date,
        archives: !args.archive.is_empty(),
        limits_of_2018: args.limits == LimitsOf::Of2018,
    })
}

fn copies_of(args: &UploadArgs, remote: &Masked) -> Result<CopyOptions, Error> {
    let smaller = args.quality == Quality::StorageSaver;
    if smaller && !remote.takes_copies() {
        let message = "this kind of remote keeps files as they are";
        return Err(Error::new(Kind::Usage, message)
            .with_hint("leave out --quality, or take a remote of a photo service"));
    }
    Ok(CopyOptions {
        dates: remote.needs_dates(),
        smaller,
    })
}

/// The files of a folder that are wanted.
async fn uploads(
    args: &UploadArgs,
    folder: &Folder,
    known: Option<RemoteId>,
    rules: &Rules,
    halt: &Halt,
) -> Result<ChosenFiles, Error> {
    let catalogue = folder.catalogue();
    let choice = choice_of(args, &catalogue.identity()?, rules)?;
    let from = (catalogue, folder.data_reader());
    let chosen = choice.uploads(from, known, rules, halt).await;
    chosen.map_err(|ended| match ended {
        Ended::Stopped => stopped(halt),
        Ended::Problem(problem) => refused(&problem, args),
        Ended::Catalogue(error) => error.into(),
    })
}

fn choice_of(args: &UploadArgs, phone: &PhoneIdentity, rules: &Rules) -> Result<Choice, Error> {
    let UploadChoiceArgs {
        photos,
        videos,
        since,
        until,
        include,
        exclude,
        include_unverified,
    } = &args.choice;
    let mut kinds = Vec::new();
    kinds.extend(photos.then_some(MediaKind::Photo));
    kinds.extend(videos.then_some(MediaKind::Video));
    if kinds.is_empty() && rules.media_only {
        // What is neither would only be listed as skipped, each time again.
        kinds.extend([MediaKind::Photo, MediaKind::Video]);
    }
    let selection = Selection {
        everything: true,
        kinds,
        ..Selection::default()
    };
    let layout = match (args.by_date, &args.into) {
        (true, _) => Layout::ByDate,
        (false, Some(into)) => Layout::AsOnPhone(safe_path(into)?),
        (false, None) => Layout::AsOnPhone(phone_name(phone)),
    };
    Ok(Choice {
        selection: selection.with_globs(include, exclude)?,
        days: Days {
            since: *since,
            until: *until,
        },
        unverified: *include_unverified,
        layout,
    })
}

/// `Google-Pixel-7a-LAB0000001`: a folder name that every service takes.
fn phone_name(phone: &PhoneIdentity) -> String {
    let parts = [&phone.manufacturer, &phone.model, &phone.serial];
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let parts = parts.iter().filter(|part| !part.is_empty());
    let parts = parts.map(|part| part.chars().take(40).map(safe).collect::<String>());
    let name = parts.collect::<Vec<_>>().join("-");
    match name.trim_matches('-') {
        "" => "phone".to_owned(),
        name => name.to_owned(),
    }
}

/// The folder of `--into`, as every service takes it.
fn safe_path(text: &str) -> Result<String, Error> {
    let names = text.split('/').filter(|name| !matches!(*name, "" | "."));
    if names.clone().any(|name| name == "..") {
        let message = format!("--into {text} leads out of the remote");
        return Err(Error::new(Kind::Usage, message).with_hint(
            "name a folder below the remote's own, as in --into Photos; for another place, `rescue remote add` it",
        ));
    }
    let names: Vec<_> = names.map(|name| spell(name.as_bytes())).collect();
    Ok(match names.is_empty() {
        true => "rescue".to_owned(),
        false => names.join("/"),
    })
}

/// Files of any kind, by their own hash as they are now.
async fn archives(
    files: &[std::path::PathBuf],
    args: &UploadArgs,
    mut places: RemotePaths,
    halt: &Halt,
) -> Result<ChosenFiles, Error> {
    let mut chosen = ChosenFiles::default();
    let top = args.into.as_deref().map(safe_path).transpose()?;
    for file in files {
        let unusable = |cause: String| {
            Error::new(Kind::Usage, format!("cannot use {}", file.display()))
                .caused_by(cause)
                .with_hint("check the path given with --archive")
        };
        let path = whole_path(file).map_err(|e| unusable(e.to_string()))?;
        // A pipe or a device may have no end.
        if !path.is_file() {
            return Err(unusable("it is not a file".to_owned()));
        }
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = spell(name.unwrap_or_default().as_bytes());
        let source = path
            .to_str()
            .ok_or_else(|| unusable("its path is not Unicode".to_owned()))?
            .to_owned();
        let is_same = |upload: &NewUpload| upload.source == source;
        if chosen.uploads.iter().any(is_same) {
            continue;
        }
        let hashing = tokio::task::spawn_blocking(move || hash(&path));
        let hashed = tokio::select! {
            () = halt.stopped() => return Err(stopped(halt)),
            hashed = hashing => hashed,
        };
        let (size, sha256) = match hashed {
            Ok(hashed) => hashed.map_err(|e| unusable(e.to_string()))?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        chosen.uploads.push(NewUpload {
            entry: None,
            path: places.of(&source, || match &top {
                Some(top) => UploadPath::of_spelt(&format!("{top}/{name}")),
                None => UploadPath::of_spelt(&name),
            }),
            source,
            size,
            sha256,
        });
    }
    Ok(chosen)
}

/// The size of a file in bytes, and its SHA-256.
fn hash(path: &Path) -> std::io::Result<(u64, Sha256)> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path)?;
    let (mut hasher, mut size) = (Hasher::default(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((size, hasher.finish()));
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        hasher.update(bytes);
        size += count as u64;
    }
}

#[derive(Serialize)]
struct WouldSend<'a> {
    r#type: &'static str,
    remote: &'a str,
    items: u64,
    bytes: u64,
}

fn dry_run(
    args: &UploadArgs,
    chosen: &ChosenFiles,
    folder: &Folder,
    known: Option<RemoteId>,
    ui: &Ui,
) -> Result<Done, Error> {
    let mut done = std::collections::HashSet::new();
    if let Some(remote) = known {
        folder.catalogue().for_each_upload(remote, |upload| {
            if matches!(upload.state, UploadState::Sent | UploadState::There) {
                done.insert((upload.source, upload.sha256));
            }
            Ok::<_, CatalogueError>(())
        })?;
    }
    let events = ui.events();
    let (mut items, mut size) = (0, 0);
    for upload in &chosen.uploads {
        if done.contains(&(upload.source.clone(), upload.sha256)) {
            continue;
        }
        items += 1;
        size += upload.size;
        ui.listing(&format!(
            "{} -> {}",
            plain(&upload.source),
            plain(&upload.path)
        ));
        events.emit(Event::WouldUpload {
            source: upload.source.clone(),
            path: upload.path.to_string(),
            size: upload.size,
        });
    }
    let would = WouldSend {
        r#type: "would_upload_summary",
        remote: &args.to,
        items,
        bytes: size,
    };
    let line = format!(
        "{} would be sent to {}, {}",
        count(items, "file"),
        args.to,
        bytes(size)
    );
    ui.result(&would, &[line]);
    Ok(Done::All)
}
