//! `rescue pull`: discover, connect, enumerate, plan, transfer and verify, report.

mod all_phones;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{Local, NaiveDate, TimeZone as _};
use serde::Serialize;

use super::summary::summary_lines;
use super::{Done, connect_phone, options_of, stopped, target_of};
use crate::adb::RemotePath;
use crate::cli::{ChoiceArgs, PullArgs};
use crate::error::{Error, Kind};
use crate::event::{Event, Events};
use crate::folder::{
    Entry, Folder, FolderError, Presence, Reason, RunOutcome, State, Summary, bag,
};
use crate::item::PhoneIdentity;
use crate::names::LocalPath;
use crate::phone::Phone;
use crate::phone::connect::{ConnectOptions, Target};
use crate::pull::enumerate::{Enumeration, Roots, enumerate};
use crate::pull::halt::Halt;
use crate::pull::kind::MediaKind;
use crate::pull::plan::{Plan, plan};
use crate::pull::reconnect::Reconnect;
use crate::pull::selection::Selection;
use crate::pull::session::{Outcome, Session, held_bytes};
use crate::pull::{Method, method_of};
use crate::ui::{Ui, bytes, count, plain, rate, seconds};

/// Failures told on the terminal; `rescue status` lists all.
const TOLD_FAILURES: usize = 20;
/// Room for an empty catalogue and the bag's own files, in bytes.
const SPARE_BYTES: u64 = 1024 * 1024;
/// Room for an item in the catalogue (twice while it is written), in the manifest and in its
/// folder, and for the end of its last block, in bytes.
const SPARE_BYTES_PER_ITEM: u64 = 4096;
/// What the catalogue says which program it was.
const TOOL: &str = concat!("rescue ", env!("CARGO_PKG_VERSION"));

pub(super) async fn run(args: &PullArgs, ui: &Ui, halt: &Halt) -> Result<Done, Error> {
    let (target, options) = (target_of(&args.phone), options_of(&args.phone));
    let request = Request::of(args)?;
    if args.all_phones {
        return all_phones::run(request, options, ui, halt).await;
    }
    pull(&request, target, options, ui, halt).await
}

/// What to pull, as decided.
pub(super) struct Request {
    pub(super) output: Option<PathBuf>,
    /// Whether each phone gets a folder below `output`, named after it.
    pub(super) folder_each: bool,
    pub(super) selection: Selection,
    pub(super) roots: Roots,
    pub(super) dry_run: bool,
    pub(super) no_verify: bool,
}

impl Request {
    fn of(args: &PullArgs) -> Result<Self, Error> {
        let PullArgs {
            output,
            choice,
            dry_run,
            no_verify,
            all_phones,
            ..
        } = args;
        let roots = match choice.roots.as_slice() {
            [] => Roots::Volumes,
            named => Roots::Named(
                named
                    .iter()
                    .map(|root| remote_path(root))
                    .collect::<Result<_, _>>()?,
            ),
        };
        let selection = selection_of(choice)?;
        Ok(Self {
            output: output.clone(),
            folder_each: *all_phones,
            selection,
            roots,
            dry_run: *dry_run,
            no_verify: *no_verify,
        })
    }
}

fn selection_of(choice: &ChoiceArgs) -> Result<Selection, Error> {
    let mut kinds = Vec::new();
    kinds.extend(choice.photos.then_some(MediaKind::Photo));
    kinds.extend(choice.videos.then_some(MediaKind::Video));
    let since = choice.since.map(start_of_day);
    // What is named by its folder is wanted wholly.
    let everything = choice.all || !choice.roots.is_empty();
    Selection {
        everything,
        kinds,
        since,
        ..Selection::default()
    }
    .with_globs(&choice.include, &choice.exclude)
}

/// When a day starts here, in seconds since 1970.
pub(super) fn start_of_day(day: NaiveDate) -> i64 {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    // Where midnight is skipped or doubled by a clock change, the earliest is meant.
    let start = Local
        .from_local_datetime(&midnight)
        .earliest()
        .map(|start| start.timestamp());
    start.unwrap_or_else(|| midnight.and_utc().timestamp())
}

fn remote_path(text: &str) -> Result<RemotePath, Error> {
    RemotePath::new(text.as_bytes()).map_err(|error| {
        Error::new(Kind::Usage, format!("'{text}' is no path on the phone"))
            .caused_by(error)
            .with_hint("give an absolute path, as in /storage/emulated/0/DCIM")
    })
}

