//! `rescue virtual-phone`: the built-in phone as a program of its own, for measurements.

use serde::Serialize;

use super::Done;
use crate::cli::VirtualPhoneArgs;
use crate::error::{Error, Kind};
use crate::halt::Halt;
use crate::ui::Ui;
use crate::virtual_phone::VirtualPhone;

#[derive(Serialize)]
struct VirtualPhoneLine {
    r#type: &'static str,
    address: String,
}

pub(super) async fn run(args: &VirtualPhoneArgs, ui: &Ui, halt: &Halt) -> Result<Done, Error> {
    let mut phone = VirtualPhone::new("VIRTUAL0001");
    phone.rate = args.rate;
    phone
        .tree
        .add_many("/storage/emulated/0/DCIM", args.files, args.size);
    let serving = phone.serve_at(args.port).await.map_err(|error| {
        Error::new(Kind::Disk, "the built-in phone cannot listen on 127.0.0.1").caused_by(error)
    })?;
    let address = serving.address().to_string();
    ui.result(
        &VirtualPhoneLine {
            r#type: "serves",
            address: address.clone(),
        },
        &[address],
    );
    halt.stopped().await;
    Ok(Done::All)
}
