//! Kind `dropbox`: Dropbox, by its HTTP API (<https://www.dropbox.com/developers/documentation/http>).
//!
//! A request takes up to 150 MB; everything that is not small goes into an upload session here, so
//! that it can be gone on with. A session cannot be asked how far it is, but an offset that is
//! wrong is answered with the right one.

use async_trait::async_trait;
use bytes::Bytes;
use clap::Args;
use reqwest::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Account, Error, NewSecret, Person, RemoteKind, RemoteOptions, Service};
use crate::digest::Sha256;
use crate::upload::checksum::{Checksum, ChecksumAlgorithm};
use crate::upload::cloud::api::Api;
use crate::upload::cloud::drives::DriveSettings;
use crate::upload::cloud::sessions::Sessions;
use crate::upload::cloud::{Cloud, SessionProgress, Stored, date_of, send_in_parts};
use crate::upload::http::Answer;
use crate::upload::paths::Paths;
use crate::upload::problem::{Problem, brief};
use crate::upload::rules::Rules;
use crate::upload::source::Source;
use crate::upload::{Counted, Remote, RemoteEntry};

/// The address for requests about files.
const API: &str = "https://api.dropboxapi.com";
/// The address for requests that carry files.
const CONTENT: &str = "https://content.dropboxapi.com";

/// Dropbox, with your own app
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(override_usage = "rescue remote add <NAME> dropbox [OPTIONS] --client-id <ID>")]
pub(crate) struct DropboxSettings {
    /// The drive
    #[command(flatten)]
    #[serde(flatten)]
    drive: DriveSettings,
}

impl RemoteOptions for DropboxSettings {
    type Settings = Self;

    async fn set_up(self, _: &impl Person) -> Result<(Self, NewSecret), Error> {
        let drive = self.drive.set_up()?;
        Ok((Self { drive }, NewSecret::AsUsual))
    }
}

impl RemoteKind for DropboxSettings {
    fn target(&self) -> String {
        self.drive.target("Dropbox")
    }

    // PKCE needs no client secret.
    fn sign_in(&self) -> Option<(Service, &str)> {
        Some(self.drive.sign_in(service()))
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let address = self.drive.address.as_deref();
        let addresses = (address.unwrap_or(API), address.unwrap_or(CONTENT));
        let api = account.api(self.drive.sign_in(service()), addresses.0)?;
        let dropbox = Dropbox::new(api, account.sessions(), addresses, &self.drive.path);
        let rules = Rules {
            max_file_bytes: Some(350 * 1024 * 1024 * 1024),
            ..Rules::usual()
        };
        Ok(Paths::boxed(dropbox, rules))
    }
}

/// Returns how to sign in to Dropbox. Its redirect address must be registered including the port.
fn service() -> Service {
    Service {
        name: "Dropbox",
        authorize_url: "https://www.dropbox.com/oauth2/authorize".to_owned(),
        token_url: "https://api.dropboxapi.com/oauth2/token".to_owned(),
        scopes: vec![
            "files.metadata.read",
            "files.content.read",
            "files.content.write",
        ],
        all_scopes: false,
        extra: &[("token_access_type", "offline")],
        redirect_host: "localhost",
        redirect_port: 53_482,
        when_signed_out: "look at dropbox.com under \"Settings\" > \"Connected apps\" whether \
             your app is still there",
    }
}

/// A folder in a user's Dropbox.
#[derive(Debug)]
struct Dropbox {
    api: Api,
    sessions: Sessions,
    api_endpoint: String,
    content_endpoint: String,
    /// The root path: empty, or with a leading slash.
    root: String,
}

#[derive(Deserialize)]
struct ListFolderResult {
    entries: Vec<DropboxMetadata>,
    cursor: String,
    has_more: bool,
}

#[derive(Deserialize)]
struct DropboxMetadata {
    name: String,
    id: Option<String>,
    /// The size in bytes; `None` for folders.
    size: Option<u64>,
    content_hash: Option<String>,
    rev: Option<String>,
}

impl DropboxMetadata {
    fn checksum(&self) -> Option<Checksum> {
        Checksum::of_hex(ChecksumAlgorithm::Dropbox, self.content_hash.as_deref()?)
    }

    fn stored(self) -> Stored {
        Stored {
            size: self.size,
            checksum: self.checksum(),
            id: self.id,
            revision: self.rev,
        }
    }
}

#[derive(Deserialize)]
struct UploadSessionStartResult {
    session_id: String,
}

impl Dropbox {
    /// Creates a remote whose files are stored below a folder. The two addresses are equal if another server stands in
    /// for Dropbox.
    fn new(
        api: Api,
        sessions: Sessions,
        (api_endpoint, content_endpoint): (&str, &str),
        root: &str,
    ) -> Self {
        let root = root.trim_matches('/');
        Self {
            api,
            sessions,
            api_endpoint: api_endpoint.trim_end_matches('/').to_owned(),
            content_endpoint: content_endpoint.trim_end_matches('/').to_owned(),
            root: match root {
                "" => String::new(),
                root => format!("/{root}"),
            },
        }
    }

