//! The command line: types and help texts only.

mod choice;
pub mod complete;
mod edit;
mod export;
mod flags;
mod incomplete;
mod job;
mod phone;
mod upload;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::choice::{DaysArgs, MediaArgs, PatternArgs};
pub use self::edit::{KindChanges, RemoteEditArgs};
pub use self::export::{ExportArgs, ExportChoiceArgs, ProtectionArgs};
pub use self::job::JobArgs;
pub use self::phone::{
    AuthorizeArgs, ConnectArgs, DeskArgs, DevicesArgs, DoctorArgs, KeysArgs, LockSecretArgs,
    PhoneArgs, ScreenArgs, UnlockArgs, Way,
};
pub use self::upload::{
    BegunKind, CheckHow, LimitsOf, PaceArgs, Quality, RemoteAddArgs, RemoteCommand, RemoteNameArgs,
    UploadArgs, UploadChoiceArgs,
};
use self::values::day;

use crate::error::Error;
use crate::json::plain;
use crate::upload::kinds::KindSettings;
use crate::upload::settings::check_name;

/// The version, and where this program comes from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("RESCUE_BUILD"), ")");

/// Get the photos off an Android phone with a broken screen, proven byte for byte
///
/// On a terminal, `rescue` alone leads you step by step. Or plug the phone in with USB debugging on
/// and run `rescue pull`. The phone is only read; nothing on it is changed.
#[derive(Debug, Parser)]
#[command(name = "rescue", version, long_version = VERSION, max_term_width = 100)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// How to talk
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Cli {
    /// Reads a command line, the program's name first. What only asks for help is an error here too.
    pub fn of_arguments(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        refuse_kind_as_name(&arguments)?;
        let read = Self::try_parse_from(&arguments);
        // What clap takes for a wrong kind, or for an option of none.
        let lacks_kind = |error: &clap::Error| {
            matches!(
                error.kind(),
                ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
            )
        };
        let read = match read.as_ref().is_err_and(lacks_kind) {
            true => match edit::with_kind(&arguments).map_err(usage)? {
                Some(words) => Self::try_parse_from(words),
                None => read,
            },
            false => read,
        };
        read.map_err(harmless)
    }

    /// As [`Cli::of_arguments`], for a person at a terminal: without a command, the guide is meant.
    pub fn of_person(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut arguments: Vec<_> = arguments.into_iter().collect();
        let read = Self::of_arguments(arguments.clone());
        let names_no_command = |error: &clap::Error| {
            error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        };
        let lacks_something =
            |error: &clap::Error| error.kind() == ErrorKind::MissingRequiredArgument;
        if read.as_ref().is_err_and(lacks_something) {
            let begun = incomplete::remote_begun(arguments);
            return begun.filter(Self::may_ask).map_or(read, Ok);
        }
        if !read.as_ref().is_err_and(names_no_command) {
            return read;
        }
        arguments.push("guide".into());
        match Self::of_arguments(arguments) {
            Ok(cli) if cli.is_for_person() => Ok(cli),
            _ => read,
        }
    }

    fn is_for_person(&self) -> bool {
        matches!(self.command, Command::Guide(_)) && self.may_ask()
    }

    fn may_ask(&self) -> bool {
        !self.output.json && !self.output.quiet
    }
}

/// An error without characters that steer a terminal: clap repeats arguments as they are.
fn harmless(mut error: clap::Error) -> clap::Error {
    let plain = |text: &str| plain(text);
    let steering: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| {
            let value = match value {
                ContextValue::String(text) => ContextValue::String(plain(text)),
                ContextValue::Strings(texts) => {
                    ContextValue::Strings(texts.iter().map(|text| plain(text)).collect())
                }
                _ => return None,
            };
            Some((kind, value))
        })
        .collect();
    for (kind, value) in steering {
        error.insert(kind, value);
    }
    error
}

