//! OneDrive, played.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Value, json};

use super::stand::{Reply, Request, SESSION, Service, Tree};

struct Session {
    path: String,
    bytes: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct OneDrive {
    tree: Tree,
    sessions: BTreeMap<String, Session>,
    made: usize,
}

/// One bit after the other, as Microsoft defines it.
fn quick_xor(bytes: &[u8]) -> String {
    let mut value = [0_u8; 20];
    // Every 160 bytes the places are the same.
    let mut folded = [0_u8; 160];
    for chunk in bytes.chunks(160) {
        for (to, from) in folded.iter_mut().zip(chunk) {
            *to ^= from;
        }
    }
    for (nth, byte) in folded.into_iter().enumerate() {
        let at = nth * 11 % 160;
        value[at / 8] ^= byte << (at % 8);
        if at % 8 > 0 {
            value[(at / 8 + 1) % 20] ^= byte >> (8 - at % 8);
        }
    }
    for (nth, byte) in (bytes.len() as u64).to_le_bytes().into_iter().enumerate() {
        value[12 + nth] ^= byte;
    }
    base64::engine::general_purpose::STANDARD.encode(value)
}

fn described(name: &str, bytes: &[u8]) -> Value {
    json!({
        "id": format!("id!{name}"),
        "name": name,
        "size": bytes.len(),
        "file": { "hashes": { "quickXorHash": quick_xor(bytes) } },
    })
}

fn error(status: u16, code: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "error": { "code": code, "message": "no" } }),
    )
}

impl OneDrive {
    fn keep(&mut self, path: &str, bytes: Vec<u8>) -> Reply {
        if self.tree.files.contains_key(path) {
            return error(409, "nameAlreadyExists");
        }
        let described = described(path.rsplit('/').next().unwrap(), &bytes);
        self.tree.place(path, bytes);
        Reply::json(201, &described)
    }

    fn session(&mut self, request: &Request) -> Reply {
        let id = request.path.rsplit('/').next().unwrap().to_owned();
        let Some(session) = self.sessions.get_mut(&id) else {
            return error(404, "itemNotFound");
        };
        if request.method == "PUT" {
            let (first, size) = request.range().unwrap();
            if first != session.bytes.len() {
                return error(416, "invalidRange");
            }
            let end = first + request.body.len();
            assert!(request.body.len() < 60 * 1024 * 1024);
            assert!(end == size || request.body.len().is_multiple_of(320 * 1024));
            session.bytes.extend(&request.body);
            if end == size {
                let session = self.sessions.remove(&id).unwrap();
                return self.keep(&session.path, session.bytes);
            }
        }
        let next = format!("{}-", session.bytes.len());
        let status = if request.method == "PUT" { 202 } else { 200 };
        Reply::json(status, &json!({ "nextExpectedRanges": [next] }))
    }

    /// The path and what is asked of it: `root:/a/b:/children`.
    fn target(request: &Request) -> (String, String) {
        let rest = request.path.strip_prefix("/v1.0/me/drive/root").unwrap();
        match rest.strip_prefix(":/") {
            None => (String::new(), rest.to_owned()),
            Some(rest) => {
                let (path, what) = rest.split_once(':').unwrap_or((rest, ""));
                (path.to_owned(), what.to_owned())
            }
        }
    }

    fn children(&self, path: &str, request: &Request, base: &str) -> Reply {
        let Some(names) = self.tree.list(path) else {
            return error(404, "itemNotFound");
        };
        let skip: usize = request.argument("$skiptoken").parse().unwrap_or(0);
        let more = names.len() > skip + 3;
        let page = names.into_iter().skip(skip).take(3);
        let value: Vec<_> = page
            .map(|(name, bytes)| match bytes {
                Some(bytes) => described(&name, bytes),
                // A folder has a size of its own.
                None => json!({ "id": "id!folder", "name": name, "size": 4711, "folder": {} }),
            })
            .collect();
        let mut page = json!({ "value": value });
        if more {
            let path = path.replace(' ', "%20");
            let item = if path.is_empty() {
                String::new()
            } else {
                format!(":/{path}:")
            };
            page["@odata.nextLink"] = format!(
                "{base}/v1.0/me/drive/root{item}/children?$skiptoken={}",
                skip + 3
            )
            .into();
        }
        Reply::json(200, &page)
    }
}

impl Service for OneDrive {
    fn needs_token(&self, request: &Request) -> bool {
        !request.path.starts_with("/session")
    }

    fn kind(&self, request: &Request) -> &'static str {
        if request.path.starts_with("/session") {
            return if request.method == "PUT" {
                "part"
            } else {
                "ask"
            };
        }
        let (_, what) = Self::target(request);
        match (request.method.as_str(), what.as_str()) {
            ("GET", "/children") => "list",
            ("POST", "/children") => "folder",
            ("POST", "/createUploadSession") => "begin",
            ("PUT", "/content") => "small",
            ("GET", "/content") => "read",
            _ => "other",
        }
    }

    fn answer(&mut self, request: &Request, base: &str) -> Reply {
        if request.path.starts_with("/session") {
            return self.session(request);
        }
        let (path, _) = Self::target(request);
        match self.kind(request) {
            "list" => self.children(&path, request, base),
            "folder" => {
                let body = request.json();
                assert_eq!(body["@microsoft.graph.conflictBehavior"], "fail");
                let name = body["name"].as_str().unwrap();
                let path = format!("{path}/{name}").trim_start_matches('/').to_owned();
                if !self.tree.folders.insert(path) {
                    return error(409, "nameAlreadyExists");
                }
                Reply::json(201, &json!({ "id": "id!folder" }))
            }
            "begin" => {
                let item = &request.json()["item"];
                assert_eq!(item["@microsoft.graph.conflictBehavior"], "fail");
                let date = &item["fileSystemInfo"]["lastModifiedDateTime"];
                assert!(date.as_str().is_none_or(|date| date.ends_with('Z')));
                if self.tree.files.contains_key(&path) {
                    return error(409, "nameAlreadyExists");
                }
                self.made += 1;
                let id = self.made.to_string();
                let address = format!("{base}/session/{SESSION}/{id}");
                let bytes = Vec::new();
                self.sessions.insert(id, Session { path, bytes });
                Reply::json(200, &json!({ "uploadUrl": address }))
            }
            "small" => {
                assert_eq!(
                    request.argument("@microsoft.graph.conflictBehavior"),
                    "fail"
                );
                self.keep(&path, request.body.clone())
            }
            "read" => match self.tree.files.get(&path) {
                Some(bytes) => {
                    let mut reply = Reply::new(200);
                    reply.body.clone_from(bytes);
                    reply
                }
                None => error(404, "itemNotFound"),
            },
            _ => {
                assert_eq!(request.method, "DELETE");
                match self.tree.files.remove(&path) {
                    Some(_) => Reply::new(204),
                    None => error(404, "itemNotFound"),
                }
            }
        }
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.tree.files.clone()
    }

    fn place(&mut self, path: &str, bytes: Vec<u8>) {
        self.tree.place(path, bytes);
    }

    fn full(&self) -> Reply {
        error(507, "quotaLimitReached")
    }

    fn end_sessions(&mut self) {
        self.sessions.clear();
    }
}
