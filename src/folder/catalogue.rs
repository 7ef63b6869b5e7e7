//! The catalogue, `rescue.db`: what is known about every file of the phone.
//!
//! What goes in: new entries and [`Record`]s, whole groups per transaction. What comes out:
//! entries, in order, one at a time. A file of `data/` is recorded only after it is on the disk, so
//! the catalogue may lag behind the disk by a group, but never runs ahead of it.
//!
//! SQLite with a rollback journal that is truncated at each commit, and `synchronous=FULL`. Not
//! WAL: its side files hold what is committed, a person may copy `rescue.db` alone, and it needs
//! shared memory, which network shares do not give. Not the default DELETE: a journal whose
//! removal is lost in a power cut undoes the last transaction; a truncation is synced. The journal
//! is removed when the catalogue is closed. Locks are taken once (`locking_mode=EXCLUSIVE`), for
//! some shares answer every one of SQLite's own locks with an error or a long wait.
//!
//! The file is not trusted: it may come from anywhere. Tables, views and triggers that are not
//! ours are refused, and every value is checked before it is used.

mod rows;
mod schema;

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior,
    config::DbConfig, params,
};

use super::entry::{
    Companion, Count, Entry, EntryId, NewEntry, Payload, PhoneIdentity, Proof, Record, Run, RunId,
    RunOutcome, State, Summary,
};
use crate::adb::RemotePath;
use crate::names::LocalPath;
use rows::{COLUMNS, companion, entry, stored_size};

/// What is wrong with a catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file is no catalogue of `rescue`.
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
    /// The disk is full.
    #[error("the disk is full: cannot {action} the catalogue {}", path.display())]
    Full {
        /// What was to be done.
        action: &'static str,
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
    /// SQLite failed otherwise.
    #[error("cannot {action} the catalogue {}", path.display())]
    Sqlite {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl CatalogueError {
    fn from_sqlite(action: &'static str, db: &Connection, source: rusqlite::Error) -> Self {
        Self::at(action, Path::new(db.path().unwrap_or_default()), source)
    }

    fn at(action: &'static str, path: &Path, source: rusqlite::Error) -> Self {
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
            Some(ErrorCode::DiskFull) => return Self::Full { action, path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                return Self::Busy { path };
            }
            _ => {}
        }
        match source {
            E::InvalidColumnType(..)
            | E::IntegralValueOutOfRange(..)
            | E::FromSqlConversionFailure(..)
            | E::Utf8Error(..)
            | E::QueryReturnedNoRows => Self::Corrupt {
                path,
                what: source.to_string(),
            },
            source => Self::Sqlite {
                action,
                path,
                source,
            },
        }
    }
}

/// Whether a catalogue is opened to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To be read and changed.
    ReadWrite,
    /// To be read; works on media that cannot be written.
    ReadOnly,
}

/// An open catalogue.
#[derive(Debug)]
pub struct Catalogue {
    db: Connection,
    path: PathBuf,
    access: Access,
}

impl Catalogue {
    /// Opens an existing catalogue.
    pub(super) fn open(path: &Path, access: Access) -> Result<Self, CatalogueError> {
        let mut catalogue = Self::connect(path, access, OpenFlags::empty())?;
        match schema::inspect(&catalogue.db)? {
            schema::Found::Empty => Err(CatalogueError::NotACatalogue {
                path: path.to_owned(),
            }),
            schema::Found::Catalogue(version) => {
                catalogue.settle(version)?;
                Ok(catalogue)
            }
        }
    }

    /// Opens a catalogue, or creates it for this phone where there is none.
    pub(super) fn create_or_open(
        path: &Path,
        phone: &PhoneIdentity,
    ) -> Result<Self, CatalogueError> {
        let mut catalogue = Self::connect(path, Access::ReadWrite, OpenFlags::SQLITE_OPEN_CREATE)?;
        let version = match schema::inspect(&catalogue.db)? {
            schema::Found::Empty => {
                catalogue
                    .configure()
                    .map_err(|e| catalogue.failed("set up", e))?;
                schema::create(&mut catalogue.db, phone)
                    .map_err(|e| catalogue.failed("create", e))?;
                schema::KNOWN_VERSION
            }
            schema::Found::Catalogue(version) => version,
        };
        catalogue.settle(version)?;
        Ok(catalogue)
    }

