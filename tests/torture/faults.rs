//! Every fault of the virtual phone, alone and together, as a seed decides; then the phone is
//! mended, and a plain run has to complete.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rescue::digest::Sha256;
use rescue::virtual_phone::VirtualPhone;
use rescue::virtual_phone::fault::{Fault, Faults, Hello, Later};
use rescue::virtual_phone::tree::Content;
use rescue::virtual_phone::wire::{After, Break};
use serde_json::Value;

use crate::desk::{Desk, project};
use crate::report::Try;
use crate::rescue::Finished;
use crate::rng::Rng;
use crate::scene::{expect_code, note_end};
use crate::tree::noise;

const CAMERA: &str = "/storage/emulated/0/DCIM/Camera";
const LARGEST: u64 = 4_000_000;
const FOR_EVER: u32 = u32::MAX;
/// What the program is told, in seconds.
const IDLE: u64 = 1;
const WAIT: u64 = 3;
/// How long a phone may take to say hello, in seconds.
const HELLO: u64 = 2 * IDLE;

/// What goes wrong in one try.
struct Plan {
    phone: VirtualPhone,
    /// What each photo may be.
    allowed: Vec<Vec<Sha256>>,
    /// Whether the phone's files become others.
    changes: bool,
    /// Whether the connection itself suffers, so that a run may end early.
    breaks: bool,
    /// How long all of it may take.
    limit: Duration,
    words: Vec<String>,
}

fn plan(seed: u64) -> Plan {
    let mut rng = Rng::new(seed);
    let mut phone = VirtualPhone::new("TORTURED");
    if rng.percent(15) {
        phone = phone.of_old();
    }
    let files = 2 + rng.below(9);
    let mut plan = Plan {
        phone,
        allowed: Vec::new(),
        changes: false,
        breaks: false,
        limit: Duration::from_secs(20),
        words: Vec::new(),
    };
    for index in 0..files {
        let bytes = noise(
            seed ^ (index << 40),
            rng.any_magnitude_below(LARGEST) as usize,
        );
        plan.allowed.push(vec![Sha256::of(&bytes)]);
        let (path, content) = (path(index), Content::Bytes(bytes.into()));
        plan.phone.tree.add_file(&path, content, mtime(index));
    }
    // A flipped bit is only found by a hash; without one, nobody could know.
    let has_hash = rng.percent(60);
    for _ in 0..rng.below(6) {
        add_fault(&mut plan, &mut rng, files, has_hash);
    }
    let faults = plan.phone.faults.clone();
    if rng.percent(15) {
        let (hello, times) = (hello(&mut rng), 1 + rng.below(2) as u32);
        plan.words.push(format!("{hello:?} x{times}"));
        faults.set_hello(hello, times);
        plan.limit += Duration::from_secs(u64::from(times) * HELLO);
        plan.breaks = true;
    }
    if rng.percent(30) {
        let after = match rng.percent(20) {
            true => After::FirstMessage,
            false => After::Bytes(rng.any_magnitude_below(files * LARGEST / 4)),
        };
        let how = match rng.below(3) {
            0 => Break::Cut,
            1 => Break::Silence,
            _ => Break::Nonsense(nonsense(&mut rng)),
        };
        let times = 1 + rng.below(3) as u32;
        plan.words.push(format!("{after:?} {how:?} x{times}"));
        faults.break_wire(after, how, times);
        plan.limit += Duration::from_secs(u64::from(times) * HELLO);
        plan.breaks = true;
    }
    plan
}

fn path(index: u64) -> String {
    format!("{CAMERA}/{index}.jpg")
}

fn mtime(index: u64) -> i64 {
    1_700_000_000 + index as i64
}

fn nonsense(rng: &mut Rng) -> Bytes {
    let length = 1 + rng.below(100) as usize;
    noise(rng.next(), length).into()
}

fn hello(rng: &mut Rng) -> Hello {
    match rng.below(3) {
        0 => Hello::Silence,
        1 => Hello::HangUp,
        _ => Hello::Nonsense(nonsense(rng)),
    }
}

fn add_fault(plan: &mut Plan, rng: &mut Rng, files: u64, has_hash: bool) {
    let index = rng.below(files);
    let offset = rng.any_magnitude_below(LARGEST);
    let fault = match rng.below(17) {
        0 => Fault::Refuse("open failed: Permission denied".to_owned()),
        1 => Fault::Stall(offset),
        2 => Fault::Cut(offset),
        3 => Fault::EndStream(offset),
        4 => Fault::ReadError(offset),
        5 if has_hash => Fault::FlipBit(offset),
        5 => Fault::NoHash,
        6 => Fault::SendMore(1 + offset),
        7 => Fault::SendLess(1 + offset),
        8 => Fault::Vanish,
        9 => Fault::ListedSize(offset),
        10 => Fault::Nonsense(nonsense(rng)),
        11 => Fault::WrongHash,
        12 if !has_hash => Fault::StallHash,
        16 => Fault::BadBlocks(vec![(
            offset,
            offset + 1 + rng.any_magnitude_below(LARGEST),
        )]),
        12 | 13 => Fault::ChangeBefore(later(plan, rng, index)),
        _ => Fault::ChangeAfter(later(plan, rng, index)),
    };
    plan.breaks |= matches!(
        fault,
        Fault::Stall(_)
            | Fault::Cut(_)
            | Fault::EndStream(_)
            | Fault::Nonsense(_)
            | Fault::StallHash
    );
    let times = match rng.percent(30) {
        true => FOR_EVER,
        false => 1 + rng.below(3) as u32,
    };
    let resumed = rng.percent(15);
    plan.words
        .push(format!("{index}: {fault:?} x{times} resumed: {resumed}"));
    plan.limit += Duration::from_secs(u64::from(times.min(4)) * (2 * IDLE + WAIT));
    let (path, faults) = (path(index), &plan.phone.faults);
    match resumed {
        true => faults.add_resumed(Some(&path), fault, times),
        false => faults.add(Some(&path), fault, times),
    }
}