    fn path(&self, path: &str) -> String {
        match path {
            "" => self.root.clone(),
            path => format!("{}/{path}", self.root),
        }
    }

    /// Sends a request with its arguments in the body.
    async fn ask(&self, what: &str, arguments: &Value) -> Result<Answer, Problem> {
        let address = format!("{}/2/files/{what}", self.api_endpoint);
        let request = self
            .api
            .http
            .client()
            .post(address)
            .header(CONTENT_TYPE, "application/json")
            .body(arguments.to_string());
        self.api.ask(request).await
    }

    /// Builds a request that carries content, with its arguments in a header.
    fn content(&self, what: &str, arguments: &Value) -> RequestBuilder {
        let address = format!("{}/2/files/{what}", self.content_endpoint);
        let client = self.api.http.client();
        client
            .post(address)
            .header("Dropbox-API-Arg", in_a_header(&arguments.to_string()))
    }

    async fn ask_with(
        &self,
        what: &str,
        arguments: &Value,
        body: Bytes,
    ) -> Result<Answer, Problem> {
        let request = self
            .content(what, arguments)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(body);
        self.api.ask(request).await
    }

    /// Returns the arguments that store a file: only if nothing is at the path, and under no other name.
    fn commit(&self, path: &str, source: &Source) -> Value {
        let mut commit = json!({
            "path": self.path(path),
            "mode": "add",
            "autorename": false,
            "strict_conflict": true,
            "mute": true,
        });
        if let (Some(date), Some(object)) = (date_of(source), commit.as_object_mut()) {
            object.insert("client_modified".to_owned(), date.into());
        }
        commit
    }
}

fn stored(path: &str, answer: &Answer) -> Result<Stored, Problem> {
    match answer.is_success() {
        true => answer.json().map(DropboxMetadata::stored),
        false => Err(judge(path, answer)),
    }
}

/// Returns the problem that an unsuccessful answer means. Dropbox uses status 409 for every error in the request
/// itself, with a code made of tags separated by slashes.
fn judge(path: &str, answer: &Answer) -> Problem {
    #[derive(Deserialize)]
    struct ErrorSummary {
        error_summary: String,
    }
    let summary = match answer.json::<ErrorSummary>() {
        Ok(summary) if answer.status.as_u16() == 409 => summary.error_summary,
        _ => return answer.problem(),
    };
    let words = brief(&format!(
        "HTTP 409: {}",
        summary.trim_end_matches(['.', '/'])
    ));
    let says = |code: &str| summary.split('/').any(|tag| tag == code);
    if says("conflict") {
        Problem::Taken {
            path: path.to_owned(),
        }
    } else if says("insufficient_space") || says("insufficient_quota") {
        Problem::Full { words }
    } else if says("not_found") {
        Problem::NotFound { what: words }
    } else if says("malformed_path") || says("disallowed_name") {
        Problem::NameRefused { words }
    } else if says("too_large") || says("payload_too_large") {
        Problem::TooLarge { words }
    } else if says("no_write_permission") {
        Problem::Denied { words }
    } else if says("too_many_write_operations") {
        Problem::Busy { after: None, words }
    } else {
        Problem::Other {
            words,
            // The piece was damaged on its way; or the session's place is another one.
            passing: says("content_hash_mismatch") || says("incorrect_offset"),
        }
    }
}

/// Returns the correct offset, if the answer says that the offset sent was wrong.
fn correct_offset(answer: &Answer) -> Option<u64> {
    // An append's answer holds it in `error`, a finish's one level below, in `lookup_failed`.
    let body: Value = answer.json().ok()?;
    let error = body.get("error")?;
    let inner = error.get("lookup_failed").unwrap_or(error);
    inner.get("correct_offset")?.as_u64()
}

#[async_trait]
impl Cloud for Dropbox {
    /// Dropbox likes multiples of 4 MiB.
    const PART_BYTES: usize = 8 * 1024 * 1024;

    fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    async fn list(&self, folder: &str) -> Result<Vec<RemoteEntry>, Problem> {
        let first = json!({ "path": self.path(folder), "limit": 2000 });
        let mut answer = self.ask("list_folder", &first).await?;
        let mut found = Vec::new();
        let mut counted = Counted::default();
        loop {
            if !answer.is_success() {
                return match judge(folder, &answer) {
                    Problem::NotFound { .. } => Ok(Vec::new()),
                    problem => Err(problem),
                };
            }
            let page: ListFolderResult = answer.json()?;
            counted.page(page.entries.len())?;
            found.extend(page.entries.into_iter().map(|entry| RemoteEntry {
                size: entry.size,
                checksum: entry.checksum(),
                name: entry.name,
                ..RemoteEntry::default()
            }));
            if !page.has_more {
                return Ok(found);
            }
            let next = json!({ "cursor": page.cursor });
            answer = self.ask("list_folder/continue", &next).await?;
        }
    }

