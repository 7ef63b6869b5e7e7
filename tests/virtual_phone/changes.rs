//! Files that change while they are rescued, hashes that cannot be had, and listings without end.

use rescue::adb::RemotePath;
use rescue::virtual_phone::VirtualPhone;
use rescue::virtual_phone::fault::{Fault, Later, ListingFault};
use rescue::virtual_phone::tree::Content;

use crate::desk::{CAMERA, Desk, Ended, camera, generated, refs};

const FOR_EVER: u32 = u32::MAX;
/// A photo that travels in one piece, one in several, and one behind them.
const SIZES: [u64; 3] = [50_000, 400_000, 70_000];

type Expected = Vec<(String, Content, i64)>;

fn path(index: usize) -> String {
    format!("{CAMERA}/{index}.jpg")
}

/// Pulls from a modern and from an old phone whose photo 0 or 1 goes wrong so.
async fn each(fault: Fault, times: u32, check: impl Fn(&Desk, Ended, usize, Expected)) {
    for index in 0..2 {
        for age in [|phone: VirtualPhone| phone, VirtualPhone::of_old] {
            let (phone, expected) = camera(&SIZES);
            let phone = age(phone);
            phone.faults.add(Some(&path(index)), fault.clone(), times);
            let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
            let ended = desk.pull(&serving, &[]).await;
            let asked = serving.times_asked().into_values().max();
            assert!(asked <= Some(3), "{fault:?}: {asked:?}");
            check(&desk, ended, index, expected);
        }
    }
}

fn edited(size: u64, mtime: i64) -> (Later, Content, i64) {
    let content = generated(size, 99);
    let later = Later::File {
        content: content.clone(),
        mtime,
    };
    (later, content, mtime)
}

#[tokio::test]
async fn photo_edited_after_the_listing_comes_as_it_is_now() {
    // Longer and later; and with the same size and time, which only the hash can tell.
    for (later, content, mtime) in [edited(60_000, 1_700_009_999), edited(50_000, 1_700_000_000)] {
        for fault in [
            Fault::ChangeBefore(later.clone()),
            Fault::ChangeAfter(later.clone()),
        ] {
            each(fault.clone(), 1, |desk, ended, index, mut expected| {
                ended.expect(0);
                expected[index].1 = content.clone();
                expected[index].2 = mtime;
                desk.expect_files(&refs(&expected));
            })
            .await;
        }
    }
}

#[tokio::test]
async fn photo_deleted_before_it_was_asked_for_is_listed_as_vanished() {
    for later in [Later::Gone, Later::Folder] {
        each(
            Fault::ChangeBefore(later),
            1,
            |desk, ended, index, mut expected| {
                assert_eq!(ended.expect(3).not_here()[&path(index)], "vanished");
                expected.remove(index);
                desk.expect_files(&refs(&expected));
            },
        )
        .await;
    }
}

#[tokio::test]
async fn photo_deleted_before_its_hash_is_kept_and_said_to_be_unproven() {
    for later in [Later::Gone, Later::Folder] {
        each(
            Fault::ChangeAfter(later),
            1,
            |desk, ended, index, expected| {
                let ended = ended.expect(3);
                assert!(ended.not_here().is_empty(), "{:#?}", ended.lines);
                let unproven = &ended.line("summary")["not_proven"];
                assert_eq!(
                    (&unproven[0]["path"], unproven[1].is_null()),
                    (&path(index).into(), true)
                );
                desk.expect_files(&refs(&expected));
            },
        )
        .await;
    }
}

#[tokio::test]
async fn photo_that_is_forbidden_after_the_listing_is_listed() {
    each(
        Fault::ChangeBefore(Later::Unreadable),
        1,
        |desk, ended, index, mut expected| {
            assert_eq!(
                ended.expect(3).not_here()[&path(index)],
                "permission_denied"
            );
            expected.remove(index);
            desk.expect_files(&refs(&expected));
        },
    )
    .await;
}

#[tokio::test]
async fn photo_that_the_phone_hashes_otherwise_never_stands_under_its_name() {
    each(
        Fault::WrongHash,
        FOR_EVER,
        |desk, ended, index, mut expected| {
            assert_eq!(ended.expect(3).not_here()[&path(index)], "hash_mismatch");
            expected[index].0.push_str(".damaged");
            desk.expect_files(&refs(&expected));
        },
    )
    .await;
}

#[tokio::test]
async fn photo_that_the_phone_cannot_hash_is_kept_and_said_to_be_unproven() {
    each(Fault::NoHash, FOR_EVER, |desk, ended, index, expected| {
        let ended = ended.expect(3);
        assert!(ended.not_here().is_empty(), "{:#?}", ended.lines);
        let unproven = &ended.line("summary")["not_proven"];
        assert_eq!(unproven[0]["path"], path(index).as_str());
        desk.expect_files(&refs(&expected));
    })
    .await;
}

#[tokio::test]
async fn hash_that_fails_once_is_asked_for_again() {
    each(Fault::NoHash, 1, |desk, ended, _, expected| {
        ended.expect(0);
        desk.expect_files(&refs(&expected));
    })
    .await;
}

#[tokio::test]
async fn photo_that_stalls_each_time_is_given_up() {
    let (phone, mut expected) = camera(&SIZES);
    phone
        .faults
        .add(Some(&path(1)), Fault::Stall(10_000), FOR_EVER);
    phone
        .faults
        .add_resumed(Some(&path(1)), Fault::Stall(0), FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[&path(1)], "phone_io");
    expected.remove(1);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn storage_that_lists_without_end_does_not_hang_the_search_for_cards() {
    let (mut phone, expected) = camera(&SIZES);
    let storage = RemotePath::new(b"/storage").unwrap();
    phone.faults.listing = Some(ListingFault::Endless(storage, vec![".bin".into()]));
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn what_failed_and_is_gone_later_is_said_once() {
    let (phone, mut expected) = camera(&[1000, 2000]);
    let path = format!("{CAMERA}/0.jpg");
    let refused = Fault::Refuse("open failed: Permission denied".into());
    phone.faults.add(Some(&path), refused, u32::MAX);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(3);
    // Not asked for is not gone.
    desk.pull(&serving, &["--videos"]).await.expect(1);
    serving.change(&path, &Later::Gone);
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[&path], "vanished");
    // From then on it is history: the phone has nothing that is not here.
    desk.pull(&serving, &[]).await.expect(0);
    expected.remove(0);
    desk.expect_files(&refs(&expected));
}
