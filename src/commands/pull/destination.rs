//! Chooses the folder of a pull: the named one if it belongs to this phone, else this phone's latest
//! one, else a new one.

use std::path::{Path, PathBuf};

use chrono::{Local, NaiveDate};

use super::PullOrder;
use crate::error::{Error, Kind};
use crate::folder::{Folder, FolderError};
use crate::hint::Clause::{Said, With};
use crate::hint::Flag;
use crate::item::{Marks, PhoneIdentity};
use crate::names::harmless;
use crate::phone::Phone;
use crate::phone::marks::ANDROID_ID;
use crate::pull::likeness::{Acquaintance, ChosenBy, android_id};
use crate::ui::{Ui, plain};

/// More folders than anybody makes of one phone in a day.
const MAX_A_DAY: u32 = 1000;

/// Where a pull goes, and what tells its phone from others.
pub(super) struct Destination {
    pub(super) path: PathBuf,
    pub(super) marks: Marks,
    pub(super) said: SaidPhone,
}

/// Whether the person said that the folder is this phone's (`--same-phone`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SaidPhone {
    Same,
    Nothing,
}

/// Whose a folder is.
enum FolderOwner {
    /// This phone's, as far as can be told.
    This(Marks),
    /// Another phone's, and why.
    Other(FolderError),
    /// Nobody's: there is none, or it tells nothing now.
    Unknown(Option<FolderError>),
}

pub(super) async fn choose(
    phone: &Phone,
    request: &PullOrder,
    ui: &Ui,
) -> Result<Destination, Error> {
    let identity = phone.identity();
    let mut marks = phone.marks();
    // In a rescue folder its own files are meant; another one below it would be taken for it.
    let here = Path::new(".");
    let may_be_here = request.output.is_none() && !request.new_folder && !request.folder_each;
    let output = match may_be_here && Folder::changed(here).is_some() {
        true => Some(here),
        false => request.output.as_deref(),
    };
    let path = match output {
        Some(folder) if !request.folder_each => {
            let known = match owner(phone, folder.to_owned(), ChosenBy::BySomebody).await {
                FolderOwner::This(known) => known,
                FolderOwner::Other(_) if request.same_phone => Marks::default(),
                FolderOwner::Other(error) => return Err(error.into()),
                FolderOwner::Unknown(_) => Marks::default(),
            };
            if !known.0.contains_key(ANDROID_ID) {
                marks.0.extend(android_id(phone).await);
            }
            folder.to_owned()
        }
        parent => {
            let parent = parent.unwrap_or(Path::new(""));
            // Beside other phones all that can be known is asked: the folders of those are in use.
            if request.folder_each {
                marks.0.extend(android_id(phone).await);
            }
            default_folder(phone, parent, &identity, &mut marks, request, ui).await?
        }
    };
    Ok(Destination {
        path,
        marks,
        said: match request.same_phone {
            true => SaidPhone::Same,
            false => SaidPhone::Nothing,
        },
    })
}

/// `Pixel-7a-LAB0000001-2026-11-23` below `parent`; or the latest folder that this phone has
/// there, whether all was brought into it or not.
async fn default_folder(
    phone: &Phone,
    parent: &Path,
    identity: &PhoneIdentity,
    marks: &mut Marks,
    request: &PullOrder,
    ui: &Ui,
) -> Result<PathBuf, Error> {
    let name = name_of(identity);
    let mut others = Vec::new();
    if !request.new_folder {
        for path in dated(parent, &name) {
            match owner(phone, path.clone(), ChosenBy::ByName).await {
                FolderOwner::This(known) => {
                    if !known.0.contains_key(ANDROID_ID) {
                        marks.0.extend(android_id(phone).await);
                    }
                    request.claims.claim(&path, marks, identity)?;
                    return Ok(path);
                }
                FolderOwner::Other(error) => {
                    ui.remark(&format!(
                        "Not continuing {}: {}",
                        shown(&path),
                        plain(&error.to_string())
                    ));
                    others.push(path);
                }
                FolderOwner::Unknown(Some(FolderError::Busy { .. })) => {
                    if request.claims.claim(&path, marks, identity)? {
                        // Another process has it, which says so itself.
                        return Ok(path);
                    }
                    others.push(path);
                }
                FolderOwner::Unknown(_) => {}
            }
        }
    }
    if !marks.0.contains_key(ANDROID_ID) {
        marks.0.extend(android_id(phone).await);
    }
    let today = Local::now().format("%Y-%m-%d").to_string();
    let first = match name.is_empty() {
        true => today,
        false => format!("{name}-{today}"),
    };
    for number in 1..MAX_A_DAY {
        let path = parent.join(match number {
            1 => first.clone(),
            _ => format!("{first}-{number}"),
        });
        let is_taken =
            others.contains(&path) || request.new_folder && path.symlink_metadata().is_ok();
        if !is_taken && request.claims.claim(&path, marks, identity)? {
            return Ok(path);
        }
    }
    let message = format!("this phone has {MAX_A_DAY} folders of today already");
    Err(Error::new(Kind::Folder, message)
        .with_hint([Said("name a new folder"), With(Flag::Output, " with -o")]))
}

