//! `rescue export FOLDER`: one archive that anyone can open, check and look at.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use zeroize::Zeroizing;

use super::choice::{TriedChoice, check_days, days_of, kinds_of};
use super::{Context, Done};
use crate::cli::{ExportArgs, ExportChoiceArgs, ProtectionArgs};
use crate::error::{Error, Kind};
use crate::event::Supervisor;
use crate::export::{
    EarlierArchive, ExportError, ExportOutcome, ExportRequest, Packed, Place, Protection, Wish,
    pack, plan,
};
use crate::folder::Folder;
use crate::ui::{Ui, Went, bytes, count, plain, terminal};

#[derive(Serialize)]
struct Exported<'a> {
    r#type: &'static str,
    archives: &'a [Packed],
    files: u64,
    bytes: u64,
    left_out: u64,
    strangers: u64,
}

pub(super) async fn run(args: ExportArgs, context: Context<'_>) -> Result<Done, Error> {
    check_days(&args.choice.days)?;
    let supervisor = context.supervisor();
    let protection = ask_for(&args.protection, context).await?;
    let exporting = tokio::task::spawn_blocking(move || export(&args, protection, &supervisor));
    // Not raced against the halt: the work looks at it and cleans up behind itself.
    let outcome = match exporting.await {
        Ok(Err(_)) if context.halt.is_set() => {
            let message = "stopped; no archive was made, and the rescue folder is as it was";
            return Err(
                Error::new(Kind::Interrupted, message).with_hint("run the same command again")
            );
        }
        Ok(outcome) => outcome?,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    let losses = outcome.left_out.iter();
    let losses = losses.filter(|left_out| left_out.why.is_a_loss()).count();
    let told = |packed: &Packed| {
        format!(
            "{}: {}, {}, each read back and compared",
            plain(&packed.path.display().to_string()),
            count(packed.files, "file"),
            bytes(packed.bytes)
        )
    };
    let mut lines: Vec<String> = outcome.packed.iter().map(told).collect();
    if losses > 0 {
        let files = count(losses as u64, "file");
        lines.push(format!(
            "{files} missing from it: its report.html lists them"
        ));
    }
    lines.extend(
        context
            .ui
            .next_step("unpack it, then open its index.html in a browser"),
    );
    let exported = Exported {
        r#type: "exported",
        archives: &outcome.packed,
        files: outcome.packed.iter().map(|packed| packed.files).sum(),
        bytes: outcome.packed.iter().map(|packed| packed.bytes).sum(),
        left_out: outcome.left_out.len() as u64,
        strangers: outcome.strangers as u64,
    };
    let (went, done) = match losses {
        0 => (Went::Well, Done::All),
        _ => (Went::Badly, Done::SomeFailed),
    };
    context.ui.report(&exported, &lines, went);
    Ok(done)
}

fn export(
    args: &ExportArgs,
    protection: Protection,
    supervisor: &Supervisor,
) -> Result<ExportOutcome, Error> {
    let folder = Folder::open_after_asking(&args.folder)?;
    let place = Place::new(&output(args, folder.root())?)?;
    let wish = wish(&args.choice)?;
    let plan = plan(&folder, &wish, &place)?;
    let request = ExportRequest {
        place: &place,
        earlier: match args.force {
            true => EarlierArchive::IsReplaced,
            false => EarlierArchive::Stays,
        },
        strict: args.strict,
        by_date: args.by_date,
        album_in_folder: true,
        split: args.split,
        protection,
        now: chrono::Local::now(),
        is_stopped: &|| supervisor.halt.is_set(),
    };
    pack(&folder, plan, &request, &supervisor.events).or_else(|error| {
        let choice = TriedChoice {
            media: &args.choice.media,
            days: &args.choice.days,
            patterns: &args.choice.patterns,
        };
        Err(match error {
            ExportError::Nothing => choice.error(&folder, &args.folder)?.unwrap_or(error.into()),
            error => error.into(),
        })
    })
}

/// The longest passphrase that is read, in bytes.
const MAX_READ_BYTES: u64 = 1024;
/// The longest passphrase that 7-Zip opens an archive with, in bytes.
const MAX_PASSPHRASE_BYTES: usize = 99;

/// Asks beside the halt: a person, or a pipe that nobody writes to, may take for ever.
async fn ask_for(args: &ProtectionArgs, context: Context<'_>) -> Result<Protection, Error> {
    tokio::select! {
        biased;
        () = context.halt.stopped() => {
            Err(Error::new(Kind::Interrupted, "stopped; nothing was written")
                .with_hint("run the same command again"))
        }
        answer = protection(args, context.ui) => answer,
    }
}

async fn protection(args: &ProtectionArgs, ui: &Ui) -> Result<Protection, Error> {
    if !args.age.is_empty() {
        return Ok(Protection::Age(args.age.clone()));
    }
    if !args.encrypt {
        return Ok(Protection::None);
    }
    let passphrase = match args.passphrase_file.clone() {
        None => ui.ask_new_passphrase().await?,
        Some(path) => match tokio::task::spawn_blocking(move || first_line(&path)).await {
            Ok(line) => line?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        },
    };
    let refused = |message: &str| {
        Error::new(Kind::Usage, message).with_hint("choose a passphrase of a few words")
    };
    if passphrase.is_empty() {
        return Err(refused("the passphrase is empty"));
    }
    if passphrase.len() > MAX_PASSPHRASE_BYTES {
        return Err(refused(
            "the passphrase is longer than the 99 bytes that 7-Zip takes",
        ));
    }
    if passphrase.chars().any(char::is_control) {
        return Err(refused("the passphrase contains a control character"));
    }
    Ok(Protection::Passphrase(passphrase))
}

/// The first line of a file, or of the standard input when it is called `-`.
fn first_line(path: &Path) -> Result<Zeroizing<String>, Error> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        Error::new(
            Kind::Usage,
            format!("the passphrase cannot be read from {shown}"),
        )
        .caused_by(error)
        .with_hint("check the file: the passphrase is its first line")
    };
    let read = || {
        let line = match path == Path::new("-") {
            true => terminal::first_line_of_stdin()?,
            false => terminal::first_line(std::fs::File::open(path)?.take(MAX_READ_BYTES + 2))?,
        };
        let text = std::str::from_utf8(&line).map_err(std::io::Error::other)?;
        let text = text.trim_end_matches(['\n', '\r']);
        match text.len() as u64 <= MAX_READ_BYTES {
            true => Ok(Zeroizing::new(text.to_owned())),
            false => Err(std::io::Error::other("its first line is too long")),
        }
    };
    read().map_err(failed)
}

