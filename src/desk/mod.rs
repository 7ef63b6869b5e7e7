//! `rescue desk`: the guide in the browser of this computer, for one phone or for a bench full of them.
//!
//! In: what the guide and the commands tell and ask, as on a terminal, and the answers of the page. Out: one page that
//! shows all of it, and the answers. It joins no steps: `commands/desk.rs` drives the guide, once for each phone.
//!
//! ```text
//! commands/desk.rs --(ui::face)--> case 1 ---+
//!                  --(ui::face)--> case 2 ---+--(versions)--> stream --> every open page
//!                  <--(answers)--- each case <--------------- POST
//! ```
//!
//! A case is what one phone has on the page. A page shows the cases, and is no part of them: it may be closed, opened
//! again, and be open twice. Each question has a number, so that an old page does not answer a new question. What comes
//! from a phone is text in JSON and text on the page, never markup.

mod body;
mod cases;
pub(crate) mod claims;
mod drawings;
mod folders;
mod label;
pub(crate) mod live;
mod requests;
pub(crate) mod server;
mod shelf;
mod state;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot, watch};

use crate::event::Event;
use crate::folder::JobLabel;
use crate::halt::Halt;
use crate::ui::face::{Face, FaceAnswer, FaceAsking, FaceProgress, FaceQuestion, Tone};
use crate::ui::words::journey::NoteWords;
use cases::DeskCases;
use live::LiveDisplay;
use requests::DeskRequests;
use server::LocalServer;
use shelf::{Shelf, ShelfRequests};
use state::{CaseState, OpenQuestion};

/// The most cases at once: more than a bench has cables for.
pub(crate) const MOST_CASES: usize = 16;

/// The page of `rescue desk`; cheap to clone.
#[derive(Clone)]
pub(crate) struct DeskPage(Arc<DeskInner>);

struct DeskInner {
    cases: Mutex<DeskCases>,
    /// Tells every stream that something is different.
    changed: watch::Sender<()>,
    /// Tells that a page wants a case for another phone.
    wants_more: Notify,
    /// The rescue folders that can be looked at.
    shelf: Shelf,
    /// Where they can be looked at.
    shelf_url: String,
}

/// One case on the page; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct CasePage {
    desk: DeskPage,
    number: u64,
}

/// The ports of the page: of itself, and of the pictures.
pub(crate) struct DeskServers {
    desk: LocalServer,
    shelf: LocalServer,
}

impl DeskServers {
    /// Takes this port of 127.0.0.1 for the page (any free one when it is 0).
    pub(crate) fn bind(port: u16) -> std::io::Result<Self> {
        Ok(Self {
            desk: LocalServer::bind(port)?,
            shelf: LocalServer::bind(0)?,
        })
    }

    /// The page's address, for the person alone.
    pub(crate) fn url(&self) -> String {
        self.desk.url()
    }

    /// An address that leads to the page once, for the program that opens the browser.
    pub(crate) fn url_for_once(&mut self) -> std::io::Result<String> {
        self.desk.url_for_once()
    }

    /// A page that nothing is shown on yet.
    pub(crate) fn page(&self) -> DeskPage {
        DeskPage(Arc::new(DeskInner {
            cases: Mutex::default(),
            changed: watch::Sender::new(()),
            wants_more: Notify::new(),
            shelf: Shelf::default(),
            shelf_url: self.shelf.url(),
        }))
    }

    /// Serves the page until it is dropped.
    pub(crate) async fn serve(self, page: DeskPage) -> std::io::Result<()> {
        // Another port is another origin: what the page of a rescue folder does cannot reach the desk.
        let shelf = ShelfRequests(page.0.shelf.clone());
        tokio::try_join!(self.desk.serve(DeskRequests(page)), self.shelf.serve(shelf)).map(drop)
    }
}

/// The case that a path leads to, and the rest of the path.
fn case_in(path: &str) -> Option<(u64, &str)> {
    let (case, rest) = path.split_once('/')?;
    Some((case.parse().ok()?, rest))
}

impl DeskPage {
    /// Opens a case that nothing is shown of yet.
    pub(crate) fn open(&self) -> CasePage {
        let number = self.change(DeskCases::open);
        CasePage {
            desk: self.clone(),
            number,
        }
    }

    /// Offers to open cases for more phones.
    pub(crate) fn take_more(&self) {
        self.change(DeskCases::take_more);
    }

    /// Returns when a page wants a case for another phone.
    pub(crate) async fn wanted(&self) {
        self.0.wants_more.notified().await;
    }

    /// Shows that this is the end. Returns when every open page may know.
    pub(crate) async fn end(&self) {
        self.change(DeskCases::end);
        // What a stream sends last goes out within its interval.
        tokio::time::sleep(requests::STREAM_INTERVAL * 3).await;
    }

    fn lock(&self) -> MutexGuard<'_, DeskCases> {
        self.0.cases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut DeskCases) -> T) -> T {
        let changed = change(&mut self.lock());
        self.0.changed.send_replace(());
        changed
    }
}

