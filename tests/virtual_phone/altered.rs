//! What becomes of the rescue folder between two runs, and that no proof outlives its bytes.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rescue::adb::RemotePath;
use rescue::virtual_phone::Serving;
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

/// A run that stalls in a file which an earlier run asked for.
async fn stalled_again(desk: &Desk, serving: &Serving, index: usize) -> Child {
    let child = desk.start_pull(serving, &["--idle-timeout", "50"]);
    let file = RemotePath::new(path(index).as_bytes()).unwrap();
    until("the stall", || {
        serving.times_asked().get(&file).copied() == Some(2)
    })
    .await;
    child
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
    // A run that is stopped commits all that it may.
    kill(id, "INT");
    end(child).await.expect(130);
    assert!(!local(&desk, "0.jpg").exists());
    let patient = ["--idle-timeout", "20", "--wait", "20"];
    desk.pull(&serving, &patient).await.expect(0);
    desk.expect_files(&[("internal/DCIM/Camera/0.jpg", content, 1_700_000_000)]);
    is_intact(&desk).await;
}

/// A dying phone: what came whole before stays, whatever it says or fails to say later.
#[tokio::test]
async fn whole_copy_is_never_given_up_for_one_with_gaps() {
    for first in [Fault::NoHash, Fault::WrongHash] {
        let (phone, expected) = camera(&[50_000]);
        let faults = phone.faults.clone();
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        desk.pull(&serving, &["--no-verify"]).await.expect(0);
        faults.add(Some(&path(0)), first.clone(), FOR_EVER);
        let bad = Fault::BadBlocks(vec![(8192, 12_288)]);
        faults.add(Some(&path(0)), bad, FOR_EVER);
        for _ in 0..2 {
            desk.pull(&serving, &[]).await.expect(3);
            let files = files_below(&desk.folder().join("data"));
            let whole = expected[0].1.read(0, 50_000);
            let is_whole = |file: &&PathBuf| fs::read(file).unwrap() == whole;
            assert!(
                files.values().any(|file| is_whole(&file)),
                "{first:?}: {files:?}"
            );
            desk.expect_sound();
        }
    }
}

#[tokio::test]
async fn first_copy_that_the_phone_contradicts_outlives_the_later_ones() {
    let (phone, expected) = camera(&[50_000]);
    for fault in [
        Fault::WrongHash,
        Fault::SendMore(0),
        Fault::FlipBit(100),
        Fault::FlipBit(200),
    ] {
        phone.faults.add(Some(&path(0)), fault, 1);
    }
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(3);
    let files = files_below(&desk.folder().join("data"));
    assert_eq!(files.len(), 2, "{files:?}");
    let first = expected[0].1.read(0, 50_000);
    assert!(files.values().any(|file| fs::read(file).unwrap() == first));
    desk.expect_sound();
}

#[tokio::test]
async fn photo_that_is_put_back_after_a_vain_pull_is_known_again() {
    let (phone, expected) = camera(&[1000, 2000]);
    let faults = phone.faults.clone();
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let elsewhere = desk.dir.path().join("elsewhere");
    fs::rename(local(&desk, "0.jpg"), &elsewhere).unwrap();
    let refuse = Fault::Refuse("Permission denied".to_owned());
    faults.add(Some(&path(0)), refuse, FOR_EVER);
    desk.pull(&serving, &[]).await.expect(3);
    fs::rename(&elsewhere, local(&desk, "0.jpg")).unwrap();
    faults.mend();
    serving.forget_sent();
    desk.pull(&serving, &[]).await.expect(0);
    assert!(serving.sent_bytes().is_empty());
    desk.expect_files(&refs(&expected));
    is_intact(&desk).await;
}

/// The catalogue is kept, the data folder does not answer: nothing is taken for lost.
#[tokio::test]
async fn folder_that_does_not_answer_costs_no_record() {
    use std::os::unix::fs::PermissionsExt as _;
    let (phone, expected) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let closed = desk.folder().join("data/internal/DCIM");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o0)).unwrap();
    let is_closed = fs::read_dir(&closed).is_err();
    let ended = desk.pull(&serving, &[]).await;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    // Root reads it all the same.
    ended.expect(if is_closed { 1 } else { 0 });
    desk.expect_files(&refs(&expected));
    serving.forget_sent();
    desk.pull(&serving, &[]).await.expect(0);
    assert!(serving.sent_bytes().is_empty());
    is_intact(&desk).await;
}

