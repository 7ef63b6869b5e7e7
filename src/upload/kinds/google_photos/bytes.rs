//! Sends a file's bytes to Google: raw in one request, or in a session that can be resumed. Returns an upload token.
//!
//! <https://developers.google.com/photos/library/guides/resumable-uploads>

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{RequestBuilder, Response};

use super::api::{PhotosApi, is_fine};
use super::takes::AcceptedMedia;
use crate::upload::body;
use crate::upload::problem::Problem;
use crate::upload::source::Source;

/// Larger files are sent in a session. That takes one more request, but can be resumed.
pub(super) const MAX_RAW_BYTES: u64 = 16 * 1024 * 1024;

/// The state of a session, as reported by `query`.
enum Standing {
    /// This many bytes have arrived.
    Received(u64),
    /// All bytes have arrived; this is the upload token.
    Final(String),
    /// Google no longer knows the session.
    Gone,
}

/// Sends a file in one request and returns the upload token.
pub(super) async fn raw(
    api: &PhotosApi,
    source: &Source,
    taken: AcceptedMedia,
) -> Result<String, Problem> {
    let address = api.address("uploads");
    let request = api
        .http
        .client()
        .post(&address)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header("X-Goog-Upload-Content-Type", taken.mime)
        .header("X-Goog-Upload-Protocol", "raw");
    let answer = if source.is_small() {
        let bytes = source.whole().await?;
        api.send(request.body(bytes)).await?
    } else {
        let bearer = api.bearer().await?;
        let request = request
            .header(AUTHORIZATION, &bearer)
            .header(CONTENT_LENGTH, source.size);
        let answer = body::send(&api.http, request, source, 0).await?;
        api.judged_once(answer, &bearer).await?
    };
    token_of(api, answer).await
}

/// Opens a session and returns its address.
pub(super) async fn begin(
    api: &PhotosApi,
    source: &Source,
    taken: AcceptedMedia,
) -> Result<String, Problem> {
    let address = api.address("uploads");
    let answer = api
        .send(
            api.http
                .client()
                .post(&address)
                .header(CONTENT_LENGTH, 0)
                .header("X-Goog-Upload-Command", "start")
                .header("X-Goog-Upload-Content-Type", taken.mime)
                .header("X-Goog-Upload-Protocol", "resumable")
                .header("X-Goog-Upload-Raw-Size", source.size),
        )
        .await?;
    let session = answer
        .headers()
        .get("x-goog-upload-url")
        .and_then(|url| url.to_str().ok())
        .filter(|url| is_fine(url) && api.trusts(url).is_some());
    session
        .map(str::to_owned)
        .ok_or_else(|| nonsense("no usable address for the upload"))
}

/// Sends the bytes that a session still lacks. With `is_new`, nothing has been sent to it yet. Returns `None` if Google
/// no longer knows the session.
pub(super) async fn resume(
    api: &PhotosApi,
    session: &str,
    is_new: bool,
    source: &Source,
) -> Result<Option<String>, Problem> {
    let received = match is_new {
        true => 0,
        false => match query(api, session, source.size).await? {
            Standing::Received(bytes) => bytes,
            Standing::Final(token) => {
                source.tell(source.size);
                return Ok(Some(token));
            }
            Standing::Gone => return Ok(None),
        },
    };
    source.tell(received);
    let (request, bearer) = to_session(api, session).await?;
    let request = request
        .header("X-Goog-Upload-Command", "upload, finalize")
        .header("X-Goog-Upload-Offset", received)
        .header(CONTENT_LENGTH, source.size - received);
    let answer = match received == source.size {
        true => api.http.answer(request).await?,
        false => body::send(&api.http, request, source, received).await?,
    };
    let answer = api.judged_once(answer, &bearer).await?;
    token_of(api, answer).await.map(Some)
}

async fn query(api: &PhotosApi, session: &str, size: u64) -> Result<Standing, Problem> {
    let (request, bearer) = to_session(api, session).await?;
    let request = request
        .header("X-Goog-Upload-Command", "query")
        .header(CONTENT_LENGTH, 0);
    let answer = api.http.answer(request).await?;
    // 400, 404, 410: what Google says of a session that has ended is not written down anywhere.
    if matches!(answer.status().as_u16(), 400 | 404 | 410) {
        return Ok(Standing::Gone);
    }
    let answer = api.judged_once(answer, &bearer).await?;
    let header = |name: &str| {
        let value = answer.headers().get(name)?;
        Some(value.to_str().ok()?.trim().to_ascii_lowercase())
    };
    match header("x-goog-upload-status").as_deref() {
        Some("active") => {
            let received = header("x-goog-upload-size-received")
                .and_then(|bytes| bytes.parse::<u64>().ok())
                .filter(|bytes| *bytes <= size);
            received
                .map(Standing::Received)
                .ok_or_else(|| nonsense("an invalid number of received bytes"))
        }
        // The answer that was lost comes again; without it, only a new session helps.
        Some("final") => Ok(token_of(api, answer)
            .await
            .map_or(Standing::Gone, Standing::Final)),
        _ => Ok(Standing::Gone),
    }
}

/// A request to a session; the access token goes to the API's own host only.
async fn to_session(
    api: &PhotosApi,
    session: &str,
) -> Result<(RequestBuilder, reqwest::header::HeaderValue), Problem> {
    let bearer = api.bearer().await?;
    let request = api.http.client().post(session);
    match api.trusts(session) {
        Some(true) => Ok((request.header(AUTHORIZATION, &bearer), bearer)),
        Some(false) => Ok((request, bearer)),
        // The catalogue was changed, for the service's own was judged before it was kept.
        None => Err(Problem::other("the upload's address is not Google's")),
    }
}

async fn token_of(api: &PhotosApi, answer: Response) -> Result<String, Problem> {
    let body = api.http.body(answer).await?;
    let token = std::str::from_utf8(&body)
        .map(str::trim)
        .unwrap_or_default();
    match is_fine(token) {
        true => Ok(token.to_owned()),
        false => Err(nonsense("no upload token")),
    }
}

fn nonsense(what: &str) -> Problem {
    Problem::Other {
        words: format!("Google Photos returned {what}"),
        passing: true,
    }
}
