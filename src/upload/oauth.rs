//! OAuth 2.0 for installed programs (RFC 8252): the user's own client ID, a redirect to this computer, PKCE and
//! state.
//!
//! In: which [`Service`], and a client ID. Out: a [`Grant`] from [`sign_in`], which is stored as the remote's secret,
//! and from it [`Tokens`]: access tokens that are renewed before they expire.
//!
//! The client secret of an installed program is not a real secret, but is treated as one here. Redirects are not
//! followed: they would carry secrets elsewhere.

pub(crate) mod sign_in;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicTokenResponse};
use oauth2::{
    AuthType, AuthUrl, ClientId, ClientSecret, EndpointNotSet, EndpointSet, RefreshToken,
    RequestTokenError, TokenResponse as _, TokenUrl,
};
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::hidden::Hidden;
use super::http::Http;
use super::problem::{Problem, code_of};
use super::secret::Secret;
use crate::error::Error;

/// How long an access token is taken to live when the service does not say.
const USUAL_LIFE: Duration = Duration::from_secs(3600);
/// Access tokens are renewed so long before they end, or a tenth of their life before.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// The longest token that is believed, in bytes; Microsoft's have some 2,000.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The facts needed to sign in to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    /// The service's name, for messages.
    pub name: &'static str,
    /// The address of the page where the user gives consent.
    pub authorize_url: String,
    /// The address that exchanges codes and refresh tokens for access tokens.
    pub token_url: String,
    /// The permissions to ask for.
    pub scopes: Vec<&'static str>,
    /// Whether the answer must contain each of [`Service::scopes`], spelt the same way. Google lets the user tick them
    /// one by one.
    pub all_scopes: bool,
    /// Further parameters for the consent page, such as `access_type=offline`.
    pub extra: &'static [(&'static str, &'static str)],
    /// The host of the registered redirect address: `127.0.0.1` or `localhost`.
    pub redirect_host: &'static str,
    /// The port of the redirect address; 0 for any free port.
    pub redirect_port: u16,
    /// What the user can check if the service no longer accepts the sign-in.
    pub when_signed_out: &'static str,
}

/// Replacements for a service's addresses. For tests; no option sets them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    /// Replaces [`Service::authorize_url`].
    pub authorize: String,
    /// Replaces [`Service::token_url`].
    pub token: String,
}

impl Service {
    /// Returns the same service at other addresses.
    #[must_use]
    pub(crate) fn at(mut self, endpoints: Option<&Endpoints>) -> Self {
        if let Some(endpoints) = endpoints {
            self.authorize_url.clone_from(&endpoints.authorize);
            self.token_url.clone_from(&endpoints.token);
        }
        self
    }

    fn client(
        &self,
        id: &str,
        secret: Option<&Secret>,
    ) -> Result<
        BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>,
        Problem,
    > {
        let settings = |_| Problem::Settings {
            words: format!("the addresses of {} are invalid", self.name),
        };
        let mut client = BasicClient::new(ClientId::new(id.to_owned()));
        if let Some(secret) = secret {
            client = client.set_client_secret(ClientSecret::new(secret.reveal().to_owned()));
        }
        Ok(client
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(AuthUrl::new(self.authorize_url.clone()).map_err(settings)?)
            .set_token_uri(TokenUrl::new(self.token_url.clone()).map_err(settings)?))
    }
}

/// What the user granted. It is stored in place of a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The client secret, if the service issues one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// The token that is exchanged for access tokens.
    pub refresh_token: Secret,
}

impl Grant {
    /// Parses a grant stored as a remote's secret.
    pub(crate) fn from_secret(service: &Service, secret: Option<&Secret>) -> Result<Self, Problem> {
        let signed_out = |words: String| Problem::SignedOut {
            words,
            check: String::new(),
        };
        let secret = secret
            .ok_or_else(|| signed_out(format!("you have not signed in to {} yet", service.name)))?;
        // Not serde's error: it may repeat what it read.
        serde_json::from_str(secret.reveal())
            .map_err(|_| signed_out(format!("the stored sign-in to {} is invalid", service.name)))
    }

