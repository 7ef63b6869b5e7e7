//! What the options that choose files mean, and the explanation of a choice that matches none of the files of a
//! rescue folder.

use std::path::Path;

use crate::cli::{DaysArgs, MediaArgs, PatternArgs};
use crate::error::{Error, Kind};
use crate::folder::Folder;
use crate::media::kind::MediaKind;
use crate::media::taken::Days;
use crate::ui::{count, typed};

/// The kinds that the options name; none for all.
pub(super) fn kinds_of(media: &MediaArgs) -> Vec<MediaKind> {
    let kinds = [
        (media.photos, MediaKind::Photo),
        (media.videos, MediaKind::Video),
    ];
    let named = kinds.into_iter().filter(|(is_named, _)| *is_named);
    named.map(|(_, kind)| kind).collect()
}

pub(super) fn days_of(days: &DaysArgs) -> Days {
    Days {
        since: days.since,
        until: days.until,
    }
}

/// Refuses a time that ends before it begins: nothing is of it, and another hint would lead astray.
pub(super) fn check_days(days: &DaysArgs) -> Result<(), Error> {
    match (days.since, days.until) {
        (Some(since), Some(until)) if since > until => {
            let message =
                format!("--since {since} is later than --until {until}: no day lies between");
            let hint = format!("swap them: --since {until} --until {since}");
            Err(Error::new(Kind::Usage, message).with_hint(hint))
        }
        _ => Ok(()),
    }
}

/// The options that left nothing.
pub(super) struct TriedChoice<'a> {
    pub(super) media: &'a MediaArgs,
    pub(super) days: &'a DaysArgs,
    pub(super) patterns: &'a PatternArgs,
}

impl TriedChoice<'_> {
    /// Whether anything was chosen at all.
    pub(super) fn is_any(&self) -> bool {
        self.is_of_kinds() || self.is_of_days() || *self.patterns != PatternArgs::default()
    }

    fn is_of_kinds(&self) -> bool {
        *self.media != MediaArgs::default()
    }

    fn is_of_days(&self) -> bool {
        *self.days != DaysArgs::default()
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
        let hint = if !self.patterns.include.is_empty() && self.is_of_days() {
            "leave out the patterns, or --since and --until, to see which of them matches nothing: a pattern matches a whole path, as in '**/WhatsApp/**', and a day is the one on which a picture was taken".to_owned()
        } else if !self.patterns.include.is_empty() {
            "a pattern matches a whole path, as in 'DCIM/Camera/*.jpg' or '**/WhatsApp/**'"
                .to_owned()
        } else if self.is_of_days() {
            format!(
                "--since and --until go by the day on which a picture was taken: `rescue open {}` shows the months",
                typed(path)
            )
        } else if self.is_of_kinds() {
            "leave --photos and --videos out to take files of every kind".to_owned()
        } else {
            "leave --exclude out, or exclude less".to_owned()
        };
        Ok(Some(
            Error::new(Kind::NothingMatches, message).with_hint(hint),
        ))
    }
}
