//! `rescue remote edit`: gives a saved remote other settings. What is given, or answered, takes the place of what the
//! settings hold; the rest goes through the same checks again, as if a person had typed all of it.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{Args as _, Command};

use super::super::{Done, arguments};
use super::{
    RemoteLine, next_after_no_test, no_secret, note_host_key, questions, secret_of, sign_in, tried,
    unsaved, unsaved_until,
};
use crate::cli::{RemoteAddArgs, RemoteEditArgs};
use crate::error::{Error, Kind as ErrorKind};
use crate::guide::remote::RemoteUse;
use crate::ui::{Ui, Went, plain, typed_word};
use crate::upload::connect::{connect, connect_unsaved};
use crate::upload::kinds::{KindOptions, KindSettings, NewSecret};
use crate::upload::problem::Problem;
use crate::upload::secret::Secret;
use crate::upload::settings::{EditedSecret, RemoteSettings, Settings};

pub(super) async fn edit(args: &RemoteEditArgs, ui: &Ui) -> Result<Done, Error> {
    let name = args.name.as_str();
    let settings = Settings::load()?;
    let earlier = settings.remote(name)?;
    let options = RemoteAddArgs::augment_args(Command::new("add"));
    let options = options
        .find_subcommand(earlier.kind.name())
        .ok_or_else(|| Error::new(ErrorKind::Bug, "the kind has no options"))?;
    let given = match &args.kind {
        Some(changes) if changes.kind != earlier.kind() => {
            return Err(another_kind(name, earlier, &changes.kind));
        }
        Some(changes) => changes.given.clone(),
        None => BTreeMap::new(),
    };
    let new_secret = match (earlier.kind.folder(), &args.secret_file) {
        (Some(_), Some(_)) => return Err(no_secret(earlier.kind())),
        // What the environment holds is that of another remote.
        (Some(_), None) => None,
        (None, Some(file)) => Some(Secret::from_file(file)?),
        (None, None) => Secret::from_environment()?,
    };
    let asks = given.is_empty() && new_secret.is_none();
    let given = match asks {
        true => questions::changes(&earlier.kind, options, ui).await?,
        false => given,
    };
    let (kind, source) = with_changes(&earlier.kind, options, &given)?
        .set_up(ui)
        .await?;
    let is_option = |key: &str| options.get_arguments().any(|arg| arg.get_id() == key);
    let mut kind = kind.with_rest_of(&earlier.kind, is_option);
    note_host_key(&mut kind, args.no_test, ui)
        .await
        .map_err(unedited)?;
    let given = match source {
        NewSecret::Known(ref secret) => Some(secret.clone()),
        _ => new_secret,
    };
    let secret = secret((earlier, &kind), given, source, asks, ui).await?;
    let edited = EditedRemote {
        name,
        earlier,
        kind,
        secret,
    };
    if edited.changes_nothing() {
        let line = format!(
            "{name} stays as it is: it points to {}",
            plain(&earlier.target())
        );
        ui.report(&edited.line(None), &[line], Went::Well);
        return Ok(Done::All);
    }
    edited.save(settings.clone(), args.no_test, ui).await
}

/// A remote with what it is to be.
struct EditedRemote<'a> {
    name: &'a str,
    earlier: &'a RemoteSettings,
    kind: KindSettings,
    secret: EditedSecret,
}

impl EditedRemote<'_> {
    fn changes_nothing(&self) -> bool {
        self.kind == self.earlier.kind && matches!(self.secret, EditedSecret::Stays)
    }

    fn line(&self, tested: Option<bool>) -> RemoteLine<'_> {
        let (now, before) = (self.kind.target(), self.earlier.target());
        RemoteLine {
            r#type: "remote_edited",
            name: self.name,
            kind: self.kind.name(),
            earlier_target: (now != before).then_some(before),
            target: now,
            secret_in: self.earlier.secret_in(),
            tested,
        }
    }

    /// Tries the remote, and saves it if it works.
    async fn save(self, mut settings: Settings, no_test: bool, ui: &Ui) -> Result<Done, Error> {
        let name = self.name;
        let mut remote = RemoteSettings {
            kind: self.kind.clone(),
            ..self.earlier.clone()
        };
        let (connected, renewed) = match &self.secret {
            EditedSecret::Stays => {
                remote.secret = settings.with_secret(name)?.secret;
                (connect(name, &remote).map_err(unsaved)?, None)
            }
            EditedSecret::New(secret) => {
                remote.secret = Some(secret.clone());
                let (connected, renewed) = connect_unsaved(&remote).map_err(unsaved)?;
                (connected, Some(renewed))
            }
            EditedSecret::Gone => {
                remote.secret = None;
                (connect(name, &remote).map_err(unsaved)?, None)
            }
        };
        let seen = match no_test {
            true => None,
            false => {
                let patience = (remote.target(), remote.patience());
                let seen = tried(&connected, (&patience.0, patience.1), ui).await;
                Some(seen.map_err(unedited)?)
            }
        };
        let mut line = self.line(Some(seen.is_some()));
        let secret = match renewed.and_then(|renewed| renewed.take()) {
            Some(secret) => EditedSecret::New(secret),
            None => self.secret.clone(),
        };
        line.secret_in = settings.edit(name, self.kind.clone(), secret)?;
        let mut lines = vec![format!("{name} points to {}", plain(&line.target))];
        lines.extend(seen.map(|seen| format!("It works: {}", plain(&seen))));
        if let Some(earlier) = &line.earlier_target {
            lines.push(format!(
                "It pointed to {} before. Files sent there stay there, and count as not sent to the new place: `rescue upload FOLDER --to {name}` sends them",
                plain(earlier)
            ));
        }
        lines.extend(no_test.then(|| next_after_no_test(name, &self.kind)));
        ui.report(&line, &lines, Went::Well);
        Ok(Done::All)
    }
}

