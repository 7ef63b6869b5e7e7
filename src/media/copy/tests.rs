use super::*;
use crate::media::look::tests::{jpeg, with_exif};
use crate::media::taken;

pub(crate) const NAME: &str = "IMG_20240818_093001.jpg";
const BOTH: CopyOptions = CopyOptions {
    dates: true,
    smaller: true,
};
pub(crate) const DATES: CopyOptions = CopyOptions {
    dates: true,
    smaller: false,
};
const SMALLER: CopyOptions = CopyOptions {
    dates: false,
    smaller: true,
};

fn planned(bytes: &[u8], name: &str, wish: CopyOptions) -> CopyPlan {
    plan(
        &mut Cursor::new(bytes),
        bytes.len() as u64,
        wish,
        name,
        1_723_973_400,
    )
}

/// The copy that a plan leads to.
#[track_caller]
pub(crate) fn copied(bytes: &[u8], name: &str) -> (Vec<u8>, String) {
    match planned(bytes, name, DATES) {
        CopyPlan::Parts(parts, what) => (flat(bytes, parts), what),
        CopyPlan::Original(why) => panic!("{name}: {why:?}"),
        CopyPlan::Smaller => panic!("{name}: smaller"),
    }
}

#[track_caller]
fn said(bytes: &[u8], name: &str, wish: CopyOptions) -> String {
    match planned(bytes, name, wish) {
        CopyPlan::Original(Some(why)) => why,
        CopyPlan::Original(None) => panic!("{name}: nothing is said"),
        CopyPlan::Parts(_, what) => panic!("{name}: {what}"),
        CopyPlan::Smaller => panic!("{name}: smaller"),
    }
}

fn exif_text(bytes: &[u8], tag: exif::Tag) -> Option<String> {
    let read = exif::Reader::new().read_from_container(&mut Cursor::new(bytes));
    let read = read.ok()?;
    let field = read.get_field(tag, exif::In::PRIMARY)?;
    Some(field.display_value().to_string())
}

fn date_of(bytes: &[u8]) -> Option<String> {
    exif_text(bytes, exif::Tag::DateTimeOriginal)
}

/// With a segment after the first one, which is JFIF's.
fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let at = 20;
    let segment = jpeg::segment(marker, content).unwrap();
    [&jpeg[..at], &segment, &jpeg[at..]].concat()
}

#[test]
fn photo_without_a_date_gets_that_of_its_name_and_keeps_all_else() {
    let photo = jpeg(64, 48);
    // What hangs on behind the picture, as the video of a motion photo.
    let photo = [&photo[..], b"\0\0\0\x18ftypmp42", &[7; 5000]].concat();
    let (copy, what) = copied(&photo, NAME);
    assert_eq!(date_of(&copy).as_deref(), Some("2024-08-18 09:30:01"));
    assert!(
        what.contains("2024-08-18 09:30:01, from its name"),
        "{what}"
    );
    // JFIF stays first; what was put in is one piece.
    let added = copy.len() - photo.len();
    assert_eq!(copy[..20], photo[..20]);
    assert_eq!(copy[20 + added..], photo[20..]);
    // And the same each time.
    assert!(copied(&photo, NAME).0 == copy);
    // A copy needs no copy.
    assert!(matches!(
        planned(&copy, NAME, DATES),
        CopyPlan::Original(None)
    ));
    let (_, what) = copied(&photo, "image.jpg");
    assert!(what.contains("from its file's date"), "{what}");
}

#[test]
fn exif_data_without_a_date_keeps_what_it_says() {
    // A date that is none.
    let thumb = jpeg(16, 12);
    let photo = with_exif(&jpeg(64, 48), "0000:00:00 00:00:00", 6, &thumb);
    let (copy, _) = copied(&photo, NAME);
    assert_eq!(date_of(&copy).as_deref(), Some("2024-08-18 09:30:01"));
    let turned = exif_text(&copy, exif::Tag::Orientation).unwrap();
    assert!(turned.contains("right"), "{turned}");
    let found = copy.windows(thumb.len()).any(|window| window == thumb);
    assert!(found, "the small picture is gone");
    // One with a date is left alone.
    let dated = with_exif(&jpeg(64, 48), "2020:01:02 03:04:05", 6, &thumb);
    assert!(matches!(
        planned(&dated, NAME, DATES),
        CopyPlan::Original(None)
    ));
}

