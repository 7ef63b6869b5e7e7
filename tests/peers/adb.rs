//! adb: Debian's, and the newer one of Google; servers in the foreground on a private port.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::desk::{self, Desk};
use crate::phone::Phone;
use crate::support::ports;

/// Which adb.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AdbVersion {
    /// Debian's, 29.0.6.
    Debian,
    /// The one in the wheel of `adbutils`.
    Google,
}

impl AdbVersion {
    /// The program.
    pub(crate) fn program(self) -> PathBuf {
        match self {
            Self::Debian => PathBuf::from("/usr/bin/adb"),
            Self::Google => desk::peers().join("adb-new"),
        }
    }
}

/// A running adb server; dropped, it ends.
#[derive(Debug)]
pub(crate) struct AdbServer<'desk> {
    desk: &'desk Desk,
    version: AdbVersion,
    process: Child,
}

impl<'desk> AdbServer<'desk> {
    /// Starts a server on the desk's port and waits until it listens.
    pub(crate) fn start(desk: &'desk Desk, version: AdbVersion) -> Self {
        let log = File::create(desk.path("adb-server.log")).unwrap();
        let mut command = desk.command(version.program());
        let socket = format!("tcp:localhost:{}", desk.adb_port());
        command.args(["-L", &socket, "server", "nodaemon"]);
        command
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null());
        let mut process = command.spawn().unwrap();
        let started = ports::listens(desk.adb_port(), || process.try_wait().unwrap().is_none());
        assert!(
            started,
            "{version:?} adb server does not start; see adb-server.log (KEEP_DESK=1)"
        );
        Self {
            desk,
            version,
            process,
        }
    }

    /// What an adb command prints, whether it succeeds or not.
    pub(crate) fn adb(&mut self, arguments: &[&str]) -> String {
        // Without its server adb would start one in the background, which nobody ends.
        assert!(
            self.process.try_wait().unwrap().is_none(),
            "the adb server ended"
        );
        let mut command: Command = self.desk.command(self.version.program());
        let output = command.args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Has it connect to a phone that lets it in.
    pub(crate) fn connect(&mut self, phone: &Phone) {
        self.connect_to(&phone.address());
    }

    /// The same by its address, or that of its cable.
    pub(crate) fn connect_to(&mut self, address: &str) {
        let said = self.adb(&["connect", address]);
        assert!(said.starts_with("connected to"), "{said}");
        desk::wait_for("the phone's state 'device'", || {
            self.adb(&["-s", address, "get-state"]).trim() == "device"
        });
    }
}

impl Drop for AdbServer<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
