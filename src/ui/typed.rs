//! Words of command lines that are shown to be copied: quoted for the shell of this system.

use std::fmt::Write as _;
use std::path::Path;

use crate::json::steers;

/// A path as a person has to type it: in quotes where a shell would take it apart, and never like an option.
pub fn typed(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    match bytes.starts_with(b"-") {
        true => quoted(&[b"./", bytes].concat()),
        false => quoted(bytes),
    }
}

/// A word, such as a serial number, as a person has to type it.
pub fn typed_word(word: &str) -> String {
    quoted(word.as_bytes())
}

fn quoted(word: &[u8]) -> String {
    match cfg!(windows) {
        true => for_windows(word),
        false => for_posix(word),
    }
}

/// Not "=": zsh makes the path of a program of a word that begins with it.
fn is_safe(c: char) -> bool {
    c.is_alphanumeric() || "/._-+,:@%".contains(c)
}

/// Text that shows as it is; none where a character steers the terminal, or the bytes are no text.
fn showable(word: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(word).ok()?;
    (!text.chars().any(steers)).then_some(text)
}

fn for_posix(word: &[u8]) -> String {
    match showable(word) {
        Some(text) if !text.is_empty() && text.chars().all(is_safe) => text.to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', r"'\''")),
        None => with_escapes(word),
    }
}

/// `$'...'`, which bash, zsh, ksh and POSIX since 2024 know. In octal: a digit behind it ends at three.
fn with_escapes(word: &[u8]) -> String {
    let mut quoted = "$'".to_owned();
    let octal = |bytes: &[u8], to: &mut String| {
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(to, "\\{byte:03o}");
        }
    };
    for chunk in word.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '\\' => quoted.extend(['\\', c]),
                c if steers(c) => octal(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut quoted),
                c => quoted.push(c),
            }
        }
        octal(chunk.invalid(), &mut quoted);
    }
    quoted.push('\'');
    quoted
}

/// Windows' shells have no way to write such a character.
const NOT_TYPEABLE: &str = "(a name that cannot be typed: rename it first)";

fn for_windows(word: &[u8]) -> String {
    let Some(text) = showable(word) else {
        return NOT_TYPEABLE.to_owned();
    };
    if !text.is_empty() && text.chars().all(|c| is_safe(c) || c == '\\') {
        return text.to_owned();
    }
    // One behind another would take the quote for its own.
    let bare = text.trim_end_matches('\\');
    let backslashes = text.get(bare.len()..).unwrap_or_default();
    format!("\"{text}{backslashes}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn paths_are_one_word_to_a_shell() {
        for (path, word) in [
            (
                "Pixel-7a-LAB0000001-2026-11-23",
                "Pixel-7a-LAB0000001-2026-11-23",
            ),
            ("/media/ada/disk/größer", "/media/ada/disk/größer"),
            ("My Photos", "'My Photos'"),
            ("Ada's", r"'Ada'\''s'"),
            ("~/x;$(id)", "'~/x;$(id)'"),
            ("=ls", "'=ls'"),
            ("-o", "./-o"),
            ("-r f", "'./-r f'"),
        ] {
            assert_eq!(typed(Path::new(path)), word);
            assert_eq!(echoed("sh", &typed(Path::new(path))), path.as_bytes());
        }
    }

    /// What a shell makes of a word.
    #[cfg(unix)]
    fn echoed(shell: &str, word: &str) -> Vec<u8> {
        let echoed = std::process::Command::new(shell)
            .arg("-c")
            .arg(format!("printf %s {word}"))
            .output();
        let echoed = echoed.unwrap().stdout;
        echoed
            .strip_prefix(b"./")
            .map_or(echoed.clone(), <[u8]>::to_vec)
    }

    #[cfg(unix)]
    #[test]
    fn names_that_cannot_be_shown_can_be_pasted() {
        use std::os::unix::ffi::OsStrExt as _;
        for name in [
            &b"a\nb"[..],
            b"a\x1b[2J7",
            "x\u{202e}gpj.exe".as_bytes(),
            b"caf\xe9 '\\1",
            b"-\t'",
        ] {
            let word = typed(Path::new(std::ffi::OsStr::from_bytes(name)));
            assert!(
                word.starts_with("$'") && !word.chars().any(steers),
                "{word:?}"
            );
            assert_eq!(echoed("bash", &word), name, "{word}");
        }
    }

    #[test]
    fn words_for_windows_are_quoted_or_said_to_be_untypeable() {
        for (word, quoted) in [
            (r"C:\Photos", r"C:\Photos"),
            (r"C:\My Photos", r#""C:\My Photos""#),
            (r"C:\My Photos\", r#""C:\My Photos\\""#),
            ("a&b", r#""a&b""#),
            ("", r#""""#),
            ("x\u{202e}gpj.exe", NOT_TYPEABLE),
        ] {
            assert_eq!(for_windows(word.as_bytes()), quoted);
        }
    }
}
