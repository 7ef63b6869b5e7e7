//! HTTP for every kind that uses it: one client, one judgement of failures.
//!
//! TLS is rustls with ring and the system's own certificates. OpenDAL's requests pass through [`Transport`], so that
//! status, `Retry-After` and the service's code are judged before OpenDAL turns them into text.

use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use opendal::{Buffer, HttpBody, HttpTransport};
use opendal_http_transport_reqwest::ReqwestTransport;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(20);
/// How long a service may say nothing while we wait for its answer.
const SILENCE: Duration = Duration::from_secs(120);
/// The most bytes of an error's body that are read.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// The most of an answer that is held, in bytes.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// The most of a listing that is held, in bytes: WebDAV tells all of a folder in one answer.
const MAX_LISTING_BYTES: usize = 64 * 1024 * 1024;
/// The most of a file of certificates that is read, in bytes: all of a system's have some 250 kB.
const MAX_CERTIFICATES_BYTES: u64 = 4 * 1024 * 1024;
/// The most pages of a listing in a row that may hold nothing: services that filter send some.
const MAX_EMPTY_PAGES: usize = 1000;

/// An HTTP client for one remote. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
    peer: Peer,
}

/// The other end of a client's connections, needed to judge errors.
#[derive(Debug, Clone)]
struct Peer {
    host: String,
    /// Whether this computer has no root certificates at all.
    trusts_nobody: bool,
}

impl Peer {
    fn problem(&self, error: &reqwest::Error) -> Problem {
        match Problem::of_request(error, &self.host) {
            Problem::Untrusted { host, .. } if self.trusts_nobody => {
                Problem::NoCertificates { host }
            }
            problem => problem,
        }
    }
}

impl Http {
    /// Creates a client that also trusts the certificates in a PEM file.
    pub(crate) fn new(host: &str, certificates: Option<&Path>) -> Result<Self, Problem> {
        // An address with a user in it would stand in the remarks of `-vv`.
        let policy = || {
            reqwest::redirect::Policy::custom(|attempt| {
                let url = attempt.url();
                match url.username().is_empty() && url.password().is_none() {
                    true => reqwest::redirect::Policy::default().redirect(attempt),
                    false => attempt.stop(),
                }
            })
        };
        Self::build(host, certificates, policy)
    }

    /// Creates a client that does not follow redirects, because its requests are meant for one host only.
    pub(crate) fn without_redirects(
        host: &str,
        certificates: Option<&Path>,
    ) -> Result<Self, Problem> {
        Self::build(host, certificates, reqwest::redirect::Policy::none)
    }

