//! Arguments of `export`.

use std::path::PathBuf;

use clap::Args;

use super::choice::{DaysArgs, MediaArgs, PatternArgs};
use super::complete;
use super::values::size;

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
    /// Of which days
    #[command(flatten)]
    pub days: DaysArgs,
    /// Of which kinds
    #[command(flatten)]
    pub media: MediaArgs,
    /// By which paths
    #[command(flatten)]
    pub patterns: PatternArgs,
}
