//! `rescue` alone on a terminal, and `rescue guide`: drives the guided run. It looks at the phones, asks,
//! lists, pulls and runs what the person chooses; `guide::journey` decides what is next.
//!
//! Questions are plain lines with numbers, asked through [`Ui::ask`]: a screen reader reads them, a plain
//! console shows them, Ctrl-C ends them, and a question goes away by itself when the phone is there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::target::{name_of, options_of, pull_command, serial_from_environment, target_of};
use super::{
    Context, Done, arguments, authorize, doctor, export, keys, number_typed, pull, remote, stopped,
    unlock, upload,
};
use crate::cli::{
    AuthorizeArgs, ChoiceArgs, DoctorArgs, GuideArgs, KeysArgs, MediaArgs, PatternArgs, PhoneArgs,
    PullArgs, RemoteAddArgs, RemoteCommand, UnlockArgs,
};
use crate::error::{Error, Kind};
use crate::folder::{Folder, Run, share_a_disk};
use crate::guide::journey::{
    GuideAction, Happened, Holdings, Journey, Next, Note, Question, Sight, Sighting, Take, Trouble,
    What,
};
use crate::guide::states;
use crate::phone::allowed;
use crate::phone::connect::{ConnectOptions, Patience, connect};
use crate::ui::terminal::Mode;
use crate::ui::words::journey::{asked, label, lines};
use crate::ui::{plain, typed};
use crate::upload::kinds::KindOptions;
use crate::upload::kinds::folder::FolderSettings;
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
    // Without settings there are no remotes to offer.
    let remotes = Settings::load().map(|settings| settings.remotes().keys().cloned().collect());
    let serial = args.phone.serial.clone().or_else(serial_from_environment);
    let has_cable = args.phone.tcp.is_none();
    let driver = Driver {
        args: &args.phone,
        context,
    };
    let journey = Journey::new(serial, has_cable, remotes.unwrap_or_default());
    driver.drive(journey).await
}

struct Driver<'a> {
    args: &'a PhoneArgs,
    context: Context<'a>,
}

/// What was typed at a question, from 0.
enum TypedAnswer {
    Number(usize),
    Nothing,
    Other,
}