    fn build(
        host: &str,
        certificates: Option<&Path>,
        redirects: impl Fn() -> reqwest::redirect::Policy,
    ) -> Result<Self, Problem> {
        // A second install is an error that means nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            Client::builder()
                .redirect(redirects())
                .connect_timeout(CONNECT)
                .read_timeout(SILENCE)
                .pool_idle_timeout(Duration::from_secs(20))
                .tcp_nodelay(true)
                .user_agent(concat!("rescue/", env!("CARGO_PKG_VERSION")))
        };
        let settings = |words: String| Problem::Settings { words };
        let failed = |e: reqwest::Error| settings(e.to_string());
        let (client, trusts_nobody) = if let Some(path) = certificates {
            let pem = crate::home::read(path, MAX_CERTIFICATES_BYTES)
                .map_err(|e| settings(format!("cannot read {}: {e}", path.display())))?;
            let found = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|e| settings(format!("{} holds no certificates: {e}", path.display())))?;
            let client = builder().tls_certs_merge(found).build();
            (client.map_err(failed)?, false)
        } else {
            match builder().build() {
                Ok(client) => (client, false),
                // Without certificates, as in a small container, no client is made, not even for
                // http. One that trusts nobody is; if it is not either, something else is wrong.
                Err(error) => {
                    let client = builder().tls_certs_only([]).build();
                    (client.map_err(|_| failed(error))?, true)
                }
            }
        };
        let host = host.to_owned();
        Ok(Self {
            client,
            peer: Peer {
                host,
                trusts_nobody,
            },
        })
    }

    /// Returns the client, which builds requests.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request and returns the answer, whatever its status.
    pub(crate) async fn answer(&self, request: RequestBuilder) -> Result<Response, Problem> {
        request.send().await.map_err(|e| self.peer.problem(&e))
    }

    /// Sends a request and reads the answer, whatever its status.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answer, Problem> {
        self.read(self.answer(request).await?).await
    }

    /// Reads an answer completely, whatever its status.
    pub(crate) async fn read(&self, answer: Response) -> Result<Answer, Problem> {
        let (status, headers) = (answer.status(), answer.headers().clone());
        // What went wrong is known by the status already, however the rest of it arrives.
        let body = match status.is_success() {
            true => self.body(answer).await?,
            false => read_some(answer, MAX_ERROR_BYTES).await.into(),
        };
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// Returns the problem that an unsuccessful answer means.
    pub(crate) async fn problem(&self, answer: Response) -> Problem {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = read_some(answer, MAX_ERROR_BYTES).await;
        Problem::of_answer(status, &headers, &body)
    }

    /// Returns the body of an answer, which must not exceed the limit.
    pub(crate) async fn body(&self, answer: Response) -> Result<Bytes, Problem> {
        let mut answer = answer;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|e| self.peer.problem(&e))? {
            body.extend_from_slice(&piece);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(too_long());
            }
        }
        Ok(body.into())
    }

    /// Returns the next bytes of an answer; `None` at its end.
    pub(crate) async fn piece(&self, answer: &mut Response) -> Result<Option<Bytes>, Problem> {
        let piece = answer.chunk().await;
        piece.map_err(|e| self.peer.problem(&e))
    }

    /// Returns a transport for OpenDAL that uses this client.
    pub(crate) fn transport(&self) -> Transport {
        Transport {
            inner: ReqwestTransport::new(self.client.clone()),
            peer: self.peer.clone(),
            empty_pages: AtomicUsize::new(0),
        }
    }
}

/// A service's answer, read completely.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// Parses the body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        // Not serde's error: it may repeat what it read.
        serde_json::from_slice(&self.body)
            .map_err(|_| Problem::other("the service returned an invalid response"))
    }

    /// Parses the body of a successful answer as JSON; any other answer is returned as a problem.
    pub(crate) fn success<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        match self.is_success() {
            true => self.json(),
            false => Err(self.problem()),
        }
    }

    /// Returns the problem that an unsuccessful answer means.
    pub(crate) fn problem(&self) -> Problem {
        Problem::of_answer(self.status, &self.headers, &self.body)
    }

    /// Returns the text of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

async fn read_some(mut answer: Response, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() >= limit {
            body.truncate(limit);
            break;
        }
    }
    body
}

/// The HTTP transport that OpenDAL uses.
#[derive(Debug)]
pub(crate) struct Transport {
    inner: ReqwestTransport,
    peer: Peer,
    /// The number of consecutive listing pages without an entry.
    empty_pages: AtomicUsize,
}

