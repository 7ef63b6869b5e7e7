//! Removes from a service's answers the secrets that were sent to it.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::batch::Creation;
use super::percent::encoded;
use super::problem::Problem;
use super::{Acknowledged, ListingVerdict, Presence, Put, Settled};

/// What stands where a secret stood.
const MASK: &str = "(secret)";
/// A shorter secret, in bytes, is in many a text by chance: its absence would give it away.
const SHORTEST: usize = 4;
/// A shorter beginning of a secret, in bytes, at the end of a text that was cut off is left there.
const BEGINNING: usize = 6;

/// The secrets of one remote, in all spellings in which a service may repeat them. New access tokens are added as they
/// are received. Clones are cheap.
#[derive(Clone, Default)]
pub(crate) struct Hidden {
    /// The spellings, longest first, because one may be a part of another.
    spellings: Arc<RwLock<Vec<String>>>,
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(..)")
    }
}

impl Hidden {
    /// Adds a secret.
    pub(crate) fn note(&self, secret: &str) {
        let escaped = encoded(secret).replace('/', "%2F");
        let mut spellings = self
            .spellings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        spellings.extend([
            secret.to_owned(),
            // As the host of an address is written, as `brief` does it, and as JSON and XML do.
            secret.to_ascii_lowercase(),
            secret.split_whitespace().collect::<Vec<_>>().join(" "),
            serde_json::Value::from(secret)
                .to_string()
                .trim_matches('"')
                .to_owned(),
            in_xml(secret),
            encoded(secret),
            escaped.replace("%20", "+"),
            escaped.to_ascii_lowercase(),
            escaped,
            secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            secret.bytes().map(|byte| format!("%{byte:02x}")).collect(),
            STANDARD.encode(secret),
            STANDARD_NO_PAD.encode(secret),
            URL_SAFE.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
        ]);
        spellings.retain(|spelling| spelling.len() >= SHORTEST);
        spellings.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
    }

    /// Returns a text with all secrets replaced.
    fn text(&self, text: &str) -> String {
        let spellings = self
            .spellings
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut said = text.to_owned();
        // The beginning of one, where the text was cut off.
        let cut_off = spellings
            .iter()
            .filter_map(|spelling| beginning_at_end(spelling, text))
            .max();
        if let Some(length) = cut_off {
            said.truncate(text.len() - length);
            said.push_str(MASK);
        }
        for spelling in spellings.iter() {
            said = said.replace(spelling.as_str(), MASK);
        }
        said
    }

    fn is_in(&self, text: &str) -> bool {
        self.text(text) != text
    }

    /// Removes the secrets from a remote's answer or problem.
    pub(crate) fn left_out<T: Said>(&self, said: Result<T, Problem>) -> Result<T, Problem> {
        said.map_err(|problem| problem.said(|words| self.text(words)))
            .and_then(|said| said.without(self))
    }
}

/// An answer of a remote that may contain text from its service.
pub(crate) trait Said: Sized {
    /// Removes the secrets; returns a problem if nothing useful remains.
    fn without(self, hidden: &Hidden) -> Result<Self, Problem>;
}

impl Said for () {
    fn without(self, _: &Hidden) -> Result<Self, Problem> {
        Ok(self)
    }
}

impl Said for String {
    fn without(self, hidden: &Hidden) -> Result<Self, Problem> {
        Ok(hidden.text(&self))
    }
}

impl<T: Said> Said for Vec<T> {
    fn without(self, hidden: &Hidden) -> Result<Self, Problem> {
        self.into_iter().map(|said| said.without(hidden)).collect()
    }
}

impl Said for Acknowledged {
    /// Drops an id or checksum that contains a secret; receipts work without them.
    fn without(self, hidden: &Hidden) -> Result<Self, Problem> {
        let fine = |text: &String| !hidden.is_in(text);
        Ok(Self {
            there: self.there.filter(fine),
            checksum: self.checksum.filter(fine),
        })
    }
}

impl Said for Presence {
    fn without(self, hidden: &Hidden) -> Result<Self, Problem> {
        Ok(match self {
            Self::Same(acknowledged) => Self::Same(acknowledged.without(hidden)?),
            Self::Elsewhere { path, acknowledged } => Self::Elsewhere {
                path,
                acknowledged: acknowledged.without(hidden)?,
            },
            Self::Refused(reason, words) => Self::Refused(reason, hidden.text(&words)),
            // Paths are ours.
            Self::Absent | Self::Taken { .. } => self,
        })
    }
}

