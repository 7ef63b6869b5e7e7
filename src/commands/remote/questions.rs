//! `rescue remote add` without a name, a kind, or something that the kind needs, and `rescue remote edit` without changes:
//! asks, in the words of the help. An answer that cannot be used is refused at its own question.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;

use clap::{Arg, Args as _, Command};
use serde::de::IgnoredAny;

use super::super::{arguments, number_typed};
use super::typed;
use crate::cli::RemoteAddArgs;
use crate::error::{Error, Kind};
use crate::ui::terminal::Mode;
use crate::ui::{Lead, Ui, plain};
use crate::upload::kinds::{KindOptions, KindSettings, NeededSecret};
use crate::upload::secret::Secret;
use crate::upload::settings::Settings;

/// Options that hardly anybody needs; they can be given on the command line.
const SELDOM: [&str; 2] = ["certificates", "host_key"];
/// The answer that removes a value.
const REMOVES: &str = "-";
/// Answers that are refused, before it gives up.
const MOST_ANSWERS: usize = 20;

/// That something is missing, where nobody can be asked.
pub(super) fn incomplete(given: &RemoteAddArgs) -> Error {
    let missing = match (&given.name, &given.kind) {
        (None, Some(_)) => "the remote's name is missing",
        (Some(_), None) => "the remote's kind is missing",
        _ => "the remote's name and kind are missing",
    };
    Error::new(Kind::Usage, missing)
        .with_hint("as in `rescue remote add nas sftp ada@nas.local`; `rescue remote add --help` lists the kinds")
}

/// Asks for what is missing, and returns the same as if all had been typed at once.
pub(super) async fn ask(
    given: &RemoteAddArgs,
    settings: &Settings,
    ui: &Ui,
) -> Result<RemoteAddArgs, Error> {
    if !ui.has_person() {
        return Err(incomplete(given));
    }
    let name = match &given.name {
        Some(name) => name.clone(),
        None => {
            let question = "A short name for the place, as in nas";
            answer(
                question,
                EmptyAnswer::AsksAgain,
                &|name| settings.check_free(name),
                ui,
            )
            .await?
        }
    };
    if given.kind.is_some() {
        return Ok(RemoteAddArgs {
            name: Some(name),
            ..given.clone()
        });
    }
    let command = RemoteAddArgs::augment_args(Command::new("add"));
    let begun = given.begun.as_ref();
    let kind = match begun.and_then(|begun| command.find_subcommand(&begun.name)) {
        Some(kind) => kind,
        None => chosen_kind(&command, ui).await?,
    };
    let (mut options, mut places) = match begun {
        Some(begun) => (begun.options.clone(), begun.places.clone()),
        None => (Vec::new(), Vec::new()),
    };
    for arg in kind.get_arguments().filter(|arg| is_asked_for(arg)) {
        let id = arg.get_id().as_str();
        // A person who typed options leaves others out on purpose.
        if begun.is_some_and(|it| !arg.is_required_set() || it.given.iter().any(|it| it == id)) {
            continue;
        }
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let check = |text: &str| KindOptions::check(kind.get_name(), id, text);
        let empty = match arg.is_required_set() {
            true => EmptyAnswer::AsksAgain,
            false => EmptyAnswer::Counts,
        };
        let typed = answer(&help, empty, &check, ui).await?;
        match (arg.get_long(), typed.is_empty()) {
            (_, true) => {}
            (Some(long), false) => options.push(format!("--{long}={typed}").into()),
            (None, false) => places.push(typed.into()),
        }
    }
    let mut words: Vec<OsString> = vec!["add".into(), name.into(), kind.get_name().into()];
    words.extend(options);
    words.push("--".into());
    words.extend(places);
    let answered: RemoteAddArgs = arguments(words)?;
    Ok(RemoteAddArgs {
        secret_file: given.secret_file.clone(),
        keep_in: given.keep_in,
        no_test: given.no_test,
        ..answered
    })
}

