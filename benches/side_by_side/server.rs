//! adb servers of every kind, each connected to the one phone.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::adb::AdbVersion;
use crate::desk::{self, Desk};
use crate::support::ports;

/// Through which socket commands talk to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Socket {
    /// As adb is installed; it stalls for 40 ms wherever an acknowledgement is delayed.
    Tcp,
    /// Its fastest set-up.
    Unix,
}

/// An adb server that is connected to the phone; dropped, it ends.
pub(crate) struct Server {
    pub(crate) version: AdbVersion,
    /// As `adb -L` and `ADB_SERVER_SOCKET` want it.
    pub(crate) socket: String,
    pub(crate) port: u16,
    process: Child,
}

impl Server {
    /// Starts one and waits until the phone is ready for use.
    pub(crate) fn start(desk: &Desk, version: AdbVersion, phone: &str, socket: Socket) -> Self {
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
            port,
            process,
        };
        // An adb that finds no server on its socket starts one of its own, which would stay.
        desk::wait_for("the adb server's socket", || {
            match server.socket.split_once(':') {
                Some(("localfilesystem", path)) => Path::new(path).exists(),
                _ => TcpStream::connect(("127.0.0.1", port)).is_ok(),
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
    pub(crate) fn adb(&self, desk: &Desk) -> Command {
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
