//! Runs of `rescue` that are killed, cut, starved and lied to, many times over, at moments and in
//! combinations that a printed seed chooses. After each, what stands under a real name is compared
//! with the phone's file; then a plain run has to complete the folder.
//!
//! ```text
//! cargo test --release --test torture                        a few of each (tests/run)
//! cargo test --release --test torture -- --long              as many as CONTRIBUTING.md says
//! cargo test --release --test torture -- faults --seed 17 --tries 1     one again
//! ```
//!
//! Needs what tests/peers/install makes, and root. Prints a table of what was tried, what was
//! lost (missing after the plain run), wrong (a real name over other bytes) and hung; fails when
//! any of these, or anything else that a try found, is not nought.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]
#![expect(clippy::print_stdout, reason = "the table is what this is run for")]

// What the tests with real peers stand on, too; each uses some of it.
#[path = "../peers/adb.rs"]
#[allow(dead_code, reason = "used by the tests of peers")]
mod adb;
#[path = "../peers/cable.rs"]
#[allow(dead_code, reason = "used by the tests of peers")]
mod cable;
#[path = "../peers/desk.rs"]
#[allow(dead_code, reason = "used by the tests of peers")]
mod desk;
#[path = "../peers/phone.rs"]
#[allow(dead_code, reason = "used by the tests of peers")]
mod phone;
#[path = "../peers/rescue.rs"]
#[allow(dead_code, reason = "used by the tests of peers")]
mod rescue;
#[path = "../peers/tree.rs"]
#[allow(dead_code, reason = "used by the tests of peers")]
mod tree;

mod cuts;
mod disks;
mod faults;
mod kills;
mod power;
mod report;
mod rng;
mod scene;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use power::filesystem;
use report::{Row, Try};

/// A way to torture: what it is called, its tries in the short and in the long form, how many run
/// at once, and what makes a worker that does one try per seed.
struct Way {
    name: &'static str,
    short: u64,
    long: u64,
    at_once: usize,
    worker: fn() -> Box<dyn FnMut(u64) -> Try>,
}

impl Way {
    /// Whether it has this name, or is one of several that begin with it, as `power`.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.name.split('-').next() == Some(name)
    }
}

const WAYS: [Way; 12] = [
    Way {
        name: "kills",
        short: 8,
        long: 300,
        at_once: 2,
        worker: kills::worker,
    },
    Way {
        name: "cuts",
        short: 10,
        long: 300,
        at_once: 2,
        worker: cuts::worker,
    },
    Way {
        name: "faults",
        short: 40,
        long: 2000,
        at_once: 6,
        worker: faults::worker,
    },
    Way {
        name: "disks",
        short: 6,
        long: 100,
        at_once: 2,
        worker: disks::worker,
    },
    Way {
        name: "power-ext4",
        short: 8,
        long: 300,
        at_once: 2,
        worker: || power::cuts::worker(&filesystem::EXT4_ORDERED),
    },
    Way {
        name: "power-ext4-writeback",
        short: 8,
        long: 300,
        at_once: 2,
        worker: || power::cuts::worker(&filesystem::EXT4_WRITEBACK),
    },
    Way {
        name: "power-xfs",
        short: 8,
        long: 300,
        at_once: 2,
        worker: || power::cuts::worker(&filesystem::XFS),
    },
    Way {
        name: "power-btrfs",
        short: 8,
        long: 300,
        at_once: 2,
        worker: || power::cuts::worker(&filesystem::BTRFS),
    },
    Way {
        name: "power-exfat",
        short: 8,
        long: 300,
        at_once: 2,
        worker: || power::cuts::worker(&filesystem::EXFAT),
    },
    Way {
        name: "loose-ext4",
        short: 4,
        long: 20,
        at_once: 2,
        worker: || power::loose::worker(&filesystem::EXT4_ORDERED),
    },
    Way {
        name: "loose-xfs",
        short: 4,
        long: 20,
        at_once: 2,
        worker: || power::loose::worker(&filesystem::XFS),
    },
    Way {
        name: "loose-btrfs",
        short: 4,
        long: 20,
        at_once: 2,
        worker: || power::loose::worker(&filesystem::BTRFS),
    },
];

/// How much is told of what one try found.
const TOLD: usize = 12;
/// Set where mounts are this process's own.
const OWN_MOUNTS: &str = "TORTURE_OWN_MOUNTS";

/// Starts over where what is mounted is seen by nobody else and ends with this process, however
/// that ends; with the mounts go their loop devices.
fn with_own_mounts() -> std::io::Error {
    let mut again = Command::new("unshare");
    again.arg("--mount").arg("--");
    again.args(std::env::args_os()).env(OWN_MOUNTS, "1").exec()
}

/// What the command line asks for.
struct Wish {
    names: Vec<String>,
    long: bool,
    seed: u64,
    tries: Option<u64>,
}

fn wish() -> Wish {
    let mut wish = Wish {
        names: Vec::new(),
        long: false,
        seed: 1,
        tries: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse().ok());
        match word.as_str() {
            "--long" => wish.long = true,
            "--seed" => wish.seed = number().expect("a number behind --seed"),
            "--tries" => wish.tries = Some(number().expect("a number behind --tries")),
            name if WAYS.iter().any(|way| way.is_called(name)) => wish.names.push(name.to_owned()),
            other => panic!("unknown: {other}"),
        }
    }
    wish
}

fn main() -> ExitCode {
    let wish = wish();
    if std::env::var_os(OWN_MOUNTS).is_none() {
        let error = with_own_mounts();
        println!("cannot start `unshare`, which the mounts need: {error}");
        return ExitCode::FAILURE;
    }
    // The virtual phone runs in this process: a panic of its tasks would be seen by nobody.
    let panics = Arc::new(AtomicU64::new(0));
    let (counted, print) = (Arc::clone(&panics), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        counted.fetch_add(1, Ordering::Relaxed);
        print(panic);
    }));
    let mut rows = Vec::new();
    for way in &WAYS {
        if wish.names.is_empty() || wish.names.iter().any(|name| way.is_called(name)) {
            let tries = match wish.tries {
                Some(tries) => tries,
                None if wish.long => way.long,
                None => way.short,
            };
            rows.extend(torture(way, wish.seed, tries));
        }
    }
    report::print(&rows);
    match rows.iter().all(Row::is_clean) && panics.load(Ordering::Relaxed) == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn torture(way: &Way, first: u64, tries: u64) -> Vec<Row> {
    let next = AtomicU64::new(first);
    let rows = Mutex::new(BTreeMap::new());
    let at_once = way.at_once.min(tries as usize);
    println!("{}: seeds {first} to {}", way.name, first + tries - 1);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                let mut began = Instant::now();
                let mut worker = (way.worker)();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + tries {
                        return;
                    }
                    let tried = worker(seed);
                    let (findings, more) = (tried.findings(), tried.findings().count());
                    for what in findings.take(TOLD) {
                        println!("{} --seed {seed}: {what}", way.name);
                    }
                    if more > TOLD {
                        println!("{} --seed {seed}: {} more", way.name, more - TOLD);
                    }
                    let seconds = began.elapsed().as_secs_f64() / at_once as f64;
                    began = Instant::now();
                    let mut rows = rows.lock().unwrap();
                    let row = rows.entry(tried.of);
                    let row = row.or_insert_with(|| Row::new(way.name, tried.of));
                    row.add(&tried, seconds);
                }
            });
        }
    });
    rows.into_inner().unwrap().into_values().collect()
}
