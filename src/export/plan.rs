//! Decides which files go into an archive, and why the others do not. Reads the catalogue, and looks at each file's
//! size; opens files only if their dates decide.

use std::collections::HashMap;

pub use super::pieces::{Piece, Pieces};
use super::{ExportError, Place};
use crate::adb::RemotePath;
use crate::error::Error;
use crate::folder::reader::{FoundOnDisk, FoundSize};
use crate::folder::{
    CatalogueError, DataReader, DiskError, Entry, Folder, Reason, ReasonCode, State,
};
use crate::media::choice::{Globs, Spot};
use crate::media::kind::MediaKind;
use crate::media::look::{Undated, taken_of_each};
use crate::media::taken::{Days, Taken};
use crate::names::{LocalPath, with_slashes};

/// The user's selection of files for an archive.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Only these kinds of files; empty for all.
    pub kinds: Vec<MediaKind>,
    /// Only files that match one of these patterns; `None` for all.
    pub include: Option<Globs>,
    /// Without the files that match one of these patterns.
    pub exclude: Globs,
    /// Only files taken on these days.
    pub days: Days,
    /// Also unconfirmed files, older versions, and what was kept of damaged files.
    pub include_unverified: bool,
}

impl Wish {
    /// Adds glob patterns, which match as they do in a pull and an upload.
    pub fn with_globs(mut self, include: &[String], exclude: &[String]) -> Result<Self, Error> {
        self.include = match include {
            [] => None,
            include => Some(Globs::new(include)?),
        };
        self.exclude = Globs::new(exclude)?;
        Ok(self)
    }

    /// Returns whether the selection includes every available file.
    pub fn is_for_all(&self) -> bool {
        self.kinds.is_empty()
            && self.include.is_none()
            && self.exclude.is_empty()
            && self.days.are_all()
    }

    fn wants(&self, entry: &Entry, kind: MediaKind) -> bool {
        let matches = |globs: &Globs| globs.matches(&entry.item.path, Spot::Pulled(&entry.local));
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && self.include.as_ref().is_none_or(matches)
            && !matches(&self.exclude)
    }
}

/// A file of the phone that is not in the archive.
#[derive(Debug, Clone, serde::Serialize)]
pub struct LeftOut {
    /// The file's path on the phone.
    pub path: RemotePath,
    /// The file's path below `data/`, real or intended.
    pub local: LocalPath,
    /// The file's size in bytes, as listed or as rescued.
    pub size: u64,
    /// The reason.
    #[serde(flatten)]
    pub why: Why,
}

impl LeftOut {
    /// Creates the record of a planned file that could not be packed.
    pub(super) fn of(folder: &Folder, piece: &Piece, why: Why) -> Result<Self, CatalogueError> {
        let entry = folder.catalogue().entry(piece.entry)?;
        let entry = entry.ok_or(CatalogueError::NoSuchEntry { id: piece.entry })?;
        Ok(Self {
            path: entry.item.path,
            local: piece.local.clone(),
            size: piece.size,
            why,
        })
    }
}

/// The reason why a file is not in the archive.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "why", content = "detail", rename_all = "snake_case")]
pub enum Why {
    /// The file was never pulled.
    NotPulled,
    /// The file could not be pulled.
    Failed(Reason),
    /// The file could be pulled only in part.
    Damaged(Reason),
    /// The phone did not confirm the file.
    NotVerified,
    /// The phone has a newer version of the file.
    OlderVersion,
    /// The file is no longer in the rescue folder.
    Missing,
    /// Something else, such as a symbolic link, is in the file's place or on the way to it.
    NotAFile,
    /// The file changed after it was rescued.
    Changed,
    /// This computer's disk cannot read the file.
    Unreadable(String),
    /// The archive already contains the same bytes, under this path below `data/`.
    SameAs(LocalPath),
    /// The file is larger than one part of a split archive may be.
    TooLarge,
}

impl Why {
    /// Returns the reason for a file that this computer's disk cannot read.
    pub(super) fn unreadable(error: &dyn std::error::Error) -> Self {
        let cause = error
            .source()
            .map_or_else(String::new, |c| format!(": {c}"));
        Self::Unreadable(format!("{error}{cause}"))
    }

    /// Returns whether the archive is incomplete without the file.
    pub fn is_a_loss(&self) -> bool {
        !matches!(self, Self::OlderVersion | Self::SameAs(_))
    }

    /// Returns the reason as words for the user.
    pub fn sentence(&self) -> String {
        match self {
            Self::NotPulled => "not pulled from the phone yet".to_owned(),
            Self::Failed(reason) => format!("could not be pulled: {}", reason.message),
            Self::Damaged(reason) => format!("damaged: {}", reason.message),
            Self::NotVerified => "not confirmed by the phone".to_owned(),
            Self::OlderVersion => "an older version; the newer one is what counts".to_owned(),
            Self::Missing => "gone from the rescue folder".to_owned(),
            Self::NotAFile => "something else stands in its place".to_owned(),
            Self::Changed => "changed since it was rescued".to_owned(),
            Self::Unreadable(message) => format!("unreadable: {message}"),
            Self::SameAs(path) => format!("the same bytes as {path}"),
            Self::TooLarge => {
                "too large for one part, with what each part needs besides".to_owned()
            }
        }
    }
}

/// The plan of an export: the files that go in, in order, and those that do not.
#[derive(Debug)]
pub struct ExportPlan {
    /// The files to export, ordered by their path on the phone.
    pub pieces: Pieces,
    /// The files left out, each with its reason.
    pub left_out: Vec<LeftOut>,
    /// The number of files that the user did not select.
    pub not_chosen: u64,
    /// Other files found below the rescue folder's `data/`; listed only for an export of everything.
    pub strangers: Vec<String>,
}

