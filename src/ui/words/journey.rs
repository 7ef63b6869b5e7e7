//! The sentences of the guided run. Calm and short: the reader is frightened.

mod holdings;

use std::path::Path;

use super::super::text::{bytes, count, plain};
use super::super::typed::typed;
use crate::guide::journey::{
    Amount, Completeness, Counsel, Doubt, Group, GuideAction, Note, PhoneContents, Question,
    Sighting, TakeChoice, Trouble,
};
use crate::guide::states::{self, Diagnosis};
use crate::hint::Hint;
use crate::phone::accessory::script::Recipe;

/// What a cable of USB 2 carries, in bytes a second: the estimate before anything is measured.
const ASSUMED_RATE: u64 = 30_000_000;
/// Folders that are named by themselves.
const NAMED_GROUPS: usize = 8;
/// The end that a pull cannot take back.
const WIPE: &str = "Do not wipe the phone, and do not give it away,";

/// What to tell, as lines.
pub(crate) fn lines(note: &Note) -> Vec<String> {
    match note {
        Note::Welcome => owned(&[
            "This leads you step by step. The phone is only read: nothing on it is changed or deleted.",
            "Keep the phone charged, and do not restart it.",
            "Ctrl-C stops at any time. Nothing is lost: `rescue` then continues where it stopped.",
        ]),
        Note::SafePlaces => owned(&[
            "",
            "Meanwhile, on another phone or computer, look at what is already safe:",
            "  photos.google.com: pictures that Google Photos backed up",
            "  contacts.google.com: contacts",
            "  a memory card can be taken out and read in any card reader",
        ]),
        Note::Advice(counsel) => std::iter::once(String::new())
            .chain(counsel.iter().filter_map(advised))
            .collect(),
        Note::Alternatives(state) => std::iter::once("You can also try this:".to_owned())
            .chain(
                state
                    .alternatives
                    .iter()
                    .map(|other| format!("  - {other}")),
            )
            .collect(),
        Note::Ready(seen) => vec![String::new(), ready(seen)],
        Note::Aside(seen) if seen.state == states::screen_locked => {
            owned(&["Its screen is locked; the files can be read all the same. Do not restart it."])
        }
        Note::Aside(seen) => std::iter::once(meaning(seen))
            .chain(next(seen.state))
            .collect(),
        Note::ScreenInBrowser => owned(&[
            "To see its screen on this computer: `rescue screen --live`, in another window.",
        ]),
        Note::Listing => owned(&["", "Listing what is on the phone..."]),
        Note::Contents(contents) => contents_lines(contents),
        Note::Resumes(folder) => vec![format!("The rescue continues in {}.", shown(folder))],
        Note::Interrupted(trouble, is_pull) => {
            let mut lines = vec![format!("Interrupted: {}.", plain(&trouble.message))];
            if *is_pull {
                lines.extend(owned(&[
                    "The files here are safe, and the rescue continues by itself.",
                ]));
            }
            lines
        }
        Note::Trouble(trouble) => trouble_lines(trouble),
        Note::Arrived(holdings) => holdings::lines(holdings),
        Note::Pictures(folder) => vec![format!(
            "To look at the pictures: open {} in a browser.",
            shown(&folder.join("index.html"))
        )],
        Note::Farewell(holdings) => {
            let command = format!("`rescue status {}`", typed(&holdings.folder));
            let mut lines = vec![format!(
                "{command} shows at any time how the rescue stands."
            )];
            if holdings.verdict() == Completeness::Partly {
                lines.extend(owned(&[
                    "Not everything is here yet: plug the phone in and run `rescue`; it continues there.",
                ]));
            }
            lines
        }
        Note::Stopped => vec![
            "Stopped. The files here are safe; `rescue` continues where it stopped.".to_owned(),
            format!("{WIPE} before the rest is here, too."),
        ],
    }
}

