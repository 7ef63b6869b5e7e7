//! A file in pieces: read, hashed and proven on a thread of its own while they are sent.

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::meter::Meter;
use super::place::{
    OTHER_SIZE, OpenSource, Origin, READ_BYTES, changed, prove, read_exactly, unreadable,
};
use crate::digest::{Hasher, Sha256};
use crate::threads;
use crate::upload::problem::Problem;

/// What waits to be sent, in bytes: on a busy computer who reads and who sends wait for their turns,
/// and none of the two should wait for the other.
const AHEAD_BYTES: usize = 2 * 1024 * 1024;

/// The pieces of a file, in order.
#[derive(Debug)]
pub(crate) struct PieceStream {
    receiver: mpsc::Receiver<Result<Bytes, Problem>>,
    meter: Meter,
}

impl PieceStream {
    /// Starts to read.
    pub(super) fn read(reader: PieceReader, meter: Meter) -> Self {
        let ahead = AHEAD_BYTES / reader.piece_bytes.max(1);
        let (sender, receiver) = mpsc::channel(ahead.max(1));
        // A thread of its own: it waits for who takes the pieces, and they may need the others.
        let refusing = sender.clone();
        let started = threads::spawn(move || {
            if let Err(problem) = reader.read(&sender) {
                // Nobody waits for it when the sending failed.
                let _ = sender.blocking_send(Err(problem));
            }
        });
        if let Err(error) = started {
            let _ = refusing.try_send(Err(Problem::Shortage {
                words: error.to_string(),
            }));
        }
        Self { receiver, meter }
    }

    /// Returns the next piece; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match self.receiver.recv().await.transpose()? {
            Some(piece) => {
                self.meter.pass(piece.len()).await;
                Ok(Some(piece))
            }
            None => Ok(None),
        }
    }
}

/// A reader of a file in pieces, with the facts that verify the file.
pub(super) struct PieceReader {
    pub(super) place: Origin,
    pub(super) piece_bytes: usize,
    /// The offset of the first piece. The bytes before it are read only for the verification.
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) sha256: Sha256,
}

impl PieceReader {
    fn read(&self, sender: &mpsc::Sender<Result<Bytes, Problem>>) -> Result<(), Problem> {
        let mut file = self.place.open(self.size)?;
        let mut proof = Hasher::default();
        let buffers = FileBuffers::default();
        let mut position = 0;
        while position < self.offset {
            let wanted = (self.offset - position).min(READ_BYTES as u64) as usize;
            proof.update(&buffers.read(&mut file, wanted)?);
            position += wanted as u64;
        }
        while position < self.size {
            let wanted = (self.size - position).min(self.piece_bytes as u64) as usize;
            let piece = buffers.read(&mut file, wanted)?;
            proof.update(&piece);
            position += wanted as u64;
            if position == self.size {
                self.prove(file, proof)?;
                let _ = sender.blocking_send(Ok(piece));
                return Ok(());
            }
            if sender.blocking_send(Ok(piece)).is_err() {
                // The sending failed.
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether what was read is all, and what was verified.
    fn prove(&self, mut file: OpenSource, proof: Hasher) -> Result<(), Problem> {
        if file.read(&mut [0]).map_err(|e| unreadable(&e))? > 0 {
            return Err(changed(OTHER_SIZE));
        }
        prove(proof.finish(), self.sha256)
    }
}

/// Buffers of one file, which come back when their bytes are sent: the system clears each new one,
/// and that takes as long as reading into it.
#[derive(Default)]
struct FileBuffers {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl FileBuffers {
    /// The next bytes of a file, exactly so many.
    fn read(&self, file: &mut OpenSource, wanted: usize) -> Result<Bytes, Problem> {
        let free = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut lent = Lent {
            bytes: free.unwrap_or_default(),
            free: Arc::clone(&self.free),
        };
        // Costs nothing in one that was as long before.
        lent.bytes.resize(wanted, 0);
        read_exactly(file, &mut lent.bytes)?;
        Ok(Bytes::from_owner(lent))
    }
}

/// A buffer that goes back to the others.
struct Lent {
    bytes: Vec<u8>,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(bytes);
    }
}
