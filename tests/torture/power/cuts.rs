//! The power goes: a pull that is killed and resumed, an upload and an export are recorded once,
//! and cut at many moments. Each time the disks are mounted as the cut left them, the oracle looks,
//! and the same command has to complete what it was at.

use super::device::{self, Blank, Told};
use super::filesystem::Kind;
use super::oracle::{Whole, look};
use super::owner::{Claims, INTERNAL, OTHER, Order, Owner, Ran};
use crate::report::Try;
use crate::rng::Rng;

/// Cuts of one recording.
const CUTS: u64 = 60;
/// One cut of so many is followed by another, while the command is run again.
const CUT_AGAIN: u64 = 15;

/// What was recorded.
struct Recording {
    number: u64,
    before: Vec<Blank>,
    log: Vec<(usize, Told)>,
    steps: Vec<Step>,
}

/// A run of the program within a recording.
struct Step {
    name: &'static str,
    order: Order,
    ran: Ran,
    begin: usize,
    end: usize,
}

pub(crate) fn worker(kind: &'static Kind) -> Box<dyn FnMut(u64) -> Try> {
    let owner = Owner::new(kind);
    let mut recording = None;
    Box::new(move |seed| {
        let (mut rng, mut tried) = (Rng::new(seed), Try::default());
        let number = seed / CUTS;
        if recording
            .as_ref()
            .is_none_or(|recording: &Recording| recording.number != number)
        {
            recording = record(&owner, number, &mut tried);
        }
        if let Some(recording) = &recording {
            let step = if std::env::var_os("ONLY_UPLOAD").is_some() {
                2
            } else {
                (seed % recording.steps.len() as u64) as usize
            };
            cut(&owner, recording, step, &mut rng, &mut tried);
        }
        tried
    })
}

/// Runs every command to its end, but the first, which is killed.
fn record(owner: &Owner, number: u64, tried: &mut Try) -> Option<Recording> {
    let mut rng = Rng::new(number);
    let computer = owner.computer();
    let mut recording = Recording {
        number,
        before: owner.blanks().to_vec(),
        log: Vec::new(),
        steps: Vec::new(),
    };
    let internal = owner.mount(&computer, INTERNAL).unwrap();
    let other = owner.mount(&computer, OTHER).unwrap();
    for (name, order) in [
        ("pull", Order::Pull),
        ("resume", Order::Pull),
        ("upload", Order::Upload),
        ("export", Order::Export),
    ] {
        let killed_after = (name == "pull").then(|| rng.below(2_500_000));
        let begin = recording.steps.last().map_or(0, |step: &Step| step.end);
        let ran = owner.run(order, &computer, killed_after, tried);
        if ran.code != Some(0) && name != "pull" {
            tried.stuck.push(format!("in the recording: {}", ran.words));
            return None;
        }
        recording.steps.push(Step {
            name,
            order,
            ran,
            begin,
            end: computer.moment(),
        });
    }
    recording.log = computer.log();
    let flushes = recording.log.iter();
    let flushes = flushes.filter(|(_, told)| matches!(told, Told::Flush));
    assert!(flushes.count() > 20, "flushes do not reach the disks");
    drop((internal, other));
    Some(recording)
}

fn cut(owner: &Owner, recording: &Recording, number: usize, rng: &mut Rng, tried: &mut Try) {
    let step = &recording.steps[number];
    tried.of = Some(step.name);
    // Anywhere; or soon after the beginning, where a command makes what it needs.
    let moments = (step.end - step.begin + 1) as u64;
    let moment = match rng.percent(50) {
        true => rng.any_magnitude_below(moments.max(2)) - 1,
        false => rng.below(moments),
    };
    let moment = step.begin + moment as usize;
    let mut claims = Claims::default();
    for step in &recording.steps[..=number] {
        step.ran.add_claims(moment, &mut claims);
    }
    let disks = device::cut(&recording.before, &recording.log, moment, rng);
    let again = rng.below(CUT_AGAIN) == 0;
    go_on(
        owner,
        disks,
        step.order,
        claims,
        again.then_some(rng),
        tried,
    );
}

/// What comes after a cut; with numbers for it, another cut.
fn go_on(
    owner: &Owner,
    disks: Vec<Blank>,
    order: Order,
    mut claims: Claims,
    again: Option<&mut Rng>,
    tried: &mut Try,
) {
    let computer = owner.shelf.put(disks.clone());
    let has_other = order != Order::Pull;
    let mounted = (|| {
        let internal = owner.mount(&computer, INTERNAL)?;
        let other = has_other.then(|| owner.mount(&computer, OTHER));
        Ok::<_, String>((internal, other.transpose()?))
    })();
    let mounted = match mounted {
        Ok(mounted) => mounted,
        Err(why) => return tried.other.push(format!("cannot be mounted: {why}")),
    };
    look(owner, &claims, Whole::Nothing, has_other, tried);
    let ran = owner.run(order, &computer, None, tried);
    if ran.code != Some(0) {
        tried.stuck.push(ran.words.clone());
        let c = owner.shelf.put(disks.clone());
        let n = std::process::id();
        let t = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis();
        std::fs::copy(
            owner.shelf.file(&c, 0),
            format!("/work/show/stuck-{n}-{t}.img"),
        )
        .unwrap();
    }
    let whole = match order {
        Order::Pull => Whole::Folder,
        Order::Upload => Whole::Remote,
        Order::Export => Whole::Archive,
    };
    let log = computer.log();
    if ran.code == Some(0) {
        look(owner, &claims, whole, has_other, tried);
    }
    drop(mounted);
    if let Some(rng) = again {
        let moment = rng.below(log.len() as u64 + 1) as usize;
        ran.add_claims(moment, &mut claims);
        let disks = device::cut(&disks, &log, moment, rng);
        go_on(owner, disks, order, claims, None, tried);
    }
}
