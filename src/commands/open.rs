//! `rescue open [FOLDER]`: shows the album of a rescue folder in the browser.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::latest::chosen_folder;
use super::{Done, browser};
use crate::cli::FolderArgs;
use crate::error::{Error, Kind};
use crate::export::album;
use crate::folder::{Folder, whole_path};
use crate::ui::{Ui, Went, plain};

/// What opens a page goes on for as long as the browser is open, on some desktops.
const OPENS_WITHIN: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct OpenedPage {
    r#type: &'static str,
    page: String,
}

pub(super) async fn run(args: &FolderArgs, ui: &Ui) -> Result<Done, Error> {
    let folder = chosen_folder(args, ui)?;
    let page = tokio::task::spawn_blocking(move || page_of(&folder));
    let page = match page.await {
        Ok(page) => page?,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    let shown = page.display().to_string();
    open(&page).await.map_err(|why| {
        Error::new(Kind::System, "nothing on this computer opens the page")
            .caused_by(why)
            .with_hint(format!("open {} in a browser", plain(&shown)))
    })?;
    let line = format!("Opened {}", plain(&shown));
    let opened = OpenedPage {
        r#type: "opened",
        page: shown,
    };
    ui.report(&opened, &[line], Went::Well);
    Ok(Done::All)
}

/// The page of a folder; one that an older version of this program pulled into gets its page now.
fn page_of(folder: &Path) -> Result<PathBuf, Error> {
    if !album::is_current(folder) {
        // While a pull works on it, it has the page of the pull before.
        let written = Folder::open(folder)
            .map_err(Error::from)
            .and_then(|folder| {
                Ok(album::write_to_folder(
                    &folder,
                    album::ReceivedFiles::default(),
                )?)
            });
        match written {
            Err(error) if !folder.join(album::PAGE).is_file() => return Err(error),
            _ => {}
        }
    }
    let page = folder.join(album::PAGE);
    Ok(whole_path(&page).unwrap_or(page))
}

/// Opens a page in the browser. The end of the error says why not.
async fn open(page: &Path) -> Result<(), String> {
    let mut child = browser::start(page.as_os_str())?;
    let ended = tokio::task::spawn_blocking(move || child.wait());
    match tokio::time::timeout(OPENS_WITHIN, ended).await {
        Ok(Ok(Ok(status))) if !status.success() => {
            Err(format!("what opens pages ended with {status}"))
        }
        _ => Ok(()),
    }
}
