//! `rescue` alone on a terminal, and `rescue guide`: drives the guided run. It looks at the phones, asks,
//! lists, pulls and runs what the person chooses; `guide::journey` decides what is next.
//! The person sits at a terminal (`terminal`), or at a page in the browser (`commands/desk.rs`).

mod acting;
mod asking;
mod face;
mod terminal;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) use self::face::{GuideFace, StoppableWork};
use self::terminal::TerminalFace;
use super::target::{name_of, options_of, pull_command, serial_from_environment, target_of};
use super::{Context, Done, arguments, doctor, pull};
use crate::cli::{ChoiceArgs, GuideArgs, MediaArgs, PatternArgs, PhoneArgs, PullArgs};
use crate::error::{Error, Kind};
use crate::folder::{Folder, Run};
use crate::guide::journey::{
    AsksOwner, Copied, GuideAction, Happened, Holdings, Journey, JourneyEnd, Next, Note, Question,
    Sight, Sighting, Take, Trouble, What,
};
use crate::guide::states;
use crate::halt::Halt;
use crate::phone::allowed;
use crate::phone::connect::{ConnectOptions, Patience, connect};
use crate::ui::typed;
use crate::upload::settings::Settings;

/// How often to look for something new.
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// How often to look again at a state that passes by itself, before it is told.
const SECOND_LOOKS: u32 = 4;
/// How long a person may take to tap "Allow".
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

pub(super) async fn run(args: &GuideArgs, context: Context<'_>) -> Result<Done, Error> {
    if !context.ui.has_person() {
        let message = "the guide asks questions: it needs a terminal, and no --json or --quiet";
        return Err(Error::new(Kind::Usage, message)
            .with_hint("without a terminal run `rescue doctor`, then `rescue pull`"));
    }
    lead(&args.phone, context, TerminalFace { context }).await
}

/// Leads a person from a phone to files that are proven.
pub(super) async fn lead(
    phone: &PhoneArgs,
    context: Context<'_>,
    face: impl GuideFace,
) -> Result<Done, Error> {
    let serial = phone.serial.clone().or_else(serial_from_environment);
    let has_cable = phone.tcp.is_none();
    let driver = Driver {
        args: phone,
        context: Context {
            ui: &context.ui.led_by_guide(),
            ..context
        },
        face,
    };
    let journey = Journey::new(serial, has_cable, remotes());
    driver.drive(journey).await
}

/// Returns the names of the remotes to offer: none if the settings cannot be read.
fn remotes() -> Vec<String> {
    let names = Settings::load().map(|settings| settings.remotes().keys().cloned().collect());
    names.unwrap_or_default()
}

struct Driver<'a, F> {
    args: &'a PhoneArgs,
    context: Context<'a>,
    face: F,
}

