//! Advice about this computer's disk.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;

use super::{AND_AGAIN, AND_RESUME_AGAIN, MORE_OPEN_FILES, WITH_O, wrap};
use crate::error::{Error, Kind};
use crate::folder::disk::system::is_short_of_files;
use crate::folder::{DiskAction, DiskError};
use crate::hint::Clause::{ByCommand, Made, Said, With};
use crate::hint::{Flag, Hint};

impl From<DiskError> for Error {
    fn from(error: DiskError) -> Self {
        let kind = match &error {
            DiskError::Full { .. } => Kind::DiskFull,
            _ => Kind::Disk,
        };
        let hint: Hint = match &error {
            DiskError::Full { .. } => [Said("make room"), AND_RESUME_AGAIN].into(),
            DiskError::FileTooLarge { .. } => [
                Said("choose a folder on a disk with another filesystem"),
                WITH_O,
                Said(": FAT takes no file of 4 GiB"),
            ]
            .into(),
            DiskError::NameRefused { path } => name_hint(path),
            DiskError::Displaced { .. } => [
                Said("leave .partial/ alone while rescue is running"),
                ByCommand(", and run the same command again"),
            ]
            .into(),
            DiskError::Symlink { .. }
            | DiskError::NotAFolder { .. }
            | DiskError::NotAFile { .. } => [
                Said("move it out of the way"),
                ByCommand(", then run the same command again"),
                With(Flag::Output, "; or choose another folder with -o"),
            ]
            .into(),
            DiskError::OtherDisk { .. } => [
                Said("choose a folder that is on one disk only"),
                WITH_O,
                Said(": to use another disk, mount it at the rescue folder itself, not inside it"),
            ]
            .into(),
            // On a disk that takes nothing no other user gets further.
            DiskError::NotWritable { action, source, .. }
                if action.is_reading() && source.kind() == ErrorKind::PermissionDenied =>
            {
                AS_ITS_OWNER.into()
            }
            DiskError::NotWritable { .. } => {
                [Said("choose a folder that you may write to"), WITH_O].into()
            }
            DiskError::Io { source, .. } if is_short_of_files(source) => {
                [Said(MORE_OPEN_FILES), AND_AGAIN].into()
            }
            DiskError::Io { source, .. } if source.kind() == ErrorKind::IsADirectory => {
                [Said(MOVE_THE_FOLDER), AND_AGAIN].into()
            }
            // `/proc` and its like say so of everything new.
            DiskError::Io { action, source, .. }
                if *action == DiskAction::Create && source.kind() == ErrorKind::NotFound =>
            {
                [
                    Said("nothing can be made there: choose another place"),
                    WITH_O,
                ]
                .into()
            }
            DiskError::Io { .. } => "check that the disk is still attached and healthy".into(),
        };
        wrap(kind, &error, hint)
    }
}

/// The next step where another user's files are in the way.
const AS_ITS_OWNER: &str = match cfg!(windows) {
    true => "run the same command as the user to whom it belongs",
    false => "run the same command as the user to whom it belongs (root, where `sudo` pulled it)",
};

pub(super) const MOVE_THE_FOLDER: &str = "move the folder that stands there away";

/// The next step where a filesystem refuses a name: another disk helps only against what this one lacks.
fn name_hint(path: &Path) -> Hint {
    /// What almost every filesystem allows a name, in bytes.
    const LONGEST_NAME: usize = 255;
    /// What Linux allows a path; others allow less.
    const LONGEST_PATH: usize = 4095;
    let longest = path.iter().map(OsStr::len).max().unwrap_or(0);
    if longest > LONGEST_NAME {
        let why = format!(
            ": this one has {longest} bytes, and other disks allow no more than {LONGEST_NAME} either"
        );
        return [Said("choose a shorter name"), WITH_O, Made(why)].into();
    }
    if path.as_os_str().len() > LONGEST_PATH {
        return [
            Said("choose a folder with a shorter path"),
            WITH_O,
            Said(", on this disk or another"),
        ]
        .into();
    }
    [
        Said("choose a shorter or simpler name"),
        WITH_O,
        Said(", or a folder on a disk that allows this one"),
    ]
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_disk_is_advised_only_against_what_this_one_refuses() {
        let advice = |path: &str| {
            let error = DiskError::naming(
                DiskAction::Create,
                Path::new(path),
                ErrorKind::InvalidFilename.into(),
            );
            Error::from(error).hint.unwrap().to_string()
        };
        let long = advice(&format!("out/{}", "x".repeat(300)));
        assert!(long.contains("this one has 300 bytes"), "{long}");
        assert!(!long.contains("on a disk"), "{long}");
        let deep = advice(&"folder/".repeat(700));
        assert!(deep.contains("a shorter path"), "{deep}");
        let odd = advice("out/what?");
        assert!(odd.contains("a disk that allows this one"), "{odd}");
    }

    #[test]
    fn only_what_another_user_may_read_is_to_be_tried_as_that_user() {
        let advice = |action, kind: ErrorKind| {
            let error = DiskError::new(action, Path::new("x"), kind.into());
            Error::from(error).hint.unwrap().to_string()
        };
        for action in [
            DiskAction::Open,
            DiskAction::List,
            DiskAction::LookAt,
            DiskAction::Read,
        ] {
            let forbidden = advice(action, ErrorKind::PermissionDenied);
            assert!(forbidden.contains("as the user"), "{action}: {forbidden}");
            let read_only = advice(action, ErrorKind::ReadOnlyFilesystem);
            assert!(!read_only.contains("as the user"), "{action}: {read_only}");
        }
        let forbidden = advice(DiskAction::Write, ErrorKind::PermissionDenied);
        assert!(!forbidden.contains("as the user"), "{forbidden}");
    }
}
