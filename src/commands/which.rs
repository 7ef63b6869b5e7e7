//! The phone that a command works with: waits until one is attached, and asks where there are several.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;

use tokio::time::Instant;

use super::target::target_of;
use super::{Context, doctor, number_typed, stopped};
use crate::cli::PhoneArgs;
use crate::error::{Error, Kind};
use crate::event::{Event, Wait};
use crate::guide::states;
use crate::phone::PhoneError;
use crate::phone::connect::Target;
use crate::phone::discover::{choose, discover};
use crate::phone::seen::SeenPhone;
use crate::ui::Ui;
use crate::ui::terminal::Mode;

/// How often to look for a phone that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The attached phones, once there is one that was asked for. Until then the doctor's list is shown, again
/// whenever it changes. Fails at once where no time to wait was given.
pub(super) async fn attached(
    args: &PhoneArgs,
    context: Context<'_>,
) -> Result<Vec<SeenPhone>, Error> {
    let Target::Discovered { serial } = target_of(args) else {
        return Ok(Vec::new());
    };
    let wait = args.wait.map(Duration::from_secs);
    let begin = Instant::now();
    let mut shown = None;
    let mut is_told = false;
    loop {
        let found = match discover().await {
            Ok(found) => found.phones,
            // Connecting meets it too, and says what it is.
            Err(_) => return Ok(Vec::new()),
        };
        let lost = match choose(&found, serial.as_deref()) {
            Err(error @ (PhoneError::NoPhone | PhoneError::NoSuchPhone { .. })) => error,
            _ => return Ok(found),
        };
        let findings = doctor::examine(args, &BTreeSet::new())
            .await
            .unwrap_or_default();
        let lines: Vec<String> = findings
            .iter()
            .flat_map(doctor::DoctorFinding::lines)
            .collect();
        if context.ui.is_read_by_person() && shown.as_ref() != Some(&lines) {
            lines.iter().for_each(|line| context.ui.remark(line));
            shown = Some(lines);
        }
        let Some(wait) = wait.filter(|wait| begin.elapsed() < *wait) else {
            return Err(absent(lost, &findings, context.ui));
        };
        if !std::mem::replace(&mut is_told, true) {
            let (what, seconds) = (Wait::Phone, wait.as_secs());
            context.ui.events().emit(Event::Waiting {
                what,
                seconds,
                why: None,
            });
        }
        tokio::select! {
            () = context.halt.stopped() => return Err(stopped(context.halt)),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// The error to end with. Where the list stands above it, the next step is not repeated.
fn absent(error: PhoneError, findings: &[doctor::DoctorFinding], ui: &Ui) -> Error {
    let explained = doctor::explained(error.into());
    if !ui.is_read_by_person() || findings.is_empty() {
        return explained;
    }
    Error::new(explained.kind, "no phone can be read yet")
        .with_hint("take the first step above; with --wait 600 the same command waits for the phone and then starts")
}

/// The phone to connect to. Where several are attached and none is named, a person at the terminal chooses
/// one of a numbered list.
pub(super) async fn which(args: &PhoneArgs, context: Context<'_>) -> Result<Target, Error> {
    let target = target_of(args);
    let phones = attached(args, context).await?;
    if target != (Target::Discovered { serial: None }) || phones.len() < 2 {
        return Ok(target);
    }
    if !context.ui.has_person() {
        let listed: Vec<_> = phones
            .iter()
            .map(|phone| format!("{} ({})", phone.choice(&phones), about(phone)))
            .collect();
        let message = format!("several phones are attached: {}", listed.join(", "));
        return Err(Error::new(Kind::SeveralPhones, message).with_hint("choose one with --serial"));
    }
    context.ui.remark("Several phones are attached:");
    for (at, phone) in phones.iter().enumerate() {
        let number = at + 1;
        let (name, about) = (phone.choice(&phones), about(phone));
        context.ui.remark(&format!("{number:>4}  {name} ({about})"));
    }
    let question = format!("Which one? [1-{}] ", phones.len());
    loop {
        let answer = tokio::select! {
            () = context.halt.stopped() => return Err(stopped(context.halt)),
            answer = context.ui.ask(&question, Mode::Lines) => answer,
        };
        let answer = answer.map_err(|error| {
            let refused = match error.kind() {
                ErrorKind::UnexpectedEof => Error::new(Kind::SeveralPhones, "no phone was chosen"),
                _ => {
                    Error::new(Kind::SeveralPhones, "the terminal cannot be read").caused_by(error)
                }
            };
            refused.with_hint("choose one with --serial")
        })?;
        let number = number_typed(&answer, phones.len());
        if let Some(phone) = number.and_then(|number| phones.get(number)) {
            return Ok(Target::Discovered {
                serial: Some(phone.choice(&phones)),
            });
        }
    }
}

/// Model and state, as in `Pixel 7a, ready`.
fn about(phone: &SeenPhone) -> String {
    let state = states::of_device(&phone.state).state.replace('_', " ");
    match phone.model.as_deref() {
        Some(model) if !model.is_empty() => format!("{model}, {state}"),
        _ => state,
    }
}
