//! `rescue screen`: saves a picture of the phone's display, or serves a page that shows it live.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::target::options_of;
use super::which::which;
use super::{Context, Done, connect_phone};
use crate::cli::ScreenArgs;
use crate::desk::live::{LiveDisplay, LivePage};
use crate::error::{Error, Kind};
use crate::names::harmless;
use crate::phone::Phone;
use crate::phone::connect::ConnectOptions;
use crate::ui::{Ui, Went, bytes, plain};

#[derive(Serialize)]
struct Picture {
    r#type: &'static str,
    file: String,
    bytes: u64,
}

#[derive(Serialize)]
struct ScreenLine {
    r#type: &'static str,
    url: String,
}

pub(super) async fn run(args: &ScreenArgs, context: Context<'_>) -> Result<Done, Error> {
    let options = options_of(&args.phone);
    let target = which(&args.phone, context).await?;
    let phone = connect_phone(&target, &options, context).await?;
    if args.live {
        return live(args.port, phone, options, context.ui).await;
    }
    let picture = phone.screenshot().await?;
    let path = match &args.output {
        Some(path) => path.clone(),
        None => default_name(phone.serial()),
    };
    write(&path, &picture)?;
    let file = plain(&path.display().to_string());
    let line = format!("{file}, {}", bytes(picture.len() as u64));
    let result = Picture {
        r#type: "screenshot",
        file,
        bytes: picture.len() as u64,
    };
    context.ui.report(&result, &[line], Went::Well);
    Ok(Done::All)
}

async fn live(port: u16, phone: Phone, options: ConnectOptions, ui: &Ui) -> Result<Done, Error> {
    let hint = "choose another port, or leave --port out";
    let refused = |error: std::io::Error| {
        let message = format!("the page cannot be served on 127.0.0.1:{port}");
        let error = Error::new(Kind::Disk, message).caused_by(error);
        error.with_hint(hint)
    };
    let page = LivePage::bind(port).map_err(refused)?;
    let url = page.url();
    let result = ScreenLine {
        r#type: "serves",
        url: url.clone(),
    };
    ui.result(&result, &[url]);
    ui.remark("Open this address in a browser on this computer; Ctrl-C ends it.");
    // Until it is stopped.
    let served = page.serve(LiveDisplay::of(phone, options)).await;
    served.map(|()| Done::All).map_err(refused)
}

fn default_name(serial: &str) -> PathBuf {
    let serial = harmless(serial);
    let now = chrono::Local::now().format("%Y%m%d-%H%M%S");
    format!("screen-{serial}-{now}.png").into()
}

/// Writes a new file; one that is there stays as it is.
fn write(path: &Path, picture: &[u8]) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        let shown = plain(&path.display().to_string());
        let hint = match error.kind() {
            std::io::ErrorKind::AlreadyExists => "choose another name with -o",
            _ => "choose a place that you may write to with -o",
        };
        let message = format!("the picture cannot be written to {shown}");
        Error::new(Kind::Disk, message)
            .caused_by(error)
            .with_hint(hint)
    };
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    let written = file.write_all(picture).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a picture is none.
        let _ = std::fs::remove_file(path);
    }
    written.map_err(failed)
}
