use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::digest::Sha256;
use crate::event::Events;
use crate::media::copy::tests::{DATES, NAME, copied};
use crate::media::look::tests::jpeg;
use crate::media::taken;
use crate::upload::limit::Limit;
use crate::upload::source::Origin;

fn source_of(path: &std::path::Path, bytes: &[u8]) -> Source {
    Source::new(
        Origin::File(path.to_owned()),
        (bytes.len() as u64, Sha256::of(bytes)),
        Some(1_723_973_400),
        Arc::new(Limit::new(None)),
        Events::to(|_| {}),
    )
}

#[tokio::test]
async fn copy_is_sent_whole_and_the_file_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    // Larger than one piece.
    let photo = [jpeg(640, 480), vec![3; 3_000_000]].concat();
    std::fs::write(&path, &photo).unwrap();
    let source = source_of(&path, &photo);
    let copies = Copies::new(DATES);
    let PreparedCopy::Copy(copy, _) = copies.copy_for_upload(&source, NAME).await.unwrap() else {
        panic!("no copy");
    };
    let mut sent = Vec::new();
    let mut pieces = copy.pieces(100_000, 0);
    while let Some(piece) = pieces.next().await.unwrap() {
        sent.extend_from_slice(&piece);
    }
    assert!(sent == copied(&photo, NAME).0);
    assert_eq!(
        (copy.size, copy.sha256),
        (sent.len() as u64, Sha256::of(&sent))
    );
    assert!(std::fs::read(&path).unwrap() == photo);
    // From the middle on, as after an interruption.
    let mut rest = copy.pieces(100_000, 1_000_001);
    assert_eq!(
        rest.next().await.unwrap().unwrap(),
        sent[1_000_001..1_100_001]
    );
    let taken = copy.taken("x.jpg").await.unwrap().unwrap();
    assert_eq!(taken.source, taken::TimeSource::Modified);
}

#[tokio::test]
async fn file_that_changed_makes_no_copy_and_one_that_changes_later_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    let photo = [jpeg(640, 480), vec![3; 100_000]].concat();
    let mut altered = photo.clone();
    altered[photo.len() - 5] ^= 1;
    std::fs::write(&path, &altered).unwrap();
    let source = source_of(&path, &photo);
    let copies = Copies::new(DATES);
    let made = copies.copy_for_upload(&source, NAME).await;
    assert!(matches!(made, Err(Problem::SourceChanged { .. })));

    std::fs::write(&path, &photo).unwrap();
    let PreparedCopy::Copy(copy, _) = copies.copy_for_upload(&source, NAME).await.unwrap() else {
        panic!("no copy");
    };
    std::fs::write(&path, &altered).unwrap();
    let mut pieces = copy.pieces(64 * 1024, 0);
    let mut end = Ok(Some(Bytes::new()));
    while matches!(end, Ok(Some(_))) {
        end = pieces.next().await;
    }
    assert!(matches!(end, Err(Problem::SourceChanged { .. })));
}
