//! Counts the files of a phone that are not on this computer yet, by kind and by folder, so that a user can choose.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::Context;
use super::known::{Changes, ComparedFolder};
use super::listing::{AskedBeside, check_storage, list};
use super::opening::open_folder;
use super::{PullOrder, destination};
use crate::cli::PullArgs;
use crate::commands::target::{options_of, target_of};
use crate::commands::{doctor, stopped};
use crate::error::Error;
use crate::event::Event;
use crate::guide::journey::{Amount, Group, PhoneContents};
use crate::media::kind::MediaKind;
use crate::phone::connect::{Patience, Waiting, connect};
use crate::pull::Method;
use crate::pull::enumerate::Enumeration;
use crate::pull::plan::Plan;
use crate::pull::reconnect::Reconnect;

/// More folders than a person chooses among; those that come later are told together.
const MOST_GROUPS: usize = 1000;

/// Lists the phone and compares it with its rescue folder; nothing is changed. `place` is where the
/// rescue folder goes, or is, unless that is the current folder.
pub(in crate::commands) async fn contents(
    args: &PullArgs,
    place: Option<&Path>,
    context: Context<'_>,
) -> Result<PhoneContents, Error> {
    let request = PullOrder {
        output: place.map(Path::to_owned),
        folder_each: place.is_some(),
        dry_run: true,
        ..PullOrder::of(args)?
    };
    let (target, options, events) = (
        target_of(&args.phone),
        options_of(&args.phone),
        context.ui.events(),
    );
    let seconds = options.wait.as_secs();
    // Where "Always allow" was not ticked, the phone asks once more.
    let mut tell = |waiting: &Waiting| {
        events.emit(Event::Waiting {
            what: waiting.into(),
            seconds,
            why: None,
        });
    };
    let mut phone = tokio::select! {
        () = context.halt.stopped() => return Err(stopped(context.halt)),
        phone = connect(&target, &options, Patience::ForPerson, &mut tell) => {
            phone.map_err(doctor::reason)?
        }
    };
    let identity = phone.identity();
    let destination = tokio::select! {
        () = context.halt.stopped() => return Err(stopped(context.halt)),
        destination = destination::choose(&phone, &request, context.ui) => destination?,
    };
    let path = destination.path.clone();
    let reconnect = Reconnect::to(&phone, options);
    let (_, known) = open_folder(destination, &identity, Changes::Nothing, context.halt).await?;
    let (found, _) = list(
        &mut phone,
        &request,
        AskedBeside::Nothing,
        &reconnect,
        context,
    )
    .await?;
    context.ui.end_progress();
    check_storage(&found)?;
    let ComparedFolder { found, plan, .. } = known
        .compare(&path, found, Method::Off, Changes::Nothing, context.halt)
        .await?;
    // As a person finds it again from anywhere.
    let folder = std::path::absolute(&path).unwrap_or(path);
    Ok(summed_up(folder, &found, &plan))
}

fn summed_up(folder: PathBuf, found: &Enumeration, plan: &Plan) -> PhoneContents {
    let unproven = plan.unproven.iter();
    let unproven = unproven.filter_map(|it| Some(plan.items.found(it.number)?.item.size));
    let mut contents = PhoneContents {
        free_bytes: free_bytes(&folder),
        folder,
        here: Amount {
            files: plan.done_items.saturating_add(plan.unproven.len() as u64),
            bytes: unproven.fold(plan.done_bytes, u64::saturating_add),
        },
        unreadable: found.refused.len() as u64,
        ..PhoneContents::default()
    };
    let mut groups: HashMap<String, Group> = HashMap::new();
    for number in plan.in_order() {
        let Some(item) = plan.items.found(number) else {
            continue;
        };
        let size = item.item.size;
        let of_kind = match item.kind {
            MediaKind::Photo => &mut contents.photos,
            MediaKind::Video => &mut contents.videos,
            MediaKind::Audio | MediaKind::Other => &mut contents.others,
        };
        of_kind.add(size);
        let volume = found.volumes.get(item.volume as usize);
        let below = volume.and_then(|volume| item.item.path.below(&volume.root));
        let components: Vec<_> = below.into_iter().flatten().take(4).collect();
        let group = group_of(&components);
        let key = group.name.to_ascii_lowercase();
        let is_known = groups.len() < MOST_GROUPS || groups.contains_key(&key);
        let key = if is_known { key } else { String::new() };
        let group = groups.entry(key).or_insert(match is_known {
            true => group,
            false => named("other folders", Vec::new()),
        });
        group.amount.add(size);
    }
    contents.groups = groups.into_values().collect();
    contents.groups.sort_unstable_by(|one, other| {
        (other.amount.bytes, &one.name).cmp(&(one.amount.bytes, &other.name))
    });
    contents
}

