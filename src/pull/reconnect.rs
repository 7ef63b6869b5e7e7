//! Waits for a phone that disappeared: the same phone, over the same route.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::enumerate::has_internal_storage;
use super::likeness;
use crate::error::{Error, Kind};
use crate::event::{Event, Events, Supervisor, Wait};
use crate::hint::Clause::{ByCommand, Said};
use crate::item::{Item, Marks};
use crate::phone::connect::{ConnectOptions, Patience, Target, Waiting, connect};
use crate::phone::{Phone, PhoneError};

/// The number of lost connections without any progress after which a run ends.
pub(crate) const MAX_VAIN_CONNECTIONS: u32 = 5;

/// How often to look whether a phone that is back has its storage back.
const STORAGE_INTERVAL: Duration = Duration::from_millis(500);

/// The facts needed to find the same phone again.
#[derive(Debug, Clone)]
pub(crate) struct Reconnect {
    /// The phone's own serial number, so that another phone on the same route is not mistaken for it.
    pub serial: String,
    /// Further marks that only this phone has.
    unit: Marks,
    /// Some of the phone's files. A phone that has none of them is another one, whatever it reports.
    pub(crate) witnesses: Vec<Item>,
    /// The target by which the phone was reached.
    pub target: Target,
    /// The settings for connecting.
    pub options: ConnectOptions,
    /// Whether to wait for the internal storage too. After a restart it becomes available later than the phone, and
    /// only once the phone is unlocked.
    pub needs_internal_storage: bool,
    /// How long the phone has been gone so far, in milliseconds.
    waited: Arc<AtomicU64>,
}

impl Reconnect {
    /// Creates the facts for this phone.
    pub(crate) fn to(phone: &Phone, options: ConnectOptions) -> Self {
        Self {
            serial: phone.serial().to_owned(),
            unit: phone.unit_marks(),
            witnesses: Vec::new(),
            target: phone.target(),
            options,
            needs_internal_storage: false,
            waited: Arc::default(),
        }
    }

    /// Waits for the phone after it was lost for the `vain`-th time without any progress. Returns the error that ends
    /// the run if the phone does not come back.
    pub(crate) async fn wait(
        &self,
        phone: &Phone,
        lost: PhoneError,
        vain: u32,
        supervisor: &Supervisor,
    ) -> Result<Phone, Error> {
        let Supervisor { events, halt } = supervisor;
        if vain >= MAX_VAIN_CONNECTIONS || !lost.is_gone() {
            return Err(lost.into());
        }
        events.emit(Event::PhoneGone {
            message: lost.to_string(),
        });
        let gone_at = Instant::now();
        phone.leave().await;
        let deadline = Instant::now() + self.options.wait;
        if let PhoneError::Idle { .. } = lost {
            // Told now: whether it answers again shows only after another silence.
            let (what, seconds) = (Wait::Answer, self.options.wait.as_secs());
            events.emit(Event::Waiting {
                what,
                seconds,
                why: None,
            });
        }
        loop {
            let phone = tokio::select! {
                () = halt.stopped() => return Err(halt.take_reason().unwrap_or_else(|| lost.into())),
                phone = self.find(&lost, deadline, events) => phone?,
            };
            let has_storage = tokio::select! {
                () = halt.stopped() => return Err(halt.take_reason().unwrap_or_else(|| lost.into())),
                has_storage = self.has_storage(&phone, deadline, events) => has_storage,
            };
            match has_storage {
                Ok(true) => {
                    let is_known = tokio::select! {
                        () = halt.stopped() => return Err(halt.take_reason().unwrap_or_else(|| lost.into())),
                        is_known = likeness::has_any(&phone, &self.witnesses) => is_known,
                    };
                    match is_known {
                        Ok(true) => {
                            self.is_back(gone_at.elapsed(), events);
                            return Ok(phone);
                        }
                        Ok(false) => return Err(self.other_phone(&phone)),
                        Err(error) if error.is_gone() && Instant::now() < deadline => {}
                        Err(_) => return Err(lost.into()),
                    }
                }
                Ok(false) => {
                    let message = "the phone is back, but its storage is not".to_owned();
                    return Err(Error::new(Kind::Locked, message).with_hint([
                        Said("unlock the phone, which was restarted"),
                        ByCommand(", and run the same command: it resumes where it stopped"),
                    ]));
                }
                Err(error) if error.is_gone() && Instant::now() < deadline => {}
                Err(_) => return Err(lost.into()),
            }
        }
    }

    fn is_back(&self, after: Duration, events: &Events) {
        let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.waited.fetch_add(milliseconds, Ordering::Relaxed);
        events.emit(Event::PhoneBack {
            after_seconds: after.as_secs(),
        });
    }

    /// Returns how long the phone has been gone in total.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_millis(self.waited.load(Ordering::Relaxed))
    }

    /// Waits until the storage of a phone that is back is available; returns false if that takes too long.
    async fn has_storage(
        &self,
        phone: &Phone,
        deadline: Instant,
        events: &Events,
    ) -> Result<bool, PhoneError> {
        let mut is_told = false;
        while self.needs_internal_storage && !has_internal_storage(phone).await? {
            if Instant::now() + STORAGE_INTERVAL >= deadline {
                return Ok(false);
            }
            if !is_told {
                is_told = true;
                let seconds = deadline.saturating_duration_since(Instant::now()).as_secs();
                let what = Wait::Storage;
                events.emit(Event::Waiting {
                    what,
                    seconds,
                    why: None,
                });
            }
            tokio::time::sleep(STORAGE_INTERVAL).await;
        }
        Ok(true)
    }

    /// Waits for the phone itself.
    async fn find(
        &self,
        lost: &PhoneError,
        deadline: Instant,
        events: &Events,
    ) -> Result<Phone, Error> {
        let wait = deadline.saturating_duration_since(Instant::now());
        // A full minute is told as one, although some of it has passed.
        let seconds = (wait + Duration::from_millis(500)).as_secs();
        let options = ConnectOptions {
            wait,
            ..self.options.clone()
        };
        let is_told = matches!(lost, PhoneError::Idle { .. });
        let mut tell = |waiting: &Waiting| {
            if !(is_told && *waiting == Waiting::Answer) {
                events.emit(Event::Waiting {
                    what: waiting.into(),
                    seconds,
                    why: None,
                })
            }
        };
        match connect(&self.target, &options, Patience::ForReturn, &mut tell).await {
            Ok(phone) if phone.serial() == self.serial && phone.unit_marks() == self.unit => {
                Ok(phone)
            }
            Ok(other) => Err(self.other_phone(&other)),
            Err(_) => Err(lost.clone().into()),
        }
    }

    fn other_phone(&self, other: &Phone) -> Error {
        let message = match other.serial() == self.serial {
            true => format!("another phone that calls itself {} answers", self.serial),
            false => format!(
                "the phone {} answers in place of {}",
                other.serial(),
                self.serial
            ),
        };
        Error::new(Kind::PhoneGone, message).with_hint([
            Said("plug the right phone in"),
            ByCommand(" and run the same command: it resumes where it stopped"),
        ])
    }
}
