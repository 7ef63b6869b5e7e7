//! A JPEG's segments (ITU T.81, annex B), as far as a copy needs them. Untrusted: bounded in
//! number and size.

use crate::media::ReadSeek;
use std::io::SeekFrom;

/// The bytes that EXIF data begins with in its segment.
pub(super) const EXIF_MARK: &[u8] = b"Exif\0\0";
/// The longest content of a segment, in bytes.
pub(super) const MAX_CONTENT: usize = 65_533;
/// More segments than any photo has before its pixels.
const MAX_SEGMENTS: usize = 1000;
/// More scans than any encoder makes; each one costs a decoder a walk over all pixels.
const MAX_SCANS: usize = 64;

/// What stands before a date in XMP, which may be in a picture's own format or beside EXIF data.
const XMP_DATES: [&[u8]; 4] = [
    b"DateTimeOriginal",
    b"DateTimeDigitized",
    b"DateCreated",
    b"CreateDate",
];

/// Everything in a JPEG before the pixels.
#[derive(Debug, Clone, Default)]
pub(super) struct JpegHeader {
    pub(super) segments: Vec<Segment>,
    /// Width, height and number of colours. Only the first frame counts.
    pub(super) frame: Option<Frame>,
    /// The offset of the first scan.
    pub(super) scan_at: u64,
}

/// A segment: a marker, a length and the content.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) marker: u8,
    /// The offset of the segment's marker.
    pub(super) at: u64,
    /// The offset of the next segment.
    pub(super) end: u64,
    /// The content, for segments that describe the picture.
    pub(super) content: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) is_progressive: bool,
}

impl Frame {
    pub(super) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

impl JpegHeader {
    /// Reads the header; returns `None` if the file is not a valid JPEG.
    pub(super) fn read(file: &mut dyn ReadSeek) -> Option<Self> {
        file.seek(SeekFrom::Start(0)).ok()?;
        let mut start = [0; 2];
        file.read_exact(&mut start).ok()?;
        if start != [0xFF, 0xD8] {
            return None;
        }
        let mut header = Self::default();
        let mut position = 2;
        for _ in 0..MAX_SEGMENTS {
            let at = position;
            let mut byte = [0];
            file.read_exact(&mut byte).ok()?;
            if byte != [0xFF] {
                return None;
            }
            // Any number of these may stand before a marker.
            let mut filled = 0;
            while byte == [0xFF] {
                file.read_exact(&mut byte).ok()?;
                filled += 1;
                if filled > MAX_CONTENT {
                    return None;
                }
            }
            let [marker] = byte;
            position += 1 + filled as u64;
            match marker {
                0xDA => {
                    header.scan_at = at;
                    return Some(header);
                }
                // Neither an end nor a second beginning belongs here.
                0x00 | 0x01 | 0xD0..=0xD9 => return None,
                _ => {}
            }
            let mut length = [0; 2];
            file.read_exact(&mut length).ok()?;
            let length = u16::from_be_bytes(length).checked_sub(2)?;
            let mut content = vec![0; length.into()];
            file.read_exact(&mut content).ok()?;
            position += 2 + u64::from(length);
            // SOF, but for DHT, JPG and DAC, which share its range.
            if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
                let [_, h1, h2, w1, w2, ..] = *content.as_slice() else {
                    return None;
                };
                header.frame.get_or_insert(Frame {
                    width: u16::from_be_bytes([w1, w2]),
                    height: u16::from_be_bytes([h1, h2]),
                    is_progressive: marker & 3 == 2,
                });
            }
            if !matches!(marker, 0xE0..=0xEF | 0xFE) {
                content = Vec::new();
            }
            header.segments.push(Segment {
                marker,
                at,
                end: position,
                content,
            });
        }
        None
    }

    /// Returns the segment with the EXIF data.
    pub(super) fn exif(&self) -> Option<&Segment> {
        self.segments
            .iter()
            .find(|segment| segment.marker == 0xE1 && segment.content.starts_with(EXIF_MARK))
    }

    /// Returns whether the file contains further pictures, according to the index of the Multi-Picture Format (CIPA
    /// DC-007). That index holds sizes and offsets that a change would make wrong.
    pub(super) fn has_more_pictures(&self) -> bool {
        let is_index = |segment: &Segment| segment.content.starts_with(b"MPF\0");
        self.segments
            .iter()
            .any(|segment| segment.marker == 0xE2 && is_index(segment))
    }

    /// Returns whether there is a date outside the EXIF data: in XMP, or as IPTC's creation date.
    pub(super) fn has_date_elsewhere(&self) -> bool {
        self.segments.iter().any(|segment| {
            let content = &segment.content;
            let is_xmp = segment.marker == 0xE1 && content.starts_with(b"http://ns.adobe.com/");
            let is_iptc = segment.marker == 0xED && content.starts_with(b"Photoshop 3.0\0");
            // Record 2, dataset 55, with the eight digits of a day.
            let days = content.windows(13).any(|window| {
                window.starts_with(&[0x1C, 2, 55, 0, 8])
                    && window
                        .iter()
                        .skip(5)
                        .any(|byte| matches!(byte, b'1'..=b'9'))
            });
            is_xmp && has_xmp_date(content) || is_iptc && days
        })
    }

    /// Returns whether the XMP says that a video is appended.
    pub(super) fn is_motion_photo(&self) -> bool {
        let names: [&[u8]; 2] = [b"MotionPhoto", b"MicroVideo"];
        let says = |content: &[u8]| {
            names
                .iter()
                .any(|name| content.windows(name.len()).any(|window| window == *name))
        };
        self.segments.iter().any(|segment| {
            segment.marker == 0xE1
                && segment.content.starts_with(b"http://ns.adobe.com/")
                && says(&segment.content)
        })
    }
}

/// Returns a segment with EXIF data; `None` if the data is too long.
pub(super) fn exif_segment(tiff: &[u8]) -> Option<Vec<u8>> {
    segment(0xE1, &[EXIF_MARK, tiff].concat())
}

/// Returns a segment; `None` if the content is too long.
pub(super) fn segment(marker: u8, content: &[u8]) -> Option<Vec<u8>> {
    if content.len() > MAX_CONTENT {
        return None;
    }
    let length = content.len() as u16 + 2;
    Some([&[0xFF, marker][..], &length.to_be_bytes(), content].concat())
}

/// Returns the offset behind the EOI marker of the picture whose first scan begins at `scan_at`. Returns `None` if
/// there is no such marker or an implausible number of scans.
pub(super) fn end_of(bytes: &[u8], scan_at: usize) -> Option<usize> {
    let mut at = scan_at;
    let mut scans = 0;
    loop {
        let rest = bytes.get(at..)?;
        let found = rest.iter().position(|byte| *byte == 0xFF)?;
        at += found;
        match *bytes.get(at + 1)? {
            // Pixels, restarts and filling.
            0x00 | 0xD0..=0xD7 => at += 2,
            0xFF => at += 1,
            0xD9 => return Some(at + 2),
            marker => {
                scans += usize::from(marker == 0xDA);
                if scans > MAX_SCANS {
                    return None;
                }
                let length = bytes.get(at + 2..)?.first_chunk()?;
                at += 2 + usize::from(u16::from_be_bytes(*length)).max(2);
            }
        }
    }
}

/// Returns whether XMP says when a picture was taken.
pub(super) fn has_xmp_date(xmp: &[u8]) -> bool {
    let mut names = XMP_DATES.iter();
    names.any(|name| xmp.windows(name.len()).any(|window| window == *name))
}
