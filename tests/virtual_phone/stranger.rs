//! A rescue folder from a stranger's hand: a true one is changed in rows, tables, bytes and links,
//! and every command that takes a folder has to bear it.
//!
//! What holds for each: the command ends, with a documented exit code; it does not panic; it takes
//! no more memory than it is given; nothing is written, changed or removed outside the folder, the
//! remote's folder and the archive; and no byte of its output steers a terminal.
//!
//! The short form plays some dozens of changed folders. The long one, with `RESCUE_TEST_LONG=1`,
//! plays 2,000, and `RESCUE_TEST_SEED=N` plays one of them again.

mod changes;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rescue::virtual_phone::fault::Fault;
use rescue::virtual_phone::{Serving, VirtualPhone};

use crate::desk::{CAMERA, Desk, camera, generated, text};
use changes::change;

/// Folders of the short form.
const FEW: u64 = 48;
/// Folders of the long form.
const MANY: u64 = 2000;
/// What a command may take of memory, in bytes: address space that it writes to.
const MEMORY_BYTES: u64 = 200_000_000;
/// What no command takes, also on a machine that does much else.
const HANGS: Duration = Duration::from_secs(60);
/// README lists them.
const EXIT_CODES: [i32; 9] = [0, 1, 2, 3, 10, 11, 12, 13, 130];

/// Every command that takes a folder; those that change the least come first.
const COMMANDS: [&[&str]; 8] = [
    &["status", "rescued"],
    &["verify", "rescued"],
    &["upload", "rescued", "--to", "disk", "--dry-run"],
    &["pull", "-o", "rescued", "--dry-run"],
    &["upload", "rescued", "--to", "disk", "--check"],
    &["export", "rescued", "-o", "out.zip"],
    &["upload", "rescued", "--to", "disk"],
    &["pull", "-o", "rescued"],
];

/// A desk whose folder holds something in every table: files of all states, uploads of some.
async fn template() -> (Desk, VirtualPhone, Serving) {
    let (mut phone, _) = camera(&[20_000, 3_000_000, 70_000, 40_000, 10, 0]);
    let photo = |name: &str| format!("{CAMERA}/{name}");
    let (when, path) = (1_700_000_000, photo("été 📷.jpg"));
    phone.tree.add_file(&path, generated(500, 9), when);
    for (name, fault) in [
        ("refused.jpg", Fault::Refuse("Permission denied".to_owned())),
        ("damaged.jpg", Fault::BadBlocks(vec![(4096, 8192)])),
    ] {
        phone
            .tree
            .add_file(&photo(name), generated(90_000, 8), when);
        phone.faults.add(Some(&photo(name)), fault, u32::MAX);
    }
    let serving = phone.clone().serve().await.unwrap();
    let desk = Desk::new();
    desk.pull(&serving, &[]).await.expect(3);
    // A file of the phone that changed, so that there is an older version.
    phone
        .tree
        .add_file(&photo("3.jpg"), text("later"), when + 900);
    let serving = phone.clone().serve().await.unwrap();
    desk.pull(&serving, &[]).await.expect(3);
    fs::create_dir(desk.dir.path().join("disk")).unwrap();
    let add = ["remote", "add", "disk", "folder", "disk"];
    desk.run(&add).await.expect(0);
    let archive = desk.dir.path().join("letters.zip");
    fs::write(&archive, "an archive").unwrap();
    let upload = ["upload", "rescued", "--to", "disk"];
    desk.run(&upload).await;
    let archive = [upload.as_slice(), &["--archive", "letters.zip"]].concat();
    desk.run(&archive).await.expect(0);
    let victim = desk.dir.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("x.jpg"), "precious").unwrap();
    fs::write(victim.join("letters.txt"), "more precious").unwrap();
    fs::write(victim.join("letters-mj0123459AB"), "as precious").unwrap();
    (desk, phone, serving)
}

/// What is at a path, and what it holds.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let below = walkdir::WalkDir::new(root).sort_by_file_name();
    let entry = |found: walkdir::DirEntry| {
        let meta = found.metadata().unwrap();
        let content = match meta.is_file() {
            true => fs::read(found.path()).unwrap(),
            false => Vec::new(),
        };
        (found.into_path(), (meta.mode(), content))
    };
    below
        .into_iter()
        .map(|found| entry(found.unwrap()))
        .collect()
}

/// Everything on a desk that no command may touch.
fn untouchable(desk: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut all = snapshot(desk);
    // The last is a note of which phones let this computer in.
    let ours = ["rescued", "disk", "out.zip", "home/.local"].map(|name| desk.join(name));
    all.retain(|path, _| path != desk && !ours.iter().any(|ours| path.starts_with(ours)));
    all
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.unwrap().success());
}

