//! A folder that is held open. Operations happen in this very folder, wherever its path leads by then, and only on
//! names directly inside it.
//!
//! In: a folder that the user named, then one name after another. Out: files and folders in it. Below the first
//! folder, no symbolic link and no junction of Windows is followed. Names are checked first: a name with a slash, and
//! `..`, are errors.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};

#[cfg(unix)]
use rustix::fs::{AtFlags, FileType, Mode, OFlags, statat};

use super::Identity;

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenFor {
    Reading,
    /// And for reading as well.
    Writing,
}

/// What bears a name in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bearer {
    /// A regular file, and its size in bytes.
    File(u64),
    /// A folder.
    Folder,
    /// A symbolic link, wherever it leads.
    Link,
    /// A device, a pipe or the like.
    Other,
}

/// A folder that is held open.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct HeldFolder(std::os::fd::OwnedFd);

/// Its path, which leads to it for as long as it is open, like those of the folders above it: Windows lets
/// nobody rename or remove them meanwhile.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct HeldFolder(std::path::PathBuf, std::sync::Arc<Above>);

/// An open folder, and those above it down from the first.
#[cfg(not(unix))]
#[derive(Debug)]
struct Above {
    folder: File,
    _above: Option<std::sync::Arc<Above>>,
}

// A folder that may be searched and not be read will do, where the system can hold one so.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FOLDER: OFlags = READABLE.union(OFlags::PATH);
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const FOLDER: OFlags = READABLE;
#[cfg(unix)]
const READABLE: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

