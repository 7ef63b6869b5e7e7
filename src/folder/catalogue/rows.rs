//! Converts rows of the catalogue to values and back. Every value read is checked.

use rusqlite::types::{FromSqlError, Type, ValueRef};
use rusqlite::{Row, Statement, Transaction, params};

use crate::adb::RemotePath;
use crate::digest::Sha256;
use crate::folder::entry::{
    Companion, Entry, EntryId, Proof, Reason, ReasonCode, Record, Run, RunOutcome, State,
};
use crate::item::Item;
use crate::names::LocalPath;

/// What [`entry`] reads, in this order.
pub(super) const COLUMNS: &str = "id, path, version, local, size, size_is_exact, mtime, state, proof, \
                                  sha256, reason, message, attempts";

/// The longest message of a phone, a server or the system that is kept, in bytes.
pub(super) const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// The longest name, version or address, in bytes.
pub(super) const MAX_WORD_BYTES: usize = 4096;
/// No file was tried, or changed, as often.
const MAX_COUNT: u32 = 1_000_000_000;
/// The end of the year 9999, in seconds since 1970; clocks show nothing later.
const MAX_TIME: i64 = 253_402_300_799;

/// A size as a column holds it. A phone may claim any 64-bit size; no file is larger than this.
pub(super) fn stored_size(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let path = remote_path(row, 1)?;
    let (state, sha256) = (state(row, 7, 8)?, optional(row, 9, sha256)?);
    let was_here = matches!(
        state,
        State::Pulled | State::Verified(_) | State::Superseded
    );
    if was_here && sha256.is_none() {
        // Nothing could tell whether its file is what came.
        return Err(wrong(9, Type::Null, "SHA-256"));
    }
    Ok(Entry {
        id: EntryId(row.get(0)?),
        item: Item {
            path,
            size: whole(row, 4)?,
            size_is_exact: row.get(5)?,
            mtime: row.get(6)?,
        },
        version: count(row, 2)?,
        local: local(row, 3)?,
        state,
        sha256,
        reason: reason(row, 10, 11)?,
        attempts: count(row, 12)?,
    })
}

/// A path of the phone.
pub(super) fn remote_path(row: &Row<'_>, column: usize) -> rusqlite::Result<RemotePath> {
    let bytes = row.get_ref(column)?.as_blob().ok();
    bytes
        .and_then(|bytes| RemotePath::new(bytes).ok())
        .ok_or_else(|| wrong(column, Type::Blob, "path"))
}

pub(super) fn companion(row: &Row<'_>) -> rusqlite::Result<Companion> {
    Ok(Companion {
        local: local(row, 0)?,
        size: whole(row, 1)?,
        sha256: sha256(row, 2)?,
        missing_bytes: optional(row, 3, whole)?,
    })
}

pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let outcome = match row.get_ref(3)?.as_str_or_null()? {
        None => None,
        Some(text) => {
            let known = RunOutcome::ALL
                .into_iter()
                .find(|outcome| outcome.as_str() == text);
            Some(known.ok_or_else(|| wrong(3, Type::Text, "outcome"))?)
        }
    };
    Ok(Run {
        started: time(row, 0)?,
        ended: optional(row, 1, time)?,
        tool: text(row, 2, MAX_WORD_BYTES)?,
        outcome,
    })
}

pub(super) fn state(row: &Row<'_>, state: usize, proof: usize) -> rusqlite::Result<State> {
    match row.get_ref(state)?.as_str()? {
        "planned" => Ok(State::Planned),
        "pulled" => Ok(State::Pulled),
        "damaged" => Ok(State::Damaged),
        "failed" => Ok(State::Failed),
        "superseded" => Ok(State::Superseded),
        "verified" => {
            let text = row.get_ref(proof)?.as_str()?;
            let known = Proof::ALL.into_iter().find(|known| known.as_str() == text);
            known
                .map(State::Verified)
                .ok_or_else(|| wrong(proof, Type::Text, "proof"))
        }
        _ => Err(wrong(state, Type::Text, "state")),
    }
}

pub(super) fn reason(
    row: &Row<'_>,
    code: usize,
    message: usize,
) -> rusqlite::Result<Option<Reason>> {
    let Some(code) = optional_code(row, code)? else {
        return Ok(None);
    };
    Ok(Some(Reason {
        code,
        message: optional_text(row, message, MAX_MESSAGE_BYTES)?.unwrap_or_default(),
    }))
}

/// Reads the code of a reason from a column.
pub(super) fn optional_code(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<ReasonCode>> {
    let Some(text) = row.get_ref(column)?.as_str_or_null()? else {
        return Ok(None);
    };
    let known = ReasonCode::ALL
        .into_iter()
        .find(|known| known.as_str() == text);
    known
        .map(Some)
        .ok_or_else(|| wrong(column, Type::Text, "reason"))
}

pub(super) fn local(row: &Row<'_>, column: usize) -> rusqlite::Result<LocalPath> {
    LocalPath::new(row.get_ref(column)?.as_str()?).map_err(|error| {
        let cause = FromSqlError::Other(format!("not a local path: {error}").into());
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, cause.into())
    })
}

pub(super) fn sha256(row: &Row<'_>, column: usize) -> rusqlite::Result<Sha256> {
    Sha256::from_slice(row.get_ref(column)?.as_blob()?)
        .ok_or_else(|| wrong(column, Type::Blob, "SHA-256"))
}

/// A value that may be missing.
fn optional<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(&Row<'_>, usize) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => read(row, column).map(Some),
    }
}

