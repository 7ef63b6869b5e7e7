//! A phone with photos in odd places, with another user, with what cannot be read and with files
//! whose names do not tell what they are: what is taken, and what is said of the rest.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::desk::{Desk, command, output_of};
use crate::phone::{Age, Daemon, Phone};
use crate::tree::{self, Tree, files_below};

/// Where photos are on the phone, below `/storage`, and where they come to be below `data/`.
const ODD_PLACES: [(&str, &str); 8] = [
    ("extSdCard/DCIM/Camera", "sd-extSdCard/DCIM/Camera"),
    ("sdcard1/Pictures", "sd-sdcard1/Pictures"),
    ("usbotg/holiday 2012", "sd-usbotg/holiday 2012"),
    ("deadbeef", "sd-deadbeef"),
    ("UsbDriveA/a/b", "sd-UsbDriveA/a/b"),
    ("emulated/10/DCIM", "user-10/DCIM"),
    (
        "emulated/0/Android/data/org.camera/files/Pictures",
        "internal/Android/data/org.camera/files/Pictures",
    ),
    (
        "1A2B-3C4D/Android/data/org.camera/files",
        "sd-1A2B-3C4D/Android/data/org.camera/files",
    ),
];

on_both_daemons!(
    photos_in_odd_places_are_taken_and_the_rest_is_said,
    choice_that_matches_nothing_says_what_would_and_leaves_no_folder,
);

fn fill(phone: &Phone) {
    let storage = phone.storage();
    let mut all = Tree::below(storage.clone());
    for (place, _) in ODD_PLACES {
        all.file(format!("{place}/photo.jpg"), 20_000);
    }
    let mut internal = Tree::below(phone.internal());
    internal.photos("DCIM/Camera", 20, 20_000);
    for number in 0..400 {
        let ending = ["dat", "bin", "xyz", "cnt"][number % 4];
        internal.file(format!("Odd app/cache files/{number:04}.{ending}"), 2_000);
    }
    let pictures = [
        (
            "Odd app/without ending",
            &b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01"[..],
        ),
        (
            "Odd app/it's\n a picture.0",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        ),
        ("Odd app/clip.tmp", b"\0\0\0\x18ftypmp42\0\0\0\0"),
    ];
    for (name, beginning) in pictures {
        let path = internal.file(name, 5_000);
        let mut bytes = fs::read(&path).unwrap();
        bytes[..beginning.len()].copy_from_slice(beginning);
        fs::write(&path, bytes).unwrap();
    }
    // The same storage by other names.
    symlink("/storage/emulated/0", storage.join("sdcard0")).unwrap();
    symlink("/storage/extSdCard", storage.join("aCard")).unwrap();
    // What the phone keeps: another user, an app's folder, and a card whose folder is closed.
    all.file("emulated/11/DCIM/secret.jpg", 1_000);
    internal.file("Android/data/com.secret.app/files/secret.jpg", 1_000);
    for closed in ["emulated/11", "emulated/0/Android/data/com.secret.app"] {
        tree::allow(&storage.join(closed), 0o700);
    }
    // Folders belong to whom they do on phones, not to who runs this test.
    output_of(
        command("chown")
            .args(["-R", "1023:1023"])
            .arg(storage.join("emulated/11")),
    );
}

#[track_caller]
fn assert_taken(folder: &Path) {
    let here = files_below(&folder.join("data"));
    for (_, local) in ODD_PLACES {
        let photo = Path::new(local).join("photo.jpg");
        assert!(here.contains_key(&photo), "{photo:?} of {:#?}", here.keys());
    }
    // 20 photos, 8 in odd places, 3 known by their first bytes; none of them twice.
    assert_eq!(here.len(), 31, "{:#?}", here.keys());
}

