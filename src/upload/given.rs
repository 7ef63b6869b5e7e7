//! What a person gives for a remote, checked and in the form in which the settings keep it.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind};
use crate::folder::whole_path;

/// Returns an address that a browser would take, with no secret in it.
pub(crate) fn address(text: &str) -> Result<String, Error> {
    let bad = |what: &str| {
        Error::new(Kind::Usage, format!("the address {what}"))
            .with_hint("give it as in https://cloud.example/photos")
    };
    let url = reqwest::Url::parse(text).map_err(|_| bad("is invalid"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(bad("must begin with https:// or http://"));
    }
    if url.password().is_some() || !url.username().is_empty() {
        return Err(bad("must not hold a user or password: use --user"));
    }
    Ok(text.trim_end_matches('/').to_owned())
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
    fn addresses_hold_no_secrets() {
        assert!(address("https://cloud.example/dav/").is_ok());
        for bad in ["ftp://x", "cloud", "https://ada:secret@cloud.example"] {
            let error = address(bad).unwrap_err();
            assert!(!error.message.contains("secret"), "{bad}");
        }
    }
}
