//! What to pull, as the options say.

use std::path::PathBuf;

use super::claims::Claims;
use crate::adb::RemotePath;
use crate::cli::{ChoiceArgs, JobArgs, PullArgs};
use crate::commands::choice::kinds_of;
use crate::error::{Error, Kind};
use crate::folder::{JobLabel, LabelTooLong};
use crate::media::choice::Selection;
use crate::pull::enumerate::Roots;

/// What to pull, as decided.
pub(in crate::commands) struct PullOrder {
    pub(in crate::commands) output: Option<PathBuf>,
    /// Whether each phone gets a folder below `output`, named after it.
    pub(in crate::commands) folder_each: bool,
    pub(in crate::commands) selection: Selection,
    pub(in crate::commands) roots: Roots,
    pub(in crate::commands) dry_run: bool,
    pub(in crate::commands) no_verify: bool,
    /// Whether a new folder is begun where one of this phone is there.
    pub(in crate::commands) new_folder: bool,
    /// Whether the folder that is named is this phone's, whatever speaks against it.
    pub(in crate::commands) same_phone: bool,
    /// Folders that this process pulls into.
    pub(in crate::commands) claims: Claims,
    /// Whether what fails is known from now on.
    pub(in crate::commands) accept_failed: bool,
    /// What is run when it has ended.
    pub(in crate::commands) on_done: Option<String>,
    /// Whose phone it is.
    pub(in crate::commands) job: JobArgs,
    /// What the person typed.
    pub(in crate::commands) choice: ChoiceArgs,
}

impl PullOrder {
    pub(super) fn of(args: &PullArgs) -> Result<Self, Error> {
        let PullArgs {
            output,
            choice,
            dry_run,
            no_verify,
            all_phones,
            new_folder,
            same_phone,
            accept_failed,
            on_done,
            job,
            ..
        } = args;
        let roots = match choice.roots.as_slice() {
            [] => Roots::Volumes,
            named => Roots::Named(
                named
                    .iter()
                    .map(|root| remote_path(root))
                    .collect::<Result<_, _>>()?,
            ),
        };
        let selection = selection_of(choice)?;
        Ok(Self {
            output: output.clone(),
            folder_each: *all_phones,
            selection,
            roots,
            dry_run: *dry_run,
            no_verify: *no_verify,
            new_folder: *new_folder,
            same_phone: *same_phone,
            claims: Claims::default(),
            accept_failed: *accept_failed,
            on_done: on_done.clone(),
            job: job.clone(),
            choice: choice.clone(),
        })
    }

    /// The label that the folder gets: what is not given stays.
    pub(super) fn label(&self, known: &JobLabel) -> Result<JobLabel, LabelTooLong> {
        let JobArgs { customer, note } = &self.job;
        known.with(customer.as_deref(), note.as_deref())
    }
}

fn selection_of(choice: &ChoiceArgs) -> Result<Selection, Error> {
    // What is named by its folder is wanted wholly.
    let everything = choice.all || !choice.roots.is_empty();
    Selection {
        everything,
        kinds: kinds_of(&choice.media),
        since: choice.since,
        ..Selection::default()
    }
    .with_globs(&choice.patterns.include, &choice.patterns.exclude)
}

fn remote_path(text: &str) -> Result<RemotePath, Error> {
    RemotePath::new(text.as_bytes()).map_err(|error| {
        Error::new(Kind::Usage, format!("'{text}' is not a path on the phone"))
            .caused_by(error)
            .with_hint("give an absolute path, as in /storage/emulated/0/DCIM")
    })
}
