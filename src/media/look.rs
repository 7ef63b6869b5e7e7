//! Looks into a picture or video: when it was taken, facts, and a small picture of it.
//!
//! In: a file's bytes, or the open file. Both are untrusted: reading is bounded in bytes and in memory, and an
//! invalid file simply yields nothing.

mod dates;
mod facts;
mod poster;
mod small;

use crate::media::ReadSeek;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Duration;

pub(crate) use dates::{Undated, taken_of_each};
pub(crate) use facts::Facts;

use super::kind::{FIRST_BYTES, MediaKind};
use super::movie::{MovieHeader, movie_header};
use super::taken::{self, Taken, TimeSource};

/// The largest small picture in bytes; a larger one found in a file is scaled down.
pub(crate) const MAX_THUMB_BYTES: usize = 16 * 1024;
/// The same where nothing is decoded that need not be.
const MAX_FOUND_BYTES: usize = 32 * 1024;
/// The most bytes that are read of one file to look at it; a picture of 200 megapixels has fewer.
const MAX_READ_BYTES: u64 = 96 * 1024 * 1024;
/// Raw pictures say all about themselves near their beginning.
const MAX_RAW_BYTES: u64 = 4 * 1024 * 1024;
/// The number of threads that read, hash and look into files.
pub(crate) const READERS: usize = 2;
/// A picture of 200 megapixels takes less. A small one can be made to take days: each of a hundred
/// thousand empty scans of a progressive picture goes over all of its pixels.
const MAX_TIME: Duration = Duration::from_secs(10);

/// What was found in a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    /// When the picture or video was taken, if known.
    pub(crate) taken: Option<Taken>,
    /// A small picture, as a JPEG.
    pub(crate) thumb: Option<Vec<u8>>,
    /// The orientation of the small picture, as EXIF numbers it: 1 is upright.
    pub(crate) orientation: u8,
    /// The length of a video in seconds, rounded up; 0 if unknown.
    pub(crate) seconds: u32,
    /// The other facts in the file's EXIF data.
    pub(crate) facts: Facts,
}

/// The small pictures that are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thumbs {
    No,
    /// Only those that files already contain, which are cheap to read.
    Found,
    /// Also new ones, made from the whole picture if a file contains none.
    Made,
}

/// Looks into files. Work that takes much memory is done for one picture at a time.
#[derive(Debug)]
pub(crate) struct Looker {
    large: Mutex<()>,
    thumbs: Thumbs,
    max_time: Duration,
}

impl Default for Looker {
    fn default() -> Self {
        Self {
            large: Mutex::default(),
            thumbs: Thumbs::No,
            max_time: MAX_TIME,
        }
    }
}

impl Looker {
    /// Creates a looker that also returns small pictures, not only dates.
    pub(crate) fn with_thumbs() -> Self {
        Self {
            thumbs: Thumbs::Made,
            ..Self::default()
        }
    }

    /// Creates a looker that returns the small pictures that files already contain.
    pub(crate) fn with_found_thumbs() -> Self {
        Self {
            thumbs: Thumbs::Found,
            ..Self::default()
        }
    }

    /// Looks into a file of this kind.
    pub(crate) fn look(
        &self,
        kind: MediaKind,
        name: &str,
        mtime: i64,
        mut file: impl Read + Seek,
    ) -> Look {
        let fallback = || Taken::of_name_or_mtime(name, mtime);
        let file = BoundedReader {
            left: MAX_READ_BYTES,
            inner: &mut file,
        };
        or_nothing(name, || self.seen(kind, name, file, fallback)).unwrap_or_else(|| Look {
            taken: fallback(),
            ..Look::default()
        })
    }

    fn seen(
        &self,
        kind: MediaKind,
        name: &str,
        mut file: BoundedReader<'_>,
        fallback: impl Fn() -> Option<Taken>,
    ) -> Look {
        match kind_in(&mut file, kind) {
            MediaKind::Photo => {
                let mut look = self.photo(name, &mut file);
                look.taken = look.taken.or_else(fallback);
                look
            }
            MediaKind::Video => {
                let header = movie_header(&mut file);
                let at = header.as_ref().and_then(MovieHeader::taken);
                let source = TimeSource::Video;
                let poster = (self.thumbs != Thumbs::No && header.is_some())
                    .then(|| or_nothing(name, || self.poster(&mut file)).flatten());
                Look {
                    taken: at.map(|at| Taken { at, source }).or_else(fallback),
                    seconds: header.map_or(0, |header| header.seconds),
                    thumb: poster.flatten(),
                    orientation: 1,
                    ..Look::default()
                }
            }
            MediaKind::Audio | MediaKind::Other => Look {
                taken: fallback(),
                ..Look::default()
            },
        }
    }

    fn photo(&self, name: &str, file: &mut dyn ReadSeek) -> Look {
        let mut look = Look::default();
        if let Some(exif) = exif_of(file) {
            let source = TimeSource::Exif;
            look.taken = taken::of_exif(&exif).map(|at| Taken { at, source });
            look.orientation = orientation(&exif);
            if self.thumbs != Thumbs::No {
                look.facts = Facts::of(&exif);
                look.thumb = thumb_of_exif(&exif)
                    .and_then(|thumb| or_nothing(name, || self.fitting(thumb)).flatten());
            }
        }
        if self.thumbs == Thumbs::Made
            && look.thumb.is_none()
            && file.seek(SeekFrom::Start(0)).is_ok()
        {
            // By itself, for the date that is known by now should stay.
            look.thumb = or_nothing(name, || match ending(name).as_str() {
                "png" => self.small_png(file),
                _ => self.small_jpeg(file),
            })
            .flatten();
        }
        look
    }

