//! A phone that can be connected to: what it says about itself.

use std::time::Duration;

use super::{DoctorFinding, unauthorized};
use crate::cli::PhoneArgs;
use crate::commands::target::{name_of, options_to_look};
use crate::guide::states::{self, Diagnosis};
use crate::phone::connect::{Patience, Target, connect};
use crate::phone::seen::{RouteName, SeenPhone};
use crate::phone::{Phone, PhoneError, allowed};
use crate::pull::enumerate::has_storage;

/// How long a phone may take to let this computer in: long enough for no person.
const WAIT: Duration = Duration::from_secs(3);
/// How long a phone may say nothing before it counts as hung.
const SILENCE: Duration = Duration::from_secs(8);
/// Below this much of its charge a phone may not last, in percent.
const LOW_BATTERY: u64 = 20;
/// The longest output of one query, in bytes.
const MAX_OUTPUT: usize = 64 * 1024;

/// Connects, and looks at what the phone says about itself.
pub(super) async fn contact(
    target: Target,
    args: &PhoneArgs,
    seen: Option<&SeenPhone>,
) -> Vec<DoctorFinding> {
    let mut options = options_to_look(args, WAIT);
    options.idle = SILENCE.min(options.idle);
    let name = name_of(&target).to_owned();
    let model = seen.and_then(|phone| phone.model.as_deref());
    let phone = match connect(&target, &options, Patience::ForPerson, &mut |_| {}).await {
        Ok(phone) => phone,
        Err(error) => {
            let of_address = match target {
                Target::Tcp(_) => states::of_address(&error),
                Target::Discovered { .. } => None,
            };
            let state = of_address.or_else(|| states::of_error(&error));
            let state = state.unwrap_or(states::offline);
            if state == states::unauthorized {
                return vec![unauthorized(args, &name, model)];
            }
            let finding = DoctorFinding::about(state, &name, model);
            return vec![finding.with(detail_of_error(&error, state))];
        }
    };
    allowed::note(name_of(&phone.target()));
    let route = match seen.map(|phone| phone.route) {
        Some(RouteName::Usb) => "straight over USB",
        Some(RouteName::Server) => "through the adb server",
        None => "over TCP",
    };
    // What the phone calls itself, its server may never have heard of.
    let name = match target {
        Target::Tcp(_) => phone.serial(),
        Target::Discovered { .. } => &name,
    };
    look_inside(&phone, name, route).await
}

/// What a failure tells beyond its state.
fn detail_of_error(error: &PhoneError, state: Diagnosis) -> Option<String> {
    match (error, std::error::Error::source(error)) {
        (PhoneError::NotReady { state: named, .. }, _) => {
            // A state that has its page needs no second name.
            Some(named.name().to_owned()).filter(|_| state == states::unknown_state)
        }
        // Why a key file is of no use, or an address leads nowhere, says what to do about it.
        (
            PhoneError::Keys(_)
            | PhoneError::Unreachable { .. }
            | PhoneError::UnknownHost { .. }
            | PhoneError::CannotOpen { .. },
            Some(cause),
        ) => Some(format!("{error}: {cause}")),
        // That it went away is plain; how, not.
        (PhoneError::Lost(_), Some(cause)) => Some(match cause.source() {
            Some(deeper) => format!("{cause}: {deeper}"),
            None => cause.to_string(),
        }),
        // The state says it all.
        (PhoneError::Locked, _) => None,
        _ => Some(error.to_string()),
    }
}

async fn look_inside(phone: &Phone, name: &str, route: &str) -> Vec<DoctorFinding> {
    let identity = phone.identity();
    let about = |state| DoctorFinding::about(state, name, Some(&identity.model));
    let mut findings = Vec::new();
    if let Some(level) = battery(phone).await
        && level < LOW_BATTERY
    {
        findings.push(about(states::low_battery).with(format!("{level} percent")));
    }
    if is_screen_locked(&ask(phone, "dumpsys trust").await) {
        findings.push(about(states::screen_locked));
    }
    let cards = unreadable_cards(&ask(phone, "sm list-volumes public").await);
    findings.extend(
        cards
            .into_iter()
            .map(|card| about(states::card_unreadable).with(card)),
    );
    match has_storage(phone).await {
        Ok(false) => findings.insert(0, about(states::storage_missing)),
        Ok(true) => {
            let detail = format!("{route}, Android {}", identity.android_version);
            findings.insert(0, about(states::ready).with(detail));
        }
        Err(error) => {
            let state = states::of_error(&error).unwrap_or(states::storage_missing);
            findings.insert(0, about(state).with(detail_of_error(&error, state)));
        }
    }
    findings
}

/// How full the battery is, in percent, where the phone tells.
async fn battery(phone: &Phone) -> Option<u64> {
    level_in(&ask(phone, "dumpsys battery").await)
}

/// What a command of the phone prints; nothing where the phone has no such command.
async fn ask(phone: &Phone, command: &'static str) -> String {
    let asked = phone.run(command, command.as_bytes(), MAX_OUTPUT, WAIT);
    let printed = asked.await.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&printed).into_owned()
}

/// AOSP's `TrustManagerService` prints a line for each user, the current one marked.
fn is_screen_locked(trust: &str) -> bool {
    let mut users = trust.lines().filter(|line| line.contains("(current)"));
    users.any(|line| line.contains("deviceLocked=1"))
}

/// Cards that are in the phone and not mounted, as `sm` lists them: `public:179,1 unmountable 1A2B-3C4D`.
fn unreadable_cards(volumes: &str) -> Vec<String> {
    let card = |line: &str| {
        let mut words = line.split_whitespace();
        let (volume, state) = (words.next()?, words.next()?);
        let is_unreadable = matches!(state, "unmountable" | "unmounted");
        (volume.starts_with("public:") && is_unreadable).then(|| match words.next() {
            Some(name) if name != "null" => format!("{name}, {state}"),
            _ => format!("{volume}, {state}"),
        })
    };
    volumes.lines().filter_map(card).collect()
}

fn level_in(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.trim().strip_prefix("level:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn battery_level_is_read_and_nonsense_is_none() {
        assert_eq!(
            level_in("Battery:\n  AC powered: false\n  level: 7\n"),
            Some(7)
        );
        assert_eq!(level_in("level: much"), None);
    }

    #[test]
    fn lock_of_the_current_user_is_read_and_of_no_other() {
        let user = |id, mark, locked| {
            format!(
                " User \"x\" (id={id}, flags=0xc13){mark}: trusted=0, deviceLocked={locked}, strongAuthRequired=0x0\n"
            )
        };
        let text = format!(
            "Trust manager state:\n{}{}",
            user(0, " (current)", 1),
            user(10, "", 0)
        );
        assert!(is_screen_locked(&text));
        let text = format!(
            "Trust manager state:\n{}{}",
            user(0, " (current)", 0),
            user(10, "", 1)
        );
        assert!(!is_screen_locked(&text));
        assert!(!is_screen_locked("Can't find service: trust"));
    }

    #[test]
    fn cards_that_are_not_mounted_are_read_and_others_are_left_out() {
        let text = "private mounted null\npublic:179,1 mounted 1A2B-3C4D\npublic:179,2 unmountable null\npublic:8,1 unmounted AAAA-BBBB\nnonsense\n";
        assert_eq!(
            unreadable_cards(text),
            ["public:179,2, unmountable", "AAAA-BBBB, unmounted"]
        );
    }
}
