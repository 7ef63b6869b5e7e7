//! Determines when a picture or video was taken: from its own metadata, else its name, else its modification time.
//! Pure, except for reading the metadata, which is untrusted.

use chrono::{
    DateTime, Datelike as _, Local, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc,
};

/// Nobody's phone took a picture before; such a time is a clock that was never set.
const FIRST_YEAR: i32 = 1990;
/// A picture may be of one on paper: the oldest is of this year.
const OLDEST_PICTURE: i32 = 1826;
/// The folder of files without a date.
const UNDATED: &str = "undated";
/// Longer than any date, in bytes.
const MAX_DATE_TEXT: usize = 64;

/// The time at which a picture or video was taken, in the photographer's local time, and its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Taken {
    /// The time.
    #[serde(serialize_with = "as_text")]
    pub at: NaiveDateTime,
    /// The source of the time.
    pub source: TimeSource,
}

fn as_text<S: serde::Serializer>(at: &NaiveDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.format("%Y-%m-%dT%H:%M:%S"))
}

/// The source of a time, the most reliable first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TimeSource {
    /// The picture's EXIF data.
    Exif,
    /// The video's header.
    Video,
    /// The file's name.
    Name,
    /// The file's modification time.
    Modified,
}

impl Taken {
    /// Returns the time in the file's name, otherwise the modification time (in seconds since 1970).
    pub(crate) fn of_name_or_mtime(name: &str, mtime: i64) -> Option<Self> {
        let found = of_name(name).map(|at| (at, TimeSource::Name));
        let found = found.or_else(|| local(mtime).map(|at| (at, TimeSource::Modified)));
        found.map(|(at, source)| Self { at, source })
    }
}

/// Returns the folder of the month in which a file was taken: `2024/2024-08`.
pub(crate) fn month_folder(taken: Option<Taken>) -> String {
    let Some(Taken { at, .. }) = taken else {
        return UNDATED.to_owned();
    };
    let (year, month) = (at.year(), at.month());
    format!("{year:04}/{year:04}-{month:02}")
}

/// Returns whether a path begins with a folder that [`month_folder`] names.
pub(crate) fn is_in_month_folder(path: &str) -> bool {
    let mut parts = path.split('/');
    let (first, second) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let month = second
        .strip_prefix(first)
        .and_then(|it| it.strip_prefix('-'));
    first == UNDATED || is_number(first) && month.is_some_and(is_number)
}

/// The days from which a person wants files; both are included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Days {
    /// Only files taken on this day or later.
    pub since: Option<NaiveDate>,
    /// Only files taken on this day or earlier.
    pub until: Option<NaiveDate>,
}

