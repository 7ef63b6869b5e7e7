//! Serves pages to a browser on this computer alone: those of `rescue desk` and of `rescue screen --live`.
//!
//! In: a port, and what answers requests. Out: responses to our own pages, and refusals to everybody else.
//!
//! Whoever may use such a page may use the phone, so it is served on 127.0.0.1 only, below a path that nobody can
//! guess. The `Host` of a request has to be ours, which keeps out pages that make their own name lead here (DNS
//! rebinding). A request that does something has to come from our own page (`Origin`).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use zeroize::Zeroizing;

use super::body::{PageBody, PendingRequest};

/// Connections at once: a browser opens six.
const CONNECTIONS: usize = 16;
/// How long a browser may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long a browser may take to send the body of a request.
const BODY: Duration = Duration::from_secs(10);
/// The longest body of a request, in bytes: more than any touch, answer or label takes.
const MAX_BODY: usize = 16 * 1024;

pub(crate) type PageResponse = Response<PageBody>;

/// Answers requests that passed all checks.
pub(crate) trait LocalPages: Send + Sync + 'static {
    /// The response to a request that does not know the secret path.
    const WRONG_ADDRESS: &'static str;

    /// Answers a request. `path` is the path below the secret.
    fn answer(
        &self,
        path: &str,
        request: Request<Incoming>,
    ) -> impl Future<Output = PageResponse> + Send;
}

/// A port of 127.0.0.1 with a secret in its address, ready to serve.
#[derive(Debug)]
pub(crate) struct LocalServer {
    listener: StdListener,
    address: SocketAddr,
    token: String,
    /// A secret that leads to the page once.
    ticket: Option<String>,
}

