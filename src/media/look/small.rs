//! Makes a small picture from all the pixels of a JPEG or PNG, with little memory and in bounded time.

use std::io::{self, BufReader, Read};
use std::sync::PoisonError;
use std::time::Instant;

use jpeg_decoder::{CodingProcess, PixelFormat};

use super::{Looker, MAX_THUMB_BYTES};
use crate::media::ReadSeek;

/// The longer side of a small picture that is made here, in pixels.
const SIDE: usize = 192;
/// Progressive pictures have to be held as a whole; larger ones get no small picture.
const MAX_PROGRESSIVE_PIXELS: usize = 24_000_000;
/// Larger pictures are no photos.
const MAX_PIXELS: usize = 300_000_000;
/// The most memory for one picture's pixels, in bytes.
const MAX_PIXEL_BYTES: usize = 48 * 1024 * 1024;
/// Reads between two looks at the clock.
const READS_A_LOOK: u8 = 64;

impl Looker {
    pub(super) fn small_jpeg(&self, file: &mut dyn Read) -> Option<Vec<u8>> {
        let mut timed = Timed {
            inner: BufReader::new(file),
            end: Instant::now() + self.max_time,
            reads: 0,
        };
        let mut decoder = jpeg_decoder::Decoder::new(&mut timed as &mut dyn Read);
        decoder.set_max_decoding_buffer_size(MAX_PIXEL_BYTES);
        decoder.read_info().ok()?;
        let info = decoder.info()?;
        let pixels = usize::from(info.width) * usize::from(info.height);
        // Lossless ones are held as a whole too, and are no photos.
        let (is_progressive, most) = match info.coding_process {
            CodingProcess::DctSequential => (false, MAX_PIXELS),
            CodingProcess::DctProgressive => (true, MAX_PROGRESSIVE_PIXELS),
            CodingProcess::Lossless => return None,
        };
        if pixels > most {
            return None;
        }
        // Twice the size that is wanted, to be averaged down: an eighth of a photo, mostly.
        decoder.scale(2 * SIDE as u16, 2 * SIDE as u16).ok()?;
        let _one_at_a_time = (pixels > 4_000_000 && is_progressive)
            .then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner));
        let bytes = decoder.decode().ok()?;
        let info = decoder.info()?;
        let (width, height) = (usize::from(info.width), usize::from(info.height));
        let samples = match info.pixel_format {
            PixelFormat::L8 => 1,
            PixelFormat::RGB24 => 3,
            PixelFormat::L16 | PixelFormat::CMYK32 => return None,
        };
        let mut shrinking = Shrinking::new(width, height)?;
        for row in bytes.chunks_exact(width * samples) {
            shrinking.row(row, samples);
        }
        shrinking.finish()
    }

    /// Reads a PNG row by row. One whose rows come out of order gets no small picture.
    pub(super) fn small_png(&self, file: &mut dyn ReadSeek) -> Option<Vec<u8>> {
        let limits = png::Limits {
            bytes: MAX_PIXEL_BYTES,
        };
        let mut decoder = png::Decoder::new_with_limits(BufReader::new(file), limits);
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        decoder.ignore_checksums(true);
        let mut reader = decoder.read_info().ok()?;
        let (width, height) = (reader.info().width as usize, reader.info().height as usize);
        if reader.info().interlaced || width.checked_mul(height)? > MAX_PIXELS {
            return None;
        }
        let samples = reader.output_color_type().0.samples();
        let mut shrinking = Shrinking::new(width, height)?;
        let end = Instant::now() + self.max_time;
        for _ in 0..height {
            if Instant::now() > end {
                return None;
            }
            shrinking.row(reader.next_row().ok()??.data(), samples);
        }
        shrinking.finish()
    }
}

/// Averages rows of pixels down to a picture of at most [`SIDE`] on each side.
struct Shrinking {
    width: usize,
    height: usize,
    small_width: usize,
    small_height: usize,
    row: usize,
    /// Sums of red, green, blue, and how many pixels they are of, for each pixel of one small row.
    sums: Vec<[u32; 4]>,
    pixels: Vec<u8>,
}

impl Shrinking {
    fn new(width: usize, height: usize) -> Option<Self> {
        let longer = width.max(height);
        if width == 0 || height == 0 || longer > usize::from(u16::MAX) {
            return None;
        }
        let shrunk = |side: usize| match longer > SIDE {
            true => (side * SIDE / longer).max(1),
            false => side,
        };
        let (small_width, small_height) = (shrunk(width), shrunk(height));
        Some(Self {
            width,
            height,
            small_width,
            small_height,
            row: 0,
            sums: vec![[0; 4]; small_width],
            pixels: Vec::with_capacity(small_width * small_height * 3),
        })
    }

    fn row(&mut self, row: &[u8], samples: usize) {
        for (column, pixel) in row.chunks_exact(samples).take(self.width).enumerate() {
            let [red, green, blue] = match *pixel {
                [grey] => [grey; 3],
                [grey, alpha] => [on_white(grey, alpha); 3],
                [red, green, blue] => [red, green, blue],
                [red, green, blue, alpha] => [red, green, blue].map(|it| on_white(it, alpha)),
                _ => return,
            };
            if let Some(sum) = self.sums.get_mut(column * self.small_width / self.width) {
                let [reds, greens, blues, count] = sum;
                *reds += u32::from(red);
                *greens += u32::from(green);
                *blues += u32::from(blue);
                *count += 1;
            }
        }
        self.row += 1;
        let here = (self.row - 1) * self.small_height / self.height;
        if self.row == self.height || self.row * self.small_height / self.height > here {
            for sum in &mut self.sums {
                let [colours @ .., count] = std::mem::take(sum);
                let count = count.max(1);
                self.pixels
                    .extend(colours.map(|colour| (colour / count).min(255) as u8));
            }
        }
    }

    fn finish(self) -> Option<Vec<u8>> {
        let mut jpeg = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 60);
        let (width, height) = (self.small_width as u16, self.small_height as u16);
        encoder
            .encode(&self.pixels, width, height, jpeg_encoder::ColorType::Rgb)
            .ok()?;
        (jpeg.len() <= MAX_THUMB_BYTES).then_some(jpeg)
    }
}

/// A see-through pixel as it looks on white.
fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha)) / 255) as u8
}

/// Ends after a time: how long a picture takes says nothing about its bytes.
struct Timed<'a> {
    inner: BufReader<&'a mut dyn Read>,
    end: Instant,
    reads: u8,
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads = (self.reads + 1) % READS_A_LOOK;
        match self.reads == 0 && Instant::now() > self.end {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => self.inner.read(buffer),
        }
    }
}