impl Driver<'_> {
    async fn drive(&self, mut journey: Journey) -> Result<Done, Error> {
        let mut happened = Happened::Began;
        // The rescue folder, for the actions after the pull.
        let mut folder = PathBuf::new();
        // Whether the person named it: a guide that starts again knows nothing of it.
        let mut is_named = false;
        loop {
            let turn = journey.turn(happened);
            let told = turn.say.iter().flat_map(lines);
            told.for_each(|line| self.context.ui.remark(&line));
            let phone = self.phone(journey.phone());
            // A key pressed while files came is no answer to the question behind them.
            let took_long = matches!(turn.next, Next::List(_) | Next::Pull(_) | Next::Run(_));
            happened = match turn.next {
                Next::Look => Happened::Looked(self.unless_stopped(look(&phone)).await?),
                Next::Ask(question) => Happened::Answered(self.choose(&question).await?),
                Next::AskMany(question) => {
                    Happened::AnsweredMany(self.choose_many(&question).await?)
                }
                Next::AskPlace => Happened::Placed(self.place(None).await?),
                Next::Wait {
                    actions,
                    asks_owner,
                } => {
                    self.wait(&phone, journey.sight(), &actions, asks_owner)
                        .await?
                }
                Next::List(place) => {
                    is_named = place.is_some();
                    let args = pull_args(&phone, None, &What::Everything)?;
                    let listed = pull::contents(&args, place.as_deref(), self.context);
                    self.outcome(listed.await.map(Happened::Listed))?
                }
                Next::Pull(take) => {
                    folder.clone_from(&take.folder);
                    let pulled = self.outcome(self.pull(&phone, &take).await);
                    pulled.map_err(|error| match is_named {
                        true => error.with_hint(going_on_in(&folder, &phone)),
                        false => error,
                    })?
                }
                Next::Run(action) => Happened::Ran(self.act(&action, &phone, &folder).await?),
                Next::End(true) => return Ok(Done::All),
                Next::End(false) => return Ok(Done::SomeFailed),
            };
            if took_long {
                self.context.ui.forget_typed();
            }
        }
    }

    /// The phone that is rescued, as a command names it.
    fn phone(&self, chosen: Option<&str>) -> PhoneArgs {
        let mut args = self.args.clone();
        if args.tcp.is_none() {
            args.serial = chosen.map(str::to_owned).or(args.serial);
        }
        args
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.context.halt.stopped() => Err(stopped(self.context.halt)),
        }
    }

    /// A failure is the journey's matter, unless the person wants to end.
    fn outcome(&self, done: Result<Happened, Error>) -> Result<Happened, Error> {
        self.context.ui.end_progress();
        match done {
            Err(error) if error.kind == Kind::Interrupted => Err(error),
            Err(error) => Ok(Happened::Failed(trouble(error))),
            done => done,
        }
    }

    /// Asks on a line of its own, and reads a number of a list.
    async fn ask(&self, prompt: &str, choices: usize) -> Result<TypedAnswer, Error> {
        let line = self.line(prompt).await?;
        Ok(match (line.trim(), number_typed(&line, choices)) {
            ("", _) => TypedAnswer::Nothing,
            (_, Some(number)) => TypedAnswer::Number(number),
            _ => TypedAnswer::Other,
        })
    }

    async fn line(&self, prompt: &str) -> Result<String, Error> {
        let asked = self.context.ui.ask_as_typed(prompt, Mode::Lines);
        let typed = self.unless_stopped(asked).await?.map_err(|error| {
            Error::new(Kind::Usage, "the terminal cannot be read").caused_by(error)
        })?;
        if typed.is_empty() {
            // The end of the input answers no question.
            self.context.ui.prompt("\n");
            let message = "stopped; everything done so far is safe";
            let error = Error::new(Kind::Interrupted, message);
            return Err(
                error.with_hint("run the same command again: it continues where it stopped")
            );
        }
        Ok(String::from_utf8_lossy(&typed).into_owned())
    }

    fn list(&self, choices: &[String]) {
        for (number, choice) in (1..).zip(choices) {
            self.context.ui.remark(&format!("{number:>3}  {choice}"));
        }
    }

    async fn choose(&self, question: &Question) -> Result<usize, Error> {
        let (text, choices) = asked(question);
        self.context.ui.remark("");
        self.context.ui.remark(&text);
        self.list(&choices);
        let usual = question.usual();
        let prompt = format!(
            "Type a number and press Enter [Enter alone: {}]: ",
            usual + 1
        );
        loop {
            match self.ask(&prompt, question.choices()).await? {
                TypedAnswer::Number(number) => return Ok(number),
                TypedAnswer::Nothing => return Ok(usual),
                TypedAnswer::Other => self.remark_numbers(question.choices()),
            }
        }
    }

    fn remark_numbers(&self, choices: usize) {
        let words = match choices {
            1 => "That is not a choice: type 1.".to_owned(),
            choices => format!("That is not a choice: type a number from 1 to {choices}."),
        };
        self.context.ui.remark(&words);
    }

    async fn choose_many(&self, question: &Question) -> Result<Vec<usize>, Error> {
        let (text, choices) = asked(question);
        self.context.ui.remark("");
        self.context.ui.remark(&text);
        self.list(&choices);
        let prompt = "Type their numbers, as in 2 3, and press Enter [Enter alone: none]: ";
        loop {
            let line = self.line(prompt).await?;
            let words = line.split(|c: char| c == ',' || c.is_whitespace());
            let words = words.filter(|word| !word.is_empty());
            let numbers = words.map(|word| number_typed(word, question.choices()));
            match numbers.collect() {
                Some(numbers) => return Ok(numbers),
                None => self.remark_numbers(question.choices()),
            }
        }
    }

    /// Asks for a folder that exists, and that is not on the disk of `original`; `None` where the person
    /// has none.
    async fn place(&self, original: Option<&Path>) -> Result<Option<PathBuf>, Error> {
        self.context.ui.remark("");
        let prompt =
            "Which folder? Type its path, or drag it into this window [Enter alone: back]: ";
        loop {
            let line = self.line(prompt).await?;
            let Some(path) = path_in(&line) else {
                return Ok(None);
            };
            if original.is_some_and(|it| path.is_dir() && share_a_disk(it, &path)) {
                let shown = plain(&path.display().to_string());
                self.context.ui.remark(&format!(
                    "{shown} is on the same disk as the rescue folder: if that disk fails, both are lost. Name a folder on another disk."
                ));
                continue;
            }
            if path.is_dir() {
                return Ok(Some(std::path::absolute(&path).unwrap_or(path)));
            }
            let shown = plain(&path.display().to_string());
            self.context.ui.remark(&format!(
                "{shown} is not a folder of this computer. Make it first, or name another one."
            ));
        }
    }

    /// Waits until the phones are in other states than they were, or the person chooses.
    async fn wait(
        &self,
        phone: &PhoneArgs,
        before: &Sight,
        actions: &[GuideAction],
        asks_owner: bool,
    ) -> Result<Happened, Error> {
        let choices: Vec<_> = actions.iter().map(label).collect();
        self.list(&choices);
        let prompt = match choices.len() {
            0 => "Waiting; this continues by itself. ".to_owned(),
            _ => "Waiting; this continues by itself. Or type a number and press Enter: ".to_owned(),
        };
        let changed = async {
            loop {
                if asks_owner && lets_in(phone).await {
                    return Happened::Allowed;
                }
                tokio::time::sleep(LOOK_EVERY).await;
                let sight = look(phone).await;
                if !sight.is_like(before) {
                    return Happened::Looked(sight);
                }
            }
        };
        let chosen = async {
            loop {
                match self.ask(&prompt, choices.len()).await {
                    Ok(TypedAnswer::Number(number)) => return Ok(number),
                    Ok(TypedAnswer::Other) => self.remark_numbers(choices.len()),
                    Ok(TypedAnswer::Nothing) => {}
                    Err(error) => return Err(error),
                }
            }
        };
        tokio::select! {
            happened = changed => {
                self.context.ui.prompt("\n");
                Ok(happened)
            }
            number = chosen => number.map(Happened::Answered),
        }
    }

    async fn pull(&self, phone: &PhoneArgs, take: &Take) -> Result<Happened, Error> {
        let args = pull_args(phone, Some(&take.folder), &take.what)?;
        pull::run(&args, self.context).await?;
        holdings(take).map(Happened::Pulled)
    }

    /// Runs an action; whether it did what it is for.
    async fn act(
        &self,
        action: &GuideAction,
        phone: &PhoneArgs,
        folder: &Path,
    ) -> Result<bool, Error> {
        self.context.ui.remark("");
        let ui = self.context.ui;
        let done = match action {
            GuideAction::Authorize => {
                let mut args: AuthorizeArgs = arguments(["authorize"])?;
                args.phone = phone.clone();
                self.unless_stopped(authorize::run(&args, ui)).await?
            }
            GuideAction::Unlock => {
                let mut args: UnlockArgs = arguments(["unlock"])?;
                args.phone = phone.clone();
                self.unless_stopped(unlock::run(&args, ui)).await?
            }
            GuideAction::Keys(recipe) => {
                let mut args: KeysArgs = arguments(["keys"])?;
                (args.serial, args.recipe) = (phone.serial.clone(), Some(*recipe));
                self.unless_stopped(keys::run(&args, ui)).await?
            }
            GuideAction::InstallRules => {
                let args: DoctorArgs = arguments(["doctor", "--install-udev-rules"])?;
                self.unless_stopped(doctor::run(&args, ui)).await?
            }
            GuideAction::Export => {
                let archive = free_name(folder);
                let words = ["export".as_ref(), folder.as_os_str(), "-o".as_ref()];
                let words = words.into_iter().chain([archive.as_os_str()]);
                export::run(arguments(words)?, self.context).await
            }
            GuideAction::Upload(remote) => upload::after_pull(folder, remote, self.context).await,
            GuideAction::CopyToDisk => match self.place(Some(folder)).await? {
                Some(place) => self.copy_to(folder, &place).await,
                None => return Ok(false),
            },
            GuideAction::More
            | GuideAction::TryAgain
            | GuideAction::TakeRest
            | GuideAction::Finish => return Ok(true),
        };
        ui.end_progress();
        match done {
            Ok(done) => Ok(done == Done::All || *action == GuideAction::Export),
            Err(error) if error.kind == Kind::Interrupted && self.context.halt.is_set() => {
                Err(error)
            }
            Err(error) => {
                let told = lines(&Note::Trouble(trouble(error)));
                told.iter().for_each(|line| ui.remark(line));
                Ok(false)
            }
        }
    }

    /// Uploads to a folder, which becomes a remote unless it is one.
    async fn copy_to(&self, folder: &Path, place: &Path) -> Result<Done, Error> {
        let settings = Settings::load()?;
        let mut remotes = settings.remotes().iter();
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_there = |path: &Path| whole(path) == whole(place);
        let known = remotes.find(|(_, remote)| remote.kind.folder().is_some_and(is_there));
        let name = match known {
            Some((name, _)) => name.clone(),
            None => {
                let mut names = (1..).map(|number: u32| match number {
                    1 => "disk".to_owned(),
                    _ => format!("disk-{number}"),
                });
                let name = names.find(|name| !settings.has(name)).unwrap_or_default();
                self.context.ui.remark(&format!(
                    "rescue remembers this folder as the remote '{name}': next time choose \"Upload it to {name}\"."
                ));
                let add = RemoteCommand::Add(RemoteAddArgs {
                    name: Some(name.clone()),
                    kind: Some(KindOptions::Folder(FolderSettings {
                        path: place.to_owned(),
                    })),
                    secret_file: None,
                    keep_in: None,
                    no_test: false,
                    begun: None,
                });
                self.unless_stopped(remote::run(&add, self.context.ui))
                    .await??;
                name
            }
        };
        upload::after_pull(folder, &name, self.context).await
    }
}

