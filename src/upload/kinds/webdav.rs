//! Kind `webdav`: WebDAV servers, among them Nextcloud and ownCloud.
//!
//! OpenDAL lists, reads and removes. Files are sent here, because OpenDAL's WebDAV holds a whole file in memory and
//! asks for the parent folders with each file.
//!
//! A file is written under a name of our own and moved to its name with `Overwrite: F` (RFC 4918, 9.9): a named file
//! is complete, and the server itself refuses a taken name. A condition in the write itself (`If-None-Match: *`) is
//! weaker: golang.org/x/net/webdav ignores it, and Apache checks it before the first byte arrives and renames after
//! the last one. The real behaviour of a server is tried once in a run, with tiny files.

mod store;

use std::path::PathBuf;

use clap::Args;
use opendal::services;
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};

use self::store::WebDav;
use super::{
    Account, Error, NeededSecret, NewSecret, Person, Problem, RemoteKind, RemoteOptions, given,
};
use crate::error;
use crate::upload::Remote;
use crate::upload::http::{Http, host_of};
use crate::upload::objects::{Condition, Objects};
use crate::upload::paths::Paths;
use crate::upload::rules::Rules;

/// A WebDAV server, such as Nextcloud
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(override_usage = "rescue remote add <NAME> webdav [OPTIONS] <URL>")]
pub(crate) struct WebDavSettings {
    /// The folder's address, as in `https://cloud.example/remote.php/dav/files/ada/Photos`
    pub(crate) url: String,
    /// The user
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// PEM file with more certificates to trust
    #[arg(long = "ca-file", value_name = "FILE")]
    pub(crate) certificates: Option<PathBuf>,
}

impl RemoteOptions for WebDavSettings {
    type Settings = Self;

    async fn set_up(self, _: &impl Person) -> Result<(Self, NewSecret), Error> {
        let settings = Self {
            url: given::address(&self.url)?,
            user: self.user.as_deref().map(user).transpose()?,
            certificates: given::file(self.certificates)?,
        };
        Ok((settings, NewSecret::AsUsual))
    }

    fn check(option: &str, answer: &str) -> Result<(), Error> {
        match option {
            "user" => user(answer).map(drop),
            _ => given::check(option, answer),
        }
    }
}

/// Returns a user's name that can be sent with a password (RFC 7617).
fn user(text: &str) -> Result<String, Error> {
    let why = match text.trim() {
        "" => "it is empty",
        name if name.contains(':') => "it contains a colon",
        name if name.contains(char::is_control) => "it contains a control character",
        name => return Ok(name.to_owned()),
    };
    // What is behind a colon may be the password.
    let shown = text.split_once(':');
    let shown = shown.map_or(text.to_owned(), |(name, _)| format!("{name}:..."));
    let message = format!("'{shown}' is not a valid user name: {why}");
    Err(Error::new(error::Kind::Usage, message)
        .with_hint("give the name alone, as in ada or ada@example.org; the password is asked for"))
}

impl RemoteKind for WebDavSettings {
    fn target(&self) -> String {
        match &self.user {
            Some(user) => format!("{} as {user}", self.url),
            None => self.url.clone(),
        }
    }

    fn needed_secret(&self) -> Option<NeededSecret> {
        self.user.as_ref().map(|_| NeededSecret::Line("password"))
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let http = Http::without_redirects(&host_of(&self.url), self.certificates.as_deref())?;
        let mut builder = services::Webdav::default().endpoint(self.url.trim_end_matches('/'));
        let mut authorization = None;
        if let Some(user) = &self.user {
            let password = account.password();
            account.hidden.note(&format!("{user}:{password}"));
            builder = builder.username(user).password(password);
            authorization = Some(basic(user, password)?);
        }
        // Files are sent by ways of its own.
        let objects = Objects::new(builder, &http, Condition::Untried)?;
        let webdav = WebDav::new(http, &self.url, authorization, objects);
        Ok(Paths::boxed(webdav, Rules::usual()))
    }
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, Problem> {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let mut value =
        HeaderValue::from_str(&format!("Basic {text}")).map_err(|_| Problem::Settings {
            words: "the user or password cannot be sent".to_owned(),
        })?;
    value.set_sensitive(true);
    Ok(value)
}
