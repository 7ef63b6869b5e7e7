//! `rescue pull --all-phones`: every phone that is ready, each into a folder of its own, at once.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::Context;
use super::done::{self, About};
use super::{PullOrder, pull_into};
use crate::adb::server::DeviceState;
use crate::commands::Done;
use crate::error::{Error, Kind};
use crate::phone::PhoneError;
use crate::phone::connect::{ConnectOptions, Target};
use crate::phone::discover::discover;
use crate::phone::seen::SeenPhone;
use crate::ui::count;

/// Pulls from every phone that can be seen. One that fails does not stop the others: its error is
/// told with its serial number, and the whole is not done.
pub(super) async fn run(
    phones: Vec<SeenPhone>,
    request: PullOrder,
    options: ConnectOptions,
    context: Context<'_>,
) -> Result<Done, Error> {
    let request = Arc::new(request);
    // Where they could not be listed, that says why.
    let phones = match phones.is_empty() {
        true => discover().await?.phones,
        false => phones,
    };
    if phones.is_empty() {
        return Err(PhoneError::NoPhone.into());
    }
    let phone_count = phones.len();
    let mut runs = JoinSet::new();
    let mut errors = Vec::new();
    let mut all_done = true;
    let mut serials = HashSet::new();
    for phone in phones {
        let ui = context.ui.of_phone(&phone.serial);
        if !serials.insert(phone.serial.clone()) {
            let message = match phone.serial.starts_with('(') {
                true => {
                    "another phone has no serial number, too: they cannot be told apart".to_owned()
                }
                false => format!("another phone has the serial number {} too", phone.serial),
            };
            let error = Error::new(Kind::PhoneNotReady, message)
                .with_hint("attach one of them at a time, each with a folder of its own (-o)");
            ui.error(&error);
            errors.push(error);
            continue;
        }
        let is_worth_waiting = matches!(
            phone.state,
            DeviceState::Device
                | DeviceState::Attached
                | DeviceState::Unauthorized
                | DeviceState::Connecting
                | DeviceState::Authorizing
        );
        if !is_worth_waiting {
            let (serial, state) = (phone.serial, phone.state);
            let error = Error::from(PhoneError::NotReady { serial, state });
            ui.error(&error);
            errors.push(error);
            continue;
        }
        let (request, options) = (Arc::clone(&request), options.clone());
        let halt = context.halt.child();
        runs.spawn(async move {
            let target = Target::Discovered {
                serial: Some(phone.serial),
            };
            let context = Context {
                ui: &ui,
                halt: &halt,
            };
            let mut about = About::default();
            let pulled = pull_into(&request, target, options, context, &mut about).await;
            let pulled = pulled.map(|(done, _)| done);
            if let Some(command) = &request.on_done {
                done::run_command(command, &about, &pulled, context).await;
            }
            if let Err(error) = &pulled {
                context.ui.error(error);
            }
            pulled
        });
    }
    while let Some(ended) = runs.join_next().await {
        match ended {
            Ok(Ok(done)) => all_done &= done == Done::All,
            Ok(Err(error)) => errors.push(error),
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
    context.ui.end_progress();
    if let Some(error) = errors
        .iter()
        .position(|error| error.kind == Kind::Interrupted)
        .map(|at| errors.swap_remove(at))
    {
        return Err(error);
    }
    match (errors.is_empty(), all_done) {
        (true, true) => Ok(Done::All),
        // None of them brought anything: the first error is that of the whole.
        (false, _) if errors.len() == phone_count => {
            let kind = errors.swap_remove(0).kind;
            let message = format!(
                "nothing could be pulled from {}",
                count(phone_count as u64, "phone")
            );
            Err(Error::new(kind, message)
                .with_hint("take the next step named above for each phone"))
        }
        _ => Ok(Done::SomeFailed),
    }
}
