//! A strict HTTP server in this process, in which a service of somebody else's is played; and the
//! sign-in that goes with it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::gate::Gate;
pub(crate) use crate::support::http::Reply;
use crate::support::http::{self, Head};

pub(crate) const REFRESH: &str = "PLANTED-refresh-81fa";
pub(crate) const ACCESS: &str = "PLANTED-access-c3d7";
/// In the address of every session.
pub(crate) const SESSION: &str = "PLANTED-session-77be";

pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn argument(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `bytes 0-99/300`: (0, 300), which must fit the body; `None` for a question (`bytes */300`).
    pub(crate) fn range(&self) -> Option<(usize, usize)> {
        let range = self.header("content-range").strip_prefix("bytes ").unwrap();
        let (range, size) = range.split_once('/').unwrap();
        let (first, last) = range.split_once('-')?;
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        assert_eq!(
            last + 1 - first,
            self.body.len(),
            "a range that is not the body's"
        );
        Some((first, size.parse().unwrap()))
    }
}

/// What happens to a request instead of being served.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Answer(Reply),
    /// It is served, and the connection ends before the answer.
    CutBeforeTheAnswer,
    /// The token's time is over from now on.
    Expire,
    /// What is sent arrives with another byte.
    Damage,
}

/// A service: what it has, and how it answers.
pub(crate) trait Service: Send + 'static {
    /// Whether a request needs a token; where it does not, none may come.
    fn needs_token(&self, request: &Request) -> bool;
    fn answer(&mut self, request: &Request, base: &str) -> Reply;
    /// What kind of request this is, for faults and counts.
    fn kind(&self, request: &Request) -> &'static str;
    /// All files by path.
    fn files(&self) -> BTreeMap<String, Vec<u8>>;
    /// Puts a file there.
    fn place(&mut self, path: &str, bytes: Vec<u8>);
    /// What it says when there is no room.
    fn full(&self) -> Reply;
    /// Forgets all sessions.
    fn end_sessions(&mut self);
}

type Decide = dyn Fn(&str, usize) -> Option<Fault> + Send + Sync;

struct State<S> {
    service: S,
    counts: BTreeMap<String, usize>,
    received: usize,
    tokens: usize,
    valid: BTreeSet<String>,
    refuse_sign_in: bool,
    wrongs: Vec<String>,
    gate: Option<Gate>,
}

pub(crate) struct Stand<S> {
    address: SocketAddr,
    state: Arc<Mutex<State<S>>>,
}