    /// Returns the grant in the form in which it is stored as a remote's secret.
    pub(crate) fn to_secret(&self) -> Secret {
        // Two strings always become JSON.
        Secret::new(serde_json::to_string(self).unwrap_or_default())
    }
}

/// A function that stores a remote's secret after the service has replaced it.
pub(crate) type Keep = Arc<dyn Fn(Secret) -> Result<(), Error> + Send + Sync>;

/// The access tokens of one remote. Clones are cheap.
#[derive(Clone)]
pub(crate) struct Tokens {
    shared: Arc<TokenKeeper>,
}

struct TokenKeeper {
    http: Http,
    service: Service,
    client_id: String,
    keep: Keep,
    /// The secrets that are removed from the service's messages.
    hidden: Hidden,
    state: tokio::sync::Mutex<SignedIn>,
}

struct SignedIn {
    grant: Grant,
    access: Option<AccessHeader>,
    /// Set once the service requires a new sign-in; no more requests are made then.
    ended: Option<Problem>,
}

struct AccessHeader {
    header: HeaderValue,
    renew: Instant,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.shared.service.name)
    }
}

impl Tokens {
    /// Creates the access tokens for a grant.
    pub(crate) fn new(
        service: Service,
        client_id: &str,
        grant: Grant,
        keep: Keep,
        hidden: Hidden,
    ) -> Result<Self, Problem> {
        hidden.note(grant.refresh_token.reveal());
        if let Some(secret) = &grant.client_secret {
            hidden.note(secret.reveal());
        }
        let http = Http::without_redirects(&super::http::host_of(&service.token_url), None)?;
        Ok(Self {
            shared: Arc::new(TokenKeeper {
                http,
                service,
                client_id: client_id.to_owned(),
                keep,
                hidden,
                state: tokio::sync::Mutex::new(SignedIn {
                    grant,
                    access: None,
                    ended: None,
                }),
            }),
        })
    }

    /// Returns the header value `Bearer ...` with a token that is valid for at least some minutes. Concurrent callers
    /// share one renewal request.
    pub(crate) async fn bearer(&self) -> Result<HeaderValue, Problem> {
        let mut state = self.shared.state.lock().await;
        if let Some(access) = &state.access
            && access.renew > Instant::now()
        {
            return Ok(access.header.clone());
        }
        if let Some(problem) = &state.ended {
            return Err(problem.clone());
        }
        // Boxed: the crate's futures hide from the compiler that they can be sent to other threads.
        let renewed: Pin<Box<dyn Future<Output = _> + Send + '_>> =
            Box::pin(self.shared.renew(&mut state));
        match renewed.await {
            Ok(header) => Ok(header),
            Err(problem) => {
                if matches!(problem, Problem::SignedOut { .. }) {
                    state.ended = Some(problem.clone());
                }
                Err(problem)
            }
        }
    }

    /// Adds a secret that is removed from the service's messages.
    pub(super) fn hide(&self, secret: &str) {
        self.shared.hidden.note(secret);
    }

    /// Reports that the service rejected a token before it expired; the next one will be new.
    pub(crate) async fn refused(&self, header: &HeaderValue) {
        let mut state = self.shared.state.lock().await;
        let is_it = |access: &AccessHeader| access.header == *header;
        if state.access.as_ref().is_some_and(is_it) {
            state.access = None;
        }
    }
}

