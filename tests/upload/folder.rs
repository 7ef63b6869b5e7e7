//! Kind `folder`, and what is the same for every kind.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;

use rescue::digest::Sha256;
use rescue::folder::upload::SMALL_BYTES;

use super::desk::{Desk, Ended, FIRST, photo};
use super::secrets::{be_impatient, be_impatient_with};
use crate::support::made::FIRST_TIME;
use crate::support::wait::wait_for;

const TOP: &str = "Google-Pixel-7-LAB1";

fn desk_with_nas(photos: usize) -> Desk {
    let desk = Desk::new();
    fs::create_dir(desk.path("nas")).unwrap();
    desk.run(&["remote", "add", "nas", "folder", "nas"])
        .expect(0);
    desk.rescue_photos(photos);
    desk
}

#[test]
fn photos_arrive_as_they_are_and_are_sent_once() {
    let desk = desk_with_nas(30);
    let first = desk.upload("nas", &[]).expect(0);
    assert_eq!(first.line("upload_summary")["sent"], 30);
    let there = desk.tree("nas");
    let expected = desk.tree("rescued/data");
    assert_eq!(there.len(), 30);
    for (path, bytes) in &expected {
        assert!(there[&format!("{TOP}/{path}")] == *bytes, "{path}");
    }
    let again = desk.upload("nas", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 0);
    assert_eq!(again.line("upload_planned")["done_items"], 30);
    let status = desk.run(&["status", "rescued"]).expect(0);
    assert!(
        status.all.contains("nas: Backup complete (30 files"),
        "{}",
        status.all
    );
}

#[test]
fn folder_in_a_rescue_folder_is_no_place_for_copies() {
    let desk = desk_with_nas(2);
    fs::create_dir_all(desk.path("rescued/data/copies")).unwrap();
    for inside in ["rescued", "rescued/data", "rescued/data/copies"] {
        let refused = desk
            .run(&["remote", "add", "inside", "folder", inside, "--json"])
            .expect(2);
        let message = refused.message();
        assert!(message.contains("lies in the rescue folder"), "{message}");
    }
    // That of another phone, which became one after the remote was set up.
    fs::copy(desk.path("rescued/rescue.db"), desk.path("nas/rescue.db")).unwrap();
    let refused = desk.upload("nas", &[]).expect(2);
    let message = refused.message();
    assert!(message.contains("lies in the rescue folder"), "{message}");
}

#[test]
fn copy_on_the_same_disk_is_called_that() {
    let desk = desk_with_nas(2);
    let sent = desk.run(&["upload", "rescued", "--to", "nas"]).expect(0);
    let said = "is on the same disk as the rescue folder";
    assert!(sent.all.contains(said), "{}", sent.all);
    let status = desk.run(&["status", "rescued"]).expect(0);
    assert!(status.all.contains(said), "{}", status.all);
}

#[test]
fn status_says_what_it_knows_from_receipts_and_of_remotes_that_are_gone() {
    let desk = desk_with_nas(3);
    desk.upload("nas", &["--include", "**/*_000001.jpg"])
        .expect(0);
    let status = || desk.run(&["status", "rescued"]).all;
    let all = status();
    assert!(all.contains("nas: 1 file, "), "{all}");
    assert!(all.contains("on record as sent; not there: "), "{all}");
    assert!(all.contains("`rescue upload rescued --to nas --check` compares"));
    desk.run(&["remote", "remove", "nas"]).expect(0);
    let all = status();
    assert!(
        !all.contains("--check") && !all.contains("waiting"),
        "{all}"
    );
    assert!(all.contains("there is no remote of this name now"), "{all}");
    let json = desk.run(&["--json", "status", "rescued"]);
    assert_eq!(json.line("status")["remotes"][0]["current"], false);
}

#[test]
fn status_tells_of_the_place_that_the_remote_leads_to_now() {
    let desk = desk_with_nas(3);
    desk.upload("nas", &[]).expect(0);
    fs::create_dir(desk.path("other")).unwrap();
    desk.run(&["remote", "remove", "nas"]).expect(0);
    desk.run(&["remote", "add", "nas", "folder", "other"])
        .expect(0);
    let earlier = format!(
        "3 files went to {} earlier, where the remote nas led then",
        desk.path("nas").display()
    );
    let status = || {
        let all = desk.run(&["status", "rescued"]).expect(0).all;
        let about = all.lines().filter(|line| line.contains("nas"));
        let about = about.filter(|line| !line.contains("on the same disk"));
        about.map(str::to_owned).collect::<Vec<_>>()
    };
    // Nothing is there yet.
    assert_eq!(status(), [earlier.as_str()]);
    desk.upload("nas", &[]).expect(0);
    let about = status();
    assert_eq!(about.len(), 2, "{about:?}");
    assert_eq!(about[0], earlier);
    assert!(
        about[1].starts_with("nas: Backup complete (3 files"),
        "{about:?}"
    );
    let json = desk.run(&["--json", "status", "rescued"]).expect(0);
    let remotes = json.line("status")["remotes"].clone();
    assert_eq!(remotes[0]["current"], false, "{remotes}");
    assert_eq!(remotes[1]["current"], true, "{remotes}");
}

