//! The user's selection: folders to walk and items to take. Pure.

mod folders;
mod globs;

use chrono::NaiveDate;

pub(crate) use self::folders::{in_data, is_private_folder};
use self::folders::{is_media_folder, is_worthless};
pub(crate) use self::globs::{Globs, Spot};
use super::kind::{FIRST_BYTES, MediaKind, original_name};
use super::taken::last_day;
use crate::adb::RemotePath;
use crate::error::Error;
use crate::item::Item;

/// What the person asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Take everything, not only media.
    pub everything: bool,
    /// Take only these kinds; empty takes all.
    pub kinds: Vec<MediaKind>,
    /// Take only items of this day or later, by [`last_day`]; those of which no day is known too, because their bytes
    /// may tell it.
    pub since: Option<NaiveDate>,
    /// Take only what one of these matches; `None` takes all.
    pub include: Option<Globs>,
    /// The same patterns at any depth: what would have matched, where nothing does.
    pub deeper: Globs,
    /// Do not take what one of these matches.
    pub exclude: Globs,
}

/// What to do with a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// Take every file in it and below.
    Everything,
    /// Take media files in it, and look below.
    MediaOnly,
    /// Leave it alone.
    Skip,
}

/// Whether an item is wanted, as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is.
    Wanted,
    /// Its first bytes may tell that it is.
    Undecided,
    /// It is not.
    Left(Left),
}

/// Why an item is left on the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The person's choice leaves it.
    Choice(Filter),
    /// It is outside the known folders and no photo, video or sound.
    NoMedia,
}

/// Which part of the person's choice leaves an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Its kind.
    Kind,
    /// The time of its last change.
    Since,
    /// No pattern matches it.
    Include,
    /// A pattern excludes it.
    Exclude,
}

impl Selection {
    /// Adds glob patterns; see [`Globs::matches`].
    pub(crate) fn with_globs(
        mut self,
        include: &[String],
        exclude: &[String],
    ) -> Result<Self, Error> {
        self.include = if include.is_empty() {
            None
        } else {
            Some(Globs::new(include)?)
        };
        let at_any_depth = |pattern: &String| {
            let pattern = pattern.trim_matches('/');
            [format!("**/{pattern}"), format!("**/{pattern}/**")]
        };
        let deeper: Vec<_> = include.iter().flat_map(at_any_depth).collect();
        // A pattern that cannot stand behind another is no reason to refuse it.
        self.deeper = Globs::new(&deeper).unwrap_or_default();
        self.exclude = Globs::new(exclude)?;
        Ok(self)
    }

    /// Whether everything that is there is wanted, within the folders that are left alone.
    pub(crate) fn takes_all(&self) -> bool {
        self.kinds.is_empty()
            && self.since.is_none()
            && self.include.is_none()
            && self.exclude.is_empty()
    }

