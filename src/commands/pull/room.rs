//! Shares the room on this computer's disk: the most precious files that fit are pulled, and the others
//! are listed as failed.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::error::{Error, Kind};
use crate::folder::{Folder, Reason, ReasonCode};
use crate::hint::Clause::{Said, With};
use crate::hint::Flag;
use crate::names::LocalPath;
use crate::pull::items::{Items, Number};
use crate::pull::plan::{LARGEST_STORAGE, Plan};
use crate::pull::session::held_bytes;
use crate::pull::task::Task;
use crate::ui::{bytes, count};

/// Room for an empty catalogue and the bag's own files, in bytes.
const SPARE_BYTES: u64 = 1024 * 1024;
/// Room for an item in the catalogue (twice while it is written), in the manifest and in its
/// folder, and for the end of its last block, in bytes.
const SPARE_BYTES_PER_ITEM: u64 = 4096;

/// Names for the bag's own files, the album and the catalogue's journal, all of them while they are replaced.
const SPARE_NAMES: u64 = 24;

/// Refuses to begin where nothing at all fits.
pub(super) fn check_room(folder: &Folder, plan: &Plan) -> Result<(), Error> {
    let free = folder.free_bytes()?;
    let largest_file = folder.largest_file_bytes();
    let ((items, _), wanted) = (plan.wanted(), plan.needed_bytes(largest_file));
    // What is held of large files is not written again.
    let held = held_bytes(folder.root());
    let missing = wanted.saturating_sub(held);
    let smallest = plan.smallest().unwrap_or(0).saturating_sub(held);
    let spare = SPARE_BYTES + SPARE_BYTES_PER_ITEM;
    if missing == 0 || smallest.saturating_add(spare) <= free {
        return Ok(());
    }
    let message = format!(
        "{} to pull need {}, but the disk of {} has {} free: not one of them fits",
        count(items, "file"),
        bytes(missing.saturating_add(SPARE_BYTES)),
        folder.root().display(),
        bytes(free),
    );
    let hint = [
        Said("choose a folder on a larger disk"),
        With(Flag::Output, " with -o"),
        Said(", or make room on this one"),
    ];
    Err(Error::new(Kind::DiskFull, message).with_hint(hint))
}

/// Tells the items for which the disk has room, in their order, from those for which it has not.
/// One that no phone has room for is a lie of its listing: what really comes of it decides.
#[expect(clippy::type_complexity, reason = "both halves of one list")]
pub(super) fn share_room(
    folder: &Folder,
    items: &Items,
    order: Vec<Number>,
    largest_file: u64,
) -> Result<(Vec<Number>, Vec<(Task, Reason)>), Error> {
    let free = folder.free_bytes()?;
    let mut room = free.saturating_sub(SPARE_BYTES);
    let mut names = RoomForNames::of(folder);
    let (mut fitting, mut without_room) = (Vec::with_capacity(order.len()), Vec::new());
    for number in order {
        let size = items.size(number);
        let task = || items.task(number);
        if size > largest_file {
            let words = format!(
                "this disk (FAT) cannot store a file of more than {largest_file} bytes, and this one has {size}"
            );
            let reason = Reason::new(ReasonCode::NameRefused, words);
            without_room.extend(task().map(|task| (task, reason)));
            continue;
        }
        let needed = size.saturating_add(SPARE_BYTES_PER_ITEM);
        let needed = match needed > room {
            true => needed.saturating_sub(task().map_or(0, |task| held_of(folder, &task))),
            false => needed,
        };
        if needed > room && size <= LARGEST_STORAGE {
            let words = format!(
                "this disk has no room for its {}: of {} free, {} are left beside the more precious files",
                bytes(size),
                bytes(free),
                bytes(room)
            );
            let reason = Reason::new(ReasonCode::NoRoom, words);
            without_room.extend(task().map(|task| (task, reason)));
            continue;
        }
        if !items.local(number).is_none_or(|local| names.take(&local)) {
            let words = "this disk has no room for more files, however many bytes are free";
            let reason = Reason::new(ReasonCode::NoRoom, words);
            without_room.extend(task().map(|task| (task, reason)));
            continue;
        }
        room = room.saturating_sub(needed);
        fitting.push(number);
    }
    Ok((fitting, without_room))
}

/// The files and folders that a disk can still hold.
struct RoomForNames {
    /// `None` where the disk does not count them.
    free: Option<u64>,
    data: PathBuf,
    /// The folders that are there, or that are counted already.
    folders: HashSet<LocalPath>,
}

impl RoomForNames {
    fn of(folder: &Folder) -> Self {
        Self {
            free: { folder.free_names() }.map(|free| free.saturating_sub(SPARE_NAMES)),
            data: folder.root().join("data"),
            folders: HashSet::new(),
        }
    }

    /// Counts a file and the folders that it needs; returns false, and counts nothing, where there is no room for them.
    fn take(&mut self, local: &LocalPath) -> bool {
        let Some(free) = self.free else {
            return true;
        };
        let mut new = Vec::new();
        let mut above = local.parent();
        while let Some(folder) = above.take_if(|folder| !self.folders.contains(folder)) {
            above = folder.parent();
            new.push(folder);
        }
        let is_missing = |folder: &&LocalPath| !self.data.join(folder.as_str()).is_dir();
        let needed = 1 + new.iter().filter(is_missing).count() as u64;
        let Some(left) = free.checked_sub(needed) else {
            return false;
        };
        self.free = Some(left);
        self.folders.extend(new);
        true
    }
}

/// Bytes of it that the disk holds from before, and that are gone on with.
fn held_of(folder: &Folder, task: &Task) -> u64 {
    let held = folder.root().join(".partial").join(task.id.to_string());
    match std::fs::symlink_metadata(held) {
        Ok(held) if task.may_resume => held.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_get_names_as_long_as_the_disk_has_some() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join("old")).unwrap();
        let mut room = RoomForNames {
            free: Some(6),
            data: data.path().to_owned(),
            folders: HashSet::new(),
        };
        let mut take = |local: &str| room.take(&LocalPath::new(local).unwrap());
        // Two folders and a file, a file, a file in a folder that is there.
        assert!(take("a/b/1.jpg") && take("a/b/2.jpg") && take("old/3.jpg"));
        assert!(!take("new/4.jpg"));
        assert!(take("a/5.jpg"));
        assert!(!take("a/6.jpg"));
        room.free = None;
        assert!(room.take(&LocalPath::new("new/7.jpg").unwrap()));
    }
}
