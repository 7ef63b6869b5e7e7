//! A stand-in of Google Photos in this process, written from the public description of the Library
//! API, strict about headers, limits and order, and failing as it is told to. `tests/remotes` shows
//! that rclone, which nobody here wrote, takes it for the real one.
//!
//! It keeps sizes and hashes, no bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rescue::digest::{Hasher, Sha256};
use serde_json::{Value, json};

use crate::desk::{Desk, photo};
use crate::support::http::{self, Head, Reply};

pub(crate) const CLIENT_ID: &str = "1-x.apps.googleusercontent.com";
pub(crate) const CLIENT_SECRET: &str = "PLANTED-client-secret-7c";
pub(crate) const REFRESH_TOKEN: &str = "PLANTED-refresh-token-7c";
const GRANULARITY: u64 = 256 * 1024;
const SCOPES: &str = "https://www.googleapis.com/auth/photoslibrary.appendonly \
    https://www.googleapis.com/auth/photoslibrary.readonly.appcreateddata";

/// What happens to a request instead of its answer.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing is done; this status, with this value of `Retry-After`.
    Answer(u16, Option<u32>),
    /// Nothing is done; this answer.
    Say(u16, String),
    /// Half of the body is read, what a session got of it stays, and the connection is cut.
    CutMidway,
    /// All is done, and the connection is cut before the answer.
    CutBeforeTheAnswer,
    /// All is done, and this is answered in its place.
    Instead(String),
    /// Nothing is done; this redirection to this address.
    Redirect(u16, &'static str),
    /// All is read, nothing is done, and nothing is answered for as long as the client waits.
    Stall,
    /// All is done, and the list of what became of each item is changed before it is answered.
    Reshape(fn(&mut Vec<Value>)),
}

/// A request as faults are decided by.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `raw`, `start`, `upload`, `query`, `batchCreate`, `batchGet`, `albums`, `createAlbum`,
    /// `token`, ...
    pub(crate) kind: &'static str,
    /// How many of this kind came before.
    pub(crate) before: usize,
    /// How many of any kind came before.
    pub(crate) nth: usize,
}

type Decide = dyn Fn(&Request) -> Option<Fault> + Send + Sync;

/// A media item.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
    pub(crate) albums: Vec<String>,
}

struct Token {
    /// As the upload's header said.
    name: String,
    size: u64,
    sha256: Sha256,
    head: Vec<u8>,
    is_expired: bool,
}

#[derive(Default)]
struct Session {
    size: u64,
    received: u64,
    hasher: Hasher,
    head: Vec<u8>,
    token: Option<String>,
}

