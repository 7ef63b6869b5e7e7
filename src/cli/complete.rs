//! Completions that know more than the command line: rescue folders and the names of remotes. The shell
//! asks this program for them, with the variable `RESCUE_COMPLETE` set.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter};
use clap_complete::env::{CompleteEnv, Shells};

use super::Cli;
use crate::folder::CATALOGUE;
use crate::upload::settings::Settings;

/// The environment variable with which a shell asks for completions.
const VARIABLE: &str = "RESCUE_COMPLETE";

/// Answers a shell that asks for completions, and ends the program; does nothing otherwise.
pub fn answer_shell() {
    CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .complete();
}

/// Writes the lines that a shell has to read to ask for completions.
pub(crate) fn registration(shell: clap_complete::Shell, to: &mut impl io::Write) -> io::Result<()> {
    let shells = Shells::builtins();
    let shell = shells
        .completer(&shell.to_string())
        .ok_or(io::ErrorKind::Unsupported)?;
    shell.write_registration(VARIABLE, "rescue", "rescue", "rescue", to)
}

/// Completes folders, the rescue folders among them first.
pub(super) fn rescue_folders() -> ArgValueCompleter {
    let is_rescue_folder = |path: &Path| path.join(CATALOGUE).is_file();
    ArgValueCompleter::new(PathCompleter::any().filter(is_rescue_folder))
}

/// Completes the names of the remotes that are set up.
pub(super) fn remotes() -> ArgValueCompleter {
    ArgValueCompleter::new(|begun: &OsStr| match Settings::load() {
        Ok(settings) => beginning_with(begun, settings.remotes().keys()),
        // A shell has no place for an error; the command itself reports it.
        Err(_) => Vec::new(),
    })
}

fn beginning_with<'a>(
    begun: &OsStr,
    names: impl Iterator<Item = &'a String>,
) -> Vec<CompletionCandidate> {
    let begun = begun.to_string_lossy();
    names
        .filter(|name| name.starts_with(&*begun))
        .map(CompletionCandidate::new)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_can_be_told_to_ask() {
        use clap::ValueEnum as _;
        for shell in clap_complete::Shell::value_variants() {
            let mut text = Vec::new();
            registration(*shell, &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains(VARIABLE), "{shell}: {text}");
        }
    }

    #[test]
    fn folders_that_hold_a_catalogue_come_first() {
        let desk = tempfile::tempdir().unwrap();
        for name in ["aaa", "phone"] {
            std::fs::create_dir(desk.path().join(name)).unwrap();
        }
        std::fs::write(desk.path().join("phone").join(CATALOGUE), "x").unwrap();
        std::fs::write(desk.path().join("a-file"), "x").unwrap();
        let begun = desk.path().join("");
        let found = rescue_folders().complete(begun.as_os_str());
        let found: Vec<_> = found
            .iter()
            .map(|it| it.get_value().to_string_lossy().into_owned())
            .collect();
        let names: Vec<_> = found
            .iter()
            .map(|it| Path::new(it).file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["phone", "aaa"]);
    }
}
