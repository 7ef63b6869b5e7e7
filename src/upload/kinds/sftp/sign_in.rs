//! Signs in to an SSH server: with a key, a password, or one after the other, as the server requires (RFC 4252),
//! including prompts for passwords (RFC 4256).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle, Handler, KeyboardInteractiveAuthResponse as Asked};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, decode_secret_key};
use russh::{Disconnect, MethodKind, MethodSet};

use super::Login;
use crate::folder::is_shortage;
use crate::home;
use crate::upload::problem::{Problem, brief};
use crate::upload::secret::Secret;

/// How long a server may take over all of it: some wait after a wrong password.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most rounds of prompts: PAM takes one for a password.
const MAX_ROUNDS: usize = 8;
/// No private key is larger, in bytes.
const MAX_KEY_BYTES: u64 = 1024 * 1024;

/// Returns the problem for an error while signing in.
pub(super) fn lost(login: &Login, error: &russh::Error) -> Problem {
    if let russh::Error::IO(error) = error
        && is_shortage(error)
    {
        let words = error.to_string();
        return Problem::Shortage { words };
    }
    if let russh::Error::Version = error {
        let server = &login.server;
        return Problem::stranger(&server.host, Some(server.port), "an SSH server");
    }
    Problem::Unreachable {
        host: login.server.host.clone(),
        words: brief(&error.to_string()),
    }
}

/// Signs in; fails with what the server requires.
pub(super) async fn sign_in(ssh: &mut Handle<impl Handler>, login: &Login) -> Result<(), Problem> {
    let mut attempt = SftpSignIn {
        login,
        is_partial: false,
        left: None,
        unanswered: None,
    };
    let done = match tokio::time::timeout(PATIENCE, attempt.work(ssh)).await {
        Ok(done) => done?,
        Err(_) => {
            return Err(Problem::Unreachable {
                host: login.server.host.clone(),
                words: "no answer to the sign-in".to_owned(),
            });
        }
    };
    match done {
        true => Ok(()),
        false => {
            let _ = ssh.disconnect(Disconnect::ByApplication, "", "en").await;
            Err(attempt.refused())
        }
    }
}

struct SftpSignIn<'a> {
    login: &'a Login,
    /// Whether the server accepted a key or password and requires more.
    is_partial: bool,
    /// The methods that may still be tried, once the server has listed them.
    left: Option<MethodSet>,
    /// A question of the server that does not ask for a password.
    unanswered: Option<String>,
}

