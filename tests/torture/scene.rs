//! A real phone with photos and a video, and what has to be true of a rescue folder of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rescue::folder::{CatalogueError, Folder, State};

use crate::desk::{Desk, command, peers, project};
use crate::phone::{Access, Age, Daemon, Phone};
use crate::report::Try;
use crate::rescue::Finished;
use crate::tree::{Files, Tree, files_below};

/// Sizes of the files that are not tiny: a single one that is sent again is noticed.
const PHOTO: usize = 150_000;
const VIDEO: usize = 12_000_000;
/// No run of these takes so long when nothing hangs, also on a busy machine.
pub(crate) const HANGS: Duration = Duration::from_secs(120);

/// A desk with a phone that knows the desk's key.
pub(crate) struct Scene {
    pub(crate) phone: Phone,
    pub(crate) on_phone: Files,
    /// Bytes of all files.
    pub(crate) bytes: u64,
    // Last: it outlives the phone.
    pub(crate) desk: Desk,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let desk = Desk::new();
        let android = desk.home().join(".android");
        fs::create_dir_all(&android).unwrap();
        for name in ["adbkey", "adbkey.pub"] {
            fs::copy(project().join("fixtures").join(name), android.join(name)).unwrap();
        }
        let phone = desk.phone(Daemon::with_access(
            Age::Android10,
            Access::Knows(android.join("adbkey.pub")),
        ));
        let mut tree = Tree::below(phone.internal());
        tree.photos("DCIM/Camera", 50, PHOTO);
        tree.photos("Pictures/Tiny", 30, 100);
        tree.file("DCIM/Camera/VID_20240818_120000.mp4", VIDEO);
        tree.file("DCIM/Camera/odd \u{1b}[31m name\n.jpg", PHOTO);
        tree.file("Pictures/Ünï/IMG ü.jpg", PHOTO);
        let mut on_phone = files_below(&phone.internal());
        // What the phone made by itself, and nobody wants.
        on_phone.retain(|path, _| !path.starts_with("DCIM/.thumbnails"));
        let bytes = (52 * PHOTO + 30 * 100 + VIDEO) as u64;
        Self {
            phone,
            on_phone,
            bytes,
            desk,
        }
    }

    /// Runs the program, and notes when it is no clean end of any kind.
    pub(crate) fn run(&self, arguments: &[&str], tried: &mut Try) -> Finished {
        let running = self.desk.rescue_started(arguments);
        let finished = running.finish();
        note_end(&finished, tried);
        finished
    }

    /// Compares what stands in `data/` with the phone; with `complete`, all of it has to be there.
    pub(crate) fn compare(&self, folder: &Path, complete: bool, tried: &mut Try) {
        let data = folder.join("data");
        let here = match data.exists() {
            true => files_below(&data),
            false => Files::new(),
        };
        // Names that this disk cannot have are spelled otherwise; contents are all different.
        let real: BTreeSet<_> = self.on_phone.values().collect();
        for (path, facts) in &here {
            let same_name = path
                .strip_prefix("internal")
                .ok()
                .and_then(|path| self.on_phone.get(path));
            let is_true = match same_name {
                Some(on_phone) => on_phone == facts,
                None => real.contains(facts),
            };
            if !is_true {
                tried.wrong.push(format!("{}", path.display()));
            }
        }
        if complete {
            let here: BTreeSet<_> = here.values().collect();
            for (path, facts) in &self.on_phone {
                if !here.contains(facts) {
                    tried.lost.push(format!("{}", path.display()));
                }
            }
        }
    }
}

/// Notes a panic, a run that took too long, and an exit code that is no word of the program.
pub(crate) fn note_end(finished: &Finished, tried: &mut Try) {
    if finished.duration > HANGS {
        tried.hung.push(format!("{finished}"));
    }
    let is_word = matches!(
        finished.code(),
        None | Some(0 | 1 | 2 | 3 | 10 | 11 | 12 | 13 | 130)
    );
    if !is_word || finished.stderr.contains("panicked") {
        tried.other.push(format!("a panic? {finished}"));
    }
}

/// Demands an exit code of a run.
pub(crate) fn expect_code(finished: &Finished, code: i32, tried: &mut Try) {
    if finished.code() != Some(code) {
        tried.other.push(format!("not exit {code}: {finished}"));
    }
}

/// Files that the catalogue says are here, by their path below `data/`.
pub(crate) fn recorded(folder: &Path) -> BTreeSet<PathBuf> {
    let mut recorded = BTreeSet::new();
    // Killed before the catalogue was made, or before its first transaction: nothing is recorded.
    let Ok(folder) = Folder::open(folder) else {
        return recorded;
    };
    let read = folder.catalogue().for_each_by_path(|entry| {
        if matches!(entry.state, State::Pulled | State::Verified(_)) {
            recorded.insert(folder.data_path(&entry.local));
        }
        Ok::<_, CatalogueError>(())
    });
    read.unwrap();
    recorded
}

/// Notes when the bag's validator or `sha256sum` do not accept the folder.
pub(crate) fn expect_bag(folder: &Path, tried: &mut Try) {
    if !folder.exists() {
        tried.other.push("there is no folder".to_owned());
        return;
    }
    let mut bagit = command(peers().join("venv/bin/python"));
    bagit
        .args(["-m", "bagit", "--validate", "--quiet"])
        .arg(folder);
    let mut sha256sum = command("sha256sum");
    let manifest = ["--check", "--strict", "--quiet", "manifest-sha256.txt"];
    sha256sum.args(manifest).current_dir(folder);
    for mut judge in [bagit, sha256sum] {
        let output = judge.output().unwrap();
        if !output.status.success() {
            tried.other.push(format!("{judge:?}: {output:?}"));
        }
    }
}
