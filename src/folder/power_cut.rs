//! The plug is pulled after every single change to the files of two runs, and what a disk may then
//! hold is opened, checked and continued.
//!
//! Three disks stand for the possible ones: one that lost everything not synced, one that kept all
//! names but none of the bytes not synced (the zero-length files of old), one that kept
//! everything (as after `kill -9`). SQLite's own safety is SQLite's; each disk gets the catalogue
//! as of the last finished transaction.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tempfile::TempDir;

use super::check::{Report, check};
use super::disk::{Change, OBSERVER};
use super::tests::{phone, temporary};
use super::*;
use crate::adb::RemotePath;
use crate::digest::Sha256;
use crate::names::Names;

/// Files of the phone, by path, and the sizes of the groups that they come in.
type Phone = Vec<(String, Vec<u8>)>;
const GROUPS: [usize; 3] = [3, 9, 2];

#[test]
fn whatever_a_power_cut_leaves_is_true_and_can_be_continued() {
    let place = temporary();
    let root = place.path().join("rescue");
    let mut folder = Folder::create_or_open(&root, &phone()).unwrap();
    let model = Rc::new(RefCell::new(Model::of(folder.root())));
    let hearing = Rc::clone(&model);
    OBSERVER.set(Some(Box::new(move |change| {
        hearing.borrow_mut().hear(change)
    })));
    run(&mut folder, &files(0..14), &mut || {
        model.borrow_mut().recorded()
    });
    run(&mut folder, &files(0..28), &mut || {
        model.borrow_mut().recorded()
    });
    OBSERVER.set(None);
    drop(folder);

    let model = model.borrow();
    assert!(
        model.cuts.len() > 150,
        "{} changes were heard of",
        model.cuts.len()
    );
    for (number, cut) in model.cuts.iter().enumerate() {
        for (kind, disk) in [
            ("lost", &cut.lost),
            ("names", &cut.names),
            ("all", &cut.all),
        ] {
            let what = format!("cut {number} after {:?}, disk {kind}", cut.after);
            let (_place, mut folder) = after_the_cut(disk, &cut.catalogue);
            nothing_untrue(&checked(&folder), &what);
            if number % 5 == 0 {
                run(&mut folder, &files(0..28), &mut || {});
                let report = checked(&folder);
                assert!(report.is_intact(), "{what}: {:?}", report.findings);
                assert_eq!(report.files, 28, "{what}");
            }
        }
    }
}

fn files(numbers: std::ops::Range<u32>) -> Phone {
    let one = |n: u32| {
        let bytes = format!("photo {n} ").repeat(n as usize * 3).into_bytes();
        (format!("DCIM/{}/IMG_{n}.jpg", n % 3), bytes)
    };
    numbers.map(one).collect()
}

/// Does what a pull does, with a phone that never fails.
fn run(folder: &mut Folder, phone: &Phone, on_recorded: &mut dyn FnMut()) {
    let begun = folder.catalogue_mut().begin_run(1_700_000_000, "rescue");
    let begun = begun.unwrap();
    on_recorded();
    let mut names = Names::new();
    folder
        .catalogue()
        .for_each_by_path(|entry| {
            names.remember("internal", components(&entry.path), &entry.local);
            Ok::<_, CatalogueError>(())
        })
        .unwrap();
    let mut planned = Vec::new();
    for (path, bytes) in phone {
        let path = RemotePath::new(format!("/sd/{path}").as_bytes()).unwrap();
        if folder.catalogue().latest(&path).unwrap().is_none() {
            planned.push(NewEntry {
                local: names.allocate("internal", components(&path)),
                path,
                version: 1,
                size: bytes.len() as u64,
                size_is_exact: true,
                mtime: 1_700_000_000,
            });
        }
    }
    folder.catalogue_mut().insert_planned(planned).unwrap();
    on_recorded();

    let mut committer = folder.committer().unwrap();
    let mut rest = phone.as_slice();
    for size in GROUPS.into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (files, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        let mut group = Vec::new();
        let mut records = Vec::new();
        for (path, bytes) in files {
            let path = RemotePath::new(format!("/sd/{path}").as_bytes()).unwrap();
            let entry = folder.catalogue().latest(&path).unwrap().unwrap();
            if entry.state == State::Planned {
                let finished = fetched(folder.root(), entry.id, bytes);
                let (sha256, size) = (finished.sha256, finished.size);
                records.push(Record::Pulled {
                    id: entry.id,
                    sha256,
                    size,
                    local: None,
                });
                group.push(ToCommit {
                    finished,
                    local: entry.local,
                });
            }
        }
        assert!(
            committer
                .commit(group)
                .unwrap()
                .iter()
                .all(Outcome::is_in_place)
        );
        folder.catalogue_mut().record(&records).unwrap();
        on_recorded();
    }
    bag::write(folder, chrono::NaiveDate::default()).unwrap();
    let ended = folder
        .catalogue_mut()
        .end_run(begun, 1_700_000_100, RunOutcome::Done);
    ended.unwrap();
    on_recorded();
}

