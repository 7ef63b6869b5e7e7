//! A file to be sent: read whole or in pieces, and proven to be the verified one before its last byte leaves this
//! computer.
//!
//! In: an [`Origin`], and the size and SHA-256 that the file had when it was verified. Out: those bytes, or a
//! [`Problem`] that says what is wrong with the file here.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;

use super::checksum::{Checksum, ChecksumAlgorithm, Summer};
use super::limit::Limit;
use super::problem::Problem;
use crate::digest::{Hasher, Sha256};
use crate::event::Events;
use crate::folder::upload::SMALL_BYTES;
use crate::media::copy::Part;
use crate::media::kind::MediaKind;
use crate::media::look::Looker;
use crate::media::taken::Taken;

mod comparison;
mod copy;
mod meter;
mod pieces;
mod place;
#[cfg(test)]
mod tests;

use comparison::Comparison;
use meter::Meter;
use pieces::PieceReader;
pub(crate) use pieces::PieceStream;
pub(crate) use place::Origin;
pub(super) use place::unreadable;
use place::{OTHER_SIZE, changed, prove, read_through};

/// A verified file to upload. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    place: Origin,
    pub size: u64,
    /// The SHA-256 of the file's bytes.
    pub sha256: Sha256,
    /// The modification time, in seconds since 1970.
    pub mtime: Option<i64>,
    meter: Meter,
}

impl Source {
    /// Creates a source from a file, with the size and hash that it had when it was verified.
    pub(crate) fn new(
        place: Origin,
        (size, sha256): (u64, Sha256),
        mtime: Option<i64>,
        limit: Arc<Limit>,
        events: Events,
    ) -> Self {
        Self {
            place,
            size,
            sha256,
            mtime,
            meter: Meter::new(limit, events),
        }
    }

    /// Returns bytes that identify the file among all that are sent to one remote.
    pub(super) fn origin(&self) -> Vec<u8> {
        self.place.origin()
    }

    /// Returns whether the file is small enough for [`Source::whole`].
    pub(crate) fn is_small(&self) -> bool {
        self.size <= SMALL_BYTES
    }

    /// Returns all bytes of a small file, verified.
    pub(crate) async fn whole(&self) -> Result<Bytes, Problem> {
        let (place, size, sha256) = (self.place.clone(), self.size, self.sha256);
        let bytes = blocking(move || {
            let file = place.open(size)?;
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
            file.take(size + 1)
                .read_to_end(&mut bytes)
                .map_err(|e| unreadable(&e))?;
            if bytes.len() as u64 != size {
                return Err(changed(OTHER_SIZE));
            }
            prove(Sha256::of(&bytes), sha256)?;
            Ok(Bytes::from(bytes))
        })
        .await?;
        self.meter.pass(bytes.len()).await;
        Ok(bytes)
    }