/// A failure, for the journey.
fn trouble(error: Error) -> Trouble {
    Trouble {
        kind: error.kind,
        causes: error.causes(),
        message: error.message,
        hint: error.hint,
    }
}

/// Looks at the phones as the doctor does; a state that passes by itself is given the time.
async fn look(args: &PhoneArgs) -> Sight {
    let passing = [states::busy, states::authorizing];
    let mut looks = 0;
    loop {
        looks += 1;
        let seen = match doctor::examine(args).await {
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
        let sight = Sight(seen);
        let passes = sight.0.iter().any(|seen| passing.contains(&seen.state));
        if !passes || looks >= SECOND_LOOKS {
            return sight;
        }
        tokio::time::sleep(LOOK_EVERY).await;
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

/// A path as a person types it, or as a terminal writes one that is dragged into it.
fn path_in(line: &str) -> Option<PathBuf> {
    let line = line.trim();
    let quoted = |quote: char| line.strip_prefix(quote)?.strip_suffix(quote);
    let path = match quoted('\'').or_else(|| quoted('"')) {
        Some(path) => path.to_owned(),
        None if cfg!(unix) => line.replace("\\ ", " "),
        None => line.to_owned(),
    };
    (!path.is_empty()).then(|| path.into())
}

/// Returns a free name for a folder's archive: an existing file may be the person's own.
fn free_name(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let named = |number: u32| match number {
        1 => folder.with_file_name(format!("{name}.zip")),
        _ => folder.with_file_name(format!("{name} ({number}).zip")),
    };
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    (1..=999)
        .map(named)
        .find(is_free)
        .unwrap_or_else(|| named(1))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn dragged_paths_are_read() {
        for line in [
            "/media/My Disk\n",
            "'/media/My Disk' \n",
            "/media/My\\ Disk",
            "\"/media/My Disk\"",
        ] {
            assert_eq!(
                path_in(line),
                Some(PathBuf::from("/media/My Disk")),
                "{line}"
            );
        }
        assert_eq!(path_in(" \n"), None);
    }
}
