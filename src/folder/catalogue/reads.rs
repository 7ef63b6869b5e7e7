//! Queries of the catalogue. Lists come in order, one entry at a time.

use std::collections::{BTreeSet, HashSet};

use rusqlite::types::Type;
use rusqlite::{Row, ToSql, params};

use super::rows::{self, COLUMNS, MAX_MESSAGE_BYTES, MAX_WORD_BYTES, companion, entry};
use super::{Catalogue, CatalogueAction, CatalogueError};
use crate::adb::RemotePath;
use crate::digest::Sha256;
use crate::folder::entry::{Companion, Count, Entry, EntryId, Payload, Run, Summary};
use crate::folder::job::JobLabel;
use crate::item::{Marks, PhoneIdentity};
use crate::names::LocalPath;

/// The version that knows how much of a kept copy is missing.
const GAPS_SINCE_VERSION: i64 = 7;
/// The version that introduced the marks that distinguish phones.
const MARKS_SINCE_VERSION: i64 = 6;
/// The version that introduced the label.
const JOB_SINCE_VERSION: i64 = 8;

/// Entries that are read at once where somebody may be slow to take them.
const PAGE: u32 = 500;

/// A folder that is pulled into every hour for a year has fewer.
const MAX_RUNS: u32 = 10_000;

impl Catalogue {
    /// The phone that the folder belongs to.
    pub fn identity(&self) -> Result<PhoneIdentity, CatalogueError> {
        let sql = "SELECT serial, model, manufacturer, android_version FROM phone WHERE id = 1";
        let found = self.first("phone", sql, params![], |row| {
            Ok(PhoneIdentity {
                serial: rows::text(row, 0, MAX_MESSAGE_BYTES)?,
                model: rows::text(row, 1, MAX_MESSAGE_BYTES)?,
                manufacturer: rows::text(row, 2, MAX_MESSAGE_BYTES)?,
                android_version: rows::text(row, 3, MAX_MESSAGE_BYTES)?,
            })
        })?;
        found.ok_or_else(|| self.corrupt("it does not name its phone"))
    }

    /// Returns the identity of this rescue folder, wherever it lies: its phone and its first run.
    pub(crate) fn mark(&self) -> Result<Sha256, CatalogueError> {
        let facts: String = self
            .db
            .query_row(
                "SELECT serial || char(10) || coalesce((SELECT started FROM run ORDER BY id LIMIT 1), '') FROM phone",
                [],
                |row| row.get(0),
            )
            .map_err(|e| self.failed(CatalogueAction::Read, e))?;
        Ok(Sha256::of(facts.as_bytes()))
    }

