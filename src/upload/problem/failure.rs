//! What it means that a request got no answer, or that OpenDAL failed.

use std::error::Error as StdError;

use super::{Problem, brief};
use crate::folder::is_shortage;

impl Problem {
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
        if is_about_form(error) {
            let port = error.url().and_then(reqwest::Url::port_or_known_default);
            return Self::stranger(host, port, "a web server");
        }
        Self::Unreachable {
            host: host.to_owned(),
            words,
        }
    }

    /// Returns the problem of a port at which another kind of server answers.
    pub(crate) fn stranger(host: &str, port: Option<u16>, expected: &str) -> Self {
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        Self::Unreachable {
            host: format!("{host}{port}"),
            words: format!(
                "something answers there, but not as {expected}; check address and port"
            ),
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
            opendal::ErrorKind::Unexpected => {
                "the service returned an unexpected response".to_owned()
            }
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

/// Returns whether the answer was not HTTP.
fn is_about_form(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
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
