//! `report.html`: for a person who wants to know what is safe, on two printed pages. The verdict comes first, then
//! numbers, what is missing, what the words mean, and last the chain of proof for those who need it.

use std::io::{self, Write};

use chrono::{DateTime, Local, NaiveDateTime};

use super::escaped;
use crate::digest::Sha256;
use crate::folder::{Count, Proof, Run, RunOutcome, State, SurveyKind, Surveyed};
use crate::item::PhoneIdentity;
use crate::media::kind::MediaKind;

const STYLE: &str = include_str!("page.css");
/// Missing files that are listed at once; the others can be unfolded.
const LISTED: usize = 25;
/// Runs that are listed: of very many the latest.
const RUNS: usize = 12;

/// Counts of the files, by kind and by how they are proven.
#[derive(Debug, Default, Clone)]
pub(in crate::export) struct FileTally {
    photos: Count,
    videos: Count,
    others: Count,
    by_proof: [u64; Proof::ALL.len()],
    not_compared: u64,
    older: u64,
    taken: Option<(NaiveDateTime, NaiveDateTime)>,
}

impl FileTally {
    /// Adds a file that is present.
    pub(in crate::export) fn add(
        &mut self,
        name: &str,
        size: u64,
        state: State,
        taken: Option<NaiveDateTime>,
    ) {
        let kind = MediaKind::of_name(name.as_bytes());
        let count = match kind {
            MediaKind::Photo => &mut self.photos,
            MediaKind::Video => &mut self.videos,
            MediaKind::Audio | MediaKind::Other => &mut self.others,
        };
        count.files += 1;
        count.bytes = count.bytes.saturating_add(size);
        match state {
            State::Verified(proof) => {
                let all = Proof::ALL.iter().zip(&mut self.by_proof);
                all.filter(|(one, _)| **one == proof)
                    .for_each(|(_, sum)| *sum += 1);
            }
            State::Superseded => self.older += 1,
            _ => self.not_compared += 1,
        }
        if let (Some(at), MediaKind::Photo | MediaKind::Video) = (taken, kind) {
            let (first, last) = self.taken.unwrap_or((at, at));
            self.taken = Some((first.min(at), last.max(at)));
        }
    }

    fn files(&self) -> u64 {
        self.photos.files + self.videos.files + self.others.files
    }

    fn bytes(&self) -> u64 {
        let all = [self.photos, self.videos, self.others];
        all.iter().fold(0, |sum, it| sum.saturating_add(it.bytes))
    }

    /// Returns the number of files that nothing but their size supports, or not even that.
    fn unproven(&self) -> u64 {
        self.not_compared + self.by_proof.last().copied().unwrap_or_default()
    }
}

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
    numbers(to, page)?;
    missing(to, page)?;
    places(to, page)?;
    to.write_all(WORDS.as_bytes())?;
    proof(to, page)?;
    to.write_all(b"</main></body></html>\n")
}

/// What the whole comes to.
#[derive(Debug, PartialEq)]
struct Conclusion {
    is_good: bool,
    headline: String,
    more: String,
}

fn verdict(page: &Page<'_>) -> Conclusion {
    let (here, lost, unproven) = (
        page.tally.files(),
        page.missing.len() as u64,
        page.tally.unproven(),
    );
    let place = match page.lies {
        Lies::InArchive => "in this archive",
        Lies::InFolder => "in this folder",
    };
    let unknown = page.surveyed.iter().filter(|one| one.kind.is_unknown());
    let unknown: u64 = unknown.count() as u64;
    let care = |headline: String, more: String| Conclusion {
        is_good: false,
        headline,
        more,
    };
    let all_proven = match unproven {
        0 => format!("{} {place}, and each is proven", are(here, "file")),
        _ => format!("{} {place}", are(here, "file")),
    };
    if page.not_pulled > 0 {
        return care(
            "The rescue is not finished".to_owned(),
            format!(
                "{} still only on the phone. Do not erase it: connect it and run rescue pull again. {all_proven}.",
                are(page.not_pulled, "file")
            ),
        );
    }
    if lost > 0 {
        let what = match lost {
            1 => "One file is missing".to_owned(),
            lost => format!("{} are missing", number(lost)),
        };
        return care(
            format!("{what}; {} {place}", are(here, "file")),
            "The list below says which, and why. Read it before you erase or give away the phone."
                .to_owned(),
        );
    }
    if unproven > 0 {
        return care(
            format!("{} {place}; {} not proven", are(here, "file"), are(unproven, "file")),
            "The phone did not give a checksum to compare these with. Open some of them before you erase the phone."
                .to_owned(),
        );
    }
    if page.not_chosen > 0 {
        return Conclusion {
            is_good: true,
            headline: all_proven,
            more: format!(
                "This archive holds a choice. {} not chosen and stay in the rescue folder.",
                were(page.not_chosen, "file")
            ),
        };
    }
    if unknown > 0 {
        return care(
            format!("Everything that was found is here: {all_proven}"),
            format!(
                "{} of the phone could not be searched; see “Where rescue looked”. Only you can say whether anything is there.",
                count(unknown, "place")
            ),
        );
    }
    Conclusion {
        is_good: true,
        headline: format!("Nothing is missing: {all_proven}"),
        more: "Each file was compared with the checksum that the phone itself computed.".to_owned(),
    }
}

