//! Connects to a remote from its settings.

use std::sync::Arc;

use opendal::{HttpTransporter, OperationContext, Operator, services};
use reqwest::header::HeaderValue;

use super::cloud::Cloud;
use super::cloud::access::{Access, ServiceAccount};
use super::cloud::api::Api;
use super::cloud::drive::{self, Drive};
use super::cloud::dropbox::{self, Dropbox};
use super::cloud::gcs::{self, Gcs};
use super::cloud::onedrive::{self, OneDrive};
use super::cloud::sessions::Sessions;
use super::folder::LocalFolder;
use super::google_photos::{self, GooglePhotos};
use super::hidden::Hidden;
use super::http::{Http, host_of};
use super::immich::Immich;
use super::oauth::{Grant, Tokens};
use super::objects::{Condition, Objects};
use super::paths::{Paths, Store};
use super::problem::Problem;
use super::rules::Rules;
use super::secret::Secret;
use super::settings::{Kind, RemoteSettings, Settings};
use super::sftp::{Login, Sftp};
use super::webdav::WebDavSender;
use super::{Remote, RemoteKind};

/// The longest path of most services, in bytes.
const USUAL_PATH_BYTES: usize = 1000;

/// Creates a remote from its settings. Sends no request to the service. Renewed sign-ins are stored under the remote's
/// name.
pub(crate) fn connect(name: &str, settings: &RemoteSettings) -> Result<Remote, Problem> {
    let secret = settings.secret.as_ref();
    let hidden = Hidden::default();
    if let Some(secret) = secret {
        hidden.note(secret.reveal());
    }
    let (store, rules) = match &settings.kind {
        Kind::Folder { path } => (Store::Folder(LocalFolder::new(path)), Rules::default()),
        Kind::WebDav {
            url,
            user,
            certificates,
        } => {
            let http = Http::without_redirects(&host_of(url), certificates.as_deref())?;
            let mut builder = services::Webdav::default().endpoint(url.trim_end_matches('/'));
            let mut authorization = None;
            if let Some(user) = user {
                let password = secret.map(Secret::reveal).unwrap_or_default();
                hidden.note(&format!("{user}:{password}"));
                builder = builder.username(user).password(password);
                authorization = Some(basic(user, password)?);
            }
            let sender = WebDavSender::new(http.clone(), url, authorization);
            // Files are sent by ways of its own.
            let objects = Objects::new(operator(builder, &http)?, Condition::Untried);
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
            let condition = match endpoint {
                // Amazon's own heeds it since 2024; of its like some do, and some say that they did.
                None => Condition::Heeded,
                Some(_) => Condition::Untried,
            };
            let endpoint = endpoint.as_deref().unwrap_or("https://s3.amazonaws.com");
            let http = Http::without_redirects(&host_of(endpoint), certificates.as_deref())?;
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
            let store = Store::Objects(Objects::new(operator(builder, &http)?, condition));
            (store, bucket_rules(path))
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
            let immich = Immich::new(http, url, key)?;
            return Ok(Remote::new(RemoteKind::Immich(immich), hidden));
        }
        Kind::GooglePhotos { address, .. } => {
            let tokens = tokens(name, settings, &hidden)?;
            let address = address.as_deref().unwrap_or(google_photos::API);
            let photos = GooglePhotos::new(address, tokens)?;
            return Ok(Remote::new(RemoteKind::GooglePhotos(photos), hidden));
        }
        Kind::Azure(azure) => {
            let address = azure.address();
            let http = Http::without_redirects(&host_of(&address), azure.certificates.as_deref())?;
            let builder = services::Azblob::default()
                .container(&azure.container)
                .endpoint(&address)
                .account_name(&azure.account)
                .account_key(secret.map(Secret::reveal).unwrap_or_default())
                .root(&azure.path);
            let objects = Objects::new(operator(builder, &http)?, Condition::Heeded);
            (Store::Objects(objects), bucket_rules(&azure.path))
        }
        Kind::Gcs(bucket) => {
            let endpoint = bucket.endpoint.as_deref().unwrap_or(gcs::ENDPOINT);
            let http = Http::without_redirects(&host_of(endpoint), bucket.certificates.as_deref())?;
            let account = ServiceAccount::read(secret, hidden.clone())?;
            let gcs = Gcs::new(
                Api::new(http, Access::Account(Arc::new(account))),
                sessions(&settings.kind),
                (endpoint, &bucket.bucket, &bucket.path),
            );
            (Store::Cloud(Cloud::Gcs(gcs)), bucket_rules(&bucket.path))
        }
        Kind::B2(bucket) => {
            let http = Http::without_redirects(
                &host_of(&bucket.endpoint),
                bucket.certificates.as_deref(),
            )?;
            // No checksum headers: B2's S3 side has refused those that Amazon added.
            let builder = services::S3::default()
                .bucket(&bucket.bucket)
                .endpoint(&bucket.endpoint)
                .region(bucket.region())
                .access_key_id(&bucket.key_id)
                .secret_access_key(secret.map(Secret::reveal).unwrap_or_default())
                .root(&bucket.path)
                .disable_config_load()
                .disable_ec2_metadata();
            // B2 answers 501 to a condition.
            let objects = Objects::new(operator(builder, &http)?, Condition::Unknown);
            let store = Store::Objects(objects);
            (store, bucket_rules(&bucket.path))
        }
        Kind::GoogleDrive(drive) => {
            let address = drive.address.as_deref().unwrap_or(drive::ENDPOINT);
            let api = signed_in(name, settings, &hidden, address)?;
            let drive = Drive::new(api, sessions(&settings.kind), address, &drive.path);
            let rules = Rules {
                max_file_bytes: Some(5 * 1024 * 1024 * 1024 * 1024),
                ..usual_rules()
            };
            (Store::Cloud(Cloud::Drive(drive)), rules)
        }
        Kind::Dropbox(drive) => {
            let address = drive.address.as_deref();
            let addresses = (
                address.unwrap_or(dropbox::API),
                address.unwrap_or(dropbox::CONTENT),
            );
            let api = signed_in(name, settings, &hidden, addresses.0)?;
            let dropbox = Dropbox::new(api, sessions(&settings.kind), addresses, &drive.path);
            let rules = Rules {
                max_file_bytes: Some(350 * 1024 * 1024 * 1024),
                ..usual_rules()
            };
            (Store::Cloud(Cloud::Dropbox(dropbox)), rules)
        }
        Kind::OneDrive(drive) => {
            let address = drive.address.as_deref().unwrap_or(onedrive::ENDPOINT);
            let api = signed_in(name, settings, &hidden, address)?;
            let onedrive = OneDrive::new(api, sessions(&settings.kind), address, &drive.path);
            let rules = Rules {
                max_file_bytes: Some(250 * 1024 * 1024 * 1024),
                // 400 characters, which take up to three bytes each.
                max_path_bytes: Some(400 - drive.path.len().min(200) - 1),
                sharepoint: true,
                ..Rules::default()
            };
            (Store::Cloud(Cloud::OneDrive(onedrive)), rules)
        }
    };
    let paths = RemoteKind::Paths(Box::new(Paths::new(store, rules)));
    Ok(Remote::new(paths, hidden))
}

