//! Kind `webdav`: WebDAV servers, among them Nextcloud and ownCloud.
//!
//! OpenDAL lists, reads and removes. Files are sent here, because OpenDAL's WebDAV holds a whole file in memory and
//! asks for the parent folders with each file.
//!
//! A file is written under a name of our own and moved to its name with `Overwrite: F` (RFC 4918, 9.9): a named file
//! is complete, and the server itself refuses a taken name. A condition in the write itself (`If-None-Match: *`) is
//! weaker: golang.org/x/net/webdav ignores it, and Apache checks it before the first byte arrives and renames after
//! the last one. The real behaviour of a server is tried once in a run, with tiny files.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use clap::Args;
use opendal::services;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH};
use serde::{Deserialize, Serialize};

use super::{
    Account, Error, NeededSecret, NewSecret, Person, Problem, RemoteKind, RemoteOptions, given,
};
use crate::digest::Sha256;
use crate::error;
use crate::upload::body;
use crate::upload::http::{Http, host_of};
use crate::upload::objects::{Condition, Objects};
use crate::upload::owner::Owner;
use crate::upload::parts::part_of;
use crate::upload::paths::{Paths, Store};
use crate::upload::percent::encoded;
use crate::upload::rules::Rules;
use crate::upload::source::Source;
use crate::upload::{Acknowledged, Remote, RemoteEntry, Wanted, content_type, folder_of};

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
    match text.contains(|c: char| c == ':' || c.is_control()) || text.trim().is_empty() {
        false => Ok(text.trim().to_owned()),
        true => {
            let message = format!(
                "'{}' is not a valid user name",
                text.split(':').next().unwrap_or_default()
            );
            Err(Error::new(error::Kind::Usage, message)
                .with_hint("give it without the password, as in ada or ada@example.org"))
        }
    }
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

/// A folder on a WebDAV server.
#[derive(Debug)]
struct WebDav {
    http: Http,
    objects: Objects,
    /// The server's address, without a trailing slash.
    base: String,
    authorization: Option<HeaderValue>,
    /// The folders that are known to exist.
    made: Mutex<HashSet<String>>,
    /// Held while a folder is created: Apache answers 403 if two requests create the same one.
    making: tokio::sync::Mutex<()>,
    /// The server's behaviour, as tested.
    ways: tokio::sync::OnceCell<Ways>,
}

/// How a server handles requests that could overwrite a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ways {
    /// The form in which a move's destination must be written; `None` if the server cannot move files.
    moves: Option<DestinationForm>,
    /// Whether the server can be asked not to overwrite a file: with a move or, if it has none, when writing the file
    /// itself.
    refuses: bool,
    /// Whether a file keeps the ETag that it got when it was written.
    keeps_etags: bool,
}

/// What a file that is there means for one that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    /// The server is asked to refuse the new one.
    Refused,
    /// The new one takes its place.
    Replaced,
}

impl WebDav {
    /// Creates the remote for files below an address.
    fn new(http: Http, base: &str, authorization: Option<HeaderValue>, objects: Objects) -> Self {
        Self {
            http,
            objects,
            base: base.trim_end_matches('/').to_owned(),
            authorization,
            made: Mutex::default(),
            making: tokio::sync::Mutex::default(),
            ways: tokio::sync::OnceCell::new(),
        }
    }

