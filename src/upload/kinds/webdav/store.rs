//! The folder on a WebDAV server that files are sent to.

mod ways;

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH};

use self::ways::{Renamed, Ways};
use crate::digest::Sha256;
use crate::upload::http::{Http, is_web_page};
use crate::upload::objects::Objects;
use crate::upload::owner::Owner;
use crate::upload::parts::part_of;
use crate::upload::paths::Store;
use crate::upload::percent::encoded;
use crate::upload::problem::Problem;
use crate::upload::source::Source;
use crate::upload::{Acknowledged, RemoteEntry, Wanted, body, content_type, folder_of};

/// A folder on a WebDAV server.
#[derive(Debug)]
pub(super) struct WebDav {
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
    pub(super) fn new(
        http: Http,
        base: &str,
        authorization: Option<HeaderValue>,
        objects: Objects,
    ) -> Self {
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

    fn made(&self) -> MutexGuard<'_, HashSet<String>> {
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
            200..=299 if is_web_page(answer.headers()) => Err(Problem::NoWebDav {
                words: format!("HTTP {}, with a web page", answer.status().as_u16()),
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
        match self.objects.remove(path).await {
            // A web site may answer every request with its page.
            Err(problem @ Problem::Other { .. }) => {
                self.look_for_base().await?;
                Err(problem)
            }
            removed => removed,
        }
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

enum MadeFolder {
    Is,
    ParentMissing,
}
