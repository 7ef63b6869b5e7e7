//! What a person gives for a remote, checked and in the form in which the settings keep it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Kind};
use crate::folder::whole_path;

/// Checks the answer for an option that several kinds have, by its id on the command line: a question knows no more of
/// the option.
pub(crate) fn check(option: &str, answer: &str) -> Result<(), Error> {
    let name = match option {
        "url" | "endpoint" => return address(answer).map(drop),
        "bucket" => ServiceName::Bucket,
        "container" => ServiceName::Container,
        "account" => ServiceName::StorageAccount,
        "region" => ServiceName::Region,
        "client_id" => ServiceName::ClientId,
        "key_id" => ServiceName::KeyId,
        "access_key_id" => ServiceName::AccessKeyId,
        _ => return Ok(()),
    };
    name.checked(answer).map(drop)
}

/// Returns what settings hold under the id of an option.
pub(crate) fn present(settings: &impl Serialize, option: &str) -> Option<String> {
    let settings = toml::Table::try_from(settings).ok()?;
    Some(settings.get(option)?.as_str()?.to_owned())
}

/// A name that a service gave to something: one word without slashes.
///
/// It is not checked by clap, whose error would show the value and nothing of how to find the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceName {
    Bucket,
    Container,
    StorageAccount,
    Region,
    ClientId,
    KeyId,
    AccessKeyId,
}

impl ServiceName {
    fn words(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Container => "container",
            Self::StorageAccount => "storage account",
            Self::Region => "region",
            Self::ClientId => "client ID",
            Self::KeyId => "keyID",
            Self::AccessKeyId => "access key ID",
        }
    }

    /// Returns the name without the spaces around it.
    pub(crate) fn checked(self, text: &str) -> Result<String, Error> {
        let text = text.trim();
        let why = match text {
            "" => "it is empty",
            text if text.contains(['\n', '\r']) => "it contains a line break",
            text if text.contains(char::is_whitespace) => "it contains a space",
            text if text.contains('/') => "it contains a slash",
            text if text.contains(char::is_control) => "it contains a control character",
            text => return Ok(text.to_owned()),
        };
        let what = self.words();
        let message = format!("'{text}' is not a valid {what}: {why}");
        let example = match self {
            Self::Bucket | Self::Container => "my-photos-2026",
            Self::StorageAccount => "myphotos2026",
            Self::Region => "eu-central-1",
            Self::ClientId => "a1b2c3d4e5f6g7h",
            Self::KeyId => "0041a2b3c4d5e6f0000000001",
            Self::AccessKeyId => "AKIA1234567890EXAMPLE",
        };
        let hint = format!("copy it from the service's page, as in {example}");
        Err(Error::new(Kind::Usage, message).with_hint(hint))
    }
}

/// Returns an address that a browser would take, with no secret in it.
pub(crate) fn address(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let bad = |why: &str| {
        let message = format!("'{}' is not a valid address: {why}", without_login(text));
        Error::new(Kind::Usage, message).with_hint("give it as in https://cloud.example/photos")
    };
    if !["https://", "http://"]
        .iter()
        .any(|begin| begins(text, begin))
    {
        return Err(bad("it must begin with https:// or http://"));
    }
    let url = reqwest::Url::parse(text).map_err(|why| bad(&why.to_string()))?;
    if url.password().is_some() || !url.username().is_empty() {
        return Err(bad("it must not contain a user or password"));
    }
    match url.port() {
        Some(0) => Err(bad("invalid port number")),
        _ => Ok(text.trim_end_matches('/').to_owned()),
    }
}

fn begins(text: &str, begin: &str) -> bool {
    let own = text.get(..begin.len());
    own.is_some_and(|own| own.eq_ignore_ascii_case(begin))
}

/// Returns an address as it may be shown: without the user and password that a person may have put before the host.
fn without_login(text: &str) -> String {
    let Some((login, host)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    match login.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://...@{host}"),
        None => format!("...@{host}"),
    }
}

/// Returns the full path of a file or folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Error> {
    whole_path(path).map_err(|error| {
        Error::new(Kind::Usage, format!("cannot use {}", path.display()))
            .caused_by(error.to_string())
            .with_hint("check the path; it must exist")
    })
}

/// Returns the full path of a file that may be given.
pub(crate) fn file(path: Option<PathBuf>) -> Result<Option<PathBuf>, Error> {
    path.as_deref().map(absolute).transpose()
}

/// Returns the path of a folder inside a bucket, container or drive.
pub(crate) fn inside(path: &str) -> String {
    path.trim_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_no_secrets_and_bad_ones_are_named() {
        assert!(address("https://cloud.example/dav/").is_ok());
        assert_eq!(address(" HTTP://nas:80 ").unwrap(), "HTTP://nas:80");
        for (bad, shown) in [
            ("ftp://x", "'ftp://x' is not a valid address: it must begin"),
            (
                "cloud:80",
                "'cloud:80' is not a valid address: it must begin",
            ),
            (
                "http://my host",
                "'http://my host' is not a valid address: ",
            ),
            (
                "https://h:99999",
                "'https://h:99999' is not a valid address: invalid port",
            ),
            (
                "https://h:0/x",
                "'https://h:0/x' is not a valid address: invalid port",
            ),
            ("https://", "'https://' is not a valid address: empty host"),
            (
                "https://ada:secret@h",
                "'https://...@h' is not a valid address: it must not",
            ),
            (
                "https://ada:sec@ret@h:x",
                "'https://...@h:x' is not a valid address",
            ),
            ("ada:secret@h", "'...@h' is not a valid address"),
        ] {
            let error = address(bad).unwrap_err();
            assert!(error.message.starts_with(shown), "{}", error.message);
            assert!(
                error
                    .hint
                    .unwrap()
                    .to_string()
                    .contains("https://cloud.example")
            );
        }
    }

    #[test]
    fn names_of_services_hold_no_spaces_and_no_folders() {
        assert_eq!(
            ServiceName::Bucket.checked(" photos-2 ").unwrap(),
            "photos-2"
        );
        for bad in ["", "a b", "photos/2026", "a\u{7}b"] {
            let error = ServiceName::Bucket.checked(bad).unwrap_err();
            let shown = format!("'{bad}' is not a valid bucket: it ");
            assert!(error.message.starts_with(&shown), "{}", error.message);
        }
    }
}
