//! Places beside the known ones, files whose names do not tell, and what is left: said, not passed over.

use bytes::Bytes;
use rescue::adb::RemotePath;
use rescue::virtual_phone::tree::{Content, NodeKind};
use serde_json::Value;

use crate::desk::{CAMERA, Desk, camera, files_below, generated, refs, text};

const INTERNAL: &str = "/storage/emulated/0";
const TIME: i64 = 1_700_000_000;

fn path(text: &str) -> RemotePath {
    RemotePath::new(text.as_bytes()).unwrap()
}

/// A picture with nothing in it but its first bytes and zeros.
fn jpeg(size: usize) -> Content {
    let mut bytes = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01".to_vec();
    bytes.resize(size, 0);
    Content::Bytes(Bytes::from(bytes))
}

fn movie(size: usize) -> Content {
    let mut bytes = b"\0\0\0\x18ftypmp42\0\0\0\0".to_vec();
    bytes.resize(size, 0);
    Content::Bytes(Bytes::from(bytes))
}

/// The groups of one kind: place, how many, and the reason's code.
fn surveyed(line: &Value, kind: &str) -> Vec<(String, u64, Option<String>)> {
    let all = line["surveyed"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    all.filter(|one| one["kind"] == kind)
        .map(|one| {
            let items = one["items"].as_u64().unwrap();
            (text(&one["place"]).unwrap(), items, text(&one["code"]))
        })
        .collect()
}

#[tokio::test]
async fn cards_sticks_app_folders_and_other_users_are_walked_whatever_they_are_called() {
    let (mut phone, mut expected) = camera(&[1000]);
    for (index, (place, local)) in [
        ("/storage/extSdCard/DCIM", "sd-extSdCard/DCIM"),
        ("/storage/sdcard1/Pictures", "sd-sdcard1/Pictures"),
        ("/storage/usbotg/some folder", "sd-usbotg/some folder"),
        ("/storage/deadbeef", "sd-deadbeef"),
        ("/storage/emulated/10/DCIM", "user-10/DCIM"),
        ("/storage/emulated/999/Pictures", "user-999/Pictures"),
        ("/mnt/media_rw/STICK", "sd-STICK"),
        (
            "/storage/emulated/0/Android/data/com.x/files/Pictures",
            "internal/Android/data/com.x/files/Pictures",
        ),
        (
            "/storage/1A2B-3C4D/Android/data/com.x/files",
            "sd-1A2B-3C4D/Android/data/com.x/files",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let content = generated(2000, index as u64);
        let file = format!("{place}/a.jpg");
        phone.tree.add_file(&file, content.clone(), TIME);
        expected.push((format!("{local}/a.jpg"), content, TIME));
    }
    // The same storage by other names, which must not come twice.
    for (link, target) in [
        ("/sdcard", INTERNAL),
        ("/storage/self/primary", INTERNAL),
        ("/storage/sdcard0", INTERNAL),
        ("/storage/card", "/storage/extSdCard"),
        ("/storage/nowhere", "/storage/gone"),
    ] {
        phone
            .tree
            .add_raw(link.as_bytes(), NodeKind::Link(path(target)), 0);
    }
    phone.tree.add_folder("/mnt/media_rw/1A2B-3C4D/DCIM");
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
    let summary = ended.line("summary");
    assert_eq!(summary["looked_at_everything"], true);
    let looked_at = surveyed(summary, "looked_at");
    assert_eq!(looked_at.len(), 9, "{looked_at:?}");
    // A second run knows all of them again.
    let again = desk.pull(&serving, &[]).await.expect(0);
    assert_eq!(again.line("planned")["items"], 0);
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_said_and_only_what_was_to_be_looked_at_is_a_failure() {
    let (mut phone, expected) = camera(&[1000]);
    for place in [
        "/storage/emulated/10/DCIM",
        "/storage/emulated/0/Android/data/com.a",
        "/storage/emulated/0/Android/data/com.b",
    ] {
        phone
            .tree
            .add_file(&format!("{place}/a.jpg"), generated(10, 1), TIME);
    }
    phone.tree.forbid("/storage/emulated/10");
    phone.tree.forbid("/storage/emulated/0/Android/data/com.a");
    phone.tree.forbid("/storage/emulated/0/Android/data/com.b");
    let mut with_card = phone.clone();
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
    let folder = desk.folder();
    let status = desk
        .run(&["--json", "status", folder.to_str().unwrap()])
        .await;
    let status = status.expect(0);
    let dry_run = desk.pull(&serving, &["--dry-run"]).await.expect(0);
    for line in [
        ended.line("summary"),
        status.line("status"),
        dry_run.line("dry_run"),
    ] {
        assert_eq!(line["looked_at_everything"], false, "{line}");
        let denied = Some("permission_denied".to_owned());
        let user = ("/storage/emulated/10".to_owned(), 1, denied);
        assert_eq!(surveyed(line, "other_user"), [user]);
        let apps = "/storage/emulated/0/Android/data".to_owned();
        assert_eq!(surveyed(line, "private"), [(apps, 2, None)]);
    }
    let words = desk.run(&["status", folder.to_str().unwrap()]).await;
    let words: Vec<_> = words.lines.iter().filter_map(Value::as_str).collect();
    let words = words.join("\n");
    assert!(
        words.contains("Not looked at: /storage/emulated/10"),
        "{words}"
    );
    assert!(
        words.contains("2 folders in /storage/emulated/0/Android/data"),
        "{words}"
    );
    assert!(!words.contains("Everything asked for"), "{words}");

    // Asked for by its name, it is missed.
    let asked = ["--root", "/storage/emulated/10", "--root", CAMERA];
    let ended = desk.pull(&serving, &asked).await.expect(3);
    assert_eq!(
        ended.not_here()["/storage/emulated/10"],
        "permission_denied"
    );

    // A card that is there and cannot be read is missed too; a place without one is not.
    with_card.tree.add_folder("/storage/sdcard1");
    with_card.tree.forbid("/storage/sdcard1");
    let mounted = |on: &'static str| {
        let mut phone = with_card.clone();
        let table = format!("tmpfs /storage tmpfs rw 0 0\n/dev/x {on} vfat rw 0 0\n");
        let table = Content::Bytes(Bytes::from(table));
        phone.tree.add_file("/proc/mounts", table, 0);
        phone
    };
    for (phone, code, kind) in [
        (with_card.clone(), 3, "unreadable"),
        (mounted("/storage/sdcard1"), 3, "unreadable"),
        (mounted("/elsewhere"), 0, "not_mounted"),
    ] {
        let serving = phone.serve().await.unwrap();
        let ended = Desk::new().pull(&serving, &[]).await.expect(code);
        let places = surveyed(ended.line("summary"), kind);
        assert_eq!(places.len(), 1, "{places:?}");
        assert_eq!(places[0].0, "/storage/sdcard1");
    }
}

/// Recent phones refuse each number alike; their package manager knows which users there are.
#[tokio::test]
async fn users_of_a_phone_that_refuses_every_number_are_those_of_its_package_manager() {
    let (mut phone, _) = camera(&[1000]);
    let list = "Users:\n\tUserInfo{0:Owner:c13} running\n\tUserInfo{10:Work:1030} running\n";
    phone
        .prints
        .push(("pm list users".to_owned(), list.to_owned()));
    phone.faults.refuse_users();
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(0);
    let users = surveyed(ended.line("summary"), "other_user");
    let places: Vec<_> = users.iter().map(|(place, ..)| place.as_str()).collect();
    assert_eq!(places, ["/storage/emulated/10"]);
}

#[tokio::test]
async fn pictures_of_any_ending_or_none_come_and_the_rest_is_counted() {
    let (mut phone, mut expected) = camera(&[]);
    let folder = "Some app/deep";
    for name in [
        "a.jfif", "b.mpo", "c.hif", "d.gpr", "e.3gpp", "f.3g2", "g.ts", "h.mts", "i.mod", "j.tod",
        "k.lrv", "l.insv", "m.360", "n.cr3", "o.arw", "p.opus", "q.amr", "r.m4a", "s.dcr",
    ] {
        let content = generated(100, name.len() as u64);
        phone.tree.add_file(
            &format!("{INTERNAL}/{folder}/{name}"),
            content.clone(),
            TIME,
        );
        expected.push((format!("internal/{folder}/{name}"), content, TIME));
    }
    for (name, content) in [
        ("without ending", jpeg(500)),
        ("picture.dat", jpeg(700)),
        ("it's a \"clip\".0", movie(900)),
    ] {
        phone.tree.add_file(
            &format!("{INTERNAL}/{folder}/{name}"),
            content.clone(),
            TIME,
        );
        expected.push((
            format!("internal/{folder}/{}", name.replace('"', "\u{ff02}")),
            content,
            TIME,
        ));
    }
    for (name, count) in [("apk", 12), ("db", 9), ("xyz", 379)] {
        for number in 0..count {
            let file = format!("{INTERNAL}/{folder}/{number}.{name}");
            phone.tree.add_file(&file, generated(100, number), TIME);
        }
    }
    phone
        .tree
        .add_file(&format!("{INTERNAL}/{folder}/README"), text("x"), TIME);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
    let told = surveyed(ended.line("summary"), "ending");
    let told: Vec<_> = told
        .iter()
        .map(|(ending, items, _)| (ending.as_str(), *items))
        .collect();
    assert_eq!(told, [("xyz", 379), ("apk", 12), ("db", 9), ("", 1)]);
    let status = desk.run(&["status", desk.folder().to_str().unwrap()]).await;
    let words: Vec<_> = status.lines.iter().filter_map(Value::as_str).collect();
    let line = "401 other files (40.0 kB) were skipped: .xyz 379, .apk 12, .db 9, without an ending 1: `--all` takes them";
    assert!(words.contains(&line), "{words:#?}");

    // With --photos, pictures of unknown names count as photos wherever they are.
    let photos = Desk::new();
    photos.pull(&serving, &["--photos"]).await.expect(0);
    let files = files_below(&photos.folder().join("data"));
    let has = |name: &str| files.contains_key(&format!("internal/{folder}/{name}"));
    assert!(has("without ending") && has("picture.dat") && !has("it's a \"clip\".0"));
}

#[tokio::test]
async fn choice_that_matches_nothing_is_an_error_that_says_what_would_match() {
    let (mut phone, _) = camera(&[1000, 2000]);
    let voice = format!("{INTERNAL}/Music/Voice Recorder/note.m4a");
    phone.tree.add_file(&voice, generated(100, 1), TIME);
    phone.tree.add_file(
        &format!("{INTERNAL}/Backups/keys.bin"),
        generated(100, 1),
        TIME,
    );
    let serving = phone.serve().await.unwrap();
    for (options, hint) in [
        (
            &["--include", "*Voice*"][..],
            "'**/*Voice*' or '**/*Voice*/**' would match 1 file, as /storage/emulated/0/Music/Voice Recorder/note.m4a",
        ),
        (
            &["--include", "Nothing*"],
            "'Nothing*' matches none at any depth",
        ),
        (&["--include", "Backups/*"], "1 file would match"),
        (&["--since", "2999-01-01"], "the newest is from 2023-11-14"),
        (&["--videos"], "none of them is a video"),
        (&["--exclude", "**"], "leaves nothing"),
        (
            &["--root", "/storage/emulated/0/Nowhere"],
            "name a folder of the phone",
        ),
    ] {
        for dry_run in [&["--dry-run"][..], &[]] {
            let desk = Desk::new();
            let ended = desk
                .pull(&serving, &[options, dry_run].concat())
                .await
                .expect(1);
            let error = ended.line("error");
            assert_eq!(error["kind"], "nothing_matches", "{error}");
            let told = error["hint"].as_str().unwrap();
            assert!(told.contains(hint), "{options:?}: {told}");
            // No empty bag is left behind.
            assert!(!desk.folder().exists(), "{options:?}");
        }
    }
    // A folder that holds something stays as it is, and so does what is known of its last run.
    let desk = Desk::new();
    desk.pull(&serving, &[]).await.expect(0);
    let before = files_below(&desk.folder());
    desk.pull(&serving, &["--include", "Nothing*"])
        .await
        .expect(1);
    assert_eq!(before, files_below(&desk.folder()));
    let folder = desk.folder();
    desk.run(&["status", folder.to_str().unwrap()])
        .await
        .expect(0);
    // Somebody's empty folder stays too.
    let desk = Desk::new();
    std::fs::create_dir(desk.folder()).unwrap();
    desk.pull(&serving, &["--photos", "--since", "2999-01-01"])
        .await
        .expect(1);
    assert!(files_below(&desk.folder()).is_empty());
    assert!(std::fs::read_dir(desk.folder()).unwrap().next().is_none());
}

#[tokio::test]
async fn empty_phone_is_said_to_be_empty_and_is_no_failure() {
    let (phone, _) = camera(&[]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let folder = desk.folder();
    let arguments = [
        "pull",
        "--tcp",
        &serving.address().to_string(),
        "-o",
        folder.to_str().unwrap(),
    ];
    let ended = desk.run(&arguments).await.expect(0);
    let words: Vec<_> = ended.lines.iter().filter_map(Value::as_str).collect();
    assert!(
        words
            .iter()
            .any(|line| line.starts_with("The phone is empty")),
        "{words:#?}"
    );
}

#[tokio::test]
async fn what_has_no_room_is_listed_and_the_rest_comes() {
    let (mut phone, expected) = camera(&[1000, 2000]);
    for name in ["huge.mp4", "huger.mp4"] {
        let huge = Content::Zeros { size: 1 << 40 };
        phone.tree.add_file(&format!("{CAMERA}/{name}"), huge, TIME);
    }
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let ended = desk.pull(&serving, &[]).await.expect(3);
    let not_here = ended.not_here();
    assert_eq!(not_here.len(), 2);
    assert!(
        not_here.values().all(|code| code == "no_room"),
        "{not_here:?}"
    );
    assert!(
        serving
            .sent_bytes()
            .keys()
            .all(|path| !path.to_string().contains("huge"))
    );
    desk.expect_files(&refs(&expected));
    let status = desk.command(&["status", "rescued"]).output().unwrap();
    let words = String::from_utf8(status.stdout).unwrap();
    assert!(words.contains("make room on this one"), "{words}");
    assert!(!words.contains("--accept-failed"), "{words}");
    let desk = Desk::new();
    let ended = desk.pull(&serving, &["--videos"]).await.expect(1);
    assert!(
        ended.message().contains("not one of them fits"),
        "{}",
        ended.message()
    );
}

#[tokio::test]
async fn failures_that_are_accepted_are_listed_still_and_a_new_one_is_news() {
    let (mut phone, expected) = camera(&[1000]);
    for name in ["known.jpg", "later.jpg"] {
        let file = format!("{INTERNAL}/Pictures/{name}");
        phone.tree.add_file(&file, generated(10, 1), TIME);
    }
    phone.tree.forbid(&format!("{INTERNAL}/Pictures/known.jpg"));
    phone.tree.add_folder(&format!("{INTERNAL}/Closed"));
    phone.tree.forbid(&format!("{INTERNAL}/Closed"));
    let mut later = phone.clone();
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(3);
    desk.pull(&serving, &["--accept-failed"]).await.expect(0);
    let ended = desk.pull(&serving, &[]).await.expect(0);
    let not_here = ended.line("summary")["not_here"].as_array().unwrap();
    assert_eq!(not_here.len(), 2);
    assert!(
        not_here.iter().all(|one| one["known"] == true),
        "{not_here:?}"
    );
    let folder = desk.folder();
    let status = desk
        .run(&["--json", "status", folder.to_str().unwrap()])
        .await;
    assert_eq!(status.expect(0).line("item")["known"], true);
    assert_eq!(
        files_below(&desk.folder().join("data")).len(),
        expected.len() + 1
    );
    drop(serving);

    later.tree.forbid(&format!("{INTERNAL}/Another"));
    let serving = later.serve().await.unwrap();
    let ended = desk.pull(&serving, &[]).await.expect(3);
    let not_here = ended.line("summary")["not_here"].as_array().unwrap();
    let news: Vec<_> = not_here
        .iter()
        .filter(|one| one["known"] == false)
        .collect();
    assert_eq!(news.len(), 1);
    assert_eq!(news[0]["path"], format!("{INTERNAL}/Another"));
}

#[tokio::test]
async fn each_failure_is_printed_once_with_its_reason_and_a_next_step() {
    let (mut phone, _) = camera(&[1000, 2000]);
    phone.tree.forbid(&format!("{CAMERA}/0.jpg"));
    phone.tree.add_folder(&format!("{INTERNAL}/Closed"));
    phone.tree.forbid(&format!("{INTERNAL}/Closed"));
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let folder = desk.folder();
    let arguments = [
        "pull",
        "--tcp",
        &serving.address().to_string(),
        "-o",
        folder.to_str().unwrap(),
    ];
    let ended = desk.run(&arguments).await.expect(3);
    let words: Vec<_> = ended.lines.iter().filter_map(Value::as_str).collect();
    let all = format!("{}\n{}", words.join("\n"), ended.stderr);
    for path in [format!("{CAMERA}/0.jpg"), format!("{INTERNAL}/Closed")] {
        let told: Vec<_> = all.lines().filter(|line| line.contains(&path)).collect();
        assert_eq!(told.len(), 1, "{told:?}");
    }
    assert!(
        all.contains("For 2 missing files: Android does not let adb read it"),
        "{all}"
    );
}
