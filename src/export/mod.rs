//! Makes one archive of a rescue folder that anyone can open, check and look at without `rescue`.
//!
//! What goes in: an open rescue folder and a [`Wish`]. What comes out: a zip that holds a BagIt
//! bag, and an [`Outcome`] that names everything that is not in it.
//!
//! ```text
//! plan: which files -> prepare: read and hash ahead -> archive: write -> sync -> check: read back -> rename
//! ```
//!
//! Until the last step the archive is called `NAME.zip.part`: whatever stops the program, nothing
//! looks finished that is not. A file goes in only when its bytes hash to what the catalogue says.
//! Nothing here prints, changes the phone's files, or follows a symbolic link out of the folder.

mod archive;
mod bag;
mod check;
pub mod place;
mod plan;
mod prepare;
mod sink;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Local};

pub use archive::Protection;
use archive::{Archive, Held};
pub use place::Place;
pub use plan::{LeftOut, Piece, Plan, Why, Wish, plan};
use prepare::{Content, Preparation, Shared};

use crate::event::{Event, Events};
use crate::folder::disk::{self, Renaming};
use crate::folder::{CatalogueError, DiskError, Folder};

/// Threads that read and hash.
const READERS: usize = 2;

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The zip format does not allow what was to be written.
    #[error("cannot write {}", path.display())]
    Zip {
        /// The archive.
        path: PathBuf,
        /// What the `zip` crate said.
        source: zip::result::ZipError,
    },
    /// What was read back is not what was written.
    #[error("{} does not read back as it was written: {what}", path.display())]
    ReadBack {
        /// The archive under way; it is removed.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// Something bears the name already.
    #[error("there is something at {} already", path.display())]
    Exists {
        /// The archive to be.
        path: PathBuf,
    },
    /// The archive would lie in the folder that it is made of.
    #[error("{} lies in the rescue folder itself", path.display())]
    Inside {
        /// The archive to be.
        path: PathBuf,
    },
    /// No file can bear the name.
    #[error("{} is no name for an archive", path.display())]
    NoName {
        /// The archive to be.
        path: PathBuf,
    },
    /// The disk has too little room.
    #[error("the archive needs {needed_bytes} bytes, and {} has {free_bytes} free", path.display())]
    NoRoom {
        /// Where the archive was to be.
        path: PathBuf,
        /// How many bytes it needs.
        needed_bytes: u64,
        /// How many there are.
        free_bytes: u64,
    },
    /// Something is missing, and nothing may be (`--strict`).
    #[error("missing from the archive: {count} of the files, the first of them {first}")]
    Incomplete {
        /// How many.
        count: usize,
        /// One of them.
        first: String,
    },
    /// Nothing is to be exported.
    #[error("no file of the rescue folder is to go into the archive")]
    Nothing,
    /// The person stopped it.
    #[error("stopped")]
    Stopped,
}

impl ExportError {
    fn writing(path: &Path, error: zip::result::ZipError) -> Self {
        match error {
            zip::result::ZipError::Io(error) => DiskError::new("write", path, error).into(),
            source => Self::Zip {
                path: path.to_owned(),
                source,
            },
        }
    }

    fn reading(path: &Path, error: zip::result::ZipError) -> Self {
        match error {
            zip::result::ZipError::Io(error)
                if error.kind() != std::io::ErrorKind::InvalidData
                    && error.kind() != std::io::ErrorKind::UnexpectedEof
                    && error.kind() != std::io::ErrorKind::Other =>
            {
                DiskError::new("read back", path, error).into()
            }
            error => Self::wrong(path, error.to_string()),
        }
    }

    fn wrong(path: &Path, what: String) -> Self {
        Self::ReadBack {
            path: path.to_owned(),
            what,
        }
    }
}

/// How an archive is to be made.
pub struct Request<'a> {
    /// Where.
    pub place: &'a Place,
    /// Whether what is in its place may be replaced.
    pub replace: bool,
    /// Whether to stop when anything is missing.
    pub strict: bool,
    /// How its files are kept from other eyes.
    pub protection: Protection,
    /// The time now.
    pub now: DateTime<Local>,
    /// Asked now and then: whether to stop.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
}

/// An archive that is on the disk, checked, under its name.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Packed {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub archive_bytes: u64,
    /// The rescued files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long the writing took, until it was on the disk.
    pub written: Seconds,
    /// How long the reading back took.
    pub checked: Seconds,
}

/// A duration, in JSON a number of seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seconds(pub Duration);

impl serde::Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}

/// What became of an export.
#[derive(Debug)]
pub struct Outcome {
    /// The archive.
    pub packed: Packed,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
}

