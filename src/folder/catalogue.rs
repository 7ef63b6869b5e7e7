//! The catalogue, `rescue.db`: all facts about every file of the phone.
//!
//! In: new entries and [`Record`]s, a whole group per transaction. Out: entries, in order, one at a time. A file in
//! `data/` is recorded only after it is on the disk, so the catalogue may lag behind the disk by one group, but is
//! never ahead of it.
//!
//! SQLite with a rollback journal whose beginning is zeroed at each commit (`journal_mode=PERSIST`), and
//! `synchronous=FULL`. Not WAL: committed data would be in side files, a person may copy `rescue.db` alone, and WAL
//! needs shared memory, which network shares do not provide. Not the default DELETE: if a power cut loses the
//! journal's removal, the last transaction is undone. Not TRUNCATE: the next transaction gets the same clusters
//! again, and on exFAT, as on every filesystem that may write a file's new length before its bytes, a power cut
//! restores the journal of the last transaction, and SQLite undoes half of what it had committed. Zeroed and synced
//! bytes do not come back. The journal is removed when the catalogue is closed. On a local disk, other processes may
//! read between two transactions (`rescue status` does). Elsewhere SQLite takes its locks once
//! (`locking_mode=EXCLUSIVE`), because some shares answer each of SQLite's locks with an error or a long wait.
//!
//! The file is untrusted: it may come from anywhere. SQLite is restricted to what a catalogue needs (`defence`),
//! tables that differ from ours in a word are refused, and every value is checked when its row is read.

mod defence;
mod error;
mod reads;
mod rows;
mod schema;
mod survey;
mod uploads;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

use super::disk::system::has_quick_locks;
use super::entry::{EntryId, NewEntry, Record, RunId, RunOutcome};
use super::job::JobLabel;
use crate::item::{Marks, PhoneIdentity};
use defence::Effort;
pub use error::{CatalogueAction, CatalogueError};
use rows::stored_size;

/// How long somebody who reads may take: no run ends for that. Who reads waits for some seconds only.
const PATIENCE: Duration = Duration::from_secs(60);

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
    /// What reading it may take.
    effort: Effort,
    /// Dropped after the database is closed: Windows removes no file that is open.
    _journal: FinishedJournal,
}

