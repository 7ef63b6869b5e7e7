//! The parts of which a run is made, each alone: `cargo bench --bench parts`; a word behind `--`
//! chooses some (`cargo bench --bench parts -- codec`).

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run ends with a panic"
)]

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rescue::adb::RemotePath;
use rescue::adb::sync::{MAX_DATA, Operation, Stat, SyncAnswer, SyncClient, answers};
use rescue::adb::wire::{AdbCommand, ChecksumMode, Decoder, MAX_PAYLOAD, Message};
use rescue::digest::Sha256;
use rescue::folder::{EntryId, Folder, NewEntry, PartialFile, Proof, Record};
use rescue::item::PhoneIdentity;
use rescue::names::LocalPath;

criterion_group!(parts, codec, hashing, catalogue);
criterion_main!(parts);

/// Messages off the wire, and answers out of a sync stream.
fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    let payload = Bytes::from(vec![7; MAX_PAYLOAD as usize]);
    for (name, checksum) in [
        ("messages", ChecksumMode::Skipped),
        ("messages with checksums", ChecksumMode::Sent),
    ] {
        let mut wire = BytesMut::new();
        for _ in 0..16 {
            let message = Message {
                command: AdbCommand::Wrte,
                arg0: 1,
                arg1: 2,
                payload: payload.clone(),
            };
            wire.extend_from_slice(&message.header(checksum));
            wire.extend_from_slice(&message.payload);
        }
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || wire.clone(),
                |wire| {
                    let mut decoder = Decoder::new();
                    decoder.set_checksum(checksum);
                    while let Some(message) = decoder.decode(wire).unwrap() {
                        black_box(message);
                    }
                },
                BatchSize::LargeInput,
            );
        });
    }

    let path = RemotePath::new(b"/storage/emulated/0/DCIM/Camera").unwrap();
    let data = vec![7; MAX_DATA as usize];
    let mut files = BytesMut::new();
    for _ in 0..256 {
        answers::data_header(&mut files, MAX_DATA);
        files.extend_from_slice(&data);
    }
    answers::receive_end(&mut files);
    group.throughput(Throughput::Bytes(files.len() as u64));
    let files = files.freeze();
    group.bench_function("a file's pieces", |bencher| {
        bencher.iter(|| take_all(Operation::Receive1, &path, &files));
    });

    let mut listing = BytesMut::new();
    for index in 0..10_000 {
        let name = format!("IMG_20240101_{index:06}.jpg");
        answers::entry(
            &mut listing,
            Operation::List2,
            &Stat::default(),
            name.as_bytes(),
        );
    }
    answers::list_end(&mut listing, Operation::List2);
    group.throughput(Throughput::Elements(10_000));
    let listing = listing.freeze();
    group.bench_function("a folder's entries", |bencher| {
        bencher.iter(|| take_all(Operation::List2, &path, &listing));
    });
    group.finish();
}

/// Feeds a stream in messages of the usual length, and takes all its answers.
fn take_all(operation: Operation, path: &RemotePath, stream: &Bytes) {
    let (mut client, mut request) = (SyncClient::default(), BytesMut::new());
    client.request(operation, path, &mut request);
    let mut rest = stream.clone();
    while !rest.is_empty() {
        client.feed(rest.split_to(rest.len().min(MAX_DATA as usize)));
        while let Some(answer) = client.poll().unwrap() {
            black_box::<SyncAnswer>(answer);
        }
    }
    assert_eq!(client.outstanding(), 0);
}

/// SHA-256 alone, and with the file that it is made for.
fn hashing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hashing");
    let bytes: Vec<u8> = (0..8 * 1024 * 1024_u32).map(|at| (at >> 3) as u8).collect();
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("SHA-256", |bencher| bencher.iter(|| Sha256::of(&bytes)));
    let (_place, folder) = folder();
    group.bench_function("SHA-256 and file", |bencher| {
        bencher.iter(|| {
            let mut file = PartialFile::create(folder.root(), EntryId(1)).unwrap();
            for piece in bytes.chunks(MAX_DATA as usize) {
                file.write(piece).unwrap();
            }
            file.finish(1_700_000_000).unwrap()
        });
    });
    group.finish();
}

/// Plans, records and reads of 10,000 files.
fn catalogue(criterion: &mut Criterion) {
    const FILES: i64 = 10_000;
    let entries = || {
        (0..FILES).map(|index| {
            let name = format!("DCIM/Camera/IMG_20240101_{index:06}.jpg");
            NewEntry {
                item: rescue::item::Item {
                    path: RemotePath::new(format!("/storage/emulated/0/{name}").as_bytes())
                        .unwrap(),
                    size: 3_000_000,
                    size_is_exact: true,
                    mtime: 1_700_000_000 + index,
                },
                version: 1,
                local: LocalPath::new(&format!("internal/{name}")).unwrap(),
            }
        })
    };
    let mut group = criterion.benchmark_group("catalogue");
    group.sample_size(10);
    group.throughput(Throughput::Elements(FILES as u64));
    group.bench_function("plan", |bencher| {
        bencher.iter_batched_ref(
            folder,
            |(_, folder)| folder.catalogue_mut().insert_planned(entries()).unwrap(),
            BatchSize::PerIteration,
        );
    });
    let (_place, mut folder) = folder();
    let ids = folder.catalogue_mut().insert_planned(entries()).unwrap();
    let records: Vec<Record> = ids
        .iter()
        .flat_map(|id| {
            let pulled = Record::Pulled {
                id: *id,
                sha256: Sha256::of(&id.0.to_le_bytes()),
                size: 3_000_000,
                local: None,
            };
            let proof = Proof::Sha256;
            [pulled, Record::Verified { id: *id, proof }]
        })
        .collect();
    group.bench_function("record", |bencher| {
        bencher.iter(|| folder.catalogue_mut().record(&records).unwrap());
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let mut read = 0;
            let count = |entry| {
                black_box(entry);
                read += 1;
                Ok::<_, rescue::folder::CatalogueError>(())
            };
            folder.catalogue().for_each_by_path(count).unwrap();
            assert_eq!(read, FILES);
        });
    });
    group.finish();
}

fn folder() -> (tempfile::TempDir, Folder) {
    let place = tempfile::tempdir().unwrap();
    let phone = PhoneIdentity {
        serial: "0123456789".to_owned(),
        model: "Pixel 7".to_owned(),
        manufacturer: "Google".to_owned(),
        android_version: "14".to_owned(),
    };
    let folder = Folder::create_or_open(&place.path().join("rescue"), &phone).unwrap();
    (place, folder)
}
