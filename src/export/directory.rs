//! The directory at the end of an archive, with the facts about each file (PKWARE's APPNOTE 4.3.12 to 4.3.16).
//!
//! The `zip` crate keeps the whole directory in memory until an archive ends. So an archive is written here as a row
//! of short ones: their directories are collected on the disk and written once, as one, behind the last file.

use std::cell::Cell;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use super::ExportError;
use super::spill::{Mark, Spill};
use crate::folder::DiskError;

/// What begins a file's record, the records of the end, and their lengths.
const RECORD: &[u8] = b"PK\x01\x02";
const RECORD_BYTES: usize = 46;
const ZIP64_END: &[u8] = b"PK\x06\x06";
const ZIP64_LOCATOR: &[u8] = b"PK\x06\x07";
const END: &[u8] = b"PK\x05\x06";
/// The version that zip64 needs, 4.5.
const ZIP64_VERSION: u16 = 45;
/// The extra field that holds what has more than 32 bits.
const ZIP64_FIELD: u16 = 1;

/// A writer that passes bytes on to an archive. Between [`Aside::begin`] and [`Aside::end`] it collects them in memory
/// instead.
#[derive(Debug)]
pub(super) struct Aside<T> {
    to: T,
    /// The number of bytes passed on, without those taken back.
    position: u64,
    is_aside: Cell<bool>,
    aside: Vec<u8>,
}

impl<T> Aside<T> {
    pub(super) fn new(to: T) -> Self {
        Self {
            to,
            position: 0,
            is_aside: Cell::new(false),
            aside: Vec::new(),
        }
    }

    /// Starts to collect the bytes written from now on.
    pub(super) fn begin(&self) {
        self.is_aside.set(true);
    }

    /// Ends the collecting and returns the collected bytes.
    pub(super) fn end(&mut self) -> Vec<u8> {
        self.is_aside.set(false);
        std::mem::take(&mut self.aside)
    }

    /// Returns the number of bytes passed on.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn into_inner(self) -> T {
        self.to
    }
}

impl<T: Write> Write for Aside<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_aside.get() {
            self.aside.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let count = self.to.write(bytes)?;
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<T: Seek> Seek for Aside<T> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if !self.is_aside.get() {
            self.position = self.to.seek(to)?;
            return Ok(self.position);
        }
        // Nothing is to be found there but where it ends.
        let here = self.position + self.aside.len() as u64;
        match to {
            SeekFrom::Current(0) | SeekFrom::End(0) => Ok(here),
            SeekFrom::Start(target) if target == here => Ok(here),
            _ => Err(ErrorKind::Unsupported.into()),
        }
    }
}

/// The central directory of an archive that is being written.
#[derive(Debug)]
pub(super) struct CentralDirectory {
    /// The records of all short archives.
    waiting: Spill,
    marks: Vec<Mark>,
    records: u64,
    bytes: u64,
}

impl CentralDirectory {
    pub(super) fn new(waiting: Spill) -> Self {
        Self {
            waiting,
            marks: Vec::new(),
            records: 0,
            bytes: 0,
        }
    }

    /// Takes over the records of a short archive, whose offsets count from `start`.
    pub(super) fn take(&mut self, directory: &[u8], start: u64) -> Result<(), DiskError> {
        let mut records = Vec::with_capacity(directory.len());
        let mut rest = directory;
        while rest.starts_with(RECORD) {
            let lengths = [28, 30, 32].map(|at| number(rest, at).map(usize::from));
            let [Some(name), Some(extra), Some(comment)] = lengths else {
                return Err(self.waiting.wrong());
            };
            let record = rest.split_at_checked(RECORD_BYTES + name + extra + comment);
            let Some((record, behind)) = record else {
                return Err(self.waiting.wrong());
            };
            moved(record, name, extra, start, &mut records).ok_or_else(|| self.waiting.wrong())?;
            self.records += 1;
            rest = behind;
        }
        self.bytes += records.len() as u64;
        self.marks.push(self.waiting.push(&records)?);
        Ok(())
    }

