//! The udev rules of Linux: printed, or put in place after asking.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use crate::commands::Done;
use crate::commands::lock_secret::agreed;
use crate::error::{Error, Kind};
use crate::ui::terminal::Mode;
use crate::ui::{Lead, Ui, Went};

/// The rules that let the person at this computer open phones.
const UDEV_RULES: &str = include_str!("../../../udev-rules/51-rescue.rules");
/// Where they go.
const UDEV_RULES_PATH: &str = "/etc/udev/rules.d/51-rescue.rules";

pub(super) fn print_udev_rules(ui: &Ui) {
    let lines: Vec<_> = UDEV_RULES.lines().map(str::to_owned).collect();
    let rules =
        serde_json::json!({"type": "udev_rules", "path": UDEV_RULES_PATH, "rules": UDEV_RULES});
    ui.verbatim(&rules, &lines);
}

/// Asks, then puts the rules in place, as root only for that.
pub(super) async fn install_udev_rules(yes: bool, ui: &Ui) -> Result<Done, Error> {
    if !cfg!(target_os = "linux") {
        let message = "udev rules are for Linux; here no permission is needed";
        return Err(Error::new(Kind::Usage, message));
    }
    ui.remark(&format!(
        "This writes {UDEV_RULES_PATH} and has udev read it: the person who sits at this computer may then open Android phones over USB. Nothing else is changed."
    ));
    // Somebody's own, perhaps one with GROUP.
    if std::fs::read(UDEV_RULES_PATH).is_ok_and(|there| there != UDEV_RULES.as_bytes()) {
        ui.remark("The file exists with other rules, which are replaced.");
    }
    if !yes {
        let unasked = || {
            let error = Error::new(
                Kind::Usage,
                "input is required, but standard input is not a terminal",
            );
            error.with_hint("add --yes to write the rules without a question")
        };
        if !ui.can_ask_for_secret() {
            return Err(unasked());
        }
        let is_wanted = match ui.is_on_face() {
            true => agreed("Write it?", ui).await?,
            false => match ui.ask("Write it? [y/N] ", Mode::Lines).await {
                Ok(answer) => matches!(answer.trim(), "y" | "Y" | "yes"),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => false,
                Err(error) => return Err(unasked().caused_by(error)),
            },
        };
        if !is_wanted {
            ui.remark("Nothing was written.");
            return Ok(Done::All);
        }
    }
    let by_hand = "install the output of `rescue doctor --print-udev-rules` by hand";
    const WRITE: [&str; 6] = ["install", "-D", "-m", "644", "/dev/stdin", UDEV_RULES_PATH];
    let prompt = PasswordPrompt::of(ui);
    as_root(&WRITE, UDEV_RULES, prompt)
        .await
        .map_err(|error| error.with_hint(by_hand))?;
    const READ_ANEW: [&str; 3] = ["udevadm", "control", "--reload"];
    as_root(&READ_ANEW, "", prompt).await.map_err(|error| {
        error.with_hint(format!(
            "{UDEV_RULES_PATH} is written; run `sudo udevadm control --reload`, or restart this computer"
        ))
    })?;
    let next = match ui.lead() {
        Lead::Person => "Next: unplug the phone, plug it in again, and run `rescue doctor`",
        // Nobody else can do that.
        Lead::Guide => "Next: unplug the phone, and plug it in again",
    };
    let lines = [format!("Wrote {UDEV_RULES_PATH}"), next.to_owned()];
    let value = serde_json::json!({"type": "udev_rules_installed", "path": UDEV_RULES_PATH});
    ui.report(&value, &lines, Went::Well);
    Ok(Done::All)
}

/// Runs a command as root: at once when this is root, else through sudo on a terminal and pkexec
/// elsewhere. They may ask for a password meanwhile, in a thread of their own, so that Ctrl-C is heard.
async fn as_root(
    command: &'static [&'static str],
    input: &'static str,
    prompt: PasswordPrompt,
) -> Result<(), Error> {
    let ran = tokio::task::spawn_blocking(move || run_as_root(command, input, prompt)).await;
    let why = match ran {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(why)) => why,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    let message = format!("cannot run '{}' as root", command.join(" "));
    Err(Error::new(Kind::NoUsbPermission, message).caused_by(why))
}

/// Where an administrator's password is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PasswordPrompt {
    Terminal,
    Desktop,
}

impl PasswordPrompt {
    fn of(ui: &Ui) -> Self {
        match !ui.is_on_face() && std::io::stdin().is_terminal() {
            true => Self::Terminal,
            false => Self::Desktop,
        }
    }
}

fn run_as_root(command: &[&str], input: &str, prompt: PasswordPrompt) -> Result<(), String> {
    let prefix: &[&str] = match (is_root(), prompt) {
        (true, _) => &[],
        (false, PasswordPrompt::Terminal) => &["sudo"],
        (false, PasswordPrompt::Desktop) => &["pkexec"],
    };
    let mut words = prefix.iter().chain(command);
    let program = words.next().copied().unwrap_or_default();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => format!("there is no program '{program}' here"),
        _ => format!("{program}: {error}"),
    };
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let written = match child.stdin.take() {
        Some(mut pipe) => pipe.write_all(input.as_bytes()),
        None => Ok(()),
    };
    // One that refuses does not read: how it ended says more than that.
    let status = child.wait().map_err(failed)?;
    match status.success() {
        true => written.map_err(failed),
        false => Err(format!("{program}: {status}")),
    }
}

fn is_root() -> bool {
    #[cfg(unix)]
    return rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    false
}
