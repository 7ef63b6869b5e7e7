//! `rescue status FOLDER`: counts the files of a rescue folder, and lists the missing ones.

use std::collections::HashMap;
use std::path::Path;

use chrono::{Local, TimeZone as _};
use serde::Serialize;

use super::Done;
use super::latest::chosen_folder;
use super::summary::{PhoneCoverage, Steps, looked_at_everything, summary_lines, survey_lines};
use super::upload::{KnownBy, RemoteStanding, THERE, same_disk_line, sum, waiting_archives};
use crate::adb::RemotePath;
use crate::cli::FolderArgs;
use crate::error::{Error, Kind};
use crate::folder::DiskError;
use crate::folder::upload::{KnownRemote, UploadCount};
use crate::folder::{
    Catalogue, CatalogueError, Entry, Folder, FolderError, JobLabel, PresenceLookup, ReasonCode,
    Run, RunOutcome, State, Summary, SurveyKind, Surveyed,
};
use crate::item::Item;
use crate::item::PhoneIdentity;
use crate::ui::words::{APART, look_first};
use crate::ui::{Ui, bytes, count, plain, typed};
use crate::upload::settings::Settings;

#[derive(Serialize)]
struct StatusLine<'a> {
    r#type: &'static str,
    folder: String,
    phone: &'a PhoneIdentity,
    /// Whose phone it is, and a note; each empty where nobody said it.
    job: &'a JobLabel,
    last_run: Option<&'a Run>,
    #[serde(flatten)]
    summary: &'a Summary,
    remotes: &'a [RemoteStatus],
    /// Whether another `rescue` works on the folder now: what is told changes then.
    under_way: bool,
    /// Files that were recorded and do not stand in their places any more; `None` while files are being
    /// put there.
    not_in_place: Option<u64>,
    /// Files that nobody could look for.
    not_looked_for: Option<u64>,
    /// Where the last listing looked, what it could not look at, and what it left.
    surveyed: &'a [Surveyed],
    looked_at_everything: bool,
}

#[derive(Serialize)]
struct RemoteStatus {
    name: String,
    target: String,
    /// Whether the name leads there now.
    current: bool,
    counts: Vec<UploadCount>,
    /// Items of the phone that are not there; `None` where only archives were sent.
    not_there: Option<u64>,
}

#[derive(Serialize)]
struct MissingEntry<'a> {
    r#type: &'static str,
    path: &'a crate::adb::RemotePath,
    state: State,
    reason: Option<&'a crate::folder::Reason>,
    attempts: u32,
    /// Whether somebody said that this is known.
    known: bool,
}

