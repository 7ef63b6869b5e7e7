//! Lets the person sign in to a service, in a browser here or elsewhere.

use std::io::{BufRead as _, IsTerminal as _};

use serde::Serialize;

use crate::commands::browser;
use crate::error::Error;
use crate::guide::remote::{RemoteUse, of_sign_in};
use crate::threads;
use crate::ui::terminal::Mode;
use crate::ui::{Ui, plain};
use crate::upload::oauth::Service;
use crate::upload::oauth::sign_in::SignIn;
use crate::upload::secret::Secret;

#[derive(Serialize)]
struct SignInLink<'a> {
    r#type: &'static str,
    service: &'a str,
    link: &'a str,
}

/// Shows the link and waits for what comes back: the remote's secret.
pub(super) async fn sign_in(
    service: Service,
    client_id: &str,
    client_secret: Option<Secret>,
    task: RemoteUse<'_>,
    ui: &Ui,
) -> Result<Secret, Error> {
    let name = service.name;
    let begun = SignIn::begin(service, client_id, client_secret)
        .await
        .map_err(|error| of_sign_in(&error, task))?;
    let link = begun.link().to_owned();
    let open = format!("Open this link and allow rescue to use {name}:");
    if ui.is_on_face() {
        ui.remark(&open);
        ui.offer_link(&link);
        // Nobody is told where there is no browser, for the link is there.
        let _ = browser::open(link.as_ref());
        return granted(begun, pasted_on_face(ui), task).await;
    }
    let mut lines = vec![
        open,
        String::new(),
        format!("  {}", plain(&link)),
        String::new(),
        "Waiting for your answer there (Ctrl-C stops).".to_owned(),
    ];
    if std::io::stdin().is_terminal() {
        lines.push(
            "If your browser is on another computer, it ends at a page that does not load: paste the address of that page here."
                .to_owned(),
        );
    }
    let shown = SignInLink {
        r#type: "sign_in",
        service: name,
        link: &link,
    };
    ui.result(&shown, &lines);
    // Nobody is told where there is no browser, for the link is there.
    let _ = browser::open(link.as_ref());
    granted(begun, pasted(), task).await
}

async fn granted(
    begun: SignIn,
    pasted: impl Future<Output = String>,
    task: RemoteUse<'_>,
) -> Result<Secret, Error> {
    let grant = begun
        .finish(pasted)
        .await
        .map_err(|error| of_sign_in(&error, task))?;
    Ok(grant.to_secret())
}

/// The address that the person pastes on a page; the question goes away when the browser's answer comes.
async fn pasted_on_face(ui: &Ui) -> String {
    let question = "Waiting for your answer there. If the browser ends at a page that does not load, paste the address of that page here";
    let line = ui.ask(question, Mode::Lines).await;
    line.map(|line| line.to_string()).unwrap_or_default()
}

/// A line that the person types; never, where nobody can.
async fn pasted() -> String {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    if std::io::stdin().is_terminal() {
        // A thread of its own: reading cannot be broken off, and the program ends without it.
        let reading = threads::spawn(move || {
            let mut lines = std::io::stdin().lock().lines();
            let line = lines.find_map(|line| line.ok().filter(|line| !line.trim().is_empty()));
            if let Some(line) = line {
                let _ = sender.send(line);
            }
        });
        // Without one nothing can be pasted; the browser's answer is still waited for.
        drop(reading);
    }
    match receiver.await {
        Ok(line) => line,
        Err(_) => std::future::pending().await,
    }
}
