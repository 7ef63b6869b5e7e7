//! Google Drive, played.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rescue::digest::Sha256;
use serde_json::{Value, json};

use super::stand::{Reply, Request, SESSION, Service};

const FOLDER: &str = "application/vnd.google-apps.folder";

struct Node {
    name: String,
    parent: String,
    /// None for a folder.
    bytes: Option<Vec<u8>>,
}

struct Session {
    description: Value,
    size: usize,
    bytes: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Google {
    nodes: BTreeMap<String, Node>,
    sessions: BTreeMap<String, Session>,
    made: usize,
}

impl Google {
    fn add(&mut self, name: &str, parent: &str, bytes: Option<Vec<u8>>) -> String {
        assert!(parent == "root" || self.nodes[parent].bytes.is_none());
        self.made += 1;
        let id = format!("id-{}", self.made);
        let node = Node {
            name: name.to_owned(),
            parent: parent.to_owned(),
            bytes,
        };
        self.nodes.insert(id.clone(), node);
        id
    }

    fn described(&self, id: &str) -> Value {
        let node = &self.nodes[id];
        match &node.bytes {
            None => json!({ "id": id, "name": node.name, "mimeType": FOLDER }),
            Some(bytes) => json!({
                "id": id,
                "name": node.name,
                "mimeType": "image/jpeg",
                "size": bytes.len().to_string(),
                "sha256Checksum": Sha256::of(bytes).to_string(),
            }),
        }
    }

    fn add_described(&mut self, description: &Value, bytes: Vec<u8>) -> Reply {
        let parent = description["parents"][0].as_str().unwrap();
        if parent != "root" && !self.nodes.contains_key(parent) {
            return not_found();
        }
        let name = description["name"].as_str().unwrap().to_owned();
        let date = description["modifiedTime"].as_str();
        assert!(date.is_none_or(|date| date.ends_with('Z')));
        let id = self.add(&name, parent, Some(bytes));
        Reply::json(200, &self.described(&id))
    }

    fn query(&self, request: &Request) -> Reply {
        let query = request.argument("q");
        assert!(query.ends_with("trashed = false"), "{query}");
        let quoted = |before: &str, after: &str| {
            let rest = &query[query.find(before)? + before.len()..];
            let end = rest.find(after).unwrap();
            Some(rest[..end].replace("\\'", "'").replace("\\\\", "\\"))
        };
        let name = quoted("name = '", "' and '");
        let parent = match &name {
            Some(_) => quoted("' and '", "' in parents"),
            None => quoted("'", "' in parents"),
        };
        let parent = parent.unwrap();
        let folders = query.contains(FOLDER);
        let fits = |node: &Node| {
            node.parent == parent
                && name.as_ref().is_none_or(|name| node.name == *name)
                && (!folders || node.bytes.is_none())
        };
        let ids = self.nodes.iter().filter(|(_, node)| fits(node));
        let mut ids: Vec<_> = ids.map(|(id, _)| id).collect();
        assert_eq!(request.argument("orderBy"), "createdTime");
        ids.sort_by_key(|id| id.trim_start_matches("id-").parse::<usize>().unwrap());
        let skip: usize = request.argument("pageToken").parse().unwrap_or(0);
        let ids = ids.into_iter().skip(skip);
        let mut files: Vec<_> = ids.map(|id| self.described(id)).collect();
        // Pages may be shorter than asked for.
        let next = (files.len() > 3).then(|| (skip + 3).to_string());
        files.truncate(3);
        Reply::json(200, &json!({ "files": files, "nextPageToken": next }))
    }

    fn path(&self, id: &str) -> String {
        let node = &self.nodes[id];
        match node.parent.as_str() {
            "root" => node.name.clone(),
            parent => format!("{}/{}", self.path(parent), node.name),
        }
    }

    fn session(&mut self, request: &Request) -> Reply {
        let id = request.path.rsplit('/').next().unwrap().to_owned();
        let Some(session) = self.sessions.get_mut(&id) else {
            return Reply::new(404);
        };
        if let Some((first, size)) = request.range() {
            assert_eq!(size, session.size);
            assert_eq!(first, session.bytes.len(), "not where the session is");
            let end = first + request.body.len();
            assert!(end == size || request.body.len().is_multiple_of(256 * 1024));
            session.bytes.extend(&request.body);
            if end == size {
                let session = self.sessions.remove(&id).unwrap();
                return self.add_described(&session.description, session.bytes);
            }
        }
        let reply = Reply::new(308);
        match session.bytes.len() {
            0 => reply,
            count => reply.with("Range", format!("bytes=0-{}", count - 1)),
        }
    }
}

fn not_found() -> Reply {
    let error = json!({ "error": { "errors": [{ "reason": "notFound" }], "code": 404 } });
    Reply::json(404, &error)
}

impl Service for Google {
    fn needs_token(&self, request: &Request) -> bool {
        !request.path.starts_with("/session")
    }

