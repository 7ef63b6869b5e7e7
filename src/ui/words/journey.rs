//! The sentences of the guided run. Calm and short: the reader is frightened.

mod contents;
mod holdings;
mod page;

use std::path::Path;

pub(crate) use self::page::{
    DeskDoubt, NoteWords, asked_about_desk, asked_for_folder_on_page, asked_for_many_on_page,
    asked_on_page, offered_on_page, on_page, phone_on_page,
};
use super::super::text::{bytes, count, plain};
use super::super::typed::typed;
use super::WIPE;
use crate::guide::journey::{
    Amount, Completeness, Copied, Counsel, Doubt, Group, GuideAction, Note, PhoneContents,
    Question, Sighting, TakeChoice, Trouble,
};
use crate::guide::states::{self, Diagnosis};
use crate::hint::Hint;
use crate::phone::accessory::script::Recipe;

/// What calms a person whose files are being copied.
const SAFE_HERE: &str = "The files here are safe";

/// What to do with an archive.
const UNPACK: &str = "The zip file holds the same page: unpack it before you open that.";

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
            "While you wait: some of it may be safe already. Look on another phone or computer:",
            "  photos.google.com: pictures that Google Photos backed up",
            "  contacts.google.com: contacts",
            "  a memory card: any card reader reads it, once this has finished",
        ]),
        Note::Advice(counsel) => std::iter::once(String::new())
            .chain(counsel.iter().filter_map(advised))
            .chain(counsel.iter().filter_map(offered_keys))
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
        Note::Listing => owned(&["", "Listing what is on the phone..."]),
        Note::Contents(contents) => contents::words(contents).lines(),
        Note::NothingLeft => owned(&["", "Then nothing would be left to copy."]),
        Note::Resumes(folder) => vec![format!("The rescue continues in {}.", shown(folder))],
        Note::Interrupted(trouble) => {
            let mut lines = vec![format!("Interrupted: {}.", plain(&trouble.message))];
            if trouble.copied == Copied::Something {
                lines.push(format!("{SAFE_HERE}, and the rescue continues by itself."));
            }
            lines
        }
        Note::Trouble(trouble) => trouble_lines(trouble),
        Note::Arrived(holdings) => {
            let has_files = holdings.summary.verified.files > 0;
            let pictures = has_files.then(|| page_of(&holdings.folder));
            let verdict = holdings::words(holdings).lines();
            verdict.into_iter().chain(pictures).collect()
        }
        Note::Pictures(folder) => vec![page_of(folder), UNPACK.to_owned()],
        Note::SecondCopy => owned(&[
            "There is a second copy now, on that disk. Look at the pictures before you wipe the phone or give it away.",
        ]),
        Note::Farewell(holdings) => {
            let folder = typed(&holdings.folder);
            let mut lines = vec![format!(
                "`rescue open {folder}` shows the pictures at any time, `rescue status {folder}` how the rescue stands."
            )];
            if holdings.verdict() == Completeness::Partly {
                lines.extend(owned(&[
                    "Not everything is here yet: plug the phone in and run `rescue`; it continues there.",
                ]));
            }
            lines
        }
        Note::Stopped(copied) => stopped(*copied, "`rescue`"),
    }
}

