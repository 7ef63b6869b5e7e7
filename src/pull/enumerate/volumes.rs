//! Where a phone keeps its files: internal storage, cards and sticks whatever they are called, and
//! the storage of other users. The same storage under two names is taken once.

use std::collections::HashSet;

use super::ask::{list_folder, patiently, unless_gone};
use super::known_path;
use super::mounts::Mounts;
use super::users::{self, EMULATED, storage_of_user};
use crate::adb::RemotePath;
use crate::adb::features::Feature;
use crate::adb::shell::quote;
use crate::adb::sync::{FileType, Operation, Stat, SyncAnswer};
use crate::folder::{Reason, ReasonCode};
use crate::item::Volume;
use crate::phone::{Phone, PhoneError};

/// More cards than any phone has slots and ports for.
const MAX_CARDS: usize = 32;
/// More than the answer to which names lead to the same place, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;
/// The possible roots of internal storage, best first: the one since Android 4.2, then older and unusual ones.
pub(super) const INTERNAL_ROOTS: [&str; 4] = [
    "/storage/emulated/0",
    "/storage/emulated/legacy",
    "/sdcard",
    "/mnt/sdcard",
];
/// Where cards are.
const STORAGE: &str = "/storage";
/// What in there is no card: links to internal storage, and the storage of users.
const NO_CARDS: [&[u8]; 2] = [b"self", b"emulated"];
/// Where Android mounts cards before it shows them in `/storage`, and sticks that it does not show
/// there; few phones let their shell look in.
const BEHIND: &str = "/mnt/media_rw";
/// Where cards were before there was `/storage`.
const OLD_STORAGE: &str = "/mnt";
/// The folder below `data/` for internal storage.
pub(super) const INTERNAL: &str = "internal";

/// The kind of a volume, which determines what it means if the volume cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VolumeKind {
    /// Internal storage.
    Internal,
    /// A card or stick.
    Card,
    /// A mount point for a card, without a card.
    EmptyPlace,
    /// The storage of another user.
    User,
}

/// A place to look for files.
#[derive(Debug, Clone)]
pub(super) struct Root {
    pub(super) volume: Volume,
    pub(super) standing: VolumeKind,
    /// The root's device and inode numbers, if the phone reports them.
    pub(super) identity: Option<(u64, u64)>,
}

impl Root {
    fn new(root: RemotePath, label: String, standing: VolumeKind) -> Self {
        Self {
            volume: Volume { root, label },
            standing,
            identity: None,
        }
    }

    /// Returns the root of another user's storage.
    pub(super) fn of_user(user: u32) -> Self {
        let label = format!("user-{user}");
        Self::new(storage_of_user(user), label, VolumeKind::User)
    }
}

/// The places to look for files.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    pub(super) roots: Vec<Root>,
    /// The places that could not be accessed.
    pub(super) refused: Vec<(RemotePath, Reason)>,
    /// Whether the phone's package manager has to be asked for other users.
    pub(super) asks_for_users: bool,
}

/// Returns whether internal storage or a card can be listed. Returns [`PhoneError::Locked`] if it cannot because the
/// phone has not been unlocked yet.
pub(crate) async fn has_storage(phone: &Phone) -> Result<bool, PhoneError> {
    if has_internal_storage(phone).await? {
        return Ok(true);
    }
    Ok(!find(phone).await?.roots.is_empty())
}

/// Returns whether internal storage can be listed.
pub(crate) async fn has_internal_storage(phone: &Phone) -> Result<bool, PhoneError> {
    Ok(find_internal(phone).await?.is_some())
}

