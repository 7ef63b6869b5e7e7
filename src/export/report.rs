//! The report: the origin of the files, what is here, what is missing and why. `report.html` is for people,
//! `report.json` for programs, with every file.

use std::fmt::Write as _;
use std::io::Write;

use chrono::{DateTime, Local, SecondsFormat};
use serde::Serialize;

use super::ExportError;
use super::plan::LeftOut;
use super::rows::{Listed, ListedFile, TagFiles, failed};
use crate::digest::Sha256;
use crate::folder::{CatalogueError, Folder, Run, State, Summary, SurveyKind, Surveyed};
use crate::item::PhoneIdentity;

const JSON_PATH: &str = "report.json";
const PAGE_PATH: &str = "report.html";
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1.2rem;\
color:#1c1d1f;background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;\
border-bottom:1px solid #dcdcd8;overflow-wrap:anywhere}code{font-size:.85rem;overflow-wrap:anywhere}\
@media print{a{color:inherit}}";

/// What the report tells besides the files.
pub(super) struct Facts<'a> {
    pub(super) phone: &'a PhoneIdentity,
    pub(super) summary: &'a Summary,
    pub(super) runs: &'a [Run],
    pub(super) now: DateTime<Local>,
    pub(super) left_out: &'a [LeftOut],
    /// How many files the person did not choose for the archive.
    pub(super) not_chosen: u64,
    /// What lies in the rescue folder besides, and is not from the phone as far as it is known.
    pub(super) strangers: &'a [String],
    /// What the last listing left on the phone, or could not look at.
    pub(super) surveyed: &'a [Surveyed],
    /// The manifest's own hash: it fixes all others.
    pub(super) manifest: Sha256,
}

#[derive(Serialize)]
struct Head<'a> {
    tool: String,
    exported: String,
    phone: &'a PhoneIdentity,
    rescue_folder: &'a Summary,
    runs: &'a [Run],
    manifest_sha256: Sha256,
    files: usize,
    bytes: u64,
    left_out: usize,
    not_chosen: u64,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    phone_path: String,
    /// As hexadecimal digits, where the path is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_path_bytes: Option<String>,
    size: u64,
    modified: Option<String>,
    taken: Option<super::dates::Taken>,
    sha256: Sha256,
    state: State,
}

