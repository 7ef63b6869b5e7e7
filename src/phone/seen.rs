//! A phone as it was seen, and what chooses it among others.

use crate::adb::server::{Device, DeviceState};

/// The prefix of a name that selects a phone by the number an adb server gave it. Needed for phones that have no serial
/// number, or share one, and whose place is unknown (a server on Windows, wireless phones).
pub(super) const ID: &str = "transport_id:";
const NAMELESS: &str = "(no serial number)";

/// A phone found by discovery.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct SeenPhone {
    /// The phone's serial number or `host:port`, as the route names it; its place if it has no serial number.
    pub serial: String,
    /// The phone's state.
    pub state: DeviceState,
    /// The phone's model, if it is known.
    pub model: Option<String>,
    /// The route on which the phone was found.
    pub route: RouteName,
    /// The USB port that the phone is plugged into, such as `usb:1-2.3`, if known. It can be used to select the phone
    /// in place of its serial number.
    pub place: Option<String>,
    /// The number that the adb server gave the phone; it changes when the phone is plugged in again.
    #[serde(skip)]
    pub transport: Option<u64>,
}

impl SeenPhone {
    pub(super) fn of_server(device: Device) -> Self {
        let property = |name| device.property(name);
        let model = property("model").map(|model| model.replace('_', " "));
        let place = property("usb").map(|port| format!("usb:{port}"));
        let id = property("transport_id");
        let mut seen = Self {
            transport: id.and_then(|id| id.parse().ok()),
            serial: device.serial,
            state: device.state,
            model,
            route: RouteName::Server,
            place,
        };
        if seen.serial.is_empty() {
            let place = seen.where_it_is();
            seen.serial = place.unwrap_or_else(|| NAMELESS.to_owned());
        }
        seen
    }

    /// Returns a name that selects the phone without its serial number.
    pub(crate) fn where_it_is(&self) -> Option<String> {
        let number = || self.transport.map(|id| format!("{ID}{id}"));
        self.place.clone().or_else(number)
    }

    pub(super) fn tells_its_serial(&self) -> bool {
        self.serial != NAMELESS
            && !self.serial.starts_with(ID)
            && self.place.as_ref() != Some(&self.serial)
    }

    /// Returns the name that selects this phone among `among`: its serial number, or its place if another phone has the
    /// same serial number.
    pub(crate) fn choice(&self, among: &[Self]) -> String {
        let same = among.iter().filter(|phone| phone.serial == self.serial);
        let place = self.where_it_is().filter(|_| same.count() > 1);
        place.unwrap_or_else(|| self.serial.clone())
    }
}

/// The route by which a phone is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RouteName {
    /// Through a running adb server.
    Server,
    /// Directly to the phone's adbd over USB.
    Usb,
}
