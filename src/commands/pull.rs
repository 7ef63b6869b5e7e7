//! `rescue pull`: discover, connect, enumerate, plan, transfer and verify, report.

mod album;
mod all_phones;
mod contents;
mod destination;
mod done;
mod known;
mod nothing;
mod report;
mod room;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

pub(super) use self::contents::contents;
use chrono::Local;

use self::destination::{Claims, Destination};
use self::done::About;
use self::known::Known;
use self::nothing::nothing_matches;
use self::report::{Known as KnownMissing, report, tell_dry_run};
use self::room::{check_room, share_room};
use super::authorize::connect_offering;
use super::which::{attached, which};
use super::{Done, options_of, stopped};
use crate::adb::RemotePath;
use crate::cli::{ChoiceArgs, PullArgs};
use crate::error::{Error, Kind};
use crate::event::{Event, Events};
use crate::folder::{Folder, RunId, RunOutcome, Summary, bag};
use crate::guide;
use crate::halt::Halt;
use crate::item::PhoneIdentity;
use crate::media::choice::Selection;
use crate::media::kind::MediaKind;
use crate::phone::Phone;
use crate::phone::connect::{ConnectOptions, Target};
use crate::phone::seen::SeenPhone;
use crate::pull::enumerate::{Enumeration, Listing, Roots};
use crate::pull::plan::Plan;
use crate::pull::reconnect::Reconnect;
use crate::pull::session::{Outcome, Session};
use crate::pull::{Method, method_of};
use crate::ui::Ui;
use crate::upload::settings::Settings;

/// Files that are looked for on a phone that went away and came back.
const WITNESSES: usize = 16;
/// What the catalogue says which program it was.
const TOOL: &str = concat!("rescue ", env!("CARGO_PKG_VERSION"));

pub(super) async fn run(args: &PullArgs, ui: &Ui, halt: &Halt) -> Result<Done, Error> {
    let options = options_of(&args.phone);
    let (began, mut about) = (Instant::now(), About::default());
    let ended = match prepare(args, ui, halt).await {
        // Each phone's pull ends by itself.
        Ok((request, Whom::All(phones))) => {
            return all_phones::run(phones, request, options, ui, halt).await;
        }
        Ok((request, Whom::One(target))) => {
            let upload = args.then_upload.as_deref();
            pull_and_send(&request, target, options, upload, ui, halt, &mut about).await
        }
        Err(error) => Err(error),
    };
    if let Some(command) = &args.on_done {
        done::run_command(command, &about, &ended, ui).await;
    }
    if !args.dry_run {
        done::tell_desktop(&ended, began.elapsed(), ui);
    }
    ended
}

/// The phones to pull from.
enum Whom {
    One(Target),
    All(Vec<SeenPhone>),
}

/// Checks the options and chooses the phones.
async fn prepare(args: &PullArgs, ui: &Ui, halt: &Halt) -> Result<(Request, Whom), Error> {
    let request = Request::of(args)?;
    // A name that is wrong is known before hours of pulling.
    if let Some(remote) = &args.then_upload {
        Settings::load()?.remote(remote)?;
    }
    let whom = match args.all_phones {
        true => Whom::All(attached(&args.phone, ui, halt).await?),
        false => Whom::One(which(&args.phone, ui, halt).await?),
    };
    Ok((request, whom))
}

/// Pulls, and sends the folder to a remote where one is named.
async fn pull_and_send(
    request: &Request,
    target: Target,
    options: ConnectOptions,
    upload: Option<&str>,
    ui: &Ui,
    halt: &Halt,
    about: &mut About,
) -> Result<Done, Error> {
    let (pulled, path) = pull_into(request, target, options, ui, halt, about).await?;
    let Some(remote) = upload else {
        return Ok(pulled);
    };
    let sent = super::upload::after_pull(&path, remote, ui, halt).await?;
    Ok(match (pulled, sent) {
        (Done::All, Done::All) => Done::All,
        _ => Done::SomeFailed,
    })
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
    /// Whether a new folder is begun where one of this phone is there.
    pub(super) new_folder: bool,
    /// Whether the folder that is named is this phone's, whatever speaks against it.
    pub(super) same_phone: bool,
    /// Folders that this process pulls into.
    pub(super) claims: Claims,
    /// Whether what fails is known from now on.
    pub(super) accept_failed: bool,
    /// What is run when it has ended.
    pub(super) on_done: Option<String>,
    /// What the person typed.
    pub(super) choice: ChoiceArgs,
}