/// Writes, checks and names an archive of what was planned.
pub fn pack(
    folder: &Folder,
    plan: Plan,
    request: &Request<'_>,
    events: &Events,
) -> Result<Outcome, ExportError> {
    request.refuse_losses(&plan.left_out)?;
    if plan.pieces.is_empty() {
        return Err(ExportError::Nothing);
    }
    request.place.look(folder, request.replace)?;
    request.place.room_for(&plan)?;
    let began = Instant::now();
    events.emit(Event::Exporting {
        archive: request.place.path().display().to_string(),
        items: plan.pieces.len() as u64,
        bytes: plan.bytes(),
    });
    for left_out in &plan.left_out {
        tell(events, left_out);
    }
    let part = request.place.part();
    let mut packing = Packing {
        folder,
        request,
        events,
        archive: Archive::create(&part, request.place.base(), &request.protection)?,
        left_out: plan.left_out,
        packed_bytes: 0,
    };
    let written = packing.write(&plan.pieces);
    let Packing {
        archive,
        left_out,
        packed_bytes,
        ..
    } = packing;
    if let Err(error) = written {
        archive.abandon()?;
        return Err(error);
    }
    let written_and_checked = archive.finish().and_then(|(held, length)| {
        let written = began.elapsed();
        check_back(&part, &held, request, events)?;
        Ok((held, length, written))
    });
    let (held, length, written) = match written_and_checked {
        Ok(done) => done,
        Err(error) => {
            disk::remove_file(&part)?;
            return Err(error);
        }
    };
    request.place.name(request.replace)?;
    let payload = held.iter().filter(|held| is_payload(held)).count();
    Ok(Outcome {
        packed: Packed {
            path: request.place.path().to_owned(),
            archive_bytes: length,
            files: payload as u64,
            bytes: packed_bytes,
            written: Seconds(written),
            checked: Seconds(began.elapsed() - written),
        },
        left_out,
    })
}

impl Request<'_> {
    fn refuse_losses(&self, left_out: &[LeftOut]) -> Result<(), ExportError> {
        let mut losses = left_out.iter().filter(|left_out| left_out.why.is_a_loss());
        match losses.next() {
            Some(first) if self.strict => Err(ExportError::Incomplete {
                count: 1 + losses.count(),
                first: format!("{} ({})", first.path, first.why.sentence()),
            }),
            _ => Ok(()),
        }
    }

    fn go_on(&self) -> Result<(), ExportError> {
        match (self.is_stopped)() {
            true => Err(ExportError::Stopped),
            false => Ok(()),
        }
    }
}

/// An archive being filled.
struct Packing<'a> {
    folder: &'a Folder,
    request: &'a Request<'a>,
    events: &'a Events,
    archive: Archive<'a>,
    left_out: Vec<LeftOut>,
    packed_bytes: u64,
}

impl Packing<'_> {
    fn write(&mut self, pieces: &[Piece]) -> Result<(), ExportError> {
        let shared = Shared::new(pieces, self.folder.data_reader());
        std::thread::scope(|scope| {
            let mut preparation = Preparation::start(scope, &shared, READERS);
            while let Some((piece, prepared)) = preparation.next() {
                self.request.go_on()?;
                let (why, buffer) = self.add(piece, prepared.content)?;
                preparation.done(piece, buffer);
                if let Some(why) = why {
                    self.leave_out(piece, why)?;
                }
            }
            Ok::<_, ExportError>(())
        })?;
        bag::add(&mut self.archive, self.folder, self.request.now)
    }

    /// Adds a file; the reason when it could not be, and the buffer when there is one.
    fn add(
        &mut self,
        piece: &Piece,
        content: Result<Content, Why>,
    ) -> Result<(Option<Why>, Option<Vec<u8>>), ExportError> {
        let events = self.events;
        let outcome = match content {
            Err(why) => {
                events.emit(Event::Packing { bytes: piece.size });
                return Ok((Some(why), None));
            }
            Ok(Content::Whole(bytes)) => {
                self.archive.add_whole(piece, &piece.local, &bytes)?;
                events.emit(Event::Packing { bytes: piece.size });
                (None, Some(bytes))
            }
            Ok(Content::Open(file)) => {
                let request = self.request;
                let why = self
                    .archive
                    .add_large(piece, &piece.local, file, &mut |bytes| {
                        events.emit(Event::Packing { bytes });
                        request.go_on()
                    })?;
                (why, None)
            }
        };
        if outcome.0.is_none() {
            self.packed_bytes += piece.size;
            events.emit(Event::Packed {
                local: piece.local.clone(),
                size: piece.size,
            });
        }
        Ok(outcome)
    }

    fn leave_out(&mut self, piece: &Piece, why: Why) -> Result<(), ExportError> {
        let left_out = left_out(self.folder, piece, why)?;
        tell(self.events, &left_out);
        self.left_out.push(left_out);
        self.request.refuse_losses(&self.left_out)
    }
}

fn left_out(folder: &Folder, piece: &Piece, why: Why) -> Result<LeftOut, CatalogueError> {
    let entry = folder.catalogue().entry(piece.entry)?;
    let entry = entry.ok_or(CatalogueError::NoSuchEntry { id: piece.entry })?;
    Ok(LeftOut {
        path: entry.path,
        local: piece.local.clone(),
        size: piece.size,
        why,
    })
}

fn tell(events: &Events, left_out: &LeftOut) {
    events.emit(Event::LeftOut {
        path: left_out.path.clone(),
        local: left_out.local.clone(),
        why: left_out.why.clone(),
    });
}

fn check_back(
    part: &Path,
    held: &[Held],
    request: &Request<'_>,
    events: &Events,
) -> Result<(), ExportError> {
    events.emit(Event::Checking {
        items: held.len() as u64,
        bytes: held.iter().map(|held| held.size).sum(),
    });
    let base = request.place.base();
    check::check(part, base, held, &request.protection, &mut |bytes| {
        events.emit(Event::Checked { bytes });
        request.go_on()
    })
}

fn is_payload(held: &Held) -> bool {
    held.path
        .strip_prefix(disk::DATA)
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
