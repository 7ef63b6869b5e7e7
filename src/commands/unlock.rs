//! `rescue unlock`: types or draws the owner's PIN, password or pattern once, and reports the outcome as
//! far as it can be seen.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::Done;
use super::lock_secret::{Memory, demand};
use super::target::{options_to_look, pull_command, serial_from_environment, target_of};
use crate::cli::{LockSecretArgs, PhoneArgs, UnlockArgs, Way};
use crate::error::{Error, Kind};
use crate::event::{Event, Events};
use crate::hint::Clause::{ByCommand, Said};
use crate::phone::accessory::action::{Action, enter_secret, to_lock_screen};
use crate::phone::accessory::hid::InputDevice;
use crate::phone::accessory::secret::LockSecret;
use crate::phone::accessory::{Accessory, AccessoryError};
use crate::phone::connect::{Patience, connect};
use crate::phone::lock::{LockState, Typed};
use crate::phone::{Phone, PhoneError};
use crate::pull::enumerate::has_storage;
use crate::ui::{Ui, Went, plain};

/// How long a phone may take to let this computer in: long enough for no person.
const WAIT: Duration = Duration::from_secs(3);
/// How long a phone may take to open its storage after the right PIN.
const OPENING: Duration = Duration::from_secs(15);
/// How often to look meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How long a phone may be away when it changes what it is on USB.
pub(super) const RETURN: Duration = Duration::from_secs(20);

/// What is known afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum UnlockOutcome {
    /// The phone says that its lock is open.
    Unlocked,
    /// It was open before; nothing was typed.
    WasOpen,
    /// The phone tells nothing of it.
    Unknown,
}

#[derive(Serialize)]
struct Unlock<'a> {
    r#type: &'static str,
    phone_name: &'a str,
    outcome: UnlockOutcome,
    /// `cable` or `adb`; nothing when nothing was typed.
    over: Option<&'static str>,
    /// Whether the phone's storage can be listed; nothing when it cannot be asked.
    storage: Option<bool>,
}

pub(super) async fn run(args: &UnlockArgs, ui: &Ui) -> Result<Done, Error> {
    let events = ui.events();
    let phone = match over_adb(&args.phone).await {
        // An address names no phone on the cable.
        Err(error) if args.over == Some(Way::Adb) || args.phone.tcp.is_some() => {
            return Err(error.into());
        }
        phone => phone.ok(),
    };
    if let Some(phone) = &phone
        && phone.lock_state().await?.is_open()
    {
        let unlock = Unlock {
            r#type: "unlock",
            phone_name: phone.serial(),
            outcome: UnlockOutcome::WasOpen,
            over: None,
            storage: Some(has_storage(phone).await?),
        };
        unlock.tell(&args.phone, ui);
        return Ok(Done::All);
    }
    // Before the question: a PIN is asked for only where it can be used.
    let accessory = open_accessory(args, phone.as_ref()).await?;
    let name = match (&phone, &accessory) {
        (_, Some(accessory)) => accessory.name().to_owned(),
        (Some(phone), None) => phone.serial().to_owned(),
        (None, None) => String::new(),
    };
    let memory = Memory::of(&name);
    memory.allow(args.again, ui).await?;
    let secret = demand(&args.secret, ui).await?;
    let begins = || memory.begin(ui);
    let over = enter(&phone, accessory, &secret, args, (&events, &begins)).await?;
    drop(secret);
    let (outcome, storage) = match prove(&args.phone, phone, &events).await {
        Some((phone, state)) if state.is_open() => {
            memory.succeeded();
            (UnlockOutcome::Unlocked, has_storage(&phone).await.ok())
        }
        Some((_, state)) if state.is_locked() => return Err(still_locked(&name)),
        _ => (UnlockOutcome::Unknown, None),
    };
    let unlock = Unlock {
        r#type: "unlock",
        phone_name: &name,
        outcome,
        over: Some(over),
        storage,
    };
    unlock.tell(&args.phone, ui);
    Ok(Done::All)
}

fn still_locked(name: &str) -> Error {
    let message =
        format!("the phone {name} is still locked: it did not take the PIN, or did not see it");
    Error::new(Kind::Locked, message).with_hint([
        Said("make sure of the PIN"),
        ByCommand(" before you run the same command with --again"),
    ])
}

/// The keys over the cable, where they are wanted or possible: of the phone that ADB knows, and of no other that
/// happens to be on the cable.
async fn open_accessory(
    args: &UnlockArgs,
    phone: Option<&Phone>,
) -> Result<Option<Accessory>, Error> {
    if args.over == Some(Way::Adb) {
        return Ok(None);
    }
    let serial = args.phone.serial.clone().or_else(serial_from_environment);
    let serial = serial.or_else(|| phone.map(|phone| phone.serial().to_owned()));
    let needs_cable = phone.is_none() || args.over == Some(Way::Cable) || args.secret.pattern;
    match Accessory::open(serial.as_deref()).await {
        Ok(accessory) => Ok(Some(accessory)),
        Err(error) if needs_cable => Err(error.into()),
        Err(error) => {
            tracing::debug!(%error, "no keys over the cable");
            Ok(None)
        }
    }
}

/// The phone over ADB, where it lets this computer in by itself.
async fn over_adb(args: &PhoneArgs) -> Result<Phone, PhoneError> {
    let options = options_to_look(args, WAIT);
    connect(&target_of(args), &options, Patience::ForPerson, &mut |_| {}).await
}

