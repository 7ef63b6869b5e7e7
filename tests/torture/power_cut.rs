//! Simulates a power cut after every single change to the files of two pulls. Every state that a disk may then hold
//! is opened, checked and continued.
//!
//! Three disks stand for the possible ones: one lost everything not synced, one kept all names but none of the
//! unsynced bytes (zero-length files), one kept everything (as after `kill -9`). SQLite's own safety is not tested:
//! each disk gets the catalogue as of the last finished transaction.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use tempfile::TempDir;

use crate::cli::Cli;
use crate::folder::check::{CheckResult, check};
use crate::folder::disk::{Change, DATA, PARTIAL, observe, stop_observing};
use crate::folder::tests::temporary;
use crate::folder::{CATALOGUE, Folder};
use crate::ui::{Style, Ui};
use crate::virtual_phone::VirtualPhone;
use crate::virtual_phone::tree::Content;

/// On the phone, in the end.
const FILES: u64 = 28;
/// One cut of so many is also continued by a pull.
const CONTINUED: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_power_cut_leaves_is_true_and_can_be_continued() {
    let place = temporary();
    let root = place.path().join("rescue");
    // What the model begins with is on the disk completely.
    pull(&root, 0..1).await;
    let model = Arc::new(Mutex::new(Model::of(&root)));
    let hearing = Arc::clone(&model);
    observe(
        &root,
        Box::new(move |change| hearing.lock().unwrap().hear(change)),
    );
    pull(&root, 0..14).await;
    pull(&root, 0..FILES).await;
    stop_observing(&root);

    let cuts = std::mem::take(&mut model.lock().unwrap().cuts);
    assert!(cuts.len() > 100, "{} changes were heard of", cuts.len());
    let renamed = cuts.iter().filter(
        |cut| matches!(&cut.after, Change::Renamed(_, to) if to.starts_with(root.join(DATA))),
    );
    assert_eq!(
        renamed.count() as u64,
        FILES - 1,
        "each file got its name once"
    );
    for (number, cut) in cuts.iter().enumerate() {
        for (kind, disk) in [
            ("lost", &cut.lost),
            ("names", &cut.names),
            ("all", &cut.all),
        ] {
            let what = format!("cut {number} after {:?}, disk {kind}", cut.after);
            let place = after_the_cut(disk, &cut.catalogue);
            let root = place.path().join("rescue");
            nothing_untrue(&checked(&root), &what);
            if number % CONTINUED == 0 {
                pull(&root, 0..FILES).await;
                let report = checked(&root);
                assert!(report.is_intact(), "{what}: {:?}", report.findings);
                assert_eq!(report.files, FILES, "{what}");
            }
        }
    }
}

/// The command as a person gives it, with a phone that never fails and has these photos.
async fn pull(root: &Path, photos: Range<u64>) {
    let mut phone = VirtualPhone::new("CUT");
    for n in photos {
        let path = format!("/storage/emulated/0/DCIM/{}/IMG_{n}.jpg", n % 3);
        // A few that come in pieces, and the empty one.
        let size = if n % 9 == 8 { 300_000 } else { n * 29 };
        phone
            .tree
            .add_file(&path, Content::Generated { size, seed: n }, 1_700_000_000);
    }
    let serving = phone.serve().await.unwrap();
    let address = serving.address().to_string();
    let words = ["rescue", "-q", "pull", "--tcp", &address, "-o"];
    let words = words.iter().map(AsRef::as_ref).chain([root.as_os_str()]);
    let style = Style {
        json: false,
        quiet: true,
        color: false,
    };
    let code = super::run_command(Cli::parse_from(words), &Ui::new(style)).await;
    assert_eq!(code, 0);
}

fn checked(root: &Path) -> CheckResult {
    check(&Folder::open(root).unwrap(), &mut |_| {}).unwrap()
}

/// The catalogue may know less than the disk holds, and the manifest less than the catalogue, which
/// the check knows for what it is. But what they say is true.
fn nothing_untrue(report: &CheckResult, what: &str) {
    assert!(report.is_intact(), "{what}: {:?}", report.findings);
}

/// Makes a folder that holds what a disk kept.
fn after_the_cut(disk: &Disk, catalogue: &[u8]) -> TempDir {
    let place = temporary();
    let root = place.path().join("rescue");
    fs::create_dir(&root).unwrap();
    for (path, content) in disk {
        let path = root.join(path);
        // A name survives only in a folder that does.
        if path.parent().is_some_and(Path::exists) {
            match content {
                None => fs::create_dir(&path).unwrap(),
                Some(bytes) => fs::write(&path, bytes).unwrap(),
            }
        }
    }
    fs::write(root.join(CATALOGUE), catalogue).unwrap();
    place
}

/// What a disk holds: names from the folder's root on, bytes of files, nothing of folders.
type Disk = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// What the disks may hold when the plug is pulled now.
struct Cut {
    after: Change,
    lost: Disk,
    names: Disk,
    all: Disk,
    catalogue: Vec<u8>,
}

/// Names and bytes, as in [`Model`].
struct Cached {
    names: BTreeMap<PathBuf, usize>,
    bytes: Vec<Option<Vec<u8>>>,
}

