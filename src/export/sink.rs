//! The file that an archive is written to. Small pieces are gathered, large ones go straight to the system, and
//! seeking back a little costs no system call.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::folder::disk::system::write_at;
use crate::folder::{DiskAction, DiskError};

/// Gathered before it is written.
const BUFFER_BYTES: usize = 1024 * 1024;
/// Pieces of this size are not worth gathering.
const DIRECT_BYTES: usize = 128 * 1024;
/// After so many bytes, what is written is sent on its way to the disk. So the progress shows the
/// disk's pace and not the memory's, and little is left to wait for at the end.
const SETTLING_BYTES: u64 = 32 * 1024 * 1024;

/// A handle that stops the writing of a file: everything written afterwards is discarded.
#[derive(Debug, Clone, Default)]
pub(super) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A buffered writer for a file that is being created.
#[derive(Debug)]
pub(super) struct Sink {
    file: File,
    path: PathBuf,
    /// The bytes that are not written yet, from offset `start` on.
    buffer: Vec<u8>,
    start: u64,
    /// The position in the buffer of the next byte; at most the buffer's length.
    position: usize,
    abandoned: Abandoned,
    settling: Settling,
}

/// Syncs a file to disk in steps while it is written.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// The number of bytes written since the last step.
    unsettled: u64,
    settler: Option<Settler>,
}

impl Settling {
    /// Reports that `more` bytes were written. Waits while the disk is two steps behind.
    pub(super) fn after(&mut self, file: &File, more: u64) -> io::Result<()> {
        self.unsettled += more;
        if self.unsettled < SETTLING_BYTES {
            return Ok(());
        }
        self.unsettled = 0;
        let settler = match self.settler.take() {
            Some(settler) => settler,
            None => Settler::start(file)?,
        };
        match settler.steps.send(()) {
            Ok(()) => self.settler = Some(settler),
            Err(_) => settler.end()?,
        }
        Ok(())
    }

    /// Returns whether all steps succeeded. A final sync of the whole file has to follow.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.settler.take().map_or(Ok(()), Settler::end)
    }
}

