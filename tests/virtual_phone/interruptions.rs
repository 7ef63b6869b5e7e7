//! Runs that are cut short: what was safe stays safe and is not sent again.

use rescue::adb::RemotePath;
use rescue::virtual_phone::fault::Fault;

use crate::desk::{CAMERA, Desk, FOREVER, camera, end, files_below, generated, kill, refs, until};

const BIG: u64 = 30_000_000;

fn remote(index: usize) -> RemotePath {
    RemotePath::new(format!("{CAMERA}/{index}.jpg").as_bytes()).unwrap()
}

#[tokio::test]
async fn second_run_sends_nothing() {
    let (phone, expected) = camera(&[1000, 2_000_000, 0]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    serving.forget_sent();
    let ended = desk.pull(&serving, &[]).await.expect(0);
    assert!(serving.sent_bytes().is_empty());
    assert_eq!(ended.line("planned")["done_items"], 3);
    desk.expect_files(&refs(&expected));
}

/// The bytes held of the largest file under way.
fn held(desk: &Desk) -> u64 {
    let files = std::fs::read_dir(desk.folder().join(".partial"))
        .into_iter()
        .flatten()
        .flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.len())
        .max()
        .unwrap_or(0)
}

/// Stops a run in the middle of a big file, and finishes it with another.
async fn stopped_by(signal: &str, code: i32) {
    let (phone, expected) = camera(&[50_000, BIG, 60_000]);
    // The big file waits at two thirds, so that the signal strikes in its middle.
    phone.faults.add(
        Some(&format!("{CAMERA}/1.jpg")),
        Fault::Stall(20_000_000),
        1,
    );
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let child = desk.start_pull(&serving, &["--idle-timeout", "50"]);
    let id = child.id();
    let sent = || serving.sent_bytes().get(&remote(1)).copied().unwrap_or(0);
    until("the big file", || {
        sent() >= 20_000_000 && held(&desk) >= 15_000_000
    })
    .await;
    kill(id, signal);
    let ended = end(child).await;
    assert_eq!(ended.code, code, "{:#?}\n{}", ended.lines, ended.stderr);
    // Whatever was safe is still right; a run that was killed has not written the manifest.
    let folder = desk.folder().to_str().unwrap().to_owned();
    let ended = desk.run(&["--json", "verify", &folder]).await;
    let ended = ended.expect(if code == -1 { 3 } else { 0 });
    assert_eq!(ended.line("verified")["rescue_complete"], false);
    let ended = desk.run(&["--json", "status", &folder]).await.expect(3);
    let surveyed = ended.line("status")["surveyed"].as_array().unwrap();
    let looked_at = |one: &&serde_json::Value| one["kind"] == "looked_at";
    assert!(surveyed.iter().any(|one| looked_at(&one)), "{surveyed:?}");
    serving.forget_sent();
    desk.pull(&serving, &[]).await.expect(0);
    assert!(sent() < BIG / 3 * 2, "{} sent again", sent());
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn ctrl_c_in_a_big_file_is_clean_and_the_next_run_goes_on_in_its_middle() {
    stopped_by("INT", 130).await;
}

#[tokio::test]
async fn kill_in_a_big_file_loses_nothing_and_the_next_run_goes_on_in_its_middle() {
    stopped_by("KILL", -1).await;
}

/// Each round writes where the one before has its file: what is found wrong is out of the way first.
#[tokio::test]
async fn begun_file_that_proves_wrong_comes_again_and_nothing_of_it_is_left() {
    for _ in 0..3 {
        let (phone, expected) = camera(&[BIG]);
        let stall = Fault::Stall(20_000_000);
        phone.faults.add(Some(&format!("{CAMERA}/0.jpg")), stall, 1);
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let child = desk.start_pull(&serving, &["--idle-timeout", "50"]);
        let id = child.id();
        until("the big file", || held(&desk) >= 15_000_000).await;
        kill(id, "KILL");
        end(child).await;
        let part = desk.folder().join(".partial/1");
        let part = std::fs::File::options().write(true).open(part).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&part, b"altered", 1_000_000).unwrap();
        desk.pull(&serving, &[]).await.expect(0);
        desk.expect_files(&refs(&expected));
    }
}

