//! Two people whose phones gave their files the same names.

use std::collections::BTreeMap;
use std::process::Child;

use crate::desk::{Desk, Ended, photo};
use crate::gate::Gate;

/// Files of each.
pub(crate) const FILES: usize = 6;

/// What is to happen to the first of the two at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It goes on.
    GoesOn,
    /// It is killed, and comes again when the other one is through.
    IsKilled,
}

/// A file that is sent in several requests, where a service takes it so.
pub(crate) const LARGE: usize = 9_000_000;

/// Files with names of this year, whose bytes are one person's; the last one as large as told.
pub(crate) fn files(year: usize, person: usize, large: usize) -> Vec<(String, Vec<u8>)> {
    let of = |nth: usize, size: usize| {
        let name = format!("internal/DCIM/Camera/IMG_{year:04}0102_{nth:06}.jpg");
        (name, photo(year * 1000 + person * 100 + nth, size))
    };
    let mut files: Vec<_> = (1..FILES).map(|nth| of(nth, 20_000)).collect();
    files.push(of(FILES, large));
    files
}

/// As `rescue upload --by-date`.
pub(crate) const ARGUMENTS: [&str; 6] =
    ["upload", "rescued", "--to", "there", "--json", "--by-date"];

/// Sends at both desks, the first one held at a gate; both are told that all is there. Where one
/// may have to wait for the other, the second one comes again.
#[track_caller]
pub(crate) fn send(desks: [&Desk; 2], gate: &Gate, then: Then, may_wait: bool) {
    let [first, second] = desks;
    let mut child = first.start(&ARGUMENTS);
    let reading = drain(&mut child);
    gate.is_reached(|| child.try_wait().unwrap().is_some());
    // Not for so long that the first one, which waits for it, gives its connection up.
    let tries: &[&str] = if may_wait { &["--tries", "1"] } else { &[] };
    let early = second.run(&[&ARGUMENTS[..], tries].concat());
    let has_to_wait = may_wait && early.code != 0;
    if !has_to_wait {
        early.expect(0);
    }
    if then == Then::IsKilled {
        let _ = child.kill();
    }
    gate.open();
    let ended = ended(child, reading);
    match then {
        Then::GoesOn => drop(ended.expect(0)),
        Then::IsKilled => drop(first.run(&ARGUMENTS).expect(0)),
    }
    if has_to_wait {
        second.run(&ARGUMENTS).expect(0);
    }
}

/// Everything of both is there, and both are told so when they ask.
#[track_caller]
pub(crate) fn nothing_is_lost(desks: [&Desk; 2], there: &BTreeMap<String, Vec<u8>>, what: &str) {
    for (person, desk) in desks.into_iter().enumerate() {
        for (name, bytes) in desk.tree("rescued/data") {
            let is_there = there.values().any(|found| *found == bytes);
            assert!(
                is_there,
                "{what}: {name} of {person} is lost: {:?}",
                there.keys()
            );
        }
        let checked = desk.upload("there", &["--check", "--by-date"]).expect(0);
        assert_eq!(checked.line("upload_checked")["there"], FILES, "{what}");
    }
}

type Reading = std::thread::JoinHandle<Vec<u8>>;

/// A pipe that nobody reads would stop the program.
fn drain(child: &mut Child) -> (Reading, Reading) {
    fn read(mut pipe: impl std::io::Read + Send + 'static) -> Reading {
        std::thread::spawn(move || {
            let mut said = Vec::new();
            pipe.read_to_end(&mut said).unwrap();
            said
        })
    }
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    (read(out), read(err))
}

fn ended(child: Child, (out, err): (Reading, Reading)) -> Ended {
    let mut output = child.wait_with_output().unwrap();
    (output.stdout, output.stderr) = (out.join().unwrap(), err.join().unwrap());
    Ended::of(output)
}

/// At which of so many steps the first one is held, and what happens then: all of them over many
/// rounds, the same in each run.
pub(crate) fn rounds(steps: usize) -> Vec<(usize, Then)> {
    let count = match std::env::var_os("RESCUE_TEST_LONG") {
        Some(_) => 20,
        None => 4,
    };
    let rounds = (0..count).map(|round| {
        let then = match round % 2 {
            0 => Then::GoesOn,
            _ => Then::IsKilled,
        };
        (1 + steps * (2 * round + 1) / (2 * count), then)
    });
    rounds.collect()
}
