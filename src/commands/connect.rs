//! `rescue connect HOST:PORT [--pair CODE]`: connects a wireless phone through the running adb server.
//!
//! The server answers in words only, so these are parsed. No server is ever started: that would replace a running
//! server of another version. The crate `adb_client` is used where possible: it takes IPv4 addresses only, and it
//! does not return the words with which newer servers refuse a pairing.

use std::io::ErrorKind;
use std::time::Duration;

use adb_client::RustADBError;
use adb_client::server::ADBServer;
use serde::Serialize;

use super::Done;
use super::target::choose_in;
use crate::cli::ConnectArgs;
use crate::error::{Error, Kind};
use crate::guide;
use crate::guide::states;
use crate::hint::Hint;
use crate::phone::discover::discover;
use crate::phone::seen::SeenPhone;
use crate::phone::server::{ServerAddress, WIRELESS_TIMEOUT};
use crate::phone::{PhoneError, tcp};
use crate::ui::{Ui, Went, plain, typed_word};

/// How often to try: adb closes a connection now and then that it just made, and the next one holds.
const TRIES: u32 = 3;
/// How long to wait in between: at once after a failure, adb fails more often than it connects.
const PAUSE: Duration = Duration::from_millis(500);
/// The digits of a pairing code.
const CODE_DIGITS: usize = 6;

#[derive(Serialize)]
struct ConnectedLine<'a> {
    r#type: &'static str,
    address: &'a str,
    paired: bool,
}

pub(super) async fn run(args: &ConnectArgs, ui: &Ui) -> Result<Done, Error> {
    let address = tcp::with_port(&args.address, None)?;
    let code = args.pair.as_deref().map(pairing_code).transpose()?;
    let server = ServerAddress::from_environment().await?;
    if server.devices().await?.is_none() {
        let direct = format!("`rescue pull --tcp {}`", typed_word(&address));
        return Err(
            Error::new(Kind::AdbServer, format!("no adb server runs at {server}")).with_hint(
                format!(
                    "start it with `adb start-server`; without one, {direct} reaches a phone that listens unencrypted (`adb tcpip`)"
                ),
            ),
        );
    }
    match &code {
        Some(code) => pair(&server, &address, code).await?,
        None => connect(&server, &address).await?,
    }
    let (done, next) = match code {
        Some(_) => (
            "Paired with",
            "Next: `rescue connect` with the address on the 'Wireless debugging' page".to_owned(),
        ),
        None => ("Connected to", next_step(&address).await),
    };
    let lines = [format!("{done} {}", plain(&address)), next];
    ui.report(
        &ConnectedLine {
            r#type: "connected",
            address: &address,
            paired: args.pair.is_some(),
        },
        &lines,
        Went::Well,
    );
    Ok(Done::All)
}

/// A pairing code in plain digits. Some phones show it in two groups, or in the digits of their
/// language.
fn pairing_code(typed: &str) -> Result<String, Error> {
    let code: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    if code.len() == CODE_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(code);
    }
    let message = format!(
        "'{}' is not a pairing code, which has six digits",
        plain(typed)
    );
    let hint = match code.chars().any(|c| c.is_numeric() && !c.is_ascii()) {
        true => "type it with the digits 0 to 9",
        false => {
            "open 'Pair device with pairing code' on the phone and give the code shown there: --pair 123456"
        }
    };
    Err(Error::new(Kind::Usage, message).with_hint(hint))
}

async fn connect(server: &ServerAddress, address: &str) -> Result<(), Error> {
    let request = format!("host:connect:{address}");
    let mut words = String::new();
    for tried in 0..TRIES {
        if tried > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        words = match through_the_crate(server, address).await {
            Some(words) => words,
            None => answer(server.request(&request).await)?,
        };
        if words.starts_with("connected to") || words.starts_with("already connected to") {
            return Ok(());
        }
        // With a reason behind it, which the next try would meet again.
        if words.contains("authenticate") || reason_in(&words).is_some() {
            break;
        }
    }
    let failed = |kind, hint: Hint| {
        let message = format!("cannot connect to {}", plain(address));
        let error = Error::new(kind, message).caused_by(words.clone());
        Err(error.with_hint(hint))
    };
    if words.contains("authenticate") {
        return failed(Kind::Unauthorized, states::unauthorized.next());
    }
    if let Some(error) = why_not_reached(address).await {
        return failed(Kind::NoPhone, hint_of(&error));
    }
    failed(
        Kind::NoPhone,
        "pair a new phone first: open 'Pair device with pairing code' on it and run `rescue connect HOST:PORT --pair CODE` with the address and code shown there; then connect to the address on the 'Wireless debugging' page".into(),
    )
}

