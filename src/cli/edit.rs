//! `rescue remote edit`: the options of the remote's kind, of which any may be left out, and the kind itself too.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Subcommand};

use super::complete;
use crate::error::Error;
use crate::upload::kinds::{KindOptions, KindSettings};
use crate::upload::settings::Settings;

/// What to change of a remote.
#[derive(Debug, Clone, Args)]
#[command(
    subcommand_value_name = "KIND",
    subcommand_help_heading = "Kinds, each with its options"
)]
pub struct RemoteEditArgs {
    /// The remote's name
    #[arg(add = complete::remotes())]
    pub name: String,
    /// Its kind, and what changes
    #[command(subcommand)]
    pub kind: Option<KindChanges>,
    /// File with a new password or key; "-" is standard input
    #[arg(long, value_name = "FILE", global = true)]
    pub secret_file: Option<PathBuf>,
    /// Save the changes without trying them: nothing is sent over the network, except to sign in
    #[arg(long, global = true)]
    pub no_test: bool,
}

/// Options of a kind that replace a remote's own.
#[derive(Debug, Clone)]
pub struct KindChanges {
    /// The kind's name.
    pub kind: String,
    /// The given options by their ids. An empty text removes the value, and a flag has one that means nothing.
    pub given: BTreeMap<String, OsString>,
}

impl Subcommand for KindChanges {
    fn augment_subcommands(command: Command) -> Command {
        KindOptions::augment_subcommands(command)
            .external_subcommand_value_parser(Resettable::Reset)
            .allow_external_subcommands(false)
            .mut_subcommands(optional)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        is_kind(name)
    }
}

impl FromArgMatches for KindChanges {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let kinds = Self::augment_subcommands(Command::new("edit"));
        let found = matches.subcommand();
        let found = found.and_then(|(name, given)| Some((kinds.find_subcommand(name)?, given)));
        let (kind, matches) =
            found.ok_or_else(|| clap::Error::new(clap::error::ErrorKind::MissingSubcommand))?;
        let given = kind.get_arguments().filter_map(|arg| {
            let id = arg.get_id().as_str();
            let is_given = matches.value_source(id) == Some(ValueSource::CommandLine);
            let mut values = matches.get_raw(id).filter(|_| is_given)?;
            Some((id.to_owned(), values.next()?.to_owned()))
        });
        Ok(Self {
            kind: kind.get_name().to_owned(),
            given: given.collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A kind of which everything may be left out. Its values are checked with those that stay.
fn optional(kind: Command) -> Command {
    let places = kind.get_positionals().map(|arg| {
        let names = arg.get_value_names().unwrap_or_default();
        let names: Vec<_> = names.iter().map(|name| format!(" [{name}]")).collect();
        names.concat()
    });
    let places: Vec<_> = places.collect();
    let name = kind.get_name();
    let usage = format!(
        "rescue remote edit <NAME> {name} [OPTIONS]{}",
        places.concat()
    );
    kind.override_usage(usage).mut_args(|arg| {
        if !arg.get_action().takes_values() {
            return arg;
        }
        let arg: Arg = arg.required(false).default_value(Resettable::Reset);
        arg.value_parser(clap::value_parser!(OsString))
    })
}

/// Puts the kind behind the name of a remote that is on record: its options are those of the kind. `None` for another
/// command line, or where the kind is there.
pub(super) fn with_kind(words: &[OsString]) -> Result<Option<Vec<OsString>>, Error> {
    let is_edit = |pair: &[OsString]| matches!(pair, [a, b] if a == "remote" && b == "edit");
    let Some(at) = words.windows(2).position(is_edit) else {
        return Ok(None);
    };
    let settings = Settings::load()?;
    let name_at = |number: &usize| {
        let word = words.get(*number).and_then(|word| word.to_str());
        word.filter(|word| !word.starts_with('-'))
    };
    let mut names = (at + 2..words.len()).filter(|number| name_at(number).is_some());
    let is_remote = |number: &usize| name_at(number).is_some_and(|name| settings.has(name));
    let Some(number) = names.clone().find(is_remote).or_else(|| names.next()) else {
        return Ok(None);
    };
    let kind = settings
        .remote(name_at(&number).unwrap_or_default())?
        .kind();
    if name_at(&(number + 1)).is_some_and(is_kind) {
        return Ok(None);
    }
    let mut words = words.to_vec();
    words.insert(number + 1, kind.into());
    Ok(Some(words))
}

fn is_kind(word: &str) -> bool {
    KindSettings::NAMES.contains(&word)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command as CliCommand, RemoteCommand};

    fn read(line: &str) -> Result<RemoteEditArgs, clap::Error> {
        match Cli::try_parse_from(line.split(' '))?.command {
            CliCommand::Remote(RemoteCommand::Edit(args)) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_option_of_a_kind_may_be_left_out_and_only_the_given_ones_count() {
        let given = |line| {
            let changes = read(line).unwrap().kind.unwrap();
            let given = changes.given.into_iter();
            let given = given.map(|(id, value)| (id, value.into_string().unwrap()));
            (changes.kind, given.collect::<Vec<_>>())
        };
        let pair = |id: &str, value: &str| (id.to_owned(), value.to_owned());
        let (kind, changes) = given("rescue remote edit nas s3 --region here --no-test");
        assert_eq!(kind, "s3");
        assert_eq!(changes, [pair("region", "here")]);
        let (_, changes) = given("rescue remote edit nas webdav --ca-file= https://nas/");
        assert_eq!(
            changes,
            [pair("certificates", ""), pair("url", "https://nas/")]
        );
        let (_, changes) = given("rescue remote edit nas sftp --own-keys");
        assert!(changes.iter().map(|(id, _)| id).eq(["own_keys"]));
        assert!(given("rescue remote edit nas google-drive").1.is_empty());
        assert!(read("rescue remote edit nas").unwrap().kind.is_none());
        let args = read("rescue remote edit nas sftp --path x --secret-file - --no-test").unwrap();
        assert!(args.no_test && args.secret_file.is_some());
        for line in [
            "rescue remote edit",
            "rescue remote edit nas gopher",
            "rescue remote edit nas s3 --bogus x",
            "rescue remote edit nas sftp --own-keys --key-file x",
        ] {
            let read = read(line);
            assert!(read.is_err(), "{line}: {read:?}");
        }
    }
}
