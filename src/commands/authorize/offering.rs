//! A command that finds the phone waiting for a tap on "Allow" offers to answer from here.

use std::pin::pin;

use tokio::sync::mpsc;

use super::{AdbRoute, UnlockOptions, authorize};
use crate::cli::LockSecretArgs;
use crate::commands::lock_secret::prompted;
use crate::commands::{Context, announce, connect_phone, doctor, stopped};
use crate::error::Error;
use crate::event::{Event, Events};
use crate::phone::accessory::candidates;
use crate::phone::connect::{ConnectOptions, Patience, Target, Waiting, connect};
use crate::phone::{Phone, PhoneError};
use crate::ui::terminal::Mode;
use crate::ui::{Ui, plain};

/// Connects as `connect_phone` does; where the phone waits for a tap on "Allow" and a
/// person sits at the terminal, offers to accept the question from here.
pub(in crate::commands) async fn connect_offering(
    target: &Target,
    options: &ConnectOptions,
    context: Context<'_>,
) -> Result<Phone, Error> {
    let events = context.ui.events();
    if !context.ui.has_person() || !takes_keys(target).await {
        return connect_phone(target, options, context).await;
    }
    let phone = tokio::select! {
        () = context.halt.stopped() => return Err(stopped(context.halt)),
        phone = connect_or_answer(target, options, context.ui, &events) => phone?,
    };
    announce(&phone, &events);
    Ok(phone)
}

/// Whether the phone could be driven over the cable; nothing is asked of it.
async fn takes_keys(target: &Target) -> bool {
    let Target::Discovered { .. } = target else {
        return false;
    };
    let (Ok(way), Ok(found)) = (AdbRoute::to(target).await, candidates().await) else {
        return false;
    };
    let is_it = |name: &String| found.iter().any(|candidate| candidate.name == *name);
    way.on_usb.as_ref().is_some_and(is_it)
}

async fn connect_or_answer(
    target: &Target,
    options: &ConnectOptions,
    ui: &Ui,
    events: &Events,
) -> Result<Phone, Error> {
    let explained = |error: PhoneError| doctor::explained(error.into());
    let (tell, mut told) = mpsc::unbounded_channel();
    let seconds = options.wait.as_secs();
    let mut on_wait = move |waiting: &Waiting| {
        let what = waiting.into();
        events.emit(Event::Waiting {
            what,
            seconds,
            why: None,
        });
        let _ = tell.send(waiting.clone());
    };
    {
        let mut connecting = pin!(connect(target, options, Patience::ForPerson, &mut on_wait));
        let asking = async {
            while let Some(waiting) = told.recv().await {
                if waiting == Waiting::Approval {
                    return;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            done = &mut connecting => return done.map_err(explained),
            () = asking => {}
        }
        let question = "The phone waits for a tap on 'Allow'. Tap it there, or press Enter to accept it from here: ";
        tokio::select! {
            done = &mut connecting => return done.map_err(explained),
            pressed = prompted(question, Mode::Lines, ui), if !ui.is_on_face() => drop(pressed?),
            _ = accepted_on_face(ui), if ui.is_on_face() => {}
        }
    }
    let wish = UnlockOptions {
        secret: &LockSecretArgs::default(),
        unlocked: false,
        again: false,
    };
    let (phone, by, _) = authorize(target, options, wish, ui).await?;
    if let Some(by) = by {
        let name = plain(phone.serial());
        ui.remark(&format!("{name} has allowed this computer ({by})"));
    }
    Ok(phone)
}

/// Offers on a page to accept the question from here; returns when the person wants that.
async fn accepted_on_face(ui: &Ui) -> Option<usize> {
    let text = "The phone waits for a tap on 'Allow'. Tap it there, or accept it from here.";
    let choices = vec!["Accept it from here".to_owned()];
    ui.choose_on_face(text, choices, 0).await
}
