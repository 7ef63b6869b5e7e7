//! Events as sentences, for a person.

use super::text::{bytes, count, plain, whole_seconds};
use crate::adb::server::DeviceState;
use crate::event::{Event, Wait};
use crate::guide;

/// Why an archive leaves a file of somebody else's out.
const NOT_PULLED: &str = "no pull put it there";

/// Returns the sentence for an event that needs one.
pub(super) fn sentence(event: &Event) -> Option<String> {
    Some(match event {
        Event::Step { what } => plain(what),
        Event::Waiting { what, seconds, why } => waiting(what, *seconds, why.as_deref()),
        Event::PhoneBack { after_seconds } => {
            format!("The phone is back after {}", whole_seconds(*after_seconds))
        }
        // The report says so.
        Event::UploadPlanned { items: 0, .. } => return None,
        Event::UploadPlanned {
            remote,
            items,
            bytes,
            done_items,
        } => upload_planned(remote, (*items, *bytes), *done_items),
        Event::UploadRenamed { source, path } => format!(
            "Another file has this name there: {} goes to {}",
            plain(source),
            plain(path)
        ),
        Event::UploadSkipped {
            source, message, ..
        } => format!("Skipped: {} ({})", plain(source), plain(message)),
        Event::UploadFailed {
            source, message, ..
        } => format!("Failed: {} ({})", plain(source), plain(message)),
        Event::Connected {
            serial,
            model,
            android_version,
        } => connected(serial, model, android_version),
        Event::PhoneGone { message } => capitalized(&plain(message)),
        Event::Planned {
            folder,
            items,
            bytes,
            done_items,
            unproven_items,
            ..
        } => planned(folder, (*items, *bytes), *done_items, *unproven_items),
        Event::SetAside { local, to, why } => {
            format!(
                "Moved data/{} to {}: {why}",
                plain(local.as_str()),
                plain(to)
            )
        }
        Event::Exporting {
            archive,
            items,
            bytes: size,
        } => {
            format!(
                "{}, {}, into {}",
                count(*items, "file"),
                bytes(*size),
                plain(archive)
            )
        }
        Event::Stranger { path } => {
            format!("Left out: data/{} ({NOT_PULLED})", plain(path))
        }
        Event::LeftOut { path, why, .. } => {
            format!(
                "Left out: {} ({})",
                plain(&path.to_string()),
                plain(&why.sentence())
            )
        }
        // A failure is reported once, at the end, with its next step.
        _ => return None,
    })
}

/// Returns the verdict on a file and its cause, for events that many files can have for one cause.
pub(super) fn cause(event: &Event) -> Option<(&'static str, String)> {
    match event {
        Event::UploadSkipped { message, .. } => Some(("Skipped", message.clone())),
        Event::UploadFailed { message, .. } => Some(("Failed", message.clone())),
        Event::LeftOut { why, .. } => Some(("Left out", why.sentence())),
        Event::Stranger { .. } => Some(("Left out", NOT_PULLED.to_owned())),
        _ => None,
    }
}

fn connected(serial: &str, model: &str, android_version: &str) -> String {
    let version = match android_version {
        "" => String::new(),
        version => format!(", Android {}", plain(version)),
    };
    let model = match model.trim() {
        "" => "a phone".into(),
        model => plain(model),
    };
    format!("Connected to {model} ({}{version})", plain(serial))
}

/// Says what a pull is going to do; the `done` and the `unproven` files are in the folder already.
fn planned(folder: &str, (items, size): (u64, u64), done: u64, unproven: u64) -> String {
    let (folder, here) = (plain(folder), done + unproven);
    let unproven = match unproven {
        0 => String::new(),
        unproven => format!(", {unproven} of them not verified yet"),
    };
    match (items, here) {
        (0, 0) => format!("Nothing to pull into {folder}"),
        (0, here) => {
            let are = if here == 1 { "is" } else { "are" };
            let here = count(here, "file");
            format!("Nothing new to pull: {here} {are} in {folder} already{unproven}")
        }
        (items, here) => {
            let to_pull = format!("{} to pull, {}", count(items, "file"), bytes(size));
            match here {
                0 => format!("{to_pull}, into {folder}"),
                here => {
                    let here = count(here, "file");
                    format!("{to_pull}; {here} here already{unproven}, into {folder}")
                }
            }
        }
    }
}

