use super::*;
use std::time::Instant;

pub(crate) fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let row = |y: u16| (0..width).flat_map(move |x| [x as u8, y as u8, 128]);
    let pixels: Vec<u8> = (0..height).flat_map(row).collect();
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, 80)
        .encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    bytes
}

/// EXIF data with a time, an orientation and a small picture.
pub(crate) fn with_exif(jpeg: &[u8], time: &str, turn: u8, thumb: &[u8]) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [
            &tag.to_le_bytes()[..],
            &kind.to_le_bytes(),
            &count.to_le_bytes(),
            &value.to_le_bytes(),
        ]
        .concat()
    };
    // IFD0 at 8: two entries; IFD1 at 38: two entries; the text at 68; the small picture at 88.
    tiff.extend(2_u16.to_le_bytes());
    tiff.extend(entry(0x0112, 3, 1, turn.into()));
    tiff.extend(entry(0x0132, 2, 20, 68));
    tiff.extend(38_u32.to_le_bytes());
    tiff.extend(2_u16.to_le_bytes());
    tiff.extend(entry(0x0201, 4, 1, 88));
    tiff.extend(entry(0x0202, 4, 1, thumb.len() as u32));
    tiff.extend(0_u32.to_le_bytes());
    tiff.extend(time.as_bytes());
    tiff.push(0);
    assert_eq!(tiff.len(), 88);
    tiff.extend(thumb);
    let length = (2 + 6 + tiff.len()) as u16;
    let segment = [&[0xFF, 0xE1][..], &length.to_be_bytes(), b"Exif\0\0", &tiff].concat();
    [&jpeg[..2], &segment, &jpeg[2..]].concat()
}

fn size_of(jpeg: &[u8]) -> (u16, u16) {
    let mut decoder = jpeg_decoder::Decoder::new(jpeg);
    decoder.read_info().unwrap();
    let info = decoder.info().unwrap();
    (info.width, info.height)
}

fn look(name: &str, bytes: &[u8]) -> Look {
    Looker::with_thumbs().look(
        MediaKind::of_name(name.as_bytes()),
        name,
        0,
        Cursor::new(bytes),
    )
}

#[test]
fn exif_tells_when_and_how_to_turn_and_gives_its_small_picture() {
    let thumb = jpeg(16, 12);
    let photo = with_exif(&jpeg(640, 480), "2024:08:18 09:30:01", 6, &thumb);
    let look = look("IMG_20200101_000000.jpg", &photo);
    let taken = look.taken.unwrap();
    assert_eq!(taken.source, TimeSource::Exif);
    assert_eq!(taken.at.to_string(), "2024-08-18 09:30:01");
    assert_eq!((look.orientation, look.thumb), (6, Some(thumb)));
}

#[test]
fn content_decides_how_a_misnamed_file_is_looked_into() {
    let photo = with_exif(&jpeg(64, 48), "2024:08:18 09:30:01", 6, &jpeg(16, 12));
    let clip: &[u8] = include_bytes!("../../../fixtures/clip.mp4");
    for name in ["VID_20200101_000000.mp4", "IMG-20200101-WA0001", "x.bin"] {
        let taken = look(name, &photo).taken.unwrap();
        assert_eq!(taken.source, TimeSource::Exif, "{name}");
    }
    for name in ["IMG_20200101_000000.jpg", "VID-20200101-WA0001"] {
        let taken = look(name, clip).taken.unwrap();
        assert_eq!(taken.source, TimeSource::Video, "{name}");
    }
    // A sound with a movie's header has no time that anybody took it at.
    let taken = look("AUD-20200101-WA0001.m4a", clip).taken.unwrap();
    assert_eq!(taken.source, TimeSource::Name);
}

#[test]
fn pictures_without_a_small_one_get_one() {
    assert_eq!(
        size_of(&look("a.jpg", &jpeg(1600, 800)).thumb.unwrap()),
        (192, 96)
    );
    assert_eq!(
        size_of(&look("a.jpg", &jpeg(20, 30)).thumb.unwrap()),
        (20, 30)
    );
    assert_eq!(
        size_of(&look("a.jpg", &jpeg(5000, 8)).thumb.unwrap()),
        (192, 1)
    );
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 400, 1000);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&vec![200; 400 * 1000 * 4]).unwrap();
    writer.finish().unwrap();
    assert_eq!(size_of(&look("a.png", &bytes).thumb.unwrap()), (76, 192));
    let without = Looker::default().look(MediaKind::Photo, "a.jpg", 0, Cursor::new(jpeg(99, 99)));
    assert!(without.thumb.is_none());
}

fn found(name: &str, bytes: &[u8]) -> Look {
    let kind = MediaKind::of_name(name.as_bytes());
    Looker::with_found_thumbs().look(kind, name, 0, Cursor::new(bytes))
}

#[test]
fn only_what_a_file_holds_is_shown_where_nothing_is_to_be_made() {
    let thumb = jpeg(16, 12);
    let photo = with_exif(&jpeg(640, 480), "2024:08:18 09:30:01", 6, &thumb);
    assert_eq!(found("a.jpg", &photo).thumb, Some(thumb));
    assert_eq!(found("a.jpg", &jpeg(640, 480)).thumb, None);
    // Taken as it is up to a size, and made smaller above.
    let large = jpeg(1000, 750);
    assert!(
        large.len() > MAX_FOUND_BYTES && large.len() < 65_000,
        "{}",
        large.len()
    );
    let photo = with_exif(&jpeg(64, 48), "2024:08:18 09:30:01", 1, &large);
    assert_eq!(size_of(&found("a.jpg", &photo).thumb.unwrap()), (192, 144));
}

