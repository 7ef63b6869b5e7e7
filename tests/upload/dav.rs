//! A small WebDAV server in this process that fails as it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unicode_normalization::UnicodeNormalization as _;

use super::gate::Gate;
use crate::support::http::{self, Head};

/// Tiny files with which a run tries what a server does.
pub(crate) const TRIED: usize = 2;

/// What the server does with a request instead of serving it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Answers this status, with this value of `Retry-After`.
    Answer(u16, Option<u32>),
    /// Stores half of the file and cuts the connection.
    CutMidway,
    /// Stores half of the file and never answers.
    Hang,
    /// Stores all of the file and cuts the connection before it answers.
    CutBeforeTheAnswer,
    /// Stores half of the file and says that all is well.
    Lie,
    /// Answers this status, and this address as the one to ask instead.
    Redirect(u16, &'static str),
    /// Answers a listing without what is there, and says behind it that something went wrong.
    ListBrokenOff,
    /// Answers a listing that does not end.
    ListForEver,
    /// Answers this status, and an error that does not end.
    FailForEver(u16),
}

/// Decides by method, path and how many requests of this method came before.
type Decide = dyn Fn(&str, &str, usize) -> Option<Fault> + Send + Sync;

/// What a server does with requests that could write over a file, and with names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// It knows MOVE,
    pub(crate) moves: bool,
    /// and heeds `Overwrite: F`.
    pub(crate) heeds_overwrite: bool,
    /// It heeds `If-None-Match: *`.
    pub(crate) heeds_condition: bool,
    /// It keeps names as a disk of macOS does: `é` is two characters, in whatever form it is asked.
    pub(crate) decomposes: bool,
    /// It takes `a.jpg` and `A.JPG` for one name, and keeps the first spelling.
    pub(crate) folds_case: bool,
}

impl Default for Manners {
    /// As golang.org/x/net/webdav.
    fn default() -> Self {
        Self {
            moves: true,
            heeds_overwrite: true,
            heeds_condition: false,
            decomposes: false,
            folds_case: false,
        }
    }
}

impl Manners {
    /// What the server calls a path.
    fn path(&self, state: &State, path: &str) -> String {
        let spelt: String = match self.decomposes {
            true => path.nfd().collect(),
            false => path.to_owned(),
        };
        let is_it = |known: &&String| known.to_lowercase() == spelt.to_lowercase();
        let known = state.files.keys().chain(&state.folders).find(is_it);
        known.filter(|_| self.folds_case).cloned().unwrap_or(spelt)
    }
}

#[derive(Default)]
struct State {
    gate: Option<Gate>,
    is_well: bool,
    manners: Manners,
    files: BTreeMap<String, Vec<u8>>,
    folders: BTreeSet<String>,
    log: Vec<(String, String)>,
}

/// What matters of a request's headers.
struct Headers {
    depth: String,
    destination: String,
    overwrite: bool,
    only_new: bool,
}

