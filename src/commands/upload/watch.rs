//! `rescue upload --watch`: sends what each pull brings, until it is stopped.

use std::path::Path;
use std::time::Duration;

use super::send;
use crate::cli::UploadArgs;
use crate::commands::{Done, stopped};
use crate::error::Error;
use crate::folder::{Folder, FolderError};
use crate::pull::halt::Halt;
use crate::ui::Ui;

/// How often the folder is looked at; one look asks the disk for one date.
const EVERY: Duration = Duration::from_secs(2);

/// Ends by Ctrl-C, or when the service needs the person.
pub(super) async fn watch(args: &UploadArgs, ui: &Ui, halt: &Halt) -> Result<Done, Error> {
    let mut args = args.clone();
    // Nobody sits beside it.
    args.pace.wait = true;
    ui.remark("Watching: what each pull brings is sent; Ctrl-C ends it");
    let mut known = None;
    let mut is_first = true;
    loop {
        let changed = Folder::changed(&args.folder);
        // The folder's lock is held while somebody pulls: what came is sent afterwards.
        if changed.is_some()
            && changed != known
            && let Some(folder) = free(&args.folder)?
        {
            send(&args, folder, ui, halt).await?;
            known = Folder::changed(&args.folder);
            is_first = false;
        } else if is_first && changed.is_none() {
            ui.remark("There is nothing yet: waiting for the first pull into this folder");
            is_first = false;
        }
        tokio::select! {
            () = halt.stopped() => return Err(stopped(halt)),
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// The folder, when nobody else works on it.
fn free(folder: &Path) -> Result<Option<Folder>, Error> {
    match Folder::open(folder) {
        Ok(folder) => Ok(Some(folder)),
        Err(FolderError::Busy { .. } | FolderError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