impl Request {
    fn of(args: &PullArgs) -> Result<Self, Error> {
        let PullArgs {
            output,
            choice,
            dry_run,
            no_verify,
            all_phones,
            new_folder,
            same_phone,
            accept_failed,
            on_done,
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
            new_folder: *new_folder,
            same_phone: *same_phone,
            claims: Claims::default(),
            accept_failed: *accept_failed,
            on_done: on_done.clone(),
            choice: choice.clone(),
        })
    }
}

fn selection_of(choice: &ChoiceArgs) -> Result<Selection, Error> {
    let mut kinds = Vec::new();
    kinds.extend(choice.photos.then_some(MediaKind::Photo));
    kinds.extend(choice.videos.then_some(MediaKind::Video));
    // What is named by its folder is wanted wholly.
    let everything = choice.all || !choice.roots.is_empty();
    Selection {
        everything,
        kinds,
        since: choice.since,
        ..Selection::default()
    }
    .with_globs(&choice.include, &choice.exclude)
}

fn remote_path(text: &str) -> Result<RemotePath, Error> {
    RemotePath::new(text.as_bytes()).map_err(|error| {
        Error::new(Kind::Usage, format!("'{text}' is not a path on the phone"))
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
    let mut about = About::default();
    let (done, _) = pull_into(request, target, options, ui, halt, &mut about).await?;
    Ok(done)
}

/// The same, and which folder it is.
async fn pull_into(
    request: &Request,
    target: Target,
    options: ConnectOptions,
    ui: &Ui,
    halt: &Halt,
    about: &mut About,
) -> Result<(Done, PathBuf), Error> {
    let events = ui.events();
    let mut phone = connect_offering(&target, &options, ui, halt).await?;
    // Not before: the time until somebody taps "Allow" says nothing about the pull.
    let started = Instant::now();
    let identity = phone.identity();
    about.serial = Some(identity.serial.clone());
    let destination = tokio::select! {
        () = halt.stopped() => return Err(stopped(halt)),
        destination = destination::choose(&phone, request, ui) => destination?,
    };
    let path = destination.path.clone();
    about.folder = Some(path.clone());
    let mut reconnect = Reconnect::to(&phone, options);
    let opening = open_folder(destination, &identity, request.dry_run, halt);
    let proves = !request.no_verify && !request.dry_run;
    let (opened, (found, method)) = {
        let listing = list(&mut phone, request, proves, &reconnect, &events, halt);
        tokio::pin!(opening, listing);
        // The disk and the phone work at the same time. A folder that cannot be used is known
        // before the end of the long listing, and counts for more than a phone that goes away.
        tokio::select! {
            opened = &mut opening => {
                let opened = opened?;
                (opened, listing.await?)
            }
            found = &mut listing => (opening.await?, found?),
        }
    };
    let (opened, known) = opened;
    check_storage(&found)?;
    if let Some(error) = nothing_matches(request, &found) {
        forget(opened, known)?;
        return Err(error);
    }
    reconnect.needs_internal_storage = found.has_internal_storage();
    let every = found.items.len() / WITNESSES + 1;
    let witnesses = found.items.numbers().step_by(every);
    reconnect.witnesses = witnesses.filter_map(|it| found.items.item(it)).collect();
    let method = match (method, proves) {
        (Some(method), _) => method,
        (None, true) => ask_for_method(&mut phone, &reconnect, &events, halt).await?,
        (None, false) => Method::Off,
    };
    let (folder, found, plan) = known.compare(&path, found, method, halt).await?;
    let (items, bytes) = plan.wanted();
    let (done_items, done_bytes) = (plan.done_items, plan.done_bytes);
    let shown = path.display().to_string();
    events.emit(Event::Planned {
        folder: shown,
        items,
        bytes,
        done_items,
        done_bytes,
        unproven_items: plan.unproven.len() as u64,
    });
    let (
        Some(mut folder),
        Some(Opened {
            run,
            bag_is_current,
            summary: before,
            ..
        }),
    ) = (folder, opened)
    else {
        return Ok((tell_dry_run(&plan, &found, request, &events, ui), path));
    };
    let changes_nothing = plan.changes_nothing();
    check_room(&folder, &plan)?;
    set_aside(&folder, &plan, &events)?;
    // Before the files come: a run that is cut short has looked there, too.
    note_survey(&mut folder, &found)?;
    let beside = album::begin(&folder, &plan);
    let heard = album::heard(beside.as_ref(), &events);
    let pulled = transfer(method, phone, folder, plan, &reconnect, &heard, halt).await;
    let looked = beside.map(|beside| {
        let was_stopped = !matches!(&pulled, Ok((_, outcome)) if outcome.stopped.is_none());
        beside.finish(was_stopped)
    });
    let (mut folder, mut outcome) = pulled?;
    if outcome.stopped.is_some() && !folder.is_still_there() {
        outcome.stopped = outcome
            .stopped
            .map(|error| disk_gone(&path, &error.message));
    }
    let is_as_before = changes_nothing && outcome.stopped.is_none();
    let bag = match bag_is_current && is_as_before {
        true => Ok(()),
        false => bag::write(&folder, Local::now().date_naive()).map(drop),
    };
    if let (Err(error), None) = (&bag, &outcome.stopped)
        && !folder.is_still_there()
    {
        outcome.stopped = Some(disk_gone(&path, &error.to_string()));
    }
    let missing = KnownMissing::settle(&mut folder, &outcome, &found, request.accept_failed)?;
    let ended = RunEnd::of(&outcome, &found, &missing);
    let run_outcome = match &bag {
        Ok(_) => ended.outcome,
        Err(_) => RunOutcome::Failed,
    };
    let run_ended = folder.catalogue_mut().end_run(run, now(), run_outcome);
    let summary = match is_as_before {
        true => Ok(before),
        false => folder.catalogue().summary(),
    };
    let summary = match (summary, outcome.stopped) {
        (Ok(summary), stopped) => {
            outcome.stopped = stopped;
            summary
        }
        // What stopped the run says more than what could not be read because of it.
        (Err(_), Some(error)) => return Err(error),
        (Err(error), None) => return Err(error.into()),
    };
    let album = match is_out_of_reach(&outcome) {
        true => None,
        false => Some(album::end(
            &folder,
            looked.unwrap_or_default(),
            is_as_before,
        )),
    };
    report(
        ui,
        &path,
        &summary,
        &album,
        &outcome,
        &found,
        &missing,
        request,
        started.elapsed(),
        reconnect.waited(),
        bytes,
    );
    // What stopped the run says more than what could not be written because of it.
    match outcome.stopped {
        Some(error) => Err(error),
        None => {
            bag?;
            run_ended?;
            check_catalogue(&folder)?;
            Ok((ended.done, path))
        }
    }
}

/// Whether the folder's disk is gone or full, so that no page can be put there.
fn is_out_of_reach(outcome: &Outcome) -> bool {
    let stopped = outcome.stopped.as_ref();
    stopped.is_some_and(|error| matches!(error.kind, Kind::Disk | Kind::DiskFull | Kind::Folder))
}

/// A run that has begun in a phone's folder.
struct Opened {
    run: RunId,
    /// What there was before.
    was: Was,
    /// Whether its bag says what the catalogue does, as long as nothing is recorded.
    bag_is_current: bool,
    /// What the catalogue holds, as long as nothing is recorded.
    summary: Summary,
}

/// What there was where a folder is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Was {
    /// Nothing.
    Missing,
    /// A folder with nothing of a rescue in it.
    New,
    /// The same rescue folder.
    Rescue,
}

/// Leaves a folder as it was before a run that did nothing.
fn forget(opened: Option<Opened>, known: Known) -> Result<(), Error> {
    let (Some(mut folder), Some(Opened { run, was, .. })) = (known.into_folder(), opened) else {
        return Ok(());
    };
    folder.catalogue_mut().forget_run(run)?;
    match was {
        Was::Missing => folder.remove_empty(true),
        Was::New => folder.remove_empty(false),
        Was::Rescue => {}
    }
    Ok(())
}

/// Opens or makes the phone's folder, notes in it that a run begins and reads what it holds, in a
/// thread of its own; no folder when nothing is to be changed.
async fn open_folder(
    destination: Destination,
    phone: &PhoneIdentity,
    dry_run: bool,
    halt: &Halt,
) -> Result<(Option<Opened>, Known), Error> {
    let Destination { path, marks } = destination;
    let (phone, halt) = (phone.clone(), halt.clone());
    let opening = tokio::task::spawn_blocking(move || {
        if dry_run {
            return Ok((None, Known::of_existing(&path, &halt)?));
        }
        let was_there = std::fs::symlink_metadata(&path).is_ok();
        let mut folder = Folder::after_asking(&path, || Folder::create_or_open(&path, &phone))?;
        folder.catalogue_mut().set_marks(&marks)?;
        let before = folder.catalogue().last_run()?;
        let run = folder.catalogue_mut().begin_run(now(), TOOL)?;
        let known = Known::of(folder, &halt)?;
        // A run that ended by itself wrote the bag behind the last that it recorded.
        let ended_well = before.as_ref().is_some_and(|run| {
            let written = matches!(run.outcome, Some(RunOutcome::Done | RunOutcome::SomeFailed));
            written && run.tool == TOOL
        });
        let opened = Opened {
            bag_is_current: ended_well && known.bag_is_current(),
            summary: known.summary(),
            was: match (was_there, before.is_some() || known.holds_something()) {
                (_, true) => Was::Rescue,
                (true, false) => Was::New,
                (false, false) => Was::Missing,
            },
            run,
        };
        Ok((Some(opened), known))
    });
    match opening.await {
        Ok(opened) => opened,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// Lists the phone; one that goes away meanwhile is waited for, and the listing goes on. How it can
/// prove what it sends is asked beside the listing, where that is wanted; `None` when there is no
/// answer yet.
async fn list(
    phone: &mut Phone,
    request: &Request,
    proves: bool,
    reconnect: &Reconnect,
    events: &Events,
    halt: &Halt,
) -> Result<(Enumeration, Option<Method>), Error> {
    let mut listing = Listing::new(&request.roots, &request.selection);
    let (mut vain, mut settled_folders) = (0, 0);
    let mut method = None;
    // Once: a phone that goes away over that question can still be listed.
    let mut asks = proves;
    loop {
        let listed = {
            let (going_on, asking) = (listing.go_on(phone, events), method_of(phone));
            tokio::pin!(going_on, asking);
            let mut listed = None;
            loop {
                tokio::select! {
                    () = halt.stopped() => return Err(stopped(halt)),
                    // To its end, whatever the other says: what is under way would be lost.
                    ended = &mut going_on, if listed.is_none() => listed = Some(ended),
                    asked = &mut asking, if asks => {
                        asks = false;
                        method = asked.ok();
                    }
                }
                match listed {
                    Some(Ok(())) if asks => {}
                    Some(listed) => break listed,
                    None => {}
                }
            }
        };
        asks = false;
        match listed {
            Ok(()) => return Ok((listing.into_found(), method)),
            Err(lost) => {
                let now = listing.settled_folders();
                vain = if now > settled_folders { 1 } else { vain + 1 };
                settled_folders = now;
                *phone = reconnect.wait(phone, lost, vain, events, halt).await?;
            }
        }
    }
}

/// Asks the phone how it can prove what it sends.
async fn ask_for_method(
    phone: &mut Phone,
    reconnect: &Reconnect,
    events: &Events,
    halt: &Halt,
) -> Result<Method, Error> {
    let mut vain = 0;
    loop {
        let asked = tokio::select! {
            () = halt.stopped() => return Err(stopped(halt)),
            method = method_of(phone) => method,
        };
        match asked {
            Ok(method) => return Ok(method),
            Err(lost) => {
                vain += 1;
                *phone = reconnect.wait(phone, lost, vain, events, halt).await?;
            }
        }
    }
}

/// Clears the places of rescued files in which something else stands now.
fn set_aside(folder: &Folder, plan: &Plan, events: &Events) -> Result<(), Error> {
    for local in plan.vacant.iter().filter_map(|it| plan.items.local(*it)) {
        if let Some(to) = folder.set_aside(Path::new(local.as_str()))? {
            events.emit(Event::SetAside {
                local: local.clone(),
                to: to.display().to_string(),
                why: "it differs from the rescued file",
            });
        }
    }
    Ok(())
}

/// Carries a plan out.
async fn transfer(
    method: Method,
    phone: Phone,
    mut folder: Folder,
    mut plan: Plan,
    reconnect: &Reconnect,
    events: &Events,
    halt: &Halt,
) -> Result<(Folder, Outcome), Error> {
    let new = folder.catalogue_mut().insert_planned(plan.new_entries())?;
    plan.set_ids(&new);
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
    let largest_file = folder.largest_file_bytes();
    let order = plan.in_order();
    // The rest of the plan is not needed while the files come.
    drop((
        new,
        std::mem::take(&mut plan.new),
        std::mem::take(&mut plan.tasks),
    ));
    let items = Arc::new(plan.items);
    let (order, without_room) = share_room(&folder, &items, order, largest_file)?;
    let mut session = Session::start(folder, names, method, events.clone(), halt.clone())?;
    session.refuse(without_room).await;
    session.settle_unseen(&phone, &items, unseen).await;
    session.pull(phone, items, order, unproven, reconnect).await;
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
    fn of(outcome: &Outcome, found: &Enumeration, missing: &KnownMissing) -> Self {
        let clean = outcome.failed.is_empty()
            && outcome.damaged.is_empty()
            && outcome.unproven.is_empty()
            && found.refused.is_empty();
        // What is known to be missing is missing still, but no news.
        let is_news = !outcome.unproven.is_empty() || missing.has_news(outcome, found);
        let (ended, done) = match (&outcome.stopped, clean) {
            (Some(error), _) if error.kind == Kind::Interrupted => {
                (RunOutcome::Interrupted, Done::SomeFailed)
            }
            (Some(_), _) => (RunOutcome::Failed, Done::SomeFailed),
            (None, true) => (RunOutcome::Done, Done::All),
            (None, false) if !is_news => (RunOutcome::SomeFailed, Done::All),
            (None, false) => (RunOutcome::SomeFailed, Done::SomeFailed),
        };
        Self {
            outcome: ended,
            done,
        }
    }
}

/// Notes what the listing left and could not look at.
fn note_survey(folder: &mut Folder, found: &Enumeration) -> Result<(), Error> {
    let survey = found.survey();
    // Most runs see what the one before saw, and leave the disk alone.
    let is_as_before = folder
        .catalogue()
        .survey()
        .is_ok_and(|before| before == survey);
    if !is_as_before {
        folder.catalogue_mut().set_survey(&survey)?;
    }
    Ok(())
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

/// A run that an unplugged disk ended.
fn disk_gone(path: &Path, why: &str) -> Error {
    let message = format!("the disk that holds {} is gone", path.display());
    Error::new(Kind::Disk, message)
        .caused_by(why.to_owned())
        .with_hint("attach it again and run the same command: it resumes where it stopped")
}

fn check_catalogue(folder: &Folder) -> Result<(), Error> {
    if folder.has_catalogue() {
        return Ok(());
    }
    let message = format!(
        "somebody removed the catalogue of {} while it was written",
        folder.root().display()
    );
    Err(Error::new(Kind::Disk, message).with_hint(guide::CATALOGUE_GONE))
}

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}
