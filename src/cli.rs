//! The command line: types and help texts only.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Get the photos off an Android phone with a broken screen, proven byte for byte
///
/// Plug the phone in with USB debugging on and run `rescue pull`. Everything on the phone is only
/// read, nothing is changed.
#[derive(Debug, Parser)]
#[command(name = "rescue", version, max_term_width = 100)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// How to talk
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How to talk.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print JSON lines on standard output, each with a "type"
    #[arg(long, global = true)]
    pub json: bool,
    /// Print nothing but results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Tell more of what happens, for a bug report
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
    /// List the phones that can be seen, and what state each is in
    Devices,
    /// Tell what stands between this computer and a phone, and what to do next
    Doctor(DoctorArgs),
    /// Copy photos, videos and other media off the phone, and prove each copy
    Pull(PullArgs),
    /// Tell what a rescue folder holds, and what is missing
    Status(FolderArgs),
    /// Read every file of a rescue folder again and compare it with what was recorded
    Verify(VerifyArgs),
    /// Make one archive of a rescue folder that anyone can open, check and look at
    Export(ExportArgs),
    /// Connect to a phone over Wi-Fi, through the adb server that runs here
    Connect(ConnectArgs),
    /// Try everything on a phone that is built in: nothing has to be plugged in
    #[cfg(feature = "virtual-phone")]
    Demo(DemoArgs),
    /// Serve the built-in phone on 127.0.0.1, with many files made on the fly, for measurements
    #[cfg(feature = "virtual-phone")]
    #[command(hide = true)]
    VirtualPhone(VirtualPhoneArgs),
    /// Print shell completions or the manual page
    #[command(hide = true, subcommand)]
    Generate(Generate),
}

/// Which phone, and how to reach it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Phone")]
pub struct PhoneArgs {
    /// Use the phone with this serial number
    #[arg(short, long, env = "ANDROID_SERIAL")]
    pub serial: Option<String>,
    /// Talk to the phone's daemon at this address, with no adb server between [port: 5555]
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "serial")]
    pub tcp: Option<String>,
    /// Offer this private key first (a file as adb writes it); may be given several times
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// Wait so long for somebody to tap "Allow", or for the phone to come back
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
    /// Take a phone for gone when it says nothing for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub idle_timeout: u64,
}

/// What to examine.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// The phone
    #[command(flatten)]
    pub phone: PhoneArgs,
    /// Print the udev rules that let the person at this computer open phones (Linux)
    #[arg(long, conflicts_with = "install_udev_rules")]
    pub print_udev_rules: bool,
    /// Put the udev rules in place, after asking; needs sudo or pkexec (Linux)
    #[arg(long)]
    pub install_udev_rules: bool,
    /// Install the udev rules without a question
    #[arg(long, requires = "install_udev_rules")]
    pub yes: bool,
}

/// What to pull, and where to.
#[derive(Debug, Clone, Args)]
pub struct PullArgs {
    /// The phone
    #[command(flatten)]
    pub phone: PhoneArgs,
    /// Put the rescue folder here [default: a folder named after model, serial number and date]
    ///
    /// Running again with the same folder takes only what is new or unfinished.
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Pull from every phone that is attached, at once, each into a folder named after it (below
    /// the folder of -o)
    #[arg(long, conflicts_with_all = ["serial", "tcp"])]
    pub all_phones: bool,
    /// What to take
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Only list what would be pulled
    #[arg(long)]
    pub dry_run: bool,
    /// Do not compare with the phone's own hashes; the result is marked as not verified
    #[arg(long)]
    pub no_verify: bool,
}

/// What to take.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Choice")]
pub struct ChoiceArgs {
    /// Take only what matches, as in 'DCIM/**'; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Leave out what matches; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Take everything below this folder of the phone instead; may be given several times
    #[arg(long = "root", value_name = "PATH")]
    pub roots: Vec<String>,
    /// Take every file, not only media
    #[arg(long)]
    pub all: bool,
    /// Take only what was changed on this day (YYYY-MM-DD) or later
    #[arg(long, value_name = "DATE")]
    pub since: Option<chrono::NaiveDate>,
    /// Take only photos (with --videos: photos and videos)
    #[arg(long)]
    pub photos: bool,
    /// Take only videos (with --photos: photos and videos)
    #[arg(long)]
    pub videos: bool,
}

/// A rescue folder.
#[derive(Debug, Clone, Args)]
pub struct FolderArgs {
    /// The rescue folder
    pub folder: PathBuf,
}

/// A rescue folder, and maybe its phone.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The rescue folder
    pub folder: PathBuf,
    /// Compare with the phone's own hashes again, too
    #[arg(long = "phone")]
    pub with_phone: bool,
    /// The phone
    #[command(flatten)]
    pub phone: PhoneArgs,
}

/// What goes into an archive, and where it goes.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// The rescue folder
    pub folder: PathBuf,
    /// Put the archive here [default: beside the folder, with its name and .zip]
    #[arg(short, long, value_name = "FILE.zip")]
    pub output: Option<PathBuf>,
    /// Replace the archive when there is one already
    #[arg(long)]
    pub force: bool,
    /// Make no archive when anything would be missing from it
    #[arg(long)]
    pub strict: bool,
    /// What to take
    #[command(flatten)]
    pub choice: ExportChoiceArgs,
}

/// What goes into an archive.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Choice")]
pub struct ExportChoiceArgs {
    /// Take also what the phone did not confirm, older versions, and the rests of damaged files
    #[arg(long)]
    pub include_unverified: bool,
    /// Take only photos (with --videos: photos and videos)
    #[arg(long)]
    pub photos: bool,
    /// Take only videos (with --photos: photos and videos)
    #[arg(long)]
    pub videos: bool,
    /// Take only what matches, as in 'DCIM/**'; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Leave out what matches; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
}

/// A phone's address.
#[derive(Debug, Clone, Args)]
pub struct ConnectArgs {
    /// The phone's address, as its "Wireless debugging" page shows it
    #[arg(value_name = "HOST:PORT")]
    pub address: String,
    /// Pair with this code first; the address is then that of the pairing dialog
    #[arg(long, value_name = "CODE")]
    pub pair: Option<String>,
}

/// Where the demonstration goes.
#[cfg(feature = "virtual-phone")]
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Put the rescue folder here [default: rescue-demo]
    pub folder: Option<PathBuf>,
}

/// What the served phone holds.
#[cfg(feature = "virtual-phone")]
#[derive(Debug, Clone, Args)]
pub struct VirtualPhoneArgs {
    /// So many photos
    #[arg(long, default_value_t = 1000)]
    pub files: u64,
    /// Of so many bytes each
    #[arg(long, default_value_t = 50_000)]
    pub size: u64,
}

/// What to print.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Generate {
    /// Shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The manual page, as roff
    Man,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