impl TokenKeeper {
    async fn renew(&self, state: &mut SignedIn) -> Result<HeaderValue, Problem> {
        let grant = &state.grant;
        let client = self
            .service
            .client(&self.client_id, grant.client_secret.as_ref())?;
        let refresh = RefreshToken::new(grant.refresh_token.reveal().to_owned());
        let asked = Instant::now();
        let answer = client
            .exchange_refresh_token(&refresh)
            .request_async(&Exchange(self.http.clone()))
            .await
            .map_err(|error| self.service.judge(error))?;
        self.hidden.note(answer.access_token().secret());
        let header = header_of(&answer)?;
        let life = answer
            .expires_in()
            .unwrap_or(USUAL_LIFE)
            .min(USUAL_LIFE * 24);
        let access = AccessHeader {
            header: header.clone(),
            renew: asked + life - RENEW_BEFORE.min(life / 10),
        };
        if let Some(new) = answer.refresh_token()
            && new.secret() != state.grant.refresh_token.reveal()
        {
            state.grant.refresh_token = bounded(new.secret())?;
            self.hidden.note(new.secret());
            (self.keep)(state.grant.to_secret()).map_err(|error| Problem::Settings {
                words: format!("the new sign-in cannot be kept: {error}"),
            })?;
        }
        state.access = Some(access);
        Ok(header)
    }
}

type TokenFailure =
    RequestTokenError<Problem, oauth2::StandardErrorResponse<BasicErrorResponseType>>;

impl Service {
    /// Returns the problem when the service gave no token. Its own text is untrusted and is shortened.
    fn judge(&self, error: TokenFailure) -> Problem {
        match error {
            RequestTokenError::Request(problem) => problem,
            RequestTokenError::ServerResponse(answer) => {
                let code = word(answer.error().as_ref());
                match answer.error() {
                    BasicErrorResponseType::InvalidGrant => Problem::SignedOut {
                        words: format!(
                            "{} no longer accepts the sign-in: it has expired or was withdrawn ({code})",
                            self.name
                        ),
                        check: self.when_signed_out.to_owned(),
                    },
                    BasicErrorResponseType::InvalidClient
                    | BasicErrorResponseType::UnauthorizedClient => Problem::Denied {
                        words: format!(
                            "{} does not know this client ID with this client secret: {code}",
                            self.name
                        ),
                    },
                    _ => Problem::Denied { words: code },
                }
            }
            // No file is to blame: when it goes on, the run ends.
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => Problem::Busy {
                after: None,
                words: format!("{} returned an invalid token response", self.name),
            },
        }
    }
}

/// An OAuth error code, if it looks like one: `access_denied`.
fn word(text: &str) -> String {
    let code = code_of(text).filter(|code| !code.bytes().any(|byte| byte.is_ascii_uppercase()));
    code.unwrap_or_else(|| "with a code of its own".to_owned())
}

fn header_of(answer: &BasicTokenResponse) -> Result<HeaderValue, Problem> {
    let token = bounded(answer.access_token().secret())?;
    let mut header = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
        .map_err(|_| Problem::other("the service's token contains invalid characters"))?;
    header.set_sensitive(true);
    Ok(header)
}

fn bounded(token: &str) -> Result<Secret, Problem> {
    match token.len() {
        1..=MAX_TOKEN_BYTES => Ok(Secret::new(token)),
        _ => Err(Problem::other("the service's token is empty or too long")),
    }
}

/// The crate's requests, with our client and our limits.
struct Exchange(Http);

impl<'c> oauth2::AsyncHttpClient<'c> for Exchange {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, Problem>> + Send + 'c>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(exchange(&self.0, request))
    }
}

async fn exchange(
    http: &Http,
    request: oauth2::HttpRequest,
) -> Result<oauth2::HttpResponse, Problem> {
    let request = reqwest::Request::try_from(request).map_err(|_| Problem::Settings {
        words: "the service's address is invalid".to_owned(),
    })?;
    let builder = reqwest::RequestBuilder::from_parts(http.client().clone(), request);
    let answer = http.answer(builder).await?;
    let status = answer.status();
    if status.is_server_error() || status.is_redirection() || status.as_u16() == 429 {
        // Nothing of its words: what was sent there are secrets only.
        return Err(Problem::of_answer(status, answer.headers(), b""));
    }
    let headers = answer.headers().clone();
    let body = http.body(answer).await?.to_vec();
    let mut answer = http::Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}
