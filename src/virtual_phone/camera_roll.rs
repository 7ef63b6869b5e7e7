//! A small camera roll for `rescue demo`: real pictures with EXIF, a video, a messenger's folder, a deleted picture
//! in a recycle bin, odd names, a card, and one picture that cannot be read.

use bytes::Bytes;
use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use jpeg_encoder::{ColorType, Encoder};

use super::VirtualPhone;
use super::tree::{Content, NodeKind};

/// The one picture that cannot be read, on purpose.
pub const UNREADABLE: &str = "/storage/emulated/0/DCIM/Camera/IMG_20240820_091500.jpg";

const INTERNAL: &str = "/storage/emulated/0";
const CARD: &str = "/storage/1A2B-3C4D";
/// 2024-08-18 08:00:00 UTC, when the holiday began.
const FIRST: i64 = 1_723_968_000;
/// Seconds between two pictures: a little over three hours.
const STEP: i64 = 11_111;
/// When the motion photo was taken.
const MOTION: i64 = FIRST + 5 * STEP + 60;
/// A video of two seconds, made with ffmpeg's test source.
const CLIP: &[u8] = include_bytes!("../../fixtures/clip.mp4");

/// A phone with the camera roll on it.
pub fn phone() -> VirtualPhone {
    let mut phone = VirtualPhone::new("DEMO0001");
    let mut add = |path: String, content: Vec<u8>, mtime: i64| {
        phone
            .tree
            .add_file(&path, Content::Bytes(Bytes::from(content)), mtime);
    };
    add_camera(&mut add);
    add_messenger(&mut add);
    add_odd_places(&mut add);
    phone.tree.add_raw(
        b"/storage/emulated/0/DCIM/Camera/\xe9t\xe9.jpg",
        NodeKind::File(Content::Bytes(picture(320, 240, 61, MOTION).into())),
        MOTION,
    );
    phone.tree.forbid(UNREADABLE);
    phone
}

/// Adds a file: its path, its bytes and its time.
type AddFile<'a> = &'a mut dyn FnMut(String, Vec<u8>, i64);

/// Adds what the camera made: pictures, a video, a motion photo, a deleted picture and one that cannot be read.
fn add_camera(add: AddFile<'_>) {
    for index in 0..20 {
        let time = FIRST + index * STEP;
        let name = match index % 4 {
            3 => format!("PXL_{}.jpg", stamp(time)),
            _ => format!("IMG_{}.jpg", stamp(time)),
        };
        let (width, height) = match index % 5 {
            0 => (800, 600),
            1 => (480, 640),
            2 => (400, 300),
            _ => (640, 480),
        };
        add(
            format!("{INTERNAL}/DCIM/Camera/{name}"),
            picture(width, height, index as u32, time),
            time,
        );
    }
    // A motion photo: a picture with a video behind it.
    let time = MOTION;
    let motion = [picture(800, 600, 77, time).as_slice(), CLIP].concat();
    add(
        format!("{INTERNAL}/DCIM/Camera/PXL_{}.MP.jpg", stamp(time)),
        motion,
        time,
    );
    add(
        format!("{INTERNAL}/DCIM/Camera/VID_{}.mp4", stamp(time + 600)),
        CLIP.to_vec(),
        time + 600,
    );
    let trashed = format!(
        "{INTERNAL}/DCIM/Camera/.trashed-1726700000-IMG_{}.jpg",
        stamp(time + 900)
    );
    add(trashed, picture(640, 480, 99, time + 900), time + 900);
    add(
        UNREADABLE.to_owned(),
        picture(640, 480, 98, FIRST + 20 * STEP),
        FIRST + 20 * STEP,
    );
    add(
        format!("{INTERNAL}/DCIM/.thumbnails/1.jpg"),
        picture(64, 48, 1, FIRST),
        FIRST,
    );
}

/// Adds the pictures that a messenger received.
fn add_messenger(add: AddFile<'_>) {
    for index in 0..3 {
        let time = FIRST + index * STEP + 1000;
        let folder = "Android/media/com.whatsapp/WhatsApp/Media/WhatsApp Images";
        let name = format!("IMG-{}-WA000{index}.jpg", day(time));
        add(
            format!("{INTERNAL}/{folder}/{name}"),
            picture(480, 640, 40 + index as u32, time),
            time,
        );
    }
}

