//! A rescue folder of unknown origin: its contents may be anything.
//!
//! In: a way and its bytes. The bytes are the catalogue, its journal or the manifest; or changes to a valid catalogue
//! at given places, so that a fuzzer gets past its header.

use std::fs;
use std::path::{Path, PathBuf};

use super::choice;
use crate::adb::RemotePath;
use crate::digest::Sha256;
use crate::folder::check::{self, CheckResult};
use crate::folder::upload::{NewUpload, Pledge, UploadRecord};
use crate::folder::{
    CatalogueError, Folder, NewEntry, Proof, Reason, ReasonCode, Record, RunOutcome, bag,
};
use crate::item::Item;
use crate::item::PhoneIdentity;
use crate::names::{LocalPath, UploadPath};

const PHOTO: &[u8] = b"a photo";
const PHOTO_AT: &str = "internal/DCIM/a.jpg";
const CATALOGUE: &str = "rescue.db";
const JOURNAL: &str = "rescue.db-journal";
const MANIFEST: &str = "manifest-sha256.txt";

/// What a true folder's files hold.
struct Template {
    catalogue: Vec<u8>,
    manifest: Vec<u8>,
}

/// A folder of this thread's own, removed with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!(
            "rescue-fuzz-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

thread_local! {
    static SCRATCH: (Scratch, Template) = {
        let scratch = Scratch::new();
        let template = template(&scratch.0);
        (scratch, template)
    };
}

/// Writes a folder with one verified photo, one that failed and one that was never tried.
fn template(root: &Path) -> Template {
    let phone = PhoneIdentity {
        serial: "0123".to_owned(),
        model: "Pixel".to_owned(),
        manufacturer: "Google".to_owned(),
        android_version: "14".to_owned(),
    };
    let mut folder = Folder::create_or_open(root, &phone).unwrap();
    let photo = root.join("data").join(PHOTO_AT);
    fs::create_dir_all(photo.parent().unwrap()).unwrap();
    fs::write(photo, PHOTO).unwrap();
    let planned = [PHOTO_AT, "internal/DCIM/b.jpg", "internal/DCIM/c.jpg"].map(|local| NewEntry {
        item: Item {
            path: RemotePath::new(format!("/sdcard/{local}").as_bytes()).unwrap(),
            size: PHOTO.len() as u64,
            size_is_exact: true,
            mtime: 1_700_000_000,
        },
        version: 1,
        local: LocalPath::new(local).unwrap(),
    });
    let catalogue = folder.catalogue_mut();
    let run = catalogue.begin_run(1_700_000_000, "rescue").unwrap();
    let ids = catalogue.insert_planned(planned).unwrap();
    let pulled = Record::Pulled {
        id: ids[0],
        sha256: Sha256::of(PHOTO),
        size: PHOTO.len() as u64,
        local: None,
    };
    let verified = Record::Verified {
        id: ids[0],
        proof: Proof::Sha256,
    };
    let failed = Record::Failed {
        id: ids[1],
        reason: Reason::new(ReasonCode::Other, "no"),
    };
    catalogue.record(&[pulled, verified, failed]).unwrap();
    let outcome = RunOutcome::SomeFailed;
    catalogue.end_run(run, 1_700_000_001, outcome).unwrap();
    let remote = catalogue.remote("nas", "/nas").unwrap();
    let upload = NewUpload {
        entry: Some(ids[0]),
        source: PHOTO_AT.to_owned(),
        path: UploadPath::new("phone/a.jpg").unwrap(),
        size: PHOTO.len() as u64,
        sha256: Sha256::of(PHOTO),
    };
    let queued = catalogue.queue_uploads(remote, &[upload], 1).unwrap();
    let pledged = UploadRecord::Pledged {
        id: queued[0],
        sha256: Sha256::of(PHOTO),
        pledge: Pledge::Token("token".to_owned()),
    };
    catalogue.record_uploads(&[pledged], 1).unwrap();
    bag::write(&folder, chrono::NaiveDate::default()).unwrap();
    drop(folder);
    Template {
        catalogue: fs::read(root.join(CATALOGUE)).unwrap(),
        manifest: fs::read(root.join(MANIFEST)).unwrap(),
    }
}

/// Lays the bytes into the folder and reads it as `status` and `verify` do.
pub(super) fn check(mut data: &[u8]) {
    SCRATCH.with(|(scratch, template)| {
        let root = &scratch.0;
        let _ = fs::remove_file(root.join(JOURNAL));
        let mut catalogue = template.catalogue.clone();
        let mut manifest = template.manifest.clone();
        match choice(&mut data) % 4 {
            0 => catalogue = data.to_vec(),
            1 => manifest = data.to_vec(),
            2 => fs::write(root.join(JOURNAL), data).unwrap(),
            _ => change(&mut catalogue, data),
        }
        fs::write(root.join(CATALOGUE), catalogue).unwrap();
        fs::write(root.join(MANIFEST), manifest).unwrap();
        if let Ok(folder) = Folder::open(root) {
            let _ = read(&folder);
        }
        let photo = fs::read(root.join("data").join(PHOTO_AT)).unwrap();
        assert_eq!(photo, PHOTO, "a check changes nothing");
    });
}

/// Changes by groups of a place (two bytes), a number of bytes, and the bytes.
fn change(catalogue: &mut [u8], mut data: &[u8]) {
    while let [high, low, count, rest @ ..] = data {
        let place = usize::from(u16::from_be_bytes([*high, *low]));
        let count = usize::from(*count % 32).min(rest.len());
        let (bytes, rest) = rest.split_at(count);
        if let Some(old) = catalogue.get_mut(place..place + count) {
            old.copy_from_slice(bytes);
        }
        data = rest;
    }
}

fn read(folder: &Folder) -> Result<(), CatalogueError> {
    let catalogue = folder.catalogue();
    let mut payload = Vec::new();
    let read = catalogue.for_each_payload(|file| {
        assert!(
            folder
                .data_path(&file.local)
                .starts_with(folder.root().join("data"))
        );
        assert_eq!(
            LocalPath::new(file.local.as_str()).as_ref(),
            Ok(&file.local)
        );
        payload.push((file.local.as_str().to_owned(), file.size, file.sha256));
        Ok::<_, CatalogueError>(())
    });
    if let Ok(CheckResult {
        finding_count: 0, ..
    }) = check::check(folder, &mut |_| {})
    {
        read.unwrap();
        let there = (PHOTO_AT.to_owned(), PHOTO.len() as u64, Sha256::of(PHOTO));
        assert_eq!(payload, [there], "intact, but not what is there");
    }
    catalogue.identity()?;
    catalogue.job()?;
    catalogue.summary()?;
    catalogue.runs()?;
    catalogue.survey()?;
    catalogue.accepted()?;
    for remote in catalogue.known_remotes()? {
        catalogue.upload_counts(remote.id)?;
        catalogue.not_on(remote.id)?;
        catalogue.for_each_upload(remote.id, |upload| {
            let names = upload.path.split('/');
            assert!({ names }.all(|name| !matches!(name, "" | "." | "..")));
            catalogue.pledge(upload.id).map(drop)
        })?;
    }
    catalogue.for_each_failed(|_| Ok::<_, CatalogueError>(()))?;
    catalogue.for_each_companion(|_| Ok::<_, CatalogueError>(()))?;
    catalogue.for_each_by_path(|entry| {
        catalogue.companions(entry.id)?;
        catalogue.entry(entry.id)?;
        catalogue.latest(&entry.item.path).map(drop)
    })
}