#[derive(Default)]
pub(crate) struct State {
    items: Vec<Item>,
    by_bytes: HashMap<Sha256, usize>,
    albums: BTreeMap<String, String>,
    tokens: HashMap<String, Token>,
    sessions: HashMap<String, Session>,
    access: HashMap<String, u32>,
    refresh: HashSet<String>,
    codes: HashMap<String, (String, String)>,
    log: Vec<&'static str>,
    faults: usize,
    serial: u64,
    today: usize,
    /// Requests a day; 0 for as many as one likes.
    pub(crate) quota: usize,
    /// Requests that an access token is good for; 0 for as many as one likes.
    pub(crate) uses: u32,
    /// Whether a refresh token is good for once, and gives the next one.
    pub(crate) rotates: bool,
    /// What `Retry-After` says when the quota is used up.
    pub(crate) quota_after: Option<u32>,
    /// Bytes that came in uploads, and were kept.
    pub(crate) bytes: u64,
    /// Of sessions, also those that come just now.
    pub(crate) arriving: u64,
    /// Whether bytes that are known are answered with ALREADY_EXISTS and no item.
    pub(crate) says_exists: bool,
    /// Where sessions are said to be, in place of here.
    pub(crate) session_host: Option<String>,
    writing: bool,
    /// Requests that were refused because of an access token, and because of the quota.
    pub(crate) refused: (usize, usize),
    /// Requests that broke a rule, which no good client does.
    pub(crate) complaints: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Library {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Library {
    pub(crate) fn start(
        decide: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(decide, None)
    }

    /// With TLS for whoever asks for a tunnel (CONNECT) to any host.
    pub(crate) fn start_with(
        decide: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut state = State::default();
        state.refresh.insert(REFRESH_TOKEN.to_owned());
        let state = Arc::new(Mutex::new(state));
        let library = Self { address, state };
        let (served, decide): (_, Arc<Decide>) = (library.clone(), Arc::new(decide));
        http::serve_at(listener, move |stream| {
            served.serve(stream, &*decide, tls.clone())
        });
        library
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn items(&self) -> Vec<Item> {
        self.state().items.clone()
    }

    /// Albums as id and title.
    pub(crate) fn albums(&self) -> BTreeMap<String, String> {
        self.state().albums.clone()
    }

    /// How many requests of a kind came.
    pub(crate) fn requests(&self, kind: &str) -> usize {
        self.state().log.iter().filter(|it| **it == kind).count()
    }

    /// How many requests of the API came, and how many of all were made to fail.
    pub(crate) fn totals(&self) -> (usize, usize) {
        let state = self.state();
        let api = state.log.iter().filter(|kind| **kind != "token");
        (api.count(), state.faults)
    }

    /// The quota begins anew.
    pub(crate) fn new_day(&self) {
        self.state().today = 0;
    }

    /// Every upload token that was given is good no more: how many of them are no items yet.
    pub(crate) fn expire_upload_tokens(&self) -> usize {
        let mut state = self.state();
        let State {
            tokens, by_bytes, ..
        } = &mut *state;
        let mut lost = HashSet::new();
        for token in tokens.values_mut() {
            token.is_expired = true;
            if !by_bytes.contains_key(&token.sha256) {
                lost.insert(token.sha256);
            }
        }
        lost.len()
    }

    /// Every sign-in is withdrawn.
    pub(crate) fn withdraw(&self) {
        let mut state = self.state();
        state.refresh.clear();
        state.access.clear();
    }

    /// The person signs in again.
    pub(crate) fn consent_again(&self) {
        self.state().refresh.insert(REFRESH_TOKEN.to_owned());
    }

    /// An album of an earlier day: its id.
    pub(crate) fn add_album(&self, title: &str) -> String {
        let mut state = self.state();
        let id = format!("album-of-old-{}", state.albums.len());
        state.albums.insert(id.clone(), title.to_owned());
        id
    }

    /// The person removes an item.
    pub(crate) fn remove(&self, id: &str) {
        let mut state = self.state();
        let at = state.items.iter().position(|item| item.id == id).unwrap();
        let removed = state.items.remove(at);
        state.by_bytes.remove(&removed.sha256);
        for index in state.by_bytes.values_mut() {
            *index -= usize::from(*index > at);
        }
    }

    /// The person removes all albums.
    pub(crate) fn remove_albums(&self) {
        self.state().albums.clear();
    }

    #[track_caller]
    pub(crate) fn no_complaints(&self) {
        let complaints = self.state().complaints.clone();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    fn serve(&self, stream: TcpStream, decide: &Decide, tls: Option<Arc<rustls::ServerConfig>>) {
        stream.set_nodelay(true).unwrap();
        let mut connection = Connection::new(stream);
        if let Some(tls) = tls
            && let Some(stream) = connection.tunnel()
        {
            let session = rustls::ServerConnection::new(tls).unwrap();
            let mut connection = Connection::new(rustls::StreamOwned::new(session, stream));
            while self.serve_one(&mut connection, decide).is_some() {}
            return;
        }
        while self.serve_one(&mut connection, decide).is_some() {}
    }

    /// `None` ends the connection.
    fn serve_one<S: Read + Write>(
        &self,
        connection: &mut Connection<S>,
        decide: &Decide,
    ) -> Option<()> {
        let head = Head::read(&mut connection.reader)?;
        let kind = kind_of(&head);
        let (fault, limited) = {
            let mut state = self.state();
            let before = state.log.iter().filter(|it| **it == kind).count();
            let nth = state.log.len();
            state.log.push(kind);
            let fault = decide(&Request { kind, before, nth });
            state.faults += usize::from(fault.is_some());
            let counts = !matches!(kind, "token" | "consent");
            state.today += usize::from(counts);
            let limited = counts && state.quota > 0 && state.today > state.quota;
            (fault, limited)
        };
        if let Some(Fault::Answer(..) | Fault::Say(..) | Fault::Redirect(..) | Fault::Stall) = fault
        {
            connection.skip(&head)?;
        }
        let answer = match fault {
            Some(Fault::Answer(status, after)) => {
                let mut answer = Reply::text(status, String::new());
                answer
                    .headers
                    .extend(after.map(|after| ("Retry-After", after.to_string())));
                answer
            }
            Some(Fault::Say(status, text)) => Reply::text(status, text),
            Some(Fault::Redirect(status, place)) => {
                let mut answer = Reply::text(status, String::new());
                answer.headers.push(("Location", place.to_owned()));
                answer
            }
            Some(Fault::Stall) => {
                // Until it goes away.
                let _ = connection.reader.fill_buf();
                return None;
            }
            Some(Fault::CutMidway) => {
                let half = head.length() / 2;
                self.take_part(connection, &head, half)?;
                return None;
            }
            _ if limited => {
                connection.skip(&head)?;
                let mut answer = failure(
                    429,
                    "RESOURCE_EXHAUSTED",
                    "Quota exceeded for quota metric 'All requests' and limit 'All requests per \
                     day' of service 'photoslibrary.googleapis.com' for consumer 'project_number:1'.",
                );
                self.state().refused.1 += 1;
                let after = self.state().quota_after;
                answer
                    .headers
                    .extend(after.map(|after| ("Retry-After", after.to_string())));
                answer
            }
            None => self.answer(connection, &head)?,
            Some(Fault::CutBeforeTheAnswer) => {
                self.answer(connection, &head)?;
                return None;
            }
            Some(Fault::Reshape(change)) => {
                let answer = self.answer(connection, &head)?;
                let mut value: Value = serde_json::from_slice(&answer.body).unwrap();
                let lists = value.as_object_mut().unwrap().values_mut();
                lists.filter_map(Value::as_array_mut).for_each(change);
                Reply::json(200, &value)
            }
            Some(Fault::Instead(text)) => {
                self.answer(connection, &head)?;
                Reply::text(200, text)
            }
        };
        if kind != "token" && answer.status >= 400 && !matches!(answer.status, 401 | 429 | 500..) {
            let complaint = format!("{kind}: {} {}", answer.status, answer.body.escape_ascii());
            self.state().complaints.push(complaint);
        }
        answer.write(connection.reader.get_mut())
    }

    /// A part of a session's body stays there, in whole grains; of anything else nothing does.
    fn take_part<S: Read + Write>(
        &self,
        connection: &mut Connection<S>,
        head: &Head,
        half: u64,
    ) -> Option<()> {
        if kind_of(head) != "upload" {
            return http::read_body(&mut connection.reader, half, |_| {});
        }
        let keep = half / GRANULARITY * GRANULARITY;
        let id = head.query("upload_id")?;
        self.receive(connection, &id, keep)?;
        http::read_body(&mut connection.reader, half - keep, |_| {})
    }

    fn receive<S: Read + Write>(
        &self,
        connection: &mut Connection<S>,
        id: &str,
        count: u64,
    ) -> Option<()> {
        let mut session = self.state().sessions.remove(id)?;
        let done = http::read_body(&mut connection.reader, count, |piece| {
            self.state().arriving += piece.len() as u64;
            session.hasher.update(piece);
            session.received += piece.len() as u64;
            let room = 64 - session.head.len().min(64);
            session.head.extend(&piece[..piece.len().min(room)]);
        });
        let mut state = self.state();
        state.bytes += count;
        state.sessions.insert(id.to_owned(), session);
        done
    }

    fn answer<S: Read + Write>(
        &self,
        connection: &mut Connection<S>,
        head: &Head,
    ) -> Option<Reply> {
        let kind = kind_of(head);
        if !matches!(kind, "token" | "consent" | "unknown") {
            let bearer = head.header("authorization");
            let token = bearer.strip_prefix("Bearer ").unwrap_or_default();
            let mut state = self.state();
            let is_fine = match state.access.get_mut(token) {
                Some(0) | None => false,
                Some(uses) => {
                    *uses -= 1;
                    true
                }
            };
            drop(state);
            if !is_fine {
                connection.skip(head)?;
                self.state().refused.0 += 1;
                return Some(failure(
                    401,
                    "UNAUTHENTICATED",
                    "Request had invalid authentication credentials.",
                ));
            }
        }
        Some(match kind {
            "raw" => self.raw(connection, head)?,
            "upload" | "query" => self.session(connection, head)?,
            _ => {
                let mut body = Vec::new();
                http::read_whole(&mut connection.reader, head, |piece| {
                    body.extend_from_slice(piece)
                })?;
                match kind {
                    "start" => self.begin(head),
                    "token" => self.token(&body),
                    "consent" => self.consent(head),
                    "batchCreate" => self.batch_create(&body),
                    "batchGet" => self.batch_get(head),
                    "albums" | "sharedAlbums" => self.list_albums(head),
                    "createAlbum" => self.create_album(&body),
                    "search" => self.search(&body),
                    _ => failure(404, "NOT_FOUND", "no such method"),
                }
            }
        })
    }

    fn raw<S: Read + Write>(&self, connection: &mut Connection<S>, head: &Head) -> Option<Reply> {
        let mut hasher = Hasher::default();
        let mut first = Vec::new();
        let mut size = 0_u64;
        http::read_whole(&mut connection.reader, head, |piece| {
            size += piece.len() as u64;
            hasher.update(piece);
            let room = 64 - first.len().min(64);
            first.extend(&piece[..piece.len().min(room)]);
        })?;
        // Described as needed; the real one goes without, or rclone would not get through.
        let is_ours = head.header("user-agent").starts_with("rescue/");
        if is_ours && head.header("content-type") != "application/octet-stream" {
            return Some(failure(
                400,
                "INVALID_ARGUMENT",
                "Content-type must be octet-stream",
            ));
        }
        if size == 0 || size > 200 * 1024 * 1024 {
            return Some(failure(400, "INVALID_ARGUMENT", "no bytes, or too many"));
        }
        let mut state = self.state();
        state.bytes += size;
        let name = head.header("x-goog-upload-file-name");
        let token = state.new_token(name, size, hasher.finish(), first);
        Some(Reply::text(200, token))
    }

    fn begin(&self, head: &Head) -> Reply {
        let size = head.header("x-goog-upload-raw-size").parse().ok();
        let mime = head.header("x-goog-upload-content-type");
        let (Some(size), true, "0") = (size, mime.contains('/'), head.header("content-length"))
        else {
            return failure(
                400,
                "INVALID_ARGUMENT",
                "start needs size, type and no body",
            );
        };
        let mut state = self.state();
        state.serial += 1;
        let id = format!("session-{}", state.serial);
        let session = Session {
            size,
            ..Session::default()
        };
        state.sessions.insert(id.clone(), session);
        let mut answer = Reply::text(200, String::new());
        let here = format!("{}/v1/uploads?", self.url());
        let place = state.session_host.clone().unwrap_or(here);
        let url = format!("{place}upload_id={id}&upload_protocol=resumable");
        answer.headers.push(("X-Goog-Upload-URL", url));
        answer
            .headers
            .push(("X-Goog-Upload-Chunk-Granularity", GRANULARITY.to_string()));
        answer
            .headers
            .push(("X-Goog-Upload-Status", "active".to_owned()));
        answer
    }

    fn session<S: Read + Write>(
        &self,
        connection: &mut Connection<S>,
        head: &Head,
    ) -> Option<Reply> {
        let id = head.query("upload_id").unwrap_or_default();
        let known = {
            let state = self.state();
            state
                .sessions
                .get(&id)
                .map(|it| (it.received, it.size, it.token.clone()))
        };
        let Some((received, size, token)) = known else {
            connection.skip(head)?;
            return Some(Reply::text(404, String::new()));
        };
        if kind_of(head) == "query" {
            connection.skip(head)?;
            let status = if token.is_some() { "final" } else { "active" };
            let mut answer = Reply::text(200, token.unwrap_or_default());
            answer
                .headers
                .push(("X-Goog-Upload-Status", status.to_owned()));
            answer
                .headers
                .push(("X-Goog-Upload-Size-Received", received.to_string()));
            return Some(answer);
        }
        let command = head.header("x-goog-upload-command");
        let offset = head.header("x-goog-upload-offset").parse().ok();
        let is_last = command == "upload, finalize";
        let length = head.length();
        let fits = match is_last {
            true => received + length == size,
            false => length.is_multiple_of(GRANULARITY) && received + length <= size,
        };
        if token.is_some() || offset != Some(received) || !fits {
            connection.skip(head)?;
            return Some(failure(
                400,
                "INVALID_ARGUMENT",
                "offset, length or state is wrong",
            ));
        }
        self.receive(connection, &id, length)?;
        let mut state = self.state();
        let mut answer = Reply::text(200, String::new());
        if is_last {
            let session = state.sessions.get_mut(&id).unwrap();
            let sha256 = std::mem::take(&mut session.hasher).finish();
            let first = session.head.clone();
            let token = state.new_token("", size, sha256, first);
            state.sessions.get_mut(&id).unwrap().token = Some(token.clone());
            answer.body = token.into_bytes();
        }
        let status = if is_last { "final" } else { "active" };
        answer
            .headers
            .push(("X-Goog-Upload-Status", status.to_owned()));
        Some(answer)
    }

    fn batch_create(&self, body: &[u8]) -> Reply {
        let invalid = |words: &str| failure(400, "INVALID_ARGUMENT", words);
        let Ok(asked) = serde_json::from_slice::<Value>(body) else {
            return invalid("Invalid JSON payload received.");
        };
        {
            let mut state = self.state();
            if state.writing {
                state
                    .complaints
                    .push("two calls of batchCreate at once".to_owned());
                let words = "Quota exceeded for quota 'concurrent write request' of service \
                             'photoslibrary.googleapis.com'.";
                return failure(429, "RESOURCE_EXHAUSTED", words);
            }
            state.writing = true;
        }
        // So that a second call at once has time to be one.
        thread::sleep(Duration::from_millis(3));
        let answer = self
            .create_items(&asked)
            .unwrap_or_else(|words| invalid(&words));
        self.state().writing = false;
        answer
    }

    fn create_items(&self, asked: &Value) -> Result<Reply, String> {
        let fields = asked.as_object().ok_or("no object")?;
        if let Some(other) = fields
            .keys()
            .find(|key| !matches!(key.as_str(), "albumId" | "newMediaItems" | "albumPosition"))
        {
            return Err(format!("Unknown name \"{other}\": Cannot find field."));
        }
        let wanted = fields
            .get("newMediaItems")
            .and_then(Value::as_array)
            .ok_or("no items")?;
        if wanted.is_empty() || wanted.len() > 50 {
            return Err("Request must have less than 50 items.".to_owned());
        }
        let mut state = self.state();
        let album = match fields.get("albumId").and_then(Value::as_str) {
            Some("") | None => None,
            Some(id) if state.albums.contains_key(id) => Some(id.to_owned()),
            Some(_) => return Ok(failure(404, "NOT_FOUND", "Invalid album ID.")),
        };
        let mut results = Vec::new();
        for item in wanted {
            let simple = &item["simpleMediaItem"];
            let token = simple["uploadToken"].as_str().ok_or("no upload token")?;
            let name = simple["fileName"].as_str().unwrap_or_default();
            if item["description"]
                .as_str()
                .unwrap_or_default()
                .chars()
                .count()
                > 1000
                || name.chars().count() > 255
            {
                return Err("a text is too long".to_owned());
            }
            let mut result = state.create(token, name, album.as_deref());
            result["uploadToken"] = json!(token);
            results.push(result);
        }
        Ok(Reply::json(200, &json!({ "newMediaItemResults": results })))
    }

    fn batch_get(&self, head: &Head) -> Reply {
        let ids: Vec<_> = head.queries("mediaItemIds").collect();
        if ids.is_empty() || ids.len() > 50 {
            return failure(400, "INVALID_ARGUMENT", "between 1 and 50 ids are needed");
        }
        let state = self.state();
        let results: Vec<_> = ids
            .iter()
            .map(|id| match state.items.iter().find(|item| item.id == *id) {
                Some(item) => json!({ "mediaItem": item.json() }),
                None => json!({ "status": { "code": 5, "message": "NOT_FOUND" } }),
            })
            .collect();
        Reply::json(200, &json!({ "mediaItemResults": results }))
    }

    fn list_albums(&self, head: &Head) -> Reply {
        let size: usize = head
            .query("pageSize")
            .and_then(|it| it.parse().ok())
            .unwrap_or(20);
        if size == 0 || size > 50 {
            return failure(400, "INVALID_ARGUMENT", "pageSize must be at most 50");
        }
        if kind_of(head) == "sharedAlbums" {
            return Reply::json(200, &json!({}));
        }
        let from: usize = match head.query("pageToken").as_deref() {
            Some("") | None => 0,
            Some(token) => token.trim_start_matches("page-").parse().unwrap(),
        };
        let state = self.state();
        let all: Vec<_> = state.albums.iter().skip(from).collect();
        let page: Vec<_> = all
            .iter()
            .take(size)
            .map(|(id, title)| json!({ "id": id, "title": title, "isWriteable": true }))
            .collect();
        let mut answer = json!({ "albums": page });
        if all.len() > size {
            answer["nextPageToken"] = json!(format!("page-{}", from + size));
        }
        Reply::json(200, &answer)
    }

    fn create_album(&self, body: &[u8]) -> Reply {
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let title = asked["album"]["title"].as_str().unwrap_or_default();
        if title.is_empty() || title.chars().count() > 500 {
            return failure(
                400,
                "INVALID_ARGUMENT",
                "a title of 1 to 500 characters is needed",
            );
        }
        let mut state = self.state();
        state.serial += 1;
        let id = format!("album-{:06}", state.serial);
        state.albums.insert(id.clone(), title.to_owned());
        Reply::json(
            200,
            &json!({ "id": id, "title": title, "isWriteable": true }),
        )
    }

    fn search(&self, body: &[u8]) -> Reply {
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let album = asked["albumId"].as_str().unwrap_or_default();
        let state = self.state();
        let these = state
            .items
            .iter()
            .filter(|item| album.is_empty() || item.albums.iter().any(|id| id == album));
        let items: Vec<_> = these.map(Item::json).collect();
        Reply::json(200, &json!({ "mediaItems": items }))
    }

    fn token(&self, body: &[u8]) -> Reply {
        let form = String::from_utf8_lossy(body).into_owned();
        let form: BTreeMap<_, _> = http::pairs(&form).into_iter().collect();
        let value = |name: &str| form.get(name).cloned();
        let denied = |code: &str| Reply::text(400, json!({ "error": code }).to_string());
        if value("client_id").as_deref() != Some(CLIENT_ID)
            || value("client_secret").as_deref() != Some(CLIENT_SECRET)
        {
            return denied("invalid_client");
        }
        let mut state = self.state();
        let mut answer = json!({ "token_type": "Bearer", "expires_in": 3599, "scope": SCOPES });
        match value("grant_type").as_deref() {
            Some("refresh_token") => {
                let token = value("refresh_token").unwrap_or_default();
                if !state.refresh.contains(&token) {
                    return denied("invalid_grant");
                }
                if state.rotates {
                    state.refresh.remove(&token);
                    state.serial += 1;
                    let refresh = format!("{REFRESH_TOKEN}-{}", state.serial);
                    state.refresh.insert(refresh.clone());
                    answer["refresh_token"] = json!(refresh);
                }
            }
            Some("authorization_code") => {
                let known = state.codes.remove(&value("code").unwrap_or_default());
                let Some((challenge, redirect)) = known else {
                    return denied("invalid_grant");
                };
                let verifier = value("code_verifier").unwrap_or_default();
                if s256(&verifier) != challenge || value("redirect_uri") != Some(redirect) {
                    return denied("invalid_grant");
                }
                state.serial += 1;
                let refresh = format!("{REFRESH_TOKEN}-{}", state.serial);
                state.refresh.insert(refresh.clone());
                answer["refresh_token"] = json!(refresh);
            }
            _ => return denied("unsupported_grant_type"),
        }
        state.serial += 1;
        let access = format!("PLANTED-access-token-{}", state.serial);
        let uses = if state.uses == 0 {
            u32::MAX
        } else {
            state.uses
        };
        state.access.insert(access.clone(), uses);
        answer["access_token"] = json!(access);
        Reply::json(200, &answer)
    }

    /// The consent page, where the person presses "Allow" at once.
    fn consent(&self, head: &Head) -> Reply {
        let value = |name: &str| head.query(name).unwrap_or_default();
        let fits = value("client_id") == CLIENT_ID
            && value("response_type") == "code"
            && value("code_challenge_method") == "S256"
            && value("access_type") == "offline"
            && value("scope") == SCOPES
            && value("redirect_uri").starts_with("http://127.0.0.1:");
        if !fits {
            return failure(400, "invalid_request", "the link is not as it must be");
        }
        let mut state = self.state();
        state.serial += 1;
        let code = format!("code-{}", state.serial);
        let redirect = value("redirect_uri");
        state
            .codes
            .insert(code.clone(), (value("code_challenge"), redirect.clone()));
        let mut answer = Reply::text(302, String::new());
        let place = format!("{redirect}?state={}&code={code}", value("state"));
        answer.headers.push(("Location", place));
        answer
    }
}

impl State {
    fn new_token(&mut self, name: &str, size: u64, sha256: Sha256, head: Vec<u8>) -> String {
        self.serial += 1;
        // As long as Google's.
        let token = format!("CAISi{}-{}", "Qx7_".repeat(40), self.serial);
        let known = Token {
            name: name.to_owned(),
            size,
            sha256,
            head,
            is_expired: false,
        };
        self.tokens.insert(token.clone(), known);
        token
    }

    fn create(&mut self, token: &str, name: &str, album: Option<&str>) -> Value {
        let failed =
            |code: i32, words: &str| json!({ "status": { "code": code, "message": words } });
        let Some(known) = self.tokens.get(token).filter(|known| !known.is_expired) else {
            return failed(3, "Failed: Invalid upload token.");
        };
        if !is_media(&known.head) {
            let words = "NOT_IMAGE: There was an error while trying to create this media item.";
            return failed(3, words);
        }
        let at = match self.by_bytes.get(&known.sha256) {
            Some(_) if self.says_exists => {
                let words = "EXISTS: There was an error while trying to create this media item.";
                return failed(6, words);
            }
            Some(at) => *at,
            None => {
                let item = Item {
                    id: format!("item-{:06}", self.items.len() + 1),
                    name: match name {
                        "" => known.name.clone(),
                        name => name.to_owned(),
                    },
                    size: known.size,
                    sha256: known.sha256,
                    albums: Vec::new(),
                };
                self.by_bytes.insert(item.sha256, self.items.len());
                self.items.push(item);
                self.items.len() - 1
            }
        };
        let item = &mut self.items[at];
        if let Some(album) = album
            && !item.albums.iter().any(|it| it == album)
        {
            item.albums.push(album.to_owned());
        }
        json!({ "status": { "message": "Success" }, "mediaItem": item.json() })
    }
}

impl Item {
    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "filename": self.name,
            "mimeType": "image/jpeg",
            "productUrl": "https://photos.google.com/lr/photo/x",
            "mediaMetadata": { "creationTime": "2024-01-01T00:00:00Z", "width": "1", "height": "1" },
        })
    }
}

/// What the real one finds out by decoding.
fn is_media(head: &[u8]) -> bool {
    let starts = |mark: &[u8]| head.starts_with(mark);
    starts(&[0xFF, 0xD8, 0xFF])
        || starts(b"\x89PNG")
        || starts(b"GIF8")
        || starts(b"RIFF")
        || starts(b"BM")
        || starts(b"II*\0")
        || starts(b"MM\0*")
        || starts(b"\x1a\x45\xdf\xa3")
        || head.get(4..8) == Some(b"ftyp")
}

fn s256(text: &str) -> String {
    use base64::Engine as _;
    let digest = Sha256::of(text.as_bytes()).to_string();
    let bytes: Vec<u8> = (0..digest.len() / 2)
        .map(|nth| u8::from_str_radix(&digest[nth * 2..nth * 2 + 2], 16).unwrap())
        .collect();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn failure(status: u16, code: &str, words: &str) -> Reply {
    let body = json!({ "error": { "code": status, "message": words, "status": code } });
    Reply::text(status, body.to_string())
}

fn kind_of(head: &Head) -> &'static str {
    let path = head.target.split('?').next().unwrap();
    match (head.method.as_str(), path) {
        ("POST", "/token") => "token",
        ("GET", "/auth") => "consent",
        ("POST", "/v1/uploads") => match (
            head.header("x-goog-upload-protocol"),
            head.header("x-goog-upload-command"),
        ) {
            ("raw", "") => "raw",
            ("resumable", "start") => "start",
            (_, "upload" | "upload, finalize") => "upload",
            (_, "query") => "query",
            _ => "unknown",
        },
        ("POST", "/v1/mediaItems:batchCreate") => "batchCreate",
        ("GET", "/v1/mediaItems:batchGet") => "batchGet",
        ("POST", "/v1/mediaItems:search") => "search",
        ("GET", "/v1/albums") => "albums",
        ("GET", "/v1/sharedAlbums") => "sharedAlbums",
        ("POST", "/v1/albums") => "createAlbum",
        _ => "unknown",
    }
}

struct Connection<S> {
    reader: BufReader<S>,
}

impl Connection<TcpStream> {
    /// Opens a tunnel to ourselves, when that is what is asked for first.
    fn tunnel(&mut self) -> Option<TcpStream> {
        let mut begin = [0; 8];
        self.reader.get_ref().peek(&mut begin).ok()?;
        if !begin.starts_with(b"CONNECT ") {
            return None;
        }
        Head::read(&mut self.reader)?;
        let mut stream = self.reader.get_ref().try_clone().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
        Some(stream)
    }
}

impl<S: Read + Write> Connection<S> {
    fn new(stream: S) -> Self {
        Self {
            reader: http::reader(stream),
        }
    }

