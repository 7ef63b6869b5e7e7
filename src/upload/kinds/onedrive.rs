//! Kind `onedrive`: OneDrive and SharePoint, by Microsoft Graph
//! (<https://learn.microsoft.com/graph/api/resources/onedrive>).
//!
//! Every file goes into an upload session: only there a date and a refusal to overwrite can be
//! told with it. Fragments are multiples of 320 KiB.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use clap::Args;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, IF_MATCH};
use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Account, Error, NewSecret, Person, Problem, RemoteKind, RemoteOptions, Service};
use crate::digest::Sha256;
use crate::upload::checksum::{Checksum, ChecksumAlgorithm};
use crate::upload::cloud::api::Api;
use crate::upload::cloud::drives::DriveSettings;
use crate::upload::cloud::sessions::Sessions;
use crate::upload::cloud::{Cloud, SessionProgress, Stored, date_of, send_in_parts};
use crate::upload::http::Answer;
use crate::upload::paths::Paths;
use crate::upload::percent::encoded;
use crate::upload::rules::Rules;
use crate::upload::source::Source;
use crate::upload::{Counted, Remote, RemoteEntry, content_type, folder_of, name_of};

/// The address of Microsoft Graph.
const ENDPOINT: &str = "https://graph.microsoft.com";
/// What is told of a file.
const FIELDS: &str = "id,name,size,file,folder,eTag";

/// OneDrive, with your own app registration
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(override_usage = "rescue remote add <NAME> onedrive [OPTIONS] --client-id <ID>")]
pub(crate) struct OneDriveSettings {
    /// The drive
    #[command(flatten)]
    #[serde(flatten)]
    drive: DriveSettings,
}

impl RemoteOptions for OneDriveSettings {
    type Settings = Self;

    async fn set_up(self, _: &impl Person) -> Result<(Self, NewSecret), Error> {
        let drive = self.drive.set_up()?;
        Ok((Self { drive }, NewSecret::AsUsual))
    }
}

impl RemoteKind for OneDriveSettings {
    fn target(&self) -> String {
        self.drive.target("OneDrive")
    }

    // PKCE needs no client secret.
    fn sign_in(&self) -> Option<(Service, &str)> {
        Some(self.drive.sign_in(service()))
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let address = self.drive.address.as_deref().unwrap_or(ENDPOINT);
        let api = account.api(self.drive.sign_in(service()), address)?;
        let onedrive = OneDrive::new(api, account.sessions(), address, &self.drive.path);
        let rules = Rules {
            max_file_bytes: Some(250 * 1024 * 1024 * 1024),
            // 400 characters, which take up to three bytes each.
            max_path_bytes: Some(400 - self.drive.path.len().min(200) - 1),
            sharepoint: true,
            ..Rules::default()
        };
        Ok(Paths::boxed(onedrive, rules))
    }
}

/// Returns how to sign in to OneDrive. It needs an app registration for mobile and desktop applications.
fn service() -> Service {
    Service {
        name: "OneDrive",
        authorize_url: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize".to_owned(),
        token_url: "https://login.microsoftonline.com/common/oauth2/v2.0/token".to_owned(),
        scopes: vec!["Files.ReadWrite", "offline_access"],
        all_scopes: false,
        extra: &[],
        redirect_host: "localhost",
        redirect_port: 0,
        when_signed_out: "look at account.microsoft.com under \"Privacy\" > \"Apps and services\" \
             whether your app is still there",
    }
}

/// A folder in a user's OneDrive.
#[derive(Debug)]
struct OneDrive {
    api: Api,
    sessions: Sessions,
    endpoint: String,
    root: String,
    /// Folders that are known to exist, below the OneDrive's own root.
    made: Mutex<HashSet<String>>,
}

#[derive(Deserialize)]
struct DriveItemPage {
    value: Vec<DriveItem>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct DriveItem {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: String,
    size: Option<u64>,
    #[serde(rename = "eTag")]
    etag: Option<String>,
    /// The facts about a file; `None` for folders.
    file: Option<FileFacet>,
}

#[derive(Deserialize)]
struct FileFacet {
    hashes: Option<FileHashes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileHashes {
    sha256_hash: Option<String>,
    sha1_hash: Option<String>,
    quick_xor_hash: Option<String>,
}

impl DriveItem {
    fn checksum(&self) -> Option<Checksum> {
        let hashes = self.file.as_ref()?.hashes.as_ref()?;
        let hex = |algorithm, text: &Option<String>| Checksum::of_hex(algorithm, text.as_deref()?);
        hex(ChecksumAlgorithm::Sha256, &hashes.sha256_hash)
            .or_else(|| hex(ChecksumAlgorithm::Sha1, &hashes.sha1_hash))
            .or_else(|| {
                Checksum::of_base64(
                    ChecksumAlgorithm::QuickXor,
                    hashes.quick_xor_hash.as_deref()?,
                )
            })
    }

