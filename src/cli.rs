//! The command line: types and help texts only.

pub mod complete;
mod flags;
pub mod incomplete;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::json::plain;
use crate::upload::kinds::{KindOptions, KindSettings};
use crate::upload::settings::{SecretPlace, check_name};

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
        Self::try_parse_from(arguments).map_err(harmless)
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
            let hint = refused
                .hint
                .map_or_else(String::new, |hint| format!("; {hint}"));
            let message = format!("{}{hint}\n", refused.message);
            return Err(clap::Error::raw(ErrorKind::ValueValidation, message));
        }
    }
    Ok(())
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
    Open(OpenArgs),
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

/// Which phone, and how to reach it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Phone")]
pub struct PhoneArgs {
    /// Use the phone with this serial number [env: ANDROID_SERIAL]
    #[arg(short, long)]
    pub serial: Option<String>,
    /// Connect to the phone's daemon at this address, without an adb server [port: 5555]
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "serial")]
    pub tcp: Option<String>,
    /// Private key to offer first, in adb's format; can be repeated
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// Time to wait for a tap on "Allow", or for a phone that disappeared [default: 120]; if given,
    /// also for a phone to be attached
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=31_536_000))]
    pub wait: Option<u64>,
    /// Silence after which the phone counts as disappeared
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub idle_timeout: u64,
}

/// Whom to guide.
#[derive(Debug, Clone, Args)]
pub struct GuideArgs {
    /// The phone
    #[command(flatten)]
    pub phone: PhoneArgs,
}

/// What to list.
#[derive(Debug, Clone, Args)]
pub struct DevicesArgs {
    /// Keep watching, and report each phone that appears, changes or disappears
    #[arg(long)]
    pub watch: bool,
}

/// What to examine.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Print the udev rules that let you open phones (Linux)
    #[arg(long, conflicts_with = "install_udev_rules")]
    pub print_udev_rules: bool,
    /// Install the udev rules after asking; requires sudo or pkexec (Linux)
    #[arg(long)]
    pub install_udev_rules: bool,
    /// Install the udev rules without asking
    #[arg(long, requires = "install_udev_rules")]
    pub yes: bool,
    /// The phone
    #[command(flatten)]
    pub phone: PhoneArgs,
}

/// How to unlock.
#[derive(Debug, Clone, Args)]
pub struct UnlockArgs {
    /// Try again although the last attempt failed or its outcome is unknown
    #[arg(long)]
    pub again: bool,
    /// Route for the keys
    #[arg(long, value_name = "WAY")]
    pub over: Option<Way>,
    /// What opens its lock
    #[command(flatten)]
    pub secret: LockSecretArgs,
    /// The phone
    #[command(flatten)]
    pub phone: PhoneArgs,
}

/// The way keys go to the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// As a keyboard over the cable
    Cable,
    /// Through USB debugging, which must be allowed
    Adb,
}

/// What opens a phone's lock. It never stands on the command line, which others can see.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Lock")]
pub struct LockSecretArgs {
    /// Read the PIN or password from the first line of this file; "-" is standard input
    #[arg(long, value_name = "FILE")]
    pub pin_file: Option<PathBuf>,
    /// The lock is a pattern, entered as digits: 1 is the upper left dot, 9 the lower right
    #[arg(long)]
    pub pattern: bool,
    /// Positions of dots 1 and 9, in percent of the display's width and height
    #[arg(long, value_name = "X1,Y1,X9,Y9", requires = "pattern")]
    pub grid: Option<crate::phone::accessory::secret::Grid>,
}

/// How to be allowed.
#[derive(Debug, Clone, Args)]
pub struct AuthorizeArgs {
    /// Do not ask for a PIN: the phone is unlocked
    #[arg(long, conflicts_with_all = ["pin_file", "pattern"])]
    pub unlocked: bool,
    /// Try again although the last PIN failed or its outcome is unknown
    #[arg(long)]
    pub again: bool,
    /// What opens its lock
    #[command(flatten)]
    pub secret: LockSecretArgs,
    /// The phone
    #[command(flatten)]
    pub phone: PhoneArgs,
}

