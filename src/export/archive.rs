//! Writes one archive: a zip that holds a BagIt bag in one folder (RFC 8493, 4).
//!
//! In: files, then the bag's own files. Out: `NAME.zip.rescue-part`, and the list of its contents, for the check. A name
//! cannot lead out of the folder into which the archive is unpacked: names are made only of [`LocalPath`]s and of
//! names in this program.

mod large;
mod options;
mod target;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;
use zip::result::ZipError;
use zip::{AesMode, CompressionMethod, ZipWriter};

pub(super) use self::options::method;
use self::options::options;
pub(super) use self::target::ArchiveTarget;
use super::ExportError;
use super::age::{AgeFile, Lock};
use super::directory::{Aside, CentralDirectory};
use super::pieces::Piece;
use super::rows::{ListedFile, TagFiles, WriteTag};
use super::sink::{Abandoned, Sink};
use super::spill::Spill;
use crate::digest::{Hasher, Sha256};
use crate::folder::disk;
use crate::names::LocalPath;

/// A short archive ends after this many files, so that the `zip` crate's list of them stays short...
const SHORT_FILES: usize = 1024;
/// ...or after this many bytes, so that every offset in it fits 32 bits.
const SHORT_BYTES: u64 = 1 << 30;

/// How the archive's files are protected from being read by others.
#[derive(Clone, Default)]
pub enum Protection {
    /// No protection.
    #[default]
    None,
    /// AES-256 (WinZip's AE-2) with a passphrase.
    Passphrase(Zeroizing<String>),
    /// The whole archive is encrypted to these recipients, in the format of `age`.
    Age(Vec<String>),
}

impl Protection {
    pub(super) fn passphrase(&self) -> Option<&str> {
        match self {
            Self::None | Self::Age(_) => None,
            Self::Passphrase(passphrase) => Some(passphrase),
        }
    }
}

/// A file in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The file's path, relative to the bag's root.
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) sha256: Sha256,
}

impl Held {
    /// Returns the entry for a listed file.
    pub(super) fn of(file: &ListedFile<'_>) -> Self {
        Self {
            path: payload_path(&file.path),
            size: file.piece.size,
            sha256: file.piece.sha256,
        }
    }
}

/// As a line of a manifest.
impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}  {}", self.sha256, self.path)
    }
}

/// An archive that is being written.
pub(super) struct Archive<'a, T: ArchiveTarget> {
    /// The short archive being written; `None` after one has failed.
    zip: Option<ZipWriter<T::Writer>>,
    /// The offset at which the short archive begins.
    short_start: u64,
    short_files: usize,
    directory: CentralDirectory,
    abandoned: Abandoned,
    path: &'a Path,
    base: &'a str,
    protection: &'a Protection,
    /// The modification time of the bag's own files, in seconds since 1970.
    now: i64,
    tags: Vec<Held>,
}

/// An archive whose writing has ended.
pub(super) struct FinishedArchive {
    /// The key to read the archive back, if it is encrypted as a whole.
    pub(super) lock: Option<Lock>,
    file: File,
    path: PathBuf,
    /// The bag's own files in the archive, which come after the payload.
    pub(super) tags: Vec<Held>,
    /// The archive's length in bytes.
    pub(super) length: u64,
}

impl FinishedArchive {
    /// Waits until the whole archive is on the disk.
    pub(super) fn sync(&self) -> Result<(), ExportError> {
        Ok(disk::sync_file(&self.file, &self.path)?)
    }
}

impl<'a> Archive<'a, Sink> {
    /// Starts an archive in the empty file at `path`; everything in the archive is inside the folder `base`.
    pub(super) fn create(
        file: File,
        path: &'a Path,
        base: &'a str,
        protection: &'a Protection,
        now: i64,
    ) -> Result<Self, ExportError> {
        let sink = Sink::new(file, path.to_owned());
        let abandoned = sink.abandoned();
        Self::begin(sink, abandoned, path, base, protection, now)
    }
}

impl<'a> Archive<'a, AgeFile> {
    /// Starts an archive that is encrypted on its way to the file at `path`.
    pub(super) fn encrypted(
        file: File,
        path: &'a Path,
        base: &'a str,
        recipients: &[String],
        now: i64,
    ) -> Result<Self, ExportError> {
        let to = AgeFile::start(file, path, recipients)?;
        let abandoned = to.abandoned();
        Self::begin(to, abandoned, path, base, &Protection::None, now)
    }
}

impl<'a, T: ArchiveTarget> Archive<'a, T> {
    fn begin(
        to: T,
        abandoned: Abandoned,
        path: &'a Path,
        base: &'a str,
        protection: &'a Protection,
        now: i64,
    ) -> Result<Self, ExportError> {
        let beside = path.parent().unwrap_or(path);
        Ok(Self {
            directory: CentralDirectory::new(Spill::new(beside)?),
            zip: Some(T::zip(Aside::new(to))),
            short_start: 0,
            short_files: 0,
            abandoned,
            path,
            base,
            protection,
            now,
            tags: Vec::new(),
        })
    }
}

