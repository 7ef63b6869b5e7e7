//! Reads the readable parts of a file around places that the phone's storage cannot read.
//!
//! In: an item that failed each time, and a phone with `dd`. Out: the readable bytes, and which parts are missing.
//! Where reading stops, blocks further on are tried, in growing steps; from the first readable one, the way back to
//! the bad place is read block by block.

use crate::adb::RemotePath;
use crate::adb::shell::Output;
use crate::event::{Event, Supervisor};
use crate::folder::{DiskError, Finished, Gaps, Patchwork};
use crate::item::Item;
use crate::phone::{Phone, PhoneError};

/// The unit in which storage is tried, in bytes: no storage has smaller blocks that fail alone.
const BLOCK: u64 = 4096;
/// The largest step over bad blocks, in bytes.
const MAX_STEP: u64 = 1024 * 1024;
/// How often reading is begun for one file.
const MAX_READS: u32 = 3000;
/// How often the phone may fall silent over one file: each costs an idle timeout.
const MAX_STALLS: u32 = 4;

/// The readable parts of a file.
#[derive(Debug)]
pub(super) struct Salvaged {
    pub(super) finished: Finished,
    pub(super) gaps: Gaps,
}

/// The reason why nothing was salvaged.
pub(super) enum SalvageFailure {
    /// The connection to the phone was lost.
    Lost(PhoneError),
    /// The computer's disk failed.
    Disk(DiskError),
    /// Not a single byte could be read, or the run was stopped.
    Nothing,
}

impl From<DiskError> for SalvageFailure {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// Reads whatever can be read of an item whose size is known exactly.
pub(super) async fn salvage(
    phone: &Phone,
    item: &Item,
    file: Patchwork,
    supervisor: &Supervisor,
) -> Result<Salvaged, SalvageFailure> {
    supervisor.events.emit(Event::Pulling {
        path: item.path.clone(),
        size: item.size,
    });
    let mut reader = Reader {
        phone,
        path: &item.path,
        file,
        supervisor,
        reads: 0,
        stalls: 0,
    };
    let mut gaps = Gaps::default();
    let (mut at, mut step) = (0, BLOCK);
    while at < item.size {
        let got = match reader.is_worn_out() {
            true => {
                gaps.push(at..item.size);
                break;
            }
            false => reader.read(at, item.size - at).await?,
        };
        if got > 0 {
            reader.fill_back(&mut gaps, at).await?;
            at += got;
            step = BLOCK;
        } else {
            let end = (at / BLOCK * BLOCK).saturating_add(step).min(item.size);
            gaps.push(at..end);
            at = end;
            step = (step * 2).min(MAX_STEP);
        }
    }
    reader.fill_back(&mut gaps, item.size).await?;
    if supervisor.halt.is_set() || gaps.bytes() >= item.size {
        return Err(SalvageFailure::Nothing);
    }
    let (file, size, mtime) = (reader.file, item.size, item.mtime);
    let finished = tokio::task::spawn_blocking(move || file.finish(size, mtime)).await;
    match finished {
        Ok(finished) => Ok(Salvaged {
            finished: finished?,
            gaps,
        }),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

struct Reader<'a> {
    phone: &'a Phone,
    path: &'a RemotePath,
    file: Patchwork,
    supervisor: &'a Supervisor,
    reads: u32,
    stalls: u32,
}

impl Reader<'_> {
    fn is_worn_out(&self) -> bool {
        self.supervisor.halt.is_set() || self.reads >= MAX_READS || self.stalls >= MAX_STALLS
    }

    /// Reads up to `most` bytes from offset `from` on and keeps them. Returns how many arrived before an error, a
    /// silence or the end of the file.
    async fn read(&mut self, from: u64, most: u64) -> Result<u64, SalvageFailure> {
        self.reads += 1;
        let began = self.phone.read_blocks(self.path, BLOCK, from, most).await;
        let (mut running, mut skip) = match began {
            Ok(began) => began,
            Err(PhoneError::ServiceRefused { .. }) => return Ok(0),
            Err(error) => return Err(SalvageFailure::Lost(error)),
        };
        let mut got = 0;
        while got < most {
            let piece = tokio::select! {
                () = self.supervisor.halt.stopped() => break,
                piece = running.next(self.phone.idle()) => piece,
            };
            let mut bytes = match piece {
                Ok(Some(Output::Stdout(bytes))) => bytes,
                Ok(Some(Output::Stderr(_))) => continue,
                Ok(Some(Output::Exit(_))) => break,
                Ok(None) => {
                    // A cable pulled looks no different through an adb server.
                    drop(self.phone.sync().await.map_err(SalvageFailure::Lost)?);
                    break;
                }
                Err(PhoneError::Idle { .. } | PhoneError::Shell(_)) => {
                    drop(self.phone.sync().await.map_err(SalvageFailure::Lost)?);
                    self.stalls += 1;
                    break;
                }
                Err(error) => return Err(SalvageFailure::Lost(error)),
            };
            let skipped = skip.min(bytes.len());
            skip -= skipped;
            let mut bytes = bytes.split_off(skipped);
            bytes.truncate((most - got).min(bytes.len() as u64) as usize);
            self.file.write_at(from + got, &bytes)?;
            got += bytes.len() as u64;
            self.supervisor.events.emit(Event::Received {
                bytes: bytes.len() as u64,
            });
        }
        Ok(got)
    }

    /// Narrows the last gap, which ends at `end` because of a long step: reads block by block backwards from there as
    /// far as possible.
    async fn fill_back(&mut self, gaps: &mut Gaps, end: u64) -> Result<(), SalvageFailure> {
        let Some(gap) = gaps.last().filter(|gap| gap.end == end).cloned() else {
            return Ok(());
        };
        let mut back = end;
        // The gap's first block failed already.
        let first = gap.start / BLOCK * BLOCK + BLOCK;
        while back > first && !self.is_worn_out() {
            let block = (back - 1) / BLOCK * BLOCK;
            if self.read(block, back - block).await? < back - block {
                break;
            }
            back = block;
        }
        gaps.end_last_at(back);
        Ok(())
    }
}