/// Pulls from a phone into its folder.
pub(super) async fn pull(
    request: &Request,
    target: Target,
    options: ConnectOptions,
    ui: &Ui,
    halt: &Halt,
) -> Result<Done, Error> {
    let started = Instant::now();
    let events = ui.events();
    let mut phone = connect_phone(&target, &options, &events, halt).await?;
    let identity = phone.identity();
    let path = match &request.output {
        Some(folder) if request.folder_each => folder.join(default_folder(&identity)),
        Some(folder) => folder.clone(),
        None => default_folder(&identity),
    };
    // Before the long listing: a folder that cannot be used is known at once.
    let mut folder = if request.dry_run {
        None
    } else {
        Some(Folder::create_or_open(&path, &identity)?)
    };
    let run = match &mut folder {
        Some(folder) => Some(folder.catalogue_mut().begin_run(now(), TOOL)?),
        None => None,
    };
    let reconnect = Reconnect::to(&phone, options);
    let found = list(&mut phone, request, &reconnect, &events, halt).await?;
    check_storage(&found)?;
    let entries = match &folder {
        Some(folder) => entries_of(folder)?,
        None => entries_of_existing(&path)?,
    };
    let companions = match &folder {
        Some(folder) => companions_of(folder)?,
        None => Vec::new(),
    };
    let rehash = folder.is_some() && !request.no_verify;
    let (found, plan) = compare(&path, found, entries, companions, rehash, halt).await?;
    let (items, bytes) = plan.wanted();
    let (done_items, done_bytes) = (plan.done_items, plan.done_bytes);
    let shown = path.display().to_string();
    events.emit(Event::Planned {
        folder: shown,
        items,
        bytes,
        done_items,
        done_bytes,
    });
    let (Some(folder), Some(run)) = (folder, run) else {
        return Ok(tell_dry_run(plan, &found, &events, ui));
    };
    check_room(&folder, &plan)?;
    set_aside(&folder, &plan, &events)?;
    let pulled = transfer(request, phone, folder, plan, &reconnect, &events, halt).await;
    let (mut folder, outcome) = pulled?;
    let bag = bag::write(&folder, Local::now().date_naive());
    let ended = RunEnd::of(&outcome, &found);
    let run_ended = folder.catalogue_mut().end_run(run, now(), ended.outcome);
    let summary = folder.catalogue().summary()?;
    report(
        ui,
        &path,
        &summary,
        &outcome,
        &found,
        request,
        started.elapsed(),
        bytes,
    );
    // What stopped the run says more than what could not be written because of it.
    match outcome.stopped {
        Some(error) => Err(error),
        None => {
            bag?;
            run_ended?;
            Ok(ended.done)
        }
    }
}

/// Lists the phone; one that goes away meanwhile is waited for, and listed anew.
async fn list(
    phone: &mut Phone,
    request: &Request,
    reconnect: &Reconnect,
    events: &Events,
    halt: &Halt,
) -> Result<Enumeration, Error> {
    let mut vain = 0;
    loop {
        let found = tokio::select! {
            () = halt.stopped() => return Err(stopped(halt)),
            found = enumerate(phone, &request.roots, &request.selection, events) => found,
        };
        match found {
            Ok(found) => return Ok(found),
            Err(lost) => {
                vain += 1;
                *phone = reconnect.wait(lost, vain, events, halt).await?;
            }
        }
    }
}

/// Compares what was found with what is here, in a thread of its own: what is here without its
/// proof is read again, because a proof is of the bytes that arrived, and not of what became of
/// them since.
async fn compare(
    path: &Path,
    mut found: Enumeration,
    entries: Vec<Entry>,
    companions: Vec<LocalPath>,
    rehash: bool,
    halt: &Halt,
) -> Result<(Enumeration, Plan), Error> {
    let (presence, halted) = (Presence::of(path), halt.clone());
    let comparing = tokio::task::spawn_blocking(move || {
        let plan = plan(&mut found, entries, &companions, |entry| {
            let is_in_place = presence.is_in_place(&entry.local, entry.size);
            match (entry.state, entry.sha256) {
                (State::Pulled, Some(sha256)) if is_in_place && rehash && !halted.is_set() => {
                    presence.has_bytes(&entry.local, sha256)
                }
                _ => is_in_place,
            }
        });
        (found, plan)
    });
    tokio::select! {
        () = halt.stopped() => Err(stopped(halt)),
        compared = comparing => match compared {
            Ok(compared) => Ok(compared),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        },
    }
}

/// Clears the places of rescued files in which something else stands now.
fn set_aside(folder: &Folder, plan: &Plan, events: &Events) -> Result<(), Error> {
    for local in &plan.vacant {
        if let Some(to) = folder.set_aside(Path::new(local.as_str()))? {
            events.emit(Event::SetAside {
                local: local.clone(),
                to: to.display().to_string(),
            });
        }
    }
    Ok(())
}

