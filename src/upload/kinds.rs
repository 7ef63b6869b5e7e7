//! The kinds of remotes. Each has a room of its own with all that the program knows of it: its settings, its secret,
//! its sign-in, and the [`Remote`] that it becomes. A new kind is one file beside these, and one line at the end of
//! this one; docs/adding-a-remote.md shows it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Remote;
use super::account::Account;
use super::oauth::Service;
use super::problem::Problem;

/// The settings of a kind: where its files go, without secrets. A field that an older version did not write must have
/// a default.
pub(crate) trait Kind {
    /// Returns the destination as one line. It also distinguishes remotes that had the same name at different times.
    fn target(&self) -> String;

    /// Creates the remote. Sends no request to the service.
    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem>;

    /// Returns what the kind's secret is called; `None` if it needs no secret.
    fn secret_name(&self) -> Option<&'static str> {
        None
    }

    /// Returns the service that the user signs in to in a browser, and the client ID; `None` for kinds with a password
    /// or key. The secret of such a remote is an `oauth::Grant`.
    fn sign_in(&self) -> Option<(Service, &str)> {
        None
    }

    /// Returns the folder of this computer that the files go to.
    fn folder(&self) -> Option<&Path> {
        None
    }
}

macro_rules! kinds {
    ($($Kind:ident($module:ident::$Settings:ident) = $name:literal;)*) => {
        $(pub(crate) mod $module;)*

        /// The kind of a remote and its settings, without secrets.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub(crate) enum KindSettings {
            $(#[serde(rename = $name)] $Kind($module::$Settings),)*
        }

        impl KindSettings {
            /// Returns the kind's name, on the command line and in the settings.
            pub(crate) fn name(&self) -> &'static str {
                match self {
                    $(Self::$Kind(_) => $name,)*
                }
            }
        }

        impl std::ops::Deref for KindSettings {
            type Target = dyn Kind;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$Kind(settings) => settings,)*
                }
            }
        }
    };
}

// A kind's place in the list is its place in `rescue remote add --help`.
kinds! {
    Folder(folder::FolderSettings) = "folder";
    WebDav(webdav::WebDavSettings) = "webdav";
    S3(s3::S3Settings) = "s3";
    GooglePhotos(google_photos::GooglePhotosSettings) = "google-photos";
    Sftp(sftp::SftpSettings) = "sftp";
    Immich(immich::ImmichSettings) = "immich";
    Azure(azure::AzureSettings) = "azure";
    Gcs(gcs::GcsSettings) = "gcs";
    B2(b2::B2Settings) = "b2";
    GoogleDrive(google_drive::GoogleDriveSettings) = "google-drive";
    Dropbox(dropbox::DropboxSettings) = "dropbox";
    OneDrive(onedrive::OneDriveSettings) = "onedrive";
}
