//! What the kinds have in common that a person signs in to in a browser: Google Drive, Dropbox, OneDrive.

use serde::{Deserialize, Serialize};

use crate::upload::oauth::{Endpoints, Service};

/// The settings of a user's drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DriveSettings {
    /// The user's own client ID.
    pub(crate) client_id: String,
    /// The folder for the uploads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    /// The service's address, if it is not the usual one. For tests; no option sets it.
    pub(crate) address: Option<String>,
    /// The addresses for signing in, if they are not the usual ones. For tests; no option sets them.
    pub(crate) endpoints: Option<Endpoints>,
}

impl DriveSettings {
    /// Returns the service to sign in to, with the client ID to use.
    pub(crate) fn sign_in(&self, service: Service) -> (Service, &str) {
        (service.at(self.endpoints.as_ref()), &self.client_id)
    }

    /// Returns the destination as one line.
    pub(crate) fn target(&self, service: &str) -> String {
        let address = self.address.as_deref().unwrap_or(service);
        format!("{address}/{} with client ID {}", self.path, self.client_id)
    }
}
