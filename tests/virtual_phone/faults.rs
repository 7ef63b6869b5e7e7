//! What goes wrong on the phone or on the way: nothing wrong under a real name, no hang, the right
//! exit code.

use bytes::Bytes;
use rescue::adb::RemotePath;
use rescue::adb::features::{Feature, Features};
use rescue::virtual_phone::fault::{Fault, Hello, ListingFault};
use rescue::virtual_phone::wire::{After, Break};

use crate::desk::{CAMERA, Desk, camera, files_below, generated, read_all, refs};

const FOR_EVER: u32 = u32::MAX;
/// A small photo, one that travels in pieces, and a small one behind it.
const SIZES: [u64; 3] = [50_000, 3_000_000, 70_000];

/// The photo that the fault strikes.
fn path(index: usize) -> String {
    format!("{CAMERA}/{index}.jpg")
}

async fn once(index: usize, fault: Fault) {
    let (phone, expected) = camera(&SIZES);
    phone.faults.add(Some(&path(index)), fault.clone(), 1);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await;
    assert_eq!(
        ended.code, 0,
        "{fault:?}: {:#?}\n{}",
        ended.lines, ended.stderr
    );
    desk.expect_files(&refs(&expected));
}

async fn always(index: usize, fault: Fault, code: &str) {
    let (phone, mut expected) = camera(&SIZES);
    phone
        .faults
        .add(Some(&path(index)), fault.clone(), FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await;
    assert_eq!(
        ended.code, 3,
        "{fault:?}: {:#?}\n{}",
        ended.lines, ended.stderr
    );
    assert_eq!(ended.not_here()[&path(index)], code, "{fault:?}");
    expected.remove(index);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn refusal_that_passes_is_tried_again() {
    once(0, Fault::Refuse("open failed: Permission denied".into())).await;
}

#[tokio::test]
async fn refusal_that_stays_is_listed() {
    always(
        1,
        Fault::Refuse("open failed: Permission denied".into()),
        "permission_denied",
    )
    .await;
}

#[tokio::test]
async fn stall_in_a_small_file_costs_only_time() {
    once(0, Fault::Stall(1000)).await;
}

#[tokio::test]
async fn stall_in_a_large_file_costs_only_time() {
    once(1, Fault::Stall(1_000_000)).await;
}

#[tokio::test]
async fn cable_pulled_in_a_small_file_is_waited_for() {
    once(0, Fault::Cut(1000)).await;
}

#[tokio::test]
async fn cable_pulled_in_a_large_file_is_waited_for() {
    once(1, Fault::Cut(2_000_000)).await;
}

#[tokio::test]
async fn file_that_kills_the_phone_each_time_is_given_up_and_the_rest_is_safe() {
    always(0, Fault::Cut(1000), "phone_gone").await;
}

#[tokio::test]
async fn stream_that_ends_in_the_middle_is_renewed() {
    once(1, Fault::EndStream(500_000)).await;
}

#[tokio::test]
async fn sync_stream_that_always_ends_in_the_middle_is_got_around() {
    got_around(1, Fault::EndStream(500_000)).await;
    got_around(0, Fault::EndStream(0)).await;
}

#[tokio::test]
async fn every_stream_that_ends_before_the_first_byte_is_given_up() {
    let (phone, mut expected) = camera(&SIZES);
    phone
        .faults
        .add(Some(&path(0)), Fault::EndStream(0), FOR_EVER);
    phone
        .faults
        .add_resumed(Some(&path(0)), Fault::EndStream(0), FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[&path(0)], "phone_io");
    expected.remove(0);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn read_error_that_passes_is_tried_again() {
    once(1, Fault::ReadError(1_500_000)).await;
}

#[tokio::test]
async fn read_error_of_the_sync_service_alone_is_got_around() {
    got_around(1, Fault::ReadError(1_500_000)).await;
}

/// The sync service fails each time; the phone's shell reads the file.
async fn got_around(index: usize, fault: Fault) {
    let (phone, expected) = camera(&SIZES);
    phone.faults.add(Some(&path(index)), fault, FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(ended.line("summary")["verified"]["files"], 3);
    desk.expect_files(&refs(&expected));
}

/// Checks what is kept of the second photo, of which these bytes cannot be read.
#[track_caller]
fn expect_salvaged(desk: &Desk, bad: &[std::ops::Range<usize>]) {
    let below = desk.folder().join("data/internal/DCIM/Camera");
    let mut wanted = read_all(&generated(SIZES[1], 1));
    for bad in bad {
        wanted[bad.clone()].fill(0);
    }
    let kept = std::fs::read(below.join("1.jpg.damaged")).unwrap();
    assert!(kept == wanted, "not all that could be read");
    let note = std::fs::read_to_string(below.join("1.jpg.damaged.txt")).unwrap();
    for bad in bad {
        let line = format!(
            "bytes {} to {} ({} bytes)\n",
            bad.start,
            bad.end - 1,
            bad.len()
        );
        assert!(note.contains(&line), "{note}");
    }
    assert!(!below.join("1.jpg").exists());
}

#[tokio::test]
async fn what_lies_around_bad_blocks_is_kept_and_the_bad_blocks_are_told() {
    let (phone, expected) = camera(&SIZES);
    let bad = [
        (8192, 12_288),
        (1_000_000, 1_700_001),
        (2_999_999, 3_000_000),
    ];
    let fault = Fault::BadBlocks(bad.to_vec());
    phone.faults.add(Some(&path(1)), fault, FOR_EVER);
    let faults = phone.faults.clone();
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[&path(1)], "phone_io");
    let damaged = ended.line("damaged");
    assert_eq!(damaged["local"], "internal/DCIM/Camera/1.jpg.damaged");
    // A byte that cannot be read costs its block, not more; but what comes before it is there.
    let lost = [8192..12_288, 1_000_000..1_703_936, 2_999_999..3_000_000];
    assert_eq!(
        damaged["missing_bytes"],
        lost.iter().map(|lost| lost.len()).sum::<usize>()
    );
    expect_salvaged(&desk, &lost);
    desk.expect_sound();
    let folder = desk.folder().to_str().unwrap().to_owned();
    desk.run(&["--json", "verify", &folder]).await.expect(0);
    let status = desk.run(&["--json", "status", &folder]).await.expect(3);
    assert_eq!(status.line("status")["damaged"]["files"], 1);

    // Worse: what was kept stays.
    faults.mend();
    let worse = Fault::BadBlocks(vec![(1_000_000, 2_500_000)]);
    faults.add(Some(&path(1)), worse, FOR_EVER);
    desk.pull(&serving, &[]).await.expect(3);
    expect_salvaged(&desk, &lost);
    desk.expect_sound();

    // An older program told people alone how much is missing: nobody can say which copy is the better one.
    let catalogue = rusqlite::Connection::open(desk.folder().join("rescue.db")).unwrap();
    catalogue
        .execute("UPDATE companion SET missing_bytes = NULL", [])
        .unwrap();
    drop(catalogue);
    desk.pull(&serving, &[]).await.expect(3);
    expect_salvaged(&desk, &lost);
    let there = files_below(&desk.folder().join("data"));
    let kept = there.keys().filter(|name| name.contains(".damaged"));
    assert_eq!(kept.count(), 4, "two copies and their notes: {there:?}");
    desk.expect_sound();

    // Well again: what was kept goes.
    faults.mend();
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn file_of_which_nothing_can_be_read_is_listed() {
    always(1, Fault::BadBlocks(vec![(0, 3_000_000)]), "phone_io").await;
}

#[tokio::test]
async fn bit_flipped_on_the_way_is_noticed_and_fetched_again() {
    once(0, Fault::FlipBit(49_999)).await;
    once(1, Fault::FlipBit(2_999_999)).await;
}

#[tokio::test]
async fn bit_always_flipped_never_stands_under_the_real_name() {
    let (phone, mut expected) = camera(&SIZES);
    phone
        .faults
        .add(Some(&path(0)), Fault::FlipBit(7), FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here()[&path(0)], "hash_mismatch");
    assert_eq!(ended.line("summary")["damaged"]["files"], 1);
    let files = files_below(&desk.folder().join("data"));
    assert!(
        !files.contains_key("internal/DCIM/Camera/0.jpg"),
        "{files:?}"
    );
    assert!(
        files.contains_key("internal/DCIM/Camera/0.jpg.damaged"),
        "{files:?}"
    );
    desk.expect_sound();
    // Once the phone is well again, the damaged copy makes way for the real file.
    let (phone, _) = camera(&SIZES);
    let serving = phone.serve().await.unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn too_many_bytes_are_not_taken() {
    once(0, Fault::SendMore(5)).await;
    always(1, Fault::SendMore(5), "changed_while_read").await;
}

#[tokio::test]
async fn too_few_bytes_are_not_taken() {
    once(1, Fault::SendLess(5)).await;
    always(0, Fault::SendLess(5), "changed_while_read").await;
}

#[tokio::test]
async fn file_that_vanishes_is_listed() {
    always(0, Fault::Vanish, "vanished").await;
}

#[tokio::test]
async fn size_listed_wrongly_once_is_asked_for_again() {
    once(0, Fault::ListedSize(49_000)).await;
    once(1, Fault::ListedSize(3_000_001)).await;
}

#[tokio::test]
async fn wrong_hash_once_is_asked_for_again() {
    once(0, Fault::WrongHash).await;
}

#[tokio::test]
async fn nonsense_in_place_of_one_files_data_costs_only_that_file() {
    for nonsense in [
        &b"WHAT\0\0\0\0"[..],
        b"DATA\xff\xff\xff\xff",
        b"FAIL\xff\xff\xff\x7f",
        b"DENT",
    ] {
        let fault = Fault::Nonsense(Bytes::from_static(nonsense));
        got_around(0, fault.clone()).await;
        let (phone, mut expected) = camera(&SIZES);
        phone.faults.add(Some(&path(0)), fault, FOR_EVER);
        let fault = Fault::Nonsense(Bytes::from_static(b"\x09\xff\xff\xff\xff"));
        phone.faults.add_resumed(Some(&path(0)), fault, FOR_EVER);
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await.expect(3);
        assert_eq!(ended.not_here()[&path(0)], "phone_io", "{nonsense:?}");
        expected.remove(0);
        desk.expect_files(&refs(&expected));
    }
}

#[tokio::test]
async fn phone_that_says_hello_badly_is_named_in_time() {
    for (hello, words) in [
        (Hello::HangUp, "no phone answered at"),
        (
            Hello::Nonsense(Bytes::from_static(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
            "no phone answered at",
        ),
        (
            Hello::Nonsense(Bytes::from(vec![0xff; 5000])),
            "no phone answered at",
        ),
    ] {
        let (phone, _) = camera(&SIZES);
        phone.faults.set_hello(hello.clone(), FOR_EVER);
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await.expect(10);
        assert!(
            ended.message().contains(words),
            "{hello:?}: {}",
            ended.message()
        );
    }
}

#[tokio::test]
async fn silent_phone_is_named_in_time() {
    let (phone, _) = camera(&SIZES);
    phone.faults.set_hello(Hello::Silence, FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(10);
    assert!(
        ended.message().contains("no phone answered at"),
        "{}",
        ended.message()
    );
}

#[tokio::test]
async fn folders_without_end_come_to_one() {
    let (mut phone, expected) = camera(&SIZES);
    phone.faults.listing = Some(ListingFault::EndlessDepth);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    // The phone's paths end at 1,024 bytes: the deepest name cannot be taken, and is listed.
    desk.pull(&serving, &[]).await.expect(3);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn link_loops_and_pipes_are_left_alone() {
    use rescue::virtual_phone::tree::NodeKind;
    let (mut phone, expected) = camera(&SIZES);
    let folder = RemotePath::new(CAMERA.as_bytes()).unwrap();
    phone.tree.add_raw(
        format!("{CAMERA}/loop").as_bytes(),
        NodeKind::Link(folder),
        0,
    );
    phone
        .tree
        .add_raw(format!("{CAMERA}/pipe.jpg").as_bytes(), NodeKind::Pipe, 0);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn phones_of_every_age_are_read() {
    for (features, max_payload) in [
        (Features::default(), 4096),
        (
            Features::default()
                .with(Feature::ShellV2)
                .with(Feature::StatV2),
            256 * 1024,
        ),
        (Features::all().without(Feature::DelayedAck), 1024 * 1024),
        (Features::all(), 1024 * 1024),
        (Features::all(), 4096),
    ] {
        let (mut phone, expected) = camera(&[0, 1, 4096, 65_536, 300_000, 9_000_000]);
        (phone.features, phone.max_payload) = (features, max_payload);
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await;
        assert_eq!(
            ended.code, 0,
            "{features:?}: {:#?}\n{}",
            ended.lines, ended.stderr
        );
        assert_eq!(
            ended.line("summary")["verification"],
            "complete",
            "{features:?}"
        );
        desk.expect_files(&refs(&expected));
    }
}

#[tokio::test]
async fn phone_without_sha256_proves_by_what_it_has_and_the_result_says_so() {
    for (missing, proof) in [
        (&["sha256sum"][..], "sha1"),
        (&["sha256sum", "sha1sum"], "md5"),
        (&["sha256sum", "sha1sum", "md5sum"], "size"),
    ] {
        let (mut phone, expected) = camera(&SIZES);
        phone.missing_programs = missing.iter().map(ToString::to_string).collect();
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await.expect(0);
        let proofs = ended.lines.iter().filter(|line| line["type"] == "verified");
        assert!(
            proofs.clone().count() == 3 && proofs.clone().all(|line| line["proof"] == proof),
            "{proof}"
        );
        let by_size = if proof == "size" { 3 } else { 0 };
        assert_eq!(ended.line("summary")["verified_by_size"]["files"], by_size);
        desk.expect_files(&refs(&expected));
    }
}

#[tokio::test]
async fn storage_that_is_not_there_is_named() {
    use rescue::virtual_phone::{VirtualPhone, tree::Tree};
    let mut phone = VirtualPhone::new("TEST0001");
    phone.tree = Tree::default();
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(1);
    assert!(
        ended.message().contains("no storage"),
        "{}",
        ended.message()
    );
}

#[tokio::test]
async fn phone_locked_since_its_start_is_named() {
    use rescue::virtual_phone::{VirtualPhone, tree::Tree};
    let mut phone = VirtualPhone::new("TEST0001");
    phone.tree = Tree::default();
    phone.set_property("sys.user.0.ce_available", "false");
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(13);
    assert!(
        ended.message().contains("not been unlocked"),
        "{}",
        ended.message()
    );
}

#[tokio::test]
async fn file_above_four_gib_comes_whole_from_a_phone_that_tells_small_sizes() {
    use rescue::virtual_phone::tree::Content;
    let (mut phone, _) = camera(&[]);
    phone = phone.of_old();
    phone.max_payload = 1024 * 1024;
    // Hashed by size only: a debug build would hash for a minute.
    phone.missing_programs = ["sha256sum", "sha1sum", "md5sum"].map(String::from).into();
    let size = (1 << 32) + 5;
    phone.tree.add_file(
        &format!("{CAMERA}/long.mp4"),
        Content::Zeros { size },
        1_700_000_000,
    );
    phone
        .tree
        .add_file(&format!("{CAMERA}/a.jpg"), generated(10, 1), 1_700_000_000);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    let long = desk.folder().join("data/internal/DCIM/Camera/long.mp4");
    assert_eq!(std::fs::metadata(long).unwrap().len(), size);
}

/// Many small photos, of which the first in every order is the one that goes wrong.
fn many() -> (
    rescue::virtual_phone::VirtualPhone,
    Vec<(String, rescue::virtual_phone::tree::Content, i64)>,
) {
    camera(&[1000; 60])
}

#[tokio::test]
async fn file_that_kills_the_phone_before_its_first_byte_does_not_keep_the_others() {
    let (phone, mut expected) = many();
    for index in [59, 58, 30] {
        phone
            .faults
            .add(Some(&path(index)), Fault::Cut(0), FOR_EVER);
        expected.remove(index);
    }
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here().len(), 3, "{:?}", ended.not_here());
    assert_eq!(ended.line("summary")["verified"]["files"], 57);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn file_that_cannot_be_hashed_without_a_hang_does_not_keep_the_others_unproven() {
    let (phone, expected) = many();
    phone
        .faults
        .add(Some(&path(59)), Fault::StallHash, FOR_EVER);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk
        .pull(&serving, &["--idle-timeout", "1"])
        .await
        .expect(3);
    let summary = ended.line("summary");
    assert_eq!(summary["verified"]["files"], 59);
    assert_eq!(summary["not_proven"][0]["path"], path(59));
    desk.expect_files(&refs(&expected));
}

/// Large enough for the phone to hash it while it comes.
const LARGE: [u64; 2] = [24 * 1024 * 1024, 50_000];

#[tokio::test]
async fn hash_of_a_coming_file_that_differs_is_asked_for_again_and_the_file_is_not() {
    for fault in [Fault::WrongHash, Fault::NoHash] {
        // Alone: a file that is here and waits for its proof comes before one that is coming.
        let (phone, expected) = camera(&[2 * LARGE[0]]);
        phone.faults.add(Some(&path(0)), fault.clone(), 1);
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await.expect(0);
        assert_eq!(ended.line("summary")["verified"]["files"], 1, "{fault:?}");
        let asked = serving.times_asked();
        assert!(
            asked.values().all(|times| *times == 1),
            "{fault:?}: {asked:?}"
        );
        desk.expect_files(&refs(&expected));
    }
}

#[tokio::test]
async fn connection_lost_while_a_coming_file_is_hashed_costs_only_time() {
    for fault in [Fault::Cut(20_000_000), Fault::EndStream(20_000_000)] {
        let (phone, expected) = camera(&LARGE);
        phone.faults.add(Some(&path(0)), fault.clone(), 1);
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await.expect(0);
        assert_eq!(ended.line("summary")["verified"]["files"], 2, "{fault:?}");
        desk.expect_files(&refs(&expected));
    }
}

#[tokio::test]
async fn only_copy_is_kept_when_the_phone_hashes_it_otherwise_and_reads_it_no_more() {
    let (phone, mut expected) = camera(&SIZES);
    let faults = phone.faults.clone();
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &["--no-verify"]).await.expect(0);
    desk.expect_files(&refs(&expected));
    faults.add(Some(&path(0)), Fault::WrongHash, FOR_EVER);
    faults.add(
        Some(&path(0)),
        Fault::BadBlocks(vec![(0, u64::MAX)]),
        FOR_EVER,
    );
    desk.pull(&serving, &[]).await.expect(3);
    expected[0].0.push_str(".damaged");
    desk.expect_files(&refs(&expected));
    // The phone recovers: the copy goes once a proven one is here.
    faults.mend();
    desk.pull(&serving, &[]).await.expect(0);
    let (_, expected) = camera(&SIZES);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn what_this_disk_does_not_take_is_no_success() {
    let (mut phone, _) = many();
    let beside = "/storage/emulated/0/Notes/a.jpg";
    phone.tree.add_file(beside, generated(10, 1), 1_700_000_000);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &["--include", "Notes/**"])
        .await
        .expect(0);
    std::fs::create_dir_all(desk.folder().join("data/internal")).unwrap();
    std::fs::write(desk.folder().join("data/internal/DCIM"), "in the way").unwrap();
    let ended = desk.pull(&serving, &[]).await.expect(3);
    assert_eq!(ended.not_here().len(), 60);
    std::fs::remove_file(desk.folder().join("data/internal/DCIM")).unwrap();
    desk.pull(&serving, &[]).await.expect(0);
}

#[tokio::test]
async fn connection_lost_while_much_waits_for_its_proof_leaves_nothing_unproven() {
    for bytes in [20_000, 60_000, 75_000] {
        let (phone, expected) = many();
        phone.faults.break_wire(After::Bytes(bytes), Break::Cut, 1);
        let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
        let ended = desk.pull(&serving, &[]).await.expect(0);
        assert_eq!(ended.line("summary")["verified"]["files"], 60, "{bytes}");
        desk.expect_files(&refs(&expected));
    }
}
