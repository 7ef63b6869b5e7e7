//! The page itself, in one file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::digest::Sha256;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Returns the page that shows the list at this path. Its content security policy allows only its own script and those
/// beside it, so that markup in a file's name would do nothing.
pub(super) fn page(list: &str) -> String {
    let hash = BASE64.encode(Sha256::of(SCRIPT.as_bytes()).0);
    PAGE.replace("{{hash}}", &hash)
        .replace("{{list}}", list)
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
}

/// Returns the path of the list that a page shows.
pub(super) fn list_of(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<script src=\"")?;
    let (list, _) = rest.split_once('"')?;
    super::files::list_number(list).map(|_| list)
}
