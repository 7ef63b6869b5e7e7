//! The chain of proof: what ties each copy to the phone's own file, and the runs that made the copies.

use std::io::{self, Write};

use super::super::escaped;
use super::words::{count, moment};
use super::{Lies, Page};
use crate::folder::{Proof, Run, RunOutcome};

/// Runs that are listed: of very many the latest.
const RUNS: usize = 12;

/// Writes the section.
pub(super) fn proof(to: &mut dyn Write, page: &Page<'_>) -> io::Result<()> {
    to.write_all(b"<section class=\"proof\">\n<h2>The chain of proof</h2>\n<p>For an expert, an insurer or a court.</p>\n<table><tbody>\n")?;
    facts(to, page)?;
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
    to.write_all(b"</p>\n")?;
    runs(to, page.runs)?;
    to.write_all(b"</section>\n")
}

/// Writes the rows about the phone, the program and the proofs.
fn facts(to: &mut dyn Write, page: &Page<'_>) -> io::Result<()> {
    let mut row = |name: &str, value: &str| {
        writeln!(
            to,
            "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>",
            escaped(value)
        )
    };
    let phone = page.phone;
    let model = format!("{} {}", phone.manufacturer, phone.model);
    row("Phone", model.trim())?;
    row("Serial number", &phone.serial)?;
    row("Android version", &phone.android_version)?;
    row(
        "Report written",
        &page.now.format("%-d %B %Y, %H:%M:%S %:z").to_string(),
    )?;
    row("Written by", concat!("rescue ", env!("CARGO_PKG_VERSION")))?;
    let tally = page.tally;
    for (proof, files) in Proof::ALL.iter().zip(tally.by_proof) {
        if files > 0 {
            let words = match proof {
                Proof::Sha256 => "SHA-256, computed by the phone and here, is equal",
                Proof::Sha1 => "SHA-1, computed by the phone and here, is equal",
                Proof::Md5 => "MD5, computed by the phone and here, is equal",
                Proof::Size => "only the size is equal: this phone cannot compute checksums",
            };
            row(words, &count(files, "file"))?;
        }
    }
    if tally.older > 0 {
        row(
            "Older versions, kept beside newer ones",
            &count(tally.older, "file"),
        )?;
    }
    if tally.not_compared > 0 {
        row(
            "Copied, and not compared with the phone",
            &count(tally.not_compared, "file"),
        )?;
    }
    if let Some(manifest) = page.manifest {
        row("SHA-256 of manifest-sha256.txt", &manifest.to_string())?;
    }
    Ok(())
}

/// Writes the runs.
fn runs(to: &mut dyn Write, runs: &[Run]) -> io::Result<()> {
    to.write_all(
        b"<h3>Runs</h3>\n<table><thead><tr><th scope=\"col\">Began</th><th scope=\"col\">Ended</th>\
          <th scope=\"col\">Result</th><th scope=\"col\">Program</th></tr></thead><tbody>\n",
    )?;
    let skipped = runs.len().saturating_sub(RUNS);
    for run in runs.iter().skip(skipped) {
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
    Ok(())
}
