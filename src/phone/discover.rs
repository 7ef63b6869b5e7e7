//! Finds every visible phone, including phones that cannot be opened yet.

use super::error::PhoneError;
use super::seen::{ID, RouteName, SeenPhone};
use super::server::ServerAddress;
use super::usb;
use crate::adb::server::DeviceState;

/// The result of looking for phones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Discovery {
    /// The phones, in the order in which the routes list them.
    pub phones: Vec<SeenPhone>,
    /// The adb server's address.
    pub server: ServerAddress,
    /// Whether an adb server runs at that address.
    pub server_runs: bool,
}

/// Looks for phones on every route that can list them.
pub(crate) async fn discover() -> Result<Discovery, PhoneError> {
    let server = ServerAddress::from_environment().await?;
    let devices = server.devices().await?;
    let server_runs = devices.is_some();
    let seen_by_server = devices.unwrap_or_default().into_iter();
    let seen_by_server = seen_by_server.map(SeenPhone::of_server);
    Ok(Discovery {
        phones: merged(seen_by_server.collect(), usb::phones().await),
        server,
        server_runs,
    })
}

/// Merges the lists so that each phone appears once. A phone that the server lists is reached through the server,
/// unless the server has no permission to open it and this program has.
fn merged(mut phones: Vec<SeenPhone>, on_usb: Vec<SeenPhone>) -> Vec<SeenPhone> {
    // Each of the server's is one on USB: of two that call themselves the same both are listed.
    // Where both tell a phone's place they tell it alike on Linux, elsewhere each in its own way.
    let mut unmatched: Vec<_> = (0..phones.len()).collect();
    let at_its_place =
        |seen: &SeenPhone, own: &SeenPhone| seen.place.is_some() && seen.place == own.place;
    let of_its_name = |seen: &SeenPhone, own: &SeenPhone| seen.serial == own.serial;
    let mut rest = on_usb;
    for is_same in [at_its_place, of_its_name] {
        rest.retain(|own| {
            let is_it = |at: &usize| phones.get(*at).is_some_and(|seen| is_same(seen, own));
            let found = unmatched.iter().position(is_it);
            let found = found.and_then(|at| phones.get_mut(unmatched.swap_remove(at)));
            match found {
                Some(phone) if matches!(phone.state, DeviceState::NoPermissions(_)) => {
                    *phone = own.clone();
                }
                Some(_) => {}
                None => return true,
            }
            false
        });
    }
    phones.extend(rest);
    // A server that may not open a phone cannot read its serial number either.
    let is_nameless = |phone: &SeenPhone| {
        matches!(phone.state, DeviceState::NoPermissions(_)) && !phone.tells_its_serial()
    };
    if phones.iter().any(|phone| phone.route == RouteName::Usb) {
        phones.retain(|phone| phone.route == RouteName::Usb || !is_nameless(phone));
    }
    phones
}

/// Chooses the phone to work with: the one with the requested serial number or place, otherwise the only phone.
pub(crate) fn choose<'a>(
    phones: &'a [SeenPhone],
    wanted: Option<&str>,
) -> Result<&'a SeenPhone, PhoneError> {
    let present = || {
        let choices = phones.iter().map(|phone| phone.choice(phones));
        choices.collect()
    };
    let Some(wanted) = wanted else {
        return match phones {
            [] => Err(PhoneError::NoPhone),
            [only] => Ok(only),
            _ => Err(PhoneError::SeveralPhones { present: present() }),
        };
    };
    let same = |phone: &&SeenPhone| phone.serial.trim() == wanted.trim();
    let there = |phone: &&SeenPhone| {
        let id = wanted.strip_prefix(ID).and_then(|id| id.parse().ok());
        phone.place.as_deref() == Some(wanted) || (id.is_some() && phone.transport == id)
    };
    let mut found: Vec<_> = phones.iter().filter(same).collect();
    if found.is_empty() {
        found = phones.iter().filter(there).collect();
    }
    match *found {
        [only] => Ok(only),
        [] => Err(PhoneError::NoSuchPhone {
            serial: wanted.to_owned(),
            present: present(),
        }),
        _ => Err(PhoneError::SameSerial {
            serial: wanted.to_owned(),
            places: found
                .iter()
                .filter_map(|phone| phone.where_it_is())
                .collect(),
        }),
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
            place: None,
            transport: None,
        }
    }

    fn at(place: &str, phone: SeenPhone) -> SeenPhone {
        SeenPhone {
            place: Some(place.to_owned()),
            ..phone
        }
    }

    fn listed(line: &str) -> SeenPhone {
        SeenPhone::of_server(crate::adb::server::parse_devices(line).remove(0))
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
            refused("(no serial number)"),
            listed("???????????? no permissions transport_id:4"),
            listed("???????????? no permissions usb:1-4"),
        ] {
            let merged = merged(vec![server], vec![free.clone()]);
            assert_eq!(merged.as_slice(), std::slice::from_ref(&free));
        }
        let both = merged(vec![seen("B")], vec![free.clone()]);
        assert_eq!(both, [seen("B"), free.clone()]);
        // Two on USB with one serial number stay two, whether a server has one of them or not.
        let twins = vec![free.clone(), free.clone()];
        assert_eq!(merged(Vec::new(), twins.clone()), twins);
        assert_eq!(merged(vec![seen("A")], twins), [seen("A"), free.clone()]);
        let twins = vec![at("usb:1-1", free.clone()), at("usb:1-2", free.clone())];
        let server = at("usb:1-2", seen("A"));
        let merged = merged(vec![server.clone()], twins);
        assert_eq!(merged, [server, at("usb:1-1", free)]);
    }

    #[test]
    fn phones_without_a_serial_or_with_the_same_are_told_apart_by_their_place() {
        let list = [
            "(no serial number)     device usb:1-1 transport_id:1",
            "(no serial number)     device usb:1-2 transport_id:2",
            "(no serial number)     device transport_id:3",
            "TWIN device usb:1-4 transport_id:4",
            "TWIN device usb:1-5 transport_id:5",
            "My Phone device usb:1-6 transport_id:6",
            "WINDOWS device transport_id:7",
            "WINDOWS device transport_id:8",
        ]
        .map(listed);
        let choices: Vec<_> = list.iter().map(|phone| phone.choice(&list)).collect();
        assert_eq!(
            choices,
            [
                "usb:1-1",
                "usb:1-2",
                "transport_id:3",
                "usb:1-4",
                "usb:1-5",
                "My Phone",
                "transport_id:7",
                "transport_id:8"
            ]
        );
        for (choice, phone) in choices.iter().zip(&list) {
            assert_eq!(choose(&list, Some(choice)).unwrap(), phone);
        }
        let error = choose(&list, Some("TWIN")).unwrap_err().to_string();
        assert!(error.contains("usb:1-4, usb:1-5"), "{error}");
        let error = choose(&list, Some("WINDOWS")).unwrap_err().to_string();
        assert!(error.contains("transport_id:7, transport_id:8"), "{error}");
        assert!(choose(&list, Some("transport_id:x")).is_err());
        let error = choose(&list, None).unwrap_err().to_string();
        assert!(error.contains("usb:1-1, usb:1-2"), "{error}");
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
            "no phone has the serial number C; attached: A, B"
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
