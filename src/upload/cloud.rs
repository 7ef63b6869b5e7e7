//! Services with a protocol of their own, implemented here and not by OpenDAL: Google Cloud Storage,
//! Google Drive, Dropbox, OneDrive.
//!
//! What they share: a large file is sent in parts to a session that the service keeps, and goes on
//! where it was, also in the next run; each answer's checksum is compared with the file's own.

pub(crate) mod access;
pub(crate) mod api;
pub(crate) mod drive;
pub(crate) mod dropbox;
pub(crate) mod gcs;
pub(crate) mod google;
pub(crate) mod onedrive;
pub(crate) mod sessions;
pub(crate) mod settings;

use bytes::Bytes;

use self::drive::Drive;
use self::dropbox::Dropbox;
use self::gcs::Gcs;
use self::onedrive::OneDrive;
use self::sessions::Sessions;
use super::checksum::Checksum;
use super::problem::Problem;
use super::source::Source;
use super::{Acknowledged, Found};
use crate::digest::Sha256;

/// Pieces of a file that are in memory at once: two read ahead, one being read, one being sent.
const PIECES_IN_MEMORY: u64 = 4;

/// A cloud storage service with a protocol of its own.
#[derive(Debug)]
pub enum Cloud {
    /// Google Cloud Storage.
    Gcs(Gcs),
    /// Google Drive.
    Drive(Drive),
    /// Dropbox.
    Dropbox(Dropbox),
    /// OneDrive.
    OneDrive(OneDrive),
}

/// What a service reports about a stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The service's id for the file, or something equivalent.
    pub(crate) id: Option<String>,
    pub(crate) size: Option<u64>,
    /// The service's checksum of the file.
    pub(crate) checksum: Option<Checksum>,
    /// A value that changes whenever the file is overwritten; makes a removal conditional.
    pub(crate) revision: Option<String>,
}

/// The progress of an upload session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The service has received this many bytes and expects the next.
    Has(u64),
    /// The service has the complete file.
    Done(Stored),
}

/// A service that accepts a large file in parts.
pub(crate) trait Parts {
    /// The size of a part in bytes.
    const PART_BYTES: usize;

    /// Opens an upload session and returns the text that leads to it. Whoever has that text can write to the session,
    /// so it must be kept secret.
    async fn begin(&self, path: &str, source: &Source) -> Result<String, Problem>;

    /// Asks for the progress of a session; returns [`Problem::NotFound`] if the session has ended.
    async fn received(&self, session: &str, source: &Source) -> Result<Progress, Problem>;

    /// Sends the part that begins at an offset. The last part completes the session.
    async fn append(
        &self,
        session: &str,
        file: (&str, &Source),
        offset: u64,
        part: Bytes,
    ) -> Result<Progress, Problem>;
}

impl Cloud {
    /// Lists a folder; returns an empty list if it does not exist.
    pub async fn list(&self, folder: &str) -> Result<Vec<Found>, Problem> {
        match self {
            Self::Gcs(gcs) => gcs.list(folder).await,
            Self::Drive(drive) => drive.list(folder).await,
            Self::Dropbox(dropbox) => dropbox.list(folder).await,
            Self::OneDrive(onedrive) => onedrive.list(folder).await,
        }
    }

    /// Sends a file to a path, unless something is already there.
    pub async fn put(&self, path: &str, source: &Source) -> Result<Acknowledged, Problem> {
        let stored = match self {
            Self::Gcs(gcs) => gcs.put(path, source).await?,
            Self::Drive(drive) => drive.put(path, source).await?,
            Self::Dropbox(dropbox) => dropbox.put(path, source).await?,
            Self::OneDrive(onedrive) => onedrive.put(path, source).await?,
        };
        let mut whole = stored.size.is_none_or(|size| size == source.size);
        if let (true, Some(there)) = (whole, &stored.checksum) {
            whole = source.checksum(there.algorithm).await? == *there;
        }
        if !whole {
            // It is of no use to anybody, as long as it is ours: somebody may have written over it.
            let revision = stored.revision.as_deref();
            match (self, &stored.id) {
                (Self::Gcs(gcs), _) => gcs.remove(path, revision).await?,
                (Self::Drive(drive), Some(id)) => drive.remove_id(id).await?,
                (Self::Drive(_), None) => {}
                (Self::Dropbox(dropbox), _) => dropbox.remove(path, revision).await?,
                (Self::OneDrive(onedrive), _) => onedrive.remove(path, revision).await?,
            }
            return Err(Problem::Other {
                words: "the service's copy differs from the file that was sent".to_owned(),
                passing: true,
            });
        }
        Ok(Acknowledged {
            there: stored.id,
            checksum: stored.checksum.map(|checksum| checksum.to_string()),
        })
    }

