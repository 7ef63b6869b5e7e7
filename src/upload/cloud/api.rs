//! Requests that carry a token, and answers that are read as a whole.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::access::Access;
use crate::digest::{Hasher, Sha256};
use crate::upload::http::Http;
use crate::upload::problem::Problem;

/// A service with the right to use it; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) http: Http,
    access: Access,
}

/// A service's answer, read as a whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Api {
    pub(crate) fn new(http: Http, access: Access) -> Self {
        Self { http, access }
    }

    /// Sends a request with a token; a token that is refused is replaced once. Any answer is one.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answer, Problem> {
        Answer::read(&self.http, self.respond(request).await?).await
    }

    /// Sends a request that needs no token: its address is one.
    pub(crate) async fn ask_openly(&self, request: RequestBuilder) -> Result<Answer, Problem> {
        Answer::read(&self.http, self.http.answer(request).await?).await
    }

    /// Reads a file back: its size and SHA-256.
    pub(crate) async fn digest(
        &self,
        request: RequestBuilder,
        most: u64,
    ) -> Result<(u64, Sha256), Problem> {
        let mut answer = self.respond(request).await?;
        if !answer.status().is_success() {
            return Err(Answer::read(&self.http, answer).await?.problem());
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

impl Answer {
    async fn read(http: &Http, answer: Response) -> Result<Self, Problem> {
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok(Self {
            status,
            headers,
            body: http.body(answer).await?,
        })
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        // Not serde's error: it may repeat what it read.
        serde_json::from_slice(&self.body)
            .map_err(|_| Problem::other("the service returned an invalid response"))
    }

    /// The body of a success as JSON; anything else is a problem.
    pub(crate) fn success<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        match self.is_success() {
            true => self.json(),
            false => Err(self.problem()),
        }
    }

    /// What an answer that is no success means.
    pub(crate) fn problem(&self) -> Problem {
        Problem::of_answer(self.status, &self.headers, &self.body)
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
