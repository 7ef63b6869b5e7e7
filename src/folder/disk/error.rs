//! The errors of a disk.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::system;

/// What was to be done with a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskAction {
    /// Make it.
    Create,
    /// Make a file without a name in it.
    CreateUnnamed,
    /// Open it.
    Open,
    /// List what is in it.
    List,
    /// Ask what it is.
    LookAt,
    /// Ask how much room is left there.
    MeasureSpace,
    /// Read from it.
    Read,
    /// Read again what was written.
    ReadBack,
    /// Write into it.
    Write,
    /// Sort its lines.
    Sort,
    /// Encrypt what goes into it.
    Encrypt,
    /// Decrypt what comes from it.
    Decrypt,
    /// Have the disk keep it.
    Sync,
    /// Lock it.
    Lock,
    /// Give another file its name.
    Rename,
    /// Put another file in its place.
    Replace,
    /// Remove it.
    Remove,
}

impl DiskAction {
    /// Whether it changes nothing.
    pub(crate) fn is_reading(self) -> bool {
        matches!(self, Self::Open | Self::List | Self::LookAt | Self::Read)
    }
}

impl fmt::Display for DiskAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::CreateUnnamed => "create a file without a name in",
            Self::Open => "open",
            Self::List => "list",
            Self::LookAt => "look at",
            Self::MeasureSpace => "measure the free space of",
            Self::Read => "read",
            Self::ReadBack => "read back",
            Self::Write => "write",
            Self::Sort => "sort",
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Sync => "sync",
            Self::Lock => "lock",
            Self::Rename => "rename a file to",
            Self::Replace => "replace",
            Self::Remove => "remove",
        })
    }
}

/// What the disk did not do.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// No space is left, or the quota is used up.
    #[error("the disk is full: cannot {action} {}", path.display())]
    Full {
        /// What was to be done.
        action: DiskAction,
        /// With which file.
        path: PathBuf,
    },
    /// The filesystem takes no file of this size: 4 GiB and more do not fit FAT32.
    #[error("the file is too large for this filesystem: {}", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The filesystem does not take the name.
    #[error("this filesystem does not take the name {}", path.display())]
    NameRefused {
        /// The file or folder.
        path: PathBuf,
    },
    /// A symbolic link stands where the rescue folder needs a folder or file of its own.
    #[error("a symbolic link stands in the rescue folder: {}", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// A file stands where a folder is needed.
    #[error("a file stands where a folder is needed: {}", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// Something else stands where a file is needed.
    #[error("something else stands where a file is needed: {}", path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
    },
    /// A file under way is gone, or another bears its name.
    #[error("somebody removed or replaced {} while it was written", path.display())]
    Displaced {
        /// Where it was.
        path: PathBuf,
    },
    /// A part of the rescue folder lies on another disk, to which nothing can be renamed.
    #[error("a part of the rescue folder lies on another disk: {}", path.display())]
    OtherDisk {
        /// What lies there, or was to be renamed to there.
        path: PathBuf,
    },
    /// The system does not let this user do that there, or nobody may.
    #[error("not allowed: cannot {action} {}", path.display())]
    NotWritable {
        /// What was to be done.
        action: DiskAction,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was to be done.
        action: DiskAction,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Whether this computer is short of open files or memory.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    system::is_short_of_files(error) || error.kind() == ErrorKind::OutOfMemory
}

impl DiskError {
    /// Names the failure of one system call.
    pub(crate) fn new(action: DiskAction, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { action, path },
            ErrorKind::FileTooLarge => Self::FileTooLarge { path },
            ErrorKind::CrossesDevices => Self::OtherDisk { path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::NotWritable {
                action,
                path,
                source,
            },
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }

    /// As [`DiskError::new`], for a call that gives a file or folder its name: an invalid argument
    /// can then only be the name.
    pub(crate) fn naming(action: DiskAction, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::InvalidInput | ErrorKind::InvalidFilename => Self::NameRefused {
                path: path.to_owned(),
            },
            _ if system::refuses_name(&source) => Self::NameRefused {
                path: path.to_owned(),
            },
            _ => Self::new(action, path, source),
        }
    }

    /// Whether this computer is short of open files or memory: that says nothing about the file.
    pub(crate) fn is_shortage(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_shortage(source))
    }

    /// Whether bytes that were written may be lost, of this and of other files, and nobody will be
    /// told again: the system counts as written what it gave up.
    pub(crate) fn may_have_lost_bytes(&self) -> bool {
        match self {
            Self::Io { .. } => true,
            // What a filesystem becomes that failed.
            Self::NotWritable { source, .. } => source.kind() == ErrorKind::ReadOnlyFilesystem,
            // A write that finds no room is told to who writes; what a sync finds no room for is lost.
            Self::Full { action, .. } => *action == DiskAction::Sync,
            _ => false,
        }
    }

    /// Whether every other file would meet the same.
    pub fn concerns_the_whole_disk(&self) -> bool {
        match self {
            Self::Full { .. }
            | Self::Symlink { .. }
            | Self::NotAFile { .. }
            | Self::OtherDisk { .. }
            | Self::NotWritable { .. }
            | Self::Io { .. } => true,
            Self::FileTooLarge { .. }
            | Self::NameRefused { .. }
            | Self::NotAFolder { .. }
            | Self::Displaced { .. } => false,
        }
    }
}
