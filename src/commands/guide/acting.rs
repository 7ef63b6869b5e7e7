//! The guide's actions: other commands, with what they need to know.

use std::path::{Path, PathBuf};

use super::{Driver, GuideFace, StoppableWork, trouble};
use crate::cli::{
    AuthorizeArgs, DoctorArgs, KeysArgs, PhoneArgs, RemoteAddArgs, RemoteCommand, UnlockArgs,
};
use crate::commands::target::{options_of, target_of};
use crate::commands::{
    Context, Done, arguments, authorize, connect_phone, doctor, export, keys, remote, unlock,
    upload,
};
use crate::desk::live::LiveDisplay;
use crate::error::{Error, Kind};
use crate::folder::Folder;
use crate::guide::journey::{ActionEnd, GuideAction, Note};
use crate::upload::kinds::KindOptions;
use crate::upload::kinds::folder::FolderSettings;
use crate::upload::settings::Settings;

impl<F: GuideFace> Driver<'_, F> {
    /// Runs an action.
    pub(super) async fn act(
        &self,
        action: &GuideAction,
        phone: &PhoneArgs,
        folder: &Path,
    ) -> Result<ActionEnd, Error> {
        self.context.ui.remark("");
        let ui = self.context.ui;
        // An archive and an upload can be stopped as a pull can.
        let switch = || self.face.switch(self.context.halt, StoppableWork::Action);
        let done = match action {
            GuideAction::Authorize => {
                let mut args: AuthorizeArgs = arguments(["authorize"])?;
                args.phone = phone.clone();
                self.context
                    .unless_stopped(authorize::run(&args, ui))
                    .await?
            }
            GuideAction::Unlock => {
                let mut args: UnlockArgs = arguments(["unlock"])?;
                args.phone = phone.clone();
                self.context.unless_stopped(unlock::run(&args, ui)).await?
            }
            GuideAction::Keys(recipe) => {
                let mut args: KeysArgs = arguments(["keys"])?;
                (args.serial, args.recipe) = (phone.serial.clone(), Some(*recipe));
                self.context.unless_stopped(keys::run(&args, ui)).await?
            }
            GuideAction::InstallRules => {
                let args: DoctorArgs = arguments(["doctor", "--install-udev-rules"])?;
                self.context.unless_stopped(doctor::run(&args, ui)).await?
            }
            GuideAction::Export => {
                let beside = folder.parent().unwrap_or(folder).to_owned();
                let pack = async |place: &Path| {
                    let halt = &switch();
                    pack(folder, place, Context { ui, halt }).await
                };
                match self.somewhere(folder, Some(beside), None, pack).await? {
                    Some(done) => done,
                    None => return Ok(ActionEnd::Failed),
                }
            }
            GuideAction::Upload(remote) => {
                let halt = &switch();
                upload::after_pull(folder, remote, Context { ui, halt }).await
            }
            GuideAction::CopyToDisk => {
                let copy = async |place: &Path| {
                    let halt = &switch();
                    self.copy_to(folder, place, Context { ui, halt }).await
                };
                match self.somewhere(folder, None, Some(folder), copy).await? {
                    Some(done) => done,
                    None => return Ok(ActionEnd::Failed),
                }
            }
            GuideAction::AddRemote => {
                let add = remote_add(None, None);
                self.context.unless_stopped(remote::run(&add, ui)).await?
            }
            GuideAction::Screen => self.screen(phone).await,
            GuideAction::More
            | GuideAction::TryAgain
            | GuideAction::TakeRest
            | GuideAction::Finish => return Ok(ActionEnd::Achieved),
        };
        ui.end_progress();
        self.ended(folder, done)
    }

    /// Shows the phone's display until the person is done with it.
    async fn screen(&self, phone: &PhoneArgs) -> Result<Done, Error> {
        let options = options_of(phone);
        let connected = connect_phone(&target_of(phone), &options, self.context).await?;
        self.face.show(LiveDisplay::of(connected, options)).await?;
        Ok(Done::All)
    }

    /// How an action ended that ran.
    fn ended(&self, folder: &Path, done: Result<Done, Error>) -> Result<ActionEnd, Error> {
        let ui = self.context.ui;
        match done {
            Ok(Done::All) => Ok(ActionEnd::Achieved),
            Ok(_) => Ok(ActionEnd::Partly),
            Err(error) if error.kind == Kind::Interrupted && self.context.halt.is_set() => {
                Err(error)
            }
            // The person stopped this alone, or left a question of it; or the guide sees itself that the phone is gone.
            Err(error) if matches!(error.kind, Kind::Interrupted | Kind::NoPhone) => {
                ui.remark(&error.message);
                Ok(ActionEnd::Failed)
            }
            Err(error) => {
                self.remark_trouble(error, folder);
                Ok(ActionEnd::Failed)
            }
        }
    }

    fn remark_trouble(&self, error: Error, folder: &Path) {
        self.context.ui.end_progress();
        let folder = Some(folder).filter(|folder| !folder.as_os_str().is_empty());
        self.face.tell(&[Note::Trouble(trouble(error, folder))]);
    }

    /// Writes to a place, and to another one as long as there is no room there, or no permission. Asks for each, but for
    /// the first one where it is known; `None` where the person has none.
    async fn somewhere(
        &self,
        folder: &Path,
        mut known: Option<PathBuf>,
        original: Option<&Path>,
        write: impl AsyncFn(&Path) -> Result<Done, Error>,
    ) -> Result<Option<Result<Done, Error>>, Error> {
        loop {
            let place = match known.take() {
                Some(place) => place,
                None => match self.place(original).await? {
                    Some(place) => place,
                    None => return Ok(None),
                },
            };
            match write(&place).await {
                Err(error) if is_of_place(error.kind) && folder.is_dir() => {
                    self.remark_trouble(error, folder);
                }
                done => return Ok(Some(done)),
            }
        }
    }

    /// Uploads to a folder, which becomes a remote unless it is one.
    async fn copy_to(
        &self,
        folder: &Path,
        place: &Path,
        context: Context<'_>,
    ) -> Result<Done, Error> {
        // A place is remembered only for what there is to copy.
        drop(Folder::open_after_asking(folder)?);
        let settings = Settings::load()?;
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_there = |path: &Path| whole(path) == whole(place);
        let remotes = settings.remotes().iter();
        let mut known = remotes.filter(|(_, remote)| remote.kind.folder().is_some_and(is_there));
        if let Some((name, _)) = known.next_back() {
            match upload::after_pull(folder, name, context).await {
                // Another disk is in its place, and has none of what was sent to the first.
                Err(error) if error.kind == Kind::NoConnection => {}
                done => return done,
            }
        }
        let name = self.remember(place, &settings).await?;
        upload::after_pull(folder, &name, context).await
    }

    /// Makes a folder a remote, under a name that it returns.
    async fn remember(&self, place: &Path, settings: &Settings) -> Result<String, Error> {
        let mut names = (1..).map(|number: u32| match number {
            1 => "disk".to_owned(),
            _ => format!("disk-{number}"),
        });
        let name = names.find(|name| !settings.has(name)).unwrap_or_default();
        let path = place.to_owned();
        let kind = KindOptions::Folder(FolderSettings { path });
        let add = remote_add(Some(name.clone()), Some(kind));
        let ui = self.context.ui;
        self.context.unless_stopped(remote::run(&add, ui)).await??;
        ui.remark(&format!(
            "rescue remembers this folder as the remote '{name}': next time choose \"Upload it to {name}\"."
        ));
        Ok(name)
    }
}

