//! What Google Drive and Google Cloud Storage do alike: a small file with its description in one
//! request, a large one in a resumable session
//! (<https://developers.google.com/workspace/drive/api/guides/manage-uploads>).

use bytes::{BufMut as _, Bytes, BytesMut};
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::api::Api;
use crate::upload::http::Answer;
use crate::upload::problem::Problem;
use crate::upload::source::Source;

/// The size of a part in bytes; must be a multiple of 256 KiB.
pub(crate) const PART_BYTES: usize = 8 * 1024 * 1024;

/// The progress of a session, with the final answer that describes the complete file.
pub(crate) enum ResumableStatus {
    Has(u64),
    Done(Answer),
}

/// Returns the request with a body that holds a file and its description (`uploadType=multipart`).
pub(crate) fn with_description(
    request: RequestBuilder,
    description: &Value,
    content_type: &str,
    source: &Source,
    bytes: &[u8],
) -> RequestBuilder {
    // No file holds its own SHA-256.
    let mark = source.sha256.to_string();
    let before = format!(
        "--{mark}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{description}\r\n\
         --{mark}\r\nContent-Type: {content_type}\r\n\r\n"
    );
    let after = format!("\r\n--{mark}--\r\n");
    let mut body = BytesMut::with_capacity(before.len() + bytes.len() + after.len());
    body.put_slice(before.as_bytes());
    body.put_slice(bytes);
    body.put_slice(after.as_bytes());
    request
        .header(CONTENT_TYPE, format!("multipart/related; boundary={mark}"))
        .body(body.freeze())
}

/// Opens a session (`uploadType=resumable`) and returns its address.
pub(crate) async fn begin(
    api: &Api,
    request: RequestBuilder,
    description: &Value,
    content_type: &str,
    source: &Source,
) -> Result<String, Problem> {
    let request = request
        .header("X-Upload-Content-Type", content_type)
        .header("X-Upload-Content-Length", source.size)
        .header(CONTENT_TYPE, "application/json; charset=UTF-8")
        .body(description.to_string());
    let answer = api.ask(request).await?;
    if !answer.is_success() {
        return Err(refused(&answer));
    }
    let session = answer.header("location").map(str::to_owned);
    session.ok_or_else(|| Problem::other("the service opened no session"))
}

/// Asks for the progress of a session.
pub(crate) async fn received(
    api: &Api,
    session: &str,
    size: u64,
) -> Result<ResumableStatus, Problem> {
    let range = format!("bytes */{size}");
    put(api, session, &range, Bytes::new()).await
}

/// Sends a part.
pub(crate) async fn append(
    api: &Api,
    session: &str,
    (offset, size): (u64, u64),
    part: Bytes,
) -> Result<ResumableStatus, Problem> {
    let end = offset + part.len() as u64;
    let range = format!("bytes {offset}-{}/{size}", end.saturating_sub(1));
    put(api, session, &range, part).await
}

async fn put(
    api: &Api,
    session: &str,
    range: &str,
    part: Bytes,
) -> Result<ResumableStatus, Problem> {
    let request = api
        .http
        .client()
        .request(Method::PUT, session)
        .header(CONTENT_RANGE, range)
        .body(part);
    // The address is the right to use it, and may lead to any host: no token goes there.
    let answer = api.ask_openly(request).await?;
    match answer.status.as_u16() {
        200 | 201 => Ok(ResumableStatus::Done(answer)),
        308 => Ok(ResumableStatus::Has(match answer.header("range") {
            None => 0,
            Some(range) => last_of(range)
                .ok_or_else(|| Problem::other("the service returned an invalid range"))?,
        })),
        // 410 is how Google says that a session is over; 499 that it was cancelled.
        404 | 410 | 499 => Err(Problem::NotFound {
            what: format!("HTTP {}", answer.status.as_u16()),
        }),
        _ => Err(refused(&answer)),
    }
}

/// What an unsuccessful answer about a session means: with 412, somebody else has the path by now. Whose path it is,
/// the caller knows.
fn refused(answer: &Answer) -> Problem {
    match answer.status.as_u16() {
        412 => Problem::Taken {
            path: String::new(),
        },
        _ => answer.problem(),
    }
}

/// `bytes=0-42` means that there are 43.
fn last_of(range: &str) -> Option<u64> {
    let last = range.strip_prefix("bytes=0-")?;
    last.parse::<u64>().ok()?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(last_of("bytes=0-42"), Some(43));
        for bad in [
            "",
            "bytes=1-42",
            "0-42",
            "bytes=0-",
            "bytes=0-18446744073709551615",
        ] {
            assert_eq!(last_of(bad), None, "{bad}");
        }
    }
}
