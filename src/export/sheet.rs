//! The contact sheet: `index.html` and, beside it in `sheet/`, the list of files and the small
//! pictures, a few dozen to a file, which the page loads when they come near the screen.
//!
//! Scripts and not JSON, for a page that is opened from a disk may load scripts and nothing else.
//! Names are untrusted: they are only ever in JSON strings, and the page only ever shows them as
//! text.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::ExportError;
use super::plan::LeftOut;
use super::report::shown;
use super::rows::{Listed, ListedFile, Row, TagFiles, WriteTag, failed};
use crate::folder::disk::{self, Within};
use crate::item::PhoneIdentity;
use crate::names::LocalPath;
use crate::pull::kind::MediaKind;

/// The page.
const PAGE: &str = include_str!("sheet/index.html");
const PAGE_PATH: &str = "index.html";
const ITEMS_PATH: &str = "sheet/items.js";
/// Small pictures in one file; the page knows it too.
const CHUNK: usize = 64;
/// The page lists so many files that are not there; the report lists all.
const MAX_MISSING: usize = 2000;

/// What a sheet shows besides the files.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) phone: &'a PhoneIdentity,
    pub(super) left_out: &'a [LeftOut],
    /// Whether `report.html` lies beside it.
    pub(super) has_report: bool,
}

/// Writes the sheet of all rows, the newest first.
pub(super) fn write(
    to: &mut dyn TagFiles,
    listed: Listed<'_>,
    facts: &Facts<'_>,
) -> Result<(), ExportError> {
    debug_assert!(PAGE.contains(&format!("CHUNK = {CHUNK},")));
    let mut order: Vec<&Row> = listed.rows().iter().collect();
    order.sort_by_key(|row| std::cmp::Reverse(row.taken.map(|taken| taken.at)));
    to.add_tag(PAGE_PATH, &mut |to| {
        to.write_all(PAGE.as_bytes()).map_err(failed(PAGE_PATH))
    })?;
    to.add_tag(ITEMS_PATH, &mut |to| items(to, &order, listed, facts))?;
    for (number, chunk) in order.chunks(CHUNK).enumerate() {
        if chunk.iter().all(|row| row.thumb.is_none()) {
            continue;
        }
        let path = format!("sheet/t{number}.js");
        to.add_tag(&path, &mut |to| pictures(to, &path, number, chunk, listed))?;
    }
    Ok(())
}

fn items(
    to: &mut dyn Write,
    order: &[&Row],
    listed: Listed<'_>,
    facts: &Facts<'_>,
) -> Result<(), ExportError> {
    let failed = failed(ITEMS_PATH);
    let mut folders: Vec<String> = Vec::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for row in order {
        let file = listed.file(row)?;
        let folder = folder_of(&file.path);
        if !numbers.contains_key(folder) {
            numbers.insert(folder.to_owned(), folders.len());
            folders.push(folder.to_owned());
        }
    }
    let phone = format!("{} {}", facts.phone.manufacturer, facts.phone.model);
    let title = match phone.trim() {
        "" => "Rescued files".to_owned(),
        phone => format!("Rescued from {}", shown(phone)),
    };
    let losses = || {
        facts
            .left_out
            .iter()
            .filter(|left_out| left_out.why.is_a_loss())
    };
    let missing: Vec<_> = losses()
        .take(MAX_MISSING)
        .map(|it| (shown(&it.path.to_string()), shown(&it.why.sentence())))
        .collect();
    write!(
        to,
        "sheetItems({{\"title\":{},\"report\":{},\"missingCount\":{},\"missing\":{},\"folders\":{},\"items\":[",
        json(&title).map_err(&failed)?,
        facts.has_report,
        losses().count(),
        json(&missing).map_err(&failed)?,
        json(&folders).map_err(&failed)?,
    )
    .map_err(&failed)?;
    for (index, row) in order.iter().enumerate() {
        let ListedFile { piece, path, .. } = listed.file(row)?;
        let taken = row
            .taken
            .map(|taken| taken.at.format("%Y-%m-%d %H:%M:%S").to_string());
        let kind = match piece.kind {
            MediaKind::Photo => 0,
            MediaKind::Video => 1,
            MediaKind::Audio | MediaKind::Other => 2,
        };
        let item = (
            numbers.get(folder_of(&path)),
            path.name(),
            piece.size,
            taken.unwrap_or_default(),
            kind,
            row.orientation,
            u8::from(row.thumb.is_some()),
            piece.sha256,
        );
        let comma = if index == 0 { "" } else { "," };
        write!(to, "{comma}\n{}", json(&item).map_err(&failed)?).map_err(&failed)?;
    }
    to.write_all(b"\n]});\n").map_err(&failed)
}

fn pictures(
    to: &mut dyn Write,
    path: &str,
    number: usize,
    chunk: &[&Row],
    listed: Listed<'_>,
) -> Result<(), ExportError> {
    write!(to, "sheetPictures({number},[").map_err(failed(path))?;
    for (index, row) in chunk.iter().enumerate() {
        let comma = if index == 0 { "" } else { ",\n" };
        let picture = match row.thumb {
            Some(thumb) => BASE64.encode(listed.picture(thumb)?),
            None => String::new(),
        };
        write!(to, "{comma}\"{picture}\"").map_err(failed(path))?;
    }
    to.write_all(b"]);\n").map_err(failed(path))
}

/// Writes the sheet of a whole rescue folder into it; rows of other names than the folder's are not
/// for it. A page for people, which nothing is proven by: what stands there is replaced without a
/// wait for the disk.
pub(super) fn write_to_folder(
    root: &Path,
    listed: Listed<'_>,
    facts: &Facts<'_>,
) -> Result<(), ExportError> {
    disk::create_folder(&root.join("sheet"))?;
    let mut folder = InFolder { root, written: 0 };
    write(&mut folder, listed, facts)?;
    // An earlier, longer sheet has pictures that nothing shows any more.
    let chunks = listed.rows().len().div_ceil(CHUNK);
    for number in chunks.. {
        let path = root.join(format!("sheet/t{number}.js"));
        if std::fs::symlink_metadata(&path).is_err() {
            break;
        }
        disk::remove_file(&path)?;
    }
    Ok(())
}

/// Puts the sheet's files into a rescue folder, each as a whole.
struct InFolder<'a> {
    root: &'a Path,
    written: u64,
}

impl TagFiles for InFolder<'_> {
    fn add_tag(&mut self, path: &str, write: WriteTag<'_>) -> Result<(), ExportError> {
        self.written += 1;
        let name = format!("sheet-{}", self.written);
        let (file, _) = disk::create_partial(self.root, &name)?;
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.flush().map_err(failed(path))?;
        let (partial, mut folder) = (Within::partial(self.root)?, Within::root(self.root)?);
        let mut names = path.split('/');
        let target = names.next_back().unwrap_or_default();
        for name in names {
            folder = folder.existing(name)?;
        }
        Ok(partial.rename_over(&name, &folder, target)?)
    }
}

/// Its folder below `data/`, with the slash behind it.
fn folder_of(path: &LocalPath) -> &str {
    let end = path.as_str().len() - path.name().len();
    path.as_str().get(..end).unwrap_or_default()
}

fn json(value: &impl serde::Serialize) -> Result<String, std::io::Error> {
    crate::json::line(value).map_err(std::io::Error::other)
}
