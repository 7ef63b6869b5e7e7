//! What an item is, judged by its name; and which items are the most precious.

/// What kind of media a file holds, by its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Photo,
    /// A moving picture.
    Video,
    /// Sound.
    Audio,
    /// Anything else.
    Other,
}

const PHOTO: &[&str] = &[
    "jpg", "jpeg", "jpe", "png", "heic", "heif", "gif", "webp", "avif", "jxl", "bmp", "tif",
    "tiff", "dng", "raw", "arw", "cr2", "cr3", "nef", "nrw", "orf", "rw2", "raf", "srw", "pef",
    "insp",
];
const VIDEO: &[&str] = &[
    "mp4", "m4v", "mov", "3gp", "3g2", "mkv", "webm", "avi", "mts", "m2ts", "mpg", "mpeg", "wmv",
    "flv", "insv",
];
const AUDIO: &[&str] = &[
    "mp3", "m4a", "aac", "ogg", "oga", "opus", "flac", "wav", "amr", "awb", "wma", "mid", "3ga",
    "qcp",
];

impl MediaKind {
    /// Judges a file by its name.
    pub fn of_name(name: &[u8]) -> Self {
        let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else {
            return Self::Other;
        };
        let ending = name.get(dot + 1..).unwrap_or_default();
        let listed = |list: &[&str]| {
            list.iter()
                .any(|known| known.as_bytes().eq_ignore_ascii_case(ending))
        };
        if listed(PHOTO) {
            Self::Photo
        } else if listed(VIDEO) {
            Self::Video
        } else if listed(AUDIO) {
            Self::Audio
        } else {
            Self::Other
        }
    }
}

/// How precious an item is; the first comes first, since the phone may die at any moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precious {
    /// Pictures that the camera took.
    CameraPhoto,
    /// Videos that the camera took.
    CameraVideo,
    /// Other pictures.
    Photo,
    /// Other videos.
    Video,
    /// Everything else.
    Rest,
}

impl Precious {
    /// Judges an item by its kind and its components below the volume.
    pub fn of<'a>(kind: MediaKind, mut components: impl Iterator<Item = &'a [u8]>) -> Self {
        let camera = components
            .next()
            .is_some_and(|first| first.eq_ignore_ascii_case(b"DCIM"));
        match (kind, camera) {
            (MediaKind::Photo, true) => Self::CameraPhoto,
            (MediaKind::Video, true) => Self::CameraVideo,
            (MediaKind::Photo, false) => Self::Photo,
            (MediaKind::Video, false) => Self::Video,
            (MediaKind::Audio | MediaKind::Other, _) => Self::Rest,
        }
    }
}

/// A recycle-bin name: the item's original name, when its name says that it was thrown away or
/// never finished (MediaStore's `.trashed-EXPIRY-NAME` and `.pending-EXPIRY-NAME`).
pub fn original_name(name: &[u8]) -> Option<&[u8]> {
    let rest = name
        .strip_prefix(b".trashed-")
        .or_else(|| name.strip_prefix(b".pending-"))?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let original = rest.get(digits..)?.strip_prefix(b"-")?;
    (digits > 0 && !original.is_empty()).then_some(original)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_the_kind_in_any_case() {
        assert_eq!(MediaKind::of_name(b"IMG_1.JPG"), MediaKind::Photo);
        assert_eq!(MediaKind::of_name(b"PXL_1.MP.jpg"), MediaKind::Photo);
        assert_eq!(MediaKind::of_name(b"VID.mp4"), MediaKind::Video);
        assert_eq!(MediaKind::of_name(b"PTT-1.opus"), MediaKind::Audio);
        for name in [&b"jpg"[..], b"", b".", b"a.jpg.", b"\xff.\xff"] {
            assert_eq!(MediaKind::of_name(name), MediaKind::Other, "{name:?}");
        }
    }

    #[test]
    fn recycle_bin_names_give_the_original() {
        assert_eq!(
            original_name(b".trashed-1724000000-IMG_1.jpg"),
            Some(&b"IMG_1.jpg"[..])
        );
        assert_eq!(original_name(b".pending-1-a-b"), Some(&b"a-b"[..]));
        for name in [
            &b".trashed--x"[..],
            b".trashed-1-",
            b".trashed-x-y",
            b"trashed-1-y",
            b".trashed-1",
        ] {
            assert_eq!(original_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn camera_pictures_come_first() {
        let judge =
            |kind, path: &'static str| Precious::of(kind, path.split('/').map(str::as_bytes));
        assert_eq!(
            judge(MediaKind::Photo, "DCIM/Camera/x"),
            Precious::CameraPhoto
        );
        assert_eq!(judge(MediaKind::Photo, "Pictures/x"), Precious::Photo);
        assert!(Precious::CameraVideo < Precious::Photo && Precious::Video < Precious::Rest);
    }
}
