//! Connects to a remote from its settings.

use std::sync::{Arc, Mutex, PoisonError};

use super::Masked;
use super::account::Account;
use super::hidden::Hidden;
use super::oauth::Keep;
use super::problem::Problem;
use super::secret::Secret;
use super::settings::{self, RemoteSettings, Settings};

/// Creates a remote from its settings. Sends no request to the service. Renewed sign-ins are stored under the remote's
/// name.
pub(crate) fn connect(name: &str, settings: &RemoteSettings) -> Result<Masked, Problem> {
    let name = name.to_owned();
    let keep = Arc::new(move |secret| Settings::load()?.set_secret(&name, secret));
    with(settings, keep)
}

/// A sign-in that was renewed before its remote was saved.
#[derive(Default)]
pub(crate) struct Renewed(Arc<Mutex<Option<Secret>>>);

impl Renewed {
    /// Returns the secret to save: the last one that the service gave.
    pub(crate) fn take(&self) -> Option<Secret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Does the same for a remote whose secret is not saved yet: some services accept each sign-in once, and give the next
/// one with their answer.
pub(crate) fn connect_unsaved(settings: &RemoteSettings) -> Result<(Masked, Renewed), Problem> {
    let renewed = Renewed::default();
    let latest = Arc::clone(&renewed.0);
    let keep = Arc::new(move |secret| {
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret);
        Ok(())
    });
    Ok((with(settings, keep)?, renewed))
}

fn with(settings: &RemoteSettings, keep: Keep) -> Result<Masked, Problem> {
    let hidden = Hidden::default();
    if let Some(secret) = &settings.secret {
        hidden.note(secret.reveal());
    }
    let kind = &settings.kind;
    let account = Account {
        secret: settings.secret.clone(),
        hidden: hidden.clone(),
        keep,
        sessions: settings::folder()
            .ok()
            .map(|folder| folder.join("sessions.json")),
        place: format!("{} {}", kind.name(), kind.target()),
    };
    Ok(Masked::new(kind.connect(&account)?, hidden))
}
