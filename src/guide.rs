//! Turns failures into advice: the meaning for the user, and the one next step. Lower rooms report facts
//! only.

mod accessory;
pub(crate) mod journey;
pub(crate) mod remote;
pub mod states;

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;

use crate::adb::server::DeviceState;
use crate::error::{Error, Kind};
use crate::export::ExportError;
use crate::folder::bag::BagError;
use crate::folder::check::CheckError;
use crate::folder::disk::system::is_short_of_files;
use crate::folder::{CatalogueError, DiskAction, DiskError, FolderError, ReasonCode};
use crate::hint::Clause::{self, ByCommand, Made, Said, With};
use crate::hint::{Flag, Hint};
use crate::phone::PhoneError;
use crate::phone::display::DisplayError;
use crate::phone::error::LinkError;
use crate::phone::keys::KeysError;
use crate::threads::NoThread;

impl From<clap::Error> for Error {
    /// What is wrong with a command line, in one line: clap says more, for a terminal.
    fn from(error: clap::Error) -> Self {
        use clap::error::ErrorKind;
        let message = match error.kind() {
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no command is given".to_owned(),
            _ => {
                let told = error.to_string();
                let first = told.lines().take_while(|line| !line.trim().is_empty());
                let first = first.map(str::trim).collect::<Vec<_>>().join(" ");
                match first.strip_prefix("error: ") {
                    Some(message) => message.to_owned(),
                    None => first,
                }
            }
        };
        Self::new(Kind::Usage, message)
            .with_hint("`rescue help` lists the commands; COMMAND --help lists its options")
    }
}

impl From<PhoneError> for Error {
    fn from(error: PhoneError) -> Self {
        if let PhoneError::Lost(link) = &error
            && link.wants_tls()
        {
            // It did not go away, and is no stranger.
            return Self::new(Kind::PhoneTalksNonsense, states::wireless.meaning)
                .with_hint(states::wireless.next());
        }
        let kind = match &error {
            PhoneError::Lost(link) => match **link {
                LinkError::Protocol(_) => Kind::PhoneTalksNonsense,
                LinkError::Closed | LinkError::Io(_) | LinkError::NotReading => Kind::PhoneGone,
            },
            PhoneError::Gone { .. } | PhoneError::Idle { .. } => Kind::PhoneGone,
            PhoneError::StreamEnded { .. } => Kind::PhoneGone,
            PhoneError::ServiceRefused { .. } => Kind::Refused,
            PhoneError::Sync(_)
            | PhoneError::Shell(_)
            | PhoneError::TooMuchOutput { .. }
            | PhoneError::TooManyEntries { .. } => Kind::PhoneTalksNonsense,
            PhoneError::Unreachable { .. }
            | PhoneError::UnknownHost { .. }
            | PhoneError::NoPhone
            | PhoneError::NoSuchPhone { .. } => Kind::NoPhone,
            PhoneError::NotAServer { .. } | PhoneError::ServerRefused { .. } => Kind::AdbServer,
            PhoneError::BadAddress { .. } | PhoneError::BadVariable { .. } => Kind::Usage,
            PhoneError::Unauthorized { .. } => Kind::Unauthorized,
            PhoneError::SeveralPhones { .. } | PhoneError::SameSerial { .. } => Kind::SeveralPhones,
            PhoneError::CannotOpen { .. } => Kind::PhoneNotReady,
            PhoneError::NotReady { state, .. } => match state {
                DeviceState::Unauthorized => Kind::Unauthorized,
                DeviceState::NoPermissions(_) => Kind::NoUsbPermission,
                _ => Kind::PhoneNotReady,
            },
            PhoneError::StorageGone => Kind::PhoneNotReady,
            PhoneError::Locked => Kind::Locked,
            PhoneError::Keys(_) => Kind::Key,
        };
        let wrapped = Self::new(kind, error.to_string()).with_hint(hint(&error));
        match std::error::Error::source(&error).map(ToString::to_string) {
            Some(cause) => wrapped.caused_by(cause),
            None => wrapped,
        }
    }
}

