//! A person's desk: a computer with a home folder of its own, and phones beside it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::adb::{AdbServer, AdbVersion};
use crate::phone::{Daemon, Phone};
use crate::rescue::{Finished, Running};
use crate::support::ports;
pub(crate) use crate::support::wait::wait_for;

/// One test's world. Declare it before the phones and servers, so that it outlives them.
#[derive(Debug)]
pub(crate) struct Desk {
    folder: TempDir,
    adb_port: u16,
}

/// The project's folder.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `tests/peers/install` made.
pub(crate) fn peers() -> PathBuf {
    project().join("target/peers")
}

/// A program that ends with the test's thread, however that ends; an environment without
/// anything of the person who runs the tests.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command.env_clear().stdin(Stdio::null());
    command.env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// What a program prints; it has to succeed.
pub(crate) fn output_of(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output.stdout
}

impl Desk {
    /// An empty desk.
    pub(crate) fn new() -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(|| {
            let check = Command::new("bash")
                .arg(project().join("tests/peers/install"))
                .arg("--check")
                .output();
            let check = check.unwrap();
            let why = String::from_utf8_lossy(&check.stderr);
            assert!(
                check.status.success(),
                "{why}run `bash tests/peers/install` first"
            );
            let user = output_of(command("id").arg("-u"));
            assert_eq!(
                user, b"0\n",
                "the phones need root: see `peers` in tests/run"
            );
        });
        let desks = peers().join("desks");
        fs::create_dir_all(&desks).unwrap();
        let mut folder = TempDir::new_in(desks).unwrap();
        folder.disable_cleanup(std::env::var_os("KEEP_DESK").is_some());
        fs::create_dir(folder.path().join("home")).unwrap();
        Self {
            folder,
            adb_port: ports::free(),
        }
    }

    /// A path on the desk.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The home folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The port of the one adb server that this desk may have.
    pub(crate) fn adb_port(&self) -> u16 {
        self.adb_port
    }

    /// Switches a new phone on.
    pub(crate) fn phone(&self, daemon: Daemon) -> Phone {
        Phone::start(self, daemon)
    }

    /// Starts an adb server.
    pub(crate) fn adb_server(&self, version: AdbVersion) -> AdbServer<'_> {
        AdbServer::start(self, version)
    }

    /// A program in this desk's environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = command(program);
        command
            .env("HOME", self.home())
            .current_dir(self.folder.path());
        // Named even when no server runs, so that nobody else's is ever asked.
        command.env("ANDROID_ADB_SERVER_PORT", self.adb_port.to_string());
        command
    }

    /// `rescue` with these arguments, not started yet.
    pub(crate) fn rescue_command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_rescue"));
        command.args(arguments);
        command
    }

    /// Starts `rescue`.
    pub(crate) fn rescue_started<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Running {
        Running::start(self.rescue_command(arguments))
    }

    /// Runs `rescue` to its end.
    pub(crate) fn rescue<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Finished {
        self.rescue_started(arguments).finish()
    }
}
