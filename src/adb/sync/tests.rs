mod any;

use super::*;
use crate::fuzz::{Cut, OPERATIONS, sync_answers, sync_requests};

use Operation::{List1, List2, Lstat2, Receive1, Receive2, Stat1, Stat2};

const RECEIVES: [Operation; 2] = [Receive1, Receive2];

fn path(text: &str) -> RemotePath {
    RemotePath::new(text.as_bytes()).unwrap()
}

/// What fits in the 32 bits of v1.
const SMALL: Stat = Stat {
    error: 0,
    mode: 0o100_644,
    size: 123_456,
    mtime: 1_600_000_000,
    device: 0,
    inode: 0,
};

/// What does not.
const LARGE: Stat = Stat {
    error: 13,
    mode: 0o100_644,
    size: 5_368_709_243,
    mtime: -2,
    device: 0x1111,
    inode: 0x2222,
};

/// The bytes of an answer as a phone writes them.
fn encode(operation: Operation, answer: &SyncAnswer) -> BytesMut {
    let mut out = BytesMut::new();
    match answer {
        SyncAnswer::Stat(stat) => answers::stat(&mut out, operation, stat),
        SyncAnswer::Entry(stat, name) => answers::entry(&mut out, operation, stat, name),
        SyncAnswer::ListEnd => answers::list_end(&mut out, operation),
        SyncAnswer::Data(bytes) => {
            for chunk in bytes.chunks(MAX_DATA as usize) {
                answers::data_header(&mut out, chunk.len() as u32);
                out.extend_from_slice(chunk);
            }
        }
        SyncAnswer::ReceiveEnd => answers::receive_end(&mut out),
        SyncAnswer::Fail(text) => answers::fail(&mut out, std::str::from_utf8(text).unwrap()),
    }
    out
}

/// Reads `bytes` as the answers to `requests`, whole and byte by byte.
fn read(requests: &[Operation], bytes: &[u8]) -> (Vec<SyncAnswer>, Option<SyncError>) {
    let (answers, error, outstanding) = sync_answers(requests, Cut::Whole.pieces(bytes));
    let again = sync_answers(requests, Cut::Bytes.pieces(bytes));
    assert_eq!(again, (answers.clone(), error.clone(), outstanding));
    let ended = answers
        .iter()
        .filter(|answer| answer.ends_request())
        .count();
    assert_eq!(ended + outstanding, requests.len());
    (answers, error)
}

fn error_of(requests: &[Operation], bytes: &[u8]) -> SyncError {
    let (answers, error) = read(requests, bytes);
    assert_eq!(answers, []);
    error.unwrap()
}

#[test]
fn stat_answers_are_laid_out_as_adbd_does_it() {
    let (answers, error) = read(&[Stat1], b"STAT\xa4\x81\0\0\x40\xe2\x01\0\0\x10\x5e\x5f");
    assert_eq!((answers, error), (vec![SyncAnswer::Stat(SMALL)], None));

    let mut v2 = Vec::new();
    v2.extend_from_slice(&13_u32.to_le_bytes());
    v2.extend_from_slice(&0x1111_u64.to_le_bytes()); // device
    v2.extend_from_slice(&0x2222_u64.to_le_bytes()); // inode
    v2.extend_from_slice(&0o100_644_u32.to_le_bytes());
    v2.extend_from_slice(&[0x33; 12]); // links, user, group
    v2.extend_from_slice(&5_368_709_243_u64.to_le_bytes());
    v2.extend_from_slice(&0x4444_u64.to_le_bytes()); // access
    v2.extend_from_slice(&(-2_i64).to_le_bytes());
    v2.extend_from_slice(&0x5555_u64.to_le_bytes()); // change
    for (operation, id) in [(Stat2, b"STA2"), (Lstat2, b"LST2")] {
        let bytes = [id.as_slice(), &v2].concat();
        assert_eq!(bytes.len(), 72);
        let (answers, error) = read(&[operation], &bytes);
        assert_eq!((answers, error), (vec![SyncAnswer::Stat(LARGE)], None));
    }

    let entry = [b"DNT2".as_slice(), &v2, &[2, 0, 0, 0], b"\xff\n"].concat();
    let (answers, error) = read(&[List2], &entry);
    let name = Bytes::from_static(b"\xff\n");
    assert_eq!(
        (answers, error),
        (vec![SyncAnswer::Entry(LARGE, name)], None)
    );
    let entry = b"DENT\xa4\x81\0\0\x40\xe2\x01\0\0\x10\x5e\x5f\x01\0\0\0a";
    let (answers, error) = read(&[List1], entry);
    let name = Bytes::from_static(b"a");
    assert_eq!(
        (answers, error),
        (vec![SyncAnswer::Entry(SMALL, name)], None)
    );
}