impl Catalogue {
    /// Opens an existing catalogue.
    pub(super) fn open(path: &Path, access: Access) -> Result<Self, CatalogueError> {
        let mut catalogue = Self::connect(path, access, OpenFlags::empty())?;
        match schema::inspect(&catalogue.db)? {
            schema::DatabaseContent::Empty => Err(CatalogueError::NotACatalogue {
                path: path.to_owned(),
            }),
            schema::DatabaseContent::Catalogue(version) => {
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
            schema::DatabaseContent::Empty => {
                catalogue
                    .configure()
                    .map_err(|e| catalogue.failed(CatalogueAction::SetUp, e))?;
                catalogue.effort.is_for_our_tables();
                schema::create(&mut catalogue.db, phone)
                    .map_err(|e| catalogue.failed(CatalogueAction::Create, e))?;
                schema::KNOWN_VERSION
            }
            schema::DatabaseContent::Catalogue(version) => version,
        };
        catalogue.settle(version)?;
        Ok(catalogue)
    }

    fn connect(path: &Path, access: Access, extra: OpenFlags) -> Result<Self, CatalogueError> {
        let mode = match access {
            Access::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        defence::check_journal(path)?;
        // No SQLITE_OPEN_URI: a folder's name may begin with "file:".
        let flags = mode | extra | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags)
            .map_err(|e| CatalogueError::at(CatalogueAction::Open, path, e))?;
        let effort = defence::set_up(&mut db, path)
            .map_err(|e| CatalogueError::at(CatalogueAction::SetUp, path, e))?;
        let journal = (access == Access::ReadWrite).then(|| {
            let mut journal = path.to_owned().into_os_string();
            journal.push("-journal");
            journal.into()
        });
        Ok(Self {
            db,
            path: path.to_owned(),
            access,
            effort,
            _journal: FinishedJournal(journal),
        })
    }

    fn configure(&self) -> rusqlite::Result<()> {
        if self.access == Access::ReadWrite {
            self.db.busy_timeout(PATIENCE)?;
            if !self.path.parent().is_some_and(has_quick_locks) {
                self.db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            }
            self.db
                .pragma_update_and_check(None, "journal_mode", "PERSIST", |_| Ok(()))?;
            self.db.pragma_update(None, "synchronous", "FULL")?;
            // 16 MiB: a large plan fits, so that its pages are written once, in order.
            self.db.pragma_update(None, "cache_size", -16_384)?;
        }
        Ok(())
    }

    /// Makes a catalogue of a known version ready for use; nothing is done with its tables before
    /// they are known to be ours.
    fn settle(&mut self, version: i64) -> Result<(), CatalogueError> {
        match schema::is_as_made(&self.db, version)
            .map_err(|e| self.failed(CatalogueAction::Read, e))?
        {
            true => self.effort.is_for_our_tables(),
            false => return Err(self.corrupt("its tables are not those that rescue makes")),
        }
        self.configure()
            .map_err(|e| self.failed(CatalogueAction::SetUp, e))?;
        if self.access == Access::ReadWrite {
            let _bounded = self.effort.bounded();
            schema::migrate(&mut self.db, version)
                .map_err(|e| self.failed(CatalogueAction::Upgrade, e))?;
        }
        Ok(())
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
            .map_err(|e| self.failed(CatalogueAction::Write, e))?;
        Ok(())
    }

    /// Takes over what else tells the phone from others now; what it does not tell now stays.
    pub fn set_marks(&mut self, marks: &Marks) -> Result<(), CatalogueError> {
        let known = self.marks()?;
        let is_known = |(name, value): &(&String, &String)| known.0.get(*name) == Some(*value);
        let path = self.path.clone();
        let failed = |e| CatalogueError::at(CatalogueAction::Write, &path, e);
        let transaction = self.db.transaction().map_err(failed)?;
        for (name, value) in marks.0.iter().filter(|mark| !is_known(mark)) {
            let sql = "INSERT OR REPLACE INTO phone_mark (name, value) VALUES (?, ?)";
            transaction
                .execute(sql, params![name, value])
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    /// Records whose phone it is, and a note, in place of what was there.
    pub fn set_job(&mut self, label: &JobLabel) -> Result<(), CatalogueError> {
        let sql = "INSERT OR REPLACE INTO job (id, customer, note) VALUES (1, ?, ?)";
        self.db
            .execute(sql, params![label.customer(), label.note()])
            .map_err(|e| self.failed(CatalogueAction::Write, e))?;
        Ok(())
    }

    /// Plans entries, all in one transaction; their numbers come in the same order.
    pub fn insert_planned(
        &mut self,
        entries: impl IntoIterator<Item = NewEntry>,
    ) -> Result<Vec<EntryId>, CatalogueError> {
        let path = self.path.clone();
        let failed = |e| CatalogueError::at(CatalogueAction::Write, &path, e);
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let entries = entries.into_iter();
        let mut ids = Vec::with_capacity(entries.size_hint().1.unwrap_or_default());
        {
            let mut insert = transaction
                .prepare(
                    "INSERT INTO entry (path, version, local, size, size_is_exact, mtime, state, attempts) \
                     VALUES (?, ?, ?, ?, ?, ?, 'planned', 0)",
                )
                .map_err(failed)?;
            for entry in entries {
                let values = params![
                    entry.item.path.as_bytes(),
                    entry.version,
                    entry.local.as_str(),
                    stored_size(entry.item.size),
                    entry.item.size_is_exact,
                    entry.item.mtime,
                ];
                match insert.insert(values) {
                    Ok(id) => ids.push(EntryId(id)),
                    Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                        return Err(CatalogueError::AlreadyThere {
                            path: entry.item.path,
                        });
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
        let failed = |e| CatalogueError::at(CatalogueAction::Write, &path, e);
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

    /// Notes that a run begins, at a time in seconds since 1970.
    pub fn begin_run(&mut self, now: i64, tool: &str) -> Result<RunId, CatalogueError> {
        self.db
            .execute(
                "INSERT INTO run (started, tool) VALUES (?, ?)",
                params![now, tool],
            )
            .map_err(|e| self.failed(CatalogueAction::Write, e))?;
        Ok(RunId(self.db.last_insert_rowid()))
    }

    /// Takes back that a run began: it did nothing.
    pub fn forget_run(&mut self, run: RunId) -> Result<(), CatalogueError> {
        self.db
            .execute("DELETE FROM run WHERE id = ?", params![run.0])
            .map_err(|e| self.failed(CatalogueAction::Write, e))?;
        Ok(())
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
            .map_err(|e| self.failed(CatalogueAction::Write, e))?;
        Ok(())
    }

    /// Notes, at a time in seconds since 1970, that a run which was cut short has its manifest now: as
    /// one that was interrupted.
    pub fn end_cut_short(&mut self, now: i64) -> Result<(), CatalogueError> {
        self.db
            .execute(
                "UPDATE run SET ended = coalesce(ended, ?), outcome = ? \
                 WHERE id = (SELECT max(id) FROM run) AND (ended IS NULL OR outcome = ?)",
                params![
                    now,
                    RunOutcome::Interrupted.as_str(),
                    RunOutcome::Failed.as_str()
                ],
            )
            .map_err(|e| self.failed(CatalogueAction::Write, e))?;
        Ok(())
    }

    fn failed(&self, action: CatalogueAction, source: rusqlite::Error) -> CatalogueError {
        CatalogueError::at(action, &self.path, source)
    }

    fn corrupt(&self, what: &str) -> CatalogueError {
        CatalogueError::Corrupt {
            path: self.path.clone(),
            what: what.to_owned(),
        }
    }
}

/// Removes the journal, which begins with zeros between transactions; one that does not is SQLite's to
/// deal with (<https://sqlite.org/fileformat2.html>, "hot").
#[derive(Debug)]
struct FinishedJournal(Option<PathBuf>);

impl Drop for FinishedJournal {
    fn drop(&mut self) {
        let is_finished = |journal: &Path| {
            let is_file = fs::symlink_metadata(journal).is_ok_and(|found| found.is_file());
            let mut first = [0];
            is_file
                && fs::File::open(journal)
                    .and_then(|mut file| file.read(&mut first))
                    .is_ok_and(|_| first == [0])
        };
        if let Some(journal) = self.0.as_deref().filter(|journal| is_finished(journal)) {
            let _ = fs::remove_file(journal);
        }
    }
}

#[cfg(test)]
mod tests;
