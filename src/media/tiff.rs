//! Adds a date to EXIF data (a TIFF structure, EXIF 2.32). Pure; the data is untrusted.
//!
//! Existing data does not move: the two directories that change are written again at the end, and everything they
//! point to stays in place. So the camera maker's notes, which only its own programs can read, stay readable.

use chrono::NaiveDateTime;

/// The directory of what EXIF adds to TIFF.
const EXIF_DIRECTORY: u16 = 0x8769;
const EXIF_VERSION: u16 = 0x9000;
const DATE_TIME: u16 = 0x0132;
const DATE_TIME_ORIGINAL: u16 = 0x9003;
const DATE_TIME_DIGITIZED: u16 = 0x9004;
const OFFSET_TIME_ORIGINAL: u16 = 0x9011;
const PIXEL_X_DIMENSION: u16 = 0xA002;
const PIXEL_Y_DIMENSION: u16 = 0xA003;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;
/// More bytes than are looked at of a date.
const MAX_DATE: usize = 64;
/// More than any directory has.
const MAX_ENTRIES: usize = 1000;

/// The error for invalid EXIF data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged;

/// The reason why no date is added to EXIF data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The EXIF data is invalid.
    Damaged,
    /// The EXIF data contains a date, in any form. It is never overwritten.
    HasDate,
}

impl From<Damaged> for Unfit {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

/// One entry of a directory, with its value or the value's offset, as in the file.
#[derive(Debug, Clone, Copy)]
struct IfdEntry {
    tag: u16,
    kind: u16,
    count: u32,
    value: [u8; 4],
    /// The offset of the value.
    at: usize,
}

struct Ifd {
    entries: Vec<IfdEntry>,
    next: u32,
}

/// The byte order of numbers.
#[derive(Debug, Clone, Copy)]
struct Order {
    is_little: bool,
}

impl Order {
    fn of(tiff: &[u8]) -> Result<Self, Damaged> {
        let is_little = match tiff.get(..4) {
            Some(b"II*\0") => true,
            Some(b"MM\0*") => false,
            _ => return Err(Damaged),
        };
        Ok(Self { is_little })
    }

    fn read_u16(self, bytes: &[u8], at: usize) -> Result<u16, Damaged> {
        let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
        let bytes = *bytes.ok_or(Damaged)?;
        Ok(match self.is_little {
            true => u16::from_le_bytes(bytes),
            false => u16::from_be_bytes(bytes),
        })
    }

    fn read_u32(self, bytes: &[u8], at: usize) -> Result<u32, Damaged> {
        let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
        let bytes = *bytes.ok_or(Damaged)?;
        Ok(match self.is_little {
            true => u32::from_le_bytes(bytes),
            false => u32::from_be_bytes(bytes),
        })
    }

    fn u16(self, number: u16) -> [u8; 2] {
        match self.is_little {
            true => number.to_le_bytes(),
            false => number.to_be_bytes(),
        }
    }

