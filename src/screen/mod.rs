//! `rescue screen --live`: a small web page on this computer alone, that shows what the phone shows
//! and sends it what is tapped, dragged and typed.
//!
//! In: a phone, and requests of a browser on this computer that `desk::server` let pass. Out: the page, pictures, and
//! what was done to the phone.

mod page;

use std::io;
use std::sync::Arc;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Mutex;

use crate::desk::server::{LocalPages, LocalServer, PageResponse, sent, text, typed};
use crate::phone::display::{DisplayError, Touch};
use crate::phone::{Phone, PhoneError};

/// Where the phone comes from, again when it went away.
pub trait Connect: Send + Sync + 'static {
    /// Connects to the phone.
    fn connect(&self) -> impl Future<Output = Result<Phone, PhoneError>> + Send;
}

/// The page, ready to be served.
#[derive(Debug)]
pub struct LivePage(LocalServer);

impl LivePage {
    /// Takes a port of 127.0.0.1 (any free one when it is 0), and a secret for the address.
    pub fn bind(port: u16) -> io::Result<Self> {
        LocalServer::bind(port).map(Self)
    }

    /// What to open in a browser. Whoever knows it may use the phone while it is served.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Serves until it is dropped.
    pub async fn serve(self, phone: Phone, again: impl Connect) -> io::Result<()> {
        let display = ServedDisplay {
            phone: Mutex::new(Some(Arc::new(phone))),
            again,
            picture: Mutex::new(()),
            touch: Mutex::new(()),
        };
        self.0.serve(display).await
    }
}

/// What all requests share.
struct ServedDisplay<C> {
    /// `None` after it went away.
    phone: Mutex<Option<Arc<Phone>>>,
    again: C,
    /// One picture at a time: several pages must not wear the phone out.
    picture: Mutex<()>,
    /// Touches go in their order.
    touch: Mutex<()>,
}

impl<C: Connect> LocalPages for ServedDisplay<C> {
    const WRONG_ADDRESS: &'static str =
        "wrong address: open the one that `rescue screen --live` shows";

    async fn answer(&self, path: &str, request: Request<Incoming>) -> PageResponse {
        match (request.method().clone(), path) {
            (Method::GET, "") => page::HTML.answer(),
            (Method::GET, "page.js") => page::SCRIPT.answer(),
            (Method::GET, "page.css") => page::STYLE.answer(),
            (Method::GET, "screen.png") => self.picture().await,
            (Method::POST, "touch") => self.touched(request).await,
            _ => text(StatusCode::NOT_FOUND, "not found"),
        }
    }
}

impl<C: Connect> ServedDisplay<C> {
    async fn picture(&self) -> PageResponse {
        let _turn = self.picture.lock().await;
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
        let connected = Arc::new(self.again.connect().await?);
        Ok(Arc::clone(phone.insert(connected)))
    }

    async fn failed(&self, error: &DisplayError) -> PageResponse {
        tracing::debug!(%error, "the display");
        let status = match error {
            DisplayError::Phone(_) => {
                // Whatever it is, a new connection does no harm.
                *self.phone.lock().await = None;
                StatusCode::BAD_GATEWAY
            }
            DisplayError::NoPicture { .. } | DisplayError::NotTaken { .. } => {
                StatusCode::BAD_GATEWAY
            }
            DisplayError::CannotType | DisplayError::TooLong => StatusCode::UNPROCESSABLE_ENTITY,
        };
        text(status, error.to_string())
    }
}
