//! Opens or makes the phone's folder, and leaves it as it was where nothing is pulled.

use super::destination::{Destination, SaidPhone};
use super::known::{Changes, KnownFolder};
use super::now;
use crate::error::Error;
use crate::folder::{EmptyFolder, Folder, FolderError, RunId, RunOutcome, Summary};
use crate::halt::Halt;
use crate::item::PhoneIdentity;

/// What the catalogue says which program it was.
const TOOL: &str = concat!("rescue ", env!("CARGO_PKG_VERSION"));

/// A run that has begun in a phone's folder.
pub(super) struct BegunRun {
    pub(super) run: RunId,
    /// What there was before.
    was: Was,
    /// Whether its bag says what the catalogue does, as long as nothing is recorded.
    pub(super) bag_is_current: bool,
    /// What the catalogue holds, as long as nothing is recorded.
    pub(super) summary: Summary,
}

/// What there was where a folder is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Was {
    /// Nothing.
    Missing,
    /// A folder with nothing of a rescue in it.
    New,
    /// The same rescue folder.
    Rescue,
}

/// Leaves a folder as it was before a run that did nothing.
pub(super) fn forget(opened: Option<BegunRun>, known: KnownFolder) -> Result<(), Error> {
    let (Some(mut folder), Some(BegunRun { run, was, .. })) = (known.into_folder(), opened) else {
        return Ok(());
    };
    folder.catalogue_mut().forget_run(run)?;
    match was {
        Was::Missing => folder.remove_empty(EmptyFolder::Goes),
        Was::New => folder.remove_empty(EmptyFolder::Stays),
        Was::Rescue => {}
    }
    Ok(())
}

/// A pull may begin a new folder; other commands need one that is there.
fn refused(error: FolderError, said: SaidPhone) -> Error {
    match &error {
        FolderError::OtherPhone { .. } if said == SaidPhone::Same => Error::from(error).with_hint(
            "choose another folder with -o: --same-phone is for a phone with the same serial number",
        ),
        FolderError::NotAFolder { .. } | FolderError::NotARescueFolder { .. } => {
            Error::from(error).with_hint("name a folder that `rescue pull` made, a new one or an empty one")
        }
        _ => error.into(),
    }
}

/// Opens or makes the phone's folder, notes in it that a run begins and reads what it holds, in a
/// thread of its own; no folder when nothing is to be changed.
pub(super) async fn open_folder(
    destination: Destination,
    phone: &PhoneIdentity,
    changes: Changes,
    halt: &Halt,
) -> Result<(Option<BegunRun>, KnownFolder), Error> {
    let Destination { path, marks, said } = destination;
    let (phone, halt) = (phone.clone(), halt.clone());
    let opening = tokio::task::spawn_blocking(move || {
        if changes == Changes::Nothing {
            return Ok((None, KnownFolder::of_existing(&path, &halt)?));
        }
        let was_there = std::fs::symlink_metadata(&path).is_ok();
        let opened = Folder::after_asking(&path, || Folder::create_or_open(&path, &phone));
        let mut folder = opened.map_err(|error| refused(error, said))?;
        folder.catalogue_mut().set_marks(&marks)?;
        let before = folder.catalogue().last_run()?;
        let run = folder.catalogue_mut().begin_run(now(), TOOL)?;
        let known = KnownFolder::of(folder, &halt)?;
        // A run that ended by itself wrote the bag behind the last that it recorded.
        let ended_well = before.as_ref().is_some_and(|run| {
            let written = matches!(run.outcome, Some(RunOutcome::Done | RunOutcome::SomeFailed));
            written && run.tool == TOOL
        });
        let opened = BegunRun {
            bag_is_current: ended_well && known.bag_is_current(),
            summary: known.summary(),
            was: match (was_there, before.is_some() || known.holds_something()) {
                (_, true) => Was::Rescue,
                (true, false) => Was::New,
                (false, false) => Was::Missing,
            },
            run,
        };
        Ok((Some(opened), known))
    });
    match opening.await {
        Ok(opened) => opened,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
