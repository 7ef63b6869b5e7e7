//! What the progress counts, and how it reads.

use super::*;
use crate::adb::RemotePath;
use crate::folder::Proof;
use crate::folder::upload::UploadReason;
use crate::names::LocalPath;

fn planned() -> Progress {
    planned_with(2, 0)
}

fn planned_with(items: u64, unproven_items: u64) -> Progress {
    let style = Style {
        json: false,
        quiet: false,
        color: false,
    };
    let mut progress = Progress::new(style, ProgressForm::Plain);
    progress.add_up(
        None,
        &Event::Planned {
            folder: String::new(),
            items,
            bytes: items * 1_000_000_000,
            done_items: 0,
            done_bytes: 0,
            unproven_items,
        },
    );
    progress
}

#[test]
fn no_more_files_are_verified_than_are_counted_beside_them() {
    let path = || RemotePath::new(b"/sdcard/a.jpg").unwrap();
    let local = || LocalPath::new("a.jpg").unwrap();
    let verified = || Event::Verified {
        path: path(),
        proof: Proof::Sha256,
        size: 1,
    };
    let pulled = || Event::Pulled {
        path: path(),
        local: local(),
        size: 1,
    };
    let files = |progress: &mut Progress| {
        let parts = progress.parts(progress.started);
        parts.get(parts.len() - 2..).unwrap().join(", ")
    };
    // Three files wait for their proof since the run before.
    let mut progress = planned_with(2, 3);
    assert_eq!(files(&mut progress), "3/5 files, 0 verified");
    for _ in 0..3 {
        progress.add_up(None, &verified());
    }
    assert_eq!(files(&mut progress), "3/5 files, 3 verified");
    // One of the two others comes with wrong bytes first.
    for event in [pulled(), pulled(), pulled(), verified(), verified()] {
        progress.add_up(None, &event);
    }
    assert_eq!(files(&mut progress), "5/5 files, 5 verified");

    let mut progress = planned_with(0, 3);
    progress.add_up(None, &verified());
    assert_eq!(
        progress.parts(progress.started).join(", "),
        "100%, comparing hashes, 3/3 files, 1 verified"
    );
}

#[test]
fn rate_is_told_also_where_lines_are_further_apart_than_its_window() {
    let mut progress = planned();
    let mut now = progress.started;
    for _ in 0..3 {
        now += RATE_WINDOW + Duration::from_secs(1);
        progress.add_up(None, &Event::Received { bytes: 500_000_000 });
        let words = progress.parts(now).join(", ");
        assert!(!words.contains(" 0 B/s"), "{words}");
        assert!(words.contains(" left,"), "{words}");
    }
}

#[test]
fn time_of_waiting_is_not_that_of_the_transfer() {
    let mut progress = planned();
    progress.started -= Duration::from_secs(1000);
    progress.samples = [(progress.started, 0)].into();
    progress.add_up(None, &Event::Received { bytes: 500_000_000 });
    let waiting = Event::Waiting {
        what: crate::event::Wait::Phone,
        seconds: 120,
        why: None,
    };
    progress.note_wait(None, &waiting);
    let words = progress.parts(Instant::now()).join(", ");
    assert_eq!(words, "25%, 500.0 MB of 2.0 GB, 0/2 files, 0 verified");
    progress.note_wait(None, &Event::PhoneBack { after_seconds: 900 });
    let now = progress.started + Duration::from_secs(5);
    progress.add_up(None, &Event::Received { bytes: 500_000_000 });
    let words = progress.parts(now).join(", ");
    let moving = "50%, 1.0 GB of 2.0 GB, 100.0 MB/s, 10 s left, 0/2 files, 0 verified";
    assert_eq!(words, moving);
}

#[test]
fn nothing_is_left_and_no_rate_is_told_while_hashes_are_compared() {
    let mut progress = planned();
    let now = progress.started + Duration::from_secs(5);
    progress.add_up(
        None,
        &Event::Received {
            bytes: 2_000_000_000,
        },
    );
    let words = progress.parts(now).join(", ");
    let comparing = "100%, 2.0 GB of 2.0 GB, comparing hashes, 0/2 files, 0 verified";
    assert_eq!(words, comparing);
}

#[test]
fn files_with_one_cause_are_counted_after_the_first() {
    let mut progress = planned();
    let failed = |number: u64, message: &str| Event::UploadFailed {
        source: format!("{number}.jpg"),
        reason: UploadReason::Refused,
        message: message.to_owned(),
    };
    let told = (0..100).filter(|number| progress.is_told(&failed(*number, "a link")));
    assert_eq!(told.count() as u64, TOLD_FILES);
    assert!(progress.is_told(&failed(100, "another cause")));
    assert_eq!(progress.causes[&("Failed", "a link".to_owned())], 100);
    progress.end();
    assert!(progress.is_told(&failed(101, "a link")));
}