#[test]
fn png_gets_its_date_and_decodes_as_before() {
    let mut png = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut png, 8, 8);
    encoder.set_color(::png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[9; 64]).unwrap();
    writer.finish().unwrap();
    let (copy, _) = copied(&png, "Screenshot_2024-08-18-09-30-01.png");
    assert_eq!(date_of(&copy).as_deref(), Some("2024-08-18 09:30:01"));
    // Its checksums are looked at here.
    let mut reader = ::png::Decoder::new(Cursor::new(&copy)).read_info().unwrap();
    let mut pixels = vec![0; 64];
    reader.next_frame(&mut pixels).unwrap();
    assert_eq!(pixels, [9; 64]);
    // What its ending says counts for nothing.
    assert!(date_of(&copied(&png, NAME).0).is_some());
}

#[test]
fn video_without_a_date_gets_one_in_its_header() {
    let clip: &[u8] = include_bytes!("../../../fixtures/clip.mp4");
    assert!(matches!(
        planned(clip, "VID_1.mp4", DATES),
        CopyPlan::Original(None)
    ));
    let header = movie_header(&mut Cursor::new(clip)).unwrap();
    let at = header.at as usize;
    let mut undated = clip.to_vec();
    undated[at..at + 8].fill(0);
    let (copy, what) = copied(&undated, "VID_20240818_093001.mp4");
    let named = taken::of_name("VID_20240818_093001.mp4");
    let look = Looker::default().look(MediaKind::Video, "x.mp4", 0, Cursor::new(&copy));
    assert_eq!(look.taken.map(|taken| taken.at), named);
    assert!(what.contains("from its name"), "{what}");
    assert_eq!(copy.len(), clip.len());
    assert_eq!(copy[..at], clip[..at]);
    assert_eq!(copy[at + 8..], clip[at + 8..]);
}

#[test]
fn date_in_another_form_is_read_or_left_alone_and_never_written_over() {
    let thumb = jpeg(16, 12);
    for date in [
        "2012-05-29 08:55:06",
        "2012/05/29 08:55:06",
        "2012:05:29 24:00:00",
        "2012:05:29 23:59:60",
        "2012-05-29T08:55:06",
    ] {
        let photo = with_exif(&jpeg(64, 48), date, 6, &thumb);
        assert!(
            matches!(planned(&photo, NAME, DATES), CopyPlan::Original(None)),
            "{date}"
        );
    }
    let left = |bytes: &[u8], name: &str| {
        let words = said(bytes, name, DATES);
        assert!(words.contains("left unchanged"), "{words}");
    };
    for date in [
        "1970:01:01 00:00:00",
        "05/06/2012 08:55:06",
        "May 29th of 2012   ",
    ] {
        left(&with_exif(&jpeg(64, 48), date, 6, &thumb), NAME);
    }
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x xmp:CreateDate='2012-05-29'/>";
    left(&with_segment(&jpeg(9, 9), 0xE1, xmp), NAME);
    let iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0d\x1c\x02\x37\x00\x0820120529";
    left(&with_segment(&jpeg(9, 9), 0xED, iptc), NAME);
    let mut png = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut png, 8, 8);
    encoder.set_color(::png::ColorType::Grayscale);
    let (key, time) = ("Creation Time".to_owned(), "2012-05-29".to_owned());
    encoder.add_text_chunk(key, time).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[9; 64]).unwrap();
    writer.finish().unwrap();
    left(&png, NAME);
    // A clock that stood in 1958: no phone has seen that, and somebody set it.
    let clip: &[u8] = include_bytes!("../../../fixtures/clip.mp4");
    let at = movie_header(&mut Cursor::new(clip)).unwrap().at as usize;
    let mut odd = clip.to_vec();
    odd[at..at + 8].fill(9);
    left(&odd, "VID_20240818_093001.mp4");
}