    fn u32(self, number: u32) -> [u8; 4] {
        match self.is_little {
            true => number.to_le_bytes(),
            false => number.to_be_bytes(),
        }
    }
}

fn directory(tiff: &[u8], order: Order, at: u32) -> Result<Ifd, Damaged> {
    let at = usize::try_from(at).map_err(|_| Damaged)?;
    let count = usize::from(order.read_u16(tiff, at)?);
    if count > MAX_ENTRIES {
        return Err(Damaged);
    }
    let mut entries = Vec::with_capacity(count);
    for number in 0..count {
        let at = at + 2 + 12 * number;
        let value = tiff.get(at + 8..).and_then(|rest| rest.first_chunk());
        entries.push(IfdEntry {
            tag: order.read_u16(tiff, at)?,
            kind: order.read_u16(tiff, at + 2)?,
            count: order.read_u32(tiff, at + 4)?,
            value: *value.ok_or(Damaged)?,
            at: at + 8,
        });
    }
    let next = order.read_u32(tiff, at + 2 + 12 * count)?;
    Ok(Ifd { entries, next })
}

/// Returns EXIF data with a date added to the existing data, or with only the date.
pub(super) fn with_date(
    tiff: Option<&[u8]>,
    at: NaiveDateTime,
    offset: Option<&str>,
) -> Result<Vec<u8>, Unfit> {
    let mut out = match tiff {
        Some(tiff) => tiff.to_owned(),
        None => b"MM\0*\0\0\0\x08".to_vec(),
    };
    let order = Order::of(&out)?;
    let (mut main, mut exif) = match tiff {
        None => (Ifd::empty(), Ifd::empty()),
        Some(tiff) => {
            let main = directory(tiff, order, order.read_u32(tiff, 4)?)?;
            let exif = match main.entry(EXIF_DIRECTORY) {
                Some(entry) => directory(tiff, order, order.read_u32(&entry.value, 0)?)?,
                None => Ifd::empty(),
            };
            let says = |directory: &Ifd, tag| {
                let entry = directory.entry(tag);
                entry.is_some_and(|entry| entry.says_something(tiff, order))
            };
            if says(&main, DATE_TIME)
                || says(&exif, DATE_TIME_ORIGINAL)
                || says(&exif, DATE_TIME_DIGITIZED)
            {
                return Err(Unfit::HasDate);
            }
            (main, exif)
        }
    };
    let date = format!("{}\0", at.format("%Y:%m:%d %H:%M:%S"));
    exif.set(order, &mut out, DATE_TIME_ORIGINAL, ASCII, date.as_bytes());
    if let Some(offset) = offset {
        let offset = format!("{offset}\0");
        exif.set(
            order,
            &mut out,
            OFFSET_TIME_ORIGINAL,
            ASCII,
            offset.as_bytes(),
        );
    }
    if exif.entry(EXIF_VERSION).is_none() {
        exif.set(order, &mut out, EXIF_VERSION, UNDEFINED, b"0232");
    }
    let exif_at = exif.write(order, &mut out)?;
    main.set(order, &mut out, EXIF_DIRECTORY, LONG, &order.u32(exif_at));
    let main_at = main.write(order, &mut out)?;
    out.get_mut(4..8)
        .ok_or(Damaged)?
        .copy_from_slice(&order.u32(main_at));
    Ok(out)
}

/// Corrects the picture's size in pixels, if the EXIF data contains one.
pub(super) fn set_size(tiff: &mut [u8], width: u16, height: u16) -> Result<(), Damaged> {
    let order = Order::of(tiff)?;
    let main = directory(tiff, order, order.read_u32(tiff, 4)?)?;
    let Some(exif) = main.entry(EXIF_DIRECTORY) else {
        return Ok(());
    };
    let exif = directory(tiff, order, order.read_u32(&exif.value, 0)?)?;
    for (tag, pixels) in [(PIXEL_X_DIMENSION, width), (PIXEL_Y_DIMENSION, height)] {
        let Some(entry) = exif.entry(tag).filter(|entry| entry.count == 1) else {
            continue;
        };
        let place = tiff.get_mut(entry.at..entry.at + 4).ok_or(Damaged)?;
        match entry.kind {
            SHORT => {
                let [first, second] = order.u16(pixels);
                place.copy_from_slice(&[first, second, 0, 0]);
            }
            LONG => place.copy_from_slice(&order.u32(pixels.into())),
            _ => return Err(Damaged),
        }
    }
    Ok(())
}

impl IfdEntry {
    /// Whether its value has a letter or a digit but 0: what is not there says nothing, and neither
    /// do `0000:00:00 00:00:00` and blanks.
    fn says_something(&self, tiff: &[u8], order: Order) -> bool {
        let bytes_each = match self.kind {
            SHORT => 2,
            LONG => 4,
            _ => 1,
        };
        let length = usize::try_from(self.count).unwrap_or(usize::MAX);
        let length = length.saturating_mul(bytes_each).min(MAX_DATE);
        let value = match length {
            0..=4 => self.value.get(..length),
            _ => order
                .read_u32(&self.value, 0)
                .ok()
                .and_then(|at| tiff.get(usize::try_from(at).ok()?..))
                .map(|rest| rest.get(..length).unwrap_or(rest)),
        };
        let value = value.unwrap_or_default();
        value
            .iter()
            .any(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'1'..=b'9'))
    }
}

