//! Two people who send files of the same names to one place of a service that is played here:
//! whenever one of them is held or killed, nothing of anybody's is lost.

use std::collections::BTreeMap;

use super::clouds::desk_with;
use super::dav::{Dav, Fault, Manners, TRIED};
use super::desk::{Desk, FIRST, photo};
use super::dropbox::Dropbox;
use super::gate::Gate;
use super::google::Google;
use super::onedrive::OneDrive;
use super::pair::{self, ARGUMENTS};
use super::stand::{Service, Stand};
use crate::support::wait::wait_for;

const TOP: &str = "Google-Pixel-7-LAB1";

/// Plays all rounds on a service that a desk with a remote and a gate leads to.
fn rounds(
    desk: impl Fn() -> Desk,
    set_gate: impl Fn(Gate),
    files: impl Fn() -> BTreeMap<String, Vec<u8>>,
) {
    let desks = |year: usize| {
        [1, 2].map(|person| {
            let desk = desk();
            desk.rescue(&pair::files(year, person, pair::LARGE));
            desk
        })
    };
    let [alone, _] = desks(1999);
    let gate = Gate::default();
    set_gate(gate.clone());
    alone.run(&ARGUMENTS).expect(0);
    for (round, (step, then)) in pair::rounds(gate.steps()).into_iter().enumerate() {
        let year = 2001 + round;
        let [first, second] = desks(year);
        let gate = Gate::holding_at(step);
        set_gate(gate.clone());
        pair::send([&first, &second], &gate, then, false);
        let mut there = files();
        there.retain(|name, _| name.contains(&format!("{year}/")));
        pair::nothing_is_lost([&first, &second], &there, &format!("step {step}, {then:?}"));
        let left: Vec<_> = there
            .keys()
            .filter(|name| name.contains("rescue"))
            .collect();
        assert!(
            left.is_empty(),
            "step {step}, {then:?}: left there: {left:?}"
        );
    }
}

fn cloud<S: Service + Default>(kind: &str) {
    let stand = Stand::start(S::default(), |_, _| None);
    rounds(
        || desk_with(kind, &stand),
        |gate| stand.set_gate(gate),
        || stand.files(),
    );
    stand.nothing_wrong();
}

fn dav(manners: Manners) {
    let dav = Dav::with(manners);
    let desk = || {
        let desk = Desk::new();
        desk.run(&["remote", "add", "there", "webdav", &dav.url()])
            .expect(0);
        desk
    };
    rounds(desk, |gate| dav.set_gate(gate), || dav.files());
}

#[test]
fn two_people_on_google_drive_lose_nothing() {
    cloud::<Google>("google-drive");
}

#[test]
fn two_people_on_dropbox_lose_nothing() {
    cloud::<Dropbox>("dropbox");
}

#[test]
fn two_people_on_onedrive_lose_nothing() {
    cloud::<OneDrive>("onedrive");
}

#[test]
fn two_people_on_webdav_that_moves_without_overwriting_lose_nothing() {
    dav(Manners::default());
}

#[test]
fn two_people_on_webdav_that_heeds_the_condition_only_lose_nothing() {
    dav(Manners {
        moves: false,
        heeds_condition: true,
        ..Manners::default()
    });
}

#[test]
fn two_people_on_webdav_that_writes_over_everything_lose_nothing() {
    for moves in [true, false] {
        dav(Manners {
            moves,
            heeds_overwrite: false,
            ..Manners::default()
        });
    }
}

/// Servers that are told the same thing several times at once may end with a note that they say is
/// not there (`rclone serve s3` does): it would make longer names for others for a month.
#[test]
fn folder_gets_one_note_however_many_files_are_sent_at_once() {
    let dav = Dav::with(Manners {
        moves: false,
        heeds_overwrite: false,
        ..Manners::default()
    });
    let desk = Desk::new();
    desk.run(&["remote", "add", "dav", "webdav", &dav.url()])
        .expect(0);
    desk.rescue_photos(24);
    desk.upload("dav", &["--parallel", "12"]).expect(0);
    assert_eq!(dav.requests_for("PUT", ".rescue-note"), 1);
    assert_eq!(dav.requests_for("DELETE", ".rescue-note"), 1);
    // To see what is there, once more after the note, and for the receipts.
    assert_eq!(dav.requests_for("PROPFIND", "DCIM/Camera"), 3);
}

/// The catalogue says *sending*, which is no proof of anything.
#[test]
fn file_of_somebody_else_where_a_killed_run_was_sending_survives() {
    for manners in [
        Manners::default(),
        Manners {
            moves: false,
            ..Manners::default()
        },
    ] {
        let dav = Dav::start(|method, _, before| {
            (method == "PUT" && before > TRIED + 1).then_some(Fault::Hang)
        });
        dav.set_manners(manners);
        let desk = Desk::new();
        desk.run(&["remote", "add", "dav", "webdav", &dav.url()])
            .expect(0);
        desk.rescue_photos(4);
        let mut child = desk.start(&["upload", "rescued", "--to", "dav", "--parallel", "1"]);
        wait_for("a part arrives", || dav.requests("PUT") >= TRIED + 3);
        child.kill().unwrap();
        child.wait().unwrap();
        // As large as ours, a part of ours, and something else.
        let other = Dav::with(manners);
        for (nth, bytes) in [photo(77, 20_000), photo(78, 9_999), Vec::new()]
            .into_iter()
            .enumerate()
        {
            let name = FIRST.replace("000001", &format!("{:06}", nth + 2));
            other.put(&format!("{TOP}/{name}"), bytes);
        }
        let theirs = other.files();
        for (path, bytes) in &theirs {
            dav.put(path, bytes.clone());
        }
        dav.heal();
        desk.upload("dav", &[]).expect(0);
        let there = dav.files();
        for (path, bytes) in theirs {
            assert!(
                there[&path] == bytes,
                "{manners:?}: {path} was written over"
            );
        }
        for (name, bytes) in desk.tree("rescued/data") {
            let is_there = there.values().any(|found| *found == bytes);
            assert!(
                is_there,
                "{manners:?}: {name} is not there: {:?}",
                there.keys()
            );
        }
    }
}
