//! `rescue generate`: shell completions and the manual page, from the command line's own types.

use std::io::{self, Write};

use clap::{Command, CommandFactory as _};

use super::Done;
use crate::cli::{Cli, Generate};
use crate::error::{Error, Kind};

pub(super) fn run(what: Generate) -> Result<Done, Error> {
    let mut command = Cli::command();
    let mut text = Vec::new();
    match what {
        Generate::Completions { shell } => {
            clap_complete::generate(shell, &mut command, "rescue", &mut text)
        }
        Generate::Man => manual(command.term_width(76), &mut text).map_err(failed)?,
    }
    io::stdout().lock().write_all(&text).map_err(failed)?;
    Ok(Done::All)
}

fn failed(error: io::Error) -> Error {
    Error::new(Kind::Disk, "cannot write to the standard output").caused_by(error)
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
}
