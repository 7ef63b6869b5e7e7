//! Where a pull goes when nobody says so.

use std::path::{Path, PathBuf};

use chrono::{Local, NaiveDate};

use crate::folder::Folder;
use crate::item::PhoneIdentity;
use crate::names::harmless;

/// `Pixel-7a-LAB0000001-2026-11-23` below `parent`; but one of another day that this phone's pull
/// did not finish is gone on with.
pub(super) fn default_folder(parent: &Path, identity: &PhoneIdentity) -> PathBuf {
    let parts = [&identity.model, &identity.serial].map(|part| harmless(part));
    let [model, serial] = &parts;
    let name = match (model.is_empty(), serial.is_empty()) {
        (false, false) => format!("{model}-{serial}"),
        (false, true) => model.clone(),
        _ => serial.clone(),
    };
    let name = name.trim_start_matches('-');
    let today = Local::now().format("%Y-%m-%d");
    let folder = match name {
        "" => parent.join(today.to_string()),
        name => parent.join(format!("{name}-{today}")),
    };
    match folder.exists() {
        true => folder,
        false => unfinished(parent, name, &identity.serial).unwrap_or(folder),
    }
}

/// The latest folder of this phone whose last run did not bring everything.
fn unfinished(parent: &Path, name: &str, serial: &str) -> Option<PathBuf> {
    let listed = match parent.as_os_str().is_empty() {
        true => std::fs::read_dir("."),
        false => std::fs::read_dir(parent),
    };
    let mut dated: Vec<String> = listed
        .ok()?
        .filter_map(|found| found.ok()?.file_name().into_string().ok())
        .filter(|found| {
            let date = found
                .strip_prefix(name)
                .map(|rest| rest.trim_start_matches('-'));
            date.is_some_and(|date| NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok())
        })
        .collect();
    dated.sort_unstable();
    let folders = dated.into_iter().rev().map(|name| parent.join(name));
    let is_unfinished = |path: &PathBuf| {
        let Ok(folder) = Folder::open_after_asking(path) else {
            return false;
        };
        let catalogue = folder.catalogue();
        let is_ours = catalogue
            .identity()
            .is_ok_and(|known| known.serial == serial);
        let last_run = catalogue.last_run().ok().flatten();
        is_ours && last_run.is_none_or(|run| !run.is_whole())
    };
    { folders }.find(is_unfinished)
}
