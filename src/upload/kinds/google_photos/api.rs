//! The Library API's requests and answers, each bounded and judged.
//!
//! <https://developers.google.com/photos/library/reference/rest>

use std::time::Duration;

use chrono::{Datelike as _, NaiveDate, Weekday};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};

use crate::upload::http::{Http, host_of};
use crate::upload::oauth::Tokens;
use crate::upload::problem::{Problem, brief, retry_after};

/// What Google asks to wait at least after a 429 that says nothing itself.
const WAIT_AFTER_429: Duration = Duration::from_secs(30);
/// Access tokens that are tried for one request: others may use one up in the meantime.
const MAX_TOKENS: u32 = 4;
/// The most items in one request.
pub(super) const BATCH: usize = 50;
/// Albums in one answer, at most.
const ALBUMS_PER_PAGE: usize = 50;
/// Pages of albums that are read, at most.
const MAX_PAGES: usize = 400;
/// The longest id or token accepted, in bytes.
pub(super) const MAX_ID_BYTES: usize = 8 * 1024;

/// The API of one user's library. Clones are cheap.
#[derive(Debug, Clone)]
pub(super) struct PhotosApi {
    pub(super) http: Http,
    tokens: Tokens,
    base: String,
}

impl PhotosApi {
    pub(super) fn new(base: &str, tokens: Tokens) -> Result<Self, Problem> {
        Ok(Self {
            // A redirect would carry the access token to another host.
            http: Http::without_redirects(&host_of(base), None)?,
            tokens,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// Adds a secret that must not appear in any message.
    pub(super) fn hide(&self, secret: &str) {
        self.tokens.hide(secret);
    }

    pub(super) fn address(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.base)
    }

    /// Returns whether an address given by the service may be used (`Some`), and whether the access token may be sent
    /// there (`true`).
    pub(super) fn trusts(&self, address: &str) -> Option<bool> {
        let (url, own) = (Url::parse(address).ok()?, Url::parse(&self.base).ok()?);
        if url.origin() == own.origin() {
            return Some(true);
        }
        let is_google = url
            .host_str()
            .is_some_and(|host| host.ends_with(".googleapis.com"));
        (url.scheme() == "https" && is_google).then_some(false)
    }

    /// Sends a request; repeats it if the access token was rejected. Returns a problem for any unsuccessful answer.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Problem> {
        let mut request = request;
        let mut tokens = 1;
        loop {
            // What is sent here is held in memory; only a stream could not be sent again.
            let again = request.try_clone();
            let bearer = self.tokens.bearer().await?;
            let request_now = request.header(AUTHORIZATION, &bearer);
            let answer = self.http.answer(request_now).await?;
            if answer.status() == StatusCode::UNAUTHORIZED {
                self.tokens.refused(&bearer).await;
                if let (Some(again), 1..MAX_TOKENS) = (again, tokens) {
                    (request, tokens) = (again, tokens + 1);
                    continue;
                }
            }
            return self.judged(answer).await;
        }
    }

    /// Returns the header value `Bearer ...` for a request whose body can be sent only once.
    pub(super) async fn bearer(&self) -> Result<reqwest::header::HeaderValue, Problem> {
        self.tokens.bearer().await
    }

    /// Judges the answer to a request whose body can be sent only once. If the access token was rejected, the caller
    /// has to build the request again.
    pub(super) async fn judged_once(
        &self,
        answer: Response,
        bearer: &reqwest::header::HeaderValue,
    ) -> Result<Response, Problem> {
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.tokens.refused(bearer).await;
            return Err(Problem::Other {
                words: "the access token is no longer accepted".to_owned(),
                passing: true,
            });
        }
        self.judged(answer).await
    }

