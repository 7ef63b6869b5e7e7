//! Folders that the phone does not list as it should: each costs itself, not the others, and is told.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use bytes::Bytes;
use rescue::adb::RemotePath;
use rescue::virtual_phone::VirtualPhone;
use rescue::virtual_phone::fault::{Fault, ListingFault};
use rescue::virtual_phone::tree::Content;

use crate::desk::{CAMERA, Desk, FOREVER, camera, end, generated, kill, refs, until};

const INTERNAL: &str = "/storage/emulated/0";
const FOR_EVER: u32 = u32::MAX;

fn path(text: &str) -> RemotePath {
    RemotePath::new(text.as_bytes()).unwrap()
}

/// A phone with photos in its camera folder and one in a folder beside it, in which something goes
/// wrong; what has to arrive in spite of that.
fn with_bad_folder() -> (VirtualPhone, RemotePath, Vec<(String, Content, i64)>) {
    let (mut phone, expected) = camera(&[50_000, 3_000, 70_000]);
    let bad = format!("{INTERNAL}/Pictures/bad");
    phone
        .tree
        .add_file(&format!("{bad}/x.jpg"), generated(100, 9), 1_700_000_000);
    phone
        .tree
        .add_file(&format!("{bad}/y.jpg"), generated(100, 8), 1_700_000_000);
    (phone, path(&bad), expected)
}

#[tokio::test]
async fn folder_that_never_answers_costs_only_itself() {
    let (mut phone, bad, expected) = with_bad_folder();
    phone.faults.listing = Some(ListingFault::Stall(vec![bad.clone()], 0));
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk
        .pull(&serving, &["--idle-timeout", "1"])
        .await
        .expect(3);
    assert_eq!(ended.not_here()[&bad.to_string()], "phone_io");
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn what_a_folder_lists_before_it_falls_silent_is_taken() {
    let (mut phone, bad, mut expected) = with_bad_folder();
    phone.faults.listing = Some(ListingFault::Stall(vec![bad.clone()], 1));
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk
        .pull(&serving, &["--idle-timeout", "1"])
        .await
        .expect(3);
    assert_eq!(ended.not_here()[&bad.to_string()], "phone_io");
    let local = "internal/Pictures/bad/x.jpg".to_owned();
    expected.push((local, generated(100, 9), 1_700_000_000));
    desk.expect_files(&refs(&expected));
}

/// A few silent folders are left out; one after the other for ever, it is the phone.
#[tokio::test]
async fn silent_folders_are_left_out_until_it_is_the_phone() {
    for (count, code) in [(6, 3), (400, 1)] {
        let (mut phone, expected) = camera(&[50_000]);
        let folder = |n: u32| format!("{INTERNAL}/Pictures/{n}");
        (0..count).for_each(|n| phone.tree.add_folder(&folder(n)));
        let bad = (0..count).map(|n| path(&folder(n))).collect();
        phone.faults.listing = Some(ListingFault::Stall(bad, 0));
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &["--idle-timeout", "1"]).await;
        let ended = ended.expect(code);
        if code == 3 {
            assert_eq!(ended.not_here().len(), 6);
            desk.expect_files(&refs(&expected));
        }
    }
}

#[tokio::test]
async fn folder_that_answers_nonsense_costs_only_itself() {
    for nonsense in [&b"WHAT\0\0\0\0"[..], b"DNT2\xff\xff"] {
        let (mut phone, bad, expected) = with_bad_folder();
        let mut nonsense = nonsense.to_vec();
        nonsense.resize(80, 0xff);
        phone.faults.listing = Some(ListingFault::Nonsense(bad.clone(), Bytes::from(nonsense)));
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk
            .pull(&serving, &["--idle-timeout", "1"])
            .await
            .expect(3);
        let not_here = ended.not_here();
        assert!(not_here.contains_key(&bad.to_string()), "{not_here:?}");
        desk.expect_files(&refs(&expected));
    }
}

#[tokio::test]
async fn cable_pulled_while_a_folder_is_listed_is_waited_for() {
    let (mut phone, bad, mut expected) = with_bad_folder();
    phone.faults.listing = Some(ListingFault::Cut(bad, Arc::new(AtomicU32::new(2))));
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    for (name, seed) in [("x", 9), ("y", 8)] {
        let local = format!("internal/Pictures/bad/{name}.jpg");
        expected.push((local, generated(100, seed), 1_700_000_000));
    }
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn folder_that_kills_the_phone_each_time_costs_only_itself() {
    let (mut phone, bad, expected) = with_bad_folder();
    phone.faults.listing = Some(ListingFault::Cut(
        bad.clone(),
        Arc::new(AtomicU32::new(FOR_EVER)),
    ));
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[&bad.to_string()], "phone_io");
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn cards_that_cannot_be_listed_do_not_keep_internal_storage() {
    let (mut phone, _, _) = with_bad_folder();
    phone.faults.listing = Some(ListingFault::Stall(vec![path("/storage")], 0));
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk
        .pull(&serving, &["--idle-timeout", "1"])
        .await
        .expect(3);
    assert_eq!(ended.not_here()["/storage"], "phone_io");
    assert_eq!(ended.line("summary")["verified"]["files"], 5);
}

/// A card that goes, or whose driver dies, between the question for cards and its listing.
#[tokio::test]
async fn card_that_is_gone_when_it_is_listed_is_told() {
    let (mut phone, expected) = camera(&[50_000]);
    let card = "/storage/1A2B-3C4D";
    let photo = format!("{card}/DCIM/a.jpg");
    phone.tree.add_file(&photo, generated(10, 1), 1_700_000_000);
    phone.faults.listing = Some(ListingFault::Nothing(path(card)));
    let question = format!("test -d '{card}' && echo d; test -r '{card}' && echo r; echo .; ");
    phone.prints.push((question, ".\n".to_owned()));
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[card], "storage_gone");
    desk.expect_files(&refs(&expected));
}

