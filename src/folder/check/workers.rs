//! Two threads that hash files: one reads from the disk while the other hashes.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use super::Finding;
use crate::digest::Hasher;
use crate::folder::Payload;
use crate::folder::disk::system::held::{Bearer, OpenFor};
use crate::folder::disk::{self, DiskError, ReadFrom, Within};
use crate::names::LocalPath;
use crate::threads::{NoThread, spawn_up_to};

const THREADS: usize = 2;

/// Files handed out ahead of their results.
const AHEAD: usize = 32;

/// Bytes are reported in steps of at least this.
const STEP_BYTES: u64 = 4 * 1024 * 1024;

/// What a thread has to say.
pub(super) enum Result {
    /// So many more bytes were read.
    Bytes(u64),
    /// A file is done.
    File {
        /// The finding.
        finding: Option<Finding>,
        /// Whether its bytes may have come from memory.
        perhaps_from_memory: bool,
    },
    /// This computer is short of something, which says nothing about the file.
    Failed(DiskError),
}

pub(super) struct Workers {
    files: SyncSender<Payload>,
    results: Receiver<Result>,
}

impl Workers {
    /// Starts as many as there are, one at least.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        root: &'scope Path,
    ) -> std::result::Result<Self, NoThread> {
        let (files, queue) = sync_channel(AHEAD);
        let (sender, results) = channel();
        let queue = Arc::new(Mutex::new(queue));
        spawn_up_to(THREADS, scope, || {
            let (queue, sender) = (Arc::clone(&queue), sender.clone());
            move || work(root, &queue, &sender)
        })?;
        Ok(Self { files, results })
    }

    /// Hands out a file, and takes results until there is room for it.
    pub(super) fn hand_out(&mut self, file: Payload, on_result: &mut dyn FnMut(Result)) {
        let mut file = file;
        loop {
            self.results.try_iter().for_each(&mut *on_result);
            match self.files.try_send(file) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(back)) => file = back,
            }
            // The threads have files, so a result will come.
            if let Ok(result) = self.results.recv() {
                on_result(result);
            }
        }
    }

    /// Takes the results of all files that are still out.
    pub(super) fn finish(self, on_result: &mut dyn FnMut(Result)) {
        drop(self.files);
        self.results.iter().for_each(on_result);
    }
}

fn work(root: &Path, queue: &Mutex<Receiver<Payload>>, results: &Sender<Result>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(file) = next else {
            return;
        };
        let (mut unreported, mut from) = (0, ReadFrom::Disk);
        let finding = compare(root, &file, &mut from, |bytes| {
            unreported += bytes;
            if unreported >= STEP_BYTES {
                // Nobody listens any more after an error; the queue ends soon.
                let _ = results.send(Result::Bytes(std::mem::take(&mut unreported)));
            }
        });
        let _ = results.send(Result::Bytes(unreported));
        let _ = results.send(match finding {
            Ok(finding) => Result::File {
                finding,
                perhaps_from_memory: from == ReadFrom::PerhapsMemory,
            },
            Err(error) => Result::Failed(error),
        });
    }
}

fn compare(
    root: &Path,
    file: &Payload,
    from: &mut ReadFrom,
    mut on_bytes: impl FnMut(u64),
) -> std::result::Result<Option<Finding>, DiskError> {
    let local = file.local.clone();
    let unreadable = |error: &DiskError| unreadable(file.local.clone(), error);
    let found = Within::holding(root, &file.local).and_then(|folder| match folder {
        Some(folder) => Ok(folder.bearer(local.name())?.map(|bearer| (folder, bearer))),
        None => Ok(None),
    });
    let folder = match found {
        Ok(Some((folder, Bearer::File(size)))) if size == file.size => folder,
        Ok(Some((_, Bearer::File(found_bytes)))) => {
            return Ok(Some(Finding::WrongSize {
                local,
                expected_bytes: file.size,
                found_bytes,
            }));
        }
        Ok(Some(_)) | Err(DiskError::Symlink { .. } | DiskError::NotAFolder { .. }) => {
            return Ok(Some(Finding::NotAFile { local }));
        }
        Ok(None) => return Ok(Some(Finding::Missing { local })),
        Err(error) if error.is_shortage() => return Err(error),
        Err(error) => return Ok(Some(unreadable(&error))),
    };
    let path = folder.at(local.name());
    let hashed = folder
        .open(local.name(), OpenFor::Reading)
        .and_then(|opened| match opened {
            Some(opened) => {
                let mut hasher = Hasher::default();
                *from = disk::read_back(&opened, &path, |bytes| {
                    hasher.update(bytes);
                    on_bytes(bytes.len() as u64);
                })?;
                Ok(Some(hasher.finish()))
            }
            None => Ok(None),
        });
    Ok(match hashed {
        Ok(None) => Some(Finding::Missing { local }),
        Ok(Some(found)) => (found != file.sha256).then_some(Finding::WrongHash {
            local,
            expected: file.sha256,
            found,
        }),
        Err(error) if error.is_shortage() => return Err(error),
        Err(error) => Some(unreadable(&error)),
    })
}

/// What this user may not read is another user's, and may well be unaltered.
fn unreadable(local: LocalPath, error: &DiskError) -> Finding {
    match error {
        DiskError::NotWritable { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            Finding::Forbidden { local }
        }
        _ => Finding::Unreadable {
            local,
            message: said(error),
        },
    }
}

/// The system's words below the error's own.
fn said(error: &DiskError) -> String {
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::disk::DiskAction;

    #[test]
    fn what_is_another_users_is_not_taken_for_altered() {
        let local = || LocalPath::new("internal/DCIM/1.jpg").unwrap();
        let met =
            |kind: ErrorKind| DiskError::new(DiskAction::Open, Path::new("1.jpg"), kind.into());
        let forbidden = unreadable(local(), &met(ErrorKind::PermissionDenied));
        assert_eq!(forbidden, Finding::Forbidden { local: local() });
        assert_eq!(forbidden.out_of_place(), None);
        let broken = unreadable(local(), &met(ErrorKind::TimedOut));
        assert!(matches!(broken, Finding::Unreadable { .. }), "{broken:?}");
        assert!(broken.out_of_place().is_some());
    }
}
