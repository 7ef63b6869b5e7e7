//! `rescue generate`: shell completions and manual pages, from the command line's own types.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory as _};

use super::Done;
use crate::cli::complete::registration;
use crate::cli::{Cli, Generate};
use crate::error::{Error, Kind};
use crate::ui::note_output_failure;

pub(super) fn run(what: &Generate) -> Result<Done, Error> {
    let mut text = Vec::new();
    match what {
        Generate::Completions { shell } => registration(*shell, &mut text).map_err(failed)?,
        Generate::Man { folder: None } => {
            manual(command().term_width(76), &mut text).map_err(failed)?;
        }
        Generate::Man {
            folder: Some(folder),
        } => pages(folder)?,
    }
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(&text).and_then(|()| out.flush()) {
        note_output_failure(&error);
    }
    Ok(Done::All)
}

/// Returns the command line without the target in its version: manual pages made on one system serve all.
fn command() -> Command {
    Cli::command().long_version(env!("CARGO_PKG_VERSION"))
}

/// Writes `rescue.1`, `rescue-pull.1`, and so on.
fn pages(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command(), folder))
        .map_err(|error| {
            let message = format!("cannot write manual pages to {}", folder.display());
            Error::new(Kind::Disk, message)
                .caused_by(error)
                .with_hint("choose a folder that you may write to")
        })
}

/// Nothing is written to a disk here.
fn failed(error: io::Error) -> Error {
    Error::new(Kind::Bug, "the text could not be made").caused_by(error)
}

/// One page for everything: there are no others that it could lead to.
fn manual(mut command: Command, page: &mut impl Write) -> io::Result<()> {
    command.build();
    let man = clap_mangen::Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    for part in command.get_subcommands() {
        help_of(part, page)?;
    }
    man.render_version_section(page)
}

/// The help of a command and of what belongs to it, as it is.
fn help_of(command: &Command, page: &mut impl Write) -> io::Result<()> {
    if command.is_hide_set() || command.get_name() == "help" {
        return Ok(());
    }
    let mut command = command.clone();
    let name = command.get_bin_name().unwrap_or_default().to_uppercase();
    writeln!(page, ".SH \"{name}\"\n.nf")?;
    for line in command.render_long_help().to_string().lines() {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        // No line is a request.
        writeln!(page, "\\&{line}")?;
    }
    writeln!(page, ".fi")?;
    for part in command.get_subcommands() {
        help_of(part, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_tells_the_options_of_every_command() {
        let mut page = Vec::new();
        manual(Cli::command(), &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        for told in [
            ".SH \"RESCUE PULL\"",
            "\\-\\-all\\-phones",
            ".SH \"RESCUE REMOTE ADD WEBDAV\"",
            "\\-\\-set\\-aside",
        ] {
            assert!(page.contains(told), "{told}");
        }
        assert!(!page.contains("(1)") && !page.contains("RESCUE HELP"));
    }

    #[test]
    fn every_command_gets_a_page_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        pages(&folder.path().join("man1")).unwrap();
        let target = env!("RESCUE_BUILD");
        let read = |name| fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
        assert!(read("rescue.1").contains("rescue\\-pull(1)"));
        assert!(!read("rescue.1").replace('\\', "").contains(target));
        assert!(read("rescue-pull.1").contains("\\-\\-all\\-phones"));
        assert!(read("rescue-remote-add-webdav.1").contains("\\-\\-ca\\-file"));
        assert!(!folder.path().join("man1/rescue-virtual-phone.1").exists());
    }
}