impl HttpTransport for Transport {
    async fn fetch(
        &self,
        request: http::Request<Buffer>,
    ) -> opendal::Result<http::Response<HttpBody>> {
        let is_tree = request.method().as_str() == "PROPFIND";
        let is_read = request.method() == http::Method::GET;
        let is_page = request.uri().query().is_some_and(|query| {
            query
                .split('&')
                .any(|part| part == "list-type=2" || part == "comp=list")
        });
        let answer = self.inner.fetch(request).await.map_err(|error| {
            let source = std::error::Error::source(&error);
            let problem = source
                .and_then(|cause| cause.downcast_ref::<reqwest::Error>())
                .map(|cause| self.peer.problem(cause));
            problem.map_or(error, as_opendal)
        })?;
        let (parts, body) = answer.into_parts();
        if is_tree && parts.status.is_success() && is_web_page(&parts.headers) {
            return Err(as_opendal(Problem::NoWebDav {
                words: format!("HTTP {}, with a web page", parts.status.as_u16()),
            }));
        }
        if parts.status.is_success() {
            // OpenDAL holds all of every answer in memory but of a file that is read.
            let most = match (is_tree || is_page, parts.status.as_u16()) {
                (true, _) => Some((MAX_LISTING_BYTES, Problem::too_many_entries as fn() -> _)),
                (false, 200 | 206) if is_read => None,
                _ => Some((MAX_ANSWER_BYTES, too_long as fn() -> _)),
            };
            let body = match most {
                Some((most, problem)) => {
                    body.map_inner(|inner| Box::new(BoundedStream::to(most, problem, inner)))
                }
                None => body,
            };
            let body = match is_page {
                true => self.page(body).await?,
                false => body,
            };
            if is_tree {
                return Ok(http::Response::from_parts(parts, whole_tree(body).await?));
            }
            return Ok(http::Response::from_parts(parts, body));
        }
        // What went wrong is known by the status already, however the rest of it arrives.
        let bound = |inner| BoundedStream::to(MAX_ERROR_BYTES, too_long, inner);
        let mut body = body.map_inner(|inner| Box::new(bound(inner)));
        let body = body.to_buffer().await.unwrap_or_default().to_bytes();
        let problem = Problem::of_answer(parts.status, &parts.headers, &body);
        if is_ours_to_judge(parts.status) || matches!(problem, Problem::NoBucket { .. }) {
            return Err(as_opendal(problem));
        }
        let size = body.len() as u64;
        let body = HttpBody::new(Once(Some(body.into())), Some(size));
        Ok(http::Response::from_parts(parts, body))
    }
}

impl Transport {
    /// A page of a listing. OpenDAL asks for the next one for as long as a service says, or forgets
    /// to say, that there is more; of pages without an entry its caller learns nothing.
    async fn page(&self, mut body: HttpBody) -> opendal::Result<HttpBody> {
        let page = body.to_buffer().await?;
        let bytes = page.to_bytes();
        match end_of(&String::from_utf8_lossy(&bytes)) {
            PageEnd::Senseless => {
                let problem = Problem::other("the service returned an invalid listing");
                return Err(as_opendal(problem));
            }
            PageEnd::GoesOnAfterNothing => {
                if self.empty_pages.fetch_add(1, Ordering::Relaxed) >= MAX_EMPTY_PAGES {
                    return Err(as_opendal(Problem::too_many_entries()));
                }
            }
            PageEnd::Other => self.empty_pages.store(0, Ordering::Relaxed),
        }
        let size = bytes.len() as u64;
        Ok(HttpBody::new(Once(Some(page)), Some(size)))
    }
}

/// Returns whether an answer is a page for a browser, which no listing is.
pub(crate) fn is_web_page(headers: &HeaderMap) -> bool {
    let form = headers.get(reqwest::header::CONTENT_TYPE);
    form.is_some_and(|form| form.as_bytes().starts_with(b"text/html"))
}

fn too_long() -> Problem {
    Problem::other("the service's answer is too long")
}

/// A listing of a WebDAV server. When something goes wrong in the middle, golang.org/x/net/webdav
/// ends the document in order and says so behind it: what was not listed would count as missing.
/// rclone's does so for as long as anybody is writing a file in that folder.
async fn whole_tree(mut body: HttpBody) -> opendal::Result<HttpBody> {
    let tree = body.to_buffer().await?;
    let bytes = tree.to_bytes();
    if !bytes.trim_ascii_end().ends_with(b">") {
        return Err(as_opendal(Problem::Busy {
            after: None,
            words: "the server broke off its listing: a file may be arriving there".to_owned(),
        }));
    }
    let size = bytes.len() as u64;
    Ok(HttpBody::new(Once(Some(tree)), Some(size)))
}

