//! What it takes to make a smaller copy of a large picture.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use jpeg_encoder::SamplingFactor;

use crate::desk::{Desk, Ended, photo};
use crate::library::{Library, settle_in};

/// The most memory that the program held so far, in bytes.
fn peak_of(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// A JPEG with the noise of a camera; cameras save half of the detail in colours, or all of it.
fn colourful_jpeg(width: u16, height: u16, colours: SamplingFactor) -> Vec<u8> {
    let wide = usize::from(width) * 3;
    let noise: Vec<u8> = photo(1, wide + 4096).iter().map(|byte| byte & 31).collect();
    let mut pixels = Vec::with_capacity(wide * usize::from(height));
    for row in 0..usize::from(height) {
        let from = row * 797 % 4096;
        pixels.extend_from_slice(&noise[from..from + wide]);
    }
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    encoder.set_sampling_factor(colours);
    encoder
        .encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    bytes
}

/// The time goes into `target/remotes/storage-saver.txt`, with the memory.
#[test]
fn smaller_copy_takes_bounded_memory_however_large_the_picture_is() {
    let mut figures = String::new();
    // The largest that is decoded at its full size, with all the detail in its colours; then as cameras save them.
    for (width, height, colours) in [
        (9_200, 6_900, SamplingFactor::F_1_1),
        (9_200, 6_900, SamplingFactor::F_2_2),
        (11_600, 8_700, SamplingFactor::F_2_2),
    ] {
        let (desk, library) = (Desk::new(), Library::start(|_| None));
        settle_in(&desk, &library, true);
        let picture = colourful_jpeg(width, height, colours);
        let size = picture.len();
        desk.rescue(&[("internal/DCIM/Camera/large.jpg".to_owned(), picture)]);
        let begin = Instant::now();
        let mut child = desk.start(&[
            "upload",
            "rescued",
            "--to",
            "photos",
            "--quality",
            "storage-saver",
            "--json",
        ]);
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            peak = peak.max(peak_of(child.id()).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(5));
        }
        let seconds = begin.elapsed().as_secs_f64();
        let ended = Ended::of(child.wait_with_output().unwrap()).expect(0);
        assert_eq!(ended.line("upload_summary")["copies"], 1, "{}", ended.all);
        let megapixels = u32::from(width) * u32::from(height) / 1_000_000;
        writeln!(
            figures,
            "{megapixels} megapixels, {} MB: {} MB of memory, {seconds:.1} s",
            size / 1_000_000,
            peak / 1_000_000,
        )
        .unwrap();
        assert!(library.items()[0].size < size as u64 / 2);
        assert!(peak > size as u64, "{figures}");
        assert!(peak < 600_000_000, "{figures}");
    }
    println!("{figures}");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/remotes");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("storage-saver.txt"), figures).unwrap();
}
