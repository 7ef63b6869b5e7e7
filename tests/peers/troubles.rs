//! Phones in the troubles that people bring them in: what they hold, the lock of one, the bad cable of another, the
//! display of a third. A page (`bench`) and the terminal (`guide`) lead them to proven files.

use std::fs;
use std::path::{Path, PathBuf};

use rescue::adb::RemotePath;
use rescue::virtual_phone::camera_roll;
use rescue::virtual_phone::tree::{LastLink, NodeKind};

use crate::adb::AdbServer;
use crate::cable::Cable;
use crate::desk::{Desk, wait_for};
use crate::phone::{Daemon, Phone};
use crate::pull::fill;
use crate::tree::{Files, Tree, files_below};

pub(crate) const PIN: &str = "2580";
/// What comes over the bad cable at most before it is pulled out.
const BYTES_FIRST: u64 = 5_000_000;
/// What comes over it each time before it is pulled out.
const BYTES_BETWEEN: u64 = 700_000;

/// A phone, what its owner did not ask for, and what the adb server calls it.
pub(crate) struct OnBench {
    pub(crate) phone: Phone,
    pub(crate) unwanted: Vec<PathBuf>,
    pub(crate) name: String,
}

impl OnBench {
    /// A phone with what people usually have, and this many more photos; a browser can show each of them.
    pub(crate) fn new(
        desk: &Desk,
        daemon: Daemon,
        number: u64,
        photos: usize,
        pictures: &[Vec<u8>],
    ) -> Self {
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
    pub(crate) fn camera(&self) -> Files {
        let mut camera = files_below(&self.phone.internal().join("DCIM/Camera"));
        camera.retain(|path, _| !path.to_string_lossy().contains(".trashed-"));
        camera
    }
}

/// Pictures that a browser can show.
pub(crate) fn pictures() -> Vec<Vec<u8>> {
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

/// A phone that was not unlocked since it started: its storage is encrypted, and its system tells so.
pub(crate) struct Locked(PathBuf);

impl Locked {
    pub(crate) fn lock(phone: &Phone) -> Self {
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
    pub(crate) fn open_by_pin(&self) {
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

/// The cable of one of them, which is pulled out when the page is to show that.
pub(crate) struct BadCable<'a, 'desk> {
    pub(crate) cable: &'a Cable,
    pub(crate) server: &'a mut AdbServer<'desk>,
    pub(crate) times: u32,
}

impl BadCable<'_, '_> {
    pub(crate) fn obey(&mut self, wish: &str) {
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

/// The rescue folder of a phone.
#[track_caller]
pub(crate) fn folder_of(desk: &Desk, number: u64) -> PathBuf {
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

pub(crate) fn info_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("bag-info.txt")).unwrap_or_default()
}