impl std::fmt::Debug for DeskPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeskPage(..)")
    }
}

impl CasePage {
    /// Its number: no other case has it, or had it.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Lets the page end the case by this switch, while no work is under way.
    pub(crate) fn ended_by(&self, end: Halt) {
        self.change(|state| state.ended_by(end));
    }

    /// Whether no other case is open.
    pub(crate) fn is_alone(&self) -> bool {
        self.desk.lock().count() < 2
    }

    /// Its phone is this one: what chooses it, and what it is called.
    pub(crate) fn name_phone(&self, phone: Option<(String, String)>) {
        self.change(|state| state.name_phone(phone));
    }

    /// Begins a new turn of the guide: what was told before moves up.
    pub(crate) fn turn(&self, notes: Vec<NoteWords>) {
        self.change(|state| state.turn(notes));
    }

    /// Tells something beside what was told last.
    pub(crate) fn add(&self, note: NoteWords) {
        self.change(|state| state.add(note));
    }

    /// Offers to look at a rescue folder that has an album.
    pub(crate) fn show_folder(&self, folder: &Path) {
        self.desk.0.shelf.set(self.number, folder);
        let url = format!("{}{}/", self.desk.0.shelf_url, self.number);
        self.change(|state| state.show_shelf(url));
    }

    /// The folder has this label, which is shown unless another one was typed on the page.
    pub(crate) fn read_label(&self, label: JobLabel) {
        self.change(|state| state.read_label(label));
    }

    /// The label that was typed on the page, for the pull that begins: the folder has it then.
    pub(crate) fn label_for_pull(&self) -> Option<JobLabel> {
        self.change(CaseState::label_for_pull)
    }

    /// The label that was typed and that the folder does not have: both.
    pub(crate) fn unwritten_label(&self) -> Option<(PathBuf, JobLabel)> {
        self.look(CaseState::unwritten_label)
    }

    /// Returns when a label was typed that nobody tried to write into the folder: both.
    pub(crate) async fn label_typed(&self) -> (PathBuf, JobLabel) {
        loop {
            if let Some(new) = self.change(CaseState::new_label) {
                return new;
            }
            match self.look(|state| Some(state.label_typed())) {
                Some(typed) => typed.notified().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Shows the phone's display, or no longer.
    pub(crate) fn show_display(&self, display: Option<Arc<LiveDisplay>>) {
        self.change(|state| state.show_display(display));
    }

    /// Begins work that the person can stop by this switch, which the page calls so: what was told before moves up.
    pub(crate) fn begin_work(&self, switch: Halt, label: &'static str) {
        self.change(|state| state.begin_work(switch, label));
    }

    /// Ends it: there is nothing to stop any more.
    pub(crate) fn end_work(&self) {
        self.change(|state| state.offer_pause(None));
    }

    /// Begins again, for another phone.
    pub(crate) fn begin_again(&self) {
        self.desk.0.shelf.clear(self.number);
        self.change(CaseState::begin_again);
    }

    /// Takes the case off the page, unless it is the last one.
    pub(crate) fn close(&self) {
        self.desk.0.shelf.clear(self.number);
        self.desk.change(|cases| cases.close(self.number));
    }

    /// Looks at the case, which wakes no stream; nothing where it is closed.
    fn look<T>(&self, look: impl FnOnce(&CaseState) -> Option<T>) -> Option<T> {
        self.desk.lock().case(self.number).and_then(look)
    }

    /// Changes what the page shows of the case, which wakes the streams where anything is different; nothing where it is
    /// closed.
    fn change<T: Default>(&self, change: impl FnOnce(&mut CaseState) -> T) -> T {
        let mut cases = self.desk.lock();
        let Some(state) = cases.case_mut(self.number) else {
            return T::default();
        };
        let before = state.time();
        let result = change(state);
        if state.time() != before {
            self.desk.0.changed.send_replace(());
        }
        result
    }
}

impl Face for CasePage {
    fn tell(&self, line: &str, tone: Tone) {
        self.change(|state| state.tell(line, tone));
    }

    fn event(&self, event: &Event) {
        self.change(|state| state.hear(event));
    }

    fn progress(&self, progress: Option<FaceProgress>) {
        self.change(|state| state.progress(progress));
    }

    fn ask(&self, question: FaceQuestion) -> FaceAsking<'_> {
        let (sender, receiver) = oneshot::channel();
        let number = self.change(|state| state.ask(question, sender));
        let open = OpenOnPage { page: self, number };
        Box::pin(async move {
            let answer = receiver.await;
            drop(open);
            // A question that another one replaced is answered by nobody.
            answer.unwrap_or(FaceAnswer::Nothing)
        })
    }
}

/// A question on the page, which goes when this is dropped.
struct OpenOnPage<'a> {
    page: &'a CasePage,
    number: u64,
}

impl Drop for OpenOnPage<'_> {
    fn drop(&mut self) {
        let is_it = |open: &OpenQuestion| open.number == self.number;
        self.page.change(|state| {
            if state.question().is_some_and(is_it) {
                state.take_back();
            }
        });
    }
}