/// What to press.
#[derive(Debug, Clone, Args)]
pub struct KeysArgs {
    /// Use the phone with this serial number [env: ANDROID_SERIAL]
    #[arg(short, long)]
    pub serial: Option<String>,
    /// Run this script ("-" is standard input)
    ///
    /// One step per line: press Tab Down*3 Ctrl+a Home; type TEXT; wait MILLISECONDS; tap X Y; swipe X Y
    /// X Y (percent); hold VolumeUp VolumeDown 3500; wake; sleep; say TEXT; check TEXT; secret TEXT.
    #[arg(long, value_name = "FILE", conflicts_with = "recipe", group = "steps")]
    pub script: Option<PathBuf>,
    /// Run this recipe, step by step
    #[arg(long, group = "steps")]
    pub recipe: Option<crate::phone::accessory::script::Recipe>,
    /// Print the recipe or script without pressing anything
    #[arg(long, requires = "steps")]
    pub show: bool,
    /// Continue at each "check" without asking
    #[arg(long)]
    pub yes: bool,
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
    /// Include only matching paths, as in 'DCIM/**' or '**/*.jpg'; can be repeated
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Exclude matching paths; can be repeated
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Pull everything below this folder of the phone instead; can be repeated
    #[arg(long = "root", value_name = "PATH")]
    pub roots: Vec<String>,
    /// Pull every file, not only media
    #[arg(long)]
    pub all: bool,
    /// Pull only files of this day (YYYY-MM-DD) or later, by name or modification time
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub since: Option<chrono::NaiveDate>,
    /// Include only photos (with --videos: photos and videos)
    #[arg(long)]
    pub photos: bool,
    /// Include only videos (with --photos: photos and videos)
    #[arg(long)]
    pub videos: bool,
}

/// A rescue folder.
#[derive(Debug, Clone, Args)]
pub struct FolderArgs {
    /// The rescue folder
    #[arg(add = complete::rescue_folders())]
    pub folder: PathBuf,
}

/// A rescue folder to look at.
#[derive(Debug, Clone, Args)]
pub struct OpenArgs {
    /// The rescue folder [default: the latest one in this folder]
    #[arg(add = complete::rescue_folders())]
    pub folder: Option<PathBuf>,
}

/// A rescue folder, and maybe its phone.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The rescue folder
    #[arg(add = complete::rescue_folders())]
    pub folder: PathBuf,
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

/// What goes into an archive, and where it goes.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// The rescue folder
    #[arg(add = complete::rescue_folders())]
    pub folder: PathBuf,
    /// Archive to write [default: beside the folder, with its name and .zip]
    #[arg(short, long, value_name = "FILE.zip")]
    pub output: Option<PathBuf>,
    /// Replace an existing archive
    #[arg(long)]
    pub force: bool,
    /// Fail instead of making an archive with missing files
    #[arg(long)]
    pub strict: bool,
    /// Sort files into months, as in 2024/2024-08, and pack identical files once
    #[arg(long)]
    pub by_date: bool,
    /// Maximum size of an archive, as in 25M, 4G, 650MiB; makes several, each valid alone
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub split: Option<u64>,
    /// What to take
    #[command(flatten)]
    pub choice: ExportChoiceArgs,
    /// How to keep it from other eyes
    #[command(flatten)]
    pub protection: ProtectionArgs,
}

/// How an archive is kept from other eyes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Protection")]
pub struct ProtectionArgs {
    /// Encrypt the files with AES-256 and a passphrase, read from a prompt
    ///
    /// 7-Zip, WinZip and macOS tools such as Keka open it. The files' names and sizes stay readable.
    #[arg(long)]
    pub encrypt: bool,
    /// Read the passphrase from the first line of this file; "-" is standard input
    #[arg(long, value_name = "FILE", requires = "encrypt")]
    pub passphrase_file: Option<PathBuf>,
    /// Encrypt the whole archive to this recipient of age; can be repeated
    ///
    /// Names and sizes are hidden too. Only the recipient needs age, or another program for its format.
    #[arg(long, value_name = "RECIPIENT", conflicts_with = "encrypt")]
    pub age: Vec<String>,
}

/// What goes into an archive.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Choice")]
pub struct ExportChoiceArgs {
    /// Include unverified files, older versions, and the remains of damaged files
    #[arg(long)]
    pub include_unverified: bool,
    /// Include only files taken on this day (YYYY-MM-DD) or later
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub since: Option<chrono::NaiveDate>,
    /// Include only files taken on this day (YYYY-MM-DD) or earlier
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub until: Option<chrono::NaiveDate>,
    /// Include only photos (with --videos: photos and videos)
    #[arg(long)]
    pub photos: bool,
    /// Include only videos (with --photos: photos and videos)
    #[arg(long)]
    pub videos: bool,
    /// Include only matching paths, as in 'DCIM/**' or '**/*.jpg'; can be repeated
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Exclude matching paths; can be repeated
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
}

