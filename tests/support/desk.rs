//! A person's desk: a home folder, a folder to work in, and the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Desk {
    pub(crate) dir: TempDir,
}

/// How the program ended, and what it said.
pub(crate) struct Ended {
    pub(crate) code: i32,
    /// Standard output: values of JSON, and lines that are none as text.
    pub(crate) lines: Vec<Value>,
    pub(crate) stderr: String,
    /// Both, as they were printed.
    pub(crate) all: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let parse =
            |line: &str| serde_json::from_str(line).unwrap_or(Value::String(line.to_owned()));
        Self {
            code: output.status.code().unwrap_or(-1),
            lines: stdout.lines().map(parse).collect(),
            all: format!("{stdout}\n{stderr}"),
            stderr,
        }
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.all);
        self
    }

    /// The last line of a type.
    #[track_caller]
    pub(crate) fn line(&self, kind: &str) -> &Value {
        let found = self.lines.iter().rfind(|line| line["type"] == kind);
        found.unwrap_or_else(|| panic!("no '{kind}' line in {}", self.all))
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        let these = self.lines.iter().filter(|line| line["type"] == kind);
        these.count()
    }

    #[track_caller]
    pub(crate) fn message(&self) -> String {
        self.line("error")["message"].as_str().unwrap().to_owned()
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The rescue folder that most tests have.
    pub(crate) fn folder(&self) -> PathBuf {
        self.path("rescued")
    }

    /// The program with arguments, in a cleared environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rescue"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path("home"))
            .env("TZ", "UTC")
            .env("RUST_BACKTRACE", "0")
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Bytes by path, of all files below a folder.
    pub(crate) fn tree(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let files = files_below(&self.path(name)).into_iter();
        files
            .map(|(name, path)| (name, fs::read(path).unwrap()))
            .collect()
    }
}

/// Sends a signal, by the name that `kill` knows.
pub(crate) fn kill(id: u32, signal: &str) {
    let mut command = Command::new("kill");
    command.arg(format!("-{signal}")).arg(id.to_string());
    assert!(command.status().unwrap().success());
}

/// The files below a folder, by their path below it.
pub(crate) fn files_below(folder: &Path) -> BTreeMap<String, PathBuf> {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    let named = |path: PathBuf| {
        let below = path.strip_prefix(folder).unwrap().to_str().unwrap();
        (below.to_owned(), path)
    };
    files.map(|entry| named(entry.into_path())).collect()
}
