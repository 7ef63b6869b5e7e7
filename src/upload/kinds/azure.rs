//! Kind `azure`: Azure Blob Storage, through OpenDAL.

use std::path::PathBuf;

use clap::Args;
use opendal::services;
use serde::{Deserialize, Serialize};

use super::{
    Account, Error, NeededSecret, NewSecret, Person, Problem, Remote, RemoteKind, RemoteOptions,
    given,
};
use crate::upload::given::ServiceName;
use crate::upload::objects::{Condition, Objects};
use crate::upload::paths::Paths;
use crate::upload::rules::Rules;

/// Azure Blob Storage
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(override_usage = "rescue remote add <NAME> azure [OPTIONS] --account <NAME> <CONTAINER>")]
pub(crate) struct AzureSettings {
    /// The container; must exist
    container: String,
    /// The storage account's name (its key is asked for)
    #[arg(long, value_name = "NAME")]
    account: String,
    /// The service's address `[default: https://ACCOUNT.blob.core.windows.net]`
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Folder of the container to upload into
    #[arg(long, value_name = "FOLDER", default_value = "")]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    path: String,
    /// PEM file with more certificates to trust
    #[arg(long = "ca-file", value_name = "FILE")]
    certificates: Option<PathBuf>,
}

impl AzureSettings {
    fn address(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://{}.blob.core.windows.net", self.account),
        }
    }
}

impl RemoteOptions for AzureSettings {
    type Settings = Self;

    async fn set_up(self, _: &impl Person) -> Result<(Self, NewSecret), Error> {
        let settings = Self {
            container: ServiceName::Container.checked(&self.container)?,
            account: ServiceName::StorageAccount.checked(&self.account)?,
            endpoint: self.endpoint.as_deref().map(given::address).transpose()?,
            path: given::inside(&self.path),
            certificates: given::file(self.certificates)?,
        };
        Ok((settings, NewSecret::AsUsual))
    }
}

impl RemoteKind for AzureSettings {
    fn target(&self) -> String {
        format!("{}/{} at {}", self.container, self.path, self.address())
    }

    fn needed_secret(&self) -> Option<NeededSecret> {
        Some(NeededSecret::Line("account's key"))
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
