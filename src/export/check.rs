//! Reads an archive back from the disk and compares it with what it should hold: every name, every size, every byte.
//! Shares only the `zip` crate with the writer.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use zip::ZipReadOptions;
use zip::read::{Config, ZipFileEntry};
use zip::unstable::read::ZipIterable;

use super::ExportError;
use super::archive::{Held, Protection};
use crate::digest::Hasher;
use crate::folder::disk::{self, system::forget_contents};
use crate::folder::{DiskAction, DiskError};
use crate::threads::spawn_up_to;

const THREADS: usize = 2;
/// Entries handed out ahead of their results.
const AHEAD: usize = 64;
const BUFFER_BYTES: usize = 1024 * 1024;

enum CheckNews {
    Bytes(u64),
    Wrong(ExportError),
}

/// An entry to be read, and what it should hold.
struct Job {
    entry: ZipFileEntry<'static>,
    held: Held,
    /// Where the next one begins, or the list of all.
    end: u64,
}

/// Verifies the archive at `path`, whose files are in the folder `base`: that it holds the expected number of files, in
/// the expected order, with the expected bytes.
pub(super) fn check(
    path: &Path,
    base: &str,
    count: usize,
    held: impl Iterator<Item = Result<Held, ExportError>>,
    protection: &Protection,
    on_bytes: &mut dyn FnMut(u64) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let file = open(path)?;
    // What is read back should come from the disk, not from memory. The file is synced, so nothing
    // is lost; where the system does not listen, the check still reads every byte.
    forget_contents(&file);
    let reading = |error| ExportError::reading(path, error);
    let buffered = std::io::BufReader::with_capacity(4096, file);
    let archive = ZipIterable::try_new(buffered, Config::default()).map_err(reading)?;
    if archive.len() != count {
        let what = format!("it lists {} files, not {count}", archive.len());
        return Err(ExportError::wrong(path, what));
    }
    let mut archive = archive.enforce_header_consistency(true);
    let mut entries = archive.files().map_err(reading)?.peekable();
    let list_start = match entries.peek() {
        Some(Ok(first)) if first.header_start() > 0 => {
            let what = "something lies before its first file".to_owned();
            return Err(ExportError::wrong(path, what));
        }
        Some(Ok(first)) => first.central_header_start(),
        // Told when it is taken.
        Some(Err(_)) | None => 0,
    };
    std::thread::scope(|scope| {
        let (jobs, queue) = sync_channel(AHEAD);
        let (sender, told) = channel();
        let queue = Arc::new(Mutex::new(queue));
        spawn_up_to(THREADS, scope, || {
            let (queue, sender) = (Arc::clone(&queue), sender.clone());
            move || work(path, protection, &queue, &sender)
        })?;
        drop((sender, queue));
        for held in held {
            let held = held?;
            let name = format!("{base}/{}", held.path);
            let Some(entry) = entries.next() else {
                return Err(ExportError::wrong(path, format!("{name} is not listed")));
            };
            let entry = entry.map_err(reading)?;
            let end = match entries.peek() {
                Some(Ok(next)) => next.header_start(),
                Some(Err(_)) | None => list_start,
            };
            if entry.name_raw() != name.as_bytes() || entry.size() != held.size {
                let what = format!("{name} is not listed as it was written");
                return Err(ExportError::wrong(path, what));
            }
            if entry.encrypted() != protection.passphrase().is_some() {
                let what = format!("{name} is not protected as asked for");
                return Err(ExportError::wrong(path, what));
            }
            if jobs.send(Job { entry, held, end }).is_err() {
                // All threads ended early: they said why.
                break;
            }
            told.try_iter().try_for_each(|told| take(told, on_bytes))?;
        }
        drop(jobs);
        told.iter().try_for_each(|told| take(told, on_bytes))
    })
}

fn take(
    told: CheckNews,
    on_bytes: &mut dyn FnMut(u64) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    match told {
        CheckNews::Bytes(count) => on_bytes(count),
        CheckNews::Wrong(error) => Err(error),
    }
}

fn work(
    path: &Path,
    protection: &Protection,
    queue: &Mutex<Receiver<Job>>,
    told: &Sender<CheckNews>,
) {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) => {
            let _ = told.send(CheckNews::Wrong(error));
            return;
        }
    };
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { entry, held, end }) = next else {
            return;
        };
        let options = ZipReadOptions::new().password(protection.passphrase().map(str::as_bytes));
        let compared = entry
            .with_reader(&mut file, options)
            .map_err(|e| ExportError::reading(path, e))
            .and_then(|mut entry| {
                // Nothing lies between two files, or in both.
                let size = entry.compressed_size();
                if entry.data_start().map(|start| start.saturating_add(size)) != Some(end) {
                    let what = format!("{} does not end where the next file begins", held.path);
                    return Err(ExportError::wrong(path, what));
                }
                compare(path, &mut entry, &held, &mut buffer, told)
            });
        if let Err(error) = compared {
            let _ = told.send(CheckNews::Wrong(error));
            return;
        }
    }
}

fn compare(
    path: &Path,
    entry: &mut impl std::io::Read,
    held: &Held,
    buffer: &mut [u8],
    told: &Sender<CheckNews>,
) -> Result<(), ExportError> {
    let mut hasher = Hasher::default();
    loop {
        // Compares the CRC too, at the end.
        match entry.read(buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(buffer.get(..count).unwrap_or_default());
                let _ = told.send(CheckNews::Bytes(count as u64));
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ExportError::reading(path, error.into())),
        }
    }
    match hasher.finish() == held.sha256 {
        true => Ok(()),
        false => {
            let what = format!("{} does not read back as it was written", held.path);
            Err(ExportError::wrong(path, what))
        }
    }
}

fn open(path: &Path) -> Result<File, ExportError> {
    disk::open_file(path)?.ok_or_else(|| {
        let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
        DiskError::new(DiskAction::ReadBack, path, gone).into()
    })
}