/// The options of a remote as a person would type them now: the changed ones, and the others as the settings have them.
fn with_changes(
    earlier: &KindSettings,
    options: &Command,
    changes: &BTreeMap<String, OsString>,
) -> Result<KindOptions, Error> {
    let mut words = vec![OsString::from("add"), earlier.name().into()];
    let mut places = Vec::new();
    for arg in options.get_arguments() {
        let id = arg.get_id().as_str();
        let excludes = |one, other| {
            let excluded = options.get_arg_conflicts_with(one);
            excluded.iter().any(|it| it.get_id() == other)
        };
        let gives_way = || {
            let mut given = options
                .get_arguments()
                .filter(|it| changes.contains_key(it.get_id().as_str()));
            given.any(|it| excludes(arg, it.get_id()) || excludes(it, arg.get_id()))
        };
        let value = match changes.get(id) {
            Some(value) if value.is_empty() && !arg.is_required_set() => None,
            Some(value) => Some(value.clone()),
            None if gives_way() => None,
            None => earlier.present(id, changes).map(OsString::from),
        };
        match (value, arg.get_long()) {
            (None, _) => {}
            (Some(_), Some(long)) if !arg.get_action().takes_values() => {
                words.push(format!("--{long}").into());
            }
            (Some(value), Some(long)) => {
                let mut word = OsString::from(format!("--{long}="));
                word.push(value);
                words.push(word);
            }
            (Some(value), None) => places.push(value),
        }
    }
    words.push("--".into());
    words.extend(places);
    let read: RemoteAddArgs = arguments(words)?;
    read.kind
        .ok_or_else(|| Error::new(ErrorKind::Bug, "the options name no kind"))
}

/// What becomes of the secret. It stays, unless another one is given or needed.
async fn secret(
    (earlier, kind): (&RemoteSettings, &KindSettings),
    given: Option<Secret>,
    new: NewSecret,
    asks: bool,
    ui: &Ui,
) -> Result<EditedSecret, Error> {
    let needed = kind.needed_secret();
    if let Some((service, client_id)) = kind.sign_in() {
        let is_same_client = earlier
            .kind
            .sign_in()
            .is_some_and(|(_, id)| id == client_id);
        let client_secret = match given {
            None if is_same_client => return Ok(EditedSecret::Stays),
            None => secret_of(None, needed, ui).await?,
            given => given,
        };
        let task = RemoteUse::Adding;
        let granted = sign_in::sign_in(service, client_id, client_secret, task, ui).await?;
        return Ok(EditedSecret::New(granted));
    }
    let is_needed_as_before = needed == earlier.kind.needed_secret();
    Ok(match (given, new, needed) {
        (Some(secret), ..) => EditedSecret::New(secret),
        (None, NewSecret::NotNeeded, _) => EditedSecret::Gone,
        (None, NewSecret::AsUsual, Some(needed)) if is_needed_as_before && asks => {
            let has_one = earlier.secret_in().is_some();
            match questions::new_secret(needed, has_one, ui).await? {
                Some(secret) => EditedSecret::New(secret),
                None => EditedSecret::Stays,
            }
        }
        (None, NewSecret::AsUsual, _) if is_needed_as_before => EditedSecret::Stays,
        (None, NewSecret::AsUsual, needed) => match secret_of(None, needed, ui).await? {
            Some(secret) => EditedSecret::New(secret),
            // What opened the place before is no business of the next one.
            None => EditedSecret::Gone,
        },
        (None, NewSecret::Nowhere | NewSecret::Known(_), _) => EditedSecret::Stays,
    })
}

