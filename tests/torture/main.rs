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
#[path = "../peers/ports.rs"]
mod ports;
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
mod report;
mod rng;
mod scene;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

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

const WAYS: [Way; 4] = [
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
];

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
            name if WAYS.iter().any(|way| way.name == name) => wish.names.push(name.to_owned()),
            other => panic!("unknown: {other}"),
        }
    }
    wish
}

fn main() -> ExitCode {
    let wish = wish();
    // The virtual phone runs in this process: a panic of its tasks would be seen by nobody.
    let panics = Arc::new(AtomicU64::new(0));
    let (counted, print) = (Arc::clone(&panics), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        counted.fetch_add(1, Ordering::Relaxed);
        print(panic);
    }));
    let mut rows = Vec::new();
    for way in &WAYS {
        if wish.names.is_empty() || wish.names.iter().any(|name| name == way.name) {
            let tries = match wish.tries {
                Some(tries) => tries,
                None if wish.long => way.long,
                None => way.short,
            };
            rows.push(torture(way, wish.seed, tries));
        }
    }
    report::print(&rows);
    match rows.iter().all(Row::is_clean) && panics.load(Ordering::Relaxed) == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn torture(way: &Way, first: u64, tries: u64) -> Row {
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let row = Mutex::new(Row::new(way.name));
    println!("{}: seeds {first} to {}", way.name, first + tries - 1);
    std::thread::scope(|scope| {
        for _ in 0..way.at_once.min(tries as usize) {
            scope.spawn(|| {
                let mut worker = (way.worker)();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + tries {
                        return;
                    }
                    let tried = worker(seed);
                    for what in tried.findings() {
                        println!("{} --seed {seed}: {what}", way.name);
                    }
                    row.lock().unwrap().add(&tried);
                }
            });
        }
    });
    let mut row = row.into_inner().unwrap();
    row.seconds = began.elapsed().as_secs_f64();
    row
}