impl HeldFolder {
    /// The folder at a path that a person named; links on the way there are the person's own.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        #[cfg(unix)]
        return Ok(Self(rustix::fs::open(path, FOLDER, Mode::empty())?));
        #[cfg(not(unix))]
        Self::above(path.to_owned(), BACKUP_SEMANTICS, None)
    }

    /// A folder in it. `NotADirectory` when something else bears the name, a link too.
    pub(crate) fn below(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = checked(&name)?;
        #[cfg(unix)]
        {
            let flags = FOLDER | OFlags::NOFOLLOW;
            match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
                Ok(folder) => Ok(Self(folder)),
                // Systems differ in what they call a link.
                Err(rustix::io::Errno::LOOP) => Err(ErrorKind::NotADirectory.into()),
                Err(error) => Err(error.into()),
            }
        }
        #[cfg(not(unix))]
        Self::above(
            self.0.join(name),
            BACKUP_SEMANTICS | OPEN_REPARSE_POINT,
            Some(std::sync::Arc::clone(&self.1)),
        )
    }

    /// Opened first and looked at then.
    #[cfg(not(unix))]
    fn above(
        path: std::path::PathBuf,
        flags: u32,
        above: Option<std::sync::Arc<Above>>,
    ) -> io::Result<Self> {
        let folder = open(&path, flags)?;
        let found = folder.metadata()?;
        match kind_of(&found) {
            Bearer::Folder => {
                let _above = above;
                Ok(Self(path, std::sync::Arc::new(Above { folder, _above })))
            }
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// Makes a folder in it; `false` when something bears the name already.
    pub(crate) fn make(&self, name: impl AsRef<OsStr>) -> io::Result<bool> {
        let name = checked(&name)?;
        #[cfg(unix)]
        let made = rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777));
        #[cfg(unix)]
        let made = made.map_err(io::Error::from);
        #[cfg(not(unix))]
        let made = std::fs::create_dir(self.0.join(name));
        match made {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Creates a file whose name nothing bears.
    pub(crate) fn create_new(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let name = checked(&name)?;
        #[cfg(unix)]
        {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mode = Mode::from_raw_mode(0o666);
            Ok(rustix::fs::openat(&self.0, name, flags, mode)?.into())
        }
        #[cfg(not(unix))]
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.0.join(name))
    }

    /// Opens a regular file in it. `InvalidInput` when something else bears the name; `None` when nothing does.
    pub(crate) fn file(
        &self,
        name: impl AsRef<OsStr>,
        open_for: OpenFor,
    ) -> io::Result<Option<File>> {
        let name = checked(&name)?;
        #[cfg(unix)]
        let opened: io::Result<File> = {
            let access = match open_for {
                OpenFor::Writing => OFlags::RDWR,
                OpenFor::Reading => OFlags::RDONLY,
            };
            // Without NONBLOCK, a fifo would be waited for for ever.
            let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(&self.0, name, flags, Mode::empty());
            opened.map(File::from).map_err(io::Error::from)
        };
        #[cfg(not(unix))]
        let opened = match self.bearer(name)? {
            Some(Bearer::File(_)) => {
                let path = self.0.join(name);
                File::options()
                    .read(true)
                    .write(open_for == OpenFor::Writing)
                    .open(path)
            }
            Some(_) => Err(ErrorKind::InvalidInput.into()),
            None => return Ok(None),
        };
        match opened {
            Ok(file) if file.metadata()?.is_file() => Ok(Some(file)),
            Ok(_) => Err(ErrorKind::InvalidInput.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if self.bearer(name).ok().flatten() == Some(Bearer::Link) => {
                Err(io::Error::new(ErrorKind::InvalidInput, error))
            }
            Err(error) => Err(error),
        }
    }

    /// What bears a name in it, if anything does.
    pub(crate) fn bearer(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Bearer>> {
        let name = checked(&name)?;
        #[cfg(unix)]
        let looked = self.look(name);
        #[cfg(not(unix))]
        let looked = std::fs::symlink_metadata(self.0.join(name)).map(|found| kind_of(&found));
        match looked {
            Ok(bearer) => Ok(Some(bearer)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[cfg(unix)]
    fn look<P: rustix::path::Arg>(&self, name: P) -> io::Result<Bearer> {
        let found = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Bearer::File(u64::try_from(found.st_size).unwrap_or(0)),
            FileType::Directory => Bearer::Folder,
            FileType::Symlink => Bearer::Link,
            _ => Bearer::Other,
        })
    }

    /// Calls `each` with what lies in it, in no order, until it wants no more. A name that is no UTF-8 comes
    /// with replacement characters; one that vanishes meanwhile does not come.
    pub(crate) fn each(&self, mut each: impl FnMut(&str, Bearer) -> bool) -> io::Result<()> {
        #[cfg(unix)]
        for entry in rustix::fs::Dir::read_from(self.readable()?)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let bearer = match self.look(name) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                looked => looked?,
            };
            if !each(&name.to_string_lossy(), bearer) {
                break;
            }
        }
        #[cfg(not(unix))]
        for entry in std::fs::read_dir(&self.0)? {
            let entry = entry?;
            let bearer = kind_of(&entry.metadata()?);
            if !each(&entry.file_name().to_string_lossy(), bearer) {
                break;
            }
        }
        Ok(())
    }

    /// Gives a file a name in a folder that nothing bears there; `AlreadyExists` where something does.
    pub(crate) fn rename_new(
        &self,
        from: impl AsRef<OsStr>,
        into: &Self,
        to: impl AsRef<OsStr>,
    ) -> io::Result<()> {
        let (from, to) = (checked(&from)?, checked(&to)?);
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        {
            use rustix::fs::{RenameFlags, renameat_with};
            match renameat_with(&self.0, from, &into.0, to, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let error = io::Error::from(error);
                    // NFS and some FUSE filesystems do not know the flag.
                    if !matches!(
                        error.kind(),
                        ErrorKind::InvalidInput | ErrorKind::Unsupported
                    ) {
                        return Err(error);
                    }
                }
            }
        }
        #[cfg(unix)]
        {
            // A second name is never given to what bears one, in one step.
            match rustix::fs::linkat(&self.0, from, &into.0, to, AtFlags::empty()) {
                Ok(()) => {
                    let _ = self.remove(from);
                    return Ok(());
                }
                Err(rustix::io::Errno::EXIST) => return Err(ErrorKind::AlreadyExists.into()),
                Err(rustix::io::Errno::NOENT) => return Err(ErrorKind::NotFound.into()),
                // FAT and some shares have none.
                Err(_) => {}
            }
        }
        if into.bearer(to)?.is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        #[cfg(unix)]
        return Ok(rustix::fs::renameat(&self.0, from, &into.0, to)?);
        #[cfg(not(unix))]
        super::rename(&self.0.join(from), &into.0.join(to))
    }

    /// Gives a file a name in a folder, in place of the file that bears it there.
    pub(crate) fn rename_over(
        &self,
        from: impl AsRef<OsStr>,
        into: &Self,
        to: impl AsRef<OsStr>,
    ) -> io::Result<()> {
        let (from, to) = (checked(&from)?, checked(&to)?);
        #[cfg(unix)]
        return Ok(rustix::fs::renameat(&self.0, from, &into.0, to)?);
        #[cfg(not(unix))]
        super::rename(&self.0.join(from), &into.0.join(to))
    }

    /// Removes a file's name; `false` when there was none.
    pub(crate) fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<bool> {
        let name = checked(&name)?;
        #[cfg(unix)]
        let removed = rustix::fs::unlinkat(&self.0, name, AtFlags::empty());
        #[cfg(unix)]
        let removed = removed.map_err(io::Error::from);
        #[cfg(not(unix))]
        let removed = std::fs::remove_file(self.0.join(name));
        match removed {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The same, and the name is free at once, also when the file is open.
    pub(crate) fn vacate(&self, name: impl AsRef<OsStr>) -> io::Result<bool> {
        #[cfg(unix)]
        return self.remove(name);
        #[cfg(not(unix))]
        match super::vacate(&self.0.join(checked(&name)?)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether this open file is the one that bears the name.
    pub(crate) fn bears(&self, name: impl AsRef<OsStr>, file: &File) -> bool {
        let Ok(name) = checked(&name) else {
            return false;
        };
        #[cfg(unix)]
        return match (
            statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW),
            rustix::fs::fstat(file),
        ) {
            (Ok(named), Ok(open)) => identity_of(&named) == identity_of(&open),
            _ => false,
        };
        #[cfg(not(unix))]
        is_at(file, &self.0.join(name))
    }

    /// Which folder it is.
    pub(crate) fn identity(&self) -> io::Result<Identity> {
        #[cfg(unix)]
        return Ok(identity_of(&rustix::fs::fstat(&self.0)?));
        #[cfg(not(unix))]
        identity_of(&self.1.folder)
    }

    /// The same folder, to be read: one that is only held cannot.
    #[cfg(unix)]
    fn readable(&self) -> io::Result<std::os::fd::OwnedFd> {
        Ok(rustix::fs::openat(&self.0, ".", READABLE, Mode::empty())?)
    }

    /// Waits until its names are on the disk, where the system and the filesystem have a way to: Windows has
    /// none (`sync_folder`).
    pub(crate) fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        match rustix::fs::fsync(self.readable()?).map_err(io::Error::from) {
            Err(error)
                if !matches!(
                    error.kind(),
                    ErrorKind::InvalidInput | ErrorKind::Unsupported
                ) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
        #[cfg(not(unix))]
        Ok(())
    }
}

#[cfg(not(unix))]
fn kind_of(found: &std::fs::Metadata) -> Bearer {
    match found.file_type() {
        kind if kind.is_symlink() => Bearer::Link,
        kind if kind.is_dir() => Bearer::Folder,
        kind if kind.is_file() => Bearer::File(found.len()),
        _ => Bearer::Other,
    }
}

/// FILE_FLAG_BACKUP_SEMANTICS: folders are opened too.
#[cfg(not(unix))]
pub(super) const BACKUP_SEMANTICS: u32 = 0x0200_0000;
/// FILE_FLAG_OPEN_REPARSE_POINT: a link or a junction is opened itself.
#[cfg(not(unix))]
const OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// Opens a folder so that nobody can rename or remove it: without FILE_SHARE_DELETE, and to list it, for what is
/// opened to be looked at only counts as not open.
#[cfg(not(unix))]
pub(super) fn open(path: &Path, flags: u32) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;
    const LIST_DIRECTORY: u32 = 1;
    const SHARE_READ_AND_WRITE: u32 = 3;
    let mut options = File::options();
    options
        .access_mode(LIST_DIRECTORY)
        .share_mode(SHARE_READ_AND_WRITE);
    options.custom_flags(flags).open(path)
}

/// Opens a file or folder only to ask what it is, which disturbs nobody.
#[cfg(not(unix))]
pub(super) fn look_at(path: &Path, flags: u32) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;
    let mut options = File::options();
    options.access_mode(0).custom_flags(flags).open(path)
}

/// Its volume, and its number there.
#[cfg(not(unix))]
pub(super) fn identity_of(file: &File) -> io::Result<Identity> {
    let found = winapi_util::file::information(file)?;
    Ok((found.volume_serial_number(), found.file_index()))
}

/// Whether this open file is the one that bears a name.
#[cfg(not(unix))]
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let named = look_at(path, BACKUP_SEMANTICS | OPEN_REPARSE_POINT);
    match (
        named.and_then(|named| identity_of(&named)),
        identity_of(file),
    ) {
        (Ok(named), Ok(open)) => named == open,
        _ => false,
    }
}

