//! `rescue desk` leads five phones at once by clicks alone: real daemons behind Debian's adb server, and one page in
//! Chromium (`tests/browser/bench.py`). Needs `bash tests/archive/install` as well.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;

use rescue::adb::RemotePath;
use rescue::virtual_phone::camera_roll;
use rescue::virtual_phone::tree::{LastLink, NodeKind};
use serde_json::{Value, json};

use crate::adb::{AdbServer, AdbVersion};
use crate::cable::Cable;
use crate::desk::{Desk, command, output_of, project, wait_for};
use crate::phone::{Access, Age, Daemon, Phone, Tap};
use crate::pull::{assert_complete, fill};
use crate::tree::{Files, Tree, files_below};

const PIN: &str = "2580";
/// What comes over the bad cable at most before it is pulled out.
const BYTES_FIRST: u64 = 5_000_000;
/// What comes over it each time before it is pulled out.
const BYTES_BETWEEN: u64 = 700_000;

/// A phone, what its owner did not ask for, and what the adb server calls it.
struct OnBench {
    phone: Phone,
    unwanted: Vec<PathBuf>,
    name: String,
}

impl OnBench {
    /// A phone with what people have on it, and so many photos beside: all of its pictures can be looked at.
    fn new(desk: &Desk, daemon: Daemon, number: u64, photos: usize, pictures: &[Vec<u8>]) -> Self {
        let phone = desk.phone(daemon);
        phone.set_serial(&format!("BENCH{number}"));
        phone.set_property("ro.product.model", &format!("Phone {number}"));
        let unwanted = fill(&phone, 5);
        let mut tree = Tree::below(phone.internal());
        tree.photos(&format!("DCIM/Phone {number}"), photos, 100_000);
        let files = walkdir::WalkDir::new(phone.storage()).into_iter();
        let paths = files.map(|entry| entry.unwrap());
        let paths = paths.filter(|entry| entry.file_type().is_file());
        let paths = paths.map(walkdir::DirEntry::into_path).filter(|path| {
            let ending = path.extension().unwrap_or_default();
            ending == "jpg" || ending == "png"
        });
        for (path, picture) in paths.zip(pictures.iter().cycle()) {
            // What follows the end of a picture is not looked at: no two files are the same.
            let content = [picture, fs::read(&path).unwrap().as_slice()].concat();
            fs::write(path, content).unwrap();
        }
        Self {
            name: phone.address(),
            phone,
            unwanted,
        }
    }

    /// What a copy of the phone's pictures has to be.
    fn camera(&self) -> Files {
        let mut camera = files_below(&self.phone.internal().join("DCIM/Camera"));
        camera.retain(|path, _| !path.to_string_lossy().contains(".trashed-"));
        camera
    }
}

/// Pictures that a browser can show.
fn pictures() -> Vec<Vec<u8>> {
    let camera = RemotePath::new(b"/storage/emulated/0/DCIM/Camera").unwrap();
    let roll = camera_roll::phone();
    let found = roll.tree.find(&camera, LastLink::Itself).unwrap();
    let NodeKind::Folder(entries) = &found.kind else {
        panic!("a folder of pictures");
    };
    let files = entries.iter().filter(|(name, _)| name.starts_with(b"IMG_"));
    let bytes = files.filter(|(_, node)| node.readable).map(|(_, node)| {
        let NodeKind::File(content) = &node.kind else {
            panic!("a picture");
        };
        content.read(0, usize::MAX).to_vec()
    });
    bytes.take(6).collect()
}

/// What a phone shows: as wide as its pixels, in stripes.
fn display() -> Vec<u8> {
    let (width, height) = (540_u32, 1200_u32);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let shade = |n: u32| {
        [
            (n / width / 120 * 20) as u8,
            90,
            (n % width / 60 * 25) as u8,
        ]
    };
    let pixels: Vec<u8> = (0..width * height).flat_map(shade).collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    drop(writer);
    bytes
}

/// A phone that was not unlocked since it started: its storage is encrypted, and its system tells so.
struct Locked(PathBuf);

impl Locked {
    fn lock(phone: &Phone) -> Self {
        phone.set_property("ro.crypto.type", "file");
        let state = phone.storage().parent().unwrap().to_owned();
        let locked = Self(state);
        fs::create_dir(locked.encrypted()).unwrap();
        locked.swap(&locked.0.join("storage"), &locked.encrypted());
        locked.tell(1);
        locked
    }

    fn encrypted(&self) -> PathBuf {
        self.0.join("encrypted")
    }

    fn swap(&self, from: &Path, to: &Path) {
        for volume in ["emulated/0", "1A2B-3C4D"] {
            fs::create_dir_all(to.join(volume).parent().unwrap()).unwrap();
            fs::rename(from.join(volume), to.join(volume)).unwrap();
        }
    }

    fn tell(&self, is_locked: u8) {
        let user = format!(
            " User \"Owner\" (id=0, flags=0xc13) (current): trusted=0, deviceLocked={is_locked}\n"
        );
        fs::write(self.0.join("data/lab/dumpsys/trust"), user).unwrap();
    }

    /// Waits until the PIN was typed, and opens.
    fn open_by_pin(&self) {
        let typed = format!("input text {PIN}\ninput keyevent 66");
        let inputs = self.0.join("data/lab/commands.log");
        wait_for("the PIN", || {
            // A test that failed has put its desk away.
            fs::read_to_string(&inputs).map_or(true, |inputs| inputs.contains(&typed))
        });
        if !self.0.exists() {
            return;
        }
        self.swap(&self.encrypted(), &self.0.join("storage"));
        self.tell(0);
        let path = self.0.join("data/property/props");
        let properties = fs::read_to_string(&path).unwrap();
        fs::write(path, properties + "sys.user.0.ce_available=true\n").unwrap();
    }
}

/// The rescue folder of a phone.
#[track_caller]
fn folder_of(desk: &Desk, number: u64) -> PathBuf {
    let serial = format!("External-Identifier: BENCH{number}\n");
    let found = fs::read_dir(desk.path("")).unwrap();
    let folders = found.map(|entry| entry.unwrap().path());
    let mut its = folders.filter(|folder| info_of(folder).contains(&serial));
    let folder = its
        .next()
        .unwrap_or_else(|| panic!("no folder of {serial}"));
    assert_eq!(its.next(), None);
    folder
}

fn info_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("bag-info.txt")).unwrap_or_default()
}

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

/// The cable of one of them, which is pulled out when the page is to show that.
struct BadCable<'a, 'desk> {
    cable: &'a Cable,
    server: &'a mut AdbServer<'desk>,
    times: u32,
}

impl BadCable<'_, '_> {
    fn obey(&mut self, wish: &str) {
        match wish {
            "hold" => self.cable.hold_after(BYTES_FIRST),
            "unplug" => {
                if self.times > 0 {
                    self.cable.wait_until_held();
                }
                self.cable.pull_out();
                self.server.adb(&["disconnect", &self.cable.address()]);
                self.times += 1;
            }
            "plug" => {
                match self.times {
                    3 => self.cable.let_go(),
                    _ => self.cable.hold_after(BYTES_BETWEEN),
                }
                self.cable.plug_in();
                self.server.connect_to(&self.cable.address());
            }
            other => panic!("{other}?"),
        }
    }
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
    fs::write(dead_touch.phone.lab("screen.png"), display()).unwrap();
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
