//! The sign-in itself: a link for the user's browser, and the answer that returns to this computer.
//!
//! The answer comes to a port of 127.0.0.1, or is pasted by the user if the browser is on another computer. Either
//! must carry the state that was sent with the link.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use oauth2::{
    AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    TokenResponse as _,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Exchange, Grant, Service, bounded, word};
use crate::upload::http::{Http, host_of};
use crate::upload::problem::Problem;
use crate::upload::secret::Secret;

/// The longest request that a browser may make to us, in bytes.
const MAX_REQUEST_BYTES: usize = 16 * 1024;
/// How long it may take to make it; browsers open connections that they do not use at once.
const MAX_REQUEST_TIME: Duration = Duration::from_secs(60);
/// Connections at once.
const MAX_CONNECTIONS: usize = 32;

/// The reason why a sign-in failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// The user or the service refused.
    #[error("access to {service} was not granted ({code})")]
    Refused {
        /// The service's name.
        service: &'static str,
        /// The service's error code, such as `access_denied`.
        code: String,
    },
    /// The user granted fewer permissions than are needed.
    #[error("{service} granted only a part of what is needed")]
    ScopeMissing {
        /// The service's name.
        service: &'static str,
    },
    /// An answer arrived that belongs to another sign-in or is forged.
    #[error("an answer came back that does not belong to this sign-in (its state differs)")]
    WrongState,
    /// The pasted text is not an answer.
    #[error("the pasted text is not the address that the browser ended at")]
    NotAnAnswer,
    /// The service sent no refresh token.
    #[error("{service} gave access for an hour only, with no refresh token")]
    NoRefreshToken {
        /// The service's name.
        service: &'static str,
    },
    /// This computer provides no port to listen on.
    #[error("cannot listen at {address} for the browser's answer: {error}")]
    Listen {
        address: String,
        error: std::io::Error,
    },
    /// The request to the service failed or was answered unexpectedly.
    #[error(transparent)]
    Problem(#[from] Problem),
}

/// A sign-in that waits for the user.
pub(crate) struct SignIn {
    service: Service,
    client_id: String,
    client_secret: Option<Secret>,
    listener: TcpListener,
    redirect: RedirectUrl,
    link: String,
    state: CsrfToken,
    verifier: PkceCodeVerifier,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignIn({})", self.service.name)
    }
}

impl SignIn {
    /// Starts to listen for the answer and creates the link.
    pub(crate) async fn begin(
        service: Service,
        client_id: &str,
        client_secret: Option<Secret>,
    ) -> Result<Self, SignInError> {
        // Never another address than the loopback one, whatever `localhost` means here.
        let address = format!("127.0.0.1:{}", service.redirect_port);
        let listen = |error| SignInError::Listen {
            address: address.clone(),
            error,
        };
        let listener = TcpListener::bind(&address).await.map_err(listen)?;
        let port = listener.local_addr().map_err(listen)?.port();
        let redirect = RedirectUrl::new(format!("http://{}:{port}/", service.redirect_host))
            .map_err(|_| Problem::Settings {
                words: "the address for the browser's answer is invalid".to_owned(),
            })?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = service
            .client(client_id, client_secret.as_ref())?
            .set_redirect_uri(redirect.clone());
        let mut request = client
            .authorize_url(CsrfToken::new_random)
            .set_pkce_challenge(challenge);
        for scope in &service.scopes {
            request = request.add_scope(Scope::new((*scope).to_owned()));
        }
        for (name, value) in service.extra {
            request = request.add_extra_param(*name, *value);
        }
        let (link, state) = request.url();
        Ok(Self {
            link: link.to_string(),
            client_id: client_id.to_owned(),
            client_secret,
            service,
            listener,
            redirect,
            state,
            verifier,
        })
    }

    /// Returns the link that the user has to open.
    pub(crate) fn link(&self) -> &str {
        &self.link
    }

