//! The keys by which phones recognise this computer, shared with adb.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rsa::rand_core::OsRng;

use crate::adb::auth::{KeyError, PrivateKey};
use crate::home::{self, write_new};

/// More keys than anybody has; each costs the phone a signature check.
const MAX_KEYS: usize = 64;

/// An error with key files.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A key file cannot be read or written.
    #[error("cannot {action} the key file {}", path.display())]
    File {
        /// The failed action: `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The file contains no usable key.
    #[error("{} holds no usable key", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with the content.
        #[source]
        source: KeyError,
    },
    /// There is no home folder in which to keep a key.
    #[error("no home folder to keep a key in: {why}")]
    NoHome {
        /// Why there is none.
        why: String,
    },
}

/// The places where keys are looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeySources {
    /// Files named on the command line; tried first.
    pub files: Vec<PathBuf>,
    /// The folder of the user's own key, `~/.android`; created if it does not exist.
    pub android_folder: Option<PathBuf>,
    /// The entries of `ADB_VENDOR_KEYS`: files, or folders of `*.adb_key` files.
    pub vendor: Vec<PathBuf>,
    /// Whether having no key at all is acceptable.
    no_key_is_fine: bool,
}

impl KeySources {
    /// Returns sources without any key, for a phone that requires no authorisation.
    pub(crate) fn none() -> Self {
        Self {
            no_key_is_fine: true,
            ..Self::default()
        }
    }

    /// Returns the sources that the environment names: `ANDROID_USER_HOME` or `HOME`, and `ADB_VENDOR_KEYS`.
    pub(crate) fn from_environment(files: Vec<PathBuf>) -> Self {
        let folder = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let android_folder = folder("ANDROID_USER_HOME")
            .or_else(|| home::folder().map(|home| home.join(".android")));
        let vendor = std::env::var_os("ADB_VENDOR_KEYS");
        let vendor = vendor
            .map(|paths| std::env::split_paths(&paths).collect())
            .unwrap_or_default();
        Self {
            files,
            android_folder,
            vendor,
            no_key_is_fine: false,
        }
    }

    /// Loads the available keys. If this computer's own key cannot be read or created, also returns that error: phones
    /// that require no authorisation, and phones behind an adb server, work without a key.
    pub(crate) fn load_what_there_is(
        &self,
    ) -> Result<(Vec<PrivateKey>, Option<KeysError>), KeysError> {
        match self.load() {
            Ok(keys) => Ok((keys, None)),
            Err(error) if self.files.is_empty() => Ok((Vec::new(), Some(error))),
            // One that somebody named is wanted.
            Err(error) => Err(error),
        }
    }

    /// Loads all keys: first those of the command line, then the user's own (created if absent), then the vendor's. An
    /// unreadable vendor key is skipped with a warning, as adb does; any other unreadable key is an error.
    pub(crate) fn load(&self) -> Result<Vec<PrivateKey>, KeysError> {
        let named = self.load_named()?.into_iter();
        Ok(named.map(|(_, key)| key).collect())
    }

    /// Does the same as [`KeySources::load`], and returns each key with its file.
    pub(crate) fn load_named(&self) -> Result<Vec<(PathBuf, PrivateKey)>, KeysError> {
        let mut keys = Vec::new();
        for path in &self.files {
            keys.push((path.clone(), read(path)?));
        }
        let own = match &self.android_folder {
            Some(folder) => own_key(folder).map(|key| Some((folder.join("adbkey"), key))),
            None if self.no_key_is_fine => Ok(None),
            None => Err(KeysError::NoHome {
                why: home::why_none(),
            }),
        };
        let missing = match own {
            Ok(own) => {
                keys.extend(own);
                None
            }
            Err(error) => {
                tracing::warn!(%error, "no key of this computer's own");
                Some(error)
            }
        };
        for path in self.vendor.iter().flat_map(|path| vendor_files(path)) {
            match read(&path) {
                Ok(key) => keys.push((path, key)),
                Err(error) => tracing::warn!(%error, "vendor key passed over"),
            }
        }
        keys.truncate(MAX_KEYS);
        match missing {
            // A home that cannot be written to is no reason to turn down the keys there are.
            Some(error) if keys.is_empty() => Err(error),
            _ => Ok(keys),
        }
    }
}

/// Returns the name that this computer sends with its public key, in adb's form `user@host`.
pub(crate) fn computer_name() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("USER")
        .or_else(|| variable("USERNAME"))
        .or_else(|| variable("LOGNAME"));
    #[cfg(unix)]
    let host = rustix::system::uname()
        .nodename()
        .to_str()
        .map(str::to_owned)
        .ok();
    #[cfg(not(unix))]
    let host = variable("COMPUTERNAME");
    let clean = |name: String| {
        name.chars()
            .filter(|c| c.is_ascii_graphic())
            .collect::<String>()
    };
    format!(
        "{}@{}",
        user.map_or_else(|| "unknown".to_owned(), clean),
        host.map_or_else(|| "unknown".to_owned(), clean)
    )
}

