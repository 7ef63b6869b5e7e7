//! Writes one archive: a zip that holds a BagIt bag in one folder (RFC 8493, 4).
//!
//! What goes in: files, then the bag's own files. What comes out: `NAME.zip.part`, and the list of
//! what it holds, for the check. Names cannot lead out of the folder that the archive is unpacked
//! into: they are made of [`LocalPath`]s and of names in this program, and of nothing else.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use chrono::{DateTime, Datelike as _, Local, Timelike as _};
use zip::write::{FullFileOptions, SimpleFileOptions, StreamWriter};
use zip::{AesMode, CompressionMethod, ZipWriter};

use super::ExportError;
use super::age::{AgePipe, Lock};
use super::plan::{Piece, Why};
use super::rows::{TagFiles, WriteTag, failed};
use super::sink::{Abandoned, Sink};
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

/// How the archive's files are kept from other eyes.
#[derive(Clone, Default)]
pub enum Protection {
    /// Not at all.
    #[default]
    None,
    /// AES-256 (WinZip's AE-2) with a passphrase.
    Passphrase(Box<str>),
    /// The whole archive, encrypted to these recipients by the program `age`.
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

/// A file that the archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// Its path from the bag's root.
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) sha256: Sha256,
}

/// What an archive is written to.
pub(super) trait Target: std::io::Write + std::io::Seek {
    /// Whether what was written can be taken back.
    const TAKES_BACK: bool;

    /// Ends the writing: the file, and what it can be read with.
    fn end(self) -> Result<(File, u64, Opening), ExportError>;
}

impl Target for Sink {
    const TAKES_BACK: bool = true;

    fn end(self) -> Result<(File, u64, Opening), ExportError> {
        let (file, length) = self.finish()?;
        Ok((file, length, Opening::Plain))
    }
}

/// How a written archive is read back.
pub(super) enum Opening {
    /// As it is.
    Plain,
    /// Through `age`, with a key that nobody else has and nothing keeps.
    Age(Lock),
}

/// An archive under way.
pub(super) struct Archive<'a, T: Target> {
    zip: ZipWriter<T>,
    abandoned: Abandoned,
    path: &'a Path,
    base: &'a str,
    protection: &'a Protection,
    /// The time that the bag's own files get, in seconds since 1970.
    now: i64,
    held: Vec<Held>,
}

/// An archive that is written.
pub(super) struct Finished {
    pub(super) opening: Opening,
    file: File,
    path: PathBuf,
    /// What it holds, in its order.
    pub(super) held: Vec<Held>,
    /// Its length in bytes.
    pub(super) length: u64,
}

impl Finished {
    /// Waits until all of it is on the disk.
    pub(super) fn sync(&self) -> Result<(), ExportError> {
        Ok(disk::sync_file(&self.file, &self.path)?)
    }
}

impl<'a> Archive<'a, Sink> {
    /// Begins an archive in an empty file, which is at `path`; everything in it lies in the folder
    /// `base`.
    pub(super) fn create(
        file: File,
        path: &'a Path,
        base: &'a str,
        protection: &'a Protection,
        now: i64,
    ) -> Self {
        let sink = Sink::new(file, path.to_owned());
        Self {
            abandoned: sink.abandoned(),
            zip: ZipWriter::new(sink),
            path,
            base,
            protection,
            now,
            held: Vec::new(),
        }
    }
}

impl<'a> Archive<'a, StreamWriter<AgePipe>> {
    /// Begins an archive that `age` encrypts on its way to the file at `path`.
    pub(super) fn encrypted(
        file: File,
        path: &'a Path,
        base: &'a str,
        recipients: &[String],
        now: i64,
    ) -> Result<Self, ExportError> {
        let pipe = AgePipe::start(file, path, recipients)?;
        Ok(Self {
            abandoned: pipe.abandoned(),
            zip: ZipWriter::new_stream(pipe),
            path,
            base,
            protection: &Protection::None,
            now,
            held: Vec::new(),
        })
    }
}