    /// Waits without limit for the user, and then fetches the grant. `pasted` yields the address at which the browser
    /// ended, if the user enters it by hand.
    pub(crate) async fn finish(
        self,
        pasted: impl Future<Output = String>,
    ) -> Result<Grant, SignInError> {
        let code = tokio::select! {
            answer = answers(&self.listener, self.state.secret()) => answer,
            address = pasted => {
                let query = address.trim().split_once('?').map(|(_, query)| query);
                query
                    .and_then(|query| read_answer(query, self.state.secret()))
                    .ok_or(SignInError::NotAnAnswer)?
            }
        };
        let code = match code {
            Redirected::Code(code) => code,
            Redirected::WrongState => return Err(SignInError::WrongState),
            Redirected::Error(code) => {
                return Err(SignInError::Refused {
                    service: self.service.name,
                    code,
                });
            }
        };
        let http = Http::without_redirects(&host_of(&self.service.token_url), None)?;
        let client = self
            .service
            .client(&self.client_id, self.client_secret.as_ref())?
            .set_redirect_uri(self.redirect);
        let answer = client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(self.verifier)
            .request_async(&Exchange(http))
            .await
            .map_err(|error| self.service.judge(error))?;
        let service = self.service.name;
        if self.service.all_scopes
            && let Some(granted) = answer.scopes()
        {
            let is_granted = |scope: &&str| granted.iter().any(|it| it.as_str() == *scope);
            if !self.service.scopes.iter().all(is_granted) {
                return Err(SignInError::ScopeMissing { service });
            }
        }
        let refresh = answer
            .refresh_token()
            .ok_or(SignInError::NoRefreshToken { service })?;
        Ok(Grant {
            client_secret: self.client_secret,
            refresh_token: bounded(refresh.secret())?,
        })
    }
}

/// The answer of the consent page.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Redirected {
    Code(String),
    Error(String),
    WrongState,
}

/// Returns the first request to the listener that is an answer.
async fn answers(listener: &TcpListener, state: &str) -> Redirected {
    let state: Arc<str> = state.into();
    let (sender, mut receiver) = mpsc::channel(1);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(answer) = receiver.recv() => {
                // The browser still has to get its page.
                let last = async { while connections.join_next().await.is_some() {} };
                let _ = tokio::time::timeout(Duration::from_millis(300), last).await;
                return answer;
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                match accepted {
                    Ok((stream, _)) => {
                        let (state, sender) = (Arc::clone(&state), sender.clone());
                        connections.spawn(async move {
                            let served = serve(stream, &state, &sender);
                            let _ = tokio::time::timeout(MAX_REQUEST_TIME, served).await;
                        });
                    }
                    // No file descriptors left, perhaps: not at full speed.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, state: &str, sender: &mpsc::Sender<Redirected>) {
    let service = service_fn(async |request: Request<Incoming>| {
        let is_redirect = request.method() == Method::GET && request.uri().path() == "/";
        let query = request.uri().query().filter(|_| is_redirect);
        let answer = query.and_then(|query| read_answer(query, state));
        let response = page(answer.as_ref());
        if let Some(answer) = answer {
            // One answer is enough; the channel is full when there is one.
            let _ = sender.try_send(answer);
        }
        Ok::<_, Infallible>(response)
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_REQUEST_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a browser's connection ended");
    }
}

/// The page that the browser shows. Nothing of what came in goes out again.
fn page(answer: Option<&Redirected>) -> Response<Full<Bytes>> {
    let (status, words) = match answer {
        Some(Redirected::Code(_)) => (
            StatusCode::OK,
            "Thank you. rescue has the answer; you can close this page.",
        ),
        Some(Redirected::Error(_)) => (
            StatusCode::OK,
            "Access was not granted. rescue has stopped; you can close this page.",
        ),
        Some(Redirected::WrongState) => (
            StatusCode::BAD_REQUEST,
            "This answer does not belong to the sign-in that is under way. rescue has stopped it.",
        ),
        None => (StatusCode::NOT_FOUND, "Nothing is here."),
    };
    let page = format!("<!doctype html><meta charset=utf-8><title>rescue</title><p>{words}</p>");
    let mut response = Response::new(Full::from(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Parses the query of the redirect; returns `None` if it is not an answer.
fn read_answer(query: &str, state: &str) -> Option<Redirected> {
    let query = query.split('#').next().unwrap_or_default();
    let url = reqwest::Url::parse(&format!("http://127.0.0.1/?{query}")).ok()?;
    let value = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    };
    let (code, error) = (value("code"), value("error"));
    if code.is_none() && error.is_none() {
        return None;
    }
    if value("state").as_deref() != Some(state) {
        return Some(Redirected::WrongState);
    }
    match (error, code) {
        (Some(error), _) => Some(Redirected::Error(word(&error))),
        (None, Some(code)) if !code.is_empty() => Some(Redirected::Code(code)),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests;