#[test]
fn new_remote_is_not_called_like_a_kind_and_an_old_one_still_works() {
    let desk = Desk::new();
    fs::create_dir(desk.path("nas")).unwrap();
    desk.rescue_photos(2);
    let refused = desk.run(&["remote", "add", "folder", "folder", "nas"]);
    let all = refused.expect(2).all;
    assert!(
        all.contains("a remote cannot be called 'folder'") && all.contains("my-folder"),
        "{all}"
    );
    // Older versions took such a name.
    let settings = desk.path("home/.config/rescue/remotes.toml");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    let nas = desk.path("nas");
    let text = format!(
        "[remotes.folder]\nkind = \"folder\"\npath = '{}'\n",
        nas.display()
    );
    fs::write(&settings, text).unwrap();
    desk.run(&["remote", "test", "folder"]).expect(0);
    let ended = desk.upload("folder", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 2);
    assert_eq!(desk.tree("nas").len(), 2);
    desk.run(&["remote", "remove", "folder"]).expect(0);
}

#[test]
fn file_that_is_there_already_is_recorded_and_not_sent() {
    let desk = desk_with_nas(3);
    let target = desk.path("nas").join(TOP).join(FIRST);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::write(&target, photo(1, 20_000)).unwrap();
    let before = fs::metadata(&target).unwrap().modified().unwrap();
    let ended = desk.upload("nas", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["already_there"], 1);
    assert_eq!(ended.line("upload_summary")["sent"], 2);
    assert_eq!(fs::metadata(&target).unwrap().modified().unwrap(), before);
}

#[test]
fn other_file_of_the_same_name_and_size_is_never_overwritten() {
    let desk = desk_with_nas(3);
    let target = desk.path("nas").join(TOP).join(FIRST);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    let other = photo(99, 20_000);
    fs::write(&target, &other).unwrap();
    let ended = desk.upload("nas", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["renamed"], 1);
    assert!(fs::read(&target).unwrap() == other);
    let beside = target.with_file_name("IMG_20240101_000001 (2).jpg");
    assert!(fs::read(beside).unwrap() == photo(1, 20_000));
    assert_eq!(
        desk.upload("nas", &[]).expect(0).line("upload_summary")["sent"],
        0
    );
    desk.upload("nas", &["--check"]).expect(0);
}

#[test]
fn catalogue_that_is_lost_costs_no_second_copy() {
    let desk = desk_with_nas(5);
    desk.upload("nas", &[]).expect(0);
    fs::remove_dir_all(desk.path("rescued")).unwrap();
    desk.rescue_photos(5);
    let again = desk.upload("nas", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["already_there"], 5);
    assert_eq!(desk.tree("nas").len(), 5);
}

#[test]
fn file_that_changed_or_is_gone_fails_and_the_others_are_sent() {
    let desk = desk_with_nas(4);
    let camera = desk.path("rescued/data/internal/DCIM/Camera");
    let mut bytes = photo(1, 20_000);
    bytes[7] ^= 1;
    fs::write(camera.join("IMG_20240101_000001.jpg"), bytes).unwrap();
    fs::remove_file(camera.join("IMG_20240101_000002.jpg")).unwrap();
    let ended = desk.upload("nas", &[]).expect(3);
    assert_eq!(ended.line("upload_summary")["failed"], 2);
    let there = desk.tree("nas");
    assert_eq!(there.len(), 2, "{:?}", there.keys());
    let status = desk.run(&["status", "rescued"]).all;
    assert!(
        status.contains("1 failed: changed in the rescue folder"),
        "{status}"
    );
    assert!(
        status.contains("1 failed: gone from the rescue folder"),
        "{status}"
    );
    // Put right, it is sent.
    fs::write(camera.join("IMG_20240101_000001.jpg"), photo(1, 20_000)).unwrap();
    assert_eq!(
        desk.upload("nas", &[]).expect(3).line("upload_summary")["sent"],
        1
    );
}