#[tokio::test]
async fn ctrl_c_while_the_phone_hashes_is_not_waited_for() {
    let (phone, expected) = camera(&[50_000]);
    phone
        .faults
        .add(Some(&format!("{CAMERA}/0.jpg")), Fault::StallHash, 1);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let child = desk.start_pull(&serving, &["--idle-timeout", FOREVER]);
    let id = child.id();
    let photo = desk.folder().join("data/internal/DCIM/Camera/0.jpg");
    until("the photo in its place", || photo.exists()).await;
    kill(id, "INT");
    let ended = end(child).await.expect(130);
    assert_eq!(ended.line("summary")["pulled"]["files"], 1);
    let ended = desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(ended.line("planned")["unproven_items"], 1);
    assert_eq!(ended.line("summary")["verified"]["files"], 1);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn hash_program_that_hangs_is_asked_again() {
    let (phone, expected) = camera(&[50_000]);
    phone
        .faults
        .add(Some(&format!("{CAMERA}/0.jpg")), Fault::StallHash, 1);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn big_file_that_changed_since_it_was_begun_starts_over() {
    let (phone, _) = camera(&[BIG]);
    phone.faults.add(None, Fault::Stall(20_000_000), 1);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let child = desk.start_pull(&serving, &["--idle-timeout", "50"]);
    let id = child.id();
    until("the big file", || held(&desk) >= 15_000_000).await;
    kill(id, "KILL");
    end(child).await;
    drop(serving);
    // Other bytes under the same name, size and time: only the hash can tell.
    let (mut phone, _) = camera(&[]);
    let content = generated(BIG, 4711);
    phone
        .tree
        .add_file(&format!("{CAMERA}/0.jpg"), content.clone(), 1_700_000_000);
    let serving = phone.serve().await.unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&[("internal/DCIM/Camera/0.jpg", content, 1_700_000_000)]);
}

#[tokio::test]
async fn phone_that_does_not_come_back_is_named_and_the_next_run_finishes() {
    let (phone, expected) = camera(&[50_000, BIG, 60_000]);
    phone
        .faults
        .add(Some(&format!("{CAMERA}/1.jpg")), Fault::Stall(1_000_000), 1);
    let (desk, serving) = (Desk::new(), phone.clone().serve().await.unwrap());
    let child = desk.start_pull(&serving, &["--wait", "1"]);
    until("the big file", || {
        serving.sent_bytes().contains_key(&remote(1))
    })
    .await;
    // What is under its name by then is recorded before the run ends, or it is asked for again.
    let camera = desk.folder().join("data/internal/DCIM/Camera");
    let are_here = || {
        ["0.jpg", "2.jpg"]
            .iter()
            .all(|name| camera.join(name).exists())
    };
    until("the small files", are_here).await;
    let address = serving.address();
    drop(serving);
    let ended = end(child).await.expect(1);
    assert!(
        ended.message().contains("went away") || ended.message().contains("answer"),
        "{}",
        ended.message()
    );
    let serving = phone.serve().await.unwrap();
    assert_ne!(serving.address(), address);
    desk.pull(&serving, &[]).await.expect(0);
    let sent = serving.sent_bytes();
    assert!(
        !sent.contains_key(&remote(0)) && !sent.contains_key(&remote(2)),
        "{sent:?}"
    );
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn second_rescue_on_the_same_folder_is_told_to_wait() {
    let (phone, _) = camera(&[BIG]);
    phone.faults.add(None, Fault::Stall(1_000_000), 1);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let child = desk.start_pull(&serving, &["--idle-timeout", "50"]);
    let id = child.id();
    until("the big file", || {
        serving.sent_bytes().contains_key(&remote(0))
    })
    .await;
    let ended = desk.pull(&serving, &[]).await.expect(1);
    assert!(
        ended.message().contains("another rescue works on"),
        "{}",
        ended.message()
    );
    // Who only wants to know how far it is may look, and disturbs nobody.
    let status = desk.run(&["--json", "status", "rescued"]).await.expect(3);
    let told = status.line("status");
    assert_eq!(told["under_way"], true, "{told}");
    assert_eq!(told["planned"]["files"], 1, "{told}");
    assert_eq!(told["last_run"]["ended"], serde_json::Value::Null, "{told}");
    let shown = desk.command(&["status", "rescued"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("A pull is under way since "), "{shown}");
    assert!(!shown.contains("plug the phone in"), "{shown}");
    kill(id, "INT");
    end(child).await.expect(130);
}

#[tokio::test]
async fn run_stopped_on_a_slow_link_has_the_newest_and_no_others() {
    const STOP_AT: usize = 40;
    // Every tenth is as large as a short video, or a picture of a good camera.
    let size = |index: usize| {
        if index.is_multiple_of(10) {
            4_500_000
        } else {
            50_000
        }
    };
    let sizes: Vec<u64> = (0..400).map(size).collect();
    for rate in [4_000_000, 40_000_000] {
        let (mut phone, _) = camera(&sizes);
        phone.rate = Some(rate);
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let child = desk.start_pull(&serving, &["--idle-timeout", "50"]);
        let camera = desk.folder().join("data/internal/DCIM/Camera");
        let here = || std::fs::read_dir(&camera).map_or(0, Iterator::count);
        until("some photos", || here() >= STOP_AT).await;
        kill(child.id(), "INT");
        end(child).await.expect(130);
        let names = files_below(&camera).into_keys();
        let index = |name: String| name.trim_end_matches(".jpg").parse::<usize>().unwrap();
        let oldest = names.map(index).min().unwrap();
        let missing = sizes.len() - oldest - here();
        assert!(
            missing <= 8,
            "{missing} newer than {oldest} are missing at {rate}"
        );
    }
}