/// How many names a file has.
#[cfg(not(unix))]
pub(super) fn names_of(path: &Path) -> io::Result<u64> {
    let file = look_at(path, BACKUP_SEMANTICS | OPEN_REPARSE_POINT)?;
    Ok(winapi_util::file::information(&file)?.number_of_links())
}

#[cfg(unix)]
#[allow(
    clippy::unnecessary_cast,
    reason = "the types differ from system to system"
)]
fn identity_of(found: &rustix::fs::Stat) -> Identity {
    (found.st_dev as u64, found.st_ino as u64)
}

/// A name that leads to nothing but what bears it.
fn checked<N: AsRef<OsStr>>(name: &N) -> io::Result<&OsStr> {
    let name = name.as_ref();
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == name => Ok(name),
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "not a name")),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_and_names_that_lead_elsewhere_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "kept").unwrap();
        symlink(&outside, inside.join("folder")).unwrap();
        symlink(outside.join("secret"), inside.join("file")).unwrap();
        symlink(outside.join("new"), inside.join("nowhere")).unwrap();
        let held = HeldFolder::open(&inside).unwrap();
        let refused = |error: io::Error| error.kind();
        assert_eq!(
            held.below("folder").map_err(refused).unwrap_err(),
            ErrorKind::NotADirectory
        );
        for name in ["file", "nowhere", "folder"] {
            let kind = held
                .file(name, OpenFor::Writing)
                .map_err(refused)
                .unwrap_err();
            assert_eq!(kind, ErrorKind::InvalidInput, "{name}");
            let kind = held.create_new(name).map_err(refused).unwrap_err();
            assert_eq!(kind, ErrorKind::AlreadyExists, "{name}");
            assert_eq!(held.bearer(name).unwrap(), Some(Bearer::Link));
        }
        for name in ["", ".", "..", "a/b", "../out/secret", "/etc", "a\0b"] {
            assert!(held.create_new(name).is_err(), "{name}");
            assert!(held.below(name).is_err(), "{name}");
            assert!(held.remove(name).is_err(), "{name}");
        }
        assert!(!outside.join("new").exists());
        assert_eq!(fs::read(outside.join("secret")).unwrap(), b"kept");
    }

    #[test]
    fn folder_stays_the_one_that_was_opened() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().join("here");
        fs::create_dir_all(here.join("a")).unwrap();
        let held = HeldFolder::open(&here).unwrap().below("a").unwrap();
        fs::rename(here.join("a"), dir.path().join("moved")).unwrap();
        symlink("/tmp", here.join("a")).unwrap();
        drop(held.create_new("part").unwrap());
        held.rename_new("part", &held, "whole").unwrap();
        assert!(dir.path().join("moved/whole").exists());
        drop(held.create_new("part").unwrap());
        let taken = held.rename_new("part", &held, "whole").unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
        let gone = held.rename_new("gone", &held, "other").unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    }
}