impl Days {
    /// Returns whether every day is wanted.
    pub(crate) fn are_all(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether a file with this date is wanted. A file without a date is wanted only if every day is.
    pub(crate) fn want(&self, taken: Option<Taken>) -> bool {
        let Some(day) = taken.map(|taken| taken.at.date()) else {
            return self.are_all();
        };
        self.since.is_none_or(|since| since <= day) && self.until.is_none_or(|until| day <= until)
    }
}

/// Returns the last day on which a file can have been taken, as far as that can be known without its bytes: the later
/// one of the day in its name and the day of its modification. `None` if neither is known.
///
/// A picture is written when it is taken or later, so that its modification time is rarely too early. Where it is, as
/// after a battery ran empty, the name is right more often. So what a later day may be true of is not left on a phone
/// that may not answer a second time; `export` and `upload` know better, and narrow it.
pub(crate) fn last_day(name: &str, mtime: i64) -> Option<NaiveDate> {
    of_name(name).max(local(mtime)).map(|at| at.date())
}

/// Returns the time in EXIF data.
pub(super) fn of_exif(exif: &exif::Exif) -> Option<NaiveDateTime> {
    use exif::{In, Tag, Value};
    [Tag::DateTimeOriginal, Tag::DateTimeDigitized, Tag::DateTime]
        .into_iter()
        .find_map(|tag| {
            let field = exif.get_field(tag, In::PRIMARY)?;
            let text = match &field.value {
                // Some programs pad with NULs, also in the middle.
                Value::Ascii(texts) => texts.join(&b' '),
                Value::Undefined(text, _) | Value::Byte(text) => text.clone(),
                _ => return None,
            };
            of_text(&text)
        })
}

/// Parses a date as EXIF requires it, `2024:08:18 09:30:01`, or as other programs write it: with `-`, `/` or `.`, as
/// ISO 8601 with a `T` and a zone, without blanks, or padded. The time is the photographer's local time, so a zone
/// beside it is ignored. Only a time in UTC is converted, to this computer's local time, because the photographer's is
/// unknown.
pub(crate) fn of_text(text: &[u8]) -> Option<NaiveDateTime> {
    // More than a date has.
    let text = text.get(..MAX_DATE_TEXT).unwrap_or(text);
    let text = String::from_utf8_lossy(text).replace(char::from(0), " ");
    let text = text.trim();
    let numbers: Vec<&str> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|number| !number.is_empty())
        .collect();
    // What stands between the numbers of the time of day ends it.
    let is_utc = text.ends_with(['Z', 'z']);
    let number = |text: &&str| text.parse::<u32>().ok();
    let part = |text: &str, from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let (day, clock) = match numbers.as_slice() {
        [all, clock @ ..] if matches!(all.len(), 8 | 14) => {
            let day = (part(all, 0, 4)?, part(all, 4, 6)?, part(all, 6, 8)?);
            match (all.get(8..)?, clock) {
                ("", [clock, ..]) if clock.len() == 6 => (day, pairs(clock)?),
                ("", clock) => (day, clock.iter().take(3).filter_map(number).collect()),
                (rest, _) => (day, pairs(rest)?),
            }
        }
        [year, month, day, clock @ ..] if year.len() == 4 => {
            let day = (number(year)?, number(month)?, number(day)?);
            match clock {
                [together, ..] if together.len() == 6 => (day, pairs(together)?),
                clock => (day, clock.iter().take(3).filter_map(number).collect()),
            }
        }
        // Which of both is the month shows only where the other cannot be.
        [first, second, year, clock @ ..] if year.len() == 4 => {
            let (first, second) = (number(first)?, number(second)?);
            let (month, day) = match (first > 12, second > 12) {
                (true, false) => (second, first),
                (false, true) => (first, second),
                _ if first == second => (first, second),
                _ => return None,
            };
            let clock = clock.iter().take(3).filter_map(number).collect();
            ((number(year)?, month, day), clock)
        }
        _ => return None,
    };
    let day = NaiveDate::from_ymd_opt(i32::try_from(day.0).ok()?, day.1, day.2)?;
    let at = on_clock(day, &clock, text)?;
    let is_known = (OLDEST_PICTURE..2100).contains(&at.year()) && !is_unset(at);
    match is_known {
        false => None,
        true if is_utc => local(Utc.from_utc_datetime(&at).timestamp()),
        true => Some(at),
    }
}

fn pairs(digits: &str) -> Option<Vec<u32>> {
    let pair = |from: usize| digits.get(from..from + 2)?.parse().ok();
    Some(vec![pair(0)?, pair(2)?, pair(4)?])
}

