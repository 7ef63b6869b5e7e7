//! Restricts SQLite before it reads a catalogue of unknown origin (<https://sqlite.org/security.html>).
//!
//! In: a connection that was just opened. Out: a connection that runs no code from the file, accepts no value larger
//! than any of ours, and aborts a statement that takes more steps than the file can justify: pages may form circles,
//! so that a small file has rows without end.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;

use super::CatalogueError;

/// The largest value or row, in bytes; a row of ours takes some kilobytes.
const MAX_ROW_BYTES: i32 = 1024 * 1024;

/// A limit above everything that our statements, tables and expressions need.
const LIMITS: [(Limit, i32); 11] = [
    (Limit::SQLITE_LIMIT_LENGTH, MAX_ROW_BYTES),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 16 * 1024),
    (Limit::SQLITE_LIMIT_COLUMN, 32),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 30),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 4),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 8),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 64),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 32),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    (Limit::SQLITE_LIMIT_SCHEMA, 64),
];

/// Asked so often how much was done, in steps of SQLite's machine.
const STEPS_PER_QUESTION: u32 = 1000;
/// What reading the list of tables may take: ours take some hundred steps.
const STEPS_OF_SCHEMA: u64 = 100_000;
/// What a statement may take besides.
const STEPS_AT_LEAST: u64 = 10_000_000;
/// A row takes 100 bytes and more, and a statement some 50 steps for each that it looks at.
const STEPS_PER_BYTE: u64 = 20;

/// Set on: nothing of the file's own is run or computed.
const SWITCHES: [(DbConfig, bool); 8] = [
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
];

/// How much SQLite may still do.
#[derive(Debug)]
pub(super) struct Effort {
    steps_left: Arc<AtomicU64>,
    path: Box<Path>,
}

/// While it lives, what is read of a catalogue is bounded by its size.
#[must_use]
pub(super) struct ReadBudget<'a> {
    effort: &'a Effort,
    before: u64,
}

impl Effort {
    /// The tables are ours: what looks at single rows ends by itself.
    pub(super) fn is_for_our_tables(&self) {
        self.steps_left.store(u64::MAX, Ordering::Relaxed);
    }

    /// To be held while a statement reads many rows. Others may be run meanwhile, with their own.
    pub(super) fn bounded(&self) -> ReadBudget<'_> {
        let bytes = fs::symlink_metadata(&self.path).map_or(0, |found| found.len());
        let steps = bytes.saturating_mul(STEPS_PER_BYTE);
        let before = self
            .steps_left
            .swap(steps.saturating_add(STEPS_AT_LEAST), Ordering::Relaxed);
        ReadBudget {
            effort: self,
            before,
        }
    }
}

impl Drop for ReadBudget<'_> {
    fn drop(&mut self) {
        self.effort.steps_left.store(self.before, Ordering::Relaxed);
    }
}

/// Tells SQLite.
pub(super) fn set_up(db: &mut Connection, path: &Path) -> rusqlite::Result<Effort> {
    for (switch, is_on) in SWITCHES {
        db.set_db_config(switch, is_on)?;
    }
    for (limit, most) in LIMITS {
        db.set_limit(limit, most)?;
    }
    let steps_left = Arc::new(AtomicU64::new(STEPS_OF_SCHEMA));
    let left = Arc::clone(&steps_left);
    db.progress_handler(
        STEPS_PER_QUESTION as i32,
        Some(move || {
            let before = left.load(Ordering::Relaxed);
            let after = before.saturating_sub(u64::from(STEPS_PER_QUESTION));
            left.store(after, Ordering::Relaxed);
            after == 0
        }),
    )?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "mmap_size", 0)?;
    Ok(Effort {
        steps_left,
        path: path.into(),
    })
}

/// How a journal ends that names another one (<https://sqlite.org/fileformat2.html>).
const ENDS_WITH_A_NAME: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// Refuses a journal that names a journal of several databases: SQLite would read the file of that
/// name, wherever it is, and remove it; newer versions only if it is named like such a journal. No
/// catalogue was ever written together with another database.
pub(super) fn check_journal(path: &Path) -> Result<(), CatalogueError> {
    let mut journal = path.to_owned().into_os_string();
    journal.push("-journal");
    let journal = Path::new(&journal);
    let ending = || {
        let mut file = File::open(journal)?;
        let mut ending = [0; ENDS_WITH_A_NAME.len()];
        let bytes = file.seek(SeekFrom::End(0))?;
        if bytes >= ending.len() as u64 {
            file.seek(SeekFrom::End(-(ending.len() as i64)))?;
            file.read_exact(&mut ending)?;
        }
        Ok::<_, std::io::Error>(ending)
    };
    match ending() {
        Ok(ENDS_WITH_A_NAME) => Err(CatalogueError::Corrupt {
            path: journal.to_owned(),
            what: "it leads to another file".to_owned(),
        }),
        // What cannot be read SQLite cannot read either.
        Ok(_) | Err(_) => Ok(()),
    }
}
