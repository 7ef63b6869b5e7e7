//! `rescue` beside other programs that copy files off a phone: the same daemon (AOSP's adbd), the
//! same files, the same links, in turn. `cargo bench --bench side_by_side` as root, after
//! `tests/peers/install`. All of it takes about half an hour; these variables choose less or more:
//!
//! | variable | default | |
//! | --- | --- | --- |
//! | `WORKLOADS` | `photos,video,roll,again` | what is done |
//! | `LINKS` | `loopback,1ms,5ms` | over which links `photos` are pulled; also `40MB` |
//! | `ROUNDS` | 5 | runs of each way, after one to warm up |
//! | `SLOW_ROUNDS` | 1 | runs of those ways that take long; 0 leaves them out |
//!
//! `photos` are 2,000 files of 50 kB; `video` is one file of 2 GiB over loopback; `roll` is 600
//! files of 3 MB and 12 of 100 MB over a link of 40 MB/s, as USB 2 is; `again` is a second run
//! over 50,000 files of which all are here already.
//!
//! A result counts only when it is byte for byte what is on the phone. Each run begins with
//! nothing left to be written to the disk. Printed are medians of whole commands, and how many
//! times as long as `rescue` (verified) each takes; processor and memory are those of the command
//! and what it starts, without the adb server. A peer that is missing, fails, or brings something
//! else than the phone has ends the benchmark.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot run ends with a panic"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is what it is for"
)]
#![allow(
    dead_code,
    reason = "the desk, phones and adb servers of tests/peers, of which this needs a part"
)]

#[path = "../../tests/peers/adb.rs"]
mod adb;
mod contest;
#[path = "../../tests/peers/desk.rs"]
mod desk;
mod drivers;
#[path = "../../tests/peers/phone.rs"]
mod phone;
mod relay;
#[path = "../../tests/peers/rescue.rs"]
mod rescue;
mod server;
#[path = "../../tests/support/mod.rs"]
mod support;
mod trees;

use std::fs;
use std::process::Command;

use adb::AdbVersion;
use contest::{Contest, Copy, Pace, Rounds, Way};
use desk::Desk;
use phone::{Daemon, Phone};
use relay::{Link, Relay};
use server::{Server, Socket};
use trees::Camera;

/// The phone's path of what every way copies.
const DCIM: &str = "/storage/emulated/0/DCIM";
/// Where `rescue` puts it.
const RESCUED: Copy = Copy::Below("data/internal/DCIM");
const VIDEO_BYTES: u64 = 2 << 30;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if drivers::run(&arguments) {
        return;
    }
    let number = |name, default| variable(name, default).parse().expect("a number");
    let rounds = Rounds {
        fast: number("ROUNDS", "5"),
        slow: number("SLOW_ROUNDS", "1"),
        warm_up: true,
    };
    let links = variable("LINKS", "loopback,1ms,5ms");
    let links: Vec<Link> = links.split(',').map(Link::parse).collect();
    for workload in variable("WORKLOADS", "photos,video,roll,again").split(',') {
        match workload {
            "photos" => photos(&links, rounds),
            "video" => video(rounds),
            "roll" => roll(rounds),
            "again" => again(rounds),
            other => panic!("'{other}' is no workload: photos, video, roll and again are"),
        }
    }
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// A phone behind a link, and adb servers that reach it through that link.
struct Bench<'a> {
    desk: &'a Desk,
    address: String,
    servers: [Server; 4],
}

impl<'a> Bench<'a> {
    fn new(desk: &'a Desk, phone: &Phone, link: Link) -> Self {
        let relay = Relay::start(phone.port(), link);
        let address = format!("127.0.0.1:{}", relay.port());
        let servers = [
            (AdbVersion::Debian, Socket::Tcp),
            (AdbVersion::Debian, Socket::Unix),
            (AdbVersion::Google, Socket::Tcp),
            (AdbVersion::Google, Socket::Unix),
        ];
        let servers =
            servers.map(|(version, socket)| Server::start(desk, version, &address, socket));
        Self {
            desk,
            address,
            servers,
        }
    }

