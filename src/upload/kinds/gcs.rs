//! Kind `gcs`: Google Cloud Storage, by its JSON API
//! (<https://cloud.google.com/storage/docs/json_api>).
//!
//! OpenDAL speaks to it too, but starts a large file over, and tells no checksum with the answer.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use clap::Args;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Account, Error, NeededSecret, NewSecret, Person, Problem, RemoteKind, RemoteOptions, given,
};
use crate::digest::Sha256;
use crate::upload::checksum::{Checksum, ChecksumAlgorithm};
use crate::upload::cloud::access::{Authorization, ServiceAccount};
use crate::upload::cloud::api::Api;
use crate::upload::cloud::sessions::Sessions;
use crate::upload::cloud::{Cloud, SessionProgress, Stored, google, send_in_parts};
use crate::upload::given::ServiceName;
use crate::upload::http::{Answer, Http, host_of};
use crate::upload::paths::Paths;
use crate::upload::percent::encoded;
use crate::upload::rules::Rules;
use crate::upload::source::Source;
use crate::upload::{Counted, Remote, RemoteEntry, content_type};

/// The address of Google Cloud Storage.
const ENDPOINT: &str = "https://storage.googleapis.com";

/// Google Cloud Storage
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(override_usage = "rescue remote add <NAME> gcs [OPTIONS] <BUCKET>")]
pub(crate) struct GcsSettings {
    /// The bucket; must exist (the JSON file with a service account's key is asked for)
    bucket: String,
    /// The service's address `[default: Google's]`
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Folder of the bucket to upload into
    #[arg(long, value_name = "FOLDER", default_value = "")]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    path: String,
    /// PEM file with more certificates to trust
    #[arg(long = "ca-file", value_name = "FILE")]
    certificates: Option<PathBuf>,
}

impl RemoteOptions for GcsSettings {
    type Settings = Self;

    async fn set_up(self, _: &impl Person) -> Result<(Self, NewSecret), Error> {
        let settings = Self {
            bucket: ServiceName::Bucket.checked(&self.bucket)?,
            endpoint: self.endpoint.as_deref().map(given::address).transpose()?,
            path: given::inside(&self.path),
            certificates: given::file(self.certificates)?,
        };
        Ok((settings, NewSecret::AsUsual))
    }
}

impl RemoteKind for GcsSettings {
    fn target(&self) -> String {
        let service = self.endpoint.as_deref().unwrap_or("Google Cloud Storage");
        format!("{}/{} at {service}", self.bucket, self.path)
    }

    fn needed_secret(&self) -> Option<NeededSecret> {
        Some(NeededSecret::File(
            "JSON file with the service account's key",
        ))
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let endpoint = self.endpoint.as_deref().unwrap_or(ENDPOINT);
        let http = Http::without_redirects(&host_of(endpoint), self.certificates.as_deref())?;
        let key = ServiceAccount::read(account.secret.as_ref(), account.hidden.clone())?;
        let gcs = Gcs::new(
            Api::new(http, Authorization::Account(Arc::new(key))),
            account.sessions(),
            (endpoint, &self.bucket, &self.path),
        );
        Ok(Paths::boxed(gcs, Rules::of_bucket(&self.path)))
    }
}

/// A bucket of Google Cloud Storage.
#[derive(Debug)]
struct Gcs {
    api: Api,
    sessions: Sessions,
    endpoint: String,
    bucket: String,
    /// The prefix of all objects: empty, or with a trailing slash.
    prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectsPage {
    #[serde(default)]
    items: Vec<Object>,
    #[serde(default)]
    prefixes: Vec<String>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    name: String,
    size: String,
    md5_hash: Option<String>,
    generation: Option<String>,
}

impl Object {
    fn checksum(&self) -> Option<Checksum> {
        Checksum::of_base64(ChecksumAlgorithm::Md5, self.md5_hash.as_deref()?)
    }

    fn stored(self) -> Stored {
        Stored {
            size: self.size.parse().ok(),
            checksum: self.checksum(),
            revision: self.generation.clone(),
            id: self.generation,
        }
    }
}

impl Gcs {
    /// Creates a remote whose files are stored below `path` in a bucket.
    fn new(api: Api, sessions: Sessions, (endpoint, bucket, path): (&str, &str, &str)) -> Self {
        let path = path.trim_matches('/');
        Self {
            api,
            sessions,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            bucket: encoded(bucket),
            prefix: match path {
                "" => String::new(),
                path => format!("{path}/"),
            },
        }
    }