    fn connect(path: &Path, access: Access, extra: OpenFlags) -> Result<Self, CatalogueError> {
        let mode = match access {
            Access::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        // No SQLITE_OPEN_URI: a folder's name may begin with "file:".
        let flags = mode | extra | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags)
            .map_err(|e| CatalogueError::at("open", path, e))?;
        Ok(Self {
            db,
            path: path.to_owned(),
            access,
        })
    }

    fn configure(&self) -> rusqlite::Result<()> {
        self.db
            .set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        self.db
            .set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        self.db
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        self.db
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        self.db.pragma_update(None, "cell_size_check", true)?;
        self.db.pragma_update(None, "mmap_size", 0)?;
        if self.access == Access::ReadWrite {
            self.db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            self.db
                .pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(()))?;
            self.db.pragma_update(None, "synchronous", "FULL")?;
        }
        Ok(())
    }

    /// Makes a catalogue of a known version ready for use.
    fn settle(&mut self, version: i64) -> Result<(), CatalogueError> {
        self.configure().map_err(|e| self.failed("set up", e))?;
        if self.access == Access::ReadWrite {
            schema::migrate(&mut self.db, version).map_err(|e| self.failed("upgrade", e))?;
        }
        match schema::is_as_made(&self.db).map_err(|e| self.failed("read", e))? {
            true => Ok(()),
            false => Err(self.corrupt("its tables are not those that rescue makes")),
        }
    }

    /// The phone that the folder belongs to.
    pub fn identity(&self) -> Result<PhoneIdentity, CatalogueError> {
        self.db
            .query_row(
                "SELECT serial, model, manufacturer, android_version FROM phone",
                [],
                |row| {
                    Ok(PhoneIdentity {
                        serial: row.get(0)?,
                        model: row.get(1)?,
                        manufacturer: row.get(2)?,
                        android_version: row.get(3)?,
                    })
                },
            )
            .map_err(|e| self.failed("read", e))
    }

    /// Takes over what changes about a phone: its Android version.
    pub(super) fn update_identity(&mut self, phone: &PhoneIdentity) -> Result<(), CatalogueError> {
        let values = params![
            phone.serial,
            phone.model,
            phone.manufacturer,
            phone.android_version
        ];
        self.db
            .execute(
                "UPDATE phone SET serial = ?, model = ?, manufacturer = ?, android_version = ?",
                values,
            )
            .map_err(|e| self.failed("write", e))?;
        Ok(())
    }

    /// Reads SQLite's own structures through; takes seconds for the largest catalogues.
    pub fn check_structure(&self) -> Result<(), CatalogueError> {
        let answer: String = self
            .db
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|e| self.failed("check", e))?;
        if answer == "ok" {
            Ok(())
        } else {
            Err(self.corrupt(&answer))
        }
    }

    /// Plans entries, all in one transaction; their numbers come in the same order.
    pub fn insert_planned(
        &mut self,
        entries: impl IntoIterator<Item = NewEntry>,
    ) -> Result<Vec<EntryId>, CatalogueError> {
        let path = self.path.clone();
        let failed = |e| CatalogueError::at("write", &path, e);
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let mut ids = Vec::new();
        {
            let mut insert = transaction
                .prepare(
                    "INSERT INTO entry (path, version, local, size, size_is_exact, mtime, state, attempts) \
                     VALUES (?, ?, ?, ?, ?, ?, 'planned', 0)",
                )
                .map_err(failed)?;
            for entry in entries {
                let values = params![
                    entry.path.as_bytes(),
                    entry.version,
                    entry.local.as_str(),
                    stored_size(entry.size),
                    entry.size_is_exact,
                    entry.mtime,
                ];
                match insert.insert(values) {
                    Ok(id) => ids.push(EntryId(id)),
                    Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                        return Err(CatalogueError::AlreadyThere { path: entry.path });
                    }
                    Err(e) => return Err(failed(e)),
                }
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(ids)
    }

    /// Records a group's changes, in their order, all in one transaction: all of them are on the
    /// disk when this returns, or none is.
    pub fn record(&mut self, records: &[Record]) -> Result<(), CatalogueError> {
        let path = self.path.clone();
        let failed = |e| CatalogueError::at("write", &path, e);
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        {
            let mut recorder = rows::Recorder::new(&transaction);
            for record in records {
                if !recorder.record(record).map_err(failed)? {
                    return Err(CatalogueError::NoSuchEntry { id: record.id() });
                }
            }
        }
        transaction.commit().map_err(failed)
    }

    /// One entry.
    pub fn entry(&self, id: EntryId) -> Result<Option<Entry>, CatalogueError> {
        self.one(
            &format!("SELECT {COLUMNS} FROM entry WHERE id = ?"),
            params![id.0],
        )
    }

    /// The newest version of the phone's file at `path`.
    pub fn latest(&self, path: &RemotePath) -> Result<Option<Entry>, CatalogueError> {
        self.one(
            &format!("SELECT {COLUMNS} FROM entry WHERE path = ? ORDER BY version DESC LIMIT 1"),
            params![path.as_bytes()],
        )
    }

    /// Calls `f` with every entry, ordered by path (as bytes) and version.
    pub fn for_each_by_path<E: From<CatalogueError>>(
        &self,
        f: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each(
            &format!("SELECT {COLUMNS} FROM entry ORDER BY path, version"),
            entry,
            f,
        )
    }

    /// Calls `f` with every entry that is failed or damaged, ordered by path.
    pub fn for_each_failed<E: From<CatalogueError>>(
        &self,
        f: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each(
            &format!("SELECT {COLUMNS} FROM entry WHERE state IN ('failed', 'damaged') ORDER BY path, version"),
            entry,
            f,
        )
    }

    /// Calls `f` with every file that is below `data/`, companions too, ordered by local path (as
    /// bytes).
    pub fn for_each_payload<E: From<CatalogueError>>(
        &self,
        f: impl FnMut(Payload) -> Result<(), E>,
    ) -> Result<(), E> {
        // SQLite merges the two by their indexes: nothing is sorted or held.
        self.each(
            "SELECT local, size, sha256 FROM entry \
             WHERE sha256 IS NOT NULL AND state IN ('pulled', 'verified', 'superseded') \
             UNION ALL SELECT local, size, sha256 FROM companion ORDER BY local",
            |row| {
                companion(row).map(
                    |Companion {
                         local,
                         size,
                         sha256,
                     }| Payload {
                        local,
                        size,
                        sha256,
                    },
                )
            },
            f,
        )
    }

    /// Calls `f` with the local path of every companion, so that none is handed out again.
    pub fn for_each_companion<E: From<CatalogueError>>(
        &self,
        f: impl FnMut(Companion) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each(
            "SELECT local, size, sha256 FROM companion ORDER BY local",
            companion,
            f,
        )
    }

    /// What is kept of a damaged entry.
    pub fn companions(&self, id: EntryId) -> Result<Vec<Companion>, CatalogueError> {
        let mut found = Vec::new();
        let sql = "SELECT local, size, sha256 FROM companion WHERE entry = ? ORDER BY local";
        self.each_of(sql, params![id.0], companion, |companion| {
            found.push(companion);
            Ok::<_, CatalogueError>(())
        })?;
        Ok(found)
    }

    /// How many entries and bytes are in which state.
    pub fn summary(&self) -> Result<Summary, CatalogueError> {
        let mut summary = Summary::default();
        self.each(
            "SELECT state, proof, count(*), total(size) FROM entry GROUP BY state, proof",
            |row| {
                // total() is a float: a hostile listing's sizes may not fit an integer together.
                let bytes: f64 = row.get(3)?;
                let count = Count {
                    files: rows::whole(row, 2)?,
                    bytes: bytes as u64,
                };
                Ok((rows::state(row, 0, 1)?, count))
            },
            |(state, count)| {
                let sums = match state {
                    State::Planned => [Some(&mut summary.planned), None],
                    State::Pulled => [Some(&mut summary.pulled), None],
                    State::Verified(Proof::Size) => [
                        Some(&mut summary.verified),
                        Some(&mut summary.verified_by_size),
                    ],
                    State::Verified(Proof::Sha256 | Proof::Sha1 | Proof::Md5) => {
                        [Some(&mut summary.verified), None]
                    }
                    State::Damaged => [Some(&mut summary.damaged), None],
                    State::Failed => [Some(&mut summary.failed), None],
                    State::Superseded => [Some(&mut summary.superseded), None],
                };
                for sum in sums.into_iter().flatten() {
                    sum.files += count.files;
                    sum.bytes = sum.bytes.saturating_add(count.bytes);
                }
                Ok::<_, CatalogueError>(())
            },
        )?;
        Ok(summary)
    }

    /// Notes that a run begins, at a time in seconds since 1970.
    pub fn begin_run(&mut self, now: i64, tool: &str) -> Result<RunId, CatalogueError> {
        self.db
            .execute(
                "INSERT INTO run (started, tool) VALUES (?, ?)",
                params![now, tool],
            )
            .map_err(|e| self.failed("write", e))?;
        Ok(RunId(self.db.last_insert_rowid()))
    }

    /// Notes how a run ended, at a time in seconds since 1970.
    pub fn end_run(
        &mut self,
        run: RunId,
        now: i64,
        outcome: RunOutcome,
    ) -> Result<(), CatalogueError> {
        self.db
            .execute(
                "UPDATE run SET ended = ?, outcome = ? WHERE id = ?",
                params![now, outcome.as_str(), run.0],
            )
            .map_err(|e| self.failed("write", e))?;
        Ok(())
    }

    /// The run that began last.
    pub fn last_run(&self) -> Result<Option<Run>, CatalogueError> {
        self.db
            .query_row(
                "SELECT started, ended, tool, outcome FROM run ORDER BY id DESC LIMIT 1",
                [],
                rows::run,
            )
            .optional()
            .map_err(|e| self.failed("read", e))
    }

    fn one(
        &self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Option<Entry>, CatalogueError> {
        self.db
            .query_row(sql, values, entry)
            .optional()
            .map_err(|e| self.failed("read", e))
    }

    fn each<T, E: From<CatalogueError>>(
        &self,
        sql: &str,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
        f: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_of(sql, params![], read, f)
    }

    fn each_of<T, E: From<CatalogueError>>(
        &self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
        mut read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
        mut f: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |e| E::from(self.failed("read", e));
        let mut statement = self.db.prepare(sql).map_err(failed)?;
        let mut rows = statement.query(values).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            f(read(row).map_err(failed)?)?;
        }
        Ok(())
    }

    fn failed(&self, action: &'static str, source: rusqlite::Error) -> CatalogueError {
        CatalogueError::at(action, &self.path, source)
    }

    fn corrupt(&self, what: &str) -> CatalogueError {
        CatalogueError::Corrupt {
            path: self.path.clone(),
            what: what.to_owned(),
        }
    }
}

impl Drop for Catalogue {
    /// Removes the journal, which is empty between transactions; one that is not is SQLite's to
    /// deal with.
    fn drop(&mut self) {
        if self.access == Access::ReadOnly || !self.db.is_autocommit() {
            return;
        }
        let mut journal = self.path.clone().into_os_string();
        journal.push("-journal");
        if fs::symlink_metadata(&journal).is_ok_and(|found| found.is_file() && found.len() == 0) {
            let _ = fs::remove_file(&journal);
        }
    }
}

/// A local path read from the catalogue, for [`rows`].
fn local_path(text: &str) -> Option<LocalPath> {
    LocalPath::new(text).ok()
}

#[cfg(test)]
mod tests;
