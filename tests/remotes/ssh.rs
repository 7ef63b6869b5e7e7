//! How an SSH server lets somebody in: OpenSSH where it can be set up so without a user of its own, and
//! russh's server for what needs one with a password.

use std::borrow::Cow;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{Auth, Config, Handler, Msg, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, MethodKind, MethodSet};

use crate::desk::{Desk, Ended};
use crate::server::{Kind, Server, whoami};

const PASSWORD: &str = "PLANTED-password-7c1e";
const SFTP_SERVER: &str = "/usr/lib/openssh/sftp-server";

/// A key of a kind in OpenSSH's form, beside it its public half.
fn make_key(desk: &Desk, name: &str, kind: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", "", "-f"])
        .arg(desk.path(name))
        .status();
    assert!(made.unwrap().success());
}

/// OpenSSH's settings with lines added or taken away.
fn set_up(desk: &Desk, change: impl Fn(&str) -> String) {
    let file = desk.path("server/sshd_config");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, change(&text)).unwrap();
}

#[test]
fn host_key_of_a_new_kind_is_no_alarm_and_another_key_is_one_that_says_so() {
    let desk = Desk::new();
    make_key(&desk, "rsa", "rsa");
    make_key(&desk, "ecdsa", "ecdsa");
    make_key(&desk, "ed25519", "ed25519");
    let mut server = Server::start(Kind::OpenSsh, &desk);
    let with_keys = |keys: &[&str]| {
        set_up(&desk, |text| {
            let lines = text.lines().filter(|line| !line.contains("HostKey "));
            let mut lines: Vec<String> = lines.map(str::to_owned).collect();
            lines.extend(
                keys.iter()
                    .map(|key| format!("HostKey {}", desk.path(key).display())),
            );
            lines.join("\n") + "\n"
        });
    };
    with_keys(&["rsa"]);
    server.restart();
    server.add_tried(&desk, "there", None).expect(0);
    // The kinds that are preferred otherwise.
    with_keys(&["ed25519", "ecdsa", "rsa"]);
    server.restart();
    desk.run(&["remote", "test", "there"]).expect(0);
    // The noted one is gone.
    with_keys(&["ed25519", "ecdsa"]);
    server.restart();
    let ended = desk.run(&["remote", "test", "there", "--json"]).expect(1);
    let error = ended.line("error");
    assert_eq!(error["kind"], "remote_denied", "{}", ended.all);
    let said = error.to_string();
    for part in [
        "host key",
        "ssh-rsa SHA256:",
        "ssh-ed25519 SHA256:",
        "fingerprint",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("--ca-file"), "{said}");
    // Another one of the same kind.
    fs::remove_file(desk.path("rsa")).unwrap();
    make_key(&desk, "rsa", "rsa");
    with_keys(&["rsa"]);
    server.restart();
    let ended = desk.run(&["remote", "test", "there"]).expect(1);
    assert!(ended.all.contains("host key"), "{}", ended.all);
}

/// The same environment for a command line on a terminal of its own.
fn with_terminal(command: Command, typed: &str) -> Command {
    let mut script = Command::new("script");
    script.args(["-qec", typed, "/dev/null"]).env_clear();
    for (name, value) in command.get_envs() {
        script.env(name, value.unwrap_or_default());
    }
    script
        .env("SHELL", "/bin/sh")
        .current_dir(command.get_current_dir().unwrap());
    script
}

/// The fingerprint of a public key's file, as OpenSSH shows it.
fn fingerprint(desk: &Desk, name: &str) -> String {
    let shown = Command::new("ssh-keygen")
        .args(["-l", "-E", "sha256", "-f"])
        .arg(desk.path(name))
        .output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    let mut words = shown.split(' ');
    words.nth(1).unwrap().to_owned()
}

