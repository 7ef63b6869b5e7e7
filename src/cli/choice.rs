//! The options that choose files, the same wherever files are chosen.

use clap::Args;

use super::values::day;

/// Of which kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct MediaArgs {
    /// Include only photos (with --videos: photos and videos)
    #[arg(long)]
    pub photos: bool,
    /// Include only videos (with --photos: photos and videos)
    #[arg(long)]
    pub videos: bool,
}

/// Of which days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct DaysArgs {
    /// Include only files taken on this day (YYYY-MM-DD) or later
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub since: Option<chrono::NaiveDate>,
    /// Include only files taken on this day (YYYY-MM-DD) or earlier
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub until: Option<chrono::NaiveDate>,
}

/// By which paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct PatternArgs {
    /// Include only matching paths, as in 'DCIM/**' or '**/*.jpg'; can be repeated
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Exclude matching paths; can be repeated
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
}
