//! `rescue authorize`: answers the question "Allow USB debugging?" with keys over the cable. Tries the known ways one
//! after another until the phone accepts a connection, which proves success.

mod offering;

use std::pin::pin;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(super) use self::offering::connect_offering;
use super::lock_secret::{Memory, ask};
use super::target::{options_of, pull_command, target_of};
use super::unlock::{RETURN, over_cable};
use super::{Done, doctor};
use crate::adb::connection::Introduction;
use crate::adb::server::DeviceState;
use crate::cli::{AuthorizeArgs, LockSecretArgs};
use crate::error::{Error, Kind};
use crate::event::{Event, Events};
use crate::phone::accessory::action::{Action, DIALOGS, Dialog, undo};
use crate::phone::accessory::{Accessory, AccessoryError};
use crate::phone::connect::{ConnectOptions, Patience, Target, Waiting, connect};
use crate::phone::discover::{choose, discover};
use crate::phone::seen::RouteName;
use crate::phone::server::ServedPhone;
use crate::phone::{Phone, PhoneError};
use crate::ui::{Ui, Went, plain};

/// How long a phone may take to let this computer in by itself.
const LET_IN: Duration = Duration::from_secs(2);
/// How often to try that.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How long it may take until it asks.
const ASKING: Duration = Duration::from_secs(15);
/// From the offer of a key to a question that takes keys.
const SHOWING: Duration = Duration::from_millis(1800);
/// From the answer to being let in.
const ANSWERING: Duration = Duration::from_secs(4);

#[derive(Serialize)]
struct Authorized<'a> {
    r#type: &'static str,
    phone_name: &'a str,
    /// The way that worked; nothing when the phone let this computer in before.
    by: Option<&'static str>,
    /// How many ways were tried.
    tried: usize,
    /// Whether it lets this computer in again; nothing where that was not asked or not answered.
    lasting: Option<bool>,
}

pub(super) async fn run(args: &AuthorizeArgs, ui: &Ui) -> Result<Done, Error> {
    if args.phone.tcp.is_some() {
        let message = "the question can be answered only over the cable";
        return Err(
            Error::new(Kind::Usage, message).with_hint("plug the phone in and leave --tcp out")
        );
    }
    let target = target_of(&args.phone);
    let options = options_of(&args.phone);
    let wish = UnlockOptions {
        secret: &args.secret,
        unlocked: args.unlocked,
        again: args.again,
    };
    let (phone, by, tried) = authorize(&target, &options, wish, ui).await?;
    let name = phone.serial().to_owned();
    drop(phone);
    let lasting = match by {
        Some(_) => lets_in_again(&target, &options).await,
        None => None,
    };
    let shown = plain(&name);
    let pull = format!("`{}`", pull_command(&args.phone, None));
    let (done, next) = match (by, lasting) {
        // Older phones, and a box that was not ticked.
        (Some(by), Some(false)) => (
            format!("{shown} has allowed this computer ({by}), for one connection only"),
            format!("{pull}, and press Enter when it offers to answer the question once more"),
        ),
        (Some(by), _) => (format!("{shown} has allowed this computer ({by})"), pull),
        (None, _) => (
            format!("{shown} had allowed this computer already; nothing was pressed"),
            pull,
        ),
    };
    let mut lines = vec![done];
    lines.extend(ui.next_step(&next));
    ui.report(
        &Authorized {
            r#type: "authorized",
            phone_name: &name,
            by,
            tried,
            lasting,
        },
        &lines,
        Went::Well,
    );
    Ok(Done::All)
}