fn components(path: &RemotePath) -> impl Iterator<Item = &[u8]> {
    path.as_bytes().split(|byte| *byte == b'/').skip(2)
}

/// Fetches a file, continued where the last run stopped if the whole then has the phone's hash.
fn fetched(root: &Path, id: EntryId, bytes: &[u8]) -> Finished {
    if let Some((mut file, held)) = PartialFile::resume(root, id).unwrap()
        && let Some(rest) = bytes.get(held as usize..)
    {
        file.write(rest).unwrap();
        let finished = file.finish(1_700_000_000).unwrap();
        if finished.sha256 == Sha256::of(bytes) {
            return finished;
        }
    }
    let mut file = PartialFile::create(root, id).unwrap();
    bytes
        .chunks(100)
        .for_each(|chunk| file.write(chunk).unwrap());
    file.finish(1_700_000_000).unwrap()
}

fn checked(folder: &Folder) -> Report {
    check(folder, &mut |_| {}).unwrap()
}

/// The catalogue may know less than the disk holds, and the manifest less than the catalogue, which
/// the check knows for what it is. But what they say is true.
fn nothing_untrue(report: &Report, what: &str) {
    assert!(report.is_intact(), "{what}: {:?}", report.findings);
}

/// Makes a folder that holds what a disk kept.
fn after_the_cut(disk: &Disk, catalogue: &[u8]) -> (TempDir, Folder) {
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
    let folder = Folder::create_or_open(&root, &phone()).unwrap();
    (place, folder)
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

/// Which names and bytes are on the disk for certain.
struct Model {
    root: PathBuf,
    /// What each name leads to now, by number.
    names: BTreeMap<PathBuf, usize>,
    /// What each name on the disk leads to.
    synced_names: BTreeMap<PathBuf, usize>,
    /// The bytes of each file on the disk; `None` for folders.
    synced_bytes: Vec<Option<Vec<u8>>>,
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
            cached: None,
            catalogue: Vec::new(),
            cuts: Vec::new(),
        };
        for name in [DATA, PARTIAL] {
            model.name(root.join(name), None);
        }
        model.synced_names = model.names.clone();
        model.recorded();
        model
    }

    fn name(&mut self, path: PathBuf, content: Option<Vec<u8>>) {
        self.names.insert(path, self.synced_bytes.len());
        self.synced_bytes.push(content);
    }

    fn recorded(&mut self) {
        self.catalogue = fs::read(self.root.join(CATALOGUE)).unwrap();
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
            Change::FilesystemSynced => {
                let now = self.names.iter().map(|(path, number)| (*number, path));
                let mut bytes = self.synced_bytes.clone();
                for (number, path) in now.filter(|(_, path)| path.is_file()) {
                    bytes[number] = Some(fs::read(path).unwrap());
                }
                self.cached = Some(Cached {
                    names: self.names.clone(),
                    bytes,
                });
            }
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
        self.cuts.push(Cut {
            lost: self.disk(&self.synced_names, |_, number| {
                self.synced_bytes[number].clone()
            }),
            names: self.disk(&self.names, |_, number| self.synced_bytes[number].clone()),
            all: self.disk(&self.names, |path, _| {
                path.is_file().then(|| fs::read(path).unwrap())
            }),
            catalogue: self.catalogue.clone(),
            after: change,
        });
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
        content: impl Fn(&Path, usize) -> Option<Vec<u8>>,
    ) -> Disk {
        let below = |path: &Path| path.strip_prefix(&self.root).unwrap().to_owned();
        names
            .iter()
            .map(|(path, number)| (below(path), content(path, *number)))
            .collect()
    }
}
