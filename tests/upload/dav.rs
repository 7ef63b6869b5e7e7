//! A small WebDAV server in this process that fails as it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

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
    /// Answers a listing that does not end.
    ListForEver,
    /// Answers this status, and an error that does not end.
    FailForEver(u16),
}

/// Decides by method, path and how many requests of this method came before.
type Decide = dyn Fn(&str, &str, usize) -> Option<Fault> + Send + Sync;

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    folders: BTreeSet<String>,
    log: Vec<(String, String)>,
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

    pub(crate) fn serve(
        listener: TcpListener,
        decide: impl Fn(&str, &str, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (served, decide): (_, Arc<Decide>) = (Arc::clone(&state), Arc::new(decide));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, decide) = (Arc::clone(&served), Arc::clone(&decide));
                thread::spawn(move || serve(&stream, &state, &*decide));
            }
        });
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
        let state = lock(&self.state);
        state.log.iter().filter(|(used, _)| used == method).count()
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
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), decoded(words.next()?));
    let path = path.trim_start_matches("/dav").trim_matches('/').to_owned();
    let (mut length, mut depth) = (0, "1".to_owned());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "depth" => value.trim().clone_into(&mut depth),
            _ => {}
        }
    }
    let fault = {
        let mut state = lock(state);
        let before = state.log.iter().filter(|(used, _)| *used == method).count();
        state.log.push((method.clone(), path.clone()));
        decide(&method, &path, before)
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
        Some(Fault::CutBeforeTheAnswer) => {
            lock(state).files.insert(path.clone(), body);
            return None;
        }
        Some(Fault::Lie) => {
            lock(state)
                .files
                .insert(path.clone(), body[..half].to_vec());
            (201, String::new(), String::new())
        }
        Some(Fault::CutMidway | Fault::Hang | Fault::ListForEver | Fault::FailForEver(_))
        | None => answer(&method, &path, body, &depth, state),
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
    depth: &str,
    state: &Mutex<State>,
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
                if depth == "1" {
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
    let path = path
        .replace(' ', "%20")
        .replace('(', "%28")
        .replace(')', "%29");
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

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}
