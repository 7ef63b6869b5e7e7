//! The catalogue's tables, and how a file is recognised as a catalogue.

use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::{CatalogueAction, CatalogueError};
use crate::item::PhoneIdentity;

/// `rscu`: marks the file as a catalogue (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x7273_6375;

/// Each brings the tables from its index's version to the next; never changed once released.
const MIGRATIONS: [&str; 8] = [
    VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7, VERSION_8,
];

/// The version that this program reads and writes.
pub(super) const KNOWN_VERSION: i64 = MIGRATIONS.len() as i64;

// STRICT: a column holds its type or nothing. `local` is unique because two entries never share a
// file, and its index gives the manifest its order. Paths are BLOBs: no text, no collation.
const VERSION_1: &str = "
    CREATE TABLE phone (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        serial TEXT NOT NULL,
        model TEXT NOT NULL,
        manufacturer TEXT NOT NULL,
        android_version TEXT NOT NULL
    ) STRICT;
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY,
        path BLOB NOT NULL,
        version INTEGER NOT NULL,
        local TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        size_is_exact INTEGER NOT NULL,
        mtime INTEGER NOT NULL,
        state TEXT NOT NULL,
        proof TEXT,
        sha256 BLOB,
        reason TEXT,
        message TEXT,
        attempts INTEGER NOT NULL,
        UNIQUE (path, version)
    ) STRICT;
    CREATE TABLE companion (
        local TEXT PRIMARY KEY,
        entry INTEGER NOT NULL REFERENCES entry (id),
        size INTEGER NOT NULL,
        sha256 BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX companion_of_entry ON companion (entry);
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        started INTEGER NOT NULL,
        ended INTEGER,
        tool TEXT NOT NULL,
        outcome TEXT
    ) STRICT;
";

// A remote is its name and what it leads to: another server under an old name knows nothing of what
// the old one got. A path is claimed by one upload only; an archive belongs to no entry.
const VERSION_2: &str = "
    CREATE TABLE remote (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        target TEXT NOT NULL,
        UNIQUE (name, target)
    ) STRICT;
    CREATE TABLE upload (
        id INTEGER PRIMARY KEY,
        remote INTEGER NOT NULL REFERENCES remote (id),
        entry INTEGER REFERENCES entry (id),
        source TEXT NOT NULL,
        path TEXT NOT NULL,
        size INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        state TEXT NOT NULL,
        there TEXT,
        checksum TEXT,
        reason TEXT,
        message TEXT,
        attempts INTEGER NOT NULL,
        changed INTEGER NOT NULL,
        UNIQUE (remote, path),
        UNIQUE (remote, source)
    ) STRICT;
    CREATE INDEX upload_of_entry ON upload (entry);
";

// What a service gave for the bytes of an upload that is not finished: they need not be sent again.
// Either column is filled, not both. The index finds files with the same bytes.
const VERSION_3: &str = "
    CREATE TABLE pledge (
        upload INTEGER PRIMARY KEY REFERENCES upload (id),
        sha256 BLOB NOT NULL,
        token TEXT,
        session TEXT,
        given INTEGER NOT NULL,
        CHECK ((token IS NULL) <> (session IS NULL))
    ) STRICT;
    CREATE INDEX upload_of_bytes ON upload (remote, sha256);
";

