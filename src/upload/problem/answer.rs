//! What an unsuccessful HTTP answer means. It comes from the service and is untrusted: nothing of it is repeated but
//! what looks like an error code.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::{Problem, brief};

/// The longest code of a service, in bytes, and the longest word in one, in letters.
const MAX_CODE: usize = 60;
const MAX_CODE_WORD: usize = 20;

impl Problem {
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

/// Returns how long the service asks to wait: a number of seconds, or until a date.
pub(in crate::upload) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
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
pub(in crate::upload) fn code_of(text: &str) -> Option<String> {
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
