//! `rescue remote add | login | list | test | remove`: manages the places that files are uploaded to.

mod client;
mod questions;
mod sign_in;

use std::io::IsTerminal as _;
use std::path::Path;

use serde::Serialize;

use super::Done;
use super::lock_secret::agreed;
use crate::cli::clouds::{DriveArgs, KeepIn};
use crate::cli::{RemoteAddArgs, RemoteCommand, RemoteKind, RemoteNameArgs};
use crate::error::{Error, Kind as ErrorKind};
use crate::folder::whole_path;
use crate::guide::remote::{Task, of_problem};
use crate::ui::terminal::Mode;
use crate::ui::{Ui, plain, typed_word};
use crate::upload::cloud::drives::DriveSettings;
use crate::upload::connect::connect;
use crate::upload::keyring::Keyring;
use crate::upload::kinds::{self, KindSettings, sftp};
use crate::upload::oauth::Grant;
use crate::upload::problem::Problem;
use crate::upload::secret::Secret;
use crate::upload::settings::{Place, RemoteSettings, Settings};

#[derive(Serialize)]
struct Listed<'a> {
    r#type: &'static str,
    name: &'a str,
    kind: &'static str,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_in: Option<Place>,
    /// Whether it was tried before it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    tested: Option<bool>,
}

#[derive(Serialize)]
struct Tested<'a> {
    r#type: &'static str,
    name: &'a str,
}

pub(super) async fn run(command: &RemoteCommand, ui: &Ui) -> Result<Done, Error> {
    match command {
        RemoteCommand::Add(args) => add(args, ui).await,
        RemoteCommand::List => list(ui),
        RemoteCommand::Login(args) => {
            login_again(args, ui).await?;
            let signed_in = Tested {
                r#type: "remote_signed_in",
                name: &args.name,
            };
            let line = format!("Signed in to {}", plain(&args.name));
            ui.report(&signed_in, &[line], true);
            Ok(Done::All)
        }
        RemoteCommand::Test(args) => {
            let seen = test(&args.name, ui).await?;
            let tested = Tested {
                r#type: "remote_tested",
                name: &args.name,
            };
            let line = format!("{} works: {}", plain(&args.name), plain(&seen));
            ui.report(&tested, &[line], true);
            Ok(Done::All)
        }
        RemoteCommand::Remove(args) => {
            Settings::load()?.remove(&args.name)?;
            let removed = Tested {
                r#type: "remote_removed",
                name: &args.name,
            };
            let line = format!("Removed {}; the sent files stay there", plain(&args.name));
            ui.report(&removed, &[line], true);
            Ok(Done::All)
        }
    }
}

