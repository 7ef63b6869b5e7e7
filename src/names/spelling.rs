//! How one name from the phone is spelt on this disk, and which two spellings some filesystem
//! would take for one.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization as _;

use crate::digest::Sha256;

/// The longest name of one file or folder, in bytes of UTF-8 (ext4, APFS); never more than the
/// 255 UTF-16 units of NTFS and exFAT, because no character takes fewer bytes than units.
pub(crate) const MAX_NAME_BYTES: usize = 255;

/// An extension longer than this, with its dot, is taken for a part of the name.
const MAX_EXTENSION_BYTES: usize = 32;

/// What stands for a character that would be invisible or reorder the text around it.
const INVISIBLE: char = '\u{FFFD}';

/// Spells one name, as raw bytes from the phone, so that every filesystem takes it; the table is
/// in [`crate::names`]. Never empty, never `.` or `..`, at most 255 bytes.
pub fn spell(raw: &[u8]) -> String {
    let mut name = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        name.extend(chunk.valid().chars().map(|c| replacement(c).unwrap_or(c)));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(name, "\u{201B}{byte:02x}");
        }
    }
    match name.pop() {
        Some('.') => name.push('．'),
        Some(' ') => name.push('␠'),
        Some(last) => name.push(last),
        None => name.push('_'),
    }
    if is_device_name(&name) {
        name.insert(0, '_');
    }
    shortened(name, raw, MAX_NAME_BYTES)
}

/// What stands for a character that some filesystem, shell tool or manifest cannot take, or that
/// deceives on a screen; `None` for all others.
pub(super) fn replacement(c: char) -> Option<char> {
    match c {
        '\0'..='\x1F' => char::from_u32(0x2400 + u32::from(c)),
        '\x7F' => Some('\u{2421}'),
        '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' | '%' => {
            char::from_u32(0xFEE0 + u32::from(c))
        }
        // C1 controls, line and paragraph separators, what turns the writing direction, BOM.
        '\u{80}'..='\u{9F}'
        | '\u{61C}'
        | '\u{200E}'
        | '\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2066}'..='\u{2069}'
        | '\u{FEFF}' => Some(INVISIBLE),
        _ => None,
    }
}

/// Cuts a name that is longer than `limit` bytes: the extension stays, and `~` with the start of
/// the raw name's SHA-256 tells names apart that differ only in what was cut.
pub(super) fn shortened(name: String, raw: &[u8], limit: usize) -> String {
    if name.len() <= limit {
        return name;
    }
    let (stem, extension) = split_extension(&name);
    let mark = format!("~{}", digest_mark(raw));
    let room = limit.saturating_sub(extension.len() + mark.len());
    let cut = (0..=room).rev().find_map(|end| stem.get(..end));
    let stem = cut.unwrap_or_default();
    format!("{stem}{mark}{extension}")
}

/// What a phone calls itself, for a name in a folder of the person's: letters, digits and `-`.
pub(crate) fn harmless(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    text.chars().take(40).map(safe).collect()
}

/// The first 8 hexadecimal digits of the bytes' SHA-256.
pub(crate) fn digest_mark(bytes: &[u8]) -> String {
    let mut digits = Sha256::of(bytes).to_string();
    digits.truncate(8);
    digits
}

/// Splits `IMG_1.jpg` into `IMG_1` and `.jpg`; a leading dot starts no extension.
pub(crate) fn split_extension(name: &str) -> (&str, &str) {
    name.rfind('.')
        .filter(|dot| *dot > 0 && name.len() - dot <= MAX_EXTENSION_BYTES)
        .and_then(|dot| name.split_at_checked(dot))
        .unwrap_or((name, ""))
}

/// What two names have in common when some filesystem takes them for the same one.
///
/// Wider than any single filesystem on purpose, for a needless ` (2)` is harmless: Unicode
/// normalisation (APFS, HFS+), case in both directions (NTFS, exFAT and APFS each have their own
/// idea of `ß`, `ſ` and `İ`), and the invisible characters that HFS+ skips.
pub(crate) fn folded(name: &str) -> Cow<'_, str> {
    if name
        .bytes()
        .all(|b| b.is_ascii() && !b.is_ascii_lowercase())
    {
        return Cow::Borrowed(name);
    }
    if name.is_ascii() {
        return Cow::Owned(name.to_ascii_uppercase());
    }
    let visible = |c: &char| !matches!(*c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    let composed: String = name.chars().filter(visible).nfc().collect();
    let one_case = composed.to_uppercase().to_lowercase().to_uppercase();
    Cow::Owned(one_case.nfc().collect())
}