    /// Reads a file back; returns its size in bytes and its SHA-256.
    pub async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem> {
        match self {
            Self::Gcs(gcs) => gcs.digest(path, most).await,
            Self::Drive(drive) => drive.digest(path, most).await,
            Self::Dropbox(dropbox) => dropbox.digest(path, most).await,
            Self::OneDrive(onedrive) => onedrive.digest(path, most).await,
        }
    }

    /// Removes a file.
    pub async fn remove(&self, path: &str) -> Result<(), Problem> {
        match self {
            Self::Gcs(gcs) => gcs.remove(path, None).await,
            Self::Drive(drive) => drive.remove(path).await,
            Self::Dropbox(dropbox) => dropbox.remove(path, None).await,
            Self::OneDrive(onedrive) => onedrive.remove(path, None).await,
        }
    }

    /// Returns how many bytes of memory sending a file takes.
    pub fn memory(&self, size: u64) -> u64 {
        let part = match self {
            Self::Gcs(_) => Gcs::PART_BYTES,
            Self::Drive(_) => Drive::PART_BYTES,
            Self::Dropbox(_) => Dropbox::PART_BYTES,
            Self::OneDrive(_) => OneDrive::PART_BYTES,
        };
        size.min(part as u64 * PIECES_IN_MEMORY)
    }
}

/// Sends a large file in parts, and continues where an earlier attempt ended.
pub(crate) async fn send_in_parts<P: Parts>(
    parts: &P,
    sessions: &Sessions,
    path: &str,
    source: &Source,
) -> Result<Stored, Problem> {
    let sent = send_parts(parts, sessions, path, source).await;
    match &sent {
        // Nothing to go on with.
        Ok(_)
        | Err(
            Problem::NotFound { .. }
            | Problem::Taken { .. }
            | Problem::SourceChanged { .. }
            | Problem::TooLarge { .. }
            | Problem::NameRefused { .. }
            | Problem::Other { passing: false, .. },
        ) => sessions.forget(path, source),
        Err(_) => {}
    }
    match sent {
        Err(Problem::NotFound { what }) => Err(Problem::Other {
            words: format!("the service has forgotten what it had of the file ({what})"),
            passing: true,
        }),
        sent => sent,
    }
}

async fn send_parts<P: Parts>(
    parts: &P,
    sessions: &Sessions,
    path: &str,
    source: &Source,
) -> Result<Stored, Problem> {
    let (session, mut position) = match sessions.find(path, source) {
        Some(session) => match parts.received(&session, source).await? {
            Progress::Done(stored) => return Ok(stored),
            Progress::Has(offset) if offset < source.size => (session, offset),
            Progress::Has(_) => {
                return Err(Problem::NotFound {
                    what: "a session that was not ended".to_owned(),
                });
            }
        },
        None => {
            let session = parts.begin(path, source).await?;
            sessions.keep(path, source, &session);
            (session, 0)
        }
    };
    if position > 0 {
        tracing::debug!("going on with {path} at {position}");
        source.tell(position);
    }
    let mut pieces = source.pieces(P::PART_BYTES, position);
    while let Some(piece) = pieces.next().await? {
        let end = position + piece.len() as u64;
        match parts
            .append(&session, (path, source), position, piece)
            .await?
        {
            Progress::Done(stored) if end == source.size => return Ok(stored),
            Progress::Has(has) if has == end && end < source.size => position = end,
            // It may have taken a part of the part: the next try asks.
            Progress::Has(has) if has < source.size => {
                return Err(Problem::Other {
                    words: format!("the service has {has} bytes, but was sent {end}"),
                    passing: true,
                });
            }
            Progress::Has(_) | Progress::Done(_) => {
                return Err(Problem::other("the service completed the file too early"));
            }
        }
    }
    Err(Problem::other("the service did not complete the file"))
}
