//! A PNG's place for EXIF data: the `eXIf` chunk, before the pixels (PNG, third edition, 11.3.4.6).

use crate::media::ReadSeek;
use std::io::SeekFrom;

use super::jpeg::has_xmp_date;

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// The length in bytes of the signature and the first chunk, whose data has 13 bytes.
pub(super) const AFTER_FIRST: u64 = 8 + 12 + 13;
/// More text than any picture has before its pixels, in bytes.
const MAX_TEXT: u32 = 1024 * 1024;
/// More chunks than any picture has before its pixels.
const MAX_CHUNKS: usize = 1000;

/// Whether EXIF data can be added to a PNG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It can be added after the first chunk.
    Free,
    /// It cannot: the file has EXIF data, or a date in another form.
    Taken,
}

/// Returns whether EXIF data can be added; `None` if the file is not a valid PNG.
pub(super) fn room(file: &mut dyn ReadSeek) -> Option<Room> {
    file.seek(SeekFrom::Start(0)).ok()?;
    let mut signature = [0; 8];
    file.read_exact(&mut signature).ok()?;
    if signature != SIGNATURE {
        return None;
    }
    let mut at = 8;
    for number in 0..MAX_CHUNKS {
        file.seek(SeekFrom::Start(at)).ok()?;
        let (mut length, mut name) = ([0; 4], [0; 4]);
        file.read_exact(&mut length).ok()?;
        file.read_exact(&mut name).ok()?;
        let length = u32::from_be_bytes(length);
        match &name {
            b"IHDR" if number == 0 && length == 13 => {}
            _ if number == 0 => return None,
            b"eXIf" => return Some(Room::Taken),
            // A date in words, or XMP.
            b"tEXt" | b"iTXt" if length <= MAX_TEXT => {
                let mut text = vec![0; usize::try_from(length).ok()?];
                file.read_exact(&mut text).ok()?;
                if text.starts_with(b"Creation Time\0") || has_xmp_date(&text) {
                    return Some(Room::Taken);
                }
            }
            b"IDAT" => return Some(Room::Free),
            _ => {}
        }
        at += 12 + u64::from(length);
    }
    None
}

/// Returns a chunk with EXIF data.
pub(super) fn exif_chunk(tiff: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(tiff.len()).ok()?;
    let mut sum = crc32fast::Hasher::new();
    sum.update(b"eXIf");
    sum.update(tiff);
    Some(
        [
            &length.to_be_bytes()[..],
            b"eXIf",
            tiff,
            &sum.finalize().to_be_bytes(),
        ]
        .concat(),
    )
}
