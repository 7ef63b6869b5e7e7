//! Writes lines to the standard output, which may take nothing, and to standard error.

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::fold;
use super::text::plain;
use crate::error::{Error, Kind};
use crate::hint::Clause::{ByCommand, Said};
use crate::json;

/// Why something could not be written to the standard output.
static OUTPUT_FAILED: OnceLock<String> = OnceLock::new();

/// Why results could not be written to the standard output, if they could not.
pub(super) fn output_failure() -> Option<&'static str> {
    OUTPUT_FAILED.get().map(String::as_str)
}

/// The error for a standard output that takes nothing.
pub fn unwritable(cause: &str) -> Error {
    Error::new(Kind::Disk, "standard output cannot be written")
        .caused_by(cause.to_owned())
        .with_hint([
            Said("check where standard output goes, such as a file on a full disk"),
            ByCommand(", and run the same command again"),
        ])
}

/// Notes that standard output takes nothing; a reader that went away (`| head`) wants no more, which is no failure.
pub fn note_output_failure(error: &std::io::Error) {
    if error.kind() != std::io::ErrorKind::BrokenPipe {
        let _ = OUTPUT_FAILED.set(error.to_string());
    }
}

#[derive(Serialize)]
struct Labelled<'a, T> {
    #[serde(flatten)]
    value: &'a T,
    phone: &'a str,
}

pub(super) fn print_json(phone: Option<&Arc<str>>, value: &impl Serialize) {
    let line = match phone {
        Some(phone) => json::line(&Labelled { value, phone }),
        None => json::line(value),
    };
    match line {
        Ok(line) => print_raw(&line),
        Err(error) => eprint_line(&format!("error: no JSON for a result: {error}")),
    }
}

/// Prints one line, folded on a terminal. It may hold words of a phone, a server or somebody's folder:
/// everything is made harmless here once more, so that no caller can forget it.
pub(super) fn print_line(line: &str) {
    print_raw(&fitted(&plain(line), fold::width_of(&std::io::stdout())));
}

/// The line, folded where it goes to a terminal.
pub(super) fn fitted(line: &str, width: Option<usize>) -> String {
    match width {
        Some(columns) => fold::folded(line, columns),
        None => line.to_owned(),
    }
}

/// A reader that went away (`| head`) is no reason to stop a rescue, nor is a full disk behind
/// the standard output; the latter is told at the end.
pub(super) fn print_raw(line: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}") {
        note_output_failure(&error);
    }
}

/// As [`print_line`], to standard error.
pub(super) fn eprint_line(line: &str) {
    eprint_raw(&fitted(&plain(line), fold::width_of(&std::io::stderr())));
}

/// A line that holds colours of ours.
pub(super) fn eprint_raw(line: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{line}");
}
