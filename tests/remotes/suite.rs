//! What every kind does alike.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::desk::{Desk, Ended, FIRST, photo};
use crate::relay::Relay;
use crate::server::{Kind, Server};
use crate::support::wait::wait_for;

const TOP: &str = "Google-Pixel-7-LAB1";

macro_rules! suite {
    ($($module:ident: $kind:expr,)*) => { $(
        mod $module {
            use super::Kind;

            #[test]
            fn files_arrive_as_they_are_and_once() {
                super::files_arrive_as_they_are_and_once($kind);
            }

            #[test]
            fn other_files_are_never_overwritten_and_same_ones_not_sent() {
                super::other_files_are_never_overwritten_and_same_ones_not_sent($kind);
            }

            #[test]
            fn what_is_removed_there_is_found_out_and_sent_again() {
                super::what_is_removed_there_is_found_out_and_sent_again($kind);
            }

            #[test]
            fn wrong_credentials_and_no_server_are_told_apart() {
                super::wrong_credentials_and_no_server_are_told_apart($kind);
            }

            #[test]
            fn interrupt_in_a_large_file_is_gone_on_from() {
                super::interrupt_in_a_large_file_is_gone_on_from($kind);
            }

            #[test]
            fn two_people_with_the_same_names_lose_nothing() {
                crate::two_people::two_people_with_the_same_names_lose_nothing($kind);
            }

            #[test]
            fn one_changed_byte_is_found() {
                super::one_changed_byte_is_found($kind);
            }

            #[test]
            fn kills_on_both_sides_lose_and_double_nothing() {
                super::kills_on_both_sides_lose_and_double_nothing($kind);
            }
        }
    )* };
}

suite! {
    folder: Kind::Folder,
    rclone_webdav: Kind::Rclone,
    apache_webdav: Kind::Apache,
    openssh_sftp: Kind::OpenSsh,
    moto_s3: Kind::S3,
    rclone_s3: Kind::S3OnDisk,
    rclone_b2: Kind::B2,
    azurite_azure: Kind::Azurite,
    fake_gcs_server_gcs: Kind::Gcs,
}

/// Fetches everything with rclone and compares.
#[track_caller]
fn same_for_rclone(desk: &Desk, server: &Server) {
    let back = desk.path("back");
    let _ = fs::remove_dir_all(&back);
    server.rclone(&["copy", &server.remote(TOP), back.to_str().unwrap()]);
    let (there, here) = (desk.tree("back"), desk.tree("rescued/data"));
    let names = |tree: &BTreeMap<String, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&there), names(&here));
    for (name, bytes) in &here {
        assert!(there[name] == *bytes, "{name}");
    }
}

fn files_arrive_as_they_are_and_once(kind: Kind) {
    let desk = Desk::new();
    let server = Server::start(kind, &desk);
    server.add_right(&desk);
    desk.run(&["remote", "test", "there"]).expect(0);
    let names = [
        "a b+c&d=e.jpg",
        "été #1.jpg",
        "日本 %25.jpg".trim_end(),
        "'quoted';$x`.jpg",
        "(1) [2] {3}~!@^,.jpg",
    ];
    let mut files: Vec<_> = names
        .iter()
        .map(|name| name.replace('%', "％"))
        .enumerate()
        .map(|(nth, name)| (format!("internal/DCIM/Camera/{name}"), photo(nth, 50_000)))
        .collect();
    files.push(("internal/DCIM/empty.jpg".to_owned(), Vec::new()));
    files.push((
        "sd-1A2B-3C4D/Movies/a/b/c/large.mp4".to_owned(),
        photo(90, 21_000_000),
    ));
    files.push((
        "internal/Movies/middle.mp4".to_owned(),
        photo(91, 3_000_000),
    ));
    // With the same bytes, and on their way at the same time.
    files.extend((0..12).map(|nth| (format!("internal/WhatsApp/{nth}.jpg"), photo(92, 40_000))));
    files.extend((0..3).map(|nth| (format!("internal/WhatsApp/{nth}.mp4"), photo(93, 2_500_000))));
    desk.rescue(&files);
    let ended = desk.upload("there", &[]).expect(0);
    assert_eq!(ended.line("upload_summary")["sent"], files.len());
    same_for_rclone(&desk, &server);
    let again = desk.upload("there", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 0);
    let checked = desk.upload("there", &["--check"]).expect(0);
    assert_eq!(checked.line("upload_checked")["there"], files.len());
    // Nothing but the photos is left there.
    let listed = server.rclone(&["lsf", "-R", "--files-only", &server.remote("")]);
    assert_eq!(listed.lines().count(), files.len(), "{listed}");
}