async fn transfer(
    request: &Request,
    mut phone: Phone,
    mut folder: Folder,
    mut plan: Plan,
    reconnect: &Reconnect,
    events: &Events,
    halt: &Halt,
) -> Result<(Folder, Outcome), Error> {
    let method = if request.no_verify {
        Method::Off
    } else {
        let mut vain = 0;
        loop {
            let asked = tokio::select! {
                () = halt.stopped() => return Err(stopped(halt)),
                method = method_of(&phone) => method,
            };
            match asked {
                Ok(method) => break method,
                Err(lost) => {
                    vain += 1;
                    phone = reconnect.wait(lost, vain, events, halt).await?;
                }
            }
        }
    };
    let new = folder
        .catalogue_mut()
        .insert_planned(plan.new.iter().cloned())?;
    folder
        .catalogue_mut()
        .record(&std::mem::take(&mut plan.records))?;
    let unproven = std::mem::take(&mut plan.unproven);
    let unproven = if method == Method::Off {
        Vec::new()
    } else {
        unproven
    };
    let names = std::mem::take(&mut plan.names);
    let unseen = std::mem::take(&mut plan.unseen);
    let tasks = plan.into_tasks(&new);
    let mut session = Session::start(folder, names, method, events.clone(), halt.clone())?;
    session.settle_unseen(&phone, unseen).await;
    session.pull(phone, tasks, unproven, reconnect).await;
    let finished = tokio::task::spawn(session.finish()).await;
    match finished {
        Ok(finished) => Ok(finished),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

struct RunEnd {
    outcome: RunOutcome,
    done: Done,
}

impl RunEnd {
    fn of(outcome: &Outcome, found: &Enumeration) -> Self {
        let clean = outcome.failed.is_empty()
            && outcome.damaged.is_empty()
            && outcome.unproven.is_empty()
            && found.refused.is_empty();
        let (ended, done) = match (&outcome.stopped, clean) {
            (Some(error), _) if error.kind == Kind::Interrupted => {
                (RunOutcome::Interrupted, Done::SomeFailed)
            }
            (Some(_), _) => (RunOutcome::Failed, Done::SomeFailed),
            (None, true) => (RunOutcome::Done, Done::All),
            (None, false) => (RunOutcome::SomeFailed, Done::SomeFailed),
        };
        Self {
            outcome: ended,
            done,
        }
    }
}

fn check_storage(found: &Enumeration) -> Result<(), Error> {
    if !found.volumes.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::PhoneNotReady,
        "the phone shows no storage: neither internal storage nor a card",
    )
    .with_hint(
        "unlock the phone and wait a minute after it was switched on, then run the same command",
    ))
}

fn check_room(folder: &Folder, plan: &Plan) -> Result<(), Error> {
    let free = folder.free_bytes()?;
    let ((items, _), wanted) = (plan.wanted(), plan.needed_bytes());
    // What is held of large files is not written again.
    let missing = wanted.saturating_sub(held_bytes(folder.root()));
    let needed = missing
        .saturating_add(SPARE_BYTES)
        .saturating_add(items * SPARE_BYTES_PER_ITEM);
    if missing == 0 || needed <= free {
        return Ok(());
    }
    let message = format!(
        "{} to pull need {} on the disk of {}, and {} are free",
        count(items, "file"),
        bytes(needed),
        folder.root().display(),
        bytes(free),
    );
    let hint = "choose a folder on a larger disk with -o, or take the photos first with --photos";
    let hint = match plan.largest() {
        Some((path, size)) if missing - size.min(missing) <= free => format!(
            "{hint}; the largest is {} with {}: --exclude leaves it out",
            plain(&path.to_string()),
            bytes(size)
        ),
        _ => hint.to_owned(),
    };
    Err(Error::new(Kind::DiskFull, message).with_hint(hint))
}

fn entries_of(folder: &Folder) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    folder.catalogue().for_each_by_path(|entry| {
        entries.push(entry);
        Ok::<_, crate::folder::CatalogueError>(())
    })?;
    Ok(entries)
}

fn companions_of(folder: &Folder) -> Result<Vec<LocalPath>, Error> {
    let mut companions = Vec::new();
    folder.catalogue().for_each_companion(|companion| {
        companions.push(companion.local);
        Ok::<_, crate::folder::CatalogueError>(())
    })?;
    Ok(companions)
}

