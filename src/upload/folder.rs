//! Kind `folder`: a folder on this computer, as a NAS share or a second disk.
//!
//! A file is written under another name, synced, and then given its own name only if nothing has
//! it; a large one goes on where it was.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::problem::Problem;
use super::source::{Source, blocking};
use super::{Acknowledged, Found, part_name};
use crate::digest::{Hasher, Sha256};
use crate::folder::disk::system::rename_without_replacing;

/// How much is copied at once, in bytes.
const PIECE_BYTES: usize = 1024 * 1024;

/// A folder on this computer.
#[derive(Debug, Clone)]
pub struct LocalFolder {
    root: PathBuf,
}

impl LocalFolder {
    /// The folder must exist: an unplugged disk is not to be written beside.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        let mut full = self.root.clone();
        full.extend(path.split('/').filter(|part| !part.is_empty()));
        full
    }

    /// What is in a folder; nothing when there is none.
    pub async fn list(&self, folder: &str) -> Result<Vec<Found>, Problem> {
        let (root, path) = (self.root.clone(), self.path(folder));
        blocking(move || {
            present(&root)?;
            let listing = match fs::read_dir(&path) {
                Ok(listing) => listing,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(failed(&path, &error)),
            };
            let mut found = Vec::new();
            for entry in listing {
                let entry = entry.map_err(|e| failed(&path, &e))?;
                let meta = entry.metadata().map_err(|e| failed(&path, &e))?;
                found.push(Found {
                    name: entry.file_name().to_string_lossy().into_owned(),
                    size: meta.is_file().then_some(meta.len()),
                    ..Found::default()
                });
            }
            Ok(found)
        })
        .await
    }

    /// Copies a file to where nothing is.
    pub async fn put(&self, path: &str, source: &Source) -> Result<Acknowledged, Problem> {
        let target = self.path(path);
        let part = target.with_file_name(part_name(&source.sha256));
        let folder = self.path(super::folder_of(path));
        let (root, at) = (self.root.clone(), part.clone());
        // Before anything is made there: it may not be what was verified.
        let small = match source.is_small() {
            true => Some(source.whole().await?),
            false => None,
        };
        let mut file = blocking(move || {
            present(&root)?;
            fs::create_dir_all(&folder).map_err(|e| failed(&folder, &e))?;
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&at)
                .map_err(|e| failed(&at, &e))
        })
        .await?;
        let mut offset = 0;
        if let Some(bytes) = small {
            file = write(file, &part, bytes, 0).await?;
        } else {
            offset = resumable(&file, source.size, &part)?;
            source.tell(offset);
            let mut pieces = source.pieces(PIECE_BYTES, offset);
            let mut position = offset;
            loop {
                let piece = match pieces.next().await {
                    Ok(Some(piece)) => piece,
                    Ok(None) => break,
                    Err(problem) => {
                        // Of no use to anybody.
                        let _ = fs::remove_file(&part);
                        return Err(problem);
                    }
                };
                let length = piece.len() as u64;
                file = write(file, &part, piece, position).await?;
                position += length;
            }
        }
        let (size, sha256, mtime) = (source.size, source.sha256, source.mtime);
        let shown = path.to_owned();
        blocking(move || {
            file.set_len(size).map_err(|e| failed(&part, &e))?;
            // What an earlier run left was never compared with anything.
            if offset > 0 && digest_of(&mut file, &part)?.0 != sha256 {
                fs::remove_file(&part).map_err(|e| failed(&part, &e))?;
                return Err(Problem::Other {
                    words: "the part that was there already is damaged".to_owned(),
                    passing: true,
                });
            }
            if let Some(time) = mtime.and_then(system_time) {
                // A share may keep its own dates; the bytes are what counts.
                let _ = file.set_modified(time);
            }
            file.sync_all().map_err(|e| failed(&part, &e))?;
            name(&part, &target, &shown)?;
            if let Some(folder) = target.parent() {
                // Not every share can sync a folder.
                let _ = File::open(folder).and_then(|folder| folder.sync_all());
            }
            Ok(Acknowledged::default())
        })
        .await
    }

    /// Reads a file back: its size and SHA-256.
    pub async fn digest(&self, path: &str) -> Result<(u64, Sha256), Problem> {
        let path = self.path(path);
        blocking(move || {
            let mut file = File::open(&path).map_err(|e| failed(&path, &e))?;
            let (sha256, size) = digest_of(&mut file, &path)?;
            Ok((size, sha256))
        })
        .await
    }

    /// Removes a file.
    pub async fn remove(&self, path: &str) -> Result<(), Problem> {
        let path = self.path(path);
        blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&path, &error)),
            _ => Ok(()),
        })
        .await
    }
}

/// How much of a file is there already. The end may not have reached the disk, so it goes again.
fn resumable(file: &File, size: u64, path: &Path) -> Result<u64, Problem> {
    let found = file.metadata().map_err(|e| failed(path, &e))?.len();
    let sure = found.min(size).saturating_sub(PIECE_BYTES as u64);
    Ok(sure - sure % PIECE_BYTES as u64)
}

async fn write(
    mut file: File,
    path: &Path,
    bytes: bytes::Bytes,
    position: u64,
) -> Result<File, Problem> {
    let path = path.to_owned();
    blocking(move || {
        file.seek(SeekFrom::Start(position))
            .and_then(|_| file.write_all(&bytes))
            .map_err(|e| failed(&path, &e))?;
        Ok(file)
    })
    .await
}

/// Gives a file its name where nothing has it.
fn name(part: &Path, target: &Path, shown: &str) -> Result<(), Problem> {
    match rename_without_replacing(part, target) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(Problem::Taken {
                path: shown.to_owned(),
            });
        }
        // Shares and systems that cannot do so in one step.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) => {}
        Err(error) => return Err(failed(target, &error)),
    }
    if target.symlink_metadata().is_ok() {
        return Err(Problem::Taken {
            path: shown.to_owned(),
        });
    }
    fs::rename(part, target).map_err(|e| failed(target, &e))
}

fn digest_of(file: &mut File, path: &Path) -> Result<(Sha256, u64), Problem> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; PIECE_BYTES];
    file.rewind().map_err(|e| failed(path, &e))?;
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer).map_err(|e| failed(path, &e))?;
        if count == 0 {
            return Ok((hasher.finish(), size));
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
        size += count as u64;
    }
}

fn present(root: &Path) -> Result<(), Problem> {
    match fs::metadata(root) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Problem::Settings {
            words: format!("{} is no folder", root.display()),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Problem::Unreachable {
            host: root.display().to_string(),
            words: "there is no such folder; is the disk plugged in?".to_owned(),
        }),
        Err(error) => Err(failed(root, &error)),
    }
}

fn system_time(seconds: i64) -> Option<std::time::SystemTime> {
    let since = std::time::Duration::from_secs(seconds.unsigned_abs());
    match seconds {
        0.. => std::time::UNIX_EPOCH.checked_add(since),
        _ => std::time::UNIX_EPOCH.checked_sub(since),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Problem {
    let words = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Problem::Full { words },
        ErrorKind::FileTooLarge => Problem::TooLarge { words },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Problem::Denied { words },
        ErrorKind::InvalidFilename => Problem::NameRefused { words },
        ErrorKind::NotFound => Problem::NotFound { what: words },
        _ => Problem::other(words),
    }
}