/// Looks whose a folder is, and closes it again.
async fn owner(phone: &Phone, path: PathBuf, chosen: ChosenBy) -> FolderOwner {
    let looking = tokio::task::spawn_blocking(move || {
        let folder = Folder::open_after_asking(&path)?;
        Ok::<_, FolderError>(Acquaintance::of(folder.catalogue())?)
    });
    let known = match looking.await {
        Ok(Ok(known)) => known,
        Ok(Err(error)) => return FolderOwner::Unknown(Some(error)),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    match known.is_with(phone, chosen).await {
        Ok(Ok(())) => FolderOwner::This(known.marks),
        Ok(Err(other)) => FolderOwner::Other(other),
        // A phone that goes away is waited for later.
        Err(_) if known.identity.serial == phone.identity().serial => {
            FolderOwner::This(known.marks)
        }
        Err(_) => FolderOwner::Unknown(None),
    }
}

/// Folders of this name with a date, and a number where there are several of a day; the latest
/// first.
fn dated(parent: &Path, name: &str) -> Vec<PathBuf> {
    let listed = match parent.as_os_str().is_empty() {
        true => std::fs::read_dir("."),
        false => std::fs::read_dir(parent),
    };
    let names = listed
        .into_iter()
        .flatten()
        .filter_map(|found| found.ok()?.file_name().into_string().ok());
    let mut dated: Vec<_> = names
        .filter_map(|found| Some((date_and_number(&found, name)?, found)))
        .collect();
    dated.sort_unstable();
    dated
        .into_iter()
        .rev()
        .map(|(_, name)| parent.join(name))
        .collect()
}

fn date_and_number(found: &str, name: &str) -> Option<(NaiveDate, u32)> {
    let rest = match name {
        "" => found,
        name => found.strip_prefix(name)?.strip_prefix('-')?,
    };
    let (date, number) = match rest.split_at_checked(10)? {
        (date, "") => (date, 1),
        (date, number) => {
            let number = number.strip_prefix('-')?;
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
            (date, number.parse().ok().filter(|_| is_number)?)
        }
    };
    Some((NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?, number))
}

fn name_of(identity: &PhoneIdentity) -> String {
    let parts = [&identity.model, &identity.serial].map(|part| harmless(part));
    let [model, serial] = &parts;
    let name = match (model.is_empty(), serial.is_empty()) {
        (false, false) => format!("{model}-{serial}"),
        (false, true) => model.clone(),
        _ => serial.clone(),
    };
    name.trim_start_matches('-').to_owned()
}

fn shown(path: &Path) -> String {
    plain(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_found_by_date_and_number() {
        let told = |found: &str| date_and_number(found, "Pixel-1");
        let day = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        assert_eq!(told("Pixel-1-2026-11-23"), Some((day, 1)));
        assert_eq!(told("Pixel-1-2026-11-23-12"), Some((day, 12)));
        for other in [
            "Pixel-1",
            "Pixel-1-2026-11-23-",
            "Pixel-1-2026-11-23-+2",
            "Pixel-1-2026-11-23x",
            "Pixel-12-2026-11-23",
            "Pixel-1-2026-13-23",
            "Pixel-1-2026-11-2é",
        ] {
            assert_eq!(told(other), None, "{other}");
        }
        assert_eq!(date_and_number("2026-11-23", ""), Some((day, 1)));
    }
}