/// Adds an odd name, a text and a picture on the card.
fn add_odd_places(add: AddFile<'_>) {
    let time = MOTION;
    add(
        format!("{INTERNAL}/Pictures/Caf\u{e9} \u{1f3d6}\nday two.jpg"),
        picture(640, 360, 55, time),
        time,
    );
    add(
        format!("{INTERNAL}/Documents/packing list.txt"),
        b"tent\nstove\ncharger!\n".to_vec(),
        time,
    );
    add(
        format!("{CARD}/DCIM/100CARD/DSC_0001.JPG"),
        picture(900, 600, 60, time),
        time,
    );
}

/// `20240818_080000`.
fn stamp(time: i64) -> String {
    let time = utc(time);
    format!(
        "{}_{:02}{:02}{:02}",
        day(time.timestamp()),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// `20240818`.
fn day(time: i64) -> String {
    let time = utc(time);
    format!("{:04}{:02}{:02}", time.year(), time.month(), time.day())
}

fn utc(time: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(time, 0).unwrap_or_default()
}

/// Sky above, sky at the horizon, sun, the farthest hill, the nearest, each as red, green and blue.
const PALETTES: [[[f32; 3]; 5]; 7] = [
    [
        [52., 92., 150.],
        [250., 196., 150.],
        [255., 240., 205.],
        [148., 128., 158.],
        [38., 44., 66.],
    ],
    [
        [86., 158., 220.],
        [222., 238., 246.],
        [255., 255., 240.],
        [132., 168., 178.],
        [52., 92., 58.],
    ],
    [
        [72., 60., 120.],
        [240., 130., 110.],
        [255., 214., 150.],
        [140., 84., 118.],
        [34., 24., 52.],
    ],
    [
        [128., 182., 196.],
        [248., 232., 200.],
        [255., 250., 225.],
        [158., 172., 150.],
        [88., 100., 48.],
    ],
    [
        [22., 32., 66.],
        [96., 110., 160.],
        [238., 238., 226.],
        [60., 74., 116.],
        [12., 18., 36.],
    ],
    [
        [168., 196., 214.],
        [236., 236., 232.],
        [255., 255., 250.],
        [176., 190., 200.],
        [84., 104., 118.],
    ],
    [
        [214., 142., 92.],
        [252., 218., 160.],
        [255., 246., 214.],
        [196., 138., 92.],
        [96., 52., 34.],
    ],
];
/// Rows of hills, one behind the other.
const HILLS: usize = 5;

/// Hills before a sky with a sun, or the sea; they depend on `seed`. A JPEG with EXIF.
fn picture(width: u16, height: u16, seed: u32, time: i64) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(usize::from(width) * usize::from(height) * 3);
    let mut palettes = PALETTES.iter().copied().cycle();
    let [above, horizon, sun, far, near] = palettes.nth(seed as usize).unwrap_or_default();
    let turn = seed as f32 * 1.7;
    let mix = |one: [f32; 3], other: [f32; 3], part: f32| {
        let ([red, green, blue], part) = (one, part.clamp(0.0, 1.0));
        let [to_red, to_green, to_blue] = other;
        [(red, to_red), (green, to_green), (blue, to_blue)].map(|(it, to)| it + (to - it) * part)
    };
    let (sun_x, sun_y) = (0.5 + 0.32 * turn.sin(), 0.24 + 0.14 * (turn * 0.7).cos());
    let is_by_the_sea = seed % 4 == 1;
    let rows = if is_by_the_sea { 2 } else { HILLS };
    // What depends on the column or on the row alone is made once, not for every pixel, or a debug
    // build draws for seconds.
    let columns: Vec<(f32, [f32; HILLS])> = (0..width)
        .map(|x| {
            let u = f32::from(x) / f32::from(width);
            let tops = std::array::from_fn(|hill| {
                let (depth, own) = (hill as f32 / HILLS as f32, turn + hill as f32 * 2.3);
                let wide = (u * (3.0 + 2.0 * depth) + own).sin();
                let steep = (u * 11.0 + own * 1.9).sin() * 0.35 + (u * 31.0 + own).sin() * 0.08;
                0.46 + 0.42 * depth * depth + 0.1 * depth - 0.075 * (wide + steep)
            });
            ((u - sun_x) * f32::from(width) / f32::from(height), tops)
        })
        .collect();
    for y in 0..height {
        let v = f32::from(y) / f32::from(height);
        let sky = mix(above, horizon, v / 0.62);
        let hills: [[f32; 3]; HILLS] = std::array::from_fn(|hill| {
            let colour = mix(far, near, hill as f32 / (HILLS - 1) as f32);
            // Mist in the valleys.
            mix(
                colour,
                horizon,
                0.45 * (v - 0.5) * (1.0 - hill as f32 / HILLS as f32),
            )
        });
        let sea = mix(mix(horizon, above, (v - 0.5) * 1.8), near, (v - 0.55) * 1.1);
        for (x, (from_sun, tops)) in (0_u32..).zip(&columns) {
            let grain = (((x * 73) ^ (u32::from(y) * 151) ^ (seed * 31)) % 11) as f32 - 5.0;
            let mut hills = tops.iter().zip(&hills).take(rows).rev();
            let hill = hills.find(|(top, _)| v > **top);
            let far_off = from_sun * from_sun + (v - sun_y) * (v - sun_y);
            let colour = match hill {
                _ if is_by_the_sea && v > 0.6 => {
                    let glitter = 0.4 * (1.0 - (from_sun / (v - 0.45)).abs());
                    mix(sea, sun, if y % 6 > 2 { glitter } else { 0.0 })
                }
                Some((_, hill)) => *hill,
                _ => mix(sky, sun, 0.0022 / (far_off + 0.0008) - 0.02),
            };
            // Casting a float stops at 0 and 255 by itself.
            pixels.extend(colour.map(|light| (light + grain) as u8));
        }
    }
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 88);
    // Both only fail for sizes that these are not; a demo without a picture shows it.
    let _ = encoder.add_app_segment(1, exif(time));
    let _ = encoder.encode(&pixels, width, height, ColorType::Rgb);
    jpeg
}

