//! Decides whether Google Photos accepts a file, by its first bytes, its name and its size. Pure.
//!
//! The content decides, for phones misname files; where the content says nothing, the name does,
//! and Google has the last word. Types and limits are those of
//! <https://developers.google.com/photos/library/guides/upload-media>.

use crate::folder::upload::UploadReason;

/// How many bytes at the beginning of a file [`judge`] looks at; enough to find a JPEG's size behind a thumbnail.
pub(crate) const HEAD_BYTES: usize = 256 * 1024;

/// The limits on the size of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// The largest photo, in bytes.
    pub photo_bytes: u64,
    /// The largest photo, in pixels.
    pub photo_pixels: Option<u64>,
    /// The largest video, in bytes.
    pub video_bytes: u64,
}

impl Limits {
    /// The current limits.
    pub(super) const NOW: Self = Self {
        photo_bytes: 200 * MB,
        photo_pixels: None,
        video_bytes: 20 * GB,
    };
    /// The limits of 2018, for users who want to be sure that every client can show and edit a photo.
    pub(super) const OF_2018: Self = Self {
        photo_bytes: 75 * MB,
        photo_pixels: Some(100_000_000),
        video_bytes: 10 * GB,
    };
}

const MB: u64 = 1024 * 1024;
const GB: u64 = 1024 * MB;

/// The facts about a file that the service accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AcceptedMedia {
    /// The file's MIME type, for `X-Goog-Upload-Content-Type`.
    pub mime: &'static str,
    /// Whether it is a video.
    pub is_video: bool,
}

/// Checks whether the service accepts a file; the error text is for the user.
pub(crate) fn judge(
    name: &str,
    head: &[u8],
    size: u64,
    limits: &Limits,
) -> Result<AcceptedMedia, (UploadReason, String)> {
    let refused = |words: String| Err((UploadReason::TypeRefused, words));
    if size == 0 {
        return refused("the file is empty; Google Photos takes no empty file".to_owned());
    }
    let ending = ending(name);
    let taken = match (by_content(head), by_name(&ending)) {
        (ContentKind::Media(taken), _) => taken,
        (ContentKind::Unknown, Some(taken)) => taken,
        (ContentKind::Other(what), _) => {
            return refused(format!("this is {what}; Google Photos takes no such file"));
        }
        (ContentKind::Unknown, None) => {
            let kind = match ending.as_str() {
                "" => "files without an ending".to_owned(),
                ending => format!(".{ending} files"),
            };
            return refused(format!("Google Photos does not take {kind}"));
        }
    };
    let (what, limit) = match taken.is_video {
        true => ("videos", limits.video_bytes),
        false => ("photos", limits.photo_bytes),
    };
    let over = |words: String| Err((UploadReason::TooLarge, words));
    if size > limit {
        return over(format!(
            "Google Photos takes {what} of up to {}; this one has {}",
            in_words(limit),
            too_much(size, limit)
        ));
    }
    if let Some(limit) = limits.photo_pixels.filter(|_| !taken.is_video)
        && let Some((width, height)) = pixels(head)
        && u64::from(width) * u64::from(height) > limit
    {
        return over(format!(
            "this photo has {width} x {height} pixels; the limits of 2018 are {} megapixels",
            limit / 1_000_000
        ));
    }
    Ok(taken)
}

fn in_words(bytes: u64) -> String {
    match bytes {
        GB.. => format!("{} GB", rounded(bytes, GB)),
        _ => format!("{} MB", rounded(bytes, MB)),
    }
}

/// Two digits behind the point, where there are any.
fn rounded(bytes: u64, unit: u64) -> String {
    match bytes.is_multiple_of(unit) {
        true => (bytes / unit).to_string(),
        false => format!("{:.2}", bytes as f64 / unit as f64),
    }
}

/// A size over a limit. Where the words would be the same as the limit's, bytes tell how far.
fn too_much(size: u64, limit: u64) -> String {
    let over = size.saturating_sub(limit);
    match over {
        1 => format!("one byte more ({size})"),
        2..MB => format!("{over} bytes more ({size})"),
        _ => in_words(size),
    }
}

fn ending(name: &str) -> String {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let safe = |c: &char| c.is_ascii_alphanumeric();
    ending
        .chars()
        .filter(safe)
        .take(12)
        .collect::<String>()
        .to_ascii_lowercase()
}