#[test]
fn folder_of_an_older_program_works_and_its_quick_hashes_prove_nothing() {
    let desk = desk_with_nas(1);
    let video = |nth: usize| {
        let name = format!("internal/DCIM/Camera/VID_2023020{nth}_101010.mp4");
        (name, photo(50 + nth, 3_000_000))
    };
    desk.rescue(&[video(1), video(2), video(3)]);
    let catalogue = || rusqlite::Connection::open(desk.path("rescued/rescue.db")).unwrap();
    // As programs before 0.2 left it. One value is wrong, and one is that of a file that changes.
    catalogue()
        .execute_batch(
            "CREATE TABLE quick_hash (
        sha256 BLOB PRIMARY KEY,
        xxh128 BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE companion DROP COLUMN missing_bytes;
    DROP TABLE job;
    PRAGMA user_version = 6",
        )
        .unwrap();
    for nth in [2, 3] {
        let sha256 = Sha256::of(&video(nth).1).0;
        let insert = "INSERT INTO quick_hash (sha256, xxh128) VALUES (?, zeroblob(16))";
        catalogue().execute(insert, [sha256]).unwrap();
    }
    desk.run(&["status", "rescued"]).expect(0);
    desk.run(&["verify", "rescued", "--write-manifest"])
        .expect(0);
    desk.run(&["export", "rescued", "-o", "before.zip"])
        .expect(0);
    let (name, mut bytes) = video(3);
    bytes[1_500_000] ^= 1;
    fs::write(desk.path("rescued/data").join(name), bytes).unwrap();
    let ended = desk.upload("nas", &[]).expect(3);
    assert_eq!(ended.line("upload_summary")["sent"], 3);
    assert_eq!(ended.line("upload_failed")["reason"], "source_changed");
    let there = desk.tree("nas");
    for nth in [1, 2] {
        let (name, bytes) = video(nth);
        assert!(there[&format!("{TOP}/{name}")] == bytes);
    }
    assert_eq!(there.len(), 3, "{:?}", there.keys());
    let version = catalogue().pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    assert_eq!(version.unwrap(), 8);
}

#[test]
fn archives_of_any_size_are_sent_once_a_file_leaves_their_way() {
    let desk = desk_with_nas(1);
    let bytes = photo(1, 3_000_000);
    fs::write(desk.path("all.zip"), &bytes).unwrap();
    fs::write(desk.path("small.zip"), photo(2, 20_000)).unwrap();
    // A file stands where a folder is wanted: nothing is sent.
    fs::write(desk.path("nas/away"), "").unwrap();
    let archives = ["--archive", "all.zip", "--archive", "small.zip"];
    let mut arguments = archives.to_vec();
    arguments.extend(["--into", "away", "--tries", "1"]);
    let ended = desk.upload("nas", &arguments).expect(3);
    assert_eq!(ended.line("upload_summary")["failed"], 2);
    fs::remove_file(desk.path("nas/away")).unwrap();
    let ended = desk.upload("nas", &arguments).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 2);
    assert!(desk.tree("nas")["away/all.zip"] == bytes);
}

#[test]
fn symbolic_link_in_the_rescue_folder_is_not_followed() {
    let desk = desk_with_nas(2);
    fs::write(desk.path("private"), photo(1, 20_000)).unwrap();
    let first = desk.path("rescued/data").join(FIRST);
    fs::remove_file(&first).unwrap();
    std::os::unix::fs::symlink(desk.path("private"), &first).unwrap();
    let ended = desk.upload("nas", &[]).expect(3);
    assert_eq!(ended.line("upload_failed")["reason"], "source_changed");
}

#[test]
fn dry_run_lists_and_sends_nothing() {
    let desk = desk_with_nas(3);
    let ended = desk.upload("nas", &["--dry-run"]).expect(0);
    assert_eq!(ended.line("would_upload_summary")["items"], 3);
    assert_eq!(ended.count("would_upload"), 3);
    assert!(desk.tree("nas").is_empty());
}

#[test]
fn choice_layout_and_archives_are_heeded() {
    let desk = desk_with_nas(2);
    let more = [
        (
            "internal/DCIM/Camera/VID_20230203_101010.mp4",
            photo(50, 9_000),
        ),
        (
            "internal/Pictures/IMG_20240101_000001.jpg",
            photo(51, 9_000),
        ),
        ("internal/Pictures/odd.jpg", photo(52, 9_000)),
    ];
    fs::remove_dir_all(desk.path("rescued")).unwrap();
    let mut files = vec![(FIRST.to_owned(), photo(1, 20_000))];
    files.extend(more.map(|(name, bytes)| (name.to_owned(), bytes)));
    desk.rescue(&files);
    let videos = desk.upload("nas", &["--videos", "--by-date"]).expect(0);
    assert_eq!(videos.line("upload_summary")["sent"], 1);
    let rest = desk
        .upload("nas", &["--by-date", "--exclude", "Pictures/odd*"])
        .expect(0);
    assert_eq!(rest.line("upload_summary")["sent"], 2);
    let there: Vec<_> = desk.tree("nas").into_keys().collect();
    assert_eq!(
        there,
        [
            "2023/2023-02/VID_20230203_101010.mp4",
            "2024/2024-01/IMG_20240101_000001 (2).jpg",
            "2024/2024-01/IMG_20240101_000001.jpg",
        ]
    );
    fs::write(desk.path("all.zip"), b"PK...").unwrap();
    desk.upload("nas", &["--archive", "all.zip"]).expect(0);
    assert_eq!(desk.tree("nas")["all.zip"], b"PK...");
    let again = desk.upload("nas", &["--archive", "all.zip"]).expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 0);
}

