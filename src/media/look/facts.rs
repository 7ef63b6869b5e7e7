//! What a person may want to know about one picture: camera, exposure, place. Read from EXIF data,
//! which is untrusted: every text is bounded, and nothing here is markup.

use exif::{Exif, Field, In, Tag, Value};

/// The longest text of one fact, in characters.
const MAX_TEXT: usize = 64;

/// Facts about a picture or video, for display. Unknown ones are left out.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub(crate) struct Facts {
    /// Maker and model, such as `Google Pixel 7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    camera: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lens: Option<String>,
    /// The exposure time, such as `1/120 s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    exposure: Option<String>,
    /// The aperture, such as `f/1.9`.
    #[serde(skip_serializing_if = "Option::is_none")]
    aperture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iso: Option<String>,
    /// The focal length, such as `6.8 mm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    focal: Option<String>,
    /// Latitude and longitude in degrees, such as `52.51627, 13.37770`.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    /// Width and height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pixels: Option<(u32, u32)>,
}

impl Facts {
    /// Returns the facts in EXIF data.
    pub(super) fn of(exif: &Exif) -> Self {
        let shown = |tag| {
            let field = exif.get_field(tag, In::PRIMARY)?;
            let text = field.display_value().with_unit(exif).to_string();
            // What stands for a number that is none.
            (!text.contains("inf") && !text.contains("NaN")).then(|| bounded(&text))?
        };
        Self {
            camera: camera(exif),
            lens: text(exif, Tag::LensModel),
            exposure: shown(Tag::ExposureTime),
            aperture: shown(Tag::FNumber),
            iso: shown(Tag::PhotographicSensitivity),
            focal: shown(Tag::FocalLength),
            place: place(exif),
            pixels: pixels(exif),
        }
    }

    /// Returns whether no fact is known.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn camera(exif: &Exif) -> Option<String> {
    let model = text(exif, Tag::Model)?;
    let Some(maker) = text(exif, Tag::Make) else {
        return Some(model);
    };
    // Many models begin with their maker.
    let (start, lower) = (maker.to_lowercase(), model.to_lowercase());
    match lower.starts_with(&start) {
        true => Some(model),
        false => bounded(&format!("{maker} {model}")),
    }
}

fn text(exif: &Exif, tag: Tag) -> Option<String> {
    match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Ascii(texts) => {
            let bytes = texts.first()?;
            bounded(&String::from_utf8_lossy(
                bytes.get(..4 * MAX_TEXT).unwrap_or(bytes),
            ))
        }
        _ => None,
    }
}

