//! Real servers on 127.0.0.1.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::desk::Desk;
use crate::ports;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A folder on this computer.
    Folder,
    /// `rclone serve webdav`.
    Rclone,
    /// Apache's mod_dav.
    Apache,
    /// OpenSSH's sftp.
    OpenSsh,
    /// moto, which keeps all in memory: it forgets everything when it ends.
    S3,
}

const SECRET: &str = "PLANTED-secret-91c4";
const KEY_ID: &str = "AKIAEXAMPLE";

/// A server with its storage; ended when dropped.
pub(crate) struct Server {
    kind: Kind,
    port: u16,
    root: PathBuf,
    child: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    pub(crate) fn start(kind: Kind, desk: &Desk) -> Self {
        // Apache serves as another user.
        fs::set_permissions(desk.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let root = desk.path("server");
        fs::create_dir_all(root.join("files")).unwrap();
        let mut server = Self {
            kind,
            port: ports::free(),
            root,
            child: None,
        };
        server.prepare();
        server.restart();
        if kind == Kind::S3 {
            server.rclone(&["mkdir", &server.remote("")]);
        }
        server
    }

    fn prepare(&self) {
        let write = |name: &str, text: &str| fs::write(self.root.join(name), text).unwrap();
        let root = self.root.display();
        match self.kind {
            Kind::Folder | Kind::Rclone | Kind::S3 => {}
            Kind::Apache => {
                // Without root there is no other user to become.
                let _ = Command::new("chown")
                    .arg("-R")
                    .arg("www-data")
                    .arg(&self.root)
                    .status();
                let modules = "/usr/lib/apache2/modules";
                let load: String = [
                    "mpm_event",
                    "authn_core",
                    "authn_file",
                    "authz_core",
                    "authz_user",
                    "auth_basic",
                    "dav",
                    "dav_fs",
                ]
                .iter()
                .filter(|name| fs::exists(format!("{modules}/mod_{name}.so")).unwrap())
                .map(|name| format!("LoadModule {name}_module {modules}/mod_{name}.so\n"))
                .collect();
                write(
                    "apache.conf",
                    &format!(
                        "{load}ServerName localhost\nListen 127.0.0.1:{}\nServerRoot {root}\n\
                         PidFile {root}/pid\nErrorLog {root}/error.log\nUser www-data\nGroup www-data\n\
                         DocumentRoot {root}/files\nDavLockDB {root}/lock\nKeepAlive On\n\
                         MaxKeepAliveRequests 0\nLimitRequestBody 0\n\
                         <Location />\nDav On\nAuthType Basic\nAuthName x\nAuthUserFile {root}/users\n\
                         Require valid-user\n</Location>\n",
                        self.port
                    ),
                );
                let hash = Command::new("openssl")
                    .args(["passwd", "-apr1", SECRET])
                    .output();
                let hash = String::from_utf8(hash.unwrap().stdout).unwrap();
                write("users", &format!("ada:{hash}"));
            }
            Kind::OpenSsh => {
                for name in ["host", "user"] {
                    let file = self.root.join(name);
                    let made = Command::new("ssh-keygen")
                        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                        .arg(file)
                        .status();
                    assert!(made.unwrap().success());
                }
                fs::copy(self.root.join("user.pub"), self.root.join("authorized")).unwrap();
                fs::create_dir_all("/run/sshd").unwrap();
                // With a home of its own: what root's shell does when it starts is not ours.
                write(
                    "sshd_config",
                    &format!(
                        "ListenAddress 127.0.0.1:{}\nHostKey {root}/host\nAuthorizedKeysFile {root}/authorized\n\
                         StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin prohibit-password\n\
                         MaxStartups 100\nSetEnv HOME={root}\nSubsystem sftp /usr/lib/openssh/sftp-server\n",
                        self.port
                    ),
                );
            }
        }
    }

    /// Starts it again, on the same port and with the same storage.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let port = self.port.to_string();
        let mut command = match self.kind {
            Kind::Folder => return,
            Kind::Rclone => {
                let mut command = Command::new("rclone");
                command.args(["serve", "webdav", "--addr"]);
                command.arg(format!("127.0.0.1:{port}"));
                command
                    .args(["--user", "ada", "--pass", SECRET])
                    .arg(self.root.join("files"));
                command
            }
            Kind::Apache => {
                let mut command = Command::new("/usr/sbin/apache2");
                command
                    .arg("-DFOREGROUND")
                    .arg("-f")
                    .arg(self.root.join("apache.conf"));
                command
            }
            Kind::OpenSsh => {
                let mut command = Command::new("/usr/sbin/sshd");
                command
                    .arg("-D")
                    .arg("-f")
                    .arg(self.root.join("sshd_config"));
                command
            }
            Kind::S3 => {
                let venv = concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/target/remotes/venv/bin/moto_server"
                );
                let mut command = Command::new(venv);
                command.args(["-H", "127.0.0.1", "-p", &port]);
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn();
        let mut child =
            child.unwrap_or_else(|error| panic!("{command:?}: {error}; run tests/remotes/install"));
        let up = ports::listens(self.port, || matches!(child.try_wait(), Ok(None)));
        assert!(up, "{:?} does not start: {command:?}", self.kind);
        self.child = Some(child);
    }

    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let pid = child.id();
        // Apache and sshd have children of their own that hold connections.
        for grandchild in children_of(pid) {
            let _ = Command::new("kill")
                .arg("-9")
                .arg(grandchild.to_string())
                .stderr(Stdio::null())
                .status();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Tells the program about it.
    pub(crate) fn add(&self, desk: &Desk, name: &str, secret: &str) {
        let files = self.root.join("files").display().to_string();
        let url = format!("http://127.0.0.1:{}", self.port);
        let address = format!("{}@127.0.0.1:{}", whoami(), self.port);
        let key = self.root.join("user").display().to_string();
        let kind: Vec<&str> = match self.kind {
            Kind::Folder => vec!["folder", &files],
            Kind::Rclone | Kind::Apache => vec!["webdav", &url, "--user", "ada"],
            Kind::OpenSsh => vec!["sftp", &address, "--path", &files, "--key-file", &key],
            Kind::S3 => vec![
                "s3",
                "bucket",
                "--endpoint",
                &url,
                "--access-key-id",
                KEY_ID,
            ],
        };
        let mut arguments = vec!["remote", "add", name];
        arguments.extend(kind);
        let mut command = desk.command(&arguments);
        if !matches!(self.kind, Kind::Folder | Kind::OpenSsh) {
            command.env("RESCUE_REMOTE_SECRET", secret);
        }
        crate::desk::Ended::of(command.output().unwrap()).expect(0);
    }

    pub(crate) fn add_right(&self, desk: &Desk) {
        self.add(desk, "there", SECRET);
    }

    /// What rclone calls a path there.
    pub(crate) fn remote(&self, path: &str) -> String {
        match self.kind {
            Kind::Folder => self.root.join("files").join(path).display().to_string(),
            Kind::Rclone | Kind::Apache => format!(":webdav:{path}"),
            Kind::OpenSsh => format!(":sftp:{}/{path}", self.root.join("files").display()),
            Kind::S3 => format!(":s3:bucket/{path}"),
        }
    }

    /// Runs rclone with access to this server.
    pub(crate) fn rclone(&self, arguments: &[&str]) -> String {
        let obscured = Command::new("rclone")
            .args(["obscure", SECRET])
            .output()
            .unwrap();
        let obscured = String::from_utf8(obscured.stdout)
            .unwrap()
            .trim()
            .to_owned();
        let port = self.port.to_string();
        let url = format!("http://127.0.0.1:{port}");
        let output = Command::new("rclone")
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("RCLONE_CONFIG", "/dev/null")
            .env("RCLONE_WEBDAV_URL", &url)
            .env("RCLONE_WEBDAV_USER", "ada")
            .env("RCLONE_WEBDAV_PASS", obscured)
            .env("RCLONE_SFTP_HOST", "127.0.0.1")
            .env("RCLONE_SFTP_PORT", port)
            .env("RCLONE_SFTP_USER", whoami())
            .env("RCLONE_SFTP_KEY_FILE", self.root.join("user"))
            .env("RCLONE_S3_PROVIDER", "Other")
            .env("RCLONE_S3_ENDPOINT", &url)
            .env("RCLONE_S3_ACCESS_KEY_ID", KEY_ID)
            .env("RCLONE_S3_SECRET_ACCESS_KEY", SECRET)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rclone {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The processes that a process started, and those that they started.
fn children_of(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut all = Vec::new();
    for child in listed
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
    {
        all.push(child);
        all.extend(children_of(child));
    }
    all
}