    /// Returns a small picture found in a file, scaled down if it is too large.
    fn fitting(&self, thumb: &[u8]) -> Option<Vec<u8>> {
        if !thumb.starts_with(&[0xFF, 0xD8, 0xFF]) {
            return None;
        }
        let most = match self.thumbs {
            Thumbs::Found => MAX_FOUND_BYTES,
            _ => MAX_THUMB_BYTES,
        };
        match thumb.len() <= most {
            true => Some(thumb.to_owned()),
            false => self.small_jpeg(&mut Cursor::new(thumb)),
        }
    }

    /// Returns the still picture that a video contains, if any.
    fn poster(&self, file: &mut dyn ReadSeek) -> Option<Vec<u8>> {
        let held = poster::held(file)?;
        // Decoded in any case: what looks like a picture there may be none.
        self.small_jpeg(&mut Cursor::new(held))
    }
}

/// Returns what a file is by its content, as far as that decides how to look into it: phones misname some files, and
/// apps give some no ending. `named` is its kind by its name.
pub(crate) fn kind_in(file: &mut dyn ReadSeek, named: MediaKind) -> MediaKind {
    use MediaKind::{Audio, Photo, Video};
    let mut first = Vec::new();
    let is_read = file.seek(SeekFrom::Start(0)).is_ok()
        && file
            .take(FIRST_BYTES as u64)
            .read_to_end(&mut first)
            .is_ok()
        && file.seek(SeekFrom::Start(0)).is_ok();
    match (named, MediaKind::of_first_bytes(&first, 0)) {
        _ if !is_read => named,
        // A picture may have a movie's brand, and has no movie's header.
        (Photo, Video) if movie_header(file).is_none() => Photo,
        (Photo | Video | MediaKind::Other, seen @ (Photo | Video)) => seen,
        (Audio | Photo | Video | MediaKind::Other, _) => named,
    }
}

/// Runs a decoder of untrusted bytes; returns `None` if it panics. The file that contains the bytes must not be lost
/// because of that.
fn or_nothing<T>(name: &str, look: impl FnOnce() -> T) -> Option<T> {
    // Nothing that it may have left half done is used any more.
    let seen = catch_unwind(AssertUnwindSafe(look));
    if seen.is_err() {
        tracing::warn!(name, "a decoder panicked at this file");
    }
    seen.ok()
}

/// The lower-case ending of a name.
fn ending(name: &str) -> String {
    name.rsplit_once('.')
        .map_or_else(String::new, |(_, ending)| ending.to_ascii_lowercase())
}

fn exif_of(file: &mut dyn ReadSeek) -> Option<exif::Exif> {
    let mut start = [0; 4];
    file.read_exact(&mut start).ok()?;
    file.seek(SeekFrom::Start(0)).ok()?;
    let mut reader = exif::Reader::new();
    reader.continue_on_error(true);
    let is_tiff = matches!(&start, b"II*\0" | b"MM\0*");
    let read = if is_tiff {
        // Would be read as a whole.
        let mut beginning = Vec::new();
        file.take(MAX_RAW_BYTES).read_to_end(&mut beginning).ok()?;
        reader.read_raw(beginning)
    } else {
        reader.read_from_container(&mut BufReader::with_capacity(64 * 1024, file))
    };
    read.or_else(|error| error.distill_partial_result(|_| {}))
        .ok()
}

fn orientation(exif: &exif::Exif) -> u8 {
    let field = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY);
    let value = field.and_then(|field| field.value.get_uint(0));
    value
        .and_then(|value| u8::try_from(value).ok())
        .filter(|value| (1..=8).contains(value))
        .unwrap_or(1)
}

/// The small picture where EXIF has it, or where raw pictures of several makers have theirs.
fn thumb_of_exif(exif: &exif::Exif) -> Option<&[u8]> {
    use exif::{In, Tag};
    let part = |place, start, length| {
        let number = |tag| {
            let field = exif.get_field(tag, place)?;
            usize::try_from(field.value.get_uint(0)?).ok()
        };
        let (start, length) = (number(start)?, number(length)?);
        let bytes = exif.buf().get(start..start.checked_add(length)?)?;
        bytes.starts_with(&[0xFF, 0xD8, 0xFF]).then_some(bytes)
    };
    let (start, length) = (Tag::JPEGInterchangeFormat, Tag::JPEGInterchangeFormatLength);
    part(In::THUMBNAIL, start, length)
        .or_else(|| part(In::PRIMARY, start, length))
        .or_else(|| part(In::PRIMARY, Tag::StripOffsets, Tag::StripByteCounts))
}

/// Stops after so many bytes: lengths in a file can claim anything.
struct BoundedReader<'a> {
    inner: &'a mut dyn ReadSeek,
    left: u64,
}

impl Read for BoundedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

impl Seek for BoundedReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
pub(crate) mod tests;