#[test]
fn v1_answer_keeps_the_low_32_bits_of_a_size() {
    let bytes = encode(Stat1, &SyncAnswer::Stat(LARGE));
    let (answers, _) = read(&[Stat1], &bytes);
    let expected = Stat {
        error: 0,
        size: 1_073_741_947,
        mtime: 0xffff_fffe,
        device: 0,
        inode: 0,
        ..LARGE
    };
    assert_eq!(answers, [SyncAnswer::Stat(expected)]);
}

#[test]
fn folder_without_entries_ends_at_once() {
    for (operation, length) in [(List1, 20), (List2, 76)] {
        let bytes = encode(operation, &SyncAnswer::ListEnd);
        assert_eq!(bytes.len(), length);
        let (answers, error) = read(&[operation], &bytes);
        assert_eq!((answers, error), (vec![SyncAnswer::ListEnd], None));
    }
}

#[test]
fn file_of_no_bytes_and_empty_pieces_tell_no_data() {
    for operation in RECEIVES {
        let end = encode(operation, &SyncAnswer::ReceiveEnd);
        let (answers, error) = read(&[operation], &end);
        assert_eq!((answers, error), (vec![SyncAnswer::ReceiveEnd], None));

        let mut bytes = BytesMut::new();
        answers::data_header(&mut bytes, 0);
        answers::data_header(&mut bytes, 1);
        bytes.extend_from_slice(b"x");
        answers::data_header(&mut bytes, 0);
        bytes.extend_from_slice(&end);
        let (answers, error) = read(&[operation], &bytes);
        let data = SyncAnswer::Data(Bytes::from_static(b"x"));
        assert_eq!((answers, error), (vec![data, SyncAnswer::ReceiveEnd], None));
    }
}

#[test]
fn data_that_looks_like_an_end_is_data() {
    for operation in RECEIVES {
        let photo = SyncAnswer::Data(Bytes::from_static(b"DONE\0\0\0\0FAIL\x04\0\0\0DATA"));
        let end = encode(operation, &SyncAnswer::ReceiveEnd);
        let bytes = [encode(operation, &photo), end].concat();
        let (answers, error) = read(&[operation], &bytes);
        assert_eq!(
            (answers, error),
            (vec![photo, SyncAnswer::ReceiveEnd], None)
        );
    }
}

#[test]
fn data_is_handed_on_before_its_chunk_is_whole_and_is_not_copied() {
    let mut client = SyncClient::default();
    client.request(Receive2, &path("/a"), &mut BytesMut::new());
    let mut bytes = BytesMut::new();
    answers::data_header(&mut bytes, MAX_DATA);
    client.feed(bytes.freeze());
    assert_eq!(client.poll(), Ok(None), "no data has come yet");
    let piece = Bytes::from(vec![7; 1000]);
    client.feed(piece.clone());
    let Ok(Some(SyncAnswer::Data(data))) = client.poll() else {
        panic!("no data")
    };
    assert_eq!(data.as_ptr(), piece.as_ptr());
    assert_eq!(data, piece);
}

#[test]
fn answers_straddle_the_pieces_they_come_in() {
    let requests = [Lstat2, List2, Receive2, Stat1];
    let expected = [
        SyncAnswer::Stat(LARGE),
        SyncAnswer::Entry(LARGE, Bytes::from_static(b"one")),
        SyncAnswer::Entry(SMALL, Bytes::from_static(b"two")),
        SyncAnswer::ListEnd,
        SyncAnswer::Data(Bytes::from(vec![9; 150_000])),
        SyncAnswer::ReceiveEnd,
        SyncAnswer::Stat(SMALL),
    ];
    let of = [0, 1, 1, 1, 2, 2, 3];
    let bytes: BytesMut = of
        .iter()
        .zip(&expected)
        .flat_map(|(request, answer)| encode(requests[*request], answer))
        .collect();
    for length in 1..=255 {
        let pieces = Cut::Lengths(&[length]).pieces(&bytes);
        let (answers, error, outstanding) = sync_answers(&requests, pieces);
        assert_eq!((error, outstanding), (None, 0), "{length}");
        assert!(answers == expected, "{length}");
    }
}

