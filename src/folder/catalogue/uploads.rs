//! The upload queue and its receipts.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

use super::rows::{
    MAX_MESSAGE_BYTES, MAX_WORD_BYTES, count, optional_text, sha256, stored_message, stored_size,
    text, time, whole, wrong,
};
use super::{Catalogue, CatalogueAction, CatalogueError};
use crate::folder::EntryId;
use crate::folder::upload::{
    KnownRemote, NewUpload, Pledge, Pledged, RemoteId, Upload, UploadCount, UploadId, UploadReason,
    UploadRecord, UploadState,
};
use crate::names::{LocalPath, UploadPath};

/// Nobody sends one folder to more.
const MAX_REMOTES: u32 = 500;

const COLUMNS: &str = "id, entry, source, path, size, sha256, state, there, checksum, reason, \
                       message, attempts, changed";

impl Catalogue {
    /// The number of a remote by its name and what it leads to; a new one when it is new here.
    pub fn remote(&mut self, name: &str, target: &str) -> Result<RemoteId, CatalogueError> {
        if let Some(known) = self.known_remote(name, target)? {
            return Ok(known);
        }
        self.db
            .execute(
                "INSERT INTO remote (name, target) VALUES (?, ?)",
                params![name, target],
            )
            .map_err(|e| self.failed(CatalogueAction::Write, e))?;
        Ok(RemoteId(self.db.last_insert_rowid()))
    }

    /// The number of a remote, if files of this folder were queued for it.
    pub fn known_remote(
        &self,
        name: &str,
        target: &str,
    ) -> Result<Option<RemoteId>, CatalogueError> {
        if !self.knows_remotes()? {
            return Ok(None);
        }
        self.db
            .query_row(
                "SELECT id FROM remote WHERE name = ? AND target = ?",
                params![name, target],
                |row| row.get(0).map(RemoteId),
            )
            .optional()
            .map_err(|e| self.failed(CatalogueAction::Read, e))
    }

    /// Not where it is from before uploads, on media that cannot be written.
    fn knows_remotes(&self) -> Result<bool, CatalogueError> {
        let exists = self.db.table_exists(None, "remote");
        exists.map_err(|e| self.failed(CatalogueAction::Read, e))
    }

