//! The pages of `rescue desk` and of `rescue screen --live` in Debian's Chromium, in front of the built-in phone.
//!
//! Needs what `bash tests/archive/install` installs; `cargo test --release --test browser`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rescue::adb::RemotePath;
use rescue::virtual_phone::tree::{LastLink, NodeKind};
use rescue::virtual_phone::{VirtualPhone, camera_roll};

use support::display::display;

#[path = "../support/mod.rs"]
mod support;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_sees_taps_swipes_and_types_and_nobody_else_does() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut phone = VirtualPhone::new("TEST0001");
    phone.screen = Some(display(1080).into());
    let phone = phone.serve().await.unwrap();
    let mut live = Command::new(env!("CARGO_BIN_EXE_rescue"))
        .args(["screen", "--live", "--tcp", &phone.address().to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(live.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let screenshot = project.join("target/archive/live.png");
    std::fs::create_dir_all(screenshot.parent().unwrap()).unwrap();
    let mut look = Command::new("/usr/bin/python3");
    look.arg(project.join("tests/browser/live.py"))
        .arg(url.trim())
        .arg(&screenshot);
    let looked = tokio::task::spawn_blocking(move || look.output().unwrap())
        .await
        .unwrap();
    // The last touch may still be on its way when the browser goes.
    let begin = Instant::now();
    while phone.inputs().last().is_none_or(|last| last != "text a%sb")
        && begin.elapsed() < Duration::from_secs(5)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    live.kill().unwrap();
    live.wait().unwrap();
    assert!(
        looked.status.success(),
        "{}",
        String::from_utf8_lossy(&looked.stderr)
    );
    let seen: serde_json::Value = serde_json::from_slice(&looked.stdout).unwrap();
    assert_eq!(seen["title"], "The phone's screen");
    assert_eq!(seen["sizes"].as_array().unwrap().len(), 1, "{seen}");
    assert!(seen["pictures"].as_u64().unwrap() > 3, "{seen}");
    assert_eq!(seen["size"], serde_json::json!([540, 1080]));
    assert_eq!(seen["black_hint_hidden"], true);
    assert_eq!(seen["console"], serde_json::json!([]), "{seen}");
    assert_eq!(seen["requests_elsewhere"], serde_json::json!([]), "{seen}");
    let elsewhere = &seen["elsewhere"];
    for way in ["fetch", "image", "frame"] {
        assert_eq!(elsewhere[way], "nothing", "{seen}");
    }
    assert!(
        seen["wrong_token"]
            .as_str()
            .unwrap()
            .contains("wrong address"),
        "{seen}"
    );

    let inputs = phone.inputs();
    let words: Vec<Vec<&str>> = inputs
        .iter()
        .map(|line| line.split(' ').collect())
        .collect();
    let number = |line: usize, word: usize| words[line][word].parse::<i64>().unwrap();
    let near = |line: usize, word: usize, expected: i64| {
        let found = number(line, word);
        assert!((found - expected).abs() <= 3, "{inputs:?}");
    };
    assert_eq!(words[0][0], "tap", "{inputs:?}");
    near(0, 1, 270);
    near(0, 2, 270);
    // A long press is a swipe that stays where it is.
    assert_eq!(
        (words[1][0], words[1][1], words[1][2]),
        ("swipe", words[1][3], words[1][4]),
        "{inputs:?}"
    );
    assert!((600..3000).contains(&number(1, 5)), "{inputs:?}");
    assert_eq!(words[2][0], "swipe", "{inputs:?}");
    near(2, 2, 810);
    near(2, 4, 270);
    // A busy machine types slowly: what comes late goes in a command of its own.
    let enter = inputs
        .iter()
        .position(|line| line == "keyevent KEYCODE_ENTER");
    let enter = enter.unwrap_or_else(|| panic!("{inputs:?}"));
    let typed: Vec<_> = inputs[3..enter]
        .iter()
        .map(|line| line.strip_prefix("text ").unwrap())
        .collect();
    assert_eq!(typed.concat(), "Hi%s5309");
    assert_eq!(inputs[enter + 1..], ["keyevent KEYCODE_HOME", "text a%sb"]);
}

/// A phone whose pictures can all be read; one has a name that would be markup.
fn phone_with_pictures() -> VirtualPhone {
    let camera = "/storage/emulated/0/DCIM/Camera";
    let roll = camera_roll::phone();
    let path = RemotePath::new(camera.as_bytes()).unwrap();
    let mut phone = VirtualPhone::new("TEST0001");
    let NodeKind::Folder(entries) = &roll.tree.find(&path, LastLink::Itself).unwrap().kind else {
        panic!("a folder of pictures");
    };
    for (name, node) in entries.iter().filter(|(_, node)| node.readable) {
        let path = [camera.as_bytes(), b"/", name].concat();
        phone.tree.add_raw(&path, node.kind.clone(), node.mtime);
    }
    let (_, first) = entries.iter().find(|(_, node)| node.readable).unwrap();
    let markup = format!("{camera}/<img src=x onerror=harm=1><b>name.jpg");
    phone
        .tree
        .add_raw(markup.as_bytes(), first.kind.clone(), 1_800_000_000);
    phone
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_gets_from_the_desk_to_a_proven_album_an_archive_and_a_copy_by_clicks_alone() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut phone = phone_with_pictures();
    // Long enough to look at, and to pause.
    phone.rate = Some(60_000);
    let phone = phone.serve().await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let disk = tempfile::Builder::new()
        .prefix("disk-")
        .tempdir_in("/dev/shm")
        .unwrap();
    let mut desk = Command::new(env!("CARGO_BIN_EXE_rescue"))
        .args(["desk", "--no-open", "--tcp", &phone.address().to_string()])
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("ANDROID_ADB_SERVER_PORT", "1")
        .env_remove("XDG_CONFIG_HOME")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(desk.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let pictures = project.join("target/archive/desk");
    std::fs::create_dir_all(pictures.parent().unwrap()).unwrap();
    let axe = walkdir::WalkDir::new(project.join("target/archive/axe"))
        .into_iter()
        .filter_map(Result::ok)
        .find(|found| found.file_name() == "axe.min.js");
    let mut look = Command::new("/usr/bin/python3");
    look.arg(project.join("tests/browser/desk.py"))
        .arg(url.trim())
        .args([disk.path(), &pictures])
        .arg(axe.expect("axe-core").path());
    let looked = tokio::task::spawn_blocking(move || look.output().unwrap())
        .await
        .unwrap();
    if !looked.status.success() {
        let _ = desk.kill();
        panic!("{}", String::from_utf8_lossy(&looked.stderr));
    }
    assert_eq!(desk.wait().unwrap().code(), Some(0));
    let seen: serde_json::Value = serde_json::from_slice(&looked.stdout).unwrap();
    assert_eq!(seen["title"], "rescue", "{seen}");
    let files = std::fs::read_dir(disk.path()).unwrap().count();
    assert!(files > 0, "nothing was copied");
    assert_eq!(seen["chosen"], disk.path().to_str().unwrap());
    assert!(seen["album"].as_u64().unwrap() > 10, "{seen}");
    let names = seen["names"].to_string();
    assert!(names.contains("img src=x onerror=harm=1"), "{names}");
    for words in ["Backup complete", "Look at the pictures"] {
        let text = seen["text"].as_str().unwrap();
        assert!(text.contains(words), "{words}: {seen}");
    }
    assert!(!seen["verdict"].as_str().unwrap().is_empty(), "{seen}");
    for (what, nothing) in [
        ("proven", serde_json::json!("25 files are here and proven.")),
        ("broken", serde_json::json!(0)),
        ("markup", serde_json::json!(0)),
        ("harm", serde_json::json!("none")),
        ("console", serde_json::json!([])),
        ("requests_elsewhere", serde_json::json!([])),
        ("album_console", serde_json::json!([])),
        ("violations", serde_json::json!([])),
        ("too_wide", serde_json::json!([])),
    ] {
        assert_eq!(seen[what], nothing, "{what}: {seen}");
    }
    let folder = std::fs::read_dir(home.path())
        .unwrap()
        .map(|found| found.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "zip"));
    assert!(folder.is_some(), "no archive");
}