async fn add(args: &RemoteAddArgs, ui: &Ui) -> Result<Done, Error> {
    let mut settings = Settings::load()?;
    // Before anything else is asked for.
    if let Some(name) = &args.name {
        settings.check_free(name)?;
    }
    let answered;
    let args = match (&args.name, &args.kind) {
        (Some(_), Some(_)) => args,
        _ => {
            answered = questions::ask(args, &settings, ui).await?;
            &answered
        }
    };
    let (Some(name), Some(chosen)) = (&args.name, &args.kind) else {
        return Err(questions::incomplete(args));
    };
    let (mut kind, downloaded) = match chosen {
        RemoteKind::GooglePhotos {
            client_id,
            client_file,
        } => client::google_photos(client_id.as_deref(), client_file.as_deref(), ui).await?,
        kind => (kind_of(kind)?, None),
    };
    if let KindSettings::Sftp(server) = &kind
        && let Some(file) = &server.key_file
    {
        sftp::check_key_file(file).map_err(unsaved)?;
    }
    if let KindSettings::Sftp(server) = &mut kind
        && server.host_key.is_none()
        && !args.no_test
    {
        let found = sftp::host_key(&server.host, server.port).await;
        let (key, fingerprint) = found.map_err(unsaved)?;
        ui.remark(&format!(
            "The server's key is {fingerprint}; compare it with the fingerprint that the server's owner gives you. Any other key will be refused."
        ));
        server.host_key = Some(key);
    }
    let without_password = matches!(chosen, RemoteKind::Sftp { own_keys: true, .. });
    let wanted = kind.secret_name().filter(|_| !without_password);
    let mut secret = match downloaded {
        Some(secret) => Some(secret),
        None => secret_of(args, chosen, wanted, ui).await?,
    };
    if let Some((service, client_id)) = kind.sign_in() {
        secret = Some(sign_in::sign_in(service, client_id, secret, Task::Adding, ui).await?);
    }
    let remote = RemoteSettings {
        kind,
        secret,
        in_keyring: false,
        patience_seconds: None,
    };
    // Invalid settings are reported at once, whether it is tried or not.
    let connected = connect(name, &remote).map_err(unsaved)?;
    let target = remote.kind.target();
    let seen = match args.no_test {
        true => None,
        false => Some(connected.test().await.map_err(untested)?),
    };
    let is_to_confirm = lacks_host_key(&remote.kind).is_some();
    let kept = settings.add(name, remote, args.keep_in.map(place_of))?;
    let listed = Listed {
        r#type: "remote_added",
        name,
        kind: chosen.name(),
        target: target.clone(),
        secret_in: kept,
        tested: Some(seen.is_some()),
    };
    let mut lines = vec![format!("{} points to {}", name, plain(&target))];
    lines.extend(seen.map(|seen| format!("It works: {}", plain(&seen))));
    lines.extend(kept.map(|place| match place {
        Place::Keyring => format!("Its secret is in {}", Keyring::NAME),
        Place::File => {
            let file = plain(&settings.path().display().to_string());
            format!("Its secret is in {file}, which only you can read")
        }
    }));
    lines.push(match args.no_test {
        true if is_to_confirm => format!(
            "Nothing is sent there before you confirm the server's host key: rescue remote test {name}"
        ),
        true => format!("Try it: rescue remote test {name}"),
        false => format!("Send photos there: rescue upload FOLDER --to {}", name),
    });
    ui.report(&listed, &lines, true);
    Ok(Done::All)
}

fn unsaved(problem: Problem) -> Error {
    of_problem(&problem, Task::Adding)
}

/// A remote is tried before it is saved: a wrong password is known at once, and nothing is kept of it.
fn untested(problem: Problem) -> Error {
    let error = unsaved(problem);
    let hint = error.hint.clone().unwrap_or_default();
    error.with_hint(format!(
        "{hint}. Nothing was saved; `rescue remote add` with --no-test saves it untried"
    ))
}

/// Tests a saved remote. A server whose key nobody confirmed gets no password.
async fn test(name: &str, ui: &Ui) -> Result<String, Error> {
    let word = typed_word(name);
    let failed = |problem| of_problem(&problem, Task::Trying(&word));
    let mut settings = Settings::load()?;
    if let Some((host, port)) = lacks_host_key(&settings.remote(name)?.kind) {
        let (key, fingerprint) = sftp::host_key(host, port).await.map_err(failed)?;
        let unknown = Problem::HostKeyUnknown {
            host: host.to_owned(),
            words: format!("the server shows {fingerprint}"),
        };
        if !ui.has_person() {
            return Err(failed(unknown));
        }
        ui.remark(&format!(
            "The server's key is {fingerprint}; compare it with the fingerprint that the server's owner gives you."
        ));
        let question = "Are they the same? Then any other key will be refused.";
        if !agreed(question, ui).await? {
            return Err(failed(unknown));
        }
        settings.confirm_host_key(name, key)?;
    }
    let remote = connect(name, &settings.with_secret(name)?).map_err(failed)?;
    remote.test().await.map_err(failed)
}

/// The host and port of an SSH server whose key is not known.
fn lacks_host_key(kind: &KindSettings) -> Option<(&str, u16)> {
    match kind {
        KindSettings::Sftp(server)
            if server.host_key.is_none() && !sftp::is_known(&server.host, server.port) =>
        {
            Some((&server.host, server.port))
        }
        _ => None,
    }
}

