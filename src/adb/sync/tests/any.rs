//! Any answers and requests, in any pieces.

use proptest::prelude::*;

use super::*;

fn stats(operation: Operation) -> impl Strategy<Value = Stat> {
    let v1 = matches!(operation, Stat1 | List1);
    let numbers = any::<[u64; 3]>();
    (any::<u32>(), any::<u32>(), numbers, any::<i64>()).prop_map(
        move |(error, mode, [size, device, inode], mtime)| Stat {
            error: if v1 { 0 } else { error },
            mode,
            size: if v1 { size & 0xffff_ffff } else { size },
            mtime: if v1 { mtime & 0xffff_ffff } else { mtime },
            device: if v1 { 0 } else { device },
            inode: if v1 { 0 } else { inode },
        },
    )
}

fn bytes_up_to(length: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..=length).prop_map(Bytes::from)
}

/// A request and a whole answer to it.
fn exchange() -> impl Strategy<Value = (Operation, Vec<SyncAnswer>)> {
    prop::sample::select(OPERATIONS.to_vec()).prop_flat_map(|operation| {
        let whole = match operation {
            Stat1 | Stat2 | Lstat2 => stats(operation)
                .prop_map(|stat| vec![SyncAnswer::Stat(stat)])
                .boxed(),
            List1 | List2 => {
                let entry = (stats(operation), bytes_up_to(1024));
                let entry = entry.prop_map(|(stat, name)| SyncAnswer::Entry(stat, name));
                let end = Just(SyncAnswer::ListEnd);
                ended(prop::collection::vec(entry, 0..4), end)
            }
            Receive1 | Receive2 => {
                let content = bytes_up_to(3000).prop_map(|content| match content.len() {
                    0 => vec![],
                    _ => vec![SyncAnswer::Data(content)],
                });
                ended(content, Just(SyncAnswer::ReceiveEnd))
            }
        };
        let failure = "[a-z ]{0,40}".prop_map(|text| vec![SyncAnswer::Fail(text.into())]);
        let answers = prop_oneof![9 => whole, 1 => failure];
        answers.prop_map(move |answers| (operation, answers))
    })
}

fn ended(
    parts: impl Strategy<Value = Vec<SyncAnswer>> + 'static,
    end: Just<SyncAnswer>,
) -> BoxedStrategy<Vec<SyncAnswer>> {
    let joined = (parts, end).prop_map(|(mut parts, end)| {
        parts.push(end);
        parts
    });
    joined.boxed()
}

proptest! {
    #[test]
    fn answers_come_out_as_they_went_in_whatever_the_pieces(
        exchanges in prop::collection::vec(exchange(), 0..12),
        lengths in prop::collection::vec(any::<u8>(), 1..9),
    ) {
        let requests: Vec<_> = exchanges.iter().map(|(operation, _)| *operation).collect();
        let mut bytes = BytesMut::new();
        for (operation, answers) in &exchanges {
            for answer in answers {
                bytes.extend_from_slice(&encode(*operation, answer));
            }
        }
        let expected: Vec<_> = exchanges.into_iter().flat_map(|(_, answers)| answers).collect();
        for cut in [Cut::Whole, Cut::Bytes, Cut::Lengths(&lengths)] {
            let (answers, error, outstanding) = sync_answers(&requests, cut.pieces(&bytes));
            prop_assert_eq!((error, outstanding), (None, 0));
            prop_assert_eq!(&answers, &expected);
        }
    }

    #[test]
    fn requests_come_out_as_they_went_in_whatever_the_pieces(
        requests in prop::collection::vec(
            (prop::sample::select(OPERATIONS.to_vec()), "/[a-z\u{e9}\n ]{0,300}"),
            0..12,
        ),
        lengths in prop::collection::vec(any::<u8>(), 1..9),
    ) {
        let mut client = SyncClient::default();
        let mut out = BytesMut::new();
        let mut expected = Vec::new();
        for (operation, text) in requests {
            let path = path(&text);
            client.request(operation, &path, &mut out);
            let bytes = Bytes::copy_from_slice(path.as_bytes());
            expected.push(SyncRequest::Path(operation, bytes));
        }
        for cut in [Cut::Whole, Cut::Bytes, Cut::Lengths(&lengths)] {
            prop_assert_eq!(sync_requests(cut.pieces(&out)), (expected.clone(), None));
        }
    }
}
