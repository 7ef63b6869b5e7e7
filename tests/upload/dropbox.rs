//! Dropbox, played.

use std::collections::BTreeMap;

use rescue::digest::Sha256;
use serde_json::{Value, json};

use super::stand::{Reply, Request, SESSION, Service, Tree};

const BLOCK_BYTES: usize = 4 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct Dropbox {
    tree: Tree,
    sessions: BTreeMap<String, Vec<u8>>,
    made: usize,
}

fn error(summary: &str, more: &Value) -> Reply {
    let mut error = json!({ ".tag": summary.split('/').next() });
    for (name, value) in more.as_object().unwrap() {
        error[name] = value.clone();
    }
    let body = json!({ "error_summary": format!("{summary}/..."), "error": error });
    Reply::json(409, &body)
}

fn described(name: &str, bytes: &[u8]) -> Value {
    let hashes: Vec<u8> = bytes
        .chunks(BLOCK_BYTES)
        .flat_map(|block| Sha256::of(block).0)
        .collect();
    json!({
        ".tag": "file",
        "name": name,
        "id": format!("id:{}", bytes.len()),
        "size": bytes.len(),
        "content_hash": Sha256::of(&hashes).to_string(),
    })
}

/// The path of an argument, without its slash.
fn path_of(value: &Value) -> String {
    let path = value["path"].as_str().unwrap();
    assert!(path.is_empty() || path.starts_with('/'), "{path}");
    path.trim_start_matches('/').to_owned()
}

impl Dropbox {
    fn commit(&mut self, commit: &Value, bytes: Vec<u8>) -> Reply {
        let path = path_of(commit);
        assert_eq!(commit["mode"], "add");
        assert_eq!(commit["autorename"], false);
        let date = commit["client_modified"].as_str();
        assert!(date.is_none_or(|date| date.ends_with('Z')));
        if self.tree.files.contains_key(&path) || self.tree.folders.contains(&path) {
            return error("path/conflict/file", &json!({}));
        }
        let name = path.rsplit('/').next().unwrap();
        let described = described(name, &bytes);
        self.tree.place(&path, bytes);
        Reply::json(200, &described)
    }

    fn list(&self, folder: &str, skip: usize) -> Reply {
        let Some(names) = self.tree.list(folder) else {
            return error("path/not_found", &json!({}));
        };
        let more = names.len() > skip + 3;
        let page = names.into_iter().skip(skip).take(3);
        let entries: Vec<_> = page
            .map(|(name, bytes)| match bytes {
                Some(bytes) => described(&name, bytes),
                None => json!({ ".tag": "folder", "name": name, "id": "id:folder" }),
            })
            .collect();
        let cursor = json!([folder, skip + 3]).to_string();
        let page = json!({ "entries": entries, "cursor": cursor, "has_more": more });
        Reply::json(200, &page)
    }

    fn append(&mut self, request: &Request, arguments: &Value) -> Reply {
        let id = arguments["cursor"]["session_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let offset = arguments["cursor"]["offset"].as_u64().unwrap() as usize;
        let finish = request.path.ends_with("finish");
        let Some(bytes) = self.sessions.get_mut(&id) else {
            let summary = if finish {
                "lookup_failed/not_found"
            } else {
                "not_found"
            };
            return error(summary, &json!({}));
        };
        if bytes.len() != offset {
            let right = json!({ "correct_offset": bytes.len() });
            return match finish {
                true => error(
                    "lookup_failed/incorrect_offset",
                    &json!({ "lookup_failed": right }),
                ),
                false => error("incorrect_offset", &right),
            };
        }
        bytes.extend(&request.body);
        if !finish {
            return Reply::json(200, &Value::Null);
        }
        let bytes = self.sessions.remove(&id).unwrap();
        self.commit(&arguments["commit"], bytes)
    }
}

impl Service for Dropbox {
    fn needs_token(&self, _: &Request) -> bool {
        true
    }

    fn kind(&self, request: &Request) -> &'static str {
        let arguments = request.header("dropbox-api-arg");
        match request.path.strip_prefix("/2/files/").unwrap() {
            "list_folder" | "list_folder/continue" => "list",
            "upload" => "small",
            "upload_session/start" => "begin",
            "upload_session/append_v2" if request.body.is_empty() => "ask",
            "upload_session/append_v2" | "upload_session/finish" => "part",
            _ if arguments.is_empty() => "other",
            _ => "read",
        }
    }

    fn answer(&mut self, request: &Request, _: &str) -> Reply {
        assert_eq!(request.method, "POST");
        let arguments = request.header("dropbox-api-arg");
        assert!(arguments.is_ascii());
        let arguments: Value = match arguments {
            "" => request.json(),
            arguments => serde_json::from_str(arguments).unwrap(),
        };
        assert!(request.body.len() < 150 * 1024 * 1024);
        match request.path.strip_prefix("/2/files/").unwrap() {
            "list_folder" => self.list(&path_of(&arguments), 0),
            "list_folder/continue" => {
                let cursor: Value =
                    serde_json::from_str(arguments["cursor"].as_str().unwrap()).unwrap();
                self.list(
                    cursor[0].as_str().unwrap(),
                    cursor[1].as_u64().unwrap() as usize,
                )
            }
            "upload" => self.commit(&arguments, request.body.clone()),
            "upload_session/start" => {
                self.made += 1;
                let id = format!("{SESSION}-{}", self.made);
                self.sessions.insert(id.clone(), request.body.clone());
                Reply::json(200, &json!({ "session_id": id }))
            }
            "upload_session/append_v2" | "upload_session/finish" => {
                self.append(request, &arguments)
            }
            "download" => match self.tree.files.get(&path_of(&arguments)) {
                Some(bytes) => {
                    let mut reply = Reply::new(200);
                    reply.body.clone_from(bytes);
                    reply
                }
                None => error("path/not_found", &json!({})),
            },
            "delete_v2" => match self.tree.files.remove(&path_of(&arguments)) {
                Some(_) => Reply::json(200, &json!({})),
                None => error("path_lookup/not_found", &json!({})),
            },
            other => panic!("{other}"),
        }
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.tree.files.clone()
    }

    fn place(&mut self, path: &str, bytes: Vec<u8>) {
        self.tree.place(path, bytes);
    }

    fn full(&self) -> Reply {
        error("path/insufficient_space", &json!({}))
    }

    fn end_sessions(&mut self) {
        self.sessions.clear();
    }
}