    async fn judged(&self, answer: Response) -> Result<Response, Problem> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let headers = answer.headers().clone();
        let body = self.http.body(answer).await.unwrap_or_default();
        Err(judge(status, &headers, &body))
    }

    async fn json<T: for<'a> Deserialize<'a>>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, Problem> {
        let answer = self.send(request).await?;
        let body = self.http.body(answer).await?;
        // What was done is not known: asking again tells.
        serde_json::from_slice(&body).map_err(|_| Problem::Other {
            words: "Google Photos returned an invalid response".to_owned(),
            passing: true,
        })
    }

    pub(super) async fn batch_create(
        &self,
        album: Option<&str>,
        items: &[NewItem<'_>],
    ) -> Result<Vec<ItemResult>, Problem> {
        let asked = BatchCreate {
            album_id: album,
            new_media_items: items.iter().map(NewMediaItem::from).collect(),
        };
        let body = body_of(&asked)?;
        let address = self.address("mediaItems:batchCreate");
        let answer: BatchCreated = self.json(with_json(&self.http, &address, body)).await?;
        Ok(answer.new_media_item_results)
    }

    pub(super) async fn batch_get(&self, ids: &[&str]) -> Result<Vec<ItemResult>, Problem> {
        let mut address = Url::parse(&self.address("mediaItems:batchGet")).map_err(|_| no_url())?;
        for id in ids {
            address.query_pairs_mut().append_pair("mediaItemIds", id);
        }
        let answer: BatchGot = self.json(self.http.client().get(address)).await?;
        Ok(answer.media_item_results)
    }

    /// Returns the title and id of each album that this program made.
    pub(super) async fn albums(&self) -> Result<Vec<(String, String)>, Problem> {
        let mut found = Vec::new();
        let mut page = String::new();
        for _ in 0..MAX_PAGES {
            let mut address = Url::parse(&self.address("albums")).map_err(|_| no_url())?;
            address
                .query_pairs_mut()
                .append_pair("pageSize", &ALBUMS_PER_PAGE.to_string())
                .append_pair("excludeNonAppCreatedData", "true");
            if !page.is_empty() {
                address.query_pairs_mut().append_pair("pageToken", &page);
            }
            let answer: ListAlbumsResponse = self.json(self.http.client().get(address)).await?;
            let usable = |album: &Album| album.is_writeable && is_fine(&album.id);
            let albums = answer.albums.into_iter().filter(usable);
            found.extend(albums.map(|album| (album.title, album.id)));
            let next = answer.next_page_token;
            if next.is_empty() || next == page {
                break;
            }
            page = next;
        }
        Ok(found)
    }

    /// Creates an album and returns its id.
    pub(super) async fn create_album(&self, title: &str) -> Result<String, Problem> {
        let body = body_of(&serde_json::json!({ "album": { "title": title } }))?;
        let address = self.address("albums");
        let album: Album = self.json(with_json(&self.http, &address, body)).await?;
        match is_fine(&album.id) {
            true => Ok(album.id),
            false => Err(Problem::other("Google Photos made an album without an id")),
        }
    }

    /// Checks with one request whether the sign-in works.
    pub(super) async fn test(&self) -> Result<(), Problem> {
        let address = format!(
            "{}?pageSize=1&excludeNonAppCreatedData=true",
            self.address("albums")
        );
        let _: ListAlbumsResponse = self.json(self.http.client().get(address)).await?;
        Ok(())
    }
}

fn with_json(http: &Http, address: &str, body: Vec<u8>) -> RequestBuilder {
    http.client()
        .post(address)
        .header("Content-Type", "application/json")
        .body(body)
}

fn body_of(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|error| Problem::other(error.to_string()))
}

fn no_url() -> Problem {
    Problem::Settings {
        words: "the address of Google Photos is invalid".to_owned(),
    }
}

/// Returns whether an id or token is plausible: printable, without spaces, and not too long.
pub(super) fn is_fine(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// One item to create.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewItem<'a> {
    pub(super) token: &'a str,
    pub(super) name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchCreate<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    album_id: Option<&'a str>,
    new_media_items: Vec<NewMediaItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewMediaItem<'a> {
    simple_media_item: SimpleMediaItem<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SimpleMediaItem<'a> {
    upload_token: &'a str,
    file_name: &'a str,
}

