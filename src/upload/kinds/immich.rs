//! Kind `immich`: an Immich server, as in its OpenAPI description (<https://api.immich.app/>). Existing files are
//! looked up by SHA-1, many at once; a file is one multipart request; there are no paths, but albums.
//!
//! The server hashes each received file itself. That it knows a file's SHA-1 afterwards is the proof that all bytes
//! arrived.

mod form;
mod messages;
mod together;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Local, SecondsFormat, TimeZone as _};
use clap::Args;
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use tokio::sync::{OnceCell, Semaphore};

use self::form::Form;
use self::messages::{
    AlbumResponse, Arranged, Asked, AssetMediaResponse, BulkUploadCheck, MediaTypes, Verdicts,
    Version, megabytes, plain_id, problem, read, senseless, too_large_for,
};
use self::together::Together;
use super::{Account, Error, NeededSecret, NewSecret, Person, RemoteKind, RemoteOptions, given};
use crate::digest::Sha256;
use crate::folder::upload::{SMALL_BYTES, Upload, UploadReason};
use crate::upload::albums::Albums;
use crate::upload::body;
use crate::upload::http::{Answer, Http, host_of};
use crate::upload::problem::Problem;
use crate::upload::queue::AHEAD;
use crate::upload::rules::Rules;
use crate::upload::source::Source;
use crate::upload::{Acknowledged, Presence, Proven, Put, Remote, Settled, content_type, name_of};

/// Files asked for in one request, when all are asked for at the end.
const ASKED_AT_ONCE: usize = 1000;
/// Assets put into an album in one request.
const ARRANGED_AT_ONCE: usize = 500;
/// Files hashed at once; more would only wait for the disk.
const HASHED_AT_ONCE: usize = 4;
/// Over this size a broken connection may well be a proxy's limit, in bytes.
const SUSPICIOUS_BYTES: u64 = 50 * 1024 * 1024;

/// An Immich server; its API key is asked for
///
/// Make the key in Immich under Account Settings, API Keys. It needs asset.upload and, for
/// albums, album.read, album.create and albumAsset.create.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(override_usage = "rescue remote add <NAME> immich [OPTIONS] <URL>")]
pub(crate) struct ImmichSettings {
    /// Its address, as in `https://photos.example`
    url: String,
    /// PEM file with more certificates to trust
    #[arg(long = "ca-file", value_name = "FILE")]
    certificates: Option<PathBuf>,
}

impl RemoteOptions for ImmichSettings {
    type Settings = Self;

    async fn set_up(self, _: &impl Person) -> Result<(Self, NewSecret), Error> {
        let settings = Self {
            url: given::address(&self.url)?,
            certificates: given::file(self.certificates)?,
        };
        Ok((settings, NewSecret::AsUsual))
    }
}

impl RemoteKind for ImmichSettings {
    fn target(&self) -> String {
        self.url.clone()
    }

    fn needed_secret(&self) -> Option<NeededSecret> {
        Some(NeededSecret::Line("API key"))
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let http = Http::without_redirects(&host_of(&self.url), self.certificates.as_deref())?;
        let immich = Immich::new(http, &self.url, account.password())?;
        Ok(Box::new(immich))
    }
}

/// An Immich server.
#[derive(Debug)]
struct Immich {
    http: Http,
    /// The server's address, ending in `/api`.
    base: String,
    key: HeaderValue,
    rules: Rules,
    albums: Albums,
    /// The server's version and the files that it accepts.
    server: OnceCell<Server>,
    hashing: Semaphore,
    /// The SHA-1 of files by their SHA-256, so that a file is read only once per run.
    known: Mutex<HashMap<Sha256, String>>,
    asking: Together,
}

/// What a server reports about itself.
#[derive(Debug)]
struct Server {
    version: Version,
    /// The accepted file name extensions in lower case, such as `.jpg`.
    endings: HashSet<String>,
}

