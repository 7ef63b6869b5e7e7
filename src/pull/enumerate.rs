//! What is on the phone: its volumes, and every wanted file on them.
//!
//! Folders are listed many requests ahead over one sync stream. An empty answer is questioned,
//! because the phone gives the same one for a folder that it may not read.

use std::collections::VecDeque;
use std::time::Duration;

use super::kind::original_name;
use super::selection::{Selection, Walk, is_private_folder};
use crate::adb::RemotePath;
use crate::adb::features::Feature;
use crate::adb::shell::quote;
use crate::adb::sync::{Answer, FileType, Operation, Stat};
use crate::event::{Event, Events};
use crate::folder::{Reason, ReasonCode};
use crate::item::{Item, Volume};
use crate::phone::{Phone, PhoneError};

/// Requests under way at once: enough to hide a slow link's latency.
const LISTS_AHEAD: usize = 64;
/// More entries than any phone holds: a listing without end stops here.
const MAX_ENTRIES: u64 = 2_000_000;
/// Entries looked at to find volumes.
const MAX_ROOT_ENTRIES: usize = 100_000;
/// Refusals kept in words; a hostile phone can make any number.
const MAX_REFUSALS: usize = 10_000;
/// How often to tell how far the listing is, in entries.
const TELL_EVERY: u64 = 500;
/// Where internal storage is, the best first: since Android 4.2, then older and odd ones.
const INTERNAL_ROOTS: [&str; 4] = [
    "/storage/emulated/0",
    "/storage/emulated/legacy",
    "/sdcard",
    "/mnt/sdcard",
];
/// The folder below `data/` for internal storage.
const INTERNAL: &str = "internal";
/// More than the answers to one round of questions, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// A wanted item and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The item.
    pub item: Item,
    /// Index of its volume in [`Enumeration::volumes`].
    pub volume: usize,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Enumeration {
    /// The volumes walked.
    pub volumes: Vec<Volume>,
    /// The wanted items, in no order.
    pub items: Vec<Found>,
    /// What cannot be taken, and why; folders and names that are no names.
    pub refused: Vec<(RemotePath, Reason)>,
    /// Folders that Android keeps from every shell.
    pub private_folders: u64,
    /// Links, devices and pipes, which are not taken.
    pub not_files: u64,
}

/// What to walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// Internal storage and every card, as the selection says.
    Volumes,
    /// These folders, wholly.
    Named(Vec<RemotePath>),
}

/// Lists everything wanted.
pub async fn enumerate(
    phone: &Phone,
    roots: &Roots,
    selection: &Selection,
    events: &Events,
) -> Result<Enumeration, PhoneError> {
    let volumes = find_volumes(phone).await?;
    let mut walker = Walker {
        phone,
        selection,
        events,
        found: Enumeration::default(),
        waiting: VecDeque::new(),
        suspicious: Vec::new(),
        entries: 0,
    };
    match roots {
        Roots::Volumes => {
            for volume in &volumes {
                events.emit(Event::Listing {
                    volume: volume.label.clone(),
                });
            }
            walker.found.volumes = volumes;
            walker.miss_internal_storage();
            for (index, volume) in walker.found.volumes.iter().enumerate() {
                let walk = selection.walk(std::iter::empty());
                walker.waiting.push_back(Folder {
                    path: volume.root.clone(),
                    volume: index,
                    walk,
                });
            }
        }
        Roots::Named(folders) => walker.add_named_roots(volumes, folders),
    }
    walker.walk().await?;
    events.emit(Event::Listed {
        files: walker.entries,
    });
    Ok(walker.found)
}

/// Whether internal storage or a card can be listed; [`PhoneError::Locked`] when it cannot because
/// nobody has unlocked the phone yet.
pub async fn has_storage(phone: &Phone) -> Result<bool, PhoneError> {
    Ok(!find_volumes(phone).await?.is_empty())
}

