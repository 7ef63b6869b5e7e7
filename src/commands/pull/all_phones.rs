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
use crate::halt::Halt;
use crate::phone::PhoneError;
use crate::phone::connect::{ConnectOptions, Target};
use crate::phone::discover::discover;
use crate::phone::seen::SeenPhone;
use crate::ui::{Ui, count};

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
    let mut serials = HashSet::new();
    for phone in phones {
        let ui = context.ui.of_phone(&phone.serial);
        if let Err(error) = check_phone(&phone, &mut serials) {
            ui.error(&error);
            errors.push(error);
            continue;
        }
        let (request, options) = (Arc::clone(&request), options.clone());
        let halt = context.halt.child();
        runs.spawn(async move { pull_one(phone, &request, options, &ui, &halt).await });
    }
    let mut done = Done::All;
    while let Some(ended) = runs.join_next().await {
        match ended {
            Ok(Ok(Done::All)) => {}
            Ok(Ok(Done::SomeFailed)) => done = Done::SomeFailed,
            Ok(Err(error)) => errors.push(error),
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
    context.ui.end_progress();
    outcome(errors, phone_count, done)
}

/// Refuses a phone that has the serial number of an earlier one, and a phone for which waiting is of no use.
fn check_phone(phone: &SeenPhone, serials: &mut HashSet<String>) -> Result<(), Error> {
    if !serials.insert(phone.serial.clone()) {
        let message = match phone.serial.starts_with('(') {
            true => "another phone has no serial number, too: they cannot be told apart".to_owned(),
            false => format!("another phone has the serial number {} too", phone.serial),
        };
        return Err(Error::new(Kind::PhoneNotReady, message)
            .with_hint("attach one of them at a time, each with a folder of its own (-o)"));
    }
    match phone.state {
        DeviceState::Device
        | DeviceState::Attached
        | DeviceState::Unauthorized
        | DeviceState::Connecting
        | DeviceState::Authorizing => Ok(()),
        _ => Err(PhoneError::NotReady {
            serial: phone.serial.clone(),
            state: phone.state.clone(),
        }
        .into()),
    }
}

/// Pulls from one of the phones, and reports its error.
async fn pull_one(
    phone: SeenPhone,
    request: &PullOrder,
    options: ConnectOptions,
    ui: &Ui,
    halt: &Halt,
) -> Result<Done, Error> {
    let target = Target::Discovered {
        serial: Some(phone.serial),
    };
    let context = Context { ui, halt };
    let mut about = About::default();
    let pulled = pull_into(request, target, options, context, &mut about).await;
    let pulled = pulled.map(|(done, _)| done);
    if let Some(command) = &request.on_done {
        done::run_command(command, &about, &pulled, context).await;
    }
    if let Err(error) = &pulled {
        ui.error(error);
    }
    pulled
}

/// The end of the whole, of which each error is reported already.
fn outcome(mut errors: Vec<Error>, phone_count: usize, done: Done) -> Result<Done, Error> {
    let interrupted = |error: &Error| error.kind == Kind::Interrupted;
    if let Some(at) = errors.iter().position(interrupted) {
        return Err(errors.swap_remove(at));
    }
    if errors.is_empty() {
        return Ok(done);
    }
    if errors.len() < phone_count {
        return Ok(Done::SomeFailed);
    }
    // None of them brought anything: the first error is that of the whole.
    let kind = errors.swap_remove(0).kind;
    let message = format!(
        "nothing could be pulled from {}",
        count(phone_count as u64, "phone")
    );
    Err(Error::new(kind, message).with_hint("take the next step named above for each phone"))
}
