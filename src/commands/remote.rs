//! `rescue remote add | edit | login | list | test | remove`: manages the places that files are uploaded to.

mod edit;
mod questions;
mod sign_in;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use super::Done;
use super::lock_secret::agreed;
use crate::cli::{RemoteAddArgs, RemoteCommand, RemoteNameArgs};
use crate::error::{Error, Kind as ErrorKind};
use crate::guide::remote::{RemoteUse, of_problem};
use crate::hint::Clause::{ByCommand, Said};
use crate::ui::terminal::Mode;
use crate::ui::{Lead, Ui, Went, plain, typed_word};
use crate::upload::Masked;
use crate::upload::connect::{connect, connect_unsaved};
use crate::upload::keyring::Keyring;
use crate::upload::kinds::{HostKey, KindSettings, NeededSecret, NewSecret, Person};
use crate::upload::oauth::Grant;
use crate::upload::problem::Problem;
use crate::upload::secret::Secret;
use crate::upload::settings::{RemoteSettings, SecretPlace, Settings};

/// How long nothing is said of a remote that takes its time.
const QUIET: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct RemoteLine<'a> {
    r#type: &'static str,
    name: &'a str,
    kind: &'static str,
    target: String,
    /// Where it led before, if that is another place.
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier_target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_in: Option<SecretPlace>,
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
        RemoteCommand::Edit(args) => edit::edit(args, ui).await,
        RemoteCommand::List => list(ui),
        RemoteCommand::Login(args) => {
            login_again(args, ui).await?;
            let signed_in = Tested {
                r#type: "remote_signed_in",
                name: &args.name,
            };
            let line = format!("Signed in to {}", plain(&args.name));
            ui.report(&signed_in, &[line], Went::Well);
            Ok(Done::All)
        }
        RemoteCommand::Test(args) => {
            let seen = test(&args.name, ui).await?;
            let tested = Tested {
                r#type: "remote_tested",
                name: &args.name,
            };
            let line = format!("{} works: {}", plain(&args.name), plain(&seen));
            ui.report(&tested, &[line], Went::Well);
            Ok(Done::All)
        }
        RemoteCommand::Remove(args) => {
            Settings::load()?.remove(&args.name)?;
            let removed = Tested {
                r#type: "remote_removed",
                name: &args.name,
            };
            let line = format!("Removed {}; the sent files stay there", plain(&args.name));
            ui.report(&removed, &[line], Went::Well);
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
    let (mut kind, secret) = chosen.clone().set_up(ui).await?;
    note_host_key(&mut kind, args.no_test, ui)
        .await
        .map_err(untested)?;
    let file = args.secret_file.as_deref();
    let mut secret = match secret {
        NewSecret::AsUsual => secret_of(file, kind.needed_secret(), ui).await?,
        NewSecret::NotNeeded => secret_of(file, None, ui).await?,
        NewSecret::Nowhere if file.is_some() => return Err(no_secret(kind.name())),
        NewSecret::Nowhere => None,
        NewSecret::Known(secret) => Some(secret),
    };
    if let Some((service, client_id)) = kind.sign_in() {
        secret = Some(sign_in::sign_in(service, client_id, secret, RemoteUse::Adding, ui).await?);
    }
    let mut remote = RemoteSettings {
        kind,
        secret,
        in_keyring: false,
        patience_seconds: None,
    };
    // Invalid settings are reported at once, whether it is tried or not.
    let (connected, renewed) = connect_unsaved(&remote).map_err(unsaved)?;
    let target = remote.kind.target();
    let seen = match args.no_test {
        true => None,
        false => {
            let patience = (target.as_str(), remote.patience());
            Some(tried(&connected, patience, ui).await.map_err(untested)?)
        }
    };
    if let Some(secret) = renewed.take() {
        remote.secret = Some(secret);
    }
    let kind = remote.kind.name();
    let next = next_after_no_test(name, &remote.kind);
    let kept = settings.add(name, remote, args.keep_in)?;
    let listed = RemoteLine {
        r#type: "remote_added",
        name,
        kind,
        target: target.clone(),
        earlier_target: None,
        secret_in: kept,
        tested: Some(seen.is_some()),
    };
    let mut lines = vec![format!("{} points to {}", name, plain(&target))];
    lines.extend(seen.map(|seen| format!("It works: {}", plain(&seen))));
    lines.extend(kept.map(|place| match place {
        SecretPlace::Keyring => format!("Its secret is in {}", Keyring::NAME),
        SecretPlace::File => {
            let file = plain(&settings.path().display().to_string());
            format!("Its secret is in {file}, which only you can read")
        }
    }));
    match (args.no_test, ui.lead()) {
        (true, _) => lines.push(next),
        (false, Lead::Person) => {
            lines.push(format!(
                "Send photos there: rescue upload FOLDER --to {name}"
            ));
        }
        // It offers that itself.
        (false, Lead::Guide) => {}
    }
    ui.report(&listed, &lines, Went::Well);
    Ok(Done::All)
}