/// EXIF 2.3: make, model and orientation, and when the picture was taken.
fn exif(time: i64) -> Vec<u8> {
    let time = utc(time).format("%Y:%m:%d %H:%M:%S").to_string();
    let (make, model) = (&b"Rescue\0"[..], &b"Virtual Phone\0"[..]);
    // Offsets count from the TIFF header: the first directory has four entries, the second one.
    let first_end = 8 + 2 + 4 * 12 + 4;
    let make_at = first_end;
    let model_at = make_at + make.len() as u32;
    let exif_at = model_at + model.len() as u32;
    let date_at = exif_at + 2 + 12 + 4;
    let mut out = b"Exif\0\0II*\0\x08\0\0\0".to_vec();
    out.extend_from_slice(&4_u16.to_le_bytes());
    entry(&mut out, 0x010f, 2, make.len() as u32, make_at);
    entry(&mut out, 0x0110, 2, model.len() as u32, model_at);
    entry(&mut out, 0x0112, 3, 1, 1);
    entry(&mut out, 0x8769, 4, 1, exif_at);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(make);
    out.extend_from_slice(model);
    out.extend_from_slice(&1_u16.to_le_bytes());
    entry(&mut out, 0x9003, 2, 20, date_at);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(time.as_bytes());
    out.push(0);
    out
}

fn entry(out: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: u32) {
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_jpegs_with_a_date() {
        let jpeg = picture(64, 48, 1, FIRST);
        assert_eq!(jpeg[..2], [0xff, 0xd8]);
        let date = b"2024:08:18 08:00:00\0";
        assert!(jpeg.windows(date.len()).any(|window| window == date));
        assert_eq!(jpeg, picture(64, 48, 1, FIRST));
    }
}