impl LocalServer {
    /// Takes a port of 127.0.0.1 (any free one when it is 0), and a secret for the address.
    pub(crate) fn bind(port: u16) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            token: secret()?,
            ticket: None,
        })
    }

    /// The page's address. Whoever knows it may use the page while it is served.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/{}/", self.address, self.token)
    }

    /// An address that leads to the page once. Other users of this computer see the arguments of the program that
    /// opens the browser; what they see has no use any more.
    pub(crate) fn url_for_once(&mut self) -> io::Result<String> {
        let ticket = secret()?;
        let url = format!("http://{}/{ticket}/", self.address);
        self.ticket = Some(ticket);
        Ok(url)
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve<P: LocalPages>(self, pages: P) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let door = Arc::new(Door {
            port: self.address.port(),
            hosts: ["127.0.0.1", "localhost"].map(|host| format!("{host}:{}", self.address.port())),
            token: self.token,
            ticket: Mutex::new(self.ticket),
            pages,
        });
        let mut connections = JoinSet::new();
        let mut seats: VecDeque<Seat> = VecDeque::new();
        loop {
            let (socket, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                // A connection that was given up before it was taken; or no file handle, which passes.
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
                if let Some(oldest) = seats.remove(idle.unwrap_or(0)) {
                    oldest.connection.abort();
                }
            }
            let door = Arc::clone(&door);
            let requests = Arc::new(AtomicUsize::new(0));
            let own = Arc::clone(&requests);
            let connection = connections.spawn(async move {
                let service = service_fn(|request| {
                    let (door, pending) = (Arc::clone(&door), PendingRequest::new(&own));
                    async move {
                        let answer = door.answer(request, peer).await;
                        Ok::<_, Infallible>(answer.map(|body| body.counted(pending)))
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

/// A secret that nobody can guess, for an address.
fn secret() -> io::Result<String> {
    let mut secret = [0_u8; 24];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    Ok(secret.iter().map(|byte| format!("{byte:02x}")).collect())
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

/// What all requests pass.
struct Door<P> {
    port: u16,
    /// What a browser may call us.
    hosts: [String; 2],
    token: String,
    ticket: Mutex<Option<String>>,
    pages: P,
}

/// Where an admitted request leads.
enum Admission<'a> {
    /// The path below the secret.
    Below(&'a str),
    /// The ticket was right: to the page itself.
    ToPage,
}

impl<P: LocalPages> Door<P> {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> PageResponse {
        let way = self.admitted(
            request.method(),
            request.uri().path(),
            request.headers(),
            peer,
        );
        guarded(match way {
            Ok(Admission::Below(path)) => {
                let path = path.to_owned();
                self.pages.answer(&path, request).await
            }
            Ok(Admission::ToPage) => self.to_page(),
            Err(words) => text(StatusCode::FORBIDDEN, words),
        })
    }

    /// Where a request leads that comes from our own page or from the person; or what is wrong with it.
    fn admitted<'a>(
        &self,
        method: &Method,
        path: &'a str,
        headers: &HeaderMap,
        peer: SocketAddr,
    ) -> Result<Admission<'a>, &'static str> {
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
            Some((token, below)) if same(token.as_bytes(), self.token.as_bytes()) => {
                Ok(Admission::Below(below))
            }
            // Other users see the ticket among a program's arguments, and may be faster than the browser.
            Some((ticket, ""))
                if method == Method::GET
                    && !is_another_users(peer.port(), self.port)
                    && self.takes(ticket) =>
            {
                Ok(Admission::ToPage)
            }
            _ => Err(P::WRONG_ADDRESS),
        }
    }

    /// Whether this is the ticket; it is used up by that.
    fn takes(&self, shown: &str) -> bool {
        let mut ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |it: &String| same(it.as_bytes(), shown.as_bytes());
        match ticket.as_ref().is_some_and(is_it) {
            true => ticket.take().is_some(),
            false => false,
        }
    }

    fn to_page(&self) -> PageResponse {
        let mut answer = text(StatusCode::SEE_OTHER, "");
        if let Ok(place) = HeaderValue::try_from(format!("/{}/", self.token)) {
            answer.headers_mut().insert(header::LOCATION, place);
        }
        answer
    }
}

/// Whether another user of this computer holds the other end of a connection to our port, as far as the system tells:
/// Linux does, for its own connections.
fn is_another_users(peer: u16, own: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp");
    table.is_ok_and(|table| users(&table, peer, own).is_some_and(|(theirs, ours)| theirs != ours))
}

/// The user ids of a connection's other end and of our listening socket, in the form of Linux's `/proc/net/tcp`.
fn users(table: &str, peer: u16, own: u16) -> Option<(&str, &str)> {
    const LISTENS: &str = "0A";
    let sockets = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
        match words.as_slice() {
            [_, local, remote, state, _, _, _, user, ..] => {
                Some((port(local)?, port(remote)?, *state, *user))
            }
            _ => None,
        }
    });
    let theirs = sockets
        .clone()
        .find(|(local, remote, ..)| (*local, *remote) == (peer, own));
    let ours = { sockets }.find(|(local, _, state, _)| (*local, *state) == (own, LISTENS));
    Some((theirs?.3, ours?.3))
}

/// Compares without telling, by how long it takes, how much is right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Reads what a page sends; or the refusal, which repeats nothing of it: it may be a secret.
pub(crate) async fn sent<T: DeserializeOwned>(
    request: Request<Incoming>,
) -> Result<T, PageResponse> {
    let refused = |words| text(StatusCode::BAD_REQUEST, words);
    let body = whole_body(request).await;
    let body = body.ok_or_else(|| refused("the request did not come whole"))?;
    serde_json::from_slice(&body).map_err(|_| refused("the request is invalid"))
}

/// Reads a body; `None` where it is too long or does not come whole.
async fn whole_body(request: Request<Incoming>) -> Option<Zeroizing<Vec<u8>>> {
    let read = async {
        let mut body = request.into_body();
        // Never moved, so that no copy of a secret stays behind.
        let mut whole = Zeroizing::new(Vec::with_capacity(MAX_BODY));
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.ok()?.into_data() else {
                continue;
            };
            if whole.len() + piece.len() > MAX_BODY {
                return None;
            }
            whole.extend_from_slice(&piece);
        }
        Some(whole)
    };
    tokio::time::timeout(BODY, read).await.ok().flatten()
}

/// Does work with the disk where it keeps no other page waiting.
pub(super) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

pub(crate) fn text(status: StatusCode, words: impl Into<String>) -> PageResponse {
    let mut answer = typed("text/plain; charset=utf-8", words.into());
    *answer.status_mut() = status;
    answer
}

pub(crate) fn not_found() -> PageResponse {
    text(StatusCode::NOT_FOUND, "not found")
}

pub(crate) fn typed(content_type: &'static str, body: impl Into<Bytes>) -> PageResponse {
    let mut answer = Response::new(PageBody::whole(body.into()));
    let value = HeaderValue::from_static(content_type);
    answer.headers_mut().insert(header::CONTENT_TYPE, value);
    answer
}

/// Gives a response a policy of its own about what it may load.
pub(crate) fn with_policy(mut answer: PageResponse, policy: &'static str) -> PageResponse {
    let value = HeaderValue::from_static(policy);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, value);
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
            "default-src 'none'; img-src 'self' data:; script-src 'self'; style-src 'self'; \
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
        let value = HeaderValue::from_static(value);
        answer.headers_mut().entry(name).or_insert(value);
    }
    answer
}

/// A file of a page, embedded in the program.
pub(crate) struct PageFile {
    content_type: &'static str,
    text: &'static str,
}

impl PageFile {
    pub(crate) const fn html(text: &'static str) -> Self {
        Self {
            content_type: "text/html; charset=utf-8",
            text,
        }
    }

    pub(crate) const fn script(text: &'static str) -> Self {
        Self {
            content_type: "text/javascript; charset=utf-8",
            text,
        }
    }

    pub(crate) const fn style(text: &'static str) -> Self {
        Self {
            content_type: "text/css; charset=utf-8",
            text,
        }
    }

    pub(crate) fn answer(&self) -> PageResponse {
        typed(self.content_type, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_at_the_other_end_is_read_as_linux_writes_it() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0\n\
            1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 65534        0 2 1 0 20 4 30 10 -1\n\
            2: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 3 1 0 20 4 30 10 -1\n\
            3: 0100007F:D432 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 4 1 0 20 4 30 10 -1\n";
        assert_eq!(users(table, 0xd431, 0x1f90), Some(("65534", "1000")));
        assert_eq!(users(table, 0xd432, 0x1f90), Some(("1000", "1000")));
        assert_eq!(users(table, 0xd433, 0x1f90), None);
        assert_eq!(users("nonsense\n: :\n", 1, 2), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn own_connection_is_nobody_elses() {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let client = std::net::TcpStream::connect(("127.0.0.1", own)).unwrap();
        let peer = client.local_addr().unwrap().port();
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        assert!(users(&table, peer, own).is_some());
        assert!(!is_another_users(peer, own));
    }
}
