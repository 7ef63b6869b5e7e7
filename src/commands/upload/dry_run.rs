//! `rescue upload --dry-run`: lists the files that would be sent.

use std::collections::HashSet;

use serde::Serialize;

use crate::cli::UploadArgs;
use crate::commands::Done;
use crate::error::Error;
use crate::event::Event;
use crate::folder::upload::{RemoteId, UploadState};
use crate::folder::{CatalogueError, Folder};
use crate::ui::{Ui, bytes, count, plain};
use crate::upload::choose::ChosenFiles;

#[derive(Serialize)]
struct WouldSend<'a> {
    r#type: &'static str,
    remote: &'a str,
    items: u64,
    bytes: u64,
}

pub(super) fn dry_run(
    args: &UploadArgs,
    chosen: &ChosenFiles,
    folder: &Folder,
    known: Option<RemoteId>,
    ui: &Ui,
) -> Result<Done, Error> {
    let mut done = HashSet::new();
    if let Some(remote) = known {
        folder.catalogue().for_each_upload(remote, |upload| {
            if matches!(upload.state, UploadState::Sent | UploadState::There) {
                done.insert((upload.source, upload.sha256));
            }
            Ok::<_, CatalogueError>(())
        })?;
    }
    let events = ui.events();
    let (mut items, mut size) = (0, 0);
    for upload in &chosen.uploads {
        if done.contains(&(upload.source.clone(), upload.sha256)) {
            continue;
        }
        items += 1;
        size += upload.size;
        ui.listing(&format!(
            "{} -> {}",
            plain(&upload.source),
            plain(&upload.path)
        ));
        events.emit(Event::WouldUpload {
            source: upload.source.clone(),
            path: upload.path.to_string(),
            size: upload.size,
        });
    }
    let would = WouldSend {
        r#type: "would_upload_summary",
        remote: &args.to,
        items,
        bytes: size,
    };
    let line = format!(
        "{} would be sent to {}, {}",
        count(items, "file"),
        args.to,
        bytes(size)
    );
    ui.result(&would, &[line]);
    Ok(Done::All)
}