    fn skip(&mut self, head: &Head) -> Option<()> {
        http::read_whole(&mut self.reader, head, |_| {})
    }
}

/// Settings that lead to the stand-in; no option does.
pub(crate) fn settle_in(desk: &Desk, library: &Library, is_signed_in: bool) {
    let folder = desk.path("home/.config/rescue");
    fs::create_dir_all(&folder).unwrap();
    let url = library.url();
    let refresh = if is_signed_in { REFRESH_TOKEN } else { "old" };
    let secret = json!({ "client_secret": CLIENT_SECRET, "refresh_token": refresh });
    let text = format!(
        "[remotes.photos]\nkind = \"google-photos\"\nclient_id = \"{CLIENT_ID}\"\naddress = \"{url}\"\n\
         secret = '{secret}'\n[remotes.photos.endpoints]\nauthorize = \"{url}/auth\"\ntoken = \"{url}/token\"\n"
    );
    fs::write(folder.join("remotes.toml"), text).unwrap();
}

/// A JPEG as far as its first bytes go.
pub(crate) fn jpeg(number: usize, size: usize) -> Vec<u8> {
    let mut bytes = photo(number, size);
    bytes[..4].copy_from_slice(&[0xFF, 0xD8, 0xFF, 0xE0]);
    bytes
}

pub(crate) fn mp4(number: usize, size: usize) -> Vec<u8> {
    let mut bytes = photo(number, size);
    bytes[..16].copy_from_slice(b"\0\0\0\x10ftypisom\0\0\0\0");
    bytes
}

/// Each file of the rescue folder is one item, and no item is anything else.
#[track_caller]
pub(crate) fn everything_is_there_once(desk: &Desk, library: &Library) {
    let here = desk.tree("rescued/data").into_values();
    let here: BTreeSet<_> = here
        .map(|bytes| (bytes.len() as u64, Sha256::of(&bytes).to_string()))
        .collect();
    let items = library.items();
    let there: Vec<_> = items
        .iter()
        .map(|item| (item.size, item.sha256.to_string()))
        .collect();
    assert_eq!(there.len(), here.len());
    assert_eq!(there.into_iter().collect::<BTreeSet<_>>(), here);
    library.no_complaints();
}
