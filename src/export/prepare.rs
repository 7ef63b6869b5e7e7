//! Reads and hashes files ahead of the writing, in several threads.
//!
//! In: the pieces, in order. Out: the same pieces in the same order, small ones with their bytes, large ones open.
//! Memory is bounded by [`AHEAD_BYTES`], whatever the number and size of the files.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Cursor, Read as _};
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

use super::pieces::{Piece, Pieces};
use super::plan::Why;
use crate::digest::Sha256;
use crate::folder::reader::FoundOnDisk;
use crate::folder::{DataReader, DiskError};
use crate::media::look::{Look, Looker, READERS};
use crate::threads::{NoThread, spawn_up_to};

/// Files up to this size in bytes are read and hashed completely before any of their bytes are written.
pub(super) const SMALL_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of files read ahead.
const AHEAD_BYTES: u64 = 24 * 1024 * 1024;
/// Files read ahead.
const AHEAD_FILES: usize = 256;
/// What an open file counts for, so that only a few are open at once: systems allow some hundreds.
const OPEN_BYTES: u64 = 2 * 1024 * 1024;

/// The content of a file that is about to be written.
pub(super) enum PieceContent {
    /// All bytes of a small file, already verified.
    Whole(Vec<u8>),
    /// A large file, open; its bytes still have to be verified.
    Open(File),
}

/// The result of preparing a piece.
pub(super) struct PreparedPiece {
    pub(super) index: usize,
    pub(super) piece: Piece,
    pub(super) content: Result<PieceContent, Why>,
    pub(super) look: Look,
}

/// The reading threads, as seen by the writer.
pub(super) struct Preparation<'a> {
    shared: &'a PieceQueue<'a>,
    results: Receiver<Result<PreparedPiece, DiskError>>,
    early: HashMap<usize, PreparedPiece>,
    next: usize,
}

/// The state shared by the threads; it outlives their scope.
pub(super) struct PieceQueue<'a> {
    pieces: &'a Pieces,
    /// The number behind the last piece.
    end: usize,
    reader: DataReader,
    looker: Looker,
    state: Mutex<ReadAhead>,
    room: Condvar,
}

#[derive(Default)]
struct ReadAhead {
    next: usize,
    ahead_bytes: u64,
    ahead_files: usize,
    stopped: bool,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
}

impl ReadAhead {
    /// One file always has room.
    fn has_room_for(&self, cost: u64) -> bool {
        self.ahead_files == 0
            || (self.ahead_bytes + cost <= AHEAD_BYTES && self.ahead_files < AHEAD_FILES)
    }
}

