//! The remotes a person has set up: `~/.config/rescue/remotes.toml`, readable by nobody else.
//!
//! Whatever changes them reads the file again first, under the lock `remotes.lock` beside it: a person takes minutes to
//! set up a remote, and other runs change others meanwhile.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::keyring::{Keyring, KeyringError};
use super::kinds::KindSettings;
use super::secret::Secret;
use crate::error::{Error, Kind as ErrorKindOf};
use crate::home;

/// More than any settings have, in bytes.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// How long a remote may take for the few requests of a test, unless its settings say otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest name of a remote, in bytes.
const MAX_NAME: usize = 60;

/// The settings of all remotes.
#[derive(Debug, Clone)]
pub struct Settings {
    path: PathBuf,
    remotes: BTreeMap<String, RemoteSettings>,
    /// The file as it was read, so that what a newer version wrote into it is preserved.
    written: SettingsFile,
}

/// The settings of one remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteSettings {
    /// The remote's kind and address.
    #[serde(flatten)]
    pub(crate) kind: KindSettings,
    /// The remote's password, key or token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Whether the secret is in the keyring.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_keyring: bool,
    /// How long to wait for a connection without `--wait`, in seconds, if not the usual time. For tests; no option sets
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience_seconds: Option<u64>,
}

impl RemoteSettings {
    /// Returns the name of the remote's kind.
    pub fn kind(&self) -> &'static str {
        self.kind.name()
    }

    /// Returns the destination as one line.
    pub fn target(&self) -> String {
        self.kind.target()
    }

    /// Returns how long the remote may take for the few requests of a test.
    pub(crate) fn patience(&self) -> Duration {
        let given = self.patience_seconds.filter(|seconds| *seconds > 0);
        given.map_or(PATIENCE, Duration::from_secs)
    }

    /// Returns where the remote's secret is stored, if it has one.
    pub(crate) fn secret_in(&self) -> Option<SecretPlace> {
        match (self.in_keyring, &self.secret) {
            (true, _) => Some(SecretPlace::Keyring),
            (false, Some(_)) => Some(SecretPlace::File),
            (false, None) => None,
        }
    }
}

/// The place where a secret is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum SecretPlace {
    /// The desktop's keyring (through `secret-tool`), or Windows' Credential Manager
    Keyring,
    /// The settings file, readable by you only
    File,
}

/// What becomes of a remote's secret when the remote changes.
#[derive(Debug, Clone)]
pub(crate) enum EditedSecret {
    /// It stays.
    Stays,
    /// It is replaced.
    New(Secret),
    /// The remote needs none from now on.
    Gone,
}

impl Settings {
    /// Reads the user's settings; a missing file counts as empty.
    pub fn load() -> Result<Self, Error> {
        Self::load_from(&folder()?.join("remotes.toml"))
    }

