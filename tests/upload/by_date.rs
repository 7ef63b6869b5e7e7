//! One photo has one date: `export` and `upload` put it into the same month and count the same days, whatever its
//! camera, its name and its storage say.

use std::collections::BTreeMap;
use std::fs;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};

use super::desk::{Desk, make_folder_of};
use super::pictures::plain_jpeg;

const FILES: usize = 1000;
const UNDATED: &str = "undated";
/// In the middle of no month in any zone.
const OTHER_MTIME: i64 = 1_600_000_000;
/// Where the computer is, and how many minutes ahead of UTC that is.
const ZONES: [(&str, i64); 2] = [("<+1245>-12:45", 765), ("<-10>10", -600)];

/// A file of the rescue folder, and the month that it is of.
struct Shot {
    name: String,
    bytes: Vec<u8>,
    mtime: i64,
    month: String,
}

#[test]
fn export_and_upload_put_the_same_photos_into_the_same_months() {
    for (zone, minutes) in ZONES {
        let desk = Desk::new();
        fs::create_dir(desk.path("nas")).unwrap();
        desk.run(&["remote", "add", "nas", "folder", "nas"])
            .expect(0);
        let shots: Vec<_> = (0..FILES).map(|number| shot(number, minutes)).collect();
        let files: Vec<_> = shots
            .iter()
            .map(|shot| (format!("internal/DCIM/{}", shot.name), shot.bytes.clone()))
            .collect();
        make_folder_of(&desk.path("rescued"), &files, |index| shots[index].mtime);
        let expected: BTreeMap<_, _> = shots
            .iter()
            .map(|shot| (shot.name.clone(), shot.month.clone()))
            .collect();
        assert_eq!(expected.len(), FILES, "names are not unique");

        run(
            &desk,
            zone,
            &["export", "rescued", "-o", "all.zip", "--by-date"],
        );
        let upload = ["upload", "rescued", "--to", "nas"];
        run(&desk, zone, &[&upload[..], &["--by-date"]].concat());
        assert_same(
            &packed(&desk, "all.zip"),
            &expected,
            &format!("export, {zone}"),
        );
        assert_same(&sent(&desk), &expected, &format!("upload, {zone}"));

        if zone != ZONES[0].0 {
            continue;
        }
        // The same days, with both ends of the month included.
        let days = [
            "--by-date",
            "--since",
            "2024-02-01",
            "--until",
            "2024-02-29",
        ];
        let mut expected = expected;
        expected.retain(|_, month| month == "2024/2024-02");
        assert!(expected.len() > 100);
        run(
            &desk,
            zone,
            &[&["export", "rescued", "-o", "days.zip"][..], &days].concat(),
        );
        assert_same(&packed(&desk, "days.zip"), &expected, "days of an export");
        fs::rename(desk.path("nas"), desk.path("old")).unwrap();
        fs::create_dir(desk.path("nas")).unwrap();
        desk.run(&["remote", "add", "again", "folder", "nas"])
            .expect(0);
        run(
            &desk,
            zone,
            &[&["upload", "rescued", "--to", "again"][..], &days].concat(),
        );
        assert_same(&sent(&desk), &expected, "days of an upload");
    }
}

fn run(desk: &Desk, zone: &str, arguments: &[&str]) {
    let output = desk.command(arguments).env("TZ", zone).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {words}");
}

