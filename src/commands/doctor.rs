//! `rescue doctor`: finds the obstacle between this computer and a phone, and names the one next step.

mod contact;
mod finding;
mod udev;

use std::collections::BTreeSet;

use self::contact::contact;
pub(super) use self::finding::DoctorFinding;
use self::udev::{install_udev_rules, print_udev_rules};
use super::Done;
use super::target::{options_of, pull_command, serial_from_environment, target_of};
use crate::cli::{DoctorArgs, PhoneArgs};
use crate::error::{Error, Kind};
use crate::guide::states::{self, Diagnosis};
use crate::hint::Hint;
use crate::phone::connect::Target;
use crate::phone::discover::{choose, discover};
use crate::phone::seen::SeenPhone;
use crate::phone::usb::devices::{Offer, UsbPhone, phones};
use crate::phone::{PhoneError, allowed};
use crate::ui::{Ui, bytes};

/// Less room than this is told, in bytes.
const LITTLE_ROOM: u64 = 5_000_000_000;

pub(super) async fn run(args: &DoctorArgs, ui: &Ui) -> Result<Done, Error> {
    if args.print_udev_rules {
        print_udev_rules(ui);
        return Ok(Done::All);
    }
    if args.install_udev_rules {
        return install_udev_rules(args.yes, ui).await;
    }
    let mut findings = examine(&args.phone, &BTreeSet::new()).await?;
    findings.extend(disk());
    choose_in_next_steps(&mut findings, &args.phone);
    for finding in &findings {
        ui.result(finding, &finding.lines());
    }
    if findings.iter().any(|found| found.state == states::ready) {
        return Ok(Done::All);
    }
    let worst = findings
        .iter()
        .find_map(|found| Some((found.state.kind?, found.next.clone())));
    let (kind, next) = worst.unwrap_or((Kind::NoPhone, states::nothing_on_usb.next()));
    let error = Error::new(kind, "no phone can be read yet");
    // A person has just read it.
    Err(match ui.is_read_by_person() {
        true => error,
        false => error.with_hint(next),
    })
}

/// Has `rescue pull` find the phone that was examined: by its address, or by what its route calls it
/// where there are several.
fn choose_in_next_steps(findings: &mut [DoctorFinding], args: &PhoneArgs) {
    let mut phones: Vec<_> = findings
        .iter()
        .filter_map(|found| found.phone.clone())
        .collect();
    phones.sort();
    phones.dedup();
    let elsewhere = serial_from_environment();
    for finding in findings {
        let is_clear = phones.len() < 2 && (elsewhere.is_none() || elsewhere == finding.phone);
        let name = finding.phone.as_deref().filter(|_| !is_clear);
        finding.next = finding.next.clone().pulling_by(&pull_command(args, name));
    }
}

/// Why a phone cannot be connected to, with what is known beyond the failure.
pub(super) fn reason(error: PhoneError) -> Error {
    if let PhoneError::Unauthorized { name } = &error
        && let Some(day) = last_allowed(name)
    {
        let state = states::key_expired;
        let message = format!("{} (last on {day})", state.meaning);
        return Error::new(Kind::Unauthorized, message).with_hint(state.next());
    }
    explained(error.into())
}

/// What is known of a failure to find a phone, when something on USB explains it.
pub(super) fn explained(error: Error) -> Error {
    if error.kind != Kind::NoPhone {
        return error;
    }
    let without_adb = phones();
    let found = without_adb
        .iter()
        .find_map(|phone| Some((phone, state_of(phone.offer)?)));
    let Some((phone, state)) = found else {
        return error;
    };
    let message = format!(
        "{}; but on USB there is {}: {}",
        error.message, phone.name, state.meaning
    );
    let kind = state.kind.unwrap_or(Kind::NoPhone);
    Error::new(kind, message).with_hint(state.next())
}

