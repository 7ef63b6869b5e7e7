//! A smaller picture of a large one: decoded, made smaller, encoded, with everything that the
//! original says about itself.
//!
//! Memory is bounded by [`MAX_DECODED`]: what is much larger is decoded at a half, a quarter or an
//! eighth of its size, which a JPEG allows.

use std::io::{Cursor, Read};

use fast_image_resize::images::TypedImage;
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use jpeg_decoder::PixelFormat;

use super::jpeg::{self, EXIF_MARK, JpegHeader};
use super::tiff;

/// The largest number of pixels in a scaled-down copy.
pub(crate) const MAX_PIXELS: u64 = 16_000_000;
/// The most that is decoded, in pixels; each takes up to six bytes.
const MAX_DECODED: u64 = 64_000_000;
/// The same for progressive pictures, whose coefficients have to be held too.
const MAX_PROGRESSIVE: u64 = 24_000_000;
/// Larger pictures are no photos, in pixels.
const MAX_CLAIMED: u64 = 300_000_000;
/// As good as phones' own cameras save.
const QUALITY: u8 = 90;

/// Returns why a picture is not scaled down, judged by its header; `None` if scaling down is worth trying.
pub(super) fn why_not(header: &JpegHeader) -> Option<&'static str> {
    let Some(frame) = header.frame else {
        return Some("it cannot be read as a JPEG");
    };
    let pixels = frame.pixels();
    if header.is_motion_photo() {
        return Some("a motion photo: its video would be lost");
    }
    if header.has_more_pictures() {
        return Some("it holds more than one picture");
    }
    if pixels > MAX_CLAIMED {
        return Some("it claims more than 300 megapixels");
    }
    if frame.is_progressive && pixels > MAX_PROGRESSIVE {
        return Some("a progressive JPEG of this size takes too much memory");
    }
    None
}

/// Returns a copy with at most `max_pixels` pixels, or why that is not possible.
pub(super) fn smaller(original: &[u8], max_pixels: u64) -> Result<Vec<u8>, &'static str> {
    let header =
        JpegHeader::read(&mut Cursor::new(original)).ok_or("it cannot be read as a JPEG")?;
    let scan_at = usize::try_from(header.scan_at).unwrap_or(usize::MAX);
    let end = jpeg::end_of(original, scan_at).ok_or("the picture is cut off")?;
    if end < original.len() {
        return Err("data follows the picture, as in a motion photo");
    }
    let frame = header.frame.ok_or("it cannot be read as a JPEG")?;
    let (width, height) = fitting(frame.width, frame.height, max_pixels);
    let mut bytes = original;
    // As in `look`, so that the decoder is compiled once.
    let mut decoder = jpeg_decoder::Decoder::new(&mut bytes as &mut dyn Read);
    decoder.set_max_decoding_buffer_size(MAX_DECODED as usize * 6);
    let not_decoded = |_| "it cannot be decoded";
    let (wide, high) = match frame.pixels() > MAX_DECODED {
        true => decoder.scale(width, height).map_err(not_decoded)?,
        false => (frame.width, frame.height),
    };
    if u64::from(wide) * u64::from(high) > MAX_DECODED {
        return Err("it takes too much memory to be made smaller");
    }
    let pixels = decoder.decode().map_err(not_decoded)?;
    let format = decoder.info().ok_or("it cannot be decoded")?.pixel_format;
    let (from, to) = ((wide, high), (width, height));
    let failed = "it cannot be made smaller";
    let (small, colours) = match format {
        PixelFormat::L8 => {
            let mut coloured = vec![0; pixels.len() * 3];
            for (colour, grey) in coloured.chunks_exact_mut(3).zip(&pixels) {
                colour.fill(*grey);
            }
            drop(pixels);
            let small = resized(coloured, from, to).ok_or(failed)?;
            let grey = small.into_iter().step_by(3).collect();
            (grey, jpeg_encoder::ColorType::Luma)
        }
        PixelFormat::RGB24 => (
            resized(pixels, from, to).ok_or(failed)?,
            jpeg_encoder::ColorType::Rgb,
        ),
        PixelFormat::L16 | PixelFormat::CMYK32 => {
            return Err("its colours are not those of photos");
        }
    };
    let mut encoded = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut encoded, QUALITY);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder
        .encode(&small, width, height, colours)
        .map_err(|_| failed)?;
    let copy = with_metadata(&header, &encoded, width, height).ok_or(failed)?;
    match copy.len() < original.len() {
        true => Ok(copy),
        false => Err("a smaller copy would take no less room"),
    }
}

/// Pixels of a picture of another size, width and height first. Red, green and blue only, and the same type for both
/// pictures: the library's code is compiled for each pair again, thirty times.
fn resized(mut pixels: Vec<u8>, from: (u16, u16), to: (u16, u16)) -> Option<Vec<u8>> {
    let mut small = vec![0; usize::from(to.0) * usize::from(to.1) * size_of::<U8x3>()];
    let large = TypedImage::<U8x3>::from_buffer(from.0.into(), from.1.into(), &mut pixels).ok()?;
    let mut target = TypedImage::<U8x3>::from_buffer(to.0.into(), to.1.into(), &mut small).ok()?;
    let how = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new()
        .resize_typed(&large, &mut target, &how)
        .ok()?;
    Some(small)
}

/// The largest size of the same shape that is small enough.
fn fitting(width: u16, height: u16, max_pixels: u64) -> (u16, u16) {
    let (wide, high) = (f64::from(width), f64::from(height));
    let factor = (max_pixels as f64 / (wide * high)).sqrt().min(1.0);
    let shrunk = |side: f64| ((side * factor).floor() as u16).max(1);
    (shrunk(wide), shrunk(high))
}

/// The new picture with the old one's segments that say something about it: EXIF with the new size,
/// XMP, ICC and all else, but for those that are about how the old one was encoded.
fn with_metadata(header: &JpegHeader, encoded: &[u8], width: u16, height: u16) -> Option<Vec<u8>> {
    let new = JpegHeader::read(&mut Cursor::new(encoded))?;
    let mut copy = vec![0xFF, 0xD8];
    for segment in &header.segments {
        match segment.marker {
            0xE0..=0xED | 0xEF | 0xFE => {}
            _ => continue,
        }
        let mut content = segment.content.clone();
        if segment.marker == 0xE1
            && let Some(tiff) = content.strip_prefix(EXIF_MARK)
        {
            let mut tiff = tiff.to_owned();
            // An invalid one is kept unchanged.
            if tiff::set_size(&mut tiff, width, height).is_ok() {
                content = [EXIF_MARK, &tiff].concat();
            }
        }
        copy.extend(jpeg::segment(segment.marker, &content)?);
    }
    let old_is_jfif = header.segments.iter().any(|segment| segment.marker == 0xE0);
    for segment in &new.segments {
        if segment.marker == 0xE0 && old_is_jfif {
            continue;
        }
        let (from, to) = (usize::try_from(segment.at), usize::try_from(segment.end));
        copy.extend_from_slice(encoded.get(from.ok()?..to.ok()?)?);
    }
    copy.extend_from_slice(encoded.get(usize::try_from(new.scan_at).ok()?..)?);
    Some(copy)
}