/// Syncs a file beside the writing.
#[derive(Debug)]
struct Settler {
    steps: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Settler {
    fn start(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (steps, taken) = sync_channel(1);
        let settle = move || taken.iter().try_for_each(|()| settled(file.sync_data()));
        let thread = std::thread::Builder::new().spawn(settle)?;
        Ok(Self { steps, thread })
    }

    /// What it met: the system tells a failure only once, and not again to who syncs later.
    fn end(self) -> io::Result<()> {
        drop(self.steps);
        let ended = self.thread.join();
        ended.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
    }
}

/// Not all that can be written can be synced.
fn settled(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

impl Sink {
    /// Creates a writer for an empty file.
    pub(super) fn new(file: File, path: PathBuf) -> Self {
        Self {
            file,
            path,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            start: 0,
            position: 0,
            abandoned: Abandoned::default(),
            settling: Settling::default(),
        }
    }

    /// Returns a handle that gives the file up.
    pub(super) fn abandoned(&self) -> Abandoned {
        self.abandoned.clone()
    }

    /// Writes the buffered bytes and cuts the file off where writing ended, which removes bytes that were taken back.
    /// Returns the file and its length in bytes.
    pub(super) fn finish(mut self) -> Result<(File, u64), DiskError> {
        self.buffer.truncate(self.position);
        let failed = |e| DiskError::new(DiskAction::Write, &self.path, e);
        if self.abandoned.is_set() {
            return Err(failed(io::Error::other("an earlier write failed")));
        }
        write_at(&self.file, &self.buffer, self.start).map_err(failed)?;
        self.settling.end().map_err(failed)?;
        let length = self.start + self.buffer.len() as u64;
        self.file.set_len(length).map_err(failed)?;
        Ok((self.file, length))
    }

    fn here(&self) -> u64 {
        self.start + self.position as u64
    }

    /// Writes what is gathered; the position stays.
    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.put(&buffer);
        self.start = self.here();
        buffer.clear();
        self.buffer = buffer;
        self.position = 0;
        written
    }

    /// Writes to the file. A file is given up after its first error: when the `zip` crate is dropped, it tries to
    /// complete the archive and would print an error on the terminal.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.abandoned.is_set() {
            return Ok(());
        }
        let written = write_at(&self.file, bytes, self.start)
            .and_then(|()| self.settling.after(&self.file, bytes.len() as u64));
        if written.is_err() {
            self.abandoned.set();
        }
        written
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let held = self.buffer.get_mut(self.position..).unwrap_or_default();
        if !held.is_empty() {
            let count = held.len().min(bytes.len());
            for (old, new) in held.iter_mut().zip(bytes) {
                *old = *new;
            }
            self.position += count;
            return Ok(count);
        }
        if bytes.len() >= DIRECT_BYTES {
            self.drain()?;
            self.put(bytes)?;
            self.start += bytes.len() as u64;
            return Ok(bytes.len());
        }
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.drain()?;
        }
        self.buffer.extend_from_slice(bytes);
        self.position = self.buffer.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Sink {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(target) => Some(target),
            // The end is here: what lies beyond was taken back, and is cut off.
            SeekFrom::Current(distance) | SeekFrom::End(distance) => {
                self.here().checked_add_signed(distance)
            }
        };
        let target = target.ok_or(ErrorKind::InvalidInput)?;
        let within = target.checked_sub(self.start).map(usize::try_from);
        match within {
            Some(Ok(within)) if within <= self.buffer.len() => self.position = within,
            _ => {
                self.drain()?;
                self.start = target;
            }
        }
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn sink() -> Sink {
        Sink::new(tempfile::tempfile().unwrap(), PathBuf::from("x"))
    }

    fn read_back(file: &mut File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_taken_back_is_cut_off() {
        let mut sink = sink();
        sink.write_all(b"kept").unwrap();
        sink.write_all(&[7; 3 * DIRECT_BYTES]).unwrap();
        sink.write_all(b"tail").unwrap();
        sink.seek(SeekFrom::Start(4)).unwrap();
        sink.write_all(b"!").unwrap();
        let (mut file, length) = sink.finish().unwrap();
        assert_eq!((read_back(&mut file), length), (b"kept!".to_vec(), 5));
    }

    #[test]
    fn a_full_disk_is_told_and_the_file_given_up() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut sink = Sink::new(full, PathBuf::from("x"));
        let error = sink.write_all(&[7; DIRECT_BYTES]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        sink.write_all(&[7; 2 * BUFFER_BYTES]).unwrap();
        assert!(sink.finish().is_err());
    }

    #[test]
    fn an_abandoned_file_takes_no_more() {
        let mut sink = sink();
        sink.abandoned().set();
        sink.write_all(&[7; 2 * BUFFER_BYTES]).unwrap();
        assert_eq!(sink.stream_position().unwrap(), 2 * BUFFER_BYTES as u64);
        assert_eq!(sink.file.metadata().unwrap().len(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Any order of writes and looks back gives what a plain cursor gives.
        #[test]
        fn writes_and_seeks_are_those_of_a_cursor(
            steps in prop::collection::vec((any::<bool>(), 0..400_000_usize), 1..40)
        ) {
            let mut sink = sink();
            let mut cursor = io::Cursor::new(Vec::new());
            for (number, (is_seek, amount)) in steps.into_iter().enumerate() {
                if is_seek {
                    let end = cursor.get_ref().len() as u64;
                    let target = SeekFrom::Start(end.saturating_sub(amount as u64));
                    prop_assert_eq!(sink.seek(target).unwrap(), cursor.seek(target).unwrap());
                } else {
                    let bytes = vec![number as u8; amount];
                    sink.write_all(&bytes).unwrap();
                    cursor.write_all(&bytes).unwrap();
                }
            }
            let end = cursor.position() as usize;
            let (mut file, length) = sink.finish().unwrap();
            prop_assert_eq!(length, end as u64);
            prop_assert_eq!(&read_back(&mut file), &cursor.into_inner()[..end]);
        }
    }
}
