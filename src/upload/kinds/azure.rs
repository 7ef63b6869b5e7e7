//! Kind `azure`: Azure Blob Storage, through OpenDAL.

use std::path::PathBuf;

use opendal::services;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::upload::Remote;
use crate::upload::account::Account;
use crate::upload::objects::{Condition, Objects};
use crate::upload::paths::Paths;
use crate::upload::problem::Problem;
use crate::upload::rules::Rules;

/// Azure Blob Storage
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AzureSettings {
    /// The container's name.
    pub(crate) container: String,
    /// The storage account's name.
    pub(crate) account: String,
    /// The service's address, if it is not derived from the account.
    pub(crate) endpoint: Option<String>,
    /// The folder inside the container.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    /// A PEM file with certificates to trust in addition to the system's.
    pub(crate) certificates: Option<PathBuf>,
}

impl AzureSettings {
    fn address(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://{}.blob.core.windows.net", self.account),
        }
    }
}

impl Kind for AzureSettings {
    fn target(&self) -> String {
        format!("{}/{} at {}", self.container, self.path, self.address())
    }

    fn secret_name(&self) -> Option<&'static str> {
        Some("account's key")
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let address = self.address();
        let builder = services::Azblob::default()
            .container(&self.container)
            .endpoint(&address)
            .account_name(&self.account)
            .account_key(account.password())
            .root(&self.path);
        let certificates = self.certificates.as_deref();
        let objects = Objects::at(&address, certificates, builder, Condition::Heeded)?;
        Ok(Paths::boxed(objects, Rules::of_bucket(&self.path)))
    }
}
