//! `rescue verify FOLDER [--phone]`: compares every file of a rescue folder with the catalogue, and with
//! the phone's own hashes.

use std::path::Path;

use serde::Serialize;

use super::latest::chosen_folder;
use super::summary::lacking;
use super::target::options_of;
use super::which::which;
use super::{Context, Done, connect_phone, stopped};
use crate::adb::RemotePath;
use crate::cli::VerifyArgs;
use crate::error::{Error, Kind};
use crate::event::{Event, Events};
use crate::folder::check::{CheckProgress, CheckResult, Finding, check};
use crate::folder::set_aside::SET_ASIDE;
use crate::folder::{Access, CatalogueError, Entry, Folder, Run, State, bag};
use crate::halt::Halt;
use crate::phone::Phone;
use crate::phone::hash::{HashAlgorithm, Hashes};
use crate::pull::likeness::{Acquaintance, ChosenBy};
use crate::ui::{Went, bytes, count, plain, typed};

/// Findings told on the terminal; JSON has all.
const TOLD_FINDINGS: usize = 50;
/// Files in one call.
const FILES_PER_CALL: usize = 64;

#[derive(Serialize)]
struct Checked<'a> {
    r#type: &'static str,
    folder: String,
    files: u64,
    bytes: u64,
    finding_count: u64,
    /// Files that memory may have answered for, instead of the disk.
    perhaps_from_memory: u64,
    set_aside: u64,
    /// That settles those findings that are of the bag.
    manifest_written: bool,
    /// Whether the rescue itself is finished: everything on the phone is here and proven.
    rescue_complete: bool,
    phone: Option<&'a PhoneComparison>,
}

/// A folder that was checked.
struct CheckedFolder {
    folder: Folder,
    report: CheckResult,
    wrong: FindingKinds,
    /// What was moved out of `data/`.
    set_aside: u64,
    /// What the rescue lacks, although each of its files is as it was recorded.
    lacking: Vec<String>,
}

/// Of what kinds the findings are, however many there are.
#[derive(Clone, Copy, Default)]
struct FindingKinds {
    /// The bag's own files, which can be rebuilt.
    bag: bool,
    /// Files that another user owns.
    forbidden: bool,
    /// Files of the rescue that are not here as they were recorded, or that nobody can tell about.
    rescued: bool,
    /// Files that are not of this rescue: they are nobody's fault.
    strangers: u64,
    /// Anything else that is still so, and strangers that still stand in the way.
    other: bool,
}

impl CheckedFolder {
    /// Whether all is right but what the bag's own files say.
    fn is_right_but_for_the_bag(&self) -> bool {
        let is_right = !self.wrong.forbidden && !self.wrong.other;
        let is_told_wrongly = self.wrong.bag || self.report.unwritten_count > 0;
        is_right && self.report.unrecorded_count == 0 && is_told_wrongly
    }

    /// Rebuilds the bag's own files.
    fn write_manifest(&mut self) -> Result<(), Error> {
        let root = self.folder.root().display();
        if self.folder.access() == Access::ReadOnly {
            let message = format!("{root} cannot be written");
            return Err(Error::new(Kind::Folder, message)
                .with_hint("copy the folder to a disk that can be written, and use the copy"));
        }
        let now = chrono::Local::now();
        bag::write(&self.folder, now.date_naive())?;
        let catalogue = self.folder.catalogue_mut();
        Ok(catalogue.end_cut_short(now.timestamp())?)
    }
}

/// What the phone says about the files of the folder.
#[derive(Default, Serialize)]
struct PhoneComparison {
    same: u64,
    differs: Vec<RemotePath>,
    not_readable: Vec<RemotePath>,
}

impl PhoneComparison {
    fn lines(&self) -> Vec<String> {
        let differs = self.differs.iter();
        let differs =
            differs.map(|path| format!("different on the phone now: {}", plain(&path.to_string())));
        let not_readable = self.not_readable.iter().map(|path| {
            format!(
                "not readable on the phone any more: {}",
                plain(&path.to_string())
            )
        });
        let same = format!(
            "The phone's own hashes match for {}",
            count(self.same, "file")
        );
        differs.chain(not_readable).chain([same]).collect()
    }
}

