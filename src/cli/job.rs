//! Whose phone it is, as a repair shop writes it on each rescue.

use clap::Args;

use crate::folder::job::{customer_of, note_of};

/// Whose phone it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Job")]
pub struct JobArgs {
    /// Record whose phone this is, for the report and the manifest; "" removes it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["all_phones", "dry_run"], value_parser = customer_of)]
    pub customer: Option<String>,
    /// Record a note about this phone, such as a job number; "" removes it
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["all_phones", "dry_run"], value_parser = note_of)]
    pub note: Option<String>,
}