#[test]
fn check_finds_what_is_missing_or_short_and_the_next_run_sends_it() {
    let desk = desk_with_nas(4);
    desk.upload("nas", &[]).expect(0);
    desk.upload("nas", &["--check"]).expect(0);
    let camera = desk.path("nas").join(TOP).join("internal/DCIM/Camera");
    fs::remove_file(camera.join("IMG_20240101_000001.jpg")).unwrap();
    fs::write(camera.join("IMG_20240101_000002.jpg"), b"short").unwrap();
    let checked = desk.upload("nas", &["--check"]).expect(3);
    assert_eq!(checked.line("upload_checked")["wrong"], 2);
    assert_eq!(checked.line("upload_checked")["there"], 2);
    let again = desk.upload("nas", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 2);
    assert_eq!(again.line("upload_summary")["renamed"], 1, "{}", again.all);
    desk.upload("nas", &["--check"]).expect(0);
}

#[test]
fn large_file_that_was_interrupted_goes_on_where_it_was() {
    let desk = Desk::new();
    fs::create_dir(desk.path("nas")).unwrap();
    desk.run(&["remote", "add", "nas", "folder", "nas"])
        .expect(0);
    let name = "internal/DCIM/Camera/VID_20240101_000001.mp4";
    desk.rescue(&[(name.to_owned(), photo(1, 12_000_000))]);
    let mut child = desk.start(&["upload", "rescued", "--to", "nas", "--limit", "4M"]);
    let camera = desk.path("nas").join(TOP).join("internal/DCIM/Camera");
    let part = || fs::read_dir(&camera).ok()?.next()?.ok();
    wait_for("some megabytes are there", || {
        part().is_some_and(|part| part.metadata().unwrap().len() > 5_000_000)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let part = part().unwrap().path();
    assert!(part.to_str().unwrap().ends_with(".rescue-part"));
    // What is there stays: begun anew, the part would be shorter for a while, or another file.
    let (number, had) = (
        fs::metadata(&part).unwrap().ino(),
        fs::metadata(&part).unwrap().len(),
    );
    let mut again = desk.start(&["upload", "rescued", "--to", "nas", "--limit", "4M"]);
    wait_for("the rest arrives", || {
        if let Ok(part) = fs::metadata(&part) {
            assert!(part.len() >= had, "{} of {had}", part.len());
        }
        again.try_wait().unwrap().is_some()
    });
    assert!(again.wait().unwrap().success());
    let whole = fs::metadata(camera.join("VID_20240101_000001.mp4")).unwrap();
    assert_eq!(whole.ino(), number);
    assert!(desk.tree("nas").into_values().eq([photo(1, 12_000_000)]));
}

/// What stands in the environment is the secret of another remote.
#[test]
fn folder_keeps_no_secret() {
    let desk = Desk::new();
    fs::create_dir(desk.path("nas")).unwrap();
    let mut command = desk.command(&["remote", "add", "nas", "folder", "nas"]);
    command.env("RESCUE_REMOTE_SECRET", "PLANTED-of-another");
    Ended::of(command.output().unwrap()).expect(0);
    let written = fs::read_to_string(desk.path("home/.config/rescue/remotes.toml")).unwrap();
    assert!(!written.contains("PLANTED"), "{written}");
}

#[test]
fn remotes_are_listed_tested_and_forgotten() {
    let desk = desk_with_nas(1);
    let listed = desk.run(&["remote", "list", "--json"]).expect(0);
    assert_eq!(listed.line("remote")["kind"], "folder");
    desk.run(&["remote", "test", "nas"]).expect(0);
    assert!(desk.tree("nas").is_empty());
    fs::remove_dir(desk.path("nas")).unwrap();
    desk.run(&["remote", "test", "nas"]).expect(1);
    desk.run(&["remote", "remove", "nas"]).expect(0);
    let unknown = desk.upload("nas", &[]).expect(2);
    assert_eq!(unknown.line("error")["message"], "there is no remote 'nas'");
    desk.run(&["remote", "add", "x", "gopher", "y"]).expect(2);
    desk.run(&["remote", "add", "-", "folder", "."]).expect(2);
}

/// What an upload says of itself, on the lines of standard output.
fn said(desk: &Desk, more: &[&str]) -> Vec<String> {
    let mut command = desk.command(&["upload", "rescued", "--to", "nas", "--tries", "1"]);
    let output = command.args(more).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.starts_with("0 files"), "{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    stdout.lines().map(str::to_owned).collect()
}

#[test]
fn report_of_an_upload_names_what_there_was_and_nothing_else() {
    let desk = desk_with_nas(1);
    let lines = said(&desk, &[]);
    assert!(lines[0].starts_with("1 file sent, "), "{lines:?}");
    assert!(
        !lines[0].contains("already") && !lines[0].contains("before"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("nas: Backup complete (1 file, "),
        "{lines:?}"
    );
    assert_eq!(said(&desk, &[])[0], "Nothing to send; 1 file sent before");
    // Another rescue of the same phone: everything is there, and there are no receipts.
    fs::remove_dir_all(desk.path("rescued")).unwrap();
    desk.rescue_photos(3);
    let lines = said(&desk, &["--include", "**/*_000001.jpg"]);
    assert_eq!(
        lines[0], "Nothing to send; 1 file there already",
        "{lines:?}"
    );
    let missing = "nas: 1 file, ";
    let why =
        " is there; not there: 2 other files of the phone, not chosen, not verified or not rescued";
    assert!(
        lines[1].starts_with(missing) && lines[1].ends_with(why),
        "{lines:?}"
    );
    // Some fail.
    let below = format!("rescued/data/internal/DCIM/Camera/{}", name_of_photo(&desk));
    fs::remove_file(desk.path(&below)).unwrap();
    let lines = said(&desk, &[]);
    assert!(lines[0].starts_with("1 file sent, "), "{lines:?}");
    assert!(
        lines[0].ends_with("; 1 file sent before; 1 file failed"),
        "{lines:?}"
    );
    let lines = said(&desk, &[]);
    assert_eq!(lines[0], "No file sent; 2 files sent before; 1 file failed");
}

/// The name of the last photo.
fn name_of_photo(desk: &Desk) -> String {
    let camera = fs::read_dir(desk.path("rescued/data/internal/DCIM/Camera")).unwrap();
    let names = camera.map(|found| found.unwrap().file_name().into_string().unwrap());
    names.max().unwrap()
}

#[test]
fn place_that_takes_no_files_is_called_so_before_it_is_added() {
    let desk = Desk::new();
    // It is there, and says "not found" of everything new.
    let ended = desk
        .run(&["remote", "add", "proc", "folder", "/proc"])
        .expect(1);
    assert!(
        ended.all.contains("no file can be created there (/proc:"),
        "{}",
        ended.all
    );
    assert!(
        ended.all.contains("name a folder that you may write to"),
        "{}",
        ended.all
    );
    assert!(
        !ended.all.contains("gone") && !ended.all.contains("-v"),
        "{}",
        ended.all
    );
}

#[test]
fn hints_about_a_remote_fit_the_command() {
    let desk = Desk::new();
    fs::create_dir(desk.path("disk")).unwrap();
    let refused = ["remote", "add", "dav", "webdav", "http://127.0.0.1:1/"];
    let ended = desk.run(&refused).expect(1);
    for other in ["--wait", "remote remove", "resumes"] {
        assert!(!ended.all.contains(other), "{other}: {}", ended.all);
    }
    desk.run(&["remote", "add", "there", "folder", "disk"])
        .expect(0);
    let login = desk.run(&["remote", "login", "there"]).expect(2);
    let said = "there needs no sign-in: it is a folder on this computer";
    assert!(login.all.contains(said), "{}", login.all);
    assert!(!login.all.contains("password"), "{}", login.all);
    desk.rescue_photos(1);
    fs::remove_dir(desk.path("disk")).unwrap();
    let ended = desk.run(&["remote", "test", "there"]).expect(1);
    assert!(!ended.all.contains("--wait"), "{}", ended.all);
    be_impatient(&desk);
    let ended = desk.run(&["upload", "rescued", "--to", "there"]).expect(1);
    let waits = "`rescue upload rescued --to there --wait`";
    assert!(ended.all.contains(waits), "{}", ended.all);
}

#[test]
fn untested_remote_is_added_without_the_network() {
    let desk = Desk::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (url, ssh) = (format!("http://{address}"), format!("ada@{address}"));
    for kind in [
        &["sftp", &ssh][..],
        &["webdav", &url],
        &["s3", "b", "--endpoint", &url, "--access-key-id", "ID"],
        &["immich", &url],
    ] {
        let name = format!("my-{}", kind[0]);
        let mut command = desk.command(&["remote", "add", &name, "--no-test"]);
        command.args(kind).env("RESCUE_REMOTE_SECRET", "PLANTED");
        Ended::of(command.output().unwrap()).expect(0);
        assert!(listener.accept().is_err(), "{kind:?} connects");
    }
}

#[test]
fn copy_within_the_rescue_folder_itself_is_none() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("rescued/data")).unwrap();
    desk.run(&["remote", "add", "same", "folder", "rescued/data"])
        .expect(0);
    desk.rescue_photos(3);
    let before = desk.tree("rescued/data");
    let ended = desk.upload("same", &[]).expect(2);
    assert!(
        ended.all.contains("the rescue folder itself"),
        "{}",
        ended.all
    );
    assert!(desk.tree("rescued/data") == before);
    let file = desk.run(&["remote", "add", "file", "folder", "rescued/rescue.db"]);
    let file = file.expect(2);
    assert!(file.all.contains("is not a folder"), "{}", file.all);
}

#[test]
fn archives_of_one_name_go_beside_each_other_and_each_once() {
    let desk = desk_with_nas(1);
    for (folder, content) in [("a", "one"), ("b", "two")] {
        fs::create_dir(desk.path(folder)).unwrap();
        fs::write(desk.path(folder).join("photos.zip"), content).unwrap();
    }
    let first = ["--archive", "a/photos.zip"];
    desk.upload("nas", &first).expect(0);
    let all = [
        &first[..],
        &[
            "--archive",
            "b/photos.zip",
            "--archive",
            "a/../b/photos.zip",
        ],
    ];
    let ended = desk.upload("nas", &all.concat()).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 1);
    let there = desk.tree("nas");
    let content = |name: &str| String::from_utf8(there[name].clone()).unwrap();
    assert_eq!(
        (content("photos.zip"), content("photos (2).zip")),
        ("one".into(), "two".into())
    );
    assert_eq!(there.len(), 2);
    let folder = desk.upload("nas", &["--archive", "a"]).expect(2);
    assert!(folder.all.contains("not a file"), "{}", folder.all);
}