    fn kind(&self, request: &Request) -> &'static str {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/drive/v3/files") => "list",
            ("POST", "/drive/v3/files") => "folder",
            ("POST", _) if request.argument("uploadType") == "resumable" => "begin",
            ("POST", _) => "small",
            ("PUT", _) if request.header("content-range").contains('*') => "ask",
            ("PUT", _) => "part",
            _ => "other",
        }
    }

    fn answer(&mut self, request: &Request, base: &str) -> Reply {
        match self.kind(request) {
            "list" => self.query(request),
            "folder" => {
                let body = request.json();
                assert_eq!(body["mimeType"], FOLDER);
                let name = body["name"].as_str().unwrap().to_owned();
                let parent = body["parents"][0].as_str().unwrap().to_owned();
                let id = self.add(&name, &parent, None);
                Reply::json(200, &json!({ "id": id }))
            }
            "begin" => {
                let size = request.header("x-upload-content-length").parse().unwrap();
                self.made += 1;
                let id = self.made.to_string();
                let session = Session {
                    description: request.json(),
                    size,
                    bytes: Vec::new(),
                };
                self.sessions.insert(id.clone(), session);
                Reply::new(200).with("Location", format!("{base}/session/{SESSION}/{id}"))
            }
            "small" => {
                assert_eq!(request.argument("uploadType"), "multipart");
                let kind = request.header("content-type");
                let mark = kind.strip_prefix("multipart/related; boundary=").unwrap();
                let (description, bytes) = parts(&request.body, mark);
                self.add_described(&description, bytes)
            }
            "ask" | "part" => self.session(request),
            _ => {
                let id = request.path.rsplit('/').next().unwrap();
                let Some(node) = self.nodes.get(id) else {
                    return not_found();
                };
                match request.method.as_str() {
                    "GET" => {
                        assert_eq!(request.argument("alt"), "media");
                        let mut reply = Reply::new(200);
                        reply.body.clone_from(node.bytes.as_ref().unwrap());
                        reply
                    }
                    "DELETE" => {
                        self.nodes.remove(id);
                        Reply::new(204)
                    }
                    other => panic!("{other}"),
                }
            }
        }
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for (id, node) in &self.nodes {
            if let Some(bytes) = &node.bytes {
                let mut path = self.path(id);
                // Drive takes namesakes; a test must see them.
                while files.contains_key(&path) {
                    write!(path, " AGAIN").unwrap();
                }
                files.insert(path, bytes.clone());
            }
        }
        files
    }

    fn place(&mut self, path: &str, bytes: Vec<u8>) {
        let mut parent = "root".to_owned();
        let (folders, name) = path.rsplit_once('/').unwrap();
        for folder in folders.split('/') {
            let known = self.nodes.iter().find(|(_, node)| {
                node.name == folder && node.parent == parent && node.bytes.is_none()
            });
            let known = known.map(|(id, _)| id.clone());
            parent = known.unwrap_or_else(|| self.add(folder, &parent.clone(), None));
        }
        self.add(name, &parent, Some(bytes));
    }

    fn full(&self) -> Reply {
        let error = json!({
            "error": { "errors": [{ "domain": "global", "reason": "storageQuotaExceeded" }], "code": 403 }
        });
        Reply::json(403, &error)
    }

    fn end_sessions(&mut self) {
        self.sessions.clear();
    }
}

/// The two parts of a multipart/related body.
fn parts(body: &[u8], mark: &str) -> (Value, Vec<u8>) {
    let find = |text: &str, from: usize| {
        let window = body[from..].windows(text.len());
        from + window
            .into_iter()
            .position(|at| at == text.as_bytes())
            .unwrap()
    };
    let line = format!("--{mark}\r\n");
    assert!(body.starts_with(line.as_bytes()));
    let first = find("\r\n\r\n", 0) + 4;
    let first_end = find(&format!("\r\n{line}"), first);
    let second = find("\r\n\r\n", first_end + 2) + 4;
    let end = body.len() - format!("\r\n--{mark}--\r\n").len();
    assert!(body[end..].ends_with(format!("\r\n--{mark}--\r\n").as_bytes()));
    let description = serde_json::from_slice(&body[first..first_end]).unwrap();
    (description, body[second..end].to_vec())
}
