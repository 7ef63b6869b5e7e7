//! `rescue doctor`: finds the obstacle between this computer and a phone, and names the one next step.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Serialize;

use super::Done;
use super::target::{name_of, options_of, options_to_look, pull_command, target_of};
use crate::cli::{DoctorArgs, PhoneArgs};
use crate::error::{Error, Kind};
use crate::guide::journey::Sighting;
use crate::guide::states::{self, Diagnosis};
use crate::hint::Hint;
use crate::phone::connect::{Patience, Target, connect};
use crate::phone::discover::{choose, discover};
use crate::phone::seen::{RouteName, SeenPhone};
use crate::phone::usb::devices::{Offer, UsbPhone, phones};
use crate::phone::{Phone, PhoneError, allowed};
use crate::pull::enumerate::has_storage;
use crate::ui::terminal::Mode;
use crate::ui::{Ui, Went, bytes, plain};

/// How long a phone may take to let this computer in: long enough for no person.
const WAIT: Duration = Duration::from_secs(3);
/// How long a phone may say nothing before it counts as hung.
const SILENCE: Duration = Duration::from_secs(8);
/// Below this much of its charge a phone may not last, in percent.
const LOW_BATTERY: u64 = 20;
/// Less room than this is told, in bytes.
const LITTLE_ROOM: u64 = 5_000_000_000;
/// More output than what is asked prints, in bytes.
const MAX_OUTPUT: usize = 64 * 1024;

/// The rules that let the person at this computer open phones.
const UDEV_RULES: &str = include_str!("../../udev-rules/51-rescue.rules");
/// Where they go.
const UDEV_RULES_PATH: &str = "/etc/udev/rules.d/51-rescue.rules";

/// One thing that was found.
#[derive(Debug, Serialize)]
pub(super) struct DoctorFinding {
    r#type: &'static str,
    /// What chooses the phone with --serial, or its serial number where an address chose it; `None` for
    /// what concerns no phone.
    phone: Option<String>,
    model: Option<String>,
    /// What was measured or said, beyond the state.
    detail: Option<String>,
    #[serde(flatten)]
    state: Diagnosis,
    /// The next step, with what chooses this phone.
    next: Hint,
}

impl DoctorFinding {
    fn of(state: Diagnosis) -> Self {
        Self {
            r#type: "finding",
            phone: None,
            model: None,
            detail: None,
            next: state.next(),
            state,
        }
    }

    fn about(state: Diagnosis, phone: &str, model: Option<&str>) -> Self {
        Self {
            phone: Some(phone.to_owned()),
            model: model.map(str::to_owned),
            ..Self::of(state)
        }
    }

    fn with(self, detail: impl Into<Option<String>>) -> Self {
        let detail = detail.into();
        Self { detail, ..self }
    }