    fn stored(self) -> Stored {
        Stored {
            size: self.size,
            checksum: self.checksum(),
            revision: self.etag,
            id: self.id,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UploadSession {
    upload_url: Option<String>,
    #[serde(default)]
    next_expected_ranges: Vec<String>,
}

impl UploadSession {
    /// Returns where the next fragment begins, from a range such as `12345-` or `12345-55232`.
    fn offset(&self) -> Option<u64> {
        let first = self.next_expected_ranges.first()?;
        first.split('-').next()?.parse().ok()
    }
}

impl OneDrive {
    /// Creates a remote whose files are stored below the folder `root` of the OneDrive.
    fn new(api: Api, sessions: Sessions, endpoint: &str, root: &str) -> Self {
        Self {
            api,
            sessions,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            root: root.trim_matches('/').to_owned(),
            made: Mutex::default(),
        }
    }

    fn made(&self) -> MutexGuard<'_, HashSet<String>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn full(&self, path: &str) -> String {
        match (self.root.as_str(), path) {
            ("", path) => path.to_owned(),
            (root, "") => root.to_owned(),
            (root, path) => format!("{root}/{path}"),
        }
    }

    /// Returns the address of an item by its full path, followed by the requested part of it, such as `/children`.
    fn item(&self, full: &str, what: &str) -> String {
        match full {
            "" => format!("{}/v1.0/me/drive/root{what}", self.endpoint),
            full => {
                let path = encoded(full);
                let colon = if what.is_empty() { "" } else { ":" };
                format!("{}/v1.0/me/drive/root:/{path}{colon}{what}", self.endpoint)
            }
        }
    }

    fn request(&self, method: Method, address: &str) -> RequestBuilder {
        self.api.http.client().request(method, address)
    }

    /// Creates a folder and its parents if they are missing.
    async fn make_folder(&self, folder: &str) -> Result<(), Problem> {
        let full = self.full(folder);
        let mut above = String::new();
        for name in full.split('/').filter(|name| !name.is_empty()) {
            let path = match above.as_str() {
                "" => name.to_owned(),
                above => format!("{above}/{name}"),
            };
            let known = self.made().contains(&path);
            if !known {
                let body = json!({
                    "name": name,
                    "folder": {},
                    "@microsoft.graph.conflictBehavior": "fail",
                });
                let request = self
                    .request(Method::POST, &self.item(&above, "/children"))
                    .header(CONTENT_TYPE, "application/json")
                    .body(body.to_string());
                let answer = self.api.ask(request).await?;
                // 409: it is there already.
                if !answer.is_success() && answer.status.as_u16() != 409 {
                    self.made().clear();
                    return Err(answer.problem());
                }
                self.made().insert(path.clone());
            }
            above = path;
        }
        Ok(())
    }

    async fn fragment(
        &self,
        path: &str,
        request: RequestBuilder,
    ) -> Result<SessionProgress, Problem> {
        // The address is the right to use it, and leads to another host: no token goes there.
        let answer = self.api.ask_openly(request).await?;
        match answer.status.as_u16() {
            200 | 202
                if answer
                    .json::<DriveItem>()
                    .is_ok_and(|item| item.file.is_some()) =>
            {
                stored(path, &answer).map(SessionProgress::Done)
            }
            201 => stored(path, &answer).map(SessionProgress::Done),
            200 | 202 => {
                let offset = answer.json::<UploadSession>()?.offset();
                let offset = offset
                    .ok_or_else(|| Problem::other("the service does not say what it expects"))?;
                Ok(SessionProgress::Has(offset))
            }
            // It has these bytes already: the next try asks how many.
            416 => Err(Problem::Other {
                words: "HTTP 416: the service expects other bytes".to_owned(),
                passing: true,
            }),
            410 => Err(Problem::NotFound {
                what: "HTTP 410".to_owned(),
            }),
            _ => stored(path, &answer).map(SessionProgress::Done),
        }
    }
}

/// Returns what an answer says about an uploaded file.
fn stored(path: &str, answer: &Answer) -> Result<Stored, Problem> {
    match answer.status.as_u16() {
        409 | 412 => Err(Problem::Taken {
            path: path.to_owned(),
        }),
        _ => answer.success::<DriveItem>().map(DriveItem::stored),
    }
}

#[async_trait]
impl Cloud for OneDrive {
    /// A multiple of 320 KiB, below 60 MiB.
    const PART_BYTES: usize = 32 * 320 * 1024;

    fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    async fn list(&self, folder: &str) -> Result<Vec<RemoteEntry>, Problem> {
        let base = self.item(&self.full(folder), "/children");
        let mut address = format!("{base}?$top=1000&$select={FIELDS}");
        let mut found = Vec::new();
        let mut counted = Counted::default();
        loop {
            let request = self.request(Method::GET, &address);
            let answer = self.api.ask(request).await?;
            if answer.status.as_u16() == 404 && found.is_empty() {
                return Ok(found);
            }
            let page: DriveItemPage = answer.success()?;
            counted.page(page.value.len())?;
            found.extend(page.value.into_iter().map(|item| RemoteEntry {
                size: item.size.filter(|_| item.file.is_some()),
                checksum: item.checksum(),
                name: item.name,
                ..RemoteEntry::default()
            }));
            match page.next {
                // The token goes along: to no other host.
                Some(next) if next.starts_with(&format!("{}/", self.endpoint)) => address = next,
                Some(_) => {
                    return Err(Problem::other(
                        "the service's next page is at another address",
                    ));
                }
                None => return Ok(found),
            }
        }
    }

    async fn send(&self, path: &str, source: &Source) -> Result<Stored, Problem> {
        if source.size > 0 {
            return send_in_parts(self, path, source).await;
        }
        // A session takes no empty file.
        self.make_folder(folder_of(path)).await?;
        let address = format!(
            "{}?@microsoft.graph.conflictBehavior=fail",
            self.item(&self.full(path), "/content")
        );
        let request = self
            .request(Method::PUT, &address)
            .header(CONTENT_TYPE, content_type(path))
            .body(source.whole().await?);
        stored(path, &self.api.ask(request).await?)
    }

    async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem> {
        let address = self.item(&self.full(path), "/content");
        self.api
            .digest(self.request(Method::GET, &address), most)
            .await
    }

    async fn remove(&self, path: &str, stored: Option<&Stored>) -> Result<(), Problem> {
        let revision = stored.and_then(|stored| stored.revision.as_deref());
        let address = self.item(&self.full(path), "");
        let mut request = self.request(Method::DELETE, &address);
        if let Some(revision) = revision {
            request = request.header(IF_MATCH, revision);
        }
        let answer = self.api.ask(request).await?;
        match answer.is_success() || matches!(answer.status.as_u16(), 404 | 412) {
            true => Ok(()),
            false => Err(answer.problem()),
        }
    }

    async fn begin(&self, path: &str, source: &Source) -> Result<String, Problem> {
        self.make_folder(folder_of(path)).await?;
        let mut item = json!({
            "@microsoft.graph.conflictBehavior": "fail",
            "name": name_of(path),
        });
        if let (Some(date), Some(object)) = (date_of(source), item.as_object_mut()) {
            let dates = json!({ "lastModifiedDateTime": date });
            object.insert("fileSystemInfo".to_owned(), dates);
        }
        let address = self.item(&self.full(path), "/createUploadSession");
        let request = self
            .request(Method::POST, &address)
            .header(CONTENT_TYPE, "application/json")
            .body(json!({ "item": item }).to_string());
        let answer = self.api.ask(request).await?;
        match answer.status.as_u16() {
            409 => Err(Problem::Taken {
                path: path.to_owned(),
            }),
            404 => {
                self.made().clear();
                Err(Problem::Other {
                    words: "the folder on the service is gone".to_owned(),
                    passing: true,
                })
            }
            _ => answer
                .success::<UploadSession>()?
                .upload_url
                .ok_or_else(|| Problem::other("the service opened no session")),
        }
    }

    async fn received(&self, session: &str, _: &Source) -> Result<SessionProgress, Problem> {
        self.fragment("", self.request(Method::GET, session)).await
    }

    async fn append(
        &self,
        session: &str,
        (path, source): (&str, &Source),
        offset: u64,
        part: Bytes,
    ) -> Result<SessionProgress, Problem> {
        let end = offset + part.len() as u64;
        let range = format!("bytes {offset}-{}/{}", end.saturating_sub(1), source.size);
        let request = self
            .request(Method::PUT, session)
            .header(CONTENT_RANGE, range)
            .body(part);
        self.fragment(path, request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_what_the_service_takes() {
        assert_eq!(OneDrive::PART_BYTES % (320 * 1024), 0);
        const { assert!(OneDrive::PART_BYTES < 60 * 1024 * 1024) };
    }

    #[test]
    fn expected_ranges_are_read() {
        let offset = |ranges: &str| {
            let text = format!(r#"{{"nextExpectedRanges": {ranges}}}"#);
            serde_json::from_str::<UploadSession>(&text)
                .unwrap()
                .offset()
        };
        assert_eq!(offset(r#"["12345-55232","77829-99375"]"#), Some(12345));
        assert_eq!(offset(r#"["26-"]"#), Some(26));
        assert_eq!(offset("[]"), None);
        assert_eq!(offset(r#"["x"]"#), None);
    }
}
