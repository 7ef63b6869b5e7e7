//! The bag: BagIt 1.0 (RFC 8493), so that `sha256sum -c` and any BagIt program can check a rescue
//! folder without `rescue`.
//!
//! What goes in: the catalogue's payload. What comes out: `bagit.txt`, `bag-info.txt`,
//! `manifest-sha256.txt` and `tagmanifest-sha256.txt`, each written beside its place, synced and
//! renamed. The tag manifest, which is optional, is removed first and comes back last, so that a
//! power cut in between leaves no file that contradicts another.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{self, DiskError, PARTIAL};
use super::{CatalogueError, Folder};
use crate::digest::{Hasher, Sha256};

/// The bag declaration.
pub(super) const BAGIT_TXT: &str = "bagit.txt";
/// What `bagit.txt` holds (RFC 8493, 2.1.1).
pub(super) const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
/// Facts about the bag.
pub(super) const BAG_INFO_TXT: &str = "bag-info.txt";
/// The payload's hashes.
pub(super) const MANIFEST: &str = "manifest-sha256.txt";
/// The hashes of the other three.
pub(super) const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";

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

    let phone = folder.catalogue().identity()?;
    let mut info = TagFile::create(root, BAG_INFO_TXT)?;
    info.line(&format!(
        "Bag-Software-Agent: rescue/{}",
        env!("CARGO_PKG_VERSION")
    ))?;
    info.line(&format!("Bagging-Date: {bagging_date}"))?;
    info.line(&format!("Payload-Oxum: {}.{}", oxum.octets, oxum.files))?;
    info.line(&format!("External-Identifier: {}", one_line(&phone.serial)))?;
    let model = format!("{} {}", phone.manufacturer, phone.model);
    info.line(&format!("External-Description: {}", one_line(&model)))?;
    let info = info.finish()?;

    let mut declaration = TagFile::create(root, BAGIT_TXT)?;
    declaration.text(DECLARATION)?;
    let declaration = declaration.finish()?;

    let mut tags = TagFile::create(root, TAG_MANIFEST)?;
    for tag in [&info, &declaration, &manifest] {
        tags.line(&format!("{}  {}", tag.sha256, tag.name))?;
    }
    let tags = tags.finish()?;

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

/// A phone's words as a value in `bag-info.txt`: a line break would begin another label.
fn one_line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
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

/// A synced one that has yet to get its name.
struct FinishedTagFile {
    name: &'static str,
    path: PathBuf,
    sha256: Sha256,
}

impl TagFile {
    fn create(root: &Path, name: &'static str) -> Result<Self, DiskError> {
        let path = root.join(PARTIAL).join(name);
        let file = disk::create_file(&path)?;
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
        disk::sync_file(&self.file, &self.path)?;
        Ok(FinishedTagFile {
            name: self.name,
            path: self.path,
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
                action: "replace",
                path: target,
                source,
            });
        }
        disk::rename_over(&self.path, &target)
    }
}