#[test]
fn untried_server_gets_nothing_before_its_host_key_is_confirmed_or_given() {
    let desk = Desk::new();
    let server = Server::start(Kind::OpenSsh, &desk);
    desk.rescue_photos(1);
    let address = format!("{}@127.0.0.1:{}", whoami(), server.port());
    let files = desk.path("server/files").display().to_string();
    let add = |name: &str, more: &[&str]| {
        let add = ["remote", "add", name, "sftp", &address, "--path", &files];
        let key = ["--key-file", "server/user", "--no-test"];
        desk.run(&[&add[..], &key, more].concat())
    };
    let added = add("there", &[]).expect(0);
    assert!(
        added.all.contains("confirm the server's host key"),
        "{}",
        added.all
    );
    let known = fingerprint(&desk, "server/host.pub");
    for arguments in [
        &["remote", "test", "there", "--json"][..],
        &["upload", "rescued", "--to", "there", "--json"],
    ] {
        let ended = desk.run(arguments).expect(1);
        let error = ended.line("error").to_string();
        for part in [
            "is not confirmed yet",
            &known,
            "`rescue remote test there` on a terminal asks you to confirm it",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
    assert_eq!(fs::read_dir(&files).unwrap().count(), 0);
    // A person confirms it, and is not asked again.
    for (answer, code) in [("no", 1), ("yes", 0), ("", 0)] {
        let mut command = desk.command(&["remote", "test", "there"]);
        let program = command.get_program().to_owned();
        let typed = format!("{} remote test there", program.display());
        command = with_terminal(command, &typed);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut keyboard = child.stdin.take().unwrap();
        writeln!(keyboard, "{answer}").unwrap();
        let ended = Ended::of(child.wait_with_output().unwrap()).expect(code);
        assert_eq!(
            ended.all.contains(&known),
            !answer.is_empty(),
            "{}",
            ended.all
        );
        drop(keyboard);
    }
    // The right one, as its owner tells it, and another one.
    add("told", &["--host-key", &known]).expect(0);
    desk.run(&["remote", "test", "told"]).expect(0);
    let text = fs::read_to_string(desk.path("server/host.pub")).unwrap();
    add("whole", &["--host-key", &text]).expect(0);
    desk.run(&["remote", "test", "whole"]).expect(0);
    let other = fingerprint(&desk, "server/user.pub");
    add("other", &["--host-key", &other]).expect(0);
    let ended = desk.run(&["remote", "test", "other"]).expect(1);
    assert!(
        ended.all.contains(&format!("the known one is {other}")),
        "{}",
        ended.all
    );
    let ended = add("none", &["--host-key", "SHA256:no"]).expect(2);
    assert!(ended.all.contains("is not a host key"), "{}", ended.all);
}

#[test]
fn text_of_start_files_is_named_and_not_waited_for() {
    let desk = Desk::new();
    let mut server = Server::start(Kind::OpenSsh, &desk);
    server.add(&desk, "there", "");
    let said = |server: &mut Server| {
        server.restart();
        let ended = desk.run(&["remote", "test", "there", "--json"]).expect(1);
        let error = ended.line("error").clone();
        (error.to_string(), ended)
    };
    // A start file of the shell that prints, and goes on to SFTP or waits for somebody.
    let sftp = format!("Subsystem sftp {SFTP_SERVER}");
    let script = desk.path("start");
    let with_script = |body: &str| {
        fs::write(&script, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    };
    set_up(&desk, |text| {
        text.replace(&sftp, &format!("Subsystem sftp {}", script.display()))
    });
    for (body, text) in [
        (
            format!("echo Welcome to the NAS; exec {SFTP_SERVER}"),
            "Welcome to the NAS",
        ),
        ("printf '1) menu '; read answer".to_owned(), "1) menu"),
    ] {
        with_script(&body);
        let (said, _) = said(&mut server);
        assert!(said.contains("prints text"), "{said}");
        assert!(said.contains(text), "{said}");
        assert!(said.contains(".bashrc"), "{said}");
    }
    // One that ends.
    with_script("exit 1");
    let (error, _) = said(&mut server);
    assert!(error.contains("no SFTP"), "{error}");
    // The same from a real one, where root's shell reads it.
    set_up(&desk, |text| {
        text.replace(&format!("Subsystem sftp {}", script.display()), &sftp)
    });
    fs::write(desk.path("server/.bashrc"), "echo Hello from bashrc\n").unwrap();
    let shell = Command::new("sh")
        .args(["-c", "getent passwd root"])
        .output();
    let shell = String::from_utf8(shell.unwrap().stdout).unwrap();
    if shell.trim_end().ends_with("/bash") {
        let (said, _) = said(&mut server);
        assert!(said.contains("Hello from bashrc"), "{said}");
    }
    fs::remove_file(desk.path("server/.bashrc")).unwrap();
    // No SFTP at all.
    set_up(&desk, |text| text.replace(&sftp, ""));
    let (error, _) = said(&mut server);
    assert!(error.contains("no SFTP"), "{error}");
}

#[test]
fn nothing_is_sent_through_links_on_an_ssh_server() {
    let desk = Desk::new();
    let server = Server::start(Kind::OpenSsh, &desk);
    server.add(&desk, "there", "");
    desk.rescue_photos(3);
    let outside = desk.path("outside");
    fs::create_dir(&outside).unwrap();
    let top = desk.path("server/files/Google-Pixel-7-LAB1/internal");
    fs::create_dir_all(&top).unwrap();
    std::os::unix::fs::symlink(&outside, top.join("DCIM")).unwrap();
    let ended = desk.upload("there", &["--tries", "1"]).expect(3);
    assert_eq!(ended.line("upload_summary")["failed"], 3);
    assert!(ended.all.contains("symbolic link"), "{}", ended.all);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

/// What the server of russh wants of a user.
#[derive(Clone, Copy, PartialEq)]
enum Wants {
    /// Its password, by prompts.
    Prompts,
    /// Its key, then its password.
    KeyThenPassword,
    /// Its key, then its password by prompts.
    KeyThenPrompts,
    /// Its password by prompts, then a code.
    PromptsAndCode,
}

/// One connection to it.
struct Peer {
    wants: Wants,
    key: PublicKey,
    has_key: bool,
    has_password: bool,
    channel: Arc<Mutex<Option<Channel<Msg>>>>,
}

impl Peer {
    fn first(&self) -> MethodKind {
        match self.wants {
            Wants::Prompts | Wants::PromptsAndCode => MethodKind::KeyboardInteractive,
            Wants::KeyThenPassword | Wants::KeyThenPrompts => MethodKind::PublicKey,
        }
    }

    fn reject(&self, method: MethodKind, partial_success: bool) -> Auth {
        Auth::Reject {
            proceed_with_methods: Some(MethodSet::from(&[method][..])),
            partial_success,
        }
    }
}

fn prompt(text: &'static str) -> Auth {
    Auth::Partial {
        name: "".into(),
        instructions: "".into(),
        prompts: Cow::Owned(vec![(text.into(), false)]),
    }
}

impl Handler for Peer {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Self::Error> {
        Ok(self.reject(self.first(), false))
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        if key.public_key.key_data() != self.key.key_data() || self.first() != MethodKind::PublicKey
        {
            return Ok(self.reject(self.first(), false));
        }
        self.has_key = true;
        Ok(match self.wants {
            Wants::KeyThenPrompts => self.reject(MethodKind::KeyboardInteractive, true),
            _ => self.reject(MethodKind::Password, true),
        })
    }

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, Self::Error> {
        let right = self.wants == Wants::KeyThenPassword && self.has_key && password == PASSWORD;
        Ok(match right {
            true => Auth::Accept,
            false => self.reject(self.first(), false),
        })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        if self.wants == Wants::KeyThenPassword
            || self.first() == MethodKind::PublicKey && !self.has_key
        {
            return Ok(self.reject(self.first(), false));
        }
        let Some(mut response) = response else {
            return Ok(prompt("Password: "));
        };
        match response.next() {
            Some(answer) if &*answer == PASSWORD.as_bytes() && !self.has_password => {
                self.has_password = true;
                Ok(match self.wants {
                    Wants::PromptsAndCode => prompt("Verification code: "),
                    // PAM ends with a round that asks nothing.
                    _ => Auth::Partial {
                        name: "".into(),
                        instructions: "".into(),
                        prompts: Cow::Owned(Vec::new()),
                    },
                })
            }
            None if self.has_password => Ok(Auth::Accept),
            _ => Ok(prompt("Password: ")),
        }
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: russh::server::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        *self.channel.lock().unwrap() = Some(channel);
        reply.accept().await;
        Ok(())
    }

    /// No shell, and so no `sha256sum`.
    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(id)?;
        let channel = self.channel.lock().unwrap().take().unwrap();
        let (ours, its) = std::os::unix::net::UnixStream::pair().unwrap();
        let its = std::os::fd::OwnedFd::from(its);
        let mut child = Command::new(SFTP_SERVER)
            .stdin(Stdio::from(its.try_clone().unwrap()))
            .stdout(Stdio::from(its))
            .spawn()
            .unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut ours = tokio::net::UnixStream::from_std(ours).unwrap();
        tokio::spawn(async move {
            let mut stream = channel.into_stream();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut ours).await;
            drop(ours);
            let _ = child.wait();
        });
        Ok(())
    }
}

/// Serves for as long as the test runs.
fn serve(wants: Wants, key: PublicKey) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let mut random = russh::keys::key::safe_rng();
            let host = PrivateKey::random(&mut random, Algorithm::Ed25519).unwrap();
            let config = Arc::new(Config {
                keys: vec![host],
                auth_rejection_time: std::time::Duration::ZERO,
                ..Config::default()
            });
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let peer = Peer {
                    wants,
                    key: key.clone(),
                    has_key: false,
                    has_password: false,
                    channel: Arc::default(),
                };
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(session) = russh::server::run_stream(config, stream, peer).await {
                        let _ = session.await;
                    }
                });
            }
        });
    });
    port
}