pub(super) async fn run(args: &VerifyArgs, context: Context<'_>) -> Result<Done, Error> {
    let events = context.ui.events();
    let path = chosen_folder(&args.folder, context.ui)?;
    let phone = match args.with_phone {
        true => {
            let target = which(&args.phone, context).await?;
            let options = options_of(&args.phone);
            Some(connect_phone(&target, &options, context).await?)
        }
        false => None,
    };
    let named = path.display().to_string();
    let (shown, word) = (plain(&named), typed(&path));
    let checking_events = events.clone();
    let (set_aside, write_manifest) = (args.set_aside, args.write_manifest);
    let checked = tokio::task::spawn_blocking(move || {
        let mut looked = check_folder(&path, set_aside, &checking_events)?;
        let written = match write_manifest && looked.is_right_but_for_the_bag() {
            true => looked.write_manifest().map(|()| true),
            false => Ok(false),
        };
        Ok::<_, Error>((looked, written))
    });
    let checked = tokio::select! {
        // Reading starts over, unlike a pull.
        () = context.halt.stopped() => {
            return Err(stopped(context.halt).with_hint("run the same command again"));
        }
        checked = checked => checked,
    };
    let (looked, written) = match checked {
        Ok(checked) => checked?,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    // What was found, moved and written is told, whatever the phone does.
    let compared = match &phone {
        Some(phone) => compare(phone, &looked.folder, context.halt).await.map(Some),
        None => Ok(None),
    };
    let verified = Verified {
        shown: &shown,
        word: &word,
        looked: &looked,
        manifest_written: matches!(written, Ok(true)),
        comparison: compared.as_ref().ok().and_then(Option::as_ref),
    };
    context.ui.end_progress();
    for finding in looked.report.findings.iter().take(TOLD_FINDINGS) {
        context.ui.listing(&sentence(finding));
    }
    let went = match verified.is_good() {
        true => Went::Well,
        false => Went::Badly,
    };
    let (checked, lines) = (verified.checked(named), verified.lines());
    context.ui.report(&checked, &lines, went);
    let fault = (!verified.is_whole()).then(|| verified.fault(args.set_aside));
    written?;
    compared?;
    match fault {
        Some(fault) => Err(fault),
        None if went == Went::Well => Ok(Done::All),
        None => Ok(Done::SomeFailed),
    }
}

/// What there is to tell of a folder that was checked.
struct Verified<'a> {
    /// The folder as a person reads it,
    shown: &'a str,
    /// and as a command takes it.
    word: &'a str,
    looked: &'a CheckedFolder,
    manifest_written: bool,
    comparison: Option<&'a PhoneComparison>,
}