    fn address(&self, path: &str) -> String {
        format!("{}/{}", self.base, encoded(path))
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let address = self.address(path);
        let request = self.http.client().request(method, address);
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    /// Forgets which folders are there: the server may have been set up again.
    fn forget_folders(&self) {
        self.made().clear();
    }

    fn made(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a folder and those above it, where they are missing.
    async fn make_folder(&self, folder: &str) -> Result<(), Problem> {
        if folder.is_empty() || self.made().contains(folder) {
            return Ok(());
        }
        let _alone = self.making.lock().await;
        let mut missing = Vec::new();
        let mut next = folder;
        // From the deepest up to one that is there, then down again.
        while !next.is_empty() && !self.made().contains(next) {
            match self.mkcol(next).await? {
                MadeFolder::Is => {
                    self.knows_folder(next);
                    break;
                }
                MadeFolder::ParentMissing => {
                    missing.push(next);
                    next = folder_of(next);
                }
            }
        }
        for folder in missing.into_iter().rev() {
            match self.mkcol(folder).await? {
                MadeFolder::Is => self.knows_folder(folder),
                MadeFolder::ParentMissing => {
                    self.look_for_base().await?;
                    return Err(Problem::other(format!(
                        "the folder {folder} cannot be made"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Returns how the server handles requests that could overwrite a file. Tests it once, with tiny files in a folder
    /// that files are sent to.
    async fn ways(&self, folder: &str, owner: &Owner) -> Result<Ways, Problem> {
        let tried = self.ways.get_or_try_init(|| self.try_ways(folder, owner));
        tried.await.copied()
    }

    async fn try_ways(&self, folder: &str, owner: &Owner) -> Result<Ways, Problem> {
        self.make_folder(folder).await?;
        let name = |of: &str| {
            // The same in the next run: what a killed one left is written over, and removed.
            let name = format!(".{}-{of}.rescue-test", owner.mark());
            match folder {
                "" => name,
                folder => format!("{folder}/{name}"),
            }
        };
        let (first, second, third) = (name("a"), name("b"), name("c"));
        let tried = async {
            let etag = self.put_tiny(&first, Existing::Replaced).await?.1;
            self.put_tiny(&second, Existing::Replaced).await?;
            let mut told = DestinationForm::Address;
            let mut renamed = self.rename(&first, &second, told).await?;
            if matches!(renamed, Renamed::Never(_)) {
                told = DestinationForm::Path;
                renamed = self.rename(&first, &second, told).await?;
            }
            let refuses = match renamed {
                Renamed::Is => false,
                Renamed::Taken => true,
                Renamed::Never(_) => {
                    return Ok(Ways {
                        moves: None,
                        refuses: self.put_tiny(&second, Existing::Refused).await?.0 == 412,
                        keeps_etags: true,
                    });
                }
            };
            let from = if refuses { &first } else { &second };
            let keeps_etags = match self.rename(from, &third, told).await? {
                Renamed::Is => etag.is_some() && self.etag(&third).await? == etag,
                Renamed::Taken | Renamed::Never(_) => false,
            };
            Ok(Ways {
                moves: Some(told),
                refuses,
                keeps_etags,
            })
        };
        let tried = tried.await;
        for name in [first, second, third] {
            // Whatever stays is tiny, and nobody's.
            let _ = self.http.answer(self.request(Method::DELETE, &name)).await;
        }
        if let Ok(ways) = &tried {
            tracing::debug!("the WebDAV server's ways: {ways:?}");
        }
        tried
    }

    /// Writes a few bytes; with a condition, 412 says that it was heeded.
    async fn put_tiny(
        &self,
        path: &str,
        existing: Existing,
    ) -> Result<(u16, Option<String>), Problem> {
        let mut request = self.request(Method::PUT, path).body("rescue\n");
        if existing == Existing::Refused {
            request = request.header(IF_NONE_MATCH, "*");
        }
        let answer = self.http.answer(request).await?;
        match answer.status().as_u16() {
            status @ (200..=299 | 412) => Ok((status, etag_of(&answer))),
            _ => Err(self.failed(answer).await),
        }
    }

    async fn etag(&self, path: &str) -> Result<Option<String>, Problem> {
        let answer = self.http.answer(self.request(Method::HEAD, path)).await?;
        Ok(etag_of(&answer))
    }

    /// Gives a file another name, where nothing has it.
    async fn rename(
        &self,
        from: &str,
        to: &str,
        told: DestinationForm,
    ) -> Result<Renamed, Problem> {
        let method = Method::from_bytes(b"MOVE").unwrap_or(Method::PUT);
        let mut destination = self.address(to);
        if told == DestinationForm::Path
            && let Ok(address) = reqwest::Url::parse(&destination)
        {
            address.path().clone_into(&mut destination);
        }
        let request = self
            .request(method, from)
            .header("Destination", destination)
            .header("Overwrite", "F");
        let answer = self.http.answer(request).await?;
        match answer.status().as_u16() {
            // 207 says that something of it failed.
            200..=206 | 208..=299 => Ok(Renamed::Is),
            412 => Ok(Renamed::Taken),
            400 | 403 | 405 | 501 | 502 => Ok(Renamed::Never(answer)),
            _ => Err(self.failed(answer).await),
        }
    }

    /// What an answer to a request for a file means that is no success.
    async fn failed(&self, answer: reqwest::Response) -> Problem {
        match answer.status().as_u16() {
            405 | 501 => match self.look_for_base().await {
                Ok(()) => self.http.problem(answer).await,
                Err(problem) => problem,
            },
            404 | 409 => {
                self.forget_folders();
                if let Err(problem) = self.look_for_base().await {
                    return problem;
                }
                Problem::Other {
                    words: "the folder on the server is gone".to_owned(),
                    passing: true,
                }
            }
            _ => self.http.problem(answer).await,
        }
    }

    /// Looks whether the remote's own folder is there: a typing error in its address says of every file that
    /// its folder is missing.
    async fn look_for_base(&self) -> Result<(), Problem> {
        let method = Method::from_bytes(b"PROPFIND").unwrap_or(Method::HEAD);
        let request = self.request(method, "").header("Depth", "0");
        let answer = self.http.answer(request).await?;
        match answer.status().as_u16() {
            404 | 405 | 410 | 501 => Err(Problem::NoWebDav {
                words: format!("HTTP {}", answer.status()),
            }),
            _ => Ok(()),
        }
    }

    async fn mkcol(&self, folder: &str) -> Result<MadeFolder, Problem> {
        let method = Method::from_bytes(b"MKCOL").unwrap_or(Method::PUT);
        let request = self.request(method, &format!("{folder}/"));
        let answer = self.http.answer(request).await?;
        match answer.status().as_u16() {
            // 405: there is something already; 301 is what some servers say instead.
            200..=299 | 301 | 405 => Ok(MadeFolder::Is),
            404 | 409 => Ok(MadeFolder::ParentMissing),
            _ => Err(self.http.problem(answer).await),
        }
    }

    /// Writes a file; `to` is what it is to be called in the end.
    async fn write(
        &self,
        path: &str,
        source: &Source,
        existing: Existing,
        to: &str,
    ) -> Result<Acknowledged, Problem> {
        self.make_folder(folder_of(path)).await?;
        let mut request = self
            .request(Method::PUT, path)
            .header(CONTENT_LENGTH, source.size)
            .header(CONTENT_TYPE, content_type(to));
        if let Some(mtime) = source.mtime.filter(|mtime| *mtime > 0) {
            // Nextcloud, ownCloud and rclone keep the date; others ignore this.
            request = request.header("X-OC-Mtime", mtime);
        }
        if existing == Existing::Refused {
            request = request.header(IF_NONE_MATCH, "*");
        }
        let answer = if source.is_small() {
            let bytes = source.whole().await?;
            self.http.answer(request.body(bytes)).await?
        } else {
            body::send(&self.http, request, source, 0).await?
        };
        match answer.status().as_u16() {
            200..=299 => Ok(Acknowledged {
                there: etag_of(&answer),
                checksum: None,
            }),
            412 if existing == Existing::Refused => Err(Problem::Taken {
                path: to.to_owned(),
            }),
            _ => Err(self.failed(answer).await),
        }
    }
}

#[async_trait]
impl Store for WebDav {
    async fn list(&self, folder: &str, wanted: &Wanted<'_>) -> Result<Vec<RemoteEntry>, Problem> {
        self.objects.list(folder, wanted).await
    }

    async fn put(
        &self,
        path: &str,
        source: &Source,
        owner: &Owner,
    ) -> Result<Acknowledged, Problem> {
        let ways = self.ways(folder_of(path), owner).await?;
        let Some(told) = ways.moves else {
            let existing = match ways.refuses {
                true => Existing::Refused,
                false => Existing::Replaced,
            };
            return self.write(path, source, existing, path).await;
        };
        let part = part_of(owner, path, source);
        let written = self.write(&part, source, Existing::Replaced, path).await?;
        match self.rename(&part, path, told).await? {
            Renamed::Is => Ok(Acknowledged {
                there: written.there.filter(|_| ways.keeps_etags),
                ..written
            }),
            Renamed::Taken => {
                // It goes again under another name.
                let _ = self.http.answer(self.request(Method::DELETE, &part)).await;
                let path = path.to_owned();
                Err(Problem::Taken { path })
            }
            Renamed::Never(answer) => Err(self.failed(answer).await),
        }
    }

    async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem> {
        self.objects.digest(path, most).await
    }

    async fn remove(&self, path: &str) -> Result<(), Problem> {
        self.objects.remove(path).await
    }

    async fn refuses(&self, folder: &str, owner: &Owner) -> Result<bool, Problem> {
        Ok(self.ways(folder, owner).await?.refuses)
    }

    async fn note(&self, path: &str, text: &'static str) -> Result<(), Problem> {
        self.make_folder(folder_of(path)).await?;
        let request = self.request(Method::PUT, path).body(text);
        let answer = self.http.answer(request).await?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(self.failed(answer).await),
        }
    }

    fn knows_folder(&self, folder: &str) {
        self.made().insert(folder.to_owned());
    }
}

fn etag_of(answer: &reqwest::Response) -> Option<String> {
    let etag = answer.headers().get("etag")?.to_str().ok()?;
    Some(etag.to_owned())
}

/// The form in which a server is told a file's new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DestinationForm {
    /// As a full address.
    Address,
    /// As a path only: behind a proxy that ends TLS, Apache believes that the full address belongs to another server.
    Path,
}

enum Renamed {
    Is,
    /// The name is already taken.
    Taken,
    /// The server cannot move files, or not now; with its answer.
    Never(reqwest::Response),
}

enum MadeFolder {
    Is,
    ParentMissing,
}
