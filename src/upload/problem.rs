//! The failures of a remote, and what each means for the file and for the run.

use std::error::Error as StdError;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::folder::is_shortage;
use crate::folder::upload::UploadReason;

/// The most of a service's own words that is kept, in characters.
const MAX_WORDS: usize = 300;
/// The longest code of a service, in bytes, and the longest word in one, in letters.
const MAX_CODE: usize = 60;
const MAX_CODE_WORD: usize = 20;

/// A problem with a remote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// No connection could be made, or the connection broke.
    #[error("no connection to {host}: {words}")]
    Unreachable { host: String, words: String },
    /// The service asks to come back later, or has trouble of its own.
    #[error("the service is busy ({words}){}", asked_to_wait(*.after))]
    Busy {
        /// The time to wait, if the service says.
        after: Option<Duration>,
        words: String,
    },
    /// The service failed while handling this request. It may fail for this file each time.
    #[error("the service reports an error of its own ({words})")]
    Failing { words: String },
    /// The service rejects the credentials, or the permissions that they give.
    #[error("the service refuses access ({words})")]
    Denied { words: String },
    /// The service refuses this request, but may allow others.
    #[error("the service does not allow it ({words})")]
    Forbidden { words: String },
    /// The service redirects to another address, which the user has not chosen for the photos.
    #[error("the service redirects to {to} ({words})")]
    Moved {
        /// The redirect's scheme, host and port.
        to: String,
        words: String,
    },
    /// The bucket is in a different region from the one in the settings.
    #[error("the bucket is in the region {region} ({words})")]
    OtherRegion {
        region: String,
        /// The service's message.
        words: String,
    },
    /// The user has to sign in again.
    #[error("{words}")]
    SignedOut {
        words: String,
        /// What the user can check if it happens repeatedly; may be empty.
        check: String,
    },
    /// This computer's clock differs too much from the service's for signed requests.
    #[error("this computer's clock and the service's differ too much ({words})")]
    ClockSkew { words: String },
    /// The connection cannot be secured: the service's certificate is not trusted.
    #[error("the connection to {host} cannot be trusted: {words}")]
    Untrusted { host: String, words: String },
    /// This computer has no root certificates.
    #[error("the connection to {host} cannot be trusted: this computer has no CA certificates")]
    NoCertificates { host: String },
    /// An SSH server presents a different key from the known one.
    #[error("{host} is not the known server: its host key differs ({words})")]
    HostKey { host: String, words: String },
    /// No key of an SSH server is known, so that nobody can say who answers.
    #[error("the host key of {host} is not confirmed yet ({words})")]
    HostKeyUnknown { host: String, words: String },
    /// A folder on this computer takes no files.
    #[error("no file can be created there ({words})")]
    NoWriting { words: String },
    /// An SSH server accepts the sign-in but offers no SFTP.
    #[error("{words}")]
    NoSftp {
        /// What the server does instead.
        words: String,
    },
    /// A WebDAV server answers, but has no folder at the remote's address.
    #[error("there is no WebDAV folder at the remote's address ({words})")]
    NoWebDav { words: String },
    /// The bucket does not exist.
    #[error("the bucket does not exist ({words})")]
    NoBucket {
        /// The service's message.
        words: String,
    },
    /// The service has no storage space left.
    #[error("the service has no room left ({words})")]
    Full { words: String },
    /// The service's daily quota is used up.
    #[error("the service's daily quota is used up until {}", in_local_time(*.until))]
    Quota {
        /// When the next quota starts, in seconds since 1970.
        until: i64,
    },
    /// The service does not accept files of this size.
    #[error("over this service's limit ({words})")]
    TooLarge {
        /// The service's message, or the limit.
        words: String,
    },
    /// The service does not accept the file's name.
    #[error("the service does not take the name ({words})")]
    NameRefused { words: String },
    /// The service refuses this file permanently.
    #[error("{words}")]
    Refused {
        /// The kind of refusal.
        reason: UploadReason,
        /// The reason in words.
        words: String,
    },
    /// The requested file or folder does not exist.
    #[error("not there: {what}")]
    NotFound { what: String },
    /// Something else already has the name.
    #[error("{path} already exists with other content")]
    Taken { path: String },
    /// The file in the rescue folder has changed since it was verified.
    #[error("the file changed since it was verified: {what}")]
    SourceChanged {
        /// What differs.
        what: String,
    },
    /// The file in the rescue folder no longer exists.
    #[error("the file is gone from the rescue folder")]
    SourceGone,
    /// The file in the rescue folder cannot be read.
    #[error("the file cannot be read: {words}")]
    SourceUnreadable { words: String },
    /// This computer lacks file handles or memory. No file is at fault.
    #[error("this computer has too few resources for the upload: {words}")]
    Shortage { words: String },
    /// The settings of the remote are invalid.
    #[error("the remote's settings are invalid: {words}")]
    Settings { words: String },
    /// The service answered in an unexpected way.
    #[error("{words}")]
    Other {
        words: String,
        /// Whether a repetition may succeed.
        passing: bool,
    },
}

