//! Connects to a chosen phone: the handshake, the wait for "Allow", and the phone's properties.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::discover::{choose, discover};
use super::drive::{Link, LinkEvent};
use super::error::LinkError;
use super::error::PhoneError;
use super::keys::{KeySources, computer_name};
use super::seen::{RouteName, SeenPhone};
use super::server::ServedPhone;
use super::shell::ShellKind;
use super::{Phone, Properties, Route, tcp, usb};
use crate::adb::connection::{Banner, Connection, HostConfig, Introduction};
use crate::adb::features::Features;
use crate::adb::server::DeviceState;

/// How long a phone may take over each step of the handshake that needs no person, at most.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// How often to look again while waiting.
const POLL_INTERVAL: Duration = Duration::from_millis(400);

/// How often to look whether the phone knows this computer, while its question waits for a tap.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// How often a first connection may break before there is a phone to wait for.
const MOST_BROKEN: u32 = 4;

/// The phone to connect to, as requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A phone found by discovery: any phone, or the one with this serial number.
    Discovered {
        /// The requested serial number.
        serial: Option<String>,
    },
    /// The `HOST` or `HOST:PORT` where a phone's adbd listens.
    Tcp(String),
}

/// The settings for connecting to a phone.
#[derive(Debug, Clone)]
pub(crate) struct ConnectOptions {
    /// Where to look for keys.
    pub keys: KeySources,
    /// What to do if the phone knows none of the keys. Commands that only look at a phone must not leave a question on
    /// its screen.
    pub introduction: Introduction,
    /// How long to wait for the user to tap "Allow", or for a phone to come back.
    pub wait: Duration,
    /// Whether to wait for a phone that has not been seen yet.
    pub awaits_arrival: bool,
    /// How long the phone may be silent while a request is outstanding.
    pub idle: Duration,
}

/// What a connection attempt is waiting for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// The user has to tap "Allow" on the phone.
    Approval,
    /// The phone is in a temporary state.
    State(DeviceState),
    /// The phone is not attached.
    Phone,
    /// No phone is reachable at this address.
    Address(String),
    /// The phone is attached but does not answer.
    Answer,
}

