//! The kinds of remotes. Each has a room of its own with all that the program knows of it: its options on the command
//! line, its settings, its secret, its sign-in, and the [`Remote`] that it becomes. A new kind is one file beside
//! these, and one line at the end of this one; docs/adding-a-remote.md shows it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use async_trait::async_trait;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::account::Account;
use super::oauth::Service;
use super::problem::Problem;
use super::secret::Secret;
use super::{Remote, given};
use crate::error::{self, Error};

/// The options of a kind in `rescue remote add`. Their documentation is the help, and the questions.
///
/// Most kinds keep in their settings what was given, so that one type is both. A field that an older version did not
/// write must have a default.
pub(crate) trait RemoteOptions: clap::Args {
    /// The kind's settings.
    type Settings: RemoteKind + Serialize;

    /// Checks what was given, and returns it in the form in which the settings keep it.
    async fn set_up(self, person: &impl Person) -> Result<(Self::Settings, NewSecret), Error>;

    /// Checks the answer for one option, as [`RemoteOptions::set_up`] will.
    fn check(option: &str, answer: &str) -> Result<(), Error> {
        given::check(option, answer)
    }

    /// Returns what the settings hold for an option, in the form in which a person gives it. `changes` are the options
    /// that get another value, by their ids: what is known of one server is not known of another.
    fn present(
        settings: &Self::Settings,
        option: &str,
        _changes: &BTreeMap<String, OsString>,
    ) -> Option<String> {
        given::present(settings, option)
    }
}

/// The settings of a kind: where its files go, without secrets.
#[async_trait]
pub(crate) trait RemoteKind: Sync {
    /// Returns the destination as one line. It also distinguishes remotes that had the same name at different times.
    fn target(&self) -> String;

    /// Creates the remote. Sends no request to the service.
    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem>;

    /// Returns the secret that the kind needs.
    fn needed_secret(&self) -> Option<NeededSecret> {
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

    /// Returns how far the server's own key is known; `None` for services without such a key.
    fn host_key(&self) -> Option<HostKey> {
        None
    }

    /// Asks a server with a key of its own for it.
    async fn ask_host_key(&self) -> Result<ShownKey, Problem> {
        Err(Problem::other("this kind of remote has no host key"))
    }

    /// Sets the key that the server must show from now on.
    fn set_host_key(&mut self, _: String) {}
}

/// How far a server's own key is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostKey {
    /// The settings have it.
    Noted,
    /// Another program on this computer has it.
    Listed,
    /// It is not known. Before a person has confirmed it, the server gets no secret.
    Unknown,
}

/// The key that a server shows.
pub(crate) struct ShownKey {
    pub(crate) host: String,
    pub(crate) key: String,
    pub(crate) fingerprint: String,
}

/// A secret that a kind needs, by what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NeededSecret {
    /// The person can type it.
    Line(&'static str),
    /// It does not fit on a line.
    File(&'static str),
}

impl NeededSecret {
    /// Returns what the secret is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Line(name) | Self::File(name) => name,
        }
    }
}

/// Where the secret of a new remote comes from.
pub(crate) enum NewSecret {
    /// The person gives what [`RemoteKind::needed_secret`] says.
    AsUsual,
    /// The options do without.
    NotNeeded,
    /// This kind of remote has none: what the environment holds is that of another remote.
    Nowhere,
    /// It came with the options.
    Known(Secret),
}

/// The person who sets up a remote.
pub(crate) trait Person {
    /// Explains something at length.
    fn explain(&self, text: &str);

    /// Asks a question and returns the line that was typed.
    async fn ask(&self, question: &str) -> std::io::Result<Zeroizing<String>>;

    /// Returns the error that a problem means before the remote is saved.
    fn failed(&self, problem: Problem) -> Error;
}

impl KindSettings {
    /// Adds what earlier settings of the kind hold besides its options.
    pub(crate) fn with_rest_of(self, earlier: &Self, is_option: impl Fn(&str) -> bool) -> Self {
        let joined = || {
            let mut joined = toml::Table::try_from(&self).ok()?;
            for (key, value) in toml::Table::try_from(earlier).ok()? {
                if !is_option(&key) {
                    joined.entry(key).or_insert(value);
                }
            }
            joined.try_into().ok()
        };
        joined().unwrap_or(self)
    }
}

