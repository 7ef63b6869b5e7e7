//! `rescue remote add` without a name or a kind: asks for both, and for what the kind needs, in the words of its help.

use clap::{Arg, Args as _, Command};

use super::super::{arguments, number_typed};
use crate::cli::RemoteAddArgs;
use crate::error::{Error, Kind};
use crate::ui::Ui;
use crate::ui::terminal::Mode;

/// Options that hardly anybody needs; they can be given on the command line.
const SELDOM: [&str; 2] = ["ca_file", "host_key"];
/// Answers that make no sense, before it gives up.
const MOST_ANSWERS: usize = 20;

/// That something is missing, where nobody can be asked.
pub(super) fn incomplete() -> Error {
    Error::new(Kind::Usage, "the remote's name and kind are missing")
        .with_hint("as in `rescue remote add nas sftp ada@nas.local`; `rescue remote add --help` lists the kinds")
}

/// Asks for what is missing, and returns the same as if all had been typed at once.
pub(super) async fn ask(given: &RemoteAddArgs, ui: &Ui) -> Result<RemoteAddArgs, Error> {
    if !ui.has_person() {
        return Err(incomplete());
    }
    let command = RemoteAddArgs::augment_args(Command::new("add"));
    let name = match &given.name {
        Some(name) => name.clone(),
        None => answer("A short name for the place, as in nas", true, ui).await?,
    };
    let kinds: Vec<&Command> = command
        .get_subcommands()
        .filter(|kind| !kind.is_hide_set())
        .collect();
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
    let mut chosen = None;
    for _ in 0..MOST_ANSWERS {
        let typed = answer("Its number or its name", true, ui).await?;
        let by_name = kinds.iter().find(|kind| kind.get_name() == typed);
        chosen = number_typed(&typed, kinds.len())
            .and_then(|index| kinds.get(index))
            .or(by_name)
            .copied();
        if chosen.is_some() {
            break;
        }
    }
    let kind = chosen.ok_or_else(incomplete)?;
    let (mut options, mut places) = (Vec::new(), Vec::new());
    for arg in kind.get_arguments().filter(|arg| is_asked_for(arg)) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let typed = answer(&help, arg.is_required_set(), ui).await?;
        match (arg.get_long(), typed.is_empty()) {
            (_, true) => {}
            (Some(long), false) => options.push(format!("--{long}={typed}")),
            (None, false) => places.push(typed),
        }
    }
    // The space, which is taken off again, tells a name from a kind that is called like it.
    let mut words = vec![
        "add".to_owned(),
        format!("{name} "),
        kind.get_name().to_owned(),
    ];
    words.extend(options);
    words.push("--".to_owned());
    words.extend(places);
    let answered: RemoteAddArgs = arguments(words)?;
    Ok(RemoteAddArgs {
        secret_file: given.secret_file.clone(),
        keep_in: given.keep_in,
        no_test: given.no_test,
        ..answered
    })
}

fn is_asked_for(arg: &Arg) -> bool {
    arg.get_action().takes_values()
        && !arg.is_global_set()
        && !arg.is_hide_set()
        && !SELDOM.contains(&arg.get_id().as_str())
}

/// A line; not an empty one where one is needed.
async fn answer(question: &str, is_needed: bool, ui: &Ui) -> Result<String, Error> {
    let end = if is_needed { "" } else { " (or just Enter)" };
    let failed = |error: std::io::Error| {
        Error::new(Kind::Usage, "the answer could not be read").caused_by(error)
    };
    for _ in 0..MOST_ANSWERS {
        let line = ui.ask(&format!("{question}{end}: "), Mode::Lines).await;
        let line = line.map_err(failed)?;
        let line = line.trim();
        if !line.is_empty() || !is_needed {
            return Ok(line.to_owned());
        }
    }
    Err(incomplete())
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
