//! `rescue demo [FOLDER]`: the whole main job on the built-in virtual phone.

use std::path::PathBuf;
use std::time::Duration;

use super::pull::{Request, pull};
use super::{Done, stopped};
use crate::adb::features::Feature;
use crate::cli::DemoArgs;
use crate::error::{Error, Kind};
use crate::folder::{CatalogueError, Folder, State};
use crate::phone::connect::{ConnectOptions, Target};
use crate::phone::keys::KeySources;
use crate::pull::enumerate::Roots;
use crate::pull::halt::Halt;
use crate::pull::selection::Selection;
use crate::ui::Ui;
use crate::virtual_phone::camera_roll;

/// Where the demonstration goes when nothing else is said.
const DEFAULT_FOLDER: &str = "rescue-demo";

pub(super) async fn run(args: &DemoArgs, ui: &Ui, halt: &Halt) -> Result<Done, Error> {
    let folder = args
        .folder
        .clone()
        .unwrap_or_else(|| PathBuf::from(DEFAULT_FOLDER));
    ui.remark(
        "This is a demonstration: a phone inside this program, with a small camera roll, a card, a",
    );
    ui.remark("recycle bin and one photo that cannot be read. Everything else is the real thing.");
    ui.remark("");
    let mut phone = camera_roll::phone();
    phone.features = phone.features.with(Feature::DelayedAck);
    let serving = phone.serve().await.map_err(|error| {
        Error::new(Kind::Disk, "the built-in phone cannot listen on 127.0.0.1").caused_by(error)
    })?;
    let request = Request {
        folder_each: false,
        output: Some(folder.clone()),
        selection: Selection::default(),
        roots: Roots::Volumes,
        dry_run: false,
        no_verify: false,
    };
    let options = ConnectOptions {
        // The built-in phone asks for no key, and a demonstration makes none.
        keys: KeySources::none(),
        wait: Duration::from_secs(5),
        idle: Duration::from_secs(10),
    };
    pull(
        &request,
        Target::Tcp(serving.address().to_string()),
        options,
        ui,
        halt,
    )
    .await?;
    if halt.is_set() {
        return Err(stopped(halt));
    }
    check_outcome(&folder)?;
    let shown = folder.display();
    ui.remark("");
    ui.remark(
        "That one photo failed on purpose: what cannot be read is listed, and the rest is safe.",
    );
    ui.remark("Look next at:");
    ui.remark(&format!(
        "  {shown}/data/                     the photos, as they were on the phone"
    ));
    ui.remark(&format!(
        "  rescue status {shown}             what is there and what is missing"
    ));
    ui.remark(&format!(
        "  rescue verify {shown}             reads every file again and compares"
    ));
    ui.remark(&format!(
        "  (cd {shown} && sha256sum -c manifest-sha256.txt)   the same without rescue"
    ));
    ui.remark("With a real phone: plug it in, switch USB debugging on, and run `rescue pull`.");
    Ok(Done::All)
}

/// The demonstration is done when exactly what should happen did.
fn check_outcome(folder: &std::path::Path) -> Result<(), Error> {
    let folder = Folder::open(folder)?;
    let (mut missing, mut unproven) = (Vec::new(), 0);
    folder.catalogue().for_each_by_path(|entry| {
        match entry.state {
            State::Verified(_) => {}
            State::Failed => missing.push(entry.path.to_string()),
            _ => unproven += 1,
        }
        Ok::<_, CatalogueError>(())
    })?;
    if missing == [camera_roll::UNREADABLE] && unproven == 0 {
        return Ok(());
    }
    Err(
        Error::new(Kind::Folder, "the demonstration did not end as it should")
            .with_hint("choose a new folder: `rescue demo ANOTHER-FOLDER`"),
    )
}
