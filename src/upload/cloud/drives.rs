//! What the kinds have in common that a person signs in to in a browser: Google Drive, Dropbox, OneDrive.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::upload::given::{self, ServiceName};
use crate::upload::oauth::{Endpoints, Service};

/// The settings of a user's drive
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub(crate) struct DriveSettings {
    /// Your own client ID: the service's page in docs/ says how to make it
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: String,
    /// Folder to upload into
    #[arg(long, value_name = "FOLDER", default_value = "")]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    /// The service's address, if it is not the usual one. For tests; no option sets it.
    #[arg(skip)]
    pub(crate) address: Option<String>,
    /// The addresses for signing in, if they are not the usual ones. For tests; no option sets them.
    #[arg(skip)]
    pub(crate) endpoints: Option<Endpoints>,
}

impl DriveSettings {
    /// Returns what was given, in the form in which the settings keep it.
    pub(crate) fn set_up(self) -> Result<Self, Error> {
        Ok(Self {
            client_id: ServiceName::ClientId.checked(&self.client_id)?,
            path: given::inside(&self.path),
            ..self
        })
    }

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
