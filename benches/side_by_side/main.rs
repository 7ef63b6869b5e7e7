//! `rescue` beside other programs that copy files off a phone: the same daemon (AOSP's adbd), the
//! same files, the same links, in turn. `cargo bench --bench side_by_side` after
//! `tests/peers/install`; `ROUNDS=5` and `LINKS=loopback,1ms,5ms` choose how much.
//!
//! A result counts only when it is byte for byte what is on the phone. Printed are medians of
//! whole commands in seconds, and how many times as long as `rescue` (verified) each takes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot run ends with a panic"
)]
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![allow(
    dead_code,
    reason = "the desk, phones and adb servers of tests/peers, of which this needs a part"
)]

#[path = "../../tests/peers/adb.rs"]
mod adb;
#[path = "../../tests/peers/desk.rs"]
mod desk;
#[path = "../../tests/peers/phone.rs"]
mod phone;
#[path = "../../tests/peers/ports.rs"]
mod ports;
mod relay;
#[path = "../../tests/peers/rescue.rs"]
mod rescue;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use adb::AdbVersion;
use desk::Desk;
use phone::Daemon;
use relay::Relay;

const FILES: u64 = 2000;
const FILE_BYTES: usize = 50_000;

fn main() {
    let rounds: usize = std::env::var("ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    let links = std::env::var("LINKS").unwrap_or_else(|_| "loopback,1ms,5ms".to_owned());
    let desk = Desk::new();
    let phone = desk.phone(Daemon::open());
    make_photos(&phone.internal().join("DCIM/Camera"));
    println!("{FILES} files of {FILE_BYTES} bytes, medians of {rounds} rounds in turn, seconds");
    for link in links.split(',') {
        let delay = match link {
            "loopback" => Duration::ZERO,
            other => Duration::from_millis(other.strip_suffix("ms").unwrap().parse().unwrap()),
        };
        let relay = Relay::start(phone.port(), delay);
        measure(link, &desk, relay.port(), &phone.internal(), rounds);
    }
}

/// One way to copy the camera folder: its name, and the command that does it.
struct Way<'a> {
    name: &'static str,
    /// Where the copy of `DCIM` is, below the folder given.
    result: &'static str,
    command: Box<dyn Fn(&Path) -> Command + 'a>,
    times: Vec<f64>,
}

fn measure(link: &str, desk: &Desk, port: u16, internal: &Path, rounds: usize) {
    let address = format!("127.0.0.1:{port}");
    let servers = [
        Server::start(desk, AdbVersion::Debian, &address, Socket::Tcp),
        Server::start(desk, AdbVersion::Debian, &address, Socket::Unix),
        Server::start(desk, AdbVersion::Google, &address, Socket::Tcp),
        Server::start(desk, AdbVersion::Google, &address, Socket::Unix),
    ];
    let [debian, debian_unix, google, google_unix] = &servers;
    let pull = |server: &'_ Server| {
        let mut command = server.adb(desk);
        command.args(["pull", "-a", "/storage/emulated/0/DCIM"]);
        command
    };
    let direct = |more: &[&str], to: &Path| {
        let mut command = desk.rescue_command(&["pull", "-q", "--tcp", &address, "-o"]);
        command.arg(to).args(more);
        command
    };
    let rescued = "data/internal/DCIM";
    let mut ways = vec![
        way("rescue, verified", rescued, |to| direct(&[], to)),
        way("rescue --no-verify", rescued, |to| {
            direct(&["--no-verify"], to)
        }),
        way("rescue through Debian's adb server", rescued, |to| {
            let mut command = desk.rescue_command(&["pull", "-q", "-o"]);
            command.arg(to).env("ADB_SERVER_SOCKET", &debian.socket);
            command
        }),
        way("adb pull 29.0.6", "", |to| with(pull(debian), to)),
        way("adb pull 29.0.6, Unix socket", "", |to| {
            with(pull(debian_unix), to)
        }),
        way("adb pull 36.0", "", |to| with(pull(google), to)),
        way("adb pull 36.0, Unix socket", "", |to| {
            with(pull(google_unix), to)
        }),
        way("adb exec-out tar | tar x", "DCIM", |to| {
            fs::create_dir(to).unwrap();
            let line = format!(
                "'{}' -L {} exec-out tar -C /storage/emulated/0 -cf - DCIM | tar -C '{}' -xf -",
                debian_unix.version.program().display(),
                debian_unix.socket,
                to.display()
            );
            let mut command = desk.command("sh");
            command.args(["-c", &line]);
            command
        }),
    ];
    // The first round warms caches and makes keys, and does not count.
    for round in 0..=rounds {
        for (index, way) in ways.iter_mut().enumerate() {
            // A new name each time: ext4 is slow to give out again what was deleted just now.
            let to = desk.path(&format!("{link}-{round}-{index}"));
            let mut command = (way.command)(&to);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let began = Instant::now();
            let status = command.status().unwrap();
            let seconds = began.elapsed().as_secs_f64();
            way.times.extend((round > 0).then_some(seconds));
            assert!(status.success(), "{}: {status}", way.name);
            expect_same(&internal.join("DCIM"), &to.join(way.result));
        }
    }
    print_table(link, ways);
}