/// The last words to a person who stopped. `next` is what continues the rescue.
fn stopped(copied: Copied, next: &str) -> Vec<String> {
    match copied {
        Copied::Something => vec![
            format!("Stopped. {SAFE_HERE}; {next} continues where it stopped."),
            format!("{WIPE} before the rest is here, too."),
        ],
        Copied::Unknown => vec![
            "Stopped. You can start again at any time.".to_owned(),
            format!("{WIPE} before its files are here."),
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
        Question::Failure(_) => (
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
    let does = does(action);
    match command(action) {
        Some(command) => format!("{does} (`rescue {command}`)"),
        None => does,
    }
}

/// What an action is.
fn does(action: &GuideAction) -> String {
    let does = match action {
        GuideAction::Authorize => "Answer the question from this computer",
        GuideAction::Unlock => "Type the PIN on this computer",
        GuideAction::Keys(recipe) => match recipe {
            Recipe::AospDebugging => "Switch it on with this computer's keyboard",
            Recipe::SamsungDebugging => "The same on a Samsung phone",
            Recipe::XiaomiDebugging => "The same on a Xiaomi phone",
            Recipe::Talkback => "Make the phone speak",
        },
        GuideAction::InstallRules => "Allow it; this asks for an administrator's password",
        GuideAction::Screen => {
            "Show the phone's screen on this computer, to use it by mouse and keyboard"
        }
        GuideAction::More => "What else can I try?",
        GuideAction::TryAgain => "Try the missing files again",
        GuideAction::TakeRest => "Take the rest, too",
        GuideAction::Export => "Make one zip file, with a page that shows all pictures",
        GuideAction::Upload(remote) => return format!("Upload it to {}", plain(remote)),
        GuideAction::CopyToDisk => "Copy it to another disk",
        GuideAction::AddRemote => "Set up a cloud or a server to upload it to",
        GuideAction::Finish => "Finish",
    };
    does.to_owned()
}

/// The command that does the same as an action, where one does.
fn command(action: &GuideAction) -> Option<String> {
    let command = match action {
        GuideAction::Authorize => "authorize",
        GuideAction::Unlock => "unlock",
        GuideAction::Keys(recipe) => {
            let recipe = match recipe {
                Recipe::AospDebugging => "aosp-debugging",
                Recipe::SamsungDebugging => "samsung-debugging",
                Recipe::XiaomiDebugging => "xiaomi-debugging",
                Recipe::Talkback => "talkback",
            };
            return Some(format!("keys --recipe {recipe}"));
        }
        GuideAction::InstallRules => "doctor --install-udev-rules",
        GuideAction::TryAgain | GuideAction::TakeRest => "pull",
        GuideAction::Export => "export",
        GuideAction::Upload(remote) => {
            return Some(format!("upload FOLDER --to {}", plain(remote)));
        }
        GuideAction::AddRemote => "remote add",
        GuideAction::Screen => "screen --live",
        // An upload to a folder that has yet to become a remote: no command does that alone.
        GuideAction::CopyToDisk | GuideAction::More | GuideAction::Finish => return None,
    };
    Some(command.to_owned())
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
        Counsel::PlugInAgain(copied) => {
            let step = "The phone is gone. Next: plug it in again, and unlock it if you can.";
            return Some(match copied {
                Copied::Something => {
                    format!("{step} {SAFE_HERE}, and the rescue continues by itself.")
                }
                Copied::Unknown => format!("{step} This continues by itself."),
            });
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
        Some(detail) if seen.state != states::unauthorized => format!(" ({})", plain(detail)),
        _ => String::new(),
    };
    format!("{name}{}{detail}.", seen.state.meaning)
}

/// The keys that the phone's question shows, after the step: whoever compares them reads on.
fn offered_keys(counsel: &Counsel) -> Option<String> {
    let Counsel::Meaning(seen) = counsel else {
        return None;
    };
    let keys = seen.detail.as_deref()?;
    (seen.state == states::unauthorized).then(|| format!("  {}", plain(keys)))
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
    Some(format!("Next: {}.", plain(hint.trim_end_matches('.'))))
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

fn sized(amount: Amount) -> String {
    format!("{}, {}", count(amount.files, "file"), bytes(amount.bytes))
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
        TakeChoice::Screen => {
            "First show the phone's screen on this computer, to use it by mouse and keyboard"
                .to_owned()
        }
    }
}

fn group_choice(group: &Group) -> String {
    format!("{}: {}", plain(&group.name), sized(group.amount))
}

fn trouble_lines(trouble: &Trouble) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "This went wrong: {}.",
            plain(trouble.message.trim_end_matches('.'))
        ),
    ];
    let causes = trouble.causes.iter();
    lines.extend(causes.map(|cause| format!("  because: {}", plain(cause))));
    lines.extend(trouble.hint.clone().and_then(step));
    lines.extend((trouble.copied == Copied::Something).then(|| format!("{SAFE_HERE}.")));
    lines
}

fn page_of(folder: &Path) -> String {
    let page = shown(&folder.join("index.html"));
    format!("To look at the pictures: open {page} in a browser.")
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
}
