use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::super::tests::rescue;
use super::*;
use crate::digest::Sha256;
use crate::folder::disk::{observe, stop_observing};
use crate::folder::tests::{fresh, local, plan as plan_entry};
use crate::folder::{Folder, Reason, ReasonCode, Record};
use crate::media::look::tests::{jpeg, with_exif};

fn photo(seed: u16) -> Vec<u8> {
    let thumb = jpeg(16, 12);
    with_exif(&jpeg(64 + seed, 48), "2024:08:18 09:30:01", 6, &thumb)
}

fn write(folder: &Folder) {
    write_to_folder(folder, ReceivedFiles::default()).unwrap();
}

/// What a script of the album calls its function with.
fn called(script: &str, function: &str) -> Value {
    let inner = script.strip_prefix(function).unwrap();
    let inner = inner.strip_suffix(");\n").unwrap().replace(",\n]", "\n]");
    serde_json::from_str(&format!("[{}]", inner.strip_prefix('(').unwrap())).unwrap()
}

/// The head and the lines of the list that the page names.
fn shown(root: &Path) -> (Value, Vec<Value>) {
    let page = fs::read_to_string(root.join(PAGE)).unwrap();
    let list = page::list_of(&page).unwrap();
    let list = called(&fs::read_to_string(root.join(list)).unwrap(), "albumList");
    let lines = list[1].as_array().unwrap().clone();
    (list[0].clone(), lines)
}

fn files(root: &Path) -> BTreeSet<String> {
    let listing = fs::read_dir(root.join(parts::ALBUM)).unwrap();
    listing
        .map(|found| found.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn entry_of(root: &Path, line: &Value) -> Value {
    let number = line[7].as_i64().unwrap();
    let part = fs::read_to_string(root.join(format!("album/p{number}.js"))).unwrap();
    let part = called(&part, "albumPart");
    assert_eq!(part[0], number);
    part[1][line[8].as_u64().unwrap() as usize].clone()
}

#[test]
fn album_of_a_folder_tells_of_every_file_and_of_what_is_missing() {
    let (_room, mut folder) = fresh();
    let (one, clip) = (photo(0), include_bytes!("../../../fixtures/clip.mp4"));
    rescue(
        &mut folder,
        &[
            ("internal/DCIM/a.jpg", &one),
            ("internal/DCIM/b.mp4", clip),
            ("sd-1A2B-3C4D/letter.pdf", b"a letter"),
        ],
    );
    let failed = plan_entry(
        &mut folder,
        "internal/DCIM/<img src=x>.jpg"
            .replace(['<', '>'], "_")
            .as_str(),
    );
    let reason = Reason::new(ReasonCode::PermissionDenied, "</script><b>no");
    folder
        .catalogue_mut()
        .record(&[Record::Failed { id: failed, reason }])
        .unwrap();
    write(&folder);
    let root = folder.root();
    let (head, lines) = shown(root);
    assert_eq!(head["phone"], "Google Pixel 7");
    assert_eq!(head["missingCount"], 1);
    assert_eq!(head["missing"][0][1], "could not be pulled: </script><b>no");
    let line = |name: &str| lines.iter().find(|line| line[1] == name).unwrap().clone();
    let sum = Sha256::of(&one).to_string();
    let expected = json!([0, "a.jpg", one.len(), "20240818093001", 0, 6, 0, 0, 0, sum]);
    assert_eq!(line("a.jpg"), expected);
    let entry = entry_of(root, &line("a.jpg"));
    assert_eq!(
        BASE64.decode(entry[0].as_str().unwrap()).unwrap(),
        jpeg(16, 12)
    );
    assert_eq!(line("b.mp4")[4], 1);
    assert_eq!(
        (&line("b.mp4")[6], &line("b.mp4")[7]),
        (&json!(2), &json!(-1))
    );
    let letter = line("letter.pdf");
    assert_eq!(
        head["folders"][letter[0].as_u64().unwrap() as usize],
        "sd-1A2B-3C4D/"
    );
    // The newest first.
    let times: Vec<&str> = lines.iter().map(|line| line[3].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|one, other| one >= other), "{times:?}");
    assert!(is_current(root));
}

#[test]
fn what_an_earlier_album_saw_is_not_looked_at_again() {
    let (_room, mut folder) = fresh();
    rescue(
        &mut folder,
        &[("internal/1.jpg", &photo(1)), ("internal/2.jpg", &photo(2))],
    );
    write(&folder);
    // Were they looked at again, they would show nothing.
    for name in ["1.jpg", "2.jpg"] {
        fs::write(folder.data_path(&local(&format!("internal/{name}"))), b"x").unwrap();
    }
    rescue(&mut folder, &[("internal/3.jpg", &photo(3))]);
    write(&folder);
    let root = folder.root();
    let (_, lines) = shown(root);
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert_eq!(line[5], 6, "{line}");
        assert!(
            !entry_of(root, line)[0].as_str().unwrap().is_empty(),
            "{line}"
        );
    }
    let expected = ["list-1.js", "p0.js", "p1.js"].map(str::to_owned);
    assert_eq!(files(root), expected.into());
}

