//! Pictures and videos that are real enough for who looks inside.

use crate::desk::photo;

/// A JPEG of any size, with the noise of a camera.
pub(crate) fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
    let wide = usize::from(width);
    let noise: Vec<u8> = photo(1, wide + 4096).iter().map(|byte| byte & 63).collect();
    let mut pixels = Vec::with_capacity(wide * usize::from(height));
    for row in 0..usize::from(height) {
        // Another part of the noise for each row.
        let from = row * 797 % 4096;
        pixels.extend_from_slice(&noise[from..from + wide]);
    }
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, 90)
        .encode(&pixels, width, height, jpeg_encoder::ColorType::Luma)
        .unwrap();
    bytes
}

/// A JPEG of any size, all of it grey, without the seconds that an encoder needs for millions of pixels: each block is the
/// same six bits, "no change" and "nothing more" in the codes of Annex K of T.81.
pub(crate) fn plain_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut block = Vec::new();
    jpeg_encoder::Encoder::new(&mut block, 90)
        .encode(&[128; 64], 8, 8, jpeg_encoder::ColorType::Luma)
        .unwrap();
    let picture = claiming(&block, width, height);
    let scan = picture
        .windows(2)
        .position(|it| it == [0xFF, 0xDA])
        .unwrap();
    let bits = scan + 2 + usize::from(u16::from_be_bytes([picture[scan + 2], picture[scan + 3]]));
    let blocks = usize::from(width.div_ceil(8)) * usize::from(height.div_ceil(8));
    // Filled up with ones.
    let last: &[u8] = [&[][..], &[0x2B], &[0x28, 0xAF], &[0x28, 0xA2, 0xBF]][blocks % 4];
    let fours = [0x28, 0xA2, 0x8A].repeat(blocks / 4);
    [&picture[..bits], &fours, last, &[0xFF, 0xD9]].concat()
}

/// A PNG in one colour, as a screenshot is.
pub(crate) fn png_of(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let pixels = vec![200; width as usize * height as usize];
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A segment after the first one, which is JFIF's.
pub(crate) fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() + 2) as u16;
    let segment = [&[0xFF, marker][..], &length.to_be_bytes(), content].concat();
    [&jpeg[..20], &segment, &jpeg[20..]].concat()
}

/// A JPEG with a date in its EXIF data.
pub(crate) fn with_date(jpeg: &[u8]) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        let (tag, kind) = (tag.to_le_bytes(), kind.to_le_bytes());
        [&tag[..], &kind, &count.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let mut tiff = b"Exif\0\0II*\0\x08\0\0\0".to_vec();
    tiff.extend(1_u16.to_le_bytes());
    tiff.extend(entry(0x8769, 4, 1, 26));
    tiff.extend(0_u32.to_le_bytes());
    tiff.extend(1_u16.to_le_bytes());
    tiff.extend(entry(0x9003, 2, 20, 44));
    tiff.extend(0_u32.to_le_bytes());
    tiff.extend(b"2024:05:06 07:08:09\0");
    with_segment(jpeg, 0xE1, &tiff)
}

/// A JPEG whose header says another size than it has.
pub(crate) fn claiming(jpeg: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    let is_frame = |window: &[u8]| matches!(window, [0xFF, 0xC0..=0xC2]);
    let at = jpeg.windows(2).position(is_frame).unwrap();
    jpeg[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

/// A short video that plays, with or without a date in its header.
pub(crate) fn clip(has_date: bool) -> Vec<u8> {
    let mut video = include_bytes!("../../fixtures/clip.mp4").to_vec();
    if !has_date {
        let header = video.windows(4).position(|window| window == b"mvhd");
        let header = header.unwrap();
        video[header + 8..header + 16].fill(0);
    }
    video
}
