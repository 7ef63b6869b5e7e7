//! Arguments of `remote` and `upload`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::choice::{DaysArgs, MediaArgs, PatternArgs};
use super::complete;
use super::edit::RemoteEditArgs;
use crate::upload::kinds::KindOptions;
use crate::upload::settings::SecretPlace;

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
    /// Change a remote; what is not given stays
    ///
    /// Without options it asks, and shows the present values. The kind itself cannot change, and may be left out here.
    /// The password or key stays unless --secret-file or RESCUE_REMOTE_SECRET gives another one.
    Edit(RemoteEditArgs),
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
    /// File with the password or key; "-" is standard input
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
    pub begun: Option<Box<BegunKind>>,
}

/// A kind of remote with some of its arguments.
#[derive(Debug, Clone)]
pub struct BegunKind {
    /// The kind's name.
    pub name: String,
    /// The ids of the given arguments.
    pub given: Vec<String>,
    /// The given options, as words of a command line.
    pub options: Vec<OsString>,
    /// The given arguments that are not options.
    pub places: Vec<OsString>,
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
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["photos", "videos", "since", "until", "include", "exclude", "include_unverified"]
    )]
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
#[derive(Debug, Clone, Default, Args)]
#[command(
    next_help_heading = "Choice",
    mut_arg("photos", |it| it.help("Send only photos (with --videos: photos and videos)")),
    mut_arg("videos", |it| it.help("Send only videos (with --photos: photos and videos)")),
    mut_arg("since", |it| it.help("Send only files taken on this day (YYYY-MM-DD) or later")),
    mut_arg("until", |it| it.help("Send only files taken on this day (YYYY-MM-DD) or earlier")),
    mut_arg("include", |it| {
        it.help("Send only matching paths, as in 'DCIM/**' or '**/*.jpg'; can be repeated")
    })
)]
pub struct UploadChoiceArgs {
    /// Of which kinds
    #[command(flatten)]
    pub media: MediaArgs,
    /// Of which days
    #[command(flatten)]
    pub days: DaysArgs,
    /// By which paths
    #[command(flatten)]
    pub patterns: PatternArgs,
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