/// What to do with a remote that was saved untried.
fn next_after_no_test(name: &str, kind: &KindSettings) -> String {
    match kind.host_key() {
        Some(HostKey::Unknown) => format!(
            "Nothing is sent there before you confirm the server's host key: rescue remote test {name}"
        ),
        _ => format!("Try it: rescue remote test {name}"),
    }
}

/// Notes the key that a server shows, where none is noted yet.
async fn note_host_key(kind: &mut KindSettings, no_test: bool, ui: &Ui) -> Result<(), Problem> {
    if let Some(HostKey::Listed | HostKey::Unknown) = kind.host_key()
        && !no_test
    {
        let shown = kind.ask_host_key().await?;
        ui.remark(&format!(
            "The server's key is {}; compare it with the fingerprint that the server's owner gives you. Any other key will be refused.",
            shown.fingerprint
        ));
        kind.set_host_key(shown.key);
    }
    Ok(())
}

fn unsaved(problem: Problem) -> Error {
    of_problem(&problem, RemoteUse::Adding)
}

/// A remote is tried before it is saved: a wrong password is known at once, and nothing is kept of it.
fn untested(problem: Problem) -> Error {
    unsaved_until(
        problem,
        "Nothing was saved",
        "; `rescue remote add` with --no-test saves it untried",
    )
}

/// A problem with a remote that is not saved because of it, and the way to save it all the same.
fn unsaved_until(problem: Problem, outcome: &'static str, way: &'static str) -> Error {
    let error = unsaved(problem);
    let hint = match error.hint.clone() {
        Some(hint) => hint.and(Said(". ")).and(Said(outcome)),
        None => outcome.into(),
    };
    error.with_hint(hint.and(ByCommand(way)))
}