/// Types or draws the secret, once, the surest way first. Tells which way it went. Calls `begins` right before the
/// phone may receive a part of it, and not where nothing is typed.
async fn enter(
    phone: &Option<Phone>,
    accessory: Option<Accessory>,
    secret: &LockSecret,
    args: &UnlockArgs,
    (events, begins): (&Events, &(dyn Fn() + Sync)),
) -> Result<&'static str, Error> {
    let step = |what: &str| {
        events.emit(Event::Step {
            what: what.to_owned(),
        });
    };
    if let (Some(phone), LockSecret::Text(_)) = (phone, secret)
        && args.over != Some(Way::Cable)
    {
        step("Waking the phone and typing through USB debugging");
        match phone.type_secret(secret, begins).await? {
            Typed::Yes => return Ok("adb"),
            Typed::Refused => step("The phone does not let USB debugging press keys"),
        }
    }
    let Some(accessory) = accessory else {
        return Err(Error::new(
            Kind::Refused,
            "the phone does not accept keys through USB debugging",
        )
        .with_hint([
            Said("plug it in with a cable"),
            ByCommand(", and leave --over adb and --tcp out"),
            Said("; on Xiaomi, 'USB debugging (Security settings)' has to be on"),
        ]));
    };
    step("Waking the phone and typing over the cable");
    over_cable(accessory, secret, &args.secret, begins).await?;
    Ok("cable")
}

/// Goes to the lock screen, calls `begins`, and types or draws the secret there.
pub(super) async fn over_cable(
    mut accessory: Accessory,
    secret: &LockSecret,
    args: &LockSecretArgs,
    begins: &(dyn Fn() + Sync),
) -> Result<Accessory, Error> {
    let grid = args.grid.unwrap_or_default();
    let actions = enter_secret(secret, grid)
        .map_err(|error| Error::new(Kind::Usage, "this text cannot be typed").caused_by(error))?;
    if let LockSecret::Pattern(_) = secret {
        accessory.attach(&[InputDevice::Touch]).await?;
    }
    // The pen at least shows the PIN's field quicker; a phone without it takes the keys alone.
    let way = without_refused(&mut accessory, to_lock_screen()).await?;
    if let Err(error) = accessory.play(&way).await {
        if !matches!(error, AccessoryError::Gone { .. }) {
            return Err(error.into());
        }
        // Nothing of the secret was typed yet, and a woken phone may appear again on USB.
        accessory = accessory.again(RETURN).await?;
        let way = without_refused(&mut accessory, to_lock_screen()).await?;
        accessory.play(&way).await?;
    }
    begins();
    accessory.play(&actions).await.map_err(|error| {
        let error = Error::from(error);
        Error::new(
            error.kind,
            format!("{} while the {} was entered", error.message, secret.name()),
        )
        .with_hint(
            "it was not entered again, because the phone may have received a part of it. Run the same command again",
        )
    })?;
    Ok(accessory)
}

/// Attaches what the actions need, and leaves out what the phone refuses, but for the keyboard.
async fn without_refused(
    accessory: &mut Accessory,
    actions: Vec<Action>,
) -> Result<Vec<Action>, AccessoryError> {
    let mut refused = Vec::new();
    accessory.attach(&[InputDevice::Keyboard]).await?;
    for device in [InputDevice::Touch, InputDevice::System] {
        match accessory.attach(&[device]).await {
            Ok(()) => {}
            Err(AccessoryError::DeviceRefused { .. }) => refused.push(device),
            Err(error) => return Err(error),
        }
    }
    let is_possible = |action: &Action| {
        action
            .device()
            .is_none_or(|device| !refused.contains(&device))
    };
    Ok(actions.into_iter().filter(is_possible).collect())
}

/// Asks the phone, where it lets this computer in, until it is open or the time is up.
async fn prove(
    args: &PhoneArgs,
    mut phone: Option<Phone>,
    events: &Events,
) -> Option<(Phone, LockState)> {
    let deadline = Instant::now() + OPENING;
    let was_in = phone.is_some();
    events.emit(Event::Step {
        what: "Checking whether the phone is unlocked; this takes some seconds".to_owned(),
    });
    let mut known = None;
    while Instant::now() < deadline {
        let Some(asked) = phone.take() else {
            match over_adb(args).await {
                Ok(back) => phone = Some(back),
                // It may be away for a moment; one that never was in does not come in now.
                Err(error) if was_in || error.is_gone() => {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                Err(_) => break,
            }
            continue;
        };
        // One that went away is looked for again.
        if let Ok(state) = asked.lock_state().await {
            if state.is_open() {
                return Some((asked, state));
            }
            known = Some(state);
            phone = Some(asked);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Some((phone?, known?))
}

impl Unlock<'_> {
    fn tell(&self, chosen: &PhoneArgs, ui: &Ui) {
        let shown = plain(self.phone_name);
        let pull = pull_command(chosen, None);
        let (done, next) = match (self.outcome, self.storage) {
            (UnlockOutcome::WasOpen, _) => (
                format!("{shown} is unlocked already; nothing was typed"),
                format!("`{pull}`"),
            ),
            (UnlockOutcome::Unlocked, Some(true)) => (
                format!("{shown} is unlocked, and its storage can be read"),
                format!("`{pull}`"),
            ),
            (UnlockOutcome::Unlocked, _) => (
                format!("{shown} is unlocked; its storage cannot be listed yet"),
                format!("wait a minute, then `{pull}`"),
            ),
            (UnlockOutcome::Unknown, _) => (
                format!(
                    "It was entered on {shown}, once. Whether the phone is unlocked cannot be seen from here: USB debugging is off, has not allowed this computer, or does not report it"
                ),
                "`rescue authorize` where USB debugging is on, `rescue keys` where it is off"
                    .to_owned(),
            ),
        };
        let mut lines = vec![done];
        lines.extend(ui.next_step(&next));
        ui.report(self, &lines, Went::Well);
    }
}