fn way<'a>(
    name: &'static str,
    result: &'static str,
    command: impl Fn(&Path) -> Command + 'a,
) -> Way<'a> {
    Way {
        name,
        result,
        command: Box::new(command),
        times: Vec::new(),
    }
}

fn with(mut command: Command, to: &Path) -> Command {
    command.arg(to);
    command
}

fn print_table(link: &str, mut ways: Vec<Way<'_>>) {
    let mut medians = ways.iter_mut().map(|way| {
        way.times.sort_by(f64::total_cmp);
        let spread = (
            way.times.first().copied().unwrap(),
            way.times.last().copied().unwrap(),
        );
        (
            way.name,
            way.times.get(way.times.len() / 2).copied().unwrap(),
            spread,
        )
    });
    let ours = medians.next().unwrap();
    println!("\n{link}\n| way | median | min to max | times ours |\n| --- | ---: | ---: | ---: |");
    for (name, median, (least, most)) in std::iter::once(ours).chain(medians) {
        println!(
            "| {name} | {median:.2} | {least:.2} to {most:.2} | {:.1} |",
            median / ours.1
        );
    }
}

/// An adb server that is connected to the phone; dropped, it ends.
struct Server {
    version: AdbVersion,
    socket: String,
    process: std::process::Child,
}

enum Socket {
    Tcp,
    Unix,
}

impl Server {
    fn start(desk: &Desk, version: AdbVersion, phone: &str, socket: Socket) -> Self {
        let port = ports::free();
        let socket = match socket {
            Socket::Tcp => format!("tcp:localhost:{port}"),
            Socket::Unix => format!(
                "localfilesystem:{}",
                desk.path(&format!("adb-{port}")).display()
            ),
        };
        let mut command = desk.command(version.program());
        command.args(["-L", &socket, "server", "nodaemon"]);
        let process = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            version,
            socket,
            process,
        };
        // An adb that finds no server on its socket starts one of its own, which would stay.
        desk::wait_for("the adb server's socket", || {
            match server.socket.split_once(':') {
                Some(("localfilesystem", path)) => Path::new(path).exists(),
                _ => std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(),
            }
        });
        desk::wait_for("an adb server that is connected", || {
            let mut connect = server.adb(desk);
            let said = connect.args(["connect", phone]).output().unwrap();
            String::from_utf8_lossy(&said.stdout).contains("connected to")
        });
        desk::wait_for("the phone's state 'device'", || {
            let mut state = server.adb(desk);
            state.arg("get-state").output().unwrap().stdout == b"device\n"
        });
        server
    }

    /// An adb command that talks to this server.
    fn adb(&self, desk: &Desk) -> Command {
        let mut command = desk.command(self.version.program());
        // The first argument of `setpriv -- PROGRAM`, so that it is adb's own.
        command.args(["-L", &self.socket]);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Photos that do not compress, with times a minute apart.
fn make_photos(folder: &Path) {
    let mut state = 1_u64;
    for index in 0..FILES {
        let mut bytes = Vec::with_capacity(FILE_BYTES + 8);
        while bytes.len() < FILE_BYTES {
            // Knuth's linear congruential generator: enough that nothing compresses it.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            bytes.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
        }
        bytes.truncate(FILE_BYTES);
        fs::write(folder.join(format!("IMG_{index:05}.jpg")), bytes).unwrap();
    }
}

fn expect_same(phone: &Path, copy: &Path) {
    let status = Command::new("diff")
        .arg("-rq")
        .args([phone.join("Camera"), copy.join("Camera")])
        .status();
    assert!(
        status.unwrap().success(),
        "{} differs from the phone",
        copy.display()
    );
}