/// Adds the server as a remote, trying it: `key` is a file of the desk.
fn added(desk: &Desk, name: &str, port: u16, key: Option<&str>, secret: Option<&str>) -> Ended {
    let (address, path) = (format!("ada@127.0.0.1:{port}"), desk.path("files"));
    fs::create_dir_all(&path).unwrap();
    let path = path.display().to_string();
    let mut arguments = vec![
        "remote", "add", name, "sftp", &address, "--path", &path, "--json",
    ];
    if let Some(key) = key {
        arguments.extend(["--key-file", key]);
    }
    let mut command = desk.command(&arguments);
    if let Some(secret) = secret {
        command.env("RESCUE_REMOTE_SECRET", secret);
    }
    Ended::of(command.output().unwrap())
}

#[test]
fn passwords_asked_for_by_prompts_and_behind_a_key_are_given() {
    let desk = Desk::new();
    make_key(&desk, "key", "ed25519");
    make_key(&desk, "other", "ed25519");
    let text = fs::read_to_string(desk.path("key.pub")).unwrap();
    let key = PublicKey::from_openssh(&text).unwrap();
    desk.rescue_photos(4);
    for (name, wants, file) in [
        ("prompts", Wants::Prompts, None),
        ("both", Wants::KeyThenPassword, Some("key")),
        ("each", Wants::KeyThenPrompts, Some("key")),
    ] {
        let port = serve(wants, key.clone());
        added(&desk, name, port, file, Some(PASSWORD)).expect(0);
        let ended = desk.upload(name, &["--into", name]).expect(0);
        assert_eq!(ended.line("upload_summary")["sent"], 4, "{name}");
        let wrong = added(&desk, "wrong", port, file, Some("wrong")).expect(1);
        assert_eq!(
            wrong.line("error")["kind"],
            "remote_denied",
            "{}",
            wrong.all
        );
        assert!(!wrong.all.contains("PLANTED"), "{}", wrong.all);
        if file.is_some() {
            // What is missing is named.
            let half = added(&desk, "half", port, file, None).expect(1);
            assert!(
                half.all.contains("set the remote up with a password"),
                "{}",
                half.all
            );
            let other = added(&desk, "other", port, Some("other"), Some(PASSWORD)).expect(1);
            assert_eq!(other.line("error")["kind"], "remote_denied");
        }
    }
    let port = serve(Wants::PromptsAndCode, key);
    let ended = added(&desk, "code", port, None, Some(PASSWORD)).expect(1);
    assert!(ended.all.contains("Verification code"), "{}", ended.all);
    // Nothing of what failed was saved.
    let listed = desk.run(&["remote", "list", "--json"]).expect(0);
    assert_eq!(listed.count("remote"), 3, "{}", listed.all);
}

