//! The phone that the options choose: how it is looked for, and how a command names it again.

use std::time::Duration;

use crate::adb::connection::Introduction;
use crate::cli::PhoneArgs;
use crate::phone::connect::{ConnectOptions, Target};
use crate::phone::keys::KeySources;
use crate::ui::{typed, typed_word};

/// How long to wait for a tap on "Allow" and for a phone that disappeared, in seconds, unless told otherwise.
const USUAL_WAIT: u64 = 120;

pub(super) fn target_of(args: &PhoneArgs) -> Target {
    match &args.tcp {
        Some(address) => Target::Tcp(address.clone()),
        None => Target::Discovered {
            serial: args.serial.clone().or_else(serial_from_environment),
        },
    }
}

/// What a target is called; empty for any phone.
pub(super) fn name_of(target: &Target) -> &str {
    match target {
        Target::Tcp(address) => address,
        Target::Discovered { serial } => serial.as_deref().unwrap_or_default(),
    }
}

/// Reads `ANDROID_SERIAL` as adb does: an empty value counts as unset.
pub(super) fn serial_from_environment() -> Option<String> {
    let serial = std::env::var_os("ANDROID_SERIAL")?;
    // A value that is not text matches no phone; the error then shows it.
    Some(serial.to_string_lossy().into_owned()).filter(|serial| !serial.is_empty())
}

pub(super) fn options_of(args: &PhoneArgs) -> ConnectOptions {
    ConnectOptions {
        keys: KeySources::from_environment(args.keys.clone()),
        introduction: Introduction::OfferKey,
        wait: Duration::from_secs(args.wait.unwrap_or(USUAL_WAIT)),
        awaits_arrival: args.wait.is_some(),
        idle: Duration::from_secs(args.idle_timeout),
    }
}

/// Returns the options of a command that only reads a phone's state: it waits at most this long for a phone that has
/// allowed this computer before, and puts no question on the phone's screen.
pub(super) fn options_to_look(args: &PhoneArgs, wait: Duration) -> ConnectOptions {
    let options = options_of(args);
    ConnectOptions {
        wait: wait.min(options.wait),
        awaits_arrival: false,
        introduction: Introduction::SignaturesOnly,
        ..options
    }
}

/// `rescue pull` as a person types it, so that it finds the phone that these options chose, and comes
/// with the same keys. `name` chooses it where the options do not.
pub(super) fn pull_command(args: &PhoneArgs, name: Option<&str>) -> String {
    let mut command = "rescue pull".to_owned();
    let choice = match (&args.tcp, args.serial.as_deref().or(name)) {
        (Some(address), _) => Some(choose_in("--tcp", address)),
        (None, Some(name)) => Some(choose_in("--serial", name)),
        (None, None) => None,
    };
    let keys = args.keys.iter().map(|key| format!("--key {}", typed(key)));
    for option in choice.into_iter().chain(keys) {
        command.push(' ');
        command.push_str(&option);
    }
    command
}

/// An option with its value, for a command line that is shown to be copied.
pub(super) fn choose_in(option: &str, value: &str) -> String {
    // What begins like an option has to be joined to its own.
    let joint = if value.starts_with('-') { '=' } else { ' ' };
    format!("{option}{joint}{}", typed_word(value))
}