/// What the server says about a checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ChecksumStatus {
    Absent,
    There(String),
    InTrash,
    Unsupported,
}

impl Immich {
    /// Creates the remote for a server's address, with or without `/api`.
    fn new(http: Http, address: &str, key: &str) -> Result<Self, Problem> {
        let address = address.trim_end_matches('/');
        let address = address.strip_suffix("/api").unwrap_or(address);
        let mut key = HeaderValue::from_str(key).map_err(|_| Problem::Settings {
            words: "the API key cannot be sent".to_owned(),
        })?;
        key.set_sensitive(true);
        Ok(Self {
            http,
            base: format!("{address}/api"),
            key,
            rules: Rules::default(),
            albums: Albums::None,
            server: OnceCell::new(),
            hashing: Semaphore::new(HASHED_AT_ONCE),
            known: Mutex::default(),
            asking: Together::default(),
        })
    }

    async fn server(&self) -> Result<&Server, Problem> {
        self.server
            .get_or_try_init(|| async {
                let answer = self.answer(Method::GET, "/server/version", None).await;
                let answer = answer.map_err(|problem| match problem {
                    Problem::NotFound { .. } => Problem::NotFound {
                        what: "no Immich server answers at this address, or a very old one"
                            .to_owned(),
                    },
                    problem => problem,
                })?;
                let version: Version = read(&answer)?;
                let answer = self
                    .answer(Method::GET, "/server/media-types", None)
                    .await?;
                let types: MediaTypes = read(&answer)?;
                let endings = types.image.iter().chain(&types.video);
                Ok(Server {
                    version,
                    endings: endings.map(|ending| ending.to_ascii_lowercase()).collect(),
                })
            })
            .await
    }

    async fn sha1(&self, source: &Source) -> Result<String, Problem> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sha1) = known().get(&source.sha256) {
            return Ok(sha1.clone());
        }
        // Never closed.
        let _slot = self.hashing.acquire().await;
        let sha1 = source.sha1().await?;
        known().insert(source.sha256, sha1.clone());
        Ok(sha1)
    }

    /// Asks the server about checksums.
    async fn check(&self, wanted: &[String]) -> Result<HashMap<String, ChecksumStatus>, Problem> {
        let assets = wanted.iter().map(|sha1| Asked {
            id: sha1,
            checksum: sha1,
        });
        let question = serde_json::to_value(BulkUploadCheck {
            assets: assets.collect(),
        });
        let question = question.map_err(|e| Problem::other(e.to_string()))?;
        let answer = self
            .answer(Method::POST, "/assets/bulk-upload-check", Some(&question))
            .await?;
        let mut verdicts = HashMap::with_capacity(wanted.len());
        for one in read::<Verdicts>(&answer)?.results {
            let verdict = match (one.action.as_str(), one.reason.as_deref(), one.asset_id) {
                ("accept", ..) => ChecksumStatus::Absent,
                ("reject", Some("unsupported-format"), _) => ChecksumStatus::Unsupported,
                ("reject", ..) if one.is_trashed => ChecksumStatus::InTrash,
                ("reject", _, Some(id)) => ChecksumStatus::There(plain_id(id)?),
                _ => return Err(senseless()),
            };
            verdicts.insert(one.id, verdict);
        }
        match wanted.iter().all(|sha1| verdicts.contains_key(sha1)) {
            true => Ok(verdicts),
            false => Err(senseless()),
        }
    }

    /// Returns why a request broke off. A proxy that refuses large requests may cut the connection without saying so.
    async fn why_broken(&self, source: &Source, host: String, words: String) -> Problem {
        match self.answer(Method::GET, "/server/ping", None).await {
            Err(_) => Problem::Unreachable { host, words },
            Ok(_) => Problem::Other {
                words: format!(
                    "the connection broke while {} were sent, and the server answers otherwise: a \
                     reverse proxy before it may take no request of this size, or give up too soon \
                     ({words})",
                    megabytes(source.size)
                ),
                passing: true,
            },
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let address = format!("{}{path}", self.base);
        self.http
            .client()
            .request(method, address)
            .header("x-api-key", self.key.clone())
            .header("accept", "application/json")
    }

    /// Sends a request and returns its answer; an unsuccessful answer is returned as a problem.
    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, Problem> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = self.http.ask(request).await?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(problem(&answer)),
        }
    }
}

