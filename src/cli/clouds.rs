//! The clouds that `rescue remote add` knows: types and help texts only.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Where a secret is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeepIn {
    /// The desktop's keyring (through `secret-tool`), or Windows' Credential Manager
    Keyring,
    /// The settings file, readable by you only
    File,
}

/// A container of Azure Blob Storage.
#[derive(Debug, Clone, Args)]
pub struct AzureArgs {
    /// The container; must exist
    pub container: String,
    /// The storage account's name (its key is asked for)
    #[arg(long, value_name = "NAME")]
    pub account: String,
    /// The service's address `[default: https://ACCOUNT.blob.core.windows.net]`
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Folder of the container to upload into
    #[arg(long, value_name = "FOLDER", default_value = "")]
    pub path: String,
    /// PEM file with more certificates to trust
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// A bucket of Google Cloud Storage.
#[derive(Debug, Clone, Args)]
pub struct GcsArgs {
    /// The bucket; must exist. The key of a service account that may create, list, read and delete
    /// its objects goes into --secret-file, as the JSON file that Google Cloud gives
    pub bucket: String,
    /// The service's address `[default: Google's]`
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Folder of the bucket to upload into
    #[arg(long, value_name = "FOLDER", default_value = "")]
    pub path: String,
    /// PEM file with more certificates to trust
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// A bucket of Backblaze B2.
#[derive(Debug, Clone, Args)]
pub struct B2Args {
    /// The bucket; must exist
    pub bucket: String,
    /// The bucket's endpoint as B2's bucket page shows it, as in s3.us-west-004.backblazeb2.com
    #[arg(long, value_name = "HOST")]
    pub endpoint: String,
    /// The keyID of an application key (the applicationKey is asked for)
    #[arg(long, value_name = "ID")]
    pub key_id: String,
    /// Folder of the bucket to upload into
    #[arg(long, value_name = "FOLDER", default_value = "")]
    pub path: String,
    /// PEM file with more certificates to trust
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// A service that the person signs in to in a browser.
#[derive(Debug, Clone, Args)]
pub struct DriveArgs {
    /// Your own client ID: the service's page in docs/ says how to make it
    #[arg(long, value_name = "ID")]
    pub client_id: String,
    /// Folder to upload into
    #[arg(long, value_name = "FOLDER", default_value = "")]
    pub path: String,
}
