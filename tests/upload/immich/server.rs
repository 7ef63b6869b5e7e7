//! A stand-in for an Immich server, written from its OpenAPI description: it takes nothing that the
//! description does not allow, and fails as it is told to. `tests/remotes` shows that Immich's own
//! command line program is content with it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use serde_json::{Value, json};
use sha1::Digest as _;

use super::form;
use crate::support::http::{self, Head};

pub(crate) const KEY: &str = "PLANTED-immich-key-5d07";

/// What the server does with a request instead of serving it.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "tests/remotes uses a part of this server")]
pub(crate) enum Fault {
    /// Answers this, after reading all.
    Answer(u16, &'static str),
    /// Answers this before it reads the body, as a proxy does that looks at the length.
    AnswerAtOnce(u16, &'static str),
    /// Reads half and cuts the connection.
    CutMidway,
    /// Takes the file and cuts the connection before it answers.
    CutBeforeTheAnswer,
    /// Says that it took the file, and forgets it.
    Lie,
}

/// Decides by method, path and how many requests like it came before.
type Decide = dyn Fn(&str, &str, usize) -> Option<Fault> + Send + Sync;

#[derive(Debug, Clone)]
#[allow(dead_code, reason = "tests/remotes uses a part of this server")]
pub(crate) struct Asset {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sha1: String,
    pub(crate) created: String,
    pub(crate) modified: String,
    pub(crate) device: Option<String>,
    pub(crate) is_trashed: bool,
}

#[derive(Default)]
struct State {
    /// By SHA-1.
    assets: BTreeMap<String, Asset>,
    /// Name and assets, by id.
    albums: BTreeMap<String, (String, BTreeSet<String>)>,
    log: Vec<(String, String)>,
    /// What requests did that the description does not allow.
    wrong: Vec<String>,
    quota: Option<u64>,
}

pub(crate) struct Immich {
    address: SocketAddr,
    version: (u64, u64, u64),
    state: Arc<Mutex<State>>,
}

#[allow(dead_code, reason = "tests/remotes uses a part of this server")]
impl Immich {
    pub(crate) fn start(
        version: (u64, u64, u64),
        decide: impl Fn(&str, &str, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (served, decide): (_, Arc<Decide>) = (Arc::clone(&state), Arc::new(decide));
        let address = http::serve(move |stream| {
            let mut reader = http::reader(&stream);
            while serve(&mut reader, &stream, version, &served, &*decide).is_some() {}
        });
        Self {
            address,
            version,
            state,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn state_of<T>(&self, look: impl FnOnce(&BTreeMap<String, Asset>) -> T) -> T {
        look(&lock(&self.state).assets)
    }

    /// Names and SHA-1 of everything there.
    pub(crate) fn assets(&self) -> BTreeMap<String, Asset> {
        let assets = lock(&self.state).assets.clone().into_values();
        assets.map(|asset| (asset.sha1.clone(), asset)).collect()
    }

    /// Albums by name, with the SHA-1 of what is in them.
    pub(crate) fn albums(&self) -> BTreeMap<String, BTreeSet<String>> {
        let state = lock(&self.state);
        let sha1_of = |id: &String| {
            let asset = state.assets.values().find(|asset| asset.id == *id);
            asset.unwrap().sha1.clone()
        };
        let albums = state.albums.values();
        albums
            .map(|(name, ids)| (name.clone(), ids.iter().map(sha1_of).collect()))
            .collect()
    }

    pub(crate) fn requests(&self, method: &str, path: &str) -> usize {
        let state = lock(&self.state);
        let these = state.log.iter();
        these
            .filter(|(used, at)| used == method && at == path)
            .count()
    }

    #[track_caller]
    pub(crate) fn was_spoken_to_rightly(&self) {
        let wrong = &lock(&self.state).wrong;
        assert!(wrong.is_empty(), "{:?} {wrong:#?}", self.version);
    }

    pub(crate) fn trash(&self, sha1: &str) {
        lock(&self.state).assets.get_mut(sha1).unwrap().is_trashed = true;
    }

    pub(crate) fn forget(&self, sha1: &str) {
        lock(&self.state).assets.remove(sha1).unwrap();
    }

    pub(crate) fn set_quota(&self, bytes: u64) {
        lock(&self.state).quota = Some(bytes);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `None` ends the connection.
fn serve(
    reader: &mut BufReader<&TcpStream>,
    mut stream: &TcpStream,
    version: (u64, u64, u64),
    state: &Mutex<State>,
    decide: &Decide,
) -> Option<()> {
    let request = Head::read(reader)?;
    let fault = {
        let mut state = lock(state);
        let (method, path) = (request.method.clone(), request.target.clone());
        let same = |(used, at): &&(String, String)| *used == method && *at == path;
        let before = state.log.iter().filter(same).count();
        state.log.push((method.clone(), path.clone()));
        decide(&method, &path, before)
    };
    if let Some(Fault::AnswerAtOnce(status, body)) = fault {
        let answer = http::Reply::text(status, body).with("Server", "cloudflare");
        let answer = answer.with("Content-Type", "text/html");
        answer.with("Connection", "close").write(&mut stream)?;
        // So that the answer is not lost to a reset: whoever closes first reads what comes.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut rest = [0; 65536];
        while matches!(reader.read(&mut rest), Ok(1..)) {}
        return None;
    }
    if request.header("expect") == "100-continue" {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let length = request.length();
    if let Some(Fault::CutMidway) = fault {
        std::io::copy(&mut reader.take(length / 2), &mut std::io::sink()).ok()?;
        return None;
    }
    let mut body: Box<dyn Read + '_> = match request.is_chunked() {
        true => Box::new(form::Chunked::new(reader)),
        false => Box::new(form::Measured::new(reader, length)),
    };
    let (status, answer) = match fault {
        Some(Fault::Answer(status, body_text)) => {
            std::io::copy(&mut body, &mut std::io::sink()).ok()?;
            drop(body);
            return http::Reply::text(status, body_text).write(&mut stream);
        }
        _ => answer(&request, &mut *body, version, state, fault),
    };
    if answer["message"] == form::CUT_OFF {
        return None;
    }
    std::io::copy(&mut body, &mut std::io::sink()).ok()?;
    drop(body);
    if matches!(fault, Some(Fault::CutBeforeTheAnswer)) {
        return None;
    }
    if (400..500).contains(&status) && status != 401 {
        let what = format!("{} {}: {answer}", request.method, request.target);
        lock(state).wrong.push(what);
    }
    http::Reply::json(status, &answer).write(&mut stream)
}

/// A status and what is said with it.
type Reply = (u16, Value);

fn refused(status: u16, message: &str) -> Reply {
    let error = match status {
        401 => "Unauthorized",
        404 => "Not Found",
        _ => "Bad Request",
    };
    let body = json!({ "message": message, "error": error, "statusCode": status });
    (status, body)
}

fn answer(
    request: &Head,
    body: &mut dyn Read,
    version: (u64, u64, u64),
    state: &Mutex<State>,
    fault: Option<Fault>,
) -> Reply {
    let (major, minor, patch) = version;
    let path = request.target.split('?').next().unwrap();
    match (request.method.as_str(), path) {
        ("GET", "/.well-known/immich") => return (200, json!({ "api": { "endpoint": "/api" } })),
        ("GET", "/api/server/ping") => return (200, json!({ "res": "pong" })),
        ("GET", "/api/server/version") => {
            let version = json!({ "major": major, "minor": minor, "patch": patch });
            return (200, version);
        }
        ("GET", "/api/server/media-types") => {
            let types = json!({
                "image": [".avif", ".bmp", ".dng", ".gif", ".heic", ".heif", ".jpe", ".jpeg", ".jpg", ".jxl", ".png", ".tif", ".tiff", ".webp"],
                "sidecar": [".xmp"],
                "video": [".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm"],
            });
            return (200, types);
        }
        _ => {}
    }
    match request.header("x-api-key") {
        KEY => {}
        "" => return refused(401, "Authentication required"),
        _ => return refused(401, "Invalid API key"),
    }
    if path == "/api/assets" && request.method == "POST" {
        return upload(request, body, version, state, fault);
    }
    let mut text = String::new();
    if body.read_to_string(&mut text).is_err() {
        return refused(400, "body is no text");
    }
    let is_json = request
        .header("content-type")
        .starts_with("application/json");
    let value: Value = match (text.as_str(), is_json) {
        ("", _) => Value::Null,
        (_, false) => return refused(400, "content type must be application/json"),
        (text, true) => match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => return refused(400, &error.to_string()),
        },
    };
    let mut state = lock(state);
    let parts: Vec<&str> = path.trim_start_matches("/api/").split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["users", "me"]) => {
            let user = json!({
                "id": uuid("user"), "email": "ada@photos.example", "name": "Ada",
                "isAdmin": true,
            });
            (200, user)
        }
        ("GET", ["api-keys", "me"]) => (200, json!({ "id": uuid("key"), "permissions": ["all"] })),
        ("GET", ["server", "statistics"]) => (200, json!({})),
        ("GET", ["assets", "statistics"]) => {
            let total = state.assets.len();
            (200, json!({ "images": total, "videos": 0, "total": total }))
        }
        ("POST", ["assets", "bulk-upload-check"]) => check(&value, &state),
        ("GET", ["albums"]) => {
            let albums = state.albums.iter();
            let albums: Vec<_> = albums.map(|(id, album)| shown(id, album)).collect();
            (200, Value::from(albums))
        }
        ("POST", ["albums"]) => {
            let Some(name) = value["albumName"].as_str() else {
                return refused(400, "albumName must be a string");
            };
            let id = uuid(&format!("album {} {name}", state.albums.len()));
            let album = (name.to_owned(), BTreeSet::new());
            let answer = shown(&id, &album);
            state.albums.insert(id, album);
            (201, answer)
        }
        ("PUT", ["albums", id, "assets"]) => arrange(id, &value, &mut state),
        _ => refused(404, "Cannot find it"),
    }
}

fn shown(id: &str, (name, assets): &(String, BTreeSet<String>)) -> Value {
    json!({ "id": id, "albumName": name, "assetCount": assets.len(), "description": "" })
}

fn arrange(id: &str, value: &Value, state: &mut State) -> Reply {
    let known: BTreeSet<String> = state.assets.values().map(|it| it.id.clone()).collect();
    let Some((_, assets)) = state.albums.get_mut(id) else {
        return refused(400, "Not found or no albumAsset.create access");
    };
    let Some(ids) = value["ids"].as_array().filter(|ids| !ids.is_empty()) else {
        return refused(400, "ids must be an array of UUIDs");
    };
    let mut results = Vec::new();
    for id in ids {
        let Some(id) = id.as_str().filter(|id| id.len() == 36) else {
            return refused(400, "each value in ids must be a UUID");
        };
        results.push(if !known.contains(id) {
            json!({ "id": id, "success": false, "error": "no_permission" })
        } else if assets.insert(id.to_owned()) {
            json!({ "id": id, "success": true })
        } else {
            json!({ "id": id, "success": false, "error": "duplicate" })
        });
    }
    (200, Value::from(results))
}

fn check(value: &Value, state: &State) -> Reply {
    let only_these = |value: &Value, keys: &[&str]| {
        let object = value.as_object();
        object.is_some_and(|object| object.keys().all(|key| keys.contains(&key.as_str())))
    };
    let Some(assets) = value["assets"].as_array() else {
        return refused(400, "assets must be an array");
    };
    if !only_these(value, &["assets"]) {
        return refused(400, "unknown property");
    }
    let mut results = Vec::new();
    for asset in assets {
        let id = asset["id"].as_str().filter(|id| !id.is_empty());
        let checksum = asset["checksum"].as_str().and_then(hex);
        let (Some(id), Some(sha1)) = (id, checksum) else {
            return refused(400, "id and checksum must not be empty");
        };
        if !only_these(asset, &["id", "checksum"]) {
            return refused(400, "unknown property");
        }
        results.push(match state.assets.get(&sha1) {
            None => json!({ "id": id, "action": "accept" }),
            Some(there) => json!({
                "id": id, "action": "reject", "reason": "duplicate", "assetId": there.id,
                "isTrashed": there.is_trashed,
            }),
        });
    }
    (200, json!({ "results": results }))
}

/// A SHA-1 in hexadecimal or base64, as hexadecimal.
fn hex(checksum: &str) -> Option<String> {
    let bytes = match checksum.len() {
        28 => base64::engine::general_purpose::STANDARD
            .decode(checksum)
            .ok()?,
        40 => {
            let digit = |at: usize| u8::from_str_radix(checksum.get(at..at + 2)?, 16).ok();
            (0..40).step_by(2).map(digit).collect::<Option<Vec<_>>>()?
        }
        _ => return None,
    };
    Some(as_hex(&bytes))
}

fn as_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uuid(of: &str) -> String {
    let digits = as_hex(&sha1::Sha1::digest(of.as_bytes()));
    let part = |from: usize, to: usize| &digits[from..to];
    format!(
        "{}-{}-4{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

/// `POST /assets`.
fn upload(
    request: &Head,
    body: &mut dyn Read,
    version: (u64, u64, u64),
    state: &Mutex<State>,
    fault: Option<Fault>,
) -> Reply {
    let announced = request.header("x-immich-checksum");
    let announced = match (announced, hex(announced)) {
        ("", _) => None,
        (_, None) => return refused(400, "x-immich-checksum is no SHA-1"),
        (_, sha1) => sha1,
    };
    if let Some(there) = announced
        .as_ref()
        .and_then(|sha1| lock(state).assets.get(sha1).cloned())
    {
        return (200, json!({ "id": there.id, "status": "duplicate" }));
    }
    let kind = request.header("content-type");
    let form = match form::read(kind, body) {
        Ok(form) => form,
        Err(what) => return refused(400, &what),
    };
    let Some(file) = form.file else {
        return refused(400, "Field assetData should not be empty");
    };
    let wants_device = version <= (2, 7, 5);
    for name in form.fields.keys() {
        let known = match name.as_str() {
            "fileCreatedAt" | "fileModifiedAt" | "isFavorite" | "duration" | "filename"
            | "visibility" => true,
            // The older program sends it, though the description does not know it.
            "fileSize" => true,
            "deviceId" | "deviceAssetId" => wants_device,
            _ => false,
        };
        if !known {
            return refused(400, &format!("property {name} should not exist"));
        }
    }
    let field = |name: &str| form.fields.get(name).map(String::as_str);
    for name in ["fileCreatedAt", "fileModifiedAt"] {
        // A date without an offset would be taken for another one elsewhere.
        if field(name).is_none_or(|date| chrono::DateTime::parse_from_rfc3339(date).is_err()) {
            return refused(
                400,
                &format!("{name} must be an ISO 8601 date with an offset"),
            );
        }
    }
    for name in ["deviceId", "deviceAssetId"] {
        if wants_device && field(name).is_none_or(str::is_empty) {
            return refused(400, &format!("{name} should not be empty"));
        }
    }
    if field("isFavorite").is_some_and(|value| !matches!(value, "true" | "false")) {
        return refused(400, "isFavorite must be a boolean value");
    }
    let ending = file.name.rsplit('.').next().unwrap().to_ascii_lowercase();
    let taken = [
        "jpg", "jpeg", "png", "heic", "gif", "webp", "mp4", "mov", "dng", "avif", "3gp",
    ];
    if !taken.contains(&ending.as_str()) {
        return refused(400, &format!("Unsupported file type {}", file.name));
    }
    if announced.is_some_and(|announced| announced != file.sha1) {
        return refused(400, "the bytes are not what x-immich-checksum says");
    }
    let mut state = lock(state);
    let used: u64 = state.assets.values().map(|asset| asset.size).sum();
    if state.quota.is_some_and(|quota| used + file.size > quota) {
        // The person's limit, and nothing wrong with the request.
        let reply = refused(400, "Quota has been exceeded!");
        return (reply.0, reply.1);
    }
    if let Some(there) = state.assets.get(&file.sha1) {
        return (200, json!({ "id": there.id, "status": "duplicate" }));
    }
    let id = uuid(&file.sha1);
    if !matches!(fault, Some(Fault::Lie)) {
        let asset = Asset {
            id: id.clone(),
            name: file.name,
            size: file.size,
            sha1: file.sha1.clone(),
            created: field("fileCreatedAt").unwrap().to_owned(),
            modified: field("fileModifiedAt").unwrap().to_owned(),
            device: field("deviceId").map(str::to_owned),
            is_trashed: false,
        };
        state.assets.insert(file.sha1, asset);
    }
    (201, json!({ "id": id, "status": "created" }))
}
