//! A person's desk: a home, a rescue folder made without a phone, and the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rescue::digest::Sha256;
use rescue::folder::{Folder, NewEntry, Proof, Record, RunOutcome, SurveyKind, Surveyed};
use rescue::item::PhoneIdentity;
use rescue::names::LocalPath;
use serde_json::Value;
use tempfile::TempDir;

/// A file of the rescue folder, below `data/`.
pub(crate) const FIRST: &str = "internal/DCIM/Camera/IMG_20240101_000001.jpg";

pub(crate) struct Desk {
    pub(crate) dir: TempDir,
}

/// How the program ended, and what it said.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) lines: Vec<Value>,
    pub(crate) all: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let lines = stdout
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        Self {
            code: output.status.code().unwrap_or(-1),
            lines,
            all: format!("{stdout}\n{stderr}"),
        }
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.all);
        self
    }

    #[track_caller]
    pub(crate) fn line(&self, kind: &str) -> &Value {
        let found = self.lines.iter().rfind(|line| line["type"] == kind);
        found.unwrap_or_else(|| panic!("no '{kind}' line in {}", self.all))
    }

    #[allow(dead_code, reason = "tests/remotes uses a part of this desk")]
    pub(crate) fn count(&self, kind: &str) -> usize {
        let these = self.lines.iter().filter(|line| line["type"] == kind);
        these.count()
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("home")).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
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
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        Ended::of(output)
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Sends the rescue folder.
    pub(crate) fn upload(&self, remote: &str, more: &[&str]) -> Ended {
        let mut arguments = vec!["upload", "rescued", "--to", remote, "--json"];
        arguments.extend(more);
        self.run(&arguments)
    }

    /// A rescue folder `rescued` with these files, all verified.
    pub(crate) fn rescue(&self, files: &[(String, Vec<u8>)]) {
        make_folder(&self.path("rescued"), files);
    }

    /// The same with small photos, the first of them [`FIRST`].
    pub(crate) fn rescue_photos(&self, count: usize) -> BTreeMap<String, Vec<u8>> {
        let files: Vec<_> = (1..=count)
            .map(|number| {
                let name = format!("internal/DCIM/Camera/IMG_20240101_{number:06}.jpg");
                (name, photo(number, 20_000))
            })
            .collect();
        self.rescue(&files);
        files.into_iter().collect()
    }

    /// What lies below a folder, by path.
    pub(crate) fn tree(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(&self.path(name), "", &mut found);
        found
    }
}

/// Bytes that differ for each number.
pub(crate) fn photo(number: usize, size: usize) -> Vec<u8> {
    let mut state = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// What `rescue pull` would leave behind.
pub(crate) fn make_folder(path: &Path, files: &[(String, Vec<u8>)]) {
    make_folder_of(path, files, |index| 1_700_000_000 + index as i64);
}

/// The same with modification times, by the number of each file.
pub(crate) fn make_folder_of(
    path: &Path,
    files: &[(String, Vec<u8>)],
    mtime: impl Fn(usize) -> i64,
) {
    let phone = PhoneIdentity {
        serial: "LAB1".to_owned(),
        model: "Pixel 7".to_owned(),
        manufacturer: "Google".to_owned(),
        android_version: "14".to_owned(),
    };
    let mut folder = Folder::create_or_open(path, &phone).unwrap();
    let planned = files.iter().enumerate().map(|(index, (local, bytes))| {
        let below = local.split_once('/').unwrap().1;
        NewEntry {
            item: rescue::item::Item {
                path: rescue::adb::RemotePath::new(
                    format!("/storage/emulated/0/{below}").as_bytes(),
                )
                .unwrap(),
                size: bytes.len() as u64,
                size_is_exact: true,
                mtime: mtime(index),
            },
            version: 1,
            local: LocalPath::new(local).unwrap(),
        }
    });
    let catalogue = folder.catalogue_mut();
    catalogue
        .set_survey(&[Surveyed {
            kind: SurveyKind::LookedAt,
            place: (*b"/storage/emulated/0").into(),
            items: files.len() as u64,
            bytes: 0,
            reason: None,
        }])
        .unwrap();
    let run = catalogue.begin_run(1_700_000_000, "rescue").unwrap();
    let ids = catalogue.insert_planned(planned).unwrap();
    let mut records = Vec::new();
    for (id, (local, bytes)) in ids.into_iter().zip(files) {
        let place = folder.data_path(&LocalPath::new(local).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, bytes).unwrap();
        records.push(Record::Pulled {
            id,
            sha256: Sha256::of(bytes),
            size: bytes.len() as u64,
            local: None,
        });
        records.push(Record::Verified {
            id,
            proof: Proof::Sha256,
        });
    }
    let catalogue = folder.catalogue_mut();
    catalogue.record(&records).unwrap();
    let ended = catalogue.end_run(run, 1_700_000_100, RunOutcome::Done);
    ended.unwrap();
}

fn collect(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}
