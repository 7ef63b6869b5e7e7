//! Days and sizes, as people write them.

/// Reads a day.
pub(super) fn day(text: &str) -> Result<chrono::NaiveDate, String> {
    let day = text.trim().parse();
    day.map_err(|_| "no such day: give one as in 2026-06-01".to_owned())
}

/// A number of bytes. A limit that is met in powers of 1000 is met in powers of 1024 too, so `4G`
/// suits everybody who says "4 GB"; who means 1024 says `GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let factor = match unit.to_ascii_lowercase().as_str() {
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => 0_u64,
    };
    let size = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor));
    match size {
        Some(size @ 1_000_000..) => Ok(size),
        Some(1..) => Err("at least 1M is needed".to_owned()),
        Some(0) | None => Err("write it as in 25M, 4G or 650MiB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_are_none_are_answered_with_an_example() {
        assert!(day("2024-02-29").is_ok());
        for text in ["2024-02-31", "yesterday", "June", ""] {
            let words = day(text).unwrap_err();
            assert!(words.contains("2026-06-01"), "{text}: {words}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("25M", 25_000_000),
            ("4G", 4_000_000_000),
            ("4gb", 4_000_000_000),
            ("650MiB", 681_574_400),
            ("4GiB", 4_294_967_296),
            ("1000k", 1_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "4",
            "G",
            "-4G",
            "4.5G",
            "1k",
            "0G",
            "4X",
            "99999999999T",
            "４G",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
