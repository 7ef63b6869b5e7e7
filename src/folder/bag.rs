//! The bag's own files: BagIt 1.0 (RFC 8493), so that `sha256sum -c` and any BagIt program can check a rescue folder
//! without `rescue`.
//!
//! In: the files in the catalogue. Out: `bagit.txt`, `bag-info.txt`, `manifest-sha256.txt` and
//! `tagmanifest-sha256.txt`, each written beside its place, synced and renamed. The tag manifest is optional: it is
//! removed first and written last, so that after a power cut no file contradicts another.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{self, DiskAction, DiskError, PARTIAL, Within};
use super::manifest::{self, BAG_INFO_TXT, BAGIT_TXT, DECLARATION, MANIFEST, TAG_MANIFEST};
use super::{CatalogueError, Companion, Entry, Folder, JobLabel, State};
use crate::digest::{Hasher, Sha256};
use crate::item::PhoneIdentity;
use crate::names::LocalPath;

/// More than the bag's own files take, but for the manifest, in bytes.
const SHORT: u64 = 64 * 1024;
/// How the line with the day of the run begins.
const BAGGING_DATE: &str = "Bagging-Date: ";

/// Why the bag could not be written.
#[derive(Debug, thiserror::Error)]
pub enum BagError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// The payload that a catalogue has, in few bytes: what a manifest has to list, in whatever order.
/// The same files as [`Catalogue::for_each_payload`](super::Catalogue::for_each_payload) gives.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    oxum: Oxum,
    /// The manifest's length, in bytes.
    manifest_bytes: u64,
    /// The sum of its lines' hashes, against accidents only: those of one list by one key.
    sum: u64,
    hashes: RandomState,
}

impl Inventory {
    /// Adds an entry, if its file is one of the payload.
    pub fn add_entry(&mut self, entry: &Entry) {
        let is_here = matches!(
            entry.state,
            State::Pulled | State::Verified(_) | State::Superseded
        );
        if let (true, Some(sha256)) = (is_here, entry.sha256) {
            self.add(&entry.local, entry.item.size, sha256);
        }
    }

    /// Adds a file that was kept beside a damaged one.
    pub fn add_companion(&mut self, companion: &Companion) {
        self.add(&companion.local, companion.size, companion.sha256);
    }

    fn add(&mut self, local: &LocalPath, size: u64, sha256: Sha256) {
        self.oxum.octets = self.oxum.octets.saturating_add(size);
        self.oxum.files += 1;
        self.add_line(sha256, local.as_str());
    }

    fn add_line(&mut self, sha256: Sha256, local: &str) {
        let hash = self.hashes.hash_one((sha256.0, local));
        self.sum = self.sum.wrapping_add(hash);
        self.manifest_bytes += (64 + "  data/".len() + local.len() + 1) as u64;
    }
}

/// Whether the bag's own files are all there and say what the catalogue says. What cannot be read
/// is not current: writing it anew needs none of it.
pub fn is_current(folder: &Folder, inventory: &Inventory) -> bool {
    let current = says(folder, inventory);
    if !matches!(current, Ok(true)) {
        tracing::debug!(?current, "the bag does not say what the catalogue does");
    }
    current.unwrap_or(false)
}

fn says(folder: &Folder, inventory: &Inventory) -> Result<bool, BagError> {
    let root = folder.root();
    let length = |name| {
        let found = std::fs::symlink_metadata(root.join(name)).ok();
        found
            .filter(std::fs::Metadata::is_file)
            .map(|found| found.len())
    };
    // Looked at first: only what may be right is read.
    let is_short = |name| length(name).is_some_and(|bytes| bytes <= SHORT);
    if length(MANIFEST) != Some(inventory.manifest_bytes)
        || ![BAGIT_TXT, BAG_INFO_TXT, TAG_MANIFEST]
            .into_iter()
            .all(is_short)
        || !manifest::bag_is_whole(root)?
    {
        return Ok(false);
    }
    let path = root.join(BAG_INFO_TXT);
    let info =
        std::fs::read_to_string(&path).map_err(|e| DiskError::new(DiskAction::Read, &path, e))?;
    let is_day = |line: &&str| line.starts_with(BAGGING_DATE);
    if !info_lines(folder, inventory.oxum)?
        .iter()
        .eq(info.lines().filter(|line| !is_day(line)))
    {
        return Ok(false);
    }
    let mut listed = Inventory {
        hashes: inventory.hashes.clone(),
        ..Inventory::default()
    };
    let all_read =
        manifest::each_payload_line(root, |sha256, local| listed.add_line(sha256, local))?;
    Ok(all_read && listed.sum == inventory.sum)
}

