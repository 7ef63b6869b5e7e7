//! JSON that cannot control a terminal or editor that shows it: programs read the same values, and a person sees
//! every character.

use std::fmt::Write as _;

use serde::Serialize;

/// A value as one line of JSON, in which characters that steer a terminal or turn the direction of
/// writing are escaped as `\uXXXX`. JSON itself escapes the control characters of ASCII only.
pub(crate) fn line(value: &impl Serialize) -> serde_json::Result<String> {
    let line = serde_json::to_string(value)?;
    if !line.chars().any(steers) {
        return Ok(line);
    }
    let mut escaped = String::with_capacity(line.len() + 32);
    for c in line.chars() {
        // They stand in strings only: outside, JSON has ASCII.
        match steers(c) {
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
            false => escaped.push(c),
        }
    }
    Ok(escaped)
}

/// Text made harmless: characters that [steer](steers) are shown as escapes, so that they can neither control a
/// terminal nor forge a line.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a character does something to a screen, or to the text around it, instead of showing: C0
/// and C1 controls, DEL, line separators, what turns the direction, and what has no shape at all.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_steers_is_escaped_and_comes_back() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let text = format!("a{c}b\"\\");
            let line = line(&[&text]).unwrap();
            assert!(!line.chars().any(steers), "{c:?}: {line:?}");
            if !steers(c) && !matches!(c, '"' | '\\') {
                assert!(line.contains(c), "{c:?}: {line:?}");
            }
            let back: Vec<String> = serde_json::from_str(&line).unwrap();
            assert_eq!(back, [text]);
        }
        let name = "\u{9b}2J\u{7f}\u{202e}gpj.exe\u{e0041}";
        let expected = r#""\u009b2J\u007f\u202egpj.exe\udb40\udc41""#;
        assert_eq!(line(&name).unwrap(), expected);
    }
}
