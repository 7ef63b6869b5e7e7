//! Secrets in a real keyring: gnome-keyring on a D-Bus of its own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::desk::{Desk, Ended};
use crate::server::{Kind, Server};
use crate::support::wait::wait_for;

/// What the server of the suite wants.
const SECRET: &str = "PLANTED-secret-91c4";

/// A session with a keyring that is unlocked; ended when dropped.
struct Session {
    room: PathBuf,
    processes: Vec<Child>,
}

impl Drop for Session {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Session {
    fn start(desk: &Desk) -> Self {
        let room = desk.path("session");
        fs::create_dir(&room).unwrap();
        fs::set_permissions(&room, fs::Permissions::from_mode(0o700)).unwrap();
        let mut session = Self {
            room,
            processes: Vec::new(),
        };
        let bus = session.run(
            "dbus-daemon",
            &["--session", "--nofork", "--nopidfile"],
            &["--address", &session.bus()],
        );
        session.processes.push(bus);
        wait_for("the keyring starts", || session.room.join("bus").exists());
        let arguments = ["--unlock", "--foreground", "--components=secrets"];
        let mut keyring = session.run("gnome-keyring-daemon", &arguments, &[]);
        let mut pipe = keyring.stdin.take().unwrap();
        pipe.write_all(b"open sesame").unwrap();
        drop(pipe);
        session.processes.push(keyring);
        wait_for("the keyring starts", || {
            session.room.join("keyrings/login.keyring").exists()
        });
        wait_for("the keyring starts", || {
            session.tool(&["search", "application", "nobody"]).0
        });
        session
    }

    fn bus(&self) -> String {
        format!("unix:path={}", self.room.join("bus").display())
    }

    fn prepared(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &self.room)
            .env("XDG_DATA_HOME", &self.room)
            .env("XDG_RUNTIME_DIR", &self.room)
            .env("DBUS_SESSION_BUS_ADDRESS", self.bus())
            .stderr(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str], more: &[&str]) -> Child {
        let mut command = self.prepared(program);
        command.args(arguments).args(more);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        child.unwrap_or_else(|error| panic!("{program}: {error}; run tests/remotes/install"))
    }

    /// Asks the keyring itself.
    fn tool(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.prepared("secret-tool").args(arguments).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), said)
    }

    /// Runs the program in this session.
    fn rescue(&self, desk: &Desk, arguments: &[&str], secret: Option<&str>) -> Ended {
        let mut command = desk.command(arguments);
        command
            .env("PATH", "/usr/bin:/bin")
            .env("DBUS_SESSION_BUS_ADDRESS", self.bus());
        if let Some(secret) = secret {
            command.env("RESCUE_REMOTE_SECRET", secret);
        }
        Ended::of(command.output().unwrap())
    }
}

#[test]
fn secrets_go_into_the_keyring_where_there_is_one() {
    let desk = Desk::new();
    let session = Session::start(&desk);
    fs::create_dir_all(desk.path("server/files/deeper")).unwrap();
    let server = Server::start(Kind::Rclone, &desk);
    let url = server.url();
    let add = |name: &'static str, more: &[&'static str]| {
        let mut arguments = vec!["remote", "add", name, "webdav", &url, "--user", "ada"];
        arguments.extend(more);
        session.rescue(&desk, &arguments, Some(SECRET))
    };
    let settings = || fs::read_to_string(desk.path("home/.config/rescue/remotes.toml")).unwrap();
    let added = add("there", &["--json", "-vv"]).expect(0);
    assert_eq!(added.line("remote_added")["secret_in"], "keyring");
    let mut said = added.all;
    assert!(!settings().contains(SECRET), "{}", settings());
    let find = ["lookup", "application", "rescue", "remote", "there"];
    assert_eq!(session.tool(&find), (true, SECRET.to_owned()));
    // It is used.
    desk.rescue_photos(3);
    said += &session
        .rescue(&desk, &["remote", "test", "there", "-vv"], None)
        .expect(0)
        .all;
    let upload = ["upload", "rescued", "--to", "there", "--json", "-vv"];
    let sent = session.rescue(&desk, &upload, None).expect(0);
    assert_eq!(sent.line("upload_summary")["sent"], 3);
    said += &sent.all;
    said += &session.rescue(&desk, &["remote", "list"], None).all;
    // Without the session there is no keyring: said, and not asked for on and on.
    let alone = desk.run(&["remote", "test", "there", "--json"]).expect(1);
    assert_eq!(alone.line("error")["kind"], "remote_denied");
    assert!(alone.all.contains("--keep-in file"), "{}", alone.all);
    said += &alone.all;
    // A new one goes where the old one was, and stays when something else changes.
    fs::write(desk.path("other"), "PLANTED-other-5d11").unwrap();
    fs::write(desk.path("first"), SECRET).unwrap();
    for (file, secret) in [("other", "PLANTED-other-5d11"), ("first", SECRET)] {
        let edit = ["remote", "edit", "there", "--json", "--no-test"];
        let edit = [&edit[..], &["--secret-file", file]].concat();
        let ended = session.rescue(&desk, &edit, None).expect(0);
        assert_eq!(ended.line("remote_edited")["secret_in"], "keyring");
        assert_eq!(session.tool(&find), (true, secret.to_owned()));
        assert!(!settings().contains("PLANTED"), "{}", settings());
        said += &ended.all;
    }
    let deeper = format!("{url}/deeper");
    let edit = ["remote", "edit", "there", "webdav", &deeper, "--json"];
    let ended = session.rescue(&desk, &edit, None).expect(0);
    assert_eq!(ended.line("remote_edited")["tested"], true);
    assert_eq!(session.tool(&find), (true, SECRET.to_owned()));
    said += &ended.all;
    let alone = desk.run(&["remote", "edit", "there", &url, "--json"]);
    assert!(alone.all.contains("no keyring is there"), "{}", alone.all);
    // The person decides.
    let added = add("file", &["--keep-in", "file"]).expect(0);
    assert!(added.all.contains("remotes.toml"), "{}", added.all);
    assert!(settings().contains(SECRET));
    session
        .rescue(&desk, &["remote", "remove", "there"], None)
        .expect(0);
    assert!(!session.tool(&find).0, "the keyring still has it");
    assert!(!said.contains(SECRET), "{said}");
}

#[test]
fn without_a_keyring_secrets_go_into_the_file() {
    let desk = Desk::new();
    let mut command = desk.command(&[
        "remote",
        "add",
        "there",
        "webdav",
        "http://127.0.0.1:1/",
        "--user",
        "ada",
        "--json",
        "--no-test",
    ]);
    command.env("RESCUE_REMOTE_SECRET", SECRET);
    let added = Ended::of(command.output().unwrap()).expect(0);
    assert_eq!(added.line("remote_added")["secret_in"], "file");
    let wanted = [
        "remote",
        "add",
        "x",
        "webdav",
        "http://127.0.0.1:1/",
        "--user",
        "ada",
        "--keep-in",
        "keyring",
        "--no-test",
    ];
    let mut command = desk.command(&wanted);
    command.env("RESCUE_REMOTE_SECRET", SECRET);
    Ended::of(command.output().unwrap()).expect(1);
}