impl<'a> PieceQueue<'a> {
    pub(super) fn new(pieces: &'a Pieces, range: Range<usize>, reader: DataReader) -> Self {
        Self {
            pieces,
            end: range.end,
            reader,
            looker: Looker::with_thumbs(),
            state: Mutex::new(ReadAhead {
                next: range.start,
                ..ReadAhead::default()
            }),
            room: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ReadAhead> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece's number and a buffer, when there is room for it. Pieces are handed out in
    /// order, and room too, so that the one that is waited for always has some.
    fn take(&self) -> Option<(usize, Vec<u8>)> {
        let mut state = self.lock();
        loop {
            let index = state.next;
            if state.stopped || index >= self.end {
                return None;
            }
            let cost = cost(self.pieces.size(index));
            if state.has_room_for(cost) {
                state.next += 1;
                state.ahead_bytes += cost;
                state.ahead_files += 1;
                return Some((index, state.spare.pop().unwrap_or_default()));
            }
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self, results: &Sender<Result<PreparedPiece, DiskError>>) {
        let _ending = Ending(self);
        while let Some((index, buffer)) = self.take() {
            let prepared = self.prepare(index, buffer).transpose();
            if prepared.is_none_or(|prepared| results.send(prepared).is_err()) {
                return;
            }
        }
    }

    fn prepare(&self, index: usize, buffer: Vec<u8>) -> Result<Option<PreparedPiece>, DiskError> {
        let Some(piece) = self.pieces.get(index)? else {
            return Ok(None);
        };
        let content = self.content(&piece, buffer)?;
        let name = piece.local.name();
        let look = match &content {
            Ok(PieceContent::Whole(bytes)) => {
                let bytes = Cursor::new(bytes.as_slice());
                self.looker.look(piece.kind, name, piece.mtime, bytes)
            }
            Ok(PieceContent::Open(file)) => self.looker.look(piece.kind, name, piece.mtime, file),
            Err(_) => Look::default(),
        };
        Ok(Some(PreparedPiece {
            index,
            piece,
            content,
            look,
        }))
    }

    /// Returns the bytes of a piece, or why they cannot go into the archive.
    ///
    /// # Errors
    ///
    /// This computer is short of a resource; that is not the piece's fault.
    fn content(
        &self,
        piece: &Piece,
        buffer: Vec<u8>,
    ) -> Result<Result<PieceContent, Why>, DiskError> {
        Ok(match self.reader.open(&piece.local) {
            Ok(FoundOnDisk::File(file)) => Self::read(piece, file, buffer),
            Ok(FoundOnDisk::Nothing) => Err(Why::Missing),
            Ok(FoundOnDisk::Other) => Err(Why::NotAFile),
            Err(error) if error.is_shortage() => return Err(error),
            Err(error) => Err(Why::unreadable(&error)),
        })
    }

    fn read(piece: &Piece, file: File, mut buffer: Vec<u8>) -> Result<PieceContent, Why> {
        if piece.size > SMALL_BYTES {
            return Ok(PieceContent::Open(file));
        }
        buffer.clear();
        buffer.reserve(piece.size as usize + 1);
        // One byte more than expected is enough to know that it changed.
        let read = (&file).take(piece.size + 1).read_to_end(&mut buffer);
        read.map_err(|error| Why::unreadable(&error))?;
        match buffer.len() as u64 == piece.size && Sha256::of(&buffer) == piece.sha256 {
            true => Ok(PieceContent::Whole(buffer)),
            false => Err(Why::Changed),
        }
    }
}

impl<'a> Preparation<'a> {
    /// Starts to read ahead, with at least one thread.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        shared: &'a PieceQueue<'a>,
    ) -> Result<Self, NoThread>
    where
        'a: 'scope,
    {
        let next = shared.lock().next;
        let (sender, results) = channel();
        spawn_up_to(READERS, scope, || {
            let sender = sender.clone();
            move || shared.work(&sender)
        })?;
        Ok(Self {
            shared,
            results,
            early: HashMap::new(),
            next,
        })
    }

    /// Returns the next prepared piece; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<PreparedPiece>, DiskError> {
        let index = self.next;
        if index >= self.shared.end {
            return Ok(None);
        }
        self.next += 1;
        loop {
            if let Some(prepared) = self.early.remove(&index) {
                return Ok(Some(prepared));
            }
            // Ends only when a thread panicked; that comes out at the end of the scope.
            let Ok(prepared) = self.results.recv() else {
                return Ok(None);
            };
            let prepared = prepared?;
            self.early.insert(prepared.index, prepared);
        }
    }

    /// Releases the memory reserved for a piece and returns its buffer for reuse.
    pub(super) fn done(&self, piece: &Piece, buffer: Option<Vec<u8>>) {
        let mut state = self.shared.lock();
        state.ahead_bytes = state.ahead_bytes.saturating_sub(cost(piece.size));
        state.ahead_files = state.ahead_files.saturating_sub(1);
        if state.spare.len() < 4 {
            state.spare.extend(buffer);
        }
        drop(state);
        self.shared.room.notify_all();
    }
}

impl Drop for Preparation<'_> {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.room.notify_all();
    }
}

/// Ends the other threads where one panics: nobody would give back its room.
struct Ending<'a>(&'a PieceQueue<'a>);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().stopped = true;
            self.0.room.notify_all();
        }
    }
}

/// What a piece of so many bytes counts for.
fn cost(size: u64) -> u64 {
    match size {
        large if large > SMALL_BYTES => OPEN_BYTES,
        small => small,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::tests::{planned, rescue};
    use crate::folder::tests::fresh;

    #[test]
    fn few_large_files_are_open_at_once() {
        let (_room, mut folder) = fresh();
        rescue(&mut folder, &[("internal/film.mp4", b"film")]);
        let mut piece = planned(&folder).pieces.get(0).unwrap().unwrap();
        piece.size = SMALL_BYTES + 1;
        let mut pieces = Pieces::new(folder.root()).unwrap();
        (0..100).for_each(|_| pieces.push(&piece).unwrap());
        let shared = PieceQueue::new(&pieces, 0..100, folder.data_reader());
        let mut open = 0;
        while shared.lock().has_room_for(cost(piece.size)) {
            assert!(shared.take().is_some());
            open += 1;
        }
        assert!((2..=16).contains(&open), "{open}");
    }

    #[test]
    fn a_thread_that_panics_ends_the_others() {
        let (_room, mut folder) = fresh();
        let names: Vec<String> = (0..2 * AHEAD_FILES)
            .map(|n| format!("internal/{n}.txt"))
            .collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|it| (it.as_str(), &b"x"[..])).collect();
        rescue(&mut folder, &files);
        let pieces = planned(&folder).pieces;
        let shared = PieceQueue::new(&pieces, 0..pieces.len(), folder.data_reader());
        // It has taken the first piece, and never gives it back.
        std::thread::scope(|scope| {
            let dying = scope.spawn(|| {
                let _ending = Ending(&shared);
                shared.take();
                std::panic::panic_any("on purpose");
            });
            assert!(dying.join().is_err());
            let mut preparation = Preparation::start(scope, &shared).unwrap();
            assert!(preparation.next().unwrap().is_none());
        });
    }
}
