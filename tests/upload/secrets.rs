//! No secret in anything that a person, a log or another program sees.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rescue::digest::Sha256;
use rescue::folder::Folder;
use rescue::folder::upload::{NewUpload, UploadRecord};
use rescue::names::UploadPath;
use rescue::upload::settings::Settings;

use super::dav::{Dav, Fault};
use super::desk::{Desk, Ended, photo};
use super::echo::{Echo, EchoSsh, Form, Manner, key, spellings};

const PASSWORD: &str = "PLANTED-pass-5f2a";
/// The same as HTTP's basic authentication spells it: `ada:PLANTED-pass-5f2a`.
const ENCODED: &str = "YWRhOlBMQU5URUQtcGFzcy01ZjJh";

fn add(desk: &Desk, arguments: &[&str]) -> Ended {
    let mut command = desk.command(arguments);
    command.env("RESCUE_REMOTE_SECRET", PASSWORD);
    Ended::of(command.output().unwrap())
}

#[test]
fn planted_secrets_appear_nowhere() {
    let broken = Dav::start(|method, _, before| match method {
        "PUT" if before % 2 == 0 => Some(Fault::Answer(500, None)),
        _ => None,
    });
    let refusing = Dav::start(|_, _, _| Some(Fault::Answer(403, None)));
    let desk = Desk::new();
    desk.rescue_photos(3);
    let mut said = String::new();
    let gone = "http://127.0.0.1:1/dav";
    for (name, url) in [
        ("broken", broken.url()),
        ("refusing", refusing.url()),
        ("gone", gone.to_owned()),
    ] {
        let added = add(
            &desk,
            &[
                "remote",
                "add",
                name,
                "webdav",
                &url,
                "--user",
                "ada",
                "-vv",
                "--no-test",
            ],
        );
        said += &added.expect(0).all;
    }
    let s3 = [
        "remote",
        "add",
        "bucket",
        "s3",
        "bucket",
        "--endpoint",
        &refusing.url(),
        "--access-key-id",
        "ID",
        "--no-test",
    ];
    said += &add(&desk, &s3).expect(0).all;
    for name in ["broken", "refusing", "gone", "bucket"] {
        said += &desk.run(&["remote", "test", name, "-vv"]).all;
        said += &desk.run(&["remote", "test", name, "-vv", "--json"]).all;
    }
    for name in ["broken", "refusing", "bucket"] {
        said += &desk.upload(name, &["-vv"]).all;
        said += &desk.run(&["upload", "rescued", "--to", name, "-vv"]).all;
    }
    said += &desk.run(&["remote", "list", "-vv"]).all;
    said += &desk.run(&["status", "rescued", "--json"]).all;
    // A password where none belongs.
    let url = format!("https://ada:{PASSWORD}@cloud.example/dav");
    said += &desk
        .run(&["remote", "add", "y", "webdav", &url])
        .expect(2)
        .all;
    // A settings file that makes no sense, around a secret.
    let settings = desk.path("home/.config/rescue/remotes.toml");
    let mode = fs::metadata(&settings).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::write(&settings, format!("[remotes.a]\nsecret = {PASSWORD}\n")).unwrap();
    said += &desk.run(&["remote", "list", "-vv"]).expect(2).all;
    assert!(said.len() > 1000);
    for secret in [PASSWORD, ENCODED] {
        assert!(!said.contains(secret), "{said}");
    }
    // Nor in the rescue folder, which may be copied anywhere.
    let catalogue = fs::read(desk.path("rescued/rescue.db")).unwrap();
    let holds = |secret: &str| {
        let mut windows = catalogue.windows(secret.len());
        windows.any(|window| window == secret.as_bytes())
    };
    assert!(!holds(PASSWORD) && !holds(ENCODED));
}

#[test]
fn missing_secret_without_a_terminal_is_an_error_that_names_the_ways() {
    let desk = Desk::new();
    let ended = desk.run(&[
        "remote",
        "add",
        "x",
        "webdav",
        "http://127.0.0.1:1/",
        "--user",
        "ada",
    ]);
    let ended = ended.expect(2);
    assert!(ended.all.contains("--secret-file"), "{}", ended.all);
    assert!(ended.all.contains("RESCUE_REMOTE_SECRET"), "{}", ended.all);
    fs::write(desk.path("secret"), format!("{PASSWORD}\n")).unwrap();
    let file = [
        "remote",
        "add",
        "x",
        "webdav",
        "http://127.0.0.1:1/",
        "--user",
        "ada",
        "--secret-file",
        "secret",
        "--no-test",
    ];
    desk.run(&file).expect(0);
    let settings = fs::read_to_string(desk.path("home/.config/rescue/remotes.toml")).unwrap();
    assert!(settings.contains(PASSWORD));
}

