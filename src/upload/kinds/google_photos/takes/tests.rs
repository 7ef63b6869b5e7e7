//! A table of files, odd ones among them: what becomes of each, and what the person reads.

use super::*;

const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0\0\x10JFIF";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10";
const MP4: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0";
const NONSENSE: &[u8] = b"\x01\x02\x03\x04nothing known";

fn ftyp(brand: &[u8; 4]) -> Vec<u8> {
    [b"\0\0\0\x18ftyp", &brand[..], b"\0\0\0\0"].concat()
}

fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
    // An EXIF segment, padding, a table, and then the frame.
    let mut bytes =
        b"\xFF\xD8\xFF\xE1\0\x08Exif\0\0\xFF\xFF\xFF\xC4\0\x04\0\0\xFF\xC0\0\x11\x08".to_vec();
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([3, 1, 0x22, 0]);
    bytes
}

/// What a person reads, or the type that Google is told.
fn verdict(name: &str, head: &[u8], size: u64, limits: &Limits) -> String {
    match judge(name, head, size, limits) {
        Ok(taken) => taken.mime.to_owned(),
        Err((_, words)) => words,
    }
}

#[test]
fn each_kind_of_file_is_taken_or_refused_with_a_sentence() {
    let now = &Limits::NOW;
    let rows: Vec<(&str, Vec<u8>, u64, &str)> = vec![
        ("IMG_1.jpg", JPEG.to_vec(), 5 * MB, "image/jpeg"),
        ("IMG_1.JPEG", JPEG.to_vec(), 5 * MB, "image/jpeg"),
        ("PXL_1.MP.jpg", JPEG.to_vec(), 9 * MB, "image/jpeg"),
        ("Screenshot.png", PNG.to_vec(), MB, "image/png"),
        ("a.gif", b"GIF89a\x01\0".to_vec(), 100, "image/gif"),
        (
            "a.webp",
            b"RIFF\x10\0\0\0WEBPVP8 ".to_vec(),
            100,
            "image/webp",
        ),
        ("a.heic", ftyp(b"heic"), 100, "image/heic"),
        ("a.heif", ftyp(b"mif1"), 100, "image/heif"),
        ("a.avif", ftyp(b"avif"), 100, "image/avif"),
        ("a.bmp", b"BM\x10\0\0\0".to_vec(), 100, "image/bmp"),
        ("a.ico", b"\0\0\x01\0\x01\0".to_vec(), 100, "image/x-icon"),
        ("a.tiff", b"II*\0\x08\0\0\0".to_vec(), 100, "image/tiff"),
        (
            "a.dng",
            b"II*\0\x08\0\0\0".to_vec(),
            30 * MB,
            "image/x-adobe-dng",
        ),
        ("a.cr3", ftyp(b"crx "), 30 * MB, "image/x-canon-cr3"),
        (
            "a.nef",
            b"MM\0*\0\0\0\x08".to_vec(),
            30 * MB,
            "image/x-dcraw",
        ),
        ("VID_1.mp4", MP4.to_vec(), GB, "video/mp4"),
        ("VID_1.mov", ftyp(b"qt  "), GB, "video/quicktime"),
        ("VID_1.3gp", ftyp(b"3gp5"), MB, "video/3gpp"),
        ("VID_1.3g2", ftyp(b"3g2a"), MB, "video/3gpp2"),
        (
            "a.avi",
            b"RIFF\x10\0\0\0AVI LIST".to_vec(),
            MB,
            "video/x-msvideo",
        ),
        (
            "a.mkv",
            b"\x1A\x45\xDF\xA3\x93\x42\x82\x88matroska".to_vec(),
            MB,
            "video/x-matroska",
        ),
        (
            "a.wmv",
            b"\x30\x26\xB2\x75\x8E\x66\xCF\x11".to_vec(),
            MB,
            "video/x-ms-wmv",
        ),
        ("a.m2ts", NONSENSE.to_vec(), MB, "video/mp2t"),
        ("a.mpg", b"\0\0\x01\xBA".to_vec(), MB, "video/mpeg"),
        // Misnamed by a phone or a person: the content tells.
        (
            "IMG_1.jpg",
            MP4[..8].iter().chain(b"qt  ").copied().collect(),
            MB,
            "video/quicktime",
        ),
        ("IMG_1.mp4", JPEG.to_vec(), MB, "image/jpeg"),
        ("photo", JPEG.to_vec(), MB, "image/jpeg"),
        ("IMG_1.txt", PNG.to_vec(), MB, "image/png"),
        (
            "image.jpg",
            b"%PDF-1.7".to_vec(),
            MB,
            "this is a PDF document; Google Photos takes no such file",
        ),
        (
            "image.jpg",
            b"PK\x03\x04".to_vec(),
            MB,
            "this is a zip archive or document; Google Photos takes no such file",
        ),
        (
            "VID.mp4",
            ftyp(b"M4A "),
            MB,
            "this is sound; Google Photos takes no such file",
        ),
        ("IMG_1.jpg", NONSENSE.to_vec(), MB, "image/jpeg"),
        // Not taken.
        (
            "a.webm",
            b"\x1A\x45\xDF\xA3\x9F\x42\x82\x84webm".to_vec(),
            MB,
            "this is a WebM video; Google Photos takes no such file",
        ),
        (
            "a.svg",
            b"<svg xmlns=".to_vec(),
            100,
            "this is an SVG drawing; Google Photos takes no such file",
        ),
        (
            "a.psd",
            b"8BPS\0\x01".to_vec(),
            MB,
            "this is a Photoshop document; Google Photos takes no such file",
        ),
        (
            "a.mp3",
            b"ID3\x03".to_vec(),
            MB,
            "this is sound; Google Photos takes no such file",
        ),
        (
            "a.jxl",
            b"\xFF\x0A".to_vec(),
            MB,
            "Google Photos does not take .jxl files",
        ),
        (
            "a.flv",
            b"FLV\x01".to_vec(),
            MB,
            "Google Photos does not take .flv files",
        ),
        (
            "notes",
            NONSENSE.to_vec(),
            10,
            "Google Photos does not take files without an ending",
        ),
        (
            "a.\u{1b}[31mx",
            NONSENSE.to_vec(),
            10,
            "Google Photos does not take .31mx files",
        ),
        (
            "IMG_1.jpg",
            Vec::new(),
            0,
            "the file is empty; Google Photos takes no empty file",
        ),
        ("IMG_1.jpg", b"\xFF".to_vec(), 1, "image/jpeg"),
        // The edges.
        ("IMG_1.jpg", JPEG.to_vec(), 200 * MB, "image/jpeg"),
        (
            "IMG_1.jpg",
            JPEG.to_vec(),
            200 * MB + 1,
            "Google Photos takes photos of up to 200 MB; this one has one byte more (209715201)",
        ),
        ("VID_1.mp4", MP4.to_vec(), 20 * GB, "video/mp4"),
        (
            "VID_1.mp4",
            MP4.to_vec(),
            20 * GB + 1,
            "Google Photos takes videos of up to 20 GB; this one has one byte more (21474836481)",
        ),
        (
            "IMG_1.jpg",
            JPEG.to_vec(),
            200 * MB + 7000,
            "Google Photos takes photos of up to 200 MB; this one has 7000 bytes more (209722200)",
        ),
        (
            "IMG_1.jpg",
            JPEG.to_vec(),
            300 * MB + MB / 2,
            "Google Photos takes photos of up to 200 MB; this one has 300.50 MB",
        ),
        // A misnamed video is not held to the limit of photos.
        ("IMG_1.jpg", ftyp(b"qt  "), 300 * MB, "video/quicktime"),
        ("IMG_1.jpg", ftyp(b"isom"), 300 * MB, "video/mp4"),
        ("IMG_1.jpg", jpeg_of(20_000, 20_000), 90 * MB, "image/jpeg"),
    ];
    assert!(rows.len() >= 40);
    for (name, head, size, expected) in rows {
        assert_eq!(verdict(name, &head, size, now), expected, "{name} {size}");
    }
}