fn other_files_are_never_overwritten_and_same_ones_not_sent(kind: Kind) {
    let desk = Desk::new();
    let server = Server::start(kind, &desk);
    server.add_right(&desk);
    desk.rescue_photos(4);
    let before = desk.path("before");
    let camera = before.join("internal/DCIM/Camera");
    fs::create_dir_all(&camera).unwrap();
    // As large as ours: only the content tells.
    fs::write(camera.join("IMG_20240101_000001.jpg"), photo(77, 20_000)).unwrap();
    fs::write(camera.join("IMG_20240101_000002.jpg"), photo(2, 20_000)).unwrap();
    server.rclone(&["copy", before.to_str().unwrap(), &server.remote(TOP)]);
    let ended = desk.upload("there", &[]).expect(0);
    let summary = ended.line("upload_summary");
    assert_eq!(summary["sent"], 3, "{}", ended.all);
    assert_eq!(summary["renamed"], 1);
    assert_eq!(summary["already_there"], 1);
    let back = desk.path("back");
    server.rclone(&["copy", &server.remote(TOP), back.to_str().unwrap()]);
    let there = desk.tree("back");
    assert!(there[FIRST] == photo(77, 20_000));
    assert!(there[&FIRST.replace(".jpg", " (2).jpg")] == photo(1, 20_000));
    assert_eq!(there.len(), 5);
}

fn what_is_removed_there_is_found_out_and_sent_again(kind: Kind) {
    let desk = Desk::new();
    let server = Server::start(kind, &desk);
    server.add_right(&desk);
    desk.rescue_photos(3);
    desk.upload("there", &[]).expect(0);
    server.rclone(&["deletefile", &server.remote(&format!("{TOP}/{FIRST}"))]);
    let checked = desk.upload("there", &["--check"]).expect(3);
    assert_eq!(checked.line("finding")["reason"], "missing");
    let again = desk.upload("there", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 1);
    same_for_rclone(&desk, &server);
}

/// As large as before, and everything that a listing tells may be the same.
fn one_changed_byte_is_found(kind: Kind) {
    let desk = Desk::new();
    let server = Server::start(kind, &desk);
    server.add_right(&desk);
    let mut files: Vec<_> = (1..4)
        .map(|nth| {
            let name = format!("internal/DCIM/Camera/IMG_20240101_{nth:06}.jpg");
            (name, photo(nth, 20_000))
        })
        .collect();
    files.push(("internal/Movies/large.mp4".to_owned(), photo(9, 9_000_000)));
    desk.rescue(&files);
    desk.upload("there", &[]).expect(0);
    let checked = desk.upload("there", &["--check"]).expect(0);
    let report = checked.line("upload_checked");
    let proven = report["read_back"].as_u64().unwrap() + report["by_checksum"].as_u64().unwrap();
    assert_eq!(proven, files.len() as u64, "{report}");
    for (name, bytes) in [&files[0], &files[3]] {
        let mut other = bytes.clone();
        other[bytes.len() / 2] ^= 1;
        let place = desk.path("other").join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, other).unwrap();
    }
    // With the old date: rclone sets it where it can.
    let from = desk.path("other");
    server.rclone(&[
        "copy",
        "--ignore-times",
        from.to_str().unwrap(),
        &server.remote(TOP),
    ]);
    let quick = desk.upload("there", &["--check=quick"]);
    assert!(matches!(quick.code, 0 | 3), "{}", quick.all);
    desk.upload("there", &[]);
    let checked = desk.upload("there", &["--check"]);
    let wrong = quick.count("finding") + checked.count("finding");
    let again = desk.upload("there", &[]).expect(0);
    // Found by a check, or by the look that each upload takes.
    assert!(
        wrong == 2 || quick.code == 0,
        "{wrong}: {}{}",
        quick.all,
        checked.all
    );
    let _ = again;
}

