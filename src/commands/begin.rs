//! `rescue` alone on a terminal, and `rescue guide`: leads the person there, or in the browser of a desktop.

use std::io::ErrorKind;

use super::{Context, Done, browser, desk, guide};
use crate::cli::{DeskArgs, GuideArgs};
use crate::error::{Error, Kind};
use crate::ui::terminal::Mode;

pub(super) async fn run(args: &GuideArgs, context: Context<'_>) -> Result<Done, Error> {
    let can_choose = context.ui.has_person() && browser::has_desktop();
    if !can_choose || !wants_browser(context).await? {
        return guide::run(args, context).await;
    }
    let args = DeskArgs {
        no_open: false,
        port: 0,
        phone: args.phone.clone(),
    };
    desk::run(&args, context).await
}

async fn wants_browser(context: Context<'_>) -> Result<bool, Error> {
    context.ui.remark(
        "rescue copies what is on your phone. A page with buttons is easier than this window.",
    );
    loop {
        let asked = context
            .ui
            .ask("Open that page in your browser? [Y/n] ", Mode::Lines);
        let answer = context.unless_stopped(asked).await?;
        let answer = answer.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Error::new(Kind::Interrupted, "stopped"),
            _ => Error::new(Kind::Usage, "the terminal cannot be read").caused_by(error),
        })?;
        match answer.trim() {
            "" | "y" | "Y" | "yes" => return Ok(true),
            "n" | "N" | "no" => return Ok(false),
            _ => {}
        }
    }
}
