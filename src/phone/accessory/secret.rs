//! The PIN, password or pattern of a phone's lock, as its owner gives it. Never shown, and overwritten when dropped.

use zeroize::{Zeroize as _, Zeroizing};

use super::hid::Point;
use super::strokes::{NoKey, type_text};

/// More than any lock takes, in characters (Android takes 16).
const MAX_CHARACTERS: usize = 128;

/// A PIN, a password or a pattern. Its `Debug` form hides the content.
pub enum LockSecret {
    /// A PIN or password, typed as keys.
    Text(Zeroizing<String>),
    /// A pattern as the numbers of its dots, 1 at the upper left and 9 at the lower right.
    Pattern(Zeroizing<Vec<u8>>),
}

/// The reason why a text cannot be a phone's PIN, password or pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// The text is empty.
    #[error("nothing was given")]
    Empty,
    /// The text is longer than any phone accepts.
    #[error("it has more than {MAX_CHARACTERS} characters")]
    TooLong,
    /// A character cannot be typed.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// The text is not a pattern: at least four digits from 1 to 9, each at most once.
    #[error("a pattern is at least four of the digits 1 to 9, each once")]
    NoPattern,
    /// The line between two dots passes over a third dot that has not been used, which the phone would add to the
    /// pattern.
    #[error(
        "number {place} of the pattern cannot come next: the line to it passes over another dot"
    )]
    PassesOver {
        /// The position of the offending digit, counted from 1.
        place: usize,
    },
}

impl std::fmt::Debug for LockSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LockSecret(..)")
    }
}

impl LockSecret {
    /// Checks that a PIN or password can be typed.
    pub fn text(text: Zeroizing<String>) -> Result<Self, BadSecret> {
        match text.chars().count() {
            0 => return Err(BadSecret::Empty),
            characters if characters > MAX_CHARACTERS => return Err(BadSecret::TooLong),
            _ => {}
        }
        type_text(&text)?;
        Ok(Self::Text(text))
    }

    /// Checks that a pattern, given as digits, can be drawn.
    pub fn pattern(digits: &Zeroizing<String>) -> Result<Self, BadSecret> {
        if digits.is_empty() {
            return Err(BadSecret::Empty);
        }
        let mut dots = Zeroizing::new(Vec::with_capacity(9));
        for byte in digits.bytes() {
            let dot = byte.wrapping_sub(b'0');
            if !(1..=9).contains(&dot) || dots.contains(&dot) {
                return Err(BadSecret::NoPattern);
            }
            if let Some(last) = dots.last()
                && let Some(middle) = dot_between(*last, dot)
                && !dots.contains(&middle)
            {
                let place = dots.len() + 1;
                return Err(BadSecret::PassesOver { place });
            }
            dots.push(dot);
        }
        match dots.len() {
            4.. => Ok(Self::Pattern(dots)),
            _ => Err(BadSecret::NoPattern),
        }
    }

    /// Returns the kind of the secret, as a word for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "PIN or password",
            Self::Pattern(_) => "pattern",
        }
    }
}

/// The dot in the middle of the line between two, where there is one.
fn dot_between(one: u8, other: u8) -> Option<u8> {
    let place = |dot: u8| ((dot - 1) / 3, (dot - 1) % 3);
    let ((row, column), (to_row, to_column)) = (place(one), place(other));
    let is_even = |sum: u8| sum.is_multiple_of(2);
    (is_even(row + to_row) && is_even(column + to_column))
        .then(|| (row + to_row) / 2 * 3 + (column + to_column) / 2 + 1)
        .filter(|middle| *middle != one && *middle != other)
}

/// The position of the pattern's dots on the display.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// The position of dot 1, as fractions of the width and the height.
    first: (f64, f64),
    /// The position of dot 9, as fractions of the width and the height.
    last: (f64, f64),
}

impl Default for Grid {
    /// Returns about where current phones show the pattern: over most of the width, below the middle.
    fn default() -> Self {
        Self {
            first: (0.24, 0.54),
            last: (0.76, 0.78),
        }
    }
}

impl std::str::FromStr for Grid {
    type Err = String;

