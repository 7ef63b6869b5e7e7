//! A cable that sits loose: the disk refuses some writes and is well again. The program is run
//! until it says that everything is there; then the disk is mounted afresh, and the oracle looks.

use super::device::{Computer, Loose};
use super::filesystem::Kind;
use super::oracle::{Whole, look};
use super::owner::{Claims, INTERNAL, OTHER, Order, Owner, PHOTOS, VIDEO, mark};
use crate::desk::command;
use crate::report::Try;
use crate::rng::Rng;

/// How often the program may be run until it is done, on a disk that is well.
const RUNS: usize = 5;

pub(crate) fn worker(kind: &'static Kind) -> Box<dyn FnMut(u64) -> Try> {
    let owner = Owner::new(kind);
    Box::new(move |seed| {
        let mut tried = Try::default();
        let (order, name) = match seed % 2 {
            1 => (Order::Pull, "pull"),
            _ => (Order::Upload, "upload"),
        };
        tried.of = Some(name);
        let mut rng = Rng::new(seed);
        // One in which no write fails shows nothing.
        while scene(&owner, order, &mut rng, &mut tried) == 0 {}
        tried
    })
}

/// Plays it; says how many writes failed.
fn scene(owner: &Owner, order: Order, rng: &mut Rng, tried: &mut Try) -> u64 {
    let computer = owner.computer();
    let mut internal = Some(owner.mount(&computer, INTERNAL).unwrap());
    let mut other = Some(owner.mount(&computer, OTHER).unwrap());
    if order == Order::Upload {
        let pulled = owner.run(Order::Pull, &computer, None, tried);
        if pulled.code != Some(0) {
            tried.stuck.push(pulled.words);
            return 1;
        }
    }
    // Mostly the bytes of one file, of which the filesystem does not see that they are missing;
    // else whatever comes, so that the filesystem itself may give up.
    let (only, most) = match rng.below(10) {
        0 | 1 => (None, 200),
        2..=4 => (Some(1 + rng.below(PHOTOS)), 1),
        _ => (Some(VIDEO), 16),
    };
    computer.loosen(Loose {
        only: only.map(|number| mark(number).to_vec()),
        after: rng.below(most),
        times: 1 + rng.any_magnitude_below(30),
    });
    // Some runs are killed, and what they leave in memory is written by the kernel alone.
    let killed_after = rng.percent(30).then(|| rng.below(2_500_000));
    let loose_runs = 1 + rng.below(2) as usize;
    let (mut claims, mut words) = (Claims::default(), Vec::new());
    let (mut is_done, mut failed) = (false, 0);
    for number in 1..=loose_runs + RUNS {
        let killed_after = killed_after.filter(|_| number == 1);
        let ran = owner.run(order, &computer, killed_after, tried);
        if killed_after.is_some() {
            let _ = command("sync").arg("-f").arg(owner.folder()).output();
        }
        ran.add_claims(usize::MAX, &mut claims);
        is_done = ran.code == Some(0);
        words.push(ran.words);
        if number == loose_runs {
            failed = computer.fasten();
            words.push(format!("{failed} writes of {only:?} failed"));
        }
        if is_done && number >= loose_runs {
            break;
        }
        // The kernel has given the filesystem up: its owner plugs the disk in again, well.
        if [&internal, &other]
            .into_iter()
            .flatten()
            .any(|disk| disk.is_readonly())
        {
            words.push("mounted again".to_owned());
            failed = computer.fasten();
            drop((internal.take(), other.take()));
            (internal, other) = match (
                owner.mount(&computer, INTERNAL),
                owner.mount(&computer, OTHER),
            ) {
                (Ok(internal), Ok(other)) => (Some(internal), Some(other)),
                (internal, other) => {
                    let why = [internal.err(), other.err()];
                    tried.other.push(format!("cannot be mounted: {why:?}"));
                    return failed;
                }
            };
        }
    }
    if !is_done {
        tried.stuck.push(words.join("\n"));
    }
    let finds_intact = is_done && owner.finds_intact(order);
    drop((internal, other));
    let _mounted = (
        owner.mount(&computer, INTERNAL).unwrap(),
        owner.mount(&computer, OTHER).unwrap(),
    );
    let whole = match order {
        _ if !is_done => Whole::Nothing,
        Order::Upload => Whole::Remote,
        _ => Whole::Folder,
    };
    look(owner, &claims, whole, true, tried);
    if tried.findings().next().is_some() {
        words.push(format!("found intact before: {finds_intact}"));
        tried.other.push(words.join("\n"));
    } else {
        look_again(owner, order, &computer, tried);
    }
    failed
}

/// What is on the disk is in memory now, and the disk decays: who looks has to look at the disk.
fn look_again(owner: &Owner, order: Order, computer: &Computer, tried: &mut Try) {
    if !owner.finds_intact(order) {
        tried.other.push("what is right is not found so".to_owned());
    }
    let disk = match order {
        Order::Upload => OTHER,
        _ => INTERNAL,
    };
    computer.spoil(disk, &mark(VIDEO));
    if owner.finds_intact(order) {
        let what = format!("{order:?}: what the disk does not hold is found right in memory");
        tried.wrong.push(what);
    }
}