    fn name(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Returns the address of an object, or of the bucket's list of objects.
    fn object(&self, path: &str) -> String {
        let name = encoded(&self.name(path)).replace('/', "%2F");
        format!("{}/storage/v1/b/{}/o/{name}", self.endpoint, self.bucket)
    }

    fn upload(&self, kind: &str, path: &str) -> reqwest::RequestBuilder {
        let name = encoded(&self.name(path)).replace('/', "%2F");
        // Generation 0: only where nothing is.
        let address = format!(
            "{}/upload/storage/v1/b/{}/o?uploadType={kind}&name={name}&ifGenerationMatch=0",
            self.endpoint, self.bucket
        );
        self.api.http.client().request(Method::POST, address)
    }

    fn description(&self, path: &str, source: &Source) -> serde_json::Value {
        let mut description = json!({ "name": self.name(path) });
        if let (Some(mtime), Some(object)) = (source.mtime, description.as_object_mut()) {
            // Where rclone and gsutil keep a file's date.
            object.insert("metadata".to_owned(), json!({ "mtime": mtime.to_string() }));
        }
        description
    }
}

/// Returns what the answer to an upload says about the stored file.
fn stored(path: &str, answer: &Answer) -> Result<Stored, Problem> {
    match answer.status.as_u16() {
        412 => Err(Problem::Taken {
            path: path.to_owned(),
        }),
        _ => answer.success::<Object>().map(Object::stored),
    }
}

fn progress(path: &str, session: google::ResumableStatus) -> Result<SessionProgress, Problem> {
    match session {
        google::ResumableStatus::Has(count) => Ok(SessionProgress::Has(count)),
        google::ResumableStatus::Done(answer) => stored(path, &answer).map(SessionProgress::Done),
    }
}

#[async_trait]
impl Cloud for Gcs {
    const PART_BYTES: usize = google::PART_BYTES;

    fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    async fn list(&self, folder: &str) -> Result<Vec<RemoteEntry>, Problem> {
        let mut prefix = self.name(folder);
        if !folder.is_empty() {
            prefix.push('/');
        }
        let base = format!(
            "{}/storage/v1/b/{}/o?delimiter=%2F&prefix={}&fields=prefixes,nextPageToken,items(name,size,md5Hash,generation)",
            self.endpoint,
            self.bucket,
            encoded(&prefix).replace('/', "%2F")
        );
        let mut found = Vec::new();
        let mut page = String::new();
        let mut counted = Counted::default();
        loop {
            let request = self.api.http.client().get(format!("{base}{page}"));
            let listed = self.api.ask(request).await?.success();
            let listed: ObjectsPage = listed.map_err(bucket_gone)?;
            counted.page(listed.items.len() + listed.prefixes.len())?;
            let below = |name: &str| name.strip_prefix(&prefix).map(str::to_owned);
            for object in listed.items {
                // An object with the folder's own name stands for the folder.
                if let Some(name) = below(&object.name).filter(|name| !name.is_empty()) {
                    found.push(RemoteEntry {
                        name,
                        size: object.size.parse().ok(),
                        checksum: object.checksum(),
                        ..RemoteEntry::default()
                    });
                }
            }
            let folders = listed.prefixes.iter().filter_map(|name| below(name));
            found.extend(folders.map(|name| RemoteEntry {
                name: name.trim_end_matches('/').to_owned(),
                ..RemoteEntry::default()
            }));
            match listed.next_page_token {
                Some(token) if !token.is_empty() => {
                    page = format!("&pageToken={}", encoded(&token))
                }
                _ => return Ok(found),
            }
        }
    }

    async fn send(&self, path: &str, source: &Source) -> Result<Stored, Problem> {
        if !source.is_small() {
            return send_in_parts(self, path, source).await;
        }
        let bytes = source.whole().await?;
        let content_type = content_type(path);
        let request = google::with_description(
            self.upload("multipart", path),
            &self.description(path, source),
            content_type,
            source,
            &bytes,
        );
        stored(path, &self.api.ask(request).await?).map_err(bucket_gone)
    }

    async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem> {
        let address = format!("{}?alt=media", self.object(path));
        self.api
            .digest(self.api.http.client().get(address), most)
            .await
    }

    async fn remove(&self, path: &str, stored: Option<&Stored>) -> Result<(), Problem> {
        let revision = stored.and_then(|stored| stored.revision.as_deref());
        let condition = revision.map_or_else(String::new, |generation| {
            format!("?ifGenerationMatch={}", encoded(generation))
        });
        let address = format!("{}{condition}", self.object(path));
        let request = self.api.http.client().delete(address);
        let answer = self.api.ask(request).await?;
        match answer.is_success() || matches!(answer.status.as_u16(), 404 | 412) {
            true => Ok(()),
            false => Err(answer.problem()),
        }
    }

    async fn begin(&self, path: &str, source: &Source) -> Result<String, Problem> {
        let request = self.upload("resumable", path);
        let description = self.description(path, source);
        let content_type = content_type(path);
        google::begin(&self.api, request, &description, content_type, source)
            .await
            .map_err(|problem| bucket_gone(taken(path, problem)))
    }

    async fn received(&self, session: &str, source: &Source) -> Result<SessionProgress, Problem> {
        progress("", google::received(&self.api, session, source.size).await?)
    }

    async fn append(
        &self,
        session: &str,
        (path, source): (&str, &Source),
        offset: u64,
        part: Bytes,
    ) -> Result<SessionProgress, Problem> {
        let sent = google::append(&self.api, session, (offset, source.size), part).await;
        progress(path, sent.map_err(|problem| taken(path, problem))?)
    }
}

/// Reads a 404 as a missing bucket, for requests that need nothing else to exist.
fn bucket_gone(problem: Problem) -> Problem {
    match problem {
        Problem::NotFound { what } => Problem::NoBucket { words: what },
        problem => problem,
    }
}

/// Says which path somebody else took in the meantime.
fn taken(path: &str, problem: Problem) -> Problem {
    match problem {
        Problem::Taken { .. } => Problem::Taken {
            path: path.to_owned(),
        },
        problem => problem,
    }
}
