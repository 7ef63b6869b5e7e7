//! Files on a phone, and whether they are all in a rescue folder: as `sha256sum` sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::desk::{command, output_of};
use crate::support::made;

/// Some time in 2021; every file gets another second.
const FIRST_MTIME: u64 = 1_630_000_000;

/// Puts files on a volume of a phone, each with a content and a time of its own.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    next: u64,
}

impl Tree {
    /// Files below a folder that exists.
    pub(crate) fn below(root: PathBuf) -> Self {
        // Two trees of one phone differ as well.
        let next = root
            .as_os_str()
            .as_bytes()
            .iter()
            .map(|byte| u64::from(*byte))
            .sum::<u64>();
        Self {
            root,
            next: next * 100_000,
        }
    }

    /// One file of so many bytes; readable for the phone's shell whatever the umask here.
    pub(crate) fn file(&mut self, path: impl AsRef<OsStr>, bytes: usize) -> PathBuf {
        let path = self.place(path.as_ref());
        fs::write(&path, noise(self.next, bytes)).unwrap();
        self.finish(path)
    }

    /// One file with holes: a few bytes at its begin, end and around each multiple of 2 GiB.
    pub(crate) fn sparse_file(&mut self, path: impl AsRef<OsStr>, bytes: u64) -> PathBuf {
        use std::os::unix::fs::FileExt as _;
        let path = self.place(path.as_ref());
        let file = File::create(&path).unwrap();
        file.set_len(bytes).unwrap();
        let begins = (0..bytes)
            .step_by(1 << 31)
            .map(|offset| offset.saturating_sub(1000));
        for offset in begins.chain([bytes - 2000]) {
            file.write_all_at(&noise(self.next + offset, 2000), offset)
                .unwrap();
        }
        self.finish(path)
    }

    /// `count` files of so many bytes, `folder/IMG_00001.jpg` and so on.
    pub(crate) fn photos(&mut self, folder: &str, count: usize, bytes: usize) {
        for number in 1..=count {
            self.file(format!("{folder}/IMG_{number:05}.jpg"), bytes);
        }
    }

    fn place(&mut self, path: &OsStr) -> PathBuf {
        self.next += 1;
        let path = self.root.join(path);
        let mut folder = path.parent().unwrap();
        fs::create_dir_all(folder).unwrap();
        while folder != self.root {
            allow(folder, 0o755);
            folder = folder.parent().unwrap();
        }
        path
    }

    fn finish(&self, path: PathBuf) -> PathBuf {
        let modified = UNIX_EPOCH + Duration::from_secs(FIRST_MTIME + self.next % 1_000_000);
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_modified(modified)
            .unwrap();
        allow(&path, 0o644);
        path
    }
}

/// Changes who may read a file.
pub(crate) fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    made::noise(bytes, seed)
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Facts {
    sha256: String,
    mtime: i64,
    size: u64,
}

/// Regular files by their path below a folder.
pub(crate) type Files = BTreeMap<PathBuf, Facts>;

/// All regular files below a folder, with the hashes that `sha256sum` computes. Files of more than
/// a GiB are left out, because it reads only 200 MB a second: [`assert_identical`] is for them.
pub(crate) fn files_below(root: &Path) -> Files {
    let entries = walkdir::WalkDir::new(root)
        .into_iter()
        .map(|entry| entry.unwrap());
    let paths: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_file() && entry.metadata().unwrap().len() <= 1 << 30)
        .map(|entry| entry.into_path())
        .collect();
    let mut files = Files::new();
    for some in paths.chunks(500) {
        let mut sha256sum = command("sha256sum");
        let lines = output_of(sha256sum.args(["--zero", "--"]).args(some));
        for line in lines
            .split(|byte| *byte == 0)
            .filter(|line| !line.is_empty())
        {
            let path = Path::new(OsStr::from_bytes(&line[66..]));
            let metadata = fs::metadata(path).unwrap();
            let facts = Facts {
                sha256: String::from_utf8(line[..64].to_vec()).unwrap(),
                mtime: metadata.mtime(),
                size: metadata.size(),
            };
            files.insert(path.strip_prefix(root).unwrap().to_owned(), facts);
        }
    }
    assert_eq!(files.len(), paths.len());
    files
}

/// Demands that both have the same files under the same names.
#[track_caller]
pub(crate) fn assert_same_files(on_phone: &Files, here: &Files) {
    let missing: Vec<_> = on_phone
        .keys()
        .filter(|path| !here.contains_key(*path))
        .collect();
    let surplus: Vec<_> = here
        .keys()
        .filter(|path| !on_phone.contains_key(*path))
        .collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "missing: {missing:?}\nsurplus: {surplus:?}"
    );
    for (path, facts) in on_phone {
        assert_eq!(facts, &here[path], "{path:?}");
    }
}

/// Demands that both have the same files, whatever they are called here.
#[track_caller]
pub(crate) fn assert_same_contents(on_phone: &Files, here: &Files) {
    let (want, have): (BTreeSet<_>, BTreeSet<_>) =
        (on_phone.values().collect(), here.values().collect());
    for (path, facts) in on_phone {
        assert!(
            have.contains(facts),
            "not here: {path:?} {facts:?}\nhere: {here:#?}"
        );
    }
    for (path, facts) in here {
        assert!(want.contains(facts), "not on the phone: {path:?} {facts:?}");
    }
    assert_eq!(on_phone.len(), here.len());
}

/// Those of some files that lie below a folder.
pub(crate) fn only_below(files: &Files, folder: &str) -> Files {
    let below = files.iter().filter(|(path, _)| path.starts_with(folder));
    below
        .map(|(path, facts)| (path.clone(), facts.clone()))
        .collect()
}

/// Those of some files that do not lie below a folder.
pub(crate) fn all_but_below(files: &Files, folder: &str) -> Files {
    let rest = files.iter().filter(|(path, _)| !path.starts_with(folder));
    rest.map(|(path, facts)| (path.clone(), facts.clone()))
        .collect()
}

/// What tells a file that was written again from one that was left alone.
pub(crate) fn identities(root: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let entries = walkdir::WalkDir::new(root)
        .into_iter()
        .map(|entry| entry.unwrap());
    let files = entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let metadata = entry.metadata().unwrap();
            (
                entry.into_path(),
                (metadata.ino(), metadata.ctime(), metadata.ctime_nsec()),
            )
        });
    files.collect()
}

/// Demands that two large files are the same, byte by byte.
#[track_caller]
pub(crate) fn assert_identical(one: &Path, other: &Path) {
    let output = command("cmp").arg(one).arg(other).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        fs::metadata(one).unwrap().mtime(),
        fs::metadata(other).unwrap().mtime()
    );
}

/// Changes one bit in the middle of a file and nothing else about it.
pub(crate) fn flip_one_bit(path: &Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mut file = File::options().write(true).open(path).unwrap();
    file.write_all(&bytes).unwrap();
    file.set_modified(modified).unwrap();
}
