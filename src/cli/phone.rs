//! Arguments of the commands that find, open and drive a phone, and of all that need one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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

/// How to show the page, and for which phone.
#[derive(Debug, Clone, Args)]
pub struct DeskArgs {
    /// Print the page's address only, and open no browser
    #[arg(long)]
    pub no_open: bool,
    /// Port of 127.0.0.1 for the page [default: any free port]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
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
