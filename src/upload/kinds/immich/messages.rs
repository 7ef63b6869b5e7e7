//! What Immich is asked and answers, in the shapes of its API description, and what its refusals mean.

use serde::{Deserialize, Serialize};

use crate::folder::upload::UploadReason;
use crate::upload::http::Answer;
use crate::upload::problem::{Problem, brief};

/// The last version that wants to know the device that a file comes from.
const LAST_WITH_DEVICES: (u64, u64, u64) = (2, 7, 5);
/// No id of an asset or album is longer, in bytes; it is a UUID.
const MAX_ID_BYTES: usize = 100;

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Version {
    pub(super) major: u64,
    pub(super) minor: u64,
    pub(super) patch: u64,
}

impl Version {
    pub(super) fn wants_devices(self) -> bool {
        (self.major, self.minor, self.patch) <= LAST_WITH_DEVICES
    }
}

#[derive(Deserialize)]
pub(super) struct MediaTypes {
    pub(super) image: Vec<String>,
    pub(super) video: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct BulkUploadCheck<'a> {
    pub(super) assets: Vec<Asked<'a>>,
}

#[derive(Serialize)]
pub(super) struct Asked<'a> {
    pub(super) id: &'a str,
    pub(super) checksum: &'a str,
}

#[derive(Deserialize)]
pub(super) struct Verdicts {
    pub(super) results: Vec<VerdictOfOne>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VerdictOfOne {
    pub(super) id: String,
    pub(super) action: String,
    pub(super) reason: Option<String>,
    pub(super) asset_id: Option<String>,
    #[serde(default)]
    pub(super) is_trashed: bool,
}

#[derive(Deserialize)]
pub(super) struct AssetMediaResponse {
    pub(super) id: String,
    pub(super) status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlbumResponse {
    pub(super) id: String,
    pub(super) album_name: String,
}

#[derive(Deserialize)]
pub(super) struct Arranged {
    pub(super) success: bool,
    pub(super) error: Option<String>,
}

#[derive(Deserialize)]
struct ErrorMessage {
    message: serde_json::Value,
}

/// Checks that an id is safe to use in addresses and in the catalogue.
pub(super) fn plain_id(id: String) -> Result<String, Problem> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match (1..=MAX_ID_BYTES).contains(&id.len()) && id.chars().all(fine) {
        true => Ok(id),
        false => Err(senseless()),
    }
}

pub(super) fn read<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, Problem> {
    serde_json::from_slice(&answer.body).map_err(|_| senseless())
}

/// Returns the problem that an unsuccessful answer means. Repeats only those texts of the server that are known.
pub(super) fn problem(answer: &Answer) -> Problem {
    let status = answer.status.as_u16();
    if (300..400).contains(&status) {
        return Problem::Settings {
            words: "the server redirects elsewhere; its address may begin with https://, or be another one"
                .to_owned(),
        };
    }
    let said = serde_json::from_slice::<ErrorMessage>(&answer.body).ok();
    let said = said.map_or_else(String::new, |said| said.message.to_string());
    if said.contains("Quota has been exceeded") {
        return Problem::Full {
            words: "the quota of this user is used up".to_owned(),
        };
    }
    if said.contains("Unsupported file type") {
        return Problem::Refused {
            reason: UploadReason::TypeRefused,
            words: "Immich does not take this type of file".to_owned(),
        };
    }
    if let Some((_, permission)) = said.split_once("Missing required permission: ") {
        let fine = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        let permission: String = permission.chars().take_while(fine).take(60).collect();
        return Problem::Denied {
            words: format!("the API key lacks the permission {permission}"),
        };
    }
    match status {
        413 => too_large_for(answer, 0),
        401 => Problem::Denied {
            words: "the server does not know this API key".to_owned(),
        },
        _ => answer.problem(),
    }
}

/// Returns the problem for a 413. Immich sets no limit itself, so a proxy in front of it answered, and usually the
/// answer names the proxy.
pub(super) fn too_large_for(answer: &Answer, size: u64) -> Problem {
    let text = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    let server = answer.headers.get("server");
    let server = server.and_then(|server| server.to_str().ok()).unwrap_or("");
    let server = server.to_ascii_lowercase();
    let is = |name: &str| server.contains(name) || text.contains(name);
    let advice = if is("cloudflare") {
        "Cloudflare takes 100 MB at most on most plans: use the server's own address instead, as \
         the one at home"
    } else if is("nginx") || is("openresty") {
        "nginx before the server is set to less: `client_max_body_size 0;` in its settings lifts \
         that"
    } else {
        "a reverse proxy before the server takes less: raise its limit, or use the server's own \
         address"
    };
    Problem::TooLarge {
        words: brief(&match size {
            0 => advice.to_owned(),
            size => format!("{}; {advice}", megabytes(size)),
        }),
    }
}

pub(super) fn senseless() -> Problem {
    Problem::other("the server returned an invalid response; is it an Immich server?")
}

pub(super) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderValue};

    fn said(status: u16, server: &'static str, body: &str) -> Problem {
        problem(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::from_iter([(
                reqwest::header::SERVER,
                HeaderValue::from_static(server),
            )]),
            body: body.to_owned().into(),
        })
    }

    #[test]
    fn who_takes_no_large_request_is_named() {
        let words = |server, body| said(413, server, body).to_string();
        assert!(words("cloudflare", "").contains("Cloudflare"));
        assert!(words("", "<hr><center>nginx/1.22.1</center>").contains("client_max_body_size"));
        assert!(words("Caddy", "").contains("reverse proxy"));
    }

    #[test]
    fn refusals_are_told_apart() {
        let quota = r#"{"message":"Quota has been exceeded!","statusCode":400}"#;
        assert!(matches!(said(400, "", quota), Problem::Full { .. }));
        let file = r#"{"message":"Unsupported file type /x.txt","statusCode":400}"#;
        assert!(matches!(said(400, "", file), Problem::Refused { .. }));
        let key = r#"{"message":"Missing required permission: asset.upload\u001b[2J"}"#;
        assert_eq!(
            said(403, "", key).to_string(),
            "the service refuses access (the API key lacks the permission asset.upload)"
        );
        assert!(matches!(said(302, "", ""), Problem::Settings { .. }));
        assert!(matches!(said(503, "", ""), Problem::Busy { .. }));
    }

    #[test]
    fn ids_that_lead_elsewhere_are_not_taken() {
        assert!(plain_id("8a5f0a26-1b1c-4d0e-9a44-0a5d2a1c5b11".to_owned()).is_ok());
        for id in ["", "../../users", "a b", "a\n", &"x".repeat(101)] {
            assert!(plain_id(id.to_owned()).is_err(), "{id}");
        }
    }

    #[test]
    fn old_servers_want_a_device() {
        let wants = |major, minor, patch| {
            Version {
                major,
                minor,
                patch,
            }
            .wants_devices()
        };
        assert!(wants(1, 137, 3) && wants(2, 7, 5));
        assert!(!wants(2, 7, 6) && !wants(2, 8, 0) && !wants(3, 0, 0));
    }
}
