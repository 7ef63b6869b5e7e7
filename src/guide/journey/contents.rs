//! What a phone holds, and what of it the person wants.

use std::path::PathBuf;

/// A number of files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Amount {
    /// Adds a file.
    pub(crate) fn add(&mut self, size: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(size);
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            files: self.files.saturating_add(other.files),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// What the phone holds and this computer does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PhoneContents {
    /// The rescue folder that a pull goes into.
    pub(crate) folder: PathBuf,
    /// Photos, videos, and everything else.
    pub(crate) photos: Amount,
    pub(crate) videos: Amount,
    pub(crate) others: Amount,
    /// The same by folder, the largest first.
    pub(crate) groups: Vec<Group>,
    /// What is here and proven from before.
    pub(crate) here: Amount,
    /// Room on the disk of the folder, in bytes, where the system says.
    pub(crate) free_bytes: Option<u64>,
    /// Places of the phone that could not be read.
    pub(crate) unreadable: u64,
}

impl PhoneContents {
    pub(crate) fn all(&self) -> Amount {
        self.photos.and(self.videos).and(self.others)
    }

    /// What can be wished; what would be the same as another wish is left out.
    pub(super) fn wishes(&self) -> Vec<TakeChoice> {
        let media = self.photos.files.saturating_add(self.videos.files);
        let groups = self.leavable().len();
        let wishes = [
            (TakeChoice::Everything, true),
            (
                TakeChoice::PhotosAndVideos,
                media > self.photos.files && self.others.files > 0,
            ),
            (
                TakeChoice::Photos,
                self.photos.files > 0 && self.all().files > self.photos.files,
            ),
            (
                TakeChoice::WithoutFolders,
                groups > 0 && self.groups.len() > 1,
            ),
            (TakeChoice::Elsewhere, true),
            (TakeChoice::Screen, true),
        ];
        let wishes = wishes.into_iter().filter(|(_, is_of_use)| *is_of_use);
        wishes.map(|(wish, _)| wish).collect()
    }

    /// The folders that can be left out.
    pub(super) fn leavable(&self) -> Vec<Group> {
        let groups = self.groups.iter();
        let groups = groups.filter(|group| !group.patterns.is_empty());
        groups.cloned().collect()
    }
}

/// Files of one folder of the phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// What people call it.
    pub(crate) name: String,
    pub(crate) amount: Amount,
    /// Patterns that match it; empty where it cannot be left out.
    pub(crate) patterns: Vec<String>,
}

/// What to pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Take {
    /// The rescue folder.
    pub(crate) folder: PathBuf,
    pub(crate) what: What,
}

/// Which files to pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Everything,
    PhotosAndVideos,
    Photos,
    /// Everything but what these patterns match.
    Without(Vec<String>),
}

/// What the person may wish of a phone's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TakeChoice {
    Everything,
    PhotosAndVideos,
    Photos,
    WithoutFolders,
    Elsewhere,
    /// Use the phone's display from here first.
    Screen,
}
