//! Advice about a rescue folder: its catalogue, its manifest, and the files that are missing from it.

use std::io::ErrorKind;

use super::disk::MOVE_THE_FOLDER;
use super::{AND_AGAIN, AND_RESUME_AGAIN, WITH_O, wrap};
use crate::error::{Error, Kind};
use crate::folder::bag::BagError;
use crate::folder::check::CheckError;
use crate::folder::{CatalogueError, DiskError, FolderError, LabelTooLong, ReasonCode};
use crate::hint::Clause::{ByCommand, Said, With};
use crate::hint::{Flag, Hint};

/// The one next step for files and folders that are missing for a reason; `None` when running
/// again is all there is to do.
pub fn next_for_items(code: ReasonCode) -> Option<&'static str> {
    Some(match code {
        ReasonCode::PermissionDenied => {
            "Android does not let adb read it: on the phone, open it in the app that it belongs to and save \
             or share a copy into Download, then run again; or accept it as missing with `rescue pull --accept-failed`"
        }
        ReasonCode::PhoneIo => {
            "the phone's storage fails there: run again once or twice, with the phone cool and charged; \
             `rescue pull --accept-failed` accepts what stays unreadable"
        }
        ReasonCode::StorageGone => "put the card in again, or unlock the phone, and run again",
        ReasonCode::NoRoom => {
            "run again with a folder on a larger disk (-o), or make room on this one"
        }
        ReasonCode::NameRefused => {
            "run again with a folder whose own path is shorter, or that is on a disk which allows more (-o): FAT \
             refuses some characters and every file of 4 GiB, some encrypted folders every name of more than 143 \
             bytes; a path that is too long for adb has to be shortened on the phone"
        }
        ReasonCode::Refused | ReasonCode::NotAFile | ReasonCode::Other => {
            "run again; `rescue pull --accept-failed` accepts what stays unreadable"
        }
        ReasonCode::ChangedWhileRead => "close the app that writes it and run again",
        ReasonCode::LocalDisk => "check this computer's disk and run again",
        ReasonCode::Vanished => return None,
        ReasonCode::PhoneGone | ReasonCode::HashMismatch => "run again",
    })
}

impl From<FolderError> for Error {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Disk(error) => error.into(),
            FolderError::Catalogue(error) => error.into(),
            FolderError::Missing { .. } => wrap(
                Kind::Folder,
                &error,
                "name a folder that `rescue pull` made",
            ),
            FolderError::NotAFolder { .. } | FolderError::NotARescueFolder { .. } => wrap(
                Kind::Folder,
                &error,
                "name a folder that `rescue pull` made",
            ),
            FolderError::DanglingLink { .. } => wrap(
                Kind::Folder,
                &error,
                "attach the disk that it leads to, or name the rescue folder itself",
            ),
            FolderError::NoCatalogue { has_manifest, .. } => wrap(
                Kind::Folder,
                &error,
                match cfg!(windows) || !has_manifest {
                    true => {
                        "attach the phone and run `rescue pull -o FOLDER` with this rescue folder: the files here are recognised and stay"
                    }
                    false => {
                        "attach the phone and run `rescue pull -o FOLDER` with this rescue folder: the files here are recognised and stay; `sha256sum -c manifest-sha256.txt` checks them meanwhile"
                    }
                },
            ),
            FolderError::OtherPhone { .. } => wrap(
                Kind::Folder,
                &error,
                [
                    Said("choose another folder"),
                    WITH_O,
                    With(
                        Flag::SamePhone,
                        "; if you know that it is the same phone, add --same-phone",
                    ),
                ],
            ),
            FolderError::Busy { .. } => wrap(
                Kind::FolderBusy,
                &error,
                "wait until the other `rescue` has ended; `rescue status` shows how far it is",
            ),
        }
    }
}

impl From<CatalogueError> for Error {
    fn from(error: CatalogueError) -> Self {
        match &error {
            CatalogueError::Full { .. } => wrap(
                Kind::DiskFull,
                &error,
                [Said("make room"), AND_RESUME_AGAIN],
            ),
            CatalogueError::Busy { .. } => wrap(
                Kind::FolderBusy,
                &error,
                "close the other program that has it open",
            ),
            CatalogueError::CutOff { .. } => wrap(
                Kind::Folder,
                &error,
                "copy the folder to a disk that can be written, and use the copy",
            ),
            CatalogueError::Shared { .. } => wrap(
                Kind::Folder,
                &error,
                "copy the folder (`cp -r`, without links) and use the copy",
            ),
            CatalogueError::Moved { .. } => wrap(Kind::Disk, &error, CATALOGUE_GONE),
            CatalogueError::NotWritable { .. } | CatalogueError::Forbidden { .. } => wrap(
                Kind::Folder,
                &error,
                match cfg!(windows) {
                    true => {
                        "copy the folder to a place where this user may write, and use the copy"
                    }
                    false => {
                        "run the same command as the user to whom it belongs (root, where `sudo` pulled it), or use a copy of the folder"
                    }
                },
            ),
            CatalogueError::NewerVersion { .. } => wrap(
                Kind::Folder,
                &error,
                [
                    Said("use the newer `rescue`, or choose another folder"),
                    WITH_O,
                ],
            ),
            CatalogueError::Corrupt { .. } | CatalogueError::NotACatalogue { .. } => wrap(
                Kind::Folder,
                &error,
                "move this file away, attach the phone and run `rescue pull -o FOLDER` with this rescue folder: the files in data/ are recognised and stay",
            ),
            _ => wrap(
                Kind::Folder,
                &error,
                [
                    Said("choose another folder"),
                    WITH_O,
                    Said("; the files in data/ are still readable"),
                ],
            ),
        }
    }
}

/// What to do when somebody took a catalogue away that was being written.
pub const CATALOGUE_GONE: &str =
    "run the same command again: the files in data/ are recognised, kept and recorded again";

impl From<LabelTooLong> for Error {
    fn from(error: LabelTooLong) -> Self {
        Self::new(Kind::Usage, error.to_string()).with_hint("say it in fewer words")
    }
}

impl From<BagError> for Error {
    fn from(error: BagError) -> Self {
        const SAFE: &str = "the photos are safe, only the manifest is not written";
        let hint: Hint = match &error {
            BagError::Disk(DiskError::Io { source, .. })
                if source.kind() == ErrorKind::IsADirectory =>
            {
                [Said(MOVE_THE_FOLDER), AND_AGAIN, Said(": "), Said(SAFE)].into()
            }
            _ => [ByCommand("run the same command again: "), Said(SAFE)].into(),
        };
        wrap(Kind::Disk, &error, hint)
    }
}

impl From<CheckError> for Error {
    fn from(error: CheckError) -> Self {
        let error = match error {
            CheckError::NoThread(error) => return error.into(),
            CheckError::Catalogue(
                error @ (CatalogueError::Corrupt { .. } | CatalogueError::NotACatalogue { .. }),
            ) => return error.into(),
            error => error,
        };
        wrap(
            Kind::Folder,
            &error,
            "check that the disk is still attached and healthy",
        )
    }
}