impl Conclusion {
    fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let (class, mark) = match self.is_good {
            true => ("verdict", "✓"),
            false => ("verdict care", "!"),
        };
        writeln!(
            to,
            "<div class=\"{class}\"><span class=\"mark\" aria-hidden=\"true\">{mark}</span><div><strong>{}</strong>\
             <p>{}</p></div></div>",
            escaped(&self.headline),
            escaped(&self.more)
        )
    }
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

fn proof(to: &mut dyn Write, page: &Page<'_>) -> io::Result<()> {
    let row = |to: &mut dyn Write, name: &str, value: &str| {
        writeln!(
            to,
            "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>",
            escaped(value)
        )
    };
    to.write_all(b"<section class=\"proof\">\n<h2>The chain of proof</h2>\n<p>For an expert, an insurer or a court.</p>\n<table><tbody>\n")?;
    let phone = page.phone;
    let model = format!("{} {}", phone.manufacturer, phone.model);
    row(to, "Phone", model.trim())?;
    row(to, "Serial number", &phone.serial)?;
    row(to, "Android version", &phone.android_version)?;
    row(
        to,
        "Report written",
        &page.now.format("%-d %B %Y, %H:%M:%S %:z").to_string(),
    )?;
    row(
        to,
        "Written by",
        concat!("rescue ", env!("CARGO_PKG_VERSION")),
    )?;
    let tally = page.tally;
    for (proof, files) in Proof::ALL.iter().zip(tally.by_proof) {
        if files > 0 {
            let words = match proof {
                Proof::Sha256 => "SHA-256, computed by the phone and here, is equal",
                Proof::Sha1 => "SHA-1, computed by the phone and here, is equal",
                Proof::Md5 => "MD5, computed by the phone and here, is equal",
                Proof::Size => "only the size is equal: this phone cannot compute checksums",
            };
            row(to, words, &count(files, "file"))?;
        }
    }
    if tally.older > 0 {
        row(
            to,
            "Older versions, kept beside newer ones",
            &count(tally.older, "file"),
        )?;
    }
    if tally.not_compared > 0 {
        row(
            to,
            "Copied, and not compared with the phone",
            &count(tally.not_compared, "file"),
        )?;
    }
    if let Some(manifest) = page.manifest {
        row(to, "SHA-256 of manifest-sha256.txt", &manifest.to_string())?;
    }
    to.write_all(
        b"</tbody></table>\n<p>The file <code>manifest-sha256.txt</code> lists the SHA-256 of every file, so its own SHA-256 \
          fixes all of them: write it down, or sign it. To check every file, run \
          <code>sha256sum -c manifest-sha256.txt</code> here, or any BagIt validator (RFC 8493).",
    )?;
    if page.lies == Lies::InArchive {
        to.write_all(
            b" <a href=\"report.json\">report.json</a> says of every file where it was on the phone and what proves it.",
        )?;
    }
    to.write_all(
        b"</p>\n<h3>Runs</h3>\n<table><thead><tr><th scope=\"col\">Began</th><th scope=\"col\">Ended</th>\
          <th scope=\"col\">Result</th><th scope=\"col\">Program</th></tr></thead><tbody>\n",
    )?;
    let skipped = page.runs.len().saturating_sub(RUNS);
    for run in page.runs.iter().skip(skipped) {
        let outcome = match (run.outcome, run.ended) {
            (Some(RunOutcome::Done), _) => "all files copied",
            (Some(RunOutcome::SomeFailed), _) => "some files could not be copied",
            (Some(RunOutcome::Interrupted), _) => "stopped by a person",
            (Some(RunOutcome::Failed), _) => "ended by an error",
            (None, _) => "cut short",
        };
        writeln!(
            to,
            "<tr><td>{}</td><td>{}</td><td>{outcome}</td><td>{}</td></tr>",
            moment(run.started),
            run.ended.map(moment).unwrap_or_default(),
            escaped(&run.tool)
        )?;
    }
    to.write_all(b"</tbody></table>\n")?;
    if skipped > 0 {
        writeln!(to, "<p>{} earlier.</p>", count(skipped as u64, "run"))?;
    }
    to.write_all(b"</section>\n")
}

// ---- words

fn number(of: u64) -> String {
    let digits = of.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn count(of: u64, what: &str) -> String {
    match of {
        1 => format!("1 {what}"),
        of => format!("{} {what}s", number(of)),
    }
}

fn are(of: u64, what: &str) -> String {
    let verb = if of == 1 { "is" } else { "are" };
    format!("{} {verb}", count(of, what))
}

fn were(of: u64, what: &str) -> String {
    let verb = if of == 1 { "was" } else { "were" };
    format!("{} {verb}", count(of, what))
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return count(bytes, "byte");
    }
    let mut value = bytes as f64 / 1000.0;
    for unit in UNITS {
        if value < 999.95 {
            return format!("{value:.1} {unit}");
        }
        value /= 1000.0;
    }
    format!("{} bytes", number(bytes))
}

/// With a capital letter.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn day(at: NaiveDateTime) -> String {
    at.format("%-d %B %Y").to_string()
}

fn moment(seconds: i64) -> String {
    let at = DateTime::from_timestamp(seconds, 0).map(|at| at.with_timezone(&Local));
    at.map_or_else(String::new, |at| at.format("%-d %B %Y, %H:%M").to_string())
}

#[cfg(test)]
mod tests;
