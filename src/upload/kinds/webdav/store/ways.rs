//! The ways of a WebDAV server: whether it moves files, and whether it refuses to overwrite one.

use reqwest::Method;
use reqwest::header::IF_NONE_MATCH;

use super::{Existing, WebDav, etag_of};
use crate::upload::owner::Owner;
use crate::upload::problem::Problem;

/// How a server handles requests that could overwrite a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ways {
    /// The form in which a move's destination must be written; `None` if the server cannot move files.
    pub(super) moves: Option<DestinationForm>,
    /// Whether the server can be asked not to overwrite a file: with a move or, if it has none, when writing the file
    /// itself.
    pub(super) refuses: bool,
    /// Whether a file keeps the ETag that it got when it was written.
    pub(super) keeps_etags: bool,
}

/// The form in which a server is told a file's new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DestinationForm {
    /// As a full address.
    Address,
    /// As a path only: behind a proxy that ends TLS, Apache believes that the full address belongs to another server.
    Path,
}

/// What became of a move.
pub(super) enum Renamed {
    Is,
    /// The name is already taken.
    Taken,
    /// The server cannot move files, or not now; with its answer.
    Never(reqwest::Response),
}

impl WebDav {
    /// Returns how the server handles requests that could overwrite a file. Tests it once, with tiny files in a folder
    /// that files are sent to.
    pub(super) async fn ways(&self, folder: &str, owner: &Owner) -> Result<Ways, Problem> {
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
    pub(super) async fn rename(
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
}
