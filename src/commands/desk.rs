//! `rescue desk`: the guide in the browser of this computer, once for each phone that is attached. The page is served
//! by a thread of its own, so that it answers whatever the work does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::guide::{GuideFace, StoppableWork, lead};
use super::pull::{label_of, relabel};
use super::target::serial_from_environment;
use super::{Context, Done, browser, event_loop, failed};
use crate::cli::{DeskArgs, JobArgs, PhoneArgs};
use crate::desk::claims::{AttachedPhone, PhoneClaims};
use crate::desk::live::LiveDisplay;
use crate::desk::{CasePage, DeskPage, DeskServers, MOST_CASES};
use crate::error::{Error, Kind};
use crate::export::album;
use crate::folder::JobLabel;
use crate::guide::journey::{GuideAction, Note, Question, Sight};
use crate::halt::Halt;
use crate::phone::discover::discover;
use crate::threads;
use crate::ui::face::{Face as _, FaceAnswer, FaceQuestion};
use crate::ui::words::journey::{
    DeskDoubt, asked_about_desk, asked_for_folder_on_page, asked_for_many_on_page, asked_on_page,
    offered_on_page, on_page, phone_on_page,
};
use crate::ui::{Ui, plain};

/// How often to look for phones that need a case of their own.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    let bench = Bench {
        args,
        context,
        page: page.clone(),
        claims: Arc::default(),
    };
    let done = bench.rescue_phones().await;
    page.end().await;
    done
}

/// The phones that are rescued on the desk, each in a case of its own.
struct Bench<'a> {
    args: &'a DeskArgs,
    context: Context<'a>,
    page: DeskPage,
    claims: Arc<Mutex<PhoneClaims>>,
}

impl Bench<'_> {
    /// Leads through each phone that is attached, until the person ends the last case.
    async fn rescue_phones(&self) -> Result<Done, Error> {
        let mut cases = JoinSet::new();
        let mut done = Ok(Done::All);
        let is_for_any = self.is_for_any();
        if is_for_any {
            self.page.take_more();
        }
        self.open(None, &mut cases);
        loop {
            tokio::select! {
                ended = cases.join_next() => match ended {
                    Some(Ok(ended)) => done = worse(done, ended),
                    Some(Err(failed)) => std::panic::resume_unwind(failed.into_panic()),
                    None => return done,
                },
                () = self.page.wanted(), if is_for_any => {
                    if cases.len() < MOST_CASES && !lock(&self.claims).has_free_case() {
                        self.open(None, &mut cases);
                    }
                }
                newcomers = self.newcomers(), if is_for_any => {
                    let room = MOST_CASES.saturating_sub(cases.len());
                    for phone in newcomers.into_iter().take(room) {
                        self.open(Some(phone), &mut cases);
                    }
                }
            }
        }
    }

    /// Whether no phone was named.
    fn is_for_any(&self) -> bool {
        let phone = &self.args.phone;
        let serial = phone.serial.clone().or_else(serial_from_environment);
        phone.tcp.is_none() && serial.is_none()
    }

    /// Looks once in a while for attached phones that need a case of their own.
    async fn newcomers(&self) -> Vec<String> {
        tokio::time::sleep(LOOK_EVERY).await;
        let Ok(found) = discover().await else {
            return Vec::new();
        };
        let attached = found.phones.iter().map(|phone| AttachedPhone {
            name: phone.choice(&found.phones),
            serial: phone.serial.clone(),
        });
        let attached: Vec<_> = attached.collect();
        let mut claims = lock(&self.claims);
        let newcomers = claims.newcomers(&attached);
        match claims.has_free_case() {
            // It sees one of them by itself.
            true => Vec::new(),
            false => newcomers,
        }
    }

    /// Opens a case, for this phone or for any.
    fn open(&self, phone: Option<String>, cases: &mut JoinSet<Result<Done, Error>>) {
        let page = self.page.open();
        match &phone {
            Some(phone) => lock(&self.claims).bind(page.number(), phone),
            None => lock(&self.claims).open(page.number()),
        }
        let named = phone.as_deref().map(|name| (name.to_owned(), plain(name)));
        page.name_phone(named);
        let mut args = self.args.phone.clone();
        args.serial = phone.or(args.serial);
        let case = Case {
            page,
            claims: Arc::clone(&self.claims),
            any: self.args.phone.clone(),
            is_for_any: self.is_for_any(),
        };
        let halt = self.context.halt.clone();
        cases.spawn(case.rescue_on_thread(args, halt));
    }
}

