//! The still picture that some cameras and programs put into a video (MP4, MOV, 3GP): an iTunes cover, Canon's
//! `CNDA`, Samsung's and Sony's own boxes. All stand in `moov`'s `udta` or `meta`, as a JPEG.

use crate::media::ReadSeek;
use std::io::{Read, SeekFrom};

use super::super::movie::box_named;

/// The most bytes of a box that are searched.
const MAX_BOX_BYTES: u64 = 1024 * 1024;
const BEGIN: [u8; 3] = [0xFF, 0xD8, 0xFF];
const END: [u8; 2] = [0xFF, 0xD9];

/// Returns the first JPEG in a video's metadata (box `udta` or `meta` inside `moov`). The bytes end with the last end
/// marker found; a decoder finds the JPEG's real end.
pub(super) fn held(file: &mut dyn ReadSeek) -> Option<Vec<u8>> {
    let end = file.seek(SeekFrom::End(0)).ok()?;
    let moov = box_named(file, *b"moov", 0, end)?;
    [*b"udta", *b"meta"]
        .into_iter()
        .find_map(|name| picture(file, name, moov))
}

fn picture(file: &mut dyn ReadSeek, name: [u8; 4], moov: (u64, u64)) -> Option<Vec<u8>> {
    let (start, end) = box_named(file, name, moov.0, moov.1)?;
    let length = (end - start).min(MAX_BOX_BYTES);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).ok()?;
    let begin = bytes.windows(BEGIN.len()).position(|it| it == BEGIN)?;
    let last = bytes.windows(END.len()).rposition(|it| it == END)?;
    bytes.get(begin..last + END.len()).map(<[u8]>::to_vec)
}
