//! `report.html`: for a person who wants to know what is safe, on two printed pages. The verdict comes first, then
//! numbers, what is missing, what the words mean, and last the chain of proof for those who need it.

mod proof;
mod tally;
#[cfg(test)]
mod tests;
mod verdict;
mod words;

use std::io::{self, Write};

use chrono::{DateTime, Local};

use self::proof::proof;
pub(in crate::export) use self::tally::FileTally;
use self::verdict::verdict;
use self::words::{count, day, number, sentence, size, were};
use super::escaped;
use crate::digest::Sha256;
use crate::folder::{JobLabel, Run, SurveyKind, Surveyed};
use crate::item::PhoneIdentity;

const STYLE: &str = include_str!("page.css");
/// Missing files that are listed at once; the others can be unfolded.
const LISTED: usize = 25;

/// Where the report is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::export) enum Lies {
    /// In an archive, together with a `report.json`.
    InArchive,
    /// In the rescue folder itself.
    InFolder,
}

/// The content of the report page.
pub(in crate::export) struct Page<'a> {
    pub(in crate::export) lies: Lies,
    pub(in crate::export) phone: &'a PhoneIdentity,
    /// Whose phone it is, and a note.
    pub(in crate::export) label: &'a JobLabel,
    pub(in crate::export) now: DateTime<Local>,
    pub(in crate::export) tally: &'a FileTally,
    pub(in crate::export) runs: &'a [Run],
    /// The missing files: path on the phone, size in bytes, and reason.
    pub(in crate::export) missing: &'a [(String, u64, String)],
    /// The number of files that the last run left for the next.
    pub(in crate::export) not_pulled: u64,
    /// The files left out deliberately, in the same form as [`Page::missing`].
    pub(in crate::export) left_out: &'a [(String, u64, String)],
    pub(in crate::export) not_chosen: u64,
    pub(in crate::export) strangers: &'a [String],
    pub(in crate::export) surveyed: &'a [Surveyed],
    /// The checksum of the manifest itself.
    pub(in crate::export) manifest: Option<Sha256>,
}

/// Writes the page.
pub(in crate::export) fn write(to: &mut dyn Write, page: &Page<'_>) -> io::Result<()> {
    let phone = format!("{} {}", page.phone.manufacturer, page.phone.model);
    let phone = match phone.trim() {
        "" => "a phone",
        phone => phone,
    };
    write!(
        to,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>Rescue report</title><style>{STYLE}</style></head><body>\n<main>\n\
         <h1>Files rescued from {}</h1>\n<p class=\"faint\">{}. <a href=\"index.html\">See the pictures</a></p>\n",
        escaped(phone),
        day(page.now.naive_local())
    )?;
    verdict(page).write(to)?;
    job(to, page.label)?;
    numbers(to, page)?;
    missing(to, page)?;
    places(to, page)?;
    to.write_all(WORDS.as_bytes())?;
    proof(to, page)?;
    to.write_all(b"</main></body></html>\n")
}

/// Writes whose phone it is, and the note, where somebody said it. Both may be in a script that runs from the right.
fn job(to: &mut dyn Write, label: &JobLabel) -> io::Result<()> {
    let texts = [("Customer", label.customer()), ("Note", label.note())];
    let mut texts = texts.iter().filter(|(_, text)| !text.is_empty()).peekable();
    if texts.peek().is_none() {
        return Ok(());
    }
    to.write_all(b"<table class=\"job\"><tbody>\n")?;
    for (name, text) in texts {
        let lines: Vec<_> = text.lines().map(escaped).collect();
        let lines = lines.join("<br>");
        writeln!(
            to,
            "<tr><th scope=\"row\">{name}</th><td dir=\"auto\">{lines}</td></tr>"
        )?;
    }
    to.write_all(b"</tbody></table>\n")
}

fn numbers(to: &mut dyn Write, page: &Page<'_>) -> io::Result<()> {
    let tally = page.tally;
    to.write_all(b"<ul class=\"numbers\">\n")?;
    for (count, one, many) in [
        (tally.photos, "photo", "photos"),
        (tally.videos, "video", "videos"),
        (tally.others, "other file", "other files"),
    ] {
        if count.files > 0 {
            let name = if count.files == 1 { one } else { many };
            writeln!(
                to,
                "<li><strong>{}</strong>{name}, {}</li>",
                number(count.files),
                size(count.bytes)
            )?;
        }
    }
    if let Some((first, last)) = tally.taken {
        let (from, to_day) = (
            first.format("%B %Y").to_string(),
            last.format("%B %Y").to_string(),
        );
        let span = match from == to_day {
            true => from,
            false => format!("{from} to {to_day}"),
        };
        writeln!(
            to,
            "<li><strong>{}</strong>in all, from {span}</li>",
            size(tally.bytes())
        )?;
    }
    to.write_all(b"</ul>\n")
}