/// What a bag holds: `Payload-Oxum`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Oxum {
    /// The bytes of all payload files.
    pub octets: u64,
    /// Their number.
    pub files: u64,
}

/// Makes the folder a valid bag of what the catalogue says is in `data/`.
pub fn write(folder: &Folder, bagging_date: chrono::NaiveDate) -> Result<Oxum, BagError> {
    let root = folder.root();
    // A copy may have been made without it; what stands in the place of a disk that is gone is none.
    if folder.is_still_there() {
        disk::create_folder(&root.join(PARTIAL))?;
    }
    let mut oxum = Oxum::default();
    let mut manifest = TagFile::create(root, MANIFEST)?;
    folder.catalogue().for_each_payload(|file| {
        oxum.octets = oxum.octets.saturating_add(file.size);
        oxum.files += 1;
        manifest
            .line(&format!("{}  data/{}", file.sha256, file.local))
            .map_err(BagError::from)
    })?;
    let manifest = manifest.finish()?;

    let mut info = TagFile::create(root, BAG_INFO_TXT)?;
    for (number, line) in info_lines(folder, oxum)?.iter().enumerate() {
        info.line(line)?;
        if number == 0 {
            info.line(&format!("{BAGGING_DATE}{bagging_date}"))?;
        }
    }
    let info = info.finish()?;

    let mut declaration = TagFile::create(root, BAGIT_TXT)?;
    declaration.text(DECLARATION)?;
    let declaration = declaration.finish()?;

    let mut tags = TagFile::create(root, TAG_MANIFEST)?;
    for tag in [&info, &declaration, &manifest] {
        tags.line(&format!("{}  {}", tag.sha256, tag.name))?;
    }
    let tags = tags.finish()?;
    // One after the other, but all written before: the first sync takes the others along.
    for tag in [&info, &declaration, &manifest, &tags] {
        disk::sync_file(&tag.file, &tag.path)?;
    }

    disk::remove_file(&root.join(TAG_MANIFEST))?;
    disk::sync_folder(root)?;
    for tag in [info, declaration, manifest] {
        tag.put(root)?;
    }
    disk::sync_folder(root)?;
    tags.put(root)?;
    disk::sync_folder(root)?;
    Ok(oxum)
}

/// What `bag-info.txt` says besides the day, which comes second.
fn info_lines(folder: &Folder, oxum: Oxum) -> Result<Vec<String>, CatalogueError> {
    let catalogue = folder.catalogue();
    let mut lines = vec![
        format!("Bag-Software-Agent: rescue/{}", env!("CARGO_PKG_VERSION")),
        format!("Payload-Oxum: {}.{}", oxum.octets, oxum.files),
    ];
    lines.extend(origin_lines(&catalogue.identity()?, &catalogue.job()?));
    Ok(lines)
}

/// Returns what `bag-info.txt` says of the phone and, where somebody said it, whose phone it is (RFC 8493, 2.2.2).
pub(crate) fn origin_lines(phone: &PhoneIdentity, label: &JobLabel) -> Vec<String> {
    let model = format!("{} {}", phone.manufacturer, phone.model);
    let mut lines = vec![
        format!("External-Identifier: {}", one_line(&phone.serial)),
        format!("External-Description: {}", one_line(&model)),
    ];
    for (name, text) in [
        ("Contact-Name", label.customer()),
        ("Internal-Sender-Description", label.note()),
    ] {
        if !text.is_empty() {
            lines.push(format!("{name}: {}", one_line(text)));
        }
    }
    lines
}

/// Somebody else's words as a value in `bag-info.txt`: a line break would begin another label, and some programs take
/// Unicode's own separators for line breaks too.
fn one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let text: String = text
        .chars()
        .map(|c| if breaks(c) { ' ' } else { c })
        .collect();
    match text.trim() {
        "" => "unknown".to_owned(),
        text => text.to_owned(),
    }
}

