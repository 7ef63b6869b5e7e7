//! Rescue folders to export, made through the library as a pull makes them.

use std::path::Path;

use rescue::adb::RemotePath;
use rescue::folder::{
    CommitOutcome, Entry, Folder, NewEntry, PartialFile, Proof, Record, State, ToCommit,
};
use rescue::item::PhoneIdentity;
use rescue::names::LocalPath;

/// 2024-01-01 00:00:01 UTC: odd seconds, which DOS times do not have.
pub(crate) const FIRST_TIME: i64 = 1_704_067_201;

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

impl File {
    pub(crate) fn new(local: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self {
            local: local.into(),
            mtime: FIRST_TIME + bytes.len() as i64 % 1000,
            bytes: Bytes::These(bytes),
        }
    }
}

/// Makes a rescue folder of files that the phone confirmed.
pub(crate) fn make(path: &Path, files: impl IntoIterator<Item = File>) {
    let phone = PhoneIdentity {
        serial: "LAB0000001".to_owned(),
        model: "Pixel 7a".to_owned(),
        manufacturer: "Google".to_owned(),
        android_version: "14".to_owned(),
    };
    let mut folder = Folder::create_or_open(path, &phone).unwrap();
    let mut committer = folder.committer().unwrap();
    let run = folder
        .catalogue_mut()
        .begin_run(FIRST_TIME, "rescue test")
        .unwrap();
    let mut files = files.into_iter().peekable();
    while files.peek().is_some() {
        let group: Vec<File> = files.by_ref().take(200).collect();
        let entries = group.iter().map(|file| NewEntry {
            item: rescue::item::Item {
                path: RemotePath::new(format!("/storage/emulated/0/{}", file.local).as_bytes())
                    .unwrap(),
                size: 0,
                size_is_exact: true,
                mtime: file.mtime,
            },
            version: 1,
            local: LocalPath::new(&file.local).unwrap(),
        });
        let ids = folder
            .catalogue_mut()
            .insert_planned(entries.collect::<Vec<_>>())
            .unwrap();
        let (mut commits, mut records) = (Vec::new(), Vec::new());
        for (id, file) in ids.into_iter().zip(group) {
            let mut partial = PartialFile::create(folder.root(), id).unwrap();
            match file.bytes {
                Bytes::These(bytes) => partial.write(&bytes).unwrap(),
                Bytes::Zeros(count) => {
                    let zeros = vec![0; 1 << 20];
                    let mut left = count;
                    while left > 0 {
                        let step = left.min(zeros.len() as u64);
                        partial.write(&zeros[..step as usize]).unwrap();
                        left -= step;
                    }
                }
            }
            let finished = partial.finish(file.mtime).unwrap();
            records.push(Record::Pulled {
                id,
                sha256: finished.sha256,
                size: finished.size,
                local: None,
            });
            records.push(Record::Verified {
                id,
                proof: Proof::Sha256,
            });
            commits.push(ToCommit {
                finished,
                local: LocalPath::new(&file.local).unwrap(),
            });
        }
        let outcomes = committer.commit(commits).unwrap();
        assert!(outcomes.iter().all(CommitOutcome::is_in_place));
        folder.catalogue_mut().record(&records).unwrap();
    }
    let outcome = rescue::folder::RunOutcome::Done;
    folder
        .catalogue_mut()
        .end_run(run, FIRST_TIME + 60, outcome)
        .unwrap();
    rescue::folder::bag::write(
        &folder,
        chrono::NaiveDate::from_ymd_opt(2024, 1, 1).unwrap(),
    )
    .unwrap();
    let planned = |entry: &Entry| entry.state == State::Planned;
    folder
        .catalogue()
        .for_each_by_path(|entry| {
            assert!(!planned(&entry));
            Ok::<_, rescue::folder::CatalogueError>(())
        })
        .unwrap();
}

/// A picture of some colours.
pub(crate) fn picture(width: u16, height: u16, seed: u64) -> Vec<u8> {
    let shade = |x: u16, y: u16| {
        let wave =
            |by: u64| ((u64::from(x) * (by + 1) + u64::from(y) * (seed % 7 + 1)) / 3 % 256) as u8;
        [wave(seed % 3), wave(seed % 5), (seed * 37 % 256) as u8]
    };
    let row = |y: u16| (0..width).flat_map(move |x| shade(x, y));
    let pixels: Vec<u8> = (0..height).flat_map(row).collect();
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, 70)
        .encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    bytes
}

/// The picture with EXIF data as a phone writes it: a time and a small picture.
pub(crate) fn with_exif(jpeg: &[u8], time: i64, thumb: &[u8]) -> Vec<u8> {
    let time = chrono::DateTime::from_timestamp(time, 0).unwrap();
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    // IFD0 at 8 with one entry, IFD1 at 26 with two, the text at 56, the small picture at 76.
    tiff.extend(1_u16.to_le_bytes());
    let entries = |tiff: &mut Vec<u8>, list: &[(u16, u16, u32, u32)]| {
        for (tag, kind, count, value) in list {
            tiff.extend(tag.to_le_bytes());
            tiff.extend(kind.to_le_bytes());
            tiff.extend(count.to_le_bytes());
            tiff.extend(value.to_le_bytes());
        }
    };
    entries(&mut tiff, &[(0x0132, 2, 20, 56)]);
    tiff.extend(26_u32.to_le_bytes());
    tiff.extend(2_u16.to_le_bytes());
    entries(
        &mut tiff,
        &[(0x0201, 4, 1, 76), (0x0202, 4, 1, thumb.len() as u32)],
    );
    tiff.extend(0_u32.to_le_bytes());
    tiff.extend(time.format("%Y:%m:%d %H:%M:%S\0").to_string().as_bytes());
    assert_eq!(tiff.len(), 76);
    tiff.extend(thumb);
    let length = (2 + 6 + tiff.len()) as u16;
    let segment = [&[0xFF, 0xE1][..], &length.to_be_bytes(), b"Exif\0\0", &tiff].concat();
    [&jpeg[..2], &segment, &jpeg[2..]].concat()
}

/// Bytes that do not compress.
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
