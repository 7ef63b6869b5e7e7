//! The access token of a service, renewed before it expires.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderValue;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use serde::Deserialize;
use tokio::time::Instant;

use crate::digest::Sha256;
use crate::upload::hidden::Hidden;
use crate::upload::http::{Http, host_of};
use crate::upload::oauth::Tokens;
use crate::upload::problem::Problem;
use crate::upload::secret::Secret;

/// What stands before a SHA-256 value in a signature (RFC 8017, section 9.2).
const SHA256_PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
/// How long before its end a token is renewed.
const EARLY: Duration = Duration::from_secs(300);
/// How long an assertion is good, in seconds: the most that Google allows.
const ASSERTION_LIFE: i64 = 3600;

/// The authorisation to use a service. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) enum Authorization {
    /// A Google service account.
    Account(Arc<ServiceAccount>),
    /// The tokens of a user who has signed in.
    Tokens(Tokens),
}

impl Authorization {
    /// Returns the header value `Bearer ...` with a token that is valid for at least some minutes.
    pub(crate) async fn bearer(&self) -> Result<HeaderValue, Problem> {
        match self {
            Self::Account(account) => account.bearer().await,
            Self::Tokens(tokens) => tokens.bearer().await,
        }
    }

    /// Reports that the service rejected a token before it expired; the next one will be new.
    pub(crate) async fn refused(&self, bearer: &HeaderValue) {
        match self {
            Self::Account(account) => account.refused(bearer).await,
            Self::Tokens(tokens) => tokens.refused(bearer).await,
        }
    }
}

/// A service account, which signs its own requests for tokens with its key (RFC 7523).
pub(crate) struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    key: RsaPrivateKey,
    token_uri: String,
    http: Http,
    hidden: Hidden,
    token: tokio::sync::Mutex<Option<(HeaderValue, Instant)>>,
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceAccount({})", self.email)
    }
}

#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: String,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

impl ServiceAccount {
    /// Parses the JSON key file that Google Cloud provides.
    pub(crate) fn read(secret: Option<&Secret>, hidden: Hidden) -> Result<Self, Problem> {
        let settings = |words: &str| Problem::Settings {
            words: words.to_owned(),
        };
        let secret = secret.ok_or_else(|| settings("the service account's key is missing"))?;
        // Not the errors themselves: they may repeat what was read.
        let file: KeyFile = serde_json::from_str(secret.reveal())
            .map_err(|_| settings("the secret is not the JSON file of a service account's key"))?;
        let key = RsaPrivateKey::from_pkcs8_pem(&file.private_key)
            .map_err(|_| settings("the service account's private key cannot be read"))?;
        Ok(Self {
            http: Http::without_redirects(&host_of(&file.token_uri), None)?,
            email: file.client_email,
            key_id: file.private_key_id,
            key,
            token_uri: file.token_uri,
            hidden,
            token: tokio::sync::Mutex::default(),
        })
    }

    async fn bearer(&self) -> Result<HeaderValue, Problem> {
        let mut token = self.token.lock().await;
        if let Some((header, until)) = &*token
            && *until > Instant::now()
        {
            return Ok(header.clone());
        }
        let now = Instant::now();
        let granted = self.ask().await?;
        self.hidden.note(&granted.access_token);
        let mut header = HeaderValue::from_str(&format!("Bearer {}", granted.access_token))
            .map_err(|_| Problem::other("the service's token contains invalid characters"))?;
        header.set_sensitive(true);
        let life = Duration::from_secs(granted.expires_in.unwrap_or(3600).min(24 * 3600));
        *token = Some((header.clone(), now + life.saturating_sub(EARLY)));
        Ok(header)
    }

    async fn refused(&self, bearer: &HeaderValue) {
        let mut token = self.token.lock().await;
        if token.as_ref().is_some_and(|(known, _)| known == bearer) {
            *token = None;
        }
    }

    async fn ask(&self) -> Result<Granted, Problem> {
        let assertion = self.assertion(chrono::Utc::now().timestamp())?;
        // Nothing in it needs an escape: base64 for addresses, and full stops.
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let body = format!("grant_type={grant}&assertion={assertion}");
        let request = self
            .http
            .client()
            .post(&self.token_uri)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = self.http.answer(request).await?;
        let status = answer.status();
        if status.is_success() {
            let body = self.http.body(answer).await?;
            return serde_json::from_slice(&body)
                .map_err(|_| Problem::other("the service returned an invalid token response"));
        }
        match (status.as_u16(), self.http.problem(answer).await) {
            // `invalid_grant`: the key was deleted, or the clock is wrong.
            (400, Problem::Other { words, .. }) => Err(Problem::Denied { words }),
            (_, problem) => Err(problem),
        }
    }

    fn assertion(&self, now: i64) -> Result<String, Problem> {
        let mut header = serde_json::json!({ "alg": "RS256", "typ": "JWT" });
        if let (Some(id), Some(header)) = (&self.key_id, header.as_object_mut()) {
            header.insert("kid".to_owned(), id.clone().into());
        }
        let claims = serde_json::json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + ASSERTION_LIFE,
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let padding = Pkcs1v15Sign {
            hash_len: Some(32),
            prefix: Box::new(SHA256_PREFIX),
        };
        let signature = self
            .key
            .sign(padding, &Sha256::of(signed.as_bytes()).0)
            .map_err(|_| Problem::Settings {
                words: "the service account's private key cannot sign".to_owned(),
            })?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsa::RsaPublicKey;
    use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};

    #[test]
    fn assertion_says_who_asks_and_is_signed() {
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).unwrap();
        let file = serde_json::json!({
            "client_email": "ada@example.iam.gserviceaccount.com",
            "private_key": key.to_pkcs8_pem(LineEnding::LF).unwrap().as_str(),
            "private_key_id": "17",
            "token_uri": "https://oauth2.example/token",
        });
        let account =
            ServiceAccount::read(Some(&Secret::new(file.to_string())), Hidden::default()).unwrap();
        let assertion = account.assertion(1_700_000_000).unwrap();
        let parts: Vec<_> = assertion.split('.').collect();
        let read = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(read(parts[0])["alg"], "RS256");
        assert_eq!(read(parts[0])["kid"], "17");
        let claims = read(parts[1]);
        assert_eq!(claims["iss"], "ada@example.iam.gserviceaccount.com");
        assert_eq!(claims["aud"], "https://oauth2.example/token");
        assert_eq!(claims["exp"], 1_700_003_600);
        let padding = Pkcs1v15Sign {
            hash_len: Some(32),
            prefix: Box::new(SHA256_PREFIX),
        };
        let signed = format!("{}.{}", parts[0], parts[1]);
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        let verified =
            RsaPublicKey::from(&key).verify(padding, &Sha256::of(signed.as_bytes()).0, &signature);
        assert_eq!(verified, Ok(()));
    }

    #[test]
    fn what_is_no_key_file_is_said_without_repeating_it() {
        for text in ["hunter2", r#"{"client_email":"hunter2"}"#] {
            let problem =
                ServiceAccount::read(Some(&Secret::new(text)), Hidden::default()).unwrap_err();
            assert!(!problem.to_string().contains("hunter2"), "{problem}");
        }
    }
}
