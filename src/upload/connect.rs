//! Connects to a remote from its settings.

use std::sync::Arc;

use super::Masked;
use super::account::Account;
use super::hidden::Hidden;
use super::problem::Problem;
use super::settings::{self, RemoteSettings, Settings};

/// Creates a remote from its settings. Sends no request to the service. Renewed sign-ins are stored under the remote's
/// name.
pub(crate) fn connect(name: &str, settings: &RemoteSettings) -> Result<Masked, Problem> {
    let hidden = Hidden::default();
    if let Some(secret) = &settings.secret {
        hidden.note(secret.reveal());
    }
    let (kind, name) = (&settings.kind, name.to_owned());
    let account = Account {
        secret: settings.secret.clone(),
        hidden: hidden.clone(),
        keep: Arc::new(move |secret| Settings::load()?.set_secret(&name, secret)),
        sessions: settings::folder()
            .ok()
            .map(|folder| folder.join("sessions.json")),
        place: format!("{} {}", kind.name(), kind.target()),
    };
    Ok(Masked::new(kind.connect(&account)?, hidden))
}