#[cfg(all(test, windows))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn folder_stays_the_one_that_was_opened_for_as_long_as_it_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().join("here");
        fs::create_dir_all(here.join("a/b")).unwrap();
        let held = HeldFolder::open(&here).unwrap();
        let below = held.below("a").unwrap().below("b").unwrap();
        drop(held);
        let moved = dir.path().join("moved");
        for folder in [here.join("a/b"), here.join("a"), here.clone()] {
            assert!(fs::rename(&folder, &moved).is_err(), "{folder:?}");
        }
        drop(below.create_new("part").unwrap());
        below.rename_new("part", &below, "whole").unwrap();
        assert!(here.join("a/b/whole").exists());
        drop(below);
        fs::rename(&here, &moved).unwrap();
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        let held = HeldFolder::open(&dir.path().join("in")).unwrap();
        for name in ["", ".", "..", "a/b", r"a\b", r"..\out", r"C:\x", "C:x"] {
            assert!(held.create_new(name).is_err(), "{name}");
            assert!(held.below(name).is_err(), "{name}");
            assert!(held.remove(name).is_err(), "{name}");
        }
    }

    #[test]
    fn file_is_known_by_its_number_and_not_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let held = HeldFolder::open(dir.path()).unwrap();
        let file = held.create_new("a").unwrap();
        assert!(held.bears("a", &file) && !held.bears("b", &file));
        held.rename_new("a", &held, "b").unwrap();
        let other = held.create_new("a").unwrap();
        assert!(held.bears("b", &file) && !held.bears("a", &file));
        assert!(held.bears("a", &other));
        let path = dir.path().join("b");
        let found = fs::metadata(&path).unwrap();
        assert!(!super::super::has_other_names(&path, &found));
        fs::hard_link(&path, dir.path().join("c")).unwrap();
        assert!(super::super::has_other_names(&path, &found));
    }

    #[test]
    fn name_of_an_open_file_is_free_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let held = HeldFolder::open(dir.path()).unwrap();
        let open = held.create_new("a").unwrap();
        assert!(held.vacate("a").unwrap() && !held.vacate("a").unwrap());
        drop(held.create_new("a").unwrap());
        drop(open);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