fn missing(to: &mut dyn Write, page: &Page<'_>) -> io::Result<()> {
    to.write_all(b"<h2>What is missing</h2>\n")?;
    let is_unknown = page.surveyed.iter().any(|one| one.kind.is_unknown());
    if page.missing.is_empty() {
        let words = match (page.not_pulled > 0, page.not_chosen > 0, is_unknown) {
            (true, ..) => {
                "Nothing that was copied. Files that are still on the phone are not counted here."
            }
            (_, true, _) => "Nothing that was chosen for this archive is missing.",
            (_, _, true) => {
                "Nothing that was found is missing. Not every place could be searched, see below."
            }
            _ => "Nothing that was asked for is missing.",
        };
        writeln!(to, "<p>{words}</p>")?;
    }
    list(to, page.missing, "missing file")?;
    if page.not_chosen > 0 {
        writeln!(
            to,
            "<p>{} not chosen: this archive holds only a choice.</p>",
            were(page.not_chosen, "file")
        )?;
    }
    if !page.left_out.is_empty() {
        to.write_all(b"<h3>Left out on purpose</h3>\n")?;
        list(to, page.left_out, "file")?;
    }
    if !page.strangers.is_empty() {
        writeln!(
            to,
            "<h3>Not from the phone</h3>\n<p>Somebody put {} into the rescue folder. No pull did, so the archive \
             does not hold {}.</p>\n<ul>",
            count(page.strangers.len() as u64, "file"),
            if page.strangers.len() == 1 {
                "it"
            } else {
                "them"
            }
        )?;
        for path in page.strangers {
            writeln!(to, "<li>{}</li>", escaped(path))?;
        }
        to.write_all(b"</ul>\n")?;
    }
    Ok(())
}

fn list(to: &mut dyn Write, files: &[(String, u64, String)], what: &str) -> io::Result<()> {
    let (first, rest) = files.split_at(files.len().min(LISTED));
    table(to, first)?;
    if !rest.is_empty() {
        let more = match rest.len() {
            1 => format!("1 more {what}"),
            more => format!("{} more {what}s", number(more as u64)),
        };
        writeln!(to, "<details><summary>{more}</summary>")?;
        table(to, rest)?;
        to.write_all(b"</details>\n")?;
    }
    Ok(())
}

fn table(to: &mut dyn Write, files: &[(String, u64, String)]) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    to.write_all(
        b"<table><thead><tr><th scope=\"col\">On the phone</th><th scope=\"col\">Size</th><th scope=\"col\">Why</th></tr></thead><tbody>\n",
    )?;
    for (path, bytes, why) in files {
        writeln!(
            to,
            "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            escaped(path),
            size(*bytes),
            escaped(why)
        )?;
    }
    to.write_all(b"</tbody></table>\n")
}

fn places(to: &mut dyn Write, page: &Page<'_>) -> io::Result<()> {
    if page.surveyed.is_empty() {
        return Ok(());
    }
    to.write_all(b"<h2>Where rescue looked</h2>\n<table><tbody>\n")?;
    for one in page.surveyed {
        let place = one.place_as_text();
        let place = match one.kind {
            SurveyKind::Ending if place.is_empty() => "files without an ending".to_owned(),
            SurveyKind::Ending if place == "*" => "files of other endings".to_owned(),
            SurveyKind::Ending => format!("files that end in .{place}"),
            _ => place,
        };
        let (how_many, bytes) = match one.kind {
            SurveyKind::Private | SurveyKind::Caches => (count(one.items, "folder"), String::new()),
            SurveyKind::NotMounted | SurveyKind::OtherUser | SurveyKind::Unreadable
                if one.items == 0 =>
            {
                Default::default()
            }
            _ if one.bytes > 0 => (count(one.items, "file"), format!(", {}", size(one.bytes))),
            _ => (count(one.items, "file"), String::new()),
        };
        let why = one.reason.as_ref().map_or("", |reason| &reason.message);
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(" ({why})")
        };
        writeln!(
            to,
            "<tr><th scope=\"row\">{}</th><td>{}{}</td><td class=\"number\">{how_many}{bytes}</td></tr>",
            sentence(one.kind.words()),
            escaped(&place),
            escaped(&why)
        )?;
    }
    to.write_all(b"</tbody></table>\n")
}

const WORDS: &str = "<h2>What the words mean</h2>\n<dl>\n\
<dt>Checksum</dt><dd>A number computed from every byte of a file. If one byte differs, so does the checksum. \
This report uses SHA-256, which nobody has ever made match for two different files.</dd>\n\
<dt>Proven</dt><dd>The phone computed the checksum of its own file, this computer computed that of the copy, and both \
are the same.</dd>\n\
<dt>Not proven</dt><dd>The copy is here, but the phone gave no checksum to compare it with.</dd>\n\
<dt>Missing</dt><dd>The phone showed the file and did not give it out, or only a part of it.</dd>\n</dl>\n";