#[test]
fn failure_answers_any_request_and_the_next_answer_follows() {
    for operation in OPERATIONS {
        let failure = SyncAnswer::Fail(Bytes::from_static(b"open failed: No such file"));
        let requests = [operation, Stat2];
        let bytes = [
            encode(operation, &failure),
            encode(Stat2, &SyncAnswer::Stat(LARGE)),
        ]
        .concat();
        let (answers, error) = read(&requests, &bytes);
        let expected = vec![failure, SyncAnswer::Stat(LARGE)];
        assert_eq!((answers, error), (expected, None), "{operation:?}");
    }
}

#[test]
fn failure_in_the_middle_ends_a_listing_or_a_file() {
    let failure = SyncAnswer::Fail(Bytes::from_static(b"read failed: I/O error"));
    for (operation, first) in [
        (List1, SyncAnswer::Entry(SMALL, Bytes::from_static(b"a"))),
        (List2, SyncAnswer::Entry(LARGE, Bytes::from_static(b"a"))),
        (Receive1, SyncAnswer::Data(Bytes::from_static(b"a"))),
        (Receive2, SyncAnswer::Data(Bytes::from_static(b"a"))),
    ] {
        let bytes = [encode(operation, &first), encode(operation, &failure)].concat();
        let (answers, error) = read(&[operation], &bytes);
        assert_eq!((answers, error), (vec![first, failure.clone()], None));
    }
}

#[test]
fn failure_without_words_or_with_many_is_taken() {
    for length in [0, 1, MAX_FAIL as usize] {
        let failure = SyncAnswer::Fail(Bytes::from(vec![b'x'; length]));
        let (answers, error) = read(&[Stat2], &encode(Stat2, &failure));
        assert_eq!((answers, error), (vec![failure], None));
    }
}

#[test]
fn lengths_beyond_the_protocol_are_refused_before_anything_is_kept() {
    let counted = |id: &[u8; 4], before: usize, length: u32| {
        [id.as_slice(), &vec![0; before], &length.to_le_bytes()].concat()
    };
    for (operation, id, before, limit) in [
        (List1, b"DENT", 12, MAX_NAME),
        (List2, b"DNT2", 68, MAX_NAME),
        (Receive1, b"DATA", 0, MAX_DATA),
        (Receive2, b"DATA", 0, MAX_DATA),
        (Stat1, b"FAIL", 0, MAX_FAIL),
        (Receive2, b"FAIL", 0, MAX_FAIL),
    ] {
        for length in [limit + 1, u32::MAX] {
            assert_eq!(
                error_of(&[operation], &counted(id, before, length)),
                SyncError::TooLong { length, limit },
                "{operation:?}"
            );
        }
        let (answers, error) = read(&[operation], &counted(id, before, limit));
        assert_eq!((answers, error), (vec![], None), "{operation:?}");
    }
}

#[test]
fn answer_of_another_kind_is_refused() {
    let ids = [
        b"STAT",
        b"STA2",
        b"LST2",
        b"DENT",
        b"DNT2",
        b"DATA",
        b"DONE",
        b"OKAY",
        b"QUIT",
        b"\0\0\0\0",
    ];
    let fits = |operation, id: &[u8; 4]| {
        matches!(
            (operation, id),
            (Stat1, b"STAT")
                | (Stat2, b"STA2")
                | (Lstat2, b"LST2")
                | (List1, b"DENT" | b"DONE")
                | (List2, b"DNT2" | b"DONE")
                | (Receive1 | Receive2, b"DATA" | b"DONE")
        )
    };
    for operation in OPERATIONS {
        for id in ids {
            let (answers, error) = read(&[operation], id);
            assert_eq!(answers, []);
            let expected = (!fits(operation, id)).then_some(SyncError::WrongId {
                request: operation,
                got: *id,
            });
            assert_eq!(error, expected, "{operation:?} {}", id.escape_ascii());
        }
    }
}