/// How a page of a listing ends.
#[derive(Debug, PartialEq, Eq)]
enum PageEnd {
    /// It is no page.
    Senseless,
    /// It says that there are more, and holds nothing itself.
    GoesOnAfterNothing,
    Other,
}

fn end_of(page: &str) -> PageEnd {
    let more = match (
        page.contains("<ListBucketResult"),
        page.contains("<EnumerationResults"),
    ) {
        (true, _) => page.contains("<IsTruncated>true"),
        (_, true) if page.contains("<NextMarker") => {
            !page.contains("<NextMarker/>")
                && !page.contains("<NextMarker />")
                && !page.contains("<NextMarker></")
        }
        _ => return PageEnd::Senseless,
    };
    let entries = ["<Contents", "<CommonPrefixes", "<Blob>", "<BlobPrefix"];
    match more && !entries.iter().any(|entry| page.contains(entry)) {
        true => PageEnd::GoesOnAfterNothing,
        false => PageEnd::Other,
    }
}

/// A body that is at hand.
struct Once(Option<Buffer>);

impl Stream for Once {
    type Item = opendal::Result<Buffer>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

/// A stream that fails when it is longer than it may be.
struct BoundedStream<S> {
    inner: S,
    left: usize,
    too_long: fn() -> Problem,
}

impl<S> BoundedStream<S> {
    fn to(bytes: usize, too_long: fn() -> Problem, inner: S) -> Self {
        Self {
            inner,
            left: bytes,
            too_long,
        }
    }
}

impl<S: Stream<Item = opendal::Result<Buffer>> + Unpin> Stream for BoundedStream<S> {
    type Item = opendal::Result<Buffer>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.inner).poll_next(cx);
        if let Poll::Ready(Some(Ok(piece))) = &next {
            match self.left.checked_sub(piece.len()) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(as_opendal((self.too_long)())))),
            }
        }
        next
    }
}

/// What OpenDAL's services themselves read something into stays theirs.
fn is_ours_to_judge(status: StatusCode) -> bool {
    (status.is_client_error() || status.is_server_error() || status.is_redirection())
        && !matches!(status.as_u16(), 304 | 404 | 405 | 409 | 412 | 416)
}

fn as_opendal(problem: Problem) -> opendal::Error {
    opendal::Error::new(opendal::ErrorKind::Unexpected, "the request failed").set_source(problem)
}

/// Returns the host of an address, for messages.
pub(crate) fn host_of(address: &str) -> String {
    reqwest::Url::parse(address)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "the service".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_without_an_end_are_known() {
        let s3 = |rest: &str| end_of(&format!("<?xml?><ListBucketResult xmlns=\"x\">{rest}"));
        let azure = |rest: &str| end_of(&format!("<EnumerationResults x=\"y\">{rest}"));
        assert_eq!(s3("<IsTruncated>false</IsTruncated>"), PageEnd::Other);
        assert_eq!(s3(""), PageEnd::Other);
        assert_eq!(
            s3("<IsTruncated>true</IsTruncated>"),
            PageEnd::GoesOnAfterNothing
        );
        assert_eq!(
            s3("<Contents/><IsTruncated>true</IsTruncated>"),
            PageEnd::Other
        );
        assert_eq!(azure("<Blobs/><NextMarker />"), PageEnd::Other);
        assert_eq!(azure("<Blobs/><NextMarker></NextMarker>"), PageEnd::Other);
        assert_eq!(
            azure("<Blobs/><NextMarker>x</NextMarker>"),
            PageEnd::GoesOnAfterNothing
        );
        assert_eq!(
            azure("<Blobs><Blob></Blob></Blobs><NextMarker>x</NextMarker>"),
            PageEnd::Other
        );
        // OpenDAL takes this for a page with more to come.
        assert_eq!(azure("<Blobs/>"), PageEnd::Senseless);
        assert_eq!(end_of("<Error/>"), PageEnd::Senseless);
        assert_eq!(end_of(""), PageEnd::Senseless);
    }
}