    /// The same, for the guide.
    pub(super) fn into_seen(self) -> Sighting {
        Sighting {
            phone: self.phone,
            model: self.model,
            state: self.state,
            detail: self.detail,
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let words = self.state.state.replace('_', " ");
        let phone = self.phone.as_deref().map(plain).unwrap_or_default();
        let model = self.model.as_deref().map(plain).unwrap_or_default();
        let subject = format!("{phone} {model}").trim().to_owned();
        let mut lines = vec![match subject.is_empty() {
            true => words,
            false => format!("{subject}: {words}"),
        }];
        lines.push(format!("  {}", self.state.meaning));
        lines.extend(
            self.detail
                .iter()
                .map(|detail| format!("  ({})", plain(detail))),
        );
        lines.push(format!("  next: {}", self.next));
        let others = self.state.alternatives.iter();
        lines.extend(others.map(|other| format!("  or:   {other}")));
        lines
    }
}

pub(super) async fn run(args: &DoctorArgs, ui: &Ui) -> Result<Done, Error> {
    if args.print_udev_rules {
        let lines: Vec<_> = UDEV_RULES.lines().map(str::to_owned).collect();
        let rules =
            serde_json::json!({"type": "udev_rules", "path": UDEV_RULES_PATH, "rules": UDEV_RULES});
        ui.verbatim(&rules, &lines);
        return Ok(Done::All);
    }
    if args.install_udev_rules {
        return install_udev_rules(args.yes, ui).await;
    }
    let mut findings = examine(&args.phone).await?;
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
    Err(Error::new(kind, "no phone can be read yet").with_hint(next))
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
    let elsewhere = super::target::serial_from_environment();
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

pub(super) async fn examine(args: &PhoneArgs) -> Result<Vec<DoctorFinding>, Error> {
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
    let wanted = |name: &str| args.serial.as_deref().is_none_or(|serial| serial == name);
    let (chosen, no_such) = match args.serial.as_deref() {
        None => (seen.iter().collect(), None),
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
        format!("{} with the fingerprint {fingerprint}", path.display())
    });
    let keys: Vec<_> = keys.collect();
    match keys.is_empty() {
        true => finding,
        false => finding.with(format!("offered: {}", keys.join("; "))),
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

/// Connects, and looks at what the phone says about itself.
async fn contact(target: Target, args: &PhoneArgs, seen: Option<&SeenPhone>) -> Vec<DoctorFinding> {
    let mut options = options_to_look(args, WAIT);
    options.idle = SILENCE.min(options.idle);
    let name = name_of(&target).to_owned();
    let model = seen.and_then(|phone| phone.model.as_deref());
    let phone = match connect(&target, &options, Patience::ForPerson, &mut |_| {}).await {
        Ok(phone) => phone,
        Err(error) => {
            let of_address = match target {
                Target::Tcp(_) => states::of_address(&error),
                Target::Discovered { .. } => None,
            };
            let state = of_address.or_else(|| states::of_error(&error));
            let state = state.unwrap_or(states::offline);
            if state == states::unauthorized {
                return vec![unauthorized(args, &name, model)];
            }
            let finding = DoctorFinding::about(state, &name, model);
            return vec![finding.with(detail_of_error(&error, state))];
        }
    };
    allowed::note(name_of(&phone.target()));
    let route = match seen.map(|phone| phone.route) {
        Some(RouteName::Usb) => "straight over USB",
        Some(RouteName::Server) => "through the adb server",
        None => "over TCP",
    };
    // What the phone calls itself, its server may never have heard of.
    let name = match target {
        Target::Tcp(_) => phone.serial(),
        Target::Discovered { .. } => &name,
    };
    look_inside(&phone, name, route).await
}

/// What a failure tells beyond its state.
fn detail_of_error(error: &PhoneError, state: Diagnosis) -> Option<String> {
    match (error, std::error::Error::source(error)) {
        (PhoneError::NotReady { state: named, .. }, _) => {
            // A state that has its page needs no second name.
            Some(named.name().to_owned()).filter(|_| state == states::unknown_state)
        }
        // Why a key file is of no use, or an address leads nowhere, says what to do about it.
        (
            PhoneError::Keys(_)
            | PhoneError::Unreachable { .. }
            | PhoneError::UnknownHost { .. }
            | PhoneError::CannotOpen { .. },
            Some(cause),
        ) => Some(format!("{error}: {cause}")),
        // That it went away is plain; how, not.
        (PhoneError::Lost(_), Some(cause)) => Some(match cause.source() {
            Some(deeper) => format!("{cause}: {deeper}"),
            None => cause.to_string(),
        }),
        // The state says it all.
        (PhoneError::Locked, _) => None,
        _ => Some(error.to_string()),
    }
}

async fn look_inside(phone: &Phone, name: &str, route: &str) -> Vec<DoctorFinding> {
    let identity = phone.identity();
    let about = |state| DoctorFinding::about(state, name, Some(&identity.model));
    let mut findings = Vec::new();
    if let Some(level) = battery(phone).await
        && level < LOW_BATTERY
    {
        findings.push(about(states::low_battery).with(format!("{level} percent")));
    }
    if is_screen_locked(&ask(phone, "dumpsys trust").await) {
        findings.push(about(states::screen_locked));
    }
    let cards = unreadable_cards(&ask(phone, "sm list-volumes public").await);
    findings.extend(
        cards
            .into_iter()
            .map(|card| about(states::card_unreadable).with(card)),
    );
    match has_storage(phone).await {
        Ok(false) => findings.insert(0, about(states::storage_missing)),
        Ok(true) => {
            let detail = format!("{route}, Android {}", identity.android_version);
            findings.insert(0, about(states::ready).with(detail));
        }
        Err(error) => {
            let state = states::of_error(&error).unwrap_or(states::storage_missing);
            findings.insert(0, about(state).with(detail_of_error(&error, state)));
        }
    }
    findings
}

/// How full the battery is, in percent, where the phone tells.
async fn battery(phone: &Phone) -> Option<u64> {
    level_in(&ask(phone, "dumpsys battery").await)
}

/// What a command of the phone prints; nothing where the phone has no such command.
async fn ask(phone: &Phone, command: &'static str) -> String {
    let asked = phone.run(command, command.as_bytes(), MAX_OUTPUT, WAIT);
    let printed = asked.await.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&printed).into_owned()
}

/// AOSP's `TrustManagerService` prints a line for each user, the current one marked.
fn is_screen_locked(trust: &str) -> bool {
    let mut users = trust.lines().filter(|line| line.contains("(current)"));
    users.any(|line| line.contains("deviceLocked=1"))
}

/// Cards that are in the phone and not mounted, as `sm` lists them: `public:179,1 unmountable 1A2B-3C4D`.
fn unreadable_cards(volumes: &str) -> Vec<String> {
    let card = |line: &str| {
        let mut words = line.split_whitespace();
        let (volume, state) = (words.next()?, words.next()?);
        let is_unreadable = matches!(state, "unmountable" | "unmounted");
        (volume.starts_with("public:") && is_unreadable).then(|| match words.next() {
            Some(name) if name != "null" => format!("{name}, {state}"),
            _ => format!("{volume}, {state}"),
        })
    };
    volumes.lines().filter_map(card).collect()
}

fn level_in(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.trim().strip_prefix("level:")?.trim().parse().ok())
}

fn disk() -> Option<DoctorFinding> {
    let free = fs4::available_space(".").ok()?;
    let text = format!("{} free", bytes(free));
    (free < LITTLE_ROOM).then(|| DoctorFinding::of(states::disk_nearly_full).with(text))
}

/// Asks, then puts the rules in place, as root only for that.
async fn install_udev_rules(yes: bool, ui: &Ui) -> Result<Done, Error> {
    if !cfg!(target_os = "linux") {
        let message = "udev rules are for Linux; here no permission is needed";
        return Err(Error::new(Kind::Usage, message));
    }
    ui.remark(&format!(
        "This writes {UDEV_RULES_PATH} and has udev read it: the person who sits at this computer may then open Android phones over USB. Nothing else is changed."
    ));
    // Somebody's own, perhaps one with GROUP.
    if std::fs::read(UDEV_RULES_PATH).is_ok_and(|there| there != UDEV_RULES.as_bytes()) {
        ui.remark("The file exists with other rules, which are replaced.");
    }
    if !yes {
        let unasked = || {
            let error = Error::new(
                Kind::Usage,
                "input is required, but standard input is not a terminal",
            );
            error.with_hint("add --yes to write the rules without a question")
        };
        if !std::io::stdin().is_terminal() {
            return Err(unasked());
        }
        let answer = ui.ask("Write it? [y/N] ", Mode::Lines).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => "n".to_owned().into(),
            Err(error) => return Err(unasked().caused_by(error)),
        };
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            ui.remark("Nothing was written.");
            return Ok(Done::All);
        }
    }
    let by_hand = "install the output of `rescue doctor --print-udev-rules` by hand";
    const WRITE: [&str; 6] = ["install", "-D", "-m", "644", "/dev/stdin", UDEV_RULES_PATH];
    as_root(&WRITE, UDEV_RULES)
        .await
        .map_err(|error| error.with_hint(by_hand))?;
    const READ_ANEW: [&str; 3] = ["udevadm", "control", "--reload"];
    as_root(&READ_ANEW, "").await.map_err(|error| {
        error.with_hint(format!(
            "{UDEV_RULES_PATH} is written; run `sudo udevadm control --reload`, or restart this computer"
        ))
    })?;
    let lines = [
        format!("Wrote {UDEV_RULES_PATH}"),
        "Next: unplug the phone, plug it in again, and run `rescue doctor`".to_owned(),
    ];
    let value = serde_json::json!({"type": "udev_rules_installed", "path": UDEV_RULES_PATH});
    ui.report(&value, &lines, Went::Well);
    Ok(Done::All)
}