fn on_clock(day: NaiveDate, clock: &[u32], text: &str) -> Option<NaiveDateTime> {
    let midnight = day.and_hms_opt(0, 0, 0)?;
    let (hour, minute, second) = match *clock {
        [hour, minute, second] => (hour, minute, second),
        [hour, minute] => (hour, minute, 0),
        _ => return Some(midnight),
    };
    // As `09:30:01 PM`.
    let text = text.to_ascii_lowercase();
    let hour = match (text.contains("pm"), text.contains("am")) {
        (true, _) if hour < 12 => hour + 12,
        (false, true) if hour == 12 => 0,
        _ => hour,
    };
    // The end of a day is the beginning of the next; phones that count hours from 1 to 24 mean the
    // first hour of the same day.
    let (days, hour) = match (hour, minute, second) {
        (24, 0, 0) => (1, 0),
        (24, ..) => (0, 0),
        _ => (0, hour),
    };
    // A leap second is the next one here.
    let (more, second) = match second {
        60 => (1, 59),
        second => (0, second),
    };
    let at = day.and_hms_opt(hour, minute, second)?;
    at.checked_add_signed(TimeDelta::days(days) + TimeDelta::seconds(more))
}

/// Where a clock begins that was never set.
fn is_unset(at: NaiveDateTime) -> bool {
    let first_day = |year| at.year() == year && at.ordinal() == 1;
    [1904, 1970, 1980].into_iter().any(first_day)
}

/// Returns the time in a file's name: `IMG_20240818_093000.jpg`, `PXL_20240818_093000123.jpg` (which is UTC),
/// `IMG-20240818-WA0001.jpg`, `Screenshot_2024-08-18-09-30-00.png`, `WhatsApp Image 2024-08-18 at 09.30.00.jpeg`,
/// `FB_IMG_1723973400000.jpg` and the like.
pub(crate) fn of_name(name: &str) -> Option<NaiveDateTime> {
    let numbers: Vec<&str> = name
        .split(|c: char| !c.is_ascii_digit())
        .filter(|number| !number.is_empty())
        .collect();
    let found = (0..numbers.len()).find_map(|index| {
        let rest = numbers.get(index..)?;
        stamp(rest)
    })?;
    // Pixel phones name pictures in UTC.
    match name.starts_with("PXL_") {
        true => local(Utc.from_utc_datetime(&found).timestamp()),
        false => Some(found),
    }
}

/// A time at the beginning of these numbers.
fn stamp(numbers: &[&str]) -> Option<NaiveDateTime> {
    let (first, after) = numbers.split_first()?;
    let part = |from: usize, to: usize| first.get(from..to)?.parse::<u32>().ok();
    match first.len() {
        // Milliseconds since 1970, from 2001 on.
        13 if first.starts_with('1') => local(first.parse::<i64>().ok()? / 1000),
        14 | 17 => {
            let day = date(part(0, 4)?, part(4, 6)?, part(6, 8)?)?;
            day.and_hms_opt(part(8, 10)?, part(10, 12)?, part(12, 14)?)
        }
        8 => with_clock(date(part(0, 4)?, part(4, 6)?, part(6, 8)?)?, after),
        4 => {
            let [month, day, after @ ..] = after else {
                return None;
            };
            if month.len() != 2 || day.len() != 2 {
                return None;
            }
            let day = date(part(0, 4)?, month.parse().ok()?, day.parse().ok()?)?;
            with_clock(day, after)
        }
        _ => None,
    }
}

/// A day with the time of day that the numbers after it tell, or its beginning.
fn with_clock(day: NaiveDate, after: &[&str]) -> Option<NaiveDateTime> {
    let pair = |text: &str, from: usize| text.get(from..from + 2)?.parse::<u32>().ok();
    let told = match after {
        [clock, ..] if (6..=9).contains(&clock.len()) => {
            day.and_hms_opt(pair(clock, 0)?, pair(clock, 2)?, pair(clock, 4)?)
        }
        [hour, minute, second, ..]
            if [hour, minute, second]
                .iter()
                .all(|number| number.len() == 2) =>
        {
            day.and_hms_opt(pair(hour, 0)?, pair(minute, 0)?, pair(second, 0)?)
        }
        _ => None,
    };
    told.or_else(|| day.and_hms_opt(0, 0, 0))
}

