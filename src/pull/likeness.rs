//! Decides whether a phone is the one that a rescue folder belongs to. A serial number is not enough: cheap phones
//! and repaired boards share theirs, and some have none.
//!
//! In: the facts in the folder's catalogue, and a phone. Out: the same phone, or another one and why. A property that
//! belongs to one unit alone decides against it; otherwise the phone's files decide, which a system update leaves in
//! place.

use std::time::Duration;

use super::enumerate::has_internal_storage;
use super::verify::stats;
use crate::adb::sync::{FileType, Stat};
use crate::folder::{Catalogue, CatalogueError, Entry, FolderError, Proof, ReasonCode, State};
use crate::item::{Item, Marks, PhoneIdentity};
use crate::phone::hash::{HashAlgorithm, Hashes};
use crate::phone::marks::{ANDROID_ID, LOOKS, UNIT};
use crate::phone::{Phone, PhoneError};

/// Entries that are looked for on the phone: so many of the latest, and so many of all.
const SAMPLE: i64 = 32;
/// One in so many of them has to be there as it was: people tidy up, and take cards out.
const ONE_IN: usize = 8;
/// Fewer files than this may all have changed.
const FEW: usize = 3;
/// Files that are hashed where more than files speaks against it.
const HASHED: usize = 4;
/// Files larger than this are not, in bytes.
const MAX_HASHED_BYTES: u64 = 64 * 1024 * 1024;
/// How long the phone may think about its Android ID.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a catalogue knows about its phone.
#[derive(Debug)]
pub(crate) struct Acquaintance {
    /// The identity that the phone reported.
    pub(crate) identity: PhoneIdentity,
    /// Further marks that distinguish the phone from others.
    pub(crate) marks: Marks,
    sample: Vec<Entry>,
}

/// Who chose the rescue folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChosenBy {
    /// The user, by naming it.
    BySomebody,
    ByName,
}

/// The result of looking for a few of the catalogue's files on the connected phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traces {
    /// Unknown: the catalogue has no files, or the phone's storage is locked.
    Unknown,
    /// Enough of the files are there, by size and date.
    There,
    /// Enough of the files are there, with the same bytes.
    Proven,
    /// The files are there, with different bytes.
    Wrong,
    /// None or hardly any of this many files is there.
    Gone(usize),
}

/// Why it is another phone.
type Difference = String;

impl Acquaintance {
    pub(crate) fn of(catalogue: &Catalogue) -> Result<Self, CatalogueError> {
        let mut sample = catalogue.sample(SAMPLE)?;
        sample.retain(|entry| {
            let reason = entry.reason.as_ref();
            let is_gone = reason.is_some_and(|reason| reason.code == ReasonCode::Vanished);
            !is_gone && !matches!(entry.state, State::Superseded)
        });
        Ok(Self {
            identity: catalogue.identity()?,
            marks: catalogue.marks()?,
            sample,
        })
    }

    /// Checks whether the connected phone is the catalogue's; the error says why it is not. If the user named the
    /// folder, a few changed files are not enough to reject the phone.
    pub(crate) async fn is_with(
        &self,
        phone: &Phone,
        chosen: ChosenBy,
    ) -> Result<Result<(), FolderError>, PhoneError> {
        let (identity, marks) = (phone.identity(), phone.marks());
        let difference = self.difference(phone, &identity, marks, chosen).await?;
        Ok(difference.map_or(Ok(()), |why| {
            Err(FolderError::OtherPhone {
                expected: self.identity.serial.clone(),
                got: identity.serial,
                why,
            })
        }))
    }

    async fn difference(
        &self,
        phone: &Phone,
        now: &PhoneIdentity,
        mut marks: Marks,
        chosen: ChosenBy,
    ) -> Result<Option<Difference>, PhoneError> {
        if let Some(difference) = self.other_unit(now, &marks) {
            return Ok(Some(difference));
        }
        let looks_other = self.looks_other(now, &marks);
        let traces = match self.traces(phone, looks_other.as_ref()).await? {
            Traces::Gone(looked) if looked < FEW && chosen == ChosenBy::BySomebody => {
                Traces::Unknown
            }
            traces => traces,
        };
        if traces != Traces::There || looks_other.is_some() {
            marks.0.extend(android_id(phone).await);
            if let Some(difference) = self.other_unit(now, &marks) {
                return Ok(Some(difference));
            }
        }
        Ok(self.judge(&marks, looks_other, traces))
    }

