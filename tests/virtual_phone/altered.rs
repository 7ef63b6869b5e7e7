//! What becomes of the rescue folder between two runs, and that no proof outlives its bytes.

use std::fs;
use std::path::PathBuf;

use rescue::virtual_phone::fault::{Fault, Later};
use rescue::virtual_phone::tree::Content;

use crate::desk::{CAMERA, Desk, camera, end, files_below, generated, kill, refs, until};

const FOR_EVER: u32 = u32::MAX;

fn path(index: usize) -> String {
    format!("{CAMERA}/{index}.jpg")
}

fn local(desk: &Desk, name: &str) -> PathBuf {
    desk.folder().join("data/internal/DCIM/Camera").join(name)
}

async fn is_intact(desk: &Desk) {
    let folder = desk.folder().display().to_string();
    desk.run(&["--json", "verify", &folder]).await.expect(0);
    desk.run(&["--json", "status", &folder]).await.expect(0);
}

#[tokio::test]
async fn bytes_that_changed_here_before_their_proof_are_not_called_verified() {
    let (phone, expected) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &["--no-verify"]).await.expect(0);
    fs::write(local(&desk, "0.jpg"), vec![b'x'; 1000]).unwrap();
    let ended = desk.pull(&serving, &[]).await.expect(0);
    let told = ended.line("set_aside");
    assert_eq!(told["local"], "internal/DCIM/Camera/0.jpg");
    let aside = desk.folder().join(told["to"].as_str().unwrap());
    assert_eq!(fs::read(aside).unwrap(), vec![b'x'; 1000]);
    desk.expect_files(&refs(&expected));
    is_intact(&desk).await;
}

#[tokio::test]
async fn photo_cut_short_here_is_replaced_under_its_own_name_and_kept_aside() {
    let (phone, expected) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    fs::write(local(&desk, "1.jpg"), b"cut").unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
    let aside = desk.folder().join("set-aside/internal/DCIM/Camera/1.jpg");
    assert_eq!(fs::read(aside).unwrap(), b"cut");
    is_intact(&desk).await;
}

#[tokio::test]
async fn photo_lost_here_and_on_the_phone_is_no_success() {
    let (phone, _) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    fs::remove_file(local(&desk, "0.jpg")).unwrap();
    serving.change(&path(0), &Later::Gone);
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[&path(0)], "vanished");
    let folder = desk.folder().display().to_string();
    let status = desk.run(&["--json", "status", &folder]).await.expect(3);
    assert_eq!(status.line("status")["failed"]["files"], 1);
}

/// A file of the phone that is called as what is kept of a damaged one, with the same bytes.
#[tokio::test]
async fn what_is_kept_of_a_damaged_photo_is_never_taken_for_another_file() {
    let (phone, _) = camera(&[50_000]);
    phone
        .faults
        .add(Some(&path(0)), Fault::FlipBit(7), FOR_EVER);
    let desk = Desk::new();
    let serving = phone.serve().await.unwrap();
    desk.pull(&serving, &[]).await.expect(3);
    let kept = fs::read(local(&desk, "0.jpg.damaged")).unwrap();
    drop(serving);
    let copy = desk.dir.path().join("copy");
    fs::write(&copy, &kept).unwrap();
    let (mut phone, _) = camera(&[50_000]);
    phone.tree.add_file(
        &format!("{CAMERA}/0.jpg.damaged"),
        Content::OnDisk {
            path: copy,
            size: 50_000,
        },
        1_700_000_000,
    );
    let serving = phone.serve().await.unwrap();
    desk.pull(&serving, &["--all"]).await.expect(0);
    let files = files_below(&desk.folder().join("data"));
    assert_eq!(files.len(), 2, "{files:?}");
    let twins = files
        .values()
        .filter(|file| fs::read(file).unwrap() == kept);
    assert_eq!(twins.count(), 1);
    desk.expect_sound();
    is_intact(&desk).await;
}

/// Somebody moves what was kept away, and the phone goes on failing in the same way.
#[tokio::test]
async fn new_damaged_copy_is_kept_when_the_old_one_was_moved_away() {
    for fault in [Fault::FlipBit(7), Fault::BadBlocks(vec![(8192, 12_288)])] {
        let (phone, _) = camera(&[50_000]);
        phone.faults.add(Some(&path(0)), fault.clone(), FOR_EVER);
        let faults = phone.faults.clone();
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        desk.pull(&serving, &[]).await.expect(3);
        let mine = desk.dir.path().join("mine");
        fs::rename(local(&desk, "0.jpg.damaged"), mine).unwrap();
        if let Fault::BadBlocks(_) = fault {
            // Better than what is on record, so that it takes its place.
            faults.mend();
            let better = Fault::BadBlocks(vec![(8192, 9000)]);
            faults.add(Some(&path(0)), better, FOR_EVER);
        }
        let ended = desk.pull(&serving, &[]).await.expect(3);
        let kept = ended.line("damaged")["local"].as_str().unwrap().to_owned();
        let kept = fs::metadata(desk.folder().join("data").join(&kept)).unwrap();
        assert_eq!(kept.len(), 50_000, "{fault:?}");
        desk.expect_sound();
    }
}

/// The beginning came from one file, the rest from another with the same size and time.
#[tokio::test]
async fn file_of_two_connections_has_no_name_before_its_proof() {
    const BIG: u64 = 30_000_000;
    let (phone, _) = camera(&[BIG]);
    phone.faults.add(None, Fault::Stall(20_000_000), 1);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let child = desk.start_pull(&serving, &["--idle-timeout", "50"]);
    let id = child.id();
    let held = || {
        let files = fs::read_dir(desk.folder().join(".partial")).into_iter();
        let sizes = files.flatten().flatten().flat_map(|file| file.metadata());
        sizes.map(|file| file.len()).max().unwrap_or(0)
    };
    until("the big file", || held() >= 15_000_000).await;
    kill(id, "KILL");
    end(child).await;
    drop(serving);
    let (mut phone, _) = camera(&[]);
    let content = generated(BIG, 4711);
    phone
        .tree
        .add_file(&path(0), content.clone(), 1_700_000_000);
    phone.faults.add(Some(&path(0)), Fault::StallHash, 1);
    let serving = phone.serve().await.unwrap();
    let child = desk.start_pull(&serving, &["--idle-timeout", "50"]);
    let id = child.id();
    until("the whole file", || held() == BIG).await;
    // Time enough for a group commit, were there one.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert!(!local(&desk, "0.jpg").exists());
    kill(id, "KILL");
    end(child).await;
    assert!(!local(&desk, "0.jpg").exists());
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&[("internal/DCIM/Camera/0.jpg", content, 1_700_000_000)]);
    is_intact(&desk).await;
}
