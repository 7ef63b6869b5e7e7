//! The kind of an item, judged by its name or its first bytes, and the order of importance.

mod first_bytes;

pub(crate) use first_bytes::FIRST_BYTES;

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

// Complete, as far as cameras, phones and their apps are known to write: what is missing here stays
// on the phone, unless its first bytes tell what it is.
const PHOTO: &[&str] = &[
    // JPEG and its relatives, with stereo pictures and GoPro's previews.
    "jpg", "jpeg", "jpe", "jif", "jfif", "jfi", "jps", "mpo", "thm", "insp", "jp2", "j2k", "jpf",
    "jpx", "jpm", "jxr", "wdp", "hdp", "jxl", // HEIF and AV1.
    "heic", "heics", "heif", "heifs", "hif", "avci", "avcs", "avif", "avifs",
    // Others.
    "png", "apng", "pns", "gif", "webp", "bmp", "dib", "wbmp", "tif", "tiff", "psd",
    // What sensors give.
    "3fr", "ari", "arq", "arw", "bay", "cap", "cr2", "cr3", "crw", "dcr", "dcs", "dng", "drf",
    "eip", "erf", "fff", "gpr", "iiq", "k25", "kdc", "mdc", "mef", "mos", "mrw", "nef", "nrw",
    "orf", "ori", "pef", "ptx", "raf", "raw", "rw1", "rw2", "rwl", "rwz", "sr2", "srf", "srw",
    "sti", "x3f",
];
const VIDEO: &[&str] = &[
    "mp4", "mp4v", "m4v", "mov", "qt", "3gp", "3gpp", "3gp2", "3gpp2", "3g2", "k3g", "skm", "mkv",
    "mk3d", "webm", "avi", "divx", "xvid", // Transport and program streams of cameras.
    "ts", "trp", "tp", "m2t", "mts", "m2ts", "mod", "tod", "vob", "mpg", "mpeg", "mpe", "m1v",
    "m2v", "mpv", "dv", // Action and 360 degree cameras, and drones.
    "360", "insv", "osv", "lrv", "lrf", "glv", "dav", // Bare streams.
    "h264", "264", "h265", "265", "hevc", "av1", "ivf", "mjpg", "mjpeg", "amv",
    // Others.
    "wmv", "asf", "flv", "f4v", "ogv", "ogm", "rm", "rmvb", "mxf", "nsv", "braw", "r3d",
];
const AUDIO: &[&str] = &[
    "mp3", "mp2", "mp1", "mpga", "m4a", "m4b", "m4r", "m4p", "aac", "adts", "ogg", "oga", "opus",
    "spx", "flac", "wav", "wave", "bwf", "w64", "rf64", "aif", "aiff", "aifc", "caf", "au", "snd",
    "amr", "awb", "3ga", "3gpa", "qcp", "evrc", "evc", "smv", "gsm", "wma", "mka", "weba", "ape",
    "wv", "tta", "tak", "alac", "ac3", "eac3", "ec3", "ac4", "dts", "dsf", "dff", "ra", "dss",
    "ds2", "dvf", "msv", "mid", "midi", "smf", "kar", "rmi", "xmf", "mxmf", "imy", "ota", "rtttl",
    "rtx", "mmf",
];

impl MediaKind {
    /// Judges a file by its name.
    pub fn of_name(name: &[u8]) -> Self {
        let Some(ending) = ending(name) else {
            return Self::Other;
        };
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

/// What stands behind the last dot of a name.
pub(crate) fn ending(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    name.get(dot + 1..)
}

/// How precious an item is; the first comes first, since the phone may die at any moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precious {
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
    pub(crate) fn of<'a>(kind: MediaKind, mut components: impl Iterator<Item = &'a [u8]>) -> Self {
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
pub(crate) fn original_name(name: &[u8]) -> Option<&[u8]> {
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
        for name in [
            "a.jfif", "b.MPO", "c.hif", "d.gpr", "e.cr3", "f.arw", "g.nef", "h.orf", "i.rw2",
            "j.raf", "k.srw", "l.pef", "m.dcr", "n.insp", "o.thm",
        ] {
            assert_eq!(
                MediaKind::of_name(name.as_bytes()),
                MediaKind::Photo,
                "{name}"
            );
        }
        for name in [
            "a.3gpp", "b.3g2", "c.TS", "d.mts", "e.m2ts", "f.mod", "g.tod", "h.lrv", "i.insv",
            "j.360",
        ] {
            assert_eq!(
                MediaKind::of_name(name.as_bytes()),
                MediaKind::Video,
                "{name}"
            );
        }
        for name in ["a.amr", "b.m4a", "c.opus", "d.3ga"] {
            assert_eq!(
                MediaKind::of_name(name.as_bytes()),
                MediaKind::Audio,
                "{name}"
            );
        }
        for name in [
            &b"jpg"[..],
            b"",
            b".",
            b"a.jpg.",
            b"\xff.\xff",
            b"a.apk",
            b"b.db",
        ] {
            assert_eq!(MediaKind::of_name(name), MediaKind::Other, "{name:?}");
        }
    }

    #[test]
    fn no_ending_is_listed_twice() {
        let mut all = [PHOTO, VIDEO, AUDIO].concat();
        all.sort_unstable();
        let twice = all.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None);
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