impl<'a> From<&NewItem<'a>> for NewMediaItem<'a> {
    fn from(item: &NewItem<'a>) -> Self {
        // 255 characters at most.
        let end = item
            .name
            .char_indices()
            .nth(255)
            .map_or(item.name.len(), |(at, _)| at);
        Self {
            simple_media_item: SimpleMediaItem {
                upload_token: item.token,
                file_name: item.name.get(..end).unwrap_or(item.name),
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchCreated {
    new_media_item_results: Vec<ItemResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchGot {
    media_item_results: Vec<ItemResult>,
}

/// The result for one item.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ItemResult {
    pub(super) upload_token: String,
    pub(super) status: RpcStatus,
    pub(super) media_item: Option<MediaItem>,
}

/// A `google.rpc.Status`; code 0 means success.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RpcStatus {
    pub(super) code: i64,
    pub(super) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MediaItem {
    pub(super) id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListAlbumsResponse {
    #[serde(default)]
    albums: Vec<Album>,
    #[serde(default)]
    next_page_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Album {
    #[serde(default)]
    id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    is_writeable: bool,
}

#[derive(Default, Deserialize)]
struct ErrorResponse {
    #[serde(default)]
    error: FailureBody,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FailureBody {
    message: String,
    status: String,
}

/// Returns the problem that an unsuccessful answer means.
pub(super) fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Problem {
    if status.is_redirection() {
        return Problem::of_answer(status, headers, b"");
    }
    let FailureBody {
        message,
        status: code,
    } = serde_json::from_slice::<ErrorResponse>(body)
        .unwrap_or_default()
        .error;
    let message = brief(&message);
    let code = brief(&code);
    let words = match (code.is_empty(), message.is_empty()) {
        (true, true) if status != StatusCode::UNAUTHORIZED => {
            return match Problem::of_answer(status, headers, b"") {
                Problem::Busy { after: None, words } if status == StatusCode::TOO_MANY_REQUESTS => {
                    Problem::Busy {
                        after: Some(WAIT_AFTER_429),
                        words,
                    }
                }
                problem => problem,
            };
        }
        (_, true) => format!("HTTP {}: {code}", status.as_u16()),
        _ => format!("HTTP {}: {message}", status.as_u16()),
    };
    let lower = message.to_ascii_lowercase();
    match (status.as_u16(), code.as_str()) {
        (_, "RESOURCE_EXHAUSTED") if is_about_room(&lower) => Problem::Full { words },
        (429, _) if is_daily(body) => Problem::Quota {
            until: match retry_after(headers) {
                Some(wait) => chrono::Utc::now().timestamp() + wait.as_secs() as i64,
                None => next_midnight_pacific(chrono::Utc::now().timestamp()),
            },
        },
        (429, _) => Problem::Busy {
            after: retry_after(headers).or(Some(WAIT_AFTER_429)),
            words,
        },
        (401, _) => Problem::SignedOut {
            words: format!("Google Photos does not accept the sign-in ({words})"),
            check: super::WHEN_SIGNED_OUT.to_owned(),
        },
        (403, _) if lower.contains("insufficient authentication scopes") => Problem::SignedOut {
            words: format!("the sign-in does not allow what is needed ({words})"),
            check: "tick every box on Google's page".to_owned(),
        },
        (403, _) => Problem::Denied { words },
        (404, _) => Problem::NotFound { what: words },
        (408 | 409 | 500..=599, _) => Problem::Busy {
            after: retry_after(headers),
            words,
        },
        _ => Problem::Other {
            words: format!("refused by Google: {words}"),
            passing: false,
        },
    }
}

/// Returns whether a message says that the user's storage is full.
pub(super) fn is_about_room(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("storage") && (message.contains("not enough") || message.contains("full"))
}

/// "... limit 'All requests per day' of service ...", or the same in the details.
fn is_daily(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    text.contains("per day") || text.contains("perday") || text.contains("daily")
}

/// Returns the next midnight in California, when the daily quota starts again, in seconds since 1970.
pub(super) fn next_midnight_pacific(now: i64) -> i64 {
    // Whether the day there is this or the next one depends on what is looked for; so both are
    // tried, and the first one that is still to come is it.
    let today = chrono::DateTime::from_timestamp(now, 0)
        .unwrap_or_default()
        .date_naive();
    let days = (-1..=2).filter_map(|days| today.checked_add_signed(chrono::Duration::days(days)));
    let midnights = days.filter_map(|day| {
        let hours = if is_summer_at_midnight(day) { 7 } else { 8 };
        Some(day.and_hms_opt(hours, 0, 0)?.and_utc().timestamp())
    });
    midnights
        .filter(|midnight| *midnight > now)
        .min()
        .unwrap_or(now + 24 * 60 * 60)
}

/// Whether a day in California begins in daylight saving time: from the day after the second
/// Sunday of March to the first Sunday of November.
fn is_summer_at_midnight(day: NaiveDate) -> bool {
    let nth_sunday =
        |month, nth| NaiveDate::from_weekday_of_month_opt(day.year(), month, Weekday::Sun, nth);
    match (nth_sunday(3, 2), nth_sunday(11, 1)) {
        (Some(begin), Some(end)) => day > begin && day <= end,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp()
    }

    #[test]
    fn quota_begins_anew_at_midnight_in_california() {
        for (now, midnight) in [
            ("2026-01-15T12:00:00Z", "2026-01-16T08:00:00Z"),
            ("2026-01-15T07:59:59Z", "2026-01-15T08:00:00Z"),
            ("2026-01-15T08:00:00Z", "2026-01-16T08:00:00Z"),
            ("2026-07-15T06:59:59Z", "2026-07-15T07:00:00Z"),
            // The clocks go forward on 8 March 2026 and back on 1 November, at two in the morning.
            ("2026-03-08T07:00:00Z", "2026-03-08T08:00:00Z"),
            ("2026-03-08T12:00:00Z", "2026-03-09T07:00:00Z"),
            ("2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"),
            ("2026-11-01T12:00:00Z", "2026-11-02T08:00:00Z"),
        ] {
            assert_eq!(next_midnight_pacific(at(now)), at(midnight), "{now}");
        }
        assert!(next_midnight_pacific(i64::MAX / 2) > 0);
    }

    fn judged(status: u16, body: &str) -> Problem {
        judge(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
        )
    }

    #[test]
    fn quotas_busy_times_and_refusals_are_told_apart() {
        let daily = r#"{"error":{"code":429,"message":"Quota exceeded for quota metric 'All requests' and limit 'All requests per day' of service 'photoslibrary.googleapis.com' for consumer 'project_number:1'.","status":"RESOURCE_EXHAUSTED"}}"#;
        assert!(matches!(judged(429, daily), Problem::Quota { .. }));
        let writes = r#"{"error":{"code":429,"message":"Quota exceeded for quota 'concurrent write request' of service 'photoslibrary.googleapis.com'.","status":"RESOURCE_EXHAUSTED"}}"#;
        for body in [writes, "", "<html>", "[]"] {
            let Problem::Busy { after, .. } = judged(429, body) else {
                panic!("{body}");
            };
            assert_eq!(after, Some(WAIT_AFTER_429), "{body}");
        }
        assert!(matches!(judged(503, ""), Problem::Busy { after: None, .. }));
        assert!(matches!(judged(401, ""), Problem::SignedOut { .. }));
        let scopes = r#"{"error":{"message":"Request had insufficient authentication scopes.","status":"PERMISSION_DENIED"}}"#;
        assert!(matches!(judged(403, scopes), Problem::SignedOut { .. }));
        let bad = r#"{"error":{"message":"Request must have less than 50 items.","status":"INVALID_ARGUMENT"}}"#;
        assert_eq!(
            judged(400, bad).to_string(),
            "refused by Google: HTTP 400: Request must have less than 50 items."
        );
    }
}