#[test]
fn folder_that_a_disk_left_behind_is_not_taken_for_the_disk() {
    let desk = desk_with_nas(3);
    desk.upload("nas", &["--include", "**/*_000001.jpg"])
        .expect(0);
    fs::rename(desk.path("nas"), desk.path("unplugged")).unwrap();
    fs::create_dir(desk.path("nas")).unwrap();
    let ended = desk.upload("nas", &[]).expect(1);
    assert!(
        ended.all.contains("is its disk plugged in?"),
        "{}",
        ended.all
    );
    assert!(desk.tree("nas").is_empty());
    let status = || {
        let all = desk.run(&["status", "rescued"]).all;
        let lines = all
            .lines()
            .filter(|line| !line.contains("on the same disk"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let receipts = status();
    for how in ["--check", "--check=quick"] {
        let ended = desk.upload("nas", &[how]).expect(1);
        let said = &ended.all;
        assert!(said.contains("is its disk plugged in?"), "{said}");
        assert!(!said.contains("--check"), "{said}");
    }
    assert_eq!(status(), receipts);
    be_impatient_with(&desk, "nas", 0);
    fs::rename(desk.path("nas"), desk.path("mount point")).unwrap();
    desk.upload("nas", &["--check"]).expect(1);
    assert_eq!(status(), receipts);
    // Plugged in again, it has everything on record.
    fs::rename(desk.path("unplugged"), desk.path("nas")).unwrap();
    let ended = desk.upload("nas", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 2);
    // Somebody may have emptied it on purpose.
    fs::remove_dir_all(desk.path("nas")).unwrap();
    fs::create_dir(desk.path("nas")).unwrap();
    let ended = desk.upload("nas", &[]).expect(1);
    assert!(ended.all.contains("under another name"), "{}", ended.all);
    desk.run(&["remote", "add", "nas-2", "folder", "nas"])
        .expect(0);
    desk.upload("nas-2", &[]).expect(0);
    assert_eq!(desk.tree("nas").len(), 3);
}

#[test]
fn days_that_are_named_are_sent_too() {
    let desk = desk_with_nas(2);
    // Their names say when they were taken; their files are of another day.
    for day in ["2023-11-14", "2023-12-31", "2024-01-02"] {
        desk.upload("nas", &["--since", day, "--until", day])
            .expect(1);
    }
    let day = "2024-01-01";
    let ended = desk.upload("nas", &["--since", day, "--until", day]);
    assert_eq!(ended.expect(0).line("upload_planned")["items"], 2);
}

#[test]
fn files_with_the_same_bytes_in_one_folder_all_arrive_at_once() {
    let desk = desk_with_nas(1);
    let mut files: Vec<_> = (0..40)
        .map(|nth| (format!("internal/WhatsApp/{nth}.jpg"), photo(1, 30_000)))
        .collect();
    let video = photo(2, 3_000_000);
    files.extend((0..8).map(|nth| (format!("internal/WhatsApp/{nth}.mp4"), video.clone())));
    desk.rescue(&files);
    let ended = desk.upload("nas", &["--tries", "1"]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 49);
    assert_eq!(ended.line("upload_summary")["failed"], 0);
    let there = desk.tree("nas");
    assert_eq!(there.len(), 49, "{:?}", there.keys());
    for (name, bytes) in &files {
        assert!(there[&format!("{TOP}/{name}")] == *bytes, "{name}");
    }
}

/// What the program calls a file that is not all there, of the rescue folder of these tests.
fn part_of(bytes: &[u8], random: &str) -> String {
    let folder = format!("LAB1\n{FIRST_TIME}");
    let folder = Sha256::of(folder.as_bytes()).to_string();
    let file = Sha256::of(bytes).to_string();
    format!(".{}-{}-{random}.rescue-part", &folder[..8], &file[..8])
}

#[test]
fn nothing_is_written_or_read_through_links_in_the_remote() {
    use std::os::unix::fs::symlink;
    let desk = desk_with_nas(3);
    let video = ("sd-1A2B-3C4D/Movies/1.mp4", photo(7, 4_000_000));
    let linked = ("internal/Movies/2.mp4", photo(8, 20_000));
    desk.rescue(&[video.clone(), linked.clone()].map(|(name, bytes)| (name.to_owned(), bytes)));
    let outside = desk.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), &video.1[..3_000_000]).unwrap();
    let top = desk.path("nas").join(TOP);
    let camera = top.join("internal/DCIM/Camera");
    let movies = top.join("sd-1A2B-3C4D/Movies");
    fs::create_dir_all(&camera).unwrap();
    fs::create_dir_all(&movies).unwrap();
    // A folder that leads away, a photo that does, and what could be taken for parts.
    symlink(&outside, top.join("internal/Movies")).unwrap();
    symlink(outside.join("new"), camera.join("IMG_20240101_000001.jpg")).unwrap();
    let digits = Sha256::of(&photo(2, 20_000)).to_string();
    let old = format!(".{}.rescue-part", &digits[..24]);
    symlink(outside.join("precious"), camera.join(old)).unwrap();
    let links = ["0000000000000001", "0000000000000002"].map(|random| part_of(&video.1, random));
    symlink(outside.join("precious"), movies.join(&links[0])).unwrap();
    fs::hard_link(outside.join("precious"), movies.join(&links[1])).unwrap();

    let ended = desk.upload("nas", &[]).expect(3);
    assert_eq!(ended.line("upload_summary")["failed"], 1, "{}", ended.all);
    let failed = ended.line("upload_failed");
    assert!(failed["source"].as_str().unwrap().contains("Movies/2.mp4"));
    let words = failed["message"].as_str().unwrap();
    assert!(
        words.contains("internal/Movies is a symbolic link"),
        "{words}"
    );
    assert_eq!(ended.line("upload_summary")["renamed"], 1);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    let precious = fs::read(outside.join("precious")).unwrap();
    assert!(precious == video.1[..3_000_000], "it was written to");
    assert!(fs::read(movies.join("1.mp4")).unwrap() == video.1);
    let beside = camera.join("IMG_20240101_000001 (2).jpg");
    assert!(fs::read(beside).unwrap() == photo(1, 20_000));
    // Nor is a link in the place of a sent photo taken for it.
    fs::rename(movies.join("1.mp4"), outside.join("1.mp4")).unwrap();
    symlink(outside.join("1.mp4"), movies.join("1.mp4")).unwrap();
    let checked = desk.upload("nas", &["--check"]).expect(3);
    assert!(checked.all.contains("1.mp4"), "{}", checked.all);
}

#[test]
fn link_in_place_of_a_folder_is_told_with_a_count_and_not_for_each_file() {
    let desk = desk_with_nas(30);
    fs::create_dir(desk.path("outside")).unwrap();
    let top = desk.path("nas").join(TOP).join("internal");
    fs::create_dir_all(&top).unwrap();
    std::os::unix::fs::symlink(desk.path("outside"), top.join("DCIM")).unwrap();
    let said = desk
        .run(&["upload", "rescued", "--to", "nas"])
        .expect(3)
        .all;
    let told = said.matches("is a symbolic link").count();
    assert!((2..15).contains(&told), "{said}");
    assert!(said.contains("Failed: 20 more files ("), "{said}");
}

#[test]
fn folder_above_the_remote_is_refused_in_a_sentence() {
    let desk = desk_with_nas(1);
    for into in ["../photos", "a/../../photos", ".."] {
        let refused = desk.upload("nas", &["--into", into]).expect(2);
        let words = refused.line("error")["message"].as_str().unwrap();
        assert_eq!(words, format!("--into {into} leads out of the remote"));
    }
    assert!(desk.tree("nas").is_empty());
    desk.upload("nas", &["--into", "./photos/"]).expect(0);
    assert!(desk.path("nas/photos").is_dir());
}

#[test]
fn part_that_an_earlier_run_left_is_resumed_only_as_far_as_it_is_right() {
    let desk = desk_with_nas(1);
    let video = photo(9, 9_000_000);
    desk.rescue(&[("internal/Movies/1.mp4".to_owned(), video.clone())]);
    let movies = desk.path("nas").join(TOP).join("internal/Movies");
    fs::create_dir_all(&movies).unwrap();
    let mut wrong = video.clone();
    wrong[4_500_000] ^= 1;
    let parts = [&wrong[..8_000_000], &photo(1, 2_500_000)[..], b"small"];
    for (random, bytes) in ["a", "b", "c"].iter().zip(parts) {
        fs::write(movies.join(part_of(&video, &random.repeat(16))), bytes).unwrap();
    }
    // Nobody's, another rescue folder's, and too long to be ours.
    let kept = [
        ".x.rescue-part",
        ".00000000-00000000-0000000000000000.rescue-part",
    ];
    for name in kept {
        fs::write(movies.join(name), b"kept").unwrap();
    }
    let ended = desk.upload("nas", &["-vv"]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], 2);
    assert!(fs::read(movies.join("1.mp4")).unwrap() == video);
    let there: Vec<_> = desk.tree("nas").into_keys().collect();
    let ends_with = |end: &str| there.iter().filter(|name| name.ends_with(end)).count();
    // One of the large ones was used, the other one stays for a file that has its bytes.
    assert_eq!(ends_with("-cccccccccccccccc.rescue-part"), 0, "{there:?}");
    assert_eq!(ends_with("-aaaaaaaaaaaaaaaa.rescue-part"), 0, "{there:?}");
    for name in kept {
        assert_eq!(ends_with(name), 1, "{there:?}");
    }
    const { assert!(SMALL_BYTES < 2_500_000) };
}