#[test]
fn what_nothing_refers_to_any_more_is_removed() {
    let (_room, mut folder) = fresh();
    rescue(&mut folder, &[("internal/1.jpg", &photo(1))]);
    let root = folder.root().to_owned();
    fs::create_dir_all(root.join("sheet")).unwrap();
    for old in ["items.js", "t0.js", "t12.js"] {
        fs::write(root.join("sheet").join(old), b"of the sheet").unwrap();
    }
    fs::create_dir(root.join(parts::ALBUM)).unwrap();
    // A part that a killed pull left, and something of somebody else's.
    fs::write(root.join("album/p7.js"), b"albumPart(7,[]);\n").unwrap();
    fs::write(root.join("album/notes.txt"), b"mine").unwrap();
    write(&folder);
    write(&folder);
    let expected = ["list-1.js", "notes.txt", "p8.js"].map(str::to_owned);
    assert_eq!(files(&root), expected.into());
    assert!(!root.join("sheet").exists());
    assert_eq!(fs::read_dir(root.join(".partial")).unwrap().count(), 0);
    let report = crate::folder::check::check(&folder, &mut |_| {}).unwrap();
    let wrong = report.findings.iter().filter(|it| {
        use crate::folder::check::Finding::{NotInManifest, TagFileMissing};
        !matches!(it, TagFileMissing { .. } | NotInManifest { .. })
    });
    assert_eq!(wrong.count(), 0, "{:?}", report.findings);
}

#[test]
fn whatever_stops_the_program_leaves_the_old_page_or_the_new_one() {
    let (_room, mut folder) = fresh();
    rescue(&mut folder, &[("internal/1.jpg", &photo(1))]);
    write(&folder);
    let root = folder.root().to_owned();
    rescue(&mut folder, &[("internal/2.jpg", &photo(2))]);
    // Whole at every moment, with a list that says where each small picture is.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (sees, at) = (Arc::clone(&seen), root.clone());
    let look = move |_| {
        let lines = shown(&at).1;
        lines.iter().for_each(|line| drop(entry_of(&at, line)));
        sees.lock().unwrap().push(lines.len());
    };
    observe(&root, Box::new(look));
    write(&folder);
    stop_observing(&root);
    let seen = seen.lock().unwrap();
    assert!(
        seen.is_sorted() && seen.first() == Some(&1) && seen.last() == Some(&2),
        "{seen:?}"
    );
    // It cannot be written at all.
    rescue(&mut folder, &[("internal/3.jpg", &photo(3))]);
    fs::create_dir(root.join(".partial/album")).unwrap();
    assert!(write_to_folder(&folder, ReceivedFiles::default()).is_err());
    assert_eq!(shown(&root).1.len(), 2);
}

#[test]
fn a_list_that_somebody_changed_is_believed_where_it_can_be() {
    let (_room, mut folder) = fresh();
    rescue(
        &mut folder,
        &[("internal/1.jpg", &photo(1)), ("internal/2.jpg", &photo(2))],
    );
    write(&folder);
    let root = folder.root().to_owned();
    let list = fs::read(root.join("album/list-0.js")).unwrap();
    let read = |bytes: &[u8]| {
        let path = root.join("album/changed");
        fs::write(&path, bytes).unwrap();
        known::EarlierFiles::read(fs::File::open(path).unwrap())
    };
    let sums = [Sha256::of(&photo(1)), Sha256::of(&photo(2))];
    let knows = |known: &known::EarlierFiles| {
        let seen = sums.iter().zip(["1.jpg", "2.jpg"]);
        seen.filter(|(sum, name)| known.of("internal/", name, sum).is_some())
            .count()
    };
    assert_eq!(knows(&read(&list)), 2);
    // Other bytes under the same name are another picture.
    assert!(read(&list).of("internal/", "1.jpg", &sums[1]).is_none());
    for length in 0..list.len() {
        assert!(knows(&read(&list[..length])) <= 2);
    }
    for at in 0..list.len() {
        let mut changed = list.clone();
        changed[at] ^= 0x15;
        let known = read(&changed);
        for (sum, name) in sums.iter().zip(["1.jpg", "2.jpg"]) {
            let place = known.of("internal/", name, sum).and_then(|seen| seen.place);
            assert!(place.is_none_or(|(_, place)| usize::from(place) < parts::ENTRIES));
        }
    }
    for hostile in [
        &b"albumList({\"version\":1}"[..],
        b"[0,1]\n",
        &[0xff; 4096],
        b"albumList(",
    ] {
        assert_eq!(knows(&read(hostile)), 0);
    }
}

#[test]
fn pictures_get_a_share_of_the_room_and_no_more() {
    let (_room, mut folder) = fresh();
    let beside = Beside::start(&folder, 1200).unwrap();
    let events = beside.hear(&crate::event::Events::to(|_| {}));
    let names: Vec<String> = (0..20).map(|n| format!("internal/{n}.jpg")).collect();
    for (n, name) in names.iter().enumerate() {
        rescue(&mut folder, &[(name, &photo(n as u16))]);
        events.emit(crate::event::Event::Pulled {
            path: crate::adb::RemotePath::new(b"/x").unwrap(),
            local: local(name),
            size: 1,
        });
    }
    write_to_folder(&folder, beside.finish(Backlog::Finish)).unwrap();
    let (_, lines) = shown(folder.root());
    let with = lines
        .iter()
        .filter(|line| line[7].as_i64().unwrap() >= 0)
        .count();
    // Each has some five hundred bytes; all of them were looked at.
    assert!((1..5).contains(&with), "{with}");
    assert!(
        lines.iter().all(|line| line[5] == 6 && line[7] != -2),
        "{lines:?}"
    );
}

#[test]
fn page_lets_no_other_script_run() {
    let page = page::page("album/list-3.js");
    assert_eq!(page::list_of(&page), Some("album/list-3.js"));
    let (_, script) = page.split_once("<script>").unwrap();
    let (script, _) = script.split_once("</script>").unwrap();
    let hash = BASE64.encode(Sha256::of(script.as_bytes()).0);
    assert!(page.contains(&format!("script-src 'sha256-{hash}' 'self' file:;")));
    assert!(!page.contains("{{") && !page.contains("http:") && !page.contains("https:"));
    assert!(script.contains("PART = 7, PLACE = 8, SUM = 9"));
}