#[test]
fn answer_that_nobody_asked_for_is_refused() {
    assert_eq!(error_of(&[], b"D"), SyncError::Unasked);
    let bytes = [
        encode(Stat1, &SyncAnswer::Stat(SMALL)),
        encode(Stat1, &SyncAnswer::Stat(SMALL)),
    ]
    .concat();
    let (answers, error) = read(&[Stat1], &bytes);
    assert_eq!(
        (answers, error),
        (vec![SyncAnswer::Stat(SMALL)], Some(SyncError::Unasked))
    );
}

#[test]
fn requests_are_laid_out_as_adb_does_it() {
    for (operation, bytes) in [
        (Stat1, b"STAT\x02\0\0\0/a".as_slice()),
        (Lstat2, b"LST2\x02\0\0\0/a"),
        (Stat2, b"STA2\x02\0\0\0/a"),
        (List1, b"LIST\x02\0\0\0/a"),
        (List2, b"LIS2\x02\0\0\0/a"),
        (Receive1, b"RECV\x02\0\0\0/a"),
        // Its set-up follows, with no flag of any compression.
        (Receive2, b"RCV2\x02\0\0\0/aRCV2\0\0\0\0"),
    ] {
        let mut client = SyncClient::default();
        let mut out = BytesMut::new();
        client.request(operation, &path("/a"), &mut out);
        assert_eq!(out, bytes, "{operation:?}");
        assert_eq!(client.outstanding(), 1);
    }
}

#[test]
fn phone_reads_every_request_in_any_pieces_and_the_end() {
    let long = format!("/{}", "x".repeat(MAX_PATH_BYTES - 1));
    let mut out = BytesMut::new();
    let mut expected = Vec::new();
    let mut client = SyncClient::default();
    for (operation, text) in OPERATIONS.iter().zip(["/a", &long].into_iter().cycle()) {
        client.request(*operation, &path(text), &mut out);
        expected.push(SyncRequest::Path(*operation, text.to_owned().into()));
    }
    out.extend_from_slice(b"QUIT\0\0\0\0");
    expected.push(SyncRequest::Quit);
    for length in 0..=255 {
        let pieces = Cut::Lengths(&[length]).pieces(&out);
        assert_eq!(sync_requests(pieces), (expected.clone(), None));
    }
}

#[test]
fn phone_waits_for_the_set_up_of_rcv2() {
    let bytes = b"RCV2\x02\0\0\0/aRCV2\0\0\0\0";
    for cut in 0..bytes.len() {
        let pieces = Cut::Whole.pieces(&bytes[..cut]);
        assert_eq!(sync_requests(pieces), (vec![], None), "{cut}");
    }
}

#[test]
fn phone_refuses_what_is_no_request() {
    let pieces = Cut::Bytes.pieces(b"SEND\x02\0\0\0/a");
    let error = SyncError::UnknownRequest { id: *b"SEND" };
    assert_eq!(sync_requests(pieces), (vec![], Some(error)));
    for length in [MAX_PATH_BYTES as u32 + 1, u32::MAX] {
        let bytes = [b"RECV".as_slice(), &length.to_le_bytes()].concat();
        let error = SyncError::TooLong {
            length,
            limit: MAX_PATH_BYTES as u32,
        };
        let pieces = Cut::Bytes.pieces(&bytes);
        assert_eq!(sync_requests(pieces), (vec![], Some(error)));
    }
    // An empty path is for the phone's file system to refuse.
    let empty = SyncRequest::Path(Stat1, Bytes::new());
    let pieces = Cut::Bytes.pieces(b"STAT\0\0\0\0");
    assert_eq!(sync_requests(pieces), (vec![empty], None));
}

#[test]
fn mode_says_what_a_file_is() {
    for (mode, kind) in [
        (0o100_644, FileType::Regular),
        (0o040_755, FileType::Folder),
        (0o120_777, FileType::Link),
        (0o010_600, FileType::Other),
        (0o020_666, FileType::Other),
        (0o060_660, FileType::Other),
        (0o140_755, FileType::Other),
        (0, FileType::Other),
        (u32::MAX, FileType::Other),
    ] {
        assert_eq!(FileType::of_mode(mode), kind, "{mode:o}");
    }
}