// Words of letters only, so that they could be codes of errors: what keeps them out has to know them.
const WEBDAV: &str = "PlantedWebdavPassword";
const S3: &str = "PlantedSecretAccessKey";
const B2: &str = "PlantedApplicationKey";
const IMMICH: &str = "PlantedApiKey";
/// Azure's keys are base64.
const AZURE: &str = "UGxhbnRlZEF6dXJlS2V5";
const SSH: &str = "PlantedSshPassword";
const PASSPHRASE: &str = "PlantedPassphrase";
const CLIENT: &str = "PlantedClientSecret";
const REFRESH: &str = "PlantedRefreshToken";
const CODE: &str = "PlantedAuthorizationCode";
/// The last one is had on the way: see the server.
const SIGN_IN: &[&str] = &[CLIENT, REFRESH, "PlantedAccessToken"];

/// A service's refusals; the first one lies that all is well.
const MANNERS: &[(u16, Form)] = &[
    (200, Form::Json),
    (200, Form::Xml),
    (302, Form::Text),
    (400, Form::Json),
    (401, Form::Json),
    (403, Form::Xml),
    (404, Form::Xml),
    (404, Form::Json),
    (409, Form::Json),
    (409, Form::Xml),
    (429, Form::Json),
    (500, Form::Xml),
];

/// Everything that was said, and how a child is kept from hanging.
struct Listener<'a> {
    desk: &'a Desk,
    said: String,
}

