//! From settings to a remote that is ready to work.

use std::sync::Arc;

use opendal::{HttpTransporter, OperationContext, Operator, services};
use reqwest::header::HeaderValue;

use super::Remote;
use super::folder::LocalFolder;
use super::google_photos::{self, GooglePhotos};
use super::http::{Http, host_of};
use super::immich::Immich;
use super::oauth::{Grant, Tokens};
use super::objects::Objects;
use super::paths::{Paths, Store};
use super::problem::Problem;
use super::rules::Rules;
use super::secret::Secret;
use super::settings::{Kind, RemoteSettings, Settings};
use super::sftp::{Login, Sftp};
use super::webdav::WebDavSender;

/// The longest path of most services, in bytes.
const USUAL_PATH_BYTES: usize = 1000;

/// Makes a remote ready; nothing is asked of the service yet. A sign-in that the service renews is
/// kept under the remote's name.
pub fn connect(name: &str, settings: &RemoteSettings) -> Result<Remote, Problem> {
    let secret = settings.secret.as_ref();
    let (store, rules) = match &settings.kind {
        Kind::Folder { path } => (Store::Folder(LocalFolder::new(path)), Rules::default()),
        Kind::WebDav {
            url,
            user,
            certificates,
        } => {
            let http = Http::new(&host_of(url), certificates.as_deref())?;
            let mut builder = services::Webdav::default().endpoint(url.trim_end_matches('/'));
            let mut authorization = None;
            if let Some(user) = user {
                let password = secret.map(Secret::reveal).unwrap_or_default();
                builder = builder.username(user).password(password);
                authorization = Some(basic(user, password)?);
            }
            let sender = WebDavSender::new(http.clone(), url, authorization);
            let objects = Objects::new(operator(builder, &http)?);
            (Store::WebDav(sender, objects), usual_rules())
        }
        Kind::S3 {
            bucket,
            endpoint,
            region,
            access_key_id,
            path,
            certificates,
        } => {
            let endpoint = endpoint.as_deref().unwrap_or("https://s3.amazonaws.com");
            let http = Http::new(&host_of(endpoint), certificates.as_deref())?;
            let builder = services::S3::default()
                .bucket(bucket)
                .endpoint(endpoint)
                .region(region)
                .access_key_id(access_key_id)
                .secret_access_key(secret.map(Secret::reveal).unwrap_or_default())
                .root(path)
                .checksum_algorithm("crc32c")
                .disable_config_load()
                .disable_ec2_metadata();
            let rules = Rules {
                max_file_bytes: Some(5 * 1024 * 1024 * 1024 * 1024),
                max_path_bytes: Some(1024 - path.len().min(512) - 2),
                ..Rules::default()
            };
            (
                Store::Objects(Objects::new(operator(builder, &http)?)),
                rules,
            )
        }
        Kind::Sftp {
            host,
            port,
            user,
            path,
            key_file,
            host_key,
        } => {
            let login = Login {
                host: host.clone(),
                port: *port,
                user: user.clone(),
                secret: secret.cloned(),
                key_file: key_file.clone(),
                host_key: host_key.clone(),
            };
            (Store::Sftp(Sftp::new(login, path)), usual_rules())
        }
        Kind::Immich { url, certificates } => {
            let http = Http::without_redirects(&host_of(url), certificates.as_deref())?;
            let key = secret.map(Secret::reveal).unwrap_or_default();
            return Ok(Remote::Immich(Immich::new(http, url, key)?));
        }
        Kind::GooglePhotos { address, .. } => {
            let tokens = tokens(name, settings)?;
            let address = address.as_deref().unwrap_or(google_photos::API);
            return GooglePhotos::new(address, tokens).map(Remote::GooglePhotos);
        }
    };
    Ok(Remote::Paths(Paths::new(store, rules)))
}

/// The access tokens of a remote that a person signed in to.
fn tokens(name: &str, settings: &RemoteSettings) -> Result<Tokens, Problem> {
    let (service, client_id) = settings.kind.sign_in().ok_or_else(|| Problem::Settings {
        words: "nobody signs in to a remote of this kind".to_owned(),
    })?;
    let grant = Grant::from_secret(&service, settings.secret.as_ref())?;
    let name = name.to_owned();
    let keep = Arc::new(move |secret| Settings::load()?.set_secret(&name, secret));
    Tokens::new(service, client_id, grant, keep)
}

fn usual_rules() -> Rules {
    Rules {
        max_path_bytes: Some(USUAL_PATH_BYTES),
        ..Rules::default()
    }
}

fn operator(builder: impl opendal::Builder, http: &Http) -> Result<Operator, Problem> {
    let operator = Operator::new(builder).map_err(|e| Problem::of_opendal(&e))?;
    let transport = HttpTransporter::new(http.transport());
    Ok(operator.with_context(OperationContext::new().with_http_transport(transport)))
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