/// Runs a command as root: at once when this is root, else through sudo on a terminal and pkexec
/// elsewhere. They may ask for a password meanwhile, in a thread of their own, so that Ctrl-C is heard.
async fn as_root(command: &'static [&'static str], input: &'static str) -> Result<(), Error> {
    let ran = tokio::task::spawn_blocking(move || run_as_root(command, input)).await;
    let why = match ran {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(why)) => why,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    let message = format!("cannot run '{}' as root", command.join(" "));
    Err(Error::new(Kind::NoUsbPermission, message).caused_by(why))
}

fn run_as_root(command: &[&str], input: &str) -> Result<(), String> {
    let prefix: &[&str] = match (is_root(), std::io::stdin().is_terminal()) {
        (true, _) => &[],
        (false, true) => &["sudo"],
        (false, false) => &["pkexec"],
    };
    let mut words = prefix.iter().chain(command);
    let program = words.next().copied().unwrap_or_default();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no program '{program}' here"),
        _ => format!("{program}: {error}"),
    };
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let written = match child.stdin.take() {
        Some(mut pipe) => pipe.write_all(input.as_bytes()),
        None => Ok(()),
    };
    // One that refuses does not read: how it ended says more than that.
    let status = child.wait().map_err(failed)?;
    match status.success() {
        true => written.map_err(failed),
        false => Err(format!("{program}: {status}")),
    }
}