enum ContentKind {
    Media(AcceptedMedia),
    /// A kind of file that the service is known to refuse.
    Other(&'static str),
    Unknown,
}

const fn photo(mime: &'static str) -> AcceptedMedia {
    AcceptedMedia {
        mime,
        is_video: false,
    }
}

const fn video(mime: &'static str) -> AcceptedMedia {
    AcceptedMedia {
        mime,
        is_video: true,
    }
}

fn by_content(head: &[u8]) -> ContentKind {
    use ContentKind::{Media, Other, Unknown};
    let at = |offset: usize, mark: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(mark))
    };
    if at(0, &[0xFF, 0xD8, 0xFF]) {
        return Media(photo("image/jpeg"));
    }
    if at(0, b"\x89PNG\r\n\x1a\n") {
        return Media(photo("image/png"));
    }
    if at(0, b"GIF87a") || at(0, b"GIF89a") {
        return Media(photo("image/gif"));
    }
    if at(0, b"RIFF") {
        return match head.get(8..12) {
            Some(b"WEBP") => Media(photo("image/webp")),
            Some(b"AVI ") => Media(video("video/x-msvideo")),
            Some(b"WAVE") => Other("sound"),
            _ => Unknown,
        };
    }
    if at(4, b"ftyp") {
        return match head.get(8..12) {
            Some(b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis") => {
                Media(photo("image/heic"))
            }
            Some(b"mif1" | b"msf1") => Media(photo("image/heif")),
            Some(b"avif" | b"avis") => Media(photo("image/avif")),
            Some(b"crx ") => Media(photo("image/x-canon-cr3")),
            Some(b"qt  ") => Media(video("video/quicktime")),
            Some(b"M4A " | b"M4B ") => Other("sound"),
            Some(
                [b'i', b's', b'o', _]
                | [b'm', b'p', b'4', _]
                | b"avc1"
                | b"M4V "
                | b"MSNV"
                | b"dash",
            ) => Media(video("video/mp4")),
            Some([b'3', b'g', b'2', _]) => Media(video("video/3gpp2")),
            Some([b'3', b'g', _, _]) => Media(video("video/3gpp")),
            // What else there is in this family is told by its name.
            _ => Unknown,
        };
    }
    if at(0, &[0x1A, 0x45, 0xDF, 0xA3]) {
        let beginning = head.get(..64.min(head.len())).unwrap_or_default();
        let holds = |word: &[u8]| beginning.windows(word.len()).any(|part| part == word);
        return match (holds(b"matroska"), holds(b"webm")) {
            (true, _) => Media(video("video/x-matroska")),
            (_, true) => Other("a WebM video"),
            _ => Unknown,
        };
    }
    for (mark, what) in [
        (&b"%PDF-"[..], "a PDF document"),
        (b"PK\x03\x04", "a zip archive or document"),
        (b"ID3", "sound"),
        (b"OggS", "sound"),
        (b"fLaC", "sound"),
        (b"#!AMR", "sound"),
        (b"8BPS", "a Photoshop document"),
        (b"<svg", "an SVG drawing"),
        (b"SQLite format 3", "a database"),
    ] {
        if at(0, mark) {
            return Other(what);
        }
    }
    Unknown
}

fn by_name(ending: &str) -> Option<AcceptedMedia> {
    Some(match ending {
        "jpg" | "jpeg" | "jpe" => photo("image/jpeg"),
        "png" => photo("image/png"),
        "gif" => photo("image/gif"),
        "webp" => photo("image/webp"),
        "heic" => photo("image/heic"),
        "heif" => photo("image/heif"),
        "avif" => photo("image/avif"),
        "bmp" => photo("image/bmp"),
        "ico" => photo("image/x-icon"),
        "tif" | "tiff" => photo("image/tiff"),
        "dng" => photo("image/x-adobe-dng"),
        // "Some RAW files": which ones is Google's to say.
        "raw" | "arw" | "cr2" | "cr3" | "nef" | "nrw" | "orf" | "rw2" | "raf" | "srw" | "pef" => {
            photo("image/x-dcraw")
        }
        "mp4" | "m4v" | "insv" => video("video/mp4"),
        "mov" => video("video/quicktime"),
        "3gp" => video("video/3gpp"),
        "3g2" => video("video/3gpp2"),
        "asf" => video("video/x-ms-asf"),
        "wmv" => video("video/x-ms-wmv"),
        "avi" | "divx" => video("video/x-msvideo"),
        "mkv" => video("video/x-matroska"),
        "m2t" | "m2ts" | "mts" => video("video/mp2t"),
        "mpg" | "mpeg" | "mod" | "tod" | "mmv" => video("video/mpeg"),
        _ => return None,
    })
}

/// The size of a JPEG or PNG.
fn pixels(head: &[u8]) -> Option<(u32, u32)> {
    let big = |at: usize, count: usize| {
        let bytes = head.get(at..at.checked_add(count)?)?;
        Some(
            bytes
                .iter()
                .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)),
        )
    };
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some((big(16, 4)?, big(20, 4)?));
    }
    if !head.starts_with(&[0xFF, 0xD8]) {
        return None;
    }
    let mut at = 2;
    loop {
        let marker = big(at, 2)?;
        match marker {
            // Padding.
            0xFFFF => at += 1,
            // Every start of frame; C4, C8 and CC are something else.
            0xFFC0..=0xFFCF if !matches!(marker, 0xFFC4 | 0xFFC8 | 0xFFCC) => {
                return Some((big(at + 7, 2)?, big(at + 5, 2)?));
            }
            0xFF01 | 0xFFD0..=0xFFD8 => at += 2,
            0xFF02.. => at += 2 + (big(at + 2, 2)? as usize).max(2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