    /// Writes the whole directory and the end records of the archive at `path`.
    pub(super) fn write<T: Write>(
        &self,
        to: &mut Aside<T>,
        path: &Path,
    ) -> Result<(), ExportError> {
        let writing = |e: io::Error| ExportError::writing(path, e.into());
        let start = to.position();
        for mark in &self.marks {
            to.write_all(&self.waiting.get(*mark)?).map_err(writing)?;
        }
        let end = to.position();
        let mut footer = Vec::new();
        let is_large = self.records >= zip::ZIP64_ENTRY_THR as u64
            || start.max(self.bytes) >= zip::ZIP64_BYTES_THR;
        if is_large {
            footer.extend_from_slice(ZIP64_END);
            // The length of what follows.
            footer.extend_from_slice(&44_u64.to_le_bytes());
            footer.extend_from_slice(&ZIP64_VERSION.to_le_bytes());
            footer.extend_from_slice(&ZIP64_VERSION.to_le_bytes());
            // This is the only disk, of one.
            footer.extend_from_slice(&[0; 8]);
            for value in [self.records, self.records, self.bytes, start] {
                footer.extend_from_slice(&value.to_le_bytes());
            }
            footer.extend_from_slice(ZIP64_LOCATOR);
            footer.extend_from_slice(&0_u32.to_le_bytes());
            footer.extend_from_slice(&end.to_le_bytes());
            footer.extend_from_slice(&1_u32.to_le_bytes());
        }
        let records = u16::try_from(self.records).unwrap_or(u16::MAX);
        footer.extend_from_slice(END);
        footer.extend_from_slice(&[0; 4]);
        footer.extend_from_slice(&records.to_le_bytes());
        footer.extend_from_slice(&records.to_le_bytes());
        for value in [self.bytes, start] {
            let value = u32::try_from(value).unwrap_or(u32::MAX);
            footer.extend_from_slice(&value.to_le_bytes());
        }
        // No comment.
        footer.extend_from_slice(&[0; 2]);
        to.write_all(&footer).map_err(writing)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

/// Adds a record whose file begins `by` bytes later than it says. Short archives begin their last
/// file before 4 GiB, so that it says that in 32 bits.
fn moved(record: &[u8], name: usize, extra: usize, by: u64, to: &mut Vec<u8>) -> Option<()> {
    const VERSION_NEEDED: usize = 6;
    const EXTRA_BYTES: usize = 30;
    const OFFSET: usize = 42;
    if by == 0 {
        to.extend_from_slice(record);
        return Some(());
    }
    let offset = record.get(OFFSET..RECORD_BYTES)?.first_chunk()?;
    let offset = by + u64::from(u32::from_le_bytes(*offset));
    let start = to.len();
    to.extend_from_slice(record);
    if let Some(short) = u32::try_from(offset).ok().filter(|it| *it != u32::MAX) {
        put(to, start + OFFSET, &short.to_le_bytes())?;
        return Some(());
    }
    put(to, start + OFFSET, &u32::MAX.to_le_bytes())?;
    put(to, start + VERSION_NEEDED, &ZIP64_VERSION.to_le_bytes())?;
    // It stands last in the field of large numbers, which may be there for the sizes.
    let extra_start = start + RECORD_BYTES + name;
    let extra_end = extra_start + extra;
    let mut at = extra_start;
    while at < extra_end {
        let (id, length) = (number(to, at)?, number(to, at + 2)?);
        let end = at + 4 + usize::from(length);
        if id == ZIP64_FIELD {
            put(to, at + 2, &(length.checked_add(8)?).to_le_bytes())?;
            put(
                to,
                start + EXTRA_BYTES,
                &(u16::try_from(extra + 8).ok()?).to_le_bytes(),
            )?;
            to.splice(end..end, offset.to_le_bytes());
            return Some(());
        }
        at = end;
    }
    let field = [ZIP64_FIELD.to_le_bytes(), 8_u16.to_le_bytes()];
    let field = field.into_iter().flatten().chain(offset.to_le_bytes());
    to.splice(extra_end..extra_end, field);
    put(
        to,
        start + EXTRA_BYTES,
        &(u16::try_from(extra + 12).ok()?).to_le_bytes(),
    )
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Option<()> {
    let place = bytes.get_mut(at..at + value.len())?;
    place.copy_from_slice(value);
    Some(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;

    use zip::write::{FullFileOptions, SimpleFileOptions};
    use zip::{CompressionMethod, ZipArchive, ZipWriter};

    use super::*;

    fn directory() -> CentralDirectory {
        CentralDirectory::new(Spill::new(Path::new("/")).unwrap())
    }

    /// Writes short archives of these numbers of files as one that begins at `begin` of a file; the
    /// first of them begins somewhere else and takes 32 bits. Large files are marked so.
    fn archive(begin: u64, shorts: &[u32], options: FullFileOptions<'_, '_>) -> File {
        let mut to = tempfile::tempfile().unwrap();
        to.seek(SeekFrom::Start(begin)).unwrap();
        let (mut directory, mut number) = (directory(), 0);
        let mut to = Aside {
            position: begin,
            ..Aside::new(to)
        };
        for files in shorts {
            let start = to.position();
            let mut zip = ZipWriter::new_stream(to);
            for _ in 0..*files {
                zip.start_file(format!("x/{number}.txt"), options.clone())
                    .unwrap();
                write!(zip, "number {number}").unwrap();
                number += 1;
            }
            assert!(zip.hide_file("").is_err());
            zip.get_ref().unwrap().get_ref().begin();
            to = zip.finish().unwrap().into_inner();
            let records = to.end();
            directory.take(&records, start).unwrap();
        }
        directory.write(&mut to, Path::new("x")).unwrap();
        to.into_inner()
    }

    fn numbers(file: &mut File) -> u32 {
        let mut archive = ZipArchive::new(file).unwrap();
        for number in 0..archive.len() {
            let mut entry = archive.by_index(number).unwrap();
            assert_eq!(entry.name().unwrap(), format!("x/{number}.txt"));
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            assert_eq!(text, format!("number {number}"));
        }
        archive.len() as u32
    }

    #[test]
    fn short_archives_are_read_as_one_wherever_their_files_begin() {
        let stored = || {
            SimpleFileOptions::DEFAULT
                .compression_method(CompressionMethod::Stored)
                .into_full_options()
        };
        let dated = stored().with_extended_timestamp(Some(7), None, None);
        let dated = || dated.as_ref().unwrap().clone();
        let near = u64::from(u32::MAX) - 300;
        for begin in [0, 1000, near, 5 << 30] {
            for options in [
                stored(),
                dated(),
                stored().large_file(true),
                dated().large_file(true),
            ] {
                assert_eq!(numbers(&mut archive(begin, &[1, 0, 7, 30], options)), 38);
            }
        }
        for files in [65_534, 65_535, 65_536] {
            assert_eq!(numbers(&mut archive(0, &[files - 5, 5], stored())), files);
        }
        assert_eq!(archive(0, &[], stored()).metadata().unwrap().len(), 22);
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let mut record = RECORD.to_vec();
        record.extend_from_slice(&[0xff; RECORD_BYTES]);
        assert!(directory().take(&record, 5).is_err());
        assert!(directory().take(RECORD, 0).is_err());
        assert!(directory().take(END, 0).is_ok());
    }
}