impl Verified<'_> {
    fn is_whole(&self) -> bool {
        self.looked.report.is_intact() || self.manifest_written
    }

    fn is_good(&self) -> bool {
        let report = &self.looked.report;
        let same = self.comparison.is_none_or(|comparison| {
            comparison.differs.is_empty() && comparison.not_readable.is_empty()
        });
        let is_written = report.unwritten_count == 0 || self.manifest_written;
        self.is_whole() && same && is_written && report.unrecorded_count == 0
    }

    /// Findings that are a fault of the folder.
    fn wrong_count(&self) -> u64 {
        let CheckedFolder { report, wrong, .. } = self.looked;
        report.finding_count.saturating_sub(wrong.strangers)
    }

    fn checked(&self, folder: String) -> Checked<'_> {
        let CheckedFolder { report, wrong, .. } = self.looked;
        Checked {
            r#type: "verified",
            folder,
            files: report.files,
            bytes: report.bytes,
            finding_count: report.finding_count,
            perhaps_from_memory: report.perhaps_from_memory_count,
            set_aside: self.looked.set_aside,
            manifest_written: self.manifest_written,
            rescue_complete: self.looked.lacking.is_empty() && !wrong.rescued,
            phone: self.comparison,
        }
    }

    fn lines(&self) -> Vec<String> {
        let (shown, word) = (self.shown, self.word);
        let CheckedFolder {
            folder,
            report,
            set_aside,
            lacking,
            ..
        } = self.looked;
        let mut lines = Vec::new();
        if report.finding_count > TOLD_FINDINGS as u64 {
            lines.push(format!(
                "and {} more",
                report.finding_count - TOLD_FINDINGS as u64
            ));
        }
        lines.push(self.verdict());
        if !lacking.is_empty() {
            lines.push(format!(
                "The rescue is not complete: {}; `rescue status {word}` tells more",
                lacking.join(", ")
            ));
        }
        if report.perhaps_from_memory_count > 0 {
            lines.push(format!(
                "{} may have been read from this computer's memory instead of the disk: to read the disk itself, eject it, attach it again and run `rescue verify {word}`",
                count(report.perhaps_from_memory_count, "file")
            ));
        }
        if *set_aside > 0 {
            lines.push(format!(
                "{} moved to {shown}/{SET_ASIDE}: nothing is deleted",
                count(*set_aside, "file")
            ));
        }
        if self.manifest_written {
            lines.push("The manifest was rebuilt from the catalogue".to_owned());
        }
        if report.unrecorded_count > 0 || report.unwritten_count > 0 && !self.manifest_written {
            let can_be_rebuilt =
                self.looked.is_right_but_for_the_bag() && folder.access() == Access::ReadWrite;
            let or_else = match can_be_rebuilt {
                true => format!("; without the phone, `rescue verify {word} --write-manifest`"),
                false => String::new(),
            };
            lines.push(format!(
                "The last run was cut short before it wrote the manifest: run `rescue pull -o {word}` to finish it{or_else}"
            ));
        }
        lines.extend(self.comparison.into_iter().flat_map(PhoneComparison::lines));
        lines
    }

    fn verdict(&self) -> String {
        let shown = self.shown;
        let CheckedFolder {
            report,
            wrong,
            lacking,
            ..
        } = self.looked;
        let read = format!(
            "{} of {} read",
            count(report.files, "file"),
            bytes(report.bytes)
        );
        let strangers = format!("{} not part of this rescue", count(wrong.strangers, "file"));
        match (self.wrong_count(), wrong.strangers) {
            // That would be understood of the rescue, not of the files alone.
            (0, 0) if !lacking.is_empty() => format!("{shown}: {read}, each as it was recorded"),
            (0, 0) => format!("{shown} is intact: {read}, each as it was recorded"),
            (0, _) => format!("{shown}: {strangers}; {read}, each as it was recorded"),
            (wrong, 0) if self.manifest_written => format!("{shown}: {wrong} were wrong; {read}"),
            (wrong, 0) => format!("{shown}: {wrong} wrong; {read}"),
            (wrong, _) => format!("{shown}: {wrong} wrong, {strangers}; {read}"),
        }
    }

    /// What is wrong with a folder that is not whole, and what to do.
    fn fault(&self, was_set_aside: bool) -> Error {
        let (shown, word) = (self.shown, self.word);
        let CheckedFolder { report, wrong, .. } = self.looked;
        let (is_right_but_for_the_bag, access) = (
            self.looked.is_right_but_for_the_bag(),
            self.looked.folder.access(),
        );
        let hint = if wrong.forbidden {
            format!(
                "run `rescue verify {word}` as the user to whom the files belong{}",
                if cfg!(windows) {
                    ""
                } else {
                    " (root, where `sudo` pulled them)"
                }
            )
        } else if is_right_but_for_the_bag && access == Access::ReadOnly {
            "copy the folder to a disk that can be written, and run `rescue verify` with --write-manifest on the copy: only the manifest, or what lists it, is wrong".to_owned()
        } else if is_right_but_for_the_bag {
            format!(
                "run `rescue verify {word} --write-manifest`: only the manifest, or the file that lists it, is wrong; this rebuilds it from the catalogue"
            )
        } else if !wrong.other && !wrong.bag {
            format!("run `rescue verify {word}` again: the other files are out of the way now")
        } else if self.wrong_count() == 0 {
            format!(
                "move the files named out of {shown}, as `rescue verify {word} --set-aside` does; every rescued file is as it was recorded"
            )
        } else if was_set_aside || !report.findings.iter().any(is_out_of_place) {
            format!(
                "run `rescue pull -o {word}` with the phone attached: it fetches the missing files and writes the manifest"
            )
        } else {
            format!(
                "run `rescue verify {word} --set-aside`, which moves the files named out of data/, then `rescue pull -o {word}` with the phone attached: it fetches the missing files"
            )
        };
        let message = match wrong.other || wrong.bag {
            _ if self.wrong_count() == 0 => {
                format!("{shown} contains files that are not part of this rescue")
            }
            false if wrong.forbidden => format!("you may not read some files of {shown}"),
            _ => format!("{shown} is not as it was recorded"),
        };
        Error::new(Kind::Folder, message).with_hint(hint)
    }
}

fn is_out_of_place(finding: &Finding) -> bool {
    finding.out_of_place().is_some()
}