#[test]
fn what_cannot_get_a_date_is_said() {
    for name in ["a.heic", "a.webp", "a.gif", "a.dng"] {
        let words = said(b"\0\0\0\x18ftypheic and more", name, DATES);
        assert!(words.contains("JPEG and PNG pictures only"), "{words}");
    }
    assert!(said(b"\x1a\x45\xdf\xa3", "a.mkv", DATES).contains("MP4, MOV and 3GP"));
    let more = with_segment(&jpeg(9, 9), 0xE2, b"MPF\0II*\0");
    assert!(said(&more, NAME, DATES).contains("more than one picture"));
    let damaged = with_segment(&jpeg(9, 9), 0xE1, b"Exif\0\0nonsense");
    assert!(said(&damaged, NAME, DATES).contains("EXIF data is damaged"));
    let full = [b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", &[0; 65_500][..]].concat();
    let full = with_segment(&jpeg(9, 9), 0xE1, &full);
    assert!(said(&full, NAME, DATES).contains("no room"));
    // What is neither a picture nor a video is nobody's wish.
    assert!(matches!(
        planned(b"x", "a.opus", BOTH),
        CopyPlan::Original(None)
    ));
    assert!(matches!(planned(b"", NAME, BOTH), CopyPlan::Original(None)));
}

/// With a size that is not true, which is all that is looked at first.
fn claiming(jpeg: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    let at = jpeg
        .windows(2)
        .position(|window| matches!(window, [0xFF, 0xC0..=0xC2]))
        .unwrap();
    jpeg[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

#[test]
fn what_is_not_made_smaller_is_said() {
    assert!(matches!(
        planned(&jpeg(64, 48), NAME, SMALLER),
        CopyPlan::Original(None)
    ));
    let large = claiming(&jpeg(64, 48), 6000, 4000);
    assert!(matches!(planned(&large, NAME, SMALLER), CopyPlan::Smaller));
    let motion = b"http://ns.adobe.com/xap/1.0/\0<x GCamera:MotionPhoto=\"1\"/>";
    let motion = with_segment(&large, 0xE1, motion);
    assert!(said(&motion, NAME, SMALLER).contains("a motion photo"));
    let more = with_segment(&large, 0xE2, b"MPF\0II*\0");
    assert!(said(&more, NAME, SMALLER).contains("more than one picture"));
    let bomb = claiming(&jpeg(64, 48), 65_535, 65_535);
    assert!(said(&bomb, NAME, SMALLER).contains("300 megapixels"));
    assert!(said(b"\0\0\0\x18ftypheic", "a.heic", SMALLER).contains("only JPEGs are"));
    let mut progressive = large.clone();
    let at = progressive.windows(2).position(|it| it == [0xFF, 0xC0]);
    progressive[at.unwrap() + 1] = 0xC2;
    let progressive = claiming(&progressive, 9000, 6000);
    assert!(said(&progressive, NAME, SMALLER).contains("progressive"));
    // What claims a size and does not have its pixels is cut off.
    let small = jpeg(64, 48);
    let cut = small[..small.len() - 40].to_vec();
    assert!(
        smaller::smaller(&cut, 1000)
            .unwrap_err()
            .contains("cut off")
    );
    let trailing = [&small[..], b"video"].concat();
    assert!(
        smaller::smaller(&trailing, 1000)
            .unwrap_err()
            .contains("follows the picture")
    );
}

/// A large picture with noise in it, so that it is worth making smaller.
fn large(width: u16, height: u16) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 8;
        [(x / 24) as u8, (y / 24) as u8, noise as u8 & 63]
    };
    let rows = (0..u32::from(height)).flat_map(|y| (0..u32::from(width)).map(move |x| (x, y)));
    let pixels: Vec<u8> = rows.flat_map(|(x, y)| pixel(x, y)).collect();
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, 92)
        .encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    bytes
}

