//! Which files an upload sends: those of the folder that are wanted, or the archives that the person names.

use std::path::Path;

use super::cut_short;
use crate::cli::{UploadArgs, UploadChoiceArgs};
use crate::commands::choice::{TriedChoice, days_of, kinds_of};
use crate::commands::stopped;
use crate::digest::{Hasher, Sha256};
use crate::error::{Error, Kind};
use crate::folder::upload::{NewUpload, RemoteId};
use crate::folder::{Folder, whole_path};
use crate::halt::Halt;
use crate::item::PhoneIdentity;
use crate::media::choice::Selection;
use crate::media::kind::MediaKind;
use crate::names::{UploadPath, spell};
use crate::upload::choose::{Choice, ChosenFiles, Layout, RemotePaths};
use crate::upload::folder_of;
use crate::upload::rules::Rules;

/// The files to send, of which there are some.
pub(super) async fn chosen_files(
    args: &UploadArgs,
    folder: &Folder,
    known: Option<RemoteId>,
    rules: &Rules,
    halt: &Halt,
) -> Result<ChosenFiles, Error> {
    let chosen = match args.archive.as_slice() {
        [] => uploads(args, folder, known, rules, halt).await?,
        files => {
            let places = RemotePaths::on(folder.catalogue(), known)?;
            archives(files, args, places, halt).await?
        }
    };
    refuse_empty_choice(args, folder, &chosen)?;
    Ok(chosen)
}

/// The files of a folder that are wanted.
pub(super) async fn uploads(
    args: &UploadArgs,
    folder: &Folder,
    known: Option<RemoteId>,
    rules: &Rules,
    halt: &Halt,
) -> Result<ChosenFiles, Error> {
    let catalogue = folder.catalogue();
    let choice = choice_of(args, &catalogue.identity()?, rules)?;
    let from = (catalogue, folder.data_reader());
    let chosen = choice.uploads(from, known, rules, halt).await;
    chosen.map_err(|ended| cut_short(ended, args, halt))
}

fn choice_of(args: &UploadArgs, phone: &PhoneIdentity, rules: &Rules) -> Result<Choice, Error> {
    let UploadChoiceArgs {
        media,
        days,
        patterns,
        include_unverified,
    } = &args.choice;
    let mut kinds = kinds_of(media);
    if kinds.is_empty() && rules.media_only {
        // What is neither would only be listed as skipped, each time again.
        kinds.extend([MediaKind::Photo, MediaKind::Video]);
    }
    let selection = Selection {
        everything: true,
        kinds,
        ..Selection::default()
    };
    let layout = match (args.by_date, &args.into) {
        (true, _) => Layout::ByDate,
        (false, Some(into)) => Layout::AsOnPhone(safe_path(into)?),
        (false, None) => Layout::AsOnPhone(phone_name(phone)),
    };
    Ok(Choice {
        selection: selection.with_globs(&patterns.include, &patterns.exclude)?,
        days: days_of(days),
        unverified: *include_unverified,
        layout,
    })
}

/// A choice that matches nothing was meant otherwise; `--watch` may wait for the first match.
pub(super) fn refuse_empty_choice(
    args: &UploadArgs,
    folder: &Folder,
    chosen: &ChosenFiles,
) -> Result<(), Error> {
    let found = chosen.uploads.len() as u64 + chosen.unverified + chosen.damaged;
    if found > 0 || args.watch || !args.archive.is_empty() {
        return Ok(());
    }
    let tried = tried_choice(args).error(folder, &args.folder)?;
    tried.map_or(Ok(()), Err)
}

/// Whether only some of the folder's files are wanted.
pub(super) fn is_choice(args: &UploadArgs) -> bool {
    tried_choice(args).is_any()
}

fn tried_choice(args: &UploadArgs) -> TriedChoice<'_> {
    TriedChoice {
        media: &args.choice.media,
        days: &args.choice.days,
        patterns: &args.choice.patterns,
    }
}

/// Files of any kind, by their own hash as they are now.
pub(super) async fn archives(
    files: &[std::path::PathBuf],
    args: &UploadArgs,
    mut places: RemotePaths,
    halt: &Halt,
) -> Result<ChosenFiles, Error> {
    let mut chosen = ChosenFiles::default();
    let top = args.into.as_deref().map(safe_path).transpose()?;
    for file in files {
        let unusable = |cause: String| {
            Error::new(Kind::Usage, format!("cannot use {}", file.display()))
                .caused_by(cause)
                .with_hint("check the path given with --archive")
        };
        let path = whole_path(file).map_err(|e| unusable(e.to_string()))?;
        // A pipe or a device may have no end.
        if !path.is_file() {
            return Err(unusable("it is not a file".to_owned()));
        }
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = spell(name.unwrap_or_default().as_bytes());
        let source = path
            .to_str()
            .ok_or_else(|| unusable("its path is not Unicode".to_owned()))?
            .to_owned();
        let is_same = |upload: &NewUpload| upload.source == source;
        if chosen.uploads.iter().any(is_same) {
            continue;
        }
        let hashing = tokio::task::spawn_blocking(move || hash(&path));
        let hashed = tokio::select! {
            () = halt.stopped() => return Err(stopped(halt)),
            hashed = hashing => hashed,
        };
        let (size, sha256) = match hashed {
            Ok(hashed) => hashed.map_err(|e| unusable(e.to_string()))?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let place = places.of(&source, || match &top {
            Some(top) => UploadPath::of_spelt(&format!("{top}/{name}")),
            None => UploadPath::of_spelt(&name),
        });
        if let Some(top) = &top
            && folder_of(&place) != top
        {
            chosen.elsewhere += 1;
        }
        chosen.uploads.push(NewUpload {
            entry: None,
            path: place,
            source,
            size,
            sha256,
        });
    }
    Ok(chosen)
}

/// The size of a file in bytes, and its SHA-256.
fn hash(path: &Path) -> std::io::Result<(u64, Sha256)> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path)?;
    let (mut hasher, mut size) = (Hasher::default(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((size, hasher.finish()));
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        hasher.update(bytes);
        size += count as u64;
    }
}

/// `Google-Pixel-7a-LAB0000001`: a folder name that every service takes.
fn phone_name(phone: &PhoneIdentity) -> String {
    let parts = [&phone.manufacturer, &phone.model, &phone.serial];
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let parts = parts.iter().filter(|part| !part.is_empty());
    let parts = parts.map(|part| part.chars().take(40).map(safe).collect::<String>());
    let name = parts.collect::<Vec<_>>().join("-");
    match name.trim_matches('-') {
        "" => "phone".to_owned(),
        name => name.to_owned(),
    }
}

/// The folder of `--into`, as every service takes it.
fn safe_path(text: &str) -> Result<String, Error> {
    let names = text.split('/').filter(|name| !matches!(*name, "" | "."));
    if names.clone().any(|name| name == "..") {
        let message = format!("--into {text} leads out of the remote");
        return Err(Error::new(Kind::Usage, message).with_hint(
            "name a folder below the remote's own, as in --into Photos; for another place, `rescue remote add` it",
        ));
    }
    let names: Vec<_> = names.map(|name| spell(name.as_bytes())).collect();
    Ok(match names.is_empty() {
        true => "rescue".to_owned(),
        false => names.join("/"),
    })
}