#[tokio::test]
async fn card_that_is_taken_out_is_not_taken_for_deleted_photos() {
    let (mut phone, _) = camera(&[1000]);
    let card = "/storage/1A2B-3C4D";
    for index in 0..3 {
        let path = format!("{card}/DCIM/{index}.jpg");
        phone
            .tree
            .add_file(&path, generated(5000, index), 1_700_000_000);
    }
    let refuse = Fault::Refuse("Permission denied".to_owned());
    phone
        .faults
        .add(Some(&format!("{card}/DCIM/2.jpg")), refuse, FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(3);
    drop(serving);
    let serving = camera(&[1000]).0.serve().await.unwrap();
    for _ in 0..2 {
        let ended = desk.pull(&serving, &[]).await.expect(3);
        let missing = ended.not_here();
        assert_eq!(missing[&format!("{card}/DCIM/2.jpg")], "storage_gone");
        assert_eq!(missing.len(), 1);
    }
}

#[tokio::test]
async fn proof_by_size_alone_is_made_good_when_the_phone_can_hash_again() {
    let (phone, expected) = camera(&[1000, 50_000]);
    let faults = phone.faults.clone();
    faults.add(Some("/dev/null"), Fault::NoHash, FOR_EVER);
    faults.add(Some(&path(1)), Fault::FlipBit(5), 1);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(ended.line("summary")["verified_by_size"]["files"], 2);
    let folder = desk.folder().display().to_string();
    let status = desk.run(&["--json", "status", &folder]).await.expect(0);
    assert_eq!(status.line("status")["verified_by_size"]["files"], 2);
    faults.mend();
    let ended = desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(ended.line("summary")["verified_by_sha256"]["files"], 2);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn hash_program_that_fails_for_a_moment_is_asked_again() {
    let (phone, _) = camera(&[1000]);
    phone.faults.add(Some("/dev/null"), Fault::NoHash, 2);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(ended.line("summary")["verified_by_sha256"]["files"], 1);
}

#[tokio::test]
async fn hash_program_that_never_answers_costs_the_proof_and_not_the_photos() {
    let (phone, expected) = camera(&[1000, 2000]);
    phone
        .faults
        .add(Some("/dev/null"), Fault::StallHash, FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk
        .pull(&serving, &["--idle-timeout", "1"])
        .await
        .expect(0);
    assert_eq!(ended.line("summary")["verified_by_size"]["files"], 2);
    desk.expect_files(&refs(&expected));
}

/// What a killed run left in the place of an item that it had not recorded.
#[tokio::test]
async fn what_stands_in_a_planned_place_on_no_record_is_moved_aside() {
    let (phone, expected) = camera(&[1000, 2000]);
    let faults = phone.faults.clone();
    let refuse = Fault::Refuse("Permission denied".to_owned());
    faults.add(Some(&path(0)), refuse, FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(3);
    fs::write(local(&desk, "0.jpg"), b"of a killed run").unwrap();
    faults.mend();
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
    let aside = desk.folder().join("set-aside/internal/DCIM/Camera/0.jpg");
    assert_eq!(fs::read(aside).unwrap(), b"of a killed run");
    is_intact(&desk).await;
}

/// A run that is stopped between a damaged item's new plan and its proof.
#[tokio::test]
async fn damaged_copy_goes_also_when_runs_were_stopped_in_between() {
    let (phone, expected) = camera(&[50_000, 60_000]);
    let faults = phone.faults.clone();
    let bad = Fault::BadBlocks(vec![(8192, 12_288)]);
    faults.add(Some(&path(0)), bad, FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(3);
    let later = Later::File {
        content: generated(70_000, 7),
        mtime: 1_700_000_777,
    };
    serving.change(&path(1), &later);
    faults.add(Some(&path(1)), Fault::Stall(10), FOR_EVER);
    let child = stalled_again(&desk, &serving, 1).await;
    kill(child.id(), "KILL");
    end(child).await;
    faults.mend();
    desk.pull(&serving, &[]).await.expect(0);
    let files = files_below(&desk.folder().join("data"));
    let damaged = files.keys().filter(|name| name.contains("damaged"));
    assert_eq!(damaged.count(), 0, "{files:?}");
    assert_eq!(files.len(), expected.len() + 1);
    is_intact(&desk).await;
}

/// The phone's file is another one now, and the run that found it out is killed before it has it.
#[tokio::test]
async fn what_an_earlier_run_pulled_outlives_a_killed_run_and_its_successor() {
    let (phone, expected) = camera(&[50_000]);
    let faults = phone.faults.clone();
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &["--no-verify"]).await.expect(0);
    let (content, mtime) = (generated(50_000, 4711), expected[0].2);
    let later = Later::File {
        content: content.clone(),
        mtime,
    };
    serving.change(&path(0), &later);
    faults.add(Some(&path(0)), Fault::Stall(10), FOR_EVER);
    let child = stalled_again(&desk, &serving, 0).await;
    until("the older bytes beside their place", || {
        local(&desk, "0.jpg.damaged").exists()
    })
    .await;
    kill(child.id(), "KILL");
    end(child).await;
    faults.mend();
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&[("internal/DCIM/Camera/0.jpg", content, mtime)]);
    let older = expected[0].1.read(0, 50_000);
    let aside = files_below(&desk.folder().join("set-aside"));
    assert!(aside.values().any(|file| fs::read(file).unwrap() == older));
    is_intact(&desk).await;
}

#[tokio::test]
async fn photo_put_back_after_it_was_deleted_on_the_phone_is_known_again() {
    let (phone, expected) = camera(&[1000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let elsewhere = desk.dir.path().join("elsewhere");
    fs::rename(local(&desk, "0.jpg"), &elsewhere).unwrap();
    serving.change(&path(0), &Later::Gone);
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[&path(0)], "vanished");
    fs::rename(&elsewhere, local(&desk, "0.jpg")).unwrap();
    let ended = desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(ended.line("summary")["pulled"]["files"], 1);
    assert_eq!(ended.line("summary")["failed"]["files"], 0);
    desk.expect_files(&refs(&expected));
    let folder = desk.folder().display().to_string();
    desk.run(&["--json", "verify", &folder]).await.expect(0);
}

/// Somebody puts a pipe in the place of the note about a damaged photo: it is not waited for.
#[tokio::test]
async fn pipe_in_place_of_a_note_hangs_nothing() {
    let (phone, _) = camera(&[50_000, 1000]);
    let faults = phone.faults.clone();
    let bad = Fault::BadBlocks(vec![(8192, 12_288)]);
    faults.add(Some(&path(0)), bad, FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(3);
    let note = local(&desk, "0.jpg.damaged.txt");
    fs::remove_file(&note).unwrap();
    let made = Command::new("mkfifo").arg(&note).status();
    assert!(made.unwrap().success());
    faults.mend();
    let refuse = Fault::Refuse("Permission denied".to_owned());
    faults.add(Some(&path(0)), refuse, FOR_EVER);
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[&path(0)], "permission_denied");
}

/// The disk goes when everything is on it but the manifest.
#[tokio::test]
async fn disk_that_goes_before_the_manifest_is_written_is_named() {
    let (phone, _) = camera(&[50_000]);
    phone.faults.add(Some(&path(0)), Fault::StallHash, 1);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let child = desk.start_pull(&serving, &[]);
    until("the photo", || local(&desk, "0.jpg").exists()).await;
    // As an unmounted disk does, the catalogue that is open goes on to work.
    let (elsewhere, empty) = (
        desk.dir.path().join("elsewhere"),
        desk.dir.path().join("empty"),
    );
    fs::create_dir(&empty).unwrap();
    fs::hard_link(desk.folder().join("rescue.db"), empty.join("rescue.db")).unwrap();
    fs::rename(desk.folder(), &elsewhere).unwrap();
    fs::rename(&empty, desk.folder()).unwrap();
    let ended = end(child).await.expect(1);
    assert!(ended.message().contains("is gone"), "{}", ended.message());
    fs::remove_dir_all(desk.folder()).unwrap();
    fs::rename(&elsewhere, desk.folder()).unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    is_intact(&desk).await;
}

/// A limit on the size of files, at which the system ends whoever does not ask it not to.
#[tokio::test]
async fn file_above_the_limit_of_this_user_costs_only_itself() {
    let (phone, mut expected) = camera(&[1000, 3_000_000, 2000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let pull = desk.pull_command(&serving, &[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 2048 && exec \"$@\"", "sh"]);
    limited.arg(pull.get_program()).args(pull.get_args());
    limited.env_clear().current_dir(desk.dir.path());
    limited.env("HOME", desk.dir.path().join("home"));
    limited.stdin(Stdio::null());
    limited.stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = end(limited.spawn().unwrap()).await.expect(3);
    assert_eq!(ended.not_here()[&path(1)], "name_refused");
    let big = expected.remove(1);
    desk.expect_files(&refs(&expected));
    desk.pull(&serving, &[]).await.expect(0);
    expected.push(big);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn catalogue_that_is_removed_under_a_run_is_no_success() {
    let (phone, expected) = camera(&[50_000]);
    phone.faults.add(Some(&path(0)), Fault::StallHash, 1);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let child = desk.start_pull(&serving, &[]);
    until("the photo", || local(&desk, "0.jpg").exists()).await;
    fs::remove_file(desk.folder().join("rescue.db")).unwrap();
    let ended = end(child).await.expect(1);
    assert!(ended.message().contains("catalogue"), "{}", ended.message());
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
    is_intact(&desk).await;
}