/// Which names and bytes are on the disk for certain. Threads change other files while one change
/// is heard of: what is not found where it was is taken for lost, and bytes count as synced only
/// as of before their sync.
struct Model {
    root: PathBuf,
    /// What each name leads to now, by number.
    names: BTreeMap<PathBuf, usize>,
    /// What each name on the disk leads to.
    synced_names: BTreeMap<PathBuf, usize>,
    /// The bytes of each file on the disk; `None` for folders.
    synced_bytes: Vec<Option<Vec<u8>>>,
    /// What a sync of the filesystem under way will have written.
    under_way: Option<Cached>,
    /// What a sync of the filesystem wrote to the disk's own cache, which the next sync flushes.
    cached: Option<Cached>,
    catalogue: Vec<u8>,
    cuts: Vec<Cut>,
}

impl Model {
    /// Of a folder that is on the disk completely.
    fn of(root: &Path) -> Self {
        let mut model = Self {
            root: root.to_owned(),
            names: BTreeMap::new(),
            synced_names: BTreeMap::new(),
            synced_bytes: Vec::new(),
            under_way: None,
            cached: None,
            catalogue: Vec::new(),
            cuts: Vec::new(),
        };
        for entry in walkdir::WalkDir::new(root).min_depth(1) {
            let path = entry.unwrap().into_path();
            let is_catalogues = path.parent() == Some(root)
                && path
                    .file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .starts_with(CATALOGUE);
            if !is_catalogues {
                let bytes = path.is_file().then(|| fs::read(&path).unwrap());
                model.name(path, bytes);
            }
        }
        assert!(model.names.contains_key(&root.join(PARTIAL)));
        model.synced_names = model.names.clone();
        model.look_at_catalogue();
        assert!(!model.catalogue.is_empty());
        model
    }

    fn name(&mut self, path: PathBuf, content: Option<Vec<u8>>) {
        self.names.insert(path, self.synced_bytes.len());
        self.synced_bytes.push(content);
    }

    /// Keeps the catalogue, unless a transaction is under way.
    fn look_at_catalogue(&mut self) {
        let path = self.root.join(CATALOGUE);
        let mut journal = path.as_os_str().to_owned();
        journal.push("-journal");
        let read = || {
            // What begins with zeros undoes nothing.
            let is_at_rest = fs::read(&journal).map_or(true, |bytes| !bytes.starts_with(&[0xd9]));
            is_at_rest.then(|| fs::read(&path).unwrap())
        };
        if let (Some(catalogue), Some(again)) = (read(), read())
            && catalogue == again
        {
            self.catalogue = catalogue;
        }
    }

    fn hear(&mut self, change: Change) {
        match &change {
            Change::Created(path) => {
                if !self.names.contains_key(path) {
                    self.name(path.clone(), Some(Vec::new()));
                }
            }
            Change::Written(_) => {}
            Change::Synced(path) => {
                self.flush();
                let number = self.names[path];
                self.synced_bytes[number] = Some(fs::read(path).unwrap());
            }
            Change::FilesystemSyncing(_) => {
                let now = self.names.iter().map(|(path, number)| (*number, path));
                let mut bytes = self.synced_bytes.clone();
                for (number, path) in now {
                    if let Ok(read) = fs::read(path) {
                        bytes[number] = Some(read);
                    }
                }
                self.under_way = Some(Cached {
                    names: self.names.clone(),
                    bytes,
                });
            }
            Change::FilesystemSynced(_) => self.cached = self.under_way.take(),
            Change::FolderCreated(path) => self.name(path.clone(), None),
            Change::FolderSynced(folder) => {
                self.flush();
                let is_within = |path: &PathBuf| path.parent() == Some(folder.as_path());
                self.synced_names.retain(|path, _| !is_within(path));
                let now = self.names.iter().filter(|(path, _)| is_within(path));
                self.synced_names
                    .extend(now.map(|(path, number)| (path.clone(), *number)));
            }
            Change::Renamed(from, to) => {
                let number = self.names.remove(from).unwrap();
                self.names.insert(to.clone(), number);
            }
            Change::Removed(path) => drop(self.names.remove(path)),
        }
        self.look_at_catalogue();
        let synced = |_: &Path, number: usize| Some(self.synced_bytes[number].clone());
        let cut = Cut {
            lost: self.disk(&self.synced_names, synced),
            names: self.disk(&self.names, synced),
            all: self.disk(&self.names, |path, _| match path.is_dir() {
                true => Some(None),
                false => fs::read(path).ok().map(Some),
            }),
            catalogue: self.catalogue.clone(),
            after: change,
        };
        self.cuts.push(cut);
    }

    fn flush(&mut self) {
        if let Some(Cached { names, mut bytes }) = self.cached.take() {
            self.synced_names = names;
            bytes.extend(self.synced_bytes.drain(..).skip(bytes.len()));
            self.synced_bytes = bytes;
        }
    }

    fn disk(
        &self,
        names: &BTreeMap<PathBuf, usize>,
        content: impl Fn(&Path, usize) -> Option<Option<Vec<u8>>>,
    ) -> Disk {
        let below = |path: &Path| path.strip_prefix(&self.root).unwrap().to_owned();
        names
            .iter()
            .filter_map(|(path, number)| Some((below(path), content(path, *number)?)))
            .collect()
    }
}
