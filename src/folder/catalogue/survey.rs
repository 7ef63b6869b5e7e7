//! Records what the last listing skipped or could not read, and which missing files are accepted.

use std::collections::HashMap;

use rusqlite::types::Type;
use rusqlite::{Row, TransactionBehavior, params};

use super::rows::{
    MAX_WORD_BYTES, optional_code, reason, remote_path, stored_message, stored_size, whole, wrong,
};
use super::{Catalogue, CatalogueAction, CatalogueError};
use crate::adb::RemotePath;
use crate::folder::entry::ReasonCode;
use crate::folder::survey::{SurveyKind, Surveyed};

/// The version that brought the tables.
const SINCE_VERSION: i64 = 5;

/// More places than any phone has; of others' catalogues the first.
const MAX_PLACES: u32 = 10_000;

impl Catalogue {
    /// Notes what a listing left and could not look at, in place of what the one before did.
    pub fn set_survey(&mut self, surveyed: &[Surveyed]) -> Result<(), CatalogueError> {
        let path = self.path.clone();
        let failed = |e| CatalogueError::at(CatalogueAction::Write, &path, e);
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        transaction
            .execute("DELETE FROM survey", [])
            .map_err(failed)?;
        {
            let mut insert = transaction
                .prepare(
                    "INSERT INTO survey (kind, place, items, bytes, reason, message) \
                     VALUES (?, ?, ?, ?, ?, ?)",
                )
                .map_err(failed)?;
            for one in surveyed {
                let reason = one.reason.as_ref();
                let values = params![
                    one.kind.as_str(),
                    &*one.place,
                    stored_size(one.items),
                    stored_size(one.bytes),
                    reason.map(|reason| reason.code.as_str()),
                    reason.map(|reason| stored_message(&reason.message)),
                ];
                insert.execute(values).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    /// What the last listing left and could not look at.
    pub fn survey(&self) -> Result<Vec<Surveyed>, CatalogueError> {
        let mut found = Vec::new();
        if self.has_survey()? {
            let sql = "SELECT kind, place, items, bytes, reason, message, id FROM survey \
                       ORDER BY id LIMIT ?";
            self.each_of("survey", sql, params![MAX_PLACES], surveyed, |one| {
                found.push(one);
                Ok::<_, CatalogueError>(())
            })?;
        }
        Ok(found)
    }

    /// Notes that files or folders of the phone are known to be missing, each for its reason.
    pub fn accept(&mut self, missing: &[(RemotePath, ReasonCode)]) -> Result<(), CatalogueError> {
        let path = self.path.clone();
        let failed = |e| CatalogueError::at(CatalogueAction::Write, &path, e);
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        {
            let sql = "INSERT OR REPLACE INTO accepted (path, reason) VALUES (?, ?)";
            let mut insert = transaction.prepare(sql).map_err(failed)?;
            for (path, code) in missing {
                insert
                    .execute(params![path.as_bytes(), code.as_str()])
                    .map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    /// Returns the missing files that were accepted, with their reasons.
    pub fn accepted(&self) -> Result<HashMap<RemotePath, ReasonCode>, CatalogueError> {
        let mut found = HashMap::new();
        if self.has_survey()? {
            self.each(
                "accepted",
                "SELECT path, reason FROM accepted",
                accepted,
                |(path, code)| {
                    found.insert(path, code);
                    Ok::<_, CatalogueError>(())
                },
            )?;
        }
        Ok(found)
    }

    /// Forgets that files were known to be missing which are here now.
    pub fn forget_accepted_that_are_here(&mut self) -> Result<(), CatalogueError> {
        let sql = "DELETE FROM accepted WHERE path IN \
                   (SELECT path FROM entry WHERE state IN ('pulled', 'verified'))";
        self.db
            .execute(sql, [])
            .map_err(|e| self.failed(CatalogueAction::Write, e))?;
        Ok(())
    }

    /// Whether the tables are there: not in an older catalogue that cannot be written.
    fn has_survey(&self) -> Result<bool, CatalogueError> {
        Ok(self.version()? >= SINCE_VERSION)
    }
}

fn surveyed(row: &Row<'_>) -> rusqlite::Result<Surveyed> {
    let text = row.get_ref(0)?.as_str()?;
    let kind = SurveyKind::ALL
        .into_iter()
        .find(|known| known.as_str() == text)
        .ok_or_else(|| wrong(0, Type::Text, "kind of place"))?;
    Ok(Surveyed {
        kind,
        place: match row.get_ref(1)?.as_blob()? {
            place if place.len() <= MAX_WORD_BYTES => place.into(),
            _ => return Err(wrong(1, Type::Blob, "place")),
        },
        items: whole(row, 2)?,
        bytes: whole(row, 3)?,
        reason: reason(row, 4, 5)?,
    })
}

fn accepted(row: &Row<'_>) -> rusqlite::Result<(RemotePath, ReasonCode)> {
    let code = optional_code(row, 1)?.ok_or_else(|| wrong(1, Type::Null, "reason"))?;
    Ok((remote_path(row, 0)?, code))
}
