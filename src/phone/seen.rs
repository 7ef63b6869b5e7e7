//! A phone as it was seen, and what chooses it among others.

use crate::adb::server::{Device, DeviceState};

/// How the number that an adb server gave a phone chooses it: of phones without a serial number or with
/// the same, where nothing tells their places (a server on Windows, wireless ones).
pub(super) const ID: &str = "transport_id:";
const NAMELESS: &str = "(no serial number)";

/// A phone that was seen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct SeenPhone {
    /// Its serial number, or `host:port`, as the route names it; its place where it has none.
    pub serial: String,
    /// Its state.
    pub state: DeviceState,
    /// Its model, where it could be asked.
    pub model: Option<String>,
    /// The route over which it was seen.
    pub route: RouteName,
    /// The port that it is plugged into, as `usb:1-2.3`, where that is known. It chooses the phone as
    /// its serial number does.
    pub place: Option<String>,
    /// The number that the adb server gave it, until it is plugged in again.
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

    /// What chooses it without its serial number.
    pub(crate) fn where_it_is(&self) -> Option<String> {
        let number = || self.transport.map(|id| format!("{ID}{id}"));
        self.place.clone().or_else(number)
    }

    pub(super) fn tells_its_serial(&self) -> bool {
        self.serial != NAMELESS
            && !self.serial.starts_with(ID)
            && self.place.as_ref() != Some(&self.serial)
    }

    /// What chooses this one among these phones: its serial number, or its place where another has the
    /// same.
    pub(crate) fn choice(&self, among: &[Self]) -> String {
        let same = among.iter().filter(|phone| phone.serial == self.serial);
        let place = self.where_it_is().filter(|_| same.count() > 1);
        place.unwrap_or_else(|| self.serial.clone())
    }
}

/// How a phone is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RouteName {
    /// Through a running adb server.
    Server,
    /// Straight to its daemon over USB.
    Usb,
}
