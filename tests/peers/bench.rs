//! `rescue desk` leads five phones at once by clicks alone: real daemons behind Debian's adb server, and one page in
//! Chromium (`tests/browser/bench.py`). Needs `bash tests/archive/install` as well.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;

use serde_json::{Value, json};

use crate::adb::AdbVersion;
use crate::cable::Cable;
use crate::desk::{Desk, command, output_of, project, wait_for};
use crate::phone::{Access, Age, Daemon, Tap};
use crate::pull::assert_complete;
use crate::support::display::display;
use crate::tree::{Files, files_below};
use crate::troubles::{BadCable, Locked, OnBench, PIN, folder_of, info_of, pictures};

/// Demands that pictures arrived in an archive or a copy, whatever lies beside them.
#[track_caller]
fn assert_has_all(wanted: &Files, place: &Path) {
    let found = files_below(place);
    let found: Vec<_> = found.values().collect();
    for (path, facts) in wanted {
        assert!(found.contains(&facts), "{path:?} is not in {place:?}");
    }
}

/// The program that clicks, and what it asks of the phones.
fn clicks(url: &str, disk: &Path, names: &[String]) -> Child {
    let pictures = project().join("target/archive/bench");
    let axe = walkdir::WalkDir::new(project().join("target/archive/axe"))
        .into_iter()
        .filter_map(Result::ok)
        .find(|found| found.file_name() == "axe.min.js");
    let axe = axe.expect("run `bash tests/archive/install` first");
    let mut clicks = command("/usr/bin/python3");
    clicks
        .arg(project().join("tests/browser/bench.py"))
        .arg(url)
        .args([disk, &pictures, axe.path(), Path::new(PIN)])
        .args(names)
        .stdout(Stdio::piped());
    clicks.spawn().unwrap()
}

#[test]
fn five_phones_in_five_troubles_are_rescued_at_once_by_clicks_alone() {
    let (desk, pictures) = (Desk::new(), pictures());
    let ready = OnBench::new(&desk, Daemon::of(Age::Android14), 1, 6, &pictures);
    let asks = Daemon::with_access(Age::Android10, Access::Asks);
    let unauthorized = OnBench::new(&desk, asks, 2, 6, &pictures);
    let locked = OnBench::new(&desk, Daemon::of(Age::Android14), 3, 6, &pictures);
    let mut unplugged = OnBench::new(&desk, Daemon::of(Age::Android10), 4, 60, &pictures);
    let dead_touch = OnBench::new(&desk, Daemon::of(Age::Android10), 5, 6, &pictures);
    ready
        .phone
        .set_property("ro.product.model", "Phone <b>1</b>");
    fs::write(dead_touch.phone.lab("screen.png"), display(1200)).unwrap();
    let cable = Cable::new(unplugged.phone.port(), 1_500_000);
    unplugged.name = cable.address();
    let lock = Locked::lock(&locked.phone);

    let mut server = desk.adb_server(AdbVersion::Debian);
    for open in [&ready, &locked, &unplugged, &dead_touch] {
        server.connect_to(&open.name);
    }
    server.adb(&["connect", &unauthorized.name]);
    wait_for("the phone's question", || unauthorized.phone.asks());

    let mut rescue = desk.rescue_command(&["desk", "--no-open"]);
    let mut rescue = rescue.stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    let mut said = BufReader::new(rescue.stdout.take().unwrap());
    said.read_line(&mut url).unwrap();

    // A folder of its own on another disk.
    let disk = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in("/dev/shm")
        .unwrap();
    let all = [&ready, &unauthorized, &locked, &unplugged, &dead_touch];
    let names = all.map(|it| it.name.clone());
    let mut person = clicks(url.trim(), disk.path(), &names);
    let mut bad = BadCable {
        cable: &cable,
        server: &mut server,
        times: 0,
    };
    let mut seen = Value::Null;
    thread::spawn(move || lock.open_by_pin());
    for line in BufReader::new(person.stdout.take().unwrap()).lines() {
        match line.unwrap().as_str() {
            "allow" => unauthorized.phone.tap(Tap::Always),
            line if line.starts_with('{') => seen = serde_json::from_str(line).unwrap(),
            wish => bad.obey(wish),
        }
    }
    if !person.wait().unwrap().success() {
        let _ = rescue.kill();
        panic!("see above");
    }
    assert_eq!(bad.times, 3);
    assert_eq!(rescue.wait().unwrap().code(), Some(0), "{seen}");

    for (on_bench, number) in all.into_iter().zip(1..) {
        let folder = folder_of(&desk, number);
        assert_complete(&on_bench.phone, &folder, &on_bench.unwanted);
        let customer = format!("Contact-Name: Customer {number}\n");
        let info = info_of(&folder);
        assert_eq!(
            info.contains("Contact-Name"),
            [1, 4].contains(&number),
            "{info}"
        );
        assert!(
            !info.contains("Contact-Name") || info.contains(&customer),
            "{info}"
        );
        let proven = seen["proven"][&on_bench.name].as_array().unwrap();
        assert!(!proven.is_empty(), "{seen}");
        assert!(
            seen["albums"][&on_bench.name].as_u64().unwrap() > 10,
            "{seen}"
        );
    }
    let archive = folder_of(&desk, 1).with_extension("zip");
    let unpacked = desk.path("unpacked");
    output_of(
        command("unzip")
            .arg("-q")
            .arg(&archive)
            .arg("-d")
            .arg(&unpacked),
    );
    assert_has_all(&ready.camera(), &unpacked);
    assert_has_all(&unauthorized.camera(), disk.path());
    let inputs = fs::read_to_string(dead_touch.phone.lab("commands.log")).unwrap();
    let taps: Vec<_> = inputs
        .lines()
        .filter(|line| line.starts_with("input tap"))
        .collect();
    let numbers = |line: &str| {
        line.split(' ')
            .skip(2)
            .map(|n| n.parse::<i64>().unwrap())
            .collect::<Vec<_>>()
    };
    let [tap] = taps[..] else { panic!("{inputs}") };
    for (is, wanted) in numbers(tap).into_iter().zip([270, 300]) {
        assert!((is - wanted).abs() <= 4, "{tap}");
    }
    assert!(inputs.contains("input text Hello%sphone"), "{inputs}");
    for (what, nothing) in [
        ("console", json!([])),
        ("requests_elsewhere", json!([])),
        ("violations", json!([])),
        ("too_wide", json!([])),
        ("markup", json!(0)),
    ] {
        assert_eq!(seen[what], nothing, "{what}: {seen}");
    }
}
