//! Keys by name, and by the characters they type on a keyboard with the US layout, which Android assumes for an
//! unknown keyboard. No I/O.

use zeroize::{Zeroize, Zeroizing};

/// The bit of Left Control in a keyboard report. The others are [`SHIFT`], [`ALT`] and [`META`].
pub(crate) const CONTROL: u8 = 1;
/// The bit of Left Shift in a keyboard report.
pub(crate) const SHIFT: u8 = 2;
/// The bit of Left Alt in a keyboard report.
pub(crate) const ALT: u8 = 4;
/// The bit of Left Meta in a keyboard report.
pub(crate) const META: u8 = 8;

/// A key together with the modifiers held while it is pressed. Its `Debug` form hides the content, which may belong to
/// a PIN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stroke {
    /// The held modifiers, as bits: [`CONTROL`], [`SHIFT`], [`ALT`], [`META`].
    pub modifiers: u8,
    /// The key's usage on HID page 07.
    pub usage: u8,
}

impl Zeroize for Stroke {
    fn zeroize(&mut self) {
        self.modifiers.zeroize();
        self.usage.zeroize();
    }
}

impl std::fmt::Debug for Stroke {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stroke(..)")
    }
}

/// A key without modifiers.
const fn plain(usage: u8) -> Stroke {
    Stroke {
        modifiers: 0,
        usage,
    }
}

impl Stroke {
    /// Enter.
    pub(crate) const ENTER: Self = plain(0x28);
    /// Escape, which Android treats as Back.
    pub(crate) const ESCAPE: Self = plain(0x29);
    /// Backspace.
    pub(crate) const BACKSPACE: Self = plain(0x2a);
    /// Tab.
    pub(crate) const TAB: Self = plain(0x2b);
    /// The space bar.
    pub(crate) const SPACE: Self = plain(0x2c);
    /// The right arrow.
    pub(crate) const RIGHT: Self = plain(0x4f);
    /// The left arrow.
    pub(crate) const LEFT: Self = plain(0x50);
    /// The down arrow.
    pub(crate) const DOWN: Self = plain(0x51);
    /// The up arrow.
    pub(crate) const UP: Self = plain(0x52);

    /// Returns the stroke that types a character, or `None` if no key does.
    pub(crate) fn of_char(c: char) -> Option<Self> {
        let shifted = |usage| Self {
            modifiers: SHIFT,
            usage,
        };
        Some(match c {
            'a'..='z' => plain(0x04 + (c as u8 - b'a')),
            'A'..='Z' => shifted(0x04 + (c as u8 - b'A')),
            '1'..='9' => plain(0x1e + (c as u8 - b'1')),
            '0' => plain(0x27),
            ' ' => Self::SPACE,
            _ => {
                let find = |row: &str| row.chars().position(|known| known == c);
                if let Some(at) = find("!@#$%^&*()") {
                    shifted(0x1e + at as u8)
                } else if let Some(at) = find("-=[]\\") {
                    plain(0x2d + at as u8)
                } else if let Some(at) = find("_+{}|") {
                    shifted(0x2d + at as u8)
                } else if let Some(at) = find(";'`,./") {
                    plain(0x33 + at as u8)
                } else {
                    shifted(0x33 + find(":\"~<>?")? as u8)
                }
            }
        })
    }

    /// Returns the stroke with this name, such as `Tab`, `F5`, `a` or `Ctrl+Alt+z`. Names are not case-sensitive.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut modifiers = 0;
        let mut rest = name;
        while let Some((modifier, after)) = rest.split_once('+').filter(|(_, key)| !key.is_empty())
        {
            modifiers |= match modifier.to_ascii_lowercase().as_str() {
                "ctrl" | "control" => CONTROL,
                "shift" => SHIFT,
                "alt" => ALT,
                "meta" | "win" | "super" => META,
                _ => return None,
            };
            rest = after;
        }
        let mut letters = rest.chars();
        let stroke = match (letters.next(), letters.next()) {
            (Some(only), None) => Self::of_char(only)?,
            _ => plain(usage_named(rest)?),
        };
        Some(Self {
            modifiers: stroke.modifiers | modifiers,
            ..stroke
        })
    }
}

