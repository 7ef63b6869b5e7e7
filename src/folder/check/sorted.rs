//! Reads a manifest in the order of its paths, whatever its length.
//!
//! A manifest that `rescue` wrote is in that order already and is read line by line, beside the catalogue. Any other
//! manifest is sorted on the disk by SQLite, so that memory does not grow.

use std::io;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use rusqlite::{Connection, params};

use crate::digest::Sha256;
use crate::folder::disk::{DiskAction, DiskError};
use crate::folder::manifest::{self, MANIFEST, ManifestLine, payload_path};
use crate::names::LocalPath;

/// Lines that are read from the sorted ones at once.
const PAGE: u32 = 1000;

/// A line of the manifest about a file below `data/`.
pub(super) type ManifestFile = (LocalPath, Sha256);

/// The manifest's lines, in order.
pub(super) struct Sorted {
    lines: LineSource,
    next: Option<ManifestFile>,
}

enum LineSource {
    AsTheyStand(Box<dyn Iterator<Item = Result<ManifestLine, DiskError>>>),
    Pages(Pages),
}

struct Pages {
    db: Connection,
    path: PathBuf,
    page: IntoIter<(ManifestFile, i64)>,
    /// Behind which path and line the next page begins.
    after: (String, i64),
}

impl Sorted {
    /// Of the folder at `root`; `bad` hears the numbers of lines that say nothing of a file below
    /// `data/`.
    pub(super) fn of(root: &Path, bad: &mut dyn FnMut(u64)) -> Result<Self, DiskError> {
        let (mut last, mut is_sorted) = (None, true);
        for line in manifest::lines(root, MANIFEST)? {
            let line = line?;
            let number = line.number();
            match listed(line) {
                Some((local, _)) => {
                    is_sorted = is_sorted && last.is_none_or(|last| last < local);
                    last = Some(local);
                }
                None => bad(number),
            }
        }
        let lines = match is_sorted {
            true => LineSource::AsTheyStand(Box::new(manifest::lines(root, MANIFEST)?)),
            false => LineSource::Pages(Pages::of(root)?),
        };
        let mut sorted = Self { lines, next: None };
        sorted.next = sorted.read()?;
        Ok(sorted)
    }

    /// The next line, without going on.
    pub(super) fn peek(&self) -> Option<&ManifestFile> {
        self.next.as_ref()
    }

    /// Goes on to the next line.
    pub(super) fn take(&mut self) -> Result<Option<ManifestFile>, DiskError> {
        let next = self.read()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn read(&mut self) -> Result<Option<ManifestFile>, DiskError> {
        match &mut self.lines {
            LineSource::AsTheyStand(lines) => {
                for line in lines {
                    if let Some(listed) = listed(line?) {
                        return Ok(Some(listed));
                    }
                }
                Ok(None)
            }
            LineSource::Pages(pages) => pages.read(),
        }
    }
}

impl Pages {
    fn of(root: &Path) -> Result<Self, DiskError> {
        let path = root.join(MANIFEST);
        let lines = manifest::lines(root, MANIFEST)?.filter_map(|line| match line {
            Ok(line) => {
                let number = line.number();
                Some(Ok((listed(line)?, number)))
            }
            Err(error) => Some(Err(error)),
        });
        let made = sort(lines);
        let db = made.map_err(|error| match error {
            Unsorted::Disk(error) => error,
            Unsorted::Sqlite(error) => failed(&path, error),
        })?;
        Ok(Self {
            db,
            path,
            page: Vec::new().into_iter(),
            after: (String::new(), -1),
        })
    }

    fn read(&mut self) -> Result<Option<ManifestFile>, DiskError> {
        if self.page.as_slice().is_empty() {
            let page = self.next_page().map_err(|e| failed(&self.path, e))?;
            if let Some(((local, _), number)) = page.last() {
                self.after = (local.as_str().to_owned(), *number);
            }
            self.page = page.into_iter();
        }
        Ok(self.page.next().map(|(listed, _)| listed))
    }

    fn next_page(&self) -> rusqlite::Result<Vec<(ManifestFile, i64)>> {
        let mut statement = self.db.prepare(
            "SELECT local, sha256, number FROM line WHERE (local, number) > (?, ?) \
             ORDER BY local, number LIMIT ?",
        )?;
        let mut rows = statement.query(params![self.after.0, self.after.1, PAGE])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            // As they were put there.
            let local = LocalPath::new(row.get_ref(0)?.as_str()?).ok();
            let sha256 = Sha256::from_slice(row.get_ref(1)?.as_blob()?);
            if let (Some(local), Some(sha256)) = (local, sha256) {
                page.push(((local, sha256), row.get(2)?));
            }
        }
        Ok(page)
    }
}

enum Unsorted {
    Disk(DiskError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unsorted {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Puts lines into a database without a name, which lies in the system's temporary folder and is gone
/// with its connection.
fn sort(
    lines: impl Iterator<Item = Result<(ManifestFile, u64), DiskError>>,
) -> Result<Connection, Unsorted> {
    let mut db = Connection::open("")?;
    db.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; \
         CREATE TABLE line (local TEXT, number INTEGER, sha256 BLOB, \
         PRIMARY KEY (local, number)) WITHOUT ROWID",
    )?;
    let transaction = db.transaction()?;
    {
        let mut insert = transaction.prepare("INSERT INTO line VALUES (?, ?, ?)")?;
        for line in lines {
            let ((local, sha256), number) = line.map_err(Unsorted::Disk)?;
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            insert.execute(params![local.as_str(), number, sha256.0])?;
        }
    }
    transaction.commit()?;
    Ok(db)
}

fn failed(path: &Path, error: rusqlite::Error) -> DiskError {
    DiskError::new(DiskAction::Sort, path, io::Error::other(error))
}

fn listed(line: ManifestLine) -> Option<ManifestFile> {
    match line {
        ManifestLine::Listed { sha256, path, .. } => Some((payload_path(&path)?, sha256)),
        ManifestLine::Bad { .. } => None,
    }
}
