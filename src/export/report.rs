//! The report: the origin of the files, what is here, what is missing and why. `report.html` is for people,
//! `report.json` for programs, with every file.

pub(super) mod page;

use std::fmt::Write as _;

use chrono::{DateTime, Local, SecondsFormat};
use serde::Serialize;

use super::ExportError;
use super::plan::{LeftOut, Why};
use super::rows::{ArchiveFiles, ListedFile, TagFiles, failed};
use crate::digest::Sha256;
use crate::folder::{CatalogueError, Folder, JobLabel, Run, State, Summary, Surveyed};
use crate::item::PhoneIdentity;
use page::{FileTally, Lies, Page};

const JSON_PATH: &str = "report.json";
/// The path of the report page for people.
pub(super) const PAGE_PATH: &str = "report.html";

/// What the report shows besides the files.
pub(super) struct ReportFacts<'a> {
    pub(super) phone: &'a PhoneIdentity,
    /// Whose phone it is, and a note.
    pub(super) label: &'a JobLabel,
    pub(super) summary: &'a Summary,
    pub(super) runs: &'a [Run],
    pub(super) now: DateTime<Local>,
    pub(super) left_out: &'a [LeftOut],
    /// The number of files that the user did not select.
    pub(super) not_chosen: u64,
    /// Other files in the rescue folder, which did not come from the phone as far as is known.
    pub(super) strangers: &'a [String],
    /// What the last listing left on the phone or could not look into.
    pub(super) surveyed: &'a [Surveyed],
    /// The hash of the manifest itself, which determines all other hashes.
    pub(super) manifest: Sha256,
}

#[derive(Serialize)]
struct ReportHead<'a> {
    tool: String,
    exported: String,
    phone: &'a PhoneIdentity,
    job: &'a JobLabel,
    rescue_folder: &'a Summary,
    runs: &'a [Run],
    manifest_sha256: Sha256,
    files: usize,
    bytes: u64,
    left_out: usize,
    not_chosen: u64,
}

#[derive(Serialize)]
struct ReportedFile<'a> {
    path: &'a str,
    phone_path: String,
    /// The path's bytes in hexadecimal digits, if the path is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_path_bytes: Option<String>,
    size: u64,
    modified: Option<String>,
    taken: Option<crate::media::taken::Taken>,
    sha256: Sha256,
    state: State,
}

/// Writes both reports: `report.html` and `report.json`.
pub(super) fn write(
    to: &mut dyn TagFiles,
    folder: &Folder,
    listed: ArchiveFiles<'_>,
    facts: &ReportFacts<'_>,
) -> Result<(), ExportError> {
    let tally = write_json(to, folder, listed, facts)?;
    write_page(to, facts, &tally)
}

/// Writes the report for programs, and counts its files.
fn write_json(
    to: &mut dyn TagFiles,
    folder: &Folder,
    listed: ArchiveFiles<'_>,
    facts: &ReportFacts<'_>,
) -> Result<FileTally, ExportError> {
    let head = ReportHead {
        tool: format!("rescue {}", env!("CARGO_PKG_VERSION")),
        exported: facts.now.to_rfc3339_opts(SecondsFormat::Secs, false),
        phone: facts.phone,
        job: facts.label,
        rescue_folder: facts.summary,
        runs: facts.runs,
        manifest_sha256: facts.manifest,
        files: listed.rows().len(),
        bytes: listed.bytes(),
        left_out: facts.left_out.len(),
        not_chosen: facts.not_chosen,
    };
    let mut tally = FileTally::default();
    to.add_tag(JSON_PATH, &mut |to| {
        let failed = failed(JSON_PATH);
        let head = json(&head).map_err(&failed)?;
        // The lists are long: each of their lines is written by itself.
        write!(
            to,
            "{},\n\"not_here\":[",
            head.strip_suffix('}').unwrap_or_default()
        )
        .map_err(&failed)?;
        for (index, left_out) in facts.left_out.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(to, "{comma}\n{}", json(left_out).map_err(&failed)?).map_err(&failed)?;
        }
        to.write_all(b"],\n\"not_of_the_rescue\":[")
            .map_err(&failed)?;
        for (index, path) in facts.strangers.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(to, "{comma}\n{}", json(path).map_err(&failed)?).map_err(&failed)?;
        }
        write!(
            to,
            "],\n\"surveyed\":{},\n\"here\":[",
            json(&facts.surveyed).map_err(&failed)?
        )
        .map_err(&failed)?;
        tally = FileTally::default();
        for (index, file) in listed.files().enumerate() {
            let ListedFile { row, piece, path } = file?;
            let entry = folder.catalogue().entry(piece.entry)?;
            let entry = entry.ok_or(CatalogueError::NoSuchEntry { id: piece.entry })?;
            let raw = entry.item.path.as_bytes();
            let taken = row.taken.map(|taken| taken.at);
            tally.add(path.name(), piece.size, entry.state, taken);
            let file = ReportedFile {
                path: path.as_str(),
                phone_path: entry.item.path.to_string(),
                phone_path_bytes: std::str::from_utf8(raw).is_err().then(|| hexadecimal(raw)),
                size: piece.size,
                modified: time(piece.mtime),
                taken: row.taken,
                sha256: piece.sha256,
                state: entry.state,
            };
            let comma = if index == 0 { "" } else { "," };
            write!(to, "{comma}\n{}", json(&file).map_err(&failed)?).map_err(&failed)?;
        }
        to.write_all(b"]}\n").map_err(&failed)
    })?;
    Ok(tally)
}

/// Writes the report for people.
fn write_page(
    to: &mut dyn TagFiles,
    facts: &ReportFacts<'_>,
    tally: &FileTally,
) -> Result<(), ExportError> {
    let left_out = facts.left_out.iter();
    let (lost, left_out): (Vec<_>, Vec<_>) = left_out.partition(|it| it.why.is_a_loss());
    let told = |some: Vec<&LeftOut>| -> Vec<_> {
        let some = some.into_iter();
        some.map(|it| (it.path.to_string(), it.size, it.why.sentence()))
            .collect()
    };
    let not_pulled = facts.left_out.iter();
    let not_pulled = not_pulled.filter(|it| matches!(it.why, Why::NotPulled));
    let page = Page {
        lies: Lies::InArchive,
        phone: facts.phone,
        label: facts.label,
        now: facts.now,
        tally,
        runs: facts.runs,
        missing: &told(lost),
        not_pulled: not_pulled.count() as u64,
        left_out: &told(left_out),
        not_chosen: facts.not_chosen,
        strangers: facts.strangers,
        surveyed: facts.surveyed,
        manifest: Some(facts.manifest),
    };
    to.add_tag(PAGE_PATH, &mut |to| {
        page::write(to, &page).map_err(failed(PAGE_PATH))
    })
}

/// Makes untrusted text safe to show to people: it must not change the direction of the text around it or break its
/// line.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() || is_direction(c) => {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Returns whether the character changes the direction of the text around it or ends its line.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Does the same as [`shown`], and escapes the text for HTML.
fn escaped(text: &str) -> String {
    let mut page = String::with_capacity(text.len());
    for c in shown(text).chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            c => page.push(c),
        }
    }
    page
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn time(seconds: i64) -> Option<String> {
    let time = DateTime::from_timestamp(seconds, 0)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn json(value: &impl Serialize) -> std::io::Result<String> {
    crate::json::line(value).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        assert_eq!(
            escaped("<img src=x onerror='a&b'>\u{202e}\n\""),
            "&lt;img src=x onerror=&#39;a&amp;b&#39;&gt;\\u{202e}\\u{a}&quot;"
        );
    }
}