fn wrong_credentials_and_no_server_are_told_apart(kind: Kind) {
    let desk = Desk::new();
    let mut server = Server::start(kind, &desk);
    // moto and fake-gcs-server believe everybody, and a folder asks nobody.
    if matches!(
        kind,
        Kind::Rclone | Kind::Apache | Kind::S3OnDisk | Kind::B2 | Kind::Azurite
    ) {
        // Azure's keys are base64.
        let wrong = "bm90LXRoZS1wYXNzd29yZA==";
        server.add(&desk, "wrong", wrong);
        let ended = desk.run(&["remote", "test", "wrong", "--json"]).expect(1);
        assert_eq!(ended.line("error")["kind"], "remote_denied");
        // Tried first, it is not saved.
        let ended = server.add_tried(&desk, "tried", Some(wrong)).expect(1);
        assert_eq!(ended.line("error")["kind"], "remote_denied");
        assert!(ended.all.contains("Nothing was saved"), "{}", ended.all);
        desk.run(&["remote", "test", "tried"]).expect(2);
    }
    let ended = server.add_tried(&desk, "tried", None).expect(0);
    assert_eq!(ended.line("remote_added")["tested"], true);
    desk.run(&["remote", "test", "tried"]).expect(0);
    server.add_right(&desk);
    server.kill();
    if kind == Kind::Folder {
        fs::rename(desk.path("server"), desk.path("unplugged")).unwrap();
    }
    let ended = desk.run(&["remote", "test", "there", "--json"]).expect(1);
    assert_eq!(
        ended.line("error")["kind"],
        "no_connection",
        "{}",
        ended.all
    );
}

