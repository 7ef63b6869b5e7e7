//! The phone's display, live on a page: shows what the phone shows, and sends it what is tapped, dragged and typed.
//!
//! In: a phone, and requests of a browser on this computer that `server` let pass. Out: the page's files, pictures, and
//! what was done to the phone. `rescue screen --live` serves it alone; the desk's page holds it as a part.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Mutex;

use super::server::{
    LocalPages, LocalServer, PageFile, PageResponse, not_found, sent, text, typed,
};
use crate::phone::Phone;
use crate::phone::connect::{ConnectOptions, Patience, Target, connect};
use crate::phone::display::{DisplayError, Touch};

const HTML: PageFile = PageFile::html(include_str!("page/live.html"));
const SCRIPT: PageFile = PageFile::script(include_str!("page/live.js"));
const STYLE: PageFile = PageFile::style(include_str!("page/live.css"));

/// The page of the display alone, ready to be served.
#[derive(Debug)]
pub(crate) struct LivePage(LocalServer);

impl LivePage {
    /// Takes a port of 127.0.0.1 (any free one when it is 0), and a secret for the address.
    pub(crate) fn bind(port: u16) -> io::Result<Self> {
        LocalServer::bind(port).map(Self)
    }

    /// What to open in a browser. Whoever knows it may use the phone while it is served.
    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(self, display: LiveDisplay) -> io::Result<()> {
        self.0.serve(LiveRequests(display)).await
    }
}

struct LiveRequests(LiveDisplay);

impl LocalPages for LiveRequests {
    const WRONG_ADDRESS: &'static str =
        "wrong address: open the one that `rescue screen --live` shows";

    async fn answer(&self, path: &str, request: Request<Incoming>) -> PageResponse {
        match (request.method(), path, file(path)) {
            (&Method::GET, "", _) => HTML.answer(),
            (&Method::GET, _, Some(file)) => file.answer(),
            _ => self.0.answer(path, request).await,
        }
    }
}

/// A file that a page with the display loads.
pub(super) fn file(path: &str) -> Option<&'static PageFile> {
    match path {
        "live.js" => Some(&SCRIPT),
        "live.css" => Some(&STYLE),
        _ => None,
    }
}

/// The response where no display is shown.
pub(super) fn not_shown() -> PageResponse {
    text(
        StatusCode::CONFLICT,
        "the phone's screen is not shown any more",
    )
}

/// A phone's display.
pub(crate) struct LiveDisplay {
    /// `None` after it went away.
    phone: Mutex<Option<Arc<Phone>>>,
    target: Target,
    options: ConnectOptions,
    /// One picture at a time: several pages must not wear the phone out.
    picture: Mutex<()>,
    /// Touches go in their order.
    touch: Mutex<()>,
    is_ended: AtomicBool,
}

impl std::fmt::Debug for LiveDisplay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LiveDisplay({:?})", self.target)
    }
}

impl LiveDisplay {
    /// The display of a phone, which is connected to again by these options when it went away.
    pub(crate) fn of(phone: Phone, options: ConnectOptions) -> Self {
        Self {
            target: phone.target(),
            phone: Mutex::new(Some(Arc::new(phone))),
            options,
            picture: Mutex::new(()),
            touch: Mutex::new(()),
            is_ended: AtomicBool::new(false),
        }
    }

    /// Lets the phone go. Returns when nothing is asked of it any more: the next connection may be the only one that the
    /// cable takes.
    pub(crate) async fn end(&self) {
        self.is_ended.store(true, Ordering::SeqCst);
        let _turns = (self.picture.lock().await, self.touch.lock().await);
        *self.phone.lock().await = None;
    }

    /// Answers a request of a page.
    pub(super) async fn answer(&self, path: &str, request: Request<Incoming>) -> PageResponse {
        match (request.method(), path) {
            (&Method::GET, "screen.png") => self.picture().await,
            (&Method::POST, "touch") => self.touched(request).await,
            _ => not_found(),
        }
    }

    async fn picture(&self) -> PageResponse {
        let _turn = self.picture.lock().await;
        if self.is_ended.load(Ordering::SeqCst) {
            return not_shown();
        }
        let shown = async { self.phone().await?.screenshot().await };
        match shown.await {
            Ok(picture) => typed("image/png", picture),
            Err(error) => self.failed(&error).await,
        }
    }

    async fn touched(&self, request: Request<Incoming>) -> PageResponse {
        let touch: Touch = match sent(request).await {
            Ok(touch) => touch,
            Err(refused) => return refused,
        };
        let _turn = self.touch.lock().await;
        if self.is_ended.load(Ordering::SeqCst) {
            return not_shown();
        }
        let done = async { self.phone().await?.touch(&touch).await };
        match done.await {
            Ok(()) => text(StatusCode::OK, "done"),
            Err(error) => self.failed(&error).await,
        }
    }

    /// The phone; connected to again when it went away.
    async fn phone(&self) -> Result<Arc<Phone>, DisplayError> {
        let mut phone = self.phone.lock().await;
        if let Some(phone) = &*phone {
            return Ok(Arc::clone(phone));
        }
        let (target, mut silent) = (&self.target, |_: &_| {});
        let connected = connect(target, &self.options, Patience::ForPerson, &mut silent);
        let connected = Arc::new(connected.await?);
        Ok(Arc::clone(phone.insert(connected)))
    }

    async fn failed(&self, error: &DisplayError) -> PageResponse {
        tracing::debug!(%error, "the display");
        let status = match error {
            DisplayError::Phone(_) => {
                // Whatever it is, a new connection does no harm.
                *self.phone.lock().await = None;
                let words = format!(
                    "The phone cannot be reached: {error}. Next: check how it is connected; its screen comes back here by itself."
                );
                return text(StatusCode::BAD_GATEWAY, words);
            }
            DisplayError::NoPicture { .. } | DisplayError::NotTaken { .. } => {
                StatusCode::BAD_GATEWAY
            }
            DisplayError::CannotType | DisplayError::TooLong => StatusCode::UNPROCESSABLE_ENTITY,
        };
        text(status, error.to_string())
    }
}