/// Asks for each setting of a saved remote, and returns the options that change, by their ids; an empty text removes one.
pub(super) async fn changes(
    kind: &KindSettings,
    options: &Command,
    ui: &Ui,
) -> Result<BTreeMap<String, OsString>, Error> {
    if !ui.has_person() {
        return Err(Error::new(Kind::Usage, "nothing to change is given")
            .with_hint("give options of the remote's kind, which `rescue remote add --help` lists, or --secret-file"));
    }
    let mut changes = BTreeMap::new();
    for arg in options.get_arguments().filter(|arg| is_asked_for(arg)) {
        let id = arg.get_id().as_str();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let present = kind.present(id, &changes);
        let present = present.filter(|present| !present.is_empty());
        let may_go = present.is_some() && !arg.is_required_set();
        let is_removed = |typed: &str| may_go && typed == REMOVES;
        let check = |typed: &str| match is_removed(typed) {
            true => Ok(()),
            false => KindOptions::check(kind.name(), id, typed),
        };
        let empty = match &present {
            Some(present) => EmptyAnswer::Keeps { present, may_go },
            None => EmptyAnswer::Counts,
        };
        let typed = answer(&help, empty, &check, ui).await?;
        if is_removed(&typed) {
            changes.insert(id.to_owned(), OsString::new());
        } else if !typed.is_empty() && Some(&typed) != present.as_ref() {
            changes.insert(id.to_owned(), typed.into());
        }
    }
    Ok(changes)
}

/// Offers to replace a remote's secret; `None` where the person does not.
pub(super) async fn new_secret(
    needed: NeededSecret,
    has_one: bool,
    ui: &Ui,
) -> Result<Option<Secret>, Error> {
    const PRESENT: &str = "the present one";
    let empty = match has_one {
        true => EmptyAnswer::Keeps {
            present: PRESENT,
            may_go: false,
        },
        false => EmptyAnswer::Counts,
    };
    match needed {
        NeededSecret::Line(what) => {
            let line = typed(what, &empty.words(ui), ui).await?;
            let is_given = !line.is_empty();
            is_given.then(|| Secret::from_line(&line)).transpose()
        }
        NeededSecret::File(what) => {
            let file = answer(&format!("The {what}"), empty, &check_secret_file, ui).await?;
            let is_given = !file.is_empty();
            is_given
                .then(|| Secret::from_file(file.as_ref()))
                .transpose()
        }
    }
}

/// Asks for the file with a secret that does not fit on a line.
pub(super) async fn secret_file(what: &str, ui: &Ui) -> Result<Secret, Error> {
    if !ui.has_person() {
        return Err(Error::new(Kind::Usage, format!("the {what} is missing"))
            .with_hint("give it with --secret-file FILE"));
    }
    let question = format!("The {what}");
    let file = answer(&question, EmptyAnswer::AsksAgain, &check_secret_file, ui).await?;
    Secret::from_file(file.as_ref())
}

fn check_secret_file(typed: &str) -> Result<(), Error> {
    let secret = Secret::from_file(typed.as_ref())?;
    let is_json = serde_json::from_str::<IgnoredAny>(secret.reveal()).is_ok();
    is_json.then_some(()).ok_or_else(|| {
        Error::new(Kind::Usage, format!("'{typed}' is not a JSON file"))
            .with_hint("give the file that the service offers for download")
    })
}

async fn chosen_kind<'a>(command: &'a Command, ui: &Ui) -> Result<&'a Command, Error> {
    let kinds: Vec<&Command> = command
        .get_subcommands()
        .filter(|kind| !kind.is_hide_set())
        .collect();
    if ui.is_on_face() {
        return chosen_on_face(&kinds, ui).await;
    }
    ui.remark("What kind of place is it?");
    for (index, kind) in kinds.iter().enumerate() {
        let about = kind
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        ui.remark(&format!(
            "{:>4}  {:<14} {about}",
            index + 1,
            kind.get_name()
        ));
    }
    let kind_of = |typed: &str| {
        let by_name = kinds.iter().find(|kind| kind.get_name() == typed);
        let by_number = number_typed(typed, kinds.len()).and_then(|index| kinds.get(index));
        by_number.or(by_name).copied().ok_or_else(|| {
            let message = format!("'{typed}' is not on the list");
            let hint = format!("type a number from 1 to {}, or a name", kinds.len());
            Error::new(Kind::Usage, message).with_hint(hint)
        })
    };
    let check = |typed: &str| kind_of(typed).map(drop);
    let typed = answer("Its number or its name", EmptyAnswer::AsksAgain, &check, ui).await?;
    kind_of(&typed)
}