impl Said for Put {
    fn without(self, hidden: &Hidden) -> Result<Self, Problem> {
        match self {
            Self::Done(acknowledged) => acknowledged.without(hidden).map(Self::Done),
            Self::Pledged(token) if hidden.is_in(&token) => Err(Problem::other(
                "the service returned a secret of this program instead of a token",
            )),
            Self::Pledged(_) | Self::Held(_) => Ok(self),
        }
    }
}

impl Said for Creation {
    fn without(self, hidden: &Hidden) -> Result<Self, Problem> {
        Ok(match self {
            Self::There(id) => Self::There(hidden.text(&id)),
            Self::TokenEnded(words) => Self::TokenEnded(hidden.text(&words)),
            Self::Again(words) => Self::Again(hidden.text(&words)),
            Self::Refused(words) => Self::Refused(hidden.text(&words)),
            Self::NoRoom(words) => Self::NoRoom(hidden.text(&words)),
        })
    }
}

impl Said for Settled {
    fn without(self, hidden: &Hidden) -> Result<Self, Problem> {
        Ok(match self {
            Self::There {
                checksum,
                path,
                proven,
            } => Self::There {
                checksum: checksum.filter(|text| !hidden.is_in(text)),
                path: path.filter(|text| !hidden.is_in(text)),
                proven,
            },
            Self::Wrong(reason, words) => Self::Wrong(reason, hidden.text(&words)),
        })
    }
}

impl Said for ListingVerdict {
    fn without(self, hidden: &Hidden) -> Result<Self, Problem> {
        Ok(match self {
            Self::Settled(settled) => Self::Settled(settled.without(hidden)?),
            Self::Unsure(found) => Self::Unsure(found),
        })
    }
}

/// How much of the beginning of a spelling a text ends with, in bytes.
fn beginning_at_end(spelling: &str, text: &str) -> Option<usize> {
    let ends = spelling.char_indices().map(|(at, _)| at);
    ends.filter(|at| *at >= BEGINNING)
        .filter(|at| spelling.get(..*at).is_some_and(|it| text.ends_with(it)))
        .max()
}

fn in_xml(text: &str) -> String {
    let mut escaped = text.replace('&', "&amp;");
    for (plain, entity) in [
        ('<', "&lt;"),
        ('>', "&gt;"),
        ('"', "&quot;"),
        ('\'', "&#39;"),
    ] {
        escaped = escaped.replace(plain, entity);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_in_every_spelling() {
        let hidden = Hidden::default();
        let secret = r#"s3cret /+"w<rd>  ä"#;
        hidden.note(secret);
        hidden.note("s3cret");
        hidden.note("");
        hidden.note("401");
        for spelling in [
            secret,
            r#"s3cret /+"w<rd> ä"#,
            r#"s3cret /+\"w<rd>  ä"#,
            "s3cret /+&quot;w&lt;rd&gt;  ä",
            "s3cret%20%2F%2B%22w%3Crd%3E%20%20%C3%A4",
            "s3cret%20%2f%2b%22w%3crd%3e%20%20%c3%a4",
            "s3cret+%2F%2B%22w%3Crd%3E++%C3%A4",
            "czNjcmV0IC8rInc8cmQ+ICDDpA==",
            "czNjcmV0IC8rInc8cmQ-ICDDpA",
            "s3cret",
        ] {
            let problem = Problem::Denied {
                words: format!("HTTP 401: {spelling}, {spelling}"),
            };
            let said = hidden.left_out::<()>(Err(problem)).unwrap_err().to_string();
            let expected = "the service refuses access (HTTP 401: (secret), (secret))";
            assert_eq!(said, expected, "{spelling}");
        }
        assert_eq!(hidden.text("cut at czNjcmV0IC8r"), "cut at (secret)");
        assert_eq!(hidden.text("cut at s3cret%20%"), "cut at (secret)");
        assert_eq!(hidden.text("cut at czNj"), "cut at czNj");
    }

    #[test]
    fn receipts_and_pledges_keep_no_secret() {
        let hidden = Hidden::default();
        hidden.note("s3cret");
        let acknowledged = Acknowledged {
            there: Some("\"s3cret\"".to_owned()),
            checksum: Some("md5:1".to_owned()),
        };
        let kept = hidden.left_out(Ok(acknowledged)).unwrap();
        assert_eq!(
            (kept.there, kept.checksum.as_deref()),
            (None, Some("md5:1"))
        );
        assert!(
            hidden
                .left_out(Ok(Put::Pledged("s3cret".to_owned())))
                .is_err()
        );
        let token = Put::Pledged("token".to_owned());
        assert_eq!(hidden.left_out(Ok(token.clone())), Ok(token));
    }
}
