//! Copies made for an upload, where a service would make less of the file as it is: a picture or
//! video with no date of its own gets one, and a large picture can be made smaller. The rescued
//! file is only read.
//!
//! A copy is mostly the file itself with some bytes put in, which are put in while it is sent: it
//! takes no room on the disk. It is the same each time it is made, so that a run that was killed
//! sends nothing else than the one before. What cannot be done is said, and the file is sent as it is.
//! Pure, except for reading the file, which is untrusted.

use crate::media::ReadSeek;
use std::io::{Cursor, SeekFrom};

use bytes::Bytes;
use chrono::{Local, TimeZone as _};

use super::kind::MediaKind;
use super::look::{Looker, kind_in};
use super::movie::{SINCE_1904, TimeWidth, movie_header};
use super::taken::{Taken, TimeSource};
use super::{jpeg, png, smaller, tiff};

/// The largest picture that is made smaller, in bytes.
pub(crate) const MAX_READ_BYTES: u64 = 128 * 1024 * 1024;
/// What is said of pictures and videos that begin as such, and of which no more can be read.
const DAMAGED_PICTURE: &str =
    "it begins as a picture, and the rest cannot be read: it may be damaged";
const DAMAGED_VIDEO: &str =
    "it begins as a video, and its header is missing or damaged, as when a recording was cut off";

/// What is said of a date that rescue does not understand.
const HAS_DATE: &str = "it has metadata that rescue cannot read, so it is left unchanged";
const JPEG: &[u8] = &[0xFF, 0xD8, 0xFF];
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The changes that uploads should get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CopyOptions {
    /// Whether to add a date to files that have none.
    pub dates: bool,
    /// Whether to scale down pictures of more than 16 megapixels.
    pub smaller: bool,
}

/// A part of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Bytes that are not in the file.
    Bytes(Bytes),
    /// A range of the file. The ranges of a copy are in ascending order and do not overlap.
    Original {
        /// The offset of the first byte.
        from: u64,
        /// The offset behind the last byte.
        to: u64,
    },
}

/// What is to be sent for a file.
pub(crate) enum CopyPlan {
    /// The file itself. With a reason if a copy was wanted but is not possible.
    Original(Option<String>),
    /// These parts, and a description of what is different in the copy.
    Parts(Vec<Part>, String),
    /// A smaller copy, if that works out.
    Smaller,
}

impl CopyPlan {
    /// With something more to say.
    pub(crate) fn and(self, more: String) -> Self {
        let joined = |what: String| format!("{what}; {more}");
        match self {
            Self::Original(why) => {
                let all = why.map_or_else(|| more.clone(), joined);
                Self::Original(Some(all))
            }
            Self::Parts(parts, what) => Self::Parts(parts, joined(what)),
            Self::Smaller => Self::Smaller,
        }
    }
}

/// Looks at a file's beginning, which is enough to know what is to be done.
pub(crate) fn plan(
    file: &mut dyn ReadSeek,
    size: u64,
    wish: CopyOptions,
    name: &str,
    mtime: i64,
) -> CopyPlan {
    let kind = kind_in(file, MediaKind::of_name(name.as_bytes()));
    if size == 0 || !matches!(kind, MediaKind::Photo | MediaKind::Video) {
        return CopyPlan::Original(None);
    }
    let mut not_smaller = None;
    if wish.smaller && kind == MediaKind::Photo {
        match jpeg::JpegHeader::read(file) {
            None if is_small_enough(file) => {}
            None => {
                let why = match begins(file, 0, JPEG) {
                    true => DAMAGED_PICTURE,
                    false => "only JPEGs are",
                };
                not_smaller = Some(format!("not made smaller: {why}"));
            }
            Some(header) => {
                let is_large = header
                    .frame
                    .is_some_and(|frame| frame.pixels() > smaller::MAX_PIXELS);
                match smaller::why_not(&header) {
                    _ if !is_large => {}
                    None if size > MAX_READ_BYTES => {
                        not_smaller = Some("not made smaller: it has over 134 MB".to_owned());
                    }
                    None => return CopyPlan::Smaller,
                    Some(why) => not_smaller = Some(format!("not made smaller: {why}")),
                }
            }
        }
    }
    let plan = match wish.dates {
        false => CopyPlan::Original(None),
        true => match dated(file, size, name, mtime) {
            Ok(Some((parts, what))) => CopyPlan::Parts(parts, what),
            Ok(None) => CopyPlan::Original(None),
            Err(why) => CopyPlan::Original(Some(format!("without a date of its own: {why}"))),
        },
    };
    match not_smaller {
        Some(why) => plan.and(why),
        None => plan,
    }
}

