//! A file on its way: written under a name of its own, and named when the disk has it.

use std::fs::{File, FileTimes};
use std::io::ErrorKind;
use std::sync::Arc;

use super::{LocalFolder, PIECE_BYTES, RemoteFolder};
use crate::folder::disk::read_back;
use crate::folder::disk::system::has_other_names;
use crate::upload::parts::PartNames;
use crate::upload::problem::Problem;
use crate::upload::source::Source;
use crate::upload::{Acknowledged, name_of};

/// A file that is being written, under a name of its own.
#[derive(Debug)]
pub(super) struct FolderPart {
    place: RemoteFolder,
    name: String,
    file: File,
    pub(super) position: u64,
    names: Arc<PartNames>,
    /// Its path when all of it is there.
    target: String,
}

impl FolderPart {
    pub(super) fn new(
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
    pub(super) fn sure_bytes(&self, source: &Source) -> Result<u64, Problem> {
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

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
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
    pub(super) fn finish(mut self, source: &Source) -> Result<Acknowledged, Problem> {
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

    pub(super) fn discard(&mut self) {
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

fn system_time(seconds: i64) -> Option<std::time::SystemTime> {
    let since = std::time::Duration::from_secs(seconds.unsigned_abs());
    match seconds {
        0.. => std::time::UNIX_EPOCH.checked_add(since),
        _ => std::time::UNIX_EPOCH.checked_sub(since),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::digest::Sha256;
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