fn upload_planned(remote: &str, (items, size): (u64, u64), done: u64) -> String {
    let done = match done {
        0 => String::new(),
        done => format!("; {} sent before", count(done, "file")),
    };
    let to_send = count(items, "file");
    format!(
        "{to_send} to send, {}{done}, to {}",
        bytes(size),
        plain(remote)
    )
}

/// Says what a wait is for, and what the user can do about it.
fn waiting(what: &Wait, limit: u64, why: Option<&str>) -> String {
    let up_to = match limit {
        0 => String::new(),
        limit => format!(" up to {}", whole_seconds(limit)),
    };
    match what {
        Wait::Approval => {
            let step = guide::states::unauthorized.next().while_pulling();
            let step = step.map_or_else(String::new, |step| format!(": {step}"));
            format!("Waiting{up_to} for a tap on the phone{step}")
        }
        Wait::Phone => {
            format!("Waiting{up_to} for the phone: plug it in; this continues by itself")
        }
        Wait::Address(address) => format!(
            "Waiting{up_to} for the phone at {}: check that it is on and in the same network as this computer",
            plain(address)
        ),
        Wait::Answer => format!(
            "Waiting{up_to} for the phone to answer: it may be hung; unplug it and plug it in again, or restart it"
        ),
        Wait::State(state) => {
            let holder = match state {
                DeviceState::Busy(holder) if !holder.is_empty() => {
                    format!(" (held by {})", plain(holder))
                }
                _ => String::new(),
            };
            format!(
                "Waiting{up_to}: the phone is {}{holder}",
                plain(state.name())
            )
        }
        Wait::Storage => {
            format!("Waiting{up_to} for the phone's storage: the phone was restarted; unlock it")
        }
        Wait::Connection => match why {
            Some(why) => format!("Waiting{up_to}; this continues by itself: {}", plain(why)),
            None => format!("Waiting{up_to} for a connection; this continues by itself"),
        },
        Wait::Bucket => {
            format!("Waiting{up_to} for the bucket, which is missing; this continues by itself")
        }
        Wait::Service => {
            format!("Waiting{up_to}, as the service asks; this continues by itself")
        }
        Wait::Quota => format!(
            "Waiting{up_to}: the service's daily quota is used up; this continues by itself"
        ),
    }
}

/// Names a wait in the line that counts it down.
pub(super) fn awaited(what: &Wait) -> &'static str {
    match what {
        Wait::Approval => "for a tap on the phone",
        Wait::Phone | Wait::Address(_) => "for the phone",
        Wait::Answer => "for the phone to answer",
        Wait::State(_) => "for the phone to be ready",
        Wait::Storage => "for the phone's storage",
        Wait::Connection => "for a connection",
        Wait::Bucket => "for the bucket",
        Wait::Service => "for the service",
        Wait::Quota => "for the next day's quota",
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_without_a_file_to_pull_says_so_in_words() {
        let planned = |items, done_items, unproven_items| {
            sentence(&Event::Planned {
                folder: "Pixel-7a".to_owned(),
                items,
                bytes: items * 1000,
                done_items,
                done_bytes: 0,
                unproven_items,
            })
            .unwrap()
        };
        assert_eq!(planned(0, 0, 0), "Nothing to pull into Pixel-7a");
        assert_eq!(
            planned(0, 1, 0),
            "Nothing new to pull: 1 file is in Pixel-7a already"
        );
        assert_eq!(
            planned(0, 2, 3),
            "Nothing new to pull: 5 files are in Pixel-7a already, 3 of them not verified yet"
        );
        assert_eq!(planned(2, 0, 0), "2 files to pull, 2.0 kB, into Pixel-7a");
        assert_eq!(
            planned(2, 2, 3),
            "2 files to pull, 2.0 kB; 5 files here already, 3 of them not verified yet, into Pixel-7a"
        );
    }

    #[test]
    fn phone_of_the_network_is_not_waited_for_at_a_cable() {
        let wait = Wait::from(&crate::phone::connect::Waiting::Address(
            "10.0.0.7:5555".to_owned(),
        ));
        // Programs know one word for a phone that is away.
        assert_eq!(serde_json::to_string(&wait).unwrap(), "\"phone\"");
        let words = waiting(&wait, 120, None);
        assert!(
            words.contains("for the phone at 10.0.0.7:5555: "),
            "{words}"
        );
        assert!(!words.contains("plug"), "{words}");
    }
}