/// More than any private key has, in bytes.
const MAX_KEY_BYTES: u64 = 64 * 1024;

fn read(path: &Path) -> Result<PrivateKey, KeysError> {
    let read = || {
        let mut text = String::new();
        // A key has a few kilobytes; /dev/zero has no end.
        let file = fs::File::open(path)?.take(MAX_KEY_BYTES);
        { file }.read_to_string(&mut text).map(|_| text)
    };
    let text = read().map_err(|source| KeysError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    PrivateKey::from_pem(&text).map_err(|source| KeysError::Content {
        path: path.to_owned(),
        source,
    })
}

fn own_key(folder: &Path) -> Result<PrivateKey, KeysError> {
    let path = folder.join("adbkey");
    match read(&path) {
        Err(KeysError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let key = PrivateKey::generate(&mut OsRng).map_err(|source| KeysError::Content {
        path: path.clone(),
        source,
    })?;
    let pem = key.to_pem().map_err(|source| KeysError::Content {
        path: path.clone(),
        source,
    })?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| KeysError::File {
            action: "write",
            path,
            source,
        }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    if !write_new(&path, pem.as_bytes(), 0o600).map_err(failed(&path))? {
        // Another program made one in between: that one counts.
        return read(&path);
    }
    let public = folder.join("adbkey.pub");
    let line = key.public().to_line(&computer_name()) + "\n";
    write_new(&public, line.as_bytes(), 0o644).map_err(failed(&public))?;
    Ok(key)
}

fn vendor_files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = walkdir::WalkDir::new(path)
        .max_depth(1)
        .sort_by_file_name()
        .into_iter()
        .flatten();
    let keys = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "adb_key"));
    keys.map(walkdir::DirEntry::into_path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = include_str!("../../fixtures/adbkey");

    fn sources(folder: &Path) -> KeySources {
        KeySources {
            android_folder: Some(folder.join(".android")),
            ..KeySources::default()
        }
    }

    #[test]
    fn own_key_is_made_once_and_only_for_its_owner() {
        let home = tempfile::tempdir().unwrap();
        let first = sources(home.path()).load().unwrap();
        let second = sources(home.path()).load().unwrap();
        assert_eq!(first[0].public(), second[0].public());
        let public = fs::read(home.path().join(".android/adbkey.pub")).unwrap();
        assert_eq!(
            crate::adb::auth::PublicKey::from_line(&public).unwrap(),
            first[0].public()
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(home.path().join(".android/adbkey"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn named_keys_come_first_and_vendor_folders_are_read() {
        let home = tempfile::tempdir().unwrap();
        let vendor = home.path().join("vendor");
        fs::create_dir(&vendor).unwrap();
        fs::write(vendor.join("a.adb_key"), KEY).unwrap();
        fs::write(vendor.join("broken.adb_key"), "nothing").unwrap();
        fs::write(vendor.join("readme.txt"), "nothing").unwrap();
        let named = home.path().join("named");
        fs::write(&named, KEY).unwrap();
        let sources = KeySources {
            files: vec![named],
            vendor: vec![vendor],
            ..sources(home.path())
        };
        let keys = sources.load().unwrap();
        assert_eq!(keys.len(), 3);
        assert_eq!(keys[0].public(), keys[2].public());
        assert_ne!(keys[0].public(), keys[1].public());
    }

    #[test]
    fn unusable_named_key_is_an_error_that_names_it() {
        let home = tempfile::tempdir().unwrap();
        let named = home.path().join("named");
        fs::write(&named, "nothing").unwrap();
        let error = KeySources {
            files: vec![named.clone()],
            ..sources(home.path())
        }
        .load()
        .unwrap_err();
        assert!(
            error.to_string().contains(&*named.to_string_lossy()),
            "{error}"
        );
        // With another key at hand, a home of no use is none.
        let broken = home.path().join("no folder");
        fs::write(&broken, "").unwrap();
        fs::write(&named, KEY).unwrap();
        let sources = |files| KeySources {
            files,
            android_folder: Some(broken.clone()),
            ..KeySources::default()
        };
        assert!(sources(Vec::new()).load().is_err());
        assert_eq!(sources(vec![named.clone()]).load().unwrap().len(), 1);
        let error = KeySources::default().load().unwrap_err();
        assert!(matches!(error, KeysError::NoHome { .. }));
    }
}