    /// What to do with a folder, by its components below the volume's root.
    pub(crate) fn walk<'a>(&self, components: impl Iterator<Item = &'a [u8]> + Clone) -> Walk {
        if self.everything {
            return Walk::Everything;
        }
        if is_worthless(components.clone()) {
            return Walk::Skip;
        }
        match is_media_folder(components) {
            true => Walk::Everything,
            false => Walk::MediaOnly,
        }
    }

    /// Whether to take an item of this kind found in a folder walked so.
    pub(crate) fn judge(
        &self,
        item: &Item,
        kind: MediaKind,
        spot: Spot<'_>,
        walk: Walk,
    ) -> Verdict {
        let choice = |filter| Verdict::Left(Left::Choice(filter));
        if self.since.is_some_and(|since| is_older(item, since)) {
            return choice(Filter::Since);
        }
        let include = self.include.as_ref();
        if include.is_some_and(|globs| !globs.matches(&item.path, spot)) {
            return choice(Filter::Include);
        }
        if self.exclude.matches(&item.path, spot) {
            return choice(Filter::Exclude);
        }
        let is_of_wanted_kind = self.kinds.is_empty() || self.kinds.contains(&kind);
        let is_taken_here = match walk {
            Walk::Everything => true,
            Walk::MediaOnly => kind != MediaKind::Other,
            Walk::Skip => false,
        };
        match (is_of_wanted_kind && is_taken_here, kind) {
            (true, _) => Verdict::Wanted,
            (false, MediaKind::Other) if item.size >= FIRST_BYTES as u64 => Verdict::Undecided,
            (false, _) => self.left(kind, walk),
        }
    }

    /// Why an item is left whose kind is known for good.
    pub(crate) fn left(&self, kind: MediaKind, walk: Walk) -> Verdict {
        Verdict::Left(match (kind, walk) {
            (MediaKind::Other, Walk::MediaOnly | Walk::Skip) => Left::NoMedia,
            _ => Left::Choice(Filter::Kind),
        })
    }

    /// Whether a pattern would match an item if it stood for any depth.
    pub(crate) fn matches_deeper(&self, path: &RemotePath, spot: Spot<'_>) -> bool {
        self.deeper.matches(path, spot)
    }

    /// Whether something that the phone lists without being able to tell what it is may be an item
    /// to take, or a folder with such.
    pub(crate) fn may_want(&self, path: &RemotePath, volume: &RemotePath, walk: Walk) -> bool {
        let below = path.below(volume);
        let is_left_alone = below.is_some_and(|below| self.walk(below) == Walk::Skip);
        if walk != Walk::MediaOnly || is_left_alone {
            return walk == Walk::Everything;
        }
        let name = path.name();
        let looks_like_media = match original_name(name) {
            Some(_) => true,
            None => MediaKind::of_name(name) != MediaKind::Other,
        };
        // A file of another kind has an ending; few folders have.
        looks_like_media || !name.iter().skip(1).any(|byte| *byte == b'.')
    }
}