/// Refuses `remote add s3 s3 bucket` with a sentence: clap takes a name that is a kind's for the kind.
fn refuse_kind_as_name(words: &[OsString]) -> Result<(), clap::Error> {
    let is_kind = |word: &OsString| KindSettings::NAMES.iter().any(|kind| word == kind);
    for words in words.windows(4) {
        if let [remote, add, name, kind] = words
            && remote == "remote"
            && add == "add"
            && is_kind(name)
            && is_kind(kind)
            && let Err(refused) = check_name(&name.to_string_lossy())
        {
            return Err(usage(refused));
        }
    }
    Ok(())
}

/// An error of ours in the command line, as clap tells its own.
fn usage(error: Error) -> clap::Error {
    let hint = error.hint;
    let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
    let message = format!("{}{hint}\n", plain(&error.message));
    clap::Error::raw(ErrorKind::ValueValidation, message)
}

/// How to talk.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print JSON lines on standard output, each with a "type"
    #[arg(long, global = true)]
    pub json: bool,
    /// Print nothing but errors, and lists that were asked for
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Log more details, for a bug report
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Rescue a phone step by step, with questions; `rescue` alone does the same
    Guide(GuideArgs),
    /// Rescue a phone step by step in the browser of this computer
    ///
    /// The page works on this computer only, and its address is a secret. Closing the page stops nothing; Ctrl-C here
    /// does, and the next start continues.
    Desk(DeskArgs),
    /// List the attached phones and the state of each
    Devices(DevicesArgs),
    /// Find out why a phone cannot be read, and name the next step
    Doctor(DoctorArgs),
    /// Type the owner's PIN into a phone with a dead touch screen
    ///
    /// The keys go over the cable, or through USB debugging where that is allowed already. Each run
    /// makes one attempt; nothing is guessed, and no lock is removed.
    Unlock(UnlockArgs),
    /// Answer "Allow USB debugging?" on a phone with a dead touch screen
    Authorize(AuthorizeArgs),
    /// Control the phone with this computer's keyboard and mouse, over the cable
    ///
    /// USB debugging may be off. Works on phones that take accessories (AOA 2), Android 4.1 and later.
    Keys(KeysArgs),
    /// Copy photos, videos and other files off the phone, and verify each copy
    Pull(PullArgs),
    /// Count the files of a rescue folder, and list the missing ones
    Status(FolderArgs),
    /// Show the pictures of a rescue folder in the browser
    Open(FolderArgs),
    /// Read every file of a rescue folder again and compare it with the catalogue
    Verify(VerifyArgs),
    /// Pack a rescue folder into one archive that anyone can open and check
    Export(ExportArgs),
    /// Show the phone's display as a picture, or live in a browser with taps and typing
    Screen(ScreenArgs),
    /// Connect to a phone over Wi-Fi, through this computer's adb server
    Connect(ConnectArgs),
    /// Manage the clouds, servers and folders that files can be uploaded to
    #[command(subcommand)]
    Remote(RemoteCommand),
    /// Upload a rescue folder to a remote, each file once, with a receipt
    Upload(UploadArgs),
    /// Try everything on a built-in phone, without a real one
    #[cfg(feature = "virtual-phone")]
    Demo(DemoArgs),
    /// Serve the built-in phone on 127.0.0.1, with many files made on the fly, for measurements
    #[cfg(feature = "virtual-phone")]
    #[command(hide = true)]
    VirtualPhone(VirtualPhoneArgs),
    /// Print shell completions or manual pages
    #[command(hide = true, subcommand)]
    Generate(Generate),
}

/// Whom to guide.
#[derive(Debug, Clone, Args)]
pub struct GuideArgs {
    /// The phone
    #[command(flatten)]
    pub phone: PhoneArgs,
}

