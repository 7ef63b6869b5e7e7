//! The program's own files below the user's home folder. Each is written completely or not at all, and is
//! readable by the user only.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::folder::disk::system::rename;

/// How old a file has to be that is written beside another, for no run to be writing it any more.
const LEFT_OVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The variables that name the person's home folder; the second one is that of Windows.
const HOME: [&str; 2] = ["HOME", "USERPROFILE"];

/// The person's home folder: `HOME`, which Windows calls `USERPROFILE`. A value that does not lead to a folder counts as none.
pub(crate) fn folder() -> Option<PathBuf> {
    let named = named("HOME").or_else(|| named("USERPROFILE"));
    named.filter(|path| !is_something_else(path))
}

/// A path as a person types it, with `~` for the home folder.
pub(crate) fn typed_path(path: PathBuf) -> PathBuf {
    let below = path.strip_prefix("~").ok();
    let whole = below.and_then(|below| Some(folder()?.join(below)));
    whole.unwrap_or(path)
}

fn is_something_else(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_dir())
}

/// Why there is no home folder, in words.
pub(crate) fn why_none() -> String {
    let is_set = |variable: &&&str| std::env::var_os(variable).is_some_and(|it| !it.is_empty());
    let Some(variable) = HOME.iter().find(is_set) else {
        let usual = if cfg!(windows) { HOME[1] } else { HOME[0] };
        return format!("the environment variable {usual} is not set");
    };
    let value = PathBuf::from(std::env::var_os(variable).unwrap_or_default());
    let fault = match value.is_absolute() {
        true => "is not a folder",
        false => "is not an absolute path",
    };
    format!(
        "the environment variable {variable} is {}, which {fault}",
        value.display()
    )
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
/// the old one stays. What runs that were killed left beside it is removed when it is a day old.
pub(crate) fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        create_private_folder(folder)?;
    }
    let temporary = write_beside(path, content, 0o600)?;
    renamed(&temporary, path)?;
    remove_left_over(path);
    Ok(())
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
        Err(_) => renamed(&temporary, path).map(|()| true),
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

/// Gives a file that was written beside another its name; where that fails, nothing of it stays.
fn renamed(temporary: &Path, path: &Path) -> io::Result<()> {
    rename(temporary, path).inspect_err(|_| drop(fs::remove_file(temporary)))
}

/// Removes what [`write_beside`] made for this file in runs that were killed: it may hold a secret.
/// A younger one may be another run's that is writing now. Whatever fails is left for the next time.
fn remove_left_over(path: &Path) {
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem()) else {
        return;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_ours = |name: &str| {
        let rest = stem.to_str().and_then(|stem| name.strip_prefix(stem));
        let numbers = rest.and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".new"));
        let numbers = numbers.and_then(|numbers| numbers.split_once('-'));
        numbers.is_some_and(|(program, number)| is_number(program) && is_number(number))
    };
    let is_old = |found: &fs::DirEntry| {
        let changed = found.metadata().and_then(|found| found.modified()).ok();
        let age = changed.and_then(|changed| changed.elapsed().ok());
        age.is_some_and(|age| age > LEFT_OVER_AGE)
    };
    for found in fs::read_dir(folder).into_iter().flatten().flatten() {
        if found.file_name().to_str().is_some_and(is_ours) && is_old(&found) {
            let _ = fs::remove_file(found.path());
        }
    }
}

/// Makes sure that a folder exists; one that is made is its owner's alone.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
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
    fn what_a_killed_run_left_is_removed_when_it_is_old() {
        let home = tempfile::tempdir().unwrap();
        let now = std::time::SystemTime::now();
        let left = |name: &str, age: Duration| {
            let file = fs::File::create(home.path().join(name)).unwrap();
            file.set_modified(now - age).unwrap();
        };
        let old = LEFT_OVER_AGE + Duration::from_secs(60);
        left("remotes.4711-0.new", old);
        // Another run's, another file's, and a person's own.
        left("remotes.4712-0.new", LEFT_OVER_AGE / 2);
        left("sessions.4711-0.new", old);
        left("remotes.toml.new", old);
        left("remotes.4711-0.toml", old);
        fs::create_dir(home.path().join("remotes.4713-0.new")).unwrap();
        replace_private(&home.path().join("remotes.toml"), b"new").unwrap();
        let mut names = names(home.path());
        names.sort();
        let kept = [
            "remotes.4711-0.toml",
            "remotes.4712-0.new",
            "remotes.4713-0.new",
            "remotes.toml",
            "remotes.toml.new",
            "sessions.4711-0.new",
        ];
        assert_eq!(names, kept);
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

    #[test]
    fn new_file_that_gets_no_name_leaves_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        // Too long a name, but not for what is written beside it.
        let path = home.path().join(format!("adbkey.{}", "x".repeat(300)));
        assert!(write_new(&path, b"new", 0o600).is_err());
        assert!(names(home.path()).is_empty());
    }
}