    /// Reads settings from a file.
    pub fn load_from(path: &Path) -> Result<Self, Error> {
        let text = match home::read(path, MAX_FILE_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // A link is there, and what it leads to may be on a disk that is not plugged in.
                if path.symlink_metadata().is_ok() {
                    let why = "it is a link to a file that is missing";
                    return Err(unusable(
                        path,
                        why,
                        "bring that file back, or remove the link",
                    ));
                }
                String::new()
            }
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                let file = path.ancestors().skip(1).find(|above| above.is_file());
                let why = "it is a file, and a folder is needed";
                let hint = "move it away, and run the same command again";
                return Err(unusable(file.unwrap_or(path), why, hint));
            }
            Err(error) => {
                let hint = match error.kind() {
                    ErrorKind::PermissionDenied => {
                        "make the file readable for yourself, and run the command again"
                    }
                    _ => "move it away, and add the remotes again with `rescue remote add`",
                };
                return Err(unusable(path, &error.to_string(), hint));
            }
        };
        let file: SettingsFile = toml::from_str(&text).map_err(|error| {
            // Not the error itself: it repeats the line, and the line may hold a secret.
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map(|before| before.lines().count());
            let place = line.map_or(String::new(), |line| format!(" in line {}", line.max(1)));
            let hint = "correct the file, or give it another name and add the remotes again";
            unusable(path, &format!("it is invalid{place}"), hint)
        })?;
        // Each by itself: one that only a newer version knows leaves the others usable.
        let known = file.remotes.iter().filter_map(|(name, table)| {
            let remote = table.clone().try_into().ok()?;
            Some((name.clone(), remote))
        });
        Ok(Self {
            path: path.to_owned(),
            remotes: known.collect(),
            written: file,
        })
    }

    /// Returns the path of the settings file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns all remotes by name.
    pub fn remotes(&self) -> &BTreeMap<String, RemoteSettings> {
        &self.remotes
    }

    /// Returns the names of remotes that this version of the program does not understand.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        let names = self.written.remotes.keys().map(String::as_str);
        names.filter(|name| !self.remotes.contains_key(*name))
    }

    /// Returns the names of what else is in the file.
    pub fn foreign(&self) -> impl Iterator<Item = &str> {
        self.written.more.keys().map(String::as_str)
    }

    /// Returns whether a remote with this name exists, even if this version does not understand it.
    pub fn has(&self, name: &str) -> bool {
        self.remotes.contains_key(name) || self.written.remotes.contains_key(name)
    }

    /// Checks that a new remote may have this name.
    pub fn check_free(&self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        if !self.has(name) {
            return Ok(());
        }
        let message = format!("the remote '{name}' already exists");
        Err(Error::new(ErrorKindOf::Usage, message).with_hint(format!(
            "choose another name; `rescue remote edit {name}` changes the one that exists"
        )))
    }

    /// Returns the settings of a remote.
    pub fn remote(&self, name: &str) -> Result<&RemoteSettings, Error> {
        self.remotes.get(name).ok_or_else(|| {
            if self.has(name) {
                // Not toml's error: it may repeat a secret.
                let message = format!(
                    "the remote '{name}' in {} lacks a setting, or is of a kind that this version of rescue does not know",
                    self.path.display()
                );
                return Error::new(ErrorKindOf::Usage, message).with_hint(format!(
                    "use the version that wrote it, or `rescue remote remove {name}` and add it again"
                ));
            }
            let known: Vec<_> = self.remotes.keys().map(String::as_str).collect();
            let hint = match known.as_slice() {
                [] => "set one up with `rescue remote add`".to_owned(),
                known => format!("there are: {}", known.join(", ")),
            };
            Error::new(ErrorKindOf::Usage, format!("there is no remote '{name}'")).with_hint(hint)
        })
    }

    /// Returns the settings of a remote with its secret, wherever that is stored.
    pub fn with_secret(&self, name: &str) -> Result<RemoteSettings, Error> {
        let mut remote = self.remote(name)?.clone();
        if remote.in_keyring {
            let keyring = Keyring::of_session(&self.path).ok_or_else(|| locked(name, None))?;
            let found = keyring.find(name);
            remote.secret = Some(found.map_err(|error| locked(name, Some(error)))?);
        }
        Ok(remote)
    }

    /// Adds a remote and writes the file. The secret is stored in the keyring if there is one, unless `place` says
    /// otherwise. Returns where the secret was stored, if there is one.
    pub fn add(
        &mut self,
        name: &str,
        mut remote: RemoteSettings,
        place: Option<SecretPlace>,
    ) -> Result<Option<SecretPlace>, Error> {
        self.check_free(name)?;
        let _lock = self.reload()?;
        self.check_free(name)?;
        let kept = self.keep_secret(name, &mut remote, place)?;
        self.remotes.insert(name.to_owned(), remote);
        let saved = self.save();
        if saved.is_err() && kept == Some(SecretPlace::Keyring) {
            self.restore_secret(name, None);
        }
        saved.map(|()| kept)
    }

    /// Reads the file again, and keeps other runs from changing it until the lock is dropped.
    fn reload(&mut self) -> Result<File, Error> {
        let opened = self
            .path
            .parent()
            .map_or(Ok(()), home::create_private_folder);
        let opened = opened.and_then(|()| {
            let mut options = File::options();
            let options = options.create(true).truncate(false).write(true);
            options.open(self.path.with_extension("lock"))
        });
        let lock = opened.map_err(|error| self.unwritten(&error))?;
        // Some shares have no locks; what is written there stays whole all the same.
        let _ = lock.lock();
        *self = Self::load_from(&self.path)?;
        Ok(lock)
    }

    /// Does the same to change a remote. Refuses if it is no longer the one that these settings hold: what was asked for
    /// and tried is true of that one only, and no secret of one place may go to another.
    fn reload_for(&mut self, name: &str) -> Result<File, Error> {
        let earlier = self.remote(name)?.clone();
        let lock = self.reload()?;
        let now = self.remote(name)?;
        // A sign-in is renewed by every run that uses it.
        let is_same_secret = now.secret == earlier.secret || now.kind.sign_in().is_some();
        if now.kind == earlier.kind && now.in_keyring == earlier.in_keyring && is_same_secret {
            return Ok(lock);
        }
        let message = format!("the remote '{name}' was changed by another command meanwhile");
        Err(Error::new(ErrorKindOf::Usage, message)
            .with_hint("see what it is now with `rescue remote list`, and run the command again"))
    }

    /// Moves a remote's secret to the keyring, if it belongs there. Returns where the secret is.
    fn keep_secret(
        &self,
        name: &str,
        remote: &mut RemoteSettings,
        place: Option<SecretPlace>,
    ) -> Result<Option<SecretPlace>, Error> {
        let kept = remote.secret.as_ref().map(|_| SecretPlace::File);
        if let (Some(secret), true) = (&remote.secret, place != Some(SecretPlace::File)) {
            let keyring = Keyring::of_session(&self.path);
            let result = keyring.map(|keyring| keyring.keep(name, secret));
            match (result, place) {
                (Some(Ok(())), _) => {
                    remote.in_keyring = true;
                    remote.secret = None;
                    return Ok(Some(SecretPlace::Keyring));
                }
                (None, Some(SecretPlace::Keyring)) => return Err(locked(name, None)),
                (Some(Err(error)), Some(SecretPlace::Keyring)) => {
                    return Err(locked(name, Some(error)));
                }
                (None | Some(Err(_)), _) => {}
            }
        }
        Ok(kept)
    }

    /// Replaces the settings of a remote's kind, and its secret if that changes, and writes the file. A new secret is
    /// stored where the old one was. Returns where it is stored, if there is one.
    pub(crate) fn edit(
        &mut self,
        name: &str,
        kind: KindSettings,
        secret: EditedSecret,
    ) -> Result<Option<SecretPlace>, Error> {
        let _lock = self.reload_for(name)?;
        let mut remote = self.remote(name)?.clone();
        let place = remote.secret_in();
        remote.kind = kind;
        let earlier_secret = match (&secret, remote.in_keyring) {
            (EditedSecret::New(_), true) => self.with_secret(name).ok().and_then(|it| it.secret),
            _ => None,
        };
        let is_new = matches!(secret, EditedSecret::New(_));
        let is_forgotten = matches!(secret, EditedSecret::Gone) && remote.in_keyring;
        let kept = match secret {
            EditedSecret::Stays => place,
            EditedSecret::New(secret) => {
                remote.secret = Some(secret);
                self.keep_secret(name, &mut remote, place)?
            }
            EditedSecret::Gone => {
                (remote.secret, remote.in_keyring) = (None, false);
                None
            }
        };
        self.remotes.insert(name.to_owned(), remote);
        if let Err(error) = self.save() {
            if is_new && kept == Some(SecretPlace::Keyring) {
                self.restore_secret(name, earlier_secret);
            }
            return Err(error);
        }
        if is_forgotten {
            self.forget_secret(name)?;
        }
        Ok(kept)
    }

    /// Has the keyring hold what it held before a change that could not be saved; that is the error to tell of.
    fn restore_secret(&self, name: &str, earlier: Option<Secret>) {
        let keyring = Keyring::of_session(&self.path);
        let _ = keyring.map(|keyring| match earlier {
            Some(secret) => keyring.keep(name, &secret),
            None => keyring.forget(name),
        });
    }

    /// Replaces a remote's secret and writes the file.
    pub fn set_secret(&mut self, name: &str, secret: Secret) -> Result<(), Error> {
        let _lock = self.reload_for(name)?;
        if self.remote(name)?.in_keyring {
            let keyring = Keyring::of_session(&self.path).ok_or_else(|| locked(name, None))?;
            let kept = keyring.keep(name, &secret);
            return kept.map_err(|error| locked(name, Some(error)));
        }
        if let Some(remote) = self.remotes.get_mut(name) {
            remote.secret = Some(secret);
        }
        self.save()
    }

    /// Replaces the settings of a remote's kind and writes the file.
    pub(crate) fn set_kind(&mut self, name: &str, kind: KindSettings) -> Result<(), Error> {
        let _lock = self.reload_for(name)?;
        if let Some(remote) = self.remotes.get_mut(name) {
            remote.kind = kind;
        }
        self.save()
    }

    /// Removes a remote and writes the file.
    pub fn remove(&mut self, name: &str) -> Result<(), Error> {
        if !self.has(name) {
            self.remote(name)?;
        }
        let _lock = self.reload()?;
        let in_keyring = match (self.remote(name), self.written.remotes.get(name)) {
            (Ok(remote), _) => remote.in_keyring,
            (Err(_), Some(table)) => {
                matches!(table.get("in_keyring"), Some(toml::Value::Boolean(true)))
            }
            (Err(error), None) => return Err(error),
        };
        self.remotes.remove(name);
        self.written.remotes.remove(name);
        self.save()?;
        match in_keyring {
            true => self.forget_secret(name),
            false => Ok(()),
        }
    }

    /// Removes a secret from the keyring. One that is gone must not keep a remote alive.
    fn forget_secret(&self, name: &str) -> Result<(), Error> {
        let Some(keyring) = Keyring::of_session(&self.path) else {
            return Ok(());
        };
        let forgotten = keyring.forget(name);
        forgotten.map_err(|error| locked(name, Some(error)))
    }

    fn save(&mut self) -> Result<(), Error> {
        let unwritable =
            |e| Error::new(ErrorKindOf::Disk, format!("cannot write the settings: {e}"));
        for (name, remote) in &self.remotes {
            let table = self.written.remotes.entry(name.clone()).or_default();
            let was: Option<RemoteSettings> = table.clone().try_into().ok();
            if was.as_ref() == Some(remote) {
                continue;
            }
            // What this version does not know stays; what it wrote before and is gone does not.
            let was = was.map(toml::Table::try_from).transpose();
            for key in was.map_err(unwritable)?.unwrap_or_default().keys() {
                table.remove(key);
            }
            table.extend(toml::Table::try_from(remote).map_err(unwritable)?);
        }
        let text = toml::to_string(&self.written).map_err(unwritable)?;
        home::replace_private(&self.path, text.as_bytes()).map_err(|error| self.unwritten(&error))
    }

    fn unwritten(&self, error: &std::io::Error) -> Error {
        let message = format!("cannot write {}", self.path.display());
        Error::new(ErrorKindOf::Disk, message)
            .caused_by(error.to_string())
            .with_hint("check that you may write there")
    }
}