/// Decides for every entry of a rescue folder whether it is exported. Long lists are kept on the disk of the archive's
/// folder.
///
/// # Errors
///
/// The archive would be inside the rescue folder, or the catalogue or a disk fails.
pub fn plan(folder: &Folder, wish: &Wish, place: &Place) -> Result<ExportPlan, ExportError> {
    place.is_outside(folder)?;
    let mut plan = ExportPlan {
        pieces: Pieces::new(place.parent())?,
        left_out: Vec::new(),
        not_chosen: 0,
        strangers: Vec::new(),
    };
    let reader = folder.data_reader();
    let mut companions = HashMap::new();
    if wish.include_unverified {
        folder.catalogue().for_each_by_path(|entry| {
            if entry.state == State::Damaged {
                let kept = folder.catalogue().companions(entry.id)?;
                companions.insert(entry.id, kept);
            }
            Ok::<_, CatalogueError>(())
        })?;
    }
    folder.catalogue().for_each_by_path(|entry| {
        let kind = MediaKind::of_name(entry.local.name().as_bytes());
        if wish.wants(&entry, kind) {
            for kept in companions.remove(&entry.id).unwrap_or_default() {
                let piece = Piece {
                    entry: entry.id,
                    local: kept.local,
                    size: kept.size,
                    mtime: entry.item.mtime,
                    sha256: kept.sha256,
                    kind: MediaKind::Other,
                };
                plan.add(piece, &entry, &reader)?;
            }
            plan.decide(entry, kind, wish, &reader)?;
        } else {
            plan.not_chosen += 1;
        }
        Ok::<_, ExportError>(())
    })?;
    if !wish.days.are_all() {
        plan.narrow(wish, &reader)?;
    }
    if wish.is_for_all() {
        let strangers = folder.strangers()?.into_iter();
        plan.strangers = strangers.map(|it| with_slashes(&it)).collect();
    }
    Ok(plan)
}

impl ExportPlan {
    fn decide(
        &mut self,
        entry: Entry,
        kind: MediaKind,
        wish: &Wish,
        reader: &DataReader,
    ) -> Result<(), DiskError> {
        let reason = || {
            entry
                .reason
                .clone()
                .unwrap_or_else(|| Reason::new(ReasonCode::Other, "no reason was recorded"))
        };
        let why = match (entry.state, entry.sha256) {
            (State::Planned, _) => Why::NotPulled,
            (State::Failed, _) => Why::Failed(reason()),
            (State::Damaged, _) => Why::Damaged(reason()),
            (State::Pulled, _) if !wish.include_unverified => Why::NotVerified,
            (State::Superseded, _) if !wish.include_unverified => Why::OlderVersion,
            (State::Pulled | State::Verified(_) | State::Superseded, Some(sha256)) => {
                let piece = Piece {
                    entry: entry.id,
                    local: entry.local.clone(),
                    size: entry.item.size,
                    mtime: entry.item.mtime,
                    sha256,
                    kind,
                };
                return self.add(piece, &entry, reader);
            }
            // The catalogue is not trusted: a file without a hash cannot be checked.
            (State::Pulled | State::Verified(_) | State::Superseded, None) => Why::NotVerified,
        };
        if wish.days.want(Taken::of_name_or_mtime(
            entry.local.name(),
            entry.item.mtime,
        )) {
            self.left_out.push(LeftOut {
                path: entry.item.path,
                local: entry.local,
                size: entry.item.size,
                why,
            });
        } else {
            self.not_chosen += 1;
        }
        Ok(())
    }

    fn add(&mut self, piece: Piece, entry: &Entry, reader: &DataReader) -> Result<(), DiskError> {
        let why = match reader.size(&piece.local) {
            Ok(FoundSize::File(size)) if size == piece.size => None,
            Ok(FoundSize::File(_)) => Some(Why::Changed),
            Ok(FoundSize::Nothing) => Some(Why::Missing),
            Ok(FoundSize::Other) => Some(Why::NotAFile),
            // Says nothing about the file.
            Err(error) if error.is_shortage() => return Err(error),
            Err(error) => Some(Why::unreadable(&error)),
        };
        match why {
            None => self.pieces.push(&piece)?,
            Some(why) => self.left_out.push(LeftOut {
                path: entry.item.path.clone(),
                local: piece.local,
                size: piece.size,
                why,
            }),
        }
        Ok(())
    }
}

impl ExportPlan {
    /// Keeps what was taken when the person wishes; looks into the files, several at once.
    fn narrow(&mut self, wish: &Wish, reader: &DataReader) -> Result<(), DiskError> {
        let pieces = &self.pieces;
        let open = |index| {
            let Some(piece) = pieces.get(index)? else {
                return Ok(None);
            };
            let file = match reader.open(&piece.local) {
                Ok(FoundOnDisk::File(file)) => Some(file),
                _ => None,
            };
            Ok::<_, DiskError>(Some(Undated {
                name: piece.local.name().to_owned(),
                mtime: piece.mtime,
                file,
            }))
        };
        let taken = taken_of_each(pieces.len(), open)?;
        let wanted: Vec<bool> = taken.into_iter().map(|at| wish.days.want(at)).collect();
        self.not_chosen += wanted.iter().filter(|it| !**it).count() as u64;
        self.pieces
            .keep(|index| wanted.get(index).copied().unwrap_or_default());
        Ok(())
    }
}
