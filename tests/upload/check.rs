//! `upload --check`: what it compares, what it misses, and what it says of that.

use std::fs;

use rescue::adb::RemotePath;
use rescue::folder::{Folder, NewEntry};
use rescue::names::LocalPath;

use super::dav::{Dav, Manners};
use super::desk::{Desk, FIRST, photo};
use super::secrets::be_impatient;

const TOP: &str = "Google-Pixel-7-LAB1";

fn desk_with_folder(photos: usize) -> Desk {
    let desk = Desk::new();
    fs::create_dir(desk.path("there")).unwrap();
    let place = desk.path("there").to_str().unwrap().to_owned();
    desk.run(&["remote", "add", "there", "folder", &place])
        .expect(0);
    desk.rescue_photos(photos);
    desk
}

#[test]
fn one_changed_byte_is_found_and_a_quick_check_says_what_it_did_not_see() {
    let desk = desk_with_folder(3);
    desk.upload("there", &[]).expect(0);
    let place = desk.path(&format!("there/{TOP}/{FIRST}"));
    let mut bytes = fs::read(&place).unwrap();
    bytes[100] ^= 1;
    fs::write(&place, bytes).unwrap();
    let arguments = ["upload", "rescued", "--to", "there", "--check=quick"];
    let said = desk.run(&arguments).expect(0).all;
    assert!(said.contains("3 compared by size only"), "{said}");
    let checked = desk.upload("there", &["--check"]).expect(3);
    assert_eq!(checked.count("finding"), 1, "{}", checked.all);
    let report = checked.line("upload_checked");
    assert_eq!((&report["there"], &report["wrong"]), (&2.into(), &1.into()));
    assert_eq!(report["read_back"], 2);
    let said = desk.run(&["upload", "rescued", "--to", "there", "--check"]);
    assert!(
        said.all.contains("2 read back and compared by hash"),
        "{}",
        said.all
    );
}

#[test]
fn what_was_never_sent_is_counted_and_said() {
    let desk = desk_with_folder(5);
    desk.upload("there", &["--include", "**/*_000001.jpg"])
        .expect(0);
    let checked = desk.upload("there", &["--check"]).expect(3);
    let report = checked.line("upload_checked");
    assert_eq!(
        (&report["there"], &report["not_sent"]),
        (&1.into(), &4.into())
    );
    let said = desk.run(&["upload", "rescued", "--to", "there", "--check"]);
    assert!(said.all.contains("4 other files"), "{}", said.all);
    // Who asks for what was sent only, gets that answer.
    desk.upload("there", &["--check", "--include", "**/*_000001.jpg"])
        .expect(0);
    desk.upload("there", &[]).expect(0);
    desk.upload("there", &["--check"]).expect(0);
}

#[test]
fn choice_narrows_what_is_compared_and_one_that_matches_nothing_is_an_error() {
    let desk = desk_with_folder(5);
    let nothing = ["--include", "zzz*"];
    let said = desk.upload("there", &nothing).expect(1).all;
    assert!(said.contains("none of the 5 files in"), "{said}");
    desk.upload("there", &["--videos"]).expect(1);
    desk.upload("there", &["--since", "2090-01-01"]).expect(1);
    desk.upload("there", &["--include", "**/*_00000[12].jpg"])
        .expect(0);
    let checked = desk
        .upload("there", &["--check", "--include", "**/*_00000[23].jpg"])
        .expect(3);
    let report = checked.line("upload_checked");
    assert_eq!(
        (&report["there"], &report["not_sent"]),
        (&1.into(), &1.into())
    );
    desk.upload("there", &["--check", "--include", "zzz*"])
        .expect(1);
}

#[test]
fn what_the_phone_did_not_give_is_counted_by_a_check() {
    let desk = desk_with_folder(4);
    desk.upload("there", &[]).expect(0);
    let mut folder = Folder::open(&desk.path("rescued")).unwrap();
    let planned = NewEntry {
        item: rescue::item::Item {
            path: RemotePath::new(b"/storage/emulated/0/DCIM/lost.jpg").unwrap(),
            size: 7,
            size_is_exact: true,
            mtime: 0,
        },
        version: 1,
        local: LocalPath::new("internal/DCIM/lost.jpg").unwrap(),
    };
    folder.catalogue_mut().insert_planned([planned]).unwrap();
    drop(folder);
    let checked = desk.upload("there", &["--check"]).expect(3);
    let report = checked.line("upload_checked");
    assert_eq!(
        (&report["there"], &report["left_out"]),
        (&4.into(), &1.into())
    );
    let said = desk.run(&["upload", "rescued", "--to", "there", "--check"]);
    assert!(
        said.all.contains("1 file of the phone, not rescued"),
        "{}",
        said.all
    );
}