#[test]
fn limits_of_2018_are_narrower_and_count_pixels() {
    let old = &Limits::OF_2018;
    let judged = |name: &str, head: &[u8], size| verdict(name, head, size, old);
    assert_eq!(judged("a.jpg", JPEG, 75 * MB), "image/jpeg");
    assert_eq!(
        judged("a.jpg", JPEG, 80 * MB),
        "Google Photos takes photos of up to 75 MB; this one has 80 MB"
    );
    assert_eq!(
        judged("a.mp4", MP4, 12 * GB),
        "Google Photos takes videos of up to 10 GB; this one has 12 GB"
    );
    assert_eq!(judged("a.jpg", &jpeg_of(10_000, 10_000), MB), "image/jpeg");
    let said = "this photo has 10001 x 10000 pixels; the limits of 2018 are 100 megapixels";
    assert_eq!(judged("a.jpg", &jpeg_of(10_001, 10_000), MB), said);
    let mut png = PNG[..16].to_vec();
    png.extend(10_001_u32.to_be_bytes());
    png.extend(10_000_u32.to_be_bytes());
    assert_eq!(judged("a.png", &png, MB), said);
}

#[test]
fn hostile_pictures_are_measured_without_a_panic() {
    let whole = jpeg_of(20_000, 20_000);
    for end in 0..whole.len() {
        let _ = pixels(&whole[..end]);
    }
    for bytes in [
        [&b"\xFF\xD8"[..], &[0xFF; 5000]].concat(),
        b"\xFF\xD8\xFF\xE1\0\0\xFF\xE1\0\0".repeat(100),
        b"\xFF\xD8\xFF\xE1\xFF\xFF".to_vec(),
    ] {
        assert_eq!(pixels(&bytes), None);
    }
}