/// Has the remote of a copied desk lead into that desk.
fn move_remote(from: &Path, to: &Path) {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    let settings = format!("{to}/home/.config/rescue/remotes.toml");
    let text = fs::read_to_string(&settings).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&settings, text.replace(from, to)).unwrap();
    let catalogue = rusqlite::Connection::open(format!("{to}/rescued/rescue.db")).unwrap();
    let sql = "UPDATE remote SET target = replace(target, ?, ?)";
    assert_eq!(catalogue.execute(sql, [from, to]).unwrap(), 1);
}

/// How a command ended: its code and all that it printed, or that it did not end.
fn run(desk: &Path, arguments: &[&str], address: &str) -> (Option<i32>, Vec<u8>) {
    let mut command = Command::new("prlimit");
    command
        .arg(format!("--data={MEMORY_BYTES}"))
        .arg("--core=0")
        .arg(env!("CARGO_BIN_EXE_rescue"))
        .args(arguments);
    if arguments[0] == "pull" {
        command.args(["--tcp", address, "--wait", "4", "--idle-timeout", "5"]);
    }
    let output = desk.join("output");
    let file = fs::File::create(&output).unwrap();
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", desk.join("home"))
        .env("TZ", "UTC")
        .current_dir(desk)
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file);
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status.code().unwrap_or(-1));
        }
        if start.elapsed() > HANGS {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let said = fs::read(&output).unwrap();
    fs::remove_file(&output).unwrap();
    (code, said)
}

/// What is wrong with how a command ended.
fn fault_of(code: Option<i32>, said: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(said);
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    match code {
        None => Some("it hangs".to_owned()),
        Some(code) if !EXIT_CODES.contains(&code) => Some(format!("exit code {code}")),
        _ if text.contains("panicked at") => Some("a panic".to_owned()),
        _ => text
            .chars()
            .find(|c| steers(*c))
            .map(|c| format!("prints {c:?}")),
    }
}

/// Plays one changed folder; what went wrong.
fn play(seed: u64, template: &Path, address: &str, slowest: &AtomicU64) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    let desk = place.path().join("desk");
    copy(template, &desk);
    move_remote(template, &desk);
    let changed = change(seed, &desk);
    let before = untouchable(&desk);
    let mut faults = Vec::new();
    for arguments in COMMANDS {
        for json in [false, true] {
            // Every command in one way, and one in both.
            if json != (seed + arguments.len() as u64).is_multiple_of(3) {
                continue;
            }
            let mut all = arguments.to_vec();
            all.extend(json.then_some("--json"));
            let start = Instant::now();
            let (code, said) = run(&desk, &all, address);
            slowest.fetch_max(start.elapsed().as_millis() as u64, Ordering::Relaxed);
            let after = untouchable(&desk);
            let mut fault = fault_of(code, &said);
            if before != after {
                let differs = before
                    .iter()
                    .find(|(path, was)| after.get(*path) != Some(was));
                let differs =
                    differs.or_else(|| after.iter().find(|(path, _)| !before.contains_key(*path)));
                fault = Some(format!("changed {:?}", differs.map(|(path, _)| path)));
            }
            if let Some(fault) = fault {
                let said = String::from_utf8_lossy(&said);
                let said: String = said.chars().take(2000).collect();
                faults.push(format!(
                    "seed {seed} ({changed:?}): {all:?}: {fault}\n{said:?}"
                ));
            }
        }
    }
    for found in walkdir::WalkDir::new(&desk).into_iter().flatten() {
        // Nobody is to wait for a pipe when the folder is removed.
        if found.file_type().is_fifo() {
            fs::remove_file(found.path()).unwrap();
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_is_led_astray_by_a_strangers_folder() {
    let (desk, _phone, serving) = template().await;
    let address = serving.address().to_string();
    let seeds: Vec<u64> = match std::env::var("RESCUE_TEST_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) if std::env::var_os("RESCUE_TEST_LONG").is_some() => (0..MANY).collect(),
        Err(_) => (0..FEW).collect(),
    };
    let count = seeds.len();
    let (queue, faults) = (Mutex::new(seeds), Mutex::new(Vec::new()));
    let slowest = AtomicU64::new(0);
    let template = desk.dir.path();
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        let Some(seed) = queue.lock().unwrap().pop() else {
                            return;
                        };
                        let found = play(seed, template, &address, &slowest);
                        faults.lock().unwrap().extend(found);
                    }
                });
            }
        });
    });
    let faults = faults.into_inner().unwrap();
    println!(
        "{count} folders, the slowest command {} ms",
        slowest.into_inner()
    );
    assert!(faults.is_empty(), "{}: {}", faults.len(), faults.join("\n"));
}
