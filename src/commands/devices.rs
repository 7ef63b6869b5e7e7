//! `rescue devices`: lists every visible phone, with the next step for phones that are not ready.

use std::time::Duration;

use serde::Serialize;

use super::target::choose_in;
use super::{Done, doctor};
use crate::adb::server::DeviceState;
use crate::cli::DevicesArgs;
use crate::error::{Error, Kind};
use crate::guide;
use crate::guide::states;
use crate::hint::Hint;
use crate::phone::PhoneError;
use crate::phone::discover::discover;
use crate::phone::seen::{RouteName, SeenPhone};
use crate::ui::{Ui, plain};

/// How often `--watch` looks: hotplug events can come late or never, and looking costs little.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A phone as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct DeviceLine {
    r#type: &'static str,
    #[serde(flatten)]
    phone: SeenPhone,
    /// What chooses it, where its serial number is another's as well.
    #[serde(skip)]
    twin_at: Option<String>,
    /// The state's entry in the guide, as `rescue doctor` shows it.
    guide: &'static str,
    hint: Option<Hint>,
}

#[derive(Serialize)]
struct GoneLine<'a> {
    r#type: &'static str,
    serial: &'a str,
}

pub(super) async fn run(args: &DevicesArgs, ui: &Ui) -> Result<Done, Error> {
    if args.watch {
        return watch(ui).await;
    }
    let (lines, server_runs) = look().await?;
    lines.iter().for_each(|line| show(line, ui));
    if !lines.is_empty() {
        return Ok(Done::All);
    }
    if server_runs {
        let error = Error::new(Kind::NoPhone, "the adb server sees no phone");
        let error = error.with_hint(guide::hint(&PhoneError::NoPhone));
        return Err(doctor::explained(error));
    }
    Err(doctor::explained(PhoneError::NoPhone.into()))
}

/// Tells each phone that comes, changes or goes, until it is stopped or nobody reads it any more: a script
/// that waits for the first one (`| head -1`) goes on when it is told.
async fn watch(ui: &Ui) -> Result<Done, Error> {
    let mut known: Vec<DeviceLine> = Vec::new();
    ui.remark("Watching for phones; Ctrl-C stops");
    while ui.has_reader() {
        // A server that is being restarted is no reason to stop looking.
        if let Ok((now, _)) = look().await {
            for gone in known.iter().filter(|line| !has(&now, line)) {
                let serial = &gone.phone.serial;
                let words = format!("{:<24} gone", plain(serial));
                let r#type = "phone_gone";
                ui.result(&GoneLine { r#type, serial }, &[words]);
            }
            now.iter()
                .filter(|line| !known.contains(line))
                .for_each(|line| show(line, ui));
            known = now;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(Done::All)
}

fn has(lines: &[DeviceLine], wanted: &DeviceLine) -> bool {
    let name = |line: &DeviceLine| (line.phone.serial.clone(), line.twin_at.clone());
    lines.iter().any(|line| name(line) == name(wanted))
}

/// Every phone, also those without debugging; and whether an adb server runs.
async fn look() -> Result<(Vec<DeviceLine>, bool), Error> {
    let found = discover().await?;
    let with_debugging = |phone: &SeenPhone| with_debugging(phone, &found.phones);
    let mut lines: Vec<_> = found.phones.iter().map(with_debugging).collect();
    for (phone, state) in doctor::phones_without_adb() {
        let phone = SeenPhone {
            serial: phone.name,
            state: DeviceState::Other(state.state.replace('_', " ")),
            model: phone.model,
            route: RouteName::Usb,
            place: None,
            transport: None,
        };
        let line = DeviceLine {
            r#type: "phone",
            phone,
            twin_at: None,
            guide: state.state,
            hint: Some(state.next()),
        };
        if !has(&lines, &line) {
            lines.push(line);
        }
    }
    Ok((lines, found.server_runs))
}

fn with_debugging(phone: &SeenPhone, among: &[SeenPhone]) -> DeviceLine {
    let choice = phone.choice(among);
    DeviceLine {
        r#type: "phone",
        guide: states::of_device(&phone.state).state,
        hint: hint_for(phone).map(|hint| match among {
            [_] => hint,
            _ => {
                let choice = choose_in("--serial", &choice);
                hint.pulling_by(&format!("rescue pull {choice}"))
            }
        }),
        twin_at: Some(choice).filter(|choice| *choice != phone.serial),
        phone: phone.clone(),
    }
}

fn show(line: &DeviceLine, ui: &Ui) {
    let phone = &line.phone;
    let name = match &line.twin_at {
        Some(place) => format!("{} at {place}", phone.serial),
        None => phone.serial.clone(),
    };
    let mut lines = vec![format!(
        "{:<24} {:<14} {}",
        plain(&name),
        plain(phone.state.name()),
        plain(phone.model.as_deref().unwrap_or(""))
    )];
    let hint = line.hint.iter();
    lines.extend(hint.map(|hint| format!("    hint: {hint}")));
    ui.result(line, &lines);
}

fn hint_for(phone: &SeenPhone) -> Option<Hint> {
    if matches!(phone.state, DeviceState::Device | DeviceState::Attached) {
        return None;
    }
    let (serial, state) = (phone.serial.clone(), phone.state.clone());
    Some(guide::hint(&PhoneError::NotReady { serial, state }))
}
