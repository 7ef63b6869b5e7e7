//! Looks into a picture or video: when it was taken, facts, and a small picture of it.
//!
//! In: a file's bytes, or the open file. Both are untrusted: reading is bounded in bytes and in memory, and an
//! invalid file simply yields nothing.

mod facts;
mod poster;

use crate::media::ReadSeek;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jpeg_decoder::{CodingProcess, PixelFormat};

pub(crate) use facts::Facts;

use super::kind::{FIRST_BYTES, MediaKind};
use super::movie::{MovieHeader, movie_header};
use super::taken::{self, Taken, TimeSource};
use crate::threads::spawn_scoped;

/// The longer side of a small picture that is made here, in pixels.
const SIDE: usize = 192;
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
/// Progressive pictures have to be held as a whole; larger ones get no small picture.
const MAX_PROGRESSIVE_PIXELS: usize = 24_000_000;
/// Larger pictures are no photos.
const MAX_PIXELS: usize = 300_000_000;
/// The most memory for one picture's pixels, in bytes.
const MAX_PIXEL_BYTES: usize = 48 * 1024 * 1024;
/// A picture of 200 megapixels takes less. A small one can be made to take days: each of a hundred
/// thousand empty scans of a progressive picture goes over all of its pixels.
const MAX_TIME: Duration = Duration::from_secs(10);
/// Reads between two looks at the clock.
const READS_A_LOOK: u8 = 64;

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

    fn small_jpeg(&self, file: &mut dyn Read) -> Option<Vec<u8>> {
        let mut timed = Timed {
            inner: BufReader::new(file),
            end: Instant::now() + self.max_time,
            reads: 0,
        };
        let mut decoder = jpeg_decoder::Decoder::new(&mut timed as &mut dyn Read);
        decoder.set_max_decoding_buffer_size(MAX_PIXEL_BYTES);
        decoder.read_info().ok()?;
        let info = decoder.info()?;
        let pixels = usize::from(info.width) * usize::from(info.height);
        // Lossless ones are held as a whole too, and are no photos.
        let (is_progressive, most) = match info.coding_process {
            CodingProcess::DctSequential => (false, MAX_PIXELS),
            CodingProcess::DctProgressive => (true, MAX_PROGRESSIVE_PIXELS),
            CodingProcess::Lossless => return None,
        };
        if pixels > most {
            return None;
        }
        // Twice the size that is wanted, to be averaged down: an eighth of a photo, mostly.
        decoder.scale(2 * SIDE as u16, 2 * SIDE as u16).ok()?;
        let _one_at_a_time = (pixels > 4_000_000 && is_progressive)
            .then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner));
        let bytes = decoder.decode().ok()?;
        let info = decoder.info()?;
        let (width, height) = (usize::from(info.width), usize::from(info.height));
        let samples = match info.pixel_format {
            PixelFormat::L8 => 1,
            PixelFormat::RGB24 => 3,
            PixelFormat::L16 | PixelFormat::CMYK32 => return None,
        };
        let mut shrinking = Shrinking::new(width, height)?;
        for row in bytes.chunks_exact(width * samples) {
            shrinking.row(row, samples);
        }
        shrinking.finish()
    }

    /// Reads a PNG row by row. One whose rows come out of order gets no small picture.
    fn small_png(&self, file: &mut dyn ReadSeek) -> Option<Vec<u8>> {
        let limits = png::Limits {
            bytes: MAX_PIXEL_BYTES,
        };
        let mut decoder = png::Decoder::new_with_limits(BufReader::new(file), limits);
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        decoder.ignore_checksums(true);
        let mut reader = decoder.read_info().ok()?;
        let (width, height) = (reader.info().width as usize, reader.info().height as usize);
        if reader.info().interlaced || width.checked_mul(height)? > MAX_PIXELS {
            return None;
        }
        let samples = reader.output_color_type().0.samples();
        let mut shrinking = Shrinking::new(width, height)?;
        let end = Instant::now() + self.max_time;
        for _ in 0..height {
            if Instant::now() > end {
                return None;
            }
            shrinking.row(reader.next_row().ok()??.data(), samples);
        }
        shrinking.finish()
    }
}