/// What a problem means for the file and for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Wait for the connection; no file is at fault.
    WaitForConnection,
    /// Try again. All requests wait until this time has passed.
    Later(Option<Duration>),
    /// Try again after a pause for all requests. This file may fail each time.
    LaterOrNever,
    /// Wait until this time, in seconds since 1970; until then, every request fails.
    Until(i64),
    /// Wait until the destination exists, if the user wants that; no file is at fault.
    WaitIfWished,
    /// Try this file again.
    Again,
    /// Choose another name for the file.
    Rename,
    /// Skip this file, which the service refuses permanently.
    Skip(UploadReason),
    /// This file fails; others may succeed.
    Fail(UploadReason),
    /// Stop the run, because no file can succeed.
    Stop,
}

impl Problem {
    /// Returns what the problem means for the file and for the run.
    pub(crate) fn advice(&self) -> Advice {
        use Advice as A;
        match self {
            Self::Unreachable { .. } => A::WaitForConnection,
            Self::Busy { after, .. } => A::Later(*after),
            Self::Failing { .. } => A::LaterOrNever,
            Self::Quota { until } => A::Until(*until),
            Self::NoBucket { .. } => A::WaitIfWished,
            Self::Denied { .. }
            | Self::Forbidden { .. }
            | Self::Moved { .. }
            | Self::OtherRegion { .. }
            | Self::SignedOut { .. }
            | Self::ClockSkew { .. }
            | Self::Untrusted { .. }
            | Self::NoCertificates { .. }
            | Self::HostKey { .. }
            | Self::HostKeyUnknown { .. }
            | Self::NoWriting { .. }
            | Self::NoSftp { .. }
            | Self::NoWebDav { .. }
            | Self::Full { .. }
            | Self::Shortage { .. }
            | Self::Settings { .. } => A::Stop,
            Self::TooLarge { .. } => A::Skip(UploadReason::TooLarge),
            Self::NameRefused { .. } => A::Skip(UploadReason::NameRefused),
            Self::Refused { reason, .. } => A::Skip(*reason),
            Self::Taken { .. } => A::Rename,
            Self::NotFound { .. } => A::Fail(UploadReason::Refused),
            Self::SourceChanged { .. } => A::Fail(UploadReason::SourceChanged),
            Self::SourceGone => A::Fail(UploadReason::SourceGone),
            Self::SourceUnreadable { .. } => A::Fail(UploadReason::SourceUnreadable),
            Self::Other { passing: true, .. } => A::Again,
            Self::Other { passing: false, .. } => A::Fail(UploadReason::Refused),
        }
    }

    /// Returns the same problem, with its texts passed through `say`.
    pub(super) fn said(mut self, say: impl Fn(&str) -> String) -> Self {
        match &mut self {
            Self::Unreachable { words, .. }
            | Self::Busy { words, .. }
            | Self::Failing { words }
            | Self::Denied { words }
            | Self::Forbidden { words }
            | Self::ClockSkew { words }
            | Self::Untrusted { words, .. }
            | Self::HostKey { words, .. }
            | Self::HostKeyUnknown { words, .. }
            | Self::NoWriting { words }
            | Self::NoSftp { words }
            | Self::NoWebDav { words }
            | Self::NoBucket { words }
            | Self::Full { words }
            | Self::TooLarge { words }
            | Self::NameRefused { words }
            | Self::Refused { words, .. }
            | Self::NotFound { what: words }
            | Self::Settings { words }
            | Self::SignedOut { words, .. }
            | Self::Other { words, .. } => *words = say(words),
            Self::Moved { to: also, words }
            | Self::OtherRegion {
                region: also,
                words,
            } => (*also, *words) = (say(also), say(words)),
            Self::Quota { .. }
            | Self::NoCertificates { .. }
            | Self::Taken { .. }
            | Self::SourceChanged { .. }
            | Self::SourceGone
            | Self::SourceUnreadable { .. }
            | Self::Shortage { .. } => {}
        }
        self
    }

    /// Returns the problem for a folder whose listing is endless or implausibly long.
    pub(super) fn too_many_entries() -> Self {
        Self::Settings {
            words:
                "the folder there holds too many files to be listed; `rescue upload --into` takes another one"
                    .to_owned(),
        }
    }