fn unknown(words: &[OsString]) -> Error {
    let name = words
        .first()
        .map_or(Cow::Borrowed(""), |name| name.to_string_lossy());
    let message = format!("'{name}' is not a kind of remote");
    Error::new(error::Kind::Usage, message).with_hint(format!(
        "give one of {}, as in `rescue remote add nas sftp ada@nas.local`",
        KindSettings::NAMES.join(", ")
    ))
}

macro_rules! kinds {
    ($($Kind:ident($module:ident::$Options:ident) = $name:literal;)*) => {
        $(pub(crate) mod $module;)*

        /// The kind of a new remote, with its options.
        #[derive(Debug, Clone, Subcommand)]
        pub(crate) enum KindOptions {
            $(#[command(name = $name)] $Kind($module::$Options),)*
            /// A kind that does not exist, and the words after it.
            #[command(external_subcommand)]
            Unknown(Vec<OsString>),
        }

        /// The kind of a remote and its settings, without secrets.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub(crate) enum KindSettings {
            $(#[serde(rename = $name)] $Kind(<$module::$Options as RemoteOptions>::Settings),)*
        }

        impl KindOptions {
            /// See [`RemoteOptions::set_up`].
            pub(crate) async fn set_up(
                self,
                person: &impl Person,
            ) -> Result<(KindSettings, NewSecret), Error> {
                match self {
                    $(Self::$Kind(options) => {
                        let (settings, secret) = options.set_up(person).await?;
                        Ok((KindSettings::$Kind(settings), secret))
                    })*
                    Self::Unknown(words) => Err(unknown(&words)),
                }
            }

            /// See [`RemoteOptions::check`].
            pub(crate) fn check(kind: &str, option: &str, answer: &str) -> Result<(), Error> {
                match kind {
                    $($name => $module::$Options::check(option, answer),)*
                    _ => Ok(()),
                }
            }
        }

        impl KindSettings {
            /// The names of all kinds.
            pub(crate) const NAMES: &[&str] = &[$($name),*];

            /// Returns the kind's name, on the command line and in the settings.
            pub(crate) fn name(&self) -> &'static str {
                match self {
                    $(Self::$Kind(_) => $name,)*
                }
            }

            /// See [`RemoteOptions::present`].
            pub(crate) fn present(
                &self,
                option: &str,
                changes: &BTreeMap<String, OsString>,
            ) -> Option<String> {
                match self {
                    $(Self::$Kind(settings) => {
                        $module::$Options::present(settings, option, changes)
                    })*
                }
            }
        }

        impl std::ops::Deref for KindSettings {
            type Target = dyn RemoteKind;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$Kind(settings) => settings,)*
                }
            }
        }

        impl std::ops::DerefMut for KindSettings {
            fn deref_mut(&mut self) -> &mut Self::Target {
                match self {
                    $(Self::$Kind(settings) => settings,)*
                }
            }
        }
    };
}

// A kind's place in the list is its place in `rescue remote add --help`. rustfmt does not look for files in here:
// `rustfmt src/upload/kinds/*.rs`.
kinds! {
    Folder(folder::FolderSettings) = "folder";
    WebDav(webdav::WebDavSettings) = "webdav";
    S3(s3::S3Settings) = "s3";
    GooglePhotos(google_photos::GooglePhotosOptions) = "google-photos";
    Sftp(sftp::SftpOptions) = "sftp";
    Immich(immich::ImmichSettings) = "immich";
    Azure(azure::AzureSettings) = "azure";
    Gcs(gcs::GcsSettings) = "gcs";
    B2(b2::B2Settings) = "b2";
    GoogleDrive(google_drive::GoogleDriveSettings) = "google-drive";
    Dropbox(dropbox::DropboxSettings) = "dropbox";
    OneDrive(onedrive::OneDriveSettings) = "onedrive";
}