impl Ifd {
    fn empty() -> Self {
        Self {
            entries: Vec::new(),
            next: 0,
        }
    }

    fn entry(&self, tag: u16) -> Option<&IfdEntry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// Puts an entry in; a value that does not fit into it goes to the end of the data.
    fn set(&mut self, order: Order, out: &mut Vec<u8>, tag: u16, kind: u16, bytes: &[u8]) {
        let value = match bytes.len() {
            0..=4 => {
                let mut value = [0; 4];
                for (place, byte) in value.iter_mut().zip(bytes) {
                    *place = *byte;
                }
                value
            }
            _ => {
                align(out);
                let at = out.len() as u32;
                out.extend_from_slice(bytes);
                order.u32(at)
            }
        };
        let count = match kind {
            LONG => 1,
            _ => bytes.len() as u32,
        };
        self.entries.retain(|entry| entry.tag != tag);
        self.entries.push(IfdEntry {
            tag,
            kind,
            count,
            value,
            at: 0,
        });
    }

    /// Writes it to the end of the data; says where.
    fn write(&mut self, order: Order, out: &mut Vec<u8>) -> Result<u32, Damaged> {
        align(out);
        let at = u32::try_from(out.len()).map_err(|_| Damaged)?;
        self.entries.sort_by_key(|entry| entry.tag);
        let count = u16::try_from(self.entries.len()).map_err(|_| Damaged)?;
        out.extend_from_slice(&order.u16(count));
        for entry in &self.entries {
            out.extend_from_slice(&order.u16(entry.tag));
            out.extend_from_slice(&order.u16(entry.kind));
            out.extend_from_slice(&order.u32(entry.count));
            out.extend_from_slice(&entry.value);
        }
        out.extend_from_slice(&order.u32(self.next));
        Ok(at)
    }
}

