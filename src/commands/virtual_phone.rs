//! `rescue virtual-phone`: the built-in phone as a program of its own, for measurements.

use serde::Serialize;

use super::{Context, Done};
use crate::cli::VirtualPhoneArgs;
use crate::error::{Error, Kind};
use crate::virtual_phone::VirtualPhone;

#[derive(Serialize)]
struct VirtualPhoneLine {
    r#type: &'static str,
    address: String,
}

pub(super) async fn run(args: &VirtualPhoneArgs, context: Context<'_>) -> Result<Done, Error> {
    let mut phone = VirtualPhone::new("VIRTUAL0001");
    phone.rate = args.rate;
    phone
        .tree
        .add_many("/storage/emulated/0/DCIM", args.files, args.size);
    let serving = phone.serve_at(args.port).await.map_err(|error| {
        Error::new(Kind::Disk, "the built-in phone cannot listen on 127.0.0.1").caused_by(error)
    })?;
    let address = serving.address().to_string();
    context.ui.result(
        &VirtualPhoneLine {
            r#type: "serves",
            address: address.clone(),
        },
        &[address],
    );
    context.ui.remark(&format!(
        "In another window: `rescue pull --tcp {}`; Ctrl-C ends the phone",
        serving.address()
    ));
    context.halt.stopped().await;
    Ok(Done::All)
}
