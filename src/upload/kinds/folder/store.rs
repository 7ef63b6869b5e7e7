//! The folder that files are sent to.

mod part;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use self::part::FolderPart;
use crate::digest::{Hasher, Sha256};
use crate::folder::disk::system::TO_SYNC;
use crate::folder::disk::system::held::{Bearer, HeldFolder, OpenFor};
use crate::folder::disk::{is_shortage, read_back};
use crate::upload::owner::Owner;
use crate::upload::parts::PartNames;
use crate::upload::paths::Store;
use crate::upload::problem::Problem;
use crate::upload::source::{Source, blocking};
use crate::upload::{Acknowledged, Counted, RemoteEntry, Wanted, folder_of, name_of};

/// How much is copied at once, in bytes.
const PIECE_BYTES: usize = 1024 * 1024;

/// A folder on this computer as a remote. Clones are cheap.
#[derive(Debug, Clone)]
pub(super) struct LocalFolder {
    root: PathBuf,
    parts: Arc<PartNames>,
}

impl LocalFolder {
    /// Creates the remote. The folder must exist before anything is sent: with a disk unplugged, files must not land in
    /// its empty mount point.
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            parts: Arc::default(),
        }
    }

    /// A new part of a file.
    fn fresh(&self, path: &str, source: &Source) -> Result<FolderPart, Problem> {
        let place = self.folder(folder_of(path), IfMissing::IsMade)?;
        let place = place.ok_or_else(|| Problem::other("no folder"))?;
        let name = self.parts.fresh(&place.path, &source.sha256);
        match place.held.create_new(&name) {
            Ok(file) => Ok(FolderPart::new(place, name, file, (self, path))),
            Err(error) => {
                self.parts.done(&place.path, &name);
                Err(place.takes_none(&name, &error))
            }
        }
    }

    /// Goes on with what an earlier run left of a file, as far as the disk has it: the part, and how much of
    /// it is right.
    fn resume(&self, path: &str, source: &Source) -> Result<Option<(FolderPart, u64)>, Problem> {
        let Some(place) = self.folder(folder_of(path), IfMissing::IsFine)? else {
            return Ok(None);
        };
        let Some(name) = self.parts.left_of(&place.path, &source.sha256) else {
            return Ok(None);
        };
        let opened = place.held.file(&name, OpenFor::Writing);
        let Ok(Some(file)) = opened else {
            self.parts.done(&place.path, &name);
            return Ok(None);
        };
        let mut part = FolderPart::new(place, name, file, (self, path));
        match part.sure_bytes(source)? {
            0 => {
                part.discard();
                Ok(None)
            }
            offset => {
                part.position = offset;
                Ok(Some((part, offset)))
            }
        }
    }

    /// A folder of the remote, held open; `None` when it is missing and that is fine.
    fn folder(&self, path: &str, missing: IfMissing) -> Result<Option<RemoteFolder>, Problem> {
        present(&self.root)?;
        let mut place = RemoteFolder {
            held: HeldFolder::open(&self.root).map_err(|e| failed(&self.root, &e))?,
            path: path.to_owned(),
            shown: self.root.clone(),
        };
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let mut below = place.held.below(name);
            let is_missing = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
            if below.as_ref().is_err_and(is_missing) {
                if missing == IfMissing::IsFine {
                    return Ok(None);
                }
                let made = place.held.make(name);
                // A folder's name is on the disk when the folder that it is in was synced.
                made.and_then(|made| if made { place.held.sync() } else { Ok(()) })
                    .map_err(|e| place.takes_none(name, &e))?;
                below = place.held.below(name);
            }
            let below = below.map_err(|e| place.failed(name, &e))?;
            place.held = below;
            place.shown.push(name);
        }
        Ok(Some(place))
    }
}

#[async_trait]
impl Store for LocalFolder {
    async fn list(&self, folder: &str, _: &Wanted<'_>) -> Result<Vec<RemoteEntry>, Problem> {
        let (this, folder) = (self.clone(), folder.to_owned());
        blocking(move || {
            let Some(place) = this.folder(&folder, IfMissing::IsFine)? else {
                return Ok(Vec::new());
            };
            let (mut found, mut counted, mut left) = (Vec::new(), Counted::default(), Vec::new());
            let mut count = Ok(());
            let listed = place.held.each(|name, bearer| {
                let size = match bearer {
                    Bearer::File(size) => Some(size),
                    Bearer::Folder | Bearer::Link | Bearer::Other => None,
                };
                match this.parts.seen(&folder, name, size) {
                    true => left.push(name.to_owned()),
                    false => found.push(RemoteEntry {
                        name: name.to_owned(),
                        size,
                        ..RemoteEntry::default()
                    }),
                }
                count = counted.entry();
                count.is_ok()
            });
            listed.map_err(|e| failed(&place.shown, &e))?;
            count?;
            for name in left {
                place
                    .held
                    .remove(&name)
                    .map_err(|e| place.failed(&name, &e))?;
            }
            Ok(found)
        })
        .await
    }