#[test]
fn still_picture_that_a_video_holds_is_its_poster() {
    let clip = include_bytes!("../../../fixtures/clip.mp4");
    let plain = found("a.mp4", clip);
    assert_eq!((plain.thumb.is_some(), plain.seconds), (false, 2));
    let a_box = |name: &[u8; 4], inside: &[u8]| {
        [&(inside.len() as u32 + 8).to_be_bytes()[..], name, inside].concat()
    };
    let at = clip.windows(4).position(|it| it == b"moov").unwrap();
    let (before, moov) = clip.split_at(at - 4);
    let length = u32::from_be_bytes(*moov.first_chunk().unwrap()) as usize;
    let inside = |cover: &[u8]| {
        let udta = a_box(b"udta", &a_box(b"thmb", &[b"a title", cover].concat()));
        let video = [
            before,
            &a_box(b"moov", &[&udta, &moov[8..length]].concat()),
            &moov[length..],
        ];
        video.concat()
    };
    let with = found("a.mp4", &inside(&jpeg(320, 180)));
    assert_eq!(size_of(&with.thumb.unwrap()), (192, 108));
    assert_eq!(
        (with.seconds, with.taken.unwrap().source),
        (2, TimeSource::Video)
    );
    for nothing in [
        &jpeg(320, 180)[..400],
        &[0xFF, 0xD8, 0xFF, 0xFF, 0xD9],
        b"\xFF\xD8\xFF",
    ] {
        assert!(found("a.mp4", &inside(nothing)).thumb.is_none());
    }
}

#[test]
fn nonsense_shows_nothing_but_its_name() {
    let photo = with_exif(&jpeg(64, 48), "2024:08:18 09:30:01", 1, &jpeg(16, 12));
    let name = "IMG_20240818_093001.jpg";
    for length in (0..photo.len()).step_by(7) {
        assert!(look(name, &photo[..length]).taken.is_some());
    }
    for at in 0..photo.len().min(700) {
        let mut bad = photo.clone();
        bad[at] ^= 0xFF;
        assert!(look(name, &bad).taken.is_some());
    }
    for name in [
        "a.heic", "a.dng", "a.png", "a.webp", "a.jpg", "a.mp4", "a.txt",
    ] {
        for bytes in [
            &b"II*\0\xFF\xFF\xFF\xFF"[..],
            b"",
            b"\0\0\0\x18ftypheic",
            &[0xFF; 5000],
        ] {
            assert!(look(name, bytes).thumb.is_none(), "{name}");
        }
    }
}

/// A grey progressive picture of so many scans, each of which says that nothing changes: some
/// thirty bytes that cost a walk over all of its pixels.
fn endless_scans(side: u16, scans: usize) -> Vec<u8> {
    let [high, low] = side.to_be_bytes();
    let blocks = usize::from(side).div_ceil(8).pow(2);
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    bytes.extend([1; 64]);
    bytes.extend([0xFF, 0xC2, 0, 11, 8, high, low, high, low, 1, 1, 0x11, 0]);
    // One code of one bit: the end of the next 2^14 blocks or more.
    bytes.extend([0xFF, 0xC4, 0, 20, 0x10, 1]);
    bytes.extend([0; 15]);
    bytes.push(0xE0);
    // A zero, and the fourteen ones that make it 32,767 blocks, for as often as there are such.
    let runs = blocks.div_ceil(32_767);
    let bits: Vec<bool> = (0..runs * 15).map(|bit| bit % 15 != 0).collect();
    let mut scan = vec![0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 63, 1];
    for eight in bits.chunks(8) {
        let byte = (0..8).fold(0, |byte, bit| {
            byte << 1 | u8::from(*eight.get(bit).unwrap_or(&true))
        });
        scan.push(byte);
        if byte == 0xFF {
            scan.push(0);
        }
    }
    for _ in 0..scans {
        bytes.extend(&scan);
    }
    bytes.extend([0xFF, 0xD9]);
    bytes
}

#[test]
fn a_picture_that_takes_for_ever_shows_nothing_but_its_name() {
    let quick = endless_scans(800, 3);
    assert!(look("a.jpg", &quick).thumb.is_some());
    let looker = Looker {
        max_time: Duration::from_millis(50),
        ..Looker::with_thumbs()
    };
    let slow = endless_scans(4800, 20_000);
    let began = Instant::now();
    let name = "IMG_20240818_093001.jpg";
    let look = looker.look(MediaKind::Photo, name, 0, Cursor::new(&slow));
    assert!(look.thumb.is_none() && look.taken.is_some());
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_decoder_that_panics_costs_only_what_it_would_show() {
    assert_eq!(or_nothing("x", || 7), Some(7));
    let nothing: Option<u8> = or_nothing("x", || std::panic::panic_any("on purpose"));
    assert_eq!(nothing, None);
}

#[test]
fn lengths_that_claim_too_much_are_not_believed() {
    struct Endless;
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(0x41);
            Ok(buffer.len())
        }
    }
    impl Seek for Endless {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }
    let mut bounded = BoundedReader {
        inner: &mut Endless,
        left: 1_000_000,
    };
    assert!(io::copy(&mut bounded, &mut io::sink()).unwrap() < 1_100_000);
}