pub(crate) struct Dav {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Dav {
    pub(crate) fn start(
        decide: impl Fn(&str, &str, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").unwrap(), decide)
    }

    pub(crate) fn with(manners: Manners) -> Self {
        let dav = Self::start(|_, _, _| None);
        lock(&dav.state).manners = manners;
        dav
    }

    /// From now on nothing fails.
    pub(crate) fn heal(&self) {
        lock(&self.state).is_well = true;
    }

    pub(crate) fn remove(&self, path: &str) {
        lock(&self.state).files.remove(path);
    }

    pub(crate) fn set_gate(&self, gate: Gate) {
        lock(&self.state).gate = Some(gate);
    }

    pub(crate) fn set_manners(&self, manners: Manners) {
        lock(&self.state).manners = manners;
    }

    pub(crate) fn serve(
        listener: TcpListener,
        decide: impl Fn(&str, &str, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (served, decide): (_, Arc<Decide>) = (Arc::clone(&state), Arc::new(decide));
        let address = http::serve_at(listener, move |stream| serve(&stream, &served, &*decide));
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/dav", self.address)
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        lock(&self.state).files.clone()
    }

    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>) {
        let mut state = lock(&self.state);
        let mut folder = path;
        while let Some((above, _)) = folder.rsplit_once('/') {
            state.folders.insert(above.to_owned());
            folder = above;
        }
        state.files.insert(path.to_owned(), bytes);
    }

    /// How often a method was used.
    pub(crate) fn requests(&self, method: &str) -> usize {
        self.requests_for(method, "")
    }

    /// How often a method was used for paths with an ending.
    pub(crate) fn requests_for(&self, method: &str, ending: &str) -> usize {
        let state = lock(&self.state);
        let log = state.log.iter();
        log.filter(|(used, path)| used == method && path.ends_with(ending))
            .count()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, state: &Mutex<State>, decide: &Decide) {
    let mut reader = BufReader::new(stream);
    while serve_one(&mut reader, stream, state, decide).is_some() {}
}

/// `None` ends the connection.
fn serve_one(
    reader: &mut BufReader<&TcpStream>,
    mut stream: &TcpStream,
    state: &Mutex<State>,
    decide: &Decide,
) -> Option<()> {
    let head = Head::read(reader)?;
    let path = head.path();
    let path = path.trim_start_matches("/dav").trim_matches('/').to_owned();
    let destination = head.header("destination");
    let asked = Headers {
        depth: head
            .headers
            .get("depth")
            .map_or("1", String::as_str)
            .to_owned(),
        destination: http::decoded(destination.split("/dav/").nth(1).unwrap_or_default()),
        overwrite: matches!(head.header("overwrite"), "" | "T"),
        only_new: head.header("if-none-match") == "*",
    };
    let length = usize::try_from(head.length()).unwrap();
    let method = head.method;
    let gate = lock(state).gate.clone();
    if let Some(gate) = gate {
        gate.pass_alone();
    }
    let fault = {
        let mut state = lock(state);
        let before = state.log.iter().filter(|(used, _)| *used == method).count();
        state.log.push((method.clone(), path.clone()));
        match state.is_well {
            true => None,
            false => decide(&method, &path, before),
        }
    };
    if let Some(Fault::ListForEver | Fault::FailForEver(_)) = fault {
        let status = match fault {
            Some(Fault::FailForEver(status)) => status,
            _ => 207,
        };
        let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        let begin = r#"<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">"#;
        stream.write_all(begin.as_bytes()).ok()?;
        for nth in 0_u64.. {
            let some: String = (0..100)
                .map(|of| entry(&format!("{nth}-{of}.jpg"), Some(1)))
                .collect();
            stream.write_all(some.as_bytes()).ok()?;
        }
    }
    let half = length / 2;
    let mut body = vec![0; length];
    if matches!(fault, Some(Fault::CutMidway | Fault::Hang)) {
        reader.read_exact(&mut body[..half]).ok()?;
        let part = body[..half].to_vec();
        lock(state).files.insert(path, part);
        if matches!(fault, Some(Fault::Hang)) {
            // Until the other side is gone.
            let _ = reader.read_to_end(&mut body);
        }
        return None;
    }
    reader.read_exact(&mut body).ok()?;
    let (status, headers, answer) = match fault {
        Some(Fault::Answer(status, after)) => {
            let header = after.map_or(String::new(), |after| format!("Retry-After: {after}\r\n"));
            (status, header, String::new())
        }
        Some(Fault::Redirect(status, to)) => (status, format!("Location: {to}\r\n"), String::new()),
        Some(Fault::ListBrokenOff) => {
            let tree = format!(
                r#"<D:multistatus xmlns:D="DAV:">{}</D:multistatus>Internal Server Error"#,
                entry(&path, None)
            );
            (207, String::new(), tree)
        }
        Some(Fault::CutBeforeTheAnswer) => {
            let manners = lock(state).manners;
            answer(&method, &path, body, &asked, (state, manners));
            return None;
        }
        Some(Fault::Lie) => {
            lock(state)
                .files
                .insert(path.clone(), body[..half].to_vec());
            (201, String::new(), String::new())
        }
        Some(Fault::CutMidway | Fault::Hang | Fault::ListForEver | Fault::FailForEver(_))
        | None => {
            let (path, manners) = {
                let state = lock(state);
                (state.manners.path(&state, &path), state.manners)
            };
            answer(&method, &path, body, &asked, (state, manners))
        }
    };
    let path = {
        let state = lock(state);
        state.manners.path(&state, &path)
    };
    let is_file = method == "GET" && status == 200;
    let length = match is_file {
        true => lock(state).files[&path].len(),
        false => answer.len(),
    };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    if is_file {
        let bytes = lock(state).files[&path].clone();
        stream.write_all(&bytes).ok()?;
        return Some(());
    }
    stream.write_all(answer.as_bytes()).ok()
}

fn answer(
    method: &str,
    path: &str,
    body: Vec<u8>,
    asked: &Headers,
    (state, manners): (&Mutex<State>, Manners),
) -> (u16, String, String) {
    let mut state = lock(state);
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    let nothing = |status| (status, String::new(), String::new());
    let has_above = above.is_empty() || state.folders.contains(above);
    match method {
        "MKCOL" if state.folders.contains(path) => nothing(405),
        "MKCOL" | "PUT" if !has_above => nothing(409),
        "MKCOL" => {
            state.folders.insert(path.to_owned());
            nothing(201)
        }
        "PUT" if asked.only_new && manners.heeds_condition && state.files.contains_key(path) => {
            nothing(412)
        }
        "MOVE" if !manners.moves => nothing(405),
        "MOVE" => {
            let to = manners.path(&state, &asked.destination);
            let is_taken = state.files.contains_key(&to);
            match state.files.remove(path) {
                None => nothing(404),
                Some(bytes) if is_taken && !asked.overwrite && manners.heeds_overwrite => {
                    state.files.insert(path.to_owned(), bytes);
                    nothing(412)
                }
                Some(bytes) => {
                    state.files.insert(to, bytes);
                    nothing(201)
                }
            }
        }
        "PUT" => {
            state.files.insert(path.to_owned(), body);
            nothing(201)
        }
        "DELETE" => {
            state.files.remove(path);
            nothing(204)
        }
        "GET" => match state.files.get(path) {
            Some(_) => nothing(200),
            None => nothing(404),
        },
        "PROPFIND" => {
            let is_folder = path.is_empty() || state.folders.contains(path);
            if !is_folder && !state.files.contains_key(path) {
                return nothing(404);
            }
            let mut xml = String::from(r#"<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">"#);
            if is_folder {
                xml += &entry(path, None);
                if asked.depth == "1" {
                    let below = |name: &str| {
                        let folder = name.rsplit_once('/').map_or("", |(above, _)| above);
                        folder == path && !name.is_empty()
                    };
                    for folder in state.folders.iter().filter(|name| below(name)) {
                        xml += &entry(folder, None);
                    }
                    for (file, bytes) in state.files.iter().filter(|(name, _)| below(name)) {
                        xml += &entry(file, Some(bytes.len()));
                    }
                }
            } else {
                xml += &entry(path, Some(state.files[path].len()));
            }
            xml += "</D:multistatus>";
            (207, "Content-Type: application/xml\r\n".to_owned(), xml)
        }
        _ => nothing(405),
    }
}

fn entry(path: &str, size: Option<usize>) -> String {
    let (slash, kind) = match size {
        Some(size) => (
            "",
            format!("<D:getcontentlength>{size}</D:getcontentlength><D:resourcetype/>"),
        ),
        None => (
            "/",
            "<D:resourcetype><D:collection/></D:resourcetype>".to_owned(),
        ),
    };
    let path: String = path
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let path = match path.as_str() {
        "" => String::new(),
        path => format!("/{path}"),
    };
    format!(
        "<D:response><D:href>/dav{path}{slash}</D:href><D:propstat><D:prop>{kind}\
         <D:getlastmodified>Mon, 01 Jan 2024 00:00:00 GMT</D:getlastmodified></D:prop>\
         <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    )
}
