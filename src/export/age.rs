//! Encrypts an archive on its way to the disk with the program `age` (<https://age-encryption.org>), if it is
//! installed. Nothing is ever on the disk in the clear.
//!
//! In: the archive's bytes in order, and the recipients. Out: the file, and a [`Lock`] with which it can be read back
//! once. Reading back needs a key: one is made for each archive, added as a recipient, held in memory only, and gone
//! when the program ends.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::ExportError;
use super::sink::{Abandoned, Settling};
use crate::digest::{Hasher, Sha256};
use crate::folder::DiskError;
use crate::folder::disk::{self, system::forget_contents};

const AGE: &str = "age";
const AGE_KEYGEN: &str = "age-keygen";
const BUFFER_BYTES: usize = 256 * 1024;
/// A disk with less free than this is full.
const FULL_BYTES: u64 = 64 * 1024;
/// What is kept of what `age` complains about.
const MAX_COMPLAINT_BYTES: u64 = 4096;

/// The identity that decrypts an archive once, and the hash that its bytes must have.
pub(super) struct Lock {
    identity: String,
    sha256: Sha256,
}

/// A pipe into the running program `age`.
pub(super) struct AgePipe {
    child: Child,
    to: Option<BufWriter<ChildStdin>>,
    file: File,
    path: PathBuf,
    identity: String,
    hasher: Hasher,
    abandoned: Abandoned,
    settling: Settling,
}

impl AgePipe {
    /// Starts the program `age`, which encrypts into an empty file.
    pub(super) fn start(
        file: File,
        path: &Path,
        recipients: &[String],
    ) -> Result<Self, ExportError> {
        let made = Command::new(AGE_KEYGEN).stdin(Stdio::null()).output();
        let made = made.map_err(|e| ExportError::age(AGE_KEYGEN, e.to_string()))?;
        let text = String::from_utf8_lossy(&made.stdout);
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        let (Some(public), Some(secret)) = (line("# public key: "), line("AGE-SECRET-KEY-")) else {
            return Err(ExportError::age(AGE_KEYGEN, "it made no key".to_owned()));
        };
        let identity = format!("AGE-SECRET-KEY-{secret}\n");
        let encrypt = || {
            let mut command = Command::new(AGE);
            for recipient in recipients.iter().map(String::as_str).chain([public]) {
                command.args(["-r", recipient]);
            }
            command
        };
        // Whether it knows the recipients is better learnt before anything is written.
        let tried = encrypt().stdin(Stdio::null()).output();
        let tried = tried.map_err(|e| ExportError::age(AGE, e.to_string()))?;
        if !tried.status.success() {
            return Err(ExportError::age(AGE, first_line(&tried.stderr)));
        }
        let mut command = encrypt();
        let to = file
            .try_clone()
            .map_err(|e| DiskError::new("open", path, e))?;
        command
            .stdin(Stdio::piped())
            .stdout(to)
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|e| ExportError::age(AGE, e.to_string()))?;
        let to = child.stdin.take();
        Ok(Self {
            child,
            to: to.map(|to| BufWriter::with_capacity(BUFFER_BYTES, to)),
            file,
            path: path.to_owned(),
            identity,
            hasher: Hasher::default(),
            abandoned: Abandoned::default(),
            settling: Settling::default(),
        })
    }

    /// Returns a handle that gives the file up.
    pub(super) fn abandoned(&self) -> Abandoned {
        self.abandoned.clone()
    }

    fn why_it_ended(&mut self) -> io::Error {
        let said = complaint(&mut self.child);
        let free = self.path.parent().map(fs4::available_space);
        match free {
            // It says so in words only.
            Some(Ok(free)) if free < FULL_BYTES => io::ErrorKind::StorageFull.into(),
            _ => io::Error::other(said),
        }
    }
}