/// Tests a saved remote. A server whose key nobody confirmed gets no password.
async fn test(name: &str, ui: &Ui) -> Result<String, Error> {
    let word = typed_word(name);
    let failed = |problem| of_problem(&problem, RemoteUse::Trying(&word));
    let mut settings = Settings::load()?;
    let mut kind = settings.remote(name)?.kind.clone();
    if kind.host_key() == Some(HostKey::Unknown) {
        let shown = kind.ask_host_key().await.map_err(failed)?;
        let fingerprint = shown.fingerprint;
        let unknown = Problem::HostKeyUnknown {
            host: shown.host,
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
        kind.set_host_key(shown.key);
        settings.set_kind(name, kind)?;
    }
    let settings = settings.with_secret(name)?;
    let remote = connect(name, &settings).map_err(failed)?;
    let patience = (settings.target(), settings.patience());
    let seen = tried(&remote, (&patience.0, patience.1), ui).await;
    seen.map_err(failed)
}

/// Tests a remote, and says which one is waited for where its answers take long. A silent one is given up.
async fn tried(
    remote: &Masked,
    (target, patience): (&str, Duration),
    ui: &Ui,
) -> Result<String, Problem> {
    let testing = remote.test();
    tokio::pin!(testing);
    let silence = QUIET.min(patience);
    if let Ok(seen) = tokio::time::timeout(silence, &mut testing).await {
        return seen;
    }
    ui.remark(&format!("Waiting for an answer from {}", plain(target)));
    match tokio::time::timeout(patience.saturating_sub(silence), testing).await {
        Ok(seen) => seen,
        Err(_) => Err(Problem::Unreachable {
            host: target.to_owned(),
            words: format!("no answer within {} seconds", patience.as_secs()),
        }),
    }
}

/// A new sign-in for a remote; its client secret stays what it is.
async fn login_again(args: &RemoteNameArgs, ui: &Ui) -> Result<(), Error> {
    let mut settings = Settings::load()?;
    let remote = settings.with_secret(&args.name)?;
    let Some((service, client_id)) = remote.kind.sign_in() else {
        return Err(no_sign_in(&args.name, &remote.kind));
    };
    let known = Grant::from_secret(&service, remote.secret.as_ref());
    let client_secret = match known {
        Ok(grant) => grant.client_secret,
        Err(_) => match Secret::from_environment()? {
            Some(secret) => Some(secret),
            None => Some(
                asked(
                    "client secret",
                    "in the environment variable RESCUE_REMOTE_SECRET",
                    ui,
                )
                .await?,
            ),
        },
    };
    let word = typed_word(&args.name);
    let task = RemoteUse::Trying(&word);
    let secret = sign_in::sign_in(service, client_id, client_secret, task, ui).await?;
    settings.set_secret(&args.name, secret)
}

/// Nothing is kept that nobody needs.
fn no_secret(kind: &str) -> Error {
    let message = format!("a remote of the kind {kind} has no password or key");
    Error::new(ErrorKind::Usage, message).with_hint("leave out --secret-file")
}

/// Only some kinds are signed in to in a browser.
fn no_sign_in(name: &str, kind: &KindSettings) -> Error {
    let word = typed_word(name);
    let (uses, hint) = match kind.folder() {
        Some(_) => (
            "a folder on this computer".to_owned(),
            format!("`rescue remote test {word}` tries whether it can be written to"),
        ),
        None => {
            let secret = kind
                .needed_secret()
                .map(NeededSecret::name)
                .unwrap_or("key file");
            (
                format!("of the kind {}, which uses a {secret}", kind.name()),
                format!("`rescue remote edit {word}` changes that"),
            )
        }
    };
    let message = format!("{name} needs no sign-in: it is {uses}");
    Error::new(ErrorKind::Usage, message).with_hint(hint)
}

async fn secret_of(
    file: Option<&Path>,
    wanted: Option<NeededSecret>,
    ui: &Ui,
) -> Result<Option<Secret>, Error> {
    if let Some(secret) = secret_in_file(file)? {
        return Ok(Some(secret));
    }
    if let Some(secret) = Secret::from_environment()? {
        return Ok(Some(secret));
    }
    match wanted {
        Some(NeededSecret::Line(what)) => asked(what, WHERE, ui).await.map(Some),
        // A prompt takes one line.
        Some(NeededSecret::File(what)) => questions::secret_file(what, ui).await.map(Some),
        None => Ok(None),
    }
}

fn secret_in_file(file: Option<&Path>) -> Result<Option<Secret>, Error> {
    file.map(Secret::from_file).transpose()
}

/// Where else a new remote's secret may come from.
const WHERE: &str = "with --secret-file FILE, or in the environment variable RESCUE_REMOTE_SECRET";

/// Asks for a secret, without showing what is typed. `or_else` says where else it may come from.
async fn asked(what: &str, or_else: &str, ui: &Ui) -> Result<Secret, Error> {
    if !ui.can_ask_for_secret() {
        return Err(
            Error::new(ErrorKind::Usage, format!("the {what} is missing"))
                .with_hint(format!("give it {or_else}")),
        );
    }
    let line = typed(what, "", ui).await?;
    Secret::from_line(&line)
}

/// Has a secret typed, which is not shown. `or_else` says what Enter alone does.
async fn typed(what: &str, or_else: &str, ui: &Ui) -> Result<Zeroizing<String>, Error> {
    let line = ui.ask(&format!("{what}{or_else}: "), Mode::Hidden).await;
    line.map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Interrupted, format!("no {what} was given"))
                .with_hint("run the same command again")
        }
        _ => Error::new(ErrorKind::Usage, format!("the {what} could not be read")).caused_by(error),
    })
}

fn list(ui: &Ui) -> Result<Done, Error> {
    let settings = Settings::load()?;
    for (name, remote) in settings.remotes() {
        let listed = RemoteLine {
            r#type: "remote",
            name,
            kind: remote.kind.name(),
            target: remote.kind.target(),
            earlier_target: None,
            secret_in: remote.secret_in(),
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
            "{}: lacks a setting, or is of a kind that this version of rescue does not know",
            plain(name)
        ));
    }
    for key in settings.foreign() {
        ui.remark(&format!(
            "{}: \"{}\" is not known to this version of rescue; a remote is a table [remotes.NAME]",
            plain(&settings.path().display().to_string()),
            plain(key)
        ));
    }
    let (unknown, foreign) = (settings.unknown().count(), settings.foreign().count());
    if settings.remotes().is_empty() && unknown + foreign == 0 {
        ui.remark("There are no remotes yet: `rescue remote add` sets one up");
    }
    Ok(Done::All)
}

impl Person for Ui {
    fn explain(&self, text: &str) {
        self.prompt(text);
    }

    async fn ask(&self, question: &str) -> std::io::Result<Zeroizing<String>> {
        Ui::ask(self, question, Mode::Lines).await
    }

    fn failed(&self, problem: Problem) -> Error {
        unsaved(problem)
    }
}