/// Examines the phones that are asked for; `others` are left alone.
pub(super) async fn examine(
    args: &PhoneArgs,
    others: &BTreeSet<String>,
) -> Result<Vec<DoctorFinding>, Error> {
    if args.tcp.is_some() {
        return Ok(contact(target_of(args), args, None).await);
    }
    let mut findings = Vec::new();
    let seen = match discover().await {
        Ok(found) => found.phones,
        Err(error) => {
            let state = states::of_error(&error).unwrap_or(states::server_trouble);
            findings.push(DoctorFinding::of(state).with(error.to_string()));
            Vec::new()
        }
    };
    let is_asked_for = |name: &str| args.serial.as_deref().is_none_or(|serial| serial == name);
    let wanted = |name: &str| is_asked_for(name) && !others.contains(name);
    let is_for_us = |phone: &&SeenPhone| !others.contains(&phone.choice(&seen));
    let (chosen, no_such) = match args.serial.as_deref() {
        None => (seen.iter().filter(is_for_us).collect(), None),
        Some(serial) => match choose(&seen, Some(serial)) {
            Ok(phone) => (vec![phone], None),
            Err(PhoneError::SameSerial { serial, places }) => {
                findings.push(twins(&serial, &places, args));
                (Vec::new(), None)
            }
            Err(error) => (Vec::new(), Some(error)),
        },
    };
    for (at, phone) in chosen.into_iter().enumerate() {
        let name = phone.choice(&seen);
        let is_same = |other: &&SeenPhone| other.serial == phone.serial;
        if args.serial.is_none() && seen.iter().filter(is_same).count() > 1 {
            if !seen.iter().take(at).any(|before| is_same(&before)) {
                let same = seen.iter().filter(is_same);
                let places: Vec<_> = same.filter_map(SeenPhone::where_it_is).collect();
                findings.push(twins(&phone.serial, &places, args));
            }
            continue;
        }
        let state = states::of_device(&phone.state);
        if state == states::unauthorized {
            let model = phone.model.as_deref();
            findings.push(unauthorized(args, &name, model));
        } else if state == states::ready {
            let serial = Some(name);
            findings.extend(contact(Target::Discovered { serial }, args, Some(phone)).await);
        } else {
            let finding = DoctorFinding::about(state, &name, phone.model.as_deref());
            findings.push(finding.with(detail_of(phone)));
        }
    }
    let rest = phones().into_iter();
    let rest = rest.filter(|phone| wanted(&phone.name));
    findings.extend(rest.filter_map(|phone| {
        let is_listed = seen.iter().any(|known| known.serial == phone.name);
        (!is_listed).then(|| without_adb(&phone)).flatten()
    }));
    match no_such {
        // Others are there: "no phone shows" would be wrong.
        Some(error) if findings.is_empty() && !seen.is_empty() => return Err(error.into()),
        _ if findings.is_empty() => findings.push(DoctorFinding::of(states::nothing_on_usb)),
        _ => {}
    }
    Ok(findings)
}

/// Phones with one serial number, and the command that chooses the first by its place.
fn twins(serial: &str, places: &[String], args: &PhoneArgs) -> DoctorFinding {
    let mut finding = DoctorFinding::about(states::same_serial, serial, None);
    match places.first() {
        Some(place) => {
            let first = PhoneArgs {
                serial: Some(place.clone()),
                ..args.clone()
            };
            finding.next = finding.next.pulling_by(&pull_command(&first, None));
            finding.with(format!("they are at {}", places.join(", ")))
        }
        None => {
            let alone = states::same_serial.alternatives.first().copied();
            finding.next = alone.map_or(finding.next, Hint::from);
            finding
        }
    }
}

fn detail_of(phone: &SeenPhone) -> Option<String> {
    use crate::adb::server::DeviceState::{Busy, NoDriver, NoPermissions, Other};
    match &phone.state {
        Busy(holder) if !holder.is_empty() => Some(format!("held by {holder}")),
        NoDriver(words) | NoPermissions(words) | Other(words) => Some(words.clone()),
        _ => None,
    }
}

/// A phone that does not know this computer's keys, or no longer does.
fn unauthorized(args: &PhoneArgs, name: &str, model: Option<&str>) -> DoctorFinding {
    if let Some(day) = last_allowed(name) {
        let finding = DoctorFinding::about(states::key_expired, name, model);
        return finding.with(format!("last allowed on {day}"));
    }
    let finding = DoctorFinding::about(states::unauthorized, name, model);
    let keys = options_of(args).keys.load_named().unwrap_or_default();
    let keys = keys.iter().map(|(path, key)| {
        let fingerprint = key.public().fingerprint();
        format!("fingerprint {fingerprint}, in {}", path.display())
    });
    let keys: Vec<_> = keys.collect();
    match keys.is_empty() {
        true => finding,
        false => finding.with(format!("this computer's key: {}", keys.join("; or "))),
    }
}

/// The day on which a phone last let this computer in.
fn last_allowed(name: &str) -> Option<String> {
    let seconds = i64::try_from(allowed::last(name)?).ok()?;
    let time = chrono::DateTime::from_timestamp(seconds, 0)?;
    let local = time.with_timezone(&chrono::Local);
    Some(local.format("%Y-%m-%d").to_string())
}

/// What is on USB and offers no ADB: its name, its model, its state.
pub(super) fn phones_without_adb() -> Vec<(UsbPhone, Diagnosis)> {
    let phones = phones().into_iter();
    let phones = phones.filter_map(|phone| Some((state_of(phone.offer)?, phone)));
    phones.map(|(state, phone)| (phone, state)).collect()
}

fn without_adb(phone: &UsbPhone) -> Option<DoctorFinding> {
    let state = state_of(phone.offer)?;
    Some(DoctorFinding::about(
        state,
        &phone.name,
        phone.model.as_deref(),
    ))
}

/// `None` for a phone that offers ADB: the routes tell about it.
fn state_of(offer: Offer) -> Option<Diagnosis> {
    match offer {
        Offer::Adb => None,
        Offer::Fastboot => Some(states::fastboot),
        Offer::Emergency => Some(states::emergency),
        Offer::FilesOrNetwork => Some(states::no_debugging),
        Offer::Nothing => Some(states::only_charging),
    }
}

fn disk() -> Option<DoctorFinding> {
    let free = fs4::available_space(".").ok()?;
    let text = format!("{} free", bytes(free));
    (free < LITTLE_ROOM).then(|| DoctorFinding::of(states::disk_nearly_full).with(text))
}
