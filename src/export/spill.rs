//! Lists that wait on the disk in files without a name, so that memory does not grow with the number of files in an
//! archive.
//!
//! In: values, one after another. Out: a [`Mark`] for each, and later the value for its mark. Short lists stay in
//! memory, and no file is made for them.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::folder::disk::system::{read_at, write_at};
use crate::folder::{DiskAction, DiskError};

/// Gathered in memory before it is written.
const BUFFER_BYTES: usize = 256 * 1024;
/// A value's length stands before it.
const LENGTH_BYTES: usize = size_of::<u32>();

/// The place of a value: one more than its offset, so that `Option<Mark>` needs no extra memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(NonZeroU64);

impl Mark {
    fn start(self) -> u64 {
        self.0.get() - 1
    }
}

/// Values kept on disk instead of in memory.
#[derive(Debug)]
pub(super) struct Spill {
    /// The nameless file, created with the first bytes. The system removes it however the program ends.
    file: Option<File>,
    /// The folder on whose disk the file is.
    room: PathBuf,
    buffer: Vec<u8>,
    /// The number of bytes in the file; the buffer's bytes follow them.
    written: u64,
    veil: LessSafeKey,
}

impl Spill {
    /// Creates an empty store. All values are encrypted with a key that exists only in memory: the disk that receives
    /// an encrypted archive must not hold its content in the clear, not even in a nameless file.
    pub(super) fn new(room: &Path) -> Result<Self, DiskError> {
        let mut key = [0; 32];
        let made = SystemRandom::new().fill(&mut key);
        let made = made.and_then(|()| UnboundKey::new(&CHACHA20_POLY1305, &key));
        let key = made.map_err(|e| veil_failed(DiskAction::Encrypt, room, e))?;
        Ok(Self {
            file: None,
            room: room.to_owned(),
            buffer: Vec::new(),
            written: 0,
            veil: LessSafeKey::new(key),
        })
    }

    /// Adds a value and returns its place.
    pub(super) fn push(&mut self, value: &[u8]) -> Result<Mark, DiskError> {
        let start = self.written + self.buffer.len() as u64;
        let length = u32::try_from(value.len() + CHACHA20_POLY1305.tag_len()).map_err(|_| {
            DiskError::new(
                DiskAction::Write,
                &self.room,
                io::ErrorKind::InvalidInput.into(),
            )
        })?;
        self.buffer.extend_from_slice(&length.to_le_bytes());
        let begin = self.buffer.len();
        self.buffer.extend_from_slice(value);
        let sealed = self.buffer.get_mut(begin..).unwrap_or_default();
        let tag = self
            .veil
            .seal_in_place_separate_tag(nonce(start), Aad::empty(), sealed)
            .map_err(|e| veil_failed(DiskAction::Encrypt, &self.room, e))?;
        self.buffer.extend_from_slice(tag.as_ref());
        if self.buffer.len() >= BUFFER_BYTES {
            self.write()?;
        }
        Ok(Mark(NonZeroU64::MIN.saturating_add(start)))
    }

    fn write(&mut self) -> Result<(), DiskError> {
        let file = match &self.file {
            Some(file) => file,
            None => {
                let file = tempfile::tempfile_in(&self.room)
                    .map_err(|e| DiskError::new(DiskAction::CreateUnnamed, &self.room, e))?;
                self.file.insert(file)
            }
        };
        write_at(file, &self.buffer, self.written)
            .map_err(|e| DiskError::new(DiskAction::Write, &self.room, e))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Reads a value back.
    pub(super) fn get(&self, mark: Mark) -> Result<Vec<u8>, DiskError> {
        let start = mark.start();
        let mut length = [0; LENGTH_BYTES];
        self.read(start, &mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length as u64 > self.written + self.buffer.len() as u64 {
            return Err(self.wrong());
        }
        let mut value = vec![0; length];
        self.read(start + LENGTH_BYTES as u64, &mut value)?;
        let opened = self
            .veil
            .open_in_place(nonce(start), Aad::empty(), &mut value);
        let length = opened
            .map_err(|e| veil_failed(DiskAction::Decrypt, &self.room, e))?
            .len();
        value.truncate(length);
        Ok(value)
    }

    fn read(&self, start: u64, into: &mut [u8]) -> Result<(), DiskError> {
        if let Some(start) = start.checked_sub(self.written) {
            let held = usize::try_from(start).ok();
            let held = held.and_then(|start| self.buffer.get(start..start + into.len()));
            return match held {
                Some(held) => {
                    into.copy_from_slice(held);
                    Ok(())
                }
                None => Err(self.wrong()),
            };
        }
        match &self.file {
            Some(file) => read_at(file, into, start)
                .map_err(|e| DiskError::new(DiskAction::Read, &self.room, e)),
            None => Err(self.wrong()),
        }
    }

    /// Returns the error for a value that differs from what was written.
    pub(super) fn wrong(&self) -> DiskError {
        DiskError::new(
            DiskAction::Read,
            &self.room,
            io::ErrorKind::InvalidData.into(),
        )
    }
}

fn veil_failed(action: DiskAction, path: &Path, _said_nothing: Unspecified) -> DiskError {
    DiskError::new(action, path, io::ErrorKind::Other.into())
}

/// Returns the nonce of a value: its offset, which is unique among all values encrypted with the key.
fn nonce(start: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    let bytes = start.to_le_bytes();
    nonce
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = from);
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_length_come_back_and_are_not_on_the_disk_in_the_clear() {
        let room = tempfile::tempdir().unwrap();
        let values: Vec<Vec<u8>> = (0..3000_usize)
            .map(|number| {
                format!("a small picture {number} ")
                    .repeat(number % 20)
                    .into()
            })
            .chain([vec![7; 3 * BUFFER_BYTES], Vec::new(), b"the last".to_vec()])
            .collect();
        let mut spill = Spill::new(room.path()).unwrap();
        let marks: Vec<_> = values.iter().map(|it| spill.push(it).unwrap()).collect();
        for (value, mark) in values.iter().zip(marks).rev() {
            assert!(spill.get(mark).unwrap() == *value);
        }
        let file = spill.file.as_ref().unwrap();
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        read_at(file, &mut bytes, 0).unwrap();
        assert!(!bytes.windows(5).any(|it| it == b"small"));
        // Windows removes its name when it is closed.
        let names = usize::from(cfg!(windows));
        assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), names);
        // Nobody gets a value where none begins.
        assert!(spill.get(Mark(NonZeroU64::MAX)).is_err());
        assert!(spill.get(Mark(NonZeroU64::MIN.saturating_add(1))).is_err());
    }

    #[test]
    fn short_list_makes_no_file() {
        let mut spill = Spill::new(Path::new("/nowhere")).unwrap();
        let mark = spill.push(b"short").unwrap();
        assert_eq!(spill.get(mark).unwrap(), b"short");
        assert!(spill.file.is_none());
        assert!(spill.push(&vec![0; BUFFER_BYTES]).is_err());
    }
}