impl SftpSignIn<'_> {
    async fn work(&mut self, ssh: &mut Handle<impl Handler>) -> Result<bool, Problem> {
        let user = self.login.server.user.as_str();
        let secret = self.login.secret.as_ref();
        let mut is_passphrase = false;
        for file in key_files(self.login) {
            let key = match key_in(&file, secret) {
                Ok((key, used)) => {
                    is_passphrase |= used;
                    key
                }
                Err(words) if self.login.server.key_file.is_some() => {
                    return Err(Problem::Settings {
                        words: format!("the key {}: {words}", file.display()),
                    });
                }
                Err(_) => continue,
            };
            let hash = match key.algorithm().is_rsa() {
                true => {
                    let best = ssh.best_supported_rsa_hash().await;
                    best.map_err(|e| lost(self.login, &e))?.flatten()
                }
                false => None,
            };
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
            let answer = ssh.authenticate_publickey(user, key).await;
            if self.takes(answer)? {
                return Ok(true);
            }
            if self.is_partial {
                break;
            }
        }
        // The passphrase of a key is for this computer only.
        let password = secret.map(Secret::reveal).filter(|_| !is_passphrase);
        let Some(password) = password else {
            return Ok(false);
        };
        if self.login.server.key_file.is_some() && !self.is_partial {
            // A person who names a key does not want to sign in without it.
            return Ok(false);
        }
        if self.left.is_none() {
            let answer = ssh.authenticate_none(user).await;
            if self.takes(answer)? {
                return Ok(true);
            }
        }
        if self.may(MethodKind::Password) {
            let answer = ssh.authenticate_password(user, password).await;
            if self.takes(answer)? {
                return Ok(true);
            }
        }
        match self.may(MethodKind::KeyboardInteractive) {
            true => self.answer_prompts(ssh, password).await,
            false => Ok(false),
        }
    }

    fn may(&self, method: MethodKind) -> bool {
        self.left.as_ref().is_none_or(|left| left.contains(&method))
    }

    /// Returns whether the server accepted the sign-in; otherwise records what it requires.
    fn takes(&mut self, answer: Result<AuthResult, russh::Error>) -> Result<bool, Problem> {
        match answer.map_err(|e| lost(self.login, &e))? {
            AuthResult::Success => Ok(true),
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => {
                self.wants(remaining_methods, partial_success);
                Ok(false)
            }
        }
    }

    fn wants(&mut self, left: MethodSet, partial: bool) {
        self.is_partial |= partial;
        self.left = Some(left);
    }

    /// Answers the first hidden prompt with the password. Further prompts cannot be answered without a user.
    async fn answer_prompts(
        &mut self,
        ssh: &mut Handle<impl Handler>,
        password: &str,
    ) -> Result<bool, Problem> {
        let login = self.login;
        let failed = |e: russh::Error| lost(login, &e);
        let begin = ssh.authenticate_keyboard_interactive_start(login.server.user.as_str(), None);
        let mut asked = begin.await.map_err(failed)?;
        let mut answered: Option<String> = None;
        for _ in 0..MAX_ROUNDS {
            let prompts = match asked {
                Asked::Success => return Ok(true),
                Asked::Failure {
                    remaining_methods,
                    partial_success,
                } => {
                    self.wants(remaining_methods, partial_success);
                    return Ok(false);
                }
                Asked::InfoRequest { prompts, .. } => prompts,
            };
            let mut answers = Vec::new();
            for prompt in &prompts {
                let text = brief(&prompt.prompt);
                if answered.is_some() || prompt.echo {
                    // The same once more says that the password is wrong.
                    if answered.as_ref() != Some(&text) {
                        self.unanswered = Some(text);
                    }
                    return Ok(false);
                }
                answers.push(password.to_owned());
                answered = Some(text);
            }
            // A round without prompts wants an answer too.
            let answer = ssh.authenticate_keyboard_interactive_respond(answers);
            asked = answer.await.map_err(failed)?;
        }
        Ok(false)
    }

    fn refused(&self) -> Problem {
        let user = &self.login.server.user;
        let names: Vec<&str> = match &self.left {
            Some(left) => left.iter().map(<&str>::from).collect(),
            None => Vec::new(),
        };
        let words = match &self.unanswered {
            Some(prompt) => {
                format!("for user {user} it also asks \"{prompt}\", which only a person can answer")
            }
            None if self.is_partial && self.login.server.key_file.is_some() => format!(
                "it took the first proof of user {user}, and wants {} too: set the remote up with a password and with a \
                 key that has no passphrase",
                names.join(" or ")
            ),
            None if self.is_partial => format!(
                "it took the password of user {user}, and wants {} too",
                names.join(" or ")
            ),
            None if names.is_empty() => format!("user {user} with this key or password"),
            None => format!(
                "user {user} with this key or password; it takes {}",
                names.join(", ")
            ),
        };
        Problem::Denied { words }
    }
}

/// Checks that a file may hold a private key.
pub(super) fn check_key_file(file: &Path) -> Result<(), Problem> {
    let read = home::read(file, MAX_KEY_BYTES);
    read.map(drop).map_err(|error| Problem::Settings {
        words: format!("the key {}: {error}", file.display()),
    })
}

/// Reads the key in a file; also returns whether the secret was used as its passphrase.
fn key_in(file: &Path, secret: Option<&Secret>) -> Result<(PrivateKey, bool), String> {
    let text = home::read(file, MAX_KEY_BYTES).map_err(|e| e.to_string())?;
    match (decode_secret_key(&text, None), secret) {
        (Ok(key), _) => Ok((key, false)),
        (Err(_), Some(secret)) => decode_secret_key(&text, Some(secret.reveal()))
            .map(|key| (key, true))
            .map_err(|e| brief(&e.to_string())),
        (Err(error), None) => Err(brief(&error.to_string())),
    }
}

/// Returns the key file in the settings. If there is no password either, returns those that OpenSSH would try.
fn key_files(login: &Login) -> Vec<PathBuf> {
    match (&login.server.key_file, &login.secret) {
        (Some(file), _) => vec![file.clone()],
        (None, Some(_)) => Vec::new(),
        (None, None) => {
            let home = home::folder().unwrap_or_default();
            ["id_ed25519", "id_ecdsa", "id_rsa"]
                .iter()
                .map(|name| home.join(".ssh").join(name))
                .filter(|path: &PathBuf| Path::exists(path))
                .collect()
        }
    }
}