/// Finds internal storage and cards.
async fn find_volumes(phone: &Phone) -> Result<Vec<Volume>, PhoneError> {
    let mut volumes = Vec::new();
    for root in INTERNAL_ROOTS {
        let root = known_path(root);
        if list_folder(phone, &root).await?.is_some() {
            volumes.push(Volume {
                root,
                label: INTERNAL.to_owned(),
            });
            break;
        }
    }
    let storage = known_path("/storage");
    for (stat, name) in list_folder(phone, &storage).await?.unwrap_or_default() {
        let name = String::from_utf8_lossy(&name).into_owned();
        if FileType::of_mode(stat.mode) == FileType::Folder
            && is_card_name(&name)
            && let Ok(root) = storage.join(name.as_bytes())
        {
            volumes.push(Volume {
                root,
                label: format!("sd-{name}"),
            });
        }
    }
    if volumes.is_empty() && is_locked(phone) {
        return Err(PhoneError::Locked);
    }
    Ok(volumes)
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
pub(super) fn storage_of(path: &RemotePath) -> Option<RemotePath> {
    let known = INTERNAL_ROOTS.map(known_path);
    if let Some(internal) = known.into_iter().find(|root| path.below(root).is_some()) {
        return Some(internal);
    }
    let storage = known_path("/storage");
    let card = path.below(&storage)?.next()?;
    storage.join(card).ok()
}

/// A path written in this program.
fn known_path(path: &str) -> RemotePath {
    #[expect(clippy::expect_used, reason = "the program's own constants are paths")]
    RemotePath::new(path.as_bytes()).expect("a constant path")
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

fn list_operation(phone: &Phone) -> Operation {
    if phone.features().has(Feature::LsV2) {
        Operation::List2
    } else {
        Operation::List1
    }
}

#[derive(Debug, Clone)]
struct Folder {
    path: RemotePath,
    volume: usize,
    walk: Walk,
}

struct Walker<'a> {
    phone: &'a Phone,
    selection: &'a Selection,
    events: &'a Events,
    found: Enumeration,
    waiting: VecDeque<Folder>,
    /// Folders that answered nothing at all, not even `.`.
    suspicious: Vec<Folder>,
    entries: u64,
}

impl Walker<'_> {
    /// A card alone is better than nothing, but not everything.
    fn miss_internal_storage(&mut self) {
        let volumes = &self.found.volumes;
        if !volumes.is_empty() && volumes.iter().all(|volume| volume.label != INTERNAL) {
            let message = "internal storage is not there: was the phone unlocked since it started?"
                .to_owned();
            let root = known_path(INTERNAL_ROOTS[0]);
            self.refuse(root, Reason::new(ReasonCode::PermissionDenied, message));
        }
    }

    fn add_named_roots(&mut self, mut volumes: Vec<Volume>, folders: &[RemotePath]) {
        for folder in folders {
            let inside =
                |volume: &Volume| volume.root == *folder || folder.below(&volume.root).is_some();
            let volume = volumes.iter().position(inside).unwrap_or_else(|| {
                volumes.push(Volume {
                    root: known_path("/"),
                    label: "root".to_owned(),
                });
                volumes.len() - 1
            });
            self.waiting.push_back(Folder {
                path: folder.clone(),
                volume,
                walk: Walk::Everything,
            });
        }
        self.found.volumes = volumes;
    }

    async fn walk(&mut self) -> Result<(), PhoneError> {
        let mut under_way: VecDeque<Folder> = VecDeque::new();
        let mut lost_streams = 0;
        while !self.waiting.is_empty() {
            let mut sync = self.phone.sync().await?;
            let mut entries_here = 0;
            loop {
                while under_way.len() < LISTS_AHEAD
                    && let Some(folder) = self.waiting.pop_front()
                {
                    sync.request(list_operation(self.phone), &folder.path);
                    under_way.push_back(folder);
                }
                let Some(current) = under_way.front() else {
                    break;
                };
                sync.flush().await?;
                match sync.next().await? {
                    Some(Answer::Entry(stat, name)) => {
                        entries_here += 1;
                        let current = current.clone();
                        self.entry(&current, &stat, &name)?;
                    }
                    Some(Answer::ListEnd) => {
                        if let Some(folder) = under_way.pop_front().filter(|_| entries_here == 0) {
                            self.suspicious.push(folder);
                        }
                        (entries_here, lost_streams) = (0, 0);
                    }
                    Some(Answer::Fail(message)) => {
                        if let Some(folder) = under_way.pop_front() {
                            self.refuse(folder.path, reason_of_fail(&message));
                        }
                        entries_here = 0;
                    }
                    Some(_) | None => {
                        // The stream is gone; what was asked for is asked for again. A folder
                        // that ends the stream every time is given up.
                        lost_streams += 1;
                        if lost_streams > 3
                            && let Some(folder) = under_way.pop_front()
                        {
                            self.refuse(
                                folder.path,
                                Reason::new(ReasonCode::Refused, "the phone ends the listing"),
                            );
                            lost_streams = 0;
                        }
                        break;
                    }
                }
            }
            while let Some(folder) = under_way.pop_back() {
                self.waiting.push_front(folder);
            }
            if self.waiting.is_empty() {
                self.question_empty_folders().await?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, folder: &Folder, stat: &Stat, name: &[u8]) -> Result<(), PhoneError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(PhoneError::TooManyEntries { limit: MAX_ENTRIES });
        }
        if matches!(name, b"." | b"..") {
            return Ok(());
        }
        if self.entries.is_multiple_of(TELL_EVERY) {
            self.events.emit(Event::Listed {
                files: self.entries,
            });
        }
        let path = match folder.path.join(name) {
            Ok(path) => path,
            Err(error) => {
                let shown =
                    String::from_utf8_lossy(name.get(..name.len().min(64)).unwrap_or_default());
                let message = format!("the name '{shown}' cannot be taken: {error}");
                self.refuse(
                    folder.path.clone(),
                    Reason::new(ReasonCode::NameRefused, message),
                );
                return Ok(());
            }
        };
        let Some(volume) = self.found.volumes.get(folder.volume) else {
            return Ok(());
        };
        match FileType::of_mode(stat.mode) {
            FileType::Folder => {
                let walk = match folder.walk {
                    // What was asked for by name is taken wholly.
                    Walk::Everything if self.found.volumes.is_empty() => Walk::Everything,
                    _ => match path.below(&volume.root) {
                        Some(components) => self.selection.walk(components),
                        None => Walk::Everything,
                    },
                };
                if walk != Walk::Skip {
                    self.waiting.push_back(Folder {
                        path,
                        volume: folder.volume,
                        walk,
                    });
                }
            }
            FileType::Regular => {
                let size_is_exact = self.phone.features().has(Feature::LsV2);
                let item = Item {
                    path,
                    size: stat.size,
                    size_is_exact,
                    mtime: stat.mtime,
                };
                if self.selection.wants(&item, &volume.root, folder.walk) {
                    self.found.items.push(Found {
                        item,
                        volume: folder.volume,
                    });
                }
            }
            // A v2 listing says what went wrong with one entry.
            FileType::Other if stat.error != 0 => {
                let wanted = folder.walk == Walk::Everything || original_name(name).is_some();
                if wanted {
                    self.refuse(path, reason_of_errno(stat.error));
                }
            }
            FileType::Link | FileType::Other => self.found.not_files += 1,
        }
        Ok(())
    }

    /// Tells empty folders from those that the phone may not read.
    async fn question_empty_folders(&mut self) -> Result<(), PhoneError> {
        let suspicious = std::mem::take(&mut self.suspicious);
        let mut rest = suspicious.as_slice();
        while !rest.is_empty() {
            let (command, asked) = questions(rest, self.phone.max_command_bytes());
            let (batch, later) = rest.split_at(asked);
            rest = later;
            let output = self
                .phone
                .run("test", &command, MAX_ANSWER, Duration::from_secs(60))
                .await?;
            let answers = output.stdout.split(|byte| *byte == b'.');
            for (folder, answer) in batch.iter().zip(answers) {
                let (exists, readable) = (answer.contains(&b'd'), answer.contains(&b'r'));
                let is_root = self.is_root(&folder.path);
                match (exists, readable) {
                    (true, true) => {}
                    (false, _) if is_root => {}
                    (false, _) => {
                        self.refuse(
                            folder.path.clone(),
                            Reason::new(
                                ReasonCode::Vanished,
                                "the phone has no folder of this name",
                            ),
                        );
                    }
                    (true, false) => self.refuse_folder(folder),
                }
            }
        }
        Ok(())
    }

    fn is_root(&self, path: &RemotePath) -> bool {
        self.found.volumes.iter().any(|volume| volume.root == *path)
    }

    fn refuse_folder(&mut self, folder: &Folder) {
        let volume = self.found.volumes.get(folder.volume);
        let below = volume.and_then(|volume| folder.path.below(&volume.root));
        let expected = below.is_some_and(is_private_folder);
        self.events.emit(Event::FolderRefused {
            path: folder.path.clone(),
            expected,
        });
        if expected {
            self.found.private_folders += 1;
        } else {
            self.refuse(
                folder.path.clone(),
                Reason::new(
                    ReasonCode::PermissionDenied,
                    "the phone does not let its shell read this folder",
                ),
            );
        }
    }

    fn refuse(&mut self, path: RemotePath, reason: Reason) {
        if self.found.refused.len() < MAX_REFUSALS {
            self.found.refused.push((path, reason));
        }
    }
}