/// The group of an item, by what stands below its volume's root.
fn group_of(components: &[&[u8]]) -> Group {
    let text = |part: &[u8]| std::str::from_utf8(part).map(str::to_owned).ok();
    let below = |folder: &str| format!("{}/**", globset::escape(folder));
    let is = |part: &[u8], name: &str| part.eq_ignore_ascii_case(name.as_bytes());
    match components {
        [] | [_] => named("outside of any folder", Vec::new()),
        [android, media, app, _, ..] if is(android, "Android") && is(media, "media") => {
            match text(app) {
                Some(app) if app.to_ascii_lowercase().starts_with("com.whatsapp") => whatsapp(),
                Some(app) => named(&app, vec![below(&format!("Android/media/{app}"))]),
                None => named("other apps", Vec::new()),
            }
        }
        [android, folder, _, ..] if is(android, "Android") => match text(folder) {
            Some(folder) => named(
                &format!("Android/{folder}"),
                vec![below(&format!("Android/{folder}"))],
            ),
            None => named("other apps", Vec::new()),
        },
        [first, ..] if is(first, "WhatsApp") => whatsapp(),
        [first, ..] if is(first, "DCIM") => named("DCIM (the camera)", vec![below("DCIM")]),
        [first, ..] => match text(first) {
            Some(folder) => named(&folder, vec![below(&folder)]),
            None => named("folders with odd names", Vec::new()),
        },
    }
}

fn whatsapp() -> Group {
    let patterns = ["WhatsApp/**", "Android/media/com.whatsapp*/**"];
    named("WhatsApp", patterns.map(str::to_owned).into())
}

fn named(name: &str, patterns: Vec<String>) -> Group {
    Group {
        name: name.to_owned(),
        amount: Amount::default(),
        patterns,
    }
}

/// Room where the folder is, or will be.
fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.is_dir())?;
    fs4::available_space(there).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adb::RemotePath;
    use crate::media::choice::{Globs, Spot};

    fn group(path: &str) -> Group {
        group_of(&path.split('/').map(str::as_bytes).collect::<Vec<_>>())
    }

    #[test]
    fn folders_have_the_names_that_people_know() {
        for (path, name) in [
            ("DCIM/Camera/a.jpg", "DCIM (the camera)"),
            ("dcim/a.jpg", "DCIM (the camera)"),
            ("WhatsApp/Media/a.jpg", "WhatsApp"),
            ("Android/media/com.whatsapp/WhatsApp/a.jpg", "WhatsApp"),
            ("Android/media/com.whatsapp.w4b/a.jpg", "WhatsApp"),
            ("Android/media/org.example/a.jpg", "org.example"),
            ("Android/data/org.example/a.jpg", "Android/data"),
            ("Android/a.jpg", "Android"),
            ("Download/a.pdf", "Download"),
            ("a.jpg", "outside of any folder"),
        ] {
            assert_eq!(group(path).name, name, "{path}");
        }
    }

    #[test]
    fn patterns_of_a_folder_match_what_is_in_it_and_nothing_else() {
        let paths = [
            "DCIM/Camera/a.jpg",
            "WhatsApp/Media/a.jpg",
            "Android/media/com.whatsapp/WhatsApp/a.jpg",
            "Android/media/org.example/a.jpg",
            "Android/data/org.example/a.jpg",
            "Trip [2024]*/a.jpg",
            "Trip 2/a.jpg",
        ];
        for path in paths {
            let Group { name, patterns, .. } = group(path);
            let globs = Globs::new(&patterns).unwrap();
            for other in paths {
                let is_same = group(other).name == name;
                let root = RemotePath::new(b"/storage/emulated/0").unwrap();
                let whole = RemotePath::new(format!("/storage/emulated/0/{other}").as_bytes());
                let matches = globs.matches(&whole.unwrap(), Spot::Volume(&root, "internal"));
                assert_eq!(matches, is_same, "{patterns:?} and {other}");
            }
        }
    }
}
