//! Turns failures into advice: the meaning for the user, and the one next step. Lower rooms report facts
//! only.

mod accessory;
mod disk;
pub(crate) mod drawing;
mod export;
mod folder;
pub(crate) mod journey;
mod phone;
pub(crate) mod remote;
pub mod states;

pub use self::folder::{CATALOGUE_GONE, next_for_items};
pub use self::phone::hint;
use crate::error::{Error, Kind};
use crate::hint::Clause::{self, ByCommand, Said, With};
use crate::hint::{Flag, Hint};
use crate::threads::NoThread;

impl From<clap::Error> for Error {
    /// What is wrong with a command line, in one line: clap says more, for a terminal.
    fn from(error: clap::Error) -> Self {
        use clap::error::ErrorKind;
        let message = match error.kind() {
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no command is given".to_owned(),
            _ => {
                let told = error.to_string();
                let first = told.lines().take_while(|line| !line.trim().is_empty());
                let first = first.map(str::trim).collect::<Vec<_>>().join(" ");
                match first.strip_prefix("error: ") {
                    Some(message) => message.to_owned(),
                    None => first,
                }
            }
        };
        Self::new(Kind::Usage, message)
            .with_hint("`rescue help` lists the commands; COMMAND --help lists its options")
    }
}

impl From<NoThread> for Error {
    fn from(error: NoThread) -> Self {
        wrap(
            Kind::System,
            &error,
            match cfg!(windows) {
                true => [Said("end other programs"), AND_AGAIN],
                false => [
                    Said(
                        "end other programs of this user, or allow more threads (`ulimit -u`, the container's limit of processes)",
                    ),
                    ByCommand(", and run the same command again"),
                ],
            },
        )
    }
}

/// A failure with its causes as text.
fn wrap(kind: Kind, error: &dyn std::error::Error, hint: impl Into<Hint>) -> Error {
    let wrapped = Error::new(kind, error.to_string()).with_hint(hint);
    match error.source() {
        Some(cause) => wrapped.caused_by(cause.to_string()),
        None => wrapped,
    }
}

/// What a command leaves to its user: a pulled file is not pulled twice.
const AND_RESUME_AGAIN: Clause =
    ByCommand(" and run the same command again: it resumes where it stopped");
/// What a command leaves to its user where there is nothing to resume.
const AND_AGAIN: Clause = ByCommand(" and run the same command again");
/// How a command is given another folder or file to write.
const WITH_O: Clause = With(Flag::Output, " with -o");
const CHOOSE_BY_SERIAL: Clause = With(Flag::Serial, "choose one with --serial");

/// What to do when the system gives this program no more open files.
const MORE_OPEN_FILES: &str = match cfg!(windows) {
    true => "end other programs",
    false => "allow this program more open files (`ulimit -n 1024`)",
};
