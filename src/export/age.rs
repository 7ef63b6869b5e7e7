//! Encrypts an archive on its way to the disk (<https://age-encryption.org/v1>), so that the program `age` opens it.
//! Nothing is ever on the disk in the clear.
//!
//! In: the archive's bytes in order, and the recipients. Out: the file, and a [`Lock`] with which it can be read back
//! once. Reading back needs a key: one is made for each archive, added as a recipient, held in memory only, and gone
//! when the program ends.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use age::stream::StreamWriter;
use age::x25519::Identity;
use age::{Decryptor, Encryptor, Recipient};

use super::ExportError;
use super::sink::{Abandoned, Sink};
use crate::digest::{Hasher, Sha256};
use crate::folder::disk::{self, system::forget_contents};
use crate::folder::{DiskAction, DiskError};

const BUFFER_BYTES: usize = 256 * 1024;

/// The identity that decrypts an archive once, and the hash that its bytes must have.
pub(super) struct Lock {
    identity: Identity,
    sha256: Sha256,
}

/// Encrypts into a file.
pub(super) struct AgeFile {
    to: StreamWriter<Sink>,
    path: PathBuf,
    identity: Identity,
    hasher: Hasher,
    abandoned: Abandoned,
}

impl AgeFile {
    /// Starts to encrypt into an empty file.
    pub(super) fn start(
        file: File,
        path: &Path,
        recipients: &[String],
    ) -> Result<Self, ExportError> {
        let identity = Identity::generate();
        let mut all = recipients
            .iter()
            .map(|text| recipient(text))
            .collect::<Result<Vec<_>, _>>()?;
        all.push(Box::new(identity.to_public()));
        let all = all.iter().map(|it| &**it as &dyn Recipient);
        let failed = |e| DiskError::new(DiskAction::Write, path, e);
        let encryptor = Encryptor::with_recipients(all);
        let encryptor = encryptor.map_err(|e| failed(io::Error::other(e.to_string())))?;
        let sink = Sink::new(file, path.to_owned());
        let abandoned = sink.abandoned();
        let to = encryptor.wrap_output(sink);
        Ok(Self {
            to: to.map_err(failed)?,
            path: path.to_owned(),
            identity,
            hasher: Hasher::default(),
            abandoned,
        })
    }

    /// Returns a handle that gives the file up.
    pub(super) fn abandoned(&self) -> Abandoned {
        self.abandoned.clone()
    }

    /// Ends the writing. Returns the file, its length in bytes, and the lock to read it back with.
    pub(super) fn finish(self) -> Result<(File, u64, Lock), ExportError> {
        let sink = self.to.finish();
        let sink = sink.map_err(|e| DiskError::new(DiskAction::Write, &self.path, e))?;
        let (file, length) = sink.finish()?;
        let lock = Lock {
            identity: self.identity,
            sha256: self.hasher.finish(),
        };
        Ok((file, length, lock))
    }
}

impl Write for AgeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.abandoned.is_set() {
            return Ok(bytes.len());
        }
        let count = self.to.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Checks that each text is a recipient, before anything is announced or written.
pub(super) fn check_recipients(recipients: &[String]) -> Result<(), ExportError> {
    recipients
        .iter()
        .try_for_each(|text| recipient(text).map(drop))
}

/// Parses a recipient as the program `age` takes it: its own public keys, and those of SSH.
fn recipient(text: &str) -> Result<Box<dyn Recipient>, ExportError> {
    if let Ok(own) = text.parse::<age::x25519::Recipient>() {
        return Ok(Box::new(own));
    }
    match text.parse::<age::ssh::Recipient>() {
        Ok(of_ssh) => Ok(Box::new(of_ssh)),
        Err(_) => Err(ExportError::NoRecipient {
            recipient: text.to_owned(),
        }),
    }
}

/// Decrypts the file and verifies that every byte equals what was written.
pub(super) fn check(
    path: &Path,
    lock: &Lock,
    on_bytes: &mut dyn FnMut(u64) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let Some(file) = disk::open_file(path)? else {
        return Err(ExportError::wrong(path, "it is gone".to_owned()));
    };
    forget_contents(&file);
    let undecryptable = |error: String| ExportError::wrong(path, error);
    let encrypted = BufReader::with_capacity(BUFFER_BYTES, file);
    let decrypting = Decryptor::new_buffered(encrypted)
        .and_then(|opened| opened.decrypt(std::iter::once(&lock.identity as &dyn age::Identity)));
    let mut from = decrypting.map_err(|error| undecryptable(error.to_string()))?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from
            .read(&mut buffer)
            .map_err(|error| ExportError::reading(path, zip::result::ZipError::Io(error)))?;
        if count == 0 {
            break;
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
        on_bytes(count as u64)?;
    }
    match hasher.finish() == lock.sha256 {
        true => Ok(()),
        false => Err(ExportError::wrong(
            path,
            "it differs when it is decrypted".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file encrypted to nobody else, and what is in it.
    fn encrypted(path: &Path) -> (Lock, Vec<u8>) {
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let mut to = AgeFile::start(File::create(path).unwrap(), path, &[]).unwrap();
        bytes
            .chunks(7000)
            .for_each(|piece| to.write_all(piece).unwrap());
        let (file, length, lock) = to.finish().unwrap();
        assert_eq!(file.metadata().unwrap().len(), length);
        (lock, bytes)
    }

    #[test]
    fn written_file_reads_back_and_every_altered_byte_is_found() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("x.zip.age");
        let (lock, bytes) = encrypted(&path);
        let mut seen = 0;
        let mut on_bytes = |more| {
            seen += more;
            Ok(())
        };
        check(&path, &lock, &mut on_bytes).unwrap();
        assert_eq!(seen, bytes.len() as u64);
        let whole = std::fs::read(&path).unwrap();
        let refused = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            let error = check(&path, &lock, &mut |_| Ok(())).unwrap_err();
            assert!(matches!(error, ExportError::ReadBack { .. }), "{error:?}");
        };
        // In the header, the nonce and the content, and cut off at the end of a chunk.
        for at in [3, 60, 200, 350, 70_000, whole.len() - 1] {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            refused(&altered);
        }
        for length in [0, 100, 150_000, whole.len() - 1] {
            refused(&whole[..length]);
        }
        let (other, _) = encrypted(&room.path().join("other"));
        std::fs::write(&path, &whole).unwrap();
        assert!(check(&path, &other, &mut |_| Ok(())).is_err());
    }

    #[test]
    fn recipients_are_keys_of_age_and_of_ssh() {
        let own = Identity::generate().to_public().to_string();
        let of_ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN me@home";
        for text in [&own, of_ssh] {
            assert!(recipient(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "nobody",
            "age1",
            &own[..own.len() - 1],
            "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t",
            "ssh-dss AAAA",
        ] {
            let error = recipient(text).map(|_| ()).unwrap_err();
            assert!(matches!(error, ExportError::NoRecipient { .. }), "{text}");
        }
    }
}
