//! The album: `index.html` and, beside it in `album/`, a list of the files and small pictures of them.
//! It needs no network, no server and no `rescue`, and holds no byte of the files themselves: it refers to them.
//!
//! In: a rescue folder after a pull (`folder`), or the rows of an archive. Out: the same page for both.
//!
//! ```text
//! index.html          the whole page; names the list, and so decides which one counts
//! album/list-7.js     one line a file, the newest first, and what is missing
//! album/p0.js ...     small pictures and facts, some dozens to a file; the page loads them near the screen
//! ```
//!
//! Scripts and not JSON, because a page from a disk may load scripts and nothing else. Names from the phone are
//! hostile: they stand in JSON strings only, and the page shows them as text only.

mod beside;
mod files;
mod folder;
mod known;
mod list;
mod page;
pub(super) mod parts;

pub use beside::{Backlog, Beside, ReceivedFiles};
pub use folder::{is_current, write_to_folder};

use super::ExportError;
use super::plan::LeftOut;
use super::rows::{ArchiveFiles, Row, TagFiles, failed};
use crate::item::PhoneIdentity;
use list::{AlbumHead, AlbumLine};
use parts::{ENTRIES, PartName};

/// The name of the album's page.
pub const PAGE: &str = "index.html";
/// The most files that the page shows: the newest ones. It says how many others there are. Without this limit, a
/// phone with a million files would take too much memory here and in the browser.
const MAX_FILES: usize = 100_000;
/// The most missing files that the page lists; the report lists all of them.
const MAX_MISSING: usize = 2000;

/// What an album shows besides the files.
#[derive(Clone, Copy)]
pub(super) struct AlbumFacts<'a> {
    pub(super) phone: &'a PhoneIdentity,
    pub(super) left_out: &'a [LeftOut],
}

/// Writes the album of an archive.
pub(super) fn write(
    to: &mut dyn TagFiles,
    listed: ArchiveFiles<'_>,
    facts: &AlbumFacts<'_>,
) -> Result<(), ExportError> {
    const LIST: &str = "album/list-0.js";
    let mut order: Vec<&Row> = listed.rows().iter().collect();
    order.sort_by_key(|row| std::cmp::Reverse(row.taken.map(|taken| taken.at)));
    let older = order.len().saturating_sub(MAX_FILES) as u64;
    order.truncate(MAX_FILES);
    to.add_tag(PAGE, &mut |to| {
        to.write_all(page::page(LIST).as_bytes())
            .map_err(failed(PAGE))
    })?;
    let losses = || facts.left_out.iter().filter(|it| it.why.is_a_loss());
    let missing = losses()
        .take(MAX_MISSING)
        .map(|it| (it.path.to_string(), it.why.sentence()));
    let mut head = AlbumHead::new(facts.phone);
    head.report = true;
    head.older = older;
    head.missing = missing.collect();
    head.missing_count = losses().count() as u64;
    for row in &order {
        head.add_folder(&listed.file(row)?.path);
    }
    to.add_tag(LIST, &mut |to| {
        let mut places = PartName::default();
        list::begin(to, &head).map_err(failed(LIST))?;
        for row in &order {
            let file = listed.file(row)?;
            let seen = list::SeenFile {
                taken: row.taken.map(|taken| taken.at),
                turn: row.orientation,
                seconds: row.seconds,
                place: row.entry.map(|_| places.next()),
                is_looked_at: true,
            };
            let line = AlbumLine::of(
                &head,
                &file.path,
                &file.piece.sha256,
                file.piece.size,
                &seen,
            );
            list::line(to, &line).map_err(failed(LIST))?;
        }
        list::end(to).map_err(failed(LIST))
    })?;
    let marks: Vec<_> = order.iter().filter_map(|row| row.entry).collect();
    for (number, part) in marks.chunks(ENTRIES).enumerate() {
        let path = parts::path(number as u32);
        to.add_tag(&path, &mut |to| {
            let entries = part.iter().map(|mark| listed.entry(*mark));
            let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
            parts::write(to, number as u32, &entries).map_err(failed(&path))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