/// Connects to a phone. Waits up to `options.wait` for conditions that the user or time can change; `on_wait` is called
/// once for each change of what is being waited for.
pub(crate) async fn connect(
    target: &Target,
    options: &ConnectOptions,
    patience: Patience,
    on_wait: &mut (dyn FnMut(&Waiting) + Send),
) -> Result<Phone, PhoneError> {
    let deadline = Instant::now() + options.wait;
    let mut target = target.clone();
    let mut told = None;
    let mut broken = 0;
    loop {
        let error = match attempt(&mut target, options, deadline, &mut told, on_wait).await {
            Ok(phone) => return Ok(phone),
            Err(error) => error,
        };
        tracing::debug!(%error, "not connected");
        let away = || match &target {
            Target::Tcp(address) => Waiting::Address(address.clone()),
            Target::Discovered { .. } => Waiting::Phone,
        };
        let waiting = match &error {
            PhoneError::NotReady {
                state: DeviceState::Unauthorized,
                ..
            } => Waiting::Approval,
            PhoneError::NotReady { state, .. } if error.is_gone() => Waiting::State(state.clone()),
            // Somebody was there, who may not have said who it is: a cable pulled comes back.
            PhoneError::NoPhone
            | PhoneError::NoSuchPhone { .. }
            | PhoneError::Unreachable { .. }
            | PhoneError::UnknownHost { .. }
            | PhoneError::CannotOpen { .. }
                if patience == Patience::ForReturn || options.awaits_arrival || broken > 0 =>
            {
                away()
            }
            PhoneError::Idle { .. } | PhoneError::Silent { .. }
                if patience == Patience::ForReturn =>
            {
                Waiting::Answer
            }
            // Who has it lets go of it: this program a moment after a connection ended, or another.
            PhoneError::NotReady {
                state: state @ DeviceState::Busy(_),
                ..
            } if patience == Patience::ForReturn => Waiting::State(state.clone()),
            _ if error.is_gone() && patience == Patience::ForReturn => away(),
            // It says what it wants, and would say so again.
            PhoneError::Lost(link) if link.wants_tls() => return Err(error),
            // A loose cable comes back; what is no phone never will.
            PhoneError::Lost(_)
            | PhoneError::NotAPhone { .. }
            | PhoneError::StreamEnded { .. }
            | PhoneError::Gone { .. }
                if broken < MOST_BROKEN =>
            {
                broken += 1;
                away()
            }
            _ => return Err(error),
        };
        if Instant::now() + POLL_INTERVAL >= deadline {
            return Err(match error {
                PhoneError::NotReady {
                    serial: name,
                    state: DeviceState::Unauthorized,
                } => PhoneError::Unauthorized { name },
                other => other,
            });
        }
        tell(&mut told, waiting, on_wait);
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The conditions that [`connect`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// The user's consent. A missing phone is an immediate error.
    ForPerson,
    /// Also the return of a phone that was connected before.
    ForReturn,
}

fn tell(told: &mut Option<Waiting>, waiting: Waiting, on_wait: &mut (dyn FnMut(&Waiting) + Send)) {
    if told.as_ref() != Some(&waiting) {
        on_wait(told.insert(waiting));
    }
}

/// Tries to connect once. Once a phone has been found, `target` is narrowed to that phone.
async fn attempt(
    target: &mut Target,
    options: &ConnectOptions,
    deadline: Instant,
    told: &mut Option<Waiting>,
    on_wait: &mut (dyn FnMut(&Waiting) + Send),
) -> Result<Phone, PhoneError> {
    let (route, serial, features) = match target {
        Target::Tcp(address) => {
            let address = address.clone();
            let socket = tcp::connect(&address).await?;
            let asked = Notify::new();
            let shaken = tokio::select! {
                shaken = shake_hands(socket, &address, options, deadline, &asked, told, on_wait) => shaken,
                known = known_meanwhile(&address, options, &asked) => Ok(known),
            };
            let (link, banner) = shaken.map_err(|error| match error {
                PhoneError::Lost(source) if !source.wants_tls() => {
                    let address = address.clone();
                    PhoneError::NotAPhone { address, source }
                }
                PhoneError::Idle { after, .. } => {
                    let address = address.clone();
                    PhoneError::Silent { address, after }
                }
                other => other,
            })?;
            let target = target.clone();
            (Route::Direct { link, target }, address, banner.features)
        }
        Target::Discovered { serial } => {
            let found = discover().await?;
            let seen = choose(&found.phones, serial.as_deref())?;
            let name = seen.choice(&found.phones);
            *serial = Some(name.clone());
            if seen.route == RouteName::Usb {
                let usb = usb::open(seen.place.as_ref().unwrap_or(&name)).await?;
                // A cable has one connection: who answers the phone's question answers this one's.
                let asked = Notify::new();
                let shaken = shake_hands(usb, &name, options, deadline, &asked, told, on_wait);
                let (link, banner) = shaken.await?;
                let target = Target::Discovered {
                    serial: Some(name.clone()),
                };
                (Route::Direct { link, target }, name, banner.features)
            } else {
                let served = ServedPhone::of(&found.server, seen, &name);
                let features = open_seen(seen, &served).await?;
                (Route::Server(served), name, features)
            }
        }
    };
    let mut phone = Phone {
        route,
        serial,
        features,
        shell: ShellKind::default(),
        idle: options.idle,
        properties: Properties::default(),
        hash_program: AtomicUsize::new(0),
    };
    let route = match &phone.route {
        Route::Direct { .. } => "direct",
        Route::Server(_) => "adb server",
    };
    tracing::debug!(route, serial = ?phone.serial, features = ?phone.features, "connected");
    phone.find_shell().await?;
    phone.properties = phone.read_properties().await?;
    tracing::debug!(
        model = ?phone.properties.value("ro.product.model"),
        android = ?phone.properties.value("ro.build.version.release"),
        "identified"
    );
    if let Some(serial) = phone.properties.value("ro.serialno") {
        phone.serial = serial.to_owned();
    }
    Ok(phone)
}

async fn open_seen(seen: &SeenPhone, served: &ServedPhone) -> Result<Features, PhoneError> {
    match &seen.state {
        DeviceState::Device => served.features().await,
        state => Err(PhoneError::NotReady {
            serial: seen.serial.clone(),
            state: state.clone(),
        }),
    }
}

/// Checks again and again, from the time the phone was `asked`, whether it has come to know this computer. Each check
/// is a connection of its own that uses signatures only. This is needed because the user's tap may answer a question
/// that an earlier connection left on the screen: the phone then remembers the key but reports nothing to the waiting
/// connection.
async fn known_meanwhile(
    address: &str,
    options: &ConnectOptions,
    asked: &Notify,
) -> (Link, Banner) {
    let quietly = ConnectOptions {
        introduction: Introduction::SignaturesOnly,
        ..options.clone()
    };
    asked.notified().await;
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let Ok(socket) = tcp::connect(address).await else {
            continue;
        };
        let until = Instant::now() + HANDSHAKE_TIMEOUT;
        let (told, on_wait) = (&mut None, &mut |_: &Waiting| {});
        match shake_hands(socket, address, &quietly, until, asked, told, on_wait).await {
            Ok(known) => return known,
            Err(error) => tracing::debug!(%error, "not allowed yet"),
        }
    }
}

/// Performs the handshake directly with the phone's adbd, until the phone trusts this computer.
async fn shake_hands(
    transport: impl AsyncRead + AsyncWrite + Send + 'static,
    address: &str,
    options: &ConnectOptions,
    deadline: Instant,
    to_be_approved: &Notify,
    told: &mut Option<Waiting>,
    on_wait: &mut (dyn FnMut(&Waiting) + Send),
) -> Result<(Link, Banner), PhoneError> {
    let keys = options.keys.clone();
    // Making a first key takes seconds of computing.
    let keys = tokio::task::spawn_blocking(move || keys.load_what_there_is()).await;
    let (keys, missing) = match keys {
        Ok(keys) => keys.map_err(std::sync::Arc::new)?,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    let config = HostConfig {
        keys,
        name: computer_name(),
        introduction: options.introduction,
        features: Features::all(),
    };
    let (link, mut events) = Link::start(Connection::host(config), transport);
    let patience = HANDSHAKE_TIMEOUT.min(options.idle);
    let mut until = Instant::now() + patience;
    let mut asked = false;
    loop {
        match tokio::time::timeout_at(until, events.recv()).await {
            Ok(Some(LinkEvent::Connected(banner))) => {
                keep_listening(events);
                return match banner.state.as_str() {
                    "device" => Ok((link, banner)),
                    state => Err(PhoneError::NotReady {
                        serial: address.to_owned(),
                        state: DeviceState::Other(state.to_owned()),
                    }),
                };
            }
            Ok(Some(LinkEvent::AwaitingApproval)) => {
                // It waits for a key that there is not.
                if let Some(error) = missing {
                    return Err(std::sync::Arc::new(error).into());
                }
                asked = true;
                to_be_approved.notify_one();
                until = deadline;
                tell(told, Waiting::Approval, on_wait);
            }
            Ok(Some(LinkEvent::NotKnown)) => {
                let name = address.to_owned();
                return Err(match missing {
                    Some(error) => std::sync::Arc::new(error).into(),
                    None => PhoneError::Unauthorized { name },
                });
            }
            Ok(Some(LinkEvent::KeyOffered(_) | LinkEvent::Incoming(..))) => {}
            Ok(None)
                if asked && matches!(*link.failure(), LinkError::Closed | LinkError::Io(_)) =>
            {
                // A phone that hangs up on an unknown computer has not allowed it.
                let (serial, state) = (address.to_owned(), DeviceState::Unauthorized);
                return Err(PhoneError::NotReady { serial, state });
            }
            Ok(None) => return Err(PhoneError::Lost(link.failure())),
            Err(_) if asked => {
                let name = address.to_owned();
                return Err(PhoneError::Unauthorized { name });
            }
            Err(_) => {
                return Err(PhoneError::Idle {
                    doing: "saying hello",
                    after: patience,
                });
            }
        }
    }
}

/// A phone opens nothing on a computer; what it tells later is dropped.
fn keep_listening(mut events: mpsc::UnboundedReceiver<LinkEvent>) {
    events.close();
}