/// What to pull, and where to.
#[derive(Debug, Clone, Args)]
pub struct PullArgs {
    /// Rescue folder [default: named after model, serial number and date]
    ///
    /// Running again with the same folder pulls only new and unfinished files. Without -o the
    /// latest folder of this phone is continued.
    #[arg(short, long, value_name = "FOLDER", add = complete::rescue_folders())]
    pub output: Option<PathBuf>,
    /// Pull from every attached phone at once, each into its own folder (below the folder of -o)
    #[arg(long, conflicts_with_all = ["serial", "tcp"])]
    pub all_phones: bool,
    /// Begin a new folder even if this phone has one
    #[arg(long, conflicts_with = "output")]
    pub new_folder: bool,
    /// Confirm that this is the phone of the folder of -o, although something besides its serial number differs
    #[arg(long, requires = "output", conflicts_with = "all_phones")]
    pub same_phone: bool,
    /// List the files that would be pulled, and pull nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Skip the comparison with the phone's hashes; the files are marked as not verified
    #[arg(long)]
    pub no_verify: bool,
    /// Accept the files that fail in this run: they stay listed, and from now on only new failures
    /// end a run with exit code 3
    #[arg(long, conflicts_with = "dry_run")]
    pub accept_failed: bool,
    /// Upload the folder to this remote afterwards
    #[arg(long, value_name = "REMOTE", conflicts_with_all = ["dry_run", "all_phones"], add = complete::remotes())]
    pub then_upload: Option<String>,
    /// Run this command when the pull has ended, however it ended
    ///
    /// The shell runs it (sh, or cmd on Windows) with RESCUE_FOLDER, RESCUE_SERIAL, RESCUE_EXIT_CODE
    /// and RESCUE_RESULT (done, some_failed, interrupted or failed) set. With --all-phones it runs
    /// once for each phone. Its own exit code changes nothing.
    #[arg(long, value_name = "COMMAND", conflicts_with = "dry_run")]
    pub on_done: Option<String>,
    /// Whose phone it is
    #[command(flatten)]
    pub job: JobArgs,
    /// What to take
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// The phone
    #[command(flatten)]
    pub phone: PhoneArgs,
}

/// What to take.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Choice")]
pub struct ChoiceArgs {
    /// By which paths
    #[command(flatten)]
    pub patterns: PatternArgs,
    /// Pull everything below this folder of the phone instead; can be repeated
    #[arg(long = "root", value_name = "PATH")]
    pub roots: Vec<String>,
    /// Pull every file, not only media
    #[arg(long)]
    pub all: bool,
    /// Pull only files of this day (YYYY-MM-DD) or later, by name or modification time
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub since: Option<chrono::NaiveDate>,
    /// Of which kinds
    #[command(flatten)]
    pub media: MediaArgs,
}

/// A rescue folder.
#[derive(Debug, Clone, Args)]
pub struct FolderArgs {
    /// The rescue folder [default: the latest one in this folder]
    #[arg(add = complete::rescue_folders())]
    pub folder: Option<PathBuf>,
}

/// A rescue folder, and maybe its phone.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The rescue folder
    #[command(flatten)]
    pub folder: FolderArgs,
    /// Also compare with the phone's hashes again
    #[arg(long = "phone")]
    pub with_phone: bool,
    /// Move altered files, and files that no pull put there, to FOLDER/set-aside; the next
    /// `rescue pull` fetches the missing ones
    #[arg(long)]
    pub set_aside: bool,
    /// Rebuild the manifest and the bag's other files from the catalogue, without the phone, if
    /// everything else is unchanged
    #[arg(long)]
    pub write_manifest: bool,
    /// The phone
    #[command(flatten)]
    pub phone: PhoneArgs,
}

/// Where the demonstration goes.
#[cfg(feature = "virtual-phone")]
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Rescue folder [default: rescue-demo]
    pub folder: Option<PathBuf>,
}