    /// Every remote that files of this folder were queued for, by name.
    pub fn known_remotes(&self) -> Result<Vec<KnownRemote>, CatalogueError> {
        let mut known = Vec::new();
        if !self.knows_remotes()? {
            return Ok(known);
        }
        let sql = "SELECT id, name, target FROM remote ORDER BY name, id LIMIT ?";
        let read = |row: &Row<'_>| {
            Ok(KnownRemote {
                id: RemoteId(row.get(0)?),
                name: text(row, 1, MAX_WORD_BYTES)?,
                target: text(row, 2, MAX_MESSAGE_BYTES)?,
            })
        };
        self.each_of("remote", sql, params![MAX_REMOTES], read, |remote| {
            known.push(remote);
            Ok::<_, CatalogueError>(())
        })?;
        Ok(known)
    }

    /// Queues uploads, all in one transaction; their numbers come in the same order. A source that
    /// is queued already keeps its place; with other bytes than before it is queued again.
    pub fn queue_uploads(
        &mut self,
        remote: RemoteId,
        uploads: &[NewUpload],
        now: i64,
    ) -> Result<Vec<UploadId>, CatalogueError> {
        let path = self.path.clone();
        let failed = |e| CatalogueError::at(CatalogueAction::Write, &path, e);
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let mut ids = Vec::with_capacity(uploads.len());
        {
            // An older upload's path stays what it is, for that is where its file lies.
            let mut upsert = transaction
                .prepare(
                    "INSERT INTO upload (remote, entry, source, path, size, sha256, state, attempts, changed) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', 0, ?7) \
                     ON CONFLICT (remote, source) DO UPDATE SET entry = ?2, size = ?5, sha256 = ?6, \
                     path = CASE WHEN sha256 = ?6 THEN path ELSE ?4 END, \
                     state = CASE WHEN sha256 = ?6 THEN state ELSE 'waiting' END, \
                     changed = CASE WHEN sha256 = ?6 THEN changed ELSE ?7 END RETURNING id",
                )
                .map_err(failed)?;
            for upload in uploads {
                let entry = upload.entry.map(|entry| entry.0);
                let values = params![
                    remote.0,
                    entry,
                    upload.source,
                    upload.path.as_str(),
                    stored_size(upload.size),
                    upload.sha256.0,
                    now
                ];
                let id = upsert.query_row(values, |row| row.get(0)).map_err(failed)?;
                ids.push(UploadId(id));
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(ids)
    }

    /// One upload.
    pub fn upload(&self, id: UploadId) -> Result<Option<Upload>, CatalogueError> {
        let sql = format!("SELECT {COLUMNS} FROM upload WHERE id = ?");
        self.first("upload", &sql, params![id.0], upload)
    }

    /// What a service gave for an upload's bytes, if that is not finished.
    pub fn pledge(&self, id: UploadId) -> Result<Option<Pledged>, CatalogueError> {
        let sql = "SELECT sha256, token, session, given FROM pledge WHERE upload = ?";
        self.first("pledge", sql, params![id.0], |row| {
            let token = optional_text(row, 1, MAX_MESSAGE_BYTES)?;
            let pledge = match (token, optional_text(row, 2, MAX_MESSAGE_BYTES)?) {
                (Some(token), _) => Pledge::Token(token),
                (None, Some(session)) => Pledge::Session(session),
                (None, None) => return Err(wrong(1, Type::Null, "pledge")),
            };
            Ok(Pledged {
                pledge,
                sha256: sha256(row, 0)?,
                given: time(row, 3)?,
            })
        })
    }

    /// What the service calls another file with the same bytes that the same remote has. One of
    /// which a copy was sent (its message says so) has not the same bytes there.
    pub fn same_bytes_there(&self, id: UploadId) -> Result<Option<String>, CatalogueError> {
        self.db
            .prepare(
                "SELECT twin.there FROM upload AS twin JOIN upload AS this \
                 ON twin.remote = this.remote AND twin.sha256 = this.sha256 AND twin.id <> this.id \
                 WHERE this.id = ? AND twin.state IN ('sent', 'there') AND twin.there IS NOT NULL \
                 AND twin.message IS NULL LIMIT 1",
            )
            .and_then(|mut statement| {
                statement
                    .query_row(params![id.0], |row| row.get(0))
                    .optional()
            })
            .map_err(|e| self.failed(CatalogueAction::Read, e))
    }

    /// Calls `f` with every upload to a remote, ordered by path (as bytes).
    pub fn for_each_upload<E: From<CatalogueError>>(
        &self,
        remote: RemoteId,
        f: impl FnMut(Upload) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!("SELECT {COLUMNS} FROM upload WHERE remote = ? ORDER BY path");
        let f = self.ascending("upload", |it: &Upload| it.path.clone(), f);
        self.each_of("upload", &sql, params![remote.0], upload, f)
    }

    /// How many files and bytes of a remote are in which state, for which reason.
    pub fn upload_counts(&self, remote: RemoteId) -> Result<Vec<UploadCount>, CatalogueError> {
        let mut counts = Vec::new();
        let sql = "SELECT state, reason, count(*), total(size) FROM upload WHERE remote = ? \
                   GROUP BY state, reason ORDER BY state, reason";
        let read = |row: &Row<'_>| {
            let bytes: f64 = row.get(3)?;
            Ok(UploadCount {
                state: state(row, 0)?,
                reason: reason(row, 1)?,
                files: whole(row, 2)?,
                bytes: bytes as u64,
            })
        };
        self.each_of("upload", sql, params![remote.0], read, |count| {
            counts.push(count);
            Ok::<_, CatalogueError>(())
        })?;
        Ok(counts)
    }

    /// How many items of the phone are not on a remote with the bytes that they have here: not sent,
    /// not proven, or not even here. Older versions do not count, and nothing is known where only
    /// archives were sent.
    pub fn not_on(&self, remote: RemoteId) -> Result<Option<u64>, CatalogueError> {
        let _bounded = self.effort.bounded();
        let failed = |e| self.failed(CatalogueAction::Read, e);
        let count = |sql| {
            self.db
                .query_row(sql, params![remote.0], |row| whole(row, 0))
                .map_err(failed)
        };
        let sent: u64 =
            count("SELECT count(*) FROM upload WHERE remote = ? AND entry IS NOT NULL")?;
        let archives: u64 =
            count("SELECT count(*) FROM upload WHERE remote = ? AND entry IS NULL")?;
        if sent == 0 && archives > 0 {
            return Ok(None);
        }
        // Left to itself SQLite goes through all uploads of the remote for each entry.
        count(
            "SELECT count(*) FROM entry WHERE state <> 'superseded' AND NOT EXISTS ( \
                 SELECT 1 FROM upload INDEXED BY upload_of_entry \
                 WHERE upload.entry = entry.id AND remote = ? \
                 AND upload.sha256 = entry.sha256 AND upload.state IN ('sent', 'there'))",
        )
        .map(Some)
    }

    /// Records a group's changes, in their order, at a time in seconds since 1970, all in one
    /// transaction.
    pub fn record_uploads(
        &mut self,
        records: &[UploadRecord],
        now: i64,
    ) -> Result<(), CatalogueError> {
        if records.is_empty() {
            return Ok(());
        }
        let path = self.path.clone();
        let failed = |e| CatalogueError::at(CatalogueAction::Write, &path, e);
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        for record in records {
            write(&transaction, record, now).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }
}

/// Writes one change. Returns the number of changed rows.
fn write(
    transaction: &Transaction<'_>,
    record: &UploadRecord,
    now: i64,
) -> rusqlite::Result<usize> {
    use UploadRecord as R;
    let run =
        |sql: &str, values: &[&dyn rusqlite::ToSql]| transaction.prepare(sql)?.execute(values);
    match record {
        R::Sending { id, path } => run(
            "UPDATE upload SET state = 'sending', path = coalesce(?2, path), there = NULL, \
             checksum = NULL, reason = NULL, message = NULL, changed = ?3 WHERE id = ?1",
            params![id.0, path.as_deref(), now],
        ),
        // A service that gives more than that gets the bytes again after a kill.
        R::Pledged {
            pledge: Pledge::Token(text) | Pledge::Session(text),
            ..
        } if text.len() > MAX_MESSAGE_BYTES => Ok(0),
        R::Pledged { id, sha256, pledge } => {
            let (token, session) = match pledge {
                Pledge::Token(token) => (Some(token), None),
                Pledge::Session(session) => (None, Some(session)),
            };
            run(
                "INSERT OR REPLACE INTO pledge (upload, sha256, token, session, given) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id.0, sha256.0, token, session, now],
            )
        }
        R::PledgeEnded { id } => run("DELETE FROM pledge WHERE upload = ?1", params![id.0]),
        R::Instead { id, what } => run(
            "UPDATE upload SET reason = NULL, message = ?2, changed = ?3 WHERE id = ?1",
            params![id.0, stored_message(what), now],
        ),
        // What was sent instead of the file stands there since.
        R::Sent {
            id,
            there,
            checksum,
        } => run(
            "UPDATE upload SET state = 'sent', there = ?2, checksum = ?3, reason = NULL, \
             attempts = attempts + 1, changed = ?4 WHERE id = ?1",
            params![
                id.0,
                fitting(there, MAX_MESSAGE_BYTES),
                fitting(checksum, MAX_WORD_BYTES),
                now
            ],
        ),
        R::There { id, checksum } => run(
            "UPDATE upload SET state = 'there', checksum = coalesce(?2, checksum), reason = NULL, \
             changed = ?3 WHERE id = ?1",
            params![id.0, fitting(checksum, MAX_WORD_BYTES), now],
        ),
        // A service that calls two files the same is not believed.
        R::Respelt { id, path } => run(
            "UPDATE OR IGNORE upload SET path = ?2, changed = ?3 WHERE id = ?1",
            params![id.0, path, now],
        ),
        R::Waiting { id, why } => {
            let (reason, message) = match why {
                Some((reason, message)) => (Some(reason.as_str()), Some(stored_message(message))),
                None => (None, None),
            };
            run(
                "UPDATE upload SET state = 'waiting', reason = ?2, message = ?3, there = NULL, \
                 checksum = NULL, changed = ?4 WHERE id = ?1",
                params![id.0, reason, message, now],
            )
        }
        R::Skipped {
            id,
            reason,
            message,
        } => run(
            "UPDATE upload SET state = 'skipped', reason = ?2, message = ?3, \
             attempts = attempts + 1, changed = ?4 WHERE id = ?1",
            params![id.0, reason.as_str(), stored_message(message), now],
        ),
        R::Failed {
            id,
            reason,
            message,
        } => run(
            "UPDATE upload SET state = 'failed', reason = ?2, message = ?3, \
             attempts = attempts + 1, changed = ?4 WHERE id = ?1",
            params![id.0, reason.as_str(), stored_message(message), now],
        ),
    }
}

fn upload(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let entry = row.get::<_, Option<i64>>(1)?.map(EntryId);
    Ok(Upload {
        id: UploadId(row.get(0)?),
        entry,
        source: source(row, 2, entry)?,
        path: path(row, 3)?,
        size: whole(row, 4)?,
        sha256: sha256(row, 5)?,
        state: state(row, 6)?,
        there: optional_text(row, 7, MAX_MESSAGE_BYTES)?,
        checksum: optional_text(row, 8, MAX_WORD_BYTES)?,
        reason: reason(row, 9)?,
        message: optional_text(row, 10, MAX_MESSAGE_BYTES)?,
        attempts: count(row, 11)?,
        changed: time(row, 12)?,
    })
}

/// What is sent: a file below `data/`, or an archive that a person named, on whichever system.
fn source(row: &Row<'_>, column: usize, entry: Option<EntryId>) -> rusqlite::Result<String> {
    let source = text(row, column, MAX_WORD_BYTES)?;
    let is_valid = match entry {
        Some(_) => LocalPath::new(&source).is_ok(),
        None => !source.is_empty() && !source.contains(char::is_control),
    };
    match is_valid {
        true => Ok(source),
        false => Err(wrong(column, Type::Text, "source of an upload")),
    }
}

fn path(row: &Row<'_>, column: usize) -> rusqlite::Result<UploadPath> {
    UploadPath::new(row.get_ref(column)?.as_str()?)
        .map_err(|error| wrong(column, Type::Text, &format!("path of an upload: {error}")))
}

/// What a service said, unless it is longer than what is read again.
fn fitting(said: &Option<String>, most: usize) -> Option<&str> {
    said.as_deref().filter(|said| said.len() <= most)
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<UploadState> {
    let text = row.get_ref(column)?.as_str()?;
    let known = UploadState::ALL.into_iter().find(|it| it.as_str() == text);
    known.ok_or_else(|| wrong(column, Type::Text, "upload state"))
}

fn reason(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UploadReason>> {
    let Some(text) = row.get_ref(column)?.as_str_or_null()? else {
        return Ok(None);
    };
    let known = UploadReason::ALL.into_iter().find(|it| it.as_str() == text);
    known
        .map(Some)
        .ok_or_else(|| wrong(column, Type::Text, "upload reason"))
}