/// A size or count.
pub(super) fn whole(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// How often something was done; one time more still fits.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u32> {
    let value: i64 = row.get(column)?;
    let count = u32::try_from(value).ok().filter(|it| *it <= MAX_COUNT);
    count.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// A time that this computer's clock showed. Those of files are the phone's, and may be any.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    let value: i64 = row.get(column)?;
    match (-MAX_TIME..=MAX_TIME).contains(&value) {
        true => Ok(value),
        false => Err(rusqlite::Error::IntegralValueOutOfRange(column, value)),
    }
}

/// Reads a text of limited length in bytes.
pub(super) fn text(row: &Row<'_>, column: usize, most: usize) -> rusqlite::Result<String> {
    let text = row.get_ref(column)?.as_str()?;
    match text.len() <= most {
        true => Ok(text.to_owned()),
        false => Err(wrong(column, Type::Text, "text of such a length")),
    }
}

pub(super) fn optional_text(
    row: &Row<'_>,
    column: usize,
    most: usize,
) -> rusqlite::Result<Option<String>> {
    optional(row, column, |row, column| text(row, column, most))
}

/// A message as a column holds it: the beginning of a very long one.
pub(super) fn stored_message(text: &str) -> &str {
    let end = text.len().min(MAX_MESSAGE_BYTES);
    let end = (0..=end).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// A value of the right type that is invalid.
pub(super) fn wrong(column: usize, kind: Type, what: &str) -> rusqlite::Error {
    let cause = FromSqlError::Other(format!("not a valid {what}").into());
    rusqlite::Error::FromSqlConversionFailure(column, kind, cause.into())
}

/// Writes records; prepares each kind's statement once per group.
pub(super) struct Recorder<'t> {
    transaction: &'t Transaction<'t>,
    pulled: Option<Statement<'t>>,
    verified: Option<Statement<'t>>,
}

impl<'t> Recorder<'t> {
    pub(super) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self {
            transaction,
            pulled: None,
            verified: None,
        }
    }

    /// False if the entry does not exist, or its state does not allow the record.
    pub(super) fn record(&mut self, record: &Record) -> rusqlite::Result<bool> {
        let rows = match record {
            Record::Pulled {
                id,
                sha256,
                size,
                local,
            } => {
                let local = local.as_ref().map(LocalPath::as_str);
                prepared(
                    self.transaction,
                    &mut self.pulled,
                    "UPDATE entry SET state = 'pulled', proof = NULL, sha256 = ?2, size = ?3, \
                     size_is_exact = 1, local = coalesce(?4, local), reason = NULL, message = NULL, \
                     attempts = attempts + 1 WHERE id = ?1",
                )?
                .execute(params![id.0, sha256.0, stored_size(*size), local])?
            }
            Record::Verified { id, proof } => prepared(
                self.transaction,
                &mut self.verified,
                "UPDATE entry SET state = 'verified', proof = ?2 \
                     WHERE id = ?1 AND sha256 IS NOT NULL AND state IN ('pulled', 'verified')",
            )?
            .execute(params![id.0, proof.as_str()])?,
            Record::Failed { id, reason } => self.without_file(*id, "failed", reason)?,
            Record::Damaged { id, reason, kept } => {
                for Companion {
                    local,
                    size,
                    sha256,
                    missing_bytes,
                } in kept
                {
                    self.transaction.execute(
                        "INSERT INTO companion (local, entry, size, sha256, missing_bytes) \
                         VALUES (?, ?, ?, ?, ?) ON CONFLICT (local) DO UPDATE SET \
                         entry = excluded.entry, size = excluded.size, \
                         sha256 = excluded.sha256, missing_bytes = excluded.missing_bytes",
                        params![
                            local.as_str(),
                            id.0,
                            stored_size(*size),
                            sha256.0,
                            missing_bytes.map(stored_size)
                        ],
                    )?;
                }
                self.without_file(*id, "damaged", reason)?
            }
            Record::Discarded { id, local } => {
                self.transaction.execute(
                    "DELETE FROM companion WHERE entry = ? AND local = ?",
                    params![id.0, local.as_str()],
                )?;
                // That it was on no record is fine too.
                1
            }
            Record::Replan {
                id,
                size,
                size_is_exact,
                mtime,
            } => self.transaction.execute(
                "UPDATE entry SET state = 'planned', proof = NULL, reason = NULL, message = NULL, \
                 attempts = 0, size = ?2, size_is_exact = ?3, mtime = ?4, \
                 sha256 = CASE WHEN size = ?2 AND mtime = ?4 THEN sha256 END WHERE id = ?1",
                params![id.0, stored_size(*size), size_is_exact, mtime],
            )?,
            Record::Supersede { id } => self.transaction.execute(
                "UPDATE entry SET state = 'superseded' \
                 WHERE id = ? AND sha256 IS NOT NULL AND state IN ('pulled', 'verified')",
                params![id.0],
            )?,
        };
        Ok(rows == 1)
    }

    fn without_file(&self, id: EntryId, state: &str, reason: &Reason) -> rusqlite::Result<usize> {
        self.transaction.execute(
            "UPDATE entry SET state = ?2, proof = NULL, reason = ?3, message = ?4, \
             attempts = attempts + 1 WHERE id = ?1",
            params![
                id.0,
                state,
                reason.code.as_str(),
                stored_message(&reason.message)
            ],
        )
    }
}

fn prepared<'a, 't>(
    transaction: &'t Transaction<'t>,
    slot: &'a mut Option<Statement<'t>>,
    sql: &str,
) -> rusqlite::Result<&'a mut Statement<'t>> {
    match slot {
        Some(statement) => Ok(statement),
        None => Ok(slot.insert(transaction.prepare(sql)?)),
    }
}
