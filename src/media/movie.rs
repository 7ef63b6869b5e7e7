//! The header of a video (MP4, MOV, 3GP), as far as it says when the video was taken and how long it is. The video is
//! untrusted: reading is bounded.

use crate::media::ReadSeek;
use std::io::{Read, SeekFrom};

use chrono::NaiveDateTime;

use super::taken::local;

/// The seconds from 1904-01-01, where a video's clock begins, to 1970-01-01.
pub(crate) const SINCE_1904: i64 = 2_082_844_800;
/// More boxes than any video has before its header is found.
const MAX_BOXES: usize = 4096;

/// The time in the header of a video.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MovieHeader {
    /// The offset of the creation time, in bytes from the beginning of the file. The modification time follows it.
    pub(crate) at: u64,
    /// How long both times are.
    pub(crate) width: TimeWidth,
    /// The creation time, in seconds since 1904.
    since_1904: u64,
    /// The length of the video in seconds, rounded up; 0 if unknown.
    pub(crate) seconds: u32,
}

/// The length of a time in a header; its version says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeWidth {
    FourBytes,
    EightBytes,
}

/// Returns the header of an MP4, MOV or 3GP video (ISO 14496-12: box `mvhd` inside `moov`); `None` for all other files.
pub(crate) fn movie_header(file: &mut dyn ReadSeek) -> Option<MovieHeader> {
    let end = file.seek(SeekFrom::End(0)).ok()?;
    let moov = box_named(file, *b"moov", 0, end)?;
    let (start, end) = box_named(file, *b"mvhd", moov.0, moov.1)?;
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut version = [0; 4];
    file.read_exact(&mut version).ok()?;
    let (width, times) = match version.first() {
        Some(1) => (TimeWidth::EightBytes, 16),
        _ => (TimeWidth::FourBytes, 8),
    };
    let since_1904 = read_time(file, width)?;
    let at = start + 4;
    let seconds = seconds(file, start + 4 + times, width).unwrap_or(0);
    (at + times <= end).then_some(MovieHeader {
        at,
        width,
        since_1904,
        seconds,
    })
}

/// Returns the length in seconds, from the fields behind the times: ticks per second, and the video's number of ticks.
fn seconds(file: &mut dyn ReadSeek, at: u64, width: TimeWidth) -> Option<u32> {
    file.seek(SeekFrom::Start(at)).ok()?;
    let a_second = u64::from(read_u32(file)?);
    let ticks = read_time(file, width)?;
    // All ones: unknown.
    let is_known = a_second > 0 && ticks < u64::from(u32::MAX);
    is_known.then(|| u32::try_from(ticks.div_ceil(a_second)).ok())?
}

impl MovieHeader {
    /// Returns the creation time as local time.
    pub(super) fn taken(&self) -> Option<NaiveDateTime> {
        let seconds = i64::try_from(self.since_1904).ok()?;
        // Some programs count from 1970.
        local(seconds.checked_sub(SINCE_1904)?).or_else(|| local(seconds))
    }

    /// Returns whether the header contains a time, however implausible. Zero and the beginning of 1970 count as no
    /// time: phones that do not know the time write those.
    pub(crate) fn tells_a_time(&self) -> bool {
        let day = 24 * 60 * 60;
        let since_1970 = self.since_1904.checked_sub(SINCE_1904.unsigned_abs());
        self.since_1904 > day && since_1970.is_none_or(|seconds| seconds > day)
    }
}

/// Returns where the content of the first box with this name begins and ends.
pub(super) fn box_named(
    file: &mut dyn ReadSeek,
    name: [u8; 4],
    start: u64,
    end: u64,
) -> Option<(u64, u64)> {
    let mut at = start;
    for _ in 0..MAX_BOXES {
        if at >= end {
            return None;
        }
        file.seek(SeekFrom::Start(at)).ok()?;
        let size = u64::from(read_u32(file)?);
        let mut kind = [0; 4];
        file.read_exact(&mut kind).ok()?;
        let (header, size) = match size {
            0 => (8, end - at),
            1 => (16, read_u64(file)?),
            size => (8, size),
        };
        let next = at.checked_add(size).filter(|_| size >= header)?;
        if kind == name {
            return Some((at + header, next.min(end)));
        }
        at = next;
    }
    None
}

fn read_time(file: &mut dyn ReadSeek, width: TimeWidth) -> Option<u64> {
    match width {
        TimeWidth::EightBytes => read_u64(file),
        TimeWidth::FourBytes => read_u32(file).map(u64::from),
    }
}

fn read_u32(file: &mut dyn Read) -> Option<u32> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes).ok()?;
    Some(u32::from_be_bytes(bytes))
}

fn read_u64(file: &mut dyn Read) -> Option<u64> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes).ok()?;
    Some(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn of_video(file: &mut dyn ReadSeek) -> Option<NaiveDateTime> {
        movie_header(file)?.taken()
    }

    fn boxed(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
        let size = 8 + contents.len() as u32;
        [&size.to_be_bytes(), &name[..], contents].concat()
    }

    #[test]
    fn videos_tell_when_wherever_their_header_is() {
        let seconds = 1_723_973_400_i64;
        let old = (seconds + SINCE_1904) as u32;
        let old = [&[0; 4][..], &old.to_be_bytes(), &[0; 20]].concat();
        let new = ((seconds + SINCE_1904) as u64).to_be_bytes();
        let new = [&[1, 0, 0, 0][..], &new, &[0; 20]].concat();
        let expected = local(seconds);
        assert!(expected.is_some());
        for header in [old, new] {
            let moov = boxed(
                b"moov",
                &[boxed(b"udta", b"x"), boxed(b"mvhd", &header)].concat(),
            );
            let before = [
                boxed(b"ftyp", b"isom"),
                moov.clone(),
                boxed(b"mdat", &[7; 99]),
            ]
            .concat();
            // A size of 64 bits.
            let mdat = [&[0, 0, 0, 1][..], b"mdat", &26_u64.to_be_bytes(), &[7; 10]].concat();
            let after = [boxed(b"ftyp", b"isom"), mdat, moov].concat();
            for video in [before, after] {
                assert_eq!(of_video(&mut Cursor::new(&video)), expected);
                // However it is cut, it ends, and tells the time or nothing.
                for length in 0..video.len() {
                    let told = of_video(&mut Cursor::new(&video[..length]));
                    assert!(told.is_none() || told == expected);
                }
            }
        }
        let from_1970 = [&[0; 4][..], &(seconds as u32).to_be_bytes(), &[0; 20]].concat();
        let from_1970 = boxed(b"moov", &boxed(b"mvhd", &from_1970));
        assert_eq!(of_video(&mut Cursor::new(from_1970)), expected);
        let clip: &[u8] = include_bytes!("../../fixtures/clip.mp4");
        // 2024-08-18 15:30 UTC, written by ffmpeg.
        assert_eq!(of_video(&mut Cursor::new(clip)), local(1_723_995_000));
        assert_eq!(movie_header(&mut Cursor::new(clip)).unwrap().seconds, 2);
        let endless = boxed(b"free", b"").repeat(MAX_BOXES * 2);
        assert_eq!(of_video(&mut Cursor::new(endless)), None);
    }
}
