//! What is known of each file that is in an archive, and the small pictures beside it, which wait
//! on the disk: memory grows by some 40 bytes a file.

use std::path::Path;

use super::ExportError;
use super::album::parts;
use super::pieces::{Piece, Pieces};
use super::spill::{Mark, Spill};
use crate::folder::{DiskAction, DiskError};
use crate::media::look::{Look, MAX_THUMB_BYTES};
use crate::media::taken::Taken;
use crate::names::LocalPath;

/// Returns the most bytes that a file's small picture may take. It depends on the size of the picture, so that an
/// archive's size can be estimated in advance even for thousands of tiny pictures.
pub(super) fn most_thumb_bytes(size: u64) -> u64 {
    size.saturating_mul(2)
        .saturating_add(2048)
        .min(MAX_THUMB_BYTES as u64)
}

/// A file in the archive.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// The index of the file's piece.
    piece: u32,
    /// The place of the file's path in the archive, if it differs from the path in the rescue folder.
    name: Option<Mark>,
    pub(super) taken: Option<Taken>,
    /// The orientation, as EXIF numbers it, 1 to 8.
    pub(super) orientation: u8,
    /// The length of a video in seconds.
    pub(super) seconds: u32,
    /// The file's small picture and facts, in the album's format.
    pub(super) entry: Option<Mark>,
}

/// All rows, and their small pictures.
#[derive(Debug)]
pub(super) struct Rows {
    rows: Vec<Row>,
    pictures: Spill,
}

impl Rows {
    /// Creates an empty list of rows.
    pub(super) fn new(pictures: Spill) -> Self {
        Self {
            rows: Vec::new(),
            pictures,
        }
    }

    pub(super) fn push(
        &mut self,
        (piece, size): (usize, u64),
        name: Option<Mark>,
        mut look: Look,
    ) -> Result<(), DiskError> {
        let most = most_thumb_bytes(size);
        look.thumb = look.thumb.filter(|bytes| bytes.len() as u64 <= most);
        let entry = parts::entry(&look);
        let entry = entry.map(|entry| self.pictures.push(entry.as_bytes()));
        self.rows.push(Row {
            // More files than that were refused when they were listed.
            piece: u32::try_from(piece).unwrap_or(u32::MAX),
            name,
            taken: look.taken,
            orientation: look.orientation,
            seconds: look.seconds,
            entry: entry.transpose()?,
        });
        Ok(())
    }
}

/// The files of an archive, as the manifest, the report and the album need them.
#[derive(Clone, Copy)]
pub(super) struct ArchiveFiles<'a> {
    pub(super) pieces: &'a Pieces,
    pub(super) rows: &'a Rows,
    /// The paths that differ from those in the rescue folder.
    pub(super) names: &'a Spill,
}

/// One file of [`ArchiveFiles`].
pub(super) struct ListedFile<'a> {
    pub(super) row: &'a Row,
    pub(super) piece: Piece,
    /// The file's path below the archive's `data/`.
    pub(super) path: LocalPath,
}

impl<'a> ArchiveFiles<'a> {
    pub(super) fn rows(&self) -> &'a [Row] {
        &self.rows.rows
    }

    /// Returns the total size of the files in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let rows = self.rows().iter();
        let sizes = rows.map(|row| self.pieces.size(row.piece as usize));
        sizes.fold(0, u64::saturating_add)
    }

    /// Returns the file of a row.
    pub(super) fn file(&self, row: &'a Row) -> Result<ListedFile<'a>, DiskError> {
        let piece = self.pieces.get(row.piece as usize)?;
        let piece = piece.ok_or_else(|| self.names.wrong())?;
        let path = match row.name {
            None => piece.local.clone(),
            Some(name) => path(self.names, name)?,
        };
        Ok(ListedFile { row, piece, path })
    }

    /// Returns all files, in the archive's order.
    pub(super) fn files(self) -> impl Iterator<Item = Result<ListedFile<'a>, DiskError>> {
        self.rows().iter().map(move |row| self.file(row))
    }

    /// Returns a small picture and its facts, as made by this program.
    pub(super) fn entry(&self, entry: Mark) -> Result<String, DiskError> {
        let bytes = self.rows.pictures.get(entry)?;
        String::from_utf8(bytes).map_err(|_| self.rows.pictures.wrong())
    }
}

/// Reads back a path that was stored on the disk.
pub(super) fn path(names: &Spill, name: Mark) -> Result<LocalPath, DiskError> {
    let bytes = names.get(name)?;
    let path = std::str::from_utf8(&bytes).ok();
    let path = path.and_then(|text| LocalPath::new(text).ok());
    path.ok_or_else(|| names.wrong())
}

/// A destination for the bag's own files: an archive, or the rescue folder.
pub(super) trait TagFiles {
    /// Adds a file whose content `write` produces.
    fn add_tag(&mut self, path: &str, write: WriteTag<'_>) -> Result<(), ExportError>;
}

/// A function that writes one of the bag's own files.
pub(super) type WriteTag<'a> =
    &'a mut dyn FnMut(&mut dyn std::io::Write) -> Result<(), ExportError>;

/// Returns a function that adds the path of one of the bag's own files to a write error.
pub(super) fn failed(path: &str) -> impl Fn(std::io::Error) -> ExportError {
    let path = Path::new(path).to_owned();
    move |error| DiskError::new(DiskAction::Write, &path, error).into()
}