impl<T: ArchiveTarget> Archive<'_, T> {
    /// Adds a file whose bytes have already been verified.
    pub(super) fn add_whole(
        &mut self,
        piece: &Piece,
        name: &LocalPath,
        bytes: &[u8],
    ) -> Result<(), ExportError> {
        self.start(&payload_path(name), piece.size, piece.mtime, method(name))?;
        self.write(bytes)
    }

    /// Returns the bag's own files that are in the archive so far.
    pub(super) fn tags(&self) -> &[Held] {
        &self.tags
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> Result<FinishedArchive, ExportError> {
        let mut to = self.end_short()?;
        self.directory.write(&mut to, self.path)?;
        let (file, length, lock) = to.into_inner().end()?;
        Ok(FinishedArchive {
            lock,
            file,
            path: self.path.to_owned(),
            tags: self.tags,
            length,
        })
    }

    /// The short archive under way.
    fn zip(&mut self) -> Result<&mut ZipWriter<T::Writer>, ExportError> {
        let path = self.path;
        self.zip.as_mut().ok_or_else(|| gone(path))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        let path = self.path;
        let written = self.zip()?.write_all(bytes);
        written.map_err(|e| ExportError::writing(path, e.into()))
    }

    /// Ends the short archive under way, but for its directory, and returns what it was written to.
    fn end_short(&mut self) -> Result<Aside<T>, ExportError> {
        let path = self.path;
        let writing = |e| ExportError::writing(path, e);
        let mut zip = self.zip.take().ok_or_else(|| gone(path))?;
        // Ends the file that is being written; none has an empty name.
        match zip.hide_file("") {
            Ok(()) | Err(ZipError::FileNotFound) => {}
            Err(error) => return Err(writing(error)),
        }
        if let Some(writer) = zip.get_ref() {
            T::aside(writer).begin();
        }
        let mut to = T::into_aside(zip.finish().map_err(writing)?);
        // What can be looked back in knows where its files begin; a stream counts from its own beginning.
        let counted_from = if T::TAKES_BACK { 0 } else { self.short_start };
        self.directory.take(&to.end(), counted_from)?;
        Ok(to)
    }

    /// Gives the archive up; its file can no longer be used.
    pub(super) fn abandon(self) {
        self.abandoned.set();
    }

    fn start(
        &mut self,
        path: &str,
        size: u64,
        mtime: i64,
        method: CompressionMethod,
    ) -> Result<(), ExportError> {
        let writer = self.zip.as_ref().and_then(|zip| zip.get_ref());
        let position = writer.map_or(0, |writer| T::aside(writer).position());
        if self.short_files >= SHORT_FILES || position - self.short_start >= SHORT_BYTES {
            let to = self.end_short()?;
            self.short_start = to.position();
            self.short_files = 0;
            self.zip = Some(T::zip(to));
        }
        self.short_files += 1;
        let (name, at) = (format!("{}/{path}", self.base), self.path);
        let protection = self.protection;
        let zip = self.zip()?;
        options(size, mtime, method)
            .and_then(|options| match protection.passphrase() {
                Some(passphrase) => {
                    let options = options.with_aes_encryption(AesMode::Aes256, passphrase);
                    zip.start_file(name, options)
                }
                None => zip.start_file(name, options),
            })
            .map_err(|e| ExportError::writing(at, e))
    }
}

impl<T: ArchiveTarget> TagFiles for Archive<'_, T> {
    fn add_tag(&mut self, path: &str, write: WriteTag<'_>) -> Result<(), ExportError> {
        self.start(path, 0, self.now, CompressionMethod::Deflated)?;
        let at = self.path;
        let mut hashing = Hashing {
            to: self.zip()?,
            hasher: Hasher::default(),
            size: 0,
        };
        {
            // The compressor wants larger pieces than a line.
            let mut buffered = std::io::BufWriter::with_capacity(64 * 1024, &mut hashing);
            write(&mut buffered)?;
            buffered
                .flush()
                .map_err(|e| ExportError::writing(at, e.into()))?;
        }
        let (size, sha256) = (hashing.size, hashing.hasher.finish());
        self.tags.push(Held {
            path: path.to_owned(),
            size,
            sha256,
        });
        Ok(())
    }
}

/// Returns the error of an archive whose current short archive failed earlier.
fn gone(path: &Path) -> ExportError {
    ExportError::wrong(path, "an earlier write failed".to_owned())
}

/// Returns a file's path in the bag.
pub(super) fn payload_path(name: &LocalPath) -> String {
    format!("{}/{name}", disk::DATA)
}

/// Passes bytes on, and hashes them.
struct Hashing<'a, W: std::io::Write + std::io::Seek> {
    to: &'a mut ZipWriter<W>,
    hasher: Hasher,
    size: u64,
}

impl<W: std::io::Write + std::io::Seek> std::io::Write for Hashing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.to.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
