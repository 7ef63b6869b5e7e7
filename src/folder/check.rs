//! Checks a rescue folder: reads every byte below `data/` again, from the disk and not from memory, and compares it
//! with the catalogue and the manifest.
//!
//! In: an open folder. Out: a [`CheckResult`], and [`CheckProgress`] on the way. Changes nothing, and follows no
//! symbolic link. Memory grows by about 10 bytes per file, whatever the sizes of the files.

mod sorted;
mod workers;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use super::disk::{self, DATA, DiskError};
use super::manifest::{
    self, BAG_INFO_TXT, BAGIT_TXT, DECLARATION, MANIFEST, ManifestLine, TAG_MANIFEST,
};
use super::strangers::{PathHashes, each_file};
use super::{CatalogueError, Folder, RunOutcome, State, earlier};
use crate::digest::{Hasher, Sha256};
use crate::names::{LocalPath, with_slashes};
use crate::threads::NoThread;
use sorted::{ManifestFile, Sorted};
use workers::Workers;

/// The number of findings that a report keeps; all are counted, and [`CheckProgress`] reports all.
pub(crate) const MAX_KEPT_FINDINGS: usize = 1000;

/// Why a folder could not be checked to the end.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// One of the bag's own files cannot be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Nobody can read the others.
    #[error(transparent)]
    NoThread(#[from] NoThread),
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct CheckResult {
    /// Files that were read to their end.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// How much is wrong; 0 when the folder is intact.
    pub finding_count: u64,
    /// The first of them.
    pub findings: Vec<Finding>,
    /// Files and tag files that the manifest does not tell rightly, only because the last run was cut
    /// short before; not among the findings.
    pub unwritten_count: u64,
    /// Files that are not recorded yet for the same reason; not among the findings.
    pub unrecorded_count: u64,
    /// Files whose bytes this computer's memory may have given instead of the disk: it lies on
    /// another computer, or the system has no way past its memory.
    pub perhaps_from_memory_count: u64,
}

impl CheckResult {
    /// Whether every file is there, unaltered, and nothing else is.
    pub(crate) fn is_intact(&self) -> bool {
        self.finding_count == 0
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// The file is not there.
    Missing {
        /// Where it should be.
        local: LocalPath,
    },
    /// The file has another size.
    WrongSize {
        local: LocalPath,
        /// Its size in the catalogue.
        expected_bytes: u64,
        /// Its size now.
        found_bytes: u64,
    },
    /// The file has the right size and other bytes.
    WrongHash {
        local: LocalPath,
        /// Its SHA-256 in the catalogue.
        expected: Sha256,
        /// Its SHA-256 now.
        found: Sha256,
    },
    /// Something else, or a symbolic link, stands in the file's place or on the way to it.
    NotAFile { local: LocalPath },
    /// The disk does not give the file's bytes.
    Unreadable { local: LocalPath, message: String },
    /// This user may not read the file.
    Forbidden { local: LocalPath },
    /// A file below `data/` that the catalogue does not know.
    Extra {
        /// Where, from the rescue folder; what is not UTF-8 is replaced.
        path: String,
        /// Where, from `data/`.
        #[serde(skip)]
        below_data: PathBuf,
    },
    /// The manifest does not list a file of the catalogue.
    NotInManifest { local: LocalPath },
    /// The manifest lists a file with another hash than the catalogue.
    ManifestDiffers { local: LocalPath },
    /// The manifest lists a file that the catalogue does not know, or one twice.
    UnknownInManifest { local: LocalPath },
    /// A line that is not a hash and a path below `data/`.
    BadLine {
        /// The manifest's name.
        manifest: String,
        /// The line's number, from 1.
        line: u64,
    },
    /// One of the bag's own files is missing.
    TagFileMissing { name: String },
    /// One of the bag's own files does not hold what it should.
    TagFileWrong { name: String },
}

impl Finding {
    /// Whether only the bag's own files are wrong, which can be rebuilt from the catalogue.
    pub fn is_of_the_bag(&self) -> bool {
        match self {
            Self::NotInManifest { .. }
            | Self::ManifestDiffers { .. }
            | Self::UnknownInManifest { .. }
            | Self::BadLine { .. }
            | Self::TagFileMissing { .. }
            | Self::TagFileWrong { .. } => true,
            Self::Missing { .. }
            | Self::WrongSize { .. }
            | Self::WrongHash { .. }
            | Self::NotAFile { .. }
            | Self::Unreadable { .. }
            | Self::Forbidden { .. }
            | Self::Extra { .. } => false,
        }
    }

    /// What stands below `data/` and should not stand there as it is, from `data/`.
    pub fn out_of_place(&self) -> Option<PathBuf> {
        match self {
            Self::WrongSize { local, .. }
            | Self::WrongHash { local, .. }
            | Self::NotAFile { local }
            | Self::Unreadable { local, .. } => Some(PathBuf::from(local.as_str())),
            Self::Extra { below_data, .. } => Some(below_data.clone()),
            Self::Missing { .. }
            | Self::Forbidden { .. }
            | Self::NotInManifest { .. }
            | Self::ManifestDiffers { .. }
            | Self::UnknownInManifest { .. }
            | Self::BadLine { .. }
            | Self::TagFileMissing { .. }
            | Self::TagFileWrong { .. } => None,
        }
    }
}

/// The progress of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckProgress<'a> {
    /// So many more bytes were read.
    Bytes(u64),
    /// One more file was compared.
    File,
    /// Something is wrong.
    Finding(&'a Finding),
}

/// Checks a whole folder.
pub(crate) fn check(
    folder: &Folder,
    on_progress: &mut dyn FnMut(CheckProgress<'_>),
) -> Result<CheckResult, CheckError> {
    let last_run = folder.catalogue().last_run()?;
    let last_outcome = last_run.as_ref().and_then(|run| run.outcome);
    let mut check = Check {
        folder,
        on_progress,
        report: CheckResult::default(),
        is_unfinished: last_run
            .is_some_and(|run| run.ended.is_none() || run.outcome == Some(RunOutcome::Failed)),
        hashes: RandomState::new(),
        kept: HashSet::new(),
        shortage: None,
    };
    if !last_outcome.is_some_and(|it| matches!(it, RunOutcome::Done | RunOutcome::SomeFailed)) {
        earlier::each_kept_line(folder.root(), |local, _| {
            check.kept.insert(check.hashes.hash_one(&local));
            Ok::<_, DiskError>(())
        })?;
    }
    folder.catalogue().check_structure()?;
    // What is in memory only cannot be read past it. A failure shows in the bytes.
    if let Err(error) = disk::write_out(folder.root()) {
        tracing::warn!(%error, "not all that was written is on the disk");
    }
    check.tag_files()?;
    let listed = check.listed()?;
    let known = check.payload(listed)?;
    check.extra_files(&known);
    Ok(check.report)
}

struct Check<'a> {
    folder: &'a Folder,
    on_progress: &'a mut dyn FnMut(CheckProgress<'_>),
    report: CheckResult,
    /// Whether the last run was cut short, before it wrote the manifest.
    is_unfinished: bool,
    hashes: RandomState,
    /// The files of an earlier manifest that the next run has yet to record, as hashes.
    kept: HashSet<u64>,
    /// What this computer is short of: then nothing is said about any file.
    shortage: Option<DiskError>,
}

impl Check<'_> {
    /// The bag's own files against each other.
    fn tag_files(&mut self) -> Result<(), CheckError> {
        let root = self.folder.root();
        let mut wrong = BTreeSet::new();
        for name in [BAGIT_TXT, BAG_INFO_TXT, MANIFEST, TAG_MANIFEST] {
            match fs::symlink_metadata(root.join(name)) {
                Ok(found) if found.is_file() => {}
                Ok(_) => drop(wrong.insert(name)),
                Err(_) => self.find(Finding::TagFileMissing {
                    name: name.to_owned(),
                }),
            }
        }
        // Each is read once, however often it is listed.
        let mut hashes = BTreeMap::new();
        for name in [BAGIT_TXT, BAG_INFO_TXT, MANIFEST] {
            hashes.insert(name, tag_file_hash(&root.join(name))?);
        }
        let differs = |name: &str, sha256: Sha256| {
            let found = hashes.get(name).copied().flatten();
            found.is_some_and(|found| found != sha256)
        };
        if differs(BAGIT_TXT, Sha256::of(DECLARATION.as_bytes())) {
            wrong.insert(BAGIT_TXT);
        }
        for line in manifest::lines(root, TAG_MANIFEST)? {
            match line? {
                ManifestLine::Listed {
                    sha256,
                    path,
                    number,
                } => {
                    match [BAGIT_TXT, BAG_INFO_TXT, MANIFEST]
                        .into_iter()
                        .find(|name| *name == path)
                    {
                        Some(name) if differs(name, sha256) => drop(wrong.insert(name)),
                        Some(_) => {}
                        None => self.bad_line(TAG_MANIFEST, number),
                    }
                }
                ManifestLine::Bad { number } => self.bad_line(TAG_MANIFEST, number),
            }
        }
        for name in wrong {
            self.find(Finding::TagFileWrong {
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    /// What the manifest says about each file, in their order.
    fn listed(&mut self) -> Result<Sorted, CheckError> {
        let root = self.folder.root();
        Ok(Sorted::of(root, &mut |number| {
            self.bad_line(MANIFEST, number);
        })?)
    }

    /// Every file of the catalogue against the manifest and the disk, and every line of the manifest
    /// against the catalogue: both come in the order of the paths. Returns the known paths.
    fn payload(&mut self, mut listed: Sorted) -> Result<PathHashes, CheckError> {
        let mut known = PathHashes::default();
        let folder = self.folder;
        std::thread::scope(|scope| {
            let mut workers = Workers::start(scope, folder.root())?;
            folder.catalogue().for_each_payload(|file| {
                known.add(self.hashes.hash_one(&file.local));
                while let Some((local, _)) = listed.peek()
                    && *local < file.local
                {
                    self.unknown_line(listed.take()?);
                }
                match listed.peek() {
                    Some((local, sha256)) if *local == file.local => {
                        if *sha256 != file.sha256 {
                            self.find(Finding::ManifestDiffers {
                                local: file.local.clone(),
                            });
                        }
                        listed.take()?;
                    }
                    _ => self.find(Finding::NotInManifest {
                        local: file.local.clone(),
                    }),
                }
                workers.hand_out(file, &mut |result| self.take(result));
                // Nothing is said about any file then, so that none more is read.
                match self.shortage.take() {
                    Some(error) => Err(CheckError::from(error)),
                    None => Ok(()),
                }
            })?;
            workers.finish(&mut |result| self.take(result));
            if let Some(error) = self.shortage.take() {
                return Err(error.into());
            }
            while listed.peek().is_some() {
                self.unknown_line(listed.take()?);
            }
            Ok(known.sorted())
        })
    }

    /// The manifest lists what the catalogue does not, or what it listed before.
    fn unknown_line(&mut self, line: Option<ManifestFile>) {
        if let Some((local, _)) = line
            && !self.is_kept(&local)
        {
            self.find(Finding::UnknownInManifest { local });
        }
    }

    /// What lies below `data/` and is not in the catalogue.
    fn extra_files(&mut self, known: &PathHashes) {
        let root = self.folder.root();
        each_file(root, &mut |below, local| {
            let is_known = |local: &LocalPath| known.has(self.hashes.hash_one(local));
            if local.as_ref().is_some_and(is_known) {
                return;
            }
            let is_to_be_recorded = |local: LocalPath| {
                self.is_kept(&local) || self.is_unfinished && self.is_unrecorded(&local)
            };
            if local.is_some_and(is_to_be_recorded) {
                self.report.unrecorded_count += 1;
                return;
            }
            let path = format!("{DATA}/{}", with_slashes(below));
            self.find(Finding::Extra {
                path,
                below_data: below.to_owned(),
            });
        });
    }

    /// Whether an earlier manifest lists this file, and no run since has come to record it.
    fn is_kept(&self, local: &LocalPath) -> bool {
        self.kept.contains(&self.hashes.hash_one(local))
    }

    /// Whether this is a file that a run put there, or beside its place because it is damaged, and
    /// was cut short before it recorded it. The next run pulls it again, and keeps this one only
    /// when its bytes are the same.
    fn is_unrecorded(&self, local: &LocalPath) -> bool {
        let text = local.as_str();
        let beside = text.strip_suffix(".txt").unwrap_or(text);
        let place = match beside.strip_suffix(".damaged") {
            Some(place) => LocalPath::new(place).ok(),
            None => Some(local.clone()),
        };
        let entry = place.map(|place| self.folder.catalogue().entry_at(&place));
        let Some(Ok(Some(entry))) = entry else {
            return false;
        };
        matches!(entry.state, State::Planned | State::Failed | State::Damaged)
    }

    fn take(&mut self, result: workers::Result) {
        match result {
            workers::Result::Bytes(count) => {
                self.report.bytes += count;
                (self.on_progress)(CheckProgress::Bytes(count));
            }
            workers::Result::File {
                finding,
                perhaps_from_memory,
            } => {
                self.report.perhaps_from_memory_count += u64::from(perhaps_from_memory);
                let was_read = matches!(finding, None | Some(Finding::WrongHash { .. }));
                self.report.files += u64::from(was_read);
                if let Some(finding) = finding {
                    self.find(finding);
                }
                (self.on_progress)(CheckProgress::File);
            }
            workers::Result::Failed(error) => {
                self.shortage.get_or_insert(error);
            }
        }
    }

    fn bad_line(&mut self, manifest: &str, line: u64) {
        self.find(Finding::BadLine {
            manifest: manifest.to_owned(),
            line,
        });
    }

    fn find(&mut self, finding: Finding) {
        let of_manifest = matches!(
            finding,
            Finding::NotInManifest { .. }
                | Finding::TagFileMissing { .. }
                | Finding::TagFileWrong { .. }
        );
        if self.is_unfinished && of_manifest {
            self.report.unwritten_count += 1;
            return;
        }
        (self.on_progress)(CheckProgress::Finding(&finding));
        self.report.finding_count += 1;
        if self.report.findings.len() < MAX_KEPT_FINDINGS {
            self.report.findings.push(finding);
        }
    }
}

/// What the disk holds; `None` when there is no such regular file, which is a finding of its own.
fn tag_file_hash(path: &Path) -> Result<Option<Sha256>, DiskError> {
    if !fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
        return Ok(None);
    }
    match disk::open_file(path)? {
        Some(file) => {
            let mut hasher = Hasher::default();
            disk::read_back(&file, path, |bytes| hasher.update(bytes))?;
            Ok(Some(hasher.finish()))
        }
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