    async fn put(&self, path: &str, source: &Source, _: &Owner) -> Result<Acknowledged, Problem> {
        // Before anything is made there: it may not be what was verified.
        let small = match source.is_small() {
            true => Some(source.whole().await?),
            false => None,
        };
        let (this, file, target) = (self.clone(), source.clone(), path.to_owned());
        if let Some(bytes) = small {
            return blocking(move || {
                let mut part = this.fresh(&target, &file)?;
                part.write(&bytes)?;
                part.finish(&file)
            })
            .await;
        }
        let resumed = blocking(move || this.resume(&target, &file)).await?;
        let (mut part, offset) = match resumed {
            Some(resumed) => resumed,
            None => {
                let (this, file, target) = (self.clone(), source.clone(), path.to_owned());
                (blocking(move || this.fresh(&target, &file)).await?, 0)
            }
        };
        source.tell(offset);
        let mut pieces = source.pieces(PIECE_BYTES, offset);
        while let Some(piece) = pieces.next().await.inspect_err(|_| part.discard())? {
            part = blocking(move || part.write(&piece).map(|()| part)).await?;
        }
        let file = source.clone();
        blocking(move || part.finish(&file)).await
    }

    async fn digest(&self, path: &str, most: u64) -> Result<(u64, Sha256), Problem> {
        let (this, path) = (self.clone(), path.to_owned());
        blocking(move || {
            let gone = || Problem::NotFound {
                what: this.root.join(&path).display().to_string(),
            };
            let place = this.folder(folder_of(&path), IfMissing::IsFine)?;
            let place = place.ok_or_else(gone)?;
            let name = name_of(&path);
            let failed = |e: std::io::Error| place.failed(name, &e);
            let file = place.held.file(name, TO_SYNC).map_err(failed)?;
            let file = file.ok_or_else(gone)?;
            let held = file.metadata().map_err(failed)?.len();
            if held > most {
                return Ok((held, Sha256::of(b"")));
            }
            // It may be what a run left that was killed before it synced.
            file.sync_all().map_err(failed)?;
            place.held.sync().map_err(failed)?;
            let (mut hasher, mut size) = (Hasher::default(), 0);
            read_back(&file, &place.shown.join(name), |bytes| {
                hasher.update(bytes);
                size += bytes.len() as u64;
            })
            .map_err(|e| Problem::other(e.to_string()))?;
            Ok((size, hasher.finish()))
        })
        .await
    }

    async fn remove(&self, path: &str) -> Result<(), Problem> {
        let (this, path) = (self.clone(), path.to_owned());
        blocking(move || {
            let Some(place) = this.folder(folder_of(&path), IfMissing::IsFine)? else {
                return Ok(());
            };
            let name = name_of(&path);
            let removed = place.held.remove(name);
            removed.map(drop).map_err(|e| place.failed(name, &e))
        })
        .await
    }

    fn come_from(&self, rescue_folder: Sha256) {
        self.parts.come_from(rescue_folder);
    }
}

/// What it means that a folder is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IfMissing {
    IsFine,
    IsMade,
}

/// A folder of the remote.
#[derive(Debug)]
struct RemoteFolder {
    held: HeldFolder,
    /// Its path below the root,
    path: String,
    /// and all of it, for messages.
    shown: PathBuf,
}

impl RemoteFolder {
    /// What it means that nothing new can be made here. `/proc` and its like call it "not found" although they are
    /// there.
    fn takes_none(&self, name: &str, error: &std::io::Error) -> Problem {
        let refuses = match error.kind() {
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::Unsupported => true,
            ErrorKind::NotFound => self.shown.is_dir(),
            _ => false,
        };
        match refuses {
            true => Problem::NoWriting {
                words: format!("{}: {error}", self.shown.display()),
            },
            false => self.failed(name, error),
        }
    }

    /// What a failure with a name in it means.
    fn failed(&self, name: &str, error: &std::io::Error) -> Problem {
        let path = self.shown.join(name);
        let is_about_kind = matches!(
            error.kind(),
            ErrorKind::NotADirectory | ErrorKind::InvalidInput
        );
        match self.held.bearer(name) {
            Ok(Some(Bearer::Link)) if is_about_kind => Problem::other(format!(
                "{} is a symbolic link, and files are not sent through links; add its target as a remote instead",
                path.display()
            )),
            Ok(Some(Bearer::File(_))) if error.kind() == ErrorKind::NotADirectory => {
                Problem::FolderBlocked {
                    path: path.display().to_string(),
                }
            }
            _ => failed(&path, error),
        }
    }
}

fn present(root: &Path) -> Result<(), Problem> {
    match std::fs::metadata(root) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Problem::InTheWay {
            path: root.display().to_string(),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Problem::Unreachable {
            host: root.display().to_string(),
            words: "there is no such folder; is the disk plugged in?".to_owned(),
        }),
        Err(error) => Err(failed(root, &error)),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Problem {
    let words = format!("{}: {error}", path.display());
    match error.kind() {
        _ if is_shortage(error) => Problem::Shortage { words },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Problem::Full { words },
        ErrorKind::FileTooLarge => Problem::TooLarge { words },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Problem::Denied { words },
        ErrorKind::InvalidFilename => Problem::NameRefused { words },
        ErrorKind::NotFound => Problem::NotFound { what: words },
        _ => Problem::other(words),
    }
}
