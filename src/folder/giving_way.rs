//! Lets a long-running command that can stop at any moment, such as `upload --watch`, give way to others.
//!
//! It places a file in the folder; another command removes that file to ask for the folder. There is no second lock:
//! not every share can hold one, and a file left behind by a kill does no harm.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Folder, FolderError, disk};

pub(super) const GIVES_WAY: &str = ".rescue.gives-way";
/// How long one that was asked may take to end what it does.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one that was not asked may take: `status` holds a folder for an instant only, and nobody
/// who starts in that instant should be sent away.
const GRACE: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_millis(50);

/// Says that the folder's holder gives way, for as long as this lives.
#[derive(Debug)]
pub struct GivesWay {
    sign: PathBuf,
}

impl GivesWay {
    /// Whether another `rescue` asks for the folder.
    pub fn is_asked(&self) -> bool {
        fs::symlink_metadata(&self.sign).is_err()
    }
}

impl Drop for GivesWay {
    fn drop(&mut self) {
        // Gone when somebody asked.
        let _ = disk::remove_file(&self.sign);
    }
}

impl Folder {
    /// From now on, others may ask for it. `None` where no file can be made; others are told that
    /// the folder is busy there.
    pub fn gives_way(&self) -> Option<GivesWay> {
        let sign = self.root().join(GIVES_WAY);
        let made = disk::create_file(&sign);
        made.ok().map(|_| GivesWay { sign })
    }

    /// As [`Folder::open`]; when the folder is busy, its holder is asked to give way and has some
    /// seconds to do so, and one that cannot be asked has two, in case it only looked in. Blocks
    /// meanwhile.
    pub fn open_after_asking(path: &Path) -> Result<Self, FolderError> {
        Self::after_asking(path, || Self::open(path))
    }

    /// The same with another way to open it.
    pub fn after_asking(
        path: &Path,
        mut open: impl FnMut() -> Result<Self, FolderError>,
    ) -> Result<Self, FolderError> {
        let (mut deadline, mut has_asked) = (Instant::now() + GRACE, false);
        loop {
            let busy = match open() {
                Err(busy @ FolderError::Busy { .. }) => busy,
                opened => return opened,
            };
            // Whoever else waits may have asked before, or have got it before.
            if fs::remove_file(path.join(GIVES_WAY)).is_ok() && !has_asked {
                (deadline, has_asked) = (Instant::now() + PATIENCE, true);
            }
            if Instant::now() > deadline {
                return Err(busy);
            }
            std::thread::sleep(EVERY);
        }
    }
}