fn lock(claims: &Mutex<PhoneClaims>) -> MutexGuard<'_, PhoneClaims> {
    claims.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How all ended, of which one ended so.
fn worse(all: Result<Done, Error>, one: Result<Done, Error>) -> Result<Done, Error> {
    match (all, one) {
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        // That the person stopped says less than what went wrong.
        (Err(first), Err(second)) => Err(match first.kind {
            Kind::Interrupted => second,
            _ => first,
        }),
        (Ok(Done::All), Ok(Done::All)) => Ok(Done::All),
        (Ok(_), Ok(_)) => Ok(Done::SomeFailed),
    }
}

/// What one phone has on the desk.
struct Case {
    page: CasePage,
    claims: Arc<Mutex<PhoneClaims>>,
    /// How a phone is found.
    any: PhoneArgs,
    /// Whether that is any phone, and not one that was named.
    is_for_any: bool,
}

impl Case {
    /// Leads on a thread and an event loop of its own: one phone keeps no other waiting, and takes none along when it
    /// fails.
    async fn rescue_on_thread(self, phone: PhoneArgs, halt: Halt) -> Result<Done, Error> {
        let page = self.page.clone();
        let (sender, ended) = oneshot::channel();
        threads::spawn(move || {
            let runtime = match event_loop() {
                Ok(runtime) => runtime,
                Err(error) => return drop(sender.send(Err(error))),
            };
            let rescuing = || runtime.block_on(self.rescue(phone, &halt));
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(rescuing));
            let ended = ended.unwrap_or_else(|panicked| {
                let error = failed(&*panicked);
                Ui::on_face(Arc::new(page)).error(&error);
                Err(error)
            });
            runtime.shutdown_background();
            // The desk may have ended first.
            drop(sender.send(ended));
        })?;
        ended
            .await
            .unwrap_or_else(|_| Err(Error::new(Kind::Bug, "a thread of this program is gone")))
    }

    /// Leads through one phone after another, until the person ends the case.
    async fn rescue(self, mut phone: PhoneArgs, whole: &Halt) -> Result<Done, Error> {
        let ui = &Ui::on_face(Arc::new(self.page.clone()));
        let halt = &whole.child();
        self.page.ended_by(halt.clone());
        let context = Context { ui, halt };
        loop {
            let face = PageFace {
                context,
                case: &self,
            };
            let led = lead(&phone, context, face).await;
            // What was typed during the work.
            if let Some((folder, label)) = self.page.unwritten_label() {
                self.relabel(folder, label, ui).await;
            }
            let done = match led {
                Err(error) if whole.is_set() => return Err(error),
                // The person gave this phone up.
                Err(_) if halt.is_set() => {
                    self.close();
                    return Ok(Done::SomeFailed);
                }
                Err(error) => {
                    ui.error(&error);
                    let message = match error.kind {
                        Kind::Interrupted => error.message.as_str(),
                        _ => "the rescue ended with an error; the page shows it",
                    };
                    let hint = "run the same command again: it continues where it stopped";
                    Err(Error::new(error.kind, message).with_hint(hint))
                }
                Ok(done) => Ok(done),
            };
            let face = PageFace {
                context,
                case: &self,
            };
            let doubt = match self.page.is_alone() {
                true => DeskDoubt::Over,
                false => DeskDoubt::OverOfMany,
            };
            let takes_another = match doubt {
                DeskDoubt::OverOfMany => 1,
                _ => 0,
            };
            match face.number(asked_about_desk(doubt)).await {
                Ok(number) if number == takes_another => {}
                Err(error) if whole.is_set() => return Err(error),
                Ok(_) | Err(_) => {
                    self.close();
                    return done;
                }
            }
            let number = self.page.number();
            match self.is_for_any {
                true => lock(&self.claims).finish(number),
                false => lock(&self.claims).open(number),
            }
            self.page.begin_again();
            phone = self.any.clone();
        }
    }

    /// Writes a label into a rescue folder on which nothing works.
    async fn relabel(&self, folder: PathBuf, label: JobLabel, ui: &Ui) {
        let new = label.clone();
        match tokio::task::spawn_blocking(move || relabel(&folder, &new)).await {
            Ok(Ok(())) => self.page.read_label(label),
            Ok(Err(error)) => ui.error(&error),
            Err(_) => {}
        }
    }

    /// Takes the case off the desk.
    fn close(&self) {
        lock(&self.claims).close(self.page.number());
        self.page.close();
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
    case: &'a Case,
}

