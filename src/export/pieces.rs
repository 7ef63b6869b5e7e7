//! The files of a future archive, in order. There may be a million: the facts about each wait on the disk, and 16
//! bytes of each stay in memory.

use std::ops::Range;
use std::path::Path;

use super::spill::{Mark, Spill};
use crate::digest::Sha256;
use crate::folder::{DiskError, EntryId};
use crate::media::kind::MediaKind;
use crate::names::LocalPath;

/// A file that goes into an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The catalogue entry of the file.
    pub entry: EntryId,
    /// The file's path below the rescue folder's `data/`.
    pub local: LocalPath,
    /// The file's size in bytes.
    pub size: u64,
    /// The file's modification time on the phone, in seconds since 1970.
    pub mtime: i64,
    /// The SHA-256 that the file's bytes must have.
    pub sha256: Sha256,
    /// The file's kind, judged by its name.
    pub kind: MediaKind,
}

/// As they are numbered in a record.
const KINDS: [MediaKind; 4] = [
    MediaKind::Photo,
    MediaKind::Video,
    MediaKind::Audio,
    MediaKind::Other,
];

impl Piece {
    fn to_record(&self, record: &mut Vec<u8>) {
        let kind = KINDS.iter().position(|kind| *kind == self.kind);
        record.clear();
        record.extend_from_slice(&self.entry.0.to_le_bytes());
        record.extend_from_slice(&self.size.to_le_bytes());
        record.extend_from_slice(&self.mtime.to_le_bytes());
        record.extend_from_slice(&self.sha256.0);
        record.push(kind.unwrap_or_default() as u8);
        record.extend_from_slice(self.local.as_str().as_bytes());
    }

    fn of_record(record: &[u8]) -> Option<Self> {
        let (entry, rest) = record.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let (mtime, rest) = rest.split_first_chunk()?;
        let (sha256, rest) = rest.split_first_chunk()?;
        let (kind, local) = rest.split_first()?;
        Some(Self {
            entry: EntryId(i64::from_le_bytes(*entry)),
            local: LocalPath::new(std::str::from_utf8(local).ok()?).ok()?,
            size: u64::from_le_bytes(*size),
            mtime: i64::from_le_bytes(*mtime),
            sha256: Sha256(*sha256),
            kind: *KINDS.get(usize::from(*kind))?,
        })
    }
}

/// The list of all pieces, kept on disk.
#[derive(Debug)]
pub struct Pieces {
    spill: Spill,
    marks: Vec<Mark>,
    /// The sizes of the pieces in bytes, for sums.
    sizes: Vec<u64>,
    record: Vec<u8>,
}

impl Pieces {
    /// Creates an empty list. Its records are stored in a nameless file on the disk of the folder `room`.
    pub(super) fn new(room: &Path) -> Result<Self, DiskError> {
        Ok(Self {
            spill: Spill::new(room)?,
            marks: Vec::new(),
            sizes: Vec::new(),
            record: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, piece: &Piece) -> Result<(), DiskError> {
        piece.to_record(&mut self.record);
        self.marks.push(self.spill.push(&self.record)?);
        self.sizes.push(piece.size);
        Ok(())
    }

    /// Returns the number of pieces.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Returns whether there are no pieces.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Returns the size of a piece in bytes; 0 if the index is out of range.
    pub(super) fn size(&self, index: usize) -> u64 {
        self.sizes.get(index).copied().unwrap_or_default()
    }

    /// Returns the total size of some pieces in bytes. The sum saturates, because sparse files can claim any size.
    pub fn bytes(&self, range: Range<usize>) -> u64 {
        let sizes = self.sizes.get(range).unwrap_or_default();
        sizes.iter().copied().fold(0, u64::saturating_add)
    }

    /// Returns a piece; `None` if the index is out of range.
    ///
    /// # Errors
    ///
    /// The disk cannot return the record.
    pub fn get(&self, index: usize) -> Result<Option<Piece>, DiskError> {
        let Some(mark) = self.marks.get(index) else {
            return Ok(None);
        };
        let piece = Piece::of_record(&self.spill.get(*mark)?);
        piece.ok_or_else(|| self.spill.wrong()).map(Some)
    }

    /// Returns some of the pieces, in order.
    pub fn iter(&self, range: Range<usize>) -> impl Iterator<Item = Result<Piece, DiskError>> {
        range.map_while(|index| self.get(index).transpose())
    }

    /// Keeps only the pieces whose indexes are wanted.
    pub(super) fn keep(&mut self, is_wanted: impl Fn(usize) -> bool) {
        let mut index = 0..;
        self.marks.retain(|_| index.next().is_some_and(&is_wanted));
        let mut index = 0..;
        self.sizes.retain(|_| index.next().is_some_and(&is_wanted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_as_they_were_in_few_bytes_each() {
        let piece = |number: u64| Piece {
            entry: EntryId(number as i64),
            local: LocalPath::new(&format!("internal/DCIM/été {number}.jpg")).unwrap(),
            size: u64::MAX - number,
            mtime: -(number as i64),
            sha256: Sha256::of(&number.to_le_bytes()),
            kind: KINDS[number as usize % 4],
        };
        let room = tempfile::tempdir().unwrap();
        let mut pieces = Pieces::new(room.path()).unwrap();
        (0..5000).for_each(|number| pieces.push(&piece(number)).unwrap());
        for number in [0, 1, 2, 3, 4999] {
            assert_eq!(pieces.get(number as usize).unwrap(), Some(piece(number)));
        }
        assert_eq!(pieces.get(5000).unwrap(), None);
        assert_eq!(pieces.bytes(0..2), u64::MAX);
        pieces.keep(|index| index % 2 == 1);
        let numbers: Vec<_> = pieces.iter(1..4).map(|it| it.unwrap().entry.0).collect();
        assert_eq!((pieces.len(), numbers), (2500, vec![3, 5, 7]));
        assert_eq!(size_of::<Option<Mark>>() + size_of::<u64>(), 16);
    }
}
