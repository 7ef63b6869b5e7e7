//! Turns failures into advice: the meaning for the user, and the one next step. Lower rooms report facts
//! only.

mod accessory;
pub(crate) mod journey;
pub(crate) mod remote;
pub mod states;

use std::io::ErrorKind;

use crate::adb::server::DeviceState;
use crate::error::{Error, Kind};
use crate::export::ExportError;
use crate::folder::bag::BagError;
use crate::folder::check::CheckError;
use crate::folder::disk::system::is_short_of_files;
use crate::folder::{CatalogueError, DiskError, FolderError, ReasonCode};
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
                .with_hint(states::wireless.next);
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
pub fn hint(error: &PhoneError) -> String {
    match error {
        PhoneError::Lost(link) => match **link {
            LinkError::Protocol(_) if link.wants_tls() => states::wireless.next,
            LinkError::Protocol(_) => "check that the address belongs to a phone's adb daemon",
            LinkError::Closed | LinkError::Io(_) | LinkError::NotReading => {
                "plug the phone in again and run the same command: it resumes where it stopped"
            }
        },
        PhoneError::Gone { .. } | PhoneError::StreamEnded { .. } => {
            "plug the phone in again and run the same command: it resumes where it stopped"
        }
        PhoneError::Idle { .. } => {
            "unplug the phone, plug it in again and run the same command: it resumes where it stopped"
        }
        PhoneError::ServiceRefused { .. } => "restart the phone's USB debugging in its developer options",
        PhoneError::Sync(_) | PhoneError::Shell(_) | PhoneError::TooMuchOutput { .. } => {
            "run again with -v and report its output"
        }
        PhoneError::TooManyEntries { .. } => {
            "a folder may list without end: name the folders to take with --root, as in /storage/emulated/0/DCIM"
        }
        PhoneError::Unreachable { .. } | PhoneError::UnknownHost { .. } => {
            states::of_address(error).unwrap_or(states::no_answer).next
        }
        PhoneError::CannotOpen { .. } => states::offline.next,
        PhoneError::NotAServer { .. } => "check ADB_SERVER_SOCKET and ANDROID_ADB_SERVER_PORT",
        PhoneError::ServerRefused { .. } => "restart the adb server: `adb kill-server`, then `adb start-server`",
        PhoneError::BadVariable { name, .. } => {
            return format!("correct {name}, or unset it: then this computer's own adb server at port 5037 is used");
        }
        PhoneError::BadAddress { .. } => "give HOST:PORT, as in 192.168.1.7:5555",
        PhoneError::NoPhone => "run `rescue doctor`; try another cable and another port, or name the phone with --tcp HOST:PORT",
        PhoneError::NoSuchPhone { .. } => "run `rescue devices` to see the phones that are there; --serial or the environment variable ANDROID_SERIAL chose this one",
        PhoneError::SeveralPhones { .. } => "choose one with --serial",
        PhoneError::SameSerial { places, .. } => match &**places {
            [] => "attach one of them at a time, each with a folder of its own (-o)",
            _ => "choose one of these places with --serial; each phone needs a folder of its own (-o)",
        },
        PhoneError::NotReady { state: DeviceState::Busy(holder), .. } if !holder.is_empty() => {
            return format!("end {holder}, which has the phone open, and run the same command");
        }
        PhoneError::NotReady { state, .. } => states::of_device(state).next,
        PhoneError::Unauthorized { .. } => states::unauthorized.next,
        PhoneError::StorageGone => states::storage_missing.next,
        PhoneError::Locked => states::locked_since_boot.next,
        PhoneError::Keys(error) => match &**error {
            // Somebody named it: it is no key that a new one could take the place of.
            KeysError::File { path, .. } | KeysError::Content { path, .. }
                if path.file_name() != Some("adbkey".as_ref()) =>
            {
                "name a private key as adb writes it: a file adbkey, not adbkey.pub"
            }
            KeysError::NoHome { .. } => "set HOME to your home folder, or name a key file with --key",
            KeysError::File { .. } | KeysError::Content { .. } => states::of_keys(error).next,
        },
    }
    .to_owned()
}