impl From<DisplayError> for Error {
    fn from(error: DisplayError) -> Self {
        let (kind, hint) = match &error {
            DisplayError::Phone(error) => return error.clone().into(),
            DisplayError::NoPicture { .. } => (
                Kind::Refused,
                "wake the phone and try again; a protected display gives no picture",
            ),
            DisplayError::NotTaken { .. } => (
                Kind::Refused,
                "on Xiaomi phones switch \"USB debugging (Security settings)\" on in the developer options",
            ),
            DisplayError::CannotType | DisplayError::TooLong => {
                (Kind::Usage, "type it in smaller or simpler pieces")
            }
        };
        wrap(kind, &error, hint)
    }
}

/// The one next step for a failure.
pub fn hint(error: &PhoneError) -> Hint {
    match error {
        PhoneError::Lost(link) => match **link {
            LinkError::Protocol(_) if link.wants_tls() => states::wireless.next(),
            LinkError::Protocol(_) => "check that the address belongs to a phone's adb daemon".into(),
            LinkError::Closed | LinkError::Io(_) | LinkError::NotReading => {
                [Said(CONNECT_AGAIN), AND_RESUME].into()
            }
        },
        PhoneError::Gone { .. } | PhoneError::StreamEnded { .. } => {
            [Said(CONNECT_AGAIN), AND_RESUME].into()
        }
        PhoneError::Idle { .. } => [Said("unplug the phone, plug it in again"), AND_RESUME].into(),
        PhoneError::ServiceRefused { .. } => {
            "restart the phone's USB debugging in its developer options".into()
        }
        PhoneError::Sync(_) | PhoneError::Shell(_) | PhoneError::TooMuchOutput { .. } => {
            "run again with -v and report its output".into()
        }
        PhoneError::TooManyEntries { .. } => [With(
            Flag::Root,
            "a folder may list without end: name the folders to take with --root, as in /storage/emulated/0/DCIM",
        )]
        .into(),
        PhoneError::Unreachable { .. } | PhoneError::UnknownHost { .. } => {
            states::of_address(error).unwrap_or(states::no_answer).next()
        }
        PhoneError::CannotOpen { .. } => states::offline.next(),
        PhoneError::NotAServer { .. } => "check ADB_SERVER_SOCKET and ANDROID_ADB_SERVER_PORT".into(),
        PhoneError::ServerRefused { .. } => {
            "restart the adb server: `adb kill-server`, then `adb start-server`".into()
        }
        PhoneError::BadVariable { name, .. } => format!(
            "correct {name}, or unset it: then this computer's own adb server at port 5037 is used"
        )
        .into(),
        PhoneError::BadAddress { .. } => "give HOST:PORT, as in 192.168.1.7:5555".into(),
        PhoneError::NoPhone => [
            Said("run `rescue doctor`; try another cable and another port"),
            With(Flag::Tcp, ", or name the phone with --tcp HOST:PORT"),
        ]
        .into(),
        PhoneError::NoSuchPhone { .. } => [
            Said("run `rescue devices` to see the phones that are there"),
            With(
                Flag::Serial,
                "; --serial or the environment variable ANDROID_SERIAL chose this one",
            ),
        ]
        .into(),
        PhoneError::SeveralPhones { .. } => [CHOOSE_BY_SERIAL].into(),
        PhoneError::SameSerial { places, .. } => match &**places {
            [] => [
                Said("attach one of them at a time, each with a folder of its own"),
                With(Flag::Output, " (-o)"),
            ]
            .into(),
            _ => [
                With(Flag::Serial, "choose one of these places with --serial; "),
                Said("each phone needs a folder of its own"),
                With(Flag::Output, " (-o)"),
            ]
            .into(),
        },
        PhoneError::NotReady {
            state: DeviceState::Busy(holder),
            ..
        } if !holder.is_empty() => [
            Made(format!("end {holder}, which has the phone open")),
            ByCommand(", and run the same command"),
        ]
        .into(),
        PhoneError::NotReady { state, .. } => states::of_device(state).next(),
        PhoneError::Unauthorized { .. } => states::unauthorized.next(),
        PhoneError::StorageGone => states::storage_missing.next(),
        PhoneError::Locked => states::locked_since_boot.next(),
        PhoneError::Keys(error) => match &**error {
            // Somebody named it: it is no key that a new one could take the place of.
            KeysError::File { path, .. } | KeysError::Content { path, .. }
                if path.file_name() != Some("adbkey".as_ref()) =>
            {
                "name a private key as adb writes it: a file adbkey, not adbkey.pub".into()
            }
            KeysError::NoHome { .. } => [
                Said("set HOME to your home folder"),
                With(Flag::Key, ", or name a key file with --key"),
            ]
            .into(),
            KeysError::File { .. } | KeysError::Content { .. } => states::of_keys(error).next(),
        },
    }
}

