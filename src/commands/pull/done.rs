//! What happens after every pull, successful or not: the command of `--on-done`, and a desktop notification.

use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use super::super::{Context, Done, children};
use crate::error::{Error, Kind};
use crate::folder::whole_path;
use crate::ui::Ui;

/// After a pull of this length, the person may be doing something else.
const WORTH_TELLING: Duration = Duration::from_secs(30);

/// Which phone and folder a pull turned out to be about, as far as it came.
#[derive(Debug, Default)]
pub(super) struct About {
    pub(super) serial: Option<String>,
    pub(super) folder: Option<PathBuf>,
}

/// Runs the command that the user named, through the shell, and waits for it. What it says goes to the standard
/// error; how it ends changes nothing but what is said.
pub(super) async fn run_command(
    command: &str,
    about: &About,
    ended: &Result<Done, Error>,
    context: Context<'_>,
) {
    let (result, code) = match ended {
        Ok(Done::All) => ("done", 0),
        Ok(Done::SomeFailed) => ("some_failed", Kind::SomeItemsFailed.exit_code()),
        Err(error) if error.kind == Kind::Interrupted => ("interrupted", error.kind.exit_code()),
        Err(error) => ("failed", error.kind.exit_code()),
    };
    let (shell, option) = match cfg!(windows) {
        true => ("cmd.exe", "/C"),
        false => ("/bin/sh", "-c"),
    };
    let mut running = Command::new(shell);
    running.arg(option).arg(command);
    running
        .env("RESCUE_RESULT", result)
        .env("RESCUE_EXIT_CODE", code.to_string())
        .env_remove("RESCUE_FOLDER")
        .env_remove("RESCUE_SERIAL");
    if let Some(folder) = about.folder.as_ref().filter(|folder| folder.is_dir()) {
        running.env(
            "RESCUE_FOLDER",
            whole_path(folder).as_ref().unwrap_or(folder),
        );
    }
    if let Some(serial) = &about.serial {
        // No variable holds a NUL.
        running.env("RESCUE_SERIAL", serial.replace(char::from(0), ""));
    }
    // The standard output is this program's own.
    running
        .stdin(Stdio::null())
        .stdout(context.ui.beside_results());
    context.ui.end_progress();
    let how = match children::run(running, context.halt).await {
        Ok(status) if status.success() => return,
        Ok(status) => how_ended(status),
        Err(error) => format!("could not be run: {error}"),
    };
    context.ui.warn(&format!(
        "the command of --on-done {how}; the pull and its files are not affected. It was: {command}"
    ));
}

/// How a program ended, in words.
fn how_ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("ended with exit code {code}"),
        // Only a signal leaves none.
        None => format!("was stopped ({status})"),
    }
}

/// Says on the desktop that a long pull has ended, where there is one. Nobody waits for it.
pub(super) fn tell_desktop(ended: &Result<Done, Error>, took: Duration, ui: &Ui) {
    if !is_worth_telling(took, ui.is_read_by_person()) {
        return;
    }
    let words = match ended {
        Ok(Done::All) => "The pull is done.",
        Ok(Done::SomeFailed) => "The pull is done. Some files are missing.",
        Err(error) if error.kind == Kind::Interrupted => return,
        Err(_) => "The pull has stopped and needs you.",
    };
    let mut command = match () {
        () if cfg!(windows) => return,
        () if cfg!(target_os = "macos") => {
            let mut command = Command::new("osascript");
            command.arg("-e");
            command.arg(format!(
                "display notification \"{words}\" with title \"rescue\""
            ));
            command
        }
        () => {
            let mut command = Command::new("notify-send");
            command.args(["--app-name=rescue", "rescue", words]);
            command
        }
    };
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
    // There may be no such program, and no desktop.
    if let Ok(mut child) = quiet.stderr(Stdio::null()).spawn() {
        drop(crate::threads::spawn(move || drop(child.wait())));
    }
}

fn is_worth_telling(took: Duration, is_read_by_person: bool) -> bool {
    is_read_by_person && took >= WORTH_TELLING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_person_who_waited_long_is_told() {
        assert!(is_worth_telling(WORTH_TELLING, true));
        assert!(!is_worth_telling(WORTH_TELLING, false));
        assert!(!is_worth_telling(Duration::from_secs(3), true));
    }
}