/// A file with its date put in, and that in words; nothing where it has one.
fn dated(
    file: &mut dyn ReadSeek,
    size: u64,
    name: &str,
    mtime: i64,
) -> Result<Option<(Vec<Part>, String)>, String> {
    file.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
    let kind = kind_in(file, MediaKind::of_name(name.as_bytes()));
    let from = match Looker::default().look(kind, name, mtime, &mut *file).taken {
        None => return Err("its date is unknown".to_owned()),
        Some(taken) => match taken.source {
            TimeSource::Exif | TimeSource::Video => return Ok(None),
            TimeSource::Name => (taken, "its name"),
            TimeSource::Modified => (taken, "its file's date"),
        },
    };
    let (taken, from) = from;
    let put_in = match kind {
        MediaKind::Video => into_video(file, taken),
        _ => into_photo(file, taken),
    };
    let (at, end, bytes) = put_in.map_err(str::to_owned)?;
    let parts = vec![
        Part::Original { from: 0, to: at },
        Part::Bytes(bytes.into()),
        Part::Original {
            from: end,
            to: size,
        },
    ];
    let what = format!(
        "with its date, {}, from {from}",
        taken.at.format("%Y-%m-%d %H:%M:%S")
    );
    Ok(Some((parts, what)))
}

/// Which bytes go in the place of which, as from and to.
type PutIn = Result<(u64, u64, Vec<u8>), &'static str>;

fn into_photo(file: &mut dyn ReadSeek, taken: Taken) -> PutIn {
    let local = Local.from_local_datetime(&taken.at).earliest();
    let offset = local.map(|local| local.format("%:z").to_string());
    let no_room = "there is no room for it in its EXIF data";
    if let Some(header) = jpeg::JpegHeader::read(file) {
        if header.has_more_pictures() {
            return Err("it holds more than one picture, so it is left unchanged");
        }
        if header.has_date_elsewhere() {
            return Err(HAS_DATE);
        }
        let old = header.exif();
        let tiff = old.and_then(|old| old.content.get(jpeg::EXIF_MARK.len()..));
        let tiff =
            tiff::with_date(tiff, taken.at, offset.as_deref()).map_err(|unfit| match unfit {
                tiff::Unfit::Damaged => "its EXIF data is damaged, so it is left unchanged",
                tiff::Unfit::HasDate => HAS_DATE,
            })?;
        let segment = jpeg::exif_segment(&tiff).ok_or(no_room)?;
        return Ok(match (old, header.segments.first()) {
            (Some(old), _) => (old.at, old.end, segment),
            // Programs that know nothing of EXIF look for this one first.
            (None, Some(first)) if first.marker == 0xE0 => (first.end, first.end, segment),
            (None, _) => (2, 2, segment),
        });
    }
    let room = png::room(file);
    if room == Some(png::Room::Taken) {
        return Err(HAS_DATE);
    }
    if room == Some(png::Room::Free) {
        let tiff = tiff::with_date(None, taken.at, offset.as_deref()).map_err(|_| no_room)?;
        let chunk = png::exif_chunk(&tiff).ok_or(no_room)?;
        return Ok((png::AFTER_FIRST, png::AFTER_FIRST, chunk));
    }
    Err(match begins(file, 0, JPEG) || begins(file, 0, PNG) {
        true => DAMAGED_PICTURE,
        false => "rescue can put one into JPEG and PNG pictures only",
    })
}