/// Whether the phone lets this computer in without asking, now that it was allowed.
async fn lets_in_again(target: &Target, options: &ConnectOptions) -> Option<bool> {
    let options = ConnectOptions {
        introduction: Introduction::SignaturesOnly,
        ..waiting(options, LET_IN)
    };
    let deadline = Instant::now() + LET_IN;
    loop {
        match connect(target, &options, Patience::ForPerson, &mut |_| {}).await {
            Ok(_) => return Some(true),
            Err(error) if asks(&error) => return Some(false),
            // The connection before may not have let go of the phone yet.
            Err(error) => {
                tracing::debug!(%error, "not let in again");
                if Instant::now() >= deadline {
                    return None;
                }
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
    }
}

/// How the lock is opened before the phone asks.
#[derive(Clone, Copy)]
struct UnlockOptions<'a> {
    secret: &'a LockSecretArgs,
    unlocked: bool,
    again: bool,
}

/// Gets this computer allowed. Tells the phone, the way that worked, and how many were tried.
async fn authorize(
    target: &Target,
    options: &ConnectOptions,
    wish: UnlockOptions<'_>,
    ui: &Ui,
) -> Result<(Phone, Option<&'static str>, usize), Error> {
    let events = ui.events();
    let at_once = waiting(options, LET_IN);
    match connect(target, &at_once, Patience::ForPerson, &mut |_| {}).await {
        Ok(phone) => return Ok((phone, None, 0)),
        Err(error) if asks(&error) => {}
        Err(error) => return Err(doctor::explained(error.into())),
    }
    let way = AdbRoute::to(target).await?;
    let accessory = Accessory::open(way.on_usb.as_deref()).await?;
    let memory = Memory::of(accessory.name());
    let mut accessory = woken(accessory, wish, &memory, ui).await?;
    for (at, dialog) in DIALOGS.iter().enumerate() {
        let tried = at + 1;
        let number = format!("{tried} of {}", DIALOGS.len());
        step(
            &events,
            &format!("Answering the question, attempt {number}: {}", dialog.name),
        );
        let mut again = true;
        let answered = loop {
            match attempt(dialog, target, options, &way, &mut accessory).await {
                // What the phone is on USB changes when it is unlocked or asked again.
                Err(AuthorizeFailure::Accessory(AccessoryError::Gone { .. })) if again => {
                    again = false;
                    accessory = accessory.again(RETURN).await?;
                }
                other => break other,
            }
        };
        match answered {
            Ok(Some(phone)) => {
                memory.succeeded();
                return Ok((phone, Some(dialog.name), tried));
            }
            Ok(None) => {}
            Err(AuthorizeFailure::NotAsked) => {
                step(
                    &events,
                    "The phone shows no question and refuses the connection; it may be locked",
                );
            }
            Err(AuthorizeFailure::Accessory(error)) => return Err(error.into()),
            Err(AuthorizeFailure::Phone(error)) => return Err(error.into()),
        }
    }
    let _ = accessory.play(&undo()).await;
    Err(not_allowed())
}

/// Wakes the phone, and opens its lock where the person gives what opens it.
async fn woken(
    accessory: Accessory,
    wish: UnlockOptions<'_>,
    memory: &Memory,
    ui: &Ui,
) -> Result<Accessory, Error> {
    let events = ui.events();
    let secret = match wish.unlocked {
        true => None,
        false => {
            ui.remark(
                "If the phone is locked, type its PIN, password or pattern; if not, leave it empty and press Enter.",
            );
            ask(wish.secret, ui).await?
        }
    };
    let Some(secret) = secret else {
        step(&events, "Waking the phone");
        return Ok(accessory);
    };
    memory.allow(wish.again, ui).await?;
    step(&events, "Waking the phone and unlocking it (one attempt)");
    let mut accessory = over_cable(accessory, &secret, wish.secret, &|| memory.begin(ui)).await?;
    accessory
        .play(&[Action::Wait(Duration::from_secs(2))])
        .await?;
    Ok(accessory)
}

fn not_allowed() -> Error {
    let message = format!(
        "none of the {} known ways to answer the question made the phone allow this computer",
        DIALOGS.len()
    );
    Error::new(Kind::Unauthorized, message).with_hint(
        "check that it is unlocked (`rescue unlock`), then answer by hand: `rescue keys` in one terminal, `rescue pull` in another; arrows to 'Always allow', Space, arrows to 'Allow', Enter",
    )
}

enum AuthorizeFailure {
    Accessory(AccessoryError),
    Phone(PhoneError),
    /// The phone never asked.
    NotAsked,
}

impl From<AccessoryError> for AuthorizeFailure {
    fn from(error: AccessoryError) -> Self {
        Self::Accessory(error)
    }
}

/// Lets the phone ask, and answers in one way. `None` when it lets nobody in by that.
async fn attempt(
    dialog: &Dialog,
    target: &Target,
    options: &ConnectOptions,
    way: &AdbRoute,
    accessory: &mut Accessory,
) -> Result<Option<Phone>, AuthorizeFailure> {
    // Older questions go away, so that one is there when it is answered.
    let mut before = vec![Action::Wake, Action::Wait(Duration::from_millis(400))];
    before.extend(undo());
    play_possible(accessory, before).await?;
    way.ask_anew().await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut on_wait = move |waiting: &Waiting| {
        let _ = tell.send(waiting.clone());
    };
    let patient = waiting(options, ASKING + SHOWING + ANSWERING * 3);
    let mut connecting = pin!(connect(target, &patient, Patience::ForReturn, &mut on_wait));
    let asking = async {
        while let Some(waiting) = told.recv().await {
            if waiting == Waiting::Approval {
                return true;
            }
        }
        false
    };
    let asked = tokio::select! {
        done = &mut connecting => return outcome(done),
        asked = tokio::time::timeout(ASKING, asking) => asked.unwrap_or(false),
    };
    if !asked {
        return Err(AuthorizeFailure::NotAsked);
    }
    tokio::select! {
        done = &mut connecting => return outcome(done),
        () = tokio::time::sleep(SHOWING) => {}
    }
    let actions = dialog.actions();
    let done = tokio::select! {
        done = &mut connecting => Some(done),
        played = accessory.play(&actions) => played.map(|()| None)?,
    };
    if let Some(done) = done {
        // Let in before the last key: it may still be pressed.
        accessory.release();
        return outcome(done);
    }
    tokio::select! {
        done = &mut connecting => outcome(done),
        () = tokio::time::sleep(ANSWERING) => Ok(None),
    }
}

fn outcome(done: Result<Phone, PhoneError>) -> Result<Option<Phone>, AuthorizeFailure> {
    match done {
        Ok(phone) => Ok(Some(phone)),
        Err(error) if asks(&error) || error.is_gone() => Ok(None),
        Err(error) => Err(AuthorizeFailure::Phone(error)),
    }
}

/// Plays what the phone has devices for; only the keyboard is needed.
async fn play_possible(
    accessory: &mut Accessory,
    actions: Vec<Action>,
) -> Result<(), AccessoryError> {
    for action in actions {
        match accessory.play(std::slice::from_ref(&action)).await {
            Err(AccessoryError::DeviceRefused { .. }) if !matches!(action, Action::Key(_)) => {}
            done => done?,
        }
    }
    Ok(())
}

/// How the phone is reached over ADB, and what it is called on USB.
struct AdbRoute {
    on_usb: Option<String>,
    through_server: Option<ServedPhone>,
}

impl AdbRoute {
    async fn to(target: &Target) -> Result<Self, PhoneError> {
        let Target::Discovered { serial } = target else {
            return Ok(Self {
                on_usb: None,
                through_server: None,
            });
        };
        let found = discover().await?;
        let seen = choose(&found.phones, serial.as_deref())?;
        let name = seen.choice(&found.phones);
        let served = ServedPhone::of(&found.server, seen, &name);
        Ok(Self {
            on_usb: Some(seen.serial.clone()),
            through_server: (seen.route == RouteName::Server).then_some(served),
        })
    }

    /// A server makes contact with a phone once; asked to do so again, the phone asks again.
    async fn ask_anew(&self) {
        if let Some(served) = &self.through_server
            && let Err(error) = served.reconnect().await
        {
            tracing::debug!(%error, "the server does not reconnect");
        }
    }
}

fn waiting(options: &ConnectOptions, wait: Duration) -> ConnectOptions {
    ConnectOptions {
        wait,
        ..options.clone()
    }
}

/// Whether the phone waits for its question to be answered.
fn asks(error: &PhoneError) -> bool {
    matches!(
        error,
        PhoneError::Unauthorized { .. }
            | PhoneError::NotReady {
                state: DeviceState::Unauthorized | DeviceState::Authorizing,
                ..
            }
    )
}

fn step(events: &Events, what: &str) {
    events.emit(Event::Step {
        what: what.to_owned(),
    });
}
