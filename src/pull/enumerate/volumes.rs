//! Where a phone keeps its files: internal storage and cards.

use super::known_path;
use crate::adb::RemotePath;
use crate::adb::features::Feature;
use crate::adb::sync::{Answer, FileType, Operation, Stat};
use crate::folder::{Reason, ReasonCode};
use crate::item::Volume;
use crate::phone::{Phone, PhoneError};

/// Entries looked at to find volumes.
const MAX_ROOT_ENTRIES: usize = 100_000;
/// More cards than any phone has slots and ports for.
const MAX_CARDS: usize = 32;
/// Where internal storage is, the best first: since Android 4.2, then older and odd ones.
pub(super) const INTERNAL_ROOTS: [&str; 4] = [
    "/storage/emulated/0",
    "/storage/emulated/legacy",
    "/sdcard",
    "/mnt/sdcard",
];
/// Where cards are.
const STORAGE: &str = "/storage";
/// The folder below `data/` for internal storage.
pub(super) const INTERNAL: &str = "internal";

/// Where to look for files.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    pub(super) volumes: Vec<Volume>,
    /// What could not be looked at.
    pub(super) refused: Vec<(RemotePath, Reason)>,
}

/// Whether internal storage or a card can be listed; [`PhoneError::Locked`] when it cannot because
/// nobody has unlocked the phone yet.
pub async fn has_storage(phone: &Phone) -> Result<bool, PhoneError> {
    Ok(!find(phone).await?.volumes.is_empty())
}

/// Whether internal storage can be listed.
pub async fn has_internal_storage(phone: &Phone) -> Result<bool, PhoneError> {
    Ok(find_internal(phone).await?.is_some())
}

/// Finds internal storage and cards. When a card keeps the phone from listing them, internal
/// storage is had without them.
pub(super) async fn find(phone: &Phone) -> Result<Volumes, PhoneError> {
    let mut found = Volumes::default();
    let storage = known_path(STORAGE);
    let (internal, cards) = tokio::join!(find_internal(phone), list_folder(phone, &storage));
    found.volumes.extend(internal?);
    let cards = match cards {
        Ok(cards) => cards.unwrap_or_default(),
        Err(error @ (PhoneError::Idle { .. } | PhoneError::Sync(_)))
            if !found.volumes.is_empty() =>
        {
            // Not the phone as a whole, when it still opens streams.
            drop(phone.sync().await?);
            let words = format!("the cards cannot be listed: {error}");
            let reason = Reason::new(ReasonCode::PhoneIo, words);
            found.refused.push((storage.clone(), reason));
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    let mut cards = cards.iter().filter_map(|(stat, name)| {
        let name = std::str::from_utf8(name).ok()?;
        let is_card = FileType::of_mode(stat.mode) == FileType::Folder && is_card_name(name);
        let root = is_card.then(|| storage.join(name.as_bytes()).ok())??;
        let label = format!("sd-{name}");
        Some(Volume { root, label })
    });
    found.volumes.extend(cards.by_ref().take(MAX_CARDS));
    if cards.next().is_some() {
        let words = format!("it lists more than {MAX_CARDS} cards: only so many are looked at");
        let reason = Reason::new(ReasonCode::Other, words);
        found.refused.push((storage.clone(), reason));
    }
    if found.volumes.is_empty() && is_locked(phone) {
        return Err(PhoneError::Locked);
    }
    Ok(found)
}

async fn find_internal(phone: &Phone) -> Result<Option<Volume>, PhoneError> {
    for root in INTERNAL_ROOTS {
        let root = known_path(root);
        if list_folder(phone, &root).await?.is_some() {
            let label = INTERNAL.to_owned();
            return Ok(Some(Volume { root, label }));
        }
    }
    Ok(None)
}

/// Whether the phone says that nobody has unlocked it since it started (file-based encryption).
fn is_locked(phone: &Phone) -> bool {
    let properties = phone.properties();
    properties.value("ro.crypto.type") == Some("file")
        && properties.value("sys.user.0.ce_available") != Some("true")
}

/// A card's folder is its filesystem's identifier: `1A2B-3C4D`, or longer on other filesystems.
fn is_card_name(name: &str) -> bool {
    (8..=40).contains(&name.len())
        && name.contains('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// The root of the storage that a file is on, as its path tells it.
pub(in crate::pull) fn storage_of(path: &RemotePath) -> Option<RemotePath> {
    let known = INTERNAL_ROOTS.map(known_path);
    if let Some(internal) = known.into_iter().find(|root| path.below(root).is_some()) {
        return Some(internal);
    }
    let storage = known_path(STORAGE);
    let card = path.below(&storage)?.next()?;
    storage.join(card).ok()
}

/// Whether a file is on internal storage, as its path tells it.
pub(in crate::pull) fn is_on_internal_storage(path: &RemotePath) -> bool {
    INTERNAL_ROOTS
        .iter()
        .any(|root| path.below(&known_path(root)).is_some())
}

/// One folder's entries; `None` when it is missing or refused.
async fn list_folder(
    phone: &Phone,
    path: &RemotePath,
) -> Result<Option<Vec<(Stat, bytes::Bytes)>>, PhoneError> {
    let mut sync = phone.sync().await?;
    sync.request(list_operation(phone), path);
    sync.flush().await?;
    let mut entries = Vec::new();
    loop {
        match sync.next().await? {
            Some(Answer::Entry(stat, name)) if entries.len() < MAX_ROOT_ENTRIES => {
                entries.push((stat, name))
            }
            // A listing may have no end: dropping the stream stops it.
            Some(_) => return Ok((!entries.is_empty()).then_some(entries)),
            None => return Ok(None),
        }
    }
}

pub(super) fn list_operation(phone: &Phone) -> Operation {
    if phone.features().has(Feature::LsV2) {
        Operation::List2
    } else {
        Operation::List1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_told_from_other_folders() {
        for name in [
            "1A2B-3C4D",
            "0123-4567",
            "5f1b4a2c-0000-4c1e-9d7a-0123456789ab",
        ] {
            assert!(is_card_name(name), "{name}");
        }
        for name in [
            "emulated",
            "self",
            "deadbeef",
            "enc_emulated",
            "usb-disk",
            "../x-y-z-w",
        ] {
            assert!(!is_card_name(name), "{name}");
        }
    }
}