/// What brings a phone back, on a cable or in a network.
const CONNECT_AGAIN: &str = "plug the phone in again, or bring it back into the network";
/// What a command leaves to its user: a pulled file is not pulled twice.
const AND_RESUME: Clause = ByCommand(" and run the same command: it resumes where it stopped");
/// The same, where the phone is not the matter.
const AND_RESUME_AGAIN: Clause =
    ByCommand(" and run the same command again: it resumes where it stopped");
/// What a command leaves to its user where there is nothing to resume.
const AND_AGAIN: Clause = ByCommand(" and run the same command again");
/// How a command is given another folder or file to write.
const WITH_O: Clause = With(Flag::Output, " with -o");
/// How an export is given another archive.
const AS_ARCHIVE: Clause = With(Flag::OfExport, " with -o");
const CHOOSE_BY_SERIAL: Clause = With(Flag::Serial, "choose one with --serial");

/// The next step where another user's files are in the way.
const AS_ITS_OWNER: &str = match cfg!(windows) {
    true => "run the same command as the user to whom it belongs",
    false => "run the same command as the user to whom it belongs (root, where `sudo` pulled it)",
};

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
            | DiskError::NotAFile { .. } => {
                [Said("remove it, or choose another folder"), WITH_O].into()
            }
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

/// What to do when the system gives this program no more open files.
const MORE_OPEN_FILES: &str = match cfg!(windows) {
    true => "end other programs",
    false => "allow this program more open files (`ulimit -n 1024`)",
};

const MOVE_THE_FOLDER: &str = "move the folder that stands there away";

/// What to do when somebody took a catalogue away that was being written.
pub const CATALOGUE_GONE: &str =
    "run the same command again: the files in data/ are recognised, kept and recorded again";

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
                "move this file away and run `rescue pull -o` with the folder and the phone attached: the files in data/ are recognised and stay",
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
            FolderError::NoCatalogue { .. } => wrap(
                Kind::Folder,
                &error,
                match cfg!(windows) {
                    true => {
                        "run `rescue pull` into it with the phone attached: the files here are recognised and stay"
                    }
                    false => {
                        "run `rescue pull` into it with the phone attached: the files here are recognised and stay; `sha256sum -c manifest-sha256.txt` checks it meanwhile"
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

impl From<NoThread> for Error {
    fn from(error: NoThread) -> Self {
        wrap(
            Kind::System,
            &error,
            match cfg!(windows) {
                true => [Said("end other programs"), AND_AGAIN],
                false => [
                    Said(
                        "end other programs of this user, or allow more threads (`ulimit -u`, the container's limit of processes)",
                    ),
                    ByCommand(", and run the same command again"),
                ],
            },
        )
    }
}

impl From<CheckError> for Error {
    fn from(error: CheckError) -> Self {
        if let CheckError::NoThread(error) = error {
            return error.into();
        }
        wrap(
            Kind::Folder,
            &error,
            "check that the disk is still attached and healthy",
        )
    }
}

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
                [Said("choose another name"), AS_ARCHIVE, With(Flag::OfExport, ", or give --force, which replaces a file and nothing else")].into(),
            ),
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

/// A failure with its causes as text.
fn wrap(kind: Kind, error: &dyn std::error::Error, hint: impl Into<Hint>) -> Error {
    let wrapped = Error::new(kind, error.to_string()).with_hint(hint);
    match error.source() {
        Some(cause) => wrapped.caused_by(cause.to_string()),
        None => wrapped,
    }
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