    /// Returns a problem that will not pass by itself.
    pub(crate) fn other(words: impl Into<String>) -> Self {
        Self::Other {
            words: brief(&words.into()),
            passing: false,
        }
    }

    /// Returns the problem that an unsuccessful HTTP answer means. The body comes from the service and is untrusted.
    pub(crate) fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let code = code_in(&text);
        let words = match &code {
            Some(code) => format!("HTTP {}: {code}", status.as_u16()),
            None => {
                let reason = status.canonical_reason().unwrap_or_default();
                brief(&format!("HTTP {} {reason}", status.as_u16()))
            }
        };
        match (status.as_u16(), code.as_deref().unwrap_or_default()) {
            (300..=303 | 305..=308, _) => moved(headers, words),
            (_, "RequestTimeTooSkewed") => Self::ClockSkew { words },
            (_, "EntityTooLarge") | (413, _) => Self::TooLarge { words },
            (_, "SlowDown" | "RequestTimeout" | "TooManyRequests" | "ServerBusy") => Self::Busy {
                after: retry_after(headers),
                words,
            },
            (
                _,
                "QuotaExceeded"
                | "storageQuotaExceeded"
                | "quotaLimitReached"
                | "insufficient_space"
                | "XMinioStorageFull"
                | "cap_exceeded",
            )
            | (507, _) => Self::Full { words },
            (403, "userRateLimitExceeded" | "rateLimitExceeded") => Self::Busy {
                after: retry_after(headers),
                words,
            },
            (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch") | (401 | 402 | 407, _) => {
                Self::Denied { words }
            }
            (403, _) => Self::Forbidden { words },
            (_, "NoSuchBucket" | "ContainerNotFound") => Self::NoBucket { words },
            (404, _) => Self::NotFound { what: words },
            // 503 is about the whole service; the others may be about this one file.
            (500 | 502 | 504 | 509 | 520..=599, _) if retry_after(headers).is_none() => {
                Self::Failing { words }
            }
            (408 | 423 | 425 | 429 | 500 | 502..=504 | 509 | 520..=599, _) => Self::Busy {
                after: retry_after(headers),
                words,
            },
            (
                400 | 414 | 422,
                "InvalidArgument" | "KeyTooLongError" | "malformed_path" | "invalidName",
            ) => Self::NameRefused { words },
            (414, _) => Self::NameRefused { words },
            _ => Self::Other {
                words,
                passing: false,
            },
        }
    }

    /// Returns the problem of a request without an answer. Addresses are not repeated, because they may contain
    /// secrets.
    pub(crate) fn of_request(error: &reqwest::Error, host: &str) -> Self {
        let words = deepest(error);
        if is_about_trust(error) {
            return Self::Untrusted {
                host: host.to_owned(),
                words,
            };
        }
        if error.is_builder() {
            return Self::Settings { words };
        }
        if is_about_shortage(error) {
            return Self::Shortage { words };
        }
        Self::Unreachable {
            host: host.to_owned(),
            words,
        }
    }

    /// Returns the problem that an OpenDAL error means. It may be OpenDAL's own, or one of this program's that passed
    /// through OpenDAL.
    pub(crate) fn of_opendal(error: &opendal::Error) -> Self {
        let mut source: Option<&(dyn StdError + 'static)> = error.source();
        while let Some(cause) = source {
            if let Some(problem) = cause.downcast_ref::<Self>() {
                return problem.clone();
            }
            if let Some(error) = cause.downcast_ref::<reqwest::Error>() {
                return Self::of_request(error, "the service");
            }
            if let Some(error) = cause.downcast_ref::<opendal::Error>() {
                return Self::of_opendal(error);
            }
            source = cause.source();
        }
        // Neither its message nor its context: they may hold the service's whole answer, and
        // addresses with tokens in them. What is wrong with the settings OpenDAL says itself.
        let words = match error.kind() {
            opendal::ErrorKind::ConfigInvalid => brief(error.message()),
            kind => kind.into_static().to_owned(),
        };
        match error.kind() {
            opendal::ErrorKind::NotFound => Self::NotFound { what: words },
            opendal::ErrorKind::PermissionDenied => Self::Denied { words },
            opendal::ErrorKind::RateLimited => Self::Busy { after: None, words },
            opendal::ErrorKind::ConfigInvalid => Self::Settings { words },
            opendal::ErrorKind::AlreadyExists | opendal::ErrorKind::ConditionNotMatch => {
                Self::Taken { path: words }
            }
            // Two wrote to one place at once: who looks again knows more.
            opendal::ErrorKind::Conflict => Self::Other {
                words,
                passing: true,
            },
            _ => Self::Other {
                words,
                passing: error.is_temporary(),
            },
        }
    }
}