fn usage_named(name: &str) -> Option<u8> {
    let name = name.to_ascii_lowercase();
    if let Some(number) = name
        .strip_prefix('f')
        .and_then(|rest| rest.parse::<u8>().ok())
    {
        return (1..=12).contains(&number).then(|| 0x39 + number);
    }
    Some(match name.as_str() {
        "enter" => 0x28,
        "escape" | "esc" => 0x29,
        "backspace" => 0x2a,
        "tab" => 0x2b,
        "space" => 0x2c,
        "pagestart" => 0x4a,
        "pageup" => 0x4b,
        "delete" => 0x4c,
        "end" => 0x4d,
        "pagedown" => 0x4e,
        "right" => 0x4f,
        "left" => 0x50,
        "down" => 0x51,
        "up" => 0x52,
        "menu" => 0x65,
        _ => return None,
    })
}

/// The error for a character that no key types. It does not contain the character, which may belong to a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("character {place} of {of} is not on a US keyboard, the only layout that can be used here")]
pub struct NoKey {
    /// The character's position, counted from 1.
    pub place: usize,
    /// The number of characters in the text.
    pub of: usize,
}

/// Returns the strokes that type a text.
pub(crate) fn type_text(text: &str) -> Result<Zeroizing<Vec<Stroke>>, NoKey> {
    let of = text.chars().count();
    // At once in its size: what grows leaves copies behind.
    let mut strokes = Zeroizing::new(Vec::with_capacity(of));
    for (at, c) in text.chars().enumerate() {
        strokes.push(Stroke::of_char(c).ok_or(NoKey { place: at + 1, of })?);
    }
    Ok(strokes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_ascii_character_has_a_key_of_its_own_and_nothing_else_has_one() {
        let mut seen = std::collections::HashMap::new();
        for c in ' '..='~' {
            let stroke = Stroke::of_char(c).unwrap_or_else(|| panic!("no key for {c:?}"));
            let other = seen.insert((stroke.modifiers, stroke.usage), c);
            assert_eq!(other, None, "{c:?} is typed like another");
        }
        for c in ['\n', '\t', '\u{7f}', 'ä', '€', '١'] {
            assert_eq!(Stroke::of_char(c), None, "{c:?}");
        }
    }

    #[test]
    fn keys_are_where_the_usage_tables_have_them() {
        for (text, modifiers, usage) in [
            ("a", 0, 0x04),
            ("Z", 2, 0x1d),
            ("1", 0, 0x1e),
            ("0", 0, 0x27),
            ("!", 2, 0x1e),
            (")", 2, 0x27),
            ("-", 0, 0x2d),
            ("+", 2, 0x2e),
            ("|", 2, 0x31),
            (";", 0, 0x33),
            ("~", 2, 0x35),
            ("/", 0, 0x38),
            ("Tab", 0, 0x2b),
            ("F5", 0, 0x3e),
            ("ctrl+alt+z", 5, 0x1d),
            ("Meta+i", 8, 0x0c),
            ("Shift+Tab", 2, 0x2b),
            ("Ctrl++", 3, 0x2e),
        ] {
            assert_eq!(
                Stroke::named(text),
                Some(Stroke { modifiers, usage }),
                "{text}"
            );
        }
        for text in ["", "Foo", "F13", "F0", "Ctrl+", "Hyper+a", "ä"] {
            assert_eq!(Stroke::named(text), None, "{text}");
        }
    }

    #[test]
    fn character_without_a_key_is_told_by_its_place_only() {
        let error = type_text("abcä").unwrap_err();
        assert_eq!(error, NoKey { place: 4, of: 4 });
        assert!(!error.to_string().contains('ä'));
        assert_eq!(
            format!("{:?}", *type_text("12").unwrap()),
            "[Stroke(..), Stroke(..)]"
        );
    }
}
