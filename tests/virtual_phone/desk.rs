//! A person's desk: a home, a folder for the rescue, and the program.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use rescue::digest::Sha256;
use rescue::virtual_phone::tree::Content;
use rescue::virtual_phone::{Serving, VirtualPhone};
use serde_json::Value;

pub(crate) use crate::support::desk::{Desk, Ended, files_below, kill};
pub(crate) use crate::support::wait::{FOREVER, HANGS, until};

pub(crate) const CAMERA: &str = "/storage/emulated/0/DCIM/Camera";

impl Ended {
    /// The paths and reason codes of what is not here.
    pub(crate) fn not_here(&self) -> BTreeMap<String, String> {
        let items = self.line("summary")["not_here"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        items
            .iter()
            .map(|item| (text(&item["path"]), text(&item["code"])))
            .collect()
    }
}

impl Desk {
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
    Ended::of(output.unwrap())
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
