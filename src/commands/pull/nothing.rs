//! Explains a choice that matches nothing on the phone, and names options that would match.

use super::PullOrder;
use crate::adb::RemotePath;
use crate::error::{Error, Kind};
use crate::folder::SurveyKind;
use crate::pull::enumerate::{Enumeration, Roots};
use crate::ui::{count, plain, were};

/// The error of a run whose choice matches nothing; `None` when something matches, or nothing was
/// chosen: then the phone is empty, which is no failure.
pub(super) fn nothing_matches(request: &PullOrder, found: &Enumeration) -> Option<Error> {
    let is_choice = !request.selection.takes_all() || matches!(request.roots, Roots::Named(_));
    if !found.items.is_empty() || !is_choice {
        return None;
    }
    let looked_at: Vec<_> = found
        .surveyed
        .iter()
        .filter(|one| one.kind == SurveyKind::LookedAt)
        .map(|one| plain(&one.place_as_text()))
        .take(8)
        .collect();
    let places = match looked_at.is_empty() {
        true => String::new(),
        false => format!(" in {}", looked_at.join(", ")),
    };
    let message = format!(
        "nothing on the phone matches: {} looked at{places}",
        were(found.files_seen, "file")
    );
    let mut error = Error::new(Kind::NothingMatches, message);
    if let Some((path, reason)) = found.refused.first() {
        error = error.caused_by(format!(
            "{}: {}",
            plain(&path.to_string()),
            plain(&reason.message)
        ));
    }
    Some(error.with_hint(hint(request, found)))
}

/// Returns patterns that match such files, or the files in such folders, at any depth. For a plain name, returns only
/// the pattern that matches the example.
fn at_any_depth(pattern: &str, example: Option<&RemotePath>) -> Vec<String> {
    let bare = pattern.trim_matches('/').trim_start_matches("**/");
    let bare = bare.strip_suffix("/**").unwrap_or(bare);
    let last = bare.rsplit('/').next().unwrap_or(bare);
    let is_plain = !last.contains(['*', '?', '[', '{']);
    let is_of_name = |path: &RemotePath| path.name().eq_ignore_ascii_case(last.as_bytes());
    let (file, inside) = (format!("**/{bare}"), format!("**/{bare}/**"));
    match is_plain {
        true if example.is_some_and(is_of_name) => vec![file],
        true => vec![inside],
        false => vec![file, inside],
    }
}

/// What would have matched.
fn hint(request: &PullOrder, found: &Enumeration) -> String {
    let (near, choice) = (&found.near, &request.choice);
    let patterns = |patterns: &[String]| {
        let quoted: Vec<_> = patterns
            .iter()
            .map(|one| format!("'{}'", plain(one)))
            .collect();
        quoted.join(" or ")
    };
    if found.files_seen == 0 {
        return match &request.roots {
            Roots::Named(_) => {
                "name a folder of the phone that holds files, as in --root /storage/emulated/0/DCIM"
            }
            Roots::Volumes => "the phone holds no files at all: is it the right one, and unlocked?",
        }
        .to_owned();
    }
    if near.no_media > 0 && near.no_media >= near.deeper && !choice.patterns.include.is_empty() {
        return format!(
            "{} would match without looking like photos, videos or sound: --all takes them",
            count(near.no_media, "file")
        );
    }
    if near.deeper > 0 {
        let deeper: Vec<_> = choice
            .patterns
            .include
            .iter()
            .flat_map(|pattern| at_any_depth(pattern, near.example.as_ref()))
            .collect();
        let example = near.example.as_ref().map(ToString::to_string);
        return format!(
            "a pattern matches a whole path, as in 'DCIM/Camera/*.jpg'; {} would match {}, as {}",
            patterns(&deeper),
            count(near.deeper, "file"),
            plain(&example.unwrap_or_default())
        );
    }
    if near.not_included > 0 {
        return format!(
            "a pattern matches a whole path, as in 'DCIM/Camera/*.jpg' or '**/Voice*/**'; {} matches none at any \
             depth",
            patterns(&choice.patterns.include)
        );
    }
    if near.too_old > 0 {
        return format!(
            "{} older than --since; the newest is from {}",
            match near.too_old {
                1 => "1 file is".to_owned(),
                files => format!("{} are", count(files, "file")),
            },
            near.newest
                .map_or_else(|| "an unknown day".to_owned(), |newest| newest.to_string())
        );
    }
    if near.of_other_kinds > 0 {
        let kind = match (choice.media.photos, choice.media.videos) {
            (true, true) => "a photo or video",
            (true, false) => "a photo",
            _ => "a video",
        };
        return format!(
            "none of them is {kind} by name or content: leave --photos and --videos out to take all media"
        );
    }
    format!(
        "--exclude {} leaves nothing",
        patterns(&choice.patterns.exclude)
    )
}
