//! `rescue demo [FOLDER]`: the whole main job on the built-in virtual phone: pull, export, upload.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::pull::{PullOrder, pull};
use super::{Context, Done, arguments, export, stopped, upload};
use crate::adb::connection::Introduction;
use crate::adb::features::Feature;
use crate::cli::{ChoiceArgs, DemoArgs, JobArgs};
use crate::error::{Error, Kind};
use crate::folder::{CatalogueError, Folder, State, whole_path};
use crate::media::choice::Selection;
use crate::phone::connect::{ConnectOptions, Target};
use crate::phone::keys::KeySources;
use crate::pull::enumerate::Roots;
use crate::ui::{Ui, typed};
use crate::upload::kinds::KindSettings;
use crate::upload::kinds::folder::FolderSettings;
use crate::upload::settings::RemoteSettings;
use crate::virtual_phone::camera_roll;

/// Where the demonstration goes when nothing else is said.
const DEFAULT_FOLDER: &str = "rescue-demo";

pub(super) async fn run(args: &DemoArgs, context: Context<'_>) -> Result<Done, Error> {
    let ui = context.ui;
    let folder = args
        .folder
        .clone()
        .unwrap_or_else(|| PathBuf::from(DEFAULT_FOLDER));
    let (archive, copy) = (beside(&folder, ".zip")?, beside(&folder, "-copy")?);
    // An archive is replaced below, and only the one of an earlier demonstration may be.
    if Folder::changed(&folder).is_none() && archive.symlink_metadata().is_ok() {
        let message = format!("{} already exists", archive.display());
        return Err(
            Error::new(Kind::Usage, message).with_hint("name a new folder: `rescue demo FOLDER`")
        );
    }
    ui.remark(
        "This is a demonstration: a phone inside this program, with a small camera roll, a card, a recycle bin and one photo that cannot be read. Everything else is the real thing.",
    );
    ui.remark("");
    pull_into(&folder, context).await?;
    ui.remark("");
    ui.remark(
        "That one photo failed on purpose: unreadable files are listed, and all others are safe.",
    );
    ui.remark("");
    ui.remark("Now an archive, as `rescue export` makes it:");
    let words = [OsStr::new("export"), folder.as_os_str(), "--force".as_ref()];
    let to = [OsStr::new("--output"), archive.as_os_str()];
    // Some files are missing from it, on purpose: not a failure here.
    export::run(arguments(words.into_iter().chain(to))?, context).await?;
    ui.remark("");
    ui.remark(
        "And an upload, as `rescue upload` does it, to a folder that stands in for the cloud:",
    );
    upload_to(&folder, &copy, context).await?;
    remark_next(&folder, &archive, &copy, ui);
    Ok(Done::All)
}

/// Serves the built-in phone, and pulls from it what should be pulled.
async fn pull_into(folder: &Path, context: Context<'_>) -> Result<(), Error> {
    let mut phone = camera_roll::phone();
    phone.features = phone.features.with(Feature::DelayedAck);
    let serving = phone.serve().await.map_err(|error| {
        Error::new(Kind::Disk, "the built-in phone cannot listen on 127.0.0.1").caused_by(error)
    })?;
    let request = PullOrder {
        folder_each: false,
        output: Some(folder.to_owned()),
        selection: Selection::default(),
        roots: Roots::Volumes,
        dry_run: false,
        no_verify: false,
        new_folder: false,
        same_phone: false,
        claims: Default::default(),
        accept_failed: false,
        on_done: None,
        job: JobArgs::default(),
        choice: ChoiceArgs::default(),
    };
    let options = ConnectOptions {
        // The built-in phone asks for no key, and a demonstration makes none.
        keys: KeySources::none(),
        introduction: Introduction::OfferKey,
        wait: Duration::from_secs(5),
        awaits_arrival: false,
        idle: Duration::from_secs(10),
    };
    pull(
        &request,
        Target::Tcp(serving.address().to_string()),
        options,
        context,
    )
    .await?;
    if context.halt.is_set() {
        return Err(stopped(context.halt));
    }
    check_outcome(folder)
}

/// The path of something that stands beside the folder and has its name in front.
fn beside(folder: &Path, ending: &str) -> Result<PathBuf, Error> {
    let named = match folder.file_name() {
        Some(_) => Ok(folder.to_owned()),
        // As in `.`, which is somewhere and has a name there.
        None => whole_path(folder),
    };
    let named = named.unwrap_or_default();
    let Some(name) = named.file_name() else {
        let message = format!("there is no place beside {}", folder.display());
        return Err(
            Error::new(Kind::Usage, message).with_hint("name a new folder: `rescue demo FOLDER`")
        );
    };
    let mut name = name.to_owned();
    name.push(ending);
    Ok(named.with_file_name(name))
}

async fn upload_to(folder: &Path, copy: &Path, context: Context<'_>) -> Result<Done, Error> {
    let failed = |error| {
        let message = format!("cannot make the folder {}", copy.display());
        Error::new(Kind::Disk, message).caused_by(error)
    };
    std::fs::create_dir_all(copy).map_err(failed)?;
    let remote = RemoteSettings {
        kind: KindSettings::Folder(FolderSettings {
            path: whole_path(copy).map_err(failed)?,
        }),
        secret: None,
        in_keyring: false,
        patience_seconds: None,
    };
    upload::to_remote(folder, ("demonstration", &remote), context).await
}

/// The demonstration is done when exactly what should happen did.
fn check_outcome(folder: &Path) -> Result<(), Error> {
    let folder = Folder::open(folder)?;
    let (mut missing, mut unproven) = (Vec::new(), 0);
    folder.catalogue().for_each_by_path(|entry| {
        match entry.state {
            State::Verified(_) => {}
            State::Failed => missing.push(entry.item.path.to_string()),
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

/// Names what there is to look at now.
fn remark_next(folder: &Path, archive: &Path, copy: &Path, ui: &Ui) {
    let [shown, archive, copy] = [folder, archive, copy].map(Path::display);
    let (word, slash) = (typed(folder), std::path::MAIN_SEPARATOR);
    ui.remark("");
    ui.remark("Look next at:");
    let next = [
        (
            format!("{shown}{slash}index.html"),
            "every photo on one page: open it in a browser",
        ),
        (
            format!("{shown}{slash}data{slash}"),
            "the photos, as they were on the phone",
        ),
        (archive.to_string(), "the same in one file, for anybody"),
        (copy.to_string(), "the files that the cloud would hold"),
        (
            format!("rescue status {word}"),
            "the files that are here, missing or sent",
        ),
        (
            format!("rescue verify {word}"),
            "reads every file again and compares",
        ),
        (
            format!("(cd {word} && sha256sum -c manifest-sha256.txt)"),
            "the same without rescue",
        ),
    ];
    // Windows has no such program: there the last is left out.
    for (what, why) in next.iter().take(next.len() - usize::from(cfg!(windows))) {
        ui.remark(&format!("  {what:<38} {why}"));
    }
    ui.remark("With a real phone: plug it in, switch USB debugging on, and run `rescue pull`.");
}