/// A question, and the words of its choices.
pub(crate) fn asked(question: &Question) -> (String, Vec<String>) {
    let (text, choices) = match question {
        Question::Doubt(doubt) => {
            let (text, yes, no) = doubt_words(*doubt);
            (text, owned(&[yes, no, "I don't know"]))
        }
        Question::Phone(phones) => (
            "Several phones are attached. Which one?",
            phones.iter().map(phone_choice).collect(),
        ),
        Question::Take(contents, wishes) => (
            "What do you want to take?",
            wishes.iter().map(|wish| wished(*wish, contents)).collect(),
        ),
        Question::Leave(groups) => (
            "Which of these stay on the phone?",
            groups.iter().map(group_choice).collect(),
        ),
        Question::Failure => (
            "What now?",
            owned(&[
                "Try again",
                "Put it on another disk or into another folder",
                "Stop here",
            ]),
        ),
        Question::Then(actions) => ("What next?", actions.iter().map(label).collect()),
    };
    (text.to_owned(), choices)
}

/// What an action is, and the command that does the same.
pub(crate) fn label(action: &GuideAction) -> String {
    let (what, command) = match action {
        GuideAction::Authorize => ("Answer the question from this computer", "authorize"),
        GuideAction::Unlock => ("Type the PIN on this computer", "unlock"),
        GuideAction::Keys(recipe) => {
            let (what, recipe) = match recipe {
                Recipe::AospDebugging => (
                    "Switch it on with this computer's keyboard",
                    "aosp-debugging",
                ),
                Recipe::SamsungDebugging => ("The same on a Samsung phone", "samsung-debugging"),
                Recipe::XiaomiDebugging => ("The same on a Xiaomi phone", "xiaomi-debugging"),
                Recipe::Talkback => ("Make the phone speak", "talkback"),
            };
            return format!("{what} (`rescue keys --recipe {recipe}`)");
        }
        GuideAction::InstallRules => (
            "Allow it; this asks for an administrator's password",
            "doctor --install-udev-rules",
        ),
        GuideAction::More => return "What else can I try?".to_owned(),
        GuideAction::TryAgain => ("Try the missing files again", "pull"),
        GuideAction::TakeRest => ("Take the rest, too", "pull"),
        GuideAction::Export => (
            "Make one zip file, with a page that shows all pictures",
            "export",
        ),
        GuideAction::Upload(remote) => {
            let remote = plain(remote);
            return format!("Upload it to {remote} (`rescue upload --to {remote}`)");
        }
        GuideAction::CopyToDisk => ("Copy it to another disk", "upload"),
        GuideAction::Finish => return "Finish".to_owned(),
    };
    format!("{what} (`rescue {command}`)")
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn doubt_words(doubt: Doubt) -> (&'static str, &'static str, &'static str) {
    match doubt {
        Doubt::Picture => (
            "Does the phone's screen still show a picture?",
            "Yes, at least a part of it",
            "No: it is black, or shows only stripes",
        ),
        Doubt::Touch => (
            "Does the phone react to your finger?",
            "Yes, everywhere",
            "No, or only in places",
        ),
        Doubt::Pin => (
            "Do you know the phone's PIN, pattern or password?",
            "Yes, or it has none",
            "No",
        ),
        Doubt::Debugging => (
            "Was \"USB debugging\" ever switched on in this phone?",
            "Yes",
            "No",
        ),
    }
}

/// One thing about a phone that cannot be read yet.
fn advised(counsel: &Counsel) -> Option<String> {
    let words = match counsel {
        Counsel::Meaning(seen) => return Some(meaning(seen)),
        Counsel::Step(state) => return next(*state),
        Counsel::Absent(words) => return Some(format!("There is {}.", plain(words))),
        Counsel::NoPhone => "No phone shows on USB yet.",
        Counsel::PlugIn => {
            "Next: plug it straight into this computer. If it is plugged in, try another cable, one that has carried \
             files before: many only charge."
        }
        Counsel::DebuggingLater => {
            "USB debugging can wait: what to do about it comes when the phone shows."
        }
        Counsel::PlugInAgain => {
            "The phone is gone. Next: plug it in again, and unlock it if you can. The files here are safe, and the rescue \
             continues by itself."
        }
        Counsel::UnplugTwins => "Next: unplug all but one of them.",
        Counsel::AnswerOverCable => {
            "Next: the phone asks 'Allow USB debugging?'. If you cannot tap 'Allow', have this computer answer over the \
             cable, or plug a mouse into the phone with a USB-C adapter."
        }
        Counsel::TypePin => {
            "Next: have this computer type the PIN, once. A USB keyboard on an adapter does it, too. Do not restart the \
             phone."
        }
        Counsel::NeedsUnlocked => {
            "USB debugging can be switched on only while the phone is unlocked."
        }
        Counsel::WithoutPin => {
            "Without its PIN nobody opens a locked phone. Do not guess: after five wrong ones it makes you wait, and \
             some phones erase themselves. Look through your notes first."
        }
        Counsel::LeadByKeys => {
            "Next: switch USB debugging on with this computer's keyboard, over this cable. A mouse on a USB-C adapter \
             does it, too."
        }
        Counsel::LeadByVoice => {
            "Next: with a dark screen, make the phone speak, then lead it by keys."
        }
        Counsel::Repair => {
            "If that does not work: a repair shop can replace the screen. Your data is not in it; forbid them to reset \
             the phone."
        }
    };
    Some(words.to_owned())
}

fn meaning(seen: &Sighting) -> String {
    let name = name_of(seen).map_or_else(String::new, |name| format!("{name}: "));
    let detail = match &seen.detail {
        Some(detail) => format!(" ({})", plain(detail)),
        None => String::new(),
    };
    format!("{name}{}{detail}.", seen.state.meaning)
}

fn name_of(seen: &Sighting) -> Option<String> {
    let model = seen.model.as_deref().filter(|model| !model.is_empty());
    model.or(seen.phone.as_deref()).map(plain)
}

/// The next step of the table, where the guide leaves one to the person.
fn next(state: Diagnosis) -> Option<String> {
    step(state.next())
}

fn step(hint: Hint) -> Option<String> {
    let hint = hint.for_guide()?.to_string();
    Some(format!("Next: {}.", plain(&hint)))
}

fn ready(seen: &Sighting) -> String {
    let name = name_of(seen).unwrap_or_else(|| "the phone".to_owned());
    format!("Good: {name} answers and can be read.")
}

fn phone_choice(seen: &Sighting) -> String {
    let name = seen.phone.as_deref().map(plain).unwrap_or_default();
    let state = seen.state.state.replace('_', " ");
    match &seen.model {
        Some(model) if !model.is_empty() => format!("{} ({name}, {state})", plain(model)),
        _ => format!("{name} ({state})"),
    }
}

/// What the phone holds, how long it takes, and whether it fits.
fn contents_lines(contents: &PhoneContents) -> Vec<String> {
    let PhoneContents {
        folder,
        photos,
        videos,
        others,
        groups,
        here,
        free_bytes,
        unreadable,
    } = contents;
    let all = contents.all();
    let mut lines = Vec::new();
    if here.files > 0 {
        lines.push(format!(
            "Here already: {}, in {}. The rescue continues there.",
            sized(*here),
            shown(folder)
        ));
    }
    if *unreadable > 0 {
        let places = count(*unreadable, "place");
        lines.push(format!(
            "{places} of the phone cannot be read; the end says which, and why."
        ));
    }
    if all.files == 0 {
        lines.push(match here.files {
            0 => "The phone holds no photos, videos, sound or documents.".to_owned(),
            _ => "Nothing is new on the phone.".to_owned(),
        });
        return lines;
    }
    lines.push(match here.files {
        0 => "On the phone:".to_owned(),
        _ => "Still only on the phone:".to_owned(),
    });
    let kinds = [("photo", photos), ("video", videos), ("other file", others)];
    for (noun, amount) in kinds.iter().filter(|(_, amount)| amount.files > 0) {
        lines.push(row(&count(amount.files, noun), amount.bytes, ""));
    }
    let named = groups.get(..NAMED_GROUPS).unwrap_or(groups);
    // One folder alone is what stands above.
    let named = if groups.len() > 1 { named } else { &[] };
    lines.extend((!named.is_empty()).then(|| "By folder:".to_owned()));
    lines.extend(named.iter().map(|group| {
        let files = count(group.amount.files, "file");
        row(&files, group.amount.bytes, &plain(&group.name))
    }));
    let rest = groups.get(NAMED_GROUPS..).unwrap_or_default().iter();
    let rest = rest.fold(Amount::default(), |sum, group| sum.and(group.amount));
    if rest.files > 0 {
        let files = count(rest.files, "file");
        lines.push(row(&files, rest.bytes, "in other folders"));
    }
    lines.push(format!(
        "All of it takes {} at {}/s, a usual rate over a cable.",
        minutes(all.bytes),
        bytes(ASSUMED_RATE)
    ));
    if here.files == 0 {
        lines.push(format!("It goes into {}.", shown(folder)));
    }
    if let Some(free) = free_bytes {
        let fits = match *free >= all.bytes {
            true => "It fits.",
            false => {
                "Not all of it fits: the most precious files come first, or choose another disk."
            }
        };
        lines.push(format!("Free on this disk: {}. {fits}", bytes(*free)));
    }
    lines
}

fn row(files: &str, size: u64, what: &str) -> String {
    format!("{files:>18} {:>9}  {what}", bytes(size))
        .trim_end()
        .to_owned()
}

fn sized(amount: Amount) -> String {
    format!("{}, {}", count(amount.files, "file"), bytes(amount.bytes))
}

/// How long so many bytes take at the assumed rate.
fn minutes(size: u64) -> String {
    match size / ASSUMED_RATE {
        0..60 => "less than a minute".to_owned(),
        seconds @ 60..5400 => format!("about {}", count(seconds.div_ceil(60), "minute")),
        seconds => format!("about {}", count(seconds.div_ceil(3600), "hour")),
    }
}

fn wished(wish: TakeChoice, contents: &PhoneContents) -> String {
    let PhoneContents { photos, videos, .. } = contents;
    match wish {
        TakeChoice::Everything => format!("Everything (recommended): {}", sized(contents.all())),
        TakeChoice::PhotosAndVideos => {
            format!("Only photos and videos: {}", sized(photos.and(*videos)))
        }
        TakeChoice::Photos => format!("Only photos: {}", sized(*photos)),
        TakeChoice::WithoutFolders => "Everything but some folders".to_owned(),
        TakeChoice::Elsewhere => "Choose another disk or folder for it first".to_owned(),
    }
}

fn group_choice(group: &Group) -> String {
    format!("{}: {}", plain(&group.name), sized(group.amount))
}

fn trouble_lines(trouble: &Trouble) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!("This went wrong: {}.", plain(&trouble.message)),
    ];
    let causes = trouble.causes.iter();
    lines.extend(causes.map(|cause| format!("  because: {}", plain(cause))));
    lines.extend(trouble.hint.clone().and_then(step));
    lines.push("The files here are safe.".to_owned());
    lines
}

fn shown(path: &Path) -> String {
    plain(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_of_the_table_sends_the_person_to_what_the_guide_does_itself() {
        for state in states::ALL.iter().filter(|state| state.kind.is_some()) {
            let next = next(*state).unwrap();
            for command in ["run `rescue pull`", "the command again", "the same command"] {
                assert!(!next.contains(command), "{}: {next}", state.state);
            }
        }
    }

    #[test]
    fn estimates_are_rounded_up_to_what_a_person_says() {
        assert_eq!(minutes(0), "less than a minute");
        assert_eq!(minutes(ASSUMED_RATE * 61), "about 2 minutes");
        assert_eq!(minutes(ASSUMED_RATE * 7200), "about 2 hours");
    }
}