impl<S: Service> Stand<S> {
    /// `decide` is asked with the kind of each request and how many of it came before.
    pub(crate) fn start(
        service: S,
        decide: impl Fn(&str, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(Mutex::new(State {
            service,
            counts: BTreeMap::new(),
            received: 0,
            tokens: 0,
            valid: BTreeSet::new(),
            refuse_sign_in: false,
            wrongs: Vec::new(),
            gate: None,
        }));
        let (served, decide): (_, Arc<Decide>) = (Arc::clone(&state), Arc::new(decide));
        let address = http::serve(move |stream| {
            let base = format!("http://{}", stream.local_addr().unwrap());
            let mut reader = http::reader(&stream);
            while serve_one(&mut reader, &stream, &served, &*decide, &base).is_some() {}
        });
        Self { address, state }
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.state().service.files()
    }

    pub(crate) fn set_gate(&self, gate: Gate) {
        self.state().gate = Some(gate);
    }

    pub(crate) fn place(&self, path: &str, bytes: Vec<u8>) {
        self.state().service.place(path, bytes);
    }

    pub(crate) fn end_sessions(&self) {
        self.state().service.end_sessions();
    }

    pub(crate) fn refuse_sign_in(&self) {
        let mut state = self.state();
        state.refuse_sign_in = true;
        state.valid.clear();
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.state().counts.get(kind).copied().unwrap_or_default()
    }

    /// Bytes in bodies so far.
    pub(crate) fn received(&self) -> usize {
        self.state().received
    }

    /// How often an access token was had.
    pub(crate) fn tokens(&self) -> usize {
        self.state().tokens
    }

    /// What broke the service's rules.
    #[track_caller]
    pub(crate) fn nothing_wrong(&self) {
        let wrongs = self.state().wrongs.clone();
        assert!(wrongs.is_empty(), "{wrongs:?}");
    }
}

/// `None` ends the connection.
fn serve_one<S: Service>(
    reader: &mut impl BufRead,
    mut stream: &TcpStream,
    state: &Mutex<State<S>>,
    decide: &Decide,
    base: &str,
) -> Option<()> {
    let mut request = read(reader)?;
    let gate = {
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.gate.clone()
    };
    if let Some(gate) = gate {
        gate.pass_alone();
    }
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.received += request.body.len();
    let (reply, cut) = match request.path.as_str() {
        "/token" => (sign_in(&mut state, &request), false),
        _ => {
            let kind = state.service.kind(&request);
            let nth = state.counts.entry(kind.to_owned()).or_default();
            *nth += 1;
            let fault = decide(kind, *nth - 1);
            match fault {
                Some(Fault::Answer(reply)) => (reply, false),
                fault => {
                    if matches!(fault, Some(Fault::Expire)) {
                        state.valid.clear();
                    }
                    if matches!(fault, Some(Fault::Damage))
                        && let Some(byte) = request.body.last_mut()
                    {
                        *byte ^= 1;
                    }
                    let cut = matches!(fault, Some(Fault::CutBeforeTheAnswer));
                    (serve(&mut state, &request, base), cut)
                }
            }
        }
    };
    drop(state);
    if cut {
        return None;
    }
    reply.write(&mut stream)
}

fn serve<S: Service>(state: &mut State<S>, request: &Request, base: &str) -> Reply {
    let authorization = request.header("authorization");
    if state.service.needs_token(request) {
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        if !state.valid.contains(token) {
            let error = json!({ "error": { "code": "InvalidAuthenticationToken" } });
            return Reply::json(401, &error);
        }
    } else if !authorization.is_empty() {
        let wrong = format!("a token at {} {}", request.method, request.path);
        state.wrongs.push(wrong);
    }
    let service = std::panic::AssertUnwindSafe(&mut state.service);
    let answered = std::panic::catch_unwind(move || {
        let std::panic::AssertUnwindSafe(service) = { service };
        service.answer(request, base)
    });
    answered.unwrap_or_else(|_| {
        let wrong = format!("{} {} {:?}", request.method, request.path, request.headers);
        state.wrongs.push(wrong);
        Reply::new(400)
    })
}

fn sign_in<S>(state: &mut State<S>, request: &Request) -> Reply {
    let form = http::pairs(&String::from_utf8_lossy(&request.body));
    let form: BTreeMap<_, _> = form.into_iter().collect();
    let is_right = form
        .get("grant_type")
        .is_some_and(|kind| kind == "refresh_token")
        && form
            .get("refresh_token")
            .is_some_and(|token| token == REFRESH)
        && form.get("client_id").is_some_and(|id| id == "ID");
    if !is_right || state.refuse_sign_in {
        return Reply::json(400, &json!({ "error": "invalid_grant" }));
    }
    state.tokens += 1;
    let token = format!("{ACCESS}-{}", state.tokens);
    // Two people have one each.
    state.valid.insert(token.clone());
    let granted = json!({
        "access_token": token,
        "token_type": "bearer",
        "expires_in": 3600,
    });
    Reply::json(200, &granted)
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let head = Head::read(reader)?;
    let mut body = Vec::new();
    http::read_body(reader, head.length(), |piece| body.extend_from_slice(piece))?;
    Some(Request {
        path: head.path(),
        query: head.arguments().into_iter().collect(),
        method: head.method,
        headers: head.headers,
        body,
    })
}

/// Names in a folder; files with their bytes.
type Names<'a> = Vec<(String, Option<&'a Vec<u8>>)>;

/// Files by path, with the folders that they are in.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) folders: BTreeSet<String>,
}

impl Tree {
    pub(crate) fn place(&mut self, path: &str, bytes: Vec<u8>) {
        let mut folder = path;
        while let Some((above, _)) = folder.rsplit_once('/') {
            self.folders.insert(above.to_owned());
            folder = above;
        }
        self.files.insert(path.to_owned(), bytes);
    }

    /// The names in a folder; `None` bytes for folders. `None` when there is no such folder.
    pub(crate) fn list(&self, folder: &str) -> Option<Names<'_>> {
        if !folder.is_empty() && !self.folders.contains(folder) {
            return None;
        }
        let name = |path: &str| {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            (above == folder).then(|| name.to_owned())
        };
        let folders = self
            .folders
            .iter()
            .filter_map(|path| Some((name(path)?, None)));
        let files = self.files.iter();
        let files = files.filter_map(|(path, bytes)| Some((name(path)?, Some(bytes))));
        Some(folders.chain(files).collect())
    }
}