/// For a dry run, which makes no folder.
fn entries_of_existing(path: &Path) -> Result<Vec<Entry>, Error> {
    match Folder::open(path) {
        Ok(folder) => entries_of(&folder),
        Err(FolderError::Missing { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// `Pixel-7a-LAB0000001-2026-11-23`, of harmless characters only.
fn default_folder(identity: &PhoneIdentity) -> PathBuf {
    let date = Local::now().format("%Y-%m-%d").to_string();
    let parts = [identity.model.as_str(), identity.serial.as_str(), &date];
    let harmless = parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| {
            let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
            part.chars().take(40).map(safe).collect::<String>()
        });
    PathBuf::from(
        harmless
            .collect::<Vec<_>>()
            .join("-")
            .trim_start_matches('-'),
    )
}

fn tell_dry_run(plan: Plan, found: &Enumeration, events: &Events, ui: &Ui) -> Done {
    #[derive(Serialize)]
    struct WouldPull {
        r#type: &'static str,
        items: u64,
        bytes: u64,
        not_readable: u64,
    }
    let refused = found.refused.len() as u64;
    let (items, size) = plan.wanted();
    let ids: Vec<_> = (0..plan.new.len() as i64)
        .map(crate::folder::EntryId)
        .collect();
    for task in plan.into_tasks(&ids) {
        let (path, size) = (task.item.path, task.item.size);
        ui.listing(&plain(&path.to_string()));
        events.emit(Event::WouldPull { path, size });
    }
    let mut line = format!("{} would be pulled, {}", count(items, "file"), bytes(size));
    if refused > 0 {
        line += &format!(
            "; {} cannot be read, or listed to the end",
            count(refused, "place")
        );
    }
    ui.result(
        &WouldPull {
            r#type: "dry_run",
            items,
            bytes: size,
            not_readable: refused,
        },
        &[line],
    );
    match refused {
        0 => Done::All,
        _ => Done::SomeFailed,
    }
}

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

#[derive(Serialize)]
struct Report<'a> {
    r#type: &'static str,
    folder: String,
    seconds: f64,
    verification: &'static str,
    #[serde(flatten)]
    summary: &'a Summary,
    not_here: Vec<Missing<'a>>,
    not_proven: Vec<Missing<'a>>,
}

#[derive(Serialize)]
struct Missing<'a> {
    path: &'a RemotePath,
    #[serde(flatten)]
    reason: &'a Reason,
}

#[expect(
    clippy::too_many_arguments,
    reason = "a report is made of everything that happened"
)]
fn report(
    ui: &Ui,
    path: &Path,
    summary: &Summary,
    outcome: &Outcome,
    found: &Enumeration,
    request: &Request,
    took: Duration,
    wanted_bytes: u64,
) {
    let missing = |(path, reason)| Missing { path, reason };
    let not_here: Vec<_> = (outcome
        .failed
        .iter()
        .chain(&outcome.damaged)
        .chain(&found.refused))
    .map(|(path, reason)| missing((path, reason)))
    .collect();
    let not_proven: Vec<_> = outcome
        .unproven
        .iter()
        .map(|(path, reason)| missing((path, reason)))
        .collect();
    let mut lines = vec![String::new()];
    lines.extend(summary_lines(summary));
    if found.not_files > 0 {
        lines.push(format!(
            "{} and devices were left out",
            count(found.not_files, "link")
        ));
    }
    if found.private_folders > 0 {
        lines.push(format!(
            "{} that Android lets nobody read were left out",
            count(found.private_folders, "folder")
        ));
    }
    for item in not_here.iter().chain(&not_proven).take(TOLD_FAILURES) {
        let (path, why) = (plain(&item.path.to_string()), plain(&item.reason.message));
        lines.push(format!("    {path}: {why}"));
    }
    let told = not_here.len() + not_proven.len();
    if told > TOLD_FAILURES {
        lines.push(format!(
            "    and {} more: `rescue status` lists them",
            told - TOLD_FAILURES
        ));
    }
    let shown = plain(&path.display().to_string());
    lines.push(match outcome.stopped {
        Some(_) => format!("In {shown}, stopped after {}", seconds(took)),
        None => format!(
            "In {shown}, after {} ({})",
            seconds(took),
            rate(wanted_bytes, took)
        ),
    });
    lines.push(match outcome.stopped {
        Some(_) => "Next: run the same command again; it goes on where it was".to_owned(),
        None => format!(
            "Next: look into {shown}/data, and check it any time with `rescue verify {shown}`"
        ),
    });
    let verification = match (
        request.no_verify,
        summary.pulled.files,
        summary.verified_by_size.files,
    ) {
        (true, ..) => "off",
        (false, 0, 0) => "complete",
        (false, ..) => "partial",
    };
    let report = Report {
        r#type: "summary",
        folder: shown.to_string(),
        seconds: took.as_secs_f64(),
        verification,
        summary,
        not_here,
        not_proven,
    };
    ui.result(&report, &lines);
}