/// Whether a name is another one on Windows, or a device. [`spell`] makes none such.
pub(super) fn is_refused_by_windows(name: &str) -> bool {
    name.ends_with(['.', ' ']) || is_device_name(name)
}

/// Whether Windows takes the name for a device, with any extension and in any case.
fn is_device_name(name: &str) -> bool {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end_matches(' ');
    if stem.len() > "CONOUT$".len() {
        return false;
    }
    match stem.to_ascii_uppercase().as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        port => port
            .strip_prefix("COM")
            .or_else(|| port.strip_prefix("LPT"))
            .is_some_and(|number| {
                let mut digits = number.chars();
                matches!(digits.next(), Some('0'..='9' | '¹' | '²' | '³'))
                    && digits.next().is_none()
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "IMG_0001.jpg",
            ".nomedia",
            "été (1).JPG",
            "日本.mp4",
            "👩\u{200D}🚀.png",
            "a'b&c;$d",
        ] {
            assert_eq!(spell(name.as_bytes()), name);
        }
    }

    #[test]
    fn characters_that_some_disk_refuses_are_replaced() {
        let cases: [(&[u8], &str); 14] = [
            (b"12:30?.jpg", "12：30？.jpg"),
            (b"a<b>c\"d\\e|f*g", "a＜b＞c＂d＼e｜f＊g"),
            (b"100%.jpg", "100％.jpg"),
            (b"a\nb\x7f", "a␊b␡"),
            (b"caf\xe9.jpg", "caf\u{201B}e9.jpg"),
            (b"\xff\xfe", "\u{201B}ff\u{201B}fe"),
            ("a\u{202E}gpj.exe".as_bytes(), "a\u{FFFD}gpj.exe"),
            (
                "\u{85}\u{2028}\u{FEFF}".as_bytes(),
                "\u{FFFD}\u{FFFD}\u{FFFD}",
            ),
            (b"end.", "end．"),
            (b"end ", "end␠"),
            (b".", "．"),
            (b"..", ".．"),
            (b"../../etc", "..／..／etc"),
            (b"", "_"),
        ];
        for (raw, expected) in cases {
            assert_eq!(spell(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn device_names_of_windows_get_a_line_before_them() {
        for name in [
            "CON",
            "con.jpg",
            "Aux.tar.gz",
            "nul .txt",
            "COM1",
            "lpt9.x",
            "COM²",
            "conout$",
        ] {
            assert_eq!(spell(name.as_bytes()), format!("_{name}"));
        }
        for name in ["CONE", "COM", "COM10", "xCON", "console.log", "LPTx"] {
            assert_eq!(spell(name.as_bytes()), name);
        }
    }

    #[test]
    fn long_names_are_cut_between_characters_and_keep_their_extension() {
        let long = format!("{}.jpg", "é".repeat(200));
        let name = spell(long.as_bytes());
        assert!(
            name.len() <= MAX_NAME_BYTES && name.len() > MAX_NAME_BYTES - 2,
            "{}",
            name.len()
        );
        assert!(
            name.ends_with(&format!("~{}.jpg", digest_mark(long.as_bytes()))),
            "{name}"
        );
        let other = format!("{}è.jpg", "é".repeat(199));
        assert_ne!(spell(other.as_bytes()), name);
        assert_eq!(spell(&[b'x'; 255]).len(), 255);
        assert!(spell(&[0xff; 1000]).len() <= 255);
        assert!(spell(format!("a.{}", "x".repeat(400)).as_bytes()).len() <= 255);
    }

    #[test]
    fn names_that_some_disk_takes_for_one_fold_alike() {
        for (one, other) in [
            ("dcim", "DCIM"),
            ("e\u{301}té", "ÉTÉ"),
            ("straße", "STRASSE"),
            ("ſ", "s"),
            ("İ", "i\u{307}"),
            ("Σς", "σσ"),
            ("\u{212A}", "k"),
            ("a\u{200D}b", "AB"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        assert_ne!(folded("a"), folded("á"));
    }
}
