//! What a kind of remote connects with: its secret, and what this program keeps for it between runs.

use std::path::PathBuf;

use super::cloud::access::Authorization;
use super::cloud::api::Api;
use super::cloud::sessions::Sessions;
use super::hidden::Hidden;
use super::http::{Http, host_of};
use super::oauth::{Grant, Keep, Service, Tokens};
use super::problem::Problem;
use super::secret::Secret;

/// The user's account at one remote.
pub(crate) struct Account {
    pub(crate) secret: Option<Secret>,
    /// What reports may not repeat: the secret, and those made of it.
    pub(crate) hidden: Hidden,
    /// Stores a renewed sign-in.
    pub(crate) keep: Keep,
    /// The file with the upload sessions of all remotes; without it, they last only for this run.
    pub(crate) sessions: Option<PathBuf>,
    /// The remote's kind and address, which tell its sessions from others.
    pub(crate) place: String,
}

impl Account {
    /// Returns the secret's text; empty if there is none.
    pub(crate) fn password(&self) -> &str {
        self.secret.as_ref().map(Secret::reveal).unwrap_or_default()
    }

    /// Returns the access tokens of a remote that the user has signed in to.
    pub(crate) fn tokens(&self, (service, client_id): (Service, &str)) -> Result<Tokens, Problem> {
        let grant = Grant::from_secret(&service, self.secret.as_ref())?;
        Tokens::new(
            service,
            client_id,
            grant,
            self.keep.clone(),
            self.hidden.clone(),
        )
    }

    /// Returns the API at an address for a user who has signed in.
    pub(crate) fn api(&self, sign_in: (Service, &str), address: &str) -> Result<Api, Problem> {
        let tokens = self.tokens(sign_in)?;
        let http = Http::new(&host_of(address), None)?;
        Ok(Api::new(http, Authorization::Tokens(tokens)))
    }

    /// Returns the store for the sessions of large files.
    pub(crate) fn sessions(&self) -> Sessions {
        Sessions::new(self.sessions.clone(), &self.place)
    }
}