    /// What else than its serial number tells its phone from others; nothing in an older catalogue
    /// that cannot be written.
    pub fn marks(&self) -> Result<Marks, CatalogueError> {
        if self.version()? < MARKS_SINCE_VERSION {
            return Ok(Marks::default());
        }
        let mut found = Vec::new();
        let sql = "SELECT name, value FROM phone_mark WHERE length(value) < 1000 LIMIT 100";
        let read = |row: &Row<'_>| {
            let name = rows::text(row, 0, MAX_WORD_BYTES)?;
            Ok((name, rows::text(row, 1, MAX_WORD_BYTES)?))
        };
        self.each("phone_mark", sql, read, |mark| {
            found.push(mark);
            Ok::<_, CatalogueError>(())
        })?;
        Ok(Marks(found.into_iter().collect()))
    }

    /// Whose phone it is, and a note; empty in an older catalogue that cannot be written.
    pub fn job(&self) -> Result<JobLabel, CatalogueError> {
        if self.version()? < JOB_SINCE_VERSION {
            return Ok(JobLabel::default());
        }
        let sql = "SELECT customer, note FROM job WHERE id = 1";
        let found = self.first("job", sql, params![], |row| {
            let customer = rows::text(row, 0, MAX_MESSAGE_BYTES)?;
            let note = rows::text(row, 1, MAX_MESSAGE_BYTES)?;
            JobLabel::new(&customer, &note).map_err(|_| rows::wrong(0, Type::Text, "label"))
        })?;
        Ok(found.unwrap_or_default())
    }

    /// The version of its tables.
    pub(super) fn version(&self) -> Result<i64, CatalogueError> {
        self.db
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|e| self.failed(CatalogueAction::Read, e))
    }

    /// Some entries, to see whether a phone still has them: up to `most` of the latest, and as many
    /// from all over the catalogue.
    pub fn sample(&self, most: i64) -> Result<Vec<Entry>, CatalogueError> {
        let last: Option<i64> = self
            .db
            .query_row("SELECT max(id) FROM entry", [], |row| row.get(0))
            .map_err(|e| self.failed(CatalogueAction::Read, e))?;
        let Some(last) = last else {
            return Ok(Vec::new());
        };
        let latest = (0..most).map(|back| last.saturating_sub(back));
        let spread = (1..=most).map(|part| last / (most + 1) * part);
        let ids: BTreeSet<i64> = latest.chain(spread).filter(|id| *id > 0).collect();
        let found = ids.into_iter().map(|id| self.entry(EntryId(id)));
        found.filter_map(Result::transpose).collect()
    }

    /// Reads SQLite's own structures through; takes seconds for the largest catalogues.
    pub fn check_structure(&self) -> Result<(), CatalogueError> {
        let _bounded = self.effort.bounded();
        let answer: String = self
            .db
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|e| self.failed(CatalogueAction::Check, e))?;
        if answer == "ok" {
            Ok(())
        } else {
            Err(self.corrupt(&answer))
        }
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

    /// The entry whose place is `local`, whether it stands there or not.
    pub fn entry_at(&self, local: &LocalPath) -> Result<Option<Entry>, CatalogueError> {
        self.one(
            &format!("SELECT {COLUMNS} FROM entry WHERE local = ?"),
            params![local.as_str()],
        )
    }

    /// Calls `f` with every entry, ordered by path (as bytes) and version.
    pub fn for_each_by_path<E: From<CatalogueError>>(
        &self,
        f: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each(
            "entry",
            &format!("SELECT {COLUMNS} FROM entry ORDER BY path, version"),
            entry,
            self.ascending("entry", |it: &Entry| (it.item.path.clone(), it.version), f),
        )
    }

    /// Calls `f` with every entry, in the order in which they were made: what the file has one
    /// after the other, so that nothing is looked up or sorted.
    pub fn for_each<E: From<CatalogueError>>(
        &self,
        f: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each(
            "entry",
            &format!("SELECT {COLUMNS} FROM entry ORDER BY id"),
            entry,
            self.ascending("entry", |it: &Entry| it.id, f),
        )
    }

    /// Calls `f` with every entry that is failed or damaged, ordered by path. Nothing is locked while
    /// it is called, which may take as long as a person looks at a page.
    pub fn for_each_failed<E: From<CatalogueError>>(
        &self,
        mut f: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = (Vec::new(), 0);
        loop {
            let page = self.failed_after(&after.0, after.1)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = (last.item.path.as_bytes().to_owned(), last.version);
            page.into_iter().try_for_each(&mut f)?;
        }
    }

    fn failed_after(&self, path: &[u8], version: u32) -> Result<Vec<Entry>, CatalogueError> {
        let mut page = Vec::new();
        let sql = format!(
            "SELECT {COLUMNS} FROM entry WHERE (path, version) > (?, ?) \
             AND state IN ('failed', 'damaged') ORDER BY path, version LIMIT ?"
        );
        let f = |entry| {
            page.push(entry);
            Ok::<_, CatalogueError>(())
        };
        let f = self.ascending("entry", |it: &Entry| (it.item.path.clone(), it.version), f);
        self.each_of("entry", &sql, params![path, version, PAGE], entry, f)?;
        Ok(page)
    }

    /// Calls `f` with every file that is below `data/`, companions too, ordered by local path (as
    /// bytes).
    pub fn for_each_payload<E: From<CatalogueError>>(
        &self,
        f: impl FnMut(Payload) -> Result<(), E>,
    ) -> Result<(), E> {
        // SQLite merges the two by their indexes: nothing is sorted or held.
        self.each(
            "payload",
            "SELECT local, size, sha256 FROM entry \
             WHERE sha256 IS NOT NULL AND state IN ('pulled', 'verified', 'superseded') \
             UNION ALL SELECT local, size, sha256 FROM companion ORDER BY local",
            |row| {
                Ok(Payload {
                    local: rows::local(row, 0)?,
                    size: rows::whole(row, 1)?,
                    sha256: rows::sha256(row, 2)?,
                })
            },
            self.ascending("payload", |it: &Payload| it.local.clone(), f),
        )
    }

    /// What was kept of files that are here and true now, and is to be removed: a run that was cut
    /// short left it.
    pub fn outdated_companions(&self) -> Result<Vec<(EntryId, LocalPath)>, CatalogueError> {
        let mut found = Vec::new();
        self.each(
            "companion",
            "SELECT companion.local, entry.id FROM companion \
             JOIN entry ON entry.id = companion.entry WHERE entry.state = 'verified'",
            |row| Ok((EntryId(row.get(1)?), rows::local(row, 0)?)),
            |outdated| {
                found.push(outdated);
                Ok::<_, CatalogueError>(())
            },
        )?;
        Ok(found)
    }

    /// The entries of which something is kept beside their place.
    pub fn with_companions(&self) -> Result<HashSet<EntryId>, CatalogueError> {
        let mut found = HashSet::new();
        self.each(
            "companion",
            "SELECT DISTINCT entry FROM companion",
            |row| Ok(EntryId(row.get(0)?)),
            |id| {
                found.insert(id);
                Ok::<_, CatalogueError>(())
            },
        )?;
        Ok(found)
    }

    /// A catalogue that may only be read stays as an older version left it.
    fn companion_columns(&self) -> Result<&'static str, CatalogueError> {
        Ok(match self.version()? < GAPS_SINCE_VERSION {
            true => "local, size, sha256, NULL",
            false => "local, size, sha256, missing_bytes",
        })
    }

    /// Calls `f` with every companion, so that none's path is handed out again.
    pub fn for_each_companion<E: From<CatalogueError>>(
        &self,
        f: impl FnMut(Companion) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each(
            "companion",
            &format!(
                "SELECT {} FROM companion ORDER BY local",
                self.companion_columns()?
            ),
            companion,
            self.ascending("companion", |it: &Companion| it.local.clone(), f),
        )
    }

    /// Returns the kept files of a damaged entry, the oldest first: each later one has a longer name.
    pub fn companions(&self, id: EntryId) -> Result<Vec<Companion>, CatalogueError> {
        let mut found = Vec::new();
        let columns = self.companion_columns()?;
        let sql = format!(
            "SELECT {columns} FROM companion WHERE entry = ? ORDER BY length(local), local"
        );
        self.each_of("companion", &sql, params![id.0], companion, |companion| {
            found.push(companion);
            Ok::<_, CatalogueError>(())
        })?;
        Ok(found)
    }

    /// How many entries and bytes are in which state.
    pub fn summary(&self) -> Result<Summary, CatalogueError> {
        let mut summary = Summary::default();
        self.each(
            "entry",
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
                summary.add(state, count);
                Ok::<_, CatalogueError>(())
            },
        )?;
        Ok(summary)
    }

    /// The run that began last.
    pub fn last_run(&self) -> Result<Option<Run>, CatalogueError> {
        self.newest_runs(1).map(|mut runs| runs.pop())
    }

    /// All runs, in their order; of very many the newest.
    pub fn runs(&self) -> Result<Vec<Run>, CatalogueError> {
        self.newest_runs(MAX_RUNS)
    }

    fn newest_runs(&self, most: u32) -> Result<Vec<Run>, CatalogueError> {
        let mut runs = Vec::new();
        let sql = "SELECT started, ended, tool, outcome, id FROM run ORDER BY id DESC LIMIT ?";
        self.each_of("run", sql, params![most], rows::run, |run| {
            runs.push(run);
            Ok::<_, CatalogueError>(())
        })?;
        runs.reverse();
        Ok(runs)
    }

    fn one(&self, sql: &str, values: &[&dyn ToSql]) -> Result<Option<Entry>, CatalogueError> {
        self.first("entry", sql, values, entry)
    }

    /// The row of a statement that has one at most.
    pub(super) fn first<T>(
        &self,
        table: &str,
        sql: &str,
        values: &[&dyn ToSql],
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, CatalogueError> {
        let mut found = None;
        self.each_of(table, sql, values, read, |value| {
            found = Some(value);
            Ok::<_, CatalogueError>(())
        })?;
        Ok(found)
    }

    pub(super) fn each<T, E: From<CatalogueError>>(
        &self,
        table: &str,
        sql: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
        f: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_of(table, sql, params![], read, f)
    }

    /// Reads the rows of a statement, each checked; which row is wrong is told.
    pub(super) fn each_of<T, E: From<CatalogueError>>(
        &self,
        table: &str,
        sql: &str,
        values: &[&dyn ToSql],
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
        mut f: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let _bounded = self.effort.bounded();
        let failed = |e| E::from(self.failed(CatalogueAction::Read, e));
        let mut statement = self.db.prepare(sql).map_err(failed)?;
        let mut rows = statement.query(values).map_err(failed)?;
        let mut number = 0_u64;
        while let Some(row) = rows.next().map_err(failed)? {
            number += 1;
            let value = read(row).map_err(|error| {
                let place = match row.get::<_, i64>("id") {
                    Ok(id) => format!("{table} {id}"),
                    Err(_) => format!("{table}, row {number}"),
                };
                self.failed(CatalogueAction::Read, error).in_row(&place)
            });
            f(value?)?;
        }
        Ok(())
    }

    /// Hands on rows that come in ascending order, and refuses others: where pages lead in circles,
    /// or an index does not fit its table, rows come again.
    pub(super) fn ascending<'a, T, K: Ord + 'a, E: From<CatalogueError>>(
        &'a self,
        table: &'static str,
        key: impl Fn(&T) -> K + 'a,
        mut f: impl FnMut(T) -> Result<(), E> + 'a,
    ) -> impl FnMut(T) -> Result<(), E> + 'a {
        let mut last = None;
        move |value| {
            let next = Some(key(&value));
            if next <= last {
                let what = format!("{table}: rows come twice, or not in their order");
                return Err(self.corrupt(&what).into());
            }
            last = next;
            f(value)
        }
    }
}