fn is_root() -> bool {
    #[cfg(unix)]
    return rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn battery_level_is_read_and_nonsense_is_none() {
        assert_eq!(
            level_in("Battery:\n  AC powered: false\n  level: 7\n"),
            Some(7)
        );
        assert_eq!(level_in("level: much"), None);
    }

    #[test]
    fn lock_of_the_current_user_is_read_and_of_no_other() {
        let user = |id, mark, locked| {
            format!(
                " User \"x\" (id={id}, flags=0xc13){mark}: trusted=0, deviceLocked={locked}, strongAuthRequired=0x0\n"
            )
        };
        let text = format!(
            "Trust manager state:\n{}{}",
            user(0, " (current)", 1),
            user(10, "", 0)
        );
        assert!(is_screen_locked(&text));
        let text = format!(
            "Trust manager state:\n{}{}",
            user(0, " (current)", 0),
            user(10, "", 1)
        );
        assert!(!is_screen_locked(&text));
        assert!(!is_screen_locked("Can't find service: trust"));
    }

    #[test]
    fn cards_that_are_not_mounted_are_read_and_others_are_left_out() {
        let text = "private mounted null\npublic:179,1 mounted 1A2B-3C4D\npublic:179,2 unmountable null\npublic:8,1 unmounted AAAA-BBBB\nnonsense\n";
        assert_eq!(
            unreadable_cards(text),
            ["public:179,2, unmountable", "AAAA-BBBB, unmounted"]
        );
    }

    #[test]
    fn finding_reads_as_name_meaning_and_next_step() {
        let finding = DoctorFinding::about(states::only_charging, "AB\x1b[2J", Some("Pixel 7a"));
        assert_eq!(
            finding.lines()[..3],
            [
                "AB\\u{1b}[2J Pixel 7a: only charging",
                "  a device of a phone maker is on USB and offers no data: USB debugging is off, or the phone is set to charge only",
                &format!("  next: {}", states::only_charging.next()),
            ]
        );
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["state"], "only_charging");
        assert_eq!(json["phone"], "AB\x1b[2J");
    }
}