// Bytes by their SHA-256, and what XXH3 makes of the same bytes: uploads prove large files by it,
// for it takes a twentieth of the time. Whoever can change a file of the folder can change the
// catalogue beside it as well, so that neither needs to withstand an attacker.
const VERSION_4: &str = "
    CREATE TABLE quick_hash (
        sha256 BLOB PRIMARY KEY,
        xxh128 BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

// What the last listing of the phone left there or could not look at; each run's survey takes the
// place of the one before. `place` is a path of the phone, or an ending. And what was missing when
// somebody said that this is known: listed still, but no news.
const VERSION_5: &str = "
    CREATE TABLE survey (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        place BLOB NOT NULL,
        items INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        reason TEXT,
        message TEXT
    ) STRICT;
    CREATE TABLE accepted (
        path BLOB PRIMARY KEY,
        reason TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
";

// What else than its serial number tells the phone from others.
const VERSION_6: &str = "
    CREATE TABLE phone_mark (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
";

// Uploads prove every file by its SHA-256 now: two notions of proof were one too many.
const VERSION_7: &str = "
    DROP TABLE quick_hash;
    ALTER TABLE companion ADD COLUMN missing_bytes INTEGER;
";

// Whose phone it is, and a note: what somebody typed, and no phone says.
const VERSION_8: &str = "
    CREATE TABLE job (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        customer TEXT NOT NULL,
        note TEXT NOT NULL
    ) STRICT;
";

/// What a file turned out to be.
pub(super) enum DatabaseContent {
    /// A database without anything in it: a catalogue whose creation was cut short.
    Empty,
    /// A catalogue of this version, which this program knows.
    Catalogue(i64),
}

/// Tells a catalogue from other databases.
pub(super) fn inspect(db: &Connection) -> Result<DatabaseContent, CatalogueError> {
    let path = || db.path().unwrap_or_default().into();
    let sqlite = |e| CatalogueError::from_sqlite(CatalogueAction::Read, db, e);
    let application: i64 = db
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(sqlite)?;
    let version: i64 = db
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(sqlite)?;
    let objects: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sqlite)?;
    match (application, version) {
        (0, 0) if objects == 0 => Ok(DatabaseContent::Empty),
        (APPLICATION_ID, version) if version > KNOWN_VERSION => Err(CatalogueError::NewerVersion {
            path: path(),
            found: version,
            known: KNOWN_VERSION,
        }),
        (APPLICATION_ID, 1..) => Ok(DatabaseContent::Catalogue(version)),
        _ => Err(CatalogueError::NotACatalogue { path: path() }),
    }
}

/// Makes an empty database a catalogue, all or nothing.
pub(super) fn create(db: &mut Connection, phone: &PhoneIdentity) -> rusqlite::Result<()> {
    create_version(db, phone, KNOWN_VERSION)
}

/// The same as an older program did.
pub(super) fn create_version(
    db: &mut Connection,
    phone: &PhoneIdentity,
    version: i64,
) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (_, migration) in (1..=version).zip(MIGRATIONS) {
        transaction.execute_batch(migration)?;
    }
    transaction.execute(
        "INSERT INTO phone (id, serial, model, manufacturer, android_version) VALUES (1, ?, ?, ?, ?)",
        params![phone.serial, phone.model, phone.manufacturer, phone.android_version],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}

/// Brings an older catalogue to the known version, one transaction each.
pub(super) fn migrate(db: &mut Connection, from: i64) -> rusqlite::Result<()> {
    for (version, migration) in (1..).zip(MIGRATIONS) {
        if version > from {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(migration)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()?;
        }
    }
    Ok(())
}

/// Whether the database holds the tables and indexes of its version, word for word, and nothing else;
/// an older version is left as it is on media that cannot be written. Names alone are not enough: a
/// table of the right name may compute its columns, sort otherwise or call functions.
pub(super) fn is_as_made(db: &Connection, version: i64) -> rusqlite::Result<bool> {
    let made = Connection::open_in_memory()?;
    for (_, migration) in (1..=version).zip(MIGRATIONS) {
        made.execute_batch(migration)?;
    }
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name, tbl_name";
    let (mut found, mut made) = (db.prepare(sql)?, made.prepare(sql)?);
    let (mut found, mut made) = (found.query([])?, made.query([])?);
    loop {
        match (found.next()?, made.next()?) {
            (None, None) => return Ok(true),
            (Some(found), Some(made)) if object(found)? == object(made)? => {}
            _ => return Ok(false),
        }
    }
}

/// A row of `sqlite_schema`, but for where on the disk its pages are.
fn object(row: &Row<'_>) -> rusqlite::Result<[Option<String>; 4]> {
    Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
}
