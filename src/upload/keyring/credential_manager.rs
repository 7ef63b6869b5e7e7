//! The Credential Manager of Windows, which keeps secrets encrypted for the user who is signed in.

use std::collections::HashMap;
use std::path::Path;

use keyring_core::{CredentialStore, Entry, Error};
use windows_native_keyring_store::Store;

use super::KeyringError;
use crate::upload::secret::Secret;

/// The Windows Credential Manager.
#[derive(Debug, Clone)]
pub(crate) struct Keyring {
    /// The settings file that the secrets belong to.
    settings: String,
}

impl Keyring {
    /// The keyring's name for messages.
    pub(crate) const NAME: &str = "Windows' Credential Manager";

    /// Returns the Credential Manager, which is always available.
    pub(crate) fn of_session(settings: &Path) -> Option<Self> {
        Some(Self {
            settings: settings.display().to_string(),
        })
    }

    /// Stores a remote's secret, replacing an older one, and reads it back. The Credential Manager accepts at most
    /// 2,560 bytes.
    pub(crate) fn keep(&self, remote: &str, secret: &Secret) -> Result<(), KeyringError> {
        let entry = self.entry(remote)?;
        entry
            .set_secret(secret.reveal().as_bytes())
            .map_err(failed)?;
        match self.find(remote)? == *secret {
            true => Ok(()),
            false => Err(KeyringError::Refused),
        }
    }

    /// Returns a remote's secret.
    pub(crate) fn find(&self, remote: &str) -> Result<Secret, KeyringError> {
        let bytes = self.entry(remote)?.get_secret().map_err(failed)?;
        let text = String::from_utf8(bytes).map_err(|_| KeyringError::Refused)?;
        Ok(Secret::new(text))
    }

    /// Deletes a remote's secret.
    pub(crate) fn forget(&self, remote: &str) -> Result<(), KeyringError> {
        self.entry(remote)?.delete_credential().map_err(failed)
    }

    fn entry(&self, remote: &str) -> Result<Entry, KeyringError> {
        let store: std::sync::Arc<CredentialStore> = Store::new().map_err(failed)?;
        let target = format!("rescue: {remote} ({})", self.settings);
        // On this computer only: as the settings, which do not travel with a domain's user.
        let how = HashMap::from([("target", target.as_str()), ("persistence", "Local")]);
        Entry::new_in_store_with_modifiers(&store, "rescue", remote, &how).map_err(failed)
    }
}

fn failed(error: Error) -> KeyringError {
    match error {
        Error::NoEntry => KeyringError::Refused,
        error => KeyringError::System(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_back_and_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::of_session(&folder.path().join("remotes.toml")).unwrap();
        assert!(matches!(keyring.find("nas"), Err(KeyringError::Refused)));
        for text in ["hunter2", "päßwörd €", &"x".repeat(2560)] {
            keyring.keep("nas", &Secret::new(text)).unwrap();
            assert_eq!(keyring.find("nas").unwrap(), Secret::new(text));
        }
        let other = Keyring::of_session(&folder.path().join("others.toml")).unwrap();
        assert!(other.find("nas").is_err());
        // Longer ones go into the file.
        let long = Secret::new("x".repeat(2561));
        assert!(matches!(
            keyring.keep("nas", &long),
            Err(KeyringError::System(_))
        ));
        keyring.forget("nas").unwrap();
        assert!(matches!(keyring.find("nas"), Err(KeyringError::Refused)));
    }
}
