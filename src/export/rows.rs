//! What is known of each file that is in an archive, and the small pictures beside it, which wait
//! on the disk: memory grows by some 200 bytes a file.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::ExportError;
use super::dates::Taken;
use super::look::Look;
use super::plan::Piece;
use crate::folder::DiskError;
use crate::folder::disk;
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
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    thumbs: BufWriter<File>,
    path: PathBuf,
    thumb_bytes: u64,
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
        })
    }

    pub(super) fn push(
        &mut self,
        piece: usize,
        name: Option<LocalPath>,
        look: Look,
    ) -> Result<(), DiskError> {
        let thumb = match look.thumb {
            Some(bytes) => {
                let start = self.thumb_bytes;
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
        self.thumbs
            .get_ref()
            .read_exact_at(&mut bytes, thumb.start)
            .map_err(|e| DiskError::new("read", &self.path, e))?;
        Ok(bytes)
    }
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
