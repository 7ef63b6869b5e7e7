//! A person with a phone, a computer and two disks that we control: the rescue folder is on one,
//! a remote and archives are on the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use rescue::virtual_phone::tree::Content;
use rescue::virtual_phone::{Serving, VirtualPhone};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::device::{Blank, Computer, Shelf};
use super::filesystem::{Kind, Mounted};
use crate::desk::{Desk, command, output_of, project};
use crate::report::Try;
use crate::tree::noise;

const CAMERA: &str = "/storage/emulated/0/DCIM/Camera";
/// The large one, which takes a while.
pub(crate) const VIDEO: u64 = 0;
const VIDEO_BYTES: usize = 2_500_000;
pub(crate) const PHOTOS: u64 = 20;
const PHOTO_BYTES: u64 = 60_000;

/// The computer's disks.
pub(crate) const INTERNAL: usize = 0;
pub(crate) const OTHER: usize = 1;

/// What the person tells the program to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Pull,
    Upload,
    Export,
}

/// What the program said is there, on its standard output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    pub(crate) verified: BTreeSet<String>,
    pub(crate) uploaded: BTreeSet<(String, String)>,
}

/// A claim, or that so many bytes of files arrived.
enum Heard {
    Verified(String),
    Uploaded(String, String),
    Received(u64),
}

/// A run of the program, with what it said when the disks had been told how much.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) words: String,
    claims: Vec<(usize, Heard)>,
}

impl Ran {
    /// Adds what the program had said at a moment.
    pub(crate) fn add_claims(&self, until: usize, claims: &mut Claims) {
        for (_, heard) in self.claims.iter().filter(|(moment, _)| *moment <= until) {
            match heard {
                Heard::Verified(path) => drop(claims.verified.insert(path.clone())),
                Heard::Uploaded(source, path) => {
                    claims.uploaded.insert((source.clone(), path.clone()));
                }
                Heard::Received(_) => {}
            }
        }
    }
}

pub(crate) struct Owner {
    kind: &'static Kind,
    blanks: Vec<Blank>,
    on_phone: BTreeMap<String, String>,
    phone: Serving,
    _runtime: Runtime,
    pub(crate) shelf: Shelf,
    // Last: it outlives what stands in its folder.
    desk: Desk,
}

