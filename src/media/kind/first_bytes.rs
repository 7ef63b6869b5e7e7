//! Recognises a file's kind by its first bytes, if its name does not tell. Pure.

use super::MediaKind::{self, Audio, Photo, Video};

/// How many first bytes tell.
pub(crate) const FIRST_BYTES: usize = 16;

/// What files of a kind begin with; at offset 0. Signatures of fewer than three bytes would be met
/// by chance, and are looked at below.
const BEGINNINGS: &[(&[u8], MediaKind)] = &[
    (b"\xff\xd8\xff", Photo),
    (b"\x89PNG\r\n\x1a\n", Photo),
    (b"GIF87a", Photo),
    (b"GIF89a", Photo),
    // TIFF and what is built on it: DNG, CR2, NEF, ARW, PEF, SRW...
    (b"II*\0", Photo),
    (b"MM\0*", Photo),
    (b"II+\0", Photo),
    (b"IIRO", Photo),
    (b"IIRS", Photo),
    (b"IIU\0", Photo),
    (b"II\xbc\x01", Photo),
    (b"FUJIFILMCCD-RAW", Photo),
    (b"FOVb", Photo),
    (b"\0MRM", Photo),
    (b"II\x1a\0\0\0HEAPCCDR", Photo),
    (b"8BPS\0\x01", Photo),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Photo),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Photo),
    (b"\x1a\x45\xdf\xa3", Video),
    (b"\0\0\x01\xba", Video),
    (b"\0\0\x01\xb3", Video),
    (b"FLV\x01", Video),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Video),
    (b".RMF\0\0\0", Video),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", Video),
    (b"OggS", Audio),
    (b"fLaC", Audio),
    (b"#!AMR", Audio),
    (b"ID3", Audio),
    (b"caff\0\x01", Audio),
    (b"wvpk", Audio),
    (b"MThd\0\0\0\x06", Audio),
    (b".snd\0\0\0", Audio),
    (b"MAC ", Audio),
    (b"DSD \x1c\0\0\0", Audio),
    (b"XMF_", Audio),
    (b"MMMD", Audio),
];

impl MediaKind {
    /// Judges a file of so many bytes by its first `FIRST_BYTES`; [`MediaKind::Other`] when they
    /// are those of no picture, video or sound that is known.
    pub fn of_first_bytes(bytes: &[u8], size: u64) -> Self {
        let known = BEGINNINGS
            .iter()
            .find(|(beginning, _)| bytes.starts_with(beginning));
        if let Some((_, kind)) = known {
            return *kind;
        }
        let [a, b, c, d, rest @ ..] = bytes else {
            return Self::Other;
        };
        match (&[*a, *b, *c, *d], rest) {
            (_, [b'f', b't', b'y', b'p', brand @ ..]) => of_brand(brand),
            // QuickTime from before there were brands.
            (_, [b'm', b'o', b'o', b'v' | b'f', ..] | [b'm', b'd', b'a', b't', ..])
            | (_, [b'w', b'i', b'd', b'e', ..]) => Video,
            (b"RIFF", [_, _, _, _, b'W', b'E', b'B', b'P', ..]) => Photo,
            (b"RIFF", [_, _, _, _, b'A', b'V', b'I', b' ', ..]) => Video,
            (b"RIFF" | b"RF64", [_, _, _, _, b'W', b'A', b'V', b'E', ..]) => Audio,
            (b"RIFF", [_, _, _, _, b'Q', b'L', b'C', b'M', ..]) => Audio,
            (b"FORM", [_, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..]) => Audio,
            // It says its own size.
            (&[b'B', b'M', ..], &[_, _, 0, 0, 0, 0, ..]) => {
                let told = bytes.get(2..6).and_then(|told| told.try_into().ok());
                match told.map(u32::from_le_bytes) {
                    Some(told) if u64::from(told) == size => Photo,
                    _ => Self::Other,
                }
            }
            // A frame of MPEG audio, layer III, or of AAC in ADTS, whose header holds no reserved value.
            (&[0xff, 0xfa | 0xfb | 0xf2 | 0xf3, rates, _], _)
                if rates >> 4 != 0xf && rates >> 4 != 0 && rates & 0xc != 0xc =>
            {
                Audio
            }
            (&[0xff, 0xf1 | 0xf9, rates, _], _) if (rates >> 2) & 0xf < 13 => Audio,
            _ => Self::Other,
        }
    }
}

/// Judges the brand of a file in ISO's base format: HEIF, AVIF and Canon's CR3 are pictures.
fn of_brand(brand: &[u8]) -> MediaKind {
    match brand.get(..4).unwrap_or_default() {
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" | b"mif1"
        | b"mif2" | b"msf1" | b"miaf" | b"avif" | b"avis" | b"avci" | b"avcs" | b"crx "
        | b"jxl " => Photo,
        b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " => Audio,
        _ => Video,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(bytes: &[u8]) -> MediaKind {
        MediaKind::of_first_bytes(bytes, 1000)
    }

    #[test]
    fn pictures_videos_and_sound_are_known_by_their_first_bytes() {
        for bytes in [
            &b"\xff\xd8\xff\xe1\x12\x34Exif"[..],
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"GIF89a\x01\0",
            b"RIFF\x10\0\0\0WEBPVP8 ",
            b"II*\0\x08\0\0\0",
            b"\0\0\0\x18ftypheic\0\0\0\0",
            b"\0\0\0\x18ftypcrx \0\0\0\x01",
            b"BM\xe8\x03\0\0\0\0\0\0\x36\0",
        ] {
            assert_eq!(judged(bytes), Photo, "{}", bytes.escape_ascii());
        }
        for bytes in [
            &b"\0\0\0\x18ftypmp42\0\0\0\0"[..],
            b"\0\0\0\x14ftyp3gp5",
            b"\0\0\0\x08wide\0\0\0\0mdat",
            b"\x1a\x45\xdf\xa3\x01\0\0\0",
            b"RIFF\x10\0\0\0AVI LIST",
            b"\0\0\x01\xba\x44\0\x04\0",
        ] {
            assert_eq!(judged(bytes), Video, "{}", bytes.escape_ascii());
        }
        for bytes in [
            &b"#!AMR\n\x3c"[..],
            b"\0\0\0\x1cftypM4A \0\0\0\0",
            b"OggS\0\x02",
            b"\xff\xfb\x90\x64",
            b"\xff\xf1\x50\x80",
            b"RIFF\x10\0\0\0WAVEfmt ",
        ] {
            assert_eq!(judged(bytes), Audio, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn other_bytes_are_of_other_files() {
        for bytes in [
            &b""[..],
            b"\xff\xd8",
            b"BM of a text that begins so",
            b"PK\x03\x04\x14\0\0\0",
            b"SQLite format 3\0",
            b"%PDF-1.7\n",
            b"\xff\xfb\xff\xff",
            b"\xff\xf1\xff\xff",
            b"<?xml version=\"1",
            b"{\"key\": 1}",
            b"\x7fELF\x02\x01\x01\0",
            b"RIFF\x10\0\0\0ACON",
            b"dex\n035\0",
        ] {
            assert_eq!(judged(bytes), MediaKind::Other, "{}", bytes.escape_ascii());
        }
    }
}