async fn pair(server: &ServerAddress, address: &str, code: &str) -> Result<(), Error> {
    let asked = server.request(&format!("host:pair:{code}:{address}")).await;
    let words = answer(asked)?;
    if words.starts_with("Successfully paired to") {
        return Ok(());
    }
    let message = format!("cannot pair with {}", plain(address));
    let failed = |cause: &str, hint: Hint| {
        let error = Error::new(Kind::NoPhone, message.clone()).caused_by(cause);
        Err(error.with_hint(hint))
    };
    let lowered = words.to_lowercase();
    if lowered.contains("unknown") {
        return failed(
            "this adb server is too old to pair",
            "start the server of platform-tools 30 or newer: `adb kill-server`, then `adb start-server` with it".into(),
        );
    }
    if lowered.contains("password") {
        return failed(
            &format!("the code is wrong, or the dialog was closed ({words})"),
            "open 'Pair device with pairing code' on the phone again: its code and port change each time".into(),
        );
    }
    if let Some(error) = why_not_reached(address).await {
        return failed(&format!("{error} ({words})"), hint_of(&error));
    }
    failed(
        &words,
        "open 'Pair device with pairing code' on the phone; its code and port change each time"
            .into(),
    )
}

/// What the server says of an IPv4 address, asked by the crate `adb_client`. `None` where it has no words:
/// for another kind of address, and for an answer that it cannot read, as newer servers give.
async fn through_the_crate(server: &ServerAddress, address: &str) -> Option<String> {
    let (server, phone) = (server.ipv4()?, address.parse().ok()?);
    let asked = tokio::task::spawn_blocking(move || {
        // With no program to start: it would replace a running server of another version.
        ADBServer::new_from_path(server, Some(String::new())).connect_device(phone)
    });
    match tokio::time::timeout(WIRELESS_TIMEOUT, asked)
        .await
        .ok()?
        .ok()?
    {
        Ok(()) => Some(format!("connected to {address}")),
        Err(RustADBError::ADBRequestFailed(words)) => Some(words.trim().to_owned()),
        Err(_) => None,
    }
}

/// What the server says, whether it calls that a failure or not.
fn answer(asked: Result<String, PhoneError>) -> Result<String, Error> {
    match asked {
        Ok(words) => Ok(words.trim().to_owned()),
        Err(PhoneError::ServerRefused { message, .. }) => Ok(message.trim().to_owned()),
        Err(other) => Err(other.into()),
    }
}

/// The reason behind "failed to connect to 'ADDRESS': REASON".
fn reason_in(words: &str) -> Option<&str> {
    let (_, reason) = words.rsplit_once("': ")?;
    Some(reason).filter(|reason| !reason.is_empty())
}

/// Why this computer does not reach the address, where it does not either: servers do not tell.
async fn why_not_reached(address: &str) -> Option<PhoneError> {
    tcp::connect(address).await.err()
}

fn hint_of(error: &PhoneError) -> Hint {
    match error {
        PhoneError::Unreachable { source, .. } if source.kind() == ErrorKind::ConnectionRefused => {
            "nothing listens at that port: look at the phone again; the port changes each time 'Wireless debugging' or the pairing dialog is opened".into()
        }
        other => guide::hint(other),
    }
}

/// How to go on, with what chooses this phone where that is needed: where others are there as well, also on
/// USB, or the environment names another.
async fn next_step(address: &str) -> String {
    let found = discover().await.map(|found| found.phones);
    let phones = found.unwrap_or_default();
    let is_it = |phone: &SeenPhone| phone.serial == address;
    let elsewhere =
        super::target::serial_from_environment().is_some_and(|serial| serial != address);
    match phones.as_slice() {
        [only] if is_it(only) && !elsewhere => "Next: `rescue pull`".to_owned(),
        some if some.iter().any(is_it) => {
            format!("Next: `rescue pull {}`", choose_in("--serial", address))
        }
        // It was there already, by a name of its own.
        _ => "Next: `rescue devices` shows the phone's serial number; `rescue pull --serial` chooses it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairing_code_is_six_digits_however_it_is_grouped() {
        for typed in ["123456", " 123 456\n", "123\u{a0}456"] {
            assert_eq!(pairing_code(typed).unwrap(), "123456");
        }
        for typed in [
            "",
            "12345",
            "1234567",
            "12345a",
            "+12345",
            "-12345",
            "12.456",
            "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}",
        ] {
            let error = pairing_code(typed).unwrap_err();
            assert_eq!(error.kind, Kind::Usage, "{typed}");
            assert!(error.message.contains("six digits"), "{typed}");
        }
    }

    #[test]
    fn reason_of_a_server_is_told_from_an_address_alone() {
        let told = "failed to connect to '127.0.0.1:1': Connection refused";
        assert_eq!(reason_in(told), Some("Connection refused"));
        for bare in [
            "failed to connect to 127.0.0.1:5555",
            "failed to connect to [::1]:5555",
            "",
        ] {
            assert_eq!(reason_in(bare), None);
        }
    }
}
