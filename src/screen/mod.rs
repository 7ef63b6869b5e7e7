//! `rescue screen --live`: a small web page on this computer alone, that shows what the phone shows
//! and sends it what is tapped, dragged and typed.
//!
//! In: a phone, and requests of a browser on this computer. Out: the page, pictures, and what was
//! done to the phone.
//!
//! Whoever may use this page may use the phone, so it is served on 127.0.0.1 only, below a path
//! that nobody can guess; the `Host` of a request has to be ours, which keeps out pages that make
//! their own name lead here (DNS rebinding); and what does something has to come from our own page
//! (`Origin`).

mod page;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::{AbortHandle, JoinSet};

use crate::phone::display::{DisplayError, Touch};
use crate::phone::{Phone, PhoneError};

/// Connections at once: a browser opens six.
const CONNECTIONS: usize = 16;
/// How long a browser may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long a browser may take to send what is to be done.
const BODY: Duration = Duration::from_secs(10);
/// More than any touch takes, in bytes.
const MAX_BODY: usize = 8 * 1024;

type PageResponse = Response<Full<Bytes>>;

/// Where the phone comes from, again when it went away.
pub trait Connect: Send + Sync + 'static {
    /// Connects to the phone.
    fn connect(&self) -> impl Future<Output = Result<Phone, PhoneError>> + Send;
}

/// The page, ready to be served.
#[derive(Debug)]
pub struct LivePage {
    listener: TcpListener,
    address: SocketAddr,
    token: String,
}