#[test]
fn large_picture_gets_a_smaller_copy_with_all_that_it_says_of_itself() {
    let thumb = jpeg(16, 12);
    let photo = with_exif(&large(600, 400), "2020:01:02 03:04:05", 6, &thumb);
    let icc = [b"ICC_PROFILE\0\x01\x01", &[5; 3000][..]].concat();
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>hello</x:xmpmeta>";
    let at = jpeg::JpegHeader::read(&mut Cursor::new(&photo))
        .unwrap()
        .segments[0]
        .end as usize;
    let extra = [
        jpeg::segment(0xE2, &icc).unwrap(),
        jpeg::segment(0xE1, xmp).unwrap(),
        jpeg::segment(0xFE, b"a comment").unwrap(),
    ];
    let photo = [&photo[..at], &extra.concat(), &photo[at..]].concat();

    let (copy, what) = shrunk(&photo, 160_000, BOTH, NAME, 0).unwrap();
    assert_eq!(what, "made smaller, to 16 megapixels");
    assert!(
        copy.len() < photo.len(),
        "{} of {}",
        copy.len(),
        photo.len()
    );
    let mut decoder = jpeg_decoder::Decoder::new(&copy[..]);
    let pixels = decoder.decode().unwrap();
    let info = decoder.info().unwrap();
    assert_eq!((info.width, info.height), (489, 326));
    // The same picture: a colour in its middle is what it was.
    let middle = (326 / 2 * 489 + 489 / 2) * 3;
    assert!(pixels[middle].abs_diff((300_u32 / 24) as u8) <= 3);
    assert!(pixels[middle + 1].abs_diff((200_u32 / 24) as u8) <= 3);
    for segment in &extra {
        let kept = copy.windows(segment.len()).filter(|it| it == segment);
        assert_eq!(kept.count(), 1);
    }
    let date = exif_text(&copy, exif::Tag::DateTime);
    assert_eq!(date.as_deref(), Some("2020-01-02 03:04:05"));
    assert!(
        exif_text(&copy, exif::Tag::Orientation)
            .unwrap()
            .contains("right")
    );
    assert!(shrunk(&photo, 160_000, BOTH, NAME, 0).unwrap().0 == copy);
    // Without a date of its own, it gets one at once.
    let (copy, what) = shrunk(&large(600, 400), 160_000, BOTH, NAME, 0).unwrap();
    assert!(what.contains("16 megapixels, with its date"), "{what}");
    assert_eq!(date_of(&copy).as_deref(), Some("2024-08-18 09:30:01"));
}

#[test]
fn nonsense_is_never_more_than_an_original() {
    let photo = with_exif(&jpeg(64, 48), "0000:00:00 00:00:00", 1, &jpeg(16, 12));
    let clip: &[u8] = include_bytes!("../../../fixtures/clip.mp4");
    for (bytes, name) in [(&photo[..], NAME), (clip, "VID_20240818_093001.mp4")] {
        for length in (0..bytes.len().min(2000)).step_by(3) {
            let _ = planned(&bytes[..length], name, BOTH);
            let _ = smaller::smaller(&bytes[..length], 1000);
        }
        for at in 0..bytes.len().min(1500) {
            for flip in [0xFF, 0x10] {
                let mut bad = bytes.to_vec();
                bad[at] ^= flip;
                if let CopyPlan::Parts(parts, _) = planned(&bad, name, BOTH) {
                    // Whatever was put in, nothing of it is lost.
                    let copy = flat(&bad, parts);
                    assert!(copy.len() >= bad.len());
                }
                let _ = smaller::smaller(&bad, 1000);
            }
        }
    }
    let endless = [&[0xFF, 0xD8][..], &[0xFF; 300_000]].concat();
    let _ = planned(&endless, NAME, BOTH);
    let segments = [0xFF, 0xE1, 0, 2].repeat(5000);
    let _ = planned(&[&[0xFF, 0xD8][..], &segments].concat(), NAME, BOTH);
    let scans = [0xFF, 0xDA, 0, 2].repeat(5000);
    assert_eq!(jpeg::end_of(&scans, 0), None);
}