/// A file of which only the date is wanted.
#[derive(Debug)]
pub(crate) struct Undated<F> {
    pub(crate) name: String,
    /// The modification time in seconds since 1970.
    pub(crate) mtime: i64,
    /// The open file; `None` if it cannot be opened.
    pub(crate) file: Option<F>,
}

/// Returns when each of `count` files was taken, in their order. Looks into several at once; `open` opens one by its
/// number, or returns `None` if nothing is to be known of it. Blocks.
pub(crate) fn taken_of_each<F: Read + Seek, E: Send>(
    count: usize,
    open: impl Fn(usize) -> Result<Option<Undated<F>>, E> + Sync,
) -> Result<Vec<Option<Taken>>, E> {
    let (looker, next) = (Looker::default(), AtomicUsize::new(0));
    let look = || {
        let mut seen = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(seen);
            }
            let Some(Undated { name, mtime, file }) = open(number)? else {
                continue;
            };
            let taken = match file {
                Some(file) => {
                    let kind = MediaKind::of_name(name.as_bytes());
                    looker.look(kind, &name, mtime, file).taken
                }
                None => Taken::of_name_or_mtime(&name, mtime),
            };
            seen.push((number, taken));
        }
    };
    let mut all = vec![None; count];
    let seen = std::thread::scope(|scope| {
        // This thread looks as well, so that there is one.
        let others: Vec<_> = (1..READERS)
            .filter_map(|_| spawn_scoped(scope, look).ok())
            .collect();
        let mut seen = look()?;
        for thread in others {
            match thread.join() {
                Ok(more) => seen.extend(more?),
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        }
        Ok(seen)
    })?;
    for (number, taken) in seen {
        if let Some(place) = all.get_mut(number) {
            *place = taken;
        }
    }
    Ok(all)
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

/// Averages rows of pixels down to a picture of at most [`SIDE`] on each side.
struct Shrinking {
    width: usize,
    height: usize,
    small_width: usize,
    small_height: usize,
    row: usize,
    /// Sums of red, green, blue, and how many pixels they are of, for each pixel of one small row.
    sums: Vec<[u32; 4]>,
    pixels: Vec<u8>,
}

impl Shrinking {
    fn new(width: usize, height: usize) -> Option<Self> {
        let longer = width.max(height);
        if width == 0 || height == 0 || longer > usize::from(u16::MAX) {
            return None;
        }
        let shrunk = |side: usize| match longer > SIDE {
            true => (side * SIDE / longer).max(1),
            false => side,
        };
        let (small_width, small_height) = (shrunk(width), shrunk(height));
        Some(Self {
            width,
            height,
            small_width,
            small_height,
            row: 0,
            sums: vec![[0; 4]; small_width],
            pixels: Vec::with_capacity(small_width * small_height * 3),
        })
    }

    fn row(&mut self, row: &[u8], samples: usize) {
        for (column, pixel) in row.chunks_exact(samples).take(self.width).enumerate() {
            let [red, green, blue] = match *pixel {
                [grey] => [grey; 3],
                [grey, alpha] => [on_white(grey, alpha); 3],
                [red, green, blue] => [red, green, blue],
                [red, green, blue, alpha] => [red, green, blue].map(|it| on_white(it, alpha)),
                _ => return,
            };
            if let Some(sum) = self.sums.get_mut(column * self.small_width / self.width) {
                let [reds, greens, blues, count] = sum;
                *reds += u32::from(red);
                *greens += u32::from(green);
                *blues += u32::from(blue);
                *count += 1;
            }
        }
        self.row += 1;
        let here = (self.row - 1) * self.small_height / self.height;
        if self.row == self.height || self.row * self.small_height / self.height > here {
            for sum in &mut self.sums {
                let [colours @ .., count] = std::mem::take(sum);
                let count = count.max(1);
                self.pixels
                    .extend(colours.map(|colour| (colour / count).min(255) as u8));
            }
        }
    }

    fn finish(self) -> Option<Vec<u8>> {
        let mut jpeg = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 60);
        let (width, height) = (self.small_width as u16, self.small_height as u16);
        encoder
            .encode(&self.pixels, width, height, jpeg_encoder::ColorType::Rgb)
            .ok()?;
        (jpeg.len() <= MAX_THUMB_BYTES).then_some(jpeg)
    }
}