/// TIFF wants values at even places.
fn align(out: &mut Vec<u8>) {
    if !out.len().is_multiple_of(2) {
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> NaiveDateTime {
        NaiveDateTime::parse_from_str("2024-08-18 09:30:01", "%Y-%m-%d %H:%M:%S").unwrap()
    }

    fn text(tiff: &[u8], tag: exif::Tag) -> Option<String> {
        let exif = exif::Reader::new().read_raw(tiff.to_vec()).unwrap();
        let field = exif.get_field(tag, exif::In::PRIMARY)?;
        Some(field.display_value().to_string())
    }

    #[test]
    fn data_of_nothing_but_a_date_is_read_by_others() {
        let tiff = with_date(None, at(), Some("+02:00")).unwrap();
        let read = |tag| text(&tiff, tag);
        let date = read(exif::Tag::DateTimeOriginal);
        assert_eq!(date.as_deref(), Some("2024-08-18 09:30:01"));
        let offset = read(exif::Tag::OffsetTimeOriginal);
        assert_eq!(offset.as_deref(), Some("\"+02:00\""));
    }

    #[test]
    fn what_was_there_stays_where_it_was() {
        // Orientation 6, a maker in 20 characters, and a note of the maker in the EXIF directory.
        for order in [true, false].map(|is_little| Order { is_little }) {
            let mark = if order.is_little { b"II*\0" } else { b"MM\0*" };
            let mut old = [&mark[..], &order.u32(8)].concat();
            let mut main = Ifd {
                entries: Vec::new(),
                next: 0,
            };
            let mut exif = Ifd::empty();
            exif.set(order, &mut old, 0x927C, UNDEFINED, b"a note of the maker");
            exif.set(order, &mut old, PIXEL_X_DIMENSION, LONG, &order.u32(4000));
            let exif_at = exif.write(order, &mut old).unwrap();
            main.set(order, &mut old, 0x010F, ASCII, b"Maker of telephones\0");
            main.set(order, &mut old, 0x0112, SHORT, &order.u16(6));
            main.entries.last_mut().unwrap().count = 1;
            main.set(order, &mut old, EXIF_DIRECTORY, LONG, &order.u32(exif_at));
            let main_at = main.write(order, &mut old).unwrap();
            old[4..8].copy_from_slice(&order.u32(main_at));

            let mut new = with_date(Some(&old), at(), None).unwrap();
            assert_eq!(new[8..old.len()], old[8..]);
            let read = |new: &[u8], tag| text(new, tag).unwrap();
            assert_eq!(
                read(&new, exif::Tag::DateTimeOriginal),
                "2024-08-18 09:30:01"
            );
            assert!(read(&new, exif::Tag::Make).contains("Maker of telephones"));
            assert!(read(&new, exif::Tag::Orientation).contains("right"));
            assert_eq!(read(&new, exif::Tag::MakerNote).len(), 2 + 2 * 19);
            assert_eq!(read(&new, exif::Tag::PixelXDimension), "4000");
            set_size(&mut new, 3000, 2000).unwrap();
            assert_eq!(read(&new, exif::Tag::PixelXDimension), "3000");
        }
    }

    #[test]
    fn date_in_whatever_form_is_never_written_over() {
        let order = Order { is_little: true };
        let with = |tag: u16, kind: u16, text: &[u8]| {
            let mut tiff = [&b"II*\0"[..], &order.u32(8)].concat();
            let (mut main, mut exif) = (Ifd::empty(), Ifd::empty());
            let directory = if tag == DATE_TIME {
                &mut main
            } else {
                &mut exif
            };
            directory.set(order, &mut tiff, tag, kind, text);
            let exif_at = exif.write(order, &mut tiff).unwrap();
            main.set(order, &mut tiff, EXIF_DIRECTORY, LONG, &order.u32(exif_at));
            let main_at = main.write(order, &mut tiff).unwrap();
            tiff[4..8].copy_from_slice(&order.u32(main_at));
            with_date(Some(&tiff), at(), None)
        };
        for tag in [DATE_TIME, DATE_TIME_ORIGINAL, DATE_TIME_DIGITIZED] {
            for text in [
                &b"2012-05-29T08:55:06Z"[..],
                b"Tuesday, May the 29th",
                b"05/06/2012 08:55:06\0",
                b"1970:01:01 00:00:00\0",
                b"2012",
            ] {
                for kind in [ASCII, UNDEFINED] {
                    assert_eq!(with(tag, kind, text), Err(Unfit::HasDate), "{text:?}");
                }
            }
            for text in [
                &b"0000:00:00 00:00:00\0"[..],
                b"    :  :     :  :  \0",
                b"\0",
            ] {
                assert!(with(tag, ASCII, text).is_ok(), "{text:?}");
            }
        }
    }

    #[test]
    fn nonsense_is_damaged_and_never_a_loop() {
        let whole = with_date(None, at(), None).unwrap();
        for length in 0..whole.len() {
            let _ = with_date(Some(&whole[..length]), at(), None);
            let _ = set_size(&mut whole[..length].to_vec(), 1, 1);
        }
        for place in 0..whole.len() {
            for flip in [0xFF, 0x80, 1] {
                let mut bad = whole.clone();
                bad[place] ^= flip;
                let _ = with_date(Some(&bad), at(), None);
                let _ = set_size(&mut bad, 1, 1);
            }
        }
        // A directory that is its own EXIF directory.
        let own = [
            &b"II*\0\x08\0\0\0\x01\0"[..],
            &[0x69, 0x87, 4, 0, 1, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0],
        ]
        .concat();
        assert!(with_date(Some(&own), at(), None).is_ok());
    }
}