#[derive(Default, Clone, Serialize, Deserialize)]
struct SettingsFile {
    #[serde(default)]
    remotes: BTreeMap<String, toml::Table>,
    /// What else there may be one day.
    #[serde(flatten)]
    more: toml::Table,
}

impl std::fmt::Debug for SettingsFile {
    /// Leaves out the parts that may contain a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("File(..)")
    }
}

/// Checks that a name is suitable for a remote: short, and not like an option or a path.
pub fn check_name(name: &str) -> Result<(), Error> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if KindSettings::NAMES.contains(&name) {
        let message = format!("a remote cannot be called '{name}', which is a kind of remote");
        return Err(Error::new(ErrorKindOf::Usage, message)
            .with_hint(format!("choose another name, as in my-{name}")));
    }
    let message = match name {
        _ if starts_well && name.len() <= MAX_NAME && name.chars().all(fine) => return Ok(()),
        "" => "a remote's name cannot be empty".to_owned(),
        // Not the name itself, which fills a screen.
        _ if name.len() > MAX_NAME => {
            format!("the name has {} characters", name.chars().count())
        }
        name => format!("'{name}' cannot be a remote's name"),
    };
    Err(Error::new(ErrorKindOf::Usage, message).with_hint(format!(
        "use at most {MAX_NAME} letters, digits, '-', '_' and '.', and begin with a letter or digit"
    )))
}

pub(super) fn folder() -> Result<PathBuf, Error> {
    home::config().ok_or_else(|| {
        let message = format!(
            "no home folder to keep the settings in: {}",
            home::why_none()
        );
        Error::new(ErrorKindOf::Usage, message)
            .with_hint("set HOME to your home folder, as in HOME=/home/ada")
    })
}

fn locked(name: &str, error: Option<KeyringError>) -> Error {
    let message = format!("the keyring cannot be asked about the secret of '{name}'");
    let why = match error {
        Some(error) => error.to_string(),
        None => "no keyring is there in this session".to_owned(),
    };
    Error::new(ErrorKindOf::RemoteDenied, message)
        .caused_by(why)
        .with_hint(format!(
            "unlock it, or `rescue remote remove {name}` and add it again with --keep-in file"
        ))
}

fn unusable(path: &Path, why: &str, hint: &'static str) -> Error {
    Error::new(
        ErrorKindOf::Usage,
        format!("cannot use the settings {}: {why}", path.display()),
    )
    .with_hint(hint)
}

#[cfg(test)]
pub(crate) mod tests;
