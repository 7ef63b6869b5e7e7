//! The numbered lists that the guide shows on a terminal.

/// The number of the last choice on a screen that has these words.
pub(crate) fn number_of(words: &str, screen: &str) -> Option<String> {
    let numbered = |line: &str| {
        let (number, choice) = line.trim_start().split_once("  ")?;
        let is_it = choice.contains(words) && number.bytes().all(|c| c.is_ascii_digit());
        is_it.then(|| number.to_owned())
    };
    screen.lines().rev().find_map(numbered)
}