/// A see-through pixel as it looks on white.
fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha)) / 255) as u8
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

/// Ends after a time: how long a picture takes says nothing about its bytes.
struct Timed<'a> {
    inner: BufReader<&'a mut dyn Read>,
    end: Instant,
    reads: u8,
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads = (self.reads + 1) % READS_A_LOOK;
        match self.reads == 0 && Instant::now() > self.end {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => self.inner.read(buffer),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let row = |y: u16| (0..width).flat_map(move |x| [x as u8, y as u8, 128]);
        let pixels: Vec<u8> = (0..height).flat_map(row).collect();
        let mut bytes = Vec::new();
        jpeg_encoder::Encoder::new(&mut bytes, 80)
            .encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb)
            .unwrap();
        bytes
    }

    /// EXIF data with a time, an orientation and a small picture.
    pub(crate) fn with_exif(jpeg: &[u8], time: &str, turn: u8, thumb: &[u8]) -> Vec<u8> {
        let mut tiff = b"II*\0\x08\0\0\0".to_vec();
        let entry = |tag: u16, kind: u16, count: u32, value: u32| {
            [
                &tag.to_le_bytes()[..],
                &kind.to_le_bytes(),
                &count.to_le_bytes(),
                &value.to_le_bytes(),
            ]
            .concat()
        };
        // IFD0 at 8: two entries; IFD1 at 38: two entries; the text at 68; the small picture at 88.
        tiff.extend(2_u16.to_le_bytes());
        tiff.extend(entry(0x0112, 3, 1, turn.into()));
        tiff.extend(entry(0x0132, 2, 20, 68));
        tiff.extend(38_u32.to_le_bytes());
        tiff.extend(2_u16.to_le_bytes());
        tiff.extend(entry(0x0201, 4, 1, 88));
        tiff.extend(entry(0x0202, 4, 1, thumb.len() as u32));
        tiff.extend(0_u32.to_le_bytes());
        tiff.extend(time.as_bytes());
        tiff.push(0);
        assert_eq!(tiff.len(), 88);
        tiff.extend(thumb);
        let length = (2 + 6 + tiff.len()) as u16;
        let segment = [&[0xFF, 0xE1][..], &length.to_be_bytes(), b"Exif\0\0", &tiff].concat();
        [&jpeg[..2], &segment, &jpeg[2..]].concat()
    }

    fn size_of(jpeg: &[u8]) -> (u16, u16) {
        let mut decoder = jpeg_decoder::Decoder::new(jpeg);
        decoder.read_info().unwrap();
        let info = decoder.info().unwrap();
        (info.width, info.height)
    }

    fn look(name: &str, bytes: &[u8]) -> Look {
        Looker::with_thumbs().look(
            MediaKind::of_name(name.as_bytes()),
            name,
            0,
            Cursor::new(bytes),
        )
    }

    #[test]
    fn exif_tells_when_and_how_to_turn_and_gives_its_small_picture() {
        let thumb = jpeg(16, 12);
        let photo = with_exif(&jpeg(640, 480), "2024:08:18 09:30:01", 6, &thumb);
        let look = look("IMG_20200101_000000.jpg", &photo);
        let taken = look.taken.unwrap();
        assert_eq!(taken.source, TimeSource::Exif);
        assert_eq!(taken.at.to_string(), "2024-08-18 09:30:01");
        assert_eq!((look.orientation, look.thumb), (6, Some(thumb)));
    }

    #[test]
    fn content_decides_how_a_misnamed_file_is_looked_into() {
        let photo = with_exif(&jpeg(64, 48), "2024:08:18 09:30:01", 6, &jpeg(16, 12));
        let clip: &[u8] = include_bytes!("../../fixtures/clip.mp4");
        for name in ["VID_20200101_000000.mp4", "IMG-20200101-WA0001", "x.bin"] {
            let taken = look(name, &photo).taken.unwrap();
            assert_eq!(taken.source, TimeSource::Exif, "{name}");
        }
        for name in ["IMG_20200101_000000.jpg", "VID-20200101-WA0001"] {
            let taken = look(name, clip).taken.unwrap();
            assert_eq!(taken.source, TimeSource::Video, "{name}");
        }
        // A sound with a movie's header has no time that anybody took it at.
        let taken = look("AUD-20200101-WA0001.m4a", clip).taken.unwrap();
        assert_eq!(taken.source, TimeSource::Name);
    }

    #[test]
    fn pictures_without_a_small_one_get_one() {
        assert_eq!(
            size_of(&look("a.jpg", &jpeg(1600, 800)).thumb.unwrap()),
            (192, 96)
        );
        assert_eq!(
            size_of(&look("a.jpg", &jpeg(20, 30)).thumb.unwrap()),
            (20, 30)
        );
        assert_eq!(
            size_of(&look("a.jpg", &jpeg(5000, 8)).thumb.unwrap()),
            (192, 1)
        );
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 400, 1000);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&vec![200; 400 * 1000 * 4]).unwrap();
        writer.finish().unwrap();
        assert_eq!(size_of(&look("a.png", &bytes).thumb.unwrap()), (76, 192));
        let without =
            Looker::default().look(MediaKind::Photo, "a.jpg", 0, Cursor::new(jpeg(99, 99)));
        assert!(without.thumb.is_none());
    }

    fn found(name: &str, bytes: &[u8]) -> Look {
        let kind = MediaKind::of_name(name.as_bytes());
        Looker::with_found_thumbs().look(kind, name, 0, Cursor::new(bytes))
    }

    #[test]
    fn only_what_a_file_holds_is_shown_where_nothing_is_to_be_made() {
        let thumb = jpeg(16, 12);
        let photo = with_exif(&jpeg(640, 480), "2024:08:18 09:30:01", 6, &thumb);
        assert_eq!(found("a.jpg", &photo).thumb, Some(thumb));
        assert_eq!(found("a.jpg", &jpeg(640, 480)).thumb, None);
        // Taken as it is up to a size, and made smaller above.
        let large = jpeg(1000, 750);
        assert!(
            large.len() > MAX_FOUND_BYTES && large.len() < 65_000,
            "{}",
            large.len()
        );
        let photo = with_exif(&jpeg(64, 48), "2024:08:18 09:30:01", 1, &large);
        assert_eq!(size_of(&found("a.jpg", &photo).thumb.unwrap()), (192, 144));
    }

    #[test]
    fn still_picture_that_a_video_holds_is_its_poster() {
        let clip = include_bytes!("../../fixtures/clip.mp4");
        let plain = found("a.mp4", clip);
        assert_eq!((plain.thumb.is_some(), plain.seconds), (false, 2));
        let a_box = |name: &[u8; 4], inside: &[u8]| {
            [&(inside.len() as u32 + 8).to_be_bytes()[..], name, inside].concat()
        };
        let at = clip.windows(4).position(|it| it == b"moov").unwrap();
        let (before, moov) = clip.split_at(at - 4);
        let length = u32::from_be_bytes(*moov.first_chunk().unwrap()) as usize;
        let inside = |cover: &[u8]| {
            let udta = a_box(b"udta", &a_box(b"thmb", &[b"a title", cover].concat()));
            let video = [
                before,
                &a_box(b"moov", &[&udta, &moov[8..length]].concat()),
                &moov[length..],
            ];
            video.concat()
        };
        let with = found("a.mp4", &inside(&jpeg(320, 180)));
        assert_eq!(size_of(&with.thumb.unwrap()), (192, 108));
        assert_eq!(
            (with.seconds, with.taken.unwrap().source),
            (2, TimeSource::Video)
        );
        for nothing in [
            &jpeg(320, 180)[..400],
            &[0xFF, 0xD8, 0xFF, 0xFF, 0xD9],
            b"\xFF\xD8\xFF",
        ] {
            assert!(found("a.mp4", &inside(nothing)).thumb.is_none());
        }
    }

    #[test]
    fn nonsense_shows_nothing_but_its_name() {
        let photo = with_exif(&jpeg(64, 48), "2024:08:18 09:30:01", 1, &jpeg(16, 12));
        let name = "IMG_20240818_093001.jpg";
        for length in (0..photo.len()).step_by(7) {
            assert!(look(name, &photo[..length]).taken.is_some());
        }
        for at in 0..photo.len().min(700) {
            let mut bad = photo.clone();
            bad[at] ^= 0xFF;
            assert!(look(name, &bad).taken.is_some());
        }
        for name in [
            "a.heic", "a.dng", "a.png", "a.webp", "a.jpg", "a.mp4", "a.txt",
        ] {
            for bytes in [
                &b"II*\0\xFF\xFF\xFF\xFF"[..],
                b"",
                b"\0\0\0\x18ftypheic",
                &[0xFF; 5000],
            ] {
                assert!(look(name, bytes).thumb.is_none(), "{name}");
            }
        }
    }

    /// A grey progressive picture of so many scans, each of which says that nothing changes: some
    /// thirty bytes that cost a walk over all of its pixels.
    fn endless_scans(side: u16, scans: usize) -> Vec<u8> {
        let [high, low] = side.to_be_bytes();
        let blocks = usize::from(side).div_ceil(8).pow(2);
        let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
        bytes.extend([1; 64]);
        bytes.extend([0xFF, 0xC2, 0, 11, 8, high, low, high, low, 1, 1, 0x11, 0]);
        // One code of one bit: the end of the next 2^14 blocks or more.
        bytes.extend([0xFF, 0xC4, 0, 20, 0x10, 1]);
        bytes.extend([0; 15]);
        bytes.push(0xE0);
        // A zero, and the fourteen ones that make it 32,767 blocks, for as often as there are such.
        let runs = blocks.div_ceil(32_767);
        let bits: Vec<bool> = (0..runs * 15).map(|bit| bit % 15 != 0).collect();
        let mut scan = vec![0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 63, 1];
        for eight in bits.chunks(8) {
            let byte = (0..8).fold(0, |byte, bit| {
                byte << 1 | u8::from(*eight.get(bit).unwrap_or(&true))
            });
            scan.push(byte);
            if byte == 0xFF {
                scan.push(0);
            }
        }
        for _ in 0..scans {
            bytes.extend(&scan);
        }
        bytes.extend([0xFF, 0xD9]);
        bytes
    }

    #[test]
    fn a_picture_that_takes_for_ever_shows_nothing_but_its_name() {
        let quick = endless_scans(800, 3);
        assert!(look("a.jpg", &quick).thumb.is_some());
        let looker = Looker {
            max_time: Duration::from_millis(50),
            ..Looker::with_thumbs()
        };
        let slow = endless_scans(4800, 20_000);
        let began = Instant::now();
        let name = "IMG_20240818_093001.jpg";
        let look = looker.look(MediaKind::Photo, name, 0, Cursor::new(&slow));
        assert!(look.thumb.is_none() && look.taken.is_some());
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "{:?}",
            began.elapsed()
        );
    }

    #[test]
    fn a_decoder_that_panics_costs_only_what_it_would_show() {
        assert_eq!(or_nothing("x", || 7), Some(7));
        let nothing: Option<u8> = or_nothing("x", || std::panic::panic_any("on purpose"));
        assert_eq!(nothing, None);
    }

    #[test]
    fn lengths_that_claim_too_much_are_not_believed() {
        struct Endless;
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(0x41);
                Ok(buffer.len())
            }
        }
        impl Seek for Endless {
            fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
                Ok(0)
            }
        }
        let mut bounded = BoundedReader {
            inner: &mut Endless,
            left: 1_000_000,
        };
        assert!(io::copy(&mut bounded, &mut io::sink()).unwrap() < 1_100_000);
    }
}