    /// Returns a property unique to one unit that differs.
    fn other_unit(&self, now: &PhoneIdentity, marks: &Marks) -> Option<Difference> {
        let serials = (&self.identity.serial, &now.serial);
        if !serials.0.is_empty() && !serials.1.is_empty() && serials.0 != serials.1 {
            return Some("its serial number is another".to_owned());
        }
        self.other_mark(&UNIT, marks)
    }

    /// Returns a property shared by all phones of a model and version that differs.
    fn looks_other(&self, now: &PhoneIdentity, marks: &Marks) -> Option<Difference> {
        let named = [
            ("model", &self.identity.model, &now.model),
            (
                "manufacturer",
                &self.identity.manufacturer,
                &now.manufacturer,
            ),
        ];
        let other = named.iter().find(|(_, known, now)| {
            !known.is_empty() && !now.is_empty() && !known.eq_ignore_ascii_case(now)
        });
        match other {
            Some((name, known, now)) => Some(format!("its {name} is {now}, not {known}")),
            None => self.other_mark(&LOOKS, marks),
        }
    }

    fn other_mark(&self, names: &[&str], marks: &Marks) -> Option<Difference> {
        let other = names.iter().find(|name| {
            let (known, now) = (self.marks.0.get(**name), marks.0.get(**name));
            known.is_some() && now.is_some() && known != now
        });
        other.map(|name| format!("its {name} is another"))
    }

    fn judge(
        &self,
        marks: &Marks,
        looks_other: Option<Difference>,
        traces: Traces,
    ) -> Option<Difference> {
        let same = |name: &str| {
            let known = self.marks.0.get(name);
            known.is_some() && known == marks.0.get(name)
        };
        match traces {
            Traces::There | Traces::Proven => None,
            Traces::Wrong => Some("files of the same names have other contents on it".to_owned()),
            // It was tidied up, or its storage is not open yet.
            _ if same(ANDROID_ID) => None,
            Traces::Unknown => looks_other,
            Traces::Gone(looked) => Some(looks_other.unwrap_or_else(|| {
                format!(
                    "it has hardly any of the {looked} files of the folder that were looked for"
                )
            })),
        }
    }

    /// Looks for a sample of the catalogue's files on the phone. On a phone that looks different, their bytes are
    /// compared too.
    async fn traces(
        &self,
        phone: &Phone,
        looks_other: Option<&Difference>,
    ) -> Result<Traces, PhoneError> {
        let items: Vec<_> = self.sample.iter().map(item_of).collect();
        let known = stats(phone, &items.iter().collect::<Vec<_>>()).await?;
        if items.is_empty() || known.len() < items.len() {
            return Ok(Traces::Unknown);
        }
        let there: Vec<&Entry> = self
            .sample
            .iter()
            .zip(&known)
            .filter(|(entry, stat)| is_as_listed(entry.item.size, entry.item.mtime, stat))
            .map(|(entry, _)| entry)
            .collect();
        if there.len() * ONE_IN < items.len() {
            // Or nobody has unlocked it since it was switched on.
            return Ok(match has_internal_storage(phone).await? {
                true => Traces::Gone(items.len()),
                false => Traces::Unknown,
            });
        }
        match looks_other {
            Some(_) => prove(phone, there).await,
            None => Ok(Traces::There),
        }
    }
}

/// Compares the bytes of a few files that are there.
async fn prove(phone: &Phone, mut there: Vec<&Entry>) -> Result<Traces, PhoneError> {
    there.retain(|entry| {
        let is_proven = entry.state == State::Verified(Proof::Sha256);
        is_proven && (1..=MAX_HASHED_BYTES).contains(&entry.item.size)
    });
    there.sort_by_key(|entry| entry.item.size);
    there.truncate(HASHED);
    let paths: Vec<_> = there.iter().map(|entry| &entry.item.path).collect();
    let bytes = there.iter().map(|entry| entry.item.size).sum();
    if paths.is_empty() {
        return Ok(Traces::There);
    }
    let hashes = match phone.hash(HashAlgorithm::Sha256, &paths, bytes).await {
        Ok(Hashes::Of(hashes)) => hashes,
        Ok(Hashes::NoProgram) => return Ok(Traces::There),
        Err(error) if error.is_gone() => return Err(error),
        Err(_) => return Ok(Traces::There),
    };
    let told: Vec<bool> = there
        .iter()
        .zip(hashes)
        .filter_map(|(entry, hash)| Some(entry.sha256?.0.as_slice() == hash?))
        .collect();
    Ok(match told.as_slice() {
        [] => Traces::There,
        told if told.contains(&true) => Traces::Proven,
        _ => Traces::Wrong,
    })
}

