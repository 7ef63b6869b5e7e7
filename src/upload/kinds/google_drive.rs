//! Kind `google-drive`: Google Drive, by its API
//! (<https://developers.google.com/workspace/drive/api/reference/rest/v3>).
//!
//! Drive knows ids, not paths, and takes two files of one name: each folder is looked up by name
//! and made once, and a name is given only where nothing has it. With the scope `drive.file` only
//! what this client ID made is seen.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use clap::Args;
use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Account, Error, NeededSecret, NewSecret, Person, Problem, RemoteKind, RemoteOptions, Service,
};
use crate::digest::Sha256;
use crate::upload::checksum::{Checksum, ChecksumAlgorithm};
use crate::upload::cloud::api::Api;
use crate::upload::cloud::drives::DriveSettings;
use crate::upload::cloud::sessions::Sessions;
use crate::upload::cloud::{Cloud, SessionProgress, Stored, date_of, google, send_in_parts};
use crate::upload::paths::Paths;
use crate::upload::percent::encoded;
use crate::upload::rules::Rules;
use crate::upload::source::Source;
use crate::upload::{Counted, Remote, RemoteEntry, content_type, folder_of, name_of};

/// The address of Google's API.
const ENDPOINT: &str = "https://www.googleapis.com";
const FOLDER: &str = "application/vnd.google-apps.folder";
/// What is told of a file.
const FIELDS: &str = "id,name,size,mimeType,md5Checksum,sha256Checksum";

/// Google Drive, with your own client ID
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(override_usage = "rescue remote add <NAME> google-drive [OPTIONS] --client-id <ID>")]
pub(crate) struct GoogleDriveSettings {
    /// The drive
    #[command(flatten)]
    #[serde(flatten)]
    drive: DriveSettings,
}

impl RemoteOptions for GoogleDriveSettings {
    type Settings = Self;

    async fn set_up(self, _: &impl Person) -> Result<(Self, NewSecret), Error> {
        let drive = self.drive.set_up()?;
        Ok((Self { drive }, NewSecret::AsUsual))
    }
}

impl RemoteKind for GoogleDriveSettings {
    fn target(&self) -> String {
        self.drive.target("Google Drive")
    }

    fn needed_secret(&self) -> Option<NeededSecret> {
        Some(NeededSecret::Line("client secret"))
    }

    fn sign_in(&self) -> Option<(Service, &str)> {
        Some(self.drive.sign_in(service()))
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let address = self.drive.address.as_deref().unwrap_or(ENDPOINT);
        let api = account.api(self.drive.sign_in(service()), address)?;
        let drive = Drive::new(api, account.sessions(), address, &self.drive.path);
        let rules = Rules {
            max_file_bytes: Some(5 * 1024 * 1024 * 1024 * 1024),
            ..Rules::usual()
        };
        Ok(Paths::boxed(drive, rules))
    }
}

/// Returns how to sign in to Google Drive. The scope gives access only to files created with this client ID, and does
/// not require a review by Google.
fn service() -> Service {
    Service {
        name: "Google Drive",
        authorize_url: "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
        token_url: "https://oauth2.googleapis.com/token".to_owned(),
        scopes: vec!["https://www.googleapis.com/auth/drive.file"],
        all_scopes: true,
        // A refresh token comes only when asked for in this way.
        extra: &[("access_type", "offline"), ("prompt", "consent")],
        redirect_host: "127.0.0.1",
        redirect_port: 0,
        when_signed_out: "look at console.cloud.google.com under \"Google Auth Platform\" > \
             \"Audience\": while the project is in \"Testing\", every sign-in ends after 7 days; \
             press \"Publish app\"",
    }
}

/// A folder in a user's Google Drive.
#[derive(Debug)]
struct Drive {
    api: Api,
    sessions: Sessions,
    endpoint: String,
    /// The folder that contains all uploads.
    root: String,
    /// The ids of folders, by their path below the Drive's own root.
    folders: Mutex<HashMap<String, String>>,
    /// Held while a folder is created, because Drive would create two of the same name.
    making: tokio::sync::Mutex<()>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileList {
    #[serde(default)]
    files: Vec<DriveFile>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DriveFile {
    id: String,
    #[serde(default)]
    name: String,
    /// The size in bytes; `None` for folders and Google's own documents.
    size: Option<String>,
    md5_checksum: Option<String>,
    sha256_checksum: Option<String>,
}

impl DriveFile {
    fn checksum(&self) -> Option<Checksum> {
        let sha256 = self.sha256_checksum.as_deref();
        let md5 = self.md5_checksum.as_deref();
        sha256
            .and_then(|text| Checksum::of_hex(ChecksumAlgorithm::Sha256, text))
            .or_else(|| Checksum::of_hex(ChecksumAlgorithm::Md5, md5?))
    }

    fn size(&self) -> Option<u64> {
        self.size.as_ref()?.parse().ok()
    }

    fn stored(self) -> Stored {
        Stored {
            size: self.size(),
            checksum: self.checksum(),
            revision: None,
            id: Some(self.id),
        }
    }
}

/// What is done about a folder that is missing on the way to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MissingFolder {
    IsMade,
    EndsTheWay,
}

impl Drive {
    /// Creates a remote whose files are stored below the folder `root` of the Drive.
    fn new(api: Api, sessions: Sessions, endpoint: &str, root: &str) -> Self {
        Self {
            api,
            sessions,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            root: root.trim_matches('/').to_owned(),
            folders: Mutex::default(),
            making: tokio::sync::Mutex::default(),
        }
    }

