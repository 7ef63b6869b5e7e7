//! A hint names only options that the command has which the person ran: lower rooms do not know which one it is.

use crate::cli::Command;
use clap::CommandFactory as _;

/// A hint without what only other commands can do. Commands between backticks are whole, and stay.
pub(super) fn for_command(hint: &str, command: &Command) -> Option<String> {
    let Some(name) = name_of(command) else {
        return Some(hint.to_owned());
    };
    let cli = crate::cli::Cli::command();
    let parser = cli.find_subcommand(name)?;
    let has = |option: &str| match option.strip_prefix("--") {
        Some(long) => parser
            .get_arguments()
            .any(|arg| arg.get_long() == Some(long)),
        None => parser.get_arguments().any(|arg| {
            arg.get_short().is_some_and(|short| {
                option.strip_prefix('-') == Some(short.encode_utf8(&mut [0; 4]))
            })
        }),
    };
    fitted(hint, &|option| GLOBAL.contains(&option) || has(option))
}

/// Every command has these.
const GLOBAL: [&str; 2] = ["-v", "--help"];

/// The commands whose errors come from rooms that others use, too.
fn name_of(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::Devices(_) => "devices",
        Command::Doctor(_) => "doctor",
        Command::Unlock(_) => "unlock",
        Command::Authorize(_) => "authorize",
        Command::Keys(_) => "keys",
        Command::Pull(_) => "pull",
        Command::Status(_) => "status",
        Command::Open(_) => "open",
        Command::Verify(_) => "verify",
        Command::Export(_) => "export",
        Command::Screen(_) => "screen",
        Command::Connect(_) => "connect",
        Command::Upload(_) => "upload",
        #[cfg(feature = "virtual-phone")]
        Command::Demo(_) => "demo",
        #[cfg(feature = "virtual-phone")]
        Command::VirtualPhone(_) => return None,
        // Their options are those of a subcommand, or the guide's questions.
        Command::Guide(_) | Command::Remote(_) | Command::Generate(_) => return None,
    })
}

fn fitted(hint: &str, has: &dyn Fn(&str) -> bool) -> Option<String> {
    let hint = match has("-o") {
        true => hint.to_owned(),
        // Where it is named by its place, it is another folder all the same.
        false => hint.replace(" with -o", "").replace(" (-o)", ""),
    };
    let mut kept = String::new();
    for (joint, clause) in clauses(&hint) {
        if options(clause).iter().all(|option| has(option)) {
            if !kept.is_empty() {
                kept.push_str(joint);
            }
            kept.push_str(clause);
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// What between two joints can stand alone.
const JOINTS: [&str; 2] = ["; ", ", or "];

fn clauses(hint: &str) -> Vec<(&str, &str)> {
    let (mut clauses, mut joint, mut begin, mut is_command) = (Vec::new(), "", 0, false);
    for (at, c) in hint.char_indices() {
        is_command ^= c == '`';
        let rest = hint.get(at..).unwrap_or_default();
        let found = JOINTS
            .iter()
            .find(|joint| !is_command && rest.starts_with(**joint));
        if let Some(found) = found
            && at >= begin
        {
            clauses.push((joint, hint.get(begin..at).unwrap_or_default()));
            (joint, begin) = (found, at + found.len());
        }
    }
    clauses.push((joint, hint.get(begin..).unwrap_or_default()));
    clauses
}

/// The options that a clause names outside of commands.
fn options(clause: &str) -> Vec<&str> {
    let outside = clause.split('`').step_by(2);
    let words = outside.flat_map(str::split_whitespace);
    let words =
        words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-'));
    let is_option = |word: &&str| {
        word.starts_with('-')
            && word
                .trim_start_matches('-')
                .starts_with(|c: char| c.is_ascii_alphabetic())
    };
    words.filter(is_option).collect()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use clap::Parser as _;

    use super::*;
    use crate::error::Error;
    use crate::folder::{CatalogueError, DiskError, FolderError};
    use crate::phone::PhoneError;

    fn commands() -> Vec<Command> {
        let lines = [
            "devices",
            "doctor",
            "unlock",
            "authorize",
            "keys",
            "pull",
            "status f",
            "open",
            "verify f",
            "export f",
            "screen",
            "connect x",
            "upload f --to x",
            "demo",
        ];
        let parsed = |line: &str| crate::cli::Cli::parse_from(format!("rescue {line}").split(' '));
        lines.iter().map(|line| parsed(line).command).collect()
    }

    fn errors() -> Vec<Error> {
        let path = || PathBuf::from("x");
        let disk = |kind: io::ErrorKind| Error::from(DiskError::new("write", &path(), kind.into()));
        vec![
            disk(io::ErrorKind::PermissionDenied),
            disk(io::ErrorKind::StorageFull),
            disk(io::ErrorKind::FileTooLarge),
            disk(io::ErrorKind::InvalidFilename),
            FolderError::NotAFolder { path: path() }.into(),
            FolderError::NotARescueFolder { path: path() }.into(),
            FolderError::Missing { path: path() }.into(),
            FolderError::OtherPhone {
                expected: "a".to_owned(),
                got: "b".to_owned(),
                why: "c".to_owned(),
            }
            .into(),
            CatalogueError::NewerVersion {
                path: path(),
                found: 9,
                known: 1,
            }
            .into(),
            PhoneError::NoPhone.into(),
            PhoneError::SeveralPhones {
                present: Vec::new(),
            }
            .into(),
        ]
    }

    #[test]
    fn no_command_hints_at_an_option_of_another() {
        for command in commands() {
            let name = name_of(&command).unwrap();
            let cli = crate::cli::Cli::command();
            let parser = cli.find_subcommand(name).unwrap();
            for error in errors() {
                let hint = error.hint.unwrap();
                let fitted = for_command(&hint, &command).unwrap_or_default();
                for option in ["-o", "--same-phone", "--serial", "--tcp", "--wait"] {
                    let letter = option.trim_start_matches('-');
                    let is_its = parser.get_arguments().any(|arg| {
                        arg.get_long() == Some(letter)
                            || arg.get_short().is_some_and(|c| c.to_string() == letter)
                    });
                    let is_named = options(&fitted).contains(&option);
                    assert!(is_its || !is_named, "{name}: {option} in {fitted}");
                    // What it has is not taken from it.
                    let was_named = options(&hint).contains(&option);
                    assert!(
                        !is_its || !was_named || is_named || fitted.len() < hint.len(),
                        "{name}: {fitted}"
                    );
                }
            }
        }
    }

    #[test]
    fn only_clauses_that_name_a_missing_option_go() {
        let hint = "choose another folder with -o; if you know that it is the same phone, add --same-phone";
        let none = |_: &str| false;
        let all = |_: &str| true;
        assert_eq!(fitted(hint, &all).as_deref(), Some(hint));
        assert_eq!(
            fitted(hint, &none).as_deref(),
            Some("choose another folder")
        );
        let hint = "run `rescue doctor --wait 3; x`; or name the phone, or give --tcp HOST:PORT";
        let kept = "run `rescue doctor --wait 3; x`; or name the phone";
        assert_eq!(fitted(hint, &none).as_deref(), Some(kept));
        assert_eq!(fitted("choose one with --serial", &none), None);
    }
}
