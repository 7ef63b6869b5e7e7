//! Computes which files go into which of several archives, by upper bounds of their sizes, so that the number of parts
//! is known before the first one is begun; and how large an archive becomes at least.

use std::collections::HashSet;
use std::ops::Range;

use zip::CompressionMethod;

use super::album::parts::MAX_FACTS_BYTES;
use super::archive::method;
use super::pieces::Piece;
use super::plan::{ExportPlan, LeftOut, Why};
use super::rows::most_thumb_bytes;
use super::{ExportError, ExportRequest, Place};
use crate::folder::{DiskError, Folder};
use crate::media::kind::MediaKind;

/// What a file costs besides its bytes and its name: two headers with all their fields, the
/// manifest's line, and what report and album tell about it.
const ENTRY_BYTES: u64 = 1000;
/// How often its name stands in an archive, counting each character of the reports as an escape.
const NAMES: u64 = 16;
/// What an archive costs besides.
const BAG_BYTES: u64 = 96 * 1024;
/// A file's two headers in a zip, without its name and their optional fields.
const HEADERS_BYTES: u64 = 30 + 46;
/// How many times smaller text becomes at most (RFC 1951).
const MOST_DEFLATED: u64 = 1032;

/// Assigns the pieces to parts, in order. A piece that is too large for any part is added to those left out.
pub(super) fn parts(
    folder: &Folder,
    plan: &mut ExportPlan,
    request: &ExportRequest<'_>,
    limit: u64,
) -> Result<Vec<Range<usize>>, ExportError> {
    // Every part lists what is missing.
    let missing: u64 = plan
        .left_out
        .iter()
        .map(|it| 1000 + 16 * (it.path.as_bytes().len() + it.why.sentence().len()) as u64)
        .sum();
    let besides: u64 = plan
        .strangers
        .iter()
        .map(|it| 1000 + 16 * it.len() as u64)
        .sum();
    let fixed = BAG_BYTES + missing + besides;
    let cost = |piece: &Piece| cost(piece, request.place);
    let mut too_large = HashSet::new();
    for (index, piece) in plan.pieces.iter(0..plan.pieces.len()).enumerate() {
        let piece = piece?;
        if fixed.saturating_add(cost(&piece)) >= limit {
            plan.left_out
                .push(LeftOut::of(folder, &piece, Why::TooLarge)?);
            too_large.insert(index);
        }
    }
    plan.pieces.keep(|index| !too_large.contains(&index));
    let mut parts = Vec::new();
    let (mut begin, mut filled) = (0, fixed);
    for (index, piece) in plan.pieces.iter(0..plan.pieces.len()).enumerate() {
        let cost = cost(&piece?);
        if filled + cost >= limit {
            parts.push(begin..index);
            (begin, filled) = (index, fixed);
        }
        filled += cost;
    }
    parts.push(begin..plan.pieces.len());
    Ok(parts)
}

/// Returns a number of bytes that the archive of these pieces has at least: a disk with less room cannot take it. One
/// that is full although it has more room is noticed while the archive is written.
pub(super) fn least_bytes(plan: &ExportPlan, part: Range<usize>) -> Result<u64, DiskError> {
    // Sparse files claim sizes whose sum is no number any more.
    plan.pieces.iter(part).try_fold(0_u64, |sum, piece| {
        let piece = piece?;
        let content = match method(&piece.local) {
            CompressionMethod::Stored => piece.size,
            _ => piece.size / MOST_DEFLATED,
        };
        let names = 2 * piece.local.as_str().len() as u64;
        Ok(sum
            .saturating_add(content)
            .saturating_add(HEADERS_BYTES + names))
    })
}

fn cost(piece: &Piece, place: &Place) -> u64 {
    let name = (place.base().len() + piece.local.as_str().len()) as u64;
    let thumb = match piece.kind {
        // As text, with its share of its file and the facts beside it.
        MediaKind::Photo | MediaKind::Video => {
            most_thumb_bytes(piece.size) * 4 / 3 + 600 + MAX_FACTS_BYTES as u64
        }
        _ => 0,
    };
    // What does not compress grows a little.
    let besides = piece.size / 1000 + NAMES * name + ENTRY_BYTES + thumb;
    piece.size.saturating_add(besides)
}