    /// Returns all bytes, verified, for callers that need them at once. None of them count as sent.
    pub(super) async fn whole_of_large(&self, max_bytes: u64) -> Result<Bytes, Problem> {
        let (place, size, sha256) = (self.place.clone(), self.size, self.sha256);
        blocking(move || {
            if size > max_bytes {
                return Err(Problem::other("too large to be held in memory"));
            }
            let mut file = place.open(size)?;
            let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
            file.read_exact(&mut bytes).map_err(|e| unreadable(&e))?;
            prove(Sha256::of(&bytes), sha256)?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    /// Reads the bytes from an offset on, in pieces of `piece_bytes` (the last may be shorter). The last piece is
    /// returned only after the whole file has been verified.
    pub(crate) fn pieces(&self, piece_bytes: usize, offset: u64) -> PieceStream {
        let reader = PieceReader {
            place: self.place.clone(),
            piece_bytes,
            offset,
            size: self.size,
            sha256: self.sha256,
        };
        PieceStream::read(reader, self.meter.clone())
    }

    /// Starts to compare other bytes with the file. Blocks.
    pub(super) fn comparison(&self) -> Result<Comparison, Problem> {
        Comparison::with(&self.place, self.size)
    }

    /// Returns the file's first bytes, to detect what it is.
    pub(crate) async fn head(&self, bytes: usize) -> Result<Vec<u8>, Problem> {
        let (place, size) = (self.place.clone(), self.size);
        blocking(move || {
            let mut head = Vec::new();
            place
                .open(size)?
                .take(bytes as u64)
                .read_to_end(&mut head)
                .map_err(|e| unreadable(&e))?;
            Ok(head)
        })
        .await
    }

    /// Returns the MD5 of the file's current content, as hexadecimal digits, for services that report theirs.
    pub(crate) async fn md5(&self) -> Result<String, Problem> {
        self.digest::<md5::Md5>().await
    }

    /// Returns the SHA-1 of the file, as hexadecimal digits; fails if the file has changed since it was verified.
    pub(crate) async fn sha1(&self) -> Result<String, Problem> {
        self.digest::<sha1::Sha1>().await
    }

    /// Reads all of it once, and proves it on the way.
    async fn digest<D: md5::Digest + Send + 'static>(&self) -> Result<String, Problem> {
        let (place, size, sha256) = (self.place.clone(), self.size, self.sha256);
        blocking(move || {
            let (mut wanted, mut proof) = (D::new(), Hasher::default());
            read_through(&mut place.open(size)?, |bytes| {
                wanted.update(bytes);
                proof.update(bytes);
            })?;
            prove(proof.finish(), sha256)?;
            let digest = wanted.finalize();
            Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
        })
        .await
    }

    /// Returns a checksum of the file's current content.
    pub(crate) async fn checksum(&self, algorithm: ChecksumAlgorithm) -> Result<Checksum, Problem> {
        let (place, size) = (self.place.clone(), self.size);
        blocking(move || {
            let mut summer = Summer::new(algorithm);
            read_through(&mut place.open(size)?, |bytes| summer.update(bytes))?;
            Ok(summer.finish())
        })
        .await
    }

    /// Returns when the picture or video was made: from its metadata, its name, or its modification time.
    pub(crate) async fn taken(&self, name: &str) -> Result<Option<Taken>, Problem> {
        let (place, size) = (self.place.clone(), self.size);
        let (name, mtime) = (name.to_owned(), self.mtime.unwrap_or_default());
        blocking(move || {
            let file = place.open_original(size)?;
            let kind = MediaKind::of_name(name.as_bytes());
            Ok(Looker::default().look(kind, &name, mtime, file).taken)
        })
        .await
    }

    /// Opens the file and calls `look` with it.
    pub(super) async fn look_into<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut File) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (place, size) = (self.place.clone(), self.size);
        blocking(move || Ok(look(&mut place.open_original(size)?))).await
    }

    /// Returns a copy that consists of these parts, with its own size and SHA-256. Verifies the file in the process.
    pub(super) async fn copy_of(&self, parts: Vec<Part>) -> Result<Self, Problem> {
        let (place, verified) = (self.place.clone(), (self.size, self.sha256));
        let parts: Arc<[Part]> = parts.into();
        let told = Arc::clone(&parts);
        let measured = move || copy::measure(place.open_original(verified.0)?, verified, &told);
        let (size, sha256) = blocking(measured).await?;
        Ok(Self {
            place: Origin::Copy {
                of: Box::new(self.place.clone()),
                original_size: self.size,
                parts,
            },
            size,
            sha256,
            ..self.clone()
        })
    }

    /// Reports that bytes count as sent.
    pub(crate) fn tell(&self, bytes: u64) {
        self.meter.tell(bytes);
    }

    /// Takes back the bytes reported as sent, because they will be sent again or not at all.
    pub(crate) fn withdraw(&self) {
        self.meter.withdraw();
    }
}

/// Runs blocking work on a separate thread.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