/// A day that a phone can have seen.
fn date(year: u32, month: u32, day: u32) -> Option<NaiveDate> {
    let year = i32::try_from(year).ok()?;
    if !(FIRST_YEAR..2100).contains(&year) {
        return None;
    }
    NaiveDate::from_ymd_opt(year, month, day)
}

/// Returns seconds since 1970 as this computer's local time, if a phone can have seen that time.
pub(super) fn local(seconds: i64) -> Option<NaiveDateTime> {
    let time = DateTime::from_timestamp(seconds, 0)?.with_timezone(&Local);
    (FIRST_YEAR..2100)
        .contains(&time.year())
        .then_some(time.naive_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
    }

    #[test]
    fn names_tell_when() {
        for (name, time) in [
            ("IMG_20240818_093001.jpg", "2024-08-18 09:30:01"),
            ("VID_20240818_093001.mp4", "2024-08-18 09:30:01"),
            ("20240818_093001.jpg", "2024-08-18 09:30:01"),
            ("20240818093001.jpg", "2024-08-18 09:30:01"),
            ("IMG_20240818_093001123_HDR.jpg", "2024-08-18 09:30:01"),
            ("IMG-20240818-WA0007.jpg", "2024-08-18 00:00:00"),
            (
                "Screenshot_2024-08-18-09-30-01-123_com.app.png",
                "2024-08-18 09:30:01",
            ),
            ("Screenshot_20240818-093001.png", "2024-08-18 09:30:01"),
            (
                "WhatsApp Image 2024-08-18 at 09.30.01.jpeg",
                "2024-08-18 09:30:01",
            ),
            ("signal-2024-08-18-093001.jpg", "2024-08-18 09:30:01"),
            ("photo_2024-08-18_09-30-01.jpg", "2024-08-18 09:30:01"),
            ("2024-08-18.jpg", "2024-08-18 00:00:00"),
            ("P_20240818_256199.jpg", "2024-08-18 00:00:00"),
        ] {
            assert_eq!(of_name(name), Some(at(time)), "{name}");
        }
        for name in [
            "IMG_0001.jpg",
            "DSC_20241399.jpg",
            "12345678.jpg",
            "IMG_19700101_000000.jpg",
            "99999999999999.jpg",
            "1234.jpg",
            "2024-8-1.jpg",
            "été.jpg",
            "",
        ] {
            assert_eq!(of_name(name), None, "{name}");
        }
    }

    #[test]
    fn names_of_pixel_phones_and_of_milliseconds_are_utc() {
        let utc = |text| {
            Utc.from_utc_datetime(&at(text))
                .with_timezone(&Local)
                .naive_local()
        };
        let time = utc("2024-08-18 09:30:00");
        assert_eq!(of_name("PXL_20240818_093000123.MP.jpg"), Some(time));
        assert_eq!(of_name("FB_IMG_1723973400000.jpg"), Some(time));
    }

    #[test]
    fn dates_in_words_are_read_however_programs_write_them() {
        for (text, time) in [
            ("2012:05:29 08:55:06", "2012-05-29 08:55:06"),
            ("2012-05-29 08:55:06", "2012-05-29 08:55:06"),
            ("2012/05/29 08:55:06", "2012-05-29 08:55:06"),
            ("2012.05.29 08.55.06", "2012-05-29 08:55:06"),
            ("2012:05:29T08:55:06", "2012-05-29 08:55:06"),
            ("2012-05-29T08:55:06.123+02:00", "2012-05-29 08:55:06"),
            ("2012-05-29T08:55:06-0700", "2012-05-29 08:55:06"),
            ("2012:05:29 08:55:06\0\0\0", "2012-05-29 08:55:06"),
            ("\0 2012:05:29\0 08:55:06   ", "2012-05-29 08:55:06"),
            ("2012: 5:29  8:55: 6", "2012-05-29 08:55:06"),
            ("20120529 085506", "2012-05-29 08:55:06"),
            ("20120529T085506", "2012-05-29 08:55:06"),
            ("20120529085506", "2012-05-29 08:55:06"),
            ("2012:05:29 08:55", "2012-05-29 08:55:00"),
            ("2012:05:29", "2012-05-29 00:00:00"),
            ("2012:05:29   :  :  ", "2012-05-29 00:00:00"),
            ("29/05/2012 08:55:06", "2012-05-29 08:55:06"),
            ("05/29/2012 08:55:06 PM", "2012-05-29 20:55:06"),
            ("2012:05:29 12:55:06 AM", "2012-05-29 00:55:06"),
            ("2012:05:31 24:00:00", "2012-06-01 00:00:00"),
            ("2012:05:31 24:12:06", "2012-05-31 00:12:06"),
            ("2012:06:30 23:59:60", "2012-07-01 00:00:00"),
            // A picture of one on paper.
            ("1958:07:04 12:00:00", "1958-07-04 12:00:00"),
        ] {
            assert_eq!(of_text(text.as_bytes()), Some(at(time)), "{text}");
        }
        let utc = Utc.from_utc_datetime(&at("2012-05-29 08:55:06"));
        let utc = utc.with_timezone(&Local).naive_local();
        assert_eq!(of_text(b"2012-05-29T08:55:06Z"), Some(utc));
        for text in [
            "",
            "0000:00:00 00:00:00",
            "    :  :     :  :  ",
            "1970:01:01 00:00:00",
            "1980-01-01 02:00:00",
            "2012:13:29 08:55:06",
            "2012:05:29 25:55:06",
            "2012:05:29 08:60:06",
            "05/06/2012 08:55:06",
            "2012:05",
            "99999999999999999999",
            "yesterday",
        ] {
            assert_eq!(of_text(text.as_bytes()), None, "{text}");
        }
        assert_eq!(of_text(&[b'9'; 5000]), None);
        assert_eq!(of_text("２０１２:05:29".as_bytes()), None);
    }

    #[test]
    fn days_are_included_and_need_a_date() {
        let day = |day| NaiveDate::from_ymd_opt(2024, 8, day);
        let taken = |day| Taken {
            at: at(&format!("2024-08-{day} 23:59:59")),
            source: TimeSource::Exif,
        };
        let days = Days {
            since: day(18),
            until: day(20),
        };
        let wanted: Vec<_> = (17..22).map(|day| days.want(Some(taken(day)))).collect();
        assert_eq!(wanted, [false, true, true, true, false]);
        assert!(!days.want(None) && Days::default().want(None));
    }

    #[test]
    fn last_day_is_the_later_of_name_and_modification() {
        let day = |day| NaiveDate::from_ymd_opt(2024, 8, day);
        let mtime = |day: u32| {
            let noon = at(&format!("2024-08-{day} 12:00:00"));
            Local.from_local_datetime(&noon).unwrap().timestamp()
        };
        let name = "IMG_20240818_093001.jpg";
        assert_eq!(last_day(name, mtime(20)), day(20));
        assert_eq!(last_day(name, mtime(10)), day(18));
        assert_eq!(last_day(name, 0), day(18));
        assert_eq!(last_day("x.jpg", mtime(10)), day(10));
        assert_eq!(last_day("x.jpg", 0), None);
    }

    #[test]
    fn the_name_counts_before_the_modification_time() {
        let taken = Taken::of_name_or_mtime("IMG_20240818_093001.jpg", 0).unwrap();
        assert_eq!(
            (taken.source, month_folder(Some(taken))),
            (TimeSource::Name, "2024/2024-08".to_owned())
        );
        let taken = Taken::of_name_or_mtime("x.jpg", 1_723_973_400).unwrap();
        assert_eq!(taken.source, TimeSource::Modified);
        assert_eq!(Taken::of_name_or_mtime("x.jpg", 0), None);
        assert_eq!(month_folder(None), "undated");
        assert_eq!(Taken::of_name_or_mtime("x.jpg", i64::MAX), None);
    }
}