/// Returns the problem of a redirect. Contains only the origin of its address, because the rest may contain a secret.
fn moved(headers: &HeaderMap, words: String) -> Problem {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Amazon tells no address but this.
    if let Some(region) = header("x-amz-bucket-region")
        && is_region(region)
    {
        let region = region.to_owned();
        return Problem::OtherRegion { region, words };
    }
    let address = header("location").and_then(|text| reqwest::Url::parse(text).ok());
    let origin = address.map(|address| address.origin().ascii_serialization());
    Problem::Moved {
        to: brief(&origin.unwrap_or_else(|| "another address of its own".to_owned())),
        words,
    }
}

/// Returns whether a text is one of Amazon's regions, such as `eu-west-1` or `us-gov-east-1`.
fn is_region(text: &str) -> bool {
    let Some((place, number)) = text.rsplit_once('-') else {
        return false;
    };
    let is_word = |word: &str| {
        (2..=10).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let words: Vec<&str> = place.split('-').collect();
    (2..=4).contains(&words.len())
        && words.into_iter().all(is_word)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a service said about when to come back, as the end of a sentence.
fn asked_to_wait(after: Option<Duration>) -> String {
    match after.map(|after| after.as_secs()) {
        None | Some(0..60) => String::new(),
        Some(seconds @ 60..7200) => format!(" for the next {} minutes", seconds.div_ceil(60)),
        Some(seconds) => format!(" for the next {} hours", seconds.div_ceil(3600)),
    }
}

/// Returns how long the service asks to wait: a number of seconds, or until a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds.min(24 * 60 * 60)));
    }
    let at = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    let wait = at.timestamp() - chrono::Utc::now().timestamp();
    Some(Duration::from_secs(wait.clamp(0, 24 * 60 * 60) as u64))
}

/// Returns the service's own error code: `<Code>SlowDown</Code>`, `"reason": "x"`, `"code": "x"`, `".tag": "x"`.
/// Nothing else of an answer is repeated.
fn code_in(body: &str) -> Option<String> {
    let after = |mark: &str| body.find(mark).and_then(|at| body.get(at + mark.len()..));
    let until = |text: &str, end: char| text.split_once(end).and_then(|(word, _)| code_of(word));
    if let Some(code) = after("<Code>").and_then(|rest| until(rest, '<')) {
        return Some(code);
    }
    [
        "\"reason\"",
        "\".tag\"",
        "\"error_summary\"",
        "\"code\"",
        "\"error\"",
    ]
    .iter()
    .find_map(|key| {
        let rest = after(key)?.trim_start().strip_prefix(':')?;
        until(rest.trim_start().strip_prefix('"')?, '"')
    })
}

/// Returns a text as an error code, such as `SlowDown`, `access_denied` or `path/not_found/..`, if it looks like one: a
/// few words of letters. Texts with digits, or with letters that form no words, are dropped, because they may be a
/// token or key that the service repeats.
pub(super) fn code_of(text: &str) -> Option<String> {
    let code = text.trim_end_matches(['.', '/']);
    let (mut words, mut letters, mut in_word, mut before) = (0_usize, 0_usize, 0_usize, ' ');
    for c in code.chars() {
        let begins = match c {
            '_' | '-' | '.' | '/' | ' ' => {
                before = c;
                continue;
            }
            _ if !c.is_ascii_alphabetic() => return None,
            _ => !before.is_ascii_alphabetic() || before.is_lowercase() && c.is_uppercase(),
        };
        (words, in_word) = match begins {
            true => (words + 1, 1),
            false => (words, in_word + 1),
        };
        letters += 1;
        before = c;
        if in_word > MAX_CODE_WORD {
            return None;
        }
    }
    let reads_well = letters >= 3 * words && words > 0;
    (code.len() <= MAX_CODE && reads_well).then(|| code.to_owned())
}

/// Returns the innermost cause, which is the informative one. The error itself is left out, because it repeats the
/// address.
fn deepest(error: &reqwest::Error) -> String {
    let Some(mut last) = error.source() else {
        return "the request failed".to_owned();
    };
    while let Some(next) = last.source() {
        last = next;
    }
    brief(&last.to_string())
}

fn is_about_trust(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return !matches!(tls, rustls::Error::HandshakeNotComplete);
        }
        // hyper wraps it into an io::Error, whose own source is not what it holds.
        if let Some(io) = cause.downcast_ref::<std::io::Error>()
            && let Some(inner) = io.get_ref()
            && is_about_trust(inner)
        {
            return true;
        }
        next = cause.source();
    }
    false
}

