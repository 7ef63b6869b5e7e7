//! Which commands have an option that a hint names: rooms that several commands use do not know which one runs.

use super::Command;
use crate::hint::Flag;

impl Command {
    /// Whether the command has the option. The commands whose options are those of a subcommand, or questions, count
    /// as having every one.
    pub(crate) fn has(&self, flag: Flag) -> bool {
        match self {
            Self::Guide(_) | Self::Desk(_) | Self::Remote(_) | Self::Generate(_) => true,
            #[cfg(feature = "virtual-phone")]
            Self::VirtualPhone(_) => true,
            Self::Pull(_) => flag != Flag::OfExport,
            Self::Doctor(_) | Self::Unlock(_) | Self::Authorize(_) | Self::Verify(_) => {
                is_of_phone(flag)
            }
            Self::Screen(_) => is_of_phone(flag) || flag == Flag::Output,
            Self::Keys(_) => flag == Flag::Serial,
            Self::Export(_) => flag == Flag::OfExport,
            Self::Devices(_)
            | Self::Status(_)
            | Self::Open(_)
            | Self::Connect(_)
            | Self::Upload(_) => false,
            #[cfg(feature = "virtual-phone")]
            Self::Demo(_) => false,
        }
    }
}

/// Whether it is one of [`super::PhoneArgs`].
fn is_of_phone(flag: Flag) -> bool {
    matches!(flag, Flag::Serial | Flag::Tcp | Flag::Key)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::cli::Cli;
    use crate::error::Error;
    use crate::folder::{CatalogueError, DiskAction, DiskError, FolderError};
    use crate::guide::remote::{RemoteUse, of_problem};
    use crate::phone::PhoneError;
    use crate::upload::problem::Problem;

    const LINES: [&str; 14] = [
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

    /// Every command with its name.
    fn commands() -> Vec<(&'static str, Command)> {
        let parsed = |line: &str| Cli::parse_from(format!("rescue {line}").split(' ')).command;
        let name = |line: &'static str| line.split(' ').next().unwrap();
        LINES
            .iter()
            .map(|line| (name(line), parsed(line)))
            .collect()
    }

    /// Whether clap takes the option (`-o`, `--tcp`) for the command.
    fn takes(name: &str, option: &str) -> bool {
        let cli = Cli::command();
        let word = option.trim_start_matches('-');
        cli.find_subcommand(name)
            .unwrap()
            .get_arguments()
            .any(|arg| {
                arg.get_long() == Some(word)
                    || arg.get_short().is_some_and(|c| c.to_string() == word)
            })
    }

    /// The options that a hint names outside of whole commands, which are between backticks.
    fn options(hint: &str) -> Vec<&str> {
        let outside = hint.split('`').step_by(2);
        let words = outside.flat_map(str::split_whitespace);
        let words =
            words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-'));
        words.filter(|word| word.starts_with('-')).collect()
    }

    #[test]
    fn each_command_has_the_flags_that_clap_takes_for_it() {
        let flags = [
            (Flag::Output, "-o"),
            (Flag::SamePhone, "--same-phone"),
            (Flag::Root, "--root"),
            (Flag::Serial, "--serial"),
            (Flag::Tcp, "--tcp"),
            (Flag::Key, "--key"),
            (Flag::OfExport, "--split"),
            (Flag::OfExport, "--force"),
            (Flag::OfExport, "--strict"),
        ];
        for (name, command) in commands() {
            for (flag, option) in flags {
                // It names the archive, and never the rescue folder, which is what hints speak of.
                let is_archive = name == "export" && flag == Flag::Output;
                let has = takes(name, option) && !is_archive;
                assert_eq!(command.has(flag), has, "{name}: {option}");
            }
        }
    }

    fn errors() -> Vec<Error> {
        let path = || PathBuf::from("x");
        let disk = |kind: io::ErrorKind| {
            Error::from(DiskError::new(DiskAction::Write, &path(), kind.into()))
        };
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
        for (name, command) in commands() {
            for error in errors() {
                let hint = error.hint.unwrap();
                let whole = hint.to_string();
                let fitted = hint.for_command(|flag| command.has(flag));
                let fitted = fitted.map_or_else(String::new, |hint| hint.to_string());
                for option in ["-o", "--same-phone", "--serial", "--tcp", "--wait"] {
                    let is_its = takes(name, option);
                    let is_named = options(&fitted).contains(&option);
                    assert!(is_its || !is_named, "{name}: {option} in {fitted}");
                    // What it has is not taken from it; an export's -o is not about a rescue folder.
                    let was_named = options(&whole).contains(&option);
                    let is_meant = is_its && (name != "export" || option != "-o");
                    assert_eq!(is_named, is_meant && was_named, "{name}: {fitted}");
                }
            }
        }
    }

    #[test]
    fn upload_keeps_a_hint_that_names_an_option_of_remote_add() {
        let task = RemoteUse::Sending {
            name: "nas",
            waiting: "rescue upload f --to nas --wait",
        };
        let problem = Problem::OtherRegion {
            region: "eu-north-1".to_owned(),
            words: "the bucket is in another region".to_owned(),
        };
        let (_, upload) = commands()
            .into_iter()
            .find(|(name, _)| *name == "upload")
            .unwrap();
        let hint = of_problem(&problem, task).hint.unwrap();
        let hint = hint.for_command(|flag| upload.has(flag)).unwrap();
        assert_eq!(
            hint.to_string(),
            "`rescue remote edit nas` with that --region"
        );
    }
}
