//! A person's desk: a home, a folder for the rescue, and the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use rescue::digest::Sha256;
use rescue::virtual_phone::tree::Content;
use rescue::virtual_phone::{Serving, VirtualPhone};
use serde_json::Value;
use tempfile::TempDir;

/// No run of these tests takes so long; one that does hangs.
pub(crate) const HANGS: Duration = Duration::from_secs(180);

pub(crate) const CAMERA: &str = "/storage/emulated/0/DCIM/Camera";

pub(crate) struct Desk {
    pub(crate) dir: TempDir,
}

/// How the program ended, and what it said.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) lines: Vec<Value>,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn line(&self, kind: &str) -> &Value {
        let found = self.lines.iter().rfind(|line| line["type"] == kind);
        found.unwrap_or_else(|| panic!("no '{kind}' line in {:#?}\n{}", self.lines, self.stderr))
    }

    pub(crate) fn message(&self) -> String {
        self.line("error")["message"].as_str().unwrap().to_owned()
    }

    /// The paths and reason codes of what is not here.
    pub(crate) fn not_here(&self) -> BTreeMap<String, String> {
        let items = self.line("summary")["not_here"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        items
            .iter()
            .map(|item| (text(&item["path"]), text(&item["code"])))
            .collect()
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{:#?}\n{}", self.lines, self.stderr);
        self
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("home/.android");
        fs::create_dir_all(&keys).unwrap();
        fs::write(keys.join("adbkey"), include_str!("../../fixtures/adbkey")).unwrap();
        Self { dir }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().join("rescued")
    }

    /// The program with arguments, in a cleared environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rescue"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.dir.path().join("home"));
        command.env("TZ", "UTC").current_dir(self.dir.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        end(self.command(arguments).spawn().unwrap()).await
    }

    pub(crate) fn start_pull(&self, phone: &Serving, more: &[&str]) -> Child {
        self.pull_command(phone, more).spawn().unwrap()
    }

    pub(crate) async fn pull(&self, phone: &Serving, more: &[&str]) -> Ended {
        end(self.start_pull(phone, more)).await
    }

    pub(crate) fn pull_command(&self, phone: &Serving, more: &[&str]) -> Command {
        let mut command = self.command(&["--json", "pull"]);
        for (option, value) in [("--idle-timeout", "2"), ("--wait", "4")] {
            if !more.contains(&option) {
                command.args([option, value]);
            }
        }
        command.arg("--tcp").arg(phone.address().to_string());
        if !more.contains(&"-o") {
            command.arg("-o").arg(self.folder());
        }
        command.args(more);
        command
    }

    /// Checks that below `data/` there are these files and no others, with these bytes and times,
    /// that the manifest says the same, and that nothing is left under way.
    #[track_caller]
    pub(crate) fn expect_files(&self, expected: &[(&str, Content, i64)]) {
        let found = files_below(&self.folder().join("data"));
        let names: Vec<_> = found.keys().cloned().collect();
        let mut wanted: Vec<_> = expected
            .iter()
            .map(|(local, ..)| (*local).to_owned())
            .collect();
        wanted.sort();
        assert_eq!(names, wanted);
        for (local, content, mtime) in expected {
            let bytes = fs::read(&found[*local]).unwrap();
            assert!(bytes == read_all(content), "{local}: wrong bytes");
            let modified = fs::metadata(&found[*local]).unwrap().modified().unwrap();
            let seconds = modified.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
            assert_eq!(seconds, *mtime, "{local}");
        }
        self.expect_sound();
    }

    /// Checks that the manifest lists exactly what is there, and that nothing is left under way.
    #[track_caller]
    pub(crate) fn expect_sound(&self) {
        let found = files_below(&self.folder().join("data"));
        let manifest = fs::read_to_string(self.folder().join("manifest-sha256.txt")).unwrap();
        let listed: BTreeMap<_, _> = manifest
            .lines()
            .map(|line| line.split_once("  data/").unwrap())
            .map(|(hash, local)| (local.to_owned(), hash.to_owned()))
            .collect();
        let there: BTreeMap<_, _> = found
            .iter()
            .map(|(local, path)| {
                (
                    local.clone(),
                    Sha256::of(&fs::read(path).unwrap()).to_string(),
                )
            })
            .collect();
        assert_eq!(listed, there);
        let partial: Vec<_> = fs::read_dir(self.folder().join(".partial"))
            .unwrap()
            .collect();
        assert!(partial.is_empty(), "{partial:?}");
    }
}

/// Waits for the program, and reads what it said.
pub(crate) async fn end(child: Child) -> Ended {
    let id = child.id();
    let waiting = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let Ok(output) = tokio::time::timeout(HANGS, waiting).await else {
        kill(id, "KILL");
        panic!("the program hangs");
    };
    let output = output.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or(Value::String(line.to_owned()));
    Ended {
        code: output.status.code().unwrap_or(-1),
        lines: stdout.lines().map(parse).collect(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub(crate) fn kill(id: u32, signal: &str) {
    let status = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(id.to_string())
        .status();
    assert!(status.unwrap().success());
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < HANGS, "{what} never happened");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn read_all(content: &Content) -> Vec<u8> {
    content.read(0, content.size() as usize).to_vec()
}

pub(crate) fn generated(size: u64, seed: u64) -> Content {
    Content::Generated { size, seed }
}

pub(crate) fn text(words: &'static str) -> Content {
    Content::Bytes(Bytes::from_static(words.as_bytes()))
}

/// A phone with photos of these sizes in its camera folder, `0.jpg`, `1.jpg`..., and what the
/// rescue folder has to hold.
pub(crate) fn camera(sizes: &[u64]) -> (VirtualPhone, Vec<(String, Content, i64)>) {
    let mut phone = VirtualPhone::new("TEST0001");
    let mut expected = Vec::new();
    for (index, size) in sizes.iter().enumerate() {
        let (content, mtime) = (generated(*size, index as u64), 1_700_000_000 + index as i64);
        phone
            .tree
            .add_file(&format!("{CAMERA}/{index}.jpg"), content.clone(), mtime);
        expected.push((format!("internal/DCIM/Camera/{index}.jpg"), content, mtime));
    }
    (phone, expected)
}

pub(crate) fn refs(expected: &[(String, Content, i64)]) -> Vec<(&str, Content, i64)> {
    expected
        .iter()
        .map(|(local, content, mtime)| (local.as_str(), content.clone(), *mtime))
        .collect()
}

/// The files below a folder, by their path below it.
pub(crate) fn files_below(folder: &Path) -> BTreeMap<String, PathBuf> {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    files
        .map(|entry| {
            let local = entry
                .path()
                .strip_prefix(folder)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            (local, entry.into_path())
        })
        .collect()
}