impl Owner {
    pub(crate) fn new(kind: &'static Kind) -> Self {
        let mut check = command("bash");
        let check = check
            .arg(project().join("tests/torture/install"))
            .arg("--check");
        let check = check.output().unwrap();
        let why = String::from_utf8_lossy(&check.stderr);
        assert!(
            check.status.success(),
            "{why}run `bash tests/torture/install` first"
        );
        let desk = Desk::new();
        let android = desk.home().join(".android");
        fs::create_dir_all(&android).unwrap();
        fs::copy(project().join("fixtures/adbkey"), android.join("adbkey")).unwrap();
        let mut phone = VirtualPhone::new("POWERLESS");
        let mut on_phone = BTreeMap::new();
        for number in 0..=PHOTOS {
            let (name, size) = match number {
                VIDEO => ("VID_0.mp4".to_owned(), VIDEO_BYTES),
                // Of all sizes: some are smaller than a block.
                _ => {
                    let size = PHOTO_BYTES * number * number / PHOTOS / PHOTOS;
                    (format!("IMG_{number}.jpg"), size as usize)
                }
            };
            let (path, bytes) = (format!("{CAMERA}/{name}"), marked(number, size));
            on_phone.insert(path.clone(), desk_sha256(&desk, &bytes));
            let content = Content::Bytes(bytes.into());
            let mtime = 1_700_000_000 + number as i64;
            phone.tree.add_file(&path, content, mtime);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let phone = runtime.block_on(phone.serve()).unwrap();
        let shelf = Shelf::new(desk.path("shelf"));
        let mut owner = Self {
            kind,
            // Each made for itself: two of the same could not be mounted together.
            blanks: vec![kind.blank(&shelf), kind.blank(&shelf)],
            on_phone,
            phone,
            _runtime: runtime,
            shelf,
            desk,
        };
        let computer = owner.computer();
        let other = owner.mount(&computer, OTHER);
        let other = other.unwrap_or_else(|why| panic!("not possible on this machine: {why}"));
        fs::create_dir(owner.remote()).unwrap();
        let remote = owner.remote();
        let remote = remote.to_str().unwrap();
        let add = owner
            .desk
            .rescue(&["remote", "add", "usb", "folder", remote]);
        add.expect_code(0);
        drop(other);
        owner.blanks[OTHER].blocks = computer.blocks(OTHER);
        owner
    }

    /// The computer before anything is on it.
    pub(crate) fn computer(&self) -> Arc<Computer> {
        self.shelf.put(self.blanks.clone())
    }

    /// The disks before anything is on them.
    pub(crate) fn blanks(&self) -> &[Blank] {
        &self.blanks
    }

    pub(crate) fn mount(&self, computer: &Computer, disk: usize) -> Result<Mounted, String> {
        let at = self.desk.path(["internal", "other"][disk]);
        self.kind.mount(&self.shelf, computer, disk, &at)
    }

    /// Hashes by path on the phone.
    pub(crate) fn on_phone(&self) -> &BTreeMap<String, String> {
        &self.on_phone
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.desk.path("internal/rescued")
    }

    pub(crate) fn remote(&self) -> PathBuf {
        self.desk.path("other/remote")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.desk.path("other/photos.zip")
    }

    /// Runs the program; it is killed when so many bytes of files have arrived.
    pub(crate) fn run(
        &self,
        order: Order,
        computer: &Computer,
        killed_after: Option<u64>,
        tried: &mut Try,
    ) -> Ran {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let (folder, archive) = (text(self.folder()), text(self.archive()));
        let address = self.phone.address().to_string();
        let words = match order {
            Order::Pull => vec!["--json", "pull", "--tcp", &address, "-o", &folder],
            Order::Upload => vec!["--json", "upload", &folder, "--to", "usb"],
            Order::Export => vec!["--json", "export", &folder, "--force", "-o", &archive],
        };
        let mut rescue = self.desk.rescue_command(&words);
        rescue.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = rescue.spawn().unwrap();
        let mut stderr = running.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let (mut claims, mut received, mut killed) = (Vec::new(), 0, false);
        let mut last = String::new();
        for line in BufReader::new(running.stdout.take().unwrap()).lines() {
            let Ok(line) = line else { break };
            if let Some(heard) = heard(&line) {
                if let Heard::Received(bytes) = heard {
                    received += bytes;
                }
                claims.push((computer.moment(), heard));
            }
            last = line;
            if !killed && killed_after.is_some_and(|after| received > after) {
                killed = true;
                running.kill().unwrap();
            }
        }
        let status = running.wait().unwrap();
        let errors = errors.join().unwrap();
        if errors.contains("panicked") {
            tried.other.push(format!("a panic: {errors}"));
        }
        let words = format!("{words:?}: {status}\n{errors}\n{last}");
        Ran {
            code: status.code(),
            words,
            claims,
        }
    }

    /// Whether the program, asked to look, finds nothing amiss with what the order was about.
    pub(crate) fn finds_intact(&self, order: Order) -> bool {
        let folder = self.folder();
        let folder = folder.to_str().unwrap();
        let finished = match order {
            Order::Upload => self
                .desk
                .rescue(&["upload", folder, "--to", "usb", "--check"]),
            _ => self.desk.rescue(&["verify", folder]),
        };
        finished.code() == Some(0)
    }
}

fn heard(line: &str) -> Option<Heard> {
    let event: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| event[name].as_str().map(str::to_owned);
    Some(match event["type"].as_str()? {
        "verified" => Heard::Verified(text("path")?),
        "uploaded" | "already_there" => Heard::Uploaded(text("source")?, text("path")?),
        "received" => Heard::Received(event["bytes"].as_u64()?),
        _ => return None,
    })
}

/// What every sector of a file begins with.
pub(crate) fn mark(number: u64) -> [u8; 16] {
    let mut mark = *b"RESCUED-00000000";
    mark[8..].copy_from_slice(format!("{number:08}").as_bytes());
    mark
}

fn marked(number: u64, size: usize) -> Vec<u8> {
    let mut bytes = noise(number, size);
    for sector in bytes.chunks_mut(512) {
        let length = sector.len().min(16);
        sector[..length].copy_from_slice(&mark(number)[..length]);
    }
    bytes
}

/// As `sha256sum` sees it.
fn desk_sha256(desk: &Desk, bytes: &[u8]) -> String {
    let path = desk.path("to be hashed");
    fs::write(&path, bytes).unwrap();
    let printed = output_of(command("sha256sum").arg("--").arg(&path));
    String::from_utf8(printed[..64].to_vec()).unwrap()
}