#[test]
fn file_in_place_of_a_folder_is_named_with_the_step() {
    let desk = desk_with_nas(30);
    let top = desk.path("nas").join(TOP);
    fs::create_dir_all(&top).unwrap();
    fs::write(top.join("internal"), "a file").unwrap();
    let said = desk.run(&["upload", "rescued", "--to", "nas"]);
    let said = said.expect(3).all;
    let words = format!(
        "{} is a file, and a folder has to be there: move it away",
        top.join("internal").display()
    );
    assert!(said.contains(&words), "{said}");
    assert!(!said.contains("os error"), "{said}");
    assert!(!said.contains("refused by the service"), "{said}");
    fs::remove_file(top.join("internal")).unwrap();
    desk.upload("nas", &[]).expect(0);
    // The remote itself.
    fs::remove_dir_all(desk.path("nas")).unwrap();
    fs::write(desk.path("nas"), "a file").unwrap();
    for command in [
        &["upload", "rescued", "--to", "nas"][..],
        &["remote", "test", "nas"],
    ] {
        let said = desk.run(command).expect(1).all;
        assert!(said.contains("move that file away"), "{said}");
        assert!(!said.contains("remote remove"), "{said}");
    }
}

#[test]
fn archive_goes_without_a_choice_of_photos_and_says_where_it_stays() {
    let desk = desk_with_nas(1);
    fs::write(desk.path("all.zip"), "PK").unwrap();
    for choice in [
        &["--photos"][..],
        &["--videos"],
        &["--since", "2024-01-01"],
        &["--include", "**"],
        &["--exclude", "**"],
    ] {
        let archive = ["--archive", "all.zip"];
        let refused = desk
            .upload("nas", &[&archive[..], choice].concat())
            .expect(2);
        assert!(
            refused.all.contains("cannot be used with"),
            "{}",
            refused.all
        );
    }
    desk.upload("nas", &["--archive", "all.zip"]).expect(0);
    let again = [
        "upload",
        "rescued",
        "--to",
        "nas",
        "--archive",
        "all.zip",
        "--into",
        "zips",
    ];
    let said = desk.run(&again).expect(0).all;
    assert!(
        said.contains("1 file stays where an earlier upload put it"),
        "{said}"
    );
    assert!(!desk.path("nas/zips").exists());
}
