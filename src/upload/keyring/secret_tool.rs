//! The desktop's keyring, where there is one: GNOME's, KDE's, or whatever else offers freedesktop's
//! Secret Service, asked through `secret-tool`, the program of libsecret.
//!
//! A program and not a crate: those that speak D-Bus themselves add more to build than all of the
//! clouds together. The secret goes through pipes, never through arguments or the environment. The
//! kernel's own keyring is no place: it forgets everything when the computer restarts.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::KeyringError;
use crate::threads;
use crate::upload::secret::Secret;

/// How long a keyring may take; a person may have to unlock it.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest secret that is read back, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// A desktop keyring, reached through the program `secret-tool`.
#[derive(Debug, Clone)]
pub(crate) struct Keyring {
    program: PathBuf,
    /// The settings file that the secrets belong to.
    settings: OsString,
}

impl Keyring {
    /// The keyring's name for messages.
    pub(crate) const NAME: &str = "this desktop's keyring";

    /// Returns the keyring of this session; `None` if there is none, as on a server.
    pub(crate) fn of_session(settings: &Path) -> Option<Self> {
        let has_bus = std::env::var_os("DBUS_SESSION_BUS_ADDRESS")
            .is_some_and(|bus| !bus.is_empty())
            || std::env::var_os("XDG_RUNTIME_DIR")
                .is_some_and(|folder| Path::new(&folder).join("bus").exists());
        let path = std::env::var_os("PATH")?;
        let mut places = std::env::split_paths(&path).map(|folder| folder.join("secret-tool"));
        let program = places.find(|program| program.is_file());
        Some(Self {
            program: program.filter(|_| has_bus)?,
            settings: settings.as_os_str().to_owned(),
        })
    }

    /// Stores a remote's secret, replacing an older one, and reads it back.
    pub(crate) fn keep(&self, remote: &str, secret: &Secret) -> Result<(), KeyringError> {
        let mut command = self.command("store");
        command.arg(format!("--label=rescue: {remote}"));
        // The label stands before what it is found by.
        self.attributes(&mut command, remote);
        self.run(command, Some(secret.reveal()))?;
        match self.find(remote)? == *secret {
            true => Ok(()),
            false => Err(KeyringError::Refused),
        }
    }

    /// Returns a remote's secret.
    pub(crate) fn find(&self, remote: &str) -> Result<Secret, KeyringError> {
        let mut command = self.command("lookup");
        self.attributes(&mut command, remote);
        match self.run(command, None)? {
            text if text.is_empty() => Err(KeyringError::Refused),
            text => Ok(Secret::new(text)),
        }
    }

    /// Deletes a remote's secret.
    pub(crate) fn forget(&self, remote: &str) -> Result<(), KeyringError> {
        let mut command = self.command("clear");
        self.attributes(&mut command, remote);
        self.run(command, None).map(|_| ())
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(what);
        command
    }

    fn attributes(&self, command: &mut Command, remote: &str) {
        command
            .args(["application", "rescue", "remote", remote, "settings"])
            .arg(&self.settings);
    }

    fn run(&self, mut command: Command, input: Option<&str>) -> Result<String, KeyringError> {
        let mut child = command
            .stdin(match input {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            // It may repeat anything.
            .stderr(Stdio::null())
            .spawn()
            .map_err(KeyringError::Program)?;
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
            // One that ends early tells by its exit code.
            let _ = pipe.write_all(input.as_bytes());
        }
        let output = child.stdout.take();
        let reading = threads::spawn(move || {
            let mut text = String::new();
            let read = output.map(|pipe| pipe.take(MAX_BYTES).read_to_string(&mut text));
            read.and_then(Result::ok).map(|_| text).unwrap_or_default()
        });
        let reading = match reading {
            Ok(reading) => reading,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(KeyringError::Program(std::io::Error::other(error)));
            }
        };
        match ends_well(&mut child) {
            Some(true) => reading.join().map_err(|_| KeyringError::Silent),
            Some(false) => Err(KeyringError::Refused),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(KeyringError::Silent)
            }
        }
    }
}

/// Whether a program ended well; `None` when it does not end.
fn ends_well(child: &mut Child) -> Option<bool> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.success());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}
