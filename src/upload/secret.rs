//! Passwords, keys and tokens: text that is never shown.

use std::env::VarError;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::{Error, Kind};

/// The environment variable from which a secret is read.
pub(crate) const VARIABLE: &str = "RESCUE_REMOTE_SECRET";
/// No secret is longer, in bytes; a service account's key has some 2,400.
const MAX_BYTES: u64 = 64 * 1024;

/// A password, key or token. Its `Debug` form hides the content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Secret {
    /// Wraps a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the secret itself. Only the service may see it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Reads a secret from a file, or from the standard input when it is called `-`, without the line ending.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(
                Kind::Usage,
                format!("cannot read the secret from {}", path.display()),
            )
            .caused_by(e.to_string())
            .with_hint("check the path, as in ~/Downloads/key.json")
        };
        // At once in its size: what grows leaves copies behind.
        let most = MAX_BYTES + 1;
        let mut text = Zeroizing::new(String::with_capacity(most as usize));
        let read = match path == Path::new("-") {
            true => std::io::stdin().take(most).read_to_string(&mut text),
            false => {
                std::fs::File::open(path).and_then(|file| file.take(most).read_to_string(&mut text))
            }
        };
        read.map_err(failed)?;
        let is_steering = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        let fault = match text.len() as u64 > MAX_BYTES {
            true => Some("it is longer than any password or key"),
            false if text.contains(is_steering) => Some("it contains control characters"),
            false => None,
        };
        if let Some(fault) = fault {
            return Err(failed(std::io::Error::other(fault)));
        }
        Self::trimmed(&text).ok_or_else(|| {
            let message = match path == Path::new("-") {
                true => "the standard input is empty".to_owned(),
                false => format!("the file {} is empty", path.display()),
            };
            Error::new(Kind::Usage, message)
                .with_hint("write the password or key into its first line")
        })
    }

    /// Reads the secret from the environment variable, if it is set.
    pub fn from_environment() -> Result<Option<Self>, Error> {
        match std::env::var(VARIABLE) {
            Ok(text) => match Self::trimmed(&text) {
                Some(secret) => Ok(Some(secret)),
                None => {
                    let message = format!("the environment variable {VARIABLE} is empty");
                    Err(Error::new(Kind::Usage, message)
                        .with_hint("set it to the password or key itself, or unset it"))
                }
            },
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => {
                let message = format!(
                    "the environment variable {VARIABLE} cannot be used: it is not valid UTF-8"
                );
                Err(Error::new(Kind::Usage, message)
                    .with_hint("set it to the password or key itself, or unset it"))
            }
        }
    }

    /// Takes a secret from a line that the user typed.
    pub fn from_line(line: &str) -> Result<Self, Error> {
        Self::trimmed(line).ok_or_else(|| {
            Error::new(Kind::Usage, "the password or key is empty")
                .with_hint("run the same command again and type it")
        })
    }

    fn trimmed(text: &str) -> Option<Self> {
        let text = text.trim_end_matches(['\r', '\n']);
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
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