    /// Parses `X1,Y1,X9,Y9`: the positions of dots 1 and 9 in percent of the width and the height.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || {
            "four numbers from 0 to 100 are needed, as in 24,54,76,78: the places of dot 1 and dot 9 in percent of width and height".to_owned()
        };
        let numbers: Vec<f64> = text
            .split(',')
            .map(|number| number.trim().parse().map_err(|_| bad()))
            .collect::<Result<_, _>>()?;
        match numbers.as_slice() {
            [x1, y1, x9, y9]
                if numbers.iter().all(|n| (0.0..=100.0).contains(n)) && x1 < x9 && y1 < y9 =>
            {
                Ok(Self {
                    first: (x1 / 100.0, y1 / 100.0),
                    last: (x9 / 100.0, y9 / 100.0),
                })
            }
            _ => Err(bad()),
        }
    }
}

impl Grid {
    /// Returns the position of a dot, 1 to 9.
    pub fn dot(&self, dot: u8) -> Point {
        let index = dot.clamp(1, 9) - 1;
        let at = |from: f64, to: f64, step: u8| from + (to - from) * f64::from(step) / 2.0;
        Point::at(
            at(self.first.0, self.last.0, index % 3),
            at(self.first.1, self.last.1, index / 3),
        )
    }
}

/// Returns the secret in bytes read from a terminal or a pipe, without the line ending. The bytes are overwritten.
pub(crate) fn line_of(mut bytes: Zeroizing<Vec<u8>>) -> Option<Zeroizing<String>> {
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    let text = std::str::from_utf8(&bytes).ok().map(str::to_owned);
    bytes.zeroize();
    text.map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(digits: &str) -> Result<LockSecret, BadSecret> {
        LockSecret::pattern(&Zeroizing::new(digits.to_owned()))
    }

    #[test]
    fn secrets_show_nothing_of_themselves() {
        let secret = LockSecret::text(Zeroizing::new("4711".to_owned())).unwrap();
        assert_eq!(format!("{secret:?}"), "LockSecret(..)");
        assert_eq!(format!("{:?}", pattern("1235").unwrap()), "LockSecret(..)");
        let error = LockSecret::text(Zeroizing::new("geheimß".to_owned())).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("geheim"));
    }

    #[test]
    fn only_patterns_that_a_finger_can_draw_are_taken() {
        for digits in ["1235", "12369874", "5912", "4567", "1529"] {
            assert!(pattern(digits).is_ok(), "{digits}");
        }
        for digits in ["123", "1123", "0123", "12a4", "1 23"] {
            assert_eq!(
                pattern(digits).unwrap_err(),
                BadSecret::NoPattern,
                "{digits}"
            );
        }
        assert_eq!(pattern("").unwrap_err(), BadSecret::Empty);
        for (digits, place) in [("1346", 2), ("2468", 3), ("2819", 2), ("1952", 2)] {
            let error = pattern(digits).unwrap_err();
            assert_eq!(error, BadSecret::PassesOver { place }, "{digits}");
        }
        // Over a dot that is taken already there is a way.
        assert!(pattern("2135").is_ok());
    }

    #[test]
    fn dots_lie_on_the_grid() {
        let grid: Grid = "10,20,90,80".parse().unwrap();
        assert_eq!(grid.dot(1), Point::at(0.1, 0.2));
        assert_eq!(grid.dot(5), Point::at(0.5, 0.5));
        assert_eq!(grid.dot(6), Point::at(0.9, 0.5));
        assert_eq!(grid.dot(9), Point::at(0.9, 0.8));
        for text in [
            "",
            "1,2,3",
            "90,20,10,80",
            "1,2,3,400",
            "a,b,c,d",
            "NaN,0,1,1",
        ] {
            assert!(text.parse::<Grid>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_line_is_taken_without_its_end() {
        let line = |bytes: &[u8]| line_of(Zeroizing::new(bytes.to_vec()));
        assert_eq!(line(b"4711\r\n").unwrap().as_str(), "4711");
        assert_eq!(line(b" 47 ").unwrap().as_str(), " 47 ");
        assert!(line(b"\xff").is_none());
    }
}