/// Whether an item was surely made before a day.
fn is_older(item: &Item, since: NaiveDate) -> bool {
    let name = String::from_utf8_lossy(item.path.name());
    last_day(&name, item.mtime).is_some_and(|day| day < since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn walk(selection: &Selection, path: &str) -> Walk {
        selection.walk(
            path.split('/')
                .filter(|part| !part.is_empty())
                .map(str::as_bytes),
        )
    }

    fn item(path: &str, mtime: i64) -> Item {
        Item {
            path: RemotePath::new(path.as_bytes()).unwrap(),
            size: 100,
            size_is_exact: true,
            mtime,
        }
    }

    /// By its name alone.
    fn judged(selection: &Selection, item: &Item, walk: Walk) -> Verdict {
        let volume = RemotePath::new(b"/storage/emulated/0").unwrap();
        let name = item.path.name();
        let kind = MediaKind::of_name(original_name(name).unwrap_or(name));
        selection.judge(item, kind, Spot::Volume(&volume, "internal"), walk)
    }

    /// 2024-08-18 in UTC.
    const NOON: i64 = 1_723_982_400;

    #[test]
    fn media_folders_are_taken_whole_and_others_by_kind() {
        let selection = Selection::default();
        assert_eq!(walk(&selection, "DCIM/Camera"), Walk::Everything);
        assert_eq!(
            walk(&selection, "android/MEDIA/com.whatsapp/WhatsApp/Databases"),
            Walk::Everything
        );
        assert_eq!(walk(&selection, "Android"), Walk::MediaOnly);
        assert_eq!(walk(&selection, ""), Walk::MediaOnly);
        assert_eq!(walk(&selection, "MyApp/pictures"), Walk::MediaOnly);
        for folder in ["Android/data", "Android/obb/x", "Android/data/com.x/files"] {
            assert_eq!(walk(&selection, folder), Walk::MediaOnly, "{folder}");
        }
        for folder in [
            "DCIM/.thumbnails",
            "Android/media/com.x/cache",
            "Android/data/com.x/cache/images",
        ] {
            assert_eq!(walk(&selection, folder), Walk::Skip, "{folder}");
        }
        let everything = Selection {
            everything: true,
            ..Selection::default()
        };
        assert_eq!(walk(&everything, "Android/data"), Walk::Everything);
    }

    #[test]
    fn filters_hold_together() {
        let photo = item("/storage/emulated/0/DCIM/Camera/a.jpg", NOON);
        let video = item("/storage/emulated/0/DCIM/Camera/a.mp4", NOON);
        let trashed = item("/storage/emulated/0/DCIM/Camera/.trashed-1-a.jpg", NOON);
        let unknown = item("/storage/emulated/0/DCIM/Camera/a", NOON);
        let photos = Selection {
            kinds: vec![MediaKind::Photo],
            since: NaiveDate::from_ymd_opt(2024, 8, 18),
            ..Selection::default()
        };
        let by_choice = |filter| Verdict::Left(Left::Choice(filter));
        let (everything, media) = (Walk::Everything, Walk::MediaOnly);
        assert_eq!(judged(&photos, &photo, everything), Verdict::Wanted);
        assert_eq!(judged(&photos, &trashed, media), Verdict::Wanted);
        assert_eq!(judged(&photos, &video, everything), by_choice(Filter::Kind));
        assert_eq!(judged(&photos, &unknown, everything), Verdict::Undecided);
        assert_eq!(
            judged(&Selection::default(), &unknown, media),
            Verdict::Undecided
        );
        assert_eq!(
            judged(&Selection::default(), &unknown, everything),
            Verdict::Wanted
        );
        let tiny = Item { size: 3, ..unknown };
        assert_eq!(
            judged(&Selection::default(), &tiny, media),
            Verdict::Left(Left::NoMedia)
        );
        let old = item("/storage/emulated/0/a.jpg", NOON - 2 * 86_400);
        assert_eq!(judged(&photos, &old, everything), by_choice(Filter::Since));
        // What its name or its bytes may make younger is not left.
        for (name, mtime) in [("IMG_20240819_093001.jpg", NOON - 2 * 86_400), ("a.jpg", 0)] {
            let item = item(&format!("/storage/emulated/0/{name}"), mtime);
            assert_eq!(
                judged(&photos, &item, everything),
                Verdict::Wanted,
                "{name}"
            );
        }
        let globs = |include: &[&str], exclude: &[&str]| {
            let own = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
            Selection::default()
                .with_globs(&own(include), &own(exclude))
                .unwrap()
        };
        for (include, exclude, verdict) in [
            (&["dcim/**"][..], &[][..], Verdict::Wanted),
            (&["/storage/**/*.jpg"], &[], Verdict::Wanted),
            (&["internal/DCIM/**"], &[], Verdict::Wanted),
            (&["sd-*/**"], &[], by_choice(Filter::Include)),
            (&[], &["internal/**"], by_choice(Filter::Exclude)),
            (&["*.jpg"], &[], by_choice(Filter::Include)),
            (&[], &["**/*.jpg"], by_choice(Filter::Exclude)),
        ] {
            let selection = globs(include, exclude);
            assert_eq!(
                judged(&selection, &photo, everything),
                verdict,
                "{include:?}"
            );
        }
        let volume = RemotePath::new(b"/storage/emulated/0").unwrap();
        for (pattern, is_near) in [("*.jpg", true), ("Cam*", true), ("*.png", false)] {
            let selection = globs(&[pattern], &[]);
            let near = selection.matches_deeper(&photo.path, Spot::Volume(&volume, "internal"));
            assert_eq!(near, is_near, "{pattern}");
        }
        assert_eq!(
            Selection::default()
                .with_globs(&["[".into()], &[])
                .unwrap_err()
                .kind,
            Kind::Usage
        );
    }
}