/// A new sign-in for a remote; its client secret stays what it is.
async fn login_again(args: &RemoteNameArgs, ui: &Ui) -> Result<(), Error> {
    let settings = Settings::load()?;
    let remote = settings.with_secret(&args.name)?;
    let Some((service, client_id)) = remote.kind.sign_in() else {
        return Err(no_sign_in(&args.name, &remote.kind));
    };
    let known = Grant::from_secret(&service, remote.secret.as_ref());
    let client_secret = match known {
        Ok(grant) => grant.client_secret,
        Err(_) => match Secret::from_environment()? {
            Some(secret) => Some(secret),
            None => Some(asked("client secret", ui).await?),
        },
    };
    let word = typed_word(&args.name);
    let task = Task::Trying(&word);
    let secret = sign_in::sign_in(service, client_id, client_secret, task, ui).await?;
    // As the settings are now: the person may have taken a while.
    Settings::load()?.set_secret(&args.name, secret)
}

/// Only some kinds are signed in to in a browser.
fn no_sign_in(name: &str, kind: &KindSettings) -> Error {
    let word = typed_word(name);
    let (uses, hint) = match (kind, kind.secret_name()) {
        (KindSettings::Folder(_), _) => (
            "a folder on this computer".to_owned(),
            format!("`rescue remote test {word}` tries whether it can be written to"),
        ),
        (kind, secret) => (
            format!(
                "of the kind {}, which uses a {}",
                kind.name(),
                secret.unwrap_or("key file")
            ),
            format!("to change that: `rescue remote remove {word}`, then add it again"),
        ),
    };
    let message = format!("{name} needs no sign-in: it is {uses}");
    Error::new(ErrorKind::Usage, message).with_hint(hint)
}

async fn secret_of(
    args: &RemoteAddArgs,
    kind: &RemoteKind,
    wanted: Option<&str>,
    ui: &Ui,
) -> Result<Option<Secret>, Error> {
    if let Some(file) = &args.secret_file {
        return Secret::from_file(file).map(Some);
    }
    if let Some(secret) = Secret::from_environment()? {
        return Ok(Some(secret));
    }
    if matches!(kind, RemoteKind::Gcs(_)) {
        // A prompt takes one line.
        let message = "the service account's key is missing";
        return Err(Error::new(ErrorKind::Usage, message)
            .with_hint("give its JSON file with --secret-file FILE"));
    }
    match wanted {
        Some(what) => asked(what, ui).await.map(Some),
        None => Ok(None),
    }
}

/// Asks for a secret, without showing what is typed.
async fn asked(what: &str, ui: &Ui) -> Result<Secret, Error> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Error::new(ErrorKind::Usage, format!("the {what} is missing")).with_hint(format!(
                "give it with --secret-file FILE or in {}",
                crate::upload::secret::VARIABLE
            )),
        );
    }
    let line = ui.ask(&format!("{what}: "), Mode::Hidden).await;
    let line = line.map_err(|error| {
        Error::new(ErrorKind::Usage, format!("the {what} could not be read")).caused_by(error)
    })?;
    Secret::from_line(&line)
}

fn list(ui: &Ui) -> Result<Done, Error> {
    let settings = Settings::load()?;
    for (name, remote) in settings.remotes() {
        let listed = Listed {
            r#type: "remote",
            name,
            kind: remote.kind.name(),
            target: remote.kind.target(),
            secret_in: match (remote.in_keyring, &remote.secret) {
                (true, _) => Some(Place::Keyring),
                (false, Some(_)) => Some(Place::File),
                (false, None) => None,
            },
            tested: None,
        };
        let target = plain(&listed.target);
        ui.result(
            &listed,
            &[format!("{:<16} {:<8} {target}", plain(name), listed.kind)],
        );
    }
    for name in settings.unknown() {
        ui.remark(&format!(
            "{}: this version of rescue does not know this kind of remote",
            plain(name)
        ));
    }
    if settings.remotes().is_empty() && settings.unknown().next().is_none() {
        ui.remark("There are no remotes yet: `rescue remote add` sets one up");
    }
    Ok(Done::All)
}