/// A remote that does not work stays what it is.
fn unedited(problem: Problem) -> Error {
    unsaved_until(
        problem,
        "Nothing was changed",
        "; with --no-test the change is saved untried",
    )
}

fn another_kind(name: &str, earlier: &RemoteSettings, kind: &str) -> Error {
    let message = format!(
        "{name} is of the kind {}, which cannot become {kind}",
        earlier.kind()
    );
    let word = typed_word(name);
    Error::new(ErrorKind::Usage, message).with_hint(format!(
        "add another one with `rescue remote add`, and remove this one with `rescue remote remove {word}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Style;
    use crate::upload::settings::tests::WRITTEN;

    /// A remote of each kind that holds all that it may, with places that exist here.
    fn settings(room: &std::path::Path) -> Settings {
        let file = room.join("remotes.toml");
        let here = |name: &str| room.join(name).display().to_string();
        std::fs::create_dir(here("disk")).unwrap();
        std::fs::write(here("key"), "x").unwrap();
        std::fs::write(here("ca.pem"), "x").unwrap();
        let fingerprint = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
        let client = "client_id = \"123-abc.apps.googleusercontent.com\"";
        let written = WRITTEN
            .replace("/mnt/disk", &here("disk"))
            .replace("/home/ada/.ssh/key", &here("key"))
            .replace("/etc/ca.pem", &here("ca.pem"))
            .replace("ssh-ed25519 AAAA", fingerprint)
            .replace("client_id = \"abc\"", client);
        std::fs::write(&file, written).unwrap();
        Settings::load_from(&file).unwrap()
    }

    async fn edited(earlier: &RemoteSettings, changes: &[(&str, &str)]) -> KindSettings {
        let add = RemoteAddArgs::augment_args(Command::new("add"));
        let options = add.find_subcommand(earlier.kind()).unwrap();
        let changes = changes.iter();
        let changes = changes.map(|(id, text)| ((*id).to_owned(), OsString::from(text)));
        let read = with_changes(&earlier.kind, options, &changes.collect()).unwrap();
        let ui = Ui::new(Style {
            json: false,
            quiet: true,
            color: false,
        });
        let (kind, _) = read.set_up(&ui).await.unwrap();
        let is_option = |key: &str| options.get_arguments().any(|arg| arg.get_id() == key);
        kind.with_rest_of(&earlier.kind, is_option)
    }

    #[tokio::test]
    async fn each_kind_stays_what_it_is_where_nothing_changes() {
        let room = tempfile::tempdir().unwrap();
        let settings = settings(room.path());
        assert!(settings.remotes().len() >= KindSettings::NAMES.len());
        for (name, remote) in settings.remotes() {
            assert_eq!(edited(remote, &[]).await, remote.kind, "{name}");
        }
    }

    #[tokio::test]
    async fn given_option_replaces_its_value_or_removes_it_and_the_others_stay() {
        let room = tempfile::tempdir().unwrap();
        let settings = settings(room.path());
        let tables = |kind: &KindSettings| toml::Table::try_from(kind).unwrap();
        for (name, option, text, holds) in [
            ("s3", "region", "eu-north-1", Some("eu-north-1")),
            ("s3", "endpoint", "", None),
            ("s3", "path", "", None),
            ("dropbox", "path", "/new/", Some("new")),
            ("webdav", "user", "bob", Some("bob")),
            ("sftp", "path", "other", Some("other")),
            (
                "google-photos",
                "client_id",
                "9-x.apps.googleusercontent.com",
                Some("9-x.apps.googleusercontent.com"),
            ),
        ] {
            let remote = settings.remote(name).unwrap();
            let mut expected = tables(&remote.kind);
            match holds {
                Some(holds) => drop(expected.insert(option.to_owned(), holds.into())),
                None => drop(expected.remove(option)),
            }
            let found = tables(&edited(remote, &[(option, text)]).await);
            assert_eq!(found, expected, "{name}: {option}");
        }
        // Another server is not asked for the old one's key, and what excludes a value takes its place.
        let sftp = settings.remote("sftp").unwrap();
        let moved = tables(&edited(sftp, &[("address", "ada@other")]).await);
        assert!(!moved.contains_key("host_key") && moved["path"].as_str() == Some("photos"));
        let own = tables(&edited(sftp, &[("own_keys", "true")]).await);
        assert!(!own.contains_key("key_file") && own.contains_key("host_key"));
    }
}