fn wish(choice: &ExportChoiceArgs) -> Result<Wish, Error> {
    let wish = Wish {
        kinds: kinds_of(&choice.media),
        days: days_of(&choice.days),
        include_unverified: choice.include_unverified,
        ..Wish::default()
    };
    wish.with_globs(&choice.patterns.include, &choice.patterns.exclude)
}

/// Where the archive goes: as asked for, into the folder asked for, or beside the rescue folder.
fn output(args: &ExportArgs, root: &Path) -> Result<PathBuf, Error> {
    let named_after_folder = || {
        let name = root.file_name()?;
        let mut name = name.to_owned();
        name.push(if args.protection.age.is_empty() {
            ".zip"
        } else {
            ".zip.age"
        });
        Some(name)
    };
    let no_name = || {
        Error::new(
            Kind::Usage,
            "the rescue folder has no name to give the archive",
        )
        .with_hint("name a file with -o, as in photos.zip")
    };
    let Some(path) = &args.output else {
        return Ok(root.with_file_name(named_after_folder().ok_or_else(no_name)?));
    };
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Ok(path.join(named_after_folder().ok_or_else(no_name)?));
        }
        // A device or a pipe is nobody's archive.
        Ok(found) if !found.is_file() => {
            return Err(ExportError::NotAFile { path: path.clone() }.into());
        }
        _ => {}
    }
    // A folder is meant; as a name, it would be one without an ending.
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(ExportError::NoParent { path: path.clone() }.into());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let is_for_age = !args.protection.age.is_empty();
    // It would look encrypted, and would not be.
    if name.ends_with(".age") && !is_for_age {
        let message = format!(
            "{} ends like an archive that age encrypts, but no recipient is given",
            path.display()
        );
        return Err(Error::new(Kind::Usage, message)
            .with_hint("add --age RECIPIENT, or name a file that ends in .zip"));
    }
    if matches!(&*name, ".zip" | ".age" | ".zip.age") {
        return Err(ExportError::NoName { path: path.clone() }.into());
    }
    // By any other ending, as that of a date, no program would know what it is.
    let ending = match (is_for_age, name.ends_with(".zip")) {
        (false, true) => "",
        (true, _) if name.ends_with(".age") => "",
        (true, true) => ".age",
        (false, false) => ".zip",
        (true, false) => ".zip.age",
    };
    let mut path = path.clone().into_os_string();
    path.push(ending);
    Ok(path.into())
}
