//! Where the program keeps what is its own, below the person's home folder, and how it is written:
//! whole or not at all, and so that nobody else reads what is nobody else's.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The person's home folder: `HOME`, which Windows calls `USERPROFILE`.
pub(crate) fn folder() -> Option<PathBuf> {
    named("HOME").or_else(|| named("USERPROFILE"))
}

/// `$XDG_CONFIG_HOME/rescue`, below `~/.config` where that is not set.
pub(crate) fn config() -> Option<PathBuf> {
    let config = named("XDG_CONFIG_HOME").or_else(|| Some(folder()?.join(".config")))?;
    Some(config.join("rescue"))
}

/// `$XDG_STATE_HOME/rescue`, below `~/.local/state` where that is not set.
pub(crate) fn state() -> Option<PathBuf> {
    let state = named("XDG_STATE_HOME").or_else(|| Some(folder()?.join(".local").join("state")))?;
    Some(state.join("rescue"))
}

/// The XDG specification has what is no absolute path be as good as unset.
fn named(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    path.filter(|path| path.is_absolute())
}

/// Reads a file that the program keeps, of at most so many bytes. What is no file is an error: a pipe
/// that somebody left there would be waited for without end.
pub(crate) fn read(path: &Path, most_bytes: u64) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = String::new();
    let file = fs::File::open(path)?.take(most_bytes.saturating_add(1));
    match { file }.read_to_string(&mut text)? as u64 > most_bytes {
        true => Err(io::Error::other(format!(
            "it has more than {most_bytes} bytes"
        ))),
        false => Ok(text),
    }
}

/// Writes a file that only its owner may read, in place of the one that is there, if any. A folder
/// that is missing is made, its owner's alone as well.
///
/// Whoever opens the file finds the old content or the new one, each whole, whatever stops this
/// program or the computer, and however many write it at once: the last one counts. After an error
/// the old one stays.
pub(crate) fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        create_private_folder(folder)?;
    }
    let temporary = write_beside(path, content, 0o600)?;
    fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Writes a file that must not exist yet, whole or not at all; `false` when it exists. Systems
/// without modes take the folder's.
pub(crate) fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<bool> {
    let temporary = write_beside(path, content, mode)?;
    // A hard link is the one way to put a whole file in place without replacing another.
    let linked = fs::hard_link(&temporary, path);
    match linked {
        Ok(()) => fs::remove_file(&temporary).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(&temporary).map(|()| false)
        }
        // FAT and some shares have none.
        Err(_) if fs::symlink_metadata(path).is_ok() => fs::remove_file(&temporary).map(|()| false),
        Err(_) => fs::rename(&temporary, path).map(|()| true),
    }
}

/// Writes a new file beside another, synced to the disk. After an error nothing of it stays.
fn write_beside(path: &Path, content: &[u8], mode: u32) -> io::Result<PathBuf> {
    // Neither another run nor another thread writes into the same one.
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{number}.new", std::process::id()));
    // What a run that was killed left there may have another mode, or be another file, too.
    let _ = fs::remove_file(&temporary);
    let mut options = OpenOptions::new();
    with_mode(options.write(true).create_new(true), mode)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .inspect_err(|_| drop(fs::remove_file(&temporary)))?;
    Ok(temporary)
}

/// Makes sure that a folder exists; one that is made is its owner's alone.
fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    // Elsewhere a person's own folder is closed to others, and hands that on.
    builder.create(path)
}

/// Has a file that is created with these have this mode; systems without modes take the folder's.
fn with_mode(options: &mut OpenOptions, mode: u32) -> &mut OpenOptions {
    #[cfg(unix)]
    return std::os::unix::fs::OpenOptionsExt::mode(options, mode);
    #[cfg(not(unix))]
    {
        let _ = mode;
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies in a folder, by name.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn replaced_file_and_new_folder_are_their_owners_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/remotes.toml");
        replace_private(&path, b"first, and longer").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first, and longer");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            for (path, wanted) in [("a", 0o700), ("a/b", 0o700), ("a/b/remotes.toml", 0o600)] {
                assert_eq!(mode(&home.path().join(path)), wanted, "{path}");
            }
            // One that somebody opened to others is closed again.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        replace_private(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        #[cfg(unix)]
        assert_eq!(mode(&path), 0o600);
        assert_eq!(names(path.parent().unwrap()), ["remotes.toml"]);
    }

    #[test]
    fn only_files_that_are_not_too_large_are_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("remotes.toml");
        let missing = read(&path, 10).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        fs::write(&path, "0123456789").unwrap();
        assert_eq!(read(&path, 10).unwrap(), "0123456789");
        assert!(read(&path, 9).unwrap_err().to_string().contains("9 bytes"));
        assert!(read(home.path(), 10).is_err());
        #[cfg(unix)]
        {
            let pipe = home.path().join("pipe");
            let made = std::process::Command::new("mkfifo").arg(&pipe).status();
            assert!(made.unwrap().success());
            let refused = read(&pipe, 10).unwrap_err().to_string();
            assert!(refused.contains("not a file"), "{refused}");
        }
    }

    #[test]
    fn file_that_cannot_be_replaced_leaves_nothing_beside_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("remotes.toml");
        fs::create_dir_all(path.join("in the way")).unwrap();
        assert!(replace_private(&path, b"new").is_err());
        assert_eq!(names(home.path()), ["remotes.toml"]);
        assert!(path.join("in the way").is_dir());
        // Nor where no folder can be made.
        let file = home.path().join("file");
        fs::write(&file, "old").unwrap();
        assert!(replace_private(&file.join("remotes.toml"), b"new").is_err());
        assert_eq!(fs::read(&file).unwrap(), b"old");
    }

    #[test]
    fn file_that_many_replace_at_once_is_always_one_of_theirs() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("sessions.json");
        let content = |letter: u8| vec![letter; 1000 * usize::from(letter)];
        let is_whole = |bytes: &[u8]| bytes == content(bytes[0]);
        replace_private(&path, &content(b'a')).unwrap();
        std::thread::scope(|scope| {
            for letter in b'b'..=b'e' {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        replace_private(path, &content(letter)).unwrap();
                        assert!(is_whole(&fs::read(path).unwrap()));
                    }
                });
            }
        });
        assert_eq!(names(home.path()), ["sessions.json"]);
    }

    #[test]
    fn new_file_never_replaces_another() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("adbkey");
        assert!(write_new(&path, b"first", 0o600).unwrap());
        assert!(!write_new(&path, b"second", 0o600).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        #[cfg(unix)]
        assert_eq!(mode(&path), 0o600);
        assert_eq!(names(home.path()), ["adbkey"]);
    }
}