    fn rescue(&self, name: &str, more: &'static [&str]) -> Way<'_> {
        Way::new(name, Pace::Fast, RESCUED, move |to| {
            let mut command =
                self.desk
                    .rescue_command(&["pull", "-q", "--tcp", &self.address, "-o"]);
            command.arg(to).args(more);
            // What it says of groups tells when only the disk is waited for.
            command.env("RESCUE_LOG", "rescue::pull=debug");
            command
        })
    }

    fn rescue_through_server(&self) -> Way<'_> {
        let name = "rescue through Debian's adb server, verified";
        Way::new(name, Pace::Fast, RESCUED, |to| {
            let mut command = self.desk.rescue_command(&["pull", "-q", "-o"]);
            command.arg(to);
            command.env("ADB_SERVER_SOCKET", &self.servers[0].socket);
            command
        })
    }

    /// `adb pull` of one version over one socket, by the number of its server.
    fn adb_pull(&self, server: usize, pace: Pace) -> Way<'_> {
        let name = [
            "adb pull 29.0.6, as installed",
            "adb pull 29.0.6, Unix socket",
            "adb pull 36.0, as installed",
            "adb pull 36.0, Unix socket",
        ][server];
        Way::new(name, pace, Copy::Below(""), move |to| {
            let mut command = self.servers[server].adb(self.desk);
            command.args(["pull", "-a", DCIM]).arg(to);
            command
        })
    }

    fn tar(&self) -> Way<'_> {
        let name = "adb exec-out tar into tar x, Unix socket";
        Way::new(name, Pace::Fast, Copy::Below("DCIM"), |to| {
            fs::create_dir(to).unwrap();
            let server = &self.servers[1];
            let line = format!(
                "'{}' -L {} exec-out tar -C /storage/emulated/0 -cf - DCIM | tar -C '{}' -xf -",
                server.version.program().display(),
                server.socket,
                to.display()
            );
            let mut command = self.desk.command("sh");
            command.args(["-c", &line]);
            command
        })
    }

    fn better_adb_sync(&self, copy: Copy) -> Way<'_> {
        let name = "better-adb-sync 1.4.0, Unix socket";
        Way::new(name, Pace::Slow, copy, move |to| {
            let server = &self.servers[1];
            let mut command = self.desk.command(desk::peers().join("venv/bin/adbsync"));
            command
                .args(["-q", "--adb-bin"])
                .arg(server.version.program());
            command.args(["--adb-option", "L", &server.socket]);
            command.args(["pull", DCIM]);
            match copy {
                Copy::Standing(place) => command.arg(self.desk.path(place).parent().unwrap()),
                _ => {
                    fs::create_dir(to).unwrap();
                    command.arg(to)
                }
            };
            command
        })
    }

    fn adb_client(&self) -> Way<'_> {
        let name = "the crate adb_client 3.2.3, as installed";
        Way::new(name, Pace::Slow, Copy::Below(""), |to| {
            let mut command = self.desk.command(std::env::current_exe().unwrap());
            let server = format!("127.0.0.1:{}", self.servers[0].port);
            command.args(["adb-client", &server, &self.address]);
            command.arg(format!("{DCIM}/Camera")).arg(to.join("Camera"));
            command
        })
    }

    fn discard(&self, file: &'static str) -> Way<'_> {
        let name = "a bare reader that discards";
        Way::new(name, Pace::Fast, Copy::Nowhere, move |_| {
            let mut command = self.desk.command(std::env::current_exe().unwrap());
            command.args(["discard", &self.address]);
            command.arg(format!("{DCIM}/Camera/{file}"));
            command
        })
    }
}

