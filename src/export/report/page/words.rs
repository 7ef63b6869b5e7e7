//! Numbers, sizes and days as people read them.

use chrono::{DateTime, Local, NaiveDateTime};

pub(super) fn number(of: u64) -> String {
    let digits = of.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub(super) fn count(of: u64, what: &str) -> String {
    match of {
        1 => format!("1 {what}"),
        of => format!("{} {what}s", number(of)),
    }
}

pub(super) fn are(of: u64, what: &str) -> String {
    let verb = if of == 1 { "is" } else { "are" };
    format!("{} {verb}", count(of, what))
}

pub(super) fn were(of: u64, what: &str) -> String {
    let verb = if of == 1 { "was" } else { "were" };
    format!("{} {verb}", count(of, what))
}

pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return count(bytes, "byte");
    }
    let mut value = bytes as f64 / 1000.0;
    for unit in UNITS {
        if value < 999.95 {
            return format!("{value:.1} {unit}");
        }
        value /= 1000.0;
    }
    format!("{} bytes", number(bytes))
}

/// With a capital letter.
pub(super) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

pub(super) fn day(at: NaiveDateTime) -> String {
    at.format("%-d %B %Y").to_string()
}

pub(super) fn moment(seconds: i64) -> String {
    let at = DateTime::from_timestamp(seconds, 0).map(|at| at.with_timezone(&Local));
    at.map_or_else(String::new, |at| at.format("%-d %B %Y, %H:%M").to_string())
}
