//! `rescue devices`: every phone that can be seen, and what to do about those that are not ready.

use serde::Serialize;

use super::{Done, doctor};
use crate::adb::server::DeviceState;
use crate::error::{Error, Kind};
use crate::guide;
use crate::phone::PhoneError;
use crate::phone::discover::{SeenPhone, discover};
use crate::ui::{Ui, plain};

#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    phone: &'a SeenPhone,
    hint: Option<String>,
}

pub(super) async fn run(ui: &Ui) -> Result<Done, Error> {
    let found = discover().await?;
    for phone in &found.phones {
        let hint = hint_for(phone);
        let mut lines = vec![format!(
            "{:<24} {:<14} {}",
            plain(&phone.serial),
            plain(phone.state.name()),
            plain(phone.model.as_deref().unwrap_or(""))
        )];
        lines.extend(hint.as_ref().map(|hint| format!("    hint: {hint}")));
        ui.result(
            &Line {
                r#type: "phone",
                phone,
                hint,
            },
            &lines,
        );
    }
    if !found.phones.is_empty() {
        return Ok(Done::All);
    }
    if found.server_runs {
        let error = Error::new(Kind::NoPhone, "the adb server sees no phone");
        return Err(doctor::explained(
            error.with_hint(guide::hint(&PhoneError::NoPhone)),
        ));
    }
    Err(doctor::explained(PhoneError::NoPhone.into()))
}

fn hint_for(phone: &SeenPhone) -> Option<String> {
    if matches!(phone.state, DeviceState::Device | DeviceState::Attached) {
        return None;
    }
    let (serial, state) = (phone.serial.clone(), phone.state.clone());
    Some(guide::hint(&PhoneError::NotReady { serial, state }))
}
