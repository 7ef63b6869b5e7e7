//! Straight to the phone's daemon.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::desk::{Desk, command, output_of, peers};
use crate::phone::{Age, Daemon, Phone};
use crate::tree::{self, Tree, all_but_below, files_below, only_below};

on_both_daemons!(
    two_thousand_photos_a_huge_video_and_odd_names_arrive_and_are_not_pulled_twice,
    two_thousand_photos_alone_arrive,
    without_verification_everything_arrives_as_well,
    later_photos_are_added_to_the_folder,
    dry_run_names_items_and_pulls_nothing,
    photos_alone_without_an_excluded_folder,
    file_too_deep_for_the_protocol_is_rescued_or_listed,
    phone_without_files_or_card_makes_an_empty_valid_folder,
);

/// Names that break programs; all below `DCIM/Odd`.
pub(crate) fn odd_names() -> Vec<OsString> {
    let mut names: Vec<Vec<u8>> = [
        "new\nline.jpg",
        "quo'te\"s.jpg",
        " leading.jpg",
        "trailing ",
        "trailing.",
        "back\\slash.jpg",
        "$(reboot) `reboot` ;&|<>.jpg",
        "-rf.jpg",
        "--help",
        "con.jpg",
        "a:b*?.jpg",
        "tab\there.jpg",
        "\u{1b}[31mred.jpg",
        "carriage\rreturn.jpg",
        "😀.jpg",
        "\u{e9}.jpg",
        "e\u{301}.jpg",
        "right\u{202e}gpj.exe",
        "%0A.jpg",
        "100%.jpg",
        "*.jpg",
        ".hidden.jpg",
        "Twin.jpg",
        "twin.jpg",
        "TWIN.jpg",
        "manifest-sha256.txt",
        "bagit.txt",
        "folder\nwith newline/photo.jpg",
        "case/one.jpg",
        "CASE/two.jpg",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push(b"caf\xe9.jpg".to_vec());
    names.push(b"caf\xe8.jpg".to_vec());
    names.push(b"\xff\xfe/\x80.jpg".to_vec());
    names.push([&[b'a'; 251][..], b".jpg"].concat());
    names.push([&[b'a'; 250][..], b"b.jpg"].concat());
    names.push([&b"\xc3\xa9".repeat(125)[..], b"x.jpg"].concat());
    names.into_iter().map(OsString::from_vec).collect()
}

/// A phone's storage as people have it: photos, odd names, an SD card, recycle bins, and what is
/// not wanted. Returns the files that a plain `rescue pull` leaves on the phone.
pub(crate) fn fill(phone: &Phone, photos: usize) -> Vec<PathBuf> {
    let mut internal = Tree::below(phone.internal());
    internal.photos("DCIM/Camera", photos, 50_000);
    for name in odd_names() {
        internal.file(Path::new("DCIM/Odd").join(name), 3_000);
    }
    internal.file("DCIM/Camera/.trashed-1700000000-IMG_09999.jpg", 4_000);
    internal.file("DCIM/Camera/empty.jpg", 0);
    internal.file("Pictures/Screenshots/Screenshot_1.png", 70_000);
    internal.file("Download/ticket.pdf", 65_536);
    internal.file("Documents/notes/plan.txt", 65_537);
    internal.file(
        "Android/media/com.whatsapp/WhatsApp/Media/WhatsApp Images/IMG-1.jpg",
        1,
    );
    internal.file(
        "Android/media/com.whatsapp/WhatsApp/Databases/msgstore.db.crypt14",
        100_000,
    );
    internal.file("Some app/photo.jpg", 5_000);
    internal.file("Some app/clip.mp4", 1_500_000);
    std::os::unix::fs::symlink(
        "IMG_00001.jpg",
        phone.internal().join("DCIM/Camera/link.jpg"),
    )
    .unwrap();
    std::os::unix::fs::symlink("..", phone.internal().join("DCIM/Camera/loop")).unwrap();
    output_of(command("mkfifo").arg(phone.internal().join("DCIM/Camera/fifo.jpg")));
    let mut sd_card = Tree::below(phone.sd_card());
    sd_card.photos("DCIM/Camera", 20, 20_000);
    let settings = internal.file("Some app/settings.ini", 300);
    // Noise begins as sound does, once in some ten thousand times, and is taken then.
    std::fs::write(&settings, "[window]\nwidth=300\n").unwrap();
    let unwanted = vec![
        internal.file("DCIM/.thumbnails/1.jpg", 900),
        settings,
        internal.file("Android/data/com.secret.app/files/secret.jpg", 300),
    ];
    let secret = phone.internal().join("Android/data/com.secret.app");
    tree::allow(&secret, 0o700);
    unwanted
}

/// Demands that a rescue folder has everything that [`fill`] made, and nothing else.
#[track_caller]
pub(crate) fn assert_complete(phone: &Phone, folder: &Path, unwanted: &[PathBuf]) {
    let mut internal = files_below(&phone.internal());
    internal.retain(|path, _| {
        let path = phone.internal().join(path);
        !unwanted.contains(&path) && path.file_name() != Some(OsStr::new(".nomedia"))
    });
    let data = folder.join("data");
    let trashed = |path: &Path| {
        path.file_name()
            .unwrap()
            .as_bytes()
            .starts_with(b".trashed-")
    };
    let (bin, kept): (tree::Files, tree::Files) =
        internal.into_iter().partition(|(path, _)| trashed(path));
    let here = files_below(&data.join("internal"));
    tree::assert_same_files(
        &all_but_below(&kept, "DCIM/Odd"),
        &all_but_below(&here, "DCIM/Odd"),
    );
    tree::assert_same_contents(
        &only_below(&kept, "DCIM/Odd"),
        &only_below(&here, "DCIM/Odd"),
    );
    tree::assert_same_contents(&bin, &files_below(&data.join("trash")));
    let sd_card = files_below(&phone.sd_card());
    tree::assert_same_files(&sd_card, &files_below(&data.join("sd-1A2B-3C4D")));
}

fn two_thousand_photos_a_huge_video_and_odd_names_arrive_and_are_not_pulled_twice(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let mut unwanted = fill(&phone, 2_000);
    let mut internal = Tree::below(phone.internal());
    let refused = internal.file("DCIM/Camera/refused.jpg", 10_000);
    tree::allow(&refused, 0o000);
    unwanted.push(refused.clone());
    let video = internal.sparse_file("DCIM/Camera/VID_LONG.mp4", 6 << 30);
    let folder = desk.path("rescued");
    let (address, to) = (phone.address(), folder.to_str().unwrap());

    let first = desk.rescue(&["--json", "pull", "--tcp", &address, "-o", to]);
    let first = first
        .noted_as(&format!("2,000 photos of 50 KB and 6 GiB, direct, {age:?}"))
        .expect_code(3);
    first.expect_said("refused.jpg");
    assert_complete(&phone, &folder, &unwanted);
    let video_here = folder.join("data/internal/DCIM/Camera/VID_LONG.mp4");
    tree::assert_identical(&video, &video_here);
    let toybox = output_of(
        command(peers().join("toybox"))
            .args(["sha256sum", "-b"])
            .arg(&video),
    );
    let manifest = fs::read_to_string(folder.join("manifest-sha256.txt")).unwrap();
    let line = format!(
        "{}  data/internal/DCIM/Camera/VID_LONG.mp4",
        String::from_utf8_lossy(&toybox).trim()
    );
    assert!(manifest.lines().any(|one| one == line), "{line}");

    let before = tree::identities(&folder.join("data"));
    let second = desk.rescue(&["--json", "pull", "--tcp", &address, "-o", to]);
    let second = second
        .noted_as(&format!("the same again, nothing to do, {age:?}"))
        .expect_code(3);
    assert_eq!(second.count_of("pulled"), 0, "{second}");
    assert_eq!(before, tree::identities(&folder.join("data")));

    fs::remove_file(refused).unwrap();
    // That it is gone is said once; from then on everything that the phone has is here.
    let pull = ["pull", "--tcp", &address, "-o", to];
    desk.rescue(&pull)
        .expect_said("it is gone from the phone")
        .expect_code(3);
    let last = desk.rescue(&pull).expect_code(0);
    assert_eq!(before, tree::identities(&folder.join("data")), "{last}");
}

fn two_thousand_photos_alone_arrive(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let unwanted = fill(&phone, 2_000);
    let folder = desk.path("rescued");
    let arguments = [
        "pull",
        "--tcp",
        &phone.address(),
        "-o",
        folder.to_str().unwrap(),
    ];
    desk.rescue(&arguments)
        .noted_as(&format!("2,000 photos of 50 KB, direct, {age:?}"))
        .expect_code(0);
    assert_complete(&phone, &folder, &unwanted);
}

fn without_verification_everything_arrives_as_well(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let unwanted = fill(&phone, 50);
    let folder = desk.path("rescued");
    let to = folder.to_str().unwrap();
    desk.rescue(&["pull", "--no-verify", "--tcp", &phone.address(), "-o", to])
        .expect_code(0);
    assert_complete(&phone, &folder, &unwanted);
}

fn later_photos_are_added_to_the_folder(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let mut unwanted = fill(&phone, 10);
    let folder = desk.path("rescued");
    let (address, to) = (phone.address(), folder.to_str().unwrap());
    desk.rescue(&["pull", "--tcp", &address, "-o", to])
        .expect_code(0);
    let before = tree::identities(&folder.join("data"));
    unwanted.extend(fill_later(&phone));
    let finished = desk
        .rescue(&["--json", "pull", "--tcp", &address, "-o", to])
        .expect_code(0);
    assert_eq!(finished.count_of("pulled"), 5, "{finished}");
    let after = tree::identities(&folder.join("data"));
    assert!(
        before
            .iter()
            .all(|(path, identity)| after.get(path) == Some(identity))
    );
    assert_complete(&phone, &folder, &unwanted);
}

fn fill_later(phone: &Phone) -> Vec<PathBuf> {
    let mut tree = Tree::below(phone.internal().join("DCIM/Camera"));
    tree.photos("Later", 5, 30_000);
    Vec::new()
}

fn dry_run_names_items_and_pulls_nothing(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    fill(&phone, 3);
    let folder = desk.path("rescued");
    let to = folder.to_str().unwrap();
    let finished = desk.rescue(&[
        "--json",
        "pull",
        "--dry-run",
        "--tcp",
        &phone.address(),
        "-o",
        to,
    ]);
    let finished = finished
        .expect_code(0)
        .expect_said("DCIM/Camera/IMG_00002.jpg");
    assert_eq!(finished.count_of("pulled"), 0, "{finished}");
    assert!(!folder.join("data").exists(), "{finished}");
}

fn photos_alone_without_an_excluded_folder(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    fill(&phone, 3);
    let folder = desk.path("rescued");
    let mut arguments = vec![
        "pull",
        "--photos",
        "--exclude",
        "DCIM/Odd/**",
        "--exclude",
        "Pictures/**",
    ];
    let address = phone.address();
    arguments.extend(["--tcp", &address, "-o", folder.to_str().unwrap()]);
    desk.rescue(&arguments).expect_code(0);
    let here = files_below(&folder.join("data/internal"));
    let names: Vec<_> = here.keys().map(|path| path.to_str().unwrap()).collect();
    let expected = [
        "Android/media/com.whatsapp/WhatsApp/Media/WhatsApp Images/IMG-1.jpg",
        "DCIM/Camera/IMG_00001.jpg",
        "DCIM/Camera/IMG_00002.jpg",
        "DCIM/Camera/IMG_00003.jpg",
        "DCIM/Camera/empty.jpg",
        "Some app/photo.jpg",
    ];
    assert_eq!(names, expected);
}

fn file_too_deep_for_the_protocol_is_rescued_or_listed(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let mut tree = Tree::below(phone.internal());
    let deep = ["d".repeat(240).as_str(); 4].join("/");
    tree.file(format!("DCIM/{deep}/within.jpg"), 2_000);
    // 1,040 bytes and more on the phone: its sync service takes 1,024.
    tree.file(format!("DCIM/{deep}/{}.jpg", "n".repeat(60)), 2_000);
    tree.photos("DCIM/Camera", 3, 2_000);
    let folder = desk.path("rescued");
    let finished = desk.rescue(&[
        "pull",
        "--tcp",
        &phone.address(),
        "-o",
        folder.to_str().unwrap(),
    ]);
    let here = files_below(&folder.join("data"));
    match finished.code() {
        Some(0) => assert_eq!(here.len(), 5, "{finished}"),
        Some(3) => {
            assert_eq!(here.len(), 4, "{finished}");
            finished.expect_said(&"n".repeat(60));
        }
        _ => panic!("{finished}"),
    }
}

fn phone_without_files_or_card_makes_an_empty_valid_folder(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    fs::remove_dir_all(phone.sd_card()).unwrap();
    let folder = desk.path("rescued");
    desk.rescue(&[
        "pull",
        "--tcp",
        &phone.address(),
        "-o",
        folder.to_str().unwrap(),
    ])
    .expect_code(0);
    assert!(files_below(&folder.join("data")).is_empty());
    crate::bag::assert_valid(&folder);
}

#[test]
fn nobody_at_the_address_exits_10() {
    let desk = Desk::new();
    let address = format!("127.0.0.1:{}", crate::support::ports::free());
    let to = desk.path("rescued");
    let arguments = [
        "pull",
        "--wait",
        "1",
        "--tcp",
        &address,
        "-o",
        to.to_str().unwrap(),
    ];
    desk.rescue(&arguments)
        .expect_code(10)
        .expect_said(&address);
}
