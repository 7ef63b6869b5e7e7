//! `rescue status FOLDER`: what a rescue folder holds, and what is missing.

use serde::Serialize;

use super::Done;
use super::summary::summary_lines;
use super::upload::remote_lines;
use crate::cli::FolderArgs;
use crate::error::Error;
use crate::folder::upload::UploadCount;
use crate::folder::{CatalogueError, Entry, Folder, Presence, ReasonCode, Run, State, Summary};
use crate::item::PhoneIdentity;
use crate::ui::{Ui, count, plain, typed};

#[derive(Serialize)]
struct Status<'a> {
    r#type: &'static str,
    folder: String,
    phone: &'a PhoneIdentity,
    last_run: Option<&'a Run>,
    #[serde(flatten)]
    summary: &'a Summary,
    remotes: &'a [RemoteStatus],
    /// Files that were recorded and do not stand in their places any more.
    not_in_place: u64,
}

#[derive(Serialize)]
struct RemoteStatus {
    name: String,
    target: String,
    counts: Vec<UploadCount>,
    /// Items of the phone that are not there; `None` where only archives were sent.
    not_there: Option<u64>,
}

#[derive(Serialize)]
struct Missing<'a> {
    r#type: &'static str,
    path: &'a crate::adb::RemotePath,
    state: State,
    reason: Option<&'a crate::folder::Reason>,
    attempts: u32,
}

pub(super) fn run(args: &FolderArgs, ui: &Ui) -> Result<Done, Error> {
    let folder = Folder::open_after_asking(&args.folder)?;
    let catalogue = folder.catalogue();
    let (phone, summary, last_run) = (
        catalogue.identity()?,
        catalogue.summary()?,
        catalogue.last_run()?,
    );
    let mut vanished = 0;
    catalogue.for_each_failed(|entry: Entry| {
        let code = entry.reason.as_ref().map(|reason| reason.code);
        vanished += u64::from(code == Some(ReasonCode::Vanished));
        let Entry {
            path,
            state,
            reason,
            attempts,
            ..
        } = &entry;
        let why = reason.as_ref().map_or("", |reason| reason.message.as_str());
        let word = if *state == State::Damaged {
            "damaged"
        } else {
            "failed"
        };
        let line = format!("{word}: {} ({})", plain(&path.to_string()), plain(why));
        let missing = Missing {
            r#type: "item",
            path,
            state: *state,
            reason: reason.as_ref(),
            attempts: *attempts,
        };
        ui.result(&missing, &[line]);
        Ok::<_, CatalogueError>(())
    })?;
    let shown = plain(&args.folder.display().to_string());
    let word = typed(&args.folder);
    let mut lines = vec![format!(
        "{shown}: {} {} ({})",
        plain(&phone.manufacturer),
        plain(&phone.model),
        plain(&phone.serial)
    )];
    lines.extend(summary_lines(&summary));
    let unfinished = summary.planned.files + summary.pulled.files;
    let missing = summary.failed.files + summary.damaged.files;
    let is_whole = last_run.as_ref().is_some_and(Run::is_whole);
    let mut remotes = Vec::new();
    for remote in catalogue.known_remotes()? {
        let counts = catalogue.upload_counts(remote.id)?;
        let not_there = catalogue.not_on(remote.id)?;
        lines.extend(remote_lines(&remote.name, &counts, not_there, is_whole));
        remotes.push(RemoteStatus {
            name: remote.name,
            target: remote.target,
            counts,
            not_there,
        });
    }
    let not_in_place = count_not_in_place(&folder)?;
    if not_in_place > 0 {
        lines.push(format!(
            "{} not where they were put: `rescue verify {word}` names them, `rescue pull -o {word}` fetches them again",
            count(not_in_place, "file")
        ));
    }
    lines.push(match (unfinished, missing) {
        (0, 0) if !is_whole => format!(
            "The last run could not read everything on the phone, or did not end: plug the phone in and run `rescue pull -o {word}`"
        ),
        (0, 0) if not_in_place > 0 => "Everything that was looked for on the phone was here once".to_owned(),
        (0, 0) if summary.verified_by_size.files > 0 => format!(
            "Everything that was looked for on the phone is here; {} could be compared by size only",
            count(summary.verified_by_size.files, "file")
        ),
        (0, 0) => "Everything that was looked for on the phone is here and proven".to_owned(),
        (0, missing) if missing == vanished => {
            "What is not here is gone from the phone: nothing more can be had of it".to_owned()
        }
        (0, _) => "Some files could not be had; `rescue pull` with this folder tries them again"
            .to_owned(),
        _ => format!("Not finished: plug the phone in and run `rescue pull -o {word}`"),
    });
    let status = Status {
        r#type: "status",
        folder: args.folder.display().to_string(),
        phone: &phone,
        last_run: last_run.as_ref(),
        summary: &summary,
        remotes: &remotes,
        not_in_place,
    };
    ui.result(&status, &lines);
    Ok(if unfinished + missing + not_in_place == 0 && is_whole {
        Done::All
    } else {
        Done::SomeFailed
    })
}

/// By name and size only: reading them is what `rescue verify` is for.
fn count_not_in_place(folder: &Folder) -> Result<u64, CatalogueError> {
    let presence = Presence::of(folder.root());
    let mut missing = 0;
    folder.catalogue().for_each_payload(|file| {
        missing += u64::from(!presence.is_in_place(&file.local, file.size));
        Ok::<_, CatalogueError>(())
    })?;
    Ok(missing)
}
