//! `rescue desk`: the guide in the browser of this computer. The page is served by a thread of its own, so that it
//! answers whatever the work does.

use std::path::PathBuf;

use serde::Serialize;

use super::guide::{GuideFace, StoppableWork, lead};
use super::{Context, Done, browser};
use crate::cli::DeskArgs;
use crate::desk::{DeskPage, DeskServers};
use crate::error::{Error, Kind};
use crate::export::album;
use crate::guide::journey::{GuideAction, Journey, Note, Question};
use crate::halt::Halt;
use crate::threads;
use crate::ui::Ui;
use crate::ui::face::{Face as _, FaceAnswer, FaceQuestion};
use crate::ui::words::journey::{
    DeskDoubt, asked_about_desk, asked_for_folder_on_page, asked_for_many_on_page, asked_on_page,
    offered_on_page, on_page,
};

#[derive(Serialize)]
struct DeskLine {
    r#type: &'static str,
    url: String,
}

pub(super) async fn run(args: &DeskArgs, context: Context<'_>) -> Result<Done, Error> {
    let refused = |error: std::io::Error| {
        let message = format!("the page cannot be served on 127.0.0.1:{}", args.port);
        Error::new(Kind::System, message)
            .caused_by(error)
            .with_hint("choose another port, or leave --port out")
    };
    let mut servers = DeskServers::bind(args.port).map_err(refused)?;
    let page = servers.page();
    let url = servers.url();
    let url_for_once = match args.no_open {
        true => None,
        false => Some(servers.url_for_once().map_err(refused)?),
    };
    serve(servers, page.clone())?;
    let line = DeskLine {
        r#type: "serves",
        url: url.clone(),
    };
    context.ui.result(&line, &[url]);
    context.ui.remark(
        "This address is a key to the phone: open it in a browser on this computer, and do not pass it on. Ctrl-C ends rescue; nothing is lost.",
    );
    if let Some(url) = url_for_once
        && let Err(why) = browser::open(url.as_ref())
    {
        context.ui.remark(&format!("No browser was opened: {why}."));
    }
    let ui = &Ui::on_face(std::sync::Arc::new(page.clone()));
    let own = Context {
        ui,
        halt: context.halt,
    };
    let done = rescue_phones(args, own, &page).await;
    page.end().await;
    done
}

/// Leads through one phone after another, until the person ends it.
async fn rescue_phones(
    args: &DeskArgs,
    context: Context<'_>,
    page: &DeskPage,
) -> Result<Done, Error> {
    loop {
        let face = PageFace { context, page };
        let done = match lead(&args.phone, context, face).await {
            Err(error) if context.halt.is_set() => return Err(error),
            Err(error) => {
                context.ui.error(&error);
                let message = match error.kind {
                    Kind::Interrupted => error.message.as_str(),
                    _ => "the rescue ended with an error; the page shows it",
                };
                let hint = "run the same command again: it continues where it stopped";
                Err(Error::new(error.kind, message).with_hint(hint))
            }
            Ok(done) => Ok(done),
        };
        let face = PageFace { context, page };
        if face.number(asked_about_desk(DeskDoubt::Over)).await? > 0 {
            return done;
        }
    }
}

/// Serves the page on a thread and an event loop of its own.
fn serve(servers: DeskServers, page: DeskPage) -> Result<(), Error> {
    let refused = |error: String| {
        Error::new(Kind::System, "the system cannot serve a page")
            .caused_by(error)
            .with_hint("close other programs, and run the same command again")
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| refused(error.to_string()))?;
    let serving = move || {
        if let Err(error) = runtime.block_on(servers.serve(page)) {
            tracing::error!(%error, "the page is not served any more");
        }
    };
    // It ends with the program.
    threads::spawn(serving)
        .map(drop)
        .map_err(|error| refused(error.to_string()))
}

/// A person at the page.
struct PageFace<'a> {
    context: Context<'a>,
    page: &'a DeskPage,
}

impl PageFace<'_> {
    async fn ask(&self, question: FaceQuestion) -> Result<FaceAnswer, Error> {
        self.context.unless_stopped(self.page.ask(question)).await
    }

    async fn number(&self, question: FaceQuestion) -> Result<usize, Error> {
        loop {
            if let FaceAnswer::Number(number) = self.ask(question.clone()).await? {
                return Ok(number);
            }
        }
    }

    /// Offers the pictures of a rescue folder that has an album.
    fn show_pictures(&self, folder: &std::path::Path) {
        if folder.join(album::PAGE).is_file() {
            self.page.show_folder(folder);
        }
    }
}

impl GuideFace for PageFace<'_> {
    fn offer(&self, journey: Journey) -> Journey {
        journey.adding_remotes()
    }

    fn tell(&self, notes: &[Note]) {
        // What else can be tried stands below the one next step, and not in its place.
        if let [note @ Note::Alternatives(_)] = notes {
            return self.page.add(on_page(note));
        }
        self.page.turn(notes.iter().map(on_page).collect());
        for note in notes {
            if let Note::Arrived(holdings) = note {
                self.show_pictures(&holdings.folder);
            }
        }
    }

    async fn choose(&self, question: &Question) -> Result<usize, Error> {
        self.number(asked_on_page(question)).await
    }

    async fn choose_many(&self, question: &Question) -> Result<Vec<usize>, Error> {
        loop {
            let question = asked_for_many_on_page(question);
            if let FaceAnswer::Numbers(numbers) = self.ask(question).await? {
                return Ok(numbers);
            }
        }
    }

    async fn folder(&self) -> Result<Option<PathBuf>, Error> {
        Ok(match self.ask(asked_for_folder_on_page()).await? {
            FaceAnswer::Line(path) if !path.trim().is_empty() => Some(path.trim().into()),
            _ => None,
        })
    }

    async fn action(&self, actions: &[GuideAction]) -> Result<usize, Error> {
        self.number(offered_on_page(actions)).await
    }

    fn forget_typed(&self) {
        self.page.end_work();
    }

    fn switch(&self, whole: &Halt, work: StoppableWork) -> Halt {
        let switch = whole.child();
        let label = match work {
            StoppableWork::Pull => "Pause",
            StoppableWork::Action => "Stop",
        };
        self.page.begin_work(switch.clone(), label);
        switch
    }

    async fn paused(&self) -> Result<(), Error> {
        self.page.end_work();
        match self.number(asked_about_desk(DeskDoubt::Paused)).await? {
            0 => Ok(()),
            _ => Err(Error::stopped()),
        }
    }
}
