//! Every phone that can be seen, also those that cannot be opened yet.

use super::error::PhoneError;
use super::server::ServerAddress;
use super::usb;
use crate::adb::server::DeviceState;

/// A phone that was seen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SeenPhone {
    /// Its serial number, or `host:port`, as the route names it.
    pub serial: String,
    /// Its state.
    pub state: DeviceState,
    /// Its model, where it could be asked.
    pub model: Option<String>,
    /// The route over which it was seen.
    pub route: RouteName,
}

/// How a phone is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteName {
    /// Through a running adb server.
    Server,
    /// Straight to its daemon over TCP.
    Tcp,
    /// Straight to its daemon over USB.
    Usb,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// The phones, in the order that the routes list them.
    pub phones: Vec<SeenPhone>,
    /// The adb server's address.
    pub server: ServerAddress,
    /// Whether an adb server runs there.
    pub server_runs: bool,
}

/// Looks for phones on every route that can list them.
pub async fn discover() -> Result<Discovery, PhoneError> {
    let server = ServerAddress::from_environment().await?;
    let devices = server.devices().await?;
    let server_runs = devices.is_some();
    let seen_by_server = devices
        .unwrap_or_default()
        .into_iter()
        .map(|device| SeenPhone {
            model: device
                .property("model")
                .map(|model| model.replace('_', " ")),
            serial: device.serial,
            state: device.state,
            route: RouteName::Server,
        });
    Ok(Discovery {
        phones: merged(seen_by_server.collect(), usb::phones().await),
        server,
        server_runs,
    })
}

/// Lists each phone once. One that the server has is reached through the server, unless the server
/// may not open it and this program may.
fn merged(mut phones: Vec<SeenPhone>, on_usb: Vec<SeenPhone>) -> Vec<SeenPhone> {
    // Each of the server's is one on USB: of two that call themselves the same both are listed.
    let mut unmatched: Vec<_> = (0..phones.len()).collect();
    for own in on_usb {
        let is_same = |at: &usize| {
            phones
                .get(*at)
                .is_some_and(|seen| seen.serial == own.serial)
        };
        let same = unmatched.iter().position(is_same);
        match same.and_then(|place| phones.get_mut(unmatched.swap_remove(place))) {
            Some(phone) if matches!(phone.state, DeviceState::NoPermissions(_)) => *phone = own,
            Some(_) => {}
            None => phones.push(own),
        }
    }
    // A server that may not open a phone cannot read its serial number either.
    let is_nameless = |phone: &SeenPhone| {
        matches!(phone.state, DeviceState::NoPermissions(_))
            && (phone.serial.starts_with('?') || phone.serial.starts_with("(no"))
    };
    if phones.iter().any(|phone| phone.route == RouteName::Usb) {
        phones.retain(|phone| phone.route == RouteName::Usb || !is_nameless(phone));
    }
    phones
}

/// Chooses the phone to work with: the one asked for, else the only one.
pub fn choose<'a>(
    phones: &'a [SeenPhone],
    serial: Option<&str>,
) -> Result<&'a SeenPhone, PhoneError> {
    let present = || phones.iter().map(|phone| phone.serial.clone()).collect();
    match (serial, phones) {
        (Some(serial), _) => {
            let mut same = phones.iter().filter(|phone| phone.serial == serial);
            match (same.next(), same.next()) {
                (Some(only), None) => Ok(only),
                (Some(_), Some(_)) => Err(PhoneError::SameSerial {
                    serial: serial.to_owned(),
                }),
                (None, _) => Err(PhoneError::NoSuchPhone {
                    serial: serial.to_owned(),
                    present: present(),
                }),
            }
        }
        (None, []) => Err(PhoneError::NoPhone),
        (None, [only]) => Ok(only),
        (None, _) => Err(PhoneError::SeveralPhones { present: present() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(serial: &str) -> SeenPhone {
        let (state, route) = (DeviceState::Device, RouteName::Server);
        SeenPhone {
            serial: serial.to_owned(),
            state,
            model: None,
            route,
        }
    }

    #[test]
    fn phone_on_usb_and_on_the_server_is_listed_once_and_opened_by_who_may() {
        let own = |serial: &str, state| SeenPhone {
            state,
            route: RouteName::Usb,
            ..seen(serial)
        };
        let refused = |serial: &str| SeenPhone {
            state: DeviceState::NoPermissions("no permissions".to_owned()),
            ..seen(serial)
        };
        let busy = own("A", DeviceState::Busy("adb".to_owned()));
        assert_eq!(merged(vec![seen("A")], vec![busy]), [seen("A")]);
        let free = own("A", DeviceState::Attached);
        for server in [
            refused("A"),
            refused("????????????"),
            refused("(no serial number)"),
        ] {
            let merged = merged(vec![server], vec![free.clone()]);
            assert_eq!(merged.as_slice(), std::slice::from_ref(&free));
        }
        let both = merged(vec![seen("B")], vec![free.clone()]);
        assert_eq!(both, [seen("B"), free.clone()]);
        // Two on USB with one serial number stay two, whether a server has one of them or not.
        let twins = vec![free.clone(), free.clone()];
        assert_eq!(merged(Vec::new(), twins.clone()), twins);
        assert_eq!(merged(vec![seen("A")], twins), [seen("A"), free]);
    }

    #[test]
    fn only_phone_is_chosen_and_several_need_a_choice() {
        let (one, two) = (seen("A"), seen("B"));
        assert_eq!(
            choose(std::slice::from_ref(&one), None).unwrap().serial,
            "A"
        );
        let both = [one, two];
        assert_eq!(choose(&both, Some("B")).unwrap().serial, "B");
        assert!(matches!(
            choose(&both, None),
            Err(PhoneError::SeveralPhones { .. })
        ));
        let error = choose(&both, Some("C")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no phone with the serial number C; there is: A, B"
        );
        assert!(matches!(choose(&[], None), Err(PhoneError::NoPhone)));
        // Cheap phones share one: which of the two it would be, nobody could tell.
        let twins = [seen("0123456789ABCDEF"), seen("0123456789ABCDEF")];
        assert!(matches!(
            choose(&twins, Some("0123456789ABCDEF")),
            Err(PhoneError::SameSerial { .. })
        ));
    }
}