/// The next step where another user's files are in the way.
const AS_ITS_OWNER: &str = match cfg!(windows) {
    true => "run the same command as the user to whom it belongs",
    false => "run the same command as the user to whom it belongs (root, where `sudo` pulled it)",
};

/// What is done to files and folders that are only read, as [`DiskError`] names it.
const READING: [&str; 5] = ["open", "list", "look at", "look into", "read"];

impl From<DiskError> for Error {
    fn from(error: DiskError) -> Self {
        let (kind, hint) = match &error {
            DiskError::Full { .. } => (
                Kind::DiskFull,
                "make room and run the same command again: it resumes where it stopped",
            ),
            DiskError::FileTooLarge { .. } | DiskError::NameRefused { .. } => {
                (Kind::Disk, "choose a folder on another disk with -o")
            }
            DiskError::Displaced { .. } => (
                Kind::Disk,
                "leave .partial/ alone while rescue is running, and run the same command again",
            ),
            DiskError::Symlink { .. }
            | DiskError::NotAFolder { .. }
            | DiskError::NotAFile { .. } => {
                (Kind::Disk, "remove it, or choose another folder with -o")
            }
            DiskError::OtherDisk { .. } => (
                Kind::Disk,
                "choose a folder that is on one disk only with -o: to use another disk, mount it at the rescue folder itself, not inside it",
            ),
            // On a disk that takes nothing no other user gets further.
            DiskError::NotWritable { action, source, .. }
                if READING.contains(action) && source.kind() == ErrorKind::PermissionDenied =>
            {
                (Kind::Disk, AS_ITS_OWNER)
            }
            DiskError::NotWritable { .. } => {
                (Kind::Disk, "choose a folder that you may write to with -o")
            }
            DiskError::Io { source, .. } if is_short_of_files(source) => {
                (Kind::Disk, MORE_OPEN_FILES)
            }
            DiskError::Io { source, .. } if source.kind() == ErrorKind::IsADirectory => (
                Kind::Disk,
                "move the folder that stands there away and run the same command again",
            ),
            // `/proc` and its like say so of everything new.
            DiskError::Io { action, source, .. }
                if *action == "create" && source.kind() == ErrorKind::NotFound =>
            {
                (
                    Kind::Disk,
                    "nothing can be made there: choose another place with -o",
                )
            }
            DiskError::Io { .. } => (
                Kind::Disk,
                "check that the disk is still attached and healthy",
            ),
        };
        wrap(kind, &error, hint)
    }
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
            "run again with a folder on a disk that is not FAT (-o); a path that is too long for adb has \
             to be shortened on the phone"
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
    true => "end other programs and run the same command again",
    false => "allow this program more open files (`ulimit -n 1024`) and run the same command again",
};

/// What to do when somebody took a catalogue away that was being written.
pub const CATALOGUE_GONE: &str =
    "run the same command again: the files in data/ are recognised, kept and recorded again";

