//! Rescue folders to export, made through the library as a pull makes them.

use std::path::Path;

use rescue::folder::bag;

use crate::support::made;
pub(crate) use crate::support::made::{Bytes, FIRST_TIME, File, noise};

/// Makes a rescue folder of files that the phone confirmed, and the bag's own files.
pub(crate) fn make(path: &Path, files: impl IntoIterator<Item = File>) {
    let folder = made::make(path, files);
    let day = chrono::NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
    bag::write(&folder, day).unwrap();
}

/// A picture of some colours.
pub(crate) fn picture(width: u16, height: u16, seed: u64) -> Vec<u8> {
    let shade = |x: u16, y: u16| {
        let wave =
            |by: u64| ((u64::from(x) * (by + 1) + u64::from(y) * (seed % 7 + 1)) / 3 % 256) as u8;
        [wave(seed % 3), wave(seed % 5), (seed * 37 % 256) as u8]
    };
    let row = |y: u16| (0..width).flat_map(move |x| shade(x, y));
    let pixels: Vec<u8> = (0..height).flat_map(row).collect();
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, 70)
        .encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    bytes
}

/// The picture with EXIF data as a phone writes it: a time and a small picture.
pub(crate) fn with_exif(jpeg: &[u8], time: i64, thumb: &[u8]) -> Vec<u8> {
    let time = chrono::DateTime::from_timestamp(time, 0).unwrap();
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    // IFD0 at 8 with one entry, IFD1 at 26 with two, the text at 56, the small picture at 76.
    tiff.extend(1_u16.to_le_bytes());
    let entries = |tiff: &mut Vec<u8>, list: &[(u16, u16, u32, u32)]| {
        for (tag, kind, count, value) in list {
            tiff.extend(tag.to_le_bytes());
            tiff.extend(kind.to_le_bytes());
            tiff.extend(count.to_le_bytes());
            tiff.extend(value.to_le_bytes());
        }
    };
    entries(&mut tiff, &[(0x0132, 2, 20, 56)]);
    tiff.extend(26_u32.to_le_bytes());
    tiff.extend(2_u16.to_le_bytes());
    entries(
        &mut tiff,
        &[(0x0201, 4, 1, 76), (0x0202, 4, 1, thumb.len() as u32)],
    );
    tiff.extend(0_u32.to_le_bytes());
    tiff.extend(time.format("%Y:%m:%d %H:%M:%S\0").to_string().as_bytes());
    assert_eq!(tiff.len(), 76);
    tiff.extend(thumb);
    let length = (2 + 6 + tiff.len()) as u16;
    let segment = [&[0xFF, 0xE1][..], &length.to_be_bytes(), b"Exif\0\0", &tiff].concat();
    [&jpeg[..2], &segment, &jpeg[2..]].concat()
}
