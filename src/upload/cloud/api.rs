//! Requests that carry a token, and answers that are read as a whole.

use reqwest::header::AUTHORIZATION;
use reqwest::{RequestBuilder, Response, StatusCode};

use super::access::Authorization;
use crate::digest::{Hasher, Sha256};
use crate::upload::http::{Answer, Http};
use crate::upload::problem::Problem;

/// A service's API, with the authorisation to use it. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) http: Http,
    access: Authorization,
}

impl Api {
    pub(crate) fn new(http: Http, access: Authorization) -> Self {
        Self { http, access }
    }

    /// Sends a request with a token and returns the answer, whatever its status. If the service rejects the token,
    /// tries once more with a new one.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answer, Problem> {
        self.http.read(self.respond(request).await?).await
    }

    /// Sends a request without a token, because its address already authorises it.
    pub(crate) async fn ask_openly(&self, request: RequestBuilder) -> Result<Answer, Problem> {
        self.http.ask(request).await
    }

    /// Reads a file back; returns its size in bytes and its SHA-256.
    pub(crate) async fn digest(
        &self,
        request: RequestBuilder,
        most: u64,
    ) -> Result<(u64, Sha256), Problem> {
        let mut answer = self.respond(request).await?;
        if !answer.status().is_success() {
            return Err(self.http.problem(answer).await);
        }
        let (mut hasher, mut size) = (Hasher::default(), 0);
        loop {
            match self.http.piece(&mut answer).await? {
                Some(piece) if size <= most => {
                    hasher.update(&piece);
                    size += piece.len() as u64;
                }
                _ => return Ok((size, hasher.finish())),
            }
        }
    }

    async fn respond(&self, request: RequestBuilder) -> Result<Response, Problem> {
        let again = request.try_clone();
        let bearer = self.access.bearer().await?;
        let answer = self
            .http
            .answer(request.header(AUTHORIZATION, bearer.clone()))
            .await?;
        match again {
            Some(again) if answer.status() == StatusCode::UNAUTHORIZED => {
                self.access.refused(&bearer).await;
                let bearer = self.access.bearer().await?;
                self.http.answer(again.header(AUTHORIZATION, bearer)).await
            }
            _ => Ok(answer),
        }
    }
}