pub(super) fn run(args: &FolderArgs, ui: &Ui) -> Result<Done, Error> {
    let path = chosen_folder(args, ui)?;
    let (folder, under_way) = open(&path)?;
    let catalogue = folder.catalogue();
    let (phone, summary) = (catalogue.identity()?, catalogue.summary()?);
    let label = catalogue.job()?;
    let last_run = catalogue.last_run()?;
    let (survey, accepted) = (catalogue.survey()?, catalogue.accepted()?);
    let failures = ToldFailures::tell(catalogue, &accepted, ui)?;
    let shown = plain(&path.display().to_string());
    let word = typed(&path);
    let mut lines = vec![format!(
        "{shown}: {} {} ({})",
        plain(&phone.manufacturer),
        plain(&phone.model),
        plain(&phone.serial)
    )];
    lines.extend(label_lines(&label));
    lines.extend(summary_lines(&summary));
    lines.extend(survey_lines(&survey));
    let unfinished = summary.planned.files + summary.pulled.files;
    let missing = summary.failed.files + summary.damaged.files;
    let is_whole = last_run.as_ref().is_some_and(Run::is_whole);
    let coverage = PhoneCoverage::of(last_run.as_ref(), &survey);
    let ended = last_run.as_ref().and_then(|run| run.outcome);
    let is_all_known = matches!(ended, Some(RunOutcome::Done | RunOutcome::SomeFailed))
        && are_known(&survey, &accepted)
        && failures.known == missing;
    let remotes = remotes_of(&folder, &path, coverage, &mut lines)?;
    // A pull puts files there now.
    let pull = last_run
        .as_ref()
        .filter(|run| under_way && run.ended.is_none());
    let counted = match pull {
        Some(_) => None,
        None => Some(EmptyPlaces::of(&folder)?),
    };
    if under_way && pull.is_none() {
        lines.push(
            "Another rescue is working on this folder: an upload, an export or a check".to_owned(),
        );
    }
    let places = counted.as_ref();
    let not_in_place = places.map_or(0, |places| places.empty);
    let unseen = places.map_or(0, |places| places.unseen);
    lines.extend(places.into_iter().flat_map(|places| places.lines(&word)));
    let standing = RescueStanding {
        word: &word,
        looked_at: LookedAt::of(&survey),
        is_whole,
        is_all_known,
        is_in_place: not_in_place + unseen == 0,
        unfinished,
        missing,
        failures: &failures,
        by_size: summary.verified_by_size.files,
    };
    lines.extend(failures.steps.lines());
    lines.push(match pull {
        Some(run) => pull_under_way(&summary, run),
        None => standing.sentence(),
    });
    if pull.is_none() && standing.is_well() {
        lines.extend([APART.to_owned(), look_first()]);
    }
    let status = StatusLine {
        r#type: "status",
        folder: path.display().to_string(),
        phone: &phone,
        job: &label,
        last_run: last_run.as_ref(),
        summary: &summary,
        remotes: &remotes,
        under_way,
        not_in_place: places.map(|places| places.empty),
        not_looked_for: places.map(|places| places.unseen),
        surveyed: &survey,
        looked_at_everything: coverage == PhoneCoverage::Everything,
    };
    ui.result(&status, &lines);
    Ok(match standing.is_well() {
        true => Done::All,
        false => Done::SomeFailed,
    })
}

/// Whose phone it is, and the note. Each line says what it is: it could pass for one of this program's own.
fn label_lines(label: &JobLabel) -> Vec<String> {
    let customer = label.customer().lines().map(|it| ("Customer", it));
    let lines = customer.chain(label.note().lines().map(|line| ("Note", line)));
    lines
        .map(|(what, text)| format!("{what}: {}", plain(text)))
        .collect()
}

/// Whether somebody accepted each place that could not be read. Such folders are in the survey and have no entries.
fn are_known(survey: &[Surveyed], accepted: &HashMap<RemotePath, ReasonCode>) -> bool {
    let is_known = |one: &Surveyed| {
        let path = RemotePath::new(&one.place).ok();
        let code = one.reason.as_ref().map(|reason| reason.code);
        path.and_then(|path| accepted.get(&path).copied()) == code
    };
    let mut unreadable = survey
        .iter()
        .filter(|one| one.kind == SurveyKind::Unreadable);
    unreadable.all(is_known)
}

/// The failed and damaged files.
#[derive(Default)]
struct ToldFailures {
    /// Those that are gone from the phone,
    vanished: u64,
    /// those that somebody accepted,
    known: u64,
    /// and those that another try will hardly bring.
    lasting: u64,
    steps: Steps,
}

impl ToldFailures {
    /// Tells each of them, and counts.
    fn tell(
        catalogue: &Catalogue,
        accepted: &HashMap<RemotePath, ReasonCode>,
        ui: &Ui,
    ) -> Result<Self, Error> {
        let mut told = Self::default();
        catalogue.for_each_failed(|entry: Entry| {
            let code = entry.reason.as_ref().map(|reason| reason.code);
            told.vanished += u64::from(code == Some(ReasonCode::Vanished));
            let Entry {
                item: Item { path, .. },
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
            let is_known = code.is_some_and(|code| accepted.get(path) == Some(&code));
            told.known += u64::from(is_known);
            told.lasting += u64::from(!is_known && code.is_some_and(ReasonCode::is_lasting));
            if let Some(code) = code.filter(|_| !is_known) {
                told.steps.add(code);
            }
            let known = if is_known { "; known" } else { "" };
            let line = format!(
                "{word}: {} ({}{known})",
                plain(&path.to_string()),
                plain(why)
            );
            let missing = MissingEntry {
                r#type: "item",
                path,
                state: *state,
                reason: reason.as_ref(),
                attempts: *attempts,
                known: is_known,
            };
            ui.result(&missing, &[line]);
            Ok::<_, CatalogueError>(())
        })?;
        Ok(told)
    }
}

/// How much of the phone the last pull looked at.
#[derive(Clone, Copy)]
enum LookedAt {
    Everything,
    /// All but the places that the survey names.
    Readable,
    /// Earlier versions recorded no places.
    Unrecorded,
}

impl LookedAt {
    fn of(survey: &[Surveyed]) -> Self {
        let is_place = |one: &Surveyed| one.kind == SurveyKind::LookedAt;
        match looked_at_everything(survey) {
            true => Self::Everything,
            false if survey.iter().any(is_place) => Self::Readable,
            false => Self::Unrecorded,
        }
    }
}

/// How the rescue as a whole stands.
struct RescueStanding<'a> {
    /// The folder, as a command takes it.
    word: &'a str,
    /// How much of the phone was looked at.
    looked_at: LookedAt,
    /// Whether the last run came to its end,
    is_whole: bool,
    /// and all that is missing was accepted.
    is_all_known: bool,
    is_in_place: bool,
    unfinished: u64,
    missing: u64,
    failures: &'a ToldFailures,
    /// Files that could be compared by size only.
    by_size: u64,
}

