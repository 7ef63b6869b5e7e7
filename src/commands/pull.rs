//! `rescue pull`: discover, connect, enumerate, plan, transfer and verify, report.

mod album;
mod all_phones;
mod claims;
mod contents;
mod destination;
mod done;
mod ending;
mod known;
pub(super) mod label;
mod listing;
mod nothing;
mod one_phone;
mod opening;
mod report;
mod request;
mod room;

use std::time::Instant;

pub(super) use self::contents::contents;
use self::done::About;
pub(super) use self::label::{label_of, relabel};
use self::one_phone::pull_into;
pub(super) use self::request::PullOrder;
use super::target::options_of;
use super::which::{attached, which};
use super::{Context, Done};
use crate::cli::PullArgs;
use crate::error::Error;
use crate::phone::connect::{ConnectOptions, Target};
use crate::phone::seen::SeenPhone;
use crate::upload::settings::Settings;

pub(super) async fn run(args: &PullArgs, context: Context<'_>) -> Result<Done, Error> {
    let options = options_of(&args.phone);
    let (began, mut about) = (Instant::now(), About::default());
    let ended = match decide(args, context).await {
        // Each phone's pull ends by itself.
        Ok((request, Whom::All(phones))) => {
            return all_phones::run(phones, request, options, context).await;
        }
        Ok((request, Whom::One(target))) => {
            let upload = args.then_upload.as_deref();
            pull_and_send(&request, target, options, upload, context, &mut about).await
        }
        Err(error) => Err(error),
    };
    if let Some(command) = &args.on_done {
        done::run_command(command, &about, &ended, context).await;
    }
    if !args.dry_run {
        done::tell_desktop(&ended, began.elapsed(), context.ui);
    }
    ended
}

/// The phones to pull from.
enum Whom {
    One(Target),
    All(Vec<SeenPhone>),
}

/// Checks the options and chooses the phones.
async fn decide(args: &PullArgs, context: Context<'_>) -> Result<(PullOrder, Whom), Error> {
    let request = PullOrder::of(args)?;
    // A name that is wrong is known before hours of pulling.
    if let Some(remote) = &args.then_upload {
        Settings::load()?.remote(remote)?;
    }
    let whom = match args.all_phones {
        true => Whom::All(attached(&args.phone, context).await?),
        false => Whom::One(which(&args.phone, context).await?),
    };
    Ok((request, whom))
}

/// Pulls, and sends the folder to a remote where one is named.
async fn pull_and_send(
    request: &PullOrder,
    target: Target,
    options: ConnectOptions,
    upload: Option<&str>,
    context: Context<'_>,
    about: &mut About,
) -> Result<Done, Error> {
    let (pulled, path) = pull_into(request, target, options, context, about).await?;
    let Some(remote) = upload else {
        return Ok(pulled);
    };
    let sent = super::upload::after_pull(&path, remote, context).await?;
    Ok(match (pulled, sent) {
        (Done::All, Done::All) => Done::All,
        _ => Done::SomeFailed,
    })
}

/// Pulls from a phone into its folder.
pub(super) async fn pull(
    request: &PullOrder,
    target: Target,
    options: ConnectOptions,
    context: Context<'_>,
) -> Result<Done, Error> {
    let mut about = About::default();
    let (done, _) = pull_into(request, target, options, context, &mut about).await?;
    Ok(done)
}

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}
