//! The remote of an upload, made ready for what is asked of it; an option that does not fit it is refused.

use std::time::Duration;

use super::refused;
use crate::cli::{LimitsOf, Quality, UploadArgs};
use crate::error::{Error, Kind};
use crate::folder::Folder;
use crate::media::copy::CopyOptions;
use crate::upload::albums::Albums;
use crate::upload::connect::connect;
use crate::upload::queue::Options;
use crate::upload::settings::RemoteSettings;
use crate::upload::{Masked, Wishes};

/// How long a connection is waited for without `--wait`.
const PATIENCE: Duration = Duration::from_secs(120);

/// The remote, and how files are sent to it.
pub(super) fn ready_remote(
    args: &UploadArgs,
    folder: &Folder,
    settings: &RemoteSettings,
) -> Result<(Masked, Options), Error> {
    let mut remote = connect(&args.to, settings).map_err(|problem| refused(&problem, args))?;
    remote.of_folder(folder.root());
    check_options(args, &mut remote)?;
    remote.set_albums(albums_of(args))?;
    let patience = settings
        .patience_seconds
        .map_or(PATIENCE, Duration::from_secs);
    let options = Options {
        parallel: usize::from(args.pace.parallel),
        tries: args.pace.tries,
        patience: (!args.pace.wait).then_some(patience),
        limit: args.pace.limit,
        copies: copies_of(args, &remote)?,
        // That would ask again every few seconds.
        looks_again: !args.watch,
    };
    Ok((remote, options))
}

/// Refuses options that do not fit the kind of remote.
fn check_options(args: &UploadArgs, remote: &mut Masked) -> Result<(), Error> {
    if args
        .album
        .as_ref()
        .is_some_and(|title| title.trim().is_empty())
    {
        return Err(Error::new(Kind::Usage, "an album needs a title")
            .with_hint("give one: --album 'Old phone'"));
    }
    remote.heed(&Wishes {
        folders: args.into.is_some() || args.by_date,
        archives: !args.archive.is_empty(),
        limits_of_2018: args.limits == LimitsOf::Of2018,
    })
}

fn albums_of(args: &UploadArgs) -> Albums {
    match (&args.album, args.album_per_folder) {
        (Some(name), _) => Albums::One(name.trim().to_owned()),
        (None, true) => Albums::PerFolder,
        (None, false) => Albums::None,
    }
}

fn copies_of(args: &UploadArgs, remote: &Masked) -> Result<CopyOptions, Error> {
    let smaller = args.quality == Quality::StorageSaver;
    if smaller && !remote.takes_copies() {
        let message = "this kind of remote keeps files as they are";
        return Err(Error::new(Kind::Usage, message)
            .with_hint("leave out --quality, or take a remote of a photo service"));
    }
    Ok(CopyOptions {
        dates: remote.needs_dates(),
        smaller,
    })
}
