//! `rescue generate`: shell completions and the manual page, from the command line's own types.

use std::io::Write as _;

use clap::CommandFactory as _;

use super::Done;
use crate::cli::{Cli, Generate};
use crate::error::{Error, Kind};

pub(super) fn run(what: Generate) -> Result<Done, Error> {
    let mut command = Cli::command();
    let mut text = Vec::new();
    match what {
        Generate::Completions { shell } => clap_complete::generate(shell, &mut command, "rescue", &mut text),
        Generate::Man => clap_mangen::Man::new(command).render(&mut text).map_err(failed)?,
    }
    std::io::stdout().lock().write_all(&text).map_err(failed)?;
    Ok(Done::All)
}

fn failed(error: std::io::Error) -> Error {
    Error::new(Kind::Disk, "cannot write to the standard output").caused_by(error)
}
