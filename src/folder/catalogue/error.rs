//! The errors of a catalogue.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ffi::{SQLITE_READONLY_DBMOVED, SQLITE_READONLY_RECOVERY, SQLITE_READONLY_ROLLBACK};
use rusqlite::{Connection, ErrorCode};

use crate::adb::RemotePath;
use crate::folder::disk::system::{is_unreadable, is_unwritable};
use crate::folder::entry::EntryId;

/// What was to be done with the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogueAction {
    /// Open it.
    Open,
    /// Make a new one.
    Create,
    /// Tell SQLite how it is used.
    SetUp,
    /// Bring an older one to the known version.
    Upgrade,
    /// Read from it.
    Read,
    /// Write into it.
    Write,
    /// Look for damage.
    Check,
}

impl fmt::Display for CatalogueAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Create => "create",
            Self::SetUp => "set up",
            Self::Upgrade => "upgrade",
            Self::Read => "read",
            Self::Write => "write",
            Self::Check => "check",
        })
    }
}

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file is not a catalogue of `rescue`.
    #[error("not a catalogue of rescue: {}", path.display())]
    NotACatalogue {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of `rescue` made it.
    #[error("a newer rescue made {}: its version is {found}, this one knows {known}", path.display())]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The file is damaged, or somebody changed it.
    #[error("the catalogue {} is damaged: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What does not make sense.
        what: String,
    },
    /// It has a second name elsewhere, so that writing to it would change another file.
    #[error("the file {} has another name elsewhere too (a hard link)", path.display())]
    Shared {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("the disk is full: cannot {action} the catalogue {}", path.display())]
    Full {
        /// What was to be done.
        action: CatalogueAction,
        /// The file.
        path: PathBuf,
    },
    /// Another program holds the file.
    #[error("another program uses the catalogue {}", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// An entry of this path and version, or with this local path, exists already.
    #[error("the catalogue has an entry for {path:?} already")]
    AlreadyThere {
        /// The path on the phone.
        path: RemotePath,
    },
    /// No entry has this number, or it is not in a state that allows the record.
    #[error("the catalogue has no entry {id} that this could be recorded for")]
    NoSuchEntry {
        /// The number.
        id: EntryId,
    },
    /// A run was cut off while it wrote, and what it left can only be settled by writing.
    #[error("a run was cut off while it wrote {}, which cannot be written now", path.display())]
    CutOff {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("the catalogue {} cannot be written", path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
    },
    /// This user may not read it.
    #[error("this user may not read the catalogue {}", path.display())]
    Forbidden {
        /// The file.
        path: PathBuf,
    },
    /// It bears its name no more.
    #[error("somebody moved or removed the catalogue {} while it was written", path.display())]
    Moved {
        /// The file.
        path: PathBuf,
    },
    /// SQLite failed otherwise.
    #[error("cannot {action} the catalogue {}", path.display())]
    Sqlite {
        /// What was to be done.
        action: CatalogueAction,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl CatalogueError {
    pub(super) fn from_sqlite(
        action: CatalogueAction,
        db: &Connection,
        source: rusqlite::Error,
    ) -> Self {
        Self::at(action, Path::new(db.path().unwrap_or_default()), source)
    }

    /// The same about a row: which one it is.
    pub(super) fn in_row(self, row: &str) -> Self {
        match self {
            Self::Corrupt { path, what } => Self::Corrupt {
                path,
                what: format!("{row}: {what}"),
            },
            other => other,
        }
    }

    pub(super) fn at(action: CatalogueAction, path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => return Self::NotACatalogue { path },
            Some(ErrorCode::DatabaseCorrupt) => {
                return Self::Corrupt {
                    path,
                    what: source.to_string(),
                };
            }
            Some(ErrorCode::TooBig) => {
                return Self::Corrupt {
                    path,
                    what: "a value is larger than any that rescue writes".to_owned(),
                };
            }
            Some(ErrorCode::OperationInterrupted) => {
                return Self::Corrupt {
                    path,
                    what: "it has more rows than fit into its bytes".to_owned(),
                };
            }
            Some(ErrorCode::ReadOnly) => {
                let wants_settling = [SQLITE_READONLY_RECOVERY, SQLITE_READONLY_ROLLBACK];
                let said = source.sqlite_error().map(|error| error.extended_code);
                return match said {
                    Some(said) if wants_settling.contains(&said) => Self::CutOff { path },
                    Some(SQLITE_READONLY_DBMOVED) => Self::Moved { path },
                    _ => Self::NotWritable { path },
                };
            }
            // Too many open files and a disk that is gone have the same code: what is known of the
            // rights decides.
            Some(ErrorCode::CannotOpen)
                if action == CatalogueAction::Open && is_unreadable(&path) =>
            {
                return Self::Forbidden { path };
            }
            // To read what another program left in WAL mode, SQLite makes files beside it.
            Some(ErrorCode::CannotOpen)
                if action != CatalogueAction::Open && path.parent().is_some_and(is_unwritable) =>
            {
                return Self::NotWritable { path };
            }
            Some(ErrorCode::DiskFull) => return Self::Full { action, path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                return Self::Busy { path };
            }
            _ => {}
        }
        let what = match &source {
            E::InvalidColumnType(_, column, kind) => format!("the column {column} holds {kind}"),
            E::IntegralValueOutOfRange(_, value) => format!("the number {value} is out of range"),
            E::FromSqlConversionFailure(_, _, cause) => cause.to_string(),
            E::Utf8Error(..) | E::QueryReturnedNoRows => source.to_string(),
            _ => String::new(),
        };
        match source {
            _ if !what.is_empty() => Self::Corrupt { path, what },
            source => Self::Sqlite {
                action,
                path,
                source,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn failures_of_sqlite_are_told_apart_by_what_to_do_next() {
        let met = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            CatalogueError::at(CatalogueAction::Read, Path::new("rescue.db"), error)
        };
        use CatalogueError as C;
        let cannot_open = met(ffi::SQLITE_CANTOPEN);
        assert!(
            matches!(
                cannot_open,
                C::Sqlite {
                    action: CatalogueAction::Read,
                    ..
                }
            ),
            "{cannot_open:?}"
        );
        let advice = format!("{:?}", crate::error::Error::from(cannot_open));
        assert!(!advice.contains("user"), "{advice}");
        let cut_off = met(ffi::SQLITE_READONLY_ROLLBACK);
        assert!(matches!(cut_off, C::CutOff { .. }), "{cut_off:?}");
        let read_only = met(ffi::SQLITE_READONLY);
        assert!(matches!(read_only, C::NotWritable { .. }), "{read_only:?}");
        let moved = met(ffi::SQLITE_READONLY_DBMOVED);
        assert!(matches!(moved, C::Moved { .. }), "{moved:?}");
    }
}
