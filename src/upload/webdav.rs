//! Kind `webdav`: WebDAV servers, among them Nextcloud and ownCloud.
//!
//! OpenDAL lists, reads and removes. Files are sent here: OpenDAL's WebDAV holds a whole file in
//! memory, and asks for the parent folders again with each.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

use super::body;
use super::http::Http;
use super::problem::Problem;
use super::source::Source;
use super::{Acknowledged, folder_of};

/// Sends files to a WebDAV server; cheap to clone.
#[derive(Debug, Clone)]
pub struct WebDavSender {
    http: Http,
    /// Without a slash at the end.
    base: String,
    authorization: Option<HeaderValue>,
    /// Folders that are known to be there.
    made: Arc<Mutex<HashSet<String>>>,
    /// Held while a folder is made: Apache answers 403 when two requests make the same one.
    making: Arc<tokio::sync::Mutex<()>>,
}

impl WebDavSender {
    /// Sends below an address.
    pub fn new(http: Http, base: &str, authorization: Option<HeaderValue>) -> Self {
        Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
            authorization,
            made: Arc::default(),
            making: Arc::default(),
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let address = format!("{}/{}", self.base, encoded(path));
        let request = self.http.client().request(method, address);
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    /// Notes that a folder is there.
    pub fn knows_folder(&self, folder: &str) {
        self.made().insert(folder.to_owned());
    }

    /// Forgets which folders are there: the server may have been set up anew.
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
                Made::Is => {
                    self.knows_folder(next);
                    break;
                }
                Made::ParentMissing => {
                    missing.push(next);
                    next = folder_of(next);
                }
            }
        }
        for folder in missing.into_iter().rev() {
            match self.mkcol(folder).await? {
                Made::Is => self.knows_folder(folder),
                Made::ParentMissing => {
                    return Err(Problem::other(format!(
                        "the folder {folder} cannot be made"
                    )));
                }
            }
        }
        Ok(())
    }

    async fn mkcol(&self, folder: &str) -> Result<Made, Problem> {
        let method = Method::from_bytes(b"MKCOL").unwrap_or(Method::PUT);
        let request = self.request(method, &format!("{folder}/"));
        let answer = self.http.answer(request).await?;
        match answer.status().as_u16() {
            // 405: there is something already; 301 is what some servers say instead.
            200..=299 | 301 | 405 => Ok(Made::Is),
            404 | 409 => Ok(Made::ParentMissing),
            _ => Err(self.http.problem(answer).await),
        }
    }

    /// Sends a file.
    pub async fn put(&self, path: &str, source: &Source) -> Result<Acknowledged, Problem> {
        self.make_folder(folder_of(path)).await?;
        let mut request = self
            .request(Method::PUT, path)
            .header(CONTENT_LENGTH, source.size)
            .header(CONTENT_TYPE, super::content_type(path));
        if let Some(mtime) = source.mtime.filter(|mtime| *mtime > 0) {
            // Nextcloud, ownCloud and rclone keep the date; others ignore this.
            request = request.header("X-OC-Mtime", mtime);
        }
        let answer = if source.is_small() {
            let bytes = source.whole().await?;
            self.http.answer(request.body(bytes)).await?
        } else {
            body::send(&self.http, request, source, 0).await?
        };
        match answer.status().as_u16() {
            200..=299 => Ok(Acknowledged {
                there: answer
                    .headers()
                    .get("etag")
                    .and_then(|etag| etag.to_str().ok())
                    .map(str::to_owned),
                checksum: None,
            }),
            404 | 409 => {
                self.forget_folders();
                Err(Problem::Other {
                    words: "the folder on the server is gone".to_owned(),
                    passing: true,
                })
            }
            _ => Err(self.http.problem(answer).await),
        }
    }
}

enum Made {
    Is,
    ParentMissing,
}

/// A path as it stands in an address.
pub(super) fn encoded(path: &str) -> String {
    use std::fmt::Write as _;
    let mut address = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                address.push(char::from(byte));
            }
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(address, "%{byte:02X}");
            }
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_for_addresses() {
        assert_eq!(encoded("a b/ü#?.jpg"), "a%20b/%C3%BC%23%3F.jpg");
    }
}