impl LivePage {
    /// Takes a port of 127.0.0.1 (any free one when it is 0), and a secret for the address.
    pub async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let mut secret = [0_u8; 24];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let token = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            listener,
            address,
            token,
        })
    }

    /// What to open in a browser. Whoever knows it may use the phone while it is served.
    pub fn url(&self) -> String {
        format!("http://{}/{}/", self.address, self.token)
    }

    /// Serves until it is dropped.
    pub async fn serve(self, phone: Phone, again: impl Connect) -> io::Result<()> {
        let desk = Arc::new(Desk {
            hosts: ["127.0.0.1", "localhost"].map(|host| format!("{host}:{}", self.address.port())),
            token: self.token,
            phone: Mutex::new(Some(Arc::new(phone))),
            again,
            picture: Mutex::new(()),
            touch: Mutex::new(()),
        });
        let mut connections = JoinSet::new();
        let mut seats: VecDeque<Seat> = VecDeque::new();
        loop {
            let socket = match self.listener.accept().await {
                Ok((socket, _)) => socket,
                // One that was given up before it was taken; or no file handle, which passes.
                Err(error) => {
                    tracing::debug!(%error, "no connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            seats.retain(|seat| !seat.connection.is_finished());
            if seats.len() >= CONNECTIONS {
                // The newest is what the person does now: the oldest that asks for nothing goes.
                let idle = seats.iter().position(|seat| !seat.is_asked());
                let Some(oldest) = idle.and_then(|at| seats.remove(at)) else {
                    continue;
                };
                oldest.connection.abort();
            }
            let desk = Arc::clone(&desk);
            let requests = Arc::new(AtomicUsize::new(0));
            let own = Arc::clone(&requests);
            let connection = connections.spawn(async move {
                let service = service_fn(|request| {
                    let (desk, own) = (Arc::clone(&desk), Arc::clone(&own));
                    async move {
                        own.fetch_add(1, Ordering::Relaxed);
                        let answer = desk.answer(request).await;
                        own.fetch_sub(1, Ordering::Relaxed);
                        Ok::<_, Infallible>(answer)
                    }
                });
                let served = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD)
                    .serve_connection(TokioIo::new(socket), service);
                if let Err(error) = served.await {
                    tracing::debug!(%error, "a browser's connection ended");
                }
            });
            seats.push_back(Seat {
                connection,
                requests,
            });
        }
    }
}

/// A connection, and what is asked over it.
struct Seat {
    connection: AbortHandle,
    /// Requests that are answered now.
    requests: Arc<AtomicUsize>,
}

impl Seat {
    fn is_asked(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }
}

/// What all requests share.
struct Desk<C> {
    /// What a browser may call us.
    hosts: [String; 2],
    token: String,
    /// `None` after it went away.
    phone: Mutex<Option<Arc<Phone>>>,
    again: C,
    /// One picture at a time: several pages must not wear the phone out.
    picture: Mutex<()>,
    /// Touches go in their order.
    touch: Mutex<()>,
}

impl<C: Connect> Desk<C> {
    async fn answer(&self, request: Request<Incoming>) -> PageResponse {
        let path = match self.admitted(request.method(), request.uri().path(), request.headers()) {
            Ok(path) => path.to_owned(),
            Err(words) => return guarded(text(StatusCode::FORBIDDEN, words)),
        };
        guarded(match (request.method().clone(), path.as_str()) {
            (Method::GET, "") => page::HTML.answer(),
            (Method::GET, "page.js") => page::SCRIPT.answer(),
            (Method::GET, "page.css") => page::STYLE.answer(),
            (Method::GET, "screen.png") => self.picture().await,
            (Method::POST, "touch") => self.touched(request).await,
            _ => text(StatusCode::NOT_FOUND, "not found"),
        })
    }

    /// The path below the secret, of a request that comes from our own page or from the person; or
    /// what is wrong with it.
    fn admitted<'a>(
        &self,
        method: &Method,
        path: &'a str,
        headers: &HeaderMap,
    ) -> Result<&'a str, &'static str> {
        let value = |name| {
            let mut values = headers.get_all(name).iter();
            let first = values
                .next()
                .map(|value| value.to_str().unwrap_or_default());
            // Two of a kind are nobody's.
            values.next().map_or(first, |_| Some(""))
        };
        let Some(host) = value(header::HOST).filter(|host| self.hosts.iter().any(|it| it == host))
        else {
            return Err("wrong host");
        };
        let own = format!("http://{host}");
        match value(header::ORIGIN) {
            Some(origin) if origin != own => return Err("wrong origin"),
            None if method != Method::GET => return Err("no origin"),
            _ => {}
        }
        let below = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        match below {
            Some((token, below)) if same(token.as_bytes(), self.token.as_bytes()) => Ok(below),
            _ => Err("wrong address: open the one that `rescue screen --live` shows"),
        }
    }

    async fn picture(&self) -> PageResponse {
        let _turn = self.picture.lock().await;
        let shown = async { self.phone().await?.screenshot().await };
        match shown.await {
            Ok(picture) => typed("image/png", picture),
            Err(error) => self.failed(&error).await,
        }
    }

    async fn touched(&self, request: Request<Incoming>) -> PageResponse {
        let body = Limited::new(request.into_body(), MAX_BODY).collect();
        let Ok(Ok(body)) = tokio::time::timeout(BODY, body).await else {
            return text(StatusCode::BAD_REQUEST, "the request did not come whole");
        };
        // Not the error itself: it may repeat what was typed.
        let Ok(touch) = serde_json::from_slice::<Touch>(&body.to_bytes()) else {
            return text(StatusCode::BAD_REQUEST, "the request is invalid");
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

/// Compares without telling, by how long it takes, how much is right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn text(status: StatusCode, words: impl Into<String>) -> PageResponse {
    let mut answer = typed("text/plain; charset=utf-8", words.into());
    *answer.status_mut() = status;
    answer
}

fn typed(content_type: &'static str, body: impl Into<Bytes>) -> PageResponse {
    let mut answer = Response::new(Full::new(body.into()));
    let value = header::HeaderValue::from_static(content_type);
    answer.headers_mut().insert(header::CONTENT_TYPE, value);
    answer
}

/// Nothing is kept, nothing is loaded from elsewhere, nobody frames it.
fn guarded(mut answer: PageResponse) -> PageResponse {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; img-src data:; script-src 'self'; style-src 'self'; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        let value = header::HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
    answer
}