fn odd_places(daemon: Daemon) {
    let desk = Desk::new();
    let phone = desk.phone(daemon);
    fill(&phone);
    let folder = desk.path("rescued");
    let (address, to) = (phone.address(), folder.to_str().unwrap());
    let pull = ["pull", "--tcp", &address, "-o", to];
    let left = "400 other files (800.0 kB) were skipped: .bin 100, .cnt 100, .dat 100, .xyz 100: `--all` takes them";
    let user = "Not looked at: /storage/emulated/11";
    let apps = "Not looked at: 1 folder in /storage/emulated/0/Android/data";

    desk.rescue(&[&pull[..], &["--dry-run"]].concat())
        .expect_said("31 files would be pulled")
        .expect_said(left)
        .expect_said(user)
        .expect_said(apps)
        .expect_code(0);
    desk.rescue(&pull)
        .expect_said(left)
        .expect_said(user)
        .expect_said(apps)
        .expect_code(0);
    assert_taken(&folder);
    let json = desk.rescue(&["--json", "pull", "--tcp", &address, "-o", to]);
    let mut json = json
        .expect_said("\"looked_at_everything\":false")
        .expect_code(0);
    assert_eq!(json.count_of("pulled"), 0, "{json}");
    for row in [
        r#"{"kind":"other_user","place":"/storage/emulated/11","items":1,"bytes":0,"code":"permission_denied""#,
        r#"{"kind":"private","place":"/storage/emulated/0/Android/data","items":1,"bytes":0"#,
        r#"{"kind":"ending","place":"bin","items":100,"bytes":200000"#,
        r#"{"kind":"looked_at","place":"/storage/emulated/10","items":1"#,
    ] {
        json = json.expect_said(row);
    }
    desk.rescue(&["status", to])
        .expect_said(left)
        .expect_said(user)
        .expect_said("Everything readable on the phone")
        .expect_code(0);
    desk.rescue(&["--json", "status", to])
        .expect_said("\"looked_at_everything\":false")
        .expect_code(0);

    let archive = desk.path("all.zip");
    desk.rescue(&["export", to, "-o", archive.to_str().unwrap()])
        .expect_code(0);
    let unzip = |name: &str| {
        let output = output_of(command("unzip").arg("-p").arg(&archive).arg(name));
        String::from_utf8(output).unwrap()
    };
    let page = unzip("*report.html");
    assert!(
        page.contains(
            "another user's storage, which Android keeps to that user</th><td>/storage/emulated/11"
        ),
        "{page}"
    );
    assert!(
        page.contains(
            "<td>files that end in .bin</td><td class=\"number\">100 files, 200.0 kB</td>"
        ),
        "{page}"
    );
    assert!(
        !page.contains("Nothing that was asked for is missing"),
        "{page}"
    );
    assert!(
        unzip("*report.json").contains(r#""kind":"other_user","place":"/storage/emulated/11""#)
    );

    // A card that is there and closed is missed, until somebody says that this is known.
    let closed = phone.storage().join("closed");
    fs::create_dir(&closed).unwrap();
    tree::allow(&closed, 0o700);
    desk.rescue(&pull)
        .expect_said("/storage/closed: ")
        .expect_said("For 1 missing file: Android does not let adb read it")
        .expect_code(3);
    desk.rescue(&[&pull[..], &["--accept-failed"]].concat())
        .expect_code(0);
    desk.rescue(&pull).expect_said("; known").expect_code(0);
    desk.rescue(&["status", to])
        .expect_said("/storage/closed")
        .expect_code(0);
}

fn photos_in_odd_places_are_taken_and_the_rest_is_said(age: Age) {
    odd_places(Daemon::of(age));
}

/// Without sync v2 nothing tells a file's number: the shell says where names lead to.
#[test]
fn photos_in_odd_places_of_an_older_phone_are_taken_once() {
    odd_places(Daemon {
        age: Age::Android6,
        ..Daemon::open()
    });
}

fn choice_that_matches_nothing_says_what_would_and_leaves_no_folder(age: Age) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::of(age));
    let mut internal = Tree::below(phone.internal());
    internal.photos("DCIM/Camera", 3, 2_000);
    internal.file("Music/Voice Recorder/note.m4a", 2_000);
    let folder = desk.path("rescued");
    let (address, to) = (phone.address(), folder.to_str().unwrap());
    let pull = ["pull", "--tcp", &address, "-o", to];
    for (options, said) in [
        (
            ["--include", "*Voice*"],
            "'**/*Voice*/**' would match 1 file",
        ),
        (
            ["--root", "/storage/emulated/0/Nowhere"],
            "no folder of this name",
        ),
        (["--since", "2999-01-01"], "older than --since"),
    ] {
        desk.rescue(&[&pull[..], &options].concat())
            .expect_said(said)
            .expect_code(1);
        assert!(!folder.exists(), "{options:?}");
    }
}
