mod links;
mod making;

// A test that makes a link, a pipe or a mode is only for Unix: Windows lets administrators make links, and Wine
// nobody.
#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;
use crate::adb::RemotePath;
use crate::item::Item;

/// A temporary folder; in memory where the system has such, for syncs to cost nothing.
pub(crate) fn temporary() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub(crate) fn phone() -> PhoneIdentity {
    PhoneIdentity {
        serial: "0123456789ABCDEF".to_owned(),
        model: "Pixel 7".to_owned(),
        manufacturer: "Google".to_owned(),
        android_version: "14".to_owned(),
    }
}

/// A new rescue folder.
pub(crate) fn fresh() -> (TempDir, Folder) {
    let place = temporary();
    let folder = Folder::create_or_open(&place.path().join("rescue"), &phone()).unwrap();
    (place, folder)
}

pub(crate) fn local(text: &str) -> LocalPath {
    LocalPath::new(text).unwrap()
}

/// Plans a file of the phone that shall have this local path.
pub(crate) fn plan(folder: &mut Folder, local_path: &str) -> EntryId {
    let entry = NewEntry {
        item: Item {
            path: RemotePath::new(format!("/storage/{local_path}").as_bytes()).unwrap(),
            size: 0,
            size_is_exact: true,
            mtime: 1_700_000_000,
        },
        version: 1,
        local: local(local_path),
    };
    folder.catalogue_mut().insert_planned([entry]).unwrap()[0]
}

pub(crate) fn finished(root: &Path, entry: EntryId, bytes: &[u8]) -> Finished {
    let mut file = PartialFile::create(root, entry).unwrap();
    bytes
        .chunks(65_528)
        .for_each(|chunk| file.write(chunk).unwrap());
    file.finish(1_700_000_000).unwrap()
}

/// Pulls files, given by local path and bytes, as one group.
pub(crate) fn pull(folder: &mut Folder, files: &[(&str, &[u8])]) -> Vec<EntryId> {
    let mut committer = folder.committer().unwrap();
    let ids: Vec<_> = files.iter().map(|(path, _)| plan(folder, path)).collect();
    let mut records = Vec::new();
    let mut group = Vec::new();
    for (id, (path, bytes)) in ids.iter().zip(files) {
        let finished = finished(folder.root(), *id, bytes);
        records.push(Record::Pulled {
            id: *id,
            sha256: finished.sha256,
            size: finished.size,
            local: None,
        });
        group.push(ToCommit {
            finished,
            local: local(path),
        });
    }
    assert!(
        committer
            .commit(group)
            .unwrap()
            .iter()
            .all(CommitOutcome::is_in_place)
    );
    folder.catalogue_mut().record(&records).unwrap();
    ids
}

/// When a file was changed, in seconds since 1970.
pub(crate) fn modified(path: &Path) -> i64 {
    use std::time::SystemTime;
    let time = fs::metadata(path).unwrap().modified().unwrap();
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_secs() as i64,
        Err(before) => 0_i64
            .checked_sub_unsigned(before.duration().as_secs())
            .unwrap(),
    }
}

fn names(path: &Path) -> Vec<String> {
    let listing = fs::read_dir(path).unwrap();
    let mut names: Vec<_> = listing
        .map(|found| found.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn another_phones_folder_is_refused_and_says_whose() {
    let (_place, folder) = fresh();
    let path = folder.root().to_owned();
    drop(folder);
    let other = PhoneIdentity {
        serial: "OTHER".to_owned(),
        ..phone()
    };
    match Folder::create_or_open(&path, &other).unwrap_err() {
        FolderError::OtherPhone { expected, got, .. } => {
            assert_eq!((expected, got), (phone().serial, "OTHER".to_owned()));
        }
        error => panic!("{error}"),
    }
    assert_eq!(
        Folder::open(&path).unwrap().catalogue().identity().unwrap(),
        phone()
    );
}

#[test]
fn the_same_phone_after_an_update_is_the_same_phone() {
    let (_place, folder) = fresh();
    let path = folder.root().to_owned();
    drop(folder);
    let updated = PhoneIdentity {
        android_version: "15".to_owned(),
        ..phone()
    };
    drop(Folder::create_or_open(&path, &updated).unwrap());
    assert_eq!(
        Folder::open(&path).unwrap().catalogue().identity().unwrap(),
        updated
    );
}

#[test]
fn a_second_rescue_is_told_that_the_folder_is_busy() {
    let (_place, folder) = fresh();
    let path = folder.root().to_owned();
    for second in [Folder::create_or_open(&path, &phone()), Folder::open(&path)] {
        assert!(
            matches!(&second, Err(FolderError::Busy { path: busy }) if *busy == path),
            "{second:?}"
        );
    }
    let committer = folder.committer().unwrap();
    drop(folder);
    assert!(matches!(Folder::open(&path), Err(FolderError::Busy { .. })));
    drop(committer);
    Folder::open(&path).unwrap();
}

#[test]
fn who_comes_while_another_looks_in_waits_and_gets_it() {
    let (_place, folder) = fresh();
    let path = folder.root().to_owned();
    let looking = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(folder);
    });
    Folder::open_after_asking(&path).unwrap();
    looking.join().unwrap();
}

#[test]
fn who_comes_while_another_works_is_sent_away_in_the_end() {
    let (_place, folder) = fresh();
    let refused = Folder::open_after_asking(folder.root());
    assert!(matches!(refused, Err(FolderError::Busy { .. })));
}

#[cfg(unix)]
#[test]
fn a_place_that_cannot_be_written_is_named() {
    let place = temporary();
    let path = place.path().join("locked");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(path.join("probe"), "").is_ok() {
        // Whoever runs this may write everywhere; /proc refuses even them.
        let made = Folder::create_or_open(Path::new("/proc/rescue"), &phone());
        assert!(matches!(made, Err(FolderError::Disk(_))), "{made:?}");
        return;
    }
    let made = Folder::create_or_open(&path, &phone());
    assert!(
        matches!(made, Err(FolderError::Disk(DiskError::NotWritable { .. }))),
        "{made:?}"
    );
}

#[cfg(unix)]
#[test]
fn errors_of_the_disk_are_told_apart() {
    use rustix::io::Errno;
    let path = Path::new("/some/file");
    let error = |errno: Errno| DiskError::new(DiskAction::Write, path, errno.into());
    assert!(matches!(error(Errno::NOSPC), DiskError::Full { .. }));
    assert!(matches!(error(Errno::DQUOT), DiskError::Full { .. }));
    assert!(matches!(error(Errno::FBIG), DiskError::FileTooLarge { .. }));
    assert!(matches!(error(Errno::ROFS), DiskError::NotWritable { .. }));
    assert!(matches!(
        error(Errno::ACCESS),
        DiskError::NotWritable { .. }
    ));
    assert!(matches!(error(Errno::IO), DiskError::Io { .. }));
    let naming = |errno: Errno| DiskError::naming(DiskAction::Rename, path, errno.into());
    for errno in [Errno::INVAL, Errno::NAMETOOLONG, Errno::ILSEQ] {
        assert!(
            matches!(naming(errno), DiskError::NameRefused { .. }),
            "{errno:?}"
        );
    }
    assert!(matches!(naming(Errno::NOSPC), DiskError::Full { .. }));
}