fn kind_of(kind: &RemoteKind) -> Result<KindSettings, Error> {
    Ok(match kind {
        RemoteKind::Folder { path } => KindSettings::Folder(kinds::folder::FolderSettings {
            path: existing_folder(path)?,
        }),
        RemoteKind::WebDav { url, user, ca_file } => {
            KindSettings::WebDav(kinds::webdav::WebDavSettings {
                url: address(url)?,
                user: user.clone(),
                certificates: ca_file.as_deref().map(absolute).transpose()?,
            })
        }
        RemoteKind::S3 {
            bucket,
            endpoint,
            region,
            access_key_id,
            path,
            ca_file,
        } => KindSettings::S3(kinds::s3::S3Settings {
            bucket: bucket.clone(),
            endpoint: endpoint.as_deref().map(address).transpose()?,
            region: region.clone(),
            access_key_id: access_key_id.clone(),
            path: path.trim_matches('/').to_owned(),
            certificates: ca_file.as_deref().map(absolute).transpose()?,
        }),
        RemoteKind::Sftp {
            address,
            path,
            key_file,
            host_key,
            ..
        } => {
            let (user, host, port) = login(address)?;
            KindSettings::Sftp(kinds::sftp::SftpSettings {
                host,
                port,
                user,
                path: path.trim_end_matches('/').to_owned(),
                key_file: key_file.as_deref().map(absolute).transpose()?,
                host_key: host_key.as_deref().map(server_key).transpose()?,
            })
        }
        RemoteKind::Immich { url, ca_file } => {
            KindSettings::Immich(kinds::immich::ImmichSettings {
                url: address(url)?,
                certificates: ca_file.as_deref().map(absolute).transpose()?,
            })
        }
        // Takes more than options; see `client`.
        RemoteKind::GooglePhotos { .. } => {
            return Err(Error::new(ErrorKind::Usage, "the client ID is missing"));
        }
        RemoteKind::Azure(azure) => KindSettings::Azure(kinds::azure::AzureSettings {
            container: azure.container.clone(),
            account: azure.account.clone(),
            endpoint: azure.endpoint.as_deref().map(address).transpose()?,
            path: azure.path.trim_matches('/').to_owned(),
            certificates: azure.ca_file.as_deref().map(absolute).transpose()?,
        }),
        RemoteKind::Gcs(gcs) => KindSettings::Gcs(kinds::gcs::GcsSettings {
            bucket: gcs.bucket.clone(),
            endpoint: gcs.endpoint.as_deref().map(address).transpose()?,
            path: gcs.path.trim_matches('/').to_owned(),
            certificates: gcs.ca_file.as_deref().map(absolute).transpose()?,
        }),
        RemoteKind::B2(b2) => KindSettings::B2(kinds::b2::B2Settings {
            bucket: b2.bucket.clone(),
            endpoint: address_or_host(&b2.endpoint)?,
            key_id: b2.key_id.clone(),
            path: b2.path.trim_matches('/').to_owned(),
            certificates: b2.ca_file.as_deref().map(absolute).transpose()?,
        }),
        RemoteKind::GoogleDrive(args) => {
            KindSettings::GoogleDrive(kinds::google_drive::GoogleDriveSettings {
                drive: drive_of(args),
            })
        }
        RemoteKind::Dropbox(args) => KindSettings::Dropbox(kinds::dropbox::DropboxSettings {
            drive: drive_of(args),
        }),
        RemoteKind::OneDrive(args) => KindSettings::OneDrive(kinds::onedrive::OneDriveSettings {
            drive: drive_of(args),
        }),
    })
}

fn place_of(keep_in: KeepIn) -> Place {
    match keep_in {
        KeepIn::Keyring => Place::Keyring,
        KeepIn::File => Place::File,
    }
}

fn drive_of(args: &DriveArgs) -> DriveSettings {
    DriveSettings {
        client_id: args.client_id.clone(),
        path: args.path.trim_matches('/').to_owned(),
        address: None,
        endpoints: None,
    }
}