/// Whether a picture that is no JPEG says itself that it needs no smaller copy, as screenshots do.
fn is_small_enough(file: &mut dyn ReadSeek) -> bool {
    let mut sides = [0; 8];
    let png = begins(file, 0, PNG) && begins(file, 12, b"IHDR");
    let gif = begins(file, 0, b"GIF8");
    let at = if png { 16 } else { 6 };
    if !(png || gif)
        || file.seek(SeekFrom::Start(at)).is_err()
        || file.read_exact(&mut sides).is_err()
    {
        return false;
    }
    let [a, b, c, d, e, f, g, h] = sides;
    let (width, height) = match png {
        true => (
            u32::from_be_bytes([a, b, c, d]),
            u32::from_be_bytes([e, f, g, h]),
        ),
        false => (
            u16::from_le_bytes([a, b]).into(),
            u16::from_le_bytes([c, d]).into(),
        ),
    };
    u64::from(width) * u64::from(height) <= smaller::MAX_PIXELS
}

/// Whether a file has these bytes at a place.
fn begins(file: &mut dyn ReadSeek, at: u64, mark: &[u8]) -> bool {
    let mut found = vec![0; mark.len()];
    file.seek(SeekFrom::Start(at)).is_ok() && file.read_exact(&mut found).is_ok() && found == mark
}

fn into_video(file: &mut dyn ReadSeek, taken: Taken) -> PutIn {
    let Some(header) = movie_header(file) else {
        return Err(match begins(file, 4, b"ftyp") {
            true => DAMAGED_VIDEO,
            false => "rescue can put one into MP4, MOV and 3GP videos only",
        });
    };
    if header.tells_a_time() {
        return Err(HAS_DATE);
    }
    let local = Local.from_local_datetime(&taken.at).earliest();
    let at = local.and_then(|local| u64::try_from(local.timestamp() + SINCE_1904).ok());
    let at = at.ok_or("its date is unknown")?;
    // When it was made, and when it was changed.
    let bytes = match header.width {
        TimeWidth::EightBytes => at.to_be_bytes().repeat(2),
        TimeWidth::FourBytes => {
            let at = u32::try_from(at).map_err(|_| "its date is unknown")?;
            at.to_be_bytes().repeat(2)
        }
    };
    Ok((header.at, header.at + bytes.len() as u64, bytes))
}

/// A smaller copy, with a date where that is wished for too.
pub(crate) fn shrunk(
    original: &[u8],
    max_pixels: u64,
    wish: CopyOptions,
    name: &str,
    mtime: i64,
) -> Result<(Bytes, String), &'static str> {
    let copy = smaller::smaller(original, max_pixels)?;
    let mut what = "made smaller, to 16 megapixels".to_owned();
    if !wish.dates {
        return Ok((copy.into(), what));
    }
    match dated(&mut Cursor::new(&copy), copy.len() as u64, name, mtime) {
        Ok(None) => Ok((copy.into(), what)),
        Ok(Some((parts, date))) => {
            what = format!("{what}, {date}");
            Ok((flat(&copy, parts).into(), what))
        }
        Err(why) => Ok((copy.into(), format!("{what}; without a date: {why}"))),
    }
}

fn flat(bytes: &[u8], parts: Vec<Part>) -> Vec<u8> {
    let mut all = Vec::with_capacity(bytes.len() + 1024);
    for part in parts {
        match part {
            Part::Bytes(new) => all.extend_from_slice(&new),
            Part::Original { from, to } => {
                let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
                let old = range.and_then(|(from, to)| bytes.get(from..to));
                all.extend_from_slice(old.unwrap_or_default());
            }
        }
    }
    all
}

#[cfg(test)]
pub(crate) mod tests;