/// What the served phone holds.
#[cfg(feature = "virtual-phone")]
#[derive(Debug, Clone, Args)]
pub struct VirtualPhoneArgs {
    /// Number of photos
    #[arg(long, default_value_t = 1000)]
    pub files: u64,
    /// Size of each photo in bytes
    #[arg(long, default_value_t = 50_000)]
    pub size: u64,
    /// Port of 127.0.0.1 to listen on [default: any free port]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// Maximum rate in bytes per second, to imitate a slow link [default: no limit]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: Option<u64>,
}

/// What to print.
#[derive(Debug, Clone, Subcommand)]
pub enum Generate {
    /// Shell completions, also of remotes and rescue folders
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The manual page, as roff
    Man {
        /// Folder to write one page per command into, instead of printing one page for all
        folder: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn arguments_cannot_steer_a_terminal_in_an_error() {
        let name = "a\nerror: b\u{1b}[2J\u{202e}c";
        for line in [
            &["rescue", name][..],
            &["rescue", "pull", &format!("--{name}")],
            &["rescue", "export", "f", "--split", name],
            &["rescue", "upload", "f", "--to", "x", "--quality", name],
            &["rescue", "remote", "list", name],
            &["rescue", "status", "f", name],
            &["rescue", "keys", "--recipe", name],
            &["rescue", "unlock", "--pattern", "--grid", name],
            &["rescue", "pull", "--wait", name],
            &["rescue", "generate", "completions", name],
        ] {
            let error = Cli::of_arguments(line.iter().map(OsString::from)).unwrap_err();
            let shown = error.to_string();
            assert!(
                !shown.contains('\u{1b}') && !shown.contains('\u{202e}'),
                "{shown:?}"
            );
            assert!(!shown.lines().any(|line| line == "error: b"), "{shown}");
            assert!(shown.contains("\\u{202e}c"), "{shown}");
        }
    }

    #[test]
    fn remote_called_like_a_kind_is_refused_with_a_sentence() {
        let read = |line: &str| Cli::of_arguments(line.split(' ').map(OsString::from));
        for line in [
            "rescue remote add s3 s3 s3 --access-key-id sftp",
            "rescue --color never remote add webdav folder webdav",
            "rescue remote add folder folder",
        ] {
            let words = read(line).unwrap_err().to_string();
            assert!(words.contains("which is a kind of remote; "), "{words}");
        }
        let named = |line: &str| match read(line).map(|cli| cli.command) {
            Ok(Command::Remote(RemoteCommand::Add(args))) => {
                (args.name, args.kind.map(|kind| format!("{kind:?}")))
            }
            other => panic!("{line}: {other:?}"),
        };
        // A kind's name elsewhere is nothing special.
        let (name, kind) = named("rescue remote add nas s3 folder --access-key-id sftp");
        assert_eq!(name.as_deref(), Some("nas"));
        assert!(kind.is_some_and(|kind| kind.contains("bucket: \"folder\"")));
        // What is missing is asked for.
        assert!(read("rescue remote add s3").is_err());
        let (name, kind) = named("rescue remote add s3 bucket --access-key-id x");
        assert!(name.is_none() && kind.is_some());
        assert_eq!(
            named("rescue remote add nas"),
            (Some("nas".to_owned()), None)
        );
    }

    /// clap leaves the name out, because it can be asked for.
    #[test]
    fn usage_of_each_kind_of_remote_has_its_name_in_place() {
        let mut cli = Cli::command();
        cli.build();
        let add = cli.find_subcommand_mut("remote").unwrap();
        let add = add.find_subcommand_mut("add").unwrap();
        for kind in add
            .get_subcommands_mut()
            .filter(|kind| kind.get_name() != "help")
        {
            let shown = kind.render_usage().to_string();
            let name = kind.get_name();
            let reset = clap::builder::Resettable::Reset;
            let own = kind
                .clone()
                .override_usage(reset)
                .render_usage()
                .to_string();
            let expected = own.replace(&format!(" add {name} "), &format!(" add <NAME> {name} "));
            assert_ne!(own, expected);
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
