//! A phone's display.

/// What a phone's display shows, as a PNG of 540 pixels by so many: stripes.
pub(crate) fn display(height: u32) -> Vec<u8> {
    let width = 540_u32;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let shade = |n: u32| {
        let (row, column) = (n / width, n % width);
        [(row / 120 * 20) as u8, 90, (column / 60 * 25) as u8]
    };
    let pixels: Vec<u8> = (0..width * height).flat_map(shade).collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    drop(writer);
    bytes
}
