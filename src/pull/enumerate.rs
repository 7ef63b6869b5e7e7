//! Enumerates the phone: its volumes, and every wanted file on them.
//!
//! Folders are listed many requests ahead over one sync stream. An empty answer is questioned,
//! because the phone gives the same one for a folder that it may not read. A folder that the phone
//! cannot list costs that folder, not the others.

mod ask;
mod first_bytes;
mod mounts;
mod tally;
mod users;
mod volumes;
mod walker;

use super::items::Items;
use crate::adb::RemotePath;
use crate::event::{Event, Events};
use crate::folder::{Reason, SurveyKind, Surveyed};
use crate::item::Volume;
use crate::media::choice::Selection;
use crate::phone::{Phone, PhoneError};
pub(crate) use tally::NearMisses;
pub(crate) use tally::OTHER_ENDINGS;
pub(crate) use volumes::{has_internal_storage, has_storage};
pub(super) use volumes::{is_on_internal_storage, storage_of};
use walker::Walker;

/// The result of listing a phone.
#[derive(Debug, Default)]
pub(crate) struct Enumeration {
    /// The volumes that were listed.
    pub volumes: Vec<Volume>,
    /// The wanted items, in no particular order.
    pub items: Items,
    /// The paths that cannot be pulled, with the reason: folders, and entries with invalid names.
    pub refused: Vec<(RemotePath, Reason)>,
    /// What was listed, left out, or could not be listed; does not include `refused`.
    pub surveyed: Vec<Surveyed>,
    /// The items that almost matched the user's selection.
    pub near: NearMisses,
    /// The number of all files seen, wanted or not.
    pub files_seen: u64,
    /// The number of wanted files.
    pub files_wanted: u64,
}

impl Enumeration {
    /// Returns whether internal storage is among the volumes.
    pub(crate) fn has_internal_storage(&self) -> bool {
        self.volumes
            .iter()
            .any(|volume| volume.label == volumes::INTERNAL)
    }

    /// Returns what was listed and what was not, in the form stored in the catalogue.
    pub(crate) fn survey(&self) -> Vec<Surveyed> {
        let unreadable = self.refused.iter().map(|(path, reason)| Surveyed {
            kind: SurveyKind::Unreadable,
            place: path.as_bytes().into(),
            items: 1,
            bytes: 0,
            reason: Some(reason.clone()),
        });
        self.surveyed.iter().cloned().chain(unreadable).collect()
    }
}

/// The places to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Internal storage, every card and every user's storage, as far as the selection includes them.
    Volumes,
    /// These folders, completely.
    Named(Vec<RemotePath>),
}

/// A listing of everything wanted. If the connection breaks, it continues on a new one.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    roots: &'a Roots,
    selection: &'a Selection,
    /// The walker; `None` until the volumes are known.
    walker: Option<Walker<'a>>,
    /// Whether the phone's package manager still has to be asked for other users.
    asks_for_users: bool,
}

impl<'a> Listing<'a> {
    /// Creates a listing; nothing is requested from the phone yet.
    pub(crate) fn new(roots: &'a Roots, selection: &'a Selection) -> Self {
        Self {
            roots,
            selection,
            walker: None,
            asks_for_users: false,
        }
    }

    /// Lists everything. After an error it can be called again, once the same phone is connected again.
    pub(crate) async fn go_on(&mut self, phone: &Phone, events: &Events) -> Result<(), PhoneError> {
        let walker = match &mut self.walker {
            Some(walker) => walker,
            None => {
                let found = volumes::find(phone).await?;
                self.asks_for_users = found.asks_for_users && *self.roots == Roots::Volumes;
                let walker = Walker::new(self.roots, self.selection, found, events);
                self.walker.insert(walker)
            }
        };
        if self.asks_for_users {
            // On some phones the answer takes a second: meanwhile the rest is listed.
            let asking = ask::patiently(users::ask(phone));
            let (walked, users) = tokio::join!(walker.walk(phone, events), asking);
            walked?;
            self.asks_for_users = false;
            walker.add_users(&users.transpose()?.unwrap_or_default(), events);
        }
        walker.walk(phone, events).await?;
        walker.look_into_undecided(phone).await?;
        events.emit(Event::Listed {
            files: walker.entries(),
        });
        Ok(())
    }

    /// Returns how many folders are finished. If the number has grown, the connection made progress.
    pub(crate) fn settled_folders(&self) -> u64 {
        self.walker.as_ref().map_or(0, Walker::settled_folders)
    }

    /// Returns what has been found so far.
    pub(crate) fn into_found(self) -> Enumeration {
        self.walker.map(Walker::into_found).unwrap_or_default()
    }
}

/// A path written in this program.
fn known_path(path: &str) -> RemotePath {
    #[expect(clippy::expect_used, reason = "the program's own constants are paths")]
    RemotePath::new(path.as_bytes()).expect("a constant path")
}