impl PageFace<'_> {
    async fn ask(&self, question: FaceQuestion) -> Result<FaceAnswer, Error> {
        let page = &self.case.page;
        let asked = self.context.unless_stopped(page.ask(question));
        tokio::pin!(asked);
        loop {
            // While somebody is asked, nothing else works on the folder.
            tokio::select! {
                answer = &mut asked => return answer,
                (folder, label) = page.label_typed() => {
                    self.case.relabel(folder, label, self.context.ui).await;
                }
            }
        }
    }

    /// Shows whose phone it is, where the folder knows that.
    fn show_label(&self, folder: &Path) {
        if let Ok(label) = label_of(folder) {
            self.case.page.read_label(label);
        }
    }

    async fn number(&self, question: FaceQuestion) -> Result<usize, Error> {
        loop {
            if let FaceAnswer::Number(number) = self.ask(question.clone()).await? {
                return Ok(number);
            }
        }
    }

    /// Offers the pictures of a rescue folder that has an album.
    fn show_pictures(&self, folder: &Path) {
        if folder.join(album::PAGE).is_file() {
            self.case.page.show_folder(folder);
        }
    }
}

impl GuideFace for PageFace<'_> {
    fn others(&self) -> BTreeSet<String> {
        lock(&self.case.claims).others(self.case.page.number())
    }

    fn narrow(&self, sight: Sight) -> Sight {
        let number = self.case.page.number();
        let sight = lock(&self.case.claims).narrow(number, sight);
        match sight.0.iter().find(|seen| seen.phone.is_some()) {
            Some(seen) => {
                let named = seen.phone.clone().zip(phone_on_page(seen));
                self.case.page.name_phone(named);
            }
            None if self.seen().is_none() => self.case.page.name_phone(None),
            None => {}
        }
        sight
    }

    fn seen(&self) -> Option<String> {
        let claims = lock(&self.case.claims);
        claims.of(self.case.page.number()).map(str::to_owned)
    }

    fn job(&self) -> JobArgs {
        let Some(label) = self.case.page.label_for_pull() else {
            return JobArgs::default();
        };
        JobArgs {
            customer: Some(label.customer().to_owned()),
            note: Some(label.note().to_owned()),
        }
    }

    fn bind(&self, phone: &str) {
        lock(&self.case.claims).bind(self.case.page.number(), phone);
    }

    fn tell(&self, notes: &[Note]) {
        // What else can be tried stands below the one next step, and not in its place; so does good news below the verdict.
        if let [note @ (Note::Alternatives(_) | Note::Pictures(_) | Note::SecondCopy)] = notes {
            return self.case.page.add(on_page(note));
        }
        self.case.page.turn(notes.iter().map(on_page).collect());
        for note in notes {
            match note {
                Note::Contents(contents) => self.show_label(&contents.folder),
                Note::Arrived(holdings) => {
                    self.show_label(&holdings.folder);
                    self.show_pictures(&holdings.folder);
                }
                _ => {}
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

    async fn show(&self, display: LiveDisplay) -> Result<(), Error> {
        let page = &self.case.page;
        let display = Arc::new(display);
        page.show_display(Some(Arc::clone(&display)));
        let done = self.number(asked_about_desk(DeskDoubt::Screen)).await;
        page.show_display(None);
        display.end().await;
        done.map(drop)
    }

    fn forget_typed(&self) {
        self.case.page.end_work();
    }

    fn switch(&self, whole: &Halt, work: StoppableWork) -> Halt {
        let switch = whole.child();
        let label = match work {
            StoppableWork::Pull => "Pause",
            StoppableWork::Action => "Stop",
        };
        self.case.page.begin_work(switch.clone(), label);
        switch
    }

    async fn paused(&self) -> Result<(), Error> {
        self.case.page.end_work();
        match self.number(asked_about_desk(DeskDoubt::Paused)).await? {
            0 => Ok(()),
            _ => Err(Error::stopped()),
        }
    }
}