/// A command line that tells for each folder whether it exists and can be read, and for how many.
fn questions(folders: &[Folder], max_bytes: usize) -> (Vec<u8>, usize) {
    let mut command = Vec::new();
    for (index, folder) in folders.iter().enumerate() {
        let path = quote(folder.path.as_bytes());
        let question = [
            b"test -d ",
            &*path,
            b" && echo d; test -r ",
            &path,
            b" && echo r; echo .; ",
        ]
        .concat();
        if index > 0 && command.len() + question.len() > max_bytes {
            return (command, index);
        }
        command.extend_from_slice(&question);
    }
    (command, folders.len())
}

/// The reason in the phone's own words of a failed sync request.
pub(super) fn reason_of_fail(message: &[u8]) -> Reason {
    let message =
        String::from_utf8_lossy(message.get(..message.len().min(300)).unwrap_or_default());
    let has = |words: &str| message.to_lowercase().contains(words);
    let code = if has("permission denied") || has("operation not permitted") {
        ReasonCode::PermissionDenied
    } else if has("no such file") {
        ReasonCode::Vanished
    } else if has("i/o error") || has("input/output error") {
        ReasonCode::PhoneIo
    } else if has("is a directory") || has("not a regular") {
        ReasonCode::NotAFile
    } else {
        ReasonCode::Refused
    };
    Reason {
        code,
        message: message.into_owned(),
    }
}

