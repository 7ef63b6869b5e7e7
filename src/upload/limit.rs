//! The bandwidth limit: bytes are handed out no faster than asked for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A limit on the transfer rate.
#[derive(Debug)]
pub(crate) struct Limit {
    bytes_per_second: Option<u64>,
    /// The time at which all bytes granted so far will have been sent at that rate.
    free: Mutex<Instant>,
}

impl Limit {
    /// Creates a limit in bytes per second; `None` for no limit.
    pub(crate) fn new(bytes_per_second: Option<u64>) -> Self {
        Self {
            bytes_per_second,
            free: Mutex::new(Instant::now()),
        }
    }

    /// Waits until these bytes may be sent; the first ones may be sent immediately.
    pub(crate) async fn take(&self, bytes: usize) {
        if let Some(begin) = self.claim(bytes, Instant::now()) {
            tokio::time::sleep_until(begin).await;
        }
    }

    /// Returns when these bytes may be sent, after all that were claimed before.
    fn claim(&self, bytes: usize, now: Instant) -> Option<Instant> {
        let rate = self.bytes_per_second?;
        let cost = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = (*free).max(now);
        *free = begin + cost;
        Some(begin)
    }
}

/// Parses a rate such as `5M`: bytes per second, with K, M or G for powers of 1024.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 1.0,
        "k" | "K" | "kB" | "KB" | "KiB" => 1024.0,
        "m" | "M" | "MB" | "MiB" => 1024.0 * 1024.0,
        "g" | "G" | "GB" | "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err("give bytes a second, as in 500K or 5M".to_owned()),
    };
    match digits.parse::<f64>() {
        Ok(number) if number * unit >= 1.0 && number.is_finite() => Ok((number * unit) as u64),
        _ => Err("give bytes a second, as in 500K or 5M".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        assert_eq!(parse_rate("5M"), Ok(5 * 1024 * 1024));
        assert_eq!(parse_rate("0.5k"), Ok(512));
        assert_eq!(parse_rate("100"), Ok(100));
        for bad in ["", "M", "0", "-1", "5X", "nan", "inf"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_take_their_time() {
        let limit = Limit::new(Some(1000));
        let now = Instant::now();
        let second = |seconds| Some(now + Duration::from_secs(seconds));
        assert_eq!(limit.claim(1000, now), second(0));
        assert_eq!(limit.claim(3000, now), second(1));
        assert_eq!(limit.claim(1000, now), second(4));
        // What was not used is not saved up.
        assert_eq!(limit.claim(1000, now + Duration::from_secs(60)), second(60));
        assert_eq!(Limit::new(None).claim(usize::MAX, now), None);
    }
}