fn signed_in(
    name: &str,
    settings: &RemoteSettings,
    hidden: &Hidden,
    address: &str,
) -> Result<Api, Problem> {
    let tokens = tokens(name, settings, hidden)?;
    let http = Http::new(&host_of(address), None)?;
    Ok(Api::new(http, Access::Tokens(tokens)))
}

/// Returns the access tokens of a remote that the user has signed in to.
fn tokens(name: &str, settings: &RemoteSettings, hidden: &Hidden) -> Result<Tokens, Problem> {
    let (service, client_id) = settings.kind.sign_in().ok_or_else(|| Problem::Settings {
        words: "a remote of this kind has no sign-in".to_owned(),
    })?;
    let grant = Grant::from_secret(&service, settings.secret.as_ref())?;
    let name = name.to_owned();
    let keep = Arc::new(move |secret| Settings::load()?.set_secret(&name, secret));
    Tokens::new(service, client_id, grant, keep, hidden.clone())
}

fn usual_rules() -> Rules {
    Rules {
        max_path_bytes: Some(USUAL_PATH_BYTES),
        ..Rules::default()
    }
}

/// A key has 1,024 bytes, an object 5 TiB, at all of them.
fn bucket_rules(path: &str) -> Rules {
    Rules {
        max_file_bytes: Some(5 * 1024 * 1024 * 1024 * 1024),
        max_path_bytes: Some(1024 - path.len().min(512) - 2),
        ..Rules::default()
    }
}

/// Returns the store for the sessions of large files. Without a home folder, it lasts only for this run.
fn sessions(kind: &Kind) -> Sessions {
    let file = super::settings::folder().ok();
    Sessions::new(
        file.map(|folder| folder.join("sessions.json")),
        &format!("{} {}", kind.name(), kind.target()),
    )
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