    async fn send(&self, path: &str, source: &Source) -> Result<Stored, Problem> {
        if !source.is_small() {
            return send_in_parts(self, path, source).await;
        }
        let bytes = source.whole().await?;
        let commit = self.commit(path, source);
        stored(path, &self.ask_with("upload", &commit, bytes).await?)
    }

    async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem> {
        let request = self.content("download", &json!({ "path": self.path(path) }));
        self.api.digest(request, most).await
    }

    async fn remove(&self, path: &str, stored: Option<&Stored>) -> Result<(), Problem> {
        let revision = stored.and_then(|stored| stored.revision.as_deref());
        let mut arguments = json!({ "path": self.path(path) });
        if let (Some(revision), Some(object)) = (revision, arguments.as_object_mut()) {
            object.insert("parent_rev".to_owned(), revision.into());
        }
        let answer = self.ask("delete_v2", &arguments).await?;
        if answer.is_success() {
            return Ok(());
        }
        match judge(path, &answer) {
            Problem::NotFound { .. } | Problem::Taken { .. } => Ok(()),
            problem => Err(problem),
        }
    }

    async fn begin(&self, _: &str, _: &Source) -> Result<String, Problem> {
        let arguments = json!({ "close": false });
        let answer = self
            .ask_with("upload_session/start", &arguments, Bytes::new())
            .await?;
        match answer.is_success() {
            true => answer
                .json()
                .map(|started: UploadSessionStartResult| started.session_id),
            false => Err(judge("", &answer)),
        }
    }

    async fn received(&self, session: &str, _: &Source) -> Result<SessionProgress, Problem> {
        // Nothing is added, at a place that is right only for a new session.
        let arguments = json!({ "cursor": { "session_id": session, "offset": 0 }, "close": false });
        let answer = self
            .ask_with("upload_session/append_v2", &arguments, Bytes::new())
            .await?;
        match (answer.is_success(), correct_offset(&answer)) {
            (true, _) => Ok(SessionProgress::Has(0)),
            (false, Some(offset)) => Ok(SessionProgress::Has(offset)),
            (false, None) => Err(judge("", &answer)),
        }
    }

    async fn append(
        &self,
        session: &str,
        (path, source): (&str, &Source),
        offset: u64,
        part: Bytes,
    ) -> Result<SessionProgress, Problem> {
        let end = offset + part.len() as u64;
        let cursor = json!({ "session_id": session, "offset": offset });
        if end == source.size {
            let commit = self.commit(path, source);
            let arguments = json!({ "cursor": cursor, "commit": commit });
            let answer = self
                .ask_with("upload_session/finish", &arguments, part)
                .await?;
            return stored(path, &answer).map(SessionProgress::Done);
        }
        let arguments = json!({ "cursor": cursor, "close": false });
        let answer = self
            .ask_with("upload_session/append_v2", &arguments, part)
            .await?;
        match answer.is_success() {
            true => Ok(SessionProgress::Has(end)),
            false => Err(judge(path, &answer)),
        }
    }
}

/// Returns JSON for use in a header, with everything except ASCII escaped.
fn in_a_header(json: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if (0x20..0x7F).contains(&byte) => out.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    fn answer(body: &str) -> Answer {
        Answer {
            status: StatusCode::CONFLICT,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn answers_are_told_apart() {
        let judged = |summary: &str| {
            judge(
                "a",
                &answer(&format!(r#"{{"error_summary": "{summary}/..."}}"#)),
            )
        };
        assert!(matches!(
            judged("path/conflict/file"),
            Problem::Taken { .. }
        ));
        assert!(matches!(
            judged("path/insufficient_space"),
            Problem::Full { .. }
        ));
        assert!(matches!(
            judged("path/disallowed_name"),
            Problem::NameRefused { .. }
        ));
        assert!(matches!(judged("not_found"), Problem::NotFound { .. }));
        assert!(matches!(
            judged("lookup_failed/not_found"),
            Problem::NotFound { .. }
        ));
        assert!(matches!(
            judged("path/odd"),
            Problem::Other { passing: false, .. }
        ));
    }

    #[test]
    fn right_offset_is_found_in_both_places() {
        let append = r#"{"error": {".tag": "incorrect_offset", "correct_offset": 7}}"#;
        assert_eq!(correct_offset(&answer(append)), Some(7));
        let finish =
            r#"{"error": {".tag": "lookup_failed", "lookup_failed": {"correct_offset": 8}}}"#;
        assert_eq!(correct_offset(&answer(finish)), Some(8));
        assert_eq!(correct_offset(&answer("{}")), None);
    }

    #[test]
    fn headers_are_ascii_and_the_same_json() {
        let json = json!({ "path": "/été/日本 🙂\u{7f}.jpg" });
        let header = in_a_header(&json.to_string());
        assert!(
            header.bytes().all(|byte| (0x20..0x7F).contains(&byte)),
            "{header}"
        );
        assert_eq!(serde_json::from_str::<Value>(&header).unwrap(), json);
    }
}
