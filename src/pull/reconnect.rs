//! The way back to a phone that went away: the same phone, by the route by which it was reached.

use super::halt::Halt;
use crate::error::{Error, Kind};
use crate::event::{Event, Events};
use crate::phone::connect::{ConnectOptions, Patience, Target, Waiting, connect};
use crate::phone::{Phone, PhoneError};

/// Lost connections without any progress before a run ends.
pub const MAX_VAIN_CONNECTIONS: u32 = 5;

/// Where to find the phone again.
#[derive(Debug, Clone)]
pub struct Reconnect {
    /// The phone's own serial number: another phone on the same route is not it.
    pub serial: String,
    /// How it was reached.
    pub target: Target,
    /// How to connect.
    pub options: ConnectOptions,
}

impl Reconnect {
    /// To this very phone.
    pub fn to(phone: &Phone, options: ConnectOptions) -> Self {
        Self {
            serial: phone.serial().to_owned(),
            target: phone.target(),
            options,
        }
    }

    /// Waits for the phone after it was lost for the `vain`-th time without any progress; the
    /// error is what ends the run when it does not come back.
    pub async fn wait(
        &self,
        lost: PhoneError,
        vain: u32,
        events: &Events,
        halt: &Halt,
    ) -> Result<Phone, Error> {
        if vain >= MAX_VAIN_CONNECTIONS || !lost.is_gone() {
            return Err(lost.into());
        }
        events.emit(Event::PhoneGone {
            message: lost.to_string(),
        });
        let seconds = self.options.wait.as_secs();
        let mut tell = |waiting: &Waiting| {
            events.emit(Event::Waiting {
                what: waiting.into(),
                seconds,
            })
        };
        let found = tokio::select! {
            () = halt.stopped() => return Err(halt.take_reason().unwrap_or_else(|| lost.into())),
            found = connect(&self.target, &self.options, Patience::ForReturn, &mut tell) => found,
        };
        match found {
            Ok(phone) if phone.serial() == self.serial => Ok(phone),
            Ok(other) => {
                let message = format!(
                    "the phone {} answers in place of {}",
                    other.serial(),
                    self.serial
                );
                Err(Error::new(Kind::PhoneGone, message).with_hint(
                    "plug the right phone in and run the same command: it goes on where it was",
                ))
            }
            Err(_) => Err(lost.into()),
        }
    }
}
