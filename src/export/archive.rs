//! Writes one archive: a zip that holds a BagIt bag in one folder (RFC 8493, 4).
//!
//! In: files, then the bag's own files. Out: `NAME.zip.part`, and the list of its contents, for the check. A name
//! cannot lead out of the folder into which the archive is unpacked: names are made only of [`LocalPath`]s and of
//! names in this program.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use chrono::{DateTime, Datelike as _, Local, Timelike as _};
use zeroize::Zeroizing;
use zip::result::ZipError;
use zip::write::{FullFileOptions, SimpleFileOptions, StreamWriter};
use zip::{AesMode, CompressionMethod, ZipWriter};

use super::ExportError;
use super::age::{AgeFile, Lock};
use super::directory::{Aside, CentralDirectory};
use super::pieces::Piece;
use super::plan::Why;
use super::rows::{ListedFile, TagFiles, WriteTag};
use super::sink::{Abandoned, Sink};
use super::spill::Spill;
use crate::digest::{Hasher, Sha256};
use crate::folder::disk;
use crate::names::LocalPath;
use crate::threads::spawn_scoped;

/// A large file is read in pieces of this size...
const CHUNK_BYTES: usize = 1024 * 1024;
/// ...so many ahead of the writing.
const CHUNKS_AHEAD: usize = 4;
/// Sizes from here on need zip64. A margin below 2^32 for what encryption adds.
const LARGE_BYTES: u64 = u32::MAX as u64 - 64 * 1024;

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

/// The destination that an archive is written to.
pub(super) trait ArchiveTarget: std::io::Write + Sized {
    /// Whether written bytes can be taken back.
    const TAKES_BACK: bool;
    /// The type that the `zip` crate writes to.
    type Writer: std::io::Write + std::io::Seek;

    /// Starts a short archive.
    fn zip(to: Aside<Self>) -> ZipWriter<Self::Writer>;

    /// Returns the destination of a short archive.
    fn aside(writer: &Self::Writer) -> &Aside<Self>;

    /// Returns the destination of a finished short archive.
    fn into_aside(writer: Self::Writer) -> Aside<Self>;

    /// Ends the writing. Returns the file, its length in bytes, and the key to read it back if the whole archive is
    /// encrypted.
    fn end(self) -> Result<(File, u64, Option<Lock>), ExportError>;
}

impl ArchiveTarget for Sink {
    const TAKES_BACK: bool = true;
    type Writer = Aside<Self>;

    fn zip(to: Aside<Self>) -> ZipWriter<Self::Writer> {
        ZipWriter::new(to)
    }

    fn aside(writer: &Self::Writer) -> &Aside<Self> {
        writer
    }

    fn into_aside(writer: Self::Writer) -> Aside<Self> {
        writer
    }

    fn end(self) -> Result<(File, u64, Option<Lock>), ExportError> {
        let (file, length) = self.finish()?;
        Ok((file, length, None))
    }
}

impl ArchiveTarget for AgeFile {
    const TAKES_BACK: bool = false;
    type Writer = StreamWriter<Aside<Self>>;

    fn zip(to: Aside<Self>) -> ZipWriter<Self::Writer> {
        ZipWriter::new_stream(to)
    }

    fn aside(writer: &Self::Writer) -> &Aside<Self> {
        writer.get_ref()
    }

    fn into_aside(writer: Self::Writer) -> Aside<Self> {
        writer.into_inner()
    }