impl RescueStanding<'_> {
    /// Whether nothing is left to do.
    fn is_well(&self) -> bool {
        let is_whole = self.missing == 0 && self.is_whole;
        self.unfinished == 0 && self.is_in_place && (is_whole || self.is_all_known)
    }

    fn sentence(&self) -> String {
        let word = self.word;
        let what = match self.looked_at {
            LookedAt::Everything => "Everything asked for on the phone",
            LookedAt::Readable => "Everything readable on the phone (exceptions above)",
            LookedAt::Unrecorded => "Everything that the last pull found",
        };
        match (self.unfinished, self.missing) {
            (0, _) if !self.is_whole && self.is_all_known && self.failures.known > 0 => {
                format!("{what} is here, except the files accepted as missing (--accept-failed)")
            }
            (0, 0) if !self.is_whole && self.is_all_known => {
                format!("{what} is here (--accept-failed)")
            }
            (0, 0) if !self.is_whole => format!(
                "The last run could not read everything on the phone, or did not end: plug the phone in and run `rescue pull -o {word}`"
            ),
            (0, 0) if !self.is_in_place => {
                format!("{what} was here before; now some of it is not in its place")
            }
            (0, 0) if self.by_size > 0 => format!(
                "{what} is here; {} could be compared by size only",
                count(self.by_size, "file")
            ),
            (0, 0) => format!("{what} is here and proven"),
            (0, missing) if missing == self.failures.vanished => {
                "The missing files are gone from the phone: nothing more can be rescued".to_owned()
            }
            (0, _) if self.failures.lasting == 0 => {
                format!("Some files could not be pulled; `rescue pull -o {word}` tries again")
            }
            (0, _) => format!(
                "Some files could not be pulled; `rescue pull -o {word}` tries again, and --accept-failed accepts the files that stay missing"
            ),
            _ => format!(
                "Not finished: plug the phone in and run `rescue pull -o {word}`, with --tcp or --serial as before"
            ),
        }
    }
}

/// What is known of each remote, with a line for a person.
fn remotes_of(
    folder: &Folder,
    path: &Path,
    coverage: PhoneCoverage,
    lines: &mut Vec<String>,
) -> Result<Vec<RemoteStatus>, Error> {
    let mut remotes = Vec::new();
    let catalogue = folder.catalogue();
    // The folder's own records are true without the settings, too.
    let settings = Settings::load().ok();
    for remote in catalogue.known_remotes()? {
        let counts = catalogue.upload_counts(remote.id)?;
        let not_there = catalogue.not_on(remote.id)?;
        let set_up = settings
            .as_ref()
            .map(|settings| settings.remotes().get(&remote.name));
        let current = match set_up {
            Some(set_up) => set_up.is_some_and(|set_up| set_up.kind.target() == remote.target),
            None => true,
        };
        if current {
            let standing = RemoteStanding {
                name: &remote.name,
                folder: path,
                counts: &counts,
                not_there,
                coverage,
                archives: &waiting_archives(catalogue, remote.id)?,
                known: KnownBy::Receipts,
            };
            lines.extend(standing.lines());
            let kind = set_up.flatten().map(|set_up| &set_up.kind);
            lines.extend(kind.and_then(|kind| same_disk_line(folder.root(), kind)));
        } else if set_up.flatten().is_some() {
            lines.extend(earlier_line(&remote, &counts));
        } else {
            lines.extend(removed_line(&remote, &counts));
        }
        remotes.push(RemoteStatus {
            name: remote.name,
            target: remote.target,
            current,
            counts,
            not_there,
        });
    }
    Ok(remotes)
}

