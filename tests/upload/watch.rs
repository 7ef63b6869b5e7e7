//! `--watch` and `--then-upload`: what a pull brings goes on by itself.

use std::fs;
use std::process::Child;
use std::time::Duration;

use crate::dav::{Dav, Fault};
use crate::desk::{Desk, Ended, photo};
use crate::hostile::desk_with;
use crate::support::wait::wait_for;

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[test]
fn each_new_pull_is_sent_until_ctrl_c() {
    let desk = Desk::new();
    fs::create_dir(desk.path("disk")).unwrap();
    desk.run(&["remote", "add", "disk", "folder", "disk"])
        .expect(0);
    // Before there is anything to send.
    let mut child = desk.start(&[
        "upload", "rescued", "--to", "disk", "--into", "phone", "--watch", "--json",
    ]);
    std::thread::sleep(Duration::from_millis(300));
    desk.rescue_photos(3);
    wait_for("the first pull is not sent", || {
        desk.tree("disk").len() == 3
    });
    assert!(child.try_wait().unwrap().is_none(), "it ended");
    wait_for("the folder stays in use", || {
        rescue::folder::Folder::open(&desk.path("rescued")).is_ok()
    });
    let more = [("internal/DCIM/Camera/new.jpg".to_owned(), photo(77, 500))];
    desk.rescue(&more);
    wait_for("the second pull is not sent", || {
        desk.tree("disk")
            .contains_key("phone/internal/DCIM/Camera/new.jpg")
    });
    // Its receipts are written when the folder is free again.
    wait_for("the folder stays in use", || {
        rescue::folder::Folder::open(&desk.path("rescued")).is_ok()
    });
    interrupt(&child);
    let ended = Ended::of(child.wait_with_output().unwrap()).expect(0);
    assert!(!ended.all.contains("stopped"), "{}", ended.all);
    let sent: u64 = ended
        .lines
        .iter()
        .filter(|line| line["type"] == "upload_summary")
        .map(|line| line["sent"].as_u64().unwrap())
        .sum();
    assert_eq!(sent, 4, "{}", ended.all);
}

#[test]
fn service_that_is_full_or_busy_for_a_time_does_not_end_the_watching() {
    // The first is told once and stops a run; the others are as many as it takes to stop one.
    for (status, times) in [(507, 1), (503, 16)] {
        let dav = Dav::start(move |method, _, before| {
            (method == "PUT" && before < times).then_some(Fault::Answer(status, None))
        });
        let desk = desk_with(&dav, 20);
        let mut child = desk.start(&[
            "upload",
            "rescued",
            "--to",
            "dav",
            "--watch",
            "--json",
            "--tries",
            "1",
            "--parallel",
            "1",
        ]);
        wait_for("it is not tried again", || dav.files().len() == 20);
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        wait_for("the folder stays in use", || {
            rescue::folder::Folder::open(&desk.path("rescued")).is_ok()
        });
        interrupt(&child);
        let ended = Ended::of(child.wait_with_output().unwrap()).expect(0);
        assert!(!ended.all.contains("stopped"), "{}", ended.all);
        assert!(ended.count("upload_planned") >= 2, "{}", ended.all);
        let status = desk.run(&["status", "rescued"]).all;
        assert!(status.contains("Backup complete"), "{status}");
    }
}
