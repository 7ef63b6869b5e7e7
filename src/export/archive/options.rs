//! How the entry of a file is written: its compression and its time.

use chrono::{DateTime, Datelike as _, Local, Timelike as _};
use zip::CompressionMethod;
use zip::write::{FullFileOptions, SimpleFileOptions};

use crate::names::LocalPath;

/// Sizes from here on need zip64. A margin below 2^32 for what encryption adds.
const LARGE_BYTES: u64 = u32::MAX as u64 - 64 * 1024;

/// Photos, videos and sound are compressed already.
pub(in super::super) fn method(name: &LocalPath) -> CompressionMethod {
    const TEXT: [&str; 14] = [
        "txt", "csv", "json", "xml", "html", "htm", "vcf", "ics", "log", "md", "srt", "svg", "gpx",
        "kml",
    ];
    let ending = name
        .name()
        .rsplit_once('.')
        .map_or("", |(_, ending)| ending);
    match TEXT.iter().any(|known| known.eq_ignore_ascii_case(ending)) {
        true => CompressionMethod::Deflated,
        false => CompressionMethod::Stored,
    }
}

/// A time is written twice: as DOS has it, in this computer's local time, which is what Windows
/// shows; and in seconds since 1970, which `unzip`, macOS and 7-Zip prefer.
pub(super) fn options(
    size: u64,
    mtime: i64,
    method: CompressionMethod,
) -> zip::result::ZipResult<FullFileOptions<'static, 'static>> {
    let mut options = SimpleFileOptions::DEFAULT
        .compression_method(method)
        .unix_permissions(0o644)
        .large_file(size >= LARGE_BYTES);
    if let Some(time) = dos_time(mtime) {
        options = options.last_modified_time(time);
    }
    // A signed number of 32 bits to some, an unsigned one to 7-Zip, which takes 1969 for 2106.
    match u32::try_from(mtime)
        .ok()
        .filter(|time| *time <= i32::MAX as u32)
    {
        Some(seconds) => options.with_extended_timestamp(Some(seconds), None, None),
        None => Ok(options.into_full_options()),
    }
}

fn dos_time(mtime: i64) -> Option<zip::DateTime> {
    let local = DateTime::from_timestamp(mtime, 0)?.with_timezone(&Local);
    zip::DateTime::from_date_and_time(
        u16::try_from(local.year()).ok()?,
        local.month() as u8,
        local.day() as u8,
        local.hour() as u8,
        local.minute() as u8,
        local.second() as u8,
    )
    .ok()
}