/// The reason behind a Linux error number.
pub(super) fn reason_of_errno(errno: u32) -> Reason {
    let (code, message) = match errno {
        2 => (ReasonCode::Vanished, "no such file"),
        5 => (ReasonCode::PhoneIo, "I/O error"),
        1 | 13 => (ReasonCode::PermissionDenied, "permission denied"),
        _ => (ReasonCode::Other, "refused"),
    };
    Reason {
        code,
        message: format!("{message} (error {errno})"),
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

    #[test]
    fn reasons_are_read_from_the_phones_words() {
        let code = |words: &str| reason_of_fail(words.as_bytes()).code;
        assert_eq!(
            code("open failed: Permission denied"),
            ReasonCode::PermissionDenied
        );
        assert_eq!(
            code("failed to open file '/x': No such file or directory"),
            ReasonCode::Vanished
        );
        assert_eq!(code("read failed: I/O error"), ReasonCode::PhoneIo);
        assert_eq!(code("dreaming"), ReasonCode::Refused);
        assert!(reason_of_fail(&[0xff; 100_000]).message.len() < 2000);
    }

    #[test]
    fn questions_fit_the_command_line() {
        let folder = |n: usize| Folder {
            path: known_path(&format!("/a/{n}")),
            volume: 0,
            walk: Walk::Everything,
        };
        let folders: Vec<_> = (0..10).map(folder).collect();
        let (command, asked) = questions(&folders, 100);
        assert!(
            (1..10).contains(&asked) && command.len() <= 100,
            "{asked} {}",
            command.len()
        );
        assert_eq!(questions(&folders, 1).1, 1);
        assert_eq!(questions(&folders, 10_000).1, 10);
    }
}