/// Reads a day.
fn day(text: &str) -> Result<chrono::NaiveDate, String> {
    let day = text.trim().parse();
    day.map_err(|_| "no such day: give one as in 2026-06-01".to_owned())
}

/// A number of bytes. A limit that is met in powers of 1000 is met in powers of 1024 too, so `4G`
/// suits everybody who says "4 GB"; who means 1024 says `GiB`.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let factor = match unit.to_ascii_lowercase().as_str() {
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => 0_u64,
    };
    let size = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor));
    size.filter(|size| *size >= 1_000_000)
        .ok_or_else(|| "at least 1M is needed; write it as in 25M, 4G or 650MiB".to_owned())
}

/// What to do with remotes.
#[derive(Debug, Clone, Subcommand)]
pub enum RemoteCommand {
    /// Set up a remote
    ///
    /// On a terminal, asks for whatever is missing.
    ///
    /// Passwords and keys are read from a prompt, from --secret-file or from the variable
    /// RESCUE_REMOTE_SECRET; never from the command line, which others can see.
    Add(RemoteAddArgs),
    /// List the remotes
    List,
    /// Sign in to a remote again, in a browser
    Login(RemoteNameArgs),
    /// Test a remote: write, read back and remove a tiny file
    Test(RemoteNameArgs),
    /// Remove a remote and its secret; files that were sent stay there
    Remove(RemoteNameArgs),
}

/// A remote's name.
#[derive(Debug, Clone, Args)]
pub struct RemoteNameArgs {
    /// The remote's name
    #[arg(add = complete::remotes())]
    pub name: String,
}

/// A remote to be.
#[derive(Debug, Clone, Args)]
#[command(subcommand_value_name = "KIND", subcommand_help_heading = "Kinds")]
pub struct RemoteAddArgs {
    /// Name for the remote
    pub name: Option<String>,
    /// What kind it is
    #[command(subcommand)]
    pub(crate) kind: Option<KindOptions>,
    /// File with the password or key
    #[arg(long, value_name = "FILE", global = true)]
    pub secret_file: Option<PathBuf>,
    /// Where to keep the secret [default: the keyring if there is one, else the settings file]
    #[arg(long, value_enum, value_name = "PLACE", global = true)]
    pub keep_in: Option<SecretPlace>,
    /// Save the remote without trying it: nothing is sent over the network, except to sign in
    #[arg(long, global = true)]
    pub no_test: bool,
    /// A kind whose required arguments are not all given
    #[arg(skip)]
    pub begun: Option<Box<incomplete::BegunKind>>,
}

/// What to send, and where to.
#[derive(Debug, Clone, Args)]
pub struct UploadArgs {
    /// The rescue folder
    #[arg(add = complete::rescue_folders())]
    pub folder: PathBuf,
    /// The remote's name
    #[arg(long, value_name = "REMOTE", add = complete::remotes())]
    pub to: String,
    /// Sort files into months by the day they were taken
    #[arg(long)]
    pub by_date: bool,
    /// Folder of the remote to upload into [default: the phone's name]
    #[arg(long, value_name = "FOLDER", conflicts_with = "by_date")]
    pub into: Option<String>,
    /// Album for all files (Immich and Google Photos)
    #[arg(long, value_name = "NAME", conflicts_with = "archive")]
    pub album: Option<String>,
    /// One album per folder, named after it (Immich and Google Photos)
    #[arg(long, conflicts_with_all = ["album", "archive"])]
    pub album_per_folder: bool,
    /// Quality of the uploaded pictures (Immich and Google Photos)
    #[arg(long, value_enum, default_value_t = Quality::Original)]
    pub quality: Quality,
    /// File to send instead of the photos, such as an exported archive; can be repeated
    #[arg(long, value_name = "FILE")]
    pub archive: Vec<PathBuf>,
    /// Size limits to respect (Google Photos)
    #[arg(long, value_enum, default_value_t = LimitsOf::Now)]
    pub limits: LimitsOf,
    /// Keep running, and send the files of each new pull, until Ctrl-C
    #[arg(long, conflicts_with_all = ["dry_run", "check", "archive"])]
    pub watch: bool,
    /// List the files that would be sent, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Send nothing; compare the remote with the receipts
    #[arg(
        long,
        conflicts_with = "dry_run",
        value_name = "HOW",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "content"
    )]
    pub check: Option<CheckHow>,
    /// What to send
    #[command(flatten)]
    pub choice: UploadChoiceArgs,
    /// How to send
    #[command(flatten)]
    pub pace: PaceArgs,
}