/// One of the bag's own files, under way in `.partial/`.
struct TagFile {
    name: &'static str,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    buffer: Vec<u8>,
}

/// A written one that has yet to be synced and to get its name.
struct FinishedTagFile {
    name: &'static str,
    path: PathBuf,
    file: File,
    sha256: Sha256,
}

impl TagFile {
    fn create(root: &Path, name: &'static str) -> Result<Self, DiskError> {
        let (file, path) = disk::create_partial(root, name)?;
        Ok(Self {
            name,
            path,
            file,
            hasher: Hasher::default(),
            buffer: Vec::new(),
        })
    }

    fn line(&mut self, text: &str) -> Result<(), DiskError> {
        self.text(text)?;
        self.text("\n")
    }

    fn text(&mut self, text: &str) -> Result<(), DiskError> {
        self.buffer.extend_from_slice(text.as_bytes());
        if self.buffer.len() >= 64 * 1024 {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.hasher.update(&self.buffer);
        disk::write(&mut self.file, &self.path, &self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<FinishedTagFile, DiskError> {
        self.flush()?;
        Ok(FinishedTagFile {
            name: self.name,
            path: self.path,
            file: self.file,
            sha256: self.hasher.finish(),
        })
    }
}

impl FinishedTagFile {
    fn put(self, root: &Path) -> Result<(), DiskError> {
        let target = root.join(self.name);
        if target.is_dir() {
            let source = io::Error::from(io::ErrorKind::IsADirectory);
            return Err(DiskError::Io {
                action: DiskAction::Replace,
                path: target,
                source,
            });
        }
        let (partial, root) = (Within::partial(root)?, Within::root(root)?);
        partial.rename_over(self.name, &root, self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::folder::tests::{fresh, local, plan, pull};
    use crate::folder::{Companion, Reason, ReasonCode, Record};
    use crate::item::PhoneIdentity;
    use crate::names::with_slashes;

    fn date() -> chrono::NaiveDate {
        chrono::NaiveDate::from_ymd_opt(2024, 2, 9).unwrap()
    }

    fn tag_file(folder: &Folder, name: &str) -> String {
        fs::read_to_string(folder.root().join(name)).unwrap()
    }

    /// Reads a bag as RFC 8493 describes it, sharing no code with what wrote it; its payload.
    fn validated(root: &Path) -> BTreeMap<String, Vec<u8>> {
        let text = |name: &str| fs::read_to_string(root.join(name)).unwrap();
        let listed = |name: &str| {
            let text = text(name);
            assert!(text.is_empty() || text.ends_with('\n'));
            let lines: Vec<(String, String)> = text
                .lines()
                .map(|line| {
                    let (hash, path) = line.split_once("  ").unwrap();
                    (path.to_owned(), hash.to_owned())
                })
                .collect();
            let map: BTreeMap<_, _> = lines.iter().cloned().collect();
            assert_eq!(map.len(), lines.len(), "{name} lists a file twice");
            map
        };
        assert_eq!(
            text("bagit.txt"),
            "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
        );
        for (path, hash) in listed("tagmanifest-sha256.txt") {
            assert_eq!(
                Sha256::of(&fs::read(root.join(path)).unwrap()).to_string(),
                hash
            );
        }
        let mut payload = BTreeMap::new();
        for found in walkdir::WalkDir::new(root.join("data")) {
            let found = found.unwrap();
            if found.file_type().is_file() {
                let path = with_slashes(found.path().strip_prefix(root).unwrap());
                payload.insert(path, fs::read(found.path()).unwrap());
            }
        }
        let manifest = listed("manifest-sha256.txt");
        assert!(manifest.keys().eq(payload.keys()));
        for (path, hash) in manifest {
            assert_eq!(Sha256::of(&payload[&path]).to_string(), hash);
        }
        let octets: usize = payload.values().map(Vec::len).sum();
        let oxum = format!("Payload-Oxum: {octets}.{}", payload.len());
        assert!(text("bag-info.txt").lines().any(|line| line == oxum));
        payload
    }

    #[test]
    fn an_empty_folder_is_a_valid_bag() {
        let (_place, folder) = fresh();
        assert_eq!(write(&folder, date()).unwrap(), Oxum::default());
        assert!(validated(folder.root()).is_empty());
        assert_eq!(tag_file(&folder, "manifest-sha256.txt"), "");
        assert_eq!(
            tag_file(&folder, "bag-info.txt"),
            format!(
                "Bag-Software-Agent: rescue/{}\nBagging-Date: 2024-02-09\nPayload-Oxum: 0.0\n\
                 External-Identifier: 0123456789ABCDEF\nExternal-Description: Google Pixel 7\n",
                env!("CARGO_PKG_VERSION")
            )
        );
    }

    #[test]
    fn a_bag_holds_what_was_pulled_and_what_is_kept_of_the_rest() {
        let (_place, mut folder) = fresh();
        pull(
            &mut folder,
            &[
                ("internal/b.jpg", b"b"),
                ("internal/été/a.mp4", b"a film"),
                ("sd-1/c", b""),
            ],
        );
        let failed = plan(&mut folder, "internal/failed.jpg");
        let damaged = plan(&mut folder, "internal/damaged.jpg");
        let kept = local("internal/damaged.jpg.damaged");
        fs::write(folder.data_path(&kept), b"half").unwrap();
        let reason = Reason {
            code: ReasonCode::PhoneIo,
            message: String::new(),
        };
        let companion = Companion {
            local: kept,
            size: 4,
            sha256: Sha256::of(b"half"),
            missing_bytes: None,
        };
        folder
            .catalogue_mut()
            .record(&[
                Record::Failed {
                    id: failed,
                    reason: reason.clone(),
                },
                Record::Damaged {
                    id: damaged,
                    reason,
                    kept: vec![companion],
                },
            ])
            .unwrap();

        let oxum = write(&folder, date()).unwrap();
        assert_eq!(
            oxum,
            Oxum {
                octets: 11,
                files: 4
            }
        );
        let payload = validated(folder.root());
        assert_eq!(payload["data/internal/damaged.jpg.damaged"], b"half");
        assert!(payload.contains_key("data/internal/été/a.mp4"));

        // Once more after more was pulled: the old files are replaced.
        pull(&mut folder, &[("internal/d", b"d")]);
        assert_eq!(write(&folder, date()).unwrap().files, 5);
        validated(folder.root());
        assert_eq!(
            fs::read_dir(folder.root().join(".partial"))
                .unwrap()
                .count(),
            0
        );
    }

    #[test]
    fn a_phones_words_cannot_add_lines() {
        let (_place, mut folder) = fresh();
        let model = "X\nPayload-Oxum: 1.1\u{2028}\r\n".to_owned();
        let phone = PhoneIdentity {
            model,
            manufacturer: String::new(),
            ..crate::folder::tests::phone()
        };
        folder.catalogue_mut().update_identity(&phone).unwrap();
        write(&folder, date()).unwrap();
        let info = tag_file(&folder, "bag-info.txt");
        assert_eq!(info.lines().count(), 5);
        assert!(
            info.ends_with("External-Description: X Payload-Oxum: 1.1\n"),
            "{info}"
        );
    }

    #[test]
    fn a_label_stands_on_lines_of_its_own_and_a_bag_without_it_is_not_current() {
        let (_place, mut folder) = fresh();
        let says = |folder: &Folder| {
            let info = tag_file(folder, "bag-info.txt");
            info.lines().skip(5).map(str::to_owned).collect::<Vec<_>>()
        };
        let none = Inventory::default();
        let label = JobLabel::new("Ada", "front glass\nPayload-Oxum: 1.1").unwrap();
        for (label, lines) in [
            (
                label.clone(),
                &[
                    "Contact-Name: Ada",
                    "Internal-Sender-Description: front glass Payload-Oxum: 1.1",
                ][..],
            ),
            (label.with(None, Some("")).unwrap(), &["Contact-Name: Ada"]),
            (JobLabel::default(), &[]),
        ] {
            folder.catalogue_mut().set_job(&label).unwrap();
            assert!(!is_current(&folder, &none), "{label:?}");
            write(&folder, date()).unwrap();
            assert_eq!(says(&folder), lines);
            assert!(is_current(&folder, &none), "{label:?}");
            validated(folder.root());
        }
    }
}