/// What went to a remote that is not set up any more.
fn removed_line(remote: &KnownRemote, counts: &[UploadCount]) -> Option<String> {
    let (there, there_bytes) = sum(counts, &THERE);
    (there > 0).then(|| {
        format!(
            "{}: {}, {} on record as sent to {}; there is no remote of this name now",
            remote.name,
            count(there, "file"),
            bytes(there_bytes),
            plain(&remote.target)
        )
    })
}

/// What went to a place to which the remote no longer leads.
fn earlier_line(remote: &KnownRemote, counts: &[UploadCount]) -> Option<String> {
    let (there, _) = sum(counts, &THERE);
    (there > 0).then(|| {
        format!(
            "{} went to {} earlier, where the remote {} led then",
            count(there, "file"),
            plain(&remote.target),
            remote.name
        )
    })
}

/// The folder, and whether another `rescue` works on it. That one is not disturbed: what it has recorded so
/// far is read beside it.
fn open(path: &Path) -> Result<(Folder, bool), Error> {
    match Folder::open(path) {
        Err(FolderError::Busy { .. }) => match Folder::look(path) {
            Ok(folder) => Ok((folder, true)),
            Err(FolderError::Catalogue(CatalogueError::Busy { path })) => {
                let message = format!("another rescue is writing into {}", path.display());
                Err(Error::new(Kind::FolderBusy, message)
                    .with_hint("run the same command again in a minute"))
            }
            Err(error) => Err(error.into()),
        },
        opened => Ok((opened?, false)),
    }
}

/// How far a pull is.
fn pull_under_way(summary: &Summary, run: &Run) -> String {
    let since = Local.timestamp_opt(run.started, 0).single();
    let since = since.map_or(String::new(), |at| at.format(" since %H:%M").to_string());
    let here = summary.pulled.files.saturating_add(summary.verified.files);
    let here_bytes = summary.pulled.bytes.saturating_add(summary.verified.bytes);
    format!(
        "A pull is under way{since}: {} here, {} ({} verified); {} to come, {}",
        count(here, "file"),
        bytes(here_bytes),
        summary.verified.files,
        summary.planned.files,
        bytes(summary.planned.bytes),
    )
}

/// Files by where they were put: name and size only, for reading them is what `rescue verify` is for.
#[derive(Debug, Default)]
struct EmptyPlaces {
    /// How many do not stand there.
    empty: u64,
    /// How many nobody could look for, and the first reason.
    unseen: u64,
    why: Option<DiskError>,
}

impl EmptyPlaces {
    fn lines(&self, word: &str) -> Vec<String> {
        let unseen = self.why.as_ref().map(|why| {
            format!(
                "{} could not be looked for: {}",
                count(self.unseen, "file"),
                plain(&why.to_string())
            )
        });
        let empty = (self.empty > 0).then(|| {
            format!(
                "{} no longer here, or not of the size that was recorded: `rescue verify {word}` says which; `rescue pull -o {word}` fetches the missing files",
                count(self.empty, "file")
            )
        });
        unseen.into_iter().chain(empty).collect()
    }

    fn of(folder: &Folder) -> Result<Self, Error> {
        let (presence, mut places) = (PresenceLookup::of(folder.root()), Self::default());
        folder.catalogue().for_each_payload(|file| {
            match presence.look(&file.local, file.size) {
                Ok(is_there) => places.empty += u64::from(!is_there),
                Err(error) if error.is_shortage() => return Err(Error::from(error)),
                Err(error) => {
                    places.unseen += 1;
                    places.why.get_or_insert(error);
                }
            }
            Ok(())
        })?;
        Ok(places)
    }
}