/// How closely `upload --check` compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CheckHow {
    /// By content: the service's own checksum, or every byte read back
    Content,
    /// By what the service lists: names and sizes
    Quick,
}

/// Which limits of Google Photos to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LimitsOf {
    /// Photos of 200 MB, videos of 20 GB
    Now,
    /// Photos of 75 MB and 100 megapixels, videos of 10 GB
    #[value(name = "2018")]
    Of2018,
}

/// How good pictures are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Quality {
    /// Unchanged
    Original,
    /// JPEGs of more than 16 megapixels as copies of 16 megapixels, with their metadata; motion
    /// photos and other formats unchanged
    StorageSaver,
}

/// What to send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Choice")]
pub struct UploadChoiceArgs {
    /// Send only photos (with --videos: photos and videos)
    #[arg(long)]
    pub photos: bool,
    /// Send only videos (with --photos: photos and videos)
    #[arg(long)]
    pub videos: bool,
    /// Send only files taken on this day (YYYY-MM-DD) or later
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub since: Option<chrono::NaiveDate>,
    /// Send only files taken on this day (YYYY-MM-DD) or earlier
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub until: Option<chrono::NaiveDate>,
    /// Send only matching paths, as in 'DCIM/**' or '**/*.jpg'; can be repeated
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Exclude matching paths; can be repeated
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Also send unverified files
    #[arg(long, alias = "unverified")]
    pub include_unverified: bool,
}

/// How to send.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pace")]
pub struct PaceArgs {
    /// Maximum rate in bytes per second, as in 500K or 5M
    #[arg(long, value_name = "RATE", value_parser = crate::upload::limit::parse_rate)]
    pub limit: Option<u64>,
    /// Number of parallel uploads
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub parallel: u16,
    /// Number of attempts for each file
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub tries: u32,
    /// Wait for a connection as long as it takes
    #[arg(long)]
    pub wait: bool,
}

/// What to do with the phone's display.
#[derive(Debug, Clone, Args)]
pub struct ScreenArgs {
    /// PNG file to write [default: named after the phone and the time]
    #[arg(short, long, value_name = "FILE.png", conflicts_with = "live")]
    pub output: Option<PathBuf>,
    /// Serve a page on this computer that shows the display and passes on taps, swipes and text
    #[arg(long)]
    pub live: bool,
    /// Port of 127.0.0.1 for the page [default: any free port]
    #[arg(
        long,
        requires = "live",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub port: u16,
    /// The phone
    #[command(flatten)]
    pub phone: PhoneArgs,
}

/// A phone's address.
#[derive(Debug, Clone, Args)]
pub struct ConnectArgs {
    /// The phone's address, as its "Wireless debugging" page shows it
    #[arg(value_name = "HOST:PORT")]
    pub address: String,
    /// Pairing code; HOST:PORT is then the address that the pairing dialog shows
    #[arg(long, value_name = "CODE")]
    pub pair: Option<String>,
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
    fn days_that_are_none_are_answered_with_an_example() {
        assert!(day("2024-02-29").is_ok());
        for text in ["2024-02-31", "yesterday", "June", ""] {
            let words = day(text).unwrap_err();
            assert!(words.contains("2026-06-01"), "{text}: {words}");
        }
    }

    #[test]
    fn arguments_cannot_steer_a_terminal_in_an_error() {
        let name = "a\nerror: b\u{1b}[2J\u{202e}c";
        for line in [
            &["rescue", name][..],
            &["rescue", "pull", &format!("--{name}")],
            &["rescue", "export", "f", "--split", name],
            &["rescue", "upload", "f", "--to", "x", "--quality", name],
            &["rescue", "remote", "add", "x", name],
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
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("25M", 25_000_000),
            ("4G", 4_000_000_000),
            ("4gb", 4_000_000_000),
            ("650MiB", 681_574_400),
            ("4GiB", 4_294_967_296),
            ("1000k", 1_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "4",
            "G",
            "-4G",
            "4.5G",
            "1k",
            "0G",
            "4X",
            "99999999999T",
            "４G",
        ] {
            assert!(size(text).is_err(), "{text}");
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
