//! Lists the phone and asks how it can prove what it sends, over any number of connections.

use super::super::{Context, stopped};
use super::PullOrder;
use crate::error::{Error, Kind};
use crate::hint::Clause::{ByCommand, Said};
use crate::phone::Phone;
use crate::pull::enumerate::{Enumeration, Listing};
use crate::pull::reconnect::Reconnect;
use crate::pull::{Method, method_of};

/// What the phone is asked beside the listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AskedBeside {
    /// How it can prove what it sends.
    Method,
    Nothing,
}

/// Lists the phone; one that goes away meanwhile is waited for, and the listing goes on. How it can
/// prove what it sends is asked beside the listing, where that is wanted; `None` when there is no
/// answer yet.
pub(super) async fn list(
    phone: &mut Phone,
    request: &PullOrder,
    beside: AskedBeside,
    reconnect: &Reconnect,
    context: Context<'_>,
) -> Result<(Enumeration, Option<Method>), Error> {
    let supervisor = &context.supervisor();
    let mut listing = Listing::new(&request.roots, &request.selection);
    let (mut vain, mut settled_folders) = (0, 0);
    let mut method = None;
    // Once: a phone that goes away over that question can still be listed.
    let mut asks = beside == AskedBeside::Method;
    loop {
        let listed = {
            let (going_on, asking) = (listing.go_on(phone, &supervisor.events), method_of(phone));
            tokio::pin!(going_on, asking);
            let mut listed = None;
            loop {
                tokio::select! {
                    () = context.halt.stopped() => return Err(stopped(context.halt)),
                    // To its end, whatever the other says: what is under way would be lost.
                    ended = &mut going_on, if listed.is_none() => listed = Some(ended),
                    asked = &mut asking, if asks => {
                        asks = false;
                        method = asked.ok();
                    }
                }
                match listed {
                    Some(Ok(())) if asks => {}
                    Some(listed) => break listed,
                    None => {}
                }
            }
        };
        asks = false;
        match listed {
            Ok(()) => return Ok((listing.into_found(), method)),
            Err(lost) => {
                let now = listing.settled_folders();
                vain = if now > settled_folders { 1 } else { vain + 1 };
                settled_folders = now;
                *phone = reconnect.wait(phone, lost, vain, supervisor).await?;
            }
        }
    }
}

/// Asks the phone how it can prove what it sends.
pub(super) async fn ask_for_method(
    phone: &mut Phone,
    reconnect: &Reconnect,
    context: Context<'_>,
) -> Result<Method, Error> {
    let supervisor = &context.supervisor();
    let mut vain = 0;
    loop {
        let asked = tokio::select! {
            () = context.halt.stopped() => return Err(stopped(context.halt)),
            method = method_of(phone) => method,
        };
        match asked {
            Ok(method) => return Ok(method),
            Err(lost) => {
                vain += 1;
                *phone = reconnect.wait(phone, lost, vain, supervisor).await?;
            }
        }
    }
}

pub(super) fn check_storage(found: &Enumeration) -> Result<(), Error> {
    if !found.volumes.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::PhoneNotReady,
        "the phone shows no storage: neither internal storage nor a card",
    )
    .with_hint([
        Said("unlock the phone and wait a minute after it was switched on"),
        ByCommand(", then run the same command"),
    ]))
}
