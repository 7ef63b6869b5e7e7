//! Advice about an archive.

use super::wrap;
use crate::error::{Error, Kind};
use crate::export::ExportError;
use crate::folder::DiskError;
use crate::hint::Clause::{self, Said, With};
use crate::hint::{Flag, Hint};

/// How an export is given another archive.
const AS_ARCHIVE: Clause = With(Flag::OfExport, " with -o");

impl From<ExportError> for Error {
    fn from(error: ExportError) -> Self {
        let (kind, hint): (Kind, Hint) = match error {
            ExportError::Disk(DiskError::Full { .. }) => (
                Kind::DiskFull,
                [
 Said("make room, or choose another disk"), AS_ARCHIVE, Said("; nothing half-written was left")].into(),
            ),
            ExportError::Disk(DiskError::FileTooLarge { .. }) => (
                Kind::Disk,
                [With(Flag::OfExport, "this disk takes no file of 4 GiB: add --split 4G, or "), Said("choose another disk"), AS_ARCHIVE].into(),
            ),
            ExportError::Disk(DiskError::NotWritable { .. } | DiskError::NameRefused { .. }) => {
                (Kind::Disk, [Said("choose another place or name"), AS_ARCHIVE].into())
            }
            ExportError::Disk(_) => (
                Kind::Disk,
                "check that the disk is still attached and healthy".into(),
            ),
            ExportError::Catalogue(error) => return error.into(),
            ExportError::NoThread(error) => return error.into(),
            ExportError::Zip { .. } => (Kind::Disk, "run again with -v and report its output".into()),
            ExportError::ReadBack { .. } => (
                Kind::Disk,
                [Said("this disk does not return the bytes that were written: choose another one"), AS_ARCHIVE].into(),
            ),
            ExportError::NoRecipient { .. } => (
                Kind::Usage,
                "a recipient looks like age1..., as age-keygen prints it, or is an SSH public key: ssh-ed25519 or ssh-rsa".into(),
            ),
            ExportError::Exists { .. } => (
                Kind::Usage,
                [Said("choose another name"), AS_ARCHIVE, With(Flag::OfExport, ", or give --force, which replaces the file")].into(),
            ),
            ExportError::NotAFile { .. } => (Kind::Usage, [Said("choose another name"), AS_ARCHIVE].into()),
            ExportError::Busy { .. } => (
                Kind::Usage,
                [Said("wait until it is done, or choose another name"), AS_ARCHIVE].into(),
            ),
            ExportError::Inside { .. } => (
                Kind::Usage,
                [Said("choose a place outside of the rescue folder"), AS_ARCHIVE].into(),
            ),
            ExportError::NoName { .. } => (Kind::Usage, [Said("name a file"), AS_ARCHIVE, Said(", as in photos.zip")].into()),
            ExportError::NoRoom { .. } => {
                (Kind::DiskFull, [Said("make room, or choose another disk"), AS_ARCHIVE].into())
            }
            ExportError::Incomplete { .. } => (
                Kind::Folder,
                [Said("run `rescue status` with the folder"), With(Flag::OfExport, ", or export without --strict")].into(),
            ),
            ExportError::NoParent { .. } => {
                (Kind::Usage, [Said("create it, or choose another place"), AS_ARCHIVE].into())
            }
            ExportError::ParentNotAFolder { .. } => {
                (Kind::Usage, [Said("choose another place"), AS_ARCHIVE].into())
            }
            ExportError::AllLeftOut { .. } => (
                Kind::Folder,
                [Said("`rescue status` and `rescue verify` tell what is the matter"), With(Flag::OfExport, "; --include-unverified adds what the phone did not confirm")].into(),
            ),
            ExportError::Nothing => (
                Kind::Folder,
                [Said("check the options and `rescue status`"), With(Flag::OfExport, "; --include-unverified adds files that the phone did not confirm")].into(),
            ),
            ExportError::Stopped => (Kind::Interrupted, "run the same command again".into()),
        };
        wrap(kind, &error, hint)
    }
}
