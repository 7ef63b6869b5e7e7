//! What is known of each file that is in an archive, and the small pictures beside it, which wait
//! on the disk: memory grows by some 200 bytes a file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::ExportError;
use super::dates::Taken;
use super::look::Look;
use super::plan::Piece;
use crate::folder::DiskError;
use crate::folder::disk::{self, system::read_at};
use crate::names::LocalPath;

/// A file that is in the archive.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Its piece's place in the plan.
    pub(super) piece: usize,
    /// Its path below the archive's `data/`, where it is another than in the rescue folder.
    pub(super) name: Option<LocalPath>,
    pub(super) taken: Option<Taken>,
    pub(super) orientation: u8,
    pub(super) thumb: Option<Thumb>,
}

impl Row {
    /// Its path below the archive's `data/`.
    pub(super) fn path<'a>(&'a self, piece: &'a Piece) -> &'a LocalPath {
        self.name.as_ref().unwrap_or(&piece.local)
    }
}

/// Where a small picture waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thumb {
    start: u64,
    length: u32,
}

/// All rows, and their small pictures in a file without a name: it is gone whenever the program
/// ends.
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    thumbs: BufWriter<File>,
    path: PathBuf,
    thumb_bytes: u64,
    veil: Option<LessSafeKey>,
}

impl Rows {
    /// No rows yet; `path` is the name that the file bears for a moment.
    pub(super) fn create(path: PathBuf) -> Result<Self, DiskError> {
        let file = disk::create_file(&path)?;
        fs::remove_file(&path).map_err(|e| DiskError::new("remove", &path, e))?;
        Ok(Self {
            rows: Vec::new(),
            thumbs: BufWriter::with_capacity(256 * 1024, file),
            path,
            thumb_bytes: 0,
            veil: None,
        })
    }

    /// The same for an archive that is encrypted: the disk that it goes to must not see its
    /// pictures in the clear either, not even small and in a file without a name. The key is
    /// nowhere but in memory.
    pub(super) fn veiled(path: PathBuf) -> Result<Self, DiskError> {
        let mut key = [0; 32];
        let made = SystemRandom::new().fill(&mut key);
        let made = made.and_then(|()| UnboundKey::new(&CHACHA20_POLY1305, &key));
        let key = made.map_err(|e| veil_failed("encrypt", &path, e))?;
        let mut rows = Self::create(path)?;
        rows.veil = Some(LessSafeKey::new(key));
        Ok(rows)
    }

    pub(super) fn push(
        &mut self,
        piece: usize,
        name: Option<LocalPath>,
        look: Look,
    ) -> Result<(), DiskError> {
        let thumb = match look.thumb {
            Some(mut bytes) => {
                let start = self.thumb_bytes;
                if let Some(key) = &self.veil {
                    key.seal_in_place_append_tag(nonce(start), Aad::empty(), &mut bytes)
                        .map_err(|e| veil_failed("encrypt", &self.path, e))?;
                }
                self.thumbs
                    .write_all(&bytes)
                    .map_err(|e| DiskError::new("write", &self.path, e))?;
                self.thumb_bytes += bytes.len() as u64;
                Some(Thumb {
                    start,
                    length: bytes.len() as u32,
                })
            }
            None => None,
        };
        self.rows.push(Row {
            piece,
            name,
            taken: look.taken,
            orientation: look.orientation,
            thumb,
        });
        Ok(())
    }

    /// Ends the writing of small pictures.
    pub(super) fn flush(&mut self) -> Result<(), DiskError> {
        self.thumbs
            .flush()
            .map_err(|e| DiskError::new("write", &self.path, e))
    }

    /// A small picture's bytes.
    pub(super) fn thumb(&self, thumb: Thumb) -> Result<Vec<u8>, DiskError> {
        let mut bytes = vec![0; thumb.length as usize];
        read_at(self.thumbs.get_ref(), &mut bytes, thumb.start)
            .map_err(|e| DiskError::new("read", &self.path, e))?;
        if let Some(key) = &self.veil {
            let opened = key.open_in_place(nonce(thumb.start), Aad::empty(), &mut bytes);
            let length = opened
                .map_err(|e| veil_failed("decrypt", &self.path, e))?
                .len();
            bytes.truncate(length);
        }
        Ok(bytes)
    }
}

fn veil_failed(action: &'static str, path: &Path, _said_nothing: Unspecified) -> DiskError {
    DiskError::new(action, path, io::ErrorKind::Other.into())
}

/// Where a picture begins is its own among all that are encrypted with the key.
fn nonce(start: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    let bytes = start.to_le_bytes();
    nonce
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = from);
    Nonce::assume_unique_for_key(nonce)
}

/// Takes files of the bag itself: an archive, or the rescue folder.
pub(super) trait TagFiles {
    /// Adds a file, given what writes it.
    fn add_tag(&mut self, path: &str, write: WriteTag<'_>) -> Result<(), ExportError>;
}

/// Writes a file of the bag.
pub(super) type WriteTag<'a> =
    &'a mut dyn FnMut(&mut dyn std::io::Write) -> Result<(), ExportError>;

/// Names a failure to write one of the bag's own files.
pub(super) fn failed(path: &str) -> impl Fn(std::io::Error) -> ExportError {
    let path = Path::new(path).to_owned();
    move |error| DiskError::new("write", &path, error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_of_an_encrypted_archive_are_not_on_the_disk_in_the_clear() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("x");
        let pictures = [&b"a small picture"[..], b"another one", b"a small picture"];
        for (is_veiled, mut rows) in [
            (false, Rows::create(path.clone()).unwrap()),
            (true, Rows::veiled(path.clone()).unwrap()),
        ] {
            for (index, picture) in pictures.iter().enumerate() {
                let look = Look {
                    thumb: Some(picture.to_vec()),
                    ..Look::default()
                };
                rows.push(index, None, look).unwrap();
            }
            rows.flush().unwrap();
            let back = rows
                .rows
                .iter()
                .map(|row| rows.thumb(row.thumb.unwrap()).unwrap());
            assert_eq!(back.collect::<Vec<_>>(), pictures);
            let file = rows.thumbs.get_ref();
            let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
            read_at(file, &mut bytes, 0).unwrap();
            let is_seen = bytes.windows(5).any(|window| window == b"small");
            assert_eq!(is_seen, !is_veiled);
            assert!(!path.exists());
        }
    }
}