/// Returns whether the system lacked file handles or memory for a request.
fn is_about_shortage(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(is_shortage)
        {
            return true;
        }
        next = cause.source();
    }
    false
}

/// A time as the person's clock shows it.
fn in_local_time(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0).map_or_else(
        || "later".to_owned(),
        |time| {
            time.with_timezone(&chrono::Local)
                .format("%Y-%m-%d %H:%M")
                .to_string()
        },
    )
}

/// Returns the beginning of a text, on one line.
pub(super) fn brief(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.chars().take(MAX_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16, body: &str) -> Problem {
        Problem::of_answer(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
        )
    }

    #[test]
    fn answers_are_told_apart() {
        let skew = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
        assert!(matches!(judge(403, skew), Problem::ClockSkew { .. }));
        assert!(matches!(judge(401, ""), Problem::Denied { .. }));
        assert!(matches!(judge(413, ""), Problem::TooLarge { .. }));
        assert!(matches!(judge(507, ""), Problem::Full { .. }));
        assert!(matches!(judge(429, ""), Problem::Busy { after: None, .. }));
        assert!(matches!(judge(500, ""), Problem::Failing { .. }));
        assert!(matches!(judge(503, ""), Problem::Busy { .. }));
        let slow = "<Error><Code>SlowDown</Code></Error>";
        assert!(matches!(judge(503, slow), Problem::Busy { .. }));
        let quota = r#"{"error":{"errors":[{"reason":"storageQuotaExceeded"}],"code":403}}"#;
        assert!(matches!(judge(403, quota), Problem::Full { .. }));
        let rate = r#"{"error":{"errors":[{"reason": "userRateLimitExceeded"}]}}"#;
        assert!(matches!(judge(403, rate), Problem::Busy { .. }));
        assert!(matches!(
            judge(418, ""),
            Problem::Other { passing: false, .. }
        ));
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let wait = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers)
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("99999999"), Some(Duration::from_secs(86_400)));
        assert_eq!(wait("Mon, 01 Jan 2001 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn only_a_code_of_an_answer_is_repeated() {
        let body = "<Error><Code>AccessDenied</Code><Message>key SECRET</Message></Error>";
        assert_eq!(
            judge(403, body).to_string(),
            "the service does not allow it (HTTP 403: AccessDenied)"
        );
        let repeated = |code: &str| code_in(&format!("{{\"code\": \"{code}\"}}"));
        for code in [
            "XMinioStorageFull",
            "AuthorizationQueryParametersError",
            "insufficient_space",
            "RESOURCE_EXHAUSTED",
            "storage.quota-exceeded",
            "path/not_found",
        ] {
            assert_eq!(repeated(code).as_deref(), Some(code));
        }
        for token in [
            "PLANTED-pass-5f2a",
            "hunter2",
            "ya29.a0AfH6SMBx",
            "Basic YWRhOnNlY3JldA==",
            "aBcDeFgHiJkLmNoPqRsT",
            "qwertzuiopasdfghjklyxcvb",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "",
            "...",
        ] {
            assert_eq!(repeated(token), None, "{token}");
        }
        // Cut off in the middle.
        let open = judge(418, "{\"code\": \"Slow").to_string();
        assert_eq!(open, "HTTP 418 I'm a teapot");
    }

    #[test]
    fn redirections_tell_where_to_and_nothing_secret() {
        let judge = |name: &'static str, value: &str| {
            let name = reqwest::header::HeaderName::from_static(name);
            let headers = HeaderMap::from_iter([(name, value.parse().unwrap())]);
            Problem::of_answer(StatusCode::MOVED_PERMANENTLY, &headers, b"").to_string()
        };
        assert_eq!(
            judge(
                "location",
                "https://ada:SECRET@other.example:8443/SECRET?SECRET"
            ),
            "the service redirects to https://other.example:8443 (HTTP 301 Moved Permanently)"
        );
        assert_eq!(
            judge("location", "/elsewhere"),
            "the service redirects to another address of its own (HTTP 301 Moved Permanently)"
        );
        assert_eq!(
            judge("x-amz-bucket-region", "eu-west-1"),
            "the bucket is in the region eu-west-1 (HTTP 301 Moved Permanently)"
        );
        for no_region in [
            "SECRET",
            "secret",
            "planted-pass-5f2a",
            "-",
            "--1",
            "eu-west-123",
        ] {
            let said = judge("x-amz-bucket-region", no_region);
            assert!(!said.contains(no_region), "{said}");
        }
    }
}