impl<T: Target> Archive<'_, T> {
    /// Adds a file whose bytes are known to be right.
    pub(super) fn add_whole(
        &mut self,
        piece: &Piece,
        name: &LocalPath,
        bytes: &[u8],
    ) -> Result<(), ExportError> {
        self.start(payload_path(name), piece.size, piece.mtime, method(name))?;
        self.zip
            .write_all(bytes)
            .map_err(|e| ExportError::writing(self.path, e.into()))?;
        self.hold(payload_path(name), piece.size, piece.sha256);
        Ok(())
    }

    /// Adds a large file, comparing its bytes on the way: hashed by one thread, written by
    /// another. A reason instead when they are not those that were rescued; nothing of the file is
    /// in the archive then.
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
        self.start(payload_path(name), piece.size, piece.mtime, method(name))?;
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
                self.zip
                    .write_all(bytes)
                    .map_err(|e| ExportError::writing(self.path, e.into()))?;
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
                self.hold(payload_path(name), piece.size, piece.sha256);
                return Ok(None);
            }
            Ok(_) => Why::Changed,
            Err(error) => Why::Unreadable(error.to_string()),
        };
        self.take_back(why)
    }

    /// Removes the file that was begun last.
    fn take_back(&mut self, why: Why) -> Result<Option<Why>, ExportError> {
        if !T::TAKES_BACK {
            let what = "a file changed while it was written".to_owned();
            return Err(ExportError::wrong(self.path, what));
        }
        self.zip
            .abort_file()
            .map_err(|e| ExportError::writing(self.path, e))?;
        Ok(Some(why))
    }

    /// Adds a manifest of what the archive holds up to now, as far as it is wanted.
    pub(super) fn add_manifest(
        &mut self,
        path: &str,
        is_wanted: fn(&Held) -> bool,
    ) -> Result<(), ExportError> {
        let held = std::mem::take(&mut self.held);
        let added = self.add_tag(path, &mut |to| {
            held.iter()
                .filter(|held| is_wanted(held))
                .try_for_each(|held| {
                    writeln!(to, "{}  {}", held.sha256, held.path).map_err(failed(path))
                })
        });
        let manifest = std::mem::replace(&mut self.held, held);
        self.held.extend(manifest);
        added
    }

    /// What the archive holds up to now, in its order.
    pub(super) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Ends the archive.
    pub(super) fn finish(self) -> Result<Finished, ExportError> {
        let Self {
            zip, path, held, ..
        } = self;
        let target = zip.finish().map_err(|e| ExportError::writing(path, e))?;
        let (file, length, opening) = target.end()?;
        Ok(Finished {
            opening,
            file,
            path: path.to_owned(),
            held,
            length,
        })
    }

    /// Gives the archive up; its file is of no use any more.
    pub(super) fn abandon(self) {
        self.abandoned.set();
    }

    fn start(
        &mut self,
        path: String,
        size: u64,
        mtime: i64,
        method: CompressionMethod,
    ) -> Result<(), ExportError> {
        options(size, mtime, method)
            .and_then(|options| {
                let name = format!("{}/{path}", self.base);
                match self.protection.passphrase() {
                    Some(passphrase) => {
                        let options = options.with_aes_encryption(AesMode::Aes256, passphrase);
                        self.zip.start_file(name, options)
                    }
                    None => self.zip.start_file(name, options),
                }
            })
            .map_err(|e| ExportError::writing(self.path, e))
    }

    fn hold(&mut self, path: String, size: u64, sha256: Sha256) {
        self.held.push(Held { path, size, sha256 });
    }
}

impl<T: Target> TagFiles for Archive<'_, T> {
    fn add_tag(&mut self, path: &str, write: WriteTag<'_>) -> Result<(), ExportError> {
        self.start(path.to_owned(), 0, self.now, CompressionMethod::Deflated)?;
        let mut hashing = Hashing {
            to: &mut self.zip,
            hasher: Hasher::default(),
            size: 0,
        };
        {
            // The compressor wants larger pieces than a line.
            let mut buffered = std::io::BufWriter::with_capacity(64 * 1024, &mut hashing);
            write(&mut buffered)?;
            buffered
                .flush()
                .map_err(|e| ExportError::writing(self.path, e.into()))?;
        }
        let (size, sha256) = (hashing.size, hashing.hasher.finish());
        self.hold(path.to_owned(), size, sha256);
        Ok(())
    }
}

/// A file's path in the bag.
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
struct Hashing<'a, T: Target> {
    to: &'a mut ZipWriter<T>,
    hasher: Hasher,
    size: u64,
}

impl<T: Target> std::io::Write for Hashing<'_, T> {
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
fn method(name: &LocalPath) -> CompressionMethod {
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
