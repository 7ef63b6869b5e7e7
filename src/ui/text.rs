//! Numbers and untrusted names as text.

/// Text that a phone sent, made harmless: control and direction-changing characters are shown as
/// escapes, so that they can neither steer a terminal nor forge a line.
pub fn plain(text: &str) -> String {
    crate::json::plain(text)
}

/// A number of bytes: `532 B`, `1.4 MB` (powers of 1000, as disks and phones count).
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let (mut value, mut unit) = (count as f64 / 1000.0, UNITS[0]);
    for next in UNITS.iter().skip(1) {
        if value < 999.95 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    format!("{value:.1} {unit}")
}

/// A number of things with its noun: `1 file`, `2,000 files`.
pub fn count(number: u64, noun: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let plural = if number == 1 { "" } else { "s" };
    format!("{grouped} {noun}{plural}")
}

/// A count as the begin of a sentence about the past: `1 file was`, `1,234 files were`.
pub fn were(number: u64, noun: &str) -> String {
    let verb = if number == 1 { "was" } else { "were" };
    format!("{} {verb}", count(number, noun))
}

/// A duration: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub fn seconds(duration: std::time::Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A number of seconds, without tenths: `4 s`, `2 min`, `3 min 20 s`.
pub(super) fn whole_seconds(number: u64) -> String {
    match number {
        0..60 => format!("{number} s"),
        60..3600 if number.is_multiple_of(60) => format!("{} min", number / 60),
        _ => seconds(std::time::Duration::from_secs(number)),
    }
}

/// A rate: `38.2 MB/s`.
pub fn rate(total_bytes: u64, duration: std::time::Duration) -> String {
    let per_second = total_bytes as f64 / duration.as_secs_f64().max(0.001);
    format!("{}/s", bytes(per_second as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn names_cannot_steer_a_terminal() {
        assert_eq!(
            plain("a\x1b[2Jb\nc\u{202e}gpj"),
            "a\\u{1b}[2Jb\\u{a}c\\u{202e}gpj"
        );
        assert_eq!(plain("Grüße 📷.jpg"), "Grüße 📷.jpg");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [bytes(0), bytes(999), bytes(1000), bytes(999_960)],
            ["0 B", "999 B", "1.0 kB", "1.0 MB"]
        );
        assert_eq!(bytes(6_442_450_944), "6.4 GB");
        assert_eq!(bytes(u64::MAX), "18.4 EB");
        assert_eq!(
            [count(1, "file"), count(1234567, "file")],
            ["1 file", "1,234,567 files"]
        );
        assert_eq!(seconds(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(seconds(Duration::from_millis(420)), "0.4 s");
        assert_eq!(rate(1_000_000, Duration::from_millis(500)), "2.0 MB/s");
    }
}