async fn chosen_on_face<'a>(kinds: &[&'a Command], ui: &Ui) -> Result<&'a Command, Error> {
    let about = |kind: &&Command| match kind.get_about() {
        Some(about) => format!("{}: {about}", kind.get_name()),
        None => kind.get_name().to_owned(),
    };
    let mut choices: Vec<_> = kinds.iter().map(about).collect();
    choices.push("None of these".to_owned());
    let chosen = ui
        .choose_on_face("What kind of place is it?", choices, 0)
        .await;
    let kind = chosen.and_then(|number| kinds.get(number));
    kind.copied()
        .ok_or_else(|| Error::new(Kind::Interrupted, "nothing was saved"))
}

fn is_asked_for(arg: &Arg) -> bool {
    arg.get_action().takes_values()
        && !arg.is_global_set()
        && !arg.is_hide_set()
        && !SELDOM.contains(&arg.get_id().as_str())
}

/// What Enter alone is to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EmptyAnswer<'a> {
    AsksAgain,
    Counts,
    /// It keeps the present value, which may go.
    Keeps {
        present: &'a str,
        may_go: bool,
    },
}

impl EmptyAnswer<'_> {
    fn words(self, ui: &Ui) -> String {
        match self {
            Self::AsksAgain => String::new(),
            Self::Counts if ui.is_on_face() => " (may be empty)".to_owned(),
            Self::Counts => " (or just Enter)".to_owned(),
            Self::Keeps { present, may_go } => {
                let removes = match may_go {
                    true => format!(", {REMOVES} removes it"),
                    false => String::new(),
                };
                format!(" (Enter keeps {}{removes})", plain(present))
            }
        }
    }
}

/// A line that passes a check.
async fn answer(
    question: &str,
    empty: EmptyAnswer<'_>,
    check: &dyn Fn(&str) -> Result<(), Error>,
    ui: &Ui,
) -> Result<String, Error> {
    let end = empty.words(ui);
    for _ in 0..MOST_ANSWERS {
        let line = ui.ask(&format!("{question}{end}: "), Mode::Lines).await;
        let line = line.map_err(|error| {
            let stopped = Error::new(Kind::Interrupted, "nothing was saved");
            match error.kind() {
                ErrorKind::UnexpectedEof => stopped,
                _ => Error::new(Kind::Usage, "the answer could not be read").caused_by(error),
            }
            .with_hint("run the same command again")
        })?;
        let line = line.trim();
        match line.is_empty() {
            true if empty == EmptyAnswer::AsksAgain => {
                let key = match ui.lead() {
                    Lead::Person => "Ctrl-C to stop",
                    Lead::Guide => "Ctrl-D to go back",
                };
                ui.remark(&format!("This is needed. Type an answer, or press {key}."));
            }
            true => return Ok(String::new()),
            false => match check(line) {
                Ok(()) => return Ok(line.to_owned()),
                Err(refused) => {
                    let hint = refused.hint.unwrap_or("try another answer".into());
                    ui.remark(&format!("{}; {hint}.", refused.message));
                }
            },
        }
    }
    Err(Error::new(Kind::Usage, "too many answers cannot be used")
        .with_hint("give the arguments on the command line: `rescue remote add --help` lists them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_asked_for_what_it_needs() {
        let command = RemoteAddArgs::augment_args(Command::new("add"));
        for kind in command.get_subcommands() {
            for arg in kind.get_arguments().filter(|arg| arg.is_required_set()) {
                assert!(is_asked_for(arg), "{} {}", kind.get_name(), arg.get_id());
                assert!(
                    arg.get_help().is_some(),
                    "{} {}",
                    kind.get_name(),
                    arg.get_id()
                );
            }
        }
    }
}
