//! The rescue folder of a command that only reads one: as named, or the latest one here.

use std::path::{Path, PathBuf};

use crate::cli::FolderArgs;
use crate::error::{Error, Kind};
use crate::folder::Folder;
use crate::ui::{Ui, plain};

/// Returns the folder that was named, or else the rescue folder here that was changed last, and says which one that is.
pub(super) fn chosen_folder(args: &FolderArgs, ui: &Ui) -> Result<PathBuf, Error> {
    if let Some(folder) = &args.folder {
        return Ok(folder.clone());
    }
    let folder = latest()?;
    let shown = plain(&folder.display().to_string());
    ui.remark(&match shown.as_str() {
        "." => "The rescue folder is the one that you are in".to_owned(),
        shown => format!("The latest rescue folder here is {shown}"),
    });
    Ok(folder)
}

fn latest() -> Result<PathBuf, Error> {
    let here = Path::new(".");
    if Folder::changed(here).is_some() {
        return Ok(here.to_owned());
    }
    let listing = std::fs::read_dir(here).into_iter().flatten();
    let below = listing.filter_map(|found| found.ok().map(|found| found.file_name().into()));
    let latest = below
        .filter_map(|path: PathBuf| Folder::changed(&path).map(|changed| (changed, path)))
        .max_by_key(|(changed, _)| *changed);
    latest.map(|(_, path)| path).ok_or_else(|| {
        Error::new(Kind::Folder, "there is no rescue folder here").with_hint(
            "add the folder's name to the command, or change to the folder that contains it",
        )
    })
}