impl Write for AgePipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.abandoned.is_set() {
            return Ok(bytes.len());
        }
        let Some(to) = &mut self.to else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        match to.write(bytes) {
            Ok(count) => {
                self.hasher.update(bytes.get(..count).unwrap_or_default());
                let settled = self.settling.after(&self.file, count as u64);
                if settled.is_err() {
                    self.abandoned.set();
                }
                settled.map(|()| count)
            }
            // It ended early, and said why; the rest of the archive goes nowhere.
            Err(error) => {
                self.abandoned.set();
                Err(match error.kind() {
                    io::ErrorKind::BrokenPipe => self.why_it_ended(),
                    _ => error,
                })
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for AgePipe {
    fn drop(&mut self) {
        if let Some(to) = self.to.take() {
            // Given up: nothing more is to reach the file.
            let _ = self.child.kill();
            drop(to.into_parts());
        }
        let _ = self.child.wait();
    }
}

impl AgePipe {
    /// Ends the writing. Returns the file, its length in bytes, and the lock to read it back with.
    pub(super) fn finish(self) -> Result<(File, u64, Lock), ExportError> {
        let mut pipe = self;
        if pipe.abandoned.is_set() {
            return Err(ExportError::age(AGE, "an earlier write failed".to_owned()));
        }
        let flushed = pipe.to.take().map_or(Ok(()), |mut to| to.flush());
        let status = pipe.child.wait();
        if flushed.is_err() || !status.is_ok_and(|status| status.success()) {
            let error = pipe.why_it_ended();
            return Err(match error.kind() {
                io::ErrorKind::StorageFull => DiskError::new("write", &pipe.path, error).into(),
                _ => ExportError::age(AGE, error.to_string()),
            });
        }
        pipe.settling
            .end()
            .map_err(|e| DiskError::new("write", &pipe.path, e))?;
        let failed = |e| DiskError::new("look at", &pipe.path, e);
        let file = pipe.file.try_clone().map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let lock = Lock {
            identity: pipe.identity.clone(),
            sha256: std::mem::take(&mut pipe.hasher).finish(),
        };
        Ok((file, length, lock))
    }
}

/// Decrypts the file and verifies that every byte equals what was written.
pub(super) fn check(
    path: &Path,
    lock: &Lock,
    on_bytes: &mut dyn FnMut(u64) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    if let Some(file) = disk::open_file(path)? {
        forget_contents(&file);
    }
    let mut command = Command::new(AGE);
    command.args(["-d", "-i", "-"]).arg(path);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let failed = |e: io::Error| ExportError::age(AGE, e.to_string());
    let mut decrypting = Decrypting(command.spawn().map_err(failed)?);
    if let Some(mut to) = decrypting.0.stdin.take() {
        to.write_all(lock.identity.as_bytes()).map_err(failed)?;
    }
    let mut hasher = Hasher::default();
    if let Some(mut from) = decrypting.0.stdout.take() {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = from.read(&mut buffer).map_err(failed)?;
            if count == 0 {
                break;
            }
            hasher.update(buffer.get(..count).unwrap_or_default());
            on_bytes(count as u64)?;
        }
    }
    let status = decrypting.0.wait();
    if !status.is_ok_and(|status| status.success()) {
        let said = complaint(&mut decrypting.0);
        return Err(ExportError::wrong(path, format!("age says {said:?}")));
    }
    match hasher.finish() == lock.sha256 {
        true => Ok(()),
        false => Err(ExportError::wrong(
            path,
            "it differs when it is decrypted".to_owned(),
        )),
    }
}

/// `age` decrypting; ended with this.
struct Decrypting(Child);

impl Drop for Decrypting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the program said before its end.
fn complaint(child: &mut Child) -> String {
    let mut said = Vec::new();
    if let Some(from) = child.stderr.take() {
        let _ = from.take(MAX_COMPLAINT_BYTES).read_to_end(&mut said);
    }
    first_line(&said)
}

fn first_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    // Behind the first line comes how to report errors of age.
    match said.trim().lines().next() {
        Some(said) => said.to_owned(),
        None => "it ended early and did not say why".to_owned(),
    }
}
