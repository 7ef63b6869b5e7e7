//! Kind `google-photos`: Google Photos through its Library API.
//!
//! The bytes of each file become an upload token, which the catalogue keeps. Up to fifty tokens become media items in
//! one `batchCreate`, one such call at a time. A token stands for its bytes: if an answer is lost, the same call
//! again creates nothing twice, because Google returns the existing item. So a kill costs no bytes and duplicates
//! nothing.
//!
//! Google reports neither sizes nor checksums. The id of an item is the receipt, and `--check` asks for it.

mod api;
mod bytes;
mod client;
mod library;
mod takes;

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use self::library::GooglePhotos;
use super::{Account, NeededSecret, NewSecret, Person, RemoteKind, RemoteOptions};
use crate::error::Error;
use crate::upload::Remote;
use crate::upload::oauth::{Endpoints, Service};
use crate::upload::problem::Problem;

/// The address of the Google Photos Library API.
const API: &str = "https://photoslibrary.googleapis.com";
const WHEN_SIGNED_OUT: &str = "look at console.cloud.google.com under \"Google Auth Platform\" > \"Audience\": \
     while the project is in \"Testing\", every sign-in ends after 7 days; press \"Publish app\"";

/// Google Photos, with your own client ID (without options: explains how to create one)
#[derive(Debug, Clone, Args)]
#[command(override_usage = "rescue remote add <NAME> google-photos [OPTIONS]")]
pub(crate) struct GooglePhotosOptions {
    /// The client ID (its secret is asked for)
    #[arg(long, value_name = "ID", conflicts_with = "client_file")]
    client_id: Option<String>,
    /// The file that Google offers for download with the client ID (client_secret_....json)
    #[arg(long, value_name = "FILE")]
    client_file: Option<PathBuf>,
}

/// The settings of a Google Photos library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GooglePhotosSettings {
    /// The user's own client ID.
    client_id: String,
    /// The service's address, if it is not Google's. For tests; no option sets it.
    address: Option<String>,
    /// The addresses for signing in, if they are not Google's. For tests; no option sets them.
    endpoints: Option<Endpoints>,
}

impl RemoteOptions for GooglePhotosOptions {
    type Settings = GooglePhotosSettings;

    async fn set_up(
        self,
        person: &impl Person,
    ) -> Result<(GooglePhotosSettings, NewSecret), Error> {
        let found = client::client(self.client_id, self.client_file.as_deref(), person);
        let (client_id, secret) = found.await?;
        let settings = GooglePhotosSettings {
            client_id,
            address: None,
            endpoints: None,
        };
        Ok((
            settings,
            secret.map_or(NewSecret::AsUsual, NewSecret::Known),
        ))
    }

    fn check(option: &str, answer: &str) -> Result<(), Error> {
        match option {
            "client_id" => client::checked(answer).map(drop),
            "client_file" => client::from_file(answer.as_ref()).map(drop),
            _ => Ok(()),
        }
    }
}

impl RemoteKind for GooglePhotosSettings {
    fn target(&self) -> String {
        let address = self.address.as_deref().unwrap_or("Google Photos");
        format!("{address} with client ID {}", self.client_id)
    }

    fn needed_secret(&self) -> Option<NeededSecret> {
        Some(NeededSecret::Line("client secret"))
    }

    fn sign_in(&self) -> Option<(Service, &str)> {
        Some((service().at(self.endpoints.as_ref()), &self.client_id))
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let service = service().at(self.endpoints.as_ref());
        let tokens = account.tokens((service, &self.client_id))?;
        let address = self.address.as_deref().unwrap_or(API);
        Ok(Box::new(GooglePhotos::new(address, tokens)?))
    }
}

/// Returns how to sign in to Google Photos. The permission to read is needed for albums and for `--check`; it covers
/// only what this program uploaded.
fn service() -> Service {
    Service {
        name: "Google Photos",
        authorize_url: "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
        token_url: "https://oauth2.googleapis.com/token".to_owned(),
        scopes: vec![
            "https://www.googleapis.com/auth/photoslibrary.appendonly",
            "https://www.googleapis.com/auth/photoslibrary.readonly.appcreateddata",
        ],
        all_scopes: true,
        // A refresh token comes only when asked for in this way.
        extra: &[("access_type", "offline"), ("prompt", "consent")],
        redirect_host: "127.0.0.1",
        redirect_port: 0,
        when_signed_out: WHEN_SIGNED_OUT,
    }
}
