//! Requests that carry a token, and answers that are read as a whole.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::access::Access;
use crate::digest::{Hasher, Sha256};
use crate::upload::http::Http;
use crate::upload::problem::Problem;

/// A service's API, with the authorisation to use it. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) http: Http,
    access: Access,
}

/// A service's answer, read completely.
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

    /// Sends a request with a token and returns the answer, whatever its status. If the service rejects the token,
    /// tries once more with a new one.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answer, Problem> {
        Answer::read(&self.http, self.respond(request).await?).await
    }

    /// Sends a request without a token, because its address already authorises it.
    pub(crate) async fn ask_openly(&self, request: RequestBuilder) -> Result<Answer, Problem> {
        Answer::read(&self.http, self.http.answer(request).await?).await
    }

    /// Reads a file back; returns its size in bytes and its SHA-256.
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

    /// Parses the body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        // Not serde's error: it may repeat what it read.
        serde_json::from_slice(&self.body)
            .map_err(|_| Problem::other("the service returned an invalid response"))
    }

    /// Parses the body of a successful answer as JSON; any other answer is returned as a problem.
    pub(crate) fn success<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        match self.is_success() {
            true => self.json(),
            false => Err(self.problem()),
        }
    }

    /// Returns the problem that an unsuccessful answer means.
    pub(crate) fn problem(&self) -> Problem {
        Problem::of_answer(self.status, &self.headers, &self.body)
    }

    /// Returns the text of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