/// An address that a browser would take, with no secret in it.
fn address(text: &str) -> Result<String, Error> {
    let bad = |what: &str| {
        Error::new(ErrorKind::Usage, format!("the address {what}"))
            .with_hint("give it as in https://cloud.example/photos")
    };
    let url = reqwest::Url::parse(text).map_err(|_| bad("is invalid"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(bad("must begin with https:// or http://"));
    }
    if url.password().is_some() || !url.username().is_empty() {
        return Err(bad("must not hold a user or password: use --user"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// An address, or its host alone: B2's page shows no more.
fn address_or_host(text: &str) -> Result<String, Error> {
    match text.contains("://") {
        true => address(text),
        false => address(&format!("https://{text}")),
    }
}

fn existing_folder(path: &Path) -> Result<std::path::PathBuf, Error> {
    let path = absolute(path)?;
    match path.is_dir() {
        true => Ok(path),
        false => {
            let message = format!("{} is not a folder", path.display());
            Err(Error::new(ErrorKind::Usage, message)
                .with_hint("name a folder that exists, as on a second disk"))
        }
    }
}

fn server_key(text: &str) -> Result<String, Error> {
    match sftp::is_host_key(text) {
        true => Ok(text.trim().to_owned()),
        false => {
            let message = format!("'{text}' is not a host key");
            Err(Error::new(ErrorKind::Usage, message).with_hint(
                "give the fingerprint as in SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU, or the key as in 'ssh-ed25519 AAAA...'",
            ))
        }
    }
}

/// Checks an answer that a person gave for an argument of a kind, as [`kind_of`] will.
fn check_answer(kind: &str, argument: &str, text: &str) -> Result<(), Error> {
    match (kind, argument) {
        ("folder", "path") => existing_folder(Path::new(text)).map(drop),
        ("b2", "endpoint") => address_or_host(text).map(drop),
        (_, "url" | "endpoint") => address(text).map(drop),
        ("sftp", "address") => login(text).map(drop),
        ("google-photos", "client_id") => client::checked(text).map(drop),
        (_, "key_file" | "client_file") => absolute(Path::new(text)).map(drop),
        (_, "host_key") => server_key(text).map(drop),
        _ => Ok(()),
    }
}

fn login(text: &str) -> Result<(String, String, u16), Error> {
    let bad = || {
        Error::new(ErrorKind::Usage, format!("'{text}' is not an SSH address"))
            .with_hint("give it as in ada@nas.local or ada@nas.local:2222")
    };
    let (user, rest) = text.rsplit_once('@').ok_or_else(bad)?;
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| bad())?,
        None => 22,
    };
    match user.is_empty() || host.is_empty() || user.contains(':') {
        true => Err(bad()),
        false => Ok((user.to_owned(), host.to_owned(), port)),
    }
}

fn absolute(path: &Path) -> Result<std::path::PathBuf, Error> {
    whole_path(path).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("cannot use {}", path.display()))
            .caused_by(error.to_string())
            .with_hint("check the path; it must exist")
    })
}

impl RemoteKind {
    fn name(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "folder",
            Self::WebDav { .. } => "webdav",
            Self::S3 { .. } => "s3",
            Self::Sftp { .. } => "sftp",
            Self::Immich { .. } => "immich",
            Self::GooglePhotos { .. } => "google-photos",
            Self::Azure(_) => "azure",
            Self::Gcs(_) => "gcs",
            Self::B2(_) => "b2",
            Self::GoogleDrive(_) => "google-drive",
            Self::Dropbox(_) => "dropbox",
            Self::OneDrive(_) => "onedrive",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_addresses_are_read() {
        let read = |text| login(text).ok();
        let some = |user: &str, host: &str, port| Some((user.to_owned(), host.to_owned(), port));
        assert_eq!(read("ada@nas"), some("ada", "nas", 22));
        assert_eq!(read("ada@nas:2222"), some("ada", "nas", 2222));
        assert_eq!(read("ada@[::1]:22"), some("ada", "::1", 22));
        for bad in ["nas", "@nas", "ada@", "ada@nas:x", "ada:secret@nas"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_hold_no_secrets() {
        assert!(address("https://cloud.example/dav/").is_ok());
        for bad in ["ftp://x", "cloud", "https://ada:secret@cloud.example"] {
            let error = address(bad).unwrap_err();
            assert!(!error.message.contains("secret"), "{bad}");
        }
    }
}
