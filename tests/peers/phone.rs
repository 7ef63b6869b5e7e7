//! A phone: AOSP's daemon in a phone-like root, started by `tests/peers/lab/run-phone.sh`; and its dialog "Pair
//! device with pairing code".

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::desk::{self, Desk};
use crate::support::ports;

/// What kind of phone it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Daemon {
    /// Whom it lets in.
    pub(crate) access: Access,
    /// How old it is.
    pub(crate) age: Age,
}

/// Whom a phone lets in.
#[derive(Debug, Clone, Default)]
pub(crate) enum Access {
    /// Everybody.
    #[default]
    Open,
    /// Whom somebody allows on its screen.
    Asks,
    /// Also the owner of this public key file.
    Knows(PathBuf),
    /// Whom it was paired with, as wireless debugging does: over TLS, with no question. Android 14's alone.
    Paired,
}

/// How old a phone is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Age {
    /// Android 14: also sendrecv_v2 with its compressions, and delayed_ack.
    Android14,
    /// Android 10: shell_v2, stat_v2, ls_v2.
    #[default]
    Android10,
    /// Android 6: none of them; payloads of 256 KiB, checksums.
    Android6,
    /// Android 4: the same with payloads of 4 KiB, and a terminal for a shell.
    Android4,
}

impl Daemon {
    /// A phone of Android 10 that lets everybody in.
    pub(crate) fn open() -> Self {
        Self::default()
    }

    /// One of this age that lets everybody in.
    pub(crate) fn of(age: Age) -> Self {
        Self {
            age,
            ..Self::default()
        }
    }

    /// The same with locks.
    pub(crate) fn with_access(age: Age, access: Access) -> Self {
        Self { access, age }
    }
}

/// What somebody taps on the phone's question "Allow USB debugging?".
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tap {
    /// Allow, this time.
    Allow,
    /// Always allow from this computer.
    Always,
}

/// A phone that is switched on; dropped, it is switched off.
#[derive(Debug)]
pub(crate) struct Phone {
    process: Child,
    port: u16,
    state: PathBuf,
    daemon: Daemon,
}

impl Phone {
    /// Switches a phone on and waits until it listens.
    pub(crate) fn start(desk: &Desk, daemon: Daemon) -> Self {
        let port = ports::free();
        let state = desk.path(&format!("phone-{port}"));
        let process = boot(port, &state, &daemon);
        Self {
            process,
            port,
            state,
            daemon,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder behind its `/storage/emulated/0`.
    pub(crate) fn internal(&self) -> PathBuf {
        self.state.join("storage/emulated/0")
    }

    /// The folder behind its `/storage`.
    pub(crate) fn storage(&self) -> PathBuf {
        self.state.join("storage")
    }

    /// The folder behind its SD card, `/storage/1A2B-3C4D`.
    pub(crate) fn sd_card(&self) -> PathBuf {
        self.state.join("storage/1A2B-3C4D")
    }

    /// A file of the stand-ins for Android's own commands, by its name.
    pub(crate) fn lab(&self, name: &str) -> PathBuf {
        self.state.join("data/lab").join(name)
    }

    /// Whether it shows its question.
    pub(crate) fn asks(&self) -> bool {
        self.lab("pending_key").exists()
    }

    /// Waits for the question and answers it.
    pub(crate) fn tap(&self, tap: Tap) {
        desk::wait_for("the phone's question", || self.asks());
        let answer = match tap {
            Tap::Allow => "allow",
            Tap::Always => "always",
        };
        // Renamed into place, so that the phone never reads half a word.
        fs::write(self.lab("tap.new"), answer).unwrap();
        fs::rename(self.lab("tap.new"), self.lab("tap")).unwrap();
    }

    /// Gives it another serial number.
    pub(crate) fn set_serial(&self, serial: &str) {
        self.set_property("ro.serialno", serial);
        self.set_property("ro.boot.serialno", serial);
    }

    /// Gives it a system property.
    pub(crate) fn set_property(&self, name: &str, value: &str) {
        // Read anew at each `getprop`; the last line counts.
        let path = self.state.join("data/property/props");
        let mut properties = fs::read_to_string(&path).unwrap();
        properties += &format!("{name}={value}\n");
        fs::write(path, properties).unwrap();
    }

    /// Opens the dialog that shows this code.
    pub(crate) fn pair(&self, code: &str) -> Pairing {
        let port = ports::free();
        let newer = desk::peers().join("adbd34");
        let mut command = desk::command(newer.join("lib/ld-linux-x86-64.so.2"));
        command.args(["--inhibit-cache", "--library-path"]);
        command.arg(newer.join("lib")).arg(newer.join("pair"));
        command.args([&port.to_string(), code]);
        command.arg(self.state.join("data/misc/adb/adb_keys"));
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        // A connection would be taken for a computer's.
        let mut says = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut says)
            .unwrap();
        assert!(says.starts_with("pairing on"), "{says}");
        Pairing { process, port }
    }

    /// What the daemon wrote.
    pub(crate) fn log(&self) -> String {
        log(&self.state)
    }

    /// Takes its battery out: no goodbye on the wire.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Switches it on again after [`Phone::kill`].
    pub(crate) fn restart(&mut self) {
        self.process = boot(self.port, &self.state, &self.daemon);
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// AOSP's pairing server, for one try; dropped, the dialog is closed.
#[derive(Debug)]
pub(crate) struct Pairing {
    process: Child,
    port: u16,
}

impl Pairing {
    /// The address that the dialog shows.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Waits until the phone has noted the computer's key.
    pub(crate) fn done(mut self) {
        assert!(self.process.wait().unwrap().success(), "not paired");
    }
}

impl Drop for Pairing {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn boot(port: u16, state: &Path, daemon: &Daemon) -> Child {
    let script = desk::project().join("tests/peers/lab/run-phone.sh");
    let mut command = Command::new("bash");
    // Its standard input, which this process holds open, is the phone's life line.
    command
        .arg(script)
        .arg(port.to_string())
        .arg(state)
        .stdin(Stdio::piped());
    match &daemon.access {
        Access::Open => command.env("NOAUTH", "1"),
        Access::Asks => &mut command,
        Access::Knows(key) => command.env("KEYS", key),
        Access::Paired => command.env("WIRELESS", "1"),
    };
    match daemon.age {
        Age::Android14 => command.env("NEW", "1"),
        Age::Android10 => &mut command,
        Age::Android6 => command.env("OLD", "262144"),
        Age::Android4 => command.env("OLD", "4096"),
    };
    let errors = state.with_extension("errors");
    command
        .stdout(Stdio::null())
        .stderr(File::create(&errors).unwrap());
    let mut process = command.spawn().unwrap();
    if !ports::listens(port, || process.try_wait().unwrap().is_none()) {
        let _ = process.kill();
        let errors = fs::read_to_string(errors).unwrap();
        panic!("the phone does not start: {errors}{}", log(state));
    }
    process
}

fn log(state: &Path) -> String {
    fs::read_to_string(state.join("adbd.log")).unwrap_or_default()
}