#[test]
fn remote_that_cannot_be_looked_at_is_not_called_complete() {
    let desk = desk_with_folder(3);
    desk.upload("there", &[]).expect(0);
    fs::rename(desk.path("there"), desk.path("unplugged")).unwrap();
    be_impatient(&desk);
    let ended = desk.upload("there", &[]).expect(1);
    assert_eq!(ended.line("upload_summary")["finished"], false);
    let said = desk.run(&["upload", "rescued", "--to", "there"]).all;
    assert!(!said.contains("complete"), "{said}");
    assert!(
        said.contains("not finished; 3 files on record as sent"),
        "{said}"
    );
}

/// As in folders of earlier versions.
#[test]
fn nothing_is_called_everything_where_nobody_knows_what_was_looked_at() {
    let desk = desk_with_folder(3);
    let status = desk.run(&["status", "rescued"]).all;
    assert!(status.contains("Everything asked for"), "{status}");
    let mut folder = Folder::open(&desk.path("rescued")).unwrap();
    folder.catalogue_mut().set_survey(&[]).unwrap();
    drop(folder);
    let status = desk.run(&["status", "rescued"]).all;
    assert!(status.contains("is not recorded"), "{status}");
    assert!(!status.contains("Everything asked for"), "{status}");
    let sent = desk.run(&["upload", "rescued", "--to", "there"]).all;
    assert!(!sent.contains("Backup complete ("), "{sent}");
}

#[test]
fn archives_are_checked_without_the_photos_that_were_never_meant_to_go() {
    let desk = desk_with_folder(3);
    fs::write(desk.path("all.zip"), photo(5, 30_000)).unwrap();
    desk.upload("there", &["--archive", "all.zip"]).expect(0);
    let checked = desk.upload("there", &["--check"]).expect(0);
    assert_eq!(checked.line("upload_checked")["not_sent"], 0);

    // One that never went there, and one that is not there any more: also when it is looked for again.
    fs::write(desk.path("other.zip"), photo(6, 30_000)).unwrap();
    let other = ["--check", "--archive", "other.zip"];
    let checked = desk.upload("there", &other).expect(3);
    let report = checked.line("upload_checked");
    assert_eq!(
        (&report["there"], &report["not_sent"]),
        (&0.into(), &1.into())
    );
    let both = ["--check", "--archive", "all.zip", "--archive", "other.zip"];
    let checked = desk.upload("there", &both).expect(3);
    let report = checked.line("upload_checked");
    assert_eq!(
        (&report["there"], &report["not_sent"]),
        (&1.into(), &1.into())
    );
    let there = desk.path("there").join("all.zip");
    fs::remove_file(&there).unwrap();
    // An empty folder would be taken for the mount point of a disk that is not plugged in.
    fs::write(desk.path("there/other"), "other").unwrap();
    desk.upload("there", &["--check"]).expect(3);
    let said = desk.run(&["upload", "rescued", "--to", "there", "--check"]);
    assert_eq!(said.code, 3, "{}", said.all);
    assert!(said.all.contains("all.zip` sends it"), "{}", said.all);
    desk.upload("there", &["--archive", "all.zip"]).expect(0);
    desk.upload("there", &["--check"]).expect(0);
}

/// A receipt of yesterday says nothing of today.
#[test]
fn receipts_are_looked_at_before_a_backup_is_called_complete() {
    let dav = Dav::with(Manners::default());
    let desk = Desk::new();
    desk.run(&["remote", "add", "dav", "webdav", &dav.url()])
        .expect(0);
    desk.rescue_photos(4);
    desk.upload("dav", &[]).expect(0);
    let path = |nth: usize| {
        let name = FIRST.replace("000001", &format!("{nth:06}"));
        format!("{TOP}/{name}")
    };
    dav.remove(&path(1));
    // Another photo of another size, put over ours.
    dav.put(&path(2), photo(77, 20_001));
    let arguments = ["upload", "rescued", "--to", "dav"];
    let said = desk.run(&arguments).expect(0).all;
    assert!(
        said.contains("2 files sent before, missing or changed there"),
        "{said}"
    );
    assert!(said.contains("Backup complete (4 files"), "{said}");
    let there = dav.files();
    for (name, bytes) in desk.tree("rescued/data") {
        assert!(there.values().any(|found| *found == bytes), "{name}");
    }
    assert!(there[&path(2)] == photo(77, 20_001));
    let listings = dav.requests("PROPFIND");
    desk.upload("dav", &[]).expect(0);
    assert_eq!(dav.requests("PROPFIND") - listings, 1, "one look, no more");
}