#[track_caller]
fn assert_same(found: &BTreeMap<String, String>, expected: &BTreeMap<String, String>, what: &str) {
    let wrong: Vec<_> = expected
        .iter()
        .filter(|(name, month)| found.get(*name) != Some(month))
        .map(|(name, month)| format!("{name}: {:?}, not {month}", found.get(name)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{what}: {} wrong: {wrong:#?}",
        wrong.len()
    );
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// The months of the files in an archive, by name.
fn packed(desk: &Desk, archive: &str) -> BTreeMap<String, String> {
    let zip = zip::ZipArchive::new(fs::File::open(desk.path(archive)).unwrap()).unwrap();
    zip.file_names()
        .filter_map(|name| by_name(name.unwrap().split_once("/data/")?.1))
        .collect()
}

fn sent(desk: &Desk) -> BTreeMap<String, String> {
    desk.tree("nas")
        .keys()
        .filter_map(|path| by_name(path))
        .collect()
}

fn by_name(path: &str) -> Option<(String, String)> {
    let (month, name) = path.rsplit_once('/')?;
    Some((name.to_owned(), month.to_owned()))
}

/// Letters for a number: digits would be read as a part of a date.
fn letters(mut number: usize) -> String {
    let mut text = String::new();
    for _ in 0..4 {
        text.push(char::from(b'g' + (number % 10) as u8));
        number /= 10;
    }
    text
}

/// A time near the end of a month: so many hours before or after it.
fn near_month_end(number: usize) -> NaiveDateTime {
    let month = 1 + (number / 7 % 4) as u32;
    let first = NaiveDate::from_ymd_opt(2024, month, 1).unwrap();
    let hours = [-30, -13, -11, -5, -1, 0, 1, 9, 11, 14, 400];
    first.and_hms_opt(0, 0, 0).unwrap()
        + TimeDelta::hours(hours[number % hours.len()])
        + TimeDelta::minutes(7)
}

/// A file with awkward facts about its date; `minutes` is how far the computer is ahead of UTC.
fn shot(number: usize, minutes: i64) -> Shot {
    let time = near_month_end(number);
    let month_of = |time: NaiveDateTime| time.format("%Y/%Y-%m").to_string();
    let here = |utc: NaiveDateTime| month_of(utc + TimeDelta::minutes(minutes));
    let of_mtime = |mtime: i64| here(DateTime::from_timestamp(mtime, 0).unwrap().naive_utc());
    let (local, utc) = (month_of(time), here(time));
    let seconds = time.and_utc().timestamp();
    let id = letters(number);
    let text = |format: &str| time.format(format).to_string();
    let plain = || plain_jpeg(8, 8);
    let spelt = |format: &str| jpeg_with_exif(&text(format));
    let other = || "IMG_20110607_080910".to_owned();
    let (name, bytes, mtime, month) = match number % 26 {
        // EXIF in the spellings of several programs, with another date in the name.
        0 => (
            format!("{}{id}.jpg", other()),
            spelt("%Y:%m:%d %H:%M:%S"),
            OTHER_MTIME,
            local,
        ),
        1 => (format!("{id}.jpg"), spelt("%Y-%m-%dT%H:%M:%S"), 0, local),
        2 => (
            format!("{id}.JPEG"),
            spelt("%Y/%m/%d %H:%M:%S"),
            OTHER_MTIME,
            local,
        ),
        3 => (
            format!("{id}.jpg"),
            spelt("%Y%m%d%H%M%S"),
            OTHER_MTIME,
            local,
        ),
        4 => (
            format!("{id}.jpg"),
            spelt("%Y-%m-%d %H:%M:%S+09:00"),
            OTHER_MTIME,
            local,
        ),
        // In UTC.
        5 => (
            format!("{id}.jpg"),
            spelt("%Y-%m-%dT%H:%M:%SZ"),
            OTHER_MTIME,
            utc,
        ),
        // A clock that was never set: the name, else the storage.
        6 => (
            text(&format!("IMG_%Y%m%d_%H%M%S{id}.jpg")),
            jpeg_with_exif("0000:00:00 00:00:00"),
            OTHER_MTIME,
            local,
        ),
        7 => (
            format!("{id}.jpg"),
            jpeg_with_exif("1980:01:01 00:00:00"),
            seconds,
            utc,
        ),
        // Names.
        8 => (
            text(&format!("IMG_%Y%m%d_%H%M%S{id}.jpg")),
            plain(),
            OTHER_MTIME,
            local,
        ),
        9 => (
            text(&format!("PXL_%Y%m%d_%H%M%S123{id}.jpg")),
            plain(),
            OTHER_MTIME,
            utc,
        ),
        10 => (
            format!("FB_IMG_{seconds}000{id}.jpg"),
            plain(),
            OTHER_MTIME,
            utc,
        ),
        11 => (
            text(&format!("IMG-%Y%m%d-WA0{:03}{id}.jpg", number % 1000)),
            plain(),
            OTHER_MTIME,
            local,
        ),
        12 => (
            text(&format!("Screenshot_%Y-%m-%d-%H-%M-%S{id}.png")),
            plain(),
            OTHER_MTIME,
            local,
        ),
        13 => (
            text(&format!("WhatsApp Image %Y-%m-%d at %H.%M.%S{id}.jpeg")),
            plain(),
            0,
            local,
        ),
        // No date in the name.
        14 => (
            format!("IMG_0{:03}{id}.jpg", number % 1000),
            plain(),
            seconds,
            utc,
        ),
        15 => (format!("{id}.jpg"), plain(), 0, UNDATED.to_owned()),
        // 1980-01-01 as a card without a clock has it, and one day later.
        16 => (
            format!("{id}.jpg"),
            plain(),
            315_532_800 + 86_400,
            UNDATED.to_owned(),
        ),
        17 => (
            format!("{id}.jpg"),
            plain(),
            3_800_000_000,
            of_mtime(3_800_000_000),
        ),
        18 => (format!("{id}.jpg"), plain(), -5_000, UNDATED.to_owned()),
        // Movies: their header is in UTC.
        19 => (
            format!("VID_20110607_080910{id}.mp4"),
            movie(seconds),
            OTHER_MTIME,
            utc,
        ),
        20 => (
            text(&format!("VID_%Y%m%d_%H%M%S{id}.mp4")),
            movie_without_time(),
            OTHER_MTIME,
            local,
        ),
        21 => (format!("{id}.mov"), movie_without_time(), seconds, utc),
        // Called other than they are.
        22 => (
            format!("VID_20110607_080910{id}.mp4"),
            spelt("%Y:%m:%d %H:%M:%S"),
            OTHER_MTIME,
            local,
        ),
        23 => (
            format!("IMG-20110607-WA0001{id}"),
            spelt("%Y:%m:%d %H:%M:%S"),
            OTHER_MTIME,
            local,
        ),
        24 => (format!("{id}.jpg"), movie(seconds), OTHER_MTIME, utc),
        // Neither a picture nor a video.
        _ => (
            text(&format!("%Y-%m-%d notes {id}.txt")),
            b"text".to_vec(),
            OTHER_MTIME,
            local,
        ),
    };
    // No two have the same bytes, which an archive by date would hold once.
    let bytes = [bytes, boxed(b"free", id.as_bytes())].concat();
    Shot {
        name,
        bytes,
        mtime,
        month,
    }
}

/// A JPEG whose EXIF data says when it was taken, in these words.
fn jpeg_with_exif(time: &str) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08".to_vec();
    // One entry, which leads to EXIF's own directory.
    tiff.extend([0, 1, 0x87, 0x69, 0, 4, 0, 0, 0, 1, 0, 0, 0, 26, 0, 0, 0, 0]);
    // There, one entry: the time of the original, behind the directory.
    let length = time.len() as u32 + 1;
    tiff.extend([0, 1, 0x90, 0x03, 0, 2]);
    tiff.extend(length.to_be_bytes());
    tiff.extend([0, 0, 0, 44, 0, 0, 0, 0]);
    tiff.extend(time.as_bytes());
    tiff.push(0);
    let jpeg = plain_jpeg(8, 8);
    let length = (2 + 6 + tiff.len()) as u16;
    let segment = [&[0xFF, 0xE1][..], &length.to_be_bytes(), b"Exif\0\0", &tiff].concat();
    [&jpeg[..2], &segment, &jpeg[2..]].concat()
}

fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = 8 + content.len() as u32;
    [&size.to_be_bytes(), &name[..], content].concat()
}

/// A movie that was made so many seconds after 1970.
fn movie(seconds: i64) -> Vec<u8> {
    movie_of((seconds + 2_082_844_800) as u32)
}

fn movie_without_time() -> Vec<u8> {
    movie_of(0)
}

fn movie_of(since_1904: u32) -> Vec<u8> {
    let header = [&[0; 4][..], &since_1904.to_be_bytes(), &[0; 20]].concat();
    let moov = boxed(b"moov", &boxed(b"mvhd", &header));
    [
        boxed(b"ftyp", b"isom\0\0\x02\0"),
        boxed(b"mdat", &[7; 99]),
        moov,
    ]
    .concat()
}

#[test]
fn files_that_were_sent_stay_where_they_are_and_that_is_said() {
    let desk = Desk::new();
    fs::create_dir(desk.path("nas")).unwrap();
    desk.run(&["remote", "add", "nas", "folder", "nas"])
        .expect(0);
    desk.rescue_photos(3);
    let upload = |more: &[&str]| desk.run(&[&["upload", "rescued", "--to", "nas"], more].concat());
    upload(&[]).expect(0);
    let sent = desk.tree("nas");
    for more in [&["--by-date"][..], &["--into", "Photos"]] {
        let again = upload(more).expect(0);
        let said = "3 files stay where an earlier upload put them";
        assert!(again.all.contains(said), "{more:?}: {}", again.all);
        assert_eq!(desk.tree("nas"), sent, "{more:?}");
    }
    let plain = upload(&[]).expect(0);
    assert!(!plain.all.contains("stay where"), "{}", plain.all);
    // What was arranged so is no exception.
    desk.run(&["remote", "add", "months", "folder", "nas"])
        .expect(0);
    for _ in 0..2 {
        let by_date = ["upload", "rescued", "--to", "months", "--by-date"];
        let arranged = desk.run(&by_date).expect(0);
        assert!(!arranged.all.contains("stay where"), "{}", arranged.all);
    }
}
