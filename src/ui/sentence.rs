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
            bytes: size,
            done_items,
        } => {
            let done = match done_items {
                0 => String::new(),
                done => format!("; {} sent before", count(*done, "file")),
            };
            let to_send = count(*items, "file");
            format!(
                "{to_send} to send, {}{done}, to {}",
                bytes(*size),
                plain(remote)
            )
        }
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
        } => {
            let version = match android_version.as_str() {
                "" => String::new(),
                version => format!(", Android {}", plain(version)),
            };
            let model = match model.trim() {
                "" => "a phone".into(),
                model => plain(model),
            };
            format!("Connected to {model} ({}{version})", plain(serial))
        }
        Event::PhoneGone { message } => format!(
            "{}; the files pulled so far are safe",
            capitalized(&plain(message))
        ),
        Event::Planned {
            folder,
            items,
            bytes: size,
            done_items,
            unproven_items,
            ..
        } => {
            let done = match (done_items + unproven_items, unproven_items) {
                (0, _) => String::new(),
                (here, 0) => format!("; {} here already", count(here, "file")),
                (here, unproven) => format!(
                    "; {} here already, {unproven} of them not verified yet",
                    count(here, "file")
                ),
            };
            format!(
                "{} to pull, {}{done}, into {}",
                count(*items, "file"),
                bytes(*size),
                plain(folder)
            )
        }
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
        Wait::Phone => format!("Waiting{up_to} for the phone: plug it in"),
        Wait::Answer => format!(
            "Waiting{up_to} for the phone to answer: it may be hung; unplug it and plug it in again"
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
            Some(why) => format!(
                "Waiting{up_to}; the upload resumes by itself: {}",
                plain(why)
            ),
            None => format!("Waiting{up_to} for a connection; the upload resumes by itself"),
        },
        Wait::Bucket => {
            format!("Waiting{up_to} for the bucket, which is missing; the upload resumes by itself")
        }
        Wait::Service => {
            format!("Waiting{up_to}, as the service asks; the upload resumes by itself")
        }
        Wait::Quota => format!(
            "Waiting{up_to}: the service's daily quota is used up; the upload resumes by itself"
        ),
    }
}

/// Names a wait in the line that counts it down.
pub(super) fn awaited(what: &Wait) -> &'static str {
    match what {
        Wait::Approval => "for a tap on the phone",
        Wait::Phone => "for the phone",
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
