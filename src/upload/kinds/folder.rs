//! Kind `folder`: a folder on this computer, such as a share or a second disk.
//!
//! A file is written under a name of its own (`parts`), synced, and then gets its real name, but only if nothing has
//! it; a large file is resumed. Below the folder that the user named, no symbolic link is followed.
//!
//! The bytes of an earlier run prove nothing before they are synced and read back from the disk: memory may hold
//! bytes that a failing disk never got. After a failed write or sync the part is discarded, because a later sync
//! would report success.

use std::fs::{File, FileTimes};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Account, NewSecret, Person, Problem, RemoteKind, RemoteOptions, given};
use crate::digest::{Hasher, Sha256};
use crate::error::{self, Error};
use crate::folder::disk::system::held::{Bearer, HeldFolder, OpenFor};
use crate::folder::disk::system::{TO_SYNC, has_other_names};
use crate::folder::disk::{is_shortage, read_back};
use crate::upload::owner::Owner;
use crate::upload::parts::PartNames;
use crate::upload::paths::{Paths, Store};
use crate::upload::rules::Rules;
use crate::upload::source::{Source, blocking};
use crate::upload::{Acknowledged, Counted, Remote, RemoteEntry, Wanted, folder_of, name_of};

/// How much is copied at once, in bytes.
const PIECE_BYTES: usize = 1024 * 1024;

/// A folder on this computer: a second disk, a share
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(override_usage = "rescue remote add <NAME> folder [OPTIONS] <PATH>")]
pub(crate) struct FolderSettings {
    /// The folder; must exist
    pub(crate) path: PathBuf,
}

impl RemoteOptions for FolderSettings {
    type Settings = Self;

    async fn set_up(self, _: &impl Person) -> Result<(Self, NewSecret), Error> {
        let path = existing(&self.path)?;
        Ok((Self { path }, NewSecret::Nowhere))
    }

    fn check(_: &str, answer: &str) -> Result<(), Error> {
        existing(answer.as_ref()).map(drop)
    }
}

impl RemoteKind for FolderSettings {
    fn target(&self) -> String {
        self.path.display().to_string()
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn connect(&self, _: &Account) -> Result<Box<dyn Remote>, Problem> {
        Ok(Paths::boxed(LocalFolder::new(&self.path), Rules::default()))
    }
}

fn existing(path: &Path) -> Result<PathBuf, Error> {
    let path = given::absolute(path)?;
    match path.is_dir() {
        true => Ok(path),
        false => {
            let message = format!("{} is not a folder", path.display());
            Err(Error::new(error::Kind::Usage, message)
                .with_hint("name a folder that exists, as on a second disk"))
        }
    }
}

/// A folder on this computer as a remote. Clones are cheap.
#[derive(Debug, Clone)]
struct LocalFolder {
    root: PathBuf,
    parts: Arc<PartNames>,
}

impl LocalFolder {
    /// Creates the remote. The folder must exist before anything is sent: with a disk unplugged, files must not land in
    /// its empty mount point.
    fn new(root: &Path) -> Self {
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
            _ => failed(&path, error),
        }
    }
}

/// A file that is being written, under a name of its own.
#[derive(Debug)]
struct FolderPart {
    place: RemoteFolder,
    name: String,
    file: File,
    position: u64,
    names: Arc<PartNames>,
    /// Its path when all of it is there.
    target: String,
}

impl FolderPart {
    fn new(
        place: RemoteFolder,
        name: String,
        file: File,
        (of, path): (&LocalFolder, &str),
    ) -> Self {
        Self {
            place,
            name,
            file,
            position: 0,
            names: Arc::clone(&of.parts),
            target: path.to_owned(),
        }
    }

    /// How many bytes of it are on the disk, and are the file's: whole pieces, and none when a sync or a read
    /// fails. What bears other names too is not ours to write to.
    fn sure_bytes(&self, source: &Source) -> Result<u64, Problem> {
        let Ok(found) = self.file.metadata() else {
            return Ok(0);
        };
        let path = self.place.shown.join(&self.name);
        let is_anothers = has_other_names(&path, &found);
        if is_anothers || found.len() > source.size || self.file.sync_all().is_err() {
            return Ok(0);
        }
        let mut comparison = source.comparison()?;
        if read_back(&self.file, &path, |bytes| comparison.next(bytes)).is_err() {
            return Ok(0);
        }
        let same = comparison.same_bytes()?.min(source.size);
        // The last piece proves the file, and is sent in any case.
        let sure = match same == source.size {
            true => same.saturating_sub(1),
            false => same,
        };
        Ok(sure - sure % PIECE_BYTES as u64)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let written = crate::folder::disk::system::write_at(&self.file, bytes, self.position);
        self.position += bytes.len() as u64;
        self.tried(written)
    }