    fn end(self) -> Result<(File, u64, Option<Lock>), ExportError> {
        let (file, length, lock) = self.finish()?;
        Ok((file, length, Some(lock)))
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

    /// Adds a large file and verifies its bytes at the same time: one thread hashes, another writes. If they are not
    /// the rescued bytes, the file is removed from the archive again and the reason is returned.
    pub(super) fn add_large(
        &mut self,
        piece: &Piece,
        name: &LocalPath,
        file: File,
        on_bytes: &mut dyn FnMut(u64) -> Result<(), ExportError>,
    ) -> Result<Option<Why>, ExportError> {
        // Somebody looked into it before.
        if let Err(error) = (&file).seek(SeekFrom::Start(0)) {
            return Ok(Some(Why::Unreadable(error.to_string())));
        }
        if !T::TAKES_BACK {
            // No progress, but a chance to stop.
            if let Some(why) = difference(&file, piece, &mut || on_bytes(0))? {
                return Ok(Some(why));
            }
        }
        self.start(&payload_path(name), piece.size, piece.mtime, method(name))?;
        let found = std::thread::scope(|scope| {
            let (full, chunks) = sync_channel::<Vec<u8>>(CHUNKS_AHEAD);
            let (empty, spare) = sync_channel::<Vec<u8>>(CHUNKS_AHEAD + 2);
            let reading = spawn_scoped(scope, move || -> std::io::Result<(Sha256, u64)> {
                let (mut hasher, mut size) = (Hasher::default(), 0);
                loop {
                    let mut chunk = spare.try_recv().unwrap_or_default();
                    chunk.clear();
                    chunk.reserve(CHUNK_BYTES);
                    // A file that grows without end changed; no need to see all of it.
                    let left = (piece.size + 1).saturating_sub(size);
                    let limit = left.min(CHUNK_BYTES as u64);
                    let count = (&file).take(limit).read_to_end(&mut chunk)?;
                    if count == 0 {
                        return Ok((hasher.finish(), size));
                    }
                    hasher.update(&chunk);
                    size += count as u64;
                    if full.send(chunk).is_err() {
                        return Ok((hasher.finish(), size));
                    }
                }
            })?;
            let mut written = 0;
            for chunk in chunks {
                // The byte too many of a file that grew must not enlarge the entry over its limit.
                let room = usize::try_from(piece.size - written).unwrap_or(usize::MAX);
                let bytes = chunk.get(..chunk.len().min(room)).unwrap_or_default();
                self.write(bytes)?;
                written += bytes.len() as u64;
                on_bytes(bytes.len() as u64)?;
                let _ = empty.try_send(chunk);
            }
            match reading.join() {
                Ok(found) => Ok::<_, ExportError>(found),
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        })?;
        let why = match found {
            Ok((sha256, size)) if size == piece.size && sha256 == piece.sha256 => {
                return Ok(None);
            }
            Ok(_) => Why::Changed,
            Err(error) => Why::Unreadable(error.to_string()),
        };
        self.take_back(why)
    }

    /// Removes the most recently started file.
    fn take_back(&mut self, why: Why) -> Result<Option<Why>, ExportError> {
        if !T::TAKES_BACK {
            let what = "a file changed while it was written".to_owned();
            return Err(ExportError::wrong(self.path, what));
        }
        let path = self.path;
        let taken_back = self.zip()?.abort_file();
        taken_back.map_err(|e| ExportError::writing(path, e))?;
        Ok(Some(why))
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

/// Why a file is not what was rescued, found by reading it once more.
fn difference(
    file: &File,
    piece: &Piece,
    go_on: &mut dyn FnMut() -> Result<(), ExportError>,
) -> Result<Option<Why>, ExportError> {
    let mut hasher = Hasher::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut limited = file.take(piece.size + 1);
    let read = loop {
        go_on()?;
        match limited.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Ok(count) => hasher.update(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    let rewound = read.and_then(|()| {
        let mut file = file;
        file.seek(SeekFrom::Start(0))
    });
    Ok(match rewound {
        Ok(_) if hasher.finish() == piece.sha256 => None,
        Ok(_) => Some(Why::Changed),
        Err(error) => Some(Why::Unreadable(error.to_string())),
    })
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

/// Photos, videos and sound are compressed already.
pub(super) fn method(name: &LocalPath) -> CompressionMethod {
    const TEXT: [&str; 14] = [
        "txt", "csv", "json", "xml", "html", "htm", "vcf", "ics", "log", "md", "srt", "svg", "gpx",
        "kml",
    ];
    let ending = name
        .name()
        .rsplit_once('.')
        .map_or("", |(_, ending)| ending);
    match TEXT.iter().any(|known| known.eq_ignore_ascii_case(ending)) {
        true => CompressionMethod::Deflated,
        false => CompressionMethod::Stored,
    }
}

/// A time is written twice: as DOS has it, in this computer's local time, which is what Windows
/// shows; and in seconds since 1970, which `unzip`, macOS and 7-Zip prefer.
fn options(
    size: u64,
    mtime: i64,
    method: CompressionMethod,
) -> zip::result::ZipResult<FullFileOptions<'static, 'static>> {
    let mut options = SimpleFileOptions::DEFAULT
        .compression_method(method)
        .unix_permissions(0o644)
        .large_file(size >= LARGE_BYTES);
    if let Some(time) = dos_time(mtime) {
        options = options.last_modified_time(time);
    }
    // A signed number of 32 bits to some, an unsigned one to 7-Zip, which takes 1969 for 2106.
    match u32::try_from(mtime)
        .ok()
        .filter(|time| *time <= i32::MAX as u32)
    {
        Some(seconds) => options.with_extended_timestamp(Some(seconds), None, None),
        None => Ok(options.into_full_options()),
    }
}

fn dos_time(mtime: i64) -> Option<zip::DateTime> {
    let local = DateTime::from_timestamp(mtime, 0)?.with_timezone(&Local);
    zip::DateTime::from_date_and_time(
        u16::try_from(local.year()).ok()?,
        local.month() as u8,
        local.day() as u8,
        local.hour() as u8,
        local.minute() as u8,
        local.second() as u8,
    )
    .ok()
}
