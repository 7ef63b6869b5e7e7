//! Services with a protocol of their own, implemented here and not by OpenDAL: Google Cloud Storage,
//! Google Drive, Dropbox, OneDrive.
//!
//! What they share: a large file is sent in parts to a session that the service keeps, and goes on
//! where it was, also in the next run; each answer's checksum is compared with the file's own.

pub(crate) mod access;
pub(crate) mod api;
pub(crate) mod drives;
pub(crate) mod google;
pub(crate) mod sessions;

use async_trait::async_trait;
use bytes::Bytes;

use self::sessions::Sessions;
use super::checksum::Checksum;
use super::owner::Owner;
use super::paths::Store;
use super::problem::Problem;
use super::source::Source;
use super::{Acknowledged, RemoteEntry, Wanted};
use crate::digest::Sha256;

/// Pieces of a file that are in memory at once: two read ahead, one being read, one being sent.
const PIECES_IN_MEMORY: u64 = 4;

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
pub(crate) enum SessionProgress {
    /// The service has received this many bytes and expects the next.
    Has(u64),
    /// The service has the complete file.
    Done(Stored),
}

/// A cloud storage service with a protocol of its own, which accepts a large file in parts.
#[async_trait]
pub(crate) trait Cloud: std::fmt::Debug + Send + Sync {
    /// The size of a part in bytes.
    const PART_BYTES: usize;

    /// Returns where the sessions of large files are kept.
    fn sessions(&self) -> &Sessions;

    /// Lists a folder; returns an empty list if it does not exist.
    async fn list(&self, folder: &str) -> Result<Vec<RemoteEntry>, Problem>;

    /// Sends a file to a path, unless something is already there.
    async fn send(&self, path: &str, source: &Source) -> Result<Stored, Problem>;

    /// Reads a file back; returns its size in bytes and its SHA-256.
    async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem>;

    /// Removes a file; with `stored`, only if nobody has written over it since.
    async fn remove(&self, path: &str, stored: Option<&Stored>) -> Result<(), Problem>;

    /// Opens an upload session and returns the text that leads to it. Whoever has that text can write to the session,
    /// so it must be kept secret.
    async fn begin(&self, path: &str, source: &Source) -> Result<String, Problem>;

    /// Asks for the progress of a session; returns [`Problem::NotFound`] if the session has ended.
    async fn received(&self, session: &str, source: &Source) -> Result<SessionProgress, Problem>;

    /// Sends the part that begins at an offset. The last part completes the session.
    async fn append(
        &self,
        session: &str,
        file: (&str, &Source),
        offset: u64,
        part: Bytes,
    ) -> Result<SessionProgress, Problem>;
}

#[async_trait]
impl<C: Cloud> Store for C {
    async fn list(&self, folder: &str, _: &Wanted<'_>) -> Result<Vec<RemoteEntry>, Problem> {
        Cloud::list(self, folder).await
    }

    async fn put(&self, path: &str, source: &Source, _: &Owner) -> Result<Acknowledged, Problem> {
        let stored = self.send(path, source).await?;
        let mut whole = stored.size.is_none_or(|size| size == source.size);
        if let (true, Some(there)) = (whole, &stored.checksum) {
            whole = source.checksum(there.algorithm).await? == *there;
        }
        if !whole {
            // It is of no use to anybody, as long as it is ours: somebody may have written over it.
            Cloud::remove(self, path, Some(&stored)).await?;
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

    async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem> {
        Cloud::digest(self, path, most).await
    }

    async fn remove(&self, path: &str) -> Result<(), Problem> {
        Cloud::remove(self, path, None).await
    }

    fn memory(&self, size: u64) -> u64 {
        size.min(Self::PART_BYTES as u64 * PIECES_IN_MEMORY)
    }
}

/// Sends a large file in parts, and continues where an earlier attempt ended.
pub(crate) async fn send_in_parts<C: Cloud>(
    cloud: &C,
    path: &str,
    source: &Source,
) -> Result<Stored, Problem> {
    let sent = send_parts(cloud, path, source).await;
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
        ) => cloud.sessions().forget(path, source),
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

async fn send_parts<C: Cloud>(cloud: &C, path: &str, source: &Source) -> Result<Stored, Problem> {
    let sessions = cloud.sessions();
    let (session, mut position) = match sessions.find(path, source) {
        Some(session) => match cloud.received(&session, source).await? {
            SessionProgress::Done(stored) => return Ok(stored),
            SessionProgress::Has(offset) if offset < source.size => (session, offset),
            SessionProgress::Has(_) => {
                return Err(Problem::NotFound {
                    what: "a session that was not ended".to_owned(),
                });
            }
        },
        None => {
            let session = cloud.begin(path, source).await?;
            sessions.keep(path, source, &session);
            (session, 0)
        }
    };
    if position > 0 {
        tracing::debug!("going on with {path} at {position}");
        source.tell(position);
    }
    let mut pieces = source.pieces(C::PART_BYTES, position);
    while let Some(piece) = pieces.next().await? {
        let end = position + piece.len() as u64;
        match cloud
            .append(&session, (path, source), position, piece)
            .await?
        {
            SessionProgress::Done(stored) if end == source.size => return Ok(stored),
            SessionProgress::Has(has) if has == end && end < source.size => position = end,
            // It may have taken a part of the part: the next try asks.
            SessionProgress::Has(has) if has < source.size => {
                return Err(Problem::Other {
                    words: format!("the service has {has} bytes, but was sent {end}"),
                    passing: true,
                });
            }
            SessionProgress::Has(_) | SessionProgress::Done(_) => {
                return Err(Problem::other("the service completed the file too early"));
            }
        }
    }
    Err(Problem::other("the service did not complete the file"))
}

/// The file's own date as services want it: `2024-05-17T12:34:56Z`.
pub(crate) fn date_of(source: &Source) -> Option<String> {
    let mtime = source.mtime.filter(|mtime| *mtime > 0)?;
    let date = chrono::DateTime::from_timestamp(mtime, 0)?;
    Some(date.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}