/// The command that adds a remote; asks for what is missing.
fn remote_add(name: Option<String>, kind: Option<KindOptions>) -> RemoteCommand {
    RemoteCommand::Add(RemoteAddArgs {
        name,
        kind,
        secret_file: None,
        keep_in: None,
        no_test: false,
        begun: None,
    })
}

/// Makes an archive of a folder in a place.
async fn pack(folder: &Path, place: &Path, context: Context<'_>) -> Result<Done, Error> {
    let archive = free_name(folder, place);
    let words = ["export".as_ref(), folder.as_os_str(), "-o".as_ref()];
    let words = words.into_iter().chain([archive.as_os_str()]);
    export::run(arguments(words)?, context).await
}

/// Whether a failure to write may have to do with the place that a person chose.
fn is_of_place(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::DiskFull
            | Kind::Disk
            | Kind::Usage
            | Kind::NoConnection
            | Kind::RemoteDenied
            | Kind::RemoteFull
    )
}

/// Returns a free name for a folder's archive in a place: an existing file may be the person's own.
fn free_name(folder: &Path, place: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let named = |number: u32| match number {
        1 => place.join(format!("{name}.zip")),
        _ => place.join(format!("{name} ({number}).zip")),
    };
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    (1..=999)
        .map(named)
        .find(is_free)
        .unwrap_or_else(|| named(1))
}
