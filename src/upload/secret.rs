//! Passwords, keys and tokens: text that is never shown.

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

/// The environment variable that a secret is taken from.
pub const VARIABLE: &str = "RESCUE_REMOTE_SECRET";
/// No secret is longer, in bytes; a service account's key has some 2,400.
const MAX_BYTES: u64 = 64 * 1024;

/// A password, key or token. Shows nothing of itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the service only.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// From a file, without the end of its line.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(
                Kind::Usage,
                format!("cannot read the secret from {}", path.display()),
            )
            .caused_by(e.to_string())
            .with_hint("check the path given with --secret-file")
        };
        let mut text = String::new();
        std::fs::File::open(path)
            .map_err(failed)?
            .take(MAX_BYTES)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Self::trimmed(&text)
    }

    /// From the environment, if it is there.
    pub fn from_environment() -> Result<Option<Self>, Error> {
        match std::env::var(VARIABLE) {
            Ok(text) => Self::trimmed(&text).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// From the person, without showing what is typed.
    pub fn from_prompt(what: &str, prompt: impl FnOnce(&str)) -> Result<Self, Error> {
        use std::io::IsTerminal as _;
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Err(Error::new(Kind::Usage, format!("the {what} is missing"))
                .with_hint(format!("give it with --secret-file FILE or in {VARIABLE}")));
        }
        prompt(&format!("{what}: "));
        let line = hidden_line(&stdin).map_err(|e| {
            Error::new(Kind::Usage, format!("the {what} could not be read"))
                .caused_by(e.to_string())
        })?;
        Self::trimmed(&line)
    }

    fn trimmed(text: &str) -> Result<Self, Error> {
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(Error::new(Kind::Usage, "the secret is empty"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A line that the terminal does not show.
#[cfg(unix)]
fn hidden_line(stdin: &std::io::Stdin) -> std::io::Result<String> {
    let _hidden = Hidden::start(stdin);
    let mut line = String::new();
    stdin.read_line(&mut line).map(|_| line)
}

/// What is no terminal of Unix is the console of Windows.
#[cfg(not(unix))]
fn hidden_line(_stdin: &std::io::Stdin) -> std::io::Result<String> {
    rpassword::read_password()
}

/// While this lives, the terminal does not show what is typed.
#[cfg(unix)]
struct Hidden<'a> {
    stdin: &'a std::io::Stdin,
    before: Option<rustix::termios::Termios>,
}

#[cfg(unix)]
impl<'a> Hidden<'a> {
    fn start(stdin: &'a std::io::Stdin) -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(stdin).ok();
        if let Some(before) = &before {
            let mut hidden = before.clone();
            hidden.local_modes.remove(LocalModes::ECHO);
            hidden.local_modes.insert(LocalModes::ECHONL);
            let _ = tcsetattr(stdin, OptionalActions::Now, &hidden);
        }
        Self { stdin, before }
    }
}

#[cfg(unix)]
impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(before) = &self.before {
            let _ = tcsetattr(self.stdin, OptionalActions::Now, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_show_nothing_of_themselves() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.reveal(), "hunter2");
    }
}