fn photos(links: &[Link], rounds: Rounds) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    Camera::of(&phone.internal()).photos(2000, 50_000);
    for link in links {
        let bench = Bench::new(&desk, &phone, *link);
        Contest {
            title: format!("2,000 files of 50 kB, {link:?}"),
            desk: &desk,
            original: phone.internal().join("DCIM"),
            link_rate: None,
            ways: vec![
                bench.rescue("rescue, verified", &[]),
                bench.rescue("rescue --no-verify", &["--no-verify"]),
                bench.rescue_through_server(),
                bench.adb_pull(0, Pace::Slow),
                bench.adb_pull(1, Pace::Fast),
                bench.adb_pull(2, Pace::Slow),
                bench.adb_pull(3, Pace::Fast),
                bench.tar(),
                bench.better_adb_sync(Copy::Below("DCIM")),
                bench.adb_client(),
            ],
        }
        .hold(rounds);
    }
}

fn video(rounds: Rounds) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    Camera::of(&phone.internal()).videos(1, VIDEO_BYTES);
    let bench = Bench::new(&desk, &phone, Link::Loopback);
    Contest {
        title: "one file of 2 GiB, Loopback".to_owned(),
        desk: &desk,
        original: phone.internal().join("DCIM"),
        link_rate: None,
        ways: vec![
            bench.rescue("rescue, verified", &[]),
            bench.rescue("rescue --no-verify", &["--no-verify"]),
            bench.adb_pull(0, Pace::Fast),
            bench.adb_pull(1, Pace::Fast),
            bench.adb_pull(2, Pace::Fast),
            bench.adb_pull(3, Pace::Fast),
            bench.discard("VID_00000.mp4"),
        ],
    }
    .hold(rounds);
}

fn roll(rounds: Rounds) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    Camera::of(&phone.internal())
        .photos(600, 3_000_000)
        .videos(12, 100_000_000);
    let link = Link::Capped(40_000_000);
    let bench = Bench::new(&desk, &phone, link);
    let mut ours = bench.rescue("rescue, verified", &[]);
    // More than a minute each.
    ours.pace = Pace::Slow;
    Contest {
        title: format!("600 files of 3 MB and 12 of 100 MB, {link:?}"),
        desk: &desk,
        original: phone.internal().join("DCIM"),
        link_rate: Some(40_000_000),
        ways: vec![
            ours,
            bench.adb_pull(0, Pace::Slow),
            bench.adb_pull(1, Pace::Slow),
            bench.adb_pull(3, Pace::Slow),
        ],
    }
    .hold(Rounds {
        slow: rounds.slow.max(1),
        ..rounds
    });
}

fn again(rounds: Rounds) {
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    Camera::of(&phone.internal()).photos(50_000, 100);
    let bench = Bench::new(&desk, &phone, Link::Loopback);
    let original = phone.internal().join("DCIM");
    let rescued = desk.path("rescued");
    let first = desk
        .rescue(&[
            "pull".as_ref(),
            "-q".as_ref(),
            "--tcp".as_ref(),
            bench.address.as_ref(),
            "-o".as_ref(),
            rescued.as_os_str(),
        ])
        .expect_code(0);
    eprintln!(
        "50,000 files of 100 bytes, the first time: {:.2} s",
        first.duration.as_secs_f64()
    );
    // What its own first run leaves, without the hour that one process a file takes.
    let synced = desk.path("synced");
    fs::create_dir(&synced).unwrap();
    let mut copy = Command::new("cp");
    desk::output_of(copy.arg("-a").arg(&original).arg(&synced));
    let mut ours = bench.rescue("rescue, verified", &[]);
    ours = Way::new(
        ours.name,
        Pace::Fast,
        Copy::Standing("rescued/data/internal/DCIM"),
        |_| {
            let mut command = desk.rescue_command(&["pull", "-q", "--tcp", &bench.address, "-o"]);
            command.arg(&rescued);
            command
        },
    );
    Contest {
        title: "50,000 files, all of them here already, Loopback".to_owned(),
        desk: &desk,
        original,
        link_rate: None,
        ways: vec![ours, bench.better_adb_sync(Copy::Standing("synced/DCIM"))],
    }
    .hold(Rounds {
        slow: rounds.slow.max(1),
        ..rounds
    });
}