/// Returns whether the phone has any of these files as they were listed. Without a single answer, returns true.
pub(crate) async fn has_any(phone: &Phone, items: &[Item]) -> Result<bool, PhoneError> {
    let known = stats(phone, &items.iter().collect::<Vec<_>>()).await?;
    let mut answered = items.iter().zip(&known);
    Ok(known.is_empty() || answered.any(|(item, stat)| is_as_listed(item.size, item.mtime, stat)))
}

/// Returns the phone's Android ID as a mark; `None` if the phone does not report it.
pub(crate) async fn android_id(phone: &Phone) -> Option<(String, String)> {
    let asked = tokio::time::timeout(PATIENCE, phone.android_id()).await;
    let id = asked.ok()?.ok()??;
    Some((ANDROID_ID.to_owned(), id))
}

fn item_of(entry: &Entry) -> Item {
    Item {
        path: entry.item.path.clone(),
        size: entry.item.size,
        size_is_exact: entry.item.size_is_exact,
        mtime: entry.item.mtime,
    }
}

fn is_as_listed(size: u64, mtime: i64, stat: &Stat) -> bool {
    // Sync v1 tells 32 bits of a size.
    stat.error == 0
        && FileType::of_mode(stat.mode) == FileType::Regular
        && stat.size as u32 == size as u32
        && stat.mtime == mtime
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(pairs: &[(&str, &str)]) -> Marks {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Marks(pairs.iter().map(own).collect())
    }

    fn known(pairs: &[(&str, &str)]) -> Acquaintance {
        Acquaintance {
            identity: crate::folder::tests::phone(),
            marks: marks(pairs),
            sample: Vec::new(),
        }
    }

    #[test]
    fn what_belongs_to_one_unit_decides_against_it() {
        let phone = crate::folder::tests::phone();
        let folder = known(&[(UNIT[0], "1"), (ANDROID_ID, "abc")]);
        let other = |pairs: &[(&str, &str)]| folder.other_unit(&phone, &marks(pairs)).is_some();
        assert!(other(&[(UNIT[0], "2")]));
        assert!(other(&[(ANDROID_ID, "abd")]));
        assert!(!other(&[(UNIT[0], "1"), (ANDROID_ID, "abc")]));
        // What one of both does not tell says nothing.
        assert!(!other(&[]));
        assert!(!other(&[(UNIT[1], "1")]));
        let with_serial = |serial: &str| PhoneIdentity {
            serial: serial.to_owned(),
            ..phone.clone()
        };
        let of_serial = |serial| folder.other_unit(&with_serial(serial), &marks(&[]));
        assert!(of_serial("OTHER").is_some());
        assert!(of_serial("").is_none());
    }

    #[test]
    fn files_decide_where_the_phone_looks_another() {
        let looks = [(LOOKS[0], "vendor/x/x:14")];
        let folder = known(&[(LOOKS[0], "vendor/x/x:13"), (ANDROID_ID, "abc")]);
        let phone = crate::folder::tests::phone();
        let updated = marks(&looks);
        let doubt = folder.looks_other(&phone, &updated);
        assert!(doubt.is_some());
        let judge = |marks: &Marks, traces| folder.judge(marks, doubt.clone(), traces);
        assert_eq!(judge(&updated, Traces::Proven), None);
        assert_eq!(judge(&updated, Traces::There), None);
        assert!(judge(&updated, Traces::Wrong).is_some());
        assert!(judge(&updated, Traces::Gone(9)).is_some());
        assert!(judge(&updated, Traces::Unknown).is_some());
        // Its owner has tidied up.
        let same = marks(&[looks[0], (ANDROID_ID, "abc")]);
        assert_eq!(judge(&same, Traces::Gone(9)), None);
        // Nothing speaks against it, and there is nothing to look for.
        let folder = known(&[]);
        assert_eq!(folder.judge(&updated, None, Traces::Unknown), None);
        assert!(folder.judge(&updated, None, Traces::Gone(1)).is_some());
    }
}