/// Storage that cannot say what some of its names are: photos and folders among them are missed,
/// what nobody would have taken is not.
#[tokio::test]
async fn what_the_phone_lists_with_an_error_is_told_wherever_photos_may_be() {
    let media = ["a.JPG", ".trashed-1-x.mp4", "2019"];
    for (folder, wanted, unwanted) in [
        ("My holidays", &media[..], &["notes.bin", ".thumbnails"][..]),
        (
            "Android",
            &["a.JPG", ".trashed-1-x.mp4", "2019", "data", "obb"],
            &["notes.bin"],
        ),
        ("DCIM", &["a.JPG", "2019", "notes.bin"], &[]),
    ] {
        let (mut phone, expected) = camera(&[50_000]);
        let folder = format!("{INTERNAL}/{folder}");
        phone.tree.add_folder(&folder);
        let names = wanted.iter().chain(unwanted);
        let names = names.map(|name| Bytes::from_static(name.as_bytes()));
        phone.faults.listing = Some(ListingFault::Errors(path(&folder), names.collect()));
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await.expect(3);
        let wanted = wanted.iter();
        let wanted = wanted.map(|name| (format!("{folder}/{name}"), "phone_io".to_owned()));
        assert_eq!(ended.not_here(), wanted.collect());
        desk.expect_files(&refs(&expected));
    }
}

#[tokio::test]
async fn more_cards_than_a_phone_has_are_told_and_not_walked() {
    let (mut phone, mut expected) = camera(&[1000]);
    for card in 0..40 {
        let file = format!("/storage/0000-{card:04}/DCIM/a.jpg");
        phone
            .tree
            .add_file(&file, generated(10, card), 1_700_000_000);
        if card < 32 {
            let local = format!("sd-0000-{card:04}/DCIM/a.jpg");
            expected.push((local, generated(10, card), 1_700_000_000));
        }
    }
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here().len(), 1);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn name_that_is_too_long_costs_itself_and_not_its_folder() {
    for length in [1023, 1025, 40_000] {
        let (mut phone, expected) = camera(&[50_000, 3_000]);
        let long = Bytes::from(vec![b'x'; length]);
        phone.faults.listing = Some(ListingFault::Names(path(CAMERA), vec![long]));
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await.expect(3);
        let not_here = ended.not_here();
        assert_eq!(not_here.len(), 1, "{not_here:?}");
        assert_eq!(not_here[CAMERA], "name_refused");
        desk.expect_files(&refs(&expected));
    }
}

#[tokio::test]
async fn folder_that_holds_itself_comes_once() {
    let (mut phone, expected) = camera(&[50_000, 70_000]);
    phone.faults.listing = Some(ListingFault::Loop(path(CAMERA)));
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[&format!("{CAMERA}/again")], "other");
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn folder_of_which_the_phone_tells_nothing_is_told() {
    let (mut phone, bad, expected) = with_bad_folder();
    phone.faults.listing = Some(ListingFault::Nothing(bad.clone()));
    // A shell that can be asked nothing.
    phone.missing_programs = vec!["test".to_owned(), "echo".to_owned()];
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[&bad.to_string()], "refused");
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn restarted_phone_is_waited_for_until_its_storage_opens() {
    let (phone, expected) = camera(&[50_000, 9_000_000, 70_000]);
    let fault = Fault::Restart(2_000_000, Some(Duration::from_secs(2)));
    phone.faults.add(Some(&format!("{CAMERA}/1.jpg")), fault, 1);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &["--wait", "30"]).await.expect(0);
    let mut waits = ended.lines.iter().filter(|line| line["type"] == "waiting");
    assert!(waits.any(|line| line["what"] == "storage"));
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn restarted_phone_that_stays_locked_ends_the_run_and_not_its_files() {
    let (phone, expected) = camera(&[50_000, 9_000_000, 70_000]);
    let fault = Fault::Restart(2_000_000, None);
    phone.faults.add(Some(&format!("{CAMERA}/1.jpg")), fault, 1);
    let faults = phone.faults.clone();
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &["--wait", "2"]).await.expect(13);
    assert!(
        ended.message().contains("storage is not"),
        "{}",
        ended.message()
    );
    assert_eq!(ended.line("summary")["failed"]["files"], 0);
    faults.mend();
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn storage_that_hangs_ends_the_run_and_not_one_file_after_the_other() {
    let (phone, expected) = camera(&[1_000_000; 40]);
    let fault = Fault::HangStorage(500_000);
    phone
        .faults
        .add(Some(&format!("{CAMERA}/30.jpg")), fault, 1);
    let faults = phone.faults.clone();
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk
        .pull(&serving, &["--idle-timeout", "2", "--wait", "3"])
        .await
        .expect(1);
    assert_eq!(ended.line("summary")["failed"]["files"], 0);
    faults.mend();
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn ctrl_c_is_heard_while_a_phone_that_fell_silent_is_asked_about_what_failed() {
    let (phone, _) = camera(&[1000; 40]);
    let refused = Fault::Refuse("open failed: Permission denied".into());
    for index in 1..40 {
        let file = format!("{CAMERA}/{index}.jpg");
        phone.faults.add(Some(&file), refused.clone(), 1);
    }
    phone.faults.stall_stats();
    let faults = phone.faults.clone();
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let child = desk.start_pull(&serving, &["--idle-timeout", FOREVER]);
    let id = child.id();
    until("it is asked", || faults.stalled_stats() > 0).await;
    kill(id, "INT");
    end(child).await.expect(130);
}
