//! `rescue desk`: the guide in the browser of this computer.
//!
//! In: what the guide and the commands tell and ask, as on a terminal, and the answers of the page. Out: one page that
//! shows all of it, and the answers. It joins no steps: `commands/desk.rs` drives the guide.
//!
//! ```text
//! commands/desk.rs --(ui::face)--> state --(versions)--> stream --> every open page
//!                 <--(answers)---- state <-------------- POST
//! ```
//!
//! A page shows the state, and is no part of it: it may be closed, opened again, and be open twice. Each question has a
//! number, so that an old page does not answer a new question. What comes from a phone is text in JSON and text on the
//! page, never markup.

mod body;
mod folders;
mod requests;
pub(crate) mod server;
mod shelf;
mod state;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

use crate::event::Event;
use crate::halt::Halt;
use crate::ui::face::{Face, FaceAnswer, FaceAsking, FaceProgress, FaceQuestion, Tone};
use crate::ui::words::journey::NoteWords;
use requests::DeskRequests;
use server::LocalServer;
use shelf::{Shelf, ShelfRequests};
use state::{DeskState, OpenQuestion};

/// The page of `rescue desk`; cheap to clone.
#[derive(Clone)]
pub(crate) struct DeskPage(Arc<DeskInner>);

struct DeskInner {
    state: Mutex<DeskState>,
    /// Tells every stream that something is different.
    changed: watch::Sender<()>,
    /// The rescue folder that can be looked at.
    shelf: Shelf,
    /// Where it can be looked at.
    shelf_url: String,
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
            state: Mutex::default(),
            changed: watch::Sender::new(()),
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

impl DeskPage {
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
        self.0.shelf.set(folder);
        let url = self.0.shelf_url.clone();
        self.change(|state| state.show_shelf(url));
    }

    /// Begins work that the person can stop by this switch, which the page calls so: what was told before moves up.
    pub(crate) fn begin_work(&self, switch: Halt, label: &'static str) {
        self.change(|state| state.begin_work(switch, label));
    }

    /// Ends it: there is nothing to stop any more.
    pub(crate) fn end_work(&self) {
        self.change(|state| state.offer_pause(None));
    }

    /// Shows that this is the end. Returns when every open page may know.
    pub(crate) async fn end(&self) {
        self.change(DeskState::end);
        // What a stream sends last goes out within its interval.
        tokio::time::sleep(requests::STREAM_INTERVAL * 3).await;
    }

    fn lock(&self) -> MutexGuard<'_, DeskState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut DeskState) -> T) -> T {
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

impl Face for DeskPage {
    fn tell(&self, line: &str, tone: Tone) {
        self.change(|state| state.tell(line, tone));
    }

    fn event(&self, event: &Event) {
        if self.lock().hear(event) {
            self.0.changed.send_replace(());
        }
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
    page: &'a DeskPage,
    number: u64,
}

impl Drop for OpenOnPage<'_> {
    fn drop(&mut self) {
        let is_it = |open: &OpenQuestion| open.number == self.number;
        if self.page.lock().question().is_some_and(is_it) {
            self.page.change(DeskState::take_back);
        }
    }
}
