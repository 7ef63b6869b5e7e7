//! One pull: prepares it (folder, listing, plan), carries it out, and concludes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Local;

use super::super::{Context, Done, stopped};
use super::album;
use super::destination::{self, Destination};
use super::done::About;
use super::ending::{RunEnd, check_catalogue, disk_gone, is_out_of_reach};
use super::known::{Changes, ComparedFolder};
use super::label;
use super::listing::{AskedBeside, ask_for_method, check_storage, list};
use super::nothing::nothing_matches;
use super::opening::{BegunRun, forget, open_folder};
use super::report::{KnownMissing, PullReport, tell_dry_run};
use super::room::{check_room, share_room};
use super::{PullOrder, now};
use crate::commands::authorize::connect_offering;
use crate::error::Error;
use crate::event::{Event, Events, Supervisor};
use crate::export::album::{Backlog, ReceivedFiles};
use crate::folder::bag::BagError;
use crate::folder::earlier::Recovered;
use crate::folder::{Folder, Reason, ReasonCode, RunOutcome, bag};
use crate::phone::Phone;
use crate::phone::connect::{ConnectOptions, Target};
use crate::pull::Method;
use crate::pull::enumerate::Enumeration;
use crate::pull::plan::Plan;
use crate::pull::reconnect::Reconnect;
use crate::pull::session::{PullOutcome, Session};

/// Files that are looked for on a phone that went away and came back.
const WITNESSES: usize = 16;

/// Pulls from a phone into its folder, and returns which folder it is. `about` learns both as soon as they are known.
pub(super) async fn pull_into(
    request: &PullOrder,
    target: Target,
    options: ConnectOptions,
    context: Context<'_>,
    about: &mut About,
) -> Result<(Done, PathBuf), Error> {
    let phone = connect_offering(&target, &options, context).await?;
    // Not before: the time until somebody taps "Allow" says nothing about the pull.
    let started = Instant::now();
    about.serial = Some(phone.identity().serial);
    let destination = tokio::select! {
        () = context.halt.stopped() => return Err(stopped(context.halt)),
        destination = destination::choose(&phone, request, context.ui) => destination?,
    };
    let run = PullRun {
        request,
        path: destination.path.clone(),
        context,
        events: context.ui.events(),
        started,
    };
    about.folder = Some(run.path.clone());
    let done = match run.prepare(phone, destination, options).await? {
        PreparedPull {
            into: Some((folder, opened)),
            on,
            found,
            plan,
            recovered,
        } => {
            let carried = run.carry_out(folder, &found, plan, on).await?;
            run.conclude(&found, carried, opened, recovered)?
        }
        PreparedPull { found, plan, .. } => {
            tell_dry_run(&plan, &found, request, &run.events, context.ui)
        }
    };
    Ok((done, run.path))
}

/// What each step of a pull knows.
struct PullRun<'a> {
    request: &'a PullOrder,
    /// The folder, as the person named it or as it is named here.
    path: PathBuf,
    context: Context<'a>,
    events: Events,
    started: Instant,
}

/// A pull of which everything is known that is known before the first file.
struct PreparedPull {
    /// The folder; `None` in a dry run.
    into: Option<(Folder, BegunRun)>,
    /// The phone, and how it is reached again.
    on: PhoneLink,
    found: Enumeration,
    plan: Plan,
    /// The files of an earlier manifest that are on record again.
    recovered: Recovered,
}

/// The way to a phone.
struct PhoneLink {
    phone: Phone,
    reconnect: Reconnect,
    method: Method,
}

/// A pull whose files came, or not.
struct Carried {
    folder: Folder,
    outcome: PullOutcome,
    /// What the album is made of.
    looked: ReceivedFiles,
    /// Whether nothing was to be done, and nothing was: no file, and no other label.
    is_as_before: bool,
    wanted_bytes: u64,
    /// How long the phone was gone.
    waited: Duration,
}