fn later(plan: &mut Plan, rng: &mut Rng, index: u64) -> Later {
    plan.changes = true;
    match rng.below(4) {
        0 => Later::Gone,
        1 => Later::Folder,
        2 => Later::Unreadable,
        _ => {
            let bytes = noise(rng.next(), rng.any_magnitude_below(LARGEST) as usize);
            plan.allowed[index as usize].push(Sha256::of(&bytes));
            Later::File {
                content: Content::Bytes(bytes.into()),
                mtime: mtime(index) + 1000,
            }
        }
    }
}

pub(crate) fn worker() -> Box<dyn FnMut(u64) -> Try> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    // The phones answer on a thread of their own, for as long as this process lives.
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    let desk = Desk::new();
    let android = desk.home().join(".android");
    fs::create_dir_all(&android).unwrap();
    fs::copy(project().join("fixtures/adbkey"), android.join("adbkey")).unwrap();
    Box::new(move |seed| {
        let mut tried = Try::default();
        let plan = plan(seed);
        let faults: Faults = plan.phone.faults.clone();
        let serving = handle.block_on(plan.phone.clone().serve()).unwrap();
        let folder = desk.path("rescued");
        let (address, to) = (serving.address().to_string(), folder.to_str().unwrap());
        let (idle, wait) = (IDLE.to_string(), WAIT.to_string());
        let pull = [
            "--json",
            "pull",
            "--idle-timeout",
            &idle,
            "--wait",
            &wait,
            "--tcp",
            &address,
            "-o",
            to,
        ];
        let finished = desk.rescue(&pull);
        note_end(&finished, &mut tried);
        if finished.duration > plan.limit {
            tried
                .hung
                .push(format!("over {:?}: {finished}", plan.limit));
        }
        judge(&plan, &finished, &folder, |_| true, &mut tried);

        faults.mend();
        let finished = desk.rescue(&pull);
        note_end(&finished, &mut tried);
        if plan.changes {
            // The first run said what was gone.
            let is_wanted = |path: &str| serving.has_file(path);
            judge(&plan, &finished, &folder, is_wanted, &mut tried);
        } else {
            expect_code(&finished, 0, &mut tried);
            let here = contents(&folder);
            for (index, allowed) in plan.allowed.iter().enumerate() {
                if here.get(&local(index)) != Some(&allowed[0]) {
                    tried.lost.push(format!("{index}.jpg: {finished}"));
                }
            }
        }
        if tried.findings().next().is_some() {
            tried
                .other
                .push(format!("what went wrong: {:#?}", plan.words));
        }
        drop(serving);
        let _ = fs::remove_dir_all(&folder);
        tried
    })
}

fn local(index: usize) -> String {
    format!("internal/DCIM/Camera/{index}.jpg")
}

/// The hashes of what stands below `data/`.
fn contents(folder: &Path) -> BTreeMap<String, Sha256> {
    let data = folder.join("data");
    let entries = walkdir::WalkDir::new(&data).into_iter().flatten();
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let local = entry.path().strip_prefix(&data).unwrap();
            let hash = Sha256::of(&fs::read(entry.path()).unwrap());
            (local.to_str().unwrap().to_owned(), hash)
        })
        .collect()
}

/// Compares what is there and what the program said with what may be.
fn judge(
    plan: &Plan,
    finished: &Finished,
    folder: &Path,
    is_wanted: impl Fn(&str) -> bool,
    tried: &mut Try,
) {
    let here = contents(folder);
    for (local, hash) in &here {
        // `3.jpg`, or `3 (2).jpg` and the like for a later version; `3.damaged` is no real name.
        let name = local.rsplit('/').next().unwrap_or_default();
        let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
        let allowed = digits
            .parse()
            .ok()
            .and_then(|index: usize| plan.allowed.get(index));
        let is_true = allowed.is_some_and(|allowed| allowed.contains(hash));
        if !is_true && !name.contains(".damaged") {
            tried.wrong.push(format!("{local}: {finished}"));
        }
    }
    let lines = finished.events();
    let line = |kind: &str| lines.iter().rfind(|line| line["type"] == kind);
    let not_here: Vec<&str> = line("summary")
        .and_then(|summary| summary["not_here"].as_array())
        .into_iter()
        .flatten()
        .filter_map(|item| item["path"].as_str())
        .collect();
    let missing: Vec<_> = (0..plan.allowed.len())
        .filter(|index| !here.contains_key(&local(*index)))
        .map(|index| path(index as u64))
        .filter(|path| is_wanted(path))
        .collect();
    let problem = match finished.code() {
        Some(0) if !missing.is_empty() => Some(format!("exit 0 without {missing:?}")),
        Some(0) => None,
        Some(3) => {
            let unsaid: Vec<_> = missing
                .iter()
                .filter(|path| !not_here.contains(&path.as_str()))
                .collect();
            (!unsaid.is_empty()).then(|| format!("nothing is said of {unsaid:?}"))
        }
        Some(1 | 10 | 11) if plan.breaks && line("error").is_some_and(has_hint) => None,
        _ => Some("not the right exit code".to_owned()),
    };
    if let Some(problem) = problem {
        tried.other.push(format!("{problem}: {finished}"));
    }
}

fn has_hint(error: &Value) -> bool {
    error["message"].is_string() && error["hint"].is_string()
}