/// Ctrl-C, as a terminal sends it, when a part of a large file is there.
fn interrupt_in_a_large_file_is_gone_on_from(kind: Kind) {
    let desk = Desk::new();
    let server = Server::start(kind, &desk);
    let relay = Relay::to(server.port());
    server.add_right_at(relay.port, &desk);
    let large = ("internal/Movies/large.mp4".to_owned(), photo(7, 40_000_000));
    desk.rescue(&[large]);
    let arguments = [
        "upload", "rescued", "--to", "there", "--json", "--limit", "8M",
    ];
    let child = desk.start(&arguments);
    let arrived = || match kind {
        Kind::Folder => desk
            .tree("server")
            .values()
            .map(Vec::len)
            .max()
            .unwrap_or(0) as u64,
        _ => relay.bytes(),
    };
    wait_for("bytes arrive", || arrived() >= 12_000_000);
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let ended = Ended::of(child.wait_with_output().unwrap()).expect(130);
    assert_eq!(ended.line("error")["kind"], "interrupted");
    let again = desk.upload("there", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["sent"], 1, "{}", again.all);
    same_for_rclone(&desk, &server);
    let listed = server.rclone(&["lsf", "-R", "--files-only", &server.remote("")]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

/// A bucket that is missing is named once and blames no file; who wishes it waits for it.
#[test]
fn bucket_that_is_missing_is_named_once_and_waited_for() {
    for kind in [Kind::Gcs, Kind::S3, Kind::Azurite] {
        let desk = Desk::new();
        let server = Server::start(kind, &desk);
        server.add_right(&desk);
        desk.rescue_photos(30);
        let tried = server.add_tried(&desk, "tried", None).expect(0);
        assert_eq!(tried.line("remote_added")["tested"], true);
        server.rclone(&["purge", &server.remote("")]);
        let ended = desk.upload("there", &[]).expect(1);
        let message = ended.line("error")["message"].as_str().unwrap();
        assert!(
            message.contains("the bucket does not exist"),
            "{kind:?}: {message}"
        );
        assert_eq!(ended.count("upload_failed"), 0, "{kind:?}: {}", ended.all);

        let mut child = desk.start(&["upload", "rescued", "--to", "there", "--json", "--wait"]);
        let stdout = child.stdout.take().unwrap();
        let mut said = Vec::new();
        for line in std::io::BufReader::new(stdout).lines() {
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            if line["type"] == "waiting" {
                server.rclone(&["mkdir", &server.remote("")]);
            }
            said.push(line);
        }
        assert!(child.wait().unwrap().success(), "{kind:?}: {said:?}");
        let of = |kind: &'static str| said.iter().filter(move |line| line["type"] == kind);
        let waits: Vec<_> = of("waiting").map(|line| &line["what"]).collect();
        assert_eq!(waits, ["bucket"], "{kind:?}");
        assert_eq!(of("upload_failed").count(), 0, "{kind:?}: {said:?}");
        same_for_rclone(&desk, &server);
    }
}

/// A disk of 24 MB, for a file of 40 MB and for many small ones.
#[test]
fn full_disk_behind_openssh_is_said_and_nothing_is_lost() {
    let desk = Desk::new();
    let server = Server::start(Kind::OpenSsh, &desk);
    server.add_right(&desk);
    let disk = Disk::of(&desk, "24m");
    let mut files = vec![("internal/Movies/large.mp4".to_owned(), photo(7, 40_000_000))];
    files.extend((0..20).map(|nth| {
        let name = format!("internal/DCIM/Camera/IMG_{nth:04}.jpg");
        (name, photo(nth, 100_000))
    }));
    desk.rescue(&files);
    let ended = desk.upload("there", &[]).expect(1);
    assert_eq!(ended.line("error")["kind"], "remote_full", "{}", ended.all);
    disk.grow("100m");
    let again = desk.upload("there", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["failed"], 0, "{}", again.all);
    same_for_rclone(&desk, &server);
    // A disk that was lost, with what an earlier run sent: it is missed, and sent again.
    drop(disk);
    desk.upload("there", &["--check"]).expect(3);
    let again = desk.upload("there", &[]).expect(0);
    assert_eq!(again.line("upload_summary")["sent"], files.len());
    same_for_rclone(&desk, &server);
}

/// A small disk where a server keeps its files; gone when dropped, with all that is on it.
struct Disk(std::path::PathBuf);

impl Disk {
    fn of(desk: &Desk, size: &str) -> Self {
        let place = desk.path("server/files");
        let disk = Self(place);
        disk.mount(&format!("size={size}"));
        disk
    }

    fn grow(&self, size: &str) {
        self.mount(&format!("remount,size={size}"));
    }

    fn mount(&self, options: &str) {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&self.0)
            .status();
        assert!(mounted.unwrap().success(), "needs root");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn key_that_openssh_does_not_know_is_refused() {
    let desk = Desk::new();
    let server = Server::start(Kind::OpenSsh, &desk);
    let key = desk.path("server/user");
    fs::rename(&key, desk.path("right")).unwrap();
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    server.add(&desk, "there", "");
    let ended = desk.run(&["remote", "test", "there", "--json"]).expect(1);
    assert_eq!(
        ended.line("error")["kind"],
        "remote_denied",
        "{}",
        ended.all
    );
    desk.rescue_photos(2);
    let ended = desk.upload("there", &[]).expect(1);
    assert_eq!(
        ended.line("error")["kind"],
        "remote_denied",
        "{}",
        ended.all
    );
    fs::rename(desk.path("right"), &key).unwrap();
    desk.upload("there", &[]).expect(0);
    same_for_rclone(&desk, &server);
}

/// How much goes to the servers that are killed, and how fast.
struct Amount {
    photos: usize,
    video_bytes: usize,
    videos: usize,
    limit: &'static str,
    round: Duration,
}

impl Amount {
    fn of(kind: Kind) -> Self {
        let keeps_files = matches!(
            kind,
            Kind::Rclone | Kind::Apache | Kind::OpenSsh | Kind::S3OnDisk
        );
        match std::env::var_os("RESCUE_TEST_LONG").is_some() && keeps_files {
            true => Self {
                photos: 5_000,
                video_bytes: 2 * 1024 * 1024 * 1024,
                videos: 2,
                limit: "60M",
                round: Duration::from_secs(4),
            },
            // Slow enough to be interrupted in the middle: 80 MB in some seconds.
            false => Self {
                photos: 400,
                video_bytes: 40_000_000,
                videos: 1,
                limit: "12M",
                round: Duration::from_millis(900),
            },
        }
    }

    fn bytes(&self) -> u64 {
        (self.photos * 100_000 + self.videos * self.video_bytes) as u64
    }
}

/// The server is killed and started three times, the program nine times.
fn kills_on_both_sides_lose_and_double_nothing(kind: Kind) {
    let desk = Desk::new();
    let mut server = Server::start(kind, &desk);
    let relay = Relay::to(server.port());
    server.add_right_at(relay.port, &desk);
    let amount = Amount::of(kind);
    let photos = (0..amount.photos).map(|nth| {
        let name = format!("internal/DCIM/Camera/IMG_{nth:04}.jpg");
        (name, photo(nth, 100_000))
    });
    let videos = (0..amount.videos).map(|nth| {
        let name = format!("internal/DCIM/Camera/VID_{nth}.mp4");
        (name, photo(90_000 + nth, amount.video_bytes))
    });
    desk.rescue(&photos.chain(videos).collect::<Vec<_>>());
    let mut acknowledged: BTreeMap<String, u32> = BTreeMap::new();
    let mut note = |ended: &Ended| {
        for line in ended.lines.iter().filter(|line| line["type"] == "uploaded") {
            *acknowledged
                .entry(line["source"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        acknowledged.clone()
    };
    // What was acknowledged to one who told it is not put again.
    let mut puts = relay.puts();
    let mut told: BTreeMap<String, u32> = BTreeMap::new();
    let mut once_only = |now: BTreeMap<String, u32>| {
        let later = relay.puts();
        for source in told.keys() {
            let path = format!("{TOP}/{source}");
            let of = |puts: &BTreeMap<String, usize>| -> usize {
                let ends = puts.iter().filter(|(put, _)| put.ends_with(&path));
                ends.map(|(_, times)| times).sum()
            };
            assert_eq!(of(&later), of(&puts), "put again: {source}");
        }
        (puts, told) = (later, now);
    };
    let arguments = [
        "upload",
        "rescued",
        "--to",
        "there",
        "--json",
        "--wait",
        "--limit",
        amount.limit,
    ];
    let begin = Instant::now();
    for round in 0..9 {
        let mut child = desk.start(&arguments);
        // A pipe that nobody reads would stop the program.
        let mut stdout = child.stdout.take().unwrap();
        let reading = std::thread::spawn(move || {
            let mut said = String::new();
            stdout.read_to_string(&mut said).unwrap();
            said
        });
        std::thread::sleep(amount.round);
        if round % 3 == 2 && kind.survives() {
            server.kill();
            std::thread::sleep(Duration::from_millis(300));
            server.restart();
            std::thread::sleep(Duration::from_millis(300));
        }
        child.kill().unwrap();
        let mut output = child.wait_with_output().unwrap();
        output.stdout = reading.join().unwrap().into_bytes();
        let now = note(&Ended::of(output));
        once_only(now);
    }
    let (last, memory) =
        with_memory(desk.start(&["upload", "rescued", "--to", "there", "--json", "--wait"]));
    let seconds = begin.elapsed().as_secs_f64();
    let now = note(&last.expect(0));
    once_only(now);
    let twice: Vec<_> = acknowledged
        .iter()
        .filter(|(_, times)| **times > 1)
        .collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    desk.upload("there", &["--check"]).expect(0);
    if amount.videos > 1 {
        // Too much for the memory.
        let back = desk.path("back");
        server.rclone(&["copy", &server.remote(TOP), back.to_str().unwrap()]);
        let compared = Command::new("diff")
            .arg("-r")
            .arg(desk.path("rescued/data"))
            .arg(back)
            .output()
            .unwrap();
        assert!(compared.status.success(), "{compared:?}");
    } else {
        same_for_rclone(&desk, &server);
    }
    let line = format!(
        "{kind:?}: {} bytes between kills in {seconds:.0} s, {} bytes sent, {memory} KiB of memory\n",
        amount.bytes(),
        relay.bytes(),
    );
    let figures = concat!(env!("CARGO_MANIFEST_DIR"), "/target/remotes/figures.txt");
    let file = fs::File::options().create(true).append(true).open(figures);
    file.unwrap().write_all(line.as_bytes()).unwrap();
}

/// Waits for the program; the most memory that it took comes back too, in KiB.
fn with_memory(child: Child) -> (Ended, u64) {
    let status = format!("/proc/{}/status", child.id());
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_done = std::sync::Arc::clone(&done);
    let watching = std::thread::spawn(move || {
        let mut most = 0;
        while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            most = most.max(number.unwrap_or(0));
            std::thread::sleep(Duration::from_millis(20));
        }
        most
    });
    let ended = Ended::of(child.wait_with_output().unwrap());
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    (ended, watching.join().unwrap())
}