    fn full(&self, folder: &str) -> String {
        match (self.root.as_str(), folder) {
            ("", folder) => folder.to_owned(),
            (root, "") => root.to_owned(),
            (root, folder) => format!("{root}/{folder}"),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let address = format!("{}{path}", self.endpoint);
        self.api.http.client().request(method, address)
    }

    fn folders(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all files that match a query.
    async fn query(&self, query: &str) -> Result<Vec<DriveFile>, Problem> {
        let base = format!(
            "/drive/v3/files?pageSize=1000&spaces=drive&orderBy=createdTime&fields={}&q={}",
            encoded(&format!("nextPageToken,files({FIELDS})")),
            encoded(query).replace('/', "%2F")
        );
        let mut files = Vec::new();
        let mut next = String::new();
        let mut counted = Counted::default();
        loop {
            let request = self.request(Method::GET, &format!("{base}{next}"));
            let page: FileList = self.api.ask(request).await?.success()?;
            counted.page(page.files.len())?;
            files.extend(page.files);
            match page.next_page_token {
                Some(token) if !token.is_empty() => {
                    next = format!("&pageToken={}", encoded(&token))
                }
                _ => return Ok(files),
            }
        }
    }

    /// Returns the id of a folder below the root, if it exists.
    async fn folder(&self, folder: &str) -> Result<Option<String>, Problem> {
        self.walk(&self.full(folder), MissingFolder::EndsTheWay)
            .await
    }

    /// Returns the id of a folder; creates the folder and its parents if they are missing.
    async fn make_folder(&self, folder: &str) -> Result<String, Problem> {
        let full = self.full(folder);
        let known = self.folders().get(&full).cloned();
        if let Some(id) = known {
            return Ok(id);
        }
        let _alone = self.making.lock().await;
        let made = self.walk(&full, MissingFolder::IsMade).await?;
        made.ok_or_else(|| Problem::other("the folder cannot be made"))
    }

    async fn walk(&self, full: &str, missing: MissingFolder) -> Result<Option<String>, Problem> {
        let mut id = "root".to_owned();
        let mut path = String::new();
        for name in full.split('/').filter(|name| !name.is_empty()) {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(name);
            let known = self.folders().get(&path).cloned();
            id = match known {
                Some(known) => known,
                None => {
                    let query = format!(
                        "name = '{}' and '{}' in parents and mimeType = '{FOLDER}' and trashed = false",
                        escaped(name),
                        escaped(&id)
                    );
                    // The oldest of namesakes: everybody finds the same one.
                    let found = self.query(&query).await?.into_iter().next();
                    let below = match found {
                        Some(found) => found.id,
                        None if missing == MissingFolder::IsMade => {
                            let made = self.create_folder(name, &id).await?;
                            // Somebody else may have made one at the same time.
                            let found = self.query(&query).await?.into_iter().next();
                            found.map_or(made, |found| found.id)
                        }
                        None => return Ok(None),
                    };
                    self.folders().insert(path.clone(), below.clone());
                    below
                }
            };
        }
        Ok(Some(id))
    }

    async fn create_folder(&self, name: &str, parent: &str) -> Result<String, Problem> {
        let description = json!({ "name": name, "mimeType": FOLDER, "parents": [parent] });
        let request = self
            .request(Method::POST, "/drive/v3/files?fields=id")
            .header("content-type", "application/json; charset=UTF-8")
            .body(description.to_string());
        let made: DriveFile = self.api.ask(request).await?.success()?;
        Ok(made.id)
    }

    /// Forgets which folders exist, because they may have been removed.
    fn forget(&self) {
        self.folders().clear();
    }

    async fn description(&self, path: &str, source: &Source) -> Result<Value, Problem> {
        let parent = self.make_folder(folder_of(path)).await?;
        let mut description = json!({ "name": name_of(path), "parents": [parent] });
        if let (Some(date), Some(object)) = (date_of(source), description.as_object_mut()) {
            object.insert("modifiedTime".to_owned(), date.into());
        }
        Ok(description)
    }

    fn upload(&self, kind: &str) -> RequestBuilder {
        let address = format!("/upload/drive/v3/files?uploadType={kind}&fields={FIELDS}");
        self.request(Method::POST, &address)
    }

    /// Makes the next attempt create a missing folder again.
    fn folder_gone(&self, problem: Problem) -> Problem {
        match problem {
            Problem::NotFound { .. } => {
                self.forget();
                Problem::Other {
                    words: "the folder on the service is gone".to_owned(),
                    passing: true,
                }
            }
            problem => problem,
        }
    }

    /// Returns the ids of all files with this path. A process killed between two attempts may have left two.
    async fn ids(&self, path: &str) -> Result<Vec<String>, Problem> {
        let Some(folder) = self.folder(folder_of(path)).await? else {
            return Ok(Vec::new());
        };
        let query = format!(
            "name = '{}' and '{}' in parents and trashed = false",
            escaped(name_of(path)),
            escaped(&folder)
        );
        let files = self.query(&query).await?.into_iter();
        Ok(files.map(|file| file.id).collect())
    }

    /// Removes a file by its id.
    async fn remove_id(&self, id: &str) -> Result<(), Problem> {
        let address = format!("/drive/v3/files/{}", encoded(id));
        let answer = self.api.ask(self.request(Method::DELETE, &address)).await?;
        match answer.is_success() || answer.status.as_u16() == 404 {
            true => Ok(()),
            false => Err(answer.problem()),
        }
    }
}

fn progress(session: google::ResumableStatus) -> Result<SessionProgress, Problem> {
    Ok(match session {
        google::ResumableStatus::Has(count) => SessionProgress::Has(count),
        google::ResumableStatus::Done(answer) => {
            SessionProgress::Done(answer.success().map(DriveFile::stored)?)
        }
    })
}

#[async_trait]
impl Cloud for Drive {
    const PART_BYTES: usize = google::PART_BYTES;

    fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    async fn list(&self, folder: &str) -> Result<Vec<RemoteEntry>, Problem> {
        let Some(id) = self.folder(folder).await? else {
            return Ok(Vec::new());
        };
        let query = format!("'{}' in parents and trashed = false", escaped(&id));
        let files = self.query(&query).await.inspect_err(|_| self.forget())?;
        let found = files.into_iter().map(|file| RemoteEntry {
            size: file.size(),
            checksum: file.checksum(),
            name: file.name,
            // It tells namesakes apart.
            etag: Some(file.id),
            ..RemoteEntry::default()
        });
        Ok(found.collect())
    }

    async fn send(&self, path: &str, source: &Source) -> Result<Stored, Problem> {
        if !source.is_small() {
            return send_in_parts(self, path, source).await;
        }
        let bytes = source.whole().await?;
        let description = self.description(path, source).await?;
        let content_type = content_type(path);
        let request = self.upload("multipart");
        let request = google::with_description(request, &description, content_type, source, &bytes);
        let answer = self.api.ask(request).await?;
        answer
            .success()
            .map(DriveFile::stored)
            .map_err(|problem| self.folder_gone(problem))
    }

    async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem> {
        let id = self.ids(path).await?.into_iter().next();
        let id = id.ok_or_else(|| Problem::NotFound {
            what: path.to_owned(),
        })?;
        let address = format!("/drive/v3/files/{}?alt=media", encoded(&id));
        self.api
            .digest(self.request(Method::GET, &address), most)
            .await
    }

    async fn remove(&self, path: &str, stored: Option<&Stored>) -> Result<(), Problem> {
        let ids = match stored {
            Some(stored) => stored.id.iter().cloned().collect(),
            None => self.ids(path).await?,
        };
        for id in ids {
            self.remove_id(&id).await?;
        }
        Ok(())
    }

    async fn begin(&self, path: &str, source: &Source) -> Result<String, Problem> {
        let description = self.description(path, source).await?;
        let content_type = content_type(path);
        let request = self.upload("resumable");
        google::begin(&self.api, request, &description, content_type, source)
            .await
            .map_err(|problem| self.folder_gone(problem))
    }

    async fn received(&self, session: &str, source: &Source) -> Result<SessionProgress, Problem> {
        progress(google::received(&self.api, session, source.size).await?)
    }

    async fn append(
        &self,
        session: &str,
        (_, source): (&str, &Source),
        offset: u64,
        part: Bytes,
    ) -> Result<SessionProgress, Problem> {
        progress(google::append(&self.api, session, (offset, source.size), part).await?)
    }
}

/// A text inside the quotes of a query.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_do_not_end_a_query() {
        assert_eq!(escaped(r"it's a \ b"), r"it\'s a \\ b");
    }
}
