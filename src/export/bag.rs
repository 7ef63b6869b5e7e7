//! The bag's own files in an archive (RFC 8493). They come last, when it is known what is in it.

use chrono::{DateTime, Local};

use super::archive::{Archive, Held};
use super::{ExportError, is_payload};
use crate::folder::bag::{BAG_INFO_TXT, BAGIT_TXT, DECLARATION, MANIFEST, TAG_MANIFEST, one_line};
use crate::folder::{DiskError, Folder};

/// Adds the declaration, facts, the manifest, and the manifest of all of the bag's own files.
pub(super) fn add(
    archive: &mut Archive<'_>,
    folder: &Folder,
    now: DateTime<Local>,
) -> Result<(), ExportError> {
    let phone = folder.catalogue().identity()?;
    let seconds = now.timestamp();
    let payload: Vec<&Held> = archive
        .held()
        .iter()
        .filter(|held| is_payload(held))
        .collect();
    let octets: u64 = payload.iter().map(|held| held.size).sum();
    let files = payload.len();
    let model = format!("{} {}", phone.manufacturer, phone.model);
    let facts = [
        format!("Bag-Software-Agent: rescue/{}", env!("CARGO_PKG_VERSION")),
        format!("Bagging-Date: {}", now.date_naive()),
        format!("Payload-Oxum: {octets}.{files}"),
        format!("External-Identifier: {}", one_line(&phone.serial)),
        format!("External-Description: {}", one_line(&model)),
    ];
    let manifest: Vec<String> = payload.into_iter().map(line).collect();
    add_lines(archive, BAGIT_TXT, seconds, DECLARATION.lines())?;
    add_lines(
        archive,
        BAG_INFO_TXT,
        seconds,
        facts.iter().map(String::as_str),
    )?;
    add_lines(
        archive,
        MANIFEST,
        seconds,
        manifest.iter().map(String::as_str),
    )?;
    drop(manifest);
    let tags: Vec<String> = archive
        .held()
        .iter()
        .filter(|held| !is_payload(held))
        .map(line)
        .collect();
    add_lines(
        archive,
        TAG_MANIFEST,
        seconds,
        tags.iter().map(String::as_str),
    )
}

fn line(held: &Held) -> String {
    format!("{}  {}", held.sha256, held.path)
}

fn add_lines<'l>(
    archive: &mut Archive<'_>,
    path: &str,
    now: i64,
    mut lines: impl Iterator<Item = &'l str>,
) -> Result<(), ExportError> {
    archive.add_tag(path, now, &mut |to| {
        lines.try_for_each(|line| {
            writeln!(to, "{line}").map_err(|e| DiskError::new("write", path.as_ref(), e).into())
        })
    })
}