/// Writes both reports.
pub(super) fn write(
    to: &mut dyn TagFiles,
    folder: &Folder,
    listed: Listed<'_>,
    facts: &Facts<'_>,
) -> Result<(), ExportError> {
    let head = Head {
        tool: format!("rescue {}", env!("CARGO_PKG_VERSION")),
        exported: facts.now.to_rfc3339_opts(SecondsFormat::Secs, false),
        phone: facts.phone,
        rescue_folder: facts.summary,
        runs: facts.runs,
        manifest_sha256: facts.manifest,
        files: listed.rows().len(),
        bytes: listed.bytes(),
        left_out: facts.left_out.len(),
        not_chosen: facts.not_chosen,
    };
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
        for (index, file) in listed.files().enumerate() {
            let ListedFile { row, piece, path } = file?;
            let entry = folder.catalogue().entry(piece.entry)?;
            let entry = entry.ok_or(CatalogueError::NoSuchEntry { id: piece.entry })?;
            let raw = entry.path.as_bytes();
            let file = File {
                path: path.as_str(),
                phone_path: entry.path.to_string(),
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
    to.add_tag(PAGE_PATH, &mut |to| {
        page(to, &head, facts).map_err(failed(PAGE_PATH))
    })
}

fn page(to: &mut dyn Write, head: &Head<'_>, facts: &Facts<'_>) -> std::io::Result<()> {
    let phone = facts.phone;
    let row = |name: &str, value: &str| {
        format!(
            "<tr><th>{}</th><td>{}</td></tr>\n",
            escaped(name),
            escaped(value)
        )
    };
    write!(
        to,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>Rescue report</title><style>{STYLE}</style></head><body>\n<h1>Rescue report</h1>\n<table>\n"
    )?;
    let model = format!("{} {}", phone.manufacturer, phone.model);
    let left_out = match head.left_out {
        0 if facts.not_chosen > 0 => "nothing of what was chosen".to_owned(),
        0 => "nothing".to_owned(),
        1 => "1 file, listed below".to_owned(),
        count => format!("{count} files, listed below"),
    };
    for (name, value) in [
        ("Phone", model.trim()),
        ("Serial number", &phone.serial),
        ("Android version", &phone.android_version),
        ("Made with", &head.tool),
        ("Exported", &head.exported),
        ("Files here", &head.files.to_string()),
        ("Their bytes", &head.bytes.to_string()),
        ("Not here", &left_out),
        (
            "SHA-256 of manifest-sha256.txt",
            &head.manifest_sha256.to_string(),
        ),
    ] {
        to.write_all(row(name, value).as_bytes())?;
    }
    if facts.not_chosen > 0 {
        let value = format!(
            "{} files: this archive holds only a choice",
            facts.not_chosen
        );
        to.write_all(row("Not chosen", &value).as_bytes())?;
    }
    to.write_all(
        b"</table>\n<p>The manifest lists the SHA-256 of every file, so its own SHA-256 fixes them all. \
          To check them: <code>sha256sum -c manifest-sha256.txt</code>, or any BagIt validator. \
          <a href=\"report.json\">report.json</a> tells of every file where it was on the phone and what \
          proves it; <a href=\"index.html\">index.html</a> shows them.</p>\n<h2>What the phone proved</h2>\n<table>\n",
    )?;
    let summary = facts.summary;
    for (words, count) in [
        (
            "the phone's own SHA-256 is the same",
            summary.verified_by_sha256,
        ),
        (
            "the phone's own SHA-1 is the same",
            summary.verified_by_sha1,
        ),
        ("the phone's own MD5 is the same", summary.verified_by_md5),
        (
            "only the size is the same: the phone cannot hash",
            summary.verified_by_size,
        ),
        ("pulled, not confirmed by the phone", summary.pulled),
        ("older versions", summary.superseded),
        ("damaged", summary.damaged),
        ("failed", summary.failed),
        ("not pulled", summary.planned),
    ] {
        if count.files > 0 {
            let value = format!("{} files, {} bytes", count.files, count.bytes);
            to.write_all(row(words, &value).as_bytes())?;
        }
    }
    to.write_all(b"</table>\n<p>These are counts of the whole rescue folder.</p>\n<h2>Runs</h2>\n<table>\n<tr><th>Began</th><th>Ended</th><th>With</th><th>Outcome</th></tr>\n")?;
    for run in facts.runs {
        let ended = run.ended.and_then(time);
        let outcome = run.outcome.map_or("", |outcome| outcome.as_str());
        writeln!(
            to,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            time(run.started).unwrap_or_default(),
            ended.as_deref().unwrap_or("cut short"),
            escaped(&run.tool),
            escaped(outcome)
        )?;
    }
    to.write_all(b"</table>\n<h2>Not here</h2>\n")?;
    if facts.left_out.is_empty() {
        let is_unknown = |one: &Surveyed| one.kind.is_unknown();
        match facts.surveyed.iter().any(is_unknown) {
            _ if facts.not_chosen > 0 => {
                to.write_all(b"<p>Nothing that was chosen for this archive is missing.</p>\n")?;
            }
            false => to.write_all(b"<p>Nothing that was asked for is missing.</p>\n")?,
            true => to.write_all(
                b"<p>Nothing that was found is missing; not all could be looked at, see below.</p>\n",
            )?,
        }
    } else {
        to.write_all(b"<table>\n<tr><th>On the phone</th><th>Bytes</th><th>Why</th></tr>\n")?;
        for left_out in facts.left_out {
            writeln!(
                to,
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&left_out.path.to_string()),
                left_out.size,
                escaped(&left_out.why.sentence())
            )?;
        }
        to.write_all(b"</table>\n")?;
    }
    if !facts.surveyed.is_empty() {
        to.write_all(
            b"<h2>Looked at, and left</h2>\n<p>What the last listing of the phone found in each place, what it \
              could not look at, and what it left there.</p>\n<table>\n<tr><th>What</th><th>Where</th>\
              <th>How many</th><th>Bytes</th><th>Why</th></tr>\n",
        )?;
        for one in facts.surveyed {
            let place = one.place_as_text();
            let place = match one.kind {
                SurveyKind::Ending if place.is_empty() => "without an ending".to_owned(),
                SurveyKind::Ending if place == "*" => "other endings".to_owned(),
                SurveyKind::Ending => format!(".{place}"),
                _ => place,
            };
            let why = one.reason.as_ref().map_or("", |reason| &reason.message);
            writeln!(
                to,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                one.kind.words(),
                escaped(&place),
                one.items,
                one.bytes,
                escaped(why)
            )?;
        }
        to.write_all(b"</table>\n")?;
    }
    if !facts.strangers.is_empty() {
        to.write_all(
            b"<h2>Not of this rescue</h2>\n<p>These lay in the rescue folder too. No pull put them there, \
              so they are not in the archive.</p>\n<table>\n",
        )?;
        for path in facts.strangers {
            writeln!(to, "<tr><td>{}</td></tr>", escaped(path))?;
        }
        to.write_all(b"</table>\n")?;
    }
    to.write_all(b"</body></html>\n")
}

/// Untrusted text that a person reads: it must not turn the text around it, nor break its line.
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

/// Whether it changes the direction of the text around it, or ends its line.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The same as text in a page.
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