impl Listener<'_> {
    fn run(&mut self, arguments: &[&str]) {
        let command = self.desk.command(arguments);
        self.run_command(command);
    }

    fn run_command(&mut self, mut command: Command) {
        let (out, err) = (self.desk.path("out"), self.desk.path("err"));
        command.stdout(fs::File::create(&out).unwrap());
        command.stderr(fs::File::create(&err).unwrap());
        let mut child = command.spawn().unwrap();
        let begin = Instant::now();
        let ended = loop {
            if let Some(ended) = child.try_wait().unwrap() {
                break Some(ended);
            }
            if begin.elapsed() > Duration::from_secs(120) {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let said = fs::read_to_string(out).unwrap() + &fs::read_to_string(err).unwrap();
        let code = ended.and_then(|ended| ended.code());
        assert!(
            matches!(code, Some(0..=3)),
            "{command:?}: {ended:?}: {said}"
        );
        assert!(!said.is_empty(), "{command:?} said nothing");
        let arguments: Vec<_> = command.get_args().collect();
        self.said += &format!("--- {arguments:?}\n{said}\n");
    }
}

/// What would betray a secret in a text, also in the middle of something in base64.
fn traces(secret: &str) -> Vec<String> {
    let mut all = spellings(secret);
    for before in ["", "x", "xx"] {
        let text = STANDARD_NO_PAD.encode(format!("{before}{secret}"));
        // Without what also depends on the neighbours.
        all.push(text[text.len().min(4)..text.len() - 2].to_owned());
    }
    all
}

/// Looks for secrets in everything that was said, in the rescue folder, and in what is kept beside
/// the settings.
#[track_caller]
fn nothing_betrayed(listener: &Listener<'_>, secrets: &[&str]) {
    let settings = [
        "home/.config/rescue/remotes.toml",
        "home/.config/rescue/sessions.json",
    ];
    let kept = listener.desk.tree("");
    let kept = kept.iter().filter(|(name, _)| {
        // What a person gives, and what is readable by nobody else.
        !settings.contains(&name.as_str()) && !name.starts_with("given/")
    });
    assert!(kept.clone().any(|(name, _)| name == "rescued/rescue.db"));
    for secret in secrets {
        for trace in traces(secret) {
            let at = listener.said.find(&trace);
            let around = at.map(|at| {
                let lines = listener.said[..at].rfind("---").unwrap_or_default();
                listener.said[lines..]
                    .chars()
                    .take(3000)
                    .collect::<String>()
            });
            assert_eq!(around, None, "{trace}");
            for (name, bytes) in kept.clone() {
                let mut windows = bytes.windows(trace.len());
                let betrays = windows.any(|window| window == trace.as_bytes());
                assert!(!betrays, "{trace} is in {name}");
            }
        }
    }
    for name in settings {
        if let Ok(found) = fs::metadata(listener.desk.path(name)) {
            assert_eq!(found.permissions().mode() & 0o777, 0o600, "{name}");
        }
    }
}

/// A connection is not waited for.
pub(super) fn be_impatient(desk: &Desk) {
    be_impatient_with(desk, "there", 0);
}

/// The same with a remote of another name, and with other seconds.
pub(super) fn be_impatient_with(desk: &Desk, remote: &str, seconds: u32) {
    let path = desk.path("home/.config/rescue/remotes.toml");
    let settings = fs::read_to_string(&path).unwrap();
    let section = format!("[remotes.{remote}]\n");
    let patience = format!("{section}patience_seconds = {seconds}\n");
    let settings = settings.replace(&section, &patience);
    assert!(settings.contains("patience"));
    fs::write(path, settings).unwrap();
}

/// Receipts for the first two photos, so that there is something to check. Tells the remote's kind.
fn give_receipts(desk: &Desk) -> String {
    let settings = Settings::load_from(&desk.path("home/.config/rescue/remotes.toml")).unwrap();
    let kept = settings.remote("there").unwrap();
    let target = kept.target();
    let mut folder = Folder::open_after_asking(&desk.path("rescued")).unwrap();
    let catalogue = folder.catalogue_mut();
    let remote = catalogue.remote("there", &target).unwrap();
    let uploads: Vec<_> = (1..=2)
        .map(|number| {
            let source = format!("internal/DCIM/Camera/IMG_20240101_{number:06}.jpg");
            let bytes = photo(number, 20_000);
            let (size, sha256) = (bytes.len() as u64, Sha256::of(&bytes));
            let path = UploadPath::new(&format!("Google-Pixel-7-LAB1/{source}")).unwrap();
            NewUpload {
                entry: None,
                source,
                path,
                size,
                sha256,
            }
        })
        .collect();
    let ids = catalogue.queue_uploads(remote, &uploads, 1).unwrap();
    let sent = ids.iter().flat_map(|id| {
        let checksum = Some(format!("sha1:{}", "0".repeat(40)));
        let there = Some("00000000-0000-0000-0000-000000000000".to_owned());
        [
            UploadRecord::Sending {
                id: *id,
                path: None,
            },
            UploadRecord::Sent {
                id: *id,
                there,
                checksum,
            },
            UploadRecord::There {
                id: *id,
                checksum: None,
            },
        ]
    });
    catalogue
        .record_uploads(&sent.collect::<Vec<_>>(), 1)
        .unwrap();
    kept.kind().to_owned()
}

/// Everything that leads to a service, while it refuses in every manner.
fn drive(listener: &mut Listener<'_>, echo: &Echo, kind: &str) {
    for (nth, (status, form)) in MANNERS.iter().enumerate() {
        let manner = Manner {
            status: *status,
            form: *form,
        };
        echo.behave(manner);
        // What the last one lied about is to be checked again.
        give_receipts(listener.desk);
        // Each in one of the two, one after the other.
        let more: &[&str] = if nth % 2 == 0 {
            &["-vv"]
        } else {
            &["-vv", "--json"]
        };
        // Of an answer that makes no sense, Google Photos is asked for a minute whether it means it.
        let is_asked_again = kind == "google-photos" && *status == 200;
        for arguments in [
            &["remote", "test", "there"][..],
            &["upload", "rescued", "--to", "there", "--tries", "1"],
            &["upload", "rescued", "--to", "there", "--check"],
        ] {
            if is_asked_again && arguments.contains(&"--check") {
                continue;
            }
            let before = echo.requests();
            listener.run(&[arguments, more].concat());
            let asked = echo.requests() > before;
            assert!(asked, "{manner:?}: {arguments:?} asked nothing");
        }
        listener.run(&[&["status", "rescued"], more].concat());
    }
}

/// Adds a remote whose secret comes from the environment, or as told; drives it, and removes it.
#[track_caller]
fn echoed_secrets_appear_nowhere(
    secrets: &[&str],
    add: impl FnOnce(&Desk, &Echo, &mut Listener<'_>),
) {
    let desk = Desk::new();
    desk.rescue_photos(4);
    let echo = Echo::start(secrets);
    let mut listener = Listener {
        desk: &desk,
        said: String::new(),
    };
    add(&desk, &echo, &mut listener);
    let kind = give_receipts(&desk);
    be_impatient(&desk);
    listener.run(&["remote", "list", "-vv"]);
    listener.run(&["remote", "list", "--json"]);
    drive(&mut listener, &echo, &kind);
    let heard = echo.heard();
    let heard = heard.iter().map(String::as_str);
    nothing_betrayed(
        &listener,
        &secrets.iter().copied().chain(heard).collect::<Vec<_>>(),
    );
    listener.run(&["remote", "remove", "there", "-vv", "--json"]);
    let settings = fs::read_to_string(desk.path("home/.config/rescue/remotes.toml")).unwrap();
    assert!(!settings.contains("Planted"), "{settings}");
}

fn added(listener: &mut Listener<'_>, secret: &str, arguments: &[&str]) {
    let mut command = listener
        .desk
        .command(&["remote", "add", "there", "--no-test"]);
    command.args(arguments).args(["-vv", "--json"]);
    command.env("RESCUE_REMOTE_SECRET", secret);
    listener.run_command(command);
}

#[test]
fn echoed_secrets_of_webdav_appear_nowhere() {
    echoed_secrets_appear_nowhere(&[WEBDAV], |_, echo, listener| {
        added(listener, WEBDAV, &["webdav", &echo.base(), "--user", "ada"]);
    });
}

#[test]
fn echoed_secrets_of_s3_appear_nowhere() {
    echoed_secrets_appear_nowhere(&[S3], |_, echo, listener| {
        let base = echo.base();
        added(
            listener,
            S3,
            &["s3", "bucket", "--endpoint", &base, "--access-key-id", "ID"],
        );
    });
}

#[test]
fn echoed_secrets_of_b2_appear_nowhere() {
    echoed_secrets_appear_nowhere(&[B2], |_, echo, listener| {
        added(
            listener,
            B2,
            &["b2", "bucket", "--endpoint", &echo.base(), "--key-id", "ID"],
        );
    });
}

#[test]
fn echoed_secrets_of_azure_appear_nowhere() {
    echoed_secrets_appear_nowhere(&[AZURE], |_, echo, listener| {
        let base = format!("{}/ada", echo.base());
        added(
            listener,
            AZURE,
            &["azure", "bucket", "--account", "ada", "--endpoint", &base],
        );
    });
}

#[test]
fn echoed_secrets_of_immich_appear_nowhere() {
    echoed_secrets_appear_nowhere(&[IMMICH], |_, echo, listener| {
        added(listener, IMMICH, &["immich", &echo.base()]);
    });
}

#[test]
fn echoed_secrets_of_gcs_appear_nowhere() {
    use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).unwrap();
    let key = key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
    let line = key.lines().nth(3).unwrap();
    echoed_secrets_appear_nowhere(&[line, "PlantedAccessToken"], |desk, echo, listener| {
        let base = echo.base();
        let account = serde_json::json!({
            "client_email": "ada@example.iam.gserviceaccount.com",
            "private_key": key,
            "token_uri": format!("{base}/token"),
        });
        fs::create_dir(desk.path("given")).unwrap();
        fs::write(desk.path("given/account.json"), account.to_string()).unwrap();
        let add = [
            "gcs",
            "bucket",
            "--endpoint",
            &base,
            "--secret-file",
            "given/account.json",
        ];
        let mut command = desk.command(&["remote", "add", "there", "--no-test"]);
        command.args(add).arg("-vv");
        listener.run_command(command);
    });
}

/// Adds a remote with a sign-in as the settings keep it, for no option leads to another address than
/// the service's own; and signs in anew, which is refused.
fn signed_in(kind: &str) {
    echoed_secrets_appear_nowhere(SIGN_IN, |desk, echo, listener| {
        let base = echo.base();
        let folder = desk.path("home/.config/rescue");
        fs::create_dir_all(&folder).unwrap();
        let secret = serde_json::json!({ "client_secret": CLIENT, "refresh_token": REFRESH });
        let settings = format!(
            "[remotes.there]\nkind = \"{kind}\"\nclient_id = \"ID\"\naddress = \"{base}\"\n\
             secret = '{secret}'\n[remotes.there.endpoints]\nauthorize = \"{base}/authorize\"\n\
             token = \"{base}/token\"\n"
        );
        let file = folder.join("remotes.toml");
        fs::write(&file, settings).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        for (status, form) in [
            (400, Form::Json),
            (401, Form::Text),
            (403, Form::Xml),
            (500, Form::Json),
        ] {
            echo.behave(Manner { status, form });
            listener.said += &refused_sign_in(desk);
        }
    });
}

/// Does what a browser would do when the person consents; the service gives no token.
fn refused_sign_in(desk: &Desk) -> String {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let begin = std::time::Instant::now();
    let (child, mut stdout, line, said) = loop {
        let mut child = desk.start(&["remote", "login", "there", "--json", "-vv"]);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let said: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        // Dropbox's port is always the same, and a connection of another test may have had it until a minute ago.
        let is_taken = line.contains("cannot listen at 127.0.0.1:53482");
        if !is_taken || begin.elapsed() > std::time::Duration::from_secs(90) {
            break (child, stdout, line, said);
        }
        child.wait().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    let link = said["link"].as_str().unwrap_or_else(|| panic!("{line}"));
    let link = reqwest::Url::parse(link).unwrap();
    let of = |name: &str| {
        let mut pairs = link.query_pairs();
        pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
    };
    let redirect = reqwest::Url::parse(&of("redirect_uri")).unwrap();
    let place = ("127.0.0.1", redirect.port().unwrap());
    let mut stream = std::net::TcpStream::connect(place).unwrap();
    let path = redirect.path();
    let state = of("state");
    write!(
        stream,
        "GET {path}?code={CODE}&state={state} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut page = String::new();
    let _ = stream.read_to_string(&mut page);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap()).expect(1);
    // The link holds the client ID, and nothing else that a person must keep to themselves.
    format!("--- login\n{line}{page}{rest}{}", ended.all)
}

#[test]
fn echoed_secrets_of_google_drive_appear_nowhere() {
    signed_in("google-drive");
}

#[test]
fn echoed_secrets_of_dropbox_appear_nowhere() {
    signed_in("dropbox");
}

#[test]
fn echoed_secrets_of_onedrive_appear_nowhere() {
    signed_in("onedrive");
}

#[test]
fn echoed_secrets_of_google_photos_appear_nowhere() {
    signed_in("google-photos");
}

/// A password in the server's banner and in every answer, and the passphrase of a key.
#[test]
fn echoed_secrets_of_sftp_appear_nowhere() {
    for (takes_passwords, has_key) in [(false, false), (true, false), (true, true)] {
        let desk = Desk::new();
        desk.rescue_photos(4);
        let secret = if has_key { PASSPHRASE } else { SSH };
        let echo = EchoSsh::start(&[secret], takes_passwords);
        let address = format!("ada@127.0.0.1:{}", echo.port);
        let mut listener = Listener {
            desk: &desk,
            said: String::new(),
        };
        let host_key = key().public_key().to_openssh().unwrap();
        let mut add = vec!["sftp", &address, "--host-key", &host_key];
        if has_key {
            // Encrypted with another passphrase than the one that is given.
            fs::create_dir(desk.path("given")).unwrap();
            let file = fs::File::create(desk.path("given/key")).unwrap();
            russh::keys::encode_pkcs8_pem_encrypted(&key(), b"another", 10, file).unwrap();
            add.extend(["--key-file", "given/key"]);
        }
        added(&mut listener, secret, &add);
        give_receipts(&desk);
        be_impatient(&desk);
        for more in [&["-vv"][..], &["--json"]] {
            for arguments in [
                &["remote", "test", "there"][..],
                &["upload", "rescued", "--to", "there", "--tries", "1"],
                &["upload", "rescued", "--to", "there", "--check"],
            ] {
                let before = echo.requests();
                listener.run(&[arguments, more].concat());
                assert!(
                    has_key || echo.requests() > before,
                    "{arguments:?} asked nothing"
                );
            }
            listener.run(&[&["status", "rescued"], more].concat());
            listener.run(&[&["remote", "list"], more].concat());
        }
        nothing_betrayed(&listener, &[secret]);
        listener.run(&["remote", "remove", "there", "-vv"]);
        let settings = fs::read_to_string(desk.path("home/.config/rescue/remotes.toml")).unwrap();
        assert!(!settings.contains("Planted"), "{settings}");
    }
}
