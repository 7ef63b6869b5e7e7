//! Rescue folders made through the library as a pull makes them, without a phone.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rescue::adb::RemotePath;
use rescue::digest::{Hasher, Sha256};
use rescue::folder::{Folder, NewEntry, Proof, Record, RunOutcome, SurveyKind, Surveyed};
use rescue::item::{Item, PhoneIdentity};
use rescue::names::LocalPath;

/// 2024-01-01 00:00:01 UTC: odd seconds, which DOS times do not have.
pub(crate) const FIRST_TIME: i64 = 1_704_067_201;

/// Files that are recorded together.
const GROUP: usize = 200;

/// A file to be.
pub(crate) struct File {
    /// Its path below `data/`.
    pub(crate) local: String,
    pub(crate) bytes: Bytes,
    pub(crate) mtime: i64,
}

/// What a file holds.
pub(crate) enum Bytes {
    These(Vec<u8>),
    /// So many zeros, as a hole.
    Zeros(u64),
}

impl Bytes {
    fn count(&self) -> u64 {
        match self {
            Self::These(bytes) => bytes.len() as u64,
            Self::Zeros(count) => *count,
        }
    }

    /// Writes a file, and says its hash. Nothing is synced: no test cuts the power here.
    fn write_to(&self, path: &Path, mtime: i64) -> Sha256 {
        let mut file = fs::File::create_new(path).unwrap();
        let mut hasher = Hasher::default();
        match self {
            Self::These(bytes) => {
                file.write_all(bytes).unwrap();
                hasher.update(bytes);
            }
            Self::Zeros(count) => {
                file.set_len(*count).unwrap();
                let zeros = vec![0; 1 << 20];
                let mut left = *count;
                while left > 0 {
                    let step = left.min(zeros.len() as u64);
                    hasher.update(&zeros[..step as usize]);
                    left -= step;
                }
            }
        }
        let mtime = UNIX_EPOCH + Duration::from_secs(mtime.unsigned_abs());
        file.set_modified(mtime).unwrap();
        hasher.finish()
    }
}

impl File {
    pub(crate) fn new(local: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self {
            local: local.into(),
            mtime: FIRST_TIME + bytes.len() as i64 % 1000,
            bytes: Bytes::These(bytes),
        }
    }

    /// What stands below the first folder of `data/` is the phone's internal storage.
    fn planned(&self) -> NewEntry {
        let below = self.local.split_once('/').map_or(&*self.local, |it| it.1);
        NewEntry {
            item: Item {
                path: RemotePath::new(format!("/storage/emulated/0/{below}").as_bytes()).unwrap(),
                size: self.bytes.count(),
                size_is_exact: true,
                mtime: self.mtime,
            },
            version: 1,
            local: LocalPath::new(&self.local).unwrap(),
        }
    }
}

/// Makes a rescue folder of files that the phone confirmed, or adds them to it.
pub(crate) fn make(path: &Path, files: impl IntoIterator<Item = File>) -> Folder {
    let phone = PhoneIdentity {
        serial: "LAB1".to_owned(),
        model: "Pixel 7".to_owned(),
        manufacturer: "Google".to_owned(),
        android_version: "14".to_owned(),
    };
    let mut folder = Folder::create_or_open(path, &phone).unwrap();
    let run = folder.catalogue_mut().begin_run(FIRST_TIME, "rescue");
    let run = run.unwrap();
    let mut files = files.into_iter().peekable();
    let mut count = 0;
    while files.peek().is_some() {
        let group: Vec<File> = files.by_ref().take(GROUP).collect();
        count += group.len() as u64;
        let planned = group.iter().map(File::planned).collect::<Vec<_>>();
        let ids = folder.catalogue_mut().insert_planned(planned).unwrap();
        let mut records = Vec::new();
        for (id, file) in ids.into_iter().zip(group) {
            let place = folder.data_path(&LocalPath::new(&file.local).unwrap());
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            records.push(Record::Pulled {
                id,
                sha256: file.bytes.write_to(&place, file.mtime),
                size: file.bytes.count(),
                local: None,
            });
            records.push(Record::Verified {
                id,
                proof: Proof::Sha256,
            });
        }
        folder.catalogue_mut().record(&records).unwrap();
    }
    let catalogue = folder.catalogue_mut();
    let looked_at = Surveyed {
        kind: SurveyKind::LookedAt,
        place: (*b"/storage/emulated/0").into(),
        items: count,
        bytes: 0,
        reason: None,
    };
    catalogue.set_survey(&[looked_at]).unwrap();
    let ended = catalogue.end_run(run, FIRST_TIME + 60, RunOutcome::Done);
    ended.unwrap();
    folder
}

/// Bytes that do not compress, others for each number.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