/// A text of one short line; `None` when nothing is left of it.
fn bounded(text: &str) -> Option<String> {
    let text: String = text
        .chars()
        .take(MAX_TEXT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn place(exif: &Exif) -> Option<String> {
    let latitude = degrees(exif, Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S', 90.0)?;
    let longitude = degrees(exif, Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W', 180.0)?;
    // What a phone writes that does not know where it is.
    let is_known = latitude != 0.0 || longitude != 0.0;
    is_known.then(|| format!("{latitude:.5}, {longitude:.5}"))
}

fn degrees(exif: &Exif, tag: Tag, side: Tag, negative: u8, most: f64) -> Option<f64> {
    let Value::Rational(parts) = &exif.get_field(tag, In::PRIMARY)?.value else {
        return None;
    };
    let [degrees, minutes, seconds] = parts.get(..3)? else {
        return None;
    };
    let value = degrees.to_f64() + minutes.to_f64() / 60.0 + seconds.to_f64() / 3600.0;
    if !value.is_finite() || value > most {
        return None;
    }
    let side = exif.get_field(side, In::PRIMARY);
    let is_negative = side.is_some_and(|field| match &field.value {
        Value::Ascii(texts) => texts.first().and_then(|text| text.first()) == Some(&negative),
        _ => false,
    });
    Some(if is_negative { -value } else { value })
}

fn pixels(exif: &Exif) -> Option<(u32, u32)> {
    let number = |tag| {
        let field: &Field = exif.get_field(tag, In::PRIMARY)?;
        field.value.get_uint(0).filter(|pixels| *pixels > 0)
    };
    let width = number(Tag::PixelXDimension).or_else(|| number(Tag::ImageWidth))?;
    let height = number(Tag::PixelYDimension).or_else(|| number(Tag::ImageLength))?;
    Some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Given<'a> {
        Text(&'a [u8]),
        Number(u16),
        Ratios(&'a [(u32, u32)]),
    }

    /// EXIF data with these tags, each directory in its own list: first, EXIF's own, GPS.
    fn exif(directories: [&[(u16, Given<'_>)]; 3]) -> Exif {
        let mut tiff = b"II*\0\x08\0\0\0".to_vec();
        let sizes: Vec<usize> = directories
            .iter()
            .enumerate()
            .map(|(n, it)| 6 + 12 * (it.len() + if n == 0 { 2 } else { 0 }))
            .collect();
        let starts = [8, 8 + sizes[0], 8 + sizes[0] + sizes[1]];
        let mut data_at = starts[2] + sizes[2];
        let mut data: Vec<u8> = Vec::new();
        for (number, directory) in directories.iter().enumerate() {
            let links: &[(u16, usize)] = match number {
                0 => &[(0x8769, starts[1]), (0x8825, starts[2])],
                _ => &[],
            };
            let count = directory.len() + links.len();
            tiff.extend((count as u16).to_le_bytes());
            for (tag, given) in *directory {
                let (kind, count, bytes) = match given {
                    Given::Text(text) => (2_u16, text.len(), text.to_vec()),
                    Given::Number(number) => (3, 1, number.to_le_bytes().to_vec()),
                    Given::Ratios(ratios) => (
                        5,
                        ratios.len(),
                        ratios
                            .iter()
                            .flat_map(|(one, other)| {
                                [one.to_le_bytes(), other.to_le_bytes()].concat()
                            })
                            .collect(),
                    ),
                };
                tiff.extend(tag.to_le_bytes());
                tiff.extend(kind.to_le_bytes());
                tiff.extend((count as u32).to_le_bytes());
                if bytes.len() <= 4 {
                    tiff.extend(bytes.iter().chain(&[0; 4]).take(4));
                } else {
                    tiff.extend((data_at as u32).to_le_bytes());
                    data_at += bytes.len();
                    data.extend(bytes);
                }
            }
            for (tag, start) in links {
                tiff.extend(tag.to_le_bytes());
                tiff.extend(4_u16.to_le_bytes());
                tiff.extend(1_u32.to_le_bytes());
                tiff.extend((*start as u32).to_le_bytes());
            }
            tiff.extend([0; 4]);
        }
        tiff.extend(data);
        exif::Reader::new().read_raw(tiff).unwrap()
    }

    #[test]
    fn facts_are_short_texts_for_people() {
        let north = [(52, 1), (31, 1), (0, 1)];
        let west = [(13, 1), (22, 1), (3972, 100)];
        let facts = Facts::of(&exif([
            &[
                (0x010F, Given::Text(b"Google\0")),
                (0x0110, Given::Text(b"Pixel 7a\0")),
            ],
            &[
                (0x829A, Given::Ratios(&[(1, 120)])),
                (0x829D, Given::Ratios(&[(19, 10)])),
                (0x8827, Given::Number(54)),
                (0x920A, Given::Ratios(&[(68, 10)])),
                (0xA002, Given::Number(4080)),
                (0xA003, Given::Number(3072)),
            ],
            &[
                (1, Given::Text(b"N\0")),
                (2, Given::Ratios(&north)),
                (3, Given::Text(b"W\0")),
                (4, Given::Ratios(&west)),
            ],
        ]));
        let some = |text: &str| Some(text.to_owned());
        let expected = Facts {
            camera: some("Google Pixel 7a"),
            lens: None,
            exposure: some("1/120 s"),
            aperture: some("f/1.9"),
            iso: some("54"),
            focal: some("6.8 mm"),
            place: some("52.51667, -13.37770"),
            pixels: Some((4080, 3072)),
        };
        assert_eq!(facts, expected);
    }

    #[test]
    fn facts_that_are_none_are_left_out() {
        let long = [b'x'; 5000];
        let facts = Facts::of(&exif([
            &[(0x010F, Given::Text(b" \0")), (0x0110, Given::Text(&long))],
            &[
                (0x829A, Given::Ratios(&[(1, 0)])),
                (0x829D, Given::Ratios(&[(0, 0)])),
            ],
            &[
                (2, Given::Ratios(&[(91, 1), (0, 1), (0, 1)])),
                (4, Given::Ratios(&[(0, 0); 3])),
            ],
        ]));
        assert_eq!(facts.camera.unwrap().len(), MAX_TEXT);
        assert_eq!(
            (facts.exposure, facts.aperture, facts.place),
            (None, None, None)
        );
    }
}