impl<F: GuideFace> Driver<'_, F> {
    async fn drive(&self, mut journey: Journey) -> Result<Done, Error> {
        let mut happened = Happened::Began;
        // The rescue folder, for the actions after the pull.
        let mut folder = PathBuf::new();
        // Whether the person named it: a guide that starts again knows nothing of it.
        let mut is_named = false;
        loop {
            let turn = journey.turn(happened);
            self.face.tell(&turn.say);
            if let Some(phone) = journey.phone() {
                self.face.bind(phone);
            }
            let phone = self.phone(journey.phone());
            // A key pressed while files came is no answer to the question behind them.
            let took_long = matches!(turn.next, Next::List(_) | Next::Pull(_) | Next::Run(_));
            happened = match turn.next {
                Next::Look => {
                    let looked = self.context.unless_stopped(self.look(&phone));
                    Happened::Looked(looked.await?)
                }
                Next::Ask(question @ Question::Doubt(_)) => {
                    // What the phone shows by itself needs no answer.
                    let answer = self.face.choose(&question);
                    self.unless_changed(&phone, journey.sight(), AsksOwner::No, answer)
                        .await?
                }
                Next::Ask(question) => Happened::Answered(self.face.choose(&question).await?),
                Next::AskMany(question) => {
                    Happened::AnsweredMany(self.face.choose_many(&question).await?)
                }
                Next::AskPlace => Happened::Placed(self.place(None).await?),
                Next::Wait {
                    actions,
                    asks_owner,
                } => {
                    let chosen = self.face.action(&actions);
                    self.unless_changed(&phone, journey.sight(), asks_owner, chosen)
                        .await?
                }
                Next::List(place) => {
                    is_named = place.is_some();
                    let args = pull_args(&phone, None, &What::Everything)?;
                    let listed = pull::contents(&args, place.as_deref(), self.context);
                    self.outcome(listed.await.map(Happened::Listed), None)?
                }
                Next::Pull(take) => {
                    folder.clone_from(&take.folder);
                    let pulled = self.pull_to_end(&phone, &take).await;
                    let pulled = self.outcome(pulled, Some(&folder));
                    pulled.map_err(|error| match is_named {
                        true => error.with_hint(going_on_in(&folder, &phone)),
                        false => error,
                    })?
                }
                Next::Run(action) => {
                    let end = self.act(&action, &phone, &folder).await?;
                    if matches!(action, GuideAction::AddRemote | GuideAction::CopyToDisk) {
                        journey.know_remotes(remotes());
                    }
                    Happened::Ran(end)
                }
                Next::End(JourneyEnd::Safe) => return Ok(Done::All),
                Next::End(JourneyEnd::Unsafe) => return Ok(Done::SomeFailed),
            };
            if took_long {
                self.face.forget_typed();
            }
        }
    }

    /// The phone that is rescued, as a command names it.
    fn phone(&self, chosen: Option<&str>) -> PhoneArgs {
        let mut args = self.args.clone();
        if args.tcp.is_none() {
            let chosen = chosen.map(str::to_owned);
            args.serial = chosen.or_else(|| self.face.seen()).or(args.serial);
        }
        args
    }

    /// Looks at the phones as the doctor does; a state that passes by itself is given the time.
    async fn look(&self, args: &PhoneArgs) -> Sight {
        let passing = [states::busy, states::authorizing];
        let mut looks = 0;
        loop {
            looks += 1;
            let seen = match doctor::examine(args, &self.face.others()).await {
                Ok(findings) => findings
                    .into_iter()
                    .map(doctor::DoctorFinding::into_seen)
                    .collect(),
                // Others are attached, and not the phone that is waited for.
                Err(error) => vec![Sighting {
                    phone: None,
                    model: None,
                    state: states::nothing_on_usb,
                    detail: Some(error.message),
                }],
            };
            let sight = self.face.narrow(Sight(seen));
            let passes = sight.0.iter().any(|seen| passing.contains(&seen.state));
            if !passes || looks >= SECOND_LOOKS {
                return sight;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// A failure is the journey's matter, unless the person wants to end.
    fn outcome(
        &self,
        done: Result<Happened, Error>,
        folder: Option<&Path>,
    ) -> Result<Happened, Error> {
        self.context.ui.end_progress();
        match done {
            Err(error) if error.kind == Kind::Interrupted => Err(error),
            Err(error) => Ok(Happened::Failed(trouble(error, folder))),
            done => done,
        }
    }

    /// Pulls, and again where the person stopped the pull alone and has it continue.
    async fn pull_to_end(&self, phone: &PhoneArgs, take: &Take) -> Result<Happened, Error> {
        loop {
            let switch = self.face.switch(self.context.halt, StoppableWork::Pull);
            let pulled = self.pull(phone, take, &switch).await;
            let is_paused = switch.is_set() && !self.context.halt.is_set();
            match pulled {
                Err(error) if error.kind == Kind::Interrupted && is_paused => {
                    self.context.ui.end_progress();
                    if let Err(error) = self.face.paused().await {
                        if !self.context.halt.is_set() {
                            self.face.tell(&[Note::Stopped(copied_into(&take.folder))]);
                        }
                        return Err(error);
                    }
                }
                pulled => return pulled,
            }
        }
    }

    async fn pull(&self, phone: &PhoneArgs, take: &Take, halt: &Halt) -> Result<Happened, Error> {
        let mut args = pull_args(phone, Some(&take.folder), &take.what)?;
        args.job = self.face.job();
        let ui = self.context.ui;
        pull::run(&args, Context { ui, halt }).await?;
        holdings(take).map(Happened::Pulled)
    }
}

/// A failure, for the journey; of work on a rescue folder, where there is one.
fn trouble(error: Error, folder: Option<&Path>) -> Trouble {
    Trouble {
        copied: folder.map_or(Copied::Unknown, copied_into),
        kind: error.kind,
        causes: error.causes(),
        message: error.message,
        hint: error.hint,
    }
}

/// Has the phone ask its owner "Allow USB debugging?"; whether it lets this computer in before it goes away.
async fn lets_in(args: &PhoneArgs) -> bool {
    let options = ConnectOptions {
        wait: PATIENCE,
        ..options_of(args)
    };
    let (target, mut silent) = (target_of(args), |_: &_| {});
    let asked = connect(&target, &options, Patience::ForPerson, &mut silent);
    let Ok(phone) = asked.await else {
        return false;
    };
    allowed::note(name_of(&phone.target()));
    true
}

/// How a pull into a folder that the person named goes on.
fn going_on_in(folder: &Path, phone: &PhoneArgs) -> String {
    let (command, folder) = (pull_command(phone, None), typed(folder));
    format!("run `{command} -o {folder}`: it resumes where it stopped")
}

fn pull_args(phone: &PhoneArgs, folder: Option<&Path>, what: &What) -> Result<PullArgs, Error> {
    let mut args: PullArgs = arguments(["pull"])?;
    args.phone = phone.clone();
    args.output = folder.map(Path::to_owned);
    args.choice = ChoiceArgs {
        media: MediaArgs {
            photos: matches!(what, What::Photos | What::PhotosAndVideos),
            videos: *what == What::PhotosAndVideos,
        },
        patterns: PatternArgs {
            include: Vec::new(),
            exclude: match what {
                What::Without(patterns) => patterns.clone(),
                _ => Vec::new(),
            },
        },
        ..ChoiceArgs::default()
    };
    Ok(args)
}

/// Whether a rescue folder holds proven files, as far as it can be read.
fn copied_into(folder: &Path) -> Copied {
    let summary = Folder::open_after_asking(folder).ok();
    let summary = summary.and_then(|folder| folder.catalogue().summary().ok());
    match summary.is_some_and(|summary| summary.verified.files > 0) {
        true => Copied::Something,
        false => Copied::Unknown,
    }
}

/// What the folder of a pull holds now.
fn holdings(take: &Take) -> Result<Holdings, Error> {
    let folder = Folder::open_after_asking(&take.folder)?;
    let catalogue = folder.catalogue();
    let last_run = catalogue.last_run()?;
    Ok(Holdings {
        folder: take.folder.clone(),
        summary: catalogue.summary()?,
        survey: catalogue.survey()?,
        is_whole: last_run.as_ref().is_some_and(Run::is_whole),
        is_choice: take.what != What::Everything,
    })
}