#[test]
fn choice_that_matches_nothing_names_the_option_to_change() {
    let desk = desk_with_folder(3);
    for command in [
        &["export", "rescued"][..],
        &["upload", "rescued", "--to", "there"],
    ] {
        for (choice, hint) in [
            (&["--include", "DCIM"][..], "a pattern matches a whole path"),
            (&["--videos"], "leave --photos and --videos out"),
            (
                &["--until", "1990-01-01"],
                "by the day on which a picture was taken",
            ),
            (&["--exclude", "**"], "leave --exclude out"),
        ] {
            let said = desk.run(&[command, choice].concat()).expect(1).all;
            assert!(said.contains("none of the 3 files in rescued"), "{said}");
            assert!(
                said.contains(hint) && !said.contains("unverified"),
                "{said}"
            );
        }
    }
}

/// The lost files are sent by the next upload, not by a check.
#[test]
fn lost_files_are_all_listed_and_stay_wrong_until_they_are_sent_again() {
    let desk = desk_with_folder(30);
    fs::write(desk.path("all.zip"), photo(99, 30_000)).unwrap();
    desk.upload("there", &[]).expect(0);
    desk.upload("there", &["--archive", "all.zip"]).expect(0);
    fs::remove_dir_all(desk.path("there").join(TOP)).unwrap();
    fs::write(desk.path("there/all.zip"), "altered").unwrap();
    // Of one there is no other copy on this computer, either.
    fs::remove_file(desk.path("rescued/data").join(FIRST)).unwrap();
    let archive = desk.path("all.zip").display().to_string();
    for nth in 0..2 {
        let checked = desk.upload("there", &["--check"]).expect(3);
        assert_eq!(checked.count("finding"), 31, "{nth}: {}", checked.all);
        let report = checked.line("upload_checked");
        assert_eq!(report["wrong"], 31, "{report}");
        assert_eq!(
            (&report["not_sent"], &report["left_out"]),
            (&0.into(), &0.into())
        );
        let said = desk.run(&["upload", "rescued", "--to", "there", "--check"]);
        let said = said.expect(3).all;
        for words in [
            "and 11 more",
            "29 files missing or altered there: `rescue upload rescued --to there` sends them",
            "1 file missing or altered there, and altered or gone in the rescue folder: `rescue pull -o rescued`",
            &format!("`rescue upload rescued --to there --archive {archive}` sends it again"),
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(!said.contains("other file"), "{said}");
    }
    let status = desk.run(&["status", "rescued"]).all;
    let step = format!("`rescue upload rescued --to there --archive {archive}` sends it");
    assert!(status.contains(&step), "{status}");
    let ended = desk.upload("there", &[]).expect(3);
    assert_eq!(ended.line("upload_summary")["sent"], 29);
    let checked = desk.run(&["upload", "rescued", "--to", "there", "--check"]);
    let said = checked.expect(3).all;
    assert!(said.contains("not sent: 1 of them"), "{said}");
    desk.upload("there", &["--archive", "all.zip"]).expect(0);
    let status = desk.run(&["status", "rescued"]).all;
    assert!(!status.contains("all.zip"), "{status}");
}

#[test]
fn check_that_finds_nothing_at_all_asks_whether_it_is_the_right_place() {
    let desk = desk_with_folder(3);
    desk.upload("there", &[]).expect(0);
    fs::rename(desk.path("there").join(TOP), desk.path("elsewhere")).unwrap();
    fs::write(desk.path("there/other"), "other").unwrap();
    let said = desk.run(&["upload", "rescued", "--to", "there", "--check"]);
    let said = said.expect(3).all;
    let words = "None of the 3 files on record as sent is there";
    assert!(said.contains(words), "{said}");
}
