//! A rescue folder's counts in words, the same in every command.

use crate::folder::Summary;
use crate::ui::{bytes, count};

/// One line for each state that has files.
pub(super) fn summary_lines(summary: &Summary) -> Vec<String> {
    let states = [
        (
            summary.verified_by_sha256,
            "verified: the phone's own SHA-256 is the same",
        ),
        (
            summary.verified_by_sha1,
            "verified: the phone's own SHA-1 is the same (it has no SHA-256)",
        ),
        (
            summary.verified_by_md5,
            "verified: the phone's own MD5 is the same (it has no SHA)",
        ),
        (
            summary.verified_by_size,
            "verified by size only (the phone cannot hash)",
        ),
        (summary.pulled, "pulled, but not verified"),
        (summary.superseded, "older versions, kept"),
        (
            summary.damaged,
            "damaged: kept beside their place as *.damaged",
        ),
        (summary.failed, "failed: not here"),
        (summary.planned, "not pulled yet"),
    ];
    let told = states.iter().filter(|(state, _)| state.files > 0);
    told.map(|(state, words)| {
        format!(
            "{:>13} {:>9}  {words}",
            count(state.files, "file"),
            bytes(state.bytes)
        )
    })
    .collect()
}