/// Checks a folder, and moves what is out of place out of `data/` when asked to.
fn check_folder(path: &Path, set_aside: bool, events: &Events) -> Result<CheckedFolder, Error> {
    let folder = Folder::open_after_asking(path)?;
    let summary = folder.catalogue().summary()?;
    let last_run = folder.catalogue().last_run()?;
    let lacking = lacking(&summary, last_run.as_ref().is_some_and(Run::is_whole));
    let here = [summary.pulled, summary.verified, summary.superseded];
    events.emit(Event::Checking {
        items: here.iter().map(|count| count.files).sum(),
        bytes: { here.iter() }.fold(0, |sum, count| count.bytes.saturating_add(sum)),
    });
    let (mut out_of_place, mut wrong) = (Vec::new(), FindingKinds::default());
    let report = check(&folder, &mut |progress| match progress {
        CheckProgress::Bytes(bytes) => events.emit(Event::Checked { bytes }),
        CheckProgress::Finding(finding) => {
            if set_aside {
                out_of_place.extend(finding.out_of_place());
            }
            let is_stranger = matches!(finding, Finding::Extra { .. });
            wrong.strangers += u64::from(is_stranger);
            wrong.rescued |= !is_stranger && !finding.is_of_the_bag();
            match finding {
                found if found.is_of_the_bag() => wrong.bag = true,
                Finding::Forbidden { .. } => wrong.forbidden = true,
                // What is not of this rescue and goes aside is no fault of the folder any more.
                Finding::Extra { .. } if set_aside => {}
                _ => wrong.other = true,
            }
            events.emit(Event::Finding(finding.clone()));
        }
        CheckProgress::File => {}
    })?;
    let mut moved = 0;
    for path in out_of_place {
        if folder.set_aside(&path)?.is_some() {
            moved += 1;
        }
    }
    Ok(CheckedFolder {
        folder,
        report,
        wrong,
        set_aside: moved,
        lacking,
    })
}

async fn compare(phone: &Phone, folder: &Folder, halt: &Halt) -> Result<PhoneComparison, Error> {
    let known = Acquaintance::of(folder.catalogue())?;
    known
        .is_with(phone, ChosenBy::BySomebody)
        .await?
        .map_err(|other| {
            Error::from(other)
                .with_hint("attach the folder's own phone, or choose it with --serial or --tcp")
        })?;
    let mut here: Vec<Entry> = Vec::new();
    folder.catalogue().for_each_by_path(|entry| {
        if matches!(entry.state, State::Pulled | State::Verified(_)) {
            here.push(entry);
        }
        Ok::<_, CatalogueError>(())
    })?;
    let mut comparison = PhoneComparison::default();
    for batch in here.chunks(FILES_PER_CALL) {
        if halt.is_set() {
            return Err(stopped(halt));
        }
        let paths: Vec<_> = batch.iter().map(|entry| &entry.item.path).collect();
        let sizes = batch.iter().map(|entry| entry.item.size);
        let total = sizes.fold(0, u64::saturating_add);
        let Hashes::Of(hashes) = phone.hash(HashAlgorithm::Sha256, &paths, total).await? else {
            return Err(
                Error::new(Kind::Refused, "this phone has no sha256sum to compare with")
                    .with_hint("run without --phone: the folder is compared with the catalogue"),
            );
        };
        for (entry, hash) in batch.iter().zip(hashes) {
            let ours = entry.sha256.map(|sha256| sha256.0.to_vec());
            match hash {
                None => comparison.not_readable.push(entry.item.path.clone()),
                theirs if theirs == ours => comparison.same += 1,
                Some(_) => comparison.differs.push(entry.item.path.clone()),
            }
        }
    }
    Ok(comparison)
}

fn sentence(finding: &Finding) -> String {
    match finding {
        Finding::Missing { local } => format!("missing: data/{local}"),
        Finding::WrongSize {
            local,
            expected_bytes,
            found_bytes,
        } => {
            format!("altered: data/{local} has {found_bytes} bytes, {expected_bytes} were recorded")
        }
        Finding::WrongHash { local, .. } => {
            format!("altered: data/{local} has other bytes than were recorded")
        }
        Finding::NotAFile { local } => format!("not a file: data/{local}"),
        Finding::Unreadable { local, message } => {
            format!("unreadable: data/{local}: {}", plain(message))
        }
        Finding::Forbidden { local } => format!("not readable by you: data/{local}"),
        Finding::Extra { path, .. } => format!("not part of this rescue: {}", plain(path)),
        Finding::NotInManifest { local } => format!("not in the manifest: data/{local}"),
        Finding::ManifestDiffers { local } => format!("differs from the manifest: data/{local}"),
        Finding::UnknownInManifest { local } => format!("only in the manifest: data/{local}"),
        Finding::BadLine { manifest, line } => format!("{manifest}: line {line} is invalid"),
        Finding::TagFileMissing { name } => format!("missing: {name}"),
        Finding::TagFileWrong { name } => format!("altered: {name}"),
    }
}