#[async_trait]
impl Remote for Immich {
    fn set_albums(&mut self, albums: Albums) -> Result<(), Error> {
        self.albums = albums;
        Ok(())
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn memory(&self, size: u64) -> u64 {
        size.min(SMALL_BYTES)
    }

    async fn survey(&self, upload: &Upload, source: &Source) -> Result<Presence, Problem> {
        let name = name_of(&upload.path);
        if upload.size == 0 {
            let words = "the file is empty: there is no picture in it".to_owned();
            return Ok(Presence::Refused(UploadReason::Refused, words));
        }
        let ending = ending_of(name);
        if !self.server().await?.endings.contains(&ending) {
            return Ok(Presence::Refused(
                UploadReason::TypeRefused,
                not_taken(&ending),
            ));
        }
        let sha1 = self.sha1(source).await?;
        let verdict = self
            .asking
            .ask(sha1.clone(), async |wanted| self.check(&wanted).await)
            .await?;
        Ok(match verdict {
            ChecksumStatus::Absent => Presence::Absent,
            ChecksumStatus::There(id) => Presence::Same(acknowledged(id, &sha1)),
            ChecksumStatus::InTrash => Presence::Refused(UploadReason::Refused, in_trash()),
            ChecksumStatus::Unsupported => {
                Presence::Refused(UploadReason::TypeRefused, not_taken(&ending))
            }
        })
    }

    async fn put(&self, upload: &Upload, source: &Source) -> Result<Put, Problem> {
        let sha1 = self.sha1(source).await?;
        let name = name_of(&upload.path);
        let modified = source
            .mtime
            .and_then(|mtime| DateTime::from_timestamp(mtime, 0));
        let modified = modified.map(|utc| utc.with_timezone(&Local));
        let taken = source.taken(name).await?;
        let taken = taken.and_then(|taken| Local.from_local_datetime(&taken.at).earliest());
        let text = |time: DateTime<Local>| time.to_rfc3339_opts(SecondsFormat::Millis, false);
        // The server wants both; where nothing tells, it is now.
        let modified = modified.or(taken).unwrap_or_else(Local::now);
        let taken = taken.unwrap_or(modified);
        let mut form = Form::new(&source.sha256);
        form.field("fileCreatedAt", &text(taken));
        form.field("fileModifiedAt", &text(modified));
        form.field("isFavorite", "false");
        if self.server().await?.version.wants_devices() {
            form.field("deviceId", "rescue");
            form.field("deviceAssetId", &source.sha256.to_string());
        }
        let kind = form.content_type();
        let frame = form.file("assetData", name, content_type(name));
        let request = self
            .request(Method::POST, "/assets")
            .header("x-immich-checksum", &sha1)
            .header("content-type", kind);
        let answer = match body::send_framed(&self.http, request, source, frame).await {
            Err(Problem::Unreachable { host, words }) if source.size > SUSPICIOUS_BYTES => {
                return Err(self.why_broken(source, host, words).await);
            }
            answer => answer?,
        };
        match answer.status.as_u16() {
            200 | 201 => {
                let taken: AssetMediaResponse = read(&answer)?;
                match taken.status.as_str() {
                    "created" | "duplicate" | "replaced" => {
                        Ok(Put::Done(acknowledged(plain_id(taken.id)?, &sha1)))
                    }
                    _ => Err(senseless()),
                }
            }
            413 => Err(too_large_for(&answer, source.size)),
            _ => Err(problem(&answer)),
        }
    }

    async fn settle(&self, sent: &[Upload]) -> Result<Vec<Settled>, Problem> {
        let sha1_of = |upload: &Upload| {
            let checksum = upload.checksum.as_deref().unwrap_or_default();
            checksum.strip_prefix("sha1:").map(str::to_owned)
        };
        let known: Vec<String> = sent.iter().filter_map(sha1_of).collect();
        let mut verdicts = HashMap::new();
        for some in known.chunks(ASKED_AT_ONCE) {
            verdicts.extend(self.check(some).await?);
        }
        let missing = || {
            let words = "the server does not have it".to_owned();
            Settled::Wrong(UploadReason::Missing, words)
        };
        Ok(sent
            .iter()
            .map(|upload| {
                let sha1 = sha1_of(upload);
                match sha1.and_then(|sha1| verdicts.get(&sha1)) {
                    Some(ChecksumStatus::There(_)) => Settled::there_by(Proven::Checksum),
                    Some(ChecksumStatus::InTrash) => {
                        Settled::Wrong(UploadReason::Missing, in_trash())
                    }
                    _ => missing(),
                }
            })
            .collect())
    }

    async fn arrange(&self, there: &[Upload]) -> Result<(), Problem> {
        let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for upload in there {
            if let (Some(album), Some(id)) = (self.albums.of(&upload.source), &upload.there) {
                wanted.entry(album).or_default().push(id);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let listed = self.answer(Method::GET, "/albums", None).await?;
        let listed: Vec<AlbumResponse> = read(&listed)?;
        let mut albums = HashMap::new();
        for album in listed {
            // Of several with one name, the one that is listed first.
            albums.entry(album.album_name).or_insert(album.id);
        }
        for (name, ids) in wanted {
            let id = match albums.remove(name) {
                Some(id) => plain_id(id)?,
                None => {
                    let new = serde_json::json!({ "albumName": name });
                    let made = self.answer(Method::POST, "/albums", Some(&new)).await?;
                    plain_id(read::<AlbumResponse>(&made)?.id)?
                }
            };
            for some in ids.chunks(ARRANGED_AT_ONCE) {
                let path = format!("/albums/{id}/assets");
                let body = serde_json::json!({ "ids": some });
                let answer = self.answer(Method::PUT, &path, Some(&body)).await?;
                let arranged: Vec<Arranged> = read(&answer)?;
                let refused = arranged
                    .iter()
                    .find(|one| !one.success && one.error.as_deref() != Some("duplicate"));
                if let Some(refused) = refused {
                    let why = refused.error.as_deref().unwrap_or("no reason given");
                    let words =
                        format!("not every file could be added to the album '{name}' ({why})");
                    return Err(Problem::other(words));
                }
            }
        }
        Ok(())
    }

    fn arranges(&self) -> bool {
        self.albums != Albums::None
    }

    async fn test(&self) -> Result<String, Problem> {
        let Version {
            major,
            minor,
            patch,
        } = self.server().await?.version;
        // Asks for what only a key that may upload is answered.
        self.check(&["0".repeat(40)]).await?;
        Ok(format!(
            "Immich {major}.{minor}.{patch} answers and takes the key"
        ))
    }

    fn takes_copies(&self) -> bool {
        true
    }

    fn surveys_at_once(&self, _: usize) -> usize {
        // It answers for many in one request.
        AHEAD
    }
}

fn acknowledged(id: String, sha1: &str) -> Acknowledged {
    Acknowledged {
        there: Some(id),
        checksum: Some(format!("sha1:{sha1}")),
    }
}

fn in_trash() -> String {
    "it lies in the server's trash: restore it there, or empty the trash, and run again".to_owned()
}

fn not_taken(ending: &str) -> String {
    match ending {
        "" => "Immich takes no files without an ending".to_owned(),
        ending => format!("Immich does not take {ending} files"),
    }
}

/// Returns a file name's extension as Immich reads it: `.jpg`, in lower case.
fn ending_of(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!(".{}", ending.to_ascii_lowercase()),
        _ => String::new(),
    }
}
