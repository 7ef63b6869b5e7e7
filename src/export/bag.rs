//! The bag's own files in an archive (RFC 8493). They come last, when its contents are known.

use chrono::{DateTime, Local};

use super::archive::{Archive, ArchiveTarget, Held};
use super::rows::{ArchiveFiles, TagFiles as _, failed};
use super::{ExportError, Share};
use crate::digest::Sha256;
use crate::folder::JobLabel;
use crate::folder::bag::origin_lines;
use crate::folder::manifest::{BAG_INFO_TXT, BAGIT_TXT, DECLARATION, MANIFEST, TAG_MANIFEST};
use crate::item::PhoneIdentity;

/// Adds the bag declaration, the bag's information and the manifest. Returns the manifest's hash.
pub(super) fn add<T: ArchiveTarget>(
    archive: &mut Archive<'_, T>,
    (phone, label): (&PhoneIdentity, &JobLabel),
    share: Share,
    now: DateTime<Local>,
    listed: ArchiveFiles<'_>,
) -> Result<Sha256, ExportError> {
    let (octets, files) = (listed.bytes(), listed.rows().len());
    let mut facts = vec![
        format!("Bag-Software-Agent: rescue/{}", env!("CARGO_PKG_VERSION")),
        format!("Bagging-Date: {}", now.date_naive()),
        format!("Payload-Oxum: {octets}.{files}"),
    ];
    facts.extend(origin_lines(phone, label));
    if share.of > 1 {
        facts.push(format!("Bag-Count: {} of {}", share.number, share.of));
    }
    let declaration: Vec<String> = DECLARATION.lines().map(str::to_owned).collect();
    add_lines(archive, BAGIT_TXT, &declaration)?;
    add_lines(archive, BAG_INFO_TXT, &facts)?;
    archive.add_tag(MANIFEST, &mut |to| {
        listed.files().try_for_each(|file| {
            let held = Held::of(&file?);
            writeln!(to, "{held}").map_err(failed(MANIFEST))
        })
    })?;
    let sha256 = archive.tags().last().map(|held| held.sha256);
    Ok(sha256.unwrap_or_else(|| Sha256::of(b"")))
}

/// Adds the manifest of the bag's own files, which is the archive's last file.
pub(super) fn add_tag_manifest<T: ArchiveTarget>(
    archive: &mut Archive<'_, T>,
) -> Result<(), ExportError> {
    let tags = archive.tags().to_vec();
    archive.add_tag(TAG_MANIFEST, &mut |to| {
        tags.iter()
            .try_for_each(|held| writeln!(to, "{held}").map_err(failed(TAG_MANIFEST)))
    })
}

fn add_lines<T: ArchiveTarget>(
    archive: &mut Archive<'_, T>,
    path: &str,
    lines: &[String],
) -> Result<(), ExportError> {
    archive.add_tag(path, &mut |to| {
        lines
            .iter()
            .try_for_each(|line| writeln!(to, "{line}").map_err(failed(path)))
    })
}
