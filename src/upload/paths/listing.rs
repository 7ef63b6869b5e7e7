//! The contents of a remote's folders, by names that some services consider equal, and in the spelling that the
//! service uses.
//!
//! A disk of macOS stores `é` as two characters, and a Windows server takes `a.jpg` for `A.JPG`: names are compared
//! folded, and requested in the service's own spelling.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use unicode_normalization::UnicodeNormalization as _;

use super::notes::NoteName;
use super::{Paths, joined, lock};
use crate::names::folded;
use crate::upload::parts::PART;
use crate::upload::problem::Problem;
use crate::upload::{RemoteEntry, Wanted, folder_of, name_of};

/// The content of a folder, as listed in this run plus the files sent since.
#[derive(Debug, Default)]
pub(super) struct FolderListing {
    /// The entries by case-folded name.
    found: Mutex<HashMap<String, Vec<RemoteEntry>>>,
    /// The names of partial files, from this sender and others.
    parts: HashSet<String>,
    /// Whether somebody else is currently sending files to the folder.
    pub(super) has_others: bool,
}

/// The listings of folders, by path.
#[derive(Debug, Default)]
pub(super) struct Listings {
    listed: Mutex<HashMap<String, Arc<tokio::sync::OnceCell<FolderListing>>>>,
    /// Folders that the service spells differently from this program.
    spellings: Mutex<HashMap<String, String>>,
}

impl FolderListing {
    /// Returns the entries with this name, or with one that some service treats as equal.
    pub(super) fn named(&self, name: &str) -> Vec<RemoteEntry> {
        let found = lock(&self.found).get(folded(name).as_ref()).cloned();
        found.unwrap_or_default()
    }

    pub(super) fn add(&self, found: RemoteEntry) {
        let name = folded(&found.name).into_owned();
        lock(&self.found).entry(name).or_default().push(found);
    }

    pub(super) fn has_part(&self, name: &str) -> bool {
        self.parts.contains(name)
    }
}

impl Listings {
    fn of(&self, folder: &str) -> Arc<tokio::sync::OnceCell<FolderListing>> {
        Arc::clone(lock(&self.listed).entry(folder.to_owned()).or_default())
    }

    pub(super) fn forget(&self, folder: &str) {
        lock(&self.listed).remove(folder);
    }

    /// Records a file that was sent to a folder, if the folder has been listed.
    pub(super) fn add(&self, folder: &str, found: RemoteEntry) {
        let known = lock(&self.listed).get(folder).cloned();
        if let Some(listing) = known.as_ref().and_then(|known| known.get()) {
            listing.add(found);
        }
    }
}

impl Paths {
    /// Returns the content of a folder. It is listed only once, however many callers wait for it.
    pub(super) async fn listing(
        &self,
        folder: &str,
    ) -> Result<Arc<tokio::sync::OnceCell<FolderListing>>, Problem> {
        let cell = self.listings.of(folder);
        cell.get_or_try_init(|| async {
            let is_planned = |name: &str| {
                // Another name of a file whose own is taken has a number in brackets.
                name.contains(" (")
                    || is_part(name)
                    || NoteName::of(name).is_some()
                    || lock(&self.reserved).contains(folded(&joined(folder, name)).as_ref())
            };
            let found = self.list(folder, &is_planned).await?;
            if !found.is_empty() {
                self.store.knows_folder(folder);
            }
            let mut listing = FolderListing::default();
            for found in found {
                if let Some(note) = NoteName::of(&found.name) {
                    listing.has_others |= self.is_of_others(folder, &note);
                } else if is_part(&found.name) {
                    listing.parts.insert(found.name);
                } else {
                    listing.add(found);
                }
            }
            Ok::<_, Problem>(listing)
        })
        .await?;
        Ok(cell)
    }

    /// Lists the wanted files of a folder; returns an empty list if it does not exist.
    pub(super) async fn list(
        &self,
        folder: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<RemoteEntry>, Problem> {
        let folder = self.spelt_folder(folder).await?;
        self.list_as_spelt(&folder, wanted).await
    }

    async fn list_as_spelt(
        &self,
        folder: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<RemoteEntry>, Problem> {
        let mut found = self.store.list(folder, wanted).await?;
        found.retain(|found| wanted(&found.name));
        Ok(found)
    }

    /// Returns a path with its folder as the service spells it.
    pub(super) async fn spelt(&self, path: &str) -> Result<String, Problem> {
        let folder = self.spelt_folder(folder_of(path)).await?;
        Ok(joined(&folder, name_of(path)))
    }

    /// Returns a folder as the service spells it. Asks the service only if several spellings are possible.
    pub(super) async fn spelt_folder(&self, folder: &str) -> Result<String, Problem> {
        if folder.is_ascii() {
            return Ok(folder.to_owned());
        }
        if let Some(known) = lock(&self.listings.spellings).get(folder) {
            return Ok(known.clone());
        }
        let mut spelt = String::new();
        let mut is_missing = false;
        for name in folder.split('/') {
            let mut as_spelt = name.to_owned();
            if !name.is_ascii() && !is_missing {
                let form = in_one_form(name);
                let is_it = |found: &str| in_one_form(found) == form;
                let found = self.list_as_spelt(&spelt, &is_it).await?;
                let mut folders = found.into_iter().filter(|found| found.size.is_none());
                let first = folders.next();
                is_missing = first.is_none();
                if let Some(first) = first
                    && first.name != name
                    && !folders.any(|found| found.name == name)
                {
                    as_spelt = first.name;
                }
            }
            spelt = joined(&spelt, &as_spelt);
        }
        if !is_missing {
            // One that is missing is made as we spell it; the service may change that.
            lock(&self.listings.spellings).insert(folder.to_owned(), spelt.clone());
        }
        Ok(spelt)
    }
}

fn is_part(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(PART)
}

fn in_one_form(name: &str) -> String {
    name.nfc().collect()
}
