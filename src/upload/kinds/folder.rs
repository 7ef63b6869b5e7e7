//! Kind `folder`: a folder on this computer, such as a share or a second disk.
//!
//! A file is written under a name of its own (`parts`), synced, and then gets its real name, but only if nothing has
//! it; a large file is resumed. Below the folder that the user named, no symbolic link is followed.
//!
//! The bytes of an earlier run prove nothing before they are synced and read back from the disk: memory may hold
//! bytes that a failing disk never got. After a failed write or sync the part is discarded, because a later sync
//! would report success.

mod store;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use self::store::LocalFolder;
use super::{Account, NewSecret, Person, Problem, RemoteKind, RemoteOptions, given};
use crate::error::{self, Error};
use crate::folder::Folder;
use crate::upload::Remote;
use crate::upload::paths::Paths;
use crate::upload::rules::Rules;

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
    if !path.exists() {
        let message = format!("there is no folder {}", path.display());
        return Err(Error::new(error::Kind::Usage, message)
            .with_hint("make it first, or name a folder that exists, as on a second disk"));
    }
    let path = given::absolute(path)?;
    if !path.is_dir() {
        let message = format!("{} is not a folder", path.display());
        return Err(Error::new(error::Kind::Usage, message)
            .with_hint("name a folder that exists, as on a second disk"));
    }
    outside_of_rescue_folders(&path)?;
    Ok(path)
}

/// Refuses a folder in a rescue folder, of whichever phone: what is sent there would count as foreign to that one.
pub(crate) fn outside_of_rescue_folders(path: &Path) -> Result<(), Error> {
    let is_rescue = |path: &&Path| Folder::changed(path).is_some();
    match path.ancestors().find(is_rescue) {
        None => Ok(()),
        Some(rescue) => {
            let (path, rescue) = (path.display(), rescue.display());
            let message = format!("{path} lies in the rescue folder {rescue}");
            Err(Error::new(error::Kind::Usage, message)
                .with_hint("take a folder outside of it, best on another disk"))
        }
    }
}