impl From<CatalogueError> for Error {
    fn from(error: CatalogueError) -> Self {
        match &error {
            CatalogueError::Full { .. } => wrap(
                Kind::DiskFull,
                &error,
                "make room and run the same command again: it resumes where it stopped",
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
                "use the newer `rescue`, or choose another folder with -o",
            ),
            CatalogueError::Corrupt { .. } | CatalogueError::NotACatalogue { .. } => wrap(
                Kind::Folder,
                &error,
                "move this file away and run `rescue pull -o` with the folder and the phone attached: the files in data/ are recognised and stay",
            ),
            _ => wrap(
                Kind::Folder,
                &error,
                "choose another folder with -o; the files in data/ are still readable",
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
                "choose another folder with -o; if you know that it is the same phone, add --same-phone",
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
        let hint = match &error {
            BagError::Disk(DiskError::Io { source, .. })
                if source.kind() == ErrorKind::IsADirectory =>
            {
                "move the folder that stands there away and run the same command again: the photos are safe, only the manifest is not written"
            }
            _ => {
                "run the same command again: the photos are safe, only the manifest is not written"
            }
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
                true => "end other programs and run the same command again",
                false => {
                    "end other programs of this user, or allow more threads (`ulimit -u`, the container's limit of processes), and run the same command again"
                }
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
        let (kind, hint) = match error {
            ExportError::Disk(DiskError::Full { .. }) => (
                Kind::DiskFull,
                "make room, or choose another disk with -o; nothing half-written was left",
            ),
            ExportError::Disk(DiskError::FileTooLarge { .. }) => (
                Kind::Disk,
                "this disk takes no file of 4 GiB: add --split 4G, or choose another disk with -o",
            ),
            ExportError::Disk(DiskError::NotWritable { .. } | DiskError::NameRefused { .. }) => {
                (Kind::Disk, "choose another place or name with -o")
            }
            ExportError::Disk(_) => (
                Kind::Disk,
                "check that the disk is still attached and healthy",
            ),
            ExportError::Catalogue(error) => return error.into(),
            ExportError::NoThread(error) => return error.into(),
            ExportError::Zip { .. } => (Kind::Disk, "run again with -v and report its output"),
            ExportError::ReadBack { .. } => (
                Kind::Disk,
                "this disk does not return the bytes that were written: choose another one with -o",
            ),
            ExportError::NoRecipient { .. } => (
                Kind::Usage,
                "a recipient looks like age1..., as age-keygen prints it, or is an SSH public key: ssh-ed25519 or ssh-rsa",
            ),
            ExportError::Exists { .. } => (
                Kind::Usage,
                "choose another name with -o, or give --force, which replaces a file and nothing else",
            ),
            ExportError::Busy { .. } => (
                Kind::Usage,
                "wait until it is done, or choose another name with -o",
            ),
            ExportError::Inside { .. } => (
                Kind::Usage,
                "choose a place outside of the rescue folder with -o",
            ),
            ExportError::NoName { .. } => (Kind::Usage, "name a file with -o, as in photos.zip"),
            ExportError::NoRoom { .. } => {
                (Kind::DiskFull, "make room, or choose another disk with -o")
            }
            ExportError::Incomplete { .. } => (
                Kind::Folder,
                "run `rescue status` with the folder, or export without --strict",
            ),
            ExportError::NoParent { .. } => {
                (Kind::Usage, "create it, or choose another place with -o")
            }
            ExportError::AllLeftOut { .. } => (
                Kind::Folder,
                "`rescue status` and `rescue verify` tell what is the matter; --include-unverified adds what the phone did not confirm",
            ),
            ExportError::Nothing => (
                Kind::Folder,
                "check the options and `rescue status`; --include-unverified adds files that the phone did not confirm",
            ),
            ExportError::Stopped => (Kind::Interrupted, "run the same command again"),
        };
        wrap(kind, &error, hint)
    }
}

/// A failure with its causes as text.
fn wrap(kind: Kind, error: &dyn std::error::Error, hint: &str) -> Error {
    let wrapped = Error::new(kind, error.to_string()).with_hint(hint);
    match error.source() {
        Some(cause) => wrapped.caused_by(cause.to_string()),
        None => wrapped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn only_what_another_user_may_read_is_to_be_tried_as_that_user() {
        let advice = |action, kind: ErrorKind| {
            let error = DiskError::new(action, Path::new("x"), kind.into());
            Error::from(error).hint.unwrap_or_default()
        };
        for action in ["open", "list", "look at", "look into", "read"] {
            let forbidden = advice(action, ErrorKind::PermissionDenied);
            assert!(forbidden.contains("as the user"), "{action}: {forbidden}");
            let read_only = advice(action, ErrorKind::ReadOnlyFilesystem);
            assert!(!read_only.contains("as the user"), "{action}: {read_only}");
        }
        let forbidden = advice("write", ErrorKind::PermissionDenied);
        assert!(!forbidden.contains("as the user"), "{forbidden}");
    }
}
