//! A command line that lacks something which a person can be asked for.

use std::ffi::OsString;

use clap::{ArgAction, ArgMatches, Command as Parser, CommandFactory as _, FromArgMatches as _};

use super::{BegunKind, Cli, Command, OutputArgs, RemoteAddArgs, RemoteCommand};

/// Reads a `remote add` whose kind lacks required arguments; `None` for every other command line.
pub(super) fn remote_begun(words: Vec<OsString>) -> Option<Cli> {
    let parser = Cli::command().mut_subcommand("remote", |remote| {
        remote.mut_subcommand("add", |add| {
            add.mut_subcommands(|kind| kind.mut_args(|arg| arg.required(false)))
        })
    });
    let add = parser.find_subcommand("remote")?.find_subcommand("add")?;
    let kinds: Vec<Parser> = add.get_subcommands().cloned().collect();
    let matches = parser.try_get_matches_from(words).ok()?;
    let output = OutputArgs::from_arg_matches(&matches).ok()?;
    let (_, remote) = matches.subcommand()?;
    let ("add", add) = remote.subcommand()? else {
        return None;
    };
    let (name, given) = add.subcommand()?;
    let kind = kinds.iter().find(|kind| kind.get_name() == name)?;
    let args = RemoteAddArgs {
        name: add.get_one::<String>("name").cloned(),
        kind: None,
        secret_file: add.get_one("secret_file").cloned(),
        keep_in: add.get_one("keep_in").copied(),
        no_test: add.get_flag("no_test"),
        begun: Some(Box::new(begun(kind, given))),
    };
    Some(Cli {
        command: Command::Remote(RemoteCommand::Add(args)),
        output,
    })
}

fn begun(kind: &Parser, given: &ArgMatches) -> BegunKind {
    let mut begun = BegunKind {
        name: kind.get_name().to_owned(),
        given: Vec::new(),
        options: Vec::new(),
        places: Vec::new(),
    };
    for arg in kind.get_arguments().filter(|arg| !arg.is_global_set()) {
        let id = arg.get_id().as_str();
        if given.value_source(id) != Some(clap::parser::ValueSource::CommandLine) {
            continue;
        }
        begun.given.push(id.to_owned());
        let is_flag = matches!(arg.get_action(), ArgAction::SetTrue);
        let values = given.get_raw(id).into_iter().flatten().map(OsString::from);
        match arg.get_long() {
            Some(long) if is_flag => begun.options.push(format!("--{long}").into()),
            Some(long) => begun.options.extend(values.map(|value| {
                let mut option = OsString::from(format!("--{long}="));
                option.push(value);
                option
            })),
            None => begun.places.extend(values),
        }
    }
    begun
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<RemoteAddArgs> {
        let words = line.split(' ').map(OsString::from).collect();
        match remote_begun(words)?.command {
            Command::Remote(RemoteCommand::Add(args)) => Some(args),
            _ => None,
        }
    }

    #[test]
    fn begun_remote_keeps_what_was_given() {
        let args = read(
            "rescue remote add nas s3 bucket --region here --path= --no-test --keep-in file --secret-file x",
        )
        .unwrap();
        assert_eq!(args.name.as_deref(), Some("nas"));
        assert!(args.no_test && args.keep_in.is_some() && args.secret_file.is_some());
        let begun = args.begun.unwrap();
        assert_eq!(begun.name, "s3");
        assert_eq!(begun.given, ["bucket", "region", "path"]);
        assert_eq!(begun.options, ["--region=here", "--path="]);
        assert_eq!(begun.places, ["bucket"]);
        let begun = read("rescue remote add sftp --own-keys").unwrap();
        assert_eq!(begun.name, None);
        assert_eq!(begun.begun.unwrap().options, ["--own-keys"]);
    }

    #[test]
    fn nothing_else_is_taken_for_a_begun_remote() {
        for line in [
            "rescue upload folder",
            "rescue remote test",
            "rescue remote add nas gopher",
            "rescue remote add nas s3 --bogus",
            "rescue remote add nas",
        ] {
            assert!(read(line).is_none(), "{line}");
        }
    }
}
