//! Pictures and videos that are real enough for who looks inside.

use crate::desk::photo;

/// A JPEG of any size, with the noise of a camera, so that a smaller copy is worth making.
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
