//! The list: `albumList(HEAD,[`, then one line a file, then `]);`. One line a file, so that the next pull reads it
//! back without holding all of it.

use std::collections::HashMap;
use std::io::{self, Write};

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

use super::super::report::shown;
use super::parts::EntryPlace;
use crate::digest::Sha256;
use crate::item::PhoneIdentity;
use crate::media::kind::MediaKind;
use crate::names::LocalPath;

/// The version of lists and parts. Files listed by another version are looked into again.
pub(super) const VERSION: u32 = 1;
pub(super) const BEGIN: &str = "albumList(";
/// The format in which a time is written.
pub(super) const TIME: &str = "%Y%m%d%H%M%S";

/// What is known about a file.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct SeenFile {
    pub(super) taken: Option<NaiveDateTime>,
    /// The orientation, as EXIF numbers it.
    pub(super) turn: u8,
    pub(super) seconds: u32,
    /// The place of the file's small picture and facts.
    pub(super) place: Option<EntryPlace>,
    /// Whether the file's content was looked at, not only its name.
    pub(super) is_looked_at: bool,
}

/// The beginning of a list, before the files.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlbumHead {
    pub(super) version: u32,
    /// The phone's maker and model; empty if unknown.
    pub(super) phone: String,
    /// The day on which the list was written, in this computer's local time.
    pub(super) day: String,
    /// Whether `report.html` lies beside the page.
    pub(super) report: bool,
    /// How many files are older than those below, and not listed.
    #[serde(default)]
    pub(super) older: u64,
    pub(super) missing_count: u64,
    /// The missing files: path on the phone and the reason.
    pub(super) missing: Vec<(String, String)>,
    /// The folders below `data/`, each with a trailing slash.
    pub(super) folders: Vec<String>,
    #[serde(skip)]
    numbers: HashMap<String, u32>,
}

impl AlbumHead {
    pub(super) fn new(phone: &PhoneIdentity) -> Self {
        let phone = format!("{} {}", phone.manufacturer, phone.model);
        Self {
            version: VERSION,
            phone: shown(phone.trim()),
            day: chrono::Local::now().format("%Y%m%d").to_string(),
            ..Self::default()
        }
    }

    /// Returns the number of a file's folder, and adds the folder if it is new.
    pub(super) fn add_folder(&mut self, local: &LocalPath) -> u32 {
        let folder = folder_of(local);
        if let Some(number) = self.numbers.get(folder) {
            return *number;
        }
        // No listing has as many folders.
        let number = u32::try_from(self.folders.len()).unwrap_or(u32::MAX);
        self.folders.push(folder.to_owned());
        self.numbers.insert(folder.to_owned(), number);
        number
    }
}

/// A file as a line of the list: the number of its folder, name, size in bytes, time, kind (0 picture, 1 video, 2
/// sound, 3 other), orientation, length in seconds, part (-1: nothing to show; -2: not looked into yet), place in the
/// part, SHA-256.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AlbumLine<'a>(
    pub(super) u32,
    #[serde(borrow)] pub(super) std::borrow::Cow<'a, str>,
    pub(super) u64,
    #[serde(borrow)] pub(super) std::borrow::Cow<'a, str>,
    pub(super) u8,
    pub(super) u8,
    pub(super) u32,
    pub(super) i64,
    pub(super) u8,
    #[serde(borrow)] pub(super) std::borrow::Cow<'a, str>,
);

/// The value for the part of a file that was looked into and has nothing to show.
const NOTHING: i64 = -1;
/// The value for the part of a file that has not been looked into yet.
pub(super) const NOT_LOOKED_AT: i64 = -2;

impl<'a> AlbumLine<'a> {
    /// Returns the line of a file whose folder is in the head already.
    pub(super) fn of(
        head: &AlbumHead,
        local: &'a LocalPath,
        sha256: &Sha256,
        size: u64,
        seen: &SeenFile,
    ) -> Self {
        let folder = head.numbers.get(folder_of(local)).copied();
        Self::new(folder.unwrap_or_default(), local.name(), sha256, size, seen)
    }

    pub(super) fn new(
        folder: u32,
        name: &'a str,
        sha256: &Sha256,
        size: u64,
        seen: &SeenFile,
    ) -> Self {
        let taken = seen.taken.map(|at| at.format(TIME).to_string());
        let (part, place) = match (seen.place, seen.is_looked_at) {
            (Some((part, place)), _) => (i64::from(part), place),
            (None, true) => (NOTHING, 0),
            (None, false) => (NOT_LOOKED_AT, 0),
        };
        let kind = match MediaKind::of_name(name.as_bytes()) {
            MediaKind::Photo => 0,
            MediaKind::Video => 1,
            MediaKind::Audio => 2,
            MediaKind::Other => 3,
        };
        Self(
            folder,
            name.into(),
            size,
            taken.unwrap_or_default().into(),
            kind,
            seen.turn,
            seen.seconds,
            part,
            place,
            sha256.to_string().into(),
        )
    }
}

pub(super) fn begin(to: &mut dyn Write, head: &AlbumHead) -> io::Result<()> {
    writeln!(to, "{BEGIN}{},[", json(head)?)
}

pub(super) fn line(to: &mut dyn Write, line: &AlbumLine<'_>) -> io::Result<()> {
    writeln!(to, "{},", json(line)?)
}

pub(super) fn end(to: &mut dyn Write) -> io::Result<()> {
    to.write_all(b"]);\n")
}

fn json(value: &impl Serialize) -> io::Result<String> {
    crate::json::line(value).map_err(io::Error::other)
}

/// Returns a file's folder below `data/`, with a trailing slash.
pub(super) fn folder_of(local: &LocalPath) -> &str {
    let end = local.as_str().len() - local.name().len();
    local.as_str().get(..end).unwrap_or_default()
}
