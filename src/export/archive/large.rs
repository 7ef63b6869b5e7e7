//! Adds files that are too large to be read as a whole: they are verified while they are written.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::mpsc::sync_channel;

use super::super::ExportError;
use super::super::pieces::Piece;
use super::super::plan::Why;
use super::options::method;
use super::target::ArchiveTarget;
use super::{Archive, payload_path};
use crate::digest::{Hasher, Sha256};
use crate::names::LocalPath;
use crate::threads::spawn_scoped;

/// A large file is read in pieces of this size...
const CHUNK_BYTES: usize = 1024 * 1024;
/// ...so many ahead of the writing.
const CHUNKS_AHEAD: usize = 4;

impl<T: ArchiveTarget> Archive<'_, T> {
    /// Adds a large file and verifies its bytes at the same time: one thread hashes, another writes. If they are not
    /// the rescued bytes, the file is removed from the archive again and the reason is returned.
    pub(in super::super) fn add_large(
        &mut self,
        piece: &Piece,
        name: &LocalPath,
        file: File,
        on_bytes: &mut dyn FnMut(u64) -> Result<(), ExportError>,
    ) -> Result<Option<Why>, ExportError> {
        // Somebody looked into it before.
        if let Err(error) = (&file).seek(SeekFrom::Start(0)) {
            return Ok(Some(Why::Unreadable(error.to_string())));
        }
        if !T::TAKES_BACK {
            // No progress, but a chance to stop.
            if let Some(why) = difference(&file, piece, &mut || on_bytes(0))? {
                return Ok(Some(why));
            }
        }
        self.start(&payload_path(name), piece.size, piece.mtime, method(name))?;
        let found = std::thread::scope(|scope| {
            let (full, chunks) = sync_channel::<Vec<u8>>(CHUNKS_AHEAD);
            let (empty, spare) = sync_channel::<Vec<u8>>(CHUNKS_AHEAD + 2);
            let reading = spawn_scoped(scope, move || -> std::io::Result<(Sha256, u64)> {
                let (mut hasher, mut size) = (Hasher::default(), 0);
                loop {
                    let mut chunk = spare.try_recv().unwrap_or_default();
                    chunk.clear();
                    chunk.reserve(CHUNK_BYTES);
                    // A file that grows without end changed; no need to see all of it.
                    let left = (piece.size + 1).saturating_sub(size);
                    let limit = left.min(CHUNK_BYTES as u64);
                    let count = (&file).take(limit).read_to_end(&mut chunk)?;
                    if count == 0 {
                        return Ok((hasher.finish(), size));
                    }
                    hasher.update(&chunk);
                    size += count as u64;
                    if full.send(chunk).is_err() {
                        return Ok((hasher.finish(), size));
                    }
                }
            })?;
            let mut written = 0;
            for chunk in chunks {
                // The byte too many of a file that grew must not enlarge the entry over its limit.
                let room = usize::try_from(piece.size - written).unwrap_or(usize::MAX);
                let bytes = chunk.get(..chunk.len().min(room)).unwrap_or_default();
                self.write(bytes)?;
                written += bytes.len() as u64;
                on_bytes(bytes.len() as u64)?;
                let _ = empty.try_send(chunk);
            }
            match reading.join() {
                Ok(found) => Ok::<_, ExportError>(found),
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        })?;
        let why = match found {
            Ok((sha256, size)) if size == piece.size && sha256 == piece.sha256 => {
                return Ok(None);
            }
            Ok(_) => Why::Changed,
            Err(error) => Why::Unreadable(error.to_string()),
        };
        self.take_back(why)
    }

    /// Removes the most recently started file.
    fn take_back(&mut self, why: Why) -> Result<Option<Why>, ExportError> {
        if !T::TAKES_BACK {
            let what = "a file changed while it was written".to_owned();
            return Err(ExportError::wrong(self.path, what));
        }
        let path = self.path;
        let taken_back = self.zip()?.abort_file();
        taken_back.map_err(|e| ExportError::writing(path, e))?;
        Ok(Some(why))
    }
}

/// Why a file is not what was rescued, found by reading it once more.
fn difference(
    file: &File,
    piece: &Piece,
    go_on: &mut dyn FnMut() -> Result<(), ExportError>,
) -> Result<Option<Why>, ExportError> {
    let mut hasher = Hasher::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut limited = file.take(piece.size + 1);
    let read = loop {
        go_on()?;
        match limited.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Ok(count) => hasher.update(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    let rewound = read.and_then(|()| {
        let mut file = file;
        file.seek(SeekFrom::Start(0))
    });
    Ok(match rewound {
        Ok(_) if hasher.finish() == piece.sha256 => None,
        Ok(_) => Some(Why::Changed),
        Err(error) => Some(Why::Unreadable(error.to_string())),
    })
}