#[test]
fn edited_remote_keeps_the_host_key_of_its_server_and_asks_another_one_for_its_own() {
    let (desk, elsewhere) = (Desk::new(), Desk::new());
    let server = Server::start(Kind::OpenSsh, &desk);
    let mut other = Server::start(Kind::OpenSsh, &elsewhere);
    let settings = || fs::read_to_string(desk.path("home/.config/rescue/remotes.toml")).unwrap();
    let edit = |changes: &[&str]| {
        let edit = [&["--json", "remote", "edit", "there"], changes].concat();
        desk.run(&edit)
    };
    // The key as it is noted: its kind and its bytes.
    let noted = |desk: &Desk| {
        let key = fs::read_to_string(desk.path("server/host.pub")).unwrap();
        let words: Vec<_> = key.split(' ').take(2).map(str::to_owned).collect();
        words.join(" ")
    };
    server.add_tried(&desk, "there", None).expect(0);
    assert!(settings().contains(&noted(&desk)), "{}", settings());
    let below = desk.path("server/files/below").display().to_string();
    let ended = desk.run(&["remote", "edit", "there", "--path", &below]);
    let ended = ended.expect(0);
    assert!(!ended.all.contains("fingerprint"), "{}", ended.all);
    assert!(settings().contains(&noted(&desk)) && settings().contains(&below));

    // Another server, whose key is shown and noted.
    let address = format!("{}@127.0.0.1:{}", whoami(), other.port());
    let place = elsewhere.path("server/files").display().to_string();
    let key_file = elsewhere.path("server/user").display().to_string();
    let moved = [&address, "--path", &place, "--key-file", &key_file];
    let before = settings();
    // Not that of the first one, whatever it is said to be.
    let wrong = fingerprint(&desk, "server/host.pub");
    let with_wrong = [&moved[..], &["--host-key", &wrong]].concat();
    let refused = edit(&with_wrong).expect(1);
    assert!(
        refused.all.contains("Nothing was changed"),
        "{}",
        refused.all
    );
    assert_eq!(settings(), before);
    let untried = [&moved[..], &["--no-test"]].concat();
    edit(&untried).expect(0);
    assert!(!settings().contains("host_key"), "{}", settings());
    let ended = desk.run(&[&["remote", "edit", "there"], &moved[..]].concat());
    let ended = ended.expect(0);
    let shown = fingerprint(&elsewhere, "server/host.pub");
    assert!(ended.all.contains(&shown), "{}", ended.all);
    let now = settings();
    assert!(
        now.contains(&noted(&elsewhere)) && !now.contains(&noted(&desk)),
        "{now}"
    );
    desk.run(&["remote", "test", "there"]).expect(0);

    // A server that gets a new key keeps its remote from being changed, until the new key is given.
    fs::remove_file(elsewhere.path("server/host")).unwrap();
    make_key(&elsewhere, "server/host", "ed25519");
    other.restart();
    let refused = edit(&["--path", &below]).expect(1);
    assert!(refused.all.contains("host key"), "{}", refused.all);
    assert_eq!(settings(), now);
    let known = fingerprint(&elsewhere, "server/host.pub");
    edit(&["--host-key", &known]).expect(0);
    desk.run(&["remote", "test", "there"]).expect(0);
}