/// Finds internal storage, cards and other users' storage. If a card makes the phone fail while it lists them, returns
/// internal storage only.
pub(super) async fn find(phone: &Phone) -> Result<Volumes, PhoneError> {
    let mut found = Volumes::default();
    let (storage, behind) = (known_path(STORAGE), known_path(BEHIND));
    let (internal, cards, hidden, mounts, users) = tokio::join!(
        find_internal(phone),
        list_folder(phone, &storage),
        patiently(list_folder(phone, &behind)),
        patiently(Mounts::read(phone)),
        patiently(users::look(phone)),
    );
    found.roots.extend(internal?);
    let cards = match cards {
        Ok(cards) => cards.unwrap_or_default(),
        Err(error @ (PhoneError::Idle { .. } | PhoneError::Sync(_))) if !found.roots.is_empty() => {
            // Not the phone as a whole, when it still opens streams.
            drop(phone.sync().await?);
            let words = format!("the cards cannot be listed: {error}");
            let reason = Reason::new(ReasonCode::PhoneIo, words);
            found.refused.push((storage.clone(), reason));
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    let hidden = unless_gone(phone, hidden.unwrap_or(Ok(None))).await?;
    let mounts = unless_gone(phone, mounts.unwrap_or_else(|| Ok(Mounts::default()))).await?;
    let mounts = mounts.unwrap_or_default();
    let users = unless_gone(phone, users.unwrap_or_else(|| Ok(users::Users::default()))).await?;
    let users = users.unwrap_or_default();
    found.asks_for_users = users.is_unsure;

    let hidden = hidden.flatten().unwrap_or_default();
    let mut places = CardPlaces::of(&cards, &hidden, &mounts);
    if places.roots.len() > MAX_CARDS {
        places.roots.truncate(MAX_CARDS);
        let words = format!("it lists more than {MAX_CARDS} cards: the others are not looked at");
        let reason = Reason::new(ReasonCode::Other, words);
        found.refused.push((storage.clone(), reason));
    }
    let known = INTERNAL_ROOTS.map(known_path);
    places
        .roots
        .retain(|root| !known.contains(&root.volume.root));
    found.roots.extend(places.roots);
    found
        .roots
        .extend(users.present.into_iter().map(Root::of_user));
    tell_apart(phone, &mut found.roots).await?;
    for root in &mut found.roots {
        if root.standing == VolumeKind::Card && mounts.is_empty_place(&root.volume.root) {
            root.standing = VolumeKind::EmptyPlace;
        }
    }
    let has_internal = found.roots.iter().any(|root| root.volume.label == INTERNAL);
    if !has_internal && !is_any_readable(phone, &found.roots).await? {
        found.roots.clear();
        if is_locked(phone) {
            return Err(PhoneError::Locked);
        }
    }
    Ok(found)
}

/// The entries of a folder, as the phone lists them.
type FolderEntries = [(Stat, bytes::Bytes)];

/// Places of cards, each name once.
#[derive(Debug, Default)]
struct CardPlaces {
    roots: Vec<Root>,
    names: HashSet<Vec<u8>>,
    labels: HashSet<String>,
}

impl CardPlaces {
    /// Collects the places that the listings of both folders of cards and the mount points name.
    fn of(cards: &FolderEntries, hidden: &FolderEntries, mounts: &Mounts) -> Self {
        let mut places = Self::default();
        let mounted = |folder: &RemotePath| {
            let points = mounts.cards_in(folder).map(|point| point.name().to_vec());
            points.collect::<Vec<_>>()
        };
        let is_card = |name: &&[u8]| !NO_CARDS.contains(name);
        let storage = known_path(STORAGE);
        for name in folders_of(cards).filter(is_card) {
            places.add(&storage, name);
        }
        for name in mounted(&storage).iter().map(Vec::as_slice).filter(is_card) {
            places.add(&storage, name);
        }
        let behind = known_path(BEHIND);
        for name in folders_of(hidden) {
            places.add(&behind, name);
        }
        for folder in [behind, known_path(OLD_STORAGE)] {
            for name in mounted(&folder) {
                places.add(&folder, &name);
            }
        }
        places
    }

    /// Adds one, unless a card of that name is there: Android shows the same one in several places.
    fn add(&mut self, folder: &RemotePath, name: &[u8]) {
        let Ok(root) = folder.join(name) else { return };
        if !self.names.insert(name.to_vec()) {
            return;
        }
        let plain = String::from_utf8_lossy(name);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let plain: String = plain
            .chars()
            .map(|c| if is_plain(c) { c } else { '_' })
            .take(64)
            .collect();
        let mut label = format!("sd-{plain}");
        for number in 2.. {
            if self.labels.insert(label.to_ascii_lowercase()) {
                break;
            }
            label = format!("sd-{plain}-{number}");
        }
        self.roots.push(Root::new(root, label, VolumeKind::Card));
    }
}

/// The folders of a listing, and after them the links: what a link leads to bears its own name first.
fn folders_of(entries: &FolderEntries) -> impl Iterator<Item = &[u8]> {
    let of = |kinds: fn(&Stat) -> bool| {
        let entries = entries.iter().filter(move |(stat, _)| kinds(stat));
        entries.map(|(_, name)| &**name)
    };
    // An entry of which the phone cannot tell what it is may be a card that is broken.
    let folders = of(|stat| FileType::of_mode(stat.mode) == FileType::Folder || stat.error != 0);
    let links = of(|stat| FileType::of_mode(stat.mode) == FileType::Link && stat.error == 0);
    folders
        .chain(links)
        .filter(|name| !matches!(*name, b"." | b".."))
}

async fn is_any_readable(phone: &Phone, roots: &[Root]) -> Result<bool, PhoneError> {
    for root in roots {
        if list_folder(phone, &root.volume.root).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn find_internal(phone: &Phone) -> Result<Option<Root>, PhoneError> {
    for root in INTERNAL_ROOTS {
        let root = known_path(root);
        if list_folder(phone, &root).await?.is_some() {
            let label = INTERNAL.to_owned();
            return Ok(Some(Root::new(root, label, VolumeKind::Internal)));
        }
    }
    Ok(None)
}

/// Removes roots that are the same storage as an earlier one, and those that are not folders. Compares inode numbers on
/// phones that report them, otherwise the paths that the names lead to.
async fn tell_apart(phone: &Phone, roots: &mut Vec<Root>) -> Result<(), PhoneError> {
    if roots.len() < 2
        && roots
            .first()
            .is_some_and(|root| root.volume.label == INTERNAL)
    {
        return Ok(());
    }
    let asked = match phone.features().has(Feature::StatV2) {
        true => patiently(stats(phone, roots)).await,
        false => patiently(resolve(phone, roots)).await,
    };
    let told = unless_gone(phone, asked.unwrap_or_else(|| Ok(Vec::new()))).await?;
    let mut told = told.unwrap_or_default().into_iter();
    let mut seen = HashSet::new();
    roots.retain_mut(|root| match told.next() {
        None | Some(VolumeIdentity::Nothing) => true,
        Some(VolumeIdentity::NoFolder) => root.standing == VolumeKind::Internal,
        Some(VolumeIdentity::Number(device, inode)) => {
            root.identity = Some((device, inode));
            seen.insert(VolumeIdentity::Number(device, inode))
        }
        Some(leads_to) => seen.insert(leads_to),
    });
    Ok(())
}

/// What the phone tells about a name.
#[derive(Debug, PartialEq, Eq, Hash)]
enum VolumeIdentity {
    /// The device, and the number on it.
    Number(u64, u64),
    /// The path without links.
    Path(Vec<u8>),
    NoFolder,
    Nothing,
}

async fn stats(phone: &Phone, roots: &[Root]) -> Result<Vec<VolumeIdentity>, PhoneError> {
    let mut sync = phone.sync().await?;
    for root in roots {
        sync.request(Operation::Stat2, &root.volume.root);
    }
    sync.flush().await?;
    let mut told = Vec::with_capacity(roots.len());
    for _ in roots {
        let Some(SyncAnswer::Stat(stat)) = sync.next().await? else {
            break;
        };
        let is_folder = FileType::of_mode(stat.mode) == FileType::Folder;
        told.push(match (stat.error, is_folder, stat.inode) {
            (0, true, 0) => VolumeIdentity::Nothing,
            (0, true, inode) => VolumeIdentity::Number(stat.device, inode),
            // It is not there, or leads to nothing.
            (0, false, _) | (2, ..) => VolumeIdentity::NoFolder,
            _ => VolumeIdentity::Nothing,
        });
    }
    Ok(told)
}

async fn resolve(phone: &Phone, roots: &[Root]) -> Result<Vec<VolumeIdentity>, PhoneError> {
    let mut told = Vec::with_capacity(roots.len());
    let mut rest = roots;
    while !rest.is_empty() {
        let mut command = Vec::new();
        let mut asked = 0;
        for root in rest {
            let path = quote(root.volume.root.as_bytes());
            let question = [
                b"test -d ",
                &*path,
                b" && echo d; cd ",
                &path,
                b" 2>/dev/null && pwd -P; echo .; ",
            ]
            .concat();
            if asked > 0 && command.len() + question.len() > phone.max_command_bytes() {
                break;
            }
            command.extend_from_slice(&question);
            asked += 1;
        }
        let output = phone
            .run("pwd", &command, MAX_ANSWER, phone.idle())
            .await?
            .stdout;
        let answers = resolved(&output);
        // A shell that answers something else tells nothing.
        if answers.len() != asked {
            return Ok(Vec::new());
        }
        told.extend(answers);
        rest = rest.get(asked..).unwrap_or_default();
    }
    Ok(told)
}

/// Reads the answers to what [`resolve`] asks.
fn resolved(output: &[u8]) -> Vec<VolumeIdentity> {
    let mut told = Vec::new();
    let (mut is_folder, mut path) = (false, None);
    let lines = output.split(|byte| matches!(byte, b'\n' | b'\r'));
    for line in lines.filter(|line| !line.is_empty()) {
        match line {
            b"d" => is_folder = true,
            b"." => {
                told.push(match (is_folder, path.take()) {
                    (false, _) => VolumeIdentity::NoFolder,
                    (true, Some(path)) => VolumeIdentity::Path(path),
                    (true, None) => VolumeIdentity::Nothing,
                });
                is_folder = false;
            }
            line if line.starts_with(b"/") => path = Some(line.to_vec()),
            _ => return Vec::new(),
        }
    }
    told
}

/// Whether the phone says that nobody has unlocked it since it started (file-based encryption).
fn is_locked(phone: &Phone) -> bool {
    let properties = phone.properties();
    properties.value("ro.crypto.type") == Some("file")
        && properties.value("sys.user.0.ce_available") != Some("true")
}

/// Returns the root of the storage that a file is on, judged by its path.
pub(in crate::pull) fn storage_of(path: &RemotePath) -> Option<RemotePath> {
    let known = INTERNAL_ROOTS.map(known_path);
    if let Some(internal) = known.into_iter().find(|root| path.below(root).is_some()) {
        return Some(internal);
    }
    let folders = [EMULATED, STORAGE, BEHIND].map(known_path);
    let folder = folders
        .into_iter()
        .find(|folder| path.below(folder).is_some())?;
    folder.join(path.below(&folder)?.next()?).ok()
}

/// Returns whether a file is on internal storage, judged by its path.
pub(in crate::pull) fn is_on_internal_storage(path: &RemotePath) -> bool {
    INTERNAL_ROOTS
        .iter()
        .any(|root| path.below(&known_path(root)).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_of_any_name_get_a_folder_of_their_own() {
        let mut places = CardPlaces::default();
        let storage = known_path(STORAGE);
        for name in [
            &b"1A2B-3C4D"[..],
            b"extSdCard",
            b"deadbeef",
            b"USB disk/",
            b"USB disk",
            b"USB_disk",
            b"\xff\xfe",
            b"extSdCard",
            b"EXTSDCARD",
        ] {
            places.add(&storage, name);
        }
        places.add(&known_path(BEHIND), b"extSdCard");
        places.add(&known_path(BEHIND), b"stick");
        let labels: Vec<_> = places
            .roots
            .iter()
            .map(|root| &*root.volume.label)
            .collect();
        assert_eq!(
            labels,
            [
                "sd-1A2B-3C4D",
                "sd-extSdCard",
                "sd-deadbeef",
                "sd-USB_disk",
                "sd-USB_disk-2",
                "sd-__",
                "sd-EXTSDCARD-2",
                "sd-stick"
            ]
        );
    }

    #[test]
    fn answers_about_where_names_lead_are_read() {
        let told = resolved(b"d\n/storage/sdcard0\n.\r\n.\nd\n.\n");
        let path = VolumeIdentity::Path(b"/storage/sdcard0".to_vec());
        assert_eq!(
            told,
            [path, VolumeIdentity::NoFolder, VolumeIdentity::Nothing]
        );
        assert!(resolved(b"sh: cd: not found\n.\n").is_empty());
    }

    #[test]
    fn storage_is_told_by_the_path() {
        let of = |path: &str| storage_of(&known_path(path)).map(|root| root.to_string());
        for (path, root) in [
            ("/storage/emulated/0/a", "/storage/emulated/0"),
            ("/storage/emulated/10/DCIM/a", "/storage/emulated/10"),
            ("/storage/extSdCard/a", "/storage/extSdCard"),
            ("/mnt/media_rw/X/a", "/mnt/media_rw/X"),
        ] {
            assert_eq!(of(path).as_deref(), Some(root));
        }
        assert_eq!(of("/data/local/a"), None);
    }
}