impl PullRun<'_> {
    /// Opens the folder, lists the phone, and compares the two.
    async fn prepare(
        &self,
        mut phone: Phone,
        destination: Destination,
        options: ConnectOptions,
    ) -> Result<PreparedPull, Error> {
        let Self {
            request,
            events,
            context,
            ..
        } = self;
        let mut reconnect = Reconnect::to(&phone, options);
        let identity = phone.identity();
        let changes = match request.dry_run {
            true => Changes::Nothing,
            false => Changes::Folder,
        };
        let opening = open_folder(destination, &identity, changes, context.halt);
        let proves = !request.no_verify && !request.dry_run;
        let ((opened, known), (found, method)) = {
            let beside = match proves {
                true => AskedBeside::Method,
                false => AskedBeside::Nothing,
            };
            let listing = list(&mut phone, request, beside, &reconnect, *context);
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
            (None, true) => ask_for_method(&mut phone, &reconnect, *context).await?,
            (None, false) => Method::Off,
        };
        let ComparedFolder {
            folder,
            found,
            plan,
            recovered,
        } = known
            .compare(&self.path, found, method, changes, context.halt)
            .await?;
        let (items, bytes) = plan.wanted();
        events.emit(Event::Planned {
            folder: self.path.display().to_string(),
            items,
            bytes,
            done_items: plan.done_items,
            done_bytes: plan.done_bytes,
            unproven_items: plan.unproven.len() as u64,
        });
        Ok(PreparedPull {
            into: folder.zip(opened),
            on: PhoneLink {
                phone,
                reconnect,
                method,
            },
            found,
            plan,
            recovered,
        })
    }

    /// Brings the files.
    async fn carry_out(
        &self,
        mut folder: Folder,
        found: &Enumeration,
        plan: Plan,
        on: PhoneLink,
    ) -> Result<Carried, Error> {
        let changes_nothing = plan.changes_nothing();
        let (_, wanted_bytes) = plan.wanted();
        check_room(&folder, &plan)?;
        set_aside(&folder, &plan, &self.events)?;
        // Before the files come: a run that is cut short has looked there, too.
        note_survey(&mut folder, found)?;
        let label = self.request.label(&folder.catalogue().job()?)?;
        let is_relabelled = label::record(&mut folder, &label)?;
        let beside = album::begin(&folder, &plan);
        let supervisor = Supervisor {
            events: album::heard(beside.as_ref(), &self.events),
            halt: self.context.halt.clone(),
        };
        let PhoneLink {
            phone,
            reconnect,
            method,
        } = on;
        let pulled = transfer(method, phone, folder, plan, &reconnect, supervisor).await;
        let looked = beside.map(|beside| {
            beside.finish(match &pulled {
                Ok((_, outcome)) if outcome.stopped.is_none() => Backlog::Finish,
                _ => Backlog::Leave,
            })
        });
        let (folder, mut outcome) = pulled?;
        if outcome.stopped.is_some() && !folder.is_still_there() {
            outcome.stopped = outcome
                .stopped
                .map(|error| disk_gone(&self.path, &error.message));
        }
        Ok(Carried {
            is_as_before: changes_nothing && !is_relabelled && outcome.stopped.is_none(),
            folder,
            outcome,
            looked: looked.unwrap_or_default(),
            wanted_bytes,
            waited: reconnect.waited(),
        })
    }

    /// Records how it ended, writes what belongs to the folder, and reports.
    fn conclude(
        &self,
        found: &Enumeration,
        carried: Carried,
        opened: BegunRun,
        mut recovered: Recovered,
    ) -> Result<Done, Error> {
        let Carried {
            mut folder,
            mut outcome,
            looked,
            is_as_before,
            wanted_bytes,
            waited,
        } = carried;
        // A run that was cut short left the pages as the one before wrote them, too.
        let is_as_before = is_as_before && opened.bag_is_current && recovered.is_empty();
        let bag = match is_as_before {
            true => Ok(()),
            false => write_bag(&mut folder, found, &mut recovered),
        };
        let why = "an earlier manifest lists it, and this listing of the phone does not";
        let why = Reason::new(ReasonCode::Vanished, why);
        let gone = recovered.gone.into_iter();
        outcome
            .unproven
            .extend(gone.map(|path| (path, why.clone())));
        if let (Err(error), None) = (&bag, &outcome.stopped)
            && !folder.is_still_there()
        {
            outcome.stopped = Some(disk_gone(&self.path, &error.to_string()));
        }
        let known = KnownMissing::settle(&mut folder, &outcome, found, self.request.accept_failed)?;
        let ended = RunEnd::of(&outcome, found, &known);
        let run_outcome = match &bag {
            Ok(()) => ended.outcome,
            Err(_) => RunOutcome::Failed,
        };
        let run_ended = folder
            .catalogue_mut()
            .end_run(opened.run, now(), run_outcome);
        let summary = match is_as_before {
            true => Ok(opened.summary),
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
        let album = (!is_out_of_reach(&outcome)).then(|| album::end(&folder, looked, is_as_before));
        PullReport {
            path: &self.path,
            summary: &summary,
            album: album.as_ref(),
            outcome: &outcome,
            found,
            known: &known,
            request: self.request,
            took: self.started.elapsed(),
            waited,
            wanted_bytes,
        }
        .tell(self.context.ui);
        // What stopped the run says more than what could not be written because of it.
        match outcome.stopped {
            Some(error) => Err(error),
            None => {
                bag?;
                run_ended?;
                check_catalogue(&folder)?;
                Ok(ended.done)
            }
        }
    }
}

/// Writes the bag's own files, after what an earlier manifest lists is on record again.
fn write_bag(
    folder: &mut Folder,
    found: &Enumeration,
    recovered: &mut Recovered,
) -> Result<(), BagError> {
    recovered.add(folder.recover(&found.volumes, &|_, _| false)?);
    bag::write(folder, Local::now().date_naive())?;
    Ok(())
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
    supervisor: Supervisor,
) -> Result<(Folder, PullOutcome), Error> {
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
    let mut session = Session::start(folder, names, method, supervisor)?;
    session.refuse(without_room).await;
    session.settle_unseen(&phone, &items, unseen).await;
    session.pull(phone, items, order, unproven, reconnect).await;
    let finished = tokio::task::spawn(session.finish()).await;
    match finished {
        Ok(finished) => Ok(finished),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
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
