//! Explains a choice that matches none of the files of a rescue folder.

use std::path::Path;

use crate::error::{Error, Kind};
use crate::folder::Folder;
use crate::ui::{count, typed};

/// The options that left nothing.
pub(super) struct TriedChoice<'a> {
    pub(super) include: &'a [String],
    pub(super) exclude: &'a [String],
    /// Whether photos or videos were asked for.
    pub(super) is_of_kinds: bool,
    /// Whether a first or a last day was given.
    pub(super) is_of_days: bool,
}

impl TriedChoice<'_> {
    /// Whether anything was chosen at all.
    fn is_any(&self) -> bool {
        let patterns = self.include.len() + self.exclude.len();
        patterns > 0 || self.is_of_kinds || self.is_of_days
    }

    /// The error; `None` where nothing was chosen.
    pub(super) fn error(&self, folder: &Folder, path: &Path) -> Result<Option<Error>, Error> {
        if !self.is_any() {
            return Ok(None);
        }
        let summary = folder.catalogue().summary()?;
        let here = [summary.pulled, summary.verified].map(|count| count.files);
        let message = format!(
            "none of the {} in {} matches the options given",
            count(here.iter().sum(), "file"),
            path.display()
        );
        let hint = if !self.include.is_empty() && self.is_of_days {
            "leave out the patterns, or --since and --until, to see which of them matches nothing: a pattern matches a whole path, as in '**/WhatsApp/**', and a day is the one on which a picture was taken".to_owned()
        } else if !self.include.is_empty() {
            "a pattern matches a whole path, as in 'DCIM/Camera/*.jpg' or '**/WhatsApp/**'"
                .to_owned()
        } else if self.is_of_days {
            format!(
                "--since and --until go by the day on which a picture was taken: `rescue open {}` shows the months",
                typed(path)
            )
        } else if self.is_of_kinds {
            "leave --photos and --videos out to take files of every kind".to_owned()
        } else {
            "leave --exclude out, or exclude less".to_owned()
        };
        Ok(Some(
            Error::new(Kind::NothingMatches, message).with_hint(hint),
        ))
    }
}