    /// After a failure it is not known what the disk has of it, and a later sync would not tell.
    fn tried(&mut self, done: std::io::Result<()>) -> Result<(), Problem> {
        done.map_err(|error| {
            self.discard();
            begin_again(self.place.failed(&self.name, &error))
        })
    }

    /// Has the disk keep it, and gives it its name where nothing has it.
    fn finish(mut self, source: &Source) -> Result<Acknowledged, Problem> {
        let cut = self.file.set_len(source.size);
        self.tried(cut)?;
        if let Some(time) = source.mtime.and_then(system_time) {
            let times = FileTimes::new().set_accessed(time).set_modified(time);
            // A share may keep its own dates; the bytes are what counts.
            let _ = self.file.set_times(times);
        }
        let synced = self.file.sync_all();
        self.tried(synced)?;
        let name = name_of(&self.target).to_owned();
        match self
            .place
            .held
            .rename_new(&self.name, &self.place.held, &name)
        {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.discard();
                return Err(Problem::Taken { path: self.target });
            }
            // The folder was moved, or something cleaned up there.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.discard();
                return Err(Problem::Other {
                    words: "something removed the file while it was being written".to_owned(),
                    passing: true,
                });
            }
            Err(error) => {
                self.discard();
                return Err(self.place.failed(&name, &error));
            }
        }
        self.names.done(&self.place.path, &self.name);
        if let Err(error) = self.place.held.sync() {
            // It was made a moment ago, and nobody was told of it.
            let _ = self.place.held.remove(&name);
            return Err(begin_again(self.place.failed(&name, &error)));
        }
        Ok(Acknowledged::default())
    }

    fn discard(&mut self) {
        let _ = self.place.held.remove(&self.name);
        self.names.done(&self.place.path, &self.name);
    }
}

/// What may go well when it is begun again.
fn begin_again(problem: Problem) -> Problem {
    match problem {
        Problem::Other { words, .. } => Problem::Other {
            words,
            passing: true,
        },
        problem => problem,
    }
}

fn present(root: &Path) -> Result<(), Problem> {
    match std::fs::metadata(root) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Problem::Settings {
            words: format!("{} is not a folder", root.display()),
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
        _ if is_shortage(error) => Problem::Shortage { words },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Problem::Full { words },
        ErrorKind::FileTooLarge => Problem::TooLarge { words },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Problem::Denied { words },
        ErrorKind::InvalidFilename => Problem::NameRefused { words },
        ErrorKind::NotFound => Problem::NotFound { what: words },
        _ => Problem::other(words),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::event::Events;
    use crate::upload::limit::Limit;
    use crate::upload::source::Origin;

    fn source(size: u64) -> Source {
        Source::new(
            Origin::File("x".into()),
            (size, Sha256::of(b"")),
            None,
            Arc::new(Limit::new(None)),
            Events::to(|_| {}),
        )
    }

    /// A part of which the disk takes no byte, and in its place one that could be resumed.
    fn failing(remote: &LocalFolder, device: &str) -> (FolderPart, PathBuf) {
        let mut part = remote.fresh("a/1.mp4", &source(9)).unwrap();
        let path = part.place.shown.join(&part.name);
        part.file = File::options().write(true).open(device).unwrap();
        (part, path)
    }

    #[test]
    fn part_is_thrown_away_after_a_failed_write_or_sync_and_begun_again() {
        let root = tempfile::tempdir().unwrap();
        let remote = LocalFolder::new(root.path());
        let (mut part, path) = failing(&remote, "/dev/full");
        assert!(path.exists());
        let problem = part.write(b"123456789").unwrap_err();
        assert!(matches!(problem, Problem::Full { .. }), "{problem}");
        assert!(!path.exists());
        assert_eq!(remote.parts.left_of("a", &source(9).sha256), None);
        // A device has no length to be set, and nothing to be synced.
        let (part, path) = failing(&remote, "/dev/null");
        let problem = part.finish(&source(9)).unwrap_err();
        assert!(
            matches!(problem, Problem::Other { passing: true, .. }),
            "{problem}"
        );
        assert!(!path.exists() && !root.path().join("a/1.mp4").exists());
    }

    #[test]
    fn part_that_somebody_removed_is_no_fault_of_the_service() {
        let root = tempfile::tempdir().unwrap();
        let remote = LocalFolder::new(root.path());
        let mut part = remote.fresh("1.jpg", &source(3)).unwrap();
        part.write(b"123").unwrap();
        std::fs::remove_file(root.path().join(&part.name)).unwrap();
        let problem = part.finish(&source(3)).unwrap_err();
        assert!(
            matches!(problem, Problem::Other { passing: true, .. }),
            "{problem}"
        );
    }
}
